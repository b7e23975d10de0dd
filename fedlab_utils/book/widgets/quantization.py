"""Quantization explorer (document, 3.1.1 and 4.1): bits and rounding; staircase, levels, error, bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import ipywidgets as w
import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ...codecs import Quantize, decode
from ...codecs.uniform import RANGES
from ...data import DELTA_SHAPES, load_client_delta
from ...language import say
from ...layout import unflatten
from ...quantization import ROUNDINGS, dequantize, quantize
from ...theory import bits_per_weight, nmse
from ..colours import EARLIER, EXACT, LOSSY
from ..exercises.asking import Prediction, compare
from ..plotting import (
    Still,
    name_drawn,
    new_figure,
    plain_log_axis,
    quick,
    ranges_name,
    rounding_name,
    styled,
)
from .base import CONTROL, LABEL, Explorer
from .units import in_formula

SEED = 0
BITS = range(1, 17)
SOURCES = ("delta", "gaussian")
HISTOGRAM_BINS = 120


class QuantizationData(NamedTuple):
    """What the picture shows. lo, hi: the range of all, or with ranges="array" of the hidden layer's kernel, whose staircase
    is stair_x, stair_y. centres, exact, lossy: histogram of all values [HISTOGRAM_BINS]."""

    source: str
    bits: int
    rounding: str
    ranges: str
    lo: float
    hi: float
    n: int
    payload_bytes: int
    bits_per_weight: float
    nmse: float
    levels_used: int
    centres: np.ndarray
    exact: np.ndarray
    lossy: np.ndarray
    stair_x: np.ndarray
    stair_y: np.ndarray


@lru_cache(maxsize=2)
def _vector(source: str) -> np.ndarray:
    delta = load_client_delta()
    if source == "delta":
        return delta
    return np.random.default_rng(SEED).normal(0, delta.std(), delta.size).astype(np.float32)


@lru_cache(maxsize=128)
def compute(source: str, bits: int, rounding: str, ranges: str = "model") -> QuantizationData:
    """Really encode and decode the vector. source: "delta" (a client's, 101,770 weights) or "gaussian"."""
    x = _vector(source)
    arrays = unflatten(x, DELTA_SHAPES)
    payload = Quantize(bits, rounding, ranges=ranges).encode(arrays, np.random.default_rng(SEED))
    x_hat = decode(payload)
    edges = np.linspace(x.min(), x.max(), HISTOGRAM_BINS + 1)
    ranged = arrays[0] if ranges == "array" else x
    lo, hi = float(ranged.min()), float(ranged.max())
    # A window of eight steps around zero shows the stairs also where there are thousands.
    half = min(hi - lo, 8 * (hi - lo) / (2**bits - 1)) / 2
    middle = min(max(0.0, lo + half), hi - half)
    stair_x = np.linspace(middle - half, middle + half, 801)
    stair_y = dequantize(quantize(stair_x, bits, rounding, lo, hi, np.random.default_rng(SEED)))
    return QuantizationData(
        source, bits, rounding, ranges, lo, hi, x.size, len(payload), bits_per_weight(payload, x.size), nmse(x, x_hat),
        np.unique(x_hat).size, (edges[1:] + edges[:-1]) / 2, np.histogram(x, edges)[0], np.histogram(x_hat, edges)[0],
        stair_x, stair_y,
    )  # fmt: skip


class QuantizationPicture:
    """Three panels: the values before and after, the staircase, and error against bytes with the places visited."""

    def __init__(self):
        self.guess: float | None = None
        self._visited: dict[tuple, tuple[float, float]] = {}
        self.figure, (self.values, self.stairs, self.trade) = new_figure(3, width=10.2, height=3.5)
        with styled():
            (self._exact,) = self.values.step([0], [1], where="mid", color=EXACT, lw=1.2, label=say("before", "量化前"))
            (self._lossy,) = self.values.step([0], [1], where="mid", color=LOSSY, lw=1.2, label=say("after", "量化后"))
            self.values.set(yscale="log", xlabel=say("value", "数值"), ylabel=say("weights", "权重个数"))
            self.values.legend(loc="upper right")
            (self._diagonal,) = self.stairs.plot([0], [0], color=EXACT, lw=1, ls=":")
            (self._stair,) = self.stairs.plot([0], [0], color=LOSSY, lw=2)
            self.stairs.set(xlabel=say("before", "量化前"), ylabel=say("after", "量化后"))
            for axis in (self.stairs.xaxis, self.stairs.yaxis):
                axis.set_major_locator(MaxNLocator(4))
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}".replace("-", "−")))
            self._trail = self.trade.scatter([1], [1], s=16, color=EARLIER, label=say("earlier", "先前"))
            (self._here,) = self.trade.plot([1], [1], "o", ms=9, color=LOSSY, ls="none", label=say("at these bits", "当前位数"))
            (self._guess,) = self.trade.plot(
                [], [], "D", ms=8, mfc="none", mec=EXACT, ls="none", label=say("your guess", "你的猜测")
            )
            self.trade.set(xscale="log", yscale="log", xlim=(9, 480), ylim=(1e-10, 1e4))
            self.trade.set_xlabel(say("payload (kB)", "消息大小（kB）"))
            self.trade.set_ylabel("NMSE")
            self.trade.axvline(407.08, color=EXACT, lw=1, ls=":")
            self.trade.text(395, 3e-10, "float32", rotation=90, ha="right", va="bottom", fontsize=8, color=EXACT)
            self.trade.axhline(1, color=EXACT, lw=1, ls=":")
            nothing = say("worse than sending nothing", "比什么都不发还差")
            self.trade.text(370, 3, nothing, ha="right", va="bottom", fontsize=8, color=EXACT)
            plain_log_axis(self.trade.xaxis)
            self._named = (self._here, self._trail, self._guess)
            self._legend = self.trade.legend(handles=self._named, loc="lower left")
            quick(self.figure)

    def draw(self, data: QuantizationData) -> None:
        here = (data.payload_bytes / 1000, data.nmse)
        earlier = [p for key, p in self._visited.items() if key != data[:4]]
        self._visited[data[:4]] = here
        self._exact.set_data(data.centres, np.maximum(data.exact, 0.5))
        self._lossy.set_data(data.centres, np.maximum(data.lossy, 0.5))
        self.values.set_xlim(data.centres[0] * 1.05, data.centres[-1] * 1.05)
        self.values.set_ylim(0.5, data.n * 2)
        self.values.title.set_text(say(f"{data.levels_used:,} levels in use", f"用到 {data.levels_used:,} 个量化级"))
        hidden = say(" of the hidden layer", "（隐藏层）") if data.ranges == "array" else ""
        self.stairs.title.set_text(say(f"The staircase{hidden} near zero", f"零附近的阶梯{hidden}"))
        self._diagonal.set_data(data.stair_x[[0, -1]], data.stair_x[[0, -1]])
        self._stair.set_data(data.stair_x, data.stair_y)
        self.stairs.set_xlim(data.stair_x[0], data.stair_x[-1])
        margin = 0.6 * (data.hi - data.lo) / (2**data.bits - 1)
        self.stairs.set_ylim(data.stair_x[0] - margin, data.stair_x[-1] + margin)
        self._trail.set_offsets(earlier if earlier else np.empty((0, 2)))
        self._here.set_data([here[0]], [here[1]])
        if self.guess:
            self._guess.set_data(
                [compute("delta", 4, "floor").payload_bytes / 1000], [self.guess * compute("delta", 8, "floor").nmse]
            )
        name_drawn(self._legend, self._named)
        factor = 4 * data.n / data.payload_bytes
        self.trade.title.set_text(
            say(f"1/{factor:.2f} of the bytes, NMSE {data.nmse:.2g}", f"字节数降到 1/{factor:.2f}，NMSE {data.nmse:.2g}")
        )

    def alt(self, data: QuantizationData) -> str:
        ranged = say(", a range for each array", "，每个数组一个范围") if data.ranges == "array" else ""
        return say(
            f"Quantization to {data.bits} bits, {data.rounding}{ranged}: histogram of the values before and after, the "
            f"staircase near zero, and error against bytes. {data.payload_bytes:,} bytes, NMSE {data.nmse:.3g}.",
            f"{data.bits} 位量化，{rounding_name(data.rounding)}{ranged}：数值在量化前后的直方图、零附近的阶梯、误差与字节数。"
            f"{data.payload_bytes:,} 字节，NMSE {data.nmse:.3g}。",
        )


