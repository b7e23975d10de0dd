"""Exercises of chapter 5: the bill of a training, a client with a memory, the server's half of a round, and both directions."""

from __future__ import annotations

import numpy as np

from ...codecs import Codec, Identity, Quantize, TopK, decode
from .asked.practice import *  # noqa: F403
from .base import Exercise, Wrong, as_array, as_number, attempt
from .sending import Decoding, attempt_bytes, deciding, hold_accuracy, kind_of, megabytes, trained

BUDGET_BYTES = 6_000_000
WANTED_ACCURACY = 0.91


def _uplink_bytes(function) -> None:
    cases = [(101_770, 8, 10, 10), (101_770, 2, 10, 10), (100_001, 3, 7, 5), (20_000, 16, 1, 1)]
    for n, bits, clients, rounds in cases:
        got = as_number(attempt(function, n, bits, clients, rounds), ("the number of bytes", "字节数"))
        messages = clients * rounds
        body, whole, dense = -(-n * bits // 8), len(Quantize(bits).encode(np.zeros(n))), len(Identity().encode(np.zeros(n)))
        head = whole - body
        if got == messages * whole:
            continue
        if got == messages * body:
            raise Wrong(
                f"the header is missing: each message carries {head} bytes more.", f"漏掉了头部：每条消息还要多 {head} 字节。"
            )
        if (counted := (got - messages * body) / head) in (1, clients, rounds):
            raise Wrong(
                f"{head} bytes of header are counted {counted:.0f}×, but each of the {messages} messages carries its own.",
                f"{head} 字节的头部只算了 {counted:.0f} 次；{messages} 条消息，每条都带一个头部。",
            )
        if got in (2 * messages * whole, messages * (whole + 4 * n), messages * (whole + dense)):
            raise Wrong("these are both directions; only the uplink is asked for.", "这是两个方向之和；这里只问上行。")
        if got in (messages * n * bits, messages * (n * bits + head), messages * (n * bits + 8 * head)):
            raise Wrong("these are bits; a byte has eight.", "这里算的是位数；8 位才是一个字节。")
        if got == messages * (n * bits // 8 + head):
            raise Wrong("a message is whole bytes: round up, not down.", "消息是整字节的：要向上取整，不是向下。")
        if np.isclose(got, messages * (n * bits / 8 + head), rtol=0, atol=1):
            raise Wrong(
                "round up each message, not the sum: every client sends a message of its own.",
                "应当对每条消息分别取整，而不是对总和取整：每个客户端各发各的消息。",
            )
        if got == whole:
            raise Wrong("this is one message; how many are sent in all?", "这是一条消息的大小；一共要发多少条？")
        raise Wrong(
            f"{n:,} weights, {bits} bits, {clients} clients, {rounds} rounds: {messages * whole:,} bytes, "
            f"yours says {got:,.12g}.",
            f"{n:,} 个权重、{bits} 位、{clients} 个客户端、{rounds} 轮需要 {messages * whole:,} 字节，你的结果是 {got:,.12g}。",
        )


uplink_bytes = Exercise(
    "practice.uplink_bytes",
    "5.2",
    _uplink_bytes,
    (
        (
            "One message: n * bits bits, rounded up to whole bytes, and 17 bytes around them.",
            "一条消息：n * bits 位，向上取整到字节，外加 17 字节。",
        ),
        ("-(-a // b) divides and rounds up.", "-(-a // b) 就是向上取整的除法。"),
    ),
    """
def uplink_bytes(n, bits, clients, rounds):
    message = -(-n * bits // 8) + 17
    return clients * rounds * message
""",
    ("You know the bill before you train.", "还没训练，就知道账单了。"),
)


def _send_with_memory(function) -> None:
    rng = np.random.default_rng(1)
    codec: Codec = TopK(2)
    residual, x = np.array([0.0, 3.0, 0.0, -1.0, 0.5], np.float32), np.array([4.0, 0.0, 0.25, -1.0, 2.0], np.float32)
    cases = [(x, np.zeros(5, np.float32), codec), (x, residual, codec)]
    cases += [(rng.normal(size=40).astype(np.float32), rng.normal(size=40).astype(np.float32), TopK(0.1) | Quantize(4))]
    for x, residual, codec in cases:
        answer = attempt_bytes(
            function, (x, residual, codec), (x, residual, Decoding(codec)),
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


send_with_memory = Exercise(
    "practice.send_with_memory",
    "5.3",
    _send_with_memory,
    (
        ("Three lines: what is meant, its payload, and what is left of it.", "三行：想发什么、消息是什么、还剩什么。"),
        ("fl.decode(payload) is what the receiver gets.", "fl.decode(payload) 就是接收方得到的。"),
    ),
    """
def send_with_memory(x, residual, codec):
    meant = x + residual
    payload = codec.encode(meant)
    return payload, meant - fl.decode(payload)
""",
    ("Nothing is lost: what was sent and what waits add up to what was meant.", "什么也没丢：发出的加上等待的，等于想发的。"),
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
        true_size = sum(map(len, payloads))
        if size == true_size:
            continue
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


server_round = Exercise(
    "practice.server_round",
    "5.1",
    _server_round,
    (
        ("Decode every payload first: [fl.decode(p) for p in payloads].", "先把每条消息解码：[fl.decode(p) for p in payloads]。"),
        ("The bytes are sum(len(p) for p in payloads): nothing else has travelled.",
         "字节数是 sum(len(p) for p in payloads)：除此之外什么也没有传输。"),
    ),
    """
def server_round(weights, payloads, samples):
    deltas = [fl.decode(payload) for payload in payloads]
    new = weights + np.average(deltas, axis=0, weights=samples)
    return new, sum(len(payload) for payload in payloads)
""",
    ("This is the server of chapter 5, with its account.", "这就是本章的服务器，账也记好了。"),
)  # fmt: skip


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
