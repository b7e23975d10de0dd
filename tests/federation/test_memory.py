"""Error feedback with every codec, on clients and on the server, and the bill of a client that returns."""

import itertools

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.federation.account import Downlink, FirstModel

N = 1000
# Codecs that miss less than all of what was meant, whatever it is: with these a residual stays bounded.
CONTRACTIONS = [
    fl.Sign(), fl.TopK(0.05), fl.TopK(0.05) | fl.Sign(), fl.RandomK(0.1, unbiased=False), fl.Eden(1, unbiased=False), fl.Eden(2),
    fl.EntropyQuantize(0.5), fl.EntropyQuantize(3), fl.Quantize(4), fl.LloydMax(2), fl.TopK(0.2) | fl.EntropyQuantize(3),
    fl.RandomK(0.3, unbiased=False) | fl.Eden(1, unbiased=False), fl.Float16(), fl.BFloat16(),
]  # fmt: skip


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.slow
@pytest.mark.parametrize("codec", CONTRACTIONS, ids=repr)
def test_the_mean_of_what_was_sent_becomes_the_mean_of_what_was_meant(codec):
    """What is missing of the sum is the residual; it stays bounded, so the mean misses by its length over the rounds."""
    draw, memory = rng(1), fl.Residual(codec)
    constant = rng(2).standard_normal(N).astype(np.float32)
    meant, sent, lengths = np.zeros(N), np.zeros(N), []
    for _ in range(400):
        x = constant + draw.standard_normal(N).astype(np.float32) / 4
        meant += x
        sent += memory.send(x, draw)[1]
        lengths.append(np.linalg.norm(memory.value))
    # Sent and residual together are all that was meant, up to float32 rounding of each of the rounds.
    np.testing.assert_allclose(sent + memory.value, meant, atol=400 * 2.0**-22 * max(np.abs(meant).max() / 400, max(lengths)))
    assert max(lengths[200:]) < 1.5 * max(lengths[:200])
    assert np.linalg.norm(sent - meant) / np.linalg.norm(meant) < 1.6 * max(lengths) / 400 / np.linalg.norm(constant)


def test_unbiased_random_k_feeds_its_error_back_multiplied():
    """As its docstring warns: what is sent is ten times what was meant, and the residual grows without bound."""
    draw, memory = rng(1), fl.Residual(fl.RandomK(0.1))
    with pytest.raises(ValueError, match="x is too large"):
        for _ in range(1000):
            memory.send(np.ones(N), draw)


@pytest.mark.parametrize("codec", [*CONTRACTIONS, fl.QSGD(100), fl.RandomK(0.3), fl.Rotate() | fl.QSGD(50)], ids=repr)
def test_what_was_meant_is_what_was_sent_and_the_residual(codec):
    draw, memory = rng(3), fl.Residual(codec)
    for _ in range(5):
        x = draw.standard_normal(N).astype(np.float32)
        meant = x.astype(np.float64) + memory.value
        payload, received = memory.send(x, draw)
        np.testing.assert_array_equal(received, fl.decode(payload))
        np.testing.assert_allclose(memory.value + received.astype(np.float64), meant, rtol=0, atol=2.0**-22 * np.abs(meant).max())


RETURNING = [fl.Identity(), fl.Eden(1, unbiased=False), fl.TopK(0.01) | fl.Sign(), fl.Quantize(8)]


@pytest.mark.parametrize("codec", RETURNING, ids=repr)
def test_a_client_that_returns_pays_for_what_it_missed_or_for_the_model(codec):
    """Law 4: for a gap of every length, against payloads kept by hand; and those payloads do bring it up to date."""
    n, dense = 5000, len(fl.Identity().encode(np.zeros(5000)))
    server, draw, own = Downlink(np.zeros(n, np.float32), codec, error_feedback=True), rng(4), fl.Residual(codec)
    assert server.bytes_to_serve([0, 1]) == 2 * dense  # the first model is sent dense
    stale, payloads, draw_again = server.model.copy(), [], rng(4)
    for gap in range(1, 12):
        update = rng(100 + gap).standard_normal(n).astype(np.float32)
        server.broadcast(update, draw)
        payloads.append(own.send(update, draw_again)[0])
        assert server.bytes_to_serve([0]) == min(len(payloads[-1]), dense)  # never missed one
        np.testing.assert_allclose(stale + sum(map(fl.decode, payloads)), server.model, atol=1e-4)
    assert server.bytes_to_serve([1]) == min(sum(map(len, payloads)), dense)  # missed all eleven
    assert server.bytes_to_serve([1]) == 0


def test_of_a_first_model_and_all_since_or_the_dense_model_a_newcomer_gets_what_is_fewer_bytes():
    """The account alone, for a newcomer in each round; once 30 bytes go with a dense model, a state of 2 with each."""
    n, dense, of_state = 1000, 4 * 1002 + 8, 4 * 2 + 7
    for codec, first in itertools.product((fl.Quantize(8), fl.Quantize(3)), (FirstModel(400, 0), FirstModel(1010, of_state))):
        server = Downlink(np.zeros(n, np.float32), codec, True, 30, np.ones(2, np.float32), None, first)
        rng, replay = np.random.default_rng(0), first.sent_bytes + first.state_bytes
        sent, both = 0, set()
        for newcomer in range(12):
            took = min(replay, dense + 30)
            assert server.bytes_to_serve([newcomer]) == took and server.bytes_to_serve([newcomer]) == 0
            of_first = took if newcomer == 0 or took != replay else first.sent_bytes
            assert server.first_model_bytes[-2:] == [of_first, 0]
            both.add(took == replay)
            server.broadcast(rng.standard_normal(n).astype(np.float32), rng, np.full(2, newcomer, np.float32))
            sent += len(codec.encode(np.arange(n)))
            replay = first.sent_bytes + sent + of_state
        assert both == {True, False}
        assert server.bytes_to_serve([0, 11]) == min(sent + of_state, dense) + sent // 12 + of_state
        assert server.first_model_bytes[-1] == 0  # that a late one takes the dense model is catching up


def test_the_servers_memory_makes_the_model_arrive():
    """With a lossy downlink clients hold the server's model less its residual, however many rounds have passed."""
    codec, n = fl.TopK(0.02) | fl.Sign(), 2000
    server, meant, draw = Downlink(np.zeros(n, np.float32), codec, error_feedback=True), np.zeros(n), rng(5)
    forgets = Downlink(np.zeros(n, np.float32), codec, error_feedback=False)
    for _ in range(300):
        update = (1 + draw.standard_normal(n)).astype(np.float32)
        meant += update
        server.broadcast(update, draw)
        forgets.broadcast(update, draw)
    assert fl.nmse(meant, server.model) < 0.1 < 0.6 < fl.nmse(meant, forgets.model)
