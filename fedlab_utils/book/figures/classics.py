"""Figures of chapter 6: classic results beside ours, from the tables in data/results. Bars are the range of the seeds."""

from __future__ import annotations

import numpy as np

from ...language import percent, say
from ..colours import BROWN, EXACT, GUIDE, LOSSY, MAROON, MUTED, OLIVE, TEAL, VIOLET
from ..plotting import Still, new_figure, percent_axis, plain_log_axis, styled
from .classic_runs import apart, rows, runs, with_range

# By name in the tables: colour, marker, and the name in the other language where it has one.
FAMILIES = {
    "min-max": (BROWN, "s", "最小–最大"),
    "min-max, a range an array": (MAROON, "D", "最小–最大，逐数组范围"),
    "min-max after rotation": (TEAL, "^", "旋转之后最小–最大"),
    "QSGD": (OLIVE, "v", "QSGD"),
    "EDEN": (VIOLET, "o", "EDEN"),
}


EPOCHS = (1, 5, 20)  # of local work
WEIGHTS = 101_770  # of the document's model


def _partitions() -> dict[str, str]:
    """Of FedAvg's experiment: its names in the tables, and for the reader."""
    return {"IID": say("IID", "独立同分布"), "two shards": say("two shards a client", "每个客户端两个分片")}


def fedavg_rounds() -> Still:
    """FedAvg's test accuracy by round, IID and with two shards a client, and the paper's rounds to 97 %."""
    figure, axes = new_figure(2, width=10, height=3.7, sharey=True)
    names = _partitions()
    measured, told = runs("fedavg_rounds", "accuracy"), []
    with styled():
        for ax, (partition, paper) in zip(axes, (("IID", 87), ("two shards", 664)), strict=True):
            setting = f"{partition}, E = 1, B = 10, C = 0.1"
            row = rows("FedAvg, rounds to 97 %")[setting]
            for place, run in enumerate(measured[setting]):
                best = np.maximum.accumulate(run.curve["accuracy"])[:-1]  # the last round went beyond, see `run.value`
                label = say("ours, a line a seed", "本书，一个种子一条线") if place == 0 else None
                rounds = np.append(np.arange(1, len(best) + 1), run.value)
                ax.plot(rounds, np.append(best, 0.97), "o-", markevery=[-1], ms=4, color=EXACT, lw=1.6, label=label)
            ax.axhline(0.97, color=GUIDE, lw=1, ls=":")
            ax.plot([paper], [0.97], marker="X", ms=11, color=VIOLET, ls="", clip_on=False,
                    label=say(f"paper: {paper} rounds", f"论文：{paper} 轮"))  # fmt: skip
            ax.set(xlim=(0, paper * 1.06), ylim=(0.8, 1.0), xlabel=say("round", "轮次"))
            ours = f"{row.ours_low:.0f} … {row.ours_high:.0f}"
            ax.set_title(say(f"{names[partition]}: {ours} rounds", f"{names[partition]}：{ours} 轮"))
            ax.legend(loc="lower right")
            told.append(say(f"{names[partition]}: {ours} rounds to 97 %, the paper {paper}",
                            f"{names[partition]}：到 97% 用 {ours} 轮，论文 {paper} 轮"))  # fmt: skip
        axes[0].set_ylabel(say("best test accuracy so far", "至此最高的测试准确率"))
        percent_axis(axes[0].yaxis)
    return Still(figure, say("; ", "；").join(told) + say(".", "。"))


