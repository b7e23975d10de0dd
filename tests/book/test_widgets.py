"""Every stop of every slider; what the apps show is what the codecs really made; the lab trains, stops and tells errors."""

import time

import drawn
import numpy as np
import pytest
from apps import alt, picture, told
from later import Later

import fedlab_utils as fl
from fedlab_utils.book import widgets
from fedlab_utils.book.exercises.asking import compare
from fedlab_utils.book.widgets import coding, quantization, sparsification
from fedlab_utils.data import DELTA_SHAPES
from fedlab_utils.layout import unflatten

lab = Later("fedlab_utils.book.widgets.lab")
lab_training = Later("fedlab_utils.book.widgets.lab_training")


def lab_stops():
    return {
        "partition": lab.PARTITIONS,
        "n_clients": lab.CLIENTS,
        "cohort": lab.COHORTS,
        "k": lab.FRACTIONS,
        "bits": lab.BITS,
        "rounding": ("floor", "nearest", "stochastic"),
        "ranges": ("model", "array"),
        "error_feedback": (False, True),
        "downlink": lab.DOWNLINKS,
        "local_epochs": lab.LOCAL_EPOCHS,
        "rounds": lab.ROUNDS,
        "seeds": (1, 3),
    }


@pytest.mark.slow
def test_the_quantization_explorer_shows_the_bytes_of_every_stop(language):
    app = widgets.quantization_explorer(predict=False)
    x = fl.load_client_delta()
    seen = set()
    for source in quantization.SOURCES:
        app.controls["source"].value = source
        for rounding in ("floor", "nearest", "stochastic"):
            app.controls["rounding"].value = rounding
            for bits in range(1, 17):
                app.controls["bits"].value = bits
                assert app.message.value == ""
                # n levels of b bits, a header of 13 bytes and a checksum of 4: worked out by hand.
                assert f"{-(-x.size * bits // 8) + 17:,}" in alt(app)
                seen.add(app.image.value)
    app.controls["ranges"].value = "array"
    for bits in range(1, 17):
        app.controls["bits"].value = bits
        assert f"{-(-x.size * bits // 8) + 17 + 40:,}" in alt(app)  # shapes, and three more ranges
        seen.add(app.image.value)
    assert len(seen) == 2 * 3 * 16 + 16, "two positions show the same picture"
    assert picture(app).width > 900


def test_the_quantization_explorer_reports_the_error_of_the_vector_it_names():
    x = fl.load_client_delta().astype(np.float64)
    step = (x.max() - x.min()) / (2**5 - 1)
    x_hat = x.min() + np.floor((x - x.min()) / step) * step
    expected = np.sum((x - x_hat) ** 2) / np.sum(x**2)
    assert quantization.compute("delta", 5, "floor").nmse == pytest.approx(expected, rel=1e-4)


def test_the_quantization_explorer_gives_each_array_its_range():
    x = fl.load_client_delta().astype(np.float64)
    error = 0.0
    for part in np.split(x, np.cumsum([784 * 128, 128, 1280])):
        step = np.ptp(part) / (2**2 - 1)
        error += np.sum((part.min() + np.rint((part - part.min()) / step) * step - part) ** 2)
    data = quantization.compute("delta", 2, "nearest", "array")
    assert data.nmse == pytest.approx(error / np.sum(x**2), rel=1e-4)
    assert (data.lo, data.hi) == (x[: 784 * 128].min(), x[: 784 * 128].max())


@pytest.mark.slow
def test_the_sparsification_explorer_visits_every_stop(language):
    app = widgets.sparsification_explorer(predict=False)
    seen = set()
    for k in sparsification.FRACTIONS:
        app.controls["k"].value = k
        assert app.message.value == ""
        data = sparsification.compute(k)
        assert data.kept == int(np.ceil(round(k * 101770, 6)))
        assert 0 < data.bytes_float32 - 4 * data.kept - data.support_bytes <= 24  # header and checksum are all that is left
        assert f"{data.bytes_8bit:,}" in alt(app)
        seen.add(app.image.value)
    assert len(seen) == len(sparsification.FRACTIONS)
    assert sparsification.FRACTIONS[0] == 0.001 and sparsification.FRACTIONS[-1] == 1.0


