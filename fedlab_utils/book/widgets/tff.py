"""TensorFlow Federated with as many bits as the reader chooses: a real training of TFF, off the main thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import zip_longest
from typing import NamedTuple

import ipywidgets as w
import numpy as np

from ...data import load_client_delta, load_mnist, partition_iid
from ...engines import tff
from ...language import say
from ..colours import EARLIER, EXACT, LOSSY, UPLINK
from ..exercises.asking import Prediction
from ..plotting import (
    Still,
    name_drawn,
    new_figure,
    percent_axis,
    plain_log_axis,
    quick,
    styled,
    whole_numbers,
)
from .base import CONTROL, LABEL
from .training import TrainingApp, waiting
from .units import in_formula

BITS = (2, 4, 8, 16)
ROUNDS = 10
ASKED = 2  # the bits of the question


class TffRun(NamedTuple):
    """One training so far. accuracy: one entry a round; message_bytes: what one client sends in one round."""

    bits: int
    accuracy: list[float]
    message_bytes: int


@cache
def message_bytes(bits: int) -> int:
    """Bytes of the tensors that a client hands to TFF: they depend on the bits, not on the values."""
    return tff.n_bytes(tff.sent_tensors(tff.quantized(bits), load_client_delta()))


@cache
def exact() -> np.ndarray:
    """Accuracy by round without quantization, of the seed that the app uses, from data/results/tff_quantized.csv."""
    return tff.curves(tff.load_table("tff_quantized"), "float32")[0]


class BitsPicture:
    """Accuracy against rounds, and against megabytes sent up; float32 broad, earlier runs grey."""

    def __init__(self):
        self.guess: float | None = None
        self.earlier: list[TffRun] = []
        self.figure, (self.rounds, self.bytes) = new_figure(2, width=10.2, height=3.8, width_ratios=(1, 1.15))
        with styled():
            numbers, dense = np.arange(1, ROUNDS + 1), 4 * 101_770 * tff.COHORT / 1e6
            broad = {"color": EXACT, "lw": 6, "alpha": 0.6}
            (exact_rounds,) = self.rounds.plot(numbers, exact(), label="float32", **broad)
            (exact_bytes,) = self.bytes.plot(numbers * dense, exact(), label="float32", **broad)
            self._grey = [(self.rounds.plot([], [], color=EARLIER, lw=1.2)[0],
                           self.bytes.plot([], [], color=EARLIER, lw=1.2)[0]) for _ in range(8)]  # fmt: skip
            (self._accuracy,) = self.rounds.plot([], [], "o-", color=LOSSY, ms=4, lw=2, label=say("quantized", "量化"))
            (self._uplink,) = self.bytes.plot([], [], "o-", color=UPLINK, ms=4, lw=2, label=say("uplink", "上行"))
            self._guess = self.rounds.axhline(0.9, color=EXACT, lw=1, ls="--", visible=False)
            self._guess_text = self.rounds.text(5, 0, say("your guess", "你的猜测"), fontsize=8, va="bottom", visible=False)
            for ax in (self.rounds, self.bytes):
                ax.set_ylim(0.8, 0.95)
                percent_axis(ax.yaxis)
            self.rounds.set(xlabel=say("round", "轮次"), ylabel=say("test accuracy", "测试准确率"), xlim=(0.5, ROUNDS + 0.5))
            self.bytes.set(xscale="log", xlim=(0.2, 60), xlabel=say("megabytes sent up since the start", "累计上行字节数（MB）"))
            whole_numbers(self.rounds.xaxis)
            plain_log_axis(self.bytes.xaxis)
            quick(self.figure)
            self.rounds.set_title(say("Accuracy", "准确率"))  # the layout is made once, and leaves room for titles
            self.bytes.set_title(say("Uplink", "上行"))
            self._grey[0][0].set_label(say("earlier", "先前"))
            self._grey[0][1].set_label(say("earlier", "先前"))
            self._named = [(exact_rounds, self._accuracy, self._grey[0][0]), (exact_bytes, self._uplink, self._grey[0][1])]
            self._legends = [
                self.rounds.legend(handles=self._named[0], loc="center right"),
                self.bytes.legend(handles=self._named[1], loc="upper left"),
            ]

    def keep(self, run: TffRun) -> None:
        """Leave a run on the picture, in grey."""
        self.earlier.append(run)

    def draw(self, run: TffRun | None) -> None:
        for lines, before in zip_longest(self._grey, self.earlier[-len(self._grey) :]):
            self._put(lines, before)
        self._put((self._accuracy, self._uplink), run)
        for legend, artists in zip(self._legends, self._named, strict=True):
            name_drawn(legend, artists)
        if run is not None and run.accuracy:
            up = run.message_bytes * tff.COHORT * len(run.accuracy) / 1e6
            bits, last = run.bits, 100 * run.accuracy[-1]
            self.rounds.title.set_text(say(f"{bits} bits: {last:.1f} %", f"{bits} 位：{last:.1f}%"))
            self.bytes.title.set_text(say(f"up {up:.3g} MB", f"上行 {up:.3g} MB"))
        if self.guess:
            low = min(0.8, self.guess / 100 - 0.02)
            for ax in (self.rounds, self.bytes):
                ax.set_ylim(low, max(0.95, self.guess / 100 + 0.01))
            self._guess.set(ydata=[self.guess / 100] * 2, visible=True)
            self._guess_text.set(y=self.guess / 100, visible=True)

    @staticmethod
    def _put(lines, run: TffRun | None) -> None:
        accuracy = np.array(run.accuracy if run is not None else [])
        numbers = np.arange(1, accuracy.size + 1)
        lines[0].set_data(numbers, accuracy)
        lines[1].set_data(numbers * (run.message_bytes * tff.COHORT / 1e6 if run is not None else 0), accuracy)

    def alt(self, run: TffRun | None) -> str:
        if run is None or not run.accuracy:
            return say("TFF without quantization; no quantized run yet.", "TFF 不量化的曲线；还没有量化的运行。")
        rounds, last = len(run.accuracy), 100 * run.accuracy[-1]
        up = run.message_bytes * tff.COHORT * rounds / 1e6
        return say(
            f"TFF with {run.bits} bits: accuracy {last:.1f} % after {rounds} rounds, {up:.3g} MB sent up.",
            f"TFF，{run.bits} 位：{rounds} 轮后准确率 {last:.1f}%，上行 {up:.3g} MB。",
        )


class BitsApp(TrainingApp):
    """The app; see `TrainingApp`."""

    def __init__(self, predict: bool = True):
        _, federated = tff.modules()
        # TFF keeps its runtime by thread; the training, in a thread of its own, uses the one of the notebook.
        stack = federated.framework.get_context_stack()
        context = stack.current
        self._data = load_mnist()
        self._clients = partition_iid(self._data.y_train, n_clients=100, seed=0)
        self.bits = w.SelectionSlider(
            options=[(str(b), b) for b in BITS], value=8, continuous_update=False, description=say("bits", "量化位数"),
            style=LABEL, layout=CONTROL,
        )  # fmt: skip
        question = self._question() if predict else None
        self.frame({"bits": self.bits}, BitsPicture(), question, around=lambda: stack.install(context))
        self.lay_out({"codec": ("bits",)})
        self.show(None)

    def _question(self) -> Prediction:
        text = say(
            "TFF with 2 bits a weight, no memory of what was not sent: accuracy, in percent, after ten rounds? (float32: 93.)",
            "TFF 每个权重只用 2 位，也没有残差：十轮后准确率是百分之几？（float32 是 93。）",
        )
        what = say(f"{ASKED} bits; {ROUNDS} rounds", f"{ASKED} 位；{ROUNDS} 轮")
        return Prediction(text, lambda guess: waiting(guess, what), ASKED, name="widgets.tff_bits")

    def to_question(self) -> None:
        self.bits.value = ASKED

    def parameters(self) -> int:
        return self.bits.value

    def rounds_of(self, bits: int) -> int:
        return ROUNDS

    def train(self, bits: int, on_round: Callable[[TffRun], bool | None]) -> TffRun:
        run = TffRun(bits, [], message_bytes(bits))

        def note(training: tff.Training) -> bool:
            run.accuracy.append(training.accuracy[-1])
            return on_round(run._replace(accuracy=list(run.accuracy))) is not False

        tff.train(tff.quantized(bits), self._data, self._clients, rounds=ROUNDS, on_round=note)
        return run

    def rounds_done(self, run: TffRun) -> int:
        return len(run.accuracy)

    def percent(self, run: TffRun) -> float:
        return 100 * run.accuracy[-1]

    def formula(self, run: TffRun | None) -> str:
        return formula(self.bits.value if run is None else run.bits)


def formula(bits: int) -> str:
    words = -(-100_352 * bits // tff.USED_BITS)
    size = in_formula(4 * words + 5672)
    line = rf"\left\lceil\frac{{100{{,}}352\cdot {bits}}}{{28}}\right\rceil\cdot 4+1{{,}}418\cdot 4={size}"
    text = say("bytes a message, and 12 of range and number of samples", "字节/消息，另有 12 字节（取值范围和样本数）")
    return rf"$${line}\ \text{{{text}}}$$"


def tff_bits(predict: bool = True) -> BitsApp:
    """The app. predict: ask for a guess before the controls unlock."""
    return BitsApp(predict)


def tff_bits_still(*runs: TffRun) -> Still:
    """The app's picture for readers without a kernel: the last of these runs, with the others grey."""
    picture = BitsPicture()
    picture.earlier = list(runs[:-1])
    picture.draw(runs[-1])
    return Still(picture.figure, picture.alt(runs[-1]))
