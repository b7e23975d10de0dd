"""Chapter 3: every stop of its apps, its figures in both languages, its exercises with stub, wrong answers and solution."""

import numpy as np
import pytest
from apps import alt, picture, picture_of, told
from later import Later

import fedlab_utils as fl
from fedlab_utils.book import widgets
from fedlab_utils.book.exercises import algorithms as exercises
from fedlab_utils.book.figures import algorithms as figures
from fedlab_utils.book.widgets import distillation

pruning = Later("fedlab_utils.book.widgets.pruning")
central = Later("fedlab_utils.training.central")


pytestmark = pytest.mark.usefixtures("progress")


@pytest.fixture(scope="module")
def trained(mnist):
    return central.train(fl.models.document_mlp(seed=0), mnist.x_train, mnist.y_train, epochs=1)


# The pruning explorer


@pytest.fixture(scope="module")
def pruner(trained):
    """Every stop once for both languages: removed and encoded for real; fine-tuned, which takes long, in the next test."""
    made = pruning.Pruner(trained)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fl.pruning, "fine_tune", lambda model, weights, *_, **__: weights)
        for kind in pruning.KINDS:
            for sparsity in pruning.SPARSITIES:
                made(kind, sparsity)
    return made


@pytest.mark.training
def test_the_pruning_explorer_shows_every_stop(trained, pruner, language, monkeypatch):
    monkeypatch.setattr(pruning, "Pruner", lambda weights: pruner if weights is trained else None)
    app = widgets.pruning_explorer(trained, predict=False)
    assert app.compute is pruner
    seen = set()
    for kind in pruning.KINDS:
        app.controls["kind"].value = kind
        for sparsity in pruning.SPARSITIES:
            app.controls["sparsity"].value = sparsity
            assert app.message.value == ""
            data = pruner(kind, sparsity)
            removed = round(sparsity * 128) * 795 if kind == "node" else 101770 - data.weights
            if kind != "node":
                assert abs(removed - sparsity * 101632) <= 1
            assert data.weights == 101770 - removed
            assert f"{data.weights:,}" in alt(app) and f"{data.bytes_8bit:,}" in alt(app)
            assert data.bytes_dense == 407089 and data.bytes_float32 > 4 * data.weights
            seen.add(app.image.value)
    assert len(seen) == 3 * len(pruning.SPARSITIES), "two positions show the same picture"
    assert picture(app).width > 900


@pytest.mark.training
def test_what_the_pruning_explorer_claims_of_a_stop_is_what_pruning_does(trained, mnist):
    data = pruning.Pruner(trained)("node", 0.5)
    small = fl.pruning.prune_nodes(trained, 0.5)
    assert data.before == pytest.approx(central.accuracy(central.mlp(64), mnist.x_test, mnist.y_test, small), abs=2e-4)
    assert data.multiplications == 784 * 64 + 64 * 10 and data.weights == sum(w.size for w in small)
    global_ = pruning.Pruner(trained)("global", 0.9)
    pruned = fl.pruning.apply_mask(trained, fl.pruning.magnitude_mask(trained, 0.9))
    assert global_.before == central.accuracy(central.mlp(128), mnist.x_test, mnist.y_test, pruned)
    assert global_.after > global_.before
    assert global_.survivors.shape == (28, 28) and global_.survivors.sum() * 128 == (pruned[0] != 0).sum()


@pytest.mark.training
def test_the_pruning_explorer_refuses_another_model():
    with pytest.raises(ValueError, match="784 → h → 10"):
        widgets.pruning_explorer(central.mlp(8, 8).get_weights())


# The temperature explorer


@pytest.fixture(scope="module")
def digits(mnist, trained):
    show = [359, 0]
    return mnist.x_test[show], central.logits(central.mlp(128), mnist.x_test[show], trained), mnist.y_test[show]


@pytest.mark.training
def test_the_temperature_explorer_shows_every_stop(digits, language):
    app = widgets.distillation_explorer(*digits, predict=False)
    seen, bits = set(), {0: [], 1: []}
    for digit in (0, 1):
        app.controls["digit"].value = digit
        for temperature in distillation.TEMPERATURES:
            app.controls["temperature"].value = temperature
            assert app.message.value == ""
            data = app.compute(digit, temperature)
            z = digits[1][digit].astype(np.float64)
            p = np.exp((z - z.max()) / temperature) / np.exp((z - z.max()) / temperature).sum()
            np.testing.assert_allclose(data.soft, p, atol=1e-5)
            assert f"{100 * p.max():.1f}" + {"en": " %", "zh": "%"}[language] in alt(app)
            bits[digit].append(data.bits)
            seen.add(app.image.value)
    assert len(seen) == 2 * len(distillation.TEMPERATURES)
    assert all((np.diff(values) > -1e-9).all() for values in bits.values()), "hotter is softer"


