"""What a reader takes home, the table of a class, and the edition that is handed out without solutions."""

import csv
import inspect
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.book import class_table, student
from fedlab_utils.book.chapters import BOOK, MODULES
from fedlab_utils.book.exercises import base, journal, memory, overview, places, placing
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
    assert items[guess.name]["answer"] == f"12.5{base.say(*guess.unit)}"
    assert items["mathematics.levels_in_a_range"]["state"] == "open"
    assert held["finished"] == 1 and held["answered"] == 1 and held["codecs"] == []
    assert items["practice.two_bits"]["state"] == "tried"
    assert "def rice_parameter(gaps):" in text and {"en": "(right, 2 tries)", "zh": "（正确，2 次）"}[language] in text
    begun = [c["items"] for c in held["chapters"] if any(item["state"] != "open" for item in c["items"])]
    assert len(begun) == 3 and len(held["chapters"]) > 3
    for item in (item for items in begun for item in items):  # what was not asked yet is not told
        line = f"{item['label']}** · {item['asks']}{base.say(' (open)', '（未做）')}\n"
        assert item["kind"] != "guess" or item["tries"] or line in text
    once = {
        "en": ("Chapter 1: not begun\n", "1 right or written, 1 more answered, of ", "minutes of work (the gaps between answers",
               "5.2 question two_bits** · float32 reaches about 93 % in ten rounds. (answered)",
               "4.3 rice_parameter** · Which r? (right, 2 tries)"),
        "zh": ("第 1 章：还没有开始\n", "项中，1 项做对或写完，另有 1 项已作答。", "分钟（相邻两次作答的间隔之和）",
               "5.2 思考题 two_bits** · 用 float32 训练十轮，准确率约 93%。（已作答）",
               "4.3 rice_parameter** · 选哪个 r？（正确，2 次）"),
    }[language]  # fmt: skip
    assert not [words for words in once if text.count(words) != 1], text
    assert all(words in repr(shown) for words in once[1:3])


def test_tries_after_the_first_that_is_right_are_not_counted_and_numbers_are_told_as_elsewhere(tmp_path, language):
    check, two_bits = fl.exercises.mathematics.rice_parameter.check, fl.exercises.practice.two_bits
    for answer in (too_few, rice_parameter, too_few, rice_parameter):
        check(answer)
    for choice in (0, two_bits.right, 2):
        two_bits.ask().children[1].value = choice
    for text in ("A first draft of it.", "A second one, better."):
        writing = fl.exercises.practice.your_federation.ask()
        writing.field.value = text
        writing.button.click()
    exact = fl.exercises.mathematics.three_quarters.ask()
    exact.guess.value = "49151.0"
    memory.note_guess("widgets.live_lab", 40.0)  # kept by an earlier version, which had no journal
    journal.record("widgets.cost_calculator", "guess", 4.0)
    memory.note_guess("concepts.zip_of_delta", 64.0)
    journal.record("practice.aggregation", "guess", "nonsense")
    fl.report(tmp_path / "r.md", codecs=False)
    text, held = (tmp_path / "r.md").read_text("utf8"), json.loads((tmp_path / "r.json").read_text("utf8"))
    items = {item["name"]: item for chapter in held["chapters"] for item in chapter["items"]}
    tries = {"mathematics.rice_parameter": 2, "practice.two_bits": 2, "practice.your_federation": 1, "widgets.live_lab": 0}
    assert {name: items[name]["tries"] for name in tries} == tries
    assert items["practice.two_bits"]["answer"] == base.say(*two_bits.choices[two_bits.right][:2])
    assert items["practice.your_federation"]["answer"] == "A second one, better."
    assert items["mathematics.three_quarters"]["answer"] == "49,151" and "49151.0" not in text
    assert items["concepts.zip_of_delta"]["answer"] == {"en": "64 %", "zh": "64%"}[language]
    assert [items[name]["answer"] for name in ("widgets.live_lab", "widgets.cost_calculator")] == ["40", "4"]
    assert {"en": "1.3 guess in the app cost_calculator**", "zh": "1.3 交互演示中先猜 cost_calculator**"}[language] in text


