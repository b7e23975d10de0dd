"""Figures of chapter 5."""

from __future__ import annotations

import numpy as np

from ...language import percent, say
from ..colours import DOWNLINK, EXACT, GUIDE, LOSSY, MAROON, MUTED, ROUNDING_COLOURS, TOTAL, UPLINK
from ..plotting import (
    Still,
    new_figure,
    percent_axis,
    plain_log_axis,
    rounding_name,
    styled,
)
from .boxes import arrow, row_of_boxes

STYLES = {8: "-", 4: "--", 2: ":"}  # by bits
BY_ARRAY = MAROON  # nearest, with a range for each array


def _setting(bits: int, rounding: str) -> tuple[str, dict]:
    """Name and line of a setting; float32 is a broad line that others are drawn upon."""
    if bits == 32:
        return "float32", {"color": EXACT, "lw": 6, "alpha": 0.6}
    name = say(f"{bits} bits", f"{bits} 位")
    if rounding == "nearest, range an array":
        return f"{name}{say(', range an array', '，逐数组范围')}", {"color": BY_ARRAY, "lw": 2, "ls": "--"}
    if rounding == "nearest":
        return name, {"color": LOSSY, "lw": 2, "ls": STYLES.get(bits, "-.")}
    return f"{name}{say(', ', '，')}{rounding_name(rounding)}", {"color": ROUNDING_COLOURS[rounding], "lw": 2, "ls": "-."}


def four_parts() -> Still:
    """What a federated framework must give, as a ring: data, client work, aggregation, state. Document, section 5.1."""
    figure, (ax,) = new_figure(1, width=9, height=1.8)
    parts = (
        (say("1 data", "1 数据"), say("who holds what", "谁有什么")),
        (say("2 client work", "2 客户端的工作"), say("local training", "本地训练")),
        (say("3 aggregation", "3 聚合"), say("decode, then average", "解码，再平均")),
        (say("4 state", "4 状态"), say("weights, residuals, account", "权重、残差、账目")),
    )
    with styled():
        ax.set(xlim=(0, 1), ylim=(-0.75, 0.4))
        ax.set_axis_off()
        boxes = row_of_boxes(ax, [f"{title}\n{text}" for title, text in parts])
        between = ((EXACT, ""), (UPLINK, say("uplink", "上行")), (EXACT, ""))
        for (_, start), (end, _), (colour, words) in zip(boxes, boxes[1:], between, strict=False):
            arrow(ax, (start, 0), (end, 0), colour, words)
        work, state = (sum(boxes[place]) / 2 for place in (1, 3))
        arrow(ax, (state, -0.34), (work, -0.34), DOWNLINK, bend=-0.2)
        words = say("downlink: the next round", "下行：下一轮")
        ax.text((work + state) / 2, -0.4, words, ha="center", va="top", color=DOWNLINK, fontsize=9)
    alt = say(
        "Four boxes in a ring: data, client work, aggregation, state. Updates go up from client work to aggregation; "
        "the new model goes down from state to client work for the next round.",
        "四个方框连成一圈：数据、客户端的工作、聚合、状态。更新从客户端上行到聚合；新的模型从状态下行到客户端，开始下一轮。",
    )
    return Still(figure, alt)


def accuracy_and_bytes(runs: dict[tuple[int, str], list]) -> Still:
    """Accuracy by round; megabytes up and in all of each setting, with its last accuracy. Mean and range of the seeds.

    runs: by (bits, rounding), first 32 bits for float32, rounding also "nearest, range an array"; one History for each seed.
    Document, section 5.2.
    """
    figure, (left, right) = new_figure(2, width=10.2, height=4.0, width_ratios=(1, 1.15))
    rows = []  # name, accuracy [seeds], MB up and in all
    with styled():
        for (bits, rounding), histories in runs.items():
            name, line = _setting(bits, rounding)
            accuracy = np.array([history.accuracy for history in histories])  # [seeds, rounds]
            rounds = np.arange(1, accuracy.shape[1] + 1)
            left.fill_between(rounds, accuracy.min(axis=0), accuracy.max(axis=0), color=line["color"], alpha=0.15, lw=0)
            left.plot(rounds, accuracy.mean(axis=0), label=name, **line)
            up = float(np.mean([sum(history.uplink_bytes) for history in histories])) / 1e6
            total = float(np.mean([history.total_bytes()[-1] for history in histories])) / 1e6
            rows.append((name, accuracy[:, -1], up, total))
        places = np.arange(len(rows))[::-1]
        ups, totals = [row[2] for row in rows], [row[3] for row in rows]
        right.hlines(places, ups, totals, color=GUIDE, lw=1, zorder=1)
        right.plot(ups, places, "o", color=UPLINK, ms=8, label=say("uplink", "上行"))
        right.plot(totals, places, "s", color=TOTAL, ms=8, label=say("total (up + down)", "总计（上行+下行）"))
        for place, (_, last, _, _) in zip(places, rows, strict=True):
            words = f"{percent(last.mean(), 1)}  ({100 * last.min():.1f} … {100 * last.max():.1f})"
            right.text(130, place, words, va="center", fontsize=8)
        right.text(130, len(rows) - 0.45, say("accuracy (range)", "准确率（范围）"), va="center", fontsize=8, color=MUTED)
        right.set(xscale="log", xlim=(1.2, 120), xlabel=say("megabytes in ten rounds", "十轮的字节数（MB）"))
        right.set(ylim=(-1.1, len(rows) - 0.4))
        right.set_yticks(places, [row[0] for row in rows])
        right.grid(False, axis="y")
        right.legend(loc="lower left", ncols=2, columnspacing=1, handletextpad=0.2)
        plain_log_axis(right.xaxis)
        left.set(xlabel=say("round", "轮次"), ylabel=say("test accuracy", "测试准确率"))
        left.legend(loc="lower right")
        percent_axis(left.yaxis)
        exact = rows[0][1].mean()
        worst, behind = min(((row[0], row[1].mean() - exact) for row in rows), key=lambda pair: pair[1])
        left.set_title(
            say(f"{worst}: {-100 * behind:.1f} points behind float32", f"{worst}：比 float32 低 {-100 * behind:.1f} 个百分点")
        )
        most = f"1/{ups[0] / min(ups):.0f}", f"1/{totals[0] / min(totals):.1f}"
        right.set_title(say(f"Uplink down to {most[0]}, total to {most[1]}", f"上行最多降到 {most[0]}，总计只到 {most[1]}"))
    alt = say("After ten rounds: ", "十轮之后：") + say("; ", "；").join(
        say(
            f"{name} {100 * accuracy.mean():.1f} %, {up:.1f} MB up, {total:.1f} MB in all",
            f"{name}，准确率 {100 * accuracy.mean():.1f}%，上行 {up:.1f} MB，总计 {total:.1f} MB",
        )
        for name, accuracy, up, total in rows
    )
    return Still(figure, alt + say(".", "。"))
