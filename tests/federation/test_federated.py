"""Federated averaging against slow oracles in NumPy and plain Keras; the account against the messages themselves."""

import itertools
import math

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl
from fedlab_utils.data import Dataset
from fedlab_utils.federation.account import Downlink
from fedlab_utils.streams import Purpose

models = Later("fedlab_utils.training.models")
training = Later("fedlab_utils.training.trainer")
planning = Later("fedlab_utils.training.arrays")
parties = Later("fedlab_utils.federation.parties")
keras = Later("keras", within="fedlab_utils.training.models")

pytestmark = pytest.mark.training

N_DOCUMENT = 101_770
DENSE = 4 * N_DOCUMENT


@pytest.fixture(scope="module")
def small(mnist):
    """400 images to train on and 200 to test on, so that a round takes milliseconds."""
    return Dataset(mnist.x_train[:400], mnist.y_train[:400], mnist.x_test[:200], mnist.y_test[:200])


def plain_mlp(seed=0):
    """784 → 12 (ReLU) → 10 (softmax), no dropout: 9,550 weights whose training leaves nothing to chance."""
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Flatten(), keras.layers.Dense(12, "relu"), keras.layers.Dense(10, "softmax")]
    return keras.Sequential([keras.Input((28, 28)), *layers], name="plain_mlp")


UNEQUAL = [np.arange(0, 7), np.arange(7, 30), np.arange(30, 75)]  # three clients of 7, 23 and 45 samples


def simulate(model, data, clients, **options):
    return fl.simulate(model, data, clients, **{"rounds": 1, "clients_per_round": len(clients), **options})


def flat(weights):
    return np.concatenate([np.ravel(w) for w in weights])


class Spy(fl.Codec):
    """A codec that keeps what it was given and what it made of it."""

    def __init__(self, codec):
        self.codec, self.meant, self.payloads = codec, [], []

    def encode(self, x, rng=None):
        self.meant.append(np.array(x, np.float32))
        self.payloads.append(self.codec.encode(x, rng))
        return self.payloads[-1]


def keep(kept):
    """An `on_round` that appends the global weights after every round, flat."""
    return lambda history: kept.append(flat(history.weights))


# The oracle: the same network, its gradient worked out by hand, in float64


def sgd_by_hand(weights, data, batches, learning_rate):
    w1, b1, w2, b2 = (np.array(w, np.float64) for w in weights)
    for batch in batches:
        x, y = data.x_train[batch].reshape(len(batch), -1).astype(np.float64), data.y_train[batch]
        z = x @ w1 + b1
        h = np.maximum(z, 0)
        logits = h @ w2 + b2
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        d2 = (p - np.eye(10)[y]) / len(batch)  # the gradient of the mean cross-entropy by the logits
        d1 = (d2 @ w2.T) * (z > 0)
        w2, b2 = w2 - learning_rate * h.T @ d2, b2 - learning_rate * d2.sum(axis=0)
        w1, b1 = w1 - learning_rate * x.T @ d1, b1 - learning_rate * d1.sum(axis=0)
    return [w1, b1, w2, b2]


def average_by_hand(vectors, clients):
    return sum(v * len(c) for v, c in zip(vectors, clients, strict=True)) / sum(map(len, clients))


def own_batches(indices, weights):
    """The batches of one client as lists of samples, without the filling."""
    return [batch[weight > 0] for batch, weight in zip(indices, weights, strict=True) if weight.any()]


@pytest.fixture(scope="module")
def cohort(small):
    """Three unequal clients, two epochs, batches of 10, trained together by the package."""
    model = plain_mlp()
    rngs = [np.random.default_rng(c) for c in range(3)]
    indices, weights = planning.plan_batches(UNEQUAL, rngs, local_epochs=2, batch_size=10)
    trainer = training.Trainer(model, small, keras.optimizers.SGD(0.3))
    arrays, _ = trainer.train(model.get_weights(), indices, weights, np.zeros((3, 0, 2), int))
    return model, indices, weights, np.concatenate([array.reshape(3, -1) for array in arrays], axis=1)


@pytest.mark.parametrize("client", range(3))
def test_each_client_of_a_cohort_trains_as_numpy_does_by_hand(cohort, small, client):
    model, indices, weights, trained = cohort
    by_hand = sgd_by_hand(model.get_weights(), small, own_batches(indices[client], weights[client]), 0.3)
    np.testing.assert_allclose(trained[client], flat(by_hand), atol=1e-5)
    assert np.abs(trained[client] - flat(model.get_weights())).max() > 0.01  # it has learnt something


@pytest.mark.parametrize("client", range(3))
def test_each_client_of_a_cohort_trains_as_keras_does_alone(cohort, small, client):
    model, indices, weights, trained = cohort
    alone = keras.models.clone_model(model)
    alone.set_weights(model.get_weights())
    alone.compile(keras.optimizers.SGD(0.3), "sparse_categorical_crossentropy")
    order = np.concatenate(own_batches(indices[client], weights[client]))
    for epoch in np.split(order, 2):
        alone.fit(small.x_train[epoch], small.y_train[epoch], batch_size=10, shuffle=False, verbose=0)
    np.testing.assert_allclose(trained[client], flat(alone.get_weights()), atol=1e-5)


