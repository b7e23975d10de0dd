"""What the checkers of codecs share: the message that a reader's codec makes, and the training that it serves."""

from __future__ import annotations

import inspect

import numpy as np

from ..datasets import load_client_delta, load_mnist
from .base import Wrong, told


def message_of(codec) -> bytes:
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


def trained(uplink, downlink):
    """The document's model after ten rounds of ten clients with these codecs: a `History`."""
    from ..federated import simulate
    from ..models import document_mlp
    from ..widgets.lab_training import clients_of  # these train: TensorFlow only where it is needed

    with told("the training stopped:", "训练中断："):
        for codec in (uplink, downlink):
            message_of(codec)
        return simulate(document_mlp(seed=0), load_mnist(), clients_of("iid", 10), rounds=10, uplink=uplink, downlink=downlink)
