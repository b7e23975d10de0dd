"""The compiled TensorFlow functions behind `trainer`: a cohort's local steps, and evaluation.

Small dense models are vectorised over clients: the matrices of all clients are multiplied in one operation a layer.
Models with convolutions or batch normalization gain nothing from that; they are trained client by client, several at
once, in one graph as well, each batch exactly as long as it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .dropout import VectorizedDropout
from .models import Loss, keras, tf

GRAPHS_KEPT = 8
_DENSE = {
    "Activation", "Add", "Average", "Concatenate", "Dense", "Dropout", "ELU", "Flatten", "Functional", "InputLayer",
    "LayerNormalization", "LeakyReLU", "Multiply", "ReLU", "Rescaling", "Reshape", "Sequential", "Softmax",
}  # fmt: skip


class Graphs(NamedTuple):
    """train: see `_build`. evaluate: (weights, images, labels) → number right, sum of losses. n_seeds: of random layers."""

    train: Callable
    evaluate: Callable
    n_seeds: int


def is_seed(variable: keras.Variable) -> bool:
    return variable.path.endswith("seed_generator_state")


def is_vectorized(model: keras.Model) -> bool:
    """Whether a cohort of this model is trained as one batched matrix product a layer (else client by client)."""
    layers = list(model._flatten_layers())
    known = all(type(layer).__name__ in _DENSE and type(layer).__module__.startswith("keras.") for layer in layers)
    return known and not any(isinstance(layer, keras.layers.Dropout) and layer.noise_shape for layer in layers)


def _key(model: keras.Model, loss: Loss, optimizer: keras.optimizers.Optimizer) -> tuple:
    """What decides the graph: the architecture without its names and seeds, loss, optimizer without its learning rate."""

    def plain(node):
        if isinstance(node, dict):
            return {key: plain(value) for key, value in node.items() if key != "seed"}
        return [plain(value) for value in node] if isinstance(node, list) else node

    layers = list(model._flatten_layers())
    numbers = {layer.name: str(number) for number, layer in enumerate(layers)}
    text = json.dumps(plain(json.loads(model.to_json())), sort_keys=True)
    text = re.sub(r'"([^"]*)"', lambda match: f'"{numbers.get(match[1], match[1])}"', text)
    settings = optimizer.get_config() | {"name": ""}
    if isinstance(settings["learning_rate"], float):
        settings["learning_rate"] = None  # a variable: another value needs no other graph
    kinds = tuple((type(layer), layer.trainable) for layer in layers)  # a class defined anew is another class
    if isinstance(loss, keras.losses.Loss):
        loss = json.dumps(keras.saving.serialize_keras_object(loss), sort_keys=True, default=str)
    return text, kinds, loss, type(optimizer), json.dumps(settings, sort_keys=True, default=str)


_kept: dict[tuple, Graphs] = {}


def graphs(model: keras.Model, loss: Loss, optimizer: keras.optimizers.Optimizer) -> Graphs:
    """The compiled functions of a model, a loss and an optimizer. Kept: a second run of the same builds nothing."""
    key = _key(model, loss, optimizer)
    if key not in _kept:
        while len(_kept) >= GRAPHS_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = _build(model, loss, optimizer)
    return _kept[key]


class _Stateless:
    """Put before a Keras optimizer, lets it step inside a StatelessScope. Keras itself does so on its other backends only.

    The variables' own methods, which the scope turns into functions, instead of those that suit tf.distribute.
    """

    variables: list[keras.Variable]  # these four are the optimizer's
    learning_rate: Any
    iterations: keras.Variable
    update_step: Callable

    def assign(self, variable: keras.Variable, value: tf.Tensor) -> None:
        variable.assign(value)

    def assign_add(self, variable: keras.Variable, value: tf.Tensor) -> None:
        variable.assign(variable + value)

    def assign_sub(self, variable: keras.Variable, value: tf.Tensor) -> None:
        variable.assign(variable - value)

    def _var_key(self, variable: keras.Variable) -> int:
        return id(variable)

    def step(
        self, slots: list[tf.Tensor], gradients: list[tf.Tensor], weights: list[tf.Tensor], variables: list[keras.Variable]
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """The weights and slots after one step, from those before it. variables: the model's, which name them."""
        with keras.StatelessScope([*zip(variables, weights, strict=True), *zip(self.variables, slots, strict=True)]) as scope:
            rate = keras.ops.convert_to_tensor(self.learning_rate)
            for gradient, variable in zip(gradients, variables, strict=True):
                self.update_step(gradient, variable, rate)
            self.iterations.assign(self.iterations + 1)
        return [scope.get_current_value(v) for v in variables], [scope.get_current_value(v) for v in self.variables]


