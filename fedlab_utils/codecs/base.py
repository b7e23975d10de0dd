"""Codecs: a pipeline of stages that ends in bytes, and `decode` from those bytes alone.

A payload is an onion: MAGIC, n, then one layer a stage (a tag, its parameters, its bytes), then the CRC-32 of it all.
Encoding peels the vector from outside in, decoding builds it up again from inside out.
A stage is one class: what it writes (`forward`), what reads it again (`read`), and the tags by which its layers are known.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..language import say
from ..layout import Layout, Shapes, is_list_of_arrays, vector_of
from .order import require_order
from .shapes import check_of, layout_layer, read_shapes, tell_shapes
from .wire import Reader, seal, varint

FLOAT32_MAX = float(np.finfo(np.float32).max)
Inner = Callable[..., np.ndarray]  # decodes the layer within, of so many weights; also given: their layout

_STAGES: dict[int, type[Codec]] = {}  # by tag


class Codec:
    """One stage, or several joined with `|`. A codec holds no state: what it forgets is kept in a `Residual`.

    A stage of your own gives `tags`, `forward` and `read`; defining the class registers it. Its parameters are attributes of
    the names that `__init__` gives them; `repr` and `==` go by these.
    """

    ends_in_bytes: bool = False  # a stage that turns all of its input into bytes, so that none can follow
    lossless: bool = False
    follows_layout: bool = False  # treats each array by itself, so that no stage before may mix them
    uses_layout: bool = False  # takes fewer bytes where it knows of what arrays x is made
    keeps_layout: bool = False  # what it leaves is in the order of the arrays, and `forward_arrays` says how many of each
    makes_layout: bool = False  # cuts what it is given into arrays of its own
    biased: bool = True  # whether the mean of what is decoded, over the stage's random numbers, is another vector than x
    tags: Iterable[int] = ()  # of its layers, one byte each; a stage that writes another's layers inherits its tags

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        tags = cls.__dict__.get("tags", ())
        for tag in tags:
            other = _STAGES.get(tag)
            again = other is not None and (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__)
            if other is not None and not again:  # a cell that is run again defines the same stage again
                free = next(tag for tag in range(0x100) if tag not in _STAGES and tag not in tags)
                raise TypeError(say(
                    f"the tag 0x{tag:02x} of {cls.__name__} is {other.__name__}'s: take a free one, 0x{free:02x} say",
                    f"{cls.__name__} 的标签 0x{tag:02x} 已属于 {other.__name__}：请换一个空闲的，如 0x{free:02x}"))  # fmt: skip
        _STAGES.update(dict.fromkeys(tags, cls))  # all of them or none

    @property
    def stages(self) -> tuple[Codec, ...]:
        return (self,)

    def __or__(self, other: Codec) -> Codec:
        if not isinstance(other, Codec):
            return NotImplemented
        return Pipeline(*self.stages, *other.stages)

    def encode(self, x: ArrayLike, rng: np.random.Generator | None = None, layout: Shapes | None = None) -> bytes:
        """Encode an array of any shape as float32 [n] in row-major order; returns the whole message.

        x: also a list of arrays, as model.get_weights() gives it: one after the other. Where something is coded by their
        shapes, these travel too (a tag, their number, the dimensions of each, counted in bytes). layout: the shapes, where
        the receiver knows them from before and gives them to `decode`; then a tag and a check of one byte travel instead.
        rng: for stages that draw random numbers; ValueError where one does and has none, where x holds NaN, infinity or a
        value beyond float32 (naming the first), and for a layout of another vector. TypeError for a stage without a tag.
        """
        shapes = [np.shape(part) for part in x] if is_list_of_arrays(x) else None
        vector = vector_of(x)
        known = None
        if layout is not None:
            known = Layout(layout, 2).require(vector.size)
            if shapes is not None and shapes != known.shapes:
                raise ValueError(say(f"x is a list of arrays of shapes {shapes}, the layout is {known.shapes}",
                                     f"x 里各数组的形状是 {shapes}，而布局是 {known.shapes}"))  # fmt: skip
        elif shapes is not None and (self.follows_layout or self.uses_layout):
            known = Layout(shapes, 1 + len(tell_shapes(shapes)))
        with np.errstate(all="ignore"):  # what leaves float32 is told below, by name
            return self._encode(vector, rng, known, layout is not None)

    def _encode(self, x: np.ndarray, rng, layout: Layout | None, agreed: bool) -> bytes:
        if x.size and max(-x.min(), x.max()) > FLOAT32_MAX:
            place = int(np.abs(x).argmax())
            raise ValueError(say(f"x must be within float32, ±{FLOAT32_MAX:.3g}, but x[{place}] is {x[place]:g}",
                                 f"x 应在 float32 范围 ±{FLOAT32_MAX:.3g} 内，但 x[{place}] 是 {x[place]:g}"))  # fmt: skip
        rest: Any = x.astype(np.float32, copy=False)  # None once a stage has turned all into bytes
        body, left = [varint(x.size), b""], layout
        for stage in self.stages:
            if left is None and not stage.makes_layout:
                layer, rest = stage.forward(rest, rng)
            else:
                layer, rest, left = stage.forward_arrays(rest, rng, left or Layout([]))
            if not layer or layer[0] not in _STAGES:
                raise TypeError(say(f"{stage} has no tag, so that nobody could decode it: give its class `tags` and `read`",
                                    f"{stage} 没有标签，谁也无法解码：请给它的类写上 `tags` 和 `read`"))  # fmt: skip
            body.append(layer)
            if rest is not None and not np.isfinite(rest).all():
                raise ValueError(say(f"x is too large: {stage} leaves values beyond float32, ±{FLOAT32_MAX:.3g}",
                                     f"x 太大：经过 {stage} 之后超出了 float32 的范围 ±{FLOAT32_MAX:.3g}"))  # fmt: skip
        if rest is not None:
            body.append(Identity().forward(rest, rng)[0])
        if layout is not None and layout.used:
            body[1] = layout_layer(layout.shapes, agreed)
        return seal(b"".join(body))

    def left(self, n: int) -> int:
        """How many of n weights go on to the next stage."""
        return n

    def random_error(self, n: int) -> float:
        """Expected squared error by the stage's random numbers, in units of ||x||², for n independent Gaussian weights."""
        return 0.0

    def feedback_bounded(self, n: int) -> bool:
        """Whether a residual stays small on messages of n weights: no stage's random numbers err by as much as the vector."""
        for stage in self.stages:
            if n and stage.random_error(n) >= 1:
                return False
            n = stage.left(n)
        return True

    def feedback_helps(self, n: int) -> bool:
        """Whether error feedback is worth its memory on messages of n weights.

        It is where something is forgotten that would not average out (a biased stage), and where what is fed back does not
        grow from round to round (a contraction, at least on average): Karimireddy et al. 2019, arXiv:1901.09847, section 4;
        Stich and Karimireddy 2020, arXiv:1909.05350. An unbiased codec needs none, and one far from a contraction, such as
        `RandomK` with its factor n / k, is destroyed by it.
        """
        return any(stage.biased and not stage.lossless for stage in self.stages) and self.feedback_bounded(n)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        """One layer: its bytes (tag first), and the float32 vector that is left to encode, or None when none is."""
        name = type(self).__name__
        raise NotImplementedError(say(f"{name} needs a method forward(x, rng)", f"{name} 需要方法 forward(x, rng)"))

    def forward_arrays(
        self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout
    ) -> tuple[bytes, np.ndarray | None, Layout | None]:
        """`forward` of a vector made of arrays, and the layout of what is left, None if that is lost. A stage that codes by
        the layout calls layout.use(), so that the receiver is told of it."""
        return *self.forward(x, rng), None

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        """The inverse of `forward`: float32 [n] from what stands behind the tag; ValueError for what no encoder wrote.

        inner(count) decodes the layer within. reader.layout says of what arrays the n weights are, None where nobody was
        told; a stage that keeps it hands on the layout of what is left, inner(count, layout).
        """
        raise NotImplementedError(say(f"{cls.__name__} needs a class method read(reader, tag, n, inner)",
                                      f"{cls.__name__} 需要类方法 read(reader, tag, n, inner)"))  # fmt: skip

    @classmethod
    def _signature(cls) -> list[inspect.Parameter]:
        """The parameters of `__init__`; none for a stage without one of its own."""
        made = cls.__init__
        return [] if made is object.__init__ else list(inspect.signature(made).parameters.values())[1:]

    def _parameters(self) -> dict | None:
        """What the stage was made with, by name, in order; None where its attributes do not tell."""
        names, own = [parameter.name for parameter in self._signature()], vars(self)
        return {name: own[name] for name in names} if own.keys() >= set(names) else None

    def __repr__(self) -> str:
        values = self._parameters()
        if values is None:
            return f"{type(self).__name__}(…)"
        shown, by_name = [], False
        for parameter in self._signature():
            value = values[parameter.name]
            value = value.item() if isinstance(value, np.generic) else value
            if value == parameter.default:
                by_name = True  # what follows a parameter that is left out
            else:
                by_name = by_name or isinstance(value, bool)
                shown.append(f"{parameter.name}={value!r}" if by_name else repr(value))
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine = self._parameters()
        if mine is None:
            return self is other
        # 1 keeps one weight and 1.0 all of them: the type of a parameter counts.
        kinds = [type(value) for value in mine.values()]
        return mine == (theirs := other._parameters()) and kinds == [type(value) for value in theirs.values()]

    def __hash__(self) -> int:
        return hash(repr(self))


