"""Damaged and hostile bytes: every damage is noticed, and no bytes hurt the receiver."""

import math
import random
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table import CODECS, gaussian, rng, sealed

import fedlab_utils as fl
from fedlab_utils.codecs import decode_mask
from fedlab_utils.codecs import wire as coding

MAX_WEIGHTS = 2**20
SMALL = [codec.encode(gaussian(24), rng()) for codec in CODECS]


@pytest.mark.parametrize("payload", SMALL, ids=map(repr, CODECS))
def test_every_flipped_bit_is_noticed(payload):
    for bit in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="damaged payload"):
            fl.decode(bytes(damaged))


@pytest.mark.parametrize("payload", SMALL, ids=map(repr, CODECS))
def test_every_truncation_and_every_extension_is_noticed(payload):
    for length in range(len(payload)):
        with pytest.raises(ValueError, match="damaged payload"):
            fl.decode(payload[:length])
        with pytest.raises(ValueError, match="damaged payload"):
            fl.decode(payload[len(payload) - length :])
    for extra in (b"\0", b"\xff" * 9, payload):
        with pytest.raises(ValueError, match="damaged payload"):
            fl.decode(payload + extra)
        with pytest.raises(ValueError, match="bytes too many"):
            fl.decode(sealed(payload[1:-4] + extra))


def leb128(body):
    value = 0
    for position, byte in enumerate(body):
        value |= (byte & 127) << 7 * position
        if byte < 128:
            return value
    raise AssertionError("a message without a length was accepted")


def check_hostile(body):
    """Only ValueError, or a finite vector of the length that the message declares; in little time and memory."""
    tracemalloc.start()
    start = time.process_time()
    try:
        decoded = fl.decode(sealed(body), max_weights=MAX_WEIGHTS)
    except ValueError as error:
        assert str(error)
    else:
        assert decoded.shape == (leb128(body),) and decoded.dtype == np.float32 and np.isfinite(decoded).all()
    finally:
        seconds, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert seconds < 5
    assert peak < 80 * MAX_WEIGHTS


# Made-up messages

large = [255, 2**16, MAX_WEIGHTS - 1, MAX_WEIGHTS, MAX_WEIGHTS + 1, 2**31, 2**62]


counts = st.integers(0, 99) | st.sampled_from(large)


tags = st.sampled_from([0x00, 0x10, 0x17, 0x1F, 0x20]) | st.integers(0, 255)


float_bytes = st.sampled_from([0.0, 1.0, -1.0, 3.4e38, -3.4e38, math.inf, math.nan]).map(lambda v: struct.pack("<f", v))


pieces = st.one_of(
    counts.map(coding.varint),
    tags.map(lambda tag: bytes([tag])),
    st.tuples(tags, counts).map(lambda layer: bytes([layer[0]]) + coding.varint(layer[1])),
    float_bytes,
    st.binary(max_size=12),
    st.integers(0, 40).map(lambda n: b"\xff" * n),
)


@settings(max_examples=400)
@given(n=counts, body=st.lists(pieces, max_size=12))
def test_made_up_messages_do_no_harm(n, body):
    check_hostile(coding.varint(n) + b"".join(body))


@settings(max_examples=400)
@given(payload=st.sampled_from(SMALL), seed=st.integers(0, 2**32))
def test_mutated_messages_with_a_right_checksum_do_no_harm(payload, seed):
    chance = random.Random(seed)
    body = bytearray(payload[1:-4])
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(1 + min(len(body), chance.choice([16, 16, len(body)])))  # mostly in the header
        byte = bytes([chance.randrange(256)])
        piece = chance.choice([byte, b"\0", b"\xff\xff\xff\x7f", coding.varint(MAX_WEIGHTS), body[:at]])
        body[at : at + chance.randint(0, 4)] = piece
    check_hostile(bytes(body))


@pytest.mark.parametrize("depth", range(10))
def test_nested_full_supports_do_no_harm(depth):
    """A few bytes that ask for the most memory we know of: full supports within each other."""
    full = b"\x20" + coding.varint(MAX_WEIGHTS)
    check_hostile(coding.varint(MAX_WEIGHTS) + full * depth + b"\x20\x00\x00" + b"\x00")


