"""Pictures by what changed: axes, ticks and their labels are drawn once and kept; curves and words are drawn anew.

Exact to the pixel against a full drawing, since each artist is drawn by itself in the order in which Matplotlib draws it, and
only what lies at the bottom is kept. What is kept of a panel goes by its key: limits, scales, labels, the makers of ticks.
A legend, which lies on top, is kept together with what lay beneath it, and goes by that.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.spines import Spine

MARGIN = 12  # pixels beyond a legend that its marks may reach
NOTHING = np.empty((0, 4), np.uint8)  # kept of a panel whose axes must be drawn in their turn
_layers: WeakKeyDictionary[Figure, Layers] = WeakKeyDictionary()


def redraw(figure: Figure) -> np.ndarray:
    """Draw a figure whose layout is settled, as `canvas.draw()` would: uint8 [height, width, 4], the canvas's own buffer.

    figure: on a canvas of the Agg kind, drawn once already. Call it under the lock under which the figure is changed.
    """
    if figure not in _layers:
        _layers[figure] = Layers(figure)
    return _layers[figure].draw()


def order(ax: Axes) -> list[Any]:
    """What `Axes.draw` draws, in its order, but for the panel's own ground."""
    shown = [a for a in ax.get_children() if a is not ax.patch and (ax.axison or not isinstance(a, (Spine, Axis)))]
    return sorted(shown, key=lambda artist: artist.get_zorder())


def keepable(ax: Axes) -> bool:
    """Whether nothing but images is drawn before both axes. An image ends where its panel does: see `Layers._keep`."""
    above = [artist for artist in order(ax) if not isinstance(artist, AxesImage)]
    return ax.axison and all(isinstance(artist, Axis) for artist in above[:2])


def key(ax: Axes) -> tuple[Any, ...]:
    """All that decides how axes, ticks and labels look."""
    found: list[Any] = [ax.get_position().bounds, ax.get_xlim(), ax.get_ylim()]
    for axis in (ax.xaxis, ax.yaxis):
        words = [axis.label, *(tick.label1 for tick in axis.majorTicks)]
        found += [axis.get_visible(), axis.get_scale(), axis.get_major_locator(), axis.get_major_formatter()]
        found += [axis.get_minor_locator(), axis.get_minor_formatter(), axis.label.get_text(), axis.label.get_visible()]
        found += [word.get_color() for word in words] + [word.get_fontsize() for word in words]
    return tuple(found)


class Layers:
    """What is kept of a figure: of each panel whose axes can be (key, mask, pixels), of its legend what it made of what."""

    def __init__(self, figure: Figure):
        self.figure = figure
        self._kept: dict[Axes, tuple[tuple[Any, ...], np.ndarray, np.ndarray]] = {}
        self._page: np.ndarray | None = None  # the ground with all that is kept
        self._legends: dict[Legend, tuple[Any, tuple[slice, slice], np.ndarray, np.ndarray]] = {}

    def draw(self) -> np.ndarray:
        canvas: Any = self.figure.canvas
        panels = sorted(self.figure.axes, key=lambda ax: ax.get_zorder())
        if self.figure.texts or self.figure.legends or not all(ax.get_visible() for ax in panels):
            canvas.draw()  # no app has such; whatever stands between panels would have to be drawn in its place
            return np.asarray(canvas.buffer_rgba())
        renderer = canvas.get_renderer()
        pixels = np.asarray(canvas.buffer_rgba())
        for ax in panels:
            ax.apply_aspect()
        candidates = [ax for ax in panels if keepable(ax)]
        changed = self._page is None or {*self._kept} != {*candidates}
        for ax in candidates:
            now = key(ax)
            if ax not in self._kept or self._kept[ax][0] != now:
                self._kept[ax] = now, *self._ink(ax, renderer, pixels)
                changed = True
        if changed or self._page is None:
            self._kept = {ax: self._kept[ax] for ax in candidates}
            self._page = self._ground(renderer, pixels)
            for _, mask, layer in self._kept.values():
                self._page[mask] = layer
        np.copyto(pixels, self._page)
        for ax in panels:
            kept = ax in self._kept and self._kept[ax][2] is not NOTHING
            if not kept and ax.axison:
                ax.patch.draw(renderer)
            for artist in order(ax):
                if isinstance(artist, Legend):
                    self._legend(artist, renderer, pixels)
                elif not (kept and isinstance(artist, Axis)):
                    artist.draw(renderer)
        return pixels

    def _legend(self, legend: Legend, renderer: Any, pixels: np.ndarray) -> None:
        """Draw a legend (of a fixed place), or lay down what it made before where it says the same and the same lies beneath."""
        parts = zip(legend.get_texts(), legend.legend_handles, strict=True)
        says = legend.get_visible(), *((t.get_text(), t.get_visible(), h is not None and h.get_visible()) for t, h in parts)
        if (before := self._legends.get(legend)) is not None:
            said, there, beneath, made = before
            if said == says and np.array_equal(pixels[there], beneath):
                pixels[there] = made
                return
        box, height = legend.get_window_extent(renderer), len(pixels)
        rows = slice(max(0, int(height - box.y1) - MARGIN), int(height - box.y0) + MARGIN)
        there = rows, slice(max(0, int(box.x0) - MARGIN), int(box.x1) + MARGIN)
        beneath = pixels[there].copy()
        legend.draw(renderer)
        self._legends[legend] = says, there, beneath, pixels[there].copy()

    def _ground(self, renderer: Any, pixels: np.ndarray) -> np.ndarray:
        renderer.clear()
        self.figure.patch.draw(renderer)
        return pixels.copy()

    def _ink(self, ax: Axes, renderer: Any, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pixels that a panel's axes colour: mask [height, width], colours [n, 4]; NOTHING where an image lies below them."""
        ground = self._ground(renderer, pixels)
        ax.patch.draw(renderer)
        for artist in order(ax):
            if isinstance(artist, Axis):
                artist.draw(renderer)
        mask = (pixels.view(np.uint32) != ground.view(np.uint32))[..., 0]
        if ax.images:
            box, height = ax.bbox, len(mask)
            rows = slice(max(0, int(height - box.y1) - 2), int(height - box.y0) + 3)
            if mask[rows, max(0, int(box.x0) - 2) : int(box.x1) + 3].any():
                return np.zeros_like(mask), NOTHING
        return mask, pixels[mask]
