"""What a server takes for each of its clients, and what follows for a fleet of them.

    .venv/bin/python benchmarks/fleet.py server           # decoding and averaging: processor and memory a client; two minutes
    .venv-flower/bin/python benchmarks/fleet.py ray       # 10, 30, 100 clients in Flower's simulation; ten minutes
    .venv/bin/python benchmarks/fleet.py paper            # the rows of the tables in docs/fleet.md

The first two write their rows into data/results/fleet.csv, from which docs/fleet.md is reckoned. The document's model, MNIST,
600 images a client, one local epoch.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import re
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest import mock

import numpy as np

import fedlab_utils as fl
from fedlab_utils.engines import flower_log
from fedlab_utils.measuring.names import codec_named

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "data" / "results" / "fleet.csv"
COLUMNS = ["part", "codec", "clients", "uplink_bytes", "broadcast_bytes", "server_ms_a_client", "server_kb_a_client",
           "round_seconds", "processor_seconds", "peak_mb", "load", "python", "day"]  # fmt: skip
CODECS = ["Identity()", "Quantize(8)", "Eden(2)", "EntropyQuantize(2, 'context')", "TopK(0.01) | Quantize(8)"]
ON_RAY = ["Quantize(8)", "TopK(0.01) | Quantize(8)"]
FEW_AND_MANY = (10, 100)
TURNS = 5


def payloads_of(codec: str, rounds: int = 4) -> tuple[list[bytes], int]:
    """What ten clients really send in the last of so many rounds, and the mean bytes of a broadcast."""
    from fedlab_utils.federation import account, parties

    data = fl.load_mnist()
    clients = fl.partition_iid(data.y_train, n_clients=100, seed=0)[:10]
    sent: list[bytes] = []
    broadcasts: list[int] = []
    send, broadcast = parties.Client.send, account.Downlink.broadcast

    def watched_send(self: Any, *arguments: Any) -> Any:
        found = send(self, *arguments)
        sent.append(found[0])
        return found

    def watched_broadcast(self: Any, *arguments: Any) -> bytes:
        payload = broadcast(self, *arguments)
        broadcasts.append(len(payload))
        return payload

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(parties.Client, "send", watched_send))
        stack.enter_context(mock.patch.object(account.Downlink, "broadcast", watched_broadcast))
        coded = codec_named(codec)
        fl.simulate(fl.models.document_mlp(seed=0), data, clients, rounds=rounds, clients_per_round=10, chunk=1, uplink=coded,
                    downlink=coded)  # fmt: skip
    return sent[-10:], round(mean(broadcasts))


def measure_server(codec: str, clients: int, payloads: list[bytes]) -> tuple[float, float]:
    """Processor time (ms) and peak memory (kB) for each client of a round of so many, of the server that Flower runs too:
    answers checked, decoded, averaged; the step encoded once. Medians over turns; the first is not counted."""
    from fedlab_utils.codecs import FORMAT
    from fedlab_utils.engines.flower_answers import Answer
    from fedlab_utils.engines.flower_plan import Plan
    from fedlab_utils.engines.flower_server import Coordinator

    coded = codec_named(codec)
    plan = Plan(clients=clients, clients_per_round=clients, rounds=TURNS, uplink=coded, downlink=coded)
    server = Coordinator(plan, fl.models.document_mlp(seed=0), fl.load_mnist())
    milliseconds, kilobytes = [], []
    for number in range(TURNS + 1):
        server.serve(number, range(clients))
        answers = [
            Answer(client, number, {"format": FORMAT, "plan": plan.agreement(), "round": number, "kind": "trained",
                                    "payload": bytes(bytearray(payloads[client % len(payloads)])), "samples": 600, "loss": 0.5})
            for client in range(clients)
        ]  # fmt: skip
        watch_memory = number == TURNS  # watched, it takes longer: that turn's time is not used
        if watch_memory:
            tracemalloc.start()
        begun = time.process_time()
        server.close(number, answers)
        spent = time.process_time() - begun
        if watch_memory:
            kilobytes.append(tracemalloc.get_traced_memory()[1] / 1e3 / clients)
            tracemalloc.stop()
        elif number:
            milliseconds.append(1e3 * spent / clients)
        assert not server.dropped, server.dropped[0]
    return median(milliseconds), kilobytes[0] + mean(map(len, payloads)) / 1e3


def on_ray(codec: str, clients: int) -> tuple[float, float, float, float, float]:
    """One training in Flower's simulation, all clients in each of three rounds: mean bytes up a client, bytes of a broadcast,
    seconds of a round (median of the second and third), processor seconds and peak memory (MB) of the process that runs the
    ServerApp and deals out messages."""
    import psutil

    from fedlab_utils.engines.flower_lab import Lab
    from fedlab_utils.engines.flower_run import APP, run_app, simulated_nodes, start_simulation

    out = APP / "out" / "fleet"
    ends: list[float] = []
    seen: dict[str, float] = {"seconds": 0.0, "bytes": 0.0}
    server: list[Any] = []

    with Lab(out) as lab:
        superlink = start_simulation(lab)

        def look() -> None:
            if not server:
                for process in lab.marked():
                    try:
                        if any("flwr-simulation" in part for part in process.cmdline()):
                            server.append(process)
                    except psutil.Error:
                        continue
            for process in server:
                try:
                    seen["bytes"] = max(seen["bytes"], process.memory_info().rss)
                    seen["seconds"] = sum(process.cpu_times()[:2])
                except psutil.Error:
                    continue

        def watch(line: str) -> None:
            look()
            if re.search(r"round \d+ of \d+: accuracy", line):
                ends.append(time.monotonic())

        settings = {"clients": clients, "clients-per-round": clients, "rounds": 3, "uplink": codec, "downlink": codec}
        history = run_app(lab, APP, settings, simulated_nodes(clients), superlink, watch=watch)
    with open(out / "messages.csv", newline="", encoding="utf-8") as file:
        sizes = [int(row["bytes"]) for row in csv.DictReader(file) if row["kind"] == "broadcast"]
    up = sum(history.uplink_bytes) / (3 * clients)
    return up, median(sizes), median(np.diff(ends)), seen["seconds"], seen["bytes"] / 1e6


def write(part: str, rows: list[dict[str, Any]]) -> None:
    """Put the rows of one part in the place of those that the table has."""
    old = []
    if TABLE.exists():
        with open(TABLE, newline="", encoding="utf-8") as file:
            old = [row for row in csv.DictReader(file) if row["part"] != part]
    beside = {"part": part, "load": f"{os.getloadavg()[0]:.1f}", "python": platform.python_version(),
              "day": time.strftime("%Y-%m-%d")}  # fmt: skip
    with open(TABLE, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n", restval="")
        table.writeheader()
        table.writerows([*old, *(row | beside for row in rows)])



def server_rows() -> list[dict[str, Any]]:
    """A row a codec: what one client more costs the server, from rounds of 10 and of 100."""
    rows = []
    for codec in CODECS:
        payloads, broadcast = payloads_of(codec)
        few, many = FEW_AND_MANY
        pairs = zip(measure_server(codec, few, payloads), measure_server(codec, many, payloads), strict=True)
        milliseconds, kilobytes = ((many * b - few * a) / (many - few) for a, b in pairs)
        rows.append({"codec": codec, "clients": many, "uplink_bytes": round(mean(map(len, payloads))),
                     "broadcast_bytes": broadcast, "server_ms_a_client": f"{milliseconds:.2f}",
                     "server_kb_a_client": f"{kilobytes:.0f}"})  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def ray_rows() -> list[dict[str, Any]]:
    """A row a codec and number of clients, in Flower's simulation. Processor and memory are of the process in which Flower runs
    the ServerApp and deals out messages, from its start."""
    rows = []
    for codec in ON_RAY:
        for clients in (10, 30, 100):
            up, broadcast, seconds, processor, megabytes = on_ray(codec, clients)
            rows.append({"codec": codec, "clients": clients, "uplink_bytes": round(up), "broadcast_bytes": round(broadcast),
                         "round_seconds": f"{seconds:.2f}", "processor_seconds": f"{processor:.1f}",
                         "peak_mb": f"{megabytes:.0f}"})  # fmt: skip
            print(rows[-1], flush=True)
    return rows


ROUNDS_A_DAY = 500  # one in three minutes
FLEETS = (10_000, 1_000_000)


def read() -> list[dict[str, str]]:
    """The rows that were measured."""
    with open(TABLE, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def amount(count: float) -> str:
    """Bytes in three digits and a unit."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"


