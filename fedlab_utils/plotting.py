"""Figures of the book: data in, Matplotlib figure out. No training, no widgets.

Colour means the same everywhere; the palette is that of Okabe and Ito, told apart also by colour-blind readers.
"""

from __future__ import annotations

import base64
import html
import io
import threading

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from PIL import Image

from .language import FONT_FAMILIES, say, use_fonts
from .quantization import ROUNDINGS, dequantize, quantize

EXACT, LOSSY, UPLINK, DOWNLINK, TOTAL, EARLIER = "#404040", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#B9BEC6"
ROUNDING_COLOURS = {"floor": "#D55E00", "nearest": "#009E73", "stochastic": "#56B4E9"}

STYLE = {
    "font.family": FONT_FAMILIES,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E7E9EC",
    "axes.axisbelow": True,
    "axes.edgecolor": "#808080",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.dpi": 110,
    "axes.unicode_minus": True,
}
# Matplotlib's text layout is not safe in two threads at once, and the lab draws off the main thread.
DRAWING = threading.RLock()


def rounding_name(rounding: str) -> str:
    names = {
        "floor": ("floor", "向下取整"),
        "nearest": ("nearest", "四舍五入"),
        "stochastic": ("stochastic", "随机舍入"),
    }
    return say(*names[rounding])


def new_figure(
    columns: int = 1, width: float = 9, height: float = 3.6, sharey: bool = False, **gridspec
) -> tuple[Figure, np.ndarray]:
    """A figure in the style of the book, and its axes [columns]. width, height in inches."""
    use_fonts()
    with DRAWING, matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, columns, squeeze=False, sharey=sharey, gridspec_kw=gridspec or None)[0]
    return figure, axes


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, written for speed: an app does this at every move of a slider.

    The first call lays the figure out; later ones keep that layout, which is most of the time, and keeps the axes still.
    """
    buffer = io.BytesIO()
    with DRAWING, matplotlib.rc_context(STYLE):
        figure.canvas.draw()  # savefig would draw twice
        figure.set_layout_engine("none")
        Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[:, :, :3]).save(buffer, "png", compress_level=1)
    return buffer.getvalue()


def image_tag(data: bytes, alt: str) -> str:
    """An HTML <img> that holds a PNG itself. Decoded before it is shown, so that replacing it does not flicker."""
    source = base64.b64encode(data).decode()
    style = "width:100%;max-width:990px;height:auto"
    return f'<img decoding="sync" style="{style}" alt="{html.escape(alt)}" src="data:image/png;base64,{source}">'


class Still:
    """A figure as a notebook shows it without a kernel: a PNG with alternative text."""

    def __init__(self, figure: Figure, alt: str):
        self.alt = alt
        with DRAWING, matplotlib.rc_context(STYLE):
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 9})
        self._png = buffer.getvalue()
        self._width = round(figure.get_figwidth() * STYLE["figure.dpi"])

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": base64.b64encode(self._png).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": self._width}}


def percent_axis(axis, decimals: int = 0) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.{decimals}f} %"))


def plain_log_axis(axis) -> None:
    """Numbers on a logarithmic axis as people write them: 0.1, 1, 10."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
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
    with matplotlib.rc_context(STYLE):
        for place, (colour, meaning) in enumerate(meanings):
            ax.plot(place, 0, "s", ms=16, color=colour)
            ax.text(place + 0.14, 0, meaning, va="center", fontsize=11)
        ax.set(xlim=(-0.2, len(meanings) - 0.2), ylim=(-1, 1))
        ax.set_axis_off()
    alt = say(
        "Colours: exact dark grey, lossy orange, uplink blue, downlink green, total pink, earlier light grey.",
        "颜色：原值深灰，有损橙色，上行蓝色，下行绿色，总计粉色，先前浅灰。",
    )
    return Still(figure, alt)


def staircase(bits: int = 2, lo: float = -1, hi: float = 1, mark=(-0.9, -0.2, 0.1, 0.5, 1.0)) -> Still:
    """The staircase of formula 4.1 with floor, and with nearest beside it; a few numbers marked with their errors.

    mark: the numbers of the worked example. Document, section 4.1.
    """
    figure, axes = new_figure(2, height=3.4)
    x = np.linspace(lo, hi, 1601)
    with matplotlib.rc_context(STYLE):
        for ax, rounding in zip(axes, ("floor", "nearest"), strict=True):
            ax.plot([lo, hi], [lo, hi], color=EXACT, lw=1, ls=":", label=say("exact", "原值"))
            y = dequantize(quantize(x, bits, rounding, lo, hi))
            ax.plot(x, y, color=ROUNDING_COLOURS[rounding], lw=2, label=rounding_name(rounding))
            points = np.asarray(mark)
            values = dequantize(quantize(points, bits, rounding, lo, hi))
            ax.plot(points, values, "o", color=ROUNDING_COLOURS[rounding], ms=6, clip_on=False)
            ax.vlines(points, np.minimum(points, values), np.maximum(points, values), color=EXACT, lw=1)
            ax.set_xlabel("x")
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.set_title(say(f"{bits} bits, {rounding}", f"{bits} 位，{rounding_name(rounding)}"))
            ax.legend(loc="upper left")
        axes[0].set_ylabel(say("value after dequantization", "反量化后的值"))
    alt = say(
        f"Two staircases of {bits} bits over {lo:g} to {hi:g}. With floor every step lies below the diagonal; "
        "with nearest the steps straddle it.",
        f"{lo:g} 到 {hi:g} 之间 {bits} 位的两条阶梯线。向下取整的台阶全在对角线之下；四舍五入的台阶一半在线上、一半在线下。",
    )
    return Still(figure, alt)


