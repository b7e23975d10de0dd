"""The weights of a .keras file, read from its HDF5 part alone: no layer is built, no code of the file can run.

keras.saving.load_model would need TensorFlow (half a gigabyte) and the classes of a reader's own layers, and builds whatever
the file asks for. The order is that of model.get_weights(): of layers, by config.json; within a layer, by its variables'
numbers; of what a layer is made of, by name, those of Keras in the order in which they are made (`_PARTS`).
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

import numpy as np

from ..language import say
from .files import member
from .sources import COUNTERS, Entry, Source, refused, weights_only

MAX_DEPTH = 64
MAX_TENSORS = 100_000
_PARTS = ("query", "key", "value", "output", "forward", "backward")  # of attention and of a layer run both ways
_OTHERS = {"optimizer", "metrics", "loss_tracker", "compile_metrics"}  # at the top, no weights of the model


def open_keras(title: str, archive: zipfile.ZipFile, files: ExitStack) -> Source:
    """The weights of a .keras archive. ValueError where it holds none, or what no Keras writes."""
    if any(name.endswith(".weights.json") for name in archive.namelist()):
        raise ValueError(say(f"{title} keeps its weights in several files: save the model without max_shard_size",
                             f"{title} 的权重分成了几个文件：保存模型时请不要用 max_shard_size"))  # fmt: skip
    data = io.BytesIO(member(title, archive, "model.weights.h5"))
    try:
        config = json.loads(member(title, archive, "config.json"))
    except (ValueError, RecursionError) as error:
        raise ValueError(say(f"{title} is damaged: its config.json: {error}", f"{title} 已损坏：config.json：{error}")) from error
    return open_weights(title, data, config, files)


def open_weights(title: str, file: BinaryIO, config: Any, files: ExitStack) -> Source:
    """The weights of a .weights.h5 file; config: that of the model, by which its layers are in order."""
    try:
        import h5py
    except ImportError as error:
        raise ValueError(say(f"{title} is read with h5py, which comes with Keras and is not installed here",
                             f"读取 {title} 要用 h5py，它随 Keras 一起安装，而这里没有")) from error  # fmt: skip
    try:
        root = files.enter_context(h5py.File(file, "r"))
        entries, others = [], 0
        for place, dataset in enumerate(_walk(title, root, config, 0)):
            if place >= MAX_TENSORS:
                raise ValueError(say(f"{title} has more than {MAX_TENSORS} tensors", f"{title} 的张量多于 {MAX_TENSORS} 个"))
            name = dataset.name.strip("/")
            if name.split("/")[0] in _OTHERS:
                others += 1
                continue
            entries.append(_entry(title, name, dataset))
    except (KeyError, OSError, RuntimeError, TypeError, AttributeError) as error:  # whatever HDF5 says of damaged bytes
        raise _damaged(title, str(error)) from error
    source = weights_only(title, True, entries, COUNTERS, files)
    if others:
        source.left_out.append(say(f"{others} tensors of the optimizer or metrics", f"优化器或指标的 {others} 个张量"))
    return source


def _damaged(title: str, why: str) -> ValueError:
    return ValueError(say(f"{title} is damaged, or no weights of Keras 3: {why}",
                          f"{title} 已损坏，或不是 Keras 3 的权重：{why}"))  # fmt: skip


def _walk(title: str, group: Any, config: Any, depth: int) -> Iterator[Any]:
    """The datasets below a group: its own variables, then those of its parts. config: of the layer, if known."""
    import h5py

    if depth > MAX_DEPTH:
        raise _damaged(title, say(f"groups nested deeper than {MAX_DEPTH}", f"分组嵌套超过 {MAX_DEPTH} 层"))
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else None
    known = _names(layers) if isinstance(layers, list) else {}

    def visit(parent: Any, keys: list[str], configs: dict[str, Any], further: int) -> Iterator[Any]:
        for key in keys:
            if not isinstance(parent.get(key, getlink=True), h5py.HardLink):
                raise _damaged(title, say(f"{key} is a link to another place", f"{key} 是指向别处的链接"))
            child = parent[key]
            if isinstance(child, h5py.Dataset):
                yield child
            elif key == "layers" and parent is group and known:
                ordered = [name for name in known if name in child]
                yield from visit(child, ordered + sorted(set(child) - set(ordered), key=_natural), known, further + 1)
            else:
                yield from _walk(title, child, configs.get(key), further + 1)

    keys = sorted(group, key=lambda key: (key != "vars", key != "layers", key in _OTHERS, _natural(key)))
    yield from visit(group, keys, {}, depth)


def _names(layers: list[Any]) -> dict[str, Any]:
    """Configurations of layers by the names that Keras gives them in the file: the class, in snake case, numbered."""
    used: Counter[str] = Counter()
    found = {}
    for layer in layers:
        name = re.sub(r"\W+", "", str(layer.get("class_name", ""))) if isinstance(layer, dict) else ""
        name = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()
        found[f"{name}_{used[name]}" if used[name] else name] = layer
        used[name] += 1
    return found


def _natural(key: str) -> tuple[Any, ...]:
    part = next((place for place, start in enumerate(_PARTS) if key.strip("_").startswith(start)), len(_PARTS))
    return part, *((0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in re.split(r"(\d+)", key))


def _entry(title: str, name: str, dataset: Any) -> Entry:
    """A tensor that lies in the file as it is: no filter, no other file, no bytes that are only promised."""
    shape, dtype = dataset.shape, dataset.dtype
    brain = dtype.kind == "V" and dtype.itemsize == 2 and dataset.attrs.get("dtype") == "bfloat16"
    if not brain and dtype.name not in COUNTERS and dtype.kind != "f":
        raise refused(title, name, str(dtype))
    if shape is None or dataset.chunks or dataset.external or dataset.is_virtual:
        raise _damaged(title, say(f"{name} does not lie in one piece", f"{name} 没有连续存放"))
    if dataset.id.get_storage_size() != dataset.size * dtype.itemsize:
        raise _damaged(title, say(f"{name} of shape {shape} has {dataset.id.get_storage_size()} bytes",
                                  f"{name} 的形状是 {shape}，却有 {dataset.id.get_storage_size()} 字节"))  # fmt: skip

    def read() -> np.ndarray:
        try:
            numbers = dataset[()]
        except (OSError, RuntimeError) as error:
            raise _damaged(title, str(error)) from error
        if brain:
            numbers = (np.frombuffer(numbers.tobytes(), "<u2").astype(np.uint32) << 16).view(np.float32)
        return np.reshape(numbers, shape)

    return Entry(name, shape, "bfloat16" if brain else dtype.name, read)