def local_work() -> Still:
    """Rounds of FedAvg to 97 % by the local epochs E and the batch B, ours and the paper's, IID and with two shards a client."""
    figure, axes = new_figure(2, width=10, height=3.9, sharey=True)
    names = _partitions()
    batches = {"10": (BROWN, "o", "B = 10"), "∞": (TEAL, "s", say("B = ∞: all its images", "B = ∞：全部图片"))}
    found, told = rows("FedAvg, rounds to 97 %"), []
    with styled():
        for ax, (partition, name) in zip(axes, names.items(), strict=True):
            for batch, (colour, marker, label) in batches.items():
                cells = {e: found.get(f"{partition}, E = {e}, B = {batch}, C = 0.1") for e in EPOCHS}
                measured = [(place, e, cell) for place, (e, cell) in enumerate(cells.items()) if cell]
                places = [place for place, _, _ in measured]
                low, mean, high = zip(*((c.ours_low, c.ours_mean, c.ours_high) for _, _, c in measured), strict=True)
                with_range(ax, places, low, mean, high, colour, marker=marker, ms=6, lw=1.4, label=label)
                paper = [(place, int(cell.paper.partition(" ")[0])) for place, _, cell in measured if cell.paper]
                ax.plot(*zip(*paper, strict=True), marker="X", ms=9, ls="", color=colour,
                        label=say(f"the paper, B = {batch}", f"论文，B = {batch}"))  # fmt: skip
                rounds = say(", ", "、").join(f"E = {e}{say(': ', '：')}{cell.ours_mean:,.0f}" for _, e, cell in measured)
                told.append(say(f"{name}, B = {batch}, rounds by {rounds}", f"{name}，B = {batch}，轮数 {rounds}"))
            ax.set_title(name)
            ax.set_xticks(range(len(EPOCHS)), [str(e) for e in EPOCHS])
            ax.set(xlabel=say("local epochs E", "本地周期数 E"), xlim=(-0.3, len(EPOCHS) - 0.7), yscale="log", ylim=(8, 4000))
            plain_log_axis(ax.yaxis)
        axes[0].set_ylabel(say("rounds to 97 %", "到 97% 的轮数"))
        axes[0].legend(loc="upper right")
    return Still(figure, say("; ", "；").join(told) + say(".", "。"))


def tff_tutorial() -> Still:
    """Times fewer bytes up than float32, and accuracy, of TFF's tutorial and of ours."""
    found = rows("tff_tutorial")
    names = ("Quantize(8)", "EntropyQuantize(2)", "EntropyQuantize(0.5)")
    figure, (left, right) = new_figure(2, width=10, height=3.2, width_ratios=(1.2, 1))
    factors = [found["TFF, 8 bits, re-derived: factor"]] + [found[f"{name}: factor"] for name in names]
    labels = [say("TFF, 8 bits", "TFF，8 位"), *names]
    accuracies = [found["float32: accuracy"]] + [found[f"{name}: accuracy"] for name in names]
    places = np.arange(4)[::-1]
    with styled():
        for place, row, colour in zip(places, factors, (VIOLET, LOSSY, LOSSY, LOSSY), strict=True):
            left.plot([row.ours_mean], [place], "o", color=colour, ms=8)
            left.annotate(f"{row.ours_mean:.2f}" if row.ours_mean < 10 else f"{row.ours_mean:.1f}", (row.ours_mean, place),
                          (0, 8), textcoords="offset points", ha="center", fontsize=9)  # fmt: skip
        left.set(
            xscale="log",
            xlim=(2, 150),
            ylim=(-0.5, 3.7),
            xlabel=say("times fewer bytes up than float32", "上行字节数是 float32 的几分之一"),
        )
        left.set_yticks(places, labels)
        plain_log_axis(left.xaxis)
        for place, row, colour in zip(places, accuracies, (EXACT, LOSSY, LOSSY, LOSSY), strict=True):
            right.plot([row.ours_low, row.ours_high], [place, place], color=colour, lw=2)
            right.plot([row.ours_mean], [place], "o", color=colour, ms=8)
        right.set(ylim=(-0.5, 3.7), xlim=(0.88, 0.935), xlabel=say("test accuracy, three seeds", "测试准确率，三个种子"))
        right.set_yticks(places, ["float32", *names])
        percent_axis(right.xaxis)
        left.set_title(say("What goes up", "上行"))
        right.set_title(say("What it costs", "代价"))
    words = [f"{label} {row.ours_mean:.2f}" for label, row in zip(labels, factors, strict=True)]
    words += [f"{label} {percent(row.ours_mean, 1)}" for label, row in zip(("float32", *names), accuracies, strict=True)]
    return Still(
        figure,
        say("Times fewer bytes, then accuracy: ", "压缩倍数，然后是准确率：")
        + say(", ", "，").join(words)
        + say(".", "。"),
    )


def _family(setting: str) -> tuple[str, float] | None:
    """The family of an estimator, and its bits as the table names it; None for what stands apart."""
    family, _, rest = setting.rpartition(", ")
    if family in FAMILIES and rest.endswith(("bit", "bits")):
        return family, float(rest.split()[0])
    return None


