"""Our payloads on Flower, both apps in one process: the bits of simulate(chunk=1), and what happens to bad answers.

Runs in .venv-flower (`make test-flower`), whose pytest collects it; elsewhere it is deselected by its mark.
"""

import csv
import zlib

import numpy as np
import pytest
from flower_cases import watch
from later import Later

import fedlab_utils as fl
from fedlab_utils.codecs import FORMAT, seal, varint
from fedlab_utils.data import Dataset
from fedlab_utils.streams import Purpose, stream

flower = Later("fedlab_utils.engines.flower")
grids = Later("fedlab_utils.engines.flower_grid")
private = Later("fedlab_utils.engines.flower_private")
strategies = Later("fedlab_utils.engines.flower_strategy")
parties = Later("fedlab_utils.federation.parties")
keras = Later("keras", within="fedlab_utils.training.models")
flwr = Later("flwr.app")

pytestmark = pytest.mark.flower

CLIENTS, COHORT, ROUNDS = 10, 5, 3
TOP = fl.TopK(0.01) | fl.Quantize(8)


@pytest.fixture(scope="module")
def small(mnist):
    return Dataset(mnist.x_train[:1000], mnist.y_train[:1000], mnist.x_test[:200], mnist.y_test[:200])


@pytest.fixture(scope="module")
def parts(small):
    """Ten clients of unequal sizes."""
    return np.split(np.arange(1000), np.cumsum([40, 60, 80, 100, 120, 140, 110, 90, 70]))


def data_of(small, parts):
    def data(partition):
        if partition is None:
            return small
        return small._replace(x_train=small.x_train[parts[partition]], y_train=small.y_train[parts[partition]])

    return data


def document():
    return fl.models.document_mlp(seed=0)


def tiny():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(12, "relu"), keras.layers.Dense(10, "softmax")]
    return keras.Sequential([keras.Input((28, 28)), *layers])


def with_batch_normalization():
    keras.utils.set_random_seed(1)
    start = keras.initializers.GlorotUniform(seed=3)
    frozen = keras.layers.Dense(20, "relu", kernel_initializer=start, trainable=False)
    layers = [keras.layers.Flatten(), frozen, keras.layers.BatchNormalization(), keras.layers.Dense(10, "softmax")]
    return keras.Sequential([keras.Input((28, 28)), *layers])


def half_of(model):
    """A mask that keeps every second entry of each kernel."""
    mask = [np.ones(w.shape, bool) for w in model.get_weights()]
    for part in mask:
        if part.ndim == 2:
            part.ravel()[::2] = False
    return mask


class Lab:
    """A training of both apps in one process."""

    def __init__(self, small, parts, model, on_reply=lambda client, reply: [reply], on_round=None, **settings):
        self.settings = {"clients": CLIENTS, "rounds": ROUNDS, "clients_per_round": COHORT} | settings
        self.model, self.data = model, data_of(small, parts)
        self.small, self.parts, self.sent = small, parts, []
        app = flower.client_app(model, self.data, **self.settings)
        self.grid = grids.InProcessGrid(app, self.settings["clients"], {}, seed=1, on_reply=on_reply)
        private.act_as(grids.RUN, grids.SERVER)
        self.plan = flower.Plan.of({}, **self.settings)
        self.strategy = strategies.PayloadFedAvg(self.plan, model(), self.data(None), on_round, self.sent.append)

    def run(self):
        return self.strategy.start(self.grid)

    @property
    def dropped(self):
        return self.strategy.dropped

    def account_is_true(self, history):
        """What the history says was sent is what was sent, message by message."""
        for number in range(len(history.accuracy)):
            up, down = (sum(len(m.payload) for m in self.sent if m.number == number and m.up is way) for way in (True, False))
            assert (history.uplink_bytes[number], history.downlink_bytes[number]) == (up, down)


def simulated(lab, monkeypatch):
    """simulate of the same training, and every message of it: (round, client, up?, bytes), in order."""
    messages, seen = [], watch(monkeypatch)
    settings = {k: v for k, v in lab.settings.items() if k not in ("clients", "timeout", "wait", "min_clients", "max_samples")}
    if "mask" in settings:
        settings["mask"] = settings["mask"](lab.model())
    if "optimizer" in settings:
        settings["optimizer"] = settings["optimizer"]()
    history = fl.simulate(lab.model(), lab.small, lab.parts, chunk=1, **settings)
    for number, (services, model, state) in enumerate(seen.served):
        for client, service in services.items():
            whole = fl.Identity().encode(np.concatenate([model, state])) if service.begins == "dense" else None
            missed = seen.broadcasts[service.since : number] if service.since is not None else []
            exact = [fl.Identity().encode(state)] if service.state else []
            messages.append((number, client, whole, missed + exact, service.sent_bytes))
    monkeypatch.undo()
    return history, messages, seen.uplinks


