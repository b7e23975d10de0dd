"""How the partitions explorer deals some of MNIST out: the positions of its controls, and who holds what in each."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...data import Dataset, load_mnist, partition_dirichlet, partition_iid, partition_shards
from ...language import say

N_CLIENTS, IMAGES, TEST_IMAGES, ROUNDS = 10, 2000, 2000, 10
KINDS = ("iid", "shards", "dirichlet")
ALPHAS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
SHARDS = (1, 2, 3, 5, 10)
SEEDS = (0, 1, 2, 3, 4)


class Position(NamedTuple):
    """One position of all controls."""

    kind: str = "dirichlet"
    alpha: float = 0.3
    shards: int = 2
    seed: int = 0

    def essential(self) -> Position:
        """The same with what does not matter at its default, so that equal deals are trained once."""
        start = Position()
        alpha = self.alpha if self.kind == "dirichlet" else start.alpha
        return Position(self.kind, alpha, self.shards if self.kind == "shards" else start.shards, self.seed)


@lru_cache(maxsize=1)
def some_mnist() -> Dataset:
    """The first 2,000 training and 2,000 test images: a training on them takes under a second."""
    data = load_mnist()
    return Dataset(data.x_train[:IMAGES], data.y_train[:IMAGES], data.x_test[:TEST_IMAGES], data.y_test[:TEST_IMAGES])


def deal(position: Position) -> list[np.ndarray]:
    """The indices that each client holds."""
    labels = some_mnist().y_train
    if position.kind == "iid":
        return partition_iid(labels, N_CLIENTS, seed=position.seed)
    if position.kind == "shards":
        return partition_shards(labels, N_CLIENTS, position.shards, seed=position.seed)
    return partition_dirichlet(labels, N_CLIENTS, position.alpha, seed=position.seed)


def describe(position: Position) -> str:
    if position.kind == "iid":
        return say("IID", "独立同分布")
    if position.kind == "shards":
        plural = "" if position.shards == 1 else "s"
        return say(f"{position.shards} shard{plural} a client", f"每个客户端 {position.shards} 个分片")
    return f"Dirichlet α = {position.alpha:g}"
