"""Make flower.csv: what happens in a simulation and in a deployment of Flower on this machine, second by second. Twelve minutes.

    .venv-flower/bin/python data/results/flower.py

Three clients, three rounds, as the app in flower/ has them (the document's model, 600 images each); a SuperLink and three
SuperNodes as processes on loopback, with TLS and keys. Each codec once, both ways; two minutes in which nothing is trained; and
eight rounds in which node 2 is killed after the second. tests/engines/test_flower_deploy.py measures again, and compares.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from fedlab_utils.engines.flower_deploy import Deployment
from fedlab_utils.engines.flower_lab import Lab
from fedlab_utils.engines.flower_log import Event, Recorder, write
from fedlab_utils.engines.flower_run import APP, run_app, simulated_nodes, start_simulation

TOP, NODES = "TopK(0.01) | Quantize(8)", 3
SETTINGS = {"clients": NODES, "clients-per-round": NODES, "rounds": 3}
CODECS = {"float32": "Identity()", "8 bit": "Quantize(8)", "contexts": "EntropyQuantize(2, 'context')", "top 1 %": TOP}


def weights(lab: Lab) -> list[np.ndarray]:
    with np.load(lab.out / "weights.npz") as arrays:
        return [arrays[name] for name in arrays.files]


def both_ways(codec: str) -> dict:
    return SETTINGS | {"uplink": codec, "downlink": codec}


def main() -> None:
    events: list[Event] = []
    folder = Path(tempfile.mkdtemp())
    with Lab(folder / "simulation") as lab:
        superlink = start_simulation(lab)
        recorder = Recorder("simulation, 8 bit")
        run_app(lab, APP, both_ways("Quantize(8)"), simulated_nodes(NODES), superlink, watch=recorder.watch)
        events += recorder.end(weights(lab))
    with Lab(folder / "deployment") as lab:
        heard = []  # who listens to what the deployment says
        deployment = Deployment(lab, NODES, say=lambda line: [listen(line) for listen in heard])
        deployment.start()
        time.sleep(10)  # what nodes say once, when they come
        recorder = Recorder("idle", deployment.wire)
        time.sleep(120)
        events += recorder.end()
        for name, codec in CODECS.items():
            recorder = Recorder(name, deployment.wire)
            run_app(lab, APP, both_ways(codec), [], deployment.superlink, watch=recorder.watch)
            events += recorder.end(weights(lab))
        recorder = Recorder("a node is killed", deployment.wire)
        heard.append(recorder.watch)
        lost = []

        def watch(line: str) -> None:
            recorder.watch(line)
            if "round 2 of 8" in line and not lost:
                time.sleep(3)  # by now it has its message, or is about to get it
                lost.append(deployment.lose_node(2))

        settings = both_ways(TOP) | {"rounds": 8, "error-feedback": True}
        run_app(lab, APP, settings, [], deployment.superlink, watch=watch)
        lost[0].join()
        events += recorder.end(weights(lab))
    write(Path(__file__).with_suffix(".csv"), events)


if __name__ == "__main__":
    main()
