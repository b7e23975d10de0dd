"""Small convolutional networks for many clients at once: convolutions as matrix products of patches, compiled by XLA.

With kernels of their own for each client XLA's convolutions take 2.5 times the processor time of clients one by one; products
of patches take 0.4 times, as long as the patches are small (Chellapilla et al. 2006, "High performance convolutional neural
networks for document processing", unroll them likewise). Without XLA the copying costs more than it gains.
"""

from __future__ import annotations

import math
from typing import Any

from .models import keras, tf

MOST = 1_000_000  # multiplications a sample: beyond, TensorFlow's own convolutions gain on the patches that are copied


class PatchConv2D(keras.layers.Conv2D):
    """`Conv2D` of channels that come last, neither in groups nor dilated, as one matrix product."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """inputs [batch, height, width, channels], kernel [rows, columns, channels, filters] → [batch, …, …, filters]."""
        (rows, columns), (down, right) = self.kernel_size, self.strides
        height, width, channels = inputs.shape[1:]
        if self.padding == "same":
            inputs = tf.pad(inputs, [(0, 0), _around(height, rows, down), _around(width, columns, right), (0, 0)])
            height, width = inputs.shape[1:3]
        high, wide = (height - rows) // down + 1, (width - columns) // right + 1
        ends = (high - 1) * down + 1, (wide - 1) * right + 1
        shifted = [inputs[:, i : i + ends[0] : down, j : j + ends[1] : right] for i in range(rows) for j in range(columns)]
        patches = tf.reshape(tf.concat(shifted, axis=-1), [-1, rows * columns * channels])
        return tf.reshape(patches @ tf.reshape(kernel, [rows * columns * channels, -1]), [-1, high, wide, self.filters])


def _around(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """How many zeros "same" puts before and after a side."""
    missing = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return missing // 2, missing - missing // 2


class TiledMaxPooling2D(keras.layers.MaxPooling2D):
    """`MaxPooling2D` of windows that lie side by side. As TensorFlow's, its gradient goes to the first of equal maxima."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        (rows, columns), (height, width, channels) = self.pool_size, inputs.shape[1:]
        high, wide = height // rows, width // columns
        tiles, places = [-1, high, rows, wide, columns, channels], rows * columns
        place = tf.reshape(tf.range(places), [rows, 1, columns, 1])

        @tf.custom_gradient
        def pool(x):
            x = tf.reshape(x[:, : high * rows, : wide * columns], tiles)
            largest = tf.reduce_max(x, axis=[2, 4], keepdims=True)

            def gradient(g):
                first = tf.reduce_min(tf.where(x == largest, place, places), axis=[2, 4], keepdims=True)
                g = tf.where(place == first, tf.reshape(g, [-1, high, 1, wide, 1, channels]), tf.zeros([], g.dtype))
                g = tf.reshape(g, [-1, high * rows, wide * columns, channels])
                return tf.pad(g, [(0, 0), (0, height - high * rows), (0, width - wide * columns), (0, 0)])

            return tf.reshape(largest, [-1, high, wide, channels]), gradient

        return pool(inputs)


def stacked(layer: Any) -> Any:
    """The layer in its form for many clients, from its configuration; None for a layer that has none."""
    if type(layer) is keras.layers.Conv2D:
        fits = layer.data_format == "channels_last" and layer.groups == 1 and set(layer.dilation_rate) == {1}
        return PatchConv2D.from_config(layer.get_config()) if fits and _is_static(layer) else None
    if type(layer) is keras.layers.MaxPooling2D:
        fits = layer.data_format == "channels_last" and layer.padding == "valid" and layer.strides == layer.pool_size
        return TiledMaxPooling2D.from_config(layer.get_config()) if fits and _is_static(layer) else None
    return None


def _is_static(layer: Any) -> bool:
    """Whether the layer stands in the model itself, for images of a known size."""
    try:
        return None not in layer.input.shape[1:]
    except (AttributeError, ValueError):  # inside a wrapper
        return False


def multiplications(model: keras.Model) -> int:
    """How many multiplications the convolutions of `stacked` layers take for one sample, forward."""
    convolutions = [layer for layer in model.layers if type(layer) is keras.layers.Conv2D and _is_static(layer)]
    return sum(math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape) for layer in convolutions)
