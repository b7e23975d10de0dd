"""Supports of a vector that is made of arrays: as rows and columns, or by context; and masks as messages of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..language import say
from ..layout import Layout
from .levels import decode_by_context, encode_by_context
from .lines import read_all, tell_all
from .shapes import read_shapes, tell_shapes
from .supports import FORMS, decode_cheapest, encode_cheapest
from .wire import Reader, seal, varint

ROWS_COLUMNS, CONTEXT = len(FORMS), len(FORMS) + 1  # beside the forms of `supports`
ALL_FORMS = (*FORMS, ROWS_COLUMNS, CONTEXT)


def encode_support_by(indices: np.ndarray, n: int, layout: Layout | None, model: str) -> tuple[int, bytes]:
    """The form of least bytes that the model allows, and those bytes: as `encode_cheapest`, or knowing of the arrays.

    indices: int64 [k], rising. model: "plain", "arrays" (rows and columns that keep nothing are told once, of the others
    what they keep), "context" (each weight by those around it, see `contexts`; without a layout too).
    """
    best = encode_cheapest(indices, n)
    if model == "plain" or len(indices) in (0, n):
        return best
    kept = np.zeros(n, bool)
    kept[indices] = True
    price = layout.bytes_to_tell if layout is not None else 0
    forms = [best]
    if layout is not None:
        forms.append((ROWS_COLUMNS, _encode_rows_columns(kept, layout)))
    if model == "context":
        forms.append((CONTEXT, encode_by_context(kept.astype(np.int64), layout)))
    found = min(forms, key=lambda form: len(form[1]) + (price if form is not best else 0))
    if layout is not None and found is not best:
        layout.use()
    return found


def decode_support_by(reader: Reader, form: int, k: int, n: int) -> np.ndarray:
    """The inverse of `encode_support_by`: int64 [k], rising. ValueError if the bytes hold no such support."""
    if k in (0, n) or form not in (ROWS_COLUMNS, CONTEXT):
        return decode_cheapest(reader, form, k, n)
    kept = _decode_rows_columns(reader, k, n) if form == ROWS_COLUMNS else decode_by_context(reader, n)
    indices = np.flatnonzero(kept)
    if indices.size != k or (form == CONTEXT and (kept.max() > 1 or kept.min() < 0)):
        raise ValueError(f"damaged payload: a support of {indices.size} in {n} weights, not of {k}")
    return indices


def _encode_rows_columns(kept: np.ndarray, layout: Layout) -> bytes:
    told, of_live = tell_all(kept, layout)
    inner = np.concatenate(of_live)
    form, places = encode_cheapest(np.flatnonzero(inner), inner.size)
    return told + bytes([form]) + places


def _decode_rows_columns(reader: Reader, k: int, n: int) -> np.ndarray:
    lives = read_all(reader, reader.require_layout("rows and columns of arrays"))
    places = np.flatnonzero(np.concatenate(lives))
    with reader.part("form"):
        form = reader.byte()
    if form not in FORMS or k > places.size:
        raise ValueError(f"damaged payload: {k} of {places.size} weights in form {form}")
    kept = np.zeros(n, bool)
    kept[places[decode_cheapest(reader, form, k, places.size)]] = True
    return kept


def encode_mask(mask: Sequence[ArrayLike], model: str = "arrays") -> bytes:
    """A mask as a message of its own, as it is sent once: n, k, the places in the form of least bytes, a checksum.

    mask: arrays of bool, True stays. model: as in `encode_support_by`; the shapes travel where they are made use of.
    """
    shapes = [np.shape(part) for part in mask]
    told = tell_shapes(shapes)
    layout = Layout(shapes, len(told))
    flat = np.concatenate([np.ravel(part) for part in mask])
    kept = np.flatnonzero(flat)
    form, places = encode_support_by(kept, flat.size, layout, model)
    return seal(varint(flat.size) + varint(kept.size) + bytes([form]) + (told if layout.used else b"") + places)


def decode_mask(payload: bytes, max_weights: int = 2**24) -> np.ndarray:
    """The mask in a message, flat: bool [n]. ValueError for damaged bytes, or more than `max_weights` weights."""
    reader = Reader(payload)
    n, k, form = reader.varint(), reader.varint(), reader.byte()
    if n > max_weights or k > n:
        raise ValueError(say(f"the mask declares {k} of {n} weights, more than there are or than max_weights={max_weights}",
                             f"掩码声明 {n} 个权重中留 {k} 个，比实有的多，或超过 max_weights={max_weights}"))  # fmt: skip
    if form not in ALL_FORMS:
        raise ValueError(f"damaged payload: a support has no form {form}")
    if form in (ROWS_COLUMNS, CONTEXT) and k not in (0, n):
        reader.layout = read_shapes(reader, n)
    mask = np.zeros(n, bool)
    mask[decode_support_by(reader, form, k, n)] = True
    reader.finish()
    return mask
