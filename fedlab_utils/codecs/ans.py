"""The entropy coder: symbols in as many bits as they are surprising, whatever model says how surprising each is.

Asymmetric numeral systems (J. Duda, "Asymmetric numeral systems", 2013, arXiv:1311.2540) with a state of 64 bits, words of 32
and frequencies that add up to 2**24, from the library `constriction` (R. Bamler, 2022, arXiv:2201.01741). Where that library
is not installed, or has no wheel (Linux on ARM), a loop in Python writes and reads the same bytes, about a hundred times
slower.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from .wire import Reader, varint

PRECISION = 24  # the frequencies of a model add up to 2**PRECISION
# 2**(j / 8) in units of 1/256, by integer roots: what is counted or expected is told in eighths of an octave.
ROOTS = np.array([math.isqrt(math.isqrt(math.isqrt(1 << (j + 64)))) for j in range(8)], np.int64)


def normalize(weights: np.ndarray) -> np.ndarray:
    """Integers above zero in proportion to `weights` and adding up to 2**24: int64 [a], or [models, a] for one model a row.

    weights: int64, together below 2**39, so that the products stay within 64 bits.
    """
    total = weights.sum(axis=-1, keepdims=True)
    frequencies = 1 + weights * (2**PRECISION - weights.shape[-1]) // total
    rest = 2**PRECISION - frequencies.sum(axis=-1)
    if weights.ndim == 1:
        frequencies[weights.argmax()] += rest
    else:
        frequencies[np.arange(len(weights)), weights.argmax(axis=1)] += rest
    return frequencies


class Writer:
    """Collects symbols, each lot by a model of its own, and codes them all at once: the last first, as the coder needs it."""

    def __init__(self) -> None:
        self._lots: list[tuple[np.ndarray, np.ndarray]] = []

    def tell(self, symbols: np.ndarray | None, count: int, frequencies: np.ndarray) -> np.ndarray:
        """Symbols 0 … a-1 (integers [count]) by a model of a frequencies (`normalize`); returns them."""
        assert symbols is not None  # a `Teller` has none
        if frequencies.size > 1 and count:
            self._lots.append((symbols, frequencies))
        return symbols

    def data(self) -> bytes:
        """The code of all that was told: a count of bytes, then words, little-endian, without the zero bytes at the end."""
        library = _constriction()
        if library:
            coder = library.stream.stack.AnsCoder()
            for symbols, frequencies in reversed(self._lots):
                coder.encode_reverse(symbols.astype(np.int32), _model(library, frequencies))
            words = coder.get_compressed()
        else:
            words = _slow_encode([(symbols.tolist(), frequencies) for symbols, frequencies in self._lots])
        data = np.asarray(words, "<u4").tobytes().rstrip(b"\0")
        return varint(len(data)) + data


class Teller:
    """Reads again what a `Writer` has coded: lots of as many symbols, by the same models, in the same order."""

    def __init__(self, reader: Reader):
        with reader.part("code"):
            data = bytes(reader.take(reader.varint()))
        if data.endswith(b"\0"):
            raise ValueError("damaged payload: an entropy code never ends in zero")
        words = np.frombuffer(data + bytes(-len(data) % 4), "<u4").astype(np.uint32)
        library = _constriction()
        self._coder = _Library(library, words) if library else _Slow(words.tolist())

    def tell(self, symbols: np.ndarray | None, count: int, frequencies: np.ndarray) -> np.ndarray:
        """The next `count` symbols: int32 [count]. (symbols: as a `Writer` has them.)"""
        if frequencies.size == 1 or not count:
            return np.zeros(count, np.int32)
        return self._coder.decode(count, frequencies)

    def finish(self) -> None:
        """ValueError unless every word has been read."""
        if not self._coder.is_empty():
            raise ValueError("damaged payload: the entropy code holds more than its symbols")


def ans_encode(symbols: np.ndarray, frequencies: np.ndarray) -> bytes:
    """Symbols 0 … a-1 by one model of a frequencies, as bytes; no byte where a = 1."""
    if frequencies.size == 1:
        return b""
    writer = Writer()
    writer.tell(symbols, symbols.size, frequencies)
    return writer.data()


def ans_decode(reader: Reader, count: int, frequencies: np.ndarray) -> np.ndarray:
    """The inverse of `ans_encode`: int32 [count]. ValueError where the bytes are no such code."""
    if frequencies.size == 1:
        return np.zeros(count, np.int32)
    teller = Teller(reader)
    symbols = teller.tell(None, count, frequencies)
    teller.finish()
    return symbols


def _constriction():
    try:
        import constriction
    except ImportError:
        return None
    return constriction


def _model(library, frequencies):
    # The library takes real numbers, keeps 1 for each symbol and shares the rest out in proportion: by these, exactly.
    return library.stream.model.Categorical((frequencies - 1).astype(np.float64), perfect=False)


class _Library:
    def __init__(self, library, words: np.ndarray):
        self._library, self._ans = library, library.stream.stack.AnsCoder(words)

    def decode(self, count: int, frequencies: np.ndarray) -> np.ndarray:
        return self._ans.decode(_model(self._library, frequencies), count)

    def is_empty(self) -> bool:
        return self._ans.is_empty()


def _slow_encode(lots: Sequence[tuple[list[int], np.ndarray]]) -> list[int]:
    state, words = 0, []
    for symbols, frequencies in reversed(lots):
        starts, sizes = (np.cumsum(frequencies) - frequencies).tolist(), frequencies.tolist()
        for symbol in reversed(symbols):
            size = sizes[symbol]
            if state >> (64 - PRECISION) >= size:
                words.append(state & 0xFFFFFFFF)
                state >>= 32
            state = (state // size << PRECISION) + state % size + starts[symbol]
    while state:
        words.append(state & 0xFFFFFFFF)
        state >>= 32
    return words


class _Slow:
    def __init__(self, words: list[int]):
        self._words, self._state = words, 0
        self._refill()

    def _refill(self) -> None:
        while self._words and self._state < 2**32:
            self._state = self._state << 32 | self._words.pop()

    def decode(self, count: int, frequencies: np.ndarray) -> np.ndarray:
        starts, sizes = (np.cumsum(frequencies) - frequencies).tolist(), frequencies.tolist()
        symbols = np.empty(count, np.int32)
        for place in range(count):
            slot = self._state & (2**PRECISION - 1)
            symbol = bisect_right(starts, slot) - 1
            self._state = (self._state >> PRECISION) * sizes[symbol] + slot - starts[symbol]
            if self._words and self._state < 2**32:
                self._state = self._state << 32 | self._words.pop()
            symbols[place] = symbol
        return symbols

    def is_empty(self) -> bool:
        return not self._words and not self._state
