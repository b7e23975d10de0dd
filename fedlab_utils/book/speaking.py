"""Apps and prompts for those who do not see them: every control has a name and says what it shows, by keyboard as by mouse.

ipywidgets has no trait for names, values and states as a screen reader is told them, so that a few lines in the browser
(`speaking.js`) take them from what is shown. They know kinds of controls, not the controls: nothing is written twice. Where
they do not run (a notebook without a kernel) there is nothing to name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as w

from ..language import say

HERE = Path(__file__).parent


class Speaking(anywidget.AnyWidget):
    """What names the controls of the `Spoken` in which it stands, and says in a sentence what its picture shows after a move."""

    _esm = HERE / "speaking.js"
    _css = HERE / "speaking.css"


class Spoken(w.VBox):
    """Widgets below each other that a screen reader can use: what every app and every prompt is."""

    def __init__(self, children: Iterable[w.Widget], **keywords: Any):
        super().__init__([*children, Speaking()], **keywords)
        self.add_class("fedlab-app")


class Fold(w.VBox):
    """A formula that folds out below a button, with the keyboard too. It folds in the browser, and so asks no kernel."""

    def __init__(self, formula: w.HTMLMath):
        text = say("Formula, with these numbers", "公式（代入当前数值）")
        button = w.ToggleButton(description=text, icon="caret-right", layout=w.Layout(width="auto"))
        super().__init__([button, formula])
        self.add_class("fedlab-fold")


def said(text: str = "") -> w.HTML:
    """A line whose every new text is read aloud. text: HTML."""
    line = w.HTML(text)
    line.add_class("fedlab-said")
    return line


def busy(widget: w.DOMWidget, now: bool) -> None:
    """Mark, by a widget inside an app, whether its picture is still to change by itself: it is told once it no longer is."""
    (widget.add_class if now else widget.remove_class)("fedlab-busy")


def grouped(heading: str, children: Iterable[w.Widget]) -> w.VBox:
    """Controls below the name of their group, which is told with each of them. heading: HTML."""
    box = w.VBox([w.HTML(heading), *children])
    box.add_class("fedlab-group")
    return box
