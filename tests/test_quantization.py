"""Formula 4.1, against exact fractions and against the formula written out in plain floating point."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import fedlab_utils as fl
from fedlab_utils.quantization import ROUNDINGS

numbers = st.floats(-1e30, 1e30) | st.floats(-1, 1) | st.integers(-4, 4).map(float)
vectors = arrays(np.float64, st.integers(1, 60), elements=numbers)
bit_counts = st.integers(1, 16)


def in_exact_arithmetic(x, lo, hi, bits):
    """(x - x_min) / (x_max - x_min) * (2^b - 1) without any rounding: what the brackets of formula 4.1 enclose."""
    return (Fraction(x) - Fraction(lo)) / (Fraction(hi) - Fraction(lo)) * (2**bits - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_erratum_of_the_document():
    assert fl.quantize(0.5, bits=16, lo=-1, hi=1).levels.tolist() == [49151]  # the document says 32767 …
    assert fl.quantize(0.0, bits=16, lo=-1, hi=1).levels.tolist() == [32767]  # … which is the level of 0


def test_worked_example_by_hand():
    x = [-1.0, -0.4, 0.0, 0.6, 1.0]  # two bits, step 2/3: (x + 1) / 2 * 3 = 0, 0.9, 1.5, 2.4, 3
    assert fl.quantize(x, 2).levels.tolist() == [0, 0, 1, 2, 3]
    assert fl.quantize(x, 2, "nearest").levels.tolist()[1::2] == [1, 2]
    np.testing.assert_allclose(fl.dequantize(fl.quantize(x, 2)), [-1, -1, -1 / 3, 1 / 3, 1], rtol=1e-7)


@given(x=vectors, bits=bit_counts)
def test_floor_is_formula_4_1(x, bits):
    q = fl.quantize(x, bits)
    lo, hi = min(x.tolist()), max(x.tolist())
    assert (q.lo, q.hi, q.bits, q.shape) == (lo, hi, bits, x.shape)
    formula = [math.floor((v - lo) / (hi - lo) * (2**bits - 1)) if hi > lo else 0 for v in x.tolist()]
    assert q.levels.tolist() == formula


@given(x=vectors, bits=bit_counts, seed=st.integers(0, 9))
def test_levels_follow_exact_arithmetic(x, bits, seed):
    lo, hi = min(x.tolist()), max(x.tolist())
    if lo == hi:
        return
    exact = [in_exact_arithmetic(v, lo, hi, bits) for v in x.tolist()]
    slack = Fraction(2**bits, 2**49)  # a few roundings of float64; only there may the floor fall on the other side
    for level, e in zip(fl.quantize(x, bits).levels.tolist(), exact, strict=True):
        assert math.floor(e - slack) <= level <= math.floor(e + slack)
    for level, e in zip(fl.quantize(x, bits, "nearest").levels.tolist(), exact, strict=True):
        assert abs(level - e) <= Fraction(1, 2) + slack
    for level, e in zip(fl.quantize(x, bits, "stochastic", rng=rng(seed)).levels.tolist(), exact, strict=True):
        assert abs(level - e) < 1 + slack


@given(x=vectors, bits=bit_counts, rounding=st.sampled_from(ROUNDINGS), lo=numbers, hi=numbers)
def test_levels_are_uint16_in_range(x, bits, rounding, lo, hi):
    q = fl.quantize(x, bits, rounding, lo=min(lo, hi), hi=max(lo, hi), rng=rng())
    assert q.levels.dtype == np.uint16 and q.levels.shape == (x.size,) and q.levels.max() <= 2**bits - 1


@given(x=vectors, bits=bit_counts)
def test_the_ends_of_the_range_are_the_first_and_the_last_level(x, bits):
    if x.min() < x.max():
        for rounding in ROUNDINGS:
            levels = fl.quantize(x, bits, rounding, rng=rng()).levels
            assert levels[x.argmin()] == 0 and levels[x.argmax()] == 2**bits - 1


@given(x=vectors, bits=bit_counts, rounding=st.sampled_from(ROUNDINGS))
def test_dequantize_is_its_formula(x, bits, rounding):
    q = fl.quantize(x, bits, rounding, rng=rng())
    x_hat = fl.dequantize(q)
    assert x_hat.dtype == np.float32 and x_hat.shape == x.shape
    for level, value in zip(q.levels.tolist(), x_hat.tolist(), strict=True):
        exact = Fraction(q.lo) + level * (Fraction(q.hi) - Fraction(q.lo)) / (2**bits - 1)
        # One step of float32, and what float64 loses where lo and level * step nearly cancel.
        assert abs(Fraction(value) - exact) <= Fraction(float(np.spacing(np.float32(abs(value))))) + Fraction(
            max(abs(q.lo), abs(q.hi)) * 2.0**-50
        )


@given(x=arrays(np.float32, st.integers(1, 60), elements=st.floats(-1e3, 1e3, width=32)), bits=bit_counts)
def test_error_is_within_a_step_and_for_nearest_within_half(x, bits):
    x = x.astype(np.float64)
    step = (x.max() - x.min()) / (2**bits - 1)
    slack = np.abs(x).max() * 2.0**-22 + 1e-44
    for rounding, low, high in (("floor", 0, 1), ("nearest", -0.5, 0.5), ("stochastic", -1, 1)):
        error = x - fl.dequantize(fl.quantize(x, bits, rounding, rng=rng()))
        assert (error >= low * step - slack).all() and (error <= high * step + slack).all()


@pytest.mark.parametrize("seed", range(3))
def test_squared_errors_of_the_roundings_are_as_4_to_1_to_2(seed):
    x = rng(seed).standard_normal(2**18)
    step = (x.max() - x.min()) / 255
    mse = {r: np.mean((x - fl.dequantize(fl.quantize(x, 8, r, rng=rng(seed + 9)))) ** 2) for r in ROUNDINGS}
    for rounding, share in (("floor", 1 / 3), ("nearest", 1 / 12), ("stochastic", 1 / 6)):
        assert mse[rounding] == pytest.approx(share * step**2, rel=0.05)
    assert mse["floor"] / mse["nearest"] == pytest.approx(4, rel=0.05)
    assert mse["stochastic"] / mse["nearest"] == pytest.approx(2, rel=0.05)


def test_floor_is_biased_by_half_a_step():
    x = rng().standard_normal(2**18)
    step = (x.max() - x.min()) / 255
    assert np.mean(x - fl.dequantize(fl.quantize(x, 8))) == pytest.approx(step / 2, rel=0.02)


def test_stochastic_rounding_is_unbiased():
    """Hoeffding: n draws, each in an interval of length 1: a mean off by t has probability 2 exp(-2 n t^2) at most.

    One seed in a million would give a false alarm: with t = sqrt(ln(2 * 50 * 10^6) / (2 n)) for each of 50 values by
    itself, with sqrt(ln(2 * 10^6) / (2 * 50 n)) for all of them together.
    """
    n, values = 20_000, np.append(rng(5).uniform(-1, 1, 48), [-1, 1])
    exact = np.array([float(in_exact_arithmetic(v, -1, 1, 3)) for v in values])
    x = np.tile(values, (n, 1))
    bound = math.sqrt(math.log(2 * values.size * 10**6) / (2 * n))
    bound_together = math.sqrt(math.log(2 * 10**6) / (2 * values.size * n))
    assert bound < 0.022 and bound_together < 0.003  # of a step; the bias of floor is half a step

    def bias(rounding):
        q = fl.quantize(x, 3, rounding, lo=-1, hi=1, rng=rng(6))
        return q.levels.reshape(x.shape).mean(axis=0) - exact

    assert np.abs(bias("stochastic")).max() < bound
    assert abs(bias("stochastic").mean()) < bound_together
    assert np.abs(bias("floor")).max() > 0.9 and np.abs(bias("nearest")).max() > 0.4  # the bound tells them apart


def test_stochastic_rounding_draws_each_value_for_itself():
    q = fl.quantize(np.full(10_000, 0.5), 1, "stochastic", lo=0, hi=1, rng=rng())
    assert abs(int(q.levels.sum()) - 5_000) < 300  # six standard deviations of a fair coin
    again = fl.quantize(np.full(10_000, 0.5), 1, "stochastic", lo=0, hi=1, rng=rng())
    np.testing.assert_array_equal(q.levels, again.levels)


def test_stochastic_rounding_leaves_exact_levels_alone():
    x = np.arange(16.0)
    for seed in range(50):
        assert fl.quantize(x, 4, "stochastic", rng=rng(seed)).levels.tolist() == list(range(16))


def test_one_bit_with_floor_sends_all_but_the_maximum_to_the_minimum():
    x = [0.0, 1.0, 2.9, 3.0, 3.0]
    assert fl.quantize(x, 1).levels.tolist() == [0, 0, 0, 1, 1]
    assert fl.dequantize(fl.quantize(x, 1)).tolist() == [0, 0, 0, 3, 3]


@given(
    value=st.floats(-1, 1, width=32),
    scale=st.integers(-140, 127),
    n=st.integers(1, 9),
    bits=bit_counts,
    rounding=st.sampled_from(ROUNDINGS),
)
def test_a_constant_comes_back_exactly(value, scale, n, bits, rounding):
    value = float(np.float32(value * 2.0**scale))
    x_hat = fl.dequantize(fl.quantize(np.full(n, value), bits, rounding, rng=rng()))
    assert x_hat.tolist() == [value] * n


def test_values_outside_lo_hi_are_clipped():
    q = fl.quantize([-5, -1, 0, 1, 1e300], 2, lo=-1, hi=1)
    assert q.levels.tolist() == [0, 0, 1, 3, 3] and (q.lo, q.hi) == (-1, 1)
    assert fl.quantize([0, 1, 2, 3], 2, lo=1).levels.tolist() == [0, 0, 1, 3]  # hi is the maximum of x
    assert fl.quantize([0, 1, 2, 3], 2, hi=1.5).levels.tolist() == [0, 2, 3, 3]  # lo is the minimum of x
    assert fl.quantize([0, 2, 9], 4, lo=2, hi=2).levels.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 4), (2, 0, 3), (2, 1, 2)])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_shapes(shape, rounding):
    x = rng().standard_normal(shape)
    q = fl.quantize(x, 8, rounding, rng=rng())
    assert q.levels.shape == (math.prod(shape),) and q.shape == shape
    assert fl.dequantize(q).shape == shape


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.uint8, bool])
def test_dtypes_are_computed_in_float64(dtype):
    x = np.array([0, 1, 1, 0, 1], dtype)
    assert fl.quantize(x, 16).levels.tolist() == [0, 65535, 65535, 0, 65535]
    assert fl.quantize(np.array([-128, 0, 127], np.int8), 8).levels.tolist() == [0, 128, 255]  # no overflow of int8


def test_float32_is_computed_in_float64():
    x = np.array([-1, 0.99999994, 1], np.float32)
    assert x[1] - x[0] == 2  # in float32 the second number falls into the last level
    assert fl.quantize(x, 16).levels.tolist() == [0, 65534, 65535]


def test_the_input_is_not_changed():
    x = np.array([1.0, 5.0, 3.0])
    fl.dequantize(fl.quantize(x, 2, lo=2, hi=4))
    assert x.tolist() == [1, 5, 3]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"bits": 0}, ValueError, r"bits must be in 1 … 16, got 0"),
        ({"bits": 17}, ValueError, r"bits must be in 1 … 16, got 17"),
        ({"bits": -3}, ValueError, r"bits must be in 1 … 16, got -3"),
        ({"bits": 8.5}, TypeError, r"bits must be an integer, got 8.5"),
        ({"bits": True}, TypeError, r"bits must be an integer, got True"),
        ({"bits": "8"}, TypeError, r"bits must be an integer, got '8'"),
        ({"bits": None}, TypeError, r"bits must be an integer, got None"),
        ({"x": [1, 2, np.nan]}, ValueError, r"x must be finite, but x\[2\] is nan"),
        ({"x": [[1, 2], [-np.inf, 3]]}, ValueError, r"x must be finite, but x\[\(1, 0\)\] is -inf"),
        ({"x": np.nan}, ValueError, r"x must be finite"),
        ({"x": ["a"]}, TypeError, r"x must hold real numbers"),
        ({"x": [1 + 2j]}, TypeError, r"x must hold real numbers, got dtype complex128"),
        ({"x": None}, TypeError, r"x must hold real numbers"),
        ({"lo": 2, "hi": 1}, ValueError, r"lo must not exceed hi.* got lo=2, hi=1"),
        ({"lo": 9}, ValueError, r"lo must not exceed hi.* got lo=9, hi=3"),
        ({"lo": np.nan}, ValueError, r"lo must be finite"),
        ({"hi": np.inf}, ValueError, r"hi must be finite"),
        ({"lo": "0"}, TypeError, r"lo must hold real numbers"),
        ({"lo": -1.7e308, "hi": 1.7e308}, ValueError, r"within float32"),
        ({"rounding": "stochastic"}, ValueError, r"pass rng="),
        ({"rounding": "ceil"}, ValueError, r"rounding must be one of 'floor', 'nearest', 'stochastic', got 'ceil'"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        fl.quantize(**{"x": [1.0, 2.0, 3.0], "bits": 8, **arguments})
