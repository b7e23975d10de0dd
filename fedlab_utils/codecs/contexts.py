"""Levels by what stands around them: each weight of an array by the weights of its row, its column and next to it.

An array is told in steps, a few of its weights in each, spread evenly over its rows and columns. Before each step both
sides know the same weights, and expect of every other one a magnitude: (mean of its row) (mean of its column) / (mean of
all), mixed with those of its neighbours above and below. Weights of like expectation make a context, and each context has
its own histogram, counted from what has been told already: nothing of it is sent. The last half of an array knows half of
its row, half of its column and all of its neighbours. Sources: context quantization by expected magnitude, X. Wu 1997 (ECECOW,
"Lossless compression of continuous-tone images via context selection, quantization, and modeling"); the order of the steps is
that of ordered dithering, B. Bayer 1973.
Both sides compute with integers, and with float64 one operation at a time (IEEE 754): the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from ..counting import bincount
from ..theory import conditional_bits
from .ans import ROOTS, Teller, Writer, normalize

WEIGHTS = 5  # of the neighbours against row and column: 0, 1/4 … 1
FARTHEST = 80  # rows to the second neighbour
OCTAVES = -12, 17  # of the magnitudes expected
PER_OCTAVE = 2  # contexts: 1 … 1.5 … 2
NEAR = 4  # contexts beside, by how much the neighbours say
EXACT, FINE = 16, 8  # magnitudes with a symbol each; above, symbols an octave
LEAST = 2.0**-10  # magnitude expected of a weight among nothing but zeros
SCALE, PRIOR, INHERITED = 14, 40, 32  # bits of a share; what a prior and what the wider context weigh, in weights


class Field(NamedTuple):
    """One array to be told. live: bool [rows, columns], False where both sides know a zero. weight: of the neighbours, in
    quarters. near: two distances (rows, columns) to neighbours. mean: expected magnitude of all, in eighths of an octave."""

    live: np.ndarray
    weight: int
    near: tuple[tuple[int, int], tuple[int, int]]
    mean: int


def neighbours(far: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two distances (rows, columns): the next row and the one `far` rows away; 0 for a vector, whose next is in its line."""
    return ((1, 0), (far, 0)) if far else ((0, 1), (1, 0))


def _eighths(exponents: np.ndarray) -> np.ndarray:
    """2**(e / 8) as float64, exactly the same everywhere."""
    return np.ldexp(ROOTS[exponents & 7].astype(np.float64), (exponents >> 3) - 8)


_COUNT = (OCTAVES[1] - OCTAVES[0]) * PER_OCTAVE


def _classes(expected: np.ndarray) -> np.ndarray:
    """The contexts of magnitudes expected (float64, above zero): 0 … _COUNT-1. The exponent of a float64 and the first bit
    behind the point are its logarithm, rounded down to half an octave."""
    return np.clip((expected.view(np.int64) >> 51) - (1023 + OCTAVES[0]) * PER_OCTAVE, 0, _COUNT - 1)


def _bayer(order: int) -> np.ndarray:
    table = np.zeros((1, 1), np.int64)
    for _ in range(order):
        table = np.block([[4 * table, 4 * table + 2], [4 * table + 3, 4 * table + 1]])
    return table


_ORDER = _bayer(3)


