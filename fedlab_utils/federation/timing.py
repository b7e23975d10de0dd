"""How long a training takes where computing and sending take time: the model of FedPAQ, on bytes that were really made.

Reisizadeh et al. 2020, "FedPAQ", arXiv:1909.13014, section 5: a round computes for as long as its slowest client, whose time is
a shift and an exponential (Lee et al. 2018, IEEE Trans. Inf. Theory 64), and sends for as long as its bits take through one
line. Times are in units of what a client needs on average for the gradient of one sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..streams import Purpose, stream
from ..validation import require_integer, require_number


def computation_times(rounds: int, clients_per_round: int, samples: int, straggling: float, seed: int = 0) -> np.ndarray:
    """How long each round computes: float64 [rounds], the slowest of its clients.

    samples: gradients that each client computes in a round, local steps times batch size. A client takes
    samples · (1 - straggling + Exp(straggling)): `straggling`, in [0, 1], is the part of its mean that is drawn; a client that
    is slow is so for the whole round. The mean of the slowest is samples · (1 - straggling + straggling · (1 + 1/2 + … + 1/r)).
    ValueError for numbers that cannot be.
    """
    require_integer("rounds", rounds, 1)
    require_integer("clients_per_round", clients_per_round, 1)
    samples = require_integer("samples", samples, 1)
    straggling = require_number("straggling", straggling, 0, 1, low_included=True)
    drawn = [stream(seed, Purpose.STRAGGLERS, number).exponential(size=clients_per_round).max() for number in range(rounds)]
    return samples * (1 - straggling + straggling * np.array(drawn))


def communication_times(n_bytes: ArrayLike, n_weights: int, ratio: float) -> np.ndarray:
    """How long these bytes take through one line: float64, shape of `n_bytes`.

    n_bytes: len(payload), summed over the messages that share the line. ratio: C_comm / C_comp, the time of the model's
    n_weights as float32 without any header over that of one sample's gradient. ValueError for numbers that cannot be.
    """
    n_weights, ratio = require_integer("n_weights", n_weights, 1), require_number("ratio", ratio, 0)
    return ratio * np.asarray(n_bytes, np.float64) / (4 * n_weights)
