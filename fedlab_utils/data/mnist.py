"""MNIST, and one real model delta of a client that trains on it."""

from __future__ import annotations

import functools
import hashlib
import struct
from typing import NamedTuple

import numpy as np

from ..language import say
from .files import damaged, existing, loaded_once

# SHA-256 of the four original IDX files, and the name and shape of the array that holds each.
MNIST_FILES = {
    "x_train": ((60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "y_train": ((60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "x_test": ((10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "y_test": ((10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


class Dataset(NamedTuple):
    """x_*: float32 [n, …], of MNIST [n, 28, 28] in [0, 1]. y_*: int32 [n], the classes. The loaders' arrays are read-only."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


@loaded_once
def load_mnist() -> Dataset:
    """The complete MNIST, from `data/mnist.npz`; loaded once a process, the second call costs nothing.

    FileNotFoundError where the file is missing, ValueError where it is damaged; both say what to do. What is checked is
    not the archive but its content: each array must hash to the SHA-256 of the original IDX file.
    """
    path, mend = existing("mnist.npz")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in MNIST_FILES}
    except Exception as error:  # a damaged archive can raise nearly anything
        raise damaged(path, mend, error) from error
    for name, (shape, sha256) in MNIST_FILES.items():
        if arrays[name].dtype != np.uint8 or arrays[name].shape != shape or idx_sha256(arrays[name]) != sha256:
            raise damaged(path, mend, say(f"{name} is not the {name} of MNIST", f"{name} 不是 MNIST 的 {name}"))
    for name, array in arrays.items():
        arrays[name] = array.astype(np.float32 if name.startswith("x") else np.int32)
        if name.startswith("x"):
            arrays[name] /= 255  # in place: a second copy would be 188 MB
        arrays[name].flags.writeable = False
    return Dataset(**arrays)


DELTA_SHAPES = ((784, 128), (128,), (128, 10), (10,))  # of the arrays of the document's model, and so of a client's delta


@functools.cache
def load_client_delta() -> np.ndarray:
    """A real model delta: float32 [101770], read-only, of one client of 100 after five rounds of the document's model.

    In the order of model.get_weights(), of arrays `DELTA_SHAPES`: hidden kernel, its bias, output kernel, its bias. From
    `data/client_delta.npy`; data/README.md says how it was made. FileNotFoundError where the file is missing, ValueError
    where it is damaged.
    """
    path, mend = existing("client_delta.npy")
    try:
        delta = np.load(path, allow_pickle=False)
    except Exception as error:  # as above
        raise damaged(path, mend, error) from error
    if not (
        isinstance(delta, np.ndarray) and delta.dtype == np.float32 and delta.shape == (101_770,) and np.isfinite(delta).all()
    ):
        raise damaged(path, mend, say("it is not a vector of 101,770 finite float32", "它不是 101,770 个有限的 float32"))
    delta.flags.writeable = False
    return delta


def idx_sha256(array: np.ndarray) -> str:
    """SHA-256 of the IDX file that would hold a uint8 array: magic number, dimensions, then the bytes."""
    header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    return hashlib.sha256(header + np.ascontiguousarray(array, np.uint8).tobytes()).hexdigest()
