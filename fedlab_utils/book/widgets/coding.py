"""Coding explorer (4.3): the same levels, told with more and more of what is known; bits sent beside the conditional entropy."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import ipywidgets as w
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import PowerNorm

from ...codecs import MODELS, Quantize, decode
from ...codecs.conditional import known
from ...counting import bincount
from ...data import load_deltas
from ...data.deltas import DELTAS as SHIPPED
from ...language import say
from ...layout import Layout, as_table, flatten, split
from ...quantization import quantize
from ...theory import bits_per_weight, nmse
from ..colours import BLANK, EARLIER, EXACT, VIOLET
from ..exercises.asking import Prediction, compare
from ..plotting import Still, name_drawn, new_figure, quick, styled
from .base import CONTROL, LABEL, Explorer
from .units import in_formula

STOPS = ("none", *MODELS)  # packed, one histogram, a histogram an array, by context
DELTAS = ("document", *SHIPPED)
BITS = (6, 8)
TILES, PIXELS = 4, 28  # hidden units on a side of the picture, and pixels on a side of each
SHOWN = TILES * (PIXELS + 1) - 1  # rows and columns of an array that are shown, at most


class Stop(NamedTuple):
    """One way to tell the levels. sent: bits a weight of the payload. entropy: bits a weight that the levels hold for who
    knows what is known at this stop. expected: float [rows, columns], the magnitudes expected; nan: nothing is."""

    sent: float
    entropy: float
    expected: np.ndarray


class CodingData(NamedTuple):
    """What the picture shows: a position of the controls. magnitudes: float [rows, columns], of the levels. stops: all four."""

    delta: str
    bits: int
    stop: str
    n: int
    nmse: float
    magnitudes: np.ndarray
    stops: dict[str, Stop]


def compute(delta: str, bits: int, stop: str) -> CodingData:
    """Really encode the delta at all stops. delta: of `load_deltas`. bits: of each level when packed. stop: one of STOPS."""
    return code_levels(delta, bits)._replace(stop=stop)


@lru_cache(maxsize=len(DELTAS) * len(BITS))
def code_levels(delta: str, bits: int) -> CodingData:
    """All stops of a delta, once computed: it stands at the first."""
    arrays = load_deltas()[delta]
    x, layout = flatten(arrays), Layout([array.shape for array in arrays])
    levels = quantize(x, bits, "nearest").levels.astype(np.int64)
    levels -= bincount(levels).argmax()
    magnitudes = np.abs(levels).astype(np.float64)
    largest = int(np.argmax(layout.counts))
    table = split(magnitudes, layout.counts)[largest].reshape(as_table(layout.shapes[largest]))
    units = np.sort(np.argsort(-table.sum(axis=0), kind="stable")[: TILES**2])

    def seen(values: np.ndarray) -> np.ndarray:
        kernel = split(values, layout.counts)[largest].reshape(table.shape)
        return _tiles(kernel[:, units]) if len(kernel) == PIXELS**2 else kernel[:SHOWN, :SHOWN]

    payload = Quantize(bits).encode(arrays)
    x_hat = decode(payload)
    stops = {"none": Stop(bits_per_weight(payload, x.size), bits, seen(np.full(x.size, np.nan)))}
    for model in MODELS:
        payload = Quantize(bits, entropy=True, model=model).encode(arrays)
        entropy, expected = known(levels, layout, model)
        stops[model] = Stop(bits_per_weight(payload, x.size), entropy / x.size, seen(expected))
    return CodingData(delta, bits, "none", x.size, nmse(x, x_hat), seen(magnitudes), stops)


def _tiles(kernel: np.ndarray) -> np.ndarray:
    """The weights of 16 units, [784, 16], as four by four pictures of 28×28 with lines of nan between them: [SHOWN, SHOWN]."""
    framed = np.full((TILES, TILES, PIXELS + 1, PIXELS + 1), np.nan)
    framed[:, :, :-1, :-1] = kernel.T.reshape(TILES, TILES, PIXELS, PIXELS)
    return framed.swapaxes(1, 2).reshape(SHOWN + 1, SHOWN + 1)[:-1, :-1]


def stop_name(stop: str) -> str:
    names = {"none": ("no model", "无模型"), "plain": ("one histogram", "一个直方图"), "arrays": ("by array", "逐数组"),
             "context": ("by context", "按上下文")}  # fmt: skip
    return say(*names[stop])


def _expects(stop: str) -> str:
    return {
        "none": say("nothing: all equally likely", "没有预期：各级同样可能"),
        "plain": say("the same of every weight", "对每个权重都一样"),
        "arrays": say("zero in dead rows and columns", "没动的行列为零，其余一样"),
        "context": say("of each by what stands around it", "看周围，各不相同"),
    }[stop]


class CodingPicture:
    """The magnitudes of the levels, what is expected of each, and bits sent beside the conditional entropy, stop by stop."""

    def __init__(self):
        self.guess: float | None = None
        self._seen: dict[tuple[str, int], set[str]] = {}
        self.figure, (self.levels, self.expected, self.cost) = new_figure(3, width=10.2, height=3.9, width_ratios=(1, 1, 1.5))
        with styled():
            greys = colormaps["Greys"].with_extremes(bad=BLANK)
            self._images = []
            for ax in (self.levels, self.expected):
                self._images.append(ax.imshow(np.zeros((2, 2)), cmap=greys, norm=PowerNorm(0.5, 0, 1), interpolation="nearest"))
                ax.set(xticks=[], yticks=[], xlabel="\n")
                ax.spines[:].set_visible(False)
                ax.grid(False)
                ax.set_title(say("Levels of the largest array\nthe same at every stop", "最大数组的量化级\n每一站都相同"))
            places = np.arange(len(STOPS))
            self._bars = self.cost.bar(places, 0 * places, 0.7, color=EARLIER, label=say("seen before", "先前看过"))
            self._now = self.cost.bar([0], [0], 0.7, color=VIOLET, label=say("sent at this stop", "这一站实际发送"))
            self._sent = [self.cost.text(x, 0, "", ha="center", va="bottom", fontsize=9) for x in places]
            (self._entropy,) = self.cost.plot(
                [], [], color=EXACT, lw=2, label=say("theory: (conditional) entropy", "理论：（条件）熵")
            )
            (self._guess,) = self.cost.plot(
                [], [], "D", ms=8, mfc="none", mec=EXACT, ls="none", label=say("your guess", "你的猜测")
            )
            self.cost.set(xlim=(-0.5, len(STOPS) - 0.5), ylim=(0, 9), xticks=places)
            self.cost.set_xticklabels([stop_name(stop) for stop in STOPS], fontsize=9)
            self.cost.grid(axis="x", visible=False)
            self.cost.set_ylabel(say("bits a weight", "每个权重的位数"))
            self.cost.set_title("\n")
            self._named = (self._now, self._entropy, self._bars, self._guess)
            self._legend = self.cost.legend(handles=self._named, loc="upper right")
            quick(self.figure)

    def draw(self, data: CodingData) -> None:
        seen = self._seen.setdefault((data.delta, data.bits), set())
        seen.add(data.stop)
        now = data.stops[data.stop]
        most = float(np.nanquantile(data.magnitudes, 0.98)) or 1.0
        rows, columns = data.magnitudes.shape
        for image, values in zip(self._images, (data.magnitudes, now.expected), strict=True):
            image.set_data(values)
            image.set_extent((0, columns, rows, 0))
            image.set_clim(0, most)
        for ax in (self.levels, self.expected):
            ax.set(xlim=(0, columns), ylim=(rows, 0), aspect=columns / rows)
        what = say("a tile: the weights of one unit", "一小块：一个单元的权重")
        if not np.isnan(data.magnitudes).any():
            what = say("a row: an input; a column: a unit", "一行：一个输入；一列：一个单元")
        shades = say("white: the commonest; dark: far from it", "白：最常见的级；越深：离它越远")
        self.levels.xaxis.label.set_text(f"{what}\n{shades}")
        self.expected.title.set_text(say("What the receiver expects", "接收方的预期") + f"\n{_expects(data.stop)}")
        ends: list[float] = []
        heights: list[float] = []
        for place, stop in enumerate(STOPS):
            there = data.stops[stop]
            shown = stop in seen
            self._bars[place].set_height(there.sent if shown else 0)
            self._sent[place].set_text(f"{there.sent:.2f}" if shown else "")
            self._sent[place].set_y(there.sent + 0.1)
            self._sent[place].set_color(VIOLET if stop == data.stop else EXACT)
            if shown:
                ends += [place - 0.45, place + 0.45, np.nan]
                heights += [there.entropy, there.entropy, np.nan]
        self._entropy.set_data(ends, heights)
        self._now[0].set(x=STOPS.index(data.stop) - 0.35, height=now.sent)
        if self.guess:
            self._guess.set_data([STOPS.index("context") - 0.42], [self.guess])  # beside the bar, whose number stands above it
        name_drawn(self._legend, self._named)
        earlier = len(seen) > 1  # else the one bar behind is that of this stop
        for part in (self._legend.legend_handles[2], self._legend.get_texts()[2]):
            part.set_visible(earlier)
        self.cost.title.set_text(
            say(f"sent: {now.sent:.3f} bits a weight\n{_symbol(data.stop, data.bits)} = {now.entropy:.3f}",
                f"实际发送：每个权重 {now.sent:.3f} 位\n{_symbol(data.stop, data.bits)} = {now.entropy:.3f}")
        )  # fmt: skip

    def alt(self, data: CodingData) -> str:
        now = data.stops[data.stop]
        return say(
            f"Levels of the delta {data.delta}, {data.bits} bits when packed; what is known: {stop_name(data.stop)}. Left, their "
            f"magnitudes; middle, what the receiver expects: {_expects(data.stop)}. Right: {now.sent:.3f} bits a weight are "
            f"sent, the (conditional) entropy is {now.entropy:.3f}.",
            f"增量 {data.delta} 的量化级（打包时每个 {data.bits} 位）；已知：{stop_name(data.stop)}。左：离最常见的级有多远；"
            f"中：接收方的预期，{_expects(data.stop)}。右：每个权重实际发送 {now.sent:.3f} 位，"
            f"（条件）熵为 {now.entropy:.3f} 位。",
        )


def _symbol(stop: str, bits: int) -> str:
    if stop == "none":
        return f"log$_2$ {2**bits}"
    given = {"arrays": say("array", "数组"), "context": say("context", "上下文")}
    return "H(X)" if stop == "plain" else f"H(X | {given[stop]})"


def formula(data: CodingData) -> str:
    now = data.stops[data.stop]
    size = round(now.sent * data.n / 8)
    real = rf"\frac{{8\cdot{in_formula(size)}}}{{{in_formula(data.n)}}}={now.sent:.4f}"
    what = {
        "none": rf"\log_2 2^{{{data.bits}}}",
        "plain": r"H(X)=\sum_x p(x)\log_2\tfrac{1}{p(x)}",
        "arrays": r"H(X\mid C)=\sum_c p(c)\,H(X\mid C=c)",
        "context": r"H(X\mid C)=\sum_c p(c)\,H(X\mid C=c)",
    }[data.stop]
    words = say("bits a weight, everything counted; the same values at every stop, NMSE",
                "位/权重（全部计入）；每一站还原的数值都相同，NMSE")  # fmt: skip
    return rf"$${what}={now.entropy:.4f}\ \le\ {real}$$ {words} {data.nmse:.2g}"


def coding_explorer(predict: bool = True) -> Explorer:
    """The app. predict: ask for a guess before the controls unlock."""
    names = {
        "document": say("this chapter's delta", "本章的增量"),
        "mlp": say("784-200-200-10", "784-200-200-10"),
        "cnn": say("two convolutions", "两个卷积层"),
        "embedding": say("an embedding", "词嵌入"),
        "shards": say("a client with two digits", "只有两种数字的客户端"),
    }
    controls = {
        "delta": w.Dropdown(
            options=[(names[name], name) for name in DELTAS], description=say("delta", "增量"), layout=CONTROL, style=LABEL
        ),
        "bits": w.Dropdown(
            options=[(str(b), b) for b in BITS], value=8, description=say("bits, packed", "打包位数"), layout=CONTROL, style=LABEL
        ),
        "stop": w.SelectionSlider(
            options=[(stop_name(stop), stop) for stop in STOPS], value="none", description=say("what is known", "已知什么"),
            layout=CONTROL, style=LABEL,
        ),
    }  # fmt: skip
    question = None
    if predict:
        truth = compute("document", 8, "context").stops["context"].sent
        text = say(
            "This chapter's delta in levels of 8 bits, 8 bits a weight when packed. Told by context, without losing anything: "
            "how many bits a weight are sent?",
            "本章的增量量化成 8 位的级，打包后每个权重 8 位。改为按上下文编码，什么也不丢：每个权重实际发送多少位？",
        )
        question = Prediction(text, lambda guess: compare(guess, truth, say(" bits", " 位")), name="widgets.coding_explorer")
    groups = {"data": ("delta",), "codec": ("bits", "stop")}
    return Explorer(controls, compute, CodingPicture(), formula, groups, question)


def coding_still(delta: str = "document", bits: int = 8, stop: str = "context") -> Still:
    """The app's picture for readers without a kernel, with the stops on the way in grey."""
    picture = CodingPicture()
    for earlier in STOPS[: STOPS.index(stop)]:
        picture.draw(compute(delta, bits, earlier))
    data = compute(delta, bits, stop)
    picture.draw(data)
    return Still(picture.figure, picture.alt(data))
