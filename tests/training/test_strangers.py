"""What a reader brings that is not the book's own: losses, labels, shapes, a cell run twice. Each was once wrong in silence."""

import random

import numpy as np
import pytest

import fedlab_utils as fl

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def keras():
    return fl.models.keras


@pytest.fixture(scope="module")
def data():
    x = np.random.default_rng(0).normal(size=(300, 8)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    return fl.datasets.Dataset(x[:200], y[:200], x[200:], y[200:])


CLIENTS = np.array_split(np.arange(200), 4)


def net(keras, last=("softmax", 2), hidden=(), seed=1):
    L = keras.layers
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((8,)), *(make(L) for make in hidden), L.Dense(last[1], last[0])])


def run(model, data, **options):
    return fl.simulate(model, data, CLIENTS, **{"rounds": 2, "clients_per_round": 4, **options})


# Losses


def test_a_loss_is_itself_and_not_another_of_its_class(keras, data):
    class Weighted(keras.losses.Loss):
        def __init__(self, w):
            super().__init__(name="w")
            self.w = np.asarray(w, "float32")

        def call(self, true, predicted):
            return keras.ops.sum(-self.w * true * keras.ops.log(predicted + 1e-7), -1)

    even, uneven = (run(net(keras), data, loss=Weighted(w)).loss for w in ([1, 1], [1, 50]))
    assert even != uneven
    plain = run(net(keras), data, loss="categorical_crossentropy").loss
    np.testing.assert_allclose(even, plain, atol=1e-4)


@pytest.mark.parametrize("kind", ["class", "function", "attribute"])
def test_a_loss_defined_again_is_another_loss(keras, data, kind):
    moved = []
    for factor in (1.0, 0.0):
        if kind == "class":

            class Mine(keras.losses.Loss):
                def call(self, true, predicted):
                    return factor * keras.ops.mean(keras.ops.square(true - predicted), -1)  # noqa: B023

            loss = Mine(name="mine")
        elif kind == "function":

            def loss(true, predicted):
                return factor * keras.ops.mean(keras.ops.square(true - predicted), -1)  # noqa: B023
        else:
            loss = keras.losses.MeanSquaredError()
            mean = keras.losses.mean_squared_error
            loss.call = lambda true, predicted: factor * mean(true, predicted)  # noqa: B023
        model = net(keras)
        moved.append(float(np.abs(run(model, data, rounds=1, loss=loss).weights[0] - model.get_weights()[0]).max()))
    assert moved[0] > 0 and moved[1] == 0


def test_which_losses_want_integers_is_decided_by_class(keras, data):
    named = run(net(keras), data, loss=keras.losses.SparseCategoricalCrossentropy(name="ce")).loss
    assert named == run(net(keras), data).loss

    class Other(keras.losses.Loss):  # called sparse, but it takes one-hot rows as every loss of a reader's own
        def call(self, true, predicted):
            assert true.shape[-1] == 2
            return keras.losses.categorical_crossentropy(true, predicted)

    np.testing.assert_allclose(run(net(keras), data, loss=Other(name="sparse_mine")).loss, named, atol=1e-5)


@pytest.mark.parametrize(
    ("last", "loss", "message"),
    [
        ((None, 2), lambda k: k.CategoricalCrossentropy(name="ce"), "must give probabilities: end it with softmax"),
        (("sigmoid", 2), lambda k: k.SparseCategoricalCrossentropy(name="x"), "must give probabilities: end it with softmax"),
        ((None, 2), lambda k: k.CategoricalFocalCrossentropy(), "must give probabilities: end it with softmax"),
        ((None, 2), lambda k: k.BinaryCrossentropy(), "end it with sigmoid"),
        (("softmax", 2), lambda k: k.SparseCategoricalCrossentropy(from_logits=True), "from_logits=True, but model gives probab"),
        (("sigmoid", 1), lambda k: k.BinaryCrossentropy(from_logits=True), "from_logits=True, but model gives probabilities"),
        (("softmax", 2), lambda k: k.CategoricalCrossentropy(reduction="sum"), "loss has reduction='sum'"),
        (("softmax", 2), lambda k: k.SparseCategoricalCrossentropy(ignore_class=1), "loss has ignore_class=1"),
    ],
)
def test_a_loss_that_does_not_suit_the_outputs_is_refused(keras, data, last, loss, message):
    with pytest.raises(ValueError, match=message):
        run(net(keras, last), data, loss=loss(keras.losses))


