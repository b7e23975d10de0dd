"""What a reader has finished: one small file outside the book, so that an update of the book cannot touch it.

The file is a JSON list of names. Nothing that happens to it costs the reader what it holds: a new one is written in full
before it takes the place of the old one, one kernel at a time; a damaged one is copied beside it before it is mended.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ...language import say

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_said: set[str] = set()  # what need not be said again in this session


def progress_file() -> Path:
    """$FEDLAB_PROGRESS if set, else ~/.fedlab/progress.json. RuntimeError where there is no home."""
    return Path(os.environ.get("FEDLAB_PROGRESS") or Path.home() / ".fedlab" / "progress.json")


def finished() -> list[str]:
    """Names of the exercises that were answered rightly, in the order of their first time; [] where nothing can be read."""
    try:
        return _names(progress_file().read_bytes())[0]
    except (OSError, RuntimeError):
        return []


def note_finished(name: str) -> str:
    """Note a finished exercise. Returns what the reader should know of her file, mostly nothing, and nothing twice.

    A file that cannot be read or written is no reason to fail her, and is left as it is.
    """
    try:
        if name in finished():
            return ""
        file = progress_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file):
            return _note(file, name)
    except (OSError, RuntimeError) as error:
        return _once(say(f"(It could not be noted as finished: {error}.)", f"（无法记下这道题已完成：{error}。）"), "closed")


def _note(file: Path, name: str) -> str:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        content = b""
    names, whole = _names(content)
    if whole and name in names:
        return ""
    aside = None if whole else _set_aside(file, content)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf8") as stream:
            json.dump(list(dict.fromkeys([*names, name])), stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())  # the content is on the disk before the name leads to it
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    if aside is None:
        return ""
    return _once(
        say(
            f"({file.name} was damaged: it is kept as {aside}, and {len(names)} finished exercises were found in it.)",
            f"（{file.name} 已损坏：原文件保留为 {aside}，从中找回 {len(names)} 道已完成的题。）",
        ),
        "damaged",
    )


def _names(content: bytes) -> tuple[list[str], bool]:
    """The names in such a file, and whether it is whole: of one that was cut off, what is still there is found.

    `json` knows UTF-8, 16 and 32, each with a byte order mark or without: editors on Windows write them all.
    """
    if not content.strip():
        return [], True
    try:
        names = json.loads(content)
    except (ValueError, RecursionError):
        names = None
    if isinstance(names, list):
        return list(dict.fromkeys(name for name in names if isinstance(name, str))), True
    text = content.replace(b"\0", b"").decode("utf8", "replace")  # without the zeros UTF-16 reads as UTF-8 here
    return list(dict.fromkeys(re.findall(r'"(\w+\.\w+)"', text))), False


def _set_aside(file: Path, content: bytes) -> str:
    """Keep what cannot be read as progress.json.unreadable-1, or the first number that is free; its name."""
    number = 1
    while True:
        aside = file.with_name(f"{file.name}.unreadable-{number}")
        try:
            with aside.open("xb") as stream:
                stream.write(content)
            return aside.name
        except FileExistsError:
            number += 1


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One kernel at a time, by a lock on a file beside it, which the system lets go when a kernel dies."""
    with file.with_name(f"{file.name}.lock").open("wb") as stream:
        with contextlib.suppress(OSError):  # some network folders have no locks: then a write in full is all there is
            if sys.platform == "win32":
                msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK, 1)
            else:
                fcntl.flock(stream, fcntl.LOCK_EX)
        yield  # closing lets it go


def _once(text: str, kind: str) -> str:
    if kind in _said:
        return ""
    _said.add(kind)
    return text
