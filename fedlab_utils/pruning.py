"""Pruning (document, sections 3.2.1 and 3.2.1.1): rank connections or nodes, remove, fine-tune; and a federated form.

Weights are lists of arrays as model.get_weights() of a chain of Dense layers gives them: kernel, bias, kernel, bias …
A mask is such a list of bool arrays: True stays. Biases are never pruned: they are few.
Sources: Han et al. 2015, arXiv:1506.02626 (train, prune, retrain); Zhu and Gupta 2017, arXiv:1710.01878 (gradual).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .codecs import Codec, Identity, Pipeline, TopK, decode
from .coding import Reader, decode_support, encode_support, seal, varint
from .validation import require_choice, require_integer, require_number

SCOPES = ("global", "layer")


def require_sparsity(sparsity) -> float:
    """`sparsity` as float; ValueError outside [0, 1): a model without any connection is none."""
    value = require_number("sparsity", sparsity, 0, 1, low_included=True)
    if value == 1:
        raise ValueError("sparsity must be in [0, 1), got 1: nothing would be left")
    return value


def magnitude_mask(weights, sparsity: float, scope: str = "global") -> list[np.ndarray]:
    """Which connections stay when those of least magnitude go: a list of bool arrays, shapes as `weights`.

    sparsity: the fraction of the connections (entries of kernels) that goes, in [0, 1), rounded to a whole number of them.
    scope: "global" ranks all connections together, "layer" each kernel by itself. Of equals the later ones go.
    """
    sparsity = require_sparsity(sparsity)
    require_choice("scope", scope, SCOPES)
    kernels = [np.abs(np.ravel(w)) for w in weights if np.ndim(w) > 1]
    if not kernels:
        raise ValueError("weights hold no kernel (an array of two dimensions or more): nothing to prune")
    groups = [np.concatenate(kernels)] if scope == "global" else kernels
    kept = []
    for magnitude in groups:
        stays = np.zeros(magnitude.size, bool)
        stays[np.argsort(-magnitude, kind="stable")[: magnitude.size - round(sparsity * magnitude.size)]] = True
        kept.append(stays)
    parts = iter(np.split(np.concatenate(kept), np.cumsum([k.size for k in kernels])[:-1]))
    return [next(parts).reshape(np.shape(w)) if np.ndim(w) > 1 else np.ones(np.shape(w), bool) for w in weights]


def require_mask(mask, weights) -> list[np.ndarray]:
    """`mask` as bool arrays; ValueError unless it has the shapes of `weights` and holds nothing but 0 and 1."""
    shapes, wanted = [np.shape(m) for m in mask], [np.shape(w) for w in weights]
    if shapes != wanted:
        raise ValueError(f"mask must have the shapes of the weights, {wanted}, got {shapes}")
    arrays = [np.asarray(m) for m in mask]
    if not all(np.isin(a, (0, 1)).all() for a in arrays):
        raise ValueError("mask must hold nothing but 0 and 1 (or False and True)")
    return [a.astype(bool) for a in arrays]


def apply_mask(weights, mask) -> list[np.ndarray]:
    """The weights with zeros where the mask is False: the document's step 3, for connections."""
    return [np.where(m, w, 0).astype(np.asarray(w).dtype) for w, m in zip(weights, require_mask(mask, weights), strict=True)]


def sparsity_of(weights_or_mask) -> float:
    """The fraction of the connections (entries of kernels) that are zero."""
    kernels = [np.ravel(w) for w in weights_or_mask if np.ndim(w) > 1]
    return float(np.mean(np.concatenate(kernels) == 0))


# By node


def node_importance(weights, layer: int = 0) -> np.ndarray:
    """How much each node of hidden layer `layer` can say: |incoming weights| · |outgoing weights|, float [n_nodes].

    The product of the two norms does not change when a ReLU node's inputs are doubled and its outputs halved, which
    leaves the network the same; either norm alone does.
    """
    kernel, _, outgoing = _around(weights, layer)
    return np.linalg.norm(kernel, axis=0) * np.linalg.norm(outgoing, axis=1)


def _around(weights, layer: int):
    hidden = len(weights) // 2 - 1
    layer = require_integer("layer", layer, 0, hidden - 1)
    return weights[2 * layer], weights[2 * layer + 1], weights[2 * layer + 2]


