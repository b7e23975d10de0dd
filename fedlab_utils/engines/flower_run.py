"""A Flower app run by one command, in Flower's simulation or in a deployment on this machine; see `make flower`.

    python -m fedlab_utils.engines.flower_run simulation  [APP] [name=value …]
    python -m fedlab_utils.engines.flower_run deployment  [APP] [name=value …]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..federation.history import History
from .flower import require
from .flower_lab import Failed, Lab, free_port, last_line

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "flower"
START_SECONDS, RUN_SECONDS = 120.0, 1800.0  # on a busy machine; nobody waits so long on an idle one
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def start_simulation(lab: Lab, port: int = 0) -> subprocess.Popen:
    """Start the SuperLink of Flower's simulation, where Ray's processes take turns in being clients. `Failed` where it does not.

    One of our own: that which `flwr run … local` starts would stay, with the environment of its first run.
    """
    port = free_port(port)
    superlink = lab.start("superlink", [
        "flower-superlink", "--insecure", "--simulation", "--host", "127.0.0.1", "--port", str(port),
        "--database", str(lab.home / "state.db"), "--disable-runtime-dependency-installation",
    ])  # fmt: skip
    lab.wait("the SuperLink answers", lambda: healthy(f"http://127.0.0.1:{port}/health"), START_SECONDS, superlink)
    connect(lab, port, "insecure = true")
    return superlink


def simulated_nodes(nodes: int, cpus: int = 1) -> list[str]:
    """Options of `flwr run` for a simulation. nodes: how many clients. cpus: of the machine, for each process of Ray."""
    return ["--federation-config", f"num-supernodes={nodes} client-resources-num-cpus={cpus}"]


def connect(lab: Lab, port: int, how: str) -> None:
    """Tell the `flwr` command where the SuperLink is."""
    file = lab.home / "flwr" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'[superlink]\ndefault = "lab"\n\n[superlink.lab]\naddress = "127.0.0.1:{port}"\n{how}\n', "utf-8")


def healthy(address: str, context: Any = None) -> bool:
    """Whether a SuperLink answers."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        with opener.open(address, timeout=2) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError, ValueError):
        return False


def run_app(
    lab: Lab, app: Path, settings: Mapping[str, Any], options: Sequence[str], *needed: subprocess.Popen,
    say: Callable[[str], None] = print, watch: Callable[[str], None] = lambda line: None,
) -> History:  # fmt: skip
    """`flwr run` to its end: what the strategy says goes to `say`, every line to `watch`. Returns the history.

    `Failed` where the run does, with the strategy's own sentence if it said one.
    """
    results = lab.out.resolve()
    for old in ("history.csv", "weights.npz", "messages.csv", "dropped.txt"):
        (results / old).unlink(missing_ok=True)
    config = lab.home / "run.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in ({**settings, "out": str(results)}).items()]
    config.write_text("\n".join(lines) + "\n", "utf-8")
    (lab.logs / "run.log").unlink(missing_ok=True)
    flwr = lab.start("run", ["flwr", "run", str(app.resolve()), "lab", "--stream", *options, "-c", str(config)])
    read, told = 0, ""
    end = time.monotonic() + RUN_SECONDS
    while True:
        running = flwr.poll() is None
        text = COLOURS.sub("", (lab.logs / "run.log").read_text("utf-8", "replace"))
        complete = text[: text.rfind("\n") + 1] if running else text
        for line in complete[read:].splitlines():
            watch(line)
            if found := re.search(r"(PayloadFedAvg|it goes on after|round \d+( of \d+)?[:,]|fedlab:).*", line):
                say(found[0].strip())
                told = found[0] if found[1] == "fedlab:" else told
        read = len(complete)
        if not running:
            break
        for process in needed:
            if process.poll() is not None:
                raise Failed(f"the SuperLink ended in the middle of the run: {lab.last_words('superlink')}")
        if time.monotonic() > end:
            raise Failed(f"the run took longer than {RUN_SECONDS:g} s; the logs are in {lab.logs}")
        time.sleep(0.3)
    status = json.loads(lab.run("list", ["flwr", "list", "lab", "--format", "json"]))["runs"][0]["status"]
    if status != "finished:completed":
        raise Failed(f"the run is {status}: {told or last_line(text)} (logs in {lab.logs})")
    return History.load(results / "history.csv")


def summary(history: History) -> str:
    """The account of a run, a line a round."""
    rows = zip(history.accuracy, history.uplink_bytes, history.downlink_bytes, strict=True)
    lines = [f"{number:5}  {acc:8.4f}  {up:12,}  {down:12,}" for number, (acc, up, down) in enumerate(rows, 1)]
    return "\n".join(["round  accuracy      bytes up    bytes down", *lines])


def setting(text: str) -> tuple[str, Any]:
    """`name=value` with a value as JSON, or as text where it is none."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not name=value")
    with contextlib.suppress(json.JSONDecodeError):
        return name, json.loads(value)
    return name, value


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the code of the program."""
    parser = argparse.ArgumentParser(prog="python -m fedlab_utils.engines.flower_run", description=__doc__.split("\n")[0])
    parser.add_argument("how", choices=["simulation", "deployment"])
    parser.add_argument("--app", type=Path, default=APP, help="the folder of a Flower app (default: the book's)")
    parser.add_argument("--out", type=Path, help="where logs and results go (default: flower/out/ and how)")
    parser.add_argument("--port", type=int, default=0, help="of the SuperLink (default: any that is free)")
    parser.add_argument("--cpus", type=int, default=1, help="for each process of a simulation")
    parser.add_argument("settings", nargs="*", type=setting, metavar="name=value", help="of the app's configuration")
    given = parser.parse_intermixed_args(arguments)
    settings = dict(given.settings)
    nodes = settings.setdefault("clients", 10 if given.how == "simulation" else 3)
    settings.setdefault("clients-per-round", min(5, nodes))
    out = given.out or APP / "out" / given.how
    try:
        require()
        with Lab(out) as lab:
            if given.how == "simulation":
                superlink = start_simulation(lab, given.port)
                history = run_app(lab, given.app, settings, simulated_nodes(nodes, given.cpus), superlink)
            else:
                from .flower_deploy import Deployment, wire_table

                deployment = Deployment(lab, nodes, given.port)
                superlink = deployment.start()
                before = deployment.wire()
                history = run_app(lab, given.app, settings, [], superlink)
                wire = wire_table(history, before, deployment.wire())
    except KeyboardInterrupt:
        print("Stopped; every process has been ended.", file=sys.stderr)
        return 130
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(summary(history))
    if given.how == "deployment":
        print(wire)
    print(f"Results and logs: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
