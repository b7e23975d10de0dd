"""Every figure and every app of the book as its chapter shows it, for tests that look at what is drawn.

`figures.json` holds what the chapters passed to most figures, to four digits; pictures of digits are noise of their shape.
"""

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from later import Later

import fedlab_utils as fl
from fedlab_utils.book import plotting
from fedlab_utils.book.figures import (
    algorithms,
    background,
    classic_sparsification,
    classic_systems,
    classics,
    concepts,
    flower,
    mathematics,
    playground,
    practice,
    story,
    tff,
)
from fedlab_utils.book.widgets import (
    coding,
    composer_picture,
    composing,
    cost,
    distillation,
    lossless,
    quantization,
    sparsification,
)
from fedlab_utils.book.widgets import tff as tff_app
from fedlab_utils.data.tables import read_results
from fedlab_utils.engines import flower_log

MODULES = {"algorithms": algorithms, "background": background, "concepts": concepts, "mathematics": mathematics,
           "practice": practice, "tff": tff, "flower": flower, "story": story,
           "classic_sparsification": classic_sparsification, "classic_systems": classic_systems, "classics": classics,
           "playground": playground}  # fmt: skip
lab_picture = Later("fedlab_utils.book.widgets.lab_picture")
lab_playground = Later("fedlab_utils.book.widgets.lab_playground")
lab_training = Later("fedlab_utils.book.widgets.lab_training")
partitions = Later("fedlab_utils.book.widgets.partitions")
pruning = Later("fedlab_utils.book.widgets.pruning")
reading = Later("fedlab_utils.book.widgets.reading")


def value(kept):
    """What a chapter passed, from how `figures.json` keeps it."""
    if isinstance(kept, list):
        return [value(item) for item in kept]
    if not isinstance(kept, dict):
        return kept
    ((kind, inside), *_) = kept.items()
    if kind == "pixels":
        return np.random.default_rng(0).random(inside)
    if kind == "array":
        return np.array(value(inside), kept["type"])
    if kind == "tuple":
        return tuple(value(item) for item in inside)
    if kind == "dict":
        return {value(key): value(item) for key, item in inside}
    accuracy, up, down = inside
    return fl.History(accuracy=accuracy, uplink_bytes=up, downlink_bytes=down)


@cache
def calls():
    """(module.function, arguments, arguments by name) of every figure."""
    kept = json.loads((Path(__file__).parent / "figures.json").read_text("utf-8"))
    found = [(name, value(given), {key: value(item) for key, item in named.items()}) for name, given, named in kept]
    rng = np.random.default_rng(0)
    places = (rng.random(20_000), rng.random(20_000) - 0.5, rng.random(20_000) + rng.random(20_000) - 1)
    found.append(("mathematics.rounding_errors", [dict(zip(("floor", "nearest", "stochastic"), (-places[0], *places[1:]),
                                                          strict=True)), 1.0], {}))  # fmt: skip
    found.append(("mathematics.magnitudes", [fl.load_client_delta()], {}))
    levels, masked = [[128, 139, 117, 93, 110], [90, 130, 179, 109, 104]], [[53635, 19998, 22504, 18339, 47261],
                      [12119, 45807, 43328, 47399, 18489]]  # fmt: skip
    found.append(("mathematics.sums_under_masks", [np.array(levels), np.array(masked), 2**16], {}))
    found.append(("algorithms.pruning_curves", [read_results("pruning", text="kind")], {}))
    found += [(name, [], {}) for name in ("concepts.three_kinds", "algorithms.who_stores_what", "practice.four_parts")]
    runs = {(32, "exact"): fl.load_trainings("100 clients, float32")}
    runs |= {(bits, "nearest"): fl.load_trainings(f"100 clients, {bits} bits") for bits in (8, 4, 2)}
    found.append(("practice.accuracy_and_bytes", [dict(runs)], {}))
    runs[2, "stochastic"] = fl.load_trainings("100 clients, 2 bits, stochastic")
    runs[2, "nearest, range an array"] = fl.load_trainings("100 clients, 2 bits, range an array, forgetting")
    found.append(("practice.accuracy_and_bytes", [runs], {}))
    found += [(f"classic_sparsification.{name}", [], {}) for name in ("stc", "dgc")]
    found += [(f"classic_systems.{name}", [], {}) for name in ("federated_distillation", "federated_pruning", "fedpaq")]
    names = ("fedavg_rounds", "local_work", "tff_tutorial", "estimators", "estimators_trained", "deep_compression")
    found += [(f"classics.{name}", [], {}) for name in names]
    mine = fl.History(accuracy=[0.9], uplink_bytes=[300_000], downlink_bytes=[900_000])
    found += [("playground.frontier", [{"mine": mine}], {}), ("playground.bytes_to_97", [], {})]
    elsewhere = {str(n): SimpleNamespace(total_mb=7.0, accuracy=0.9, partition=p) for n, p in enumerate(("shards", "dirichlet"))}
    found.append(("playground.frontier", [{"mine": mine} | elsewhere], {}))
    found.append(("story.empty_frontier", [fl.load_trainings("100 clients, float32")], {}))
    return found + tff_calls() + flower_calls()


def flower_calls():
    log = flower_log.load()
    a_minute = flower_log.polling(log["idle"], nodes=3)
    wires = {name: flower_log.steady(log[name], a_minute, nodes=3) for name in ("float32", "8 bit", "contexts", "top 1 %")}
    accuracies = {"none": [0.80, 0.87, 0.90], "clip": [0.6, 0.8, 0.87], "1000": [0.6, 0.79, 0.87], "10": [0.2, 0.25, 0.26]}
    return [
        ("flower.engine_share", [wires, 13_400.0, a_minute], {}),
        ("flower.timeline", [log["a node is killed"]], {}),
        ("flower.noise", [accuracies], {}),
    ]


def tff_calls():
    rows = fl.tff.load_table("tff_quantized")
    settings = list(dict.fromkeys(row["setting"] for row in rows))
    size = {"float32": 407_080, "16 bits": 235_000, "8 bits": 120_000, "4 bits": 63_000}
    size |= {"2 bits": 34_000, "2 bits, nearest": 34_000, "compression_aggregator": 120_000}
    curves = {setting: fl.tff.curves(rows, setting) for setting in settings}
    theirs, ours = {2: 34_350, 4: 62_970, 8: 120_340, 16: 235_090}, {2: 25_460, 4: 50_902, 8: 101_787, 16: 203_557}
    place = (np.arange(20) + 0.5) / 20
    means = {"floor": 0 * place, "nearest": np.rint(place), "stochastic": place, "TFF": place + 0.01}
    noise = np.random.default_rng(0).normal(0, 0.002, curves["float32"].shape)
    return [
        ("tff.quantized", [curves, size], {}),
        ("tff.bits_of_a_weight", [theirs, ours, 101_770], {}),
        ("tff.rounding", [place, means], {}),
        ("tff.against_simulator", [curves["float32"], curves["float32"] + noise], {}),
    ]


NAMES = [f"{name} {place}" for place, (name, _, _) in enumerate(calls())]


def figure(name):
    """The drawn figure of one of NAMES, in the language chosen last."""
    place = int(name.split()[1])
    full, given, named = calls()[place]
    module, function = full.split(".")
    still = getattr(MODULES[module], function)(*given, **named)
    return laid_out(still.figure)


def laid_out(figure):
    figure.draw_without_rendering()
    return figure


def quantization_app():
    picture = quantization.QuantizationPicture()
    yield picture, quantization.compute("delta", 8, "nearest")
    yield picture, quantization.compute("delta", 4, "floor", "array")
    yield picture, quantization.compute("gaussian", 1, "stochastic")


def sparsification_app():
    picture = sparsification.SparsificationPicture()
    yield from ((picture, sparsification.compute(k)) for k in (0.1, 0.01, 0.5, 1.0))


def coding_app():
    picture = coding.CodingPicture()
    yield from ((picture, coding.compute("document", 8, stop)) for stop in coding.STOPS)


def lossless_app():
    picture = lossless.CompressionPicture()
    yield from ((picture, lossless.compute(*position)) for position in ((90, 8, False), (10, 4, True), (1, 1, False)))


def cost_app():
    picture = cost.CostPicture()
    yield picture, cost.estimate_cost(line="4G")
    yield picture, cost.estimate_cost(1_000_000_000, 32, 32, 1000, 1000, 1, 1)
    yield picture, cost.estimate_cost(101_770, 0.1, 0.1, 1, 1, 1000, 1000)


def distillation_app():
    rng = np.random.default_rng(0)
    picture = distillation.SoftTargetsPicture()
    softener = distillation.Softener(rng.random((2, 28, 28)), 3 * rng.normal(size=(2, 10)), [7, 3])
    yield from ((picture, softener(digit, temperature)) for digit, temperature in ((0, 1.0), (1, 4.0), (1, 20.0)))


def tff_bits_app():
    picture = tff_app.BitsPicture()
    yield picture, None
    yield picture, tff_app.TffRun(8, [0.83 + 0.01 * n for n in range(10)], 120_000)
    picture.keep(tff_app.TffRun(8, [0.83 + 0.01 * n for n in range(10)], 120_000))
    yield picture, tff_app.TffRun(2, [0.82 + 0.011 * n for n in range(10)], 34_000)


def run(parameters, accuracy, up, total):
    """A finished training of the lab, made up."""
    steps = np.arange(1, parameters.rounds + 1) / parameters.rounds
    series = (accuracy - 0.2 * (1 - steps), up * steps, total * steps, 0.3 * total * steps)
    return lab_training.Run(parameters, *([one.tolist()] for one in series))


def lab_runs():
    """Twelve runs, as many as the lab keeps, some of them with long names."""
    p = lab_training.LabParameters
    return [
        run(p(k=0.01), 0.889, 0.194, 40.9), run(p(k=0.02), 0.902, 0.35, 41.1), run(p(k=0.05), 0.914, 0.8, 41.5),
        run(p(k=0.1), 0.921, 1.5, 42.2), run(p(), 0.927, 10.2, 50.9), run(p(bits=32), 0.9275, 40.7, 81.4),
        run(p(bits=4), 0.926, 5.1, 45.8), run(p(bits=2, rounding="stochastic"), 0.924, 2.55, 43.2),
        run(p(k=0.01, downlink="uplink", n_clients=10), 0.892, 0.198, 4.44),
        run(p(k=0.1, local_epochs=5, rounds=4), 0.933, 0.6, 17),
        run(p(partition="shards", k=0.1, error_feedback=False, rounding="floor", rounds=20), 0.7, 3, 84),
        run(p(k=0.05, local_epochs=10, rounds=2, downlink="8 bits", n_clients=20), 0.93, 0.16, 5),
    ]  # fmt: skip


def lab_app():
    picture = lab_picture.LabPicture()
    runs = lab_runs()
    yield picture, lab_training.no_run(runs[0].parameters)
    for number, one in enumerate(runs):
        if number:
            picture.keep(runs[number - 1])
        if number in (0, 3, 11):
            yield picture, one
    falls = [0.77, 0.86, 0.84, 0.7]  # the curve ends from above
    picture.forget()
    picture.keep(run(lab_training.LabParameters(bits=1), 0.9, 1.27, 42))
    steps = ([whole * n / 4 for n in range(1, 5)] for whole in (1.27, 42, 4))
    yield picture, lab_training.Run(lab_training.LabParameters(bits=1, rounds=4), [falls], *([step] for step in steps))


