"""Temperature explorer (document, 3.2.2): the soft targets of one digit, as its teacher sees it."""

from __future__ import annotations

from typing import NamedTuple

import ipywidgets as w
import numpy as np
from numpy.typing import ArrayLike

from ...distillation import soften
from ...language import itemize, percent, say
from ..colours import EXACT, GUIDE, VIOLET
from ..exercises.asking import Prediction, compare, shown
from ..plotting import Still, new_figure, percent_axis, plain_log_axis, styled
from .base import CONTROL, LABEL, Explorer
from .units import in_formula

TEMPERATURES = (0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)
CURVE = np.geomspace(0.1, 20, 60)


class SoftTargets(NamedTuple):
    """One digit at one temperature. image: float [28, 28]. sharp, soft: probabilities [n_classes] at T = 1 and at T.
    bits: entropy of the soft targets. curve: entropy over CURVE."""

    digit: int
    temperature: float
    image: np.ndarray
    logits: np.ndarray
    label: int
    sharp: np.ndarray
    soft: np.ndarray
    bits: float
    curve: np.ndarray


def entropy(probabilities: ArrayLike) -> float:
    """In bits: 0 for certainty, log2(n_classes) where all classes are equal."""
    p = np.asarray(probabilities, np.float64)
    return max(0.0, float(-np.sum(p[p > 0] * np.log2(p[p > 0]))))


class Softener:
    """compute(digit, temperature) for a few digits. images: float [m, 28, 28], logits: float [m, n_classes], labels: int [m]."""

    def __init__(self, images, logits, labels):
        self.images, self.logits, self.labels = np.asarray(images), np.asarray(logits), np.asarray(labels)
        shapes = self.images.shape, self.logits.shape, self.labels.shape
        if self.images.ndim != 3 or self.logits.ndim != 2 or not len(self.images) == len(self.logits) == len(self.labels):
            raise ValueError(f"images [m, 28, 28], logits [m, n_classes] and labels [m] are needed, got {shapes}")

    def __call__(self, digit: int, temperature: float) -> SoftTargets:
        z = self.logits[digit]
        soft = soften(z, temperature)
        return SoftTargets(digit, temperature, self.images[digit], z, int(self.labels[digit]), soften(z), soft, entropy(soft),
                           np.array([entropy(soften(z, t)) for t in CURVE]))  # fmt: skip


