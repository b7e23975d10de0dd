"""What the apps share: compute(params) → data, draw(data) → picture, and the frame of controls around them."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import ipywidgets as w

from ...language import say
from ..plotting import image_tag, png

CONTROL = w.Layout(width="330px")
LABEL = {"description_width": "105px"}


class Explorer(w.VBox):
    """An app whose picture follows its controls at once.

    controls: by name of the parameter. compute: a pure function of these parameters. picture: an object with `figure`,
    `draw(data)`, which updates artists that were made once, and `alt(data)`. formula: data → LaTeX and text.
    question: see `Prediction`; the controls stay locked until the reader has guessed or skipped.
    """

    def __init__(
        self,
        controls: dict[str, w.Widget],
        compute: Callable,
        picture: Any,
        formula: Callable,
        question: Prediction | None = None,
    ):
        self.controls, self.compute, self.picture, self.formula = controls, compute, picture, formula
        self.image = w.HTML(layout=w.Layout(min_height="200px"))
        self.message = w.HTML()
        self.mathematics = w.HTMLMath()
        fold = w.Accordion([self.mathematics], titles=[say("Formula, with these numbers", "公式（代入当前数值）")])
        self.question = question
        panel = w.HBox(list(controls.values()), layout=w.Layout(flex_flow="row wrap"))
        super().__init__([*([question] if question else []), panel, self.message, self.image, fold])
        for control in controls.values():
            control.observe(self.refresh, "value")
        if question is not None:
            set_disabled(controls, True)
            question.on_answer(self._unlock)
        self.refresh()

    def parameters(self) -> dict:
        return {name: control.value for name, control in self.controls.items()}

    def refresh(self, _change: Any = None) -> None:
        """Compute and draw for the present position of the controls. What goes wrong is shown, and raised."""
        try:
            data = self.compute(**self.parameters())
            self.picture.draw(data)
            self.image.value = image_tag(png(self.picture.figure), self.picture.alt(data))
            self.mathematics.value = self.formula(data)
            self.message.value = ""
        except Exception as error:
            self.message.value = error_box(error)
            raise

    def _unlock(self, guess: float | None) -> None:
        set_disabled(self.controls, False)
        self.picture.guess = guess
        self.refresh()


class Prediction(w.VBox):
    """Asks for a number before an app unlocks. One click skips it.

    text: the question. answer: reveal text, a function of the guess (None if skipped). asked: for an app that trains, the
    position that the question asks about: only a training of exactly that, to its last round, answers it.
    """

    def __init__(self, text: str, answer: Callable[[float | None], str], asked: Any = None):
        self.guess = w.Text(placeholder=say("a number", "一个数"), layout=w.Layout(width="110px"))
        self.button = w.Button(description=say("This is my guess", "就猜这个数"), button_style="primary")
        self.skip = w.Button(description=say("Skip", "跳过"))
        self.reply = w.HTML()
        self._answer, self.asked = answer, asked
        self._listeners: list[Callable[[float | None], None]] = []
        self.button.on_click(self._guess)
        self.skip.on_click(lambda _: self._done(None))
        self._row = w.HBox([self.guess, self.button, self.skip])
        label = say("Predict first", "先猜一猜")
        super().__init__([w.HTML(f"<b>{label}</b> · {text}"), self._row, self.reply])

    def on_answer(self, listener: Callable[[float | None], None]) -> None:
        self._listeners.append(listener)

    def _guess(self, _sender) -> None:
        guess = number(self.guess.value)
        if guess is None:
            self.reply.value = say("Please type a number, such as 2.5.", "请输入一个数，例如 2.5。")
        else:
            self._done(guess)

    def _done(self, guess: float | None) -> None:
        self._row.layout.display = "none"
        self.reply.value = self._answer(guess)
        for listener in self._listeners:
            listener(guess)


def number(text: str) -> float | None:
    """The finite number that a reader has typed, None for anything else.

    Full-width digits and signs are taken, and a decimal comma; commas that part thousands, as we print them, are not decimal.
    """
    text = unicodedata.normalize("NFKC", text).strip(" ~≈约%")
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", text):
        text = text.replace(",", "")
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def set_disabled(controls: dict[str, w.Widget], disabled: bool) -> None:
    for control in controls.values():
        control.disabled = disabled


def error_box(error: Exception) -> str:
    text = html.escape(f"{type(error).__name__}: {error}")
    return f'<div role="alert" style="color:#b00020;border-left:4px solid #b00020;padding:4px 8px">{text}</div>'


def compare(guess: float | None, truth: float, unit: str = "") -> str:
    """What to say of a guess: the truth, and the factor between the two; of shares (unit " %") the points between them."""
    shown = f"<b>{truth:,.4g}{unit}</b>"
    if guess is None or (guess <= 0 and unit != " %"):
        return say(f"It is {shown}.", f"答案是 {shown}。")
    if unit == " %":  # shares are apart by points, not by a factor
        points = guess - truth
        if abs(points) < 2:
            return say(f"It is {shown}: you were close.", f"答案是 {shown}：你猜得很准。")
        way, zh = ("high", "高") if points > 0 else ("low", "低")
        return say(
            f"It is {shown}. Your {guess:,.4g} % was {abs(points):.1f} points too {way}.",
            f"答案是 {shown}。你猜了 {guess:,.4g} %，{zh}了 {abs(points):.1f} 个百分点。",
        )
    factor = max(guess / truth, truth / guess)
    if factor < 1.25:
        return say(f"It is {shown}: you were close.", f"答案是 {shown}：你猜得很准。")
    high = guess > truth
    return say(
        f"It is {shown}. Your {guess:,.4g}{unit} was {factor:,.3g} times too {'high' if high else 'low'}.",
        f"答案是 {shown}。你猜了 {guess:,.4g}{unit}，是它的 {f'{factor:,.3g} 倍' if high else f'1/{factor:,.3g}'}。",
    )
