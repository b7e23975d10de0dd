"""Training in one place, fast: a compiled loop over batches, with a mask that is held or a teacher's soft targets.

Section 3.2 of the document prunes and distils models trained centrally; `federated` trains many clients instead.
A model here is an architecture; its weights come and go with each call, as in `simulate`, and the model stays unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..validation import require_choice, require_integer, require_number
from .models import keras, tf

OPTIMIZERS = ("adam", "sgd")
EVALUATION_BATCH = 5000


def mlp(*hidden: int, n_classes: int = 10, dropout: float = 0.0, seed: int = 0) -> keras.Model:
    """Images 28×28 → Dense layers of these widths (ReLU) → softmax. The same seed gives the same weights.

    The weights of `mlp(128)` have the shapes of `models.document_mlp`; it only lacks the dropout.
    """
    layers = [keras.Input((28, 28), name="image"), keras.layers.Flatten(name="flatten")]
    for number, width in enumerate(hidden):
        width = require_integer(f"hidden[{number}]", width, 1)
        start = keras.initializers.GlorotUniform(seed=100 * seed + number)
        layers.append(keras.layers.Dense(width, activation="relu", kernel_initializer=start, name=f"hidden{number}"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout, seed=seed, name=f"dropout{number}"))
    start = keras.initializers.GlorotUniform(seed=100 * seed + 99)
    layers.append(keras.layers.Dense(n_classes, activation="softmax", kernel_initializer=start, name="digits"))
    return keras.Sequential(layers, name="mlp")


def _architecture(model: keras.Model) -> str:
    """The model's configuration, without its seeds and with a linear last layer, so that it ends in logits."""
    config = json.loads(model.to_json())
    last = config["config"]["layers"][-1]["config"]
    if last.get("activation") not in ("softmax", "linear"):
        raise ValueError(f"the model must end in a softmax or in logits, got the activation {last.get('activation')!r}")
    last["activation"] = "linear"

    def without_seeds(node):
        if isinstance(node, dict):
            return {key: without_seeds(value) for key, value in node.items() if key != "seed"}
        return [without_seeds(value) for value in node] if isinstance(node, list) else node

    return json.dumps(without_seeds(config), sort_keys=True)


@lru_cache(maxsize=16)
def _graphs(architecture: str, optimizer: str) -> tuple[Callable, Callable, int, int]:
    """The compiled functions of one architecture: training, and logits. Cached: a second run builds no graph."""
    model = keras.models.model_from_json(architecture)
    n_classes, n_seeds = model.output_shape[-1], len(model.non_trainable_variables)
    weights_spec = [tf.TensorSpec(v.shape, tf.float32) for v in model.trainable_variables]
    images_spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32)
    classes_spec, scalar = tf.TensorSpec([None, n_classes], tf.float32), tf.TensorSpec([], tf.float32)
    batches_spec, seeds_spec = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([n_seeds, 2], tf.int64)

    @tf.function(input_signature=[weights_spec, weights_spec, images_spec, classes_spec, classes_spec, batches_spec, seeds_spec,
                                  scalar, scalar, scalar, scalar])  # fmt: skip
    def train(weights, masks, images, hard, soft, batches, seeds, first_rate, last_rate, temperature, hard_share):
        steps = tf.shape(batches)[0]

        def step(number, weights, means, squares, seeds):
            batch = batches[number]
            with tf.GradientTape() as tape:
                tape.watch(weights)
                z, seeds = model.stateless_call(weights, seeds, tf.gather(images, batch), training=True)
                hard_loss = tf.nn.softmax_cross_entropy_with_logits(tf.gather(hard, batch), z)
                soft_loss = tf.nn.softmax_cross_entropy_with_logits(tf.gather(soft, batch), z / temperature)
                loss = tf.reduce_mean(hard_share * hard_loss + (1 - hard_share) * temperature**2 * soft_loss)
            gradients = tape.gradient(loss, weights)
            rate = first_rate + (last_rate - first_rate) * tf.cast(number, tf.float32) / tf.cast(steps, tf.float32)
            moves = gradients
            if optimizer == "adam":  # Kingma and Ba 2015, arXiv:1412.6980
                t = tf.cast(number + 1, tf.float32)
                means = [0.9 * m + 0.1 * g for m, g in zip(means, gradients, strict=True)]
                squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, gradients, strict=True)]
                correction = tf.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                moves = [correction * m / (tf.sqrt(s) + 1e-7) for m, s in zip(means, squares, strict=True)]
            # The mask is held by multiplying after every step: what was removed starts at zero and stays there.
            weights = [(w - rate * move) * mask for w, move, mask in zip(weights, moves, masks, strict=True)]
            return number + 1, weights, means, squares, seeds

        zeros = [tf.zeros_like(w) for w in weights]
        start = [w * mask for w, mask in zip(weights, masks, strict=True)]
        states = [seeds[layer] for layer in range(n_seeds)]
        return tf.while_loop(lambda number, *_: number < steps, step, (0, start, zeros, zeros, states))[1]

    @tf.function(input_signature=[weights_spec, images_spec])
    def logits(weights, images):
        return model.stateless_call(weights, [tf.zeros([2], tf.int64)] * n_seeds, images, training=False)[0]

    return train, logits, n_seeds, n_classes


