"""What the programs beside it have in common: a table of rows, some to each training, and which of them are there already."""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path


def write(table: Path, fields: Sequence[str], keys: Sequence[str], wanted: Iterable[tuple], rows: Callable, add: bool) -> None:
    """Write a table: rows(*key) for each wanted key, in this order; with `add` only for keys that it does not hold yet.

    keys: the fields that a key is made of. The rows of a key are written together, or not at all, so that `add` may take
    what an interrupted run has left.
    """
    known: dict[tuple, list[dict]] = {}
    if add:
        with table.open(newline="", encoding="utf8") as file:
            for row in csv.DictReader(file):
                known.setdefault(tuple(row[name] for name in keys), []).append(row)
    with table.open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        for key in wanted:
            writer.writerows(known.get(tuple(map(str, key))) or list(rows(*key)))
            file.flush()
