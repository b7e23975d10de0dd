"""What a reader takes home, the table of a class, and the edition that is handed out without solutions."""

import csv
import inspect
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.book import class_table, student
from fedlab_utils.book.exercises import base, journal
from fedlab_utils.book.exercises.asking import Guess
from fedlab_utils.book.report import collect

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("progress")


def rice_parameter(gaps):
    return int(np.argmin([np.sum((gaps >> r) + 1 + r) for r in range(32)]))


def too_few(gaps):
    return 31


def worked():
    """A wrong answer, a right one, a choice, a guess."""
    check = fl.exercises.mathematics.rice_parameter.check
    assert check(too_few).state == "wrong" and check(rice_parameter).state == "right"
    check(...)  # a stub is no try
    check(rice_parameter, remember=False)  # nor is the book's own solution
    fl.exercises.practice.two_bits.ask().children[1].value = 0
    guess = next(item for item in vars(fl.exercises.concepts).values() if isinstance(item, Guess))
    asking = guess.ask()
    asking.guess.value = "12.5"
    return guess


# What is kept


def test_answers_are_kept_as_their_reader_wrote_them():
    guess = worked()
    kept = [(entry.name, entry.state, entry.answer) for entry in journal.entries()]
    assert kept == [
        ("mathematics.rice_parameter", "wrong", "def too_few(gaps):\n    return 31"),
        ("mathematics.rice_parameter", "right", inspect.getsource(rice_parameter).rstrip()),
        ("practice.two_bits", "guess", "0"),
        (guess.name, "guess", "12.5"),
    ]


class Own(fl.Codec):
    tags = ()

    def encode(self, x, rng=None):
        return b""


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (fl.TopK(0.1) | fl.Quantize(8), "TopK(0.1) | Quantize(8)"),
        ((fl.TopK(0.1), fl.Sign()), "TopK(0.1)\nSign()"),
        (np.arange(3), "int64 (3,): [0, 1, 2]"),
        (2.5, "2.5"),
        ([1, 2], "[1, 2]"),
        (eval("lambda x: x"), "<function <lambda>"),  # its source is nowhere
    ],
)
def test_every_kind_of_answer_is_written_down(answer, kept):
    assert journal.written(answer).startswith(kept)


def test_a_codec_of_ones_own_is_kept_with_its_class():
    assert "class Own(fl.Codec):" in journal.written(Own())


def test_a_journal_that_is_damaged_or_cannot_be_written_costs_nobody_an_answer(progress, monkeypatch, tmp_path):
    worked()
    file = journal.journal_file()
    whole = file.read_text("utf8").splitlines()
    lines = [
        whole[0],
        whole[1][:20],
        "[]",
        '{"at": 1}',
        "null",
        '{"at": 1, "name": 3, "state": "right", "answer": ""}',
        "\udcff",
        whole[3],
    ]
    file.write_bytes("\n".join(lines).encode("utf8", "surrogateescape"))
    assert [entry.name for entry in journal.entries()] == [json.loads(whole[i])["name"] for i in (0, 3)]
    monkeypatch.setenv("FEDLAB_PROGRESS", str(tmp_path / "file" / "progress.json"))
    (tmp_path / "file").write_text("no folder")
    assert fl.exercises.mathematics.rice_parameter.check(rice_parameter).state == "right" and journal.entries() == []


def test_an_answer_without_end_is_cut(progress):
    journal.record("a.b", "wrong", "x" * 10**6)
    assert len(journal.entries()[0].answer) == journal.LONGEST


def test_time_is_what_lies_between_answers_but_for_pauses():
    start = time.time()
    assert journal.minutes([start + 60, start, start + 60 + 1801, start + 60 + 1801 + 120]) == pytest.approx(3)
    assert journal.minutes([]) == journal.minutes([start]) == 0


# The report


def test_a_report_holds_what_was_done_in_both_languages(tmp_path, language):
    guess = worked()
    shown = fl.report(tmp_path / "r.md", student="Ada 李", codecs=False)
    text, held = (tmp_path / "r.md").read_text("utf8"), json.loads((tmp_path / "r.json").read_text("utf8"))
    assert "r.json" in repr(shown) and "Ada 李" in text and held["language"] == language
    items = {item["name"]: item for chapter in held["chapters"] for item in chapter["items"]}
    assert items["mathematics.rice_parameter"]["tries"] == 2 and items["mathematics.rice_parameter"]["state"] == "right"
    assert items["practice.two_bits"]["answer"] == base.say(*fl.exercises.practice.two_bits.choices[0][:2])
    assert items[guess.name]["answer"] == "12.5" and items["mathematics.levels_in_a_range"]["state"] == "open"
    assert held["finished"] == 1 + (fl.exercises.practice.two_bits.right == 0) and held["codecs"] == []
    assert "def rice_parameter(gaps):" in text and {"en": "(right, 2 tries)", "zh": "（正确，2 次）"}[language] in text
    for item in items.values():  # what was not asked yet is not told
        assert item["kind"] != "guess" or item["tries"] or f"{item['label']}**{base.say(' (open)', '（未做）')}\n" in text


