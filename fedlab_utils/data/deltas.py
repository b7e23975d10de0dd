"""Real updates of five models, on which codecs are compared."""

from __future__ import annotations

import functools

import numpy as np

from ..language import say
from ..layout import unflatten
from .files import damaged, existing
from .mnist import DELTA_SHAPES, load_client_delta

DELTAS = {"mlp": 199_210, "cnn": 80_202, "embedding": 161_386, "shards": 101_770}  # weights of those in deltas.npz


@functools.cache
def load_deltas() -> dict[str, list[np.ndarray]]:
    """Model deltas of one client each, by name: its arrays, float32, read-only, as model.get_weights() has them.

    "document": `load_client_delta`. "mlp": 784-200-200-10. "cnn": two convolutions. "embedding": of 5,000 tokens, drawn by
    Zipf's law. "shards": the document's model where a client has two digits. From `data/deltas.npz`, of which data/README.md
    says more. FileNotFoundError where the file is missing, ValueError where it is damaged.
    """
    path, mend = existing("deltas.npz")
    deltas = {"document": unflatten(load_client_delta(), DELTA_SHAPES)}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                deltas.setdefault(name.partition("/")[0], []).append(archive[name])
    except Exception as error:  # a damaged archive can raise nearly anything
        raise damaged(path, mend, error) from error
    for name, count in DELTAS.items():
        arrays = deltas.get(name, [])
        if sum(array.size for array in arrays) != count or not all(
            array.dtype == np.float32 and np.isfinite(array).all() for array in arrays
        ):
            raise damaged(path, mend, say(f"{name} is not {count:,} finite float32", f"{name} 不是 {count:,} 个有限的 float32"))
        for array in arrays:
            array.flags.writeable = False
    return deltas
