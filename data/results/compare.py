"""Whether tables made again agree with the committed ones: `make studies`, then `.venv/bin/python data/results/compare.py`.

Another processor or another version rounds differently, and a training of hundreds of steps makes much of it: accuracies may
differ by 0.015, other numbers by 2 %. Exit code 1, with the worst row of each column that differs by more.
"""

import csv
import io
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ACCURACY, OTHERS = 0.015, 0.02


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def differences(old, new):
    """The worst row of each column that is too far off, as sentences."""
    if [row.keys() for row in old] != [row.keys() for row in new]:
        return [f"{len(old)} rows were committed, {len(new)} were made, or their columns differ"]
    worst = {}
    for number, (was, now) in enumerate(zip(old, new, strict=True), 2):
        for column, value in was.items():
            try:
                one, two = float(value), float(now[column])
            except ValueError:
                off = 2.0 * (value != now[column])
            else:
                off = abs(one - two) / (ACCURACY if "accuracy" in column else max(OTHERS * abs(one), 1e-9))
            if off > max(worst.get(column, (1.0,))[0], 1.0):
                worst[column] = (off, f"line {number}, {column}: {value} was committed, {now[column]} was made")
    return [sentence for _, sentence in worst.values()]


def main():
    faults = []
    for path in sorted(HERE.glob("*.csv")):
        command = ["git", "show", f"HEAD:./{path.name}"]
        committed = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout
        faults += [f"{path.name}, {fault}" for fault in differences(rows(committed), rows(path.read_text("utf-8")))]
    print("\n".join(faults) or "The tables agree.")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
