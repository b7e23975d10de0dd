"""Trainings over several seeds that are too long for a cell, read from the table in which they stand."""

from __future__ import annotations

import csv
from functools import cache

from ..data.files import damaged, existing
from ..language import say
from ..validation import require_choice
from .history import History


@cache
def _table() -> dict[str, dict[int, History]]:
    """Every training of data/results/trainings.csv: by setting, then by seed."""
    path, mend = existing("results/trainings.csv")
    found: dict[str, dict[int, History]] = {}
    try:
        with path.open(newline="", encoding="utf8") as file:
            for row in csv.DictReader(file):
                history = found.setdefault(row["setting"], {}).setdefault(int(row["seed"]), History(seed=int(row["seed"])))
                history.accuracy.append(float(row["accuracy"]))
                history.uplink_bytes.append(int(row["uplink_bytes"]))
                history.downlink_bytes.append(int(row["downlink_bytes"]))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, mend, repr(error)) from error
    if not found:
        raise damaged(path, mend, say("it holds no training", "里面没有训练记录"))
    return found


def load_trainings(setting: str) -> list[History]:
    """The trainings of one setting, a History each, in the order of their seeds (0, 1, 2, …).

    They hold accuracy, uplink_bytes, downlink_bytes and seed; what else a History has is empty. data/results/trainings.py
    says what a setting is, and makes the table. ValueError for a setting that is not in it, or a damaged table;
    FileNotFoundError where it is missing.
    """
    found = _table()
    require_choice("setting", setting, found)
    return [history for _, history in sorted(found[setting].items())]


def settings() -> list[str]:
    """The settings that the table of trainings holds, in its order."""
    return list(_table())
