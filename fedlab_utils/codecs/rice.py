"""Rice coding of gaps, and of a support as the gaps between its indices.

Sources: R. F. Rice, "Some practical universal noiseless coding techniques" (JPL 79-22, 1979); S. W. Golomb,
"Run-length encodings" (IEEE Trans. Inf. Theory 12, 1966). Document, section 3.1.2.1 step 3.
"""

from __future__ import annotations

import math

import numpy as np

from ..language import say
from .wire import BLOCK, MAX_BITS, Reader, pack_bits, packed_bytes, unpack_bits


def encode_gaps(gaps: np.ndarray) -> bytes:
    """Rice-code integers from 0 up, int64 [k]: a byte for r, the k low parts of r bits packed together, then the k
    quotients in unary (q zeros and a one)."""
    r, _ = _parameter(gaps)
    quotients = gaps >> r
    unary = np.zeros(int(quotients.sum()) + quotients.size, np.uint8)
    unary[np.cumsum(quotients + 1) - 1] = 1
    low = pack_bits(gaps & ((1 << r) - 1), r) if r else b""
    return bytes([r]) + low + np.packbits(unary).tobytes()


def gaps_bytes(gaps: np.ndarray) -> int:
    """How many bytes `encode_gaps` takes."""
    r, unary = _parameter(gaps)
    return 1 + packed_bytes(gaps.size, r) + (unary + 7) // 8


def _parameter(gaps: np.ndarray) -> tuple[int, int]:
    """r, and how many bits the quotients take: the best is near log2(mean gap * ln 2), and the exact cost decides."""
    guess = int(math.log2(max(float(gaps.sum()) / gaps.size * math.log(2), 1))) if gaps.size else 0
    bits = {r: int((gaps >> r).sum()) + gaps.size for r in range(max(guess - 1, 0), guess + 2)}
    r = min(bits, key=lambda r: gaps.size * r + bits[r])
    return r, bits[r]


def decode_gaps(reader: Reader, k: int, total: int) -> np.ndarray:
    """Read k integers that together are at most `total`: int64 [k]. ValueError if the bytes hold no such integers."""
    with reader.part("Rice parameter"):
        r = reader.byte()
    if r >= MAX_BITS:
        raise ValueError(f"damaged payload: Rice parameter {r} is not below {MAX_BITS}")
    with reader.part("low bits"):
        low = unpack_bits(reader.take(packed_bytes(k, r)), r, k) if r else None
    # The quotients of k gaps that together are within `total` take at most k + total / 2**r bits: read no more than that.
    unary = np.frombuffer(reader.peek((k + (total >> r) + 7) // 8), np.uint8)
    gaps, found, last = np.empty(k, np.int64), 0, -1  # last: the bit that was the last one
    for start in range(0, unary.size, BLOCK // 8):
        if found == k:
            break
        ones = np.flatnonzero(np.unpackbits(unary[start : start + BLOCK // 8]))[: k - found] + 8 * start
        if ones.size:
            gaps[found : found + ones.size] = np.diff(ones, prepend=last) - 1
            found, last = found + ones.size, int(ones[-1])
    if found < k:
        raise ValueError(f"damaged payload: Rice code ends after {found} of {k} numbers")
    with reader.part("quotients"):
        reader.take((last + 8) // 8)
    if low is not None:
        gaps <<= r
        gaps |= low
    return gaps


def support_gaps(indices: np.ndarray, n: int) -> np.ndarray:
    """How many zeros stand before each index of a support: int64 [k]. ValueError unless rising, unique, in 0 … n-1."""
    indices = np.asarray(indices, np.int64)
    gaps = np.diff(indices, prepend=-1) - 1
    if gaps.min(initial=0) < 0 or (indices.size and indices[-1] >= n):
        raise ValueError(say(f"indices must be rising, unique and in 0 … {n - 1}",
                             f"indices 应当递增、不重复，并在 0 … {n - 1} 之间"))  # fmt: skip
    return gaps


def gaps_support(gaps: np.ndarray, n: int) -> np.ndarray:
    """The inverse of `support_gaps`: int64 [k], rising. ValueError where an index is beyond n-1."""
    indices = np.cumsum(gaps)  # less memory than the sum of gaps + 1
    for start in range(0, indices.size, BLOCK):
        indices[start : start + BLOCK] += np.arange(start, min(start + BLOCK, indices.size))
    if indices.size and indices[-1] >= n:
        raise ValueError(f"damaged payload: an index of the support is {indices[-1]}, beyond {n - 1}")
    return indices


def encode_support(indices: np.ndarray, n: int) -> bytes:
    """Rice-code a support: the gaps between rising indices, each as a quotient in unary and `r` low bits.

    indices: integers [k], rising, unique, in 0 … n-1 (ValueError otherwise). Returns bytes: one for r, then the k low
    parts of r bits packed together, then the k quotients in unary (q zeros and a one). A full support costs no byte.
    """
    gaps = support_gaps(indices, n)
    return b"" if gaps.size == n else encode_gaps(gaps)


def decode_support(reader: Reader, k: int, n: int) -> np.ndarray:
    """Read a support of k of n from `reader`: int64 [k], rising. ValueError if the bytes hold no such support."""
    return np.arange(n) if k == n else gaps_support(decode_gaps(reader, k, n), n)
