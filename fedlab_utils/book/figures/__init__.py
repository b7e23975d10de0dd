"""Figures of the book, one module a chapter: data in, a `Still` out. No training, no widgets."""

from importlib import import_module

_CHAPTERS = ("algorithms", "background", "concepts", "mathematics", "practice", "tff")
__all__ = list(_CHAPTERS)


def __getattr__(name):
    if name in _CHAPTERS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
