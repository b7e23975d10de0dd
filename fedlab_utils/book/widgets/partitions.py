"""Partitions explorer (document, 2.1.1): deal MNIST out to ten clients, see who holds what; a real training follows.

The picture of who holds what answers a move at once. The training (ten rounds, under a second) runs off the main thread;
the newest position wins, and what has been trained once is remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets as w
import numpy as np

from ...counting import bincount
from ...federation.baselines import train_alone
from ...federation.simulate import simulate
from ...language import percent, say
from ...training.models import document_mlp
from ..colours import ALONE, EARLIER, EXACT, FEDERATED
from ..exercises.asking import Prediction
from ..plotting import DRAWING, Still, name_drawn, new_figure, percent_axis, quick, styled, whole_numbers
from .base import CONTROL, LABEL
from .dealing import ALPHAS, KINDS, N_CLIENTS, ROUNDS, SEEDS, SHARDS, Position, deal, describe, some_mnist
from .training import TrainingApp, waiting


class Run(NamedTuple):
    """accuracy: of the federated model by round so far. alone: mean accuracy of the clients by themselves, None if unknown."""

    accuracy: tuple[float, ...] = ()
    alone: float | None = None


class View(NamedTuple):
    """What the picture shows. counts: int [N_CLIENTS, 10]. skew: share of a client's most frequent digit, averaged."""

    position: Position
    counts: np.ndarray
    skew: float
    run: Run


_finished: dict[Position, Run] = {}


def look(position: Position, run: Run | None = None) -> View:
    """Who holds what, and the training so far (by default: one that is finished and remembered, or none)."""
    labels = some_mnist().y_train
    counts = np.array([bincount(labels[part], minlength=10) for part in deal(position)])
    skew = float(np.mean(counts.max(axis=1) / counts.sum(axis=1)))
    return View(position, counts, skew, run or _finished.get(position.essential(), Run()))


def train(position: Position, on_round: Callable[[Run], bool | None] = lambda run: None) -> Run:
    """Really train, all together and each alone. on_round(run): after each round; returning False gives the training up.

    What has been trained once is remembered, and on_round is then called once, with the whole run.
    """
    position = position.essential()
    if position in _finished:
        on_round(_finished[position])
        return _finished[position]
    data, clients, model = some_mnist(), deal(position), document_mlp(seed=position.seed)
    alone = float(np.mean(train_alone(model, data, clients, epochs=ROUNDS, seed=position.seed).accuracy))
    run = Run((), alone)

    def note(history) -> bool:
        nonlocal run
        run = Run(tuple(history.accuracy), alone)
        return on_round(run) is not False

    simulate(model, data, clients, rounds=ROUNDS, seed=position.seed, on_round=note)
    if len(run.accuracy) == ROUNDS:
        _finished[position] = run
    return run


