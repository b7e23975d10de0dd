"""Codecs: a pipeline of stages that ends in bytes, and `decode` from those bytes alone.

A payload is an onion: MAGIC, n, then one layer a stage (a tag, its parameters, its bytes), then the CRC-32 of it all.
Encoding peels the vector from outside in, decoding builds it up again from inside out.
A stage is one class: what it writes (`forward`), what reads it again (`read`), and the tags by which its layers are known.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..validation import require_finite, require_rng
from .wire import Reader, finite, seal, varint

FLOAT32_MAX = float(np.finfo(np.float32).max)
SEED_BYTES = 3  # of a seed that travels; 16.7 million different draws
Inner = Callable[[int], np.ndarray]  # decodes the layer within, of so many weights

_STAGES: dict[int, type[Codec]] = {}  # by tag


class Codec:
    """One stage, or several joined with `|`. A codec holds no state: what it forgets is kept in a `Residual`.

    A stage of your own gives `tags`, `forward` and `read`; defining the class registers it. Its parameters are attributes of
    the names that `__init__` gives them; `repr` and `==` go by these.
    """

    ends_in_bytes: bool = False  # a stage that turns all of its input into bytes, so that none can follow
    lossless: bool = False
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
                raise TypeError(f"the tag 0x{tag:02x} of {cls.__name__} is {other.__name__}'s: take a free one, 0x{free:02x} say")
        _STAGES.update(dict.fromkeys(tags, cls))  # all of them or none

    @property
    def stages(self) -> tuple[Codec, ...]:
        return (self,)

    def __or__(self, other: Codec) -> Codec:
        if not isinstance(other, Codec):
            return NotImplemented
        return Pipeline(*self.stages, *other.stages)

    def encode(self, x: ArrayLike, rng: np.random.Generator | None = None) -> bytes:
        """Encode an array of any shape as float32 [n] in row-major order; returns the whole message.

        x: also a list of arrays, as model.get_weights() gives it: one after the other.
        rng: for stages that draw random numbers; ValueError where one does and has none, or where x holds NaN, infinity
        or a value beyond float32 (naming the first). TypeError for a stage without a tag.
        """
        with np.errstate(all="ignore"):  # what leaves float32 is told below, by name
            return self._encode(_vector(x), rng)

    def _encode(self, x: np.ndarray, rng) -> bytes:
        if x.size and max(-x.min(), x.max()) > FLOAT32_MAX:
            place = int(np.abs(x).argmax())
            raise ValueError(f"x must be within float32, ±{FLOAT32_MAX:.3g}, but x[{place}] is {x[place]:g}")
        rest: Any = x.astype(np.float32, copy=False)  # None once a stage has turned all into bytes
        body = [varint(x.size)]
        for stage in self.stages:
            layer, rest = stage.forward(rest, rng)
            if not layer or layer[0] not in _STAGES:
                raise TypeError(f"{stage} has no tag, so that nobody could decode it: give its class `tags` and `read`")
            body.append(layer)
            if rest is not None and not np.isfinite(rest).all():
                raise ValueError(f"x is too large: {stage} leaves values beyond float32, ±{FLOAT32_MAX:.3g}")
        if rest is not None:
            body.append(Identity().forward(rest, rng)[0])
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
        raise NotImplementedError(f"{type(self).__name__} needs a method forward(x, rng)")

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        """The inverse of `forward`: float32 [n] from what stands behind the tag; ValueError for what no encoder wrote."""
        raise NotImplementedError(f"{cls.__name__} needs a class method read(reader, tag, n, inner)")

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
                shown.append(f"{parameter.name}={value!r}" if by_name or isinstance(value, bool) else repr(value))
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
        return finite(np.frombuffer(reader.take(4 * n), "<f4").astype(np.float32))


def _vector(x) -> np.ndarray:
    """x as one finite vector; a list of arrays is taken in order. ValueError naming the first NaN or infinity."""
    if isinstance(x, (list, tuple)) and any(np.ndim(part) for part in x):
        parts = [require_finite(f"x[{place}]", part) for place, part in enumerate(x)]
        return np.concatenate([part.ravel() for part in parts])
    return require_finite("x", x).ravel()


def _family(stage: Codec) -> type[Codec]:
    """The class whose layers a stage writes."""
    return next(cls for cls in type(stage).__mro__ if cls is Codec or cls.__dict__.get("tags"))


class Pipeline(Codec):
    """Stages in the order of encoding. TypeError if one follows a stage that has already turned everything to bytes."""

    def __init__(self, *stages: Codec):
        for before, after in pairwise(stages):
            if before.ends_in_bytes:
                raise TypeError(f"{before} turns all that it is given into bytes: {after} cannot follow it")
        if len({_family(stage) for stage in stages}) < len(stages):
            raise TypeError(f"{' | '.join(map(repr, stages))} holds a kind of stage twice, one of each is allowed")
        self._stages = stages
        self.biased, self.lossless = any(s.biased for s in stages), all(s.lossless for s in stages)

    @property
    def stages(self) -> tuple[Codec, ...]:
        return self._stages

    def __repr__(self) -> str:
        return " | ".join(map(repr, self._stages))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Codec) and self.stages == other.stages

    __hash__ = Codec.__hash__


def decode(payload: bytes, max_weights: int = 2**26) -> np.ndarray:
    """The vector in a payload: float32 [n], from the bytes alone.

    ValueError with the reason for damaged bytes, or for more than `max_weights` weights; memory stays in proportion to that.
    """
    reader = Reader(payload)
    n = reader.varint()
    if n > max_weights:
        raise ValueError(f"the payload declares {n} weights, more than max_weights={max_weights}")
    with np.errstate(all="ignore"):
        x = _decode_layer(reader, n, frozenset())
    reader.finish()
    return x


def require_codec(name: str, codec: Codec | None) -> Codec:
    """Return the codec, `Identity()` for None; TypeError for what is none."""
    if codec is None:
        return Identity()
    if not isinstance(codec, Codec):
        raise TypeError(f"{name} must be a codec such as TopK(0.01) | Quantize(8), got {codec!r}")
    return codec


def _decode_layer(reader: Reader, n: int, outer: frozenset[type[Codec]]) -> np.ndarray:
    tag = reader.byte()
    stage = _STAGES.get(tag)
    if stage is None:
        raise ValueError(f"damaged payload: no stage has the tag 0x{tag:02x}")
    if stage in outer:  # so that hostile bytes cannot nest without end
        raise ValueError(f"damaged payload: a stage {stage.__name__} within another")
    return stage.read(reader, tag, n, lambda count: _decode_layer(reader, count, outer | {stage}))


def draw_seed(stage: Codec, rng: np.random.Generator | None) -> bytes:
    """A seed for the layer of `stage`, drawn from `rng`. ValueError without one."""
    if rng is None:
        raise ValueError(f"{stage} draws random numbers: pass rng=numpy.random.default_rng(seed)")
    return require_rng("rng", rng).bytes(SEED_BYTES)


def random_bytes(seed: bytes, count: int) -> np.ndarray:
    """uint8 [count], the raw stream of PCG64: NumPy promises that it is the same in every version (NEP 19)."""
    words = np.random.PCG64(int.from_bytes(seed, "little")).random_raw(-(-count // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:count]
