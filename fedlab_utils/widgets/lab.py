"""The live federated lab: every move of a control starts a real federated training, off the main thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple

import ipywidgets as w
import matplotlib
import numpy as np
from tqdm.notebook import tqdm_notebook

from ..codecs import Codec, Identity, Quantize, TopK
from ..datasets import load_mnist, partition_dirichlet, partition_iid, partition_shards
from ..federated import simulate
from ..language import message_name, say
from ..models import document_mlp
from ..plotting import (
    DRAWING,
    EARLIER,
    EXACT,
    LOSSY,
    STYLE,
    TOTAL,
    UPLINK,
    Still,
    image_tag,
    new_figure,
    percent_axis,
    plain_log_axis,
    png,
    quick,
    rounding_name,
    whole_numbers,
)
from ..quantization import ROUNDINGS
from .base import LABEL, Prediction, compare, error_box
from .worker import Worker

IMAGES_PER_CLIENT = 600
COHORT = 10
CLIENTS = (10, 20, 50, 100)
BITS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32)
FRACTIONS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
ROUNDS = (5, 10, 20, 30)
PARTITIONS = ("iid", "shards", "dirichlet")
DOWNLINKS = ("float32", "8 bits", "uplink")
RUNS_KEPT = 12


class LabParameters(NamedTuple):
    """One position of all controls. bits: 32 means float32. k: fraction kept, 1.0 means all. downlink "uplink": as the uplink."""

    partition: str = "iid"
    n_clients: int = 100
    k: float = 1.0
    bits: int = 8
    rounding: str = "nearest"
    error_feedback: bool = True
    downlink: str = "float32"
    rounds: int = 10
    seeds: int = 1


class Run(NamedTuple):
    """What one training has given so far. accuracy, uplink_mb, total_mb: float [seeds so far][rounds so far], MB added up."""

    parameters: LabParameters
    accuracy: list[list[float]]
    uplink_mb: list[list[float]]
    total_mb: list[list[float]]


def codec_of(parameters: LabParameters) -> Codec:
    stages: list[Codec] = []
    if parameters.k < 1:
        stages.append(TopK(parameters.k))
    if parameters.bits < 32:
        stages.append(Quantize(parameters.bits, parameters.rounding))
    if not stages:
        return Identity()
    return stages[0] if len(stages) == 1 else stages[0] | stages[1]


def downlink_of(parameters: LabParameters) -> Codec:
    return {"float32": Identity(), "8 bits": Quantize(8), "uplink": codec_of(parameters)}[parameters.downlink]


@lru_cache(maxsize=16)
def clients_of(partition: str, n_clients: int) -> list[np.ndarray]:
    """IMAGES_PER_CLIENT images of MNIST for each client, so that a round costs the same whatever is chosen."""
    labels = load_mnist().y_train
    some = np.sort(np.random.default_rng(0).permutation(labels.size)[: n_clients * IMAGES_PER_CLIENT])
    deal = {
        "iid": lambda: partition_iid(labels[some], n_clients),
        "shards": lambda: partition_shards(labels[some], n_clients, shards_per_client=2),
        "dirichlet": lambda: partition_dirichlet(labels[some], n_clients, alpha=0.3),
    }[partition]
    return [some[part] for part in deal()]


def train_lab(parameters: LabParameters, on_round: Callable[[Run], bool | None] = lambda run: None) -> Run:
    """Train. on_round(run) is called after every round; returning False stops, and what is there is returned."""
    run = Run(parameters, [], [], [])
    stopped = False
    for seed in range(parameters.seeds):
        for series in run[1:]:
            series.append([])

        def note(history):
            nonlocal stopped
            run.accuracy[-1].append(history.accuracy[-1])
            run.uplink_mb[-1].append(sum(history.uplink_bytes) / 1e6)
            run.total_mb[-1].append(int(history.total_bytes()[-1]) / 1e6)
            stopped = on_round(run) is False
            return not stopped

        simulate(
            document_mlp(seed=seed), load_mnist(), clients_of(parameters.partition, parameters.n_clients),
            rounds=parameters.rounds, clients_per_round=COHORT, uplink=codec_of(parameters), downlink=downlink_of(parameters),
            error_feedback=parameters.error_feedback, seed=seed, on_round=note,
        )  # fmt: skip
        if stopped:
            break
    return run


def describe(parameters: LabParameters) -> str:
    down = {"float32": "", "8 bits": say("; down 8 bits", "；下行 8 位"), "uplink": say("; both ways", "；下行相同")}
    return message_name(parameters.k, parameters.bits) + down[parameters.downlink]


class LabPicture:
    """Accuracy against rounds, and against megabytes (logarithmic); uplink and total apart, earlier runs grey."""

    def __init__(self):
        self.guess: float | None = None
        self.earlier: list[Run] = []
        self.figure, (self.rounds, self.bytes) = new_figure(2, width=10.2, height=4.0, width_ratios=(1, 1.25))
        with matplotlib.rc_context(STYLE):
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
                xscale="log", xlim=(0.004, 100), xlabel=say("megabytes sent since the start", "累计传输的字节数（MB）")
            )
            plain_log_axis(self.bytes.xaxis)
            quick(self.figure)
            self.rounds.set_title(say("Accuracy", "准确率"))  # the layout is made once, and leaves room for titles
            self.bytes.set_title(say("Communication cost", "通信成本"))
            self.bytes.legend(loc="upper left")

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
        seeds = say(f", {len(every)} seeds", f"，{len(every)} 个种子") if len(every) > 1 else ""
        self.rounds.set_title(f"{describe(run.parameters)}{say(': ', '：')}{100 * accuracy[-1]:.1f} %{seeds}")
        self.bytes.set_title(
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
            f"Federated training, uplink {describe(run.parameters)}: accuracy {100 * accuracy:.1f} % "
            f"after {rounds} rounds, {uplink:.3g} MB uplink and {total:.3g} MB in total.",
            f"联邦训练，上行为 {describe(run.parameters)}。{rounds} 轮后准确率 {100 * accuracy:.1f} %，"
            f"上行 {uplink:.3g} MB，总计 {total:.3g} MB。",
        )


def _means(run: Run) -> list[np.ndarray]:
    """Accuracy, uplink MB and total MB by round, averaged over the complete seeds."""
    return [np.mean(_complete(series), axis=0) for series in run[1:]]


def _complete(series: list[list[float]]) -> list[list[float]]:
    """The seeds that have come as far as the first one; the first alone while it is running."""
    return [s for s in series if len(s) == len(series[0])]


class LiveLab(w.VBox):
    """The app. `controls` by name; `wait(timeout)` blocks until no training runs (for tests and scripts)."""

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
        self.controls = {
            "partition": w.Dropdown(options=[(names[p], p) for p in PARTITIONS], value=start.partition,
                                    description=say("data", "数据分布"), layout=wide, style=LABEL),
            "n_clients": slider([(str(n), n) for n in CLIENTS], start.n_clients, say("clients", "客户端数")),
            "k": slider([(f"{100 * k:g} %", k) for k in FRACTIONS], start.k, say("keep k", "保留 k")),
            "bits": slider([(str(b), b) for b in BITS], start.bits, say("bits", "量化位数")),
            "rounding": w.Dropdown(options=[(rounding_name(r), r) for r in ROUNDINGS], value=start.rounding,
                                   description=say("rounding", "舍入方式"), layout=wide, style=LABEL),
            "error_feedback": w.Checkbox(value=start.error_feedback, description=say("error feedback", "误差反馈"),
                                         indent=False, layout=w.Layout(width="160px")),
            "downlink": w.Dropdown(options=[(downlinks[d], d) for d in DOWNLINKS], value=start.downlink,
                                   description=say("downlink", "下行"), layout=wide, style=LABEL),
            "rounds": slider([(str(r), r) for r in ROUNDS], start.rounds, say("rounds", "轮数")),
            "seeds": w.ToggleButtons(options=[(say("one seed", "一个种子"), 1), (say("three seeds", "三个种子"), 3)],
                                     value=start.seeds, style={"button_width": "110px"}),
        }  # fmt: skip
        self.run_button = w.Button(description=say("Run", "运行"), button_style="primary", icon="play")
        self.worker = Worker(self._train, self._failed)
        self.stop_button = self.worker.stop_button
        self.clear_button = w.Button(description=say("Forget runs", "清除旧曲线"), icon="eraser", layout=w.Layout(width="auto"))
        self.image, self.message = w.HTML(layout=w.Layout(min_height="200px")), w.HTML()
        self.picture = LabPicture()
        self.bar = tqdm_notebook(total=1, display=False, unit=say("round", "轮"), mininterval=0)
        self.bar.container.layout.width = "540px"
        self.bar.container.layout.visibility = "hidden"  # until there is something to show
        self.mathematics = w.HTMLMath()
        fold = w.Accordion([self.mathematics], titles=[say("Formula, with these numbers", "公式（代入当前数值）")])
        question = self._question() if predict else None
        self.question = question
        rows = [w.HBox(list(self.controls.values()), layout=w.Layout(flex_flow="row wrap")),
                w.HBox([self.run_button, self.stop_button, self.clear_button, self.bar.container])]  # fmt: skip
        super().__init__([*([question] if question else []), *rows, self.message, self.image, fold])

        self._last: Run | None = None
        for control in self.controls.values():
            control.observe(self.start, "value")
        self.run_button.on_click(self.start)
        self.clear_button.on_click(self._forget)
        for control in (*self.controls.values(), self.run_button):
            control.disabled = predict
        self._show(Run(start, [], [], []))
        train_lab(start._replace(rounds=1))  # builds the graph, so that the reader's first training need not

    def _question(self) -> Prediction:
        text = say(
            "Keep 1 % of every client's delta at 8 bits, about 1/200 of the bytes. What accuracy, in percent, after 10 rounds?"
            " (Uncompressed: about 93.)",
            "每个客户端只上传增量中 1 % 的分量，每个 8 位，字节数约为 float32 的 1/200。10 轮后准确率是百分之几？"
            "（不压缩时约为 93。）",
        )
        question = Prediction(text, self._answer)
        question.on_answer(self._unlock)
        return question

    def _answer(self, guess: float | None) -> str:
        return say("The lab now trains exactly this.", "实验台现在就按这个设置训练。")

    def _unlock(self, guess: float | None) -> None:
        self.picture.guess = guess
        for control in (*self.controls.values(), self.run_button):
            control.disabled = False
        self.controls["k"].value = 0.01  # which starts the training

    def parameters(self) -> LabParameters:
        return LabParameters(**{name: control.value for name, control in self.controls.items()})

    def start(self, _change=None) -> None:
        """Train with the present position of the controls; a training under way is given up for it."""
        self.worker.start(self.parameters())

    def wait(self, timeout: float | None = None) -> Run | None:
        self.worker.wait(timeout)
        return self._last

    def _train(self, parameters: LabParameters) -> None:
        self.message.value = ""
        self.bar.container.layout.visibility = "visible"
        self.bar.reset(total=parameters.rounds * parameters.seeds)
        if self._last is not None:
            self.picture.earlier = [*self.picture.earlier, self._last][-RUNS_KEPT:]
            self._last = None

        def on_round(run: Run) -> bool:
            self.bar.update()
            self._show(run)
            return self.worker.go_on()

        run = train_lab(parameters, on_round)
        # A run that a newer position has overtaken leaves no trace; one that the reader stopped stays.
        self._last = None if self.worker.overtaken else run
        if self.picture.guess is not None and self._last is not None:
            self.question.reply.value = compare(self.picture.guess, 100 * float(_means(run)[0][-1]), " %")
            self.picture.guess = None

    def _failed(self, error: Exception) -> None:
        self.message.value = error_box(error)

    def _show(self, run: Run) -> None:
        with DRAWING:
            self.picture.draw(run)
            self.image.value = image_tag(png(self.picture.figure), self.picture.alt(run))
        self.mathematics.value = formula(run)

    def _forget(self, _button) -> None:
        self.picture.earlier = []
        if self._last is not None:
            self._show(self._last)


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
