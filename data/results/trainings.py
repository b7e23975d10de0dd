"""Make trainings.csv: what the book and its tests say of trainings over ten seeds or more. Twenty-odd minutes on two cores.

    .venv/bin/python data/results/trainings.py          # every row anew
    .venv/bin/python data/results/trainings.py --add    # only rows that are missing, for a new setting or more seeds

One row a setting, seed and round: test accuracy after it, and the bytes of its messages up and down, summed over the
clients (0 where nothing is sent). The seed decides the model's first weights, the batches, and who is drawn; the deal
too where SETTINGS deals by seed. Unless a setting says otherwise: the document's model, MNIST, ten rounds of one local
epoch, batches of 10, rate 0.1, ten clients a round, float32 both ways, error feedback where the codec is a contraction.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
from studies import write

import fedlab_utils as fl
from fedlab_utils.book.widgets.lab_training import clients_of as clients_of_the_lab

FIELDS = ("setting", "seed", "round", "accuracy", "uplink_bytes", "downlink_bytes")
EIGHT, STOCHASTIC = fl.Quantize(8), {"rounding": "stochastic"}
TOP10, TOP1, TOP01 = (fl.TopK(k) | EIGHT for k in (0.1, 0.01, 0.001))
DATA = fl.load_mnist()


def train(seed: int, clients, data=DATA, **options) -> fl.History:
    return fl.simulate(fl.models.document_mlp(seed=seed), data, clients, **{"rounds": 10, "seed": seed, **options})


def constant(accuracy: float) -> fl.History:
    """Where nothing was sent."""
    return fl.History(accuracy=[float(accuracy)], uplink_bytes=[0], downlink_bytes=[0])


# Chapter 1: ten clients hold the first 6,000 images and all take part. Chapter 5, of the downlink: ten of the hundred.

FIRST = fl.partition_iid(DATA.y_train[:6000], n_clients=10, seed=0)
HUNDRED = fl.partition_iid(DATA.y_train, n_clients=100, seed=0)
SHARDS = fl.partition_shards(DATA.y_train, n_clients=100, shards_per_client=2, seed=0)


def ten_by_seed(seed: int, **options) -> fl.History:
    return train(seed, fl.partition_iid(DATA.y_train, n_clients=100, seed=seed)[:10], uplink=fl.TopK(0.01), **options)


def lab_of_ten(seed: int, **options) -> fl.History:
    return train(seed, clients_of_the_lab("iid", 10), **options)


# Chapter 2: the first 2,000 images for training and for testing; clients that all take part, dealt anew for every seed.

SOME = fl.datasets.Dataset(DATA.x_train[:2000], DATA.y_train[:2000], DATA.x_test[:2000], DATA.y_test[:2000])
MORE = SOME._replace(x_train=DATA.x_train[:2450], y_train=DATA.y_train[:2450])
DEALS = {
    "iid": lambda seed: fl.partition_iid(SOME.y_train, 10, seed=seed),
    "dirichlet": lambda seed: fl.partition_dirichlet(SOME.y_train, 10, alpha=0.3, seed=seed),
    "shards": lambda seed: fl.partition_shards(SOME.y_train, 10, shards_per_client=2, seed=seed),
}


def federated(seed: int, parts, data=SOME, **codecs) -> fl.History:
    return train(seed, parts, data, clients_per_round=len(parts), **codecs)


def more_rounds(seed: int, n: int) -> fl.History:
    return train(seed, fl.partition_iid(SOME.y_train, 20, seed=seed)[:n], SOME, rounds=60, clients_per_round=n)


def alone(seed: int, parts, data=SOME) -> fl.baselines.Alone:
    return fl.baselines.train_alone(fl.models.document_mlp(seed=seed), data, parts, epochs=10, seed=seed)


def one_rich_client(seed: int) -> list[np.ndarray]:
    order = np.random.default_rng(seed).permutation(2450)
    return [order[:2000], *np.split(order[2000:], 9)]


def right_by_digit(weights) -> np.ndarray:
    """The share of each digit of the test images that a model gets right: float [10]."""
    w1, b1, w2, b2 = weights
    guess = (np.maximum(SOME.x_test.reshape(-1, 784) @ w1 + b1, 0) @ w2 + b2).argmax(axis=1)
    return np.array([(guess == SOME.y_test)[SOME.y_test == digit].mean() for digit in range(10)])


def on_its_own_digits(seed: int, together: bool) -> fl.History:
    """Accuracy on test digits in each client's own mixture, the mean of the clients; two shards each."""
    parts = DEALS["shards"](seed)
    models = [federated(seed, parts).weights] * len(parts) if together else alone(seed, parts).weights
    mixtures = [np.bincount(SOME.y_train[part], minlength=10) / part.size for part in parts]
    return constant(np.mean([mixture @ right_by_digit(w) for mixture, w in zip(mixtures, models, strict=True)]))


