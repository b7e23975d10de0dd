"""The lab with every knob (chapter 6): the live lab with a codec of the reader's own, first models, drop-outs, momentum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ...language import percent_sign, say
from ...measuring.names import codec_named
from ..colours import EXACT, TOTAL
from ..exercises.asking import Prediction
from ..plotting import DRAWING, Still
from .base import CONTROL, LABEL, refusal_box
from .lab import LiveLab, slider
from .lab import formula as formula_of_the_lab
from .lab_picture import LabPicture, complete, ends_of
from .lab_training import (
    FIRST_MODELS,
    MOMENTA,
    NO_ANSWERS,
    RATES,
    LabParameters,
    Run,
    describe,
)
from .stages import CodecControls
from .training import waiting
from .units import in_formula

START = LabParameters(codec="TopK(0.01) | Quantize(8)", downlink="uplink")
ASKED = START
SPENT_ON_CODEC = ("k", "bits", "rounding", "ranges")  # controls of the lab of chapter 4 that the codec's own replace


class Shares(MaxNLocator):
    """Ticks up to 100 %: what is above is room for names."""

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        return [tick for tick in np.asarray(super().tick_values(vmin, vmax)).tolist() if tick < 1.001]


class PlaygroundPicture(LabPicture):
    """The lab's picture, with the total less the first models beside the total: of the present run a curve and its end."""

    ratios = (0.85, 1.25, 0.92)
    columns = 35
    room = 0.24
    above = 0.075  # two lines: a codec can be long
    size = 10

    def __init__(self):
        super().__init__()
        for ax in (self.rounds, self.bytes):
            ax.yaxis.set_major_locator(Shares("auto", steps=[1, 2, 5, 10]))

    def _against_bytes(self) -> tuple[Line2D, ...]:
        without = say("total less first models", "总计（不含初始模型）")
        (self._less,) = self.bytes.plot([], [], color=TOTAL, lw=1.6, ls=(0, (1, 1)))
        (self._less_end,) = self.bytes.plot([], [], "s", ms=7, mfc="none", mec=TOTAL, zorder=4, label=without)
        (self._guess_end,) = self.bytes.plot(
            [], [], "D", ms=7, mfc="none", mec=EXACT, ls="none", zorder=5, label=say("your guess", "你的猜测")
        )
        return (*self._ends, self._less_end, *self._frontiers, self._grey[0][1], self._guess_end)

    def titles(self, run: Run) -> tuple[str, str]:
        (end,) = ends_of([run])
        up, total, first = f"{end.uplink_mb:.3g}", f"{end.total_mb:.3g}", f"{end.first_mb:.3g}"
        sent = say(f"up {up}, total {total} (first models {first}) MB", f"上行 {up}，总计 {total}（初始模型 {first}）MB")
        return super().titles(run)[0], sent

    def _of_this_run(self) -> list[Line2D]:
        return [*super()._of_this_run(), self._less]

    def draw(self, run: Run) -> None:
        if run.accuracy:
            total, first, accuracy = (np.mean(complete(s), axis=0) for s in (run.total_mb, run.first_mb, run.accuracy))
            self._less.set_data(total - first, accuracy)
            self._less_end.set_data([total[-1] - first[-1]], [accuracy[-1]])
        super().draw(run)

    def _mark_guess(self, run: Run) -> None:
        asked = self.guess is not None and run.parameters == ASKED
        (end,) = ends_of([run])
        self._guess_end.set_data([end.total_mb * (1 - (self.guess or 0) / 100)] if asked else [], [end.accuracy] if asked else [])

    def alt(self, run: Run) -> str:
        said = super().alt(run)
        if not run.accuracy:
            return said
        (end,) = ends_of([run])
        first = say(f" First models are {end.first_mb:.3g} MB of the total.", f"总计中有 {end.first_mb:.3g} MB 是初始模型。")
        return said + first