class Identity(Codec):
    """Every weight as float32, little-endian: 4 bytes a weight, nothing lost."""

    ends_in_bytes, lossless, biased, tags = True, True, False, (0x00,)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        return bytes([0x00]) + x.astype("<f4").tobytes(), None

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        return reader.float32s(n)


class _Layout(Codec):
    """How the vector is made of arrays, where stages made use of it. Its layer is written by `shapes.layout_layer`."""

    tags = (0xA0, 0xA1)

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        if tag == 0xA0:
            return inner(n, read_shapes(reader, n))
        if reader.agreed is None:
            raise ValueError(say(
            "the payload is coded by a layout that was agreed on before: pass layout=, the shapes of the arrays",
            "消息是按事先约定的布局编码的：请传入 layout=，即各数组的形状"))  # fmt: skip
        if bytes(reader.take(1)) != check_of(reader.agreed.shapes):
            raise ValueError(say(f"the payload is coded by another layout than the one given, {reader.agreed.shapes}",
                             f"消息的布局与给出的 {reader.agreed.shapes} 不同"))  # fmt: skip
        return inner(n, reader.agreed)


class Pipeline(Codec):
    """Stages in the order of encoding. TypeError where they do not go together, see `order.require_order`."""

    def __init__(self, *stages: Codec):
        require_order(stages)
        self._stages = stages
        self.follows_layout, self.uses_layout = any(s.follows_layout for s in stages), any(s.uses_layout for s in stages)
        self.biased, self.lossless = any(s.biased for s in stages), all(s.lossless for s in stages)

    @property
    def stages(self) -> tuple[Codec, ...]:
        return self._stages

    def __repr__(self) -> str:
        return " | ".join(map(repr, self._stages))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Codec) and self.stages == other.stages

    __hash__ = Codec.__hash__


