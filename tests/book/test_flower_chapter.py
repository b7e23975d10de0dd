"""Chapter 5 on Flower: its checkers, its figures, its recorded log; with the mark `flower`, what needs .venv-flower."""

import csv
import re
import zlib

import numpy as np
import pytest
from apps import picture_of
from later import Later

import fedlab_utils as fl
from fedlab_utils.book.exercises import flower as exercises
from fedlab_utils.book.exercises.memory import finished
from fedlab_utils.book.figures import flower as figures
from fedlab_utils.engines import flower_log

grids = Later("fedlab_utils.engines.flower_grid")
keys = Later("fedlab_utils.engines.flower_certificates")
private = Later("fedlab_utils.engines.flower_private")
mods = Later("flwr.clientapp.mod")
flwr = Later("flwr.app")

CHINESE = re.compile("[\u4e00-\u9fff]")
CODECS = ("float32", "8 bit", "contexts", "top 1 %")

pytestmark = pytest.mark.usefixtures("progress")


# Exercises


def engine(exchange, a_minute, seconds):
    return exchange + a_minute * seconds / 60


WRONG_PAYLOADS = {
    "this is all that is carried": lambda e, m, s, share: engine(e, m, s) / share,
    "many times as much": lambda e, m, s, share: engine(e, m, s) * share,
    "polling is missing": lambda e, m, s, share: e * (1 - share) / share,
    "bytes a minute, and a round in seconds": lambda e, m, s, share: (e + m * s) * (1 - share) / share,
    "solve for the payload": lambda e, m, s, share: engine(e, m, s) * (1 - share),
    "yours says 0 bytes, it takes 174,600": lambda e, m, s, share: 0,
    "must hold numbers": lambda e, m, s, share: "much",
}


def mean(replies, dtype=float):
    total = sum(reply.samples for reply in replies)
    return sum(dtype(reply.samples / total) * fl.decode(reply.payload).astype(dtype) for reply in replies)


def believable(replies, most):
    return [reply for reply in replies if type(reply.samples) is int and 1 <= reply.samples <= most]


def once(replies):
    return {reply.client: reply for reply in replies}


def of_round(number, replies):
    return [reply for reply in replies if reply.number == number]


WRONG_ROUNDS = {
    "weight each client by its samples": lambda n, r, most: np.mean([fl.decode(x.payload) for x in r], axis=0),
    "divide by the samples of all": lambda n, r, most: sum(x.samples * fl.decode(x.payload).astype(float) for x in r),
    "this is not their mean": lambda n, r, most: -mean(r),
    "an answer to round 3 came in round 4": lambda n, r, most: mean(r),
    "delivered one answer twice": lambda n, r, most: mean(of_round(n, r)),
    "says it has -600 samples was believed": lambda n, r, most: mean(list(once(of_round(n, r)).values())),
    "says it has 1000000000000 samples": lambda n, r, most: mean([x for x in once(of_round(n, r)).values() if x.samples > 0]),
    "says it has 3.5 samples": lambda n, r, most: mean([x for x in once(of_round(n, r)).values() if 0 < x.samples <= most]),
    "says it has True samples": lambda n, r, most: mean(
        [x for x in once(of_round(n, r)).values() if isinstance(x.samples, int) and 0 < x.samples <= most]
    ),
    "600 samples are allowed": lambda n, r, most: mean(sorted(once(of_round(n, believable(r, most - 1))).values())),
    "in another order give other bits": lambda n, r, most: mean(list(once(of_round(n, believable(r, most))).values())),
    "must have the shape": lambda n, r, most: 3.0,
    "your function raised": lambda n, r, most: r[0].size,
}  # fmt: skip


def in_single_precision(number, replies, most):
    chosen = once(of_round(number, believable(replies, most)))
    return mean([chosen[client] for client in sorted(chosen)], np.float32)


@pytest.mark.parametrize("exercise", [exercises.least_payload, exercises.close_round])
def test_a_stub_is_no_attempt_and_the_solution_is_right(exercise, language):
    assert exercise.check(lambda *_: ...).state == "not attempted"
    names = {"fl": fl, "np": np}
    exec(exercise.code, names)
    verdict = exercise.check(names[exercise.name.partition(".")[2]])
    assert verdict.state == "right" and finished() == [exercise.name]
    assert bool(CHINESE.search(verdict.message)) == (language == "zh")


