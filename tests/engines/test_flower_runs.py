"""Our payloads under Flower as it is really run: in its simulation, on Ray. The bits of simulate(chunk=1), message by message.

Runs in .venv-flower (`make test-flower`); elsewhere it is deselected by its mark. Minutes, since Ray and TensorFlow start anew
for each run.
"""

import socket

import pytest
from flower_cases import CASES, app_of, expected, is_the_same
from later import Later

runs = Later("fedlab_utils.engines.flower_run")
labs = Later("fedlab_utils.engines.flower_lab")

pytestmark = pytest.mark.flower

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
