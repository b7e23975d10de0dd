"""The composer: its controls write codecs and follow what is typed; what it shows is what the codecs really made."""

import html
import itertools
import re

import numpy as np
import pytest
from apps import alt, picture, told

import fedlab_utils as fl
from fedlab_utils.book import widgets
from fedlab_utils.book.widgets import composing, parts, stages
from fedlab_utils.codecs import Part
from fedlab_utils.layout import flatten
from fedlab_utils.measuring.names import codec_named


def composed(**values):
    app = widgets.composer(predict=False)
    for name, value in values.items():
        app.controls[name].value = value
    app.wait()
    return app


# What the controls write


@pytest.mark.parametrize(
    ("position", "codec"),
    [
        ({}, fl.Identity()),
        ({"support": "TopK", "values": "Quantize"}, fl.TopK(0.01) | fl.Quantize(8)),
        ({"support": "TopK", "places": "context"}, fl.TopK(0.01, "context")),
        ({"support": "Threshold", "threshold": 0.02, "values": "Sign", "ranges": 256},
         fl.Threshold(0.02) | fl.Blocks(256) | fl.Sign("array")),
        ({"support": "RandomK", "k": 0.1, "values": "Eden", "bits": 2}, fl.RandomK(0.1) | fl.Eden(2)),
        ({"rotate": True, "values": "Quantize", "bits": 3, "rounding": "stochastic"},
         fl.Rotate() | fl.Quantize(3, "stochastic")),
        ({"values": "Quantize", "model": "arrays", "ranges": "array"}, fl.Quantize(8, entropy=True, ranges="array")),
        ({"values": "Quantize", "model": "context"}, fl.Quantize(8, entropy=True, model="context")),
        ({"values": "EntropyQuantize", "model": "arrays", "bits": 2}, fl.EntropyQuantize(2)),
        ({"values": "EntropyQuantize", "model": "plain", "bits": 2}, fl.EntropyQuantize(2, "plain")),
        ({"values": "QSGD", "model": "arrays", "bits": 5}, fl.QSGD(16)),
        ({"values": "QSGD", "model": "context", "bits": 1}, fl.QSGD(1, "context")),
        ({"values": "Sign", "model": "plain"}, fl.Sign()),
        ({"values": "Sign", "model": "arrays"}, fl.Sign(model="arrays")),
        ({"values": "LloydMax", "bits": 4, "rotate": True}, fl.Rotate() | fl.LloydMax(4)),
        ({"values": "Float16"}, fl.Float16()),
    ],
)  # fmt: skip
def test_a_position_is_written_as_the_codec_that_it_means(position, codec):
    where = stages.Position(**position)
    assert codec_named(stages.written(where)) == codec
    assert stages.written(stages.position_of(codec)) == stages.written(where)


def test_every_stop_of_every_control_is_a_codec_or_is_refused_by_name():
    """Each control through all of its stops, beside each kind of values and of support."""
    written, refused = set(), []
    own = {"k": stages.FRACTIONS, "threshold": stages.THRESHOLDS, "places": ("plain", "arrays", "context"),
           "rotate": (False, True), "bits": stages.BITS, "rounding": ("floor", "nearest", "stochastic"),
           "ranges": stages.RANGES, "model": ("packed", "plain", "arrays", "context")}  # fmt: skip
    for support, values in itertools.product(stages.SUPPORTS, stages.VALUES):
        for name, stops in own.items():
            for stop in stops:
                position = stages.Position(support=support, values=values)._replace(**{name: stop})
                text = stages.written(position)
                try:
                    codec = codec_named(text)
                except ValueError as error:
                    refused.append((text, str(error)))
                else:
                    assert eval(stages.code_line(text), {"fl": fl}) == codec == codec_named(stages.code_line(text))
                    written.add(text)
    assert len(written) > 250
    assert all("holds a kind of stage twice" in why or "bits must be" in why for _, why in refused)
    assert any("LloydMax(16)" in text for text, _ in refused), "of one to eight bits"


def test_the_controls_offer_what_the_test_above_goes_through():
    app = composed()
    for name, stops in {"k": stages.FRACTIONS, "threshold": stages.THRESHOLDS, "bits": stages.BITS, "ranges": stages.RANGES,
                        "support": stages.SUPPORTS, "values": tuple(stages.VALUES)}.items():  # fmt: skip
        assert tuple(value for _, value in app.controls[name].options) == stops


