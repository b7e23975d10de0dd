"""Sign, its ternary composition, and QSGD: each against its formula, its bound, and its limit, in real bytes."""

import math

import numpy as np
import pytest
from table import HEADER, N_DOCUMENT, gaussian, rng, sent

import fedlab_utils as fl
from fedlab_utils import theory


def test_sign_by_hand():
    assert sent(fl.Sign(), [3, -1, 0, -4]).tolist() == [2, -2, 2, -2]
    assert len(fl.Sign().encode(gaussian(N_DOCUMENT))) <= math.ceil(N_DOCUMENT / 8) + HEADER


def test_sign_misses_one_minus_two_over_pi_of_a_gaussian(million):
    assert fl.nmse(million, sent(fl.Sign(), million)) == pytest.approx(1 - 2 / math.pi, rel=0.005)


def test_ternary_by_hand():
    """STC: the k largest become plus and minus their mean magnitude."""
    decoded = sent(fl.TopK(3) | fl.Sign(), [0.5, -6, 0, 3, 1, -3])
    assert decoded.tolist() == [0, -4, 0, 4, 0, -4]


def test_ternary_costs_its_support_and_a_bit_each(million):
    k = 10_177
    payload = (fl.TopK(k) | fl.Sign()).encode(gaussian(N_DOCUMENT))
    assert len(payload) <= 1.01 * fl.log2_binomial(N_DOCUMENT, k) / 8 + k / 8 + HEADER + 1
    # The reference, section 4.3: at ten percent ternary adds .014 to the NMSE of top-k on a Gaussian.
    added = fl.nmse(million, sent(fl.TopK(0.1) | fl.Sign(), million)) - fl.nmse(million, sent(fl.TopK(0.1), million))
    assert added == pytest.approx(0.014, abs=0.001)


@pytest.mark.parametrize("levels", [1, 4, 16, 64, 317])
@pytest.mark.parametrize("draw", ["standard_normal", "laplace", "delta"])
def test_qsgd_keeps_its_bound(levels, draw, delta):
    x = delta if draw == "delta" else getattr(rng(), draw)(size=100_352).astype(np.float32)
    errors = [fl.nmse(x, sent(fl.QSGD(levels), x, seed)) for seed in range(8)]
    assert np.mean(errors) <= theory.qsgd_variance_bound(x.size, levels)
    # Exactly: the fraction f of a level is rounded with the variance f (1 - f), in units of (norm / levels)^2.
    fraction = np.abs(x) / np.linalg.norm(x.astype(np.float64)) * levels % 1
    assert np.mean(errors) == pytest.approx(float(np.sum(fraction * (1 - fraction))) / levels**2, rel=0.05)


@pytest.mark.parametrize("levels", [64, 150, 400])
def test_qsgd_of_many_levels_errs_as_it_says(levels):
    """By n / (6 s²): fractions of a level, then spread evenly, are rounded with the variance 1/6 on average."""
    x = gaussian(4096)
    errors = [fl.nmse(x, sent(fl.QSGD(levels), x, seed)) for seed in range(8)]
    assert np.mean(errors) == pytest.approx(fl.QSGD(levels).random_error(x.size), rel=0.05)


def test_qsgd_values_are_multiples_of_the_norm():
    x = gaussian(1000)
    unit = np.linalg.norm(x.astype(np.float64)) / 7
    levels = sent(fl.QSGD(7), x) / unit
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-5)
    assert np.abs(levels - x / unit).max() < 1 + 1e-5
    assert sent(fl.QSGD(3), [0, -5, 0]).tolist() == [0, -5, 0]  # one-hot: its norm is itself


def test_qsgd_needs_no_more_bits_than_the_paper_has_it():
    """Theorem 3.4 at s = sqrt(n): 2.8 n + 32 bits; at s = 1, theorem 3.2: about sqrt(n) (log2 n + O(1))."""
    x = gaussian(N_DOCUMENT)
    assert 8 * len(fl.QSGD(319).encode(x, rng())) < 2.8 * x.size + 32
    assert 8 * len(fl.QSGD(1).encode(x, rng())) < math.sqrt(x.size) * (math.log2(x.size) + 2)
