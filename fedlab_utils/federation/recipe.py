"""A model as what it is drawn from: its configuration with the seeds of its initializers, instead of its weights.

A recipe is a message: MAGIC, the number of weights, a form, the CRC-32 of the weights, the configuration as JSON (deflated
where that is shorter), and the CRC-32 of it all. No pickle, and no class that is not Keras's own: its receiver knows no other.
Another version of TensorFlow may draw other numbers from the same seeds: the CRC-32 of the weights tells the receiver.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..codecs import Reader, seal, varint
from ..language import say
from ..training.arrays import Arrays
from ..training.checks import require_model
from ..training.identity import is_keras, nothing_drawn
from ..training.keras_private import flatten_layers
from ..training.models import keras
from ..waiting import waiting

PLAIN, DEFLATED = 0xF0, 0xF1  # forms; as tags of a codec's stage they are nobody's, so that `decode` refuses a recipe
MAX_TEXT_BYTES = 2**24
DEEPEST = 100  # lists and objects within each other
# Of Keras, and yet they run what a stranger wrote, or open a file that he names.
_NOT_FROM_A_STRANGER = {
    "FlaxLayer", "IntegerLookup", "JaxLayer", "Lambda", "StringLookup", "TFSMLayer", "TextVectorization", "TorchModuleWrapper",
}  # fmt: skip
_VALUES = {"__keras_tensor__", "__numpy__", "__bytes__", "__slice__", "__ellipsis__"}  # that Keras writes as if of a class
_rebuilt: set[bytes] = set()  # hashes of recipes that a fresh process has rebuilt, for the life of this one


def write(model: keras.Model) -> bytes:
    """The recipe of a model. Whether its weights come out of it again, only `require_rebuilt` looks.

    TypeError or ValueError for a model that cannot be trained here, or that holds a class or function of your own.
    """
    require_model(model)
    with nothing_drawn():
        try:
            config = _slim(json.loads(model.to_json()))
        except (NotImplementedError, TypeError, ValueError) as error:
            raise ValueError(say(f"the model has no configuration in JSON, of which a recipe consists: {error}",
                                 f"模型没有 JSON 形式的配置，而配方就是由它写成的：{error}")) from error  # fmt: skip
    if stranger := next(_strangers(config), None):
        raise ValueError(say(f"{stranger} is unknown to a fresh process, which has Keras and what was sent, no code of yours",
                             f"新进程不认识 {stranger}：它只有 Keras 和收到的内容，没有你的代码"))  # fmt: skip
    text = json.dumps(config, separators=(",", ":")).encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)  # without a checksum of its own
    deflated = packer.compress(text) + packer.flush()
    form, text = (DEFLATED, deflated) if len(deflated) < len(text) else (PLAIN, text)
    weights = model.get_weights()
    return seal(varint(_count(weights)) + bytes([form]) + _checksum(weights).to_bytes(4, "little") + text)


def rebuild(recipe: bytes, max_weights: int = 2**26) -> list[np.ndarray]:
    """The weights that a recipe stands for, in the order of model.get_weights(), from its bytes alone.

    ValueError for damaged bytes, for more than `max_weights` weights, and where the weights drawn are not the sender's.
    """
    weights, checksum = _draw(recipe, max_weights)
    if _checksum(weights) != checksum:
        raise ValueError(say(
            "the weights drawn here are not the sender's, their checksum (CRC-32) is another: "
            "use the same version of TensorFlow on both sides, or first_model='dense'",
            "这里生成的权重与发送方的不同，校验和（CRC-32）对不上：请让双方使用同一版本的 TensorFlow，或用 first_model='dense'",
        ))  # fmt: skip
    return weights


def require_rebuilt(model: keras.Model, progress: bool = False) -> bytes:
    """The recipe of a model from which a fresh process has rebuilt its weights, bit for bit.

    The process starts TensorFlow (some seconds, once for each recipe); progress: a bar says so.
    ValueError in one sentence that names why where other weights come out: an initializer without a seed, weights that were
    trained or set since, a class of your own. What `write` raises.
    """
    try:
        recipe = write(model)
        weights, _ = _draw(recipe, _count(model.get_weights()))
        _require_same(model, weights)  # at once, and with the seeds of this process, what a fresh one would find as well
        key = hashlib.sha256(recipe).digest()
        if key not in _rebuilt:
            _require_same(model, _in_a_fresh_process(recipe, progress))
            _rebuilt.add(key)
    except ValueError as error:
        raise ValueError(say(f"first_model='seed' cannot stand for this model: {error}",
                             f"first_model='seed' 不适用于这个模型：{error}")) from error  # fmt: skip
    return recipe


def _in_a_fresh_process(recipe: bytes, progress: bool) -> list[np.ndarray]:
    """The weights that a new Python draws, which is given these bytes and nothing else of ours: no seed, no class."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    text = say("a fresh process rebuilds the first model", "新进程正在重建初始模型")
    with tempfile.TemporaryDirectory() as folder, waiting(text, progress):
        file = Path(folder) / "weights.npz"
        command = [sys.executable, "-m", __name__, str(file)]
        done = subprocess.run(command, input=recipe, capture_output=True, env=environment, cwd=folder)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [say("it said nothing", "它没有给出任何信息")]
            raise ValueError(say(f"a fresh process could not rebuild it: {said[-1]}", f"新进程没能重建它：{said[-1]}"))
        with np.load(file) as arrays:
            return [arrays[f"arr_{place}"] for place in range(len(arrays.files))]