@pytest.mark.parametrize("n", [MAX_WEIGHTS + 1, 2**40, 2**62])
def test_too_many_weights_are_refused_before_any_memory_is_taken(n):
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"declares {n} weights, more than max_weights={MAX_WEIGHTS}"):
        fl.decode(sealed(coding.varint(n) + b"\x00" + bytes(100)), max_weights=MAX_WEIGHTS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_sixteen_million_weights_are_the_most_unless_more_are_asked_for():
    most = 2**24
    constant = b"\x40" + struct.pack("<f", 1)
    assert fl.decode(sealed(coding.varint(most) + constant)).size == most
    more = sealed(coding.varint(most + 1) + constant)
    with pytest.raises(ValueError, match="declares 16777217 weights, more than max_weights=16777216"):
        fl.decode(more)
    assert fl.decode(more, max_weights=most + 1).size == most + 1
    mask = sealed(coding.varint(most + 1) + b"\0\0")
    with pytest.raises(ValueError, match=r"0 of 16777217 weights, more .* max_weights=16777216"):
        decode_mask(mask)
    assert decode_mask(mask, max_weights=most + 1).size == most + 1


def test_max_weights_itself_is_allowed():
    payload = fl.Identity().encode(np.ones(10))
    assert fl.decode(payload, max_weights=10).size == 10
    with pytest.raises(ValueError, match="more than max_weights=9"):
        fl.decode(payload, max_weights=9)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x01\x00" + struct.pack("<f", math.nan), "NaN or infinity"),
        (b"\x01\x00" + struct.pack("<f", -math.inf), "NaN or infinity"),
        (b"\x01\x10" + struct.pack("<ff", 0, math.inf) + b"\0", "NaN or infinity"),
        (b"\x01\x10" + struct.pack("<ff", 1, 0) + b"\0", "range of the levels is 1 … 0"),
        (b"\x01\xf0", "tag 0xf0"),
        (b"\x01\x2f\x01\x00", "tag 0x2f"),
        (b"\x01\x20\x02", "support of 2 in 1 weights"),
        (b"\x02\x20\x01\x20", "Rice parameter 32"),
        (b"\x02\x20\x01\x00\x20", "an index of the support is 2, beyond 1"),
        (b"\x02\x20\x01\x00", "ends after 0 of 1"),
        (b"\xff" * 12, "more than nine bytes"),
        (b"", "1 bytes expected, 0 left"),
    ],
)
def test_the_reason_is_told(body, message):
    with pytest.raises(ValueError, match=message):
        fl.decode(sealed(body))


LIES = {
    "more counts of a model than bytes": (
        b"\x64\x41" + struct.pack("<f", 1) + b"\xff\x00" + coding.varint(2**17) * 2 + b"\x00\x00" + b"\x00" * 9,
        "Rice code ends after 0 of 131071 numbers",
    ),
    "more low bits of a model than bytes": (
        b"\x64\x41" + struct.pack("<f", 1) + b"\xff\x00" + coding.varint(2**17) * 2 + b"\x00\x00" + b"\x05" * 9,
        "81920 bytes expected, 8 left",
    ),
    "more levels used than there are": (
        b"\x64\x41" + struct.pack("<f", 1) + b"\xff\x00\x05\x04" + b"\x00" * 9,
        "5 levels used of 4",
    ),
    "a code that is longer than the message": (
        b"\x64\x41" + struct.pack("<f", 1) + b"\xff\x00\x02\x02\x00\x00\x00\x80" + coding.varint(2**30) + b"\x01",
        "1073741824 bytes expected, 1 left",
    ),
    "more arrays than weights": (b"\x02\xa0\x03\x01\x01\x01\x01\x01\x01\xb0" + bytes(25), "arrays of 3 weights, a vector of 2"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_in_a_count_is_told_in_a_sentence_and_takes_no_memory(lie):
    body, reason = LIES[lie]
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"^damaged payload: {reason}$"):
        fl.decode(sealed(body))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20  # a table of 2**17 levels


@pytest.mark.parametrize("codec", CODECS, ids=repr)
def test_nan_in_one_array_is_named_by_its_array_and_place(codec):
    arrays = [np.ones((2, 3)), np.zeros(0), np.arange(6.0).reshape(2, 3)]
    arrays[2][1, 0] = math.nan
    with pytest.raises(ValueError, match=r"^x\[2\] must be finite, but x\[2\]\[\(1, 0\)\] is nan"):
        codec.encode(arrays, rng())
