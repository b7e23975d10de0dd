"""A reader's own work never stands in the way of updating the book, and the update never overwrites it."""

import io
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from fedlab_utils.book import bookshelf, folding
from fedlab_utils.book.bookshelf import RECORD, fingerprint, shelve

ROOT = Path(__file__).resolve().parents[2]


def notebook(*sources, outputs=()):
    cells = [nbformat.v4.new_code_cell(source, outputs=list(outputs)) for source in sources]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells)).encode()


RAN = [nbformat.v4.new_output("stream", text="hello\n")]


class Shelf:
    def __init__(self, root):
        self.root, self.book, self.mine = root, root / "notebooks" / "en", root / "my" / "en"
        self.book.mkdir(parents=True)
        self.publish("print(1)")

    def publish(self, *sources):
        (self.book / "04_x.ipynb").write_bytes(notebook(*sources))

    def call(self):
        return shelve("en", self.root)["04_x.ipynb"]

    def read(self, name="04_x.ipynb"):
        return ["".join(cell["source"]) for cell in json.loads((self.mine / name).read_bytes())["cells"]]

    def write(self, *sources, name="04_x.ipynb", outputs=()):
        (self.mine / name).write_bytes(notebook(*sources, outputs=outputs))

    def names(self):
        return sorted(path.name for path in self.mine.iterdir() if path.name != RECORD)


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path)


def test_the_first_call_copies_and_the_second_does_nothing(shelf):
    assert shelf.call() == "copied"
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in shelf.mine.glob("*.ipynb")}
    assert shelf.call() == "same"
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in shelf.mine.glob("*.ipynb")} == before


def test_what_was_only_run_keeps_its_outputs_while_the_book_is_the_same(shelf):
    shelf.call()
    shelf.write("print(1)", "", outputs=RAN)  # JupyterLab adds an empty cell below the last one
    ran = (shelf.mine / "04_x.ipynb").read_bytes()
    assert shelf.call() == "same" and (shelf.mine / "04_x.ipynb").read_bytes() == ran
    (shelf.book / "04_x.ipynb").write_bytes(notebook("print(1)", outputs=[]))  # built again, same sources
    assert shelf.call() == "same" and (shelf.mine / "04_x.ipynb").read_bytes() == ran


def test_what_was_only_run_follows_the_book(shelf):
    shelf.call()
    shelf.write("print(1)", outputs=RAN)
    shelf.publish("print(2)")
    assert shelf.call() == "updated" and shelf.read() == ["print(2)"] and shelf.names() == ["04_x.ipynb"]
    assert shelf.call() == "same"


def test_own_work_is_kept_and_the_new_version_is_put_beside_it_once(shelf):
    shelf.call()
    shelf.write("print(1)", "mine = 1")
    assert shelf.call() == "kept" and shelf.names() == ["04_x.ipynb"]
    shelf.publish("print(2)")
    assert shelf.call() == "04_x.new.ipynb"
    assert shelf.read() == ["print(1)", "mine = 1"] and shelf.read("04_x.new.ipynb") == ["print(2)"]
    (shelf.mine / "04_x.new.ipynb").unlink()  # she does not want it
    assert shelf.call() == "kept" and shelf.names() == ["04_x.ipynb"]
    shelf.publish("print(3)")
    assert shelf.call() == "04_x.new.ipynb" and shelf.read("04_x.new.ipynb") == ["print(3)"]
    assert shelf.read() == ["print(1)", "mine = 1"]


def test_a_newer_version_replaces_what_lay_beside_unchanged_but_not_what_she_worked_in(shelf):
    shelf.call()
    shelf.write("mine = 1")
    shelf.publish("print(2)")
    shelf.call()
    shelf.publish("print(3)")
    assert shelf.call() == "04_x.new.ipynb" and shelf.names() == ["04_x.ipynb", "04_x.new.ipynb"]
    shelf.write("print(3)", "also mine", name="04_x.new.ipynb")
    shelf.publish("print(4)")
    assert shelf.call() == "04_x.new-2.ipynb"
    assert shelf.read("04_x.new.ipynb") == ["print(3)", "also mine"] and shelf.read("04_x.new-2.ipynb") == ["print(4)"]
    assert shelf.read() == ["mine = 1"]


def test_taking_the_new_version_is_renaming_or_deleting(shelf):
    for take in (lambda: (shelf.mine / "04_x.new.ipynb").replace(shelf.mine / "04_x.ipynb"),
                 lambda: (shelf.mine / "04_x.ipynb").unlink()):  # fmt: skip
        shelf.publish("print(1)")
        shelf.call()
        shelf.write("mine = 1")
        shelf.publish("print(2)")
        shelf.call()
        take()
        shelf.call()
        assert shelf.read() == ["print(2)"] and shelf.names() == ["04_x.ipynb"]
        shelf.publish("print(3)")
        assert shelf.call() == "updated"


