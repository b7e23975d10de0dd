"""What all figures share: style, fonts, axes, and the way into a notebook. What colours mean stands in `colours`."""

from __future__ import annotations

import base64
import html
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from PIL import Image

from ..language import percent_sign, say
from .blitting import redraw
from .colours import DOWNLINK, EARLIER, EXACT, GRID, GUIDE, LOSSY, PAPER, TOTAL, UPLINK
from .fonts import FONT_FAMILIES, add_fonts

STYLE: dict[Any, Any] = {  # Matplotlib's types list every name that it may hold
    "font.family": FONT_FAMILIES,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titley": 1.0,  # else each picture looks anew whether ticks stand above its axes: a fifth of the time
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "axes.axisbelow": True,
    "axes.edgecolor": GUIDE,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.dpi": 110,
    "axes.unicode_minus": True,
}
WIDEST = 990  # pixels: what a picture in a page grows to
HALO = [withStroke(linewidth=4, foreground=PAPER)]  # of a line that crosses bars
MARGIN = 6  # pixels of paper around it
# Matplotlib's text layout is not safe in two threads at once, and the lab draws off the main thread.
DRAWING = threading.RLock()


@contextmanager
def styled() -> Iterator[None]:
    """The style of the book, for what is made within; afterwards Matplotlib's settings are the reader's own again.

    The settings are one for all threads. So this is for the thread in which the reader calls: figures are made there, and
    keep what they took. A thread that only draws new data takes `DRAWING`, and leaves the settings alone.
    """
    with DRAWING, matplotlib.rc_context(STYLE):  # the lock first: contexts that cross would restore each other's settings
        yield


def rounding_name(rounding: str) -> str:
    names = {
        "floor": ("floor", "向下取整"),
        "nearest": ("nearest", "四舍五入"),
        "stochastic": ("stochastic", "随机舍入"),
    }
    return say(*names[rounding])


def partition_name(partition: str) -> str:
    """How the lab deals its images out, "iid", "shards" or "dirichlet", in words."""
    names = {"iid": ("IID", "独立同分布"), "shards": ("two shards a client", "每个客户端两个分片"),
             "dirichlet": ("Dirichlet 0.3", "Dirichlet 分布 0.3")}  # fmt: skip
    return say(*names[partition])


def ranges_name(ranges: str) -> str:
    return {"model": say("of the model", "全模型"), "array": say("of each array", "逐数组")}[ranges]


def new_figure(
    columns: int = 1, width: float = 9, height: float = 3.6, sharey: bool = False, **gridspec: Any
) -> tuple[Figure, np.ndarray]:
    """A figure in the style of the book, and its axes [columns]. width, height in inches.

    Change a title with ax.title.set_text: set_title takes size and place from the settings of the moment, which are the reader's.
    """
    add_fonts()
    with styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, columns, squeeze=False, sharey=sharey, gridspec_kw=gridspec or None)[0]
        for ax in axes:
            ax.set_title("")  # takes the style's size and place
    return figure, axes


def webp(figure: Figure) -> bytes:
    """The figure as the bytes of a lossless WebP file: an app does this at every move of a slider, and a PNG of the same pixels
    takes half as long again to write and is half as large again.

    The first call, in the reader's thread, lays the figure out and makes its ticks, in the style of the book. Later ones, in
    any thread, keep that layout, which keeps the axes still, and draw what has changed; they leave Matplotlib's settings alone.
    """
    buffer = io.BytesIO()
    first = isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine)
    with styled() if first else DRAWING:
        if first:
            canvas: Any = figure.canvas  # of the Agg kind, see `new_figure`
            canvas.draw()  # savefig would draw twice
            figure.set_layout_engine("none")
            pixels = np.asarray(canvas.buffer_rgba())
        else:
            pixels = redraw(figure)
        image = Image.frombuffer("RGBA", pixels.shape[1::-1], pixels, "raw", "RGBA", 0, 1)  # not copied
        image.save(buffer, "webp", lossless=True, quality=0, method=0)  # opaque all over, and so written without transparency
    return buffer.getvalue()