def _steps(field: Field) -> Iterator[np.ndarray]:
    """The places of the live weights in the table, int64, step by step: a 64th first, then twice as many, … 4/64 at most."""
    far = max(field.near[1][0], 1)
    height = np.arange(field.live.shape[0])
    turn = (height // far + height % far) % 8  # so that neighbours come in another step than the weight
    turn_right = (np.cumsum(field.live.any(0)) - 1) % 8
    count = int(np.count_nonzero(field.live))
    least = min(max(2**14 // max(count, 1), 1), 64)
    ends = [least]
    while ends[-1] < 64:
        ends.append(min(ends[-1] + min(max(4, least), ends[-1]), 64))
    step_of = np.searchsorted(ends, _ORDER, side="right").astype(np.uint8)
    step = np.where(field.live, step_of[turn[:, None], turn_right[None]], np.uint8(len(ends))).ravel()
    for which in range(len(ends)):
        places = np.flatnonzero(step == which)
        if places.size:
            yield places


class Tables:
    """The histograms of the contexts, of magnitudes and of signs, shared by the arrays of a message.

    symbols: how many there are of magnitudes. signed: whether signs are told.
    """

    def __init__(self, symbols: int, signed: bool):
        self.signed = signed
        self._counts = np.zeros((_COUNT, NEAR, symbols), np.int64)
        self._prior = _geometric(symbols)
        self._signs = np.zeros((45, 2), np.int64)

    def code(
        self, coder: Writer | Teller, expected: np.ndarray, near: np.ndarray, lean: np.ndarray, values: np.ndarray | None
    ) -> np.ndarray:
        """Tell or read one step: int64 levels. expected: magnitudes. near: 0 … NEAR-1. lean: to which sign, -1.5 … 1.5."""
        contexts = _classes(expected) * NEAR + near
        told = None if values is None else _symbols(np.abs(values))
        symbols = _by_context(coder, told, contexts, self._frequencies)
        _count(self._counts, contexts, symbols)
        levels = _magnitudes(coder, symbols, None if values is None else np.abs(values))
        if self.signed:
            moved = np.flatnonzero(levels)
            leans = lean[moved]
            contexts = 3 * np.minimum(np.abs(leans) * 10, 14).astype(np.int64) + np.minimum(levels[moved], 3) - 1
            agree = None if values is None else (values[moved] > 0) == (leans >= 0)
            agree = _by_context(coder, agree, contexts, lambda which: normalize(2 * self._signs[which] + 1))
            _count(self._signs, contexts, agree)
            levels[moved] = np.where((agree > 0) == (leans >= 0), levels[moved], -levels[moved])
        return levels

    def bits(self) -> float:
        """What all levels told so far hold, given their contexts: n H(level | context), by the final counts."""
        symbols = self._counts.reshape(-1, self._counts.shape[2])
        low = np.maximum((np.arange(symbols.shape[1]) - EXACT) // FINE + 1, 0)  # bits of large magnitudes, told as they are
        return conditional_bits(symbols) + float(symbols.sum(axis=0) @ low) + conditional_bits(self._signs)

    def _frequencies(self, contexts: np.ndarray) -> np.ndarray:
        """int64 [contexts, symbols]: the counts of each, on top of those of all with the same expectation, on top of a prior."""
        symbols = self._counts.shape[2]
        if symbols == 1:
            return np.ones((contexts.size, 1), np.int64)
        which, near = np.divmod(contexts, NEAR)
        wider = (self._counts[which].sum(axis=1) << 10) + self._prior[which]
        shares = (wider << SCALE) // wider.sum(axis=1, keepdims=True)
        return normalize((self._counts[which, near] << SCALE) + INHERITED * shares + 1)


def _count(counts: np.ndarray, contexts: np.ndarray, symbols: np.ndarray) -> None:
    counts += bincount(contexts * counts.shape[-1] + symbols, minlength=counts.size).reshape(counts.shape)


@cache
def _geometric(symbols: int) -> np.ndarray:
    """The prior of each context: magnitudes drawn from a geometric distribution of the mean that is expected. int64."""
    octave, half = np.divmod(np.arange(_COUNT), PER_OCTAVE)
    mean = np.ldexp(1.25 + 0.5 * half, octave + OCTAVES[0])
    ratio = np.floor(mean / (1 + mean) * 2**30).astype(np.int64)
    prior, tail = np.empty((_COUNT, symbols), np.int64), np.full(_COUNT, 1 << 30, np.int64)
    width_ratio = ratio
    for symbol in range(symbols):
        if (symbol > EXACT and (symbol - EXACT) % FINE == 0) or symbol == EXACT:
            width_ratio = (width_ratio * width_ratio) >> 30
        following = (tail * width_ratio) >> 30
        prior[:, symbol] = tail - following
        tail = following
    prior[:, -1] += tail
    total = prior.sum(axis=1, keepdims=True)
    return prior * (PRIOR << 10) // total


def _by_context(coder: Writer | Teller, symbols: np.ndarray | None, contexts: np.ndarray, frequencies: Callable) -> np.ndarray:
    """Tell or read symbols, those of each context together: int64 of the contexts' length, in their order."""
    if not contexts.size:
        return np.empty(0, np.int64)
    order = np.argsort(contexts.astype(np.int16), kind="stable")  # of 16 bits it is a radix sort
    starts = np.flatnonzero(np.diff(contexts[order], prepend=-1))
    models = frequencies(contexts[order[starts]])
    out = np.empty(contexts.size, np.int64)
    for start, end, model in zip(starts, [*starts[1:], contexts.size], models, strict=True):
        lot = order[start:end]
        out[lot] = coder.tell(None if symbols is None else symbols[lot], lot.size, model)
    return out


def symbols_of(top: int) -> int:
    """How many symbols magnitudes up to `top` need."""
    return int(_symbols(np.array([top]))[0]) + 1


def _octave(magnitudes: np.ndarray) -> np.ndarray:
    """floor(log2) of integers, 4 where they have a symbol each and no bits are left over."""
    return np.maximum(np.frexp(magnitudes.astype(np.float64))[1] - 1, 4)


def _symbols(magnitudes: np.ndarray) -> np.ndarray:
    octave = _octave(magnitudes)
    return np.where(magnitudes < EXACT, magnitudes, EXACT + FINE * (octave - 4) + (magnitudes >> (octave - 3)) - FINE)


def _magnitudes(coder, symbols: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """The magnitudes of symbols: of the large ones the low bits are told as they are, each as likely as the other."""
    octave = np.where(symbols < EXACT, 3, 4 + (symbols - EXACT) // FINE)
    magnitudes = np.where(symbols < EXACT, symbols, (FINE + (symbols - EXACT) % FINE) << (octave - 3))
    for bits in range(1, int(octave.max(initial=3)) - 2):
        lot = np.flatnonzero(octave == bits + 3)
        low = None if values is None else values[lot] & ((1 << bits) - 1)
        magnitudes[lot] += coder.tell(low, lot.size, np.full(1 << bits, 1 << 24 - bits, np.int64))
    return magnitudes


def walk(
    field: Field, tables: Tables, coder: Writer | Teller, levels: np.ndarray | None, note: np.ndarray | None = None
) -> np.ndarray:
    """Tell (or read, where levels is None) one array: its levels, int32 [rows, columns], zero where it is not live.

    note: float [rows, columns], which takes the magnitude expected of each weight when it was told."""
    rows, columns = field.live.shape
    table = Known(field)
    out = np.zeros(rows * columns, np.int32)
    for places in _steps(field):
        values = None if levels is None else levels.ravel()[places]
        expected, near, lean = table.expect(places, tables.signed)
        if note is not None:
            note.flat[places] = expected
        out[places] = values = tables.code(coder, expected, near, lean, values)
        table.learn(places, values)
    return out.reshape(rows, columns)


class Known:
    """What has been told of an array so far, and what it makes one expect of the rest."""

    def __init__(self, field: Field):
        self._columns, self._weight = field.live.shape[1], field.weight / 4
        (down, right), (far, across) = field.near
        self._margin = max(down, far), max(right, across)
        width = self._columns + 2 * self._margin[1]
        self._pairs = down * width + right, far * width + across
        shape = field.live.shape[0] + 2 * self._margin[0], width
        # Of each weight, with a margin around, so that every one has neighbours: told or not, magnitude, sign.
        self._told, self._sign = np.zeros(shape, np.int8).ravel(), np.zeros(shape, np.int8).ravel()
        self._magnitude = np.zeros(shape, np.float32).ravel()  # exact: below 2**24
        self._rows, self._row_sums = np.zeros(field.live.shape[0]), np.zeros(field.live.shape[0])
        self._cols, self._col_sums, self._col_signs = np.zeros(self._columns), np.zeros(self._columns), np.zeros(self._columns)
        self._count, self._sum, self._mean = 0, 0.0, float(_eighths(np.array(field.mean)))

    def _padded(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row, column = np.divmod(places, self._columns)
        return row, column, (row + self._margin[0]) * (self._columns + 2 * self._margin[1]) + column + self._margin[1]

    def expect(self, places: np.ndarray, signed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the weights at `places`: magnitude, how much the neighbours say (0 … NEAR-1), and which sign they lean to."""
        row, column, at = self._padded(places)
        mean = (self._sum + 8 * self._mean) / (self._count + 8)
        of_row = (self._row_sums + 3 * mean) / (self._rows + 3)
        of_column = (self._col_sums + 3 * mean) / (self._cols + 3)
        expected = of_row[row] * of_column[column] / mean
        around, told, lean = np.zeros(places.size), np.zeros(places.size), np.zeros(places.size)
        for pair in self._pairs:
            for side in (at + pair, at - pair):
                around += self._magnitude[side]
                told += self._told[side]
                lean += self._sign[side]
        around += (4 - told) * expected
        expected = expected * (1 - self._weight) + around * (self._weight / 4) + LEAST
        if not signed:
            return expected, np.minimum(told, NEAR - 1).astype(np.int64), lean
        lean = (self._col_signs / (self._cols + 1))[column] + (0.3 * lean if self._weight else 0)
        near = np.where(told < 3, 0, 1 + np.minimum(np.abs(lean) * 4, NEAR - 2).astype(np.int64))
        return expected, near, lean

    def learn(self, places: np.ndarray, values: np.ndarray) -> None:
        """The weights at `places` are told."""
        row, column, at = self._padded(places)
        magnitude, sign = np.abs(values).astype(np.float64), np.sign(values).astype(np.float64)
        self._told[at], self._magnitude[at], self._sign[at] = 1, magnitude, sign
        for sums, which, what in (
            (self._rows, row, None), (self._row_sums, row, magnitude),
            (self._cols, column, None), (self._col_sums, column, magnitude), (self._col_signs, column, sign),
        ):  # fmt: skip
            sums += bincount(which, what, sums.size)
        self._count += places.size
        self._sum += float(magnitude.sum())
