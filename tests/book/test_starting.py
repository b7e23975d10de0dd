"""A section read by itself: what it needs is brought, and nothing else is touched."""

import json
import re

import nbformat
import pytest
from building import NOTEBOOKS, build

import fedlab_utils as fl
from fedlab_utils.book import starting
from fedlab_utils.book.chapters import MODULES

STARTS = [(module, chapter.file) for module, chapter in MODULES.items()]


def written(*cells):
    """A chapter of these cells: text that begins with # is prose, all else code."""
    made = [nbformat.v4.new_markdown_cell(text) if text.startswith("#") else nbformat.v4.new_code_cell(text) for text in cells]
    return nbformat.writes(nbformat.v4.new_notebook(cells=made))


CHAPTER = written(
    "# 1. Chapter",
    "import math\nfrom math import pi as PI",
    "## 1.1 First",
    "a = 2\nprint('printed', a)",
    "def area(r):\n    return PI * r**2 * a",
    "heavy = 1 / 0",
    "## 1.2 Second",
    'fl.start_at("m", "1.2", "en")',
    "b = area(3)\ntotal = [b * x for x in range(a)]",
    "### 1.2.1 Below",
    "c = b + len(total)",
    "## 1.3 Third",
    'fl.start_at("m", "1.3", "en")',
    "c + undefined_anywhere",
)


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    (tmp_path / "notebooks" / "en").mkdir(parents=True)
    (tmp_path / "notebooks" / "en" / "one.ipynb").write_text(CHAPTER, "utf-8")
    monkeypatch.setattr(starting, "ROOT", tmp_path)
    monkeypatch.setattr(starting, "MODULES", {"m": type("Chapter", (), {"file": "one"})})
    return tmp_path / "notebooks" / "en" / "one.ipynb"


def test_what_is_needed_is_made_by_the_cells_that_make_it_and_by_no_other(chapter, capsys):
    variables = {}
    starting.start_at("m", "1.2", "en", variables)
    assert set(variables) == {"a", "area"} and variables["area"](1) == pytest.approx(6.2832, abs=1e-3)
    told = capsys.readouterr().out
    assert "a, area" in told and "printed" not in told  # and the cell that divides by zero was not run


def test_what_is_there_stays_and_where_nothing_is_missing_nothing_is_said(chapter, capsys):
    mine = object()
    variables = {"a": mine}
    starting.start_at("m", "1.2", "en", variables)
    assert variables["a"] is mine and "area" in variables
    capsys.readouterr()
    starting.start_at("m", "1.2", "en", variables)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (("n", "1.2", "en"), ValueError, "chapter must be one of 'm'"),
        (("m", "2.2", "en"), ValueError, "section must be one of '1.1', '1.2', '1.2.1', '1.3', got '2.2'"),
        (("m", "1.2", "fr"), ValueError, "language must be one of"),
        (("m", "1.2", "zh"), RuntimeError, "is missing: a complete copy"),
        (("m", "1.3", "en"), RuntimeError, "no cell before 1.3 makes undefined_anywhere"),
    ],
)
def test_what_cannot_be_brought_is_a_sentence(arguments, error, told, chapter):
    with pytest.raises(error, match=told):
        starting.start_at(*arguments, {})


def test_outside_a_notebook_it_says_so(chapter):
    with pytest.raises(RuntimeError, match="this is none"):
        starting.start_at("m", "1.2", "en")


@pytest.mark.parametrize("language", build.LANGUAGES)
@pytest.mark.parametrize(("module", "file"), STARTS)
def test_every_numbered_section_can_be_read_by_itself(module, file, language):
    """Below the heading of each that needs something stands the cell that brings it, and all of it can be brought."""
    path = NOTEBOOKS / language / f"{file}.ipynb"
    cells = starting.cells_of(path)
    sections = list(dict.fromkeys(cell.section for cell in cells if cell.section))
    starts = {}
    for section in sections:
        first = next(cell.source for cell in cells if cell.section == section)
        if found := re.search(r'^fl\.start_at\("(\w+)", "([\d.]+)", "(\w+)"\)$', first, re.MULTILINE):
            assert found.groups() == (module, section, language) and "import fedlab_utils as fl" in first
            starts[section] = starting.slice_for(cells, section, starting.missing(cells, section))
    assert {section for section in sections[1:] if section.count(".") == 1} <= starts.keys()
    code = [cell["source"] for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert sum("fl.start_at(" in "".join(source) for source in code) == len(starts)


def test_a_real_section_runs_by_itself():
    """4.2, whose names come from 4.1 and from the chapter's first cell: all of its cells but apps and exercises."""
    variables = {"fl": fl}
    starting.start_at("mathematics", "4.2", "en", variables)
    cells = starting.cells_of(NOTEBOOKS / "en" / "04_mathematics.ipynb")
    ran = 0
    for cell in cells:
        if cell.section == "4.2" and not re.search(r"fl\.(widgets|exercises|start_at)", cell.source):
            exec(cell.source, variables)
            ran += 1
    assert ran >= 8
