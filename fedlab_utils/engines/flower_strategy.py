"""`PayloadFedAvg`: federated averaging of payloads as a strategy of Flower. Imported at first use only, since it needs flwr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from logging import getLogger
from typing import Any, NamedTuple

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from ..data import Dataset
from ..federation.history import History
from ..training.models import keras
from .flower_answers import Answer
from .flower_client import Record
from .flower_mods import RECORD
from .flower_plan import Plan
from .flower_server import Coordinator, NobodyThere, Sent

log = getLogger("flwr")
POLL_SECONDS = 0.5  # how often answers are asked for; Flower's own `send_and_receive` does every three seconds
ASK_SECONDS = 120.0  # how long a node has to say which client it is, before it is asked again


class _Asked(NamedTuple):
    client: int
    number: int  # the round, from 0


class PayloadFedAvg(Strategy):
    """Federated averaging whose every message is a payload of ours, with the bits of `simulate(chunk=1)`.

    The cohort is drawn by the streams of the plan's seed, not by Flower; a client that missed rounds catches up; each answer
    is decoded and checked before it counts. data: its test set is what accuracy is measured on. on_round(history): called
    after each round, stops by returning False. sent: is given each message of the account. dropped: what was not used, and
    why, a sentence each.

    `start(grid)` runs it all. `configure_train` and `aggregate_train` are the two halves of a round, for who wants another loop.
    """

    def __init__(self, plan: Plan, model: keras.Model, data: Dataset, on_round: Callable[[History], bool | None] | None = None,
                 sent: Callable[[Sent], None] = lambda message: None):  # fmt: skip
        self.plan = plan
        self._on_round = on_round
        self._server = Coordinator(plan, model, data, lambda text: log.warning("%s", text), sent)
        self._nodes: dict[int, int] = {}  # which client a node says that it is
        self._questions: dict[str, int] = {}  # ids of questions which client a node is, and the node
        self._asked: dict[str, _Asked] = {}  # by the id of a message that has no answer yet
        self._messages: list[tuple[Message, _Asked]] = []
        self._to_measure: dict[int, Record] = {}

    @property
    def history(self) -> History:
        """What was measured so far."""
        return self._server.history

    @property
    def dropped(self) -> list[str]:
        """What was not used, and why."""
        return [str(dropped) for dropped in self._server.dropped]

    def summary(self) -> None:
        """Log what will be trained."""
        plan = self.plan
        log.info("PayloadFedAvg: %s rounds, %s of %s clients a round, uplink %s, downlink %s", plan.rounds,
                plan.clients_per_round, plan.clients, plan.uplink, plan.downlink)  # fmt: skip

    def start(self, grid: Grid, *_: Any, **__: Any) -> History:
        """Run all rounds. RuntimeError where clients do not come, `Diverged` where training leaves the finite numbers."""
        self.summary()
        self._wait_for_clients(grid)
        for number in range(len(self.history.accuracy), self.plan.rounds):  # from 0, or where a checkpoint stopped
            self._wait_for(grid, self._server.cohort(number))
            messages = self.configure_train(number + 1, ArrayRecord(), ConfigRecord(), grid)
            found = self._exchange(grid, messages, number)
            self._to_measure = self._server.close(number, found)
            told = self._exchange(grid, self.configure_evaluate(number + 1, ArrayRecord(), ConfigRecord(), grid), number)
            history = self._server.measure(number, told)
            log.info("round %s of %s: accuracy %.4f, %s bytes up, %s bytes down", number + 1, self.plan.rounds,
                    history.accuracy[-1], f"{history.uplink_bytes[-1]:,}", f"{history.downlink_bytes[-1]:,}")  # fmt: skip
            if self._on_round is not None and isinstance(go_on := self._on_round(history), (bool, np.bool_)) and not go_on:
                break
        return self._server.history

    def configure_train(self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid) -> Iterable[Message]:
        """A message for each client of the round that is there. server_round: from 1; arrays and config are not used."""
        self._find_nodes(grid)
        where = {client: node for node, client in self._nodes.items()}
        records = self._server.serve(server_round - 1, where)
        return self._addressed(records, where, MessageType.TRAIN, server_round - 1)

    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """End a round with the answers that came, for a loop that is not `start`'s: the new model, and its accuracy."""
        self._to_measure = self._server.close(server_round - 1, self._settled(replies, server_round - 1))
        if self._server.local:
            return None, None  # aggregate_evaluate has the accuracy
        history = self._server.measure(server_round - 1)
        return ArrayRecord(history.weights), MetricRecord({"accuracy": history.accuracy[-1], "loss": history.loss[-1]})

    def configure_evaluate(self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid) -> Iterable[Message]:
        """With state="local" a message for each client of the round: only they can say how good their models are. It is an
        instrument, as the test set is, and does not count in the account."""
        where = {client: node for node, client in self._nodes.items()}
        return self._addressed(self._to_measure, where, MessageType.EVALUATE, server_round - 1)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """The mean of what the clients say, for a loop that is not `start`'s."""
        if not self._server.local:
            return None
        history = self._server.measure(server_round - 1, self._settled(replies, server_round - 1))
        return MetricRecord({"accuracy": history.accuracy[-1], "loss": history.loss[-1]})

    def _addressed(self, records: Mapping[int, Record], where: Mapping[int, int], kind: str, number: int) -> list[Message]:
        self._messages = [
            (Message(RecordDict({RECORD: ConfigRecord(record)}), where[client], kind, group_id=str(number + 1),
                     ttl=self.plan.timeout), _Asked(client, number))
            for client, record in records.items() if client in where
        ]  # fmt: skip
        return [message for message, _ in self._messages]

    def _exchange(self, grid: Grid, messages: Iterable[Message], number: int) -> list[Answer]:
        """Send a round's messages, one by one, and gather what comes back within the plan's timeout.

        One by one, since what is pushed together may come back with fewer ids than messages, and then nobody knows whose. An
        answer to an earlier round is taken in as well, so that it can be named.
        """
        asked_by = {id(message): asked for message, asked in self._messages}
        answers: list[Answer] = []
        waiting: set[str] = set()
        answered: set[str] = set()
        for message in messages:
            asked = asked_by[id(message)]
            pushed = [key for key in grid.push_messages([message]) if key]
            if pushed:
                self._asked[pushed[0]] = asked
                waiting.add(pushed[0])
            else:
                answers.append(Answer(asked.client, number, None, "the engine did not take its message (too large?)"))
        end = time.monotonic() + self.plan.timeout
        while waiting - answered and time.monotonic() < end:
            came = list(grid.pull_messages([key for key in self._asked if key not in answered]))
            answers += self._answers(came)
            answered |= {message.metadata.reply_to_message_id for message in came}
            if not came:
                time.sleep(POLL_SECONDS)
        answers += [Answer(self._asked[key].client, number, None) for key in waiting - answered]
        for key in answered:
            self._asked.pop(key, None)
        return answers

    def _settled(self, replies: Iterable[Message], number: int) -> list[Answer]:
        """The answers to the messages of this round, for a loop that sent them itself: who is not among them did not answer."""
        self._asked = {message.metadata.message_id: asked for message, asked in self._messages}
        found = self._answers(replies)
        there = {answer.client for answer in found}
        return found + [Answer(client, number, None) for client, _ in self._asked.values() if client not in there]

    def _answers(self, replies: Iterable[Message]) -> list[Answer]:
        """Replies as what the server takes."""
        found = []
        for reply in replies:
            asked = self._asked.get(reply.metadata.reply_to_message_id)
            if asked is None:
                log.warning("an answer to no message of ours, from node %s, is passed over", reply.metadata.src_node_id)
            elif reply.has_error():
                found.append(Answer(asked.client, asked.number, None, _told(reply)))
            elif isinstance(record := dict(reply.content).get(RECORD), ConfigRecord):
                found.append(Answer(asked.client, asked.number, dict(record)))
            else:
                found.append(Answer(asked.client, asked.number, None, f"its answer holds no record {RECORD!r}"))
        return found

    # Which node is which client

    def _find_nodes(self, grid: Grid) -> None:
        """Ask nodes that are new which client they are, and take in what was asked before; forget those that have gone."""
        online = set(grid.get_node_ids())
        self._nodes = {node: client for node, client in self._nodes.items() if node in online}
        self._questions = {key: node for key, node in self._questions.items() if node in online}
        for node in sorted(online - self._nodes.keys() - set(self._questions.values())):
            question = RecordDict({RECORD: ConfigRecord({"plan": self.plan.agreement()})})
            pushed = grid.push_messages([Message(question, node, MessageType.QUERY, ttl=ASK_SECONDS)])
            self._questions |= {key: node for key in pushed if key}
        for reply in grid.pull_messages(list(self._questions)) if self._questions else []:
            node = self._questions.pop(reply.metadata.reply_to_message_id, None)
            if node is not None:
                self._introduce(node, reply)

    def _introduce(self, node: int, reply: Message) -> None:
        if reply.has_error():
            log.warning("node %s does not say which client it is: %s", node, _told(reply))
            return
        record = dict(reply.content).get(RECORD)
        client = record.get("partition") if isinstance(record, ConfigRecord) else None
        if type(client) is not int or not 0 <= client < self.plan.clients:
            log.warning("node %s says that it is client %r, there are 0 … %s: not used", node, client, self.plan.clients - 1)
        elif client in self._nodes.values():
            log.warning("node %s says that it is client %s, which another node is already: not used", node, client)
        else:
            self._nodes[node] = client

    def _wait_for_clients(self, grid: Grid) -> None:
        wanted = self.plan.min_clients or self.plan.clients
        end = time.monotonic() + self.plan.wait
        while True:
            self._find_nodes(grid)
            if len(self._nodes) >= wanted:
                return
            if time.monotonic() > end:
                raise NobodyThere(f"{len(self._nodes)} of {wanted} clients have come within {self.plan.wait:g} s: start the "
                                  "others, or ask for fewer by min_clients")  # fmt: skip
            time.sleep(POLL_SECONDS)

    def _wait_for(self, grid: Grid, cohort: Iterable[int]) -> None:
        """Wait until one of these clients is there; what if none comes, `Coordinator.serve` says."""
        end = time.monotonic() + self.plan.wait
        while not set(cohort) & set(self._nodes.values()) and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
            self._find_nodes(grid)


def _told(reply: Message) -> str:
    """An error of Flower, in one line."""
    reason = (reply.error.reason or "").strip().splitlines()
    return f"error {reply.error.code} of Flower: {reason[-1].strip() if reason else 'without a reason'}"
