"""Exercises of chapter 6: the frontier, the account of the downlink, the speed at which compression breaks even."""

import math
import re

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.book.exercises import downlink, playground
from fedlab_utils.book.exercises.asking import Question
from fedlab_utils.book.exercises.base import Exercise
from fedlab_utils.book.exercises.designing import Design
from fedlab_utils.book.exercises.memory import finished
from fedlab_utils.book.figures import classic_runs
from fedlab_utils.federation.account import Downlink, FirstModel
from fedlab_utils.streams import Purpose, stream

CHINESE = re.compile("[\u4e00-\u9fff]")
pytestmark = pytest.mark.usefixtures("progress")


def stub(*_): ...


# The frontier


def by_scan(strict):
    """By rising bytes, equal ones by falling accuracy: what is better than all before stays."""

    def pareto(points):
        order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
        kept = []
        for i in order:
            best = points[kept[-1]] if kept else (0, -1)
            if points[i][1] > best[1] or (not strict and points[i] == best):
                kept.append(i)
        return kept

    return pareto


def beaten_by(rule, order=lambda points: lambda i: points[i][0]):
    return lambda points: sorted((i for i, p in enumerate(points) if not any(rule(q, p) for q in points)), key=order(points))


def better(q, p):
    return q != p and q[0] <= p[0] and q[1] >= p[1]


WRONG_FRONTIERS = {
    "One of the two numbers is equal": beaten_by(lambda q, p: q[0] < p[0] and q[1] > p[1]),
    "Equal points do not beat each other": by_scan(strict=True),
    "not by rising bytes": beaten_by(better, lambda points: lambda i: i),
    "is beaten by": lambda points: list(range(len(points))),
    "nothing beats": lambda points: [max(range(len(points)), key=lambda i: points[i][1])],
    "return a list of places": lambda points: [points[i] for i in by_scan(strict=False)(points)],
    "expected a function": 7,
}


def test_the_frontier_is_what_a_scan_finds():
    rng = np.random.default_rng(1)
    for _ in range(200):
        points = [(int(b), int(a)) for b, a in zip(rng.integers(0, 6, 8), rng.integers(0, 6, 8), strict=True)]
        assert sorted(playground.on_frontier(points)) == sorted(by_scan(strict=False)(points))


# The downlink


def follow(cohorts, payloads, first, dense, after=0, **left_out):
    """A client's version is a number of broadcasts, as `Downlink` keeps it."""
    total, has = 0, {}
    for number, cohort in enumerate(cohorts):
        for client in cohort:
            missed = sum(payloads[has.get(client, 0) : number + after])
            total += min(missed if client in has else first + missed, dense)
            has[client] = number + after
    return total


WRONG_ACCOUNTS = {
    "every broadcast that it missed": lambda *given: downlink.bytes_down(*given, catch_up=True),
    "the dense model is sent": lambda *given: downlink.bytes_down(*given, choice=True),
    "gets the first model as well": lambda *given: downlink.bytes_down(*given, begin=True),
    "every broadcast since": lambda *given: downlink.bytes_down(*given, since=True),
    "Follow one client": lambda cohorts, payloads, first, dense: first + sum(payloads),
    "expected a function": 7,
    "your function raised": lambda cohorts, payloads, first, dense: payloads[99],
    "the cohort of round r has gone": lambda cohorts, payloads, first, dense: (
        follow(cohorts, payloads, first, dense) + sum(p * len(c) for p, c in zip(payloads, cohorts, strict=True))
    ),
}


@pytest.mark.parametrize("seed", range(20))
def test_the_account_is_that_of_the_package(seed):
    rng = np.random.default_rng(seed)
    model, first = np.zeros(300, np.float32), int(rng.integers(0, 1500))
    codec = fl.Quantize(4, entropy=True)  # its payloads differ in length
    server = Downlink(model, codec, False, first_model=FirstModel(first, 0))
    cohorts = [sorted(rng.choice(6, rng.integers(1, 4), replace=False).tolist()) for _ in range(15)]
    payloads, total = [], 0
    for cohort in cohorts:
        total += server.bytes_to_serve(cohort)
        payloads.append(len(server.broadcast(rng.normal(size=300).astype(np.float32) ** 3, rng)))
    dense = len(fl.Identity().encode(model))
    assert len(set(payloads)) > 1 and downlink.bytes_down(cohorts, payloads, first, dense) == total


# The speed


