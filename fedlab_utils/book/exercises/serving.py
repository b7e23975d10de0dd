"""Exercise 5.1: the server's half of a round, where messages may be damaged."""

from __future__ import annotations

import numpy as np

from ...codecs import Identity, Quantize, TopK, decode
from .base import Exercise, Wrong, as_array, as_number, attempt
from .sending import attempt_bytes


def _server_round(function) -> None:
    rng = np.random.default_rng(2)
    uneven = TopK(0.5) | Quantize(4, entropy=True)  # its payloads differ in length
    for codec, n, counts in ((Quantize(2), 200, [50, 150, 400]), (uneven, 700, [10, 70, 20, 40]), (Identity(), 90, [500, 7])):
        weights, samples = rng.normal(size=n).astype(np.float32), np.array(counts)
        payloads = [codec.encode(delta) for delta in rng.normal(scale=0.1, size=(samples.size, n))]
        answer = attempt_bytes(
            function, (weights, payloads, samples), (weights, [decode(payload) for payload in payloads], samples),
            "payloads hold bytes: decode each with fl.decode first.",
            "payloads 里是字节串，请先用 fl.decode 解码。",
        )  # fmt: skip
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise Wrong("return two things: the new weights, and the bytes.", "应当返回两样东西：新的权重和字节数。")
        new = as_array(answer[0], (n,), ("the new weights", "新的权重"))
        size = as_number(answer[1], ("the number of bytes", "字节数"))
        received = np.stack([decode(payload) for payload in payloads])
        mean = samples @ received / samples.sum()
        if np.allclose(new, mean, atol=1e-6):
            raise Wrong("this is the mean update: add it to the old weights.", "这是平均更新量：还要加到旧的权重上。")
        if np.allclose(new, weights - mean, atol=1e-6):
            raise Wrong("a delta is added; only a gradient would be subtracted.", "增量要加上去；梯度才是减去。")
        if np.allclose(new, weights + received.mean(axis=0), atol=1e-6):
            raise Wrong("weight the clients by their samples.", "请按样本数给客户端加权。")
        if np.allclose(new, weights + samples @ received, atol=1e-6):
            raise Wrong("divide by the number of samples of all clients.", "还要除以全部客户端的样本总数。")
        if not np.allclose(new, weights + mean, atol=1e-6):
            raise Wrong(
                "the new weights should be the old ones plus the weighted mean of the decoded payloads.",
                "新的权重应当是旧的权重加上解码后各消息的加权平均。",
            )
        _hold_bytes(size, payloads, received)
    _with_damage(function)


def _hold_bytes(size, payloads, received) -> None:
    true_size = sum(map(len, payloads))
    if size == true_size:
        return
    if size == received.nbytes:
        raise Wrong(
            "these are the bytes of the decoded vectors; what has travelled is len(payload).",
            "这是解码之后的字节数；真正传输的是 len(payload)。",
        )
    if size == len(payloads[0]):
        raise Wrong("this is one payload; add up those of all clients.", "这只是一条消息；要把所有客户端的加起来。")
    raise Wrong(
        f"the payloads of this round have {true_size} bytes, yours says {size:,.12g}.",
        f"这一轮的消息一共 {true_size} 字节，你的结果是 {size:,.12g}。",
    )


