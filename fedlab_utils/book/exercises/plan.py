"""Exercise 5.2: the largest k that a phone's monthly plan pays for, by bytes that are really made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...codecs import Identity, Quantize, TopK
from ...data import load_client_delta
from .base import Exercise, Wrong, as_number, attempt
from .sending import deciding


def message_bytes(delta: np.ndarray, k: int) -> int:
    """A message of k components at 8 bits; nothing where k is 0."""
    return len((TopK(k) | Quantize(8)).encode(delta)) if k else 0


def spent(delta: np.ndarray, k: int, rounds: int) -> int:
    """Bytes of one phone: the first model dense, an update up in every round, one down in every round but the first."""
    return len(Identity().encode(delta)) + (2 * rounds - 1) * message_bytes(delta, k)


def largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest whole number from 0 to most that fits, where all below one that fits do."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _k_for_a_plan(function) -> None:
    delta = load_client_delta()
    part = delta[40_000:43_000]
    cases = [(delta, 2.0, 100), (part, 0.05, 20), (part, 0.1, 3), (part, 0.01, 5), (delta, 1.0, 30)]
    for x, megabytes, rounds in cases:
        got = as_number(attempt(function, x, megabytes, rounds), ("k", "k"))
        budget, dense = 1e6 * megabytes, len(Identity().encode(x))
        plan = (f"{x.size:,} weights, {megabytes:g} MB, {rounds} rounds", f"{x.size:,} 个权重、{megabytes:g} MB、{rounds} 轮")
        if got not in range(x.size + 1):
            raise Wrong(
                f"{plan[0]}: k is a count, a whole number from 0 to {x.size:,}; yours is {got:g}.",
                f"{plan[1]}：k 是个数，从 0 到 {x.size:,} 的整数；你的结果是 {got:g}。",
            )
        k = int(got)
        if dense > budget and k:
            raise Wrong(
                f"{plan[0]}: the first model alone takes {dense:,} bytes, so nothing fits: 0. Yours says {k:,}.",
                f"{plan[1]}：光是初始模型就要 {dense:,} 字节，什么也装不下：应当是 0，你的结果是 {k:,}。",
            )
        if k and spent(x, k, rounds) > budget:
            raise Wrong(*_too_much(x, k, rounds, budget, plan))
        more = min(x.size, int(1.02 * k) + 1)  # bytes do not grow by the same at every k: two per cent are none
        if k < x.size and dense <= budget and spent(x, more, rounds) <= budget:
            twice = (
                len(Identity().encode(x)) + 2 * rounds * message_bytes(x, k)
                <= budget
                < 1.06 * (len(Identity().encode(x)) + 2 * rounds * message_bytes(x, k))
            )
            first = (" In the first round no update comes down: the model does.", "第一轮下行的是模型本身，没有更新。")
            raise Wrong(
                f"{plan[0]}: k = {k:,} fits, but {more:,} does as well ({spent(x, more, rounds):,} bytes).{first[0] * twice}",
                f"{plan[1]}：k = {k:,} 装得下，但 {more:,} 也装得下（{spent(x, more, rounds):,} 字节）。{first[1] * twice}",
            )


def _too_much(x, k, rounds, budget, plan) -> tuple[str, str]:
    """Why a k does not fit: what it takes, and what was left out, if that can be told."""
    dense, message = len(Identity().encode(x)), message_bytes(x, k)
    total = deciding((dense + (2 * rounds - 1) * message) / 1e6, budget / 1e6, 2)
    told = (
        f"{plan[0]}: k = {k:,} takes {total} MB ({dense:,} for the first model, {2 * rounds - 1} messages of {message:,}).",
        f"{plan[1]}：k = {k:,} 要 {total} MB（初始模型 {dense:,} 字节，{2 * rounds - 1} 条消息，每条 {message:,} 字节）。",
    )
    left = (
        (largest(lambda k: (2 * rounds - 1) * message_bytes(x, k) <= budget, x.size),
         " Did you leave out the first model?", "是不是漏了初始模型？"),
        (largest(lambda k: dense + rounds * message_bytes(x, k) <= budget, x.size),
         " The downlink counts as well.", "下行也要算。"),
        (int((budget - dense) / (2 * rounds - 1)),
         " A kept value takes a byte, and its place some bits more: ask len(payload).",
         "留下的数值占一个字节，位置还要几位：请看 len(payload)。"),
    )  # fmt: skip
    for number, en, zh in left:
        if abs(number - k) <= 0.02 * k:
            return told[0] + en, told[1] + zh
    return told


k_for_a_plan = Exercise(
    "practice.k_for_a_plan",
    "5.2",
    _k_for_a_plan,
    (
        (
            "First a function of k alone: the bytes of the whole month. The first model, len of it; then rounds messages up and "
            "rounds - 1 down.",
            "先写一个只与 k 有关的函数：整个月的字节数。初始模型的 len；再加 rounds 条上行、rounds - 1 条下行的消息。",
        ),
        (
            "len((fl.TopK(k) | fl.Quantize(8)).encode(delta)) is a message. It grows with k: so halve the interval, 17 times.",
            "一条消息是 len((fl.TopK(k) | fl.Quantize(8)).encode(delta))，它随 k 增大：把区间对半分，17 次就够。",
        ),
        (
            "low = 0 fits, or nothing does. Try the middle (rounded up): if it fits, low becomes the middle, else high becomes "
            "one less.",
            "low = 0 装得下（否则都装不下）。试中点（向上取整）：装得下，low 换成中点；装不下，high 换成中点减一。",
        ),
    ),
    """
def k_for_a_plan(delta, megabytes, rounds):
    def fits(k):
        message = len((fl.TopK(k) | fl.Quantize(8)).encode(delta))
        return len(fl.Identity().encode(delta)) + (2 * rounds - 1) * message <= 1e6 * megabytes

    low, high = 0, delta.size
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
""",
    (
        "You know the bill before you train, to the byte, places and headers included.",
        "还没训练，就知道账单了：连位置和头部在内，一个字节不差。",
    ),
)
