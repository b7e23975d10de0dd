"""Our payloads in a deployment: a SuperLink and three SuperNodes as processes, with TLS and keys of their own, on loopback.

Runs in .venv-flower (`make test-flower`); elsewhere it is deselected by its mark. Each message starts a process that loads
TensorFlow: a run of three rounds takes a minute. `FEDLAB_FLOWER=all` also runs the codecs that test_flower.py and
test_flower_runs.py always run, and kills the SuperLink, which takes eight minutes instead of five.
"""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from flower_cases import CASES, TOP, app_of, expected, is_the_same, sent_in
from later import Later

import fedlab_utils as fl

runs = Later("fedlab_utils.engines.flower_run")
labs = Later("fedlab_utils.engines.flower_lab")
deploy = Later("fedlab_utils.engines.flower_deploy")
keys = Later("fedlab_utils.engines.flower_certificates")
flower_log = Later("fedlab_utils.engines.flower_log")

pytestmark = pytest.mark.flower

NODES = 3
SETTINGS = {"clients": NODES, "clients-per-round": NODES, "rounds": 3}
ALL = os.environ.get("FEDLAB_FLOWER") == "all"
WHOLE = ["8 bit", *(["top-k both ways", "contexts", "mask"] if ALL else [])]


def listens(port):
    try:
        return labs.free_port(port) != port
    except labs.Failed:
        return True


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """A deployment that all tests share; afterwards no process, port or file of it is left."""
    out = tmp_path_factory.mktemp("deployment")
    with labs.Lab(out) as lab:
        deployment = deploy.Deployment(lab, NODES)
        deployment.start()
        yield lab, deployment
        home, port = lab.home, deployment.port
        assert listens(port) and len(list(lab.marked())) > NODES
    assert list(lab.marked()) == [] and not home.exists() and not listens(port)


@pytest.mark.parametrize("case", WHOLE)
def test_a_deployment_gives_the_bits_of_simulate(case, deployed, tmp_path, monkeypatch):
    lab, deployment = deployed
    before, recorder = deployment.wire(), flower_log.Recorder(case, deployment.wire)
    history = runs.run_app(lab, app_of(case, tmp_path), SETTINGS | CASES[case], [], deployment.superlink, watch=recorder.watch)
    after, events = deployment.wire(), recorder.end()
    is_the_same(lab.out, *expected(case, NODES, NODES, monkeypatch))
    print(deploy.wire_table(history, before, after))
    up, down = (sum(after[node][way] - before[node][way] for node in after) for way in (0, 1))
    payloads = sum(history.uplink_bytes) + sum(history.downlink_bytes)
    assert up > sum(history.uplink_bytes) and down > sum(history.downlink_bytes)
    if case == "8 bit":
        assert up + down < 1.15 * payloads
        is_the_recorded(events)


def is_the_recorded(events):
    """What chapter 5 shows of the wire is what this run has measured: the payloads to the byte, and within a third what the whole
    run takes besides, polling counted for the time that it took here. Not round by round: the line that ends a round comes by a
    stream of the log, and a node may have fetched the next round's message before it is read here.
    """
    table = flower_log.load()
    a_minute = flower_log.polling(table["idle"], NODES)
    shown, found = (flower_log.steady(some, a_minute, NODES) for some in (table["8 bit"], events))
    assert found.payload == shown.payload

    def beside(run):
        paid = sum(event.payload_up + event.payload_down for event in run)
        return (run[-1].socket_up + run[-1].socket_down - paid) / NODES - a_minute * run[-1].seconds / 60

    here, recorded = beside(events), beside(table["8 bit"])
    print(f"besides, a node takes {here:,.0f} bytes, recorded {recorded:,.0f}")
    assert abs(here / recorded - 1) < 1 / 3


def test_who_has_no_right_to_take_part_is_sent_away(deployed):
    lab, deployment = deployed
    keys.make_certificates(lab.home / "other")
    stranger = keys.make_node_key(lab.home / "other", "stranger")
    ca = ["--root-certificates", str(deployment.keys / "ca.crt")]
    other = ["--root-certificates", str(lab.home / "other" / "ca.crt")]
    own, strange = (["--auth-supernode-private-key", str(key)] for key in (deployment.keys / "node0", stranger))
    for told, claim in (("2004", ca + strange), ("CERTIFICATE_VERIFY_FAILED", other + own), ("2001", ca)):
        process = deployment.start_node(0, claim)
        assert process.wait(120) == 1
        lab.end(process)
        assert told in (lab.logs / f"{deployment.log_of(0)}.log").read_text()
    assert deployment.nodes[0].poll() is None