CASES = {
    "8 bit": (document, {"uplink": fl.Quantize(8), "downlink": fl.Quantize(8)}),
    "top-k both ways": (document, {"uplink": TOP, "downlink": TOP, "error_feedback": True}),
    "contexts": (document, {"uplink": fl.EntropyQuantize(2, "context"), "downlink": fl.EntropyQuantize(2, "context")}),
    "mask": (document, {"mask": half_of, "uplink": fl.Quantize(8)}),
    "drop-outs and momentum": (tiny, {"no_answer": 0.4, "server_momentum": 0.5, "downlink": TOP, "server_learning_rate": 0.7}),
    "stochastic, 2 epochs, Adam": (
        tiny, {"uplink": fl.QSGD(4), "local_epochs": 2, "batch_size": 16, "optimizer": lambda: keras.optimizers.Adam(1e-3)},
    ),
    "first model coded": (document, {"first_model": fl.Quantize(8), "downlink": TOP, "rounds": 5}),
    "first model as its seed": (document, {"first_model": "seed", "downlink": TOP}),
    "batch normalization": (with_batch_normalization, {"downlink": fl.Quantize(4), "rounds": 5}),
    "state at home": (with_batch_normalization, {"state": "local", "no_answer": 0.3, "uplink": fl.Quantize(8), "rounds": 4}),
    "coded, with state": (with_batch_normalization, {"first_model": fl.Quantize(8), "downlink": TOP, "rounds": 5}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bits_and_messages_are_those_of_simulate(case, small, parts, monkeypatch):
    model, settings = CASES[case]
    lab = Lab(small, parts, model, **settings)
    history = lab.run()
    ours, served, uplinks = simulated(lab, monkeypatch)
    assert lab.dropped == []
    for one, other in zip(history.weights, ours.weights, strict=True):
        assert one.tobytes() == other.tobytes()
    for column in ("accuracy", "loss", "uplink_bytes", "downlink_bytes", "first_model_bytes"):
        assert getattr(history, column) == getattr(ours, column), column
    assert [len(getattr(history, name)) for name in ("train_seconds", "codec_seconds", "eval_seconds")] == [len(ours.loss)] * 3
    lab.account_is_true(history)
    up = {}
    for message in lab.sent:
        if message.up:
            up.setdefault((message.number, message.client), []).append(message.payload)
    assert up == {(number, client): payloads for number, client, payloads in uplinks}
    for number, client, whole, later, sent_bytes in served:
        down = [m for m in lab.sent if not m.up and (m.number, m.client) == (number, client)]
        assert sum(len(m.payload) for m in down) == sent_bytes
        assert [m.payload for m in down if m.kind == "dense"] == ([whole] if whole else [])
        assert [m.payload for m in down if m.kind in ("broadcast", "state")] == later


def test_the_loop_of_flower_itself_gives_the_same(small, parts):
    lab, other = (Lab(small, parts, tiny, uplink=fl.Quantize(8), rounds=2) for _ in range(2))
    history = lab.run()
    strategies.Strategy.start(other.strategy, other.grid, flwr.ArrayRecord(tiny().get_weights()), num_rounds=2)
    assert other.strategy.history.accuracy == history.accuracy and other.dropped == []
    assert all(a.tobytes() == b.tobytes() for a, b in zip(history.weights, other.strategy.history.weights, strict=True))


def test_a_server_app_reads_the_configuration_and_writes_its_results(small, parts, tmp_path):
    config = {"clients": 10, "clients-per-round": 5, "rounds": 2, "uplink": "TopK(0.05) | Quantize(8)"}
    config["out"] = str(tmp_path / "out")
    data = data_of(small, parts)
    grid = grids.InProcessGrid(flower.client_app(tiny, data), 10, config)
    grids.run_in_process(flower.server_app(tiny, data), grid, config)
    ours = fl.simulate(tiny(), small, parts, rounds=2, clients_per_round=5, uplink=fl.TopK(0.05) | fl.Quantize(8), chunk=1)
    written = fl.History.load(tmp_path / "out" / "history.csv")
    assert written.accuracy == ours.accuracy and written.uplink_bytes == ours.uplink_bytes
    with np.load(tmp_path / "out" / "weights.npz") as arrays:
        assert [arrays[name].tobytes() for name in arrays.files] == [w.tobytes() for w in ours.weights]
    with open(tmp_path / "out" / "messages.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["bytes"]) for row in rows if row["direction"] == "up") == sum(ours.uplink_bytes)
    assert (tmp_path / "out" / "dropped.txt").read_text() == ""


# Bad answers: the round goes on without that client, a sentence names it, the account counts what was sent

N_TINY = 784 * 12 + 12 + 12 * 10 + 10


def changed(reply, **values):
    """A reply with other values in its record; None takes one out."""
    record = dict(reply.content["fedlab"])
    for name, value in values.items():
        record.pop(name, None)
        if value is not None:
            record[name] = value
    metadata = reply.metadata
    reply.content["fedlab"] = flwr.ConfigRecord(record)
    assert reply.metadata is metadata
    return reply


def flipped(payload):
    return payload[:50] + bytes([payload[50] ^ 1]) + payload[51:]


def other_arrays():
    shapes = [(12, 784), (12,), (10, 12), (10,)]
    arrays = [np.linspace(-1, 1, int(np.prod(shape))).reshape(shape) for shape in shapes]
    return fl.EntropyQuantize(2, "arrays").encode(arrays)


def nan():
    return seal(varint(N_TINY) + b"\0" + np.full(N_TINY, np.nan, "<f4").tobytes())


def of_version(payload, version):
    message = bytes([payload[0] & 0xF0 | version]) + payload[1:-4]
    return message + zlib.crc32(message).to_bytes(4, "little")


BAD = {
    "damaged": (lambda r: {"payload": flipped(r["payload"])}, "the checksum (CRC-32) does not match"),
    "truncated": (lambda r: {"payload": r["payload"][:-100]}, "the checksum (CRC-32) does not match"),
    "empty": (lambda r: {"payload": b""}, "0 bytes are fewer than any message has"),
    "noise": (lambda r: {"payload": bytes(range(256))}, "it begins with 0x00"),
    "no payload": (lambda r: {"payload": None}, "has no payload (bytes)"),
    "text for bytes": (lambda r: {"payload": "weights"}, "has no payload (bytes), but str"),
    "too short": (lambda r: {"payload": fl.Quantize(8).encode(np.arange(5.0))}, f"holds 5 weights, the model has {N_TINY}"),
    "too long": (lambda r: {"payload": fl.Identity().encode(np.zeros(N_TINY + 1))}, f"declares {N_TINY + 1} weights"),
    "a billion weights": (lambda r: {"payload": seal(varint(10**9) + b"\0")}, "declares 1000000000 weights"),
    "a huge message": (lambda r: {"payload": bytes(200_000)}, "has 200000 bytes"),
    "other arrays": (lambda r: {"payload": other_arrays()}, "is of other arrays, [(12, 784), (12,), (10, 12), (10,)]"),
    "NaN": (lambda r: {"payload": nan()}, "it holds NaN or infinity"),
    "a payload of another version": (lambda r: {"payload": of_version(r["payload"], 2)}, "format version 2, this fedlab_utils"),
    "a package of another version": (lambda r: {"format": FORMAT + 1}, "it speaks payload format 2, this server 1"),
    "no version": (lambda r: {"format": None}, "it speaks payload format None"),
    "no samples": (lambda r: {"samples": 0}, "says that it has 0 samples"),
    "samples below 0": (lambda r: {"samples": -600}, "says that it has -600 samples"),
    "10^12 samples": (lambda r: {"samples": 10**12}, "says that it has 1000000000000 samples, and 1 … 1000000 are believed"),
    "samples as a float": (lambda r: {"samples": 60.0}, "has no samples (int), but float"),
    "another plan": (lambda r: {"plan": 7}, "trains by another plan"),
    "another round": (lambda r: {"round": 7}, "says that it is to round 7"),
    "of no kind": (lambda r: {"kind": "gradient"}, "of no kind that there is, 'gradient'"),
    "beyond float32": (
        lambda r: {"payload": seal(varint(N_TINY) + b"\x10\x08" + b"\xff" * 20)}, "cannot be decoded",
    ),
}  # fmt: skip


def without(small, parts, client):
    """The weights where that client gets the model and says nothing, in every round."""

    def silent(who, reply):
        return [changed(reply, kind="silent") if who == client and is_trained(reply) else reply]

    return Lab(small, parts, tiny, on_reply=silent).run().weights


def kinds_to(lab, client):
    """What kinds of messages a client was sent, a list a round."""
    rounds = range(len(lab.strategy.history.accuracy))
    return [[m.kind for m in lab.sent if (m.number, m.client, m.up) == (number, client, False)] for number in rounds]


def is_trained(reply):
    return reply.has_content() and reply.content["fedlab"].get("kind") == "trained"


@pytest.fixture(scope="module")
def victim():
    """A client that takes part in the first round."""
    return int(parties.select(CLIENTS, COHORT, 0, 0)[2])


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_answer_is_dropped_by_name_and_the_others_are_averaged(fault, small, parts, victim):
    change, sentence = BAD[fault]
    there = []

    def tamper(client, reply):
        if client == victim and is_trained(reply):
            there.append(reply)
            return [changed(reply, **change(reply.content["fedlab"]))]
        return [reply]

    lab = Lab(small, parts, tiny, on_reply=tamper)
    history = lab.run()
    assert len(lab.dropped) == len(there) > 0 and len(history.accuracy) == ROUNDS
    for line in lab.dropped:
        assert f"client {victim}: " in line and sentence in line and "\n" not in line
    lab.account_is_true(history)
    expected = without(small, parts, victim)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(history.weights, expected, strict=True))


def test_a_duplicate_is_dropped_and_counted(small, parts, victim):
    lab = Lab(small, parts, tiny, on_reply=lambda client, reply: [reply] * (1 + (client == victim and is_trained(reply))))
    history, clean = lab.run(), Lab(small, parts, tiny)
    same = clean.run()
    assert lab.dropped and all("answered twice, and the first answer counts" in line for line in lab.dropped)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(history.weights, same.weights, strict=True))
    assert history.uplink_bytes[0] > same.uplink_bytes[0]
    lab.account_is_true(history)


def test_a_late_answer_is_named_in_the_round_in_which_it_comes(small, parts, victim):
    held, came = [], []

    def late(client, reply):
        if client == victim and is_trained(reply) and not held:
            held.append(reply)
            return []
        if client != victim and len(lab.strategy.history.accuracy) == 1 and not came:
            came.extend(held)
            return [*held, reply]
        return [reply]

    lab = Lab(small, parts, tiny, on_reply=late, timeout=0.6)
    history = lab.run()
    assert lab.dropped[0] == f"round 1, client {victim}: no answer within 0.6 s"
    assert lab.dropped[1:] == [f"round 2, client {victim}: its answer to round 1 came late"]
    lab.account_is_true(history)


def test_a_client_whose_answer_was_lost_has_the_model_and_trains_on(small, parts):
    """The server cannot know whether the message came; it sends what is sure to do, and the client takes what it lacks."""
    lost = []

    def lose(client, reply):
        if client == 1 and is_trained(reply) and not lost:
            return lost.append(reply) or []
        return [reply]

    settings = {"clients": 2, "clients_per_round": 2, "rounds": 4, "uplink": TOP, "downlink": TOP, "timeout": 0.6}
    lab = Lab(small, parts[:2], tiny, on_reply=lose, **settings)
    history = lab.run()
    assert lab.dropped == ["round 1, client 1: no answer within 0.6 s"] and len(history.accuracy) == 4
    assert kinds_to(lab, 1) == [["dense"], ["dense"], ["broadcast"], ["broadcast"]]  # never confirmed: a first model again
    lab.account_is_true(history)


def test_a_message_that_came_twice_is_not_added_twice(small, parts):
    """Lost in a later round: the broadcasts since the last confirmed one are sent, and the client passes over those it has."""
    lost = []

    def lose(client, reply):
        if client == 1 and is_trained(reply) and len(lab.strategy.history.accuracy) == 1 and not lost:
            return lost.append(reply) or []
        return [reply]

    settings = {"clients": 2, "clients_per_round": 2, "rounds": 4, "downlink": TOP, "timeout": 0.6}
    lab = Lab(small, parts[:2], tiny, on_reply=lose, **settings)
    history = lab.run()
    assert kinds_to(lab, 1) == [["dense"], ["broadcast"], ["broadcast"] * 2, ["broadcast"]]
    assert lab.dropped == ["round 2, client 1: no answer within 0.6 s"]
    one, other = (lab.grid.context(client).state["fedlab"] for client in (0, 1))
    assert one["broadcasts"] == other["broadcasts"] == 3 and one["model"] == other["model"]
    lab.account_is_true(history)


def test_a_restarted_client_says_so_and_gets_a_model_in_its_next_round(small, parts):
    def restart(history):
        if len(history.accuracy) == 2:
            lab.grid.restart(1)

    settings = {"clients": 2, "clients_per_round": 2, "rounds": 5, "uplink": TOP, "downlink": TOP}
    lab = Lab(small, parts[:2], tiny, on_round=restart, **settings)
    history = lab.run()
    lost = "it has lost its model and what it had not sent yet, and is sent a model in its next round"
    assert lab.dropped == [f"round 3, client 1: {lost}"]
    assert kinds_to(lab, 1) == [["dense"], ["broadcast"], ["broadcast"], ["dense"], ["broadcast"]]
    assert history.first_model_bytes[3] == len(fl.Identity().encode(np.zeros(N_TINY)))
    lab.account_is_true(history)


def test_a_client_that_raises_is_told_with_its_reason_and_keeps_what_it_had(small, parts):
    data = data_of(small, parts)
    broken = []

    def sometimes(partition):
        if partition == 1 and broken:
            raise OSError("the disk of this laptop is full")
        return data(partition)

    settings = {"clients": 2, "clients_per_round": 2, "rounds": 4, "downlink": TOP}
    lab = Lab(small, parts[:2], tiny, **settings)
    lab.grid = grids.InProcessGrid(flower.client_app(tiny, sometimes, **settings), 2, {})
    client = Later("fedlab_utils.engines.flower_client")

    def on_round(history):
        client._samples.cache_clear()
        broken[:] = [True] if len(history.accuracy) == 1 else []

    lab.strategy._on_round = on_round
    history = lab.run()
    assert lab.dropped == ["round 2, client 1: error 2 of Flower: OSError: the disk of this laptop is full"]
    assert kinds_to(lab, 1) == [["dense"], ["broadcast"], ["broadcast"] * 2, ["broadcast"]]
    lab.account_is_true(history)


def test_a_node_that_is_gone_costs_nothing_and_comes_back(small, parts):
    def gone(history):
        lab.grid.down = {1} if len(history.accuracy) == 1 else set()

    settings = {"clients": 2, "clients_per_round": 2, "rounds": 3, "downlink": TOP}
    lab = Lab(small, parts[:2], tiny, on_round=gone, **settings)
    history = lab.run()
    assert lab.dropped == ["round 2, client 1: it is not connected, and was sent nothing"]
    assert not [m for m in lab.sent if (m.number, m.client) == (1, 1)]
    assert [m.kind for m in lab.sent if (m.number, m.client, m.up) == (2, 1, False)] == ["broadcast"] * 2
    lab.account_is_true(history)


def test_a_node_that_comes_late_takes_part_from_then_on(small, parts):
    def join(history):
        lab.grid.down = set()

    settings = {"clients": 2, "clients_per_round": 2, "rounds": 3, "min_clients": 1, "downlink": TOP}
    lab = Lab(small, parts[:2], tiny, on_round=join, **settings)
    lab.grid.down = {1}
    lab.account_is_true(lab.run())
    assert lab.dropped == ["round 1, client 1: it is not connected, and was sent nothing"]
    assert kinds_to(lab, 1) == [[], ["dense"], ["broadcast"]]


def test_a_node_that_dies_with_its_message_is_told(small, parts):
    settings = {"clients": 2, "clients_per_round": 2, "rounds": 3, "downlink": TOP}
    lab = Lab(small, parts[:2], tiny, **settings)
    push = lab.grid.push_messages

    def dies(messages):
        messages = list(messages)
        keys = push(messages)
        if messages[0].metadata.message_type == "train" and len(lab.strategy.history.accuracy) == 1:
            lab.grid.down = {1}
        return keys

    lab.grid.push_messages = dies
    lab.strategy._on_round = lambda history: lab.grid.down.clear()
    history = lab.run()
    assert lab.dropped == ["round 2, client 1: error 5 of Flower: the node has gone"]
    assert [m.kind for m in lab.sent if (m.number, m.client, m.up) == (2, 1, False)] == ["broadcast"] * 2
    lab.account_is_true(history)


def test_with_nobody_there_the_run_ends_with_a_sentence(small, parts, tmp_path):
    data = data_of(small, parts)
    config = {"clients": 2, "clients_per_round": 2, "rounds": 3, "wait": 0.2, "out": str(tmp_path)}
    grid = grids.InProcessGrid(flower.client_app(tiny, data), 2, config)

    def leave(history):
        grid.down = {0, 1}

    with pytest.raises(RuntimeError, match=r"^round 2: none of its clients 0, 1 is connected$"):
        grids.run_in_process(flower.server_app(tiny, data, on_round=leave), grid, config)
    assert len(fl.History.load(tmp_path / "history.csv").accuracy) == 1  # what was reached is kept
    with pytest.raises(RuntimeError, match=r"^0 of 2 clients have come within 0\.2 s"):
        grids.run_in_process(flower.server_app(tiny, data), grid, config)


def test_every_answer_bad_is_a_round_in_which_nobody_answered(small, parts):
    lab = Lab(small, parts, tiny, on_reply=lambda client, reply: [changed(reply, payload=b"?")] if is_trained(reply) else [reply])
    history = lab.run()
    assert len(lab.dropped) == ROUNDS * COHORT
    assert all(np.array_equal(a, b) for a, b in zip(history.weights, tiny().get_weights(), strict=True))
    lab.account_is_true(history)


def test_one_client_that_leaves_the_finite_numbers_does_not_end_the_run(small, parts, victim):
    data = data_of(small, parts)

    def huge(partition):
        found = data(partition)
        return found._replace(x_train=found.x_train * np.float32(1e30)) if partition == victim else found

    lab = Lab(small, parts, tiny, learning_rate=1.0)
    lab.grid = grids.InProcessGrid(flower.client_app(tiny, huge, **lab.settings), CLIENTS, {})
    history = lab.run()
    assert lab.dropped and all(f"client {victim}: the " in line and "no longer finite" in line for line in lab.dropped)
    assert np.isfinite(history.loss).all()


def test_a_strategy_or_a_callback_that_raises_ends_the_run_and_keeps_what_was_reached(small, parts, tmp_path):
    data, config = data_of(small, parts), {"clients_per_round": 5, "rounds": 3, "out": str(tmp_path)}

    def broken(history):
        raise KeyError("a mistake of the reader's")

    grid = grids.InProcessGrid(flower.client_app(tiny, data), 10, config)
    with pytest.raises(KeyError, match="a mistake"):
        grids.run_in_process(flower.server_app(tiny, data, on_round=broken), grid, config)
    assert len(fl.History.load(tmp_path / "history.csv").accuracy) == 1


# Going on after the server went down


def stopped(lab, after):
    """Run until so many rounds are done, then as if the machine went down."""

    def power_cut(history):
        if len(history.accuracy) == after:
            raise KeyboardInterrupt

    lab.strategy._on_round = power_cut
    with pytest.raises(KeyboardInterrupt):
        lab.run()


@pytest.mark.parametrize("first", ["dense", fl.Quantize(8)], ids=["dense", "coded"])
def test_a_new_run_goes_on_from_the_checkpoint_with_the_same_bits(first, small, parts, tmp_path, caplog):
    """Without residuals of clients, which are lost, a training that was interrupted is the training that was not."""
    settings = {"uplink": fl.QSGD(4), "downlink": TOP, "server_momentum": 0.5, "rounds": 5, "first_model": first}
    whole = Lab(small, parts, tiny, **settings).run()
    settings["checkpoint"] = str(tmp_path / "checkpoint.npz")
    stopped(Lab(small, parts, tiny, **settings), 2)
    strategies.log.addHandler(caplog.handler)
    try:
        lab = Lab(small, parts, tiny, **settings)
        history = lab.run()
    finally:
        strategies.log.removeHandler(caplog.handler)
    assert "it goes on after round 2" in caplog.text and "what its residual held is lost" in caplog.text
    assert history.accuracy == whole.accuracy and history.uplink_bytes == whole.uplink_bytes and lab.dropped == []
    assert all(a.tobytes() == b.tobytes() for a, b in zip(history.weights, whole.weights, strict=True))
    assert history.downlink_bytes[2] >= whole.downlink_bytes[2]  # everybody begins anew
    assert Lab(small, parts, tiny, **settings).run().accuracy == whole.accuracy  # all rounds are done: none is added


def test_a_checkpoint_that_cannot_be_written_or_read_is_a_sentence(small, parts, tmp_path, monkeypatch, caplog):
    file = tmp_path / "checkpoint.npz"
    settings = {"rounds": 3, "checkpoint": str(file)}
    module = Later("fedlab_utils.engines.flower_checkpoint")
    lab = Lab(small, parts, tiny, **settings)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    def on_round(history):
        if len(history.accuracy) == 1:
            patch.setattr(module.os, "replace", full)

    strategies.log.addHandler(caplog.handler)
    try:
        with monkeypatch.context() as patch:
            lab.strategy._on_round = on_round
            assert len(lab.run().accuracy) == 3
    finally:
        strategies.log.removeHandler(caplog.handler)
    assert "round 2: the checkpoint could not be written ([Errno 28] No space left on device)" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]  # the one of round 1
    assert len(Lab(small, parts, tiny, **settings).strategy.history.accuracy) == 1
    with pytest.raises(ValueError, match=r"^checkpoint\.npz is the checkpoint of another training"):
        Lab(small, parts, tiny, **settings, downlink=fl.Quantize(8))
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"^checkpoint\.npz is a damaged checkpoint"):
        Lab(small, parts, tiny, **settings)


