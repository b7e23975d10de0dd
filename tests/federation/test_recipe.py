"""A model as its recipe: rebuilt bit for bit from the bytes alone, in a process that knows nothing else; or refused, and why."""

import json
import random
import subprocess
import sys
import zlib

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl
from fedlab_utils.codecs import seal, varint

models = Later("fedlab_utils.training.models")
recipe = Later("fedlab_utils.federation.recipe")
keras = Later("keras", within="fedlab_utils.training.models")

pytestmark = pytest.mark.training


def drawn(seed):
    return keras.initializers.GlorotUniform(seed=seed)


def dense(**options):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, **{"kernel_initializer": drawn(0), **options})])


def with_states():
    x = image = keras.Input((8, 8, 1))
    for layer in (keras.layers.Conv2D(4, 3, kernel_initializer=drawn(0)), keras.layers.BatchNormalization(),
                  keras.layers.Flatten()):  # fmt: skip
        x = layer(x)
    one, other = (keras.layers.Dense(3, kernel_initializer=drawn(seed))(x) for seed in (1, 2))
    return keras.Model(image, keras.layers.Softmax()(keras.ops.add(one, other) * 2))


def recurrent():
    orthogonal = keras.initializers.Orthogonal(seed=2)
    layers = [
        keras.layers.Embedding(7, 4, embeddings_initializer=keras.initializers.RandomNormal(seed=4)),
        keras.layers.Bidirectional(keras.layers.GRU(3, kernel_initializer=drawn(1), recurrent_initializer=orthogonal)),
        keras.layers.Dense(2, kernel_initializer=drawn(3)),
    ]
    return keras.Sequential([keras.Input((5,)), *layers])


def nested():
    """Compiled inside and outside, with optimizers that have no business in a recipe."""
    model = keras.Sequential([keras.Input((4,)), dense(), keras.layers.Dense(2, kernel_initializer=drawn(1))])
    model.layers[0].compile("adam", "mse")
    model.compile("adam", "mse")
    return model


MODELS = {"document": lambda: models.document_mlp(seed=3), "states": with_states, "recurrent": recurrent,
          "nested": nested, "float64": lambda: dense(dtype="float64")}  # fmt: skip


def read_by_hand(message):
    """What a recipe holds: the number of weights, their checksum, the configuration; by the text of the module alone."""
    assert message[0] == 0xF1 and int.from_bytes(message[-4:], "little") == zlib.crc32(message[:-4])
    n, at = 0, 1
    while True:
        n |= (message[at] & 127) << 7 * (at - 1)
        at += 1
        if message[at - 1] < 128:
            break
    form, checksum, text = message[at], int.from_bytes(message[at + 1 : at + 5], "little"), message[at + 5 : -4]
    return n, checksum, zlib.decompress(text, -15) if form == 0xF1 else text


@pytest.mark.parametrize("name", MODELS)
def test_the_weights_are_rebuilt_from_the_bytes_bit_for_bit(name):
    model = MODELS[name]()
    before, message = random.getstate(), recipe.write(model)
    rebuilt = recipe.rebuild(message)
    weights = model.get_weights()
    assert [w.dtype for w in rebuilt] == [w.dtype for w in weights]
    assert all(one.tobytes() == two.tobytes() for one, two in zip(rebuilt, weights, strict=True))
    n, checksum, text = read_by_hand(message)
    assert (n, checksum) == (sum(w.size for w in weights), zlib.crc32(b"".join(w.tobytes() for w in weights)))
    assert b"optimizer" not in text and isinstance(message, bytes)
    again = recipe.write(model)
    assert again == message
    recipe.rebuild(again)
    assert random.getstate() == before  # a reader's random numbers are hers


def test_the_documents_model_is_a_thousandth_of_its_weights():
    assert len(recipe.write(models.document_mlp(seed=0))) < 4 * 101_770 / 800


IN_KERAS_ALONE = """
import json, sys, zlib, keras
for text in json.load(sys.stdin):
    print(zlib.crc32(b"".join(w.tobytes() for w in keras.models.model_from_json(text).get_weights())))
"""


def test_keras_alone_in_another_process_draws_the_same_from_what_was_sent_and_not_without_seeds():
    """No code of ours: the configuration read by hand; a model without seeds, made under a global one, comes out as another."""
    model = models.document_mlp(seed=5)
    _, checksum, text = read_by_hand(recipe.write(model))
    keras.utils.set_random_seed(0)
    unseeded = dense(kernel_initializer="glorot_uniform")
    _, other, text_of_unseeded = read_by_hand(recipe.write(unseeded))
    texts = json.dumps([text.decode(), text_of_unseeded.decode()])
    said = subprocess.run([sys.executable, "-c", IN_KERAS_ALONE], input=texts, capture_output=True, text=True, check=True)
    assert int(said.stdout.split()[0]) == checksum and int(said.stdout.split()[1]) != other


