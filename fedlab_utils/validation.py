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
    if x.dtype.kind == "V" and x.dtype.name.startswith(("bfloat", "float")):  # those of ml_dtypes: bfloat16, float8_e4m3fn, …
        return x.astype(np.float32)
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


def _require_array(name: str, x) -> np.ndarray:
    if not isinstance(x, np.ndarray):
        how = f"{name}.numpy()" if hasattr(x, "numpy") else f"numpy.asarray({name})"
        raise TypeError(f"{name} must be a NumPy array, got {type(x).__name__}: pass {how}")
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{name} must hold at least one sample, got the shape {x.shape}")
    return x


def require_inputs(name: str, x: Any, seen: bool = False) -> np.ndarray:
    """Return samples x [n, …] as they are: float32, or integers such as the numbers of words.

    TypeError or ValueError for another dtype, none at all, NaN or infinity, saying what to pass. seen: they were looked at
    before and cannot have changed.
    """
    x = _require_array(name, x)
    if x.dtype != np.float32 and x.dtype not in (np.int32, np.int64):
        scaled = f"{name}.astype('float32')" + (" / 255" if x.dtype == np.uint8 else "")
        raise TypeError(f"{name} must be float32 (or int32, for words), got {x.dtype}: pass {scaled}")
    if not seen and x.dtype == np.float32 and not np.isfinite(x.sum(dtype=np.float64)):  # one pass, no array of its size
        require_finite(name, x)
    return x


def require_labels(name: str, y: Any, n_samples: int, n_classes: int | None = None) -> np.ndarray:
    """Return labels as int32 [n], or [n, time] for a label a time step; a column [n, 1] becomes [n].

    TypeError or ValueError for what is no integer, another number of samples, and a label below 0 or beyond the classes,
    with its value and place.
    """
    y = _require_array(name, y)
    if y.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, the numbers of the classes, got dtype {y.dtype}")
    if y.shape[1:] == (1,):
        y = y[:, 0]
    if y.ndim > 2:
        raise ValueError(f"{name} must have the shape [n], or [n, time] for a label a time step, got {y.shape}")
    if len(y) != n_samples:
        raise ValueError(f"{name} has {len(y)} labels for {n_samples} samples: one for each is needed")
    top = n_classes - 1 if n_classes else np.iinfo(np.int32).max
    if y.min() < 0 or y.max() > top:
        place = np.unravel_index(int(np.argmax((y < 0) | (y > top))), y.shape)
        where = ", ".join(str(int(i)) for i in place)
        allowed = f"the model has the classes 0 … {top}" if n_classes else "labels count from 0"
        raise ValueError(f"{name}[{where}] is {y[place]}, but {allowed}")
    return y.astype(np.int32, copy=False)


def require_held_out(name: str, indices: ArrayLike, clients: Sequence[np.ndarray], n_samples: int) -> np.ndarray:
    """Return samples of the training set that are for judging as an array of indices.

    ValueError or TypeError where they are none, out of range, doubled, or where a client trains on one of them.
    """
    indices = np.asarray(indices)
    if indices.ndim != 1 or indices.size == 0 or indices.dtype.kind not in "iu":
        raise TypeError(f"{name} must be a flat array of indices, not empty, got {indices.dtype} of shape {indices.shape}")
    _require_within(name, indices, n_samples)
    if np.unique(indices).size < indices.size:
        raise ValueError(f"{name} holds a sample more than once")
    for number, part in enumerate(clients):
        if (shared := np.isin(indices, part)).any():
            raise ValueError(
                f"{name} holds sample {indices[shared][0]}, which clients[{number}] trains on: "
                "hold out samples that no client has"
            )
    return indices


def require_clients(clients: Iterable[ArrayLike], n_samples: int, clients_per_round: int) -> list[np.ndarray]:
    """The samples of each client as arrays of indices. ValueError or TypeError naming a client that cannot take part."""
    if not isinstance(clients, Iterable):
        raise TypeError("clients must be a list with an array of sample indices for each client, as fl.partition_iid(labels, "
                        f"n_clients) gives it, got {clients!r}")  # fmt: skip
    parts = [np.asarray(part) for part in clients]
    require_integer("clients_per_round", clients_per_round, 1)
    if clients_per_round > len(parts):
        raise ValueError(f"clients_per_round must be in 1 … {len(parts)} (the number of clients), got {clients_per_round}")
    for number, part in enumerate(parts):
        if part.size == 0:
            raise ValueError(f"clients[{number}] is empty: every client needs at least one sample")
        if part.ndim != 1 or part.dtype.kind not in "iu":
            raise TypeError(f"clients[{number}] must be a flat array of indices, got {part.dtype} of shape {part.shape}")
        _require_within(f"clients[{number}]", part, n_samples)
    return parts


def _require_within(name: str, indices: np.ndarray, n_samples: int) -> None:
    if indices.min() < 0 or indices.max() >= n_samples:
        outside = indices.min() if indices.min() < 0 else indices.max()
        raise ValueError(f"{name} holds the index {outside}, allowed are 0 … {n_samples - 1}")