def test_what_is_typed_moves_the_controls_and_what_they_do_not_say_becomes_a_stop():
    app = composed(codec='TopK(0.03, "context") | EntropyQuantize(1.5, "plain")')
    parts_of = app.codec.parts
    assert (parts_of["support"].value, parts_of["k"].value, parts_of["places"].value) == ("TopK", 0.03, "context")
    assert (parts_of["values"].value, parts_of["bits"].value, parts_of["model"].value) == ("EntropyQuantize", 1.5, "plain")
    parts_of["bits"].value = 2  # the rest stays as it was typed
    assert codec_named(app.codec.text.value) == fl.TopK(0.03, "context") | fl.EntropyQuantize(2, "plain")
    app.codec.text.value = "TopK(100) | Sign"
    assert parts_of["k"].value == 100 and isinstance(parts_of["k"].value, int)
    parts_of["rotate"].value = True
    assert codec_named(app.codec.text.value) == fl.TopK(100) | fl.Rotate() | fl.Sign()
    before = app.codec.position()
    app.codec.text.value = "TopK(0.5) | RandomK(0.5) | QSGD(100)"  # which the controls cannot say
    assert app.codec.position() == before
    app.wait()
    assert "QSGD(100)" in alt(app) and app.message.value == ""


def test_what_the_codec_makes_no_use_of_cannot_be_moved():
    app = composed(codec="Float16()")
    assert {name for name, part in app.codec.parts.items() if not part.disabled} == {"support", "rotate", "values"}
    app.codec.parts["values"].value = "Quantize"
    assert all(not app.codec.parts[name].disabled for name in ("bits", "rounding", "ranges", "model"))
    assert app.codec.parts["k"].disabled and app.codec.parts["threshold"].disabled


# What it shows


def test_each_beginning_of_the_codec_is_a_message_of_its_own():
    data = composing.compute("document", "TopK(0.01) | Quantize(8)")
    x = fl.load_client_delta()
    kept = np.sort(np.argsort(-np.abs(x), kind="stable")[:1018])
    lost = float(np.sum(np.delete(x, kept).astype(float) ** 2) / np.sum(x.astype(float) ** 2))
    assert [stage.name for stage in data.stages] == ["float32", "TopK(0.01)", "Quantize(8)"]
    assert data.stages[0][1:] == (4 * x.size + 9, 0.0)
    assert data.stages[1].nmse == pytest.approx(lost, rel=1e-6)
    step = np.ptp(x[kept]) / 255
    rounding = np.sum((x[kept].min() + np.rint((x[kept] - x[kept].min()) / step) * step - x[kept]) ** 2) / np.sum(x**2)
    assert data.stages[2].nmse == pytest.approx(lost + rounding, rel=1e-4)
    # The values of 4 bytes each are gone, the same places stay: what differs is 3 bytes a weight, a tag and a range.
    assert data.stages[1].payload_bytes - data.stages[2].payload_bytes == 3 * 1018 - 8
    assert len(data.payload) == data.stages[2].payload_bytes == sum(data.bytes_of(kind) for kind in parts.KINDS)
    assert data.bytes_of("values") == 1018 and data.bytes_of("envelope") == 1 + 3 + 4 + 2 + 2


@pytest.mark.slow
def test_every_stop_is_drawn_with_its_bytes(language):
    app = composed()
    seen = set()
    settings = {"support": stages.SUPPORTS, "k": stages.FRACTIONS, "places": ("plain", "arrays", "context"),
                "rotate": (True, False), "values": tuple(stages.VALUES), "bits": tuple(range(1, 9)),
                "rounding": ("floor", "stochastic", "nearest"), "ranges": ("array", 256, "model")}  # fmt: skip
    app.codec.text.value = "TopK(0.01) | Quantize(8)"
    for delta in composing.DELTAS:
        app.delta.value = delta
        for name, stops in settings.items() if delta == "document" else [("values", stages.VALUES)]:
            for stop in stops:
                app.codec.text.value = "TopK(0.01) | Quantize(8)"
                app.controls[name].value = stop
                app.wait()
                text = app.codec.text.value
                if app.message.value:  # the package has refused it, in its own words
                    assert stage_refused(text) in html.unescape(app.message.value)
                    continue
                payload = codec_named(text).encode(fl.load_deltas()[delta], np.random.default_rng(0))
                assert f"{len(payload):,}" in alt(app) and text in html.unescape(alt(app))
                seen.add((delta, text, app.image.value))
    positions = {(delta, text) for delta, text, _ in seen}
    assert len(positions) > 60
    for image in {image for *_, image in seen}:
        assert len({(delta, text) for delta, text, other in seen if other == image}) == 1, "two positions show one picture"
    assert picture(app).width > 900


