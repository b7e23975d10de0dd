"""Vectors made of arrays: what travels of their shapes, and ranges that follow them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table import gaussian, rng, sealed

import fedlab_utils as fl
from fedlab_utils import layout
from fedlab_utils.codecs import wire

DOCUMENT = [(784, 128), (128,), (128, 10), (10,)]


def arrays_of(shapes, seed=0):
    """Gaussian arrays, each of another scale."""
    return [gaussian(int(np.prod(shape)), seed + at).reshape(shape) * np.float32(10.0**-at) for at, shape in enumerate(shapes)]


def by_hand(arrays, bits):
    """Each array quantized to nearest between its own extremes, in float64."""
    parts = []
    for array in arrays:
        x = np.float64(array).ravel()
        if x.size:
            step = np.ptp(x) / (2**bits - 1) or 1.0
            parts.append(x.min() + np.rint((x - x.min()) / step) * step)
    return np.concatenate(parts) if parts else np.zeros(0)


shapes = st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=5).filter(
    lambda found: any(len(shape) for shape in found)
)


@given(shapes=shapes, bits=st.integers(1, 9), entropy=st.booleans())
def test_each_array_has_a_range_of_its_own(shapes, bits, entropy):
    arrays = arrays_of(shapes)
    decoded = fl.decode(fl.Quantize(bits, entropy=entropy, ranges="array").encode(arrays))
    np.testing.assert_allclose(decoded, by_hand(arrays, bits), rtol=1e-5, atol=1e-7)


def test_the_ranges_and_shapes_of_the_documents_model_cost_forty_bytes():
    arrays = arrays_of(DOCUMENT)
    whole, each = (fl.Quantize(2, ranges=ranges).encode(arrays) for ranges in ("model", "array"))
    # Three more ranges of 8 bytes; a tag, the number of arrays, then dimensions and lengths: 1 2 2, 1 2, 1 2 1, 1 1 bytes.
    assert len(each) - len(whole) == 3 * 8 + 2 + (1 + 2 + 2) + (1 + 2) + (1 + 2 + 1) + (1 + 1)
    flat = layout.flatten(arrays)
    assert fl.nmse(flat, fl.decode(each)) < fl.nmse(flat, fl.decode(whole))


def test_a_list_costs_no_byte_where_no_stage_follows_its_arrays():
    arrays = arrays_of(DOCUMENT)
    for codec in (fl.Quantize(8), fl.TopK(0.01) | fl.Quantize(8), fl.Identity()):
        assert codec.encode(arrays) == codec.encode(layout.flatten(arrays))


def test_a_vector_has_one_range():
    x = gaussian(1000)
    assert fl.Quantize(3, ranges="array").encode(x) == fl.Quantize(3).encode(x)


@pytest.mark.parametrize("keep", [fl.TopK(0.2), fl.Threshold(0.05), fl.RandomK(0.3, unbiased=False)], ids=repr)
def test_what_is_kept_of_each_array_has_a_range_of_its_own(keep):
    arrays = arrays_of([(20, 30), (30,), (0,), (30, 5)])
    kept = fl.decode(keep.encode(arrays, rng()))
    decoded = fl.decode((keep | fl.Quantize(4, ranges="array")).encode(arrays, rng()))
    assert np.flatnonzero(decoded[kept == 0]).size == 0
    parts = [part[part != 0] for part in layout.split(kept, [600, 30, 0, 150])]
    np.testing.assert_allclose(decoded[kept != 0], by_hand(parts, 4), rtol=1e-5, atol=1e-7)


def test_a_stage_that_mixes_the_arrays_is_refused():
    with pytest.raises(TypeError, match=r"Quantize\(2, ranges='array'\) follows .* Rotate\(\) does not keep apart"):
        fl.Rotate() | fl.Quantize(2, ranges="array")
    with pytest.raises(ValueError, match="ranges"):
        fl.Quantize(2, ranges="tensor")


def body(*shapes, n, tag=0xB1, ends=()):
    """A message of a layout and two bits a weight."""
    numbers = [len(shapes), *(number for shape in shapes for number in (len(shape), *shape))]
    ranges = np.float32(ends).tobytes()
    return sealed(wire.varint(n) + b"\xa0" + b"".join(map(wire.varint, numbers)) + bytes([tag]) + ranges + bytes(-(-2 * n // 8)))


def test_damaged_layouts_are_told():
    assert fl.decode(body((2, 2), (0, 9), (3,), n=7, ends=(1, 2, -1, 1))).tolist() == [1] * 4 + [-1] * 3
    for damaged, reason in (
        (body((2, 2), (3,), n=8, ends=(0, 1, 0, 1)), "arrays of 7 weights, a vector of 8"),
        (body((2, 2), (3,), n=7, ends=(0, 1, 2, 1)), "range of the levels is 2 … 1"),
        (body((2, 2), (3,), n=7, ends=(0, 1)), "expected"),
        (body((1,) * 33, n=1, ends=(0, 1)), "33 dimensions"),
        (sealed(b"\x04\xb1" + np.float32([0, 1]).tobytes() + b"\0"), "a range for each array, but no arrays"),
        (sealed(b"\x01\xa0\x01\x01\x01\xa0\x01\x01\x01\x00\0\0\0\0"), "within another"),
    ):
        with pytest.raises(ValueError, match=reason):
            fl.decode(damaged)


def test_stages_that_do_not_keep_the_layout_hide_it_from_those_within():
    inner = bytes([0xB1]) + np.float32([0, 1]).tobytes() + b"\0"
    rotated = sealed(b"\x04\xa0\x01\x01\x04" + b"\x80\0\0\0" + inner)
    with pytest.raises(ValueError, match="but no arrays"):
        fl.decode(rotated)


def test_a_residual_knows_the_arrays_from_a_list_or_from_their_shapes():
    arrays, codec = arrays_of(DOCUMENT), fl.Quantize(2, ranges="array")
    flat = layout.flatten(arrays)
    listed, shaped, alone = fl.Residual(codec), fl.Residual(codec, shapes=DOCUMENT), fl.Residual(codec)
    for _ in range(2):
        of_list, of_shapes = listed.send(arrays), shaped.send(flat)
        assert of_list[0] == of_shapes[0]
        np.testing.assert_array_equal(of_list[1], of_shapes[1])
        assert len(alone.send(flat)[0]) == len(of_list[0]) - 40
    np.testing.assert_allclose(listed.value, shaped.value)
    with pytest.raises(ValueError, match="101770 weights in all cannot be cut from a vector of 5"):
        fl.Residual(codec, shapes=DOCUMENT).send(np.ones(5))


def test_the_parts_of_a_vector():
    x = np.arange(7.0, dtype=np.float32)
    assert [part.tolist() for part in layout.split(x, [3, 0, 4])] == [[0, 1, 2], [], [3, 4, 5, 6]]
    assert layout.split(x[:0], []) == [] and layout.Layout([(3,), (0,), (2, 2)]).kept(np.array([0, 2, 3, 6])).counts == [2, 0, 2]
    again = layout.unflatten(layout.flatten(arrays_of(DOCUMENT)), DOCUMENT)
    assert all(np.array_equal(one, other) for one, other in zip(again, arrays_of(DOCUMENT), strict=True))
