"""Time and memory of `simulate` against cohort, local steps and weights: `.venv/bin/python benchmarks/scaling.py`.

Each line is measured in a fresh process, because memory is: its peak is the process's resident set, the whole of it,
with TensorFlow and MNIST. The document's model, if nothing else is said, batch 10, SGD at 0.1. Time is that of training,
the median of the rounds after the first. benchmarks/README.md says what is wanted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import fedlab_utils as fl

ROOT = Path(__file__).resolve().parents[1]
MIB = 2**20
POPULATION = 1000  # clients of 60 images each, 6 batches
TOP = "TopK(0.01) | Quantize(8)"


def peak_bytes() -> int:
    """Of this process so far: ru_maxrss, which macOS gives in bytes and Linux in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(cohort=10, population=100, epochs=1, rounds=4, width=None, codec=False, calls=1) -> dict:
    """One line, in this process. width: of the hidden layer, of a net without dropout. calls: of `simulate`, one after
    the other, in `call_seconds`; the rest is of the last."""
    data, keras = fl.load_mnist(), fl.models.keras
    clients = fl.partition_iid(data.y_train, n_clients=population, seed=0)
    model = fl.models.document_mlp(seed=0)
    if width is not None:
        layers = [keras.layers.Flatten(), keras.layers.Dense(width, "relu"), keras.layers.Dense(10, "softmax")]
        model = keras.Sequential([keras.Input((28, 28)), *layers])
    coded = fl.TopK(0.01) | fl.Quantize(8) if codec else None
    before, call_seconds = peak_bytes(), []
    for _ in range(calls):
        begun = time.perf_counter()
        history = fl.simulate(
            model, data, clients, rounds=rounds, clients_per_round=cohort, local_epochs=epochs, uplink=coded, downlink=coded
        )
        call_seconds.append(time.perf_counter() - begun)
    seconds = {part: getattr(history, f"{part}_seconds") for part in ("train", "codec", "eval")}
    return {
        "clients": cohort,
        "steps": -(-clients[0].size // 10) * epochs,
        "weights": model.count_params(),
        "before": before,
        "peak": peak_bytes(),
        "call_seconds": call_seconds,
        "setup": history.setup_seconds,
        **seconds,
    }


def fresh(**options) -> dict:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps(options)]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{options}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def each(row: dict) -> list[float]:
    """Microseconds a client and step, in the rounds after the first."""
    return [1e6 * second / (row["clients"] * row["steps"]) for second in row["train"][1:]]


def verdict(value: float, wanted: float) -> str:
    return f"wanted: at most {wanted:g}, {'met' if value <= wanted else 'NOT met'}"


def table(title: str, runs: list[tuple[str, dict]]) -> list[dict]:
    """Measure and print, a line a run."""
    print(f"\n{title}")
    print(f"  {'':<34}{'round':>10}{'a client and step, median [min, max]':>40}{'peak memory':>14}{'of which before':>17}")
    rows = []
    for name, options in runs:
        row = fresh(**options)
        times = each(row)
        spread = f"{median(times):.0f} µs [{min(times):.0f}, {max(times):.0f}]"
        print(
            f"  {name:<34}{1e3 * median(row['train'][1:]):>7.0f} ms{spread:>40}{row['peak'] / MIB:>10.0f} MiB"
            f"{row['before'] / MIB:>13.0f} MiB",
            flush=True,
        )
        rows.append(row)
    return rows


def cohorts(quick: bool) -> None:
    sizes, runs = (1, 10, 100, 1000), []
    for epochs in (1, 10):
        for size in sizes:
            rounds = {1: 40, 10: 20, 100: 8, 1000: 4}[size]
            options = {"cohort": size, "population": POPULATION, "epochs": epochs, "rounds": 3 if quick else rounds}
            runs.append((f"{size:>5} clients, {6 * epochs} steps each", options))
    codec = {"cohort": 1000, "population": POPULATION, "rounds": 3, "codec": True}
    runs.append((" 1000 clients, top-1 % + 8 bits", codec))
    rows = table("Against the cohort (60 images a client)", runs)
    for place, epochs in ((0, 1), (4, 10)):
        times = [median(each(row)) for row in rows[place + 1 : place + 4]]
        flat = max(times) / min(times)
        print(f"  10 to 1,000 clients, {6 * epochs} steps: slowest by fastest {flat:.2f}; {verdict(flat, 1.2)}")
    for row, name in ((rows[3], "float32"), (rows[-1], TOP)):
        print(f"  peak of 1,000 clients, {name}: {row['peak'] / 1e9:.2f} GB; {verdict(row['peak'] / 1e9, 3)}")


def steps(quick: bool) -> None:
    runs = [(f"{60 * e:>5} steps ({e} epochs of 600)", {"epochs": e, "rounds": 3 if quick else 8}) for e in (1, 2, 5, 10, 20)]
    table("Against local steps (10 clients)", runs)


def weights(quick: bool) -> None:
    widths = (16, 64, 128, 256, 512, 1024, 2048)
    runs = [(f"784-{w}-10, {795 * w + 10:,} weights", {"width": w, "rounds": 3 if quick else 8}) for w in widths]
    table("Against weights (10 clients of 600, no dropout)", runs)


def codecs(quick: bool) -> None:
    """Codec time beside training time, and whether the parts are the whole."""
    print("\nParts of a round (10 clients of 600, rounds after the first, median [min, max]), and of the whole run")
    for name, coded in (("float32", False), (TOP, True)):
        row = fresh(codec=coded, rounds=4 if quick else 20, calls=2)
        parts = [f"{part} {1e3 * median(row[part][1:]):.1f} ms" for part in ("train", "codec", "eval")]
        share = [codec / train for codec, train in zip(row["codec"][1:], row["train"][1:], strict=True)]
        print(f"  {name:<26}{', '.join(parts)}")
        print(f"    codec by training: {median(share):.2f} [{min(share):.2f}, {max(share):.2f}]; {verdict(median(share), 0.5)}")
        total, wall = row["setup"] + sum(sum(row[part]) for part in ("train", "codec", "eval")), row["call_seconds"][-1]
        print(f"    set-up and parts {total:.3f} s, wall clock {wall:.3f} s: {total / wall:.1%}")


def first_call(quick: bool) -> None:
    """What graph building costs, and that a second call pays it no more."""
    runs = [fresh(rounds=1, calls=2) for _ in range(2 if quick else 5)]
    first, second = ([row["call_seconds"][place] for row in runs] for place in (0, 1))
    print(f"\nOne round, evaluation with it, in {len(runs)} fresh processes; median [min, max]")
    for name, times in (("first call", first), ("second call", second)):
        print(f"  {name:<12}{median(times):.2f} s [{min(times):.2f}, {max(times):.2f}]")
    print(f"  first call: {verdict(median(first), 1.5)}")


TABLES = {table.__name__: table for table in (cohorts, steps, weights, codecs, first_call)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("tables", nargs="*", help=f"which, by default all: {', '.join(TABLES)}")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it runs, not to measure")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # how `fresh` calls this program
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(**json.loads(options.one))))
        return
    if unknown := [name for name in options.tables if name not in TABLES]:
        parser.error(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in options.tables or TABLES:
        TABLES[name](options.quick)
    versions = ", ".join(f"{name} {version}" for name, version in fl.History().versions.items())
    print(f"\n{versions}, load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
