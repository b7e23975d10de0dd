"""The account of the downlink: what a broadcast costs, and what a client that missed some has to pay (law 4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..codecs import Codec, Identity, Residual, decode
from ..language import say
from ..layout import Shapes


class FirstModel(NamedTuple):
    """A first model that is not sent dense: what stands for it, from which a client comes to the present one by replaying.

    sent_bytes: of a coded model with all that goes with it once, or of a recipe. state_bytes: of the first state, which goes
    with a coded model and is part of a recipe (0). A later state takes its place, so that only one of them is sent.
    """

    sent_bytes: int
    state_bytes: int


class Service(NamedTuple):
    """What brings one client up to date.

    begins: "held" where it has a model, else what it is sent to begin with: "dense", the model of the day, or "first", the
    first model that is not dense. once: what goes with a first model goes with it. since: then the broadcasts from this number
    on (None: none). state: then the state of the day, as a payload of its own. sent_bytes: of it all; first_bytes: of the
    part that is a first model.
    """

    begins: str
    once: bool
    since: int | None
    state: bool
    sent_bytes: int
    first_bytes: int


class Downlink:
    """The server's side of the downlink: one payload a round for all, and what a client that missed some has to pay.

    model: float32 [n], what every client holds that is up to date. state: float32 [m], what belongs to it and is no
    direction to move along (running means and variances); it travels exactly, as a payload of its own, whatever the codec.
    A client that missed rounds is sent the payloads that it missed and the last state, or the dense model, whichever is fewer
    bytes (law 4). One that never took part is sent the dense model or, where there is a `first_model`, that with every
    payload since and the last state, whichever is fewer. shapes: of the arrays that the model is made of.
    whole: each broadcast is all that the model has moved since the first one, `model` here, and not the step of its round: a
    client that keeps the first model needs the last payload and no other. What a lossy codec leaves out of one broadcast is
    meant again by the next, without a residual. Needs a `first_model`.
    first_model_bytes: one entry for each call of `bytes_to_serve`; of its bytes those that bring clients a model to begin
    with: a dense model at the first time, a coded one, a recipe, with what goes with them once. Payloads that a client
    replays, and a dense model that a late one is sent instead, are not among them.
    """

    def __init__(
        self, model: np.ndarray, codec: Codec, error_feedback: bool, once_bytes: int = 0, state: np.ndarray | None = None,
        shapes: Shapes | None = None, first_model: FirstModel | None = None, whole: bool = False,
    ):  # fmt: skip
        self.model, self.state = model, np.zeros(0, np.float32) if state is None else state
        self._once_bytes = once_bytes  # of what never changes and goes with a dense first model: a mask, frozen weights
        self._first_model = first_model
        self.first_model_bytes: list[int] = []
        self._memory = Residual(codec, error_feedback and not whole, shapes)
        self._first, self._moved = model if whole else None, np.zeros(model.size if whole else 0)  # moved: since the first model
        self._payload_bytes: list[int] = []  # of each round's broadcast so far, without the state
        self._version: dict[int, int] = {}  # by client: how many broadcasts it has

    def broadcast(self, update: np.ndarray, rng: np.random.Generator, state: np.ndarray | None = None) -> bytes:
        """Encode the round's update once; it reaches each client when it next takes part, with the state of then."""
        if self._first is not None:
            update = self._moved = self._moved + update
        payload, received = self._memory.send(update, rng)
        self._payload_bytes.append(len(payload))
        self.model = (self.model if self._first is None else self._first) + received
        self.state = self.state if state is None else state
        return payload

    @property
    def n_broadcasts(self) -> int:
        """How many broadcasts there have been."""
        return len(self._payload_bytes)

    def serve(self, cohort: Iterable[int]) -> dict[int, Service]:
        """What brings each of these clients up to date; they are up to date afterwards."""
        sizes = self._sizes()
        served = {client: self._service(self._version.get(client), *sizes) for client in cohort}
        self._version |= dict.fromkeys(served, self.n_broadcasts)
        self.first_model_bytes.append(sum(service.first_bytes for service in served.values()))
        return served

    def bytes_to_serve(self, cohort: Iterable[int]) -> int:
        """Bytes that bring these clients up to date; they are up to date afterwards."""
        return sum(service.sent_bytes for service in self.serve(cohort).values())

    def has(self, client: int, broadcasts: int | None) -> None:
        """Note how many broadcasts a client is known to have, where that is not what it was last served (an answer that did not
        come, a restart); None: not even a model."""
        self._version.pop(client, None)
        if broadcasts is not None:
            self._version[client] = broadcasts

    def snapshot(self) -> dict[str, np.ndarray]:
        """All that `restore` needs, as arrays by name. Not what each client has: that is for them to say."""
        return {"model": self.model, "state": self.state, "residual": np.asarray(self._memory.value, np.float32),
                "payload_bytes": np.array(self._payload_bytes, np.int64)}  # fmt: skip

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        """Go on from a `snapshot`, with clients none of which has a model."""
        self.model, self.state = snapshot["model"], snapshot["state"]
        self._memory.value = snapshot["residual"] if snapshot["residual"].ndim else float(snapshot["residual"])
        self._payload_bytes, self._version = snapshot["payload_bytes"].tolist(), {}

    def earliest_needed(self) -> int:
        """The first broadcast that may still be sent to anybody: with those before, a dense model is fewer bytes."""
        sizes = dense, of_state = self._sizes()
        if self._first_model is not None and self._service(None, *sizes).begins == "first":
            return 0
        number, total = self.n_broadcasts, of_state
        while number > 0 and total + self._payload_bytes[number - 1] <= dense:
            number -= 1
            total += self._payload_bytes[number]
        return number

    def _sizes(self) -> tuple[int, int]:
        """Bytes of the dense model of the day, and of its state where that is a payload of its own."""
        dense = len(Identity().encode(np.concatenate([self.model, self.state])))
        return dense, len(send_exactly(self.state)[0])

    def _service(self, version: int | None, dense: int, of_state: int) -> Service:
        """What a client with so many broadcasts (None: one that never took part) is sent."""
        if self._first is not None and self._payload_bytes and version != self.n_broadcasts:
            assert self._first_model is not None
            new, last = version is None, self._payload_bytes[-1] + of_state
            of_first = self._first_model.sent_bytes if new else 0
            return Service("first" if new else "held", new, self.n_broadcasts - 1, of_state > 0, of_first + last, of_first)
        if version is not None:
            missed = sum(self._payload_bytes[version:]) + of_state
            if version == self.n_broadcasts:
                return Service("held", False, None, False, 0, 0)
            if missed <= dense:
                return Service("held", False, version, of_state > 0, missed, 0)
            return Service("dense", False, None, False, dense, 0)
        begins = dense + self._once_bytes
        if self._first_model is not None:
            first, of_first_state = self._first_model
            if self._payload_bytes:
                rounds = sum(self._payload_bytes) + of_state
                if first + rounds <= begins:
                    return Service("first", True, 0, of_state > 0, first + rounds, first)
            elif first + of_first_state <= begins:
                return Service("first", True, None, of_first_state > 0, first + of_first_state, first + of_first_state)
        return Service("dense", True, None, False, begins, begins)


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
    raise kind(say(f"first_model must be 'dense', 'seed' or a codec such as Quantize(8), got {first_model!r}",
                   f"first_model 应为 'dense'、'seed' 或一个编解码器，例如 Quantize(8)，收到的是 {first_model!r}"))  # fmt: skip


def require_broadcast(broadcast: Any, first_model: Codec | str) -> None:
    """ValueError unless `broadcast` is "step", or "whole" with a first model that clients can keep to count from."""
    if broadcast not in ("step", "whole"):
        raise ValueError(say(f"broadcast must be 'step' or 'whole', got {broadcast!r}",
                             f"broadcast 应为 'step' 或 'whole'，收到的是 {broadcast!r}"))  # fmt: skip
    if broadcast == "whole" and first_model == "dense":
        raise ValueError(say(
            "broadcast='whole' tells what the model has moved since the first one, which all must know: first_model must be "
            "'seed' or a codec, and not 'dense', with which late clients never see it",
            "broadcast='whole' 广播的是模型相对初始模型的总变化，初始模型必须人人都有：first_model 应为 'seed' 或一个编解码器，"
            "不能是 'dense'，否则晚来的客户端见不到它"))  # fmt: skip
