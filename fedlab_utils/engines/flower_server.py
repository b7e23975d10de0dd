"""The server of a training under Flower: whom it asks, what it sends, what it believes of the answers. No Flower in here.

A round is `serve` (what each client is sent), then `close` with all that came back. Nothing that a client sends is taken
unseen: what is wrong is dropped, told in one sentence that names the client, and the round goes on with the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..codecs import FORMAT, Identity
from ..data import Dataset
from ..federation.account import Service
from ..federation.history import Diverged, History, not_finite
from ..federation.parties import agree_on_mask, hold, open_account, select
from ..language import say
from ..streams import Purpose, stream
from ..training.models import keras
from ..training.trainer import Trainer
from . import flower_checkpoint as checkpoint
from .flower_answers import Answer, NotUsable, Update, kind_of, update_in
from .flower_client import Record, layout_check
from .flower_plan import Plan


class Dropped(NamedTuple):
    """An answer that was not used. number: the round (from 0). why: a sentence about the client."""

    number: int
    client: int
    why: str

    def __str__(self) -> str:
        return f"round {self.number + 1}, client {self.client}: {self.why}"


class Sent(NamedTuple):
    """A message of the account, as it was sent. up: from the client. kind, payload: of one part of it."""

    number: int
    client: int
    up: bool
    kind: str
    payload: bytes


class NobodyThere(RuntimeError):
    """None of a round's clients can be reached, or none of the first round's can train."""


class Coordinator:
    """The global model, the account, and the history of a training.

    data: its test set is what accuracy is measured on; of its training set the shape alone matters. note: is given each
    sentence about what was not used, as it happens. sent: is given each message of the account.
    """

    def __init__(self, plan: Plan, model: keras.Model, data: Dataset, note: Callable[[str], None] = lambda text: None,
                 sent: Callable[[Sent], None] = lambda message: None):  # fmt: skip
        begun = time.perf_counter()
        self.plan, self._note, self._sent = plan, note, sent
        mask_message, mask = agree_on_mask(model, plan.mask(model)) if plan.mask else (b"", None)
        self._trainer = trainer = Trainer(model, data, plan.make_optimizer(), plan.loss, plan.state, mask)
        for place in trainer.frozen + trainer.own:
            array = model.get_weights()[place]
            if not np.array_equal(array.astype(np.float32).astype(array.dtype), array):
                raise ValueError(f"weights[{place}] ({array.dtype}) is not trained and is sent as float32, which would change it")
        self._weights, self._server, self._feedback, self._once = open_account(
            model, trainer, mask_message, uplink=plan.uplink, downlink=plan.downlink, first_model=plan.first_model,
            error_feedback=plan.error_feedback, server_learning_rate=plan.server_learning_rate,
            server_momentum=plan.server_momentum, seed=plan.seed,
        )  # fmt: skip
        self._broadcasts: dict[int, bytes] = {}  # by number, as long as somebody may need them
        self._confirmed: dict[int, int] = {}  # by client: how many broadcasts it has said to have
        self.dropped: list[Dropped] = []
        self.history = History(seed=plan.seed)
        self._check = checkpoint.fingerprint(plan, layout_check(trainer.sent_shapes))
        if plan.checkpoint and (found := checkpoint.load(Path(plan.checkpoint), self._check, self.history)):
            self._server.restore(found[0])
            self._broadcasts = found[1]
            hold(trainer, self._weights, self._server.model, self._server.state)
            note(f"it goes on after round {len(self.history.accuracy)}; the clients have nothing of the run before: each is sent "
                 "a first model, and what its residual held is lost")  # fmt: skip
        self.history.setup_seconds = time.perf_counter() - begun

    @property
    def local(self) -> bool:
        """Whether clients keep weights to themselves, so that only they can say how good their models are."""
        return bool(self._trainer.own)

    def cohort(self, number: int) -> list[int]:
        """The clients of round `number` (from 0), whether they are there or not."""
        return select(self.plan.clients, self.plan.clients_per_round, self.plan.seed, number)

    def serve(self, number: int, present: Iterable[int]) -> dict[int, Record]:
        """What the clients of the round that are present are sent, by client. NobodyThere where none is."""
        began = time.perf_counter()
        present = set(present)
        cohort = [client for client in self.cohort(number) if client in present]
        for client in sorted(set(self.cohort(number)) - present):
            self._drop(number, client, "it is not connected, and was sent nothing")
        if not cohort:
            raise NobodyThere(f"round {number + 1}: none of its clients {', '.join(map(str, self.cohort(number)))} is connected")
        messages, self._downlink_bytes = {}, 0
        for client, service in self._server.serve(cohort).items():
            parts = self._parts(service)
            size = sum(len(part) for _, part in parts)
            if size != service.sent_bytes:  # the account is of what is sent, or it is none
                raise RuntimeError(f"the account says {service.sent_bytes} bytes for client {client}, the message has {size}")
            self._downlink_bytes += size
            for kind, part in parts:
                self._sent(Sent(number, client, False, kind, part))
            messages[client] = self._head(number) | {"once": int(service.once), "feedback": int(self._feedback),
                                                     "broadcasts": self._server.n_broadcasts}  # fmt: skip
            if parts:  # a Flower record holds no empty list
                messages[client] |= {"kinds": [kind for kind, _ in parts], "parts": [part for _, part in parts]}
        self._codec_seconds = time.perf_counter() - began
        self._sent_at = time.perf_counter()
        return messages

    def close(self, number: int, found: Iterable[Answer]) -> dict[int, Record]:
        """End the round with what came back, in any order. Returns what its clients are to be asked so that the round can be
        measured (see `measure`): nothing, unless they keep weights to themselves."""
        began = time.perf_counter()
        self._train_seconds = began - self._sent_at
        updates: dict[int, Update] = {}
        seen = set()
        self._uplink_bytes = 0
        self._took_part: list[int] = []
        dropped_before = len(self.dropped)
        for answer in sorted(found, key=lambda answer: (answer.client, -answer.number)):
            if answer.record is None and answer.number != number:
                continue  # no news: it was dropped in its own round
            self._count(number, answer)
            try:
                if answer.number == number and answer.client in seen:
                    raise NotUsable("it answered twice, and the first answer counts")
                seen.add(answer.client)
                if (update := self._usable(number, answer)) is not None:
                    updates[answer.client] = update
            except NotUsable as error:
                self._drop(number, answer.client, str(error))
        if number == 0 and not self._took_part:  # and so it would be in each round: better to end than to send a model in vain
            first = self.dropped[dropped_before]
            raise NobodyThere(f"round 1: no answer of any client could be used; client {first.client}: {first.why}")
        samples = sum(update.samples for update in updates.values())
        self._server.begin()
        for client in sorted(updates):
            self._server.receive(updates[client].delta, updates[client].state, updates[client].samples / samples)
        try:
            with np.errstate(all="ignore"):  # told just below
                payload = self._server.step(stream(self.plan.seed, Purpose.DOWNLINK, number))
        except ValueError as error:
            raise Diverged(number + 1, say("server", "服务器"), "update", self.history) from error
        self._broadcasts[self._server.n_broadcasts - 1] = payload
        for old in [old for old in self._broadcasts if old < self._server.earliest_needed()]:
            del self._broadcasts[old]
        hold(self._trainer, self._weights, self._server.model, self._server.state)
        self._coded_at = time.perf_counter()
        self._codec_seconds += self._coded_at - began
        if not self.local:
            return {}
        whole = Identity().encode(self._server.model)
        return {client: self._head(number) | {"parts": [whole]} for client in self._took_part}

    def measure(self, number: int, found: Iterable[Answer] = ()) -> History:
        """Measure the round: on the server's test set, or as clients say of theirs. `Diverged` where the loss is not finite."""
        if not self.local:
            accuracy, loss = self._trainer.evaluate(self._weights)
        else:
            told = []
            for answer in sorted(found, key=lambda answer: answer.client):
                self._count(number, answer)  # of a late answer to training, if one came only now
                try:
                    if kind_of(answer, number, self.plan) == "measured" and answer.record is not None:
                        told.append((answer.record["accuracy"], answer.record["loss"]))
                except NotUsable as error:
                    self._drop(number, answer.client, str(error))
            if not told:
                raise NobodyThere(f"round {number + 1}: state='local', and no client says how good its model is")
            accuracy, loss = np.mean(told, axis=0)
        if not np.isfinite(loss):
            raise Diverged(number + 1, say("test set", "测试集"), "loss", self.history)
        history = self.history
        history.weights = [np.array(array) for array in self._weights]
        history.accuracy.append(float(accuracy))
        history.loss.append(float(loss))
        history.uplink_bytes.append(self._uplink_bytes)
        history.downlink_bytes.append(self._downlink_bytes)
        history.first_model_bytes.append(self._server.first_model_bytes[-1])
        history.train_seconds.append(self._train_seconds)
        history.codec_seconds.append(self._codec_seconds)
        history.eval_seconds.append(time.perf_counter() - self._coded_at)
        if self.plan.checkpoint:
            try:
                checkpoint.save(Path(self.plan.checkpoint), self._check, self._server.snapshot(), self._broadcasts, history)
            except OSError as error:
                self._note(f"round {number + 1}: the checkpoint could not be written ({error}); the one before it stays")
        return history

    def _head(self, number: int) -> Record:
        return {"format": FORMAT, "plan": self.plan.agreement(), "round": number,
                "layout": layout_check(self._trainer.sent_shapes)}  # fmt: skip

    def _drop(self, number: int, client: int, why: str) -> None:
        self.dropped.append(Dropped(number, client, why))
        self._note(str(self.dropped[-1]))

    def _parts(self, service: Service) -> list[tuple[str, bytes]]:
        """The very bytes of what a client is sent, by kind."""
        server = self._server
        parts: list[tuple[str, bytes]] = []
        if service.once:
            parts += [(kind, self._once[kind]) for kind in ("mask", "unshared") if kind in self._once]
        if service.begins == "dense":
            parts.append(("dense", Identity().encode(np.concatenate([server.model, server.state]))))
        if service.begins == "first":
            kind = "recipe" if "recipe" in self._once else "coded"
            parts = [part for part in parts if kind == "coded" or part[0] == "mask"]  # the recipe gives all weights
            parts.append((kind, self._once[kind]))
        if service.since is not None:
            parts += [("broadcast", self._broadcasts[at]) for at in range(service.since, server.n_broadcasts)]
        if service.state:
            parts.append(("state", Identity().encode(server.state)))
        return parts

    def _count(self, number: int, answer: Answer) -> None:
        """What a client has sent counts, whether it is used or not."""
        for kind in ("payload", "state"):
            part = (answer.record or {}).get(kind)
            if isinstance(part, bytes):
                self._uplink_bytes += len(part)
                self._sent(Sent(number, answer.client, True, kind, part))

    def _usable(self, number: int, answer: Answer) -> Update | None:
        """The update of an answer, None for a client that was not to answer; `NotUsable` otherwise. Notes what it has."""
        client = answer.client
        if answer.number != number:
            raise NotUsable(f"its answer to round {answer.number + 1} came late")
        try:
            kind = kind_of(answer, number, self.plan)
        except NotUsable:  # whether it has what it was sent, nobody knows: it is sent it again
            self._server.has(client, self._confirmed.get(client))
            raise
        record = answer.record or {}
        if kind in ("stale", "refused"):
            self._confirmed.pop(client, None)
            self._server.has(client, None)
            raise NotUsable("it has lost its model and what it had not sent yet, and is sent a model in its next round"
                            if kind == "stale" else f"it refuses: {record['why']}")  # fmt: skip
        self._confirmed[client] = self._server.n_broadcasts
        self._took_part.append(client)
        if kind == "diverged":
            raise NotUsable(not_finite(record["why"]))
        if kind != "trained":
            return None
        return update_in(record, self._trainer.sent_shapes, self._server.state.size, self.plan)
