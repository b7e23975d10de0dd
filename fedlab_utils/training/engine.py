"""The compiled TensorFlow functions behind `trainer`: a cohort's local steps, and evaluation.

Small dense models are vectorised over clients: the matrices of all clients are multiplied in one operation a layer, and XLA
can compile that. Small convolutional models are vectorised where XLA compiles them, and nowhere else (`convolution`). Recurrent
layers and batch normalization gain nothing from either, and what is not wholly Keras's own cannot be known to suit it; they are
trained client by client, each batch exactly as long as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..language import say
from . import convolution, identity
from .dropout import VectorizedDropout
from .identity import is_seed, nothing_drawn
from .keras_private import flatten_layers, stateless
from .losses import Loss
from .models import keras, tf

GRAPHS_KEPT = 8
_DENSE = {
    "Activation", "Add", "Average", "Concatenate", "Dense", "Dropout", "ELU", "Flatten", "Functional", "InputLayer",
    "LayerNormalization", "LeakyReLU", "Multiply", "ReLU", "Rescaling", "Reshape", "Sequential", "Softmax",
}  # fmt: skip


class Graphs(NamedTuple):
    """train, evaluate, outputs: see `_build`. together: whether `train` takes all clients at once, else one by one. compiled:
    `train` by XLA, all clients at once and the same to float noise; None where XLA does not suit the model. n_seeds: of random
    layers. kinds: of each array of model.get_weights(), whether gradients train it ("trained"), training changes it otherwise
    ("state"), or nobody does ("frozen")."""

    train: Callable
    together: bool
    compiled: Callable | None
    evaluate: Callable
    outputs: Callable
    n_seeds: int
    kinds: list[str]


def is_vectorized(model: keras.Model) -> bool:
    """Whether a cohort of this model is trained as one batched matrix product a layer (else client by client)."""
    return _vectorizes(model, lambda layer: False)


def is_stacked(model: keras.Model) -> bool:
    """Whether a cohort of this convolutional model is trained as one batched product a layer where XLA compiles it."""
    small = 0 < convolution.multiplications(model) <= convolution.MOST
    return small and _vectorizes(model, lambda layer: convolution.stacked(layer) is not None)


def _vectorizes(model: keras.Model, also: Callable[[keras.layers.Layer], bool]) -> bool:
    layers = flatten_layers(model)
    known = all(
        (type(layer).__name__ in _DENSE and type(layer).__module__.startswith("keras.")) or also(layer) for layer in layers
    )
    operations = all(isinstance(operation, keras.layers.Layer) for operation in getattr(model, "operations", ()))
    noise = any(isinstance(layer, keras.layers.Dropout) and layer.noise_shape for layer in layers)
    # A penalty on activations would count the filling of a short batch; one by one there is none.
    penalty = any(layer.activity_regularizer is not None for layer in layers)
    return known and operations and not noise and not penalty


_kept: dict[tuple, Graphs] = {}
_one_at_a_time = threading.RLock()  # apps train in threads of their own: two of them build a graph once


@nothing_drawn()
def graphs(
    model: keras.Model, loss: Loss, optimizer: keras.optimizers.Optimizer, x: np.ndarray, y: np.ndarray, together: bool = True
) -> Graphs:
    """The compiled functions of a model, a loss and an optimizer, for inputs like x and labels like y (arrays of samples).

    together: whether a cohort may be vectorised. What Keras can describe is kept: a second run of the same builds nothing.
    """
    described = identity.describe_model(model)
    together = together and described is not None
    vectorized, stacked = together and is_vectorized(model), together and is_stacked(model)

    def copy(layer):
        if (vectorized or stacked) and isinstance(layer, keras.layers.Dropout):
            return VectorizedDropout(layer.rate, name=layer.name, dtype=layer.dtype_policy)
        return None

    def stack(layer):
        return copy(layer) or convolution.stacked(layer)

    loss_key = identity.describe(loss.given)
    rate = () if isinstance(optimizer.get_config().get("learning_rate"), dict) else ("learning_rate",)  # else it is a variable
    optimizer_key = identity.describe(optimizer, leave_out=rate)
    shapes = (x.shape[1:], str(x.dtype), y.shape[1:], str(y.dtype))
    key = (described, loss_key, optimizer_key, shapes, vectorized, stacked)
    with _one_at_a_time:
        if None not in key[:3] and key in _kept:
            return _kept[key]
        own = identity.twin(model, copy) if described is not None else None
        if own is None:  # the reader's very model is traced
            return _build(model, loss, optimizer, x, y, vectorized=False)
        built = _build(own, loss, optimizer, x, y, vectorized)
        if stacked and (for_all := identity.twin(model, stack)) is not None:
            built = built._replace(compiled=_build(for_all, loss, optimizer, x, y, vectorized=True).compiled)
        if None not in key[:3]:
            while len(_kept) >= GRAPHS_KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = built
        return built


def _moving(model, others, x) -> set[int]:
    """The ids of the variables that no gradient trains and one step of training changes all the same.

    ValueError where it changes trained ones too (SpectralNormalization does): that change would be lost.
    """
    variables = [*model.trainable_variables, *others]
    before = [tf.convert_to_tensor(v.value) for v in variables]
    with keras.StatelessScope(state_mapping=list(zip(variables, before, strict=True))) as scope:
        model(x[:2], training=True)
        moved = [v for v, old in zip(variables, before, strict=True) if scope.get_current_value(v) is not old]
    if trained := [v.path for v in moved if any(v is one for one in model.trainable_variables)]:
        raise ValueError(say(f"{trained[0]} is trained by gradients and set by its layer as well, which is not supported here",
                             f"{trained[0]} 既由梯度训练，又由它的层改写，这里不支持"))  # fmt: skip
    return {id(v) for v in moved}


def _build(model, loss: Loss, optimizer, x, y, vectorized: bool) -> Graphs:
    trained, others = model.trainable_variables, model.non_trainable_variables
    optimizer = stateless(optimizer, trained)
    scheduled = isinstance(optimizer.get_config().get("learning_rate"), dict)
    seed_ids = [id(v) for v in others if is_seed(v)]
    moving = _moving(model, others, x) - set(seed_ids)
    variables = [v for v in model.weights if not is_seed(v)]  # those that model.get_weights() of the original gives
    trained_ids = {id(v) for v in trained}
    kinds = ["trained" if id(v) in trained_ids else "state" if id(v) in moving else "frozen" for v in variables]
    places = {kind: [place for place, of in enumerate(kinds) if of == kind] for kind in ("trained", "state", "frozen")}
    where = {id(variables[place]): number for number, place in enumerate(places["trained"])}
    order = [where[id(v)] for v in trained]  # Keras's order of trainable variables among those of model.weights
    elsewhere = {id(v): v.numpy() for v in others if id(v) not in {*map(id, variables), *seed_ids}}  # counters of metrics
    dtype = trained[0].dtype
    constraints = [v.constraint for v in trained]

    def non_trainable(state, frozen, seeds):
        """The tensors of model.non_trainable_variables, in its order."""
        found = dict(zip((id(variables[p]) for p in places["state"]), state, strict=True))
        found |= dict(zip((id(variables[p]) for p in places["frozen"]), frozen, strict=True))
        found |= dict(zip(seed_ids, seeds, strict=True)) | elsewhere
        return [found[id(v)] for v in others]

    def split(arrays):
        """Arrays in the order of model.weights as trained (in Keras's order), state, frozen."""
        own = [arrays[place] for place in places["trained"]]
        return [own[number] for number in order], [arrays[p] for p in places["state"]], [arrays[p] for p in places["frozen"]]

    def changed(weights, state):
        """What training changes, in the order of model.weights: the trained arrays, then the state."""
        at = dict(zip(order, weights, strict=True))
        return [at[number] for number in range(len(order))] + state

    def step(weights, state, frozen, seeds, slots, x, y, sample_weights, masks, rate):
        """One step of one client, and the sum of its losses. sample_weights [batch] are 0 for the filling of a batch."""
        with tf.GradientTape() as tape:
            tape.watch(weights)
            rest = non_trainable(state, frozen, seeds)
            outputs, after, penalties = model.stateless_call(weights, rest, x, training=True, return_losses=True)
            samples, total = tf.reduce_sum(sample_weights), tf.reduce_sum(loss.per_sample(y, outputs) * sample_weights)
            # A batch of fillings only has weight 0: its gradient is zero, and the client stands still.
            objective = total / tf.maximum(samples, 1.0)
            objective += tf.add_n([tf.zeros([], dtype), *penalties]) * tf.minimum(samples, 1.0)
        gradients = tape.gradient(objective, weights, unconnected_gradients="zero")
        moved, moved_slots = optimizer.step(slots, gradients, weights, trained, None if scheduled else rate)
        moved = [w if hold is None else hold(w) for w, hold in zip(moved, constraints, strict=True)]
        if len(slots) > 2 or any(constraints):  # momentum, or a constraint, would move who stands still
            moved = [tf.where(samples > 0, new, old) for new, old in zip(moved, weights, strict=True)]
            moved_slots = [tf.where(samples > 0, new, old) for new, old in zip(moved_slots, slots, strict=True)]
        if masks:  # held by multiplying after every step: what was removed starts at zero and stays there
            moved = [weight * mask for weight, mask in zip(moved, masks, strict=True)]
        after = dict(zip(map(id, others), after, strict=True))
        return moved, [after[id(variables[p])] for p in places["state"]], [after[i] for i in seed_ids], moved_slots, total

    def all_at_once(weights, own, seeds, slots, images, labels, indices, sample_weights, steps, masks, rates):
        n_clients = tf.shape(indices)[0]

        def one_step(number, weights, state, seeds, slots, total):
            batch = indices[:, number]  # int32 [n_clients, batch_size]
            samples, rate = (tf.gather(images, batch), tf.gather(labels, batch), sample_weights[:, number]), rates[number]

            def of_client(given):
                weights, state, seeds, slots, (x, y, sample_weights) = given
                return step(weights, state, frozen, seeds, slots, x, y, sample_weights, masks, rate)

            weights, state, seeds, slots, losses = tf.vectorized_map(of_client, (weights, state, seeds, slots, samples))
            return number + 1, weights, state, seeds, slots, total + losses

        def to_each(arrays):
            return [tf.repeat(array[None], n_clients, axis=0) for array in arrays]

        _, _, frozen = split(weights)
        arrays = [own.get(str(place), shared) for place, shared in enumerate(to_each(weights))]
        begun = split(arrays)
        each = [seeds[:, layer] for layer in range(len(seed_ids))]
        start = (0, *begun[:2], each, to_each(slots), tf.zeros([n_clients], dtype))
        _, weights, state, _, _, total = tf.while_loop(lambda number, *_: number < steps, one_step, start)
        return changed(weights, state), total

    def one_by_one(weights, own, seeds, slots, images, labels, indices, sample_weights, _, masks, rates):
        lengths = tf.math.count_nonzero(sample_weights, axis=2, dtype=tf.int32)  # [n_clients, steps]

        def one_client(arguments):
            indices, lengths, own, seeds = arguments

            def one_step(number, weights, state, seeds, slots, total):
                batch = indices[number, : lengths[number]]
                x, y, ones = tf.gather(images, batch), tf.gather(labels, batch), tf.ones(tf.shape(batch), dtype)
                moved = step(weights, state, frozen, seeds, slots, x, y, ones, masks, rates[number])
                weights, state, seeds, slots, losses = moved
                return number + 1, weights, state, seeds, slots, total + losses

            steps = tf.math.count_nonzero(lengths, dtype=tf.int32)
            begun, state, frozen = split([own.get(str(place), shared) for place, shared in enumerate(weights_given)])
            start = (0, begun, state, [seeds[layer] for layer in range(len(seed_ids))], list(slots), tf.zeros([], dtype))
            _, weights, state, _, _, total = tf.while_loop(lambda number, *_: number < steps, one_step, start)
            return changed(weights, state), total

        weights_given = weights
        moving = [variables[place] for place in places["trained"] + places["state"]]
        signature = ([tf.TensorSpec(v.shape, v.dtype) for v in moving], tf.TensorSpec([], dtype))
        return tf.map_fn(one_client, (indices, lengths, own, seeds), fn_output_signature=signature, parallel_iterations=1)

    def train(weights, own, seeds, slots, images, labels, indices, sample_weights, steps, masks, rates):
        """Local training of a cohort: its trained arrays and its state, each [n_clients, …], and its mean losses [n_clients].

        weights: arrays in the order of model.weights. own: by the place in that order, arrays [n_clients, …] with which
        each client begins instead. seeds int64 [n_clients, n_seeds, 2]. slots: the optimizer's variables. indices int32,
        sample_weights float32: [n_clients, n, batch_size], of which the first `steps` are done. masks: in the order of
        weights, 0 where a trained one is held at zero; or an empty list. rates float32 [n]: the learning rate, unless the
        optimizer has a schedule.
        """
        sample_weights = tf.cast(sample_weights, dtype)
        weights = [tf.cast(array, v.dtype) for array, v in zip(weights, variables, strict=True)]
        run = all_at_once if vectorized else one_by_one
        masks = split(masks)[0] if masks else []
        arrays, total = run(weights, own, seeds, slots, images, labels, indices, sample_weights, steps, masks, rates)
        return arrays, total / tf.reduce_sum(sample_weights, axis=(1, 2))

    def call(weights, images):
        weights, state, frozen = split([tf.cast(array, v.dtype) for array, v in zip(weights, variables, strict=True)])
        seeds = [tf.zeros(v.shape, v.dtype) for v in others if is_seed(v)]
        return model.stateless_call(weights, non_trainable(state, frozen, seeds), images, training=False)[0]

    @tf.function(reduce_retracing=True, autograph=False)
    def evaluate(weights, images, labels):
        """How many samples the model gets right, and the sum of their losses."""
        out = call(weights, images)
        return tf.reduce_sum(loss.right(labels, out)), tf.reduce_sum(loss.per_sample(labels, out))

    @tf.function(reduce_retracing=True, autograph=False)
    def outputs(weights, images):
        return call(weights, images)

    graph = tf.function(train, reduce_retracing=True, autograph=False)
    compiled = tf.function(train, reduce_retracing=True, autograph=False, jit_compile=True) if vectorized else None
    return Graphs(graph, vectorized, compiled, evaluate, outputs, len(seed_ids), kinds)
