"""The data of the book, and ways to deal it out to clients."""

from .deltas import load_deltas
from .files import data_directory
from .mnist import DELTA_SHAPES, Dataset, load_client_delta, load_mnist
from .own import Feature, OwnDataset, from_arrays, from_csv
from .partitions import partition_dirichlet, partition_iid, partition_shards, partition_vertical

__all__ = [
    "DELTA_SHAPES", "Dataset", "Feature", "OwnDataset", "data_directory", "from_arrays", "from_csv", "load_client_delta",
    "load_deltas", "load_mnist", "partition_dirichlet", "partition_iid", "partition_shards", "partition_vertical",
]  # fmt: skip
