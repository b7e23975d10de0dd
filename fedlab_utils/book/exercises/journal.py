"""What a reader has tried, for her report: a line of JSON for each answer, guess, choice and text, added at the end of a file.

The file lies beside the one of `memory`, which says what is finished; nothing of the book reads it but `fl.report`. A line that
was cut off, or that somebody else wrote, is passed over. Where it cannot be written, the reader is not failed for it.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import reprlib
import textwrap
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .memory import alone, progress_file

LONGEST = 8000  # characters of an answer that are kept
STATES = "right", "wrong", "guess", "text"


class Entry(NamedTuple):
    """One answer. at: seconds since 1970. name: of the item. state: one of STATES. answer: as the reader wrote it."""

    at: float
    name: str
    state: str
    answer: str


def journal_file() -> Path:
    """Beside the progress file: progress.journal.jsonl. RuntimeError where there is no home."""
    file = progress_file()
    return file.with_name(f"{file.stem}.journal.jsonl")


def record(name: str, state: str, answer: Any) -> None:
    """Add a line; silent where it cannot be written, as what is missing in the end is a line of a report."""
    entry = {"at": round(time.time(), 1), "name": name, "state": state, "answer": written(answer)[:LONGEST]}
    with contextlib.suppress(OSError, RuntimeError):
        file = journal_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with alone(progress_file()), file.open("a", encoding="utf8") as stream:
            stream.write(json.dumps(entry, ensure_ascii=False) + "\n")


def entries() -> list[Entry]:
    """All lines that can be read, in their order."""
    try:
        lines = journal_file().read_text("utf8", "replace").splitlines()
    except (OSError, RuntimeError):
        return []
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
            at, name, state, answer = (entry[field] for field in Entry._fields)
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if isinstance(name, str) and isinstance(answer, str) and state in STATES and isinstance(at, (int, float)):
            found.append(Entry(float(at), name, state, answer))
    return found


def written(answer: Any) -> str:
    """An answer as its reader wrote it: the code of functions and classes, the name of a codec, numbers in short."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, (tuple, list)) and answer and all(map(_is_text, answer)):
        return "\n".join(map(written, answer))
    if inspect.isfunction(answer) or inspect.isclass(answer):
        with contextlib.suppress(OSError, TypeError):  # typed where no source is kept
            return textwrap.dedent(inspect.getsource(answer)).rstrip()
    if isinstance(answer, np.ndarray):
        return f"{answer.dtype} {answer.shape}: {reprlib.repr(answer.ravel().tolist())}"
    try:
        text = repr(answer)
    except Exception as error:  # of a class of the reader's own
        text = f"{type(answer).__name__} ({error})"
    of_her_own = hasattr(answer, "encode") and not type(answer).__module__.startswith("fedlab_utils")
    return f"{text}\n\n{written(type(answer))}" if of_her_own else text


def _is_text(part: Any) -> bool:
    return callable(part) or hasattr(part, "encode")


def minutes(times: list[float], pause: float = 1800) -> float:
    """Minutes spent between answers, without the gaps of more than `pause` seconds: of what was not answered nothing is known."""
    ordered = sorted(times)
    return sum(gap for gap in (b - a for a, b in pairwise(ordered)) if gap <= pause) / 60
