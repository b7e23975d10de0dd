"""The work as a loop of plain Keras `fit`, one client after the other."""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from work import BATCH_SIZE, LEARNING_RATE, Work

work = Work.load()
for repeat in range(work.repeats):
    keras.utils.set_random_seed(work.seed + repeat)
    begun = time.perf_counter()
    model = keras.models.model_from_json(work.model)
    model.compile(keras.optimizers.SGD(LEARNING_RATE), "sparse_categorical_crossentropy")
    weights, seconds, setup = work.weights, [], time.perf_counter() - begun
    for _ in range(work.rounds):
        before = time.perf_counter()
        trained = []
        for x, y in zip(work.x, work.y, strict=True):
            model.set_weights(weights)
            model.fit(x, y, batch_size=BATCH_SIZE, epochs=1, verbose=0)
            trained.append(model.get_weights())
        weights = [np.mean(arrays, axis=0) for arrays in zip(*trained, strict=True)]
        seconds.append(time.perf_counter() - before)
    work.done(seconds, weights, setup)
work.write()