def test_own_work_brought_back_to_the_book_follows_it_again(shelf):
    shelf.call()
    shelf.write("mine = 1")
    shelf.call()
    shelf.write("print(1)")
    shelf.publish("print(2)")
    assert shelf.call() == "updated"


@pytest.mark.parametrize("record", [None, b"", b"[]", b'{"04_x.ipynb": 3}', b"\xff"])
def test_without_a_record_a_copy_that_differs_is_taken_for_her_work(shelf, record):
    shelf.call()
    (shelf.mine / RECORD).unlink() if record is None else (shelf.mine / RECORD).write_bytes(record)
    assert shelf.call() == "same"
    (shelf.mine / RECORD).unlink()
    shelf.publish("print(2)")
    assert shelf.call() == "04_x.new.ipynb" and shelf.read() == ["print(1)"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 3}', b'{"cells": [{}]}', b"\xff\xfe"])
def test_a_copy_that_cannot_be_read_is_kept(shelf, content):
    shelf.call()
    (shelf.mine / "04_x.ipynb").write_bytes(content)
    assert fingerprint(content) is None
    assert shelf.call() == "kept"
    shelf.publish("print(2)")
    assert shelf.call() == "04_x.new.ipynb" and (shelf.mine / "04_x.ipynb").read_bytes() == content
    (shelf.mine / "04_x.new.ipynb").write_bytes(content)
    (shelf.mine / "04_x.ipynb").unlink()
    assert shelf.call() == "copied" and (shelf.mine / "04_x.new.ipynb").read_bytes() == content


# Questions, and what answers them


def chapter(*texts, tags=("", "prompt", "reveal", ""), counts=True, sources="abcd"):
    """Four cells; the outputs, by cell ("" for none)."""
    cells = []
    for number, (source, text, tag) in enumerate(zip(sources, texts, tags, strict=True), 1):
        cell = nbformat.v4.new_code_cell(source, id=source, metadata={"tags": [tag]} if tag else {})
        cell.outputs = [nbformat.v4.new_output("stream", text=text)] if text else []
        cell.execution_count = number if counts else None
        cells.append(cell)
    return (nbformat.writes(nbformat.v4.new_notebook(cells=cells)) + "\n").encode()


BOOK = chapter("first\nline\n", "asks", "tells\n学\n", "last")


def outputs(content):
    return ["".join(output.text for output in cell.outputs) for cell in nbformat.reads(content.decode(), 4).cells]


@pytest.fixture
def asking(shelf):
    (shelf.book / "04_x.ipynb").write_bytes(BOOK)
    return shelf, shelf.mine / "04_x.ipynb"


def test_a_copy_comes_without_what_answers_a_question(asking):
    shelf, copy = asking
    assert shelf.call() == "copied" and outputs(copy.read_bytes()) == ["first\nline\n", "asks", "", "last"]
    assert [cell.execution_count for cell in nbformat.read(copy, 4).cells] == [1, 2, None, 4]
    assert copy.read_bytes() == bookshelf.covered(BOOK) and outputs(BOOK)[2] == "tells\n学\n"
    bare = nbformat.reads(copy.read_bytes().decode(), 4)
    assert copy.read_bytes() == (nbformat.writes(bare) + "\n").encode(), "written as nbformat writes it"


def test_an_update_and_what_is_put_beside_come_without_it_too(asking):
    shelf, copy = asking
    shelf.call()
    newer = chapter("", "asks", "tells more", "", sources="abce")
    (shelf.book / "04_x.ipynb").write_bytes(newer)
    assert shelf.call() == "updated" and outputs(copy.read_bytes()) == ["", "asks", "", ""]
    shelf.write("mine = 1")
    (shelf.book / "04_x.ipynb").write_bytes(BOOK)
    assert shelf.call() == "04_x.new.ipynb" and outputs((shelf.mine / "04_x.new.ipynb").read_bytes())[2] == ""
    assert fingerprint((shelf.mine / "04_x.new.ipynb").read_bytes()) == fingerprint(BOOK)


