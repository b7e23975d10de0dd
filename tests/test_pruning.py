"""Pruning: masks and nodes against definitions, bytes against theory, the federated form by hand, the study made again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from later import Later

import fedlab_utils as fl
from fedlab_utils import pruning
from fedlab_utils.codecs import encode_mask
from fedlab_utils.streams import Purpose, stream

federated = Later("fedlab_utils.federation.simulate")
central = Later("fedlab_utils.training.central")

ROWS = pruning.load_study()


def network(seed=0, hidden=6):
    rng = np.random.default_rng(seed)
    shapes = (784, hidden), (hidden,), (hidden, 10), (10,)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def forward(weights, images):
    return np.maximum(images.reshape(len(images), -1) @ weights[0] + weights[1], 0) @ weights[2] + weights[3]


# Masks


@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(-5, 5)),
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(-5, 5)),
    st.floats(0, 0.999),
)
def test_a_mask_removes_exactly_the_smallest(first, second, sparsity):
    weights = [first, np.zeros(first.shape[1]), second, np.zeros(second.shape[1])]
    for scope in pruning.SCOPES:
        mask = pruning.magnitude_mask(weights, sparsity, scope)
        assert mask[1].all() and mask[3].all(), "biases are never pruned"
        groups = [(0, 2)] if scope == "global" else [(0,), (2,)]
        for group in groups:
            magnitude = np.concatenate([np.abs(weights[i]).ravel() for i in group])
            stays = np.concatenate([mask[i].ravel() for i in group])
            assert (~stays).sum() == round(sparsity * stays.size)
            assert magnitude[stays].min(initial=99) >= magnitude[~stays].max(initial=0)


def test_ties_go_from_the_end():
    mask = pruning.magnitude_mask([np.array([[1.0, -1.0], [1.0, 1.0]])], 0.5)
    assert mask[0].tolist() == [[True, True], [False, False]]


def test_global_and_per_layer_differ_where_layers_differ_in_scale():
    weights = [np.full((4, 4), 0.1), np.zeros(4), np.full((4, 4), 9.0), np.zeros(4)]
    assert [m.sum() for m in pruning.magnitude_mask(weights, 0.5, "global")] == [0, 4, 16, 4]
    assert [m.sum() for m in pruning.magnitude_mask(weights, 0.5, "layer")] == [8, 4, 8, 4]


@pytest.mark.parametrize("sparsity", [-0.1, 1, 1.5, np.nan])
def test_sparsity_must_be_a_fraction_below_one(sparsity):
    for call in (pruning.magnitude_mask, pruning.prune_nodes):
        with pytest.raises(ValueError, match=r"sparsity must be in \[0, 1\), got"):
            call(network(), sparsity)


@pytest.mark.training
def test_other_bad_input():
    with pytest.raises(ValueError, match="scope must be one of 'global', 'layer'"):
        pruning.magnitude_mask(network(), 0.5, "row")
    with pytest.raises(ValueError, match="no kernel"):
        pruning.magnitude_mask([np.zeros(3)], 0.5)
    weights = network()
    mask = pruning.magnitude_mask(weights, 0.5)
    with pytest.raises(ValueError, match="mask must have the shapes of the weights"):
        pruning.apply_mask(weights, [mask[0].T, *mask[1:]])
    with pytest.raises(ValueError, match="mask must have the shapes of the weights"):
        pruning.fine_tune(central.mlp(6), weights, mask[:2], np.zeros((4, 28, 28)), np.zeros(4, int))
    with pytest.raises(ValueError, match="nothing but 0 and 1"):
        pruning.apply_mask(weights, [m * 2 for m in mask])
    with pytest.raises(ValueError, match="layer must be in 0 … 0"):
        pruning.node_importance(weights, layer=1)
    with pytest.raises(ValueError, match="importance must have the shape"):
        pruning.prune_nodes(weights, 0.5, importance=np.ones(5))
    with pytest.raises(ValueError, match="every weight is zero"):
        pruning.encode_pruned([np.zeros((3, 3))])


# Nodes


def test_importance_does_not_change_where_the_network_does_not():
    weights = network()
    scaled = [weights[0] * 2, weights[1] * 2, weights[2] / 2, weights[3]]
    images = np.random.default_rng(1).random((5, 28, 28), np.float32)
    np.testing.assert_allclose(forward(scaled, images), forward(weights, images), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(pruning.node_importance(scaled), pruning.node_importance(weights), rtol=1e-5)


def test_removing_nodes_is_silencing_them():
    weights = network()
    weights[0][:, 2] = weights[0][:, 2] * 0.01  # node 2 is the least important
    smaller = pruning.prune_nodes(weights, 1 / 6)
    silenced = [w.copy() for w in weights]
    silenced[2][2] = 0
    images = np.random.default_rng(1).random((5, 28, 28), np.float32)
    assert [w.shape for w in smaller] == [(784, 5), (5,), (5, 10), (10,)]
    np.testing.assert_allclose(forward(smaller, images), forward(silenced, images), rtol=1e-4, atol=1e-4)
    assert pruning.multiplications(smaller) == 784 * 5 + 5 * 10
    assert pruning.prune_nodes(weights, 0.999)[1].size == 1, "one node stays"


def test_a_hidden_layer_in_the_middle():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=s) for s in ((4, 5), (5,), (5, 6), (6,), (6, 3), (3,))]
    assert [w.shape for w in pruning.prune_nodes(weights, 0.5, layer=1)] == [(4, 5), (5,), (5, 3), (3,), (3, 3), (3,)]


# Training


def test_the_cubic_schedule_is_zhu_and_guptas():
    assert pruning.cubic_sparsity(0, 0.9) == 0 and pruning.cubic_sparsity(1, 0.9) == 0.9
    assert pruning.cubic_sparsity(0.5, 0.8, initial=0.2) == pytest.approx(0.8 - 0.6 / 8)
    values = [pruning.cubic_sparsity(t, 0.9) for t in np.linspace(0, 1, 20)]
    assert (np.diff(values) > 0).all() and (np.diff(values, 2) < 0).all(), "fast at first, slower later"
    with pytest.raises(ValueError, match="progress must be"):
        pruning.cubic_sparsity(1.1, 0.9)


@pytest.mark.training
def test_fine_tuning_holds_the_mask_and_helps(mnist):
    images, labels = mnist.x_train[:2000], mnist.y_train[:2000]
    model = central.mlp(32)
    base = central.train(model, images, labels, epochs=10)
    mask = pruning.magnitude_mask(base, 0.98)
    pruned = pruning.apply_mask(base, mask)
    tuned = pruning.fine_tune(model, pruned, mask, images, labels, epochs=10)
    assert pruning.sparsity_of(tuned) >= pruning.sparsity_of(mask) == pytest.approx(0.98, abs=1e-4)
    before, after = (central.accuracy(model, mnist.x_test, mnist.y_test, w) for w in (pruned, tuned))
    assert after > before + 0.1
    weights, mask = pruning.prune_gradually(model, base, 0.98, images, labels, epochs=10, ramp=4, stages=4)
    assert pruning.sparsity_of(mask) == pytest.approx(0.98, abs=1e-4)
    assert all((w[~m] == 0).all() for w, m in zip(weights, mask, strict=True))
    assert central.accuracy(model, mnist.x_test, mnist.y_test, weights) > before + 0.1


# Bytes


def test_a_pruned_model_comes_back_from_its_bytes_near_the_limit():
    weights = network(hidden=64)
    weights = pruning.apply_mask(weights, pruning.magnitude_mask(weights, 0.9))
    flat = np.concatenate([w.ravel() for w in weights])
    payload = pruning.encode_pruned(weights)
    np.testing.assert_array_equal(fl.decode(payload), flat)
    kept = np.count_nonzero(flat)
    places = len(payload) - 4 * kept
    assert fl.log2_binomial(flat.size, kept) / 8 < places < 1.03 * fl.log2_binomial(flat.size, kept) / 8 + 24
    eight = pruning.encode_pruned(weights, fl.Quantize(8))
    assert len(payload) - len(eight) == pytest.approx(3 * kept, abs=16)
    np.testing.assert_array_equal(fl.decode(eight) != 0, flat != 0)


# The federated form


@pytest.fixture(scope="module")
def federation(mnist):
    model = fl.models.document_mlp(seed=0)
    clients = list(np.arange(300).reshape(3, 100))
    return model, pruning.magnitude_mask(model.get_weights(), 0.8), clients, {"rounds": 3, "clients_per_round": 3}


@pytest.mark.training
def test_only_kept_weights_travel_and_every_byte_is_counted(mnist, federation):
    model, mask, clients, settings = federation
    history = fl.simulate(model, mnist, clients, mask=mask, **settings)
    kept = sum(int(m.sum()) for m in mask)
    message = 1 + 3 + 1 + 4 * kept + 4  # format mark, n as varint, tag, values, CRC-32
    assert history.uplink_bytes == [3 * message] * 3
    assert history.downlink_bytes == [3 * (message + len(encode_mask(mask))), 3 * message, 3 * message]
    assert all((w[~m] == 0).all() for w, m in zip(history.weights, mask, strict=True))
    assert history.accuracy[-1] > 0.3
    assert history.accuracy[-1] == central.accuracy(model, mnist.x_test, mnist.y_test, history.weights)


@pytest.mark.training
def test_a_client_that_comes_later_gets_the_mask_then(mnist, federation):
    model, mask, clients, _ = federation
    history = fl.simulate(model, mnist, clients, mask=mask, rounds=12, clients_per_round=1)
    streams = (stream(0, Purpose.SELECTION, number) for number in range(12))
    cohorts = [int(stream.choice(3, 1, replace=False)[0]) for stream in streams]
    first = [client not in cohorts[:number] for number, client in enumerate(cohorts)]
    assert first[0] and sum(first) == 3 and any(first[2:])
    kept = sum(int(m.sum()) for m in mask)
    assert history.downlink_bytes == [9 + 4 * kept + new * len(encode_mask(mask)) for new in first]


@pytest.mark.training
def test_a_round_is_the_average_of_clients_that_train_with_the_mask_held(mnist, federation):
    """Batches that hold all samples of a client, one step each: the gradient of Keras, masked, from masked weights."""
    _, _, clients, _ = federation
    model = central.mlp(20)
    start, mask = model.get_weights(), pruning.magnitude_mask(model.get_weights(), 0.7)
    options = {"rounds": 1, "clients_per_round": 3, "batch_size": 100, "learning_rate": 0.3}
    history = fl.simulate(model, mnist, clients, mask=mask, **options)
    results, alone = [], central.mlp(20)
    for part in clients:
        alone.set_weights([w * m for w, m in zip(start, mask, strict=True)])
        alone.compile(fl.models.keras.optimizers.SGD(0.3), "sparse_categorical_crossentropy")
        alone.train_on_batch(mnist.x_train[part], mnist.y_train[part])
        results.append(alone.get_weights())
    for ours, m, *theirs in zip(history.weights, mask, *results, strict=True):
        np.testing.assert_allclose(ours, np.mean(theirs, axis=0) * m, atol=1e-6)
    np.testing.assert_array_equal(model.get_weights()[0], start[0])  # the model is left as it was


@pytest.mark.training
def test_a_mask_of_ones_changes_nothing_but_the_first_downlink(mnist, federation):
    model, mask, clients, settings = federation
    ones = [np.ones_like(m) for m in mask]
    plain, masked = fl.simulate(model, mnist, clients, **settings), fl.simulate(model, mnist, clients, mask=ones, **settings)
    assert masked.accuracy == plain.accuracy and masked.uplink_bytes == plain.uplink_bytes
    assert np.subtract(masked.downlink_bytes, plain.downlink_bytes).tolist() == [3 * len(encode_mask(ones)), 0, 0]


@pytest.mark.training
def test_codecs_with_error_feedback_shorten_both_directions(mnist, federation):
    model, mask, clients, settings = federation
    exact = fl.simulate(model, mnist, clients, mask=mask, **settings)
    lossy = fl.simulate(model, mnist, clients, mask=mask, uplink=fl.Quantize(8), downlink=fl.Quantize(8), **settings)
    assert exact.uplink_bytes[1] > 3.9 * lossy.uplink_bytes[1] and exact.downlink_bytes[1] > 3.9 * lossy.downlink_bytes[1]
    assert abs(exact.accuracy[-1] - lossy.accuracy[-1]) < 0.03


@pytest.mark.training
def test_a_mask_that_fits_no_training_is_refused(mnist, federation):
    model, mask, clients, settings = federation
    frozen = fl.models.document_mlp()
    frozen.layers[1].trainable = False
    for bad_model, bad_mask, message in (
        (central.mlp(64), mask, "mask must have the shapes"),
        (model, [2 * m for m in mask], "mask must hold nothing but 0 and 1"),
        (model, [m & False for m in mask], "mask removes every weight"),
        (frozen, mask, r"mask removes entries of weights\[0\], which no gradient trains"),
    ):
        with pytest.raises(ValueError, match=message):
            fl.simulate(bad_model, mnist, clients, mask=bad_mask, **settings)


# The study: data/results/pruning.csv


def column(kind, sparsity=0.0, field="after"):
    return np.array([row[field] for row in ROWS if (row["kind"], row["sparsity"]) == (kind, sparsity)])


def test_ninety_per_cent_of_the_connections_cost_less_than_half_a_point_on_average():
    dense = np.maximum(column("dense"), column("dense, no dropout"))
    assert dense.size == 10 and (column("dense", field="base") >= 0.975).all()
    at_once, gradual = (dense - column(kind, 0.9) for kind in ("global", "gradual"))
    assert at_once.mean() < 0.005 < at_once.max() < 0.007 and gradual.max() < 0.005


def test_the_study_is_complete_and_its_bytes_are_possible():
    kinds = ("global", "gradual", "layer", "node")
    assert len(ROWS) == 10 * (2 + 6 * 4)
    for row in ROWS:
        if row["kind"] in kinds[:3]:
            kept = 100352 + 1280 - round(row["sparsity"] * 101632)
            assert abs(row["multiplications"] - kept) <= 1
            limit = 4 * kept + fl.log2_binomial(101770, kept) / 8
            # A support that clusters takes a little less than a random one of as many: log2 C bits.
            assert 0.998 * limit < row["bytes_float32"] < limit * 1.06 + 600


@pytest.mark.training
def test_the_study_can_be_made_again(mnist):
    document, x, y = fl.models.document_mlp(seed=0), mnist.x_train, mnist.y_train
    base = central.train(document, x, y, epochs=6, learning_rate=(3e-3, 0.0), seed=0)
    pruned, mask = pruning.prune_gradually(central.mlp(128), base, 0.9, x, y, epochs=8, seed=100)
    reached = [central.accuracy(document, mnist.x_test, mnist.y_test, w) for w in (base, pruned)]
    assert pruning.sparsity_of(pruned) >= pruning.sparsity_of(mask) == pytest.approx(0.9, abs=1e-4)
    np.testing.assert_allclose(reached, [column("gradual", 0.9, "base")[0], column("gradual", 0.9)[0]], atol=0.003)
