"""Uniform quantization, the document's and the entropy-coded: half a step, exact lengths, Shannon's limit, bounds."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from table import HEADER, N_DOCUMENT, gaussian, rng, sent, with_extremes

import fedlab_utils as fl
from fedlab_utils import theory
from fedlab_utils.codecs import uniform


def within_half_a_step(x, x_hat, bits, steps=Fraction(1, 2)):
    """|x - x_hat| <= steps * (max - min) / (2^bits - 1), in exact arithmetic, up to one rounding to float32."""
    x = x.tolist()
    step = (Fraction(max(x)) - Fraction(min(x))) / (2**bits - 1)
    for value, decoded in zip(x, x_hat.tolist(), strict=True):
        slack = abs(Fraction(decoded)) / 2**23 + Fraction(1, 2**149) + Fraction(max(map(abs, x))) / 2**48
        assert abs(Fraction(value) - Fraction(decoded)) <= steps * step + slack


@pytest.mark.parametrize("bits", [1, 2, 5, 8, 9, 16])
@with_extremes
def test_quantize_errs_by_half_a_step_at_most(bits, x):
    for rounding, steps in (("nearest", Fraction(1, 2)), ("floor", 1), ("stochastic", 1)):
        decoded = fl.decode(fl.Quantize(bits, rounding).encode(x, rng()))
        assert decoded.dtype == np.float32 and decoded.shape == x.shape and np.isfinite(decoded).all()
        if x.size:
            within_half_a_step(x, decoded, bits, steps)


@pytest.mark.parametrize("bits", [1, 8, 13])
@with_extremes
def test_top_k_then_quantize_is_one_after_the_other(bits, x):
    decoded = fl.decode((fl.TopK(0.3) | fl.Quantize(bits)).encode(x))
    kept = sorted(sorted(range(x.size), key=lambda i: (-abs(x[i]), i))[: math.ceil(3 * x.size / 10)])
    assert decoded.shape == x.shape and not np.delete(decoded, kept).any()
    if kept:
        within_half_a_step(x[kept], decoded[kept], bits)


@pytest.mark.parametrize("bits", range(1, 17))
def test_quantized_payload_is_the_levels_and_a_header(bits):
    for n in (1, 7, 8, 1000, N_DOCUMENT):
        assert 0 < len(fl.Quantize(bits).encode(gaussian(n))) - math.ceil(n * bits / 8) <= HEADER


def test_eight_bits_are_a_byte_a_weight():
    assert len(fl.Quantize(8).encode(gaussian(N_DOCUMENT))) <= N_DOCUMENT + HEADER


@pytest.mark.parametrize("bits", range(2, 9))
def test_entropy_coded_uniform_quantization_is_near_shannons_limit(million, bits):
    payload = fl.EntropyQuantize(bits).encode(million)
    rate, error = fl.bits_per_weight(payload, million.size), fl.nmse(million, fl.decode(payload))
    assert error <= theory.gaussian_rate_distortion(rate - 0.26)
    assert error > theory.gaussian_rate_distortion(rate)  # or the bytes are not all there
    assert rate == pytest.approx(bits, abs=0.01)


@pytest.mark.parametrize("draw", ["standard_normal", "laplace", "standard_t", "delta", "sparse"])
@pytest.mark.parametrize("bits", [0.3, 1, 2.5, 4])
def test_the_entropy_wanted_is_found(draw, bits, delta):
    x = {"delta": delta, "sparse": gaussian(N_DOCUMENT) * (rng(1).random(N_DOCUMENT) < 0.3)}.get(draw)
    if x is None:
        x = getattr(rng(), draw)(*([3] if draw == "standard_t" else []), size=N_DOCUMENT)
    rate = fl.bits_per_weight(fl.EntropyQuantize(bits).encode(x), x.size)
    assert rate == pytest.approx(bits, abs=0.02 + 0.02 * bits)  # the model included


def test_centroids_are_better_than_the_middles(million):
    """At two bits a uniform quantizer with 13 levels: what centroids gain, against the middles of the same levels."""
    decoded = sent(fl.EntropyQuantize(2), million)
    levels = np.unique(decoded, return_inverse=True)[1]
    means = np.bincount(levels, weights=million) / np.bincount(levels)
    assert fl.nmse(million, decoded) == pytest.approx(fl.nmse(million, means[levels]), rel=1e-3)
    step = np.diff(np.unique(decoded)).max() * 1.02
    middles = np.rint(million / step) * step
    assert fl.nmse(million, decoded) < 0.99 * fl.nmse(million, middles)


@pytest.mark.parametrize("bits", [0.5, 4, 16])
@settings(deadline=None, max_examples=50)
@given(x=arrays(np.float32, st.integers(1, 60), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_entropy_quantize_takes_any_vector(bits, x):
    decoded = sent(fl.EntropyQuantize(bits), x)
    assert decoded.shape == x.shape and np.isfinite(decoded).all()
    top = float(np.abs(x).max())
    if bits == 16 and x.size:  # entropy never suffices: the least step, 2**15 levels a side
        assert np.abs(decoded.astype(np.float64) - x).max() <= max(top / 2**15, 2.0**-148)
    assert not decoded[x == 0].any()


@pytest.mark.parametrize("bits", [0.5, 2, 4])
def test_zero_stays_zero_where_what_is_rounded_to_it_is_on_one_side(bits):
    x = np.array([9.66e15, 0, *[4.81e14] * 4] * 3, np.float32)
    assert not sent(fl.EntropyQuantize(bits), x)[x == 0].any()


def test_entropy_quantize_of_a_constant_is_exact_and_of_few_bytes():
    for value in (0.0, -7.25, 1e-45, 3.4028235e38):
        payload = fl.EntropyQuantize(3).encode(np.full(1000, value, np.float32))
        assert len(payload) <= HEADER and set(fl.decode(payload).tolist()) == {np.float32(value).item()}


def test_the_entropy_stage_changes_no_value_and_saves_bytes(delta):
    for bits in (1, 4, 8, 12):
        plain, coded = (fl.Quantize(bits, entropy=flag).encode(delta) for flag in (False, True))
        np.testing.assert_array_equal(fl.decode(coded), fl.decode(plain))
        assert len(coded) < 0.75 * len(plain)
    x = rng().random(1000)  # nothing to save: packed, and the few bytes that say so
    assert len(fl.Quantize(8, entropy=True).encode(x)) <= len(fl.Quantize(8).encode(x)) + 2


@pytest.mark.parametrize(("bits", "rotated"), [(1, False), (2, False), (4, False), (1, True), (2, True), (4, True)])
def test_sureshs_bounds_hold_for_the_mean_of_clients(bits, rotated):
    n, clients, codec = 1024, 20, fl.Quantize(bits, "stochastic")
    codec = fl.Rotate() | codec if rotated else codec
    x = rng().standard_normal((clients, n)) + rng(1).standard_normal(n)
    x[:, 0] += 20  # one large weight: what rotation is for
    draws = []
    for seed in range(20):
        mean = np.mean([sent(codec, x[c], 1000 * seed + c) for c in range(clients)], axis=0)
        draws.append(np.sum((mean - x.mean(axis=0)) ** 2))
    bound = theory.suresh_variance_bound(n, 2**bits, clients, rotated)
    assert np.mean(draws) <= bound * np.mean(np.sum(x**2, axis=1))


@pytest.mark.parametrize("n", [2, 1000, uniform.SAMPLE])
def test_the_step_of_a_short_vector_is_sought_on_all_of_it(n, monkeypatch):
    codec, x = fl.EntropyQuantize(2), gaussian(n)
    payload = codec.encode(x)
    monkeypatch.setattr(np.random, "PCG64", None)  # what draws the sample of a longer one
    assert codec.encode(x) == payload
    with pytest.raises(TypeError):
        codec.encode(gaussian(uniform.SAMPLE + 1))


def test_many_weights_at_the_bottom_of_float32_come_back():
    """The step is never finer than the least float32, 2^-149, however many bits there are to spend."""
    x = rng().integers(-3, 4, 100_000) * np.float32(2.0**-149)
    np.testing.assert_array_equal(sent(fl.EntropyQuantize(16), x), x)


def test_a_fixed_step_errs_by_so_much_whatever_the_vector_and_small_vectors_take_few_bytes():
    x = gaussian(20_000)
    small, large = (fl.FixedStep(0.125).encode(scale * x) for scale in (0.1, 1))
    assert np.abs(fl.decode(large) - x).max() <= 0.7 * 0.125  # half a step, and 0.2 of one where tails are heavy
    assert fl.nmse(x, fl.decode(large)) == pytest.approx(0.125**2 / 12, rel=0.05)
    assert len(small) < len(large) / 2.5
    with pytest.raises(ValueError, match=r"x must be within 32,768 steps of 9.98378e-07, but it reaches 4.02"):
        fl.FixedStep(1e-6).encode(x)
    edge = np.float32([0, 2.0**-3 * 2**15])
    np.testing.assert_array_equal(fl.decode(fl.FixedStep(2.0**-3).encode(edge)), edge)
    with pytest.raises(ValueError, match=r"32,768 steps of 0\.125, "):
        fl.FixedStep(2.0**-3).encode(edge * np.float32(1.001))
    for step in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="step must be"):
            fl.FixedStep(step)
