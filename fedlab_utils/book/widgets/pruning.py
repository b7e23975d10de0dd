"""Pruning explorer (document, 3.2.1): sparsity and what is ranked; what survives, accuracy, bytes, multiplications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import ipywidgets as w
import numpy as np

from ... import pruning
from ...codecs import Identity, Quantize
from ...data import load_mnist
from ...language import percent, percent_sign, say
from ...training import central
from ..colours import EARLIER, EXACT, VIOLET
from ..exercises.asking import Prediction, compare
from ..plotting import Still, name_drawn, new_figure, percent_axis, styled
from .base import CONTROL, LABEL, Explorer
from .units import in_formula

KINDS = ("global", "layer", "node")
SPARSITIES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
ASKED = 0.95  # the sparsity of the question, which no cell of the chapter has shown before
EPOCHS, IMAGES = 1, 20000  # of the fine-tuning at each move


def kind_name(kind: str) -> str:
    return {
        "global": say("connections, whole model", "连接，全模型"),
        "layer": say("connections, per layer", "连接，逐层"),
        "node": say("nodes", "节点"),
    }[kind]


class PruningData(NamedTuple):
    """before, after: test accuracy without and with fine-tuning. survivors: float [28, 28], the share of the hidden
    nodes that each pixel still reaches. Bytes are len(payload) of the fine-tuned model."""

    kind: str
    sparsity: float
    base: float
    before: float
    after: float
    survivors: np.ndarray
    weights: int
    bytes_dense: int
    bytes_float32: int
    bytes_8bit: int
    multiplications: int


class Pruner:
    """compute(kind, sparsity) for one trained model: really prunes, fine-tunes, encodes. What was computed is kept.

    weights: of a model 784 → h → 10, as model.get_weights().
    """

    def __init__(self, weights):
        if [np.ndim(a) for a in weights] != [2, 1, 2, 1] or weights[0].shape[0] != 784:
            raise ValueError(f"weights of a model 784 → h → 10 are needed, got shapes {[np.shape(a) for a in weights]}")
        self.weights, self.model, self._known = weights, central.mlp(weights[1].size), {}
        self._data = load_mnist().x_train[:IMAGES], load_mnist().y_train[:IMAGES]
        self.base = self._accuracy(weights)

    def _accuracy(self, weights) -> float:
        data = load_mnist()
        return central.accuracy(self.model, data.x_test, data.y_test, weights)

    def __call__(self, kind: str, sparsity: float) -> PruningData:
        if (kind, sparsity) not in self._known:
            self._known[kind, sparsity] = self._compute(kind, sparsity)
        return self._known[kind, sparsity]

    def _compute(self, kind: str, sparsity: float) -> PruningData:
        nodes = np.arange(self.weights[1].size)
        if kind == "node":
            # Held by a mask while it trains, cut out afterwards: the same model, and TensorFlow needs no graph of that size.
            nodes = pruning.kept_nodes(self.weights, sparsity)
            stays = np.isin(np.arange(self.weights[1].size), nodes)
            mask = [np.broadcast_to(stays, self.weights[0].shape), stays,
                    np.broadcast_to(stays[:, None], self.weights[2].shape), np.ones(self.weights[3].shape, bool)]  # fmt: skip
        else:
            mask = pruning.magnitude_mask(self.weights, sparsity, kind)
        pruned = pruning.apply_mask(self.weights, mask)
        tuned = pruning.fine_tune(self.model, pruned, mask, *self._data, epochs=EPOCHS, learning_rate=(2e-3, 0.0))
        small = pruning.take_nodes(tuned, nodes)
        return PruningData(
            kind, sparsity, self.base, self._accuracy(pruned), self._accuracy(tuned),
            mask[0].mean(axis=1).reshape(28, 28), sum(int(m.sum()) for m in mask),
            len(Identity().encode(np.concatenate([a.ravel() for a in self.weights]))),
            len(pruning.encode_pruned(small)), len(pruning.encode_pruned(small, Quantize(8))),
            sum(int(m.sum()) for m in mask if m.ndim > 1),
        )  # fmt: skip


class PruningPicture:
    """What survives by pixel; accuracy against sparsity without and with fine-tuning; bytes of the model."""

    def __init__(self):
        self.guess: float | None = None
        self._visited: dict[tuple, PruningData] = {}
        self.figure, (self.map, self.curve, self.size) = new_figure(3, width=10.2, height=3.6, width_ratios=(1, 1.35, 1.1))
        with styled():
            self._image = self.map.imshow(np.zeros((28, 28)), cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
            self.map.set(xticks=[], yticks=[])
            self.map.grid(False)
            self.map.spines[:].set_visible(False)
            self.map.set_xlabel(say("connections left (darker: more)", "每个像素留下的连接（越深越多）"), fontsize=9)
            self._dense = self.curve.axhline(0, color=EXACT, lw=1, ls=":")
            self._grey = {}  # by kind: (before, after), the places visited
            for kind, marker in zip(KINDS, "os^", strict=True):
                (before,) = self.curve.plot([], [], marker, color=EARLIER, ms=5, mfc="none")
                name = kind_name(kind) + say(", earlier", "（先前）")
                (after,) = self.curve.plot([], [], marker, color=EARLIER, ms=5, label=name)
                self._grey[kind] = before, after
            (self._before,) = self.curve.plot(
                [], [], "o", color=VIOLET, ms=9, mfc="none", mew=2, label=say("without fine-tuning", "不微调")
            )
            (self._after,) = self.curve.plot(
                [], [], "o", color=VIOLET, ms=9, label=say("after fine-tuning", "微调后")
            )
            (self._guess,) = self.curve.plot([], [], "D", ms=8, mfc="none", mec=EXACT, ls="", label=say("your guess", "你的猜测"))
            self.curve.set(xlim=(-0.03, 1.03), ylim=(0, 1.02), xlabel=say("sparsity", "稀疏度（移除的比例）"))
            self.curve.set_ylabel(say("test accuracy", "测试准确率"))
            self.curve.set_title(say("Accuracy", "准确率"))
            self._named = (self._guess, *reversed([after for _, after in self._grey.values()]), self._before, self._after)
            self._legend = self.curve.legend(handles=self._named, loc="lower left")
            percent_axis(self.curve.xaxis)
            percent_axis(self.curve.yaxis)
            labels = (say("dense", "稠密"), say("pruned,\nfloat32", "剪枝，\nfloat32"), say("pruned,\n8 bits", "剪枝，\n8 位"))
            self._sizes = [self.size.plot(i, 1, "o", ms=9, color=c)[0] for i, c in enumerate((EXACT, VIOLET, VIOLET))]
            self._notes = [
                self.size.annotate("", (i, 1), (0, 7), textcoords="offset points", ha="center", fontsize=9) for i in range(3)
            ]
            self.size.set(yscale="log", ylim=(1, 1500), xlim=(-0.6, 2.6))
            self.size.set_xticks(range(3), labels)
            self.size.set_ylabel(say("model as one message (kB)", "整个模型的消息大小（kB）"))
            self.size.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
            self.size.set_title(say("Bytes", "字节数"))

    def draw(self, data: PruningData) -> None:
        self._visited[data[:2]] = data
        self._image.set_data(data.survivors)
        self._image.set_clim(0, data.survivors.max())
        self.map.title.set_text(say(f"{data.weights:,} weights left,\n{data.multiplications:,} non-zero products",
                               f"留下 {data.weights:,} 个权重，\n{data.multiplications:,} 个非零乘积"))  # fmt: skip
        self._dense.set_ydata([data.base] * 2)
        for kind, (before, after) in self._grey.items():
            earlier = [d for key, d in self._visited.items() if key != data[:2] and d.kind == kind]
            before.set_data([d.sparsity for d in earlier], [d.before for d in earlier])
            after.set_data([d.sparsity for d in earlier], [d.after for d in earlier])
        self._before.set_data([data.sparsity], [data.before])
        self._after.set_data([data.sparsity], [data.after])
        guesses = [] if self.guess is None or data.kind != "global" else [self.guess / 100]
        self._guess.set_data([ASKED] * len(guesses), guesses)
        name_drawn(self._legend, self._named)
        before, after = percent(data.before, 1), percent(data.after, 1)
        self.curve.title.set_text(say(f"{before}, fine-tuned {after}", f"不微调 {before}，微调后 {after}"))
        sizes = (data.bytes_dense, data.bytes_float32, data.bytes_8bit)
        for place, (dot, note, size) in enumerate(zip(self._sizes, self._notes, sizes, strict=True)):
            dot.set_ydata([size / 1000])
            note.set_text(f"{size / 1000:.1f}")
            note.xy = (place, size / 1000)
        self.size.title.set_text(
            say(f"1/{sizes[0] / sizes[2]:.0f} of the bytes at 8 bits", f"8 位时字节数降到 1/{sizes[0] / sizes[2]:.0f}")
        )

    def alt(self, data: PruningData) -> str:
        return say(
            f"Pruning {100 * data.sparsity:g} % ({kind_name(data.kind)}): accuracy {100 * data.before:.1f} % without and "
            f"{100 * data.after:.1f} % with fine-tuning, {100 * data.base:.1f} % dense. {data.weights:,} weights left, "
            f"{data.bytes_float32:,} bytes as float32, {data.bytes_8bit:,} with 8-bit values.",
            f"剪去 {100 * data.sparsity:g}%（{kind_name(data.kind)}）：不微调时准确率 {100 * data.before:.1f}%，"
            f"微调后 {100 * data.after:.1f}%，稠密模型 {100 * data.base:.1f}%。留下 {data.weights:,} 个权重，"
            f"float32 共 {data.bytes_float32:,} 字节，8 位共 {data.bytes_8bit:,} 字节。",
        )


def formula(data: PruningData) -> str:
    if data.kind == "node":
        nodes = round((data.weights - 10) / 795)  # 784 + 1 + 10 weights a node, and the 10 biases of the output
        words = say("multiplications an image", "次乘法/图片")
        return rf"$$784\cdot {nodes}+{nodes}\cdot 10={in_formula(data.multiplications)}\ \text{{{words}}}$$"
    places = 8 * (data.bytes_float32 - 4 * data.weights) / data.weights
    weights = in_formula(data.weights)
    words = say("bits for each place, header included", "位：每个位置的平均开销（含头部）")
    total, where = rf"\text{{{say('bytes', '字节数')}}}", rf"\text{{{say('places', '位置')}}}"
    fraction = rf"\frac{{8\,({in_formula(data.bytes_float32)}-4\cdot {weights})}}{{{weights}}}={places:.2f}"
    return rf"$${total}=\underbrace{{4\cdot {weights}}}_{{\text{{float32}}}}+{where},\qquad {fraction}$$ {words}"


def pruning_explorer(weights: Sequence[np.ndarray], predict: bool = True) -> Explorer:
    """The app, for one trained model 784 → h → 10. weights: as model.get_weights(). A move prunes and fine-tunes it anew."""
    pruner = Pruner(weights)
    controls = {
        "kind": w.Dropdown(
            options=[(kind_name(k), k) for k in KINDS], description=say("rank", "排序对象"), layout=CONTROL, style=LABEL
        ),
        "sparsity": w.SelectionSlider(
            options=[(f"{100 * s:g}{percent_sign()}", s) for s in SPARSITIES], value=0.5, description=say("sparsity", "稀疏度"),
            layout=CONTROL, style=LABEL, continuous_update=False,
        ),
    }  # fmt: skip
    question = None
    if predict:
        text = say(
            f"The model is right on {100 * pruner.base:.1f} % of the test images. Remove {100 * ASKED:g} % of its connections, "
            "the smallest in magnitude of the whole model, without fine-tuning. What accuracy, in percent, is left?",
            f"模型在测试集上的准确率是 {100 * pruner.base:.1f}%。"
            f"在全模型范围内移除绝对值最小的 {100 * ASKED:g}% 的连接，不微调，准确率还剩百分之几？",
        )
        question = Prediction(
            text,
            lambda guess: compare(guess, 100 * pruner("global", ASKED).before, percent_sign()),
            name="widgets.pruning_explorer",
        )
    return Explorer(controls, pruner, PruningPicture(), formula, {"model": ("kind", "sparsity")}, question)


def pruning_still(
    weights: Sequence[np.ndarray],
    kind: str = "global",
    sparsity: float = 0.9,
    trail: Sequence[float] = (0.0, 0.5, 0.7, 0.8, 0.98),
) -> Still:
    """The app's picture for readers without a kernel. trail: the grey points of other sparsities."""
    picture, pruner = PruningPicture(), Pruner(weights)
    for other in trail:
        picture.draw(pruner(kind, other))
    data = pruner(kind, sparsity)
    picture.draw(data)
    return Still(picture.figure, picture.alt(data))
