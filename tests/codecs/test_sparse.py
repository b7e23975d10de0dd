"""Stages that keep some of the weights: exactly those, at no more bytes than the limit and a header."""

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from table import HEADER, N_DOCUMENT, gaussian, rng, sent, with_extremes

import fedlab_utils as fl
from fedlab_utils.codecs import (
    seal,
)


@pytest.mark.parametrize("k", [0.01, 0.5, 1.0, 1])
@with_extremes
def test_top_k_sends_the_largest_exactly(k, x):
    decoded = fl.decode(fl.TopK(k).encode(x))
    count = min(x.size, max(1, math.ceil(Fraction(str(k)) * x.size)) if isinstance(k, float) else k)
    kept = sorted(range(x.size), key=lambda i: (-abs(x[i]), i))[:count]
    expected = np.zeros_like(x)
    expected[kept] = x[kept]
    assert decoded.dtype == np.float32 and decoded.tobytes() == expected.tobytes()


@pytest.mark.parametrize("k", [10_177, 1_018, 102])
@pytest.mark.parametrize("bits", [32, 8])
def test_top_k_payload_is_near_the_limit_on_random_supports(k, bits):
    limit = (math.log2(math.comb(N_DOCUMENT, k)) + bits * k) / 8
    codec = fl.TopK(k) if bits == 32 else fl.TopK(k) | fl.Quantize(bits)
    for seed in range(5):
        x = np.zeros(N_DOCUMENT, np.float32)
        x[rng(seed).choice(N_DOCUMENT, k, replace=False)] = 1 + rng(seed).random(k)
        payload = codec.encode(x)
        assert limit < len(payload) <= limit + 0.01 * math.log2(math.comb(N_DOCUMENT, k)) / 8 + HEADER
        assert np.count_nonzero(fl.decode(payload)) == k


@pytest.mark.parametrize("n", [1, 1000, N_DOCUMENT, 2**20])
@pytest.mark.parametrize("fraction", [0.001, 0.1, 1.0])
def test_header_of_a_sparse_payload_is_within_its_24_bytes(n, fraction):
    x = gaussian(n)
    k = max(1, math.ceil(Fraction(str(fraction)) * n))
    indices = np.sort(np.argsort(-np.abs(x), kind="stable")[:k])
    gaps = np.diff(indices, prepend=-1) - 1
    # The best Rice code's two parts, without the byte that names its parameter: that one is header.
    support = 0 if k == n else min(-(-k * r // 8) + -(-(int((gaps >> r).sum()) + k) // 8) for r in range(24))
    # It may be shorter than the Rice code, but not than the limit by more than chance: the support is random.
    for codec, values in ((fl.TopK(fraction), 4 * k), (fl.TopK(fraction) | fl.Quantize(5), -(-5 * k // 8))):
        length = len(codec.encode(x)) - values
        assert 0.999 * fl.log2_binomial(n, k) / 8 < length <= support + HEADER


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


RANDOM_3_OF_20 = [4, 18, 19]


def test_random_k_is_the_same_on_every_machine():
    """Drawn from the raw stream of PCG64 seeded with 1: a contract between versions and machines."""
    body = b"\x14" + b"\x90" + b"\x01\x00\x00" + b"\x03" + b"\x00" + struct.pack("<fff", 1, 2, 3)
    places = {float(value): i for i, value in enumerate(fl.decode(seal(body))) if value}
    words = np.random.PCG64(1).random_raw(10)
    draws = [int(w) >> shift & 0xFFFFFFFF for w in words for shift in (0, 32)]
    assert sorted(places.values()) == sorted(sorted(range(20), key=draws.__getitem__)[:3])
    assert [places[v] for v in (1.0, 2.0, 3.0)] == RANDOM_3_OF_20


def test_threshold_keeps_what_reaches_it():
    assert sent(fl.Threshold(2), [1, -2, 3, 1.9]).tolist() == [0, -2, 3, 0]
    assert sent(fl.Threshold(9), [1, -2, 3]).tolist() == [0, 0, 0]
    assert sent(fl.Threshold(0.5) | fl.Quantize(8), [1, -2, 3, 0.1])[3] == 0