def test_a_penalty_of_the_layers_counts_as_in_keras(small):
    """Clients of 7 and 45 samples, batches of 15: the small one stands still while the other takes two more steps."""
    dense = keras.layers.Dense(10, "softmax", kernel_regularizer=keras.regularizers.L2(0.05))
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), dense])
    indices, weights = np.zeros((2, 3, 15), np.int32), np.zeros((2, 3, 15), np.float32)
    indices[0, 0, :7], weights[0, 0, :7] = UNEQUAL[0], 1
    indices[1], weights[1] = UNEQUAL[2].reshape(3, 15), 1
    trainer = training.Trainer(model, small, keras.optimizers.SGD(0.3))
    arrays, _ = trainer.train(model.get_weights(), indices, weights, np.zeros((2, 0, 2), int))
    for client, *trained in zip([UNEQUAL[0], UNEQUAL[2]], *arrays, strict=True):
        alone = keras.models.clone_model(model)
        alone.set_weights(model.get_weights())
        alone.compile(keras.optimizers.SGD(0.3), "sparse_categorical_crossentropy")
        alone.fit(small.x_train[client], small.y_train[client], batch_size=15, shuffle=False, verbose=0)
        np.testing.assert_allclose(flat(trained), flat(alone.get_weights()), atol=1e-5)


def test_rounds_of_simulate_are_federated_averaging_by_hand(small):
    """Batches that hold all of a client's samples, so that their order does not matter."""
    model, kept = plain_mlp(), []
    simulate(model, small, UNEQUAL, rounds=3, local_epochs=2, batch_size=50, learning_rate=0.3, on_round=keep(kept))
    server = model.get_weights()
    shapes = [w.shape for w in server]
    for after_round in kept:
        local = [flat(sgd_by_hand(server, small, [part, part], 0.3)) for part in UNEQUAL]
        expected = average_by_hand(local, UNEQUAL)
        np.testing.assert_allclose(after_round, expected, atol=1e-5)
        assert np.abs(np.mean(local, axis=0) - expected).max() > 1e-3  # weighting by samples makes a difference here
        server = training.unflatten(expected, shapes)


def test_local_steps_are_steps_of_sgd_by_hand(small):
    """Three steps of clients whose batch is all that they have."""
    history = simulate(plain_mlp(), small, UNEQUAL, local_steps=3, batch_size=50, learning_rate=0.3)
    local = [flat(sgd_by_hand(plain_mlp().get_weights(), small, [part] * 3, 0.3)) for part in UNEQUAL]
    np.testing.assert_allclose(flat(history.weights), average_by_hand(local, UNEQUAL), atol=1e-5)


@pytest.mark.parametrize("n_clients", [3, 2])
def test_a_majority_moves_each_weight_by_the_servers_rate_and_a_tie_goes_with_the_mean(small, n_clients):
    """signSGD: clients of 7, 23 and 45 samples have one vote each; of two that disagree neither wins, and the mean decides."""
    parts, start = UNEQUAL[:n_clients], flat(plain_mlp().get_weights())
    history = simulate(
        plain_mlp(), small, parts, batch_size=50, learning_rate=0.3, uplink=fl.Sign(), downlink=fl.Sign(), error_feedback=False,
        aggregation="majority", server_learning_rate=0.01,
    )  # fmt: skip
    local = np.array([flat(sgd_by_hand(plain_mlp().get_weights(), small, [part], 0.3)) - start for part in parts])
    signs = np.where(local.astype(np.float32) >= 0, 1, -1)  # a weight that stands still says plus: one bit has no zero
    sent = signs * np.abs(local).mean(axis=1, keepdims=True)
    shares = np.array([part.size for part in parts]) / sum(part.size for part in parts)
    votes, mean = signs.sum(axis=0), shares @ sent
    expected = np.sign(np.where(votes == 0, mean, votes))
    clear = np.abs(local).min(axis=0) > 1e-7  # elsewhere float noise of the oracle has a vote
    moved = flat(history.weights) - start
    np.testing.assert_allclose(moved[clear], 0.01 * expected[clear], rtol=1e-4)
    outvoted = np.mean(expected[clear] != np.sign(mean[clear]))
    assert clear.mean() > 0.3 and (outvoted > 0.02 if n_clients == 3 else np.any(votes[clear] == 0))
    assert history.uplink_bytes == [n_clients * len(fl.Sign().encode(start))]


def accuracy_by_hand(weights, x, y):
    w1, b1, w2, b2 = weights
    return np.mean((np.maximum(x.reshape(len(x), -1) @ w1 + b1, 0) @ w2 + b2).argmax(axis=1) == y)


