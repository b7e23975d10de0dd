"""data/results/trainings.csv: complete, one seed of every setting trained again by the program beside it, told when damaged."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.federation import trainings

PROGRAM = Path(__file__).parents[2] / "data" / "results" / "trainings.py"
CHAOTIC = 0.015  # other processors round differently, and a training of hundreds of steps makes much of it


def settings_of_the_table():
    return list(trainings._table())


def loaded(path):
    spec = importlib.util.spec_from_file_location(f"program_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path.parent)  # what the programs share stands beside them
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def program():
    return loaded(PROGRAM)


@pytest.mark.training
def test_the_table_holds_every_setting_and_seed_of_the_program(program):
    held = {setting: len(fl.load_trainings(setting)) for setting in settings_of_the_table()}
    assert held == {setting: seeds for setting, (seeds, _) in program.SETTINGS.items()}


@pytest.mark.training
@pytest.mark.parametrize(("number", "setting"), list(enumerate(settings_of_the_table())), ids=settings_of_the_table())
def test_a_training_of_the_table_can_be_made_again(program, number, setting):
    """Every tenth setting or so with the same seed, so that each seed is trained again somewhere."""
    stored = fl.load_trainings(setting)
    history = stored[number % len(stored)]
    again = program.SETTINGS[setting][1](history.seed)
    assert len(again.accuracy) == len(history.accuracy)
    assert abs(again.accuracy[-1] - history.accuracy[-1]) < CHAOTIC
    # A support's bytes follow the weights a little; those of coded levels follow whatever another processor rounds otherwise.
    near = 0.03 if "contexts" in setting else 2e-3
    np.testing.assert_allclose(again.uplink_bytes, history.uplink_bytes, rtol=near)
    np.testing.assert_allclose(again.downlink_bytes, history.downlink_bytes, rtol=near)


def test_adding_trains_what_a_table_lacks_and_keeps_what_it_holds(tmp_path):
    studies, table, trained = loaded(PROGRAM.with_name("studies.py")), tmp_path / "some.csv", []

    def rows(setting, seed):
        trained.append((setting, seed))
        yield from ({"setting": setting, "seed": seed, "round": number} for number in (1, 2))

    def write(wanted, add):
        studies.write(table, ("setting", "seed", "round"), ("setting", "seed"), wanted, rows, add)
        return table.read_text("utf8").split()

    assert write([("a", 0), ("b", 0)], add=False) == ["setting,seed,round", "a,0,1", "a,0,2", "b,0,1", "b,0,2"]
    trained.clear()
    assert write([("a", 0), ("a", 1), ("b", 0)], add=True)[3:5] == ["a,1,1", "a,1,2"] and trained == [("a", 1)]
    write([("a", 0)], add=False)
    assert trained == [("a", 1), ("a", 0)], "without add everything is made anew"


def test_an_interrupted_training_leaves_no_rows(tmp_path):
    studies, table = loaded(PROGRAM.with_name("studies.py")), tmp_path / "some.csv"

    def broken(seed):
        yield {"seed": seed}
        if seed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        studies.write(table, ("seed",), ("seed",), [(0,), (1,)], broken, add=False)
    assert table.read_text("utf8").split() == ["seed", "0"]


def test_a_history_of_the_table_has_its_columns():
    first = fl.load_trainings("100 clients, float32")[2]
    assert first.seed == 2 and len(first.accuracy) == 10 and first.total_bytes()[-1] == 200 * (4 * 101_770 + 9)


def test_an_unknown_setting_is_told():
    with pytest.raises(ValueError, match=r"setting must be one of '6,000 images, float32', .* got 'float64'"):
        fl.load_trainings("float64")


HEAD = "setting,seed,round,accuracy,uplink_bytes,downlink_bytes\n"


@pytest.mark.parametrize("content", ["", HEAD, "setting,seed\nx,0\n", HEAD + "x,0,1,high,1,1\n"])
def test_a_missing_or_damaged_table_is_told(monkeypatch, tmp_path, content):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "trainings.csv").write_text(content)
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"trainings.csv is damaged.*git checkout"):
        trainings._table.__wrapped__()
    os.remove(tmp_path / "results" / "trainings.csv")
    with pytest.raises(FileNotFoundError, match=r"trainings.csv is missing.*git checkout"):
        trainings._table.__wrapped__()


def test_tables_made_again_are_compared_with_a_tolerance():
    differences = loaded(PROGRAM.with_name("compare.py")).differences
    old = [{"setting": "a", "accuracy": "0.90", "bytes": "1000"}, {"setting": "b", "accuracy": "0.80", "bytes": "1000"}]
    assert differences(old, [row | {"accuracy": str(float(row["accuracy"]) + 0.014), "bytes": "1019"} for row in old]) == []
    assert differences(old, [old[0], old[1] | {"accuracy": "0.78"}]) == ["line 3, accuracy: 0.80 was committed, 0.78 was made"]
    assert differences(old, [old[0] | {"bytes": "1021"}, old[1]]) == ["line 2, bytes: 1000 was committed, 1021 was made"]
    assert differences(old, [old[0] | {"setting": "c"}, old[1]]) == ["line 2, setting: a was committed, c was made"]
    assert differences(old, old[:1]) == ["2 rows were committed, 1 were made, or their columns differ"]
