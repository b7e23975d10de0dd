"""Open questions: what is written is kept, a model answer comes only afterwards, a report holds what was written and ticked."""

import json
import re

import pytest

import fedlab_utils as fl
from fedlab_utils.book.chapters import MODULES
from fedlab_utils.book.exercises import base, journal, overview
from fedlab_utils.book.exercises.designing import SHORTEST, Design
from fedlab_utils.book.exercises.memory import finished, last_guess, last_text, note_finished, note_guess, note_text

pytestmark = pytest.mark.usefixtures("progress")

DESIGN = Design(
    "trial.design",
    ("How would <you> do it?", "<你>会怎么做？"),
    ("By measuring & counting.", "先测量 & 再计数。"),
    (("It measures.", "测量了。"), ("It counts.", "计数了。"), ("It says why.", "说了为什么。")),
)
WRITTEN = {"en": "I should measure it first, with ten seeds.", "zh": "我会先用十个种子测量一遍，再做决定。"}


def write(box, text):
    box.field.value = text
    box.button.click()
    return box.reply.value


def test_the_model_answer_is_told_only_after_something_has_been_written(language):
    box = DESIGN.ask()
    model = base.say("By measuring &amp; counting.", "先测量 &amp; 再计数。")
    assert model not in str([getattr(child, "value", "") for child in box.children]) and box.criteria.children == ()
    for too_little in ("", "   \n ", "x" * (SHORTEST - 1), "我会 先 测\n量"):
        assert model not in write(box, too_little) and box.criteria.children == ()
        assert {"en": "Write a sentence first", "zh": "请先写一句"}[language] in box.reply.value
        assert last_text("trial.design") == "" and finished() == []
    assert model in write(box, WRITTEN[language]) and "fedlab-said" in box.reply._dom_classes
    assert [tick.description for tick in box.criteria.children] == [base.say(*pair) for pair in DESIGN.criteria]
    assert last_text("trial.design") == WRITTEN[language] and finished() == ["trial.design"]


def test_what_was_written_and_ticked_is_there_when_she_comes_again(language):
    box = DESIGN.ask()
    write(box, WRITTEN[language])
    box.criteria.children[0].value = box.criteria.children[2].value = True
    box.criteria.children[0].value = False
    again = DESIGN.ask()
    assert again.field.value == WRITTEN[language] and [tick.value for tick in again.ticks] == [False, False, True]
    assert {"en": "last time", "zh": "上次"}[language] in again.reply.value and again.criteria.children == ()
    assert "measuring" not in again.reply.value and "测量 &amp;" not in again.reply.value
    write(again, WRITTEN[language] * 2)
    assert last_text("trial.design") == WRITTEN[language] * 2 and last_guess("trial.design") == 4


def test_the_field_has_a_name_for_those_who_hear_it_and_no_mouse_is_needed(language):
    box = DESIGN.ask()
    assert box.field.tooltip == base.say(*DESIGN.text) and not box.field.disabled and not box.button.disabled
    row = next(child for child in box.children if box.button in getattr(child, "children", ()))
    assert box.children.index(box.field) < box.children.index(row) < box.children.index(box.criteria), "by Tab"
    assert "&lt;" in box._repr_mimebundle_()["text/html"] and "measuring" not in box._repr_mimebundle_()["text/html"]


def test_texts_stand_beside_the_guesses_and_whatever_they_hold_comes_back(progress):
    strange = 'He said "a.b": {"c.d": 3}\n\t\\n – 引号“”\u2028'
    note_finished("a.b")
    note_guess("c.d", 3)
    assert note_text("e.f", strange) == note_text("g.h", "") == note_guess("c.d", 4) == note_finished("i.j") == ""
    assert json.loads(progress.read_text("utf8")) == ["a.b", "i.j", {"guesses": {"c.d": 4}, "texts": {"e.f": strange, "g.h": ""}}]
    assert last_text("e.f") == strange and last_text("x.y") == last_text("c.d") == "" and last_guess("e.f") is None


