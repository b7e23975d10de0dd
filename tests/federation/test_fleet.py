"""From one message to a day of many clients: the formulas against the account itself, and the page against its table."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.federation.account import Downlink

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "cohort"), [(fl.TopK(0.05), 10), (fl.TopK(0.05), 2), (fl.Quantize(8), 20)])
def test_what_a_client_is_sent_is_what_the_account_says(codec, cohort):
    """200 clients, cohorts drawn anew each round; once everybody has taken part, the mean is the formula's to 2 %."""
    rng, n, clients, rounds = np.random.default_rng(4), 2000, 200, 4000
    server = Downlink(np.zeros(n, np.float32), codec, False)
    sizes, sent = [], []
    for number in range(rounds):
        served = server.serve(rng.choice(clients, cohort, replace=False).tolist())
        if number >= rounds // 2:
            sent += [service.sent_bytes for service in served.values()]
        sizes.append(len(server.broadcast(rng.normal(size=n).astype(np.float32), rng)))
    dense = len(fl.Identity().encode(np.zeros(n)))
    expected = fl.fleet.catch_up_bytes(cohort / clients, np.mean(sizes), dense)
    assert np.mean(sent) == pytest.approx(expected, rel=0.02)
    kept = rounds - server.earliest_needed()
    assert abs(kept - fl.fleet.worth_keeping(np.mean(sizes), dense)) <= 1


def test_the_ends_of_the_scale():
    assert fl.fleet.catch_up_bytes(1, 70, 1000) == 70  # always there: one broadcast
    assert fl.fleet.catch_up_bytes(0.5, 1001, 1000) == 1000  # a broadcast above the dense model is never sent
    assert fl.fleet.catch_up_bytes(1e-9, 70, 1000) == pytest.approx(1000, rel=1e-6)  # hardly ever there: the dense model
    assert fl.fleet.worth_keeping(70, 1000) == 14 and fl.fleet.worth_keeping(1001, 1000) == 0
    assert fl.fleet.middle_layer_pays_from(100, 25) == 2  # of one below it, an aggregator would pass on as much as came
    assert fl.fleet.middle_layer_pays_from(101, 25) == 1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: fl.fleet.catch_up_bytes(0, 70, 1000), r"share must be in \(0, 1\], got 0"),
        (lambda: fl.fleet.catch_up_bytes(1.5, 70, 1000), r"share must be in \(0, 1\], got 1.5"),
        (lambda: fl.fleet.worth_keeping(0, 1000), "broadcast_bytes must be in"),
        (lambda: fl.fleet.worth_keeping(70, float("nan")), "dense_bytes must be in"),
        (lambda: fl.fleet.middle_layer_pays_from(70, 0), "n_weights must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def paper():
    spec = importlib.util.spec_from_file_location("fleet_benchmark", ROOT / "benchmarks" / "fleet.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.paper()


@pytest.mark.parametrize("page", ["fleet.md", "fleet.zh-CN.md"])
def test_the_page_has_the_rows_of_the_table(page):
    rows = re.findall(r"^\| (.*) \|$", (ROOT / "docs" / page).read_text("utf-8"), re.M)
    told = [re.split(r"(?<!\\) \| ", row) for row in rows]
    told = [[cell.replace(r"\|", "|") for cell in row] for row in told]
    for name, table in paper().items():
        assert table, name
        for row in table:
            assert row in told, (name, row)
