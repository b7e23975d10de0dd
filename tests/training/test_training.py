"""Any Keras model, client by client, against plain Keras `fit` in float64; random layers, chunks, states, divergence."""

import itertools

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl
from fedlab_utils.data import Dataset

models = Later("fedlab_utils.training.models")
graphs = Later("fedlab_utils.training.engine")
training = Later("fedlab_utils.training.trainer")
planning = Later("fedlab_utils.training.arrays")
keras = Later("keras", within="fedlab_utils.training.models")
layers = Later("layers", within="keras")

pytestmark = pytest.mark.training

UNEQUAL = [np.arange(0, 7), np.arange(7, 30), np.arange(30, 75)]  # 7, 23 and 45 samples: short batches, fewer steps


@pytest.fixture(scope="module")
def small(mnist):
    """400 images of 14×14 to train on and 200 to test on."""
    return Dataset(mnist.x_train[:400, ::2, ::2], mnist.y_train[:400], mnist.x_test[:200, ::2, ::2], mnist.y_test[:200])


def sequential(*stack, name="net"):
    model = keras.Sequential([keras.Input((14, 14)), *stack], name=name)
    return with_fixed_weights(model)


def with_fixed_weights(model):
    """The same weights at every call, whatever the order in which models are made."""
    rng = np.random.default_rng(3)
    start = [rng.normal(0, 0.1, w.shape) if w.ndim > 1 and w.any() else w for w in model.get_weights()]
    model.set_weights(start)
    return model


def dense(dtype=None):
    return sequential(
        layers.Flatten(dtype=dtype), layers.Dense(9, "relu", dtype=dtype), layers.Dense(10, "softmax", dtype=dtype), name="dense"
    )


def cnn(*after, dtype=None):
    return sequential(
        layers.Reshape((14, 14, 1), dtype=dtype),
        layers.Conv2D(4, 3, activation="relu", dtype=dtype),
        *after,
        layers.MaxPooling2D(dtype=dtype),
        layers.Flatten(dtype=dtype),
        layers.Dense(10, "softmax", dtype=dtype),
        name="cnn",
    )


def branched(dtype=None):
    """A functional model with two paths, normalized by layer."""
    start = keras.Input((14, 14))
    flat = layers.Flatten(dtype=dtype)(start)
    left = layers.Dense(6, "tanh", dtype=dtype)(flat)
    right = layers.LayerNormalization(dtype=dtype)(layers.Dense(6, dtype=dtype)(flat))
    joined = layers.Concatenate(dtype=dtype)([left, right])
    return with_fixed_weights(keras.Model(start, layers.Dense(10, "softmax", dtype=dtype)(joined), name="branched"))


MODELS = {
    "dense": (dense, True),
    "branched": (branched, True),
    "cnn": (cnn, False),
    "batch norm": (lambda dtype=None: cnn(layers.BatchNormalization(momentum=0.8, dtype=dtype), dtype=dtype), False),
    "dropout off": (lambda dtype=None: sequential(
        layers.Flatten(dtype=dtype), layers.Dropout(0.0, dtype=dtype), layers.Dense(10, "softmax", dtype=dtype)), True),
}  # fmt: skip
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01),
}


def batches_of(client_indices, client_weights):
    return [batch[weight > 0] for batch, weight in zip(client_indices, client_weights, strict=True) if weight.any()]


def keras_alone(model, data, batches, optimizer, loss="sparse_categorical_crossentropy"):
    """One client with plain Keras: `train_on_batch` is `fit` with the batches given."""
    alone = keras.models.clone_model(model)
    alone.set_weights(model.get_weights())
    alone.compile(optimizer, loss)
    for batch in batches:
        alone.train_on_batch(data.x_train[batch], data.y_train[batch])
    return alone.get_weights()


EVERY = [(kind, "sgd", compiled) for kind, (_, vectorized) in MODELS.items() for compiled in (False, True)[: 1 + vectorized]]
EVERY += [("cnn", optimizer, True) for optimizer in OPTIMIZERS]
EVERY += [("batch norm", optimizer, False) for optimizer in OPTIMIZERS if optimizer != "sgd"]
EVERY += [("dense", optimizer, compiled) for optimizer in OPTIMIZERS if optimizer != "sgd" for compiled in (False, True)]


