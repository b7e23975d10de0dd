"""A message taken apart: what each of its bytes is, noted by the readers themselves while they decode it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from ..layout import Shapes
from .base import read_message
from .wire import CHECKSUM_BYTES, Reader

DEPTH = 2  # of names: what stands deeper (the Rice code of a histogram) belongs to the part that it is in


class Part(NamedTuple):
    """Bytes of a message that belong together: payload[start : start + size].

    layer: number of the layer from outside in, -1 for the envelope. stage: name of the class that reads it, without a leading
    underscore; "" for the envelope. names: what it is, from the whole to the particular: ("support", "low bits").
    """

    start: int
    size: int
    layer: int
    stage: str
    names: tuple[str, ...]


class Tracing(Reader):
    """A reader that notes what it was asked for, and within which parts. `parts` is complete once all has been read."""

    def __init__(self, payload: bytes):
        super().__init__(payload)
        self._length = len(self._data) + 1 + CHECKSUM_BYTES
        self._within: list[tuple[int, str, tuple[str, ...]]] = [(-1, "", ("count",))]
        self._layers = 0
        self._taken = [Part(0, 1, -1, "", ("version",))]

    @contextmanager
    def part(self, what: str | type) -> Iterator[None]:
        layer, stage, names = self._within[-1]
        if isinstance(what, str):
            within = layer, stage, (*names, what)
        else:  # its tag was taken before it was known whose it is
            within = self._layers, what.__name__.lstrip("_"), ()
            self._layers += 1
            self._taken[-1] = Part(*self._taken[-1][:2], *within[:2], ("tag",))
        self._within.append(within)
        try:
            yield
        finally:
            self._within.pop()

    def take(self, count: int) -> memoryview:
        start = self._length - CHECKSUM_BYTES - len(self._data)
        layer, stage, names = self._within[-1]
        taken = super().take(count)
        if count:
            self._taken.append(Part(start, count, layer, stage, names[:DEPTH] or ("parameters",)))
        return taken

    @property
    def parts(self) -> list[Part]:
        """What was taken, one after the other; neighbours of one name are one part."""
        joined: list[Part] = []
        for part in (*self._taken, Part(self._length - CHECKSUM_BYTES, CHECKSUM_BYTES, -1, "", ("checksum",))):
            if joined and joined[-1][2:] == part[2:] and part.names != ("tag",):
                joined[-1] = joined[-1]._replace(size=joined[-1].size + part.size)
            else:
                joined.append(part)
        return joined


def take_apart(payload: bytes, max_weights: int = 2**24, layout: Shapes | None = None) -> tuple[np.ndarray, list[Part]]:
    """What `decode` returns, and of what parts the message is made: in their order, together all of its bytes.

    payload, max_weights, layout: as `decode` has them, with the same ValueErrors. Nothing is estimated: each part is what a
    reader took.
    """
    reader = Tracing(payload)
    return read_message(reader, max_weights, layout), reader.parts