@pytest.mark.parametrize("make", [plain_mlp, lambda: models.document_mlp()], ids=["plain_mlp", "document_mlp"])
def test_accuracy_is_that_of_the_global_model_on_the_test_set_without_dropout(small, make):
    model, by_hand = make(), []
    history = simulate(
        model,
        small,
        UNEQUAL,
        rounds=3,
        learning_rate=0.3,
        downlink=fl.TopK(0.1),
        on_round=lambda h: by_hand.append(accuracy_by_hand(h.weights, small.x_test, small.y_test)),
    )
    assert history.accuracy == by_hand
    model.set_weights(history.weights)  # the form of model.get_weights()
    assert history.accuracy[-1] == np.mean(model.predict(small.x_test, verbose=0).argmax(axis=1) == small.y_test)


def test_accuracy_counts_the_whole_test_set(small, mnist):
    """3,001 images are no multiple of any batch; one image may fall on the other side of a near tie."""
    odd = small._replace(x_test=mnist.x_test[:3001], y_test=mnist.y_test[:3001])
    history = simulate(plain_mlp(), odd, UNEQUAL)
    expected = accuracy_by_hand(history.weights, odd.x_test, odd.y_test)
    assert history.accuracy[0] == pytest.approx(expected, abs=1.5 / 3001)


# Batches


