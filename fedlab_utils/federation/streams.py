"""Streams of random numbers, one for each purpose, so that more of one never shifts another."""

from __future__ import annotations

import numpy as np

SELECTION, BATCHES, LAYERS, UPLINK, DOWNLINK, ANSWERS = range(6)


def stream(*key: int) -> np.random.Generator:
    """The generator of a seed, a purpose, a round, a client."""
    return np.random.default_rng(key)
