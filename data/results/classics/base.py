"""What an experiment is made of, for ../classics.py to run.

A module of this folder is an experiment if it defines

    EXPERIMENT: str                  its name in classics.csv
    UNIT: str                        of what it measures, "accuracy" say
    CURVE_FIELDS: tuple[str, ...]    columns of its own table, NAME.csv, beside those of every run
    SETTINGS: dict[str, Setting]     what is measured, by its name in the tables
"""

from collections.abc import Callable
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
    quick: whether CI measures it again, with seed 0. unit: of the value, where it is not the experiment's UNIT."""

    paper: str
    run: Callable[[int], Measured]
    seeds: int
    quick: bool
    unit: str = ""
