"""Chapter 5: its checkers, its figures, and what its text builds on: simulate is decode, average, add."""

import contextlib
import re

import numpy as np
import pytest
from apps import picture_of

import fedlab_utils as fl
from fedlab_utils.book.exercises import practice
from fedlab_utils.book.exercises.memory import finished
from fedlab_utils.federation.history import History

CHINESE = re.compile("[\u4e00-\u9fff]")


pytestmark = pytest.mark.usefixtures("progress")


def stub(*_): ...


# Exercises


def plan(dense=True, down=True, first=1, of=lambda x, k: len((fl.TopK(k) | fl.Quantize(8)).encode(x))):
    """The largest k by another search, downwards by halves; what it leaves out, and how it takes the length of a message."""

    def answer(delta, megabytes, rounds):
        def fits(k):
            messages = (rounds + (rounds - first) * down) * of(delta, k)
            return dense * len(fl.Identity().encode(delta)) + messages <= 1e6 * megabytes

        k, step = 0, 2**17
        while step:
            if k + step <= delta.size and fits(k + step):
                k += step
            step //= 2
        return k

    return answer


WRONG_PLANS = {
    "Did you leave out the first model?": plan(dense=False),
    "The downlink counts as well.": plan(down=False),
    "ask len(payload)": plan(of=lambda x, k: k),
    "no update comes down": plan(first=0),
    "k is a count": lambda x, mb, r: plan()(x, mb, r) / x.size,
    "so nothing fits: 0": lambda x, mb, r: max(1, plan()(x, mb, r)),
    "but 6 does as well": lambda x, mb, r: 5,
    "must hold numbers": lambda x, mb, r: "much",
    "k = 101,770 takes": lambda x, mb, r: x.size,
}


def mean_of(payloads, samples):
    return np.average([fl.decode(payload) for payload in payloads], axis=0, weights=samples)


def length(payloads):
    return sum(map(len, payloads))


def read(payloads, samples):
    """Those that can be decoded: vectors, samples, payloads."""
    whole = []
    for payload, n in zip(payloads, samples, strict=True):
        with contextlib.suppress(ValueError):
            whole.append((fl.decode(payload), n, payload))
    return whole


def by_loop(weights, payloads, samples):
    new, whole = weights.astype(float), read(payloads, samples)
    for delta, n, _ in whole:
        new = new + n / sum(n for _, n, _ in whole) * delta
    return [new, length(payloads)]


def without(what):
    """The round done well, but for one thing where payloads are damaged."""

    def answer(weights, payloads, samples):
        new, size = by_loop(weights, payloads, samples)
        whole = read(payloads, samples)
        if len(whole) == len(payloads):
            return new, size
        return what(weights, new, size, whole, samples)

    return answer


WRONG_ROUNDS = {
    "add it to the old weights": lambda w, p, s: (mean_of(p, s), length(p)),
    "a delta is added": lambda w, p, s: (w - mean_of(p, s), length(p)),
    "weight the clients": lambda w, p, s: (w + mean_of(p, None), length(p)),
    "of the decoded vectors": lambda w, p, s: (w + mean_of(p, s), sum(fl.decode(x).nbytes for x in p)),
    "this is one payload": lambda w, p, s: (w + mean_of(p, s), len(p[0])),
    "the payloads of this round have": lambda w, p, s: (w + mean_of(p, s), 0),
    "the old ones plus the weighted mean": lambda w, p, s: (w + sum(fl.decode(x) for x in p), length(p)),
    "return two things: the new": lambda w, p, s: w + mean_of(p, s),
    "decode each": lambda w, p, s: np.frombuffer(p[0], "<f4") + w,
    "divide by the number": lambda w, p, s: (w + s @ [fl.decode(x) for x in p], length(p)),
    "your function raised": lambda w, p, s: np.ones(3) + w,
    "try … except ValueError": lambda w, p, s: (w + mean_of(p, s), length(p)),
    "could be read: divide by these": without(
        lambda w, new, size, whole, s: (w + sum(n * x for x, n, _ in whole) / s.sum(), size)),
    "its bytes count": without(lambda w, new, size, whole, s: (new, sum(len(p) for _, _, p in whole))),
    "none could be read": lambda w, p, s: (
        w + np.average([x for x, _, _ in read(p, s)], axis=0, weights=[n for _, n, _ in read(p, s)]), length(p)),
    "then the weights stay": without(lambda w, new, size, whole, s: (new if whole else 0 * w, size)),
    "plus the mean of the others": without(lambda w, new, size, whole, s: (new + 1, size)),
    "also where payloads are damaged": without(lambda w, new, size, whole, s: new),
    "the payloads of the damaged round": without(lambda w, new, size, whole, s: (new, size + 1)),
}  # fmt: skip


