"""Running means and variances: averaged, exact, outside momentum, server rate and codecs; what is no number is told."""

import numpy as np
import pytest

import fedlab_utils as fl

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def world():
    x = np.random.default_rng(0).normal(size=(300, 8)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    return fl.datasets.Dataset(x[:200], y[:200], x[200:], y[200:]), fl.partition_iid(y[:200], 5)


def net(renorm=False):
    keras = fl.models.keras
    keras.utils.set_random_seed(0)
    L = keras.layers
    stack = [L.Dense(6), L.BatchNormalization(momentum=0.5), L.ReLU(), L.Dense(2, "softmax")]
    return keras.Sequential([keras.Input((8,)), *stack])


STATES = (4, 5)  # of the weights: moving mean and variance


def run(world, **options):
    data, clients = world
    return fl.simulate(net(), data, clients, **{"rounds": 4, "clients_per_round": 5, "learning_rate": 0.05, **options})


@pytest.mark.parametrize(
    "options",
    [{"server_momentum": 0.95}, {"server_learning_rate": 3.0}, {"uplink": fl.TopK(0.05)},
     {"uplink": fl.Quantize(1), "downlink": fl.Sign()},
     {"uplink": fl.RandomK(0.1), "server_momentum": 0.9}],
    ids=str,
)  # fmt: skip
def test_a_variance_never_falls_below_zero_and_the_loss_stays_finite(world, options):
    history = run(world, rounds=8, **options)
    assert history.weights[STATES[1]].min() >= 0 and np.isfinite(history.loss).all()


def test_state_is_the_same_whatever_codec_rate_or_momentum_moves_the_weights(world):
    """After one round all clients have trained from the same model: the mean of their states does not depend on the rest."""
    plain = run(world, rounds=1)
    for options in ({"uplink": fl.Sign()}, {"downlink": fl.Quantize(1)}, {"server_learning_rate": 0.1}, {"server_momentum": 0.9}):
        other = run(world, rounds=1, **options)
        for place in STATES:
            np.testing.assert_allclose(other.weights[place], plain.weights[place], rtol=1e-6)
    assert np.abs(plain.weights[STATES[0]] - net().get_weights()[STATES[0]]).max() > 0.01


def test_the_bytes_of_the_state_count_in_both_directions(world):
    n_trained, n_state = 8 * 6 + 6 + 6 + 6 + 6 * 2 + 2, 12
    header, state = 7, 4 * n_state + 7
    history = run(world, rounds=2)
    assert history.uplink_bytes == [5 * (4 * n_trained + header + state)] * 2
    dense = 4 * (n_trained + n_state) + header
    assert history.downlink_bytes == [5 * dense, 5 * min(4 * n_trained + header + state, dense)]
    few = run(world, rounds=2, downlink=fl.TopK(1))
    assert few.downlink_bytes[1] == 5 * (len(fl.TopK(1).encode(np.ones(n_trained))) + state)


def test_a_round_without_an_answer_leaves_the_state(world):
    history = run(world, rounds=1, no_answer=0.9999)
    for place in STATES:
        np.testing.assert_array_equal(history.weights[place], net().get_weights()[place])


def test_a_loss_on_the_test_set_that_is_no_number_is_told(world):
    """The first samples are harmless, so that the model passes its trial; a later one is beyond float32 when squared."""
    data, clients = world
    x_test = data.x_test.copy()
    x_test[50] = 3e38
    with pytest.raises(FloatingPointError, match=r"round 1, test set: the loss is no longer finite") as caught:
        fl.simulate(net(), data._replace(x_test=x_test), clients, rounds=2, clients_per_round=5)
    assert caught.value.history.accuracy == []
    model = net()
    weights = model.get_weights()
    weights[STATES[1]][:] = -1.0
    model.set_weights(weights)
    with pytest.raises(ValueError, match=r"gives NaN or infinity .* variance below zero"):
        fl.simulate(model, data, clients, rounds=1, clients_per_round=5)


def test_the_progress_bar_closes_on_an_error(world, monkeypatch):
    import tqdm.auto

    closed = []
    bar = tqdm.auto.tqdm

    class Watched(bar):
        def close(self):
            closed.append(True)
            super().close()

    monkeypatch.setattr(tqdm.auto, "tqdm", Watched)

    def broken(history):
        raise RuntimeError("the reader's own")

    with pytest.raises(RuntimeError, match="the reader's own"):
        run(world, on_round=broken, progress=True)
    assert closed


@pytest.mark.parametrize(("codec", "warns"), [(fl.RandomK(0.01), True), (fl.QSGD(2), True), (fl.TopK(0.1), False)], ids=str)
def test_feedback_that_does_harm_is_warned_of_once_and_left_off_by_default(mnist, codec, warns, recwarn):
    clients = [np.arange(20)] * 2
    options = {"rounds": 2, "clients_per_round": 2, "uplink": codec}
    default = fl.simulate(fl.models.document_mlp(), mnist, clients, **options)
    assert not recwarn.list
    if warns:
        with pytest.warns(UserWarning, match="error feedback makes its error grow") as seen:
            forced = fl.simulate(fl.models.document_mlp(), mnist, clients, **options, error_feedback=True)
        assert len(seen) == 1 and forced.loss != default.loss
    else:
        forced = fl.simulate(fl.models.document_mlp(), mnist, clients, **options, error_feedback=True)
        assert forced.loss == default.loss
    off = fl.simulate(fl.models.document_mlp(), mnist, clients, **options, error_feedback=False)
    assert (off.loss == default.loss) is warns


def test_where_clients_keep_their_own_state_validation_is_the_mean_over_the_clients_of_the_round(world):
    data, clients = world
    held_out, clients = clients[0], clients[1:]
    local = {"rounds": 2, "clients_per_round": 4, "state": "local"}
    every = run((data, clients), validation=held_out, **local)
    as_test = data._replace(x_test=data.x_train[held_out], y_test=data.y_train[held_out])
    tested = run((as_test, clients), **local)
    np.testing.assert_allclose(every.validation_accuracy, tested.accuracy)
    assert every.validation_accuracy != every.accuracy
