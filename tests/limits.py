"""What a browser's Python (JupyterLite on Pyodide) lacks, imitated here; as a program, what the book does there, as JSON.

No TensorFlow, no Keras, no `constriction`; no thread starts; NumPy's indices have 32 bits, so that integers of 64 are refused
where NumPy takes indices alone, and what NumPy counts or numbers has 32. The last is imitated where NumPy is called as a
function: a method of an array (`x.argmax()`, `x.nonzero()`) cannot be replaced and gives 64 bits here, and sums of int32 do not
overflow here as they would there.
"""

import functools
import hashlib
import importlib.abc
import json
import sys
import threading
from pathlib import Path

import numpy as np

LACKING = ("tensorflow", "keras", "constriction")
NUMBERING = ("argsort", "flatnonzero", "nonzero", "searchsorted", "argmax", "argmin")  # give indices
REFUSING = {"bincount": 0, "repeat": 1}  # take indices alone: which argument
APPS = (
    "quantization_explorer", "sparsification_explorer", "cost_calculator", "compression_explorer", "coding_explorer", "composer",
    "images_per_update", "partitions_explorer", "pruning_explorer", "live_lab", "playground",
)  # fmt: skip


class Lacking(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LACKING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def no_thread(self):
    if not isinstance(self, threading.Timer):  # Matplotlib's, for its list of fonts: Pyodide's Matplotlib goes without
        raise RuntimeError("can't start new thread")


def short(found):
    """What NumPy numbers, in 32 bits."""
    if isinstance(found, tuple):
        return tuple(map(short, found))
    return found.astype(np.int32) if isinstance(found, np.ndarray) and found.dtype == np.int64 else found


def imitate() -> None:
    """Take away what a browser's Python lacks; for a process of its own, which ends with it."""
    sys.meta_path.insert(0, Lacking())
    threading.Thread.start = no_thread
    np.intp = np.int_ = np.int32

    def refusing(function, place):
        @functools.wraps(function)
        def called(*given, **named):
            indices = np.asarray(given[place]) if len(given) > place else None
            if indices is not None and indices.dtype.kind in "iu" and not np.can_cast(indices.dtype, np.int32):
                raise TypeError(f"Cannot cast array data from {indices.dtype!r} to dtype('int32') according to the rule 'safe'")
            found = function(*given, **named)
            return short(found) if function.__name__ == "bincount" else found

        return called

    for name, place in REFUSING.items():
        setattr(np, name, refusing(getattr(np, name), place))
    def numbering(function):
        return functools.wraps(function)(lambda *given, **named: short(function(*given, **named)))

    for name in NUMBERING:
        setattr(np, name, numbering(getattr(np, name)))


def encoded() -> dict[str, str]:
    """Each row of the table on the golden vectors, as a hash of its payload."""
    sys.path.insert(0, str(Path(__file__).parent / "codecs"))
    import golden

    shown = {name: array for name, array in golden.load().items() if name.startswith("Identity() of ")}
    made = golden.extended(shown, golden.CODECS)
    return {name: hashlib.sha256(made[name].tobytes()).hexdigest() for name in sorted(made)}


def decoded() -> list[str]:
    """The golden payloads that are not decoded bit for bit."""
    import golden

    kept = golden.load()
    return [name for name in golden.names(kept) if not golden.is_read(kept, name)]


def shown(name: str) -> list[str]:
    """The alternative texts of an app's picture, as it opens and after a move of each control; or why there is none."""
    try:
        app = getattr(fl.widgets, name)()
    except ImportError as error:
        return [f"refused: {error}"]
    told = []
    for control in (None, *app.controls.values()):
        if isinstance(control, (SelectionSlider, Dropdown)):
            control.index = (control.index + 1) % len(control.options)
        elif isinstance(control, IntSlider):
            control.value += control.step if control.value < control.max else -control.step
        getattr(app, "wait", lambda: None)()
        told.append(app.message.value or app.image.value.partition('alt="')[2].partition('"')[0])
    return told


def measured() -> list[list]:
    """Bytes and error of every codec for a part of the book's delta; no seconds."""
    return [[row.codec, row.bytes, row.nmse] for row in fl.measure(fl.load_client_delta()[:5000], progress=False).rows]


def refusal(name: str) -> str:
    try:
        return f"there: {getattr(fl, name)}"
    except ImportError as error:
        return str(error)


def found(apps=APPS) -> dict:
    """All that is compared with a Python that lacks nothing."""
    return {"encoded": encoded(), "decoded": decoded(), "apps": {name: shown(name) for name in apps}, "measured": measured()}


if __name__ == "__main__":
    imitate()

from ipywidgets import Dropdown, IntSlider, SelectionSlider  # noqa: E402

import fedlab_utils as fl  # noqa: E402  (after what it finds missing is gone)

if __name__ == "__main__":
    refused = {name: refusal(name) for name in ("simulate", "compare", "central", "models", "capstone")}
    json.dump(found() | {"training": refused}, sys.stdout)
