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
from studies import write
from tqdm import tqdm

import fedlab_utils as fl
from fedlab_utils.data.tables import BytesTo97

HERE = Path(__file__).resolve().parent
TABLE = HERE / "bytes_to_97.csv"
HIDDEN, CLIENTS, HELD_OUT, TARGET, SEEDS, LIMIT = (200, 200), 100, 6000, 0.97, 3, 1000  # LIMIT: rounds, then RuntimeError
