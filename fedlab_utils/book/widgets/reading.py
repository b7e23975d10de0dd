"""Images in an update (document, 1.1 and 1.2): how many share one gradient, and which of them can still be read off it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import ipywidgets as w
import numpy as np

from ...data import load_mnist
from ...federation import privacy
from ...language import percent, say
from ...training.models import document_mlp
from ..colours import EARLIER, EXACT
from ..figures.background import READ_OFF, as_picture
from ..plotting import Still, name_drawn, new_figure, percent_axis, plain_log_axis, quick, styled
from .base import CONTROL, LABEL, Explorer

COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100)
CLIENTS = 10
SHOWN = 8  # images that are drawn, at most
SAME = 0.99  # a correlation from which on an image counts as read


class ReadingData(NamedTuple):
    """images: float [min(n, SHOWN), 28, 28], the first of the client's. candidates: what was read off that is most like each,
    float [.., 784]. similar: float [n], of all images."""

    n: int
    client: int
    images: np.ndarray
    candidates: np.ndarray
    similar: np.ndarray

    @property
    def read(self) -> int:
        """How many of the images are read almost exactly."""
        return int(np.sum(self.similar > SAME))


@lru_cache(maxsize=256)
def compute(n: int, client: int) -> ReadingData:
    """Really take the mean gradient of n images, and divide. client: whose images, and the seed of the model's first weights.

    The same choice of images as in section 1.1.
    """
    data = load_mnist()
    chosen = np.random.default_rng(client).choice(len(data.x_train), n, replace=False)
    images = data.x_train[chosen]
    kernel, bias, *_ = privacy.gradient(document_mlp(client), images, data.y_train[chosen])
    candidates = privacy.read_images(kernel, bias)
    similar, which = privacy.best_match(images, candidates)
    return ReadingData(n, client, images[:SHOWN], candidates[which[:SHOWN]], similar)


class ReadingPicture:
    """Private images above, what was read off below; the share that is read, by the number of images, with places visited."""

    def __init__(self):
        self.guess: float | None = None
        self._visited: dict[tuple[int, int], float] = {}
        self.figure, (self.pictures, self.share) = new_figure(2, width=10.2, height=3.1, width_ratios=(2.1, 1))
        with styled():
            blank = np.zeros((2 * 29 + 5, SHOWN * 29 - 1))
            self._image = self.pictures.imshow(blank, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
            self.pictures.grid(False)
            self.pictures.spines[:].set_visible(False)
            rows = say("private", "私有图片"), say("read off", "读出")
            self.pictures.set(xticks=[])
            self.pictures.set_yticks([14, 29 + 5 + 14], rows)
            self.pictures.tick_params(length=0)
            self._values = [
                self.pictures.text(29 * place + 14, 2 * 29 + 7, "", ha="center", va="top", fontsize=9, color=READ_OFF)
                for place in range(SHOWN)
            ]
            self.pictures.set_xlabel(say("correlation of the two", "两者的相关系数"), fontsize=9, labelpad=18)
            self.pictures.set_title(" ")
            self._trail = self.share.scatter([], [], s=20, color=EARLIER, label=say("earlier", "先前"))
            (self._here,) = self.share.plot([], [], "o", ms=9, color=READ_OFF, ls="none", label=say("this update", "这条更新"))
            self.share.set(xscale="log", xlim=(0.8, 130), ylim=(-0.04, 1.04))
            self.share.set_xlabel(say("images that share the update", "共用一条更新的图片数"))
            self.share.set_ylabel(say("share read almost exactly", "几乎原样读出的比例"))
            self.share.set_xticks([1, 2, 4, 8, 16, 32, 100])
            plain_log_axis(self.share.xaxis)
            percent_axis(self.share.yaxis)
            self.share.axhline(0, color=EXACT, lw=1, ls=":")
            self.share.set_title(" ")
            self._named = (self._trail, self._here)
            self._legend = self.share.legend(handles=self._named, loc="lower left", bbox_to_anchor=(0, 0.04))
            quick(self.figure)

    def draw(self, data: ReadingData) -> None:
        sheet = np.zeros(self._image.get_array().shape)
        for place, text in enumerate(self._values):
            there = place < len(data.images)
            text.set_text(f"{data.similar[place]:.2f}" if there else "")
            if there:
                left = 29 * place
                sheet[:28, left : left + 28] = data.images[place]
                sheet[29 + 5 : 29 + 5 + 28, left : left + 28] = as_picture(data.candidates[place], data.images[place])
        self._image.set_data(sheet)
        share = data.read / data.n
        self._visited[data.n, data.client] = share
        earlier = [(n, of) for (n, client), of in self._visited.items() if (n, client) != (data.n, data.client)]
        self._trail.set_offsets(earlier if earlier else np.empty((0, 2)))
        self._here.set_data([data.n], [share])
        name_drawn(self._legend, self._named)
        first = say(f" (the first {SHOWN} are drawn)", f"（画出前 {SHOWN} 张）") if data.n > SHOWN else ""
        one = "image" if data.n == 1 else "images"
        self.pictures.title.set_text(say(f"One gradient of {data.n} {one}{first}", f"{data.n} 张图片的一个梯度{first}"))
        self.share.title.set_text(
            say(f"{data.read} of {data.n} read almost exactly", f"{data.n} 张中有 {data.read} 张几乎原样读出")
        )

    def alt(self, data: ReadingData) -> str:
        listed = say(", ", "、").join(f"{value:.2f}" for value in data.similar[:SHOWN])
        return say(
            f"The gradient of {data.n} images of client {data.client}, shared by all: {data.read} can be read almost exactly "
            f"({percent(data.read / data.n)}). Correlations of the images drawn with what was read off: {listed}.",
            f"客户端 {data.client} 的 {data.n} 张图片共用一个梯度：几乎原样读出 {data.read} 张（{percent(data.read / data.n)}）。"
            f"画出的各张图片与读出图片的相关系数：{listed}。",
        )


def formula(data: ReadingData) -> str:
    words = say("images on which unit i is active", "单元 i 激活的图片")
    total = r"\sum_{k\,\in\,A_i} g_{ki}\,x_k \Big/ \sum_{k\,\in\,A_i} g_{ki}"
    gradient = rf"g_{{ki}}=\tfrac{{1}}{{{data.n}}}\,\partial L_k/\partial z_{{ki}}"
    return (
        r"$$\frac{\partial L}{\partial W_{\cdot i}}\Big/\frac{\partial L}{\partial b_i}="
        rf"{total}$$ $${gradient}$$ $A_i\subseteq\{{1,\dots,{data.n}\}}$: {words}"
    )


def images_per_update() -> Explorer:
    """The app. It asks nothing: section 1.1 has asked before."""
    controls = {
        "n": w.SelectionSlider(
            options=[(str(n), n) for n in COUNTS], value=1, description=say("images", "图片数"), layout=CONTROL, style=LABEL
        ),
        "client": w.IntSlider(0, 0, CLIENTS - 1, description=say("client", "客户端"), layout=CONTROL, style=LABEL),
    }
    return Explorer(controls, compute, ReadingPicture(), formula, {"data": ("n", "client")})


def images_per_update_still(n: int = 8, client: int = 3) -> Still:
    """The app's picture for readers without a kernel, with the other numbers of images as a grey trail."""
    picture = ReadingPicture()
    for other in COUNTS:
        picture.draw(compute(other, client))
    data = compute(n, client)
    picture.draw(data)
    return Still(picture.figure, picture.alt(data))
