"""What the first model is sent as: the account by hand, a newcomer's replay bit for bit, and the parts in the history."""

import itertools

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl
from fedlab_utils.codecs import encode_mask
from fedlab_utils.data import Dataset
from fedlab_utils.federation.account import Downlink, FirstModel
from fedlab_utils.layout import flatten
from fedlab_utils.streams import Purpose, stream

recipe = Later("fedlab_utils.federation.recipe")
models = Later("fedlab_utils.training.models")
keras = Later("keras", within="fedlab_utils.training.models")

pytestmark = pytest.mark.training
ROUNDS, CLIENTS, A_ROUND = 6, 12, 3


@pytest.fixture(scope="module")
def small(mnist):
    return Dataset(mnist.x_train[:600], mnist.y_train[:600], mnist.x_test[:200], mnist.y_test[:200])


@pytest.fixture(autouse=True)
def no_process(monkeypatch):
    """That a fresh process draws the same as this one is what test_recipe.py shows; here none is started."""
    monkeypatch.setattr(recipe, "_in_a_fresh_process", lambda message, progress: recipe.rebuild(message))


class Spy(fl.Codec):
    """Keeps what it made."""

    def __init__(self, codec):
        self.codec, self.payloads = codec, []
        self.lossless, self.biased = codec.lossless, codec.biased

    def encode(self, x, rng=None):
        self.payloads.append(self.codec.encode(x, rng))
        return self.payloads[-1]


def net():
    """Of every kind of weights: frozen ones, trained ones, running means and variances."""
    dense = [keras.layers.Dense(n, kernel_initializer=keras.initializers.GlorotUniform(seed=n)) for n in (16, 10)]
    dense[0].trainable = False
    layers = [keras.layers.Flatten(), dense[0], keras.layers.BatchNormalization(), keras.layers.ReLU(), dense[1]]
    return keras.Sequential([keras.Input((28, 28)), *layers, keras.layers.Softmax()])


FROZEN, TRAINED, STATE = (0, 1), (2, 3, 6, 7), (4, 5)  # places in net().get_weights()


def half_of_it(model):
    """A mask that takes every other weight of the last layer's matrix."""
    mask = [np.ones(w.shape, bool) for w in model.get_weights()]
    mask[6].flat[::2] = False
    return mask


def run(small, model=None, **options):
    clients = [np.arange(c, 600, CLIENTS) for c in range(CLIENTS)]
    return fl.simulate(model or net(), small, clients, **{"rounds": ROUNDS, "clients_per_round": A_ROUND, **options})


def cohorts(seed=0):
    """Who is drawn: int [rounds, A_ROUND]."""
    return [np.sort(stream(seed, Purpose.SELECTION, r).choice(CLIENTS, A_ROUND, replace=False)) for r in range(ROUNDS)]


def by_hand(payloads, first, first_state, once, n, n_state, begins=True):
    """Downlink bytes of each round, and those of first models, from the lengths of the broadcasts.

    first: of a coded model or a recipe, None for dense; first_state: of the state that goes with it; once: of what goes with
    a dense first model.
    """
    state = 4 * n_state + 1 + 1 + 1 + 4 if n_state else 0
    dense = len(fl.Identity().encode(np.zeros(n + n_state)))
    totals, firsts, seen, chosen = [], [], {}, set()
    for number, cohort in enumerate(cohorts()):
        total = of_first = 0
        for client in cohort:
            if client in seen:
                missed = payloads[seen[client] : number]
                total += min(sum(missed) + state, dense)
            elif first is None or (replay := sum(payloads[:number]) + (state if number else first_state)) + first > dense + once:
                total, of_first = total + dense + once, of_first + dense + once
                chosen.add("dense")
            else:
                total, of_first = total + first + replay, of_first + first + (0 if number else replay)
                chosen.add("replay" if number else "first")
            seen[client] = number
        totals.append(total)
        firsts.append(of_first)
    return totals, firsts, chosen


# Dense is as it was before there was a choice. The bytes are those of a version that had none; no number in them depends on
# the processor, since `Quantize` makes as many bytes whatever it is given.


