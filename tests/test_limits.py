"""A browser's Python (JupyterLite on Pyodide) is promised: the package imports there, codecs and the apps that train nothing do
what they do here, and what trains is refused by name. What it lacks is imitated in a process of its own: see `limits`."""

import json
import subprocess
import sys
from pathlib import Path

import limits
import pytest

TRAIN = {"images_per_update", "partitions_explorer", "pruning_explorer", "live_lab", "playground"}


@pytest.fixture(scope="module")
def there():
    run = subprocess.run([sys.executable, Path(limits.__file__)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


def test_golden_payloads_are_decoded_bit_for_bit(there):
    assert there["decoded"] == []


def test_every_codec_makes_the_same_bytes(there):
    assert there["encoded"] == limits.encoded() and len(there["encoded"]) > 400


def test_the_apps_that_train_nothing_show_what_they_show_here(there):
    open_there = [name for name in limits.APPS if name not in TRAIN]
    assert {name: there["apps"][name] for name in open_there} == {name: limits.shown(name) for name in open_there}
    assert not [name for name in open_there if len(set(there["apps"][name])) < 2], "no control moves anything"


def test_checkpoints_are_measured_as_here(there):
    assert there["measured"] == json.loads(json.dumps(limits.measured())) and len(there["measured"]) > 10


def test_what_trains_is_refused_by_name(there):
    told = [*there["training"].values(), *(text for name in TRAIN for text in there["apps"][name])]
    assert all("needs TensorFlow" in text and "make lab" in text and "Binder" in text for text in told)


def test_the_imitation_refuses_what_numpy_refuses_there():
    program = "import limits, numpy as np; limits.imitate(); np.{}"
    for call in ("bincount(np.array([1, 2], np.int64))", "repeat([1, 2], np.array([1, 2], np.int64))"):
        run = subprocess.run(
            [sys.executable, "-c", program.format(call)], capture_output=True, text=True, cwd=Path(limits.__file__).parent
        )
        assert "according to the rule 'safe'" in run.stderr
