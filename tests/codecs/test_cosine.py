"""The cosine transform of arrays that belong to pixels: against the formula, lengths kept, back again, what it is good for."""

import numpy as np
import pytest
from table import gaussian, sealed

import fedlab_utils as fl
from fedlab_utils.codecs.cosine import MAX_SIDE
from fedlab_utils.data.mnist import DELTA_SHAPES
from fedlab_utils.layout import unflatten


def by_the_formula(image):
    """DCT-II of float64 [h, w], written as the sum over all pixels (Wallace 1991, in its orthonormal form)."""
    (h, w), made = image.shape, np.zeros(image.shape)
    y, x = np.mgrid[:h, :w]
    for k in range(h):
        for m in range(w):
            waves = np.cos(np.pi * (2 * y + 1) * k / (2 * h)) * np.cos(np.pi * (2 * x + 1) * m / (2 * w))
            made[k, m] = np.sum(image * waves) * np.sqrt((2 - (k == 0)) / h) * np.sqrt((2 - (m == 0)) / w)
    return made


def left_by(codec, arrays):
    """What the DCT hands on: the values that `Identity` writes behind it."""
    payload = codec.encode(arrays)
    n = sum(np.size(a) for a in arrays)
    return np.frombuffer(payload[-4 - 4 * n : -4], "<f4")


def test_each_column_of_an_array_of_pixels_becomes_its_cosine_transform_and_other_arrays_stay():
    kernel, bias, other = gaussian(6 * 10).reshape(6, 5, 2), gaussian(7), gaussian(40).reshape(8, 5)
    values = left_by(fl.DCT(2, 3), [bias, kernel, other])
    np.testing.assert_array_equal(values[:7], bias)
    np.testing.assert_array_equal(values[67:], other.ravel())
    images = values[7:67].reshape(2, 3, 10)
    for column, image in enumerate(np.moveaxis(kernel.reshape(2, 3, 10).astype(float), 2, 0)):
        np.testing.assert_allclose(images[:, :, column], by_the_formula(image), atol=1e-6)


@pytest.mark.parametrize("shape", [(784, 30), (784,), (784, 3, 4), (784, 700)])
def test_it_keeps_lengths_and_comes_back(shape):
    x = [gaussian(int(np.prod(shape))).reshape(shape), gaussian(10)]
    flat = np.concatenate([part.ravel() for part in x])
    assert np.linalg.norm(left_by(fl.DCT(28, 28), x)) == pytest.approx(np.linalg.norm(flat), rel=1e-6)
    decoded = fl.decode(fl.DCT(28, 28).encode(x))
    np.testing.assert_allclose(decoded, flat, atol=3e-6)


def test_a_vector_and_arrays_of_other_rows_go_as_they_are_and_nothing_is_told_of_them():
    x = gaussian(784)
    np.testing.assert_array_equal(fl.decode(fl.DCT(28, 28).encode(x)), x)
    arrays = [gaussian(783).reshape(783, 1)]
    assert len(fl.DCT(28, 28).encode(arrays)) == len(fl.DCT(28, 28).encode(arrays[0]))  # no layout travels


def test_at_few_bits_a_real_delta_loses_a_quarter_less_in_as_many_bytes_and_at_many_it_does_not_pay():
    """At many bits the exact zeros of pixels without ink, which the transform spreads, are worth more."""
    x = fl.load_client_delta()
    arrays, found = unflatten(x, DELTA_SHAPES), {}
    for bits in (0.3, 2):
        for name, codec in (("plain", fl.EntropyQuantize(bits)), ("cosine", fl.DCT(28, 28) | fl.EntropyQuantize(bits))):
            payload = codec.encode(arrays)
            found[bits, name] = len(payload), fl.nmse(x, fl.decode(payload))
    (plain, before), (cosine, after) = found[0.3, "plain"], found[0.3, "cosine"]
    assert cosine < 1.1 * plain and after < 0.75 * before
    (plain, before), (cosine, after) = found[2, "plain"], found[2, "cosine"]
    assert cosine > plain and after > before


def test_noise_gains_nothing_by_it():
    x = [gaussian(784 * 40).reshape(784, 40)]
    plain, cosine = (fl.nmse(x[0].ravel(), fl.decode(c.encode(x)))
                     for c in (fl.EntropyQuantize(2), fl.DCT(28, 28) | fl.EntropyQuantize(2)))  # fmt: skip
    assert cosine == pytest.approx(plain, rel=0.02)


@pytest.mark.parametrize("sides", [(0, 3), (3, 0), (MAX_SIDE + 1, 1), (2**40, 2)])
def test_images_that_cannot_be_are_refused(sides):
    with pytest.raises(ValueError, match=rf"must be in 1 … {MAX_SIDE}|must be"):
        fl.DCT(*sides)
    body = bytes([6, 0xE0]) + b"".join(map(fl.coding.varint, sides)) + bytes([0]) + bytes(24)
    with pytest.raises(ValueError, match="damaged payload: images of"):
        fl.decode(sealed(body))


def test_what_mixes_the_arrays_cannot_stand_before_it():
    with pytest.raises(TypeError, match=r"DCT\(28, 28\) follows the arrays of a model, which Rotate\(\) does not keep apart"):
        fl.Rotate() | fl.DCT(28, 28)
