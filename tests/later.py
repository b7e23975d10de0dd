"""Modules that are imported when something of them is used first, so that collecting the tests takes no TensorFlow."""

from importlib import import_module


class Later:
    """Stands for a module (or, with `within`, for a module that is an attribute of one): reads and writes are passed on."""

    __slots__ = ("_place",)

    def __init__(self, name: str, within: str | None = None):
        object.__setattr__(self, "_place", (name, within))

    def _module(self):
        name, within = self._place
        return getattr(import_module(within), name) if within else import_module(name)

    @property
    def __dict__(self):  # where monkeypatch looks for what it has to put back
        return self._module().__dict__

    def __getattr__(self, name):
        if name.startswith(("__", "_mock", "_pytest")):  # collecting, pytest asks everything whether it wraps a fixture
            raise AttributeError(name)
        return getattr(self._module(), name)

    def __setattr__(self, name, value):
        setattr(self._module(), name, value)

    def __delattr__(self, name):
        delattr(self._module(), name)
