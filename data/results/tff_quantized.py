"""Make tff_quantized.csv: TensorFlow Federated 0.87.0, with and without quantization. A quarter of an hour on two cores.

    make tff
    .venv-tff/bin/python data/results/tff_quantized.py          # every row anew
    .venv-tff/bin/python data/results/tff_quantized.py --add    # only the seeds that are missing

Model, data, clients, batches and first weights are those of tff_comparison.py, seed by seed. setting: "float32" (the plain
mean), "16 bits" … "2 bits" (`EncodedSumFactory.quantize_above_threshold`, whose rounding is stochastic), "2 bits, nearest"
(the same, with stochastic=False), "compression_aggregator" (`tff.learning.compression_aggregator`: 8 bits, with adaptive
clipping and zeroing). One row a setting, seed and round: test accuracy after it, wall-clock seconds of `next`.
"""

import csv
import sys
from pathlib import Path

import fedlab_utils as fl
from fedlab_utils import tff

SEEDS, ROUNDS = range(10), 10
FIELDS = ("setting", "seed", "round", "accuracy", "seconds")


def settings():
    _, federated = tff.modules()
    yield "float32", None
    for bits in (16, 8, 4, 2):
        yield f"{bits} bits", tff.quantized(bits)
    yield "2 bits, nearest", tff.quantized(2, stochastic=False)
    yield "compression_aggregator", federated.learning.compression_aggregator()


def main(add: bool = False):
    table, known = Path(__file__).with_name("tff_quantized.csv"), {}
    if add:
        with table.open(newline="", encoding="utf8") as file:
            for row in csv.DictReader(file):
                known.setdefault((row["setting"], int(row["seed"])), []).append(row)
    data = fl.load_mnist()
    clients = fl.partition_iid(data.y_train, n_clients=100, seed=0)
    with table.open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        for setting, aggregator in settings():
            for seed in SEEDS:
                if (setting, seed) in known:
                    writer.writerows(known[setting, seed])
                    continue
                done = tff.train(aggregator, data, clients, rounds=ROUNDS, seed=seed)
                for number, (accuracy, seconds) in enumerate(zip(done.accuracy, done.seconds, strict=True), 1):
                    row = (setting, seed, number, f"{accuracy:.4f}", f"{seconds:.2f}")
                    writer.writerow(dict(zip(FIELDS, row, strict=True)))
                file.flush()


if __name__ == "__main__":
    main(add="--add" in sys.argv[1:])
