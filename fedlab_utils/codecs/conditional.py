"""What the coders of `levels` know of each level before it is told, and the conditional entropy that this leaves.

No code that knows no more can stay below it on average; what the coders take above it is for the histograms, told or learnt.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..counting import bincount
from ..layout import Layout, as_table, split
from ..theory import conditional_bits
from ..validation import require_choice
from .ans import Writer
from .levels import MODELS, POOLED, tell_by_context
from .lines import tell_live


class Known(NamedTuple):
    """bits: n H(level | what is known of it). expected: float64 [n], the magnitude expected of each level."""

    bits: float
    expected: np.ndarray


def known(levels: np.ndarray, layout: Layout, model: str) -> Known:
    """What a model (see `levels.encode_levels`) knows of levels, int64 [n], n >= 1, of which zero is the commonest."""
    if require_choice("model", model, MODELS) == "context":
        expected = np.zeros(levels.size)
        _, tables = tell_by_context(levels, layout, Writer(), expected)
        return Known(tables.bits(), expected)
    classes = histograms(levels, layout) if model == "arrays" else np.zeros(levels.size, np.int64)
    symbols = levels - levels.min()
    span = int(symbols.max()) + 1
    counts = bincount(classes * span + symbols, minlength=(int(classes.max()) + 1) * span).reshape(-1, span)
    means = bincount(classes, np.abs(levels)) / np.maximum(counts.sum(axis=1), 1)
    return Known(conditional_bits(counts), means[classes])


def histograms(levels: np.ndarray, layout: Layout) -> np.ndarray:
    """By which histogram the model "arrays" tells each level: int64 [n], 0 for none (its row or column is all zero), 1 for
    that of all small arrays, then one for each of the others."""
    classes = np.zeros(levels.size, np.int64)
    for number, (shape, part, of_part) in enumerate(
        zip(layout.shapes, split(levels, layout.counts), split(classes, layout.counts), strict=True)
    ):
        if part.size:
            _, live = tell_live(part.reshape(as_table(shape)) != 0, always=True)
            of_part[live.ravel()] = 1 if np.count_nonzero(live) < POOLED else 2 + number
    return classes
