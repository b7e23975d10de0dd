"""The picture of the composer: bytes and error stage by stage, the whole message to scale, and the bytes of one part."""

from __future__ import annotations

from textwrap import wrap
from typing import NamedTuple

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.text import Annotation

from ...codecs import Part
from ...language import percent, say
from ..colours import EXACT, GUIDE, INK, LOSSY
from ..plotting import name_drawn, new_figure, percent_axis, plain_log_axis, quick, styled
from .parts import KINDS, kind_name, kind_of, part_name

ROWS = 5  # stages for which there is room before the rows stand nearer
WIDE = 46  # signs of a stage's name in a line
ACROSS, DOWN = 16, 16  # bytes of the message that are shown one by one
BYTES, ERRORS = (20, 2e7), (1e-9, 1e4)  # limits of the logarithmic axes
PALE, DEEP = 0.25, 0.65  # how much colour a byte of 0 has, and how much more one of 255
AWAY = 0.35  # as much of it is left to bytes of other parts


class Stage(NamedTuple):
    """What has become of the vector after this stage and all before it: a real message, decoded. nmse: 0, nothing is lost."""

    name: str
    payload_bytes: int
    nmse: float


class ComposerData(NamedTuple):
    """What the picture shows. stages: float32 first, then one an entry; the last is the codec. parts: of its payload."""

    delta: str
    codec: str
    n: int
    stages: tuple[Stage, ...]
    payload: bytes
    parts: tuple[Part, ...]

    def bytes_of(self, kind: str) -> int:
        """Bytes of the message that are of a kind, see `parts.KINDS`."""
        return sum(part.size for part in self.parts if kind_of(part) == kind)