def _with_damage(function) -> None:
    """The same round with payloads that were damaged on the way: some, then all."""
    rng, n = np.random.default_rng(3), 60
    for counts, broken in (([30, 100, 50], (1,)), ([20, 40], (0, 1))):
        weights, samples = rng.normal(size=n).astype(np.float32), np.array(counts)
        payloads = [Quantize(4).encode(delta) for delta in rng.normal(scale=0.1, size=(samples.size, n))]
        whole = [number for number in range(samples.size) if number not in broken]
        received = [decode(payloads[number]) for number in whole]
        for number in broken:
            payloads[number] = payloads[number][:9] + bytes([payloads[number][9] ^ 4]) + payloads[number][10:]
        try:
            answer = attempt(function, weights, payloads, samples)
        except Wrong as wrong:
            if "damaged payload" not in str(wrong):
                if whole or (cause := wrong.__cause__) is None:  # no cause: it did not raise
                    raise
                text = f"{type(cause).__name__}: {cause}"
                raise Wrong(
                    f"{samples.size} of {samples.size} payloads are damaged here, none could be read: the weights stay as they "
                    f"are; yours ended in {text}.",
                    f"这里 {samples.size} 条消息里 {samples.size} 条都损坏了，一条都读不出：权重不变；"
                    f"你的函数却出了错（{text}）。",
                ) from wrong
            raise Wrong(
                f"{len(broken)} of {samples.size} payloads cannot be decoded here: fl.decode raises ValueError, as they are "
                f"damaged. "
                "Leave such clients out of this round: try … except ValueError.",
                f"这里有 {len(broken)}/{samples.size} 条消息损坏了，fl.decode 抛出 ValueError。这一轮不算这样的客户端："
                "用 try … except ValueError。",
            ) from wrong
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise Wrong(
                "return two things, the new weights and the bytes, also where payloads are damaged.",
                "有消息损坏时，也要返回两样东西：新的权重和字节数。",
            )
        new = as_array(answer[0], (n,), ("the new weights", "新的权重"))
        size = as_number(answer[1], ("the number of bytes", "字节数"))
        kept = samples[whole]
        mean = kept @ np.stack(received) / kept.sum() if whole else np.zeros(n)
        if not np.allclose(new, weights + mean, atol=1e-6):
            if whole and np.allclose(new, weights + mean * kept.sum() / samples.sum(), atol=1e-6):
                raise Wrong(
                    f"of {samples.sum()} samples {kept.sum()} belong to payloads that could be read: divide by these.",
                    f"样本一共 {samples.sum()} 个，读得出的消息只占 {kept.sum()} 个：请除以这个数。",
                )
            if not whole:
                raise Wrong(
                    f"{samples.size} of {samples.size} payloads are damaged: then the weights stay as they are.",
                    f"{samples.size} 条消息里 {samples.size} 条都损坏了：这时权重应当不变。",
                )
            raise Wrong(
                "with a damaged payload the new weights should be the old ones plus the mean of the others, weighted by theirs.",
                "有一条消息损坏时，新的权重应当是旧的权重加上其余消息的平均，按它们的样本数加权。",
            )
        if size == sum(len(payloads[number]) for number in whole):
            raise Wrong("a damaged payload has travelled as well: its bytes count.", "损坏的消息也传输过：它的字节同样要算。")
        if size != sum(map(len, payloads)):
            raise Wrong(
                f"the payloads of the damaged round have {sum(map(len, payloads))} bytes, yours says {size:,.12g}.",
                f"有损坏的这一轮，消息一共 {sum(map(len, payloads))} 字节，你的结果是 {size:,.12g}。",
            )


server_round = Exercise(
    "practice.server_round",
    "5.1",
    _server_round,
    (
        (
            "Exercise 1.2 again, with payloads: collect the deltas that can be decoded, and their samples, in two lists.",
            "还是练习 1.2，只是换成了消息：把能解码的增量和它们的样本数收进两个列表。",
        ),
        (
            "In a loop: try: deltas.append(fl.decode(payload)) except ValueError: continue. Then the samples of the same client.",
            "循环里写 try: deltas.append(fl.decode(payload)) except ValueError: continue，再收下同一个客户端的样本数。",
        ),
        (
            "The bytes are those of all payloads, damaged or not: all have travelled. And if none could be read, return the "
            "old weights.",
            "字节数是所有消息的，不管有没有损坏：都传输过。一条也读不出时，返回旧的权重。",
        ),
    ),
    """
def server_round(weights, payloads, samples):
    deltas, counts = [], []
    for payload, n in zip(payloads, samples):
        try:
            deltas.append(fl.decode(payload))
        except ValueError:
            continue
        counts.append(n)
    change = np.average(deltas, axis=0, weights=counts) if counts else 0
    return weights + change, sum(len(payload) for payload in payloads)
""",
    ("This is the server of chapter 5, with its account.", "这就是本章的服务器，账也记好了。"),
)
