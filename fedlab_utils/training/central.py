"""Training in one place, by the engine of `simulate`: on labels, with a mask that is held, or on a teacher's soft targets.

Section 3.2 of the document prunes and distils models trained centrally; `federation` trains many clients instead.
A model here is an architecture; its weights come and go with each call, as in `simulate`, and the model stays unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..language import say
from ..streams import Purpose, require_seed, stream
from ..validation import require_choice, require_inputs, require_integer, require_labels, require_number
from ..waiting import waiting
from . import identity, losses
from .arrays import tensor
from .checks import require_model
from .models import keras, tf
from .trainer import Learner

OPTIMIZERS = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}


def mlp(*hidden: int, n_classes: int = 10, dropout: float = 0.0, l2: float = 0.0, seed: int = 0) -> keras.Model:
    """Images 28×28 → Dense layers of these widths (ReLU) → softmax. The same seed gives the same weights.

    The weights of `mlp(128)` have the shapes of `models.document_mlp`; it only lacks the dropout. dropout: the rate behind each
    hidden layer. l2: the loss grows by l2 · ||kernel||² for each kernel, so that weights which the data does not ask for
    shrink: without it those of pixels that are hardly ever inked stay as large as they began, and `pruning` keeps them.
    """
    penalty = keras.regularizers.L2(l2) if require_number("l2", l2, 0, low_included=True) else None
    layers = [keras.Input((28, 28), name="image"), keras.layers.Flatten(name="flatten")]
    for number, width in enumerate(hidden):
        width = require_integer(f"hidden[{number}]", width, 1)
        start = keras.initializers.GlorotUniform(seed=100 * seed + number)
        layers.append(keras.layers.Dense(width, activation="relu", kernel_initializer=start, kernel_regularizer=penalty,
                                         name=f"hidden{number}"))  # fmt: skip
        if dropout:
            layers.append(keras.layers.Dropout(dropout, seed=seed, name=f"dropout{number}"))
    start = keras.initializers.GlorotUniform(seed=100 * seed + 99)
    layers.append(keras.layers.Dense(n_classes, activation="softmax", kernel_initializer=start, kernel_regularizer=penalty,
                                     name="digits"))  # fmt: skip
    return keras.Sequential(layers, name="mlp")


def soft_target_loss(targets: Any, logits: Any) -> Any:
    """hard_share · CE(labels) + (1 - hard_share) · T² · CE(soft targets, softmax(z / T)), for each sample.

    targets: float [n, 2 C + 2]: the label as one-hot, the soft targets, hard_share, T. logits z: float [n, C].
    """
    classes = logits.shape[-1]
    hard, soft, share, temperature = tf.split(targets, [classes, classes, 1, 1], axis=1)
    hard_loss = tf.nn.softmax_cross_entropy_with_logits(hard, logits)
    soft_loss = tf.nn.softmax_cross_entropy_with_logits(soft, logits / temperature)
    return share[:, 0] * hard_loss + (1 - share[:, 0]) * temperature[:, 0] ** 2 * soft_loss


def logits_model(model: keras.Model) -> keras.Model:
    """A model of the same weights that ends in logits. ValueError for one that ends in neither a softmax nor in logits."""
    require_model(model)
    last = model.layers[-1]
    activation = getattr(last, "activation", keras.activations.linear)
    if activation is keras.activations.linear:
        return model
    if activation is not keras.activations.softmax:
        name = getattr(activation, "__name__", activation)
        raise ValueError(say(f"the model must end in a softmax or in logits, got the activation {name!r}",
                             f"模型应以 softmax 或 logits 结尾，现在的激活函数是 {name!r}"))  # fmt: skip

    def without_softmax(layer):
        return type(layer).from_config(layer.get_config() | {"activation": "linear"}) if layer is last else None

    with identity.nothing_drawn():
        described = identity.describe_model(model)
        made = None if described is None else identity.twin(model, without_softmax)
    if made is None:
        raise ValueError(say(
            "the model is not made of Keras's own layers alone: to train it here, end it in logits (no softmax)",
            "模型里有不是 Keras 自带的层：要在这里训练，请让它以 logits 结尾（不加 softmax）"))  # fmt: skip
    return made


def _learner(model, x, y, loss, optimizer: str = "sgd", mask=None) -> Learner:
    return Learner(model, x, y, OPTIMIZERS[optimizer](), loss, state="average", mask=mask, together=False)


def _weights(model: keras.Model, weights) -> list[np.ndarray]:
    return [np.asarray(w) for w in (model.get_weights() if weights is None else weights)]


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
    progress: bool = False,
) -> list[np.ndarray]:
    """Train on labels, on soft targets, or on both; returns the weights, as model.get_weights().

    images: float32 [n, …], as the model takes them. labels: int [n] or None. epochs may be a fraction; a last batch that is
    not full is left out. learning_rate: (first, last), linear in between, or one number. weights: where to start, by default
    the model's. mask: arrays of 0 and 1 in the shapes of the weights, held after every step. soft_targets: float
    [n, n_classes], each row summing to 1, for the model's softmax at this temperature. hard_share: how much the labels count in
    hard_share · CE(labels) + (1 - hard_share) · T² · CE(soft targets); by default 1 without soft targets, 0 without labels.
    Penalties of the layers count, as in Keras. seed: order of the batches, and dropout. progress: show the seconds go by (all
    epochs are one compiled graph, which says nothing before its end). ValueError for arguments out of range or without
    anything to learn from; FloatingPointError where the weights are no longer finite.
    """
    seed = require_seed(seed)
    rngs = stream(seed, Purpose.CENTRAL_BATCHES), stream(seed, Purpose.CENTRAL_LAYERS)
    with waiting(say(f"training, epochs: {epochs}", f"正在训练，共 {epochs} 个周期"), progress):
        return train_with(
            rngs, model, images, labels, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weights=weights,
            mask=mask, soft_targets=soft_targets, temperature=temperature, hard_share=hard_share, optimizer=optimizer,
        )  # fmt: skip


def train_with(
    rngs: Sequence[np.random.Generator],
    model: keras.Model,
    images: np.ndarray,
    labels: Any,
    *,
    epochs: float,
    batch_size: int,
    learning_rate: float | tuple[float, float],
    weights: Sequence[np.ndarray] | None,
    mask: Any = None,
    soft_targets: Any = None,
    temperature: float = 1.0,
    hard_share: float | None = None,
    optimizer: str = "adam",
) -> list[np.ndarray]:
    """`train`, with the generators of the batches and of the random layers in place of a seed."""
    images = require_inputs("images", images)
    batch_size = min(require_integer("batch_size", batch_size, 1), len(images))
    epochs, temperature = require_number("epochs", epochs, 0), require_number("temperature", temperature, 0)
    first, last = np.broadcast_to(learning_rate, 2)
    require_choice("optimizer", optimizer, OPTIMIZERS)
    if labels is None and soft_targets is None:
        raise ValueError(say("labels or soft_targets are needed: there is nothing to learn from",
                             "labels 和 soft_targets 至少要有一个，否则没有可学的"))  # fmt: skip
    if hard_share is None:
        hard_share = 0.5 if labels is not None and soft_targets is not None else float(labels is not None)
    hard_share = require_number("hard_share", hard_share, 0, 1, low_included=True)
    if (labels is None and hard_share > 0) or (soft_targets is None and hard_share < 1):
        missing = "labels" if labels is None else "soft_targets"
        raise ValueError(say(f"hard_share={hard_share:g} needs {missing}", f"hard_share={hard_share:g} 时需要 {missing}"))
    ends_in_logits, weights = logits_model(model), _weights(model, weights)
    targets, loss = _targets(images, labels, soft_targets, model.output_shape[-1], temperature, hard_share)
    learner = _learner(ends_in_logits, images, targets, loss, optimizer, mask)
    if mask is not None:
        weights = [w * np.asarray(m, w.dtype) for w, m in zip(weights, mask, strict=True)]
    an_epoch = len(images) // batch_size
    steps = max(1, round(epochs * an_epoch))
    order = [rngs[0].permutation(len(images))[: an_epoch * batch_size] for _ in range(-(-steps // an_epoch))]
    batches = np.concatenate(order).reshape(-1, batch_size)[None, :steps].astype(np.int32)
    seeds = rngs[1].integers(2**31 - 1, size=(1, learner.n_seeds, 2))
    rates = first + (last - first) * np.arange(steps) / steps
    arrays, losses_ = learner.train_on(
        tensor(images), tensor(targets), weights, batches, np.ones(batches.shape, np.float32), seeds, rates=rates
    )
    if not np.isfinite(losses_).all():
        raise FloatingPointError(say("the weights are no longer finite; try a smaller learning_rate",
                                     "权重已不是有限的数；请减小 learning_rate"))  # fmt: skip
    return [array[0] for array in arrays]


def _targets(images, labels, soft_targets, n_classes: int, temperature: float, hard_share: float):
    """What the engine compares outputs with, and the loss that does it."""
    if labels is not None:
        labels = require_labels("labels", labels, len(images), n_classes)
    if soft_targets is None:
        return labels, losses.get(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    soft = np.asarray(soft_targets, np.float32)
    if soft.shape != (len(images), n_classes):
        raise ValueError(say(f"{len(images)} images need as many soft targets of {n_classes} classes, got {soft.shape}",
                             f"{len(images)} 张图片需要同样多的软标签，各有 {n_classes} 类，收到 {soft.shape}"))  # fmt: skip
    hard = soft if labels is None else np.eye(n_classes, dtype=np.float32)[labels]
    rest = np.full((len(images), 2), (hard_share, temperature), np.float32)
    return np.concatenate([hard, soft, rest], axis=1), losses.get(soft_target_loss)


def logits(model: keras.Model, images: np.ndarray, weights: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """What the model's last layer gives before the softmax: float32 [n, n_classes]."""
    images = require_inputs("images", images)
    labels = np.zeros(1, np.int32)  # of the kind that the graph expects; logits need none
    loss = losses.get(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return _learner(logits_model(model), images, labels, loss).outputs(_weights(model, weights), tensor(images))


def accuracy(model: keras.Model, images: np.ndarray, labels: Any, weights: Sequence[np.ndarray] | None = None) -> float:
    """The fraction of the images that the model gets right."""
    labels = require_labels("labels", labels, len(images), model.output_shape[-1])
    return float(np.mean(np.argmax(logits(model, images, weights), axis=1) == labels))
