"""The composer (chapter 6): a codec from stages; bytes and error of each; and what its message holds, byte by byte."""

from __future__ import annotations

import html
from functools import lru_cache
from typing import Any

import ipywidgets as w
import numpy as np

from ...codecs import Codec, Identity, Part, Pipeline, take_apart
from ...data import load_deltas
from ...data.deltas import DELTAS as SHIPPED
from ...language import say
from ...layout import flatten
from ...measuring.names import codec_named
from ...theory import nmse
from ..exercises.asking import Prediction, compare
from ..plotting import DRAWING, Still, image_tag, webp
from .base import CONTROL, LABEL, Explorer, error_box, refusal_box, set_disabled
from .composer_picture import ComposerData, ComposerPicture, Stage, delta_name
from .parts import dump, part_name, sentence
from .stages import CodecControls, code_line
from .units import in_formula
from .worker import Newest

SEED = 0  # of what codecs draw
DELTAS = ("document", *SHIPPED)
ASKED = ("document", "TopK(0.01) | Quantize(8)")  # delta and codec of the question


@lru_cache(maxsize=64)
def compute(delta: str, codec: str) -> ComposerData:
    """Really encode a delta by each beginning of a codec, decode it, and take the last message apart.

    delta: of `load_deltas`. codec: its text, see `codec_named`. ValueError or TypeError for what the package refuses.
    """
    whole = codec_named(codec)
    stages = [measured(delta, Identity())[0]]
    for count in range(1, len(whole.stages) + 1 if whole != Identity() else 1):
        stages.append(measured(delta, Pipeline(*whole.stages[:count]))[0])
    _, payload, parts = measured(delta, Pipeline(*whole.stages))
    return ComposerData(delta, codec, flatten(load_deltas()[delta]).size, tuple(stages), payload, parts)


@lru_cache(maxsize=256)
def measured(delta: str, codec: Codec) -> tuple[Stage, bytes, tuple]:
    """One real message: what it costs and loses, its bytes, and its parts."""
    arrays = load_deltas()[delta]
    payload = codec.encode(arrays, np.random.default_rng(SEED))
    decoded, parts = take_apart(payload)
    name = "float32" if codec == Identity() else repr(codec.stages[-1])
    return Stage(name, len(payload), nmse(flatten(arrays), decoded)), payload, tuple(parts)


class Composer(Explorer):
    """The app: see `Explorer`. Its picture follows `codec.text`, which the other controls write, and the list of the parts.

    Encoding and drawing are off the main thread, the newest position wins. What the package refuses is told in its own words;
    the picture stays that of the last codec.
    """

    def __init__(self, predict: bool = True):
        question = self._question() if predict else None
        self.codec = CodecControls("Identity()" if predict else ASKED[1])
        self.delta = w.Dropdown(options=[(delta_name(d), d) for d in DELTAS], description=say("delta", "增量"), layout=CONTROL,
                                style=LABEL)  # fmt: skip
        what = say("parts of the message", "消息的各部分")
        self.parts = w.Select(options=[("", 0)], rows=12, layout=w.Layout(width="auto"), tooltip=what)
        self.told, self.code = w.HTML(), w.HTML()
        self._shown: tuple[ComposerData, int] | None = None
        self._wanted: tuple[str, str] | None = None
        self._listing = False
        self.parts.observe(self._step, "value")
        self._newest = Newest(self._show)
        controls = {"delta": self.delta, **self.codec.controls}
        groups = {"data": ("delta",), "codec": tuple(self.codec.controls)}
        picture = ComposerPicture()
        picture.asked = ASKED
        super().__init__(controls, compute, picture, formula, groups, question)
        if question is not None:
            self._lock(True)

    def below(self) -> list[w.Widget]:
        columns = "repeat(auto-fit, minmax(min(330px, 100%), 1fr))"
        layout = w.Layout(grid_template_columns=columns, grid_gap="6px 24px", width="auto")
        return [self.code, w.GridBox([self.parts, self.told], layout=layout)]

    def _question(self) -> Prediction:
        text = say(
            "The document's delta through TopK(0.01) | Quantize(8): 1,018 weights are kept, a byte each. Of all bytes of the "
            "message, how many per cent say where these weights are?",
            "文档的增量经过 TopK(0.01) | Quantize(8)：留下 1,018 个权重，数值各一个字节。"
            "整条消息里，百分之几的字节用来说明它们在哪里？",
        )

        def reply(guess: float | None) -> str:
            data = compute(*ASKED)
            return compare(guess, 100 * data.bytes_of("places") / len(data.payload), say(" %", "%"))

        return Prediction(text, reply, name="widgets.composer")

    def _lock(self, locked: bool) -> None:
        set_disabled({"delta": self.delta, "parts": self.parts}, locked)
        self.codec.lock(locked)

    def _unlock(self, guess: float | None) -> None:
        self._lock(False)
        self.picture.guess = guess
        self.delta.value, self.codec.text.value = ASKED

    def parameters(self) -> dict:
        return {"delta": self.delta.value, "codec": self.codec.text.value}

    def refresh(self, _change: Any = None) -> None:
        """Encode and draw for the present position, unless that is what was asked last."""
        position = tuple(self.parameters().values())
        if position == self._wanted:
            return
        self._wanted = position
        if self._shown is None:  # the first picture fixes the layout, in the reader's own thread
            self._show(position)
        else:
            self.code.value = say("Encoding …", "正在编码……")  # a line that is there anyway
            self._newest.put(position)

    def wait(self) -> None:
        """Block until the newest position is drawn. For tests and scripts."""
        self._newest.finish()

    def _step(self, _change: Any) -> None:
        with DRAWING:
            if self._shown is not None and not self._listing and self.parts.value is not None:
                self._put(self._shown[0], self.parts.value)

    def _show(self, position: tuple[str, str]) -> None:
        try:
            data = self.compute(*position)
        except (ValueError, TypeError) as error:  # the package's own words; the picture stays
            with DRAWING:
                if position == self._wanted:
                    self.message.value = refusal_box(str(error))
                    self.code.value = code_box(self._shown[0].codec) if self._shown else ""
            return
        try:
            with DRAWING:
                if position == self._wanted:
                    self._list(data)
                if position == self._wanted:  # still: drawing takes its time
                    self.code.value = code_box(data.codec)
                    self.message.value = ""
        except Exception as error:
            self.message.value = error_box(error)
            raise

    def _list(self, data: ComposerData) -> None:
        """The parts of a new message; the one that was chosen stays chosen where there is such, else the largest."""
        chosen = max(range(len(data.parts)), key=lambda number: data.parts[number].size)
        if self._shown is not None:
            before = self._shown[0].parts[self._shown[1]].names
            chosen = next((number for number, part in enumerate(data.parts) if part.names == before), chosen)
        self._put(data, chosen)
        self._listing = True  # a new list goes to its first entry before it goes to the chosen one
        self.parts.options = [(entry(data, part), number) for number, part in enumerate(data.parts)]
        self.parts.value = chosen
        self._listing = False

    def _put(self, data: ComposerData, selected: int) -> None:
        self._shown = data, selected
        self.picture.draw(data, selected)
        self.image.value = image_tag(webp(self.picture.figure), self.picture.alt(data, selected))
        part = data.parts[selected]
        places = f"{part.start:,} … {part.start + part.size - 1:,}"
        name = f"<b>{html.escape(entry(data, part))}</b> ({say(f'{places}', f'第 {places} 字节')})"
        self.told.value = f"{name}<br>{html.escape(sentence(part))}{dump(data.payload, part)}"
        self.mathematics.value = self.formula(data)


