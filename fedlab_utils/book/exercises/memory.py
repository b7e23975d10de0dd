"""What a reader has finished and guessed: one small file outside the book, so that an update of the book cannot touch it.

The file is a JSON list of names, with {"guesses": {name: number}, "texts": {name: text}} at its end: earlier versions of the
book read the names in it as before. Nothing that happens to it costs the reader what it holds: a new one is written in full
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
from typing import Any, NamedTuple

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
    return _present().names


def last_guess(name: str) -> float | None:
    """What the reader answered last to the prompt of this name: a number, or the index of a choice. None if nothing."""
    return _present().guesses.get(name) if name else None


def guesses() -> dict[str, float]:
    """What the reader answered last, by the names of the prompts; {} where nothing can be read."""
    return _present().guesses


def last_text(name: str) -> str:
    """What the reader wrote last to the open question of this name; "" if nothing."""
    return _present().texts.get(name, "")


def note_finished(name: str) -> str:
    """Note a finished exercise. Returns what the reader should know of her file, mostly nothing, and nothing twice.

    A file that cannot be read or written is no reason to fail her, and is left as it is.
    """
    return _note(name, None)


def note_guess(name: str, guess: float) -> str:
    """Note what was answered to a prompt, in the place of what was answered before. Returns as `note_finished` does."""
    return _note(name, guess)


def note_text(name: str, text: str) -> str:
    """Note what was written to an open question, in the place of what was written before. Returns as `note_finished` does."""
    return _note(name, text)


class _Kept(NamedTuple):
    """What such a file holds, and whether it is whole."""

    names: list[str]
    guesses: dict[str, float]
    texts: dict[str, str]
    whole: bool

    def has(self, name: str, answer: float | str | None) -> bool:
        if isinstance(answer, str):
            return self.texts.get(name) == answer
        return name in self.names if answer is None else self.guesses.get(name) == answer

    def with_answer(self, name: str, answer: float | str | None) -> list[Any]:
        """The content of the file that holds this as well."""
        names, guesses, texts = self.names, self.guesses, self.texts
        if answer is None:
            names = list(dict.fromkeys([*names, name]))
        elif isinstance(answer, str):
            texts = {**texts, name: answer}
        else:
            guesses = {**guesses, name: answer}
        said = {kind: held for kind, held in (("guesses", guesses), ("texts", texts)) if held}
        return [*names, said] if said else [*names]


def _present() -> _Kept:
    try:
        return _read(progress_file().read_bytes())
    except (OSError, RuntimeError):
        return _Kept([], {}, {}, True)


def _note(name: str, answer: float | str | None) -> str:
    try:
        if _present().has(name, answer):
            return ""
        file = progress_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with alone(file):
            return _write(file, name, answer)
    except (OSError, RuntimeError) as error:
        return _once(say(f"(It could not be noted: {error}.)", f"（无法记下来：{error}。）"), "closed")


def _write(file: Path, name: str, answer: float | str | None) -> str:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        content = b""
    kept = _read(content)
    if kept.whole and kept.has(name, answer):
        return ""
    aside = None if kept.whole else _set_aside(file, content)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf8") as stream:
            json.dump(kept.with_answer(name, answer), stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())  # the content is on the disk before the name leads to it
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    if aside is None:
        return ""
    return _once(
        say(
            f"({file.name} was damaged: it is kept as {aside}, and {len(kept.names)} finished exercises were found in it.)",
            f"（{file.name} 已损坏：原文件保留为 {aside}，从中找回 {len(kept.names)} 道已完成的题。）",
        ),
        "damaged",
    )


def _read(content: bytes) -> _Kept:
    """What is in such a file: of one that was cut off, what is still there is found.

    `json` knows UTF-8, 16 and 32, each with a byte order mark or without: editors on Windows write them all.
    """
    if not content.strip():
        return _Kept([], {}, {}, True)
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError):
        entries = None
    if isinstance(entries, list):
        names = [entry for entry in entries if isinstance(entry, str)]
        guesses: dict[str, float] = {}
        texts: dict[str, str] = {}
        for entry in entries:
            if isinstance(entry, dict) and isinstance(found := entry.get("guesses"), dict):
                guesses |= {name: guess for name, guess in found.items() if _finite(guess)}
            if isinstance(entry, dict) and isinstance(found := entry.get("texts"), dict):
                texts |= {name: text for name, text in found.items() if isinstance(text, str)}
        return _Kept(list(dict.fromkeys(names)), guesses, texts, True)
    text = content.replace(b"\0", b"").decode("utf8", "replace")  # without the zeros UTF-16 reads as UTF-8 here
    names = re.findall(r'"(\w+\.\w+)"(?!\s*:)', text)
    pairs = re.findall(r'"(\w+\.\w+)"\s*:\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?=\s*[,}])', text)  # whole numbers only
    written = re.findall(r'"(\w+\.\w+)"\s*:\s*("(?:[^"\\]|\\.)*")', text)  # whole texts only
    return _Kept(
        list(dict.fromkeys(names)), {name: float(guess) for name, guess in pairs if _finite(float(guess))},
        {name: json.loads(text, strict=False) for name, text in written if _loads(text)}, False,
    )  # fmt: skip


def _loads(text: str) -> bool:
    try:
        return isinstance(json.loads(text, strict=False), str)
    except ValueError:
        return False


def _finite(guess: Any) -> bool:
    return isinstance(guess, (int, float)) and not isinstance(guess, bool) and abs(guess) < 1e300


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
def alone(file: Path) -> Iterator[None]:
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
