"""Figures of chapter 1."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import FancyBboxPatch
from numpy.typing import ArrayLike

from ...language import itemize, percent, say
from ..colours import DOWNLINK, EXACT, FAINT, FRAME, INK, MAROON, UPLINK, VIOLET
from ..plotting import Still, new_figure, percent_axis, plain_log_axis, styled

if TYPE_CHECKING:
    from ...federation.history import History

SIDE = 28
READ_OFF = MAROON  # what somebody who sees the update gets to know


def as_picture(pixels: ArrayLike, like: ArrayLike | None = None) -> np.ndarray:
    """Any vector of 784 numbers as a picture in [0, 1], its contrast stretched; turned over if it is a negative of `like`."""
    picture = np.asarray(pixels, np.float64).reshape(SIDE, SIDE)
    if like is not None and np.sum((picture - picture.mean()) * np.asarray(like, np.float64)) < 0:
        picture = -picture
    low, high = np.percentile(picture, [0.5, 99.5])
    return np.clip((picture - low) / (high - low), 0, 1) if high > low else np.zeros((SIDE, SIDE))


def codec_name(name: str) -> str:
    """The name of a setting ("10 %, 8 bits up") in the reader's language."""
    words = {" %": "%", " bits": " 位", "top ": "最大 ", ", ": "，", " up": "，上行", " both": "，双向"}
    return say(name, functools.reduce(lambda text, pair: text.replace(*pair), words.items(), name))


def _show(ax, picture, title="", colour=EXACT, frame=FRAME) -> None:
    ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=frame)
    if title:
        ax.set_title(title, fontsize=10, color=colour, pad=4)


def server_view(images: np.ndarray, labels: np.ndarray) -> Still:
    """What a server sees to which all data are sent: every image and its label. images: float [n, 28, 28], labels: int [n]."""
    figure, axes = new_figure(len(images), width=9, height=1.05)
    with styled():
        for ax, image, label in zip(axes, images, labels, strict=True):
            _show(ax, image, str(label))
    shown = say(", ", "，").join(str(label) for label in labels)
    alt = say(f"{len(images)} handwritten digits with their labels: {shown}.", f"{len(images)} 个手写数字及其标签：{shown}。")
    return Still(figure, alt)


