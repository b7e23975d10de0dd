"""Entropy coding: levels in as many bits as they are surprising, the cost of the model counted.

The coder is asymmetric numeral systems (J. Duda, "Asymmetric numeral systems", 2013, arXiv:1311.2540) with a state of 64
bits, words of 32 and frequencies that add up to 2**24, from the library `constriction` (R. Bamler, 2022,
arXiv:2201.01741). Where that library is not installed, or has no wheel (Linux on ARM), a loop in Python writes and reads the
same bytes, about a hundred times slower. The decoder's model is made of integers alone: it is the same on every machine.
"""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np

from .rice import decode_gaps, decode_support, encode_gaps, encode_support
from .wire import Reader, look_up, pack_bits, packed_bytes, unpack_bits, unzigzag, varint, zigzag

PRECISION = 24  # the frequencies of a model add up to 2**PRECISION
MAX_SPAN = 2**17  # of the levels of one message, so that hostile bytes cannot ask for a longer table
# First byte of levels that are entropy coded. Of packed levels it is their bits, and more where the least is not zero.
ENTROPY, LOW = 0xFF, 0x20
# 2**(j / 8) in units of 1/256, by integer roots: the eighths of an octave that a frequency is rounded to.
_ROOTS = np.array([math.isqrt(math.isqrt(math.isqrt(1 << (j + 64)))) for j in range(8)], np.int64)
_MAX_OCTAVE = 27


def normalize(weights: np.ndarray) -> np.ndarray:
    """Integers above zero, int64 [a], in proportion to `weights` (int64, at most 2**36) and adding up to 2**24."""
    frequencies = 1 + weights * (2**PRECISION - weights.size) // int(weights.sum())
    frequencies[weights.argmax()] += 2**PRECISION - int(frequencies.sum())
    return frequencies


def ans_encode(symbols: np.ndarray, frequencies: np.ndarray) -> bytes:
    """Symbols 0 … a-1 by a model of a frequencies (`normalize`): a count of bytes, then the words, little-endian.

    The zero bytes that the last word ends in are left out.
    """
    if frequencies.size == 1:
        return b""
    library = _constriction()
    if library:
        coder = library.stream.stack.AnsCoder()
        coder.encode_reverse(symbols.astype(np.int32), _model(library, frequencies))
        words = coder.get_compressed()
    else:
        words = _slow_encode(symbols.tolist(), frequencies)
    data = np.asarray(words, "<u4").tobytes().rstrip(b"\0")
    return varint(len(data)) + data


def ans_decode(reader: Reader, count: int, frequencies: np.ndarray) -> np.ndarray:
    """The inverse of `ans_encode`: int32 [count]. ValueError where the bytes are no such code."""
    if frequencies.size == 1:
        return np.zeros(count, np.int32)
    data = bytes(reader.take(reader.varint()))
    if data.endswith(b"\0"):
        raise ValueError("damaged payload: an entropy code never ends in zero")
    words = np.frombuffer(data + bytes(-len(data) % 4), "<u4").astype(np.uint32)
    library = _constriction()
    if not library:
        return np.array(_slow_decode(words.tolist(), count, frequencies), np.int32)
    coder = library.stream.stack.AnsCoder(words)
    symbols = coder.decode(_model(library, frequencies), count)
    if not coder.is_empty():
        raise ValueError("damaged payload: the entropy code holds more than its symbols")
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


def _slow_encode(symbols: list[int], frequencies: np.ndarray) -> list[int]:
    starts, sizes = (np.cumsum(frequencies) - frequencies).tolist(), frequencies.tolist()
    state, words = 0, []
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


def _slow_decode(words: list[int], count: int, frequencies: np.ndarray) -> list[int]:
    starts, sizes = (np.cumsum(frequencies) - frequencies).tolist(), frequencies.tolist()
    state, symbols = 0, []
    while words and state < 2**32:
        state = state << 32 | words.pop()
    for _ in range(count):
        slot = state & (2**PRECISION - 1)
        symbol = bisect_right(starts, slot) - 1
        state = (state >> PRECISION) * sizes[symbol] + slot - starts[symbol]
        if words and state < 2**32:
            state = state << 32 | words.pop()
        symbols.append(symbol)
    if words or state:
        raise ValueError("damaged payload: the entropy code holds more than its symbols")
    return symbols