def test_the_places_are_those_of_the_chapters():
    assert placing.TABLE.read_text("utf8") == placing.table(), "run python -m fedlab_utils.book.exercises.placing"
    names = {item.name for module in MODULES for item in (*overview.of_chapter(module), *overview.guesses_of(module))}
    assert names <= set(places.PLACES)
    asking = "".join(path.read_text("utf8") for path in (ROOT / "fedlab_utils" / "book" / "widgets").glob("*.py"))
    apps = set(re.findall(r'name ?= ?"(widgets\.\w+)"', asking))
    assert {name for name in places.PLACES if name.startswith("widgets.")} == apps and len(apps) >= 10


def test_what_an_item_asks_is_told_in_some_sixty_signs(language):
    for module in MODULES:
        for item in (*overview.of_chapter(module), *overview.guesses_of(module)):
            asks, chinese = overview.about(item), re.search("[\u4e00-\u9fff]", overview.about(item))
            assert asks and sum(map(overview._width, asks)) <= 60 and "\n" not in asks
            assert bool(chinese) == (language == "zh") or not re.search("[A-Za-z]{3}", asks), asks
    assert overview.shortened("one two three", 9) == "one two…" and overview.shortened("一二三四五", 7) == "一二三…"


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
    tried = next(item for chapter in newer["chapters"] for item in chapter["items"] if item["state"] == "right")
    strange = {
        "newer.json": json.dumps(newer | {"fedlab_report": 2}), "list.json": "[]", "text.json": "hello", "empty.json": "",
        "damaged.json": json.dumps(newer | {"chapters": 3}), "counts.json": json.dumps(newer | {"finished": "x"}),
        "deep.json": "[" * 10**5,
        **{f"item{n}.json": json.dumps(newer | {"chapters": [{**newer["chapters"][0], "items": [tried | wrong]}]})
           for n, wrong in enumerate(({"tries": -1}, {"tries": True}, {"chosen": 3}, {"chosen": [0.5]}, {"guessed": "x"},
                                      {"guessed": float("nan")}))},
    }  # fmt: skip
    for name, content in strange.items():
        (tmp_path / name).write_text(content, "utf8")
    assert class_table.main([str(tmp_path), "--csv", str(tmp_path / "class.csv"), "--language", language]) == 0
    told = capsys.readouterr()
    rows = list(csv.DictReader((tmp_path / "class.csv").read_text("utf-8-sig").splitlines()))
    head = {"en": ("student", "finished", "tries"), "zh": ("学生", "完成", "次数")}[language]
    n_items = newer["items"]
    assert [row["file"] for row in rows] == ["ada.json", "group/bo.json"]  # two of one name are told apart
    assert [tuple(row[name] for name in head) for row in rows] == [("ada", f"1/{n_items}", "1"), ("bo", f"0/{n_items}", "1")]
    assert "ada" in told.out and all(name in told.err for name in strange) and len(told.err.splitlines()) == len(strange)