def test_the_mosaic_shows_each_weight_at_its_pixel_of_its_unit():
    hidden = np.zeros((784, 128))
    hidden[28 * 3 + 5, 17] = 1  # the weight from pixel (3, 5) to unit 17, which is tile (1, 1)
    (row,), (column,) = np.nonzero(sparsification._mosaic(hidden) == 1)
    assert (row, column) == (29 + 3, 29 + 5)


@pytest.mark.slow
def test_the_coding_explorer_sends_the_same_values_in_fewer_bits_at_each_stop(language):
    app = widgets.coding_explorer(predict=False)
    seen = set()
    for delta, arrays in fl.load_deltas().items():
        n = sum(array.size for array in arrays)
        app.controls["delta"].value = delta
        for bits in coding.BITS:
            app.controls["bits"].value = bits
            sent, values = [], []
            for stop in coding.STOPS:
                app.controls["stop"].value = stop
                assert app.message.value == ""
                codec = fl.Quantize(bits) if stop == "none" else fl.Quantize(bits, entropy=True, model=stop)
                payload = codec.encode(arrays)
                sent.append(8 * len(payload) / n)
                values.append(fl.decode(payload))
                there = coding.compute(delta, bits, stop).stops[stop]
                assert f" {sent[-1]:.3f} " in alt(app) and there.sent == sent[-1]
                assert there.entropy < sent[-1] < there.entropy + 0.14  # close above what theory draws
                seen.add(app.image.value)
            assert sent == sorted(sent, reverse=True) and sent[0] == pytest.approx(bits, abs=0.01)
            assert all(np.array_equal(values[0], other) for other in values)
    assert tuple(value for _, value in app.controls["delta"].options) == tuple(fl.load_deltas())
    assert len(seen) == 5 * 2 * 4, "two positions show the same picture"
    assert picture(app).width > 900


@pytest.mark.slow
def test_the_coding_explorer_draws_the_stops_seen_and_expects_more_and_more():
    app = widgets.coding_explorer(predict=False)
    bars = app.picture._bars
    assert [bar.get_height() > 0 for bar in bars] == [True, False, False, False]
    app.controls["stop"].value = "arrays"
    assert [bar.get_height() > 0 for bar in bars] == [True, False, True, False]
    for delta in coding.DELTAS:
        data = coding.compute(delta, 8, "none")
        some = ~np.isnan(data.magnitudes)
        expected = [data.stops[stop].expected[some] for stop in coding.STOPS]
        assert np.isnan(expected[0]).all() and np.ptp(expected[1]) == 0, "nothing; the same of every weight"
        off = [float(np.mean((data.magnitudes[some] - of_stop) ** 2)) for of_stop in expected[1:]]
        assert off[0] >= off[1] > off[2], f"{delta}: the receiver expects no better than before: {off}"
    dead = coding.compute("document", 8, "arrays")
    assert (dead.magnitudes[dead.stops["arrays"].expected == 0] == 0).all() and (dead.stops["arrays"].expected == 0).mean() > 0.2


def growth_of_the_error():
    """From 8 bits to 4, floor: a step of 1/15 of the range for one of 1/255; NMSE by hand."""
    x = fl.load_client_delta().astype(np.float64)
    steps = [(x.max() - x.min()) / levels for levels in (15, 255)]
    coarse, fine = (np.sum((x - x.min() - np.floor((x - x.min()) / step) * step) ** 2) for step in steps)
    return coarse / fine


def shrinking_of_the_message():
    return 4 * 101_770 / len((fl.TopK(0.01) | fl.Quantize(8)).encode(fl.load_client_delta()))


def bits_by_context():
    arrays = unflatten(fl.load_client_delta(), DELTA_SHAPES)
    return 8 * len(fl.Quantize(8, entropy=True, model="context").encode(arrays)) / 101_770


