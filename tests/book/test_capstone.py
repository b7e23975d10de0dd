"""The capstone: what a recipe may be, what judging measures, what stands on the board and can never be lost."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.book import class_table, scoreboard
from fedlab_utils.book.scoreboard import BUDGET_BYTES, SEEDS, WANTED, Run, Submission, add, board, key_of, read, seeds_of
from tests.later import Later

CHINESE = re.compile("[\u4e00-\u9fff]")
capstone = Later("fedlab_utils.book.capstone")
SHORT = {"rounds": 1, "clients_per_round": 1, "learning_rate": 0.05, "uplink": "TopK(0.01) | Quantize(8)"}
training = pytest.mark.training


def run(name="Ann", place=0, accuracy=0.96, total_bytes=1_000_000, rounds=5, at="2026-01-02 03:04:05", **recipe):
    """A line as judging writes it: of a recipe of five rounds, with the seed that stands at `place` among its three."""
    recipe = {"rounds": 5, **recipe}
    key = key_of(recipe)
    return Run(name, at, key, recipe, seeds_of(key)[place], accuracy, total_bytes, rounds, 5)


def judged(*accuracies, **options):
    return Submission(tuple(run(place=place, accuracy=accuracy, **options) for place, accuracy in enumerate(accuracies)))


# A submission


def test_the_median_of_three_seeds_passes_and_not_the_best():
    assert judged(0.93, WANTED, 0.99).passed and judged(0.93, WANTED, 0.99).why_not() == ""
    assert not judged(0.94, 0.9499, 0.99).passed
    assert not judged(0.99, 0.99).passed  # a seed is missing


def test_every_seed_keeps_within_the_budget():
    assert judged(0.96, 0.96, 0.96, total_bytes=BUDGET_BYTES).passed
    over = Submission((*judged(0.96, 0.96).runs, run(place=2, total_bytes=BUDGET_BYTES + 1)))
    assert not over.passed and over.total_bytes == BUDGET_BYTES + 1


@pytest.mark.parametrize(
    ("submission", "parts"),
    [
        (judged(0.94, 0.9499, 0.99), ("94.99", "94.0", "99.0", "95")),  # not rounded to what is wanted
        (judged(0.96, 0.96), ("2", "3")),
        (
            judged(0.96, 0.96, 0.96, total_bytes=BUDGET_BYTES + 1, rounds=4),
            (f"{BUDGET_BYTES / 1e3:,.0f}", "4", "5", str(run().seed)),
        ),
        (judged(math.nan, 0.96, 0.96, rounds=3), ("3", "5")),
    ],
)
def test_why_a_submission_did_not_pass_is_one_sentence(submission, parts, language):
    sentence = submission.why_not()
    assert all(part in sentence for part in parts), sentence
    assert len(re.findall(r"[.。](?:\s|$|(?=[\u4e00-\u9fff]))", sentence)) == 1
    assert bool(CHINESE.search(sentence)) == (language == "zh")


# The file


def test_lines_are_added_and_read_again(tmp_path):
    file = tmp_path / "scoreboard.jsonl"
    first, second = run(place=1, uplink="Sign()"), run("李", place=2, accuracy=math.nan)
    add(file, [first])
    add(file, [second])
    found, notes = read([file])
    assert found[0] == first and found[1]._replace(accuracy=0) == second._replace(accuracy=0) and math.isnan(found[1].accuracy)
    assert not notes and all(json.loads(line)["capstone"] == 1 for line in file.read_text("utf8").splitlines())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scoreboard.jsonl", "scoreboard.jsonl.lock"]


@pytest.mark.parametrize("line", ["{", "[]", "7", '"text"', "{}", '{"capstone": 9}', '{"capstone": 1, "name": "x"}',
                                  json.dumps({"capstone": 1, **run(accuracy=7.0)._asdict()}),
                                  json.dumps({"capstone": 1, **run()._asdict(), "total_bytes": "few"}),
                                  json.dumps({"capstone": 1, **run()._asdict(), "seed": True}),
                                  json.dumps({"capstone": 1, **run()._asdict(), "seed": 5}),
                                  json.dumps({"capstone": 1, **run()._asdict(), "recipe": {"rounds": 6}})])  # fmt: skip
def test_a_line_that_is_none_is_named_and_costs_nothing(tmp_path, line, language):
    file = tmp_path / "scoreboard.jsonl"
    add(file, [run(place=1)])
    with file.open("a") as stream:
        stream.write(line)  # cut off: without an end of line
    add(file, [run(place=2)])
    found, notes = read([file])
    assert [each.seed for each in found] == seeds_of(found[0].key)[1:] and len(notes) == 1
    assert "scoreboard.jsonl" in notes[0] and "2" in notes[0] and bool(CHINESE.search(notes[0])) == (language == "zh")


def test_a_file_that_cannot_be_replaced_keeps_what_it_had(tmp_path, monkeypatch):
    file = tmp_path / "scoreboard.jsonl"
    add(file, [run(place=1)])
    before = file.read_bytes()

    def fails(*_):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="no space"):
        add(file, [run(place=2)])
    assert file.read_bytes() == before and not list(tmp_path.glob("*.tmp"))


def test_several_people_s_files_are_one_board(tmp_path, language):
    ann, bob = tmp_path / "ann.jsonl", tmp_path / "deep" / "bob.jsonl"
    bob.parent.mkdir()
    add(ann, judged(0.96, 0.97, 0.98, total_bytes=900_000).runs)
    add(bob, judged(0.96, 0.97, 0.98, total_bytes=900_000).runs)  # Ann's, once more
    add(bob, judged(0.951, 0.952, 0.953, name="Bob", total_bytes=800_000).runs)
    add(bob, judged(0.90, 0.93, 0.96, name="Bob", at="2026-01-01 00:00:00", uplink="Sign()").runs)
    found = board(*read([ann, bob]))
    assert [(each.runs[0].name, each.passed) for each in found.submissions] == [("Bob", True), ("Ann", True), ("Bob", False)]
    text, html = str(found), found._repr_html_()
    lines = [line for line in text.splitlines() if line.startswith(("Ann", "Bob"))]
    assert ["✓" in line for line in lines] == [True, True, False]
    for cell in ("800", "95.1–95.3", "uplink=Sign()", "2026-01-01 00:00:00", " ".join(map(str, seeds_of(key_of({"rounds": 5}))))):
        assert cell in text and cell in html
    assert re.search(r"\s2\s", lines[0]) and re.search(r"\s1\s", lines[2])  # Bob's first came first
    assert bool(CHINESE.search(text)) == (language == "zh")
    heads, first = (re.findall(r"<t[hd] style=\"([^\"]*)\">(.*?)</t[hd]>", row) for row in html.split("<tr>")[1:3])
    assert len(heads) == len(first) == 8 and first[-1] == ("text-align:left", "rounds=5"), "a recipe is words, and may be broken"
    assert all("nowrap" in style for style, _ in heads[:-1] + first[:-1]), "beside it no head and no number is"
    assert lines[0].endswith("  rounds=5") and lines[1].index("rounds=5") == lines[0].index("rounds=5")


def test_a_class_s_boards_are_shown_with_its_reports(tmp_path, capsys, language):
    (tmp_path / "ann").mkdir()
    add(tmp_path / "ann" / "scoreboard.jsonl", judged(0.96, 0.97, 0.98).runs)
    add(tmp_path / "bob.jsonl", judged(0.96, 0.97, 0.98, name="Bob").runs)
    (tmp_path / "other.jsonl").write_text("{}\n" * 9)
    assert class_table.main([str(tmp_path), "--language", language]) == 0
    shown = capsys.readouterr().out
    assert "Ann" in shown and "Bob" in shown and bool(CHINESE.search(shown)) == (language == "zh")
    assert shown.count("other.jsonl") == 5 and {"en": "And 4 more lines.", "zh": "还有 4 行。"}[language] in shown


def test_what_is_written_in_a_name_is_text():
    assert "<script>" not in board([run("<script>alert(1)</script>")])._repr_html_()


# A recipe


@training
@pytest.mark.parametrize(
    ("recipe", "parts"),
    [
        ("rounds=5", ("str",)),
        ({}, ("rounds",)),
        ({"rounds": 5, "data": 1}, ("'data'", "clients_per_round")),
        ({"rounds": 5, "seed": 1}, ("'seed'",)),
        ({"rounds": 5, "on_round": print}, ("'on_round'",)),
        ({"rounds": 5, "mask": []}, ("'mask'",)),
        ({"rounds": 5, 0: 4}, ("0 is no part",)),
        ({"rounds": 0}, ("rounds", "0")),
        ({"rounds": "many"}, ("rounds", "'many'")),
        ({"rounds": 5, "clients_per_round": 101}, ("clients_per_round", "100", "101")),
        ({"rounds": 2000}, ("20,000", "10,000")),
        ({"rounds": 5, "learning_rate": -1}, ("learning_rate", "-1")),
        ({"rounds": 5, "learning_rate": float("nan")}, ("learning_rate", "nan")),
        ({"rounds": 5, "server_momentum": 1}, ("server_momentum",)),
        ({"rounds": 5, "error_feedback": 1}, ("error_feedback", "1")),
        ({"rounds": 5, "uplink": 8}, ("uplink", "8")),
        ({"rounds": 5, "uplink": "Zip(9)"}, ("Zip",)),
        ({"rounds": 5, "uplink": "TopK(200000)"}, ("200000", "101770")),
        ({"rounds": 5, "first_model": "free"}, ("free",)),
        ({"rounds": 5, "first_model": "__import__('os').getcwd()"}, ("is no codec", )),
    ],
)  # fmt: skip
def test_a_bad_recipe_is_one_sentence_and_writes_nothing(tmp_path, recipe, parts):
    file = tmp_path / "scoreboard.jsonl"
    verdict = fl.capstone.submit("Ann", recipe, file=file, progress=False)
    assert verdict.state == "wrong" and verdict.message.startswith("Not judged: ") and "\n" not in verdict.message
    assert all(part in verdict.message for part in parts), verdict.message
    assert not file.exists()
    with pytest.raises((TypeError, ValueError)):
        fl.capstone.rehearse(recipe, progress=False)


@training
def test_a_first_model_that_is_mistyped_is_told_with_what_it_may_be(language):
    told = {
        "en": "first_model must be 'dense', 'seed' or a codec: 'seeds' is no codec: there is no seeds; there are DCT, ",
        "zh": "first_model 应为 'dense'、'seed' 或一个编解码器：'seeds' 不是编解码器：没有 seeds；可用的有 DCT、",
    }
    with pytest.raises(ValueError) as error:
        fl.capstone.rehearse({"rounds": 5, "first_model": "seeds"}, progress=False)
    assert str(error.value).startswith(told[language])


@training
def test_a_line_copied_from_the_composer_is_a_part_of_a_recipe():
    copied, typed = ({"rounds": 5, "uplink": text} for text in ("fl.TopK(0.01) | fl.Quantize(8)", "TopK(0.01)|Quantize(8)"))
    assert fl.capstone.checked(copied) == fl.capstone.checked(typed) == {"rounds": 5, "uplink": "TopK(0.01) | Quantize(8)"}


@training
@pytest.mark.parametrize("recipe", [None, ...])
def test_a_stub_is_not_attempted(tmp_path, recipe, language):
    assert fl.capstone.submit("Ann", recipe, file=tmp_path / "board.jsonl").state == "not attempted"


@training
@pytest.mark.parametrize("name", ["", "  ", None, "x" * 41])
def test_a_name_is_needed(tmp_path, name, language):
    verdict = fl.capstone.submit(name, SHORT, file=tmp_path / "board.jsonl")
    assert verdict.state == "wrong" and "40" in verdict.message and bool(CHINESE.search(verdict.message)) == (language == "zh")


class Lying(fl.TopK):
    """Says that it is a codec of the book, and sends a single byte."""

    def encode(self, x, rng=None, **layout):
        return b"!"

    def __repr__(self):
        return "TopK(0.01)"


@training
def test_a_codec_of_one_s_own_is_never_run():
    assert capstone.checked({"rounds": 1, "uplink": Lying(0.01)})["uplink"] == "TopK(0.01)"  # the book's own is made anew
    Lying.__repr__ = lambda self: "Lying(0.01)"
    with pytest.raises(ValueError, match="no codec"):
        capstone.checked({"rounds": 1, "uplink": Lying(0.01)})


@training
def test_the_same_recipe_has_the_same_seeds_however_it_is_written():
    same = [
        {"rounds": 5, "uplink": "TopK(0.01)|Sign", "learning_rate": 0.1},
        {"uplink": fl.TopK(0.01) | fl.Sign(), "rounds": 5, "downlink": fl.Identity(), "server_momentum": 0},
        {"rounds": np.int64(5), "uplink": "TopK(0.01) | Sign()", "learning_rate": 0.10000001, "clients_per_round": 10},
    ]
    keys = {key_of(capstone.checked(recipe)) for recipe in same}
    assert len(keys) == 1
    others = {key_of(capstone.checked({**same[0], "rounds": rounds})) for rounds in (4, 6)}
    assert len(keys | others) == 3
    seeds = [seed for key in keys | others for seed in seeds_of(key)]
    assert len(set(seeds)) == 3 * SEEDS and min(seeds) > capstone.LAST_REHEARSAL


# Judging


@training
def test_what_is_judged_is_what_simulate_measures_on_the_test_set(tmp_path, mnist):
    file = tmp_path / "scoreboard.jsonl"
    verdict = fl.capstone.submit("Ann", SHORT, file=file, progress=False)
    assert verdict.state == "wrong" and verdict.message.startswith("Not passed. The median accuracy of 3 seeds")
    runs, _ = read([file])
    assert len(runs) == SEEDS and {each.name for each in runs} == {"Ann"}
    codec = fl.TopK(0.01) | fl.Quantize(8)
    for each in runs:
        order = np.random.default_rng(each.seed).permutation(60_000)
        hers = order[6000:]
        clients = [hers[part] for part in fl.partition_shards(mnist.y_train[hers], 100, shards_per_client=2, seed=each.seed)]
        model = fl.models.document_mlp(seed=each.seed)
        history = fl.simulate(model, mnist, clients, rounds=1, clients_per_round=1, learning_rate=0.05, uplink=codec,
                              seed=each.seed, compile=True)  # fmt: skip
        assert (each.accuracy, each.total_bytes) == (history.accuracy[-1], history.total_bytes()[-1])
        assert each.total_bytes > 407_080  # the first model is counted

    again = fl.capstone.submit("Ann", {**SHORT, "batch_size": 10}, file=file, progress=False)
    assert again == verdict and len(read([file])[0]) == SEEDS, "the same recipe is not judged twice"
    assert fl.capstone.submit("Bob", SHORT, file=file, progress=False) == verdict
    assert len(fl.capstone.scoreboard(file)) == 2 and len(read([file])[0]) == 2 * SEEDS


@training
def test_a_recipe_passes_where_it_reaches_what_is_wanted(tmp_path, monkeypatch, language):
    monkeypatch.setattr(scoreboard, "WANTED", 0.01)
    verdict = fl.capstone.submit("Ann", SHORT, file=tmp_path / "scoreboard.jsonl", progress=False)
    found = fl.capstone.scoreboard(tmp_path)
    assert verdict.state == "right" and f"{found.submissions[0].total_bytes / 1e3:,.0f} kB" in verdict.message
    assert "✓" in str(found) and bool(CHINESE.search(verdict.message)) == (language == "zh")


@training
def test_judging_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    file, seeds = tmp_path / "scoreboard.jsonl", []
    real = capstone._train

    def second_is_interrupted(recipe, seed, judged, progress):
        seeds.append(seed)
        if len(seeds) == 2:
            raise KeyboardInterrupt
        return real(recipe, seed, judged, progress)

    monkeypatch.setattr("fedlab_utils.book.capstone._train", second_is_interrupted)
    verdict = fl.capstone.submit("Ann", SHORT, file=file, progress=False)
    assert verdict.state == "hint" and "1 of 3" in verdict.message
    assert "Only 1 of 3" in fl.capstone.scoreboard(file).submissions[0].why_not()
    assert fl.capstone.submit("Ann", SHORT, file=file, progress=False).state == "wrong"
    assert seeds == [seeds[0], seeds[1], seeds[1], seeds[3]] and len(read([file])[0]) == SEEDS


@training
def test_training_stops_where_the_budget_is_spent(tmp_path, monkeypatch):
    for module in ("capstone", "scoreboard"):
        monkeypatch.setattr(f"fedlab_utils.book.{module}.BUDGET_BYTES", 1_000_000)
    file, recipe = tmp_path / "scoreboard.jsonl", {"rounds": 9, "clients_per_round": 2}
    verdict = fl.capstone.submit("Ann", recipe, file=file, progress=False)
    runs, _ = read([file])
    assert verdict.state == "wrong" and "round 1 of 9" in verdict.message and "1,000 are allowed" in verdict.message
    dense = len(fl.Identity().encode(np.ones(101_770)))
    assert [(each.rounds, each.total_bytes) for each in runs] == [(1, 4 * dense)]  # two clients, a model down and one up
    assert "round 1 of 9" in repr(fl.capstone.rehearse(recipe, progress=False))


@training
def test_what_diverges_is_told(tmp_path, language):
    recipe = {**SHORT, "server_learning_rate": 1e38}
    verdict = fl.capstone.submit("Ann", recipe, file=tmp_path / "scoreboard.jsonl", progress=False)
    assert verdict.state == "wrong" and {"en": "diverged", "zh": "发散"}[language] in verdict.message


@training
def test_a_folder_that_cannot_be_written_is_told_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr("fedlab_utils.book.capstone._train", None)
    verdict = fl.capstone.submit("Ann", SHORT, file=tmp_path / "nowhere" / "scoreboard.jsonl", progress=False)
    assert verdict.state == "wrong" and "nowhere" in verdict.message


@training
def test_a_rehearsal_never_opens_the_test_set(mnist, monkeypatch):
    first = fl.capstone.rehearse(SHORT, seed=4, progress=False)
    spoilt = mnist._replace(x_test=np.zeros_like(mnist.x_test), y_test=np.zeros_like(mnist.y_test))
    monkeypatch.setattr("fedlab_utils.book.capstone.load_mnist", lambda: spoilt)
    assert fl.capstone.rehearse(SHORT, seed=4, progress=False).history.accuracy == first.history.accuracy
    monkeypatch.undo()
    with pytest.raises(ValueError, match="999999"):
        fl.capstone.rehearse(SHORT, seed=10**6)


@training
def test_a_rehearsal_is_told_in_both_languages(language):
    told = repr(fl.capstone.rehearse(SHORT, progress=False))
    assert told.startswith("✗") and f"{BUDGET_BYTES / 1e3:,.0f}" in told and bool(CHINESE.search(told)) == (language == "zh")


@training
def test_a_board_without_a_file(tmp_path, monkeypatch, language):
    monkeypatch.chdir(tmp_path)
    assert {"en": "Nobody has submitted yet.", "zh": "还没有人提交。"}[language] in str(fl.capstone.scoreboard())
    with pytest.raises(FileNotFoundError, match=r"other\.jsonl"):
        fl.capstone.scoreboard("other.jsonl")