def playground_app():
    picture = lab_playground.PlaygroundPicture()
    p = lab_training.LabParameters(codec="TopK(0.01) | Quantize(8)", downlink="uplink")
    long = 'TopK(0.05, "context") | EntropyQuantize(2, "context")'
    knobs = {"first_model": "seed", "learning_rate": 0.05, "server_momentum": 0.7, "no_answer": 0.3}
    runs = [
        run(p, 0.879, 0.194, 26.1), run(p._replace(first_model="8 bits"), 0.882, 0.194, 7.23),
        run(p._replace(**knobs), 0.887, 0.132, 0.79),
        run(p._replace(partition="shards", codec=long, rounds=20), 0.753, 0.23, 0.84),
        run(p._replace(codec="RandomK(0.01) | Eden(1)", n_clients=20, error_feedback=False, **knobs), 0.327, 0.0104, 0.045),
        run(p._replace(codec="Identity()", downlink="float32"), 0.93, 40.7, 81.4),
        run(p._replace(codec=long, partition="dirichlet", local_epochs=5, **knobs), 0.91, 0.36, 1.61),
    ]  # fmt: skip
    yield picture, lab_training.no_run(p)
    for number, one in enumerate(runs):
        if number:
            picture.keep(runs[number - 1])
        yield picture, one


class Composed:
    """The picture of the composer, as the tests draw it: of what is shown, with one part of its message chosen."""

    def __init__(self):
        self.picture = composer_picture.ComposerPicture()
        self.picture.asked = composing.ASKED
        self.figure = self.picture.figure

    guess = property(lambda self: self.picture.guess, lambda self, guess: setattr(self.picture, "guess", guess))

    def draw(self, shown):
        self.picture.draw(*shown)


COMPOSED = [
    ("document", "Identity()", 2), ("document", "TopK(0.01) | Quantize(8)", 4), ("cnn", "Sign()", 0),
    ("embedding", 'TopK(0.1, "context") | EntropyQuantize(2, "context")', 9), ("mlp", "RandomK(0.001) | Eden(1)", 3),
    ("shards", 'TopK(0.5) | RandomK(0.5) | Rotate() | Blocks(256) | Quantize(4, "stochastic", ranges="array", entropy=True, '
     'model="context")', 12), ("document", "QSGD(1)", 5), ("document", "Threshold(0.05) | Float16()", 6),
    ("document", 'Quantize(16, entropy=True)', 8),
]  # fmt: skip


def composer_app():
    picture = Composed()
    yield from ((picture, (composing.compute(delta, codec), part)) for delta, codec, part in COMPOSED)


def partitions_app():
    picture = partitions.PartitionsPicture()
    look, position = partitions.look, partitions.Position
    yield picture, look(position(), partitions.Run())
    done = partitions.Run(tuple(0.5 + 0.03 * n for n in range(10)), 0.3)
    yield picture, look(position(), done)
    picture.keep(look(position(), done))
    yield picture, look(position("shards"), done)
    yield picture, look(position("shards", shards=1), partitions.Run(done.accuracy, 0.16))


def pruning_app():
    picture, survivors = pruning.PruningPicture(), np.random.default_rng(0).random((28, 28))
    for kind, sparsity in (("global", 0.5), ("node", 0.9), ("layer", 0.95)):
        yield picture, pruning.PruningData(kind, sparsity, 0.98, 0.9 - sparsity / 2, 0.97, survivors, 101_770, 407_089, 200_000,
                                           60_000, 101_632)  # fmt: skip


def reading_app():
    picture = reading.ReadingPicture()
    yield from ((picture, reading.compute(images, client)) for images, client in ((1, 0), (8, 3), (100, 1)))


QUICK = {"quantization": quantization_app, "sparsification": sparsification_app, "coding": coding_app,
         "lossless": lossless_app, "composer": composer_app, "cost": cost_app, "distillation": distillation_app,
         "tff_bits": tff_bits_app}  # fmt: skip
TRAINING = {"reading": reading_app, "lab": lab_app, "playground": playground_app, "partitions": partitions_app,
            "pruning": pruning_app}  # whose modules import TensorFlow


def positions(name):
    """(name of the position, figure as it is drawn there) of an app: its first and some others."""
    for number, (picture, data) in enumerate({**QUICK, **TRAINING}[name]()):
        picture.draw(data)
        if number == 0:
            plotting.webp(picture.figure)  # fixes the layout
            picture.draw(data)
        yield f"{name}, position {number + 1}", laid_out(picture.figure)
