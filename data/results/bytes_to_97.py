"""Make bytes_to_97.csv: the fewest bytes, both ways, until a federation is right about 97 % of a validation split.

    .venv/bin/python data/results/bytes_to_97.py          # every recipe with SEEDS seeds
    .venv/bin/python data/results/bytes_to_97.py --add    # only what the table lacks

The task is that of McMahan et al. 2017 (arXiv:1602.05629, table 1): 784-200-200-10, 199,210 weights, MNIST dealt to a hundred
clients, IID or two shards each. 6,000 training images are set aside before the deal; a training stops after the first round
whose model is right about 97 % of them, and its bill is every payload until then: up, down, first models, what brings late
clients up to date. The test set is read when it has stopped; no recipe was chosen by it. (`simulate` tries each round's model
on it too. The search looked at validation and bytes alone.)

"FedAvg" is float32 both ways, as well tuned as the search went: cohorts of 1 to 10, 1 to 10 local epochs, rates of 0.05 to
0.4, batches of 10 to 50, server rate and momentum. bytes_to_97_search.csv has every trial, with a seed that no row of the
table has (1000); a trial was given up once it had cost what stands in its column `limit`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from classics.fedavg_rounds import HELD_OUT, HIDDEN, TARGET
from classics.fedavg_rounds import deal as deal_all
from studies import write
from tqdm import tqdm

import fedlab_utils as fl
from fedlab_utils.data.tables import BytesTo97

HERE = Path(__file__).resolve().parent
TABLE = HERE / "bytes_to_97.csv"
SEEDS, LIMIT = 3, 1000  # LIMIT: rounds, then RuntimeError
NAMES = {"iid": "IID", "shards": "two shards"}  # of partitions, in `classics.fedavg_rounds`, whose task this is
# Arguments of `simulate`, by partition and name.
RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "iid": {
        "FedAvg": dict(clients_per_round=2, local_epochs=5, learning_rate=0.2),
        "whole": dict(
            clients_per_round=3, local_epochs=5, learning_rate=0.2, first_model="seed", broadcast="whole",
            uplink=fl.EntropyQuantize(0.5, "context"), downlink=fl.EntropyQuantize(0.8, "context"),
        ),
        "whole, DCT": dict(
            clients_per_round=3, local_epochs=5, learning_rate=0.2, first_model="seed", broadcast="whole",
            uplink=fl.DCT(28, 28) | fl.EntropyQuantize(0.3, "context"),
            downlink=fl.DCT(28, 28) | fl.FixedStep(0.15, "context"),
        ),
    },
    "shards": {
        "FedAvg": dict(clients_per_round=3, local_epochs=1, learning_rate=0.05, server_momentum=0.7),
        "whole, DCT": dict(
            clients_per_round=3, local_epochs=1, learning_rate=0.05, server_momentum=0.7, first_model="seed",
            broadcast="whole", uplink=fl.DCT(28, 28) | fl.EntropyQuantize(0.5, "context"),
            downlink=fl.DCT(28, 28) | fl.FixedStep(0.06, "context"),
        ),
    },
}


def deal(partition: str, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """The samples held out, and those of each client: indices into the training set, drawn with `seed`."""
    labels = fl.load_mnist().y_train
    mixed = np.random.default_rng(seed).permutation(len(labels))
    held_out, rest = mixed[:HELD_OUT], mixed[HELD_OUT:]
    return held_out, [rest[part] for part in deal_all(NAMES[partition], labels[rest], seed)]


def train(partition: str, seed: int, **options: Any) -> fl.History:
    """Train until the model is right about 97 % of what was held out. RuntimeError where it is not within LIMIT rounds."""
    held_out, clients = deal(partition, seed)
    history = fl.simulate(
        fl.central.mlp(*HIDDEN, seed=seed), fl.load_mnist(), clients, rounds=LIMIT, validation=held_out, compile=True, seed=seed,
        on_round=lambda so_far: so_far.validation_accuracy[-1] < TARGET, **options,
    )  # fmt: skip
    if history.validation_accuracy[-1] < TARGET:
        raise RuntimeError(f"{partition}, seed {seed}: no {TARGET:.0%} within {LIMIT} rounds")
    return history


def row(partition: str, recipe: str, seed: int) -> Iterator[dict]:
    """The one row of a training."""
    history = train(partition, seed, **RECIPES[partition][recipe])
    up, down = sum(history.uplink_bytes), sum(history.downlink_bytes)
    values = (partition, recipe, len(history.accuracy), up, down, sum(history.first_model_bytes), up + down,
              f"{history.validation_accuracy[-1]:.4f}", f"{history.accuracy[-1]:.4f}", seed)  # fmt: skip
    yield dict(zip(BytesTo97._fields, values, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--add", action="store_true", help="measure only what the table does not hold yet")
    add = parser.parse_args().add and TABLE.exists()
    keys = [(partition, recipe, seed) for partition, recipes in RECIPES.items() for recipe in recipes for seed in range(SEEDS)]
    with tqdm(total=len(keys), unit="run") as bar:

        def counted() -> Iterator[tuple[str, str, int]]:
            for key in keys:
                bar.set_description(", ".join(map(str, key)))
                yield key
                bar.update()

        write(TABLE, BytesTo97._fields, ("partition", "recipe", "seed"), counted(), row, add)


if __name__ == "__main__":
    main()
