"""A section read by itself: what it needs from the sections before it is made by those of their cells that make it.

A chapter is one program, and its sections use names of earlier ones. Repeating these in each section would be a second copy of
them; so the cell at a section's beginning asks for them, and gets nothing where they are there already.
"""

from __future__ import annotations

import builtins
import io
import json
import re
import symtable
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from ..language import LANGUAGES, say
from ..validation import require_choice
from .bookshelf import ROOT
from .chapters import MODULES

HEADING = re.compile(r"^#{2,4} (\d+(?:\.\d+)+) ", re.MULTILINE)
START = re.compile(r"^fl\.start_at\(", re.MULTILINE)


class Cell(NamedTuple):
    """A cell of code. section: the number of the last heading above it that has one, "" before the first."""

    section: str
    source: str


def start_at(chapter: str, section: str, language: str, namespace: dict[str, Any] | None = None) -> None:
    """Bring what a section needs from those before it: the cells that make it are run again, without their outputs.

    chapter: as in fl.exercises, "concepts". section: "2.1.2". Names that are there already stay as they are. namespace: where
    to, by default the notebook's variables. ValueError for a chapter or section that there is not; RuntimeError outside a
    notebook, or where the book's chapters are not beside the package.
    """
    require_choice("chapter", chapter, MODULES)
    require_choice("language", language, LANGUAGES)
    path = ROOT / "notebooks" / language / f"{MODULES[chapter].file}.ipynb"
    cells = cells_of(path)
    require_choice("section", section, dict.fromkeys(cell.section for cell in cells if cell.section))
    there = _notebook() if namespace is None else namespace
    wanted = missing(cells, section) - there.keys()
    if not wanted:
        return
    begun, scratch = time.perf_counter(), {"__name__": "__main__"}
    for cell in slice_for(cells, section, wanted):
        with redirect_stdout(io.StringIO()):
            exec(compile(cell.source, f"<{path.stem}, {cell.section}>", "exec"), scratch)
    there.update({name: scratch[name] for name in wanted})
    names, seconds = ", ".join(sorted(wanted)), f"{time.perf_counter() - begun:.0f}"
    print(say(f"Brought from before {section}, in {seconds} s: {names}.", f"取来了 {section} 之前的（{seconds} 秒）：{names}。"))


def cells_of(path: Path) -> list[Cell]:
    """The cells of code of a chapter. RuntimeError where it is not there."""
    try:
        found = json.loads(path.read_bytes())["cells"]
    except FileNotFoundError as error:
        raise RuntimeError(say(
            f"{path} is missing: a complete copy of the repository is needed; or run the chapter from its top.",
            f"找不到 {path}：需要完整的仓库；或者从本章开头运行。",
        )) from error  # fmt: skip
    section, cells = "", []
    for cell in found:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cells.append(Cell(section, source))
        elif numbers := HEADING.findall(source):
            section = numbers[-1]
    return cells


def missing(cells: list[Cell], section: str) -> set[str]:
    """The names that a section uses and does not make before. A section goes as far as the next cell that starts one."""
    first = next(at for at, cell in enumerate(cells) if cell.section == section)
    made: set[str] = set()
    found: set[str] = set()
    for at in range(first, len(cells)):
        if at > first and START.search(cells[at].source):
            break
        makes, uses = names_in(cells[at].source)
        found |= uses - makes - made
        made |= makes
    return found - set(dir(builtins)) - {"fl"}


def slice_for(cells: list[Cell], section: str, wanted: set[str]) -> list[Cell]:
    """Of the cells before a section those that make these names, with all that they need themselves, in order. RuntimeError for a
    name that no cell makes."""
    first = next(at for at, cell in enumerate(cells) if cell.section == section)
    chosen, open_names = [], set(wanted)
    for cell in reversed(cells[:first]):
        makes, uses = names_in(cell.source)
        if makes & open_names:
            chosen.append(cell)
            open_names = (open_names - makes) | (uses - makes)
    if left := open_names - set(dir(builtins)):
        raise RuntimeError(f"no cell before {section} makes {', '.join(sorted(left))}")
    return chosen[::-1]


def names_in(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell makes (assigned, imported, defined), and those that it uses, also within its functions."""
    table = symtable.symtable(source, "<cell>", "exec")
    makes = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    uses = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        uses |= {s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
        inner += scope.get_children()
    return makes, uses


def _notebook() -> dict[str, Any]:
    try:
        from IPython import get_ipython
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is None:
        raise RuntimeError(say("start_at brings variables into a notebook, and this is none", "start_at 只能在 notebook 里使用"))
    return shell.user_ns
