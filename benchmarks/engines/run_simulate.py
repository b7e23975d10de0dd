"""The work through `fedlab_utils.simulate`; with `xla` as the third argument, its training compiled by XLA."""

import sys

import numpy as np
from work import BATCH_SIZE, LEARNING_RATE, Work

import fedlab_utils as fl
from fedlab_utils.data import Dataset
from fedlab_utils.training.models import keras

work = Work.load()
model = keras.models.model_from_json(work.model)
model.set_weights(work.weights)
n_clients, n_samples = work.y.shape
x, y = work.x.reshape(-1, 28, 28), work.y.reshape(-1)
x.flags.writeable = y.flags.writeable = False  # as those of load_mnist: `simulate` keeps such a data set for the next run
data = Dataset(x, y, x[:100], y[:100])  # it evaluates after each round; the benchmark does not use or time that
clients = list(np.arange(len(y)).reshape(n_clients, n_samples))
for repeat in range(work.repeats):
    history = fl.simulate(
        model, data, clients, rounds=work.rounds, clients_per_round=n_clients, batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE, compile="xla" in sys.argv[3:], seed=work.seed + repeat,
    )  # fmt: skip
    seconds = np.add(history.train_seconds, history.codec_seconds).tolist()
    work.done(seconds, history.weights, history.setup_seconds, history.train_seconds)
work.write()