def test_every_sample_is_used_once_an_epoch_in_an_order_of_its_own():
    parts = [np.arange(100, 107), np.arange(200, 223), np.arange(300, 340)]
    rngs = [np.random.default_rng(c) for c in range(3)]
    indices, weights = planning.plan_batches(parts, rngs, local_epochs=3, batch_size=10)
    assert indices.shape == weights.shape == (3, 12, 10)
    assert indices.dtype == np.int32 and weights.dtype == np.float32 and set(weights.ravel()) == {0, 1}
    for part, own, used in zip(parts, indices, weights, strict=True):
        batches = own_batches(own, used)
        steps = math.ceil(part.size / 10)
        assert [len(batch) for batch in batches] == [*[10] * (part.size // 10), part.size % 10 or 10][-steps:] * 3
        epochs = [np.concatenate(batches[e * steps : (e + 1) * steps]).tolist() for e in range(3)]
        assert all(sorted(epoch) == part.tolist() for epoch in epochs)
        assert epochs[0] != epochs[1] != epochs[2] != part.tolist()


@pytest.mark.parametrize("steps", [1, 4, 5, 11])
def test_steps_in_place_of_epochs_are_cut_from_as_many_epochs_as_they_take(steps):
    """Clients of 7, 23 and 40 samples in batches of 10: epochs of 1, 3 and 4 steps, the last batches short."""
    parts = [np.arange(100, 107), np.arange(200, 223), np.arange(300, 340)]
    rngs = [[np.random.default_rng(c) for c in range(3)] for _ in range(2)]
    indices, weights = planning.plan_batches(parts, rngs[0], 1, 10, local_steps=steps)
    whole = planning.plan_batches(parts, rngs[1], 11, 10)
    assert indices.shape == weights.shape == (3, steps, 10)
    for client in range(3):
        cut, all_of_them = own_batches(indices[client], weights[client]), own_batches(whole[0][client], whole[1][client])
        assert [batch.tolist() for batch in cut] == [batch.tolist() for batch in all_of_them[:steps]]
        assert len(cut) == steps, "each client takes as many, however few its samples"


def test_a_batch_larger_than_every_client_costs_no_more_than_the_clients():
    parts = [np.arange(7), np.arange(5)]
    indices, weights = planning.plan_batches(parts, [np.random.default_rng(c) for c in range(2)], 1, 1_000_000)
    assert weights.sum() == 12 and indices.size <= 14


# What stays as it was, what repeats


def test_the_model_is_left_unchanged_and_its_present_weights_are_the_start(small):
    model = plain_mlp(seed=4)
    model.set_weights([w * 0.5 for w in model.get_weights()])
    before = [w.copy() for w in model.get_weights()]
    history = simulate(model, small, UNEQUAL[2:], batch_size=50, learning_rate=0.2)
    np.testing.assert_allclose(flat(history.weights), flat(sgd_by_hand(before, small, UNEQUAL[2:], 0.2)), atol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_the_random_state_of_a_dropout_layer_is_left_unchanged(small):
    model = models.document_mlp(seed=1)
    before = [variable.numpy() for variable in model.non_trainable_variables]
    simulate(model, small, UNEQUAL)
    for old, variable in zip(before, model.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_data_changed_between_two_runs_are_seen(small):
    data = small._replace(x_train=small.x_train.copy())
    simulate(plain_mlp(), data, UNEQUAL)
    data.x_train[:] = 0
    again = simulate(plain_mlp(), data, UNEQUAL)
    assert np.array_equal(again.weights[0], plain_mlp().get_weights()[0])  # black images move no weight of a pixel


def test_weights_changed_by_on_round_do_not_change_the_training(small):
    undisturbed, disturbed = [], []

    def scribble(history):
        disturbed.append(flat(history.weights))
        history.weights[0][:] = 0

    simulate(plain_mlp(), small, UNEQUAL, rounds=2, on_round=keep(undisturbed))
    simulate(plain_mlp(), small, UNEQUAL, rounds=2, on_round=scribble)
    assert undisturbed[1].tobytes() == disturbed[1].tobytes()


def test_the_same_seed_gives_the_same_history_whatever_else_draws_random_numbers(small):
    options = {"rounds": 3, "clients_per_round": 4, "uplink": fl.TopK(0.1) | fl.Quantize(4, "stochastic")}
    options["downlink"] = fl.Quantize(8, "stochastic")
    clients = fl.partition_iid(small.y_train, 10)

    def run(seed):
        return fl.simulate(models.document_mlp(seed=2), small, clients, seed=seed, **options)

    first = run(5)
    keras.utils.set_random_seed(99)
    again, other = run(5), run(6)
    assert (first.accuracy, first.uplink_bytes, first.downlink_bytes) == (
        again.accuracy, again.uplink_bytes, again.downlink_bytes)  # fmt: skip
    assert flat(first.weights).tobytes() == flat(again.weights).tobytes()
    assert not np.array_equal(flat(first.weights), flat(other.weights))


def test_document_mlp_is_the_model_of_section_5_2():
    model = models.document_mlp(seed=0)
    assert [type(layer).__name__ for layer in model.layers] == ["Flatten", "Dense", "Dropout", "Dense"]
    assert [w.shape for w in model.get_weights()] == [(784, 128), (128,), (128, 10), (10,)]
    assert model.count_params() == N_DOCUMENT == 784 * 128 + 128 + 128 * 10 + 10
    assert model.layers[2].rate == 0.2
    assert [model.layers[i].activation.__name__ for i in (1, 3)] == ["relu", "softmax"]
    assert model.predict(np.ones((3, 28, 28)), verbose=0).sum(axis=1) == pytest.approx([1, 1, 1])


def test_the_seed_of_document_mlp_decides_its_weights():
    first, again, other = (flat(models.document_mlp(seed=seed).get_weights()) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.01  # but for the biases, which start at zero
    assert np.abs(first[: 784 * 128]).max() <= math.sqrt(6 / (784 + 128))  # Glorot and Bengio 2010, equation 16


# Dropout, seen through the gradients
#
# All pixels are 1, all labels 0, the weights start at zero: a step moves the weight from a pixel to class 0 by
# learning_rate * 0.9 / (1 - rate) if the pixel was kept, and not at all if it was dropped.

TINY_RATE = 1e-4  # so small that the second step has the same gradient as the first, to one percent


def steps_by_unit(rate=0.5, layers=1, samples=1, clients=1, rounds=1, local_epochs=1, batch_size=1, seed=0):
    """How many steps moved each unit: float [rounds, clients, 784]; a sample's share of a batch is part of a step."""
    x = np.ones((clients * samples, 28, 28), np.float32)
    y = np.zeros(clients * samples, np.int32)
    dropouts = [keras.layers.Dropout(rate) for _ in range(layers)]
    dense = keras.layers.Dense(10, "softmax", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), *dropouts, dense], name="mask")
    spy = Spy(fl.Identity())
    simulate(
        model,
        Dataset(x, y, x, y),
        np.arange(clients * samples).reshape(clients, samples),
        rounds=rounds,
        local_epochs=local_epochs,
        batch_size=batch_size,
        learning_rate=TINY_RATE,
        uplink=spy,
        error_feedback=False,
        seed=seed,
    )
    deltas = np.array(spy.meant)[:, :7840].reshape(rounds, clients, 784, 10)[..., 0]
    steps = deltas * (1 - rate) ** layers / (TINY_RATE * 0.9)
    assert np.abs(steps * samples - np.rint(steps * samples)).max() < 0.1
    return np.rint(steps * samples) / samples


def nearly(share, of=784):
    """A share of independent fair draws, within five standard deviations: false alarm once in 1.7 million."""
    return pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / of))


def test_the_mask_drops_its_rate_and_scales_the_rest():
    for rate in (0.2, 0.5):
        (mask,) = steps_by_unit(rate)[0]
        assert set(mask) == {0, 1} and np.mean(mask == 0) == nearly(rate)


def test_masks_differ_between_clients():
    for one, two in itertools.combinations(steps_by_unit(clients=5)[0], 2):
        assert np.mean(one != two) == nearly(0.5)


def test_masks_differ_between_steps():
    """Of two steps with their own masks, half of the units take part in exactly one; with one mask, none."""
    (steps,) = steps_by_unit(local_epochs=2)[0]
    assert np.mean(steps == 1) == nearly(0.5) and np.mean(steps == 2) == nearly(0.25)


def test_masks_differ_between_the_samples_of_a_batch():
    (steps,) = steps_by_unit(samples=2, batch_size=2)[0]
    assert np.mean(steps == 0.5) == nearly(0.5)


def test_masks_differ_between_rounds():
    (one,), (two,) = steps_by_unit(rounds=2)
    assert np.mean(one != two) == nearly(0.5)


def test_masks_differ_between_layers():
    (mask,) = steps_by_unit(layers=2)[0]
    assert np.mean(mask == 1) == nearly(0.25)


def test_masks_repeat_with_the_seed_and_only_with_it():
    first, again, other = (steps_by_unit(clients=2, rounds=2, seed=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first != other) == nearly(0.5, of=first.size)


# The account


def test_uplink_bytes_are_the_messages_and_the_server_knows_nothing_else(small):
    spy, kept = Spy(fl.TopK(0.05) | fl.Quantize(4)), []
    model = plain_mlp()
    history = simulate(model, small, UNEQUAL, rounds=4, uplink=spy, on_round=keep(kept))
    assert history.uplink_bytes == [sum(map(len, spy.payloads[3 * r : 3 * r + 3])) for r in range(4)]
    server = flat(model.get_weights())
    for number, after_round in enumerate(kept):
        sent = [fl.decode(payload) for payload in spy.payloads[3 * number : 3 * number + 3]]
        server = server + average_by_hand(sent, UNEQUAL)
        np.testing.assert_allclose(after_round, server, atol=1e-6)


def test_bytes_by_hand_with_dense_messages(small):
    """float32 up and down: four bytes a weight and nine around them (magic, length, tag, checksum)."""
    clients = fl.partition_iid(small.y_train, 8)
    history = fl.simulate(models.document_mlp(), small, clients, rounds=3, clients_per_round=5)
    assert history.uplink_bytes == history.downlink_bytes == [5 * (DENSE + 1 + 3 + 1 + 4)] * 3
    assert history.total_bytes().tolist() == [10 * (DENSE + 9) * r for r in (1, 2, 3)]


def test_what_is_sent_is_the_delta_plus_the_clients_own_residual(small):
    for feedback in (True, False):
        spy, kept, model = Spy(fl.TopK(0.02)), [], plain_mlp()
        simulate(model, small, UNEQUAL, rounds=3, batch_size=50, learning_rate=0.3, uplink=spy, on_round=keep(kept),
                 error_feedback=feedback)  # fmt: skip
        starts = [flat(model.get_weights()), *kept]
        residuals = np.zeros((3, starts[0].size))
        shapes = [w.shape for w in model.get_weights()]
        for message, (meant, payload) in enumerate(zip(spy.meant, spy.payloads, strict=True)):
            number, client = divmod(message, 3)
            start = starts[number]
            delta = flat(sgd_by_hand(training.unflatten(start, shapes), small, [UNEQUAL[client]], 0.3)) - start
            np.testing.assert_allclose(meant, delta + residuals[client], atol=2e-6)
            if feedback:
                residuals[client] = meant - fl.decode(payload)
        assert np.abs(residuals).max() > 0.01 or not feedback


# Catching up

COHORTS = [(0, 1), (0, 2), (0, 1), (0, 3), (0, 1), (0, 1), (0, 2), (4, 1), (2, 3), (0, 4), (4, 3)]


@pytest.fixture
def scripted(monkeypatch):
    """Cohorts by the script, not by lot."""
    draw = parties.stream

    class Script:
        def __init__(self, number):
            self.number = number

        def choice(self, *_, **__):
            return np.array(COHORTS[self.number])

    monkeypatch.setattr(parties, "stream", lambda *key: Script(key[2]) if key[1] is Purpose.SELECTION else draw(*key))


@pytest.fixture
def scripted_run(small, scripted):
    def run(downlink, **options):
        spy, kept, model = Spy(downlink), [], plain_mlp()
        clients = np.arange(100).reshape(5, 20)
        history = simulate(
            model,
            small,
            clients,
            rounds=len(COHORTS),
            clients_per_round=2,
            downlink=spy,
            on_round=keep(kept),
            **options,
        )
        return history, spy, [flat(model.get_weights()), *kept]

    return run


DOWNLINKS = [fl.Identity(), fl.Quantize(8), fl.TopK(0.2), fl.TopK(0.01) | fl.Quantize(4)]


@pytest.mark.parametrize("downlink", DOWNLINKS, ids=repr)
def test_a_client_pays_for_what_it_missed_or_for_the_dense_model(scripted_run, downlink):
    history, spy, servers = scripted_run(downlink)
    dense = len(fl.Identity().encode(servers[0]))
    lengths, last_seen, expected, cheaper = [len(payload) for payload in spy.payloads], {}, [], set()
    assert len(lengths) == len(COHORTS)  # one message a round for all
    for number, selected in enumerate(COHORTS):
        cost = 0
        for client in selected:
            missed = sum(lengths[last_seen[client] : number]) if client in last_seen else math.inf
            cheaper.add("dense" if missed > dense else "missed")
            cost += min(missed, dense)
            last_seen[client] = number
        expected.append(cost)
    assert history.downlink_bytes == expected
    assert "dense" in cheaper  # everybody's first model, at least


def test_the_script_has_clients_for_whom_either_is_cheaper(scripted_run):
    _, spy, servers = scripted_run(fl.TopK(0.2))
    dense = len(fl.Identity().encode(servers[0]))
    lengths = [len(payload) for payload in spy.payloads]
    assert sum(lengths[1:6]) > dense  # client 2 between its first two turns
    assert sum(lengths[2:4]) < dense  # client 1 between its second and third


@pytest.mark.parametrize("downlink", DOWNLINKS, ids=repr)
@pytest.mark.parametrize("feedback", [True, False])
def test_a_client_that_replays_what_it_missed_holds_the_servers_model_bit_for_bit(scripted_run, downlink, feedback):
    _, spy, servers = scripted_run(downlink, error_feedback=feedback)
    held, last_seen, replayed = {}, {}, 0
    for number, selected in enumerate(COHORTS):
        for client in selected:
            if client not in held:
                held[client] = fl.decode(fl.Identity().encode(servers[number]))  # the first model is dense
            else:
                for payload in spy.payloads[last_seen[client] : number]:
                    held[client] = held[client] + fl.decode(payload)
                    replayed += 1
            last_seen[client] = number
            assert held[client].tobytes() == servers[number].tobytes()
    assert replayed > len(COHORTS)


@pytest.mark.parametrize("feedback", [True, False])
def test_the_server_remembers_what_its_downlink_did_not_say(small, feedback):
    up, down, kept, model = Spy(fl.Identity()), Spy(fl.TopK(0.05)), [], plain_mlp()
    simulate(model, small, UNEQUAL, rounds=4, uplink=up, downlink=down, on_round=keep(kept), error_feedback=feedback)
    server, residual = flat(model.get_weights()), 0.0
    for number, (meant, payload) in enumerate(zip(down.meant, down.payloads, strict=True)):
        update = average_by_hand([fl.decode(p) for p in up.payloads[3 * number : 3 * number + 3]], UNEQUAL)
        np.testing.assert_allclose(meant, update + residual, atol=1e-6)
        server = server + fl.decode(payload)
        assert server.tobytes() == kept[number].tobytes()
        if feedback:
            residual = meant - fl.decode(payload)


def test_every_client_is_equally_likely_to_be_selected(small, monkeypatch):
    """Chi-square of 400 draws of 2 of 5, four degrees of freedom: 18.5 is exceeded once in a thousand seeds."""
    selected = []
    serve = Downlink.bytes_to_serve
    monkeypatch.setattr(Downlink, "bytes_to_serve", lambda s, c: selected.append(list(c)) or serve(s, c))
    monkeypatch.setattr(training.Trainer, "evaluate", lambda *_: (0.0, 0.0))
    simulate(plain_mlp(), small, np.arange(10).reshape(5, 2), rounds=400, clients_per_round=2)
    assert all(len(set(c)) == 2 for c in selected)
    counts = np.bincount(np.concatenate(selected), minlength=5)
    assert np.sum((counts - 160) ** 2 / 160) * (5 - 1) / (5 - 2) < 18.5


# Stopping


def test_on_round_sees_the_history_grow_and_stops_by_false(small):
    columns = ("accuracy", "uplink_bytes", "downlink_bytes", "train_seconds", "codec_seconds", "eval_seconds")
    lengths = []

    def on_round(history):
        lengths.append([len(getattr(history, name)) for name in columns])
        return len(lengths) < 3

    history = simulate(plain_mlp(), small, UNEQUAL, rounds=10, on_round=on_round)
    assert lengths == [[r] * 6 for r in (1, 2, 3)] and len(history.accuracy) == 3
    assert min(history.train_seconds + history.codec_seconds + history.eval_seconds) >= 0


def test_the_bar_says_accuracy_and_megabytes_and_is_closed(small, capsys):
    history = simulate(plain_mlp(), small, UNEQUAL, rounds=2, progress=True)
    shown = capsys.readouterr().err
    assert "2/2 [" in shown and f"accuracy={history.accuracy[-1]:.4f}" in shown
    assert f"MB={history.total_bytes()[-1] / 1e6:.2f}" in shown
    assert shown.endswith("\n")  # left by a bar that is closed
    simulate(plain_mlp(), small, UNEQUAL, rounds=1)
    assert capsys.readouterr().err == ""


def test_the_false_of_numpy_stops_too(small):
    history = simulate(plain_mlp(), small, UNEQUAL, rounds=3, on_round=lambda h: np.mean(h.accuracy) > 1)
    assert len(history.accuracy) == 1


@pytest.mark.parametrize("answer", [None, True, 0, ""])
def test_nothing_but_false_stops(small, answer):
    assert len(simulate(plain_mlp(), small, UNEQUAL, rounds=2, on_round=lambda _: answer).accuracy) == 2


def test_stopping_early_changes_nothing_before(small):
    whole = []
    simulate(plain_mlp(), small, UNEQUAL, rounds=3, on_round=keep(whole))
    stopped = simulate(plain_mlp(), small, UNEQUAL, rounds=9, on_round=lambda h: len(h.accuracy) < 2)
    assert flat(stopped.weights).tobytes() == whole[1].tobytes()


# Bad input


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"clients": [[0, 1], []]}, ValueError, r"clients\[1\] is empty"),
        ({"clients": [[0], [1, 400]]}, ValueError, r"clients\[1\] holds the index 400, allowed are 0 … 399"),
        ({"clients": [[0], [1.0]]}, TypeError, r"clients\[1\] must be a flat array of indices, got float64"),
        ({"clients": [[0], [True]]}, TypeError, r"clients\[1\] must be a flat array of indices, got bool"),
        ({"clients": [[[0]], [1]]}, TypeError, r"clients\[0\] must be a flat array of indices"),
        ({"clients_per_round": 4}, ValueError, r"clients_per_round must be in 1 … 3 .* got 4"),
        ({"clients_per_round": 0}, ValueError, r"clients_per_round must be .* got 0"),
        ({"clients_per_round": 1.5}, TypeError, r"clients_per_round must be an integer, got 1.5"),
        ({"clients": []}, ValueError, r"clients"),
        ({"rounds": 0}, ValueError, "rounds must be at least 1, got 0"),
        ({"rounds": 2.0}, TypeError, "rounds must be an integer, got 2.0"),
        ({"local_epochs": 0}, ValueError, "local_epochs must be at least 1, got 0"),
        ({"local_steps": 0}, ValueError, "local_steps must be at least 1, got 0"),
        ({"local_steps": 1.5}, TypeError, "local_steps must be an integer, got 1.5"),
        ({"local_steps": 2, "local_epochs": 5}, ValueError, r"local_steps=2 stands in place of local_epochs, got .*=5"),
        ({"aggregation": "median"}, ValueError, "aggregation must be one of 'mean', 'majority', got 'median'"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": True}, TypeError, "batch_size must be an integer, got True"),
        ({"learning_rate": 0}, ValueError, r"learning_rate must be in \(0, infinity\), got 0"),
        ({"learning_rate": -1}, ValueError, r"learning_rate must be in \(0, infinity\), got -1"),
        ({"learning_rate": math.nan}, ValueError, r"learning_rate must be in \(0, infinity\), got nan"),
        ({"learning_rate": math.inf}, ValueError, r"learning_rate must be in \(0, infinity\), got inf"),
        ({"learning_rate": "0.1"}, TypeError, "learning_rate must be a number, got '0.1'"),
        ({"seed": -1}, ValueError, "seed must be in 0 … 4294967295, got -1"),
        ({"seed": None}, TypeError, "seed must be an integer, got None"),
        ({"uplink": fl.TopK(10**6)}, ValueError, "must be in 1 … 9550, got 1000000"),
    ],
)
def test_bad_input_is_named(small, options, error, message):
    with pytest.raises(error, match=message):
        simulate(plain_mlp(), small, **{"clients": UNEQUAL, "clients_per_round": 2, **options})


