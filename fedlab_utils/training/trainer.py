"""Local training of a cohort: what a model, a data set, a loss and an optimizer need to be trained by `engine`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..validation import require_choice, require_mask
from .engine import graphs, is_seed
from .models import Loss, keras, tf

EVALUATION_BATCH = 2500
STATES = ("average", "local")
# Weights, gradients, optimizer's variables and temporaries of the clients that are trained at once.
CHUNK_BYTES = 2**27
_UNSUPPORTED = (
    "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip


def flatten(weights: list[np.ndarray]) -> np.ndarray:
    """The arrays of a model one after the other, row-major: float32 [n]."""
    return np.concatenate([np.ravel(array) for array in weights]).astype(np.float32, copy=False)


def unflatten(vector: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The inverse of `flatten` for arrays of these shapes."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


def plan_batches(
    parts: list[np.ndarray], rngs: Sequence[np.random.Generator], local_epochs: int, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples each client trains on at each step: every sample once an epoch, in an order of the client's own.

    parts: one array of indices a client; rngs: one Generator a client. Returns indices int32 and weights float32, both
    [n_clients, steps, batch_size]. A weight is 1 for a sample and 0 for the filling of a short batch, or of a client
    with fewer steps than another. No batch is longer than the largest client.
    """
    batch_size = min(batch_size, max(part.size for part in parts))  # a longer batch would be filling only
    steps_an_epoch = [-(-part.size // batch_size) for part in parts]
    shape = (len(parts), max(steps_an_epoch) * local_epochs, batch_size)
    indices, weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for client, (part, rng, steps) in enumerate(zip(parts, rngs, steps_an_epoch, strict=True)):
        for epoch in range(local_epochs):
            own = slice(epoch * steps, (epoch + 1) * steps)
            indices[client, own].reshape(-1)[: part.size] = rng.permutation(part)
            weights[client, own].reshape(-1)[: part.size] = 1
    return indices, weights


def _checked(data: Any) -> tuple[np.ndarray, ...]:
    names = ("x_train", "y_train", "x_test", "y_test")
    for name in names:
        if not isinstance(getattr(data, name, None), np.ndarray):
            raise TypeError(f"data must have the arrays {', '.join(names)}, see load_mnist; {name} is missing")
    for x, y in (names[:2], names[2:]):
        if getattr(data, x).dtype != np.float32:
            raise TypeError(f"data.{x} must be float32, got {getattr(data, x).dtype}")
        if getattr(data, y).dtype != np.int32 or getattr(data, y).min(initial=0) < 0:
            raise TypeError(f"data.{y} must be int32, 0 or more, got {getattr(data, y).dtype}")
        if len(getattr(data, x)) != len(getattr(data, y)):
            raise ValueError(f"data.{x} has {len(getattr(data, x))} samples, data.{y} has {len(getattr(data, y))}")
    return tuple(getattr(data, name) for name in names)


def _check_optimizer(optimizer: keras.optimizers.Optimizer) -> None:
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"optimizer must be a Keras optimizer such as keras.optimizers.Adam(1e-3), got {optimizer!r}")
    for option in _UNSUPPORTED:
        if getattr(optimizer, option, None):
            raise ValueError(f"optimizer has {option}={getattr(optimizer, option)!r}, which is not supported here: leave it out")


def _check_outputs(outputs: np.ndarray, loss: Loss, classes: int) -> None:
    if outputs.ndim != 2 or outputs.shape[1] < classes:
        raise ValueError(f"model gives outputs of shape {outputs.shape} for 8 samples, the labels need {classes} columns")
    config: dict[str, Any] = getattr(loss, "get_config", dict)()
    logits = config.get("from_logits", False)
    name = getattr(loss, "name", getattr(loss, "__name__", ""))
    if "crossentropy" in name and not logits and ((outputs < 0).any() or not np.allclose(outputs.sum(axis=1), 1, atol=1e-3)):
        raise ValueError(
            "model must give probabilities: end it with softmax, or pass "
            "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
        )


class Trainer:
    """Trains cohorts of one model on one data set. It holds no weights: they come and go with each call.

    loss: a Keras loss or its name; one that is not "sparse" is given one-hot labels. optimizer: a Keras optimizer, begun
    anew for every client and call. state: what becomes of weights that no gradient trains and training changes, those of
    batch normalization: "average", they travel and are averaged as the others; "local", each client keeps its own.
    mask: arrays of 0 and 1 in the shapes of model.get_weights(); where it is 0 a trained weight is held at zero and does
    not travel. TypeError or ValueError for data, a model or a mask that cannot be trained with, naming what is wrong.

    shared, own: the places in model.get_weights() of the arrays that travel, and of those that each client keeps.
    frozen: the places of those that nobody changes (trainable=False).
    """

    # Copying 60,000 images costs more than a round: the next run on the same data finds them here.
    _last_data: tuple[tuple[np.ndarray, ...] | None, tuple[tf.Tensor, ...]] = (None, ())

    def __init__(
        self,
        model: keras.Model,
        data: Any,
        optimizer: keras.optimizers.Optimizer,
        loss: Loss = "sparse_categorical_crossentropy",
        state: str = "average",
        mask: Sequence[ArrayLike] | None = None,
    ):
        data = _checked(data)
        require_choice("state", state, STATES)
        _check_optimizer(optimizer)
        if not isinstance(model, keras.Sequential) and not (isinstance(model, keras.Model) and hasattr(model, "operations")):
            raise TypeError(f"model must be a Sequential or functional Keras model, got {type(model).__name__}")
        if not model.built:
            raise ValueError("model has no weights yet: give it a keras.Input as its first layer")
        if not model.trainable_variables:
            raise ValueError("model has no weights to train")
        try:
            loss = keras.losses.get(loss)
        except ValueError as error:
            raise ValueError(f"loss must be a Keras loss or the name of one, got {loss!r}") from error
        weights = [v for v in model.weights if not is_seed(v)]
        trained = {id(v) for v in model.trainable_variables}
        frozen = {id(v) for layer in model._flatten_layers() if not layer.trainable for v in layer.weights}
        kinds = ["trained" if id(v) in trained else "frozen" if id(v) in frozen else "state" for v in weights]
        self.shared = [p for p, kind in enumerate(kinds) if kind == "trained" or (kind == "state" and state == "average")]
        self.own = [p for p, kind in enumerate(kinds) if kind == "state" and state == "local"]
        self.frozen = [p for p, kind in enumerate(kinds) if kind == "frozen"]
        self._shapes = [tuple(weights[place].shape) for place in self.shared]
        self._masks, self._kept = [], None
        if mask is not None:
            mask = require_mask("mask", mask, weights)
            for place, kind in enumerate(kinds):
                if kind != "trained" and not mask[place].all():
                    raise ValueError(f"mask removes entries of weights[{place}], which no gradient trains: leave it all ones")
            self._masks = [tf.constant(part, v.dtype) for part, v in zip(mask, weights, strict=True)]
            self._kept = np.flatnonzero(np.concatenate([np.ravel(mask[place]) for place in self.shared]))
            if not self._kept.size:
                raise ValueError("mask removes every weight: nothing is left to train")
        _check_outputs(model(data[2][:8], training=False).numpy(), loss, int(max(data[1].max(), data[3].max())) + 1)

        optimizer = optimizer.__class__.from_config(optimizer.get_config())
        optimizer.build(model.trainable_variables)
        self._slots = [v.numpy() for v in optimizer.variables]
        self._train, self._evaluate, self.n_seeds = graphs(model, loss, optimizer)
        values = math.prod([sum(math.prod(v.shape) for v in weights), 3 + len(self._slots) // len(trained)])
        self.chunk = max(1, CHUNK_BYTES // (4 * values))  # clients
        kept, tensors = Trainer._last_data
        if kept is None or any(array is not before for array, before in zip(data, kept, strict=True)):
            tensors = tuple(tf.constant(array) for array in data)
            if not any(array.flags.writeable for array in data):  # else a later run might miss a change
                Trainer._last_data = (data, tensors)
        self._x_train, self._y_train, self._x_test, self._y_test = tensors

    def train(
        self,
        weights: Sequence[np.ndarray],
        indices: np.ndarray,
        sample_weights: np.ndarray,
        seeds: np.ndarray,
        own: dict[int, np.ndarray] | None = None,
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Local training of every client of a cohort, from the same weights.

        weights: as model.get_weights(). indices int32, sample_weights float32: [n_clients, steps, batch_size], see
        `plan_batches`. seeds: int64 [n_clients, n_seeds, 2], for the random layers. own: by place, arrays
        [n_clients, …] that the clients kept. Returns the arrays of all clients after their last step, each
        [n_clients, …] in the order of `weights`, and the mean loss of each client's samples, [n_clients].
        """
        by_name = {str(place): array for place, array in (own or {}).items()}
        arguments = (weights, by_name, seeds, self._slots, self._x_train, self._y_train, indices, sample_weights)
        arrays, losses = self._train(*arguments, self._masks)
        return [array.numpy() for array in arrays], losses.numpy()

    def gather(self, weights: Sequence[np.ndarray]) -> np.ndarray:
        """What travels of a model: its shared arrays, or of these what the mask keeps, float32 [n_weights]."""
        vector = flatten([weights[place] for place in self.shared])
        return vector if self._kept is None else vector[self._kept]

    def scatter(self, vector: np.ndarray) -> list[np.ndarray]:
        """The inverse of `gather`: the shared arrays, zero where the mask removes."""
        if self._kept is not None:
            full = np.zeros(sum(math.prod(shape) for shape in self._shapes), np.float32)
            full[self._kept] = vector
            vector = full
        return unflatten(vector, self._shapes)

    def deltas(self, trained: list[np.ndarray], weights: Sequence[np.ndarray]) -> np.ndarray:
        """What each client has moved of all that travels: float32 [n_clients, n_weights]."""
        ends = np.cumsum([0, *(math.prod(shape) for shape in self._shapes)])
        result = np.empty((len(trained[0]), ends[-1]), np.float32)
        for place, start, end in zip(self.shared, ends, ends[1:], strict=False):
            moved = trained[place].reshape(len(result), -1)
            np.subtract(moved, np.ravel(weights[place]), out=result[:, start:end], casting="same_kind")
        return result if self._kept is None else result[:, self._kept]

    def evaluate(self, weights: Sequence[np.ndarray]) -> tuple[float, float]:
        """On the test set: the fraction that a model with these weights gets right, and its mean loss."""
        right, total = 0, 0.0
        for start in range(0, len(self._y_test), EVALUATION_BATCH):
            batch = slice(start, start + EVALUATION_BATCH)
            of_batch = self._evaluate(weights, self._x_test[batch], self._y_test[batch])
            right, total = right + int(of_batch[0]), total + float(of_batch[1])
        return right / len(self._y_test), total / len(self._y_test)
