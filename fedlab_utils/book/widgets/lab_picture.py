"""The picture of the live lab: accuracy by round and by bytes; every run ends in a numbered point, the best are joined."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from matplotlib.lines import Line2D

from ...language import percent, say
from ..colours import EARLIER, EXACT, INK, PAPER, TOTAL, UPLINK, VIOLET
from ..labels import frontier, spread
from ..plotting import name_drawn, new_figure, percent_axis, plain_log_axis, quick, styled, whole_numbers
from .lab_list import RunList, columns_of, in_two_lines, settings
from .lab_training import ASKED, Run, describe

RUNS_KEPT = 11  # beside the present one
ONE_LINE = 147  # columns of the setting above all panels, beyond which it takes two
ACROSS = 118  # columns of 10 points that find room there


class LabPicture:
    """Accuracy against rounds, and against megabytes (logarithmic), uplink and total apart; the list of the runs; above all
    the setting of the present one.

    Each run ends in two points, up and total, under its number. The frontier joins those that no other run beats with as
    few bytes: what the reader has found so far. Curves of earlier runs are grey.
    """

    ratios = (1.0, 1.3, 0.75)  # of the panels' widths
    columns = 30  # of the list
    room = 0.12  # of the range of accuracies, above all curves, for the names
    above = 0.045  # of the figure's height, for the setting
    size = 11  # points of the titles

    def __init__(self):
        self.guess: float | None = None
        self.earlier: list[Run] = []
        self._dropped = 0  # runs that are no longer kept: numbers stay
        self.figure, (self.rounds, self.bytes, beside) = new_figure(3, width=10.2, height=4.4, width_ratios=self.ratios)
        layout: Any = self.figure.get_layout_engine()  # the constrained one
        layout.set(rect=(0, 0, 1, 1 - self.above))
        with styled():
            self._grey = [
                (self.rounds.plot([], [], color=EARLIER, lw=1)[0],
                 self.bytes.plot([], [], color=EARLIER, lw=0.8)[0],
                 self.bytes.plot([], [], color=EARLIER, lw=0.8, ls="--")[0]) for _ in range(RUNS_KEPT)
            ]  # fmt: skip
            self._grey[0][0].set_label(say("earlier runs", "先前的运行"))
            self._band = self.rounds.fill_between([0, 1], [0, 0], color=VIOLET, alpha=0.2, lw=0)
            (self._accuracy,) = self.rounds.plot([], [], "o-", color=VIOLET, ms=4, lw=2, label=say("this run", "本次运行"))
            (self._uplink,) = self.bytes.plot([], [], color=UPLINK, lw=2)
            (self._total,) = self.bytes.plot([], [], color=TOTAL, lw=2)
            up, total = say("uplink", "上行"), say("total (up + down)", "总计（上行+下行）")
            self._frontiers, self._ends = [], []
            for colour, marker, style, name in ((UPLINK, "o", ":", up), (TOTAL, "s", (0, (4, 2)), total)):
                best = say(f"your frontier, {name.partition(' (')[0]}", f"你的前沿，{name[:2]}")
                self._frontiers += self.bytes.plot([], [], ls=style, lw=1.4, color=colour, zorder=3, label=best)
                self._ends += self.bytes.plot([], [], marker, ms=7, color=colour, mec=PAPER, zorder=4, label=name)
            self._numbers = [
                [self.bytes.annotate("", (1, 0), (0, 8), textcoords="offset points", color=colour, fontsize=8,
                                     annotation_clip=True, zorder=5) for _ in range(RUNS_KEPT + 1)]
                for colour in (UPLINK, TOTAL)
            ]  # fmt: skip
            self._guess = self.rounds.axhline(0, color=EXACT, lw=1, ls="--", visible=False)
            asked = say(f"your guess ({describe(ASKED)})", f"你的猜测（{describe(ASKED)}）")
            self._guess_text = self.rounds.text(0.1, 0, asked, fontsize=8, va="bottom", visible=False)
            for ax in (self.rounds, self.bytes):
                ax.set_ylim(0, 1)
                percent_axis(ax.yaxis)
            whole_numbers(self.rounds.xaxis)
            self.rounds.set(xlabel=say("round", "轮次"), ylabel=say("test accuracy", "测试准确率"), xlim=(0, 10.5))
            self.bytes.set(
                xscale="log", xlim=(0.001, 300), xlabel=say("megabytes sent since the start", "累计传输的字节数（MB）")
            )
            plain_log_axis(self.bytes.xaxis)
            quick(self.figure)
            for ax, words in ((self.rounds, say("Accuracy", "准确率")), (self.bytes, say("Communication cost", "通信成本"))):
                ax.set_title(words, fontsize=self.size)
            # Not a figure's own text: of those, pictures keep no pixels.
            self.setting = self.rounds.text(0.012, 0.985, "", transform=self.figure.transFigure, va="top", color=INK)
            self.setting.set_in_layout(False)
            self._grey[0][1].set_label(say("earlier runs", "先前的运行"))
            self._named = [(self._grey[0][0], self._accuracy), self._against_bytes()]
            self._legends = [
                self.rounds.legend(handles=self._named[0], loc="lower right"),
                self.bytes.legend(
                    handles=self._named[1], loc="upper left", fontsize=7.5, ncols=3, columnspacing=0.8, handlelength=1.5
                ),
            ]
            self.list = RunList(beside, self.columns, RUNS_KEPT + 1)

    def _against_bytes(self) -> tuple[Line2D, ...]:
        """What is named in the panel of the bytes, in this order."""
        return (*self._ends, *self._frontiers, self._grey[0][1])

    def keep(self, run: Run) -> None:
        """Leave a run on the picture: its curve in grey, its end under its number."""
        self._dropped += max(0, len(self.earlier) + 1 - RUNS_KEPT)
        self.earlier = [*self.earlier, run][-RUNS_KEPT:]

    def forget(self) -> None:
        """All runs but the present one; it becomes the first."""
        self.earlier, self._dropped = [], 0

    def _runs(self, run: Run) -> list[Run]:
        return [r for r in (*self.earlier, run) if r.accuracy and r.accuracy[0]]

    def draw(self, run: Run) -> None:
        for lines, before in zip_longest(self._grey, self.earlier):
            accuracy, uplink, total = means(before) if before is not None else (np.empty(0),) * 3
            lines[0].set_data(np.arange(1, accuracy.size + 1), accuracy)
            lines[1].set_data(uplink, accuracy)
            lines[2].set_data(total, accuracy)
        if not run.accuracy:
            self._name()
            return
        accuracy, uplink, total = means(run)
        numbers = np.arange(1, accuracy.size + 1)
        self._accuracy.set_data(numbers, accuracy)
        self._uplink.set_data(uplink, accuracy)
        self._total.set_data(total, accuracy)
        every = np.array(complete(run.accuracy))
        self._band.set_data(numbers, every.min(axis=0), every.max(axis=0))
        self.rounds.set_xlim(0, max(run.parameters.rounds, *(len(r.accuracy[0]) for r in self.earlier), 1) + 0.5)
        largest = max(float(means(r)[2].max()) for r in (run, *self.earlier))
        self.bytes.set_xlim(0.001, max(300, 4 * largest))  # with room for numbers beside the last points
        setting = in_two_lines(describe(run.parameters), ONE_LINE)
        widest = max(map(columns_of, setting.split("\n")))
        self.setting.set(text=setting, fontsize=min(8 if "\n" in setting else 10, 10 * ACROSS / widest))
        for ax, title in zip((self.rounds, self.bytes), self.titles(run), strict=True):
            ax.title.set_text(title)
        lowest = min(float(means(r)[0].min()) for r in (run, *self.earlier))
        bottom = next(b for b in (0.8, 0.6, 0.4, 0.2, 0.0) if b <= lowest)
        for ax in (self.rounds, self.bytes):
            ax.set_ylim(bottom, 1 + self.room * (1 - bottom))
        self._draw_ends(run)
        self._mark_guess(run)
        self._name()

    def titles(self, run: Run) -> tuple[str, str]:
        """What stands above the accuracy, and above the bytes."""
        (end,), count = ends_of([run]), len(complete(run.accuracy))
        seeds = say(f", {count} seeds", f"，{count} 个种子") if count > 1 else ""
        reached = percent(end.accuracy, 1)
        return (say(f"accuracy {reached}", f"准确率 {reached}") + seeds,
                say(f"up {end.uplink_mb:.3g} MB, total {end.total_mb:.3g} MB",
                    f"上行 {end.uplink_mb:.3g} MB，总计 {end.total_mb:.3g} MB"))  # fmt: skip

    def _mark_guess(self, run: Run) -> None:
        if self.guess:
            self._guess.set(ydata=[self.guess / 100] * 2, visible=True)
            self._guess_text.set(y=self.guess / 100, visible=True)

    def _of_this_run(self) -> list[Line2D]:
        """The lines against bytes of the present run."""
        return [self._uplink, self._total]

    def _name(self) -> None:
        for legend, artists in zip(self._legends, self._named, strict=True):
            name_drawn(legend, artists)

    def _draw_ends(self, run: Run) -> None:
        runs = self._runs(run)
        names = [str(self._dropped + place) for place in range(1, len(runs) + 1)]
        ends = ends_of(runs)
        shown = []
        for side, (points, line, labels) in enumerate(zip(self._ends, self._frontiers, self._numbers, strict=True)):
            places = [((end.uplink_mb, end.total_mb)[side], end.accuracy) for end in ends]
            points.set_data(*zip(*places, strict=True))
            best = [places[number] for number in frontier(places)]
            line.set_data(*zip(*best, strict=True))
            for label in labels:
                label.set_text("")
            for label, name, place in zip(labels, names, places, strict=False):
                label.set_text(name)
                label.xy = place
            shown += labels[: len(places)]
        drawn = (*(line for lines in self._grey for line in lines[1:]), *self._of_this_run(), *self._frontiers)
        spread(self.bytes, shown, marker=7, lines=[line.get_xydata() for line in drawn])
        self.list.draw(names, runs, [end.accuracy for end in ends])

    def alt(self, run: Run) -> str:
        if not run.accuracy:
            return say("The lab before its first run.", "实验台尚未运行。")
        rounds = len(run.accuracy[0])
        accuracy, uplink, total = (series[-1] for series in means(run))
        said = say(
            f"Federated training, uplink codec: {describe(run.parameters)}. Accuracy {100 * accuracy:.1f} % "
            f"after {rounds} rounds, {uplink:.3g} MB uplink and {total:.3g} MB in total.",
            f"联邦训练，上行编码：{describe(run.parameters)}。{rounds} 轮后准确率 {100 * accuracy:.1f}%，"
            f"上行 {uplink:.3g} MB，总计 {total:.3g} MB。",
        )
        runs = self._runs(run)
        return said if len(runs) < 2 else said + say(" ", "") + self._all_runs(runs)

    def _all_runs(self, runs: Sequence[Run]) -> str:
        """All runs in words, and which are on the frontier."""
        first = self._dropped + 1
        ends = ends_of(runs)
        listed = say("; ", "；").join(
            f"{number} {' · '.join(settings(one))}{say(', ', '，')}{percent(end[2], 1)}{say(', ', '，')}"
            + say(f"up {end[0]:.3g} MB, total {end[1]:.3g} MB", f"上行 {end[0]:.3g} MB，总计 {end[1]:.3g} MB")
            for number, (one, end) in enumerate(zip(runs, ends, strict=True), first)
        )
        best = [
            say(", ", "、").join(str(first + number) for number in frontier(points))
            for points in ([(end.uplink_mb, end.accuracy) for end in ends], [(end.total_mb, end.accuracy) for end in ends])
        ]
        return say(
            f"Runs: {listed}. On the frontier of accuracy against bytes: {best[0]} by uplink, {best[1]} by total.",
            f"各次运行：{listed}。准确率与字节数的前沿：按上行是 {best[0]}，按总计是 {best[1]}。",
        )


def complete(series: list[list[float]]) -> list[list[float]]:
    """The seeds that have come as far as the first one; the first alone while it is running."""
    return [s for s in series if len(s) == len(series[0])]


def means(run: Run) -> list[np.ndarray]:
    """Accuracy, uplink MB and total MB by round, averaged over the complete seeds."""
    return [np.mean(complete(series), axis=0) for series in (run.accuracy, run.uplink_mb, run.total_mb)]


class End(NamedTuple):
    """Where a run ends, averaged over its seeds. first_mb: the part of total_mb that first models cost. partition: how the
    data were dealt, of PARTITIONS."""

    uplink_mb: float
    total_mb: float
    accuracy: float
    first_mb: float
    partition: str


def ends_of(runs: Sequence[Run]) -> list[End]:
    """Where each of these runs ends, by its rounds so far: points of a frontier."""

    def mean(series: list[list[float]]) -> float:
        return float(np.mean(complete(series), axis=0)[-1])

    return [
        End(mean(r.uplink_mb), mean(r.total_mb), mean(r.accuracy), mean(r.first_mb), r.parameters.partition) for r in runs
    ]
