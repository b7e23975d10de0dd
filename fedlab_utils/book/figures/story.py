"""Figures of chapter 0 that no other chapter has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...federation.history import History
from ...language import say
from ..plotting import EXACT, TOTAL, Still, new_figure, percent_axis, styled


def empty_frontier(histories: Sequence[History]) -> Still:
    """Accuracy against what was sent, both ways, as a share of all: trainings without a codec, mean and range over the seeds.

    The place to the left stays empty, for the reader to fill. A share, not bytes: chapter 1 asks how many these are.
    """
    accuracy = np.array([history.accuracy for history in histories])
    sent = np.mean([np.cumsum(np.add(history.uplink_bytes, history.downlink_bytes)) for history in histories], axis=0)
    share = sent / sent[-1]
    figure, (ax,) = new_figure(1, width=8, height=3.4)
    with styled():
        ax.fill_between(share, accuracy.min(axis=0), accuracy.max(axis=0), color=TOTAL, alpha=0.25, lw=0)
        ax.plot(share, accuracy.mean(axis=0), "s-", color=TOTAL, ms=4, lw=2)
        ax.text(0.9, accuracy[:, -1].mean() + 0.012, "float32", va="bottom", ha="right", color=EXACT)
        ax.text(0.002, 0.87, say("here: nothing yet", "这里：还什么都没有"), fontsize=13, color=EXACT, ha="left")
        ax.set(xscale="log", xlim=(0.0008, 1.6), ylim=(0.75, 1), ylabel=say("test accuracy", "测试准确率"))
        ax.set_xlabel(say("total bytes, as a share of those of ten rounds in float32", "总计字节数，与 float32 十轮之比"))
        ax.set_xticks([0.001, 0.01, 0.1, 1], ["1/1000", "1/100", "1/10", "1"])
        percent_axis(ax.yaxis)
        ax.set_title(say("One curve, and the place that the book is about", "一条曲线，和这本书要去的地方"))
    last = 100 * accuracy[:, -1].mean()
    return Still(figure, say(
        f"Test accuracy against the share of bytes sent: ten rounds in float32 end at {last:.0f} %. Left of their curve, where "
        "fewer bytes were sent, the picture is empty.",
        f"测试准确率与传送字节数的比例：float32 的十轮到达 {last:.0f}%。曲线左边，字节更少的地方，空无一物。",
    ))  # fmt: skip
