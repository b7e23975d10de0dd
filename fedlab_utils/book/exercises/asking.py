"""What asks before it tells: a number to guess, or a choice with its reasons. One click skips either.

Both are prompts of the chapters (CONTRIBUTING.md says how one is written), and the apps ask with the same `Prediction`.
What the reader has answered is kept beside her exercises, and told when she comes again.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as w

from ...language import say
from ..speaking import Spoken, said
from .base import Verdict, sentences
from .journal import record
from .memory import last_guess, note_finished, note_guess


class Asking(Spoken):
    """A question, what it is answered with, and the reply. Where no kernel runs, its text (and its choices) stand there.

    text: HTML, as are choices. name: by it the last answer is kept; "" keeps none. below: what follows the reply.
    """

    def __init__(
        self, name: str, text: str, inputs: Sequence[w.Widget], choices: Sequence[str] = (), below: Sequence[w.Widget] = ()
    ):  # fmt: skip
        self.name, self.text, self._choices = name, text, tuple(choices)
        self.skip = w.Button(description=say("Skip", "跳过"), layout=w.Layout(width="auto"))
        self.reply = said()
        super().__init__([w.HTML(text), *inputs, self.reply, *below])

    def tell(self, reply: str, guess: float | None = None) -> None:
        """Show a reply, HTML, and keep the guess that it answers; None where she skipped."""
        noted = ""
        if self.name and guess is not None:
            noted = note_guess(self.name, guess)
            record(self.name, "guess", guess)
        self.reply.value = f"<div>{reply}{html.escape(noted)}</div>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The widget, and for readers without a kernel its words."""
        bundle = super()._repr_mimebundle_()
        chosen = "".join(f"<li>{choice}</li>" for choice in self._choices)
        run = say("Run this cell to answer.", "运行这个单元格就能作答。")
        static = f"{self.text}{f'<ul>{chosen}</ul>' if chosen else ' '}<i>{run}</i>"
        plain = html.unescape(re.sub("<[^>]+>", " ", static))
        return {**(bundle or {}), "text/html": f"<div>{static}</div>", "text/plain": " ".join(plain.split())}


class Prediction(Asking):
    """Asks for a number; an app stays locked until it has one, or until a click on "skip".

    A number counts when Enter is pressed, the button clicked, or the field left: then it comes from the browser whole.

    text: the question, HTML. answer: the reply, a function of the guess (None if skipped). asked: for an app that trains, the
    position that the question asks about: only a training of exactly that, to its last round, answers it. most: refuse more,
    in these words.
    """

    def __init__(
        self, text: str, answer: Callable[[float | None], str], asked: Any = None, name: str = "",
        most: tuple[float, str] = (math.inf, ""),
    ):  # fmt: skip
        plain = html.unescape(re.sub("<[^>]+>", "", text))  # what a screen reader calls the field
        self.guess = w.Text(
            placeholder=say("a number", "一个数"), tooltip=plain, layout=w.Layout(width="110px"), continuous_update=False
        )
        self.button = w.Button(description=say("This is my guess", "就猜这个数"), button_style="primary")
        self._answer, self.asked, self._most, self._answered = answer, asked, most, False
        self._listeners: list[Callable[[float | None], None]] = []
        self._row = w.HBox()
        super().__init__(name, f"<b>{say('Predict first', '先猜一猜')}</b> · {text}", [self._row])
        self._row.children = (self.guess, self.button, self.skip)
        self.button.on_click(self._guess)
        self.guess.observe(self._guess, "value")
        self.skip.on_click(lambda _: self._done(None))
        if (before := last_guess(name)) is not None:
            self.reply.value = say(f"Last time you guessed {shown(before)}.", f"上次你猜的是 {shown(before)}。")

    def on_answer(self, listener: Callable[[float | None], None]) -> None:
        self._listeners.append(listener)

    def _guess(self, _sender: Any) -> None:
        if self._answered:  # by leaving the field for the button
            return
        guess = number(self.guess.value)
        if guess is None:
            self.tell(say("Please type a number, such as 2.5.", "请输入一个数，例如 2.5。"))
        elif guess > self._most[0]:
            self.tell(self._most[1])
        else:
            self._done(guess)

    def _done(self, guess: float | None) -> None:
        self._answered = True
        self._row.layout.display = "none"
        self.tell(self._answer(guess), guess)
        for listener in self._listeners:
            listener(guess)


