"""Federated averaging (McMahan et al. 2017, arXiv:1602.05629), simulated: real training, real payloads, both directions.

The clients of a round are trained together in one TensorFlow graph (`training`); this module deals out the work, sends
what has to be sent as bytes, and keeps the account by the laws of the communication account (CONTRIBUTING.md).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..codecs import Codec, Identity, Residual, decode_mask, encode_mask, require_codec
from ..data import Dataset
from ..layout import Shapes, flatten, unflatten
from ..streams import Purpose, require_seed, stream
from ..training.arrays import plan_batches
from ..training.models import keras
from ..training.trainer import Trainer
from ..validation import require_clients, require_fraction, require_held_out, require_integer, require_mask, require_number
from .account import Downlink, FirstModel, require_first_model, send_exactly
from .history import Diverged, History
from .recipe import require_rebuilt


class Client:
    """One participant: its samples, what its codec has not sent yet, and the weights that it keeps to itself."""

    def __init__(self, number: int, samples: np.ndarray, codec: Codec, error_feedback: bool, own: dict[int, np.ndarray],
                 shapes: Shapes) -> None:  # fmt: skip
        self.number, self.samples = number, samples
        self.own = own  # by place in model.get_weights()
        self._memory = Residual(codec, error_feedback, shapes)

    def send(self, delta: np.ndarray, state: np.ndarray, rng: np.random.Generator) -> tuple[int, np.ndarray, np.ndarray]:
        """Send what local training moved, and the state as it is: bytes, and what the server decodes of each."""
        payload, received = self._memory.send(delta, rng)
        exactly, its_state = send_exactly(state)
        return len(payload) + len(exactly), received, its_state


class Server(Downlink):
    """The global model: it averages what it receives, moves along the mean, and broadcasts the step."""

    def __init__(self, model: np.ndarray, state: np.ndarray, codec: Codec, error_feedback: bool, once_bytes: int,
                 learning_rate: float, momentum: float, shapes: Shapes, first_model: FirstModel | None):  # fmt: skip
        super().__init__(model, codec, error_feedback, once_bytes, state, shapes, first_model)
        self._learning_rate, self._momentum = learning_rate, momentum
        self._velocity = np.zeros(model.size)

    def begin(self) -> None:
        """Forget the sums of the round before."""
        self._update, self._states, self._share = np.zeros(self.model.size), np.zeros(self.state.size), 0.0

    def receive(self, update: np.ndarray, state: np.ndarray, share: float) -> None:
        """Add what a client has sent. share: its samples among all of the round's answers."""
        self._update += update * share
        self._states += state * share
        self._share += share

    def step(self, rng: np.random.Generator) -> None:
        """Move along the mean update (with momentum), take the mean state as it is, broadcast both."""
        self._velocity = self._momentum * self._velocity + self._update
        state = (self._states / self._share).astype(np.float32) if self._share else self.state  # nobody answered: as it was
        self.broadcast((self._learning_rate * self._velocity).astype(np.float32), rng, state)


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
    loss: Any = "sparse_categorical_crossentropy",
    state: str = "average",
    no_answer: float = 0.0,
    server_learning_rate: float = 1.0,
    server_momentum: float = 0.0,
    uplink: Codec | None = None,
    downlink: Codec | None = None,
    first_model: Codec | str = "dense",
    error_feedback: bool | None = None,
    mask: Sequence[ArrayLike] | None = None,
    validation: ArrayLike | None = None,
    chunk: int | None = None,
    seed: int = 0,
    on_round: Callable[[History], bool | None] | None = None,
    progress: bool = False,
) -> History:
    """Train `model` by federated averaging, and count every byte that is sent.

    model: a Sequential or functional Keras model of one input and one output; training starts from its present weights and
    leaves it unchanged. data: a Dataset, see `load_mnist`. clients: one array of indices into the training set for each client.
    learning_rate: of plain SGD on the clients. optimizer: a Keras optimizer instead, with its own learning rate, begun anew
    for each client and round. loss, state: see `Trainer`; with state="local" the accuracy is the mean over the round's clients.
    no_answer: the probability that a client of the round gets the model but sends nothing back.
    server_learning_rate, server_momentum: of the server's step along the mean update (FedAvgM, Hsu et al. 2019,
    arXiv:1909.06335); 1 and 0 are plain averaging, weighted by samples. Running means and variances are averaged and take
    neither; they travel as float32, whatever the codec.
    uplink, downlink: codecs of the model delta, by default `Identity()` (float32); they are told of what arrays it is made.
    first_model: what a client gets at its first time. "dense": the model of the day, as float32. A codec: the model that all
    start from, which then is what this decodes to (states and frozen weights stay exact). "seed": its recipe, the
    configuration of its layers with their seeds (`fl.recipe`); refused unless a fresh process rebuilds the weights from it,
    bit for bit, which takes some seconds once for each model. A CRC-32 of the weights travels along, since another version
    of TensorFlow may draw others. With a codec or "seed" a client that first comes later adds up every payload since, or
    takes the dense model, whichever is fewer bytes.
    error_feedback: None does what each codec says of itself (`Codec.feedback_helps`); True keeps a residual for every lossy
    direction, one for each client up and one for the server down, and warns where that does harm; False keeps none.
    mask: arrays of 0 and 1 in the shapes of model.get_weights(), agreed once: it goes to each client with the first model;
    removed weights are zero from the start, and only kept ones travel, without their places, which all know (a federated
    form of pruning, document 3.2.1).
    validation: int [n], indices into the training set of samples that no client has, to choose codecs or rates by; after
    every round the model is tried on them too (history.validation_accuracy), and the test set stays for the end. chunk: how
    many clients are trained at once, by default as many as fit in about 128 MiB. seed: fixes selection, batches, random layers
    and stochastic rounding; the same seed gives the same history on one machine. on_round(history): called after each round,
    stops by returning False. progress: show a bar. Returns a History. A round's downlink brings its clients up to date before
    they train; history.first_model_bytes is the part of it that first models cost. The update made by the last round is sent to
    nobody and costs nothing.
    ValueError or TypeError for an argument out of range, an empty client, more clients per round than clients, a validation
    sample that a client trains on; `Diverged`, a FloatingPointError that holds the history so far, when weights or a loss are
    no longer finite, naming round and client.
    """
    rounds = require_integer("rounds", rounds, 1)
    local_epochs = require_integer("local_epochs", local_epochs, 1)
    batch_size = require_integer("batch_size", batch_size, 1)
    learning_rate = require_number("learning_rate", learning_rate, 0)
    server_learning_rate = require_number("server_learning_rate", server_learning_rate, 0)
    server_momentum = require_fraction("server_momentum", server_momentum)
    no_answer = require_fraction("no_answer", no_answer)
    seed = require_seed(seed)
    uplink, downlink = require_codec("uplink", uplink), require_codec("downlink", downlink)
    first_model = require_first_model(first_model)

    begun = time.perf_counter()
    mask_bytes = 0
    if mask is not None:
        mask = require_mask("mask", mask, model.get_weights())
        agreed = encode_mask(mask)
        mask_bytes, shapes = len(agreed), [part.shape for part in mask]
        mask = unflatten(decode_mask(agreed, max_weights=sum(part.size for part in mask)), shapes)
    trainer = Trainer(model, data, optimizer or keras.optimizers.SGD(learning_rate), loss, state, mask)
    parts = require_clients(clients, trainer.n_samples, clients_per_round)
    held_out = None
    if validation is not None:
        held_out = trainer.training_samples(require_held_out("validation", validation, parts, trainer.n_samples))
    chunk = trainer.chunk if chunk is None else require_integer("chunk", chunk, 1)
    weights = model.get_weights()
    once_bytes = mask_bytes
    if unshared := [weights[place] for place in trainer.frozen + trainer.own]:
        once_bytes += len(Identity().encode(flatten(unshared)))
    start, first_state, instead = trainer.gather(weights), trainer.gather_state(weights), None
    if isinstance(first_model, Codec):
        payload, start = Residual(first_model, False, trainer.sent_shapes).send(start, stream(seed, Purpose.FIRST_MODEL))
        instead = FirstModel(len(payload) + once_bytes, len(send_exactly(first_state)[0]))
    elif first_model == "seed":
        instead = FirstModel(len(require_rebuilt(model, progress)) + mask_bytes, 0)
    up, down = (feedback(name, codec, error_feedback, start.size) for name, codec in (("uplink", uplink), ("downlink", downlink)))
    server = Server(start, first_state, downlink, down, once_bytes, server_learning_rate, server_momentum, trainer.sent_shapes,
                    instead)  # fmt: skip
    own = {place: weights[place] for place in trainer.own}
    everybody = [Client(n, part, uplink, up, dict(own), trainer.sent_shapes) for n, part in enumerate(parts)]
    history = History(seed=seed)
    history.setup_seconds = time.perf_counter() - begun

    def hold() -> None:
        """Put the server's model into `weights`, as clients hold it."""
        for place, array in zip(trainer.shared, trainer.scatter(server.model), strict=True):
            weights[place] = array
        for place, array in zip(trainer.averaged, trainer.scatter_state(server.state), strict=True):
            weights[place] = array

    def train(number: int, members: list[Client]):
        """Local training of some clients: for each what it moved, float32 [n_weights], and its state, float32 [n_values]."""
        parts, numbers = [client.samples for client in members], [client.number for client in members]
        batches = plan_batches(parts, [stream(seed, Purpose.BATCHES, number, n) for n in numbers], local_epochs, batch_size)
        seeds = layer_seeds([stream(seed, Purpose.LAYERS, number, n) for n in numbers], trainer.n_seeds)
        own = {place: np.stack([client.own[place] for client in members]) for place in trainer.own}
        arrays, losses = trainer.train(weights, *batches, seeds, own)
        deltas = trainer.deltas(arrays, weights)
        states = [trainer.gather_state([array[at] for array in arrays]) for at in range(len(members))]
        for at, client in enumerate(members):
            if not np.isfinite(losses[at]):
                raise Diverged(number + 1, f"client {client.number}", "loss is", history)
            if not (np.isfinite(deltas[at]).all() and np.isfinite(states[at]).all()):
                raise Diverged(number + 1, f"client {client.number}", "weights are", history)
            client.own = {place: arrays[place][at] for place in trainer.own}
        return zip(deltas, states, strict=True)

    hold()
    with _progress_bar(rounds) if progress else nullcontext() as bar:
        for number in range(rounds):
            rng = stream(seed, Purpose.SELECTION, number)
            cohort = [everybody[n] for n in np.sort(rng.choice(len(everybody), clients_per_round, replace=False))]
            began = time.perf_counter()
            downlink_bytes, uplink_bytes = server.bytes_to_serve([client.number for client in cohort]), 0
            codec_seconds, train_seconds = time.perf_counter() - began, 0.0
            answering = [client for client in cohort if answers(seed, number, client.number, no_answer)]
            samples = sum(client.samples.size for client in answering)
            server.begin()
            for first in range(0, len(answering), chunk):
                members, before = answering[first : first + chunk], time.perf_counter()
                trained = train(number, members)
                between = time.perf_counter()
                for client, (delta, its_state) in zip(members, trained, strict=True):
                    rng = stream(seed, Purpose.UPLINK, number, client.number)
                    sent, received, its_state = client.send(delta, its_state, rng)
                    uplink_bytes += sent
                    server.receive(received, its_state, client.samples.size / samples)
                train_seconds += between - before
                codec_seconds += time.perf_counter() - between
            before = time.perf_counter()
            server.step(stream(seed, Purpose.DOWNLINK, number))
            hold()
            coded = time.perf_counter()

            models = [weights] if not trainer.own else [
                [client.own.get(place, array) for place, array in enumerate(weights)] for client in cohort
            ]  # fmt: skip
            accuracy, test_loss = np.mean([trainer.evaluate(arrays) for arrays in models], axis=0)
            if not np.isfinite(test_loss):
                raise Diverged(number + 1, "test set", "loss is", history)
            history.weights = [np.array(array) for array in weights]
            history.accuracy.append(float(accuracy))
            history.loss.append(float(test_loss))
            if held_out is not None:
                history.validation_accuracy.append(float(np.mean([trainer.evaluate(each, held_out)[0] for each in models])))
            history.uplink_bytes.append(uplink_bytes)
            history.downlink_bytes.append(downlink_bytes)
            history.first_model_bytes.append(server.first_model_bytes[-1])
            history.train_seconds.append(train_seconds)
            history.codec_seconds.append(codec_seconds + coded - before)
            history.eval_seconds.append(time.perf_counter() - coded)
            if bar is not None:
                bar.update()
                bar.set_postfix(accuracy=f"{history.accuracy[-1]:.4f}", MB=f"{history.total_bytes()[-1] / 1e6:.2f}")
            if on_round is not None and isinstance(go_on := on_round(history), (bool, np.bool_)) and not go_on:
                break
    return history


