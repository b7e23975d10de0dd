"""Bits to bytes, against bit strings written out slowly and against exact integer arithmetic."""

import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlab_utils.codecs import Reader, decode_support, encode_support, pack_bits, packed_bytes, seal, unpack_bits
from fedlab_utils.codecs import wire as coding

N_DOCUMENT = 101_770  # weights of the document's model


def packed_slowly(levels, bits):
    """The layout as `pack_bits` documents it, by way of a string of 0 and 1."""
    if bits > 8:
        return packed_slowly([level >> 8 for level in levels], bits - 8) + bytes(level & 255 for level in levels)
    text = "".join(f"{level:0{bits}b}" for level in levels)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def rice_bytes(indices, n):
    """Bytes of the best Rice code, by trying every parameter: one for it, the low parts, the unary parts."""
    gaps = [after - before - 1 for before, after in zip([-1, *indices], indices, strict=False)]
    lengths = [-(-len(gaps) * r // 8) + -(-sum((gap >> r) + 1 for gap in gaps) // 8) for r in range(32)]
    return 0 if len(indices) == n else 1 + min(lengths)


def supported(data, k, n):
    reader = Reader(seal(data))
    indices = decode_support(reader, k, n)
    reader.finish()
    return indices


@pytest.mark.parametrize("bits", range(1, 33))
@given(data=st.data())
def test_packing_is_the_bit_string(bits, data):
    levels = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=40))
    packed = pack_bits(np.array(levels, np.uint64), bits)
    assert packed == packed_slowly(levels, bits)
    unpacked = unpack_bits(packed, bits, len(levels))
    assert unpacked.tolist() == levels and unpacked.dtype == np.uint32


@given(bits=st.integers(1, 32), count=st.integers(0, 2**40))
def test_packing_wastes_less_than_a_byte(bits, count):
    assert packed_bytes(count, bits) == -(-count * bits // 8)


def test_packing_by_hand():
    assert pack_bits(np.array([1, 2, 3]), 2) == bytes([0b01_10_11_00])
    assert pack_bits(np.array([5, 7, 0]), 3) == bytes([0b101_111_00, 0b0_0000000])
    assert pack_bits(np.array([0x123, 0xABC]), 12) == bytes([0x1A, 0x23, 0xBC])  # high four bits, then low bytes
    assert pack_bits(np.array([], int), 7) == b""


@pytest.mark.parametrize("bits", range(1, 33))
def test_packing_refuses_what_does_not_fit(bits):
    for bad in ([2**bits], [0, -1], [2**bits - 1, 2**40]):
        with pytest.raises(ValueError, match=rf"levels must be in 0 … {2**bits - 1}"):
            pack_bits(np.array(bad, np.int64), bits)


@pytest.mark.parametrize("bits", [0, 33, -1])
def test_packing_refuses_such_bits(bits):
    with pytest.raises(ValueError, match=rf"bits must be in 1 … 32, got {bits}"):
        pack_bits(np.array([0]), bits)
    with pytest.raises(ValueError, match=rf"bits must be in 1 … 32, got {bits}"):
        unpack_bits(b"\0", bits, 1)


@given(bits=st.integers(1, 32), count=st.integers(0, 50), off=st.sampled_from([-2, -1, 1, 2]))
def test_unpacking_refuses_another_length(bits, count, off):
    length = -(-count * bits // 8) + off
    if length >= 0:
        with pytest.raises(ValueError, match=f"{count} levels of {bits} bits need .* got {length}"):
            unpack_bits(bytes(length), bits, count)


def test_rice_by_hand():
    # Gaps 0, 0, 3, r = 0: unary 1, 1, 0001. Gaps 3, 7, 8, r = 2: low parts 11, 11, 00, quotients 0, 1, 2 as 1, 01, 001.
    assert encode_support(np.array([0, 1, 5]), 8) == bytes([0, 0b11000100])
    assert encode_support(np.array([3, 11, 20]), 30) == bytes([2, 0b111100_00, 0b101001_00])


@given(n=st.integers(1, 300), data=st.data())
def test_any_support_comes_back(n, data):
    indices = sorted(data.draw(st.sets(st.integers(0, n - 1))))
    coded = encode_support(np.array(indices, np.int64), n)
    assert supported(coded, len(indices), n).tolist() == indices


@pytest.mark.parametrize(
    "indices",
    [
        pytest.param([0], id="first"),
        pytest.param([N_DOCUMENT - 1], id="last"),
        pytest.param([0, N_DOCUMENT - 1], id="first and last"),
        pytest.param([50_000], id="one"),
        pytest.param(range(500), id="adjacent at the start"),
        pytest.param(range(N_DOCUMENT - 500, N_DOCUMENT), id="adjacent at the end"),
        pytest.param(range(N_DOCUMENT), id="full"),
        pytest.param(range(1, N_DOCUMENT), id="all but the first"),
        pytest.param(range(0, N_DOCUMENT, 2), id="every second"),
        pytest.param(range(0, N_DOCUMENT, 1000), id="every thousandth"),
    ],
)
def test_extreme_supports_come_back_at_no_more_than_the_best_rice_code(indices):
    indices = np.array(indices)
    data = encode_support(indices, N_DOCUMENT)
    np.testing.assert_array_equal(supported(data, indices.size, N_DOCUMENT), indices)
    assert len(data) <= rice_bytes(indices.tolist(), N_DOCUMENT) + 1


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 0), (5, 5), (5, 0)])
def test_smallest_supports(n, k):
    data = encode_support(np.arange(k), n)
    assert supported(data, k, n).tolist() == list(range(k))
    assert len(data) == (0 if k == n else 1)


