"""The rotation against Sylvester's matrix; Lloyd–Max and EDEN against the constants of their papers."""

import math

import numpy as np
import pytest
from table import HEADER, gaussian, rng, sealed, sent

import fedlab_utils as fl
from fedlab_utils import theory
from fedlab_utils.codecs import (
    encode_levels,
    rotation,
)


@pytest.mark.parametrize("order", range(8))
def test_hadamard_is_sylvesters_matrix(order):
    matrix = np.ones((1, 1))
    for _ in range(order):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    x = gaussian(2**order)
    np.testing.assert_allclose(rotation.hadamard(x), matrix @ x / 2 ** (order / 2), atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 512, 2**13, 2**18])
def test_hadamard_is_its_own_inverse_and_keeps_lengths(n):
    x = gaussian(n)
    np.testing.assert_allclose(rotation.hadamard(rotation.hadamard(x)), x, atol=3e-6)
    assert np.linalg.norm(rotation.hadamard(x)) == pytest.approx(np.linalg.norm(x), rel=1e-5)


@pytest.mark.parametrize("n", [0, 3, 12])
def test_hadamard_of_another_length_is_refused(n):
    with pytest.raises(ValueError, match=f"n must be a power of two, got {n}"):
        rotation.hadamard(np.zeros(n, np.float32))


@pytest.mark.parametrize("n", [0, 1, 5, 64, 1000])
def test_rotation_alone_loses_float32_rounding(n):
    x = gaussian(n)
    payload = fl.Rotate().encode(x, rng())
    padded = 2 ** math.ceil(math.log2(n)) if n else 0
    assert 0 < len(payload) - 4 * padded <= HEADER
    np.testing.assert_allclose(fl.decode(payload), x, atol=3e-6)


def test_rotation_makes_a_gaussian_of_anything():
    x = np.zeros(2**14, np.float32)
    x[rng().choice(x.size, 200, replace=False)] = rng().standard_t(3, 200)
    y = fl.Rotate().forward(x, rng())[1].astype(np.float64)
    y /= math.sqrt(np.mean(y**2))
    assert np.mean(y**4) == pytest.approx(3, abs=0.2) and np.abs(y).max() < 6


@pytest.mark.parametrize("bits", range(1, 9))
def test_eden_reaches_its_constants(million, bits):
    """Reference, section 4.2: D of Lloyd–Max biased, D / (1 - D) unbiased, on a Gaussian and on what is far from one."""
    distortion = [0.36338, 0.11748, 0.034548, 0.0095010, 0.002505, 6.442e-4, 1.635e-4, 4.12e-5][bits - 1]
    entropy = [1, 1.911, 2.825, 3.765, 4.730, 5.710, 6.700, 7.694][bits - 1]  # of its levels, column H(LM)
    vectors = [million, rng().standard_t(3, 2**20).astype(np.float32)] if bits in (1, 4) else [million]
    for x in vectors:
        for unbiased, expected in ((True, distortion / (1 - distortion)), (False, distortion)):
            payload = fl.Eden(bits, unbiased).encode(x, rng())
            assert fl.nmse(x, fl.decode(payload)) == pytest.approx(expected, rel=0.015)
            assert fl.bits_per_weight(payload, x.size) == pytest.approx(entropy, abs=0.003)


@pytest.mark.parametrize("p", [0.5, 0.125])
def test_eden_below_one_bit(million, p):
    """A random part of the weights, one bit each: NMSE (pi / 2) / p - 1."""
    errors = []
    for seed in range(3):
        payload = (fl.RandomK(p) | fl.Eden(1)).encode(million, rng(seed))
        errors.append(fl.nmse(million, fl.decode(payload)))
    assert np.mean(errors) == pytest.approx(math.pi / 2 / p - 1, rel=0.015)
    assert fl.bits_per_weight(payload, million.size) <= p + 8 * HEADER / million.size


def test_rotation_rescues_one_bit_of_a_real_delta(delta):
    """Two levels from min to max lose a real delta altogether; rotated, one bit a weight loses what a Gaussian's does."""
    padded = 2**17
    # What the padding's weights decode to is dropped, so of the error n / padded remains.
    expected = math.pi / 2 - 1
    assert fl.nmse(delta, sent(fl.Quantize(1), delta)) > 20 * expected
    assert fl.nmse(delta, sent(fl.Eden(1), delta)) == pytest.approx(expected * delta.size / padded, rel=0.05)


@pytest.mark.parametrize("bits", range(1, 9))
def test_lloyd_max_scales_are_those_of_the_docstring(bits):
    x = gaussian(500, seed=4)
    grid = theory.lloyd_max(bits)
    level = np.abs(x[:, None] / np.sqrt(np.mean(x.astype(np.float64) ** 2)) - grid.values).argmin(axis=1)
    q = grid.values[level]
    for unbiased, scale in ((False, x @ q / (q @ q)), (True, x @ x / (x @ q))):
        np.testing.assert_allclose(sent(fl.LloydMax(bits, unbiased), x), scale * q, rtol=1e-5)


def test_edens_constant_holds_for_dense_vectors_and_not_for_the_sparsest():
    """What its docstring says: two weights are decoded to 1.25 and 0 for every seed, 1,000 of any spread near the constant."""
    x = np.zeros(1024, np.float32)
    x[:2] = 1, 0.5
    for seed in range(5):
        np.testing.assert_allclose(fl.decode(fl.Eden(1).encode(x, np.random.default_rng(seed)))[:2], [1.25, 0], atol=1e-5)
    for power in (1, 9):  # Gaussian, and a few weights that hold most of the energy
        dense = np.random.default_rng(0).standard_normal(1024) ** power
        errors = [fl.nmse(dense, fl.decode(fl.Eden(1).encode(dense, np.random.default_rng(seed)))) for seed in range(20)]
        assert abs(np.mean(errors) - fl.Eden(1).stages[1].random_error(1024)) < 0.03


@pytest.mark.parametrize("levels", [[0, -1, 1], [0, 4, 1]])
def test_coded_levels_outside_those_of_the_bits_are_damage(levels):
    coded = encode_levels(np.array(levels))
    with pytest.raises(ValueError, match=f"levels {min(levels)} … {max(levels)} of 2 bits"):
        fl.decode(sealed(b"\x03" + bytes([0x60 | 8 | 1]) + np.float32(1).tobytes() + coded))