def kept_nodes(weights, sparsity: float, layer: int = 0, importance=None) -> np.ndarray:
    """Which nodes of a hidden layer stay when the least important go: int [n_kept], rising.

    sparsity: the fraction of its nodes that goes, in [0, 1); at least one stays. importance: by default `node_importance`.
    """
    importance = node_importance(weights, layer) if importance is None else np.asarray(importance)
    n_nodes = _around(weights, layer)[0].shape[1]
    if importance.shape != (n_nodes,):
        raise ValueError(f"importance must have the shape {(n_nodes,)}, got {importance.shape}")
    stay = max(1, n_nodes - round(require_sparsity(sparsity) * n_nodes))
    return np.sort(np.argsort(-importance, kind="stable")[:stay])


def take_nodes(weights, nodes, layer: int = 0) -> list[np.ndarray]:
    """Only these nodes of a hidden layer: smaller arrays, which a smaller dense model takes.

    A node is a column of its layer's kernel, an entry of the bias and a row of the next kernel.
    """
    kernel, bias, outgoing = _around(weights, layer)
    smaller = list(weights)
    smaller[2 * layer : 2 * layer + 3] = kernel[:, nodes], bias[nodes], outgoing[nodes]
    return smaller


def prune_nodes(weights, sparsity: float, layer: int = 0, importance=None) -> list[np.ndarray]:
    """Remove the least important nodes of a hidden layer. Arguments as for `kept_nodes`, result as of `take_nodes`."""
    return take_nodes(weights, kept_nodes(weights, sparsity, layer, importance), layer)


def multiplications(weights) -> int:
    """Multiplications for one image, if every connection that is not zero takes one."""
    return int(sum(np.count_nonzero(w) for w in weights if np.ndim(w) > 1))


# Training with a mask


def cubic_sparsity(progress: float, final: float, initial: float = 0.0) -> float:
    """Sparsity of gradual pruning at `progress` in 0 … 1: fast at first, when much is superfluous, slower towards the end.

    s = final + (initial - final)(1 - progress)³, Zhu and Gupta 2017, arXiv:1710.01878, equation 1.
    """
    progress = require_number("progress", progress, 0, 1, low_included=True)
    initial, final = require_sparsity(initial), require_sparsity(final)
    return final + (initial - final) * (1 - progress) ** 3


def fine_tune(model, weights, mask, images, labels, *, epochs: float = 1, learning_rate=(3e-3, 0.0), seed: int = 0):
    """Train on with the mask held: the document's step 4. Returns the weights; what was removed stays zero.

    model: an architecture that takes these weights. Other arguments as for `central.train`.
    """
    from . import central  # here, because ranking and removing need no TensorFlow

    mask = require_mask(mask, weights)
    return central.train(model, images, labels, weights=weights, mask=mask, epochs=epochs, learning_rate=learning_rate, seed=seed)


def prune_gradually(model, weights, sparsity, images, labels, *, epochs=8, ramp=3, stages=6, scope="global",
                    learning_rate=3e-3, seed=0):  # fmt: skip
    """Prune a little, train a little, again: `stages` steps of `cubic_sparsity` over the first `ramp` epochs.

    The rest of the epochs fine-tunes with the last mask; the learning rate falls linearly to zero over all. What was
    removed never comes back. Returns the weights and the mask.
    """
    require_sparsity(sparsity)
    stages = require_integer("stages", stages, 1)
    ramp = require_number("ramp", ramp, 0, epochs)
    times = [*np.linspace(0, ramp, stages + 1)[:-1], epochs]  # pruning happens at the start of each span
    for stage, (start, end) in enumerate(pairwise(times)):
        mask = magnitude_mask(weights, cubic_sparsity((stage + 1) / stages, sparsity), scope)
        rates = tuple(learning_rate * (1 - time / epochs) for time in (start, end))
        weights = fine_tune(
            model, apply_mask(weights, mask), mask, images, labels,
            epochs=end - start, learning_rate=rates, seed=1000 * seed + stage,
        )  # fmt: skip
    return weights, mask


# Bytes


def encode_pruned(weights, values: Codec | None = None) -> bytes:
    """The pruned model as one payload: where the weights that are not zero stand, and their values.

    values: codec for the values, by default float32. `decode` gives the flat weights back from the bytes alone.
    """
    flat = np.concatenate([np.ravel(w) for w in weights])
    count = int(np.count_nonzero(flat))
    if count == 0:
        raise ValueError("every weight is zero: nothing to encode")
    return Pipeline(TopK(count), *(values.stages if values else ())).encode(flat)