def test_of_a_file_that_was_cut_off_whole_texts_are_found(progress):
    progress.parent.mkdir()
    content = json.dumps(["a.b", {"guesses": {"c.d": 4}, "texts": {"e.f": 'one "k.l" two', "g.h": "three four"}}])
    progress.write_text(content[: content.index("three") + 5])
    assert (finished(), last_guess("c.d"), last_text("e.f"), last_text("g.h")) == (["a.b"], 4, 'one "k.l" two', "")
    assert "progress.json.unreadable-1" in note_text("m.n", "new")
    assert json.loads(progress.read_text()) == ["a.b", {"guesses": {"c.d": 4}, "texts": {"e.f": 'one "k.l" two', "m.n": "new"}}]


@pytest.mark.parametrize("content", ['["a.b", {"texts": 3}]', '["a.b", {"texts": {"c.d": 7, "e.f": null}}]'])
def test_strange_texts_are_left_out(progress, content):
    progress.parent.mkdir()
    progress.write_text(content)
    assert finished() == ["a.b"] and last_text("c.d") == last_text("e.f") == ""


def test_a_report_holds_what_was_written_and_ticked_and_not_the_model_answer(tmp_path, language):
    design = fl.exercises.practice.your_federation
    box = design.ask()
    text = f"{WRITTEN[language]}\n\n{WRITTEN[language]}"
    write(box, text)
    box.criteria.children[1].value = True
    fl.report(tmp_path / "r.md", codecs=False)
    held = json.loads((tmp_path / "r.json").read_text("utf8"))
    (item,) = [item for chapter in held["chapters"] for item in chapter["items"] if item["name"] == design.name]
    assert (item["kind"], item["state"], item["answer"]) == ("design", "right", text) and held["finished"] == 1
    assert [criterion["met"] for criterion in item["criteria"]] == [False, True, False]
    shown = (tmp_path / "r.md").read_text("utf8")
    assert f"  > {WRITTEN[language]}\n" in shown and f"- [x] {base.say(*design.criteria[1])}" in shown
    assert {"en": "(written)", "zh": "（已写）"}[language] in shown
    assert base.say(*design.model)[:40] not in shown and "- [x] " + base.say(*design.criteria[0]) not in shown
    assert [entry.state for entry in journal.entries()] == ["text"]


def test_where_answers_are_withheld_the_model_answer_is_not_told(monkeypatch, language):
    monkeypatch.setattr(base, "_withheld", False)
    design = fl.exercises.practice.your_federation
    model = base.say(*design.model)[:40]
    assert model in repr(design.solution()) and model in write(design.ask(), WRITTEN[language])
    fl.exercises.withhold()
    box = design.ask()
    assert model not in repr(design.solution()) and model not in write(box, WRITTEN[language] + "!")
    assert {"en": "without solutions", "zh": "不带参考答案"}[language] in box.reply.value
    assert len(box.criteria.children) == 3 and last_text(design.name) == WRITTEN[language] + "!", "kept all the same"


def test_what_cannot_be_noted_is_answered_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDLAB_PROGRESS", str(tmp_path))  # a folder instead of a file
    assert "could not be noted" in write(DESIGN.ask(), WRITTEN["en"]) and "By measuring" in DESIGN.ask().design.model[0]


@pytest.mark.parametrize("chapter", MODULES)
def test_progress_and_the_teachers_page_know_the_open_questions(chapter, language):
    designs = [item for item in overview.of_chapter(chapter) if isinstance(item, Design)]
    assert len(designs) == 1
    for design in designs:
        assert base.say(*design.model) in repr(overview.answers(chapter))
        assert re.match(base.say(r"\d[\d.]* design ", r"\d[\d.]* 设计题 "), overview.label(design))
        note_guess(design.name, 1)  # a chapter not begun is one line
        assert f"· {overview.label(design)}" in repr(overview.progress())
        note_finished(design.name)
        assert f"✓ {overview.label(design)}" in repr(overview.progress())