def test_a_copy_from_before_is_covered_once(asking):
    shelf, copy = asking
    shelf.mine.mkdir(parents=True)
    copy.write_bytes(BOOK)  # as an earlier version of the book has put it there
    (shelf.mine / RECORD).write_text(json.dumps({"04_x.ipynb": {"copied": fingerprint(BOOK)}}))
    assert shelf.call() == "same" and outputs(copy.read_bytes())[2] == ""
    copy.write_bytes(BOOK)  # she has run it now, and it says what the book says
    assert shelf.call() == "same" and copy.read_bytes() == BOOK
    tagged = chapter(*outputs(BOOK), tags=("", "prompt", "reveal", "reveal"))
    (shelf.book / "04_x.ipynb").write_bytes(tagged)  # one more cell answers
    assert shelf.call() == "same" and outputs(copy.read_bytes()) == ["first\nline\n", "asks", "", ""]


@pytest.mark.parametrize(
    ("hers", "left"),
    [
        (chapter("first\nline\n", "asks", "tells\n学\n", "last", tags=("", "", "", "")), ""),  # from before the tags
        (chapter("first\nline\n", "asks", "her own", "last"), "her own"),
        (chapter("first\nline\n", "her answer", "tells\n学\n", "last"), "tells\n学\n"),  # she has run the question
        (chapter("first\nline\n", "asks", "tells\n学\n", "last", counts=False), "tells\n学\n"),
        (chapter("something", "asks", "tells\n学\n", "something"), ""),  # she has run other cells
    ],
)
def test_of_a_copy_from_before_only_the_books_own_outputs_go(asking, hers, left):
    shelf, copy = asking
    shelf.mine.mkdir(parents=True)
    copy.write_bytes(hers)
    assert shelf.call() == "same" and outputs(copy.read_bytes())[2] == left
    before, after = outputs(hers), outputs(copy.read_bytes())
    assert before[:2] + before[3:] == after[:2] + after[3:]


EXPLAINED = nbformat.reads(BOOK.decode(), 4)
EXPLAINED.cells.insert(3, nbformat.v4.new_markdown_cell("It tells.\n\nMore of it.\n\n### Next", id="e"))
EXPLAINED = (nbformat.writes(EXPLAINED) + "\n").encode()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_prose_that_answers_is_folded_and_a_fold_is_no_change(tmp_path, language):
    shelf = Shelf(tmp_path)
    book, mine = (tmp_path / where / language / "04_x.ipynb" for where in ("notebooks", "my"))
    book.parent.mkdir(exist_ok=True)
    book.write_bytes(EXPLAINED)
    assert shelve(language, shelf.root)["04_x.ipynb"] == "copied" and fingerprint(mine.read_bytes()) == fingerprint(EXPLAINED)
    (source,) = [cell.source for cell in nbformat.read(mine, 4).cells if cell.cell_type == "markdown"]
    assert source.endswith("\n\nIt tells.\n\nMore of it.\n\n</details>\n\n### Next") and folding.SAID[language] in source
    assert mine.read_bytes() == (nbformat.writes(nbformat.read(mine, 4)) + "\n").encode(), "written as nbformat writes it"
    assert shelve(language, shelf.root)["04_x.ipynb"] == "same"
    newer = EXPLAINED.replace(b"More of it.", b"More of all.")
    book.write_bytes(newer)
    assert shelve(language, shelf.root)["04_x.ipynb"] == "updated" and b"More of all." in mine.read_bytes()


@pytest.mark.parametrize(("asked", "folds"), [("asks", 1), ("her answer", 0)])
def test_prose_of_a_copy_from_before_is_folded_unless_she_has_answered(asking, asked, folds):
    shelf, copy = asking
    shelf.mine.mkdir(parents=True)
    (shelf.book / "04_x.ipynb").write_bytes(EXPLAINED)
    copy.write_bytes(EXPLAINED.replace(b'"asks"', f'"{asked}"'.encode()))
    assert shelf.call() == "same" and copy.read_bytes().count(b"<details>") == folds


def test_outputs_are_the_same_as_one_string_or_as_lines(asking):
    shelf, copy = asking
    shelf.mine.mkdir(parents=True)
    as_strings = json.loads(BOOK)
    for cell in as_strings["cells"]:
        for output in cell["outputs"]:
            output["text"] = "".join(output["text"])
    copy.write_bytes(json.dumps(as_strings).encode())
    assert shelf.call() == "same" and outputs(copy.read_bytes())[2] == ""


def test_an_empty_cell_that_jupyterlab_added_hides_no_question(asking):
    shelf, copy = asking
    shelf.mine.mkdir(parents=True)
    longer = nbformat.reads(BOOK.decode(), 4)
    longer.cells.insert(1, nbformat.v4.new_code_cell(""))
    copy.write_bytes(nbformat.writes(longer).encode())
    assert shelf.call() == "same" and outputs(copy.read_bytes()) == ["first\nline\n", "", "asks", "", "last"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 3}', b'{"cells": [{}]}', b"\xff", b"[" * 100_000])
