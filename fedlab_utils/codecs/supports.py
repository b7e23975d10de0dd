"""The support of a sparse vector in its cheapest form: bitmap, Rice code, runs, or entropy code with one of two models.

The candidates are written and the shortest is kept. No code of random supports is shorter than log2 C(n, k) bits on
average; in a real delta the kept weights stand together, and with a model of their gaps the code can be shorter than that.
Forms that know of what arrays the vector is made stand in `masks`.
"""

from __future__ import annotations

import numpy as np

from .ans import ans_decode, ans_encode, normalize
from .entropy import MAX_SPAN, decode_levels, encode_levels
from .rice import decode_support, encode_gaps, gaps_support, support_gaps
from .wire import Reader, pack_bits, packed_bytes, unpack_bits, varint

FORMS = RICE, BITMAP, GEOMETRIC, MODELLED, RUNS = range(5)
MAX_QUOTIENT = 1023


def encode_cheapest(indices: np.ndarray, n: int) -> tuple[int, bytes]:
    """The form (RICE, BITMAP, GEOMETRIC, MODELLED or RUNS) of least bytes, and those bytes.

    indices: integers [k], rising, unique, in 0 … n-1 (ValueError otherwise). A full or empty support costs no byte.
    """
    if len(indices) in (0, n):
        support_gaps(indices, n)
        return RICE, b""
    indices = np.asarray(indices, np.int64)
    forms = _forms(indices, n)
    flips = _flips(indices, n)
    if 4 * flips.size < indices.size:  # few runs: where they begin and end, as a support of its own
        ends = _forms(flips, n)
        form = min(ends, key=lambda form: len(ends[form]))
        forms[RUNS] = varint(flips.size) + bytes([form]) + ends[form]
    best = min(forms, key=lambda form: len(forms[form]))
    return best, forms[best]


def _forms(indices: np.ndarray, n: int) -> dict[int, bytes]:
    gaps = support_gaps(indices, n)
    bitmap = np.zeros(n, np.uint8)
    bitmap[indices] = 1
    forms = {RICE: encode_gaps(gaps), BITMAP: np.packbits(bitmap).tobytes()}
    # In the entropy coded forms a gap is a quotient, which is coded, and low bits, which are packed.
    r = _low_bits(gaps.size, n)
    quotients = gaps >> r
    low = pack_bits(gaps & ((1 << r) - 1), r) if r else b""
    top = int(quotients.max())
    if top <= MAX_QUOTIENT:
        forms[GEOMETRIC] = low + varint(top) + ans_encode(quotients, _geometric(gaps.size, n, r, top))
    if top < MAX_SPAN:
        forms[MODELLED] = low + encode_levels(quotients)
    return forms


def decode_cheapest(reader: Reader, form: int, k: int, n: int) -> np.ndarray:
    """The inverse of `encode_cheapest`: int64 [k], rising. ValueError if the bytes hold no such support."""
    if k in (0, n):
        return np.arange(k)
    if form == RICE:
        return decode_support(reader, k, n)
    if form == BITMAP:
        with reader.part("bitmap"):
            indices = np.flatnonzero(np.unpackbits(np.frombuffer(reader.take((n + 7) // 8), np.uint8)))
        if indices.size != k or indices[-1] >= n:
            raise ValueError(f"damaged payload: a bitmap of {indices.size} in {n}, not of {k}")
        return indices
    if form == RUNS:
        return _runs(reader, k, n)
    r = _low_bits(k, n)
    with reader.part("low bits"):
        low = unpack_bits(reader.take(packed_bytes(k, r)), r, k) if r else np.uint32(0)
    if form == GEOMETRIC:
        with reader.part("form"):
            top = reader.varint()
        if top > MAX_QUOTIENT:
            raise ValueError(f"damaged payload: a quotient of {top}")
        quotients = ans_decode(reader, k, _geometric(k, n, r, top))
    else:
        quotients = decode_levels(reader, k)
        if quotients.min() < 0:
            raise ValueError(f"damaged payload: a quotient of {quotients.min()}")
    quotients = quotients.astype(np.int64)
    quotients <<= r
    quotients |= low
    return gaps_support(quotients, n)


def _flips(indices: np.ndarray, n: int) -> np.ndarray:
    """Where a support begins or ends a run: rising, in 0 … n-1 (what ends at n is not told)."""
    first = np.diff(indices, prepend=-2) != 1
    last = np.diff(indices, append=n + 1) != 1
    flips = np.sort(np.concatenate([indices[first], indices[last] + 1]))
    return flips[flips < n]


def _runs(reader: Reader, k: int, n: int) -> np.ndarray:
    with reader.part("form"):
        count, form = reader.varint(), reader.byte()
    if not 0 < count < k or form in (RUNS, *range(len(FORMS), 256)):
        raise ValueError(f"damaged payload: {count} ends of runs in form {form}")
    ends = decode_cheapest(reader, form, count, n)
    lengths = np.diff(ends, append=n)[::2]
    if lengths.sum() != k:
        raise ValueError(f"damaged payload: runs of {lengths.sum()} weights, not of {k}")
    return np.arange(k) + np.repeat(ends[::2] - np.cumsum(lengths) + lengths, lengths.astype(np.intp))


def _low_bits(k: int, n: int) -> int:
    """r such that 2**r is at most an eighth of the mean distance: the 2**r gaps of a quotient are then near equally likely."""
    return max((n // k).bit_length() - 4, 0)


def _geometric(k: int, n: int, r: int, top: int) -> np.ndarray:
    """Frequencies of the quotients 0 … top of gaps that a geometric distribution draws, each weight kept with k / n.

    Fixed point, integers only: receiver and sender come to the same frequencies, on any machine.
    """
    ratio = ((n - k) << 32) // n
    for _ in range(r):
        ratio = ratio * ratio >> 32
    weights = [1 << 36]
    for _ in range(top):
        weights.append(weights[-1] * ratio >> 32)
    return normalize(np.array(weights, np.int64))
