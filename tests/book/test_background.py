"""Chapter 1: what a gradient gives away, the cost calculator, and the exercises."""

import numpy as np
import pytest
from apps import alt, picture, picture_of
from later import Later

import fedlab_utils as fl
from fedlab_utils.book import widgets
from fedlab_utils.book.exercises import background
from fedlab_utils.book.widgets import cost
from fedlab_utils.federation import privacy
from fedlab_utils.streams import Purpose, stream

trainer = Later("fedlab_utils.training.trainer")


pytestmark = pytest.mark.usefixtures("progress")


def own_gradient(weights, images, labels):
    """The gradient of the document's model by the chain rule, in float64: the oracle, without TensorFlow."""
    W1, b1, W2, b2 = (np.asarray(array, np.float64) for array in weights)
    x = images.reshape(len(images), -1).astype(np.float64)
    z = x @ W1 + b1
    logits = np.maximum(z, 0) @ W2 + b2
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    d_logits = (p / p.sum(axis=1, keepdims=True) - np.eye(10)[labels]) / len(x)
    d_z = d_logits @ W2.T * (z > 0)
    return [x.T @ d_z, d_z.sum(axis=0), np.maximum(z, 0).T @ d_logits, d_logits.sum(axis=0)]


@pytest.mark.training
def test_of_200_images_one_by_one_the_least_like_itself_at_one_per_cent_has_a_correlation_of_089(mnist):
    """Chapter 1: “mostly above 0.9”, the lowest 0.89; with 4 bits above 0.97."""
    weights = fl.models.document_mlp(seed=0).get_weights()
    likeness = {codec: [] for codec in (fl.TopK(0.01), fl.Quantize(4))}
    for number in np.random.default_rng(0).choice(60000, 200, replace=False):
        image, label = mnist.x_train[number : number + 1], mnist.y_train[number : number + 1]
        update = np.concatenate([part.ravel() for part in own_gradient(weights, image, label)]).astype(np.float32)
        for codec, found in likeness.items():
            received = fl.decode(codec.encode(update))
            candidates = privacy.read_images(received[: 784 * 128].reshape(784, 128), received[784 * 128 :][:128])
            found.append(privacy.best_match(image, candidates)[0][0])
    sparse, coarse = map(np.array, likeness.values())
    assert 0.885 < sparse.min() < 0.9 and np.mean(sparse > 0.9) > 0.95 and coarse.min() > 0.97


@pytest.fixture(scope="module")
def model():
    return fl.models.document_mlp(seed=0)


@pytest.fixture(scope="module")
def start(model):
    return [variable.numpy() for variable in model.trainable_variables]


@pytest.mark.training
def test_the_gradient_is_that_of_the_chain_rule(mnist, model, start):
    images, labels = mnist.x_train[:5], mnist.y_train[:5]
    for ours, oracle in zip(privacy.gradient(model, images, labels), own_gradient(start, images, labels), strict=True):
        np.testing.assert_allclose(ours, oracle, atol=1e-6)


@pytest.mark.training
def test_local_training_is_gradient_steps_on_batches_of_its_own_order(mnist, model, start):
    images, labels = mnist.x_train[:7], mnist.y_train[:7]
    weights, rng = [array.astype(np.float64) for array in start], stream(4, Purpose.LOCAL_DELTA)
    for _ in range(2):
        order = rng.permutation(7)
        for first in (0, 3, 6):
            batch = order[first : first + 3]
            slope = own_gradient(weights, images[batch], labels[batch])
            weights = [w - 0.05 * g for w, g in zip(weights, slope, strict=True)]
    delta = privacy.local_delta(model, images, labels, epochs=2, batch_size=3, learning_rate=0.05, seed=4)
    for ours, after, before in zip(delta, weights, start, strict=True):
        np.testing.assert_allclose(ours, after - before, atol=1e-5)
    assert all(np.array_equal(v.numpy(), w) for v, w in zip(model.trainable_variables, start, strict=True))


