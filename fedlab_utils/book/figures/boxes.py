"""Boxes of words in a row, and the arrows between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from ..colours import EXACT, PAPER


def row_of_boxes(ax: Axes, texts: Sequence[str], linespacing: float = 1.6) -> list[tuple[float, float]]:
    """Boxes at height 0, from one side of the panel to the other, as far apart from each other; left and right edge of each.

    The limits of the panel must be set, and its axes be off. How wide a box is, its words decide, in each language anew.
    """
    figure: Any = ax.figure
    box = {"boxstyle": "round,pad=0.6", "facecolor": PAPER, "edgecolor": EXACT}
    words: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10, "linespacing": linespacing, "bbox": box}
    placed: list[Any] = [ax.text(0, 0, text, **words) for text in texts]
    for text in placed:  # what is beyond the panel while it is placed must not move the panel
        text.set_in_layout(False)
    figure.draw_without_rendering()
    left, right = ax.get_xlim()
    one = (right - left) / ax.bbox.width  # a pixel
    widths = [text.get_bbox_patch().get_window_extent().width * one for text in placed]
    margin = 4 * one
    gap = (right - left - 2 * margin - sum(widths)) / (len(texts) - 1)
    edges, here = [], left + margin
    for text, width in zip(placed, widths, strict=True):
        text.set_x(here + width / 2)
        edges.append((here, here + width))
        here += width + gap
    return edges


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, words: str = "", bend: float = 0) -> None:
    """An arrow, with words above its middle where there are any. bend: of its line, as Matplotlib's arc3 has it."""
    style = {"arrowstyle": "-|>", "color": colour, "lw": 1.8, "shrinkA": 6, "shrinkB": 6, "mutation_scale": 14,
             "connectionstyle": f"arc3,rad={bend}"}  # fmt: skip
    ax.annotate("", end, start, arrowprops=style)
    if words:
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        ax.annotate(words, middle, (0, 5), textcoords="offset points", ha="center", va="bottom", color=colour, fontsize=9)
