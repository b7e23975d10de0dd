"""The apps of the book. Each is one line in a notebook: `fl.widgets.quantization_explorer()`."""

from importlib import import_module

# Imported at first use, so that the explorers do not wait for TensorFlow, which only the lab needs.
_WHERE = {
    "LabParameters": "lab",
    "live_lab": "lab",
    "live_lab_still": "lab",
    "train_lab": "lab",
    "quantization_explorer": "quantization",
    "quantization_still": "quantization",
    "sparsification_explorer": "sparsification",
    "sparsification_still": "sparsification",
}
__all__ = list(_WHERE)


def __getattr__(name):
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
