"""Local training of a cohort: what a model, a loss and an optimizer need to be trained by `engine`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..language import say
from ..layout import flatten, n_weights, unflatten
from ..validation import require_choice, require_mask
from . import convolution, losses
from .arrays import Arrays, kept_shape, require_dataset, tensor
from .checks import require_model, require_optimizer, require_samples
from .engine import graphs
from .grouping import CORE_THREADS, CORES, filled, groups, rounded_up
from .identity import is_seed, nothing_drawn
from .keras_private import flatten_layers, mask_of
from .models import keras, tf

STATES = ("average", "local")
# Weights, gradients, optimizer's variables and temporaries of the clients that are trained at once; outputs of all layers of
# the samples that are evaluated at once.
CHUNK_BYTES, EVALUATION_BYTES = 2**27, 2**25
EVALUATION_BATCH = 2500  # samples, at the most
SAMPLES = 8  # on which a model is tried before it is trained


def _activation(model):
    return getattr(model.layers[-1], "activation", None) if model.layers else None


def _sample_bytes(model) -> int:
    """About how many bytes the outputs of all layers take for one sample."""
    values = 0
    for layer in [model, *flatten_layers(model)]:
        try:
            shapes = [tuple(t.shape) for t in keras.tree.flatten(layer.output)]
        except (AttributeError, ValueError):  # inside a wrapper, or called more than once
            continue
        values += sum(math.prod(size or 1 for size in shape[1:]) for shape in shapes)
    return 4 * max(values, 1)


class Learner:
    """Trains cohorts of one model. It holds no weights and no data: they come and go with each call.

    x, y: arrays of samples like those that it will be given (some suffice). loss: see `losses.Loss`. optimizer: a Keras
    optimizer, begun anew for every client and call. state: what becomes of weights that no gradient trains and training
    changes, such as the running mean and variance of batch normalization: "average", they travel exactly and are averaged;
    "local", each client keeps its own. mask: arrays of 0 and 1 in the shapes of model.get_weights(); where it is 0 a trained
    weight is held at zero and does not travel. together: whether a cohort may be trained in one batched product a layer.
    TypeError or ValueError for a model, an optimizer or a mask that cannot be trained with, naming what is wrong.

    shared, averaged, own, frozen: the places in model.get_weights() of the arrays that gradients train, of the state that is
    averaged, of the state that each client keeps, and of those that nobody changes.
    sent_shapes: of the arrays that `gather` lays one after the other; with a mask only what it keeps of each, see `kept_shape`.
    state_shapes: of those that `gather_state` does. compiles: whether XLA suits the model. work: about how many multiplications
    a step takes for a sample.
    """

    def __init__(self, model: keras.Model, x: np.ndarray, y: np.ndarray, optimizer: keras.optimizers.Optimizer, loss: losses.Loss,
                 state: str = "average", mask: Arrays | None = None, together: bool = True):  # fmt: skip
        require_model(model)
        require_choice("state", state, STATES)
        require_optimizer(optimizer)
        self._graphs = graphs(model, loss, optimizer, x, y, together)
        self.n_seeds, kinds = self._graphs.n_seeds, self._graphs.kinds
        self.compiles = self._graphs.compiled is not None
        weights = [v for v in model.weights if not is_seed(v)]
        for v, kind in zip(weights, kinds, strict=True):
            if kind == "state" and not str(v.dtype).startswith("float"):
                raise ValueError(say(f"{v.path} is {v.dtype} and changes in training: only floating point can be averaged",
                                     f"{v.path} 的类型是 {v.dtype}，训练中会变：只有浮点数才能取平均"))  # fmt: skip
        places = {kind: [p for p, of in enumerate(kinds) if of == kind] for kind in ("trained", "state", "frozen")}
        self.shared, self.frozen = places["trained"], places["frozen"]
        self.averaged = places["state"] if state == "average" else []
        self.own = places["state"] if state == "local" else []
        self._state = places["state"]
        self._shapes = [tuple(weights[place].shape) for place in self.shared]
        self.state_shapes = [tuple(weights[place].shape) for place in self.averaged]
        self._masks, self._kept = [], None
        self.sent_shapes: list[tuple[int, ...]] = self._shapes
        if mask is not None:
            mask = require_mask("mask", mask, weights)
            for place, kind in enumerate(kinds):
                if kind != "trained" and not mask[place].all():
                    raise ValueError(say(
                        f"mask removes entries of weights[{place}], which no gradient trains: leave it all ones",
                        f"mask 去掉了 weights[{place}] 的一部分，而它不由梯度训练：这里请全部填 1"))  # fmt: skip
            self._masks = [tf.constant(part, v.dtype) for part, v in zip(mask, weights, strict=True)]
            self._kept = np.flatnonzero(np.concatenate([np.ravel(mask[place]) for place in self.shared]))
            if not self._kept.size:
                raise ValueError(say("mask removes every weight: nothing is left to train", "mask 去掉了所有权重，没有可训练的"))
            self.sent_shapes = [kept_shape(mask[place]) for place in self.shared]
        self.work = n_weights(self.sent_shapes) + convolution.multiplications(model)
        with nothing_drawn():
            fresh = type(optimizer).from_config(optimizer.get_config())
            fresh.build(model.trainable_variables)
        self._slots = [v.numpy() for v in fresh.variables]
        rate = fresh.learning_rate
        self._rate = float(rate.numpy()) if isinstance(rate, keras.Variable) else 0.0  # of a schedule the engine asks itself
        values = math.prod([sum(math.prod(v.shape) for v in weights), 3 + len(self._slots) // len(self.shared)])
        self.chunk = max(1, CHUNK_BYTES // (4 * values))  # clients
        self.batch = min(EVALUATION_BATCH, max(1, EVALUATION_BYTES // _sample_bytes(model)))  # samples evaluated at once

    def train_on(
        self, x: Any, y: Any, weights: Arrays, indices: np.ndarray, sample_weights: np.ndarray, seeds: np.ndarray,
        own: dict[int, np.ndarray] | None = None, rates: np.ndarray | None = None, compiled: bool = False,
    ) -> tuple[list[np.ndarray], np.ndarray]:  # fmt: skip
        """Local training of every client of a cohort, from the same weights.

        x, y: tensors of samples. weights: as model.get_weights(). indices int32, sample_weights float32: [n_clients, steps,
        batch_size], see `plan_batches`. seeds: int64 [n_clients, n_seeds, 2], for the random layers. own: by place, arrays
        [n_clients, …] that the clients kept. rates: float32 [steps], by default the optimizer's learning rate. compiled: by
        XLA, which the model must suit (`compiles`). Returns the arrays of all clients after their last step, each
        [n_clients, …] in the order of `weights`, and the mean loss of each client's samples, [n_clients].
        """
        n_clients, steps, _ = indices.shape
        rates = np.full(steps, self._rate, np.float32) if rates is None else np.asarray(rates, np.float32)
        graph = self._graphs.compiled if compiled else self._graphs.train
        if graph is None:
            raise ValueError(say("XLA does not suit this model, whose clients are trained one by one: compiled=False",
                                 "XLA 不适合这个模型，它的客户端要一个一个地训练：请用 compiled=False"))  # fmt: skip

        own = own or {}
        # One core for each group; a batched product without XLA has all cores as it is.
        n_groups = CORES if compiled or not self._graphs.together else 1
        if compiled:  # few shapes: XLA makes a program for each
            each, longest = rounded_up(-(-n_clients // n_groups), 3), rounded_up(steps, 1)
            n_groups = -(-n_clients // each)
            count = n_groups * each
            indices, sample_weights = filled(indices, count, longest), filled(sample_weights, count, longest)
            seeds, own = filled(seeds, count), {place: filled(array, count) for place, array in own.items()}
            rates = filled(rates, longest)

        def train(group: slice) -> tuple[list[np.ndarray], np.ndarray]:
            kept = {str(place): array[group] for place, array in own.items()}
            changed, losses_ = graph(list(weights), kept, seeds[group], self._slots, x, y, indices[group], sample_weights[group],
                                     np.int32(steps), self._masks, rates)  # fmt: skip
            return [array.numpy() for array in changed], losses_.numpy()

        dealt = groups(len(indices), n_groups)
        trained = list(CORE_THREADS.map(train, dealt)) if len(dealt) > 1 else [train(dealt[0])]
        arrays = [np.broadcast_to(array, (n_clients, *np.shape(array))) for array in weights]
        for place, changed in zip(self.shared + self._state, zip(*(arrays for arrays, _ in trained), strict=True), strict=True):
            arrays[place] = np.concatenate(changed)[:n_clients]
        return arrays, np.concatenate([losses_ for _, losses_ in trained])[:n_clients]

    def gather(self, weights: Arrays) -> np.ndarray:
        """What travels of a model through codecs: its trained arrays, or of these what the mask keeps, float32 [n_weights]."""
        vector = flatten([weights[place] for place in self.shared])
        return vector if self._kept is None else vector[self._kept]

    def scatter(self, vector: np.ndarray) -> list[np.ndarray]:
        """The inverse of `gather`: the trained arrays, zero where the mask removes."""
        if self._kept is not None:
            full = np.zeros(n_weights(self._shapes), np.float32)
            full[self._kept] = vector
            vector = full
        return unflatten(vector, self._shapes)

    def gather_state(self, arrays: Arrays) -> np.ndarray:
        """What travels exactly, since it is no direction to move along: the averaged state, float32 [n_values]."""
        return flatten([arrays[place] for place in self.averaged])

    def scatter_state(self, vector: np.ndarray) -> list[np.ndarray]:
        """The inverse of `gather_state`."""
        return unflatten(vector, self.state_shapes)

    def deltas(self, trained: Arrays, weights: Arrays) -> np.ndarray:
        """What each client has moved of all that `gather` gives: float32 [n_clients, n_weights]."""
        ends = np.cumsum([0, *(math.prod(shape) for shape in self._shapes)])
        result = np.empty((len(trained[0]), ends[-1]), np.float32)
        for place, start, end in zip(self.shared, ends, ends[1:], strict=False):
            moved = trained[place].reshape(len(result), -1)
            np.subtract(moved, np.ravel(weights[place]), out=result[:, start:end], casting="same_kind")
        return result if self._kept is None else result[:, self._kept]

    def evaluate_on(self, x: Any, y: Any, weights: Arrays) -> tuple[float, float]:
        """On samples x, y (tensors): the fraction that a model with these weights gets right, and its mean loss."""
        right, total = 0.0, 0.0
        for start in range(0, len(y), self.batch):
            batch = slice(start, start + self.batch)
            of_batch = self._graphs.evaluate(list(weights), x[batch], y[batch])
            right, total = right + float(of_batch[0]), total + float(of_batch[1])
        return right / len(y), total / len(y)

    def outputs(self, weights: Arrays, x: Any) -> np.ndarray:
        """What a model with these weights gives for samples x (a tensor): float [n, …]."""
        starts = range(0, len(x), self.batch)
        return np.concatenate([self._graphs.outputs(list(weights), x[start : start + self.batch]).numpy() for start in starts])


class Trainer(Learner):
    """A `Learner` with its data: `train` draws on the training set, `evaluate` on the test set.

    data: a Dataset, see `load_mnist`. loss: a Keras loss, its name or a function; one that does not want integers is given
    one-hot labels. train_set: its training samples as tensors x, y.
    Other arguments as for `Learner`. TypeError or ValueError for data that cannot be trained with, too.
    """

    def __init__(self, model: keras.Model, data: Any, optimizer: keras.optimizers.Optimizer,
                 loss: Any = "sparse_categorical_crossentropy", state: str = "average", mask: Arrays | None = None):  # fmt: skip
        require_model(model)
        x_train, y_train, x_test, y_test = require_dataset(data)
        loss = losses.get(loss)
        require_samples(model, x_train.shape[1:])
        outputs = model(x_test[:SAMPLES], training=False)
        times = y_train.shape[1:]
        if times and mask_of(outputs) is not None:
            raise ValueError(say("model masks time steps of its output, which is not supported: leave mask_zero or Masking out",
                                 "model 会遮掉输出中的一些时间步，这里不支持：请去掉 mask_zero 或 Masking"))  # fmt: skip
        classes = int(max(y_train.max(), y_test.max())) + 1
        losses.check_outputs(np.asarray(outputs), loss, classes, len(x_test[:SAMPLES]), _activation(model), times)
        super().__init__(model, x_train, y_train, optimizer, loss, state, mask)
        self.n_samples = len(x_train)
        self.train_set, self._test_set = (tensor(x_train), tensor(y_train)), (tensor(x_test), tensor(y_test))

    def train(
        self, weights: Arrays, indices: np.ndarray, sample_weights: np.ndarray, seeds: np.ndarray,
        own: dict[int, np.ndarray] | None = None, compiled: bool = False,
    ) -> tuple[list[np.ndarray], np.ndarray]:  # fmt: skip
        """`train_on` the training set."""
        return self.train_on(*self.train_set, weights, indices, sample_weights, seeds, own, compiled=compiled)

    def training_samples(self, indices: np.ndarray) -> tuple[Any, Any]:
        """Some samples of the training set, as `evaluate` takes them: tensors x, y."""
        x, y = (tf.gather(part, indices) for part in self.train_set)
        return x, y

    def evaluate(self, weights: Arrays, samples: tuple[Any, Any] | None = None) -> tuple[float, float]:
        """`evaluate_on` the test set, or on these samples."""
        return self.evaluate_on(*(samples or self._test_set), weights)
