"""Figures of chapter 5 on Flower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...engines.flower_log import Event, Wire
from ...language import percent_sign, say
from ..colours import BROWN, GUIDE, INK, MUTED, NAVY, TEAL, VIOLET
from ..plotting import Still, new_figure, percent_axis, plain_log_axis, styled, whole_numbers

THERE, REFUSED = TEAL, BROWN  # a node that is connected, one that is sent away
LENGTHS = (15, 60, 600)  # seconds of a round
LINES = {15: (VIOLET, "-"), 60: (BROWN, "--"), 600: (TEAL, ":")}


def _codec(name: str) -> str:
    names = {"8 bit": ("8 bits", "8 位"), "contexts": ("by context", "按上下文"), "top 1 %": ("top 1 %", "top 1%")}
    return say(*names.get(name, (name, name)))


def _length(seconds: int) -> str:
    if seconds < 60:
        return say(f"rounds of {seconds} s", f"一轮 {seconds} 秒")
    minutes = seconds // 60
    return say(f"rounds of {minutes} minute{'s' if minutes > 1 else ''}", f"一轮 {minutes} 分钟")


def engine_share(wires: Mapping[str, Wire], exchange: float, a_minute: float) -> Still:
    """The engine's share of all bytes, and all bytes, against the payload of one node and round.

    wires: what was measured, by codec. exchange: the engine's bytes for a message and its answer; a_minute: of polling.
    """
    figure, (left, right) = new_figure(2, width=10.2, height=3.9)
    payload = np.geomspace(1e3, 1e7, 200)
    with styled():
        for seconds in LENGTHS:
            engine = exchange + a_minute * seconds / 60
            for ax, values in ((left, engine / (payload + engine)), (right, (payload + engine) / 1e3)):
                ax.plot(payload / 1e3, values, color=LINES[seconds][0], ls=LINES[seconds][1], lw=1.8, label=_length(seconds))
        right.plot(payload / 1e3, payload / 1e3, color=MUTED, lw=1, label=say("payload alone", "只有载荷"))
        for name, wire in wires.items():
            for ax, value in ((left, wire.share), (right, (wire.payload + wire.engine) / 1e3)):
                (point,) = ax.plot(wire.payload / 1e3, value, "o", color=NAVY, ms=6)
            if name == next(iter(wires)):
                point.set_label(say("measured", "实测"))
            beside, across = ((2, 7), "left") if wire.share < 0.05 else ((-8, -9), "right")  # below the line, or above its end
            left.annotate(_codec(name), (wire.payload / 1e3, wire.share), beside, textcoords="offset points", ha=across,
                          fontsize=9)  # fmt: skip
        left.set_title(say("What is small is mostly engine", "载荷越小，引擎越占大头"))
        floor = f"{(exchange + a_minute * LENGTHS[0] / 60) / 1e3:.0f} kB"
        right.set_title(say(f"No round takes less than {floor}", f"载荷再小，一轮也不少于 {floor}"))
        for ax in (left, right):
            ax.set(xscale="log", xlabel=say("payload of a node and round, both ways (kB)", "一个节点一轮的载荷，双向（kB）"))
            plain_log_axis(ax.xaxis)
        left.set(ylim=(0, 1.04), ylabel=say("share of all bytes", "占总字节数的比例"))
        percent_axis(left.yaxis)
        right.set(yscale="log", ylabel=say("kB of a node and round", "一个节点一轮的 kB"))
        plain_log_axis(right.yaxis)
        right.legend(loc="upper left")
    told = say("; ", "；").join(
        say(f"{name} {wire.payload / 1e3:,.1f} kB, {100 * wire.share:.0f} %",
            f"{_codec(name)} {wire.payload / 1e3:,.1f} kB，{100 * wire.share:.0f}{percent_sign()}")
        for name, wire in wires.items()
    )  # fmt: skip
    alt = say(f"The engine's share of all bytes falls as the payload grows, later for longer rounds. Measured: {told}.",
              f"载荷越大，引擎的占比越小；一轮越长，降得越晚。实测：{told}。")  # fmt: skip
    return Still(figure, alt)


def timeline(events: Sequence[Event], nodes: int = 3) -> Still:
    """A run in which a node is killed, second by second: who is there, when rounds end, what was not used."""
    figure, (ax,) = new_figure(1, width=10.2, height=3.4)
    end = events[-1].seconds
    rounds = [event for event in events if event.event == "round"]
    named: dict[str, list] = {}  # one artist of each kind, for the legend
    with styled():
        for node in range(nodes):
            mine = [event for event in events if event.node == node and event.event in ("killed", "back")]
            ax.text(-3, node, say(f"node {node}", f"节点 {node}"), ha="right", va="center")
            begins = 0.0
            for event in mine:
                if event.event == "killed":
                    ax.plot([begins, event.seconds], [node, node], color=THERE, lw=9, solid_capstyle="butt")
                    named["killed"] = ax.plot(event.seconds, node, "X", color=INK, ms=10)
                begins = event.seconds
            named["there"] = ax.plot([begins, end], [node, node], color=THERE, lw=9, solid_capstyle="butt")
            refused = [event.seconds for event in events if event.node == node and event.event == "refused"]
            if refused:
                named["refused"] = ax.plot(refused, [node] * len(refused), "|", color=REFUSED, ms=13, mew=2.4)
        before = 0.0
        for event in rounds:
            ax.axvline(event.seconds, color=GUIDE, lw=1, zorder=0)
            ax.text((before + event.seconds) / 2, -0.45, f"{event.round}", ha="center", va="bottom", fontsize=9)
            before = event.seconds
        ax.text(-3, -0.45, say("round", "轮次"), ha="right", va="bottom", fontsize=9)
        labels = {"killed": say("killed", "断电"), "refused": say("started, and refused", "重新启动，被拒绝"),
                  "there": say("connected", "在线")}  # fmt: skip
        for kind, (artist,) in named.items():
            artist.set_label(labels[kind])
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
        ax.set(xlim=(-2, end + 2), ylim=(nodes - 0.5, -0.75), yticks=[], xlabel=say("seconds", "秒"))
        ax.grid(visible=False)
        ax.spines["left"].set_visible(False)
    names = {"killed": ("killed", "断电"), "refused": ("refused", "被拒绝"), "back": ("back", "回来")}
    told = say(", ", "，").join(
        say(f"{event.seconds:.0f} s node {event.node} {names[event.event][0]}",
            f"第 {event.seconds:.0f} 秒节点 {event.node} {names[event.event][1]}")
        for event in events if event.event in names
    )  # fmt: skip
    ends = say(", ", "、").join(f"{event.seconds:.0f}" for event in rounds)
    alt = say(f"A timeline of {nodes} nodes: {told}. Rounds end at {ends} s.",
              f"{nodes} 个节点的时间线：{told}。各轮结束于 {ends} 秒。")  # fmt: skip
    return Still(figure, alt)


def noise(runs: Mapping[str, Sequence[float]]) -> Still:
    """Accuracy by round under clipping and noise. runs: by what was done ("none", "clip", or ε as a number), accuracies."""
    figure, (ax,) = new_figure(1, width=7, height=3.4)
    names = {"none": say("neither", "都没有"), "clip": say("clipped only", "只裁剪")}
    styles = {"none": (INK, "-"), "clip": (VIOLET, "-")}
    broad = {"lw": 5, "alpha": 0.7, "ms": 7}  # others are drawn upon it
    others = iter(((BROWN, ":"), (TEAL, "--"), (NAVY, "-.")))
    with styled():
        for key, accuracy in runs.items():
            colour, line = styles.get(key) or next(others)
            rounds = range(1, len(accuracy) + 1)
            wide = broad if key == "clip" else {"ms": 4}
            ax.plot(rounds, accuracy, line, marker="o", color=colour, label=names.get(key, f"ε = {key}"), **wide)
        ax.set(xlabel=say("round", "轮次"), ylabel=say("test accuracy", "测试准确率"), ylim=(0, 1))
        percent_axis(ax.yaxis)
        whole_numbers(ax.xaxis)
        ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    told = say(", ", "，").join(
        f"{names.get(key, f'ε = {key}')} {100 * accuracy[-1]:.0f}{percent_sign()}" for key, accuracy in runs.items()
    )
    return Still(figure, say(f"Accuracy after the last round: {told}.", f"最后一轮之后的准确率：{told}。"))
