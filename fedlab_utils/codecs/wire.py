"""Bits to bytes: bit packing, counts, and the envelope with its checksum (document, sections 3.1.1.1 step 3, 3.1.2.1 step 3)."""

from __future__ import annotations

import zlib
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import numpy as np

from ..language import say
from ..layout import Layout
from ..validation import require_integer

MAX_BITS = 32
BLOCK = 2**15  # numbers that are worked on at a time, so that what is held of them for a moment stays small
Integers = TypeVar("Integers", int, np.ndarray)

FORMAT = 1  # version of the format; what would make an older payload unreadable needs the next
MAGIC = 0xF0 | FORMAT  # first byte of every payload: our mark in its high half, the version in its low half
CHECKSUM_BYTES = 4
_NOT_NOTED = nullcontext()


def packed_bytes(count: int, bits: int) -> int:
    """Bytes that `pack_bits` makes of `count` levels of `bits` bits: the whole bytes, plus the last few bits' bytes."""
    return count * (bits // 8) + (count * (bits % 8) + 7) // 8


def pack_bits(levels: np.ndarray, bits: int) -> bytes:
    """Pack unsigned integers of `bits` bits each, without a gap: n levels become `packed_bytes(n, bits)` bytes.

    levels: unsigned integers [n], each below 2**bits (ValueError otherwise). bits: 1 … 32.
    More than eight bits are split: first the high bits of all levels, then the low bytes of all.
    """
    bits = require_integer("bits", bits, 1, MAX_BITS)
    levels = np.asarray(levels).ravel()
    if levels.size and levels.dtype.kind not in "iu":
        raise TypeError(say(f"levels must be integers, got dtype {levels.dtype}", f"levels 应为整数，收到的是 {levels.dtype}"))
    if levels.size and (levels.min() < 0 or int(levels.max()) >> bits):
        raise ValueError(say(
            f"levels must be in 0 … {2**bits - 1} to fit {bits} bits, got {levels.min()} … {levels.max()}",
            f"levels 用 {bits} 位装，应在 0 … {2**bits - 1} 之间，收到的是 {levels.min()} … {levels.max()}"))  # fmt: skip
    return _pack(levels.astype(np.uint32, copy=False), bits)


def _pack(levels: np.ndarray, bits: int) -> bytes:
    if bits > 8:
        return _pack(levels >> 8, bits - 8) + (levels & 255).astype(np.uint8).tobytes()
    if bits == 8:
        return levels.astype(np.uint8).tobytes()
    # Eight levels of b bits are b whole bytes: gather them in one 64-bit word and keep its last b bytes.
    out = bytearray(-(-levels.size // 8) * bits)
    for start in range(0, levels.size, BLOCK):
        part = levels[start : start + BLOCK]
        if part.size % 8:
            part = np.concatenate([part, np.zeros(-part.size % 8, part.dtype)])
        groups = part.reshape(-1, 8)
        word = groups[:, 0].astype(np.uint64)
        for column in range(1, 8):
            word <<= np.uint64(bits)
            word |= groups[:, column]
        tail = word.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - bits :]
        out[start // 8 * bits : start // 8 * bits + tail.size] = tail.tobytes()
    return bytes(out[: packed_bytes(levels.size, bits)])


def unpack_bits(data: bytes | memoryview, bits: int, count: int) -> np.ndarray:
    """The inverse of `pack_bits`: uint32 [count]. ValueError unless `data` holds exactly `packed_bytes(count, bits)`."""
    bits = require_integer("bits", bits, 1, MAX_BITS)
    count = require_integer("count", count, 0)
    if len(data) != packed_bytes(count, bits):
        needed = packed_bytes(count, bits)
        raise ValueError(say(f"{count} levels of {bits} bits need {needed} bytes, got {len(data)}",
                             f"{count} 个 {bits} 位的量化级需要 {needed} 字节，收到 {len(data)} 字节"))  # fmt: skip
    return _unpack(memoryview(data), bits, count)


def _unpack(data: memoryview, bits: int, count: int) -> np.ndarray:
    if bits > 8:
        levels = _unpack(data[: len(data) - count], bits - 8, count)
        levels <<= 8
        levels |= np.frombuffer(data[len(data) - count :], np.uint8)
        return levels
    if bits == 8:
        return np.frombuffer(data, np.uint8).astype(np.uint32)
    levels = np.empty(count, np.uint32)
    shifts = np.arange(7, -1, -1, dtype=np.uint64) * np.uint64(bits)
    for start in range(0, count, BLOCK):
        part = levels[start : start + BLOCK]
        bytes_of = np.frombuffer(data[start // 8 * bits :][: packed_bytes(part.size, bits)], np.uint8)
        words = np.zeros((-(-part.size // 8), 8), np.uint8)
        tail = np.zeros(words.shape[0] * bits, np.uint8)
        tail[: bytes_of.size] = bytes_of
        words[:, 8 - bits :] = tail.reshape(-1, bits)
        word = words.view(">u8").astype(np.uint64)  # [n_groups, 1]
        part[:] = ((word >> shifts) & np.uint64(2**bits - 1)).ravel()[: part.size]
    return levels


def look_up(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """values[levels], without the copy of all levels as 64-bit integers that NumPy would make of narrower ones."""
    found = np.empty(levels.size, values.dtype)
    for start in range(0, levels.size, BLOCK):
        found[start : start + BLOCK] = values[levels[start : start + BLOCK]]
    return found


def varint(value: int) -> bytes:
    """A count in as few bytes as it needs (LEB128: seven bits a byte, the eighth says that more follow)."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def seal(body: bytes) -> bytes:
    """Close a message: MAGIC, `body`, and the CRC-32 of both."""
    message = bytes([MAGIC]) + body
    return message + zlib.crc32(message).to_bytes(CHECKSUM_BYTES, "little")


def zigzag(values: Integers) -> Integers:
    """Signed integers as unsigned ones, small as they were: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return (values << 1) ^ (values >> 63)


def unzigzag(values: Integers) -> Integers:
    """The inverse of `zigzag`."""
    return (values >> 1) ^ -(values & 1)


class Reader:
    """Reads a sealed message from front to back. Every method raises ValueError where the bytes do not suffice."""

    layout: Layout | None = None  # of the layer that is read: of what arrays its weights are, where that is known
    agreed: Layout | None = None  # of the whole vector, known before the payload came

    def __init__(self, payload: bytes):
        view = memoryview(payload).cast("B")
        if len(view) < 1 + CHECKSUM_BYTES:
            raise ValueError(f"damaged payload: {len(view)} bytes are fewer than any message has")
        if view[0] >> 4 != MAGIC >> 4:
            raise ValueError(f"damaged payload: it begins with 0x{view[0]:02x}, ours with 0x{MAGIC:02x}")
        self._data, checksum = view[1:-CHECKSUM_BYTES], int.from_bytes(view[-CHECKSUM_BYTES:], "little")
        if zlib.crc32(view[:-CHECKSUM_BYTES]) != checksum:
            raise ValueError("damaged payload: the checksum (CRC-32) does not match")
        if view[0] != MAGIC:  # every version has this envelope, so that damage is told from a version that we cannot read
            raise ValueError(say(
                f"the payload is of format version {view[0] & 15}, this fedlab_utils reads version {FORMAT}: "
                "use the same version of fedlab_utils on both sides",
                f"消息的格式版本是 {view[0] & 15}，这里的 fedlab_utils 读的是版本 {FORMAT}：请双方使用同一版本的 fedlab_utils",
            ))  # fmt: skip

    def part(self, what: str | type) -> AbstractContextManager[None]:
        """What is read within it is `what` (a class: a layer of that stage), for who takes a message apart: see `anatomy`."""
        return _NOT_NOTED

    def peek(self, count: int) -> memoryview:
        """The next `count` bytes, or as many as are left, without moving on."""
        return self._data[:count]

    def take(self, count: int) -> memoryview:
        """The next `count` bytes."""
        if count > len(self._data):
            raise ValueError(f"damaged payload: {count} bytes expected, {len(self._data)} left")
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 63, 7):
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("damaged payload: a count has more than nine bytes")

    def float32(self) -> float:
        """The next four bytes as a float32; NaN and infinity are damage."""
        return float(finite(np.frombuffer(self.take(4), "<f4"))[0])

    def bfloat16(self) -> float:
        """The next two bytes as the upper half of a float32; NaN and infinity are damage."""
        return float(finite(np.frombuffer(b"\0\0" + self.take(2), "<f4"))[0])

    def float32s(self, count: int) -> np.ndarray:
        """The next `count` float32: float32 [count]; NaN and infinity are damage."""
        with self.part("values"):
            return finite(np.frombuffer(self.take(4 * count), "<f4").astype(np.float32))

    def require_layout(self, what: str) -> Layout:
        """The layout of the layer; ValueError where none was told, though `what` was."""
        if self.layout is None:
            raise ValueError(f"damaged payload: {what}, but no arrays")
        return self.layout

    def finish(self) -> None:
        """ValueError unless every byte has been read."""
        if len(self._data):
            raise ValueError(f"damaged payload: {len(self._data)} bytes too many")


def finite(values: np.ndarray) -> np.ndarray:
    """`values`, or ValueError for NaN and infinity."""
    if not np.isfinite(values).all():
        raise ValueError("damaged payload: it holds NaN or infinity")
    return values