# Chapter 3: ten clients with images drawn anew for every seed.


def drawn(seed: int, images: int = 600) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).permutation(60_000)[: 10 * images].reshape(10, images))


def mask_agreed_once(seed: int) -> fl.History:
    """Federated pruning: one dense round, then fourteen with the fifth of the weights that has moved furthest."""
    model = fl.models.document_mlp(seed=seed)
    dense = fl.simulate(model, DATA, drawn(seed), rounds=1, seed=seed)
    moved = [after - before for after, before in zip(dense.weights, model.get_weights(), strict=True)]
    model.set_weights(dense.weights)
    rest = fl.simulate(model, DATA, drawn(seed), mask=fl.pruning.magnitude_mask(moved, 0.8), rounds=14, seed=seed)
    names = ("accuracy", "uplink_bytes", "downlink_bytes")
    return fl.History(**{name: getattr(dense, name) + getattr(rest, name) for name in names})


@cache
def logits(seed: int, codec: fl.Codec | None = None):
    """Federated distillation: 100 images a client, 2,000 public images, two rounds; half of the clients with a small model."""
    public = DATA.x_train[np.random.default_rng(seed).permutation(60_000)[10_000:12_000]]
    models = [fl.models.document_mlp(seed=i) if i < 5 else fl.central.mlp(32, seed=i) for i in range(10)]
    codecs = {"uplink": codec, "downlink": codec}
    return fl.distillation.simulate_logits(models, DATA, drawn(seed, 100), public, rounds=2, seed=seed, **codecs)


def logits_exchanged(seed: int, codec: fl.Codec | None = None) -> fl.History:
    done = logits(seed, codec)
    means = [float(np.mean(clients)) for clients in done.accuracy]
    return fl.History(accuracy=means, uplink_bytes=done.uplink_bytes, downlink_bytes=done.downlink_bytes)


@cache
def teacher():
    """The model that is trained on 39,500 labelled images, and its logits on the other 20,500, which are the student's."""
    order = np.random.default_rng(0).permutation(60_000)
    yours, theirs = order[:20_500], order[20_500:]
    model, rates = fl.central.mlp(300), {"learning_rate": (3e-3, 0.0)}
    weights = fl.central.train(model, DATA.x_train[theirs], DATA.y_train[theirs], epochs=6, **rates)
    logits_of = np.full((60_000, 10), np.nan, np.float32)
    logits_of[yours] = fl.central.logits(model, DATA.x_train[yours], weights)
    return yours, logits_of


def student(seed: int, images: int, temperature: float | None = None, guesses: bool = False) -> fl.History:
    """One that has a ninth of the teacher's weights, on 500 or the other 20,000 images. From labels; from the teacher's soft
    targets where there is a temperature; from its guesses, the first choice only."""
    yours, logits_of = teacher()
    mixed, model = np.random.default_rng(seed).permutation(yours), fl.central.mlp(32, seed=seed)
    which = mixed[:500] if images == 500 else mixed[500:]
    how = {"epochs": 60, "batch_size": 50, "seed": seed} if images == 500 else {"epochs": 8, "seed": seed}
    if temperature is None:
        labels = logits_of[which].argmax(axis=1) if guesses else DATA.y_train[which]
        weights = fl.central.train(model, DATA.x_train[which], labels, **how)
    else:
        weights = fl.distillation.teach(model, DATA.x_train[which], logits_of[which], temperature=temperature, **how)
    return constant(fl.central.accuracy(model, DATA.x_test, DATA.y_test, weights))


def fedavg_of_few(seed: int, **codecs) -> fl.History:
    return train(seed, drawn(seed, 100), rounds=20, local_epochs=5, **codecs)


def of_a_hundred(seed: int, clients=HUNDRED, **options) -> fl.History:
    return train(seed, clients, **options)


