"""What a codec says of error feedback: biased ones need it, random ones far from a contraction are destroyed by it."""

import numpy as np
import pytest
from table import ROWS

import fedlab_utils as fl

N = 101_770
HELPS = {
    "Identity()": False, "TopK(0.01)": True, "TopK(0.01) | Quantize(8)": True, "Quantize(2)": True, "Quantize(2, 'floor')": True,
    "Sign()": True, "Float16()": True, "EntropyQuantize(2)": True, "RandomK(0.01)": False, "RandomK(0.1, unbiased=False)": True,
    "QSGD(4)": False, "Quantize(1, 'stochastic')": False, "Quantize(8, 'stochastic')": False, "Eden(1)": True,
    "Eden(1, unbiased=False)": True, "TopK(0.01) | QSGD(4)": False, "TopK(0.01) | Quantize(8, 'stochastic')": True,
    "Rotate() | Quantize(8)": True,
}  # fmt: skip


@pytest.mark.parametrize("name", HELPS)
def test_what_a_codec_says_of_feedback(name):
    assert eval(name, vars(fl)).feedback_helps(N) is HELPS[name]


@pytest.mark.parametrize("codec", [row.codec for row in ROWS], ids=repr)
def test_a_residual_is_bounded_where_the_codec_says_so(codec):
    """Ten times the same Gaussian vector: a residual that is no contraction's grows, one that is stays near the first."""
    x = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    memory, rng, lengths = fl.Residual(codec), np.random.default_rng(1), []
    for _ in range(30):
        memory.send(x, rng)
        lengths.append(float(np.sum(np.square(memory.value, dtype=np.float64))))
    if codec.feedback_bounded(x.size):
        longest = max(stage.left(x.size) for stage in codec.stages)
        assert lengths[-1] < 1e4 * 2000 and longest >= 1  # k of n: each weight waits n / k messages at the most, on average
        assert lengths[-1] < 3 * max(lengths[10:20]) + 1
    elif any(stage.random_error(x.size) > 3 for stage in codec.stages):
        assert lengths[-1] > 30 * lengths[0]


@pytest.mark.parametrize(
    "codec",
    [
        fl.RandomK(0.2),
        fl.RandomK(0.5),
        fl.QSGD(2),
        fl.QSGD(20),
        fl.Quantize(1, "stochastic"),
        fl.Quantize(4, "stochastic"),
        fl.Eden(1),
        fl.Eden(2),
    ],
    ids=repr,
)
def test_the_random_error_of_gaussian_weights_is_as_it_says(codec):
    """Within a third: what it is for is to tell errors far above the vector from errors below it."""
    x = np.random.default_rng(0).standard_normal(4096).astype(np.float32)
    measured = np.mean([fl.nmse(x, fl.decode(codec.encode(x, np.random.default_rng(s)))) for s in range(8)])
    said = max(stage.random_error(x.size) for stage in codec.stages)
    assert 0.6 < measured / said < 1.5


def test_a_list_of_arrays_is_encoded_in_order_and_nan_is_named_by_its_array():
    arrays = [np.ones((2, 3)), np.arange(3.0), np.zeros(())]
    np.testing.assert_array_equal(fl.decode(fl.Identity().encode(arrays)), [1, 1, 1, 1, 1, 1, 0, 1, 2, 0])
    arrays[1][2] = np.nan
    with pytest.raises(ValueError, match=r"x\[1\]\[2\] is nan"):
        fl.Quantize(8).encode(arrays)


@pytest.mark.parametrize("kind", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_small_floating_point_goes_in(kind):
    ml_dtypes = pytest.importorskip("ml_dtypes")  # it comes with TensorFlow
    x = np.array([0.5, -2.0, 1.0], getattr(ml_dtypes, kind))
    np.testing.assert_array_equal(fl.decode(fl.Identity().encode(x)), [0.5, -2.0, 1.0])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(row.codec))
def test_encode_and_decode_work_where_numpy_raises_at_everything(row):
    x = np.random.default_rng(3).standard_normal(300).astype(np.float32) * np.float32(1e-38)
    with np.errstate(all="raise"):
        assert fl.decode(row.codec.encode(x, np.random.default_rng(0))).shape == (300,)


def test_top_k_keeps_the_lower_of_equals_and_takes_no_longer_for_them():
    import time

    equal, random = np.ones(2_000_000, np.float32), np.random.default_rng(0).random(2_000_000, np.float32)
    np.testing.assert_array_equal(fl.top_k(equal, 5).indices, range(5))
    mixed = np.float32([1, 2, -1, 1, 3, -2])
    np.testing.assert_array_equal(fl.top_k(mixed, 4).indices, [0, 1, 4, 5])

    def seconds(x):
        times = []
        for _ in range(5):
            start = time.process_time()
            fl.top_k(x, 0.1)
            times.append(time.process_time() - start)
        return min(times)

    assert seconds(equal) < 3 * seconds(random)  # 12 times before
