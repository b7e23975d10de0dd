"""Streams of chance: no two purposes, keys or seeds share one."""

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.streams import Purpose, stream


def states(purpose, *keys, seed=0):
    return [str(stream(seed, purpose, *key).bit_generator.state) for key in keys]


def test_no_two_purposes_share_a_stream_though_numpy_pads_short_keys_with_zeros():
    assert np.random.default_rng((0, 4, 1)).random() == np.random.default_rng((0, 4, 1, 0)).random()  # the trap
    seen = [state for purpose in Purpose for seed in (0, 1) for state in states(purpose, (0,) * purpose.value[1], seed=seed)]
    assert len(set(seen)) == len(seen) == 2 * len(Purpose)
    assert len({purpose.value[0] for purpose in Purpose}) == len(Purpose)


def test_a_key_of_another_length_or_a_number_of_more_than_32_bits_is_refused():
    with pytest.raises(ValueError, match="BATCHES is known by 2 numbers, got 1"):
        stream(0, Purpose.BATCHES, 1)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match="seed must be in 0 … 4294967295"):
            stream(seed, Purpose.SELECTION, 0)
    with pytest.raises(ValueError, match="key must be in"):
        stream(0, Purpose.SELECTION, 2**32)


class Noted(fl.Identity):
    """Notes the state of every generator that it is given."""

    seen: list[str] = []  # noqa: RUF012

    def encode(self, x, rng=None):
        self.seen.append(str(rng.bit_generator.state["state"]))
        return super().encode(x, rng)


@pytest.mark.training
@pytest.mark.parametrize("kind", ["simulate", "vertical"])
def test_no_two_messages_of_a_training_draw_from_one_stream(mnist, kind, monkeypatch):
    monkeypatch.setattr(Noted, "seen", [])
    if kind == "simulate":
        fl.simulate(
            fl.models.document_mlp(), mnist, [np.arange(9)] * 4, rounds=3, clients_per_round=3, uplink=Noted(), downlink=Noted()
        )
        assert len(Noted.seen) == 3 * (3 + 1)
    else:
        x = np.random.default_rng(0).normal(size=(40, 4))
        rows = np.arange(40)
        fl.vertical.train_vertical(
            [x[:, :2], x[:, 2:]], x[:, 0], rows[:30], rows[30:], epochs=2, batch_size=10, uplink=Noted(), downlink=Noted()
        )
        assert len(Noted.seen) == 2 * (3 * 4 + 2)
    assert len(set(Noted.seen)) == len(Noted.seen)
