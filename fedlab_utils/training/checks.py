"""What can be trained here: models, optimizers, and whether samples and outputs suit a model. Refused in one sentence each."""

from __future__ import annotations

from typing import Any

from ..language import say
from .keras_private import flatten_layers
from .models import keras

# Those whose step is tested against Keras's own to 1e-6; another one might do part of its work elsewhere, as Nadam does.
OPTIMIZERS = (
    keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.AdamW, keras.optimizers.RMSprop, keras.optimizers.Adagrad,
    keras.optimizers.Adadelta, keras.optimizers.Adamax, keras.optimizers.Ftrl, keras.optimizers.Lion,
)  # fmt: skip
_UNSUPPORTED = (
    "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip


def require_optimizer(optimizer: Any) -> None:
    """TypeError or ValueError, with those that are allowed, for an optimizer whose step is not known to be Keras's."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(say(f"optimizer must be a Keras optimizer such as keras.optimizers.Adam(1e-3), got {optimizer!r}",
                            f"optimizer 应为 Keras 优化器，如 keras.optimizers.Adam(1e-3)，收到的是 {optimizer!r}"))  # fmt: skip
    if type(optimizer) not in OPTIMIZERS:
        names, name = [kind.__name__ for kind in OPTIMIZERS], type(optimizer).__name__
        raise ValueError(say(f"optimizer {name} is not supported here; these are: {', '.join(names)}",
                             f"这里不支持优化器 {name}；支持的有 {'、'.join(names)}"))  # fmt: skip
    for option in _UNSUPPORTED:
        if value := getattr(optimizer, option, None):
            raise ValueError(say(f"optimizer has {option}={value!r}, which is not supported here: leave it out",
                                 f"optimizer 设了 {option}={value!r}，这里不支持：请去掉"))  # fmt: skip


def require_model(model: Any) -> None:
    """TypeError or ValueError naming what of a model cannot be trained here, and what is allowed."""
    if not isinstance(model, keras.Sequential) and not (isinstance(model, keras.Model) and hasattr(model, "operations")):
        name = type(model).__name__
        raise TypeError(say(f"model must be a Sequential or functional Keras model, got {name}",
                            f"model 应为 Keras 的 Sequential 或函数式模型，收到的是 {name}"))  # fmt: skip
    for method in ("train_step", "compute_loss"):
        if getattr(type(model), method) is not getattr(keras.Model, method):
            raise ValueError(say(
                f"model has a {method} of its own, which would not be used here: pass loss and optimizer instead",
                f"model 自己定义了 {method}，这里不会用到它：请改为传入 loss 和 optimizer"))  # fmt: skip
    if not model.built:
        raise ValueError(say("model has no weights yet: give it a keras.Input as its first layer",
                             "model 还没有权重：请让它以 keras.Input 开头"))  # fmt: skip
    for end, name, tensors in (("input", "输入", model.inputs), ("output", "输出", model.outputs)):
        if len(tensors) != 1:
            raise ValueError(say(f"model has {len(tensors)} {end}s, one is supported: join them to one tensor",
                                 f"model 有 {len(tensors)} 个{name}，这里只支持一个：请合并成一个张量"))  # fmt: skip
    if not model.trainable_variables:
        raise ValueError(say("model has no weights to train", "model 没有可以训练的权重"))
    kinds = {v.dtype for v in model.trainable_variables}
    for layer in flatten_layers(model):
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            raise ValueError(say(
                f"layer {layer.name} is a Normalization that was adapted to data: apply it to x_train and x_test beforehand, "
                "and leave it out of the model",
                f"层 {layer.name} 是对数据适配过的 Normalization：请先用它处理 x_train 和 x_test，再从模型里去掉"))  # fmt: skip
        if getattr(layer, "stateful", False) is True:
            raise ValueError(say(
                f"layer {layer.name} is stateful, but samples come in another order each epoch: stateful=False",
                f"层 {layer.name} 是 stateful 的，而每个周期样本的次序都不同：请设 stateful=False"))  # fmt: skip
        policy = layer.dtype_policy
        mixed = policy.compute_dtype != policy.variable_dtype
        if mixed or (layer.weights and (len(kinds) > 1 or policy.variable_dtype not in ("float32", "float64"))):
            raise ValueError(say(
                f"layer {layer.name} has the dtype policy {policy.name!r}: weights must be all float32, or all float64",
                f"层 {layer.name} 的精度策略是 {policy.name!r}：权重应全部是 float32，或全部是 float64"))  # fmt: skip


def require_samples(model: keras.Model, given: tuple[int, ...]) -> None:
    """ValueError unless a model takes samples of this shape; Keras adds or drops a last dimension of 1 by itself."""
    wanted = tuple(model.inputs[0].shape[1:])
    longer, shorter = sorted((wanted, given), key=len, reverse=True)
    if longer[len(shorter) :] in ((), (1,)) and all(w in (None, g) for w, g in zip(wanted, given, strict=False)):
        return
    raise ValueError(say(
        f"model takes samples of shape {wanted}, but those of data have the shape {given}: let its first layer be "
        f"keras.Input({given})",
        f"model 接受的样本形状是 {wanted}，而 data 里的样本形状是 {given}：请让第一层为 keras.Input({given})"))  # fmt: skip
