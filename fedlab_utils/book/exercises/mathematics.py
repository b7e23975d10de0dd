"""Exercises of chapter 4: top-k with ties, a Rice parameter, and a codec for a byte budget. (4.1 stands in `rounding` and
`shared_range`, 4.4 and 4.5 in `words` and `conditional`.)"""

from __future__ import annotations

import numpy as np

from ...codecs import Codec, Identity, TopK
from .asked.coding import *  # noqa: F403
from .asked.mathematics import *  # noqa: F403
from .base import Exercise, Wrong, as_array, as_number, attempt, shown, told
from .conditional import classes_of_next_row, conditional_entropy  # noqa: F401
from .rounding import mean_square  # noqa: F401
from .sending import hold_accuracy, kind_of, message_of, trained
from .shared_range import fault_of_a_quantizer, levels_in_a_range  # noqa: F401
from .words import read_levels  # noqa: F401

BUDGET_BYTES = 3000
WANTED_ACCURACY = 0.91


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
            "A threshold cannot tell equals apart. Put all in order instead, so that of equals the lower index comes first.",
            "阈值分不开并列的数。改成把全部排好次序，让并列的数里下标小的排在前面。",
        ),
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


def _bits_by_r(gaps) -> np.ndarray:
    """Length of a Rice code of these gaps for r = 0 … 31: int64 [32]."""
    return np.array([sum((gap >> r) + 1 + r for gap in gaps.tolist()) for r in range(32)], np.int64)


def _rice_parameter(function) -> None:
    cases = [[2, 2, 0, 6], [64, 25, 18, 18, 25], [9, 5, 1, 1], [100, 3, 40], [0, 0, 0, 0, 1], [7], [5, 0, 0, 0, 0, 900], []]
    cases += [[100_000, 70_000], [1, 1, 3, 0]]
    for numbers in cases:
        gaps = np.array(numbers, np.int64)
        got = as_number(attempt(function, gaps), ("r", "r"))
        lengths = _bits_by_r(gaps)
        best = int(lengths.argmin())
        if got == best:
            continue
        if numbers and got == lengths.min():
            raise Wrong(
                f"{got:g} is the number of bits; the parameter r that reaches it is asked for.",
                f"{got:g} 是位数；要的是达到它的参数 r。",
            )
        if got not in range(32):
            raise Wrong("r is a whole number from 0 to 31.", "r 是 0 到 31 的整数。")
        mine = lengths[int(got)]
        told = (f"gaps {shown(gaps)}: r = {got:g} takes {mine:,} bits", f"间隔 {shown(gaps)}：r = {got:g} 要 {mine:,} 位")
        if mine == lengths[best]:
            raise Wrong(
                f"{told[0]}, r = {best} as few: of equals the smallest.", f"{told[1]}，r = {best} 也一样：相等时取最小的 r。"
            )
        if mine == lengths.max():
            raise Wrong(f"{told[0]}, more than any other.", f"{told[1]}，比哪个都多。")
        if numbers and got == max(0, int(np.floor(np.log2(max(gaps.mean(), 1))))):
            raise Wrong(
                f"{told[0]}, r = {best} only {lengths[best]:,}. The logarithm of the mean gap is near, but to be sure count.",
                f"{told[1]}，r = {best} 只要 {lengths[best]:,} 位。平均间隔的对数很接近，但要有把握，还得数。",
            )
        raise Wrong(f"{told[0]}, r = {best} takes {lengths[best]:,}.", f"{told[1]}，r = {best} 只要 {lengths[best]:,} 位。")


rice_parameter = Exercise(
    "mathematics.rice_parameter",
    "4.3",
    _rice_parameter,
    (
        (
            "On paper first: the gaps 2, 2, 0, 6 with r = 0, 1, 2 are above. Which is shortest, and what changes with larger "
            "gaps?",
            "先看上面：间隔 2、2、0、6，r = 0、1、2 各多少位？哪个最短？间隔再大一些会怎样？",
        ),
        (
            "A gap g costs g >> r zeros, a one, and r low bits. Count this for every r from 0 to 31.",
            "间隔 g 的代价：g >> r 个 0、一个 1，再加 r 个低位。从 r = 0 到 31 都数一遍。",
        ),
        (
            "np.argmin of the 32 lengths gives the first of the shortest, and 0 where all are 0.",
            "对 32 个长度用 np.argmin，得到最短的第一个；全是 0 时得到 0。",
        ),
    ),
    """
def rice_parameter(gaps):
    lengths = []
    for r in range(32):
        lengths.append(sum(g // 2**r + 1 + r for g in gaps.tolist()))
    return int(np.argmin(lengths))
""",
    (
        "TopK does so for each message, and sends r along in five bits.",
        "TopK 对每条消息都这样做，再用五位把 r 一起发出去。",
    ),
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
    why, spent = _why_it_serves(codec), (f"{size:,} bytes a message are", f"每条消息 {size:,} 字节，")
    told_of = hold_accuracy(spent, history.validation_accuracy[-1], history.accuracy[-1], WANTED_ACCURACY)
    return told_of[0] + " " * bool(why[0]) + why[0], told_of[1] + why[1]


def _why_it_serves(codec: Codec) -> tuple[str, str]:
    """Why a codec is enough for exercise 4.6; nothing of one that is neither sparse nor entropy-coded."""
    if any(isinstance(stage, TopK) for stage in codec.stages):
        return (
            "Of values the sign is nearly all that counts; bytes are better spent on more places.",
            "数值里要紧的几乎只是正负号；字节花在多留几个位置上更值。",
        )
    if "ntropy" in repr(codec):  # EntropyQuantize, Quantize(…, entropy=True)
        return (
            "A coarse step sends most weights to the level 0, and entropy coding makes that level almost free: no list of places "
            "is needed.",
            "步长一粗，多数权重都落在 0 级，熵编码让这一级几乎不花位数：不必另外发位置。",
        )
    return "", ""


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
            "Of a weight that is kept, the place costs some 6 bits and the value b bits. With fewer bits a value, more are kept.",
            "保留的权重，位置约要 6 位，数值要 b 位。数值的位数少些，就能多保留几个。",
        ),
        (
            "Section 4.3 has two that pay very little for a value: one bit (only the sign), or a fraction of a bit (entropy "
            "coding).",
            "4.3 节里有两种办法，数值花得更少：留下的只发正负号，或者熵编码。",
        ),
    ),
    "codec = fl.TopK(0.03) | fl.Sign()",
)