def test_a_loss_whose_attributes_say_another_thing_is_not_taken_for_that_thing(keras, data):
    """Keras calls a loss with what it was made with; the graph of one that was changed since must not be found by others."""
    from fedlab_utils.training.identity import describe

    changed, honest = keras.losses.SparseCategoricalCrossentropy(), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    changed.from_logits = True
    assert describe(changed) is None and describe(honest) is not None


@pytest.mark.parametrize(("last", "logits"), [(("sigmoid", 1), False), ((None, 1), True)])
def test_one_output_for_two_classes_is_judged_as_keras_does(keras, data, last, logits):
    model = net(keras, last)
    history = run(model, data, loss=keras.losses.BinaryCrossentropy(from_logits=logits), learning_rate=0.5)
    model.set_weights(history.weights)
    metric = keras.metrics.BinaryAccuracy(threshold=0.0 if logits else 0.5)
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=logits), metrics=[metric])
    expected = model.evaluate(data.x_test, data.y_test[:, None].astype("float32"), verbose=0)
    assert [history.loss[-1], history.accuracy[-1]] == pytest.approx(expected, abs=1e-5) and history.accuracy[-1] > 0.8


# Identity of a graph


def test_a_layer_named_after_an_activation_is_no_other_layer(keras, data):
    def trained(activation, name):
        L = keras.layers
        first, last = (keras.initializers.GlorotUniform(seed=s) for s in (1, 2))
        stack = [
            L.Dense(8, activation, name=name, kernel_initializer=first),
            L.Dense(2, "softmax", name="o", kernel_initializer=last),
        ]
        return run(keras.Sequential([keras.Input((8,)), *stack]), data).loss

    alone = trained("tanh", "hidden")
    trained("relu", "relu")
    assert trained("tanh", "tanh") == alone != trained("relu", "tanh")


def test_an_activation_defined_again_is_another(keras, data):
    losses = []
    for factor in (1.0, 3.0):

        def mine(z):
            return keras.ops.tanh(factor * z)  # noqa: B023

        losses.append(run(net(keras, hidden=[lambda L: L.Dense(4, mine)]), data).loss)
    assert losses[0] != losses[1]


def test_an_attribute_set_after_a_training_counts_in_the_next(keras, data):
    model = net(keras, hidden=[lambda L: L.Dense(4), lambda L: L.LeakyReLU(0.3)])
    before = run(model, data).loss
    model.layers[1].negative_slope = 0.9
    changed = run(model, data).loss
    model.layers[1].negative_slope = 0.3
    assert changed != before == run(model, data).loss
    model.layers[0].call = lambda inputs, training=None: keras.ops.ones_like(inputs[:, :4])
    assert run(model, data).loss != before


@pytest.mark.parametrize("extra", [None, "column"])
def test_the_same_model_takes_inputs_of_another_rank(keras, extra):
    x = np.random.default_rng(0).random((200, 6, 6)).astype("float32")
    y = (x.sum((1, 2)) > 18).astype("int32")
    L, losses = keras.layers, []
    for images in (x, x[..., None], x):
        set_ = fl.datasets.Dataset(images[:160], y[:160], images[160:], y[160:])
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6, 6, 1)), L.Flatten(), L.Dense(2, "softmax", kernel_initializer="zeros")])
        losses.append(fl.simulate(model, set_, np.array_split(np.arange(160), 4), rounds=1, clients_per_round=4).loss)
    assert losses[0] == losses[1] == losses[2]