def test_a_fresh_process_looks_once_for_each_recipe(monkeypatch):
    """The real process, the second time remembered; another seed is another recipe."""
    started, run = [], subprocess.run

    def noting(command, **options):
        started.append((command, options["input"], options["env"]))
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", noting)
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    model = models.document_mlp(seed=11)
    message = recipe.require_rebuilt(model)
    assert recipe.require_rebuilt(model) == message == recipe.write(models.document_mlp(seed=11))
    ((command, sent, environment),) = started
    assert command[:3] == [sys.executable, "-m", "fedlab_utils.federation.recipe"] and sent == message
    assert "PYTHONHASHSEED" not in environment


# What a fresh process might do, without starting one


class Answered:
    def __init__(self, returncode, stderr=b"", weights=()):
        self.returncode, self.stderr, self._weights = returncode, stderr, weights

    def __call__(self, command, **_):
        np.savez(command[-1], *self._weights)
        return self


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answered(1, b"Traceback\nValueError: no class\n"), "a fresh process could not rebuild it: ValueError: no class"),
        (Answered(1), "a fresh process could not rebuild it: it said nothing"),
        (Answered(0, b"", [np.zeros((4, 3), np.float32), np.zeros(3, np.float32)]), "kernel is not what its initializer draws"),
        (Answered(0, b"", [np.zeros((4, 3), np.float32)]), "its configuration gives arrays of other shapes"),
    ],
)
def test_what_a_fresh_process_does_not_rebuild_is_refused_each_time(monkeypatch, answer, message):
    monkeypatch.setattr(subprocess, "run", answer)
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"first_model='seed' cannot stand for this model: .*{message}"):
            recipe.require_rebuilt(dense())


def test_a_bar_says_that_a_process_is_waited_for(monkeypatch, capsys, language):
    monkeypatch.setattr(subprocess, "run", Answered(0, b"", dense().get_weights()))
    monkeypatch.setattr(recipe, "_rebuilt", set())
    recipe.require_rebuilt(dense())
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(recipe, "_rebuilt", set())
    recipe.require_rebuilt(dense(), progress=True)
    assert {"en": "fresh process rebuilds", "zh": "新进程正在重建"}[language] in capsys.readouterr().err


# What is refused before any process is started


def trained():
    model = models.document_mlp(seed=0)
    weights = model.get_weights()
    weights[1][5] = np.nextafter(np.float32(0), np.float32(1))
    model.set_weights(weights)
    return model


def negative_zero():
    model = dense()
    model.set_weights([model.get_weights()[0], -np.zeros(3, np.float32)])
    return model


def own_layer():
    class Mine(keras.layers.Dense):
        pass

    return keras.Sequential([keras.Input((4,)), Mine(3, kernel_initializer=drawn(0))])


def own_function():
    def swish_of_mine(x):
        return x

    return dense(activation=swish_of_mine)


def own_model():
    class Mine(keras.Sequential):
        pass

    return Mine([keras.Input((4,)), keras.layers.Dense(3, kernel_initializer=drawn(0))])


def lora():
    model = dense()
    model.layers[0].enable_lora(2)
    return model


def one_generator():
    initializer = keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(3))
    layers = [keras.layers.Dense(4, kernel_initializer=initializer) for _ in range(2)]
    return keras.Sequential([keras.Input((4,)), *layers])


REFUSED = {
    "trained": (trained, "document_mlp/hidden/bias is not what its initializer draws anew, it was trained or set since: pass"),
    "negative zero": (negative_zero, "bias is not what its initializer draws anew"),
    "no seed": (lambda: dense(kernel_initializer="he_normal"), r"HeNormal of layer \w+ has no seed: pass HeNormal\(seed=…\)"),
    "no seed within": (lambda: keras.Sequential([keras.Input((4, 2)), keras.layers.Bidirectional(keras.layers.LSTM(2))]),
                       r"GlorotUniform of layer \w+ has no seed"),
    "own layer": (own_layer, "Mine is unknown to a fresh process, which has Keras and what was sent, no code of yours"),
    "own function": (own_function, "swish_of_mine is unknown to a fresh process"),
    "own model": (own_model, "Mine is unknown to a fresh process"),
    "lambda": (lambda: dense(activation=lambda x: x), "a lambda is unknown to a fresh process"),
    "Lambda": (lambda: keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x),
                                         keras.layers.Dense(2, kernel_initializer=drawn(0))]), "Lambda is unknown"),
    "lora": (lora, "lora_kernel_a is not what its initializer draws anew"),
    "one generator": (one_generator, "kernel is not what its initializer draws anew"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("name", REFUSED)
def test_what_no_seed_gives_again_is_refused_in_one_sentence_that_says_why(monkeypatch, name):
    monkeypatch.setattr(subprocess, "run", None)
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"^first_model='seed' cannot stand for this model: .*{message}") as caught:
        recipe.require_rebuilt(make())
    assert "\n" not in str(caught.value)


