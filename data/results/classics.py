"""Make classics.csv: classic results of the field, re-measured, each beside the figure of its paper.

    make results                                                    # every experiment from the beginning
    make results-quick                                              # the slice that CI measures again
    .venv/bin/python data/results/classics.py --only NAME           # one experiment: classics/NAME.py
    .venv/bin/python data/results/classics.py --add                 # only the settings and seeds that the tables lack

One row a setting: mean, lowest and highest value over its seeds (0, 1, 2 …), the mean of its bytes up and down, the seconds
of all its runs, and the commit that measured it ("+": with changes that were not committed). classics/NAME.csv holds every
run, one line with its value, bytes, seconds, commit and versions, and below it the lines of its curve. A run that was
stopped goes on where it was, from classics/NAME.part.csv (--fresh: from the beginning); the tables are replaced when all
that was asked for has been measured.

--quick measures the settings that are marked so, with seed 0, and compares with the table: exit code 1, and a sentence for
each value that lies further outside its spread than the spread is wide (half a per cent where seeds agree), or bytes that
differ by more than 3 %, which is what another processor's rounding does to coded levels, and by a larger share than the spread.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from classics.base import Measured
from studies import write
from tqdm import tqdm

import fedlab_utils as fl
from fedlab_utils.data.tables import Classic

HERE = Path(__file__).resolve().parent
TABLE, FOLDER = HERE / "classics.csv", HERE / "classics"
RUN = ("setting", "seed", "value", "uplink_bytes", "downlink_bytes", "seconds", "commit", "versions")
NARROW, BYTES = 0.005, 0.03  # shares of the mean: what counts as spread where seeds agree; by how much bytes may differ


def experiments(only: Sequence[str] = ()) -> dict[str, ModuleType]:
    """The experiments by the name of their file, those named in `only` or all. ValueError for a name that is none."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
    if unknown := set(only) - set(names):
        raise ValueError(f"no experiment {sorted(unknown)[0]!r}; there are {', '.join(names)}")
    found = {name: import_module(f"classics.{name}") for name in only or names}
    return {name: module for name, module in found.items() if hasattr(module, "EXPERIMENT")}


def commit() -> str:
    """The commit that is checked out, ten digits, with "+" where programs or package have changed since; "" outside git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "*.py", "../../fedlab_utils")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def fields(module: ModuleType) -> tuple[str, ...]:
    """The columns of an experiment's own table; a curve may have bytes of its own, in the same columns."""
    return tuple(dict.fromkeys((*RUN, *module.CURVE_FIELDS)))


def rows(module: ModuleType, setting: str, seed: int, about: Sequence[str]) -> Iterator[dict]:
    """Measure, and give the line of the run, then those of its curve. about: commit and versions."""
    began = time.perf_counter()
    value, up, down, curve = module.SETTINGS[setting].run(seed)
    seconds = f"{time.perf_counter() - began:.1f}"
    yield dict(zip(RUN, (setting, seed, f"{value:.6g}", up, down, seconds, *about), strict=True))
    for point in curve:
        yield point | {"setting": setting, "seed": seed}


def begin(part: Path, table: Path, columns: Sequence[str], add: bool, fresh: bool) -> None:
    """Put in place what measuring goes on from: what an interrupted run has left, or with `add` the table as it is."""
    if part.exists():
        with part.open(newline="", encoding="utf8") as file:
            if fresh or next(csv.reader(file), []) != list(columns):  # the experiment has other columns by now
                part.unlink()
    if add and table.exists() and not part.exists():
        shutil.copyfile(table, part)


def measure(only: Sequence[str] = (), add: bool = False, fresh: bool = False) -> None:
    """Measure all settings with all seeds, show how far it is, and write the tables."""
    about = (commit(), ", ".join(f"{name} {version}" for name, version in fl.History().versions.items()))
    wanted = experiments(only)
    keys = {
        name: [(which, seed) for which, setting in module.SETTINGS.items() for seed in range(setting.seeds)]
        for name, module in wanted.items()
    }
    with tqdm(total=sum(map(len, keys.values())), unit="run") as bar:
        for name, module in wanted.items():

            def counted(name: str) -> Iterator[tuple[str, int]]:
                for setting, seed in keys[name]:
                    bar.set_description(f"{name}: {setting}, seed {seed}")
                    yield setting, seed
                    bar.update()

            def measured(setting: str, seed: int, module: ModuleType = module) -> Iterable[dict]:
                return rows(module, setting, seed, about)

            part = FOLDER / f"{name}.part.csv"
            begin(part, FOLDER / f"{name}.csv", fields(module), add, fresh)
            write(part, fields(module), ("setting", "seed"), counted(name), measured, add=part.exists())
    for name in wanted:  # only now: what is stopped above would otherwise begin again with what it has finished
        os.replace(FOLDER / f"{name}.part.csv", FOLDER / f"{name}.csv")
    summarize()


