"""What the programs beside it have in common: a table of rows, some to each training, and which of them are there already."""

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path


def write(table: Path, fields: Sequence[str], keys: Sequence[str], wanted: Iterable[tuple], rows: Callable, add: bool) -> None:
    """Write a table: rows(*key) for each wanted key, in this order; with `add` only for keys that it does not hold yet.

    keys: the fields that a key is made of. The rows of a key are written together, or not at all, so that `add` may take
    what an interrupted run has left. wanted is asked for one key at a time: who counts them sees how far it is.
    """
    known: dict[tuple, list[dict]] = {}
    if add:
        with table.open(newline="", encoding="utf8") as file:
            for row in csv.DictReader(file):
                known.setdefault(tuple(row[name] for name in keys), []).append(row)
    done: list[dict] = []
    for key in wanted:
        name = tuple(map(str, key))
        missing = name not in known
        done += list(rows(*key)) if missing else known.pop(name)
        if missing:  # what was known and comes later stays in the file, whatever may interrupt the next training
            _save(table, fields, [*done, *(row for later in known.values() for row in later)])
    _save(table, fields, done)


def _save(table: Path, fields: Sequence[str], rows: Iterable[dict]) -> None:
    """The whole table anew, in one step: who is stopped in the middle of it leaves the table as it was."""
    part = table.with_suffix(".writing")
    with part.open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, table)
