"""Controls that write a codec: support, rotation, values, how they are told; and the text "TopK(0.01) | Quantize(8)" itself."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import ipywidgets as w

from ...codecs import (
    MODELS,
    QSGD,
    Blocks,
    Codec,
    EntropyQuantize,
    LloydMax,
    Quantize,
    RandomK,
    Rotate,
    Sign,
    Threshold,
    TopK,
)
from ...language import percent_sign, say
from ...measuring.names import codec_named
from ...quantization import ROUNDINGS
from ..plotting import ranges_name, rounding_name
from .base import CONTROL, LABEL

SUPPORTS = ("all", "TopK", "RandomK", "Threshold")
FRACTIONS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
THRESHOLDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
PACKED = "packed"


class Values(NamedTuple):
    """Which controls a stage of values makes use of, and by what models its levels can be told, `usual` unless asked."""

    bits: bool = False
    rounding: bool = False
    ranges: bool = False
    models: tuple[str, ...] = (PACKED,)
    usual: str = PACKED


VALUES = {
    "Identity": Values(),
    "Float16": Values(),
    "BFloat16": Values(),
    "Quantize": Values(True, True, True, (PACKED, *MODELS)),
    "EntropyQuantize": Values(True, models=MODELS, usual="arrays"),
    "LloydMax": Values(True),
    "Eden": Values(True),
    "QSGD": Values(True, models=MODELS, usual="arrays"),
    "Sign": Values(ranges=True, models=MODELS, usual="plain"),
}
BITS = tuple(range(1, 17))
RANGES = ("model", "array", 256, 1024, 4096)  # a number: of blocks of so many weights


class Position(NamedTuple):
    """One position of the controls. k: fraction kept. threshold: least magnitude kept. places: model of the support. ranges: what
    has a range (or a scale) of its own, see RANGES. model: of the levels, one of MODELS or "packed"."""

    support: str = "all"
    k: float = 0.01
    threshold: float = 0.01
    places: str = "plain"
    rotate: bool = False
    values: str = "Identity"
    bits: int = 8
    rounding: str = "nearest"
    ranges: str | int = "model"
    model: str = PACKED


def written(p: Position) -> str:
    """The codec of a position, as its text. It need not be one: what does not go together is for the package to refuse."""
    stages = []
    if p.support != "all":
        kept = p.threshold if p.support == "Threshold" else p.k
        told = f', model="{p.places}"' if p.support != "RandomK" and p.places != "plain" else ""
        stages.append(f"{p.support}({kept!r}{told})")
    if p.rotate:
        stages.append("Rotate()")
    use = VALUES[p.values]
    if use.ranges and isinstance(p.ranges, int):
        stages.append(f"Blocks({p.ranges})")
    if p.values != "Identity" or not stages:
        stages.append(f"{p.values}({', '.join(_arguments(p, use))})")
    return " | ".join(stages)


def _arguments(p: Position, use: Values) -> list[str]:
    found = []
    if use.bits:  # QSGD counts levels on one side of zero: a bit is the sign
        found.append(f"{2 ** (p.bits - 1) if p.values == 'QSGD' else p.bits}")
    if use.rounding and p.rounding != "nearest":
        found.append(f'"{p.rounding}"')
    if use.ranges and p.ranges != "model":
        found.append(f'{"scales" if p.values == "Sign" else "ranges"}="array"')
    if p.model in use.models and p.model != use.usual:
        if use.usual == PACKED:  # Quantize, which tells by array once it is asked to code its levels at all
            found.append("entropy=True")
        if use.usual != PACKED or p.model != "arrays":
            found.append(f'model="{p.model}"')
    return found


def position_of(codec: Codec) -> Position | None:
    """Where the controls stand for a codec; None where they cannot say it."""
    found: dict[str, Any] = {}
    stages = list(codec.stages)
    if len(stages) > 1 and isinstance(stages[-1], LloydMax) and stages[-1].unbiased and isinstance(stages[-2], Rotate):
        stages.pop(-2)
        found |= {"values": "Eden", "bits": stages[-1].bits}
    for stage in stages:
        name = type(stage).__name__
        if isinstance(stage, (TopK, RandomK)):
            found |= {"support": name, "k": stage.k, "places": getattr(stage, "model", "plain")}
        elif isinstance(stage, Threshold):
            found |= {"support": name, "threshold": stage.threshold, "places": stage.model}
        elif isinstance(stage, Rotate):
            found["rotate"] = True
        elif isinstance(stage, Blocks):
            found["ranges"] = stage.length
        else:
            found.setdefault("values", name)
            if isinstance(stage, (Quantize, EntropyQuantize, LloydMax)):
                found["bits"] = stage.bits
            if isinstance(stage, Quantize):
                found["rounding"] = stage.rounding
            if isinstance(stage, (Quantize, Sign)):
                found.setdefault("ranges", stage.ranges if isinstance(stage, Quantize) else stage.scales)
            if isinstance(stage, QSGD):
                found["bits"] = stage.levels.bit_length()
            found["model"] = getattr(stage, "model", PACKED) if getattr(stage, "entropy", True) else PACKED
    try:
        position = Position()._replace(**found)
        return position if position.values in VALUES and codec_named(written(position)) == codec else None
    except ValueError:
        return None


def code_line(text: str) -> str:
    """The line of code that makes the codec of a text: fl.TopK(0.01) | fl.Quantize(8). ValueError for no codec."""
    return re.sub(r"\b([A-Z]\w*)\(", r"fl.\1(", repr(codec_named(text)))


class CodecControls:
    """Controls by name, which write `text`; and what is typed there moves them, where they can say it.

    `controls` holds the text as well, as "codec": it alone says what the codec is, and is what an app observes. What the
    codec makes no use of is disabled.
    """

    def __init__(self, text: str):
        self._locked, self._moving = False, False
        places = [(model_name(model), model) for model in MODELS]
        such = say("A codec, such as TopK(0.01) | Quantize(8)", "编解码器，例如 TopK(0.01) | Quantize(8)")
        self.text = w.Text(value=text, continuous_update=False, description=say("codec", "编解码器"), layout=CONTROL, style=LABEL,
                           tooltip=such)  # fmt: skip
        slider: dict[str, Any] = {"continuous_update": False, "layout": CONTROL, "style": LABEL}
        menu: dict[str, Any] = {"layout": CONTROL, "style": LABEL}
        start = Position()
        self.parts: dict[str, w.Widget] = {
            "support": w.Dropdown(options=[(support_name(s), s) for s in SUPPORTS], description=say("keep", "保留"), **menu),
            "k": w.SelectionSlider(options=[(share(k), k) for k in FRACTIONS], value=start.k,
                                   description=say("keep k", "保留 k"), **slider),
            "threshold": w.SelectionSlider(options=[(f"{t:g}", t) for t in THRESHOLDS], value=start.threshold,
                                           description=say("threshold", "阈值"), **slider),
            "places": w.Dropdown(options=places, description=say("places told", "位置写法"), **menu),
            "rotate": w.Checkbox(description=say("rotate", "旋转"), **menu),
            "values": w.Dropdown(options=[(values_name(v), v) for v in VALUES], description=say("values", "数值"), **menu),
            "bits": w.SelectionSlider(options=[(str(b), b) for b in BITS], value=start.bits,
                                      description=say("bits", "量化位数"), **slider),
            "rounding": w.Dropdown(options=[(rounding_name(r), r) for r in ROUNDINGS], value=start.rounding,
                                   description=say("rounding", "舍入方式"), **menu),
            "ranges": w.Dropdown(options=[(range_name(r), r) for r in RANGES], description=say("one range", "范围"), **menu),
            "model": w.Dropdown(options=[(model_name(PACKED), PACKED)], description=say("levels told", "量化级写法"), **menu),
        }  # fmt: skip
        self.controls = {**self.parts, "codec": self.text}
        for part in self.parts.values():
            part.observe(self._write, "value")
        self.text.observe(self._typed, "value")
        self._typed()

    def position(self) -> Position:
        return Position(**{name: part.value for name, part in self.parts.items()})

    def lock(self, locked: bool) -> None:
        """Disable all of them; or, unlocked, those of which the codec makes no use."""
        self._locked = locked
        self._settle()

    def _write(self, _change: Any) -> None:
        if not self._moving:
            self._settle()
            self._moving = True
            self.text.value = written(self.position())
            self._moving = False

    def _typed(self, _change: Any = None) -> None:
        """Move the controls to where the text stands, if there is such a position."""
        if self._moving:
            return
        try:
            found = position_of(codec_named(self.text.value))
        except ValueError:
            found = None
        if found is not None:
            self._moving = True
            self.parts["values"].value = found.values
            self._settle()
            for name, part in self.parts.items():
                value = getattr(found, name)
                offer(part, value, share(value) if name == "k" and isinstance(value, float) else str(value))
            self._moving = False
        self._settle()

    def _settle(self) -> None:
        """What the codec makes use of, and by what its levels can be told."""
        moving, self._moving = self._moving, True
        p, use = self.position(), VALUES[self.parts["values"].value]
        if tuple(value for _, value in self.parts["model"].options) != use.models:
            self.parts["model"].options = [(model_name(model), model) for model in use.models]
            self.parts["model"].value = p.model if p.model in use.models else use.usual
        used = {"support": True, "rotate": True, "values": True, "k": p.support in ("TopK", "RandomK"),
                "threshold": p.support == "Threshold", "places": p.support in ("TopK", "Threshold"), "bits": use.bits,
                "rounding": use.rounding, "ranges": use.ranges, "model": len(use.models) > 1}  # fmt: skip
        for name, part in self.parts.items():
            part.disabled = self._locked or not used[name]
        self.text.disabled = self._locked
        self._moving = moving


def share(k: float) -> str:
    return f"{100 * k:g}{percent_sign()}"


def offer(part: Any, value: Any, name: str) -> None:
    """Move a control to a value, which becomes one of its stops, under this name, if it was none."""
    if hasattr(part, "options") and value not in [stop for _, stop in part.options]:
        options = [*part.options, (name, value)]
        part.options = sorted(options, key=lambda option: option[1]) if isinstance(part, w.SelectionSlider) else options
    part.value = value


def support_name(support: str) -> str:
    names = {"all": ("all weights", "全部权重"), "TopK": ("the largest: TopK", "最大的：TopK"),
             "RandomK": ("random ones: RandomK", "随机抽取：RandomK"),
             "Threshold": ("large ones: Threshold", "超过阈值：Threshold")}  # fmt: skip
    return say(*names[support])


def values_name(values: str) -> str:
    names = {"Identity": ("float32", "float32"), "Sign": ("Sign: one bit and a scale", "Sign：一位加尺度"),
             "LloydMax": ("LloydMax: levels for a Gaussian", "LloydMax：为高斯分布设计"),
             "Eden": ("Eden: rotated, then LloydMax", "Eden：先旋转，再 LloydMax"),
             "EntropyQuantize": ("EntropyQuantize: a rate", "EntropyQuantize：指定码率")}  # fmt: skip
    return say(*names.get(values, (values, values)))


def range_name(ranges: str | int) -> str:
    return ranges_name(ranges) if isinstance(ranges, str) else say(f"of {ranges:,} weights", f"每 {ranges:,} 个权重")


def model_name(model: str) -> str:
    names = {PACKED: ("packed", "打包"), "plain": ("one histogram", "一个直方图"), "arrays": ("by array", "逐数组"),
             "context": ("by context", "按上下文")}  # fmt: skip
    return say(*names[model])