def rounding_errors(errors: dict[str, np.ndarray], step: float) -> Still:
    """How the errors x_hat - x of the three roundings are spread, in units of a step. errors: by rounding, float [n]."""
    figure, axes = new_figure(3, height=2.9)
    bins = np.linspace(-1, 1, 81)
    with matplotlib.rc_context(STYLE):
        for ax, rounding in zip(axes, ROUNDINGS, strict=True):
            relative = errors[rounding] / step
            ax.hist(relative, bins, color=ROUNDING_COLOURS[rounding], density=True)
            ax.axvline(relative.mean(), color=EXACT, lw=1.5)
            square = f"{np.mean(relative**2):.3f}"
            ax.set_title(rounding_name(rounding))
            ax.set_xlabel(say("error / step", "误差 / 步长"))
            ax.set(xlim=(-1.05, 1.05), ylim=(0, 1.5))
            note = say(f"mean {relative.mean():+.2f}\nmean square {square}", f"均值 {relative.mean():+.2f}\n均方 {square}")
            ax.text(0.97, 0.95, note, transform=ax.transAxes, va="top", ha="right", fontsize=9)
        axes[0].set_ylabel(say("density", "密度"))
    alt = say(
        "Three histograms of rounding errors in steps: floor spread evenly from -1 to 0 with mean -0.5, nearest evenly from "
        "-0.5 to 0.5 with mean 0, stochastic a triangle from -1 to 1 with mean 0.",
        "以步长为单位的三幅误差直方图：向下取整均匀分布在 -1 到 0，均值 -0.5；四舍五入均匀分布在 -0.5 到 0.5，均值 0；"
        "随机舍入呈 -1 到 1 的三角形，均值 0。",
    )
    return Still(figure, alt)


def error_of_mean(clients, agree: dict[str, np.ndarray], differ: dict[str, np.ndarray]) -> Still:
    """Squared error of the average of many clients' messages, in steps squared, by rounding.

    clients: int [m]. agree: all clients mean the same vector; differ: each its own. Curves: float [m], by rounding.
    """
    figure, axes = new_figure(2, height=3.4, sharey=True)
    titles = (say("clients that agree", "各客户端的值相同"), say("clients that differ", "各客户端的值不同"))
    with matplotlib.rc_context(STYLE):
        for ax, curves, title in zip(axes, (agree, differ), titles, strict=True):
            for rounding, curve in curves.items():
                ax.loglog(clients, curve, "o-", color=ROUNDING_COLOURS[rounding], ms=4, label=rounding_name(rounding))
            ax.set_xlabel(say("clients that are averaged", "参与平均的客户端数"))
            ax.set_title(title)
            plain_log_axis(ax.xaxis)
        axes[0].set_ylabel(say("squared error of the average / step²", "平均值的平方误差 / 步长²"))
        axes[0].legend(loc="lower left")
    alt = say(
        "Squared error of the average against the number of clients, both axes logarithmic. Stochastic rounding falls in "
        "proportion to one over the number of clients in both panels; nearest only where the clients differ; floor never "
        "falls below a quarter of a step squared.",
        "平均值的平方误差随客户端数的变化（双对数坐标）。随机舍入在两图中都与客户端数成反比下降；四舍五入只在各客户端的值不同时下降；"
        "向下取整在两图中都降不到步长平方的四分之一以下。",
    )
    return Still(figure, alt)


def magnitudes(x, fractions=(0.001, 0.01, 0.1)) -> Still:
    """The magnitudes of x, largest first, and how much of its energy the largest hold. x: float [n]."""
    figure, axes = new_figure(2, height=3.4)
    falling = np.sort(np.abs(np.ravel(x)).astype(np.float64))[::-1]
    energy = np.cumsum(falling**2) / np.sum(falling**2)
    share = np.arange(1, falling.size + 1) / falling.size
    with matplotlib.rc_context(STYLE):
        axes[0].loglog(share, np.where(falling > 0, falling, np.nan), color=EXACT)
        axes[1].semilogx(share, energy, color=EXACT)
        for fraction in fractions:
            place = int(np.ceil(fraction * falling.size)) - 1
            axes[0].plot(fraction, falling[place], "o", color=LOSSY)
            axes[1].plot(fraction, energy[place], "o", color=LOSSY)
            axes[1].annotate(
                f"{100 * energy[place]:.0f} %",
                (fraction, energy[place]),
                (6, -11),
                textcoords="offset points",
                color=LOSSY,
            )
        for ax in axes:
            ax.set_xlabel(say("fraction of the weights, largest first", "权重的比例（按绝对值从大到小）"))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes[0].set_title(say("|x| at the threshold", "阈值处的 |x|"))
        axes[1].set_title(say("share of the energy that they hold", "它们在总能量中的占比"))
        percent_axis(axes[1].yaxis)
    alt = say(
        "Left: the sorted magnitudes of a client's delta fall steeply. Right: "
        + ", ".join(f"the largest {100 * f:g} % hold {100 * energy[int(np.ceil(f * falling.size)) - 1]:.0f} %" for f in fractions)
        + " of the energy.",
        "左：一个客户端的模型增量，各分量的绝对值从大到小排列，下降很快。右："
        + "，".join(f"最大的 {100 * f:g} % 占能量的 {100 * energy[int(np.ceil(f * falling.size)) - 1]:.0f} %" for f in fractions)
        + "。",
    )
    return Still(figure, alt)
