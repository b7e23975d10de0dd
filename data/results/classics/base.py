"""What an experiment is made of, for ../classics.py to run.

A module of this folder is an experiment if it defines

    EXPERIMENT: str                  its name in classics.csv
    UNIT: str                        of what it measures, "accuracy" say
    CURVE_FIELDS: tuple[str, ...]    columns of its own table, NAME.csv, beside those of every run
    SETTINGS: dict[str, Setting]     what is measured, by its name in the tables
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


class Measured(NamedTuple):
    """One setting, measured with one seed.

    value: in the experiment's UNIT. uplink_bytes, downlink_bytes: len(payload), summed over all messages of the run; 0 where
    nothing is sent. curve: rows for the experiment's own table, with CURVE_FIELDS; may be empty.
    """

    value: float
    uplink_bytes: int
    downlink_bytes: int
    curve: list[dict]


class Setting(NamedTuple):
    """paper: the paper's figure, with its source; "" where there is none. run: measures with a seed. seeds: how many, 0, 1, 2 …
    quick: whether CI measures it again, with seed 0; its bytes must agree between seeds to 3 %, or as its values do.
    unit: of the value, where it is not the experiment's UNIT."""

    paper: str
    run: Callable[[int], Measured]
    seeds: int
    quick: bool
    unit: str = ""


def write_choices(program: str, fields: Sequence[str], rows: Iterable[dict]) -> None:
    """Write NAME_choice.csv beside the experiment NAME, whose __file__ `program` is: what its settings were chosen by."""
    with Path(program).with_name(f"{Path(program).stem}_choice.csv").open("w", newline="", encoding="utf8") as file:
        table = csv.DictWriter(file, fields, lineterminator="\n")
        table.writeheader()
        for row in rows:  # each takes a training: it is kept and shown at once
            table.writerow(row)
            file.flush()
            print(row, flush=True)
