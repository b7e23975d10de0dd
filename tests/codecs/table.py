"""One table of the stages and compositions that matter: every test of codecs that runs over codecs runs over these rows.

A new stage needs its row here and `python tests/codecs/golden.py`; then it is tested as the others are. A row says what its
codec loses: `error`, the expected squared error ||x - decoded||^2 on Gaussian weights, from a formula that is not the code's.
At the end what the tests of codecs share besides.
"""

import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import fedlab_utils as fl
from fedlab_utils.codecs import Pipeline, base, wire

N_DOCUMENT = 101_770  # weights of the document's model
HEADER = 24  # law 1: header and checksum together, in bytes, of up to three stages


@dataclass(frozen=True)
class Row:
    codec: fl.Codec
    error: Callable[[np.ndarray], float]  # float64 [4096] to the sum of squared errors, on average over draws
    rel: float = 0.02  # how near the mean of ten encodings comes to it; more where it is a formula for n to infinity
    draws: bool = False  # random numbers: `encode` needs rng
    constants: bool = True  # a constant, however large or small, comes back to the bit where it is kept; some of it is kept
    unbiased: bool = False  # it is proved that the mean of what is decoded is what was encoded, whatever that is
    any_range: bool = True  # weights of a million can be encoded

    def __repr__(self):
        return repr(self.codec)


# Formulas of what is lost


def energy(x):
    return float(np.sum(x**2))


def nothing(x):
    return 0.0


def rounding(bits):
    """To so many significant bits: a twelfth of the square of a unit in the last place."""
    return lambda x: float(np.sum(4.0 ** (np.frexp(x)[1] - bits)) / 12)


def grid(bits, rounding="nearest"):
    """To 2**bits levels from the least to the largest value."""

    def error(x):
        step = np.ptp(x) / (2**bits - 1)
        above = (x - x.min()) / step % 1  # of the level below, in steps
        squares = {"nearest": np.minimum(above, 1 - above) ** 2, "floor": above**2, "stochastic": above * (1 - above)}
        return float(np.sum(squares[rounding])) * step**2

    return error


def gap(bits):
    """Entropy-coded uniform quantization, a quarter of a bit from Shannon's limit (Gish and Pierce 1968)."""
    return lambda x: energy(x) * 4 ** -(bits - 0.2546)


def lloyd(bits, unbiased=False):
    """Lloyd's and Max's tables."""
    d = [0.36338, 0.11748, 0.034548, 0.0095010, 0.002505, 6.442e-4, 1.635e-4, 4.12e-5][bits - 1]
    return lambda x: energy(x) * (d / (1 - d) if unbiased else d)


def sign(x):
    return float(np.sum((np.abs(x) - np.abs(x).mean()) ** 2))


def qsgd(levels):
    def error(x):
        above = np.abs(x) / energy(x) ** 0.5 * levels % 1
        return energy(x) / levels**2 * float(np.sum(above * (1 - above)))

    return error


def by_blocks(length, lost):
    return lambda x: sum(lost(x[start : start + length]) for start in range(0, x.size, length))


def largest(k, then=nothing):
    """All but the k largest, and what is lost of these."""

    def error(x):
        order = np.argsort(-np.abs(x))
        count = k if isinstance(k, int) else int(np.ceil(k * x.size - 1e-9))
        return energy(x[order[count:]]) + then(x[np.sort(order[:count])])

    return error


def above(threshold, then=nothing):
    return lambda x: energy(x[np.abs(x) < threshold]) + then(x[np.abs(x) >= threshold])


def drawn(p, then=nothing, unbiased=True):
    """A part p at random: 1/p - 1 if they are multiplied by 1/p, else 1 - p; and p of what is lost of all, so multiplied."""
    return lambda x: energy(x) * (1 / p - 1 if unbiased else 1 - p) + then(x) * (1 / p if unbiased else p)


def rotated(bits, deviations):
    """Stochastic rounding between the extremes, so many standard deviations apart: a sixth of a step squared."""
    return lambda x: energy(x) * (deviations / (2**bits - 1)) ** 2 / 6