@pytest.mark.parametrize(("kind", "optimizer", "compiled"), EVERY)
def test_every_client_trains_as_plain_keras_does(small, kind, optimizer, compiled):
    """Two epochs of unequal clients, in float64: weights and batch normalization's means equal to 1e-5."""
    make, vectorized = MODELS[kind]
    model = make(dtype="float64")
    assert graphs.is_vectorized(model) is vectorized
    rngs = [np.random.default_rng(c) for c in range(3)]
    indices, weights = planning.plan_batches(UNEQUAL, rngs, local_epochs=2, batch_size=10)
    trainer = training.Trainer(model, small, OPTIMIZERS[optimizer]())
    seeds = np.zeros((3, trainer.n_seeds, 2), int)
    arrays, losses = trainer.train(model.get_weights(), indices, weights, seeds, compiled=compiled)
    assert arrays[0].dtype == np.float64 and losses.shape == (3,) and (losses > 0).all()
    for client in range(3):
        alone = keras_alone(model, small, batches_of(indices[client], weights[client]), OPTIMIZERS[optimizer]())
        for mine, expected in zip(arrays, alone, strict=True):
            np.testing.assert_allclose(mine[client], expected, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize(("kind", "compiled"), [(kind, compiled) for kind in ("dense", "cnn") for compiled in (False, True)])
def test_a_mask_is_held_at_every_step(small, kind, optimizer, compiled):
    """Against plain Keras whose weights are multiplied by the mask before training and after every batch."""
    make, _ = MODELS[kind]
    model, rng = make(dtype="float64"), np.random.default_rng(1)
    mask = [rng.random(w.shape) < 0.4 if w.ndim > 1 else np.ones(w.shape, bool) for w in model.get_weights()]
    start = [w * m for w, m in zip(model.get_weights(), mask, strict=True)]
    indices, weights = planning.plan_batches(UNEQUAL, [np.random.default_rng(c) for c in range(3)], 2, 10)
    trainer = training.Trainer(model, small, OPTIMIZERS[optimizer](), mask=mask)
    arrays, _ = trainer.train(start, indices, weights, np.zeros((3, trainer.n_seeds, 2), int), compiled=compiled)
    for client in range(3):
        alone = keras.models.clone_model(model)
        alone.compile(OPTIMIZERS[optimizer](), "sparse_categorical_crossentropy")
        alone.set_weights(start)
        for batch in batches_of(indices[client], weights[client]):
            alone.train_on_batch(small.x_train[batch], small.y_train[batch])
            alone.set_weights([w * m for w, m in zip(alone.get_weights(), mask, strict=True)])
        for mine, expected, m in zip(arrays, alone.get_weights(), mask, strict=True):
            np.testing.assert_allclose(mine[client], expected, atol=1e-5)
            assert (mine[client][~m] == 0).all()
    kept = sum(int(m.sum()) for m in mask)
    assert trainer.deltas(arrays, start).shape == (3, kept) and trainer.gather(start).shape == (kept,)
    for mine, expected in zip(trainer.scatter(trainer.gather(start)), start, strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-6)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mean_squared_error", "an object"])
def test_other_losses_are_given_one_hot_labels(small, loss):
    model, loss = dense(), keras.losses.CategoricalFocalCrossentropy() if loss == "an object" else loss
    one_hot = Dataset(small.x_train, np.eye(10, dtype=np.float32)[small.y_train], small.x_test, small.y_test)
    history = fl.simulate(model, small, UNEQUAL[1:2], rounds=1, clients_per_round=1, batch_size=23, loss=loss)
    alone = keras_alone(model, one_hot, [UNEQUAL[1]], keras.optimizers.SGD(0.1), loss)
    for mine, expected in zip(history.weights, alone, strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-5)


def test_logits_are_trained_by_the_loss_that_expects_them(small):
    model = sequential(layers.Flatten(), layers.Dense(10))
    with pytest.raises(ValueError, match=r"end it with softmax, or pass loss=.*from_logits=True"):
        fl.simulate(model, small, UNEQUAL, rounds=1, clients_per_round=3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    history = fl.simulate(model, small, UNEQUAL, rounds=3, clients_per_round=3, loss=loss)
    model.compile(loss=loss, metrics=["accuracy"])
    model.set_weights(history.weights)
    expected = model.evaluate(small.x_test, small.y_test, verbose=0)
    assert [history.loss[-1], history.accuracy[-1]] == pytest.approx(expected, abs=1e-4)


# Random layers


def noisy(*stack):
    """784 → 10 from zero weights, on images of ones: what a step moves shows what the random layers let through."""
    return sequential(layers.Flatten(), *stack, layers.Dense(10, "softmax", kernel_initializer="zeros"))


RANDOM = {
    "vectorized dropout": lambda: [layers.Dropout(0.5)],
    "dropout client by client": lambda: [
        layers.Reshape((14, 14)), layers.Dropout(0.5, noise_shape=(None, 1, 14)), layers.Flatten()],
    "spatial dropout": lambda: [layers.Reshape((14, 14)), layers.SpatialDropout1D(0.5), layers.Flatten()],
    "noise": lambda: [layers.GaussianNoise(0.5)],
}  # fmt: skip


@pytest.mark.parametrize("kind", RANDOM)
def test_random_layers_differ_between_clients_and_steps_and_repeat_with_the_seed(kind):
    x, y = np.ones((4, 14, 14), np.float32), np.zeros(4, np.int32)
    data, model = Dataset(x, y, x, y), noisy(*RANDOM[kind]())

    def moved(clients, seed=0, epochs=1):
        kept = []
        codec = fl.Identity()
        encode = codec.encode
        codec.encode = lambda delta, rng=None: kept.append(delta.copy()) or encode(delta, rng)
        n = len(clients)
        fl.simulate(model, data, clients, rounds=1, clients_per_round=n, local_epochs=epochs, learning_rate=1e-3, uplink=codec,
                    seed=seed, error_feedback=False)  # fmt: skip
        return {delta.tobytes(): delta[:1960].reshape(196, 10)[:, 0] for delta in kept}, kept

    clients = [np.array([c]) for c in range(4)]
    by_client = list(moved(clients)[0].values())
    assert len(by_client) == 4
    for one, two in itertools.combinations(by_client, 2):
        assert np.abs(one - two).max() > 1e-4
    two_steps = next(iter(moved(clients[:1], epochs=2)[0].values()))
    one_step = next(iter(moved(clients[:1])[0].values()))
    assert np.abs(two_steps - 2 * one_step).max() > 1e-4  # with one mask for both, the second step would repeat the first
    assert moved(clients)[0].keys() == moved(clients)[0].keys() != moved(clients, seed=1)[0].keys()


def test_masks_are_uniform_and_independent_of_each_other():
    """Chi-square of the values, and the correlation of neighbours, of successive keys and of both halves of a hash."""
    from fedlab_utils.training.dropout import random_uint16
    from fedlab_utils.training.models import tf

    draws = np.stack([random_uint16(tf.constant([7, step], tf.int64), 100_001).numpy() for step in range(4)])
    assert draws.shape == (4, 100_001) and draws.min() >= 0 and draws.max() < 65536
    for row in draws:
        counts = np.bincount(row >> 8, minlength=256)
        assert np.sum((counts - counts.mean()) ** 2) / counts.mean() < 255 + 5 * np.sqrt(2 * 255)  # mean + 5 deviations
    pairs = [(draws[0], draws[1]), (draws[2], draws[3]), (draws[0, 1:], draws[0, :-1]), (draws[0, :-1:2], draws[0, 1::2])]
    other = random_uint16(tf.constant([8, 0], tf.int64), 100_001).numpy()
    for one, two in [*pairs, (draws[0], other)]:
        assert abs(np.corrcoef(one, two)[0, 1]) < 5 / np.sqrt(len(one))


# Chunks, caches, states


@pytest.mark.parametrize("kind", ["dense", "batch norm"])
def test_another_chunk_gives_the_same_weights(mnist, small, kind):
    make, data = (models.document_mlp, mnist) if kind == "dense" else (MODELS[kind][0], small)
    clients = [np.arange(10 * c, 10 * c + 4 + 3 * c) for c in range(8)]  # unequal
    runs = [fl.simulate(make(), data, clients, rounds=2, clients_per_round=8, chunk=chunk, seed=5) for chunk in (None, 1, 3)]
    for other in runs[1:]:
        assert other.uplink_bytes == runs[0].uplink_bytes
        for one, two in zip(runs[0].weights, other.weights, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_second_run_builds_no_graph(small):
    """Neither for the same model, nor for one built again under other names, nor for another learning rate."""
    fl.simulate(dense(), small, UNEQUAL, rounds=1, clients_per_round=2)
    before = {key: kept.train.experimental_get_tracing_count() for key, kept in graphs._kept.items()}
    stack = [layers.Flatten(name="a"), layers.Dense(9, "relu", name="b"), layers.Dense(10, "softmax", name="c")]
    again = sequential(*stack, name="d")
    fl.simulate(again, small, UNEQUAL, rounds=2, clients_per_round=2, learning_rate=0.3)
    after = {key: kept.train.experimental_get_tracing_count() for key, kept in graphs._kept.items()}
    assert after == before


def test_averaged_states_travel_and_are_weighted_as_the_weights_are(small):
    make = MODELS["batch norm"][0]
    model, n_states = make(), 8
    history = fl.simulate(model, small, UNEQUAL, rounds=1, clients_per_round=3, batch_size=50)
    ends = [keras_alone(model, small, [own], keras.optimizers.SGD(0.1)) for own in UNEQUAL]
    for place, array in enumerate(history.weights):
        expected = sum(end[place] * len(own) for end, own in zip(ends, UNEQUAL, strict=True)) / 75
        np.testing.assert_allclose(array, expected, atol=1e-5)
    local = fl.simulate(make(), small, UNEQUAL, rounds=2, clients_per_round=3, batch_size=50, state="local")
    per_client = 4 * (model.count_params() - n_states)
    assert all(abs(sent - 3 * per_client) < 3 * 24 for sent in local.uplink_bytes)
    for place, (array, start) in enumerate(zip(local.weights, model.get_weights(), strict=True)):
        if place in (4, 5):  # moving mean and variance stay with the clients
            np.testing.assert_array_equal(array, start)


def test_local_states_go_on_from_round_to_round(small):
    """One client, batch normalization local: two rounds of one step are two steps of Keras."""
    model = MODELS["batch norm"][0]()
    seen = []
    fl.simulate(model, small, UNEQUAL[:1], rounds=2, clients_per_round=1, batch_size=7, state="local",
                on_round=lambda history: seen.append(history.accuracy[-1]))  # fmt: skip
    alone = keras.models.clone_model(model)
    alone.set_weights(keras_alone(model, small, [UNEQUAL[0]] * 2, keras.optimizers.SGD(0.1)))
    predicted = alone.predict(small.x_test, verbose=0).argmax(axis=1)
    assert seen[-1] == pytest.approx(np.mean(predicted == small.y_test), abs=0.011)


def test_frozen_layers_are_sent_once_and_never_change(small):
    model = dense()
    model.layers[1].trainable = False
    history = fl.simulate(model, small, UNEQUAL, rounds=2, clients_per_round=3)
    for place in (0, 1):
        np.testing.assert_array_equal(history.weights[place], model.get_weights()[place])
    trained, frozen = 100, 196 * 9 + 9
    header = len(fl.Identity().encode(np.zeros(trained))) - 4 * trained
    assert history.uplink_bytes == [3 * (4 * trained + header)] * 2
    once = len(fl.Identity().encode(np.zeros(frozen)))
    assert history.downlink_bytes == [3 * (4 * trained + header + once), 3 * (4 * trained + header)]


# The server's step, and clients that do not answer


def test_the_servers_momentum_is_fedavgm_by_hand(small):
    def rounds(**options):
        seen = [dense().get_weights()]
        fl.simulate(dense(), small, UNEQUAL, rounds=3, clients_per_round=3, on_round=lambda h: seen.append(h.weights), **options)
        return [np.concatenate([w.ravel() for w in weights]) for weights in seen]

    half = rounds(server_learning_rate=0.5)
    plain = rounds()
    np.testing.assert_allclose(half[1] - half[0], 0.5 * (plain[1] - plain[0]), atol=1e-6)
    heavy = rounds(server_momentum=0.9)
    np.testing.assert_allclose(heavy[1], plain[1], atol=1e-6)
    # the second round starts where plain averaging's does: its step is the plain update plus 0.9 of the first
    np.testing.assert_allclose(heavy[2] - plain[2], 0.9 * (plain[1] - plain[0]), atol=1e-5)


def test_clients_that_do_not_answer_get_the_model_and_send_nothing(small):
    clients = [np.arange(c, 400, 40) for c in range(40)]
    history = fl.simulate(dense(), small, clients, rounds=20, clients_per_round=20, no_answer=0.3)
    everybody = fl.simulate(dense(), small, clients, rounds=20, clients_per_round=20)
    assert history.downlink_bytes == everybody.downlink_bytes
    answered = sum(history.uplink_bytes) / sum(everybody.uplink_bytes)
    assert abs(answered - 0.7) < 5 * np.sqrt(0.3 * 0.7 / 400)
    assert len({*history.uplink_bytes}) > 1


def test_a_round_in_which_nobody_answers_changes_nothing(small):
    model = dense()
    history = fl.simulate(model, small, UNEQUAL, rounds=1, clients_per_round=3, no_answer=0.999)
    assert history.uplink_bytes == [0]
    for one, two in zip(history.weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


# History and errors


def test_a_history_survives_its_table(small, tmp_path):
    history = fl.simulate(dense(), small, UNEQUAL, rounds=3, clients_per_round=2, seed=4)
    history.save(tmp_path / "history.csv")
    back = fl.History.load(tmp_path / "history.csv")
    history.weights = []
    assert back == history and back.seed == 4 and back.versions["numpy"] == np.__version__
    assert {"python", "keras"} < back.versions.keys() and any("tensorflow" in name for name in back.versions)
    (tmp_path / "other.csv").write_text("round,accuracy\n1,0.5\n")
    with pytest.raises(ValueError, match=r"other.csv is no table of a History: it needs the columns accuracy, loss"):
        fl.History.load(tmp_path / "other.csv")


def test_a_model_is_judged_on_samples_that_are_held_out_of_the_training_set(small, tmp_path):
    model, held_out = dense(), np.arange(300, 400)[::2]
    arguments = {"rounds": 3, "clients_per_round": 2, "seed": 4}
    history = fl.simulate(model, small, UNEQUAL, validation=held_out, **arguments)
    plain = fl.simulate(model, small, UNEQUAL, **arguments)
    assert history.accuracy == plain.accuracy and plain.validation_accuracy == []  # looking changes nothing
    model.set_weights(history.weights)
    right = np.argmax(model(small.x_train[held_out]), axis=1) == small.y_train[held_out]
    assert len(history.validation_accuracy) == 3 and history.validation_accuracy[-1] == pytest.approx(right.mean())
    assert history.validation_accuracy != history.accuracy
    for one in (history, plain):
        one.save(tmp_path / "history.csv")
        back = fl.History.load(tmp_path / "history.csv")
        assert back.validation_accuracy == one.validation_accuracy
        assert ("validation_accuracy" in (tmp_path / "history.csv").read_text()) == bool(one.validation_accuracy)


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        ([350, 20], ValueError, r"validation holds sample 20, which clients\[\d\] trains on: hold out"),
        ([350, 400], ValueError, "validation holds the index 400, allowed are 0 … 399"),
        ([-1, 350], ValueError, "validation holds the index -1, allowed are 0 … 399"),
        ([350, 350], ValueError, "validation holds a sample more than once"),
        ([], TypeError, "validation must be a flat array of indices, not empty"),
        ([350.0], TypeError, "validation must be a flat array of indices, not empty, got float64"),
        ([[350]], TypeError, r"validation must be a flat array of indices, not empty, got int64 of shape \(1, 1\)"),
    ],
)
def test_samples_that_cannot_be_held_out_are_told(small, validation, error, message):
    with pytest.raises(error, match=message):
        fl.simulate(dense(), small, UNEQUAL, rounds=1, clients_per_round=2, validation=validation)


def test_seconds_by_part_add_up_to_the_wall_clock(mnist):
    import time

    clients = fl.partition_iid(mnist.y_train, n_clients=100, seed=0)
    fl.simulate(models.document_mlp(), mnist, clients, rounds=1)  # builds the graph
    start = time.perf_counter()
    history = fl.simulate(models.document_mlp(), mnist, clients, rounds=10, uplink=fl.TopK(0.01) | fl.Quantize(8))
    wall = time.perf_counter() - start
    parts = history.setup_seconds + sum(map(sum, (history.train_seconds, history.codec_seconds, history.eval_seconds)))
    assert 0.97 * wall <= parts <= wall


@pytest.mark.parametrize("make", [dense, MODELS["batch norm"][0]], ids=["vectorized", "client by client"])
def test_divergence_names_round_and_client_and_keeps_the_history(small, make):
    poisoned = small.x_train.copy()
    poisoned[30] = 1e38  # a sample of client 2, finite still
    data = Dataset(poisoned, small.y_train, small.x_test, small.y_test)
    with pytest.raises(FloatingPointError, match=r"round \d+, client 2: the (loss is|weights are) no longer finite") as caught:
        fl.simulate(make(), data, UNEQUAL, rounds=8, clients_per_round=1)
    assert len(caught.value.history.accuracy) == int(str(caught.value).split()[1].rstrip(",")) - 1


def test_divergence_of_weights_is_told_where_the_loss_before_was_finite(small):
    bright = small.x_train.copy()
    bright[30, 0, 0] = 3e38  # a pixel of client 2, whose gradient is as large
    data = Dataset(bright, small.y_train, small.x_test, small.y_test)
    with pytest.raises(FloatingPointError, match="round 1, client 2: the weights are no longer finite"):
        fl.simulate(dense(), data, UNEQUAL, rounds=1, clients_per_round=3, batch_size=100, learning_rate=1e4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": "adam"}, TypeError, r"optimizer must be a Keras optimizer such as .* got 'adam'"),
        ({"optimizer": lambda: keras.optimizers.AdamW()}, ValueError, r"weight_decay=0.004, which is not supported"),
        ({"optimizer": lambda: keras.optimizers.SGD(clipnorm=1.0)}, ValueError, r"clipnorm=1.0, which is not supported"),
        ({"loss": "no_such_loss"}, ValueError, r"loss must be a Keras loss or the name of one, got 'no_such_loss'"),
        ({"state": "none"}, ValueError, r"state must be .*average.*local.*none"),
        ({"no_answer": 1.0}, ValueError, r"no_answer must be in \[0, 1\), got 1$"),
        ({"server_momentum": -0.1}, ValueError, r"server_momentum must be in \[0, 1\)"),
        ({"server_learning_rate": 0}, ValueError, r"server_learning_rate"),
        ({"chunk": 0}, ValueError, r"chunk"),
    ],
)
def test_bad_options_are_named(small, options, error, message):
    options = {name: value() if callable(value) else value for name, value in options.items()}
    with pytest.raises(error, match=message):
        fl.simulate(dense(), small, UNEQUAL, rounds=1, clients_per_round=3, **options)


def test_models_that_cannot_be_trained_are_named(small):
    class Own(keras.Model):
        pass

    with pytest.raises(TypeError, match="Sequential or functional Keras model, got Own"):
        fl.simulate(Own(), small, UNEQUAL, rounds=1, clients_per_round=3)
    with pytest.raises(TypeError, match="Sequential or functional Keras model, got str"):
        fl.simulate("document_mlp", small, UNEQUAL, rounds=1, clients_per_round=3)
    five = sequential(layers.Flatten(), layers.Dense(5, "softmax"))
    with pytest.raises(ValueError, match=r"outputs of shape \(8, 5\) for 8 samples, the labels need 10 columns"):
        fl.simulate(five, small, UNEQUAL, rounds=1, clients_per_round=3)
    frozen = dense()
    frozen.trainable = False
    with pytest.raises(ValueError, match="no weights to train"):
        fl.simulate(frozen, small, UNEQUAL, rounds=1, clients_per_round=3)
