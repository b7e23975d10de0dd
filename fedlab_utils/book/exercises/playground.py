"""Exercises of chapter 6: the frontier, the account of the downlink, and when fewer bytes are worth more computing."""

from __future__ import annotations

import math

import numpy as np

from .asked.classics import *  # noqa: F403
from .asked.playground import *  # noqa: F403
from .base import Exercise, Wrong, as_array, as_number, attempt, shown
from .downlink import downlink_bytes  # noqa: F401


def _dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether a takes at most as many bytes as b and is at least as accurate, and in one of them better."""
    return a[0] <= b[0] and a[1] >= b[1] and a != b


def on_frontier(points: list[tuple[float, float]]) -> list[int]:
    """Places of the points that no other dominates."""
    return [place for place, point in enumerate(points) if not any(_dominates(other, point) for other in points)]


def _pareto(function) -> None:
    rng = np.random.default_rng(6)
    few = (zip(rng.integers(1, 6, 9).tolist(), (rng.integers(90, 95, 9) / 100).tolist(), strict=True) for _ in range(8))
    cases = [
        [(500, 0.91), (200, 0.93), (900, 0.95), (300, 0.90)],
        [(100, 0.90), (200, 0.90), (200, 0.92)],
        [(100, 0.90), (100, 0.90)],
        [(7, 0.5)],
        *map(list, few),  # of few values, so that many are equal
    ]
    for points in cases:
        answer = attempt(function, points)
        try:
            found = [int(place) for place in as_array(answer, None, ("the places", "位置")).ravel()]
        except (OverflowError, ValueError):
            found = [-1]
        if as_array(answer).ndim != 1 or not set(found) <= set(range(len(points))) or len(set(found)) < len(found):
            raise Wrong(
                f"return a list of places, each once, of 0 … {len(points) - 1}: yours is {shown(answer)}.",
                f"请返回位置的列表，每个位置一次，取值 0 … {len(points) - 1}；你的结果是 {shown(answer)}。",
            )
        _hold_frontier(points, found)


def _hold_frontier(points: list[tuple[float, float]], found: list[int]) -> None:
    wanted, told = on_frontier(points), (f"points = {points}", f"points = {points}")
    for place in found:
        if place not in wanted:
            better = next(other for other in points if _dominates(other, points[place]))
            alike = better[0] == points[place][0] or better[1] == points[place][1]
            why = (" One of the two numbers is equal: that is enough, where the other is better." if alike else "",
                   "两个数里有一个相等，另一个更好，也算胜过。" if alike else "")  # fmt: skip
            raise Wrong(
                f"{told[0]}: {points[place]} is beaten by {better}, so it is not on the frontier.{why[0]}",
                f"{told[1]}：{points[place]} 被 {better} 胜过，不在前沿上。{why[1]}",
            )
    for place in wanted:
        if place not in found:
            twin = sum(point == points[place] for point in points) > 1
            why = (" Equal points do not beat each other." if twin else "", "相等的点互不胜过。" if twin else "")
            raise Wrong(
                f"{told[0]}: nothing beats {points[place]} (place {place}), so it belongs to the frontier.{why[0]}",
                f"{told[1]}：没有点胜过 {points[place]}（位置 {place}），它应当在前沿上。{why[1]}",
            )
    sent = [points[place][0] for place in found]
    if sent != sorted(sent):
        raise Wrong(
            f"{told[0]}: these are the right points, but not by rising bytes: {sent}.",
            f"{told[1]}：点都对，但没有按字节数从小到大排：{sent}。",
        )


pareto = Exercise(
    "playground.pareto",
    "6.2",
    _pareto,
    (
        (
            "A point is beaten where another takes no more bytes, is no less accurate, and is better in one of the two.",
            "若另一个点的字节数不多、准确率不低，而且至少有一样更好，这个点就被胜过了。",
        ),
        (
            "any(…) over all points says whether one is beaten; sort what is left by its bytes.",
            "对所有点用 any(…) 判断是否被胜过；剩下的按字节数排序。",
        ),
    ),
    """
def pareto(points):
    def beaten(p):
        return any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)
    return sorted((i for i, p in enumerate(points) if not beaten(p)), key=lambda i: points[i][0])