def test_a_moved_menu_is_told_in_the_first_sentence_and_a_chosen_part_in_one_of_its_own(language):
    app, end = composed(support="TopK", values="Quantize"), {"en": ". ", "zh": "。"}[language]

    def sentences():
        app.wait()
        return html.unescape(alt(app)).split(end)

    before = sentences()
    for label, delta in app.delta.options:
        app.delta.value = delta
        assert label in sentences()[0] and app.codec.text.value in sentences()[0], "by the name that the menu has"
    moves = {"places": "context", "rounding": "floor", "ranges": "array", "values": "Sign", "support": "RandomK"}
    for name, value in moves.items():
        now, app.controls[name].value = sentences(), value
        assert app.message.value == "" and sentences()[0] != now[0] and app.codec.text.value in sentences()[0], name
    now = sentences()
    app.parts.value = (app.parts.value + 1) % len(app.parts.options)
    moved = sentences()
    assert moved[0] == now[0] != before[0] and moved[1] != now[1] and moved[2:] == now[2:]
    assert parts.part_name(app._shown[0].parts[app.parts.value]) in moved[1]
    assert max(map(len, (moved[0], moved[1]))) < 150, "short enough to be listened to"


def stage_refused(text):
    try:
        codec_named(text).encode(fl.load_client_delta(), np.random.default_rng(0))
    except ValueError as error:
        return str(error)
    raise AssertionError(f"{text} is not refused")


@pytest.mark.parametrize(
    "codec", ["TopK(0.01) | Quantize(8)", 'Quantize(8, entropy=True, model="context")', "RandomK(0.1) | Eden(2)"]
)
def test_each_part_of_the_list_shows_its_own_bytes(codec, language):
    app = composed(codec=codec)
    payload = codec_named(codec).encode(fl.load_deltas()["document"], np.random.default_rng(0))
    shown, ends = set(), 0
    for label, number in app.parts.options:
        app.parts.value = number
        hexes = re.findall(r"^ *[\d,]+  ((?:[0-9a-f]{2} ?)+)$", re.sub("<[^>]+>", "\n", app.told.value), re.MULTILINE)
        first = bytes.fromhex("".join(hexes))
        size = int(re.search(r"([\d,]+)(?: bytes?| 字节)$", label)[1].replace(",", ""))
        assert first == payload[ends : ends + min(size, parts.DUMPED)], label
        ends += size
        shown.add(app.image.value)
        assert html.escape(label) in app.told.value
    assert ends == len(payload) and len(shown) == len(app.parts.options)


def every_part() -> list[Part]:
    """Parts of messages of many codecs on all deltas."""
    texts = ["Identity()", "Float16()", "TopK(0.001)", "TopK(0.01)", "TopK(0.5)", 'TopK(0.1, "arrays") | Sign()',
             "Threshold(0.05)", 'TopK(0.05, "context") | Quantize(4, entropy=True)', "RandomK(0.1) | Eden(1)",
             "Blocks(256) | Sign('array')", "EntropyQuantize(2)", "EntropyQuantize(1, 'plain')",
             "EntropyQuantize(8, 'context')", "QSGD(4)", "TopK(50) | QSGD(16)", "Quantize(8, ranges='array')",
             "LloydMax(2)"]  # fmt: skip
    return [part for delta in composing.DELTAS for text in texts for part in composing.compute(delta, text).parts]