def _build(model: keras.Model, loss: Loss, optimizer: keras.optimizers.Optimizer) -> Graphs:
    vectorized = is_vectorized(model)

    def copy(layer):
        if vectorized and isinstance(layer, keras.layers.Dropout):
            return VectorizedDropout(layer.rate, name=layer.name, dtype=layer.dtype_policy)
        twin = layer.__class__.from_config(layer.get_config())
        twin.trainable = layer.trainable
        return twin

    model = keras.models.clone_model(model, clone_function=copy, recursive=True)
    kind: Any = type("Stateless", (_Stateless, type(optimizer)), {})
    optimizer = kind.from_config(optimizer.get_config())
    optimizer.build(model.trainable_variables)
    others = model.non_trainable_variables  # batch normalization's means, frozen weights, seeds of random layers
    seed_places = [place for place, variable in enumerate(others) if is_seed(variable)]
    where = {id(v): (0, place) for place, v in enumerate(model.trainable_variables)}
    where |= {id(v): (1, place) for place, v in enumerate(others)}
    kept = [v for v in model.weights if not is_seed(v)]  # those that model.get_weights() of the original gives
    order = [where[id(v)] for v in kept]
    dtype = model.trainable_variables[0].dtype
    per_sample = loss.call if isinstance(loss, keras.losses.Loss) else loss
    sparse = "sparse" in getattr(loss, "name", getattr(loss, "__name__", ""))

    def losses_of(labels, outputs):
        return per_sample(labels if sparse else tf.one_hot(labels, outputs.shape[-1], dtype=outputs.dtype), outputs)

    def split(arrays, seeds):
        """Arrays in the order of model.weights, and the seeds, as Keras wants them: trainable, and the others."""
        parts = [None] * len(model.trainable_variables), [None] * len(others)
        for (part, place), array in zip(order, arrays, strict=True):
            parts[part][place] = array
        for number, place in enumerate(seed_places):
            parts[1][place] = seeds[number]
        return parts

    def join(*parts):
        return [parts[part][place] for part, place in order]

    def step(trainable, rest, slots, x, y, sample_weights, masks):
        """One step of one client, and the sum of its losses. sample_weights [batch] are 0 for the filling of a batch."""
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            outputs, after, penalties = model.stateless_call(trainable, rest, x, training=True, return_losses=True)
            samples, total = tf.reduce_sum(sample_weights), tf.reduce_sum(losses_of(y, outputs) * sample_weights)
            # A batch of fillings only has weight 0: its gradient is zero, and the client stands still.
            objective = total / tf.maximum(samples, 1.0)
            objective += tf.add_n([tf.zeros([], dtype), *penalties]) * tf.minimum(samples, 1.0)
        gradients = tape.gradient(objective, trainable, unconnected_gradients="zero")
        moved, moved_slots = optimizer.step(slots, gradients, trainable, model.trainable_variables)
        if len(slots) > 2:  # it holds more than a count and the learning rate: momentum would move who stands still
            moved = [tf.where(samples > 0, new, old) for new, old in zip(moved, trainable, strict=True)]
            moved_slots = [tf.where(samples > 0, new, old) for new, old in zip(moved_slots, slots, strict=True)]
        if masks:  # held by multiplying after every step: what was removed starts at zero and stays there
            moved = [weight * mask for weight, mask in zip(moved, masks, strict=True)]
        return moved, after, moved_slots, total

    def all_at_once(weights, own, seeds, slots, images, labels, indices, sample_weights, masks):
        n_clients, steps = tf.shape(indices)[0], tf.shape(indices)[1]

        def one_step(number, trainable, rest, slots, total):
            batch = indices[:, number]  # int32 [n_clients, batch_size]
            arguments = (trainable, rest, slots, tf.gather(images, batch), tf.gather(labels, batch), sample_weights[:, number])
            trainable, rest, slots, losses = tf.vectorized_map(lambda a: step(*[*a, masks]), arguments)
            return number + 1, trainable, rest, slots, total + losses

        def to_each(arrays):
            return [tf.repeat(array[None], n_clients, axis=0) for array in arrays]

        arrays = [own.get(str(place), shared) for place, shared in enumerate(to_each(weights))]
        parts = split(arrays, [seeds[:, layer] for layer in range(len(seed_places))])
        start = (0, *parts, to_each(slots), tf.zeros([n_clients], dtype))
        _, trainable, rest, _, total = tf.while_loop(lambda number, *_: number < steps, one_step, start)
        return join(trainable, rest), total

    def one_by_one(weights, own, seeds, slots, images, labels, indices, sample_weights, masks):
        lengths = tf.math.count_nonzero(sample_weights, axis=2, dtype=tf.int32)  # [n_clients, steps]

        def one_client(arguments):
            indices, lengths, own, seeds = arguments

            def one_step(number, trainable, rest, slots, total):
                batch = indices[number, : lengths[number]]
                x, y = tf.gather(images, batch), tf.gather(labels, batch)
                ones = tf.ones(tf.shape(batch), dtype)
                trainable, rest, slots, losses = step(trainable, rest, slots, x, y, ones, masks)
                return number + 1, trainable, rest, slots, total + losses

            steps = tf.math.count_nonzero(lengths, dtype=tf.int32)
            arrays = [own.get(str(place), shared) for place, shared in enumerate(weights)]
            parts = split(arrays, [seeds[layer] for layer in range(len(seed_places))])
            start = (0, *parts, list(slots), tf.zeros([], dtype))
            _, trainable, rest, _, total = tf.while_loop(lambda number, *_: number < steps, one_step, start)
            return join(trainable, rest), total

        signature = ([tf.TensorSpec(v.shape, v.dtype) for v in kept], tf.TensorSpec([], dtype))
        at_once = os.cpu_count() or 1
        return tf.map_fn(one_client, (indices, lengths, own, seeds), fn_output_signature=signature, parallel_iterations=at_once)

    @tf.function(reduce_retracing=True, autograph=False)
    def train(weights, own, seeds, slots, images, labels, indices, sample_weights, masks):
        """Local training of a cohort; returns its arrays, each [n_clients, …], and its mean losses [n_clients].

        weights: arrays in the order of model.weights. own: by the place in that order, arrays [n_clients, …] with which
        each client begins instead. seeds int64 [n_clients, n_seeds, 2]. slots: the optimizer's variables. indices int32,
        sample_weights float32: [n_clients, steps, batch_size]. masks: in the order of weights, 0 where a trained one is
        held at zero; or an empty list.
        """
        sample_weights = tf.cast(sample_weights, dtype)
        run = all_at_once if vectorized else one_by_one
        masks = split(masks, seeds[0])[0] if masks else []
        arrays, total = run(weights, own, seeds, slots, images, labels, indices, sample_weights, masks)
        return arrays, total / tf.reduce_sum(sample_weights, axis=(1, 2))

    @tf.function(reduce_retracing=True, autograph=False)
    def evaluate(weights, images, labels):
        parts = split(weights, [tf.zeros([2], tf.int64)] * len(seed_places))
        outputs, _ = model.stateless_call(*parts, images, training=False)
        right = tf.reduce_sum(tf.cast(tf.argmax(outputs, 1, tf.int32) == labels, tf.int32))
        return right, tf.reduce_sum(losses_of(labels, outputs))

    return Graphs(train, evaluate, len(seed_places))
