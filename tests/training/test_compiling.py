"""Training compiled by XLA: when it is, that it is the same training, and how few shapes it is compiled for."""

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl
from fedlab_utils.data import Dataset

grouping = Later("fedlab_utils.training.grouping")
engine = Later("fedlab_utils.training.engine")
trainers = Later("fedlab_utils.training.trainer")
keras = Later("keras", within="fedlab_utils.training.models")
layers = Later("layers", within="keras")

pytestmark = pytest.mark.training

UNEQUAL = np.split(np.arange(400), [7, 30, 75, 90, 160, 170, 300])  # 7 to 130 samples


@pytest.fixture(scope="module")
def small(mnist):
    return Dataset(mnist.x_train[:400, ::2, ::2], mnist.y_train[:400], mnist.x_test[:200, ::2, ::2], mnist.y_test[:200])


def mlp():
    model = keras.Sequential(
        [keras.Input((14, 14)), layers.Flatten(), layers.Dense(12, "relu"), layers.Dropout(0.2), layers.Dense(10, "softmax")]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.1, array.shape) for array in model.get_weights()])
    return model


def conv(*more):
    stack = layers.Reshape((14, 14, 1)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Dropout(0.2)
    model = keras.Sequential([keras.Input((14, 14)), *stack, *more, layers.Flatten(), layers.Dense(10, "softmax")])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.1, array.shape) for array in model.get_weights()])
    return model


def simulate(model, small, **options):
    return fl.simulate(model, small, UNEQUAL, **{"rounds": 3, "clients_per_round": 7, "no_answer": 0.2, "seed": 4, **options})


@pytest.mark.parametrize("make", [mlp, conv])
def test_compiled_or_not_it_is_the_same_training_to_float_noise(small, make):
    """Unequal clients, dropout, drop-outs: the same bytes of the same clients, weights that differ in last bits."""
    plain, compiled = (simulate(make(), small, compile=compile, local_epochs=2) for compile in (False, True))
    assert (plain.compiled, compiled.compiled) == (False, True)
    assert plain.uplink_bytes == compiled.uplink_bytes and plain.downlink_bytes == compiled.downlink_bytes
    assert max(np.abs(a - b).max() for a, b in zip(plain.weights, compiled.weights, strict=True)) < 2e-6
    np.testing.assert_allclose(plain.loss, compiled.loss, rtol=1e-5)


@pytest.mark.parametrize("make", [mlp, conv])
def test_the_same_seed_gives_the_same_bits_whatever_has_been_compiled_before(small, make):
    first = simulate(make(), small, compile=True)
    simulate(make(), small, compile=True, clients_per_round=3, local_epochs=3, batch_size=4)
    simulate(make(), small)
    again = simulate(make(), small, compile=True)
    assert all((a == b).all() for a, b in zip(first.weights, again.weights, strict=True)) and first.loss == again.loss


def test_auto_decides_by_the_arguments_alone(small, monkeypatch):
    weights = 196 * 12 + 12 + 12 * 10 + 10
    steps = 13  # of the largest client
    work = 3 * 7 * steps * weights
    monkeypatch.setattr(grouping, "CORES", 2)
    for worth, expected in ((work + 1, False), (work, True)):
        monkeypatch.setattr(grouping, "WORTH_COMPILING", worth)
        assert simulate(mlp(), small).compiled is expected
        assert simulate(mlp(), small, chunk=3).compiled is expected
        assert simulate(mlp(), small, chunk=2).compiled is False, "groups of one client gain nothing"
        assert simulate(conv(layers.AveragePooling2D(2)), small, rounds=1).compiled is False
    assert simulate(mlp(), small, compile=False).compiled is False


def test_auto_counts_what_a_convolution_multiplies(small, monkeypatch):
    weights, multiplied = (9 * 4 + 4) + (6 * 6 * 4 * 10 + 10), 12 * 12 * 9 * 4
    work = 3 * 7 * 13 * (weights + multiplied)
    monkeypatch.setattr(grouping, "CORES", 2)
    for worth, expected in ((work + 1, False), (work, True)):
        monkeypatch.setattr(grouping, "WORTH_COMPILING", worth)
        assert simulate(conv(), small).compiled is expected


def test_what_cannot_be_compiled_is_refused_by_name(small):
    with pytest.raises(ValueError, match=r'XLA does not suit this model.*compile="auto"'):
        simulate(conv(layers.AveragePooling2D(2)), small, compile=True)
    with pytest.raises(ValueError, match="compile"):
        simulate(mlp(), small, compile="xla")


def test_few_shapes_are_compiled(small, monkeypatch):
    """A cohort of 7 of whom some do not answer, clients of 1 to 13 steps: shapes of groups and steps are rounded up."""
    shapes = set()
    graphs = engine.graphs

    def spy(*arguments, **options):
        found = graphs(*arguments, **options)
        compiled = found.compiled
        return found._replace(compiled=lambda *given: shapes.add(given[6].shape[:2]) or compiled(*given))

    monkeypatch.setattr(trainers, "graphs", spy)
    monkeypatch.setattr(trainers, "CORES", 2)
    simulate(mlp(), small, compile=True, rounds=12, no_answer=0.5)
    clients, steps = zip(*shapes, strict=True)
    assert set(steps) <= {1, 2, 4, 8, 16} and set(clients) <= {1, 2, 3, 4} and len(shapes) <= 6


@pytest.mark.parametrize(("n", "digits", "expected"), [
    (1, 1, 1), (2, 1, 2), (3, 1, 4), (5, 1, 8), (60, 1, 64), (64, 1, 64), (65, 1, 128),
    (5, 3, 5), (7, 3, 7), (9, 3, 10), (11, 3, 12), (13, 3, 14), (17, 3, 20), (25, 3, 28), (100, 3, 112),
])  # fmt: skip
def test_rounding_up_in_binary_digits(n, digits, expected):
    assert grouping.rounded_up(n, digits) == expected


def test_groups_cover_all_clients_once():
    for n in range(1, 40):
        for parts in range(1, 9):
            found = [client for group in grouping.groups(n, parts) for client in range(n)[group]]
            assert found == list(range(n)) and len(grouping.groups(n, parts)) <= parts


def test_the_history_says_which_and_keeps_it_in_its_table(small, tmp_path):
    history = simulate(mlp(), small, compile=True, rounds=1)
    history.save(tmp_path / "run.csv")
    assert fl.History.load(tmp_path / "run.csv").compiled is True
    text = (tmp_path / "run.csv").read_text().replace("compiled", "something_else")  # as an earlier version wrote it
    (tmp_path / "old.csv").write_text(text)
    assert fl.History.load(tmp_path / "old.csv").compiled is False
