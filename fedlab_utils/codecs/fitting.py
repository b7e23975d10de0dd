"""What an encoder chooses for an array that is told by its contexts: which neighbours, and how much they weigh."""

from __future__ import annotations

import math

import numpy as np

from .contexts import FARTHEST, LEAST, WEIGHTS, Field, neighbours

SAMPLE = 2**14  # weights by which it chooses


def fitted(live: np.ndarray, levels: np.ndarray, vector: bool) -> Field:
    """The field that suits an array best: how far its second neighbours are, and how much all of them tell.

    live, levels: [rows, columns]. vector: a vector in lines, whose neighbours stand left and right as well.
    """
    magnitudes = np.abs(levels)
    mean = int(np.rint(8 * np.log2(max(float(magnitudes[live].mean()), 2.0**-15))))
    near = neighbours(0 if vector else repeat(levels) or 3)
    rows, columns = magnitudes.sum(1) / np.maximum(live.sum(1), 1), magnitudes.sum(0) / np.maximum(live.sum(0), 1)
    some = np.flatnonzero(live)
    some = some[:: max(1, some.size // SAMPLE)]
    row, column = np.divmod(some, live.shape[1])
    expected = rows[row] * columns[column] / max(magnitudes[live].mean(), 1e-9)
    down, right = np.max(near, axis=0)
    padded = np.pad(magnitudes, ((down, down), (right, right)))
    around = sum(padded[row + down + sign * y, column + right + sign * x] for y, x in near for sign in (1, -1))
    got, beside = magnitudes.ravel()[some], around / 4

    def bits(weight: int) -> float:  # of a geometric distribution with the mean expected
        guess = expected * (1 - weight / 4) + beside * (weight / 4) + LEAST
        return float(np.sum(np.log1p(guess) + got * np.log1p(1 / guess)))

    return Field(live, min(range(WEIGHTS), key=bits), near, mean)


def repeat(levels: np.ndarray) -> int:
    """After how many rows an array is most like itself again (28 for the pixels of MNIST), 3 … FARTHEST; 0 if never."""
    rows, columns = levels.shape
    most = min(FARTHEST, rows // 2)
    some = np.sign(levels[:, :: max(1, columns // 32)]).astype(np.float64)
    some -= some.mean(axis=0)
    energy = np.cumsum(np.concatenate([[0.0], (some**2).sum(axis=1)]))
    spectrum = np.fft.rfft(some, rows + most, axis=0)
    together = np.fft.irfft((spectrum.real**2 + spectrum.imag**2).sum(axis=1), rows + most)  # at each lag, of all columns
    likeness = [0.0, 0.0]
    for lag in range(2, most + 1):
        both = (energy[-1] - energy[lag]) * (energy[-1 - lag])
        likeness.append(float(together[lag]) / math.sqrt(both) if both > 0 else 0.0)
    peaks = [lag for lag in range(3, most) if likeness[lag] > likeness[lag - 1] and likeness[lag] >= likeness[lag + 1]]
    return max(peaks, key=lambda lag: likeness[lag], default=0)