def image_tag(data: bytes, alt: str, width: int = WIDEST, kind: str = "webp") -> str:
    """An HTML <img> that holds a picture file itself. width: pixels that it grows to; kind: of the file, "webp" or "png".

    Decoded before it is shown, so that replacing it does not flicker. Its own paper around it: on a dark page a picture is a
    card with round corners, on a white one the card is not seen. Some viewers drop styles; the attribute keeps the width there.
    """
    source = base64.b64encode(data).decode()
    card = f"box-sizing:border-box;padding:{MARGIN}px;border-radius:8px;background-color:{PAPER}"
    style = f"display:block;width:100%;max-width:{width + 2 * MARGIN}px;height:auto;{card}"
    words = html.escape(alt)
    return f'<img decoding="sync" width="{width}" style="{style}" alt="{words}" src="data:image/{kind};base64,{source}">'


class Still:
    """A figure as a notebook shows it without a kernel: an <img> with alternative text, which a PNG output lacks."""

    def __init__(self, figure: Figure, alt: str):
        self.figure, self.alt = figure, alt
        with styled():
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 0})
        pixels, buffer = Image.open(buffer).convert("RGB"), io.BytesIO()
        # A third of the bytes, and no eye sees it: of 61 figures no pixel was off by more than 14 of 255, the mean by 0.3.
        few = pixels.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        few.save(buffer, "png", optimize=True)
        self._png = buffer.getvalue()
        self._width = round(figure.get_figwidth() * STYLE["figure.dpi"])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": image_tag(self._png, self.alt, self._width, "png"), "text/plain": self.alt}


def quick(figure: Figure) -> None:
    """Drop the minor ticks: they take a fifth of the time of a picture, which an app draws at every move."""
    for ax in figure.axes:
        ax.minorticks_off()


def is_drawn(artist: Any) -> bool:
    """Whether an artist shows anything: a line or points without data show nothing."""
    if isinstance(artist, BarContainer):
        return any(bar.get_visible() and bar.get_height() * bar.get_width() != 0 for bar in artist)
    if isinstance(artist, Line2D):
        fewest = 1 if artist.get_marker() not in ("None", None, "", " ") else 2  # one point of a line is nothing
        there = np.isfinite(np.asarray(artist.get_ydata(), np.float64)).sum()
        return artist.get_visible() and bool(there >= fewest)
    if isinstance(artist, PathCollection):
        return artist.get_visible() and np.asarray(artist.get_offsets()).size > 0
    return bool(artist.get_visible())


def name_drawn(legend: Legend, artists: Sequence[Any]) -> None:
    """Leave in a legend the names of what is drawn. artists: those that it was made of, in its order.

    A name that goes leaves its room, so what comes and goes had better stand where a gap is not seen: last, or first in a
    legend at the bottom. Making the legend anew would take the reader's settings.
    """
    for handle, text, artist in zip(legend.legend_handles, legend.get_texts(), artists, strict=True):
        for part in (handle, text):
            if part is not None:
                part.set_visible(is_drawn(artist))


def percent_axis(axis: Axis) -> None:
    """Fractions as percent. On a linear axis the ticks are such that nothing is rounded away: never 97.5 shown as 98."""
    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}{percent_sign()}"))


def whole_numbers(axis: Axis) -> None:
    """Rounds, clients: no tick at 2.5 of them."""
    axis.set_major_locator(MaxNLocator("auto", integer=True))


def plain_log_axis(axis: Axis) -> None:
    """Numbers on a logarithmic axis as people write them, and as the texts of the book do: 0.1, 1, 10,000."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.9g}"))
    axis.set_minor_formatter(NullFormatter())


def colour_key() -> Still:
    """What each colour means."""
    figure, (ax,) = new_figure(1, width=9, height=0.9)
    meanings = (
        (EXACT, say("exact", "原值")),
        (LOSSY, say("lossy", "有损")),
        (UPLINK, say("uplink", "上行")),
        (DOWNLINK, say("downlink", "下行")),
        (TOTAL, say("total", "总计")),
        (EARLIER, say("earlier", "先前")),
    )
    with styled():
        for place, (colour, meaning) in enumerate(meanings):
            ax.plot(place, 0, "s", ms=16, color=colour)
            ax.text(place + 0.14, 0, meaning, va="center", fontsize=11)
        ax.set(xlim=(-0.2, len(meanings) - 0.2), ylim=(-1, 1))
        ax.set_axis_off()
    alt = say(
        "Colours: exact dark grey, lossy orange, uplink blue, downlink green, total magenta, earlier light grey.",
        "颜色：原值深灰，有损橙色，上行蓝色，下行绿色，总计紫红，先前浅灰。",
    )
    return Still(figure, alt)