@pytest.mark.parametrize(
    ("options", "downlink"),
    [
        ({"state": "average"}, [153576, 102636, 51813, 52047, 102753, 51813]),
        ({"state": "local"}, [153576, 102501, 51543, 51777, 102618, 51543]),
        ({"state": "average", "mask": 1}, [152742, 102039, 51412, 51564, 102115, 51412]),
    ],
)
def test_dense_costs_the_bytes_that_it_always_did(small, options, downlink):
    g = keras.initializers.GlorotUniform
    frozen = keras.layers.Dense(16, "relu", kernel_initializer=g(0))
    frozen.trainable = False
    layers = [keras.layers.Flatten(), frozen, keras.layers.BatchNormalization()]
    last = keras.layers.Dense(10, "softmax", kernel_initializer=g(1))
    model = keras.Sequential([keras.Input((28, 28)), *layers, last])
    if "mask" in options:
        options = {**options, "mask": half_of_it(model)}
    history = run(small, model, uplink=fl.Quantize(8), downlink=fl.Quantize(4), **options)
    assert history.downlink_bytes == downlink
    again = run(small, model, uplink=fl.Quantize(8), downlink=fl.Quantize(4), first_model="dense", **options)
    assert (again.downlink_bytes, again.accuracy) == (downlink, history.accuracy)


def test_dense_costs_the_documents_model_what_it_always_did(small):
    history = run(small, models.document_mlp(seed=0), uplink=fl.Quantize(8), downlink=fl.Quantize(4))
    assert history.downlink_bytes == [1221267, 865080, 559795, 661599, 915982, 559795]
    new = [len(set(c) - set(itertools.chain(*cohorts()[:number]))) for number, c in enumerate(cohorts())]
    assert history.first_model_bytes == [count * (4 * 101_770 + 9) for count in new]


# The account


FIRST = ["dense", "seed", fl.Quantize(8), fl.Identity(), fl.TopK(0.1)]
DOWN = [fl.Identity(), fl.TopK(0.01) | fl.Quantize(4)]


@pytest.mark.parametrize("downlink", DOWN, ids=repr)
@pytest.mark.parametrize("first_model", FIRST, ids=repr)
def test_bytes_by_hand_whatever_the_first_model_is_sent_as(small, first_model, downlink):
    model, down = net(), Spy(downlink)
    n, n_state, frozen = (sum(model.get_weights()[p].size for p in places) for places in (TRAINED, STATE, FROZEN))
    once = len(fl.Identity().encode(np.zeros(frozen)))
    first, of_state = None, 0
    if isinstance(first_model, fl.Codec):
        first_model = Spy(first_model)
    elif first_model == "seed":
        first = len(recipe.write(model))
    history = run(small, model, first_model=first_model, downlink=down)
    if isinstance(first_model, fl.Codec):
        first, of_state = len(first_model.payloads[0]) + once, len(fl.Identity().encode(np.zeros(n_state)))
        assert len(first_model.payloads) == 1
    totals, firsts, chosen = by_hand([len(p) for p in down.payloads], first, of_state, once, n, n_state)
    assert (history.downlink_bytes, history.first_model_bytes) == (totals, firsts)
    assert all(0 <= part <= whole for part, whole in zip(firsts, totals, strict=True))
    if first_model == "seed":
        assert chosen == {"first", "replay"}  # the frozen weights alone are more than all that was broadcast
    elif downlink == fl.Identity():
        assert "dense" in chosen


@pytest.mark.parametrize("first_model", ["seed", fl.Quantize(8)], ids=repr)
@pytest.mark.parametrize("state", ["average", "local"])
def test_a_mask_and_states_of_ones_own_go_with_every_first_model(small, first_model, state):
    model = net()
    mask, weights = half_of_it(model), model.get_weights()
    down = Spy(fl.Quantize(2))
    history = run(small, model, first_model=first_model, downlink=down, state=state, mask=mask)
    n = sum(int(mask[p].sum()) for p in TRAINED)
    apart = FROZEN + (STATE if state == "local" else ())
    n_state = 0 if state == "local" else sum(weights[p].size for p in STATE)
    agreed = len(encode_mask(mask))
    once = agreed + len(fl.Identity().encode(np.zeros(sum(weights[p].size for p in apart))))
    first, of_state = len(recipe.write(model)) + agreed, 0  # a recipe has all but the mask in it
    if first_model != "seed":
        first = len(fl.Quantize(8).encode(np.ones(n))) + once
        of_state = len(fl.Identity().encode(np.zeros(n_state))) if n_state else 0
    totals, firsts, _ = by_hand([len(p) for p in down.payloads], first, of_state, once, n, n_state)
    assert (history.downlink_bytes, history.first_model_bytes) == (totals, firsts)


