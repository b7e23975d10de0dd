"""Randomized Hadamard rotation, and what it is for: quantization levels made for a Gaussian (DRIVE and EDEN).

Sources: Suresh et al. 2017, arXiv:1611.00429 (rotation); Vargaftik et al. 2021, arXiv:2105.08339 (DRIVE, one bit), and 2022,
arXiv:2108.08842 (EDEN, any number of bits).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from ..counting import bincount
from ..language import say
from ..quantization import BLOCK
from ..theory import lloyd_max
from ..validation import require_integer
from .base import FLOAT32_MAX, Codec, Inner, Pipeline
from .entropy import encode_levels
from .levels import read_levels
from .seeds import draw_seed, random_bytes, read_seed
from .wire import Reader, look_up, pack_bits

STRIP = 64  # columns that are transformed at a time
ROUNDS = 2  # of signs and transforms
PADDED, WHOLE = 0x80, 0x81  # tags of `Rotate`: to the next power of two, as earlier versions wrote it, or as many as there are
CODED = 8  # in the tag of Lloyd–Max levels: they are entropy coded


def hadamard(x: np.ndarray) -> np.ndarray:
    """The Walsh–Hadamard transform of x, scaled so that it keeps lengths and is its own inverse: float32 [n].

    x: float32 [n], n a power of two (ValueError otherwise). n log2 n additions, in float32, in a fixed order.
    """
    if x.size & (x.size - 1) or not x.size:
        raise ValueError(say(f"n must be a power of two, got {x.size}", f"n 应为 2 的幂，收到的是 {x.size}"))
    return _transform(x.astype(np.float32).ravel())


def _transform(x: np.ndarray) -> np.ndarray:
    """`hadamard`, in place: x, or a part of one, contiguous."""
    n = x.size
    x *= np.float32(n**-0.5)
    # A transform of rows x columns is one down the columns and one along the rows. Down the columns NumPy adds whole rows
    # at once; a strip of columns stays in the processor's cache.
    table = x.reshape(1 << (n.bit_length() - 1) // 2, -1)
    for turned in (table, table.T):
        for start in range(0, turned.shape[1], STRIP):
            part = turned[:, start : start + STRIP]
            part[...] = _butterflies(part.copy("C"))
    return x


def _butterflies(table: np.ndarray) -> np.ndarray:
    """Sums and differences of rows 1, 2, 4, … apart, from one table into another and back, so that nothing is copied."""
    other, half = np.empty_like(table), 1
    while half < table.shape[0]:
        pairs, made = table.reshape(-1, 2, half * table.shape[1]), other.reshape(-1, 2, half * table.shape[1])
        np.add(pairs[:, 0], pairs[:, 1], out=made[:, 0])
        np.subtract(pairs[:, 0], pairs[:, 1], out=made[:, 1])
        table, other, half = other, table, 2 * half
    return table


def _flip(x: np.ndarray, bits: np.ndarray) -> None:
    """Change the signs of x, in place, where a bit is set."""
    for start in range(0, x.size, BLOCK):
        part = x[start : start + BLOCK].view(np.uint32)
        part ^= np.unpackbits(bits[start // 8 : (start + BLOCK) // 8], count=part.size).astype(np.uint32) << 31


def _fold(x: np.ndarray, count: int) -> None:
    """Each of the first `count` weights and one of the last become sum and difference, over the root of 2; in place."""
    first, last = x[:count], x[x.size - count :]
    first *= np.float32(0.5**0.5)
    last *= np.float32(0.5**0.5)
    difference = first - last
    first += last
    last[:] = difference


def _rotate(x: np.ndarray, seed: bytes, back: bool = False) -> np.ndarray:
    """Turn float32 [n] by the rotation that `seed` draws, or back again, in place.

    A transform takes a power of two of weights: the most that n holds are taken from the front, then as many from the end, so
    that nothing is padded. The weights behind the first of them are mixed with others before, so that both hold their part.
    After two rounds every place has the same energy, on average over the signs, whichever weight it came from: the mean error
    of `Eden` grows by 0.1 % at the most (counted for every n from 65 to 127). A second round also makes sums of many of what
    one leaves as sums of a few, where x has only a few weights that are not zero.
    """
    if not x.size:
        return x
    size = 1 << x.size.bit_length() - 1
    rest = x.size - size
    starts = [0, rest][: 1 + (rest > 0)] * ROUNDS
    drawn = random_bytes(seed, len(starts) * -(-x.size // 8)).reshape(len(starts), -1)
    steps: list[Callable[[], object]] = []  # each is its own inverse
    for start, bits in zip(starts, drawn, strict=True):
        steps.append(partial(_flip, x, bits))
        if rest and start == 0:
            steps.append(partial(_fold, x, rest))
        steps.append(partial(_transform, x[start : start + size]))
    for step in reversed(steps) if back else steps:
        step()
    return x


def _padded(n: int) -> int:
    return 1 << (n - 1).bit_length() if n else 0


class Rotate(Codec):
    """Randomized Hadamard rotation: random signs and Walsh–Hadamard transforms, twice; spreads every weight over all.

    What follows gets as many weights as there are, nearly Gaussian whatever x was; what x had of structure, such as exact
    zeros, is gone. `encode` needs rng; lengths are kept to float32 rounding. Layer: tag, a seed of three bytes (earlier: one
    transform, of the next power of two of weights, under another tag). Source: Suresh et al. 2017, arXiv:1611.00429,
    section 3, for one transform of a power of two.
    """

    biased, tags = False, (PADDED, WHOLE)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        seed = draw_seed(self, rng)
        with np.errstate(over="ignore", invalid="ignore"):
            return bytes([WHOLE]) + seed, _rotate(x.copy(), seed)

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        seed = read_seed(reader)
        x = np.require(inner(n if tag == WHOLE else _padded(n)), np.float32, ["C", "W"])
        if not n:
            return x
        with np.errstate(over="ignore", invalid="ignore"):
            if tag == WHOLE:
                _rotate(x, seed, back=True)
            else:
                x = _transform(x)[:n].copy()
                _flip(x, random_bytes(seed, -(-n // 8)))
        return np.nan_to_num(x, copy=False)  # an infinity becomes the largest float32


class LloydMax(Codec):
    """The 2**bits levels of least squared error for Gaussian weights (Lloyd 1957/1982, Max 1960), scaled to x.

    bits: 1 … 8. unbiased: EDEN's scale, ||x||^2 / <x, levels>, so that what is decoded has the inner product ||x||^2 with x;
    after a uniformly random rotation its mean is then x (EDEN, theorem 2.1). Alone, nothing is random and nothing averages
    out: `biased` is True. Otherwise the scale of least error, <x, levels> / ||levels||^2 (at one bit DRIVE's mean |x|). Layer:
    tag and bits in one byte, scale as float32, the levels: packed, or entropy coded where that is shorter.
    """

    ends_in_bytes, tags = True, tuple(range(0x60, 0x70))

    def __init__(self, bits: int, unbiased: bool = False):
        self.bits, self.unbiased = require_integer("bits", bits, 1, 8), bool(unbiased)

    def random_error(self, n: int) -> float:
        distortion = lloyd_max(self.bits).distortion
        return distortion / (1 - distortion) if self.unbiased else 0.0

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        values, thresholds = _grid(self.bits)
        energy = float(np.sum(np.square(x, dtype=np.float64)))
        levels, sums = np.zeros(x.size, np.int64), np.zeros(values.size)
        if energy:
            rms = (energy / x.size) ** 0.5
            for start in range(0, x.size, BLOCK):
                part = x[start : start + BLOCK].astype(np.float64)
                at = np.searchsorted(thresholds, part / rms)
                levels[start : start + BLOCK] = at
                sums += bincount(at, part, values.size)
        along = float(np.sum(sums * values))
        square = float(np.sum(bincount(levels, minlength=values.size) * values**2))
        scale = (energy / along if self.unbiased else along / square) if energy else 0.0
        if scale > FLOAT32_MAX:
            raise ValueError(say(f"x is too large: the scale of {self} must be within float32, ±{FLOAT32_MAX:.3g}",
                                 f"x 太大：{self} 的尺度应在 float32 范围 ±{FLOAT32_MAX:.3g} 内"))  # fmt: skip
        packed, coded = pack_bits(levels, self.bits), encode_levels(levels)
        if len(coded) < len(packed):
            return struct.pack("<Bf", 0x60 | CODED | self.bits - 1, scale) + coded, None
        return struct.pack("<Bf", 0x60 | self.bits - 1, scale) + packed, None

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        with reader.part("scale"):
            scale = reader.float32()
        bits = (tag & 7) + 1
        levels = read_levels(reader, n, bits, bool(tag & CODED))
        return look_up(np.clip(_grid(bits)[0] * scale, -FLOAT32_MAX, FLOAT32_MAX).astype(np.float32), levels)


@cache
def _grid(bits: int) -> tuple[np.ndarray, np.ndarray]:
    grid = lloyd_max(bits)
    return grid.values.astype(np.float32).astype(np.float64), grid.thresholds


class Eden(Pipeline):
    """EDEN: `Rotate() | LloydMax(bits, unbiased)`. Its error hardly depends on x.

    bits: 1 … 8; below one bit, `RandomK(p) | Eden(1)`. unbiased: NMSE D / (1 - D) with D that of Lloyd–Max; otherwise D
    itself, as for a `Residual`. At one bit DRIVE. The constants hold from some hundred weights on, the tests say for which x.
    Proved is: whatever is drawn, what is decoded with unbiased=True has the inner product ||x||^2 with x; and if the rotation
    were uniformly random, the mean would be x (Vargaftik et al. 2022, arXiv:2108.08842, theorem 2.1). Signs and Hadamard
    transforms are no uniform rotation. With one transform `[1, 0.5, 0, 0, …]` is decoded to 1.25 and 0 at one bit, whatever
    the signs; with two, as here, the mean over all signs is 1.050 and 0.399 for eight weights. Of a hundred weights and more
    no bias was measured, but none is excluded: `biased` stays True. Without their code for levels, which here are entropy
    coded where that is shorter.
    """

    def __init__(self, bits: int, unbiased: bool = True):
        super().__init__(Rotate(), LloydMax(bits, unbiased))