class PartitionsPicture:
    """Who holds what; accuracy by round, together and alone; final accuracy against skew, with the places visited."""

    def __init__(self):
        self.guess: float | None = None
        self.stopped = False  # what is drawn is all that comes
        self._visited: dict[Position, tuple[float, float, float]] = {}
        self.figure, (self.map, self.rounds, self.trail) = new_figure(3, width=10.2, height=3.7)
        with styled():
            self._counts = self.map.imshow(
                np.zeros((N_CLIENTS, 10)), cmap="Greys", vmin=0, vmax=200, aspect="auto", interpolation="nearest"
            )
            self.map.grid(False)
            self.map.set(xlabel=say("digit", "数字"), ylabel=say("client", "客户端"), xticks=range(10), yticks=range(10))
            self.map.set_title(say("images held", "各自的图片数"))
            (self._together,) = self.rounds.plot([], [], "o-", color=FEDERATED, ms=4, lw=2, label=say("federated", "联邦"))
            self._alone = self.rounds.axhline(np.nan, color=ALONE, lw=2, ls="--", label=say("alone (mean)", "单独训练（平均）"))
            self.rounds.set(xlabel=say("round", "轮次"), ylabel=say("test accuracy", "测试准确率"), xlim=(0.5, ROUNDS + 0.5))
            whole_numbers(self.rounds.xaxis)
            self.rounds.set_title(say("trained just now", "训练结果"))
            self._curves = (self._together, self._alone)
            self._curve_names = self.rounds.legend(handles=self._curves, loc="upper left", ncols=2, columnspacing=1)
            names = (say("federated, earlier", "联邦，先前"), say("alone, earlier", "单独，先前"))
            self._earlier = [
                self.trail.scatter([], [], s=18, color=EARLIER, marker=m, label=n) for m, n in zip("os", names, strict=True)
            ]
            (self._here,) = self.trail.plot([], [], "o", color=FEDERATED, ms=9, label=say("federated", "联邦"))
            (self._here_alone,) = self.trail.plot([], [], "s", color=ALONE, ms=8, label=say("alone (mean)", "单独训练（平均）"))
            (self._guess,) = self.trail.plot([], [], "D", ms=8, mfc="none", mec=EXACT, label=say("your guess", "你的猜测"))
            self._named = (self._guess, *self._earlier)
            self._legend = self.trail.legend(handles=self._named, loc="lower left")
            self.trail.set(xlim=(0.1, 1.03), xlabel=say("share of a client's main digit", "最多的那种数字所占比例"))
            self.trail.set_title(say("skew and accuracy", "偏斜程度与准确率"))
            percent_axis(self.trail.xaxis)
            for ax in (self.rounds, self.trail):
                ax.set_ylim(0, 1.15)  # room for the names above all curves
                percent_axis(ax.yaxis)
            quick(self.figure)

    def keep(self, view: View) -> None:
        """Leave a finished training on the trail, in grey."""
        if len(view.run.accuracy) == ROUNDS and view.run.alone is not None:
            self._visited[view.position.essential()] = (view.skew, view.run.accuracy[-1], view.run.alone)

    def draw(self, view: View) -> None:
        key, run = view.position.essential(), view.run
        self._counts.set_data(view.counts)
        self.map.title.set_text(describe(view.position))
        self._together.set_data(np.arange(1, len(run.accuracy) + 1), run.accuracy)
        self._alone.set_ydata([np.nan if run.alone is None else run.alone] * 2)
        name_drawn(self._curve_names, self._curves)
        done = len(run.accuracy) == ROUNDS
        for which, trail in enumerate(self._earlier, 1):
            earlier = [(place[0], place[which]) for k, place in self._visited.items() if k != key]
            trail.set_offsets(earlier if earlier else np.empty((0, 2)))
        for artist, value in ((self._here, run.accuracy[-1:]), (self._here_alone, (run.alone,) if done else ())):
            artist.set_data([view.skew] if done else [], list(value) if done else [])
        if done and run.alone is not None:
            together, alone = percent(run.accuracy[-1], 1), percent(run.alone, 1)
            self.rounds.title.set_text(say(f"federated {together}, alone {alone}", f"联邦 {together}，单独 {alone}"))
        elif self.stopped:
            number = len(run.accuracy)
            after = say(f"stopped after round {number}", f"训练到第 {number} 轮停止")
            self.rounds.title.set_text(after if number else say("stopped", "已停止"))
        else:
            self.rounds.title.set_text(say("training …", "训练中……"))
        if self.guess is not None:
            self._guess.set_data([look(QUESTION).skew], [self.guess / 100])
        name_drawn(self._legend, self._named)

    def alt(self, view: View) -> str:
        held = float(np.mean(np.sum(view.counts > 0, axis=1)))
        text = say(
            f"{describe(view.position)}: a client holds {held:.1f} different digits on average, "
            f"and {100 * view.skew:.0f} % of its images show its main digit.",
            f"{describe(view.position)}：每个客户端平均有 {held:.1f} 种数字，最多的一种占它图片的 {100 * view.skew:.0f}%。",
        )
        if len(view.run.accuracy) < ROUNDS or view.run.alone is None:
            return text + say(" The training was stopped.", "训练已停止。") if self.stopped else text
        together, alone = 100 * view.run.accuracy[-1], 100 * view.run.alone
        return text + say(
            f" After {ROUNDS} rounds the federated model is right on {together:.1f} %, a client alone on {alone:.1f} %.",
            f"{ROUNDS} 轮后，联邦模型的准确率为 {together:.1f}%，客户端单独训练平均为 {alone:.1f}%。",
        )


QUESTION = Position("shards")


