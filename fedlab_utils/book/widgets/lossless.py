"""Lossy compression explorer (document, 2.2 and 2.3): a picture by JPEG and a client's delta by b bits, the same trade twice."""

from __future__ import annotations

import io
import zlib
from functools import lru_cache
from typing import NamedTuple

import ipywidgets as w
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from ...codecs import Quantize, decode
from ...data import load_client_delta, load_mnist
from ...language import say
from ...theory import nmse
from ..colours import BROWN, EARLIER, EXACT, SIGNS, VIOLET
from ..exercises.asking import Prediction, compare
from ..plotting import Still, name_drawn, new_figure, quick, styled
from .base import CONTROL, LABEL, Explorer
from .units import in_formula

QUALITIES = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
BITS = range(1, 13)
ROWS, COLUMNS = 10, 20  # digits in the picture that is compressed
SHOWN = 4 * 28  # pixels on a side of what is shown of it, and of the delta: four by four tiles


class Coded(NamedTuple):
    """One compressed thing. bits: per value, everything counted. error: NMSE. seen: [SHOWN, SHOWN], what is decoded."""

    payload_bytes: int
    bits: float
    error: float
    seen: np.ndarray


class CompressionData(NamedTuple):
    """What the picture shows: one position of the controls, and what each side of it makes."""

    quality: int
    bits: int
    zipped: bool
    picture: Coded
    delta: Coded


@lru_cache(maxsize=1)
def digits_picture() -> np.ndarray:
    """The first 200 test digits of MNIST side by side: uint8 [280, 560]."""
    images = np.rint(255 * load_mnist().x_test[: ROWS * COLUMNS]).astype(np.uint8)
    return images.reshape(ROWS, COLUMNS, 28, 28).swapaxes(1, 2).reshape(ROWS * 28, COLUMNS * 28)


def jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """A JPEG file of a grey picture uint8 [h, w], by Pillow, with Huffman tables of its own."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def png_file(pixels: np.ndarray) -> bytes:
    """The same picture without loss, as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


@lru_cache(maxsize=32)
def code_picture(quality: int) -> Coded:
    pixels = digits_picture()
    file = jpeg(pixels, quality)
    back = np.asarray(Image.open(io.BytesIO(file)))
    return Coded(len(file), 8 * len(file) / pixels.size, nmse(pixels, back), back[:SHOWN, :SHOWN])


@lru_cache(maxsize=1)
def _liveliest() -> np.ndarray:
    """The 16 hidden units whose weights moved most: what is shown of the delta."""
    hidden = load_client_delta()[: 784 * 128].reshape(784, 128)
    return np.sort(np.argsort(-np.sum(hidden**2, axis=0), kind="stable")[:16])


def tiles(delta: np.ndarray) -> np.ndarray:
    """The input weights of 16 hidden units as four by four pictures of 28×28: float [SHOWN, SHOWN]."""
    hidden = delta[: 784 * 128].reshape(28, 28, 128)[:, :, _liveliest()]
    return hidden.transpose(2, 0, 1).reshape(4, 4, 28, 28).swapaxes(1, 2).reshape(SHOWN, SHOWN)


@lru_cache(maxsize=32)
def code_delta(bits: int, zipped: bool) -> Coded:
    x = load_client_delta()
    payload = Quantize(bits).encode(x)
    message = zlib.compress(payload, 9) if zipped else payload
    x_hat = decode(zlib.decompress(message) if zipped else message)
    return Coded(len(message), 8 * len(message) / x.size, nmse(x, x_hat), tiles(x_hat))


def compute(quality: int, bits: int, zipped: bool) -> CompressionData:
    """Really encode and decode both. zipped: the delta's message passes through zlib as well, which loses nothing."""
    return CompressionData(quality, bits, zipped, code_picture(quality), code_delta(bits, zipped))


