"""Vertical federated learning as split learning: same people, other features (document, 2.1.1).

Each party turns its own feature group into a few activations; one label holder joins them, compares with the outcome
that it alone knows, and returns to each party the gradient of its activations. Nothing else crosses, and what crosses is
a payload of our codecs. Sources: Gupta and Raskar 2018 (arXiv:1810.06060); Vepakomma et al. 2018 (arXiv:1812.00564).
Written in NumPy, so that every line of the two gradients can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..codecs import Codec, decode, require_codec
from ..language import say
from ..streams import Purpose, require_seed, stream
from ..validation import require_finite, require_integer, require_number


class Party:
    """One institution: its features x float32 [n, d], and a layer tanh(x W + b) of `width` units that never leaves it."""

    def __init__(self, x: np.ndarray, width: int, rng: np.random.Generator):
        self.x = x
        self.kernel = rng.normal(0, 1 / np.sqrt(x.shape[1]), (x.shape[1], width)).astype(np.float32)
        self.bias = np.zeros(width, np.float32)

    def forward(self, rows: np.ndarray) -> np.ndarray:
        """The activations of these samples, float32 [len(rows), width]: what is sent."""
        return np.tanh(self.x[rows] @ self.kernel + self.bias)

    def backward(self, rows: np.ndarray, activations: np.ndarray, gradient: np.ndarray, learning_rate: float) -> None:
        """One step down the gradient of the loss by the activations [len(rows), width]: what came back."""
        before_tanh = gradient * (1 - activations**2)
        self.kernel -= learning_rate * (self.x[rows].T @ before_tanh)
        self.bias -= learning_rate * before_tanh.sum(axis=0)


class LabelHolder:
    """The institution that knows the outcome y float32 [n]: a linear layer on all activations, and the mean squared error."""

    def __init__(self, y: np.ndarray, n_inputs: int):
        self.y = y
        self.kernel = np.zeros(n_inputs, np.float32)
        self.bias = np.float32(0)

    def predict(self, joined: np.ndarray) -> np.ndarray:
        """float32 [m] from all parties' activations [m, n_inputs]."""
        return joined @ self.kernel + self.bias

    def step(self, rows: np.ndarray, joined: np.ndarray, learning_rate: float) -> np.ndarray:
        """Learn from one batch; returns the gradient of the loss by the activations, float32 [len(rows), n_inputs]."""
        slope = 2 * (self.predict(joined) - self.y[rows]) / len(rows)  # of the mean squared error, by the prediction
        gradient = np.outer(slope, self.kernel).astype(np.float32)  # with the kernel that made the prediction
        self.kernel -= learning_rate * (joined.T @ slope)
        self.bias -= learning_rate * slope.sum()
        return gradient


@dataclass
class VerticalHistory:
    """What `train_vertical` measured, one entry an epoch.

    r2: on the test rows. activation_bytes: len(payload) of all messages from the parties to the label holder in that
    epoch; gradient_bytes: of all messages back. prediction_bytes: the messages that it takes to predict the test rows
    once, as the parties have to take part in that too; not in the other counts.
    """

    r2: list[float] = field(default_factory=list)
    activation_bytes: list[int] = field(default_factory=list)
    gradient_bytes: list[int] = field(default_factory=list)
    prediction_bytes: int = 0

    def total_bytes(self) -> int:
        """Both directions, all epochs of training."""
        return sum(self.activation_bytes) + sum(self.gradient_bytes)


def r_squared(y: ArrayLike, prediction: ArrayLike, y_train_mean: float) -> float:
    """1 - the squared error as a share of that of always guessing the training mean. 1 is perfect, 0 is that guess."""
    y, prediction = np.asarray(y, np.float64), np.asarray(prediction, np.float64)
    return float(1 - np.sum((y - prediction) ** 2) / np.sum((y - y_train_mean) ** 2))


