"""The lab with every knob: each reaches the training, first models stand apart, runs add up, bad codecs are told."""

import html

import numpy as np
import pytest
from apps import alt, picture, told
from later import Later

import fedlab_utils as fl
from fedlab_utils.book import widgets

lab = Later("fedlab_utils.book.widgets.lab")
lab_list = Later("fedlab_utils.book.widgets.lab_list")
lab_picture = Later("fedlab_utils.book.widgets.lab_picture")
lab_playground = Later("fedlab_utils.book.widgets.lab_playground")
lab_training = Later("fedlab_utils.book.widgets.lab_training")

pytestmark = pytest.mark.training
TEXT = 'TopK(0.05, "context") | EntropyQuantize(2, "context")'


@pytest.fixture
def stubbed(monkeypatch):
    """What `simulate` is asked, in place of trainings: every round sends two messages of the codec up, one down."""
    asked = []

    def stub(model, data, clients, **how):
        asked.append({**how, "clients": len(clients)})
        history, rng = fl.History(), np.random.default_rng(how["seed"])
        for number in range(how["rounds"]):
            size = len(how["uplink"].encode(fl.load_client_delta(), rng))
            history.uplink_bytes.append(2 * size)
            history.downlink_bytes.append(3 * size)
            history.first_model_bytes.append(2 * size)
            history.accuracy.append(0.5 + number / 100)
            if not how["on_round"](history):
                break

    monkeypatch.setattr(lab_training, "simulate", stub)
    return asked


@pytest.fixture
def app(stubbed):
    made = widgets.playground(predict=False)
    made.wait(60)
    stubbed.clear()
    return made


@pytest.mark.slow
def test_every_stop_of_every_knob_reaches_the_training(app, stubbed):
    knobs = {
        "partition": ("shards", "dirichlet", "iid"), "n_clients": (10, 20, 50, 100), "cohort": (5, 20, 50, 10),
        "no_answer": (0.1, 0.3, 0.5, 0.0), "error_feedback": (False, True), "downlink": ("float32", "8 bits", "uplink"),
        "first_model": ("8 bits", "seed", "dense"), "local_epochs": (2, 5, 10, 1), "rounds": (2, 4, 5, 20, 30, 10),
        "learning_rate": (0.01, 0.02, 0.05, 0.2, 0.1), "server_momentum": (0.5, 0.7, 0.9, 0.0), "seeds": (3, 1),
    }  # fmt: skip
    assert {*knobs, *app.codec.controls} == {*app.controls}, "the test does not know every control"
    names = {"cohort": "clients_per_round", "n_clients": "clients"}
    for knob, stops in knobs.items():
        options = [value for _, value in app.controls[knob].options] if hasattr(app.controls[knob], "options") else stops
        assert sorted(map(str, options)) == sorted(map(str, stops)), knob
        for stop in stops:
            stubbed.clear()
            app.controls[knob].value = stop
            run = app.wait(60)
            assert app.message.value == "" and getattr(run.parameters, knob) == stop
            assert len(stubbed) == len(run.accuracy) == run.parameters.seeds
            got = stubbed[-1]
            if knob == "downlink":
                assert got["downlink"] == {"float32": fl.Identity(), "8 bits": fl.Quantize(8), "uplink": got["uplink"]}[stop]
            elif knob == "first_model":
                assert got["first_model"] == (fl.Quantize(8) if stop == "8 bits" else stop)
            elif knob not in ("partition", "seeds"):
                assert got[names.get(knob, knob)] == stop
            assert got["uplink"] == fl.TopK(0.01) | fl.Quantize(8) and got["compile"] is True


def test_the_codec_is_what_stands_in_the_text_whoever_wrote_it(app, stubbed):
    app.codec.parts["values"].value = "EntropyQuantize"
    app.wait(60)
    assert [asked["uplink"] for asked in stubbed] == [fl.TopK(0.01) | fl.EntropyQuantize(8)], "one move, one training"
    app.codec.text.value = TEXT
    run = app.wait(60)
    assert stubbed[-1]["uplink"] == fl.TopK(0.05, "context") | fl.EntropyQuantize(2, "context") == stubbed[-1]["downlink"]
    assert len(stubbed) == 2 and run.parameters.codec == TEXT and TEXT in html.unescape(alt(app))


def test_what_is_no_codec_starts_nothing_and_loses_nothing(app, stubbed, language):
    app.start()
    app.wait(60)
    runs, image = app.runs, app.image.value
    for text in ("TopK(2.0)", "os.remove", 'Rotate() | Quantize(8, ranges="array")'):
        stubbed.clear()
        app.codec.text.value = text
        app.wait(60)
        assert stubbed == [] and text in html.unescape(app.message.value) and 'role="alert"' in app.message.value
        app.run_button.click()
        app.wait(60)
        assert stubbed == [] and app.runs == runs and app.image.value == image
    app.codec.text.value = "Quantize(4)"
    app.wait(60)
    assert app.message.value == "" and len(app.runs) == len(runs) + 1


