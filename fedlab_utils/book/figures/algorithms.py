"""Figures of chapter 3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...distillation import soften
from ...language import itemize, message_name, percent, say
from ..colours import BROWN, DOWNLINK, EXACT, KIND_COLOURS, LOSSY, TEAL, UPLINK, VIOLET
from ..plotting import Still, new_figure, percent_axis, plain_log_axis, styled
from .boxes import arrow, row_of_boxes


def _kind(kind: str) -> str:
    return {
        "global": say("connections, whole model", "连接，全模型"),
        "layer": say("connections, per layer", "连接，逐层"),
        "node": say("nodes", "节点"),
        "gradual": say("connections, gradual", "连接，逐步"),
    }[kind]


def messages(parts: dict[tuple[float, int], tuple[int, int, int]]) -> Still:
    """What each message is made of, in bytes and in shares.

    parts: by (fraction kept, bits a value), the bytes of (header and checksum, places, values).
    """
    figure, axes = new_figure(2, height=0.7 + 0.42 * len(parts), width_ratios=(1.3, 1))
    names = [message_name(k, bits) for k, bits in parts]
    sizes = np.array(list(parts.values()), np.float64)  # [n_messages, 3]
    labels = (say("header, checksum", "头部与校验和"), say("places", "位置"), say("values", "数值"))
    with styled():
        for ax, widths in ((axes[0], sizes / 1000), (axes[1], sizes / sizes.sum(axis=1, keepdims=True))):
            left = np.zeros(len(parts))
            for number, (label, colour) in enumerate(zip(labels, (BROWN, TEAL, VIOLET), strict=True)):
                ax.barh(names, widths[:, number], left=left, color=colour, label=label, height=0.6)
                left += widths[:, number]
            ax.invert_yaxis()
            ax.grid(axis="y", visible=False)
        for place, size in enumerate(sizes.sum(axis=1) / 1000):
            axes[0].text(size, place, f" {size:.1f}", va="center")
        axes[0].set_xlim(0, sizes.sum(axis=1).max() / 1000 * 1.12)
        axes[0].set_xlabel(say("payload (kB)", "消息大小（kB）"))
        axes[0].legend(loc="lower right")
        axes[1].set_xlabel(say("share of the message", "占整条消息的比例"))
        axes[1].set_yticklabels([])
        axes[1].set_xlim(0, 1)
        percent_axis(axes[1].xaxis)
    shares = itemize(zip(names, (f"{sum(part):,}" for part in parts.values()), strict=True))
    alt = say(f"Bytes of each message, split into header, places and values. {shares}.",
              f"每条消息的字节数，分为头部、位置、数值。{shares}。")  # fmt: skip
    return Still(figure, alt)


def who_stores_what() -> Still:
    """The state of both sides where messages are lossy in both directions: what each remembers, and what travels."""
    figure, (ax,) = new_figure(1, width=9, height=1.6)
    client = say(
        "client\ndata, never sent\nlast model received\nresidual e", "客户端\n数据（从不发送）\n上次收到的模型\n残差 e"
    )
    server = say(
        "server\nmodel w, which all clients can rebuild\na residual of its own, e\nmessages of past rounds, for latecomers",
        "服务器\n模型 w（各客户端都能还原）\n自己的残差 e\n各轮的消息，留给迟到的客户端",
    )
    up = say("up: encode(d + e)", "上行：encode(d + e)")
    down = say("down: encode(mean d + e)", "下行：encode(平均 d + e)")
    with styled():
        ax.set(xlim=(0, 1), ylim=(-1, 1))
        ax.set_axis_off()
        (_, left), (right, _) = row_of_boxes(ax, [client, server], linespacing=1.7)
        arrow(ax, (left, 0.25), (right, 0.25), UPLINK, up)
        arrow(ax, (right, -0.45), (left, -0.45), DOWNLINK, down)
    alt = say(
        "Two boxes. The client keeps its data, the last model it received and its residual; it sends up the sum of delta and "
        "residual, encoded. The server keeps the model, a residual of its own and the messages of past rounds; it sends down the "
        "sum of the mean delta and its residual, encoded.",
        "两个方框。客户端存着数据、上次收到的模型和自己的残差，上行发送“增量加残差”的编码。"
        "服务器存着模型、自己的残差和各轮的消息，下行发送“平均增量加残差”的编码。",
    )
    return Still(figure, alt)


def pruning_curves(rows: list[dict]) -> Still:
    """Accuracy against sparsity, before and after fine-tuning. rows: of data/results/pruning.csv, several seeds."""
    figure, axes = new_figure(2, height=3.7)
    dense = np.mean([row["after"] for row in rows if row["kind"] == "dense"])
    titles = (say("straight after the removal", "刚移除之后"), say("after 8 epochs of fine-tuning", "微调 8 个周期之后"))
    with styled():
        for ax, field, title in zip(axes, ("before", "after"), titles, strict=True):
            for kind, colour in KIND_COLOURS.items():
                if field == "before" and kind == "gradual":
                    continue
                sparsities = sorted({row["sparsity"] for row in rows if row["kind"] == kind})
                values = np.array([[r[field] for r in rows if (r["kind"], r["sparsity"]) == (kind, s)] for s in sparsities])
                ax.plot(sparsities, values.mean(axis=1), "o-", ms=4, color=colour, label=_kind(kind))
                ax.fill_between(sparsities, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.2, lw=0)
            ax.axhline(dense, color=EXACT, lw=1, ls=":", label=say("dense, as many epochs", "稠密，周期数相同"))
            ax.set_title(title)
            ax.set_xlabel(say("sparsity", "稀疏度"))
            percent_axis(ax.xaxis)
            percent_axis(ax.yaxis)
        axes[0].set_ylabel(say("test accuracy", "测试准确率"))
        axes[0].set_ylim(0, 1.02)
        axes[1].set_ylim(0.88, 0.99)
        axes[1].legend(loc="lower left")
    alt = say(
        "Test accuracy against sparsity, means and ranges over seeds. Straight after the removal connections ranked over the "
        "whole model last longest, nodes fall first. After fine-tuning connections stay near the dense model up to 90 percent.",
        "测试准确率随稀疏度的变化，取多个种子的均值和范围。刚移除之后，全模型排序的连接坚持得最久，节点最先下降；"
        "微调之后，移除的连接不超过 90% 时，准确率一直接近稠密模型。",
    )
    return Still(figure, alt)


def soft_targets(image: np.ndarray, logits: np.ndarray, temperatures: Sequence[float] = (1, 2, 4, 8)) -> Still:
    """One digit, and what its teacher says of it at several temperatures. image: float [28, 28], logits: float [n_classes]."""
    figure, (digit, *axes) = new_figure(1 + len(temperatures), width=10.2, height=2.4)
    classes = np.arange(len(logits))
    with styled():
        digit.imshow(image, cmap="Greys", interpolation="nearest")
        digit.set(xticks=[], yticks=[])
        digit.grid(False)
        digit.spines[:].set_visible(False)
        for ax, temperature in zip(axes, temperatures, strict=True):
            ax.bar(classes, soften(logits, temperature), color=VIOLET if temperature != 1 else EXACT, width=0.7)
            ax.set(ylim=(0, 1), xticks=classes, title=f"T = {temperature:g}")
            ax.tick_params(axis="x", labelsize=8)
            ax.set_xlabel(say("class", "类别"))
            percent_axis(ax.yaxis)
        axes[0].set_ylabel(say("probability", "概率"))
    first, second = np.argsort(-np.asarray(logits))[:2]
    shares = [percent(soften(logits, t)[second]) for t in temperatures]
    alt = say(
        f"A handwritten digit and its soft targets at temperatures {', '.join(map(str, temperatures))}. The teacher's first "
        f"guess is {first}; the share of the second, {second}, is {', '.join(shares)}.",
        f"一个手写数字，以及温度为 {'、'.join(map(str, temperatures))} 时的软目标。教师的第一候选是 {first}，"
        f"第二候选 {second} 所占的概率依次为 {'、'.join(shares)}。",
    )
    return Still(figure, alt)


def students(accuracies: dict[tuple[int, str], list[float]], teacher: float) -> Still:
    """The same student, taught in several ways; one dot a seed.

    accuracies: by (number of images, what it learns from), float [n_seeds]. What: "labels", "hard" (the teacher's first
    guesses), or "soft 4" (soft targets at T = 4).
    """
    names = [f"{count:,} × {_lesson(what)}" for count, what in accuracies]
    figure, (ax,) = new_figure(1, height=0.9 + 0.42 * len(accuracies))
    with styled():
        for place, values in enumerate(accuracies.values()):
            ax.plot(values, [place] * len(values), "o", ms=6, color=VIOLET, alpha=0.6, mew=0)
            ax.plot([np.mean(values)] * 2, [place - 0.28, place + 0.28], color=EXACT, lw=2)
            ax.text(np.mean(values), place - 0.32, percent(float(np.mean(values)), 1), ha="center", va="bottom", fontsize=8)
        ax.axvline(teacher, color=EXACT, lw=1, ls=":")
        ax.text(teacher, -0.6, say("teacher ", "教师 "), ha="right", va="center", fontsize=9)
        ax.set_yticks(range(len(accuracies)), names)
        ax.set_ylim(len(accuracies) - 0.5, -0.9)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel(say("test accuracy", "测试准确率"))
        percent_axis(ax.xaxis)
    means = itemize(zip(names, (percent(float(np.mean(values)), 1) for values in accuracies.values()), strict=True))
    alt = say(f"Test accuracy of the student, one dot a seed. {means}. Teacher: {100 * teacher:.1f} %.",
              f"学生的测试准确率，每个点代表一个种子。{means}。教师：{100 * teacher:.1f}%。")  # fmt: skip
    return Still(figure, alt)


def _lesson(what: str) -> str:
    if what.startswith("soft "):
        return say(f"soft targets, T = {what[5:]}", f"软目标，T = {what[5:]}")
    return {"labels": say("true labels", "真标签"), "hard": say("teacher's first guess", "教师的第一候选")}[what]


def break_even(
    images: ArrayLike, logits: dict[str, ArrayLike], model: dict[str, int], crossings: dict[tuple[str, str], int]
) -> Still:
    """Bytes of one message of logits against the number of public images, and of one message of a model.

    images: int [m]. logits: by precision ("float32", "8 bits"), bytes int [m]. model: bytes by message ("float32", and the
    compressed one, "10 %, 8 bits"). crossings: the most images that are no dearer, by (precision, message).
    """
    messages = {name: f"{say('the model, ', '模型，')}{_how(name)}" for name in model}
    precisions = {name: f"{say('logits, ', 'logits，')}{_how(name)}" for name in logits}
    figure, (ax,) = new_figure(1, width=6.5, height=3.4)
    with styled():
        for name, values in logits.items():
            ax.loglog(images, np.asarray(values) / 1000, color=_sent(name), lw=2, label=precisions[name])
        for name, size in model.items():
            ax.axhline(size / 1000, color=_sent(name), lw=1.5, ls="--", label=messages[name])
        for (precision, name), crossing in crossings.items():
            ax.plot([crossing], [model[name] / 1000], "o", color=_sent(precision), ms=7)
            ax.annotate(f"{crossing:,}", (crossing, model[name] / 1000), (-6, 6), textcoords="offset points", ha="right")
        ax.set_xlabel(say("public images", "公共图片数"))
        ax.set_ylabel(say("payload (kB)", "消息大小（kB）"))
        plain_log_axis(ax.xaxis)
        plain_log_axis(ax.yaxis)
        ax.legend(loc="lower right", fontsize=8)
    met = itemize((f"{precisions[p]} / {messages[m]}", f"{n:,}") for (p, m), n in crossings.items())
    alt = say(f"Bytes of logits grow with the number of public images, and reach a message of the model at so many: {met}.",
              f"logits 的字节数随公共图片数增长，与一条模型消息相等时的图片数：{met}。")  # fmt: skip
    return Still(figure, alt)


def _sent(name: str) -> str:
    return EXACT if name == "float32" else LOSSY


def _how(name: str) -> str:
    return {"8 bits": say("8 bits", "8 位"), "10 %, 8 bits": say("10 %, 8 bits", "10%、8 位")}.get(name, name)


def logits_or_weights(runs: dict[tuple[str, str], tuple]) -> Still:
    """Accuracy against all bytes sent so far, of logits and of weights, each as float32 and compressed.

    runs: by (what travels, how), such as ("weights", "10 %, 8 bits"): bytes since the start [m], accuracy [m].
    """
    curves = []
    for (what, how), run in runs.items():
        name = ("FedAvg" if what == "weights" else what) + say(", ", "，") + _how(how)
        style = {"marker": "s", "ls": ":"} if what == "logits" else {"marker": "o", "ls": "-"}
        curves.append((name, run, {"ms": 4.5, "color": _sent(how), **style}))
    return _accuracy_by_bytes(curves)


def accuracy_for_bytes(runs: dict[str, tuple]) -> Still:
    """Accuracy against all bytes sent so far, both directions.

    runs: by name ("dense", "mask", "top_k"), (bytes since the start [m], accuracy [m]).
    """
    words = {"dense": say("dense FedAvg", "稠密 FedAvg"), "mask": say("mask agreed once", "掩码约定一次"),
             "top_k": say("top-k, both directions", "top-k，上下行")}  # fmt: skip
    looks = zip((EXACT, VIOLET, BROWN, TEAL), "os^D", strict=True)
    return _accuracy_by_bytes(
        [(words.get(name, name), run, {"ms": 5, "color": colour, "marker": marker})
         for (name, run), (colour, marker) in zip(runs.items(), looks, strict=False)]
    )  # fmt: skip


def _accuracy_by_bytes(curves: list[tuple[str, tuple, dict]]) -> Still:
    """curves: name, (bytes since the start [m], accuracy [m]), and the style of the line."""
    figure, (ax,) = new_figure(1, width=7.5, height=3.6)
    with styled():
        for name, (sent, accuracy), style in curves:
            ax.semilogx(np.asarray(sent) / 1e6, accuracy, label=name, **style)
        ax.set_xlabel(say("total, uplink and downlink (MB)", "总计，上行加下行（MB）"))
        ax.set_ylabel(say("test accuracy", "测试准确率"))
        percent_axis(ax.yaxis)
        plain_log_axis(ax.xaxis)
        ax.legend(loc="lower right")
    comma = say(", ", "，")
    ends = itemize((name, f"{percent(a[-1], 1)}{comma}{s[-1] / 1e6:.3g} MB") for name, (s, a), _ in curves)
    alt = say(f"Test accuracy against megabytes in both directions. At the end: {ends}.",
              f"测试准确率与双向字节总数（MB）。结束时：{ends}。")  # fmt: skip
    return Still(figure, alt)
