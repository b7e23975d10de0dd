"""Our payloads under Flower as it is really run: in its simulation, on Ray. The bits of simulate(chunk=1), message by message.

Runs in .venv-flower (`make test-flower`); elsewhere it is deselected by its mark. Minutes, since Ray and TensorFlow start anew
for each run.
"""

import csv
import shutil
import socket
import zlib
from pathlib import Path

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl
from fedlab_utils.federation.account import Downlink

runs = Later("fedlab_utils.engines.flower_run")
labs = Later("fedlab_utils.engines.flower_lab")
parties = Later("fedlab_utils.federation.parties")

pytestmark = pytest.mark.flower

APP = Path(__file__).resolve().parents[2] / "flower"
TOP = "TopK(0.01) | Quantize(8)"
CASES = {
    "8 bit": {"uplink": "Quantize(8)", "downlink": "Quantize(8)"},
    "top-k both ways": {"uplink": TOP, "downlink": TOP, "error-feedback": True},
    "contexts": {"uplink": "EntropyQuantize(2, 'context')", "downlink": "EntropyQuantize(2, 'context')"},
    "mask": {"uplink": "Quantize(8)", "downlink": "Identity()"},
}
MASKED = '''

def mask(model):
    """Every second entry of each kernel is removed."""
    arrays = [w * 0 + 1 for w in model.get_weights()]
    for array in arrays:
        if array.ndim == 2:
            array.reshape(-1)[::2] = 0
    return arrays
'''


def app_of(case, folder):
    """The app of the book; for a mask, with what a reader would write into it."""
    if case != "mask":
        return APP
    copy = folder / "masked"
    if not copy.exists():
        shutil.copytree(APP, copy, ignore=shutil.ignore_patterns("out", "__pycache__"))
        task = copy / "fedlab_app" / "task.py"
        task.write_text(task.read_text() + MASKED)
        for side in ("client", "server"):
            module = copy / "fedlab_app" / f"{side}.py"
            text = module.read_text().replace("import data, model", "import data, mask, model")
            module.write_text(text.replace("(model, data)", "(model, data, mask=mask)"))
    return copy


def mask_of(model):
    names = {}
    exec(MASKED, names)
    return names["mask"](model)


def expected(case, clients, cohort, monkeypatch, rounds=3):
    """simulate of the same: its history, and the CRC-32 of every message, (round, client, direction) → a list."""
    mnist = fl.load_mnist()
    parts = fl.partition_iid(mnist.y_train, n_clients=100, seed=0)[:clients]
    settings, messages, served, broadcasts = dict(CASES[case]), {}, [], []
    send, broadcast, serve = parties.Client.send, Downlink.broadcast, Downlink.serve

    def watched_send(self, *arguments):
        found = send(self, *arguments)
        messages[len(served), self.number, "up"] = [zlib.crc32(part) for part in found[:2] if part]
        return found

    def watched_broadcast(self, *arguments):
        broadcasts.append(broadcast(self, *arguments))
        return broadcasts[-1]

    def watched_serve(self, cohort):
        found = serve(self, cohort)
        served.append(found)
        for client, service in found.items():
            parts = [] if service.begins == "held" else [fl.Identity().encode(self.model)]
            parts += broadcasts[service.since :] if service.since is not None else []
            messages[len(served), client, "down"] = [zlib.crc32(part) for part in parts]
        return found

    with monkeypatch.context() as patch:
        patch.setattr(parties.Client, "send", watched_send)
        patch.setattr(Downlink, "broadcast", watched_broadcast)
        patch.setattr(Downlink, "serve", watched_serve)
        model = fl.models.document_mlp(seed=0)
        codecs = {way: eval(settings[way], vars(fl)) for way in ("uplink", "downlink")}
        history = fl.simulate(
            model, mnist, parts, rounds=rounds, clients_per_round=cohort, chunk=1, **codecs,
            error_feedback=settings.get("error-feedback"), mask=mask_of(model) if case == "mask" else None,
        )  # fmt: skip
    return history, messages


def is_the_same(out, history, messages):
    """Weights, history and every message of a run are those of simulate."""
    with np.load(out / "weights.npz") as arrays:
        assert [arrays[name].tobytes() for name in arrays.files] == [w.tobytes() for w in history.weights]
    written = fl.History.load(out / "history.csv")
    for column in ("accuracy", "loss", "uplink_bytes", "downlink_bytes", "first_model_bytes"):
        assert getattr(written, column) == getattr(history, column), column
    sent = {}
    with open(out / "messages.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["kind"] != "mask":  # which simulate agrees on once, before it counts
                key = int(row["round"]), int(row["client"]), row["direction"]
                sent.setdefault(key, []).append(int(row["crc32"]))
    assert sent == {key: parts for key, parts in messages.items() if parts}
    assert (out / "dropped.txt").read_text() == ""


def test_simulation_on_ray_gives_the_bits_of_simulate(tmp_path, monkeypatch):
    with labs.Lab(tmp_path / "out") as lab:
        superlink = runs.start_simulation(lab)
        home = lab.home
        for case, settings in CASES.items():
            said = []
            settings = {"clients": 10, "clients-per-round": 5, "rounds": 3} | settings
            runs.run_app(lab, app_of(case, tmp_path), settings, runs.simulated_nodes(10), superlink, say=said.append)
            assert sum("accuracy" in line for line in said) == 3
            is_the_same(tmp_path / "out", *expected(case, 10, 5, monkeypatch))
    assert list(lab.marked()) == [] and not home.exists()


def test_a_port_that_is_taken_is_a_sentence(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert runs.main(["simulation", "--out", str(tmp_path), "--port", str(port)]) == 1
    assert capsys.readouterr().err == f"port {port} of this machine is taken: choose another, or 0 for any that is free\n"


def test_a_run_that_fails_says_why(tmp_path, capsys):
    assert runs.main(["simulation", "--out", str(tmp_path), "clients=3", "clients-per-round=4"]) == 1
    assert "clients_per_round must be in 1 … 3" in capsys.readouterr().err
