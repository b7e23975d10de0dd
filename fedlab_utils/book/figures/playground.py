"""Figures of chapter 6: all that the book has measured on one frontier, the reader's runs on top; bytes to 97 %."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...data.tables import load_bytes_to_97, load_classics
from ...federation.history import History
from ...federation.trainings import load_trainings, settings
from ...language import say
from ...validation import require_choice
from ..colours import BROWN, DOWNLINK, EXACT, GUIDE, MAROON, MUTED, TEAL, TOTAL, UPLINK, VIOLET
from ..labels import frontier as frontier_of
from ..labels import spread
from ..plotting import Still, new_figure, partition_name, percent_axis, plain_log_axis, styled
from .classic_runs import with_range


class Result(NamedTuple):
    """One committed result. kind: of KINDS. megabytes: both ways, the mean over the seeds. low, mean, high: of the accuracy."""

    kind: str
    megabytes: float
    low: float
    mean: float
    high: float


KINDS = {  # colour, marker, English, Chinese
    "float32": (EXACT, "o", "float32", "float32"),
    "up": (TEAL, "^", "coded one way", "单向压缩"),
    "both": (BROWN, "s", "coded both ways", "双向压缩"),
    "least": (MAROON, "D", "bytes to 97 %", "到 97% 的最少字节数"),
}
LOWEST = 0.84  # of the accuracies that the frontier shows
PREFIX = {"iid": "100 clients, ", "shards": "two shards, "}  # of the settings in trainings.csv that are one task


def _kind(uplink: float, downlink: float) -> str:
    """By what travelled: float32 goes as many bytes up as down; a coded uplink takes fewer than a dense downlink."""
    if uplink > 0.95 * downlink:
        return "float32" if downlink > 5e6 else "both"
    return "up" if downlink > 2e7 else "both"


def results(partition: str = "iid") -> list[Result]:
    """Every committed training of MNIST on a hundred clients, dealt `partition`, whose bytes both ways are counted."""
    found = []
    for setting in settings():
        if not setting.startswith(PREFIX[partition]):
            continue
        histories = load_trainings(setting)
        accuracy = np.array([history.accuracy[-1] for history in histories])
        up, down = (float(np.mean([sum(getattr(h, way)) for h in histories])) for way in ("uplink_bytes", "downlink_bytes"))
        found.append(Result(_kind(up, down), (up + down) / 1e6, accuracy.min(), float(accuracy.mean()), accuracy.max()))
    if partition == "iid":
        for row in load_classics():
            if row.experiment == "estimators_trained":
                total = (row.uplink_bytes + row.downlink_bytes) / 1e6
                kind = _kind(row.uplink_bytes, row.downlink_bytes)
                found.append(Result(kind, total, row.ours_low, row.ours_mean, row.ours_high))
    for recipe in load_bytes_to_97(partition).values():
        test = [run.test for run in recipe]
        total = float(np.mean([run.total_bytes for run in recipe])) / 1e6
        kind = "float32" if recipe[0].recipe == "FedAvg" else "least"
        found.append(Result(kind, total, min(test), float(np.mean(test)), max(test)))
    return found


class Ended(Protocol):
    """A run by where it ended, as `fl.widgets.ends_of` gives those of the lab."""

    @property
    def total_mb(self) -> float: ...

    @property
    def accuracy(self) -> float: ...

    @property
    def partition(self) -> str: ...


def _place(name: str, run: Any) -> tuple[float, float]:
    """Megabytes both ways and accuracy of a run; ValueError for what has none."""
    if isinstance(run, History) and run.accuracy:
        return float(run.total_bytes()[-1]) / 1e6, run.accuracy[-1]
    if not isinstance(run, History) and hasattr(run, "total_mb"):
        return run.total_mb, run.accuracy
    kind = type(run).__name__
    raise ValueError(say(
        f"runs must be histories of fl.simulate with a round or more, or ends of runs of the lab, got {kind} for {name!r}",
        f"runs 应为 fl.simulate 的训练历史（至少一轮），或实验台各次运行的终点；{name!r} 收到的是 {kind}"))  # fmt: skip


def _elsewhere(dealt: Mapping[str, str], partition: str) -> list[str]:
    """What is said of runs that are not drawn, since their clients hold other data: a line a partition. dealt: by name."""
    lines = []
    for other in dict.fromkeys(dealt.values()):
        names = [name for name, of in dealt.items() if of == other]
        listed = say(", ", "、").join(names[:4]) + "…" * (len(names) > 4)
        call = f'frontier(…, partition="{other}")'
        none = say("the book has no such results", "本书没有这种数据分布的结果")
        where = say(f"see {call}", f"请看 {call}") if other in PREFIX else none
        lines.append(say(f"Not drawn: {listed} ({partition_name(other)}, not {partition_name(partition)}); {where}",
                         f"没有画出：{listed}（{partition_name(other)}，不是{partition_name(partition)}）；{where}"))  # fmt: skip
    return lines


def frontier(runs: Mapping[str, History | Ended] | None = None, partition: str | None = None) -> Still:
    """Accuracy against bytes both ways, all committed results; a line joins those of the book that no other of it beats; the
    reader's runs on top.

    runs: histories of `simulate`, or ends of runs of the lab, by the name that stands beside their point. partition: "iid" or
    "shards", of the committed results; by default that of the runs, if all are known to be of one, else "iid". A run of the lab
    on another partition is not drawn, and named below the axis. ValueError for anything else.
    """
    dealt = {name: getattr(run, "partition", None) for name, run in (runs or {}).items()}
    if partition is None:
        kinds = {*dealt.values()}
        partition = kinds.pop() if len(kinds) == 1 and kinds <= PREFIX.keys() else "iid"
    partition = require_choice("partition", partition, PREFIX)
    left_out = _elsewhere({name: of for name, of in dealt.items() if of not in (None, partition)}, partition)
    found, own = results(partition), {name: _place(name, run) for name, run in (runs or {}).items()}
    own = {name: place for name, place in own.items() if dealt[name] in (None, partition)}
    figure, (ax,) = new_figure(1, width=9.5, height=4.8)
    with styled():
        for kind, (colour, marker, english, chinese) in KINDS.items():
            points = [result for result in found if result.kind == kind]
            if points:
                x, low, mean, high = (np.array([getattr(p, f) for p in points]) for f in ("megabytes", "low", "mean", "high"))
                with_range(ax, x, low, mean, high, colour, marker=marker, ms=6, ls="", label=say(english, chinese))
        x, y = np.array([p.megabytes for p in found]), np.array([p.mean for p in found])
        best = frontier_of(list(zip(x.tolist(), y.tolist(), strict=True)))
        none_better = say("none of the book's is better", "本书中没有更好的")
        steps = np.column_stack([np.repeat(x[best], 2)[1:], np.repeat(y[best], 2)[:-1]])
        ax.plot(*steps.T, color=GUIDE, lw=1, zorder=0, label=none_better)
        if own:
            stars = {"marker": "*", "ms": 16, "color": VIOLET, "ls": "", "zorder": 5}
            ax.plot(*zip(*own.values(), strict=True), label=say("your runs", "你的运行"), **stars)
        labels = [
            ax.annotate(name, place, (8, 6), textcoords="offset points", color=VIOLET, fontsize=9)
            for name, place in own.items()
        ]
        bottom = min([LOWEST, *(accuracy - 0.02 for _, accuracy in own.values())])
        ax.set(xscale="log", ylim=(bottom, 1.0))
        if below := sum(result.mean < bottom for result in found):
            words = say(f"{below} of the settings\nlie below", f"其中 {below} 种设置\n在图外更低处")
            ax.text(1.03, 0.02, words, transform=ax.transAxes, fontsize=9, color=MUTED)  # beside: within, a star may stand
        below_axis = [say("megabytes, both ways", "双向总字节数（MB）"), *left_out]
        ax.set(xlabel="\n".join(below_axis), ylabel=say("test accuracy", "测试准确率"))
        percent_axis(ax.yaxis)
        plain_log_axis(ax.xaxis)
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
        ax.set_title(say(f"{len(found)} settings that the book has measured, {partition_name(partition)}",
                         f"本书测过的 {len(found)} 种设置，{partition_name(partition)}"))  # fmt: skip
        if labels:
            figure.draw_without_rendering()
            spread(ax, labels, marker=16, lines=[steps])
    ends = [found[place] for place in (best[0], best[-1])]
    alt = say(
        f"Accuracy against megabytes both ways, {len(found)} settings. Those that none beats go from {ends[0].megabytes:.2f} MB "
        f"at {100 * ends[0].mean:.1f} % to {ends[1].megabytes:.0f} MB at {100 * ends[1].mean:.1f} %.",
        f"准确率对双向总字节数，共 {len(found)} 种设置。没有更好的那些，从 {ends[0].megabytes:.2f} MB、{100 * ends[0].mean:.1f}% "
        f"到 {ends[1].megabytes:.0f} MB、{100 * ends[1].mean:.1f}%。",
    )
    told = [
        say(f" {name}: {100 * accuracy:.1f} %, {total:.2f} MB.", f"{name}：{100 * accuracy:.1f}%，{total:.2f} MB。")
        for name, (total, accuracy) in own.items()
    ]
    told += [say(f" {line}.", f"{line}。") for line in left_out]
    return Still(figure, alt + "".join(told))


def bytes_to_97() -> Still:
    """Megabytes until 97 % of the validation split are right: up, down and first models, by recipe and partition. Log axis."""
    figure, axes = new_figure(2, width=10.5, height=3.6)
    told = []
    with styled():
        for ax, partition in zip(axes, PREFIX, strict=True):
            found, title = load_bytes_to_97(partition), partition_name(partition)
            dense = np.mean([run.total_bytes for run in found["FedAvg"]])
            places = np.arange(len(found))[::-1]
            for place, (_, seeds) in zip(places, found.items(), strict=True):
                total = np.array([run.total_bytes for run in seeds]) / 1e6
                up, down, first = (np.mean([getattr(run, f"{way}_bytes") for run in seeds]) / 1e6
                                   for way in ("uplink", "downlink", "first_model"))  # fmt: skip
                ax.plot([total.min(), total.max()], [place, place], color=TOTAL, lw=2)
                for value, marker, colour, name in (
                    (total.mean(), "s", TOTAL, say("total", "总计")), (up, "^", UPLINK, say("uplink", "上行")),
                    (down, "v", DOWNLINK, say("downlink", "下行")), (first, "|", MAROON, say("first models", "初始模型")),
                ):  # fmt: skip
                    ax.plot([value], [place], marker, color=colour, ms=8, mew=2, label=name if place == 0 else None)
                factor, mean = dense / 1e6 / total.mean(), total.mean()
                shown = f"{mean:,.0f} MB" if mean > 100 else f"{mean:.1f} MB"
                ax.annotate(shown + (f"  ({factor:.0f}×)" if factor > 1.01 else ""), (total.mean(), place),
                            (0, 9), textcoords="offset points", ha="center", fontsize=8.5, color=MUTED)  # fmt: skip
                name = say(*NAMES[seeds[0].recipe]).replace("\n", say(" ", ""))
                told.append(say(f"{title}, {name}: {shown}", f"{title}，{name}：{shown}"))
            ax.set_yticks(places, [say(*NAMES[name]) for name in found])
            ax.set(xscale="log", ylim=(-0.6, len(found) - 0.3), xlabel=say("megabytes", "字节数（MB）"))
            ax.set_title(title)
            plain_log_axis(ax.xaxis)
            ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=4, fontsize=8, handletextpad=0.2, columnspacing=1)
    return Still(figure, say("; ", "；").join(told) + say(".", "。"))


NAMES = {  # of recipes in data/results/bytes_to_97.py: English, Chinese
    "FedAvg": ("FedAvg, tuned", "调好的 FedAvg"),
    "whole": ("whole broadcasts,\ncontexts", "整体广播、\n上下文"),
    "whole, DCT": ("whole broadcasts,\nDCT, fixed step", "整体广播、\nDCT、固定步长"),
}
