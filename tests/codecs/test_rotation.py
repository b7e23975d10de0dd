"""The rotation against Sylvester's matrix; Lloyd–Max and EDEN against the constants of their papers."""

import math

import numpy as np
import pytest
from table import HEADER, gaussian, mean_is_x, rng, sealed, sent

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
    assert 0 < len(payload) - 4 * n <= HEADER
    np.testing.assert_allclose(fl.decode(payload), x, atol=3e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("n", [4097, 65_537, 101_770])
def test_a_weight_more_than_a_power_of_two_costs_no_more_than_its_bits(n, bits):
    """Earlier versions padded: 65,537 weights took twice the bytes of 65,536."""
    below = 1 << n.bit_length() - 1
    bytes_of = {size: len(fl.Eden(bits).encode(gaussian(size), rng())) for size in (n, below)}
    entropy = bytes_of[below] / below
    assert abs(bytes_of[n] - entropy * n) <= 8 + 0.004 * entropy * n  # what is entropy coded differs by the draw
    if bits == 1:
        assert bytes_of[n] - bytes_of[below] == -(-n // 8) - below // 8


def matrix_of(n, seed, back=False):
    """The rotation of n weights that `seed` draws, as a matrix."""
    return np.stack([rotation._rotate(row.copy(), seed, back) for row in np.eye(n, dtype=np.float32)], axis=1)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 16, 23, 31, 33, 64])
def test_a_rotation_is_orthogonal_for_every_number_of_weights(n):
    for seed in (b"\0\0\0", b"abc"):
        turned = matrix_of(n, seed)
        np.testing.assert_allclose(turned @ turned.T, np.eye(n), atol=3e-6)
        np.testing.assert_allclose(matrix_of(n, seed, back=True), turned.T, atol=1e-6)


@pytest.mark.parametrize("n", [32, 33, 48, 63])
@pytest.mark.parametrize("place", [0, 0.3, 0.6, 1])
def test_a_rotation_gives_every_place_the_same_part_of_every_weight(n, place):
    """On average over seeds: squares of its matrix are 1 / n, so that one scale is right for all places."""
    unit = np.eye(n, dtype=np.float32)[round(place * (n - 1))]
    squares = np.mean([rotation._rotate(unit.copy(), seed.to_bytes(3, "little")) ** 2 for seed in range(400)], axis=0)
    np.testing.assert_allclose(squares * n, 1, atol=0.45)  # six deviations of a mean of 400 whose variance is 2
    assert np.sqrt(squares).mean() ** 2 / squares.mean() > 0.99  # what is left of the constant of one bit


def test_no_wing_of_a_vector_is_left_out():
    """Weights that only the front, the middle, the end or a few of the places have: all of them reach the constant."""
    n = 1500
    for places in (slice(0, 300), slice(600, 900), slice(1200, 1500), slice(476, 1024), slice(0, None, 100), slice(7, 9)):
        x = np.zeros(n, np.float32)
        x[places] = gaussian(n)[places]
        errors = [fl.nmse(x, sent(fl.Eden(1), x, seed)) for seed in range(60)]
        assert np.mean(errors) == pytest.approx(math.pi / 2 - 1, rel=0.03)


def test_what_an_earlier_version_rotated_is_decoded():
    """Tag 0x80: signs, then one transform of the next power of two; written again here."""
    x, seed = gaussian(1000), b"\x07\x00\xff"
    bits = np.unpackbits(np.random.PCG64(int.from_bytes(seed, "little")).random_raw(16).astype("<u8").view(np.uint8))
    padded = np.concatenate([x, np.zeros(24, np.float32)])
    turned = rotation.hadamard(padded * (1 - 2 * bits.astype(np.float32)))
    decoded = fl.decode(sealed(b"\xe8\x07\x80" + seed + b"\x00" + turned.tobytes()))
    np.testing.assert_allclose(decoded, x, atol=3e-6)


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
    expected = math.pi / 2 - 1
    assert fl.nmse(delta, sent(fl.Quantize(1), delta)) > 20 * expected
    assert fl.nmse(delta, sent(fl.Eden(1), delta)) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("bits", range(1, 9))
def test_lloyd_max_scales_are_those_of_the_docstring(bits):
    x = gaussian(500, seed=4)
    grid = theory.lloyd_max(bits)
    level = np.abs(x[:, None] / np.sqrt(np.mean(x.astype(np.float64) ** 2)) - grid.values).argmin(axis=1)
    q = grid.values[level]
    for unbiased, scale in ((False, x @ q / (q @ q)), (True, x @ x / (x @ q))):
        np.testing.assert_allclose(sent(fl.LloydMax(bits, unbiased), x), scale * q, rtol=1e-5)


def two_weights(n):
    x = np.zeros(n, np.float32)
    x[:2] = 1, 0.5
    return x


