"""The account of the downlink: what a broadcast costs, and what a client that missed some has to pay (law 4)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..codecs import Codec, Identity, Residual, decode
from ..layout import Shapes


class Downlink:
    """The server's side of the downlink: one payload a round for all, and what a client that missed some has to pay.

    model: float32 [n], what every client holds that is up to date. state: float32 [m], what belongs to it and is no
    direction to move along (running means and variances); it travels exactly, as a payload of its own, whatever the codec.
    A client that never took part is sent the dense model; one that missed rounds the payloads that it missed and the last
    state, or the dense model, whichever is fewer bytes (law 4). shapes: of the arrays that the model is made of.
    """

    def __init__(
        self, model: np.ndarray, codec: Codec, error_feedback: bool, once_bytes: int = 0, state: np.ndarray | None = None,
        shapes: Shapes | None = None,
    ):  # fmt: skip
        self.model, self.state = model, np.zeros(0, np.float32) if state is None else state
        self._once_bytes = once_bytes  # of what never changes and goes with the first model: a mask, frozen weights
        self._memory = Residual(codec, error_feedback, shapes)
        self._payload_bytes: list[int] = []  # of each round's broadcast so far, without the state
        self._version: dict[int, int] = {}  # by client: how many broadcasts it has

    def broadcast(self, update: np.ndarray, rng: np.random.Generator, state: np.ndarray | None = None) -> None:
        """Encode the round's update once; it reaches each client when it next takes part, with the state of then."""
        payload, received = self._memory.send(update, rng)
        self._payload_bytes.append(len(payload))
        self.model = self.model + received
        self.state = self.state if state is None else state

    def bytes_to_serve(self, cohort: Iterable[int]) -> int:
        """Bytes that bring these clients up to date; they are up to date afterwards."""
        dense = len(Identity().encode(np.concatenate([self.model, self.state])))
        of_state = len(send_exactly(self.state)[0])
        total = 0
        for client in cohort:
            if client in self._version:
                missed = self._payload_bytes[self._version[client] :]
                total += min(sum(missed) + of_state, dense) if missed else 0
            else:
                total += dense + self._once_bytes
            self._version[client] = len(self._payload_bytes)
        return total


def send_exactly(values: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A payload of float32 and what its receiver decodes; no byte for no value."""
    if not values.size:
        return b"", values
    payload = Identity().encode(values)
    return payload, decode(payload, max_weights=values.size)
