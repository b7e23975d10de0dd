"""Rows and columns of an array that hold nothing: told once, so that what is left is told of the others alone."""

from __future__ import annotations

import math

import numpy as np

from ..layout import Layout, as_table, split
from .supports import FORMS, decode_cheapest, encode_cheapest
from .wire import Reader, varint


def tell_live(table: np.ndarray, always: bool) -> tuple[bytes, np.ndarray]:
    """Which rows and columns of a table (bool [rows, columns], True where there is something) hold anything at all.

    always: tell of every dead row and column; otherwise only where that likely saves more than it takes. Returns the bytes
    and the weights that may be live, bool [rows, columns]. A byte: 0 where all is dead, else 1, plus 2 (1 + form) and
    16 (1 + form) where rows and columns are told; then of each the number of the live ones and their support.
    """
    if not table.any():
        return b"\0", np.zeros(table.shape, bool)
    flags, told, live = 1, [], np.ones(table.shape, bool)
    share = float(table.mean())
    for axis, place in ((1, 2), (0, 16)):
        lines = table.any(axis=axis)
        alive = int(np.count_nonzero(lines))
        if alive == lines.size or table.shape[axis] == 1:
            continue
        form, support = encode_cheapest(np.flatnonzero(lines), lines.size)
        code = varint(alive) + support
        if always or 8 * len(code) < (lines.size - alive) * _bits_of_nothing(table.shape[axis], share):
            flags |= place * (1 + form)
            told.append(code)
            live &= np.expand_dims(lines, axis)
    return bytes([flags]) + b"".join(told), live


def tell_all(vector: np.ndarray, layout: Layout) -> tuple[bytes, list[np.ndarray]]:
    """Of each array of a vector that holds anything, `tell_live` of all its dead rows and columns; and what is live of each."""
    told, of_live = [], []
    for shape, part in zip(layout.shapes, split(vector, layout.counts), strict=True):
        if part.size:
            table = part.reshape(as_table(shape))
            code, live = tell_live(table != 0, always=True)
            told.append(code)
            of_live.append(table[live])
    return b"".join(told), of_live


def read_all(reader: Reader, layout: Layout) -> list[np.ndarray]:
    """The inverse of `tell_all`: of each array that holds anything, which of its weights may be live, bool, flat."""
    return [read_live(reader, as_table(shape)).ravel() for shape in layout.shapes if 0 not in shape]


def _bits_of_nothing(count: int, share: float) -> float:
    """Roughly what it takes to tell, weight by weight, that a line of `count` is dead, where `share` of all is live."""
    return min(-count * math.log2(1 - share), math.log2(count) + 2) if share < 1 else 0.0


def read_live(reader: Reader, shape: tuple[int, int]) -> np.ndarray:
    """The inverse of `tell_live`: bool [rows, columns]. ValueError for what it never writes."""
    with reader.part("rows and columns"):
        return _read_live(reader, shape)


def _read_live(reader: Reader, shape: tuple[int, int]) -> np.ndarray:
    flags = reader.byte()
    if not flags:
        return np.zeros(shape, bool)
    live = np.ones(shape, bool)
    for axis, form in ((1, flags >> 1 & 7), (0, flags >> 4)):
        if form:
            count = shape[1 - axis]
            alive = reader.varint()
            if not 0 < alive < count or form > len(FORMS):
                raise ValueError(f"damaged payload: {alive} of {count} rows or columns are live, in form {form - 1}")
            lines = np.zeros(count, bool)
            lines[decode_cheapest(reader, form - 1, alive, count)] = True
            live &= np.expand_dims(lines, axis)
    if not flags & 1:
        raise ValueError(f"damaged payload: rows and columns told as 0x{flags:02x}")
    return live
