"""Chapter 5 on TensorFlow Federated: its kernel, its tables, its account; with the mark `tff`, what needs .venv-tff."""

import json
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl
from fedlab_utils.book.exercises import tff as exercises
from fedlab_utils.engines import kernels, tff

parties = Later("fedlab_utils.federation.parties")

ROOT = Path(__file__).parents[2]
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(autouse=True)
def english():
    yield
    fl.use_language("en")


# The account and the tables


def test_the_formula_is_that_of_the_papers_and_of_the_chapter():
    assert 8 * tff.formula_bytes(8) / 101_770 == pytest.approx((100_352 * 32 / 3.5 + 1_418 * 32) / 101_770)
    assert [tff.formula_bytes(bits) for bits in (2, 4, 8)] == [4 * (100_352 // k) + 4 * 1_418 for k in (14, 7)] + [120_360]
    with pytest.raises(ValueError, match="bits must be in 1 … 16"):
        tff.formula_bytes(17)


@pytest.mark.training
def test_the_same_clients_and_batches_as_simulate(monkeypatch, mnist):
    clients, seen = fl.partition_iid(mnist.y_train, 100, seed=0), []
    plan = parties.plan_batches

    def watched(parts, rngs, *rest):
        seen.append(([int(part[0]) for part in parts], plan(parts, rngs, *rest)[0]))
        return plan(parts, [np.random.default_rng(0) for _ in parts], *rest)

    monkeypatch.setattr(parties, "plan_batches", watched)
    fl.simulate(fl.models.document_mlp(seed=3), mnist, clients, rounds=2, seed=3)
    for number, (firsts, batches) in enumerate(seen):
        cohort = tff.cohort(100, seed=3, number=number)
        assert [int(clients[client][0]) for client in cohort] == firsts
        for client, indices in zip(cohort, batches, strict=True):
            np.testing.assert_array_equal(indices.ravel(), tff.batch_order(clients[client], 3, number, client))


@pytest.mark.training
def test_accuracy_is_that_of_the_model(mnist):
    model = fl.models.document_mlp(seed=1)
    chosen = np.argmax(model.predict(mnist.x_test, verbose=0), axis=1)
    assert tff.accuracy(model.get_weights(), mnist) == pytest.approx(np.mean(chosen == mnist.y_test), abs=2e-4)


def test_what_the_chapter_says_of_the_tables():
    rows = tff.load_table("tff_quantized")
    runs = {name: tff.curves(rows, name) for name in {row["setting"] for row in rows}}
    ours = tff.curves(tff.load_table("tff_comparison"), "float32")
    assert {name: runs[name].shape for name in runs} == dict.fromkeys(runs, (10, 10)) and len(runs) == 7
    exact = runs["float32"]
    spread = max(np.ptp(exact, axis=0).max(), np.ptp(ours, axis=0).max())
    assert np.abs(exact - ours).max() < spread and abs(exact[:, -1].mean() - ours[:, -1].mean()) < np.ptp(ours[:, -1])
    for name in ("8 bits", "compression_aggregator"):
        assert runs[name][:, -1].min() >= 0.9 and np.abs(runs[name][:, -1] - exact[:, -1]).max() < 0.01
    with pytest.raises(FileNotFoundError, match="Restore it with"):
        tff.load_table("no_such")


@pytest.mark.training
def test_our_table_can_be_made_again(mnist):
    clients = fl.partition_iid(mnist.y_train, 100, seed=0)
    history = fl.simulate(fl.models.document_mlp(seed=1), mnist, clients, rounds=3, seed=1)
    np.testing.assert_allclose(history.accuracy, tff.curves(tff.load_table("tff_comparison"), "float32")[1, :3], atol=0.005)


@pytest.mark.training
def test_a_range_for_each_tensor_is_what_saves_two_bits_to_nearest(mnist):
    class PerTensor(fl.Codec):  # TFF's way, without its packing
        def encode(self, x, rng=None):
            parts = [fl.decode(fl.Quantize(2).encode(part)) for part in tff.split(np.ravel(x))]
            return fl.Identity().encode(np.concatenate(parts))

    clients = fl.partition_iid(mnist.y_train, 100, seed=0)
    settings = {"rounds": 10, "error_feedback": False}
    for seed, whole in enumerate(fl.load_trainings("100 clients, 2 bits, forgetting")[:3]):
        assert whole.seed == seed and len(whole.accuracy) == settings["rounds"]  # the same, but for the codec
        model = fl.models.document_mlp(seed=seed)
        each = fl.simulate(model, mnist, clients, uplink=PerTensor(), seed=seed, **settings).accuracy[-1]
        assert each > 0.92 > whole.accuracy[-1] + 0.01


@pytest.mark.parametrize("exercise", [exercises.model_fn, exercises.aggregator])
def test_stubs_are_no_attempt_and_without_tff_that_is_said(exercise):
    assert exercise.check(...).state == "not attempted"
    assert "TensorFlow Federated" in exercise.check(lambda: 1).message
    exec(compile(exercise.code.strip(), exercise.name, "exec"), {"tff": __import__("unittest.mock").mock.MagicMock()})


# What the checkers do with what TFF gives them: with stand-ins for TFF, whose own part is tested below


class Spec(SimpleNamespace):
    """What a batch looks like: a TensorSpec."""

    def __init__(self, dtype, *shape):
        super().__init__(dtype=dtype, shape=type("Shape", (tuple,), {"rank": len(shape)})(shape))


IMAGES, LABELS, LOG_10 = Spec("float32", None, 28, 28), Spec("int32", None), 2.302585


class Wrapped:
    """A model as TFF wraps it: the document's, untrained, that gives each of ten digits the probability 1/10."""

    def __init__(self, spec=(IMAGES, LABELS), shapes=tff.SHAPES, chance=0.1, loss=LOG_10, metrics=("sparse_accuracy",)):
        self.input_spec, self.chance, self.loss, self.metrics = spec, chance, loss, metrics
        self.trainable_variables = [SimpleNamespace(shape=shape) for shape in shapes]

    def forward_pass(self, batch, training):
        if isinstance(self.loss, Exception):
            raise self.loss
        return SimpleNamespace(predictions=np.full((5, 10), self.chance).view(Tensor), loss=self.loss)

    def report_local_unfinalized_metrics(self):
        return dict.fromkeys(self.metrics)


class Tensor(np.ndarray):
    def numpy(self):
        return np.asarray(self)


class Weighted: ...


class Unweighted: ...


@pytest.fixture
def stand_ins(monkeypatch):
    tensorflow = SimpleNamespace(
        keras=SimpleNamespace(Model=Weighted), errors=SimpleNamespace(InvalidArgumentError=ArithmeticError),
        float32="float32", int32="int32", constant=lambda value: value,
    )  # fmt: skip
    library = SimpleNamespace(
        learning=SimpleNamespace(models=SimpleNamespace(VariableModel=Wrapped)),
        aggregators=SimpleNamespace(WeightedAggregationFactory=Weighted, UnweightedAggregationFactory=Unweighted),
    )
    monkeypatch.setattr(tff, "modules", lambda: (tensorflow, library))


WIDER, NARROWER = ([(784, n), (n,), (n, 10), (10,)] for n in (256, 64))
NOT_WHAT_IS_WANTED = [
    ("input_spec must be a pair", {"spec": [IMAGES, LABELS]}),
    ("input_spec must be a pair", {"spec": (IMAGES,)}),
    ("input_spec must be a pair", {"spec": (Spec("float32", None, 784), LABELS)}),
    ("input_spec must be a pair", {"spec": (IMAGES, Spec("int64", None))}),
    ("input_spec must be a pair", {"spec": (IMAGES, Spec("int32", None, 10))}),
    ("first dimension of input_spec", {"spec": (Spec("float32", 10, 28, 28), Spec("int32", 10))}),
    ("first dimension of input_spec", {"spec": (IMAGES, Spec("int32", 10))}),
    ("not those of the document's model", {"shapes": WIDER}),
    ("not those of the document's model", {"shapes": NARROWER}),
    ("the loss does not fit", {"loss": ValueError("shapes")}),
    ("the loss does not fit", {"loss": ArithmeticError("shapes")}),
    ("ends in softmax", {"chance": 0.3}),
    ("no from_logits=True", {"loss": 1.0}),
    ("the metric is missing", {"metrics": ("loss", "num_examples")}),
]


@pytest.mark.parametrize(("part", "changes"), NOT_WHAT_IS_WANTED)
def test_a_model_that_tff_was_given_otherwise_is_told_what_is_wanted(part, changes, stand_ins):
    verdict = exercises.model_fn.check(lambda: Wrapped(**changes))
    assert verdict.state == "wrong" and part in verdict.message


def test_the_documents_model_is_right_if_each_call_makes_another(stand_ins):
    one = Wrapped()
    assert exercises.model_fn.check(Wrapped, remember=False).state == "right"
    assert "must make a new Keras model" in exercises.model_fn.check(lambda: one).message
    assert "this is a Keras model" in exercises.model_fn.check(Weighted).message


OVER = {
    "en": "12.04 MB (9.46 bits a weight), 4 MB are allowed.",
    "zh": "12.04 MB（每个权重 9.46 位），只允许 4 MB。",
}


def test_an_aggregator_that_sends_too_much_is_told_how_much(stand_ins, monkeypatch, language):
    monkeypatch.setattr(tff, "sent_tensors", lambda *_: {"levels": np.zeros(30_093, np.int32)})
    assert exercises.aggregator.check(Weighted()).message.endswith(OVER[language])
    added = {"en": "this one adds up", "zh": "这个只求和"}[language]
    assert added in exercises.aggregator.check(Unweighted()).message


@pytest.mark.parametrize(("reached", "state"), [(0.92, "right"), (0.9, "wrong")])
def test_an_aggregator_is_judged_on_ten_clients_who_do_not_train(reached, state, stand_ins, monkeypatch, mnist):
    def train(aggregator, data, clients, validation):
        assert len(clients) == 90 and np.unique(np.concatenate([*clients, validation])).size == len(mnist.y_train)
        assert sorted(np.concatenate(clients[:3])) == sorted(np.concatenate(fl.partition_iid(mnist.y_train, 100, seed=0)[:3]))
        return tff.Training(accuracy=[0.5, 0.93], validation_accuracy=[0.5, reached])

    monkeypatch.setattr(tff, "sent_tensors", lambda *_: {"levels": np.zeros(10_000, np.int32)})
    monkeypatch.setattr(tff, "train", train)
    verdict = exercises.aggregator.check(Weighted(), remember=False)
    assert verdict.state == state and f"{reached:.3f}" in verdict.message and ("0.930" in verdict.message) == (state == "right")


# On TensorFlow Federated itself


def on_tff(code: str, folder: Path):
    """Run Python code in .venv-tff; what it leaves in `result` comes back. It may not write to stderr."""
    assert kernels.python(kernels.TFF) is not None, "make tff"
    before = "import json, sys\nimport numpy as np\nimport fedlab_utils as fl\nfrom fedlab_utils import tff as room\n"
    before += "tf, tff = room.modules()\ndelta = fl.load_client_delta()\n"
    after = f"\njson.dump(result, open({str(folder / 'result.json')!r}, 'w'))\n"
    environment = {**os.environ, "FEDLAB_PROGRESS": str(folder / "progress.json")}
    with open(folder / "log", "w+b") as log:  # a file, since TFF's worker would hold a pipe open
        done = subprocess.run(
            [kernels.python(kernels.TFF), "-c", before + code + after], stdout=log, stderr=log, env=environment, timeout=500
        )
        log.seek(0)
        said = log.read().decode()
    assert done.returncode == 0, said
    return json.loads((folder / "result.json").read_text()), said


@pytest.mark.tff
def test_what_tff_makes_of_a_delta(tmp_path):
    result, said = on_tff(
        """
sent = {bits: room.sent_tensors(room.quantized(bits), delta) for bits in (1, 2, 3, 4, 8, 16)}
whole = room.sent_tensors(room.quantized(8, stochastic=False), delta)
words = whole["0/0 bitpacked_values"].ravel().tolist()
plain = room.sent_tensors(tff.aggregators.MeanFactory(), delta)
coder = tff.aggregators.EncodedSumFactory.quantize_above_threshold(8, stochastic=False)
coder = coder.create(tff.types.to_type([tff.TensorType(np.float32, shape) for shape in room.SHAPES]))
back = coder.next(coder.initialize(), [room.split(delta)]).result
try:
    room.sent_tensors(tff.aggregators.SumFactory(), delta)
except TypeError as error:
    refused = str(error)
result = {
    "bytes": {bits: room.n_bytes(tensors) for bits, tensors in sent.items()},
    "plain": room.n_bytes(plain), "words": words, "range": whole["0/0 min_max"].tolist(),
    "back": np.concatenate([np.ravel(part) for part in back]).tolist(), "refused": refused,
    "weights": [float(np.abs(array).sum()) for array in room.initial_weights(seed=2)],
    "first": room.initial_weights(seed=2)[0][:3, :3].tolist(),
}
""",
        tmp_path,
    )
    delta = fl.load_client_delta()
    for bits, n_bytes in result["bytes"].items():
        assert n_bytes == tff.formula_bytes(int(bits)) + 12
    assert result["plain"] == 4 * 101_770 + 4 and "weighted TFF aggregation factory, got SumFactory" in result["refused"]
    # Unpacked by hand: 28 bits of each word, the first level in the lowest bits.
    words = np.array(result["words"], np.int64)
    stream = ((words[:, None] >> np.arange(28)) & 1).ravel()
    levels = (stream.reshape(-1, 8) << np.arange(8)).sum(axis=1)
    ours = fl.quantize(delta[:100_352], 8, "nearest")
    assert (levels == ours.levels).mean() > 0.9999 and np.abs(levels - ours.levels).max() <= 1  # float32 against float64
    np.testing.assert_allclose(result["range"], [ours.lo, ours.hi])
    expected = np.concatenate([fl.dequantize(ours), delta[100_352:]])
    np.testing.assert_allclose(result["back"], expected, atol=1.01 * (ours.hi - ours.lo) / 255)
    assert np.mean(np.abs(np.array(result["back"]) - expected) < 1e-7) > 0.9999
    book = fl.models.document_mlp(seed=2).get_weights()
    np.testing.assert_allclose(result["weights"], [np.abs(array).sum() for array in book], rtol=1e-5)
    np.testing.assert_array_equal(np.float32(result["first"]), book[0][:3, :3])
    assert said == "", "log noise"


WRONG_MODELS = {
    "this is a Keras model": "keras_model()",
    "not int": "7",
    "input_spec must be a pair": "wrap(spec=(tf.TensorSpec([None, 784], tf.float32), label))",
    "first dimension of input_spec": "wrap(spec=(tf.TensorSpec([10, 28, 28], tf.float32), tf.TensorSpec([10], tf.int32)))",
    "not those of the document's model": "wrap(keras_model(64))",
    "no from_logits=True": "wrap(loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))",
    "the loss does not fit": "wrap(loss=tf.keras.losses.CategoricalCrossentropy())",
    "ends in softmax": "wrap(keras_model(last=None))",
    "must make a new Keras model": "wrap(one)",
    "the metric is missing": "wrap(metrics=[])",
    "your function raised": "1 / 0",
}
WRONG_AGGREGATORS = {
    "this one adds up": "coded(2)",
    "got int": "8",
    "12.04 MB (9.46 bits a weight), 4 MB are": "mean(coded(8))",
    "4.87 MB": "mean(coded(3))",
    "but accuracy on the validation images is": "mean(coded(1, stochastic=False))",
}


@pytest.mark.tff
def test_the_checkers_tell_answers_apart(tmp_path):
    result, said = on_tff(
        f"""
import unittest.mock
from fedlab_utils.book.exercises import tff as exercises
label = tf.TensorSpec([None], tf.int32)
def keras_model(hidden=128, last="softmax"):
    layers = tf.keras.layers
    return tf.keras.Sequential([layers.Flatten(input_shape=(28, 28)), layers.Dense(hidden, "relu"), layers.Dropout(0.2),
                                layers.Dense(10, last)])
def wrap(model=None, loss=None, metrics=None, spec=None):
    accuracy = [tf.keras.metrics.SparseCategoricalAccuracy()]
    return tff.learning.models.from_keras_model(
        model or keras_model(), loss=loss or tf.keras.losses.SparseCategoricalCrossentropy(),
        metrics=accuracy if metrics is None else metrics,
        input_spec=spec or (tf.TensorSpec([None, 28, 28], tf.float32), label))
one = keras_model()
mean, coded = tff.aggregators.MeanFactory, tff.aggregators.EncodedSumFactory.quantize_above_threshold
def both(check, answer):
    return [check(answer, remember=False).message for _ in map(fl.use_language, ("en", "zh"))]
result = {{"models": {{}}, "aggregators": {{}}}}
for part, code in {WRONG_MODELS!r}.items():
    result["models"][part] = both(exercises.model_fn.check, lambda: eval(code))
for part, code in {WRONG_AGGREGATORS!r}.items():
    result["aggregators"][part] = both(exercises.aggregator.check, eval(code))
fl.use_language("en")
names = {{"tf": tff and tf, "tff": tff, "create_keras_model": keras_model}}
exec(exercises.model_fn.code, names)
exec(exercises.aggregator.code, names)
result["stub"] = [exercises.model_fn.check(lambda: None).state, exercises.aggregator.check(...).state]
result["right"] = [exercises.model_fn.check(names["model_fn"]).state, exercises.aggregator.check(names["aggregator"]).state,
                   exercises.model_fn.check(room.model_fn).state]
result["finished"] = fl.exercises.finished()
""",
        tmp_path,
    )
    for kind in ("models", "aggregators"):
        english = {part: messages[0] for part, messages in result[kind].items()}
        for part, (en, zh) in result[kind].items():
            assert part in en and sum(other in en for other in english) == 1, (part, en)
            assert CHINESE.search(zh) and not CHINESE.search(en)
    assert result["stub"] == ["not attempted"] * 2 and result["right"] == ["right"] * 3
    assert result["finished"] == ["tff.model_fn", "tff.aggregator"]
    assert said == "", "log noise"


@pytest.mark.tff
def test_the_app_trains_off_the_main_thread_and_every_stop_of_its_slider_encodes(tmp_path):
    result, said = on_tff(
        """
import threading
from fedlab_utils.book.widgets import tff as app
fl.use_language("zh")
lab = app.tff_bits(predict=False)
before = lab.image.value
lab.bits.value = 2
run = lab.wait(300)
lab.bits.value = 4
while not 0 < lab.bar.n < 10:  # 10 are those of the run before
    threading.Event().wait(0.05)
lab.stop_button.click()
stopped = lab.wait(300)
locked = app.tff_bits()
result = {
    "bits": run.bits, "accuracy": run.accuracy, "alt": lab.image.value[-200:] != before[-200:], "message": lab.message.value,
    "stopped": len(stopped.accuracy), "earlier": len(lab.picture.earlier), "locked": locked.bits.disabled,
    "sizes": {bits: app.message_bytes(bits) for bits in app.BITS},
}
""",
        tmp_path,
    )
    assert result["bits"] == 2 and len(result["accuracy"]) == 10 and result["accuracy"][-1] > 0.92
    assert result["message"].startswith("已停止") and result["alt"] and result["locked"]
    assert 1 <= result["stopped"] < 10 and result["earlier"] == 1
    assert {int(bits): n for bits, n in result["sizes"].items()} == {b: tff.formula_bytes(b) + 12 for b in (2, 4, 8, 16)}
    assert [line for line in said.splitlines() if "it/s" not in line and "round" not in line] == []


@pytest.mark.tff
def test_without_dropout_tff_and_simulate_are_the_same_algorithm(tmp_path, mnist):
    result, _ = on_tff(
        """
from unittest import mock
data = fl.load_mnist()
clients = fl.partition_iid(data.y_train, 100, seed=0)
with mock.patch.object(tf.keras.layers, "Dropout", lambda rate: tf.keras.layers.Lambda(lambda x: x)):
    done = room.train(None, data, clients, rounds=2, seed=1)
result = np.concatenate([np.ravel(array) for array in done.weights]).tolist()
""",
        tmp_path,
    )
    import keras

    document = fl.models.document_mlp(seed=1)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(128, activation="relu"),
                              keras.layers.Dense(10, activation="softmax")])  # fmt: skip
    model.set_weights(document.get_weights())
    done = fl.simulate(model, mnist, fl.partition_iid(mnist.y_train, 100, seed=0), rounds=2, seed=1)
    ours = np.concatenate([array.ravel() for array in done.weights])
    start = np.concatenate([array.ravel() for array in document.get_weights()])
    assert fl.nmse(ours - start, np.float32(result) - start) < 1e-6
