"""The apps that train: what answers a guess, what is no guess, and that an older run is never drawn over a newer position.

Their trainings are played here, so that a test decides when a round ends.
"""

import contextlib
import re
import threading
from types import SimpleNamespace

import pytest
from later import Later
from tqdm import tqdm

from fedlab_utils.book import widgets
from fedlab_utils.book.exercises.asking import number
from fedlab_utils.book.plotting import DRAWING
from fedlab_utils.book.widgets import tff

lab = Later("fedlab_utils.book.widgets.lab")
lab_playground = Later("fedlab_utils.book.widgets.lab_playground")
partitions = Later("fedlab_utils.book.widgets.partitions")

ASKED, OTHER = 0.88, 0.5  # last accuracy of the training that the question asks about, and of every other
STEPS = {
    "lab": lambda app: setattr(app.controls["k"], "value", 1.0),
    "playground": lambda app: setattr(app.codec.text, "value", "Quantize(4)"),
    "tff": lambda app: setattr(app.controls["bits"], "value", 16),
    "partitions": lambda app: setattr(app.controls["kind"], "value", "iid"),
}
NEARLY = {  # nearly what was asked
    "lab": lambda app: setattr(app.controls["rounds"], "value", 5),
    "playground": lambda app: setattr(app.controls["first_model"], "value", "8 bits"),
    "tff": lambda app: setattr(app.controls["bits"], "value", 4),
    "partitions": lambda app: setattr(app.controls["seed"], "value", 1),
}


def play(name, position, accuracies):
    if name == "lab":
        return lab.Run(position, *([list(accuracies)] for _ in range(4)))
    if name == "playground":  # which asks for the share of first models in all bytes
        ones = [1.0] * len(accuracies)
        return lab.Run(position, [list(accuracies)], [ones], [ones], [list(accuracies)])
    if name == "tff":
        return tff.TffRun(position, list(accuracies), 1000)
    return partitions.look(position, partitions.Run(tuple(accuracies), 0.2))


class Played:
    """An app whose trainings are played; `hold()` keeps that of the question in its second round until `release()`."""

    def __init__(self, name, monkeypatch):
        self.name, self.reached, self.gate = name, threading.Event(), threading.Event()
        self.drawn = []
        self.gate.set()
        kind = {"lab": lab.LiveLab, "playground": lab_playground.Playground, "tff": tff.BitsApp,
                "partitions": partitions.PartitionsExplorer}[name]  # fmt: skip
        monkeypatch.setattr(kind, "train", self.train)
        monkeypatch.setattr(lab, "train_lab", lambda parameters: None)
        stack = SimpleNamespace(current=None, install=lambda _: contextlib.nullcontext())
        framework = SimpleNamespace(get_context_stack=lambda: stack)
        monkeypatch.setattr(tff.tff, "modules", lambda: (None, SimpleNamespace(framework=framework)))
        monkeypatch.setattr(partitions, "_finished", {})
        self.app = kind()
        self.app.wait(60)
        draw = self.app.picture.draw
        self.app.picture.draw = lambda run: (self.drawn.append(self.position(run)), draw(run))

    def position(self, run):
        labs = dict.fromkeys(("lab", "playground"), lambda: run.parameters)
        return {**labs, "tff": lambda: run.bits, "partitions": lambda: run.position}[self.name]()

    def train(self, position, on_round):
        app = getattr(self, "app", None)
        rounds = 10 if app is None else app.rounds_of(position)
        asked = app is not None and position == app.question.asked
        done = []
        for count in range(1, rounds + 1):
            if asked and count == 2:
                self.reached.set()
                self.gate.wait(60)
            done.append(ASKED if asked else OTHER)
            if on_round(play(self.name, position, done)) is False:
                break
        return play(self.name, position, done)

    def hold(self):
        self.gate.clear()
        self.reached.clear()

    def guess(self, text):
        self.app.question.guess.value = text
        self.app.question.button.click()

    @property
    def reply(self):
        return re.sub("<[^>]+>", "", self.app.question.reply.value)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.training) for name in STEPS])
def played(request, monkeypatch):
    return Played(request.param, monkeypatch)


def test_the_question_is_trained_as_it_was_asked_and_answered_at_the_end(played):
    app = played.app
    assert app.controls and all(control.disabled for control in app.controls.values()) and app.run_button.disabled
    played.guess("80")
    assert app.parameters() == app.question.asked
    app.wait(60)
    assert played.reply == "It is 88 %. Your 80 % was 8.0 points too low."
    assert not app.run_button.disabled and app.bar.n == app.bar.total == app.rounds_of(app.question.asked)


def test_a_guess_that_a_newer_position_has_overtaken_stays_open_until_its_training(played):
    app = played.app
    played.hold()
    played.guess("80")
    assert played.reached.wait(60) and "80 %" in played.reply
    STEPS[played.name](app)
    played.gate.set()
    app.wait(60)
    assert "80 %" in played.reply and "It is" not in played.reply
    app.to_question()
    app.wait(60)
    assert played.reply.startswith("It is 88 %.")
    STEPS[played.name](app)
    app.wait(60)
    assert played.reply.startswith("It is 88 %."), "an answer stays"


def test_a_training_that_was_stopped_does_not_answer(played):
    app = played.app
    played.hold()
    played.guess("80")
    assert played.reached.wait(60)
    app.stop_button.click()
    played.gate.set()
    app.wait(60)
    assert "It is" not in played.reply and "Stopped" in app.message.value
    app.run_button.click()
    app.wait(60)
    assert played.reply.startswith("It is 88 %.") and app.message.value == ""


