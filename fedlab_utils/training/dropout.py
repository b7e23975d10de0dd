"""Dropout for many clients at once: masks from a counter-based generator, which is arithmetic and therefore vectorises.

TensorFlow's own random operations do not: inside `tf.vectorized_map` they become a loop over the clients, a third of
a round's time for the document's model. A counter-based generator (Salmon et al. 2011, "Parallel random numbers: as
easy as 1, 2, 3") hashes a key and a counter; the mask of a client depends on its own key alone.
"""

from __future__ import annotations

from typing import Any

from .models import keras, tf

GOLDEN = 0x9E3779B9


def _mix(h: tf.Tensor) -> tf.Tensor:
    """A bijection of uint32 in which every input bit changes half of the output bits (C. Wellons, "lowbias32", 2018)."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h = tf.bitwise.bitwise_xor(h, tf.bitwise.right_shift(h, tf.constant(shift, tf.uint32)))
        h = h * tf.constant(factor, tf.uint32)
    return tf.bitwise.bitwise_xor(h, tf.bitwise.right_shift(h, tf.constant(16, tf.uint32)))


def random_uint16(key: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
    """`count` uniform integers 0 … 65535 for one key: int32 [count]. key: integers [2], of which the low 32 bits count."""
    key = tf.cast(key, tf.uint32)
    one = _mix(tf.bitwise.bitwise_xor(key[0], _mix(key[1])))
    two = _mix(one + tf.constant(GOLDEN, tf.uint32))
    counter = tf.cast(tf.range((count + 1) // 2), tf.uint32)  # each hash gives two numbers
    hashed = _mix(tf.bitwise.bitwise_xor(_mix(counter * tf.constant(GOLDEN, tf.uint32) + one), two))
    return tf.cast(tf.reshape(tf.bitcast(hashed, tf.uint16), [-1])[:count], tf.int32)


class VectorizedDropout(keras.layers.Layer):
    """`keras.layers.Dropout`, with masks that cost no loop over clients. The rate is kept to within 2**-17."""

    def __init__(self, rate: float, **options: Any):
        super().__init__(**options)
        self.dropped = round(65536 * rate)  # of 65,536 equally likely numbers

    def build(self, _shape: tuple) -> None:
        # Named as the state of a keras.random.SeedGenerator, and of its shape and dtype, because it serves the same end.
        self.state = self.add_weight(shape=(2,), dtype="int64", initializer="zeros", trainable=False, name="seed_generator_state")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or not self.dropped:
            return x
        state = keras.ops.convert_to_tensor(self.state)
        self.state.assign(state + tf.constant([0, 1], tf.int64))
        kept = tf.reshape(random_uint16(state, tf.size(x)), tf.shape(x)) >= self.dropped
        return x * tf.cast(kept, x.dtype) * (65536 / (65536 - self.dropped))

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape
