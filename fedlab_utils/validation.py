"""One clear error each: every check names the argument, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def require_integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return `value` as int, or raise: TypeError for no integer, ValueError outside low … high (both included)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__})")
    value = int(value)
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"in {low} … {high}"
        raise ValueError(f"{name} must be {allowed}, got {value}")
    return value


def require_number(
    name: str, value: Any, low: float, high: float = np.inf, low_included: bool = False, high_included: bool = True
) -> float:
    """Return `value` as float; ValueError unless finite and in low … high, each end allowed or not."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    value = float(value)
    inside = low < value < high or (low_included and value == low) or (high_included and value == high)
    if not (inside and np.isfinite(value)):
        bracket = "[" if low_included else "("
        end = f"{high:g}{']' if high_included else ')'}" if np.isfinite(high) else "infinity)"
        raise ValueError(f"{name} must be in {bracket}{low:g}, {end}, got {value:g}")
    return value


def require_fraction(name: str, value: Any) -> float:
    """Return `value` as float; ValueError outside [0, 1): of what is removed, lost or kept back, never all."""
    return require_number(name, value, 0, 1, low_included=True, high_included=False)


def require_mask(name: str, mask: Sequence[ArrayLike], weights: Sequence[ArrayLike]) -> list[np.ndarray]:
    """Return `mask` as bool arrays; ValueError unless it has the shapes of `weights` and holds nothing but 0 and 1."""
    shapes, wanted = [np.shape(m) for m in mask], [np.shape(w) for w in weights]
    if shapes != wanted:
        raise ValueError(f"{name} must have the shapes of the weights, {wanted}, got {shapes}")
    arrays = [np.asarray(m) for m in mask]
    if not all(np.isin(a, (0, 1)).all() for a in arrays):
        raise ValueError(f"{name} must hold nothing but 0 and 1 (or False and True)")
    return [a.astype(bool) for a in arrays]


def require_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return `value`, or raise ValueError with the list of what is allowed."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def require_rng(name: str, rng: Any) -> np.random.Generator:
    """Return `rng`; TypeError unless it is a numpy.random.Generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{name} must be a numpy.random.Generator such as numpy.random.default_rng(seed), got {rng!r}")
    return rng


def require_real(name: str, x: ArrayLike) -> np.ndarray:
    """Return `x` as an array; TypeError unless it holds real numbers."""
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {x.dtype}")
    return x


def require_finite(name: str, x: ArrayLike) -> np.ndarray:
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