def test_the_picture_is_marked_as_unfinished_only_while_something_trains(played):
    """Stopped, done or failed: what is marked is not read aloud, and the bar of a stopped training stands where it stood."""
    app, marks = played.app, lambda: "fedlab-busy" in played.app.bar.container._dom_classes
    assert not marks()
    played.hold()
    played.guess("80")
    assert played.reached.wait(60) and marks()
    app.stop_button.click()
    played.gate.set()
    app.wait(60)
    assert app.bar.n < app.bar.total and not marks()
    app.run_button.click()
    app.wait(60)
    assert app.bar.n == app.bar.total and not marks()
    app.train = lambda *_: 1 / 0
    app.run_button.click()
    app.wait(60)
    assert 'role="alert"' in app.message.value and not marks()


def test_nearly_what_was_asked_does_not_answer(played):
    app = played.app
    played.hold()
    played.guess("80")
    assert played.reached.wait(60)
    NEARLY[played.name](app)
    played.gate.set()
    app.wait(60)
    assert "It is" not in played.reply


def test_an_error_of_the_training_does_not_answer(played):
    app, train = played.app, played.train
    app.train = lambda *_: 1 / 0
    played.guess("80")
    app.wait(60)
    assert 'role="alert"' in app.message.value and "It is" not in played.reply
    app.train = train
    app.run_button.click()
    app.wait(60)
    assert played.reply.startswith("It is 88 %.")


def test_who_skips_is_not_judged(played):
    played.app.question.skip.click()
    played.app.wait(60)
    assert played.reply.startswith("Skipped. The question is about")


def test_an_older_run_is_never_drawn_over_a_newer_position(played):
    """The older one has ended its round, and waits to draw it, while the controls move on."""
    app = played.app
    played.hold()
    played.guess("80")
    assert played.reached.wait(60)
    with DRAWING:
        played.gate.set()
        threading.Event().wait(0.2)  # it comes to the lock, or to where it asks whether it is still wanted
        STEPS[played.name](app)
        before = len(played.drawn)
    app.wait(60)
    newest = app.parameters()
    assert set(played.drawn[before:]) == {newest} != {app.question.asked}
    assert app.picture.alt(app.wait()) in app.image.value


@pytest.mark.parametrize(
    "text", ["nan", "NaN", "inf", "-inf", "infinity", "1e999", "", "  ", "%", "many", "1,2,3", "1.2.3", "八十"]
)
def test_what_is_no_finite_number_is_no_guess(text):
    assert number(text) is None
    app = widgets.sparsification_explorer()
    app.question.guess.value = text
    app.question.button.click()
    assert "Please type a number, such as 2.5." in app.question.reply.value
    assert all(control.disabled for control in app.controls.values())


@pytest.mark.parametrize("text", ["nan", "1e999", ""])
def test_what_is_no_finite_number_starts_no_training(played, text):
    before = len(played.drawn)
    played.guess(text)
    played.app.wait(60)
    assert played.reply == "Please type a number, such as 2.5." and len(played.drawn) == before
    assert all(control.disabled for control in played.app.controls.values()) and played.app.run_button.disabled


@pytest.mark.parametrize(
    ("text", "value"),
    [("2.5", 2.5), (" ~88 %", 88), ("约８８％", 88), ("２．５", 2.5), ("2,5", 2.5), ("0,125", 0.125), ("２，５", 2.5),
     ("1,234", 1234), ("1,234,567.5", 1234567.5), ("-3", -3), ("1e3", 1000)],
)  # fmt: skip
def test_numbers_as_people_type_them(text, value):
    assert number(text) == value


@pytest.mark.training
def test_opening_the_lab_says_what_it_does_and_takes_a_guess_meanwhile(language, monkeypatch):
    built, trained = threading.Event(), []

    def train(parameters, on_round=None):
        if on_round is None:
            assert built.wait(60)
        trained.append(parameters)
        return lab.Run(parameters, *([[value] * parameters.rounds] for value in (ASKED, 1.0, 2.0, 0.5)))

    monkeypatch.setattr(lab, "train_lab", train)
    app = widgets.live_lab()
    text = {"en": "Building the training graph …", "zh": "正在构建训练图……"}[language]
    assert app.message.value == text and "<img" in app.image.value and trained == []
    app.question.guess.value = "88"
    app.question.button.click()
    assert app.message.value == text
    built.set()
    app.wait(60)
    assert app.message.value == "" and [p.rounds for p in trained] == [1, 10] and trained[1] == app.question.asked
    assert {"en": "88 %", "zh": "88%"}[language] in app.question.reply.value


@pytest.mark.training
def test_what_goes_wrong_in_building_the_graph_is_shown(monkeypatch):
    def broken(parameters):
        raise MemoryError("no room for <it>")

    monkeypatch.setattr(lab, "train_lab", broken)
    app = widgets.live_lab(predict=False)
    app.wait(60)
    assert 'role="alert"' in app.message.value and "no room for &lt;it&gt;" in app.message.value


def test_an_app_takes_no_line_of_a_terminal(played, monkeypatch, capsys):
    """A bar goes below those that are open; an app stays open for good and is drawn in the page."""
    apps = [played, Played(played.name, monkeypatch), Played(played.name, monkeypatch)]
    with tqdm(total=3, desc="after the apps") as bar:
        bar.update()
    assert apps and "after the apps" in (written := capsys.readouterr().err) and "\n\n" not in written


def test_the_bar_shows_the_last_rounds_after_many_at_once(played):
    """Rounds are passed over between two pictures; a bar that learns from one step how many to wait for would stop short."""
    bar = played.app.bar
    bar.reset(total=10)
    for rounds in (6, 4):
        bar.update(rounds)
    _, shown, _ = bar.container.children
    assert shown.value == bar.n == 10
