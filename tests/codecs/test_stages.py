"""The codecs of the papers: each against its formula, its bound, and its limit, in real bytes."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import fedlab_utils as fl
from fedlab_utils import theory
from fedlab_utils.codecs import rotation, seal

N_DOCUMENT = 101_770  # weights of the document's model
HEADER = 24


def rng(seed=0):
    return np.random.default_rng(seed)


def gaussian(n, seed=0):
    return rng(seed).standard_normal(n).astype(np.float32)


def sent(codec, x, seed=0):
    return fl.decode(codec.encode(x, rng(10**6 + seed)))  # never the numbers that x was drawn from


@pytest.fixture(scope="module")
def million():
    return gaussian(2**20)


@pytest.fixture(scope="module")
def delta():
    return np.ravel(fl.load_client_delta()).astype(np.float32)


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


# Half precision


@settings(deadline=None)
@given(arrays(np.float32, 20, elements=st.floats(-65504, 65504, width=32)))
def test_float16_is_that_of_ieee(x):
    expected = [struct.unpack("<e", struct.pack("<e", value))[0] for value in x.tolist()]
    assert sent(fl.Float16(), x).tolist() == expected


@settings(deadline=None)
@given(arrays(np.float32, 20, elements=st.floats(-(2.0**127), 2.0**127, width=32)))
def test_bfloat16_is_the_nearest_of_eight_bits(x):
    for value, decoded in zip(x.tolist(), sent(fl.BFloat16(), x).tolist(), strict=True):
        assert struct.unpack("<I", struct.pack("<f", decoded))[0] & 0xFFFF == 0
        if abs(value) >= 2.0**-126:  # eight significant bits: ties to even, as round() does
            unit = 2.0 ** (math.frexp(value)[1] - 8)
            assert decoded == round(value / unit) * unit
        else:
            assert abs(decoded - value) <= 2.0**-134


@pytest.mark.parametrize("codec", [fl.Float16(), fl.BFloat16()], ids=repr)
def test_half_precision_is_two_bytes_a_weight(codec):
    assert 0 < len(codec.encode(gaussian(N_DOCUMENT))) - 2 * N_DOCUMENT <= HEADER


# Sign and ternary


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


# QSGD


@pytest.mark.parametrize("levels", [1, 4, 16, 64, 317])
@pytest.mark.parametrize("draw", ["standard_normal", "laplace", "delta"])
def test_qsgd_keeps_its_bound(levels, draw, delta):
    x = delta if draw == "delta" else getattr(rng(), draw)(size=100_352).astype(np.float32)
    errors = [fl.nmse(x, sent(fl.QSGD(levels), x, seed)) for seed in range(8)]
    assert np.mean(errors) <= theory.qsgd_variance_bound(x.size, levels)
    # Exactly: the fraction f of a level is rounded with the variance f (1 - f), in units of (norm / levels)^2.
    fraction = np.abs(x) / np.linalg.norm(x.astype(np.float64)) * levels % 1
    assert np.mean(errors) == pytest.approx(float(np.sum(fraction * (1 - fraction))) / levels**2, rel=0.05)


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


# Entropy-coded uniform quantization


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
    if bits > 1:
        assert not decoded[x == 0].any()


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


# Random and threshold supports


def test_random_k_sends_a_seed_in_place_of_a_support():
    x = gaussian(N_DOCUMENT)
    payload = fl.RandomK(0.01).encode(x, rng(10**6))
    assert len(payload) - 4 * 1018 <= HEADER
    decoded = fl.decode(payload)
    kept = np.flatnonzero(decoded)
    assert kept.size == 1018
    np.testing.assert_array_equal(decoded[kept], x[kept] * np.float32(N_DOCUMENT / 1018))
    plain = sent(fl.RandomK(0.01, unbiased=False), x)
    np.testing.assert_array_equal(plain[kept], x[kept])


def test_random_k_draws_every_weight_equally_often():
    n, k, draws = 50, 13, 4000
    counts = sum((sent(fl.RandomK(k), np.ones(n), seed) != 0).astype(int) for seed in range(draws))
    assert counts.sum() == k * draws
    p = k / n
    assert np.abs(counts - p * draws).max() < 5 * math.sqrt(draws * p * (1 - p))


def test_random_k_is_the_same_on_every_machine():
    """Drawn from the raw stream of PCG64 seeded with 1: a contract between versions and machines."""
    body = b"\x14" + b"\x90" + b"\x01\x00\x00" + b"\x03" + b"\x00" + struct.pack("<fff", 1, 2, 3)
    places = {float(value): i for i, value in enumerate(fl.decode(seal(body))) if value}
    words = np.random.PCG64(1).random_raw(10)
    draws = [int(w) >> shift & 0xFFFFFFFF for w in words for shift in (0, 32)]
    assert sorted(places.values()) == sorted(sorted(range(20), key=draws.__getitem__)[:3])
    assert [places[v] for v in (1.0, 2.0, 3.0)] == RANDOM_3_OF_20


RANDOM_3_OF_20 = [4, 18, 19]


def test_threshold_keeps_what_reaches_it():
    assert sent(fl.Threshold(2), [1, -2, 3, 1.9]).tolist() == [0, -2, 3, 0]
    assert sent(fl.Threshold(9), [1, -2, 3]).tolist() == [0, 0, 0]
    assert sent(fl.Threshold(0.5) | fl.Quantize(8), [1, -2, 3, 0.1])[3] == 0


# Rotation, Lloyd–Max, EDEN


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


# Unbiased


@pytest.mark.parametrize(
    "codec",
    [
        fl.Quantize(2, "stochastic"), fl.QSGD(1), fl.QSGD(20), fl.RandomK(0.1), fl.RandomK(0.3) | fl.QSGD(4), fl.Eden(1),
        fl.Eden(3), fl.RandomK(0.25) | fl.Eden(1), fl.Rotate() | fl.Quantize(3, "stochastic"),
    ],
    ids=repr,
)  # fmt: skip
def test_unbiased_codecs_are_unbiased(codec):
    """Over 4,000 weights the ratio is 1 within a few percent; a bias of b of the error would make it 1 + 400 b^2."""
    x = (gaussian(4000) ** 3).astype(np.float32)
    assert mean_is_x(codec, x, 400) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("codec", [fl.Eden(1, False), fl.RandomK(0.1, False), fl.Sign(), fl.TopK(0.1)], ids=repr)
def test_the_test_of_unbiasedness_notices_a_bias(codec):
    assert mean_is_x(codec, (gaussian(4000) ** 3).astype(np.float32), 400) > 5


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


# Headers


@pytest.mark.parametrize(
    ("codec", "rest"),
    [
        (fl.Sign(), lambda n: math.ceil(n / 8)),
        (fl.Float16(), lambda n: 2 * n),
        (fl.RandomK(0.01) | fl.Sign(), lambda n: math.ceil(math.ceil(n / 100) / 8)),
        (fl.Eden(1), lambda n: 2 ** math.ceil(math.log2(n)) / 8),
        (fl.RandomK(0.01) | fl.Eden(1), lambda n: 2 ** math.ceil(math.log2(math.ceil(n / 100))) / 8),
        (fl.Rotate() | fl.Quantize(3), lambda n: 3 * 2 ** math.ceil(math.log2(n)) / 8),
    ],
    ids=lambda value: repr(value) if isinstance(value, fl.Codec) else "",
)
@pytest.mark.parametrize("n", [1000, N_DOCUMENT, 2**20])
def test_header_is_within_its_24_bytes(codec, rest, n):
    assert 0 < len(codec.encode(gaussian(n), rng())) - rest(n) <= HEADER
