"""One clear error each: every check names the argument, its value and what is allowed."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np


def require_integer(name: str, value, low: int, high: int | None = None) -> int:
    """Return `value` as int, or raise: TypeError for no integer, ValueError outside low … high (both included)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__})")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"in {low} … {high}"
        raise ValueError(f"{name} must be {allowed}, got {value}")
    return int(value)


def require_number(name: str, value, low: float, high: float = np.inf, low_included: bool = False) -> float:
    """Return `value` as float; ValueError unless low < value <= high (low itself allowed if `low_included`)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    value = float(value)
    if not (low < value <= high or (low_included and value == low)) or not np.isfinite(value):
        bracket = "[" if low_included else "("
        end = f"{high:g}]" if np.isfinite(high) else "infinity)"
        raise ValueError(f"{name} must be in {bracket}{low:g}, {end}, got {value:g}")
    return value


def require_choice(name: str, value, choices) -> str:
    """Return `value`, or raise ValueError with the list of what is allowed."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def require_rng(name: str, rng) -> np.random.Generator:
    """Return `rng`; TypeError unless it is a numpy.random.Generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{name} must be a numpy.random.Generator such as numpy.random.default_rng(seed), got {rng!r}")
    return rng


def require_real(name: str, x) -> np.ndarray:
    """Return `x` as an array; TypeError unless it holds real numbers."""
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {x.dtype}")
    return x


def require_finite(name: str, x) -> np.ndarray:
    """Return `x` as a floating array (float32 and float64 keep their dtype); ValueError naming the first NaN or infinity."""
    x = require_real(name, x)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if not np.isfinite(x).all():
        flat = int(np.flatnonzero(~np.isfinite(x.ravel()))[0])
        where = flat if x.ndim <= 1 else tuple(int(i) for i in np.unravel_index(flat, x.shape))
        count = int((~np.isfinite(x)).sum())
        raise ValueError(f"{name} must be finite, but {name}[{where}] is {x.ravel()[flat]} ({count} such of {x.size})")
    return x
