"""The data of the book, and ways to deal it out to clients (document, 2.1.1: horizontal federated learning)."""

from __future__ import annotations

import functools
import hashlib
import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .validation import require_integer, require_number

# SHA-256 of the four original IDX files, and the name and shape of the array that holds each.
MNIST_FILES = {
    "x_train": ((60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "y_train": ((60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "x_test": ((10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "y_test": ((10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


class Dataset(NamedTuple):
    """x_*: float32 [n, 28, 28] in [0, 1]. y_*: int32 [n], the classes. The arrays are read-only."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def data_directory() -> Path:
    """Where the data files are: $FEDLAB_DATA if set, else `data/` beside the package."""
    return Path(os.environ.get("FEDLAB_DATA") or Path(__file__).resolve().parents[1] / "data")


@functools.cache
def load_mnist() -> Dataset:
    """The complete MNIST, from `data/mnist.npz`; loaded once a process, the second call costs nothing.

    FileNotFoundError where the file is missing, ValueError where it is damaged; both say what to do. What is checked is
    not the archive but its content: each array must hash to the SHA-256 of the original IDX file.
    """
    path = data_directory() / "mnist.npz"
    mend = "Restore it with `git checkout -- data/mnist.npz`, or make it again as data/README.md says."
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {mend} If it is elsewhere, set FEDLAB_DATA to its folder.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in MNIST_FILES}
    except Exception as error:  # a damaged archive can raise nearly anything
        raise ValueError(f"{path} is damaged ({error}). {mend}") from error
    for name, (shape, sha256) in MNIST_FILES.items():
        if arrays[name].dtype != np.uint8 or arrays[name].shape != shape or idx_sha256(arrays[name]) != sha256:
            raise ValueError(f"{path} is damaged: {name} is not the {name} of MNIST. {mend}")
    for name, array in arrays.items():
        arrays[name] = array.astype(np.float32 if name.startswith("x") else np.int32)
        if name.startswith("x"):
            arrays[name] /= 255  # in place: a second copy would be 188 MB
        arrays[name].flags.writeable = False
    return Dataset(**arrays)


@functools.cache
def load_client_delta() -> np.ndarray:
    """A real model delta: float32 [101770], read-only, of one client of 100 after five rounds of the document's model.

    In the order of model.get_weights(): hidden kernel 784×128, its bias, output kernel 128×10, its bias. From
    `data/client_delta.npy`; data/README.md says how it was made. FileNotFoundError where the file is missing, ValueError
    where it is damaged.
    """
    path = data_directory() / "client_delta.npy"
    mend = "Restore it with `git checkout -- data/client_delta.npy`, or make it again as data/README.md says."
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {mend}")
    try:
        delta = np.load(path, allow_pickle=False)
    except Exception as error:  # as above
        raise ValueError(f"{path} is damaged ({error}). {mend}") from error
    if not (
        isinstance(delta, np.ndarray) and delta.dtype == np.float32 and delta.shape == (101_770,) and np.isfinite(delta).all()
    ):
        raise ValueError(f"{path} is damaged: it is not a vector of 101,770 finite float32. {mend}")
    delta.flags.writeable = False
    return delta


def idx_sha256(array: np.ndarray) -> str:
    """SHA-256 of the IDX file that would hold a uint8 array: magic number, dimensions, then the bytes."""
    header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    return hashlib.sha256(header + np.ascontiguousarray(array, np.uint8).tobytes()).hexdigest()


def _require_clients(labels: np.ndarray, n_clients) -> int:
    if labels.ndim != 1:
        raise ValueError(f"labels must be one-dimensional, got shape {labels.shape}")
    return require_integer("n_clients", n_clients, 1, labels.size)


def partition_iid(labels, n_clients: int, seed: int = 0) -> list[np.ndarray]:
    """Deal all samples out at random, in parts that differ by one sample at the most.

    labels: int [n]. Returns n_clients arrays of indices, rising. ValueError unless 1 <= n_clients <= n.
    """
    labels = np.asarray(labels)
    n_clients = _require_clients(labels, n_clients)
    seed = require_integer("seed", seed, 0)
    order = np.random.default_rng(seed).permutation(labels.size)
    return [np.sort(part) for part in np.array_split(order, n_clients)]


def partition_shards(labels, n_clients: int, shards_per_client: int = 2, seed: int = 0) -> list[np.ndarray]:
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


def partition_dirichlet(labels, n_clients: int, alpha: float = 0.5, seed: int = 0) -> list[np.ndarray]:
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
