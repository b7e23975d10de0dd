"""What needs no Flower: a training's arguments from text, what is refused, the lock; and the account that engines send by."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.federation.account import Downlink, FirstModel

ROOT = Path(__file__).resolve().parents[2]


def test_a_plan_is_read_from_a_configuration():
    config = {
        "clients": 3, "clients-per-round": 3, "learning-rate": 1, "uplink": "TopK(0.01) | Quantize(8)",
        "first-model": "Quantize(8)", "error-feedback": "auto", "alpha-of-mine": 0.3, "state": "local",
    }  # fmt: skip
    plan = fl.flower.Plan.of(config, downlink=fl.Quantize(4), rounds=7)
    assert (plan.uplink, plan.downlink) == (fl.TopK(0.01) | fl.Quantize(8), fl.Quantize(4))
    assert (plan.first_model, plan.error_feedback, plan.state) == (fl.Quantize(8), None, "local")
    assert (plan.clients_per_round, plan.learning_rate, plan.rounds) == (3, 1.0, 7)
    assert fl.flower.Plan.of({"error_feedback": True, "first_model": "seed"}).error_feedback is True


@pytest.mark.parametrize(
    ("config", "settings", "sentence"),
    [
        ({"chunk": 4}, {}, "chunk is an argument of simulate, not of a training under Flower: every client trains by itself"),
        ({}, {"validation": [1]}, "validation is an argument of simulate"),
        ({"progress": True}, {}, "Flower writes a log"),
        ({}, {"batchsize": 3}, "has no batchsize; it has batch_size, checkpoint, clients"),
        ({"uplink": "TopK(0.01"}, {}, "is no codec"),
        ({"uplink": 8}, {}, "uplink must be a codec"),
        ({"first-model": "sparse"}, {}, "is no codec"),
        ({"clients": 4}, {}, "clients_per_round must be in 1 … 4"),
        ({"clients": 4, "clients-per-round": 2, "min-clients": 5}, {}, "min_clients must be in 1 … 4"),
        ({"rounds": 0}, {}, "rounds must be at least 1"),
        ({"rounds": 2.5}, {}, "rounds must be an integer"),
        ({"no-answer": 1.0}, {}, "no_answer must be in"),
        ({"timeout": 0}, {}, "timeout must be in"),
        ({"checkpoint": "here.npz"}, {}, "checkpoint must be an absolute path"),
        ({"seed": -1}, {}, "seed must be in"),
        ({"state": "shared"}, {}, "state must be one of"),
        ({"mask": "half"}, {}, "mask is a function: pass it in Python"),
        ({}, {"optimizer": "adam"}, "optimizer must be a function that makes it"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(config, settings, sentence):
    with pytest.raises((ValueError, TypeError)) as told:
        fl.flower.Plan.of(config, **settings)
    assert sentence in str(told.value) and "\n" not in str(told.value)


def test_plans_agree_where_their_bytes_mean_the_same():
    plan = fl.flower.Plan.of({})
    assert plan.agreement() == fl.flower.Plan.of({}, rounds=3, timeout=5.0, downlink=fl.Quantize(8)).agreement()
    others = [{"seed": 1}, {"batch_size": 20}, {"uplink": fl.Quantize(8)}, {"learning_rate": 0.2}, {"error_feedback": True}]
    assert plan.agreement() not in {fl.flower.Plan.of({}, **other).agreement() for other in others}


@pytest.mark.skipif(importlib.util.find_spec("flwr") is not None, reason="this Python has Flower")
def test_without_flower_a_sentence_says_what_to_do(language):
    fl.use_language(language)
    with pytest.raises(fl.flower.NotReady, match="make flower-env"):
        fl.flower.client_app(None, None)


def versions(name):
    lines = (ROOT / name).read_text().splitlines()
    return {m[1]: m[2] for line in lines if (m := re.match(r"([\w.-]+)==([\w.+-]+)", line))}


def test_what_decides_numbers_is_in_the_lock_of_flower_what_it_is_in_the_book():
    book = versions("requirements.txt") | versions("requirements-dev.txt")
    lock = versions("requirements-flower.txt")
    for name in ("numpy", "keras", "tensorflow", "tensorflow-cpu", "constriction", "pytest", "hypothesis"):
        assert lock[name] == book[name]
    assert lock["flwr"] == "1.42.0" and "jupyterlab" not in lock
    assert "://" not in (ROOT / "requirements-flower.txt").read_text()


# The account


def rng():
    return np.random.default_rng(0)


def test_what_a_client_is_known_to_have_decides_what_it_is_sent():
    server = Downlink(np.zeros(1000, np.float32), fl.TopK(0.1), error_feedback=True)
    dense = len(fl.Identity().encode(np.zeros(1000)))
    sent = []
    assert server.serve([0, 1])[0].sent_bytes == dense
    for _ in range(3):
        sent.append(server.broadcast(rng().normal(size=1000).astype(np.float32), rng()))
        server.serve([0])
    assert server.serve([1])[1] == ("held", False, 0, False, sum(map(len, sent)), 0)
    server.has(1, 2)  # its last answers did not come
    assert server.serve([1])[1] == ("held", False, 2, False, len(sent[2]), 0)
    server.has(1, None)
    assert server.serve([1])[1] == ("dense", True, None, False, dense, dense)


@pytest.mark.parametrize("first", [None, FirstModel(60, 0)], ids=["dense", "as its seed"])
def test_no_broadcast_that_is_still_needed_is_older_than_the_earliest(first):
    server = Downlink(np.zeros(1000, np.float32), fl.TopK(0.1), True, 0, None, None, first)
    for number in range(1, 30):
        server.broadcast(rng().normal(size=1000).astype(np.float32), rng())
        earliest = server.earliest_needed()
        newcomer = server.serve([99])[99]
        server.has(99, None)
        for version in range(number):
            server.has(0, version)
            service = server.serve([0])[0]
            cheap = service.since == version
            assert cheap or (service.begins, service.since) == ("dense", None)
            assert not cheap or version >= earliest
            if newcomer.since is None:
                assert cheap == (version >= earliest)
        assert newcomer.since is None or earliest == 0
    assert earliest > 0
