"""Chapter 5 on TensorFlow Federated (document, sections 5.1 and 5.2): its environment, its trainings, what it sends.

Runs on the kernel `fedlab-tff` (`make tff`). TensorFlow and TFF are imported at first use, so that this module can be read
and tested without them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from numpy.typing import ArrayLike

from ..data import DELTA_SHAPES as SHAPES
from ..data.tables import read_results
from ..layout import unflatten
from ..validation import require_held_out, require_integer, require_number
from .ready import NotReady  # noqa: F401  (what fl.tff.require raises)
from .tff_ready import modules, require  # noqa: F401  (a chapter calls fl.tff.require)

if TYPE_CHECKING:
    from ..data import Dataset

COHORT = 10
WORD_BITS, USED_BITS = 32, 28  # of the integers that TFF packs into, and how many it fills
THRESHOLD = 20_000  # tensors with more elements than this are quantized


# The document's model and our data, given to TFF. Everything but the dropout is what `federated.simulate` does.


def model_fn() -> Any:
    """The document's `model_fn`, finished: a new Keras model at every call, its loss, its metric, and what it is fed."""
    tf, tff = modules()
    model = tf.keras.models.Sequential([
        tf.keras.layers.Flatten(input_shape=(28, 28)),
        tf.keras.layers.Dense(128, activation="relu"),
        tf.keras.layers.Dropout(0.2),
        tf.keras.layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    return tff.learning.models.from_keras_model(
        model,
        loss=tf.keras.losses.SparseCategoricalCrossentropy(),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
        input_spec=(tf.TensorSpec([None, 28, 28], tf.float32), tf.TensorSpec([None], tf.int32)),
    )


def initial_weights(seed: int = 0) -> list[np.ndarray]:
    """The weights of `models.document_mlp(seed)` before training, float32 of SHAPES, bit for bit."""
    tf, _ = modules()

    def kernel(shape, layer):
        limit = np.sqrt(6 / sum(shape))  # Glorot and Bengio 2010
        return tf.random.stateless_uniform(shape, [2 * seed + layer, 0], -limit, limit).numpy()

    return [kernel(SHAPES[0], 0), np.zeros(128, np.float32), kernel(SHAPES[2], 1), np.zeros(10, np.float32)]


def cohort(n_clients: int, seed: int, number: int) -> list[int]:
    """The clients of round `number` (from 0), those that `federated.simulate` draws."""
    return np.sort(np.random.default_rng((seed, 0, number)).choice(n_clients, COHORT, replace=False)).tolist()


def batch_order(part: np.ndarray, seed: int, number: int, client: int) -> np.ndarray:
    """The order in which this client goes through its samples in this round, that of `federated.simulate`."""
    return np.random.default_rng((seed, 1, number, client)).permutation(part)


def round_data(data: Dataset, clients: Sequence[np.ndarray], seed: int, number: int, batch_size: int = 10) -> list:
    """A `tf.data.Dataset` for each client of the round: batches of images float32 [10, 28, 28] and labels int32 [10]."""
    tf, _ = modules()
    orders = [batch_order(clients[client], seed, number, client) for client in cohort(len(clients), seed, number)]
    return [tf.data.Dataset.from_tensor_slices((data.x_train[o], data.y_train[o])).batch(batch_size) for o in orders]


def accuracy(weights: Sequence[np.ndarray], data: Dataset) -> float:
    """The fraction of the test set that the document's model with these weights gets right."""
    hidden = np.maximum(data.x_test.reshape(-1, 784) @ weights[0] + weights[1], 0)
    return float(np.mean(np.argmax(hidden @ weights[2] + weights[3], axis=1) == data.y_test))


@dataclass
class Training:
    """One entry a round. accuracy: on the test set; validation_accuracy: on the samples held out of the training set, if any;
    seconds: wall clock of `next`, evaluation apart."""

    accuracy: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list, repr=False)


def quantized(bits: int, stochastic: bool = True) -> Any:
    """The mean of quantized updates: `EncodedSumFactory.quantize_above_threshold` inside a `MeanFactory`. bits: 1 … 16."""
    _, tff = modules()
    bits = require_integer("bits", bits, 1, 16)
    coded = tff.aggregators.EncodedSumFactory.quantize_above_threshold(bits, THRESHOLD, stochastic=stochastic)
    return tff.aggregators.MeanFactory(coded)


def train(
    aggregator: Any,
    data: Dataset,
    clients: Sequence[np.ndarray],
    rounds: int = 10,
    seed: int = 0,
    learning_rate: float = 0.1,
    validation: ArrayLike | None = None,
    on_round: Callable[[Training], bool | None] = lambda training: None,
) -> Training:
    """Federated averaging by TFF, from the weights and with the clients and batches of `federated.simulate` of this seed.

    aggregator: a weighted TFF aggregation factory; None is the mean of float32 updates. validation: int [n], indices into the
    training set of samples that no client has, as for `federated.simulate`. on_round(training) is called after each round,
    and stops by returning False.
    """
    _, tff = modules()
    rounds = require_integer("rounds", rounds, 1)
    learning_rate = require_number("learning_rate", learning_rate, 0)
    held_out = None
    if validation is not None:
        validation = require_held_out("validation", validation, clients, len(data.y_train))
        held_out = data._replace(x_test=data.x_train[validation], y_test=data.y_train[validation])
    sgd = tff.learning.optimizers.build_sgdm
    process = tff.learning.algorithms.build_weighted_fed_avg(model_fn, sgd(learning_rate), sgd(1.0), model_aggregator=aggregator)
    start = tff.learning.models.ModelWeights(initial_weights(seed), [])
    state, training = process.set_model_weights(process.initialize(), start), Training()
    for number in range(rounds):
        work = round_data(data, clients, seed, number)
        before = time.perf_counter()
        state = process.next(state, work).state
        training.seconds.append(time.perf_counter() - before)
        training.weights = list(process.get_model_weights(state).trainable)
        training.accuracy.append(accuracy(training.weights, data))
        if held_out is not None:
            training.validation_accuracy.append(accuracy(training.weights, held_out))
        if on_round(training) is False:
            break
    return training


# What is sent


def split(delta: np.ndarray) -> list[np.ndarray]:
    """A flat delta, float32 [101770], as the arrays of the model."""
    return unflatten(delta, SHAPES)


def sent_tensors(aggregator: Any, delta: np.ndarray) -> dict[str, np.ndarray]:
    """The tensors that one client hands to the sums inside `aggregator` for this delta, computed by TFF, by name.

    delta: float32 [101770]. The client's weight in the mean travels along: a zero stands for it.
    TypeError for an aggregator that is no weighted TFF aggregation factory.
    """
    _, tff = modules()
    if not isinstance(aggregator, tff.aggregators.WeightedAggregationFactory):
        raise TypeError(f"aggregator must be a weighted TFF aggregation factory, got {type(aggregator).__name__}")
    model_type = tff.types.to_type([tff.TensorType(np.float32, shape) for shape in SHAPES])
    sums = []  # every sum that the aggregator is made of, and what it adds up

    def spy(kind):
        create = kind.create

        def noting(self, value_type):
            sums.append((self, value_type))
            return create(self, value_type)

        return mock.patch.object(kind, "create", noting)

    encoded, plain = tff.aggregators.EncodedSumFactory, tff.aggregators.SumFactory
    with spy(encoded), spy(plain):
        aggregator.create(model_type, tff.TensorType(np.float32))
    found: dict[str, np.ndarray] = {}
    for number, (kind, value_type) in enumerate(sums):
        if isinstance(kind, encoded):
            found |= {f"{number}/{name}": array for name, array in _encode(kind, value_type, split(delta)).items()}
        elif value_type.is_equivalent_to(model_type):
            found |= {f"{number}/weights {place}": array for place, array in enumerate(split(delta))}
        else:
            found[f"{number}/scalar"] = np.zeros(value_type.shape, value_type.dtype.type)
    return found


def _encode(kind: Any, model_type: Any, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """What the encoders of an EncodedSumFactory make of a client's arrays, on TFF's own runtime, placed at a client."""
    _, tff = modules()
    # Private, and the only way to an encoder: 0.87.0 is the last TFF that has any, so that it cannot change under us.
    encoders = kind._encoders_for_value_type(model_type)

    @tff.tensorflow.computation(model_type)
    def encode(values):
        return [e.encode(value, e.get_params(e.initial_state())[0])[0] for e, value in zip(encoders, values, strict=True)]

    @tff.federated_computation(tff.FederatedType(model_type, tff.CLIENTS))
    def at_clients(values):
        return tff.federated_map(encode, values)

    (client,) = at_clients([arrays])
    return {
        f"{place} {name.split('/')[-1]}": np.asarray(array)
        for place, tensors in enumerate(client)
        for name, array in _leaves(tensors)
    }


def _leaves(tensors: dict[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tensors.items():
        yield from _leaves(value, key) if isinstance(value, dict) else [(key, value)]


def n_bytes(tensors: dict[str, np.ndarray]) -> int:
    """The bytes of these tensors."""
    return sum(array.nbytes for array in tensors.values())


def formula_bytes(bits: int) -> int:
    """Bytes of a quantized update by arithmetic: ⌈n b/28⌉ int32 for a tensor of n weights, float32 below the threshold.

    The range (8 bytes) and the client's weight (4 bytes) that travel along are not in it.
    """
    bits = require_integer("bits", bits, 1, 16)
    elements = [int(np.prod(shape)) for shape in SHAPES]
    words = [-(-n * bits // USED_BITS) if n > THRESHOLD else n for n in elements]
    return sum(words) * WORD_BITS // 8


def load_table(name: str) -> list[dict[str, Any]]:
    """The rows of data/results/NAME.csv, as `read_results` gives them: one a setting, a seed and a round."""
    return read_results(name, text="setting")


def curves(rows: list[dict], setting: str) -> np.ndarray:
    """The accuracies of one setting of a table: float64 [seeds, rounds]."""
    seeds = sorted({row["seed"] for row in rows})
    return np.array([[row["accuracy"] for row in rows if (row["setting"], row["seed"]) == (setting, s)] for s in seeds])
