"""What each engine is given and gives back, as files: `python run_X.py WORK.npz RESULT`.

Needs NumPy alone, because it runs in every engine's own environment. WORK.npz holds the samples of the clients,
x float32 [n_clients, n_samples, 28, 28] and y int32 [n_clients, n_samples], the Keras model as JSON, its initial
weights, and how often to do how many rounds. An engine writes RESULT.json (seconds) and RESULT.npz (weights).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

BATCH_SIZE, LEARNING_RATE = 10, 0.1  # one local epoch of plain SGD, weighted by samples


@dataclass
class Work:
    """rounds: of one training. repeats: how often that training is done, each time from `weights`."""

    x: np.ndarray
    y: np.ndarray
    model: str
    weights: list[np.ndarray]
    rounds: int
    repeats: int
    seed: int
    _trainings: list[dict] = field(default_factory=list)
    _results: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def load(cls, path=None) -> Work:
        """The work in this file, by default the one named on the command line."""
        with np.load(path or sys.argv[1]) as archive:
            settings = json.loads(str(archive["settings"]))
            weights = [archive[f"weights_{place}"] for place in range(settings.pop("n_arrays"))]
            return cls(archive["x"], archive["y"], weights=weights, **settings)

    def save(self, path) -> None:
        settings = {name: getattr(self, name) for name in ("model", "rounds", "repeats", "seed")}
        settings["n_arrays"] = len(self.weights)
        arrays = {f"weights_{place}": array for place, array in enumerate(self.weights)}
        np.savez(path, x=self.x, y=self.y, settings=json.dumps(settings), **arrays)

    def done(self, seconds, weights, setup: float = 0.0, train=None) -> None:
        """One training is finished. seconds: wall clock of each round, evaluation apart. weights: as model.get_weights(),
        after the last round. setup: what was done before the first round. train: the part of `seconds` that is training."""
        place = len(self._trainings)
        self._trainings.append({"seconds": list(seconds), "setup": setup, "train": list(train or [])})
        self._results |= {f"{place}_{number}": np.asarray(array) for number, array in enumerate(weights)}

    def write(self, *packages: str) -> None:
        """Write the results. packages: whose versions decide the numbers."""
        target = Path(sys.argv[2])
        np.savez(target.with_suffix(".npz"), **self._results)
        found = {package: version(package) for package in packages}
        target.with_suffix(".json").write_text(json.dumps({"trainings": self._trainings, "versions": found}))


def read_results(target: Path, n_arrays: int) -> tuple[list[dict], list[list[np.ndarray]], dict[str, str]]:
    """What `write` wrote: the trainings, their final weights, the versions."""
    result = json.loads(target.with_suffix(".json").read_text())
    with np.load(target.with_suffix(".npz")) as archive:
        trainings = range(len(result["trainings"]))
        weights = [[archive[f"{place}_{number}"] for number in range(n_arrays)] for place in trainings]
    return result["trainings"], weights, result["versions"]
