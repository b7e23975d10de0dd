"""data/results/classics/deep_compression.py: its table keeps the claim, its files are models, its quick setting holds."""

import csv
import subprocess
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.layout import flatten

FOLDER = Path(__file__).parents[1] / "data" / "results"
TARGET, PAPER_DENSE = 45, 1.64  # times fewer bytes; the paper's test error before compression, %


@pytest.fixture(scope="module")
def experiment():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        return import_module("classics.deep_compression")


@pytest.fixture(scope="module")
def table():
    """Lines of the committed table, those of a curve, by setting, stage and seed."""
    with (FOLDER / "classics" / "deep_compression.csv").open(encoding="utf8") as file:
        return {(row["setting"], row["stage"], int(row["seed"])): row for row in csv.DictReader(file) if row["stage"]}


def column(experiment, table, setting, stage, field):
    return np.array([float(table[setting, stage, seed][field]) for seed in range(experiment.SETTINGS[setting].seeds)])


def some_weights(kept=0.1, widths=(784, 30, 10), seed=0):
    """A pruned chain of Dense layers."""
    rng = np.random.default_rng(seed)
    shapes = [shape for one, other in pairwise(widths) for shape in ((one, other), (other,))]
    weights = [rng.normal(0, 0.1, shape).astype(np.float32) for shape in shapes]
    return fl.pruning.apply_mask(weights, fl.pruning.magnitude_mask(weights, 1 - kept))


def test_every_file_is_read_as_the_very_weights(experiment):
    weights = some_weights()
    codecs = experiment.stages(weights, 5)
    read = {stage: experiment.rebuild(experiment.write_file(weights, codec)) for stage, codec in codecs.items()}
    for stage in ("dense", "pruned"):
        assert experiment.fingerprint(read[stage]) == experiment.fingerprint(weights)
    assert experiment.fingerprint(read["quantized"]) == experiment.fingerprint(read["coded"])
    flat, step = flatten(weights), np.ptp(flatten(weights)[flatten(weights) != 0]) / 31
    assert np.abs(flatten(read["coded"]) - flat).max() <= step / 2 + 1e-6
    assert [w.shape for w in read["coded"]] == [w.shape for w in weights]


def test_a_fresh_process_reads_what_this_one_wrote(experiment, tmp_path):
    weights = some_weights(widths=(784, 300, 100, 10))
    file = experiment.write_file(weights, experiment.stages(weights, 5)["coded"])
    (tmp_path / "model").write_bytes(file)
    program = (
        f"import sys; sys.path.insert(0, {str(FOLDER)!r})\n"
        "from classics.deep_compression import fingerprint, rebuild\n"
        f"print(fingerprint(rebuild(open({str(tmp_path / 'model')!r}, 'rb').read())))\n"
        "assert 'tensorflow' not in sys.modules"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.strip() == experiment.fingerprint(experiment.rebuild(file))


def test_a_damaged_file_is_refused(experiment):
    weights = some_weights()
    file = experiment.write_file(weights, experiment.stages(weights, 5)["coded"])
    for damaged in (b"", file[:3], file[:-1], b"\1" + file[1:], file[:40] + bytes([file[40] ^ 1]) + file[41:]):
        with pytest.raises(ValueError, match=r"damaged|layout|payload"):
            experiment.rebuild(damaged)


def test_the_table_holds_every_seed_and_stage(experiment, table):
    wanted = {
        (name, stage, seed)
        for name, setting in experiment.SETTINGS.items() for stage in experiment.PAPER for seed in range(setting.seeds)
    }  # fmt: skip
    assert set(table) == wanted


def test_the_paper_is_beaten_in_bytes_at_its_error_with_every_seed(experiment, table):
    setting = "8 % kept, 6 bits, as in the paper"
    assert experiment.SETTINGS[setting].seeds >= 3
    ratio, error = (column(experiment, table, setting, "coded", field) for field in ("ratio", "error"))
    assert ratio.min() >= TARGET and error.max() <= PAPER_DENSE


def test_fewer_weights_and_bits_take_a_third_less_and_cost_two_tenths_of_a_point_at_most(experiment, table):
    less, paper = (name for name, setting in experiment.SETTINGS.items() if not setting.quick)
    sizes = [column(experiment, table, setting, "coded", "uplink_bytes").mean() for setting in (less, paper)]
    assert sizes[0] < sizes[1] * 2 / 3
    dense, pruned, coded = (column(experiment, table, less, stage, "error") for stage in ("dense", "pruned", "coded"))
    assert dense.max() <= PAPER_DENSE and (pruned <= dense + 0.05).all() and (coded <= dense + 0.2).all()


def test_bytes_fall_from_stage_to_stage(experiment, table):
    size = 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10
    for setting in experiment.SETTINGS:
        sizes = [column(experiment, table, setting, stage, "uplink_bytes") for stage in experiment.PAPER]
        assert (np.diff(sizes, axis=0) < 0).all()
        np.testing.assert_allclose(column(experiment, table, setting, "coded", "ratio"), 4 * size / sizes[-1], atol=0.006)


def test_the_choice_was_made_without_the_test_set_and_with_other_seeds(experiment):
    with (FOLDER / "classics" / "deep_compression_choice.csv").open(encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["seed"]) for row in rows} == set(experiment.CHOOSING)
    assert min(experiment.CHOOSING) > max(setting.seeds for setting in experiment.SETTINGS.values())


@pytest.mark.training
def test_the_quick_setting_holds(experiment, table):
    setting = next(name for name, setting in experiment.SETTINGS.items() if setting.quick)
    again = experiment.SETTINGS[setting].run(0)
    stored = table[setting, "coded", 0]
    assert again.downlink_bytes == 0 and again.uplink_bytes == again.curve[-1]["uplink_bytes"]
    assert [point["stage"] for point in again.curve] == list(experiment.PAPER)
    assert 266_610 * 4 / again.uplink_bytes >= TARGET
    assert again.uplink_bytes == pytest.approx(int(stored["uplink_bytes"]), rel=0.03)
    assert again.value == pytest.approx(float(stored["error"]), abs=0.25)  # other processors round differently