def _require_same(model: keras.Model, drawn: Arrays) -> None:
    """ValueError, with the reason, unless the arrays drawn are the model's weights, bit for bit."""
    weights = model.get_weights()
    if [(w.shape, w.dtype) for w in weights] != [(d.shape, d.dtype) for d in drawn]:
        raise ValueError(say("its configuration gives arrays of other shapes: it was changed after it was made",
                             "按它的配置得到的数组形状不同：模型建好之后又改过"))  # fmt: skip
    others = [v for v, w, d in zip(model.weights, weights, drawn, strict=True) if w.tobytes() != d.tobytes()]
    for variable in others:
        owners = [layer for layer in flatten_layers(model) if any(variable is v for v in layer.weights)]
        layer = min(owners, key=lambda owner: len(owner.weights))
        if unseeded := next(_unseeded(keras.saving.serialize_keras_object(layer)), None):
            raise ValueError(say(f"{unseeded} of layer {layer.name} has no seed: pass {unseeded}(seed=…)",
                                 f"层 {layer.name} 的 {unseeded} 没有种子：请传入 {unseeded}(seed=…)"))  # fmt: skip
    if others:
        raise ValueError(say(
            f"{others[0].path} is not what its initializer draws anew, it was trained or set since: "
            "pass first_model='dense' or a codec",
            f"{others[0].path} 不是初始化器重新生成的样子，之后训练过或改过：请用 first_model='dense' 或编解码器"))  # fmt: skip


def _unseeded(node: Any) -> Iterator[str]:
    """Initializers in a configuration that draw without a seed, by name."""
    if isinstance(node, dict):
        config = node.get("config")
        if node.get("module") == "keras.initializers" and isinstance(config, dict) and config.get("seed", 0) is None:
            yield str(node["class_name"])
    for part in _parts(node):
        yield from _unseeded(part)


def _strangers(node: Any, depth: int = 0) -> Iterator[str]:
    """Classes and functions in a configuration that are not Keras's own, by name."""
    if depth > DEEPEST:
        raise ValueError("damaged recipe: its configuration is nested without end")
    if isinstance(node, dict) and "class_name" in node and (name := str(node["class_name"])) not in _VALUES:
        module = node.get("module")
        if not (isinstance(module, str) and is_keras(module)) or name in _NOT_FROM_A_STRANGER or node.get("registered_name"):
            yield str(node.get("config")) if name == "function" else name
    if isinstance(node, dict) and node.keys() == {"value"} and isinstance(node["value"], list):
        yield "a lambda"  # its code, which Keras puts in the place of an activation
    for part in _parts(node):
        yield from _strangers(part, depth + 1)


def _parts(node: Any) -> Any:
    return node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple)) else ()


def _slim(node: Any) -> Any:
    """A configuration without what decides no weight: optimizer and loss of a compiled model, names that nobody registered."""
    if isinstance(node, list):
        return [_slim(part) for part in node]
    if not isinstance(node, dict):
        return node
    drop = {"compile_config"} | ({"registered_name"} if is_keras(node.get("module")) else set())
    return {key: _slim(value) for key, value in node.items() if key not in drop}


def _draw(recipe: bytes, max_weights: int) -> tuple[list[np.ndarray], int]:
    """The weights that a recipe gives here, and the checksum of the sender's."""
    reader = Reader(recipe)
    n, form, checksum = reader.varint(), reader.byte(), int.from_bytes(reader.take(4), "little")
    if n > max_weights:
        raise ValueError(say(f"the recipe declares {n} weights, more than max_weights={max_weights}",
                             f"配方声明有 {n} 个权重，超过 max_weights={max_weights}"))  # fmt: skip
    text = bytes(reader.peek(len(recipe)))
    if form == DEFLATED:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            text = unpacker.decompress(text, MAX_TEXT_BYTES)
        except zlib.error as error:
            raise ValueError(f"damaged recipe: {error}") from error
        if not unpacker.eof or unpacker.unused_data:
            raise ValueError("damaged recipe: its text does not end where the message does")
    elif form != PLAIN:
        raise ValueError(f"damaged recipe: no recipe has the form 0x{form:02x}")
    try:
        config = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"damaged recipe: it holds no JSON: {error}") from error
    if stranger := next(_strangers(config), None):
        raise ValueError(f"damaged recipe: {stranger} is no class of Keras that a recipe may name")
    with nothing_drawn():
        with ThreadPoolExecutor(1) as pool:  # Keras notes variables without values, for good, by thread
            counted = pool.submit(_count_undrawn, config).result()
        if counted != n:
            raise ValueError(f"damaged recipe: it declares {n} weights and describes {counted}")
        return _made(config).get_weights(), checksum


def _made(config: Any) -> keras.Model:
    try:
        model = keras.saving.deserialize_keras_object(copy.deepcopy(config))  # Keras takes out of it what it has read
    except Exception as error:  # whatever Keras says of a configuration that it did not write
        raise ValueError(f"damaged recipe: Keras makes no model of it ({type(error).__name__})") from error
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError("damaged recipe: it describes no model with weights")
    return model


def _count_undrawn(config: Any) -> int:
    """How many weights a configuration describes; none is drawn, none takes memory."""
    with keras.StatelessScope(initialize_variables=False):
        return sum(math.prod(v.shape) for v in _made(config).weights)


def _count(weights: Arrays) -> int:
    return sum(np.size(w) for w in weights)


def _checksum(weights: Arrays) -> int:
    """The CRC-32 of all arrays one after the other, little-endian."""
    found = 0
    for array in weights:
        found = zlib.crc32(array.astype(array.dtype.newbyteorder("<")).tobytes(), found)
    return found


if __name__ == "__main__":
    np.savez(sys.argv[1], *_draw(sys.stdin.buffer.read(), 2**40)[0])