@pytest.mark.parametrize(
    ("exercise", "part", "wrong"),
    [(exercises.least_payload, *case) for case in WRONG_PAYLOADS.items()]
    + [(exercises.close_round, *case) for case in WRONG_ROUNDS.items()],
)
def test_wrong_answers_are_told_apart(exercise, part, wrong, same_numbers):
    verdict = exercise.check(wrong)
    assert verdict.state == "wrong" and part in verdict.message, verdict
    fl.use_language("zh")
    assert CHINESE.search(exercise.check(wrong).message)
    fl.use_language("en")
    same_numbers(exercise, wrong)


def test_single_precision_in_a_fixed_order_is_right():
    assert exercises.close_round.check(in_single_precision).state == "right"
    everyone = lambda n, r, most: mean(sorted(once(of_round(n, believable(r, most))).values()))  # noqa: E731
    assert exercises.close_round.check(everyone).state == "right"


# The recorded log, and what the text says of it


@pytest.fixture(scope="module")
def log():
    return flower_log.load()


@pytest.fixture(scope="module")
def wires(log):
    a_minute = flower_log.polling(log["idle"], nodes=3)
    return {name: flower_log.steady(log[name], a_minute, nodes=3) for name in CODECS}


def test_simulation_and_deployment_reached_the_same_weights(log):
    assert log["simulation, 8 bit"][-1].note == log["8 bit"][-1].note != ""


def test_what_the_chapter_says_of_the_wire(log, wires):
    assert 23_500 < flower_log.polling(log["idle"], nodes=3) < 24_500
    assert 13_350 < np.mean([wire.exchange for wire in wires.values()]) < 13_550
    assert wires["8 bit"].share < 0.1 and wires["top 1 %"].share > 0.8
    assert wires["top 1 %"].payload / 2 < 0.1 * (wires["top 1 %"].payload + wires["top 1 %"].engine)
    up = sum(event.payload_up for event in log["top 1 %"])
    truth = 100 * (1 - up / log["top 1 %"][-1].socket_up)
    assert round(truth) == exercises.engine_share.truth
    of_eight = sum(event.payload_up for event in log["8 bit"])
    assert round(100 * (1 - of_eight / log["8 bit"][-1].socket_up)) == 15
    message = up / 9  # of 101,770 weights
    assert 180e3 < message * 1e7 / 101_770 < 200e3
    assert 24e3 * 10 > wires["8 bit"].payload and round(24e3 * 60 * 24 / 1e6) == 35


def test_what_the_chapter_says_of_the_node_that_was_killed(log):
    events = log["a node is killed"]
    kinds = [event.event for event in events if event.node == 2]
    assert kinds == ["killed", *["refused"] * 6, "dropped", "dropped", "back", "dropped", "dropped"]
    killed, dropped = (next(event for event in events if event.event == kind) for kind in ("killed", "dropped"))
    assert round(dropped.seconds - killed.seconds) == 48 and dropped.note.startswith("error 5 of Flower")
    back = next(event for event in events if event.event == "back")
    assert 50 < back.seconds - killed.seconds < 53
    down = {event.round: event.payload_down for event in events if event.event == "round"}
    assert (round(down[8] / 1e3), round(down[7] / 1e3)) == (6, 411)


@pytest.mark.parametrize("draw", ["engine_share", "timeline", "noise"])
def test_figures_have_alternative_texts_in_both_languages(draw, log, wires, language):
    arguments = {"engine_share": (wires, 13_400, 24_000), "timeline": (log["a node is killed"],),
                 "noise": ({"none": [0.8, 0.9], "clip": [0.7, 0.8], "10": [0.1, 0.1]},)}  # fmt: skip
    still = getattr(figures, draw)(*arguments[draw])
    assert bool(CHINESE.search(still.alt)) == (language == "zh") and picture_of(still)[0].width > 500


# A log, written and read