def test_every_part_has_a_name_a_sentence_and_a_kind(language):
    found = every_part()
    assert {parts.kind_of(part) for part in found} == set(parts.KINDS)
    own = parts.sentence(Part(0, 1, 0, "Mine", ("mine",)))
    for part in found:
        assert parts.part_name(part) and parts.sentence(part).endswith({"en": ".", "zh": "。"}[language])
        assert parts.sentence(part) != own, f"{part.names} has no words of its own"
    assert len({part.names[:1] + part.names[-1:] for part in found}) > 25


def test_a_refusal_is_told_in_the_packages_own_words_and_the_picture_stays(language):
    app = composed(codec="TopK(0.01) | Quantize(8)")
    before, code = app.image.value, app.code.value
    for text, why in {
        'Rotate() | Quantize(8, ranges="array")': {"en": "does not keep apart", "zh": "之后已分不出各个数组"},
        "Quantize(8) | TopK(0.1)": {"en": "turns all that it is given into bytes", "zh": "全部变成了字节"},
        "Rotate() | Eden(2)": {"en": "a kind of stage twice", "zh": "出现了两次"},
        "LloydMax(9)": {"en": "bits must be", "zh": "bits 应在 1 … 8 之间"},
        "__import__('os')": {"en": "there is no __import__", "zh": "没有 __import__"},
    }.items():
        app.codec.text.value = text
        app.wait()
        assert why[language] in html.unescape(app.message.value) and 'role="alert"' in app.message.value
        assert "Error" not in app.message.value
        assert (app.image.value, app.code.value) == (before, code)
    app.codec.text.value = "TopK(0.01) | Quantize(7)"
    app.wait()
    assert app.message.value == "" and app.image.value != before
    assert "fl.TopK(0.01) | fl.Quantize(7)" in html.unescape(app.code.value)


def test_an_older_codec_is_never_drawn_over_a_newer_one(monkeypatch):
    import threading

    app = composed(codec="TopK(0.01) | Quantize(8)")
    gate, compute = threading.Event(), app.compute

    def slow(delta, codec):
        if "Quantize(3)" in codec:
            gate.wait(30)
        return compute(delta, codec)

    app.compute = slow
    app.codec.text.value = "Quantize(3)"
    assert "Encoding" in app.code.value and "Quantize(3)" not in alt(app), "it says what it does, and the picture stays"
    app.codec.text.value = "Quantize(5)"
    gate.set()
    app.wait()
    assert "Quantize(5)" in alt(app) and "Quantize(5)" in app.code.value


def test_an_error_of_the_app_itself_is_shown_and_raised():
    app = composed()
    app.formula = lambda data: 1 / 0
    app.codec.text.value = "Quantize(3)"
    with pytest.raises(ZeroDivisionError):
        app.wait()
    assert "ZeroDivisionError" in app.message.value


@pytest.mark.parametrize("guess", ["20", None])
def test_the_question_is_answered_by_the_real_message(guess, language):
    app = widgets.composer(predict=True)
    assert all(control.disabled for control in (*app.controls.values(), app.parts))
    assert "Identity()" in alt(app) and "45.8" not in app.image.value
    if guess:
        app.question.guess.value = guess
        app.question.button.click()
    else:
        app.question.skip.click()
    app.wait()
    payload = (fl.TopK(0.01) | fl.Quantize(8)).encode(flatten(fl.load_deltas()["document"]))
    # All that is not 1,018 values, a range of 8 bytes, and 12 of envelope, tags and count says where.
    assert told(app) == pytest.approx(100 * (len(payload) - 1018 - 8 - 12) / len(payload), abs=0.01)
    assert "TopK(0.01) | Quantize(8)" in alt(app) and not app.parts.disabled and not app.delta.disabled
    assert bool(len(app.picture._guess.get_xdata())) is bool(guess)


def test_the_still_shows_what_the_app_shows(language):
    still = widgets.composer_still()
    assert "1,916" in still.alt and still.alt == composed(codec="TopK(0.01) | Quantize(8)").picture.alt(
        composing.compute("document", "TopK(0.01) | Quantize(8)"), max(
            range(11), key=lambda n: composing.compute("document", "TopK(0.01) | Quantize(8)").parts[n].size))  # fmt: skip
    other = widgets.composer_still(part=("ranges",))
    assert {"en": "Shown: ranges, 8 from", "zh": "当前显示：取值范围"}[language] in other.alt
