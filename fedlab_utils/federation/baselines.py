"""What federated learning is held against: every client alone, and all data in one place (document, 2.1.2).

`train_alone(model, data, clients, epochs=10)` trains each client by itself; with `[np.concatenate(clients)]` it is central
training. Both use the SGD of `simulate`, in the same compiled graph, so that only the cooperation differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..language import say
from ..streams import Purpose, require_seed, stream
from ..training.arrays import plan_batches
from ..training.models import keras
from ..training.trainer import Trainer
from ..validation import require_clients, require_integer, require_number
from .parties import layer_seeds

if TYPE_CHECKING:
    from ..data import Dataset


class Alone(NamedTuple):
    """accuracy: on the test set, one entry a client. weights: of each client's model, as model.get_weights()."""

    accuracy: list[float]
    weights: list[list[np.ndarray]]


def train_alone(
    model: keras.Model,
    data: Dataset,
    clients: Sequence[np.ndarray],
    *,
    epochs: int,
    batch_size: int = 10,
    learning_rate: float = 0.1,
    seed: int = 0,
) -> Alone:
    """Train one model for each client on its own images, from the weights that `model` has now; nothing is exchanged.

    model, data, clients: as for `simulate`. Ten epochs alone are as much work as ten rounds of one local epoch with all.
    ValueError or TypeError for an argument out of range or an empty client; FloatingPointError where a client diverges.
    """
    epochs = require_integer("epochs", epochs, 1)
    batch_size = require_integer("batch_size", batch_size, 1)
    learning_rate = require_number("learning_rate", learning_rate, 0)
    seed = require_seed(seed)
    trainer = Trainer(model, data, keras.optimizers.SGD(learning_rate))
    parts = require_clients(clients, trainer.n_samples, 1)
    numbers = range(len(parts))
    batches = plan_batches(parts, [stream(seed, Purpose.BATCHES, 0, c) for c in numbers], epochs, batch_size)
    seeds = layer_seeds([stream(seed, Purpose.LAYERS, 0, c) for c in numbers], trainer.n_seeds)
    arrays, losses = trainer.train(model.get_weights(), *batches, seeds)
    weights = [[array[client] for array in arrays] for client in numbers]
    for client, own in enumerate(weights):
        if not (np.isfinite(losses[client]) and all(np.isfinite(array).all() for array in own)):
            raise FloatingPointError(say(
                f"client {client}: the weights are no longer finite; try less than learning_rate={learning_rate:g}",
                f"客户端 {client}：权重已不是有限的数；请用小于 learning_rate={learning_rate:g} 的学习率"))  # fmt: skip
    return Alone([trainer.evaluate(own)[0] for own in weights], weights)