def test_a_number_of_clients_is_no_partition(small):
    with pytest.raises(TypeError, match=r"clients must be a list with an array of sample indices for each client, .* got 5"):
        fl.simulate(plain_mlp(), small, 5, rounds=1)


def test_a_negative_index_is_named(small):
    with pytest.raises(ValueError, match=r"clients\[1\] holds the index -3"):
        simulate(plain_mlp(), small, [[0], [5, -3]])


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
@pytest.mark.parametrize("codec", ["topk", 8, 0, fl.Identity, len])
def test_what_is_no_codec_is_named(small, direction, codec):
    with pytest.raises(TypeError, match=f"{direction} must be a .*[cC]odec"):
        simulate(plain_mlp(), small, UNEQUAL, **{direction: codec})


@pytest.mark.parametrize("learning_rate", [1e10, 1e30])
def test_an_exploding_learning_rate_is_told(small, learning_rate):
    with pytest.raises(FloatingPointError, match=r"round \d, client \d: .* no longer finite; try a smaller learning_rate"):
        simulate(models.document_mlp(), small, UNEQUAL, rounds=5, learning_rate=learning_rate, uplink=fl.Quantize(8))


# The numbers of the book: 100 clients, 10 a round, one epoch, batches of 10, learning rate 0.1, all of MNIST.
# test_trainings.py trains them again, one seed of each setting.