def read_off(groups: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> Still:
    """Private images above, what was read off the update below, with the correlation of the two.

    groups: (title, images [m, 28, 28], candidates [m, 784], similarities [m]) for each update.
    """
    counts = [len(images) for _, images, *_ in groups]
    widths = [w for count in counts for w in [1.0] * count + [0.35]][:-1]
    figure, _ = new_figure(1, width=10.2, height=2.35)
    figure.clear()
    figure.set_layout_engine("constrained", hspace=0, h_pad=0.03)
    with styled():
        grid = figure.add_gridspec(2, len(widths), width_ratios=widths)
        column = 0
        for title, images, candidates, similarities in groups:
            for place, (image, candidate, value) in enumerate(zip(images, candidates, similarities, strict=True)):
                above, below = (figure.add_subplot(grid[row, column + place]) for row in (0, 1))
                _show(above, image)
                _show(below, as_picture(candidate, image), frame=READ_OFF)
                below.set_xlabel(f"{value:.3f}", fontsize=9, color=READ_OFF)
                if place == 0:
                    above.set_title(title, fontsize=10, loc="left")
                if column + place == 0:
                    above.set_ylabel(say("private", "私有图片"), fontsize=9)
                    below.set_ylabel(say("read off", "读出"), fontsize=9, color=READ_OFF)
            column += len(images) + 1
    words = itemize((t, say(", ", "，").join(f"{v:.3f}" for v in s)) for t, *_, s in groups)
    alt = say(
        f"Private images above, what was read off the update below, with their correlation. {words}.",
        f"上排是私有图片，下排是从更新中读出的图片，数字是两者的相关系数。{words}。",
    )
    return Still(figure, alt)


def leak_by_images(counts: Sequence[int], similarities: ArrayLike, chance: Sequence[float]) -> Still:
    """How well images are read off, against how many share the update.

    counts: int [m], the last of them after local training, the others after one step. similarities: float [m, n_seeds], mean
    best match of the images. chance: float [m], the same for pictures that have nothing to do with the client.
    """
    figure, (ax,) = new_figure(1, width=6.6, height=3.3)
    table = np.asarray(similarities)
    with styled():
        ax.fill_between(counts[:-1], table[:-1].min(axis=1), table[:-1].max(axis=1), color=READ_OFF, alpha=0.25, lw=0)
        ax.plot(
            counts[:-1],
            table[:-1].mean(axis=1),
            "o-",
            color=READ_OFF,
            ms=5,
            label=say("read off the update", "从更新中读出的图片"),
        )
        ax.plot(
            counts[-1:],
            table[-1:].mean(axis=1),
            "D",
            color=READ_OFF,
            ms=7,
            label=say("the same, after sixty local steps", "本地训练六十步之后"),
        )
        ax.plot(counts, chance, "--", color=EXACT, lw=1.2, label=say("unrelated images, the same way", "不相干的图片（对照）"))
        ax.set(xscale="log", ylim=(0, 1.03))
        ax.set_xticks(counts)
        plain_log_axis(ax.xaxis)
        ax.set_xlabel(say("images that share the update", "共用一条更新的图片数"))
        ax.set_ylabel(say("mean best correlation", "最佳相关系数（平均）"))
        read = [count for count, row in zip(counts[:-1], table, strict=False) if row.mean() > 0.995]
        if read:
            ax.set_title(
                say(f"In one step, up to {read[-1]} images are read as they are", f"一步更新：{read[-1]} 张以内几乎原样读出")
            )
        ax.legend(loc="lower left")
    first, last = table.mean(axis=1)[[0, -1]]
    alt = say(
        f"Mean best correlation of what is read off with the private images: {first:.2f} for {counts[0]} image, falling to "
        f"{last:.2f} for {counts[-1]}; unrelated images reach {chance[-1]:.2f}.",
        f"读出的图片与私有图片的最佳相关系数（平均）：{counts[0]} 张时 {first:.2f}，到 {counts[-1]} 张时降到 {last:.2f}；"
        f"不相干的图片能达到 {chance[-1]:.2f}。",
    )
    return Still(figure, alt)


def through_codecs(rows: Sequence[tuple[str, np.ndarray, Sequence[np.ndarray], Sequence[float]]], codecs: Sequence[str]) -> Still:
    """What is read off the same update after each codec.

    rows: (title, image [28, 28], candidates: one [784] a codec, similarities: one a codec). codecs: their names.
    """
    figure, _ = new_figure(1, width=10.2, height=1.42 * len(rows) + 0.35)
    figure.clear()
    with styled():
        table = figure.subplots(len(rows), len(codecs) + 1, squeeze=False)
        for row, (axes, (title, image, candidates, similarities)) in enumerate(zip(table, rows, strict=True)):
            _show(axes[0], image, say("private", "私有图片") if row == 0 else "")
            axes[0].set_ylabel(title, fontsize=9)
            for ax, name, candidate, value in zip(axes[1:], codecs, candidates, similarities, strict=True):
                _show(ax, as_picture(candidate, image), codec_name(name) if row == 0 else "", frame=READ_OFF)
                ax.set_xlabel(f"{value:.2f}", fontsize=9, color=READ_OFF)
    words = say("; ", "；").join(
        f"{t}: " + say(", ", "，").join(f"{codec_name(c)} {v:.2f}" for c, v in zip(codecs, s, strict=True)) for t, *_, s in rows
    )
    alt = say(f"Read off after each codec, with correlation. {words}.", f"经过各种编解码器之后读出的图片与相关系数。{words}。")
    return Still(figure, alt)


STEPS = (
    ("1  model down", "1  下发模型"),
    ("2  local training", "2  本地训练"),
    ("3  delta up", "3  上传增量"),
    ("4  weighted average", "4  加权平均"),
)


def one_round(images: np.ndarray, sizes: Sequence[int]) -> Still:
    """One round of federated averaging in four pictures. images: float [n_clients, 28, 28], an example of what each holds;
    sizes: how many samples each holds.
    """
    figure, axes = new_figure(4, width=10.2, height=3.1)
    places = np.linspace(0.17, 0.83, len(images))
    with styled():
        for step, ax in enumerate(axes):
            ax.set(xlim=(0, 1), ylim=(0, 1))
            ax.set_axis_off()
            ax.set_title(say(*STEPS[step]))
            averages = step == 3
            words = say("server: w + average", "服务器：w + 平均") if averages else say("server: w", "服务器：w")
            _box(ax, 0.5, 0.86, 0.62, 0.17, words, VIOLET if averages else EXACT)
            for x, image, size in zip(places, images, sizes, strict=True):
                works = step == 1
                _box(ax, x, 0.19, 0.29, 0.36, "", VIOLET if works else EXACT)
                ax.imshow(
                    image, cmap="gray_r", extent=(x - 0.085, x + 0.085, 0.15, 0.34), aspect="auto", zorder=3, vmin=0, vmax=1
                )
                ax.text(x, 0.075, f"n = {size}", ha="center", va="center", fontsize=8)
                if step == 0:
                    _arrow(ax, (0.5 + (x - 0.5) * 0.6, 0.75), (x, 0.41), DOWNLINK)
                if step == 1:
                    ax.text(x, 0.47, "w → w′", ha="center", fontsize=9, color=VIOLET)
                if step == 2:
                    _arrow(ax, (x, 0.41), (0.5 + (x - 0.5) * 0.6, 0.75), UPLINK)
            ax.set(xlim=(0, 1), ylim=(0, 1))
        total = sum(sizes)
        weights = " + ".join(rf"\frac{{{n}}}{{{total}}}\Delta_{k}" for k, n in enumerate(sizes, 1))
        axes[3].text(0.5, 0.58, f"${weights}$", ha="center", va="center", fontsize=12, color=EXACT)
        axes[1].text(0.5, 0.62, say("data stay here", "数据留在本地"), ha="center", fontsize=9, color=VIOLET)
        axes[2].text(0.35, 0.47, "Δ = w′ − w", ha="center", va="center", fontsize=8, color=UPLINK)  # between two arrows
    shares = say(", ", "，").join(f"{n}/{sum(sizes)}" for n in sizes)
    alt = say(
        f"One round in four pictures: the server sends the model w to {len(sizes)} clients; each trains on its own images; "
        f"each sends up only the change of its weights; the server adds their average, weighted {shares}.",
        f"四幅图画出一轮：服务器把模型 w 发给 {len(sizes)} 个客户端；各客户端用自己的图片训练；各自只上传权重的变化量；"
        f"服务器把变化量按 {shares} 加权平均，加到模型上。",
    )
    return Still(figure, alt)


def _box(ax, x, y, width, height, text, colour) -> None:
    style = "round,pad=0,rounding_size=0.03"
    box = FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle=style, fc=FAINT, ec=colour, lw=1.6)
    ax.add_patch(box)
    ax.text(x, y, text, ha="center", va="center", fontsize=9, color=colour)


