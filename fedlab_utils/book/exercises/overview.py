"""All exercises of the book at a glance: what a reader has finished, and, for teachers, every answer."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from importlib import import_module

from ...language import say
from ..chapters import MODULES, Chapter
from .asking import Guess, Question
from .base import Exercise, withheld
from .designing import Design
from .journal import entries
from .memory import finished, guesses
from .places import PLACES


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
    """What the reader finds an item by: "5.1 server_round", "5.2 question two_bits", "5.2 guess the_downlink"."""
    kinds = {Guess: ("guess", "先猜"), Question: ("question", "思考题"), Design: ("design", "设计题"), Exercise: ("", "")}
    number = item.number if isinstance(item, Exercise) else section(item.name)
    return " ".join(filter(None, (number, say(*kinds[type(item)]), item.name.partition(".")[2])))


def label_of_app(name: str) -> str:
    """The same for what an app asks: "1.3 guess in the app cost_calculator"."""
    return f"{section(name)} {say('guess in the app', '交互演示中先猜')} {name.partition('.')[2]}"


def section(name: str) -> str:
    """The number of the section in which an item or an app stands; of one between sections that of its chapter."""
    module, number, *_ = PLACES.get(name, ("", ""))
    return number or (MODULES[module].number if module else "")


def about(item: Item) -> str:
    """What an item asks, in some sixty signs: the title of an exercise, the first sentence of anything else."""
    if isinstance(item, Exercise):
        return title(item.name)
    text = say(*item.text)
    sentence = re.match(r".*?(?:[?.](?= |$)|[？。]|$)", text, re.DOTALL)
    return shortened(sentence[0] if sentence else text)


def title(name: str) -> str:
    """The title of an exercise, or of the part in which an app stands, as plain text; "" where there is none."""
    return shortened(re.sub(r"[$`^]", "", say(*PLACES[name][2:]))) if name in PLACES else ""


def shortened(text: str, most: int = 60) -> str:
    """The text, or as much of it as fits; Chinese signs are twice as wide."""
    if sum(map(_width, text)) <= most:
        return text
    kept, width = "", 1
    for sign in text:
        if (width := width + _width(sign)) > most:
            break
        kept += sign
    return (kept.rpartition(" ")[0] or kept if kept.isascii() else kept).rstrip(" ,，、") + "…"


def _width(sign: str) -> int:
    return 1 + (unicodedata.east_asian_width(sign) in "WF")


def head(chapter: Chapter) -> str:
    """ "Chapter 5 (Flower)"."""
    note = chapter.note and say(f" ({chapter.note})", f"（{chapter.note}）")
    return say(f"Chapter {chapter.number}", f"第 {chapter.number} 章") + note


def not_begun(chapter: Chapter) -> str:
    """The line of a chapter in which nothing has been answered."""
    return say(f"{head(chapter)}: not begun", f"{head(chapter)}：还没有开始")


def progress() -> Report:
    """What the reader has finished, by chapter; remembered from one session to the next. A chapter not begun is one line."""
    done = set(finished())
    begun = {name for name in (*done, *guesses(), *(entry.name for entry in entries())) if not name.startswith("widgets.")}
    lines, rows, n_done, n_all = [], [], 0, 0
    for module, chapter in MODULES.items():
        items = of_chapter(module)
        right = [item for item in items if item.name in done]
        n_done, n_all = n_done + len(right), n_all + len(items)
        if not begun & {item.name for item in (*items, *guesses_of(module))}:
            lines.append(not_begun(chapter))
            rows.append(f'<tr><td colspan="3" style="text-align:left">{html.escape(lines[-1])}</td>')
            continue
        marks = [("✓ " if item in right else "· ") + f"{label(item)}{say(': ', '：')}{about(item)}" for item in items]
        count = f"{len(right)}/{len(items)}"
        lines += [f"{head(chapter)}{say(': ', '：')}{count}", *(f"  {mark}" for mark in marks)]
        style = "vertical-align:top;text-align:left"  # notebooks align to the right
        narrow = f'style="{style};white-space:nowrap"'
        each = "<br>".join(map(html.escape, marks))
        rows.append(f'<tr><th scope="row" {narrow}>{html.escape(head(chapter))}</th><td {narrow}>{count}</td>'
                    f'<td style="{style}">{each}</td>')  # fmt: skip
    told = say(
        f"You have finished {n_done} of {n_all} exercises and questions.", f"你已完成 {n_done}/{n_all} 道练习、思考题和设计题。"
    )
    heads = (say("chapter", "章"), say("finished", "已完成"), say("exercises and questions", "练习、思考题和设计题"))
    columns = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in heads)
    table = f"<table><thead><tr>{columns}</tr></thead><tbody>" + "".join(f"{row}</tr>" for row in rows) + "</tbody></table>"
    return Report("\n".join([told, *lines]), f"<b>{html.escape(told)}</b>{table}")


def answers(chapter: str) -> Report:
    """Every answer of a chapter: the solution of each exercise, the right choice of each question, the model answer of each open
    question, each number to guess; or that they are withheld."""
    if refused := withheld():
        return Report(repr(refused), refused._repr_html_())
    solutions = [(label(item), item.solution()) for item in (*of_chapter(chapter), *guesses_of(chapter))]
    text = "\n\n".join(f"[{name}] {solution!r}" for name, solution in solutions)
    body = "".join(f"<p><code>{html.escape(name)}</code></p>{solution._repr_html_()}" for name, solution in solutions)
    return Report(text, body)