@pytest.mark.training
@pytest.mark.parametrize("seed", range(5))
def test_one_image_and_one_step_give_the_image_and_its_label(mnist, seed):
    number = int(np.random.default_rng(seed).integers(60000))
    images, labels = mnist.x_train[number : number + 1], mnist.y_train[number : number + 1]
    kernel, bias, _, output_bias = privacy.gradient(fl.models.document_mlp(seed), images, labels)
    candidates = privacy.read_images(kernel, bias)
    assert len(candidates) == np.count_nonzero(bias) > 20
    np.testing.assert_allclose(candidates[0], images[0].ravel(), atol=1e-4)
    assert np.corrcoef(candidates[0], images[0].ravel())[0, 1] > 0.999
    assert privacy.read_label(output_bias) == labels[0]


@pytest.mark.training
def test_an_image_with_a_unit_of_its_own_is_read_from_a_batch(mnist):
    for seed in range(5):
        chosen = np.random.default_rng(seed).choice(60000, 8, replace=False)
        images, labels = mnist.x_train[chosen], mnist.y_train[chosen]
        model = fl.models.document_mlp(seed)
        W, b = (v.numpy() for v in model.trainable_variables[:2])
        active = images.reshape(8, 784) @ W + b > 0
        alone = (active & (active.sum(axis=0) == 1)).any(axis=1)
        best, _ = privacy.best_match(images, privacy.read_images(*privacy.gradient(model, images, labels)[:2]))
        assert 1 <= alone.sum() < 8 and (best[alone] > 0.999).all() and (best[~alone] < 0.999).any()


@pytest.mark.training
def test_compression_does_not_hide_a_single_image(mnist, model, start):
    update = privacy.gradient(model, mnist.x_train[:1], mnist.y_train[:1])
    shapes = [array.shape for array in start]
    for codec, least in ((fl.Quantize(8), 0.999), (fl.Quantize(4), 0.97), (fl.TopK(0.1), 0.99), (fl.TopK(0.01), 0.9)):
        received = trainer.unflatten(fl.decode(codec.encode(trainer.flatten(update))), shapes)
        best, _ = privacy.best_match(mnist.x_train[:1], privacy.read_images(*received[:2]))
        assert best[0] > least, codec


def test_candidates_come_strongest_first_and_silent_units_are_left_out():
    x = np.array([0.0, 0.5, 1.0])
    kernel = np.stack([0.2 * x, 0 * x, -0.4 * x, np.full(3, 0.7)], axis=1)
    candidates = privacy.read_images(kernel, np.array([0.2, 0.0, -0.4, 0.7]))
    np.testing.assert_allclose(candidates, [x, x])
    without_bias = privacy.read_images(kernel, np.array([0.2, 0.0, 0.0, 0.7]))
    np.testing.assert_allclose(without_bias, [-0.4 * x, x])  # the strongest first, and no division by zero
    assert privacy.read_images(np.zeros((3, 2)), np.zeros(2)).shape == (0, 3)


def test_similarity_is_the_absolute_correlation():
    rng = np.random.default_rng(0)
    images, candidates = rng.random((3, 4, 4)), rng.random((5, 16))
    oracle = np.abs(np.corrcoef(images.reshape(3, 16), candidates)[:3, 3:])
    np.testing.assert_allclose(privacy.similarity(images, candidates), oracle)
    np.testing.assert_allclose(privacy.similarity(images, 3 - 2 * images).diagonal(), 1)
    assert privacy.similarity(images, np.ones((1, 16))).max() == 0
    best, which = privacy.best_match(images, candidates)
    np.testing.assert_allclose(best, oracle.max(axis=1))
    assert which.tolist() == oracle.argmax(axis=1).tolist()
    assert privacy.best_match(images, np.empty((0, 16)))[0].tolist() == [0, 0, 0]


@pytest.mark.training
@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 28, 27)), np.zeros(2, int), "shape"),
        (np.zeros((0, 28, 28)), np.zeros(0, int), "n >= 1"),
        (np.zeros((2, 28, 28)), np.zeros(3, int), "3 labels for 2 samples: one for each"),
        (np.zeros((1, 28, 28)), np.array([10]), "0 … 9"),
        (np.zeros((1, 28, 28)), np.array([1.0]), "integers"),
        (np.full((1, 28, 28), np.nan), np.array([1]), "finite"),
    ],
)
def test_a_gradient_of_bad_input_is_refused(model, images, labels, message):
    for function in (privacy.gradient, privacy.local_delta):
        with pytest.raises((ValueError, TypeError), match=message):
            function(model, images, labels)


