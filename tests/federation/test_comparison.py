"""A reader's own model with one codec after the other: the account, what is refused beforehand, what survives an error."""

import re

import numpy as np
import pytest

import fedlab_utils as fl

pytestmark = pytest.mark.training
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def keras():
    return fl.models.keras


@pytest.fixture(scope="module")
def data():
    digits = fl.load_small_digits()
    return fl.datasets.from_arrays(digits.images.reshape(-1, 64)[:600], digits.labels[:600])


@pytest.fixture(scope="module")
def clients(data):
    return fl.partition_iid(data.y_train, 4)


@pytest.fixture
def model(keras):
    return net(keras)


def net(keras, *last, inputs=64):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((inputs,)), *(last or [keras.layers.Dense(10, "softmax")])])


def run(model, data, clients, codecs=("Quantize(8)",), **options):
    return fl.compare(model, data, clients, codecs, **{"rounds": 3, "clients_per_round": 2, "progress": False, **options})


def test_a_row_is_what_simulate_measures(model, data, clients):
    compared = run(model, data, clients, ["TopK(0.1) | Quantize(8)"], seeds=2, first_model=fl.Quantize(8))
    codec = fl.TopK(0.1) | fl.Quantize(8)
    for row, both in zip(compared.rows, (fl.Identity(), codec), strict=True):
        histories = [
            fl.simulate(model, data, clients, rounds=3, clients_per_round=2, uplink=both, downlink=both, seed=seed,
                        first_model=fl.Quantize(8))
            for seed in (0, 1)
        ]  # fmt: skip
        ends = [history.accuracy[-1] for history in histories]
        assert (row.low, row.accuracy, row.high) == (min(ends), pytest.approx(np.mean(ends)), max(ends))
        assert row.uplink_bytes == np.mean([sum(history.uplink_bytes) for history in histories])
        assert row.first_model_bytes == np.mean([sum(history.first_model_bytes) for history in histories])
        assert row.total_bytes == np.mean([history.total_bytes()[-1] for history in histories])
        assert row.uplink_bytes + row.downlink_bytes + row.first_model_bytes == row.total_bytes
    dense, sparse = compared.rows
    assert (dense.codec, dense.factor) == ("float32", 1)
    assert sparse.factor == pytest.approx(dense.total_bytes / sparse.total_bytes)


def test_texts_objects_and_pairs(model, data, clients):
    compared = run(model, data, clients, ["Sign", fl.Quantize(4), ("fl.TopK(0.1)", fl.Sign())], rounds=1)
    assert [row.codec for row in compared.rows] == ["float32", "Sign", "Quantize(4)", "fl.TopK(0.1) / Sign()"]
    both = fl.simulate(model, data, clients, rounds=1, clients_per_round=2, uplink=fl.TopK(0.1), downlink=fl.Sign())
    assert compared.rows[-1].total_bytes == both.total_bytes()[-1]
    assert all(len(run(model, data, clients, one, rounds=1).rows) == 2 for one in ("Sign", fl.Sign()))


def test_the_model_is_left_as_it_is_and_codecs_are_added_without_training_twice(model, data, clients):
    before = model.get_weights()
    compared = run(model, data, clients)
    dense = compared.histories["float32"]
    assert compared.add("float32", "Quantize(8)", "Sign()", progress=False) is compared
    assert [row.codec for row in compared.rows] == ["float32", "Quantize(8)", "Sign()"] and compared.histories["float32"] is dense
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_the_table_says_it_in_both_languages(model, data, clients, language):
    compared = run(model, data, clients, seeds=2)
    text, html = str(compared), compared._repr_html_()
    assert repr(compared) == text and len(text) < 2000  # and not its data
    assert bool(CHINESE.search(text)) == (language == "zh") and {"en": "first model", "zh": "初始模型"}[language] in text
    row = compared.rows[1]
    for shown in ("650", f"{row.total_bytes:,.0f}", f"{100 * row.low:.1f}–{100 * row.high:.1f}", f"{row.factor:.2f}"):
        assert shown in text and shown in html
    alone = {"en": "One seed", "zh": "只有一个种子"}[language]
    assert alone not in text and alone in str(run(model, data, clients, (), rounds=1))


class Counting(fl.Identity):
    """Raises what it is told to at its n-th message; the first two are the trial before anything is trained."""

    def __init__(self, at, error):
        self.at, self.error, self.calls = at, error, 0

    def encode(self, x, rng=None, **layout):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return super().encode(x, rng, **layout)

    def __repr__(self):
        return "Counting()"


