"""Exercises of chapter 5 on Flower: from which payload the engine is little, and a round that arrives in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...codecs import Identity, Quantize, decode
from .asked.flower import *  # noqa: F403
from .base import Exercise, Wrong, as_array, as_number, attempt

# Exchange [bytes], polling [bytes a minute], seconds of a round, the engine's share.
PRICES = ((13_400, 24_000, 15, 0.1), (13_400, 24_000, 0, 0.5), (2_000, 60_000, 90, 0.25), (10_000, 6_000, 600, 0.02))


def _least_payload(function: Any) -> None:
    for exchange, a_minute, seconds, share in PRICES:
        engine = exchange + a_minute * seconds / 60
        wanted = engine * (1 - share) / share
        found = as_number(attempt(function, exchange, a_minute, seconds, share))
        if np.isclose(found, wanted, rtol=1e-3, atol=1):
            continue
        for wrong, en, zh in (
            (engine / share, "this is all that is carried; the payload is what is left of it without the engine.",
             "这是总字节数；减去引擎的那一份，剩下的才是载荷。"),
            (engine * share, "of so small a payload the engine would be many times as much.",
             "载荷这样小，引擎会是它的许多倍。"),
            (exchange * (1 - share) / share, "polling is missing: a node asks all the time that the round takes.",
             "漏了轮询：一轮有多久，节点就问多久。"),
            ((exchange + a_minute * seconds) * (1 - share) / share, "polling is given in bytes a minute, and a round in seconds.",
             "轮询按每分钟的字节数给出，一轮的时长却是秒。"),
            (engine * (1 - share), "solve for the payload: share = engine / (payload + engine).",
             "请解出载荷：占比 = 引擎 /（载荷 + 引擎）。"),
        ):  # fmt: skip
            if np.isclose(found, wrong, rtol=1e-3, atol=1):
                raise Wrong(en, zh)
        en = f"{exchange:,} bytes an exchange, {a_minute:,} a minute, {seconds} s, a share of {share:g}"
        zh = f"每次交换 {exchange:,} 字节、每分钟 {a_minute:,} 字节、{seconds} 秒、占比 {share:g}"
        raise Wrong(f"{en}: yours says {found:,.0f} bytes, it takes {wanted:,.0f}.",
                    f"{zh}：你的结果是 {found:,.0f} 字节，应当是 {wanted:,.0f}。")  # fmt: skip


least_payload = Exercise(
    "flower.least_payload",
    "5.7",
    _least_payload,
    (
        (
            "First the engine's bytes of one round: an exchange, and polling as long as the round takes.",
            "先算一轮里引擎的字节数：一次交换，再加上整轮时间里的轮询。",
        ),
        (
            "share = engine / (payload + engine); solve for the payload.",
            "占比 = 引擎 /（载荷 + 引擎）；解出载荷。",
        ),
    ),
    """
def least_payload(exchange, a_minute, seconds, share):
    engine = exchange + a_minute * seconds / 60
    return engine * (1 - share) / share
