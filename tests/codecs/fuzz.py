"""Payloads that no encoder wrote, each under a right checksum, and what decoding them may cost.

`made` builds them from the grammar, and the grammar is the decoder's own: it runs once on a `Making` reader, which makes up
every field at the moment it is asked for. Whatever a stage reads, in whatever order and however deep, is so made up and
written down; a stage that is added to the registry is reached without a line here. `damaged` changes fields of real payloads.
"""

import math
import random
import struct
import sys
import time
import tracemalloc
import warnings
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from table import sealed

import fedlab_utils as fl
from fedlab_utils.codecs import base, decode_mask, wire

MAX_WEIGHTS = 2**20
READERS = fl.decode, decode_mask
# What decoding may take: a declared weight, and whatever is declared: tables of 2**17 levels, four layouts of 65,536 arrays.
BYTES_A_WEIGHT, BYTES = 20, 24 * 2**20
SECONDS_A_WEIGHT, SECONDS = 2.5e-7, 0.05
NUMBERS = 0.0, -0.0, 1e-45, 1.0, -1.0, 0.1, 3.4e38, -3.4e38, math.inf, -math.inf, math.nan
EDGES = 0, 1, 2, 3, 127, 128, 255, 2**14, 2**17, 2**17 + 1, MAX_WEIGHTS - 1, MAX_WEIGHTS, MAX_WEIGHTS + 1, 2**31, 2**62


@contextmanager
def reading_with(reader: type[wire.Reader]):
    """Let `decode` and `decode_mask` read with another Reader."""
    with pytest.MonkeyPatch.context() as patch:
        for function in READERS:
            patch.setattr(sys.modules[function.__module__], "Reader", reader)
        yield


# Payloads made from the grammar


