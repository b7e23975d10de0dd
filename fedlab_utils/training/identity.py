"""Which compiled graph is whose: a graph is kept only for what Keras itself can describe, and found again by that description.

Anything of the reader's own (a class, a function, an attribute set by hand) is compiled anew at each call, from her very
objects: no description of ours could tell two versions of it apart.
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .keras_private import flatten_layers
from .models import keras

# Attributes that every layer has and that decide nothing once it is built.
_PASSED_OVER = {"name", "build", "quantize", "built"}


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Python's random state as it was: a layer made from a configuration draws a seed, which is the reader's to draw. Nor does
    Keras warn of a function in a configuration: none is kept."""
    state = random.getstate()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
            yield
    finally:
        random.setstate(state)


class _Own(Exception):
    """Something that is not wholly Keras's own."""


def is_keras(module: str | None) -> bool:
    return module is not None and (module == "keras" or module.startswith("keras."))


def _same(mine, fresh) -> bool:
    """Whether two values of an attribute are alike. Unknown kinds are not: then a graph is not kept, which is never wrong."""
    if mine is fresh:
        return True
    if isinstance(mine, (list, tuple)) and isinstance(fresh, (list, tuple)):
        return len(mine) == len(fresh) and all(map(_same, mine, fresh))
    if type(mine) is not type(fresh):
        return False
    if isinstance(mine, (bool, int, float, str, bytes)):
        return mine == fresh
    if isinstance(mine, dict):
        return mine.keys() == fresh.keys() and all(_same(mine[key], fresh[key]) for key in mine)
    if isinstance(mine, np.ndarray):
        return mine.shape == fresh.shape and bool((mine == fresh).all())
    if isinstance(mine, (keras.layers.Layer, keras.random.SeedGenerator)):
        return is_keras(type(mine).__module__)  # a layer within is looked at by itself
    if is_keras(type(mine).__module__) and hasattr(mine, "get_config"):
        return _same(mine.get_config(), fresh.get_config())
    return False


def _untouched(thing) -> bool:
    """Whether an object is as its configuration makes it: no attribute was set by hand."""
    fresh, own = vars(type(thing).from_config(thing.get_config())), vars(thing)
    every = isinstance(thing, keras.losses.Loss)  # it is called with what it was made with, whatever its attributes say since
    public = {name for name in own.keys() | fresh.keys() if every or not name.startswith("_")} - _PASSED_OVER
    for name in public:
        if isinstance(own.get(name), keras.Variable) and fresh.get(name) is None:
            continue  # a weight, which comes with building
        if name in fresh and (name not in own or not _same(own[name], fresh[name])):
            return False
        if name not in fresh and callable(own[name]) and not isinstance(own[name], keras.layers.Layer):
            return False  # `layer.call = …`
    return True


def _canonical(node, names: dict[str, int]):
    """A configuration without what decides no graph: names become numbers in the order in which they are met, seeds go."""
    if isinstance(node, (list, tuple)):
        return [_canonical(part, names) for part in node]
    if not isinstance(node, dict):
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        raise _Own
    kind = str(node.get("class_name"))
    if ("module" in node and node["module"] is not None and not is_keras(node["module"])) or kind in ("function", "__lambda__"):
        raise _Own
    if kind.endswith("Policy"):
        return json.dumps(node, sort_keys=True)

    def number(name):
        return names.setdefault(name, len(names)) if isinstance(name, str) else name

    def ends(value):
        """[name, node, tensor], or a list or dict of such."""
        if isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[0], str):
            return [number(value[0]), *value[1:]]
        return [ends(part) for part in value] if isinstance(value, (list, tuple)) else _canonical(value, names)

    out = {}
    for key, value in node.items():
        if key == "name":
            out[key] = number(value)
        elif key in ("keras_history", "input_layers", "output_layers"):
            out[key] = ends(value)
        elif key not in ("seed", "build_config"):
            out[key] = _canonical(value, names)
    return out


def _described(thing, leave_out: tuple[str, ...] = ()) -> str:
    if not is_keras(type(thing).__module__) or isinstance(thing, keras.layers.Lambda) or not _untouched(thing):
        raise _Own
    config = {key: value for key, value in thing.get_config().items() if key not in ("name", *leave_out)}
    return json.dumps(_canonical(config, {}), sort_keys=True)


def describe_model(model: keras.Model) -> tuple | None:
    """What decides the graph of a model made wholly of Keras's own layers, or None for any other."""
    try:
        layers = flatten_layers(model)
        for layer in layers:
            if not isinstance(layer, keras.Model):
                _described(layer)
        if not all(is_keras(type(layer).__module__) for layer in (model, *layers)):
            return None
        variables = tuple((tuple(v.shape), v.dtype, v.trainable, type(v.constraint)) for v in model.variables)
        config = json.dumps(_canonical(model.get_config(), {}), sort_keys=True)
        return config, variables, tuple(type(layer) for layer in layers)
    except (_Own, NotImplementedError, TypeError, ValueError):
        return None


def describe(thing: Any, leave_out: tuple[str, ...] = ()) -> tuple | None:
    """What decides a loss, an optimizer or a function of Keras's own; None for any other. leave_out: of its configuration."""
    if callable(thing) and hasattr(thing, "__name__"):
        return (thing,) if is_keras(thing.__module__) or thing.__module__.startswith("fedlab_utils.") else None
    try:
        return type(thing), _described(thing, leave_out)
    except (_Own, NotImplementedError, TypeError, ValueError):
        return None


def twin(model: keras.Model, replace: Callable[[Any], Any] = lambda layer: None) -> keras.Model | None:
    """A model of the same graph with variables of its own, from the configuration; None where that does not give the same.

    replace: layer → another one in its place, or None.
    """

    def copy(layer):
        return replace(layer) or type(layer).from_config(layer.get_config())

    made = keras.models.clone_model(model, clone_function=copy, recursive=True)
    originals, copies = flatten_layers(model), flatten_layers(made)
    if len(originals) != len(copies):
        return None
    own = [v for v in made.weights if not is_seed(v)]
    alike = [tuple(v.shape) == tuple(w.shape) and v.dtype == w.dtype and v.trainable == w.trainable
             and type(v.constraint) is type(w.constraint) for v, w in zip(model.weights, own, strict=False)]  # fmt: skip
    return made if len(own) == len(model.weights) and all(alike) else None


def is_seed(variable: Any) -> bool:
    """Whether a variable is the state of a random layer."""
    return variable.path.endswith("seed_generator_state")
