"""Labels of points, where they find room: none on another, none on a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation

# Where a label is tried, from its point's middle: the nearest first, in units of the room that it needs.
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
ROUNDS_OUT = 6  # how often one more step away is tried before a label stays where it is nearest


def spread(ax: Axes, labels: Sequence[Annotation], marker: float = 9, others: Sequence[tuple[float, float]] = ()) -> None:
    """Move labels, made with textcoords="offset points", so that they cover neither each other nor a point.

    labels: with their point in `xy`, in data coordinates, and their text. marker: size of the points in points. others:
    further points that are to be seen. Limits and layout of the axes must be set. The first label has the first choice.
    """
    figure: Any = ax.figure
    unit = figure.dpi / 72
    points = [ax.transData.transform(place) for place in (*(label.xy for label in labels), *others)]
    half = marker * unit / 2
    taken = [(x - half, y - half, x + half, y + half) for x, y in points]
    left, bottom, right, top = ax.bbox.extents
    renderer = figure.canvas.get_renderer()
    for label, (x, y) in zip(labels, points, strict=False):
        if not label.get_text():
            continue
        box = label.get_window_extent(renderer)
        wide, high = box.width / 2, box.height / 2
        chosen = None
        for out in range(1, ROUNDS_OUT + 1):
            for across, up in DIRECTIONS:
                cx = x + across * (half + wide + 1 + (out - 1) * half)
                cy = y + up * (half + high + 1 + (out - 1) * half)
                here = (cx - wide, cy - high, cx + wide, cy + high)
                inside = here[0] >= left and here[1] >= bottom and here[2] <= right and here[3] <= top
                if inside and not any(_meet(here, other) for other in taken):
                    chosen = here
                    break
            if chosen is not None:
                break
        if chosen is None:
            chosen = (x - wide, y + half, x + wide, y + half + 2 * high)
        taken.append(chosen)
        middle = np.array([(chosen[0] + chosen[2]) / 2 - x, (chosen[1] + chosen[3]) / 2 - y]) / unit
        label.set(ha="center", va="center")
        label.xyann = (float(middle[0]), float(middle[1]))


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """Whether two boxes (left, bottom, right, top) have more than their edges in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
