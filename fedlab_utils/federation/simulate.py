"""Federated averaging (McMahan et al. 2017, arXiv:1602.05629), simulated: real training, real payloads, both directions.

The clients of a round are trained together in one TensorFlow graph (`training`); this module deals out the work, sends
what has to be sent as bytes, and keeps the account by the laws of the communication account (CONTRIBUTING.md).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..codecs import Codec, Identity, Residual, decode_mask, encode_mask
from ..training.models import Loss, keras
from ..training.trainer import Trainer, flatten, plan_batches, unflatten
from ..validation import require_fraction, require_integer, require_mask, require_number
from .account import Downlink
from .clients import check_clients
from .history import Diverged, History
from .streams import ANSWERS, BATCHES, DOWNLINK, LAYERS, SELECTION, UPLINK, stream

if TYPE_CHECKING:
    from ..data import Dataset


def _codec(name: str, codec: Codec | None) -> Codec:
    if codec is None:
        return Identity()
    if not isinstance(codec, Codec):
        raise TypeError(f"{name} must be a codec such as TopK(0.01) | Quantize(8), got {codec!r}")
    return codec


def simulate(
    model: keras.Model,
    data: Dataset,
    clients: Sequence[np.ndarray],
    *,
    rounds: int,
    clients_per_round: int = 10,
    local_epochs: int = 1,
    batch_size: int = 10,
    learning_rate: float = 0.1,
    optimizer: keras.optimizers.Optimizer | None = None,
    loss: Loss = "sparse_categorical_crossentropy",
    state: str = "average",
    no_answer: float = 0.0,
    server_learning_rate: float = 1.0,
    server_momentum: float = 0.0,
    uplink: Codec | None = None,
    downlink: Codec | None = None,
    error_feedback: bool = True,
    mask: Sequence[ArrayLike] | None = None,
    chunk: int | None = None,
    seed: int = 0,
    on_round: Callable[[History], bool | None] | None = None,
    progress: bool = False,
) -> History:
    """Train `model` by federated averaging, and count every byte that is sent.

    model: a Sequential or functional Keras model; training starts from its present weights and leaves it unchanged.
    data: a Dataset, see `load_mnist`. clients: one array of indices into the training set for each client.
    learning_rate: of plain SGD on the clients. optimizer: a Keras optimizer instead, with its own learning rate, begun anew
    for each client and round. loss, state: see `Trainer`; with state="local" the accuracy is the mean over the round's clients.
    no_answer: the probability that a client of the round gets the model but sends nothing back.
    server_learning_rate, server_momentum: of the server's step along the mean update (FedAvgM, Hsu et al. 2019,
    arXiv:1909.06335); 1 and 0 are plain averaging, weighted by samples.
    uplink, downlink: codecs of the model delta, by default `Identity()` (float32). error_feedback: for both directions, a
    residual for each client and one for the server. mask: arrays of 0 and 1 in the shapes of model.get_weights(), agreed
    once: it goes to each client with the first model; removed weights are zero from the start, and only kept ones travel,
    without their places, which all know (a federated form of pruning, document 3.2.1). chunk: how many clients are trained
    at once, by default as many as fit in about 128 MiB. seed: fixes selection, batches, random layers and stochastic
    rounding; the same seed gives the same history on one machine. on_round(history): called after each round, stops by
    returning False. progress: show a bar. Returns a History. A round's downlink brings its clients up to date before they
    train; the first carries the dense model, and the update made by the last round is sent to nobody and costs nothing.
    ValueError or TypeError for an argument out of range, an empty client, more clients per round than clients; `Diverged`,
    a FloatingPointError that holds the history so far, when weights or loss are no longer finite, naming round and client.
    """
    rounds = require_integer("rounds", rounds, 1)
    local_epochs = require_integer("local_epochs", local_epochs, 1)
    batch_size = require_integer("batch_size", batch_size, 1)
    learning_rate = require_number("learning_rate", learning_rate, 0)
    server_learning_rate = require_number("server_learning_rate", server_learning_rate, 0)
    server_momentum = require_fraction("server_momentum", server_momentum)
    no_answer = require_fraction("no_answer", no_answer)
    seed = require_integer("seed", seed, 0)
    parts = check_clients(clients, len(data.x_train), clients_per_round)
    uplink, downlink = _codec("uplink", uplink), _codec("downlink", downlink)

    begun = time.perf_counter()
    once_bytes = 0
    if mask is not None:
        mask = require_mask("mask", mask, model.get_weights())
        agreed = encode_mask(mask)
        once_bytes, mask = len(agreed), unflatten(decode_mask(agreed), [part.shape for part in mask])
    trainer = Trainer(model, data, optimizer or keras.optimizers.SGD(learning_rate), loss, state, mask)
    chunk = trainer.chunk if chunk is None else require_integer("chunk", chunk, 1)
    weights = model.get_weights()
    if unshared := [weights[place] for place in trainer.frozen + trainer.own]:
        once_bytes += len(Identity().encode(flatten(unshared)))
    server = Downlink(trainer.gather(weights), downlink, error_feedback, once_bytes)
    # float32 leaves nothing to feed back: no residual of zeros for each of a thousand clients.
    memories = defaultdict[int, Residual](lambda: Residual(uplink, error_feedback and not isinstance(uplink, Identity)))
    kept = defaultdict[int, dict](lambda: {place: weights[place] for place in trainer.own})  # by client, what it does not share
    velocity = np.zeros(server.model.size)
    history = History(seed=seed)
    bar = _progress_bar(rounds) if progress else None
    history.setup_seconds = time.perf_counter() - begun

    def hold() -> None:
        """Put the server's model into `weights`, as clients hold it."""
        for place, array in zip(trainer.shared, trainer.scatter(server.model), strict=True):
            weights[place] = array

    def train(number: int, members: list[int]) -> np.ndarray:
        """Local training of some clients: their deltas, float32 [n_clients, n_weights]."""
        work = [parts[client] for client in members]
        batches = plan_batches(work, [stream(seed, BATCHES, number, c) for c in members], local_epochs, batch_size)
        seeds = np.stack([stream(seed, LAYERS, number, c).integers(2**31 - 1, size=(trainer.n_seeds, 2)) for c in members])
        own = {place: np.stack([kept[client][place] for client in members]) for place in trainer.own}
        arrays, losses = trainer.train(weights, *batches, seeds, own)
        deltas = trainer.deltas(arrays, weights)
        for place, client, delta, of_client in zip(range(len(members)), members, deltas, losses, strict=True):
            if not (np.isfinite(delta).all() and np.isfinite(of_client)):
                raise Diverged(number + 1, client, float(of_client), history)
            if trainer.own:
                kept[client] = {p: arrays[p][place] for p in trainer.own}
        return deltas

    hold()
    for number in range(rounds):
        cohort = np.sort(stream(seed, SELECTION, number).choice(len(parts), clients_per_round, replace=False)).tolist()
        start = time.perf_counter()
        downlink_bytes, uplink_bytes = server.bytes_to_serve(cohort), 0
        codec_seconds, train_seconds = time.perf_counter() - start, 0.0
        answering = [c for c in cohort if no_answer == 0 or stream(seed, ANSWERS, number, c).random() >= no_answer]
        samples, update = sum(parts[client].size for client in answering), np.zeros(server.model.size)
        for first in range(0, len(answering), chunk):
            members, before = answering[first : first + chunk], time.perf_counter()
            deltas = train(number, members)
            trained = time.perf_counter()
            for client, delta in zip(members, deltas, strict=True):
                payload, received = memories[client].send(delta, stream(seed, UPLINK, number, client))
                uplink_bytes += len(payload)
                update += received * (parts[client].size / samples)
            train_seconds += trained - before
            codec_seconds += time.perf_counter() - trained
        before = time.perf_counter()
        velocity = server_momentum * velocity + update
        server.broadcast((server_learning_rate * velocity).astype(np.float32), stream(seed, DOWNLINK, number))
        hold()
        coded = time.perf_counter()

        scores = [trainer.evaluate(weights)] if not trainer.own else [
            trainer.evaluate([kept[c].get(place, array) for place, array in enumerate(weights)]) for c in cohort
        ]  # fmt: skip
        history.weights = [array.copy() for array in weights]
        accuracy, test_loss = np.mean(scores, axis=0)
        history.accuracy.append(float(accuracy))
        history.loss.append(float(test_loss))
        history.uplink_bytes.append(uplink_bytes)
        history.downlink_bytes.append(downlink_bytes)
        history.train_seconds.append(train_seconds)
        history.codec_seconds.append(codec_seconds + coded - before)
        history.eval_seconds.append(time.perf_counter() - coded)
        if bar is not None:
            bar.update()
            bar.set_postfix(accuracy=f"{history.accuracy[-1]:.4f}", MB=f"{history.total_bytes()[-1] / 1e6:.2f}")
        if on_round is not None and isinstance(go_on := on_round(history), (bool, np.bool_)) and not go_on:
            break
    if bar is not None:
        bar.close()
    return history


def _progress_bar(rounds: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=rounds, unit="round")
