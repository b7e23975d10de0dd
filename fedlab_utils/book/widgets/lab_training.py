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
from ...federation.parties import answers, select
from ...federation.simulate import simulate
from ...language import message_name, percent, percent_sign, say
from ...measuring.names import codec_named
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
FIRST_MODELS = ("dense", "8 bits", "seed")
RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
MOMENTA = (0.0, 0.5, 0.7, 0.9)
NO_ANSWERS = (0.0, 0.1, 0.3, 0.5)


class LabParameters(NamedTuple):
    """One position of all controls. cohort: clients a round, of n_clients. bits: 32 means float32.

    k: fraction kept, 1.0 means all. downlink "uplink": as the uplink.
    error_feedback: kept for every lossy direction, also where it does harm: section 5.2 asks to see that.
    codec: the uplink's as a text, see `codec_named`; then k, bits, rounding and ranges say nothing. first_model "8 bits": coded
    by Quantize(8). learning_rate, server_momentum, no_answer: as `simulate` has them.
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
    codec: str = ""
    first_model: str = "dense"
    learning_rate: float = 0.1
    server_momentum: float = 0.0
    no_answer: float = 0.0


ASKED = LabParameters(k=0.01)  # what the lab's question is about


class Run(NamedTuple):
    """What one training has given so far: float [seeds so far][rounds so far], megabytes added up.

    first_mb: the part of total_mb that brought clients their first model; nan where that was not noted.
    """

    parameters: LabParameters
    accuracy: list[list[float]]
    uplink_mb: list[list[float]]
    total_mb: list[list[float]]
    first_mb: list[list[float]]


def no_run(parameters: LabParameters) -> Run:
    """A run before its first round."""
    return Run(parameters, [], [], [], [])


def codec_of(parameters: LabParameters) -> Codec:
    if parameters.codec:
        return codec_named(parameters.codec)
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
    first_model = Quantize(8) if parameters.first_model == "8 bits" else parameters.first_model
    run = no_run(parameters)
    stopped = False
    for seed in range(parameters.seeds):
        for series in run[1:]:
            series.append([])

        def note(history):
            nonlocal stopped
            run.accuracy[-1].append(history.accuracy[-1])
            run.uplink_mb[-1].append(sum(history.uplink_bytes) / 1e6)
            run.total_mb[-1].append(int(history.total_bytes()[-1]) / 1e6)
            run.first_mb[-1].append(sum(history.first_model_bytes) / 1e6)
            stopped = on_round(Run(parameters, *([list(of_seed) for of_seed in series] for series in run[1:]))) is False
            return not stopped

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* error feedback makes its error grow")  # the picture shows it
            simulate(
                document_mlp(seed=seed), load_mnist(), clients_of(parameters.partition, parameters.n_clients),
                rounds=parameters.rounds, local_epochs=parameters.local_epochs, clients_per_round=parameters.cohort,
                uplink=codec_of(parameters), downlink=downlink_of(parameters), error_feedback=parameters.error_feedback,
                first_model=first_model, learning_rate=parameters.learning_rate, no_answer=parameters.no_answer,
                server_momentum=parameters.server_momentum, compile=True, seed=seed, on_round=note,
            )  # fmt: skip
        if stopped:
            break
    return run


@lru_cache(maxsize=1024)
def _answered(n_clients: int, cohort: int, no_answer: float, seed: int, number: int) -> int:
    """How many clients of round `number` (from 0) answer, as `simulate` draws them."""
    return sum(answers(seed, number, client, no_answer) for client in select(n_clients, cohort, seed, number))


def messages_up(parameters: LabParameters, rounds: int, seed: int = 0) -> int:
    """How many messages have come up in so many rounds of the training with this seed: without drop-outs one a client drawn."""
    p = parameters
    if not p.no_answer:
        return rounds * p.cohort
    return sum(_answered(p.n_clients, p.cohort, p.no_answer, seed, number) for number in range(rounds))


def lab_run(parameters: LabParameters, histories: list[History]) -> Run:
    """The run that `train_lab` would have returned for trainings of these parameters, one a seed, that are known already."""
    nothing = np.nan * np.zeros(len(histories[0].accuracy))
    series = [
        (history.accuracy, *((bytes_sent / 1e6).tolist() for bytes_sent in (
            np.cumsum(history.uplink_bytes), history.total_bytes(), np.cumsum(history.first_model_bytes or nothing))))
        for history in histories
    ]  # fmt: skip
    return Run(parameters._replace(seeds=len(histories)), *map(list, zip(*series, strict=True)))


def describe(parameters: LabParameters) -> str:
    """The setting in short: the message, and what else differs from the start and matters for it."""
    said = parameters.codec or message_name(parameters.k, parameters.bits)
    return say("; ", "；").join(filter(None, (said, *different(parameters))))


def message(parameters: LabParameters) -> list[str]:
    """The message of `describe` by its stages, a text each; all are told, whether they differ from the start or not."""
    if parameters.codec:
        return [stage.strip() for stage in parameters.codec.split("|")]
    share = f"{100 * parameters.k:g}{percent_sign()}"
    kept = say("all weights", "全部权重") if parameters.k == 1 else say(f"top {share}", f"最大 {share}")
    return [kept, message_name(1.0, parameters.bits)]


def different(parameters: LabParameters) -> list[str]:
    """What differs from the start beside the message, and matters for it, a text each; "" for what does not."""
    p, start = parameters, LabParameters()
    plain = p.bits == 32 or bool(p.codec)  # there is no rounding, or the codec's text names it
    downlinks = {"float32": "", "8 bits": say("downlink 8 bits", "下行 8 位"), "uplink": say("both ways", "下行相同")}
    cohort = say(f"{p.cohort} of {p.n_clients} clients", f"每轮 {p.n_clients} 抽 {p.cohort}")
    return [
        downlinks[p.downlink],
        {"iid": "", "shards": say("two shards", "两个分片"), "dirichlet": "Dirichlet 0.3"}[p.partition],
        "" if plain or p.rounding == start.rounding else rounding_name(p.rounding),
        "" if plain or p.ranges == start.ranges else say("range an array", "逐数组范围"),
        "" if (p.n_clients, p.cohort) == (start.n_clients, start.cohort) else cohort,
        "" if p.local_epochs == 1 else say(f"{p.local_epochs} local epochs", f"本地 {p.local_epochs} 个周期"),
        "" if p.error_feedback or codec_of(p).lossless else say("no feedback", "无误差反馈"),
        *further(p),
    ]


def further(parameters: LabParameters) -> list[str]:
    """What differs from the start of those that only the lab with every knob has."""
    p, start = parameters, LabParameters()
    return [
        {"dense": "", "8 bits": say("first model 8 bits", "初始模型 8 位"), "seed": say("first model: seed", "初始模型：种子")}[
            p.first_model
        ],
        "" if p.learning_rate == start.learning_rate else say(f"rate {p.learning_rate:g}", f"学习率 {p.learning_rate:g}"),
        "" if not p.server_momentum else say(f"momentum {p.server_momentum:g}", f"动量 {p.server_momentum:g}"),
        "" if not p.no_answer else say(f"{percent(p.no_answer)} silent", f"{percent(p.no_answer)} 掉线"),
    ]
