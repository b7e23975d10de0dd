"""A reader's file, told by its first bytes and not by its name: what can be opened without running anything in it."""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import BinaryIO

import numpy as np

from ..language import say
from .safetensors import open_safetensors
from .sources import ALONE, COUNTERS, MAX_WEIGHTS, Entry, Source, Unreadable, refused, weights_only

PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib")
MAX_HEADER = 10_000  # bytes of the header of an array, NumPy's own limit
MAX_MEMBER = 16 * MAX_WEIGHTS  # bytes of one file within an archive, however well it was compressed


def open_file(path: str) -> Source:
    """The tensors of a checkpoint: .keras, .weights.h5, .npz, .npy or safetensors.

    FileNotFoundError where there is none; ValueError, in one sentence, for a pickle (which is never opened), a foreign,
    empty or damaged file.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(say(f"there is no file {path}", f"没有文件 {path}"))
    if os.path.isdir(path):
        raise Unreadable(say(f"{path} is a folder: pass a file (of a TensorFlow SavedModel, save the model as .keras)",
                             f"{path} 是文件夹，请传入文件（TensorFlow 的 SavedModel 请另存为 .keras）"))  # fmt: skip
    if not os.path.isfile(path):
        raise _foreign(path)
    files = ExitStack()
    try:
        with _told(path):
            source = _open(path, files.enter_context(open(path, "rb")), files)
        source.entries = [entry._replace(read=partial(_read, path, entry)) for entry in source.entries]
        return source
    except BaseException:
        files.close()
        raise


def _open(path: str, file: BinaryIO, files: ExitStack) -> Source:
    head, suffix = file.read(10), os.path.splitext(path)[1].lower()
    file.seek(0)
    if not head:
        raise Unreadable(say(f"{path} is empty", f"{path} 是空文件"))
    if head.startswith(b"PK\x03\x04"):
        return _open_archive(path, files.enter_context(zipfile.ZipFile(file)), files)
    if head.startswith(b"\x93NUMPY"):
        entry = _npy(path, ALONE, file, os.fstat(file.fileno()).st_size)
        return weights_only(path, False, [entry], COUNTERS, files)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        from .keras_files import open_weights

        return open_weights(path, file, None, files)
    if suffix == ".safetensors" or head[8:] in (b'{"', b"{}", b"{ "):
        return open_safetensors(path, file, files)
    if suffix in PICKLES or (head[0] == 0x80 and 2 <= head[1] <= 5):
        raise _pickle(path)
    if suffix in (".keras", ".npz", ".npy", ".h5"):
        raise Unreadable(say(f"{path} is no {suffix} file: it begins with {head[:4]!r}; it is damaged, or of another format",
                             f"{path} 不是 {suffix} 文件：它以 {head[:4]!r} 开头，可能已损坏，或是别的格式"))  # fmt: skip
    raise _foreign(path)


def _pickle(path: str) -> Unreadable:
    name = os.path.basename(path)
    new = os.path.splitext(name)[0] + ".safetensors"
    how = f"safetensors.torch.save_file(torch.load('{name}', weights_only=True), '{new}')"
    return Unreadable(say(f"{path} is a pickle, which may run any code and is never opened here; this converts it: {how}",
                          f"{path} 是 pickle 文件，打开时可以运行任意代码，这里从不打开；请先转换：{how}"))  # fmt: skip


def _foreign(path: str) -> Unreadable:
    return Unreadable(say(f"{path} is no checkpoint that can be read: .keras, .npz, .npy, .safetensors or .weights.h5",
                          f"{path} 不是能读取的模型文件：只接受 .keras、.npz、.npy、.safetensors 和 .weights.h5"))  # fmt: skip


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Whatever zipfile, zlib, NumPy and HDF5 raise of broken bytes, as one sentence."""
    try:
        yield
    except (Unreadable, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # no permission, a broken disk
            raise
        why = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable(say(f"{path} is damaged or cut short: {why}", f"{path} 已损坏或不完整：{why}")) from error


def _read(path: str, entry: Entry) -> np.ndarray:
    with _told(path):
        return entry.read()


def _open_archive(path: str, archive: zipfile.ZipFile, files: ExitStack) -> Source:
    names = archive.namelist()
    if any(name.endswith(("data.pkl", ".pickle")) for name in names):  # what torch.save writes
        raise _pickle(path)
    if "model.weights.h5" in names or "config.json" in names:
        from .keras_files import open_keras

        return open_keras(path, archive, files)
    if not names or not all(name.endswith(".npy") for name in names):
        raise _foreign(path)
    entries = []
    for info in archive.infolist():
        with archive.open(info) as file:
            entry = _npy(path, info.filename.removesuffix(".npy"), file, info.file_size)

        def read(info=info, entry=entry) -> np.ndarray:
            with archive.open(info) as file:
                return _npy(path, entry.name, file, info.file_size).read()

        entries.append(entry._replace(read=read))
    # numpy.savez calls what was passed without a name arr_0, arr_1, …: places, not names.
    named = {entry.name for entry in entries} != {f"arr_{place}" for place in range(len(entries))}
    if not named:
        entries.sort(key=lambda entry: int(entry.name.removeprefix("arr_")))
    return weights_only(path, named, entries, COUNTERS, files)


def member(path: str, archive: zipfile.ZipFile, name: str) -> bytes:
    """A file within an archive. ValueError where it is missing, or would be too large."""
    if name not in archive.namelist():
        raise Unreadable(say(f"{path} is no .keras file: it holds no {name}", f"{path} 不是 .keras 文件：里面没有 {name}"))
    if archive.getinfo(name).file_size > MAX_MEMBER:
        raise Unreadable(say(f"{path} is too large: its {name} has {archive.getinfo(name).file_size:,} bytes",
                             f"{path} 太大：其中的 {name} 有 {archive.getinfo(name).file_size:,} 字节"))  # fmt: skip
    return archive.read(name)


def _npy(path: str, name: str, file, size: int) -> Entry:
    """An array in NumPy's format whose header stands at the front of `file`, of `size` bytes; read from where that ends."""
    version = np.lib.format.read_magic(file)
    count = file.read(2 if version == (1, 0) else 4)
    if (header := int.from_bytes(count, "little")) > MAX_HEADER:
        raise ValueError(f"a header of {header} bytes")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(io.BytesIO(count + file.read(header)))
    start, length = file.tell(), math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise Unreadable(say(f"{path}: {name} holds Python objects, a pickle, which is never opened here: save numbers",
                             f"{path}：{name} 里是 Python 对象（pickle），这里从不打开：请只保存数值"))  # fmt: skip
    if dtype.name not in COUNTERS and dtype.kind != "f":
        raise refused(path, name, str(dtype))
    if start + length != size:
        what = f"{name} ({dtype}, {shape})"
        raise Unreadable(say(f"{path} is damaged: {what} needs {length} bytes, there are {size - start}",
                             f"{path} 已损坏：{what} 需要 {length} 字节，实有 {size - start}"))  # fmt: skip
    if length > MAX_MEMBER:
        raise Unreadable(say(f"{path} is too large: {name} has {length:,} bytes", f"{path} 太大：{name} 有 {length:,} 字节"))

    def read() -> np.ndarray:
        file.seek(start)
        numbers = np.frombuffer(file.read(length), dtype)
        return numbers.reshape(shape[::-1]).T if fortran else numbers.reshape(shape)

    return Entry(name, shape, dtype.name, read)