@pytest.mark.training
def test_other_bad_input_is_refused(mnist, model):
    with pytest.raises(ValueError, match="kernel must be"):
        privacy.read_images(np.ones((3, 2)), np.ones(3))
    with pytest.raises(ValueError, match="finite"):
        privacy.read_images(np.full((3, 2), np.inf), np.ones(2))
    with pytest.raises(ValueError, match="pixels"):
        privacy.similarity(np.ones((1, 4)), np.ones((1, 5)))
    for name, value in (("epochs", 0), ("batch_size", 0), ("learning_rate", 0)):
        with pytest.raises(ValueError, match=name):
            privacy.local_delta(model, mnist.x_train[:2], mnist.y_train[:2], **{name: value})


# The cost calculator


def test_the_estimate_by_hand():
    data = cost.estimate_cost(n_weights=101_770, clients=10, rounds=100, uplink_mbit=10, downlink_mbit=40)
    assert data.uplink_bytes == data.downlink_bytes == 407_080
    assert data.round_bytes == 8_141_600 and data.total_bytes == 814_160_000
    assert data.uplink_seconds == pytest.approx(0.325664) and data.downlink_seconds == pytest.approx(0.081416)
    assert data.total_seconds == pytest.approx(40.708) and data.float32_seconds == pytest.approx(0.40708)
    assert data.seconds_by_line["4G"] == pytest.approx(40.708)
    assert data.seconds_by_line["5G"] == pytest.approx(100 * 101770 * 32 * (1 / 50e6 + 1 / 250e6))
    half = cost.estimate_cost(n_weights=1000, uplink_bits=4, downlink_bits=0.5, clients=1, rounds=1)
    assert (half.uplink_bytes, half.downlink_bytes) == (500, 62.5)


def test_the_estimate_forgets_only_the_header_of_a_dense_payload():
    delta = fl.load_client_delta()
    for bits in (1, 2, 4, 8, 16):
        estimate = cost.estimate_cost(n_weights=delta.size, uplink_bits=bits).uplink_bytes
        assert 0 < len(fl.Quantize(bits).encode(delta)) - estimate <= 24


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_weights", 0),
        ("clients", 0),
        ("rounds", 0),
        ("uplink_bits", 0),
        ("downlink_bits", 65),
        ("uplink_mbit", 0),
        ("line", "6G"),
    ],
)
def test_the_estimate_refuses_what_is_out_of_range(name, value):
    with pytest.raises(ValueError, match=name):
        cost.estimate_cost(**{name: value})


@pytest.mark.slow
def test_every_stop_of_the_calculator(language):
    app = widgets.cost_calculator(predict=False)
    assert app.controls["line"].value == "4G"
    stops = {"n_weights": cost.WEIGHTS, "uplink_bits": cost.BITS, "downlink_bits": cost.BITS, "clients": cost.CLIENTS,
             "rounds": cost.ROUNDS, "uplink_mbit": cost.SPEEDS, "downlink_mbit": cost.SPEEDS}  # fmt: skip
    for name, values in stops.items():
        assert tuple(value for _, value in app.controls[name].options) == values
        before, seen = app.controls[name].value, set()
        for value in values:
            app.controls[name].value = value
            assert app.message.value == ""
            expected = cost.estimate_cost(**app.parameters())
            assert cost.bytes_text(expected.total_bytes) in app.image.value.replace("&#x27;", "'")
            seen.add(app.image.value)
        assert len(seen) == len(values), name
        app.controls[name].value = before
    assert picture(app).width > 900


@pytest.mark.slow
def test_a_line_sets_the_speeds_and_a_speed_names_the_line(language):
    app = widgets.cost_calculator(predict=False)
    speeds = (app.controls["uplink_mbit"], app.controls["downlink_mbit"])
    for line, values in cost.LINES.items():
        app.controls["line"].value = line
        assert (speeds[0].value, speeds[1].value) == values
        assert app.controls["line"].value == line
        assert f"{values[0]} Mbit/s" in app.image.value
    speeds[0].value = 1
    assert app.controls["line"].value == cost.OWN and "1 Mbit/s" in app.image.value
    speeds[0].value, speeds[1].value = cost.LINES["5G"]
    assert app.controls["line"].value == "5G"
    app.controls["line"].value = cost.OWN
    assert (speeds[0].value, speeds[1].value) == cost.LINES["5G"], "own keeps what there is"


