"""Streams of random numbers, one for each purpose, so that more of one never shifts another.

A stream is known by a seed, a purpose, and as many numbers as that purpose takes (a round, a client). NumPy pads a short key
with zeros and spreads a large number over several words: two keys of other lengths, or a seed beyond 32 bits, could be one.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from .validation import require_integer


class Purpose(Enum):
    """The number that stands for a purpose in a key (never to be changed: histories depend on it), and how many follow."""

    SELECTION = (0, 1)  # round
    BATCHES = (1, 2)  # round, client
    LAYERS = (2, 2)
    UPLINK = (3, 2)
    DOWNLINK = (4, 1)
    ANSWERS = (5, 2)
    CENTRAL_BATCHES = (6, 0)
    CENTRAL_LAYERS = (7, 0)
    # Distillation: training on private and on public images, answers, their average.
    PRIVATE_BATCHES = (8, 2)
    PRIVATE_LAYERS = (9, 2)
    PUBLIC_BATCHES = (10, 2)
    PUBLIC_LAYERS = (11, 2)
    LOGITS_UPLINK = (12, 2)
    LOGITS_DOWNLINK = (13, 1)
    # Vertical: the parties' first weights, the order of the samples, messages up and down.
    PARTIES = (14, 0)
    PARTY_BATCHES = (15, 1)  # epoch
    ACTIVATIONS = (16, 3)  # epoch, first row of the batch, party
    ACTIVATION_GRADIENTS = (17, 3)
    LOCAL_DELTA = (18, 0)  # privacy: batches of a single client
    FIRST_MODEL = (19, 0)  # of a codec that draws
    STRAGGLERS = (25, 1)  # round: how slow its clients are


def require_seed(seed: Any) -> int:
    """Return `seed` as int; ValueError outside 0 … 2**32 - 1."""
    return require_integer("seed", seed, 0, 2**32 - 1)


def stream(seed: int, purpose: Purpose, *key: int) -> np.random.Generator:
    """The generator of a seed, a purpose and a key. ValueError for another number of numbers than the purpose takes."""
    number, length = purpose.value
    if len(key) != length:
        raise ValueError(f"a stream of {purpose.name} is known by {length} numbers, got {len(key)}")
    for part in key:
        require_integer("key", part, 0, 2**32 - 1)
    return np.random.default_rng((require_seed(seed), number, *key))
