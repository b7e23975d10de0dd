"""`decode` and `decode_mask` against bytes that know the format: made from the grammar, or real ones whose fields are changed.

Five thousand payloads; `make fuzz`, or FEDLAB_FUZZ in the environment, for 100,000 or as many as that. Each is drawn from the
number of its batch: what fails once fails again.
"""

import os
import random
import struct
import time
import tracemalloc
import warnings

import fuzz
import numpy as np
import pytest
from table import CODECS, sealed

import fedlab_utils as fl
from fedlab_utils.codecs import base, decode_mask, encode_mask, wire

CASES = int(os.environ.get("FEDLAB_FUZZ", "5000"))
BATCHES = 10
MAX_WEIGHTS = fuzz.MAX_WEIGHTS


def vectors():
    rng = np.random.default_rng(7)
    yield from (np.zeros(0), np.ones(1), np.zeros(30), rng.standard_normal(9), rng.standard_t(2, 70))
    clustered = np.zeros(3000)
    clustered[500:900] = rng.standard_normal(400)
    yield from (rng.standard_normal(1000), clustered)


def parts_of(codec, x):
    return np.array_split(x, 3) if codec.follows_layout else x


@pytest.fixture(scope="module")
def corpus():
    payloads = [codec.encode(parts_of(codec, x), np.random.default_rng(3)) for codec in CODECS for x in vectors()]
    return [(payload, fuzz.fields_of(payload)) for payload in payloads]


@pytest.fixture(scope="module")
def masks():
    payloads = [encode_mask([x != 0]) for x in vectors()]
    payloads += [encode_mask([np.random.default_rng(1).random(3000) < share]) for share in (0.001, 0.1, 0.5, 0.99)]
    return [(payload, fuzz.fields_of(payload, decode_mask)) for payload in payloads]


