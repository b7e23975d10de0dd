"""What the checkers of codecs share: the message that a reader's codec makes, and the training that it serves."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...codecs import Codec, decode
from ...data import load_client_delta, load_mnist
from .base import Wrong, attempt, told

if TYPE_CHECKING:
    from ...federation.history import History


def kind_of(value: Any) -> str:
    """The type of an answer as a message shows it: `str`, `class TopK`, `(str, str)`."""
    if isinstance(value, type):
        return f"class {value.__name__}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join([*map(kind_of, value[:4]), *['…'][: len(value) > 4]])})"
    return type(value).__name__


class Decoding:
    """A codec whose payloads are decoded already."""

    def __init__(self, codec: Codec):
        self.codec = codec

    def encode(self, x: ArrayLike, rng: np.random.Generator | None = None) -> np.ndarray:
        return decode(self.codec.encode(x, rng))


def attempt_bytes(function: Any, arguments: Sequence[Any], decoded: Sequence[Any], en: str, zh: str) -> Any:
    """`attempt`; a function that raises, but not when payloads come decoded, has computed with bytes: this `Wrong`."""
    try:
        return attempt(function, *arguments)
    except Wrong as wrong:
        if wrong.__cause__ is None or not _runs(function, decoded):  # no cause: it did not raise
            raise
        raise Wrong(en, zh) from wrong


def _runs(function: Any, arguments: Sequence[Any]) -> bool:
    try:
        attempt(function, *arguments)
    except Exception:
        return False
    return True


def message_of(codec: Any) -> bytes:
    """What a codec makes of the shipped delta; `Wrong` where a codec of the reader's own has another `encode` than ours."""
    try:
        inspect.signature(codec.encode).bind(None, None)
    except TypeError:
        wanted = "encode(self, x, rng=None)"
        raise Wrong(f"encode must take x and rng: {wanted}.", f"encode 应当接受 x 和 rng 两个参数：{wanted}。") from None
    message = codec.encode(load_client_delta(), np.random.default_rng(0))
    if not isinstance(message, bytes):
        kind = type(message).__name__
        raise Wrong(f"encode must return bytes, got {kind}.", f"encode 应当返回 bytes，得到的是 {kind}。")
    return message


def held_out(clients: Sequence[np.ndarray], n_samples: int) -> np.ndarray:
    """Samples to choose by: every ninth of those that no client has, int [n]."""
    return np.setdiff1d(np.arange(n_samples), np.concatenate(clients))[::9]


def hold_accuracy(spent: tuple[str, str], validation: float, test: float, wanted: float) -> tuple[str, str]:
    """`Wrong` where a training that kept to its budget has not learnt enough, by the images held out of the training set.

    spent: what it took, in words. Only an answer that holds is told its accuracy on the test set: nobody chooses by that.
    """
    reached = deciding(validation, wanted, 3)
    if validation < wanted:
        raise Wrong(
            f"{spent[0]} within the budget, but accuracy on the validation images is {reached}, {wanted} is wanted.",
            f"{spent[1]}没有超出预算，但验证图片上的准确率是 {reached}，要求 {wanted}。",
        )
    return (
        f"{spent[0]} within the budget. Accuracy is {reached} on the validation images, and on the test set, opened only now, "
        f"{test:.3f}.",
        f"{spent[1]}没有超出预算。验证图片上的准确率是 {reached}；测试集到这时才打开，准确率是 {test:.3f}。",
    )


def deciding(value: float, bound: float, digits: int) -> str:
    """A value with at least so many digits behind the point, and as many as show on which side of the bound it lies."""
    while digits < 12 and np.sign(float(f"{value:.{digits}f}") - bound) != np.sign(value - bound):
        digits += 1
    return f"{value:.{digits}f}"


def megabytes(total_bytes: int) -> tuple[str, str]:
    """The spent of `hold_accuracy`."""
    return f"{total_bytes / 1e6:.2f} MB in all are", f"一共 {total_bytes / 1e6:.2f} MB，"


def trained(uplink: Codec, downlink: Codec, seed: int = 0) -> History:
    """The document's model after ten rounds of ten clients with these codecs: a `History`, with images held out.

    seed: of the first weights and of the training; checkers use 0.
    """
    from ...federation.simulate import simulate
    from ...training.models import document_mlp
    from ..widgets.lab_training import clients_of  # these train: TensorFlow only where it is needed

    with told("the training stopped:", "训练中断："):
        for codec in (uplink, downlink):
            message_of(codec)
        data, clients = load_mnist(), clients_of("iid", 10)
        validation = held_out(clients, len(data.y_train))
        model = document_mlp(seed=seed)
        return simulate(
            model, data, clients, rounds=10, uplink=uplink, downlink=downlink, validation=validation, seed=seed
        )  # fmt: skip
