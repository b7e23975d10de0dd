"""Figures of chapter 5 on TensorFlow Federated."""

from __future__ import annotations

import numpy as np

from ...language import percent, say
from ..colours import BROWN, EXACT, FRAME, LOSSY, MUTED, NAVY, OLIVE, ROUNDING_COLOURS, UPLINK, VIOLET
from ..plotting import (
    HALO,
    Still,
    new_figure,
    percent_axis,
    plain_log_axis,
    rounding_name,
    styled,
    whole_numbers,
)

THEIRS, OURS = BROWN, VIOLET  # TFF; this book
STYLES = {
    "16 bits": {"color": NAVY, "ls": "--"},
    "8 bits": {"color": LOSSY, "ls": "-"},
    "4 bits": {"color": LOSSY, "ls": "--"},
    "2 bits": {"color": LOSSY, "ls": ":"},
    "2 bits, nearest": {"color": ROUNDING_COLOURS["nearest"], "ls": "-"},
    "compression_aggregator": {"color": OLIVE, "ls": "-."},
}


def _name(setting: str) -> str:
    return say(setting, setting.replace(" bits", " 位").replace(", nearest", "，四舍五入"))


def quantized(runs: dict[str, np.ndarray], message_bytes: dict[str, int], cohort: int = 10) -> Still:
    """Accuracy by round, and at the end against megabytes sent up. Document, section 5.2.

    runs: by setting, accuracies [seeds, rounds]; message_bytes: by setting, bytes that one client sends in one round.
    """
    figure, (left, right) = new_figure(2, width=10.2, height=4.0, width_ratios=(1, 1.15))
    sentences = []
    rows: list[tuple[str, float, float, float, float]] = []
    with styled():
        for setting, accuracy in runs.items():
            line = {"color": EXACT, "lw": 6, "alpha": 0.6} if setting == "float32" else {"lw": 1.8, **STYLES[setting]}
            rounds = np.arange(1, accuracy.shape[1] + 1)
            left.plot(rounds, accuracy.mean(axis=0), label=_name(setting), **line)
            left.fill_between(rounds, accuracy.min(axis=0), accuracy.max(axis=0), color=line["color"], alpha=0.12, lw=0)
            mean, low, high = accuracy[:, -1].mean(), accuracy[:, -1].min(), accuracy[:, -1].max()
            up = message_bytes[setting] * cohort * accuracy.shape[1] / 1e6
            rows.append((_name(setting), mean, low, high, up))
            sentences.append(f"{_name(setting)} {100 * mean:.1f} %{say(', ', '，')}{up:.1f} MB")
        left.set(xlabel=say("round", "轮次"), ylabel=say("test accuracy", "测试准确率"), ylim=(0.6, 0.95))
        left.legend(loc="lower right", fontsize=8)
        places = np.arange(len(rows))[::-1]
        for place, (_, mean, low, high, up) in zip(places, rows, strict=True):
            right.plot(up, place, "o", ms=8, color=UPLINK)
            right.text(72, place, f"{percent(mean, 1)}  ({100 * low:.1f} … {100 * high:.1f})", va="center", fontsize=8)
        right.text(72, len(rows) - 0.4, say("accuracy (range)", "准确率（范围）"), va="center", fontsize=8, color=MUTED)
        right.set(xscale="log", xlim=(2.2, 62), xlabel=say("megabytes sent up in ten rounds", "十轮的上行字节数（MB）"))
        right.set(ylim=(-0.6, len(rows) - 0.4))
        right.set_yticks(places, [row[0] for row in rows])
        right.grid(False, axis="y")
        plain_log_axis(right.xaxis)
        right.set_xticks([3, 5, 10, 20, 40])
        worst = min(rows, key=lambda row: row[1])
        behind, most = 100 * (rows[0][1] - worst[1]), f"1/{rows[0][4] / min(row[4] for row in rows):.0f}"
        left.set_title(
            say(f"{worst[0]}: {behind:.1f} points behind {rows[0][0]}", f"{worst[0]}：比 {rows[0][0]} 低 {behind:.1f} 个百分点")
        )
        right.set_title(say(f"Uplink down to {most}", f"上行最多降到 {most}"))
        percent_axis(left.yaxis)
        whole_numbers(left.xaxis)
    alt = say("TFF after ten rounds: ", "TFF 十轮之后：") + say("; ", "；").join(sentences)
    return Still(figure, alt)


