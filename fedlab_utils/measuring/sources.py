"""Where weights come from: what a reader passes, as named arrays that are read one after the other."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..language import say
from ..layout import is_list_of_arrays

ALONE = "x"  # the name of an array that came by itself
MAX_WEIGHTS = 2**28  # of one source: what is coded costs about 45 bytes of memory a weight


class Unreadable(ValueError):
    """What cannot be measured, and why, in one sentence."""


class Entry(NamedTuple):
    """One tensor: shape, the name of its dtype, and what reads it, as float16, float32 or float64 of that shape."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]


@dataclass
class Source:
    """Tensors in order. title: what messages call it. named: whether its names say what belongs together, the places if not.

    left_out: what holds no weights, in words ("step (int64)"). Closing it closes its file.
    """

    title: str
    named: bool
    entries: list[Entry]
    left_out: list[str] = field(default_factory=list)
    files: ExitStack = field(default_factory=ExitStack)

    @property
    def is_array(self) -> bool:
        """Whether it is one array, and no list of arrays."""
        return not self.named and [entry.name for entry in self.entries] == [ALONE]

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *error: object) -> None:
        self.files.close()


def is_float(dtype: np.dtype) -> bool:
    """Whether numbers of this dtype are weights: float16 to float64, or those of ml_dtypes."""
    return dtype.kind == "f" or (dtype.kind == "V" and dtype.name.startswith(("bfloat", "float")))


def weights_only(title: str, named: bool, entries: Iterable[Entry], counters: Iterable[str], files: ExitStack) -> Source:
    """A source of the floating-point tensors among `entries`; what is of the dtypes `counters` is left out by name.

    ValueError naming the first tensor of another dtype, or where no weight is left, or more than `MAX_WEIGHTS`.
    """
    source, counters = Source(title, named, [], files=files), set(counters)
    for entry in entries:
        if entry.dtype in counters:
            source.left_out.append(f"{entry.name} ({entry.dtype})")
        else:
            source.entries.append(entry)
    count = sum(math.prod(entry.shape) for entry in source.entries)
    if not count:
        rest = say("; it has ", "，只有 ") + ", ".join(source.left_out[:3]) if source.left_out else ""
        raise Unreadable(say(f"{title} holds no floating-point weights{rest}", f"{title} 里没有浮点权重{rest}"))
    if count > MAX_WEIGHTS:
        raise Unreadable(say(f"{title} holds {count:,} weights, more than {MAX_WEIGHTS:,}: pass some of its tensors",
                             f"{title} 有 {count:,} 个权重，超过 {MAX_WEIGHTS:,} 个：请只传入其中一部分张量"))  # fmt: skip
    return source


def refused(title: str, name: str, dtype: str) -> Unreadable:
    """What is said of a tensor whose numbers are no weights that a codec takes."""
    return Unreadable(say(f"{title}: {name} is of dtype {dtype}; taken are float16, bfloat16, float32 and float64",
                          f"{title}：{name} 的类型是 {dtype}，只接受 float16、bfloat16、float32 和 float64"))  # fmt: skip


COUNTERS = {np.dtype(kind).name for kind in "?bhilqBHILQ"}  # whole numbers, such as a step or the state of a generator


def _as_float(array: np.ndarray) -> np.ndarray:
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def _from_arrays(title: str, named: bool, pairs: Iterable[tuple[str, Any]]) -> Source:
    entries = []
    for name, value in pairs:
        try:
            array = np.asarray(value)
        except Exception as error:
            raise TypeError(say(f"{title}: {name} cannot be read as an array: {error}",
                                f"{title}：{name} 不能当作数组读取：{error}")) from error  # fmt: skip
        if array.dtype.name not in COUNTERS and not is_float(array.dtype):
            raise refused(title, name, str(array.dtype))
        entries.append(Entry(name, array.shape, array.dtype.name, partial(_as_float, array)))
    return weights_only(title, named, entries, COUNTERS, ExitStack())


def open_source(title: str, given: Any) -> Source:
    """What a reader passes: a path, a Keras model, a dict of arrays by name, a list of arrays, or one array.

    title: of what has no name of its own, "before". Raises as `files.open_file` does for a path; TypeError or ValueError for
    what holds no weights.
    """
    if isinstance(given, (str, os.PathLike)):
        from .files import open_file

        return open_file(os.fspath(given))
    if callable(getattr(given, "get_weights", None)):
        given = given.get_weights()
    elif isinstance(given, Mapping):
        return _from_arrays(title, True, ((str(name), value) for name, value in given.items()))
    if is_list_of_arrays(given) or (isinstance(given, (list, tuple)) and not given):
        return _from_arrays(title, False, ((f"[{place}]", value) for place, value in enumerate(given)))
    if not np.ndim(given):
        raise TypeError(say(
            f"{title} must be a path, an array, a list or dict of arrays, or a Keras model, got {type(given).__name__}",
            f"{title} 应为路径、数组、数组的列表或字典、或 Keras 模型，收到的是 {type(given).__name__}",
        ))  # fmt: skip
    return _from_arrays(title, False, [(ALONE, given)])
