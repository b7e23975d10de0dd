"""Formula 4.2, against a sort written out slowly."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import fedlab_utils as fl
from fedlab_utils.sparsification import SHORT, count_kept

N_DOCUMENT = 101_770
distinct = st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=50, unique_by=abs)
tied = arrays(np.float32, st.integers(1, 50), elements=st.integers(-3, 3).map(float))


def chosen_slowly(x, k):
    """By magnitude, then by lower index: the k first."""
    return sorted(sorted(range(len(x)), key=lambda i: (-abs(x[i]), i))[:k])


@given(data=st.data(), x=distinct)
def test_without_ties_top_k_is_formula_4_2(data, x):
    k = data.draw(st.integers(1, len(x)))
    threshold = sorted(map(abs, x), reverse=True)[k - 1]  # |x|_(k)
    expected = [value if abs(value) >= threshold else 0 for value in x]
    assert fl.top_k(x, k).to_dense().tolist() == expected


@given(data=st.data(), x=tied)
def test_with_ties_exactly_k_are_kept_lower_index_first(data, x):
    k = data.draw(st.integers(1, x.size))
    s = fl.top_k(x, k)
    assert s.indices.tolist() == chosen_slowly(x.tolist(), k)
    assert s.values.tolist() == x[s.indices].tolist()
    dropped = np.setdiff1d(np.arange(x.size), s.indices)
    assert np.abs(s.values).min() >= np.abs(x[dropped]).max(initial=0)


def test_formula_4_2_keeps_more_than_k_where_there_are_ties():
    x = np.array([3.0, -1.0, 2.0, -2.0, 2.0])
    assert (np.abs(x) >= np.sort(np.abs(x))[-2]).sum() == 4  # the formula, k = 2
    assert fl.top_k(x, 2).to_dense().tolist() == [3, 0, 2, 0, 0]


def test_example_of_the_document():
    x = [0.1, 0.2, 0.3, 0.4, 0.5]
    assert fl.top_k(x, 0.1).to_dense().tolist() == [0, 0, 0, 0, 0.5]  # ten percent of five is one …
    assert fl.top_k(x, 0.4).to_dense().tolist() == [0, 0, 0, 0.4, 0.5]  # … the document keeps two: forty percent


@pytest.mark.parametrize(
    ("k", "n", "kept"),
    [
        (0.1, 5, 1), (0.1, 10, 1), (0.1, 11, 2), (0.999999, 10, 10), (1e-9, 7, 1), (0.5, 1, 1),  # max(1, ceil(k n))
        (0.07, 100, 7), (0.29, 100, 29), (0.57, 100, 57), (0.55, 20, 11),  # k n in floating point is a little more
        (1.0, 7, 7), (1, 7, 1), (7, 7, 7), (np.float64(0.5), 4, 2), (np.int64(3), 4, 3),  # floats and integers
        (0.1, N_DOCUMENT, 10_177), (0.01, N_DOCUMENT, 1_018), (0.001, N_DOCUMENT, 102),
        (0.5, 0, 0), (3, 0, 0), (1.0, 0, 0),  # nothing to keep
    ],
)  # fmt: skip
def test_how_k_becomes_a_count(k, n, kept):
    assert count_kept(k, n) == kept
    assert fl.top_k(np.ones(n), k).indices.tolist() == list(range(kept))


@given(hundredths_of_a_percent=st.integers(1, 10_000), n=st.integers(1, N_DOCUMENT))
def test_a_fraction_is_meant_as_it_is_written(hundredths_of_a_percent, n):
    exact = max(1, math.ceil(Fraction(hundredths_of_a_percent, 10_000) * n))
    assert count_kept(hundredths_of_a_percent / 10_000, n) == exact
    assert count_kept(float(f"{hundredths_of_a_percent}e-4"), n) == exact


blocks = arrays(np.float32, array_shapes(max_dims=3, max_side=5), elements=st.floats(-9, 9, width=32))


@given(x=blocks, seed=st.integers(0, 9))
def test_any_shape_is_taken_row_by_row_and_given_back(x, seed):
    for s in (fl.top_k(x, 0.3), fl.random_k(x, 0.3, rng=np.random.default_rng(seed))):
        assert s.shape == x.shape == s.to_dense().shape
        assert s.values.dtype == np.float32 == s.to_dense().dtype
        assert s.indices.dtype == np.int64 and (np.diff(s.indices) > 0).all()
        kept = s.to_dense().ravel()[s.indices]
        np.testing.assert_array_equal(kept, x.ravel()[s.indices])
        assert np.count_nonzero(np.delete(s.to_dense().ravel(), s.indices)) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_x_is_kept(dtype):
    s = fl.top_k(np.array([1, -2, 3], dtype), 2)
    assert s.values.dtype == s.to_dense().dtype == dtype


def test_scalar_and_empty():
    assert fl.top_k(5.0, 1).to_dense() == 5 and fl.top_k(5.0, 1).to_dense().shape == ()
    for k in (0.1, 1.0, 3):
        assert fl.top_k(np.zeros((2, 0)), k).to_dense().shape == (2, 0)
        assert fl.random_k([], k, rng=np.random.default_rng(0)).indices.size == 0


@pytest.mark.parametrize("k", [1, 3])
def test_the_result_is_no_view_of_the_input(k):
    x = np.array([1.0, 2.0, 3.0])
    s = fl.top_k(x, k)
    x[:] = 9
    assert 9 not in s.values
    s.to_dense()[:] = 7
    assert 7 not in s.values


def test_nested_top_k_keeps_nested_supports():
    x = np.random.default_rng(0).standard_normal(1000)
    assert set(fl.top_k(x, 0.01).indices) < set(fl.top_k(x, 0.1).indices)


@given(data=st.data(), n=st.integers(1, 40), seed=st.integers(0, 99))
def test_random_k_keeps_exactly_k_at_their_own_values(data, n, seed):
    x = np.arange(1.0, n + 1)
    k = data.draw(st.integers(1, n))
    s = fl.random_k(x, k, rng=np.random.default_rng(seed))
    assert s.indices.size == len(set(s.indices.tolist())) == k
    assert s.values.tolist() == (s.indices + 1).tolist()


def test_random_k_is_uniform():
    """Chi-square with 19 degrees of freedom; 43.8 is exceeded once in a thousand seeds (published table).

    The counts of draws without replacement vary less than those of a multinomial, by (n - k) / (n - 1).
    """
    n, k, draws, rng = 20, 5, 20_000, np.random.default_rng(0)
    x, counts = np.ones(n), np.zeros(n)
    for _ in range(draws):
        counts[fl.random_k(x, k, rng=rng).indices] += 1
    expected = draws * k / n
    assert np.sum((counts - expected) ** 2 / expected) * (n - 1) / (n - k) < 43.8


def test_random_k_scaled_by_n_over_k_is_unbiased():
    """The mean of 20,000 estimates, within six standard deviations of it: x_i sqrt((n/k - 1) / 20,000)."""
    x, rng = np.array([-3.0, 1.0, 10.0, 0.5]), np.random.default_rng(1)
    mean = np.mean([fl.random_k(x, 1, rng=rng).to_dense() * 4 for _ in range(20_000)], axis=0)
    assert (np.abs(mean - x) < 6 * np.abs(x) * math.sqrt(3 / 20_000)).all()


def test_random_k_follows_its_rng():
    x = np.arange(1000.0)
    first, again, other = (fl.random_k(x, 10, rng=np.random.default_rng(seed)).indices.tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("keep", [fl.top_k, lambda x, k: fl.random_k(x, k, rng=np.random.default_rng(0))])
@pytest.mark.parametrize(
    ("x", "k", "error", "message"),
    [
        ([1, 2, 3], 0, ValueError, r"k \(a count of weights\) must be in 1 … 3, got 0"),
        ([1, 2, 3], 4, ValueError, r"k \(a count of weights\) must be in 1 … 3, got 4"),
        ([1, 2, 3], -1, ValueError, r"must be in 1 … 3, got -1"),
        ([1, 2, 3], 0.0, ValueError, r"k \(a fraction of the weights\) must be in \(0, 1\], got 0"),
        ([1, 2, 3], 1.5, ValueError, r"must be in \(0, 1\], got 1.5"),
        ([1, 2, 3], -0.1, ValueError, r"must be in \(0, 1\], got -0.1"),
        ([1, 2, 3], math.nan, ValueError, r"must be in \(0, 1\], got nan"),
        ([1, 2, 3], math.inf, ValueError, r"must be in \(0, 1\], got inf"),
        ([1, 2, 3], True, TypeError, r"must be an integer, got True"),
        ([1, 2, 3], None, TypeError, r"must be an integer, got None"),
        ([1, 2, 3], "0.1", TypeError, r"must be an integer, got '0.1'"),
        ([], 0, ValueError, r"must be at least 1, got 0"),
        ([1, math.nan, 3], 1, ValueError, r"x must be finite, but x\[1\] is nan"),
        ([[1, 2], [3, -math.inf]], 1, ValueError, r"x must be finite, but x\[\(1, 1\)\] is -inf"),
        (["a"], 1, TypeError, r"x must hold real numbers"),
    ],
)
def test_bad_input_is_named(keep, x, k, error, message):
    with pytest.raises(error, match=message):
        keep(x, k)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["normal", "mostly zero", "mostly one value", "signs", "tiny", "huge"])
def test_a_long_vector_keeps_what_a_stable_sort_keeps(kind, dtype):
    """Vectors that are selected from by counting digits, against a sort that keeps lower indices first among equals."""
    rng, n = np.random.default_rng(5), SHORT + 1000
    x = rng.normal(size=n)
    rare = rng.random(n) < 0.005
    made = {"normal": x, "mostly zero": np.where(rare, x, 0), "mostly one value": np.where(rare, x, -1), "signs": np.sign(x),
            "tiny": x * np.finfo(dtype).smallest_subnormal * 100, "huge": x / np.abs(x).max() * np.finfo(dtype).max}  # fmt: skip
    x = made[kind].astype(dtype)
    order = np.argsort(-np.abs(x), kind="stable")
    for k in (1, 2, 300, n // 100, n // 2, n - 1):
        assert np.array_equal(fl.top_k(x, k).indices, np.sort(order[:k])), k


@pytest.mark.slow
def test_ties_take_no_longer_than_random_values():
    """A vector that is nearly all zeros took NumPy's partition twenty times as long. In turns, the least of five."""
    rng, n = np.random.default_rng(6), 2_000_000
    random = rng.normal(size=n).astype(np.float32)
    ties = np.where(rng.random(n) < 0.005, random, 0).astype(np.float32)
    seconds = {"random": [], "ties": []}
    for _ in range(5):
        for name, x in (("random", random), ("ties", ties)):
            begun = time.process_time()
            fl.top_k(x, 0.01)
            seconds[name].append(time.process_time() - begun)
    assert min(seconds["ties"]) < 4 * min(seconds["random"])
