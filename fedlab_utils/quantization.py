"""Uniform quantization, as the document's formula 4.1 has it (and sections 3.1.1, 3.1.1.1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .language import say
from .validation import require_choice, require_finite, require_integer, require_rng

ROUNDINGS = ("floor", "nearest", "stochastic")
BLOCK = 2**15  # weights at a time, so that what is computed in float64 stays in the processor's cache


class Quantized(NamedTuple):
    """levels: unsigned integers [n], flat, each in 0 … 2**bits - 1 (uint16 from `quantize`). lo, hi: the ends of the range.
    bits: 1 … 16. shape: that of x.
    """

    levels: np.ndarray
    lo: float
    hi: float
    bits: int
    shape: tuple[int, ...]


def quantize(
    x: ArrayLike,
    bits: int,
    rounding: str = "floor",
    lo: float | None = None,
    hi: float | None = None,
    rng: np.random.Generator | None = None,
) -> Quantized:
    """Map real numbers linearly to the integers 0 … 2**bits - 1 (document, formula 4.1).

    x: array of any shape. bits: 1 … 16 bits a value. rounding: "floor" is formula 4.1; "nearest" rounds to the nearest
    level; "stochastic" rounds up with a probability equal to the fraction, so that its mean is exact, and needs `rng`
    (a numpy.random.Generator). lo, hi: x_min and x_max of the formula, by default those of x; values outside are clipped.
    Computed in float64. Raises ValueError for NaN or infinity, for bits outside 1 … 16, for hi < lo, for a missing rng.
    """
    bits = require_integer("bits", bits, 1, 16)
    require_choice("rounding", rounding, ROUNDINGS)
    if rounding == "stochastic" and rng is None:
        raise ValueError(say('rounding="stochastic" draws random numbers: pass rng=numpy.random.default_rng(seed)',
                             'rounding="stochastic" 要抽随机数：请传入 rng=numpy.random.default_rng(seed)'))  # fmt: skip
    if rng is not None:
        require_rng("rng", rng)
    x = require_finite("x", x)
    if lo is None:
        lo = x.min() if x.size else 0.0
    if hi is None:
        hi = x.max() if x.size else lo
    lo, hi = float(require_finite("lo", lo)), float(require_finite("hi", hi))
    if hi < lo or max(-lo, hi) > float(np.finfo(np.float32).max):
        raise ValueError(say(f"lo must not exceed hi, and both must be within float32, got lo={lo:g}, hi={hi:g}",
                             f"lo 不能大于 hi，两者都应在 float32 范围内，收到的是 lo={lo:g}、hi={hi:g}"))  # fmt: skip
    top = 2**bits - 1
    flat, levels = x.ravel(), np.zeros(x.size, np.uint16)
    for start in range(0, x.size if hi > lo else 0, BLOCK):
        scaled = np.clip(flat[start : start + BLOCK].astype(np.float64), lo, hi)
        scaled -= lo
        scaled /= hi - lo
        scaled *= top
        if rounding == "nearest":
            np.rint(scaled, scaled)
        else:
            if rng is not None and rounding == "stochastic":
                scaled += rng.random(scaled.size)
            np.floor(scaled, scaled)
        # A fraction within one ulp of 1 plus a draw within one ulp of 1 can reach top + 1.
        levels[start : start + BLOCK] = np.minimum(scaled, top, out=scaled)
    return Quantized(levels, lo, hi, bits, x.shape)


def dequantize(q: Quantized) -> np.ndarray:
    """The values that the levels stand for: lo + levels * (hi - lo) / (2**bits - 1), float32, shape of x."""
    step = (q.hi - q.lo) / (2**q.bits - 1)
    values = np.empty(q.levels.size, np.float32)
    for start in range(0, values.size, BLOCK):
        values[start : start + BLOCK] = q.lo + q.levels[start : start + BLOCK].astype(np.float64) * step
    return values.reshape(q.shape)