def decode(payload: bytes, max_weights: int = 2**24, layout: Shapes | None = None) -> np.ndarray:
    """The vector in a payload: float32 [n], from the bytes alone, or from the bytes and what was agreed on before.

    layout: shapes of the arrays, as they were given to `encode` too. ValueError with the reason for damaged bytes, another
    layout, or more than `max_weights` weights; memory stays in proportion to that.
    """
    return read_message(Reader(payload), max_weights, layout)


def read_message(reader: Reader, max_weights: int, layout: Shapes | None) -> np.ndarray:
    """What `decode` returns of a payload, by a reader that stands at its beginning."""
    n = reader.varint()
    if n > max_weights:
        raise ValueError(say(f"the payload declares {n} weights, more than max_weights={max_weights}",
                             f"消息声明有 {n} 个权重，超过 max_weights={max_weights}"))  # fmt: skip
    if layout is not None:
        reader.agreed = Layout(layout).require(n)
    with np.errstate(all="ignore"):
        x = _decode_layer(reader, n, frozenset())
    reader.finish()
    return x


def require_codec(name: str, codec: Codec | None) -> Codec:
    """Return the codec, `Identity()` for None; TypeError for what is none."""
    if codec is None:
        return Identity()
    if not isinstance(codec, Codec):
        raise TypeError(say(f"{name} must be a codec such as TopK(0.01) | Quantize(8), got {codec!r}",
                            f"{name} 应为编解码器，例如 TopK(0.01) | Quantize(8)，收到的是 {codec!r}"))  # fmt: skip
    return codec


def _decode_layer(reader: Reader, n: int, outer: frozenset[type[Codec]], layout: Layout | None = None) -> np.ndarray:
    tag = reader.byte()
    stage = _STAGES.get(tag)
    if stage is None:
        raise ValueError(f"damaged payload: no stage has the tag 0x{tag:02x}")
    if stage in outer:  # so that hostile bytes cannot nest without end
        raise ValueError(f"damaged payload: a stage {stage.__name__} within another")
    reader.layout = layout
    with reader.part(stage):
        return stage.read(reader, tag, n, lambda count, left=None: _decode_layer(reader, count, outer | {stage}, left))
