"""Every kind of model that a reader may bring, client by client, against plain Keras: one row of the table a model.

Plain Keras is `train_on_batch` on the same batches. What cannot be done right is refused by name, and stands in the table too.
"""

import itertools

import numpy as np
import pytest

import fedlab_utils as fl

pytestmark = pytest.mark.training

CLIENTS = [np.arange(0, 5), np.arange(5, 18), np.arange(18, 40)]  # 5, 13 and 22 samples: short batches, fewer steps
FLOAT32, FLOAT64 = 1e-4, 1e-5


@pytest.fixture(scope="module")
def keras():
    return fl.models.keras


def numbers(n_features=6):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, n_features)).astype("float32")
    return data_of(x, (x[:, 0] + x[:, 1] > 0).astype("int32") + (x[:, 2] > 1))


def pictures():
    rng = np.random.default_rng(1)
    return data_of(rng.random((60, 6, 6, 1)).astype("float32"), rng.integers(0, 3, 60).astype("int32"))


def words():
    """Numbers of words, 0 is filling at the end."""
    rng = np.random.default_rng(2)
    x = rng.integers(1, 12, (60, 7)).astype("int32")
    for row, length in zip(x, rng.integers(2, 8, 60), strict=True):
        row[length:] = 0
    return data_of(x, rng.integers(0, 3, 60).astype("int32"))


def next_words():
    rng = np.random.default_rng(3)
    x = rng.integers(0, 12, (60, 8)).astype("int32")
    return data_of(x[:, :-1], x[:, 1:])


def data_of(x, y):
    return fl.datasets.Dataset(x[:40], y[:40], x[40:], y[40:])


def build(keras, dtype, shape, *stack, classes=3):
    L = keras.layers
    layers = [make(L) for make in stack]
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers, L.Dense(classes, "softmax")])


def functional(wire):
    def make(keras):
        start = keras.Input((6,))
        return keras.Model(start, keras.layers.Dense(3, "softmax")(wire(keras.layers, start, keras)))

    return make


def simple(*stack, shape=(6,)):
    return lambda keras: build(keras, "int32" if len(shape) == 1 and shape[0] == 7 else "float32", shape, *stack)


def nested(L, x, keras):
    inner = keras.Sequential([keras.Input((6,)), L.Dense(5, "relu"), L.BatchNormalization(momentum=0.8)])
    return inner(x)


def shared(L, x, keras):
    both = L.Dense(6, "tanh")
    return both(both(x))


def with_frozen_variable(keras):
    model = build(keras, "float32", (6,), lambda L: L.Dense(5, "relu"))
    model.layers[0].kernel.trainable = False
    return model


def with_frozen_layer(keras):
    model = build(keras, "float32", (6,), lambda L: L.Dense(5, "relu"), lambda L: L.Dense(4, "relu"))
    model.layers[0].trainable = False
    return model


def with_lora(keras):
    model = build(keras, "float32", (6,), lambda L: L.Dense(16, "relu"))
    model.layers[0].enable_lora(2)
    return model


def with_own_activation(keras):
    return build(keras, "float32", (6,), lambda L: L.Dense(5, activation=lambda z: keras.ops.sin(z)))


def with_own_layer(keras):
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x, training=False):
            if training:
                self.calls.assign(self.calls + 1.0)
            return x * self.scale

    return build(keras, "float32", (6,), lambda L: Scale(), lambda L: L.Dense(4, "relu"))


def with_an_attribute_set_by_hand(keras):
    model = build(keras, "float32", (6,), lambda L: L.Dense(5, "relu"))
    model.layers[0].activation = keras.activations.tanh
    return model


def a_word_at_each_step(keras):
    L = keras.layers
    stack = [L.Embedding(12, 4), L.GRU(5, return_sequences=True), L.Dense(12, "softmax")]
    return keras.Sequential([keras.Input((7,), dtype="int32"), *stack])


def all_float64(keras):
    L = keras.layers
    return keras.Sequential([keras.Input((6,)), L.Dense(5, "relu", dtype="float64"), L.Dense(3, "softmax", dtype="float64")])


