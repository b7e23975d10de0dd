"""Arrays on their way into training: a model's weights as one vector, batches, data as tensors, and what data must be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..validation import require_inputs, require_labels
from .models import tf

Arrays = Sequence[np.ndarray]


def plan_batches(
    parts: list[np.ndarray], rngs: Sequence[np.random.Generator], local_epochs: float, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples each client trains on at each step: every sample once an epoch, in an order of the client's own.

    parts: one array of indices a client; rngs: one Generator a client. local_epochs: a fraction is rounded to whole steps of
    the client, one at least. Returns indices int32 and weights float32, both
    [n_clients, steps, batch_size]. A weight is 1 for a sample and 0 for the filling of a short batch, or of a client
    with fewer steps than another. No batch is longer than the largest client.
    """
    batch_size = min(batch_size, max(part.size for part in parts))  # a longer batch would be filling only
    steps_an_epoch = [-(-part.size // batch_size) for part in parts]
    wanted = [max(1, round(local_epochs * steps)) for steps in steps_an_epoch]
    epochs = math.ceil(local_epochs)
    shape = (len(parts), max(steps_an_epoch) * epochs, batch_size)
    indices, weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for client, (part, rng, steps, last) in enumerate(zip(parts, rngs, steps_an_epoch, wanted, strict=True)):
        for epoch in range(epochs):
            own = slice(epoch * steps, (epoch + 1) * steps)
            indices[client, own].reshape(-1)[: part.size] = rng.permutation(part)
            weights[client, own].reshape(-1)[: part.size] = 1
        indices[client, last:], weights[client, last:] = 0, 0  # of an epoch that is not whole
    return indices[:, : max(wanted)], weights[:, : max(wanted)]


def cannot_change(array: np.ndarray) -> bool:
    """Whether nobody can write into an array: neither by itself nor by the array that it is a view of."""
    part: Any = array
    while isinstance(part, np.ndarray):
        if part.flags.writeable:
            return False
        part = part.base
    return part is None


# Copying 60,000 images costs more than a round: the next run on the same arrays finds their tensors here.
_tensors: dict[int, tuple[np.ndarray, Any]] = {}


def _is_kept(array: Any) -> bool:
    """Whether an array has a tensor already, and still cannot have changed since: its owner may have unlocked it."""
    return id(array) in _tensors and cannot_change(array)


def tensor(array: np.ndarray) -> Any:
    """The array as a tensor. Kept for arrays that cannot change; the last eight."""
    if _is_kept(array):
        return _tensors[id(array)][1]
    made = tf.constant(array)
    if cannot_change(array):
        while len(_tensors) >= 8:
            del _tensors[next(iter(_tensors))]
        _tensors[id(array)] = (array, made)
    return made


def require_dataset(data: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The four arrays of a Dataset, checked: inputs and labels of training and test."""
    names = ("x_train", "y_train", "x_test", "y_test")
    if missing := [name for name in names if not hasattr(data, name)]:
        raise TypeError(
            f"data must be a Dataset, as load_mnist() gives it: pass fl.datasets.Dataset({', '.join(names)}); "
            f"this {type(data).__name__} has no {missing[0]}"
        )
    arrays: list[np.ndarray] = []
    for x, y in (names[:2], names[2:]):
        inputs = getattr(data, x)
        arrays += [
            require_inputs(f"data.{x}", inputs, seen=_is_kept(inputs)),
            require_labels(f"data.{y}", getattr(data, y), len(inputs)),
        ]
    if arrays[0].shape[1:] != arrays[2].shape[1:] or arrays[1].shape[1:] != arrays[3].shape[1:]:
        raise ValueError(f"data.x_train has samples of shape {arrays[0].shape[1:]}, data.x_test of {arrays[2].shape[1:]}; labels "
                         f"{arrays[1].shape[1:]} and {arrays[3].shape[1:]}: training and test must be alike")  # fmt: skip
    x_train, y_train, x_test, y_test = arrays
    return x_train, y_train, x_test, y_test
