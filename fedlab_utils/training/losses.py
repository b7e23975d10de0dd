"""What a loss wants of labels and outputs: decided by its class, never by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..language import say
from .models import keras, tf

_k = keras.losses
_SPARSE = (_k.SparseCategoricalCrossentropy, _k.sparse_categorical_crossentropy)
_BINARY = (_k.BinaryCrossentropy, _k.BinaryFocalCrossentropy, _k.binary_crossentropy, _k.binary_focal_crossentropy)
_ROWS = (
    *_SPARSE, _k.CategoricalCrossentropy, _k.CategoricalFocalCrossentropy, _k.KLDivergence,
    _k.categorical_crossentropy, _k.categorical_focal_crossentropy, _k.kl_divergence,
)  # fmt: skip
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


class Loss(NamedTuple):
    """given: as the caller gave it, an object or function. sparse: it wants integer labels. wants: "rows" of probabilities that
    sum to 1, values of the "unit" interval each by itself, "row logits", "unit logits", or None where any output will do."""

    given: Callable
    sparse: bool
    wants: str | None

    def per_sample(self, labels: Any, outputs: Any) -> Any:
        """The loss of each sample, [n]. labels: integers [n] or [n, time]; or float targets [n, …], which go in as they are."""
        if not self.sparse and labels.dtype.is_integer:
            classes, dtype = outputs.shape[-1], outputs.dtype
            labels = tf.cast(labels[..., None], dtype) if classes == 1 else tf.one_hot(labels, classes, dtype=dtype)
        losses = self.given.call(labels, outputs) if isinstance(self.given, _k.Loss) else self.given(labels, outputs)
        return tf.reduce_mean(tf.reshape(losses, [tf.shape(losses)[0], -1]), axis=1)

    def right(self, labels: Any, outputs: Any) -> Any:
        """How much of each sample the outputs get right, float [n]: 0 or 1, or with an output a time step the share of them."""
        if outputs.shape[-1] == 1:
            chosen = tf.cast(outputs[..., 0] > (0.0 if self.wants == "unit logits" else 0.5), labels.dtype)
        else:
            chosen = tf.argmax(outputs, -1, labels.dtype)
        hits = tf.cast(chosen == labels, tf.float32)
        return tf.reduce_mean(tf.reshape(hits, [tf.shape(hits)[0], -1]), axis=1)


def get(loss: Any) -> Loss:
    """What a Keras loss, its name, or a function (labels, outputs) → [n] wants. ValueError or TypeError for anything else."""
    try:
        given = _k.get(loss)
    except (ValueError, TypeError) as error:
        raise _no_loss(loss) from error
    if not callable(given):
        raise _no_loss(loss)
    if isinstance(given, _k.Loss) and given.reduction not in _MEANS:
        raise ValueError(say(
            f"loss has reduction={given.reduction!r}, but a client's loss is the mean of its samples: leave it out",
            f"loss 设了 reduction={given.reduction!r}，但客户端的损失是各样本的平均：请去掉"))  # fmt: skip

    for option, allowed in (("ignore_class", None), ("axis", -1)):
        if (value := getattr(given, option, allowed)) != allowed:
            raise ValueError(say(f"loss has {option}={value!r}, which is not supported here: leave it out",
                                 f"loss 设了 {option}={value!r}，这里不支持：请去掉"))  # fmt: skip

    def among(kinds):
        return any(type(given) is kind or given is kind for kind in kinds)

    logits = bool(getattr(given, "from_logits", False))
    wants = "row logits" if among(_ROWS) and logits else "rows" if among(_ROWS) else None
    if among(_BINARY):
        wants = "unit logits" if logits else "unit"
    return Loss(given, among(_SPARSE), wants)


def _no_loss(given: Any) -> ValueError:
    return ValueError(say(f"loss must be a Keras loss or the name of one, got {given!r}",
                          f"loss 应为 Keras 的损失或它的名字，收到的是 {given!r}"))  # fmt: skip


def _last_layer(loss: Loss, columns: int, dimensions: int) -> str:
    """What to end a model with, whose outputs of so many dimensions (one is the samples') should have so many columns."""
    activation = {"rows": ', "softmax"', "unit": ', "sigmoid"'}.get(loss.wants or "", "")
    dense = f"Dense({columns}{activation})"
    if dimensions > 2:
        return say(f": let it end in Flatten(), {dense}", f"：请让它以 Flatten()、{dense} 结尾")
    return say(f": let its last layer be {dense}", f"：请让最后一层为 {dense}")


def check_outputs(
    outputs: np.ndarray, loss: Loss, classes: int, samples: int, activation: Any, times: tuple[int, ...] = ()
) -> None:
    """ValueError unless outputs, of `samples` test samples, suit the loss and `classes` classes. times: (steps,) of the labels
    where they are one a time step. activation: of the last layer, or None."""
    least = 1 if loss.wants in ("unit", "unit logits") and classes <= 2 else classes
    if outputs.ndim != 2 + len(times) or outputs.shape[1:-1] != times or outputs.shape[-1] < least:
        shape, mend = outputs.shape, _last_layer(loss, least, outputs.ndim)
        if times:  # a label a time step, or so it looks
            one_hot = say("; of one-hot rows take .argmax(axis=1)", "；标签若是 one-hot，请用 .argmax(axis=1)")
            mend = one_hot if outputs.ndim == 2 else ""
        steps = say(f" for each of {times[0]} time steps", f"（{times[0]} 个时间步各要这么多）") if times else ""
        raise ValueError(say(
            f"model gives outputs of shape {shape} for {samples} samples, the labels need {least} columns{steps}{mend}",
            f"model 对 {samples} 个样本给出的输出形状是 {shape}，而标签需要 {least} 列{steps}{mend}"))  # fmt: skip
    if not np.isfinite(outputs).all():
        raise ValueError(say(
            "model gives NaN or infinity for the first samples: its weights are not usable (a variance below zero?)",
            "model 对前几个样本给出 NaN 或无穷大：它的权重不可用（是不是有小于零的方差？）"))  # fmt: skip
    sums = np.allclose(outputs.sum(axis=-1), 1, atol=1e-3) and outputs.shape[-1] > 1
    unit = outputs.min() >= 0 and outputs.max() <= 1 + 1e-6
    if loss.wants == "rows" and not (unit and sums):
        other = "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
        raise ValueError(say(f"model must give probabilities: end it with softmax, or pass {other}",
                             f"model 应当输出概率：请让它以 softmax 结尾，或传入 {other}"))  # fmt: skip
    if loss.wants == "unit" and not unit:
        raise ValueError(say("model must give probabilities: end it with sigmoid, or pass a loss with from_logits=True",
                             "model 应当输出概率：请让它以 sigmoid 结尾，或传入 from_logits=True 的损失"))  # fmt: skip
    sigmoid = activation is keras.activations.sigmoid
    if (loss.wants == "row logits" and unit and sums) or (loss.wants == "unit logits" and sigmoid):
        raise ValueError(say(
            "loss has from_logits=True, but model gives probabilities: take off its last activation, or from_logits",
            "loss 设了 from_logits=True，而 model 输出的是概率：请去掉它最后的激活函数，或去掉 from_logits"))  # fmt: skip
