"""A sign and little more: signSGD, and the stochastic levels of QSGD.

Composed, they are the codecs of well-known papers: `TopK(k) | Sign()` is sparse ternary compression (STC; Sattler et al.
2019, arXiv:1903.02891), `Residual(Sign())` is EF-signSGD (Karimireddy et al. 2019, arXiv:1901.09847).
"""

from __future__ import annotations

import math
import struct

import numpy as np

from ..language import say
from ..layout import RANGES, Layout, flatten, split
from ..theory import qsgd_variance_bound
from ..validation import require_choice, require_integer, require_rng
from .base import FLOAT32_MAX, Inner
from .ending import _Ending
from .levels import MODELS, decode_levels, encode_levels
from .seeds import rng_needed
from .wire import BLOCK, Reader, packed_bytes, varint

_SIGNS = {0x50: (False, False), 0x51: (True, False), 0x52: (False, True), 0x53: (True, True)}  # coded, a scale an array


class Sign(_Ending):
    """One bit a weight, and the mean magnitude: x is decoded as sign(x) mean|x|, the sign of zero as plus.

    scales: "model", one mean for all; "array", one for every array of the list that `encode` is given, or of the blocks
    that `Blocks` cuts. model: "plain" (default), the signs as they are; "arrays" tells rows and columns of zeros once, where the
    arrays are known; "context" codes each sign by those around it. Layer: tag, mean|x| as float32 (of each array that is
    not empty), then ceil(n / 8) bytes or, where that is shorter, levels -1, 0 and 1. Sources: Bernstein et al. 2018,
    arXiv:1802.04434 (signSGD); with the scale, Karimireddy et al. 2019, arXiv:1901.09847. The mean is the scale of least
    squared error.
    """

    tags = tuple(_SIGNS)

    def __init__(self, scales: str = "model", model: str = "plain"):
        self.scales, self.model = require_choice("scales", scales, RANGES), require_choice("model", model, MODELS)
        self.follows_layout = scales == "array"
        self.uses_layout = self.follows_layout or model != "plain"

    def layer(self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout | None) -> bytes:
        parts, by_array = self.parts(x, layout)
        scales = b"".join(struct.pack("<f", np.abs(part).mean(dtype=np.float64) if part.size else 0.0) for part in parts)
        packed, coded = np.packbits(x >= 0).tobytes(), None
        if self.model == "context" or (layout is not None and self.model == "arrays"):
            coded = encode_levels(np.sign(x).astype(np.int64), layout, self.model, beat=len(packed))
            if len(coded) >= len(packed):
                coded = None
        tag = next(tag for tag, what in _SIGNS.items() if what == (coded is not None, by_array))
        return bytes([tag]) + scales + (packed if coded is None else coded)

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        coded, by_array = _SIGNS[tag]
        counts = list(filter(None, reader.require_layout("a scale for each array").counts)) if by_array else [n]
        with reader.part("scales"):
            scales = [np.float32(reader.float32()) for _ in counts]
        if coded:
            with reader.part("levels"):
                levels = decode_levels(reader, n)
            if np.abs(levels).max(initial=0) > 1:
                raise ValueError("damaged payload: a sign is neither plus nor minus")
            minus = levels < 0
        else:
            with reader.part("levels"), reader.part("packed"):
                packed = reader.take(packed_bytes(n, 1))
            minus = np.unpackbits(np.frombuffer(packed, np.uint8), count=n) == 0
        parts = zip(split(minus, counts), scales, strict=True)
        return flatten([np.where(part, -scale, scale) for part, scale in parts])


class QSGD(_Ending):
    """QSGD: magnitudes in units of ||x|| / levels, rounded up with a probability equal to the fraction; unbiased.

    levels: 1 … 32768, the paper's s. The norm is the Euclidean one of the whole vector; `encode` needs rng. Error at most
    min(n / s^2, sqrt(n) / s) ||x||^2 on average (`theory.qsgd_variance_bound`), more than ||x||^2 where s is small.
    model: of the levels, see `EntropyQuantize`. Layer: tag, s, norm as float32, the signed levels, entropy coded or packed
    (`levels`) in place of the paper's Elias code. Source: Alistarh et al. 2017, arXiv:1610.02132, section 3.1.
    """

    biased, tags = False, (0x70,)

    def __init__(self, levels: int, model: str = "arrays"):
        self.levels, self.model = require_integer("levels", levels, 1, 2**15), require_choice("model", model, MODELS)
        self.uses_layout = model != "plain"

    def random_error(self, n: int) -> float:
        """Of magnitudes below a step, sqrt(2 n / pi) / s; of those above, n / (6 s²); never more than the paper's bound."""
        return min(math.sqrt(2 * n / math.pi) / self.levels, n / (6 * self.levels**2), qsgd_variance_bound(n, self.levels))

    def layer(self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout | None) -> bytes:
        if rng is None:
            raise rng_needed(self)
        wide = x.astype(np.float64)
        norm = _round_up(math.sqrt(np.sum(wide**2)))
        if math.isinf(norm):
            raise ValueError(say(f"x is too large: its norm must be within float32, ±{FLOAT32_MAX:.3g}",
                                 f"x 太大：它的范数应在 float32 范围 ±{FLOAT32_MAX:.3g} 内"))  # fmt: skip
        signed = np.zeros(x.size, np.int64)
        if norm:
            np.copysign(np.floor(np.abs(wide) / norm * self.levels + require_rng("rng", rng).random(x.size)), wide, wide)
            signed = wide.astype(np.int64)
        return bytes([0x70]) + varint(self.levels) + struct.pack("<f", norm) + encode_levels(signed, layout, self.model)

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        top = reader.varint()
        with reader.part("norm"):
            norm = reader.float32()
        if not 1 <= top <= 2**15:
            raise ValueError(f"damaged payload: QSGD of {top} levels")
        with reader.part("levels"):
            levels = decode_levels(reader, n)
        if np.abs(levels).max(initial=0) > top:
            raise ValueError(f"damaged payload: QSGD of {top} levels holds a level beyond them")
        x = np.empty(n, np.float32)
        for start in range(0, n, BLOCK):
            x[start : start + BLOCK] = levels[start : start + BLOCK] * (norm / top)
        return x


def _round_up(value: float) -> float:
    """The least float32 that is not below `value`, infinity beyond float32: no magnitude is above the norm sent."""
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
        return float(rounded if float(rounded) >= value else np.nextafter(rounded, np.float32(np.inf)))
