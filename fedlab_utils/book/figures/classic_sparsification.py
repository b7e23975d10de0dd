"""Figures of two classic results, measured again: sparse ternary compression, and Deep Gradient Compression."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...language import percent, say
from ..colours import BROWN, EXACT, GUIDE, TEAL, TOTAL, UPLINK, VIOLET
from ..plotting import Still, new_figure, percent_axis, plain_log_axis, styled
from .classic_runs import Run, band, runs

STC_METHODS: dict[str, dict[str, Any]] = {  # by the name in the table
    "STC, p = 1/100": {"color": VIOLET, "lw": 2.2},
    "STC, p = 1/400": {"color": TEAL, "lw": 2.2, "ls": "--"},
    "FedAvg, n = 100": {"color": EXACT, "lw": 2.2, "ls": "-."},
    "FedAvg, n = 400": {"color": EXACT, "lw": 1.6, "ls": ":"},
    "signSGD": {"color": BROWN, "lw": 1.6},
}
PARTITIONS = {"1 class": ("1 class a client", "每个客户端 1 类"), "2 classes": ("2 classes a client", "每个客户端 2 类"),
              "10 classes": ("10 classes a client (IID)", "每个客户端 10 类（IID）")}  # fmt: skip
DGC_SETTINGS = {
    "dense": ("dense momentum SGD", "稠密的动量 SGD"),
    "DGC": ("DGC, all four tricks", "DGC，四招齐用"),
    "DGC without momentum correction": ("without momentum correction", "去掉动量修正"),
    "DGC without clipping": ("without clipping", "去掉梯度裁剪"),
    "DGC without masking": ("without masking", "去掉动量掩蔽"),
    "DGC without warm-up": ("without warm-up", "去掉预热"),
    "plain error feedback": ("none: plain error feedback", "全去掉：只有误差反馈"),
}


def stc() -> Still:
    """Test accuracy against bytes both ways for 1, 2 and 10 classes a client: mean and range of the seeds.

    Sattler et al. 2019, arXiv:1903.02891. From data/results/classics/stc.csv.
    """
    measured = runs("stc", "accuracy", "uplink_bytes", "downlink_bytes")
    figure, axes = new_figure(3, width=10.2, height=4.2, sharey=True)
    told = []

    def megabytes(run: Run) -> np.ndarray:
        return run.sent() / 1e6

    with styled():
        for ax, (partition, names) in zip(axes, PARTITIONS.items(), strict=True):
            last = {}
            for method, how in STC_METHODS.items():
                some = measured[f"{method}: {partition} a client"]
                band(ax, some, megabytes, "accuracy", label=method, **how)
                reached, sent = [run.value for run in some], [megabytes(run)[-1] for run in some]
                last[method] = float(np.mean(reached)), float(np.mean(sent))
            ax.set(xscale="log", xlabel=say("megabytes, both directions", "上下行合计（MB）"))
            plain_log_axis(ax.xaxis)
            ours, theirs = last["STC, p = 1/100"][0], last["FedAvg, n = 100"][0]
            seen = f"STC {percent(ours)}{say(', FedAvg ', '，FedAvg ')}{percent(theirs)}"
            ax.set_title(f"{say(*names)}\n{seen}")
            words = (f"{method} {percent(accuracy, 1)}{say(f' in {size:.1f} MB', f'（{size:.1f} MB）')}"
                     for method, (accuracy, size) in last.items())  # fmt: skip
            told.append(f"{say(*names)}{say(': ', '：')}{say(', ', '，').join(words)}")
        axes[0].set(ylim=(0, 1), ylabel=say("test accuracy", "测试准确率"))
        percent_axis(axes[0].yaxis)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    alt = say("Accuracy at the end of the runs. ", "训练结束时的准确率。") + say("; ", "；").join(told) + say(".", "。")
    return Still(figure, alt)


def dgc() -> Still:
    """Test accuracy and bytes of dense SGD, of DGC, and of DGC without each of its tricks: mean and range of the seeds.

    Lin et al. 2018, arXiv:1712.01887. From data/results/classics/dgc.csv.
    """
    figure, (left, right) = new_figure(2, width=10.2, height=3.9, sharey=True)
    rows, measured = {}, runs("dgc")  # accuracy [seeds], megabytes up and in all
    for setting in DGC_SETTINGS:
        some = measured[setting]
        up, down = (np.mean(sent) / 1e6 for sent in ([run.up for run in some], [run.down for run in some]))
        rows[setting] = np.array([run.value for run in some]), up, up + down
    places = np.arange(len(rows))[::-1]
    with styled():
        for place, (accuracy, _, _) in zip(places, rows.values(), strict=True):
            left.plot([accuracy.min(), accuracy.max()], [place, place], color=VIOLET, lw=2)
            left.plot(accuracy.mean(), place, "D", color=VIOLET, ms=6)
        left.set_yticks(places, [say(*DGC_SETTINGS[setting]) for setting in rows])
        left.set(ylim=(-0.6, len(rows) - 0.4), xlabel=say("test accuracy, mean and range", "测试准确率（平均值和范围）"))
        percent_axis(left.xaxis)
        ups, totals = [up for _, up, _ in rows.values()], [total for _, _, total in rows.values()]
        right.hlines(places, ups, totals, color=GUIDE, lw=1, zorder=1)
        right.plot(ups, places, "o", color=UPLINK, ms=8, label=say("uplink", "上行"))
        right.plot(totals, places, "s", color=TOTAL, ms=8, label=say("total (up + down)", "总计（上行+下行）"))
        right.set(xscale="log", xlabel=say("megabytes of a whole training", "整个训练的字节数（MB）"))
        plain_log_axis(right.xaxis)
        right.legend(loc="lower right")
        for ax in (left, right):
            ax.grid(False, axis="y")
            ax.tick_params(axis="y", length=0)
        gaps = {name: 100 * (rows["DGC"][0].mean() - accuracy.mean()) for name, (accuracy, _, _) in rows.items()}
        worst = max((name for name in gaps if name.startswith("DGC without")), key=lambda name: gaps[name])
        left.set_title(say(f"{DGC_SETTINGS[worst][0]}: {gaps[worst]:.1f} points less",
                           f"{DGC_SETTINGS[worst][1]}：低 {gaps[worst]:.1f} 个百分点"))  # fmt: skip
        fewer = ups[0] / rows["DGC"][1], totals[0] / rows["DGC"][2]
        right.set_title(say(f"DGC: uplink to 1/{fewer[0]:.0f}, total to 1/{fewer[1]:.0f}",
                            f"DGC：上行降到 1/{fewer[0]:.0f}，总计降到 1/{fewer[1]:.0f}"))  # fmt: skip
    alt = say("; ", "；").join(
        say(f"{DGC_SETTINGS[name][0]}: {100 * accuracy.mean():.2f} %, {up:.2f} MB up, {total:.2f} MB in all",
            f"{DGC_SETTINGS[name][1]}：准确率 {100 * accuracy.mean():.2f}%，上行 {up:.2f} MB，总计 {total:.2f} MB")
        for name, (accuracy, up, total) in rows.items()
    )  # fmt: skip
    return Still(figure, alt + say(".", "。"))
