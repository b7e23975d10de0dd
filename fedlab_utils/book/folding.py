"""Prose that tells what a question asks for, folded in a reader's copy until she opens it.

A reader's copy has the text within <details>, which JupyterLab opens with a click; the book itself shows it. The fold is no part
of the text: `unfolded` gives back what the book says, so that a folded copy counts as unchanged.
"""

from __future__ import annotations

import re

SAID = {"en": "Answered? Then open this.", "zh": "答完了吗？再打开这里。"}
_HEADING = re.compile(r"\n\n(?=#{1,6} )")  # what follows one is the next topic, and stays open
_SAID = "|".join(map(re.escape, SAID.values()))
_FOLD = re.compile(rf"\A<details>\n<summary>(?:{_SAID})</summary>\n\n(.*?)\n\n</details>", re.DOTALL)


def telling(cells: list[dict]) -> set[int]:
    """The numbers of the cells of prose that tell an answer.

    Of each prompt the first directly below a cell that reveals, unless it begins with a heading; and what is tagged `reveal`.
    """
    found, asked, revealed = set(), False, False
    for number, cell in enumerate(cells):
        tags = cell.get("metadata", {}).get("tags", [])
        if "prompt" in tags:
            asked = True
        elif cell["cell_type"] == "markdown":
            if "reveal" in tags or (asked and revealed and not "".join(cell["source"]).startswith("#")):
                found.add(number)
            asked = asked and not revealed
        revealed = "reveal" in tags and cell["cell_type"] == "code"
    return found


def folded(source: str, language: str) -> str:
    """The text of a cell, folded up to its first heading."""
    told, *rest = _HEADING.split(source, maxsplit=1)
    return "\n\n".join((f"<details>\n<summary>{SAID[language]}</summary>", told, "</details>", *rest))


def unfolded(source: str) -> str:
    """The text as the book has it, in whichever language it was folded."""
    return _FOLD.sub(lambda fold: fold[1], source)
