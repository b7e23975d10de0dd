"""Uniform quantization: the document's, from the least to the largest value, and one whose levels are entropy coded,
the quarter of a bit from Shannon's limit that a student can reach."""

from __future__ import annotations

import math
import struct

import numpy as np

from ..counting import bincount
from ..language import say
from ..layout import RANGES, Layout, flatten, split
from ..quantization import ROUNDINGS, Quantized, dequantize, quantize
from ..theory import conditional_bits
from ..validation import require_choice, require_integer, require_number
from .base import FLOAT32_MAX, Inner
from .ending import _Ending
from .entropy import MAX_SPAN
from .levels import MODELS, decode_levels, encode_levels, read_levels
from .wire import BLOCK, Reader, look_up, pack_bits, varint

MAX_LEVEL = 2**15  # on either side of zero
_KINDS = {0x10: (False, False), 0x30: (True, False), 0xB0: (False, True), 0xD0: (True, True)}  # entropy coded, range an array
DEAD_ZONE, KURTOSIS = 0.2, 4.5  # of a Gaussian the kurtosis is 3, of a Laplacian 6
UPPER, SMALL = np.uint32(0xFFFF0000), 2.0**-118  # a bfloat16 is the upper half of a float32; of tiny ones nothing is cut off
SHORT = 2**12  # weights, whose levels do not show all of their entropy
SAMPLE = 2**14  # weights on which the step is sought before all are asked


class Quantize(_Ending):
    """b-bit uniform quantization between the least and the largest value (document, 4.1), packed without a gap.

    bits: 1 … 16. rounding: "nearest" (default), "floor" (the document's), "stochastic" (encode then needs rng).
    entropy: the same levels, entropy coded where that is shorter, by `model` (see `EntropyQuantize`, which also chooses
    better levels). ranges: "model", one least and one largest value for all; "array", one of each for every array of the
    list that `encode` is given (one for all where it is given a vector), which costs 8 bytes an array and the shapes.
    Layer: tag and bits in one byte, lo and hi as float32 (of each array that is not empty), then ceil(n bits / 8) bytes of
    levels.
    """

    tags = tuple(kind | low for kind in _KINDS for low in range(16))  # the low half is bits - 1

    def __init__(self, bits: int, rounding: str = "nearest", entropy: bool = False, ranges: str = "model", model: str = "arrays"):
        self.bits = require_integer("bits", bits, 1, 16)
        self.rounding = require_choice("rounding", rounding, ROUNDINGS)
        self.entropy, self.biased = bool(entropy), rounding != "stochastic"
        self.ranges, self.model = require_choice("ranges", ranges, RANGES), require_choice("model", model, MODELS)
        self.follows_layout = ranges == "array"
        self.uses_layout = self.follows_layout or (self.entropy and model != "plain")

    def random_error(self, n: int) -> float:
        """A step squared over 6: n Gaussian weights reach from about -sqrt(2 ln n) to sqrt(2 ln n) deviations."""
        step = 2 * math.sqrt(2 * math.log(max(n, 2))) / (2**self.bits - 1)
        return 0.0 if self.biased else step**2 / 6

    def layer(self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout | None) -> bytes:
        parts, by_array = self.parts(x, layout)
        quantized = [quantize(part, self.bits, self.rounding, rng=rng) for part in parts]
        levels = np.concatenate([q.levels for q in quantized]) if quantized else np.zeros(0, np.uint16)
        if self.entropy:
            coded = encode_levels(levels.astype(np.int64), layout, self.model)
        else:
            coded = pack_bits(levels, self.bits)
        kind = next(kind for kind, what in _KINDS.items() if what == (self.entropy, by_array))
        return bytes([kind | self.bits - 1]) + b"".join(struct.pack("<ff", q.lo, q.hi) for q in quantized) + coded

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        bits = (tag & 0x0F) + 1
        entropy, by_array = _KINDS[tag & 0xF0]
        counts = list(filter(None, reader.require_layout("a range for each array").counts)) if by_array else [n]
        with reader.part("ranges"):
            ranges = [(reader.float32(), reader.float32()) for _ in counts]
        for lo, hi in ranges:
            if hi < lo:
                raise ValueError(f"damaged payload: the range of the levels is {lo:g} … {hi:g}")
        levels = read_levels(reader, n, bits, entropy)
        ends = zip(split(levels, counts), ranges, strict=True)
        parts = [dequantize(Quantized(part, lo, hi, bits, part.shape)) for part, (lo, hi) in ends]
        return parts[0] if len(parts) == 1 else flatten(parts)


