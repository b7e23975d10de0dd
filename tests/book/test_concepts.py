"""Chapter 2: tables, vertical learning, training alone, the two apps at every stop, figures, and the checkers."""

import io
import re
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from apps import alt, picture_of, told
from hypothesis import given
from hypothesis import strategies as st
from later import Later
from PIL import Image

import fedlab_utils as fl
from fedlab_utils.book import widgets
from fedlab_utils.book.exercises import concepts
from fedlab_utils.book.figures import concepts as figures
from fedlab_utils.book.widgets import lossless
from fedlab_utils.data import tables
from fedlab_utils.federation import vertical

partitions = Later("fedlab_utils.book.widgets.partitions")
baselines = Later("fedlab_utils.federation.baselines")


pytestmark = pytest.mark.usefixtures("progress")


# Tables


def test_the_diabetes_table_is_the_published_one():
    table = fl.load_diabetes()
    assert table.x.shape == (442, 10) and table.x.dtype == table.y.dtype == np.float32
    # Least squares on all 442 people: R² 0.5177, the figure of every textbook; the mean of the outcome is 152.13.
    x = np.c_[table.x.astype(float), np.ones(442)]
    error = table.y - x @ np.linalg.lstsq(x, table.y.astype(float), rcond=None)[0]
    assert 1 - error.var() / table.y.var() == pytest.approx(0.5177, abs=1e-3)
    assert table.y.mean() == pytest.approx(152.13, abs=0.01)
    assert set(np.unique(table.columns("sex"))) == {1, 2} and 19 <= table.columns("age").min() < table.columns("age").max() <= 79
    with pytest.raises(ValueError, match="no column 'weight'; there are age, sex"):
        table.columns("age", "weight")
    with pytest.raises(ValueError, match="read-only"):
        table.x[0] = 0


def test_the_small_digits_are_those_of_the_uci_test_set():
    digits = fl.load_small_digits()
    assert digits.images.shape == (1797, 8, 8) and digits.images.dtype == np.float32 and digits.labels.dtype == np.int32
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # its documentation
    assert digits.images.min() == 0 and digits.images.max() == 1
    np.testing.assert_array_equal(digits.images * 16, np.rint(digits.images * 16))


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path))
    return tmp_path


LOADERS = {"diabetes.csv": tables.load_diabetes, "digits8x8.npz": tables.load_small_digits}


@pytest.mark.parametrize("file", LOADERS)
def test_a_missing_table_tells_what_to_do(elsewhere, file):
    with pytest.raises(FileNotFoundError, match=rf"{file} is missing. .*git checkout -- data/{file}.*FEDLAB_DATA"):
        LOADERS[file].__wrapped__()


def changed(file, original):
    """The file with one number changed, still well formed."""
    if file.endswith("csv"):
        return original.replace(b"151\n", b"152\n", 1)
    with np.load(io.BytesIO(original)) as archive:
        arrays = {name: archive[name].copy() for name in archive}
    arrays["images"][0, 0, 3] += 1
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


