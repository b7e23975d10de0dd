"""One clear error each, in the language of the edition: every check names the argument, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .language import say


def require_integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return `value` as int, or raise: TypeError for no integer, ValueError outside low … high (both included)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        kind = type(value).__name__
        raise TypeError(say(f"{name} must be an integer, got {value!r} ({kind})",
                            f"{name} 应为整数，收到的是 {value!r}（{kind}）"))  # fmt: skip
    value = int(value)
    if value < low or (high is not None and value > high):
        if high is None:
            raise ValueError(say(f"{name} must be at least {low}, got {value}", f"{name} 至少为 {low}，收到的是 {value}"))
        raise ValueError(say(f"{name} must be in {low} … {high}, got {value}",
                             f"{name} 应在 {low} … {high} 之间，收到的是 {value}"))  # fmt: skip
    return value


def require_number(
    name: str, value: Any, low: float, high: float = np.inf, low_included: bool = False, high_included: bool = True
) -> float:
    """Return `value` as float; ValueError unless finite and in low … high, each end allowed or not."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        kind = type(value).__name__
        raise TypeError(say(f"{name} must be a number, got {value!r} ({kind})",
                            f"{name} 应为数，收到的是 {value!r}（{kind}）"))  # fmt: skip
    value = float(value)
    inside = low < value < high or (low_included and value == low) or (high_included and value == high)
    if not (inside and np.isfinite(value)):
        bracket = "[" if low_included else "("
        end = f"{high:g}{']' if high_included else ')'}" if np.isfinite(high) else say("infinity)", "无穷)")
        raise ValueError(say(f"{name} must be in {bracket}{low:g}, {end}, got {value:g}",
                             f"{name} 应在区间 {bracket}{low:g}, {end} 内，收到的是 {value:g}"))  # fmt: skip
    return value


def require_fraction(name: str, value: Any) -> float:
    """Return `value` as float; ValueError outside [0, 1): of what is removed, lost or kept back, never all."""
    return require_number(name, value, 0, 1, low_included=True, high_included=False)


def require_mask(name: str, mask: Sequence[ArrayLike], weights: Sequence[ArrayLike]) -> list[np.ndarray]:
    """Return `mask` as bool arrays; ValueError unless it has the shapes of `weights` and holds nothing but 0 and 1."""
    shapes, wanted = [np.shape(m) for m in mask], [np.shape(w) for w in weights]
    if shapes != wanted:
        raise ValueError(say(f"{name} must have the shapes of the weights, {wanted}, got {shapes}",
                             f"{name} 的形状应与权重相同，即 {wanted}，收到的是 {shapes}"))  # fmt: skip
    arrays = [np.asarray(m) for m in mask]
    if not all(np.isin(a, (0, 1)).all() for a in arrays):
        raise ValueError(say(f"{name} must hold nothing but 0 and 1 (or False and True)",
                             f"{name} 里只能有 0 和 1（或 False 和 True）"))  # fmt: skip
    return [a.astype(bool) for a in arrays]