@pytest.fixture(scope="module")
def ten_rounds():
    """Ten trainings of a setting or more, from data/results/trainings.csv: histories, last accuracies [seeds]."""

    def read(name):
        histories = fl.load_trainings(name)
        assert len(histories) >= 10 and all(len(history.accuracy) == 10 for history in histories)
        return histories, np.array([history.accuracy[-1] for history in histories])

    return read


def test_uncompressed_reaches_92_percent(ten_rounds):
    histories, reached = ten_rounds("100 clients, float32")
    assert reached.min() >= 0.92
    for history in histories:
        assert history.uplink_bytes == [10 * (DENSE + 9)] * 10


def test_top_ten_percent_and_eight_bits_reach_91_percent(ten_rounds):
    assert ten_rounds("100 clients, top 10 %, 8 bits")[1].min() >= 0.91


def test_top_one_percent_and_eight_bits_reach_88_percent_at_a_200th_of_the_uplink(ten_rounds):
    histories, reached = ten_rounds("100 clients, top 1 %, 8 bits")
    assert reached.mean() >= 0.88 and reached.min() >= 0.87
    assert max(sum(history.uplink_bytes) for history in histories) <= 10 * 10 * DENSE / 200


def test_contexts_and_a_seed_for_the_first_model_take_the_whole_account_below_a_megabyte(ten_rounds):
    """Issue 14 asks for 0.885 of ten seeds; 85 kB up, and 1 MB both ways where float32 takes 81 and top 1 % at 8 bits 27."""
    histories, reached = ten_rounds("100 clients, contexts both, first model as its seed")
    up = np.array([sum(history.uplink_bytes) for history in histories])
    both = up + [sum(history.downlink_bytes) for history in histories]
    assert reached.size == 15 and reached.mean() > 0.8855 and reached[:10].mean() >= 0.885 and reached.min() > 0.88
    assert up.max() <= 85_000 and both.mean() <= 1e6 and both.max() <= 1_050_000
    sparse = ten_rounds("100 clients, top 1 %, 8 bits both")
    assert np.mean(sparse[1]) < reached.mean()  # and fewer bytes:
    assert np.mean([sum(h.uplink_bytes) + sum(h.downlink_bytes) for h in sparse[0]]) > 25 * both.mean()


