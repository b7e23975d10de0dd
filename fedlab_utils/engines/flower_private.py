"""The only module that touches what Flower does not promise to keep, and why it has to.

- `flwr.supercore.task_identity.TaskIdentity`: every `Message` reads from it in whose name it is made. Flower sets it when it
  starts a process for an app; an app that is called directly, in the process that it was made in, has to set it itself.
- `_message_id` of a message's metadata: has no setter, and Flower's grids write it when they push a message.
- `flwr.common.serde`: a message as the protobuf that travels. Public by its name, but in no reference of Flower's.
- `flwr.common.secure_aggregation`: what a client uploads under SecAgg+, for the chapter, which counts its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def act_as(run: int, node: int) -> None:
    """Make messages in the name of this node (1 is the server's) from now on."""
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = run, node, node


def to_bytes(message: Any, message_id: str) -> bytes:
    """A message under an id as the bytes of its protobuf."""
    from flwr.common.serde import message_to_proto

    proto = message_to_proto(message)
    proto.metadata.message_id = message_id
    return proto.SerializeToString()


def name_message(message: Any, message_id: str) -> None:
    """Give a message that was pushed its id, as Flower's own grids do."""
    message.metadata.__dict__["_message_id"] = message_id


def from_bytes(data: bytes) -> Any:
    """The inverse of `to_bytes`."""
    from flwr.common.serde import message_from_proto
    from flwr.proto.message_pb2 import Message

    return message_from_proto(Message.FromString(data))


def context_to_bytes(context: Any) -> bytes:
    """What Flower keeps for a node between messages, as the bytes of its protobuf."""
    from flwr.common.serde import context_to_proto

    return context_to_proto(context).SerializeToString()


def context_from_bytes(data: bytes) -> Any:
    """The inverse of `context_to_bytes`."""
    from flwr.common.serde import context_from_proto
    from flwr.proto.message_pb2 import Context

    return context_from_proto(Context.FromString(data))


def secagg_upload(arrays: Sequence[np.ndarray], seeds: Sequence[bytes]) -> list[bytes]:
    """What a client of Flower's SecAgg+ uploads of these float arrays, by its own functions and with its default settings.

    seeds: of its own mask and of those that it shares with its neighbours, each of a multiple of four bytes.
    """
    from flwr.common import ndarray_to_bytes
    from flwr.common.secure_aggregation import ndarrays_arithmetic as sums
    from flwr.common.secure_aggregation.quantization import quantize
    from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

    modulus = 2**32
    values = sums.factor_combine(1, quantize(list(arrays), 8.0, 2**22))
    for seed in seeds:
        values = sums.parameters_addition(values, pseudo_rand_gen(seed, modulus, [array.shape for array in values]))
    return [ndarray_to_bytes(array) for array in sums.parameters_mod(values, modulus)]
