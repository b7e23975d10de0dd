"""The trainings of the live lab: what one position of its controls means, and the run that it makes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...codecs import Codec, Identity, Quantize, TopK
from ...data import load_mnist, partition_dirichlet, partition_iid, partition_shards
from ...federation.history import History
from ...federation.simulate import simulate
from ...language import message_name, say
from ...training.models import document_mlp
from ..plotting import rounding_name

IMAGES_PER_CLIENT = 600
COHORTS = (5, 10, 20, 50)
CLIENTS = (10, 20, 50, 100)
BITS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32)
FRACTIONS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
ROUNDS = (2, 4, 5, 10, 20, 30)
LOCAL_EPOCHS = (1, 2, 5, 10)
PARTITIONS = ("iid", "shards", "dirichlet")
DOWNLINKS = ("float32", "8 bits", "uplink")


class LabParameters(NamedTuple):
    """One position of all controls. cohort: clients a round, of n_clients. bits: 32 means float32.

    k: fraction kept, 1.0 means all. downlink "uplink": as the uplink.
    error_feedback: kept for every lossy direction, also where it does harm: section 5.2 asks to see that.
    """

    partition: str = "iid"
    n_clients: int = 100
    cohort: int = 10
    k: float = 1.0
    bits: int = 8
    rounding: str = "nearest"
    ranges: str = "model"
    error_feedback: bool = True
    downlink: str = "float32"
    local_epochs: int = 1
    rounds: int = 10
    seeds: int = 1


ASKED = LabParameters(k=0.01)  # what the lab's question is about


class Run(NamedTuple):
    """What one training has given so far. accuracy, uplink_mb, total_mb: float [seeds so far][rounds so far], MB added up."""

    parameters: LabParameters
    accuracy: list[list[float]]
    uplink_mb: list[list[float]]
    total_mb: list[list[float]]


def codec_of(parameters: LabParameters) -> Codec:
    stages: list[Codec] = []
    if parameters.k < 1:
        stages.append(TopK(parameters.k))
    if parameters.bits < 32:
        stages.append(Quantize(parameters.bits, parameters.rounding, ranges=parameters.ranges))
    if not stages:
        return Identity()
    return stages[0] if len(stages) == 1 else stages[0] | stages[1]


def downlink_of(parameters: LabParameters) -> Codec:
    return {"float32": Identity(), "8 bits": Quantize(8), "uplink": codec_of(parameters)}[parameters.downlink]


@lru_cache(maxsize=16)
def clients_of(partition: str, n_clients: int) -> list[np.ndarray]:
    """IMAGES_PER_CLIENT images of MNIST for each client, so that a round costs the same whatever is chosen."""
    labels = load_mnist().y_train
    some = np.sort(np.random.default_rng(0).permutation(labels.size)[: n_clients * IMAGES_PER_CLIENT])
    deal = {
        "iid": lambda: partition_iid(labels[some], n_clients),
        "shards": lambda: partition_shards(labels[some], n_clients, shards_per_client=2),
        "dirichlet": lambda: partition_dirichlet(labels[some], n_clients, alpha=0.3),
    }[partition]
    return [some[part] for part in deal()]


def train_lab(parameters: LabParameters, on_round: Callable[[Run], bool | None] = lambda run: None) -> Run:
    """Train, compiled by XLA: a reader trains many times. on_round(run) is called after every round with a copy of the run so
    far; returning False stops, and what is there is returned."""
    run = Run(parameters, [], [], [])
    stopped = False
    for seed in range(parameters.seeds):
        for series in run[1:]:
            series.append([])

        def note(history):
            nonlocal stopped
            run.accuracy[-1].append(history.accuracy[-1])
            run.uplink_mb[-1].append(sum(history.uplink_bytes) / 1e6)
            run.total_mb[-1].append(int(history.total_bytes()[-1]) / 1e6)
            stopped = on_round(Run(parameters, *([list(of_seed) for of_seed in series] for series in run[1:]))) is False
            return not stopped

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* error feedback makes its error grow")  # the picture shows it
            simulate(
                document_mlp(seed=seed), load_mnist(), clients_of(parameters.partition, parameters.n_clients),
                rounds=parameters.rounds, local_epochs=parameters.local_epochs, clients_per_round=parameters.cohort,
                uplink=codec_of(parameters), downlink=downlink_of(parameters), error_feedback=parameters.error_feedback,
                compile=True, seed=seed, on_round=note,
            )  # fmt: skip
        if stopped:
            break
    return run


def lab_run(parameters: LabParameters, histories: list[History]) -> Run:
    """The run that `train_lab` would have returned for trainings of these parameters, one a seed, that are known already."""
    series = [
        (history.accuracy, (np.cumsum(history.uplink_bytes) / 1e6).tolist(), (history.total_bytes() / 1e6).tolist())
        for history in histories
    ]
    return Run(parameters._replace(seeds=len(histories)), *map(list, zip(*series, strict=True)))


def describe(parameters: LabParameters) -> str:
    """The setting in short: the message, and what else differs from the start and matters for it."""
    exact = parameters.bits == 32
    rounding, epochs = parameters.rounding, parameters.local_epochs
    downlinks = {"float32": "", "8 bits": say("downlink 8 bits", "下行 8 位"), "uplink": say("both ways", "下行相同")}
    texts = [
        message_name(parameters.k, parameters.bits),
        downlinks[parameters.downlink],
        {"iid": "", "shards": say("two shards", "两个分片"), "dirichlet": "Dirichlet 0.3"}[parameters.partition],
        "" if exact or rounding == "nearest" else rounding_name(rounding),
        "" if exact or parameters.ranges == "model" else say("range an array", "逐数组范围"),
        "" if parameters.cohort == 10 else say(f"{parameters.cohort} a round", f"每轮 {parameters.cohort} 个"),
        "" if epochs == 1 else say(f"{epochs} local epochs", f"本地 {epochs} 个周期"),
        "" if parameters.error_feedback or (exact and parameters.k == 1) else say("no feedback", "无误差反馈"),
    ]
    return say("; ", "；").join(filter(None, texts))