class PartitionsExplorer(TrainingApp):
    """The app; see `TrainingApp`. What it calls a run is a `View`: who holds what, and the training so far."""

    def __init__(self, predict: bool = True):
        names = {
            "iid": say("IID", "独立同分布"),
            "shards": say("shards", "分片"),
            "dirichlet": say("Dirichlet", "Dirichlet 分布"),
        }
        start = Position()

        def slider(options, value, text):
            return w.SelectionSlider(
                options=options, value=value, description=text, continuous_update=False, layout=CONTROL, style=LABEL
            )

        controls = {
            "kind": w.Dropdown(options=[(names[k], k) for k in KINDS], value=start.kind,
                               description=say("dealt by", "划分方式"), style=LABEL, layout=CONTROL),
            "alpha": slider([(f"{a:g}", a) for a in ALPHAS], start.alpha, "α"),
            "shards": slider([(str(s), s) for s in SHARDS], start.shards, say("shards each", "每客户端分片")),
            "seed": slider([(str(s), s) for s in SEEDS], start.seed, say("deal again", "重新划分")),
        }  # fmt: skip
        question = self._question() if predict else None
        self.frame(controls, PartitionsPicture(), question)
        self.lay_out({"data": tuple(controls)})
        self.start()  # before any guess: the question is about another setting

    def _question(self) -> Prediction:
        text = say(
            "Two shards a client: nearly everybody knows two digits only, and alone reaches about 24 % on all ten. "
            "What accuracy, in percent, does the federated model reach after 10 rounds? (The picture shows another setting.)",
            "每个客户端两个分片：多数客户端只见过两种数字，单独训练时在全部十种数字上的准确率约为 24%。"
            "联邦训练 10 轮后，准确率是百分之几？（下图是另一种设置。）",
        )
        what = describe(QUESTION) + say(f"; {ROUNDS} rounds", f"；{ROUNDS} 轮")
        return Prediction(text, lambda guess: waiting(guess, what), QUESTION, name="widgets.partitions_explorer")

    def to_question(self) -> None:
        self.controls["kind"].value = QUESTION.kind

    def begin(self, position: Position) -> None:
        """Who holds what is shown at once, before its training."""
        if not self.run_button.disabled:  # else all is locked
            self.controls["alpha"].disabled = position.kind != "dirichlet"
            self.controls["shards"].disabled = position.kind != "shards"
        self.picture.stopped = False
        self.show(look(position))

    def parameters(self) -> Position:
        return Position(**{name: control.value for name, control in self.controls.items()}).essential()

    def rounds_of(self, position: Position) -> int:
        return ROUNDS

    def train(self, position: Position, on_round: Callable[[View], bool | None]) -> View:
        return look(position, train(position, lambda run: on_round(look(position, run))))

    def rounds_done(self, view: View) -> int:
        return len(view.run.accuracy)

    def percent(self, view: View) -> float:
        return 100 * view.run.accuracy[-1]

    def formula(self, view: View) -> str:
        return formula(view)

    def _stopped(self, button: Any) -> None:
        """Say so at once: a position that was still waiting for its turn is never trained, and nothing else would draw it."""
        super()._stopped(button)
        with DRAWING:
            self.picture.stopped = True
            self.show(look(self.parameters()))


def formula(view: View) -> str:
    share = r"\frac{1}{10}\sum_{i=1}^{10}\max_c\frac{n_{i,c}}{n_i}"
    words = say("share of the main digit, averaged over clients", "最多的数字所占比例，对客户端取平均")
    lines = rf"$${share}={view.skew:.3f}$$ {words}"
    if view.position.kind == "dirichlet":
        mixture = rf"(p_{{i,0}},\dots,p_{{i,9}})\sim\mathrm{{Dirichlet}}({view.position.alpha:g},\dots,{view.position.alpha:g})"
        lines = rf"$${mixture}$$" + lines
    return lines


def partitions_explorer(predict: bool = True) -> PartitionsExplorer:
    """The app. predict: ask for a guess before the controls unlock."""
    return PartitionsExplorer(predict)


def partitions_still(kind: str = "shards", alpha: float = 0.3, shards: int = 2) -> Still:
    """The app's picture for readers without a kernel, with the other ways of dealing as a grey trail."""
    picture = PartitionsPicture()
    here = Position(kind, alpha, shards)
    others = [Position("iid"), Position("dirichlet", 0.1), Position("dirichlet", 1.0)]
    others += [Position("shards", shards=s) for s in (1, 2, 5)]
    for position in (*others, here):
        view = look(position, train(position))
        picture.draw(view)
        picture.keep(view)
    return Still(picture.figure, picture.alt(view))