def bits_of_a_weight(sent: dict[int, int], ours: dict[int, int], n: int) -> Still:
    """Bits a weight really takes, by nominal bits. sent, ours: bytes of one message; n: weights of the model."""
    figure, (ax,) = new_figure(1, width=9, height=3.0)
    theirs = {bits: 8 * size / n for bits, size in sent.items()}
    book = {bits: 8 * size / n for bits, size in ours.items()}
    with styled():
        for place, bits in enumerate(sent):
            for shift, values, colour, name in ((0.2, theirs, THEIRS, "TFF"), (-0.2, book, OURS, say("this book", "本书"))):
                ax.barh(place + shift, values[bits], 0.36, color=colour, label=None if place else name)
                ax.text(values[bits] + 0.2, place + shift, f"{values[bits]:.2f}", va="center", fontsize=9)
            nominal = None if place else say("nominal", "名义值")
            ends = [place - 0.45, place + 0.45]
            ax.plot([bits, bits], ends, color=EXACT, lw=1.4, label=nominal, path_effects=HALO)
        if all(theirs[bits] > book[bits] >= bits for bits in sent):
            ax.set_title(say("TFF sends more than it names", "TFF 实际发送的位数高于名义值"))
        ax.set_yticks(range(len(sent)), [say(f"{bits} bits", f"{bits} 位") for bits in sent])
        ax.set(xlabel=say("bits sent for each weight of the model", "模型每个权重实际发送的位数"), xlim=(0, 21))
        ax.set_xticks([0, *sent])
        ax.grid(axis="y", visible=False)
        ax.legend(loc="lower right")
    alt = say("Bits sent for each weight: ", "每个权重实际发送的位数：") + say("; ", "；").join(
        say(f"{b} nominal, TFF {theirs[b]:.2f}, this book {book[b]:.2f}", f"名义 {b} 位，TFF {theirs[b]:.2f}，本书 {book[b]:.2f}")
        for b in sent
    )
    return Still(figure, alt)


def rounding(place: np.ndarray, means: dict[str, np.ndarray]) -> Still:
    """What a value becomes on the average, by its place between two levels.

    place: [bins] in 0 … 1; means: by name ("floor", "nearest", "stochastic", "TFF"), the mean decoded place [bins].
    """
    figure, (ax,) = new_figure(1, width=7, height=3.4)
    with styled():
        for name in ("floor", "nearest", "stochastic"):
            ax.plot(place, means[name], color=ROUNDING_COLOURS[name], lw=5, alpha=0.8, label=rounding_name(name))
        ax.plot(place, means["TFF"], "o", color=EXACT, ms=5, label=say("TFF, measured", "TFF，实测"))
        ax.set(
            xlabel=say("place between two levels", "在相邻两级之间的位置"), ylabel=say("mean after decoding", "解码后的平均值")
        )
        if np.abs(means["TFF"] - means["stochastic"]).max() < 0.05:
            ax.set_title(say("TFF rounds stochastically", "TFF 用的是随机舍入"))
        ax.legend(loc="upper left")
    alt = say(
        "Mean decoded value against the place between two levels: floor stays at 0, nearest jumps at one half, stochastic is the "
        "diagonal, and the points of TFF lie on the diagonal.",
        "解码后的平均值随相邻两级之间位置的变化：向下取整恒为 0，四舍五入在一半处跳变，随机舍入是对角线，"
        "TFF 的点都落在对角线上。",
    )
    return Still(figure, alt)


def against_simulator(theirs: np.ndarray, ours: np.ndarray) -> Still:
    """Accuracy by round of TFF and of our simulator: accuracies [seeds, rounds] each."""
    figure, (left, right) = new_figure(2, width=10.2, height=3.6, width_ratios=(1.2, 1))
    rounds = np.arange(1, theirs.shape[1] + 1)
    names = {"TFF": (theirs, THEIRS), say("our simulator", "本书的模拟器"): (ours, OURS)}
    with styled():
        for name, (accuracy, colour) in names.items():
            left.fill_between(rounds, accuracy.min(axis=0), accuracy.max(axis=0), color=colour, alpha=0.25, lw=0)
            left.plot(rounds, accuracy.mean(axis=0), color=colour, lw=2, label=name)
        for seed, difference in enumerate(theirs - ours):
            label = say("TFF − ours", "TFF − 本书") if seed == 0 else None
            right.plot(rounds, 100 * difference, "o-", ms=3, lw=1, color=EXACT, label=label)
        spread = 100 * max(np.ptp(theirs, axis=0).max(), np.ptp(ours, axis=0).max())
        right.axhspan(-spread, spread, color=FRAME, alpha=0.5, lw=0, label=say("spread of the seeds", "种子之间的差别"))
        left.set(xlabel=say("round", "轮次"), ylabel=say("test accuracy", "测试准确率"))
        last = [100 * accuracy[:, -1].mean() for accuracy in (theirs, ours)]
        apart = 100 * np.abs(theirs - ours).max()
        left.set_title(
            say(f"{last[0]:.1f} % and {last[1]:.1f} %, {len(theirs)} seeds each",
                f"{last[0]:.1f}% 与 {last[1]:.1f}%，各 {len(theirs)} 个种子")
        )  # fmt: skip
        right.set(xlabel=say("round", "轮次"), ylabel=say("percentage points", "百分点"))
        right.set_ylim(-1.8 * spread, 1.8 * spread)
        right.set_title(say(f"Seed by seed: at most {apart:.1f} points apart", f"同一种子：最多相差 {apart:.1f} 个百分点"))
        left.legend(loc="lower right")
        right.legend(loc="lower right", fontsize=8)
        percent_axis(left.yaxis)
        for ax in (left, right):
            whole_numbers(ax.xaxis)
    alt = say(
        f"Accuracy after ten rounds: TFF {last[0]:.1f} %, our simulator {last[1]:.1f} %; at no round and seed further apart than "
        f"{apart:.1f} points.",
        f"十轮后的准确率：TFF {last[0]:.1f}%，本书的模拟器 {last[1]:.1f}%；任何一轮、任何种子相差都不超过 {apart:.1f} 个百分点。",
    )
    return Still(figure, alt)