REGULARIZED = {"kernel_regularizer": "l2", "bias_regularizer": "l1", "activity_regularizer": "l2"}
MODELS = {  # name: (model of keras, data)
    "dense": (simple(lambda L: L.Dense(5, "relu")), numbers),
    "float64": (all_float64, numbers),
    "cnn": (simple(lambda L: L.Conv2D(3, 3, activation="relu"), lambda L: L.Flatten(), shape=(6, 6, 1)), pictures),
    "batch norm": (simple(lambda L: L.Dense(5, use_bias=False), lambda L: L.BatchNormalization(momentum=0.8)), numbers),
    "layer norm": (simple(lambda L: L.Dense(5), lambda L: L.LayerNormalization()), numbers),
    "embedding + GRU": (simple(lambda L: L.Embedding(12, 4), lambda L: L.GRU(5), shape=(7,)), words),
    "masked LSTM": (simple(lambda L: L.Embedding(12, 4, mask_zero=True), lambda L: L.LSTM(5), shape=(7,)), words),
    "bidirectional": (simple(lambda L: L.Embedding(12, 4), lambda L: L.Bidirectional(L.LSTM(3)), shape=(7,)), words),
    "residual": (functional(lambda L, x, keras: L.Dense(6)(x) + x), numbers),
    "operators": (functional(lambda L, x, keras: L.Dense(5)(x[:, :4] * 2.0)), numbers),
    "keras.ops": (functional(lambda L, x, keras: keras.ops.tanh(L.Dense(5)(x))), numbers),
    "multi-branch": (functional(lambda L, x, keras: L.Concatenate()([L.Dense(3, "tanh")(x), L.Dense(4)(x)])), numbers),
    "nested": (functional(nested), numbers),
    "shared layers": (functional(shared), numbers),
    "frozen layer": (with_frozen_layer, numbers),
    "frozen variable": (with_frozen_variable, numbers),
    "LoRA": (with_lora, numbers),
    "own activation": (with_own_activation, numbers),
    "own layer with a counter": (with_own_layer, numbers),
    "attribute set by hand": (with_an_attribute_set_by_hand, numbers),
    "regularizers": (simple(lambda L: L.Dense(5, "relu", **REGULARIZED)), numbers),
    "constraints": (simple(lambda L: L.Dense(5, kernel_constraint="max_norm", bias_constraint="non_neg")), numbers),
    "an output a time step": (a_word_at_each_step, next_words),
}
OPTIMIZERS = {
    "sgd": lambda o: o.SGD(0.1), "momentum": lambda o: o.SGD(0.1, momentum=0.9, nesterov=True), "adam": lambda o: o.Adam(0.01),
    "amsgrad": lambda o: o.Adam(0.01, amsgrad=True), "adamw": lambda o: o.AdamW(0.01, weight_decay=0.0),
    "rmsprop": lambda o: o.RMSprop(0.01, centered=True, momentum=0.5), "adagrad": lambda o: o.Adagrad(0.1),
    "adadelta": lambda o: o.Adadelta(1.0), "adamax": lambda o: o.Adamax(0.01), "ftrl": lambda o: o.Ftrl(0.1),
    "lion": lambda o: o.Lion(0.001),
    "schedule": lambda o: o.SGD(__import__("keras").optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
}  # fmt: skip


def made(keras, name):
    make, data = MODELS[name]
    keras.utils.set_random_seed(5)
    return make(keras), data()


def trained_alone(keras, name, batches, data, optimizer):
    """One client with plain Keras, from a model made in the same way and with the same weights."""
    model, _ = made(keras, name)
    model.compile(optimizer(keras.optimizers), "sparse_categorical_crossentropy")
    for batch in batches:
        model.train_on_batch(data.x_train[batch], data.y_train[batch])
    return model.get_weights()


def cohort(keras, name, optimizer):
    """The trainer, what each client's weights are after an epoch (by XLA too, where it suits the model), and the batches."""
    from fedlab_utils.training.arrays import plan_batches
    from fedlab_utils.training.trainer import Trainer

    model, data = made(keras, name)
    indices, weights = plan_batches(CLIENTS, [np.random.default_rng(c) for c in range(3)], 1, 5)
    trainer = Trainer(model, data, optimizer(keras.optimizers))
    arrays, losses = trainer.train(model.get_weights(), indices, weights, np.zeros((3, trainer.n_seeds, 2), int))
    if trainer.compiles:
        compiled = trainer.train(model.get_weights(), indices, weights, np.zeros((3, trainer.n_seeds, 2), int), compiled=True)
        np.testing.assert_allclose(compiled[1], losses, rtol=1e-5)
        for mine, theirs in zip(compiled[0], arrays, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-12 if name == "float64" else 2e-6)
    batches = [[batch[w > 0] for batch, w in zip(*plan, strict=True) if w.any()] for plan in zip(indices, weights, strict=True)]
    return model, data, trainer, arrays, losses, batches


@pytest.mark.parametrize("name", MODELS)
def test_each_client_trains_as_plain_keras_does(keras, name):
    model, data, trainer, arrays, losses, batches = cohort(keras, name, OPTIMIZERS["sgd"])
    assert losses.shape == (3,) and (losses > 0).all()
    tolerance = FLOAT64 if name == "float64" else FLOAT32
    moved = 0.0
    for client in range(3):
        expected = trained_alone(keras, name, batches[client], data, OPTIMIZERS["sgd"])
        for place, (mine, theirs) in enumerate(zip(arrays, expected, strict=True)):
            np.testing.assert_allclose(mine[client], theirs, atol=tolerance, err_msg=f"weights[{place}]")
            moved = max(moved, float(np.abs(theirs - model.get_weights()[place]).max()))
    assert moved > 1e-3, "nothing was trained"
    for place in trainer.frozen:
        np.testing.assert_array_equal(arrays[place][0], model.get_weights()[place])


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "sgd"])
@pytest.mark.parametrize("name", ["dense", "batch norm"])
def test_each_optimizer_steps_as_keras_does(keras, name, optimizer):
    """No bias stands before the batch normalization: its gradient is zero, and Adam and its like would divide noise by noise."""
    _, data, _, arrays, _, batches = cohort(keras, name, OPTIMIZERS[optimizer])
    for client in range(3):
        expected = trained_alone(keras, name, batches[client], data, OPTIMIZERS[optimizer])
        for mine, theirs in zip(arrays, expected, strict=True):
            np.testing.assert_allclose(mine[client], theirs, atol=2e-5 if name == "batch norm" else 1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_history_says_what_keras_finds_for_its_weights(keras, name):
    model, data = made(keras, name)
    before = model.get_weights()
    history = fl.simulate(model, data, CLIENTS, rounds=2, clients_per_round=3, batch_size=5, learning_rate=0.05)
    for array, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, was)
    model.set_weights(history.weights)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    loss, accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)
    # Keras adds the penalties of the layers to what it reports; a history holds the loss alone.
    assert history.accuracy[-1] == pytest.approx(accuracy, abs=1e-6)
    if name != "regularizers":
        assert history.loss[-1] == pytest.approx(loss, abs=1e-4)
    else:
        probabilities = model.predict(data.x_test, verbose=0)
        alone = -np.log(probabilities[np.arange(len(data.y_test)), data.y_test]).mean()
        assert history.loss[-1] == pytest.approx(alone, abs=1e-4)