@pytest.mark.slow
@pytest.mark.parametrize("bits", [1, 4])
@pytest.mark.parametrize(
    "x",
    [two_weights(100), two_weights(1024), two_weights(1999), gaussian(1000), gaussian(1024) ** 9, np.eye(1, 300, 7)[0]],
    ids=["two of 100", "two of 1024", "two of 1999", "Gaussian", "a few large ones", "one"],
)
def test_edens_constant_holds_whatever_the_vector(x, bits):
    errors = [fl.nmse(x, sent(fl.Eden(bits), x, seed)) for seed in range(150)]
    assert np.mean(errors) == pytest.approx(fl.Eden(bits).stages[1].random_error(x.size), rel=0.06)


def every_sign(n):
    return 1 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)


def decoded_at_one_bit(x, turned):
    """Levels of one bit with EDEN's scale, ||x||^2 / <turned, levels>: in the rotated frame."""
    levels = np.where(turned > 1e-12, 1.0, -1.0)
    return levels * (x @ x) / np.sum(turned * levels, axis=-1, keepdims=True)


def test_one_hadamard_transform_is_no_uniform_rotation():
    """All signs that there are, of eight weights, in arithmetic of the test's own: no draw of one transform is near x."""
    x, signs = two_weights(8).astype(np.float64), every_sign(8)
    matrix = np.stack([rotation.hadamard(row) for row in np.eye(8, dtype=np.float32)]).astype(np.float64)
    decoded = decoded_at_one_bit(x, signs * x @ matrix) @ matrix * signs
    np.testing.assert_allclose(decoded, np.tile([1.25, 0, 0, 0, 0, 0, 0, 0], (256, 1)), atol=1e-6)
    # And so it was in payloads of earlier versions, for every seed.
    for seed in range(20):
        seed = seed.to_bytes(3, "little")
        bits = np.unpackbits(np.random.PCG64(int.from_bytes(seed, "little")).random_raw(16).astype("<u8").view(np.uint8))
        turned = rotation.hadamard(two_weights(1024) * (1 - 2 * bits.astype(np.float32)))
        payload = sealed(b"\x80\x08\x80" + seed + fl.LloydMax(1, unbiased=True).forward(turned, None)[0])
        np.testing.assert_allclose(fl.decode(payload)[:3], [1.25, 0, 0], atol=1e-5)


def test_nor_are_two_but_what_is_decoded_averages_out_nearly():
    """Of all 65,536 signs of two transforms the mean is not x either. What is proved holds for each: <decoded, x> = ||x||^2."""
    x, signs = two_weights(8).astype(np.float64), every_sign(8)
    matrix = np.stack([rotation.hadamard(row) for row in np.eye(8, dtype=np.float32)]).astype(np.float64)
    once = signs * x @ matrix
    turned = once[:, None] * signs @ matrix
    decoded = (decoded_at_one_bit(x, turned) @ matrix * signs) @ matrix * signs[:, None]
    np.testing.assert_allclose(decoded @ x, 1.25, atol=1e-6)
    np.testing.assert_allclose(decoded.mean(axis=(0, 1)), [1.0503, 0.3993, 0, 0, 0, 0, 0, 0], atol=1e-4)
    drawn = np.mean([sent(fl.Eden(1), x, seed) for seed in range(1000)], axis=0)  # and so does the codec
    np.testing.assert_allclose(drawn[:2], [1.0503, 0.3993], atol=0.08)
    assert fl.Eden(1).biased and fl.Eden(1, unbiased=False).biased and fl.LloydMax(1, unbiased=True).biased


@pytest.mark.parametrize("n", [1, 7, 1000, 1024])
@pytest.mark.parametrize("bits", [1, 3])
def test_what_eden_decodes_has_the_inner_product_of_x_with_itself(n, bits):
    x = gaussian(n)
    for seed in range(5):
        assert sent(fl.Eden(bits), x, seed) @ x == pytest.approx(x @ x, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("codec", [fl.Eden(1), fl.Eden(2), fl.Eden(8), fl.RandomK(0.25) | fl.Eden(1)], ids=repr)
@pytest.mark.parametrize("x", [(gaussian(4000) ** 3).astype(np.float32), two_weights(1000)], ids=["dense", "two weights"])
def test_no_bias_of_eden_is_measured_from_a_hundred_weights_on(codec, x):
    """As for what is proved to be unbiased. The error of a mean over 400 clients is then a 400th: no floor is reached."""
    if len(codec.stages) == 3 and x[2] == 0:
        return  # of two weights one mostly has none left
    assert mean_is_x(codec, x, 400) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("levels", [[0, -1, 1], [0, 4, 1]])
def test_coded_levels_outside_those_of_the_bits_are_damage(levels):
    coded = encode_levels(np.array(levels))
    with pytest.raises(ValueError, match=f"levels {min(levels)} … {max(levels)} of 2 bits"):
        fl.decode(sealed(b"\x03" + bytes([0x60 | 8 | 1]) + np.float32(1).tobytes() + coded))
