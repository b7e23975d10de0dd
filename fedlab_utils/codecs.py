"""Codecs: a pipeline of stages that ends in bytes, `decode` from those bytes alone, and the residual memory.

A payload is an onion: MAGIC, n, then one layer a stage (a tag, its parameters, its bytes), then the CRC-32 of it all.
Encoding peels the vector from outside in, decoding builds it up again from inside out.
A tag is one byte: the kind in its high half, a small parameter in its low half.
"""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np

from .coding import Reader, decode_support, encode_support, pack_bits, packed_bytes, seal, unpack_bits, varint
from .quantization import ROUNDINGS, Quantized, dequantize, quantize
from .sparsification import Sparse, count_kept, top_k
from .validation import require_choice, require_finite, require_integer

FLOAT32, QUANTIZED, SPARSE = 0x00, 0x10, 0x20
FLOAT32_MAX = float(np.finfo(np.float32).max)
MAX_STAGES = 8  # so that hostile bytes cannot nest without end


class Codec:
    """One stage, or several joined with `|`. A codec holds no state: what it forgets is kept in a `Residual`."""

    ends_in_bytes = False  # a stage that turns all of its input into bytes, so that none can follow

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
        if rest is not None:
            body.append(Identity().forward(rest, rng)[0])
        return seal(b"".join(body))

    def forward(self, x: np.ndarray, rng) -> tuple[bytes, np.ndarray | None]:
        """One layer: its bytes (tag first), and the float32 vector that is left to encode, or None when none is."""
        raise NotImplementedError


class Identity(Codec):
    """Every weight as float32, little-endian: 4 bytes a weight, nothing lost."""

    ends_in_bytes = True

    def forward(self, x, rng):
        return bytes([FLOAT32]) + x.astype("<f4").tobytes(), None

    def __repr__(self):
        return "Identity()"


class Quantize(Codec):
    """b-bit uniform quantization between the least and the largest value (document, 4.1), packed without a gap.

    bits: 1 … 16. rounding: "nearest" (default), "floor" (the document's), "stochastic" (encode then needs rng).
    Layer: tag and bits in one byte, lo and hi as float32, then ceil(n bits / 8) bytes of levels.
    """

    ends_in_bytes = True

    def __init__(self, bits: int, rounding: str = "nearest"):
        self.bits = require_integer("bits", bits, 1, 16)
        self.rounding = require_choice("rounding", rounding, ROUNDINGS)

    def forward(self, x, rng):
        q = quantize(x, self.bits, self.rounding, rng=rng)
        return struct.pack("<Bff", QUANTIZED | self.bits - 1, q.lo, q.hi) + pack_bits(q.levels, q.bits), None

    def __repr__(self):
        return f"Quantize({self.bits})" if self.rounding == "nearest" else f"Quantize({self.bits}, {self.rounding!r})"


class TopK(Codec):
    """Keep the k weights of largest magnitude (document, 4.2); their places are Rice-coded, their values go on.

    k: a fraction (float in (0, 1]) or a count (int). Layer: tag, k, the support.
    """

    def __init__(self, k):
        count_kept(k, 0)  # an impossible k is told here; one beyond n when n is known
        self.k = k

    def forward(self, x, rng):
        s = top_k(x, self.k)
        return bytes([SPARSE]) + varint(s.indices.size) + encode_support(s.indices, x.size), s.values

    def __repr__(self):
        return f"TopK({self.k!r})"


class Pipeline(Codec):
    """Stages in the order of encoding. TypeError if one follows a stage that has already turned everything to bytes."""

    def __init__(self, *stages: Codec):
        for before, after in pairwise(stages):
            if before.ends_in_bytes:
                raise TypeError(f"{before} turns all that it is given into bytes: {after} cannot follow it")
        if len({type(stage) for stage in stages}) < len(stages):
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
    x = _decode_layer(reader, n)
    reader.finish()
    return x


def _decode_layer(reader: Reader, n: int, layers: int = MAX_STAGES) -> np.ndarray:
    if not layers:
        raise ValueError(f"damaged payload: more than {MAX_STAGES} stages")
    tag = reader.byte()
    if tag == FLOAT32:
        return _finite(np.frombuffer(reader.take(4 * n), "<f4").astype(np.float32))
    if tag & 0xF0 == QUANTIZED:
        bits = (tag & 0x0F) + 1
        lo, hi = struct.unpack("<ff", _finite(reader.take(8)))
        if hi < lo:
            raise ValueError(f"damaged payload: the range of the levels is {lo:g} … {hi:g}")
        return dequantize(Quantized(unpack_bits(reader.take(packed_bytes(n, bits)), bits, n), lo, hi, bits, (n,)))
    if tag == SPARSE:
        k = reader.varint()
        if k > n:
            raise ValueError(f"damaged payload: a support of {k} in {n} weights")
        if k == n:  # all are kept: nothing to scatter, and nothing for hostile nesting to pile up
            return _decode_layer(reader, n, layers - 1)
        indices = decode_support(reader, k, n)
        return Sparse(indices, _decode_layer(reader, k, layers - 1), (n,)).to_dense()
    raise ValueError(f"damaged payload: no stage has the tag 0x{tag:02x}")


def _finite(data):
    if not np.isfinite(np.frombuffer(data, "<f4")).all():
        raise ValueError("damaged payload: it holds NaN or infinity")
    return data


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