class Playground(LiveLab):
    """The app; see `LiveLab`. `codec`: the controls that write the uplink's codec."""

    def _picture(self) -> LabPicture:
        return PlaygroundPicture()

    def _groups(self) -> dict[str, tuple[str, ...]]:
        return {
            "data": ("partition", "n_clients", "cohort", "no_answer"),
            "codec": (*self.codec.controls, "error_feedback", "downlink", "first_model"),
            "training": ("local_epochs", "learning_rate", "server_momentum", "rounds", "seeds"),
        }

    def _controls(self) -> dict[str, w.Widget]:
        self.codec = CodecControls(START.codec)
        names = {"dense": "float32", "8 bits": say("8 bits", "8 位"), "seed": say("as its seed", "只发种子")}
        controls = {name: control for name, control in super()._controls().items() if name not in SPENT_ON_CODEC}
        controls["downlink"].value = START.downlink
        return controls | self.codec.controls | {
            "first_model": w.Dropdown(options=[(names[f], f) for f in FIRST_MODELS], value=START.first_model,
                                      description=say("first model", "初始模型"), layout=CONTROL, style=LABEL),
            "no_answer": slider([(f"{100 * p:g}{percent_sign()}", p) for p in NO_ANSWERS], START.no_answer,
                                say("silent clients", "掉线比例")),
            "learning_rate": slider([(f"{r:g}", r) for r in RATES], START.learning_rate, say("learning rate", "学习率")),
            "server_momentum": slider([(f"{m:g}", m) for m in MOMENTA], START.server_momentum,
                                      say("server momentum", "服务器动量")),
        }  # fmt: skip

    def frame(self, *given: Any, **named: Any) -> None:
        super().frame(*given, **named)
        for part in self.codec.parts.values():  # they write the text, which trains
            part.unobserve(self.start, "value")

    def _lock(self, locked: bool) -> None:
        super()._lock(locked)
        self.codec.lock(locked)

    def _question(self) -> Prediction:
        text = say(
            "The largest 1 % of the weights at 8 bits, up and down; ten of a hundred clients a round, ten rounds. Each client "
            "gets a first model in float32, once. Of all bytes of the training, how many per cent are first models?",
            "上行下行都只发最大的 1%，每个 8 位；100 个客户端，每轮 10 个，共十轮。"
            "每个客户端第一次参加时收到一份 float32 的初始模型。整个训练的字节中，初始模型占百分之几？",
        )
        what = describe(ASKED) + say(f"; {ASKED.rounds} rounds", f"；{ASKED.rounds} 轮")
        return Prediction(text, lambda guess: waiting(guess, what), ASKED, name="widgets.playground")

    def to_question(self) -> None:
        if self.codec.text.value == ASKED.codec:
            self.start()
        else:
            self.codec.text.value = ASKED.codec

    def parameters(self) -> LabParameters:
        values = {name: control.value for name, control in self.controls.items() if name not in self.codec.parts}
        return LabParameters(**values)

    def standing(self) -> str:
        """Why the text that stands in the field is no codec; "" where it is one."""
        try:
            codec_named(self.codec.text.value)
        except ValueError as error:
            return refusal_box(str(error))
        return ""

    def start(self, change: Any = None) -> None:
        """Train, unless the text is no codec: then say why, and leave everything as it is, a training under way too."""
        if refused := self.standing():
            self.message.value = refused
        else:
            super().start(change)

    def train(self, parameters: LabParameters, on_round: Callable[[Run], bool | None]) -> Run:
        if parameters.first_model == "seed":  # a fresh process builds it again, once for each model
            with DRAWING:
                self.message.value = self.standing() or rebuilding()
        return super().train(parameters, on_round)

    def show(self, run: Run) -> None:
        if run.accuracy and self.message.value == rebuilding():
            self.message.value = ""
        super().show(run)

    def percent(self, run: Run) -> float:
        """What the question asks: the share of first models in all bytes."""
        (end,) = ends_of([run])
        return 100 * end.first_mb / end.total_mb

    def formula(self, run: Run) -> str:
        return formula(run)


def rebuilding() -> str:
    return say("Rebuilding the first model from its seed, in another process …", "正在另一个进程里由种子重建初始模型……")


def formula(run: Run) -> str:
    averaging = formula_of_the_lab(run)
    if not run.accuracy or not run.accuracy[0]:
        return averaging
    (end,) = ends_of([run])
    down = end.total_mb - end.uplink_mb - end.first_mb
    names = say("up", "上行"), say("down, updates", "下行更新"), say("first models", "初始模型")
    sums = "+".join(
        rf"\underbrace{{{in_formula(megabytes)}}}_{{\text{{{name}}}}}"
        for name, megabytes in zip(names, (end.uplink_mb, down, end.first_mb), strict=True)
    )
    return rf"{averaging} $${sums}={in_formula(end.total_mb)}\ \text{{MB}}$$"


def playground(predict: bool = True) -> Playground:
    """The app. predict: ask for a guess before the controls unlock."""
    return Playground(predict)


def playground_still(*runs: Run) -> Still:
    """The app's picture for readers without a kernel: the last of these runs, with the others grey."""
    picture = PlaygroundPicture()
    for run in runs[:-1]:
        picture.keep(run)
    picture.draw(runs[-1])
    return Still(picture.figure, picture.alt(runs[-1]))
