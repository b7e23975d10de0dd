"""What is possible: error measures and limits. Nothing here is a cost; a cost is len(payload)."""

from __future__ import annotations

import math

import numpy as np

LOG_2 = math.log(2)


def nmse(x, x_hat) -> float:
    """Normalized mean squared error ||x - x_hat||^2 / ||x||^2; 0 for two zero vectors, infinity if only x is zero.

    x, x_hat: arrays of one shape (ValueError otherwise). Computed in float64.
    """
    x, x_hat = np.asarray(x, np.float64), np.asarray(x_hat, np.float64)
    if x.shape != x_hat.shape:
        raise ValueError(f"x and x_hat must have one shape, got {x.shape} and {x_hat.shape}")
    error, energy = float(np.sum((x - x_hat) ** 2)), float(np.sum(x**2))
    return error / energy if energy else (math.inf if error else 0.0)


def bits_per_weight(payload: bytes, n: int) -> float:
    """8 * len(payload) / n: the bits really sent for each of n weights, header included. ValueError unless n >= 1."""
    if n < 1:
        raise ValueError(f"n (the number of weights) must be at least 1, got {n}")
    return 8 * len(payload) / n


def log2_binomial(n: int, k: int) -> float:
    """log2 C(n, k): the bits that no code can do without, on average, to name a random support of k of n weights."""
    if not 0 <= k <= n:
        raise ValueError(f"k must be in 0 … n = {n}, got {k}")
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / LOG_2


def rounding_mse(step: float, rounding: str) -> float:
    """Expected squared error of one value spread evenly within a step: step^2 / 3, / 12 or / 6 (Bennett 1948).

    floor misses by an even 0 … step, nearest by -step/2 … step/2; stochastic rounding adds its own variance to none of
    bias: the mean of f (1 - f) step^2 over the fraction f. Together 4 : 1 : 2.
    """
    return step**2 / {"floor": 3, "nearest": 12, "stochastic": 6}[rounding]
