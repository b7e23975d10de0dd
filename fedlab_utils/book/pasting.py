"""Words and legends as pixels: what was drawn once on a ground is laid down again where the same stands on the same ground.

A line of text takes 2 to 4 ms to draw and a legend 8, nearly all of it for glyphs; to compare and to copy its pixels, 0.02.
Exact, since what Matplotlib makes of a pixel depends on that pixel and on what is drawn, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.legend import Legend
from matplotlib.text import Annotation, Text

MARGIN = 12  # pixels beyond a legend that its marks may reach
OVERHANG = 4  # pixels beyond its box that a glyph may reach
GROUNDS = 6  # kept of each, for a slider that goes to and fro
SPOTS = 96  # kept of a figure: some 5 MB at the most
Part = tuple[slice, slice]  # rows and columns of the page


class Spot:
    """there: a part of the page. through, ink: which pixels of it show what lies beneath, and which are coloured: bool
    [rows, columns], or ... for all. made: what lay beneath `through` and what then became of `ink`, the last one used last."""

    def __init__(self, there: Part, through: Any = ..., ink: Any = ..., made: Sequence[tuple[np.ndarray, np.ndarray]] = ()):
        self.there, self.through, self.ink = there, through, ink
        self.made = list(made)

    def draw(self, artist: Any, renderer: Any, pixels: np.ndarray) -> None:
        part = pixels[self.there]
        beneath = part[self.through]
        for place, (ground, colours) in enumerate(reversed(self.made)):
            if np.array_equal(ground, beneath):
                part[self.ink] = colours
                self.made.append(self.made.pop(-1 - place))
                return
        ground = np.array(beneath)
        artist.draw(renderer)
        self.made = [*self.made[1 - GROUNDS :], (ground, np.array(part[self.ink]))]


class Pasting:
    """What is kept of the words and legends of a figure, by what they say and how."""

    def __init__(self) -> None:
        self._spots: dict[tuple[Any, ...], Spot] = {}  # the one of last use last

    def draw(self, artist: Any, panel: tuple[Any, ...], renderer: Any, pixels: np.ndarray) -> None:
        """Draw a text or a legend (of a fixed place). panel: all that places data on the page. pixels: uint8 [height, width, 4],
        the renderer's own."""
        says = of_legend(artist) if isinstance(artist, Legend) else of_text(artist, panel, renderer)
        if says is None:
            artist.draw(renderer)
            return
        spot = self._spots.pop(says, None)
        if spot is None:
            extent = artist.get_window_extent(renderer)
            if isinstance(artist, Legend):
                spot = spot_of_legend(artist, box(extent, len(pixels), MARGIN), renderer, pixels)
            else:
                spot = Spot(box(extent, len(pixels), OVERHANG))
            if len(self._spots) >= SPOTS:
                del self._spots[next(iter(self._spots))]
        self._spots[says] = spot
        spot.draw(artist, renderer, pixels)


def box(extent: Any, height: int, margin: int) -> Part:
    """The rows and columns of the page within so many pixels of an extent, whose rows count from below."""
    rows = slice(max(0, int(height - extent.y1) - margin), max(0, int(height - extent.y0) + margin))
    return rows, slice(max(0, int(extent.x0) - margin), max(0, int(extent.x1) + margin))


def spot_of_legend(legend: Legend, there: Part, renderer: Any, pixels: np.ndarray) -> Spot:
    """Which pixels show what lies beneath, and which are coloured, found by drawing twice. The page stays as it is."""
    ground = pixels[there].copy()
    legend.draw(renderer)
    made = pixels[there].copy()
    pixels[there] = ground
    pixels[there][..., :3] ^= 255  # on a ground of no colour that lies beneath, all that it inks shows
    turned = pixels[there].copy()
    legend.draw(renderer)
    on_turned = pixels[there].copy()
    pixels[there] = ground
    ink = (on_turned != turned).any(axis=2) | (made != ground).any(axis=2)
    through = ink & (on_turned != made).any(axis=2)  # an opaque frame hides what lies beneath
    return Spot(there, through, ink, [(ground[through], made[ink])])


def of_legend(legend: Legend) -> tuple[Any, ...]:
    """All that an app changes of a legend."""
    says: list[Any] = [legend, legend.axes.get_position().bounds, legend.get_visible()]
    for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True):
        says += [text.get_text(), text.get_visible(), handle is not None and handle.get_visible()]
    return tuple(says)


def of_text(text: Text, panel: tuple[Any, ...], renderer: Any) -> tuple[Any, ...] | None:
    """All that decides how a text looks and where it stands, but for the distance of its lines; None for one that shows
    nothing, or more than words: a frame, an arrow, an effect."""
    if not text.get_visible() or not text.get_text() or text.get_wrap():
        return None
    if text.get_clip_on() and (text.get_clip_box() is not None or text.get_clip_path() is not None):
        return None
    if text.get_bbox_patch() is not None or text.get_path_effects() or text.get_agg_filter() is not None:
        return None
    says: list[Any] = [text]
    if isinstance(text, Annotation):
        if text.arrow_patch is not None:
            return None
        text.update_positions(renderer)
        says += [panel, tuple(text.xy)]  # beyond the limits of its panel it is not drawn
    where = text.get_transform().transform(text.get_unitless_position())
    says += [text.get_text(), *map(float, where), to_rgba(text.get_color()), text.get_alpha(), text.get_rotation()]
    return *says, text.get_horizontalalignment(), text.get_verticalalignment(), hash(text.get_fontproperties())
