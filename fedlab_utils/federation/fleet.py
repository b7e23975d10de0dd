"""From a measured message to a day of many clients: what leaves the server, what it must keep, where a middle layer pays.

Reckoned, not measured: the bytes of a message and the time to decode it are measured (`benchmarks/fleet.py`), the rest is the
arithmetic of law 4 and of sums.
"""

from __future__ import annotations

from ..validation import require_integer, require_number


def catch_up_bytes(share: float, broadcast_bytes: float, dense_bytes: float) -> float:
    """Expected bytes that bring a client up to date which takes part in each round with probability `share`, drawn anew.

    It has missed G broadcasts, P(G = g) = share · (1 − share)^(g−1), and is sent these or the dense model, whichever is fewer
    bytes (law 4): E[min(G · broadcast, dense)] = broadcast · (1 − q) / share + (dense − K · broadcast) · q, with
    K = `worth_keeping` and q = (1 − share)^K. share: in (0, 1], a round's clients over all clients. ValueError for numbers that
    cannot be.
    """
    require_number("share", share, 0, 1)
    kept = worth_keeping(broadcast_bytes, dense_bytes)
    left = (1 - share) ** kept
    return broadcast_bytes * (1 - left) / share + (dense_bytes - kept * broadcast_bytes) * left


def worth_keeping(broadcast_bytes: float, dense_bytes: float) -> int:
    """How many broadcasts the server keeps: to who missed more, a dense model is fewer bytes. So they never take more room than
    one dense model does."""
    require_number("broadcast_bytes", broadcast_bytes, 0)
    require_number("dense_bytes", dense_bytes, 0)
    return int(dense_bytes // broadcast_bytes)


def middle_layer_pays_from(uplink_bytes: float, n_weights: int) -> int:
    """From how many clients below each aggregator a middle layer brings the root fewer bytes: an aggregator passes on a sum in
    float32, whatever came to it, for payloads that are coded cannot be added. n_weights: of the model."""
    require_number("uplink_bytes", uplink_bytes, 0)
    require_integer("n_weights", n_weights, 1)
    return int(4 * n_weights // uplink_bytes) + 1
