"""Deep Gradient Compression against three steps worked out by hand, and training against NumPy in float64."""

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl
from fedlab_utils.data import Dataset
from fedlab_utils.federation.history import Diverged

distributed = Later("fedlab_utils.federation.distributed")
models = Later("fedlab_utils.training.models")
keras = Later("keras", within="fedlab_utils.training.models")

pytestmark = pytest.mark.training

WORKERS = [np.arange(0, 40), np.arange(40, 80), np.arange(80, 120)]


@pytest.fixture(scope="module")
def small(mnist):
    return Dataset(mnist.x_train[:400], mnist.y_train[:400], mnist.x_test[:200], mnist.y_test[:200])


def logistic():
    """784 → 10 (softmax), from weights drawn once."""
    dense = keras.layers.Dense(10, "softmax", kernel_initializer=keras.initializers.GlorotUniform(seed=3))
    return keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), dense])


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


# A worker's memory

GRADIENTS = np.array([[4, 2, 1], [1, 1, 3], [3, 2, 0]], np.float32)


@pytest.mark.parametrize(
    ("momentum", "masking", "sent"),
    [
        (0.0, True, [[4, 0, 0], [0, 0, 4], [0, 5, 0]]),  # kept back: (0 2 1), then (1 3 0), then (4 5 0) before the third
        (0.5, True, [[4, 0, 0], [0, 0, 4.5], [0, 7, 0]]),  # velocities (4 2 1), (1 2 3.5), (3.5 3 0)
        (0.5, False, [[4, 0, 0], [0, 0, 4.5], [7.5, 0, 0]]),  # velocities (4 2 1), (3 2 3.5), (4.5 3 1.75)
    ],
)
def test_three_steps_by_hand(momentum, masking, sent):
    memory = distributed.GradientMemory(fl.TopK(1), momentum, masking)
    for gradient, expected in zip(GRADIENTS, sent, strict=True):
        payload, received = memory.send(gradient)
        np.testing.assert_array_equal(received, expected)
        np.testing.assert_array_equal(fl.decode(payload), expected)


def test_a_codec_that_is_set_later_sends_what_was_kept_back():
    memory = distributed.GradientMemory(fl.TopK(1))
    memory.send(GRADIENTS[0])
    memory.codec = fl.Identity()
    np.testing.assert_array_equal(memory.send(GRADIENTS[1])[1], [1, 3, 4])


def test_a_gradient_is_cut_to_its_workers_share_and_never_lengthened():
    x = np.array([3, 0, -4], np.float32)
    np.testing.assert_allclose(distributed.clipped(x, 5, n_workers=4), x / 2, rtol=1e-6)  # 5 / sqrt(4) is half its norm
    np.testing.assert_array_equal(distributed.clipped(x, 11, n_workers=4), x)
    np.testing.assert_array_equal(distributed.clipped(0 * x, 1, n_workers=4), 0 * x)


# Training


def gradient_by_hand(vector, x, y):
    """Of the mean cross-entropy of softmax regression, in float64."""
    w, b = vector[:7840].reshape(784, 10), vector[7840:]
    x = x.reshape(len(x), -1).astype(np.float64)
    logits = x @ w + b
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    slope = (p - np.eye(10)[y]) / len(y)
    return np.concatenate([(x.T @ slope).ravel(), slope.sum(axis=0)])


def largest(x, k):
    sparse = np.zeros_like(x)
    kept = np.argsort(-np.abs(x), kind="stable")[:k]
    sparse[kept] = x[kept]
    return sparse


def by_hand(data, steps, kept=None, rate=0.2, momentum=0.9, correct=True, mask=True, clip=None):
    """kept: of each step, how many weights are sent; None: all. A batch is all that a worker has, so that order is nothing."""
    vector = flat(logistic().get_weights()).astype(np.float64)
    u, v = np.zeros((2, 3, vector.size))
    velocity = 0
    for step in range(steps):
        mean = 0
        for n, part in enumerate(WORKERS):
            g = gradient_by_hand(vector, data.x_train[part], data.y_train[part])
            if clip is not None:
                g = g * min(1, clip / np.sqrt(3) / np.linalg.norm(g))
            u[n] = momentum * correct * u[n] + g
            v[n] += u[n]
            sent = v[n].copy() if kept is None else largest(v[n], kept[step])
            v[n] -= sent
            if mask:
                u[n][sent != 0] = 0
            mean = mean + sent / 3
        velocity = momentum * (not correct) * velocity + mean
        vector = vector - rate * velocity
    return vector


def train(data, steps, **options):
    """A step an epoch."""
    return distributed.train_distributed(logistic(), data, WORKERS, epochs=steps, batch_size=40, learning_rate=0.2, **options)


