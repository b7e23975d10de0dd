"""Randomized Hadamard rotation, and what it is for: quantization levels made for a Gaussian (DRIVE and EDEN).

Sources: Suresh et al. 2017, arXiv:1611.00429 (rotation); Vargaftik et al. 2021, arXiv:2105.08339 (DRIVE, one bit), and 2022,
arXiv:2108.08842 (EDEN, any number of bits).
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np

from ..quantization import BLOCK
from ..theory import lloyd_max
from ..validation import require_integer
from .base import FLOAT32_MAX, Codec, Inner, Pipeline
from .entropy import decode_levels, encode_levels
from .seeds import SEED_BYTES, draw_seed, random_bytes
from .wire import Reader, pack_bits, packed_bytes, unpack_bits

STRIP = 64  # columns that are transformed at a time
CODED = 8  # in the tag of Lloyd–Max levels: they are entropy coded


def hadamard(x: np.ndarray) -> np.ndarray:
    """The Walsh–Hadamard transform of x, scaled so that it keeps lengths and is its own inverse: float32 [n].

    x: float32 [n], n a power of two (ValueError otherwise). n log2 n additions, in float32, in a fixed order.
    """
    n = x.size
    if n & (n - 1) or not n:
        raise ValueError(f"n must be a power of two, got {n}")
    # A transform of rows x columns is one down the columns and one along the rows. Down the columns NumPy adds whole rows
    # at once; a strip of columns stays in the processor's cache.
    rows = 1 << (n.bit_length() - 1) // 2
    table = (x * np.float32(n**-0.5)).reshape(rows, n // rows)
    for _ in range(2):
        turned = np.empty(table.shape[::-1], np.float32)
        for start in range(0, table.shape[1], STRIP):
            strip = table[:, start : start + STRIP].copy()
            _butterflies(strip)
            turned[start : start + STRIP] = strip.T
        table = turned
    return table.ravel()


def _butterflies(table: np.ndarray) -> None:
    half = 1
    while half < table.shape[0]:
        pairs = table.reshape(-1, 2, half * table.shape[1])
        difference = pairs[:, 0] - pairs[:, 1]
        pairs[:, 0] += pairs[:, 1]
        pairs[:, 1] = difference
        half *= 2


def _signs(seed: bytes, n: int) -> np.ndarray:
    bits = np.unpackbits(random_bytes(seed, -(-n // 8)), count=n)
    return np.float32(1) - 2 * bits.astype(np.float32)


def _padded(n: int) -> int:
    return 1 << (n - 1).bit_length() if n else 0


class Rotate(Codec):
    """Randomized Hadamard rotation: random signs, then the Walsh–Hadamard transform; spreads every weight over all.

    What follows gets the next power of two of weights, and its bytes count. Whatever x was, each is then nearly Gaussian;
    what x had of structure, such as exact zeros, is gone. `encode` needs rng; lengths are kept to float32 rounding.
    Layer: tag, a seed of three bytes. Source: Suresh et al. 2017, arXiv:1611.00429, section 3.
    """

    biased, tags = False, (0x80,)

    def left(self, n: int) -> int:
        return _padded(n)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        seed = draw_seed(self, rng)
        padded = np.zeros(_padded(x.size), np.float32)
        padded[: x.size] = x
        if x.size:
            with np.errstate(over="ignore", invalid="ignore"):
                padded = hadamard(padded * _signs(seed, padded.size))
        return bytes([0x80]) + seed, padded

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        seed = bytes(reader.take(SEED_BYTES))
        rotated = inner(_padded(n))
        if not n:
            return rotated
        with np.errstate(over="ignore", invalid="ignore"):
            x = hadamard(rotated)[:n] * _signs(seed, n)
        return np.nan_to_num(x, copy=False)  # an infinity becomes the largest float32


class LloydMax(Codec):
    """The 2**bits levels of least squared error for Gaussian weights (Lloyd 1957/1982, Max 1960), scaled to x.

    bits: 1 … 8. unbiased: after `Rotate` the mean of what is decoded is x, scale ||x||^2 / <x, levels> (EDEN, theorem 2.1);
    otherwise the scale of least error, <x, levels> / ||levels||^2 (at one bit DRIVE's mean |x|). Layer: tag and bits in one
    byte, scale as float32, the levels: packed, or entropy coded where that is shorter.
    """

    ends_in_bytes, tags = True, tuple(range(0x60, 0x70))

    def __init__(self, bits: int, unbiased: bool = False):
        self.bits, self.unbiased = require_integer("bits", bits, 1, 8), bool(unbiased)
        self.biased = not self.unbiased

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
                sums += np.bincount(at, part, values.size)
        along = float(np.sum(sums * values))
        square = float(np.sum(np.bincount(levels, minlength=values.size) * values**2))
        scale = (energy / along if self.unbiased else along / square) if energy else 0.0
        if scale > FLOAT32_MAX:
            raise ValueError(f"x is too large: the scale of {self} must be within float32, ±{FLOAT32_MAX:.3g}")
        packed, coded = pack_bits(levels, self.bits), encode_levels(levels)
        if len(coded) < len(packed):
            return struct.pack("<Bf", 0x60 | CODED | self.bits - 1, scale) + coded, None
        return struct.pack("<Bf", 0x60 | self.bits - 1, scale) + packed, None

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        scale = reader.float32()
        bits = (tag & 7) + 1
        if tag & CODED:
            levels = decode_levels(reader, n)
            if n and (levels.min() < 0 or levels.max() >= 2**bits):
                raise ValueError(f"damaged payload: levels {levels.min()} … {levels.max()} of {bits} bits")
        else:
            levels = unpack_bits(reader.take(packed_bytes(n, bits)), bits, n)
        return np.clip(_grid(bits)[0] * scale, -FLOAT32_MAX, FLOAT32_MAX).astype(np.float32)[levels]


@cache
def _grid(bits: int) -> tuple[np.ndarray, np.ndarray]:
    grid = lloyd_max(bits)
    return grid.values.astype(np.float32).astype(np.float64), grid.thresholds


class Eden(Pipeline):
    """EDEN: `Rotate() | LloydMax(bits, unbiased)`. Its error hardly depends on x, for all but short and very sparse vectors.

    bits: 1 … 8; below one bit, `RandomK(p) | Eden(1)`. unbiased: NMSE D / (1 - D) with D that of Lloyd–Max; otherwise D
    itself, as for a `Residual`. At one bit DRIVE. n counts after padding to a power of two. The constants, and the mean of
    what is decoded, hold where the rotated weights are near Gaussian: for vectors of some hundred weights and more whose
    energy many of them share. One Hadamard rotation is no uniform one: `[1, 0.5, 0, 0, …]` is decoded to 1.25 and 0 at one
    bit, whatever the seed. Source: Vargaftik et al. 2022, arXiv:2108.08842, theorem 2.1, for uniform rotations; without their
    code for levels, which here are entropy coded where that is shorter.
    """

    def __init__(self, bits: int, unbiased: bool = True):
        super().__init__(Rotate(), LloydMax(bits, unbiased))
