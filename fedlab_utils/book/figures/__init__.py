"""Figures of the book, one module a chapter, `story` for chapter 0, `classic_…` for results of the field: data in, a `Still`
out. No training, no widgets."""

from importlib import import_module

from ..chapters import MODULES

__all__ = [*MODULES, "classic_sparsification", "classic_systems", "classics", "story"]


def __getattr__(name):
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