def receive(x, residual, codec, arrived=True):
    payload = codec.encode(x + residual)
    return payload, fl.decode(payload)


def forgets_the_old(x, residual, codec, arrived):
    payload = codec.encode(x)
    return payload, x - fl.decode(payload)


def subtracts(x, residual, codec, arrived):
    payload = codec.encode(x - residual)
    return payload, x - residual - fl.decode(payload)


def keeps(of_lost):
    """The memory done well, but for what it keeps of a message that was lost."""

    def answer(x, residual, codec, arrived):
        payload, received = receive(x, residual, codec)
        return payload, x + residual - received if arrived else of_lost(x, residual, received)

    return answer


WRONG_MEMORIES = {
    "the old residual was not sent": forgets_the_old,
    "not subtracted": subtracts,
    "turned round": lambda x, r, c, _: (receive(x, r, c)[0], receive(x, r, c)[1] - x - r),
    "what waited for two rounds is forgotten": lambda x, r, c, _: (receive(x, r, c)[0], x - receive(x, r, c)[1]),
    "this is what was sent": receive,
    "return two things": lambda x, r, c, _: receive(x, r, c)[0],
    "payload must be": lambda x, r, c, _: (c.encode(2 * x + 1), x),
    "must be what was meant": lambda x, r, c, _: (receive(x, r, c)[0], np.full_like(x, 9.0)),
    "nothing of it has reached the server": keeps(lambda x, r, received: x + r - received),
    "the old residual waits, and so does": keeps(lambda x, r, received: r),
    "is all that was meant": keeps(lambda x, r, received: 0 * x),
}


def memory_of_the_package(x, residual, codec, arrived):
    memory = fl.Residual(codec)
    memory.value = residual
    payload, received = memory.send(x)
    return payload, memory.value if arrived else memory.value + received


WRONG = {"k_for_a_plan": WRONG_PLANS, "server_round": WRONG_ROUNDS, "send_with_memory": WRONG_MEMORIES}
RIGHT = {"k_for_a_plan": plan(), "server_round": by_loop, "send_with_memory": memory_of_the_package}


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, wrong in WRONG.items() for part in wrong])
def test_wrong_answers_are_told_apart(name, part, same_numbers):
    message = getattr(practice, name).check(WRONG[name][part]).message
    assert part in message and sum(other in message for other in WRONG[name]) == 1
    same_numbers(getattr(practice, name), WRONG[name][part])


@pytest.mark.parametrize("name", WRONG)
def test_stub_wrong_answers_another_right_way_and_solution(name, language):
    exercise = getattr(practice, name)
    assert exercise.check(stub).state == "not attempted" and exercise.check(RIGHT[name]).state == "right"
    messages = {exercise.check(wrong).message for wrong in WRONG[name].values()}
    assert len(messages) == len(WRONG[name]) and all(bool(CHINESE.search(m)) == (language == "zh") for m in messages)
    names = {"np": np, "fl": fl}
    exec(exercise.code, names)
    assert exercise.check(names[name]).state == "right" and finished() == [f"practice.{name}"]


