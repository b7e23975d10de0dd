"""Make pruning.csv: accuracy, bytes and multiplications of the document's model, pruned. Some 25 minutes on two cores.

    python data/results/pruning.py          # every row anew
    python data/results/pruning.py --add    # only the seeds that are missing

Every row trained for the same total of epochs: 6 for the base, 8 more for what follows. kind: "dense" (nothing removed,
dropout as in the document throughout), "dense, no dropout" (the 8 more epochs without, as for the pruned), "global" and
"layer" (connections, one-shot), "node" (hidden nodes, one-shot), "gradual" (connections, global, six stages over three
epochs). before: test accuracy straight after the removal; after: at the end. Bytes are len(payload).
"""

import sys
from pathlib import Path

from studies import write

import fedlab_utils as fl
from fedlab_utils import central, pruning

SEEDS, SPARSITIES = range(10), (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
BASE, MORE, RATE = 6, 8, (3e-3, 0.0)
FIELDS = ("seed", "kind", "sparsity", "base", "before", "after", "bytes_float32", "bytes_8bit", "multiplications")


def rows(seed: int):
    data, document = fl.load_mnist(), fl.models.document_mlp(seed=seed)
    x, y = data.x_train, data.y_train
    base = central.train(document, x, y, epochs=BASE, learning_rate=RATE, seed=seed)
    settings = {"epochs": MORE, "seed": 100 + seed}

    def accuracy(weights) -> float:
        return central.accuracy(central.mlp(weights[1].size), data.x_test, data.y_test, weights)

    def row(kind, sparsity, before, after):
        codecs = (None, fl.Quantize(8))
        sizes = [len(pruning.encode_pruned(after, codec)) for codec in codecs]
        return dict(zip(FIELDS, (seed, kind, sparsity, f"{accuracy(base):.4f}", f"{accuracy(before):.4f}",
                                 f"{accuracy(after):.4f}", *sizes, pruning.multiplications(after)), strict=True))  # fmt: skip

    yield row("dense", 0, base, central.train(document, x, y, weights=base, learning_rate=RATE, **settings))
    plain = central.mlp(128)
    yield row("dense, no dropout", 0, base, central.train(plain, x, y, weights=base, learning_rate=RATE, **settings))
    for sparsity in SPARSITIES:
        for scope in pruning.SCOPES:
            mask = pruning.magnitude_mask(base, sparsity, scope)
            before = pruning.apply_mask(base, mask)
            yield row(scope, sparsity, before, pruning.fine_tune(plain, before, mask, x, y, **settings))
            if scope == "global":
                yield row("gradual", sparsity, before, pruning.prune_gradually(plain, base, sparsity, x, y, **settings)[0])
        smaller = pruning.prune_nodes(base, sparsity)
        model = central.mlp(smaller[1].size)
        yield row("node", sparsity, smaller, central.train(model, x, y, weights=smaller, learning_rate=RATE, **settings))


if __name__ == "__main__":
    write(Path(__file__).with_suffix(".csv"), FIELDS, ("seed",), ((seed,) for seed in SEEDS), rows, add="--add" in sys.argv[1:])
