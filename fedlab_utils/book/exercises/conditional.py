"""Exercises 4.4 and 4.5: conditional entropy, and classes of one's own choice, judged by what is really sent."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...counting import bincount
from ...data import load_client_delta
from ...quantization import quantize
from ...theory import conditional_bits
from .base import Exercise, Wrong, as_array, as_number, attempt, shown

BITS, WANTED = 6, 1.35  # of the levels that are told; bits a level that they may take
HIDDEN = (784, 128)
WHAT = ("the classes", "类别")


def counted(levels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """How often each level occurs in each class: [classes, levels], in rising order of both."""
    values, symbols = np.unique(levels, return_inverse=True)
    kinds, which = np.unique(classes, return_inverse=True)
    counts = bincount(which.ravel() * values.size + symbols.ravel(), minlength=kinds.size * values.size)
    return counts.reshape(kinds.size, values.size)


def adaptive_bits(counts: np.ndarray) -> float:
    """Bits of a code that learns each class's histogram as it goes, every level counted once before: of the final counts.

    The product of (count so far + 1) / (all so far + a) is the same in any order: (a-1)! c1! c2! … / (a-1 + c1 + c2 + …)!.
    """
    logarithms = np.log2(np.arange(1, counts.sum() + counts.shape[1] + 1))
    factorial = np.concatenate([[0.0], np.cumsum(logarithms)])  # log2 n!
    first = counts.shape[1] - 1
    return float(np.sum(factorial[counts.sum(axis=1) + first] - factorial[first]) - np.sum(factorial[counts]))


def _conditional_entropy(function) -> None:
    rng = np.random.default_rng(0)
    cases = [
        ([0, 1, 0, 1, 2, 0, 3, 0], [0, 0, 0, 0, 1, 1, 1, 1]),  # the two rows of the text
        ([0, 1, 0, 0, 0, 0], [7, 7, -3, -3, -3, -3]),
        ([5, -2, 5, 8, -2, 5, 5, 8], [10**12, -1, 4, 10**12, 4, -1, 4, -1]),  # neither sorted nor from zero on
        ([0, 0, 1, 1, 2, 3, 0, 0], [1] * 8),
        ([3, 1, 2], [0, 1, 2]),
        (rng.integers(0, 9, 200), rng.integers(0, 3, 200)),
        ([], []),
    ]
    for numbers, kinds in cases:
        levels, classes = np.array(numbers, np.int64), np.array(kinds, np.int64)
        got = as_number(attempt(function, levels, classes), ("the entropy", "熵"))
        n, counts = max(levels.size, 1), counted(levels, classes)
        expected = conditional_bits(counts) / n
        if np.isclose(got, expected, rtol=1e-6, atol=1e-9):
            continue
        if not levels.size:
            raise Wrong("no levels hold no bits: return 0 for empty arrays.", "没有级，就没有信息：数组为空时请返回 0。")
        if np.isclose(got, expected * n):
            raise Wrong("these are the bits of all; divide by the number of levels.", "这是总位数；还要除以级的个数。")
        if np.isclose(got, expected * np.log(2)):
            raise Wrong("in bits: the logarithm has base 2.", "单位是位：对数要以 2 为底。")
        if np.isclose(got, conditional_bits(counts.sum(axis=0, keepdims=True)) / n):
            raise Wrong(
                "this is H(X), one histogram for all: the classes are not used.",
                "这是 H(X)，全体共用一个直方图：没有用上类别。",
            )
        if np.isclose(got, np.mean([conditional_bits(row[None]) / row.sum() for row in counts])):
            raise Wrong(
                "each class weighs as much as it has levels; yours all weigh the same.",
                "每个类按它有多少个级来加权；你的一律同权。",
            )
        if np.isclose(got, conditional_bits(counts.T) / n):
            raise Wrong(
                "this is the entropy of the classes given the levels: the other way round.", "这是已知级时类别的熵：正好反了。"
            )
        if np.isclose(got, conditional_bits(counts.reshape(1, -1)) / n):
            raise Wrong(
                "this is the entropy of levels and classes together; the classes are known already.",
                "这是级与类别合在一起的熵；类别是已知的，不该算进去。",
            )
        raise Wrong(
            f"for levels {shown(levels)} in classes {shown(classes)} it is {expected:.4f} bits a level, yours says {got:.4f}.",
            f"级 {shown(levels)}、类别 {shown(classes)} 时，每个级 {expected:.4f} 位，你的结果是 {got:.4f}。",
        )


conditional_entropy = Exercise(
    "mathematics.conditional_entropy",
    "4.4",
    _conditional_entropy,
    (
        (
            "For each c in np.unique(classes) take levels[classes == c], and count with np.unique(…, return_counts=True).",
            "对 np.unique(classes) 里的每个 c，取出 levels[classes == c]，用 np.unique(…, return_counts=True) 来数。",
        ),
        (
            "A class with counts k holds sum(k * log2(sum(k) / k)) bits. Add them all up, and divide by all levels.",
            "计数为 k 的一类，共有 sum(k * log2(sum(k) / k)) 位。全部加起来，再除以级的总数。",
        ),
    ),
    """
