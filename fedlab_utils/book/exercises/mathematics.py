"""Exercises of chapter 4: rounding to nearest, top-k with ties, Rice code length, and a codec for a byte budget. (4.4 and 4.5
stand in `conditional`.)"""

from __future__ import annotations

import numpy as np

from ...codecs import Codec, Identity
from .asked.mathematics import *  # noqa: F403
from .base import Exercise, Wrong, as_array, as_number, attempt, hold_levels, shown, told
from .conditional import classes_of_next_row, conditional_entropy  # noqa: F401
from .sending import hold_accuracy, kind_of, message_of, trained

BUDGET_BYTES = 3000
WANTED_ACCURACY = 0.90


def _nearest_levels(function) -> None:
    # No value lies halfway between two levels: np.rint and np.floor(… + 0.5) are both right.
    cases = [
        (np.array([-1.0, -0.2, 0.1, 0.5, 1.0]), 2),
        (np.array([7.5, 3.0, 9.0, 4.1]), 3),  # the ends of the range are not the ends of x
        (np.linspace(-5, 20, 40), 5),
        (np.array([[-2.0, -1.9, 0.3], [0.4, 1.7, 1.1]]), 16),
    ]
    for x, bits in cases:
        answer = attempt(function, x, bits)
        got = as_array(answer, x.shape, ("the levels", "量化级"))
        hold_levels(answer, bits)
        scaled = (x - x.min()) / (x.max() - x.min()) * (2**bits - 1)
        expected = np.rint(scaled)
        if np.array_equal(got, expected):
            continue
        if np.allclose(got, scaled) or np.allclose(got, expected / (2**bits - 1)):
            raise Wrong("levels are whole numbers from 0 to 2**bits - 1.", "量化级是 0 到 2**bits - 1 之间的整数。")
        if np.array_equal(got, np.floor(scaled)):
            raise Wrong(
                "these are the levels of floor, formula 4.1; nearest is asked for.",
                "这是向下取整（公式 4.1）的结果；这里要四舍五入。",
            )
        if np.array_equal(got, np.rint((x + 1) / 2 * (2**bits - 1))):
            raise Wrong(
                "this is right for values between -1 and 1 only; use the least and the greatest value of x.",
                "这只对 -1 到 1 之间的数正确；请用 x 自己的最小值和最大值。",
            )
        if np.array_equal(got, np.rint((x - x.min()) / (x.max() - x.min()) * 2**bits)):
            raise Wrong(
                f"there are 2**bits - 1 = {2**bits - 1} steps between the ends, not 2**bits.",
                f"两端之间有 2**bits - 1 = {2**bits - 1} 步，不是 2**bits 步。",
            )
        place = np.unravel_index(np.flatnonzero(~np.isclose(got, expected))[0], x.shape)
        raise Wrong(
            f"with {bits} bits, x = {x[place]:g} should get level {expected[place]:.0f}, yours is {got[place]:g}.",
            f"{bits} 位时，x = {x[place]:g} 的量化级应当是 {expected[place]:.0f}，你的结果是 {got[place]:g}。",
        )
    constant = as_array(attempt(function, np.full(4, 2.5), 4), (4,), ("the levels", "量化级"))
    if not np.array_equal(constant, np.zeros(4)):
        raise Wrong(
            "where all values are equal, formula 4.1 is 0/0: give level 0 to all.",
            "所有值都相等时，公式 4.1 是 0/0：请让量化级全为 0。",
        )


nearest_levels = Exercise(
    "mathematics.nearest_levels",
    "4.1",
    _nearest_levels,
    (
        (
            "Only one function differs from formula 4.1: np.rint instead of np.floor.",
            "与公式 4.1 只差一个函数：用 np.rint 代替 np.floor。",
        ),
        ("Treat x.max() == x.min() first: then return zeros.", "先处理 x.max() == x.min() 的情形：返回全零。"),
    ),
    """
def nearest_levels(x, bits):
    if x.max() == x.min():
        return np.zeros(x.shape)
    return np.rint((x - x.min()) / (x.max() - x.min()) * (2**bits - 1))
""",
    ("A quarter of floor's squared error, for the same bytes.", "字节数相同，均方误差只有向下取整的四分之一。"),
)


