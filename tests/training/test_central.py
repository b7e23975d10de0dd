"""Central training: against Keras' own optimizer and numerical gradients; the mask is held; seeds, errors."""

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl

central = Later("fedlab_utils.training.central")
keras = Later("keras", within="fedlab_utils.training.models")

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def some(mnist):
    return mnist.x_train[:256], mnist.y_train[:256]


def flat(weights):
    return np.concatenate([np.ravel(w) for w in weights])


def test_adam_is_kerass_adam(some):
    images, labels = some
    model = central.mlp(7, seed=3)
    ours = central.train(model, images, labels, epochs=3, batch_size=256, learning_rate=1e-3)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=3, batch_size=256, verbose=0)  # one batch an epoch: the order does not matter
    np.testing.assert_allclose(flat(ours), flat(model.get_weights()), atol=2e-5)
    assert np.abs(flat(ours) - flat(central.mlp(7, seed=3).get_weights())).max() > 1e-3, "nothing was trained"


def test_sgd_on_both_targets_follows_the_numerical_gradient_of_the_loss(some):
    images, labels = some[0][:5], some[1][:5]
    model, temperature, share = central.mlp(seed=1), 3.0, 0.3  # 784 → 10: every weight by itself would take long
    teacher = np.random.default_rng(0).normal(0, 4, (5, 10))
    settings = {"soft_targets": fl.distillation.soften(teacher, temperature), "temperature": temperature, "hard_share": share}
    after = central.train(model, images, labels, batch_size=5, learning_rate=1.0, optimizer="sgd", **settings)
    kernel, bias = (w.astype(np.float64) for w in model.get_weights())

    def loss(bias):
        return fl.distillation.distillation_loss(images.reshape(5, -1) @ kernel + bias, teacher, temperature, labels, share)

    steps = 1e-4 * np.eye(10)
    gradient = np.array([(loss(bias + step) - loss(bias - step)) / 2e-4 for step in steps])
    np.testing.assert_allclose(after[1] - bias, -gradient, atol=1e-4)
    assert np.abs(gradient).max() > 0.05


def test_the_learning_rate_falls_linearly(some):
    images, labels = some
    model = central.mlp(seed=0)

    def trained(rate, epochs=1, weights=None):
        settings = {"epochs": epochs, "batch_size": 256, "optimizer": "sgd", "weights": weights}
        return central.train(model, images, labels, learning_rate=rate, **settings)

    first = trained(0.1)
    np.testing.assert_allclose(flat(trained((0.1, 0.0), 2)), flat(trained(0.05, weights=first)), atol=1e-6)  # 0.1, then 0.05
    np.testing.assert_allclose(flat(trained((0.1, 0.0), 1)), flat(first), atol=1e-6)


def test_the_mask_is_held_and_the_model_left_alone(some):
    model = fl.models.document_mlp(seed=0)
    before = model.get_weights()
    mask = fl.pruning.magnitude_mask(before, 0.7)
    after = central.train(model, *some, epochs=2, mask=mask)
    for w, m, b in zip(after, mask, before, strict=True):
        assert (w[~m] == 0).all() and (w[m] != 0).mean() > 0.5
        assert m.all() or np.abs(w - b).max() > 0
    for w, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(w, b)


def test_seeds_decide_the_order_and_the_dropout(some):
    model = fl.models.document_mlp(seed=0)
    a, b, c = (flat(central.train(model, *some, batch_size=32, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-4
    one_batch = [flat(central.train(model, *some, batch_size=256, seed=seed)) for seed in (1, 2)]
    assert np.abs(one_batch[0] - one_batch[1]).max() > 1e-4, "dropout does not depend on the seed"


def test_logits_and_accuracy_are_the_models(mnist):
    model = fl.models.document_mlp(seed=2)
    images, labels = mnist.x_test[:6000], mnist.y_test[:6000]
    probabilities = model.predict(images, verbose=0, batch_size=1000)
    np.testing.assert_allclose(fl.distillation.soften(central.logits(model, images)), probabilities, atol=1e-5)
    assert central.accuracy(model, images, labels) == pytest.approx(np.mean(probabilities.argmax(1) == labels))


def test_mlp_has_the_shapes_of_the_documents_model():
    assert [w.shape for w in central.mlp(128).get_weights()] == [w.shape for w in fl.models.document_mlp().get_weights()]
    assert central.mlp(300, 100, n_classes=7).count_params() == 784 * 300 + 300 + 300 * 100 + 100 + 100 * 7 + 7


def test_l2_pulls_kernels_to_zero_and_leaves_biases(some):
    images, labels = some
    settings = {"batch_size": 256, "learning_rate": 0.5, "optimizer": "sgd"}
    begun = central.mlp(7, seed=1).get_weights()
    plain, pulled = (central.train(central.mlp(7, l2=l2, seed=1), images, labels, **settings) for l2 in (0.0, 0.01))
    for before, free, held in zip(begun, plain, pulled, strict=True):
        np.testing.assert_allclose(free - held, 0.5 * 2 * 0.01 * before if before.ndim > 1 else np.zeros_like(before), atol=1e-6)
    with pytest.raises(ValueError, match=r"l2 must be in \[0"):
        central.mlp(7, l2=-1)


@pytest.mark.parametrize(
    ("message", "settings"),
    [
        ("nothing to learn from", {"labels": None}),
        ("epochs must be", {"epochs": 0}),
        ("batch_size must be", {"batch_size": 0}),
        ("temperature must be", {"temperature": 0}),
        ("optimizer must be", {"optimizer": "lbfgs"}),
        ("needs soft_targets", {"hard_share": 0.5}),
        ("hard_share must be", {"hard_share": 1.5}),
        ("labels has 3 labels for 256 samples", {"labels": np.zeros(3, int)}),
        ("as many soft targets of 10 classes", {"soft_targets": np.full((256, 9), 1 / 9)}),
    ],
)
def test_bad_input_is_one_clear_error(some, message, settings):
    images, labels = some
    settings = {"labels": labels, **settings}
    with pytest.raises(ValueError, match=message):
        central.train(central.mlp(4), images, **settings)


def test_a_model_without_a_softmax_is_refused():
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, activation="relu")])
    with pytest.raises(ValueError, match="softmax or in logits, got the activation 'relu'"):
        central.logits(model, np.zeros((1, 28, 28), np.float32))


def test_progress_shows_the_training_and_changes_nothing(some, capsys, language):
    model, images, labels = central.mlp(8), *some[:2]
    quiet = central.train(model, images, labels, epochs=2)
    assert capsys.readouterr().err == ""
    told = central.train(model, images, labels, epochs=2, progress=True)
    assert {"en": "training, epochs: 2", "zh": "正在训练，共 2 个周期"}[language] in capsys.readouterr().err
    assert all(np.array_equal(one, other) for one, other in zip(quiet, told, strict=True))
