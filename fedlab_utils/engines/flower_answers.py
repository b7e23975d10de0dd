"""What a server under Flower believes of an answer: its form, its bytes, its numbers. Everything in it is a stranger's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..codecs import FORMAT, Reader, decode
from ..codecs.shapes import read_shapes
from ..layout import Shapes, n_weights
from .flower_plan import Plan

SPARE_BYTES = 2**16  # a reply may be so much longer than twice its weights as float32; no codec of ours comes near
KINDS: dict[str, dict[str, type]] = {
    "trained": {"payload": bytes, "samples": int, "loss": float},
    "silent": {},
    "stale": {},
    "diverged": {"why": str},
    "refused": {"why": str},
    "measured": {"accuracy": float, "loss": float},
}


class Answer(NamedTuple):
    """What came of a client. number: the round that it was asked in (from 0). record: None where nothing came, or an error
    of the engine, which `error` tells."""

    client: int
    number: int
    record: Mapping[str, Any] | None
    error: str = ""


class NotUsable(ValueError):
    """Why an answer is not used."""


class Update(NamedTuple):
    """An answer that is used: float32 [n], float32 [m], and the samples that the client says it has."""

    delta: np.ndarray
    state: np.ndarray
    samples: int


def kind_of(answer: Answer, number: int, plan: Plan) -> str:
    """The kind of an answer to round `number` (from 0) that has all that its kind needs, of the right types; `NotUsable` for
    any other."""
    if answer.record is None:
        raise NotUsable(answer.error or f"no answer within {plan.timeout:g} s")
    record = answer.record
    if record.get("format") != FORMAT:
        theirs = f"{record.get('format')!r:.40}"
        raise NotUsable(f"it speaks payload format {theirs}, this server {FORMAT}: use the same fedlab_utils on both sides")
    kind = record.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise NotUsable(f"its answer is of no kind that there is, {kind!r:.40}")
    if kind != "refused" and record.get("plan") != plan.agreement():
        raise NotUsable("it trains by another plan (codec, seed, batches, …) than this server")
    if record.get("round") != number:
        raise NotUsable(f"its answer says that it is to round {record.get('round')!r:.40} (from 0)")
    for name, of in KINDS[kind].items():
        if type(record.get(name)) is not of:
            raise NotUsable(f"its answer has no {name} ({of.__name__}), but {type(record.get(name)).__name__}")
    return kind


def update_in(record: Mapping[str, Any], shapes: Shapes, of_state: int, plan: Plan) -> Update:
    """The update in an answer of the kind "trained". shapes: of the arrays of the model; of_state: how many values its state
    has. `NotUsable` for bytes that are none, that are damaged or hostile, and for numbers that cannot be."""
    if not 1 <= record["samples"] <= plan.max_samples:
        raise NotUsable(f"it says that it has {record['samples']} samples, and 1 … {plan.max_samples} are believed")
    delta = vector_in("payload", record["payload"], n_weights(shapes))
    if (told := told_layout(record["payload"])) and told != [tuple(map(int, shape)) for shape in shapes]:
        raise NotUsable(f"its payload is of other arrays, {told}")
    state = vector_in("state", record.get("state", b""), of_state) if of_state else np.zeros(0, np.float32)
    return Update(delta, state, record["samples"])


def vector_in(name: str, payload: Any, n: int) -> np.ndarray:
    """A client's payload of n weights, decoded; `NotUsable` for anything else."""
    if not isinstance(payload, bytes):
        raise NotUsable(f"its {name} is {type(payload).__name__}, not bytes")
    if len(payload) > 8 * n + SPARE_BYTES:
        raise NotUsable(f"its {name} has {len(payload)} bytes, and {4 * n} would do for float32")
    try:
        vector = decode(payload, max_weights=n)
    except ValueError as error:
        raise NotUsable(f"its {name} cannot be decoded: {error}") from error
    except Exception as error:  # a stage of the reader's own, which may raise what it likes at a stranger's bytes
        raise NotUsable(f"its {name} cannot be decoded: {type(error).__name__}: {error}") from error
    if vector.size != n:
        raise NotUsable(f"its {name} holds {vector.size} weights, the model has {n}")
    if not np.isfinite(vector).all():
        raise NotUsable(f"its {name} decodes to values beyond float32")
    return vector


def told_layout(payload: bytes) -> list[tuple[int, ...]] | None:
    """The shapes that a payload tells, None where it tells none. The payload has been decoded before."""
    reader = Reader(payload)
    n = reader.varint()
    return read_shapes(reader, n).shapes if reader.byte() == 0xA0 else None
