"""Pruning (document, sections 3.2.1 and 3.2.1.1): rank connections or nodes, remove, fine-tune.

Weights are lists of arrays as model.get_weights() of a chain of Dense layers gives them: kernel, bias, kernel, bias …
A mask is such a list of bool arrays: True stays. Biases are never pruned: they are few. The federated form, in which a
mask is agreed once and only kept weights travel, is `simulate(..., mask=mask)`.
Sources: Han et al. 2015, arXiv:1506.02626 (train, prune, retrain); Zhu and Gupta 2017, arXiv:1710.01878 (gradual).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .codecs import Codec, Pipeline, TopK
from .language import say
from .validation import require_choice, require_fraction, require_integer, require_mask, require_number

if TYPE_CHECKING:
    from .training.models import keras

SCOPES = ("global", "layer")


def magnitude_mask(weights: Sequence[np.ndarray], sparsity: float, scope: str = "global") -> list[np.ndarray]:
    """Which connections stay when those of least magnitude go: a list of bool arrays, shapes as `weights`.

    sparsity: the fraction of the connections (entries of kernels) that goes, in [0, 1), rounded to a whole number of them.
    scope: "global" ranks all connections together, "layer" each kernel by itself. Of equals the later ones go.
    """
    sparsity = require_fraction("sparsity", sparsity)
    require_choice("scope", scope, SCOPES)
    kernels = [np.abs(np.ravel(w)) for w in weights if np.ndim(w) > 1]
    if not kernels:
        raise ValueError(say("weights hold no kernel (an array of two dimensions or more): nothing to prune",
                             "weights 里没有核（二维或更高维的数组）：没有可剪的"))  # fmt: skip
    groups = [np.concatenate(kernels)] if scope == "global" else kernels
    kept = []
    for magnitude in groups:
        stays = np.zeros(magnitude.size, bool)
        stays[np.argsort(-magnitude, kind="stable")[: magnitude.size - round(sparsity * magnitude.size)]] = True
        kept.append(stays)
    parts = iter(np.split(np.concatenate(kept), np.cumsum([k.size for k in kernels])[:-1]))
    return [next(parts).reshape(np.shape(w)) if np.ndim(w) > 1 else np.ones(np.shape(w), bool) for w in weights]


def apply_mask(weights: Sequence[np.ndarray], mask: Sequence[ArrayLike]) -> list[np.ndarray]:
    """The weights with zeros where the mask is False: the document's step 3, for connections."""
    mask = require_mask("mask", mask, weights)
    return [np.where(m, w, 0).astype(np.asarray(w).dtype) for w, m in zip(weights, mask, strict=True)]


def sparsity_of(weights_or_mask: Sequence[ArrayLike]) -> float:
    """The fraction of the connections (entries of kernels) that are zero."""
    kernels = [np.ravel(w) for w in weights_or_mask if np.ndim(w) > 1]
    return float(np.mean(np.concatenate(kernels) == 0))


# By node


def node_importance(weights: Sequence[np.ndarray], layer: int = 0) -> np.ndarray:
    """How much each node of hidden layer `layer` can say: |incoming weights| · |outgoing weights|, float [n_nodes].

    The product of the two norms does not change when a ReLU node's inputs are doubled and its outputs halved, which
    leaves the network the same; either norm alone does.
    """
    kernel, _, outgoing = _around(weights, layer)
    return np.linalg.norm(kernel, axis=0) * np.linalg.norm(outgoing, axis=1)


