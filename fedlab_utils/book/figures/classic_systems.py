"""Figures of chapter 6, of classic results about whole systems: distillation, pruning, time. From the committed tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from ...data.tables import load_classic_runs
from ...language import itemize, say
from ..colours import BROWN, EXACT, LOSSY, MAROON, OLIVE, SERIES, TEAL, TOTAL, UPLINK, VIOLET
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
WIDTHS = (16, 128, 512)  # hidden nodes


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
        ("s = 1: fixed length up, reckoned", say("s = 1, fixed length (reckoned)", "s = 1，定长（推算）"), VIOLET, "D:"),
        ("s = 1", say("s = 1, real bytes up", "s = 1，真实上行字节"), UPLINK, "o-"),
        ("float32", say("FedAvg: float32", "FedAvg：float32"), EXACT, "s-."),
        ("s = 1: both ways", say("s = 1, total (up + down)", "s = 1，总计（上行+下行）"), TOTAL, "^--"),
    )
    ends: list[float] = []
    with styled():
        for steps, colour, style in zip((1, 5, 10, 50), SERIES, ("o-", "s--", "D-.", "^:"), strict=False):
            after = runs[f"tau = {steps}, r = 25, s = 1: after 100 iterations"]
            _band(left, after, time, "loss", f"τ = {steps}", colour, style if steps > 1 else "-")
            ends += [run.curve["loss"][-1] for run in after]
        left.set(xlabel=say("time, in gradients of a sample", "时间（以一个样本的梯度为单位）"))
        left.set(xscale="log", yscale="log", ylabel=say("test loss", "测试损失"))
        best = []
        for setting, label, colour, style in counted:
            values = [[run.value for run in runs[f"tau = {steps}, r = 25, {setting}"]] for steps in PERIODS]
            _spread(right, PERIODS, values, label, colour, style)
            best.append((label, PERIODS[int(np.argmin([np.mean(several) for several in values]))]))
        right.set(xscale="log", yscale="log", xlim=(0.8, 62), ylim=(150, 1.2e6))
        right.set_xticks(PERIODS, [str(steps) for steps in PERIODS])
        right.minorticks_off()
        right.set(xlabel=say("local steps a round, τ", "每轮的本地步数 τ"))
        right.set(ylabel=say("time to a loss of 0.05", "损失降到 0.05 的时间"))
        left.legend(loc="upper right")
        right.legend(loc="upper right")
        for axis in (left.xaxis, left.yaxis, right.yaxis):
            plain_log_axis(axis)
        reach = f"{min(ends):.3f}", f"{max(ends):.3f}"
        left.set_title(say("After 100 steps: a loss of {} to {}", "100 步之后：损失 {} 到 {}").format(*reach))
        (_, paper), (_, ours), _, (_, both) = best
        right.set_title(
            say(f"Best τ: {paper} at a fixed length, {ours} by bytes, {both} both ways",
                f"最好的 τ：定长 {paper}，按字节 {ours}，算双向 {both}")
        )  # fmt: skip
    alt = say("The τ of least time, by what is counted: ", "用时最短的 τ，按所计的成本：") + itemize(best) + say(".", "。")
    return Still(figure, alt)


def federated_pruning() -> Still:
    """Accuracy after fifteen rounds against the bytes of both ways: masks agreed once, and dense models with a codec.

    From data/results/classics/federated_pruning.csv; mean and range of the seeds.
    """
    runs = _runs("federated_pruning", ("accuracy", "uplink_bytes", "downlink_bytes"))
    shares = (0.2, 0.1, 0.05)
    kept = [f"{share:.0%}" for share in shares]
    families = (
        (["dense, float32"], "", say("dense, float32", "稠密，float32"), EXACT, "s"),
        ([f"mask of the first model, {share}, float32" for share in kept], "float32",
         say("mask of the first model", "掩码取自初始模型"), OLIVE, "v:"),
        ([f"mask after a round, {share}, float32" for share in kept], "float32",
         say("mask after a round", "一轮之后定掩码"), VIOLET, "D-."),
        ([f"mask after a round, {share}, 2 bits" for share in kept], "2 bits",
         say("mask after a round, 2 bits", "一轮之后定掩码，2 位"), VIOLET, "D--"),
        ([f"dense, {bits * share:g} bits" for bits in (32, 2) for share in shares], "",
         say("dense, coded", "稠密，压缩"), LOSSY, "o-"),
    )  # fmt: skip
    figure, (left, right) = new_figure(2, width=10.2, height=4.0)

    def megabytes(run: _Run) -> np.ndarray:
        return np.cumsum(run.curve["uplink_bytes"] + run.curve["downlink_bytes"]) / 1e6

    told = []
    with styled():
        for settings, _, label, colour, style in families:
            many = [runs[setting] for setting in settings]
            x = [float(np.mean([megabytes(run)[-1] for run in several])) for several in many]
            _spread(left, x, [[run.value for run in several] for several in many], label, colour, style)
            told += [(setting, f"{where:.2f} MB, {100 * np.mean([run.value for run in several]):.1f} %")
                     for setting, where, several in zip(settings, x, many, strict=True)]  # fmt: skip
        for setting, label, colour, style in (
            ("mask after a round, 10%, float32", say("mask, a tenth kept", "掩码，留十分之一"), VIOLET, "D-."),
            ("dense, 3.2 bits", say("dense, coded, 3.2 bits", "稠密，压缩，3.2 位"), LOSSY, "o-"),
        ):
            _band(right, runs[setting], megabytes, "accuracy", label, colour, style)
        for ax in (left, right):
            ax.set(xscale="log", xlabel=say("megabytes, both directions", "双向总字节（MB）"))
            ax.legend(loc="lower right")
            plain_log_axis(ax.xaxis)
            percent_axis(ax.yaxis)
        left.set_ylabel(say("test accuracy after 15 rounds", "15 轮后的测试准确率"))
        right.set_ylabel(say("test accuracy", "测试准确率"))
        pair = "dense, 3.2 bits", "mask after a round, 10%, float32"
        coded, masked = (np.mean([run.value for run in runs[setting]]) for setting in pair)
        gain = 100 * (coded - masked)
        left.set_title(say("Fewer bits of all weights, or all bits of fewer", "所有权重少几位，还是少几个权重"))
        right.set_title(
            say(f"3.2 bits a weight either way: the codec {gain:+.1f} points", f"同为每权重 3.2 位：压缩 {gain:+.1f} 个百分点")
        )
    return Still(figure, itemize(told))


def federated_distillation() -> Still:
    """Opinions on public images against weights: accuracy by bytes where a client has two digits; bytes to 87 % by model size.

    From data/results/classics/federated_distillation.csv; mean and range of the seeds.
    """
    runs = _runs("federated_distillation", ("accuracy", "uplink_bytes", "downlink_bytes"))
    figure, (left, right) = new_figure(2, width=10.2, height=4.2)
    ways = {
        "weights, float32": (say("weights, float32", "权重，float32"), EXACT, "s-"),
        "weights, coded": (say("weights, coded", "权重，压缩"), LOSSY, "o-"),
        "logits, float32": (say("logits, float32", "logits，float32"), VIOLET, "D--"),
        "logits, 1 bit": (say("logits, 1 bit", "logits，1 位"), TEAL, "v-."),
        "mean of probabilities": (say("mean of probabilities", "概率的平均"), BROWN, "v-."),
        "ERA, T = 0.1": (say("sharpened (ERA)", "锐化（ERA）"), TEAL, "P:"),
        "labels": (say("labels", "标签"), MAROON, "^:"),
    }

    def kilobytes(run: _Run) -> np.ndarray:
        return np.cumsum(run.curve["uplink_bytes"] + run.curve["downlink_bytes"]) / 1000

    sizes = [784 * width + width + 10 * width + 10 for width in WIDTHS]
    means: dict[str, list[float]] = {}
    with styled():
        for name, (label, colour, style) in ways.items():
            if several := runs.get(f"two digits a client: {name}"):
                _band(left, several, kilobytes, "accuracy", label, colour, style)
            if f"{name}, {WIDTHS[0]} hidden" in runs:
                values = [[run.value for run in runs[f"{name}, {width} hidden"]] for width in WIDTHS]
                _spread(right, sizes, values, label, colour, style)
                means[name] = [float(np.mean(several)) for several in values]
        for ax in (left, right):
            ax.set_xscale("log")
            plain_log_axis(ax.xaxis)
        percent_axis(left.yaxis)
        right.set_yscale("log")
        plain_log_axis(right.yaxis)
        left.set(xlabel=say("kilobytes, both directions", "双向总字节（kB）"), ylabel=say("test accuracy", "测试准确率"))
        right.set(xlabel=say("weights of the model", "模型的权重个数"), ylabel=say("kilobytes to 87 %", "到 87% 的总字节（kB）"))
        left.legend(loc="lower right")
        right.legend(loc="upper left")
        right.set_title(say("Weights grow with the model, opinions do not", "权重随模型变大，意见不会"))
        left.set_title(say("Two digits a client: opinions mislead", "每家两个数字：意见会误导"))
    alt = say("Kilobytes both ways to 87 %, by hidden nodes 16, 128, 512: ", "到 87% 的双向总字节（kB），隐藏节点 16、128、512：")
    return Still(figure, alt + itemize((ways[name][0], ", ".join(f"{v:,.0f}" for v in found)) for name, found in means.items()))
