"""How a vector is made of arrays: those of a model, row-major, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

Shapes = Sequence[tuple[int, ...]]


def is_list_of_arrays(x: Any) -> TypeGuard[Sequence[np.ndarray]]:
    """Whether x is a list of arrays, such as model.get_weights() gives it, and not a list of numbers."""
    return isinstance(x, (list, tuple)) and any(np.ndim(part) for part in x)


def flatten(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The arrays one after the other, row-major: float32 [n]."""
    parts = [np.ravel(array) for array in arrays]
    return np.concatenate(parts).astype(np.float32, copy=False) if parts else np.zeros(0, np.float32)


def split(vector: np.ndarray, counts: Sequence[int]) -> list[np.ndarray]:
    """A vector in parts of so many values each, as views."""
    return np.split(vector, np.cumsum(counts, dtype=int)[:-1]) if len(counts) else []


def unflatten(vector: np.ndarray, shapes: Shapes) -> list[np.ndarray]:
    """The inverse of `flatten` for arrays of these shapes, as views. ValueError for a vector of another length."""
    counts = [math.prod(shape) for shape in shapes]
    if sum(counts) != vector.size:
        raise ValueError(f"arrays of {sum(counts)} weights in all cannot be cut from a vector of {vector.size}")
    parts = split(vector, counts)
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def counts_of(indices: np.ndarray, counts: Sequence[int]) -> list[int]:
    """How many of the places `indices` (rising) of a vector lie in each of its parts of so many values."""
    ends = np.searchsorted(indices, np.cumsum(counts, dtype=int))
    return np.diff(ends, prepend=0).tolist()