class EntropyQuantize(_Ending):
    """Uniform quantization whose levels are entropy coded, decoded at the centroids of the levels.

    bits: in (0, 16], the entropy wanted of the levels, in bits a weight; the step is found for it, and there are as many
    levels as it takes. The model comes on top (0.01 bit at 10^5 weights); a short or poor vector may not need so many.
    At 2 bits and more a Gaussian costs 0.2546 bit above its limit R(D) (`theory.ECSQ_GAP_BITS`): Gish and Pierce 1968,
    IEEE Trans. Inf. Theory 14. Weights with heavier tails get a dead zone, which takes some per cent off the error: a level is
    reached 0.2 steps later (Sullivan 1996, IEEE Trans. Inf. Theory 42). Zero stays zero.
    model: of the levels, which stay the same: "plain", one histogram for all; "arrays" (default), where the arrays are
    known, rows and columns of zeros told once and a histogram an array; "context", a histogram for each kind of surroundings
    (`contexts`): fewer bytes, more time.
    Layer: tag, step as bfloat16, the levels, then, with the tag 0x43, the centroids that pay: the first of them, their
    number, and each one's place within its step in a byte. A constant is sent as itself; a tiny step as float32, 0x41.
    """

    tags = (0x40, 0x41, 0x42, 0x43)

    def __init__(self, bits: float, model: str = "arrays"):
        require_number("bits", bits, 0, 16)
        self.bits, self.model = bits, require_choice("model", model, MODELS)
        self.uses_layout = model != "plain"

    def layer(self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout | None) -> bytes:
        if not x.size or x.min() == x.max():
            return struct.pack("<Bf", 0x40, x[0] if x.size else 0)
        wide = x.astype(np.float64)
        dead = _dead_zone(wide)
        step = self._step(wide, dead)
        wide /= step
        levels = _round(wide, dead).astype(np.int64)
        wide -= levels  # the places within a step, about -1/2 … 1/2
        above = levels - levels.min()
        counts, sums = bincount(above), bincount(above, weights=wide)
        del wide, above  # before the levels are coded, which takes memory too
        places = np.clip(np.rint(254 * sums / np.maximum(counts, 1)), -127, 127)
        if levels.min() <= 0 <= levels.max():
            places[-levels.min()] = 0  # zero stays zero, also where most of what is rounded to it is on one side
        # What a centroid saves is count * place^2, in steps squared. Its 8 bits, spent on the levels instead, would save
        # 2 ln 2 times the mean squared error each, of which a uniform quantizer has up to 1/12.
        first, last = _best_run(counts * (places / 254) ** 2 - 8 * 2 * math.log(2) / 12)
        told = varint(first) + varint(last - first) + places[first:last].astype(np.int8).tobytes() if last > first else b""
        coded = encode_levels(levels, layout, self.model)
        if np.float32(step).view(np.uint32) & ~UPPER:
            return struct.pack("<Bf", 0x41, step) + coded + (told or b"\0\0")
        return bytes([0x43 if told else 0x42]) + struct.pack("<f", step)[2:] + coded + told

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        with reader.part("step"):
            step = reader.float32() if tag < 0x42 else reader.bfloat16()
        if tag == 0x40:
            return np.full(n, step, np.float32)
        if not n:
            raise ValueError("damaged payload: levels of no weights")
        with reader.part("levels"):
            levels = decode_levels(reader, n)
        with reader.part("centroids"):
            first, count = (reader.varint(), reader.varint()) if tag != 0x42 else (0, 0)
            centroids = np.frombuffer(reader.take(count), np.int8)
        least, span = int(levels.min()), int(np.ptp(levels)) + 1
        if span > MAX_SPAN or first + count > span:
            raise ValueError(f"damaged payload: centroids {first} … {first + count} of {span} levels")
        values = np.arange(least, least + span, dtype=np.float64)
        values[first : first + count] += centroids / 254
        levels -= least
        return look_up(np.clip(values * step, -FLOAT32_MAX, FLOAT32_MAX).astype(np.float32), levels)


    def _step(self, x: np.ndarray, dead: float) -> float:
        """The step to be taken for float64 [n]."""
        return _find_step(x, self.bits, dead)


