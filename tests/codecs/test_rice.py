"""Rice-coded supports, against every parameter tried and against the limit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table import N_DOCUMENT

from fedlab_utils.codecs import (
    Reader,
    decode_support,
    encode_support,
    seal,
)


def rice_bytes(indices, n):
    """Bytes of the best Rice code, by trying every parameter: one for it, the low parts, the unary parts."""
    gaps = [after - before - 1 for before, after in zip([-1, *indices], indices, strict=False)]
    lengths = [-(-len(gaps) * r // 8) + -(-sum((gap >> r) + 1 for gap in gaps) // 8) for r in range(32)]
    return 0 if len(indices) == n else 1 + min(lengths)


def supported(data, k, n):
    reader = Reader(seal(data))
    indices = decode_support(reader, k, n)
    reader.finish()
    return indices


def test_rice_by_hand():
    # Gaps 0, 0, 3, r = 0: unary 1, 1, 0001. Gaps 3, 7, 8, r = 2: low parts 11, 11, 00, quotients 0, 1, 2 as 1, 01, 001.
    assert encode_support(np.array([0, 1, 5]), 8) == bytes([0, 0b11000100])
    assert encode_support(np.array([3, 11, 20]), 30) == bytes([2, 0b111100_00, 0b101001_00])


@given(n=st.integers(1, 300), data=st.data())
def test_any_support_comes_back(n, data):
    indices = sorted(data.draw(st.sets(st.integers(0, n - 1))))
    coded = encode_support(np.array(indices, np.int64), n)
    assert supported(coded, len(indices), n).tolist() == indices


@pytest.mark.parametrize(
    "indices",
    [
        pytest.param([0], id="first"),
        pytest.param([N_DOCUMENT - 1], id="last"),
        pytest.param([0, N_DOCUMENT - 1], id="first and last"),
        pytest.param([50_000], id="one"),
        pytest.param(range(500), id="adjacent at the start"),
        pytest.param(range(N_DOCUMENT - 500, N_DOCUMENT), id="adjacent at the end"),
        pytest.param(range(N_DOCUMENT), id="full"),
        pytest.param(range(1, N_DOCUMENT), id="all but the first"),
        pytest.param(range(0, N_DOCUMENT, 2), id="every second"),
        pytest.param(range(0, N_DOCUMENT, 1000), id="every thousandth"),
    ],
)
def test_extreme_supports_come_back_at_no_more_than_the_best_rice_code(indices):
    indices = np.array(indices)
    data = encode_support(indices, N_DOCUMENT)
    np.testing.assert_array_equal(supported(data, indices.size, N_DOCUMENT), indices)
    assert len(data) <= rice_bytes(indices.tolist(), N_DOCUMENT) + 1


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 0), (5, 5), (5, 0)])
def test_smallest_supports(n, k):
    data = encode_support(np.arange(k), n)
    assert supported(data, k, n).tolist() == list(range(k))
    assert len(data) == (0 if k == n else 1)


@pytest.mark.parametrize("k", [10_177, 1_018, 102])
def test_rice_is_within_two_percent_of_log2_binomial(k):
    limit = math.log2(math.comb(N_DOCUMENT, k)) / 8
    lengths = []
    for seed in range(20):
        indices = np.sort(np.random.default_rng(seed).choice(N_DOCUMENT, k, replace=False))
        data = encode_support(indices, N_DOCUMENT)
        np.testing.assert_array_equal(supported(data, k, N_DOCUMENT), indices)
        assert len(data) == rice_bytes(indices.tolist(), N_DOCUMENT)
        lengths.append(len(data))
    assert max(lengths) <= 1.02 * limit + 24
    # No code is shorter than log2 C(n, k) on average; two bytes: the parameter, and rounding up to whole bytes.
    assert limit - 1 <= np.mean(lengths) <= 1.02 * limit + 2


@pytest.mark.parametrize("indices", [[2, 1], [1, 1], [-1, 3], [0, 9], [9], [0, 1, 1]])
def test_what_is_no_support_is_refused(indices):
    with pytest.raises(ValueError, match="indices must be rising, unique and in 0 … 8"):
        encode_support(np.array(indices), 9)


@given(data=st.binary(max_size=40), n=st.integers(1, 5000), k=st.integers(0, 5000))
def test_bytes_from_anywhere_are_a_support_or_a_value_error(data, n, k):
    k = min(k, n)
    try:
        indices = decode_support(Reader(seal(data)), k, n)
    except ValueError as error:
        assert "damaged payload" in str(error) or "levels" in str(error)
    else:
        assert indices.size == k and (np.diff(indices, prepend=-1) > 0).all() and (indices < n).all()


@given(n=st.integers(2, 400), data=st.data())
def test_an_index_beyond_the_vector_is_refused(n, data):
    indices = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1)))
    coded = encode_support(np.array(indices), n)
    shorter = data.draw(st.integers(len(indices) + 1, n))
    if indices[-1] < shorter:
        assert supported(coded, len(indices), shorter).tolist() == indices
    else:
        with pytest.raises(ValueError, match="damaged payload"):
            supported(coded, len(indices), shorter)


@given(n=st.integers(2, 400), data=st.data())
def test_every_truncated_support_is_refused(n, data):
    indices = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1)))
    coded = encode_support(np.array(indices), n)
    for length in range(len(coded)):
        with pytest.raises(ValueError):
            supported(coded[:length], len(indices), n)
    with pytest.raises(ValueError, match="1 bytes too many"):
        supported(coded + b"\0", len(indices), n)