def feedback(name: str, codec: Codec, wanted: bool | None, n: int) -> bool:
    """Whether to keep a residual for messages of n weights. wanted: None asks the codec; True warns where it does harm."""
    if wanted is not None and not isinstance(wanted, (bool, np.bool_)):
        raise TypeError(f"error_feedback must be None, True or False, got {wanted!r}")
    if codec.lossless:
        return False  # nothing is left to feed back: no residual of zeros for each of a thousand clients
    if wanted is None:
        return codec.feedback_helps(n)
    if wanted and not codec.feedback_bounded(n):
        warnings.warn(
            f"{name}={codec} is random and far from what it is given: error feedback makes its error grow from round to round; "
            "use error_feedback=None, which leaves it off here",
            stacklevel=3,
        )
    return bool(wanted)


def answers(seed: int, number: int, client: int, no_answer: float) -> bool:
    """Whether a client of a round answers."""
    return no_answer == 0 or stream(seed, Purpose.ANSWERS, number, client).random() >= no_answer


def layer_seeds(rngs: Sequence[np.random.Generator], n_seeds: int) -> np.ndarray:
    """Seeds of the random layers of some clients: int64 [n_clients, n_seeds, 2]."""
    return np.stack([rng.integers(2**31 - 1, size=(n_seeds, 2)) for rng in rngs])


def _progress_bar(rounds: int):
    from tqdm.auto import tqdm

    return tqdm(total=rounds, unit="round")