""",
    ("Below that payload a better codec mostly improves the smaller part.", "载荷再小下去，编解码器改进的多半只是小头。"),
)


class Reply(NamedTuple):
    """An answer as it arrives. client, number: who, and to which round; samples: as the client says; payload: bytes."""

    client: int
    number: int
    samples: Any
    payload: bytes


MOST = 600  # samples that a client is believed to have, at the most
N = 400  # weights of the vectors that are tried


def _mean(replies: Sequence[Reply]) -> np.ndarray:
    replies = sorted(replies)
    samples = np.array([reply.samples for reply in replies], np.float64)
    deltas = [decode(reply.payload).astype(np.float64) for reply in replies]
    return np.average(deltas, axis=0, weights=samples)


def _replies(codec: Any, scales: Sequence[float], rng: np.random.Generator) -> list[Reply]:
    return [Reply(client, 4, int(rng.integers(50, MOST)), codec.encode((scale * rng.normal(size=N)).astype(np.float32)))
            for client, scale in enumerate(scales)]  # fmt: skip


def _close_round(function: Any) -> None:
    rng = np.random.default_rng(7)
    good = _replies(Quantize(8), [1, 2, 0.5, 1, 3], rng)

    def answer(replies: list[Reply]) -> np.ndarray:
        return as_array(attempt(function, 4, replies, MOST), (N,), ("the mean", "平均值"))

    def same(found: np.ndarray, replies: Sequence[Reply]) -> bool:
        return bool(np.allclose(found, _mean(replies), rtol=1e-4, atol=1e-5))

    found = answer(good)
    if not same(found, good):
        plain = np.mean([decode(reply.payload) for reply in good], axis=0)
        if np.allclose(found, plain, rtol=1e-4, atol=1e-5):
            raise Wrong("weight each client by its samples.", "请按各自的样本数加权。")
        if np.allclose(found, _mean(good) * sum(reply.samples for reply in good), rtol=1e-4):
            raise Wrong("divide by the samples of all.", "别忘了除以样本总数。")
        raise Wrong("five answers of this round, nothing wrong with them: this is not their mean, weighted by samples.",
                    "五个都是本轮的正常回复：你的结果不是它们按样本数加权的平均。")  # fmt: skip
    late = Reply(6, 3, 100, Identity().encode(np.full(N, 50, np.float32)))
    if not same(answer([good[0], late, *good[1:]]), good):
        raise Wrong("an answer to round 3 came in round 4, and it was added: look at `number`.",
                    "第 3 轮的回复在第 4 轮才到，却也算了进去：请看 `number`。")  # fmt: skip
    if not same(answer([*good, good[1]]), good):
        raise Wrong("the engine delivered one answer twice, and it counts double.", "同一个回复送达了两次，就算了两次。")
    for lie in (-600, 10**12, MOST + 1, 3.5, True, "many"):
        liar = Reply(5, 4, lie, Identity().encode(np.full(N, 50, np.float32)))
        if not same(answer([*good[:2], liar, *good[2:]]), good):
            raise Wrong(
                f"a client that says it has {lie!r} samples was believed; take whole numbers from 1 to {MOST} (not True).",
                f"有客户端自称有 {lie!r} 个样本，你也信了；只收 1 到 {MOST} 的整数（True 不算）。",
            )
    if not same(answer([good[0]._replace(samples=MOST), *good[1:]]), [good[0]._replace(samples=MOST), *good[1:]]):
        raise Wrong(f"{MOST} samples are allowed.", f"{MOST} 个样本是允许的。")
    # Two that nearly cancel, and three small ones: any other order gives other last bits, in float64 too.
    pair = _replies(Identity(), [2.0**70], rng)[0]
    mirror = pair._replace(client=1, payload=Identity().encode(-decode(pair.payload)))
    small = [reply._replace(client=2 + place, samples=pair.samples) for place, reply in enumerate(good[2:])]
    hard, orders = [pair, mirror, *small], [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [0, 2, 3, 1, 4], [3, 0, 4, 1, 2]]
    for replies in (good, hard):
        results = {answer([replies[place] for place in order]).astype(np.float32).tobytes() for order in orders}
        if len(results) > 1:
            raise Wrong(
                "the same answers in another order give other bits: sums of floating-point numbers depend on the order. Bring "
                "the answers into an order of your own first.",
                "同样的回复换一个次序，得到的二进制位就不同：浮点数的和与次序有关。先把回复排成你自己定的次序。",
            )


close_round = Exercise(
    "flower.close_round",
    "5.8",
    _close_round,
    (
        (
            "Four things, one after the other: which answers belong to this round, which are whole and believable, one a client, "
            "and in which order they are added.",
            "四件事，一件一件来：哪些回复属于这一轮，哪些样本数可信，每个客户端只留一个，最后按什么次序相加。",
        ),
        (
            "A dictionary by client holds one answer each; sorted(…) of it is an order that no network can change. "
            "type(samples) is int leaves out True.",
            "用客户端编号作键的字典，每家只留一个；再用 sorted(…) 排序，网络就再也改变不了次序。type(samples) is int 会把 "
            "True 排除在外。",
        ),
    ),
    """
def close_round(number, replies, most):
    mine = [r for r in replies if r.number == number and type(r.samples) is int and 1 <= r.samples <= most]
    by_client = {r.client: r for r in mine}
    chosen = [by_client[client] for client in sorted(by_client)]
    total = sum(r.samples for r in chosen)
    return sum(r.samples / total * fl.decode(r.payload).astype(float) for r in chosen)
""",
    ("Whatever the network does, these answers give these bits.", "网络怎样折腾，同样的回复总得到同样的二进制位。"),
)
