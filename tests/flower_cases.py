"""Trainings that are run under Flower, and what simulate says of them, for the tests of simulation and deployment."""

import csv
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from later import Later

import fedlab_utils as fl
from fedlab_utils.federation.account import Downlink

parties = Later("fedlab_utils.federation.parties")

APP = Path(__file__).resolve().parents[1] / "flower"
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


class Watched(NamedTuple):
    """What simulate sends. uplinks: (round from 0, client, payloads). broadcasts: payloads. served: of each round what brings
    its clients up to date, and the server's model and state of then."""

    uplinks: list
    broadcasts: list
    served: list


def watch(patch):
    """Note what simulate sends, as long as the patch holds."""
    seen = Watched([], [], [])
    send, broadcast, serve = parties.Client.send, Downlink.broadcast, Downlink.serve

    def watched_send(self, *arguments):
        found = send(self, *arguments)
        seen.uplinks.append((len(seen.served) - 1, self.number, [part for part in found[:2] if part]))
        return found

    def watched_broadcast(self, *arguments):
        seen.broadcasts.append(broadcast(self, *arguments))
        return seen.broadcasts[-1]

    def watched_serve(self, cohort):
        found = serve(self, cohort)
        seen.served.append((found, self.model.copy(), self.state.copy()))
        return found

    patch.setattr(parties.Client, "send", watched_send)
    patch.setattr(Downlink, "broadcast", watched_broadcast)
    patch.setattr(Downlink, "serve", watched_serve)
    return seen


def expected(case, clients, cohort, monkeypatch, rounds=3):
    """simulate of the same: its history, and the fingerprint of every message, (round, client, direction) → a list."""
    mnist = fl.load_mnist()
    parts = fl.partition_iid(mnist.y_train, n_clients=100, seed=0)[:clients]
    settings, messages = dict(CASES[case]), {}
    with monkeypatch.context() as patch:
        seen = watch(patch)
        model = fl.models.document_mlp(seed=0)
        codecs = {way: eval(settings[way], vars(fl)) for way in ("uplink", "downlink")}
        history = fl.simulate(
            model, mnist, parts, rounds=rounds, clients_per_round=cohort, chunk=1, **codecs,
            error_feedback=settings.get("error-feedback"), mask=mask_of(model) if case == "mask" else None,
        )  # fmt: skip
    for number, client, payloads in seen.uplinks:
        messages[number + 1, client, "up"] = [fl.flower.fingerprint(payload) for payload in payloads]
    for number, (services, model, _) in enumerate(seen.served):
        for client, service in services.items():
            payloads = [] if service.begins == "held" else [fl.Identity().encode(model)]
            payloads += seen.broadcasts[service.since : number] if service.since is not None else []
            messages[number + 1, client, "down"] = [fl.flower.fingerprint(payload) for payload in payloads]
    return history, messages


def sent_in(out):
    """The fingerprint of every message of a run, (round, client, direction) → a list; without the mask, on which simulate
    agrees once, before it counts."""
    sent = {}
    with open(out / "messages.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["kind"] != "mask":
                key = int(row["round"]), int(row["client"]), row["direction"]
                sent.setdefault(key, []).append(row["sha256"])
    return sent


def is_the_same(out, history, messages):
    """Weights, history and every message of a run are those of simulate."""
    with np.load(out / "weights.npz") as arrays:
        assert [arrays[name].tobytes() for name in arrays.files] == [w.tobytes() for w in history.weights]
    written = fl.History.load(out / "history.csv")
    for column in ("accuracy", "loss", "uplink_bytes", "downlink_bytes", "first_model_bytes"):
        assert getattr(written, column) == getattr(history, column), column
    assert sent_in(out) == {key: parts for key, parts in messages.items() if parts}
    assert (out / "dropped.txt").read_text() == ""
