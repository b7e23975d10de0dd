"""What quantizers lose, against the bits they really send: Suresh's, QSGD, DRIVE and EDEN on five model deltas of one client.

Suresh et al. 2017, arXiv:1611.00429: stochastic rounding between the least and the largest value, plain and after a random
rotation. Alistarh et al. 2017, arXiv:1610.02132: QSGD. Vargaftik et al. 2021, arXiv:2105.08339 (DRIVE, one bit) and 2022,
arXiv:2108.08842 (EDEN). Measured is the NMSE ||x - x_hat||^2 / ||x||^2 of what is decoded from the bytes, the mean over the
five deltas of `fl.load_deltas()` with the stage's random numbers from the seed; the curve has each delta by itself, its bits
a weight from len(payload), and the paper's bound or constant for so many weights.

The mean over deltas is that of the worst where these lie far apart: the embedding's with min-max, of whose rows few are used.

What papers promise is of two kinds. Suresh and QSGD prove bounds, which every vector keeps and most keep by far: a delta's
error lies below them, and how far below is its own. EDEN's are constants, D / (1 - D) with D the distortion of Lloyd and Max:
what any vector approaches after a rotation. These can be reproduced, the bounds can only be kept.

Where ours is not the paper's: `Rotate` turns twice and pads nothing (the papers: once, to a power of two), so that Suresh's
bound after rotation, proved for one turn, is drawn beside it and not claimed of it. QSGD's levels are entropy coded in place
of the paper's Elias code; s = 2^(bits - 1) - 1 is what fits with its sign into so many bits, packed, so that there is none
at one bit. Where the other quantizers take b bits and a header, QSGD takes what bits_per_weight says: with s = 1 it sends a
few hundred weights, 0.02 bits of each. s = sqrt(n) is the paper's dense case, at most 2.8 bits a weight (and 32).
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

import fedlab_utils as fl
from fedlab_utils.theory import lloyd_max, qsgd_variance_bound, suresh_variance_bound

from .base import Measured, Setting

EXPERIMENT, UNIT = "estimators", "NMSE"
CURVE_FIELDS = ("delta", "n", "bits_per_weight", "nmse", "paper_nmse")
DELTAS, SEEDS = fl.load_deltas(), 5
SIZES = [sum(array.size for array in arrays) for arrays in DELTAS.values()]
Theory = Callable[[int], float]  # from the number of weights to the NMSE of the paper


def lose(seed: int, codec: Callable[[int], fl.Codec], theory: Theory) -> Measured:
    """Send each of the five deltas once. codec: from the number of weights."""
    curve = []
    for name, arrays in DELTAS.items():
        x = np.concatenate([array.ravel() for array in arrays])
        payload = codec(x.size).encode(arrays, rng=np.random.default_rng(seed))
        error = fl.nmse(x, fl.decode(payload))
        numbers = (f"{fl.bits_per_weight(payload, x.size):.4f}", f"{error:.6g}", f"{theory(x.size):.6g}")
        curve.append(dict(zip(CURVE_FIELDS, (name, x.size, *numbers), strict=True)) | {"uplink_bytes": len(payload)})
    sent = sum(point["uplink_bytes"] for point in curve)
    return Measured(float(np.mean([float(point["nmse"]) for point in curve])), sent, 0, curve)


def bounded(codec: fl.Codec, theory: Theory, source: str, quick: bool) -> Setting:
    """A setting whose paper proves a bound, here its mean over the five deltas."""
    mean = np.mean([theory(n) for n in SIZES])
    return Setting(f"at most {mean:.4g} ({source})", partial(lose, codec=lambda n: codec, theory=theory), SEEDS, quick)


def constant(codec: fl.Codec, nmse: float, source: str, quick: bool) -> Setting:
    """A setting whose paper names what every vector approaches."""
    return Setting(f"{nmse:.4g} ({source})", partial(lose, codec=lambda n: codec, theory=lambda n: nmse), SEEDS, quick)


def dense_qsgd(n: int) -> fl.Codec:
    return fl.QSGD(math.ceil(math.sqrt(n)))


def settings() -> dict[str, Setting]:
    """From one bit to eight; CI measures those of two bits again, one bit of DRIVE, and of QSGD the dense case only: with s = 1
    a seed's bytes lie 5 % from the mean."""
    suresh, turned = "Suresh et al. 2017, theorem 2", "Suresh et al. 2017, theorem 3"
    found = {}
    for bits in range(1, 9):
        name, quick = f"{bits} bit{'s' * (bits > 1)}", bits == 2
        stochastic = fl.Quantize(bits, rounding="stochastic")
        by_array = fl.Quantize(bits, rounding="stochastic", ranges="array")
        plain, rotated = (partial(suresh_variance_bound, levels=2**bits, rotated=yes) for yes in (False, True))
        found[f"min-max, {name}"] = bounded(stochastic, plain, suresh, quick)
        found[f"min-max, a range an array, {name}"] = bounded(by_array, plain, suresh, quick)
        found[f"min-max after rotation, {name}"] = bounded(fl.Rotate() | stochastic, rotated, turned, quick)
        if (levels := 2 ** (bits - 1) - 1) > 0:
            bound = partial(qsgd_variance_bound, levels=levels)
            found[f"QSGD, s = {levels}"] = bounded(fl.QSGD(levels), bound, "Alistarh et al. 2017, lemma 3.1", False)
        distortion = lloyd_max(bits).distortion
        source = "Vargaftik et al. 2022, D / (1 - D) of Lloyd and Max"
        found[f"EDEN, {name}"] = constant(fl.Eden(bits), distortion / (1 - distortion), source, quick)
    dense = "at most 1, in 2.8 bits a weight and 32 (Alistarh et al. 2017, corollary 3.3)"
    found["QSGD, s = sqrt(n)"] = Setting(dense, partial(lose, codec=dense_qsgd, theory=lambda n: 1.0), SEEDS, True)
    least = constant(fl.Eden(1, unbiased=False), 1 - 2 / np.pi, "Vargaftik et al. 2021, 1 - 2 / pi", True)
    found["DRIVE of least error, 1 bit"] = least
    return found


SETTINGS = settings()
