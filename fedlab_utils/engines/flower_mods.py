"""Flower's mods for differential privacy on our payloads: a mod of ours around one of Flower's. flwr is imported at first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..codecs import Codec, decode, require_codec

RECORD = "fedlab"  # the name of our record in a message, and of what a client remembers in its context
ARRAYS = "fedlab.delta"  # of what a mod of Flower's is shown; it never travels
Mod = Callable[[Any, Any, Callable[[Any, Any], Any]], Any]  # message, context, what comes next → reply


def on_arrays(mod: Mod, codec: Codec, rng: np.random.Generator | None = None) -> Mod:
    """A mod that lets `mod`, which acts on arrays, act on the delta of an answer: decode, `mod`, encode by `codec`.

    mod: such as Flower's LocalDpMod, which finds nothing to do in a message of ours: that holds bytes. It is shown the delta as
    an array that was zero before. codec: what travels then; of its rng the stages take their random numbers. The app's own
    uplink should be Identity(), so that the order is clip, noise, codec. Also sent as 0 is the loss, which tells of the data, and
    which no server of ours reads. Not protected: the number of samples, and a state that travels beside (running means).

    ValueError where the client keeps a residual: that would send later what was clipped now, and no bound would hold.
    """
    require_codec("codec", codec)

    def acting(message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
        from flwr.app import ArrayRecord, ConfigRecord, MessageType

        if message.metadata.message_type != MessageType.TRAIN:
            return call_next(message, context)
        if message.content[RECORD].get("feedback"):
            raise ValueError("error feedback sends later what was clipped now: use uplink=Identity() in the app")
        trained = False

        def app(message: Any, context: Any) -> Any:
            nonlocal trained
            del message.content[ARRAYS]
            reply = call_next(message, context)
            if not reply.has_error():
                record = reply.content[RECORD]
                trained = record.get("kind") == "trained"
                reply.content[ARRAYS] = ArrayRecord([decode(record["payload"]) if trained else np.ones(1, np.float32)])
            return reply

        message.content[ARRAYS] = ArrayRecord([np.zeros(1, np.float32)])
        reply = mod(message, context, app)
        if reply.has_error():
            return reply
        (delta,) = reply.content[ARRAYS].to_numpy_ndarrays()
        del reply.content[ARRAYS]
        if trained:
            record = {**reply.content[RECORD], "payload": codec.encode(delta, rng), "loss": 0.0}
            reply.content[RECORD] = ConfigRecord(record)
        return reply

    return acting