def summary(module: ModuleType, table: Path) -> list[Classic]:
    """One row a setting that the experiment's own table holds."""
    runs: dict[str, list[dict]] = {}
    with table.open(newline="", encoding="utf8") as file:
        for row in csv.DictReader(file):
            if row["versions"]:  # the line of a run, and not of its curve
                runs.setdefault(row["setting"], []).append(row)

    def mean(column: str, found: list[dict]) -> float:
        return sum(float(row[column]) for row in found) / len(found)

    made = []
    for name, setting in module.SETTINGS.items():
        if not (found := runs.get(name)):
            continue
        values = [float(row["value"]) for row in found]
        made.append(
            Classic(
                module.EXPERIMENT, name, setting.unit or module.UNIT, setting.paper,
                float(f"{mean('value', found):.6g}"), min(values), max(values), len(found),
                round(mean("uplink_bytes", found)), round(mean("downlink_bytes", found)),
                round(sum(float(row["seconds"]) for row in found), 1),
                " ".join(sorted({row["commit"] for row in found})),
            )
        )  # fmt: skip
    return made


def summarize() -> None:
    """Write classics.csv from the tables of all experiments."""
    found = ((module, FOLDER / f"{name}.csv") for name, module in experiments().items())
    made = {
        (row.experiment, row.setting): row._asdict()
        for module, table in found if table.exists() for row in summary(module, table)
    }  # fmt: skip
    write(TABLE, Classic._fields, ("experiment", "setting"), made, lambda *key: [made[key]], add=False)


def differences(row: Classic, measured: Measured) -> list[str]:
    """What a setting measured again, with one seed, has that its row in the table does not allow, as sentences."""
    told, name = [], f"{row.experiment}, {row.setting}"
    reach = max(row.ours_high - row.ours_low, NARROW * abs(row.ours_mean))
    if not row.ours_low - reach <= measured.value <= row.ours_high + reach:  # NaN as well
        told.append(
            f"{name}: {measured.value:.4g} was measured ({row.unit}), the table has {row.ours_mean:.4g}, "
            f"from {row.ours_low:.4g} to {row.ours_high:.4g} over {row.seeds} seed{'s' * (row.seeds > 1)}."
        )
    share = max(BYTES, reach / abs(row.ours_mean))  # where the value counts rounds, bytes go with it
    for way, was, now in (("up", row.uplink_bytes, measured.uplink_bytes), ("down", row.downlink_bytes, measured.downlink_bytes)):
        if abs(now - was) > share * was:
            told.append(f"{name}: {now:,} bytes {way} were measured, the table has {was:,}.")
    return told


def quick(only: Sequence[str] = ()) -> list[str]:
    """Measure the quick slice, say each value, and give what differs from the committed table, as sentences."""
    committed = {(row.experiment, row.setting): row for row in fl.load_classics()}
    told = []
    for module in experiments(only).values():
        for name, setting in module.SETTINGS.items():
            if not setting.quick:
                continue
            if not (row := committed.get((module.EXPERIMENT, name))):
                told.append(f"{module.EXPERIMENT}, {name}: not in {TABLE.name}; `make results` measures it.")
                continue
            measured = setting.run(0)
            print(f"{module.EXPERIMENT}, {name}: {measured.value:.4g} {row.unit} (the table: {row.ours_mean:.4g})", flush=True)
            told += differences(row, measured)
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this experiment; may be repeated")
    parser.add_argument("--quick", action="store_true", help="measure the quick slice with one seed, and compare")
    parser.add_argument("--add", action="store_true", help="measure only what the tables do not hold yet")
    parser.add_argument("--fresh", action="store_true", help="forget what an interrupted run has left")
    asked = parser.parse_args(arguments)
    try:
        experiments(asked.only)
    except ValueError as error:
        parser.error(str(error))
    if asked.quick:
        told = quick(asked.only)
        print("\n".join(told) or "The quick slice agrees with the table.")
        return bool(told)
    try:
        measure(asked.only, asked.add, asked.fresh)
    except KeyboardInterrupt:
        print("Stopped. The same command goes on with what is missing.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
