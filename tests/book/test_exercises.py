"""The engine of the exercises, and the checkers of chapter 4: stub, wrong answers told apart, bad input, solutions.

At the end, for every chapter, what readers tried: right ways that look otherwise, wrong ones that nearly pass.
"""

import ast
import copy
import html
import inspect
import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.book.chapters import MODULES
from fedlab_utils.book.exercises import (
    algorithms,
    background,
    concepts,
    conditional,
    mathematics,
    memory,
    overview,
    practice,
    shared_range,
)
from fedlab_utils.book.exercises.asking import Guess, Question, compare, number, shown
from fedlab_utils.book.exercises.base import (
    Exercise,
    Verdict,
    Wrong,
    as_array,
    as_number,
    attempt,
)
from fedlab_utils.book.exercises.designing import Design
from fedlab_utils.book.exercises.memory import finished, last_guess, note_finished, note_guess
from fedlab_utils.book.exercises.sending import deciding, hold_accuracy

CHINESE = re.compile("[\u4e00-\u9fff]")


pytestmark = pytest.mark.usefixtures("progress")


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch):
    monkeypatch.setattr(memory, "_said", set())


def examine_seven(answer):
    if as_number(attempt(answer)) != 7:
        raise Wrong("not seven", "不是七")


SEVEN = Exercise(
    "trial.seven", "7.1", examine_seven, (("days", "一周"), ("6 + 1", "六加一")), "\nseven = lambda: 7\n", ("Yes!", "是的！")
)


# The engine


def test_right_is_praised_and_remembered_once(progress, language):
    verdict = SEVEN.check(lambda: 7)
    assert verdict.state == "right" and repr(verdict) == {"en": "✓ Right. Yes!", "zh": "✓ 正确。是的！"}[language]
    SEVEN.check(lambda: 7)
    assert finished() == ["trial.seven"] == json.loads(progress.read_text(encoding="utf8"))
    left = sorted(path.name for path in progress.parent.iterdir())
    assert left == ["progress.journal.jsonl", "progress.json", "progress.json.lock"], "a temporary file was left"


def test_the_table_of_progress_names_its_columns_and_each_chapter_its_row(progress, language):
    memory.note_finished("mathematics.exactly_k")
    table = fl.exercises.progress()._repr_html_()
    columns = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table)
    assert len(columns) == 3 and all(columns)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    begun = [re.match(r'<th scope="row"[^>]*>(.*?)</th>', row) for row in rows if "colspan" not in row]
    assert [name[1] for name in begun] == [{"en": "Chapter 4", "zh": "第 4 章"}[language]]


def test_the_books_own_solution_is_not_remembered_as_the_readers(progress):
    assert SEVEN.check(lambda: 7, remember=False).state == "right"
    assert finished() == [] and not progress.exists()


def returns_nothing(): ...


@pytest.mark.parametrize("stub", [returns_nothing, None, ..., lambda: ...])
def test_a_stub_is_not_attempted(stub, language):
    verdict = SEVEN.check(stub)
    assert verdict.state == "not attempted" and finished() == []
    assert bool(CHINESE.search(verdict.message)) == (language == "zh")


def leaves():
    raise SystemExit(3)


class Odd:
    def __array__(self, *_, **__):
        raise RuntimeError("no array")


@pytest.mark.parametrize(
    ("answer", "english"),
    [
        (lambda: 8, "Wrong: not seven"),
        (7, "Wrong: expected a function, got int"),
        (np.arange(3), "Wrong: expected a function, got ndarray"),
        (lambda x: 7, "Wrong: your function raised TypeError:"),
        (lambda: 1 / 0, "Wrong: your function raised ZeroDivisionError: division by zero"),
        (leaves, "Wrong: your function raised SystemExit: 3"),
        (lambda: "7", "Wrong: the answer must hold numbers, got str"),
        (lambda: 7 + 0j, "Wrong: the answer must hold numbers, got complex"),
        (lambda: [7, [7]], "Wrong: the answer must hold numbers, got list of parts that differ in length"),
        (lambda: {"seven": 7}, "Wrong: the answer must hold numbers, got dict"),
        (lambda: Odd(), "Wrong: the answer must hold numbers, got Odd"),
        (lambda: [7], "Wrong: the answer must have the shape (), got (1,)"),
        (lambda: np.nan, "Wrong: not seven"),
    ],
)
def test_what_is_wrong_is_told_never_raised(answer, english):
    verdict = SEVEN.check(answer)
    assert verdict.state == "wrong" and verdict.message.startswith(english)
    fl.use_language("zh")
    assert SEVEN.check(answer).message.startswith("不对：") and finished() == []


def test_an_examiner_that_fails_says_so_without_a_traceback(language):
    broken = Exercise("trial.broken", "7.2", lambda answer: answer.nothing, (("-", "-"),), "x")
    verdict = broken.check(3)
    assert verdict.state == "wrong" and "AttributeError" in verdict.message and finished() == []


def test_warnings_of_a_wrong_answer_stay_silent(recwarn):
    assert SEVEN.check(lambda: np.float64(0) / np.float64(0)).state == "wrong"
    assert not recwarn.list


def test_hints_come_gently_and_end_with_the_last(language):
    first, second = SEVEN.hint(), SEVEN.hint(2)
    assert first.state == "hint" and "hint(2)" in first.message and "hint(3)" not in second.message
    assert first.message.startswith({"en": "Hint 1 of 2: days", "zh": "提示 1/2：一周"}[language])
    assert SEVEN.hint(0) == first
    assert "2" in SEVEN.hint(3).message and "solution()" in SEVEN.hint(3).message and second.message not in SEVEN.hint(3).message


def test_a_solution_is_shown_as_code(language):
    solution = SEVEN.solution()
    assert solution.state == "solution" and solution.code == "seven = lambda: 7" and solution.code in repr(solution)
    assert "<pre" in solution._repr_html_() and "seven = lambda: 7</pre>" in solution._repr_html_()


def test_messages_are_escaped_for_html():
    shown = Verdict("wrong", "a < b\nc", "x <y")._repr_html_()
    assert "a &lt; b<br>c" in shown and "x &lt;y</pre>" in shown and 'role="status"' in shown


def test_as_array_takes_what_numpy_takes():
    assert as_array([[1, 2]], (1, 2)).dtype == np.float64
    assert as_array(np.array([True, False]), (2,)).tolist() == [1, 0]
    with pytest.raises(Wrong, match=r"the levels must have the shape \(2,\), got \(3,\)"):
        as_array([1, 2, 3], (2,), ("the levels", "量化级"))


