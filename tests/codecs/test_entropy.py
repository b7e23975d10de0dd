"""Entropy coding: the library and the loop write the same bytes, near the entropy, and nothing hurts the decoder."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table import N_DOCUMENT, read, rng

import fedlab_utils as fl
from fedlab_utils.codecs import ans, pack_bits, seal, varint
from fedlab_utils.codecs.ans import PRECISION, ans_decode, ans_encode, normalize
from fedlab_utils.codecs.entropy import decode_levels, encode_levels


def entropy_bits(levels):
    counts = np.unique(levels, return_counts=True)[1]
    return float(counts @ np.log2(counts.sum() / counts))


@pytest.fixture
def without_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "constriction", None)  # as if it were not installed
    assert ans._constriction() is None


@given(st.lists(st.integers(1, 2**36), min_size=1, max_size=300))
def test_frequencies_add_up_and_none_is_zero(weights):
    frequencies = normalize(np.array(weights, np.int64))
    assert frequencies.sum() == 2**PRECISION and frequencies.min() >= 1
    shares = np.array(weights) / sum(weights)
    assert np.abs(frequencies / 2**PRECISION - shares).max() <= 2 * len(weights) / 2**PRECISION


def test_ans_by_hand():
    """Two symbols of frequency 1/2: the code is the symbols' bits, a one on top. Read off the definition (Duda 2013)."""
    half = np.array([2**23, 2**23])
    # From an empty state each symbol s takes the state x to (x // 2^23) 2^24 + x mod 2^23 + s 2^23.
    state = 0
    for symbol in (1, 1, 0, 1):
        state = (state // 2**23 << 24) + state % 2**23 + symbol * 2**23
    length = (state.bit_length() + 7) // 8
    expected = varint(length) + state.to_bytes(length, "little")
    assert ans_encode(np.array([1, 0, 1, 1]), half) == expected
    assert read(ans_decode, expected, 4, half).tolist() == [1, 0, 1, 1]


@settings(deadline=None)
@given(weights=st.lists(st.integers(1, 10**6), min_size=2, max_size=40), data=st.data())
def test_the_loop_writes_and_reads_what_the_library_does(weights, data):
    frequencies = normalize(np.array(weights, np.int64))
    symbols = np.array(data.draw(st.lists(st.integers(0, len(weights) - 1), max_size=200)), np.int64)
    coded = ans_encode(symbols, frequencies)
    assert read(ans_decode, coded, symbols.size, frequencies).tolist() == symbols.tolist()
    stored = coded[1:] if coded[0] < 128 else coded[2:]
    words = np.frombuffer(stored + bytes(-len(stored) % 4), "<u4").tolist()
    assert ans._slow_encode([(symbols.tolist(), frequencies)]) == words
    slow = ans._Slow(words)
    assert slow.decode(symbols.size, frequencies).tolist() == symbols.tolist() and slow.is_empty()


def test_the_loop_takes_a_word_below_a_state_of_2_to_the_32_only():
    """Symbols by which the state of the decoder is 2^32 to the bit while a word is left that would change what comes next."""
    half, symbols = np.array([2**23, 2**23]), [0] * 33 + [1] + [0] * 39 + [1]
    words = ans._slow_encode([(symbols, half)])
    assert words == [2**23, 0, 0, 1] and ans._Slow(words).decode(len(symbols), half).tolist() == symbols


@pytest.mark.parametrize("codec", [fl.EntropyQuantize(3), fl.TopK(0.1) | fl.Sign(), fl.QSGD(5), fl.Eden(3)], ids=repr)
def test_without_the_library_payloads_are_the_same(codec, request):
    x = rng().standard_normal(3000).astype(np.float32)
    payload = codec.encode(x, rng())
    decoded = fl.decode(payload)
    request.getfixturevalue("without_library")
    assert codec.encode(x, rng()) == payload
    np.testing.assert_array_equal(fl.decode(payload), decoded)
    damaged = bytearray(payload[1:-4])
    damaged[-8] ^= 255
    try:  # damaged words are as harmless to the loop
        assert fl.decode(seal(bytes(damaged))).size == x.size
    except ValueError as error:
        assert str(error)


@settings(deadline=None)
@given(st.lists(st.integers(-2000, 2000) | st.integers(-3, 3), max_size=300), st.integers(-60_000, 60_000))
def test_any_levels_come_back(levels, offset):
    levels = np.array(levels, np.int64) + offset
    decoded = read(decode_levels, encode_levels(levels), levels.size)
    assert decoded.dtype == np.int32 and decoded.tolist() == levels.tolist()


@pytest.mark.parametrize("levels", [np.zeros(10_000, int), np.full(7, -3), np.array([2**16, -(2**16) + 1])])
def test_extreme_levels(levels):
    data = encode_levels(levels)
    assert len(data) < 13 and read(decode_levels, data, levels.size).tolist() == levels.tolist()


def test_levels_of_which_every_other_is_rare_come_back():
    """The logarithms of their frequencies, in steps of 1/8, go far up and down: so does what the decoder must take."""
    counts = [count for common in range(9_000, 19_000, 1_000) for count in (common, 3)]
    levels = np.repeat(np.arange(20), counts)
    np.testing.assert_array_equal(read(decode_levels, encode_levels(levels), levels.size), levels)


@pytest.mark.parametrize("levels", [[0, 2**17], [2**18], [-5, 3, 2**17]])
def test_levels_too_far_apart_are_refused(levels):
    with pytest.raises(ValueError, match=f"span at most 131072, got {min(levels)} … {max(levels)}$"):
        encode_levels(np.array(levels))


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1, 4, 60])
@pytest.mark.parametrize("draw", ["standard_normal", "standard_t"])
@pytest.mark.parametrize("n", [1000, N_DOCUMENT])
def test_levels_cost_their_entropy_and_a_small_model(sigma, draw, n):
    values = getattr(rng(1), draw)(*([2.5] if draw == "standard_t" else []), size=n)
    levels = np.clip(np.rint(sigma * values), -60_000, 60_000).astype(np.int64)
    data = encode_levels(levels)
    np.testing.assert_array_equal(read(decode_levels, data, n), levels)
    limit = entropy_bits(levels) / 8
    assert len(data) <= 4 + math.ceil(n * int(np.ptp(levels)).bit_length() / 8)
    # Whoever does not know the counts pays about half of log2 n bits for each, and the places of far levels.
    used = np.unique(levels).size
    assert len(data) <= 1.002 * limit + used * (0.5 * math.log2(n) + 2) / 8 + 14
    if used < 0.01 * n:
        assert limit < len(data)


