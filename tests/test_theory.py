"""Limits, against exact integers and fractions, and against sums written out."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedlab_utils as fl
from fedlab_utils import theory
from fedlab_utils.theory import rounding_mse

halves = st.integers(-20, 20).map(lambda v: v / 2)
pairs = st.lists(st.tuples(halves, halves), min_size=1, max_size=30)


@given(pairs)
def test_nmse_is_its_formula(xy):
    x, x_hat = ([pair[i] for pair in xy] for i in (0, 1))
    error = sum(Fraction(a - b) ** 2 for a, b in xy)
    energy = sum(Fraction(a) ** 2 for a in x)
    if energy:
        assert fl.nmse(x, x_hat) == pytest.approx(float(error / energy), rel=1e-12, abs=0)
    else:
        assert fl.nmse(x, x_hat) == (math.inf if error else 0)


def test_nmse_of_many_weights_is_of_all_blocks():
    x, x_hat = np.random.default_rng(0).normal(size=(2, 3, theory.BLOCK // 2 + 7))
    assert fl.nmse(x, x_hat) == pytest.approx(np.linalg.norm(x - x_hat) ** 2 / np.linalg.norm(x) ** 2, rel=1e-12)


def test_nmse_by_hand():
    assert fl.nmse([3, 4], [3, 0]) == 16 / 25
    assert fl.nmse([[1, 2], [3, 4]], np.zeros((2, 2))) == 1
    assert fl.nmse([], []) == 0


def test_nmse_is_computed_in_float64():
    x = np.full(10, 1e30, np.float32)  # its square does not fit into float32
    assert fl.nmse(x, x * np.float32(0.5)) == pytest.approx(0.25, rel=1e-6)


def test_nmse_of_top_k_on_a_gaussian_is_the_energy_dropped():
    """For the largest share p of a Gaussian, with t the threshold: 1 - p - 2 t phi(t); t = 1.6449 at ten percent."""
    x = np.random.default_rng(0).standard_normal(2**18)
    t = 1.6448536
    expected = 1 - 0.1 - 2 * t * math.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    assert expected == pytest.approx(0.56, abs=0.003)  # as the table of section 4.3 of the reference has it
    assert fl.nmse(x, fl.top_k(x, 0.1).to_dense()) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("a", "b"), [(2, 3), ((2, 3), (3, 2)), ((2, 1), 2), ((), 1)])
def test_nmse_refuses_two_shapes(a, b):
    with pytest.raises(ValueError, match="one shape"):
        fl.nmse(np.ones(a), np.ones(b))


def test_bits_per_weight():
    assert fl.bits_per_weight(b"", 5) == 0
    assert fl.bits_per_weight(bytes(100), 100) == 8
    assert fl.bits_per_weight(bytes(407_080), 101_770) == 32


@pytest.mark.parametrize("n", [0, -1])
def test_bits_of_no_weights_are_refused(n):
    with pytest.raises(ValueError, match=f"n .* must be at least 1, got {n}"):
        fl.bits_per_weight(b"abc", n)


@given(n=st.integers(0, 3000), data=st.data())
def test_log2_binomial_is_that_of_the_exact_integer(n, data):
    k = data.draw(st.integers(0, n))
    assert fl.log2_binomial(n, k) == pytest.approx(math.log2(math.comb(n, k)), rel=1e-9, abs=1e-8)


@pytest.mark.parametrize(("k", "bits"), [(10_177, 47_722), (5_088, 29_137), (1_018, 8_218), (509, 4_617), (102, 1_159)])
def test_log2_binomial_of_the_documents_model(k, bits):
    """The table of section 4.1 of the reference on compression."""
    assert fl.log2_binomial(101_770, k) == pytest.approx(bits, abs=0.5)


@given(n=st.integers(1, 10**6), data=st.data())
def test_log2_binomial_is_symmetric_and_zero_at_both_ends(n, data):
    k = data.draw(st.integers(0, n))
    assert fl.log2_binomial(n, k) == pytest.approx(fl.log2_binomial(n, n - k), rel=1e-9, abs=1e-6)
    assert fl.log2_binomial(n, 0) == pytest.approx(0, abs=1e-6)
    assert fl.log2_binomial(n, 1) == pytest.approx(math.log2(n), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("rounding", "error"),
    [
        ("floor", lambda f: f**2),
        ("nearest", lambda f: min(f, 1 - f) ** 2),
        ("stochastic", lambda f: f * (1 - f) ** 2 + (1 - f) * f**2),
    ],
)
def test_rounding_mse_is_the_mean_over_a_step(rounding, error):
    """The mean of the squared error over the fraction f, as a sum over 1,000 middles of equal parts."""
    mean = math.fsum(error((i + 0.5) / 1000) for i in range(1000)) / 1000
    for step in (1, 0.25, 3):
        assert rounding_mse(step, rounding) == pytest.approx(mean * step**2, rel=1e-5)


def test_floor_nearest_stochastic_are_as_4_to_1_to_2():
    floor, nearest, stochastic = (rounding_mse(0.1, rounding) for rounding in ("floor", "nearest", "stochastic"))
    assert floor / nearest == pytest.approx(4) and stochastic / nearest == pytest.approx(2)


def test_gaussian_rate_distortion_is_six_decibel_a_bit():
    assert [theory.gaussian_rate_distortion(bits) for bits in (0, 1, 2, 8)] == [1, 1 / 4, 1 / 16, 2**-16]


def test_ecsq_gap_is_a_quarter_of_a_bit():
    """The entropy of a uniform quantizer with a fine step s is h - log2 s, its error s^2 / 12; h of a Gaussian is known."""
    step, h = 1e-3, 0.5 * math.log2(2 * math.pi * math.e)
    rate, error = h - math.log2(step), step**2 / 12
    assert rate - 0.5 * math.log2(1 / error) == pytest.approx(theory.ECSQ_GAP_BITS, abs=1e-9)
    assert theory.ECSQ_GAP_BITS == pytest.approx(0.2546, abs=5e-5)


@pytest.mark.parametrize("bits", range(1, 9))
def test_lloyd_max_meets_both_of_its_conditions_and_the_published_distortion(bits):
    grid = theory.lloyd_max(bits)
    # Max 1960, table I, and the reference, section 4.2.
    published = [0.36338, 0.11748, 0.034548, 0.0095010, 0.002505, 6.442e-4, 1.635e-4, 4.12e-5][bits - 1]
    assert grid.distortion == pytest.approx(published, rel=5e-4)
    assert grid.values.shape == (2**bits,) and grid.thresholds.shape == (2**bits - 1,)
    np.testing.assert_allclose(grid.values, -grid.values[::-1])
    # Nearest value, and the mean of the cell, by integrating the density numerically; the error likewise.
    t = np.linspace(-10, 10, 2_000_001)
    density = np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi) * (t[1] - t[0])
    cell = np.searchsorted(grid.thresholds, t)
    means = np.bincount(cell, density * t) / np.bincount(cell, density)
    np.testing.assert_allclose(means, grid.values, atol=3e-4)
    np.testing.assert_allclose(grid.thresholds, (grid.values[1:] + grid.values[:-1]) / 2)
    assert np.sum(density * (t - grid.values[cell]) ** 2) == pytest.approx(grid.distortion, rel=1e-5)


def test_lloyd_max_of_one_bit_is_known():
    grid = theory.lloyd_max(1)
    np.testing.assert_allclose(grid.values, [-math.sqrt(2 / math.pi), math.sqrt(2 / math.pi)])
    assert grid.distortion == pytest.approx(1 - 2 / math.pi)


@pytest.mark.parametrize("bits", [0, 9, 1.5])
def test_lloyd_max_refuses_such_bits(bits):
    with pytest.raises((ValueError, TypeError), match="bits must be"):
        theory.lloyd_max(bits)


def test_suresh_bounds_by_hand():
    assert theory.suresh_variance_bound(1000, 2) == 500
    assert theory.suresh_variance_bound(1000, 16, clients=10) == pytest.approx(1000 / (2 * 10 * 225))
    assert theory.suresh_variance_bound(1024, 2, 4, rotated=True) == pytest.approx((20 * math.log(2) + 2) / 4)
    with pytest.raises(ValueError, match="levels must be at least 2, got 1"):
        theory.suresh_variance_bound(10, 1)


def test_qsgd_bound_by_hand():
    """Reference, section 3: n = 100,352 and s = 1, 4, 16, 64, 317."""
    bounds = [theory.qsgd_variance_bound(100_352, s) for s in (1, 4, 16, 64, 317)]
    np.testing.assert_allclose(bounds, [317, 79, 19.8, 4.95, 1.0], rtol=0.005)
    with pytest.raises(ValueError, match="levels must be at least 1, got 0"):
        theory.qsgd_variance_bound(10, 0)


def test_conditional_bits_of_two_rows_by_hand():
    """0 1 0 1 and 2 0 3 0: 1.75 bits a level with one histogram, 1 and 1.5 with one a row. Nothing holds nothing."""
    rows = np.array([[2, 2, 0, 0], [2, 0, 1, 1]])
    assert theory.conditional_bits(rows) == 8 * 1.25 and theory.conditional_bits(rows.sum(axis=0, keepdims=True)) == 8 * 1.75
    assert theory.conditional_bits(rows[:1]) == 4 and theory.conditional_bits(rows[1:]) == 6
    assert theory.conditional_bits(np.zeros((0, 4), int)) == theory.conditional_bits(np.zeros((3, 0), int)) == 0


@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=1, max_size=6))
def test_knowing_the_class_never_costs(counts):
    counts = np.array(counts)
    assert -1e-9 <= theory.conditional_bits(counts) <= theory.conditional_bits(counts.sum(axis=0, keepdims=True)) + 1e-9
