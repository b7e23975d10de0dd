"""The format safetensors: eight bytes for the length of a header, the header in JSON, then the tensors one after the other.

Read from its description (https://huggingface.co/docs/safetensors), every bound checked before anything is allocated.
"""

from __future__ import annotations

import json
import math
import os
from contextlib import ExitStack
from typing import Any, BinaryIO

import numpy as np

from ..language import say
from .sources import Entry, Source, Unreadable, refused, weights_only

HEADER_BYTES = 100_000_000  # at most, by the description
_FLOATS = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}
_INTEGERS = {"BOOL": 1, "I8": 1, "U8": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8}


def open_safetensors(title: str, file: BinaryIO, files: ExitStack) -> Source:
    """The tensors in the order of their bytes. ValueError with the reason for a header that is none, or that lies."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, HEADER_BYTES):
        raise _damaged(title, say(f"its header of {length} bytes does not fit into the {size} bytes of the file",
                                  f"文件共 {size} 字节，放不下 {length} 字节的文件头"))  # fmt: skip
    header = _header(title, file.read(length))
    header.pop("__metadata__", None)
    tensors = sorted((_tensor(title, name, value) for name, value in header.items()), key=lambda tensor: tensor[3])
    end = 0
    for name, _, _, (start, stop) in tensors:
        if start != end or stop > size - 8 - length:
            raise _damaged(title, say(f"{name} is said to lie at {start} … {stop}, outside the file or over another tensor",
                                      f"{name} 的位置写的是 {start} … {stop}，超出了文件，或与别的张量重叠"))  # fmt: skip
        end = stop
    if end != size - 8 - length:
        raise _damaged(title, say(f"{size - 8 - length - end} bytes belong to no tensor",
                                  f"有 {size - 8 - length - end} 个字节不属于任何张量"))  # fmt: skip
    entries = []
    for name, kind, shape, (start, _) in tensors:
        if kind not in _FLOATS and kind not in _INTEGERS:
            raise refused(title, name, kind)

        def read(kind=kind, shape=shape, start=start) -> np.ndarray:
            file.seek(8 + length + start)
            numbers = np.fromfile(file, _FLOATS[kind], math.prod(shape))
            if kind == "BF16":  # the upper half of a float32
                numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
            return numbers.reshape(shape)

        entries.append(Entry(name, shape, kind, read))
    return weights_only(title, True, entries, _INTEGERS, files)


def _damaged(title: str, why: str) -> Unreadable:
    return Unreadable(say(f"{title} is a damaged safetensors file: {why}", f"{title} 是损坏的 safetensors 文件：{why}"))


def _header(title: str, data: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a name twice")
        return found

    try:
        header = json.loads(data.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _damaged(title, say(f"its header is no JSON ({error})", f"文件头不是 JSON（{error}）")) from error
    if not isinstance(header, dict):
        raise _damaged(title, say("its header is no JSON object", "文件头不是 JSON 对象"))
    return header


def _tensor(title: str, name: str, value: Any) -> tuple[str, str, tuple[int, ...], tuple[int, int]]:
    """Name, dtype, shape and place of one tensor, which agree."""
    try:
        kind, shape, (start, stop) = value["dtype"], tuple(value["shape"]), value["data_offsets"]
    except (KeyError, TypeError, ValueError):
        kind, shape, start, stop = None, (), 0, 0
    whole = all(type(number) is int and 0 <= number < 2**63 for number in (*shape, start, stop))
    if not isinstance(kind, str) or not whole or stop < start or len(shape) > 32:
        raise _damaged(title, say(f"what its header says of {name} is no tensor", f"文件头里关于 {name} 的内容不是张量"))
    width = np.dtype(_FLOATS[kind]).itemsize if kind in _FLOATS else _INTEGERS.get(kind)
    if width is not None and math.prod(shape) * width != stop - start:
        raise _damaged(title, say(f"{name} of {kind} and shape {shape} cannot be {stop - start} bytes",
                                  f"{name} 的类型是 {kind}、形状是 {shape}，不可能占 {stop - start} 字节"))  # fmt: skip
    return name, kind, shape, (start, stop)
