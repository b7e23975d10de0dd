"""The live federated lab: every move of a control starts a real federated training, off the main thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w

from ...codecs.uniform import RANGES
from ...language import percent_sign, say
from ...quantization import ROUNDINGS
from ..exercises.asking import Prediction
from ..plotting import DRAWING, Still, partition_name, ranges_name, rounding_name
from .base import CONTROL, LABEL
from .lab_picture import LabPicture, means
from .lab_training import (
    ASKED,
    BITS,
    CLIENTS,
    COHORTS,
    DOWNLINKS,
    FRACTIONS,
    LOCAL_EPOCHS,
    PARTITIONS,
    ROUNDS,
    LabParameters,
    Run,
    describe,
    messages_up,
    no_run,
    train_lab,
)
from .training import TrainingApp, waiting
from .units import in_formula


class LiveLab(TrainingApp):
    """The app. `controls` by name; see `TrainingApp`. `runs`: what has been trained."""

    def __init__(self, predict: bool = True):
        controls = self._controls()
        controls["n_clients"].observe(self._limit_cohort, "value")  # before the frame's own observer, which trains
        self._before: list[Run] = []
        self.frame(controls, self._picture(), self._question() if predict else None)
        self.clear_button = w.Button(
            description=say("Forget runs", "清除旧的运行"), icon="eraser", layout=w.Layout(width="150px")
        )
        self.clear_button.on_click(self._forget)
        self.lay_out(self._groups(), self.clear_button)
        self.show(no_run(LabParameters()))
        # So that the reader's first training need not; the app is there meanwhile, and takes a position to train next.
        self.prepare(say("Building the training graph …", "正在构建训练图……"), lambda: train_lab(LabParameters(rounds=1)))

    def _picture(self) -> LabPicture:
        return LabPicture()

    def _groups(self) -> dict[str, tuple[str, ...]]:
        return {
            "data": ("partition", "n_clients", "cohort"),
            "codec": ("k", "bits", "rounding", "ranges", "error_feedback", "downlink"),
            "training": ("local_epochs", "rounds", "seeds"),
        }

    def _controls(self) -> dict[str, w.Widget]:
        """In the order of controls: data, codec, training."""
        downlinks = {
            "float32": "float32",
            "8 bits": say("8 bits", "8 位"),
            "uplink": say("as the uplink", "与上行相同"),
        }
        start = LabParameters()
        return {
            "partition": w.Dropdown(options=[(partition_name(p), p) for p in PARTITIONS], value=start.partition,
                                    description=say("data", "数据分布"), layout=CONTROL, style=LABEL),
            "n_clients": slider([(str(n), n) for n in CLIENTS], start.n_clients, say("clients", "客户端数")),
            "cohort": slider([(str(n), n) for n in COHORTS], start.cohort, say("clients a round", "每轮客户端数")),
            "k": slider([(f"{100 * k:g}{percent_sign()}", k) for k in FRACTIONS], start.k, say("keep k", "保留 k")),
            "bits": slider([(str(b), b) for b in BITS], start.bits, say("bits", "量化位数")),
            "rounding": w.Dropdown(options=[(rounding_name(r), r) for r in ROUNDINGS], value=start.rounding,
                                   description=say("rounding", "舍入方式"), layout=CONTROL, style=LABEL),
            "ranges": w.Dropdown(options=[(ranges_name(r), r) for r in RANGES],
                                 value=start.ranges, description=say("one range", "范围"), layout=CONTROL, style=LABEL),
            "error_feedback": w.Checkbox(value=start.error_feedback, description=say("error feedback", "误差反馈"),
                                         layout=CONTROL, style=LABEL),
            "downlink": w.Dropdown(options=[(downlinks[d], d) for d in DOWNLINKS], value=start.downlink,
                                   description=say("downlink", "下行"), layout=CONTROL, style=LABEL),
            "local_epochs": slider([(str(e), e) for e in LOCAL_EPOCHS], start.local_epochs, say("local epochs", "本地周期数")),
            "rounds": slider([(str(r), r) for r in ROUNDS], start.rounds, say("rounds", "轮数")),
            "seeds": w.Dropdown(options=[("1", 1), ("3", 3)], value=start.seeds, description=say("seeds", "种子数"),
                                layout=CONTROL, style=LABEL),
        }  # fmt: skip

    def _question(self) -> Prediction:
        text = say(
            "Keep 1 % of every client's delta at 8 bits, about 1/200 of the bytes. What accuracy, in percent, after 10 rounds?"
            " (Uncompressed: about 93.)",
            "每个客户端只上传增量中 1% 的分量，每个 8 位，字节数约为 float32 的 1/200。10 轮后准确率是百分之几？"
            "（不压缩时约为 93。）",
        )
        what = describe(ASKED) + say(f"; {ASKED.rounds} rounds", f"；{ASKED.rounds} 轮")
        return Prediction(text, lambda guess: waiting(guess, what), ASKED, name="widgets.live_lab")

    def _limit_cohort(self, change) -> None:
        """No more clients a round than there are. New options put a slider to its first stop: that is no position to train."""
        cohort = self.controls["cohort"]
        value = min(cohort.value, change.new)
        cohort.unobserve(self.start, "value")
        cohort.options = [(str(n), n) for n in COHORTS if n <= change.new]
        cohort.value = value
        cohort.observe(self.start, "value")

    def to_question(self) -> None:
        self.controls["k"].value = ASKED.k

    def parameters(self) -> LabParameters:
        return LabParameters(**{name: control.value for name, control in self.controls.items()})

    def rounds_of(self, parameters: LabParameters) -> int:
        return parameters.rounds * parameters.seeds

    def train(self, parameters: LabParameters, on_round: Callable[[Run], bool | None]) -> Run:
        return train_lab(parameters, on_round)

    def rounds_done(self, run: Run) -> int:
        return sum(map(len, run.accuracy))

    def percent(self, run: Run) -> float:
        return 100 * float(means(run)[0][-1])

    def formula(self, run: Run) -> str:
        return formula(run)

    @property
    def runs(self) -> list[Run]:
        """All trainings since the app was opened or told to forget, in order, those that were stopped too, not one under way."""
        return [run for run in (*self._before, self._last) if run is not None and run.accuracy and run.accuracy[0]]

    def start(self, change: Any = None) -> None:
        with DRAWING:
            if self._last is not None:
                self._before.append(self._last)
            super().start(change)

    def _forget(self, _button) -> None:
        with DRAWING:
            self._before = []
            self.picture.forget()
            if self._last is not None:
                self.show(self._last)


def slider(options: Sequence[tuple[str, Any]], value: Any, text: str) -> w.SelectionSlider:
    """A slider that trains where it is let go."""
    return w.SelectionSlider(
        options=options, value=value, description=text, continuous_update=False, layout=CONTROL, style=LABEL
    )


def formula(run: Run) -> str:
    """What the server does, and what a message up took: the uplink's bytes over the messages that arrived."""
    p = run.parameters
    mean = r"\sum_{i\in S_t}\frac{n_i}{\sum_j n_j}\,\mathrm{decode}(\mathrm{encode}(d_i+e_i))"
    averaging = rf"w_{{t+1}}=w_t+{mean}"
    legend = say("d: a client's delta, e: its residual.", "d：客户端的增量；e：它的残差。")
    if p.server_momentum:
        averaging = rf"v_{{t+1}}={p.server_momentum:g}\,v_t+{mean},\qquad w_{{t+1}}=w_t+v_{{t+1}}"
        legend += say(" v: the server's momentum.", "v：服务器的动量。")
    rounds = len(run.uplink_mb[0]) if run.accuracy else 0
    drawn, arrived = rf"{rounds}\cdot{p.cohort}", messages_up(p, rounds)
    if p.no_answer:
        legend += say(f" S: the clients that answered, {arrived} of ${drawn}$ drawn so far.",
                      f"S：没有掉线的客户端，到现在抽中 ${drawn}$ 次，收到 {arrived} 条消息。")  # fmt: skip
    if not arrived:
        return f"$${averaging}$$ {legend}"
    megabytes, below = run.uplink_mb[0][-1], f"{arrived}" if p.no_answer else drawn
    quotient = rf"\frac{{{megabytes:.4f}\ \mathrm{{MB}}}}{{{below}}}={in_formula(megabytes * 1e6 / arrived)}"
    words = say("bytes a message", "字节/消息")
    return rf"$${averaging}$$ {legend} $${quotient}\ \text{{{words}}}$$"


def live_lab(predict: bool = True) -> LiveLab:
    """The app. predict: ask for a guess before the controls unlock."""
    return LiveLab(predict)


def live_lab_still(*runs: Run) -> Still:
    """The lab's picture for readers without a kernel: the last of these runs, with the others grey."""
    picture = LabPicture()
    for run in runs[:-1]:
        picture.keep(run)
    picture.draw(runs[-1])
    return Still(picture.figure, picture.alt(runs[-1]))