class SoftTargetsPicture:
    """The digit; its soft targets at T = 1 (outline) and at T; how much they say, in bits, against T."""

    def __init__(self, n_classes: int = 10):
        self.guess: float | None = None
        self.figure, (self.digit, self.bars, self.bits) = new_figure(3, width=10.2, height=3.4, width_ratios=(0.8, 1.5, 1.1))
        with styled():
            self._image = self.digit.imshow(np.zeros((28, 28)), cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
            self.digit.set(xticks=[], yticks=[])
            self.digit.grid(False)
            self.digit.spines[:].set_visible(False)
            self.digit.set_title(say("label", "标签"))
            classes = np.arange(n_classes)
            self._soft = self.bars.bar(classes, classes * 0, color=VIOLET, width=0.7, label="T")
            self._sharp = self.bars.bar(classes, classes * 0, color="none", edgecolor=EXACT, width=0.7, label="T = 1")
            self.bars.set(xticks=classes, ylim=(0, 1.2), xlabel=say("class", "类别"), ylabel=say("probability", "概率"))
            percent_axis(self.bars.yaxis)
            self.bars.set_yticks(np.linspace(0, 1, 6))
            self.bars.legend(handles=[self._soft, self._sharp], loc="upper left", ncols=2)
            self.bars.set_title("T")
            (self._curve,) = self.bits.plot([], [], color=GUIDE, lw=2)
            (self._here,) = self.bits.plot([], [], "o", color=VIOLET, ms=9)
            top = np.log2(n_classes)
            self.bits.axhline(top, color=EXACT, lw=1, ls=":")
            self.bits.text(0.1, top, say("all classes equal", "各类别概率相等"), fontsize=8, va="bottom")
            self.bits.set(xscale="log", xlim=(0.08, 25), ylim=(-0.1, 3.7), xlabel=say("temperature T", "温度 T"))
            self.bits.set_ylabel(say("entropy (bits)", "熵（位）"))
            self.bits.set_xticks([0.1, 1, 4, 20])
            plain_log_axis(self.bits.xaxis)
            self.bits.set_title(say("How soft", "软化程度"))

    def draw(self, data: SoftTargets) -> None:
        self._image.set_data(data.image)
        self.digit.title.set_text(say(f"label {data.label}", f"标签 {data.label}"))
        for bars, values in ((self._soft, data.soft), (self._sharp, data.sharp)):
            for bar, value in zip(bars, values, strict=True):
                bar.set_height(value)
        first, second = np.argsort(-data.soft)[:2]
        shares = say(", ", "，").join(f"{c} ({percent(data.soft[c], 1)})" for c in (first, second))
        self.bars.title.set_text(f"T = {data.temperature:g}{say(': ', '：')}{shares}")
        self._curve.set_data(CURVE, data.curve)
        self._here.set_data([data.temperature], [data.bits])
        self.bits.title.set_text(say(f"entropy {data.bits:.2f} bits", f"熵 {data.bits:.2f} 位"))

    def alt(self, data: SoftTargets) -> str:
        order = np.argsort(-data.soft)[:3]
        shares = itemize((c, percent(data.soft[c], 1)) for c in order)
        return say(
            f"A handwritten {data.label} and its soft targets at temperature {data.temperature:g}; the three largest are "
            f"{shares}. Their entropy is {data.bits:.2f} bits.",
            f"一个手写的 {data.label}，以及温度为 {data.temperature:g} 时的软目标；最大的三项是 {shares}。"
            f"熵为 {data.bits:.2f} 位。",
        )


def formula(data: SoftTargets) -> str:
    first, second = (int(c) for c in np.argsort(-data.logits)[:2])
    z, t = data.logits, data.temperature
    gap = float(z[first] - z[second])
    quotient = rf"\frac{{p_{{{first}}}}}{{p_{{{second}}}}}=e^{{(z_{{{first}}}-z_{{{second}}})/T}}=e^{{{gap:.2f}/{t:g}}}"
    ratio = in_formula(np.exp(min(gap / t, 200)), 4, most=1e6)
    return rf"$$p_i=\frac{{e^{{z_i/T}}}}{{\sum_j e^{{z_j/T}}}},\qquad {quotient}={ratio}$$"


def distillation_explorer(images: ArrayLike, logits: ArrayLike, labels: ArrayLike, predict: bool = True) -> Explorer:
    """The app, for a few digits and their teacher's logits (see `Softener`); it trains nothing."""
    softener = Softener(images, logits, labels)
    options = [(say(f"no. {i + 1}, label {label}", f"第 {i + 1} 个，标签 {label}"), i) for i, label in enumerate(softener.labels)]
    controls = {
        "digit": w.Dropdown(options=options, description=say("digit", "数字"), layout=CONTROL, style=LABEL),
        "temperature": w.SelectionSlider(
            options=[(f"{t:g}", t) for t in TEMPERATURES], value=1.0, description=say("temperature", "温度"),
            layout=CONTROL, style=LABEL,
        ),
    }  # fmt: skip
    question = None
    if predict:
        asked = len(softener.labels) - 1  # of the others the chapter has shown how soft they are
        first, second = np.sort(softener(asked, 1.0).sharp)[::-1][:2]
        truth = float(np.divide(*np.sort(softener(asked, 4.0).soft)[::-1][:2]))
        times, label = shown(float(first / second)), softener.labels[asked]
        text = say(
            f"Of digit no. {asked + 1}, a {label}, the teacher says at T = 1: the first guess is {times} times as likely as the "
            "second. How many times at T = 4?",
            f"第 {asked + 1} 个数字（标签 {label}）：T = 1 时，教师认为第一候选的概率是第二候选的 {times} 倍。T = 4 时是多少倍？",
        )
        name = "widgets.distillation_explorer"
        question = Prediction(text, lambda guess: compare(guess, truth, say(" times", " 倍")), name=name)
        question.on_answer(lambda guess: setattr(controls["digit"], "value", asked))
    groups = {"data": ("digit",), "training": ("temperature",)}
    return Explorer(controls, softener, SoftTargetsPicture(softener.logits.shape[1]), formula, groups, question)


def distillation_still(
    images: ArrayLike, logits: ArrayLike, labels: ArrayLike, digit: int = 0, temperature: float = 4.0
) -> Still:
    """The app's picture for readers without a kernel."""
    softener = Softener(images, logits, labels)
    picture, data = SoftTargetsPicture(softener.logits.shape[1]), softener(digit, temperature)
    picture.draw(data)
    return Still(picture.figure, picture.alt(data))