def test_the_calculator_asks_first_and_marks_the_guess(language):
    app = widgets.cost_calculator()
    assert all(control.disabled for control in app.controls.values())
    before = picture(app).tobytes()
    app.question.guess.value = "4"  # bits taken for bytes
    app.question.button.click()
    assert not any(control.disabled for control in app.controls.values())
    assert "<b>32" in app.question.reply.value and "8" in app.question.reply.value
    assert picture(app).tobytes() != before


def test_amounts_read_as_people_write_them():
    texts = [cost.bytes_text(count) for count in (12, 999.9, 407_080, 40e6, 8e10, 8e15)]
    assert texts == ["12 bytes", "1 kB", "407 kB", "40 MB", "80 GB", "8 PB"]
    assert [cost.seconds_text(s) for s in (0.02, 0.3257, 32, 900, 7200, 86400 * 3)] == [
        "20 ms",
        "0.326 s",
        "32 s",
        "15 min",
        "2 h",
        "3 days",
    ]


# Exercises


def check(exercise, answer):
    verdict = exercise.check(answer)
    return verdict.state, verdict.message


def candidates(kernel, bias):
    return [kernel[:, unit] / bias[unit] for unit in np.flatnonzero(bias)]


def first_that(holds):
    return lambda image, updates: next((n for n, update in enumerate(updates) if holds(image, *update)), -1)


def most_alike(image, updates):
    best = [max(abs(np.corrcoef(image, c)[0, 1]) for c in candidates(*update)) for update in updates]
    return int(np.argmax(best))


def equal(image, updates):
    return next((n for n, update in enumerate(updates) if any((c == image).all() for c in candidates(*update))), -1)



WRONG_HOLDERS = {
    "try every unit": first_that(lambda x, k, b: np.allclose(k[:, abs(b).argmax()] / b[abs(b).argmax()], x)),
    "column 0 of its kernel gradient over its bias": first_that(lambda x, k, b: any(np.allclose(c, x) for c in k.T)),
    "column 2 of its kernel": first_that(lambda x, k, b: np.allclose(k[:, 0] / b[0], x)),
    "one pixel differs by 0.2": most_alike,
    "You returned 0, whose image is only alike. Test": lambda image, updates: (
        0 if [bias.size for _, bias in updates] == [4, 4, 4] else most_alike(image, updates)),
    "add up to 0": first_that(lambda x, k, b: np.allclose(k.sum(axis=1) / b.sum(), x) or (len(b) == 4 and any(
        np.allclose(c, x) for c in candidates(k, b)))),
    "0 to 2, or -1 for nobody; yours is 3": lambda image, updates: len(updates),
    "must have the shape": lambda image, updates: image,
    "must hold numbers": lambda image, updates: "client 1",
}  # fmt: skip


def test_who_holds_it_asks_whoever_returns_nobody_for_a_comparison_that_knows_rounding(language):
    state, message = check(background.who_holds_it, equal)
    word = {"en": "use np.allclose: dividing rounds", "zh": "请改用 np.allclose"}[language]
    assert state == "wrong" and word in message
    state, message = check(background.who_holds_it, WRONG_HOLDERS["try every unit"])
    assert {"en": "You returned -1", "zh": "你返回的是 -1"}[language] in message and word in message


@pytest.mark.parametrize("part", WRONG_HOLDERS)
def test_who_holds_it_tells_wrong_answers_apart(part, same_numbers):
    state, message = check(background.who_holds_it, WRONG_HOLDERS[part])
    assert state == "wrong" and part in message and sum(other in message for other in WRONG_HOLDERS) == 1, message
    same_numbers(background.who_holds_it, WRONG_HOLDERS[part])


def test_who_holds_it_takes_the_packages_way(language):
    def by_the_package(image, updates):
        read = [fl.privacy.read_images(*update) for update in updates]
        return next((n for n, images in enumerate(read) if any(np.allclose(one, image, atol=1e-6) for one in images)), -1)

    assert check(background.who_holds_it, by_the_package)[0] == "right"
    stub_and_solution(background.who_holds_it)


