"""Keras models of the book. Importing this module imports TensorFlow, without the log lines it writes to stderr."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator

from ..language import say

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


@contextlib.contextmanager
def _stderr_discarded() -> Iterator[None]:
    # TensorFlow's C++ side logs to file descriptor 2 before its log level is read; a notebook would show that in red.
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


try:
    with _stderr_discarded():
        import keras
        import tensorflow as tf  # noqa: F401  (others import it from here, quietly)
except ModuleNotFoundError as error:
    if error.name not in ("keras", "tensorflow"):
        raise
    raise ImportError(
        say("Training needs TensorFlow with Keras, which this Python has not got; a browser's Python never has. Without them "
            "work every codec, fl.measure on arrays, .npz and .safetensors, the composer, and the apps that train nothing. For "
            "the rest run `make lab` on a computer of your own, or open the book on Binder.",
            "训练需要 TensorFlow 和 Keras，而这个 Python 里没有；网页里运行的 Python 永远没有。不训练的照样能用：全部编解码器，"
            "对数组、.npz 和 .safetensors 用 fl.measure，编解码器工坊，以及不训练的小应用。其余的请在自己的电脑上运行 "
            "`make lab`，或在 Binder 上打开本书。")
    ) from None  # fmt: skip

if keras.backend.backend() != "tensorflow":
    raise ImportError(say(
        f"fedlab_utils trains with Keras on TensorFlow, but Keras runs on {keras.backend.backend()!r}: "
        "set the environment variable KERAS_BACKEND=tensorflow before starting Python",
        f"fedlab_utils 用 TensorFlow 上的 Keras 训练，而现在 Keras 用的是 {keras.backend.backend()!r}："
        "请在启动 Python 之前设置环境变量 KERAS_BACKEND=tensorflow"))  # fmt: skip
Loss = keras.losses.Loss | Callable | str  # what Keras takes for one

# "Using a while_loop for converting StatelessRandom…": true, harmless, and repeated at every graph.
logging.getLogger("tensorflow").setLevel(logging.ERROR)


def document_mlp(seed: int = 0) -> keras.Model:
    """The model of the document, section 5.2: 784 → 128 (ReLU) → dropout 0.2 → 10 (softmax), 101,770 weights.

    Input float32 [batch, 28, 28], output float32 [batch, 10], each row summing to 1. The same seed gives the same weights.
    """
    initializers = [keras.initializers.GlorotUniform(seed=2 * seed + layer) for layer in range(2)]
    return keras.Sequential(
        [
            keras.Input((28, 28), name="image"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(128, activation="relu", kernel_initializer=initializers[0], name="hidden"),
            keras.layers.Dropout(0.2, seed=seed, name="dropout"),
            keras.layers.Dense(10, activation="softmax", kernel_initializer=initializers[1], name="digits"),
        ],
        name="document_mlp",
    )