def test_entropy_is_that_of_shannon():
    assert distillation.entropy([1, 0, 0]) == 0 and distillation.entropy([0.5, 0.5]) == 1
    assert distillation.entropy(np.full(8, 1 / 8)) == pytest.approx(3)


@pytest.mark.training
def test_images_without_logits_are_refused(digits):
    with pytest.raises(ValueError, match=r"images .* are needed"):
        widgets.distillation_explorer(digits[0], digits[1][:1], digits[2])


@pytest.mark.training
@pytest.mark.parametrize("guess", ["12.5", None])
def test_both_explorers_unlock_by_a_guess_or_by_one_click(trained, digits, guess, mnist):
    pruned = fl.pruning.apply_mask(trained, fl.pruning.magnitude_mask(trained, 0.95))
    left = 100 * central.accuracy(central.mlp(128), mnist.x_test, mnist.y_test, pruned)  # percent
    second, first = np.sort(digits[1][-1])[-2:].astype(float)
    quotient = np.exp((first - second) / 4)  # of the two largest probabilities at T = 4, of the last digit
    truths = {widgets.pruning_explorer(trained): left, widgets.distillation_explorer(*digits): quotient}
    for app, truth in truths.items():
        assert all(control.disabled for control in app.controls.values()) and picture(app).width > 900
        if guess is None:
            app.question.skip.click()
        else:
            app.question.guess.value = guess
            app.question.button.click()
        assert not any(control.disabled for control in app.controls.values())
        assert told(app) == pytest.approx(truth, rel=1e-3)


# Figures


