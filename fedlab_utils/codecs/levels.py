"""Levels by a model of one's choice: one histogram for all, one for each array, or contexts within each array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product, repeat

import numpy as np

from ..counting import bincount
from ..layout import Layout, as_table, split
from . import contexts, entropy
from .ans import Teller, Writer
from .fitting import fitted
from .lines import read_all, read_live, tell_all, tell_live
from .wire import Reader, packed_bytes, unpack_bits, unzigzag, varint, zigzag

MODELS = "plain", "arrays", "context"
ARRAYS, CONTEXT = 0xFE, 0xFD  # first byte, where it is none of those of `entropy.encode_levels`
POOLED = 1024  # arrays of fewer live weights share a histogram
LINE = 64  # weights a line of a vector, which is laid out as a table
# Told by contexts, so many matrices are walked each by itself, which takes as long as SMALL weights; others are one vector.
SMALL, MATRICES = 256, 2**10
TILE = 2**18  # weights at most that are told by contexts at a time, so that memory does not grow with the array
SIGNED, MAX_MEAN = 0x80, 160  # mean magnitudes are within 2**±20


def encode_levels(levels: np.ndarray, layout: Layout | None = None, model: str = "plain", beat: int | None = None) -> bytes:
    """Integers in the shortest form that the model allows; each falls back on "plain".

    levels: int64 [n], max - min below 2**17 (ValueError otherwise). layout: of the vector whose levels they are.
    model: "plain", one histogram for all (`entropy.encode_levels`). "arrays": rows and columns of an array that hold nothing
    but the commonest level are told once, the rest has a histogram an array. "context": see `contexts`; without a layout the
    vector is taken in lines of 64. beat: the bytes of what the caller takes instead, so that shapes are not told in vain.
    """
    if model == "plain" or not levels.size or (layout is None and model == "arrays"):
        return entropy.encode_levels(levels)
    least = int(levels.min())
    counts = bincount(levels - least)
    centre = least + int(counts.argmax())
    if layout is not None and model == "arrays":
        form, coded = ARRAYS, _encode_arrays(levels - centre, layout)
    else:
        form, coded = CONTEXT, encode_by_context(levels - centre, layout)
    best = bytes([form]) + varint(int(zigzag(centre))) + coded
    price = layout.bytes_to_tell if layout is not None else 0
    if len(best) + price > entropy.least_bytes(counts):  # otherwise no code by one histogram is as short
        plain = entropy.encode_levels(levels)
        if len(plain) <= len(best) + price:
            return plain
    if layout is not None and (beat is None or len(best) + price < beat):
        layout.use()
    return best


def decode_levels(reader: Reader, n: int) -> np.ndarray:
    """The inverse of `encode_levels`: integers [n]. ValueError if the bytes hold no such levels."""
    form = bytes(reader.peek(1))
    if form not in (bytes([ARRAYS]), bytes([CONTEXT])):
        return entropy.decode_levels(reader, n)
    with reader.part("form"):
        reader.byte()
        centre = unzigzag(reader.varint())
    if abs(centre) > entropy.MAX_SPAN:
        raise ValueError(f"damaged payload: the commonest level is {centre}")
    levels = _decode_arrays(reader, n) if form[0] == ARRAYS else decode_by_context(reader, n)
    levels += centre
    return levels


def read_levels(reader: Reader, n: int, bits: int, coded: bool) -> np.ndarray:
    """Integers [n] below 2**bits, as `decode_levels` has them (coded) or packed. ValueError for any other."""
    with reader.part("levels"):
        if not coded:
            with reader.part("packed"):
                return unpack_bits(reader.take(packed_bytes(n, bits)), bits, n)
        levels = decode_levels(reader, n)
        if n and (levels.min() < 0 or levels.max() >= 2**bits):
            raise ValueError(f"damaged payload: levels {levels.min()} … {levels.max()} of {bits} bits")
        return levels


def _encode_arrays(levels: np.ndarray, layout: Layout) -> bytes:
    told, of_live = tell_all(levels, layout)
    own = [part for part in of_live if part.size >= POOLED]
    pool = [levels[:0], *(part for part in of_live if part.size < POOLED)]
    return b"".join([told, *map(entropy.encode_levels, own), entropy.encode_levels(np.concatenate(pool))])


def _decode_arrays(reader: Reader, n: int) -> np.ndarray:
    lives = read_all(reader, reader.require_layout("levels of arrays"))
    counts = [int(np.count_nonzero(live)) for live in lives]
    own = [_decode_array(reader, number, count) if count >= POOLED else None for number, count in enumerate(counts, 1)]
    with reader.part("small arrays"):
        pool = entropy.decode_levels(reader, sum(count for count in counts if count < POOLED))
    levels, start, pooled = np.zeros(n, np.int32), 0, 0
    for live, count, of_live in zip(lives, counts, own, strict=True):
        if of_live is None:
            of_live, pooled = pool[pooled : pooled + count], pooled + count
        levels[start : start + live.size][live] = of_live
        start += live.size
    return levels


def _decode_array(reader: Reader, number: int, count: int) -> np.ndarray:
    with reader.part(f"array {number}"):
        return entropy.decode_levels(reader, count)


def encode_by_context(levels: np.ndarray, layout: Layout | None) -> bytes:
    """Levels by their contexts (`contexts`): what `tell_by_context` writes before the code, then the code."""
    writer = Writer()
    told, _ = tell_by_context(levels, layout, writer)
    return told + writer.data()


def tell_by_context(
    levels: np.ndarray, layout: Layout | None, writer: Writer, note: np.ndarray | None = None
) -> tuple[bytes, contexts.Tables]:
    """Tell a writer levels by their contexts; the final counts. Bytes: how many symbols the magnitudes take and whether there
    are signs, then of each table what is live, how far its neighbours are, how much they weigh, the magnitude expected.

    note: float [n], zero, which takes the magnitude expected of each weight when it was told; it stays zero where that is known.
    """
    symbols, signed = contexts.symbols_of(int(np.abs(levels).max())), bool(levels.min() < 0)
    told, tables = [bytes([symbols | SIGNED * signed])], contexts.Tables(symbols, signed)
    matrices, vector = _laid_out(levels, layout)
    vector.gather()
    beside, lines = _laid_out(note, layout) if note is not None else ([], None)
    notes = _in_order(beside, lines) if lines else repeat((None, 0))
    for (table, missing), (noted, _) in zip(_in_order(matrices, vector), notes, strict=False):
        code, live = tell_live(table != 0, always=False)
        told.append(code)
        live.ravel()[live.size - (missing or 0) :] = False
        if live.any():
            field = fitted(live, table, missing is not None)
            far = field.near[1][0] if missing is None else 0
            told.append(varint(far * contexts.WEIGHTS + field.weight) + varint(int(zigzag(field.mean))))
            contexts.walk(field, tables, writer, table, noted)
    if lines:
        lines.scatter()
    return b"".join(told), tables


def decode_by_context(reader: Reader, n: int) -> np.ndarray:
    """The inverse of `encode_by_context`: int32 [n]."""
    levels = np.zeros(n, np.int32)
    matrices, vector = _laid_out(levels, reader.layout)
    with reader.part("fields"):
        symbols, signed, fields = _read_fields(reader, _in_order(matrices, vector))
    tables, teller = contexts.Tables(symbols, signed), Teller(reader)
    for table, field in fields:
        table[:] = contexts.walk(field, tables, teller, None)
    teller.finish()
    vector.scatter()
    return levels


def _read_fields(
    reader: Reader, of_levels: Iterable[tuple[np.ndarray, int | None]]
) -> tuple[int, bool, list[tuple[np.ndarray, contexts.Field]]]:
    """What `tell_by_context` has written before the code: how many symbols, whether signs, and of each table its field."""
    first = reader.byte()
    symbols, signed = first & ~SIGNED, bool(first & SIGNED)
    if not 1 <= symbols <= contexts.symbols_of(entropy.MAX_SPAN):
        raise ValueError(f"damaged payload: magnitudes of {symbols} symbols")
    fields = []
    for table, missing in of_levels:
        live = read_live(reader, table.shape)
        live.ravel()[live.size - (missing or 0) :] = False
        if live.any():
            far, weight = divmod(reader.varint(), contexts.WEIGHTS)
            mean = unzigzag(reader.varint())
            farthest = 0 if missing is not None else min(max(len(table) - 1, 3), contexts.FARTHEST)
            if abs(mean) > MAX_MEAN or far > farthest or (farthest and not far):
                raise ValueError(f"damaged payload: an array of mean 2**({mean}/8), neighbours {far} rows away")
            fields.append((table, contexts.Field(live, weight, contexts.neighbours(far), mean)))
    return symbols, signed, fields


class _Lines:
    """The parts of the levels that are no matrix, together a vector in lines of 64: a table with some missing at its end."""

    def __init__(self, parts: Sequence[np.ndarray]):
        self._parts = parts
        self._count = sum(part.size for part in parts)
        columns = min(self._count, LINE)
        self.table = np.zeros((-(-self._count // columns) if columns else 0, columns), parts[0].dtype if parts else np.int32)
        self.missing = self.table.size - self._count

    def gather(self) -> None:
        if self._parts:
            np.concatenate(self._parts, out=self.table.ravel()[: self._count])

    def scatter(self) -> None:
        told = split(self.table.ravel()[: self._count], [part.size for part in self._parts])
        for part, values in zip(self._parts, told, strict=True):
            part[:] = values


def _laid_out(levels: np.ndarray, layout: Layout | None) -> tuple[list[np.ndarray], _Lines]:
    """The arrays that are matrices, as views [rows, columns], and all else."""
    matrices: list[np.ndarray] = []
    others = []
    for shape, part in zip(layout.shapes, split(levels, layout.counts), strict=True) if layout else [((levels.size,), levels)]:
        rows, columns = as_table(shape)
        if rows > 1 and columns > 1 and part.size >= SMALL and len(matrices) < MATRICES:
            matrices.append(part.reshape(rows, columns))
        else:
            others.append(part)
    return matrices, _Lines(others)


def _in_order(matrices: Sequence[np.ndarray], vector: _Lines) -> Iterator[tuple[np.ndarray, int | None]]:
    """Views of at most TILE levels as they are told, [rows, columns] each; of the vector also how many at its end are missing."""
    for table, missing in [*((matrix, None) for matrix in matrices), (vector.table, vector.missing)]:
        wide = min(table.shape[1], TILE // LINE)
        high = TILE // max(wide, 1)
        for top, left in product(range(0, len(table), high), range(0, table.shape[1], max(wide, 1))):
            last = top + high >= len(table)
            yield table[top : top + high, left : left + wide], missing if last or missing is None else 0
