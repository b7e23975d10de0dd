"""More stages: half precision, signs, QSGD, random and threshold supports.

Composed, they are the codecs of well-known papers: `TopK(k) | Sign()` is sparse ternary compression (STC; Sattler et al.
2019, arXiv:1903.02891), `Residual(Sign())` is EF-signSGD (Karimireddy et al. 2019, arXiv:1901.09847).
"""

from __future__ import annotations

import math
import struct

import numpy as np

from .codecs import (
    FLOAT32_MAX,
    FLOATS,
    QSGD_LEVELS,
    RANDOM,
    SIGN,
    SPARSE,
    Codec,
    read_float32,
    reads,
    sparse_layer,
)
from .coding import Reader, packed_bytes, varint
from .entropy import decode_levels, encode_levels
from .sparsification import Sparse, count_kept
from .validation import require_integer, require_number, require_rng

SEED_BYTES = 3  # of a seed that travels; 16.7 million different draws


def draw_seed(stage: Codec, rng) -> bytes:
    """A seed for the layer of `stage`, drawn from `rng`. ValueError without one."""
    if rng is None:
        raise ValueError(f"{stage} draws random numbers: pass rng=numpy.random.default_rng(seed)")
    return require_rng("rng", rng).bytes(SEED_BYTES)


def random_bytes(seed: bytes, count: int) -> np.ndarray:
    """uint8 [count], the raw stream of PCG64: NumPy promises that it is the same in every version (NEP 19)."""
    words = np.random.PCG64(int.from_bytes(seed, "little")).random_raw(-(-count // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:count]


class Float16(Codec):
    """Every weight as IEEE float16, rounded to nearest: 2 bytes a weight (Micikevicius et al. 2018, arXiv:1710.03740).

    `encode` raises ValueError for values beyond ±65,504.
    """

    ends_in_bytes, kind = True, FLOATS

    def forward(self, x, rng):
        with np.errstate(over="ignore"):
            half = x.astype("<f2")
        _within(self, x, np.isinf(half))
        return bytes([FLOATS | 1]) + half.tobytes(), None

    def __repr__(self):
        return "Float16()"


class BFloat16(Codec):
    """Every weight as bfloat16, the upper half of a float32, rounded to nearest, ties to even: 2 bytes a weight.

    The range of float32 with 8 significant bits (Kalamkar et al. 2019, arXiv:1905.12322). `encode` raises ValueError for the
    few values above 3.39e38 that would round to infinity.
    """

    ends_in_bytes, kind = True, FLOATS

    def forward(self, x, rng):
        whole = x.view(np.uint32)
        half = ((whole + ((whole >> 16 & 1) + np.uint32(0x7FFF))) >> 16).astype("<u2")
        _within(self, x, half & 0x7FFF == 0x7F80)
        return bytes([FLOATS | 2]) + half.tobytes(), None

    def __repr__(self):
        return "BFloat16()"


def _within(stage: Codec, x: np.ndarray, beyond: np.ndarray) -> None:
    if beyond.any():
        place = int(beyond.argmax())
        raise ValueError(f"x must be within the range of {stage}, but x[{place}] is {x[place]:g}")


class Sign(Codec):
    """One bit a weight, and the mean magnitude: x is decoded as sign(x) mean|x|, the sign of zero as plus.

    Layer: tag, mean|x| as float32, ceil(n / 8) bytes. Sources: Bernstein et al. 2018, arXiv:1802.04434 (signSGD); with the
    scale, Karimireddy et al. 2019, arXiv:1901.09847. The mean is the scale of least squared error.
    """

    ends_in_bytes, kind = True, SIGN

    def forward(self, x, rng):
        scale = np.abs(x).mean(dtype=np.float64) if x.size else 0.0
        return struct.pack("<Bf", SIGN, scale) + np.packbits(x >= 0).tobytes(), None

    def __repr__(self):
        return "Sign()"


@reads(SIGN)
def _read_sign(reader: Reader, low, n, inner):
    scale = np.float32(read_float32(reader))
    plus = np.unpackbits(np.frombuffer(reader.take(packed_bytes(n, 1)), np.uint8), count=n)
    return np.where(plus, scale, -scale)


class QSGD(Codec):
    """QSGD: magnitudes in units of ||x|| / levels, rounded up with a probability equal to the fraction; unbiased.

    levels: 1 … 32768, the paper's s. The norm is the Euclidean one of the whole vector; `encode` needs rng. Error at most
    min(n / s^2, sqrt(n) / s) ||x||^2 on average (`theory.qsgd_variance_bound`), more than ||x||^2 where s is small.
    Layer: tag, s, norm as float32, the signed levels, entropy coded or packed (`entropy`) in place of the paper's Elias
    code. Source: Alistarh et al. 2017, arXiv:1610.02132, section 3.1.
    """

    ends_in_bytes, kind = True, QSGD_LEVELS

    def __init__(self, levels: int):
        self.levels = require_integer("levels", levels, 1, 2**15)

    def forward(self, x, rng):
        if rng is None:
            raise ValueError(f"{self} draws random numbers: pass rng=numpy.random.default_rng(seed)")
        wide = x.astype(np.float64)
        norm = _round_up(math.sqrt(np.sum(wide**2)))
        if math.isinf(norm):
            raise ValueError(f"x is too large: its norm must be within float32, ±{FLOAT32_MAX:.3g}")
        signed = np.zeros(x.size, np.int64)
        if norm:
            np.copysign(np.floor(np.abs(wide) / norm * self.levels + require_rng("rng", rng).random(x.size)), wide, wide)
            signed = wide.astype(np.int64)
        return bytes([QSGD_LEVELS]) + varint(self.levels) + struct.pack("<f", norm) + encode_levels(signed), None

    def __repr__(self):
        return f"QSGD({self.levels})"


def _round_up(value: float) -> float:
    """The least float32 that is not below `value`, infinity beyond float32: no magnitude is above the norm sent."""
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
        return float(rounded if float(rounded) >= value else np.nextafter(rounded, np.float32(np.inf)))


@reads(QSGD_LEVELS)
def _read_qsgd(reader: Reader, low, n, inner):
    top, norm = reader.varint(), read_float32(reader)
    if not 1 <= top <= 2**15:
        raise ValueError(f"damaged payload: QSGD of {top} levels")
    levels = decode_levels(reader, n)
    if np.abs(levels).max(initial=0) > top:
        raise ValueError(f"damaged payload: QSGD of {top} levels holds a level beyond them")
    return (levels * (norm / top)).astype(np.float32)


class RandomK(Codec):
    """Keep k weights drawn at random; their places cost three bytes, the seed that draws them again.

    k: a fraction (float in (0, 1]) or a count (int). unbiased: what is kept is multiplied by n / k, so that its mean is x;
    for a `Residual` use unbiased=False, for the factor would feed the error back multiplied. `encode` needs rng.
    Layer: tag, seed, k. Source: Konečný et al. 2016, arXiv:1610.05492, "random mask".
    """

    kind = RANDOM

    def __init__(self, k, unbiased: bool = True):
        count_kept(k, 0)
        self.k, self.unbiased = k, bool(unbiased)

    def forward(self, x, rng):
        seed, kept = draw_seed(self, rng), count_kept(self.k, x.size)
        values = x[_random_support(seed, kept, x.size)]
        if self.unbiased and kept:
            with np.errstate(over="ignore"):
                values = values * np.float32(x.size / kept)
        return bytes([RANDOM]) + seed + varint(kept), values

    def __repr__(self):
        return f"RandomK({self.k!r}{'' if self.unbiased else ', unbiased=False'})"


def _random_support(seed: bytes, k: int, n: int) -> np.ndarray:
    """The places of the k least of n random integers of 32 bits: int64 [k], rising."""
    if k in (0, n):
        return np.arange(k)
    draws = random_bytes(seed, 4 * n).view("<u4")
    return np.flatnonzero(draws <= np.partition(draws, k - 1)[k - 1])[:k]


@reads(RANDOM)
def _read_random(reader: Reader, low, n, inner):
    seed, k = bytes(reader.take(SEED_BYTES)), reader.varint()
    if k > n:
        raise ValueError(f"damaged payload: {k} weights drawn of {n}")
    values = inner(k)
    return Sparse(_random_support(seed, k, n), values, (n,)).to_dense()


class Threshold(Codec):
    """Keep the weights of magnitude `threshold` and more: as many as there are, none perhaps. Layer: as that of `TopK`.

    Source: Strom 2015, "Scalable distributed DNN training using commodity GPU cloud computing", Interspeech.
    """

    kind = SPARSE

    def __init__(self, threshold: float):
        self.threshold = require_number("threshold", threshold, 0)

    def forward(self, x, rng):
        indices = np.flatnonzero(np.abs(x) >= self.threshold)
        return sparse_layer(indices, x.size), x[indices]

    def __repr__(self):
        return f"Threshold({self.threshold:g})"
