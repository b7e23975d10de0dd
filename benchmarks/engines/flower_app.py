"""A Flower app, written as Flower's TensorFlow quickstart is: a Keras model made for each message, `fit`, FedAvg.

A module of its own, so that Ray's workers import it once and keep what it caches: the work, and with
FLOWER_KEEPS_MODEL=1 the compiled model too, which the quickstart does not do.
"""

import functools
import os
import time

import keras
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from work import BATCH_SIZE, LEARNING_RATE, Work

client_app, server_app = ClientApp(), ServerApp()
load_work = functools.cache(Work.load)


def load_model():
    model = keras.models.model_from_json(load_work(os.environ["FLOWER_WORK"]).model)
    model.compile(keras.optimizers.SGD(LEARNING_RATE), "sparse_categorical_crossentropy")
    return model


if os.environ.get("FLOWER_KEEPS_MODEL") == "1":
    load_model = functools.cache(load_model)


@client_app.train()
def train(message, context):
    work, client = load_work(os.environ["FLOWER_WORK"]), context.node_config["partition-id"]
    model = load_model()
    model.set_weights(message.content["arrays"].to_numpy_ndarrays())
    model.fit(work.x[client], work.y[client], epochs=1, batch_size=BATCH_SIZE, verbose=0)
    records = {"arrays": ArrayRecord(model.get_weights()), "metrics": MetricRecord({"num-examples": len(work.y[client])})}
    return Message(content=RecordDict(records), reply_to=message)


times: list[float] = []  # of the server, after each round
final: list = []  # the weights


@server_app.main()
def main(grid, context):
    work = load_work(os.environ["FLOWER_WORK"])
    everyone = {"min_train_nodes": len(work.y), "min_available_nodes": len(work.y)}
    strategy = FedAvg(fraction_train=1.0, fraction_evaluate=0.0, **everyone)

    def after_round(number, arrays):  # where Flower lets the server evaluate
        times.append(time.perf_counter())

    arrays = ArrayRecord(work.weights)
    result = strategy.start(grid=grid, initial_arrays=arrays, num_rounds=work.rounds, evaluate_fn=after_round)
    final[:] = result.arrays.to_numpy_ndarrays()