def _arrow(ax, start, end, colour) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2, "shrinkA": 0, "shrinkB": 0})


def rounds(histories: Sequence[History], data_bytes: int) -> Still:
    """Accuracy and bytes of a federated training, round by round. histories: one a seed; data_bytes: size of all images."""
    figure, (left, right) = new_figure(2, height=3.2)
    number = np.arange(1, len(histories[0].accuracy) + 1)
    accuracy = np.array([history.accuracy for history in histories])
    up, down = (np.cumsum(getattr(histories[0], name)) / 1e6 for name in ("uplink_bytes", "downlink_bytes"))
    with styled():
        left.fill_between(number, accuracy.min(axis=0), accuracy.max(axis=0), color=EXACT, alpha=0.2, lw=0)
        left.plot(number, accuracy.mean(axis=0), "o-", color=EXACT, ms=4)
        left.set(xlabel=say("round", "轮次"), ylabel=say("accuracy", "准确率"))
        percent_axis(left.yaxis)
        last, rounds = percent(accuracy[:, -1].mean(), 1), len(number)
        left.set_title(say(f"{last} after {rounds} rounds", f"{rounds} 轮后 {last}"))
        times = 1e6 * (up[-1] + down[-1]) / data_bytes
        right.set_title(say(f"{times:.0f} times the bytes of the images", f"字节数是图片的 {times:.0f} 倍"))
        right.stackplot(number, up, down, colors=(UPLINK, DOWNLINK), labels=(say("uplink", "上行"), say("downlink", "下行")))
        note = say("all images of these clients, raw", "这些客户端的全部图片（未压缩）")
        right.axhline(data_bytes / 1e6, color=INK, ls=":", lw=2, label=note)
        right.set(xlabel=say("round", "轮次"), ylabel=say("MB sent so far", "累计发送（MB）"), xlim=(1, number[-1]))
        right.legend(loc="upper left")
    alt = say(
        f"Left: accuracy rises to {100 * accuracy[:, -1].mean():.1f} % in {len(number)} rounds. Right: {up[-1]:.1f} MB have "
        f"gone up and {down[-1]:.1f} MB down by then; all images together are {data_bytes / 1e6:.1f} MB.",
        f"左：{len(number)} 轮后准确率升到 {100 * accuracy[:, -1].mean():.1f}%。"
        f"右：此时上行共 {up[-1]:.1f} MB，下行共 {down[-1]:.1f} MB；全部图片加起来才 {data_bytes / 1e6:.1f} MB。",
    )
    return Still(figure, alt)


