"""The file of the capstone's scoreboard: a line a judged seed, JSON, beside the notebook; several people's files are one board.

What is in it is never changed, only added to: a new file is written in full before it takes the place of the old one.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..language import percent, say
from ..measuring.table import as_html, as_text
from .exercises.memory import alone
from .exercises.sending import deciding

FORMAT = 1  # of a line; another task (budget, data, seeds) is another format
WANTED, BUDGET_BYTES, SEEDS = 0.95, 30_000_000, 3
FIRST_SEED = 10**6  # of judging; smaller ones are for rehearsals
MOST_NOTES = 5  # of the lines that are passed over
RECIPE = 7  # the last column, of words


def key_of(recipe: dict[str, Any]) -> str:
    """What tells a checked recipe from others: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def seeds_of(key: str) -> list[int]:
    """The seeds that a recipe is judged with; no rehearsal may use them."""
    drawn = (hashlib.sha256(f"{key} {number}".encode()).digest() for number in range(SEEDS))
    return [FIRST_SEED + int.from_bytes(digest[:8], "little") % 10**8 for digest in drawn]


class Run(NamedTuple):
    """One training of a recipe. key: of the recipe. at: when, "2026-11-26 19:10". accuracy: on the test set after the last
    round, NaN where training diverged. total_bytes: both ways, first models in them. rounds: finished, fewer than `planned`
    where the budget was spent before."""

    name: str
    at: str
    key: str
    recipe: dict[str, Any]
    seed: int
    accuracy: float
    total_bytes: int
    rounds: int
    planned: int

    @property
    def within(self) -> bool:
        """Whether it came to its end within the budget."""
        return math.isfinite(self.accuracy) and self.rounds == self.planned and self.total_bytes <= BUDGET_BYTES


@dataclass(frozen=True)
class Submission:
    """What a recipe has come to on its seeds."""

    runs: tuple[Run, ...]

    @property
    def accuracy(self) -> float:
        """The median over the seeds that came to their end; NaN where none did."""
        return float(np.median([run.accuracy for run in self.runs])) if self.within else math.nan

    @property
    def total_bytes(self) -> int:
        """Of the seed that took most."""
        return max(run.total_bytes for run in self.runs)

    @property
    def within(self) -> bool:
        """Whether every seed so far came to its end within the budget."""
        return all(run.within for run in self.runs)

    @property
    def passed(self) -> bool:
        """Whether the median over all seeds has reached what is wanted, each within the budget."""
        return len(self.runs) == SEEDS and self.within and self.accuracy >= WANTED

    def why_not(self) -> str:
        """One sentence: why it has not passed; "" where it has."""
        if (failed := next((run for run in self.runs if not run.within), None)) is not None:
            where = say(f"seed {failed.seed}, round {failed.rounds} of {failed.planned}",
                        f"种子 {failed.seed}，第 {failed.rounds}/{failed.planned} 轮")  # fmt: skip
            if not math.isfinite(failed.accuracy):
                return say(f"Training diverged after {where}.", f"训练发散（{where}之后）。")
            spent, allowed = deciding(failed.total_bytes / 1e3, BUDGET_BYTES / 1e3, 0), f"{BUDGET_BYTES / 1e3:,.0f}"
            return say(f"{float(spent):,.0f} kB were sent by {where}; {allowed} are allowed.",
                       f"到{where}已经发了 {float(spent):,.0f} kB，只允许 {allowed} kB。")  # fmt: skip
        if len(self.runs) < SEEDS:
            return say(f"Only {len(self.runs)} of {SEEDS} seeds are judged: submit the same recipe again, the rest follows.",
                       f"{SEEDS} 个种子只评了 {len(self.runs)} 个：再提交一次同样的方案，就会接着评。")  # fmt: skip
        if self.accuracy < WANTED:
            reached, low, high = (deciding(100 * each, 100 * WANTED, 1) for each in (self.accuracy, *self.spread()))
            return say(f"The median accuracy of {SEEDS} seeds is {reached} % ({low} to {high}); {WANTED:.0%} is wanted.",
                       f"{SEEDS} 个种子的准确率中位数是 {reached}%（{low} 到 {high}），要求 {WANTED:.0%}。")  # fmt: skip
        return ""

    def spread(self) -> tuple[float, float]:
        """The lowest and the highest accuracy."""
        accuracy = [run.accuracy for run in self.runs]
        return min(accuracy), max(accuracy)


