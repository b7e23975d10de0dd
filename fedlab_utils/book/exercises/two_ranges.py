"""Exercise 3.1: a message of two layers, with one range or with two; which is shorter, and how long."""

from __future__ import annotations

import numpy as np

from .base import Exercise, Wrong, as_number, attempt

RANGE_BYTES = 9  # x_min and x_max as float32, and a byte for the number of bits


def _bits(x, largest_error, steps=-1):
    """The fewest bits whose step, from the least to the greatest value, is at most the largest error; at least one."""
    bits = 1
    while np.ptp(x) / (2.0**bits + steps) > largest_error:
        bits += 1
    return bits


def _length(x, bits, head=RANGE_BYTES):
    return head + -(-x.size * bits // 8)


def _without_bits(both, first, second, bits):
    """The two lengths where layers whose values are all equal take no bits; nothing where none is so."""
    fewer = [b if np.ptp(x) else 0 for x, b in zip((both, first, second), bits, strict=True)]
    if fewer == [*bits]:
        return ()
    together = 2 * RANGE_BYTES - (-(first.size * fewer[1] + second.size * fewer[2]) // 8)
    return _length(both, fewer[0]), _length(first, fewer[1]) + _length(second, fewer[2]), together


def _shorter_message(function) -> None:
    rng = np.random.default_rng(0)
    wide, narrow = rng.uniform(-1, 1, 40), rng.uniform(-0.05, 0.05, 1000)
    alike, few = rng.uniform(-1, 1, 300), np.array([0.5, 0.51])
    cases = [(alike, rng.uniform(-1, 1, 200), 0.02), (wide, narrow, 0.02), (alike, few, 0.02)]
    cases += [(rng.uniform(0, 1, 11), rng.uniform(5, 6, 13), 0.1), (np.full(9, 2.0), np.linspace(0, 7.5, 41), 1.0)]
    cases += [(np.zeros(805), np.linspace(-1, 1, 1203), 0.01), (np.zeros(5), np.zeros(3), 0.01)]
    cases += [(np.linspace(-1, 1, 43), np.linspace(-0.05, 0.05, 1003), 0.022)]  # both leave part of a byte
    for first, second, largest in cases:
        answer = attempt(function, first, second, largest)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise Wrong(
                "return two numbers: how many ranges (1 or 2), and the bytes.", "请返回两个数：范围的个数（1 或 2）和字节数。"
            )
        ranges, size = as_number(answer[0], ("the number of ranges", "范围的个数")), as_number(answer[1], ("the bytes", "字节数"))
        both = np.concatenate([first, second])
        bits = _bits(both, largest), _bits(first, largest), _bits(second, largest)
        lengths = {1: _length(both, bits[0]), 2: _length(first, bits[1]) + _length(second, bits[2])}
        better = 2 if lengths[2] < lengths[1] else 1
        if (ranges, size) == (better, lengths[better]):
            continue
        told = (
            f"one range: {bits[0]} bits a weight, {lengths[1]} bytes; two: {bits[1]} and {bits[2]} bits, {lengths[2]} bytes",
            f"一个范围：每个权重 {bits[0]} 位，{lengths[1]} 字节；两个范围：{bits[1]} 位和 {bits[2]} 位，{lengths[2]} 字节",
        )
        if (ranges, size) == (3 - better, lengths[3 - better]):
            raise Wrong(
                f"the bytes are right, but the other way is shorter: {told[0]}.",
                f"字节数没错，但另一种更短：{told[1]}。",
            )
        if size == lengths[better]:
            raise Wrong(
                f"the bytes are right, the number of ranges is not: {told[0]}.", f"字节数没错，范围的个数不对：{told[1]}。"
            )
        if size in (lengths[1] - RANGE_BYTES, lengths[2] - 2 * RANGE_BYTES):
            raise Wrong(
                f"the ranges are missing: each takes {RANGE_BYTES} bytes, two float32 and the number of bits.",
                f"漏掉了范围：每个要 {RANGE_BYTES} 字节，即两个 float32 和一个字节的位数。",
            )
        if size == _length(first, bits[0]) + _length(second, bits[0]) and bits[1:] != (bits[0], bits[0]):
            raise Wrong(
                f"with a range of its own a layer has its own number of bits: here {bits[1]} and {bits[2]}, not {bits[0]}.",
                f"有了自己的范围，每层也有自己的位数：这里是 {bits[1]} 和 {bits[2]}，不是 {bits[0]}。",
            )
        if size in _without_bits(both, first, second, bits):
            raise Wrong("a layer whose values are all equal still takes 1 bit a weight.", "数值全都相等的层，每个权重也要 1 位。")
        many = [_bits(x, largest, steps=0) for x in (both, first, second)]
        if many != [*bits] and size in (_length(both, many[0]), _length(first, many[1]) + _length(second, many[2])):
            raise Wrong(
                "there are 2**bits - 1 steps between the ends, not 2**bits.", "两端之间有 2**bits - 1 步，不是 2**bits 步。"
            )
        if size in (8 * lengths[1], 8 * lengths[2]) or size > 4 * max(lengths.values()):
            raise Wrong("these are bits; a byte has eight.", "这里算的是位数；8 位才是一个字节。")
        if size == 2 * RANGE_BYTES - (-(first.size * bits[1] + second.size * bits[2]) // 8):
            raise Wrong(
                "each range is packed into whole bytes by itself: round up twice.", "每个范围各自装进整字节：要分别向上取整。"
            )
        down = [x.size * b // 8 for x, b in zip((both, first, second), bits, strict=True)]
        if size in (RANGE_BYTES + down[0], 2 * RANGE_BYTES + down[1] + down[2]):
            raise Wrong(
                f"levels are packed into whole bytes: round up ({told[0]}).", f"量化级要装进整字节：向上取整（{told[1]}）。"
            )
        raise Wrong(
            f"layers of {first.size} and {second.size} weights, ranges {np.ptp(first):.3f} and {np.ptp(second):.3f}, together "
            f"{np.ptp(both):.3f}, error at most {largest:g}: {told[0]}; yours says {ranges:g} and {size:g}.",
            f"两层各 {first.size} 和 {second.size} 个权重，范围宽 {np.ptp(first):.3f} 和 {np.ptp(second):.3f}，合在一起 "
            f"{np.ptp(both):.3f}，误差至多 {largest:g}：{told[1]}；你的结果是 {ranges:g} 和 {size:g}。",
        )


shorter_message = Exercise(
    "algorithms.shorter_message",
    "3.1",
    _shorter_message,
    (
        (
            "One small function first: the bytes of one range. Its bits are the fewest whose step is small enough.",
            "先写一个小函数：一个范围要多少字节。位数取步长够小的最少位数。",
        ),
        (
            "The step is (x.max() - x.min()) / (2**bits - 1): begin at bits = 1 and count up. Then 9 + size * bits / 8, "
            "rounded up.",
            "步长是 (x.max() - x.min()) / (2**bits - 1)：从 bits = 1 数起。再算 9 + 个数 × bits / 8，向上取整。",
        ),
        (
            "One range holds np.concatenate([first, second]); two are the sum of both. Compare.",
            "一个范围时，里面是 np.concatenate([first, second])；两个范围时，两层相加。比一比。",
        ),
    ),
    """
def shorter_message(first, second, largest_error):
    def length(x):
        bits = 1
        while (x.max() - x.min()) / (2**bits - 1) > largest_error:
            bits += 1
        return 9 + int(np.ceil(x.size * bits / 8))

    one, two = length(np.concatenate([first, second])), length(first) + length(second)
    return (2, two) if two < one else (1, one)
""",
    (
        "A quiet layer beside a loud one is worth its own nine bytes; two that are alike are not.",
        "一层安静、一层活跃，多花九个字节就值得；两层差不多，就不值得。",
    ),
)