@pytest.fixture
def traced():
    for bits in range(1, 9):
        fl.decode(fl.LloydMax(bits).encode([1.0, -1.0]))  # the levels of a Gaussian are found once
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_fields_are_found(corpus):
    assert len(corpus) == 7 * len(CODECS) and all(fields for _, fields in corpus)
    assert corpus[0][1] == [(0, 1), (1, 2)]  # no weight as float32: n and a tag
    assert max(len(fields) for _, fields in corpus) > 12


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_payloads_do_no_harm(batch, corpus, masks, traced):
    chance, cases = random.Random(f"batch {batch}"), CASES // BATCHES * 4 // 10
    accepted, kinds = 0, set()
    for _ in range(cases):
        payload, done = fuzz.damaged(chance, corpus)
        kinds.update(done)
        accepted += fuzz.check(payload)
    # Damage that always fails at once tests nothing: some of it must get as far as a vector.
    assert 0.02 < accepted / cases < 0.6 and len(kinds) == 7
    for _ in range(cases // 4):
        fuzz.check(fuzz.damaged(chance, masks)[0], decode_mask)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_payloads_made_from_the_grammar_do_no_harm(batch, traced):
    chance, cases = random.Random(f"grammar {batch}"), CASES // BATCHES * 4 // 10
    accepted = sum(fuzz.check(fuzz.made(chance)[0]) for _ in range(cases))
    assert 0.02 < accepted / cases < 0.6
    accepted = sum(fuzz.check(fuzz.made(chance, decode_mask)[0], decode_mask) for _ in range(cases // 4))
    assert 0.02 < accepted / (cases // 4) < 0.8


def reached(cases, seed=0):
    """The stages that made payloads name, and those that are in one that is decoded; how deep these were nested."""
    chance, named, decoded, depth = random.Random(seed), set(), set(), 0
    for _ in range(cases):
        payload, tags = fuzz.made(chance)
        named.update(tags)
        try:
            fl.decode(payload, max_weights=MAX_WEIGHTS)
        except ValueError:
            continue
        decoded.update(base._STAGES[tag] for tag in tags)
        depth = max(depth, len(tags))
    return named, decoded, depth


def test_the_grammar_reaches_every_stage_and_every_tag():
    named, decoded, depth = reached(6000)
    assert named == set(base._STAGES)
    assert decoded == set(base._STAGES.values()) and depth >= 4


def test_a_stage_that_is_added_is_fuzzed_without_a_word(monkeypatch):
    """One that trusts a count, and one that divides by it."""
    monkeypatch.setattr(base, "_STAGES", dict(base._STAGES))

    class Trusting(fl.Codec):
        tags = (0xEE,)

        @classmethod
        def read(cls, reader, tag, n, inner):
            return inner(n // reader.varint())[:n]

    chance = random.Random(0)
    tracemalloc.start()
    try:
        with pytest.raises((AssertionError, ZeroDivisionError)):
            for _ in range(2000):
                fuzz.check(fuzz.made(chance)[0])
    finally:
        tracemalloc.stop()


def test_a_decoder_that_warns_or_fails_or_takes_too_much_is_noticed(monkeypatch, traced):
    payload = fl.Sign().encode(np.ones(1000))
    assert fuzz.check(payload)
    ones = np.ones(1000, np.float32)

    def told(*_):
        raise ValueError

    def slow(*_):
        end = time.process_time() + 0.06
        while time.process_time() < end:
            pass
        return ones

    for wrong, error in (
        (lambda *_: 1 / 0, ZeroDivisionError),
        (lambda *_: warnings.warn("overflow", RuntimeWarning, stacklevel=1) or ones, RuntimeWarning),
        (told, AssertionError),  # no reason
        (lambda *_: ones * np.float32(np.nan), AssertionError),
        (lambda *_: ones[1:], AssertionError),
        (lambda *_: np.ones(1000), AssertionError),
        (lambda *_: ones * np.ones(2**23, np.float32)[0], AssertionError),
        (slow, AssertionError),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(fl.Sign, "read", lambda reader, *_, wrong=wrong: (reader.take(129), wrong())[1])
            with pytest.raises(error):
                fuzz.check(payload)


# The costliest that we know of

SEED, ONE, VALUES = b"\x01\x02\x03", struct.pack("<f", 1), b"\0\0"
NOTHING = b"\xff\x00" + wire.varint(2) * 2 + b"\x00\x00" + b"\x00\x80" + b"\x00"  # levels by an empty entropy code
INSIDE = {
    "constant": lambda n: b"\x40" + ONE,
    "floats": lambda n: b"\x00" + bytes(4 * n),
    "halves": lambda n: b"\x02" + bytes(2 * n),
    "coded levels": lambda n: b"\x41" + ONE + NOTHING + VALUES,
    "packed levels": lambda n: b"\x41" + ONE + b"\x11" + bytes(wire.packed_bytes(n, 17)) + VALUES,
    "packed by three": lambda n: b"\x12" + ONE * 2 + bytes(wire.packed_bytes(n, 3)),
    "coded range": lambda n: b"\x37" + ONE * 2 + NOTHING,
    "Gaussian levels": lambda n: b"\x60" + ONE + bytes(wire.packed_bytes(n, 1)),
    "coded Gaussian levels": lambda n: b"\x6f" + ONE + NOTHING,
    "QSGD": lambda n: b"\x70\x04" + ONE + NOTHING,
    "signs": lambda n: b"\x50" + ONE + bytes(wire.packed_bytes(n, 1)),
}


def rice(n, k):
    return b"\x20" + wire.varint(k) + b"\x00" + b"\xff" * (-(-n // 8))


AROUND = {
    "alone": lambda n: (b"", n),
    "all kept": lambda n: (b"\x20" + wire.varint(n), n),
    "all but one kept": lambda n: (rice(n, n - 1), n - 1),
    "half kept by a bitmap": lambda n: (b"\x21" + wire.varint(n // 2) + b"\xaa" * (n // 8), n // 2),
    "all but one by a model": lambda n: (b"\x23" + wire.varint(n - 1) + NOTHING, n - 1),
    "all but one drawn": lambda n: (b"\x90" + SEED + wire.varint(n - 1), n - 1),
    "half drawn": lambda n: (b"\x90" + SEED + wire.varint(n // 2), n // 2),
    "rotated": lambda n: (b"\x81" + SEED, n),
    "rotated and padded": lambda n: (b"\x80" + SEED, 1 << (n - 1).bit_length()),
    "kept, drawn, rotated": lambda n: (rice(n, n - 1) + b"\x90" + SEED + wire.varint(n - 2) + b"\x81" + SEED, n - 2),
}


def costly(around, inside, n):
    before, left = AROUND[around](n)
    return sealed(wire.varint(n) + before + INSIDE[inside](left))


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("around", AROUND)
def test_the_costliest_layers_stay_within_the_bounds(around, inside, traced):
    """Of two lengths, so that what is taken whatever is declared drops out: no decoder takes 20 bytes a weight."""
    few, many = (2**16 + 1, 2**18 + 1) if around == "rotated and padded" else (2**16, 2**18)
    peaks = []
    for n in (few, many):
        payload = costly(around, inside, n)
        assert fuzz.check(payload), fuzz.measured(payload)[0]
        peaks.append(fuzz.measured(payload)[2])
    assert (peaks[1] - peaks[0]) / (many - few) <= fuzz.BYTES_A_WEIGHT


@pytest.mark.parametrize("form", [0, 1, 2, 3])
def test_the_costliest_masks_stay_within_the_bounds(form, traced):
    peaks, lengths = [], (2**16, 2**18)
    for n in lengths:
        code = [b"\x00" + b"\xff" * (n // 8), b"\x7f" + b"\xff" * (n // 8 - 1), b"\x01\x00", NOTHING][form]
        payload = sealed(wire.varint(n) + wire.varint(n - 1) + bytes([form]) + code)
        assert fuzz.check(payload, decode_mask), fuzz.measured(payload, decode_mask)[0]
        peaks.append(fuzz.measured(payload, decode_mask)[2])
    assert (peaks[1] - peaks[0]) / (lengths[1] - lengths[0]) <= fuzz.BYTES_A_WEIGHT


def by_context(tables, far):
    """Levels by contexts, of so many tables whose neighbours are so many rows away, by an empty code."""
    return b"\x41" + ONE + b"\xfd\x00\x94" + (b"\x01" + wire.varint(far * 5 + 2) + b"\x00") * tables + b"\x00" + VALUES


def tiles(rows, columns):
    return -(-rows // (2**18 // min(columns, 4096))) * -(-columns // 4096)


def matrix(n, columns):
    shape = n // columns, columns
    return b"\xa0\x01\x02" + wire.varint(shape[0]) + wire.varint(columns) + by_context(tiles(*shape), 3)


CONTEXTS = {
    "a vector": lambda n: by_context(tiles(n // 64, 64), 0),
    "two columns": lambda n: matrix(n, 2),
    "64 columns": lambda n: matrix(n, 64),
    "four rows": lambda n: matrix(n, n // 4),
    "blocks": lambda n: b"\xc0" + wire.varint(n >> 14) + by_context(tiles(n // 64, 64), 0),
    "256 matrices and a vector": lambda n: (
        b"\xa0" + wire.varint(257) + (b"\x02\x10\x10") * 256 + b"\x01" + wire.varint(n - 2**16)
        + by_context(256, 3)[:-3] + by_context(tiles(n // 64 - 1024, 64), 0)[8:]
    ),
    "a padded rotation": lambda n: b"\x80" + SEED + by_context(n >> 17, 0),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTEXTS)
def test_contexts_take_no_more_memory_a_weight_however_many_there_are(name, traced):
    """Of two lengths, several tables of the largest kind in each."""
    peaks, lengths = [], [2**18 + 64, 2**19 + 64] if name == "a padded rotation" else [2**18, 2**20]
    for n in lengths:
        payload = sealed(wire.varint(n) + CONTEXTS[name](n))
        result, _, peak = fuzz.measured(payload)
        assert not isinstance(result, str), result
        peaks.append(peak)
        assert fuzz.alone(payload, fl.decode) < fuzz.SECONDS + 1e-6 * n  # as long as real levels take
    assert (peaks[1] - peaks[0]) / (lengths[1] - lengths[0]) <= fuzz.BYTES_A_WEIGHT
    assert peaks[1] <= fuzz.BYTES_A_WEIGHT * lengths[1] + fuzz.BYTES


@pytest.mark.parametrize("depth", [1, 5, 30])
def test_a_message_within_a_message_within_a_message_ends(depth, traced):
    for tag in sorted(base._STAGES):
        fuzz.check(sealed(b"\x40" + bytes([tag]) * depth + b"\0" * 40))