def estimators() -> Still:
    """Error against bits on five real deltas: min-max with and without rotation, QSGD, EDEN; dashed, EDEN's paper."""
    figure, (ax,) = new_figure(1, width=9, height=4.4)
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {family: [] for family in FAMILIES}
    for setting, some in runs("estimators", "bits_per_weight", "nmse").items():
        family = "QSGD" if setting.startswith("QSGD, s = ") and "sqrt" not in setting else (_family(setting) or ("",))[0]
        if family:
            bits, errors = (np.concatenate([run.curve[column] for run in some]) for column in ("bits_per_weight", "nmse"))
            found[family].append((bits, errors))
    eden = np.array([0.5708, 0.1331, 0.03578, 0.009592, 0.002511, 0.0006447, 0.0001635, 4.119e-05])  # of its paper, by bits
    with styled():
        for family, points in found.items():
            colour, marker, chinese = FAMILIES[family]
            points.sort(key=lambda pair: pair[0].mean())
            bits = np.array([pair[0].mean() for pair in points])
            low, high = (np.array([pick(pair[1]) for pair in points]) for pick in (np.min, np.max))
            middle = np.array([np.exp(np.log(pair[1]).mean()) for pair in points])
            with_range(ax, bits, low, middle, high, colour, marker=marker, ms=6, lw=1.4, label=say(family, chinese))
        ax.plot(
            np.arange(1, 9),
            eden,
            ls="--",
            color=EXACT,
            lw=1.2,
            marker="_",
            ms=12,
            label=say("EDEN, as its paper says", "EDEN 论文给出的值"),
        )
        ax.axhline(1, color=GUIDE, lw=1, ls=":")
        ax.text(8.15, 1.25, say("nothing sent", "什么也不发"), ha="right", fontsize=8.5, color=MUTED)
        ax.set(
            yscale="log",
            xlabel=say("bits a weight, of the payload", "每个权重的位数（按载荷）"),
            ylabel=say("error (NMSE)", "误差（NMSE）"),
        )
        ax.set_xlim(0, 8.3)
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
        ax.set_title(say("Five real deltas: a rotation makes them all alike", "五个真实增量：旋转之后全都一样"))
    alt = say(
        "Error against bits a weight on a logarithmic axis. EDEN falls from 0.57 at one bit to 0.00004 at eight and lies on the "
        "values of its paper for all five deltas. Min-max without rotation is above it by ten to a thousand times, and its bars, "
        "from delta to delta, are long; QSGD sends far less than a bit a weight at first, with errors above one.",
        "误差对每个权重的位数，纵轴为对数。EDEN 从 1 位的 0.57 降到 8 位的 0.00004，五个增量都落在论文给出的值上。"
        "不旋转的最小–最大量化高出十倍到上千倍，各增量之间差别也大；QSGD 起初每个权重远不到 1 位，误差大于 1。",
    )
    return Still(figure, alt)


