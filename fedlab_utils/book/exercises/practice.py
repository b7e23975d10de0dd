"""Exercises of chapter 5: a client with a memory, both directions. (5.1 stands in `serving`, 5.2 in `plan`.)"""

from __future__ import annotations

import numpy as np

from ...codecs import Codec, Quantize, TopK, decode
from .asked.practice import *  # noqa: F403
from .base import Exercise, Wrong, as_array
from .plan import k_for_a_plan  # noqa: F401
from .sending import Decoding, attempt_bytes, deciding, hold_accuracy, kind_of, megabytes, trained
from .serving import server_round  # noqa: F401

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
            "初始模型要稠密地发给十个客户端：还没开始就用掉了 4.07 MB。",
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
