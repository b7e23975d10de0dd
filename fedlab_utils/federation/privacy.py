"""What an update tells about the images behind it (document, 1.1 and 1.2; used in chapter 1).

A dense layer computes z = x W + b. For one image, row by row, ∂L/∂W[:, i] = x · ∂L/∂z[i] and ∂L/∂b[i] = ∂L/∂z[i]: the
quotient of the two is the image x itself (Phong et al. 2018, IEEE TIFS 13, section 3). For several images each unit i
gives a weighted sum of those on which it is active, and local training adds up such sums, each at other weights.

Stronger attacks search for images with the same gradient (Zhu et al. 2019, arXiv:1906.08935; Geiping et al. 2020,
arXiv:2003.14053). What is measured here is therefore what leaks at least.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..language import say
from ..streams import Purpose, require_seed, stream
from ..validation import require_finite, require_integer, require_labels, require_number

if TYPE_CHECKING:
    from ..training.models import keras


def _check(model: keras.Model, images: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    from ..training import losses

    images = require_finite("images", images).astype(np.float32, copy=False)
    shape = tuple(model.input_shape[1:])
    if images.shape[1:] != shape or len(images) == 0:
        wanted = f"(n, {', '.join(map(str, shape))})"
        raise ValueError(say(f"images must have the shape {wanted} with n >= 1, got {images.shape}",
                             f"images 的形状应为 {wanted}，n ≥ 1，收到的是 {images.shape}"))  # fmt: skip
    labels = require_labels("labels", np.asarray(labels), len(images), model.output_shape[-1])
    outputs = np.asarray(model(images[:8], training=False))
    losses.check_outputs(outputs, losses.get("sparse_categorical_crossentropy"), int(labels.max()) + 1, len(outputs), None)
    return images, labels


def _gradient(model: keras.Model, images: ArrayLike, labels: ArrayLike) -> list:
    from ..training.models import keras, tf

    with tf.GradientTape() as tape:
        probabilities = model(images, training=False)  # no dropout: the layer computes just what the formula says
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, probabilities))
    return tape.gradient(loss, model.trainable_variables)


def gradient(model: keras.Model, images: ArrayLike, labels: ArrayLike) -> list[np.ndarray]:
    """The gradient of the mean cross-entropy of these images, at the model's present weights, without dropout.

    images: float [n, *input shape]; labels: int [n]. Returns one float32 array for each of model.trainable_variables.
    ValueError for another shape, no image, a label out of range, NaN or infinity.
    """
    return [array.numpy() for array in _gradient(model, *_check(model, images, labels))]


def local_delta(
    model: keras.Model,
    images: ArrayLike,
    labels: ArrayLike,
    epochs: int = 1,
    batch_size: int = 10,
    learning_rate: float = 0.1,
    seed: int = 0,
) -> list[np.ndarray]:
    """What a client with these images uploads after local SGD: weights after minus weights before, without dropout.

    Arguments and arrays as for `gradient`; batches are drawn anew in each epoch from `seed`. The model is left unchanged.
    """
    images, labels = _check(model, images, labels)
    epochs, batch_size = require_integer("epochs", epochs, 1), require_integer("batch_size", batch_size, 1)
    learning_rate, rng = require_number("learning_rate", learning_rate, 0), stream(require_seed(seed), Purpose.LOCAL_DELTA)
    variables, start = model.trainable_variables, [variable.numpy() for variable in model.trainable_variables]
    try:
        for _ in range(epochs):
            order = rng.permutation(len(images))
            for first in range(0, len(images), batch_size):
                batch = order[first : first + batch_size]
                for variable, slope in zip(variables, _gradient(model, images[batch], labels[batch]), strict=True):
                    variable.assign_sub(learning_rate * slope)
        return [variable.numpy() - value for variable, value in zip(variables, start, strict=True)]
    finally:  # the model is the reader's: it is left as it was, whatever happens
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)


def read_images(kernel: ArrayLike, bias: ArrayLike) -> np.ndarray:
    """What each unit of a dense layer gives away: ∂L/∂W[:, i] / ∂L/∂b[i], the strongest unit first.

    kernel: float [n_inputs, n_units], bias: float [n_units], of a gradient or of a delta (its factor cancels). Returns
    float64 [m, n_inputs]: units that say nothing (all zero, or all inputs alike) are left out, so that m may be 0.
    Where only the bias is zero (a codec dropped it), the column itself: the image but for scale and sign. Strongest means:
    the column with the largest deviation from its mean; an attacker who has seen no image begins there.
    """
    kernel, bias = require_finite("kernel", kernel).astype(np.float64), require_finite("bias", bias).astype(np.float64)
    if kernel.ndim != 2 or bias.shape != kernel.shape[1:]:
        raise ValueError(say(f"kernel must be [n_inputs, n_units] and bias [n_units], got {kernel.shape} and {bias.shape}",
                             f"kernel 应为 [输入数, 单元数]，bias 应为 [单元数]，收到 {kernel.shape}、{bias.shape}"))  # fmt: skip
    strength = np.linalg.norm(kernel - kernel.mean(axis=0), axis=0)
    noise = 1e-12 * np.linalg.norm(kernel, axis=0)  # of the subtraction, where a column is constant
    units = np.argsort(-strength, kind="stable")
    units = units[strength[units] > noise[units]]
    return (kernel[:, units] / np.where(bias[units] == 0, 1, bias[units])).T


def read_label(output_bias: ArrayLike) -> int:
    """The label of a single image, from ∂L/∂b of a softmax layer: that is p - y, negative at the label alone.

    output_bias: float [n_classes]. Source: Zhao et al. 2020, arXiv:2001.02610.
    """
    return int(np.argmin(require_finite("output_bias", output_bias)))


def similarity(images: ArrayLike, candidates: ArrayLike) -> np.ndarray:
    """|Pearson correlation| of every image with every candidate: 1 is equal but for brightness, contrast and sign.

    images: float [n, ...], candidates: float [m, ...], as many pixels each. Returns float64 [n, m]; 0 for a blank picture.
    """
    images, candidates = (np.asarray(a, np.float64) for a in (images, candidates))
    images, candidates = (a.reshape(len(a), math.prod(a.shape[1:])) for a in (images, candidates))
    if images.shape[1] != candidates.shape[1]:
        raise ValueError(say(f"images have {images.shape[1]} pixels, candidates {candidates.shape[1]}: they must be equal",
                             f"images 有 {images.shape[1]} 个像素，candidates 有 {candidates.shape[1]} 个：应相同"))  # fmt: skip
    directions = []
    for pictures in (images, candidates):
        deviation = pictures - pictures.mean(axis=1, keepdims=True)
        length = np.linalg.norm(deviation, axis=1, keepdims=True)
        directions.append(deviation / np.where(length == 0, 1, length))
    return np.minimum(np.abs(directions[0] @ directions[1].T), 1)


def best_match(images: ArrayLike, candidates: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """For each image the candidate most like it: how similar (float64 [n], 0 without candidates), and which (int [n]).

    Knowing the image, we choose better than an attacker can: an upper limit of what these candidates give away.
    """
    table = similarity(images, candidates)
    if table.shape[1] == 0:
        return np.zeros(len(table)), np.full(len(table), -1)
    return table.max(axis=1), table.argmax(axis=1)