def test_what_the_teachers_page_says_of_the_lab(ten_rounds):
    """100 clients: 10 % costs less than a point, 1 % some four, 0.1 % some eighteen; on shards seeds differ far more. Ten
    clients that are always there: 1 % costs 1.9."""
    exact, one = ten_rounds("100 clients, float32")[1][:10], ten_rounds("100 clients, top 1 %, 8 bits")[1]
    assert 0 < np.mean(exact - ten_rounds("100 clients, top 10 %, 8 bits")[1]) < 0.01
    assert 0.03 < np.mean(exact - one) < 0.05
    assert 0.17 < np.mean(exact - ten_rounds("100 clients, top 0.1 %, 8 bits")[1]) < 0.2
    always = [ten_rounds(f"lab of 10, {what}")[1] for what in ("float32", "top 1 %, 8 bits")]
    assert round(100 * np.mean(always[0] - always[1]), 1) == 1.9
    shards = ten_rounds("two shards, top 1 %, 8 bits")[1]
    assert shards.max() < one.min() and np.ptp(shards) > 3 * np.ptp(one)


def test_fifteen_seeds_tell_that_error_feedback_helps_two_bits_to_nearest_and_five_do_not(ten_rounds):
    """Chapter 5 and the teacher's page: 3.4 points lost with it, 5.1 without; with twelve of fifteen seeds it helps."""
    exact, remembering = ten_rounds("100 clients, float32")[1], ten_rounds("100 clients, 2 bits")[1]
    gain = remembering - ten_rounds("100 clients, 2 bits, forgetting")[1]
    assert gain.size == 15 and [round(100 * x, 1) for x in (np.mean(exact - remembering), gain.mean())] == [3.4, 1.8]
    ends = 100 * (exact - remembering).min(), 100 * (exact - remembering).max()
    assert ends == pytest.approx((0.9, 5.9), abs=0.06)

    def t(gain):  # Student's, of the mean
        return abs(gain.mean()) / (gain.std(ddof=1) / np.sqrt(gain.size))

    assert (gain > 0).sum() == 12 and t(gain) > 2.98  # p < .01 with fourteen degrees of freedom
    assert gain[:5].min() < 0 < gain[:5].max() and t(gain[:5]) < 2.78  # p > .05 with four


def test_error_feedback_gains_two_points_at_top_one_percent():
    """Ten clients of 600 samples that all take part; every one of ten seeds gains."""
    with_it, without = (fl.load_trainings(f"ten by seed, top 1 %{rest}") for rest in ("", ", forgetting"))
    gains = [one.accuracy[-1] - other.accuracy[-1] for one, other in zip(with_it, without, strict=True)]
    assert len(gains) == 10 and np.mean(gains) >= 0.02 and min(gains) > 0.015
