"""What the apps share: compute(params) → data, draw(data) → picture, and the frame of controls around them."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w

from ...language import say
from ..colours import ALERT
from ..exercises.asking import Prediction
from ..plotting import MARGIN, WIDEST, image_tag, webp
from ..speaking import Fold, Spoken, grouped, said

CONTROL = w.Layout(width="auto", min_width="0")  # as wide as its column
LABEL = {"description_width": "122px"}  # the longest, "server momentum"
MANY = 8  # controls of a group
NARROWEST = 270  # pixels of a column of controls: label, slider, number


def group_name(group: str) -> str:
    """The heading of a group of controls. Every app has them in this order."""
    names = {
        "data": ("Data", "数据"),
        "model": ("Model", "模型"),
        "codec": ("Codec", "编码"),
        "training": ("Training", "训练"),
        "line": ("Line", "线路"),
    }
    return say(*names[group])


ORDER = ("data", "model", "codec", "training", "line")


def panel(controls: Mapping[str, w.Widget], groups: Mapping[str, Sequence[str]]) -> w.GridBox:
    """The controls of an app in headed groups on a grid: as many columns as find room, all equally wide, together as wide as
    the picture; a group to a row where one has many.
    groups: names of controls by group (see `group_name`). ValueError where a control is in no group, or in two.
    """
    listed = [name for names in groups.values() for name in names]
    if sorted(listed) != sorted(controls):
        raise ValueError(f"each control must be in one group: controls {sorted(controls)}, groups {sorted(listed)}")
    boxes = []
    many = max(map(len, groups.values())) > MANY  # then a group to a row, so that the panel does not become a tower
    for group in sorted(groups, key=ORDER.index):
        text = html.escape(group_name(group))
        rule = "border-bottom:1px solid var(--jp-border-color2, currentColor)"
        heading = f'<div style="font-weight:600;line-height:1.7;{rule}">{text}</div>'
        ours = [controls[name] for name in groups[group]]
        wide = [control for control in ours if isinstance(control, w.Text)]  # what is typed has a row of its own
        inside = w.GridBox([c for c in ours if c not in wide], layout=_columns(3 if many else len(ours), "0"))
        boxes.append(grouped(heading, [inside, *wide]))
    return w.GridBox(boxes, layout=_columns(1 if many else len(boxes), "6px"))


def _columns(count: int, rows_apart: str) -> w.Layout:
    """A grid for so many boxes: three columns at most, two where there are two or four, so that none stands alone; fewer where
    there is no room for them."""
    share = {1: 100, 2: 45, 4: 45}.get(count, 30)  # per cent of the width, less than its part for the gaps
    column = f"minmax(min(max({NARROWEST}px, {share}%), 100%), 1fr)"
    return w.Layout(grid_template_columns=f"repeat(auto-fit, {column})", grid_gap=f"{rows_apart} 24px", width="auto")


def buttons(*widgets: w.Widget) -> w.HBox:
    """What is no setting, in a row of its own below them: run, stop, the bar of the training."""
    return w.HBox(widgets, layout=w.Layout(flex_flow="row wrap", align_items="center", margin="10px 0 4px"))


def frame_layout() -> w.Layout:
    """An app is as wide as there is room, and at most as its picture."""
    return w.Layout(width="auto", max_width=f"{WIDEST + 2 * MARGIN}px")


class Explorer(Spoken):
    """An app whose picture follows its controls at once.

    controls: by name of the parameter. compute: a pure function of these parameters. picture: an object with `figure`,
    `draw(data)`, which updates artists that were made once, and `alt(data)`. formula: data → LaTeX and text. groups: see `panel`.
    question: see `Prediction`; the controls stay locked until the reader has guessed or skipped.
    """

    def __init__(
        self,
        controls: dict[str, w.Widget],
        compute: Callable,
        picture: Any,
        formula: Callable,
        groups: Mapping[str, Sequence[str]],
        question: Prediction | None = None,
    ):
        self.controls, self.compute, self.picture, self.formula = controls, compute, picture, formula
        self.image = w.HTML(layout=w.Layout(min_height="120px"))
        self.message = said()
        self.mathematics = w.HTMLMath(layout=w.Layout(overflow="auto"))  # where a column is narrower than a formula
        self.question = question
        asked = [question] if question else []
        shown = [*asked, panel(controls, groups), self.message, self.image, *self.below(), Fold(self.mathematics)]
        super().__init__(shown, layout=frame_layout())
        for control in controls.values():
            control.observe(self.refresh, "value")
        if question is not None:
            set_disabled(controls, True)
            question.on_answer(self._unlock)
        self.refresh()

    def below(self) -> list[w.Widget]:
        """What stands between the picture and the formula; most apps have nothing there."""
        return []

    def parameters(self) -> dict:
        return {name: control.value for name, control in self.controls.items()}

    def refresh(self, _change: Any = None) -> None:
        """Compute and draw for the present position of the controls. What goes wrong is shown, and raised."""
        try:
            data = self.compute(**self.parameters())
            self.picture.draw(data)
            self.image.value = image_tag(webp(self.picture.figure), self.picture.alt(data))
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
    return refusal_box(f"{type(error).__name__}: {error}")


def refusal_box(text: str) -> str:
    """What cannot be done, and why."""
    style = f"border-left:4px solid {ALERT};padding:4px 8px"  # words and ground are the page's, light or dark
    return f'<div role="alert" style="{style}">{html.escape(text)}</div>'
