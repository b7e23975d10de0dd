"""One federated work through `simulate` and its peers, in turns: `.venv/bin/python benchmarks/simulation.py`.

The work: ten clients of 600 MNIST images (the first ten of `partition_iid(…, n_clients=100, seed=0)`, all in every
round), batch 10, one local epoch, SGD at 0.1, weighted averaging, ten rounds from the same initial weights. Each engine
does it in a fresh process; the engines take turns, so that all see the same machine. benchmarks/README.md says what is
timed. No network, but with --install, which makes the environments that are missing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import environments
import numpy as np

sys.path.insert(0, str(environments.HERE / "engines"))
from nets import NETS
from work import Work, read_results

import fedlab_utils as fl

MINUTES = 20  # an engine that takes longer has failed
SAME_WORK = 0.015  # how far the mean final accuracies of engines may lie apart


@dataclass
class Engine:
    """One row. trainings: of ten rounds, in a turn. goal: how many times the training time of `simulate` it should
    take, at least (as ">= 10") or at most."""

    name: str
    program: str
    net: str = "document_mlp"
    environment: str | None = None
    options: tuple[str, ...] = ()
    trainings: int = 1
    goal: tuple[str, float] | None = None
    turns: list[dict] = field(default_factory=list)  # what each turn gave
    versions: dict[str, str] = field(default_factory=dict)

    def label(self) -> str:
        return f"{self.name}, {self.net}"

    def later(self, turn: dict, part: str = "seconds") -> list[float]:
        """Seconds of the rounds after the first of each training, in which graphs are built."""
        return [second for training in turn["trainings"] for second in training[part][1:]]

    def firsts(self) -> list[float]:
        """Seconds to the end of the first round, from the data in memory; in each turn's process."""
        return [turn["trainings"][0]["setup"] + turn["trainings"][0]["seconds"][0] for turn in self.turns]


def engines() -> list[Engine]:
    rows = []
    for net in ("document_mlp", "mcmahan_2nn", "lenet_300_100"):
        rows += [
            Engine("simulate", "run_simulate.py", net, options=("xla",), trainings=3),
            Engine("simulate, not compiled", "run_simulate.py", net, trainings=3),
            Engine("kernel by hand", "run_kernel.py", net, trainings=3, goal=("at most 0.7", 0.7)),
            Engine("kernel by hand, XLA", "run_kernel.py", net, options=("xla",), trainings=3),
        ]
    rows += [
        Engine("simulate", "run_simulate.py", "small_cnn", options=("xla",)),
        Engine("simulate, not compiled", "run_simulate.py", "small_cnn"),
        Engine("Keras fit", "run_keras.py", "small_cnn", goal=("at least 7", 7)),
        Engine("Keras fit", "run_keras.py"),
        Engine("pfl", "run_pfl.py", environment="pfl", goal=("at least 5", 5)),
        Engine("pfl, one thread", "run_pfl.py", environment="pfl", options=("one-thread",), goal=("at least 5", 5)),
        Engine("TFF", "run_tff.py", environment="tff", goal=("at least 12", 12)),
        Engine("Flower", "run_flower.py", environment="flower", goal=("at least 70", 70)),
        Engine("Flower, tuned", "run_flower.py", environment="flower", options=("tuned",)),
    ]
    return rows


def run(engine: Engine, python: str, work: Work, folder: Path) -> None:
    """One turn of an engine, in a process of its own; RuntimeError with the end of its log where it fails."""
    work.save(folder / "work.npz")
    target, log = folder / "result", folder / "log"
    environment = dict(os.environ, FLWR_HOME=str(folder / "flwr"))
    environment.pop("PYTHONPATH", None)
    if engine.environment is None:
        environment["PYTHONPATH"] = str(environments.ROOT)
    command = [python, str(environments.HERE / "engines" / engine.program), str(folder / "work.npz"), str(target)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *engine.options], env=environment, cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = process.wait(60 * MINUTES)
        except subprocess.TimeoutExpired:
            code = f"none after {MINUTES} minutes"
        finally:  # whatever it has started and left running ends with it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        raise RuntimeError(f"{engine.label()}: exit code {code}\n{log.read_text(errors='replace')[-2000:]}")
    trainings, weights, engine.versions = read_results(target, len(work.weights))
    load = os.getloadavg()[0]
    engine.turns.append({"trainings": trainings, "accuracy": [accuracy(engine.net, final) for final in weights], "load": load})


def accuracy(net: str, weights) -> float:
    """The fraction of the test set that is right, of every engine's final weights by the same Keras model."""
    data, model = fl.load_mnist(), NETS[net]()
    model.set_weights(weights)
    outputs = model.predict(data.x_test, batch_size=1000, verbose=0)
    return float(np.mean(outputs.argmax(axis=1) == data.y_test))


