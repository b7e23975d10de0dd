"""The weights of a .keras file, read from its HDF5 part alone: no layer is built, no code of the file can run.

keras.saving.load_model would need TensorFlow (half a gigabyte) and the classes of a reader's own layers, and builds whatever
the file asks for. The order is that of model.get_weights(): of layers, by config.json; within a layer, by its variables'
numbers; of what a layer is made of, by name, those of attention and of a layer run both ways as Keras makes them (`_PARTS`).
Only unlike cells stacked in one recurrent layer come out in another order.
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
from .sources import COUNTERS, Entry, Source, Unreadable, refused, weights_only

MAX_DEPTH = 64
MAX_PARTS = 200_000  # groups and tensors
_PARTS = ("query", "key", "value", "output", "forward", "backward")  # of attention and of a layer run both ways
_RENAMED = {"group_query_attention": "grouped_query_attention"}  # the one layer whose class has two names
_OTHERS = {"optimizer", "metrics", "loss_tracker", "compile_metrics"}  # at the top, no weights of the model


def open_keras(title: str, archive: zipfile.ZipFile, files: ExitStack) -> Source:
    """The weights of a .keras archive. ValueError where it holds none, or what no Keras writes."""
    if any(name.endswith(".weights.json") for name in archive.namelist()):
        raise Unreadable(say(f"{title} keeps its weights in several files: save the model without max_shard_size",
                             f"{title} 的权重分成了几个文件：保存模型时请不要用 max_shard_size"))  # fmt: skip
    data = io.BytesIO(member(title, archive, "model.weights.h5"))
    return open_weights(title, data, json.loads(member(title, archive, "config.json")), files)


def open_weights(title: str, file: BinaryIO, config: Any, files: ExitStack) -> Source:
    """The weights of a .weights.h5 file; config: that of the model, by which its layers are in order."""
    try:
        import h5py
    except ImportError as error:
        raise Unreadable(say(f"{title} is read with h5py, which comes with Keras and is not installed here",
                             f"读取 {title} 要用 h5py，它随 Keras 一起安装，而这里没有")) from error  # fmt: skip
    root = files.enter_context(h5py.File(file, "r"))
    found = [(dataset.name.strip("/"), dataset) for dataset in _Tree(title, h5py).below(root, config)]
    entries = [_entry(title, name, dataset) for name, dataset in found if name.split("/")[0] not in _OTHERS]
    source = weights_only(title, True, entries, COUNTERS, files)
    if others := len(found) - len(entries):
        source.left_out.append(say(f"{others} tensors of the optimizer or metrics", f"优化器或指标的 {others} 个张量"))
    return source


def _damaged(title: str, why: str) -> Unreadable:
    return Unreadable(say(f"{title} is damaged, or no weights of Keras 3: {why}",
                          f"{title} 已损坏，或不是 Keras 3 的权重：{why}"))  # fmt: skip


class _Tree:
    """Walks an HDF5 file that a stranger may have written: no link to elsewhere, no loop, no end of parts."""

    def __init__(self, title: str, h5py: Any):
        self.title, self.h5py, self.left = title, h5py, MAX_PARTS

    def part(self, group: Any, key: str) -> Any:
        """What a group holds under a name."""
        self.left -= 1
        if self.left < 0:
            raise _damaged(self.title, say(f"it has more than {MAX_PARTS:,} parts", f"它的组成部分超过 {MAX_PARTS:,} 个"))
        if not isinstance(group.get(key, getlink=True), self.h5py.HardLink):
            raise _damaged(self.title, say(f"{key} is a link to another place", f"{key} 是指向别处的链接"))
        return group[key]

    def below(self, group: Any, config: Any, depth: int = 0) -> Iterator[Any]:
        """The datasets of a layer: its own variables, then those of its parts. config: of the layer, None if not known."""
        if depth > MAX_DEPTH:
            raise _damaged(self.title, say(f"groups nested deeper than {MAX_DEPTH}", f"分组嵌套超过 {MAX_DEPTH} 层"))
        for key in sorted(group, key=lambda key: (key != "vars", key != "layers", key in _OTHERS, _natural(key))):
            child = self.part(group, key)
            if isinstance(child, self.h5py.Dataset):
                yield child
            elif key == "layers" and (known := _by_name(config)):
                parts = [part for part in known if part in child]
                for part in parts + sorted(set(child) - set(parts), key=_natural):
                    yield from self.below(self.part(child, part), known.get(part), depth + 1)
            else:
                yield from self.below(child, None, depth + 1)


def _by_name(config: Any) -> dict[str, Any]:
    """The configurations of a model's layers, in order, by what Keras calls them in the file: the class in snake case, numbered.

    None where `config` is of no such model. The layers' own names stand in the file as attributes, which are not read: HDF5
    itself hangs on some that are damaged.
    """
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else None
    used: Counter[str] = Counter()
    found = {}
    for layer in layers if isinstance(layers, list) else []:
        name = re.sub(r"\W+", "", str(layer.get("class_name", ""))) if isinstance(layer, dict) else ""
        name = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()
        name = _RENAMED.get(name, name)
        found[f"{name}_{used[name]}" if used[name] else name] = layer
        used[name] += 1
    return found


def _natural(key: str) -> tuple[Any, ...]:
    part = next((place for place, start in enumerate(_PARTS) if key.strip("_").startswith(start)), len(_PARTS))
    return part, *((0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in re.split(r"(\d+)", key))


def _entry(title: str, name: str, dataset: Any) -> Entry:
    """A tensor that lies in the file as it is: no filter, no other file, no bytes that are only promised."""
    shape, dtype = dataset.shape, dataset.dtype
    brain = dtype.kind == "V" and dtype.itemsize == 2  # as Keras writes bfloat16
    if not brain and dtype.name not in COUNTERS and dtype.kind != "f":
        raise refused(title, name, str(dtype))
    if shape is None or dataset.chunks or dataset.external or dataset.is_virtual:
        raise _damaged(title, say(f"{name} does not lie in one piece", f"{name} 没有连续存放"))
    if dataset.id.get_storage_size() != dataset.size * dtype.itemsize:
        raise _damaged(title, say(f"{name} of shape {shape} has {dataset.id.get_storage_size()} bytes",
                                  f"{name} 的形状是 {shape}，却有 {dataset.id.get_storage_size()} 字节"))  # fmt: skip

    def read() -> np.ndarray:
        numbers = dataset[()]
        if brain:
            numbers = (np.frombuffer(numbers.tobytes(), "<u2").astype(np.uint32) << 16).view(np.float32)
        return np.reshape(numbers, shape)

    return Entry(name, shape, "bfloat16" if brain else dtype.name, read)