@pytest.mark.training
def test_codecs_are_told_by_a_training_that_no_checker_has_seen(tmp_path):
    codec = fl.TopK(0.02) | fl.Quantize(3)
    journal.record("mathematics.codec_for_a_budget", "wrong", fl.TopK(0.5))
    journal.record("mathematics.codec_for_a_budget", "right", codec)
    journal.record("practice.both_ways", "right", (fl.Sign(), Own()))
    own, both = collect()["codecs"]
    assert own["message_bytes"] == len(codec.encode(fl.load_client_delta())) and 0.88 < own["accuracy"] < 0.93
    from fedlab_utils.book.exercises.sending import trained

    assert own["accuracy"] == round(trained(codec, fl.Identity(), seed=own["seed"]).accuracy[-1], 4)
    assert own["accuracy"] != round(trained(codec, fl.Identity()).accuracy[-1], 4)
    assert "is no codec" in both["why_not"] and "accuracy" not in both


def test_a_path_that_is_no_markdown_and_a_folder_that_is_closed_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in .md, got 'report.json'"):
        fl.report("report.json")
    with pytest.raises(OSError, match="nowhere"):
        fl.report(tmp_path / "nowhere" / "r.md", codecs=False)


# The table of a class


def report_of(folder, name, answer, monkeypatch):
    monkeypatch.setenv("FEDLAB_PROGRESS", str(folder / f"{name}.progress"))
    fl.exercises.mathematics.rice_parameter.check(answer)
    fl.report(folder / f"{name}.md", student=name, codecs=False)


def test_the_reports_of_a_class_are_one_table_and_other_files_are_named(tmp_path, monkeypatch, capsys, language):
    report_of(tmp_path, "ada", rice_parameter, monkeypatch)
    (tmp_path / "group").mkdir()
    report_of(tmp_path / "group", "bo", too_few, monkeypatch)
    newer = json.loads((tmp_path / "ada.json").read_text("utf8"))
    strange = {
        "newer.json": json.dumps(newer | {"fedlab_report": 2}), "list.json": "[]", "text.json": "hello", "empty.json": "",
        "damaged.json": json.dumps(newer | {"chapters": 3}), "counts.json": json.dumps(newer | {"finished": "x"}),
        "deep.json": "[" * 10**5,
    }  # fmt: skip
    for name, content in strange.items():
        (tmp_path / name).write_text(content, "utf8")
    assert class_table.main([str(tmp_path), "--csv", str(tmp_path / "class.csv"), "--language", language]) == 0
    told = capsys.readouterr()
    rows = list(csv.DictReader((tmp_path / "class.csv").read_text("utf-8-sig").splitlines()))
    head = {"en": ("student", "finished", "tries"), "zh": ("学生", "完成", "次数")}[language]
    n_items = newer["items"]
    assert [tuple(row[name] for name in head) for row in rows] == [("ada", f"1/{n_items}", "1"), ("bo", f"0/{n_items}", "1")]
    assert "ada" in told.out and all(name in told.err for name in strange) and len(told.err.splitlines()) == len(strange)


@pytest.mark.slow
def test_a_folder_without_reports_is_told(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "fedlab_utils", "collect", tmp_path, "--language", "en"], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr == f"no report in {tmp_path}\n" and not done.stdout


# What is handed out


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_students_edition_shows_no_solution_and_no_answer(language, tmp_path):
    files = student.hand_out(language, tmp_path / "out")
    assert len(files) == 8 and not any("teacher" in file.name for file in files)
    for file in files:
        book, given = (json.loads(path.read_text("utf8")) for path in (ROOT / "notebooks" / language / file.name, file))
        solutions = [cell for cell in book["cells"] if "solution" in cell["metadata"].get("tags", [])]
        sources = ["".join(cell["source"]) for cell in given["cells"]]
        assert len(given["cells"]) == len(book["cells"]) - len(solutions) and not any(
            "".join(s["source"]) in sources for s in solutions
        )
        assert not any(cell["outputs"] for cell in given["cells"] if "reveal" in cell["metadata"].get("tags", []))
        assert sum("fl.exercises.withhold()" in source for source in sources) == 1
        text = "\n".join(sources)
        told = "90_teacher", "folded away", "model answer", "折叠着", "`….solution()`", "看参考答案", "看得到参考答案"
        assert not any(said in text for said in told)
    with pytest.raises(FileExistsError, match="holds notebooks, in which somebody may have worked"):
        student.hand_out(language, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="holds no chapters"):
        student.hand_out(language, tmp_path / "other", root=tmp_path)


def test_where_solutions_are_withheld_they_are_not_told(monkeypatch, language):
    monkeypatch.setattr(base, "_withheld", False)
    exercise = fl.exercises.mathematics.rice_parameter
    assert "def rice_parameter" in repr(exercise.solution()) and "solution()" in repr(exercise.hint(99))
    fl.exercises.withhold()
    word = {"en": "without solutions", "zh": "不带参考答案"}[language]
    assert word in repr(exercise.solution()) and word in repr(fl.exercises.answers("mathematics"))
    assert "def rice_parameter" not in repr(fl.exercises.answers("mathematics")) and "solution()" not in repr(exercise.hint(99))
    assert exercise.check(rice_parameter).state == "right"
