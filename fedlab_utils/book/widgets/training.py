"""The frame of the apps that train: run, stop, a bar, the picture of the present run, earlier ones in grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import ipywidgets as w
from tqdm.notebook import tqdm_notebook

from ...language import percent_sign, say
from ..exercises.asking import Prediction, compare
from ..plotting import DRAWING, image_tag, webp
from ..speaking import Fold, Spoken, busy, said
from .base import buttons, error_box, frame_layout, panel, set_disabled
from .worker import Newest, Worker

PAUSE = 0.15  # seconds between two pictures of one training: drawing takes from it what the eye does not see


def waiting(guess: float | None, what: str) -> str:
    """What to say when a guess is in and its training is not. True also where the reader moves on before that."""
    if guess is None:
        return say(f"Skipped. The question is about {what}.", f"已跳过。问题问的是：{what}。")
    return say(
        f"Your guess of {guess:,.4g} % is judged when this has been trained to its last round, all other controls as they were: "
        f"{what}.",
        f"你猜的是 {guess:,.4g}%。按下面的设置（其余控件不变）训练完最后一轮时给出答案：{what}。",
    )


class TrainingApp(Spoken):
    """Every position of the controls is a training, drawn round by round, off the main thread.

    A subclass calls `frame`, then `lay_out`, and gives `parameters()`, the present position; `rounds_of(position)`;
    `train(position, on_round)`, which calls on_round(run so far) after every round, with what it does not change any more,
    stops where that returns False, and returns the run; `rounds_done(run)`; `percent(run)`, its last accuracy;
    `formula(run)`; and `to_question()`, which moves a control to what the question asks, and so starts that training.

    What the picture, the bar and the texts hold is changed under `DRAWING` only, and by a training only while no newer
    position waits; its last picture is drawn before the next training begins: so an older run is never drawn over a newer
    position. A round does not wait for the picture of the one before: of rounds that come faster, some are passed over.
    """

    def frame(
        self,
        controls: dict[str, w.Widget],
        picture: Any,
        question: Prediction | None,
        around: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        """Make what all such apps have. Until a question is answered, the controls are locked. around: see `Worker`."""
        self.controls, self.picture, self.question = controls, picture, question
        self.run_button = w.Button(description=say("Run", "运行"), button_style="primary", icon="play")
        self.worker = Worker(self._train, self._failed, around)
        self._rounds = Newest(self._show_round, PAUSE)
        self.stop_button = self.worker.stop_button
        self.stop_button.on_click(self._stopped)
        form = "{n_fmt}/{total_fmt} " + say("rounds", "轮") + " {bar} {elapsed}"
        # An app has no line in a terminal: a line far below is one that the bars of other trainings do not wait for.
        self.bar = tqdm_notebook(total=1, display=False, bar_format=form, mininterval=0, miniters=1, position=2**30)
        self.bar.container.layout.flex = "1 1 260px"
        self.bar.container.layout.visibility = "hidden"  # until there is something to show
        self.image, self.message = w.HTML(layout=w.Layout(min_height="120px")), said()
        self.mathematics = w.HTMLMath(layout=w.Layout(overflow="auto"))  # where a column is narrower than a formula
        self._last = None
        self._open: float | None = None  # a guess that no training has answered yet
        for control in controls.values():
            control.observe(self.start, "value")
        self.run_button.on_click(self.start)
        self._lock(question is not None)
        if question is not None:
            question.on_answer(self._unlock)

    def lay_out(self, groups: Mapping[str, Sequence[str]], *more: w.Widget) -> None:
        """Put all in its place: question, controls in groups (see `panel`), buttons (and more of them), picture, formula."""
        row = buttons(self.run_button, self.stop_button, *more, self.bar.container)
        asked = [self.question] if self.question is not None else []
        shown = [*asked, panel(self.controls, groups), row, self.message, self.image, Fold(self.mathematics)]
        super().__init__(shown, layout=frame_layout())

    def _lock(self, locked: bool) -> None:
        set_disabled({**self.controls, "run": self.run_button}, locked)

    def _unlock(self, guess: float | None) -> None:
        self.picture.guess = self._open = guess
        self._lock(False)
        self.to_question()

    def prepare(self, text: str, job: Callable[[], Any]) -> None:
        """Do a job off the main thread before any training; meanwhile the message is this text."""

        def work() -> None:
            job()
            with DRAWING:
                if self.message.value == text:
                    self.message.value = ""

        self.message.value = text
        self.worker.prepare(work)

    def start(self, _change: Any = None) -> None:
        """Train with the present position of the controls; a training under way is given up for it."""
        with DRAWING:
            if self._last is not None:
                self.picture.keep(self._last)
                self._last = None
            position = self.parameters()
            self.begin(position)
            self.worker.start(position)

    def begin(self, position: Any) -> None:
        """What an app shows of a new position before its first round; most show nothing."""

    def standing(self) -> str:
        """A message that stays while something else is trained; most apps have none."""
        return ""

    def wait(self, timeout: float | None = None) -> Any:
        """Block until no training runs, or for `timeout` seconds; returns the last run. For tests and scripts."""
        self.worker.wait(timeout)
        return self._last

    def _train(self, position: Any) -> None:
        with DRAWING:
            if self.worker.go_on():  # else the message says why not
                self.message.value = self.standing()
            self.bar.container.layout.visibility = "visible"
            busy(self.bar.container, True)
            self.bar.reset(total=self.rounds_of(position))
        try:
            run = self.train(position, self._on_round)
        finally:
            try:
                self._rounds.finish()
            finally:
                with DRAWING:
                    busy(self.bar.container, False)
        with DRAWING:
            self._judge(position, run)
            # A run that a newer position has overtaken leaves no trace; one that the reader stopped stays.
            self._last = None if self.worker.overtaken else run

    def _on_round(self, run: Any) -> bool:
        self._rounds.put(run)
        return self.worker.go_on()

    def _show_round(self, run: Any) -> None:
        with DRAWING:
            if not self.worker.overtaken:
                self.bar.update(self.rounds_done(run) - self.bar.n)
                self.show(run)

    def _judge(self, position: Any, run: Any) -> None:
        """Answer an open guess by the training that it was asked of, to its last round, and by no other."""
        question = self.question
        if question is None or self._open is None or position != question.asked:
            return
        if self.rounds_done(run) == self.rounds_of(position):
            question.tell(compare(self._open, self.percent(run), percent_sign()))
            self._open = None

    def _stopped(self, _button: Any) -> None:
        self.message.value = say("Stopped. Run trains the setting that the controls now show.",
                                 "已停止。按“运行”，就按控件现在的设置训练。")  # fmt: skip

    def _failed(self, error: Exception) -> None:
        self.message.value = error_box(error)

    def show(self, run: Any) -> None:
        """Draw a run, and write its formula."""
        with DRAWING:
            self.picture.draw(run)
            self.image.value = image_tag(webp(self.picture.figure), self.picture.alt(run))
            self.mathematics.value = self.formula(run)
