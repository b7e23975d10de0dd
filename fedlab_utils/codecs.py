"""Codecs: a pipeline of stages that ends in bytes, `decode` from those bytes alone, and the residual memory.

A payload is an onion: MAGIC, n, then one layer a stage (a tag, its parameters, its bytes), then the CRC-32 of it all.
Encoding peels the vector from outside in, decoding builds it up again from inside out.
A tag is one byte: the kind in its high half, a small parameter in its low half. No kind stands twice in a payload.
More stages: `stages` and `rotation`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from .coding import Reader, pack_bits, packed_bytes, seal, unpack_bits, varint
from .entropy import decode_levels, encode_levels
from .quantization import ROUNDINGS, Quantized, dequantize, quantize
from .sparsification import Sparse, count_kept, top_k
from .supports import decode_cheapest, encode_cheapest
from .validation import require_choice, require_finite, require_integer

FLOAT32_MAX = float(np.finfo(np.float32).max)
# Kinds of layer: the high half of a tag.
(FLOATS, QUANTIZED, SPARSE, QUANTIZED_ENTROPY, UNIFORM, SIGN, LLOYD_MAX, QSGD_LEVELS, ROTATED, RANDOM) = range(0x00, 0xA0, 0x10)
_READERS: dict[int, Callable] = {}


def reads(kind: int):
    """Register the function that decodes a kind of layer.

    It is given the reader, the low half of the tag, n, and `inner(count)`, which decodes the layer within; it returns
    float32 [n], and raises ValueError for what no encoder wrote.
    """

    def register(function):
        _READERS[kind] = function
        return function

    return register


class Codec:
    """One stage, or several joined with `|`. A codec holds no state: what it forgets is kept in a `Residual`."""

    ends_in_bytes = False  # a stage that turns all of its input into bytes, so that none can follow
    kind: int  # of the stage's layer

    @property
    def stages(self) -> tuple[Codec, ...]:
        return (self,)

    def __or__(self, other: Codec) -> Codec:
        if not isinstance(other, Codec):
            return NotImplemented
        return Pipeline(*self.stages, *other.stages)

    def encode(self, x, rng: np.random.Generator | None = None) -> bytes:
        """Encode an array of any shape as float32 [n] in row-major order; returns the whole message.

        rng: for stages that draw random numbers; ValueError where one does and has none, or where x holds NaN, infinity
        or a value beyond float32 (naming the first).
        """
        x = require_finite("x", x).ravel()
        if x.size and max(-x.min(), x.max()) > FLOAT32_MAX:
            place = int(np.abs(x).argmax())
            raise ValueError(f"x must be within float32, ±{FLOAT32_MAX:.3g}, but x[{place}] is {x[place]:g}")
        rest = x.astype(np.float32, copy=False)
        body = [varint(rest.size)]
        for stage in self.stages:
            layer, rest = stage.forward(rest, rng)
            body.append(layer)
            if rest is not None and not np.isfinite(rest).all():
                raise ValueError(f"x is too large: {stage} leaves values beyond float32, ±{FLOAT32_MAX:.3g}")
        if rest is not None:
            body.append(Identity().forward(rest, rng)[0])
        return seal(b"".join(body))

    def forward(self, x: np.ndarray, rng) -> tuple[bytes, np.ndarray | None]:
        """One layer: its bytes (tag first), and the float32 vector that is left to encode, or None when none is."""
        raise NotImplementedError


class Identity(Codec):
    """Every weight as float32, little-endian: 4 bytes a weight, nothing lost."""

    ends_in_bytes, kind = True, FLOATS

    def forward(self, x, rng):
        return bytes([FLOATS]) + x.astype("<f4").tobytes(), None

    def __repr__(self):
        return "Identity()"


class Quantize(Codec):
    """b-bit uniform quantization between the least and the largest value (document, 4.1), packed without a gap.

    bits: 1 … 16. rounding: "nearest" (default), "floor" (the document's), "stochastic" (encode then needs rng).
    entropy: the same levels, entropy coded where that is shorter; `EntropyQuantize` chooses better levels for it.
    Layer: tag and bits in one byte, lo and hi as float32, then ceil(n bits / 8) bytes of levels.
    """

    ends_in_bytes, kind = True, QUANTIZED

    def __init__(self, bits: int, rounding: str = "nearest", entropy: bool = False):
        self.bits = require_integer("bits", bits, 1, 16)
        self.rounding = require_choice("rounding", rounding, ROUNDINGS)
        self.entropy = bool(entropy)

    def forward(self, x, rng):
        q = quantize(x, self.bits, self.rounding, rng=rng)
        kind = QUANTIZED_ENTROPY if self.entropy else QUANTIZED
        levels = encode_levels(q.levels.astype(np.int64)) if self.entropy else pack_bits(q.levels, q.bits)
        return struct.pack("<Bff", kind | self.bits - 1, q.lo, q.hi) + levels, None

    def __repr__(self):
        rounding = "" if self.rounding == "nearest" else f", {self.rounding!r}"
        return f"Quantize({self.bits}{rounding}{', entropy=True' if self.entropy else ''})"


class TopK(Codec):
    """Keep the k weights of largest magnitude (document, 4.2); their places are coded, their values go on.

    k: a fraction (float in (0, 1]) or a count (int). Layer: tag and form of the support, k, the support in its cheapest
    form (`supports`). Source: Aji and Heafield 2017, arXiv:1704.05021.
    """

    kind = SPARSE

    def __init__(self, k):
        count_kept(k, 0)  # an impossible k is told here; one beyond n when n is known
        self.k = k

    def forward(self, x, rng):
        s = top_k(x, self.k)
        return sparse_layer(s.indices, x.size), s.values

    def __repr__(self):
        return f"TopK({self.k!r})"


def sparse_layer(indices: np.ndarray, n: int) -> bytes:
    """The layer of a stage that keeps the weights at `indices` (int64 [k], rising) of n."""
    form, support = encode_cheapest(indices, n)
    return bytes([SPARSE | form]) + varint(indices.size) + support


class Pipeline(Codec):
    """Stages in the order of encoding. TypeError if one follows a stage that has already turned everything to bytes."""

    def __init__(self, *stages: Codec):
        for before, after in pairwise(stages):
            if before.ends_in_bytes:
                raise TypeError(f"{before} turns all that it is given into bytes: {after} cannot follow it")
        if len({stage.kind for stage in stages}) < len(stages):
            raise TypeError(f"{' | '.join(map(repr, stages))} holds a kind of stage twice, one of each is allowed")
        self._stages = stages

    @property
    def stages(self):
        return self._stages

    def __repr__(self):
        return " | ".join(map(repr, self._stages))


def decode(payload: bytes, max_weights: int = 2**26) -> np.ndarray:
    """The vector in a payload: float32 [n], from the bytes alone.

    ValueError with the reason for damaged bytes, or for more than `max_weights` weights; memory stays in proportion to that.
    """
    reader = Reader(payload)
    n = reader.varint()
    if n > max_weights:
        raise ValueError(f"the payload declares {n} weights, more than max_weights={max_weights}")
    x = _decode_layer(reader, n, frozenset())
    reader.finish()
    return x


def _decode_layer(reader: Reader, n: int, outer: frozenset) -> np.ndarray:
    tag = reader.byte()
    kind = tag & 0xF0
    if kind not in _READERS:
        raise ValueError(f"damaged payload: no stage has the tag 0x{tag:02x}")
    if kind in outer:  # so that hostile bytes cannot nest without end
        raise ValueError(f"damaged payload: a stage of the kind 0x{kind:02x} within another")
    return _READERS[kind](reader, tag & 0x0F, n, lambda count: _decode_layer(reader, count, outer | {kind}))


@reads(FLOATS)
def _read_floats(reader, low, n, inner):
    if low == 0:
        return finite(np.frombuffer(reader.take(4 * n), "<f4").astype(np.float32))
    if low == 1:
        return finite(np.frombuffer(reader.take(2 * n), "<f2").astype(np.float32))
    if low == 2:  # bfloat16: the upper half of a float32
        return finite((np.frombuffer(reader.take(2 * n), "<u2").astype(np.uint32) << 16).view(np.float32))
    raise ValueError(f"damaged payload: no stage has the tag 0x{FLOATS | low:02x}")


@reads(QUANTIZED)
def _read_quantized(reader, low, n, inner):
    bits = low + 1
    lo, hi = _range(reader)
    return dequantize(Quantized(unpack_bits(reader.take(packed_bytes(n, bits)), bits, n), lo, hi, bits, (n,)))


@reads(QUANTIZED_ENTROPY)
def _read_quantized_entropy(reader, low, n, inner):
    lo, hi = _range(reader)
    levels = decode_levels(reader, n)
    if n and (levels.min() < 0 or levels.max() >= 2 << low):
        raise ValueError(f"damaged payload: levels {levels.min()} … {levels.max()} of {low + 1} bits")
    return dequantize(Quantized(levels, lo, hi, low + 1, (n,)))


def _range(reader: Reader) -> tuple[float, float]:
    lo, hi = read_float32(reader), read_float32(reader)
    if hi < lo:
        raise ValueError(f"damaged payload: the range of the levels is {lo:g} … {hi:g}")
    return lo, hi


@reads(SPARSE)
def _read_sparse(reader, low, n, inner):
    if low > 3:
        raise ValueError(f"damaged payload: no stage has the tag 0x{SPARSE | low:02x}")
    k = reader.varint()
    if k > n:
        raise ValueError(f"damaged payload: a support of {k} in {n} weights")
    if k == n:  # all are kept: nothing to scatter
        return inner(n)
    indices = decode_cheapest(reader, low, k, n)
    return Sparse(indices, inner(k), (n,)).to_dense()


def read_float32(reader: Reader) -> float:
    """The next four bytes as a float32; ValueError for NaN and infinity."""
    return float(finite(np.frombuffer(reader.take(4), "<f4"))[0])


def finite(values: np.ndarray) -> np.ndarray:
    """`values`, or ValueError for NaN and infinity."""
    if not np.isfinite(values).all():
        raise ValueError("damaged payload: it holds NaN or infinity")
    return values


class Residual:
    """Error feedback: what a lossy codec did not send is added to what is sent next.

    One memory belongs to one sender and one direction. Sources: Seide et al. 2014 (1-bit SGD); Karimireddy et al. 2019,
    arXiv:1901.09847. With `enabled=False` it forgets, which is how the codec behaves alone.
    """

    def __init__(self, codec: Codec, enabled: bool = True):
        self.codec, self.enabled = codec, enabled
        self.value: np.ndarray | float = 0.0  # float32 [n] after the first message

    def send(self, x: np.ndarray, rng: np.random.Generator | None = None) -> tuple[bytes, np.ndarray]:
        """Encode x plus the residual. Returns the payload and what its receiver decodes, float32 [n].

        x: array of any shape. ValueError if it has another number of weights than what was sent before.
        """
        x = np.asarray(x, np.float32).ravel()
        if isinstance(self.value, np.ndarray) and self.value.size != x.size:
            raise ValueError(f"x has {x.size} weights, but the residual of this sender has {self.value.size}")
        meant = x + np.float32(self.value)
        payload = self.codec.encode(meant, rng)
        received = decode(payload, max_weights=meant.size)
        if self.enabled:
            self.value = meant - received
        return payload, received
