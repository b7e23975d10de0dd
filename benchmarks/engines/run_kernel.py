"""The work by a TensorFlow kernel written by hand for multilayer perceptrons, vectorised over clients.

The yardstick for `simulate`: forward pass, gradient and step written out, one batched matrix product a layer for all
clients, averaging inside the graph; no layers, no tape, no optimizer, no bytes. With `xla` as the third argument the
same is compiled by XLA.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
from work import BATCH_SIZE, LEARNING_RATE, Work


def dropout_rate(model: str) -> float:
    """Of the model, which is ReLU after every hidden layer, dropout after the first if at all, softmax at the end."""
    layers = [layer for layer in json.loads(model)["config"]["layers"] if layer["class_name"] in ("Dense", "Dropout")]
    *hidden, last = [layer["config"]["activation"] for layer in layers if layer["class_name"] == "Dense"]
    places = [place for place, layer in enumerate(layers) if layer["class_name"] == "Dropout"]
    if set(hidden) != {"relu"} or last != "softmax" or places not in ([], [1]):
        raise ValueError("this kernel is written for other layers")
    return layers[1]["config"]["rate"] if places else 0.0


def kernel(rate: float, xla: bool):
    """One round. weights: of the server, kernel and bias in turns. batches: int32 [n_clients, steps, batch], into images
    [n, 784] and labels [n]. seed: int32 [2], of the dropout. Returns the mean of the clients' weights."""

    def forward(x, kernels, biases, keep):
        inputs = [x]
        for place, (w, b) in enumerate(zip(kernels[:-1], biases[:-1], strict=True)):
            h = tf.nn.relu(tf.matmul(inputs[-1], w) + b)
            inputs.append(h * keep if keep is not None and place == 0 else h)
        return inputs, tf.nn.softmax(tf.matmul(inputs[-1], kernels[-1]) + biases[-1])

    @tf.function(autograph=False, jit_compile=xla)
    def one_round(weights, images, labels, batches, seed):
        n_clients, steps, batch = batches.shape

        def step(number, kernels, biases):
            chosen = batches[:, number]
            keep = None
            if rate:
                shape = (n_clients, batch, kernels[0].shape[2])
                drawn = tf.random.stateless_uniform(shape, tf.stack([seed[0], seed[1] + number]))
                keep = tf.cast(drawn >= rate, tf.float32) / (1 - rate)
            inputs, p = forward(tf.gather(images, chosen), kernels, biases, keep)
            delta = (p - tf.one_hot(tf.gather(labels, chosen), p.shape[2])) / batch  # of the mean cross-entropy by the logits
            new_kernels, new_biases = list(kernels), list(biases)
            for place in reversed(range(len(kernels))):
                new_kernels[place] = kernels[place] - LEARNING_RATE * tf.matmul(inputs[place], delta, transpose_a=True)
                new_biases[place] = biases[place] - LEARNING_RATE * tf.reduce_sum(delta, axis=1, keepdims=True)
                if place:
                    delta = tf.matmul(delta, kernels[place], transpose_b=True) * tf.cast(inputs[place] > 0, tf.float32)
                    delta = delta * keep if keep is not None and place == 1 else delta
            return number + 1, new_kernels, new_biases

        kernels = [tf.repeat(w[None], n_clients, axis=0) for w in weights[0::2]]
        biases = [tf.repeat(b[None, None], n_clients, axis=0) for b in weights[1::2]]
        _, kernels, biases = tf.while_loop(lambda number, *_: number < steps, step, (0, kernels, biases))
        means = zip(kernels, biases, strict=True)
        return [mean for w, b in means for mean in (tf.reduce_mean(w, axis=0), tf.reduce_mean(b, axis=(0, 1)))]

    return one_round


work = Work.load()
n_clients, n_samples = work.y.shape
begun = time.perf_counter()
images, labels = tf.constant(work.x.reshape(-1, 784)), tf.constant(work.y.reshape(-1))
one_round = kernel(dropout_rate(work.model), xla="xla" in sys.argv[3:])
setup = time.perf_counter() - begun
for repeat in range(work.repeats):
    rng = np.random.default_rng((work.seed, repeat))
    weights, seconds = work.weights, []
    for number in range(work.rounds):
        before = time.perf_counter()
        orders = [n_samples * client + rng.permutation(n_samples) for client in range(n_clients)]
        batches = np.reshape(orders, (n_clients, -1, BATCH_SIZE)).astype(np.int32)
        seed = np.array([work.seed + repeat, number * batches.shape[1]], np.int32)
        weights = [array.numpy() for array in one_round(weights, images, labels, batches, seed)]
        seconds.append(time.perf_counter() - before)
    work.done(seconds, weights, setup if repeat == 0 else 0.0)
work.write()
