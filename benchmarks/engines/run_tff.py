"""The work through TensorFlow Federated, as chapter 5 runs it (`fedlab_utils.tff`)."""

import time

import numpy as np
from work import LEARNING_RATE, Work

from fedlab_utils.data import Dataset
from fedlab_utils.engines import tff as room

work = Work.load()
n_clients, n_samples = work.y.shape
x, y = work.x.reshape(-1, 28, 28), work.y.reshape(-1)
data = Dataset(x, y, x[:100], y[:100])  # its test set is not used and its evaluation is not timed
clients = list(np.arange(len(y)).reshape(n_clients, n_samples))
room.modules()
if not all(np.array_equal(a, b) for a, b in zip(room.initial_weights(0), work.weights, strict=True)):
    raise SystemExit("fedlab_utils.tff begins with other weights")
for _ in range(work.repeats):
    first, begun = [], time.perf_counter()
    training = room.train(
        None, data, clients, rounds=work.rounds, learning_rate=LEARNING_RATE,
        on_round=lambda _, first=first: first.append(time.perf_counter()),
    )  # fmt: skip
    work.done(training.seconds, training.weights, first[0] - begun - training.seconds[0])
work.write("tensorflow-federated", "tensorflow-cpu", "numpy")
