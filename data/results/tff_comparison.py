"""Make tff_comparison.csv: our simulator on the setting of 05_practice_tff. Half a minute on two cores.

    .venv/bin/python data/results/tff_comparison.py          # every row anew
    .venv/bin/python data/results/tff_comparison.py --add    # only the seeds that are missing

The document's model, MNIST dealt IID to 100 clients, ten of them a round, batch 10, rate 0.1, float32 both ways. One row a
seed and round: test accuracy after it, wall-clock seconds of training and coding (evaluation apart, as for TFF).
"""

import sys
from pathlib import Path

from studies import write

import fedlab_utils as fl

SEEDS, ROUNDS = range(10), 10
FIELDS = ("setting", "seed", "round", "accuracy", "seconds")


def rows(seed: int):
    data = fl.load_mnist()
    clients = fl.partition_iid(data.y_train, n_clients=100, seed=0)
    history = fl.simulate(fl.models.document_mlp(seed=seed), data, clients, rounds=ROUNDS, seed=seed)
    for number, accuracy in enumerate(history.accuracy):
        seconds = history.train_seconds[number] + history.codec_seconds[number]
        yield dict(zip(FIELDS, ("float32", seed, number + 1, f"{accuracy:.4f}", f"{seconds:.2f}"), strict=True))


if __name__ == "__main__":
    write(Path(__file__).with_suffix(".csv"), FIELDS, ("seed",), ((seed,) for seed in SEEDS), rows, add="--add" in sys.argv[1:])
