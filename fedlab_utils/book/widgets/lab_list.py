"""The list of the runs beside the lab's curves: what all have in common, and of each what tells it from the others.

A character's width is counted in columns, of which a Chinese one takes two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from ...language import percent, say
from ..colours import INK, MUTED
from .lab_training import LabParameters, Run, different, message

TOP = 1.07  # of the axes' height: beside the titles of the panels
SIZE, SMALLER = 8.0, 0.82  # points, where there is room; how much less is still read well
LINE, GAP = 0.046, 0.012  # of the axes' height at that size: a line, and what stands between two runs
MOST = 5, 4, 3, 2  # lines of a run: as many as leave the letters their size
ACCURACY = 8  # columns that it takes of the first line of a run


def settings(run: Run) -> list[str]:
    """What makes this run, in words: the message in one, and what differs from the start."""
    return [message_of(run, message(run.parameters)), *beside_message(run)]


def message_of(run: Run, stages: Sequence[str]) -> str:
    return (" | " if run.parameters.codec else say(", ", "，")).join(stages)


def beside_message(run: Run) -> list[str]:
    p, start, done = run.parameters, LabParameters(), len(run.accuracy[0])
    rounds = say(f"{p.rounds} rounds", f"{p.rounds} 轮") if p.rounds != start.rounds else ""
    so_far = say(f"at round {done}", f"到第 {done} 轮") if done < p.rounds else ""
    seeds = say(f"{p.seeds} seeds", f"{p.seeds} 个种子") if p.seeds > 1 else ""
    return list(filter(None, (rounds, so_far, *different(p), seeds)))


def told_apart(runs: Sequence[Run]) -> tuple[list[str], list[list[str]]]:
    """The settings that all have in common, stages of the message too, none where there is one run only; the others of each."""
    every = [(message(run.parameters), beside_message(run)) for run in runs]
    sets = [{*stages, *beside} for stages, beside in every]
    shared = sets[0].intersection(*sets[1:]) if len(runs) > 1 else set()

    def words(run: Run, stages: Sequence[str], beside: Sequence[str], there: bool) -> list[str]:
        some = [stage for stage in stages if (stage in shared) == there]
        whole = [message_of(run, stages)] if some == list(stages) else some
        return [*whole, *(one for one in beside if (one in shared) == there)]

    common = words(runs[0], *every[0], there=True) if shared else []
    return common, [words(run, *own, there=False) for run, own in zip(runs, every, strict=True)]


class RunList:
    """The texts of the list, made once. ax: the panel that it has for itself; columns: of a line in it; most: how many runs."""

    def __init__(self, ax: Axes, columns: int, most: int):
        self.columns = columns
        ax.set_axis_off()
        ax.set(xlim=(0, 1), ylim=(0, 1))
        words: dict[str, Any] = {"fontsize": SIZE, "va": "top", "linespacing": 1.25}  # which moves the first line as well
        self.heading = ax.text(0, TOP, "\n".join(self._heading([])), color=MUTED, **words)
        words["color"] = INK
        # Of each run its first line, what follows below it, and its accuracy.
        self.lines = [(ax.text(0, 0, "", **words), ax.text(0, 0, "", **words), ax.text(1, 0, "", ha="right", **words))
                      for _ in range(most)]  # fmt: skip

    def draw(self, names: Sequence[str], runs: Sequence[Run], accuracies: Sequence[float]) -> None:
        """names: of the runs. accuracies: their last ones, fractions."""
        common, others = told_apart(runs)
        head, others = self._heading(common), [own or [say("nothing more", "别无其他")] for own in others]

        def lines_and_size(most: int, columns: float) -> tuple[list[list[str]], float]:
            texts = [in_lines(own, columns - ACCURACY, columns, most) for own in others]
            return texts, min(1.0, TOP / (LINE * (len(head) + sum(map(len, texts))) + GAP * len(texts)))

        for most in MOST:
            texts, size = lines_and_size(most, self.columns)
            if size >= SMALLER:
                break
        texts, _ = lines_and_size(most, self.columns / size)  # in smaller letters more finds room
        self.heading.set(text="\n".join(head), fontsize=SIZE * size)
        y = TOP - size * (LINE * len(head) + GAP)
        for text in (text for texts in self.lines for text in texts):
            text.set_text("")
        for (first, more, right), name, lines, accuracy in zip(self.lines, names, texts, accuracies, strict=False):
            first.set(text=f"{name}  {lines[0]}", y=y, fontsize=SIZE * size)
            more.set(text="\n".join(f"     {line}" for line in lines[1:]), y=y - size * LINE, fontsize=SIZE * size)
            right.set(text=percent(accuracy, 1), y=y, fontsize=SIZE * size)
            y -= size * (LINE * len(lines) + GAP)

    def _heading(self, common: Sequence[str]) -> list[str]:
        """The lines above the runs: what goes without saying, and what all have in common."""
        rounds, epochs = LabParameters().rounds, LabParameters().local_epochs
        lines = say(f"Your runs; where it is not said,\n{rounds} rounds with {epochs} local epoch",
                    f"你的运行；没有注明的，\n都是 {rounds} 轮、本地 {epochs} 个周期").split("\n")  # fmt: skip
        if common:
            lines += [say("all with:", "共同的设置："), *in_lines(common, self.columns, self.columns, 3)]
        return lines


def columns_of(text: str) -> int:
    """How wide a text is."""
    return sum(2 if ord(sign) > 0x2E80 else 1 for sign in text)


def in_lines(parts: Sequence[str], first: float, later: float, most: int) -> list[str]:
    """Parts side by side, in lines of so many columns; a part is broken only where it is wider than a line.

    What there is no room for in so many lines is an ellipsis.
    """
    lines = [""]
    for part in parts:
        words = part.split(" ") if columns_of(part) > later else [part]
        for place, word in enumerate(words):
            longer = lines[-1] + (" " if place else " · ") * bool(lines[-1]) + word
            if lines[-1] and columns_of(longer) > (first if len(lines) == 1 else later):
                lines.append(word)
            else:
                lines[-1] = longer
    if len(lines) > most:
        lines = [*lines[: most - 1], cut(f"{lines[most - 1]} {lines[most]}", later)]
    return lines


def in_two_lines(text: str, columns: int) -> str:
    """A text that is wider, broken at the separator nearest to its middle."""
    breaks = [at for at, sign in enumerate(text) if sign in ";；|"]
    if columns_of(text) <= columns or not breaks:
        return text
    middle = min(breaks, key=lambda at: abs(2 * columns_of(text[:at]) - columns_of(text)))
    return f"{text[: middle + 1].rstrip()}\n{text[middle + 1 :].lstrip()}"


def cut(text: str, columns: float) -> str:
    """A text of which more would follow, or that is wider, with an ellipsis for what there is no room for."""
    while columns_of(text) > columns - 1:
        text = text[:-1]
    return text.rstrip(" ·|") + "…"