ROWS = [
    Row(fl.Identity(), nothing),
    Row(fl.Float16(), rounding(11), constants=False, any_range=False),
    Row(fl.BFloat16(), rounding(8), constants=False),
    Row(fl.Quantize(1), grid(1)),
    Row(fl.Quantize(4, "floor"), grid(4, "floor")),
    Row(fl.Quantize(3, "stochastic"), grid(3, "stochastic"), draws=True, unbiased=True),
    Row(fl.Quantize(8), grid(8)),
    Row(fl.Quantize(12), grid(12)),
    Row(fl.Quantize(16), grid(16)),
    Row(fl.Quantize(6, entropy=True), grid(6)),
    Row(fl.Quantize(5, ranges="array"), grid(5)),  # of a vector: one range
    Row(fl.Quantize(2, "stochastic", entropy=True, ranges="array"), grid(2, "stochastic"), draws=True, unbiased=True),
    Row(fl.TopK(0.1) | fl.Quantize(6, ranges="array"), largest(0.1, grid(6))),
    Row(fl.EntropyQuantize(0.5), lambda x: energy(x) * 0.617, rel=0.05),  # by integration: the gap closes at low rates
    Row(fl.EntropyQuantize(2), gap(2), rel=0.05),
    Row(fl.EntropyQuantize(5), gap(5), rel=0.1),
    Row(fl.EntropyQuantize(9), gap(9), rel=0.25),
    Row(fl.EntropyQuantize(2, "context"), gap(2), rel=0.05),
    Row(fl.EntropyQuantize(1, "plain"), gap(1), rel=0.1),
    Row(fl.FixedStep(0.5), lambda x: x.size * 0.5**2 / 12, rel=0.05, any_range=False),
    Row(fl.FixedStep(0.25, "context"), lambda x: x.size * 0.25**2 / 12, rel=0.05, any_range=False),
    Row(fl.Sign(), sign, constants=False),
    Row(fl.Sign(model="context"), sign, constants=False),
    Row(fl.DCT(4, 4) | fl.Quantize(6), grid(6)),  # of a vector: nothing is transformed
    Row(fl.DCT(4, 4) | fl.EntropyQuantize(2, "context"), gap(2), rel=0.05),
    Row(fl.Blocks(1000) | fl.Sign("array"), by_blocks(1000, sign), constants=False),
    Row(fl.Blocks(256) | fl.Quantize(4, ranges="array"), by_blocks(256, grid(4))),
    Row(fl.Blocks(4000) | fl.EntropyQuantize(3, "context"), gap(3), rel=0.05),
    Row(fl.TopK(0.05, "context") | fl.Quantize(4, entropy=True, model="context"), largest(0.05, grid(4))),
    Row(fl.Threshold(1.5, "context") | fl.Sign("array", "context"), above(1.5, sign), constants=False),
    Row(fl.QSGD(4, "context"), qsgd(4), draws=True, constants=False, unbiased=True),
    Row(fl.QSGD(1), qsgd(1), rel=0.15, draws=True, constants=False, unbiased=True),
    Row(fl.QSGD(4), qsgd(4), draws=True, constants=False, unbiased=True),
    Row(fl.QSGD(300), qsgd(300), draws=True, constants=False, unbiased=True),
    Row(fl.LloydMax(1, unbiased=True), lloyd(1, unbiased=True), rel=0.05, constants=False),
    Row(fl.LloydMax(3), lloyd(3), rel=0.05, constants=False),
    Row(fl.Rotate(), nothing, draws=True, constants=False),
    Row(fl.Rotate() | fl.Quantize(2, "stochastic"), rotated(2, 7), rel=0.2, draws=True, constants=False, unbiased=True),
    Row(fl.Rotate() | fl.BFloat16(), rounding(8), rel=0.05, draws=True, constants=False),
    Row(fl.Eden(1), lloyd(1, unbiased=True), rel=0.05, draws=True, constants=False),
    Row(fl.Eden(2), lloyd(2, unbiased=True), rel=0.05, draws=True, constants=False),
    Row(fl.Eden(4, unbiased=False), lloyd(4), rel=0.05, draws=True, constants=False),
    Row(fl.Eden(8), lloyd(8, unbiased=True), rel=0.15, draws=True, constants=False),
    Row(fl.TopK(1), largest(1)),
    Row(fl.TopK(0.1), largest(0.1)),
    Row(fl.TopK(0.99), largest(0.99)),
    Row(fl.TopK(1.0), largest(1.0)),
    Row(fl.TopK(0.01) | fl.Quantize(8), largest(0.01, grid(8))),
    Row(fl.TopK(0.5) | fl.Quantize(3, "stochastic"), largest(0.5, grid(3, "stochastic")), draws=True),
    Row(fl.TopK(0.05) | fl.Sign(), largest(0.05, sign), constants=False),
    Row(fl.TopK(0.1) | fl.EntropyQuantize(3), largest(0.1), rel=0.05),
    Row(fl.TopK(0.2) | fl.Rotate() | fl.LloydMax(2), largest(0.2, lloyd(2)), draws=True, constants=False),
    Row(fl.Threshold(1e-46), nothing),
    Row(fl.Threshold(1e-9) | fl.Quantize(5), above(1e-9, grid(5)), constants=False),
    Row(fl.Threshold(1) | fl.BFloat16(), above(1, rounding(8)), constants=False),
    Row(fl.Threshold(0.7) | fl.Float16(), above(0.7, rounding(11)), constants=False, any_range=False),
    Row(fl.RandomK(0.1), drawn(0.1), rel=0.1, draws=True, constants=False, unbiased=True),
    Row(fl.RandomK(0.1, unbiased=False) | fl.Quantize(8), drawn(0.1, grid(8), unbiased=False), draws=True, constants=False),
    Row(fl.RandomK(0.4, unbiased=False) | fl.EntropyQuantize(2), drawn(0.4, gap(2), unbiased=False), draws=True),
    Row(fl.RandomK(0.3) | fl.QSGD(4), drawn(0.3, qsgd(4 / 0.3**0.5)), rel=0.05, draws=True, constants=False, unbiased=True),
    Row(fl.RandomK(0.25) | fl.Eden(1), drawn(0.25, lloyd(1, True)), rel=0.05, draws=True, constants=False),
    Row(
        fl.TopK(0.7) | fl.RandomK(0.5) | fl.Rotate() | fl.Quantize(4, "stochastic"),
        largest(0.7, drawn(0.5, rotated(4, 7))), rel=0.1, draws=True, constants=False,
    ),
]  # fmt: skip
CODECS = [row.codec for row in ROWS]


