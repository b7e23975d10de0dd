"""The account of the downlink: what a broadcast costs, and what a client that missed some has to pay (law 4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..codecs import Codec, Identity, Residual, decode
from ..layout import Shapes


class FirstModel(NamedTuple):
    """A first model that is not sent dense: what stands for it, from which a client comes to the present one by replaying.

    sent_bytes: of a coded model with all that goes with it once, or of a recipe. state_bytes: of the first state, which goes
    with a coded model and is part of a recipe (0). A later state takes its place, so that only one of them is sent.
    """

    sent_bytes: int
    state_bytes: int


class Downlink:
    """The server's side of the downlink: one payload a round for all, and what a client that missed some has to pay.

    model: float32 [n], what every client holds that is up to date. state: float32 [m], what belongs to it and is no
    direction to move along (running means and variances); it travels exactly, as a payload of its own, whatever the codec.
    A client that missed rounds is sent the payloads that it missed and the last state, or the dense model, whichever is fewer
    bytes (law 4). One that never took part is sent the dense model or, where there is a `first_model`, that with every
    payload since and the last state, whichever is fewer. shapes: of the arrays that the model is made of.
    first_model_bytes: one entry for each call of `bytes_to_serve`; of its bytes those that bring clients a model to begin
    with: a dense model at the first time, a coded one, a recipe, with what goes with them once. Payloads that a client
    replays, and a dense model that a late one is sent instead, are not among them.
    """

    def __init__(
        self, model: np.ndarray, codec: Codec, error_feedback: bool, once_bytes: int = 0, state: np.ndarray | None = None,
        shapes: Shapes | None = None, first_model: FirstModel | None = None,
    ):  # fmt: skip
        self.model, self.state = model, np.zeros(0, np.float32) if state is None else state
        self._once_bytes = once_bytes  # of what never changes and goes with a dense first model: a mask, frozen weights
        self._first_model = first_model
        self.first_model_bytes: list[int] = []
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
        begins, replays = dense + self._once_bytes, 0  # what a client that never took part is sent to begin with, and after
        if self._first_model is not None:
            first, of_first_state = self._first_model
            rounds = sum(self._payload_bytes) + of_state if self._payload_bytes else of_first_state
            if first + rounds <= begins:
                begins, replays = (first, rounds) if self._payload_bytes else (first + rounds, 0)
        newcomers = total = 0
        for client in cohort:
            if client in self._version:
                missed = self._payload_bytes[self._version[client] :]
                total += min(sum(missed) + of_state, dense) if missed else 0
            else:
                newcomers += 1
            self._version[client] = len(self._payload_bytes)
        self.first_model_bytes.append(newcomers * begins)
        return total + newcomers * (begins + replays)


def send_exactly(values: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A payload of float32 and what its receiver decodes; no byte for no value."""
    if not values.size:
        return b"", values
    payload = Identity().encode(values)
    return payload, decode(payload, max_weights=values.size)


def require_first_model(first_model: Any) -> Codec | str:
    """Return what the first model is sent as: "dense", "seed" or a codec. ValueError or TypeError naming these for others."""
    if isinstance(first_model, Codec) or (isinstance(first_model, str) and first_model in ("dense", "seed")):
        return first_model
    kind = ValueError if isinstance(first_model, str) else TypeError
    raise kind(f"first_model must be 'dense', 'seed' or a codec such as Quantize(8), got {first_model!r}")