def equal_times(dense, sparse):
    (c, s), (d, t) = dense, sparse
    return math.inf if d < c or (d == c and t < s) else 0.0 if s == t else (s - t) / (d - c)


WRONG_SPEEDS = {
    "bits a second": lambda a, b: 8 * equal_times(a, b),
    "seconds a byte": lambda a, b: 1 / equal_times(a, b) if 0 < equal_times(a, b) < math.inf else equal_times(a, b),
    "Mind the sign": lambda a, b: -equal_times(a, b),
    "Only what the two differ by": lambda a, b: a[1] / b[0],
    "Sparse sends something as well": lambda a, b: a[1] / (b[0] - a[0]) if b[0] > a[0] else math.inf,
    "your function raised ZeroDivisionError": lambda a, b: (a[1] - b[1]) / (b[0] - a[0]),
    "not equally long": lambda a, b: 1234.5,
    "at any speed": lambda a, b: 0 if b[0] <= a[0] else equal_times(a, b),
    "faster at no speed": lambda a, b: equal_times(a, b) or math.inf,
}


def test_at_the_speed_of_the_solution_both_take_equally_long_and_below_it_sparse_is_faster():
    def seconds(one, speed):
        return one[0] + one[1] / speed

    for dense, sparse in (((100.0, 8e8), (300.0, 1e7)), ((20.0, 5e6), (24.0, 1e6))):
        speed = playground.speed_to_break_even(dense, sparse)
        assert seconds(dense, speed) == pytest.approx(seconds(sparse, speed))
        assert seconds(sparse, speed / 2) < seconds(dense, speed / 2) and seconds(sparse, 2 * speed) > seconds(dense, 2 * speed)


# All three

WRONG = {"pareto": WRONG_FRONTIERS, "downlink_bytes": WRONG_ACCOUNTS, "break_even_speed": WRONG_SPEEDS}
EACH = [(name, part) for name, answers in WRONG.items() for part in answers]


@pytest.mark.parametrize(("name", "part"), EACH)
def test_wrong_answers_are_told_apart(name, part, same_numbers):
    exercise = getattr(playground, name)
    verdict = exercise.check(WRONG[name][part])
    assert verdict.state == "wrong" and part in verdict.message, verdict
    same_numbers(exercise, WRONG[name][part])


@pytest.mark.parametrize("name", WRONG)
def test_stub_wrong_answers_and_solution_in_both_languages(name, language):
    exercise = getattr(playground, name)
    assert exercise.check(stub).state == "not attempted"
    messages = {exercise.check(answer).message for answer in WRONG[name].values()}
    assert len(messages) == len(WRONG[name]) and all(bool(CHINESE.search(m)) == (language == "zh") for m in messages)
    names = {"np": np, "fl": fl}
    exec(exercise.code, names)
    assert exercise.check(names[name]).state == "right" and finished() == [f"playground.{name}"]


@pytest.mark.parametrize(("name", "answer"), [
    ("pareto", by_scan(strict=False)),
    ("pareto", lambda points: np.array(by_scan(strict=False)(points))),
    ("downlink_bytes", follow),
    ("break_even_speed", equal_times),
])  # fmt: skip
def test_another_right_way_is_right(name, answer):
    verdict = getattr(playground, name).check(answer)
    assert verdict.state == "right", verdict


def test_an_answer_that_changes_its_input_is_told(language):
    def sorts(points):
        points.sort()
        return by_scan(strict=False)(points)

    told = {"en": "changes its input (argument 1)", "zh": "改动了输入（第 1 个参数）"}[language]
    assert told in playground.pareto.check(sorts).message


def items():
    kinds = (Exercise, Question, Design)
    return [item for item in vars(playground).values() if isinstance(item, kinds)]


def test_texts_are_whole_in_both_languages():
    assert len(items()) == len({item.name for item in items()}) >= 15
    for item in items():
        pairs = [getattr(item, "praise", None), getattr(item, "text", None)]
        pairs += [*getattr(item, "hints", ()), *getattr(item, "criteria", ())]
        pairs += [pair for choice in getattr(item, "choices", ()) for pair in (choice[:2], choice[2:])]
        for en, zh in filter(None, pairs):
            assert en and not CHINESE.search(en) and CHINESE.search(zh), (en, zh)


