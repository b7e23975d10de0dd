"""Make tff_quantized.csv: TensorFlow Federated 0.87.0, with and without quantization. A quarter of an hour on two cores.

    make tff
    .venv-tff/bin/python data/results/tff_quantized.py          # every row anew
    .venv-tff/bin/python data/results/tff_quantized.py --add    # only the seeds that are missing

Model, data, clients, batches and first weights are those of tff_comparison.py, seed by seed. setting: "float32" (the plain
mean), "16 bits" … "2 bits" (`EncodedSumFactory.quantize_above_threshold`, whose rounding is stochastic), "2 bits, nearest"
(the same, with stochastic=False), "compression_aggregator" (`tff.learning.compression_aggregator`: 8 bits, with adaptive
clipping and zeroing). One row a setting, seed and round: test accuracy after it, wall-clock seconds of `next`.
"""

import sys
from pathlib import Path

from studies import write

import fedlab_utils as fl
from fedlab_utils import tff

SEEDS, ROUNDS = range(10), 10
FIELDS = ("setting", "seed", "round", "accuracy", "seconds")


def settings() -> dict:
    """The aggregator of each setting; None is the plain mean."""
    _, federated = tff.modules()
    quantized = {f"{bits} bits": tff.quantized(bits) for bits in (16, 8, 4, 2)}
    nearest = tff.quantized(2, stochastic=False)
    old = federated.learning.compression_aggregator()
    return {"float32": None, **quantized, "2 bits, nearest": nearest, "compression_aggregator": old}


SETTINGS = settings()
DATA = fl.load_mnist()
CLIENTS = fl.partition_iid(DATA.y_train, n_clients=100, seed=0)


def rows(setting: str, seed: int):
    done = tff.train(SETTINGS[setting], DATA, CLIENTS, rounds=ROUNDS, seed=seed)
    for number, (accuracy, seconds) in enumerate(zip(done.accuracy, done.seconds, strict=True), 1):
        yield dict(zip(FIELDS, (setting, seed, number, f"{accuracy:.4f}", f"{seconds:.2f}"), strict=True))


if __name__ == "__main__":
    wanted = ((setting, seed) for setting in SETTINGS for seed in SEEDS)
    write(Path(__file__).with_suffix(".csv"), FIELDS, ("setting", "seed"), wanted, rows, add="--add" in sys.argv[1:])
