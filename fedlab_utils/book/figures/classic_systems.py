"""Figures of chapter 6, of classic results about whole systems: distillation, pruning, time. From the committed tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ...language import itemize, percent, say
from ..colours import BROWN, EXACT, LOSSY, MAROON, MUTED, SERIES, TEAL, TOTAL, UPLINK, VIOLET
from ..plotting import Still, new_figure, percent_axis, plain_log_axis, styled
from .classic_runs import Run, apart, band, runs, with_range


def _spread(ax: Axes, x: Sequence[float], values: Sequence[Sequence[float]], label: str, colour: str, style: str) -> None:
    """The mean of the seeds at each x, joined, and its range."""
    low, mean, high = ([float(pick(several)) for several in values] for pick in (min, np.mean, max))
    with_range(ax, x, low, mean, high, colour, style, ms=6, label=label)


PERIODS = (1, 2, 5, 10, 20, 50)  # tau, local steps a round
WIDTH, WIDTHS = 128, (16, 128, 512)  # hidden nodes


def fedpaq() -> Still:
    """FedPAQ's time model: loss over simulated time, and the time to a loss of 0.05 by local steps and by what is counted.

    Reisizadeh et al. 2020, arXiv:1909.13014, figure 1. From data/results/classics/fedpaq.csv; mean and range of ten seeds.
    """
    measured = runs("fedpaq", "loss", "uplink_bytes", "computation")
    figure, (left, right) = new_figure(2, width=10.2, height=4.0)
    apart(figure)

    def time(run: Run) -> np.ndarray:
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
            after = measured[f"tau = {steps}, r = 25, s = 1: after 100 iterations"]
            band(left, after, time, "loss", colour, style if steps > 1 else "-", ms=5, label=f"τ = {steps}")
            ends += [run.curve["loss"][-1] for run in after]
        left.set(xlabel=say("time, in gradients of a sample", "时间（以一个样本的梯度为单位）"))
        left.set(xscale="log", yscale="log", ylabel=say("test loss", "测试损失"))
        best = []
        for setting, label, colour, style in counted:
            values = [[run.value for run in measured[f"tau = {steps}, r = 25, {setting}"]] for steps in PERIODS]
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
        reach = f"{min(ends):.2f}", f"{max(ends):.2f}"  # periods that are not drawn end as near
        left.set_title(say("After 100 steps: a loss of {} to {}", "100 步之后：损失 {} 到 {}").format(*reach))
        (_, paper), (_, ours), _, (_, both) = best
        right.set_title(
            say(f"Best τ: {paper} at a fixed length, {ours} by bytes, {both} both ways",
                f"最好的 τ：定长 {paper}，按字节 {ours}，算双向 {both}")
        )  # fmt: skip
    alt = say("The τ of least time, by what is counted: ", "用时最短的 τ，按所计的成本：") + itemize(best) + say(".", "。")
    return Still(figure, alt)


def federated_pruning() -> Still:
    """Accuracy by bytes of both ways in ten rounds: a mask that keeps a tenth, and dense models of as many bits a weight.

    From data/results/classics/federated_pruning.csv; mean and range of the seeds.
    """
    measured = runs("federated_pruning", "accuracy", "uplink_bytes", "downlink_bytes")
    figure, panels = new_figure(2, width=10.2, height=4.0, sharey=True)
    first, after = say("mask of the first model", "掩码取自初始模型"), say("mask after a round", "一轮之后定掩码")
    sides = (
        ("3.2", (("mask of the first model, 10%, float32", first, TEAL, "v:"),
                 ("mask after a round, 10%, float32", after, VIOLET, "D-."))),
        ("0.2", (("mask after a round, 10%, 2 bits", after, VIOLET, "D-."),)),
    )  # fmt: skip

    def megabytes(run: Run) -> np.ndarray:
        return run.sent() / 1e6

    told = []
    with styled():
        for ax, (bits, masked) in zip(panels, sides, strict=True):
            dense = f"dense, {bits} bits"
            lines = ((dense, say("all weights, coded", "全部权重，压缩"), LOSSY, "o-"), *masked)
            ends = []
            for setting, label, colour, style in lines:
                band(ax, measured[setting], megabytes, "accuracy", colour, style, ms=5, label=label)
                ends.append(float(np.mean([run.value for run in measured[setting]])))
                size = np.mean([megabytes(run)[-1] for run in measured[setting]])
                told.append((say(f"{bits} bits, {label}", f"{bits} 位，{label}"), f"{percent(ends[-1], 1)}, {size:.2f} MB"))
            coded, kept = percent(ends[0], 1), percent(max(ends[1:]), 1)
            ax.set_title(say(f"{bits} bits a weight: {coded} coded, {kept} with a mask",
                             f"每权重 {bits} 位：压缩 {coded}，掩码 {kept}"))  # fmt: skip
            ax.set(xscale="log", xlabel=say("megabytes, both directions", "双向总字节（MB）"))
            ax.legend(loc="lower right")
            plain_log_axis(ax.xaxis)
        percent_axis(panels[0].yaxis)
        panels[0].set_ylabel(say("test accuracy", "测试准确率"))
    alt = say("After ten rounds: ", "十轮之后：")
    return Still(figure, alt + itemize(told) + say(".", "。"))


def federated_distillation() -> Still:
    """Opinions on public images against weights, to 87 %: accuracy by bytes both ways, and the bytes by the size of the model.

    From data/results/classics/federated_distillation.csv: every seed, then mean and range. What opinions take was measured with
    one model; it does not depend on the model's size.
    """
    measured = runs("federated_distillation", "accuracy", "uplink_bytes", "downlink_bytes")
    figure, (left, right) = new_figure(2, width=10.2, height=4.2)
    apart(figure)
    ways = {
        "weights, float32": (say("weights, float32", "权重，float32"), EXACT, "s-"),
        "weights, coded": (say("weights, coded", "权重，压缩"), LOSSY, "o-"),
        "logits, float32": (say("logits, float32", "logits，float32"), VIOLET, "D--"),
        "logits, coded": (say("logits, coded", "logits，压缩"), VIOLET, "d-"),
        "probabilities, coded": (say("probabilities, coded", "概率，压缩"), BROWN, "v-."),
        "labels": (say("labels", "标签"), MAROON, "^:"),
    }

    def kilobytes(run: Run) -> np.ndarray:
        return run.sent() / 1000

    told, at_one_size = [], {}
    with styled():
        for name, (label, colour, style) in ways.items():
            for seed, run in enumerate(measured[f"{name}, {WIDTH} hidden"]):  # each to its own end, with its own number of rounds
                left.plot(kilobytes(run), run.curve["accuracy"], style, color=colour, ms=4, lw=1, label="" if seed else label)
            widths = [width for width in WIDTHS if f"{name}, {width} hidden" in measured]
            values = [[run.value for run in measured[f"{name}, {width} hidden"]] for width in widths]
            sizes = [784 * width + width + 10 * width + 10 for width in widths]
            _spread(right, sizes, values, label, colour, style)
            if len(widths) == 1:
                right.axhline(np.mean(values), color=colour, lw=1, ls=":")
            at_one_size[name] = float(np.mean([run.value for run in measured[f"{name}, {WIDTH} hidden"]]))
            told += [(f"{label}, {size:,}", f"{np.mean(several):,.0f}") for size, several in zip(sizes, values, strict=True)]
        for ax in (left, right):
            ax.set_xscale("log")
            plain_log_axis(ax.xaxis)
        left.axhline(0.87, color=MUTED, lw=1, zorder=0)
        percent_axis(left.yaxis)
        right.set(yscale="log", ylim=(5, 1e7))
        plain_log_axis(right.yaxis)
        left.set(xlabel=say("kilobytes, both directions", "双向总字节（kB）"), ylabel=say("test accuracy", "测试准确率"))
        right.set(xlabel=say("weights of the model", "模型的权重个数"), ylabel=say("kilobytes to 87 %", "到 87% 的总字节（kB）"))
        left.legend(loc="lower right")
        right.legend(loc="upper left", ncols=2)
        times = at_one_size["weights, coded"] / at_one_size["labels"]
        left.set_title(say(f"Labels: 1/{times:.0f} of the coded weights", f"标签：压缩后权重的 1/{times:.0f}"))
        right.set_title(say("Weights grow with the model, opinions do not", "权重随模型变大，意见不会"))
    alt = say("Kilobytes both ways to 87 %, by weights of the model: ", "到 87% 的双向总字节（kB），按模型的权重个数：")
    return Still(figure, alt + itemize(told) + say(".", "。"))