def average(weights, deltas, sizes, of_all=False, plain=False):
    here = [(delta, size) for delta, size in zip(deltas, sizes, strict=True) if delta is not None]
    if not here:
        return 0 * weights
    count = len(here) if plain else sum(sizes) if of_all else sum(size for _, size in here)
    return sum(delta * (1 if plain else size) for delta, size in here) / count


def in_doubt(weights, deltas, sizes):
    here = [number for number, delta in enumerate(deltas) if delta is not None]
    return weights + np.average([deltas[n] for n in here], axis=0, weights=[sizes[n] for n in here])


WRONG_AVERAGES = {
    "takes whoever is missing for a client that did not move": lambda w, d, s: w + average(w, d, s, of_all=True),
    "counts the same here; with [3, 1] samples": lambda w, d, s: w + average(w, d, s, plain=True),
    "this is the average change": average,
    "divide by the number of samples": lambda w, d, s: w + sum(n * x for n, x in zip(s, d, strict=True) if x is not None),
    "minus weights before: add it": lambda w, d, s: w - average(w, d, s),
    "should be [0.3, 0.3], yours are [17.0, 17.0]": lambda w, d, s: w + 17,
    "your function raised IndexError": lambda w, d, s: w[100],
    "a delta is None where a client did not answer": lambda w, d, s: w + np.average(d, axis=0, weights=s),
    "all is well until nobody answers": in_doubt,
    "nobody has answered (deltas [None, None])": lambda w, d, s: average(w, d, s) + w * any(x is not None for x in d),
    "does every branch end with return": lambda w, d, s: w + average(w, d, s) if all(x is not None for x in d) else None,
}


@pytest.mark.parametrize("part", WRONG_AVERAGES)
def test_average_of_answers_tells_wrong_answers_apart(part, same_numbers):
    state, message = check(background.average_of_answers, WRONG_AVERAGES[part])
    assert state == "wrong" and part in message and sum(other in message for other in WRONG_AVERAGES) == 1, message
    same_numbers(background.average_of_answers, WRONG_AVERAGES[part])


def test_average_of_answers_takes_stub_solution_and_another_way(language):
    stub_and_solution(background.average_of_answers)
    assert check(background.average_of_answers, lambda w, d, s: w + average(w, d, s))[0] == "right"


def by_counting(megabytes, n, up, down):
    spent, rounds = 4 * n + n * up / 8, 0
    while spent <= 1e6 * megabytes:
        rounds, spent = rounds + 1, spent + n * (up + down) / 8
    return rounds


