"""Self-checking exercises, one module a chapter: `fl.exercises.mathematics.nearest_levels.check(my_function)`."""

from importlib import import_module

from ..chapters import MODULES
from .asking import Guess, Question
from .base import Exercise, Verdict, Wrong, withhold
from .designing import Design
from .memory import finished
from .overview import answers, progress

__all__ = ["Design", "Exercise", "Guess", "Question", "Verdict", "Wrong", "answers", "finished", "progress", "withhold", *MODULES]


def __getattr__(name):
    if name in MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