def test_what_was_measured_survives_an_interruption_and_goes_on(model, data, clients, language):
    codec = Counting(8, KeyboardInterrupt())
    compared = run(model, data, clients, ["Quantize(8)", codec, "Sign()"])
    assert [row.codec for row in compared.rows] == ["float32", "Quantize(8)"]
    assert list(compared.notes) == ["Counting()", "Sign()"] and all(note in str(compared) for note in compared.notes.values())
    assert {"en": "interrupted before it began", "zh": "还没开始就中断了"}[language] in compared.notes["Sign()"]
    compared.add(codec, "Sign()", progress=False)
    assert [row.codec for row in compared.rows] == ["float32", "Quantize(8)", "Counting()", "Sign()"] and not compared.notes
    assert compared.rows[2].total_bytes == compared.rows[0].total_bytes  # it is float32


def test_a_codec_that_fails_is_told_and_the_next_is_trained(model, data, clients, language):
    compared = run(model, data, clients, [Counting(8, ValueError("no more")), "Sign()"])
    assert [row.codec for row in compared.rows] == ["float32", "Sign()"]
    assert "no more" in compared.notes["Counting()"] and compared.notes["Counting()"] in str(compared)
    assert bool(CHINESE.search(compared.notes["Counting()"])) == (language == "zh")


def test_an_interruption_of_float32_leaves_a_table_that_goes_on(model, data, clients, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fedlab_utils.federation.comparison.simulate", interrupt)
        compared = run(model, data, clients)
    assert not compared.rows and "float32" in str(compared) and list(compared.notes) == ["float32", "Quantize(8)"]
    assert [row.codec for row in compared.add("Sign()", progress=False).rows] == ["float32", "Sign()"]
    assert list(compared.notes) == ["Quantize(8)"], "which nobody has trained yet"


@pytest.mark.parametrize(
    ("make", "codecs", "options", "error", "message"),
    [
        (lambda k: net(k, inputs=63), (), {}, ValueError, r"samples of shape \(63,\).*\(64,\).*keras.Input\(\(64,\)\)"),
        (lambda k: net(k, k.layers.Dense(9, "softmax")), (), {}, ValueError, r"\(8, 9\).*10 columns"),
        (lambda k: net(k, k.layers.Dense(1, "sigmoid")), (), {}, ValueError, r"\(8, 1\).*10 columns"),
        (lambda k: net(k, k.layers.Dense(10)), (), {}, ValueError, "end it with softmax"),
        (lambda k: two_outputs(k), (), {}, ValueError, "2 outputs, one is supported"),
        (lambda k: k.Sequential([k.layers.Dense(10, "softmax")]), (), {}, ValueError, "no weights yet"),
        (lambda k: "a model", (), {}, TypeError, "Sequential or functional Keras model, got str"),
        (lambda k: net(k), ["Quantise(8)"], {}, ValueError, "'Quantise\\(8\\)' is no codec"),
        (lambda k: net(k), ["Sign()", "TopK(651)"], {}, ValueError, r"TopK\(651\) does not take the weights of this model.*650"),
        (lambda k: net(k), [8], {}, TypeError, "codecs must be a codec"),
        (lambda k: net(k), ["Sign()", fl.Quantize(3), object()], {}, TypeError, "codecs must be a codec"),
        (lambda k: net(k), (), {"uplink": None}, TypeError, "uplink cannot be passed here: codecs"),
        (lambda k: net(k), (), {"learning_rte": 1}, TypeError, "learning_rte"),
        (lambda k: net(k), (), {"rounds": 0}, ValueError, "rounds must be at least 1"),
        (lambda k: net(k), (), {"seeds": 0}, ValueError, "seeds must be at least 1"),
        (lambda k: net(k), (), {"clients_per_round": 5}, ValueError, "clients_per_round"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(keras, data, clients, make, codecs, options, error, message):
    rounds = []
    with pytest.raises(error, match=message) as told:
        run(make(keras), data, clients, [Noting(rounds), *codecs], **options)
    assert "\n" not in str(told.value) and len(rounds) <= 1, "no more than the trial before anything is trained"


class Noting(fl.Identity):
    def __init__(self, messages):
        self.messages = messages

    def encode(self, x, rng=None, **layout):
        self.messages.append(1)
        return super().encode(x, rng, **layout)


def two_outputs(k):
    i = k.Input((64,))
    return k.Model(i, [k.layers.Dense(10, "softmax")(i), k.layers.Dense(10, "softmax")(i)])


def test_labels_out_of_range_are_named(keras, data, clients):
    wrong = data._replace(y_train=np.where(np.arange(len(data.y_train)) == 7, -1, data.y_train).astype("int32"))
    with pytest.raises(ValueError, match=r"data.y_train\[7\] is -1"):
        run(net(keras), wrong, clients)
    wrong = data._replace(y_train=np.where(np.arange(len(data.y_train)) == 7, 12, data.y_train).astype("int32"))
    with pytest.raises(ValueError, match="need 13 columns"):
        run(net(keras), wrong, clients)
