"""`decode` against damage that knows the format: fields, not only bits, are changed, and the checksum is made right again.

Five thousand damaged payloads; FEDLAB_FUZZ=100000 in the environment for as many as that.
"""

import math
import os
import random
import struct
import time
import tracemalloc

import numpy as np
import pytest
from table import CODECS, sealed

import fedlab_utils as fl
from fedlab_utils.codecs import base
from fedlab_utils.codecs import wire as coding

CASES = int(os.environ.get("FEDLAB_FUZZ", "5000"))
BATCHES = 10
MAX_WEIGHTS = 2**20
TAGS = sorted(base._STAGES)
SECONDS, BYTES = 0.050, 64 * 2**20


class Fields(coding.Reader):
    """A reader that writes down which bytes of the message were read as one field."""

    seen: list = []  # noqa: RUF012 — one list for all: it is emptied before each payload

    def take(self, count):
        start = len(self._whole) - len(self._data)
        Fields.seen.append((start, start + count))
        return super().take(count)

    def __init__(self, payload):
        super().__init__(payload)
        self._whole = self._data


def fields_of(payload, monkeypatch):
    """(start, end) in the body of every field that `decode` reads, in its order."""
    Fields.seen.clear()
    with monkeypatch.context() as patch:
        patch.setattr("fedlab_utils.codecs.base.Reader", Fields)
        fl.decode(payload)
    return sorted({(start, end) for start, end in Fields.seen if end > start})


def vectors():
    rng = np.random.default_rng(7)
    yield from (np.zeros(0), np.ones(1), np.zeros(30), rng.standard_normal(9), rng.standard_t(2, 70))
    clustered = np.zeros(3000)
    clustered[500:900] = rng.standard_normal(400)
    yield from (rng.standard_normal(1000), clustered)


@pytest.fixture(scope="module")
def corpus():
    patch = pytest.MonkeyPatch()
    payloads = [codec.encode(x, np.random.default_rng(3)) for codec in CODECS for x in vectors()]
    yield [(payload, fields_of(payload, patch)) for payload in payloads]
    patch.undo()


def hostile_bytes(chance):
    """What a field is replaced by: a count at an edge, a number that is none, a tag, anything."""
    counts = [0, 1, 2, 127, 128, 255, 2**14, 2**17, 2**17 + 1, MAX_WEIGHTS - 1, MAX_WEIGHTS, MAX_WEIGHTS + 1, 2**31, 2**62]
    numbers = [0.0, -0.0, 1e-45, 1.0, -1.0, 3.4e38, -3.4e38, math.inf, -math.inf, math.nan]
    return chance.choice(
        [
            lambda: coding.varint(chance.choice(counts)),
            lambda: coding.varint(chance.randrange(2 ** chance.randint(1, 40))),
            lambda: struct.pack("<f", chance.choice(numbers)),
            lambda: bytes([chance.choice([chance.choice(TAGS), chance.randrange(256)])]),
            lambda: bytes([chance.choice([0, 1, 17, 31, 32, 33, 255])]),
            lambda: chance.randbytes(chance.randint(0, 9)),
            lambda: b"\xff" * chance.randint(1, 12),
            lambda: bytes(chance.randint(1, 40)),
        ]
    )()


def damage(chance, corpus):
    """A damaged payload, and what was done to it."""
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
        return bytes([coding.MAGIC]) + bytes(body) + payload[-4:], done
    return sealed(bytes(body)), done


def decode_measured(payload):
    """What decode says, its CPU seconds and its peak of traced memory in bytes."""
    tracemalloc.reset_peak()
    before, start = tracemalloc.get_traced_memory()[0], time.process_time()
    try:
        result = fl.decode(payload, max_weights=MAX_WEIGHTS)
    except ValueError as error:
        result = str(error)
    return result, time.process_time() - start, tracemalloc.get_traced_memory()[1] - before


def declared(payload):
    value = 0
    for position, byte in enumerate(payload[1:]):
        value |= (byte & 127) << 7 * position
        if byte < 128:
            return value
    raise AssertionError("a message without a length was accepted")


def check(payload):
    """Only ValueError or a finite vector of the declared length, within the bounds; returns whether it was accepted."""
    result, seconds, peak = decode_measured(payload)
    if seconds > SECONDS:  # another process may have taken the caches: what the decoder itself needs is the least of a few
        seconds = min(seconds, *(decode_measured(payload)[1] for _ in range(4)))
    assert seconds <= SECONDS, payload[:60].hex()
    assert peak <= BYTES, payload[:60].hex()
    if isinstance(result, str):
        assert result
        return False
    assert result.shape == (declared(payload),) and result.dtype == np.float32 and np.isfinite(result).all()
    return True


def test_fields_are_found(corpus):
    assert len(corpus) == 7 * len(CODECS) and all(fields for _, fields in corpus)
    assert corpus[0][1] == [(0, 1), (1, 2)]  # no weight as float32: n and a tag
    assert max(len(fields) for _, fields in corpus) > 12


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_payloads_do_no_harm(batch, corpus):
    for bits in range(1, 9):
        fl.decode(fl.LloydMax(bits).encode([1.0, -1.0]))  # the levels of a Gaussian are found once
    chance = random.Random(f"batch {batch}")
    accepted, kinds = 0, set()
    tracemalloc.start()
    try:
        for _ in range(CASES // BATCHES):
            payload, done = damage(chance, corpus)
            kinds.update(done)
            accepted += check(payload)
    finally:
        tracemalloc.stop()
    # Damage that always fails at once tests nothing: some of it must get as far as a vector.
    assert 0.02 < accepted / (CASES // BATCHES) < 0.6 and len(kinds) == 7


def costly_messages():
    """The few bytes that ask for the most work we know of, each layer by itself, at MAX_WEIGHTS."""
    n = coding.varint(MAX_WEIGHTS)
    seed, one = b"\x01\x02\x03", struct.pack("<f", 1)
    nothing = b"\xff\x00" + coding.varint(2) * 2 + b"\x00\x00" + b"\x00\x80" + b"\x00"  # levels by an empty entropy code
    yield "full support within", n + b"\x20" + n + b"\x40" + one
    yield "rotation of a constant", n + b"\x80" + seed + b"\x40" + one
    yield "one of all drawn", n + b"\x90" + seed + coding.varint(1) + b"\x40" + one
    yield "half of all drawn", n + b"\x90" + seed + coding.varint(MAX_WEIGHTS // 2) + b"\x40" + one
    yield "empty entropy code", n + b"\x41" + one + nothing + b"\0\0"
    yield "coded levels", n + b"\x6f" + one + nothing
    yield "rotated empty code", n + b"\x80" + seed + b"\x6f" + one + nothing
    yield "rice support of ones", n + b"\x20" + coding.varint(2**19) + b"\x00" + b"\xff" * 2**16 + b"\x40" + one
    yield "bitmap", n + b"\x21" + coding.varint(2**19) + b"\xaa" * 2**17 + b"\x40" + one


@pytest.mark.parametrize(("name", "body"), list(costly_messages()), ids=lambda value: value if isinstance(value, str) else "")
def test_the_costliest_layers_stay_within_the_bounds(name, body):
    tracemalloc.start()
    try:
        assert check(sealed(body)), decode_measured(sealed(body))[0]
    finally:
        tracemalloc.stop()
