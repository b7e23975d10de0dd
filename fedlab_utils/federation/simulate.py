"""Federated averaging (McMahan et al. 2017, arXiv:1602.05629), simulated: real training, real payloads, both directions.

The clients of a round are trained together in one TensorFlow graph (`training`); this module deals out the work, sends
what has to be sent as bytes, and keeps the account by the laws of the communication account (CONTRIBUTING.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..codecs import Codec, require_codec
from ..data import Dataset
from ..language import say
from ..streams import Purpose, require_seed, stream
from ..training.grouping import is_compiled
from ..training.models import keras
from ..training.trainer import Trainer
from ..validation import require_clients, require_fraction, require_held_out, require_integer, require_number
from .account import require_broadcast, require_first_model
from .history import Diverged, History
from .parties import Client, Trained, agree_on_mask, answers, hold, open_account, select, train_locally


def simulate(
    model: keras.Model,
    data: Dataset,
    clients: Sequence[np.ndarray],
    *,
    rounds: int,
    clients_per_round: int = 10,
    local_epochs: int = 1,
    local_steps: int | None = None,
    batch_size: int = 10,
    learning_rate: float = 0.1,
    optimizer: keras.optimizers.Optimizer | None = None,
    loss: Any = "sparse_categorical_crossentropy",
    state: str = "average",
    no_answer: float = 0.0,
    server_learning_rate: float = 1.0,
    server_momentum: float = 0.0,
    aggregation: str = "mean",
    uplink: Codec | None = None,
    downlink: Codec | None = None,
    first_model: Codec | str = "dense",
    broadcast: str = "step",
    error_feedback: bool | None = None,
    mask: Sequence[ArrayLike] | None = None,
    validation: ArrayLike | None = None,
    chunk: int | None = None,
    compile: bool | str = "auto",
    seed: int = 0,
    on_round: Callable[[History], bool | None] | None = None,
    progress: bool = False,
) -> History:
    """Train `model` by federated averaging, and count every byte that is sent.

    model: a Sequential or functional Keras model of one input and one output; training starts from its present weights and
    leaves it unchanged. data: a Dataset, see `load_mnist`. clients: one array of indices into the training set for each client.
    local_steps: how many batches a client trains on in a round, in place of local_epochs; 1 is distributed SGD.
    learning_rate: of plain SGD on the clients. optimizer: a Keras optimizer instead, with its own learning rate, begun anew
    for each client and round. loss, state: see `Trainer`; with state="local" the accuracy is the mean over the round's clients.
    no_answer: the probability that a client of the round gets the model but sends nothing back.
    server_learning_rate, server_momentum: of the server's step along the mean update (FedAvgM, Hsu et al. 2019,
    arXiv:1909.06335); 1 and 0 are plain averaging, weighted by samples. Running means and variances are averaged and take
    neither; they travel as float32, whatever the codec.
    aggregation: "mean", or "majority": each weight moves by server_learning_rate to the side on which most updates are, one
    client one vote and a tie with the mean (signSGD with majority vote, Bernstein et al. 2018, arXiv:1802.04434, algorithm 3).
    uplink, downlink: codecs of the model delta, by default `Identity()` (float32); they are told of what arrays it is made.
    first_model: what a client gets at its first time. "dense": the model of the day, as float32. A codec: the model that all
    start from, which then is what this decodes to (states and frozen weights stay exact). "seed": its recipe, the
    configuration of its layers with their seeds (`fl.recipe`); refused unless a fresh process rebuilds the weights from it,
    bit for bit, which takes some seconds once for each model. A CRC-32 of the weights travels along, since another version
    of TensorFlow may draw others. With a codec or "seed" a client that first comes later adds up every payload since, or
    takes the dense model, whichever is fewer bytes.
    broadcast: what the downlink's codec is given. "step": what the model moved in the round; who missed rounds adds up every
    payload since. "whole": what it moved since the first model, which then is not "dense": who keeps the first model needs
    the last payload alone, however many rounds were missed, and no error adds up, so that there is no residual.
    error_feedback: None does what each codec says of itself (`Codec.feedback_helps`); True keeps a residual for every lossy
    direction, one for each client up and one for the server down, and warns where that does harm; False keeps none.
    mask: arrays of 0 and 1 in the shapes of model.get_weights(), agreed once: it goes to each client with the first model;
    removed weights are zero from the start, and only kept ones travel, without their places, which all know (a federated
    form of pruning, document 3.2.1).
    validation: int [n], indices into the training set of samples that no client has, to choose codecs or rates by; after
    every round the model is tried on them too (history.validation_accuracy), and the test set stays for the end. chunk: how
    many clients are trained at once, by default as many as fit in about 128 MiB. compile: whether XLA compiles local training,
    which takes half the time a round and some 0.4 s to begin; "auto" does so where the rounds asked for repay it and the
    model allows it: dense layers, small convolutions (history.compiled). Both ways agree to float noise. seed: fixes selection,
    batches, random layers and stochastic rounding; the same seed gives the same history on one machine. on_round(history):
    called after each round, stops by returning False. progress: show a bar. Returns a History. A round's downlink brings its
    clients up to date before they train; history.first_model_bytes is the part of it that first models cost. The update made by
    the last round is sent to nobody and costs nothing.
    ValueError or TypeError for an argument out of range, an empty client, more clients per round than clients, a validation
    sample that a client trains on; `Diverged`, a FloatingPointError that holds the history so far, when weights or a loss are
    no longer finite, naming round and client.
    """
    rounds = require_integer("rounds", rounds, 1)
    local_epochs = require_integer("local_epochs", local_epochs, 1)
    if local_steps is not None and require_integer("local_steps", local_steps, 1) and local_epochs != 1:
        raise ValueError(say(
            f"local_steps={local_steps} stands in place of local_epochs, got local_epochs={local_epochs} as well",
            f"local_steps={local_steps} 是用来代替 local_epochs 的，却同时收到 local_epochs={local_epochs}"))  # fmt: skip
    batch_size = require_integer("batch_size", batch_size, 1)
    learning_rate = require_number("learning_rate", learning_rate, 0)
    server_learning_rate = require_number("server_learning_rate", server_learning_rate, 0)
    server_momentum = require_fraction("server_momentum", server_momentum)
    no_answer = require_fraction("no_answer", no_answer)
    seed = require_seed(seed)
    uplink, downlink = require_codec("uplink", uplink), require_codec("downlink", downlink)
    first_model = require_first_model(first_model)
    require_broadcast(broadcast, first_model)

    begun = time.perf_counter()
    mask_message = b""
    if mask is not None:
        mask_message, mask = agree_on_mask(model, mask)
    trainer = Trainer(model, data, optimizer or keras.optimizers.SGD(learning_rate), loss, state, mask)
    parts = require_clients(clients, trainer.n_samples, clients_per_round)
    held_out = None
    if validation is not None:
        held_out = trainer.training_samples(require_held_out("validation", validation, parts, trainer.n_samples))
    chunk = min(clients_per_round, trainer.chunk if chunk is None else require_integer("chunk", chunk, 1))
    steps = local_steps or local_epochs * max(-(-part.size // batch_size) for part in parts)
    work = rounds * clients_per_round * steps * trainer.work
    compiled = is_compiled(compile, trainer.compiles, work, chunk)
    weights, server, up, _ = open_account(
        model, trainer, mask_message, uplink=uplink, downlink=downlink, first_model=first_model, error_feedback=error_feedback,
        server_learning_rate=server_learning_rate, server_momentum=server_momentum, seed=seed, broadcast=broadcast,
        aggregation=aggregation, progress=progress,
    )  # fmt: skip
    own = {place: weights[place] for place in trainer.own}
    everybody = [Client(n, part, uplink, up, dict(own), trainer.sent_shapes) for n, part in enumerate(parts)]
    history = History(seed=seed, compiled=compiled)
    history.setup_seconds = time.perf_counter() - begun

    def train(number: int, members: list[Client]) -> list[Trained]:
        found = train_locally(
            trainer, trainer.train_set, weights, members, seed, number, local_epochs, batch_size, compiled, local_steps
        )  # fmt: skip
        for client, trained in zip(members, found, strict=True):
            if what := trained.not_finite():
                raise Diverged(number + 1, say(f"client {client.number}", f"客户端 {client.number}"), what, history)
            client.own = trained.own
        return found

    with _progress_bar(rounds) if progress else nullcontext() as bar:
        for number in range(rounds):
            cohort = [everybody[n] for n in select(len(everybody), clients_per_round, seed, number)]
            began = time.perf_counter()
            downlink_bytes, uplink_bytes = server.bytes_to_serve([client.number for client in cohort]), 0
            codec_seconds, train_seconds = time.perf_counter() - began, 0.0
            answering = [client for client in cohort if answers(seed, number, client.number, no_answer)]
            samples = sum(client.samples.size for client in answering)
            server.begin()
            for first in range(0, len(answering), chunk):
                members, before = answering[first : first + chunk], time.perf_counter()
                found = train(number, members)
                between = time.perf_counter()
                for client, trained in zip(members, found, strict=True):
                    rng = stream(seed, Purpose.UPLINK, number, client.number)
                    payload, exactly, received, its_state = client.send(trained.delta, trained.state, rng)
                    uplink_bytes += len(payload) + len(exactly)
                    server.receive(received, its_state, client.samples.size / samples)
                train_seconds += between - before
                codec_seconds += time.perf_counter() - between
            before = time.perf_counter()
            server.step(stream(seed, Purpose.DOWNLINK, number))
            hold(trainer, weights, server.model, server.state)
            coded = time.perf_counter()

            models = [weights] if not trainer.own else [
                [client.own.get(place, array) for place, array in enumerate(weights)] for client in cohort
            ]  # fmt: skip
            accuracy, test_loss = np.mean([trainer.evaluate(arrays) for arrays in models], axis=0)
            if not np.isfinite(test_loss):
                raise Diverged(number + 1, say("test set", "测试集"), "loss", history)
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


def _progress_bar(rounds: int):
    from tqdm.auto import tqdm

    return tqdm(total=rounds, unit="round")
