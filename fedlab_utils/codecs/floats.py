"""Floating point of two bytes a weight."""

from __future__ import annotations

import numpy as np

from ..language import say
from .base import Codec, Inner
from .wire import Reader, finite


class Float16(Codec):
    """Every weight as IEEE float16, rounded to nearest: 2 bytes a weight (Micikevicius et al. 2018, arXiv:1710.03740).

    `encode` raises ValueError for values beyond ±65,504.
    """

    ends_in_bytes, tags = True, (0x01,)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        with np.errstate(over="ignore"):
            half = x.astype("<f2")
        _within(self, x, np.isinf(half))
        return bytes([0x01]) + half.tobytes(), None

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        with reader.part("values"):
            return finite(np.frombuffer(reader.take(2 * n), "<f2").astype(np.float32))


class BFloat16(Codec):
    """Every weight as bfloat16, the upper half of a float32, rounded to nearest, ties to even: 2 bytes a weight.

    The range of float32 with 8 significant bits (Kalamkar et al. 2019, arXiv:1905.12322). `encode` raises ValueError for the
    few values above 3.39e38 that would round to infinity.
    """

    ends_in_bytes, tags = True, (0x02,)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        whole = x.view(np.uint32)
        half = ((whole + ((whole >> 16 & 1) + np.uint32(0x7FFF))) >> 16).astype("<u2")
        _within(self, x, half & 0x7FFF == 0x7F80)
        return bytes([0x02]) + half.tobytes(), None

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        with reader.part("values"):
            return finite((np.frombuffer(reader.take(2 * n), "<u2").astype(np.uint32) << 16).view(np.float32))


def _within(stage: Codec, x: np.ndarray, beyond: np.ndarray) -> None:
    if beyond.any():
        place = int(beyond.argmax())
        raise ValueError(say(f"x must be within the range of {stage}, but x[{place}] is {x[place]:g}",
                             f"x 应在 {stage} 的范围内，但 x[{place}] 是 {x[place]:g}"))  # fmt: skip