# Copying 60,000 images to TensorFlow takes a good part of an epoch: the last ones are kept.
_last_images: tuple[np.ndarray | None, tf.Tensor] = (None, None)


def _tensor(images: np.ndarray) -> tf.Tensor:
    global _last_images
    if _last_images[0] is not images:
        _last_images = (images, tf.constant(images, tf.float32))
    return _last_images[1]


def _weights(model: keras.Model, weights: Sequence[np.ndarray] | None) -> list[np.ndarray]:
    return [np.asarray(w, np.float32) for w in (model.get_weights() if weights is None else weights)]


def train(
    model: keras.Model,
    images: np.ndarray,
    labels: ArrayLike | None = None,
    *,
    epochs: float = 1,
    batch_size: int = 128,
    learning_rate: float | tuple[float, float] = (2e-3, 0.0),
    weights: Sequence[np.ndarray] | None = None,
    mask: Sequence[ArrayLike] | None = None,
    soft_targets: ArrayLike | None = None,
    temperature: float = 1.0,
    hard_share: float | None = None,
    optimizer: str = "adam",
    seed: int = 0,
) -> list[np.ndarray]:
    """Train on labels, on soft targets, or on both; returns the weights, as model.get_weights().

    images: float32 [n, 28, 28]. labels: int [n] or None. epochs may be a fraction; a last batch that is not full is left
    out. learning_rate: (first, last), linear in between, or one number. weights: where to start, by default the model's.
    mask: arrays of 0 and 1 in the shapes of the weights, held after every step. soft_targets: float [n, n_classes], each
    row summing to 1, for the model's softmax at this temperature. hard_share: how much the labels count in
    hard_share · CE(labels) + (1 - hard_share) · T² · CE(soft targets); by default 1 without soft targets, 0 without labels.
    seed: order of the batches, and dropout. ValueError for arguments out of range or without anything to learn from.
    """
    batch_size = min(require_integer("batch_size", batch_size, 1), len(images))
    epochs, temperature = require_number("epochs", epochs, 0), require_number("temperature", temperature, 0)
    first, last = np.broadcast_to(learning_rate, 2)
    run, _, n_seeds, n_classes = _graphs(_architecture(model), require_choice("optimizer", optimizer, OPTIMIZERS))
    if labels is None and soft_targets is None:
        raise ValueError("labels or soft_targets are needed: there is nothing to learn from")
    if hard_share is None:
        hard_share = 0.5 if labels is not None and soft_targets is not None else float(labels is not None)
    hard_share = require_number("hard_share", hard_share, 0, 1, low_included=True)
    if (labels is None and hard_share > 0) or (soft_targets is None and hard_share < 1):
        raise ValueError(f"hard_share={hard_share:g} needs {'labels' if labels is None else 'soft_targets'}")
    hard: Any = np.eye(n_classes, dtype=np.float32)[np.asarray(labels)] if labels is not None else None
    soft: Any = np.asarray(soft_targets, np.float32) if soft_targets is not None else hard
    hard = soft if hard is None else hard
    if len(hard) != len(images) or soft.shape != (len(images), n_classes):
        raise ValueError(
            f"{len(images)} images need as many targets of {n_classes} classes, got labels {hard.shape} and soft {soft.shape}"
        )
    weights = _weights(model, weights)
    masks = [np.ones_like(w) for w in weights] if mask is None else [np.asarray(m, np.float32) for m in mask]
    rng = np.random.default_rng(seed)
    an_epoch = len(images) // batch_size
    steps = max(1, round(epochs * an_epoch))
    order = [rng.permutation(len(images))[: an_epoch * batch_size] for _ in range(-(-steps // an_epoch))]
    batches = np.concatenate(order).reshape(-1, batch_size)[:steps].astype(np.int32)
    seeds = rng.integers(2**31 - 1, size=(n_seeds, 2))
    rates = np.array([first, last, temperature, hard_share], np.float32)
    return [w.numpy() for w in run(weights, masks, _tensor(images), hard, soft, batches, seeds, *rates)]


def logits(model: keras.Model, images: np.ndarray, weights: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """What the model's last layer gives before the softmax: float32 [n, n_classes]."""
    run, weights = _graphs(_architecture(model), "adam")[1], _weights(model, weights)
    starts = range(0, len(images), EVALUATION_BATCH)
    return np.concatenate([run(weights, images[start : start + EVALUATION_BATCH]).numpy() for start in starts])


def accuracy(model: keras.Model, images: np.ndarray, labels: ArrayLike, weights: Sequence[np.ndarray] | None = None) -> float:
    """The fraction of the images that the model gets right."""
    return float(np.mean(np.argmax(logits(model, images, weights), axis=1) == np.asarray(labels)))