def test_the_header_of_the_bill_is_the_header_of_the_codec():
    # 17 bytes: mark 1, n 3, tag 1, lo and hi 8, CRC-32 4; n between 2**14 and 2**21 takes three bytes.
    for n in (2**14, 101_770, 2**21 - 1):
        assert len(fl.Quantize(3).encode(np.zeros(n))) == -(-n * 3 // 8) + 17


small = fl.TopK(0.05) | fl.Quantize(4)
WRONG_PAIRS = {
    "give two codecs": small,
    "got str": "TopK",
    "got (Pipeline, int)": (small, 4),
    "got (str, str)": ("TopK", "TopK"),
    "got (class TopK, class TopK)": [fl.TopK, fl.TopK],
    "got (int, int, int, int, …)": (1,) * 9,
    "save on the downlink first": (small, fl.Identity()),
    "save on the uplink first": (fl.Identity(), small),
    "0.91 is wanted": (fl.TopK(0.001), fl.TopK(0.001)),
    "the training stopped": (fl.TopK(200_000), small),
}


@pytest.mark.training
@pytest.mark.parametrize("part", WRONG_PAIRS)
def test_both_ways_tells_wrong_answers_apart(part):
    verdict = practice.both_ways.check(WRONG_PAIRS[part])
    assert verdict.state == "wrong" and part in verdict.message


SPENT = {
    (500_000, 750_000): {
        "en": "10.00 MB in all (4.00 up, 6.00 down), 6 are allowed; save on the downlink first.",
        "zh": "总计 10.00 MB（上行 4.00，下行 6.00），只允许 6 MB；先从下行省起。",
    },
    (700_000, 60_000): {
        "en": "6.08 MB in all (5.60 up, 0.48 down), 6 are allowed; save on the uplink first.",
        "zh": "总计 6.08 MB（上行 5.60，下行 0.48），只允许 6 MB；先从上行省起。",
    },
}


@pytest.mark.parametrize(("up", "down"), SPENT)
def test_both_ways_tells_what_was_spent(up, down, language, monkeypatch):
    monkeypatch.setattr(practice, "trained", lambda *_: history([0.9] * 8, up, down))
    assert practice.both_ways.check((small, small)).message.endswith(SPENT[up, down][language])


@pytest.mark.training
def test_both_ways_takes_its_solution_in_both_languages(language):
    assert practice.both_ways.check(...).state == "not attempted"
    assert bool(CHINESE.search(practice.both_ways.check(small).message)) == (language == "zh")
    names = {"fl": fl}
    exec(practice.both_ways.code, names)
    assert practice.both_ways.check(names["codecs"]).state == "right"


# Figures


def history(accuracy, up, down):
    return History(accuracy=list(accuracy), uplink_bytes=[up] * len(accuracy), downlink_bytes=[down] * len(accuracy))


def test_the_figure_tells_what_it_was_given(language):
    runs = {
        (32, "exact"): [history([0.5, 0.9], 4_000_000, 4_000_000), history([0.6, 0.92], 4_000_000, 4_000_000)],
        (2, "nearest"): [history([0.3, 0.8], 250_000, 4_000_000)],
        (2, "stochastic"): [history([0.4, 0.85], 250_000, 4_000_000)],
        (5, "nearest"): [history([0.4, 0.88], 650_000, 4_000_000)],
    }
    still = fl.figures.practice.accuracy_and_bytes(runs)
    exact = {"en": "float32 91.0 %, 8.0 MB up, 16.0 MB in all", "zh": "float32，准确率 91.0%，上行 8.0 MB，总计 16.0 MB"}
    assert exact[language] in still.alt
    assert {"en": "2 bits, stochastic 85.0 %, 0.5 MB up", "zh": "2 位，随机舍入，准确率 85.0%"}[language] in still.alt
    assert bool(CHINESE.search(still.alt)) == (language == "zh")


def test_the_ring_of_four_parts_is_drawn(language):
    assert picture_of(fl.figures.practice.four_parts())[1].startswith({"en": "Four boxes", "zh": "四个方框"}[language])


# What the text builds on


@pytest.mark.training
def test_a_round_is_decode_average_add_and_a_client_alone_does_what_it_does_in_company(mnist):
    messages = []

    class Tapped(fl.Quantize):
        def encode(self, x, rng=None):
            messages.append(super().encode(x, rng))
            return messages[-1]

    some = np.random.default_rng(3).permutation(60_000)[:300]
    clients = np.split(some, [50, 120])
    model = fl.models.document_mlp(seed=1)
    before = np.concatenate([array.ravel() for array in model.get_weights()])
    done = fl.simulate(model, mnist, clients, rounds=1, clients_per_round=3, uplink=Tapped(4))
    after = np.concatenate([array.ravel() for array in done.weights])
    weights = np.array([50, 70, 180]) / 300
    by_hand = before + sum(weight * fl.decode(message) for weight, message in zip(weights, messages, strict=True))
    assert np.allclose(after, by_hand, atol=1e-6) and done.uplink_bytes == [sum(map(len, messages))]
    unweighted = before + sum(fl.decode(message) for message in messages) / 3
    assert not np.allclose(after, unweighted, atol=1e-3)
    alone = fl.simulate(model, mnist, clients[:1], rounds=1, clients_per_round=1)
    delta = np.concatenate([array.ravel() for array in alone.weights]) - before
    step = (delta.max() - delta.min()) / 15
    assert np.abs(fl.decode(messages[0]) - delta).max() < step / 2 + 1e-6


@pytest.mark.training
def test_a_new_client_is_sent_the_dense_model_so_that_a_coded_downlink_pays_for_steady_clients_only(mnist):
    clients = fl.partition_iid(mnist.y_train, 100, seed=0)
    dense = 4 * 101_770 + 9
    steady = fl.simulate(fl.models.document_mlp(), mnist, [c[:60] for c in clients[:10]], rounds=2, downlink=fl.Quantize(8))
    assert steady.downlink_bytes == [10 * dense, 10 * (101_770 + 17)]
    fleeting = fl.simulate(fl.models.document_mlp(), mnist, [c[:60] for c in clients], rounds=2, downlink=fl.Quantize(8))
    assert fleeting.downlink_bytes[1] > 8 * dense
