"""Exercises that check themselves: not attempted, wrong (because …), or right; with hints and a solution.

An exercise is made of texts in both languages and of one function, `examine(answer)`, which raises `Wrong` with a
message that teaches. Everything else is here: the reader's mistakes become messages, never a traceback from inside.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as w
import numpy as np

from ..language import say


class Wrong(Exception):
    """What is wrong with an answer, in the reader's language: `Wrong(en, zh)`."""

    def __init__(self, en: str, zh: str):
        super().__init__(say(en, zh))


class _NotAttempted(Exception):
    pass


@dataclass(frozen=True)
class Verdict:
    """What a check says. state: "not attempted", "wrong" or "right". Shown as a coloured line, and as plain text."""

    state: str
    message: str

    def __repr__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        colour = {"right": "#009E73", "wrong": "#D55E00", "not attempted": "#808080"}[self.state]
        text = html.escape(self.message).replace("\n", "<br>")
        return f'<div role="status" style="border-left:4px solid {colour};padding:4px 10px">{text}</div>'


@dataclass(frozen=True)
class Exercise:
    """One exercise. hints: (en, zh) pairs, the gentlest first. code: the solution, as Python text.

    examine(answer): raises `Wrong`; calls the reader's function with `attempt` only.
    """

    name: str
    examine: Callable
    hints: tuple[tuple[str, str], ...]
    code: str
    praise: tuple[str, str] = ("", "")

    def check(self, answer) -> Verdict:
        """Say whether the answer is right. Never raises, whatever the answer is."""
        try:
            if answer is None or answer is ...:
                raise _NotAttempted
            self.examine(answer)
        except _NotAttempted:
            hint = say(
                "Not attempted yet. Replace the dots, then run the cell again.", "还没有作答。把省略号换成你的代码，再运行一次。"
            )
            return Verdict("not attempted", hint)
        except Wrong as wrong:
            return Verdict("wrong", say(f"Wrong: {wrong}", f"不对：{wrong}"))
        except Exception as error:  # a shape or type that the examiner did not foresee
            text = f"{type(error).__name__}: {error}"
            return Verdict(
                "wrong", say(f"Wrong: this answer could not be checked ({text}).", f"不对：无法检查这个答案（{text}）。")
            )
        remember(self.name)
        return Verdict("right", (say("Right. ", "正确。") + say(*self.praise)).strip())

    def hint(self, number: int = 1) -> Verdict:
        """The number-th hint, counted from one; the last one if there are fewer."""
        number = min(max(int(number), 1), len(self.hints))
        text = say(*self.hints[number - 1])
        return Verdict(
            "not attempted", say(f"Hint {number} of {len(self.hints)}: {text}", f"提示 {number}/{len(self.hints)}：{text}")
        )

    def solution(self) -> Verdict:
        """The code of the solution."""
        return Verdict("right", self.code.strip())


def attempt(function, *arguments, **keywords):
    """Call the reader's function. None or ... means not attempted; what it raises becomes a `Wrong`."""
    if not callable(function):
        raise Wrong(f"expected a function, got {type(function).__name__}", f"需要一个函数，得到的是 {type(function).__name__}")
    try:
        result = function(*arguments, **keywords)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise Wrong(f"your function raised {text}", f"你的函数抛出了异常：{text}") from error
    if result is None or result is ...:
        raise _NotAttempted
    return result


def as_array(result, shape, what: tuple[str, str] = ("the result", "结果")) -> np.ndarray:
    """The result as a float array of this shape; `Wrong` where it is none."""
    try:
        array = np.asarray(result, np.float64)
    except (TypeError, ValueError):
        kind = type(result).__name__
        raise Wrong(f"{what[0]} must hold numbers, got {kind}", f"{what[1]}应当是数值，得到的是 {kind}") from None
    if array.shape != tuple(shape):
        raise Wrong(
            f"{what[0]} must have the shape {tuple(shape)}, got {array.shape}",
            f"{what[1]}的形状应当是 {tuple(shape)}，得到的是 {array.shape}",
        )
    return array


def as_number(result, what: tuple[str, str] = ("the answer", "答案")) -> float:
    """The result as one float; `Wrong` where it is none."""
    return float(as_array(result, (), what))


# Finished exercises are remembered outside the book, so that an update of the book cannot touch them.
def progress_file() -> Path:
    """$FEDLAB_PROGRESS if set, else ~/.fedlab/progress.json."""
    return Path(os.environ.get("FEDLAB_PROGRESS") or Path.home() / ".fedlab" / "progress.json")


def finished() -> list[str]:
    """Names of the exercises that were answered rightly, in the order of their first time."""
    try:
        names = json.loads(progress_file().read_text(encoding="utf8"))
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def remember(name: str) -> None:
    """Note a finished exercise. A folder that cannot be written is no reason to fail the reader."""
    names = finished()
    if name in names:
        return
    try:
        progress_file().parent.mkdir(parents=True, exist_ok=True)
        temporary = progress_file().with_suffix(".tmp")
        temporary.write_text(json.dumps([*names, name], indent=1), encoding="utf8")
        temporary.replace(progress_file())
    except OSError:
        pass


@dataclass(frozen=True)
class Question:
    """A concept question with choices. choices: (en, zh, why_en, why_zh); right: index of the right one."""

    name: str
    text: tuple[str, str]
    choices: tuple[tuple[str, str, str, str], ...]
    right: int

    def verdict(self, choice: int | None) -> Verdict:
        """What is said of a choice: right or wrong, and why."""
        if choice is None:
            return Verdict("not attempted", say("Choose an answer.", "请选择一个答案。"))
        why = say(*self.choices[choice][2:])
        if choice == self.right:
            remember(self.name)
            return Verdict("right", say("Right. ", "正确。") + why)
        return Verdict("wrong", say("Not quite. ", "不太对。") + why)

    def ask(self) -> w.VBox:
        """The question as a widget: one choice, answered at once."""
        options = [(say(en, zh), index) for index, (en, zh, *_) in enumerate(self.choices)]
        buttons = w.RadioButtons(options=options, value=None, layout=w.Layout(width="auto"))
        reply = w.HTML()

        def answer(change) -> None:
            reply.value = self.verdict(change["new"])._repr_html_()

        buttons.observe(answer, "value")
        return w.VBox([w.HTML(f"<b>{html.escape(say(*self.text))}</b>"), buttons, reply])
