"""Open questions: the reader writes, then reads a model answer and ticks which of its criteria hers meets. No checker.

The model answer is told only after something has been written, and in the edition for students not at all. What she wrote and
ticked is kept beside her exercises, and stands in her report.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import ipywidgets as w

from ...language import say
from .asking import Asking
from .base import Verdict, sentences, withheld
from .journal import record
from .memory import last_guess, last_text, note_finished, note_guess, note_text

SHORTEST = 12  # signs that are no space: a sentence in either language


@dataclass(frozen=True)
class Design:
    """An open question. text, model: (en, zh), plain; criteria: three (en, zh) that a good answer meets, ticked by the reader."""

    name: str
    text: tuple[str, str]
    model: tuple[str, str]
    criteria: tuple[tuple[str, str], tuple[str, str], tuple[str, str]]

    def solution(self) -> Verdict:
        """The question, the model answer and its criteria; in the edition for students, that it is withheld."""
        met = "\n".join(f"– {say(*criterion)}" for criterion in self.criteria)
        return withheld() or Verdict("solution", f"{say(*self.text)}\n→ {say(*self.model)}\n{met}")

    def ask(self) -> Writing:
        """The question as a widget: a field to write in, and what follows once there is something in it."""
        return Writing(self)

    def ticked(self) -> list[bool]:
        """Which criteria the reader has ticked."""
        bits = int(last_guess(self.name) or 0)
        return [bool(bits >> place & 1) for place in range(len(self.criteria))]


class Writing(Asking):
    """A labelled field, a button, and behind it the model answer with a box to tick for each criterion."""

    def __init__(self, design: Design):
        self.design = design
        plain = say(*design.text)
        self.field = w.Textarea(
            placeholder=say("Your answer, a few sentences.", "写下你的答案，几句话就行。"), tooltip=plain, rows=5,
            layout=w.Layout(width="100%", max_width="760px", height="auto"), continuous_update=False,
        )  # fmt: skip
        self.button = w.Button(
            description=say("Keep it, and show a model answer", "存下来，再看参考答案"), button_style="primary",
            layout=w.Layout(width="auto"),
        )  # fmt: skip
        self.ticks = [
            w.Checkbox(value=ticked, description=say(*criterion), indent=False, layout=w.Layout(width="auto", max_width="760px"))
            for criterion, ticked in zip(design.criteria, design.ticked(), strict=True)
        ]
        self.criteria = w.VBox()
        inputs = [self.field, w.HBox([self.button])]
        super().__init__(design.name, f"<b>{say('Design', '设计题')}</b> · {html.escape(plain)}", inputs, below=[self.criteria])
        self.button.on_click(self._keep)
        for tick in self.ticks:
            tick.observe(self._tick, "value")
        if before := last_text(design.name):
            self.field.value = before
            self.reply.value = say("This is what you wrote last time.", "这是你上次写的。")

    def _keep(self, _button: Any) -> None:
        text = self.field.value.strip()
        if len(re.sub(r"\s", "", text)) < SHORTEST:
            self.reply.value = say("Write a sentence first: the answer is worth more after your own.",
                                   "请先写一句：自己写过，参考答案才有用。")  # fmt: skip
            return
        noted = sentences(note_text(self.name, text), note_finished(self.name))
        record(self.name, "text", text)
        refused = withheld()
        model = refused._repr_html_() if refused else _paragraph(say("A model answer", "参考答案"), say(*self.design.model))
        tick = say("Which of these does your answer meet? Tick them.", "你的答案做到了哪几条？请打勾。")
        self.reply.value = f"{model}<p>{tick}</p>{html.escape(noted)}"
        self.criteria.children = tuple(self.ticks)

    def _tick(self, _change: Any) -> None:
        note_guess(self.name, sum(tick.value << place for place, tick in enumerate(self.ticks)))


def _paragraph(head: str, text: str) -> str:
    return f'<div style="max-width:760px"><b>{head}</b><br>{html.escape(text).replace(chr(10), "<br>")}</div>'
