"""Levels by one histogram for all: the cost of the model counted, and made of integers alone, the same on every machine."""

from __future__ import annotations

import numpy as np

from ..counting import bincount
from ..language import say
from ..theory import conditional_bits
from .ans import PRECISION, ROOTS, ans_decode, ans_encode, normalize
from .curves import decode_curve, encode_curve
from .rice import decode_gaps, decode_support, encode_gaps, encode_support, gaps_bytes
from .wire import Reader, look_up, pack_bits, packed_bytes, unpack_bits, unzigzag, varint, zigzag

MAX_SPAN = 2**17  # of the levels of one message, so that hostile bytes cannot ask for a longer table
# First byte of levels that are entropy coded. Of packed levels it is their bits, and more where the least is not zero.
ENTROPY, CURVE, LOW = 0xFF, 0xFC, 0x20
FEW = 2**14  # levels, up to which a curve is tried in place of a histogram
_MAX_OCTAVE = 27


def encode_levels(levels: np.ndarray) -> bytes:
    """Integers in the shortest of three forms: packed with as many bits as the widest needs, or entropy coded.

    levels: int64 [n], max - min below 2**17 (ValueError otherwise). Packed: a byte for the bits, the least level unless
    it is zero, the levels. Entropy coded: 0xFF, the least level, the model (`_encode_model`), the code. Entropy coded by a
    curve, for short vectors: 0xFC, `encode_curve`.
    """
    low, span = (int(levels.min()), int(np.ptp(levels)) + 1) if levels.size else (0, 1)
    if span > MAX_SPAN or abs(low) > MAX_SPAN:
        raise ValueError(say(f"levels must be near zero and span at most {MAX_SPAN}, got {low} … {low + span - 1}",
                             f"量化级应在零附近，跨度不超过 {MAX_SPAN}，收到的是 {low} … {low + span - 1}"))  # fmt: skip
    bits, first = (span - 1).bit_length(), varint(int(zigzag(low)))
    shifted = levels - low
    counts = bincount(shifted, minlength=span)
    form = bytes([bits]) if low == 0 else bytes([bits | LOW]) + first
    packed = len(form) + packed_bytes(levels.size, bits)
    forms = []
    if bits and packed > least_bytes(counts):
        symbol = np.cumsum(counts > 0) - 1  # of each level: its place among those that occur
        model, frequencies = _encode_model(counts)
        forms.append(bytes([ENTROPY]) + first + model + ans_encode(symbol[shifted], frequencies))
    if bits and levels.size <= FEW and (curve := encode_curve(levels)):
        forms.append(bytes([CURVE]) + curve)
    if forms and len(best := min(forms, key=len)) < packed:
        return best
    return form + (pack_bits(shifted, bits) if bits else b"")


def decode_levels(reader: Reader, n: int) -> np.ndarray:
    """The inverse of `encode_levels`: int32 [n]. ValueError if the bytes hold no such levels."""
    with reader.part("form"):
        form = reader.byte()
        low = unzigzag(reader.varint()) if form & LOW and form != CURVE else 0
    if form == CURVE:
        return decode_curve(reader, n)
    if abs(low) > MAX_SPAN:
        raise ValueError(f"damaged payload: the least level is {low}")
    if form == ENTROPY:
        with reader.part("histogram"):
            used, frequencies = _decode_model(reader)
        return look_up((used + low).astype(np.int32), ans_decode(reader, n, frequencies))
    bits = form & ~LOW
    if bits > MAX_SPAN.bit_length() - 1:
        raise ValueError(f"damaged payload: levels of {bits} bits")
    if not bits:
        return np.full(n, low, np.int32)
    with reader.part("packed"):
        levels = unpack_bits(reader.take(packed_bytes(n, bits)), bits, n).view(np.int32)
    levels += np.int32(low)
    return levels


def least_bytes(counts: np.ndarray) -> float:
    """Bytes that no code of these counts can do without: n times their entropy, rounded down."""
    return conditional_bits(counts[None, counts > 0]) // 8


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
    best: tuple[float, bytes, np.ndarray, np.ndarray] | None = None
    logarithms = np.log2(counts)
    for exponent in range(4):
        codes = np.minimum(np.rint(logarithms * 2**exponent), (_MAX_OCTAVE << exponent) - 1).astype(np.int64)
        steps, frequencies = zigzag(np.diff(codes)), _frequencies(codes, exponent)
        cost = 8 * (2 + gaps_bytes(steps)) + PRECISION * float(counts.sum()) - float(np.sum(counts * np.log2(frequencies)))
        if best is None or cost < best[0]:
            best = cost, bytes([exponent, codes[0]]), steps, frequencies
    assert best is not None  # there were four
    return head + best[1] + encode_gaps(best[2]), best[3]


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
    return normalize(ROOTS[eighths & 7] << (eighths >> 3))
