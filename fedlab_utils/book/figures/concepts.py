"""Figures of chapter 2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from ...language import itemize, percent, say
from ..colours import (
    ALONE,
    DOWNLINK,
    EXACT,
    FAINT,
    FEDERATED,
    FRAME,
    GUIDE,
    LOSSY,
    MAROON,
    PAPER,
    TEAL,
    UPLINK,
)
from ..plotting import Still, new_figure, percent_axis, plain_log_axis, styled

PARTIES = (TEAL, MAROON)


def name_of(key: str | int) -> str:
    """What the notebook calls by a short English key, in the reader's language; a number means bits."""
    if isinstance(key, int):
        return "float32" if key == 32 else say(f"{key} bit" + "s" * (key > 1), f"{key} 位")
    names = {
        "iid": ("IID", "独立同分布"),
        "dirichlet": ("Dirichlet 0.3", "Dirichlet 0.3"),
        "shards": ("two shards", "两个分片"),
        "clinic": ("clinic alone", "只有诊所"),
        "laboratory": ("laboratory alone", "只有检验所"),
        "joined": ("joined", "联合"),
        "text": ("program text", "程序文本"),
        "weights": ("weights", "模型权重"),
        "delta": ("delta of a client", "客户端的增量"),
        "sparse": ("1 % of the delta, zeros written out", "增量的 1%，零也写出来"),
        "random": ("random bytes", "随机字节"),
        "update": ("update for all", "发给所有人的更新"),
        "activations": ("activations, 32 people", "激活值，32 个人"),
        "gradients": ("their gradients", "激活值的梯度"),
        "logits": ("logits, 1,000 public images", "logits，1,000 张公共图片"),
    }
    return say(*names[key]) if key in names else str(key)


def three_kinds() -> Still:
    """Who holds which part of the table of all samples and all features. Document, 2.1.1."""
    figure, axes = new_figure(3, height=3.1)
    first, second = say("party A", "参与方 A"), say("party B", "参与方 B")
    kinds = (
        (say("horizontal", "横向"), (0, 2.6, 6, 2.4), (0, 0, 6, 2.4)),
        (say("vertical", "纵向"), (0, 0, 2.9, 5), (3.1, 0, 2.9, 5)),
        (say("transfer", "迁移"), (0, 2.6, 2.9, 2.4), (3.1, 0, 2.9, 2.4)),
    )
    with styled():
        for ax, (title, *boxes) in zip(axes, kinds, strict=True):
            ax.add_patch(Rectangle((0, 0), 6, 5, fc=FAINT, ec=FRAME, ls=":"))
            for (x, y, wide, high), colour, party in zip(boxes, PARTIES, (first, second), strict=True):
                ax.add_patch(Rectangle((x, y), wide, high, fc=colour, ec=PAPER))
                ax.text(x + wide / 2, y + high / 2, party, ha="center", va="center", color=PAPER, fontsize=10)
            ax.set(xlim=(-0.1, 6.1), ylim=(-0.1, 5.1), xticks=[], yticks=[])
            ax.set_xlabel(say("features →", "特征 →"))
            ax.grid(False)
            ax.set_title(title)
            for spine in ax.spines.values():
                spine.set_visible(False)
        axes[0].set_ylabel(say("← samples", "← 样本"))
    alt = say(
        "Three tables of samples by features. Horizontal: A and B hold different rows with all columns. Vertical: different "
        "columns of all rows. Transfer: different rows and different columns, and a part of the table that nobody holds.",
        "三张“样本 × 特征”的表。横向：A、B 各有不同的行，列都齐全。纵向：行都齐全，各有不同的列。"
        "迁移：行不同，列也不同，表中有些部分谁都没有。",
    )
    return Still(figure, alt)


