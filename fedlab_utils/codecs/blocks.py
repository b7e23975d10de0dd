"""Blocks of equal length: arrays where no shapes are known, for a range or a scale to each."""

from __future__ import annotations

import numpy as np

from ..layout import MAX_ARRAYS, Layout
from ..validation import require_integer
from .base import Codec, Inner
from .wire import Reader, varint


class Blocks(Codec):
    """Cut the vector into blocks, which the next stages take for arrays: `Blocks(4096) | Quantize(4, ranges="array")`.

    length: weights of a block, the last has what is left; at most 65,536 blocks (ValueError in `encode` otherwise). Shapes of
    arrays that `encode` is given are hidden from the stages behind. Layer: tag, length. Source: Alistarh et al. 2017,
    arXiv:1610.02132, section 3.3 ("bucketing").
    """

    lossless, biased, keeps_layout, makes_layout, tags = True, False, True, True, (0xC0,)

    def __init__(self, length: int):
        self.length = require_integer("length", length, 1)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        return bytes([0xC0]) + varint(self.length), x

    def forward_arrays(
        self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout
    ) -> tuple[bytes, np.ndarray | None, Layout | None]:
        return *self.forward(x, rng), _blocks(self.length, x.size)

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        length = reader.varint()
        if not length:
            raise ValueError("damaged payload: blocks of no weights")
        return inner(n, _blocks(length, n))


def _blocks(length: int, n: int) -> Layout:
    whole, rest = divmod(n, length)
    return Layout([(length,)] * min(whole, MAX_ARRAYS + 1) + [(rest,)] * bool(rest))