@dataclass(frozen=True)
class Board:
    """Submissions: those that passed first, by their bytes, then the others by accuracy. notes: what was passed over."""

    submissions: tuple[Submission, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.submissions)

    def __str__(self) -> str:
        return as_text(self._title(), _heads(), map(self._cells, self.submissions), self._remarks(), RECIPE)

    def _repr_html_(self) -> str:
        return as_html(self._title(), _heads(), map(self._cells, self.submissions), self._remarks(), RECIPE)

    def _title(self) -> str:
        wanted, allowed = f"{WANTED:.0%}", f"{BUDGET_BYTES / 1e3:,.0f} kB"
        return say(f"Scoreboard: {wanted} on two shards within {allowed}", f"记分板：两分片，{allowed} 之内达到 {wanted}")

    def _remarks(self) -> list[str]:
        notes, more = self.notes[:MOST_NOTES], len(self.notes) - MOST_NOTES
        if more > 0:
            notes += (say(f"And {more} more lines.", f"还有 {more} 行。"),)
        if not self.submissions:
            return [say("Nobody has submitted yet.", "还没有人提交。"), *notes]
        said = say(f"Accuracy: on the test set, the median of {SEEDS} seeds (lowest to highest). kB: all messages of the seed "
                   "that took most. No.: which submission of this name it is; all are kept.",
                   f"准确率：测试集上 {SEEDS} 个种子的中位数（最低到最高）。kB：用得最多的那个种子的全部消息。"
                   "次序：这个名字的第几次提交；每次都保留。")  # fmt: skip
        return [said, *notes]

    def _cells(self, submission: Submission) -> list[str]:
        run = submission.runs[0]
        own = sorted((other for other in self.submissions if other.runs[0].name == run.name), key=lambda each: each.runs[0].at)
        low, high = (f"{100 * each:.1f}" for each in submission.spread())
        finished = submission.within
        accuracy = f"{percent(submission.accuracy, 2)} ({low}–{high})" if finished else "–"
        seeds = " ".join(str(each.seed) for each in submission.runs)
        changed = ", ".join(f"{key}={value}" for key, value in run.recipe.items())
        return [run.name, "✓" if submission.passed else "✗", accuracy, f"{submission.total_bytes / 1e3:,.0f}", seeds, run.at,
                str(1 + own.index(submission)), changed]  # fmt: skip


def _heads() -> list[str]:
    return [say("name", "名字"), say("passed", "通过"), say("accuracy", "准确率"), "kB", say("seeds", "种子"),
            say("when", "时间"), say("no.", "次序"), say("recipe", "方案")]  # fmt: skip


def read(paths: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """The runs of some files, each once, in the order in which they stand, and a sentence for each line that is none.

    OSError where a file cannot be read.
    """
    runs: dict[tuple[str, str, int], Run] = {}
    notes = []
    for path in paths:
        for number, line in enumerate(path.read_text("utf-8-sig", "replace").splitlines(), 1):
            if not line.strip():
                continue
            try:
                run = _run(json.loads(line))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                notes.append(say(f"{path.name}, line {number} is passed over: {error!r}.",
                                 f"跳过 {path.name} 第 {number} 行：{error!r}。"))  # fmt: skip
            else:
                runs.setdefault((run.name, run.key, run.seed), run)
    return list(runs.values()), notes


def _run(held: Any) -> Run:
    if not isinstance(held, dict) or held.get("capstone") != FORMAT:
        raise ValueError(say(f"no line of this capstone (format {FORMAT})", f"不是这个挑战的记录（格式 {FORMAT}）"))
    kinds = {"name": str, "at": str, "key": str, "recipe": dict, "seed": int, "total_bytes": int, "rounds": int, "planned": int}
    for field, kind in kinds.items():
        if type(held[field]) is not kind:
            raise TypeError(f"{field} is {held[field]!r}")
    accuracy = math.nan if held["accuracy"] is None else float(held["accuracy"])
    if not (math.isnan(accuracy) or 0 <= accuracy <= 1):
        raise ValueError(f"accuracy is {accuracy}")
    if held["key"] != key_of(held["recipe"]) or held["seed"] not in seeds_of(held["key"]):
        raise ValueError(say("its seed is not one of its recipe's three", "种子不是这个方案的三个种子之一"))
    return Run(**{field: held[field] for field in kinds}, accuracy=accuracy)


def add(file: Path, runs: Iterable[Run]) -> None:
    """Add lines to a file, which is made where there is none. OSError where that cannot be."""
    with alone(file):
        content = file.read_bytes() if file.exists() else b""
        if content and not content.endswith(b"\n"):  # a line that was cut off stays by itself
            content += b"\n"
        for run in runs:
            held = {"capstone": FORMAT, **run._asdict(), "accuracy": run.accuracy if math.isfinite(run.accuracy) else None}
            content += json.dumps(held, ensure_ascii=False).encode() + b"\n"
        temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())  # the content is on the disk before the name leads to it
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)


def board(runs: Iterable[Run], notes: Iterable[str] = ()) -> Board:
    """The submissions that runs belong to: a name and a recipe are one."""
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.name, run.key), []).append(run)
    found = [Submission(tuple(group)) for group in grouped.values()]
    found.sort(key=lambda each: (not each.passed, each.total_bytes if each.passed else 0, -np.nan_to_num(each.accuracy, nan=-1)))
    return Board(tuple(found), tuple(notes))