def test_training_draws_nothing_from_the_readers_random_numbers(keras, data):
    """Keras draws the seed of a layer that is made without one from Python's own generator, also when it copies a model."""
    model = net(keras, hidden=[lambda L: L.Dropout(0.2), lambda L: L.BatchNormalization()])
    pupil, images = keras.models.clone_model(fl.central.mlp(4, dropout=0.1)), np.zeros((20, 28, 28), np.float32)
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    run(model, data, rounds=1)
    fl.central.train(pupil, images, np.zeros(20, int))
    fl.central.logits(pupil, images)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


# Data


def as_column(data):
    return data._replace(y_train=data.y_train[:, None], y_test=data.y_test[:, None])


def test_labels_as_a_column_are_labels(keras, data):
    flat, column = (run(net(keras), d) for d in (data, as_column(data)))
    assert flat.accuracy == column.accuracy and flat.loss == column.loss
    alone = [fl.baselines.train_alone(net(keras), d, CLIENTS, epochs=1).accuracy for d in (data, as_column(data))]
    assert alone[0] == alone[1]


ENTRIES = {
    "simulate": lambda model, d: run(model, d),
    "train_alone": lambda model, d: fl.baselines.train_alone(model, d, CLIENTS, epochs=1),
    "central": lambda model, d: fl.central.train(model, d.x_train, d.y_train),
    "privacy": lambda model, d: fl.privacy.gradient(model, d.x_train, d.y_train),
    "distillation": lambda model, d: fl.distillation.simulate_logits([model] * 4, d, CLIENTS, d.x_test),
}


