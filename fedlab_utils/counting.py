"""`np.bincount` for integers of 64 bits on machines whose indices have 32, as in a browser's Python."""

from __future__ import annotations

import numpy as np


def bincount(values: np.ndarray, weights: np.ndarray | None = None, minlength: int = 0) -> np.ndarray:
    """How often each of 0, 1, … occurs in `values`, or the sum of its weights: int64 or float64 [at least minlength].

    values: integers [n] of any dtype, not negative (ValueError) and below 2**31. NumPy refuses int64 where its own indices are
    shorter, and counts in those, so that products of counts overflow.
    """
    found = np.bincount(np.asarray(values).astype(np.intp, copy=False), weights, minlength)
    return found if weights is not None else found.astype(np.int64, copy=False)