class CompressionPicture:
    """The decoded picture, the decoded delta, and error against bits for both, with the places visited."""

    def __init__(self):
        self.guess: float | None = None
        self._visited: dict[tuple, tuple[float, float]] = {}
        self.figure, (self.left, self.middle, self.trade) = new_figure(3, width=10.2, height=3.7, width_ratios=(1, 1, 1.45))
        limit = float(np.quantile(np.abs(tiles(load_client_delta())), 0.995))
        with styled():
            zeros = np.zeros((SHOWN, SHOWN))
            self._picture = self.left.imshow(zeros, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            signs = LinearSegmentedColormap.from_list("signs", SIGNS)
            self._delta = self.middle.imshow(zeros, cmap=signs, vmin=-limit, vmax=limit, interpolation="nearest")
            for ax in (self.left, self.middle):
                ax.set(xticks=[], yticks=[])
                ax.grid(False)
                ax.spines[:].set_visible(False)
                ax.set_title(" \n ")
            shapes = {"picture": "s", "delta": "o"}
            names = {"picture": say("pictures, earlier", "图片，先前"), "delta": say("deltas, earlier", "增量，先前")}
            self._trails = {
                kind: self.trade.scatter([], [], s=18, color=EARLIER, marker=m, label=names[kind]) for kind, m in shapes.items()
            }
            (self._jpeg,) = self.trade.plot([], [], "s", ms=9, color=BROWN, ls="none", label=say("picture, JPEG", "图片，JPEG"))
            (self._quantized,) = self.trade.plot(
                [], [], "o", ms=9, color=VIOLET, ls="none", label=say("delta, b bits", "增量，b 位")
            )
            rate = np.linspace(0, 13, 50)
            label = say("theory: Gaussian, best possible", "理论：高斯数据的极限")
            (limit_line,) = self.trade.plot(rate, 2.0 ** (-2 * rate), ":", color=EXACT, lw=1.2, label=label)
            (self._guess,) = self.trade.plot(
                [], [], "D", ms=8, mfc="none", mec=EXACT, ls="none", label=say("your guess", "你的猜测")
            )
            self.trade.set(yscale="log", xlim=(0, 13), ylim=(1e-8, 1e4))
            self.trade.set(xlabel=say("bits per pixel, per weight", "位数（每像素或每个权重）"), ylabel="NMSE")
            self.trade.set_title(say("the same trade, twice", "同一种取舍，两处都有"))
            self._named = (self._jpeg, self._quantized, limit_line, *self._trails.values(), self._guess)
            self._legend = self.trade.legend(handles=self._named, loc="upper right", fontsize=8)
            quick(self.figure)

    def draw(self, data: CompressionData) -> None:
        keys = {("picture", data.quality): data.picture, ("delta", data.bits, data.zipped): data.delta}
        for kind, trail in self._trails.items():
            earlier = [place for key, place in self._visited.items() if key not in keys and key[0] == kind]
            trail.set_offsets(earlier if earlier else np.empty((0, 2)))
        self._visited |= {key: (coded.bits, max(coded.error, 1e-8)) for key, coded in keys.items()}
        self._picture.set_data(data.picture.seen)
        self._delta.set_data(data.delta.seen)
        self._jpeg.set_data([data.picture.bits], [data.picture.error])
        self._quantized.set_data([data.delta.bits], [data.delta.error])
        by = say("JPEG, quality", "JPEG，质量")
        self.left.title.set_text(f"{by} {data.quality}\n{data.picture.payload_bytes:,} " + say("bytes", "字节"))
        zipped = say(", then ZIP", "，再用 ZIP") if data.zipped else ""
        how = say(f"delta, {data.bits} bits{zipped}", f"增量，{data.bits} 位{zipped}")
        self.middle.title.set_text(f"{how}\n{data.delta.payload_bytes:,} " + say("bytes", "字节"))
        if self.guess:
            self._guess.set_data([8 * 1000 * self.guess / digits_picture().size], [code_picture(50).error])
        name_drawn(self._legend, self._named)

    def alt(self, data: CompressionData) -> str:
        return say(
            f"Left, digits as JPEG of quality {data.quality}: {data.picture.payload_bytes:,} bytes, {data.picture.bits:.2f} bits "
            f"a pixel, NMSE {data.picture.error:.2g}. Middle, a delta at {data.bits} bits"
            f"{' and zipped' if data.zipped else ''}: {data.delta.payload_bytes:,} bytes, {data.delta.bits:.2f} bits a weight, "
            f"NMSE {data.delta.error:.2g}. Right: error against bits for both.",
            f"左：质量为 {data.quality} 的 JPEG 数字图片，{data.picture.payload_bytes:,} 字节，"
            f"每像素 {data.picture.bits:.2f} 位，NMSE {data.picture.error:.2g}。"
            f"中：{data.bits} 位量化{'再经 ZIP ' if data.zipped else ''}的增量，"
            f"{data.delta.payload_bytes:,} 字节，每个权重 {data.delta.bits:.2f} 位，NMSE {data.delta.error:.2g}。"
            "右：两者的误差与位数。",
        )


def formula(data: CompressionData) -> str:
    pixels, n = in_formula(digits_picture().size), in_formula(load_client_delta().size)
    left = rf"R_{{\mathrm{{JPEG}}}}=\frac{{8\cdot{in_formula(data.picture.payload_bytes)}}}{{{pixels}}}={data.picture.bits:.3f}"
    right = rf"R_{{\Delta}}=\frac{{8\cdot{in_formula(data.delta.payload_bytes)}}}{{{n}}}={data.delta.bits:.3f}"
    bound = r"D(R)=\sigma^2\,2^{-2R}"
    words = say("least error for independent Gaussian numbers", "独立高斯数据所能达到的最小误差")
    return rf"$${left},\qquad {right}$$ $${bound}$$ {words}"


def compression_explorer(predict: bool = True) -> Explorer:
    """The app. predict: ask for a guess before the controls unlock."""
    controls = {
        "quality": w.SelectionSlider(options=[(str(q), q) for q in QUALITIES], value=90, layout=CONTROL, style=LABEL,
                                     description=say("JPEG quality", "JPEG 质量")),
        "bits": w.IntSlider(8, BITS[0], BITS[-1], description=say("bits", "量化位数"), layout=CONTROL, style=LABEL),
        "zipped": w.Checkbox(value=False, description=say("then ZIP the delta", "增量再用 ZIP 压缩"), style=LABEL,
                             layout=CONTROL),
    }  # fmt: skip
    question = None
    if predict:
        raw = digits_picture().size
        text = say(
            f"The picture of 200 digits has {raw:,} pixels of one byte. How many kilobytes (thousands of bytes) has its JPEG of "
            "quality 50?",
            f"这幅由 200 个数字拼成的图片有 {raw:,} 个像素，每个一字节。质量为 50 的 JPEG 有多少 kB（千字节）？",
        )
        question = Prediction(
            text, lambda guess: compare(guess, code_picture(50).payload_bytes / 1000, " kB"), name="widgets.compression_explorer"
        )
    groups = {"data": ("quality",), "codec": ("bits", "zipped")}
    return Explorer(controls, compute, CompressionPicture(), formula, groups, question)


def compression_still(quality: int = 10, bits: int = 4, zipped: bool = False) -> Still:
    """The app's picture for readers without a kernel, with the other positions as a grey trail."""
    picture = CompressionPicture()
    for other in QUALITIES:
        picture.draw(compute(other, bits, zipped))
    for other in BITS:
        picture.draw(compute(quality, other, zipped))
    data = compute(quality, bits, zipped)
    picture.draw(data)
    return Still(picture.figure, picture.alt(data))
