"""Flower's two apps in one process: every message becomes the bytes that would travel, and nothing but these arrives.

For tests and the notebook: seconds instead of minutes. Imported at first use only, since it needs flwr.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from flwr.app import Context, Error, Message, RecordDict
from flwr.serverapp import Grid

from .flower_private import act_as, context_from_bytes, context_to_bytes, from_bytes, name_message, to_bytes

RUN, SERVER, FIRST_NODE = 1, 1, 1000
RAISED, UNAVAILABLE = 2, 5  # Flower's codes of errors: a ClientApp raised, a node has gone


class InProcessGrid(Grid):
    """A grid of `n_clients` nodes that all run one ClientApp, in this process.

    Answers come in an order drawn from `seed`. A ClientApp that raises becomes Flower's error, and what it changed in its
    context before stays, as in deployment. on_reply(client, reply): what arrives in place of a reply, a list of messages; a
    test puts faults there. down: the clients that are not connected. wire_bytes: of all messages, as protobuf, up and down.
    """

    def __init__(self, client_app: Any, n_clients: int, config: Mapping[str, Any], seed: int = 0,
                 on_reply: Callable[[int, Message], list[Message]] = lambda client, reply: [reply]):  # fmt: skip
        super().__init__()
        self._app, self._on_reply = client_app, on_reply
        self._rng, self._number = np.random.default_rng(seed), 0
        self._waiting: dict[str, bytes] = {}
        self._config = dict(config)
        self.down: set[int] = set()
        self.wire_bytes = {"up": 0, "down": 0}
        self._contexts: dict[int, bytes] = {}
        for client in range(n_clients):
            self.add_node({"partition-id": client, "num-partitions": n_clients})

    def add_node(self, node_config: Mapping[str, Any]) -> None:
        """Another node, known here by the next number."""
        client = len(self._contexts)
        context = Context(RUN, FIRST_NODE + client, dict(node_config), RecordDict(), dict(self._config))
        self._contexts[client] = context_to_bytes(context)

    def context(self, client: int) -> Context:
        """What Flower keeps for a node between messages."""
        return context_from_bytes(self._contexts[client])

    def restart(self, client: int) -> None:
        """Forget what a client remembers, as a SuperNode does that is started anew."""
        context = self.context(client)
        context.state = RecordDict()
        self._contexts[client] = context_to_bytes(context)

    def set_run(self, run: Any) -> None:
        """There is one run only."""

    @property
    def run(self) -> Any:
        """Not known here."""
        raise NotImplementedError("messages that stay in one process belong to no run of a SuperLink")

    def create_message(self, *arguments: Any, **named: Any) -> Message:
        """Deprecated in Flower: use `Message`."""
        return Message(*arguments, **named)

    def get_node_ids(self) -> Iterable[int]:
        """The nodes that are connected."""
        return [FIRST_NODE + client for client in self._contexts if client not in self.down]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Take messages for nodes; returns their ids."""
        ids = []
        for message in messages:
            self._number += 1
            key = f"message {self._number}"
            self._waiting[key] = to_bytes(message, key)
            ids.append(key)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Let the nodes answer, and hand over what they say."""
        replies = []
        for key in self._rng.permutation(sorted(set(message_ids) & self._waiting.keys())).tolist():
            replies += self._answer(self._waiting.pop(key))
        act_as(RUN, SERVER)
        return replies

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Push and pull; nobody is waited for, since all answer at once."""
        messages = list(messages)
        keys = list(self.push_messages(messages))
        for message, key in zip(messages, keys, strict=True):
            name_message(message, key)
        return self.pull_messages(keys)

    def _answer(self, sent: bytes) -> list[Message]:
        message = from_bytes(sent)
        node = message.metadata.dst_node_id
        client = node - FIRST_NODE
        self.wire_bytes["down"] += len(sent)
        act_as(RUN, node)
        context = self.context(client)
        if client in self.down:
            reply = Message(Error(UNAVAILABLE, "the node has gone"), reply_to=message)
        else:
            try:
                reply = self._app(message, context)
            except Exception as error:  # whatever an app raises, Flower sends as an error
                reply = Message(Error(RAISED, f"{type(error).__name__}: {error}"), reply_to=message)
            self._contexts[client] = context_to_bytes(context)
        arrived = []
        for each in self._on_reply(client, reply):
            data = to_bytes(each, f"{message.metadata.message_id}, answered")
            self.wire_bytes["up"] += len(data)
            arrived.append(from_bytes(data))
        return arrived


def run_in_process(server_app: Any, grid: InProcessGrid, config: Mapping[str, Any]) -> None:
    """Run a ServerApp on such a grid. config: the app's configuration, the same as the grid's."""
    act_as(RUN, SERVER)
    server_app(grid, Context(RUN, SERVER, {}, RecordDict(), dict(config)))