# The receiver's side (law 6)


def sealed(text, n=15, form=0xF0, checksum=b"abcd"):
    return seal(varint(n) + bytes([form]) + checksum + (text if isinstance(text, bytes) else json.dumps(text).encode()))


def configuration(**changes):
    return {**json.loads(read_by_hand(recipe.write(dense()))[2]), **changes}


def test_another_versions_numbers_are_noticed_by_the_checksum():
    with pytest.raises(ValueError, match=r"the weights drawn here are not the sender's, .* the same version of TensorFlow"):
        recipe.rebuild(sealed(configuration()))
    _, checksum, text = read_by_hand(recipe.write(dense()))
    assert len(recipe.rebuild(sealed(text, checksum=checksum.to_bytes(4, "little")))) == 2  # not deflated: as good


def test_any_bit_that_flips_and_any_byte_that_is_missing_is_damage():
    message = recipe.write(dense())
    for place in range(0, len(message), 7):
        flipped = bytearray(message)
        flipped[place] ^= 1 << place % 8
        for damaged in (bytes(flipped), message[:place], message[place + 1 :]):
            with pytest.raises(ValueError, match="payload"):
                recipe.rebuild(damaged)


def a_dense_layer(units, **config):
    layer = {"module": "keras.layers", "class_name": "Dense", "config": {"units": units, **config}}
    start = {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 4], "dtype": "float32"}}
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [start, layer]}}


def of_class(name, module="keras.layers", **config):
    return a_dense_layer(3, activation={"module": module, "class_name": name, "config": config})


def bomb():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(bytes(2**26)) + packer.flush()


HOSTILE = {
    "nothing": (b"", {}, "holds no JSON"),
    "no JSON": (b"\xff\xfe", {}, "holds no JSON"),
    "deep": (b"[" * 10**6, {}, "holds no JSON"),
    "nested": (b"[" * 500 + b"]" * 500, {}, "nested without end"),
    "a number": (b"5", {}, "describes no model"),
    "a layer alone": ({"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}}, {}, "describes no model"),
    "no input": ({"module": "keras", "class_name": "Sequential", "config": {"layers": []}}, {}, "Keras makes no model"),
    "odd class": ({"module": "keras", "class_name": ["Sequential"], "config": {}}, {}, "Keras makes no model of it"),
    "wrong argument": (a_dense_layer("many"), {}, "Keras makes no model of it"),
    "another number": (a_dense_layer(3), {"n": 16}, "it declares 16 weights and describes 15"),
    "too many": (a_dense_layer(10**12), {}, "it declares 15 weights and describes 5000000000000"),
    "too many declared": (a_dense_layer(3), {"n": 2**40}, "declares 1099511627776 weights, more than max_weights=67108864"),
    "no such form": (a_dense_layer(3), {"form": 0x10}, "no recipe has the form 0x10"),
    "not deflated": (b"{}", {"form": 0xF1}, "damaged recipe"),
    "a bomb": (bomb(), {"form": 0xF1}, "its text does not end where the message does"),
    "another's class": (of_class("Popen", "subprocess", args="ls"), {}, "Popen is no class of Keras"),
    "almost Keras": (of_class("Dense", "kerasploit"), {}, "Dense is no class of Keras"),
    "registered": (a_dense_layer(3, activation={"module": "keras.layers", "class_name": "ReLU", "config": {},
                                                "registered_name": "mine>ReLU"}), {}, "ReLU is no class of Keras"),
    "function": (a_dense_layer(3, activation={"module": "os", "class_name": "function", "config": "system"}), {}, "system is no"),
    "code": (of_class("Lambda", function="…"), {}, "Lambda is no class of Keras that a recipe may name"),
    "a file": (of_class("StringLookup", vocabulary="/etc/hostname"), {}, "StringLookup is no class of Keras that"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_sender_wrote_is_refused_with_a_reason(name):
    text, options, message = HOSTILE[name]
    with pytest.raises(ValueError, match=message):
        recipe.rebuild(sealed(text, **options))


def test_a_recipe_is_no_payload_and_a_payload_no_recipe():
    with pytest.raises(ValueError, match="no stage has the tag 0xf1"):
        fl.decode(recipe.write(dense()))
    for payload in (fl.Identity().encode(np.ones(50)), fl.Quantize(8).encode(np.ones(50))):
        with pytest.raises(ValueError, match="no recipe has the form"):
            recipe.rebuild(payload)


def test_fewer_weights_may_be_asked_for():
    with pytest.raises(ValueError, match="the recipe declares 15 weights, more than max_weights=14"):
        recipe.rebuild(recipe.write(dense()), max_weights=14)
    assert len(recipe.rebuild(recipe.write(dense()), max_weights=15)) == 2
