"""Who takes part: the check of what each client holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..validation import require_integer


def check_clients(clients: Sequence[ArrayLike], n_samples: int, clients_per_round: int) -> list[np.ndarray]:
    """The samples of each client as arrays of indices. ValueError or TypeError naming a client that cannot take part."""
    parts = [np.asarray(part) for part in clients]
    require_integer("clients_per_round", clients_per_round, 1)
    if clients_per_round > len(parts):
        raise ValueError(f"clients_per_round must be in 1 … {len(parts)} (the number of clients), got {clients_per_round}")
    for number, part in enumerate(parts):
        if part.size == 0:
            raise ValueError(f"clients[{number}] is empty: every client needs at least one sample")
        if part.ndim != 1 or part.dtype.kind not in "iu":
            raise TypeError(f"clients[{number}] must be a flat array of indices, got {part.dtype} of shape {part.shape}")
        if part.min() < 0 or part.max() >= n_samples:
            outside = part.min() if part.min() < 0 else part.max()
            raise ValueError(f"clients[{number}] holds the index {outside}, allowed are 0 … {n_samples - 1}")
    return parts