NORMAL = encode_levels(np.rint(5 * rng().standard_normal(2000)).astype(np.int64))


@pytest.mark.parametrize("length", range(0, len(NORMAL), 7))
def test_truncated_levels_are_refused(length):
    with pytest.raises(ValueError):
        read(decode_levels, NORMAL[:length], 2000)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x12\x00" + bytes(50), "levels of 18 bits"),
        (b"\x21" + varint(2**30), "least level is"),
        (b"\xff\x00" + varint(3) + varint(2), "3 levels used of 2"),
        (b"\xff\x00" + varint(0) + varint(0), "0 levels used of 0"),
        (b"\xff\x00" + varint(2) + varint(2**40), "2 levels used of 1099511627776"),
        (b"\xff\x00\x02\x02" + b"\x04\x00", "steps of 1/16 octave"),
        (b"\xff\x00\x02\x02" + b"\x00\x1b" + b"\x00\x80", "a frequency is out of range"),
        (b"\xff\x00\x02\x02" + b"\x00\x00" + b"\x00\x40", "a frequency is out of range"),
        (b"\xff\x00\x02\x02" + b"\x00\x00" + b"\x00\x80" + b"\x01\0", "never ends in zero"),
        (b"\xff\x00\x02\x02" + b"\x00\x00" + b"\x00\x80" + b"\x08" + b"\xff" * 8, "more than its symbols"),
    ],
)
def test_the_reason_is_told(data, message):
    with pytest.raises(ValueError, match=message):
        read(decode_levels, data, 3)


def test_the_form_by_hand():
    """Levels 4 5 4 packed, one bit each from 4 on; a contract between versions and machines."""
    assert encode_levels(np.array([4, 5, 4])) == bytes([0x21, 8]) + pack_bits(np.array([0, 1, 0]), 1)
    assert encode_levels(np.array([-2, -2])) == bytes([0x20, 3])
    assert encode_levels(np.array([3, 0, 2])) == bytes([2, 0b11_00_10_00])
    # 900 zeros and 100 ones have 469 bits of entropy: least level 0, two levels used of two, their frequencies, the code.
    coded = encode_levels((np.arange(1000) % 10 == 9).astype(np.int64))
    assert coded[:4] == bytes([0xFF, 0, 2, 2]) and len(coded) <= math.ceil(469 / 8) + 14
