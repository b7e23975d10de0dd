"""Images of few pixels on many, each pixel of the page that of the nearest place, without resampling anew at every picture.

Matplotlib turns all pixels of the page to floating point, colours and back: 4 to 10 ms for an image. Which row and column each
pixel takes changes with the panel alone, so Matplotlib is asked for them once, by an image whose colours are their numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.image import AxesImage

LONGEST = 4096  # rows or columns: 12 bits for the number of each in a pixel
PLACES = 4  # kept of each image


class Enlarging:
    """What is kept of the images of a figure: by image and place the rows and columns that the pixels of the page take."""

    def __init__(self) -> None:
        self._places: dict[AxesImage, dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray, float, float] | None]] = {}

    def draw(self, image: AxesImage, panel: tuple[Any, ...], renderer: Any) -> None:
        """Draw an image. panel: all that places data on the page."""
        values: Any = image.get_array()  # an image that is made has one
        if not image.get_visible() or image.get_interpolation() != "nearest":
            image.draw(renderer)
            return
        kept = self._places.setdefault(image, {})
        key = panel, values.shape, values.dtype, tuple(image.get_extent()), image.get_alpha()
        if key not in kept:
            if len(kept) >= PLACES:
                del kept[next(iter(kept))]
            kept[key] = places(image, renderer)
        if (found := kept[key]) is None:
            image.draw(renderer)
            return
        rows, columns, left, bottom = found
        context = renderer.new_gc()
        context.set_clip_rectangle(image.get_clip_box())
        renderer.draw_image(context, left, bottom, enlarged(image, rows, columns))
        context.restore()


def enlarged(image: AxesImage, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The colours of these rows and columns of an image: uint8 [rows, columns, 4]."""
    values: Any = image.get_array()
    colours = np.ascontiguousarray(image.to_rgba(values, bytes=True)).view(np.uint32)[..., 0]
    return colours.take(rows, axis=0).take(columns, axis=1)[..., None].view(np.uint8)


def places(image: AxesImage, renderer: Any) -> tuple[np.ndarray, np.ndarray, float, float] | None:
    """The row and column of the image that each pixel of the page takes, int [height] and [width], and the page's place of the
    first; None where an image is see-through, ends within a pixel, or is drawn in another way."""
    values: Any = image.get_array()
    height, width = values.shape[:2]
    if max(height, width) > LONGEST or image.get_alpha() is not None or image.get_clip_path() is not None:
        return None
    row, column = np.mgrid[:height, :width]
    numbered = AxesImage(image.axes, interpolation="nearest", origin=image.origin, extent=image.get_extent())
    numbered.set_transform(image.get_transform())
    numbered.set_clip_box(image.get_clip_box())
    numbered.set_data(np.stack([row & 255, column & 255, row >> 8 | column >> 8 << 4], axis=2).astype(np.uint8))
    made, left, bottom, _ = numbered.make_image(renderer)
    if made is None:
        return None
    low_row, low_column, high = (made[..., channel].astype(np.intp) for channel in range(3))
    rows, columns = (low_row | (high & 15) << 8)[:, 0], (low_column | (high >> 4) << 8)[0]
    if rows.max() >= height or columns.max() >= width:
        return None
    true = image.make_image(renderer)[0]
    return (rows, columns, left, bottom) if np.array_equal(true, enlarged(image, rows, columns)) else None