def _exactly_k(function) -> None:
    rng = np.random.default_rng(0)
    cases = [
        (np.array([0.1, -0.5, 0.3, 0.2]), 2),
        (np.array([3.0, -3.0, 3.0, 1.0]), 2),
        (rng.normal(size=50), 7),
        (np.array([1.0, 2.0, -2.0, 2.0, 2.0, -1.0]), 3),
        (np.array([-4.0, 2.0, 3.0]), 3),
        (rng.integers(-4, 5, 200).astype(float), 90),  # a sort that is not stable keeps ties in order up to 16 values
    ]
    for x, k in cases:
        got = as_array(attempt(function, x, k), x.shape)
        expected = _of_order(x, -np.abs(x), k)
        if np.array_equal(got, expected):
            continue
        if np.array_equal(got, _of_order(x, -x, k)):
            raise Wrong(
                "these are the largest values; the largest magnitudes are asked for (-0.5 counts more than 0.3).",
                "这是最大的值；要的是绝对值最大的（-0.5 比 0.3 重要）。",
            )
        if np.array_equal(got, _of_order(x, np.abs(x), k)):
            raise Wrong("these are the smallest magnitudes.", "这是绝对值最小的那些。")
        if np.array_equal(got, np.abs(expected)):
            raise Wrong(
                "the signs are lost: compare magnitudes, but keep the values.", "符号丢了：比较绝对值，但要保留原来的值。"
            )
        count, place = int(np.count_nonzero(got)), int(np.flatnonzero(got != expected)[0])
        if count != k:
            raise Wrong(
                f"{count} values of {shown(x)} were kept, exactly {k} are wanted; of equal magnitudes those of lower index.",
                f"{shown(x)} 中保留了 {count} 个，应当恰好 {k} 个；绝对值相等时取下标小的。",
            )
        if np.array_equal(got[got != 0], x[got != 0]) and np.allclose(np.sort(np.abs(got)), np.sort(np.abs(expected))):
            raise Wrong(
                f"for {shown(x)} and k = {k} the number is right, but of equal magnitudes those of lower index are to be kept.",
                f"x = {shown(x)}、k = {k} 时个数对了，但绝对值相等时应当取下标小的。",
            )
        raise Wrong(
            f"for {shown(x)} and k = {k} the result should be {shown(expected)}; yours differs first at index {place}.",
            f"x = {shown(x)}、k = {k} 时，结果应当是 {shown(expected)}；你的结果从下标 {place} 起不同。",
        )


def _of_order(x, key, k):
    """x with all but the k of lowest key set to zero; of equal keys those of lower index stay."""
    kept = np.argsort(key, kind="stable")[:k]
    sparse = np.zeros_like(x)
    sparse[kept] = x[kept]
    return sparse


exactly_k = Exercise(
    "mathematics.exactly_k",
    "4.2",
    _exactly_k,
    (
        (
            "np.argsort(-np.abs(x), kind='stable') puts the largest magnitudes first and keeps ties in order.",
            "np.argsort(-np.abs(x), kind='stable') 把绝对值大的排在前面，并列时保持原来的顺序。",
        ),
        (
            "Begin with np.zeros_like(x), and write the first k of that order into it.",
            "从 np.zeros_like(x) 开始，把排在前面的 k 个写进去。",
        ),
    ),
    """
def exactly_k(x, k):
    kept = np.argsort(-np.abs(x), kind="stable")[:k]
    sparse = np.zeros_like(x)
    sparse[kept] = x[kept]
    return sparse
""",
    ("Exactly k, whatever the ties.", "无论怎样并列，都恰好保留 k 个。"),
)


