"""The shapes of a vector's arrays, as bytes: sent with what is coded by them, or a check of those agreed before."""

from __future__ import annotations

import math
import zlib

from ..layout import MAX_ARRAYS, Layout, Shapes
from .wire import Reader, varint

MAX_DIMENSIONS = 32  # of an array


def tell_shapes(shapes: Shapes) -> bytes:
    """How many arrays, and of each how many dimensions it has and their lengths, all as varints."""
    return b"".join(map(varint, [len(shapes), *(number for shape in shapes for number in (len(shape), *shape))]))


def layout_layer(shapes: Shapes, agreed: bool) -> bytes:
    """The layer of a layout: 0xA0 and the shapes, or 0xA1 and a check of one byte, where they were agreed on before."""
    return bytes([0xA1]) + check_of(shapes) if agreed else bytes([0xA0]) + tell_shapes(shapes)


def read_shapes(reader: Reader, n: int) -> Layout:
    """The inverse of `tell_shapes`: the layout of a vector of n weights. ValueError for any other."""
    shapes = []
    with reader.part("shapes"):
        count = reader.varint()
        if count > MAX_ARRAYS:
            raise ValueError(f"damaged payload: {count} arrays, at most {MAX_ARRAYS} are allowed")
        for _ in range(count):
            dimensions = reader.varint()
            if dimensions > MAX_DIMENSIONS:
                raise ValueError(f"damaged payload: an array of {dimensions} dimensions")
            shapes.append(tuple(reader.varint() for _ in range(dimensions)))
    if sum(map(math.prod, shapes)) != n:
        raise ValueError(f"damaged payload: arrays of {sum(map(math.prod, shapes))} weights, a vector of {n}")
    return Layout(shapes)


def check_of(shapes: Shapes) -> bytes:
    """One byte by which a receiver notices that another layout was agreed on."""
    return bytes([zlib.crc32(tell_shapes(shapes)) & 255])
