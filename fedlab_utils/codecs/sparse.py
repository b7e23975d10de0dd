"""Stages that keep some of the weights: the largest, those above a threshold, or random ones."""

from __future__ import annotations

import numpy as np

from ..layout import Layout
from ..sparsification import Sparse, count_kept, top_k
from ..validation import require_choice, require_number
from .base import Codec, Inner
from .levels import MODELS
from .masks import ALL_FORMS, decode_support_by, encode_support_by
from .seeds import draw_seed, random_bytes, read_seed
from .wire import Reader, varint


class _Keeping(Codec):
    """A stage that keeps some of the weights as they stand, in their order: `keep` says which."""

    keeps_layout = True

    def keep(
        self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout | None
    ) -> tuple[bytes, np.ndarray, np.ndarray]:
        """The layer, the places that are kept (int64 [k], rising), and the values that go on (float32 [k])."""
        raise NotImplementedError

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        layer, _, values = self.keep(x, rng, None)
        return layer, values

    def forward_arrays(
        self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout
    ) -> tuple[bytes, np.ndarray | None, Layout | None]:
        layer, indices, values = self.keep(x, rng, layout)
        return layer, values, layout.kept(indices)


def _read_k(reader: Reader) -> int:
    """How many weights are kept."""
    with reader.part("k"):
        return reader.varint()


def _read_support(reader: Reader, form: int, k: int, n: int) -> np.ndarray:
    with reader.part("support"):
        return decode_support_by(reader, form, k, n)


def _scattered(indices: np.ndarray, n: int, reader: Reader, inner: Inner) -> np.ndarray:
    left = None if reader.layout is None else reader.layout.kept(indices)
    if 8 * indices.size <= n:
        return Sparse(indices, inner(indices.size, left), (n,)).to_dense()
    kept, k = np.zeros(n, bool), indices.size  # a byte a weight to hold while the values are decoded, not eight
    kept[indices] = True
    del indices
    values, x = inner(k, left), np.zeros(n, np.float32)
    x[kept] = values
    return x


class _Support(_Keeping):
    """What `TopK` and `Threshold` have in common. Layer: tag and form of the support, k, the support in its cheapest form."""

    tags = tuple(0x20 | form for form in ALL_FORMS)
    model: str

    def layer(self, indices: np.ndarray, n: int, layout: Layout | None) -> bytes:
        """The layer of a stage that keeps the weights at `indices` (int64 [k], rising) of n."""
        form, support = encode_support_by(indices, n, layout, self.model)
        return bytes([0x20 | form]) + varint(indices.size) + support

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        k = _read_k(reader)
        if k > n:
            raise ValueError(f"damaged payload: a support of {k} in {n} weights")
        if k == n:  # all are kept: nothing to scatter
            return inner(n, reader.layout)
        return _scattered(_read_support(reader, tag & 0x0F, k, n), n, reader, inner)  # which alone holds the places


class TopK(_Support):
    """Keep the k weights of largest magnitude (document, 4.2); their places are coded, their values go on.

    k: a fraction (float in (0, 1]) or a count (int). model: of the places, see `encode_support_by`: "plain" (default), "arrays"
    (rows and columns where nothing is kept are told once), "context". Source: Aji and Heafield 2017, arXiv:1704.05021.
    """

    def __init__(self, k, model: str = "plain"):
        count_kept(k, 0)  # an impossible k is told here; one beyond n when n is known
        self.k, self.model = k, require_choice("model", model, MODELS)
        self.uses_layout = model != "plain"

    def left(self, n: int) -> int:
        return count_kept(self.k, n)

    def keep(
        self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout | None
    ) -> tuple[bytes, np.ndarray, np.ndarray]:
        s = top_k(x, self.k)
        return self.layer(s.indices, x.size, layout), s.indices, s.values


class Threshold(_Support):
    """Keep the weights of magnitude `threshold` and more: as many as there are, none perhaps. Layer, model: as of `TopK`.

    Source: Strom 2015, "Scalable distributed DNN training using commodity GPU cloud computing", Interspeech.
    """

    def __init__(self, threshold: float, model: str = "plain"):
        self.threshold = require_number("threshold", threshold, 0)
        self.model = require_choice("model", model, MODELS)
        self.uses_layout = model != "plain"

    def keep(
        self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout | None
    ) -> tuple[bytes, np.ndarray, np.ndarray]:
        indices = np.flatnonzero(np.abs(x) >= self.threshold)
        return self.layer(indices, x.size, layout), indices, x[indices]


class RandomK(_Keeping):
    """Keep k weights drawn at random; their places cost three bytes, the seed that draws them again.

    k: a fraction (float in (0, 1]) or a count (int). unbiased: what is kept is multiplied by n / k, so that its mean is x;
    for a `Residual` use unbiased=False, for the factor would feed the error back multiplied. `encode` needs rng.
    Layer: tag, seed, k. Source: Konečný et al. 2016, arXiv:1610.05492, "random mask".
    """

    tags = (0x90,)

    def __init__(self, k, unbiased: bool = True):
        count_kept(k, 0)
        self.k, self.unbiased = k, bool(unbiased)
        self.biased = not self.unbiased

    def left(self, n: int) -> int:
        return count_kept(self.k, n)

    def random_error(self, n: int) -> float:
        return n / count_kept(self.k, n) - 1 if self.unbiased else 0.0  # without the factor nothing grows

    def keep(
        self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout | None
    ) -> tuple[bytes, np.ndarray, np.ndarray]:
        seed, kept = draw_seed(self, rng), count_kept(self.k, x.size)
        indices = _random_support(seed, kept, x.size)
        values = x[indices]
        if self.unbiased and kept:
            with np.errstate(over="ignore"):
                values = values * np.float32(x.size / kept)
        return bytes([0x90]) + seed + varint(kept), indices, values

    @classmethod
    def read(cls, reader: Reader, tag: int, n: int, inner: Inner) -> np.ndarray:
        seed, k = read_seed(reader), _read_k(reader)
        if k > n:
            raise ValueError(f"damaged payload: {k} weights drawn of {n}")
        return _scattered(_random_support(seed, k, n), n, reader, inner)


def _random_support(seed: bytes, k: int, n: int) -> np.ndarray:
    """The places of the k least of n random integers of 32 bits: int64 [k], rising."""
    if k in (0, n):
        return np.arange(k)
    draws = random_bytes(seed, 4 * n).view("<u4")
    return np.flatnonzero(draws <= np.partition(draws, k - 1)[k - 1])[:k]