@pytest.mark.parametrize("k", [10_177, 1_018, 102])
def test_rice_is_within_two_percent_of_log2_binomial(k):
    limit = math.log2(math.comb(N_DOCUMENT, k)) / 8
    lengths = []
    for seed in range(20):
        indices = np.sort(np.random.default_rng(seed).choice(N_DOCUMENT, k, replace=False))
        data = encode_support(indices, N_DOCUMENT)
        np.testing.assert_array_equal(supported(data, k, N_DOCUMENT), indices)
        assert len(data) == rice_bytes(indices.tolist(), N_DOCUMENT)
        lengths.append(len(data))
    assert max(lengths) <= 1.02 * limit + 24
    # No code is shorter than log2 C(n, k) on average; two bytes: the parameter, and rounding up to whole bytes.
    assert limit - 1 <= np.mean(lengths) <= 1.02 * limit + 2


@pytest.mark.parametrize("indices", [[2, 1], [1, 1], [-1, 3], [0, 9], [9], [0, 1, 1]])
def test_what_is_no_support_is_refused(indices):
    with pytest.raises(ValueError, match="indices must be rising, unique and in 0 … 8"):
        encode_support(np.array(indices), 9)


@given(data=st.binary(max_size=40), n=st.integers(1, 5000), k=st.integers(0, 5000))
def test_bytes_from_anywhere_are_a_support_or_a_value_error(data, n, k):
    k = min(k, n)
    try:
        indices = decode_support(Reader(seal(data)), k, n)
    except ValueError as error:
        assert "damaged payload" in str(error) or "levels" in str(error)
    else:
        assert indices.size == k and (np.diff(indices, prepend=-1) > 0).all() and (indices < n).all()


@given(n=st.integers(2, 400), data=st.data())
def test_an_index_beyond_the_vector_is_refused(n, data):
    indices = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1)))
    coded = encode_support(np.array(indices), n)
    shorter = data.draw(st.integers(len(indices) + 1, n))
    if indices[-1] < shorter:
        assert supported(coded, len(indices), shorter).tolist() == indices
    else:
        with pytest.raises(ValueError, match="damaged payload"):
            supported(coded, len(indices), shorter)


@given(n=st.integers(2, 400), data=st.data())
def test_every_truncated_support_is_refused(n, data):
    indices = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1)))
    coded = encode_support(np.array(indices), n)
    for length in range(len(coded)):
        with pytest.raises(ValueError):
            supported(coded[:length], len(indices), n)
    with pytest.raises(ValueError, match="1 bytes too many"):
        supported(coded + b"\0", len(indices), n)


# LEB128: the examples of its published descriptions (DWARF 5, section 7.6; Wikipedia).
@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (2, "02"), (127, "7f"), (128, "8001"), (129, "8101"), (12857, "b964"), (624485, "e58e26")],
)
def test_varint_is_leb128(value, data):
    assert coding.varint(value) == bytes.fromhex(data)
    assert Reader(seal(bytes.fromhex(data))).varint() == value


@given(st.integers(0, 2**63 - 1))
def test_varint_round_trip(value):
    reader = Reader(seal(coding.varint(value)))
    assert reader.varint() == value
    reader.finish()


def test_endless_varint_is_refused():
    with pytest.raises(ValueError, match="more than nine bytes"):
        Reader(seal(b"\xff" * 20)).varint()


@given(st.binary(max_size=30))
def test_seal_is_magic_body_and_crc32(body):
    message = seal(body)
    assert message[0] == coding.MAGIC and message[1:-4] == body
    assert int.from_bytes(message[-4:], "little") == zlib.crc32(message[:-4])
    assert bytes(Reader(message).take(len(body))) == body


def test_reader_tells_what_is_wrong():
    with pytest.raises(ValueError, match="0 bytes are fewer"):
        Reader(b"")
    with pytest.raises(ValueError, match="begins with 0x00"):
        Reader(bytes(10))
    with pytest.raises(ValueError, match="checksum"):
        Reader(seal(b"abc")[:-1] + b"\0" * 2)
    with pytest.raises(ValueError, match="4 bytes expected, 3 left"):
        Reader(seal(b"abc")).take(4)
    with pytest.raises(ValueError, match="3 bytes too many"):
        Reader(seal(b"abc")).finish()
