"""The time of a round: against the mean of the slowest of r exponentials, the ends of the scale, and bytes by hand."""

import numpy as np
import pytest

from fedlab_utils.federation.timing import communication_times, computation_times


@pytest.mark.parametrize(("clients", "straggling"), [(1, 1.0), (25, 0.5), (50, 0.2)])
def test_the_slowest_of_a_round_takes_as_long_as_the_harmonic_number_says(clients, straggling):
    """The greatest of r exponentials of mean 1 has the mean 1 + 1/2 + … + 1/r, and the variance 1 + 1/4 + … + 1/r²."""
    rounds, samples = 4000, 50
    times = computation_times(rounds, clients, samples, straggling, seed=1)
    terms = 1 / np.arange(1, clients + 1)
    expected = samples * (1 - straggling + straggling * terms.sum())
    deviation = samples * straggling * np.sqrt((terms**2).sum())
    assert times.shape == (rounds,) and times.min() >= samples * (1 - straggling)
    assert abs(times.mean() - expected) < 4 * deviation / np.sqrt(rounds)
    assert times.std() == pytest.approx(deviation, rel=0.1)


def test_without_stragglers_the_mean_is_the_time_and_work_is_proportional():
    assert (computation_times(3, 9, 40, 0.0) == 40).all()
    once, twice = (computation_times(5, 9, samples, 0.5, seed=2) for samples in (10, 20))
    np.testing.assert_allclose(twice, 2 * once)
    assert (once != computation_times(5, 9, 10, 0.5, seed=3)).all()


def test_a_float32_model_takes_the_ratio_and_bytes_add_up():
    np.testing.assert_allclose(communication_times([4 * 785, 0, 2 * 4 * 785], 785, 100), [100, 0, 200])
    assert communication_times(1, 1, 4) == 1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: computation_times(0, 1, 1, 0.5), "rounds must be at least 1, got 0"),
        (lambda: computation_times(1, 0, 1, 0.5), "clients_per_round must be at least 1, got 0"),
        (lambda: computation_times(1, 1, 0, 0.5), "samples must be at least 1, got 0"),
        (lambda: computation_times(1, 1, 1, 1.5), r"straggling must be in \[0, 1\], got 1.5"),
        (lambda: communication_times(1, 0, 1), "n_weights must be at least 1, got 0"),
        (lambda: communication_times(1, 1, 0), r"ratio must be in \(0, infinity\), got 0"),
    ],
)
def test_what_cannot_be_is_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()
