"""Make tff_comparison.csv: our simulator on the setting of 05_practice_tff. Half a minute on two cores.

    .venv/bin/python data/results/tff_comparison.py

The document's model, MNIST dealt IID to 100 clients, ten of them a round, batch 10, rate 0.1, float32 both ways. One row a
seed and round: test accuracy after it, wall-clock seconds of training and coding (evaluation apart, as for TFF).
"""

import csv
from pathlib import Path

import fedlab_utils as fl

SEEDS, ROUNDS = (0, 1, 2), 10
FIELDS = ("setting", "seed", "round", "accuracy", "seconds")


def rows(seed: int):
    data = fl.load_mnist()
    clients = fl.partition_iid(data.y_train, n_clients=100, seed=0)
    history = fl.simulate(fl.models.document_mlp(seed=seed), data, clients, rounds=ROUNDS, seed=seed)
    for number, accuracy in enumerate(history.accuracy):
        seconds = history.train_seconds[number] + history.codec_seconds[number]
        yield dict(zip(FIELDS, ("float32", seed, number + 1, f"{accuracy:.4f}", f"{seconds:.2f}"), strict=True))


def main():
    with (Path(__file__).parent / "tff_comparison.csv").open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        for seed in SEEDS:
            writer.writerows(rows(seed))


if __name__ == "__main__":
    main()
