"""Distillation: softmax and loss against definitions and limits, the federated form by hand, the gain over ten seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from later import Later

import fedlab_utils as fl
from fedlab_utils import distillation
from fedlab_utils.streams import Purpose, stream

central = Later("fedlab_utils.training.central")

LOGITS = hnp.arrays(np.float64, (3, 4), elements=st.floats(-50, 50))


@given(LOGITS, st.floats(0.05, 100))
def test_soft_targets_are_probabilities_in_the_order_of_the_logits(z, temperature):
    p = distillation.soften(z, temperature)
    assert p.dtype == np.float32 and p.shape == z.shape and (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    for row, scores in zip(p, z, strict=True):
        assert (np.diff(row[np.argsort(scores, kind="stable")]) >= -1e-6).all()


@given(LOGITS, st.floats(0.5, 20))
def test_temperature_takes_a_root_of_every_quotient(z, temperature):
    z = z / 10  # so that no float32 probability vanishes
    p, q = distillation.soften(z), distillation.soften(z, temperature)
    np.testing.assert_allclose(q[:, 0] / q[:, 1], (p[:, 0] / p[:, 1]) ** (1 / temperature), rtol=1e-3)


def test_the_limits_of_temperature():
    z = np.array([[1.0, 3.0, 2.0]])
    np.testing.assert_allclose(distillation.soften(z, 0.01), [[0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(distillation.soften(z, 1e6), np.full((1, 3), 1 / 3), atol=1e-5)
    np.testing.assert_allclose(distillation.soften([4.0, 2.0, 0.0], 1), [0.8668, 0.1173, 0.0159], atol=1e-4)  # by hand
    np.testing.assert_allclose(distillation.soften([1e4, 0.0]), [1, 0])  # no overflow


def test_the_loss_without_softness_is_the_ordinary_cross_entropy():
    z, labels = np.random.default_rng(0).normal(size=(6, 5)), np.array([0, 4, 2, 2, 1, 3])
    probabilities = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    expected = -np.mean(np.log(probabilities[np.arange(6), labels]))
    assert distillation.distillation_loss(z, z, 7.0, labels, hard_share=1) == pytest.approx(expected)
    one_hot = 50.0 * np.eye(5)[labels]  # a teacher that is certain, at T = 1
    assert distillation.distillation_loss(z, one_hot, 1.0) == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_least_where_the_student_agrees_and_its_parts_add_up():
    rng = np.random.default_rng(1)
    teacher, labels = rng.normal(0, 3, (8, 10)), rng.integers(10, size=8)
    least = distillation.distillation_loss(teacher + 5, teacher, 3.0)  # a constant added to all logits changes nothing
    for _ in range(20):
        assert distillation.distillation_loss(teacher + rng.normal(0, 0.5, (8, 10)), teacher, 3.0) > least
    student = rng.normal(size=(8, 10))
    soft, hard, both = (distillation.distillation_loss(student, teacher, 3.0, labels, share) for share in (0, 1, 0.25))
    assert both == pytest.approx(0.75 * soft + 0.25 * hard)


def test_with_t_squared_the_gradient_keeps_its_size():
    # Hinton et al. 2015, section 2.1: for high temperatures the gradient is (z - v) / N with both logits centred.
    rng = np.random.default_rng(2)
    student, teacher = rng.normal(size=(1, 10)), rng.normal(0, 3, (1, 10))
    limit = (student - student.mean() - teacher + teacher.mean()) / 10
    step, temperature = 1e-2 * np.eye(10)[:, None], 300.0

    def loss(z):
        return distillation.distillation_loss(z, teacher, temperature)

    gradient = [(loss(student + s) - loss(student - s)) / 2e-2 for s in step]
    np.testing.assert_allclose(gradient, limit[0], atol=0.02)


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf])
def test_temperature_must_be_positive(temperature):
    z = np.zeros((2, 3))
    for call in (lambda: distillation.soften(z, temperature), lambda: distillation.distillation_loss(z, z, temperature)):
        with pytest.raises(ValueError, match="temperature must be in"):
            call()


@pytest.mark.training
def test_other_bad_input(mnist):
    z = np.zeros((2, 3))
    with pytest.raises(ValueError, match="teacher and student must know the same classes, got 3 and 4"):
        distillation.distillation_loss(np.zeros((2, 4)), z, 2.0)
    with pytest.raises(ValueError, match="teacher and student must know the same classes, got 3 and 10"):
        distillation.teach(central.mlp(4), mnist.x_train[:2], z)
    with pytest.raises(ValueError, match="needs labels"):
        distillation.distillation_loss(z, z, 2.0, hard_share=0.5)
    with pytest.raises(ValueError, match="logits must be finite"):
        distillation.soften([np.nan, 0])
    with pytest.raises(ValueError, match="one model a client"):
        distillation.simulate_logits([central.mlp(4)], mnist, [np.arange(5)] * 2, mnist.x_test[:5])
    with pytest.raises(ValueError, match="same classes, got 10 and 9"):
        models = [central.mlp(4), central.mlp(4, n_classes=9)]
        distillation.simulate_logits(models, mnist, [np.arange(5)] * 2, mnist.x_test[:5])


def test_break_even_by_hand_and_by_bytes():
    assert distillation.break_even_images(101770) == 10177
    assert distillation.break_even_images(1000, n_classes=3) == 333
    assert distillation.break_even_images(101770, codec=fl.Quantize(8)) == 10177  # both shrink alike
    with pytest.raises(ValueError, match="n_classes must be"):
        distillation.break_even_images(100, n_classes=1)


@pytest.mark.training
def test_only_logits_travel_and_every_byte_is_counted(mnist):
    models, clients = (
        [central.mlp(8), central.mlp(16), fl.models.document_mlp()],
        [np.arange(50 * i, 50 * i + 50) for i in range(3)],
    )
    public = mnist.x_train[1000:1200]
    history = distillation.simulate_logits(models, mnist, clients, public, rounds=2)
    message = 1 + 2 + 1 + 4 * 10 * 200 + 4  # format mark, 2000 as varint, tag, values, CRC-32
    assert history.uplink_bytes == history.downlink_bytes == [3 * message] * 2
    assert np.shape(history.accuracy) == (2, 3) and len(history.alone) == 3
    assert np.mean(history.accuracy[-1]) > np.mean(history.alone) + 0.03
    eight = distillation.simulate_logits(models, mnist, clients, public, uplink=fl.Quantize(8))
    assert eight.uplink_bytes[0] == 3 * (message - 4 * 2000 + 2000 + 8)  # a byte a value, and the range
    assert abs(np.mean(eight.accuracy[0]) - np.mean(history.accuracy[0])) < 0.02


@pytest.mark.training
def test_labels_travel_without_loss_and_what_has_not_changed_costs_little(mnist, monkeypatch):
    """Two clients, three rounds: every message is decoded again from its bytes, as CFD says: what has moved since the last."""
    payloads, decoded, public = [], fl.decode, mnist.x_train[1000:1600]
    monkeypatch.setattr(distillation, "decode", lambda payload, **how: payloads.append(payload) or decoded(payload, **how))
    clients = [np.arange(300), np.arange(300, 600)]
    history = distillation.simulate_logits(
        [central.mlp(16)] * 2, mnist, clients, public, rounds=3, local_epochs=20, exchange="labels", seed=2
    )
    sizes = np.reshape([len(payload) for payload in payloads], (3, 3))  # two up, one down, a round
    assert sizes[:, :2].sum(axis=1).tolist() == history.uplink_bytes and (2 * sizes[:, 2]).tolist() == history.downlink_bytes
    last, truth = np.zeros(600, int), mnist.y_train[1000:1600]
    for number in range(3):
        said = [(last + np.rint(decoded(payload)).astype(int)) % 10 for payload in payloads[3 * number : 3 * number + 3]]
        votes = np.stack([np.bincount([a, b], minlength=10) for a, b in zip(*said[:2], strict=True)])
        assert (said[2] == votes.argmax(axis=1)).all(), "of most votes, of equals the least"
        assert np.mean(said[2] == truth) > 0.7, "labels, and not what happens to decode"
        last = said[2]
    limit = 2 * 600 * np.log2(10) / 8
    assert history.uplink_bytes[0] < 1.15 * limit and history.uplink_bytes[2] < 0.6 * limit


@pytest.mark.training
def test_probabilities_are_averaged_and_sharpened_as_ds_fl_says(mnist, monkeypatch):
    """Two clients by hand: softmax(mean of the softmaxes / 0.1) is what is broadcast and learnt from."""
    learnt, train_with = [], central.train_with

    def watched(rngs, model, images, labels, **options):
        learnt.append(options.get("soft_targets"))
        return train_with(rngs, model, images, labels, **options)

    monkeypatch.setattr("fedlab_utils.training.central.train_with", watched)
    sent, encode = [], fl.Identity.encode
    monkeypatch.setattr(fl.Identity, "encode", lambda self, x, *rest, **how: sent.append(x) or encode(self, x, *rest, **how))
    clients, public = [np.arange(40), np.arange(40, 80)], mnist.x_train[500:600]
    distillation.simulate_logits(
        [central.mlp(8)] * 2, mnist, clients, public, local_epochs=2, public_epochs=1, exchange="probabilities", sharpen=0.1
    )
    first, second, broadcast = sent
    np.testing.assert_allclose(first.sum(axis=1), 1, atol=1e-5)
    mean = (first.astype(float) + second) / 2
    expected = np.exp(mean / 0.1) / np.exp(mean / 0.1).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(broadcast, expected, atol=1e-5)
    np.testing.assert_allclose(learnt[2], expected, atol=1e-5)
    assert learnt[:2] == [None, None] and (learnt[3] == learnt[2]).all()
    assert expected.max(axis=1).mean() > mean.max(axis=1).mean(), "less entropy than the mean"


@pytest.mark.training
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"exchange": "weights"}, "exchange must be one of 'logits', 'probabilities', 'labels'"),
        ({"exchange": "labels", "uplink": fl.Quantize(8)}, "labels.* is coded without loss"),
        ({"exchange": "labels", "temperature": 2.0}, "temperature softens logits"),
        ({"sharpen": 0.1}, 'sharpen is for averaged probabilities, not for exchange="logits"'),
    ],
)
def test_an_exchange_that_cannot_be_is_refused(mnist, options, told):
    with pytest.raises(ValueError, match=told):
        distillation.simulate_logits([central.mlp(4)], mnist, [np.arange(5)], mnist.x_test[:5], **options)


@pytest.mark.training
def test_one_client_that_hears_only_itself_learns_from_its_own_logits(mnist):
    model, mine, public = central.mlp(8), np.arange(60), mnist.x_train[500:600]
    history = distillation.simulate_logits([model], mnist, [mine], public, local_epochs=3, public_epochs=2, seed=4)

    def learn(where, images, labels, **options):
        rngs = [stream(4, Purpose[f"{where}_{what}"], 0, 0) for what in ("BATCHES", "LAYERS")]
        return central.train_with(rngs, model, images, labels, learning_rate=(2e-3, 0.0), **options)

    alone = learn("PRIVATE", mnist.x_train[mine], mnist.y_train[mine], weights=None, epochs=3, batch_size=32)
    assert history.alone == [central.accuracy(model, mnist.x_test, mnist.y_test, alone)]
    z = central.logits(model, public, alone)
    after = learn("PUBLIC", public, None, weights=alone, epochs=2, batch_size=64, soft_targets=distillation.soften(z))
    assert history.accuracy == [[central.accuracy(model, mnist.x_test, mnist.y_test, after)]]


def test_a_taught_student_beats_the_same_student_alone_over_ten_seeds():
    """The trainings are those of data/results/trainings.csv; test_trainings makes one of each again."""
    alone, same_images, unlabelled = (
        [run.accuracy[-1] for run in fl.load_trainings(f"student of {lesson}")]
        for lesson in ("500, labels", "500, soft 4", "20,000, soft 4")
    )
    assert len(alone) == len(same_images) == len(unlabelled) == 10
    assert np.mean(unlabelled) - np.mean(alone) > max(np.ptp(unlabelled), np.ptp(alone))
    # On the same images the gain is about as large as the luck of the draw, so it is claimed in pairs.
    assert np.min(np.subtract(same_images, alone)) > 0.005


@pytest.mark.training
def test_the_student_of_the_table_has_an_eighth_of_its_teacher_at_most():
    assert central.mlp(32).count_params() <= central.mlp(300).count_params() / 8
