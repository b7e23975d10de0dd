"""Codecs that follow the arrays of a model, in `simulate`: every message is made array by array."""

import numpy as np
import pytest

import fedlab_utils as fl

pytestmark = pytest.mark.training
SHAPES = [(784, 128), (128,), (128, 10), (10,)]


class Tapped(fl.Quantize):
    """Keeps what it is given, and what it makes of it."""

    tags = ()

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.seen = []

    def encode(self, x, rng=None):
        payload = super().encode(x, rng)
        self.seen.append((x, payload))
        return payload


def by_hand(arrays, bits):
    parts = []
    for array in arrays:
        x = np.float64(array).ravel()
        step = np.ptp(x) / (2**bits - 1) or 1.0
        parts.append(x.min() + np.rint((x - x.min()) / step) * step)
    return np.concatenate(parts)


def run(mnist, **options):
    clients = fl.partition_iid(mnist.y_train[:400], n_clients=4)
    return fl.simulate(fl.models.document_mlp(seed=0), mnist, clients, rounds=2, clients_per_round=4, **options)


def test_every_message_has_a_range_for_each_array_of_the_model(mnist):
    up, down = Tapped(3, ranges="array"), Tapped(5, ranges="array")
    history = run(mnist, uplink=up, downlink=down)
    for codec, bits, count in ((up, 3, 8), (down, 5, 2)):
        assert len(codec.seen) == count
        for arrays, payload in codec.seen:
            assert [array.shape for array in arrays] == SHAPES
            np.testing.assert_allclose(fl.decode(payload), by_hand(arrays, bits), rtol=1e-5, atol=1e-8)
    assert history.uplink_bytes == [4 * (-(-101_770 * 3 // 8) + 17 + 40)] * 2  # shapes, and three more ranges


def test_with_a_mask_only_what_is_kept_of_each_array_has_a_range(mnist):
    mask = fl.pruning.magnitude_mask(fl.models.document_mlp(seed=0).get_weights(), 0.9)
    codec = Tapped(3, ranges="array")
    history = run(mnist, uplink=codec, mask=mask)
    kept = [(np.count_nonzero(part),) for part in mask]
    for arrays, payload in codec.seen:
        assert [array.shape for array in arrays] == kept
        np.testing.assert_allclose(fl.decode(payload), by_hand(arrays, 3), rtol=1e-5, atol=1e-8)
    assert len(history.accuracy) == 2


def test_a_codec_that_follows_no_arrays_is_given_vectors(mnist):
    codec = Tapped(3)
    run(mnist, uplink=codec)
    assert all(x.shape == (101_770,) for x, _ in codec.seen)
