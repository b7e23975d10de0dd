"""What is possible: error measures and limits. Nothing here is a cost; a cost is len(payload)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .language import say
from .validation import require_integer

LOG_2 = math.log(2)
BLOCK = 2**16  # weights at a time


def nmse(x: ArrayLike, x_hat: ArrayLike) -> float:
    """Normalized mean squared error ||x - x_hat||^2 / ||x||^2; 0 for two zero vectors, infinity if only x is zero.

    x, x_hat: arrays of one shape (ValueError otherwise). Computed in float64, a block at a time: it takes no memory to speak of.
    """
    x, x_hat = np.asarray(x), np.asarray(x_hat)
    if x.shape != x_hat.shape:
        raise ValueError(say(f"x and x_hat must have one shape, got {x.shape} and {x_hat.shape}",
                             f"x 和 x_hat 的形状应当相同，收到的是 {x.shape} 和 {x_hat.shape}"))  # fmt: skip
    flat, flat_hat, error, energy = x.ravel(), x_hat.ravel(), 0.0, 0.0
    for start in range(0, x.size, BLOCK):
        part = flat[start : start + BLOCK].astype(np.float64)
        energy += float(np.sum(part**2))
        error += float(np.sum((part - flat_hat[start : start + BLOCK].astype(np.float64)) ** 2))
    return error / energy if energy else (math.inf if error else 0.0)


def bits_per_weight(payload: bytes, n: int) -> float:
    """8 * len(payload) / n: the bits really sent for each of n weights, header included. ValueError unless n >= 1."""
    if n < 1:
        raise ValueError(say(f"n (the number of weights) must be at least 1, got {n}", f"n（权重个数）至少为 1，收到的是 {n}"))
    return 8 * len(payload) / n


def log2_binomial(n: int, k: int) -> float:
    """log2 C(n, k): the bits that no code can do without, on average, to name a random support of k of n weights."""
    if not 0 <= k <= n:
        raise ValueError(say(f"k must be in 0 … n = {n}, got {k}", f"k 应在 0 … n = {n} 之间，收到的是 {k}"))
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / LOG_2


def conditional_bits(counts: np.ndarray) -> float:
    """n H(X | C): the bits that n symbols hold, on average, for who knows the class of each and the shares within it.

    counts: [classes, symbols], how often each symbol occurred in each class; of a single class it is n H(X). Per symbol it is
    never above H(X) (Cover and Thomas, Elements of Information Theory, 2.6.5). To tell the shares is not in it.
    """
    of_class = counts.sum(axis=1, keepdims=True)
    return float(np.sum(counts * np.log2(np.maximum(of_class, 1) / np.maximum(counts, 1))))


def rounding_mse(step: float, rounding: str) -> float:
    """Expected squared error of one value spread evenly within a step: step^2 / 3, / 12 or / 6 (Bennett 1948).

    floor misses by an even 0 … step, nearest by -step/2 … step/2; stochastic rounding adds its own variance to none of
    bias: the mean of f (1 - f) step^2 over the fraction f. Together 4 : 1 : 2.
    """
    return step**2 / {"floor": 3, "nearest": 12, "stochastic": 6}[rounding]


ECSQ_GAP_BITS = 0.5 * math.log2(math.pi * math.e / 6)  # 0.2546; Gish and Pierce 1968, IEEE Trans. Inf. Theory 14


def gaussian_rate_distortion(bits: float) -> float:
    """Shannon's limit: the least NMSE at which `bits` bits a weight can send independent Gaussian weights, 2**(-2 bits).

    The inverse is R(D) = log2(1 / D) / 2. Source: Shannon 1959; Cover and Thomas, Elements of Information Theory, 10.3.2.
    Entropy-coded uniform quantization needs `ECSQ_GAP_BITS` more, at a fine step.
    """
    return 2.0 ** (-2 * bits)


class LloydMaxGrid(NamedTuple):
    """values: float64 [2**bits], rising. thresholds: float64 [2**bits - 1], between them. distortion: the mean squared error."""

    values: np.ndarray
    thresholds: np.ndarray
    distortion: float


def lloyd_max(bits: int) -> LloydMaxGrid:
    """The quantizer of 2**bits values with the least mean squared error for a standard Gaussian.

    bits: 1 … 8. Each value is the mean of its cell, each threshold the middle of two values (S. P. Lloyd 1957, published in
    IEEE Trans. Inf. Theory 28, 1982; J. Max 1960, IRE Trans. Inf. Theory 6). Lloyd's iteration is slow for many values;
    this is Newton's on the same equations, whose derivatives are known.
    """
    from statistics import NormalDist  # with exact fractions and decimals: it takes as long to import as all codecs

    half = 2 ** (require_integer("bits", bits, 1, 8) - 1)  # the grid is symmetric: the values above zero suffice
    # A good start: the values whose density is that of the Gaussian to the power 1/3 (Panter and Dite 1951).
    values = math.sqrt(3) * np.array([NormalDist().inv_cdf(0.5 + (i + 0.5) / (2 * half)) for i in range(half)])
    change = np.ones(1)
    while np.abs(change).max() > 1e-8:  # what is left after such a step is its square
        ends = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [np.inf]])
        density = np.exp(-(ends**2) / 2) / math.sqrt(2 * math.pi)
        share = -np.diff([math.erfc(end / math.sqrt(2)) / 2 for end in ends])
        means = -np.diff(density) / share
        # How a mean moves with the ends of its cell, which move half as far as each of the two values beside them.
        left = density[1:-1] / share[1:] * (means[1:] - ends[1:-1]) / 2
        right = density[1:-1] / share[:-1] * (ends[1:-1] - means[:-1]) / 2
        change = _solve_tridiagonal(left, np.append(0, left) + np.append(right, 0) - 1, right, means - values)
        values = values - change
    values = np.concatenate([-values[::-1], values])
    return LloydMaxGrid(values, (values[1:] + values[:-1]) / 2, float(1 - 2 * np.sum(share * means**2)))


def _solve_tridiagonal(below: np.ndarray, diagonal: np.ndarray, above: np.ndarray, right: np.ndarray) -> np.ndarray:
    """x with below[i-1] x[i-1] + diagonal[i] x[i] + above[i] x[i+1] = right[i], by elimination: the same on every machine."""
    below, pivot, above, x = (part.tolist() for part in (below, diagonal, above, right))
    for i in range(1, len(x)):
        factor = below[i - 1] / pivot[i - 1]
        pivot[i] -= factor * above[i - 1]
        x[i] -= factor * x[i - 1]
    x[-1] /= pivot[-1]
    for i in reversed(range(len(x) - 1)):
        x[i] = (x[i] - above[i] * x[i + 1]) / pivot[i]
    return np.array(x)


def suresh_variance_bound(n: int, levels: int, clients: int = 1, rotated: bool = False) -> float:
    """Bound on E ||mean of x_hat - mean of x||^2 over the mean ||x||^2, for stochastic uniform quantization of n weights.

    levels: 2 and more, from min to max; clients: how many send, each with numbers of its own. n / (2 clients (levels - 1)^2),
    or after a random rotation (2 ln n + 2) / (clients (levels - 1)^2). Source: Suresh et al. 2017, arXiv:1611.00429,
    theorems 2 and 3.
    """
    levels = require_integer("levels", levels, 2)
    return (2 * math.log(n) + 2 if rotated else n / 2) / (clients * (levels - 1) ** 2)


def qsgd_variance_bound(n: int, levels: int) -> float:
    """Bound on the NMSE of QSGD with s = levels on n weights: min(n / s^2, sqrt(n) / s).

    Source: Alistarh et al. 2017, arXiv:1610.02132, lemma 3.1.
    """
    levels = require_integer("levels", levels, 1)
    return min(n / levels**2, math.sqrt(n) / levels)