def formula(data: QuantizationData) -> str:
    step = (data.hi - data.lo) / (2**data.bits - 1)
    bracket = {
        "floor": (r"\lfloor", r"\rfloor"),
        "nearest": (r"\mathrm{round}(", ")"),
        "stochastic": (r"\lfloor", r"+u\rfloor"),
    }
    left, right = bracket[data.rounding]
    levels = rf"Q(x)={left}\frac{{x-({data.lo:.4f})}}{{{data.hi:.4f}-({data.lo:.4f})}}\cdot(2^{{{data.bits}}}-1){right}"
    count = rf"\frac{{8\cdot{in_formula(data.payload_bytes)}}}{{{in_formula(data.n)}}}={data.bits_per_weight:.4f}"
    whose = say("\\quad(\\text{hidden layer})", "\\quad(\\text{隐藏层})") if data.ranges == "array" else ""
    words = say("bits per weight, everything counted", "位/权重（头部等全部计入）")
    return rf"$${levels},\qquad\Delta={step:.3g}{whose}$$ $${count}\ \text{{{words}}}$$"


def quantization_explorer(predict: bool = True) -> Explorer:
    """The app. predict: ask for a guess before the controls unlock."""
    names = {"delta": say("a client's delta", "客户端的增量"), "gaussian": say("Gaussian numbers", "高斯随机数")}
    controls = {
        "source": w.Dropdown(
            options=[(names[s], s) for s in SOURCES], description=say("data", "数据"), layout=CONTROL, style=LABEL
        ),
        "bits": w.IntSlider(8, BITS[0], BITS[-1], description=say("bits", "量化位数"), layout=CONTROL, style=LABEL),
        "rounding": w.Dropdown(
            options=[(rounding_name(r), r) for r in ROUNDINGS],
            description=say("rounding", "舍入方式"),
            layout=CONTROL,
            style=LABEL,
        ),
        "ranges": w.Dropdown(
            options=[(ranges_name(r), r) for r in RANGES], description=say("one range", "范围"), layout=CONTROL, style=LABEL
        ),
    }
    question = None
    if predict:
        truth = compute("delta", 4, "floor").nmse / compute("delta", 8, "floor").nmse
        text = say(
            "From 8 bits to 4 (floor), the message halves. By what factor does the squared error grow?",
            "从 8 位降到 4 位（向下取整），消息缩短一半。平方误差会变成原来的多少倍？",
        )
        question = Prediction(text, lambda guess: compare(guess, truth, say("", " 倍")), name="widgets.quantization_explorer")
    groups = {"data": ("source",), "codec": ("bits", "rounding", "ranges")}
    return Explorer(controls, compute, QuantizationPicture(), formula, groups, question)


def quantization_still(source: str = "delta", bits: int = 4, rounding: str = "floor") -> Still:
    """The app's picture for readers without a kernel, with the other bit widths as a grey trail."""
    picture = QuantizationPicture()
    for other in BITS:
        picture.draw(compute(source, other, rounding))
    data = compute(source, bits, rounding)
    picture.draw(data)
    return Still(picture.figure, picture.alt(data))