def spoil(array, place, value):
    out = array.astype(type(value)) if isinstance(value, float) else array.copy()
    out[place] = value
    return out.astype(array.dtype)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: {"y_train": spoil(d.y_train, 17, -1)},
            r"\[17\] is -1, but (labels count from 0|the model has the classes 0 … 1)",
        ),
        (lambda d: {"y_train": d.y_train.astype("float32")}, "must hold integers"),
        (lambda d: {"y_train": d.y_train[:-1]}, "199 labels for 200 samples"),
        (lambda d: {"x_train": spoil(d.x_train, (3, 2), np.nan)}, r"must be finite, but .*\[\(3, 2\)\] is nan"),
    ],
    ids=["below zero", "float labels", "too few labels", "nan"],
)
def test_bad_samples_are_named_with_their_place_at_every_entry(keras, data, entry, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ENTRIES[entry](net(keras), data._replace(**change(data)))


def test_other_bad_data_are_one_clear_error(keras, data):
    import tensorflow as tf

    model = net(keras)
    with pytest.raises(ValueError, match=r"data.x_test must be finite, but data.x_test\[\(0, 0\)\] is nan"):
        run(model, data._replace(x_test=spoil(data.x_test, (0, 0), np.nan)))
    with pytest.raises(
        TypeError, match=r"must be a Dataset.*fl.datasets.Dataset\(x_train, y_train, x_test, y_test\); this tuple"
    ):
        run(model, tuple(data))
    with pytest.raises(TypeError, match=r"data.x_train must be a NumPy array, got EagerTensor: pass data.x_train.numpy\(\)"):
        run(model, data._replace(x_train=tf.constant(data.x_train)))
    with pytest.raises(ValueError, match=r"data\.x_test must hold at least one sample"):
        run(model, data._replace(x_test=data.x_test[:0], y_test=data.y_test[:0]))
    with pytest.raises(
        TypeError, match=r"data.x_train must be float32 .* got uint8: pass data.x_train.astype\('float32'\) / 255"
    ):
        run(model, data._replace(x_train=data.x_train.astype("uint8")))
    with pytest.raises(ValueError, match="the labels need 5 columns"):
        run(model, data._replace(y_train=spoil(data.y_train, 0, 4)))


@pytest.mark.parametrize("entry", ["central", "simulate"])
def test_samples_changed_in_place_are_seen(keras, entry):
    base = np.random.default_rng(0).random((120, 28, 28)).astype("float32")
    y = (base.mean((1, 2)) > 0.5).astype("int32")
    view = base[:100]
    view.flags.writeable = False  # but the array that it is a view of can be written into

    def trained():
        if entry == "central":
            return fl.central.train(fl.central.mlp(8), view, y[:100])
        d = fl.datasets.Dataset(view, y[:100], base[100:], y[100:])
        return fl.simulate(fl.central.mlp(8), d, [np.arange(100)], rounds=1, clients_per_round=1).weights

    first = trained()
    base[:] = 1 - base
    assert any(np.abs(a - b).max() > 1e-6 for a, b in zip(first, trained(), strict=True))


def test_an_array_that_its_owner_unlocks_is_read_again():
    images, labels = np.random.default_rng(0).random((50, 28, 28)).astype("float32"), np.arange(50) % 10
    images.flags.writeable = False
    first = fl.central.train(fl.central.mlp(8), images, labels)
    again = fl.central.train(fl.central.mlp(8), images, labels)
    assert all(map(np.array_equal, first, again))
    images.flags.writeable = True
    images[:] = 1 - images
    assert not all(map(np.array_equal, first, fl.central.train(fl.central.mlp(8), images, labels)))


def test_a_penalty_of_the_layers_and_batch_normalization_are_trained_centrally_too(keras):
    images, labels = np.random.default_rng(0).random((64, 28, 28)).astype("float32"), np.arange(64) % 10
    L = keras.layers
    for layer in (
        L.Dense(6, kernel_regularizer="l2"),
        L.Dense(6, activity_regularizer="l2"),
        L.Dense(6, kernel_constraint="max_norm"),
    ):
        model = keras.Sequential([keras.Input((28, 28)), L.Flatten(), layer, L.BatchNormalization(), L.Dense(10)])
        start = model.get_weights()
        mine = fl.central.train(model, images, labels, epochs=3, batch_size=64, learning_rate=1e-2, optimizer="sgd")
        model.compile(keras.optimizers.SGD(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(images, labels, epochs=3, batch_size=64, verbose=0)
        for one, two, was in zip(mine, model.get_weights(), start, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-5)
            assert np.abs(one - was).max() > 0


def test_filling_weighs_nothing_in_a_penalty_on_activations(keras, data):
    L = keras.layers
    sent = []

    class Tapped(fl.Identity):
        def encode(self, x, rng=None):
            sent.append(np.array(x))
            return super().encode(x, rng)

    for clients in ([np.arange(3)], [np.arange(3), np.arange(10, 20)]):
        model = net(keras, hidden=[lambda L: L.Dense(4, activity_regularizer="l2")], seed=3)
        model.set_weights([np.full_like(w, 0.1) for w in model.get_weights()])
        fl.simulate(model, data, clients, rounds=1, clients_per_round=len(clients), uplink=Tapped())
    assert L and np.abs(sent[0]).max() > 0
    np.testing.assert_allclose(sent[0], sent[1], atol=1e-6)


def test_evaluation_takes_memory_in_proportion_to_a_sample(keras):
    from fedlab_utils.training.arrays import require_dataset
    from fedlab_utils.training.trainer import Trainer

    def batch(side):
        x, y = np.zeros((4, side, side, 1), np.float32), np.arange(4) % 2
        L = keras.layers
        model = keras.Sequential(
            [keras.Input((side, side, 1)), L.Conv2D(32, 3), L.Conv2D(32, 3), L.Flatten(), L.Dense(2, "softmax")]
        )
        dataset = fl.datasets.Dataset(x, y, x, y)
        assert len(require_dataset(dataset)) == 4
        return Trainer(model, dataset, keras.optimizers.SGD()).batch

    small, large = batch(16), batch(64)
    assert 12 < small / large < 40 and 4 * 64 * 64 * 64 * large < 2**26