# What everybody holds


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("first_model", ["seed", fl.Quantize(8), fl.Sign()], ids=repr)
def test_a_newcomer_that_adds_up_what_was_sent_holds_the_servers_model_bit_for_bit(small, first_model, mask):
    """From the bytes alone: the recipe or the coded model, then every payload, in float32 and in order."""
    model, down, kept = net(), Spy(fl.TopK(0.05) | fl.Quantize(4)), []
    masks = half_of_it(model) if mask else [np.ones(w.shape, bool) for w in model.get_weights()]
    first = Spy(first_model) if first_model != "seed" else "seed"
    options = {"mask": masks} if mask else {}
    run(small, model, first_model=first, downlink=down, on_round=lambda h: kept.append(h.weights), **options)

    def sent_of(weights):
        return np.concatenate([weights[p][masks[p]] for p in TRAINED])

    holds = sent_of(recipe.rebuild(recipe.write(model))) if first_model == "seed" else fl.decode(first.payloads[0])
    assert len(down.payloads) == len(kept) == ROUNDS
    for payload, weights in zip(down.payloads, kept, strict=True):
        holds = holds + fl.decode(payload)
        assert holds.dtype == np.float32 and holds.tobytes() == sent_of(weights).tobytes()
        for place in FROZEN:
            np.testing.assert_array_equal(weights[place], model.get_weights()[place])


def test_training_starts_from_what_the_clients_decode(small):
    model, start = net(), net()
    coded = run(small, model, first_model=fl.Quantize(2))
    weights = start.get_weights()
    decoded = fl.decode(fl.Quantize(2).encode(flatten([weights[p] for p in TRAINED])))
    for place in TRAINED:
        weights[place], decoded = decoded[: weights[place].size].reshape(weights[place].shape), decoded[weights[place].size :]
    start.set_weights(weights)
    dense = run(small, start)
    for one, two in zip(coded.weights, dense.weights, strict=True):
        np.testing.assert_array_equal(one, two)
    assert coded.accuracy == dense.accuracy != run(small).accuracy
    assert all((a == b).all() for a, b in zip(model.get_weights(), net().get_weights(), strict=True))  # left as it was


def test_a_seed_and_a_lossless_codec_change_nothing_but_the_bytes(small):
    dense = run(small, downlink=fl.Quantize(4))
    for first_model in ("seed", fl.Identity()):
        other = run(small, downlink=fl.Quantize(4), first_model=first_model)
        assert (other.accuracy, other.loss, other.uplink_bytes) == (dense.accuracy, dense.loss, dense.uplink_bytes)
    seed = run(small, downlink=fl.Quantize(4), first_model="seed")
    assert sum(seed.downlink_bytes) < sum(dense.downlink_bytes) / 10


def test_a_codec_that_follows_arrays_is_given_those_that_travel(small):
    wide = run(small, first_model=fl.Quantize(8))
    by_array = run(small, first_model=fl.Quantize(8, ranges="array"))
    shapes, ranges = 1 + 1 + (2 + 2 + 3 + 2), 3 * 8  # tag, number, (dimensions, lengths) of each array; three more ranges
    assert by_array.first_model_bytes[0] - wide.first_model_bytes[0] == A_ROUND * (shapes + ranges)


def test_a_codec_that_draws_has_a_stream_of_its_own(small):
    drawing = fl.Quantize(3, "stochastic")
    one, same, other = (run(small, first_model=drawing, rounds=1, seed=seed) for seed in (4, 4, 5))
    assert one.loss == same.loss != other.loss
    model = net()
    spy = Spy(drawing)
    run(small, model, first_model=spy, rounds=1, seed=4)
    start = flatten([model.get_weights()[p] for p in TRAINED])
    assert spy.payloads == [drawing.encode(start, stream(4, Purpose.FIRST_MODEL))]


# History and errors


def test_a_table_keeps_the_parts_and_an_earlier_one_has_none(small, tmp_path):
    history = run(small, rounds=2, first_model=fl.Quantize(8))
    history.save(tmp_path / "one.csv")
    assert fl.History.load(tmp_path / "one.csv").first_model_bytes == history.first_model_bytes
    assert len(history.first_model_bytes) == 2 and "first_model_bytes=" in repr(history)
    history.first_model_bytes = []
    history.save(tmp_path / "earlier.csv")
    assert "first_model" not in (tmp_path / "earlier.csv").read_text()
    assert fl.History.load(tmp_path / "earlier.csv").first_model_bytes == []


@pytest.mark.parametrize("value", ["Seed", "", "float32", None, 8, 0.5, True, ["seed"], fl.Quantize, np.zeros(3), len], ids=str)
def test_what_is_no_way_to_send_a_model_is_named(small, value):
    kind = ValueError if isinstance(value, str) else TypeError
    with pytest.raises(kind, match=r"^first_model must be 'dense', 'seed' or a codec such as Quantize\(8\), got .") as caught:
        run(small, first_model=value)
    assert "\n" not in str(caught.value)


