"""Federated pruning against dense models with a codec, at equal bytes.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

import fedlab_utils as fl

from .base import Measured, Setting, write_choices

EXPERIMENT, UNIT = "federated_pruning", "accuracy"
CURVE_FIELDS = ("round", "accuracy", "uplink_bytes", "downlink_bytes")
ROUNDS, CLIENTS, SEEDS, RATE = 15, 100, 3, 0.1
MASK_FIRST_MODEL = fl.Quantize(8)  # of the kept weights, where the mask is agreed on later and codecs are used


class Plan(NamedTuple):
    """kept: share of the connections that stays; 1: dense. after: dense rounds before the mask. by: what it ranks, "magnitude" of
    the weights or how far they have "moved". bits: of `EntropyQuantize` a kept weight, both ways; None: float32."""

    kept: float
    after: int = 0
    by: str = "magnitude"
    bits: float | None = None


def train(seed: int, plan: Plan, rate: float = RATE, validation=None, clients=None) -> list[dict]:
    """Rows of CURVE_FIELDS, a round each: the dense rounds, then those with the mask, in which everybody begins anew."""
    data, model = fl.load_mnist(), fl.models.document_mlp(seed=seed)
    clients = clients or fl.partition_iid(data.y_train, CLIENTS, seed=seed)
    how = {"learning_rate": rate, "compile": True, "validation": validation}
    first = {"first_model": "dense"}
    if plan.bits is not None:
        how |= dict.fromkeys(("uplink", "downlink"), fl.EntropyQuantize(plan.bits))
        first = {"first_model": "seed"}
    parts, begun, mask = [], model.get_weights(), None
    if plan.after:
        parts.append(fl.simulate(model, data, clients, rounds=plan.after, seed=1000 + seed, **first, **how))
        model.set_weights(parts[0].weights)
        first = {"first_model": MASK_FIRST_MODEL if plan.bits is not None else "dense"}
    if plan.kept < 1:
        held = model.get_weights()
        ranked = held if plan.by == "magnitude" else [now - then for now, then in zip(held, begun, strict=True)]
        mask = fl.pruning.magnitude_mask(ranked, 1 - plan.kept)
    parts.append(fl.simulate(model, data, clients, rounds=ROUNDS - plan.after, mask=mask, seed=seed, **first, **how))
    seen = "accuracy" if validation is None else "validation_accuracy"
    rows = [row for part in parts for row in zip(getattr(part, seen), part.uplink_bytes, part.downlink_bytes, strict=True)]
    return [dict(zip(CURVE_FIELDS, (number, *row), strict=True)) for number, row in enumerate(rows, 1)]


def measure(seed: int, plan: Plan) -> Measured:
    rows = train(seed, plan)
    curve = [row | {"accuracy": f"{row['accuracy']:.4f}"} for row in rows]
    up, down = (sum(row[way] for row in rows) for way in ("uplink_bytes", "downlink_bytes"))
    return Measured(rows[-1]["accuracy"], up, down, curve)


SHARES = (0.2, 0.1, 0.05)  # of the connections, that are kept
PLANS = {
    "dense, float32": Plan(1),
    **{f"mask of the first model, {kept:.0%}, float32": Plan(kept) for kept in SHARES},
    **{f"mask after a round, {kept:.0%}, float32": Plan(kept, 1, "moved") for kept in SHARES},
    "mask by magnitude after 3 rounds, 10%, float32": Plan(0.1, 3),
    **{f"mask after a round, {kept:.0%}, 2 bits": Plan(kept, 1, "moved", 2) for kept in SHARES},
    # As many bits a weight of the model as those that send a share of it.
    **{f"dense, {32 * kept:g} bits": Plan(1, bits=32 * kept) for kept in SHARES},
    **{f"dense, {2 * kept:g} bits": Plan(1, bits=2 * kept) for kept in SHARES},
}
SOURCE = "similar accuracy to the model that is not pruned (Jiang et al. 2019, abstract)"
QUICK = "mask of the first model, 10%, float32"
SETTINGS = {
    name: Setting(SOURCE if plan.kept < 1 else "", partial(measure, plan=plan), SEEDS, name == QUICK)
    for name, plan in PLANS.items()
}


# The choice

GRID, CHOOSING, HELD_OUT = (0.1, 0.2, 0.3), (1000, 1001), 6000
CHOICE_FIELDS = ("plan", "rate", "seed", "accuracy")
TRIED = ("mask after a round, 10%, float32", "mask of the first model, 10%, float32", "dense, 0.2 bits")


def choices() -> Iterator[dict]:
    """Accuracy on a validation split by the learning rate: rows of CHOICE_FIELDS. The test set decides nothing."""
    labels = fl.load_mnist().y_train
    for name in TRIED:
        for rate in GRID:
            for seed in CHOOSING:
                held_out, rest = np.split(np.random.default_rng(seed).permutation(len(labels)), [HELD_OUT])
                rows = train(seed, PLANS[name], rate, held_out, np.array_split(rest, CLIENTS))
                yield dict(zip(CHOICE_FIELDS, (name, rate, seed, f"{rows[-1]['accuracy']:.4f}"), strict=True))


if __name__ == "__main__":
    write_choices(__file__, CHOICE_FIELDS, choices())