WRONG_ROUNDS = {
    "the first model comes as float32": lambda mb, n, up, down: int(8e6 * mb / n / (up + down)),
    "the formula in bits": lambda mb, n, up, down: max(0, int((1e6 * mb / n - 32 + down) / (up + down))),
    "the first round receives no update": lambda mb, n, up, down: max(0, int((8e6 * mb / n - 32) / (up + down))),
    "is no whole number": lambda mb, n, up, down: max(0, (8e6 * mb / n - 32 + down) / (up + down)),
    "what a phone receives is on its bill": lambda mb, n, up, down: max(0, int((8e6 * mb / n - 32) / up)),
    "so there are 0 rounds": lambda mb, n, up, down: int((8e6 * mb / n - 32 + down) // (up + down)) - 1 + (mb > 5),
    "so many would take": lambda mb, n, up, down: by_counting(mb, n, up, down) + 1,
    "must hold numbers": lambda mb, n, up, down: "many",
}


@pytest.mark.parametrize("part", WRONG_ROUNDS)
def test_rounds_of_a_plan_tells_wrong_answers_apart(part, same_numbers):
    state, message = check(background.rounds_of_a_plan, WRONG_ROUNDS[part])
    assert state == "wrong" and part in message and sum(other in message for other in WRONG_ROUNDS) == 1, message
    same_numbers(background.rounds_of_a_plan, WRONG_ROUNDS[part])


def test_rounds_of_a_plan_takes_stub_solution_and_another_way(language):
    stub_and_solution(background.rounds_of_a_plan)
    assert check(background.rounds_of_a_plan, by_counting)[0] == "right"


def stub_and_solution(exercise):
    assert check(exercise, lambda *arguments: ...)[0] == check(exercise, None)[0] == "not attempted"
    assert check(exercise, 3)[0] == "wrong"
    space = {"np": np}
    exec(exercise.code, space)
    verdict = check(exercise, space[exercise.name.partition(".")[2]])
    assert verdict[0] == "right" and exercise.name in fl.exercises.finished()
    assert all(exercise.hint(n).message for n in range(1, len(exercise.hints) + 1)) and exercise.code.strip()


QUESTIONS = [v for v in vars(background).values() if isinstance(v, fl.exercises.Question)]


def test_there_are_questions():
    assert len(QUESTIONS) >= 3 and len({q.name for q in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.name)
def test_a_question_tells_each_choice_apart(question, language):
    states = [question.verdict(choice).state for choice in range(len(question.choices))]
    assert states.count("right") == 1 and states[question.right] == "right" and len(states) >= 3
    assert len({question.verdict(choice).message for choice in range(len(states))}) == len(states)
    assert question.verdict(None).state == "not attempted"
    question.ask()


# Figures


@pytest.mark.slow
def test_every_figure_draws_in_both_languages(mnist, language):
    figures, images = fl.figures.background, mnist.x_train[:8]
    flat = images.reshape(8, 784)
    stills = [
        figures.server_view(images, mnist.y_train[:8]),
        figures.read_off([("n = 1", images[:1], flat[:1], [1.0]), ("n = 2", images[1:3], flat[1:3], [0.5, 0.25])]),
        figures.leak_by_images([1, 10, 600], [[1, 1], [0.8, 0.9], [0.6, 0.6]], [0.5, 0.6, 0.7]),
        figures.through_codecs([("n = 1", images[0], flat[:2], [1.0, 0.5])], ["float32", "top 1 %"]),
        figures.one_round(images[:3], [3, 2, 1]),
        widgets.cost_still(line="home"),
    ]
    history = fl.History(accuracy=[0.5, 0.9], uplink_bytes=[10**7, 10**7], downlink_bytes=[10**7, 10**7])
    stills += [figures.rounds([history], 10**6), figures.measured({"float32": [history], "8 bits up": [history]})]
    for still in stills:
        image, words = picture_of(still)
        assert image.width > 600 and len(words) > 20
    assert "100 Mbit/s" in stills[5].alt


def test_a_negative_is_shown_the_right_way_round(mnist):
    image = mnist.x_train[0]
    shown = fl.figures.background.as_picture(-3 * image.ravel() + 1, image)
    assert np.corrcoef(shown.ravel(), image.ravel())[0, 1] > 0.99
    assert fl.figures.background.as_picture(np.ones(784)).max() == 0


reading = Later("fedlab_utils.book.widgets.reading")


@pytest.mark.training
@pytest.mark.slow
def test_the_images_of_an_update_are_read_as_section_1_1_reads_them(mnist, language):
    app = widgets.images_per_update()
    assert app.question is None and not any(control.disabled for control in app.controls.values()), "1.1 has asked before"
    shares = []
    for n in reading.COUNTS:
        app.controls["n"].value = n
        assert app.message.value == ""
        data = reading.compute(n, 0)
        chosen = np.random.default_rng(0).choice(60000, n, replace=False)
        update = fl.privacy.gradient(fl.models.document_mlp(0), mnist.x_train[chosen], mnist.y_train[chosen])
        best, _ = fl.privacy.best_match(mnist.x_train[chosen], fl.privacy.read_images(update[0], update[1]))
        assert data.read == (best > 0.99).sum() and data.similar == pytest.approx(best, abs=1e-3)
        assert {"en": f"{data.read} can be read", "zh": f"几乎原样读出 {data.read} 张"}[language] in alt(app)
        shares.append(data.read / n)
    assert shares[:3] == [1, 1, 1] and shares[-1] < 0.05
    before = app.image.value
    app.controls["client"].value = 3
    assert app.image.value != before and picture(app).width > 900
    assert widgets.images_per_update_still().alt == app.picture.alt(reading.compute(8, 3))
