"""The client of a training under Flower: what it does with a message, and what it remembers. No Flower in here.

A message may be another process each time: all that a client keeps is in `memory`, a flat dictionary, which the caller stores
once everything has gone well.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..codecs import FORMAT, Identity, decode
from ..data import Dataset
from ..federation import recipe
from ..federation.parties import Client, answers, hold, read_mask, train_locally
from ..layout import Shapes, flatten, n_weights, split, unflatten
from ..streams import Purpose, stream
from ..training.trainer import Learner, Trainer
from ..validation import require_inputs, require_labels
from .flower_plan import MakeData, MakeModel, Plan

Record = dict[str, Any]  # of text, numbers, bytes, and lists of one of these: what a Flower ConfigRecord holds
FIRST = ("dense", "coded", "recipe")  # messages that are a whole model


class Stale(Exception):
    """The client has not got what the message builds on: it was started anew, or missed more than the server knows."""


class Model(NamedTuple):
    """What a client holds of the global model. vector: float32 [n]; state: float32 [m]; broadcasts: how many are in it.

    unshared: the weights that nobody trains or it keeps to itself, as they came; mask: its message, b"" for none.
    """

    vector: np.ndarray
    state: np.ndarray
    broadcasts: int
    unshared: bytes
    mask: bytes


def layout_check(shapes: Shapes) -> int:
    """A check, 32 bits, of the arrays that a model is made of."""
    return zlib.crc32(repr([tuple(map(int, shape)) for shape in shapes]).encode())


# A process that serves many messages (Ray's workers, the Grid of the tests) makes a model once, and reads the data of a few.


@lru_cache(maxsize=2)
def _made(model: MakeModel) -> Any:
    return model()


@lru_cache(maxsize=8)
def _samples(data: MakeData, partition: int) -> Dataset:
    found = data(partition)
    x = require_inputs(f"data({partition}).x_train", found.x_train)
    y = require_labels(f"data({partition}).y_train", found.y_train, len(x))
    return found._replace(x_train=x, y_train=y)


class Participant:
    """A client of the plan. model, data: the two functions of the reader's app; partition: which client it is."""

    def __init__(self, plan: Plan, model: MakeModel, data: MakeData, partition: int):
        if not 0 <= partition < plan.clients:
            raise ValueError(f"this node is client {partition} (its partition-id), and the training has clients 0 … "
                             f"{plan.clients - 1}: start it with another, or pass clients=…")  # fmt: skip
        self.plan, self.partition, self._model, self._data = plan, partition, _made(model), _samples(data, partition)

    def train(self, message: Mapping[str, Any], memory: Record) -> tuple[Record, Record]:
        """Take what the server sent, train, and answer: the answer, and what is to be remembered from now on.

        Whatever is wrong with the message is answered in words, so that the server can name it; a client that cannot train
        (data, model) raises.
        """
        own = self.plan.agreement()
        head: Record = {"format": FORMAT, "plan": own, "round": int(message["round"])}
        if message["format"] != FORMAT or message["plan"] != own:
            theirs = f"payload format {message['format']}, this client format {FORMAT}"
            why = f"the server has {theirs if message['format'] != FORMAT else 'another plan than this client'}"
            return head | {"kind": "refused", "why": why}, memory
        try:
            learner, model = self._up_to_date(message, memory)
        except Stale:
            return head | {"kind": "stale"}, memory
        except ValueError as error:
            return head | {"kind": "refused", "why": str(error)}, memory
        kept = _remember(memory, model)
        number = int(message["round"])
        if not answers(self.plan.seed, number, self.partition, self.plan.no_answer):
            return head | {"kind": "silent"}, kept
        weights = self._weights(learner, model, kept)
        client = Client(self.partition, np.arange(len(self._data.x_train)), self.plan.uplink, bool(message["feedback"]),
                        {place: weights[place] for place in learner.own}, learner.sent_shapes)  # fmt: skip
        if client.memory.enabled and "residual" in kept:
            client.memory.value = np.frombuffer(kept["residual"], np.float32)
        began = time.perf_counter()
        (trained,) = train_locally(learner, learner.train_set, weights, [client], self.plan.seed, number,
                                   self.plan.local_epochs, self.plan.batch_size)  # fmt: skip
        if what := trained.not_finite():
            return head | {"kind": "diverged", "why": what}, kept
        between = time.perf_counter()
        rng = stream(self.plan.seed, Purpose.UPLINK, number, self.partition)
        payload, exactly, _, _ = client.send(trained.delta, trained.state, rng)
        if isinstance(client.memory.value, np.ndarray):
            kept["residual"] = client.memory.value.astype("<f4").tobytes()
        if learner.own:
            kept["own"] = b"".join(np.ascontiguousarray(trained.own[place]).tobytes() for place in learner.own)
        head |= {"kind": "trained", "payload": payload, "samples": client.samples.size, "loss": trained.loss}
        head |= {"train_seconds": between - began, "codec_seconds": time.perf_counter() - between}
        return head | ({"state": exactly} if exactly else {}), kept

    def measure(self, message: Mapping[str, Any], memory: Record) -> Record:
        """How good the model of the day is with the weights that this client keeps, on its own test set."""
        head: Record = {"format": FORMAT, "plan": self.plan.agreement(), "round": int(message["round"])}
        if "model" not in memory:
            return head | {"kind": "stale"}
        learner = self._learner(memory["mask"])
        vector = decode(message["parts"][0], max_weights=n_weights(learner.sent_shapes))
        model = Model(vector, np.zeros(0, np.float32), 0, memory["unshared"], memory["mask"])
        right, loss = learner.evaluate(self._weights(learner, model, memory))
        return head | {"kind": "measured", "accuracy": right, "loss": loss}

    def _learner(self, mask: bytes) -> Trainer:
        return _learner(self.plan, self._model, self._data, mask)

    def _up_to_date(self, message: Mapping[str, Any], memory: Record) -> tuple[Trainer, Model]:
        """The model of the day, from what is remembered and what came; `Stale` where that does not fit together."""
        kinds, parts = list(message.get("kinds", [])), list(message.get("parts", []))
        came = dict(zip(kinds, parts, strict=True))  # of the kinds that come once; broadcasts are taken in turn below
        begins = next((kind for kind in kinds if kind in FIRST), None)
        newcomer = "broadcasts" not in memory
        if begins is None and newcomer:
            raise Stale
        if begins == "dense" and newcomer and message["once"] == 0:
            raise Stale  # of a model that it is thought to have already, without what goes with a first one
        mask = came.get("mask", b"") if message["once"] else memory["mask"]
        learner = self._learner(mask)
        if message["layout"] != layout_check(learner.sent_shapes):
            raise ValueError(f"the server's model is made of other arrays than this client's, {list(learner.sent_shapes)}")
        n, of_state = n_weights(learner.sent_shapes), n_weights(learner.state_shapes)
        unshared = came.get("unshared", b"") if message["once"] else memory["unshared"]
        missing = parts_of(kinds, parts, "broadcast")
        if begins == "dense":
            vector, state = split(_whole(came["dense"], n + of_state), [n, of_state])
        elif begins == "coded":
            vector, state = _whole(came["coded"], n), np.zeros(of_state, np.float32)
        elif begins == "recipe":
            rebuilt = recipe.rebuild(came["recipe"], max_weights=sum(w.size for w in self._model.get_weights()))
            vector, state = learner.gather(rebuilt), learner.gather_state(rebuilt)
            unshared = _of_unshared(learner, rebuilt)
        else:
            vector, state = np.frombuffer(memory["model"], "<f4"), np.frombuffer(memory["state"], "<f4")
            ahead = memory["broadcasts"] - (message["broadcasts"] - len(missing))  # has some already: its answer was lost
            if not 0 <= ahead <= len(missing):
                raise Stale
            missing = missing[ahead:]
        for payload in missing:
            vector = vector + _whole(payload, n)
        if "state" in came:
            state = _whole(came["state"], of_state)
        return learner, Model(vector, state, int(message["broadcasts"]), unshared, mask)

    def _weights(self, learner: Learner, model: Model, memory: Record) -> list[np.ndarray]:
        """The model as model.get_weights(): what travels, what never changes, what this client keeps."""
        weights = [np.array(array) for array in self._model.get_weights()]
        places = learner.frozen + learner.own
        if places:
            came = decode(model.unshared, max_weights=sum(weights[place].size for place in places))
            for place, array in zip(places, unflatten(came, [weights[place].shape for place in places]), strict=True):
                weights[place] = array.astype(weights[place].dtype)
        hold(learner, weights, model.vector, model.state if learner.averaged else np.zeros(0, np.float32))
        at = 0
        for place in learner.own if "own" in memory else []:
            size = weights[place].nbytes
            weights[place] = np.frombuffer(memory["own"][at : at + size], weights[place].dtype).reshape(weights[place].shape)
            at += size
        return weights