def estimators_trained() -> Still:
    """Accuracy after ten rounds by bytes up, of the same estimators at work; five seeds."""
    figure, (ax,) = new_figure(1, width=9, height=4.2)
    found = rows("estimators_trained")
    exact = found["float32"]
    told = []
    with styled():
        for end in (exact.ours_low, exact.ours_high):
            ax.axhline(end, color=EXACT, lw=0.9, ls=":")
        ax.axhline(
            exact.ours_mean,
            color=EXACT,
            lw=1.4,
            label=say("float32 (40.7 MB), range of five seeds", "float32（40.7 MB），五个种子的范围"),
        )
        for setting, row in found.items():
            if setting == "float32":
                continue
            kind = setting.removesuffix(" (DRIVE)")
            family, bits = _family(kind) or (("QSGD", 0.0) if kind.startswith("QSGD") else ("", 0.0))
            if not family:
                continue
            colour, marker, chinese = FAMILIES[family]
            mean = row.ours_mean
            place = row.uplink_bytes / 1e6 * (1 + 0.05 * (list(FAMILIES).index(family) - 2) * (family != "QSGD"))
            named = say(family, chinese) if bits in (0, 1) else None
            with_range(ax, [place], [row.ours_low], [mean], [row.ours_high], colour, marker=marker, ms=8, ls="", label=named)
            shown = say(setting, f"{chinese}，{bits:g} 位" if bits else setting)
            told.append(f"{shown}{say(' ', '：')}{percent(mean, 1)}")
        ax.set(xscale="log", xlim=(0.015, 5), ylim=(0.885, 0.94),
               xlabel=say("megabytes up, ten rounds", "十轮的上行字节数（MB）"))  # fmt: skip
        ax.set_ylabel(say("test accuracy", "测试准确率"))
        for x, words in ((1.27, say("1 bit", "1 位")), (2.5, say("2 bits", "2 位"))):
            ax.text(x, 0.9345, words, ha="center", fontsize=9, color=MUTED)
        percent_axis(ax.yaxis)
        plain_log_axis(ax.xaxis)
        ax.legend(loc="lower right", ncols=2)
        sparse = found["QSGD, s = 1"]
        bits, points = 8 * sparse.uplink_bytes / 100 / WEIGHTS, 100 * (exact.ours_mean - sparse.ours_mean)
        ax.set_title(
            say(f"1 and 2 bits a weight: a thousandfold error costs a point; QSGD at {bits:.2f} bits costs {points:.1f}",
                f"每个权重 1 位和 2 位：误差相差千倍，准确率只差一个点；QSGD 约 {bits:.2f} 位，差 {points:.1f} 个点")
        )  # fmt: skip
    return Still(figure, say("Accuracy after ten rounds: ", "十轮后的准确率：") + say("; ", "；").join(told) + say(".", "。"))


def deep_compression() -> Still:
    """LeNet-300-100 stage by stage: bytes of the file and test error, beside the paper's."""
    figure, (left, right) = new_figure(2, width=10, height=3.6)
    apart(figure)
    names = {"dense": say("dense", "稠密"), "pruned": say("pruned", "剪枝"), "quantized": say("quantized", "量化"),
             "coded": say("entropy\ncoded", "熵编码")}  # fmt: skip
    paper = {"dense": (1, 1.64), "pruned": (12, 1.59), "quantized": (32, None), "coded": (40, 1.58)}
    setting = "8 % kept, 6 bits, as in the paper"
    measured = runs("deep_compression", "ratio", "error")[setting]
    ratios, errors = (np.array([run.curve[column] for run in measured]) for column in ("ratio", "error"))  # [seeds, stages]
    x = np.arange(len(names))
    with styled():
        for column, (ax, found) in enumerate(((left, ratios), (right, errors))):
            named = say("ours: files, three seeds", "本书：真实文件，三个种子")
            low, mean, high = found.min(axis=0), found.mean(axis=0), found.max(axis=0)
            with_range(ax, x, low, mean, high, TEAL, marker="o", ms=7, lw=1.4, label=named)
            theirs = [(place, pair[column]) for place, pair in enumerate(paper.values()) if pair[column] is not None]
            ax.plot(*zip(*theirs, strict=True), color=VIOLET, marker="X", ms=9, ls="--", lw=1.2, label=say("paper", "论文"))
            ax.set_xticks(x, names.values())
        left.set(yscale="log", ylabel=say("times fewer bytes than float32", "压缩倍数（与 float32 相比）"))
        plain_log_axis(left.yaxis)
        right.set(ylabel=say("test error, %", "测试错误率（%）"), ylim=(1.2, 1.75))
        left.legend(loc="lower right")
        right.legend(loc="lower left")
        least, most = ratios[:, -1].min(), ratios[:, -1].max()
        left.set_title(say(f"{least:.0f} to {most:.0f} times, the paper 40", f"{least:.0f} 到 {most:.0f} 倍，论文 40 倍"))
        right.set_title(say("and no more errors", "错误率没有升高"))
    alt = say("Times fewer bytes and test error by stage: ", "各阶段的压缩倍数和错误率：") + say("; ", "；").join(
        f"{name} {times:.1f}{say(', ', '，')}{percent(error / 100, 2)}".replace("\n", " ")
        for name, times, error in zip(names.values(), ratios.mean(axis=0), errors.mean(axis=0), strict=True)
    )
    return Still(
        figure, alt + say(". The paper: 1, 12, 32, 40; 1.64 % to 1.58 %.", "。论文：1、12、32、40 倍；1.64% 到 1.58%。")
    )
