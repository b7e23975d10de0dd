"""Figures of chapter 4."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from ...language import percent, percent_sign, say
from ...quantization import ROUNDINGS, dequantize, quantize
from ...sparsification import top_k
from ..colours import BLANK, BROWN, EXACT, FRAME, GUIDE, MAROON, OLIVE, PAPER, ROUNDING_COLOURS, TEAL, UPLINK, VIOLET
from ..plotting import (
    HALO,
    Still,
    new_figure,
    percent_axis,
    plain_log_axis,
    rounding_name,
    styled,
)


def staircase(bits: int = 2, lo: float = -1, hi: float = 1, mark: Sequence[float] = (-0.9, -0.2, 0.1, 0.5, 1.0)) -> Still:
    """The staircase of formula 4.1 with floor, and with nearest beside it; a few numbers marked with their errors.

    mark: the numbers of the worked example. Document, section 4.1.
    """
    figure, axes = new_figure(2, height=3.4)
    x = np.linspace(lo, hi, 1601)
    titles = {
        "floor": say(f"{bits} bits, floor: never above x", f"{bits} 位，向下取整：从不高于 x"),
        "nearest": say(f"{bits} bits, nearest: half a step away at most", f"{bits} 位，四舍五入：最多差半级"),
    }
    with styled():
        for ax, rounding in zip(axes, ("floor", "nearest"), strict=True):
            ax.plot([lo, hi], [lo, hi], color=EXACT, lw=1, ls=":", label=say("exact", "原值"))
            y = dequantize(quantize(x, bits, rounding, lo, hi))
            ax.plot(x, y, color=ROUNDING_COLOURS[rounding], lw=2, label=rounding_name(rounding))
            points = np.asarray(mark)
            values = dequantize(quantize(points, bits, rounding, lo, hi))
            ax.plot(points, values, "o", color=ROUNDING_COLOURS[rounding], ms=6, clip_on=False)
            ax.vlines(points, np.minimum(points, values), np.maximum(points, values), color=EXACT, lw=1)
            ax.set_xlabel("x")
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.set_title(titles[rounding])
            ax.legend(loc="upper left")
        axes[0].set_ylabel(say("value after dequantization", "还原值"))
    alt = say(
        f"Two staircases of {bits} bits over {lo:g} to {hi:g}. With floor every step lies below the diagonal; "
        "with nearest the steps straddle it.",
        f"{lo:g} 到 {hi:g} 之间 {bits} 位的两条阶梯线。向下取整的台阶全在对角线之下；四舍五入的每级台阶都跨在对角线两侧。",
    )
    return Still(figure, alt)


def rounding_errors(errors: dict[str, np.ndarray], step: float) -> Still:
    """How the errors x_hat - x of the three roundings are spread, in units of a step. errors: by rounding, float [n]."""
    figure, axes = new_figure(3, height=2.9)
    bins = np.linspace(-1, 1, 81)
    with styled():
        for ax, rounding in zip(axes, ROUNDINGS, strict=True):
            relative = errors[rounding] / step
            ax.hist(relative, bins, color=ROUNDING_COLOURS[rounding], density=True)
            ax.axvline(relative.mean(), color=EXACT, lw=1.5, path_effects=HALO)
            square = f"{np.mean(relative**2):.3f}"
            mean = f"{relative.mean():+.2f}".replace("-0.00", "+0.00").replace("-", "−")
            note = say(f"mean {mean}, mean square {square}", f"均值 {mean}，均方 {square}")
            ax.set_title(f"{rounding_name(rounding)}\n{note}", fontsize=10)
            ax.set_xlabel(say("error / step", "误差 / 步长"))
            ax.set(xlim=(-1.05, 1.05), ylim=(0, 1.2))
        axes[0].set_ylabel(say("density", "密度"))
    alt = say(
        "Three histograms of rounding errors in steps: floor spread evenly from -1 to 0 with mean -0.5, nearest evenly from "
        "-0.5 to 0.5 with mean 0, stochastic a triangle from -1 to 1 with mean 0.",
        "以步长为单位的三幅误差直方图：向下取整均匀分布在 -1 到 0，均值 -0.5；四舍五入均匀分布在 -0.5 到 0.5，均值 0；"
        "随机舍入呈 -1 到 1 的三角形，均值 0。",
    )
    return Still(figure, alt)


def error_of_mean(clients: Sequence[int], agree: dict[str, np.ndarray], differ: dict[str, np.ndarray]) -> Still:
    """Squared error of the average of many clients' messages, in steps squared, by rounding.

    clients: int [m]. agree: all clients mean the same vector; differ: each its own. Curves: float [m], by rounding.
    """
    figure, axes = new_figure(2, height=3.4, sharey=True)
    titles = (say("clients that agree", "各客户端的值相同"), say("clients that differ", "各客户端的值不同"))
    with styled():
        for ax, curves, title in zip(axes, (agree, differ), titles, strict=True):
            for rounding, curve in curves.items():
                ax.loglog(clients, curve, "o-", color=ROUNDING_COLOURS[rounding], ms=4, label=rounding_name(rounding))
            ax.set_xlabel(say("clients that are averaged", "参与平均的客户端数"))
            fall = [rounding_name(r) for r, curve in curves.items() if curve[-1] < 0.1 * curve[0]]
            named = say(" and ", "、").join(fall) if fall else say("none", "没有一个")
            verb = say("fall" if len(fall) > 1 else "falls", "下降")
            ax.set_title(f"{title}{say(': ', '：')}{named}{say(' ', '')}{verb}")
            plain_log_axis(ax.xaxis)
        axes[0].set_ylabel(say("squared error of the average / step²", "平均值的平方误差 / 步长²"))
        axes[0].legend(loc="lower left")
    alt = say(
        "Squared error of the average against the number of clients, both axes logarithmic. Stochastic rounding falls in "
        "proportion to one over the number of clients in both panels; nearest only where the clients differ; floor never "
        "falls below a quarter of a step squared.",
        "平均值的平方误差随客户端数的变化（双对数坐标）。随机舍入在两图中都与客户端数成反比下降；四舍五入只在各客户端的值不同时下降；"
        "向下取整在两图中都降不到步长平方的四分之一以下。",
    )
    return Still(figure, alt)


def magnitudes(x: ArrayLike, fractions: Sequence[float] = (0.001, 0.01, 0.1)) -> Still:
    """The magnitudes of x, largest first, and how much of its energy the largest hold. x: float [n]."""
    figure, axes = new_figure(2, height=3.4)
    falling = np.sort(np.abs(np.ravel(x)).astype(np.float64))[::-1]
    energy = np.cumsum(falling**2) / np.sum(falling**2)
    share = np.arange(1, falling.size + 1) / falling.size
    with styled():
        axes[0].loglog(share, np.where(falling > 0, falling, np.nan), color=EXACT)
        axes[1].semilogx(share, energy, color=EXACT)
        for fraction in fractions:
            place = int(np.ceil(fraction * falling.size)) - 1
            axes[0].plot(fraction, falling[place], "o", color=VIOLET)
            axes[1].plot(fraction, energy[place], "o", color=VIOLET)
            axes[1].annotate(
                percent(energy[place]),
                (fraction, energy[place]),
                (6, -11),
                textcoords="offset points",
                color=VIOLET,
            )
        for ax in axes:
            ax.set_xlabel(say("fraction of the weights, largest first", "权重的比例（按绝对值从大到小）"))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}{percent_sign()}"))
        tenth = int(np.ceil(fractions[-1] * falling.size)) - 1
        part, low = (
            percent(1 - fractions[-1]),
            percent(falling[tenth] / falling[0], 1 if falling[tenth] < 0.1 * falling[0] else 0),
        )
        axes[0].set_title(say(f"{part} are below {low} of the largest", f"{part} 的权重不到最大值的 {low}"))
        axes[0].set_ylabel("|x|")
        most, held = percent(fractions[-1]), percent(energy[tenth])
        axes[1].set_title(say(f"the largest {most} hold {held} of the energy", f"最大的 {most} 占能量的 {held}"))
        axes[1].set_ylabel(say("share of the energy", "占总能量的比例"))
        percent_axis(axes[1].yaxis)
    alt = say(
        "Left: the sorted magnitudes of a client's delta fall steeply. Right: "
        + ", ".join(f"the largest {100 * f:g} % hold {100 * energy[int(np.ceil(f * falling.size)) - 1]:.0f} %" for f in fractions)
        + " of the energy.",
        "左：一个客户端的模型增量，各分量的绝对值从大到小排列，下降很快。右："
        + "，".join(f"最大的 {100 * f:g}% 占能量的 {100 * energy[int(np.ceil(f * falling.size)) - 1]:.0f}%" for f in fractions)
        + "。",
    )
    return Still(figure, alt)


FAMILY_STYLE = {
    "min to max": (GUIDE, "s"), "entropy-coded": (VIOLET, "o"), "EDEN": (BROWN, "^"), "QSGD": (TEAL, "v"),
    "top-k, 8 bits": (MAROON, "D"), "STC": (OLIVE, "P"),
}  # fmt: skip


TWO_DELTAS = np.array([[0.1, -0.9, 0.2, 0.6, 0.0, 0.1], [0.5, 0.1, 0.0, -0.8, 0.2, 0.1]])  # of two clients


def sums_under_masks(levels: np.ndarray, sent: np.ndarray, modulus: int, k: int = 2) -> Still:
    """What the server can add as it is: levels of one range, masks and all; and the values of top-k, which it cannot.

    levels, sent: int [2, n], of two clients, before and after the mask that one adds and the other subtracts. k: of top-k,
    on `TWO_DELTAS`.
    """
    figure, (fits, fails) = new_figure(2, width=10.2, height=3.6, width_ratios=(1.1, 1))
    total = sent.sum(axis=0) % modulus
    kept = [np.sort(np.argsort(-np.abs(x), kind="stable")[:k]) for x in TWO_DELTAS]
    values = np.array([x[places] for x, places in zip(TWO_DELTAS, kept, strict=True)])
    sparse = np.sum([top_k(x, k).to_dense() for x in TWO_DELTAS], axis=0)
    clients = (say("client 1", "客户端 1"), say("client 2", "客户端 2"))
    shown = say("{}, uplink: {}", "{}，上行：{}")
    with styled():
        for place, (client, mask) in enumerate(zip(clients, (say("+ mask", "+ 掩码"), say("− mask", "− 掩码")), strict=True)):
            _cells(fits, 4 - 2 * place, say(f"{client}, levels", f"{client}，量化级"), levels[place])
            _cells(fits, 3 - 2 * place, shown.format(client, mask), sent[place], UPLINK)
            _cells(fails, 4 - 2 * place, say(f"{client}, keeps", f"{client}，保留"), TWO_DELTAS[place], only=kept[place])
            _cells(fails, 3 - 2 * place, shown.format(client, say("values", "数值")), values[place], UPLINK)
        for ax, summed, meant in ((fits, total, levels.sum(axis=0)), (fails, values.sum(axis=0), sparse)):
            _cells(ax, 0, say("server: sum", "服务器：总和"), summed, VIOLET)
            _cells(ax, -1, say("should be", "应当是"), meant, only=np.flatnonzero(meant))
        right = np.array_equal(total, levels.sum(axis=0))
        common = np.flatnonzero(kept[0] == kept[1]).size
        fits.set_title(say("one range for all: ", "约定同一个范围：") + (
            say("the masks cancel, the sum is right", "掩码抵消，总和正确") if right else say("the sum is wrong", "总和不对")))
        fails.set_title(
            say(f"top-k: of {k} sums only {common} is of one weight", f"top-k：{k} 个和里只有 {common} 个属于同一个权重")
        )
        for ax, columns in ((fits, levels.shape[1]), (fails, TWO_DELTAS.shape[1])):
            ax.set(xlim=(-0.55, columns - 0.45), ylim=(-1.6, 4.6))
            ax.set_axis_off()
    alt = say(
        f"Left: the levels of two clients over one range, {levels[0].tolist()} and {levels[1].tolist()}. With the mask added by "
        f"one and subtracted by the other they look random, and their sum is {total.tolist()}, that of the levels. Right: top-k "
        f"of two clients keeps the places {kept[0].tolist()} and {kept[1].tolist()}; added in the order sent, "
        f"of {k} sums only {common} is of one weight.",
        f"左：两个客户端在同一个范围上的量化级 {levels[0].tolist()} 和 {levels[1].tolist()}。一个加掩码，一个减掩码，"
        f"看上去像随机数，总和是 {total.tolist()}，就是量化级之和。右：两个客户端的 top-k 各保留位置 {kept[0].tolist()} 和 "
        f"{kept[1].tolist()}；按发送的次序相加，{k} 个和里只有 {common} 个属于同一个权重。",
    )
    return Still(figure, alt)


def _cells(ax: Axes, height: float, name: str, numbers: np.ndarray, colour: str = EXACT, only: ArrayLike | None = None) -> None:
    """A row of numbers in cells, its name to the left. only: places that are kept; the others are empty."""
    ax.text(-0.65, height, name, ha="right", va="center", fontsize=9, color=colour)
    for place, number in enumerate(numbers):
        empty = only is not None and place not in np.asarray(only)
        ax.add_patch(Rectangle((place - 0.47, height - 0.4), 0.94, 0.8, facecolor=BLANK if empty else PAPER, edgecolor=FRAME))
        if not empty:
            ax.text(place, height, f"{number:g}", ha="center", va="center", fontsize=9, color=colour)


def planes(vectors: dict[str, dict[str, list[tuple[float, float]]]]) -> Still:
    """Codecs as points, a panel for each vector: bits a weight that were sent against NMSE, with the Gaussian limit.

    vectors: by "gaussian", "hidden", "output", then by family (`FAMILY_STYLE`), points (bits a weight, NMSE).
    """
    titles = {
        "gaussian": say("a Gaussian vector", "高斯向量"),
        "hidden": say("a delta: hidden layer", "增量：隐藏层"),
        "output": say("a delta: output layer", "增量：输出层"),
    }
    names = {
        "min to max": say("min to max", "最小值到最大值"),
        "entropy-coded": say("entropy-coded", "熵编码"),
        "top-k, 8 bits": say("top-k, 8 bits", "top-k，8 位"),
    }
    beyond = say("out of reach for Gaussian data", "高斯数据到不了这里")
    figure, axes = new_figure(len(vectors), width=10.2, height=4.4, sharey=True)
    with styled():
        for ax, (vector, families) in zip(axes, vectors.items(), strict=True):
            bits = np.linspace(0, 9, 50)
            ax.plot(bits, 2.0 ** (-2 * bits), "--", color=EXACT, lw=1.2, label=say("limit, Gaussian data", "高斯数据的极限"))
            ax.fill_between(bits, 1e-7, 2.0 ** (-2 * bits), color=FRAME, alpha=0.5, lw=0, label=beyond)
            for family, points in families.items():
                colour, marker = FAMILY_STYLE[family]
                ax.plot(*zip(*points, strict=True), marker=marker, ms=5, lw=1, color=colour, label=names.get(family, family))
            ax.set(yscale="log", xlim=(0, 9), ylim=(1e-5, 30), title=titles[vector])
            ax.set_xlabel(say("bits a weight, sent", "每个权重实际发送的位数"))
        axes[0].set_ylabel("NMSE")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, fontsize=8, columnspacing=1.2)
    alt = say(
        "Error against bits a weight for six families of codecs. On a Gaussian vector all stay above the limit, entropy-coded "
        "quantization a quarter of a bit from it; on the hidden layer of a delta it falls below the Gaussian limit.",
        "六类编解码器的误差与每个权重位数。高斯向量上，所有点都在极限之上，熵编码的均匀量化离它约四分之一位；"
        "在增量的隐藏层上，熵编码低于高斯极限。",
    )
    return Still(figure, alt)


# What section 4.3 prints: the numbers of other libraries.

Sent = tuple[float, list[np.ndarray], np.ndarray]  # bits a weight reported, the arrays sent, float [n] decoded


def sent_by_libraries(x: np.ndarray) -> dict[str, Sent]:
    """What well-known libraries would send for a delta of the document's model, float32 [101770], after their source."""
    n, size = 784 * 128, np.abs(x)
    largest = np.array(size.max())
    # TFF, quantize_above_threshold: stages_impl.py packs 28 bits into an int32
    q, packed = quantize(x[:n], 8, "nearest"), np.zeros(-(-8 * n // 28), np.int32)
    tff = 8, [packed, np.array([q.lo, q.hi], np.float32), x[n:]], np.concatenate([dequantize(q), x[n:]])

    # FedLab, contrib/compressor/quantization.py: norm, signs, levels 0 … 2**8 of the largest magnitude
    levels = np.floor(size / largest * 256 + np.random.default_rng(2).random(x.size)).astype(np.int32)
    qsgd = 8, [largest, np.sign(x) > 0, levels], np.sign(x) * levels / 256 * largest

    # GRACE, TernGrad: clipped at 2.5 standard deviations, kept with probability |x| / scale, in int8
    clipped = np.clip(x, -2.5 * x.std(), 2.5 * x.std())
    scale = np.array(np.abs(clipped).max())
    signs = (np.sign(clipped) * (np.random.default_rng(2).random(x.size) < np.abs(clipped) / scale)).astype(np.int8)

    # GRACE, OneBit: the mean of the positive and that of the negative weights, a bit in uint8
    plus, means = (x >= 0).astype(np.uint8), np.array([x[x < 0].mean(), x[x >= 0].mean()], np.float32)

    top = top_k(x, 0.01)  # FedLab's topk.py, GRACE's topk.py: int64 indices
    one_percent = 0.32, [top.values, top.indices.astype(np.int64)], top.to_dense()

    # STC, compression_utils.py: k indices of ceil(distance / 2**b) + b + 1 bits are charged, a dense tensor is sent
    dense = np.where(top.to_dense() != 0, np.sign(x) * np.abs(top.values).mean(), 0).astype(np.float32)
    b = 1 + int(np.log2(np.log(0.618) / np.log(0.99)))
    charged = np.sum(np.ceil(np.diff(top.indices, prepend=-1) / 2**b) + b + 1) + top.indices.size
    return {
        "TFF, uniform, 8 bits": tff,
        "FedLab, QSGD, 8 bits": qsgd,
        "GRACE, TernGrad": (float(np.log2(3)), [scale, signs], signs * scale),
        "GRACE, one bit": (1, [plus, means], means[plus]),
        "top 1 %, float32": one_percent,
        "STC, 1 %": (charged / x.size, [dense], dense),
    }
