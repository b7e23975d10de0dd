"""Figures of chapter 6, of classic results about whole systems: distillation, pruning, time. From the committed tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from ...data.tables import load_classic_runs
from ...language import itemize, say
from ..colours import EXACT, SERIES, TOTAL, UPLINK, VIOLET
from ..plotting import Still, new_figure, percent_axis, plain_log_axis, styled


class _Run(NamedTuple):
    """value: as in classics.csv. curve: its columns by name, float64 [rounds] each."""

    value: float
    curve: dict[str, np.ndarray]


def _runs(name: str, columns: Sequence[str]) -> dict[str, list[_Run]]:
    """Every run of an experiment by its setting, with these columns of its curve."""
    lines: dict[tuple[str, str], list[dict[str, str]]] = {}
    for line in load_classic_runs(name):
        lines.setdefault((line["setting"], line["seed"]), []).append(line)
    found: dict[str, list[_Run]] = {}
    for (setting, _), (run, *curve) in lines.items():
        read = {column: np.array([float(point[column]) for point in curve]) for column in columns}
        found.setdefault(setting, []).append(_Run(float(run["value"]), read))
    return found


def _spread(ax: Axes, x: Sequence[float], values: Sequence[Sequence[float]], label: str, colour: str, style: str) -> None:
    """The mean of the seeds at each x, joined; a line from the lowest to the highest. style: marker and dashes."""
    ax.vlines(x, [min(several) for several in values], [max(several) for several in values], color=colour, lw=1.2)
    ax.plot(x, [np.mean(several) for several in values], style, color=colour, label=label, ms=6)


def _band(ax: Axes, runs: list[_Run], x: Callable[[_Run], np.ndarray], y: str, label: str, colour: str, style: str) -> None:
    """Mean of a column over the mean of x, as many rounds as every run has, and a band from the lowest to the highest seed."""
    rounds = min(len(run.curve[y]) for run in runs)
    across = np.mean([x(run)[:rounds] for run in runs], axis=0)
    values = np.array([run.curve[y][:rounds] for run in runs])
    ax.fill_between(across, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, lw=0)
    ax.plot(across, values.mean(axis=0), style, color=colour, label=label, ms=5)


PERIODS = (1, 2, 5, 10, 20, 50)  # tau, local steps a round


def fedpaq() -> Still:
    """FedPAQ's time model: loss over simulated time, and the time to a loss of 0.05 by local steps and by what is counted.

    Reisizadeh et al. 2020, arXiv:1909.13014, figure 1. From data/results/classics/fedpaq.csv; mean and range of ten seeds.
    """
    runs = _runs("fedpaq", ("loss", "uplink_bytes", "computation"))
    figure, (left, right) = new_figure(2, width=10.2, height=4.0)

    def time(run: _Run) -> np.ndarray:
        """100 for 785 weights of float32: the paper's ratio, and its model."""
        return np.cumsum(run.curve["computation"] + 100 * run.curve["uplink_bytes"] / (4 * 785))

    counted = (
        ("{}, r = 25, s = 1: fixed length up, reckoned", say("s = 1, fixed length (reckoned)", "s = 1，定长（推算）"), VIOLET, "D:"),
        ("{}, r = 25, s = 1", say("s = 1, real bytes up", "s = 1，真实上行字节"), UPLINK, "o-"),
        ("{}, r = 25, float32", say("FedAvg: float32", "FedAvg：float32"), EXACT, "s-."),
        ("{}, r = 25, s = 1: both ways", say("s = 1, total (up + down)", "s = 1，总计（上行+下行）"), TOTAL, "^--"),
    )
    with styled():
        for steps, colour, style in zip((1, 5, 10, 50), SERIES, ("o-", "s--", "D-.", "^:"), strict=False):
            after = runs[f"tau = {steps}, r = 25, s = 1: after 100 iterations"]
            _band(left, after, time, "loss", f"τ = {steps}", colour, style if steps > 1 else "-")
        left.set(xlabel=say("time, in gradients of a sample", "时间（以一个样本的梯度为单位）"), ylabel=say("test loss", "测试损失"))
        left.set(xscale="log", yscale="log")
        for axis in (left.xaxis, left.yaxis, right.xaxis, right.yaxis):
            plain_log_axis(axis)
        best = []
        for setting, label, colour, style in counted:
            values = [[run.value for run in runs[setting.format(f"tau = {steps}")]] for steps in PERIODS]
            _spread(right, PERIODS, values, label, colour, style)
            best.append((label, PERIODS[int(np.argmin([np.mean(several) for several in values]))]))
        right.set(xscale="log", yscale="log", xlim=(0.8, 62), ylim=(150, 1.2e6))
        right.set_xticks(PERIODS, [str(steps) for steps in PERIODS])
        right.minorticks_off()
        right.set(xlabel=say("local steps a round, τ", "每轮的本地步数 τ"))
        right.set(ylabel=say("time to a loss of 0.05", "损失降到 0.05 的时间"))
        left.legend(loc="upper right")
        right.legend(loc="upper right")
        left.set_title(say("100 steps: all periods end alike", "100 步：各种 τ 的终点相同"))
        (_, paper), (_, ours), _, (_, both) = best
        right.set_title(
            say(f"Best τ: {paper} at a fixed length, {ours} by bytes, {both} both ways",
                f"最好的 τ：定长 {paper}，按字节 {ours}，算双向 {both}")
        )  # fmt: skip
    alt = say("The τ of least time, by what is counted: ", "用时最短的 τ，按所计的成本：") + itemize(best) + say(".", "。")
    return Still(figure, alt)
