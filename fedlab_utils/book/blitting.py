"""Pictures by what changed: axes, ticks and their labels are drawn once and kept; curves and words are drawn anew.

Exact to the pixel against a full drawing, since each artist is drawn by itself in the order in which Matplotlib draws it, and
only what lies at the bottom is kept. What is kept of a panel goes by its key: limits, scales, labels, the makers of ticks; the
last few are kept, since a slider goes to and fro. Of what lies above, words and legends are `pasting`'s, images `enlarging`'s.
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
from matplotlib.text import Text

from .enlarging import Enlarging
from .pasting import Pasting

KEYS = 12  # of each panel
Ink = tuple[np.ndarray, np.ndarray]  # which pixels of the page, int [n], and their colours, uint8 [n, 4]
NOTHING: Ink = np.empty(0, np.intp), np.empty((0, 4), np.uint8)  # of a panel whose axes must be drawn in their turn
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
    """What is kept of a figure: its ground; of each panel whose axes can be, their ink by key; its words, legends and images."""

    def __init__(self, figure: Figure):
        self.figure = figure
        self._ground: np.ndarray | None = None
        self._kept: dict[Axes, dict[tuple[Any, ...], Ink]] = {}  # the last key is the one of last use
        self._page: tuple[list[Any], np.ndarray] | None = None  # the ground with the ink of these panels and keys
        self._pasting, self._enlarging = Pasting(), Enlarging()

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
        if self._ground is None:
            renderer.clear()
            self.figure.patch.draw(renderer)
            self._ground = pixels.copy()
        keys = {ax: key(ax) for ax in panels}
        found = {ax: self._ink(ax, keys[ax], renderer, pixels) for ax in panels if keepable(ax)}
        stands = [(ax, keys[ax]) for ax in found]
        if self._page is None or self._page[0] != stands:
            page = self._ground.copy()
            for where, colours in found.values():
                page.reshape(-1, 4)[where] = colours
            self._page = stands, page
        np.copyto(pixels, self._page[1])
        for ax in panels:
            kept = ax in found and found[ax] is not NOTHING
            if not kept and ax.axison:
                ax.patch.draw(renderer)
            for artist in order(ax):
                if isinstance(artist, (Legend, Text)):
                    self._pasting.draw(artist, keys[ax], renderer, pixels)
                elif isinstance(artist, AxesImage):
                    self._enlarging.draw(artist, keys[ax], renderer)
                elif not (kept and isinstance(artist, Axis)):
                    artist.draw(renderer)
        return pixels

    def _ink(self, ax: Axes, now: tuple[Any, ...], renderer: Any, pixels: np.ndarray) -> Ink:
        """The pixels that a panel's axes colour; NOTHING where an image lies below them."""
        kept = self._kept.setdefault(ax, {})
        ink = kept.pop(now) if now in kept else self._draw_ink(ax, renderer, pixels)
        kept[now] = ink
        if len(kept) > KEYS:
            del kept[next(iter(kept))]
        return ink

    def _draw_ink(self, ax: Axes, renderer: Any, pixels: np.ndarray) -> Ink:
        assert self._ground is not None
        np.copyto(pixels, self._ground)
        ax.patch.draw(renderer)
        for artist in order(ax):
            if isinstance(artist, Axis):
                artist.draw(renderer)
        mask = (pixels.view(np.uint32) != self._ground.view(np.uint32))[..., 0]
        if ax.images:
            box, height = ax.bbox, len(mask)
            rows = slice(max(0, int(height - box.y1) - 2), int(height - box.y0) + 3)
            if mask[rows, max(0, int(box.x0) - 2) : int(box.x1) + 3].any():
                return NOTHING
        return np.flatnonzero(mask), pixels[mask]