def _check(
    features: Sequence[ArrayLike], y: ArrayLike, train: ArrayLike, test: ArrayLike
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    y = require_finite("y", y).astype(np.float64)
    tables = [require_finite(f"features[{party}]", x).astype(np.float64) for party, x in enumerate(features)]
    if not tables:
        raise ValueError(say("features is empty: at least one party must hold a feature group",
                             "features 是空的：至少要有一方持有一组特征"))  # fmt: skip
    for party, x in enumerate(tables):
        if x.ndim != 2 or x.shape[1] == 0:
            raise ValueError(say(f"features[{party}] must be a table [samples, features], got shape {x.shape}",
                                 f"features[{party}] 应为表格 [样本, 特征]，收到的形状是 {x.shape}"))  # fmt: skip
    counts = [len(x) for x in tables]
    if y.ndim != 1 or set(counts) != {len(y)}:
        raise ValueError(say(
            f"the parties hold {', '.join(map(str, counts))} samples and y has shape {y.shape}: "
            "row i must be the same person everywhere, so first align the tables by ID",
            f"各方的样本数是 {'、'.join(map(str, counts))}，y 的形状是 {y.shape}：第 i 行在各方应当是同一个人，请先按 ID 对齐",
        ))  # fmt: skip
    train, test = np.asarray(train), np.asarray(test)
    for name, rows in (("train", train), ("test", test)):
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or rows.size == 0:
            raise ValueError(say(f"{name} must be a flat array of row numbers, not empty, got {rows.dtype} {rows.shape}",
                                 f"{name} 应为一维、非空的行号数组，收到的是 {rows.dtype} {rows.shape}"))  # fmt: skip
        if rows.min() < 0 or rows.max() >= len(y):
            raise ValueError(say(f"{name} holds row {rows.max()}, allowed are 0 … {len(y) - 1}",
                                 f"{name} 里有行号 {rows.max()}，允许的是 0 … {len(y) - 1}"))  # fmt: skip
    return tables, y, train, test


def standardize(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and deviation 1 on the training rows; a constant column becomes 0. float32 [n, ...]."""
    mean, deviation = x[train].mean(axis=0), x[train].std(axis=0)
    return ((x - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def train_vertical(
    features: Sequence[ArrayLike],
    y: ArrayLike,
    train: ArrayLike,
    test: ArrayLike,
    *,
    width: int = 2,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 0.03,
    uplink: Codec | None = None,
    downlink: Codec | None = None,
    seed: int = 0,
) -> VerticalHistory:
    """Predict y from feature groups that stay with their parties. Every message is encoded, counted and decoded.

    features: one table [n, d_p] for each party, rows in the same order; y: [n], known to the label holder alone.
    train, test: row numbers. width: activations a party sends for each sample. uplink codes activations, downlink their
    gradients, both `Identity()` (float32) by default. Each party scales its own columns by its training rows.
    ValueError for parties with different sample counts, NaN, or rows out of range; FloatingPointError if it diverges.
    """
    tables, y, train, test = _check(features, y, train, test)
    width = require_integer("width", width, 1)
    epochs = require_integer("epochs", epochs, 1)
    batch_size = require_integer("batch_size", batch_size, 1)
    learning_rate = require_number("learning_rate", learning_rate, 0)
    uplink, downlink = require_codec("uplink", uplink), require_codec("downlink", downlink)
    seed = require_seed(seed)

    parties_rng = stream(seed, Purpose.PARTIES)
    parties = [Party(standardize(x, train), width, parties_rng) for x in tables]
    holder = LabelHolder(standardize(y, train), width * len(parties))
    scale, shift = y[train].std() or 1.0, y[train].mean()
    history = VerticalHistory()

    def gather(rows, epoch: int, start: int) -> tuple[list[np.ndarray], np.ndarray, int]:
        """What the parties have, what the label holder receives, and the bytes between."""
        activations = [party.forward(rows) for party in parties]
        payloads = [uplink.encode(a, stream(seed, Purpose.ACTIVATIONS, epoch, start, p)) for p, a in enumerate(activations)]
        received = [decode(payload, len(rows) * width).reshape(len(rows), width) for payload in payloads]
        return activations, np.concatenate(received, axis=1), sum(map(len, payloads))

    for epoch in range(epochs):
        sent, returned = 0, 0
        order = stream(seed, Purpose.PARTY_BATCHES, epoch).permutation(train)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            activations, joined, size = gather(rows, epoch, start)
            sent += size
            gradient = holder.step(rows, joined, learning_rate)
            if not np.isfinite(gradient).all():
                raise FloatingPointError(say(
                    f"the gradients are no longer finite; try less than learning_rate={learning_rate:g}",
                    f"梯度已不是有限的数；请用小于 learning_rate={learning_rate:g} 的学习率"))  # fmt: skip
            for number, (party, activation) in enumerate(zip(parties, activations, strict=True)):
                rng = stream(seed, Purpose.ACTIVATION_GRADIENTS, epoch, start, number)
                payload = downlink.encode(gradient[:, number * width : (number + 1) * width], rng)
                returned += len(payload)
                party.backward(rows, activation, decode(payload, activation.size).reshape(activation.shape), learning_rate)
        _, joined, history.prediction_bytes = gather(test, epoch, len(order))
        history.r2.append(r_squared(y[test], holder.predict(joined) * scale + shift, shift))
        history.activation_bytes.append(sent)
        history.gradient_bytes.append(returned)
    return history