def test_a_refusal_stays_while_something_else_is_trained(app, language):
    """Typed during a training that rebuilds its first model from the seed, which has a message of its own."""
    under_way = app.parameters()._replace(first_model="seed")
    app.codec.text.value = "Quantize(0)"
    refused = app.message.value
    assert "Quantize(0)" in refused and 'role="alert"' in refused
    app._train(under_way)
    assert app.message.value == refused
    app.codec.text.value = "Quantize(4)"
    app.wait(60)
    assert app.message.value == ""


def test_runs_add_up_in_order_and_can_be_forgotten(app):
    for text in ("Quantize(8)", "Quantize(2)", "TopK(0.1)"):
        app.codec.text.value = text
        app.wait(60)
    assert [run.parameters.codec for run in app.runs] == ["Quantize(8)", "Quantize(2)", "TopK(0.1)"]
    size = len(fl.Quantize(2).encode(fl.load_client_delta()))
    end = widgets.ends_of(app.runs)[1]
    assert end[:4] == pytest.approx((20 * size / 1e6, 50 * size / 1e6, 0.59, 20 * size / 1e6))
    assert (end.uplink_mb, end.total_mb, end.accuracy, end.first_mb, end.partition) == end and end.partition == "iid"
    for number in range(14):  # more than the picture keeps
        app.codec.text.value = f"TopK({0.2 + number / 100:.2f})"
        app.wait(60)
    assert len(app.runs) == 17 and len(app.picture.earlier) == lab_picture.RUNS_KEPT
    app.clear_button.click()
    assert [run.parameters.codec for run in app.runs] == ["TopK(0.33)"] and app.picture.earlier == []


def test_first_models_stand_apart(app, language):
    app.codec.text.value = "Quantize(8)"
    app.wait(60)
    size = 101_787 / 1e6
    curve = app.picture._less.get_ydata(), app.picture._less.get_xdata()
    assert curve[1] == pytest.approx([3 * size * number for number in range(1, 11)]), "5 messages a round, 2 of them first models"
    assert app.picture._less_end.get_xdata() == pytest.approx([30 * size])
    title = app.picture.bytes.get_title()
    assert f" {50 * size:.3g}" in title and f" {20 * size:.3g}" in title and title.endswith("MB")
    assert {"en": "First models are 2.04 MB of the total", "zh": "总计中有 2.04 MB 是初始模型"}[language] in alt(app)
    assert f"{50 * size:.3g}" in app.mathematics.value and f"{20 * size:.3g}" in app.mathematics.value
    assert picture(app).width > 900


def test_the_setting_stands_above_in_full_and_no_number_can_be_taken_for_the_accuracy(app, language):
    app.controls["first_model"].value = "seed"
    app.controls["no_answer"].value = 0.5
    app.codec.text.value = TEXT
    app.wait(60)
    setting, title = app.picture.setting.get_text(), app.picture.rounds.get_title().strip()
    assert setting.startswith(TEXT) and setting.endswith({"en": "50 % silent", "zh": "50% 掉线"}[language])
    assert title == {"en": "accuracy 59.0 %", "zh": "准确率 59.0%"}[language]
    wide = 'TopK(0.5) | RandomK(0.5) | Rotate() | Blocks(256) | Quantize(4, "stochastic", ranges="array", entropy=True)'
    app.codec.text.value = wide
    for name, value in {"learning_rate": 0.05, "server_momentum": 0.7, "error_feedback": False, "local_epochs": 5}.items():
        app.controls[name].value = value
    app.wait(60)
    above, figure = app.picture.setting, app.picture.figure
    box = above.get_window_extent(figure.canvas.get_renderer())
    assert above.get_text().count("\n") == 1 and box.x1 < figure.bbox.x1
    titles = [ax.title.get_window_extent() for ax in (app.picture.rounds, app.picture.bytes)]
    assert all(box.y0 >= words.y1 for words in titles)


def listed(picture):
    """What the list says of each run, with single spaces."""
    said = (" ".join(f"{first.get_text()} {more.get_text()}".split()) for first, more, _ in picture.list.lines)
    return [*filter(None, said)]


def drawn_runs(*parameters):
    return [lab_training.Run(p, *([[0.5 + n / 100 for n in range(1, p.rounds + 1)]] for _ in range(4))) for p in parameters]


