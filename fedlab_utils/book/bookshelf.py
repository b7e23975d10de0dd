"""A reader's own copy of the book, which an update of the book never overwrites.

    python -m fedlab_utils.book.bookshelf zh

copies the chapters of notebooks/zh into my/zh, which git ignores. Called again, after an update of the book:

- a chapter that the reader has not changed is replaced by the newer one;
- one that she has changed is kept, and the new one is put beside it, as 04_mathematics.new.ipynb, once for each version.

What a question asks for must not stand below it: cells tagged `reveal` come without the outputs that the book shows, and the
prose directly below them comes folded. So does a copy from before, once. What she has run herself stays.

What counts as a change is the source of the cells: running a notebook changes outputs only. As long as the chapter in the
book is the same, the outputs of the reader's copy stay as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from ..language import LANGUAGES
from ..validation import require_choice
from .folding import folded, telling, unfolded

ROOT = Path(__file__).resolve().parents[2]
RECORD = ".bookshelf.json"  # by chapter: which version was copied, and which was put beside a changed copy


def fingerprint(notebook: bytes) -> str | None:
    """SHA-256 of the cells' types and sources; empty cells, outputs and folds do not count. None if it cannot be read."""
    try:
        cells = json.loads(notebook)["cells"]
        sources = [(cell["cell_type"], unfolded("".join(cell["source"])).strip()) for cell in cells]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return hashlib.sha256(json.dumps([pair for pair in sources if pair[1]]).encode()).hexdigest()


def _cells(notebook: dict) -> list[dict]:
    """The cells that are not empty: in copies of the same sources they stand one for one."""
    return [cell for cell in notebook["cells"] if "".join(cell["source"]).strip()]