@pytest.mark.parametrize(
    ("app", "truth"),
    [
        (widgets.quantization_explorer, growth_of_the_error),
        (widgets.sparsification_explorer, shrinking_of_the_message),
        (widgets.coding_explorer, bits_by_context),
    ],
)
def test_an_explorer_unlocks_by_a_guess_or_by_one_click(app, truth):
    for guess in ("40", None):
        explorer = app(predict=True)
        assert all(control.disabled for control in explorer.controls.values())
        assert picture(explorer).width > 900, "Run All shows the picture before any guess"
        question = explorer.question
        if guess is None:
            question.skip.click()
        else:
            question.guess.value = "many"
            question.button.click()
            assert "number" in question.reply.value and all(c.disabled for c in explorer.controls.values())
            question.guess.value = guess
            question.button.click()
        assert not any(control.disabled for control in explorer.controls.values())
        assert told(explorer) == pytest.approx(truth(), rel=1e-3)


def test_a_guess_is_compared_by_its_factor():
    assert "4 times too low" in compare(50, 200)
    assert "4 times too high" in compare(200, 50)
    assert "1.2 times too high" in compare(1.5, 1.25, " bits", exact=True)  # it could be worked out
    assert "close" in compare(0.81, 0.8113, exact=True)
    assert "98,300 times too low" in compare(0.5, 49_151)
    assert "close" in compare(105, 100) and "exactly right" in compare(100, 100) and "exactly right" in compare(0, 0, " %")
    assert compare(None, 100) == "It is <b>100</b>."
    # Shares of a hundred are apart by points: 95 % for 86 % is no good guess, though the factor is small.
    assert "8.7 points too high" in compare(95, 86.28, " %") and "26.3 points too low" in compare(60, 86.28, " %")
    assert "close" in compare(85, 86.28, " %")


def test_what_goes_wrong_in_an_explorer_is_shown_and_raised():
    app = widgets.quantization_explorer(predict=False)

    def broken(**_):
        raise ValueError("bits <17>")

    app.compute = broken
    with pytest.raises(ValueError, match="bits"):
        app.controls["bits"].value = 3
    assert 'role="alert"' in app.message.value and "bits &lt;17&gt;" in app.message.value


@pytest.fixture(scope="module")
def live():
    app = widgets.live_lab(predict=False)
    app.wait(120)  # it builds its graph
    return app


def settle(app, **values):
    """Set controls without a training for each, then train once."""
    for control in app.controls.values():
        control.unobserve(app.start, "value")
    for name, value in values.items():
        app.controls[name].value = value
    for control in app.controls.values():
        control.observe(app.start, "value")
    app.start()
    return app.wait(120)