def together_or_alone(groups: dict[str, dict[str, list[float]]]) -> Still:
    """Accuracy of each seed by group: clients alone, federated, central.

    groups: name of the partition → {"alone": [seeds], "federated": [seeds], "central": [seeds]}, fractions.
    """
    figure, (ax,) = new_figure(1, width=7.5, height=3.3)
    names = {"alone": say("alone (mean)", "单独训练（平均）"), "federated": say("federated", "联邦")}
    names["central"] = say("central", "集中")
    looks = {"alone": (ALONE, "s"), "federated": (FEDERATED, "o"), "central": (EXACT, "^")}
    with styled():
        for place, values in enumerate(groups.values()):
            for number, (who, accuracy) in enumerate(values.items()):
                colour, marker = looks[who]
                x = place + 0.27 * (number - 1) + np.linspace(-0.04, 0.04, len(accuracy))
                ax.plot(x, accuracy, marker, color=colour, ms=6, alpha=0.8, label=names[who] if place == 0 else None)
                mean = f"{100 * np.mean(accuracy):.0f}"
                ax.annotate(mean, (x[-1], np.mean(accuracy)), (7, -4), textcoords="offset points", color=colour, fontsize=9)
        ax.set_xticks(range(len(groups)), [name_of(key) for key in groups])
        ax.set(xlim=(-0.5, len(groups) - 0.35), ylim=(0, 1), ylabel=say("test accuracy", "测试准确率"))
        percent_axis(ax.yaxis)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    means = itemize(
        (name_of(name), say(", ", "，").join(f"{names[w]} {percent(float(np.mean(a)))}" for w, a in v.items()))
        for name, v in groups.items()
    )
    return Still(figure, say(f"Accuracy of every seed. Means: {means}.", f"各个种子的准确率。平均：{means}。"))


def joined_or_single(scores: dict[str, list[float]], by_codec: dict[str, tuple[float, float]]) -> Still:
    """Vertical: R² of every split, for each set of parties; and R² against kilobytes sent, for each codec.

    scores: name of the parties → R² by split. by_codec: name → (kilobytes of both directions, R², mean over the splits).
    """
    figure, (left, right) = new_figure(2, height=3.4)
    with styled():
        for place, (values, colour) in enumerate(zip(scores.values(), (*PARTIES, FEDERATED), strict=True)):
            left.plot(place + np.linspace(-0.15, 0.15, len(values)), values, "o", color=colour, ms=6, alpha=0.8)
            left.plot([place - 0.25, place + 0.25], [np.mean(values)] * 2, color=colour, lw=2)
            left.annotate(f"{np.mean(values):.2f}", (place + 0.25, np.mean(values)), (3, -4), textcoords="offset points")
        left.set_xticks(range(len(scores)), [name_of(key) for key in scores])
        left.set(ylabel=say("R² on people not trained on", "R²（未参与训练的人）"), xlim=(-0.5, len(scores) - 0.3))
        kilobytes, quality = zip(*by_codec.values(), strict=True)
        right.plot(kilobytes, quality, "-", color=GUIDE, lw=1, zorder=1)
        for number, (name, (x, y)) in enumerate(by_codec.items()):
            right.plot(x, y, "o", color=EXACT if number == 0 else LOSSY, ms=7)
            right.annotate(name_of(name), (x, y), (7, -13), textcoords="offset points", fontsize=9)
        right.set(xscale="log", xlabel=say("kilobytes sent, both directions", "双向共传输（kB）"), ylabel="R²")
        single, both = (max(np.mean(scores[who]) for who in list(scores)[:2]), np.mean(list(scores.values())[-1]))
        left.set_title(say(f"joined {both:.2f}, alone at most {single:.2f}", f"联合 {both:.2f}，单独最高 {single:.2f}"))
        low, high = min(quality), max(quality)
        name, (least, _) = min(((n, v) for n, v in by_codec.items() if v[1] > high - 0.005), key=lambda pair: pair[1][0])
        share = f"1/{max(kilobytes) / least:.1f}"
        right.set_title(
            say(f"{name_of(name)}: as good for {share} of the bytes", f"{name_of(name)}：字节数降到 {share}，效果一样")
        )
        right.set(ylim=(low - 0.25 * (high - low) - 0.01, high + 0.15 * (high - low) + 0.01))
        right.set(xlim=(min(kilobytes) * 0.75, max(kilobytes) * 1.8))
        plain_log_axis(right.xaxis)
        right.xaxis.set_ticks([30, 50, 100, 200, 300])
    listed = say(", ", "，").join(f"{name_of(name)} {np.mean(values):.2f}" for name, values in scores.items())
    coded = say(", ", "，").join(f"{name_of(name)} {x:.0f} kB {y:.2f}" for name, (x, y) in by_codec.items())
    alt = say(f"R² by parties, means: {listed}. R² by codec: {coded}.", f"各组参与方的平均 R²：{listed}。各种编码：{coded}。")
    return Still(figure, alt)