def test_the_reports_of_a_class_are_told_by_exercise_too(tmp_path, monkeypatch, capsys, language):
    two_bits, zipped = fl.exercises.practice.two_bits, fl.exercises.concepts.zip_of_delta
    wrong = [place for place in range(len(two_bits.choices)) if place != two_bits.right]
    class_of_four = {  # answers to an exercise, choices, guesses
        "ada": ([too_few, rice_parameter], [wrong[0], two_bits.right], ["90"]),
        "bo": ([too_few, too_few, too_few, rice_parameter, too_few], [wrong[0], wrong[0], wrong[1]], ["90", "50"]),
        "chen": ([too_few], [two_bits.right, wrong[1]], ["50"]),
        "dora": ([], [], ["12.5"]),
    }
    for number, (name, (answers, choices, numbers)) in enumerate(class_of_four.items()):
        monkeypatch.setenv("FEDLAB_PROGRESS", str(tmp_path / f"{name}.progress"))
        fl.use_language(("en", "zh")[number % 2])  # reports may come in either
        for answer in answers:
            fl.exercises.mathematics.rice_parameter.check(answer)
        for choice in choices:
            two_bits.ask().children[1].value = choice
        for guess in numbers:
            zipped.ask().guess.value = guess
        fl.report(tmp_path / f"{name}.md", student=name, codecs=False)
    journal.record("widgets.live_lab", "guess", 40.0)
    fl.report(tmp_path / "dora.md", codecs=False)
    strange = json.loads((tmp_path / "dora.json").read_text("utf8"))
    other = {"name": "x.y", "label": "9.9 y", "asks": "", "kind": "exercise", "state": "wrong", "tries": 2}
    strange["chapters"][0]["items"] += [other, other]  # of another version of the book, and twice
    (tmp_path / "dora.json").write_text(json.dumps(strange), "utf8")

    assert class_table.main([str(tmp_path), "--csv", str(tmp_path / "class.csv"), "--language", language]) == 0
    told = capsys.readouterr().out
    rows = list(csv.reader((tmp_path / "class-items.csv").read_text("utf-8-sig").splitlines()))[1:]
    label, choice = overview.label, base.say(*two_bits.choices[wrong[0]][:2])
    truth = f"{zipped.truth:g}"
    assert [row[0] for row in rows] == [
        label(zipped), label(fl.exercises.mathematics.rice_parameter), overview.label_of_app("widgets.live_lab"),
        label(two_bits), "9.9 y",
    ]  # fmt: skip
    assert [row[2:5] for row in rows] == [
        ["4/4", "", ""], ["3/4", "2/3", "2"], ["1/4", "", ""], ["3/4", "2/3", "2"], ["1/4", "0/1", "2"],
    ]  # fmt: skip
    assert rows[0][5] == {
        "en": f"50 % (2 of 4); median 50 %; it is {truth} %", "zh": f"50%（4 人中 2 人）；中位数 50%；答案是 {truth}%"
    }[language]  # fmt: skip
    assert rows[1][5] == "" and rows[2][5] == {"en": "median 40", "zh": "中位数 40"}[language]
    assert rows[3][5] == {"en": f"{choice} (2 of 3)", "zh": f"{choice}（3 人中 2 人）"}[language]
    assert all(row[0] in told for row in rows) and "ada" in told


@pytest.mark.slow
def test_a_folder_without_reports_is_told(tmp_path, capsys):
    done = subprocess.run(
        [sys.executable, "-m", "fedlab_utils", "collect", tmp_path, "--language", "en"], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr == f"no report in {tmp_path}\n" and not done.stdout
    assert class_table.main([str(tmp_path / "nowhere"), "--language", "en"]) == 2
    assert capsys.readouterr().err == f"there is no folder {tmp_path / 'nowhere'}\n"
    help_asked = subprocess.run([sys.executable, "-m", "fedlab_utils", "--help"], capture_output=True, text=True)
    assert help_asked.returncode == 0 and "{measure,collect}" in help_asked.stdout


# What is handed out


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_students_edition_shows_no_solution_and_no_answer(language, tmp_path):
    files = student.hand_out(language, tmp_path / "out")
    assert len(files) == len(BOOK) - 1 and not any("teacher" in file.name for file in files)
    for file in files:
        book, given = (json.loads(path.read_text("utf8")) for path in (ROOT / "notebooks" / language / file.name, file))
        solutions = [cell for cell in book["cells"] if "solution" in cell["metadata"].get("tags", [])]
        sources = ["".join(cell["source"]) for cell in given["cells"]]
        assert len(given["cells"]) == len(book["cells"]) - len(solutions) and not any(
            "".join(s["source"]) in sources for s in solutions
        )
        assert not any(cell.get("outputs") for cell in given["cells"] if "reveal" in cell["metadata"].get("tags", []))
        assert sum("fl.exercises.withhold()" in source for source in sources) == 1
        text = "\n".join(sources)
        told = ("90_teacher", "folded away", "model answer", "折叠着", "`….solution()`", "看参考答案", "看得到参考答案",
                "holds the answers", "all solutions are", "内有答案", "全部练习的参考答案", "opens your own copy",
                "你自己的副本，")  # fmt: skip
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
