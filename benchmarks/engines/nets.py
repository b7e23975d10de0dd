"""The networks of the benchmark, as Keras models on images [28, 28]."""

from __future__ import annotations

from fedlab_utils.training.models import document_mlp, keras

layers = keras.layers


def _build(name: str, *stack) -> keras.Model:
    model = keras.Sequential([keras.Input((28, 28)), *stack], name=name)
    initializer = keras.initializers.GlorotUniform
    arrays = [w if w.ndim == 1 else initializer(seed=n)(w.shape).numpy() for n, w in enumerate(model.get_weights())]
    model.set_weights(arrays)
    return model


def _mlp(name: str, *widths: int) -> keras.Model:
    hidden = [layers.Dense(width, "relu") for width in widths]
    return _build(name, layers.Flatten(), *hidden, layers.Dense(10, "softmax"))


def lenet_300_100() -> keras.Model:
    """784-300-100-10, 266,610 weights (LeCun et al. 1998), with the ReLU of today."""
    return _mlp("lenet_300_100", 300, 100)


def mcmahan_2nn() -> keras.Model:
    """784-200-200-10, 199,210 weights (McMahan et al. 2017, "2NN")."""
    return _mlp("mcmahan_2nn", 200, 200)


def small_cnn() -> keras.Model:
    """Convolution 3×3 to 8 channels, pooling, convolution 3×3 to 16, pooling, dense 10: 5,258 weights."""
    return _build(
        "small_cnn",
        layers.Reshape((28, 28, 1)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(10, "softmax"),
    )


NETS = {net.__name__: net for net in (document_mlp, lenet_300_100, mcmahan_2nn, small_cnn)}