def test_a_node_is_killed_in_mid_round_and_comes_back(deployed, monkeypatch):
    lab, deployment = deployed
    recorder, lost = flower_log.Recorder("a node is killed", deployment.wire), []
    monkeypatch.setattr(deployment, "_say", recorder.watch)

    def watch(line):
        recorder.watch(line)
        if "round 2 of 8" in line and not lost:
            time.sleep(3)  # it has its message by now, or is about to get it
            lost.append(deployment.lose_node(2))

    case = "top-k both ways"
    runs.run_app(lab, app_of(case, lab.out), SETTINGS | CASES[case] | {"rounds": 8}, [], deployment.superlink, watch=watch)
    lost[0].join()
    history = fl.History.load(lab.out / "history.csv")
    happened = [event.event for event in recorder.end() if event.node == 2]
    assert happened[0] == "killed" and happened.index("refused") < happened.index("back") and len(history.accuracy) == 8
    shown = [event.event for event in flower_log.load()["a node is killed"] if event.node == 2]
    assert set(happened) == set(shown)  # what chapter 5 draws
    # Until then, the messages of simulate; afterwards those of the others, and a first model again for the one that came back.
    ours, sent = expected(case, NODES, NODES, monkeypatch, rounds=2)[1], sent_in(lab.out)
    assert {key: parts for key, parts in sent.items() if key[0] <= 2} == {key: parts for key, parts in ours.items() if parts}
    dropped = (lab.out / "dropped.txt").read_text().splitlines()
    assert dropped and all(", client 2: " in line for line in dropped)
    assert dropped[0].startswith("round 3, client 2: error 5 of Flower")
    assert any("it has lost its model and what it had not sent yet" in line for line in dropped)
    assert all((number, node, "up") in sent for number in range(1, 9) for node in (0, 1))
    assert any((number, 2, "up") in sent for number in range(4, 9)), dropped
    with open(lab.out / "messages.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows if row["client"] == "2" and row["direction"] == "down"].count("dense") == 2
    for number in range(8):
        for way, total in (("up", history.uplink_bytes), ("down", history.downlink_bytes)):
            parts = [int(row["bytes"]) for row in rows if (int(row["round"]), row["direction"]) == (number + 1, way)]
            assert sum(parts) == total[number]


@pytest.mark.skipif(not ALL, reason="FEDLAB_FLOWER=all runs it; the checkpoint itself is always tested, in test_flower.py")
@pytest.mark.parametrize("lost", [False, True], ids=["its database is kept", "its database is lost"])
def test_a_new_run_goes_on_where_a_superlink_was_killed(lost, deployed, monkeypatch, tmp_path):
    lab, deployment = deployed
    settings = SETTINGS | {"uplink": "QSGD(4)", "downlink": TOP, "checkpoint": str(tmp_path / "checkpoint.npz")}

    def watch(line):
        if "round 2 of 3" in line:
            time.sleep(2)
            deployment.kill_superlink()

    with pytest.raises(labs.Failed, match="the SuperLink ended in the middle of the run"):
        runs.run_app(lab, app_of("8 bit", tmp_path), settings, [], deployment.superlink, watch=watch)
    deployment.start_superlink(lost)
    if lost:  # the nodes are known no more: they are told so, and end; with their code 0, nothing that restarts services would
        for process in deployment.nodes.values():
            assert process.wait(120) == 0
            lab.end(process)
        deployment.admit_nodes()
    said = []
    history = runs.run_app(lab, app_of("8 bit", tmp_path), settings, [], deployment.superlink, say=said.append)
    assert any("it goes on after round 2" in line for line in said) and sum("accuracy" in line for line in said) == 1
    mnist = fl.load_mnist()
    clients = fl.partition_iid(mnist.y_train, n_clients=100, seed=0)[:NODES]
    ours = fl.simulate(fl.models.document_mlp(seed=0), mnist, clients, rounds=3, clients_per_round=NODES, chunk=1,
                       uplink=fl.QSGD(4), downlink=fl.TopK(0.01) | fl.Quantize(8))  # fmt: skip
    with np.load(lab.out / "weights.npz") as arrays:
        assert [arrays[name].tobytes() for name in arrays.files] == [w.tobytes() for w in ours.weights]
    assert history.accuracy == ours.accuracy and history.uplink_bytes == ours.uplink_bytes


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_hand_it_leaves_nothing_behind(how, code, tmp_path):
    import psutil

    def of_labs():
        found = set()
        for process in psutil.process_iter():
            try:
                found |= {process.pid} if process.environ().get(labs.MARK) and process.status() != "zombie" else set()
            except psutil.Error:
                continue
        return found

    processes, folders = of_labs(), set(Path("/tmp").glob("fl-*"))
    log = tmp_path / "log"
    with open(log, "wb") as file:
        command = [sys.executable, "-m", "fedlab_utils.engines.flower_run", "deployment", "--out", str(tmp_path / "out")]
        # As from a terminal: where the tests themselves run in the background, a shell has them ignore Ctrl-C, and so would this.
        running = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | {"PYTHONUNBUFFERED": "1"},
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip
    end = time.monotonic() + 180
    while b"SuperNodes" not in log.read_bytes() and time.monotonic() < end and running.poll() is None:
        time.sleep(0.2)
    assert len(of_labs() - processes) > NODES, log.read_text()
    time.sleep(2)
    running.send_signal(how)
    assert running.wait(60) == code, log.read_text()
    assert of_labs() == processes and set(Path("/tmp").glob("fl-*")) == folders
    assert "Traceback" not in log.read_text()