class ComposerPicture:
    """Dots a stage, bytes and NMSE; the message as a column in the colours of what it holds; some of its bytes as a grid."""

    def __init__(self):
        self.guess: float | None = None
        self.asked: tuple[str, str] | None = None  # delta and codec of the question
        self.figure, (self.bytes, self.error, self.message, self.grid) = new_figure(
            4, width=10.2, height=3.9, width_ratios=(1.35, 0.85, 1.1, 0.95)
        )
        with styled():
            (self._exact,) = self.bytes.plot([], [], "o", ms=8, color=EXACT)
            (self._prefixes,) = self.bytes.plot([], [], "o", ms=8, mec=LOSSY, mfc="none", mew=1.6)
            (self._codec,) = self.bytes.plot([], [], "o", ms=9, color=LOSSY)
            (self._errors,) = self.error.plot([], [], "o", ms=8, mec=LOSSY, mfc="none", mew=1.6)
            (self._last_error,) = self.error.plot([], [], "o", ms=9, color=LOSSY)
            self.error.axvline(1, color=GUIDE, lw=1, ls=":")
            self._names: list = []
            self._numbers: list = []
            self._losses: list = []
            self._make_rows(ROWS + 1)
            for ax, limits in ((self.bytes, BYTES), (self.error, ERRORS)):
                ax.set(xscale="log", xlim=limits, ylim=(ROWS - 0.4, -0.75), yticks=[])
                ax.grid(axis="y", visible=False)
            self.bytes.set_xticks([100, 10_000, 1_000_000])
            plain_log_axis(self.bytes.xaxis)
            self.error.set_xticks([1e-8, 1e-6, 1e-4, 1e-2, 1, 100], ["10⁻⁸", "10⁻⁶", "10⁻⁴", "0.01", "1", "100"], fontsize=8)
            self.bytes.set_xlabel(say("bytes after each stage (log axis)", "压缩到每一步的字节数（对数轴）"))
            after = say("NMSE after each stage\n(1: as bad as nothing)", "压缩到每一步的 NMSE\n（1：等于什么都没发）")
            self.error.set_xlabel(after)
            self._kinds = {kind: PolyCollection([], facecolor=colour, edgecolor="none", label=kind_name(kind))
                           for kind, colour in KINDS.items()}  # fmt: skip
            for artist in self._kinds.values():
                self.message.add_collection(artist, autolim=False)
            (self._bracket,) = self.message.plot([], [], color=INK, lw=2.5, solid_capstyle="butt", clip_on=False)
            shown = say("the part shown", "选中的部分")
            (self._pointer,) = self.message.plot([], [], "<", ms=7, color=INK, clip_on=False, label=shown)
            (self._guess,) = self.message.plot(
                [], [], "D", ms=7, mfc="none", mec=EXACT, ls="none", label=say("your guess", "你的猜测")
            )
            self.message.set(xlim=(0, 3.6), ylim=(1, 0), xticks=[])
            self.message.grid(visible=False)
            percent_axis(self.message.yaxis)
            self.message.set_xlabel(say("the whole message, to scale", "整条消息，按比例"))
            # What comes and goes stands last: a name that goes leaves its room.
            self._named = (self._pointer, *self._kinds.values(), self._guess)
            self._legend = self.message.legend(
                handles=self._named, loc="center right", fontsize=8, handlelength=1, handletextpad=0.5, borderaxespad=0
            )
            self._image = self.grid.imshow(np.ones((DOWN, ACROSS, 3)), interpolation="nearest", aspect="auto")
            self.grid.set(xticks=[], yticks=[], xlabel="\n")
            self.grid.spines[:].set_visible(False)
            self.grid.grid(visible=False)
            for ax in (self.bytes, self.error, self.message, self.grid):
                ax.set_title("\n")
            quick(self.figure)

    def _make_rows(self, count: int) -> None:
        while len(self._names) < count:
            words = {"va": "center", "fontsize": 8, "color": INK}
            self._names.append(self.bytes.text(0.02, 0, "", transform=self.bytes.get_yaxis_transform(), **words))
            for ax, texts in ((self.bytes, self._numbers), (self.error, self._losses)):
                texts.append(ax.annotate("", (1, 0), (0, 0), textcoords="offset points", annotation_clip=False, **words))

    def draw(self, data: ComposerData, selected: int) -> None:
        """selected: index of the part of which bytes are shown."""
        self._draw_stages(data)
        self._draw_message(data, selected)
        self._draw_bytes(data, selected)

    def _draw_stages(self, data: ComposerData) -> None:
        stages, rows = data.stages, np.arange(len(data.stages))
        self._make_rows(len(stages))
        for ax in (self.bytes, self.error):
            ax.set_ylim(max(ROWS, len(stages)) - 0.4, -0.75)
        sizes = [stage.payload_bytes for stage in stages]
        losses = [max(stage.nmse, ERRORS[0]) for stage in stages]
        self._exact.set_data([sizes[0]], [0])
        self._prefixes.set_data(sizes[1:-1], rows[1:-1])
        self._codec.set_data(sizes[-1:] if len(stages) > 1 else [], rows[-1:] if len(stages) > 1 else [])
        lossy = [row for row in rows if stages[row].nmse > 0]
        self._errors.set_data([losses[row] for row in lossy if row != rows[-1]], [row for row in lossy if row != rows[-1]])
        self._last_error.set_data([losses[row] for row in lossy if row == rows[-1]], [row for row in lossy if row == rows[-1]])
        for texts in (self._names, self._numbers, self._losses):
            for text in texts[len(stages) :]:
                text.set_text("")
        for row, stage in enumerate(stages):
            long = len(stage.name) > WIDE
            self._names[row].set(text="\n".join(wrap(stage.name, WIDE)), y=row - 0.42, fontsize=7 if long else 8)
            beside(self._numbers[row], stage.payload_bytes, row, f"{stage.payload_bytes:,}", stage.payload_bytes > 2e4)
            what = f"{stage.nmse:.2g}" if stage.nmse else say("0: nothing is lost", "0：毫无损失")
            beside(self._losses[row], losses[row], row, what, 1e-5 < stage.nmse < 1)
        now, factor = stages[-1], stages[0].payload_bytes / stages[-1].payload_bytes
        self.bytes.title.set_text(
            say(f"{now.payload_bytes:,} bytes:\n1/{factor:.4g} of float32",
                f"{now.payload_bytes:,} 字节：\nfloat32 的 1/{factor:.4g}")
        )  # fmt: skip
        self.error.title.set_text(say(f"What is lost:\nNMSE {now.nmse:.2g}", f"损失：\nNMSE {now.nmse:.2g}"))

    def _draw_message(self, data: ComposerData, selected: int) -> None:
        whole = len(data.payload)
        for kind, artist in self._kinds.items():
            spans = [(p.start / whole, (p.start + p.size) / whole) for p in data.parts if kind_of(p) == kind]
            artist.set_verts([[(0, low), (1, low), (1, high), (0, high)] for low, high in spans])
            artist.set_visible(bool(spans))
        part = data.parts[selected]
        low, high = part.start / whole, (part.start + part.size) / whole
        self._bracket.set_data([1.12, 1.12], [low, high])
        self._pointer.set_data([1.3], [(low + high) / 2])
        asked = self.guess is not None and (data.delta, data.codec) == self.asked
        places = [p.start for p in data.parts if kind_of(p) == "places"]
        self._guess.set_data([1.3] if asked else [], [places[0] / whole + (self.guess or 0) / 100] if asked else [])
        name_drawn(self._legend, self._named)
        kind = kind_of(part)
        share = percent(data.bytes_of(kind) / whole, 1)
        self.message.title.set_text(f"{kind_name(kind)}{say(':', '：')}\n{say(f'{share} of the bytes', f'占全部字节的 {share}')}")

    def _draw_bytes(self, data: ComposerData, selected: int) -> None:
        part, whole = data.parts[selected], len(data.payload)
        first = max(min(part.start // ACROSS * ACROSS - 2 * ACROSS, -(-whole // ACROSS) * ACROSS - DOWN * ACROSS), 0)
        last = min(first + DOWN * ACROSS, whole)
        values = np.frombuffer(data.payload[first:last], np.uint8) / 255
        colours, strength = np.ones((DOWN * ACROSS, 3)), np.zeros(DOWN * ACROSS)
        strength[: values.size] = AWAY * (PALE + DEEP * values)
        for other in data.parts:
            start, end = max(other.start, first) - first, min(other.start + other.size, last) - first
            if start < end:
                colours[start:end] = to_rgb(KINDS[kind_of(other)])
                if other is part:
                    strength[start:end] /= AWAY
        self._image.set_data((1 - strength[:, None] * (1 - colours)).reshape(DOWN, ACROSS, 3))
        size = say(f"{part.size:,} byte{'s' * (part.size > 1)}", f"{part.size:,} 字节")
        self.grid.title.set_text(f"{part_name(part)}{say(':', '：')}\n{size}")
        self.grid.xaxis.label.set_text(
            say(f"bytes {first:,} … {last - 1:,},\n{ACROSS} a line; dark: a large one",
                f"第 {first:,} … {last - 1:,} 字节，\n每行 {ACROSS} 个；越深数值越大")
        )  # fmt: skip

    def alt(self, data: ComposerData, selected: int) -> str:
        part = data.parts[selected]
        listed = say("; ", "；").join(
            say(f"after {s.name} {s.payload_bytes:,} bytes, NMSE {s.nmse:.3g}",
                f"{s.name} 之后 {s.payload_bytes:,} 字节，NMSE {s.nmse:.3g}")
            for s in data.stages
        )  # fmt: skip
        holds = say(", ", "、").join(f"{kind_name(kind)} {data.bytes_of(kind):,}" for kind in KINDS if data.bytes_of(kind))
        whole, lost = f"{len(data.payload):,}", f"NMSE {data.stages[-1].nmse:.3g}"
        return say(
            f"The delta of {delta_name(data.delta)} ({data.n:,} weights) through {data.codec}: {whole} bytes, {lost}. "
            f"Shown: {part_name(part)}, {part.size:,} from byte {part.start:,} on. "
            f"By stages: {listed}. The message of {whole} bytes holds, in bytes: {holds}; in {len(data.parts)} parts.",
            f"增量“{delta_name(data.delta)}”（{data.n:,} 个权重）经过 {data.codec}：{whole} 字节，{lost}。"
            f"当前显示：{part_name(part)}，从第 {part.start:,} 字节起，{part.size:,} 字节。"
            f"逐个环节来看：{listed}。消息共 {whole} 字节，其中（字节）：{holds}；分成 {len(data.parts)} 部分。",
        )


def delta_name(delta: str) -> str:
    """A delta of `load_deltas` as the control has it, and the words."""
    names = {
        "document": ("the document's model", "文档的模型"),
        "mlp": ("784-200-200-10", "784-200-200-10"),
        "cnn": ("two convolutions", "两个卷积层"),
        "embedding": ("an embedding", "词嵌入"),
        "shards": ("a client with two digits", "只有两种数字的客户端"),
    }
    return say(*names[delta])


def beside(text: Annotation, x: float, row: int, words: str, left: bool) -> None:
    """A number beside its dot."""
    text.xy, text.xyann = (x, row), (-8 if left else 8, 0)
    text.set(text=words, ha="right" if left else "left")