def entry(data: ComposerData, part: Part) -> str:
    """A part in the list: the stage that wrote it, what it is, and its bytes."""
    size = say(f"{part.size:,} byte{'s' * (part.size > 1)}", f"{part.size:,} 字节")
    return " · ".join(filter(None, (stage_of(data, part), part_name(part), size)))


def stage_of(data: ComposerData, part: Part) -> str:
    """The name of the stage that wrote a part, as the codec has it; none for the envelope and the layout."""
    if part.stage in ("", "Layout"):
        return ""
    tags = [other.layer for other in data.parts if other.names == ("tag",) and other.stage != "Layout"]
    stages = [type(stage).__name__ for stage in codec_named(data.codec).stages]
    return [*stages, "Identity"][tags.index(part.layer)]  # float32, where no stage ends in bytes


def code_box(codec: str) -> str:
    """The line of code that makes the codec, to be copied."""
    text = say("This codec in code", "这个编解码器的代码")
    return f'{text}{say(": ", "：")}<code style="user-select:all">{html.escape(code_line(codec))}</code>'


def formula(data: ComposerData) -> str:
    payload, last = len(data.payload), data.stages[-1]
    kinds = ("envelope", "layout", "tables", "places", "values")
    pairs = ("envelope, tags", "信封、标签"), ("layout", "形状"), ("tables", "范围、表"), ("places", "位置"), ("values", "数值")
    names = [say(*pair) for pair in pairs]
    parts = "+".join(
        rf"\underbrace{{{in_formula(data.bytes_of(kind))}}}_{{\text{{{name}}}}}"
        for kind, name in zip(kinds, names, strict=True) if data.bytes_of(kind)
    )  # fmt: skip
    rate = rf"\frac{{8\cdot{in_formula(payload)}}}{{{in_formula(data.n)}}}={8 * payload / data.n:.4g}"
    error = rf"\mathrm{{NMSE}}=\frac{{\lVert x-\hat x\rVert^2}}{{\lVert x\rVert^2}}={last.nmse:.3g}"
    count, bits = say("bytes", "字节"), say("bits a weight", "位/权重")
    return rf"$${parts}={in_formula(payload)}\ \text{{{count}}}$$ $${rate}\ \text{{{bits}}},\qquad {error}$$"


def composer(predict: bool = True) -> Composer:
    """The app. predict: ask for a guess before the controls unlock."""
    return Composer(predict)


def composer_still(codec: str = ASKED[1], delta: str = ASKED[0], part: tuple[str, ...] | None = None) -> Still:
    """The app's picture for readers without a kernel. part: names of the part that is shown, by default the largest."""
    picture, data = ComposerPicture(), compute(delta, codec)
    chosen = max(range(len(data.parts)), key=lambda number: (data.parts[number].names == part, data.parts[number].size))
    picture.draw(data, chosen)
    return Still(picture.figure, picture.alt(data, chosen))
