"""The only module that touches what Keras and ipywidgets do not promise to keep, and why it has to.

- `Layer._flatten_layers()`: all layers with those inside wrappers (`Bidirectional`, `RNN` cells), which no public list gives.
- `Optimizer._var_key`: Keras steps without state on its other backends (`stateless_apply`); on TensorFlow it refuses, because
  the names it gives to variables are those of tf.distribute. With another name for each variable `update_step`, the public
  method in which an optimizer's formula stands, works on tensors. Each optimizer that we admit is tested against Keras.
- `_keras_mask` of a tensor: which time steps a loss has to pass over.
"""

from __future__ import annotations

from typing import Any

from .models import keras


def flatten_layers(model: keras.Model) -> list[Any]:
    """Every layer of a model, those of nested models and wrappers too, in a fixed order."""
    return list(model._flatten_layers(include_self=False))


def mask_of(outputs: Any) -> Any:
    """The mask that a tensor carries, bool [n, time], or None."""
    return getattr(outputs, "_keras_mask", None)


class _Stateless:
    """Put before a Keras optimizer, lets it step inside a StatelessScope."""

    variables: list[Any]
    learning_rate: Any
    iterations: Any
    update_step: Any

    def assign(self, variable: Any, value: Any) -> None:
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        variable.assign(variable + value)

    def assign_sub(self, variable: Any, value: Any) -> None:
        variable.assign(variable - value)

    def _var_key(self, variable):
        return id(variable)

    def step(self, slots: Any, gradients: Any, weights: Any, variables: Any, rate: Any = None) -> tuple[list[Any], list[Any]]:
        """The weights and slots after one step, from those before it.

        variables: the model's, which name the weights. rate: by default the optimizer's own, of its slots or its schedule.
        """
        with keras.StatelessScope([*zip(variables, weights, strict=True), *zip(self.variables, slots, strict=True)]) as scope:
            rate = keras.ops.convert_to_tensor(self.learning_rate if rate is None else rate)
            for gradient, variable in zip(gradients, variables, strict=True):
                self.update_step(gradient, variable, rate)
            self.iterations.assign(self.iterations + 1)
        return [scope.get_current_value(v) for v in variables], [scope.get_current_value(v) for v in self.variables]


def stateless(optimizer: Any, variables: list[Any]) -> Any:
    """The optimizer begun anew for these variables, with a method `step` (see `_Stateless`) that changes none of them."""
    kind: Any = type("Stateless", (_Stateless, type(optimizer)), {})
    fresh = kind.from_config(optimizer.get_config())
    fresh.build(variables)
    return fresh