def _around(weights: Sequence[np.ndarray], layer: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    hidden = len(weights) // 2 - 1
    layer = require_integer("layer", layer, 0, hidden - 1)
    return weights[2 * layer], weights[2 * layer + 1], weights[2 * layer + 2]


def kept_nodes(weights: Sequence[np.ndarray], sparsity: float, layer: int = 0, importance: ArrayLike | None = None) -> np.ndarray:
    """Which nodes of a hidden layer stay when the least important go: int [n_kept], rising.

    sparsity: the fraction of its nodes that goes, in [0, 1); at least one stays. importance: by default `node_importance`.
    """
    importance = node_importance(weights, layer) if importance is None else np.asarray(importance)
    n_nodes = _around(weights, layer)[0].shape[1]
    if importance.shape != (n_nodes,):
        raise ValueError(say(f"importance must have the shape {(n_nodes,)}, got {importance.shape}",
                             f"importance 的形状应为 {(n_nodes,)}，收到的是 {importance.shape}"))  # fmt: skip
    stay = max(1, n_nodes - round(require_fraction("sparsity", sparsity) * n_nodes))
    return np.sort(np.argsort(-importance, kind="stable")[:stay])


def take_nodes(weights: Sequence[np.ndarray], nodes: np.ndarray, layer: int = 0) -> list[np.ndarray]:
    """Only these nodes of a hidden layer: smaller arrays, which a smaller dense model takes.

    A node is a column of its layer's kernel, an entry of the bias and a row of the next kernel.
    """
    kernel, bias, outgoing = _around(weights, layer)
    smaller = list(weights)
    smaller[2 * layer : 2 * layer + 3] = kernel[:, nodes], bias[nodes], outgoing[nodes]
    return smaller


def prune_nodes(
    weights: Sequence[np.ndarray], sparsity: float, layer: int = 0, importance: ArrayLike | None = None
) -> list[np.ndarray]:
    """Remove the least important nodes of a hidden layer. Arguments as for `kept_nodes`, result as of `take_nodes`."""
    return take_nodes(weights, kept_nodes(weights, sparsity, layer, importance), layer)


def multiplications(weights: Sequence[np.ndarray]) -> int:
    """Multiplications for one image, if every connection that is not zero takes one."""
    return int(sum(np.count_nonzero(w) for w in weights if np.ndim(w) > 1))


# Training with a mask


def cubic_sparsity(progress: float, final: float, initial: float = 0.0) -> float:
    """Sparsity of gradual pruning at `progress` in 0 … 1: fast at first, when much is superfluous, slower towards the end.

    s = final + (initial - final)(1 - progress)³, Zhu and Gupta 2017, arXiv:1710.01878, equation 1.
    """
    progress = require_number("progress", progress, 0, 1, low_included=True)
    initial, final = require_fraction("initial", initial), require_fraction("final", final)
    return final + (initial - final) * (1 - progress) ** 3


def fine_tune(
    model: keras.Model,
    weights: Sequence[np.ndarray],
    mask: Sequence[ArrayLike],
    images: np.ndarray,
    labels: ArrayLike,
    *,
    epochs: float = 1,
    learning_rate: float | tuple[float, float] = (3e-3, 0.0),
    seed: int = 0,
    progress: bool = False,
) -> list[np.ndarray]:
    """Train on with the mask held: the document's step 4. Returns the weights; what was removed stays zero.

    model: an architecture that takes these weights. Other arguments as for `central.train`.
    """
    from .training import central  # here, because ranking and removing need no TensorFlow

    mask = require_mask("mask", mask, weights)
    return central.train(
        model, images, labels, weights=weights, mask=mask, epochs=epochs, learning_rate=learning_rate, seed=seed,
        progress=progress,
    )  # fmt: skip


def prune_gradually(
    model: keras.Model,
    weights: Sequence[np.ndarray],
    sparsity: float,
    images: np.ndarray,
    labels: ArrayLike,
    *,
    epochs: float = 8,
    ramp: float = 3,
    stages: int = 6,
    scope: str = "global",
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> tuple[Sequence[np.ndarray], list[np.ndarray]]:
    """Prune a little, train a little, again: `stages` steps of `cubic_sparsity` over the first `ramp` epochs.

    The rest of the epochs fine-tunes with the last mask; the learning rate falls linearly to zero over all. What was
    removed never comes back. Returns the weights and the mask.
    """
    require_fraction("sparsity", sparsity)
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


def encode_pruned(weights: Sequence[np.ndarray], values: Codec | None = None) -> bytes:
    """The pruned model as one payload: where the weights that are not zero stand, and their values.

    values: codec for the values, by default float32. `decode` gives the flat weights back from the bytes alone.
    """
    flat = np.concatenate([np.ravel(w) for w in weights])
    count = int(np.count_nonzero(flat))
    if count == 0:
        raise ValueError(say("every weight is zero: nothing to encode", "所有权重都是零，没有可编码的"))
    return Pipeline(TopK(count), *(values.stages if values else ())).encode(flat)


def load_study() -> list[dict[str, Any]]:
    """The rows of data/results/pruning.csv, as `read_results` gives them."""
    from .data.tables import read_results

    return read_results("pruning", text="kind")
