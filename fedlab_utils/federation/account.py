"""The account of the downlink: what a broadcast costs, and what a client that missed some has to pay (law 4)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..codecs import Codec, Identity, Residual


class Downlink:
    """The server's side of the downlink: one payload a round for all, and what a client that missed some has to pay.

    A client that never took part is sent the dense model; one that missed rounds the payloads that it missed, or the
    dense model, whichever is fewer bytes (law 4).
    """

    def __init__(self, model: np.ndarray, codec: Codec, error_feedback: bool, once_bytes: int = 0):
        self.model = model  # float32 [n], what every client holds that is up to date
        self._once_bytes = once_bytes  # of what never changes and goes with the first model: a mask, frozen weights
        self._memory = Residual(codec, error_feedback)
        self._payload_bytes: list[int] = []  # of each round's broadcast so far
        self._version: dict[int, int] = {}  # by client: how many broadcasts it has

    def broadcast(self, update: np.ndarray, rng: np.random.Generator | None) -> None:
        """Encode the round's update once; it reaches each client when it next takes part."""
        payload, received = self._memory.send(update, rng)
        self._payload_bytes.append(len(payload))
        self.model = self.model + received

    def bytes_to_serve(self, cohort: Iterable[int]) -> int:
        """Bytes that bring these clients up to date; they are up to date afterwards."""
        dense = len(Identity().encode(self.model))
        total = 0
        for client in cohort:
            missed = self._payload_bytes[self._version[client] :] if client in self._version else [dense]
            total += min(sum(missed), dense) + (0 if client in self._version else self._once_bytes)
            self._version[client] = len(self._payload_bytes)
        return total
