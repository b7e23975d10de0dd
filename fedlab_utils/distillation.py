"""Knowledge distillation (document, sections 3.2.2 and 3.2.2.1): soft targets of a teacher train a smaller student.

Sources: Hinton, Vinyals and Dean 2015, arXiv:1503.02531 (temperature, T²). The federated form, in which logits on public
images travel instead of weights: Li and Wang 2019, arXiv:1910.03581 (FedMD); Itahara et al. 2020, arXiv:2008.06180 (DS-FL);
Sattler et al. 2020, arXiv:2012.00632 (CFD).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .codecs import Codec, Identity, Quantize, decode, require_codec
from .language import say
from .streams import Purpose, require_seed, stream
from .validation import require_choice, require_clients, require_finite, require_inputs, require_integer, require_number
from .waiting import waiting

if TYPE_CHECKING:
    from .data import Dataset
    from .training.models import keras


def soften(logits: ArrayLike, temperature: float = 1.0) -> np.ndarray:
    """softmax(z / T): float32, shape of the logits, each row (last axis) summing to 1.

    temperature > 0 (ValueError otherwise): 1 is the model's own softmax, larger is softer, towards 0 the largest takes all.
    """
    z = require_finite("logits", logits).astype(np.float64) / require_number("temperature", temperature, 0)
    powers = np.exp(z - z.max(axis=-1, keepdims=True))  # the same softmax, and no exponential overflows
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


def distillation_loss(
    student_logits: ArrayLike,
    teacher_logits: ArrayLike,
    temperature: float,
    labels: ArrayLike | None = None,
    hard_share: float = 0.0,
) -> float:
    """hard_share · CE(labels, student at T = 1) + (1 - hard_share) · T² · CE(teacher at T, student at T), mean of the images.

    Logits: float [n, n_classes]. labels: int [n]; needed where hard_share > 0. T² because the gradient of the soft part
    shrinks like 1 / T²: with it the two parts keep their balance at every temperature (Hinton et al. 2015, section 2).
    ValueError where teacher and student have different classes.
    """
    student, teacher = require_finite("student_logits", student_logits), require_finite("teacher_logits", teacher_logits)
    require_same_classes(teacher.shape[-1], student.shape[-1])
    hard_share = require_number("hard_share", hard_share, 0, 1, low_included=True)
    temperature = require_number("temperature", temperature, 0)
    soft = np.sum(soften(teacher, temperature).astype(np.float64) * -_log_softmax(student / temperature), axis=-1)
    loss = (1 - hard_share) * temperature**2 * soft.mean()
    if hard_share > 0:
        if labels is None:
            raise ValueError(say(f"hard_share={hard_share:g} needs labels", f"hard_share={hard_share:g} 时需要 labels"))
        loss += hard_share * -_log_softmax(student)[np.arange(len(student)), np.asarray(labels)].mean()
    return float(loss)


def _log_softmax(z: np.ndarray) -> np.ndarray:
    z = np.asarray(z, np.float64) - np.max(z, axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def require_same_classes(teacher: int, student: int) -> None:
    if teacher != student:
        raise ValueError(say(f"teacher and student must know the same classes, got {teacher} and {student}",
                             f"教师和学生的类别数应当相同，收到的是 {teacher} 和 {student}"))  # fmt: skip


def teach(
    student: keras.Model,
    images: np.ndarray,
    teacher_logits: ArrayLike,
    *,
    temperature: float = 4.0,
    labels: ArrayLike | None = None,
    hard_share: float | None = None,
    weights: Sequence[np.ndarray] | None = None,
    epochs: float = 5,
    batch_size: int = 128,
    learning_rate: float | tuple[float, float] = (2e-3, 0.0),
    seed: int = 0,
) -> list[np.ndarray]:
    """Train a student on a teacher's soft targets (the document's step 2); returns the student's weights.

    student: Keras model. images: float32 [n, 28, 28]. teacher_logits: float [n, n_classes]. labels: int [n] where known; they
    then count with hard_share (by default 0.1). Other arguments as for `central.train`.
    """
    from .training import central  # here, because temperature and loss need no TensorFlow

    require_same_classes(np.shape(teacher_logits)[-1], student.output_shape[-1])
    hard_share = (0.0 if labels is None else 0.1) if hard_share is None else hard_share
    return central.train(
        student, images, labels, soft_targets=soften(teacher_logits, temperature), temperature=temperature,
        hard_share=hard_share, weights=weights, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed,
    )  # fmt: skip


# A federated form

EXCHANGES = ("logits", "probabilities", "labels")
PUBLIC_BATCH = 64  # images a step when clients learn from the average: as accurate as 32, in three fifths of the time


def break_even_images(n_weights: int, n_classes: int = 10, codec: Codec | None = None) -> int:
    """The most public images whose logits fit in the bytes of one model, both really encoded with the codec (float32)."""
    codec, n_classes = codec or Identity(), require_integer("n_classes", n_classes, 2)
    model = len(codec.encode(np.zeros(require_integer("n_weights", n_weights, 1)), np.random.default_rng(0)))
    low, high = 0, n_weights  # one image takes at least one number, so that more images than weights never fit
    while low < high:
        middle = (low + high + 1) // 2
        fits = len(codec.encode(np.zeros(middle * n_classes), np.random.default_rng(0))) <= model
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


class _Labels:
    """What both ends of the exchange of labels know: the codec, and the labels that were broadcast last.

    A message holds (label - last) mod n_classes, which is mostly zero once opinions settle: the delta coding of CFD.
    """

    def __init__(self, n_images: int, n_classes: int):
        self.n_classes, self.last = n_classes, np.zeros(n_images, np.int64)
        self._codec = Quantize(max(1, (n_classes - 1).bit_length()), entropy=True, model="plain")  # a step of at most 1: exact

    def send(self, labels: np.ndarray) -> tuple[bytes, np.ndarray]:
        """The payload of labels, int [n], and what is decoded of it: the same."""
        payload = self._codec.encode(((labels - self.last) % self.n_classes).astype(np.float32))
        moved = np.rint(decode(payload, max_weights=labels.size)).astype(np.int64)
        return payload, (self.last + moved) % self.n_classes


def _as_probabilities(rows: np.ndarray) -> np.ndarray:
    """What a codec has made of probabilities, as probabilities again: float32, shape of `rows`."""
    rows = np.maximum(rows, 1e-7)
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


@dataclass
class LogitHistory:
    """What `simulate_logits` measured. accuracy: [rounds][clients], on the test set, after the round; alone: [clients],
    before any logit travelled. uplink_bytes, downlink_bytes: len(payload) summed over the clients, one entry a round."""

    alone: list[float] = field(default_factory=list)
    accuracy: list[list[float]] = field(default_factory=list)
    uplink_bytes: list[int] = field(default_factory=list)
    downlink_bytes: list[int] = field(default_factory=list)


def simulate_logits(
    models: Sequence[keras.Model],
    data: Dataset,
    clients: Sequence[np.ndarray],
    public_images: np.ndarray,
    *,
    rounds: int = 1,
    local_epochs: int = 20,
    public_epochs: int = 5,
    batch_size: int = 32,
    temperature: float = 1.0,
    exchange: str = "logits",
    sharpen: float | None = None,
    uplink: Codec | None = None,
    downlink: Codec | None = None,
    seed: int = 0,
    on_round: Callable[[LogitHistory], bool | None] | None = None,
    progress: bool = False,
) -> LogitHistory:
    """Federated distillation: clients send their logits on public images, the server sends back the average.

    models: one Keras model a client; they may differ, as long as the classes are the same. public_images: float32
    [n_public, 28, 28], without labels, held by all. A round: every client trains on its own images, encodes its logits,
    the server averages what it decodes and broadcasts it, every client learns from the decoded average. batch_size: of
    the local training, as local_epochs; on public images it is PUBLIC_BATCH. progress: show the seconds of each round go by.
    exchange: what travels, both ways. "logits": their mean, softened by `temperature`, is the target (FedMD). "probabilities":
    the softmax at T = 1, averaged; sharpen: the server sends softmax(mean / sharpen) instead, which is DS-FL's entropy
    reduction, 0.1 in the paper. "labels": the first choice of each client; the server sends the one of most votes, of equals
    the least; no codec is asked: labels are entropy coded without loss, as what has changed since the last broadcast (CFD).
    on_round: called after each round, stops by returning False. ValueError for a codec with labels, for `sharpen` without
    probabilities, for a temperature without logits.
    """
    from .training import central
    from .training.arrays import require_dataset

    rounds, seed = require_integer("rounds", rounds, 1), require_seed(seed)
    x_train, y_train, x_test, y_test = require_dataset(data)
    clients = require_clients(clients, len(x_train), 1)
    public_images = require_inputs("public_images", public_images)
    if len(models) != len(clients):
        raise ValueError(say(f"one model a client is needed, got {len(models)} models and {len(clients)} clients",
                             f"每个客户端要有一个模型，收到 {len(models)} 个模型、{len(clients)} 个客户端"))  # fmt: skip
    for model in models[1:]:
        require_same_classes(models[0].output_shape[-1], model.output_shape[-1])
    require_choice("exchange", exchange, EXCHANGES)
    if exchange == "labels" and (uplink is not None or downlink is not None):
        raise ValueError(say('exchange="labels" is coded without loss: leave out uplink and downlink',
                             'exchange="labels" 是无损编码的：请去掉 uplink 和 downlink'))  # fmt: skip
    if exchange != "logits" and temperature != 1:
        raise ValueError(say(f'temperature softens logits, and exchange="{exchange}" sends none: leave it out',
                             f'temperature 是用来软化 logits 的，而 exchange="{exchange}" 不发 logits：请去掉'))  # fmt: skip
    if sharpen is not None and exchange != "probabilities":
        raise ValueError(say(f'sharpen is for averaged probabilities, not for exchange="{exchange}"',
                             f'sharpen 用于平均后的概率，不能用于 exchange="{exchange}"'))  # fmt: skip
    uplink, downlink = require_codec("uplink", uplink), require_codec("downlink", downlink)
    n_classes = models[0].output_shape[-1]
    labels, one_hot = _Labels(len(public_images), n_classes), np.eye(n_classes, dtype=np.float32)
    own = [(x_train[part], y_train[part]) for part in clients]
    held, history = [model.get_weights() for model in models], LogitHistory()
    in_logits = {id(model): central.logits_model(model) for model in models}  # once, and not at every step of every round
    models = [in_logits[id(model)] for model in models]

    def evaluate() -> list[float]:
        return [central.accuracy(m, x_test, y_test, w) for m, w in zip(models, held, strict=True)]

    def learn(where: str, number: int, client: int, images, labels, **options) -> None:
        rngs = [stream(seed, Purpose[f"{where}_{what}"], number, client) for what in ("BATCHES", "LAYERS")]
        held[client] = central.train_with(
            rngs, models[client], images, labels, weights=held[client], learning_rate=(2e-3, 0.0), **options
        )

    for number in range(rounds):
        with waiting(say(f"round {number + 1} of {rounds}", f"第 {number + 1} 轮，共 {rounds} 轮"), progress):
            total: np.ndarray | float = 0.0
            uplink_bytes = 0
            for client, (model, (x, y)) in enumerate(zip(models, own, strict=True)):
                learn("PRIVATE", number, client, x, y, epochs=local_epochs, batch_size=batch_size)
                opinion = central.logits(model, public_images, held[client])
                if exchange == "labels":
                    payload, heard = labels.send(opinion.argmax(axis=1))
                    total = total + one_hot[heard]  # a vote
                else:
                    opinion = soften(opinion) if exchange == "probabilities" else opinion
                    payload = uplink.encode(opinion, stream(seed, Purpose.LOGITS_UPLINK, number, client))
                    total = total + decode(payload, max_weights=opinion.size).reshape(opinion.shape)
                uplink_bytes += len(payload)
            if number == 0:
                history.alone = evaluate()
            mean = np.asarray(total / len(models))
            if exchange == "labels":
                payload, labels.last = labels.send(mean.argmax(axis=1))
                targets = one_hot[labels.last]
            else:
                mean = mean if sharpen is None else soften(mean, sharpen)
                payload = downlink.encode(mean, stream(seed, Purpose.LOGITS_DOWNLINK, number))
                heard = decode(payload, max_weights=mean.size).reshape(mean.shape)
                targets = soften(heard, temperature) if exchange == "logits" else _as_probabilities(heard)
            for client in range(len(models)):
                learn("PUBLIC", number, client, public_images, None, epochs=public_epochs, batch_size=PUBLIC_BATCH,
                      soft_targets=targets, temperature=temperature)  # fmt: skip
            history.accuracy.append(evaluate())
            history.uplink_bytes.append(uplink_bytes)
            history.downlink_bytes.append(len(payload) * len(models))
        if on_round is not None and on_round(history) is False:
            break
    return history
