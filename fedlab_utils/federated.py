"""Federated averaging (McMahan et al. 2017, arXiv:1602.05629), simulated: real training, real payloads, both directions.

The clients of a round are trained together in one TensorFlow graph (`training`); this module deals out the work, sends
what has to be sent as bytes, and keeps the account by the laws of the communication account (CONTRIBUTING.md).
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from .codecs import Codec, Identity, Residual
from .training import Trainer, flatten, unflatten
from .validation import require_integer, require_number

# One stream of random numbers for each purpose, so that more of one never shifts another.
SELECTION, BATCHES, LAYERS, UPLINK, DOWNLINK = range(5)


@dataclass
class History:
    """What `simulate` measured: lists with one entry a round.

    accuracy: on the test set, of the model that clients hold after the round. uplink_bytes, downlink_bytes: len(payload)
    summed over the clients of the round. train_seconds, codec_seconds, eval_seconds: wall clock. weights: the global
    weights after the last round, as model.get_weights().
    """

    accuracy: list[float] = field(default_factory=list)
    uplink_bytes: list[int] = field(default_factory=list)
    downlink_bytes: list[int] = field(default_factory=list)
    train_seconds: list[float] = field(default_factory=list)
    codec_seconds: list[float] = field(default_factory=list)
    eval_seconds: list[float] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list, repr=False)

    def total_bytes(self) -> np.ndarray:
        """Uplink and downlink bytes together, added up from the first round: int64 [rounds]."""
        return np.cumsum(np.add(self.uplink_bytes, self.downlink_bytes, dtype=np.int64))


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def _check_clients(clients, n_samples: int, clients_per_round) -> list[np.ndarray]:
    parts = [np.asarray(part) for part in clients]
    require_integer("clients_per_round", clients_per_round, 1)
    if clients_per_round > len(parts):
        raise ValueError(f"clients_per_round must be in 1 … {len(parts)} (the number of clients), got {clients_per_round}")
    for number, part in enumerate(parts):
        if part.size == 0:
            raise ValueError(f"clients[{number}] is empty: every client needs at least one sample")
        if part.ndim != 1 or part.dtype.kind not in "iu":
            raise TypeError(f"clients[{number}] must be a flat array of indices, got {part.dtype} of shape {part.shape}")
        if part.min() < 0 or part.max() >= n_samples:
            outside = part.min() if part.min() < 0 else part.max()
            raise ValueError(f"clients[{number}] holds the index {outside}, allowed are 0 … {n_samples - 1}")
    return parts


def _codec(name: str, codec) -> Codec:
    if codec is None:
        return Identity()
    if not isinstance(codec, Codec):
        raise TypeError(f"{name} must be a codec such as TopK(0.01) | Quantize(8), got {codec!r}")
    return codec


def plan_batches(parts: list[np.ndarray], rngs, local_epochs: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which samples each client trains on at each step: every sample once an epoch, in an order of the client's own.

    parts: one array of indices a client; rngs: one Generator a client. Returns indices int32 and weights float32, both
    [n_clients, steps, batch_size]. A weight is 1 for a sample and 0 for the filling of a short batch, or of a client
    with fewer steps than another. No batch is longer than the largest client.
    """
    batch_size = min(batch_size, max(part.size for part in parts))  # a longer batch would be filling only
    steps_an_epoch = [-(-part.size // batch_size) for part in parts]
    shape = (len(parts), max(steps_an_epoch) * local_epochs, batch_size)
    indices, weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for client, (part, rng, steps) in enumerate(zip(parts, rngs, steps_an_epoch, strict=True)):
        for epoch in range(local_epochs):
            own = slice(epoch * steps, (epoch + 1) * steps)
            indices[client, own].reshape(-1)[: part.size] = rng.permutation(part)
            weights[client, own].reshape(-1)[: part.size] = 1
    return indices, weights


class Downlink:
    """The server's side of the downlink: one payload a round for all, and what a client that missed some has to pay.

    A client that never took part is sent the dense model; one that missed rounds the payloads that it missed, or the
    dense model, whichever is fewer bytes (law 4).
    """

    def __init__(self, model: np.ndarray, codec: Codec, error_feedback: bool):
        self.model = model  # float32 [n], what every client holds that is up to date
        self._memory = Residual(codec, error_feedback)
        self._payload_bytes: list[int] = []  # of each round's broadcast so far
        self._version: dict[int, int] = {}  # by client: how many broadcasts it has

    def broadcast(self, update: np.ndarray, rng) -> None:
        """Encode the round's update once; it reaches each client when it next takes part."""
        payload, received = self._memory.send(update, rng)
        self._payload_bytes.append(len(payload))
        self.model = self.model + received

    def bytes_to_serve(self, cohort) -> int:
        """Bytes that bring these clients up to date; they are up to date afterwards."""
        dense = len(Identity().encode(self.model))
        total = 0
        for client in cohort:
            missed = self._payload_bytes[self._version[client] :] if client in self._version else [dense]
            total += min(sum(missed), dense)
            self._version[client] = len(self._payload_bytes)
        return total


def simulate(
    model,
    data,
    clients,
    *,
    rounds: int,
    clients_per_round: int = 10,
    local_epochs: int = 1,
    batch_size: int = 10,
    learning_rate: float = 0.1,
    uplink: Codec | None = None,
    downlink: Codec | None = None,
    error_feedback: bool = True,
    seed: int = 0,
    on_round=None,
    progress: bool = False,
) -> History:
    """Train `model` by federated averaging with plain SGD on the clients, and count every byte that is sent.

    model: Keras model with probabilities as output; training starts from its present weights and leaves it unchanged.
    data: a Dataset, see `load_mnist`. clients: one array of indices into the training set for each client.
    uplink, downlink: codecs of the model delta, by default `Identity()` (float32). error_feedback: for both directions, a
    residual for each client and one for the server. seed: fixes selection, batches, dropout and stochastic rounding; the
    same seed gives the same history on one machine. on_round(history): called after each round, stops by returning False.
    progress: show a bar. Returns a History. A round's downlink brings its clients up to date before they train; the first
    carries the dense model, and the update made by the last round is sent to nobody and costs nothing.
    ValueError or TypeError for an argument out of range, an empty client, more clients per round than clients;
    FloatingPointError when the training has diverged, naming round and client.
    """
    rounds = require_integer("rounds", rounds, 1)
    local_epochs = require_integer("local_epochs", local_epochs, 1)
    batch_size = require_integer("batch_size", batch_size, 1)
    learning_rate = require_number("learning_rate", learning_rate, 0)
    seed = require_integer("seed", seed, 0)
    parts = _check_clients(clients, len(data.x_train), clients_per_round)
    uplink, downlink = _codec("uplink", uplink), _codec("downlink", downlink)

    trainer = Trainer(model, data)
    shapes = [tuple(variable.shape) for variable in model.trainable_variables]
    server = Downlink(flatten([variable.numpy() for variable in model.trainable_variables]), downlink, error_feedback)
    memories = defaultdict(lambda: Residual(uplink, error_feedback))
    history = History()
    bar = _progress_bar(rounds) if progress else None
    for number in range(rounds):
        cohort = np.sort(_rng(seed, SELECTION, number).choice(len(parts), clients_per_round, replace=False)).tolist()
        start = time.perf_counter()
        downlink_bytes = server.bytes_to_serve(cohort)
        served = time.perf_counter()

        work = [parts[client] for client in cohort]
        batches = plan_batches(work, [_rng(seed, BATCHES, number, c) for c in cohort], local_epochs, batch_size)
        layer_seeds = [_rng(seed, LAYERS, number, c).integers(2**31 - 1, size=(trainer.n_seeds, 2)) for c in cohort]
        local = trainer.train(unflatten(server.model, shapes), *batches, np.stack(layer_seeds), learning_rate)
        trained = time.perf_counter()

        update, uplink_bytes = np.zeros(server.model.size, np.float64), 0
        samples = sum(part.size for part in work)
        for client, weights, part in zip(cohort, local, work, strict=True):
            delta = weights - server.model
            if not np.isfinite(delta).all():
                raise FloatingPointError(
                    f"round {number + 1}, client {client}: the weights are no longer finite; "
                    f"try a smaller learning_rate than {learning_rate:g}"
                )
            payload, received = memories[client].send(delta, _rng(seed, UPLINK, number, client))
            uplink_bytes += len(payload)
            update += received * (part.size / samples)
        server.broadcast(update.astype(np.float32), _rng(seed, DOWNLINK, number))
        coded = time.perf_counter()

        history.weights = unflatten(server.model.copy(), shapes)
        history.accuracy.append(trainer.accuracy(history.weights))
        evaluated = time.perf_counter()
        history.uplink_bytes.append(uplink_bytes)
        history.downlink_bytes.append(downlink_bytes)
        history.train_seconds.append(trained - served)
        history.codec_seconds.append(coded - trained + served - start)
        history.eval_seconds.append(evaluated - coded)
        if bar is not None:
            bar.update()
            bar.set_postfix(accuracy=f"{history.accuracy[-1]:.4f}", MB=f"{history.total_bytes()[-1] / 1e6:.2f}")
        if on_round is not None and isinstance(go_on := on_round(history), (bool, np.bool_)) and not go_on:
            break
    if bar is not None:
        bar.close()
    return history


def _progress_bar(rounds: int):
    from tqdm.auto import tqdm

    return tqdm(total=rounds, unit="round")
