"""A model of levels in three numbers, for vectors too short to pay for a histogram: a centre, a width, a kind of curve.

Made of integers alone, so that both sides come to the same frequencies on any machine.
"""

from __future__ import annotations

import numpy as np

from ..counting import bincount
from .ans import ROOTS, ans_decode, ans_encode, normalize
from .wire import Reader, unzigzag, varint, zigzag

MAX_TOP = 2**12  # distance of a level from the centre
NARROWEST, WIDTHS = -16, 112  # eighths of an octave, and how many of them
UNIT = 40  # bits behind the point
LAPLACE, GAUSS = range(2)


def encode_curve(levels: np.ndarray) -> bytes | None:
    """The bytes of the curve that tells integers (int64 [n], n > 0) in the fewest bits, and their code; None for levels that
    are too far apart.

    Bytes: the level in the middle, the greatest distance from it, twice the width plus the kind; the code.
    """
    centre = int(np.rint(levels.mean()))
    away = levels - centre
    top = int(np.abs(away).max())
    if top > MAX_TOP or abs(centre) > MAX_TOP:
        return None
    kind, eighths = _best(bincount(np.abs(away), minlength=top + 1))
    code = ans_encode(away + top, _frequencies(kind, eighths, top))
    return varint(int(zigzag(centre))) + varint(top) + bytes([2 * eighths + kind]) + code


def _best(counts: np.ndarray) -> tuple[int, int]:
    """Kind and width of the curve that tells distances 0, 1, … which occur `counts` times in the fewest bits."""
    away, total = np.arange(counts.size, dtype=np.float64), counts.sum()
    kinds: list[int] = []
    eighths: list[int] = []
    for kind, width in ((LAPLACE, counts @ away / total), (GAUSS, np.sqrt(counts @ away**2 / total))):
        about = int(np.rint(8 * np.log2(max(width, 2**-2)))) - NARROWEST
        near = range(max(about - 2, 0), min(about + 3, WIDTHS))
        kinds += [kind] * len(near)
        eighths += near
    widths = 2 ** ((np.array(eighths)[:, None] + NARROWEST) / 8)
    exponents = np.where(np.array(kinds)[:, None] == LAPLACE, away / widths, (away / widths) ** 2 / 2)
    weights = np.exp(-exponents) + 2.0**-30  # as `_frequencies` has them, but for its rounding
    bits = total * np.log2(2 * weights.sum(axis=1) - weights[:, 0]) - np.log2(weights) @ counts
    best = int(bits.argmin())
    return kinds[best], eighths[best]


def decode_curve(reader: Reader, n: int) -> np.ndarray:
    """The inverse of `encode_curve`: int32 [n]. ValueError if the bytes hold no such levels."""
    with reader.part("curve"):
        centre, top = unzigzag(reader.varint()), reader.varint()
        eighths, kind = divmod(reader.byte(), 2)
    if top > MAX_TOP or abs(centre) > MAX_TOP or eighths >= WIDTHS:
        raise ValueError(f"damaged payload: levels {top} around {centre}, in a curve of width {eighths}")
    levels = ans_decode(reader, n, _frequencies(kind, eighths, top))
    levels += np.int32(centre - top)
    return levels


def _frequencies(kind: int, eighths: int, top: int) -> np.ndarray:
    """Of the levels -top … top: exp(-|l| / w) or exp(-l² / 2 w²), w = 2**((eighths + NARROWEST) / 8)."""
    octave, eighth = divmod(eighths + NARROWEST, 8)
    width = int(ROOTS[eighth]) << UNIT - 8
    width = width << octave if octave >= 0 else width >> -octave
    if kind == LAPLACE:
        ratio, turn = _exp_minus((1 << 2 * UNIT) // width), 1 << UNIT
    else:
        ratio = _exp_minus((1 << 3 * UNIT) // (2 * width * width))
        turn = ratio * ratio >> UNIT
    weights, weight = [], 1 << UNIT
    for _ in range(top + 1):
        weights.append(weight >> UNIT - 30)
        weight = weight * ratio >> UNIT
        ratio = ratio * turn >> UNIT
    half = np.array(weights, np.int64)
    return normalize(np.concatenate([half[:0:-1], half]) + 1)


def _exp_minus(x: int) -> int:
    """exp(-x), both in units of 2**-UNIT: halved until the series of Taylor is short, then squared again."""
    halvings = max(x.bit_length() - UNIT + 2, 0)
    x >>= halvings
    total = term = 1 << UNIT
    for k in range(1, 12):
        term = -(term * x >> UNIT) // k
        total += term
    for _ in range(halvings):
        total = total * total >> UNIT
    return total
