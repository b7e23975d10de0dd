"""How a vector is made of arrays: those of a model, row-major, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from .language import say
from .validation import require_finite

Shapes = Sequence[tuple[int, ...]]
RANGES = ("model", "array")  # what has a range or a scale of its own
MAX_ARRAYS = 2**16


def is_list_of_arrays(x: Any) -> TypeGuard[Sequence[np.ndarray]]:
    """Whether x is a list of arrays, such as model.get_weights() gives it, and not a list of numbers."""
    return isinstance(x, (list, tuple)) and any(np.ndim(part) for part in x)


def vector_of(x: ArrayLike | Sequence[np.ndarray]) -> np.ndarray:
    """x as one finite vector; a list of arrays is taken in order. ValueError naming the first NaN or infinity."""
    if is_list_of_arrays(x):
        parts = [require_finite(f"x[{place}]", part) for place, part in enumerate(x)]
        return np.concatenate([part.ravel() for part in parts])
    return require_finite("x", x).ravel()


def flatten(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The arrays one after the other, row-major: float32 [n]."""
    parts = [np.ravel(array) for array in arrays]
    return np.concatenate(parts).astype(np.float32, copy=False) if parts else np.zeros(0, np.float32)


def split(vector: np.ndarray, counts: Sequence[int]) -> list[np.ndarray]:
    """A vector in parts of so many values each, as views."""
    return np.split(vector, np.cumsum(counts, dtype=int)[:-1]) if len(counts) else []


def n_weights(shapes: Shapes) -> int:
    """How many weights arrays of these shapes have together."""
    return sum(math.prod(shape) for shape in shapes)


def unflatten(vector: np.ndarray, shapes: Shapes) -> list[np.ndarray]:
    """The inverse of `flatten` for arrays of these shapes, as views. ValueError for a vector of another length."""
    counts = [math.prod(shape) for shape in shapes]
    if sum(counts) != vector.size:
        raise ValueError(say(f"arrays of {sum(counts)} weights in all cannot be cut from a vector of {vector.size}",
                             f"各数组共 {sum(counts)} 个权重，不能从 {vector.size} 个权重的向量里切出来"))  # fmt: skip
    parts = split(vector, counts)
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


class Layout:
    """How a vector is made of arrays, as a codec is told of it; it also notes whether anything was coded by it.

    shapes: of the arrays, row-major one after the other (at most MAX_ARRAYS, ValueError otherwise). bytes_to_tell: what
    the receiver costs to be told of them, 0 where they were agreed on before.
    """

    def __init__(self, shapes: Shapes, bytes_to_tell: int = 0):
        if len(shapes) > MAX_ARRAYS:
            raise ValueError(say(f"a layout of {len(shapes)} arrays, at most {MAX_ARRAYS} are allowed",
                                 f"布局里有 {len(shapes)} 个数组，最多允许 {MAX_ARRAYS} 个"))  # fmt: skip
        self.shapes = [tuple(map(int, shape)) for shape in shapes]
        self.counts = [math.prod(shape) for shape in self.shapes]
        self.bytes_to_tell, self.used, self._whole = bytes_to_tell, False, self

    def kept(self, indices: np.ndarray) -> Layout:
        """The layout of the values at `indices` (rising) of the vector: what is left of each array, flat."""
        ends = np.searchsorted(indices, np.cumsum(self.counts, dtype=int))
        left = Layout([(count,) for count in np.diff(ends, prepend=0).tolist()], self.bytes_to_tell)
        left._whole = self._whole
        return left

    def use(self) -> Layout:
        """The layout, which is needed from now on to decode what is coded: its bytes have to be told."""
        self._whole.used = True
        return self

    def require(self, n: int) -> Layout:
        """The layout, if it is one of n weights; ValueError otherwise."""
        if sum(self.counts) != n:
            raise ValueError(say(
                f"the layout is of {sum(self.counts)} weights in {len(self.shapes)} arrays, the vector has {n}",
                f"布局是 {len(self.shapes)} 个数组、共 {sum(self.counts)} 个权重，而向量有 {n} 个"))  # fmt: skip
        return self


def as_table(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of an array, its last axis along the rows: the units of a layer, in Keras."""
    return (1, math.prod(shape)) if len(shape) < 2 else (math.prod(shape[:-1]), shape[-1])
