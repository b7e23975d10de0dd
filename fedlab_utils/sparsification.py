"""Sparsification: keep few weights, drop the rest (document, formula 4.2 and sections 3.1.2, 3.1.2.1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .counting import bincount
from .language import say
from .validation import require_finite, require_integer, require_number, require_rng

SHORT = 2**16  # weights, see `_of_rank`


class Sparse(NamedTuple):
    """indices: int64 [k], rising. values: [k], float32 or float64 as x, float64 for other dtypes. shape: that of x."""

    indices: np.ndarray
    values: np.ndarray
    shape: tuple[int, ...]

    def to_dense(self) -> np.ndarray:
        """The vector with zeros where nothing was kept, dtype and shape of x."""
        dense = np.zeros(math.prod(self.shape), self.values.dtype)
        dense[self.indices] = self.values
        return dense.reshape(self.shape)


def count_kept(k: float, n: int) -> int:
    """How many of n weights `k` keeps: a float in (0, 1] is a fraction, max(1, ceil(k n)); an integer a count, 1 … n.

    An empty vector (n = 0) keeps nothing. ValueError outside those ranges.
    """
    if isinstance(k, (float, np.floating)):
        fraction = require_number(say("k (a fraction of the weights)", "留下的比例 k"), k, 0, 1)
        # 0.07 * 100 is 7.000000000000001 in floating point; without the factor ceil would keep eight.
        return min(n, max(1, math.ceil(fraction * n * (1 - 1e-12))))
    count = require_integer(say("k (a count of weights)", "留下的个数 k"), k, 1, None if n == 0 else n)
    return min(n, count)


def top_k(x: ArrayLike, k: float) -> Sparse:
    """Keep the k weights of largest magnitude (document, formula 4.2).

    x: array of any shape. k: a fraction (float in (0, 1]) or a count (int in 1 … n). Exactly k are kept: of equal
    magnitudes at the threshold those of lower index, where the formula's >= may keep more. ValueError for NaN,
    infinity, or k out of range. Selection, O(n): the sort of section 3.1.2.1 is not needed.
    """
    x = require_finite("x", x)
    flat = x.ravel()
    kept = count_kept(k, flat.size)
    if kept == flat.size:
        return Sparse(np.arange(kept), flat.copy(), x.shape)
    magnitude = np.abs(flat)
    threshold = _of_rank(magnitude, flat.size - kept)  # |x|_(k) of formula 4.2
    stays = magnitude > threshold
    stays[np.flatnonzero(magnitude == threshold)[: kept - np.count_nonzero(stays)]] = True
    indices = np.flatnonzero(stays)
    return Sparse(indices, flat[indices], x.shape)


def _of_rank(magnitude: np.ndarray, rank: int) -> np.floating:
    """The value that stands at `rank` (from 0) when magnitudes, float32 or float64 [n], are sorted.

    Floats that are not negative are in the order of their bits. So the digits of the answer, 16 bits each, are found from the top
    by counting: twice or four times O(n), whatever the values, where NumPy's partition takes twenty times as long on a
    vector that is mostly one value, as sparse deltas are. A short vector is not worth counting into 65,536 bins.
    """
    if magnitude.size < SHORT:
        return np.partition(magnitude, rank)[rank]
    left = magnitude.view(np.uint32 if magnitude.dtype == np.float32 else np.uint64)
    found = 0
    for shift in range(8 * left.dtype.itemsize - 16, -1, -16):
        digits = np.right_shift(left, left.dtype.type(shift)).astype(np.uint16)  # the last 16 of what the shift leaves
        below = bincount(digits, minlength=2**16).cumsum()
        digit = int(np.searchsorted(below, rank, side="right"))
        rank -= int(below[digit - 1]) if digit else 0
        left = left[digits == digit]
        found = found << 16 | digit
    return np.array([found], left.dtype).view(magnitude.dtype)[0]


def random_k(x: ArrayLike, k: float, rng: np.random.Generator) -> Sparse:
    """Keep k weights drawn at random without replacement, at their own values.

    Arguments and errors as for `top_k`. Scaled by n / k the result is an unbiased estimate of x (Konečný et al. 2016,
    arXiv:1610.05492, "random mask").
    """
    x, rng = require_finite("x", x), require_rng("rng", rng)
    indices = np.sort(rng.choice(x.size, count_kept(k, x.size), replace=False))
    return Sparse(indices, x.ravel()[indices], x.shape)