def ratios(engine: Engine, base: Engine, part: str) -> list[float]:
    """Of the medians, turn by turn: this engine's round by that part of a round of `simulate`."""
    pairs = zip(engine.turns, base.turns, strict=False)
    return [median(engine.later(own)) / median(base.later(other, part)) for own, other in pairs]


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def report(rows: list[Engine]) -> bool:
    """Print the table; False where an engine's final accuracy tells that it did other work."""
    same = True
    bases = {row.net: row for row in rows if row.name == "simulate"}
    for net in dict.fromkeys(row.net for row in rows):
        print(f"\n{net}: {sum(array.size for array in NETS[net]().get_weights()):,} weights")
        print(f"  {'milliseconds a round':<28}{'first':>8}{'median':>9}{'quartiles':>17}{'accuracy after the last round':>33}")
        for row in (row for row in rows if row.net == net and row.turns):
            times = [1e3 * second for turn in row.turns for second in row.later(turn)]
            low, high = np.percentile(times, (25, 75))
            scores = [score for turn in row.turns for score in turn["accuracy"]]
            off = net in bases and bases[net].turns and abs(
                np.mean(scores) - np.mean([score for turn in bases[net].turns for score in turn["accuracy"]])
            ) > SAME_WORK  # fmt: skip
            same &= not off
            score = f"{np.mean(scores):.4f} [{min(scores):.4f}, {max(scores):.4f}]"
            print(
                f"  {row.name:<28}{1e3 * median(row.firsts()):>8.0f}{median(times):>9.1f}{low:>9.1f} …{high:>6.1f}{score:>33}"
                + ("  OTHER WORK?" if off else "")
            )
            if row.name == "simulate":
                alone = [1e3 * second for turn in row.turns for second in row.later(turn, "train")]
                low, high = np.percentile(alone, (25, 75))
                print(f"  {'  training alone':<28}{'':>8}{median(alone):>9.1f}{low:>9.1f} …{high:>6.1f}")
    print(f"\n{'times the round of simulate':<34}{'its training alone':>24}{'training, codecs':>24}   wanted of training")
    for row in (row for row in rows if row.name != "simulate" and row.turns):
        base = bases.get(row.net)
        if base is None or not base.turns:
            continue
        alone, whole = (ratios(row, base, part) for part in ("train", "seconds"))
        if row.goal is None:
            verdict = ""
        elif row.name.startswith("kernel"):
            slower = 1 / median(alone)
            verdict = f"simulate takes {row.goal[0]} x its time: {slower:.2f}, {'met' if slower <= row.goal[1] else 'NOT met'}"
        else:
            verdict = f"{row.goal[0]}: {'met' if median(alone) >= row.goal[1] else 'NOT met'}"
        print(f"{row.label():<34}{spread(alone):>24}{spread(whole):>24}   {verdict}")
    return same


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3, help="how often each engine has its turn (3)")
    parser.add_argument("--rounds", type=int, default=10, help="of each training (10)")
    parser.add_argument("--only", default="", help="engines whose name contains one of these words, such as simulate,kernel")
    parser.add_argument("--install", action="store_true", help="make missing environments first (network, 5 GB)")
    for name in environments.MODULES:
        folder = environments.default(name)
        parser.add_argument(f"--{name}", type=Path, default=folder, help=f"environment of this engine ({folder.name})")
    options = parser.parse_args()
    if options.turns < 1 or options.rounds < 2:
        parser.error("--turns must be 1 or more, --rounds 2 or more (the first builds the graphs)")
    return options


def say_missing(names, folders: dict[str, Path]) -> None:
    for name in sorted(names):
        commands = " && ".join(" ".join(command) for command in environments.make(name))
        print(f"MISSING {name}: no complete environment at {folders[name]}. Make it with --install, or:  {commands}", flush=True)


def main() -> int:
    options = arguments()
    folders = {name: getattr(options, name).absolute() for name in environments.MODULES}
    if options.install:
        environments.install(folders)
    pythons: dict[str | None, str | None] = {name: environments.python(name, folder) for name, folder in folders.items()}
    pythons[None] = sys.executable
    words = [word.strip().lower() for word in options.only.split(",")]
    chosen = [row for row in engines() if any(word in row.label().lower() for word in words)]
    nets = {row.net for row in chosen}  # whose ratios need `simulate`
    wanted = [row for row in engines() if (row.name == "simulate" and row.net in nets) or row in chosen]
    missing = {row.environment for row in wanted if pythons[row.environment] is None}
    rows = [row for row in wanted if row.environment not in missing]
    if not wanted:
        names = "; ".join(sorted({row.label() for row in engines()}))
        raise SystemExit(f"--only {options.only}: no engine has such a name. There are: {names}")

    data = fl.load_mnist()
    parts = np.stack(fl.partition_iid(data.y_train, n_clients=100, seed=0)[:10])
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    say_missing(missing, folders)
    failed = []
    with tempfile.TemporaryDirectory(prefix="fedlab-bench-") as folder:
        for turn in range(options.turns):
            for row in [row for row in rows if row.label() not in failed]:
                model = NETS[row.net]()
                work = Work(
                    data.x_train[parts], data.y_train[parts], model.to_json(), model.get_weights(), options.rounds, row.trainings,
                    seed=1000 * turn,
                )  # fmt: skip
                try:
                    run(row, pythons[row.environment], work, Path(folder))
                except RuntimeError as error:
                    print(f"FAILED {error}", file=sys.stderr)
                    failed.append(row.label())
                    continue
                milliseconds = 1e3 * median(row.later(row.turns[-1]))
                print(f"turn {turn + 1}  {row.label():<36}{milliseconds:>9.1f} ms   load {row.turns[-1]['load']:.1f}", flush=True)
    same = report(rows)
    used = {None: fl.History().versions} | {row.environment: row.versions for row in rows if row.environment and row.turns}
    print()
    for environment, versions in used.items():
        print(f"{environment or 'here'}: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    say_missing(missing, folders)
    for label in failed:
        print(f"FAILED {label}")
    return 0 if same and not missing and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
