"""The memory of a sender: what was sent and what was kept are what was meant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from table import ROWS, gaussian, rng

import fedlab_utils as fl


@given(
    data=st.data(),
    n=st.integers(0, 30),
    codec=st.sampled_from([row.codec for row in ROWS if row.any_range]),
    seed=st.integers(0, 99),
)
def test_residual_and_sent_are_what_was_meant(data, n, codec, seed):
    moderate = arrays(np.float32, n, elements=st.floats(-1e6, 1e6, width=32))
    memory, generator = fl.Residual(codec), rng(seed)
    for _ in range(3):
        x = data.draw(moderate)
        meant = x.astype(np.float64) + memory.value
        payload, received = memory.send(x, generator)
        assert received.tobytes() == fl.decode(payload).tobytes()
        # float32 rounds the sum and the difference, half a unit in the last place each: of what was meant, and of what came
        # back, which an unbiased codec may blow up.
        bound = 2.0**-22 * max(np.abs(meant).max(initial=0), np.abs(received).max(initial=0)) + 1e-44
        assert np.abs(memory.value + received.astype(np.float64) - meant).max(initial=0) <= bound


@pytest.mark.slow
def test_with_error_feedback_the_mean_of_what_was_sent_becomes_the_mean_of_what_was_meant():
    x = gaussian(1000)
    memory, alone = fl.Residual(fl.TopK(0.01)), fl.Residual(fl.TopK(0.01), enabled=False)
    sent, sent_alone, miss = np.zeros(1000), np.zeros(1000), {}
    for round_number in range(1, 1601):
        sent += memory.send(x)[1]
        sent_alone += alone.send(x)[1]
        miss[round_number] = float(np.sum((sent / round_number - x) ** 2) / np.sum(x.astype(np.float64) ** 2))
    # What is missing is residual / rounds, and the residual stays bounded: four times the rounds, a 16th of the miss.
    assert miss[1600] < 0.003 and miss[1600] < miss[400] / 8
    assert np.sum((sent_alone / 1600 - x) ** 2) > 0.8 * np.sum(x**2)


def test_a_disabled_residual_forgets():
    memory = fl.Residual(fl.TopK(1), enabled=False)
    x = np.float32([3, 2, 1])
    for _ in range(3):
        payload, received = memory.send(x)
        assert payload == fl.TopK(1).encode(x) and received.tolist() == [3, 0, 0]
    assert not np.any(memory.value)


def test_an_enabled_residual_remembers():
    memory = fl.Residual(fl.TopK(1))
    received = [memory.send(np.float32([3, 2, 1]))[1].tolist() for _ in range(3)]
    assert received == [[3, 0, 0], [0, 4, 0], [6, 0, 0]]  # meant: 3 2 1, 3 4 2, 6 2 3
    assert memory.value.tolist() == [0, 2, 3]


def test_residuals_of_two_senders_are_apart():
    codec = fl.TopK(1)
    one, two = fl.Residual(codec), fl.Residual(codec)
    one.send(np.float32([3, 2, 1]))
    assert two.send(np.float32([3, 2, 1]))[1].tolist() == [3, 0, 0]


def test_a_message_that_cannot_be_sent_leaves_the_residual_as_it_was():
    memory = fl.Residual(fl.TopK(1))
    memory.send(np.float32([3, 2, 1]))
    with pytest.raises(ValueError, match="finite"):
        memory.send(np.float32([1, np.nan, 1]))
    assert memory.value.tolist() == [0, 2, 1]


@pytest.mark.parametrize("shape", [(3, 4), (4, 1), (2, 2, 2)])
def test_a_residual_takes_any_shape_as_encode_does(shape):
    x = rng().standard_normal(shape).astype(np.float32)
    memory, flat = fl.Residual(fl.TopK(1)), fl.Residual(fl.TopK(1))
    for _ in range(3):
        payload, received = memory.send(x)
        assert payload == flat.send(x.ravel())[0] and received.shape == (x.size,)
    np.testing.assert_array_equal(np.ravel(memory.value), flat.value)


def test_a_residual_refuses_a_vector_of_another_length():
    memory = fl.Residual(fl.Quantize(1))
    memory.send(np.float32([1]))
    with pytest.raises(ValueError, match=r"length|shape|weights"):
        memory.send(np.float32([1, 2, 3]))