class Making(wire.Reader):
    """A reader without a message: it makes up what it is asked for, and `made` is the message that would have said so."""

    chance = random.Random(0)
    latest: "Making"

    def __init__(self, payload: bytes):
        self._data, self.made, self.counts_told, self.tags = memoryview(b""), bytearray(), [], []
        self.bold = self.chance.random() < 0.6  # lies in few fields only, so that it gets deep
        Making.latest = self

    def _fill(self, count: int) -> None:
        """Make up so many bytes, unless that many were never sent."""
        missing = count - len(self._data)
        if missing <= 0 or missing > 2**20 or self.chance.random() < 0.01:
            return
        kind = self.chance.random()
        if kind < 0.5:
            more = self.chance.randbytes(missing)
        elif kind < 0.8:
            more = bytes([self.chance.choice([0, 0, 0xFF, 0xFF, 0xAA, 0x01, 0x80])]) * missing
        else:  # few bits
            sparse = bytearray(missing)
            for _ in range(self.chance.randint(1, 1 + missing // 4)):
                sparse[self.chance.randrange(missing)] = 1 << self.chance.randrange(8)
            more = bytes(sparse)
        self._put(more)

    def _put(self, more: bytes) -> None:
        self.made += more
        self._data = memoryview(bytes(self._data) + more)

    def _cut(self) -> None:
        """Forget what was only looked at."""
        if len(self._data):
            del self.made[len(self.made) - len(self._data) :]
            self._data = memoryview(b"")

    def peek(self, count: int) -> memoryview:
        if count == 1 and not len(self._data):
            self._put(bytes([self._byte()]))
        self._fill(min(count, 2**18))
        return super().peek(count)

    def take(self, count: int) -> memoryview:
        self._fill(count)
        taken = super().take(count)
        self._cut()
        return taken

    def _byte(self) -> int:
        small = self.chance.choice([0, 1, 2, 3, self.chance.randrange(8), self.chance.randrange(32), 0x20, 0x21])
        form = self.chance.choice([0xFF, 0xFF, 0xFE, 0xFD, 0xFC, self.chance.randrange(256)])
        return small if self.chance.random() < (0.8 if self.bold else 0.5) else form

    def byte(self) -> int:
        if not len(self._data):
            is_tag = sys._getframe(1).f_code is base._decode_layer.__code__
            self._put(bytes([self._tag() if is_tag else self._byte()]))
        return super().byte()

    def _tag(self) -> int:
        if self.chance.random() < 0.01:
            return self.chance.randrange(256)
        stages = sorted(set(base._STAGES.values()), key=lambda stage: stage.__name__)
        if self.bold:  # one that is not around this layer already
            stages = [stage for stage in stages if stage not in [base._STAGES.get(tag) for tag in self.tags]] or stages
        stage = self.chance.choice(stages)
        self.tags.append(self.chance.choice(sorted(tag for tag, owner in base._STAGES.items() if owner is stage)))
        return self.tags[-1]

    def varint(self) -> int:
        self._cut()
        chance, told = self.chance, self.counts_told
        n = told[0] if told else 0
        if not told:  # n itself
            value = chance.choices(
                [chance.randrange(40), chance.randrange(3000), chance.randrange(2**16), chance.choice(EDGES)], [60, 30, 3, 2]
            )[0]
        elif chance.random() < (0.9 if self.bold else 0.4):
            within = chance.randrange(told[-1] + 1), chance.randrange(n + 1)
            value = chance.choice([0, 0, 1, 1, 2, n, chance.choice(told), *within])
        else:
            anything = chance.randrange(2 ** chance.randint(1, 40))
            value = chance.choice([n + 1, max(n - 1, 0), 2 * n, chance.choice(EDGES), anything])
        told.append(value)
        self._put(wire.varint(value))
        if chance.random() < 0.003:  # longer than it need be, or without end
            self._cut()
            self._put(b"\xff" * chance.randint(1, 10) + b"\0")
        value = 0
        for shift in range(0, 63, 7):
            byte = self._data[0]
            self._data = self._data[1:]
            value |= (byte & 127) << shift
            if byte < 128:
                self._cut()
                return value
        raise ValueError("damaged payload: a count has more than nine bytes")

    def float32(self) -> float:
        self._cut()
        bits = self.chance.randbytes(4) if self.chance.random() < 0.2 else None
        self._put(bits or struct.pack("<f", self.chance.choice(NUMBERS[:8] if self.bold else NUMBERS)))
        return super().float32()

    def finish(self) -> None:
        self._cut()


def made(chance: random.Random, function=fl.decode) -> tuple[bytes, list[int]]:
    """A payload for `decode` or `decode_mask`, and the tags in it, from outside in."""
    Making.chance = chance
    with reading_with(Making):
        try:
            function(b"", max_weights=MAX_WEIGHTS)
        except Exception:  # whatever it is, it comes again from the payload, where it is looked at
            pass
    making = Making.latest
    making._cut()
    extra = chance.randbytes(chance.randint(1, 3)) if chance.random() < 0.01 else b""
    return sealed(bytes(making.made) + extra), making.tags


# Real payloads, damaged


class Fields(wire.Reader):
    """A reader that writes down which bytes of the message were read as one field."""

    seen: list = []  # noqa: RUF012 — one list for all: it is emptied before each payload

    def take(self, count):
        start = len(self._whole) - len(self._data)
        Fields.seen.append((start, start + count))
        return super().take(count)

    def __init__(self, payload):
        super().__init__(payload)
        self._whole = self._data


def fields_of(payload: bytes, function=fl.decode) -> list[tuple[int, int]]:
    """(start, end) in the body of every field that is read, in its order."""
    Fields.seen.clear()
    with reading_with(Fields):
        function(payload)
    return sorted({(start, end) for start, end in Fields.seen if end > start})


def hostile_bytes(chance):
    """What a field is replaced by: a count at an edge, a number that is none, a tag, anything."""
    return chance.choice(
        [
            lambda: wire.varint(chance.choice(EDGES)),
            lambda: wire.varint(chance.randrange(2 ** chance.randint(1, 40))),
            lambda: struct.pack("<f", chance.choice(NUMBERS)),
            lambda: bytes([chance.choice([chance.choice(sorted(base._STAGES)), chance.randrange(256)])]),
            lambda: bytes([chance.choice([0, 1, 17, 31, 32, 33, 255])]),
            lambda: chance.randbytes(chance.randint(0, 9)),
            lambda: b"\xff" * chance.randint(1, 12),
            lambda: bytes(chance.randint(1, 40)),
        ]
    )()


def damaged(chance, corpus) -> tuple[bytes, list[str]]:
    """A damaged payload, and what was done to it. corpus: payloads with their fields."""
    payload, fields = chance.choice(corpus)
    body, done = bytearray(payload[1:-4]), []
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        kind = chance.choice(["field", "field", "field", "bits", "cut", "longer", "drop", "swap", "splice"])
        done.append(kind)
        # All fields are equally likely, so that of a long message the few bytes of its header are hit most often.
        start, end = chance.choice(fields) if fields else (0, len(body))
        if kind == "field":
            body[start:end] = hostile_bytes(chance)
        elif kind == "bits" and body:
            for _ in range(chance.randint(1, 3)):
                at = min(chance.randrange(start, max(end, start + 1)), len(body) - 1)
                body[at] ^= 1 << chance.randrange(8)
        elif kind == "cut":
            del body[chance.choice([start, end, chance.randint(0, len(body))]) :]
        elif kind == "longer":
            body += chance.choice([b"\0", b"\xff", chance.randbytes(chance.randint(1, 30)), bytes(body[start:end])])
        elif kind == "drop":
            del body[start:end]
        elif kind == "swap":
            body[start:end] = body[start:end][::-1]
        elif kind == "splice":
            other, others = chance.choice(corpus)
            at = chance.choice(others)[0] if others else 0
            body[start:] = other[1:-4][at:]
    if chance.random() < 0.1:  # the checksum as it was
        return bytes([wire.MAGIC]) + bytes(body) + payload[-4:], done
    return sealed(bytes(body)), done


# What decoding costs


def measured(payload: bytes, function=fl.decode):
    """What decoding says (the reason, or what is decoded), its CPU seconds and its peak of traced memory in bytes."""
    tracemalloc.reset_peak()
    before, start = tracemalloc.get_traced_memory()[0], time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = function(payload, max_weights=MAX_WEIGHTS)
        except ValueError as error:
            result = str(error)
    return result, time.process_time() - start, tracemalloc.get_traced_memory()[1] - before


def alone(payload: bytes, function) -> float:
    """CPU seconds that decoding takes by itself: not traced, which costs five times as much where objects are many; and the
    least of a few, for another process may have taken the caches."""
    tracemalloc.stop()
    seconds = []
    for _ in range(3):
        start = time.process_time()
        with suppress(ValueError):
            function(payload, max_weights=MAX_WEIGHTS)
        seconds.append(time.process_time() - start)
    tracemalloc.start()
    return min(seconds)


def declared(payload: bytes) -> int:
    """How many weights a payload declares, whatever else it says."""
    value = 0
    for position, byte in enumerate(payload[1:-4]):
        value |= (byte & 127) << 7 * position
        if byte < 128:
            return value
    return 0


def check(payload: bytes, function=fl.decode) -> bool:
    """Only ValueError with a reason, or a finite vector of the declared length; within the bounds. Whether it was accepted.

    Other exceptions and warnings are raised as they are, AssertionError says what is beyond its bounds.

    To be called while tracemalloc traces.
    """
    result, seconds, peak = measured(payload, function)
    n, shown = min(declared(payload), MAX_WEIGHTS), f"{function.__name__} of {payload[:80].hex()} ({len(payload)} bytes)"
    if seconds > (most := SECONDS + SECONDS_A_WEIGHT * n):
        seconds = alone(payload, function)
    assert seconds <= most, f"{seconds:.3f} s: {shown}"
    assert peak <= BYTES_A_WEIGHT * n + BYTES, f"{peak} bytes: {shown}"
    if isinstance(result, str):
        assert result, shown
        return False
    kind = bool if function is decode_mask else np.float32
    assert result.shape == (declared(payload),) and result.dtype == kind and np.isfinite(result).all(), shown
    return True
