"""What happens in a run on Flower, second by second: noted while it runs, read by the chapter and by the tests.

`data/results/flower.csv` is such a log of a simulation and a deployment; `data/results/flower.py` makes it again.
"""

from __future__ import annotations

import csv
import re
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data.files import damaged, existing

ROUND = re.compile(r"round (\d+) of \d+: accuracy ([\d.]+), ([\d,]+) bytes up, ([\d,]+) bytes down")
DROPPED = re.compile(r"round (\d+), client (\d+): (.*\S)")
NODE = re.compile(r"^node (\d+) (?:was |is )(killed|refused|back)\b")


class Event(NamedTuple):
    """One thing that happened. seconds: since the run began. node, round: which, from 0 and from 1; -1 for none.

    payload_up, payload_down: bytes of the account of a round that ended. socket_up, socket_down: bytes that all nodes' sockets
    have carried since the run began, TLS and all; 0 in a simulation, which has no sockets. event: "begin", "round", "dropped",
    "killed", "refused", "back" or "end"; note: why; of "end" the checksum of the weights.
    """

    run: str
    seconds: float
    event: str
    node: int = -1
    round: int = -1
    accuracy: float = 0.0
    payload_up: int = 0
    payload_down: int = 0
    socket_up: int = 0
    socket_down: int = 0
    note: str = ""


class Recorder:
    """Notes what happens in one run. wire: bytes at each node's socket so far, up and down, by node."""

    def __init__(self, run: str, wire: Callable[[], dict[int, tuple[int, int]]] = dict):
        self.events: list[Event] = []
        self._run, self._wire, self._began = run, wire, time.monotonic()
        self._before = self._now()
        self._note("begin")

    def _now(self) -> tuple[int, int]:
        counts = list(self._wire().values())
        return sum(up for up, _ in counts), sum(down for _, down in counts)

    def _note(self, event: str, **what: object) -> None:
        up, down = (now - before for now, before in zip(self._now(), self._before, strict=True))
        seconds = round(time.monotonic() - self._began, 1)
        self.events.append(Event(self._run, seconds, event, socket_up=up, socket_down=down, **what))  # type: ignore[arg-type]

    def watch(self, line: str) -> None:
        """Take in a line of Flower's log, or of what a deployment says."""
        if found := ROUND.search(line):
            number, accuracy, up, down = (text.replace(",", "") for text in found.groups())
            self._note("round", round=int(number), accuracy=float(accuracy), payload_up=int(up), payload_down=int(down))
        elif found := DROPPED.search(line):
            self._note("dropped", round=int(found[1]), node=int(found[2]), note=found[3])
        elif found := NODE.search(line):
            self._note(found[2], node=int(found[1]))

    def end(self, weights: Sequence[np.ndarray] = ()) -> list[Event]:
        """All that was noted, and the checksum of the weights that were reached."""
        self._note("end", note=checksum(weights) if len(weights) else "")
        return self.events


def checksum(weights: Iterable[np.ndarray]) -> str:
    """CRC-32 of a model's weights, in order, as eight hexadecimal digits: equal where every bit is."""
    total = 0
    for array in weights:
        total = zlib.crc32(np.ascontiguousarray(array, "<f4").tobytes(), total)
    return f"{total:08x}"


def write(path: Path, events: Iterable[Event]) -> None:
    """Write a log."""
    with path.open("w", newline="", encoding="utf8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Event._fields)
        table.writerows(events)


def load(path: Path | None = None) -> dict[str, list[Event]]:
    """A log, by default the recorded one: the events of each run, in order. ValueError where it is damaged."""
    path, mend = (path, "") if path else existing("results/flower.csv")
    kinds = (str, float, str, int, int, float, int, int, int, int, str)
    runs: dict[str, list[Event]] = {}
    try:
        with path.open(newline="", encoding="utf8") as file:
            for row in csv.DictReader(file):
                event = Event(*(kind(row[name]) for kind, name in zip(kinds, Event._fields, strict=True)))
                runs.setdefault(event.run, []).append(event)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, mend, error) from error
    return runs


class Wire(NamedTuple):
    """What one node and one round take at a node's socket once everybody has a model, on the mean, both ways together.

    seconds: of a round. payload, engine: bytes of the account, and all others. polling: those of the engine that would have been
    carried had nothing been trained.
    """

    seconds: float
    payload: float
    engine: float
    polling: float

    @property
    def exchange(self) -> float:
        """Bytes of the engine for one message and its answer."""
        return self.engine - self.polling

    @property
    def share(self) -> float:
        """The engine's share of all bytes, 0 … 1."""
        return self.engine / (self.payload + self.engine)


def polling(idle: Sequence[Event], nodes: int) -> float:
    """Bytes a minute that a node without work carries, both ways. idle: the log of a while in which nothing is trained."""
    return (idle[-1].socket_up + idle[-1].socket_down) / nodes / (idle[-1].seconds / 60)


def steady(events: Sequence[Event], a_minute: float, nodes: int) -> Wire:
    """The bill of a run's rounds but the first, in which everybody is sent a model. a_minute: what polling takes."""
    first, *others = [event for event in events if event.event == "round"]
    n = len(others) * nodes
    seconds = (others[-1].seconds - first.seconds) / len(others)
    payload = sum(event.payload_up + event.payload_down for event in others) / n
    last = others[-1]
    socket = (last.socket_up + last.socket_down - first.socket_up - first.socket_down) / n
    return Wire(seconds, payload, socket - payload, a_minute * seconds / 60)