def test_the_list_tells_what_differs_and_the_heading_what_all_have_in_common(language):
    p = lab_playground.START
    others = p._replace(no_answer=0.5), p._replace(codec="TopK(0.01) | Sign()", rounds=4, n_clients=20)
    picture = lab_playground.PlaygroundPicture()
    runs = drawn_runs(p, *others)
    picture.draw(runs[0])
    first = {"en": "1 TopK(0.01) | Quantize(8) both ways", "zh": "1 TopK(0.01) | Quantize(8) 下行相同"}[language]
    assert listed(picture) == [first] and picture.list.heading.get_text().count("\n") == 1
    picture.keep(runs[0])
    picture.draw(runs[1])
    shared = {"en": "TopK(0.01) | Quantize(8)\nboth ways", "zh": "TopK(0.01) | Quantize(8)\n下行相同"}[language]
    assert picture.list.heading.get_text().replace(" · ", "\n").endswith(shared)
    assert listed(picture) == {"en": ["1 nothing more", "2 50 % silent"], "zh": ["1 别无其他", "2 50% 掉线"]}[language]
    picture.keep(runs[1])
    picture.draw(runs[2]._replace(accuracy=[[0.5, 0.6]], uplink_mb=[[1, 2]], total_mb=[[3, 4]], first_mb=[[1, 1]]))
    assert picture.list.heading.get_text().endswith({"en": "\nTopK(0.01) · both ways", "zh": "\nTopK(0.01) · 下行相同"}[language])
    one, two, three = listed(picture)
    assert one == "1 Quantize(8)" and two == {"en": "2 Quantize(8) · 50 % silent", "zh": "2 Quantize(8) · 50% 掉线"}[language]
    assert three == {"en": "3 Sign() · 4 rounds at round 2 · 10 of 20 clients",
                     "zh": "3 Sign() · 4 轮 · 到第 2 轮 每轮 20 抽 10"}[language]  # fmt: skip


def test_what_stands_in_the_list_stays_within_its_panel_and_is_told_in_full_in_words(language):
    p = lab_playground.START._replace(server_momentum=0.7, no_answer=0.3, first_model="seed", n_clients=20, partition="dirichlet")
    long = [f'TopK(0.0{n}, "context") | EntropyQuantize({n}, "context")' for n in range(1, 10)]
    runs = drawn_runs(*(p._replace(codec=codec, learning_rate=0.05 if n % 2 else 0.1) for n, codec in enumerate(long)), p)
    picture = lab_playground.PlaygroundPicture()
    for run in runs[:-1]:
        picture.keep(run)
    picture.draw(runs[-1])
    picture.figure.draw_without_rendering()
    right, bottom = picture.figure.bbox.x1, picture.rounds.bbox.y0
    for first, more, accuracy in picture.list.lines[:10]:
        box, below, beside = (text.get_window_extent() for text in (first, more, accuracy))
        assert box.x1 < beside.x0 < beside.x1 <= right and min(box.y0, below.y0) > bottom - 1
        assert not more.get_text() or (below.x1 <= right and abs(box.y0 - below.y1) < 0.4 * box.height), "lines stand evenly"
    said = picture.alt(runs[-1])
    assert all(codec in said for codec in long) and {"en": "rate 0.05 · momentum 0.7 · 30 % silent",
                                                     "zh": "学习率 0.05 · 动量 0.7 · 30% 掉线"}[language] in said  # fmt: skip


def test_texts_are_broken_between_parts_and_cut_at_last():
    two, cut, lines = lab_list.in_two_lines, lab_list.cut, lab_list.in_lines
    assert two("short", 40) == "short" and two("a" * 50, 40) == "a" * 50
    assert two("aaaa; bbbb; cccc", 10) == "aaaa; bbbb;\ncccc" or two("aaaa; bbbb; cccc", 10) == "aaaa;\nbbbb; cccc"
    assert cut("abcde", 6) == "abcde…" and cut("abcdefg", 6) == "abcde…" and cut("甲乙丙丁", 6) == "甲乙…"
    assert lines(["aa", "bb", "cc"], 7, 7, 2) == ["aa · bb", "cc"] and lines(["aa", "bb", "cc"], 7, 7, 1) == ["aa · b…"]
    assert lines(["aa", "b" * 9, "cc dd ee"], 4, 9, 9) == ["aa", "b" * 9, "cc dd ee"]
    assert lines(["aa bb cc dd"], 3, 6, 9) == ["aa", "bb cc", "dd"] and lines(["甲乙", "丙"], 6, 6, 9) == ["甲乙", "丙"]