def test_a_recorder_takes_in_what_flower_and_a_deployment_say(tmp_path):
    counts = {0: [100, 10], 1: [50, 5]}
    recorder = flower_log.Recorder("trial", lambda: {node: tuple(each) for node, each in counts.items()})
    counts[1][0] += 1000
    for line in ("INFO :      round 1 of 8: accuracy 0.8301, 305,361 bytes up, 1,221,267 bytes down", "INFO : waiting",
                 "WARNING :   round 3, client 2: error 5 of Flower: it has gone  ", "node 2 was killed", "node 2 is refused",
                 "node 2 is back"):  # fmt: skip
        recorder.watch(line)
    events = recorder.end([np.ones(3, np.float32)])
    assert [event.event for event in events] == ["begin", "round", "dropped", "killed", "refused", "back", "end"]
    one = events[1]
    assert (one.round, one.accuracy, one.payload_up, one.payload_down) == (1, 0.8301, 305_361, 1_221_267)
    assert (one.socket_up, one.socket_down) == (1000, 0)
    assert (events[2].round, events[2].node, events[2].note) == (3, 2, "error 5 of Flower: it has gone")
    assert events[-1].note == f"{zlib.crc32(np.ones(3, '<f4').tobytes()):08x}"
    flower_log.write(tmp_path / "log.csv", events)
    assert flower_log.load(tmp_path / "log.csv") == {"trial": events}
    (tmp_path / "log.csv").write_text("run,seconds\ntrial,soon\n")
    with pytest.raises(ValueError, match=r"log\.csv is damaged"):
        flower_log.load(tmp_path / "log.csv")


def test_payloads_are_told_apart_by_their_fingerprint_which_a_crc_would_not_do():
    payloads = [fl.Quantize(8).encode(np.arange(n, n + 50.0)) for n in range(20)]
    assert {zlib.crc32(payload) for payload in payloads} == {0x2144DF1C}
    assert len({fl.flower.fingerprint(payload) for payload in payloads}) == 20


# On Flower


@pytest.fixture(scope="module")
def on_flower(mnist, tmp_path_factory):
    """The chapter's own: three rounds of 600 images each, in this process."""
    parts = fl.partition_iid(mnist.y_train, n_clients=100, seed=0)[:10]

    def model():
        return fl.models.document_mlp(seed=0)

    def data(partition):
        if partition is None:
            return mnist
        return mnist._replace(x_train=mnist.x_train[parts[partition]], y_train=mnist.y_train[parts[partition]])

    def run(clients=10, mods=(), on_reply=lambda client, reply: [reply], **settings):
        settings = {"clients": clients, "clients_per_round": clients, "rounds": 3} | settings
        out = tmp_path_factory.mktemp("out")
        grid = grids.InProcessGrid(fl.flower.client_app(model, data, mods, **settings), clients, {"out": str(out)},
                                   on_reply=on_reply)  # fmt: skip
        grids.run_in_process(fl.flower.server_app(model, data, **settings), grid, {"out": str(out)})
        return out

    return run


def noisy(sensitivity, epsilon, norm=1.0, codec=None):
    mod = mods.LocalDpMod(clipping_norm=norm, sensitivity=sensitivity, epsilon=epsilon, delta=1e-5)
    return [fl.flower.on_arrays(mod, codec or fl.Quantize(8))]


def accuracy(out):
    return fl.History.load(out / "history.csv").accuracy[-1]


@pytest.mark.flower
def test_noise_of_ten_seeds_leaves_nothing_where_epsilon_is_ten_and_nearly_all_at_a_thousand(on_flower):
    assert accuracy(on_flower(mods=noisy(0.0, 1.0))) > 0.85
    for seed in range(10):
        np.random.seed(seed)  # noqa: NPY002 (Flower draws from it)
        assert accuracy(on_flower(mods=noisy(1.0, 10.0))) < 0.45
        if seed < 3:
            assert accuracy(on_flower(mods=noisy(1.0, 1000.0))) > 0.85


