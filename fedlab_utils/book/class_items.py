"""What a class found hard: its reports by exercise, question and guess, for `class_table`.

Counted over the reports in which an item was tried; what it asks is told by this book, in the teacher's language, whatever the
language of a report.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from ..language import say
from .chapters import MODULES
from .exercises.asking import Guess, Question, shown
from .exercises.designing import Design
from .exercises.overview import Item, about, guesses_of, label, label_of_app, of_chapter, title
from .exercises.places import PLACES


class Answer(NamedTuple):
    """What one report says of one item. label, asks: in its own language. chosen: the choices made."""

    name: str
    label: str
    asks: str
    kind: str
    right: bool
    tries: int
    chosen: tuple[int, ...]
    guessed: float | None


def answers_of(held: dict[str, Any]) -> list[Answer]:
    """Whatever was tried in a report. KeyError, TypeError or ValueError where it is no report's."""
    return [
        Answer(str(item["name"]), str(item["label"]), str(item["asks"]), str(item["kind"]), item["state"] == "right",
               _count(item["tries"]), tuple(map(_count, item.get("chosen", ()))), _finite(item.get("guessed")))
        for chapter in held["chapters"] for item in chapter["items"] if item["state"] != "open"
    ]  # fmt: skip


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _finite(value: Any) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{value!r} is no guess")
    return value


def by_item(reports: Sequence[Sequence[Answer]]) -> list[dict[str, Any]]:
    """A row an item, in the order of the book; those that nobody has tried are left out, strange ones stand last."""
    items = {item.name: item for module in MODULES for item in (*of_chapter(module), *guesses_of(module))}
    tried: dict[str, list[Answer]] = {}
    for answers in reports:
        for answer in {answer.name: answer for answer in answers}.values():  # once a report, whoever wrote it
            tried.setdefault(answer.name, []).append(answer)
    return [_row(items.get(name), tried[name], len(reports)) for name in sorted(tried, key=_place)]


def _place(name: str) -> tuple[float, ...]:
    """Where an item stands in the book: chapter, section (what stands between sections comes last), and which there."""
    if name not in PLACES:
        return (math.inf,)
    module, number, *_ = PLACES[name]
    return list(MODULES).index(module), *map(int, number.split(".") if number else "9"), list(PLACES).index(name)


def _row(item: Item | None, answers: list[Answer], reports: int) -> dict[str, Any]:
    first, counted = answers[0], [answer.tries for answer in answers if answer.tries]
    guess, app = first.kind == "guess", first.name in PLACES and first.name.startswith("widgets.")
    return {
        say("item", "题目"): label(item) if item else label_of_app(first.name) if app else first.label,
        say("asks", "问什么"): about(item) if item else title(first.name) if app else first.asks,
        say("tried", "作答"): f"{len(answers)}/{reports}",
        say("right", "做对"): "" if guess else f"{sum(answer.right for answer in answers)}/{len(answers)}",
        say("median tries", "次数中位数"): f"{median(counted):g}" if counted and not guess else "",
        say("most frequent wrong answer, or guess", "最常见的错误答案或猜测"): _most_frequent(item, answers),
    }


def _most_frequent(item: Item | None, answers: list[Answer]) -> str:
    """Of a question the wrong choice that most of them made, of a guess the number; of an exercise or a text nothing."""
    if isinstance(item, Question):
        wrong = Counter(choice for answer in answers for choice in {*answer.chosen} - {item.right})
        known = [(say(*item.choices[choice][:2]), count) for choice, count in wrong.most_common() if choice < len(item.choices)]
        return _of(*known[0], len(answers)) if known else ""
    guesses = [answer.guessed for answer in answers if answer.guessed is not None]
    if isinstance(item, Design) or not guesses:
        return ""
    unit = say(*item.unit) if isinstance(item, Guess) else ""
    ((most, count),) = Counter(f"{shown(number)}{unit}" for number in guesses).most_common(1)
    middle = say(f"median {shown(median(guesses))}{unit}", f"中位数 {shown(median(guesses))}{unit}")
    truth = say(f"it is {shown(item.truth)}{unit}", f"答案是 {shown(item.truth)}{unit}") if isinstance(item, Guess) else ""
    told = [_of(most, count, len(guesses))] if count > 1 else []  # where all differ, none is frequent
    return say("; ", "；").join((*told, middle, *filter(None, [truth])))


def _of(words: str, count: int, among: int) -> str:
    return say(f"{words} ({count} of {among})", f"{words}（{among} 人中 {count} 人）")