class FixedStep(EntropyQuantize):
    """Levels a given step apart, entropy coded as those of `EntropyQuantize`: the error is given, and the bytes follow.

    step: above 0, in the units of the weights, rounded to a bfloat16; no weight may be beyond 32,768 of them (ValueError in
    `encode`). Where a delta grows from round to round, as the whole movement of a model does, the early ones take few
    bytes. model, layer: see `EntropyQuantize`.
    """

    def __init__(self, step: float, model: str = "arrays"):
        require_number("step", step, 0)
        self.step, self.model = step, require_choice("model", model, MODELS)
        self.uses_layout = model != "plain"

    def _step(self, x: np.ndarray, dead: float) -> float:
        step = _upper(np.float32(self.step))
        if (top := float(np.abs(x).max())) > MAX_LEVEL * step:
            raise ValueError(say(f"x must be within {MAX_LEVEL:,} steps of {step:g}, but it reaches {top:g}",
                                 f"x 应在 {MAX_LEVEL:,} 个步长（{step:g}）之内，却达到了 {top:g}"))  # fmt: skip
        return step


def _upper(step: np.float32) -> float:
    """A step as a bfloat16, which takes two bytes; as it is where it is tiny."""
    return float((step.view(np.uint32) & UPPER).view(np.float32) if step > SMALL else step)


def _dead_zone(x: np.ndarray) -> float:
    """By how many steps less is rounded up: none for what is Gaussian or flatter, 0.2 for heavier tails (kurtosis without
    zeros)."""
    square = (x[x != 0] / np.abs(x).max()) ** 2
    return DEAD_ZONE if float(np.mean(square**2)) > KURTOSIS * float(np.mean(square)) ** 2 else 0.0


def _round(x: np.ndarray, dead: float) -> np.ndarray:
    """Rising with x, whatever `dead`: the ends of x are rounded to the ends of the levels."""
    return np.rint(x) if not dead else np.trunc(x + np.copysign(0.5 - dead, x))


def _find_step(x: np.ndarray, bits: float, dead: float) -> float:
    """The step, a bfloat16 unless it is tiny, at which levels have an entropy of `bits`, or the least that MAX_LEVEL allows."""
    top = float(np.abs(x).max())
    least = math.log2(max(top / MAX_LEVEL, 2.0**-149))
    if bits > math.log2(x.size) - 1:  # so few do not show so much: the step that a Gaussian of their spread takes
        spread = max(float(np.std(x)), top / MAX_LEVEL) * math.sqrt(2 * math.pi * math.e)
        least = max(least, min(math.log2(spread) - bits, math.log2(top)))
    low, high = least, math.log2(min(4 * top, FLOAT32_MAX))
    some = x if x.size <= SAMPLE else x[np.random.PCG64(0).random_raw(SAMPLE) % np.uint64(x.size)]
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (middle, high) if _entropy(some, middle, dead) > bits else (low, middle)
    exponent, slope = high, -1.0  # of the entropy, at a fine step
    if some is not x:  # a few steps of the secant method on all
        entropy = _entropy(x, exponent, dead)
        for _ in range(4):
            if abs(entropy - bits) < 0.004:
                break
            following = max(exponent + (bits - entropy) / slope, least)
            after = _entropy(x, following, dead)
            if following != exponent:
                slope = min((after - entropy) / (following - exponent), -0.1)
            exponent, entropy = following, after
    return _upper(np.float32(2**exponent))


def _entropy(x: np.ndarray, exponent: float, dead: float) -> float:
    """Bits a weight of the levels of x at the step 2**exponent."""
    step = 2**exponent
    least, most = (int(_round(np.array([end / step]), dead)[0]) for end in (x.min(), x.max()))
    counts = np.zeros(most - least + 1, np.int64)
    block = max(BLOCK, counts.size)  # what is worked on stays in the processor's cache
    for start in range(0, x.size, block):
        levels = _round(x[start : start + block] / step, dead).astype(np.int64)
        levels -= least
        counts += bincount(levels, minlength=counts.size)
    counts = counts[counts > 0]
    # What few weights do not show of their entropy: 1 / (2 n ln 2) for every level that was seen (Miller and Madow 1955).
    unseen = (counts.size - 1) / (2 * math.log(2)) if x.size <= SHORT else 0.0
    return (conditional_bits(counts[None]) + unseen) / x.size


def _best_run(gain: np.ndarray) -> tuple[int, int]:
    """First and one past the last index of the run with the largest sum; an empty run if no sum is above zero."""
    total = np.concatenate([[0.0], np.cumsum(gain)])
    last = int((total - np.minimum.accumulate(total)).argmax())
    return int(total[: last + 1].argmin()), last
