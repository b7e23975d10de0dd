"""Exercises of chapter 5: the server's half of a round, a client with a memory, both directions. (5.2 stands in `plan`.)"""

from __future__ import annotations

import numpy as np

from ...codecs import Codec, Identity, Quantize, TopK, decode
from .asked.practice import *  # noqa: F403
from .base import Exercise, Wrong, as_array, as_number, attempt
from .plan import k_for_a_plan  # noqa: F401
from .sending import Decoding, attempt_bytes, deciding, hold_accuracy, kind_of, megabytes, trained

BUDGET_BYTES = 6_000_000
WANTED_ACCURACY = 0.91


def _send_with_memory(function) -> None:
    rng = np.random.default_rng(1)
    codec: Codec = TopK(2)
    residual, x = np.array([0.0, 3.0, 0.0, -1.0, 0.5], np.float32), np.array([4.0, 0.0, 0.25, -1.0, 2.0], np.float32)
    cases = [(x, np.zeros(5, np.float32), codec, True), (x, residual, codec, True)]
    more, owed = rng.normal(size=40).astype(np.float32), rng.normal(size=40).astype(np.float32)
    cases += [
        (more, owed, TopK(0.1) | Quantize(4), True),
        (more, owed, TopK(0.1) | Quantize(4), False),
        (x, residual, codec, False),
    ]
    for x, residual, codec, arrived in cases:
        answer = attempt_bytes(
            function, (x, residual, codec, arrived), (x, residual, Decoding(codec), arrived),
            "the payload holds bytes: decode it with fl.decode before you subtract.",
            "payload 是字节串，相减之前请先用 fl.decode 解码。",
        )  # fmt: skip
        if not isinstance(answer, (tuple, list)) or len(answer) != 2 or not isinstance(answer[0], (bytes, bytearray)):
            raise Wrong(
                "return two things: the payload (bytes), and the new residual.",
                "应当返回两样东西：消息（字节串）和新的残差。",
            )
        payload, new = bytes(answer[0]), as_array(answer[1], x.shape, ("the new residual", "新的残差"))
        meant = x + residual
        if payload == codec.encode(x) and payload != codec.encode(meant):
            raise Wrong(
                "the old residual was not sent: add it to x before encoding.", "旧的残差没有发送：编码之前先把它加到 x 上。"
            )
        if payload == codec.encode(x - residual) and payload != codec.encode(meant):
            raise Wrong("the residual is to be added, not subtracted.", "残差应当加上去，而不是减去。")
        if payload != codec.encode(meant):
            raise Wrong("the payload must be codec.encode(x + residual).", "消息应当是 codec.encode(x + residual)。")
        received = decode(payload)
        if not arrived:
            _hold_lost(new, x, residual, received)
            continue
        if np.allclose(new, meant - received, atol=1e-6):
            continue
        if np.allclose(new, received - meant, atol=1e-6):
            raise Wrong(
                "the sign of the new residual is turned round: what was meant minus what arrived.",
                "新残差的符号反了：应当是想发的减去收到的。",
            )
        if np.allclose(new, x - received, atol=1e-6):
            raise Wrong(
                "the new residual must be taken from x + residual: else what waited for two rounds is forgotten.",
                "新的残差要用 x + residual 来减：否则等了两轮的部分就被忘掉了。",
            )
        if np.allclose(new, received, atol=1e-6):
            raise Wrong("this is what was sent; the residual is what was not.", "这是发出去的部分；残差是没发出去的部分。")
        raise Wrong(
            "the new residual must be what was meant minus what the receiver decodes.",
            "新的残差应当是想发的减去接收方解码得到的。",
        )