def test_no_two_models_of_the_table_find_each_others_graph(keras):
    """The description by which a graph is found again tells all of them apart that have one."""
    from fedlab_utils.training.identity import describe_model

    described = {name: describe_model(made(keras, name)[0]) for name in MODELS}
    for one, two in itertools.combinations([key for key in described.values() if key is not None], 2):
        assert one != two
    own = {"own activation", "own layer with a counter", "LoRA", "attribute set by hand"}
    for name in own - {"LoRA", "attribute set by hand"}:
        assert described[name] is None, name
    assert described["dense"] is not None and described["residual"] is not None and described["nested"] is not None


REFUSED = {
    "spectral normalization": (
        lambda L, keras: L.SpectralNormalization(L.Dense(4)),
        "is trained by gradients and set by its layer as well",
    ),
    "a stateful layer": (lambda L, keras: stateful(L), "is stateful"),
    "an adapted Normalization": (lambda L, keras: adapted(L), "Normalization that was adapted"),
    "mixed precision": (lambda L, keras: L.Dense(4, dtype="mixed_float16"), "dtype policy 'mixed_float16'"),
    "float16": (lambda L, keras: L.Dense(4, dtype="float16"), "float16"),
    "float64 beside float32": (lambda L, keras: L.Dense(4, dtype="float64"), "dtype policy"),
}


def stateful(L):
    layer = L.Dense(4)
    layer.stateful = True  # as the recurrent ones say it, which want a batch of fixed length besides
    return layer


def adapted(L):
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (20, 6)).astype("float32"))
    return layer


@pytest.mark.parametrize("name", REFUSED)
def test_a_layer_that_cannot_be_trained_right_is_refused_by_name(keras, name):
    make, message = REFUSED[name]
    model = build(keras, "float32", (6,), lambda L: make(L, keras))
    with pytest.raises(ValueError, match=message):
        fl.simulate(model, numbers(), CLIENTS, rounds=1, clients_per_round=3)


def test_several_inputs_or_outputs_are_refused(keras):
    L, start = keras.layers, keras.Input((6,))
    two_outputs = keras.Model(start, [L.Dense(3, "softmax")(start), L.Dense(3, "softmax")(start)])
    other = keras.Input((6,))
    two_inputs = keras.Model([start, other], L.Dense(3, "softmax")(start + other))
    for model, message in ((two_outputs, "model has 2 outputs, one is supported"), (two_inputs, "model has 2 inputs")):
        with pytest.raises(ValueError, match=message):
            fl.simulate(model, numbers(), CLIENTS, rounds=1, clients_per_round=3)


def test_a_model_that_trains_itself_is_refused(keras):
    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    start = keras.Input((6,))
    with pytest.raises(ValueError, match="model has a train_step of its own"):
        fl.simulate(Own(start, keras.layers.Dense(3, "softmax")(start)), numbers(), CLIENTS, rounds=1, clients_per_round=3)


def test_an_optimizer_that_is_not_tested_is_refused_by_name(keras):
    model, data = made(keras, "dense")

    class Mine(keras.optimizers.SGD):
        pass

    for optimizer in (keras.optimizers.Nadam(), Mine(), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())):
        with pytest.raises(ValueError, match=rf"optimizer {type(optimizer).__name__} is not supported here; these are: SGD"):
            fl.simulate(model, data, CLIENTS, rounds=1, clients_per_round=3, optimizer=optimizer)