# Nodes that are not what they should be


@pytest.mark.parametrize(
    ("partition", "sentence"),
    [(0, "which another node is already"), (99, "there are 0 … 9"), (-1, "there are 0 … 9"), ("two", "partition-id is 'two'")],
)
def test_a_node_that_is_no_client_of_ours_is_not_used(partition, sentence, small, parts, caplog):
    lab = Lab(small, parts, tiny, rounds=1)
    lab.grid.add_node({"partition-id": partition})
    strategies.log.addHandler(caplog.handler)
    try:
        history = lab.run()
    finally:
        strategies.log.removeHandler(caplog.handler)
    assert sentence in caplog.text and lab.dropped == [] and len(history.accuracy) == 1


def test_a_client_of_another_plan_or_model_refuses_and_is_named(small, parts):
    settings = {"clients": 2, "clients_per_round": 2, "rounds": 1}
    lab = Lab(small, parts[:2], tiny, **settings)
    lab.grid = grids.InProcessGrid(flower.client_app(tiny, data_of(small, parts), uplink=fl.Quantize(4), **settings), 2, {})
    with pytest.raises(RuntimeError, match="no answer of any client could be used; client 0: it refuses: the server has"):
        lab.run()
    assert lab.dropped == [f"round 1, client {n}: it refuses: the server has another plan than this client" for n in (0, 1)]
    lab = Lab(small, parts[:2], tiny, **settings)
    lab.grid = grids.InProcessGrid(flower.client_app(document, data_of(small, parts), **settings), 2, {})
    with pytest.raises(RuntimeError, match="no answer of any client could be used; client 0: it refuses: the server's model"):
        lab.run()
    assert len(lab.dropped) == 2 and "the server's model is made of other arrays than this client's" in lab.dropped[0]


def test_the_state_that_travels_is_checked_too(small, parts):
    def tamper(client, reply):
        if is_trained(reply):
            bad = {0: fl.Identity().encode(np.zeros(7)), 1: b"", 2: flipped(reply.content["fedlab"]["state"])}.get(client)
            return [reply if bad is None else changed(reply, state=bad)]
        return [reply]

    settings = {"clients": 4, "clients_per_round": 4, "rounds": 1}
    lab = Lab(small, parts[:4], with_batch_normalization, on_reply=tamper, **settings)
    history = lab.run()
    assert [line.split(": ")[1] for line in lab.dropped] == [
        "its state holds 7 weights, the model has 40", "its state cannot be decoded", "its state cannot be decoded",
    ]  # fmt: skip
    lab.account_is_true(history)


def test_the_streams_are_those_of_simulate():
    rng = stream(0, Purpose.SELECTION, 4)
    assert parties.select(CLIENTS, COHORT, 0, 4) == np.sort(rng.choice(CLIENTS, COHORT, replace=False)).tolist()
