"""What a simulation measured, kept as a plain table."""

from __future__ import annotations

import csv
import importlib.metadata
import platform
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

import numpy as np

from ..language import say


@cache  # reading what is installed takes a millisecond, a table of trainings has hundreds
def _versions() -> dict[str, str]:
    """Of what decides the numbers: Python, NumPy, Keras, TensorFlow."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "keras", "tensorflow", "tensorflow-cpu"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


_OPTIONAL = ("validation_accuracy", "first_model_bytes")  # no column where it is empty; earlier versions have none


@dataclass
class History:
    """What `simulate` measured: lists with one entry a round.

    accuracy, loss: on the test set, of the model that clients hold after the round. validation_accuracy: the same on the
    samples that `simulate(validation=…)` holds out of the training set, to choose by; empty without. uplink_bytes,
    downlink_bytes: len(payload) summed over the clients of the round. first_model_bytes: the part of downlink_bytes that
    brings clients a model to begin with, when they come for the first time: the dense model of the day, or the first one
    coded or as its seed, with what goes with it once (a mask, frozen weights); the rest brings updates. train_seconds,
    codec_seconds, eval_seconds: wall clock, which together are the round's. setup_seconds: before the first round (graphs
    not built yet are built in it). seed, versions, compiled (local training by XLA): what the numbers depend on. weights:
    the global weights after the last round, as model.get_weights().
    """

    accuracy: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    uplink_bytes: list[int] = field(default_factory=list)
    downlink_bytes: list[int] = field(default_factory=list)
    first_model_bytes: list[int] = field(default_factory=list)
    train_seconds: list[float] = field(default_factory=list)
    codec_seconds: list[float] = field(default_factory=list)
    eval_seconds: list[float] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list, repr=False)
    setup_seconds: float = 0.0
    seed: int = 0
    compiled: bool = False
    versions: dict[str, str] = field(default_factory=lambda: dict(_versions()))

    def total_bytes(self) -> np.ndarray:
        """Uplink and downlink bytes together, added up from the first round: int64 [rounds]."""
        return np.cumsum(np.add(self.uplink_bytes, self.downlink_bytes, dtype=np.int64))

    def save(self, path: str | Path) -> None:
        """Write a CSV table, a line a round; set-up time, seed, compiled and versions in every line. Not the weights."""
        constant: dict[str, float | str] = {"setup_seconds": self.setup_seconds, "seed": self.seed}
        constant |= {"compiled": int(self.compiled)}
        constant |= {f"version_{name}": version for name, version in self.versions.items()}
        names = [name for name in self._columns() if name not in _OPTIONAL or getattr(self, name)]
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["round", *names, *constant])
            for number, row in enumerate(zip(*(getattr(self, name) for name in names), strict=True), 1):
                table.writerow([number, *row, *constant.values()])

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Read what `save` wrote; the weights are empty. ValueError if the file is no such table."""
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in cls._columns() if name not in _OPTIONAL or (rows and name in rows[0])]
        if not rows or not set(names) <= rows[0].keys():
            listed = ", ".join(names)
            raise ValueError(say(f"{Path(path).name} is no table of a History: it needs the columns {listed} and a row",
                                 f"{Path(path).name} 不是 History 的表：需要 {listed} 各列和至少一行"))  # fmt: skip
        kinds = {name: int if name.endswith("bytes") else float for name in names}
        try:
            history = cls()
            for name in names:
                setattr(history, name, [kinds[name](row[name]) for row in rows])
            history.setup_seconds, history.seed = float(rows[0]["setup_seconds"]), int(rows[0]["seed"])
            history.compiled = bool(int(rows[0].get("compiled", 0)))  # earlier versions never did
        except (KeyError, TypeError, ValueError) as error:
            name = Path(path).name
            raise ValueError(say(f"{name} is no table of a History: {error}", f"{name} 不是 History 的表：{error}")) from error
        history.versions = {key.removeprefix("version_"): text for key, text in rows[0].items() if key.startswith("version_")}
        return history

    @classmethod
    def _columns(cls) -> list[str]:
        return [f.name for f in fields(cls) if str(f.type).startswith(("list[float]", "list[int]"))]


class Diverged(FloatingPointError):
    """Training that has left the finite numbers. who: in words; what: see `not_finite`. history: the rounds before."""

    def __init__(self, number: int, who: str, what: str, history: History):
        super().__init__(say(f"round {number}, {who}: ", f"第 {number} 轮，{who}：") + not_finite(what))
        self.history = history


def not_finite(what: str) -> str:
    """That something has left the finite numbers, and what to do. what: "loss", "weights" or "update"."""
    named = {"loss": ("loss is", "损失"), "weights": ("weights are", "权重"), "update": ("update is", "更新")}
    english, chinese = named.get(what, (what, what))  # a client of another version may tell another word
    return say(f"the {english} no longer finite; try a smaller learning_rate", f"{chinese}已不是有限的数；请减小 learning_rate")
