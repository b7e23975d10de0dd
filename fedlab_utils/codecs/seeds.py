"""Random numbers that both sides of a message draw: from a seed that travels in it."""

from __future__ import annotations

import numpy as np

from ..language import say
from ..validation import require_rng
from .base import Codec
from .wire import Reader

SEED_BYTES = 3  # of a seed that travels; 16.7 million different draws


def rng_needed(stage: Codec) -> ValueError:
    """That a stage draws random numbers, and has been given no generator."""
    return ValueError(say(f"{stage} draws random numbers: pass rng=numpy.random.default_rng(seed)",
                          f"{stage} 要抽随机数：请传入 rng=numpy.random.default_rng(seed)"))  # fmt: skip


def draw_seed(stage: Codec, rng: np.random.Generator | None) -> bytes:
    """A seed for the layer of `stage`, drawn from `rng`. ValueError without one."""
    if rng is None:
        raise rng_needed(stage)
    return require_rng("rng", rng).bytes(SEED_BYTES)


def read_seed(reader: Reader) -> bytes:
    """The seed that `draw_seed` drew."""
    with reader.part("seed"):
        return bytes(reader.take(SEED_BYTES))


def random_bytes(seed: bytes, count: int) -> np.ndarray:
    """uint8 [count], the raw stream of PCG64: NumPy promises that it is the same in every version (NEP 19)."""
    words = np.random.PCG64(int.from_bytes(seed, "little")).random_raw(-(-count // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:count]