def test_what_is_no_notebook_comes_back_as_it_is(content):
    assert bookshelf.covered(content) == content == bookshelf.covered(content, BOOK)


def test_her_own_notebooks_and_chapters_that_left_the_book_stay(shelf):
    shelf.call()
    shelf.write("my notes", name="notes.ipynb")
    (shelf.book / "05_y.ipynb").write_bytes(notebook("y"))
    shelve("en", shelf.root)
    (shelf.book / "05_y.ipynb").unlink()
    shelve("en", shelf.root)
    assert shelf.names() == ["04_x.ipynb", "05_y.ipynb", "notes.ipynb"]


def test_a_source_is_the_same_as_one_string_or_as_lines():
    lines = json.loads(notebook("a = 1\nb = 2"))
    lines["cells"][0]["source"] = ["a = 1\n", "b = 2"]
    assert fingerprint(json.dumps(lines).encode()) == fingerprint(notebook("a = 1\nb = 2"))
    assert fingerprint(notebook("a", "b")) != fingerprint(notebook("ab")) != fingerprint(notebook("b", "a"))


def test_no_book_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no chapters"):
        shelve("en", tmp_path)
    with pytest.raises(ValueError, match="language must be one of"):
        shelve("fr", tmp_path)
    (tmp_path / "my").write_text("a file where the folder should be")
    (tmp_path / "notebooks" / "en").mkdir(parents=True)
    (tmp_path / "notebooks" / "en" / "04_x.ipynb").write_bytes(notebook("1"))
    with pytest.raises(OSError):
        shelve("en", tmp_path)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_real_book_on_the_shelf_has_links_that_lead_somewhere(language, tmp_path):
    for folder in ("notebooks", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    done = shelve(language, tmp_path)
    assert set(done.values()) == {"copied"} and len(done) == len(list((ROOT / "notebooks" / language).glob("*.ipynb")))
    shelf = tmp_path / "my" / language
    links = 0
    for path in shelf.glob("*.ipynb"):
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == "markdown":
                for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", cell.source):
                    if not re.match(r"https?:", target):
                        links += 1
                        assert (shelf / target).exists(), f"{path.name} links to {target}"
    assert links >= 2
    assert len(bookshelf.report(done, language, language)) == 1


def test_as_a_command_it_says_what_it_did_and_how_it_is_called(shelf, monkeypatch, capsys):
    monkeypatch.setattr(bookshelf, "shelve", lambda language: shelve(language, shelf.root))
    bookshelf.main(["en"])
    assert capsys.readouterr().out == "copied into my/en: 1 chapters\n"
    shelf.write("mine = 1")
    shelf.publish("print(2)")
    bookshelf.main(["en"])
    assert "04_x.ipynb is yours and stays as it is; the new version is beside it: 04_x.new.ipynb" in capsys.readouterr().out
    for arguments in ([], ["fr"], ["zh", "en"]):
        with pytest.raises(SystemExit, match="usage"):
            bookshelf.main(arguments)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "gbk", "utf-8"])
def test_a_console_that_cannot_print_chinese_is_told_in_english(shelf, encoding):
    (shelf.root / "notebooks" / "zh").mkdir()
    (shelf.root / "notebooks" / "zh" / "04_x.ipynb").write_bytes(notebook("1"))
    program = "import sys; from pathlib import Path; from fedlab_utils.book import bookshelf as b; real = b.shelve\n"
    program += "b.shelve = lambda language: real(language, Path(sys.argv[1])); b.main(['zh'])"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", program, shelf.root], cwd=ROOT, env=environment, capture_output=True)
    assert done.stderr == b"" and done.returncode == 0
    chinese = encoding in ("gbk", "utf-8")
    assert done.stdout.decode(encoding).strip() == ("已把 1 章放进 my/zh" if chinese else "copied into my/zh: 1 chapters")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_names_that_a_console_cannot_print_are_escaped(shelf, monkeypatch, language):
    monkeypatch.setattr(bookshelf, "shelve", lambda _: {"04_数学.ipynb": "04_数学.new.ipynb"})
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", console)
    bookshelf.main([language])
    assert b"04_\\u6570\\u5b66.ipynb is yours" in console.buffer.getvalue()


def test_the_shelf_needs_neither_tensorflow_nor_matplotlib():
    program = "import sys, fedlab_utils.book.bookshelf; sys.exit('tensorflow' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_git_and_the_linter_leave_the_shelf_alone():
    assert "/my/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]
    assert "my" in ruff["extend-exclude"]  # where there is no git, ruff does not read .gitignore