def _tags(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def _shown(cell: dict) -> tuple:
    """What stands below a cell."""
    return _joined(cell.get("outputs", [])), cell.get("execution_count")


def _joined(value: Any) -> Any:
    """The same, with each text in one string: in a file it may also be a list of lines."""
    if isinstance(value, dict):
        return {name: _joined(part) for name, part in value.items()}
    if isinstance(value, list):
        return "".join(value) if value and all(isinstance(part, str) for part in value) else [_joined(part) for part in value]
    return value


def _answering(notebook: bytes) -> str | None:
    """Which cells of a chapter answer a question, by number: "4 5 9"; prose that is folded is among them."""
    try:
        cells = _cells(json.loads(notebook))
        prose = telling(cells)
        return " ".join(str(number) for number, cell in enumerate(cells) if number in prose or "reveal" in _tags(cell))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def covered(notebook: bytes, book: bytes | None = None, language: str = "en") -> bytes:
    """The notebook without what answers a question: the outputs of the cells tagged `reveal` go, the prose below them is folded.

    Bytes that are no notebook come back. book: the chapter whose unchanged copy the notebook is; then only outputs that are
    still the book's go. A cell counts as run by the reader where what it shows is not what the book shows, or where the question
    above it does; below such a question prose stays open too. language: of the words on a fold.
    """
    try:
        mine = json.loads(notebook)
        theirs = mine if book is None else json.loads(book)
        cells, models = _cells(mine), _cells(theirs)
        prose = telling(models)
        took, untouched = False, True
        for number, (cell, model) in enumerate(zip(cells, models, strict=True)):
            if "prompt" in _tags(model):
                untouched = _shown(cell) == _shown(model)
            if "reveal" in _tags(model) and untouched and _shown(cell) == _shown(model) and cell.get("outputs"):
                cell["outputs"], cell["execution_count"], took = [], None, True
            source = "".join(cell["source"])
            if number in prose and untouched and source == unfolded(source):
                cell["source"], took = folded(source, language).splitlines(keepends=True), True
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return notebook
    return as_bytes(mine) if took else notebook


def as_bytes(notebook: dict) -> bytes:
    """A notebook as nbformat and JupyterLab write it."""
    return f"{json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)}\n".encode()


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_record(path: Path) -> dict[str, dict[str, str | None]]:
    try:
        record = json.loads(path.read_text("utf-8"))
        return {name: dict(entry) for name, entry in record.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # then a copy that differs from the book counts as changed, and is kept


def _offers(copy: Path) -> list[Path]:
    """The files that were put beside a copy: 04_mathematics.new.ipynb, 04_mathematics.new-2.ipynb."""
    pattern = re.compile(re.escape(copy.stem) + r"\.new(-\d+)?\.ipynb")
    return sorted(path for path in copy.parent.iterdir() if pattern.fullmatch(path.name))


def _offer(copy: Path, content: bytes, earlier: str | None) -> Path:
    """Put a new version beside a changed copy: in the place of an earlier one that nobody has changed, else in a new file."""
    for path in _offers(copy):
        if earlier is not None and fingerprint(path.read_bytes()) == earlier:
            _write(path, content)
            return path
    number, path = 1, copy.with_name(f"{copy.stem}.new.ipynb")
    while path.exists():
        number += 1
        path = copy.with_name(f"{copy.stem}.new-{number}.ipynb")
    _write(path, content)
    return path


def shelve(language: str, root: Path = ROOT) -> dict[str, str]:
    """Bring my/<language> up to date with notebooks/<language>, without touching what the reader has changed.

    Returns what was done, by file name: "copied", "updated", "same", "kept" (changed by the reader, nothing new), or the
    name of the new file that was put beside it. FileNotFoundError where the book is missing, OSError where my/ cannot be written.
    """
    require_choice("language", language, LANGUAGES)
    book, shelf = root / "notebooks" / language, root / "my" / language
    chapters = sorted(book.glob("*.ipynb"))
    if not chapters:
        raise FileNotFoundError(
            f"{book} holds no chapters: in a complete copy of the book's repository, run `python -m pip install --no-deps -e .`"
        )
    shelf.mkdir(parents=True, exist_ok=True)
    record = _read_record(shelf / RECORD)
    done: dict[str, str] = {}
    for chapter in chapters:
        copy, content = shelf / chapter.name, chapter.read_bytes()
        new, entry = fingerprint(content), record.setdefault(chapter.name, {})
        hidden, answering = covered(content, language=language), _answering(content)
        present = fingerprint(copy.read_bytes()) if copy.exists() else None
        if not copy.exists():
            _write(copy, hidden)
            done[chapter.name] = "copied"
        elif present == new:
            done[chapter.name] = "same"
            if entry.get("covered") != answering:  # of an earlier version of the book, which showed the answers
                before = copy.read_bytes()
                if (after := covered(before, content, language)) != before:
                    _write(copy, after)
        elif present is not None and present == entry.get("copied"):
            _write(copy, hidden)
            done[chapter.name] = "updated"
        elif new in (entry.get("copied"), entry.get("offered")):
            done[chapter.name] = "kept"
            continue
        else:
            done[chapter.name] = _offer(copy, hidden, entry.get("offered")).name
            entry["offered"] = new
            continue
        for path in _offers(copy):  # she has the newest now: what was put beside is of no more use, unless she has changed it
            if fingerprint(path.read_bytes()) in {new, entry.get("offered", new)}:
                path.unlink()
        record[chapter.name] = {"copied": new, "covered": answering}
    _write(shelf / RECORD, json.dumps(record, indent=1).encode())
    return done


def report(done: dict[str, str], edition: str, language: str) -> list[str]:
    """What the reader should know of it, in a language, mostly that of the edition."""
    beside = {name: what for name, what in done.items() if what.endswith(".ipynb")}
    copied, updated = (sum(what == kind for what in done.values()) for kind in ("copied", "updated"))
    texts = {
        "zh": (f"已把 {copied} 章放进 my/{edition}", f"已更新 {updated} 章", "{} 你改过，原样保留；新版在旁边：{}"),
        "en": (
            f"copied into my/{edition}: {copied} chapters",
            f"brought up to date: {updated} chapters",
            "{} is yours and stays as it is; the new version is beside it: {}",
        ),
    }[language]
    lines = [text for text, count in ((texts[0], copied), (texts[1], updated)) if count]
    return lines + [texts[2].format(name, what) for name, what in beside.items()]


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in LANGUAGES:
        sys.exit("usage: python -m fedlab_utils.book.bookshelf zh|en")
    try:
        done = shelve(arguments[0])
    except OSError as error:
        sys.exit(f"bookshelf: {error}")
    for language in (arguments[0], "en"):  # English where the console cannot print Chinese
        text = "\n".join(report(done, arguments[0], language))
        if (shown := _printable(text)) == text:
            break
    print(shown, flush=True)


def _printable(text: str) -> str:
    """The text as this console can print it: what it cannot, as an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


if __name__ == "__main__":
    main(sys.argv[1:])
