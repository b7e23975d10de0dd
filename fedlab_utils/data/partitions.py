"""Ways to deal data out to clients (document, 2.1.1: horizontal federated learning)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..language import say
from ..validation import require_integer, require_number


def _require_clients(labels: np.ndarray, n_clients: int) -> int:
    if labels.ndim != 1:
        raise ValueError(say(f"labels must be one-dimensional, got shape {labels.shape}; of one-hot rows take .argmax(axis=1)",
                             f"labels 应为一维，收到的形状是 {labels.shape}；若是 one-hot，请用 .argmax(axis=1)"))  # fmt: skip
    return require_integer("n_clients", n_clients, 1, labels.size)


def partition_iid(labels: ArrayLike, n_clients: int, seed: int = 0) -> list[np.ndarray]:
    """Deal all samples out at random, in parts that differ by one sample at the most.

    labels: int [n]. Returns n_clients arrays of indices, rising. ValueError unless 1 <= n_clients <= n.
    """
    labels = np.asarray(labels)
    n_clients = _require_clients(labels, n_clients)
    seed = require_integer("seed", seed, 0)
    order = np.random.default_rng(seed).permutation(labels.size)
    return [np.sort(part) for part in np.array_split(order, n_clients)]


def partition_shards(labels: ArrayLike, n_clients: int, shards_per_client: int = 2, seed: int = 0) -> list[np.ndarray]:
    """Sort by label, cut into n_clients * shards_per_client shards, give each client some at random.

    With two shards most clients know two classes only: the pathological split of McMahan et al. 2017 (arXiv:1602.05629).
    Returns n_clients arrays of indices, rising. ValueError if there are more shards than samples.
    """
    labels = np.asarray(labels)
    n_clients = _require_clients(labels, n_clients)
    shards_per_client = require_integer("shards_per_client", shards_per_client, 1, labels.size // n_clients)
    rng = np.random.default_rng(require_integer("seed", seed, 0))
    # Shuffle before the stable sort, so that which samples of a class meet in a shard depends on the seed.
    shuffled = rng.permutation(labels.size)
    shards = np.array_split(shuffled[np.argsort(labels[shuffled], kind="stable")], n_clients * shards_per_client)
    deal = rng.permutation(len(shards)).reshape(n_clients, shards_per_client)
    return [np.sort(np.concatenate([shards[shard] for shard in hand])) for hand in deal]


def partition_dirichlet(labels: ArrayLike, n_clients: int, alpha: float = 0.5, seed: int = 0) -> list[np.ndarray]:
    """Give each client its own mixture of classes, drawn from a Dirichlet distribution; all clients hold equally much.

    alpha, for each class: small is skewed (at 0.1 a client's largest class is some 70 % of its data), large is like IID.
    Source: Hsu, Qi and Brown 2019, arXiv:1909.06335, whose own alpha is that of all classes together; a class that has run
    out is replaced by the others in proportion to the client's mixture.
    Returns n_clients arrays of indices, rising, of n // n_clients or one more samples. No sample is left out.
    """
    labels = np.asarray(labels)
    n_clients = _require_clients(labels, n_clients)
    alpha = require_number("alpha", alpha, 0)
    seed = require_integer("seed", seed, 0)
    rng = np.random.default_rng(seed)
    classes, prior = np.unique(labels, return_counts=True)
    stock = [rng.permutation(np.flatnonzero(labels == c)) for c in classes]
    left = prior.copy()
    parts = []
    for client in range(n_clients):
        wanted = labels.size // n_clients + (client < labels.size % n_clients)
        mixture = rng.dirichlet(alpha * prior / labels.size * classes.size)
        taken = np.zeros_like(left)
        while (missing := wanted - taken.sum()) > 0:
            open_classes = np.where(left > taken, mixture, 0)
            if open_classes.sum() < 1e-9:  # every class of the mixture has run out
                open_classes = (left - taken).astype(float)
            draw = rng.multinomial(missing, open_classes / open_classes.sum())
            taken = np.minimum(taken + draw, left)
        parts.append(np.sort(np.concatenate([stock[c][left[c] - taken[c] : left[c]] for c in range(classes.size)])))
        left = left - taken
    return parts


def partition_vertical(n_features: int, n_parties: int, seed: int = 0) -> list[np.ndarray]:
    """Deal the *columns* of a table out at random: each party gets all samples, but other features (document, 2.1.1).

    Returns n_parties arrays of column numbers, rising, that differ in size by one at the most. ValueError unless
    1 <= n_parties <= n_features.
    """
    n_features = require_integer("n_features", n_features, 1)
    n_parties = require_integer("n_parties", n_parties, 1, n_features)
    order = np.random.default_rng(seed).permutation(n_features)
    return [np.sort(part) for part in np.array_split(order, n_parties)]