def paper() -> dict[str, list[list[str]]]:
    """The rows of each table of docs/fleet.md. A fleet of so many clients a day, each of which takes part once a day on average,
    in rounds that are drawn anew; the document's model."""
    rows, n_weights = read(), 101_770
    dense = next(int(row["uplink_bytes"]) for row in rows if row["codec"] == "Identity()")
    tables: dict[str, list[list[str]]] = {"client": [], "day": [], "rounds": [], "layer": [], "ray": [], "idle": []}
    of_server = [row for row in rows if row["part"] == "server"]
    for rounds in (500, 100, 20, 5):
        down = [fl.fleet.catch_up_bytes(1 / rounds, int(row["broadcast_bytes"]), dense) for row in of_server]
        tables["rounds"].append([str(rounds), f"{FLEETS[1] // rounds:,}", *map(amount, down)])
    for row in rows:
        up, broadcast, codec = int(row["uplink_bytes"]), int(row["broadcast_bytes"]), f"`{row['codec']}`"
        if row["part"] == "ray":
            seconds = f"{float(row['round_seconds']):.1f}"
            tables["ray"].append([codec, row["clients"], seconds, row["processor_seconds"], row["peak_mb"]])
        else:
            milliseconds = float(row["server_ms_a_client"])
            down = fl.fleet.catch_up_bytes(1 / ROUNDS_A_DAY, broadcast, dense)
            kept = fl.fleet.worth_keeping(broadcast, dense)
            tables["client"].append([codec, f"{up:,}", f"{broadcast:,}", f"{milliseconds:.2g}", row["server_kb_a_client"]])
            tables["day"].append([codec, str(kept), f"{down:,.0f}", *(cell for clients in FLEETS for cell in (
                amount(clients * up), amount(clients * down), f"{clients * milliseconds / 3.6e6:.2g} h"))])  # fmt: skip
            origin = ROUNDS_A_DAY * (broadcast + (dense if kept < ROUNDS_A_DAY and broadcast < dense else 0))
            tables["layer"].append([codec, amount(origin), str(fl.fleet.middle_layer_pays_from(up, n_weights))])
    waiting = flower_log.load()["idle"][-1]  # three nodes, recorded by data/results/flower.py
    up, down = (carried / 3 / (waiting.seconds / 60) for carried in (waiting.socket_up, waiting.socket_down))
    tables["idle"].append([amount(up), amount(down), amount(24 * 60 * (up + down))])
    return tables


def print_paper() -> None:
    """The rows, as they stand in the page."""
    for name, rows in paper().items():
        print(name)
        for row in rows:
            print("|", " | ".join(row).replace("`TopK(0.01) | ", r"`TopK(0.01) \| "), "|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=["server", "ray", "paper"])
    asked = parser.parse_args().part
    if asked == "paper":
        print_paper()
    else:
        write(asked, {"server": server_rows, "ray": ray_rows}[asked]())
