"""Many clients, one graph: local SGD of a whole cohort, vectorised over clients, as a compiled TensorFlow loop over steps."""

from __future__ import annotations

import json
import math
from functools import lru_cache

import numpy as np

from .models import keras, tf

EVALUATION_BATCH = 2500


def flatten(weights: list[np.ndarray]) -> np.ndarray:
    """The arrays of a model one after the other, row-major: float32 [n]."""
    return np.concatenate([np.ravel(array) for array in weights]).astype(np.float32, copy=False)


def unflatten(vector: np.ndarray, shapes) -> list[np.ndarray]:
    """The inverse of `flatten` for arrays of these shapes."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


def _architecture(model: keras.Model) -> str:
    """What decides the graph: the model's configuration without its seeds, which are given anew for every client."""

    def without_seeds(node):
        if isinstance(node, dict):
            return {key: without_seeds(value) for key, value in node.items() if key != "seed"}
        return [without_seeds(value) for value in node] if isinstance(node, list) else node

    return json.dumps(without_seeds(json.loads(model.to_json())), sort_keys=True)


@lru_cache(maxsize=8)
def _graphs(architecture: str):
    """The compiled functions of one architecture. Cached: a second run of the same model builds no graph."""
    model = keras.models.model_from_json(architecture)
    # Every argument may vary in its first dimensions, so that another cohort, or another batch size, needs no new graph.
    batch_spec = [tf.TensorSpec([None, None, None], tf.int32), tf.TensorSpec([None, None, None], tf.float32)]
    weight_specs = [tf.TensorSpec(v.shape, tf.float32) for v in model.trainable_variables]
    image_spec, label_spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32), tf.TensorSpec([None], tf.int32)
    n_seeds = len(model.non_trainable_variables)

    @tf.function(input_signature=[weight_specs, image_spec, label_spec, *batch_spec,
                                  tf.TensorSpec([None, n_seeds, 2], tf.int64), tf.TensorSpec([], tf.float32)])  # fmt: skip
    def train(weights, images, labels, indices, sample_weights, seeds, learning_rate):
        def client_step(arguments):
            weights, seeds, x, y, sample_weight = arguments
            with tf.GradientTape() as tape:
                tape.watch(weights)
                probabilities, seeds, penalties = model.stateless_call(weights, seeds, x, training=True, return_losses=True)
                losses = keras.losses.sparse_categorical_crossentropy(y, probabilities)
                samples = tf.reduce_sum(sample_weight)
                # A batch of fillings only has weight 0: its gradient is zero, and the client stands still.
                loss = tf.reduce_sum(losses * sample_weight) / tf.maximum(samples, 1.0)
                loss += tf.add_n([tf.constant(0.0), *penalties]) * tf.minimum(samples, 1.0)
            gradients = tape.gradient(loss, weights)
            return [w - learning_rate * g for w, g in zip(weights, gradients, strict=True)], seeds

        def step(number, weights, seeds):
            batch = indices[:, number]  # int32 [n_clients, batch_size]
            arguments = (weights, seeds, tf.gather(images, batch), tf.gather(labels, batch), sample_weights[:, number])
            return number + 1, *tf.vectorized_map(client_step, arguments)

        n_clients, steps = tf.shape(indices)[0], tf.shape(indices)[1]
        start = [tf.repeat(w[None], n_clients, axis=0) for w in weights]
        # The state of a random layer differs by client and moves on at every step: else all would drop the same units.
        states = [seeds[:, layer] for layer in range(n_seeds)]
        _, end, _ = tf.while_loop(lambda number, *_: number < steps, step, (0, start, states))
        return tf.concat([tf.reshape(w, [n_clients, -1]) for w in end], axis=1)  # float32 [n_clients, n_weights]

    @tf.function(input_signature=[weight_specs, image_spec, label_spec])
    def count_correct(weights, images, labels):
        unused_seeds = [tf.zeros([2], tf.int64)] * n_seeds
        probabilities, _ = model.stateless_call(weights, unused_seeds, images, training=False)
        return tf.reduce_sum(tf.cast(tf.argmax(probabilities, 1, tf.int32) == labels, tf.int32))

    return train, count_correct, n_seeds


def _checked(data) -> tuple[np.ndarray, ...]:
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


class Trainer:
    """Trains cohorts of one model on one data set. It holds no weights: they come and go with each call."""

    _last_data = (
        None,
        (),
    )  # copying 60,000 images costs more than a round: the next run on the same data finds them here

    def __init__(self, model: keras.Model, data):
        """TypeError or ValueError for data or a model that cannot be trained on, naming what is wrong."""
        data = _checked(data)
        if not model.built:
            raise ValueError("model has no weights yet: give it a keras.Input as its first layer")
        others = [v.path for v in model.non_trainable_variables if not v.path.endswith("seed_generator_state")]
        if others:
            raise ValueError(f"model has weights that no gradient trains ({', '.join(others)}): not supported yet")
        classes = int(max(data[1].max(), data[3].max())) + 1
        outputs = model(data[2][:8], training=False).numpy()
        if outputs.ndim != 2 or outputs.shape[1] < classes:
            raise ValueError(f"model gives outputs of shape {outputs.shape} for 8 images, the labels need {classes} columns")
        if (outputs < 0).any() or not np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
            raise ValueError("model must give probabilities: end it with softmax")
        self._train, self._count_correct, self.n_seeds = _graphs(_architecture(model))
        kept, tensors = Trainer._last_data
        if kept is None or any(array is not before for array, before in zip(data, kept, strict=True)):
            tensors = tuple(tf.constant(array) for array in data)
            if not any(array.flags.writeable for array in data):  # else a later run might miss a change
                Trainer._last_data = (data, tensors)
        self._x_train, self._y_train, self._x_test, self._y_test = tensors

    def train(self, weights, indices, sample_weights, seeds, learning_rate: float) -> np.ndarray:
        """Local SGD of every client of a cohort, from the same weights.

        weights: the model's arrays. indices int32, sample_weights float32: [n_clients, steps, batch_size], see
        `federated.plan_batches`. seeds: int64 [n_clients, n_seeds, 2], for the random layers. Returns each client's
        weights after its last step, float32 [n_clients, n_weights].
        """
        arguments = (indices, sample_weights, seeds, np.float32(learning_rate))
        return self._train(weights, self._x_train, self._y_train, *arguments).numpy()

    def accuracy(self, weights) -> float:
        """The fraction of the test set that a model with these weights gets right."""
        correct = 0
        for start in range(0, len(self._y_test), EVALUATION_BATCH):
            batch = slice(start, start + EVALUATION_BATCH)
            correct += int(self._count_correct(weights, self._x_test[batch], self._y_test[batch]))
        return correct / len(self._y_test)