def stills(trained, digits):
    parts = {(1.0, 32): (9, 0, 400_000), (0.1, 8): (12, 6000, 10_000)}
    yield figures.messages(parts)
    yield figures.pruning_curves(fl.pruning.load_study())
    yield figures.soft_targets(digits[0][0], digits[1][0])
    yield figures.students({(500, "labels"): [0.8, 0.9], (500, "soft 4"): [0.9, 0.92], (20_000, "hard"): [0.94]}, 0.98)
    images, one = [100, 1000, 10_000, 20_000], np.array([4000, 40_000, 400_000, 800_000])
    model = {"float32": 407_089, "10 %, 8 bits": 15_000}
    crossings = {("float32", "float32"): 10_177, ("8 bits", "10 %, 8 bits"): 1498}
    yield figures.break_even(images, {"float32": one, "8 bits": one // 4}, model, crossings)
    curve = [4e6, 5e6, 6e6], [0.5, 0.7, 0.8]
    yield figures.logits_or_weights({("weights", how): curve for how in model} | {("logits", "8 bits"): curve})
    yield figures.accuracy_for_bytes({"dense": ([1e6, 2e6], [0.8, 0.9]), "mask": ([1e5, 2e5], [0.8, 0.85])})
    yield widgets.pruning_still(trained, sparsity=0.9, trail=(0.5,))
    yield widgets.distillation_still(*digits)


@pytest.mark.training
def test_every_figure_is_a_picture_with_alternative_text_in_its_language(trained, digits, language):
    for still in stills(trained, digits):
        image, words = picture_of(still)
        assert image.width > 500 and len(set(image.convert("L").resize((64, 64)).tobytes())) > 10, "the picture is empty"
        assert words == still.alt and len(words) > 20
        assert any("\u4e00" <= c <= "\u9fff" for c in words) == (language == "zh")


def test_the_figures_say_what_their_data_say():
    assert "10 %, 8 bits: 16,012" in figures.messages({(1.0, 32): (9, 0, 400), (0.1, 8): (12, 6000, 10_000)}).alt
    assert "500 × true labels: 85.0 %" in figures.students({(500, "labels"): [0.8, 0.9]}, 0.98).alt
    runs = {("weights", "10 %, 8 bits"): ([1e6, 2e6], [0.8, 0.9]), ("logits", "float32"): ([1e6], [0.7])}
    assert "FedAvg, 10 %, 8 bits: 90.0 %, 2 MB" in figures.logits_or_weights(runs).alt
    met = figures.break_even([10, 20], {"float32": [400, 800]}, {"10 %, 8 bits": 600}, {("float32", "10 %, 8 bits"): 14}).alt
    assert "logits, float32 / the model, 10 %, 8 bits: 14" in met
    assert "dense FedAvg: 90.0 %, 2 MB" in figures.accuracy_for_bytes({"dense": ([1e6, 2e6], [0.8, 0.9])}).alt


# Exercises


def stub(*_): ...


def solution(exercise):
    space = {"np": np, "fl": fl}
    exec(exercise.code, space)
    return space[exercise.name.partition(".")[2]]


EXERCISES = ("shorter_message", "pruning_mask", "removed_by_stage", "distillation_loss")


@pytest.mark.parametrize("name", EXERCISES)
def test_stub_solution_and_hints(name, language):
    exercise = getattr(exercises, name)
    assert exercise.check(stub).state == "not attempted" and exercise.check(...).state == "not attempted"
    assert exercise.check(solution(exercise)).state == "right"
    assert exercise.check(7).state == exercise.check(lambda *_: "seven").state == "wrong"
    assert exercise.check(lambda *_: np.zeros((3, 3, 3))).state == "wrong"
    assert exercise.hint().message and exercise.hint(9).message


def bits_of(x, largest, most=1, least=1):
    return max(1, int(np.ceil(np.log2(np.ptp(x) / largest + most)))) if np.ptp(x) else least


def length(x, largest, head=9, most=1, up=np.ceil, least=1):
    return head + int(up(x.size * bits_of(x, largest, most, least) / 8))


def message(f, s, largest, pick=min, same_bits=False, twice=True, **how):
    one, two = length(np.concatenate([f, s]), largest, **how), length(f, largest, **how) + length(s, largest, **how)
    if same_bits:
        bits = max(1, int(np.ceil(np.log2(np.ptp(np.concatenate([f, s])) / largest + 1))))
        two = 18 + -(-f.size * bits // 8) - (-s.size * bits // 8)
    if not twice:
        two = 18 + -(-sum(x.size * bits_of(x, largest, **how) for x in (f, s)) // 8)
    ways = {1: one, 2: two}
    ranges = pick(ways, key=ways.get)
    return ranges, ways[ranges]


def stages_of(count, final, n, progress=None, curve=lambda t: 1 - (1 - t) ** 3):
    t = np.arange(n + 1) / n if progress is None else progress
    return np.diff(np.rint(final * curve(t) * count))


def cross(p, z):
    z = z - z.max(axis=1, keepdims=True)
    return np.mean(-np.sum(p * (z - np.log(np.exp(z).sum(axis=1, keepdims=True))), axis=1))


def one_hot(t):
    return np.eye(t.shape[1])[t.argmax(axis=1)]


def ranked(kernels, sparsity, key=np.abs, low=True):
    values = np.concatenate([key(k).ravel() for k in kernels])
    stay = np.ones(values.size, bool)
    stay[np.argsort(values if low else -values, kind="stable")[: round(sparsity * values.size)]] = False
    return [p.reshape(k.shape) for p, k in zip(np.split(stay, np.cumsum([k.size for k in kernels])[:-1]), kernels, strict=True)]


soften = fl.distillation.soften
WRONG = [
    ("shorter_message", "return two numbers", lambda f, s, e: message(f, s, e)[1]),
    ("shorter_message", "the other way is shorter", lambda f, s, e: message(f, s, e, pick=max)),
    ("shorter_message", "the ranges are missing", lambda f, s, e: message(f, s, e, head=0)),
    ("shorter_message", "has its own number of bits",
     lambda f, s, e: message(f, s, e, max if f.size == 40 else min, f.size == 40)),
    ("shorter_message", "2**bits - 1 steps", lambda f, s, e: message(f, s, e, most=0)),
    ("shorter_message", "these are bits", lambda f, s, e: (message(f, s, e)[0], 8 * message(f, s, e)[1])),
    ("shorter_message", "levels are packed", lambda f, s, e: message(f, s, e, up=np.floor)),
    ("shorter_message", "still takes 1 bit", lambda f, s, e: message(f, s, e, least=0)),
    ("shorter_message", "still takes 1 bit", lambda f, s, e: message(f, s, e, least=0, twice=False)),
    ("shorter_message", "round up twice", lambda f, s, e: message(f, s, e, twice=False)),
    ("shorter_message", "the number of ranges is not", lambda f, s, e: (1, message(f, s, e)[1])),
    ("shorter_message", "yours says", lambda f, s, e: message(f, s, e / 2)),
    ("pruning_mask", "one mask for each", lambda kernels, s: ranked(kernels, s)[0]),
    ("pruning_mask", "upside down", lambda kernels, s: [~m for m in ranked(kernels, s)]),
    ("pruning_mask", "rank by magnitude", lambda kernels, s: ranked(kernels, s, key=lambda k: k)),
    ("pruning_mask", "each kernel by itself", lambda kernels, s: [ranked([k], s)[0] for k in kernels]),
    ("pruning_mask", "fraction that goes", lambda kernels, s: ranked(kernels, 1 - s)),
    ("pruning_mask", "only True and False", lambda kernels, s: [k * m for k, m in zip(kernels, ranked(kernels, s), strict=True)]),
    ("pruning_mask", "not all of them the smallest", lambda kernels, s: ranked(kernels, s, lambda k: np.abs(k - 1))),
    ("removed_by_stage", "what is new", lambda c, f, n: np.cumsum(stages_of(c, f, n))),
    ("removed_by_stage", "these are fractions", lambda c, f, n: np.diff(f * (1 - (1 - np.arange(n + 1) / n) ** 3))),
    ("removed_by_stage", "as many each time", lambda c, f, n: stages_of(c, f, n, curve=lambda t: t)),
    ("removed_by_stage", "left of the way", lambda c, f, n: stages_of(c, f, n, curve=lambda t: t**3)),
    ("removed_by_stage", "then take differences", lambda c, f, n: np.diff(c * f * (1 - (1 - np.arange(n + 1) / n) ** 3))),
    ("removed_by_stage", "yours says", lambda c, f, n: stages_of(c, f, n, curve=lambda t: 1 - (1 - t) ** 2)),
    ("removed_by_stage", "must have the shape", lambda c, f, n: stages_of(c, f, n, progress=np.arange(n) / n)),
    ("distillation_loss", "T² is missing: ", lambda s, t, T: cross(soften(t, T), s / T)),
    ("distillation_loss", "not T.", lambda s, t, T: T * cross(soften(t, T), s / T)),
    ("distillation_loss", "student's logits must be divided by T as well.", lambda s, t, T: T**2 * cross(soften(t, T), s)),
    ("distillation_loss", "teacher's logits must", lambda s, t, T: T**2 * cross(soften(t, 1), s / T)),
    ("distillation_loss", "and T² is missing", lambda s, t, T: cross(soften(t, T), s)),
    ("distillation_loss", "hard labels", lambda s, t, T: cross(one_hot(t), s)),
    ("distillation_loss", "hard labels", lambda s, t, T: T**2 * cross(one_hot(t), s / T)),
    ("distillation_loss", "take the mean", lambda s, t, T: len(s) * T**2 * cross(soften(t, T), s / T)),
    ("distillation_loss", "sign", lambda s, t, T: -(T**2) * cross(soften(t, T), s / T)),
    ("distillation_loss", "over the images only", lambda s, t, T: T**2 * cross(soften(t, T), s / T) / s.shape[1]),
    ("distillation_loss", "should be", lambda s, t, T: 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "part", "answer"), WRONG, ids=[f"{name}: {part}" for name, part, _ in WRONG])
def test_wrong_answers_are_told_apart(name, part, answer, same_numbers):
    verdict = getattr(exercises, name).check(answer)
    others = {other for exercise, other, _ in WRONG if exercise == name and other != part}
    assert verdict.state == "wrong" and part in verdict.message, verdict.message
    assert not [other for other in others if other in verdict.message], verdict.message
    fl.use_language("zh")
    assert any("\u4e00" <= c <= "\u9fff" for c in getattr(exercises, name).check(answer).message)
    same_numbers(getattr(exercises, name), answer)


def test_other_right_ways_are_right():
    kernels_as_numbers = lambda kernels, s: [m.astype(int) for m in ranked(kernels, s)]  # noqa: E731
    assert exercises.pruning_mask.check(kernels_as_numbers).state == "right"
    assert exercises.shorter_message.check(lambda f, s, e: list(message(f, s, e))).state == "right"
    package = lambda s, t, T: fl.distillation.distillation_loss(s, t, T)  # noqa: E731
    assert exercises.distillation_loss.check(package).state == "right"
    gone = lambda c, f, n: [round(c * fl.pruning.cubic_sparsity(i / n, f)) for i in range(n + 1)]  # noqa: E731
    by_package = lambda c, f, n: np.diff(gone(c, f, n)).tolist()  # noqa: E731
    assert exercises.removed_by_stage.check(by_package).state == "right"