@pytest.mark.parametrize("file", LOADERS)
@pytest.mark.parametrize("how", ["empty", "text", "truncated", "changed", "another"])
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_a_damaged_table_tells_what_to_do(elsewhere, file, how):
    original = (Path(fl.__file__).parents[1] / "data" / file).read_bytes()
    single = io.BytesIO()
    np.save(single, np.zeros(5))
    content = {"empty": b"", "text": b"<html>404</html>\nx,y\n", "truncated": original[: len(original) // 2],
               "changed": changed(file, original), "another": single.getvalue()}  # fmt: skip
    (elsewhere / file).write_bytes(content[how])
    with pytest.raises(ValueError, match=rf"{file} is damaged.*git checkout"):
        LOADERS[file].__wrapped__()


def test_shrinking_cuts_out_the_ink_and_centres_it(mnist):
    image = np.zeros((1, 28, 28), np.float32)
    image[0, 3:11, 20:26] = 0.5  # 8×6: it fits exactly, so it only moves to the middle
    small = tables.shrink(image)
    expected = np.zeros((8, 8))
    expected[:, 1:7] = 0.6
    np.testing.assert_allclose(small[0], expected, atol=1e-6)
    assert not tables.shrink(np.zeros((2, 28, 28))).any()
    many = tables.shrink(mnist.x_train[:200])
    assert many.shape == (200, 8, 8) and many.dtype == np.float32 and many.min() >= 0 and many.max() <= 1
    assert not many[:, :, [0, 7]].any(), "the ink is at most six pixels wide"
    assert abs(many.mean() - fl.load_small_digits().images.mean()) < 0.1
    with pytest.raises(ValueError, match=r"\[n, height, width\], got \(28, 28\)"):
        tables.shrink(image[0])


@given(n=st.integers(1, 40), parties=st.integers(1, 40), seed=st.integers(0, 9))
def test_every_feature_goes_to_exactly_one_party(n, parties, seed):
    parties = min(n, parties)
    parts = fl.partition_vertical(n, parties, seed)
    assert len(parts) == parties and sorted(np.concatenate(parts).tolist()) == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all((np.diff(part) > 0).all() for part in parts)


def test_bad_vertical_partitions_are_named():
    with pytest.raises(ValueError, match="n_parties must be in 1 … 4, got 5"):
        fl.partition_vertical(4, 5)
    with pytest.raises(TypeError, match="n_features must be an integer"):
        fl.partition_vertical(4.0, 2)


# Vertical learning


def small_problem(n=60, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    y = a[:, 0] - 2 * b[:, 1] + 0.1 * rng.normal(size=n)
    return a, b, y, np.arange(n - 20), np.arange(n - 20, n)


def test_the_gradients_are_those_of_the_joint_loss():
    """Each weight nudged, in float64: an oracle that knows nothing of backpropagation."""
    rng = np.random.default_rng(1)
    a, b, y, _, _ = small_problem()
    rows = np.arange(40)
    parties = [vertical.Party(part, 2, rng) for part in (a, b)]
    holder = vertical.LabelHolder(y, 4)
    for party in parties:
        party.kernel, party.bias = party.kernel.astype(float), rng.normal(size=2)
    holder.kernel, holder.bias = rng.normal(size=4), 0.3
    start = [party.kernel.copy() for party in parties], [party.bias.copy() for party in parties], holder.kernel.copy(), 0.3

    def loss(kernels, biases, top, shift):
        hidden = [np.tanh(part[rows] @ k + c) for part, k, c in zip((a, b), kernels, biases, strict=True)]
        return np.mean((np.concatenate(hidden, axis=1) @ top + shift - y[rows]) ** 2)

    sent = [party.forward(rows) for party in parties]
    back = holder.step(rows, np.concatenate(sent, axis=1), 1.0)
    for number, party in enumerate(parties):
        party.backward(rows, sent[number], back[:, 2 * number : 2 * number + 2], 1.0)

    def numeric(get):
        out = np.zeros(get(start).shape)
        for place in np.ndindex(out.shape):
            values = []
            for sign in (1, -1):
                moved = [k.copy() for k in start[0]], [c.copy() for c in start[1]], start[2].copy(), start[3]
                get(moved)[place] += sign * 1e-5
                values.append(loss(*moved))
            out[place] = (values[0] - values[1]) / 2e-5
        return out

    for number, party in enumerate(parties):
        np.testing.assert_allclose(start[0][number] - party.kernel, numeric(lambda s, n=number: s[0][n]), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(start[1][number] - party.bias, numeric(lambda s, n=number: s[1][n]), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(start[2] - holder.kernel, numeric(lambda s: s[2]), rtol=1e-3, atol=1e-5)


def test_bytes_both_ways_are_those_of_every_message():
    """40 rows in batches of 16 (16, 16, 8), two parties, width 3: by hand, 4 bytes a number and 7 of header and checksum."""
    a, b, y, train, test = small_problem()
    history = vertical.train_vertical([a, b], y, train, test, width=3, epochs=2, batch_size=16)
    an_epoch = 2 * sum(4 * 3 * rows + 7 for rows in (16, 16, 8))
    assert history.activation_bytes == history.gradient_bytes == [an_epoch] * 2
    assert history.prediction_bytes == 2 * (4 * 3 * 20 + 7) and history.total_bytes() == 4 * an_epoch
    four = vertical.train_vertical([a, b], y, train, test, width=3, epochs=1, batch_size=16, downlink=fl.Quantize(4))
    assert four.activation_bytes == [an_epoch]
    assert four.gradient_bytes == [2 * sum(-(-3 * rows * 4 // 8) + 7 + 8 for rows in (16, 16, 8))]  # lo and hi: 8 bytes


def test_what_is_learnt_went_through_the_codec():
    a, b, y, train, test = small_problem()

    def trained(**codec):
        return vertical.train_vertical([a, b], y, train, test, epochs=200, learning_rate=0.05, **codec)

    exact = trained()
    coarse = {way: trained(**{way: fl.Quantize(1)}) for way in ("uplink", "downlink")}
    again, other = trained(), trained(seed=1)
    assert exact.r2 == again.r2 and exact is not again, "the same seed, the same history"
    assert exact.r2 != other.r2, "another seed, another history"
    assert exact.r2[-1] > 0.9 and coarse["uplink"].r2[-1] < exact.r2[-1] - 0.02
    assert coarse["downlink"].r2 != exact.r2 != coarse["uplink"].r2


@pytest.mark.slow
def test_joined_beats_each_party_and_comes_near_least_squares():
    table = fl.load_diabetes()
    clinic, laboratory = table.x[:, :4], table.x[:, 4:]
    for split in range(5):
        order = np.random.default_rng(split).permutation(442)
        train, test = order[:332], order[332:]
        joined, first, second = (vertical.train_vertical(f, table.y, train, test, seed=split).r2[-1]
                                 for f in ([clinic, laboratory], [clinic], [laboratory]))  # fmt: skip
        x = np.c_[table.x.astype(float), np.ones(442)]
        best = x[test] @ np.linalg.lstsq(x[train], table.y[train].astype(float), rcond=None)[0]
        oracle = 1 - np.sum((table.y[test] - best) ** 2) / np.sum((table.y[test] - table.y[train].mean()) ** 2)
        assert joined > max(first, second) + 0.02
        assert joined == pytest.approx(oracle, abs=0.12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"features": [np.ones((60, 3)), np.ones((50, 2))]}, ValueError, r"the parties hold 60, 50 samples .*align .* by ID"),
        ({"y": np.ones(59)}, ValueError, r"y has shape \(59,\).*align"),
        ({"y": 3.0}, ValueError, r"y has shape \(\).*align"),
        ({"features": []}, ValueError, "at least one party"),
        ({"features": [np.ones(60)]}, ValueError, r"features\[0\] must be a table"),
        ({"features": [np.full((60, 2), np.nan)]}, ValueError, r"features\[0\] must be finite"),
        ({"train": np.array([60])}, ValueError, "train holds row 60, allowed are 0 … 59"),
        ({"train": np.array([0.5])}, ValueError, "train must be a flat array of row numbers"),
        ({"test": np.array([], int)}, ValueError, "test must be a flat array of row numbers, not empty"),
        ({"width": 0}, ValueError, "width must be at least 1, got 0"),
        ({"learning_rate": -1}, ValueError, "learning_rate"),
        ({"learning_rate": 1e30}, FloatingPointError, "no longer finite"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_vertical_input_is_named(change, error, message):
    a, b, y, train, test = small_problem()
    arguments = {"features": [a, b], "y": y, "train": train, "test": test} | change
    with pytest.raises(error, match=message):
        vertical.train_vertical(**arguments)


def test_a_constant_column_and_a_constant_outcome_do_not_divide_by_zero():
    a, b, y, train, test = small_problem()
    a[:, 1] = 5
    assert np.isfinite(vertical.train_vertical([a, b], y, train, test, epochs=2).r2).all()
    assert not vertical.standardize(np.full((4, 2), 3.0), np.arange(4)).any()


# Training alone


@pytest.mark.training
def test_training_alone_is_a_federation_of_one(mnist):
    some = partitions.some_mnist()
    parts = fl.partition_shards(some.y_train[:300], 3, seed=0)
    model = fl.models.document_mlp(seed=0)
    before = [w.copy() for w in model.get_weights()]
    alone = baselines.train_alone(model, some, parts, epochs=2, seed=4)
    one = fl.simulate(model, some, parts[:1], rounds=1, clients_per_round=1, local_epochs=2, seed=4)
    assert len(alone.accuracy) == len(alone.weights) == 3
    for own, federated in zip(alone.weights[0], one.weights, strict=True):
        np.testing.assert_allclose(own, federated, atol=1e-5)
    assert alone.accuracy[0] == pytest.approx(one.accuracy[0], abs=1e-3)
    for own, start in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, start)


@pytest.mark.training
def test_bad_input_of_training_alone_is_named():
    model, some = fl.models.document_mlp(seed=0), partitions.some_mnist()
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        baselines.train_alone(model, some, [np.arange(5)], epochs=0)
    with pytest.raises(ValueError, match=r"clients\[1\] is empty"):
        baselines.train_alone(model, some, [np.arange(5), np.array([], int)], epochs=1)
    with pytest.raises(TypeError, match="3 positional arguments"):
        baselines.train_alone(model, some, [np.arange(5)], 1)
    with pytest.raises(FloatingPointError, match="client 0"):
        baselines.train_alone(model, some, [np.arange(20)], epochs=2, learning_rate=1e30)


# Lossless and lossy: the app


@pytest.mark.slow
def test_the_compression_explorer_shows_the_bytes_of_every_stop(language):
    app = widgets.compression_explorer(predict=False)
    pixels, n, seen = lossless.digits_picture(), 101_770, set()
    for quality in lossless.QUALITIES:
        app.controls["quality"].value = quality
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=quality, optimize=True)
        back = np.asarray(Image.open(out), float)
        assert f"{len(out.getvalue()):,}" in alt(app) and app.message.value == ""
        expected = np.sum((pixels - back) ** 2) / np.sum(pixels.astype(float) ** 2)
        assert lossless.code_picture(quality).error == pytest.approx(expected, rel=1e-9)
        seen.add(app.image.value)
    for zipped in (False, True):
        app.controls["zipped"].value = zipped
        for bits in lossless.BITS:
            app.controls["bits"].value = bits
            payload = fl.Quantize(bits).encode(fl.load_client_delta())
            size = len(zlib.compress(payload, 9)) if zipped else -(-n * bits // 8) + 17  # by hand, as in test_widgets
            assert f"{size:,}" in alt(app) and app.message.value == ""
            seen.add(app.image.value)
    assert len(seen) >= len(lossless.QUALITIES) + 2 * len(lossless.BITS) - 1


def test_both_codings_lose_less_the_more_bits_they_have():
    for coded in ([lossless.code_picture(q) for q in lossless.QUALITIES], [lossless.code_delta(b, False) for b in lossless.BITS]):
        assert np.all(np.diff([c.bits for c in coded]) > 0) and np.all(np.diff([c.error for c in coded]) < 0)
    for bits in lossless.BITS:
        assert lossless.code_delta(bits, True).error == lossless.code_delta(bits, False).error, "ZIP loses nothing"
    zipped = {bits: lossless.code_delta(bits, True) for bits in (3, 4, 5, 6, 7, 8, 9)}
    below = [bits for bits, coded in zipped.items() if coded.error < 2.0 ** (-2 * coded.bits)]
    assert below == [4, 8, 9] and zipped[8].payload_bytes < zipped[7].payload_bytes, "as the chapter says"


def test_the_picture_and_the_tiles_are_in_their_places(mnist):
    picture = lossless.digits_picture()
    np.testing.assert_array_equal(picture[28:56, 56:84], np.rint(255 * mnist.x_test[20 + 2]))  # row 1, column 2
    unit = lossless._liveliest()[6]
    delta = np.zeros(101_770, np.float32)
    delta[: 784 * 128].reshape(28, 28, 128)[3, 5, unit] = 1
    (row,), (column,) = np.nonzero(lossless.tiles(delta))
    assert (row, column) == (28 + 3, 56 + 5)


@pytest.mark.parametrize("guess", ["30", None])
def test_the_compression_explorer_unlocks(guess):
    app = widgets.compression_explorer()
    assert all(control.disabled for control in app.controls.values())
    if guess:
        app.question.guess.value = guess
        app.question.button.click()
        assert "close" in app.question.reply.value
    else:
        app.question.skip.click()
    assert not any(control.disabled for control in app.controls.values())


# Partitions: the app


@pytest.fixture(scope="module")
def explorer():
    app = widgets.partitions_explorer(predict=False)
    app.wait(120)
    return app


def go(app, **values):
    for name, value in values.items():
        app.controls[name].value = value
    app.wait(120)


@pytest.mark.training
def test_the_partitions_explorer_shows_every_stop(explorer, monkeypatch):
    """Every stop is dealt, and drawn with what the trainings give: here numbers of the position, so that none is mixed up.

    Two rounds a stop: that a training draws all of its rounds is told in other tests.
    """
    asked = []
    monkeypatch.setattr(partitions, "ROUNDS", 2)

    def stub_alone(model, data, clients, epochs, seed):
        asked.append((clients, seed))
        return baselines.Alone([0.3 + len(asked) / 100] * len(clients), [])

    def stub_together(model, data, clients, rounds, seed, on_round):
        assert asked[-1] == (clients, seed) and len(clients) == 10
        history = fl.History()
        for number in range(rounds):
            history.accuracy.append(0.5 + number / 100 + len(asked) / 1000)
            on_round(history)

    monkeypatch.setattr(partitions, "_finished", {})
    monkeypatch.setattr(partitions, "train_alone", stub_alone)
    monkeypatch.setattr(partitions, "simulate", stub_together)
    stops = {"kind": partitions.KINDS, "alpha": partitions.ALPHAS, "shards": partitions.SHARDS, "seed": partitions.SEEDS}
    assert {name: tuple(v for _, v in explorer.controls[name].options) for name in stops} == stops
    seen = set()
    for kind, name in (("dirichlet", "alpha"), ("shards", "shards"), ("iid", "seed")):
        for stop in stops[name]:
            go(explorer, kind=kind, **{name: stop})
            view = partitions.look(explorer.parameters())
            assert len(view.run.accuracy) == partitions.ROUNDS and explorer.message.value == ""
            assert f"{100 * view.run.accuracy[-1]:.1f} %" in alt(explorer) and explorer.stop_button.disabled
            n_images = len(partitions.some_mnist().y_train)
            assert view.counts.sum() == n_images and view.counts.shape == (10, 10)
            np.testing.assert_array_equal(np.sort(np.concatenate(asked[-1][0])), np.arange(n_images))
            seen.add(explorer.image.value)
        assert explorer.controls["alpha"].disabled == (kind != "dirichlet")
        assert explorer.controls["shards"].disabled == (kind != "shards")
    assert len(seen) == 7 + 5 + 5
    assert len(asked) >= 17 - 1, "a position was not trained: kinds share their first stop at most"


ENDS = {
    "the most skewed": lambda: partitions.Position("dirichlet", alpha=min(partitions.ALPHAS)),
    "hardly skewed": lambda: partitions.Position("dirichlet", alpha=max(partitions.ALPHAS)),
    "one shard": lambda: partitions.Position("shards", shards=min(partitions.SHARDS)),
    "many shards": lambda: partitions.Position("shards", shards=max(partitions.SHARDS)),
    "IID, another seed": lambda: partitions.Position("iid", seed=partitions.SEEDS[-1]),
}


@pytest.mark.training
@pytest.mark.parametrize("end", ENDS)
def test_together_is_better_than_alone_at_either_end_of_every_slider(end):
    run = partitions.train(ENDS[end]())
    assert len(run.accuracy) == partitions.ROUNDS and run.accuracy[-1] > run.alone + 0.04


@pytest.mark.training
def test_what_is_trained_is_what_is_named():
    position = partitions.Position("shards", shards=5)
    run, model = partitions.train(position), fl.models.document_mlp(seed=0)
    some = partitions.some_mnist()
    parts = fl.partition_shards(some.y_train, 10, 5, seed=0)
    history = fl.simulate(model, some, parts, rounds=10, seed=0)
    assert run.accuracy == pytest.approx(history.accuracy, abs=2e-3)
    view = partitions.look(position)
    expected = np.mean([np.bincount(some.y_train[p]).max() / p.size for p in parts])
    assert view.skew == pytest.approx(expected)


@pytest.mark.training
def test_the_picture_of_who_holds_what_does_not_wait_for_the_training(explorer, monkeypatch):
    gate, begun = threading.Event(), threading.Event()
    real = partitions.train

    def slow(position, on_round=lambda run: None):
        gate.wait(120)
        begun.set()
        return real(position, on_round)

    go(explorer, kind="iid", seed=0)
    monkeypatch.setattr(partitions, "train", slow)
    monkeypatch.setattr(partitions, "_finished", {k: v for k, v in partitions._finished.items() if k.kind == "iid"})
    before = explorer.image.value
    explorer.controls["kind"].value = "shards"
    assert explorer.image.value != before and not begun.is_set()
    assert "shards a client" in alt(explorer) and "rounds" not in alt(explorer)
    explorer.controls["shards"].value = 10  # the newest position wins
    gate.set()
    explorer.wait(60)
    assert "10 shards" in alt(explorer) and "After 10 rounds" in alt(explorer)


@pytest.mark.training
def test_stop_ends_the_training_of_the_partitions(explorer, monkeypatch):
    monkeypatch.setattr(partitions, "_finished", {})
    rounds = []
    on_round = explorer._on_round

    def stop_after_two(view):
        rounds.append(len(view.run.accuracy))
        if len(rounds) == 2:
            explorer.stop_button.click()
        return on_round(view)

    monkeypatch.setattr(explorer, "_on_round", stop_after_two)
    explorer.controls["kind"].value = "dirichlet"
    explorer.wait(60)
    assert max(rounds) < partitions.ROUNDS and explorer.stop_button.disabled
    assert "was stopped" in alt(explorer) and "stopped after round" in explorer.picture.rounds.get_title()


@pytest.mark.training
def test_stop_also_ends_the_wait_of_a_newer_position(explorer, monkeypatch):
    """It is never trained, so the picture must not go on to say that it is training."""
    monkeypatch.setattr(partitions, "_finished", {})
    begun, gate = threading.Event(), threading.Event()

    def slow(position, on_round):
        begun.set()
        gate.wait(30)
        return partitions.Run()

    monkeypatch.setattr(partitions, "train", slow)
    explorer.controls["kind"].value = "shards"
    assert begun.wait(30)
    explorer.controls["seed"].value = partitions.SEEDS[-1]
    explorer.stop_button.click()
    gate.set()
    explorer.wait(30)
    assert explorer.picture.rounds.get_title() == "stopped" and "was stopped" in alt(explorer)
    explorer.controls["seed"].value = partitions.SEEDS[0]  # a move begins anew
    assert explorer.picture.rounds.get_title() != "stopped"
    explorer.wait(30)


@pytest.mark.training
def test_an_error_of_the_partitions_thread_is_shown(explorer, monkeypatch):
    def broken(*_):
        raise FloatingPointError("client <3>")

    monkeypatch.setattr(partitions, "_finished", {})
    monkeypatch.setattr(partitions, "train", broken)
    go(explorer, kind="iid", seed=3)
    assert 'role="alert"' in explorer.message.value and "client &lt;3&gt;" in explorer.message.value


@pytest.mark.training
def test_the_partitions_explorer_unlocks_at_its_question(language):
    app = widgets.partitions_explorer()
    assert all(control.disabled for control in app.controls.values())
    app.question.guess.value = "60"
    app.question.button.click()
    app.wait(60)
    assert app.controls["kind"].value == "shards" and not app.controls["kind"].disabled
    assert told(app) == pytest.approx(100 * partitions.look(app.parameters()).run.accuracy[-1], rel=1e-3)
    assert 70 <= told(app) < 80, "measured: 75 to 77"


# Figures


@pytest.mark.training
def test_every_figure_draws_in_both_languages(language):
    rng = np.random.default_rng(0)
    stills = [
        figures.three_kinds(),
        figures.together_or_alone({"iid": {who: [0.5, 0.6] for who in ("alone", "federated", "central")}}),
        figures.joined_or_single({"clinic": [0.3], "laboratory": [0.3], "joined": [0.4]}, {32: (300, 0.4), 1: (30, 0.3)}),
        figures.kinds_of_digits(rng.random((10, 28, 28)), rng.random((10, 8, 8)), rng.random((10, 8, 8))),
        figures.transfer_gain((1, 2), rng.random((3, 2)), rng.random((3, 2))),
        figures.joiners((1, 2), rng.random((3, 2))),
        figures.zip_sizes({"text": (100, 40), "random": (100, 101)}),
        figures.messages({"delta": (407_089, 2_092, "up"), "update": (407_089, 2_100, "down")}),
        widgets.compression_still(),
        widgets.partitions_still(),
    ]
    for still in stills:
        image, words = picture_of(still)
        assert image.width > 500 and len(words) >= 20
        assert bool(re.search("[\u4e00-\u9fff]", still.alt)) == (language == "zh")
    assert "407,089 → 2,092" in stills[7].alt


# Exercises


def solution(exercise):
    scope = {"np": np}
    exec(exercise.code, scope)
    return (scope["pack"], scope["unpack"]) if exercise is concepts.lossless else scope[exercise.name.split(".")[1]]


def dots(*_): ...


@pytest.mark.parametrize("exercise", [concepts.kind_of_federation, concepts.align, concepts.lossless], ids=lambda e: e.name)
def test_a_checker_passes_its_solution_and_calls_the_stub_not_attempted(exercise, language):
    assert exercise.check(solution(exercise)).state == "right"
    stub = (dots, dots) if exercise is concepts.lossless else dots
    assert exercise.check(stub).state == "not attempted"
    assert exercise.check(...).state == "not attempted"
    assert exercise.name in fl.exercises.finished()
    for number in (1, 2):
        assert exercise.hint(number).message
    for nonsense in (3, "x", [1], lambda: 1, lambda *_: object(), lambda *_: 1 / 0, (1, 2), (dots, 3)):
        assert exercise.check(nonsense).state in ("wrong", "not attempted")


def overlap(a, b):
    return len(a & b) / min(len(a), len(b))


def swapped(a, f, b, g):
    return {"vertical": "horizontal", "horizontal": "vertical", "transfer": "transfer"}[
        solution(concepts.kind_of_federation)(a, f, b, g)
    ]


def exact_only(a, f, b, g):
    return "vertical" if a == b else "horizontal" if f == g else "transfer"


def any_in_common(a, f, b, g):
    return "vertical" if a & b else "horizontal" if f & g else "transfer"


def unknown_word(a, f, b, g):
    return "diagonal"


def always_transfer(a, f, b, g):
    return "transfer"


def in_given_order(a, b):
    n = min(len(a), len(b))
    return np.arange(n), np.arange(n)


def unsorted_each(a, b):
    return np.flatnonzero(np.isin(a, b)), np.flatnonzero(np.isin(b, a))


def searched_unsorted(a, b):
    common = np.intersect1d(a, b)
    return np.searchsorted(a, common), np.searchsorted(b, common)


def ids_not_rows(a, b):
    common = np.intersect1d(a, b)
    return common, common


def order_of_a(a, b):
    rows = [(i, b.tolist().index(person)) for i, person in enumerate(a.tolist()) if person in b.tolist()]
    return [i for i, _ in rows], [j for _, j in rows]


def only_strangers(a, b):
    return solution(concepts.align)(a, b) if set(a) != set(b) else in_given_order(a, b)


def one_list(a, b):
    return np.arange(3)


def different_lengths(a, b):
    return np.arange(len(a)), np.arange(len(b))


def zip_pack(x):
    return zlib.compress(x.tobytes(), 9)


def zip_unpack(message):
    return np.frombuffer(zlib.decompress(message), np.float32)


WRONG = [
    (concepts.kind_of_federation, swapped, "mixed up"),
    (concepts.kind_of_federation, exact_only, "need not be all"),
    (concepts.kind_of_federation, any_in_common, "5 of about 100 samples"),
    (concepts.kind_of_federation, unknown_word, "return one of"),
    (concepts.kind_of_federation, always_transfer, "is horizontal, yours says transfer"),
    (concepts.align, in_given_order, "row i is not the same person"),
    (concepts.align, unsorted_each, "another order on each side"),
    (concepts.align, only_strangers, "another order on each side"),
    (concepts.align, ids_not_rows, "row numbers, not IDs"),
    (concepts.align, searched_unsorted, "it needs sorted IDs"),
    (concepts.align, order_of_a, "rising order of ID"),
    (concepts.align, one_list, "two arrays"),
    (concepts.align, different_lengths, "5 rows of A and 6 of B"),
    (concepts.lossless, (zip_pack, zip_unpack), "259,"),
    (concepts.lossless, (lambda x: x.astype(np.float16).tobytes(), lambda m: np.frombuffer(m, np.float16).astype(np.float32)),
     "not lossless"),
    (concepts.lossless, (lambda x: zip_pack(x + np.float32(0)), zip_unpack), "not lossless: -0.0"),
    (concepts.lossless, (lambda x: zip_pack(x.astype(np.float64)), lambda m: np.frombuffer(zlib.decompress(m), np.float64)),
     "float64 came out"),
    (concepts.lossless, (lambda x: x.tolist(), zip_unpack), "must return bytes"),
    (concepts.lossless, (lambda x: zip_pack(x[x != 0]), zip_unpack), "numbers went in"),
    (concepts.lossless, zip_pack, "a pair"),
    (concepts.lossless, (zip_pack, lambda m: 1 / 0), "unpack raised ZeroDivisionError"),
    (concepts.lossless, (lambda x: x.no_method(), zip_unpack), "pack raised AttributeError"),
    (concepts.lossless, (solution(concepts.lossless)[0], zip_unpack), "in another order"),
]  # fmt: skip


@pytest.mark.parametrize(("exercise", "answer", "message"), WRONG)
def test_a_wrong_answer_is_told_apart(exercise, answer, message, same_numbers):
    verdict = exercise.check(answer)
    assert verdict.state == "wrong" and message in verdict.message
    fl.use_language("zh")
    try:
        assert exercise.check(answer).state == "wrong" and "不对" in exercise.check(answer).message
    finally:
        fl.use_language("en")
    same_numbers(exercise, answer)


@pytest.mark.parametrize(
    "question", [concepts.which_kind, concepts.what_crosses, concepts.which_compression], ids=lambda q: q.name
)
def test_a_question_has_one_right_choice_and_says_why(question, language):
    verdicts = [question.verdict(choice) for choice in range(len(question.choices))]
    assert [v.state for v in verdicts].count("right") == 1 and verdicts[question.right].state == "right"
    assert len({v.message for v in verdicts}) == len(verdicts)
    box = question.ask()
    box.children[1].value = question.right
    assert verdicts[question.right].message.split("。")[0][:6] in box.reply.value