# What is remembered


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}', b"\xff\xfe\x00", b"null", b"3", b"[" * 100_000])
def test_a_damaged_progress_file_counts_as_empty_is_kept_aside_and_mended(progress, content):
    progress.parent.mkdir()
    progress.write_bytes(content)
    assert finished() == []
    note_finished("a.b")
    assert finished() == ["a.b"] == json.loads(progress.read_bytes())
    assert [path.read_bytes() for path in progress.parent.glob("*.unreadable-*")] == [content] * bool(content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_progress_file_that_an_editor_has_saved_in_another_encoding_is_read(progress, encoding):
    progress.parent.mkdir()
    progress.write_bytes(json.dumps(["a.b", "c.d"], indent=1).encode(encoding))
    assert finished() == ["a.b", "c.d"]
    assert SEVEN.check(lambda: 7).message == "Right. Yes!"
    assert json.loads(progress.read_bytes()) == ["a.b", "c.d", "trial.seven"]
    assert not list(progress.parent.glob("*.unreadable-*"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_of_a_progress_file_that_was_cut_off_nothing_is_lost(progress, encoding, language):
    progress.parent.mkdir()
    content = '[\n "a.b",\n "c.d",\n "mathematics.exac'.encode(encoding)
    progress.write_bytes(content)
    (progress.parent / "progress.json.unreadable-1").write_text("an earlier one")
    assert finished() == ["a.b", "c.d"]
    message = SEVEN.check(lambda: 7).message
    assert "progress.json.unreadable-2" in message and "2" in message and bool(CHINESE.search(message)) == (language == "zh")
    assert json.loads(progress.read_bytes()) == ["a.b", "c.d", "trial.seven"]
    assert (progress.parent / "progress.json.unreadable-1").read_text() == "an earlier one"
    assert (progress.parent / "progress.json.unreadable-2").read_bytes() == content


def at_once(body, who):
    """Run some lines in a kernel for each of `who`, sys.argv[1] there, all from the same moment on."""
    program = "import sys; from fedlab_utils.book.exercises.memory import note_finished, note_guess\n"
    program += f"print('ready', flush=True); input()\n{body}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    kernels = [subprocess.Popen([sys.executable, "-c", program, name], **pipes) for name in who]
    for kernel in kernels:
        assert kernel.stdout.readline().strip() == b"ready"
    for kernel in kernels:
        kernel.stdin.write(b"\n")
        kernel.stdin.flush()
    assert [kernel.communicate()[0] for kernel in kernels] == [b""] * len(who)
    assert not any(kernel.returncode for kernel in kernels)


@pytest.mark.slow
def test_two_kernels_that_finish_exercises_at_once_lose_none(progress):
    at_once("for i in range(100): assert note_finished(f'{sys.argv[1]}.n{i}') == ''", "abc")
    assert set(finished()) == {f"{who}.n{i}" for who in "abc" for i in range(100)}


def test_a_file_that_cannot_be_read_is_told_once_and_stays(progress, monkeypatch, language):
    progress.parent.mkdir()
    progress.write_text('["a.b"]', encoding="utf8")

    def closed(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", closed)
    message = SEVEN.check(lambda: 7).message
    assert {"en": "could not be noted", "zh": "无法记下"}[language] in message and "Permission denied" in message
    why = ("One.", "一。") * 2
    question = Question("trial.one", ("?", "？"), (why,), 0)
    assert question.verdict(0).message == {"en": "Right. One.", "zh": "正确。一。"}[language]  # not told again
    monkeypatch.undo()
    assert progress.read_text(encoding="utf8") == '["a.b"]'
    left = sorted(path.name for path in progress.parent.iterdir())
    assert left == ["progress.journal.jsonl", "progress.json", "progress.json.lock"]


@pytest.mark.parametrize(
    ("value", "bound", "shown"),
    [
        (0.9097, 0.91, "0.9097"),
        (0.91, 0.91, "0.910"),
        (0.9, 0.91, "0.900"),
        (6.0004, 6, "6.0004"),
        (0.90999, 0.91, "0.90999"),
    ],
)
def test_a_number_is_told_to_the_digit_that_decides(value, bound, shown):
    assert deciding(value, bound, 3) == shown
    spent = ("3 bytes are", "3 字节")
    if value < bound:
        with pytest.raises(Wrong, match=f"is {shown}, {bound} is wanted"):
            hold_accuracy(spent, value, 0.5, bound)
    else:
        assert shown in hold_accuracy(spent, value, 0.5, bound)[0]


# Guesses in the same file


def test_guesses_stand_behind_the_names_and_the_last_one_counts(progress):
    note_finished("a.b")
    assert note_guess("c.d", 3) == note_guess("c.d", 2.5) == note_guess("e.f", 0) == note_finished("g.h") == ""
    assert json.loads(progress.read_text()) == ["a.b", "g.h", {"guesses": {"c.d": 2.5, "e.f": 0}}]
    assert finished() == ["a.b", "g.h"] and (last_guess("c.d"), last_guess("e.f"), last_guess("x.y")) == (2.5, 0, None)
    before = progress.stat().st_mtime_ns
    note_guess("c.d", 2.5)
    assert progress.stat().st_mtime_ns == before, "what stands there is not written again"


def test_a_file_of_an_earlier_version_takes_guesses(progress):
    progress.parent.mkdir()
    progress.write_text('["a.b", "c.d"]')
    assert last_guess("a.b") is None
    note_guess("a.b", 7)
    assert finished() == ["a.b", "c.d"] and last_guess("a.b") == 7


@pytest.mark.parametrize(
    "content",
    [
        '["a.b", {}]',
        '["a.b", {"guesses": 3}]',
        '["a.b", {"guesses": {"c.d": "7", "e.f": null, "g.h": true, "i.j": NaN, "k.l": Infinity}}]',
    ],
)
def test_strange_guesses_are_left_out(progress, content):
    progress.parent.mkdir()
    progress.write_text(content)
    assert finished() == ["a.b"] and [last_guess(name) for name in ("c.d", "e.f", "g.h", "i.j", "k.l")] == [None] * 5
    note_guess("c.d", 1)
    assert json.loads(progress.read_text()) == ["a.b", {"guesses": {"c.d": 1}}] and not list(progress.parent.glob("*unreadable*"))


def test_of_a_damaged_file_guesses_are_found_and_not_taken_for_exercises(progress):
    progress.parent.mkdir()
    content = '["a.b", {"guesses": {"c.d": 40, "e.f": -2.5e3, "g.h": 12'
    progress.write_text(content)
    assert finished() == ["a.b"] and (last_guess("c.d"), last_guess("e.f"), last_guess("g.h")) == (40, -2500, None)
    assert "progress.json.unreadable-1" in note_guess("i.j", 1)
    assert json.loads(progress.read_text()) == ["a.b", {"guesses": {"c.d": 40, "e.f": -2500, "i.j": 1}}]
    assert (progress.parent / "progress.json.unreadable-1").read_text() == content


@pytest.mark.slow
def test_two_kernels_that_guess_and_finish_at_once_lose_nothing(progress):
    note = "note_finished(f'{sys.argv[1]}.n{i}') == note_guess(f'{sys.argv[1]}.g{i}', i) == ''"
    at_once(f"for i in range(60): assert {note}", "ab")
    assert set(finished()) == {f"{who}.n{i}" for who in "ab" for i in range(60)}
    assert all(last_guess(f"{who}.g{i}") == i for who in "ab" for i in range(60))


def test_a_guess_that_cannot_be_noted_is_answered_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDLAB_PROGRESS", str(tmp_path))  # a folder instead of a file
    assert "could not be noted" in typed(GUESS.ask(), "40") and last_guess("trial.guess") is None


def test_strange_entries_are_left_out(progress):
    progress.parent.mkdir()
    progress.write_text('["a.b", 3, null, "a.b", "c.d"]', encoding="utf8")
    assert finished() == ["a.b", "c.d"]


def test_a_folder_that_cannot_be_made_or_written_does_not_fail_the_reader(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "progress.json", tmp_path):  # below a file; a folder instead of a file
        monkeypatch.setenv("FEDLAB_PROGRESS", str(place))
        assert SEVEN.check(lambda: 7).state == "right" and finished() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(stat.S_IRUSR | stat.S_IXUSR)
    monkeypatch.setenv("FEDLAB_PROGRESS", str(closed / "progress.json"))
    assert SEVEN.check(lambda: 7).state == "right"  # (root may write there all the same)
    closed.chmod(stat.S_IRWXU)


def test_unless_told_otherwise_progress_is_kept_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("FEDLAB_PROGRESS")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert SEVEN.check(lambda: 7).state == "right" and finished() == ["trial.seven"]
    assert json.loads((tmp_path / ".fedlab" / "progress.json").read_text()) == ["trial.seven"]


def test_without_a_home_nothing_is_remembered_and_nothing_raised(monkeypatch):
    monkeypatch.delenv("FEDLAB_PROGRESS")

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert finished() == [] and SEVEN.check(lambda: 7).state == "right"


def test_progress_names_what_is_done_and_what_is_left(language):
    note_finished("mathematics.rice_parameter")
    note_finished("gone.from_the_book")
    report = overview.progress()
    total = sum(len(overview.of_chapter(chapter)) for chapter in MODULES)
    assert {"en": f"finished 1 of {total} ", "zh": f"已完成 1/{total} "}[language] in repr(report)
    assert {"en": "Chapter 1: not begun\n", "zh": "第 1 章：还没有开始\n"}[language] in repr(report)
    of_4 = {"en": f"Chapter 4: 1/{len(overview.of_chapter('mathematics'))}\n", "zh": "第 4 章：1/"}[language]
    assert of_4 in repr(report) and "✓ 4.3 rice_parameter" in repr(report) and "· 4.2 exactly_k" in repr(report)
    assert {"en": "✓ 4.3 rice_parameter: Which r?", "zh": "✓ 4.3 rice_parameter：选哪个 r？"}[language] in report._repr_html_()
    note_guess("practice.two_bits", 0)
    report = overview.progress()
    question = {"en": "question", "zh": "思考题"}[language]
    practices = (
        "5.1 server_round",
        "5.2 k_for_a_plan",
        "5.3 send_with_memory",
        "5.4 both_ways",
        f"5.1 {question} aggregation",
        *(f"5.2 {question} {name}" for name in ("two_bits", "two_bits_again", "feedback_of_noise")),
        f"5.2 { {'en': 'design', 'zh': '设计题'}[language] } your_federation",
    )
    lines = repr(report).splitlines()
    first = next(place for place, line in enumerate(lines) if line.endswith("0/9")) + 1
    assert [re.split("[:：]", line)[0] for line in lines[first : first + 9]] == [f"  · {name}" for name in practices]


def test_answers_show_every_solution_and_every_right_choice(language):
    for chapter in MODULES:
        report = overview.answers(chapter)
        for item in (*overview.of_chapter(chapter), *overview.guesses_of(chapter)):
            assert repr(item.solution()) in repr(report) and item.name.partition(".")[2] in report._repr_html_()


def test_names_of_exercises_are_unique_and_tell_their_place():
    for chapter in MODULES:
        module = getattr(fl.exercises, chapter)
        found = [*overview.of_chapter(chapter), *overview.guesses_of(chapter)]
        for item in found:
            assert getattr(module, item.name.partition(".")[2]) is item
        named = [value for value in vars(module).values() if isinstance(value, (Exercise, Question, Guess, Design))]
        assert len(named) == len(found), f"an exercise of {chapter} has another chapter's name"


# Questions

QUESTION = Question(
    "trial.question",
    ("2 < 3?", "2 < 3 吗？"),
    (("no", "不", "count again", "再数一遍"), ("yes", "是", "well counted", "数得好")),
    1,
)


def test_a_question_answers_at_once_and_explains(language):
    box = QUESTION.ask()
    text, buttons, row, reply = box.children
    assert "2 &lt; 3" in text.value and reply.value == "" and buttons.value is None
    buttons.value = 0
    assert row.layout.display == "none", "there is nothing left to skip"
    assert {"en": "Not quite. count again", "zh": "不太对。再数一遍"}[language] in reply.value and finished() == []
    buttons.value = 1
    assert {"en": "Right. well counted", "zh": "正确。数得好"}[language] in reply.value
    assert finished() == ["trial.question"]
    assert QUESTION.verdict(None).state == "not attempted"
    assert QUESTION.solution().state == "solution" and {"en": "→ yes", "zh": "→ 是"}[language] in QUESTION.solution().message


def test_a_click_on_skip_tells_the_right_choice_and_ends_the_question(language):
    box = QUESTION.ask()
    _, buttons, row, reply = box.children
    box.skip.click()
    assert {"en": "→ yes", "zh": "→ 是"}[language] in reply.value and "well counted" in reply.value + QUESTION.choices[1][2]
    assert buttons.disabled and row.layout.display == "none" and finished() == [] and last_guess("trial.question") is None


def test_a_question_says_what_was_chosen_last_time(language):
    assert QUESTION.ask().reply.value == ""
    QUESTION.ask().children[1].value = 0
    assert last_guess("trial.question") == 0 and finished() == []
    again = QUESTION.ask()
    assert again.reply.value == {"en": "Last time you chose: no", "zh": "上次你选的是：不"}[language]
    again.children[1].value = 1
    assert last_guess("trial.question") == 1 and finished() == ["trial.question"]
    note_guess("trial.question", 7)  # the book had more choices then
    assert QUESTION.ask().reply.value == ""


# Guesses

GUESS = Guess(
    "trial.guess", ("How many are < 41?", "有几个 < 41 ？"), 40, (" pieces", " 个"), why=("By the rule.", "由规则得出。")
)  # fmt: skip


def typed(box, text, enter=False):
    box.guess.value = text  # comes when Enter is pressed, and when the field is left for the button
    if not enter:
        box.button.click()
    return box.reply.value


@pytest.mark.parametrize("enter", [False, True])
def test_a_guess_is_answered_after_a_number_and_by_nothing_before(enter, language):
    box = GUESS.ask()
    assert "40 pieces" not in str([child.value for child in box.children if hasattr(child, "value")]) and box.reply.value == ""
    assert {"en": "number", "zh": "数"}[language] in typed(box, "many", enter) and last_guess("trial.guess") is None
    reply = typed(box, "20", enter)
    truth = {"en": "It is <b>40 pieces</b>. Your 20 pieces was 2 times too low.", "zh": "答案是 <b>40 个</b>。你猜了 20 个"}
    assert truth[language] in reply
    assert {"en": "By the rule. Run the next cells", "zh": "由规则得出。运行下面的单元格"}[language] in reply
    box.button.click()
    assert box.reply.value == reply, "answered once"
    assert 'role="status"' in reply and box.children[1].layout.display == "none" and last_guess("trial.guess") == 20


def test_a_guess_that_is_exactly_right_is_not_called_close_and_counts_differ_by_a_number(language):
    kinds = Guess("trial.kinds", ("How many?", "几种？"), 9, ("", " 种"))
    of_eight = fl.exercises.background.images_read
    told = {
        "en": ("<b>9</b>: exactly right.", "Your 7 was 2 too few.", "Your 12 was 3 too many.", "Your 0 was 9 too few.",
               "Your 8 was 1.8 too many.", "At most 8."),
        "zh": ("<b>9 种</b>：完全正确。", "你猜了 7 种，少猜了 2。", "你猜了 12 种，多猜了 3。", "你猜了 0 种，少猜了 9。",
               "你猜了 8 张，多猜了 1.8。", "最多 8 张。"),
    }[language]  # fmt: skip
    replies = [kinds.reply(guess) for guess in (9, 7, 12, 0)] + [of_eight.reply(8)]
    assert all(words in reply for words, reply in zip(told, replies, strict=False)), replies
    box = of_eight.ask()
    assert told[5] in typed(box, "9") and last_guess(of_eight.name) is None and box.children[1].layout.display != "none"
    assert "6.2" in typed(box, "8") and last_guess(of_eight.name) == 8


def test_one_click_skips_a_guess_and_tells(language):
    box = GUESS.ask()
    box.skip.click()
    assert {"en": "It is <b>40 pieces</b>.", "zh": "答案是 <b>40 个</b>。"}[language] in box.reply.value
    assert last_guess("trial.guess") is None


def test_who_comes_again_sees_her_guess(language):
    typed(GUESS.ask(), "12,345")
    assert GUESS.ask().reply.value == {"en": "Last time you guessed 12,345.", "zh": "上次你猜的是 12,345。"}[language]


@pytest.mark.slow
def test_the_guess_of_an_app_is_kept_as_well(language):
    app = fl.widgets.sparsification_explorer()
    typed(app.question, "50")
    assert last_guess("widgets.sparsification_explorer") == 50
    assert "50" in fl.widgets.sparsification_explorer().question.reply.value


def test_without_a_kernel_the_words_of_a_question_stand_there(language):
    run = {"en": "Run this cell to answer.", "zh": "运行这个单元格就能作答。"}[language]
    for item, words in ((GUESS, "&lt; 41"), (QUESTION, "2 &lt; 3")):
        bundle = item.ask()._repr_mimebundle_()
        assert words in bundle["text/html"] and run in bundle["text/html"] and "40" not in bundle["text/html"]
        assert html.unescape(words) in bundle["text/plain"] and "<b>" not in bundle["text/plain"]
        assert "application/vnd.jupyter.widget-view+json" in bundle, "with a kernel it is a widget"
        assert item.ask()._repr_mimebundle_()["text/plain"] == bundle["text/plain"], "the same at every run"
    assert "<li>" in QUESTION.ask()._repr_mimebundle_()["text/html"]


def test_large_whole_numbers_are_shown_in_full():
    assert [shown(value) for value in (10_177, 49_151.0, 0.6, 18.5, 101_770.4, -12_345)] == [
        "10,177", "49,151", "0.6", "18.5", "101,770", "-12,345",
    ]  # fmt: skip
    assert "10,177 images" in compare(None, 10_177, " images") and number("10,177") == 10_177


# Every exercise of the book


def every_guess():
    return [item for chapter in MODULES for item in overview.guesses_of(chapter)]


@pytest.mark.parametrize("item", every_guess(), ids=lambda item: item.name)
def test_guesses_exist_in_both_languages_and_take_their_answer_for_right(item, language):
    for en, zh in (item.text, *[pair for pair in (item.why,) if pair[0]]):
        assert not CHINESE.search(en) and CHINESE.search(zh)
    assert item.text[0].rstrip(")").rstrip().endswith(("?", ".", "%")) and item.unit[0] in ("", item.unit[0].rstrip())
    assert {"en": "exactly right.", "zh": "完全正确。"}[language] in item.reply(item.truth)
    low = {"en": ("too low", "too few"), "zh": ("低了", "只有它的 1/3", "少猜了")}[language]
    assert any(word in item.reply(item.truth / 3) for word in low)
    assert "<b>" in item.reply(None) and repr(item.solution()).count("→") == 1


def every_item():
    return [item for chapter in MODULES for item in overview.of_chapter(chapter)]


@pytest.mark.parametrize("item", every_item(), ids=lambda item: item.name)
def test_texts_exist_in_both_languages(item):
    if isinstance(item, Question):
        assert item.text[0].endswith("?") and item.text[1].endswith("？")
        pairs = [item.text, *(choice[:2] for choice in item.choices), *(choice[2:] for choice in item.choices)]
        assert 0 <= item.right < len(item.choices) and len({choice[0] for choice in item.choices}) == len(item.choices)
        pairs = [pair for pair in pairs if re.search("[A-Za-z]{3}", pair[0])]  # a bare number or formula may be the same
    elif isinstance(item, Design):
        pairs = [item.text, item.model, *item.criteria]
        assert len(item.criteria) == 3 and len(item.model[0]) > 2 * len(item.text[0])
    else:
        pairs = [*item.hints, *([item.praise] if item.praise[0] else [])]
        assert item.hints and item.code.strip()
        compile(item.code, item.name, "exec")
    for en, zh in pairs:
        assert not CHINESE.search(en) and CHINESE.search(zh), (en, zh)


@pytest.mark.parametrize("item", [i for i in every_item() if isinstance(i, Question)], ids=lambda item: item.name)
def test_each_choice_of_a_question_has_a_reason_of_its_own(item, language):
    verdicts = [item.verdict(choice) for choice in range(len(item.choices))]
    assert [verdict.state == "right" for verdict in verdicts] == [choice == item.right for choice in range(len(item.choices))]
    assert len({verdict.message for verdict in verdicts}) == len(verdicts) >= 3 and finished() == [item.name]
    box = item.ask()
    for choice, verdict in enumerate(verdicts):
        box.children[1].value = choice
        assert html.escape(verdict.message) in box.reply.value and last_guess(item.name) == choice


SOURCES = sorted((Path(__file__).parents[2] / "notebooks" / "source").glob("*.md"))


@pytest.mark.parametrize("word", ["Exercise ", "练习 "])
def test_the_number_of_an_exercise_is_that_of_the_heading_above_its_check(word):
    found = {}
    for source in SOURCES:
        number = None
        for line in source.read_text("utf8").splitlines():
            if heading := re.match(rf"#+ {word}(\d+\.\d+)", line):
                number = heading[1]
            if check := re.match(r"fl\.exercises\.(\w+\.\w+)\.check\(", line):
                assert found.setdefault(check[1], number) == number, f"{source.stem}: {line}"
    assert found == {item.name: item.number for item in every_item() if isinstance(item, Exercise)}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_solution_cells_are_folded_and_are_not_taken_for_the_readers_work(source):
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)\n```", source.read_text("utf8"), re.DOTALL)
    for cell in (cell for cell in cells if re.match(r"(:.*\n)*:tags: \[.*\bsolution\b", cell)):
        assert "source_hidden: true" in cell, cell
        for call in re.findall(r"\.check\(.*", cell):
            assert "remember=False" in call, f"{source.stem}: {call}: Run All would count it as the reader's own"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_published_book_shows_nobodys_progress(language):
    book = Path(__file__).parents[2] / "notebooks" / language / "00_start.ipynb"
    shown = re.findall(r"(?:finished|已完成) (\d+)(?: of |/)\d+", book.read_text("utf8"))
    assert shown and set(shown) == {"0"}, "build it with FEDLAB_PROGRESS naming a file that does not exist"


# Chapter 4


def stub(*_): ...


def levels(x, lo, hi, bits, rounding=np.rint):
    return np.zeros(x.shape) if lo == hi else rounding((np.clip(x, lo, hi) - lo) / (hi - lo) * (2**bits - 1))


def half_up(x, lo, hi, bits):
    return levels(x, lo, hi, bits, lambda t: np.floor(t + 0.5)).astype(int)


def by_loop(x, lo, hi, bits):
    step = (hi - lo) / (2**bits - 1)
    result = [0 if step == 0 else round((min(max(float(value), lo), hi) - lo) / step) for value in x.ravel()]
    return np.reshape(result, x.shape)


def by_list(x, lo, hi, bits):
    return levels(x, lo, hi, bits).tolist()


def clipped_after(x, lo, hi, bits):
    return by_loop(x, lo, hi, bits) if lo == hi else np.clip(np.rint((x - lo) / (hi - lo) * (2**bits - 1)), 0, 2**bits - 1)


def of_package(x, lo, hi, bits):
    return np.zeros(x.shape) if lo == hi else fl.quantize(x, bits, "nearest", lo=lo, hi=hi).levels.reshape(x.shape)


@pytest.mark.parametrize("answer", [half_up, by_loop, by_list, levels, clipped_after, of_package])
def test_levels_in_a_range_takes_every_right_way(answer):
    assert mathematics.levels_in_a_range.check(answer).state == "right"


def free(x, lo, hi, bits, rounding=np.rint):
    return rounding((x - lo) / (hi - lo) * (2**bits - 1))


WRONG_LEVELS = {
    "levels of floor": lambda x, lo, hi, bits: levels(x, lo, hi, bits, np.floor),
    "this is the given quantizer": shared_range.hasty_levels,
    "does not fit into 4 bits": free,
    "one end of the range": lambda x, lo, hi, bits: np.minimum(free(x, lo, hi, bits), 2**bits - 1),
    "the range lo … hi was agreed on": lambda x, lo, hi, bits: levels(x, x.min(), x.max(), bits),
    "not 2**bits": lambda x, lo, hi, bits: np.rint((np.clip(x, lo, hi) - lo) / (hi - lo) * 2**bits),
    "0/0": lambda x, lo, hi, bits: np.rint((np.clip(x, lo, hi) - lo) / (hi - lo) * (2**bits - 1)),
    "uint8 ends at 255": lambda x, lo, hi, bits: levels(x, lo, hi, bits).astype(np.uint8),
    "whole numbers": lambda x, lo, hi, bits: levels(x, lo, hi, bits, lambda t: t),
    "should get level": lambda x, lo, hi, bits: levels(x, lo, hi, bits, np.ceil),
    "must have the shape": lambda x, lo, hi, bits: levels(x.ravel(), lo, hi, bits)[:-1],
}


@pytest.mark.parametrize("part", WRONG_LEVELS)
def test_levels_in_a_range_tells_wrong_answers_apart(part):
    message = mathematics.levels_in_a_range.check(WRONG_LEVELS[part]).message
    assert part in message and sum(other in message for other in WRONG_LEVELS) == 1, message


def test_levels_in_a_range_do_not_live_on_what_a_cast_of_nan_happens_to_be(language):
    for kind in (np.uint16, np.int32, np.int64):
        verdict = mathematics.levels_in_a_range.check(lambda *given, kind=kind: WRONG_LEVELS["0/0"](*given).astype(kind))
        assert verdict.state == "wrong" and "0/0" in verdict.message
    by_nan = lambda *given: np.nan_to_num(WRONG_LEVELS["0/0"](*given)).astype(int)  # noqa: E731
    clipped = lambda x, lo, hi, bits: by_nan(np.clip(x, lo, hi), lo, hi, bits)  # noqa: E731
    assert mathematics.levels_in_a_range.check(clipped).state == "right"


WRONG_FAULTS = {
    "all of yours lie between -1 and 1": [0.3, -1.0, 1],
    "Go a little further": [1.05],
    "one to five numbers": [9.0],
    "each between -3 and 3": [],
    "no extreme ones": [np.nan],
    "3 comes back as 0.87: it has wrapped around once and landed one step": [3],
    "-3 comes back as -0.87": [-3.0, 0.2],
    "More than one step is asked for": [2.95],
    "must hold numbers": "1.2",
}


@pytest.mark.parametrize("part", WRONG_FAULTS)
def test_fault_of_a_quantizer_tells_wrong_answers(part, same_numbers):
    exercise = mathematics.fault_of_a_quantizer
    verdict = exercise.check(WRONG_FAULTS[part])
    assert verdict.state == "wrong" and part in verdict.message
    same_numbers(exercise, WRONG_FAULTS[part])


@pytest.mark.parametrize("numbers", [[1.2], [0.1, -1.1], 1.5, np.array([[2.0]])])
def test_fault_of_a_quantizer_takes_whatever_shows_it(numbers, language):
    verdict = mathematics.fault_of_a_quantizer.check(numbers)
    assert verdict.state == "right" and bool(CHINESE.search(verdict.message)) == (language == "zh")


@pytest.mark.parametrize(("number", "wrong_sign"), [(1.2, True), (-1.5, True), (2.1, True), (2.2, False), (-2.6, False)])
def test_fault_of_a_quantizer_says_a_wrong_sign_only_where_it_is_wrong(number, wrong_sign, language):
    message = mathematics.fault_of_a_quantizer.check([number]).message
    told = {"en": ("a wrong sign", "as a small one"), "zh": ("正负相反", "成了很小的")}[language]
    assert (told[0] in message, told[1] in message) == (wrong_sign, not wrong_sign)


def test_the_chapter_shows_the_quantizer_that_the_checker_tries():
    def body(function):
        return ast.dump(next(n for n in ast.walk(function) if isinstance(n, ast.Return)))

    package, (source,) = inspect.getsource(shared_range), [path for path in SOURCES if path.stem == "04_mathematics"]
    shown = re.search(r"^def hasty_levels.*?\n\n", source.read_text("utf8"), re.DOTALL | re.MULTILINE)[0]
    ours = re.search(r"^def hasty_levels.*?\n\n", package, re.DOTALL | re.MULTILINE)[0]
    assert body(ast.parse(shown)) == body(ast.parse(ours))


def by_integral(up, weigh=True, power=2, swapped=False):
    f = (np.arange(4000) + 0.5) / 4000
    p = 1 - up(f) if swapped else up(f)
    return np.mean((1 - p) * f**power + p * (1 - f) ** power) if weigh else np.mean(f**2 + (1 - f) ** 2)


def by_trying(up):
    rng = np.random.default_rng(0)
    f = (np.arange(400_000) + 0.5) / 400_000
    return np.mean(np.where(rng.random(f.size) < up(f), 1 - f, f) ** 2)


WRONG_SQUARES = {
    "the mean of their squares": lambda up: by_integral(up, power=1),
    "the square of the mean error": lambda up: np.mean((up(np.linspace(0, 1, 999)) - np.linspace(0, 1, 999)) ** 2),
    "up and down are mixed up": lambda up: by_integral(up, swapped=True),
    "counted in full": lambda up: by_integral(up, weigh=False),
    "this is the root": lambda up: np.sqrt(by_integral(up)),
    "yours says": lambda up: by_integral(up) / 2,
    "must have the shape": lambda up: up(np.arange(3) / 3),
}


@pytest.mark.parametrize("answer", [by_integral, by_trying])
def test_mean_square_takes_other_right_ways(answer):
    assert mathematics.mean_square.check(answer).state == "right"


@pytest.mark.parametrize("part", WRONG_SQUARES)
def test_mean_square_tells_wrong_answers_apart(part):
    message = mathematics.mean_square.check(WRONG_SQUARES[part]).message
    assert part in message and sum(other in message for other in WRONG_SQUARES) == 1, message


def by_sorting(x, k):
    kept = sorted(range(x.size), key=lambda i: (-abs(x[i]), i))[:k]
    return np.array([x[i] if i in kept else 0 for i in range(x.size)])


def by_threshold(x, k):
    return np.where(np.abs(x) >= np.sort(np.abs(x))[-k], x, 0)


def by_partition(x, k):  # which of equals it keeps is left to chance
    kept = np.argsort(np.abs(x), kind="stable")[-k:]
    return np.where(np.isin(np.arange(x.size), kept), x, 0)


WRONG_TOP_K = {
    "exactly 2 are wanted": by_threshold,
    "the number is right, but of equal magnitudes": by_partition,
    "largest values": lambda x, k: np.where(np.isin(np.arange(x.size), np.argsort(-x, kind="stable")[:k]), x, 0),
    "signs are lost": lambda x, k: np.abs(by_sorting(x, k)),
    "smallest magnitudes": lambda x, k: np.where(np.isin(np.arange(x.size), np.argsort(np.abs(x), kind="stable")[:k]), x, 0),
    "must have the shape": lambda x, k: x[np.argsort(-np.abs(x))[:k]],
    "the result should be": lambda x, k: np.where(by_sorting(x, k) != 0, 1.0, 0.0),
}


def test_exactly_k_takes_another_right_way():
    assert mathematics.exactly_k.check(by_sorting).state == "right"
    assert mathematics.exactly_k.check(lambda x, k: fl.top_k(x, k).to_dense()).state == "right"


@pytest.mark.parametrize("part", WRONG_TOP_K)
def test_exactly_k_tells_wrong_answers_apart(part):
    message = mathematics.exactly_k.check(WRONG_TOP_K[part]).message
    assert part in message and sum(other in message for other in WRONG_TOP_K) == 1


def test_exactly_k_takes_no_wrong_place_for_a_tie():
    """As many as wanted, each as it stood, but others than the largest; and the largest, put elsewhere."""
    for wrong in (lambda x, k: np.where(np.arange(x.size) < k, x, 0), lambda x, k: by_sorting(x, k)[::-1]):
        assert "the result should be" in mathematics.exactly_k.check(wrong).message


def written_out(gaps, r):
    """The code itself, bit by bit."""
    return len("".join("0" * (g >> r) + "1" + format(g, "032b")[32 - r :] for g in gaps.tolist()))


def by_writing(gaps):
    return min(range(20), key=lambda r: written_out(gaps, r))


def by_mean(gaps):
    return int(np.floor(np.log2(max(gaps.mean(), 1)))) if gaps.size else 0


WRONG_RICE = {
    "is the number of bits": lambda gaps: written_out(gaps, by_writing(gaps)) if gaps.size else 0,
    "r is a whole number": lambda gaps: by_writing(gaps) + 0.5,
    "of equals the smallest": lambda gaps: max(range(20), key=lambda r: (-written_out(gaps, r), r)),
    "more than any other": lambda gaps: 31 if gaps.size else 0,
    "The logarithm of the mean gap is near": by_mean,
    "must have the shape": lambda gaps: gaps,
    "r = 1 takes 13": lambda gaps: 3,
}


def test_rice_parameter_takes_the_code_written_out():
    assert mathematics.rice_parameter.check(by_writing).state == "right"


def test_the_codec_of_the_book_chooses_the_same_parameter():
    rng = np.random.default_rng(0)
    for k in (3, 40, 700):
        places = np.sort(rng.choice(10_000, k, replace=False))
        gaps = np.diff(places, prepend=-1) - 1
        r = by_writing(gaps)
        assert abs(8 * len(fl.coding.encode_support(places, 10_000)) - written_out(gaps, r)) < 24  # r itself, whole bytes


@pytest.mark.parametrize("part", WRONG_RICE)
def test_rice_parameter_tells_wrong_answers_apart(part):
    message = mathematics.rice_parameter.check(WRONG_RICE[part]).message
    assert part in message and sum(other in message for other in WRONG_RICE) == 1, message


def of_shares(levels, classes, log=np.log2, weigh=True):
    """Class by class; both wrong ways of the last step are here as well."""
    kinds = sorted(set(classes.tolist()))
    shares = [np.unique(levels[classes == c], return_counts=True)[1] / np.sum(classes == c) for c in kinds]
    entropies = [-np.sum(p * log(p)) for p in shares]
    weights = [np.mean(classes == c) if weigh else 1 / len(kinds) for c in kinds]
    return float(np.dot(entropies, weights)) if kinds else 0.0


def by_the_chain_rule(levels, classes):
    """H(X | C) = H(X, C) - H(C)."""
    both = np.unique(np.stack([levels, classes]), axis=1, return_inverse=True)[1].ravel()
    return of_shares(both, 0 * both) - of_shares(classes, 0 * classes)


def joint(levels, classes):
    return by_the_chain_rule(levels, classes) + of_shares(classes, 0 * classes)


def by_pattern(text, words):
    return [words.index(word) for word in re.findall("|".join(words), text)]


def by_beginnings(text, words):
    levels = []
    while text:
        levels.append(next(level for level, word in enumerate(words) if text.startswith(word)))
        text = text[len(words[levels[-1]]) :]
    return np.array(levels, int)


WRONG_READINGS = {
    "level i is words[i]": lambda text, words: re.findall("|".join(words), text),
    "return an empty list": lambda text, words: by_pattern(text, words) or [0],
    "is missing": lambda text, words: by_pattern(text, words)[:-1],
    "backwards": lambda text, words: by_pattern(text, words)[::-1],
    "levels, with the words": lambda text, words: [*by_pattern(text, words), 0],
    "begins at bit 0 ": lambda text, words: [int(text[i : i + 2], 2) for i in range(0, len(text), 2)],  # two bits each
    "begins at bit 4 ": lambda text, words: [level % 2 for level in by_pattern(text, words)],
    "your function raised ValueError": lambda text, words: [words.index(bit) for bit in text],
}


@pytest.mark.parametrize("answer", [by_pattern, by_beginnings])
def test_read_levels_takes_other_right_ways(answer):
    assert mathematics.read_levels.check(answer).state == "right"


@pytest.mark.parametrize("part", WRONG_READINGS)
def test_read_levels_tells_wrong_answers_apart(part):
    message = mathematics.read_levels.check(WRONG_READINGS[part]).message
    assert part in message and sum(other in message for other in WRONG_READINGS) == 1, message


WRONG_ENTROPIES = {
    "classes are not used": lambda x, c: of_shares(x, 0 * c),
    "weighs as much as it has levels": lambda x, c: of_shares(x, c, weigh=False),
    "base 2": lambda x, c: of_shares(x, c, log=np.log),
    "divide by the number": lambda x, c: of_shares(x, c) * x.size,
    "the other way round": lambda x, c: of_shares(c, x),
    "levels and classes together": joint,
    "return 0 for empty": lambda x, c: of_shares(x, c) if x.size else np.nan,
    "must have the shape": lambda x, c: [of_shares(x, c)],
    "yours says": lambda x, c: of_shares(x, np.sort(c)),
    "your function raised ValueError": lambda x, c: of_shares(x, c) + 0 * np.bincount(c).sum(),
}


@pytest.mark.parametrize("answer", [of_shares, by_the_chain_rule])
def test_conditional_entropy_takes_other_right_ways(answer):
    assert mathematics.conditional_entropy.check(answer).state == "right"


@pytest.mark.parametrize("part", WRONG_ENTROPIES)
def test_conditional_entropy_tells_wrong_answers_apart(part):
    message = mathematics.conditional_entropy.check(WRONG_ENTROPIES[part]).message
    assert part in message and sum(other in message for other in WRONG_ENTROPIES) == 1, message


def after(rows, classes):
    """Classes by the rows told, once there are so many; before that one class for all."""
    return lambda told: classes(told) if len(told) >= rows else np.zeros(told.shape[1])


def peeking(told):
    """Finds the rows told in the delta itself and returns the next."""
    levels = fl.quantize(fl.load_client_delta(), 6, "nearest").levels.astype(int)
    return np.abs(levels - np.bincount(levels).argmax())[: 784 * 128].reshape(784, 128)[len(told)]


OWN_RNG = np.random.default_rng(0)
WRONG_CLASSES = {
    "these classes tell nothing": lambda told: np.zeros(told.shape[1]),
    "too many": lambda told: np.arange(told.shape[1]) + told.size,
    "at most 1.35 are wanted": after(1, lambda told: told[-1]),
    "other classes": lambda told: OWN_RNG.integers(0, 5, told.shape[1]),
    "must have the shape": lambda told: 0,
    "nan or infinite": lambda told: np.full(told.shape[1], np.nan),
    "your function raised IndexError": lambda told: told[-1] + told[-28],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        after(28, lambda told: 100 * told[-1] + told[-28]),
        after(28, lambda told: np.maximum(told[-1], told[-28])),
        after(29, lambda told: np.floor(np.log2(told[-1] + told[-28] + (told[-27] + told[-29]) / 2 + 0.25) * 2)),
        after(28, lambda told: (told[-1] + told[-28]).tolist()),
    ],
)
def test_classes_of_next_row_takes_every_choice_that_reaches_the_bound(answer):
    verdict = mathematics.classes_of_next_row.check(answer)
    assert verdict.state == "right" and re.search(r"1\.[23]\d+ bits a level are sent", verdict.message)


@pytest.mark.slow
@pytest.mark.parametrize("part", WRONG_CLASSES)
def test_classes_of_next_row_tells_wrong_answers_apart(part):
    message = mathematics.classes_of_next_row.check(WRONG_CLASSES[part]).message
    assert part in message and sum(other in message for other in WRONG_CLASSES) == 1, message


@pytest.mark.slow
def test_who_peeks_at_the_delta_sees_another_order():
    assert mathematics.classes_of_next_row.check(peeking).state == "wrong"
    assert np.array_equal(np.sort(conditional.told_levels()[400]), np.sort(peeking(np.zeros((400, 128)))))


def test_adaptive_counts_are_the_product_written_out():
    rng = np.random.default_rng(0)
    levels, classes = rng.integers(0, 5, 300), rng.integers(0, 3, 300)
    seen, bits = np.ones((3, 5)), 0.0
    for level, which in zip(levels, classes, strict=True):
        bits += np.log2(seen[which].sum() / seen[which, level])
        seen[which, level] += 1
    assert conditional.adaptive_bits(conditional.counted(levels, classes)) == pytest.approx(bits)


WRONG_CODECS = {
    "expected a codec": lambda x: x,
    "got int": 3000,
    "bytes, 3,000 are allowed": fl.Quantize(8),
    "cannot encode": fl.TopK(200_000),
    "0.91 is wanted": fl.TopK(0.02) | fl.Quantize(3),
}


@pytest.mark.training
@pytest.mark.parametrize("part", WRONG_CODECS)
def test_codec_for_a_budget_tells_wrong_answers_apart(part, language):
    verdict = mathematics.codec_for_a_budget.check(WRONG_CODECS[part])
    assert verdict.state == "wrong"
    assert part in verdict.message if language == "en" else CHINESE.search(verdict.message)


WRONG = {
    "mean_square": WRONG_SQUARES, "levels_in_a_range": WRONG_LEVELS, "exactly_k": WRONG_TOP_K, "rice_parameter": WRONG_RICE,
    "read_levels": WRONG_READINGS, "conditional_entropy": WRONG_ENTROPIES, "classes_of_next_row": WRONG_CLASSES,
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_stub_wrong_answers_and_solution_in_both_languages(name, language):
    exercise = getattr(mathematics, name)
    assert exercise.check(stub).state == "not attempted"
    messages = {exercise.check(answer).message for answer in WRONG[name].values()}
    assert len(messages) == len(WRONG[name]) and all(bool(CHINESE.search(m)) == (language == "zh") for m in messages)
    names = {"np": np, "fl": fl}
    exec(exercise.code, names)
    assert exercise.check(names[name]).state == "right" and finished() == [f"mathematics.{name}"]


@pytest.mark.training
def test_the_codec_of_the_solution_passes_and_a_stub_is_no_attempt(language):
    assert mathematics.codec_for_a_budget.check(...).state == "not attempted"
    names = {"fl": fl}
    exec(mathematics.codec_for_a_budget.code, names)
    assert mathematics.codec_for_a_budget.check(names["codec"]).state == "right"


# What readers tried


def solution_of(exercise):
    names = {"np": np, "fl": fl}
    exec(exercise.code, names)
    name = exercise.name.partition(".")[2]
    return (names["pack"], names["unpack"]) if name == "lossless" else names[name]


def kind_by(samples, features=None):
    """vertical where `samples` says that they are many, horizontal where `features` does."""
    features = features or samples
    return lambda a, f, b, g: "vertical" if samples(a, b) else "horizontal" if features(f, g) else "transfer"


def mostly(a, b):
    return len(a & b) > len(a - b)


def common_rows(a, b):
    return np.intersect1d(a, b, return_indices=True)[1:]


OTHER_WAYS = [
    (algorithms.pruning_mask, lambda kernels, s: tuple(m.astype(float) for m in threshold_at(round)(kernels, s))),
    (concepts.kind_of_federation, kind_by(mostly)),
    (concepts.kind_of_federation, kind_by(lambda a, b: len(a & b) / len(a | b) > 0.5)),
    (concepts.kind_of_federation, kind_by(lambda a, b: len(a & b) / max(len(a), len(b)) > 0.5)),
    (concepts.align, lambda a, b: np.array(common_rows(a, b))),
    (concepts.align, lambda a, b: [rows.tolist() for rows in common_rows(a, b)]),
    (mathematics.levels_in_a_range, lambda x, lo, hi, bits: levels(x.astype(np.float32), np.float32(lo), np.float32(hi), bits)),
    (mathematics.exactly_k, by_sorting),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "answer"), OTHER_WAYS, ids=lambda value: getattr(value, "name", ""))
def test_another_right_way_is_right(exercise, answer):
    verdict = exercise.check(answer)
    assert verdict.state == "right", verdict


def test_no_value_of_a_checker_lies_where_rounding_decides():
    seen = []

    def spy(x, lo, hi, bits):
        if hi > lo:
            inner = x[(x > lo) & (x < hi)].astype(float)
            place = (inner - lo) / (hi - lo) * (2**bits - 1) - 0.5
            seen.append((bits, np.abs(place - np.rint(place)).min()))
        return levels(x, lo, hi, bits)

    assert mathematics.levels_in_a_range.check(spy).state == "right"
    assert {16} < {bits for bits, _ in seen} and min(gap for _, gap in seen) > 1e-2


def threshold_at(count, above=False):
    def mask(kernels, sparsity):
        magnitudes = np.sort(np.concatenate([np.abs(k).ravel() for k in kernels]))
        place = count(sparsity * magnitudes.size)
        return [np.abs(k) > magnitudes[place - 1] if above else np.abs(k) >= magnitudes[place] for k in kernels]

    return mask


def at_a_quantile(kernels, sparsity):
    threshold = np.quantile(np.concatenate([np.abs(k).ravel() for k in kernels]), sparsity)
    return [np.abs(k) >= threshold for k in kernels]


def by_argsort(kind):
    def keep(x, k):
        kept = np.argsort(-np.abs(x), kind=kind)[:k]
        return np.where(np.isin(np.arange(x.size), kept), x, 0)

    return keep


soften = fl.distillation.soften


def divergence(student, teacher, T, factor=2):
    p, q = soften(teacher, T), soften(student, T)
    return T**factor * np.mean(np.sum(p * np.log(p / q), axis=1))


def server(clients=None, samples_in_all=None, length=lambda payloads: sum(map(len, payloads))):
    def answer(weights, payloads, samples):
        deltas = [fl.decode(payload) for payload in payloads]
        mean = sum(delta * n for delta, n in zip(deltas[:clients], samples, strict=False)) / (samples_in_all or sum(samples))
        return weights + mean, length(payloads)

    return answer


STORE = {}


def pack_nothing(x):
    STORE["x"] = x
    return b"x"


class Narrow(fl.TopK):
    def encode(self, x):
        return super().encode(x)


class Listed(fl.TopK):
    def encode(self, x, rng=None):
        return list(super().encode(x, rng))


class Foreign(fl.TopK):
    def encode(self, x, rng=None):
        return b"mine"


class Broken(fl.TopK):
    def encode(self, x, rng=None):
        return x.nothing


def layer_by_layer(mask):
    return lambda kernels, s: [mask([kernel], s)[0] for kernel in kernels]


def undecoded(mean):
    return lambda weights, payloads, samples: (weights + mean(payloads, samples), sum(map(len, payloads)))


def sends_undecoded(x, residual, codec, arrived):
    payload = codec.encode(x + residual)
    return payload, x + residual - payload


def through(unpack):
    return lambda x: x.tobytes(), unpack


TRIED = [
    *((algorithms.pruning_mask, "over the whole model, not each kernel by itself", layer_by_layer(mask))
      for mask in (threshold_at(round), threshold_at(int), threshold_at(lambda n: int(np.ceil(n))), at_a_quantile)),
    (concepts.kind_of_federation, "0 of about 100 samples and 5 of 5 features in common is horizontal", lambda *_: "transfer"),
    (concepts.lossless, "float32 went in, float64 came out", through(lambda message: np.frombuffer(message))),
    (concepts.lossless, "float32 went in, bytes came out", through(lambda message: message)),
    (concepts.lossless, "101,770 numbers went in, 101,769 came out", through(lambda m: np.frombuffer(m, np.float32)[1:])),
    (concepts.lossless, "one of shape (101770, 1)", through(lambda m: np.frombuffer(m, np.float32)[:, None])),
    (mathematics.codec_for_a_budget, "got class TopK", fl.TopK),
    *((practice.server_round, "payloads hold bytes: decode each with fl.decode first", undecoded(mean)) for mean in (
        lambda payloads, samples: np.average(payloads, axis=0, weights=samples),
        lambda payloads, samples: np.mean(payloads, axis=0),
        lambda payloads, samples: samples @ np.array(payloads) / samples.sum(),
        lambda payloads, samples: sum(n * payload for n, payload in zip(samples, payloads, strict=True)) / samples.sum(),
        lambda payloads, samples: np.array(payloads, np.float32)[0],
    )),
    (practice.server_round, "your function raised", lambda weights, payloads, samples: fl.decode(payloads)),
    (practice.send_with_memory, "decode it with fl.decode before you subtract", sends_undecoded),
    (algorithms.pruning_mask, "round(0.8 * 37) = 30 connections go, yours removes 29", threshold_at(int)),
    (algorithms.pruning_mask, "round(0.2 * 37) = 7 connections go, yours removes 8", threshold_at(lambda n: int(np.ceil(n)))),
    (algorithms.pruning_mask, "round(0.2 * 37) = 7 connections go, yours removes 8", at_a_quantile),
    (algorithms.pruning_mask, "round(0 * 37) = 0 connections go, yours removes 37", threshold_at(round, above=True)),
    (algorithms.pruning_mask, "each of the 3 kernels", lambda kernels, s: threshold_at(round)(kernels[:2], s)),
    (algorithms.distillation_loss, "divergence: less by T²", divergence),
    (algorithms.distillation_loss, "divergence, without T²", lambda s, t, T: divergence(s, t, T, 0)),
    (algorithms.distillation_loss, "are swapped",
     lambda s, t, T: T**2 * np.mean(-np.sum(soften(s, T) * np.log(soften(t, T)), axis=1))),
    (concepts.kind_of_federation, "7 of about 10 samples", kind_by(lambda a, b: len(a & b) > 10, mostly)),
    (concepts.kind_of_federation, "400 of about 1,000 samples", kind_by(lambda a, b: len(a & b) > 6, mostly)),
    (concepts.kind_of_federation, "4 of 10 features", kind_by(mostly, lambda f, g: len(f & g) > 1)),
    (concepts.kind_of_federation, "returned nothing for ({0, 1, 2, 3, 4, 5, ...}, ",
     lambda *sets: None if kind_by(mostly)(*sets) == "transfer" else kind_by(mostly)(*sets)),
    (concepts.align, "rows of A must hold numbers, got list of parts that differ", lambda a, b: ([[0, 1], [2]], [1])),
    (concepts.align, "two arrays", lambda a, b: np.stack(common_rows(a, b), axis=1)),
    (concepts.align, "two arrays", lambda a, b: np.array([[rows] for rows in common_rows(a, b)])),
    (concepts.align, "two arrays", lambda a, b: np.float64(2)),
    (concepts.align, "returned nothing for ([40, 20], [10, 30])", lambda a, b: common_rows(a, b) if set(a) & set(b) else None),
    (concepts.lossless, "another array than the one in this message", (pack_nothing, lambda message: STORE["x"])),
    (mathematics.exactly_k, "of equal magnitudes those of lower index", by_argsort(None)),
    (mathematics.exactly_k, "of equal magnitudes those of lower index", by_argsort("heapsort")),
    (mathematics.codec_for_a_budget, "encode(self, x, rng=None)", Narrow(0.01)),
    (mathematics.codec_for_a_budget, "encode must return bytes, got list", Listed(0.001)),
    (mathematics.codec_for_a_budget, "the training stopped: ValueError: damaged payload", Foreign(0.01)),
    (mathematics.codec_for_a_budget, "it cannot encode the delta: AttributeError", Broken(0.01)),
    (practice.server_round, "the old ones plus", server(clients=3)),
    (practice.server_round, "the old ones plus", server(samples_in_all=600)),
    (practice.server_round, "the payloads of this round", server(length=lambda payloads: len(payloads[0]) * len(payloads))),
    (practice.both_ways, "encode(self, x, rng=None)", (fl.TopK(0.01), Narrow(0.01))),
    (practice.both_ways, "encode must return bytes, got list", (Listed(0.01), fl.TopK(0.01))),
    (practice.both_ways, "the training stopped: AttributeError", (Broken(0.01), fl.TopK(0.01))),
]  # fmt: skip


@pytest.mark.training
@pytest.mark.parametrize(("exercise", "part", "answer"), TRIED, ids=[f"{e.name}: {part}" for e, part, _ in TRIED])
def test_a_wrong_answer_that_nearly_passes_is_told(exercise, part, answer, same_numbers):
    verdict = exercise.check(answer)
    assert verdict.state == "wrong" and part in verdict.message, verdict
    fl.use_language("zh")
    assert exercise.check(answer).message.startswith("不对：") and finished() == []
    same_numbers(exercise, answer)


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        *((mathematics.levels_in_a_range, answer) for answer in WRONG_LEVELS.values()),
        *((mathematics.mean_square, answer) for answer in WRONG_SQUARES.values()),
        *((mathematics.exactly_k, answer) for answer in WRONG_TOP_K.values()),
        *((mathematics.rice_parameter, answer) for answer in WRONG_RICE.values()),
        *((mathematics.read_levels, answer) for answer in WRONG_READINGS.values()),
        *((mathematics.conditional_entropy, answer) for answer in WRONG_ENTROPIES.values()),
        *((mathematics.classes_of_next_row, answer) for answer in WRONG_CLASSES.values()),
    ],
)
def test_both_languages_say_the_same_numbers(exercise, answer, same_numbers):
    same_numbers(exercise, answer)


def spoilt(function, place):
    """The function, which then changes its argument number `place`."""

    def answer(*arguments):
        result, argument = copy.deepcopy(function(*arguments)), arguments[place]
        if isinstance(argument, np.ndarray):
            argument += 1
        elif isinstance(argument, list) and isinstance(argument[0], np.ndarray):
            argument[0][...] = 0
        else:
            argument.pop()
        return result

    return answer


GIVEN = [
    (background.who_holds_it, 2), (background.average_of_answers, 3), (concepts.kind_of_federation, 4), (concepts.align, 2),
    (algorithms.shorter_message, 2), (algorithms.pruning_mask, 1), (algorithms.distillation_loss, 2),
    (mathematics.levels_in_a_range, 1), (mathematics.exactly_k, 1), (mathematics.rice_parameter, 1),
    (mathematics.conditional_entropy, 2), (mathematics.classes_of_next_row, 1),
    (practice.send_with_memory, 2), (practice.server_round, 3), (practice.k_for_a_plan, 1),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "count"), GIVEN, ids=lambda value: getattr(value, "name", ""))
def test_an_answer_that_changes_its_input_is_told(exercise, count, language):
    for place in range(count):
        verdict = exercise.check(spoilt(solution_of(exercise), place))
        told = {"en": f"changes its input (argument {place + 1})", "zh": f"改动了输入（第 {place + 1} 个参数）"}[language]
        assert verdict.state == "wrong" and told in verdict.message, verdict


def in_place(weights, deltas, sizes):
    sizes[0] /= 1  # an int that becomes a float: equal, and changed all the same
    return weights


def no_return(x, k):
    x[np.argsort(-np.abs(x), kind="stable")[k:]] = 0


def test_a_change_within_a_list_and_one_without_a_result_are_told_too():
    assert "changes its input (argument 3)" in background.average_of_answers.check(in_place).message
    assert "changes its input (argument 1)" in mathematics.exactly_k.check(no_return).message
    pack, unpack = solution_of(concepts.lossless)
    assert "changes its input (argument 1)" in concepts.lossless.check((spoilt(pack, 0), unpack)).message


def test_half_a_pair_is_no_attempt():
    assert concepts.lossless.check((solution_of(concepts.lossless)[0], stub)).state == "not attempted"


@pytest.mark.training
def test_a_quantizer_alone_is_within_the_budget_where_its_bits_are_not_whole(language):
    verdict = mathematics.codec_for_a_budget.check(fl.EntropyQuantize(0.2))
    told = {"en": ("no list of places is needed", "the sign is"), "zh": ("不必另外发位置", "正负号")}[language]
    assert verdict.state == "right" and told[0] in verdict.message and told[1] not in verdict.message
    verdict = mathematics.codec_for_a_budget.check(fl.TopK(0.03) | fl.Sign())
    assert verdict.state == "right" and told[1] in verdict.message and told[0] not in verdict.message
