"""The live federated lab: every move of a control starts a real federated training, off the main thread."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import ipywidgets as w
import numpy as np

from ...codecs.uniform import RANGES
from ...language import percent, percent_sign, say
from ...quantization import ROUNDINGS
from ..exercises.asking import Prediction
from ..plotting import (
    DRAWING,
    EARLIER,
    EXACT,
    LOSSY,
    TOTAL,
    UPLINK,
    Still,
    new_figure,
    percent_axis,
    plain_log_axis,
    quick,
    ranges_name,
    rounding_name,
    styled,
    whole_numbers,
)
from .base import LABEL
from .lab_training import (
    BITS,
    CLIENTS,
    COHORT,
    DOWNLINKS,
    FRACTIONS,
    LOCAL_EPOCHS,
    PARTITIONS,
    ROUNDS,
    LabParameters,
    Run,
    describe,
    train_lab,
)
from .training import TrainingApp, waiting

RUNS_KEPT = 12


class LabPicture:
    """Accuracy against rounds, and against megabytes (logarithmic); uplink and total apart, earlier runs grey."""

    def __init__(self):
        self.guess: float | None = None
        self.earlier: list[Run] = []
        self.figure, (self.rounds, self.bytes) = new_figure(2, width=10.2, height=4.0, width_ratios=(1, 1.25))
        with styled():
            self._grey = [(self.rounds.plot([], [], color=EARLIER, lw=1)[0],
                           self.bytes.plot([], [], color=EARLIER, lw=1)[0],
                           self.bytes.plot([], [], color=EARLIER, lw=1, ls="--")[0]) for _ in range(RUNS_KEPT)]  # fmt: skip
            self._band = self.rounds.fill_between([0, 1], [0, 0], color=LOSSY, alpha=0.2, lw=0)
            (self._accuracy,) = self.rounds.plot([], [], "o-", color=LOSSY, ms=4, lw=2)
            (self._uplink,) = self.bytes.plot([], [], "o-", color=UPLINK, ms=4, lw=2, label=say("uplink", "上行"))
            (self._total,) = self.bytes.plot(
                [], [], "s-", color=TOTAL, ms=4, lw=2, label=say("total (up + down)", "总计（上行+下行）")
            )
            self._earlier_label = self.bytes.plot([], [], color=EARLIER, label=say("earlier runs", "先前的运行"))
            self._guess = self.rounds.axhline(0, color=EXACT, lw=1, ls="--", visible=False)
            self._guess_text = self.rounds.text(0.1, 0, say("your guess", "你的猜测"), fontsize=8, va="bottom", visible=False)
            for ax in (self.rounds, self.bytes):
                ax.set_ylim(0, 1)
                percent_axis(ax.yaxis)
            whole_numbers(self.rounds.xaxis)
            self.rounds.set(xlabel=say("round", "轮次"), ylabel=say("test accuracy", "测试准确率"), xlim=(0, 10.5))
            self.bytes.set(
                xscale="log", xlim=(0.001, 100), xlabel=say("megabytes sent since the start", "累计传输的字节数（MB）")
            )
            plain_log_axis(self.bytes.xaxis)
            quick(self.figure)
            self.rounds.set_title(say("Accuracy", "准确率"))  # the layout is made once, and leaves room for titles
            self.bytes.set_title(say("Communication cost", "通信成本"))
            self.bytes.legend(loc="upper left")

    def keep(self, run: Run) -> None:
        """Leave a run on the picture, in grey."""
        self.earlier = [*self.earlier, run][-RUNS_KEPT:]

    def draw(self, run: Run) -> None:
        for lines, before in zip_longest(self._grey, self.earlier):
            accuracy, uplink, total = _means(before) if before is not None else (np.empty(0),) * 3
            lines[0].set_data(np.arange(1, accuracy.size + 1), accuracy)
            lines[1].set_data(uplink, accuracy)
            lines[2].set_data(total, accuracy)
        if not run.accuracy:
            return
        accuracy, uplink, total = _means(run)
        numbers = np.arange(1, accuracy.size + 1)
        self._accuracy.set_data(numbers, accuracy)
        self._uplink.set_data(uplink, accuracy)
        self._total.set_data(total, accuracy)
        every = np.array(_complete(run.accuracy))
        self._band.set_data(numbers, every.min(axis=0), every.max(axis=0))
        self.rounds.set_xlim(0, max(run.parameters.rounds, *(len(r.accuracy[0]) for r in self.earlier), 1) + 0.5)
        largest = max(float(_means(r)[2].max()) for r in (run, *self.earlier))
        self.bytes.set_xlim(0.001, max(100, 1.4 * largest))
        seeds = say(f", {len(every)} seeds", f"，{len(every)} 个种子") if len(every) > 1 else ""
        title = f"{describe(run.parameters)}{say(': ', '：')}{percent(accuracy[-1], 1)}{seeds}"
        columns = sum(2 if ord(sign) > 0x2E80 else 1 for sign in title)
        self.rounds.title.set(text=title, fontsize=min(11, 11 * 46 / columns))  # the longest still fits
        self.bytes.title.set_text(
            say(
                f"up {uplink[-1]:.3g} MB, total {total[-1]:.3g} MB",
                f"上行 {uplink[-1]:.3g} MB，总计 {total[-1]:.3g} MB",
            )
        )
        lowest = min(float(_means(r)[0].min()) for r in (run, *self.earlier))
        bottom = next(b for b in (0.8, 0.6, 0.4, 0.2, 0.0) if b <= lowest)
        for ax in (self.rounds, self.bytes):
            ax.set_ylim(bottom, 1)
        if self.guess:
            self._guess.set(ydata=[self.guess / 100] * 2, visible=True)
            self._guess_text.set(y=self.guess / 100, visible=True)

    def alt(self, run: Run) -> str:
        if not run.accuracy:
            return say("The lab before its first run.", "实验台尚未运行。")
        rounds = len(run.accuracy[0])
        accuracy, uplink, total = (series[-1] for series in _means(run))
        return say(
            f"Federated training, uplink codec: {describe(run.parameters)}. Accuracy {100 * accuracy:.1f} % "
            f"after {rounds} rounds, {uplink:.3g} MB uplink and {total:.3g} MB in total.",
            f"联邦训练，上行编码：{describe(run.parameters)}。{rounds} 轮后准确率 {100 * accuracy:.1f}%，"
            f"上行 {uplink:.3g} MB，总计 {total:.3g} MB。",
        )


def _means(run: Run) -> list[np.ndarray]:
    """Accuracy, uplink MB and total MB by round, averaged over the complete seeds."""
    return [np.mean(_complete(series), axis=0) for series in run[1:]]


def _complete(series: list[list[float]]) -> list[list[float]]:
    """The seeds that have come as far as the first one; the first alone while it is running."""
    return [s for s in series if len(s) == len(series[0])]


class LiveLab(TrainingApp):
    """The app. `controls` by name; see `TrainingApp`."""

    def __init__(self, predict: bool = True):
        names = {
            "iid": say("IID", "独立同分布"),
            "shards": say("two shards a client", "每个客户端两个分片"),
            "dirichlet": say("Dirichlet 0.3", "Dirichlet 分布 0.3"),
        }
        downlinks = {
            "float32": "float32",
            "8 bits": say("8 bits", "8 位"),
            "uplink": say("as the uplink", "与上行相同"),
        }
        start = LabParameters()
        wide = w.Layout(width="330px")

        def slider(options, value, text):
            return w.SelectionSlider(
                options=options, value=value, description=text, continuous_update=False, layout=wide, style=LABEL
            )

        # Order of controls: data, codec, training.
        controls = {
            "partition": w.Dropdown(options=[(names[p], p) for p in PARTITIONS], value=start.partition,
                                    description=say("data", "数据分布"), layout=wide, style=LABEL),
            "n_clients": slider([(str(n), n) for n in CLIENTS], start.n_clients, say("clients", "客户端数")),
            "k": slider([(f"{100 * k:g}{percent_sign()}", k) for k in FRACTIONS], start.k, say("keep k", "保留 k")),
            "bits": slider([(str(b), b) for b in BITS], start.bits, say("bits", "量化位数")),
            "rounding": w.Dropdown(options=[(rounding_name(r), r) for r in ROUNDINGS], value=start.rounding,
                                   description=say("rounding", "舍入方式"), layout=wide, style=LABEL),
            "ranges": w.Dropdown(options=[(ranges_name(r), r) for r in RANGES],
                                 value=start.ranges, description=say("one range", "范围"), layout=wide, style=LABEL),
            "error_feedback": w.Checkbox(value=start.error_feedback, indent=False, layout=w.Layout(width="260px"),
                                         description=say("error feedback", "误差反馈")),
            "downlink": w.Dropdown(options=[(downlinks[d], d) for d in DOWNLINKS], value=start.downlink,
                                   description=say("downlink", "下行"), layout=wide, style=LABEL),
            "local_epochs": slider([(str(e), e) for e in LOCAL_EPOCHS], start.local_epochs, say("local epochs", "本地周期数")),
            "rounds": slider([(str(r), r) for r in ROUNDS], start.rounds, say("rounds", "轮数")),
            "seeds": w.ToggleButtons(options=[(say("one seed", "一个种子"), 1), (say("three seeds", "三个种子"), 3)],
                                     value=start.seeds, style={"button_width": "110px"}),
        }  # fmt: skip
        self.frame(controls, LabPicture(), self._question() if predict else None)
        self.clear_button = w.Button(description=say("Forget runs", "清除旧曲线"), icon="eraser", layout=w.Layout(width="150px"))
        self.clear_button.on_click(self._forget)
        rows = [w.HBox(list(controls.values()), layout=w.Layout(flex_flow="row wrap")),
                w.HBox([self.run_button, self.stop_button, self.clear_button, self.bar.container])]  # fmt: skip
        super().__init__([*([self.question] if predict else []), *rows, self.message, self.image, self.fold])
        self.show(Run(start, [], [], []))
        # So that the reader's first training need not; the app is there meanwhile, and takes a position to train next.
        self.prepare(say("Building the training graph …", "正在构建训练图……"), lambda: train_lab(start._replace(rounds=1)))

    def _question(self) -> Prediction:
        text = say(
            "Keep 1 % of every client's delta at 8 bits, about 1/200 of the bytes. What accuracy, in percent, after 10 rounds?"
            " (Uncompressed: about 93.)",
            "每个客户端只上传增量中 1% 的分量，每个 8 位，字节数约为 float32 的 1/200。10 轮后准确率是百分之几？"
            "（不压缩时约为 93。）",
        )
        asked = LabParameters(k=0.01)
        what = describe(asked) + say(f"; {asked.rounds} rounds", f"；{asked.rounds} 轮")
        return Prediction(text, lambda guess: waiting(guess, what), asked, name="widgets.live_lab")

    def to_question(self) -> None:
        self.controls["k"].value = 0.01

    def parameters(self) -> LabParameters:
        return LabParameters(**{name: control.value for name, control in self.controls.items()})

    def rounds_of(self, parameters: LabParameters) -> int:
        return parameters.rounds * parameters.seeds

    def train(self, parameters: LabParameters, on_round: Callable[[Run], bool | None]) -> Run:
        return train_lab(parameters, on_round)

    def rounds_done(self, run: Run) -> int:
        return sum(map(len, run.accuracy))

    def percent(self, run: Run) -> float:
        return 100 * float(_means(run)[0][-1])

    def formula(self, run: Run) -> str:
        return formula(run)

    def _forget(self, _button) -> None:
        with DRAWING:
            self.picture.earlier = []
            if self._last is not None:
                self.show(self._last)


def formula(run: Run) -> str:
    averaging = r"w_{t+1}=w_t+\sum_{i\in S_t}\frac{n_i}{\sum_j n_j}\,\mathrm{decode}(\mathrm{encode}(\Delta_i+e_i))"
    legend = say("Δ: a client's delta (not the step of 4.1), e: its residual.", "Δ：客户端的增量（非 4.1 的步长）；e：它的残差。")
    if not run.accuracy or not run.uplink_mb[0]:
        return f"$${averaging}$$ {legend}"
    rounds = len(run.uplink_mb[0])
    megabytes = run.uplink_mb[0][-1]
    quotient = rf"\frac{{{megabytes:.4f}\ \mathrm{{MB}}}}{{{rounds}\cdot{COHORT}}}={megabytes * 1e6 / rounds / COHORT:,.0f}"
    words = say("bytes a message", "字节/消息")
    return rf"$${averaging}$$ {legend} $${quotient}\ \text{{{words}}}$$"


def live_lab(predict: bool = True) -> LiveLab:
    """The app. predict: ask for a guess before the controls unlock."""
    return LiveLab(predict)


def live_lab_still(*runs: Run) -> Still:
    """The lab's picture for readers without a kernel: the last of these runs, with the others grey."""
    picture = LabPicture()
    picture.earlier = list(runs[:-1])
    picture.draw(runs[-1])
    return Still(picture.figure, picture.alt(runs[-1]))
