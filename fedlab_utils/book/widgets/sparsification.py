"""Sparsification explorer (document, 3.1.2 and 4.2): k; which weights survive, how much energy they hold, what they cost."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import ipywidgets as w
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter

from ...codecs import Quantize, TopK
from ...codecs.supports import encode_cheapest
from ...data import load_client_delta
from ...language import percent_sign, say
from ...sparsification import top_k
from ...theory import log2_binomial
from ..colours import BLANK, EARLIER, EXACT, GUIDE, LOSSY, PAPER, SIGNS
from ..exercises.asking import Prediction, compare
from ..plotting import Still, name_drawn, new_figure, quick, styled
from .base import CONTROL, LABEL, Explorer
from .units import in_formula

# 0.1 % … 100 %, ten stops a decade.
FRACTIONS = tuple(float(f"{10 ** (power / 10):.2g}") for power in range(-30, 1))
HIDDEN = (784, 128)  # the kernel of the hidden layer: the first 784 * 128 weights
TILES = (8, 16)  # its 128 units, each a picture of 28×28 input weights
DROPPED, NEVER = 0.0, 2.0  # what a pixel of the picture may be besides a sign


class SparsificationData(NamedTuple):
    """signs: float [8 * 29 - 1, 16 * 29 - 1], the picture; kept, bytes and energy of this k."""

    k: float
    kept: int
    n: int
    kept_hidden: int
    signs: np.ndarray
    energy: float
    support_bytes: int
    bound_bytes: float
    bytes_float32: int
    bytes_8bit: int


class Curves(NamedTuple):
    """Over FRACTIONS: payload bytes with float32 and with 8-bit values, and the share of the energy kept."""

    bytes_float32: np.ndarray
    bytes_8bit: np.ndarray
    energy: np.ndarray


@lru_cache(maxsize=64)
def compute(k: float) -> SparsificationData:
    """Really select and encode: top-k of the client's delta. k: a fraction in (0, 1]."""
    x = load_client_delta()
    s = top_k(x, k)
    signs = np.zeros(x.size)
    signs[s.indices] = np.sign(s.values)
    hidden = signs[: HIDDEN[0] * HIDDEN[1]].reshape(HIDDEN)
    energy = float(np.sum(s.values.astype(np.float64) ** 2) / np.sum(x.astype(np.float64) ** 2))
    return SparsificationData(
        k, s.indices.size, x.size, int((s.indices < hidden.size).sum()), _mosaic(hidden), energy,
        len(encode_cheapest(s.indices, x.size)[1]), log2_binomial(x.size, s.indices.size) / 8,
        len(TopK(k).encode(x)), len((TopK(k) | Quantize(8)).encode(x)),
    )  # fmt: skip


def _mosaic(hidden: np.ndarray) -> np.ndarray:
    """Signs [784, 128] → one picture of 8 × 16 tiles of 28×28, a line of NEVER between them."""
    rows, columns = TILES
    tiles = hidden.T.reshape(rows, columns, 28, 28)
    framed = np.full((rows, columns, 29, 29), NEVER)
    framed[:, :, :28, :28] = tiles
    return framed.transpose(0, 2, 1, 3).reshape(rows * 29, columns * 29)[:-1, :-1]


@lru_cache(maxsize=1)
def curves() -> Curves:
    points = [compute(k) for k in FRACTIONS]
    return Curves(*(np.array([getattr(p, name) for p in points]) for name in Curves._fields))