""",
    (
        "What is not on the frontier need not be discussed: something else is better at no price.",
        "不在前沿上的点不必讨论：有别的点更好，而且不用多付。",
    ),
)


def speed_to_break_even(dense: tuple[float, float], sparse: tuple[float, float]) -> float:
    """Bytes a second below which `sparse` takes less time: both are seconds of computing and bytes, and it sends no more."""
    more_seconds, fewer_bytes = sparse[0] - dense[0], dense[1] - sparse[1]
    if more_seconds < 0 or (more_seconds == 0 and fewer_bytes > 0):
        return math.inf
    return fewer_bytes / more_seconds if fewer_bytes else 0.0


def _break_even_speed(function) -> None:
    cases = [
        ((100.0, 8e8), (300.0, 1e7)), ((20.0, 5e6), (24.0, 1e6)), ((60.0, 2e6), (60.0, 1e6)), ((60.0, 2e6), (50.0, 2e6)),
        ((60.0, 2e6), (50.0, 1e6)), ((60.0, 2e6), (90.0, 2e6)), ((60.0, 2e6), (60.0, 2e6)),
    ]  # fmt: skip
    for dense, sparse in cases:
        got = as_number(attempt(function, dense, sparse), ("the speed", "速度"))
        wanted = speed_to_break_even(dense, sparse)
        if got == wanted or math.isclose(got, wanted, rel_tol=1e-6):
            continue
        told = (f"dense = {dense}, sparse = {sparse}", f"dense = {dense}，sparse = {sparse}")
        if wanted == math.inf:
            raise Wrong(
                f"{told[0]}: sparse takes less time at any speed, so the answer is math.inf; yours is {got:g}.",
                f"{told[1]}：不论网速多少，sparse 都更快，应当是 math.inf；你的结果是 {got:g}。",
            )
        if wanted == 0:
            raise Wrong(
                f"{told[0]}: sparse is faster at no speed, so the answer is 0; yours is {got:g}.",
                f"{told[1]}：不论网速多少，sparse 都不会更快，应当是 0；你的结果是 {got:g}。",
            )
        _told_speed(got, wanted, dense, sparse, told)


def _told_speed(got: float, wanted: float, dense: tuple, sparse: tuple, told: tuple[str, str]) -> None:
    """`Wrong`, with what an answer has mixed up, if that can be told."""
    mixed = [
        (8 * wanted, " These are bits a second.", "这是每秒的位数，不是字节数。"),
        (1 / wanted, " This is seconds a byte: turn it round.", "这是每字节的秒数：倒过来。"),
        (-wanted, " Mind the sign: which one computes longer, and which one sends more?", "注意正负号：谁算得久，谁发得多？"),
        (dense[1] / sparse[0], " Only what the two differ by counts: fewer bytes, more seconds.",
         "只看两者的差：少发的字节，多算的秒数。"),
        (dense[1] / (sparse[0] - dense[0]), " Sparse sends something as well: take the difference of the bytes.",
         "sparse 也要发字节：请取字节数之差。"),
    ]  # fmt: skip
    why = next(((en, zh) for value, en, zh in mixed if math.isclose(got, value, rel_tol=1e-6)), ("", ""))
    raise Wrong(
        f"{told[0]}: yours says {got:g}. At that speed they take {dense[0] + dense[1] / got if got else math.inf:.6g} s and "
        f"{sparse[0] + sparse[1] / got if got else math.inf:.6g} s, not equally long.{why[0]}",
        f"{told[1]}：你的结果是 {got:g}。按这个网速，两者分别要 {dense[0] + dense[1] / got if got else math.inf:.6g} 秒和 "
        f"{sparse[0] + sparse[1] / got if got else math.inf:.6g} 秒，并不相等。{why[1]}",
    )


break_even_speed = Exercise(
    "playground.break_even_speed",
    "6.3",
    _break_even_speed,
    (
        (
            "Time is seconds of computing plus bytes over speed. Write it down for both, and set them equal.",
            "时间等于计算秒数加上字节数除以网速。两边各写一个式子，令它们相等。",
        ),
        (
            "speed = fewer bytes / more seconds. Then the cases in which one of these is zero or negative.",
            "网速 = 少发的字节 / 多算的秒数。再考虑其中一个为零或为负的情形。",
        ),
    ),
    """
import math

def break_even_speed(dense, sparse):
    more_seconds, fewer_bytes = sparse[0] - dense[0], dense[1] - sparse[1]
    if more_seconds < 0 or (more_seconds == 0 and fewer_bytes > 0):
        return math.inf
    return fewer_bytes / more_seconds if fewer_bytes else 0.0
""",
    (
        "Below this speed compression saves time as well, above it only bytes: which of the two is dear decides.",
        "网速低于它时，压缩连时间也省；高于它时只省字节。哪一样更贵，就看哪一样。",
    ),
)
