"""Exercises that check themselves: not attempted, wrong (because …), or right; with hints and a solution.

An exercise is made of texts in both languages and of one function, `examine(answer)`, which raises `Wrong` with a
message that teaches. Everything else is here: the reader's mistakes become messages, never a traceback from inside.
"""

from __future__ import annotations

import contextlib
import copy
import html
import reprlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...language import say
from ..colours import VERDICTS
from .journal import record
from .memory import note_finished


class Wrong(Exception):
    """What is wrong with an answer, in the reader's language: `Wrong(en, zh)`."""

    def __init__(self, en: str, zh: str):
        super().__init__(say(en, zh))


class _NotAttempted(Exception):
    pass


_withheld = False  # whether solutions are
_answered: set[int] = set()  # ids of the functions that have returned something in the check that runs
SIGNS = {"right": "✓ ", "wrong": "✗ ", "not attempted": "", "hint": "", "solution": ""}


@dataclass(frozen=True)
class Verdict:
    """What the engine says: one coloured line in a notebook, plain text elsewhere.

    state: "not attempted", "wrong" or "right" from a check; "hint" and "solution" from those. code: shown as code.
    """

    state: str
    message: str
    code: str = ""

    def __repr__(self) -> str:
        return f"{SIGNS[self.state]}{self.message}" + (f"\n\n{self.code}" if self.code else "")

    def _repr_html_(self) -> str:
        text = html.escape(SIGNS[self.state] + self.message).replace("\n", "<br>")
        code = f'<pre style="margin:6px 0 0;padding:6px 10px">{html.escape(self.code)}</pre>' if self.code else ""
        style = f"border-left:4px solid {VERDICTS[self.state]};padding:4px 10px"
        return f'<div role="status" style="{style}">{text}{code}</div>'


@dataclass(frozen=True)
class Exercise:
    """One exercise. number: as in its heading, "5.1". hints: (en, zh) pairs, the gentlest first. code: the solution, Python text.

    examine(answer): raises `Wrong`; calls the reader's function with `attempt` only. What it returns, (en, zh) or None, is
    said of a right answer before the praise: what was measured of it.
    """

    name: str
    number: str
    examine: Callable
    hints: tuple[tuple[str, str], ...]
    code: str
    praise: tuple[str, str] = ("", "")

    def check(self, answer: Any, remember: bool = True) -> Verdict:
        """Say whether the answer is right. Never raises, whatever the answer is.

        remember=False: a right answer is not noted as the reader's own; for the cells that run the book's solutions.
        """
        _answered.clear()
        measured = None
        try:
            if answer is None or answer is ...:
                raise _NotAttempted
            with _quiet():
                measured = self.examine(answer)
        except _NotAttempted:
            return Verdict(
                "not attempted",
                say(
                    "Not attempted yet. Replace the dots with your code (a function must return its result), and run again.",
                    "还没有作答。把省略号换成你的代码（若是函数，别忘了用 return 返回结果），再运行一次。",
                ),
            )
        except Exception as error:
            if remember:
                record(self.name, "wrong", answer)
            if isinstance(error, Wrong):
                return Verdict("wrong", say(f"Wrong: {error}", f"不对：{error}"))
            text = f"{type(error).__name__}: {error}"  # a shape or type that the examiner did not foresee
            return Verdict(
                "wrong", say(f"Wrong: this answer could not be checked ({text}).", f"不对：无法检查这个答案（{text}）。")
            )
        noted = ""
        if remember:
            noted = note_finished(self.name)
            record(self.name, "right", answer)
        return Verdict("right", sentences(say("Right.", "正确。"), say(*(measured or ("", ""))), say(*self.praise), noted))

    def hint(self, number: int = 1) -> Verdict:
        """The number-th hint, counted from one; where there are fewer, what to do after the last."""
        total = len(self.hints)
        if number > total:
            where = say(" A solution is folded away below the exercise, or: solution().",
                        "参考答案折叠在练习下面，也可以用 solution() 查看。")  # fmt: skip
            ends = say(f"There are no more than {total} hints.", f"提示一共只有 {total} 条。")
            return Verdict("hint", ends if _withheld else ends + where)
        number = max(int(number), 1)
        text = say(*self.hints[number - 1])
        more = ""
        if number < total:
            more = say(f" (The next one: hint({number + 1}).)", f"（还不够？请用 hint({number + 1})。）")
        return Verdict("hint", say(f"Hint {number} of {total}: {text}{more}", f"提示 {number}/{total}：{text}{more}"))

    def solution(self) -> Verdict:
        """The solution, as code; in the edition for students, that it is withheld."""
        return withheld() or Verdict("solution", say("One solution:", "参考答案："), self.code.strip())