@pytest.mark.training
def test_every_stop_of_the_lab_reaches_the_training_and_is_drawn(live, monkeypatch):
    """The training is a stub that encodes a real delta with the codecs it was given; a real one is below."""
    asked = []

    def stub(
        model, data, clients, *, rounds, local_epochs, clients_per_round, uplink, downlink, error_feedback, seed, on_round, **how
    ):
        plain = {"first_model": "dense", "learning_rate": 0.1, "server_momentum": 0.0, "no_answer": 0.0}
        assert how == {"compile": True, **plain}
        asked.append({"clients": clients, "rounds": rounds, "epochs": local_epochs, "uplink": uplink, "downlink": downlink})
        asked[-1] |= {"feedback": error_feedback, "cohort": clients_per_round}
        history, rng = fl.History(), np.random.default_rng(seed)
        for number in range(rounds):
            sent = [clients_per_round * len(codec.encode(fl.load_client_delta(), rng)) for codec in (uplink, downlink)]
            history.uplink_bytes.append(sent[0])
            history.downlink_bytes.append(sent[1])
            history.first_model_bytes.append(sent[1] // 2)
            history.accuracy.append(0.5 + number / 100 + seed / 1000)
            if not on_round(history):
                break

    monkeypatch.setattr(lab_training, "simulate", stub)
    defaults = {"partition": "iid", "n_clients": 50, "k": 0.01, "bits": 8, "rounding": "nearest", "rounds": 5}
    for name, stops in lab_stops().items():
        options = getattr(live.controls[name], "options", None)
        if options is not None:
            assert tuple(value for _, value in options) == stops, f"{name}: the test does not know every stop"
        for stop in stops:
            parameters = lab.LabParameters(**{**defaults, "error_feedback": True, "seeds": 1, name: stop})
            asked.clear()
            run = lab.train_lab(parameters)
            assert len(asked) == len(run.accuracy) == parameters.seeds and len(run.accuracy[-1]) == parameters.rounds
            last = asked[-1]
            assert len(last["clients"]) == parameters.n_clients and last["rounds"] == parameters.rounds
            assert last["feedback"] is parameters.error_feedback and last["epochs"] == parameters.local_epochs
            assert last["cohort"] == parameters.cohort
            stages = [] if parameters.k == 1 else [fl.TopK(parameters.k)]
            stages += (
                [] if parameters.bits == 32 else [fl.Quantize(parameters.bits, parameters.rounding, ranges=parameters.ranges)]
            )
            assert list(last["uplink"].stages) == (stages or [fl.Identity()])
            assert (
                last["downlink"]
                == {"float32": fl.Identity(), "8 bits": fl.Quantize(8), "uplink": last["uplink"]}[parameters.downlink]
            )
            assert run.total_mb[0][-1] > run.uplink_mb[0][-1] > 0
            live.picture.draw(run)


EVERYTHING = {"partition": "dirichlet", "n_clients": 20, "k": 0.1, "bits": 4, "rounding": "stochastic", "error_feedback": False}


@pytest.mark.training
@pytest.mark.parametrize("others", [{}, {**EVERYTHING, "downlink": "uplink"}, {"partition": "shards", "bits": 1, "seeds": 3}])
def test_the_lab_trains_for_real(others):
    run = lab.train_lab(lab.LabParameters(**others)._replace(rounds=2))
    assert len(run.accuracy) == run.parameters.seeds and all(len(seed) == 2 for seed in run.accuracy)
    assert all(0.05 < seed[-1] < 1 for seed in run.accuracy) and run.total_mb[0][-1] > run.uplink_mb[0][-1] > 0


@pytest.mark.training
def test_the_lab_counts_what_the_codec_of_its_controls_makes():
    run = lab.train_lab(lab.LabParameters(k=1.0, bits=4, rounds=2))
    message = -(-101770 * 4 // 8) + 17
    assert run.uplink_mb[0] == pytest.approx([10 * message / 1e6, 20 * message / 1e6])


@pytest.mark.training
def test_with_the_downlink_of_the_lab_compressed_the_total_falls_at_last():
    """Ten clients, all in every round: the dense model once each, then only payloads, both ways."""
    dense, both = (lab.train_lab(lab.LabParameters(n_clients=10, k=0.01, downlink=d, rounds=10)) for d in ("float32", "uplink"))
    first = 10 * (4 * 101_770 + 10) / 1e6
    assert both.total_mb[0][0] == pytest.approx(first + both.uplink_mb[0][0], rel=1e-4)
    assert both.total_mb[0][-1] < first + 2.1 * both.uplink_mb[0][-1] < dense.total_mb[0][-1] / 8


@pytest.mark.training
def test_a_training_starts_by_moving_a_control_and_its_curve_grows(live):
    shown = []
    live.image.observe(lambda change: shown.append(change["new"]), "value")
    run = settle(live, k=0.1, bits=8, rounds=5, seeds=1, n_clients=100)
    assert len(run.accuracy[0]) == 5 and 2 <= len(set(shown)) <= 5, "pictures while it trains; a slow one passes rounds over"
    assert live.stop_button.disabled and live.message.value == ""
    assert live.bar.n == 5
    live.controls["bits"].value = 4  # by itself, as a reader does it
    assert live.wait(120).parameters.bits == 4


@pytest.mark.training
def test_no_more_clients_a_round_than_there_are(monkeypatch):
    trained = []

    def train(position, _on_round=None):
        trained.append(position)
        return lab.Run(position, [[0.5]], [[1.0]], [[2.0]])

    monkeypatch.setattr(lab, "train_lab", train)
    app = widgets.live_lab(predict=False)
    moves = (("cohort", 50, 50), ("n_clients", 20, 20), ("n_clients", 100, 20), ("n_clients", 10, 10))
    for name, value, cohort in moves:
        app.controls[name].value = value
        app.wait(60)
        offered = [value for _, value in app.controls["cohort"].options]
        assert app.controls["cohort"].value == cohort == app.parameters().cohort == trained[-1].cohort
        assert offered == [n for n in lab.COHORTS if n <= app.parameters().n_clients]
    assert len(trained) == 1 + len(moves), "the graph, and a training a move"


@pytest.mark.training
def test_the_newest_position_wins(live, monkeypatch):
    settle(live, rounds=10, k=0.1)
    drawn, draw = [], live.picture.draw
    monkeypatch.setattr(live.picture, "draw", lambda run: (drawn.append((run.parameters.bits, len(run.accuracy[0]))), draw(run)))
    before, deadline = len(live.picture.earlier), time.time() + 30
    live.controls["bits"].value = 2
    while not 1 <= live.bar.n < 10 and time.time() < deadline:  # at 10 it is still that of the training before
        time.sleep(0.01)
    live.controls["bits"].value = 6
    run = live.wait(120)
    assert run.parameters.bits == 6 and len(run.accuracy[0]) == 10
    assert max(rounds for bits, rounds in drawn if bits == 2) < 10, "what was overtaken goes on"
    assert [r.parameters.bits for r in live.picture.earlier[before:]].count(2) == 0, "what was overtaken is not drawn"


@pytest.mark.training
def test_stop_ends_the_training_within_a_round_and_keeps_what_there_is(live):
    settle(live, rounds=5)
    live.controls["rounds"].value = 30
    deadline = time.time() + 30
    while not (live.bar.total == 30 and live.bar.n >= 2) and time.time() < deadline:
        time.sleep(0.01)
    live.stop_button.click()
    at_stop = live.bar.n
    run = live.wait(30)
    assert "Stopped" in live.message.value  # and what Run would do now
    assert run.parameters.rounds == 30 and 2 <= at_stop <= len(run.accuracy[0]) <= at_stop + 1 < 30
    assert live.stop_button.disabled


@pytest.mark.training
def test_earlier_runs_turn_grey_and_can_be_forgotten(live):
    settle(live, rounds=5, bits=8)
    settle(live, rounds=5, bits=3)
    assert live.picture.earlier[-1].parameters.bits == 8
    grey = picture(live)
    live.clear_button.click()
    assert live.picture.earlier == [] and picture(live).tobytes() != grey.tobytes()


@pytest.mark.training
def test_three_seeds_draw_a_band(live):
    run = settle(live, rounds=5, seeds=3)
    assert len(run.accuracy) == 3 and len({tuple(series) for series in run.accuracy}) == 3
    live.controls["seeds"].value = 1
    live.wait(60)


@pytest.mark.training
def test_an_error_of_the_training_thread_is_shown(live, monkeypatch):
    def broken(*_, **__):
        raise FloatingPointError("round 3, client 7")

    monkeypatch.setattr(lab, "train_lab", broken)
    live.start()
    live.wait(30)
    assert 'role="alert"' in live.message.value and "round 3, client 7" in live.message.value


@pytest.mark.training
def test_the_lab_unlocks_after_a_guess_and_tells_the_truth(language):
    app = widgets.live_lab(predict=True)
    assert app.controls["k"].disabled and app.run_button.disabled
    app.question.guess.value = "50"
    app.question.button.click()
    run = app.wait(120)
    assert run.parameters.k == 0.01 and not app.controls["k"].disabled
    assert told(app) == pytest.approx(100 * run.accuracy[0][-1], rel=1e-3)


@pytest.mark.training
def test_the_lab_draws_after_its_first_round_and_takes_little_longer_than_the_training(live):
    """Held against the same training without an app, before and after, as the machine may be busy. Seconds: README."""
    settle(live, rounds=10, seeds=1, k=0.01, bits=8, n_clients=100)
    plain = lab.LabParameters(rounds=10, k=0.01, bits=6, n_clients=100)
    rounds_at_first, took = [], []

    def train_alone():
        start = time.perf_counter()
        lab.train_lab(plain)
        took.append(time.perf_counter() - start)

    train_alone()
    live.image.observe(lambda _: rounds_at_first.append(live.bar.n), "value")
    start = time.perf_counter()
    live.controls["bits"].value = 6
    live.wait(120)
    took_in_the_app = time.perf_counter() - start
    train_alone()
    assert rounds_at_first[0] <= 2, "nothing is shown before the first rounds are over"
    assert took_in_the_app < 2 * max(took) + 1


# Controls in their groups, on a grid


def test_each_control_stands_in_one_group_and_the_groups_in_one_order():
    import ipywidgets as w

    from fedlab_utils.book.widgets import base

    controls = {name: w.IntSlider() for name in "abc"}
    grid = base.panel(controls, {"training": ("c",), "data": ("a", "b")})
    headings = [box.children[0].value for box in grid.children]
    assert ["Data" in heading for heading in headings] == [True, False] and "Training" in headings[1]
    assert [list(box.children[1].children) for box in grid.children] == [[controls["a"], controls["b"]], [controls["c"]]]
    for groups in ({"data": ("a", "b")}, {"data": ("a", "b", "c"), "codec": ("c",)}, {"data": ("a", "b", "c", "d")}):
        with pytest.raises(ValueError, match="one group"):
            base.panel(controls, groups)


# The runs of the lab


lab_picture = Later("fedlab_utils.book.widgets.lab_picture")


@pytest.mark.training
def test_the_frontier_joins_what_no_other_run_beats_with_as_few_bytes():
    points = [(1.0, 0.5), (2.0, 0.4), (0.5, 0.3), (3.0, 0.9), (3.0, 0.8), (4.0, 0.9)]
    assert lab_picture.frontier(points) == [2, 0, 3]
    for one, (sent, accuracy) in enumerate(points):  # by the definition
        beaten = any(s <= sent and a >= accuracy and (s, a) != (sent, accuracy) for s, a in points)
        assert beaten == (one not in lab_picture.frontier(points))


@pytest.mark.training
def test_every_run_of_the_lab_has_its_number_its_name_and_its_place_in_the_words(language):
    picture, runs = lab_picture.LabPicture(), drawn.lab_runs()
    for one in runs[:-1]:
        picture.keep(one)
    picture.draw(runs[-1])
    assert [label.get_text() for label in picture._numbers[0]] == [str(n) for n in range(1, 13)]
    listed = [f"{first.get_text()}\n{more.get_text()}".strip() for first, more, _ in picture.list.lines]
    assert all(text.startswith(f"{n}  ") for n, text in enumerate(listed, 1))
    assert listed[0] == {"en": "1  top 1 %, 8 bits", "zh": "1  最大 1%，8 位"}[language]
    assert {"en": "10 rounds with 1 local epoch", "zh": "10 轮、本地 1 个周期"}[language] in picture.list.heading.get_text()
    assert " ".join(listed[8].split()) == {"en": "9 top 1 %, 8 bits both ways · 10 of 10 clients",
                                              "zh": "9 最大 1%，8 位 下行相同 · 每轮 10 抽 10"}[language]  # fmt: skip
    said = picture.alt(runs[-1])
    best = {"en": "12, 10 by uplink, 9, 12, 10 by total", "zh": "按上行是 12、10，按总计是 9、12、10"}[language]
    assert best in said and all(text.split("  ")[1].split("\n")[0] in said for text in listed)
    assert not any("…" in text for text in listed), "twelve runs find room"
    picture.keep(runs[-1])
    picture.draw(runs[0])  # the thirteenth: the first goes, numbers stay
    assert [label.get_text() for label in picture._numbers[0]] == [str(n) for n in range(2, 14)]
    picture.forget()
    picture.draw(runs[0])
    assert [label.get_text() for label in picture._numbers[0]] == ["1"] + 11 * [""]
