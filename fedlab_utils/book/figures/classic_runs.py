"""The tables of classic results as their figures want them, and what a mean with its range looks like in all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ...data.tables import Classic, load_classic_runs, load_classics


class Run(NamedTuple):
    """One seed of a setting. value: as in classics.csv. up, down: bytes of the whole run. curve: columns by name, [points]."""

    value: float
    up: int
    down: int
    curve: dict[str, np.ndarray]

    def sent(self) -> np.ndarray:
        """Bytes both ways since the beginning, float64 [points]; the curve must have those of each point."""
        return np.cumsum(self.curve["uplink_bytes"] + self.curve["downlink_bytes"])


def runs(name: str, *columns: str) -> dict[str, list[Run]]:
    """Every run of the experiment's table by its setting, its seeds in their order, with these columns of its curve, float64."""
    lines: dict[tuple[str, int], list[dict[str, str]]] = {}
    for line in load_classic_runs(name):
        lines.setdefault((line["setting"], int(line["seed"])), []).append(line)
    found: dict[str, list[Run]] = {}
    for (setting, _), (run, *curve) in sorted(lines.items(), key=lambda item: item[0][1]):
        read = {column: np.array([float(point[column]) for point in curve if point[column]]) for column in columns}
        found.setdefault(setting, []).append(
            Run(float(run["value"]), int(run["uplink_bytes"]), int(run["downlink_bytes"]), read)
        )
    return found


def rows(experiment: str) -> dict[str, Classic]:
    """The rows of one experiment in classics.csv, by setting."""
    return {row.setting: row for row in load_classics() if row.experiment == experiment}


def apart(figure: Figure) -> None:
    """More room between the panels of a figure, so that the name of a scale is not read as the panel's on its left."""
    layout: Any = figure.get_layout_engine()  # the constrained one, see `new_figure`
    layout.set(wspace=0.08)


def with_range(
    ax: Axes, x: ArrayLike, low: ArrayLike, mean: ArrayLike, high: ArrayLike, color: str, *style: str, **line: Any
) -> None:
    """Means as a line, and an upright line from the lowest to the highest of each. All float [points]."""
    ax.vlines(x, low, high, color=color, lw=1.2)
    ax.plot(x, mean, *style, color=color, **line)


def band(
    ax: Axes, some: Sequence[Run], x: Callable[[Run], np.ndarray], y: str, color: str, *style: str, **line: Any
) -> None:
    """The mean of a column over the mean of x, as many points as every run has; a band from the lowest to the highest."""
    points = min(len(run.curve[y]) for run in some)
    across = np.mean([x(run)[:points] for run in some], axis=0)
    values = np.array([run.curve[y][:points] for run in some])
    ax.fill_between(across, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, lw=0)
    ax.plot(across, values.mean(axis=0), *style, color=color, **line)
