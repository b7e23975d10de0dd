"""Distributed SGD: every worker sends a gradient at every step; Deep Gradient Compression makes it a thousandth as long.

Lin et al. 2018, "Deep Gradient Compression", arXiv:1712.01887: keep back what is small (`Residual`), and four tricks against
what keeping back does to momentum SGD, each an argument of `train_distributed`. A federation is the other end of the same
line: few messages after much local work (`simulate`); here the messages are as many as the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..codecs import Codec, Identity, Residual, Threshold, decode, require_codec
from ..language import say
from ..streams import Purpose, require_seed, stream
from ..training.arrays import plan_batches
from ..training.models import keras
from ..training.trainer import Trainer
from ..validation import require_clients, require_fraction, require_integer, require_number
from .history import Diverged, History
from .parties import hold, layer_seeds

if TYPE_CHECKING:
    from ..data import Dataset

ALL_BUT_ZEROS = Threshold(float(np.finfo(np.float32).tiny))  # the mean of sparse messages as it is: nothing is lost


class GradientMemory:
    """What one worker has not sent of its gradients: a `Residual` that momentum SGD can be fed from.

    momentum: of the velocity u = momentum · u + gradient that is sent and kept back in place of the gradient (momentum
    correction, Lin et al. 2018, equation 4); 0 keeps back gradients, which is plain error feedback. masking: the velocity of
    a weight that has been sent begins anew, so that what is late does not go on pushing (momentum factor masking, section
    3.3). codec may be set between two messages (warm-up).
    """

    def __init__(self, codec: Codec, momentum: float = 0.0, masking: bool = True):
        self._residual = Residual(codec)
        self._momentum, self._masking = momentum, masking
        self._velocity: np.ndarray | float = 0.0  # float32 [n] after the first message

    @property
    def codec(self) -> Codec:
        return self._residual.codec

    @codec.setter
    def codec(self, codec: Codec) -> None:
        self._residual.codec = codec

    def send(self, gradient: np.ndarray) -> tuple[bytes, np.ndarray]:
        """Encode a gradient, float32 [n], with what was kept back. Returns the payload and what is decoded, float32 [n]."""
        self._velocity = np.float32(self._momentum) * self._velocity + gradient
        payload, received = self._residual.send(self._velocity)
        if self._masking:
            self._velocity = np.where(received == 0, self._velocity, np.float32(0))
        return payload, received


def clipped(gradient: np.ndarray, longest: float, n_workers: int) -> np.ndarray:
    """A worker's gradient, no longer than longest / sqrt(n_workers): then that of all is about `longest` at the most.

    gradient: float32 [n]; its Euclidean norm counts. Source: local gradient clipping, Lin et al. 2018, section 3.2.
    """
    allowed, norm = longest / np.sqrt(n_workers), float(np.linalg.norm(gradient))
    return gradient if norm <= allowed else gradient * np.float32(allowed / norm)


def train_distributed(
    model: keras.Model,
    data: Dataset,
    workers: Sequence[np.ndarray],
    *,
    epochs: int,
    batch_size: int = 32,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    uplink: Codec | None = None,
    momentum_correction: bool = True,
    masking: bool = True,
    clip: float | None = None,
    warm_up: Sequence[Codec] = (),
    warm_up_steps: int = 1,
    seed: int = 0,
) -> History:
    """Train by momentum SGD, with one gradient from every worker at every step; every byte both ways is counted.

    model, data, workers: as for `simulate`, whose clients the workers are; all take part in every step, and an
    epoch ends with the worker that has most samples. batch_size: of each worker.
    uplink: codec of the gradients, `Identity()` by default; what it leaves out is kept back and sent later (`GradientMemory`).
    momentum_correction: momentum at the workers, before compression; otherwise after it, on the mean of what was sent. With a
    lossless uplink both are plain momentum SGD. masking: see `GradientMemory`; without momentum at the workers there is
    nothing to mask. clip: see `clipped`; None cuts nothing. warm_up: codecs in place of the uplink at the beginning, each for
    warm_up_steps steps (section 3.3: 25 %, 6.25 %, 1.5625 %, 0.4 %).
    Down goes, to each worker, the mean of what was sent, without its zeros and without loss; first a dense model.
    Returns a History with one entry an epoch; its seconds are empty. ValueError or TypeError for arguments out of range, or a
    codec that draws random numbers, or a model with state that no gradient trains (batch normalization); `Diverged`, which
    holds the epochs before, where a loss is no longer finite.
    """
    epochs, batch_size = require_integer("epochs", epochs, 1), require_integer("batch_size", batch_size, 1)
    learning_rate, momentum = require_number("learning_rate", learning_rate, 0), require_fraction("momentum", momentum)
    clip = None if clip is None else require_number("clip", clip, 0)
    warm_up_steps, seed = require_integer("warm_up_steps", warm_up_steps, 1), require_seed(seed)
    uplink = require_codec("uplink", uplink)
    stages = [require_codec(f"warm_up[{number}]", codec) for number, codec in enumerate(warm_up)]
    trainer = Trainer(model, data, keras.optimizers.SGD(1.0))  # one step of rate 1 moves by the gradient
    if trainer.averaged:
        raise ValueError(say("model has state that no gradient trains (batch normalization), which is not supported here",
                             "model 里有不靠梯度训练的状态（批归一化），这里不支持"))  # fmt: skip
    parts = require_clients(workers, trainer.n_samples, len(workers))
    memories = [GradientMemory(uplink, momentum if momentum_correction else 0.0, masking) for _ in parts]
    weights = model.get_weights()
    vector = trainer.gather(weights)
    velocity = np.zeros(vector.size)
    first = len(parts) * len(Identity().encode(vector))
    history, step = History(seed=seed), 0
    for epoch in range(epochs):
        orders = [stream(seed, Purpose.BATCHES, epoch, n) for n in range(len(parts))]
        layers = [stream(seed, Purpose.LAYERS, epoch, n) for n in range(len(parts))]
        indices, sample_weights = plan_batches(parts, orders, 1, batch_size)
        up, down = 0, 0 if epoch else first
        for at in range(indices.shape[1]):
            batch = slice(at, at + 1)
            seeds = layer_seeds(layers, trainer.n_seeds)
            arrays, losses = trainer.train(weights, indices[:, batch], sample_weights[:, batch], seeds)
            if not np.isfinite(losses).all():
                worker = int(np.argmin(np.isfinite(losses)))
                raise Diverged(epoch + 1, say(f"worker {worker}", f"节点 {worker}"), "loss", history)
            codec = stages[step // warm_up_steps] if step // warm_up_steps < len(stages) else uplink
            mean = np.zeros(vector.size)
            for memory, moved in zip(memories, trainer.deltas(arrays, weights), strict=True):
                memory.codec = codec
                payload, received = memory.send(-moved if clip is None else clipped(-moved, clip, len(parts)))
                mean += received / len(parts)
                up += len(payload)
            broadcast = ALL_BUT_ZEROS.encode(mean)
            down += len(parts) * len(broadcast)
            velocity = (0.0 if momentum_correction else momentum) * velocity + decode(broadcast, max_weights=vector.size)
            vector = (vector - learning_rate * velocity).astype(np.float32)
            hold(trainer, weights, vector, np.zeros(0, np.float32))
            step += 1
        accuracy, loss = trainer.evaluate(weights)
        if not np.isfinite(loss):
            raise Diverged(epoch + 1, say("test set", "测试集"), "loss", history)
        history.weights = [np.array(array) for array in weights]
        history.accuracy.append(accuracy)
        history.loss.append(loss)
        history.uplink_bytes.append(up)
        history.downlink_bytes.append(down)
        history.first_model_bytes.append(0 if epoch else first)
    return history