class SparsificationPicture:
    """Left: the survivors among the 784×128 weights. Right: bytes of the payload, and energy kept, against k."""

    def __init__(self):
        self.guess: float | None = None
        self.figure, (self.mosaic, self.cost) = new_figure(2, width=10.2, height=3.8, width_ratios=(1.55, 1))
        all_k = curves()
        with styled():
            colours = LinearSegmentedColormap.from_list("signs", SIGNS).with_extremes(over=BLANK)
            blank = np.zeros((TILES[0] * 29 - 1, TILES[1] * 29 - 1))
            self._image = self.mosaic.imshow(blank, cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
            self.mosaic.set(xticks=[], yticks=[])
            self.mosaic.spines[:].set_visible(False)
            self.mosaic.set_xlabel(
                say("a tile: the 28×28 input weights of one hidden unit · brown grows, violet shrinks",
                    "每一小块：一个隐藏单元的 28×28 个输入权重 · 褐色表示增大，紫色表示减小"), fontsize=9
            )  # fmt: skip
            float_label, eight_label = say("float32 values", "数值用 float32"), say("8-bit values", "数值用 8 位")
            curves_of = [
                self.cost.loglog(FRACTIONS, sizes / 1000, color=colour, label=label)[0]
                for sizes, colour, label in ((all_k.bytes_float32, EXACT, float_label), (all_k.bytes_8bit, LOSSY, eight_label))
            ]
            self.cost.axhline(4 * compute(1.0).n / 1000, color=EXACT, lw=1, ls=":")
            self.cost.text(0.0011, 440, say("dense float32", "稠密 float32"), fontsize=8, color=EXACT)
            (self._ghost,) = self.cost.plot([], [], "o", color=EARLIER, ms=7, ls="none", label=say("earlier", "先前"))
            (self._dot,) = self.cost.plot([], [], "o", color=EXACT, ms=8)
            (self._dot_8bit,) = self.cost.plot([], [], "o", color=LOSSY, ms=8)
            (self._guess,) = self.cost.plot(
                [], [], "D", ms=8, mfc="none", mec=EXACT, ls="none", label=say("your guess", "你的猜测")
            )
            self._line = self.cost.axvline(1, color=GUIDE, lw=0.8)
            self.cost.set(xlim=(0.0009, 1.2), ylim=(0.2, 700), xlabel=say("fraction kept k", "保留比例 k"))
            self.cost.set_ylabel(say("payload (kB)", "消息大小（kB）"))
            self.cost.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}{percent_sign()}"))
            self.cost.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            self._named = (self._guess, self._ghost, *curves_of)
            ground = {"frameon": True, "facecolor": PAPER, "edgecolor": PAPER, "framealpha": 1}  # the line at k goes behind
            self._legend = self.cost.legend(handles=self._named, loc="lower right", **ground)
            quick(self.figure)
        self._previous: SparsificationData | None = None

    def draw(self, data: SparsificationData) -> None:
        if self._previous is not None and self._previous.k != data.k:
            self._ghost.set_data([self._previous.k], [self._previous.bytes_8bit / 1000])
        self._previous = data
        self._image.set_data(data.signs)
        share = 100 * data.kept_hidden / (HIDDEN[0] * HIDDEN[1])
        self.mosaic.title.set_text(
            say(
                f"{data.kept_hidden:,} of 100,352 weights survive ({share:.3g} %)",
                f"100,352 个权重中留下 {data.kept_hidden:,} 个（{share:.3g}%）",
            )
        )
        self._dot.set_data([data.k], [data.bytes_float32 / 1000])
        self._dot_8bit.set_data([data.k], [data.bytes_8bit / 1000])
        self._line.set_xdata([data.k, data.k])
        if self.guess:
            self._guess.set_data([0.01], [4 * data.n / 1000 / self.guess])
        name_drawn(self._legend, self._named)
        factor = 4 * data.n / data.bytes_8bit
        self.cost.title.set_text(
            say(f"{100 * data.energy:.0f} % of the energy, 1/{factor:.0f} of the bytes",
                f"保住 {100 * data.energy:.0f}% 的能量，字节数降到 1/{factor:.0f}")
        )  # fmt: skip

    def alt(self, data: SparsificationData) -> str:
        return say(
            f"Top {100 * data.k:g} %: {data.kept:,} of {data.n:,} weights kept, drawn as 128 tiles of 28 by 28 pixels; "
            f"they cluster in the middle of the image. {data.bytes_8bit:,} bytes with 8-bit values, "
            f"{100 * data.energy:.0f} % of the energy.",
            f"保留最大的 {100 * data.k:g}%：{data.n:,} 个权重中留下 {data.kept:,} 个，画成 128 块 28×28 的小图，集中在图像中部。"
            f"数值用 8 位时共 {data.bytes_8bit:,} 字节，保住能量的 {100 * data.energy:.0f}%。",
        )


def formula(data: SparsificationData) -> str:
    count = rf"k\cdot n=\lceil {data.k:g}\cdot {in_formula(data.n)}\rceil={in_formula(data.kept)}"
    words = say("bytes for the places, at best on a random support", "字节用于记录位置；位置随机时，下限为")
    bound = rf"\tfrac18\log_2\binom{{{in_formula(data.n)}}}{{{in_formula(data.kept)}}}={in_formula(round(data.bound_bytes))}"
    return f"$${count}$$ {data.support_bytes:,} {words} ${bound}$"


def sparsification_explorer(predict: bool = True) -> Explorer:
    """The app. predict: ask for a guess before the slider unlocks."""
    controls = {
        "k": w.SelectionSlider(
            options=[(f"{100 * k:g}{percent_sign()}", k) for k in FRACTIONS],
            value=0.1,
            description=say("keep k", "保留 k"),
            layout=CONTROL,
            style=LABEL,
        )
    }
    question = None
    if predict:
        data = compute(0.01)
        text = say(
            "Keep 1 % of the weights, 8 bits each. How many times fewer bytes than float32?",
            "保留 1% 的权重，每个用 8 位。不压缩（float32）的字节数是它的多少倍？",
        )
        truth = 4 * data.n / data.bytes_8bit
        question = Prediction(text, lambda guess: compare(guess, truth, say("", " 倍")), name="widgets.sparsification_explorer")
    return Explorer(controls, compute, SparsificationPicture(), formula, {"codec": ("k",)}, question)


def sparsification_still(k: float = 0.01) -> Still:
    """The app's picture for readers without a kernel."""
    picture, data = SparsificationPicture(), compute(k)
    picture.draw(data)
    return Still(picture.figure, picture.alt(data))