def encode_mask(mask) -> bytes:
    """The mask alone, as the server sends it once: n, k, the places (Rice-coded), a checksum."""
    flat = np.concatenate([np.ravel(np.asarray(m, bool)) for m in mask])
    kept = np.flatnonzero(flat)
    return seal(varint(flat.size) + varint(kept.size) + encode_support(kept, flat.size))


def decode_mask(payload: bytes, max_weights: int = 2**26) -> np.ndarray:
    """The mask in a message, flat: bool [n]. ValueError for damaged bytes, or more than `max_weights` weights."""
    reader = Reader(payload)
    n, k = reader.varint(), reader.varint()
    if n > max_weights or k > n:
        raise ValueError(f"the mask declares {k} of {n} weights, more than there are or than max_weights={max_weights}")
    mask = np.zeros(n, bool)
    mask[decode_support(reader, k, n)] = True
    reader.finish()
    return mask


# A federated form


def simulate_pruned(model, mask, data, clients, *, rounds, weights=None, local_epochs=1, batch_size=10, learning_rate=0.1,
                    uplink: Codec | None = None, downlink: Codec | None = None, seed: int = 0):  # fmt: skip
    """Federated averaging of a pruned model: the mask is agreed once, then only the kept weights travel. A `History`.

    All clients take part in every round. The first round's downlink carries the mask and the kept weights, later ones the
    kept entries of the server's update; the uplink those of each client's delta. Nobody sends places again: the receiver
    knows the mask. Lossy codecs work with error feedback. Other arguments as for `simulate`.
    """
    from . import central
    from .codecs import Residual
    from .federated import History

    rounds, seed = require_integer("rounds", rounds, 1), require_integer("seed", seed, 0)
    weights = model.get_weights() if weights is None else weights
    mask = require_mask(mask, weights)
    shapes, ends = [m.shape for m in mask], np.cumsum([m.size for m in mask])[:-1]
    agreed = encode_mask(mask)
    kept = decode_mask(agreed)  # bool [n], known to all from now on

    def gather(arrays) -> np.ndarray:
        return np.concatenate([np.ravel(a) for a in arrays])[kept].astype(np.float32)

    def scatter(values) -> list[np.ndarray]:
        flat = np.zeros(kept.size, np.float32)
        flat[kept] = values
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]

    first = Identity().encode(gather(weights))
    held, broadcast = decode(first), len(agreed) + len(first)  # held: float32 [n_kept], the same at every client
    server = Residual(downlink or Identity())
    memories = [Residual(uplink or Identity()) for _ in clients]
    samples, history = sum(len(part) for part in clients), History()
    for number in range(rounds):
        update, uplink_bytes = np.zeros(held.size), 0
        for client, (part, memory) in enumerate(zip(clients, memories, strict=True)):
            rng = np.random.default_rng((seed, number, client))
            local = central.train(
                model, data.x_train[part], data.y_train[part], weights=scatter(held), mask=mask, epochs=local_epochs,
                batch_size=batch_size, learning_rate=learning_rate, optimizer="sgd", seed=int(rng.integers(2**31)),
            )  # fmt: skip
            payload, received = memory.send(gather(local) - held, rng)
            uplink_bytes += len(payload)
            update += received * (len(part) / samples)
        history.uplink_bytes.append(uplink_bytes)
        history.downlink_bytes.append(broadcast * len(clients))
        payload, received = server.send(update.astype(np.float32), np.random.default_rng((seed, number)))
        held, broadcast = held + received, len(payload)
        history.weights = scatter(held)
        history.accuracy.append(central.accuracy(model, data.x_test, data.y_test, history.weights))
    return history


def load_study() -> list[dict]:
    """The rows of data/results/pruning.csv, numbers as numbers; data/results/pruning.py says what they are and makes them."""
    import csv

    from .datasets import data_directory

    path = data_directory() / "results" / "pruning.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Restore it with `git checkout -- data/results/pruning.csv`.")
    with path.open(encoding="utf8") as file:
        return [{key: value if key == "kind" else float(value) for key, value in row.items()} for row in csv.DictReader(file)]