def parts_of(kinds: Sequence[str], parts: Sequence[bytes], wanted: str) -> list[bytes]:
    """The parts of a message that are of one kind, in order."""
    return [part for kind, part in zip(kinds, parts, strict=True) if kind == wanted]


_learners: dict[tuple, tuple[Trainer, Any, Dataset]] = {}  # with what it was made of, so that no id is given again


def _learner(plan: Plan, model: Any, data: Dataset, mask: bytes) -> Trainer:
    """What trains this model on these samples under this mask. The graphs behind it are the same for all clients."""
    key = (id(model), id(data), plan.state, plan.optimizer, plan.loss, mask, plan.agreement())
    if key not in _learners:
        while len(_learners) >= 8:
            del _learners[next(iter(_learners))]
        arrays = read_mask(mask, model) if mask else None
        _learners[key] = (Trainer(model, data, plan.make_optimizer(), plan.loss, plan.state, arrays), model, data)
    return _learners[key][0]


def _whole(payload: bytes, n: int) -> np.ndarray:
    """A payload of n weights, decoded. ValueError for any other."""
    vector = decode(payload, max_weights=n)
    if vector.size != n:
        raise ValueError(f"a payload of the server holds {vector.size} weights, this client's model has {n}")
    return vector


def _of_unshared(learner: Learner, weights: Sequence[np.ndarray]) -> bytes:
    unshared = [weights[place] for place in learner.frozen + learner.own]
    return Identity().encode(flatten(unshared)) if unshared else b""


def _remember(memory: Record, model: Model) -> Record:
    """The memory with another model; the residual, and the weights that a client keeps, stay."""
    stays = {name: memory[name] for name in ("residual", "own") if name in memory}
    return stays | {"broadcasts": model.broadcasts, "model": model.vector.astype("<f4").tobytes(), "mask": model.mask,
                    "state": model.state.astype("<f4").tobytes(), "unshared": model.unshared}  # fmt: skip