def without_a_row(stages: Iterable[type[fl.Codec]]) -> list[str]:
    """The names of those `stages` that no row has, alone or in a composition."""
    had = {type(stage) for codec in CODECS for stage in (codec, *codec.stages)}
    return sorted(stage.__name__ for stage in set(stages) - had)


def stages_of_the_wing(stage=fl.Codec):
    """All public classes of stages that fedlab_utils.codecs defines."""
    for below in stage.__subclasses__():
        if below.__module__.startswith("fedlab_utils.") and not below.__name__.startswith("_") and below is not Pipeline:
            yield below
        yield from stages_of_the_wing(below)


# What the tests of codecs share besides

float32s = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-3, 3).map(float)
vectors = arrays(np.float32, st.integers(0, 60), elements=float32s)
EXTREMES = [
    np.zeros(0, np.float32),
    np.zeros(7, np.float32),
    np.full(9, -2.5, np.float32),
    np.float32([3]),
    np.float32([3.4028235e38, -3.4028235e38, 1, 0]),
    np.float32([1e-45, -1e-45, 1e-40, 0]),
    np.float32([1e-45, 3.4028235e38]),
    np.float32([-0.0, 0.0]),
]


def with_extremes(test):
    for x in EXTREMES:
        test = example(x=x)(test)
    return given(x=vectors)(test)


def rng(seed=0):
    return np.random.default_rng(seed)


def gaussian(n, seed=0):
    return rng(seed).standard_normal(n).astype(np.float32)


def sent(codec, x, seed=0):
    return fl.decode(codec.encode(x, rng(10**6 + seed)))  # never the numbers that x was drawn from


def mean_is_x(codec, x, draws):
    """The mean over `draws` encodings is x: its squared error is what the variance of a mean leaves, no more.

    For an unbiased codec draws * ||mean - x||^2 is the variance of one draw on average; of a sum over many weights the
    deviation from it is small. A bias b would add draws * ||b||^2.
    """
    total, square = np.zeros(x.size), 0.0
    for seed in range(draws):
        decoded = sent(codec, x, seed).astype(np.float64)
        total += decoded
        square += float(np.sum((decoded - x) ** 2))
    ratio = draws * float(np.sum((total / draws - x) ** 2)) / (square / draws)
    return ratio


def read(function, data, *args):
    """What `function` reads from a sealed message of `data`, all of it."""
    reader = wire.Reader(wire.seal(data))
    result = function(reader, *args)
    reader.finish()
    return result


class Counting(wire.Reader):
    """A reader that counts the bytes of a header: the fields of a few bytes that no coder of levels or supports reads."""

    header = 0

    def take(self, count):
        frame = sys._getframe(1)
        coders = ("ans.py", "curves.py", "entropy.py", "levels.py", "lines.py", "masks.py", "rice.py", "supports.py")
        while frame and not frame.f_code.co_filename.endswith(coders):
            frame = frame.f_back
        if count <= 4 and not frame:
            Counting.header += count
        return super().take(count)


def header_bytes(payload):
    """How many of its bytes are header, envelope and checksum included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "Reader", Counting)
        Counting.header = 1 + wire.CHECKSUM_BYTES
        fl.decode(payload)
    return Counting.header


def sealed(body):
    """A message with a right checksum around any bytes; written again here, so that the tests do not lean on `seal`."""
    message = bytes([wire.MAGIC]) + body
    return message + zlib.crc32(message).to_bytes(4, "little")


def in_another_process(code, stdin=b""):
    root = Path(fl.__file__).resolve().parents[1]
    return subprocess.run([sys.executable, "-c", code], input=stdin, capture_output=True, cwd=root, timeout=60)
