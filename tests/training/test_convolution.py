"""Convolution and pooling for many clients at once: outputs and gradients are Keras's own, and what has no such form is left."""

import numpy as np
import pytest
from later import Later

convolution = Later("fedlab_utils.training.convolution")
engine = Later("fedlab_utils.training.engine")
keras = Later("keras", within="fedlab_utils.training.models")
tf = Later("tf", within="fedlab_utils.training.models")
layers = Later("layers", within="keras")

pytestmark = pytest.mark.training

CONVOLUTIONS = {
    "plain": {},
    "padded": {"padding": "same"},
    "no bias, tanh": {"use_bias": False, "activation": "tanh"},
    "steps": {"strides": (2, 3)},
    "padded steps": {"strides": 2, "padding": "same"},
    "even kernel": {"kernel_size": (2, 4), "padding": "same"},
    "a point": {"kernel_size": 1},
}


def gradients(layer, x, seed=0):
    """What a layer gives for x, and the gradients of a random sum of it with regard to x and the weights."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = layer(x)
        total = tf.reduce_sum(out * np.random.default_rng(seed).normal(size=out.shape))
    return [out, *tape.gradient(total, [x, *layer.trainable_variables])]


def both(layer, x):
    """The same of a Keras layer and of its form for many clients, with the same weights."""
    keras.Sequential([keras.Input(x.shape[1:], dtype="float64"), layer])
    other = convolution.stacked(layer)
    other.build(x.shape)
    other.set_weights(layer.get_weights())
    return gradients(layer, x), gradients(other, x)


@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.parametrize("size", [(9, 8, 1), (11, 7, 3)])
def test_convolution(kind, size):
    x = tf.constant(np.random.default_rng(1).normal(size=(5, *size)))
    layer = layers.Conv2D(**{"filters": 4, "kernel_size": 3, "dtype": "float64"} | CONVOLUTIONS[kind])
    for expected, found in zip(*both(layer, x), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("window", [2, 3, (2, 3)])
@pytest.mark.parametrize("size", [(6, 6, 2), (7, 8, 1)])
def test_pooling_gives_the_gradient_to_the_first_of_equal_maxima(window, size):
    x = tf.constant(np.random.default_rng(2).integers(3, size=(5, *size)).astype(float))  # windows of many ties
    expected, found = both(layers.MaxPooling2D(window, dtype="float64"), x)
    for theirs, mine in zip(expected, found, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def small(*stack, size=(28, 28, 1)):
    return keras.Sequential([keras.Input(size), *stack, layers.Flatten(), layers.Dense(2, "softmax")])


def test_which_models_are_stacked():
    conv = layers.Conv2D
    assert engine.is_stacked(small(conv(8, 3), layers.MaxPooling2D(), conv(16, 3, activation="relu")))
    assert not engine.is_stacked(small()), "dense models are vectorised in another way"
    assert not engine.is_stacked(small(conv(32, 3), conv(64, 3))), "so large a convolution gains nothing"
    for other in (conv(4, 3, dilation_rate=2), conv(4, 3, groups=2), layers.DepthwiseConv2D(3), layers.BatchNormalization(),
                  layers.MaxPooling2D(3, strides=2), layers.MaxPooling2D(padding="same")):  # fmt: skip
        assert not engine.is_stacked(small(conv(4, 3), other)), type(other).__name__


def test_a_reader_s_own_convolution_is_not_replaced():
    class Own(keras.layers.Conv2D):
        pass

    assert convolution.stacked(Own(4, 3)) is None and not engine.is_stacked(small(Own(4, 3)))