def test_where_the_bytes_go_is_as_the_question_says():
    """Nearly five times as much down as up, with the cohorts that simulate draws."""
    factors = []
    for seed in range(10):
        draws = (stream(seed, Purpose.SELECTION, number).choice(100, 20, replace=False) for number in range(100))
        cohorts = [draw.tolist() for draw in draws]
        factors.append(downlink.bytes_down(cohorts, [1000] * 100, 0, 10**9) / (100 * 20 * 1000))
    assert 4.6 < min(factors) and max(factors) < 5


# What section 6.6 answers to its own tasks


@pytest.mark.training
def test_the_answers_of_your_own_model_and_data(tmp_path):
    table = fl.load_diabetes()
    rows = ([*row, "fast" if y > 140 else "slow"] for row, y in zip(table.x.tolist(), table.y, strict=True))
    lines = [[*table.names, "progress"], *rows]
    (tmp_path / "people.csv").write_text("\n".join(",".join(map(str, line)) for line in lines), "utf8")
    people = fl.datasets.from_csv(tmp_path / "people.csv", label="progress")
    keras = fl.models.keras
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((10,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(2, "softmax")])
    payload = (fl.TopK(0.1) | fl.Quantize(8)).encode(net.get_weights())
    _, parts = fl.coding.take_apart(payload)
    assert len(payload) == 53 and sum(part.size for part in parts if not part.stage) == 7
    of = {name: sum(part.size for part in parts if part.names[0] == name) for name in ("support", "levels", "ranges")}
    assert of == {"support": 14, "levels": 21, "ranges": 8}

    run = fl.compare(
        net, people, fl.partition_iid(people.y_train, 5), ["Quantize(8)", "Quantize(4)", "TopK(0.1) | Quantize(8)"],
        rounds=20, seeds=5, clients_per_round=5, progress=False,
    )  # fmt: skip
    dense, *coded = (row.accuracy for row in run.rows)
    assert len(people.y_test) == 88 and abs(dense - 0.773) < 1 / 88
    assert all(abs(accuracy - dense) < 2 / 88 for accuracy in coded)  # a sample or two


# The figures: their titles and notes hold for what is drawn


def test_where_the_bytes_of_fedavg_end_is_where_97_percent_is_reached(language):
    figure = fl.figures.classics.fedavg_rounds().figure
    for ax, partition in zip(figure.axes, ("IID", "two shards"), strict=True):
        runs = classic_runs.runs("fedavg_rounds", "accuracy")[f"{partition}, E = 1, B = 10, C = 0.1"]
        lines = [line for line in ax.lines if line.get_marker() == "o"]
        for line, run in zip(lines, runs, strict=True):
            rounds, best = line.get_data()
            assert best[-1] == 0.97 > best[-2] and rounds[-1] == run.value and rounds[-2] < run.value <= rounds[-2] + 1
        reached = f"{min(run.value for run in runs):.0f} … {max(run.value for run in runs):.0f}"
        assert reached in ax.get_title()


def test_titles_of_estimators_and_of_pruning_hold_for_every_point(language):
    (ax,) = fl.figures.classics.estimators_trained().figure.axes
    exact, worst = (classic_runs.rows("estimators_trained")[name].ours_mean for name in ("float32", "QSGD, s = 1"))
    points = {round(float(line.get_ydata()[0]), 6) for line in ax.lines if len(line.get_ydata()) == 1}
    beyond = [point for point in points if exact - point > 0.0149]  # more than one point, rounded
    assert beyond == [round(worst, 6)] and "QSGD" in ax.get_title() and f"{100 * (exact - worst):.1f}" in ax.get_title()
    pruned = fl.figures.classic_systems.federated_pruning()
    for ax in pruned.figure.axes:
        accuracies = re.findall(r"\d+\.\d ?%", ax.get_title())
        assert len(accuracies) == 2 and all(accuracy in pruned.alt for accuracy in accuracies), "as the words have them"


def test_no_star_lies_on_the_note_of_what_is_below(language):
    low = fl.History(accuracy=[0.5], uplink_bytes=[300_000], downlink_bytes=[500_000])
    figure = fl.figures.playground.frontier({"low": low}).figure
    figure.draw_without_rendering()
    (ax,) = figure.axes
    (note,) = (text for text in ax.texts if {"en": "lie below", "zh": "图外更低"}[language] in text.get_text())
    box = note.get_window_extent()
    assert box.x0 > ax.bbox.x1 and box.x1 <= figure.bbox.x1 and box.y0 >= ax.bbox.y0
