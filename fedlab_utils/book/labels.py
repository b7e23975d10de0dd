"""Labels of points, where they find room: none on another, none on a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation

# Where a label is tried, from its point's middle: the nearest first, in units of the room that it needs.
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
APART = 3  # points between two labels side by side
ROUNDS_OUT = 6  # how often one more step away is tried before a label stays where it is nearest


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which points no other beats with as few bytes, by rising bytes. points: (bytes, accuracy)."""
    best: list[int] = []
    for number in sorted(range(len(points)), key=lambda n: (points[n][0], -points[n][1])):
        if not best or points[number][1] > points[best[-1]][1]:
            best.append(number)
    return best


def spread(ax: Axes, labels: Sequence[Annotation], marker: float = 9, lines: Sequence[np.ndarray] = ()) -> None:
    """Move labels, made with textcoords="offset points", so that they cover neither each other nor a point.

    labels: with their point in `xy`, in data coordinates, and their text. marker: size of the points in points. lines: what a
    label keeps clear of as well, where there is room: [points, 2] each, in data coordinates. Limits and layout of the axes
    must be set. The first label has the first choice.
    """
    figure: Any = ax.figure
    unit = figure.dpi / 72
    points = [ax.transData.transform(place) for place in (label.xy for label in labels)]
    along = np.concatenate([np.empty((0, 2)), *(_along(ax.transData.transform(line), unit) for line in lines if len(line) > 1)])
    half = marker * unit / 2
    taken = [(x - half, y - half, x + half, y + half) for x, y in points]
    left, bottom, right, top = ax.bbox.extents
    renderer = figure.canvas.get_renderer()
    for label, (x, y) in zip(labels, points, strict=False):
        if not label.get_text():
            continue
        box = label.get_window_extent(renderer)
        wide, high = box.width / 2, box.height / 2
        free = []
        for out in range(ROUNDS_OUT):
            for across, up in DIRECTIONS:
                cx = x + across * (half + wide + 1 + out * half)
                cy = y + up * (half + high + 1 + out * half)
                here = (cx - wide, cy - high, cx + wide, cy + high)
                inside = here[0] >= left and here[1] >= bottom and here[2] <= right and here[3] <= top
                if inside and not any(_meet(here, other) for other in taken):
                    free.append(here)
        clear = (here for here in free if not _crossed(here, along))
        chosen = next(clear, free[0] if free else (x - wide, y + half, x + wide, y + half + 2 * high))
        apart = APART * unit  # so that 1 beside 2 is not 12
        taken.append((chosen[0] - apart, chosen[1], chosen[2] + apart, chosen[3]))
        middle = np.array([(chosen[0] + chosen[2]) / 2 - x, (chosen[1] + chosen[3]) / 2 - y]) / unit
        label.set(ha="center", va="center")
        label.xyann = (float(middle[0]), float(middle[1]))


def _along(corners: np.ndarray, unit: float) -> np.ndarray:
    """Places along a line, so near to each other that no label lies between two of them: [many, 2], pixels."""
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    where = np.concatenate([[0.0], np.cumsum(lengths)])
    many = np.arange(0, where[-1], 3 * unit)
    return np.stack([np.interp(many, where, corners[:, axis]) for axis in (0, 1)], axis=1)


def _crossed(box: tuple[float, float, float, float], along: np.ndarray) -> bool:
    return bool(((along > box[:2]) & (along < box[2:])).all(axis=1).any())


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """Whether two boxes (left, bottom, right, top) have more than their edges in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
