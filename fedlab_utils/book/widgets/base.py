"""What the apps share: compute(params) → data, draw(data) → picture, and the frame of controls around them."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as w

from ...language import say
from ..exercises.asking import Prediction
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


def set_disabled(controls: dict[str, w.Widget], disabled: bool) -> None:
    for control in controls.values():
        control.disabled = disabled


def error_box(error: Exception) -> str:
    text = html.escape(f"{type(error).__name__}: {error}")
    return f'<div role="alert" style="color:#b00020;border-left:4px solid #b00020;padding:4px 8px">{text}</div>'