@pytest.mark.parametrize("uplink", [None, fl.TopK(1.0)], ids=repr)
@pytest.mark.parametrize("options", [{"momentum_correction": False}, {"masking": False}], ids=repr)
def test_where_nothing_is_left_out_it_is_momentum_sgd(small, uplink, options):
    history = train(small, 6, uplink=uplink, **options)
    start, vector, velocity = flat(logistic().get_weights()), flat(logistic().get_weights()).astype(np.float64), 0
    for _ in range(6):  # on all workers' samples at once
        velocity = 0.9 * velocity + gradient_by_hand(vector, small.x_train[:120], small.y_train[:120])
        vector = vector - 0.2 * velocity
    np.testing.assert_allclose(flat(history.weights), vector, atol=2e-6)
    assert np.abs(vector - start).max() > 0.05


def test_masking_where_all_is_sent_leaves_no_momentum(small):
    np.testing.assert_allclose(flat(train(small, 5).weights), by_hand(small, 5, momentum=0), atol=2e-6)


TRICKS = [
    {}, {"momentum_correction": False}, {"masking": False}, {"clip": 0.8}, {"warm_up": [fl.TopK(400), fl.TopK(80)]},
    {"clip": 0.8, "warm_up": [fl.TopK(400), fl.TopK(80)]},
]  # fmt: skip


@pytest.mark.parametrize("tricks", TRICKS, ids=repr)
def test_every_trick_is_the_papers(small, tricks):
    kept = [400, 400, 80, 80, 20, 20, 20, 20] if "warm_up" in tricks else [20] * 8
    history = train(small, 8, uplink=fl.TopK(20), warm_up_steps=2, **tricks)
    correct, mask = tricks.get("momentum_correction", True), tricks.get("masking", True)
    expected = by_hand(small, 8, kept, correct=correct, mask=mask, clip=tricks.get("clip"))
    np.testing.assert_allclose(flat(history.weights), expected, atol=5e-6)
    plain = by_hand(small, 8, [20] * 8)
    assert not tricks or np.abs(expected - plain).max() > 0.01, "the trick makes a difference here"


class Counted(fl.TopK):
    """A codec that keeps its payloads."""

    def __init__(self, k):
        super().__init__(k)
        self.payloads = []

    def encode(self, x, rng=None):
        self.payloads.append(super().encode(x, rng))
        return self.payloads[-1]


def test_every_byte_is_counted_both_ways(small):
    codec = Counted(20)
    history = train(small, 2, uplink=codec)
    assert history.uplink_bytes == [sum(map(len, codec.payloads[step : step + 3])) for step in (0, 3)]
    dense = 3 * len(fl.Identity().encode(np.zeros(7850, np.float32)))
    assert history.first_model_bytes == [dense, 0]
    for step, down in ((0, history.downlink_bytes[0] - dense), (3, history.downlink_bytes[1])):
        mean = sum(fl.decode(payload).astype(np.float64) for payload in codec.payloads[step : step + 3]) / 3
        assert 20 <= np.count_nonzero(mean) <= 60
        assert down == 3 * len(fl.TopK(int(np.count_nonzero(mean))).encode(mean))


def test_batches_are_of_each_worker_and_an_epoch_sees_every_sample(small):
    """In batches of 16 a worker of 40 takes three steps; dropout draws anew at each, and the same seed draws the same."""
    options = {"epochs": 2, "batch_size": 16}
    runs = [distributed.train_distributed(models.document_mlp(), small, WORKERS, **options, seed=seed) for seed in (1, 1, 2)]
    assert len(runs[0].accuracy) == 2
    assert runs[0].uplink_bytes == [9 * (4 * 101_770 + 9)] * 2
    np.testing.assert_array_equal(flat(runs[0].weights), flat(runs[1].weights))
    assert np.abs(flat(runs[0].weights) - flat(runs[2].weights)).max() > 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
        ({"clip": 0}, r"clip must be in \(0"),
        ({"warm_up_steps": 0}, "warm_up_steps must be at least 1"),
        ({"uplink": fl.RandomK(0.1)}, "draws random numbers"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(small, options, message):
    with pytest.raises(ValueError, match=message):
        distributed.train_distributed(logistic(), small, WORKERS, **{"epochs": 1, **options})


def test_a_codec_of_the_warm_up_that_is_none_is_named(small):
    with pytest.raises(TypeError, match=r"warm_up\[1\]"):
        train(small, 1, warm_up=[fl.TopK(3), 0.1])


def test_a_model_with_a_state_is_refused(small):
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), norm, keras.layers.Dense(10, "softmax")])
    with pytest.raises(ValueError, match="batch normalization"):
        distributed.train_distributed(model, small, WORKERS, epochs=1)


def test_divergence_tells_when_and_keeps_what_was_before(small):
    with pytest.raises(Diverged, match=r"round [12], ") as caught, np.errstate(all="ignore"):
        distributed.train_distributed(models.document_mlp(), small, WORKERS, epochs=9, batch_size=40, learning_rate=1e15)
    assert len(caught.value.history.accuracy) < 9
