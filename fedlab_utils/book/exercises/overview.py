"""All exercises of the book at a glance: what a reader has finished, and, for teachers, every answer."""

from __future__ import annotations

import html
from dataclasses import dataclass
from importlib import import_module

from ...language import say
from ..chapters import MODULES
from .asking import Guess, Question
from .base import Exercise, withheld
from .designing import Design
from .memory import finished


@dataclass(frozen=True)
class Report:
    """Text for a notebook (HTML) and for everything else (plain)."""

    text: str
    as_html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.as_html


Item = Exercise | Question | Design | Guess


def of_chapter(chapter: str) -> list[Exercise | Question | Design]:
    """The exercises of a chapter in the order of their numbers, then its questions and its open questions in that of the "
    "module."""
    found = [item for item in _named(chapter) if not isinstance(item, Guess)]
    return sorted(found, key=lambda item: (isinstance(item, Design), isinstance(item, Question), getattr(item, "number", "")))


def guesses_of(chapter: str) -> list[Guess]:
    """The numbers that a chapter asks for before it shows them. A guess is not finished, and so no part of progress."""
    return [item for item in _named(chapter) if isinstance(item, Guess)]


def _named(chapter: str) -> list[Item]:
    module = import_module(f".{chapter}", __package__)
    found = [value for value in vars(module).values() if isinstance(value, Item)]
    return [item for item in found if item.name.startswith(f"{chapter}.")]


def label(item: Item) -> str:
    """What the reader finds an item by: "5.1 server_round", "question two_bits", "guess the_downlink", "design a_keyboard"."""
    kinds = {Guess: ("guess", "先猜"), Question: ("question", "思考题"), Design: ("design", "设计题"), Exercise: ("", "")}
    kind = say(*kinds[type(item)])
    return f"{item.number if isinstance(item, Exercise) else kind} {item.name.partition('.')[2]}"


def progress() -> Report:
    """What the reader has finished, by chapter; remembered from one session to the next."""
    done = set(finished())
    lines, rows, n_done, n_all = [], [], 0, 0
    for module, chapter in MODULES.items():
        items = of_chapter(module)
        right = [item for item in items if item.name in done]
        n_done, n_all = n_done + len(right), n_all + len(items)
        marks = [("✓ " if item in right else "· ") + label(item) for item in items]
        note = chapter.note and say(f" ({chapter.note})", f"（{chapter.note}）")
        head = say(f"Chapter {chapter.number}", f"第 {chapter.number} 章") + note
        lines.append(f"{head}{say(': ', '：')}{len(right)}/{len(items)}  " + "  ".join(marks))
        cells = (head, f"{len(right)}/{len(items)}", "  ".join(marks))
        style = ("white-space:nowrap", "white-space:nowrap", "text-align:left")  # notebooks align to the right
        rows.append("<tr>" + "".join(f'<td style="{s}">{html.escape(c)}</td>' for s, c in zip(style, cells, strict=True)))
    title = say(
        f"You have finished {n_done} of {n_all} exercises and questions.", f"你已完成 {n_done}/{n_all} 道练习、思考题和设计题。"
    )
    table = "<table>" + "".join(f"{row}</tr>" for row in rows) + "</table>"
    return Report("\n".join([title, *lines]), f"<b>{html.escape(title)}</b>{table}")


def answers(chapter: str) -> Report:
    """Every answer of a chapter: the solution of each exercise, the right choice of each question, the model answer of each open
    question, each number to guess; or that they are withheld."""
    if refused := withheld():
        return Report(repr(refused), refused._repr_html_())
    solutions = [(label(item), item.solution()) for item in (*of_chapter(chapter), *guesses_of(chapter))]
    text = "\n\n".join(f"[{name}] {solution!r}" for name, solution in solutions)
    body = "".join(f"<p><code>{html.escape(name)}</code></p>{solution._repr_html_()}" for name, solution in solutions)
    return Report(text, body)
