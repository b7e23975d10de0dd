"""Figures of the book, one module a chapter: data in, a `Still` out. No training, no widgets."""

from importlib import import_module

from ..chapters import MODULES

__all__ = list(MODULES)


def __getattr__(name):
    if name in MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