def _hold_lost(new, x, residual, received) -> None:
    """The residual where the message was lost: all that was meant."""
    meant = x + residual
    if np.allclose(new, meant, atol=1e-6):
        return
    if np.allclose(new, meant - received, atol=1e-6):
        raise Wrong(
            "this message was lost (arrived is False): nothing of it has reached the server, so all of it goes on waiting.",
            "这条消息丢了（arrived 为 False）：服务器一点也没收到，所以全部都要继续等。",
        )
    if np.allclose(new, residual, atol=1e-6) or np.allclose(new, x, atol=1e-6):
        raise Wrong(
            "this message was lost: the old residual waits, and so does what this round has added, both of them.",
            "这条消息丢了：旧的残差要等，这一轮新加的也要等，两样都在内。",
        )
    raise Wrong("where a message was lost, the new residual is all that was meant.", "消息丢了的时候，新的残差就是想发的全部。")


send_with_memory = Exercise(
    "practice.send_with_memory",
    "5.3",
    _send_with_memory,
    (
        ("First what is meant, then its payload, then what is left of it.", "先写想发什么，再写消息是什么，最后是还剩什么。"),
        (
            "fl.decode(payload) is what the receiver gets, if it gets anything. What does it have where the message was lost?",
            "fl.decode(payload) 就是接收方得到的，前提是收到了。消息丢了的时候，对方手里有什么？",
        ),
    ),
    """
def send_with_memory(x, residual, codec, arrived):
    meant = x + residual
    payload = codec.encode(meant)
    if not arrived:
        return payload, meant
    return payload, meant - fl.decode(payload)
""",
    (
        "Nothing is lost, even where a message is: what arrived and what waits add up to what was meant.",
        "消息会丢，内容不会丢：收到的加上等待的，等于想发的。",
    ),
)


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
                raise
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


def _both_ways(pair) -> tuple[str, str]:
    if isinstance(pair, Codec):
        raise Wrong("give two codecs: (uplink, downlink).", "请给出两个编解码器：(上行, 下行)。")
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(codec, Codec) for codec in pair):
        raise Wrong(
            f"expected a pair of codecs such as (fl.Quantize(8), fl.Quantize(8)), got {kind_of(pair)}",
            f"需要一对编解码器，例如 (fl.Quantize(8), fl.Quantize(8))，得到的是 {kind_of(pair)}",
        )
    history = trained(*pair)
    up, down = sum(history.uplink_bytes), sum(history.downlink_bytes)
    if up + down > BUDGET_BYTES:
        spent = deciding((up + down) / 1e6, BUDGET_BYTES / 1e6, 2)
        side = ("downlink", "下行") if down >= up else ("uplink", "上行")
        raise Wrong(
            f"{spent} MB in all ({up / 1e6:.2f} up, {down / 1e6:.2f} down), {BUDGET_BYTES / 1e6:g} are allowed; "
            f"save on the {side[0]} first.",
            f"总计 {spent} MB（上行 {up / 1e6:.2f}，下行 {down / 1e6:.2f}），只允许 {BUDGET_BYTES / 1e6:g} MB；"
            f"先从{side[1]}省起。",
        )
    return hold_accuracy(megabytes(up + down), history.validation_accuracy[-1], history.accuracy[-1], WANTED_ACCURACY)


both_ways = Exercise(
    "practice.both_ways",
    "5.4",
    _both_ways,
    (
        (
            "The first model is sent dense to ten clients: 4.07 MB are gone before you begin.",
            "第一个模型要稠密地发给十个客户端：还没开始就用掉了 4.07 MB。",
        ),
        (
            "Sparsify in both directions, and quantize what is kept to 4 bits; error feedback is on.",
            "两个方向都先稀疏化，再把保留的数值量化到 4 位；误差反馈是打开的。",
        ),
    ),
    "codecs = (fl.TopK(0.05) | fl.Quantize(4), fl.TopK(0.1) | fl.Quantize(4))",
    (
        "Less than a thirteenth of the bytes of float32, both directions and the first dense model counted.",
        "连同下行和第一个稠密的模型，总字节数不到 float32 的十三分之一。",
    ),
)
