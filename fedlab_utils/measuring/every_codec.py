"""A reader's own vector through one codec after the other: bytes, error, seconds."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np

from ..codecs import Codec, decode, require_codec
from ..language import say
from ..layout import unflatten
from ..theory import bits_per_weight, nmse
from ..validation import require_integer
from .names import codec_named
from .sources import Entry, Source, Unreadable, open_source
from .table import Row, Table

# One or two of each family, by what they cost: what is measured where nobody says of what.
COMMON = (
    "Identity()",
    "BFloat16()",
    "Float16()",
    "Quantize(8)",
    'Quantize(8, ranges="array")',
    "Quantize(4)",
    "EntropyQuantize(2)",
    "EntropyQuantize(1)",
    "Eden(1)",
    "Sign()",
    "QSGD(16)",
    "RandomK(0.01) | Quantize(8)",
    "TopK(0.1) | Quantize(8)",
    "TopK(0.01) | Quantize(8)",
    "TopK(0.01) | EntropyQuantize(2)",
    "TopK(0.01) | Sign()",
)
# Those that need more than 45 bytes of memory a weight, and up to how many weights they are measured unasked.
LIMITED = {"Eden(1)": 2**24}


def measure(
    before: Any,
    after: Any = None,
    codecs: str | Codec | Sequence[str | Codec] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Table:
    """Every codec's real bytes, error and seconds on a reader's own vector: after - before, or `before` itself if it is alone.

    before, after: a path (.keras, .weights.h5, .npz, .npy, .safetensors; a pickle is never opened), a Keras model, a list of
    arrays as model.get_weights() gives it, a dict of arrays by name, or one array. Named tensors belong together by name, those
    of lists and models by place. Floating-point tensors are coded in one message, as float32; whole numbers are left out, and
    the table says which. Running means and variances are coded like the rest, which `simulate` sends as they are.
    codecs: one or several, or their texts, "TopK(0.01) | Quantize(8)"; None: `COMMON`, one or two of each family.
    seed: of numpy.random.default_rng, anew for each codec. progress: a bar. A codec that refuses the vector is told below the
    table. About 45 bytes of memory a weight. ValueError, TypeError or FileNotFoundError in one sentence, naming the tensor.
    """
    require_integer("seed", seed, 0)
    chosen = _chosen(codecs)
    if _means_codecs(after):
        raise Unreadable(say(f"the second argument is another checkpoint: for codecs write codecs={after!r}",
                             f"第二个参数应为另一个检查点；要指定编解码器，请写 codecs={after!r}"))  # fmt: skip
    with open_source("before", before) as first, nullcontext() if after is None else open_source("after", after) as second:
        vector, shapes = _vector(first, second)
        whole = first.is_array
        what = first.title if second is None else say(f"{second.title} minus {first.title}", f"{second.title} 减 {first.title}")
        table = Table(what, vector.size, len(shapes), notes=_left_out(first, second))
    if not vector.any():
        table.notes.append(say("Every weight is zero.", "所有权重都是零。"))
    if codecs is None:
        chosen = _without_limited(chosen, vector.size, len(shapes), table.notes)
    parts = vector if whole else unflatten(vector, shapes)
    for name, codec in _shown(chosen, progress):
        try:
            table.rows.append(_row(name, codec, parts, vector, seed))
        except ValueError as error:
            table.notes.append(say(f"{name} does not take it: {error}.", f"{name} 无法编码：{error}。"))
    named = dict(chosen)
    if above := [row.codec for row in table if row.nmse > 1 and not named[row.codec].feedback_bounded(vector.size)]:
        table.notes.append(say(f"{above[0]} errs by more than the vector itself: it is right on the average of many messages.",
                               f"{above[0]} 的误差比向量本身还大：它要靠许多条消息取平均才准。"))  # fmt: skip
    if not table.rows:
        raise ValueError(" ".join(table.notes[-len(chosen) :]))
    return table


def _means_codecs(after: Any) -> bool:
    """Whether what stands in the place of a checkpoint is one codec or several, or the text of one and no file's name."""
    if isinstance(after, (list, tuple)):
        return len(after) > 0 and all(isinstance(one, (str, Codec)) for one in after)
    if isinstance(after, str) and not os.path.exists(after):
        with suppress(ValueError):
            after = codec_named(after)
    return isinstance(after, Codec)


def _chosen(codecs: Any) -> list[tuple[str, Codec]]:
    """Codecs with the names under which they stand in the table."""
    given = COMMON if codecs is None else [codecs] if isinstance(codecs, (str, Codec)) else list(codecs)
    if not given:
        raise ValueError(say("codecs is empty: pass one or more", "codecs 是空的：请至少给出一个编解码器"))
    named = ((codec, codec_named(codec)) if isinstance(codec, str) else (repr(codec), codec) for codec in given)
    return [(name, require_codec("codecs", codec)) for name, codec in named]