def require_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return `value`, or raise ValueError with the list of what is allowed."""
    if value not in choices:
        raise ValueError(say(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}",
                             f"{name} 应为 {'、'.join(map(repr, choices))} 之一，收到的是 {value!r}"))  # fmt: skip
    return value


def require_rng(name: str, rng: Any) -> np.random.Generator:
    """Return `rng`; TypeError unless it is a numpy.random.Generator."""
    if not isinstance(rng, np.random.Generator):
        such = "numpy.random.default_rng(seed)"
        raise TypeError(say(f"{name} must be a numpy.random.Generator such as {such}, got {rng!r}",
                            f"{name} 应为 numpy.random.Generator，例如 {such}，收到的是 {rng!r}"))  # fmt: skip
    return rng


def require_real(name: str, x: ArrayLike) -> np.ndarray:
    """Return `x` as an array; TypeError unless it holds real numbers."""
    x = np.asarray(x)
    if x.dtype.kind == "V" and x.dtype.name.startswith(("bfloat", "float")):  # those of ml_dtypes: bfloat16, float8_e4m3fn, …
        return x.astype(np.float32)
    if x.dtype.kind not in "biuf":
        raise TypeError(say(f"{name} must hold real numbers, got dtype {x.dtype}", f"{name} 应为实数，收到的类型是 {x.dtype}"))
    return x


def require_finite(name: str, x: ArrayLike) -> np.ndarray:
    """Return `x` as a floating array (float32 and float64 keep their dtype); ValueError naming the first NaN or infinity."""
    x = require_real(name, x)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if not np.isfinite(x).all():
        flat = int(np.flatnonzero(~np.isfinite(x.ravel()))[0])
        where = flat if x.ndim <= 1 else tuple(int(i) for i in np.unravel_index(flat, x.shape))
        count = int((~np.isfinite(x)).sum())
        value = x.ravel()[flat]
        raise ValueError(say(f"{name} must be finite, but {name}[{where}] is {value} ({count} such of {x.size})",
                             f"{name} 应为有限的数，但 {name}[{where}] 是 {value}（{x.size} 个中有 {count} 个）"))  # fmt: skip
    return x


def _require_array(name: str, x) -> np.ndarray:
    if not isinstance(x, np.ndarray):
        how = f"{name}.numpy()" if hasattr(x, "numpy") else f"numpy.asarray({name})"
        kind = type(x).__name__
        raise TypeError(say(f"{name} must be a NumPy array, got {kind}: pass {how}",
                            f"{name} 应为 NumPy 数组，收到的是 {kind}：请传入 {how}"))  # fmt: skip
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(say(f"{name} must hold at least one sample, got the shape {x.shape}",
                             f"{name} 里至少要有一个样本，收到的形状是 {x.shape}"))  # fmt: skip
    return x


def require_inputs(name: str, x: Any, seen: bool = False) -> np.ndarray:
    """Return samples x [n, …] as they are: float32, or integers such as the numbers of words.

    TypeError or ValueError for another dtype, none at all, NaN or infinity, saying what to pass. seen: they were looked at
    before and cannot have changed.
    """
    x = _require_array(name, x)
    if x.dtype != np.float32 and x.dtype not in (np.int32, np.int64):
        scaled = f"{name}.astype('float32')" + (" / 255" if x.dtype == np.uint8 else "")
        raise TypeError(say(f"{name} must be float32 (or int32, for words), got {x.dtype}: pass {scaled}",
                            f"{name} 应为 float32（词编号则为 int32），收到的是 {x.dtype}：请传入 {scaled}"))  # fmt: skip
    if not seen and x.dtype == np.float32 and not np.isfinite(x.sum(dtype=np.float64)):  # one pass, no array of its size
        require_finite(name, x)
    return x


def require_labels(name: str, y: Any, n_samples: int, n_classes: int | None = None) -> np.ndarray:
    """Return labels as int32 [n], or [n, time] for a label a time step; a column [n, 1] becomes [n].

    TypeError or ValueError for what is no integer, another number of samples, and a label below 0 or beyond the classes,
    with its value and place.
    """
    y = _require_array(name, y)
    if y.dtype.kind not in "iu":
        rows = y.ndim == 2 and y.shape[1] > 1
        mend = say(f"; of one-hot rows take {name}.argmax(axis=1)", f"；若是 one-hot，请用 {name}.argmax(axis=1)") if rows else ""
        raise TypeError(say(f"{name} must hold integers, the numbers of the classes, got dtype {y.dtype}{mend}",
                            f"{name} 应为整数，即类别的编号，收到的类型是 {y.dtype}{mend}"))  # fmt: skip
    if y.shape[1:] == (1,):
        y = y[:, 0]
    if y.ndim > 2:
        raise ValueError(say(f"{name} must have the shape [n], or [n, time] for a label a time step, got {y.shape}",
                             f"{name} 的形状应为 [n]，每个时间步一个标签时为 [n, time]，收到的是 {y.shape}"))  # fmt: skip
    if len(y) != n_samples:
        raise ValueError(say(f"{name} has {len(y)} labels for {n_samples} samples: one for each is needed",
                             f"{name} 有 {len(y)} 个标签，而样本有 {n_samples} 个：每个样本要有一个"))  # fmt: skip
    top = n_classes - 1 if n_classes else np.iinfo(np.int32).max
    if y.min() < 0 or y.max() > top:
        place = np.unravel_index(int(np.argmax((y < 0) | (y > top))), y.shape)
        where = ", ".join(str(int(i)) for i in place)
        allowed = (say(f"the model has the classes 0 … {top}", f"模型的类别是 0 … {top}") if n_classes
                   else say("labels count from 0", "标签从 0 开始编号"))  # fmt: skip
        raise ValueError(say(f"{name}[{where}] is {y[place]}, but {allowed}", f"{name}[{where}] 是 {y[place]}，但{allowed}"))
    return y.astype(np.int32, copy=False)


def require_held_out(name: str, indices: ArrayLike, clients: Sequence[np.ndarray], n_samples: int) -> np.ndarray:
    """Return samples of the training set that are for judging as an array of indices.

    ValueError or TypeError where they are none, out of range, doubled, or where a client trains on one of them.
    """
    indices = np.asarray(indices)
    if indices.ndim != 1 or indices.size == 0 or indices.dtype.kind not in "iu":
        raise TypeError(say(
            f"{name} must be a flat array of indices, not empty, got {indices.dtype} of shape {indices.shape}",
            f"{name} 应为一维、非空的下标数组，收到的类型是 {indices.dtype}，形状是 {indices.shape}"))  # fmt: skip
    _require_within(name, indices, n_samples)
    if np.unique(indices).size < indices.size:
        raise ValueError(say(f"{name} holds a sample more than once", f"{name} 里有重复的样本"))
    for number, part in enumerate(clients):
        if (shared := np.isin(indices, part)).any():
            raise ValueError(say(
                f"{name} holds sample {indices[shared][0]}, which clients[{number}] trains on: hold out samples that no "
                "client has",
                f"{name} 里的样本 {indices[shared][0]} 也在 clients[{number}] 的训练数据里：留出的样本不能属于任何客户端",
            ))  # fmt: skip
    return indices


def require_clients(clients: Iterable[ArrayLike], n_samples: int, clients_per_round: int) -> list[np.ndarray]:
    """The samples of each client as arrays of indices. ValueError or TypeError naming a client that cannot take part."""
    if not isinstance(clients, Iterable):
        raise TypeError(say(
            "clients must be a list with an array of sample indices for each client, as fl.partition_iid(labels, n_clients) "
            f"gives it, got {clients!r}",
            f"clients 应为列表，每个客户端一个样本下标的数组，如 fl.partition_iid(labels, n_clients) 所给，收到的是 {clients!r}",
        ))  # fmt: skip
    parts = [np.asarray(part) for part in clients]
    require_integer("clients_per_round", clients_per_round, 1)
    if clients_per_round > len(parts):
        raise ValueError(say(
            f"clients_per_round must be in 1 … {len(parts)} (the number of clients), got {clients_per_round}",
            f"clients_per_round 应在 1 … {len(parts)}（客户端数）之间，收到的是 {clients_per_round}"))  # fmt: skip
    for number, part in enumerate(parts):
        if part.size == 0:
            raise ValueError(say(f"clients[{number}] is empty: every client needs at least one sample",
                                 f"clients[{number}] 是空的：每个客户端至少要有一个样本"))  # fmt: skip
        if part.ndim != 1 or part.dtype.kind not in "iu":
            raise TypeError(say(
                f"clients[{number}] must be a flat array of indices, got {part.dtype} of shape {part.shape}",
                f"clients[{number}] 应为一维的下标数组，收到的类型是 {part.dtype}，形状是 {part.shape}"))  # fmt: skip
        _require_within(f"clients[{number}]", part, n_samples)
    return parts


def _require_within(name: str, indices: np.ndarray, n_samples: int) -> None:
    if indices.min() < 0 or indices.max() >= n_samples:
        outside = indices.min() if indices.min() < 0 else indices.max()
        raise ValueError(say(f"{name} holds the index {outside}, allowed are 0 … {n_samples - 1}",
                             f"{name} 里有下标 {outside}，允许的是 0 … {n_samples - 1}"))  # fmt: skip