def conditional_entropy(levels, classes):
    bits = 0.0
    for c in np.unique(classes):
        _, counts = np.unique(levels[classes == c], return_counts=True)
        bits += np.sum(counts * np.log2(counts.sum() / counts))
    return bits / max(levels.size, 1)
""",
    ("Knowing never costs, on average: H(X | C) ≤ H(X).", "平均说来，知道得多不会吃亏：H(X | C) ≤ H(X)。"),
)


@lru_cache(maxsize=1)
def told_levels() -> np.ndarray:
    """What exercise 4.5 tells: magnitudes of the hidden layer's levels, int64 [784, 128], its units in another order than the
    delta has them, so that only who looks at the rows told knows anything of the next."""
    levels = quantize(load_client_delta(), BITS, "nearest").levels.astype(np.int64)
    magnitudes = np.abs(levels - bincount(levels).argmax())[: HIDDEN[0] * HIDDEN[1]].reshape(HIDDEN)
    return magnitudes[:, np.random.default_rng(0).permutation(HIDDEN[1])]


def _classes_of_next_row(function) -> tuple[str, str]:
    levels = told_levels()

    def of_row(row: int) -> np.ndarray:
        classes = as_array(attempt(function, levels[:row]), levels.shape[1:], WHAT)
        if not np.isfinite(classes).all():
            raise Wrong("a class is a number: some of yours are nan or infinite.", "类别应当是数：你的有些是 nan 或无穷大。")
        return classes

    classes = np.stack([of_row(row) for row in range(len(levels))])
    if any(not np.array_equal(of_row(row), classes[row]) for row in (0, 1, 28, 400)):
        raise Wrong(
            "called again with the same rows it gives other classes: the receiver could not find yours.",
            "用同样的几行再调用一次，得到的类别不一样：接收方就找不到你的类别了。",
        )
    counts = counted(levels, classes)
    sent, entropy = adaptive_bits(counts) / levels.size, conditional_bits(counts) / levels.size
    alone = adaptive_bits(counts.sum(axis=0, keepdims=True)) / levels.size
    if sent > WANTED and sent > entropy + 0.2:
        raise Wrong(
            f"{len(counts):,} classes are too many: given them the entropy is {entropy:.2f} bits a level, but each histogram "
            f"has to be learnt, and {sent:.2f} are sent.",
            f"{len(counts):,} 个类太多了：已知类别时熵是每个级 {entropy:.2f} 位，可是每个直方图都要从头学起，"
            f"实际要发送 {sent:.2f} 位。",
        )
    if sent > alone - 0.02:
        raise Wrong(
            f"these classes tell nothing: {sent:.2f} bits a level are sent, with one class for all {alone:.2f}.",
            f"这样的类别说明不了什么：每个级要发送 {sent:.2f} 位，全体归一类是 {alone:.2f} 位。",
        )
    if sent > WANTED:
        raise Wrong(
            f"{sent:.2f} bits a level are sent, at most {WANTED} are wanted; one class for all takes {alone:.2f}.",
            f"每个级要发送 {sent:.2f} 位，要求不超过 {WANTED} 位；全体归一类是 {alone:.2f} 位。",
        )
    return (
        f"{sent:.3f} bits a level are sent in {len(counts)} classes (entropy {entropy:.3f}), {alone:.3f} in one.",
        f"分 {len(counts)} 个类，每个级发送 {sent:.3f} 位（熵为 {entropy:.3f}）；全体归一类要 {alone:.3f} 位。",
    )


classes_of_next_row = Exercise(
    "mathematics.classes_of_next_row",
    "4.5",
    _classes_of_next_row,
    (
        (
            "A row is a pixel: told[-1] is the pixel to its left, told[-28] the one above. Mind the first rows, which have none.",
            "一行就是一个像素：told[-1] 是它左边的像素，told[-28] 是它上面的像素。开头几行还没有，要当心。",
        ),
        (
            "One of them alone does not suffice. Add the two up, and let large sums share a class: np.minimum(…, 12).",
            "只用其中一个还不够。把两个加起来，大的和归为一类：np.minimum(…, 12)。",
        ),
    ),
    """
def classes_of_next_row(told):
    if len(told) < 28:
        return np.zeros(told.shape[1])
    return np.minimum(told[-1] + told[-28], 12)
""",
    ("Where the neighbours moved, the weight moved too.", "邻居动得多的地方，它也动得多。"),
)