def withhold() -> None:
    """Show no solution from now on: the edition for students (`book.student`) begins so."""
    global _withheld
    _withheld = True


def withheld() -> Verdict | None:
    """What is said in place of a solution where solutions are withheld, None elsewhere."""
    if not _withheld:
        return None
    return Verdict(
        "hint",
        say("This edition comes without solutions: there are hints, hint() and hint(2), and your teacher.",
            "这一版不带参考答案：可以看提示 hint()、hint(2)，或者请教老师。"),
    )  # fmt: skip


def sentences(*texts: str) -> str:
    """The texts that are not empty, one after the other."""
    return say(" ", "").join(filter(None, texts))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # 0/0 on the way to a wrong answer is told in words, not in red.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def told(en: str, zh: str) -> Iterator[None]:
    """What is raised within becomes a `Wrong`: these words, and what it was."""
    try:
        yield
    except Wrong:
        raise
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}"
        raise Wrong(f"{en} {text}", f"{zh}{text}") from error


def attempt(function: Any, *arguments: Any) -> Any:
    """Call the reader's function with copies of the arguments; `Wrong` where it raises, or changes what it was given.

    None or ... means not attempted; after a first result it is a `Wrong`: some branch has no return.
    """
    if not callable(function):
        raise Wrong(f"expected a function, got {type(function).__name__}", f"需要一个函数，得到的是 {type(function).__name__}")
    given = [copy.deepcopy(argument) for argument in arguments]
    with told("your function raised", "你的函数抛出了异常："):
        result = function(*given)
    for number, (before, after) in enumerate(zip(arguments, given, strict=True), 1):
        if not _unchanged(before, after):
            raise Wrong(
                f"your function changes its input (argument {number}); work on a copy, such as x.copy().",
                f"你的函数改动了输入（第 {number} 个参数）；请在副本上计算，例如 x.copy()。",
            )
    if result is None or result is ...:
        if id(function) not in _answered:
            raise _NotAttempted
        raise Wrong(
            f"your function returned nothing for ({shown(*arguments)}): does every branch end with return?",
            f"参数为 ({shown(*arguments)}) 时，你的函数什么也没有返回：是不是有的分支漏了 return？",
        )
    _answered.add(id(function))
    return result


def _unchanged(before: Any, after: Any) -> bool:
    if type(before) is not type(after):
        return False
    if isinstance(before, np.ndarray):
        return (before.dtype, before.shape) == (after.dtype, after.shape) and before.tobytes() == after.tobytes()
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    return type(before).__eq__ is object.__eq__ or before == after  # codecs have no ==


def shown(*values: Any) -> str:
    """Values as a message shows them: arrays as lists of rounded numbers, long ones cut short."""
    return ", ".join(reprlib.repr(np.round(v, 3).tolist() if isinstance(v, np.ndarray) else v) for v in values)


def as_array(result: Any, shape: tuple[int, ...] | None = None, what: tuple[str, str] = ("the result", "结果")) -> np.ndarray:
    """The result as a float array of this shape (None: of any); `Wrong` where it is none."""
    try:
        array = np.asarray(result)
        if array.dtype.kind not in "biuf":  # text, complex numbers, objects
            raise TypeError
        array = array.astype(np.float64)
    except Exception as error:  # ragged lists, or an object whose __array__ fails
        kind = type(result).__name__
        en, zh = (" of parts that differ in length", "，各部分长短不一") if isinstance(error, ValueError) else ("", "")
        raise Wrong(f"{what[0]} must hold numbers, got {kind}{en}", f"{what[1]}应当是数值，得到的是 {kind}{zh}") from None
    if shape is not None and array.shape != tuple(shape):
        raise Wrong(
            f"{what[0]} must have the shape {tuple(shape)}, got {array.shape}",
            f"{what[1]}的形状应当是 {tuple(shape)}，得到的是 {array.shape}",
        )
    return array


def as_number(result: Any, what: tuple[str, str] = ("the answer", "答案")) -> float:
    """The result as one float; `Wrong` where it is none."""
    return float(as_array(result, (), what))


def hold_levels(result: Any, bits: int) -> None:
    """`Wrong` where the result is of integers too narrow for levels of so many bits: its values have wrapped around."""
    kind, most = np.asarray(result).dtype, 2**bits - 1
    if kind.kind in "iu" and np.iinfo(kind).max < most:
        raise Wrong(
            f"these integers cannot hold {bits} bits: {kind} ends at {np.iinfo(kind).max:,}, the highest level is {most:,}.",
            f"这些整数装不下 {bits} 位：{kind} 最大到 {np.iinfo(kind).max:,}，而最高的量化级是 {most:,}。",
        )