def kinds_of_digits(mnist: np.ndarray, shrunk: np.ndarray, target: np.ndarray) -> Still:
    """Source digits, the same brought into the target's frame, and target digits. float [m, 28, 28], [m, 8, 8], [m, 8, 8]."""
    figure, axes = new_figure(3, height=1.6)
    titles = (say("source: MNIST, 28×28", "源：MNIST，28×28"), say("source, shrunk to 8×8", "源，缩小到 8×8"),
              say("target: other writers, 8×8", "目标：另一批人写的，8×8"))  # fmt: skip
    with styled():
        for ax, images, title in zip(axes, (mnist, shrunk, target), titles, strict=True):
            framed = np.pad(images, ((0, 0), (0, 1), (0, 1)), constant_values=0.4)
            rows = np.split(framed, 2)
            tiles = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])[:-1, :-1]  # frames between, none around
            ax.imshow(tiles, cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.spines[:].set_visible(False)
            ax.set_title(title)
    alt = say(
        "The same digits in MNIST and shrunk to 8×8 pixels; beside them the 8×8 digits of the target, by other writers.",
        "MNIST 的数字、缩小到 8×8 的同样数字，以及目标方由另一批人书写的 8×8 数字。",
    )
    return Still(figure, alt)


def transfer_gain(labels: Sequence[int], transferred: ArrayLike, scratch: ArrayLike) -> Still:
    """Accuracy against labels per class: mean and range over seeds. labels: int [m]; transferred, scratch: float [seeds, m]."""
    figure, (left, right) = new_figure(2, height=3.4)
    transferred, scratch = np.asarray(transferred), np.asarray(scratch)
    gain = transferred - scratch
    names = (say("with what was transferred", "用迁移来的模型"), say("from scratch", "从零开始"))
    with styled():
        for series, colour, name in zip((transferred, scratch), (FEDERATED, ALONE), names, strict=True):
            left.fill_between(labels, series.min(axis=0), series.max(axis=0), color=colour, alpha=0.2, lw=0)
            left.plot(labels, series.mean(axis=0), "o-", color=colour, ms=5, label=name)
        right.fill_between(labels, gain.min(axis=0), gain.max(axis=0), color=FEDERATED, alpha=0.2, lw=0)
        right.plot(labels, gain.mean(axis=0), "o-", color=FEDERATED, ms=5)
        right.axhline(0, color=EXACT, lw=1, ls=":")
        left.set(ylabel=say("accuracy on the target", "目标数据上的准确率"))
        first, last = 100 * gain.mean(axis=0)[[0, -1]]
        right.set_title(
            say(f"gain: {first:+.0f} points with {labels[0]}, {last:+.1f} with {labels[-1]}",
                f"提升：{labels[0]} 个标注 {first:+.0f} 个百分点，{labels[-1]} 个 {last:+.1f}")
        )  # fmt: skip
        right.set_ylabel(say("difference, the same seeds", "相同种子之差"))
        left.legend(loc="lower right")
        for ax in (left, right):
            ax.set(xscale="log", xlabel=say("labels per class at the target", "目标方每类的标注数"))
            ax.set_xticks(labels, map(str, labels))
            ax.minorticks_off()
            percent_axis(ax.yaxis)
    listed = itemize((n, f"{100 * g:+.1f}") for n, g in zip(labels, gain.mean(axis=0), strict=True))
    alt = say(
        f"Accuracy with and without transfer. Mean gain in points by labels per class: {listed}.",
        f"用与不用迁移的准确率。每类标注数与平均提升（百分点）：{listed}。",
    )
    return Still(figure, alt)


def joiners(counts: Sequence[int], accuracy: ArrayLike) -> Still:
    """Accuracy of the federated model against how many clients join. counts: int [m]; accuracy: float [seeds, m]."""
    figure, (ax,) = new_figure(1, width=6, height=3.2)
    accuracy = np.asarray(accuracy)
    with styled():
        ax.fill_between(counts, accuracy.min(axis=0), accuracy.max(axis=0), color=FEDERATED, alpha=0.2, lw=0)
        ax.plot(counts, accuracy.mean(axis=0), "o-", color=FEDERATED)
        ax.set(xscale="log", xlabel=say("clients that join, 100 images each", "参加的客户端数（每个 100 张图片）"))
        ax.set(ylabel=say("test accuracy", "测试准确率"))
        few, many = (percent(a) for a in accuracy.mean(axis=0)[[0, -1]])
        ax.set_title(say(f"from {few} to {many} as others join", f"参加的越多越好：从 {few} 到 {many}"))
        ax.set_xticks(counts, map(str, counts))
        ax.minorticks_off()
        percent_axis(ax.yaxis)
    listed = itemize((n, percent(a, 1)) for n, a in zip(counts, accuracy.mean(axis=0), strict=True))
    return Still(figure, say(f"Accuracy by number of clients: {listed}.", f"客户端数与准确率：{listed}。"))


def zip_sizes(rows: dict[str, tuple[int, int]]) -> Still:
    """What a lossless coder leaves of each thing. rows: name → (bytes before, bytes after)."""
    figure, (ax,) = new_figure(1, width=8, height=0.7 + 0.42 * len(rows))
    shares = {name: after / before for name, (before, after) in rows.items()}
    with styled():
        places = np.arange(len(rows))[::-1]
        ax.barh(places, [1] * len(rows), color=FAINT, height=0.62)
        ax.barh(places, list(shares.values()), color=EXACT, height=0.62)
        for place, (name, share) in zip(places, shares.items(), strict=True):
            before, after = rows[name]
            ax.text(1.02, place, f"{before:,} → {after:,}", va="center", fontsize=9)
            inside = share > 0.15
            text = percent(share, 1 if share < 1 else 2)  # a little over 1 is over 1
            ax.text(share - 0.01 if inside else share + 0.01, place, text, va="center", ha="right" if inside else "left",
                    fontsize=9, color=PAPER if inside else EXACT)  # fmt: skip
        ax.set_yticks(places, [name_of(key) for key in rows])
        ax.set(xlim=(0, 1.32), xticks=[0, 0.25, 0.5, 0.75, 1])
        ax.set_xlabel(say("bytes left", "剩下的字节"))
        ax.grid(False)
        percent_axis(ax.xaxis)
    listed = say(", ", "，").join(f"{name_of(name)} {percent(float(share), 1)}" for name, share in shares.items())
    return Still(figure, say(f"Bytes left after ZIP: {listed}.", f"ZIP 之后剩下的字节：{listed}。"))


def messages(rows: dict[str, tuple[int, int, str]]) -> Still:
    """What travels in a round, as float32 and compressed. rows: name → (bytes float32, bytes coded, "up" or "down")."""
    figure, (ax,) = new_figure(1, width=9, height=0.8 + 0.5 * len(rows))
    with styled():
        places = np.arange(len(rows))[::-1]
        named: set[str] = set()
        for place, (before, after, way) in zip(places, rows.values(), strict=True):
            colour = UPLINK if way == "up" else DOWNLINK
            ax.plot([after, before], [place, place], color=GUIDE, lw=1.5, zorder=1)
            ax.plot(before, place, "o", ms=8, mfc=PAPER, mec=colour, mew=2)
            name = None if way in named else {"up": say("up", "上行"), "down": say("down", "下行")}[way]
            named.add(way)
            ax.plot(after, place, "o", ms=9, color=colour, label=name)
            ax.text(before * 1.3, place, f"{before:,} → {after:,}   1/{before / after:.1f}", va="center", fontsize=9)
        ax.set_yticks(places, [name_of(key) for key in rows])
        everything = [size for before, after, _ in rows.values() for size in (before, after)]
        ax.set(xscale="log", xlim=(min(everything) * 0.6, max(everything) * 30), ylim=(-1, len(rows) - 0.4))
        words = "bytes of one message: hollow float32, filled compressed", "一条消息的字节数：空心为 float32，实心为压缩后"
        ax.set_xlabel(say(*words))
        plain_log_axis(ax.xaxis)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        ax.legend(loc="lower right", ncols=2)
    listed = say(", ", "，").join(f"{name_of(name)} {before:,} → {after:,}" for name, (before, after, _) in rows.items())
    return Still(figure, say(f"Bytes of a message before and after: {listed}.", f"一条消息压缩前后的字节数：{listed}。"))