def _rice_bits(function) -> None:
    cases = [([100, 3, 40], 5, 22), ([2, 2, 0, 6], 1, 13), ([2, 2, 0, 6], 0, 14), ([7], 3, 4), ([], 2, 0)]
    for numbers, r, bits in cases:
        gaps = np.array(numbers, np.int64)
        got = as_number(attempt(function, gaps, r), ("the number of bits", "位数"))
        if got == bits:
            continue
        if got == bits - gaps.size:
            raise Wrong(
                "the one that ends each quotient is missing: it takes a bit too.", "每个商末尾的那个 1 也占一位，你漏掉了。"
            )
        if r and got == bits - gaps.size * r:
            raise Wrong("the r low bits of each gap are missing.", "每个间隔的 r 个低位漏掉了。")
        if np.isclose(got, np.sum(gaps / 2**r + 1 + r)):
            raise Wrong("the quotient is a whole number: round gap / 2**r down.", "商是整数：gap / 2**r 要向下取整。")
        raise Wrong(
            f"gaps {gaps.tolist()} with r = {r} take {bits} bits, yours says {got:g}.",
            f"间隔 {gaps.tolist()}、r = {r} 需要 {bits} 位，你的结果是 {got:g}。",
        )


rice_bits = Exercise(
    "mathematics.rice_bits",
    "4.3",
    _rice_bits,
    (
        ("A gap g costs g >> r zeros, a one, and r low bits.", "间隔 g 的代价：g >> r 个 0、一个 1，再加 r 个低位。"),
        ("Sum (gaps >> r) + 1 + r over all gaps.", "把 (gaps >> r) + 1 + r 对所有间隔求和。"),
    ),
    """
def rice_bits(gaps, r):
    return int(np.sum((gaps >> r) + 1 + r))
""",
    ("Try it on the 4×4 matrix with r = 0, 1, 2.", "用 4×4 矩阵试试 r = 0、1、2。"),
)


def _codec_for_a_budget(codec) -> tuple[str, str]:
    if not isinstance(codec, Codec):
        raise Wrong(
            f"expected a codec such as fl.TopK(0.1) | fl.Quantize(8), got {kind_of(codec)}",
            f"需要一个编解码器，例如 fl.TopK(0.1) | fl.Quantize(8)，得到的是 {kind_of(codec)}",
        )
    with told("it cannot encode the delta:", "它无法编码这个增量："):
        size = len(message_of(codec))
    if size > BUDGET_BYTES:
        raise Wrong(
            f"a message takes {size:,} bytes, {BUDGET_BYTES:,} are allowed.",
            f"一条消息要 {size:,} 字节，只允许 {BUDGET_BYTES:,}。",
        )
    history = trained(codec, Identity())
    largest = max(history.uplink_bytes) / 10
    if largest > BUDGET_BYTES:
        raise Wrong(
            f"the delta of this chapter takes {size:,} bytes, but the messages of the training up to {largest:,.0f}.",
            f"本章的增量只要 {size:,} 字节，但训练中的消息多达 {largest:,.0f} 字节。",
        )
    spent = f"{size:,} bytes are", f"{size:,} 字节"
    return hold_accuracy(spent, history.validation_accuracy[-1], history.accuracy[-1], WANTED_ACCURACY)


codec_for_a_budget = Exercise(
    "mathematics.codec_for_a_budget",
    "4.6",
    _codec_for_a_budget,
    (
        (
            "3,000 bytes for 101,770 weights are 0.24 bit a weight: no quantizer with whole bits a weight gets there.",
            "101,770 个权重分 3,000 字节，每个只有 0.24 位：每个权重用整数位的量化器办不到。",
        ),
        (
            "Each kept weight costs about 8 bits for its place and b bits for its value.",
            "每个保留的权重，位置约需 8 位，数值需 b 位。",
        ),
    ),
    "codec = fl.TopK(0.02) | fl.Quantize(3)",
    (
        "Which is worth more: bits for the values, or more places? Try a few pairs.",
        "数值的位数和保留的个数，哪个更值得花字节？不妨多试几组。",
    ),
)