def test_a_codec_that_cannot_take_the_model_says_so(small):
    with pytest.raises(ValueError, match="must be in 1 … 202, got 1000"):
        run(small, first_model=fl.TopK(1000))


def test_a_trained_model_goes_dense_or_through_a_codec_but_has_no_seed(small):
    model = net()
    model.set_weights(run(small, model, rounds=1).weights)
    with pytest.raises(ValueError, match=r"first_model='seed' cannot stand for this model: .* trained or set since"):
        run(small, model, first_model="seed")
    assert len(run(small, model, first_model=fl.Quantize(8), rounds=1).accuracy) == 1


# A broadcast of the whole movement


@pytest.mark.parametrize("first_model", ["seed", fl.Quantize(8)], ids=repr)
def test_of_whole_broadcasts_everybody_pays_one_and_a_newcomer_the_first_model_too(small, first_model):
    model, down = net(), Spy(fl.FixedStep(0.01))  # whose payloads grow
    spied = Spy(first_model) if first_model != "seed" else "seed"
    history = run(small, model, first_model=spied, downlink=down, broadcast="whole")
    assert len(set(map(len, down.payloads))) > 3
    of_state = len(fl.Identity().encode(np.zeros(sum(model.get_weights()[p].size for p in STATE))))
    frozen = len(fl.Identity().encode(np.zeros(sum(model.get_weights()[p].size for p in FROZEN))))
    first, of_first_state = (len(recipe.write(model)), 0) if spied == "seed" else (len(spied.payloads[0]) + frozen, of_state)
    totals, firsts, seen = [], [], set()
    for number, cohort in enumerate(cohorts()):
        new = len(set(cohort.tolist()) - seen)
        seen |= set(cohort.tolist())
        last = len(down.payloads[number - 1]) + of_state if number else 0
        firsts.append(new * (first + (0 if number else of_first_state)))
        totals.append(firsts[-1] + A_ROUND * last)
    assert (history.downlink_bytes, history.first_model_bytes) == (totals, firsts)


def test_the_first_model_and_the_last_whole_broadcast_are_the_servers_model_bit_for_bit(small):
    down, kept = Spy(fl.TopK(0.05) | fl.Quantize(4)), []
    first = Spy(fl.Quantize(8))
    run(small, first_model=first, downlink=down, broadcast="whole", on_round=lambda h: kept.append(h.weights))
    for payload, weights in zip(down.payloads, kept, strict=True):
        holds = fl.decode(first.payloads[0]) + fl.decode(payload)
        assert holds.tobytes() == np.concatenate([weights[p].ravel() for p in TRAINED]).tobytes()


def test_what_one_whole_broadcast_left_out_the_next_means_again(small):
    """The server's account alone: a codec that keeps the largest three in a hundred, steps of which each is one weight's."""
    server = Downlink(np.zeros(100, np.float32), fl.TopK(3), True, 0, None, None, FirstModel(10, 0), whole=True)
    for place, step in ((1, 3.0), (2, 2.0), (3, 1.0), (4, 4.0)):
        server.broadcast(np.eye(1, 100, place)[0] * step, np.random.default_rng(0))
    assert dict(enumerate(server.model[:6])) == {0: 0, 1: 3, 2: 2, 3: 0, 4: 4, 5: 0}
    server.broadcast(np.eye(1, 100, 3)[0] * 1.5, np.random.default_rng(0))
    assert dict(enumerate(server.model[:6])) == {0: 0, 1: 3, 2: 0, 3: 2.5, 4: 4, 5: 0}


def test_steps_and_whole_broadcasts_that_lose_nothing_train_the_same_model(small):
    steps, whole = (run(small, first_model="seed", broadcast=broadcast) for broadcast in ("step", "whole"))
    for one, two in zip(steps.weights, whole.weights, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
    assert sum(whole.downlink_bytes) < sum(steps.downlink_bytes)  # a newcomer adds up every step


def test_whole_broadcasts_need_a_first_model_that_is_kept_and_other_words_are_named(small):
    with pytest.raises(ValueError, match="first_model must be 'seed' or a codec, and not 'dense'"):
        run(small, broadcast="whole")
    for value in ("Whole", "delta", None, True, 3):
        with pytest.raises(ValueError, match=r"^broadcast must be 'step' or 'whole', got "):
            run(small, first_model="seed", broadcast=value)