@pytest.mark.flower
def test_a_mod_on_arrays_clips_the_delta_adds_its_noise_and_then_comes_the_codec(on_flower):
    seen = {}

    def note(client, reply):
        if reply.metadata.message_type == "train":
            assert list(reply.content) == ["fedlab"]  # no array travels
            seen.setdefault(client, dict(reply.content["fedlab"]))
        return [reply]

    on_flower(clients=2, rounds=1, on_reply=note)
    plain, seen = seen, {}
    on_flower(clients=2, rounds=1, on_reply=note, mods=noisy(0.0, 1.0, norm=0.5, codec=fl.Identity()))
    for client in plain:
        delta, clipped = (fl.decode(each[client]["payload"]).astype(float) for each in (plain, seen))
        assert np.linalg.norm(clipped) == pytest.approx(0.5, rel=1e-4) and np.linalg.norm(delta) > 1
        np.testing.assert_allclose(clipped, delta * 0.5 / np.linalg.norm(delta), atol=1e-6)
        assert seen[client]["loss"] == 0 != plain[client]["loss"] and seen[client]["samples"] == 600
    clipped, seen = seen, {}
    np.random.seed(0)  # noqa: NPY002
    on_flower(clients=2, rounds=1, on_reply=note, mods=noisy(0.5, 10.0, norm=0.5, codec=fl.Identity()))
    noise = fl.decode(seen[0]["payload"]).astype(float) - fl.decode(clipped[0]["payload"])
    assert np.std(noise) == pytest.approx(0.5 * np.sqrt(2 * np.log(1.25 / 1e-5)) / 10, rel=0.02)


@pytest.mark.flower
def test_a_mod_on_arrays_lets_through_what_is_no_update_and_refuses_error_feedback(on_flower):
    out = on_flower(clients=3, mods=noisy(0.0, 1.0), no_answer=0.5)
    with open(out / "messages.csv", newline="") as file:
        up = [row for row in csv.DictReader(file) if row["direction"] == "up"]
    assert 0 < len(up) < 9 and (out / "dropped.txt").read_text() == ""
    said = []
    with pytest.raises(RuntimeError, match=r"no answer of any client could be used; client 0: .*error feedback"):
        on_flower(clients=2, rounds=1, uplink=fl.TopK(0.01), mods=noisy(0.0, 1.0),
                  on_reply=lambda client, reply: [said.append(reply) or reply])  # fmt: skip
    told = [reply.error.reason for reply in said if reply.has_error()]
    assert len(told) == 2 and all("error feedback sends later what was clipped now" in reason for reason in told)


@pytest.mark.flower
def test_flowers_mod_alone_finds_no_array_and_no_node_counts_as_there(on_flower):
    said = []
    with pytest.raises(RuntimeError, match="0 of 3 clients have come"):
        on_flower(clients=3, wait=0.5, mods=[mods.LocalDpMod(1.0, 1.0, 10.0, 1e-5)],
                  on_reply=lambda client, reply: [said.append(reply.error.reason) or reply])  # fmt: skip
    assert set(said) == {"LocalDpMod expects exactly one ArrayRecord, but found 0 ArrayRecord(s)."}


@pytest.mark.flower
def test_secagg_sends_eight_bytes_a_weight():
    delta = fl.load_client_delta()
    one, other = (private.secagg_upload([delta], seeds) for seeds in ([b"mine"], [b"mine", b"ours"]))
    assert [len(part) for part in one] == [len(part) for part in other] and one != other
    assert sum(map(len, one)) == pytest.approx(8 * delta.size, rel=0.001)


@pytest.mark.flower
def test_certificates_and_keys_say_who_is_who(tmp_path):
    import ssl

    keys.make_certificates(tmp_path / "ours", ["server.lab", "192.168.1.10"])
    keys.make_certificates(tmp_path / "other")
    for host in ("server.lab", "192.168.1.10"):
        assert keys.shake_hands(tmp_path / "ours", tmp_path / "ours" / "ca.crt", host) == "TLSv1.3"
    for trusted, host in (("other", "server.lab"), ("ours", "localhost")):
        with pytest.raises(ssl.SSLCertVerificationError):
            keys.shake_hands(tmp_path / "ours", tmp_path / trusted / "ca.crt", host)
    one, other = (keys.make_node_key(tmp_path, name) for name in ("one", "other-node"))
    signature = keys.sign(one, b"work?")
    assert keys.is_signed(tmp_path / "one.pub", b"work?", signature)
    assert not keys.is_signed(tmp_path / "one.pub", b"work!", signature)
    assert not keys.is_signed(tmp_path / "one.pub", b"work?", keys.sign(other, b"work?"))
