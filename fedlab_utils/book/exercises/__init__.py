"""Self-checking exercises, one module a chapter: `fl.exercises.mathematics.nearest_levels.check(my_function)`."""

from importlib import import_module

from .base import Exercise, Question, Verdict, Wrong, finished
from .overview import answers, progress

_CHAPTERS = ("algorithms", "background", "concepts", "mathematics", "practice", "tff")
__all__ = ["Exercise", "Question", "Verdict", "Wrong", "answers", "finished", "progress", *_CHAPTERS]


def __getattr__(name):
    if name in _CHAPTERS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