def measured(runs: dict[str, Sequence[History]]) -> Still:
    """Bytes of whole trainings as really made, and the accuracy they reached. runs: by name, a list of histories (seeds)."""
    figure, (left, right) = new_figure(2, width=9.6, height=2.9)
    names, y = [codec_name(name) for name in runs], np.arange(len(runs))[::-1]
    up, down = (np.array([sum(getattr(h[0], f)) for h in runs.values()]) / 1e6 for f in ("uplink_bytes", "downlink_bytes"))
    total = up + down
    sums = [say(f"total {t:.1f} MB (1/{total[0] / t:.1f})", f"总计 {t:.1f} MB（1/{total[0] / t:.1f}）") for t in total]
    accuracy = np.array([[history.accuracy[-1] for history in h] for h in runs.values()])
    with styled():
        left.plot(up, y + 0.16, "o", ms=8, color=UPLINK, label=say("uplink", "上行"))
        left.plot(down, y - 0.16, "s", ms=7, color=DOWNLINK, label=say("downlink", "下行"))
        for place, a, b in zip(y, up, down, strict=True):
            for value, shift in ((a, 0.16), (b, -0.16)):
                left.text(value * 1.22, place + shift, f"{value:.2f}", va="center", fontsize=8)
        left.set(
            xscale="log", xlim=(0.5, 220), yticks=y, ylim=(-0.6, len(runs) - 0.4),
            xlabel=say("MB in all, measured (log axis)", "整个训练的通信量（MB，对数轴）"),
            yticklabels=[f"{name}\n{text}" for name, text in zip(names, sums, strict=True)],
        )  # fmt: skip
        plain_log_axis(left.xaxis)
        left.legend(loc="upper left")
        left.set_title(say(f"Total: down to 1/{total[0] / total.min():.1f}", f"总计：最多降到 1/{total[0] / total.min():.1f}"))
        lost = 100 * (accuracy[0].mean() - accuracy.mean(axis=1).min())
        right.set_title(say(f"Accuracy: at most {lost:.1f} points less", f"准确率：最多低 {lost:.1f} 个百分点"))
        for place, values in zip(y, accuracy, strict=True):
            right.plot(values, np.full(len(values), place), "o", color=EXACT, alpha=0.6)
        seeds = accuracy.shape[1]
        right.set(yticks=y, yticklabels=[], xlabel=say(f"accuracy, {seeds} seeds", f"准确率（{seeds} 个种子）"))
        right.set(xlim=(min(0.88, accuracy.min() - 0.01), 0.94), ylim=left.get_ylim())
        percent_axis(right.xaxis)
        right.axvline(accuracy[0].mean(), color=EXACT, lw=1, ls=":")
        at = say("mean of float32 ", "float32 的平均 ")
        right.text(accuracy[0].mean(), -0.5, at, ha="right", va="center", fontsize=8)
    rows = zip(names, up, down, accuracy, strict=True)
    comma = say(", ", "，")
    words = itemize((n, f"{a:.2f} + {b:.2f} MB{comma}{percent(v.mean(), 1)}") for n, a, b, v in rows)
    alt = say(f"Uplink and downlink megabytes and accuracy. {words}.", f"上行与下行的 MB 数和准确率。{words}。")
    return Still(figure, alt)
