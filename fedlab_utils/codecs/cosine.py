"""The discrete cosine transform of weights that belong to the pixels of an image: neighbours move alike.

Sources: Ahmed, Natarajan and Rao 1974, IEEE Trans. Computers C-23 (DCT-II); Wallace 1991, Comm. ACM 34 (JPEG).
"""

from __future__ import annotations

import math

import numpy as np

from ..layout import Layout
from ..validation import require_integer
from .base import FLOAT32_MAX, Codec, Inner
from .wire import Reader, varint

MAX_SIDE = 256  # of an image: hostile bytes cannot ask for more work than n times twice as much
TILE = 2**18  # values that are transformed at a time


class DCT(Codec):
    """Transform each array of height × width rows, a row a pixel, by the orthonormal two-dimensional DCT-II over its pixels.

    height, width: 1 … 256, of the images that the first layer of a model is given, row by row. A gradient of that layer is
    a sum of such images, and so is what training moves: smooth from pixel to pixel, so that few frequencies hold most of it.
    What follows gets as many values, in the same arrays; lengths are kept to float32 rounding. Arrays of another number of
    rows go on as they are, and so does a vector of which no arrays are known: give `encode` the list. It pays below about
    one bit a weight; above, the exact zeros of pixels that never see ink are worth more. Layer: tag, height, width.
    """

    biased, follows_layout, uses_layout, keeps_layout, tags = False, True, True, True, (0xE0,)

    def __init__(self, height: int, width: int):
        self.height = require_integer("height", height, 1, MAX_SIDE)
        self.width = require_integer("width", width, 1, MAX_SIDE)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        return bytes([0xE0]) + varint(self.height) + varint(self.width), x

    def forward_arrays(
        self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout
    ) -> tuple[bytes, np.ndarray | None, Layout | None]:
        return self.forward(x, rng)[0], _transformed(x, layout, self.height, self.width, back=False), layout

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        height, width = reader.varint(), reader.varint()
        if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
            raise ValueError(f"damaged payload: images of {height} × {width} pixels")
        layout = reader.layout
        x = inner(n) if layout is None else inner(n, layout)
        return x if layout is None else _transformed(x, layout, height, width, back=True)


def _transformed(x: np.ndarray, layout: Layout, height: int, width: int, back: bool) -> np.ndarray:
    """x with its images transformed, or transformed back; x itself where there is none."""
    start, made = 0, x
    for shape, count in zip(layout.shapes, layout.counts, strict=True):
        if count and shape and shape[0] == height * width:
            if made is x:
                layout.use()
                made = np.array(x, np.float32)
            images = made[start : start + count].reshape(height, width, -1)
            step = max(1, TILE // shape[0])
            for first in range(0, images.shape[2], step):
                part = images[:, :, first : first + step]
                there = _along(np.swapaxes(_along(part, back), 0, 1), back)
                part[...] = np.swapaxes(np.clip(there, -FLOAT32_MAX, FLOAT32_MAX) if back else there, 0, 1)
        start += count
    return made


def _along(x: np.ndarray, back: bool) -> np.ndarray:
    """The DCT over the first axis, float64; back: its inverse, the transpose. Products are added one by one, in this order:
    a library's matrix product adds in another on each machine, and all must decode the same bits."""
    n, matrix = len(x), _matrix(len(x))
    made = np.zeros(x.shape, np.float64)
    for row in range(n):
        for column in range(n):
            made[row] += np.float64(matrix[column][row] if back else matrix[row][column]) * x[column]
    return made


def _matrix(n: int) -> list[list[float]]:
    """Orthonormal: row k holds the cosine of k half waves at n places. Entries as float32, in which all libraries agree."""
    scale = [math.sqrt((1 if k == 0 else 2) / n) for k in range(n)]
    return [[float(np.float32(scale[k] * math.cos(math.pi * (2 * i + 1) * k / (2 * n)))) for i in range(n)] for k in range(n)]
