"""Bits to bytes, against bit strings written out slowly and against exact integer arithmetic; the envelope."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlab_utils.codecs import Reader, pack_bits, packed_bytes, seal, unpack_bits, unzigzag, zigzag
from fedlab_utils.codecs import wire as coding


def packed_slowly(levels, bits):
    """The layout as `pack_bits` documents it, by way of a string of 0 and 1."""
    if bits > 8:
        return packed_slowly([level >> 8 for level in levels], bits - 8) + bytes(level & 255 for level in levels)
    text = "".join(f"{level:0{bits}b}" for level in levels)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


@pytest.mark.slow
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


@given(st.lists(st.integers(-(2**60), 2**60), max_size=20))
def test_zigzag(values):
    unsigned = [int(zigzag(value)) for value in values]
    assert unsigned == [2 * v if v >= 0 else -2 * v - 1 for v in values]
    assert [unzigzag(value) for value in unsigned] == values
    assert unzigzag(zigzag(np.array(values, np.int64))).tolist() == values