@dataclass(frozen=True)
class Guess:
    """A number to guess before the next cells show it. text, unit: (en, zh); truth: what these cells show, rounded.

    why: what to say besides, (en, zh). unit " %": apart by points, not by a factor. most: of a count of so many things, which no
    guess may exceed. by_hand: a number that can be worked out: only what rounding explains is close.
    """

    name: str
    text: tuple[str, str]
    truth: float
    unit: tuple[str, str] = ("", "")
    why: tuple[str, str] = ("", "")
    most: float | None = None
    by_hand: bool = False

    def reply(self, guess: float | None) -> str:
        """What is said of a guess, HTML; None where she skipped."""
        below = say("Run the next cells to see it.", "运行下面的单元格，亲眼看一看。")
        found = compare(guess, self.truth, say(*self.unit), count=self._counts, exact=self.by_hand)
        return sentences(found, html.escape(say(*self.why)), below)

    def solution(self) -> Verdict:
        """The number, and what there is to say of it."""
        truth = f"→ {shown(self.truth)}{say(*self.unit)}"
        return Verdict("solution", "\n".join(filter(None, (say(*self.text), truth, say(*self.why)))))

    def ask(self) -> Prediction:
        """The question as a widget: a number and Enter, or one click on "skip"."""
        text = html.escape(say(*self.text))
        if self.most is None:
            return Prediction(text, self.reply, name=self.name)
        refusal = say(f"At most {shown(self.most)}{self.unit[0]}.", f"最多 {shown(self.most)}{self.unit[1]}。")
        return Prediction(text, self.reply, name=self.name, most=(self.most, refusal))

    @property
    def _counts(self) -> bool:
        """Whether the number is a small count: two of these are apart by a difference, not by a factor."""
        return self.most is not None or (self.truth == int(self.truth) and abs(self.truth) < 20)


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
            return Verdict("right", sentences(say("Right.", "正确。"), why, note_finished(self.name)))
        return Verdict("wrong", say("Not quite. ", "不太对。") + why)

    def solution(self) -> Verdict:
        """The right choice, and why."""
        en, zh, why_en, why_zh = self.choices[self.right]
        return Verdict("solution", say(f"{self.text[0]}\n→ {en}\n{why_en}", f"{self.text[1]}\n→ {zh}\n{why_zh}"))

    def ask(self) -> Asking:
        """The question as a widget: one choice, answered at once, or one click on "skip"."""
        labels = [say(en, zh) for en, zh, *_ in self.choices]
        buttons = w.RadioButtons(
            options=[(label, index) for index, label in enumerate(labels)], value=None, layout=w.Layout(width="auto"),
            tooltip=say(*self.text),
        )  # fmt: skip
        row = w.HBox()
        asking = Asking(self.name, f"<b>{html.escape(say(*self.text))}</b>", [buttons, row], [*map(html.escape, labels)])
        row.children = (asking.skip,)

        def answer(change: dict) -> None:
            row.layout.display = "none"
            asking.tell(self.verdict(change["new"])._repr_html_(), change["new"])

        def skip(_button: Any) -> None:
            row.layout.display, buttons.disabled = "none", True
            asking.tell(self.solution()._repr_html_())

        buttons.observe(answer, "value")
        asking.skip.on_click(skip)
        before = last_guess(self.name)
        if before is not None and before in range(len(labels)):
            label = html.escape(labels[int(before)])
            asking.reply.value = say(f"Last time you chose: {label}", f"上次你选的是：{label}")
        return asking


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


def shown(value: float) -> str:
    """A number to four digits; whole ones of more digits in full."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:,.4g}"


def compare(guess: float | None, truth: float, unit: str = "", count: bool = False, exact: bool = False) -> str:
    """What to say of a guess: the truth, and the factor between the two; of shares (unit " %") the points between them.

    count: of a small count the difference. exact: it could be worked out, and only what rounding explains is close.
    """
    told = f"<b>{shown(truth)}{unit}</b>"
    if guess is None or (guess <= 0 and unit.strip() != "%" and not count):
        return say(f"It is {told}.", f"答案是 {told}。")
    if shown(guess) == shown(truth):
        return say(f"It is {told}: exactly right.", f"答案是 {told}：完全正确。")
    if unit.strip() == "%":  # shares are apart by points, not by a factor
        points = guess - truth
        if abs(points) < 2:
            return say(f"It is {told}: you were close.", f"答案是 {told}：你猜得很准。")
        way, zh = ("high", "高") if points > 0 else ("low", "低")
        return say(
            f"It is {told}. Your {shown(guess)} % was {abs(points):.1f} points too {way}.",
            f"答案是 {told}。你猜了 {shown(guess)}%，{zh}了 {abs(points):.1f} 个百分点。",
        )
    if count:
        apart, few = shown(abs(guess - truth)), guess < truth
        return say(
            f"It is {told}. Your {shown(guess)}{unit} was {apart} too {'few' if few else 'many'}.",
            f"答案是 {told}。你猜了 {shown(guess)}{unit}，{'少' if few else '多'}猜了 {apart}。",
        )
    factor = max(guess / truth, truth / guess)
    if factor < (1.02 if exact else 1.25):
        return say(f"It is {told}: you were close.", f"答案是 {told}：你猜得很准。")
    high, times = guess > truth, shown(float(f"{factor:.3g}"))
    return say(
        f"It is {told}. Your {shown(guess)}{unit} was {times} times too {'high' if high else 'low'}.",
        f"答案是 {told}。你猜了 {shown(guess)}{unit}，{f'是它的 {times} 倍' if high else f'只有它的 1/{times}'}。",
    )
