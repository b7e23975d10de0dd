"""Federated pruning against dense models with a codec, at as many bits a weight and as many bytes.

Jiang et al. 2019, PruneFL, arXiv:1909.12326 (abstract): a pruned model takes less sending and computing, and its accuracy is
similar to that of the whole one. A mask agreed once is the plainest form of it: `simulate(mask=…)`, which sends the mask with
each first model, and then nothing but the weights that stay. Here a tenth of the connections stays: those of greatest magnitude
in the first model, or those that one dense round has moved furthest (a round that is counted; afterwards everybody begins anew,
which costs some first models of a tenth of the size). Against it: all weights through `EntropyQuantize` at as many bits a weight
of the whole model, 32 or 2 bits of a tenth. The document's model, MNIST dealt IID to a hundred clients, ten a round, ten rounds;
the book's learning rate, 0.1, for all alike: it was tuned for none. Five seeds. First models: float32 where weights are, the
seed where there is a codec, 8 bits a weight where a mask came later. The value is the test accuracy after the last round.
Centrally, with training to the end, pruning.csv has what a mask takes: 0.4 points at a tenth.

Found: at 15.8 and 16.3 MB in all, a codec at 3.2 bits a weight is 2.7 points more accurate than the mask after a round, and 4.4
more than the mask of the first model, which takes 8.6 MB. With a codec on either side accuracies are within their spread, at
90 %, and the mask takes twice the bytes (2.1 MB against 0.94), most of it for first models that clients cannot draw from a seed.

What did not reproduce: an accuracy similar to that of the whole model. PruneFL adapts its mask as it trains, and trains for
long; a mask of ten rounds' worth of knowledge never gets back what it has removed. That a pruned model computes less is no
question here: bytes were compared, not multiplications (`pruning.multiplications`).
"""

from functools import partial
from typing import NamedTuple

import fedlab_utils as fl

from .base import Measured, Setting

EXPERIMENT, UNIT = "federated_pruning", "accuracy"
CURVE_FIELDS = ("round", "accuracy", "uplink_bytes", "downlink_bytes")
ROUNDS, CLIENTS, SEEDS = 10, 100, 5
MASK_FIRST_MODEL = fl.Quantize(8)  # of the kept weights, where the mask is agreed on later and codecs are used


class Plan(NamedTuple):
    """kept: share of the connections that stays; 1: dense. after: dense rounds before the mask. by: what it ranks, "magnitude" of
    the weights or how far they have "moved". bits: of `EntropyQuantize` a kept weight, both ways; None: float32."""

    kept: float
    after: int = 0
    by: str = "magnitude"
    bits: float | None = None


def train(seed: int, plan: Plan) -> list[dict]:
    """Rows of CURVE_FIELDS, a round each: the dense rounds, then those with the mask, in which everybody begins anew."""
    data, model = fl.load_mnist(), fl.models.document_mlp(seed=seed)
    clients = fl.partition_iid(data.y_train, CLIENTS, seed=seed)
    codec = None if plan.bits is None else fl.EntropyQuantize(plan.bits)
    how = {"uplink": codec, "downlink": codec, "compile": True}
    first: fl.Codec | str = "seed" if codec else "dense"
    parts, begun, mask = [], model.get_weights(), None
    if plan.after:
        parts.append(fl.simulate(model, data, clients, rounds=plan.after, first_model=first, seed=1000 + seed, **how))
        model.set_weights(parts[0].weights)
        first = MASK_FIRST_MODEL if codec else "dense"
    if plan.kept < 1:
        held = model.get_weights()
        ranked = held if plan.by == "magnitude" else [now - then for now, then in zip(held, begun, strict=True)]
        mask = fl.pruning.magnitude_mask(ranked, 1 - plan.kept)
    parts.append(fl.simulate(model, data, clients, rounds=ROUNDS - plan.after, mask=mask, first_model=first, seed=seed, **how))
    rows = [row for part in parts for row in zip(part.accuracy, part.uplink_bytes, part.downlink_bytes, strict=True)]
    return [dict(zip(CURVE_FIELDS, (number, *row), strict=True)) for number, row in enumerate(rows, 1)]


def measure(seed: int, plan: Plan) -> Measured:
    rows = train(seed, plan)
    curve = [row | {"accuracy": f"{row['accuracy']:.4f}"} for row in rows]
    up, down = (sum(row[way] for row in rows) for way in ("uplink_bytes", "downlink_bytes"))
    return Measured(rows[-1]["accuracy"], up, down, curve)


PLANS = {
    "mask of the first model, 10%, float32": Plan(0.1),
    "mask after a round, 10%, float32": Plan(0.1, 1, "moved"),
    "dense, 3.2 bits": Plan(1, bits=3.2),  # as many bits a weight of the model as a tenth of the weights at 32
    "mask after a round, 10%, 2 bits": Plan(0.1, 1, "moved", 2),
    "dense, 0.2 bits": Plan(1, bits=0.2),
}
SOURCE = "similar accuracy to the model that is not pruned (Jiang et al. 2019, abstract)"
QUICK = "mask of the first model, 10%, float32"
SETTINGS = {
    name: Setting(SOURCE if plan.kept < 1 else "", partial(measure, plan=plan), SEEDS, name == QUICK)
    for name, plan in PLANS.items()
}