def _without_limited(chosen: list[tuple[str, Codec]], n: int, arrays: int, notes: list[str]) -> list[tuple[str, Codec]]:
    for name, limit in LIMITED.items():
        if n > limit:
            notes.append(say(f"{name} is left out above {limit:,} weights, for its memory; ask for it by name.",
                             f"权重超过 {limit:,} 个时不测 {name}（太占内存），需要时请指定它的名字。"))  # fmt: skip
    return [
        (name, codec) for name, codec in chosen
        if n <= LIMITED.get(name, n) and not (codec.follows_layout and arrays == 1)  # of one array the same as without
    ]  # fmt: skip


def _shown(chosen: list[tuple[str, Codec]], progress: bool) -> Iterable[tuple[str, Codec]]:
    if not progress:
        return chosen
    from tqdm import tqdm

    return tqdm(chosen, desc=say("codecs", "编解码器"), leave=False)


def _row(name: str, codec: Codec, parts: Any, vector: np.ndarray, seed: int) -> Row:
    with suppress(ValueError):  # what a first call imports or works out once is not this vector's
        decode(codec.encode(vector[:1], np.random.default_rng(seed)), max_weights=1)
    payload, encoding = _timed(lambda: codec.encode(parts, np.random.default_rng(seed)))
    decoded, decoding = _timed(lambda: decode(payload, max_weights=vector.size))
    return Row(
        name, len(payload), bits_per_weight(payload, vector.size), 4 * vector.size / len(payload), nmse(vector, decoded),
        encoding, decoding, np.array_equal(vector, decoded),
    )  # fmt: skip


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    before = time.process_time()
    return call(), time.process_time() - before


def _left_out(first: Source, second: Source | None) -> list[str]:
    names = list(dict.fromkeys([*first.left_out, *(second.left_out if second else [])]))
    if not names:
        return []
    more = say(f" and {len(names) - 5} more", f"等 {len(names)} 项") if len(names) > 5 else ""
    shown = say(", ", "、").join(names[:5]) + more
    return [say(f"Left out, for they are no weights: {shown}.", f"没有计入（不是权重）：{shown}。")]


def _vector(first: Source, second: Source | None) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """What is coded, float32 [n], and the shapes of its arrays; read tensor by tensor, so that no model lies here twice."""
    shapes = [entry.shape for entry in first.entries]
    others = [None] * len(shapes) if second is None else _matched(first, second)
    vector, end = np.empty(sum(map(math.prod, shapes)), np.float32), 0
    for entry, other in zip(first.entries, others, strict=True):
        values = _finite(first, entry)
        if second is not None and other is not None:
            later = _finite(second, other)
            with np.errstate(over="ignore"):
                values = np.subtract(later, values, dtype=np.result_type(np.float32, later, values))
        with np.errstate(over="ignore"):
            vector[end : end + values.size] = values.ravel()
        if not np.isfinite(vector[end : end + values.size]).all():
            raise Unreadable(say(f"{entry.name} holds values beyond float32", f"{entry.name} 里有超出 float32 范围的值"))
        end += values.size
    return vector, shapes


def _finite(source: Source, entry: Entry) -> np.ndarray:
    values = entry.read()
    if not (good := np.isfinite(values)).all():
        place = np.argwhere(~good)[0].tolist()
        value = values[tuple(place)]
        raise Unreadable(say(f"{source.title}: {entry.name} must be finite, but at {place} it is {value}",
                             f"{source.title}：{entry.name} 在 {place} 处是 {value}，必须是有限的数"))  # fmt: skip
    return values


def _matched(first: Source, second: Source) -> list[Entry]:
    """The tensors of the second source in the order of the first. ValueError naming the first that has no partner."""
    one, two = first.title, second.title
    if first.named != second.named:
        names, places = (one, two) if first.named else (two, one)
        raise Unreadable(say(f"the tensors of {names} have names, those of {places} have none: give both in the same way",
                             f"{names} 的张量有名字，{places} 的没有：请用同一种方式给出两者"))  # fmt: skip
    if first.named:
        here, found = ({entry.name: entry for entry in source.entries} for source in (first, second))
        for name in (name for name in [*here, *found] if name not in here or name not in found):
            has, lacks = (one, two) if name in here else (two, one)
            raise Unreadable(say(f"{has} holds {name}, {lacks} does not: both must have the same tensors",
                                 f"{has} 里有 {name}，{lacks} 里没有：两者的张量必须相同"))  # fmt: skip
        others = [found[name] for name in here]
    else:
        others = second.entries
        if len(others) != len(first.entries):
            raise Unreadable(say(f"{one} holds {len(first.entries)} arrays, {two} {len(others)}: both must have the same",
                                 f"{one} 有 {len(first.entries)} 个数组，{two} 有 {len(others)} 个：两者必须相同"))  # fmt: skip
    for entry, other in zip(first.entries, others, strict=True):
        if entry.shape != other.shape:
            raise Unreadable(say(f"{entry.name} has the shape {entry.shape} in {one} and {other.shape} in {two}",
                                 f"{entry.name} 的形状在 {one} 里是 {entry.shape}，在 {two} 里是 {other.shape}"))  # fmt: skip
    return others