def encode_levels(levels: np.ndarray) -> bytes:
    """Integers in the shorter of two forms: packed with as many bits as the widest needs, or entropy coded.

    levels: int64 [n], max - min below 2**17 (ValueError otherwise). Packed: a byte for the bits, the least level unless
    it is zero, the levels. Entropy coded: 0xFF, the least level, the model (`_encode_model`), the code.
    """
    low, span = (int(levels.min()), int(np.ptp(levels)) + 1) if levels.size else (0, 1)
    if span > MAX_SPAN or abs(low) > MAX_SPAN:
        raise ValueError(f"levels must be near zero and span at most {MAX_SPAN}, got {low} … {low + span - 1}")
    bits, first = (span - 1).bit_length(), varint(int(zigzag(low)))
    shifted = levels - low
    counts = np.bincount(shifted, minlength=span)
    form = bytes([bits]) if low == 0 else bytes([bits | LOW]) + first
    packed = len(form) + packed_bytes(levels.size, bits)
    if bits and packed > _entropy_bytes(counts):
        symbol = np.cumsum(counts > 0) - 1  # of each level: its place among those that occur
        model, frequencies = _encode_model(counts)
        coded = bytes([ENTROPY]) + first + model + ans_encode(symbol[shifted], frequencies)
        if len(coded) < packed:
            return coded
    return form + (pack_bits(shifted, bits) if bits else b"")


def decode_levels(reader: Reader, n: int) -> np.ndarray:
    """The inverse of `encode_levels`: int32 [n]. ValueError if the bytes hold no such levels."""
    form = reader.byte()
    low = unzigzag(reader.varint()) if form & LOW else 0
    if abs(low) > MAX_SPAN:
        raise ValueError(f"damaged payload: the least level is {low}")
    if form == ENTROPY:
        used, frequencies = _decode_model(reader)
        return look_up((used + low).astype(np.int32), ans_decode(reader, n, frequencies))
    bits = form & ~LOW
    if bits > MAX_SPAN.bit_length() - 1:
        raise ValueError(f"damaged payload: levels of {bits} bits")
    if not bits:
        return np.full(n, low, np.int32)
    levels = unpack_bits(reader.take(packed_bytes(n, bits)), bits, n).view(np.int32)
    levels += np.int32(low)
    return levels


def _entropy_bytes(counts: np.ndarray) -> float:
    """Bytes that no code of these counts can do without: n times their entropy, rounded down."""
    counts = counts[counts > 0]
    return float(np.sum(counts * np.log2(counts.sum() / counts))) // 8


def _encode_model(counts: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A model of levels 0 … span-1 that occur `counts` times: its bytes, and the frequencies of those that occur.

    Bytes: how many levels occur; span; which (Rice-coded support); steps an octave; then log2 of each count, rounded to
    1, 1/2, 1/4 or 1/8, as Rice-coded differences. The coarsest that pays: model and code together are shortest.
    """
    used = np.flatnonzero(counts)
    counts = counts[used]
    head = varint(used.size) + varint(int(used[-1]) + 1) + encode_support(used, int(used[-1]) + 1)
    if used.size == 1:
        return head, np.array([2**PRECISION])
    best: tuple[float, bytes, np.ndarray] | None = None
    for exponent in range(4):
        codes = np.minimum(np.rint(np.log2(counts) * 2**exponent), (_MAX_OCTAVE << exponent) - 1).astype(np.int64)
        model = bytes([exponent, codes[0]]) + encode_gaps(zigzag(np.diff(codes)))
        frequencies = _frequencies(codes, exponent)
        cost = 8 * len(model) + np.sum(counts * (PRECISION - np.log2(frequencies)))
        if best is None or cost < best[0]:
            best = cost, head + model, frequencies
    assert best is not None  # there were four
    return best[1:]


def _decode_model(reader: Reader) -> tuple[np.ndarray, np.ndarray]:
    size, span = reader.varint(), reader.varint()
    if not 1 <= size <= span <= MAX_SPAN:
        raise ValueError(f"damaged payload: {size} levels used of {span}")
    used = decode_support(reader, size, span)
    if size == 1:
        return used, np.array([2**PRECISION])
    exponent, first = reader.byte(), reader.byte()
    if exponent > 3:
        raise ValueError(f"damaged payload: frequencies in steps of 1/{2**exponent} octave")
    steps = unzigzag(decode_gaps(reader, size - 1, 2 * size * (_MAX_OCTAVE << exponent)))
    codes = first + np.concatenate([[0], np.cumsum(steps)])
    if codes.min() < 0 or codes.max() >= _MAX_OCTAVE << exponent:
        raise ValueError("damaged payload: a frequency is out of range")
    return used, _frequencies(codes, exponent)


def _frequencies(codes: np.ndarray, exponent: int) -> np.ndarray:
    eighths = codes << (3 - exponent)
    return normalize(_ROOTS[eighths & 7] << (eighths >> 3))
