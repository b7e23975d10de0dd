"""An edition to hand out: the chapters without solutions, without the results below a question, without the teacher's page.

    python -m fedlab_utils.book.student zh student/zh

`make student EDITION=zh` does the same. In it `solution()` and `answers()` say that they are withheld. They still stand in the
package: who looks for them there finds them, and has at least looked at the code.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from ..language import LANGUAGES
from ..validation import require_choice
from .bookshelf import ROOT, as_bytes, covered

TEACHERS = "90_teacher"
# What the book says of its solutions, and what is left of it.
SAID = (
    (re.compile(r"; a solution is folded away in the next cell(, and `….solution\(\)` shows it)?"), ""),
    (re.compile(r"；?参考答案折叠在下一个单元格里，也可以用 `….solution\(\)` 显示"), ""),
    (re.compile(r"；?下一个单元格里折叠着参考答案"), ""),
    (re.compile(r"; then read a model answer, and tick for yourself what yours has"), "; then tick what it has"),
    (re.compile(r"; only then comes a model answer, with three criteria to tick for yourself"), ", and tick three criteria"),
    (re.compile(r"，再看参考答案，自己打勾"), "，再自己打勾"),
    (re.compile(r"先写下你的方案，才看得到参考答案，再自己打勾：做到了哪几条。"), "先写下你的方案，再自己打勾：做到了哪几条。"),
    (re.compile(r" ?Teachers: see the \[[^\]]*\]\([^)]*\) \(it holds the answers\)\.|教师请看[^。]*（内有答案）。"), ""),
    (re.compile(r"The answers to the questions and guesses, [^.]*on the \[teacher's page\][^.]*\.ipynb\)\."), ""),
    (re.compile(r"思考题和先猜的数的答案、[^。]*教师页\][^。]*。"), ""),
    (re.compile(r" `make lab` opens your own copy in `my/`: change what you like\.[^\n]*"), " Change what you like."),
    (re.compile(r" `make lab` 打开的是 `my/` 里你自己的副本，尽管改。[^\n]*"), " 尽管改。"),
    (re.compile(rf"\[([^\]]+)\]\({TEACHERS}\.ipynb[^)]*\)"), r"\1"),
)
LANGUAGE = re.compile(r'^fl\.use_language\("(?:en|zh)"\)', re.MULTILINE)


def edition(notebook: bytes, language: str) -> bytes:
    """A chapter as a student gets it. ValueError where no cell chooses the language, after which solutions are withheld."""
    book = json.loads(covered(notebook, language=language))
    cells = [cell for cell in book["cells"] if "solution" not in cell["metadata"].get("tags", [])]
    withheld = False
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for pattern, left in SAID:
                source = pattern.sub(left, source)
        elif not withheld and LANGUAGE.search(source):
            source = LANGUAGE.sub(r"\g<0>" + "\nfl.exercises.withhold()", source)
            withheld = True
        cell["source"] = source
    if not withheld:
        raise ValueError("no cell says fl.use_language(…), after which solutions could be withheld")
    book["cells"] = cells
    return as_bytes(book)


def hand_out(language: str, folder: Path, root: Path = ROOT) -> list[Path]:
    """Write the student's edition into a folder that is empty or new; returns its files.

    FileExistsError where the folder holds notebooks already: a class may have worked in them. FileNotFoundError without the book.
    """
    require_choice("language", language, LANGUAGES)
    chapters = [path for path in sorted((root / "notebooks" / language).glob("*.ipynb")) if path.stem != TEACHERS]
    if not chapters:
        raise FileNotFoundError(f"{root / 'notebooks' / language} holds no chapters: a complete copy of the repository is needed")
    if any(folder.glob("*.ipynb")):
        raise FileExistsError(f"{folder} holds notebooks, in which somebody may have worked: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path in chapters:
        (folder / path.name).write_bytes(edition(path.read_bytes(), language))
    return [folder / path.name for path in chapters]


def main(arguments: list[str]) -> None:
    if len(arguments) != 2 or arguments[0] not in LANGUAGES:
        sys.exit("usage: python -m fedlab_utils.book.student zh|en folder")
    try:
        files = hand_out(arguments[0], Path(arguments[1]))
    except OSError as error:
        sys.exit(f"student: {error}")
    print(f"{len(files)} chapters without solutions: {arguments[1]}")


if __name__ == "__main__":
    main(sys.argv[1:])
