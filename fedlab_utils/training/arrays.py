"""Arrays on their way into training: a model's weights as one vector, batches, data as tensors, and what data must be."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..language import say
from ..validation import require_inputs, require_labels
from .models import tf

Arrays = Sequence[np.ndarray]


def plan_batches(
    parts: list[np.ndarray], rngs: Sequence[np.random.Generator], local_epochs: int, batch_size: int,
    local_steps: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Which samples each client trains on at each step: every sample once an epoch, in an order of the client's own.

    parts: one array of indices a client; rngs: one Generator a client. local_steps: so many batches in place of
    local_epochs, over as many epochs as they take, the last cut short. Returns indices int32 and weights float32, both
    [n_clients, steps, batch_size]. A weight is 1 for a sample and 0 for the filling of a short batch, or of a client
    with fewer steps than another. No batch is longer than the largest client.
    """
    batch_size = min(batch_size, max(part.size for part in parts))  # a longer batch would be filling only
    steps_an_epoch = [-(-part.size // batch_size) for part in parts]
    shape = (len(parts), max(steps_an_epoch) * local_epochs if local_steps is None else local_steps, batch_size)
    indices, weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for client, (part, rng, steps) in enumerate(zip(parts, rngs, steps_an_epoch, strict=True)):
        for start in range(0, steps * local_epochs if local_steps is None else local_steps, steps):
            own = slice(start, start + steps)
            room = min(part.size, indices[client, own].size)
            indices[client, own].reshape(-1)[:room] = rng.permutation(part)[:room]
            weights[client, own].reshape(-1)[:room] = 1
    return indices, weights


def cannot_change(array: np.ndarray) -> bool:
    """Whether nobody can write into an array: neither by itself nor by the array that it is a view of."""
    part: Any = array
    while isinstance(part, np.ndarray):
        if part.flags.writeable:
            return False
        part = part.base
    return part is None


# Copying 60,000 images costs more than a round: the next run on the same arrays finds their tensors here. An app and a cell may
# come for the first time at once, in threads: one makes the tensor, the other waits for it.
_tensors: dict[int, tuple[np.ndarray, Any]] = {}
KEPT = 300_000_000  # bytes, with the tensor that is being made: MNIST and a small set, and no second large one beside it
_one_by_one = threading.Lock()


def _is_kept(array: Any) -> bool:
    """Whether an array has a tensor already, and still cannot have changed since: its owner may have unlocked it."""
    return id(array) in _tensors and cannot_change(array)


def tensor(array: np.ndarray) -> Any:
    """The array as a tensor. Those of arrays that cannot change are kept, the newest of them, as KEPT allows."""
    with _one_by_one:
        if _is_kept(array):
            return _tensors[id(array)][1]
        while _tensors and sum(kept.nbytes for kept, _ in _tensors.values()) + array.nbytes > KEPT:
            del _tensors[next(iter(_tensors))]
        made = tf.constant(array)
        if cannot_change(array):
            _tensors[id(array)] = (array, made)
        return made


def require_dataset(data: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The four arrays of a Dataset, checked: inputs and labels of training and test."""
    names = ("x_train", "y_train", "x_test", "y_test")
    if missing := [name for name in names if not hasattr(data, name)]:
        kind, made = type(data).__name__, f"fl.datasets.Dataset({', '.join(names)})"
        raise TypeError(say(
            f"data must be a Dataset, as load_mnist() gives it: pass {made}; this {kind} has no {missing[0]}",
            f"data 应为 Dataset，如 load_mnist() 所给的：请传入 {made}；收到的 {kind} 没有 {missing[0]}"))  # fmt: skip
    arrays: list[np.ndarray] = []
    for x, y in (names[:2], names[2:]):
        inputs = getattr(data, x)
        arrays += [
            require_inputs(f"data.{x}", inputs, seen=_is_kept(inputs)),
            require_labels(f"data.{y}", getattr(data, y), len(inputs)),
        ]
    if arrays[0].shape[1:] != arrays[2].shape[1:] or arrays[1].shape[1:] != arrays[3].shape[1:]:
        train_x, train_y, test_x, test_y = (array.shape[1:] for array in arrays)
        raise ValueError(say(
            f"data.x_train has samples of shape {train_x}, data.x_test of {test_x}; labels {train_y} and {test_y}: training and "
            "test must be alike",
            f"data.x_train 的样本形状是 {train_x}，data.x_test 的是 {test_x}；标签是 {train_y} 和 {test_y}：训练和测试应当一致",
        ))  # fmt: skip
    x_train, y_train, x_test, y_test = arrays
    return x_train, y_train, x_test, y_test


def kept_shape(mask: np.ndarray) -> tuple[int, ...]:
    """The shape of what a mask keeps of an array: a block where it removes whole rows, columns or units, which a codec can use;
    else flat. mask: bool, of any shape."""
    axes = range(mask.ndim)
    block = tuple(int(np.count_nonzero(mask.any(axis=tuple(a for a in axes if a != axis)))) for axis in axes)
    kept = int(np.count_nonzero(mask))
    return block if kept and kept == math.prod(block) else (kept,)