@pytest.mark.slow
def test_what_a_first_model_costs_is_what_was_sent():
    """Ten clients, all in every round: each has its first model in the first round, and no other."""
    n, dense = 101_770, len(fl.Identity().encode(np.zeros(101_770)))
    assert dense == 4 * n + 9
    p = lab_training.LabParameters(codec="TopK(0.01) | Quantize(8)", downlink="uplink", n_clients=10, rounds=3)
    float32, coded, seed = (lab.train_lab(p._replace(first_model=first)) for first in ("dense", "8 bits", "seed"))
    weights = fl.models.document_mlp(seed=0).get_weights()
    assert float32.first_mb[0] == pytest.approx([10 * dense / 1e6] * 3)
    assert coded.first_mb[0] == pytest.approx([10 * len(fl.Quantize(8).encode(weights)) / 1e6] * 3)
    assert 0 < seed.first_mb[0][0] < 10 * 2000 / 1e6 and len(set(seed.first_mb[0])) == 1
    updates = np.array(float32.total_mb[0]) - float32.first_mb[0] - float32.uplink_mb[0]  # down, and none in the first round
    assert updates[0] == pytest.approx(0) and 0 < updates[1] < updates[2] < 0.1
    assert float32.accuracy == seed.accuracy, "who starts from the seed starts from the same weights"


@pytest.mark.slow
def test_the_formula_divides_by_the_messages_that_arrived(language):
    """Messages of Quantize(8) are equally long: how many arrived can be told from the bytes."""
    p = lab_training.LabParameters(codec="Quantize(8)", n_clients=10, cohort=5, rounds=4, no_answer=0.5, server_momentum=0.7)
    run, size = lab.train_lab(p), len(fl.Quantize(8).encode(fl.load_client_delta()))
    arrived = round(1e6 * run.uplink_mb[0][-1] / size)
    assert run.uplink_mb[0][-1] == pytest.approx(arrived * size / 1e6) and 0 < arrived < 20
    told = lab.formula(run)
    assert rf"\mathrm{{MB}}}}{{{arrived}}}={size:,}\ ".replace(",", "{,}") in told, "a message of Quantize(8) is 101,787 bytes"
    drawn = {"en": rf"{arrived} of $4\cdot5$ drawn so far", "zh": rf"抽中 $4\cdot5$ 次，收到 {arrived} 条消息"}[language]
    assert drawn in told and r"v_{t+1}=0.7\,v_t+" in told and {"en": "momentum", "zh": "动量"}[language] in told
    assert [lab_training.messages_up(p, number) for number in range(5)] == [
        round(1e6 * megabytes / size) for megabytes in (0, *run.uplink_mb[0])
    ]


def test_the_formula_without_drop_outs_and_momentum_says_nothing_of_either(language):
    run = lab.Run(lab_training.LabParameters(cohort=5), [[0.8, 0.9]], [[1.0, 2.0]], [[5.0, 7.0]], [[3.0, 4.0]])
    told = lab.formula(run)
    assert r"\frac{2.0000\ \mathrm{MB}}{2\cdot5}=200{,}000\ " in told and "w_{t+1}=w_t+\\sum" in told
    assert "v_t" not in told and {"en": "drawn", "zh": "抽中"}[language] not in told
    silent = run._replace(parameters=run.parameters._replace(no_answer=0.3), accuracy=[], uplink_mb=[])
    assert "frac{0" not in lab.formula(silent), "before the first round nothing has arrived to divide by"


@pytest.mark.slow
def test_the_question_is_answered_by_its_own_training(language):
    app = widgets.playground(predict=True)
    assert all(control.disabled for control in app.controls.values()) and app.run_button.disabled
    app.question.guess.value = "50"
    app.question.button.click()
    run = app.wait(120)
    assert run.parameters == app.question.asked and not app.codec.text.disabled and app.codec.parts["threshold"].disabled
    assert told(app) == pytest.approx(100 * run.first_mb[0][-1] / run.total_mb[0][-1], abs=0.01) and told(app) > 90
    (guess,) = app.picture._guess_end.get_xdata()
    assert guess == pytest.approx(run.total_mb[0][-1] / 2), "half of the total would be left without first models"


def test_the_still_is_the_apps_picture(language):
    p = lab_training.LabParameters(codec="Quantize(8)")
    run = lab.Run(p, [[0.8, 0.9]], [[1.0, 2.0]], [[5.0, 7.0]], [[3.0, 4.0]])
    still = widgets.playground_still(run, run._replace(parameters=p._replace(first_model="seed")))
    assert {"en": "first model: seed", "zh": "初始模型：种子"}[language] in still.alt and "7 MB" in still.alt


def test_the_lab_of_chapter_4_has_none_of_the_new_knobs_and_says_none_of_them(monkeypatch):
    monkeypatch.setattr(lab, "train_lab", lambda parameters, on_round=None: None)
    live = widgets.live_lab(predict=False)
    live.wait(60)
    assert not {"codec", "first_model", "learning_rate", "server_momentum", "no_answer"} & {*live.controls}
    assert live.parameters() == lab.LabParameters() and lab_training.further(live.parameters()) == [""] * 4