def against_advice(seed: int, **options) -> fl.History:
    """What `simulate` warns of, and the book shows."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "uplink=.* error feedback makes its error grow")
        return of_a_hundred(seed, **options)


Training = Callable[[int], fl.History]
SETTINGS: dict[str, tuple[int, Training]] = {  # how many seeds, and the training with one of them
    "6,000 images, float32": (10, partial(train, clients=FIRST)),
    "6,000 images, 10 %, 8 bits up": (10, partial(train, clients=FIRST, uplink=TOP10)),
    "6,000 images, 10 %, 8 bits both": (10, partial(train, clients=FIRST, uplink=TOP10, downlink=TOP10)),
    "100 clients, float32": (15, of_a_hundred),
    "100 clients, 8 bits": (15, partial(of_a_hundred, uplink=EIGHT)),
    "100 clients, 4 bits": (15, partial(of_a_hundred, uplink=fl.Quantize(4))),
    "100 clients, 2 bits": (15, partial(of_a_hundred, uplink=fl.Quantize(2))),
    "100 clients, 2 bits, forgetting": (15, partial(of_a_hundred, uplink=fl.Quantize(2), error_feedback=False)),
    "100 clients, 2 bits, range an array": (10, partial(of_a_hundred, uplink=fl.Quantize(2, ranges="array"))),
    "100 clients, 2 bits, range an array, forgetting": (
        10, partial(of_a_hundred, uplink=fl.Quantize(2, ranges="array"), error_feedback=False)),
    "100 clients, 1 bit, range an array": (10, partial(of_a_hundred, uplink=fl.Quantize(1, ranges="array"))),
    "100 clients, 1 bit, range an array, forgetting": (
        10, partial(of_a_hundred, uplink=fl.Quantize(1, ranges="array"), error_feedback=False)),
    "100 clients, 2 bits, stochastic": (15, partial(of_a_hundred, uplink=fl.Quantize(2, **STOCHASTIC), error_feedback=False)),
    "100 clients, 1 bit, stochastic": (10, partial(of_a_hundred, uplink=fl.Quantize(1, **STOCHASTIC), error_feedback=False)),
    "100 clients, 1 bit, stochastic, error feedback": (
        10, partial(against_advice, uplink=fl.Quantize(1, **STOCHASTIC), error_feedback=True)),
    "100 clients, 8 bits both": (10, partial(of_a_hundred, uplink=EIGHT, downlink=EIGHT)),
    "100 clients, top 10 %, 8 bits": (10, partial(of_a_hundred, uplink=TOP10)),
    "100 clients, top 1 %, 8 bits": (10, partial(of_a_hundred, uplink=TOP1)),
    "100 clients, top 1 %, 8 bits, forgetting": (10, partial(of_a_hundred, uplink=TOP1, error_feedback=False)),
    "100 clients, top 1 %, 8 bits both": (10, partial(of_a_hundred, uplink=TOP1, downlink=TOP1)),
    "100 clients, top 0.1 %, 8 bits": (10, partial(of_a_hundred, uplink=TOP01)),
    "two shards, top 1 %, 8 bits": (10, partial(of_a_hundred, clients=SHARDS, uplink=TOP1)),
    "two shards, top 10 %, 8 bits": (10, partial(of_a_hundred, clients=SHARDS, uplink=TOP10)),
    "two shards, float32": (10, partial(of_a_hundred, clients=SHARDS)),
    "ten of the hundred, 8 bits": (10, partial(train, clients=HUNDRED[:10], uplink=EIGHT)),
    "ten of the hundred, 8 bits both": (10, partial(train, clients=HUNDRED[:10], uplink=EIGHT, downlink=EIGHT)),
    "ten by seed, top 1 %": (10, partial(ten_by_seed, error_feedback=True)),
    "ten by seed, top 1 %, forgetting": (10, partial(ten_by_seed, error_feedback=False)),
    "lab of 10, float32": (10, lab_of_ten),
    "lab of 10, top 10 %, 8 bits": (10, partial(lab_of_ten, uplink=TOP10)),
    "lab of 10, top 1 %, 8 bits": (10, partial(lab_of_ten, uplink=TOP1)),
    "lab of 10, top 1 %, 8 bits, forgetting": (10, partial(lab_of_ten, uplink=TOP1, error_feedback=False)),
    "lab of 10, top 1 %, 8 bits both": (10, partial(lab_of_ten, uplink=TOP1, downlink=TOP1)),
    "2,000 images, central": (10, lambda seed: constant(alone(seed, [np.arange(2000)]).accuracy[0])),
    **{f"2,000 images, {name}, federated": (10, lambda seed, deal=deal: federated(seed, deal(seed)))
       for name, deal in DEALS.items()},
    **{f"2,000 images, iid, top {k} %, 8 bits both": (
        10, lambda seed, codec=codec: federated(seed, DEALS["iid"](seed), uplink=codec, downlink=codec))
       for k, codec in ((10, TOP10), (1, TOP1))},
    **{f"2,000 images, {name}, alone": (10, lambda seed, deal=deal: constant(np.mean(alone(seed, deal(seed)).accuracy)))
       for name, deal in DEALS.items()},
    "own digits, federated": (10, partial(on_its_own_digits, together=True)),
    "own digits, alone": (10, partial(on_its_own_digits, together=False)),
    **{f"{n} of 20 clients": (10, lambda seed, n=n: federated(seed, fl.partition_iid(SOME.y_train, 20, seed=seed)[:n]))
       for n in (1, 2, 5, 10, 20)},
    "one rich client, federated": (10, lambda seed: federated(seed, one_rich_client(seed), MORE)),
    "one rich client, the rich alone": (10, lambda seed: constant(alone(seed, one_rich_client(seed)[:1], MORE).accuracy[0])),
    "one rich client, the poor alone": (
        10, lambda seed: constant(np.mean(alone(seed, one_rich_client(seed)[1:], MORE).accuracy))),
    "drawn, dense": (10, lambda seed: train(seed, drawn(seed), rounds=15)),
    # Three settings before "logits", of which it is a part: so test_trainings makes both again with one seed, and one training.
    "100 images each, alone": (10, lambda seed: constant(np.mean(logits(seed, None).alone))),
    "drawn, mask agreed once": (10, mask_agreed_once),
    "drawn, top 10 % both": (
        10, lambda seed: train(seed, drawn(seed), rounds=15, uplink=fl.TopK(0.1), downlink=fl.TopK(0.1))),
    "100 images each, logits": (10, logits_exchanged),
    "100 images each, FedAvg": (10, fedavg_of_few),
    "100 images each, logits, 8 bits both": (10, partial(logits_exchanged, codec=EIGHT)),
    "100 images each, FedAvg, 10 %, 8 bits both": (10, partial(fedavg_of_few, uplink=TOP10, downlink=TOP10)),
    "100 clients, float32, first model of 8 bits": (10, partial(of_a_hundred, first_model=EIGHT)),
    "100 clients, top 1 %, 8 bits both, first model of 8 bits": (
        10, partial(of_a_hundred, uplink=TOP1, downlink=TOP1, first_model=EIGHT)),
    # Twenty local epochs a client in all, in more rounds or in fewer: a way to send less without a codec.
    **{f"100 clients, float32, {epochs} epochs, {20 // epochs} rounds": (
        10, partial(of_a_hundred, local_epochs=epochs, rounds=20 // epochs)) for epochs in (1, 2, 5, 10)},
    "100 clients, top 10 %, 8 bits, 10 epochs, 2 rounds": (
        10, partial(of_a_hundred, uplink=TOP10, local_epochs=10, rounds=2)),
    # A hundred messages up, from few clients a round or from many.
    **{f"100 clients, float32, {cohort} a round, {100 // cohort} rounds": (
        10, partial(of_a_hundred, clients_per_round=cohort, rounds=100 // cohort)) for cohort in (5, 20)},
    "100 clients, contexts both, first model as its seed": (
        15, partial(of_a_hundred, uplink=fl.EntropyQuantize(0.09, "context"), downlink=fl.EntropyQuantize(0.29, "context"),
                    first_model="seed")),
    **{f"{n} of 20 clients, 60 rounds": (10, partial(more_rounds, n=n)) for n in (10, 20)},
    "student of 500, labels": (10, partial(student, images=500)),
    "student of 500, soft 1": (10, partial(student, images=500, temperature=1)),
    "student of 500, soft 4": (10, partial(student, images=500, temperature=4)),
    "student of 20,000, hard": (10, partial(student, images=20_000, guesses=True)),
    "student of 20,000, soft 4": (10, partial(student, images=20_000, temperature=4)),
    "student of 20,000, labels": (10, partial(student, images=20_000)),
}  # fmt: skip


def rows(setting: str, seed: int) -> Iterator[dict]:
    history = SETTINGS[setting][1](seed)
    columns = zip(history.accuracy, history.uplink_bytes, history.downlink_bytes, strict=True)
    for number, (accuracy, up, down) in enumerate(columns, 1):
        yield dict(zip(FIELDS, (setting, seed, number, f"{accuracy:.4f}", up, down), strict=True))


if __name__ == "__main__":
    wanted = ((setting, seed) for setting, (seeds, _) in SETTINGS.items() for seed in range(seeds))
    write(Path(__file__).with_suffix(".csv"), FIELDS, ("setting", "seed"), wanted, rows, add="--add" in sys.argv[1:])
