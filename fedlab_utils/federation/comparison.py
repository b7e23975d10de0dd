"""A reader's own model and data with one codec after the other: accuracy against bytes, beside float32."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..codecs import Codec, Identity, decode, require_codec
from ..data import Dataset
from ..language import percent, say
from ..layout import n_weights
from ..measuring.names import codec_named
from ..measuring.table import as_factor, as_html, as_text
from ..training.checks import require_model
from ..training.models import keras
from ..validation import require_integer
from .history import History
from .simulate import simulate

FLOAT32 = "float32"
CODECS = ("Quantize(8)", "TopK(0.1) | Quantize(8)", "EntropyQuantize(1)", "TopK(0.01) | Quantize(8)")  # where nobody says which
SET_HERE = {"uplink": "codecs", "downlink": "codecs", "seed": "seeds", "on_round": "progress"}  # of simulate: by what here


class Chosen(NamedTuple):
    """What is sent: a name, and the codec of each direction."""

    name: str
    uplink: Codec
    downlink: Codec


class Row(NamedTuple):
    """What a codec has come to after the last round. accuracy, low, high: on the test set, mean, lowest and highest over the
    seeds. Bytes are means over the seeds: uplink_bytes, downlink_bytes (updates only), first_model_bytes, and total_bytes of
    all three; factor: that of float32 over it."""

    codec: str
    seeds: int
    accuracy: float
    low: float
    high: float
    uplink_bytes: float
    downlink_bytes: float
    first_model_bytes: float
    total_bytes: float
    factor: float


@dataclass(repr=False)
class Comparison:
    """Trainings of one model, one after the other; `compare` makes it, `add` goes on. What is measured is never lost.

    histories: by name, a `History` a seed; "float32" is the first. notes: by name, what was not finished, and why.
    """

    model: keras.Model
    data: Dataset
    clients: Sequence[np.ndarray]
    rounds: int
    seeds: int
    options: dict[str, Any]
    histories: dict[str, list[History]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, *codecs: Any, progress: bool = True) -> Comparison:
        """Train with these codecs too (see `compare`); one that stands in the table already is not trained again.

        All are tried on the model's weights before the first is trained: ValueError or TypeError naming the one that fails. A
        training that fails or is interrupted becomes a note, as do those that were to come after an interruption; what was
        measured before it stays. What fails with float32, the first of all, is raised.
        """
        chosen = [choice for choice in map(_chosen, (FLOAT32, *codecs)) if choice.name not in self.histories]
        for choice in chosen:
            _try(choice, self.model)
        with _bar(len(chosen) * self.seeds * self.rounds) if progress else nullcontext() as bar:
            for place, choice in enumerate(chosen):
                if not self._train(choice, bar):
                    for name in dict.fromkeys(later.name for later in chosen[place + 1 :]):
                        self.notes[name] = say(f"{name} is not in the table: interrupted before it began.",
                                               f"表中没有 {name}：还没开始就中断了。")  # fmt: skip
                    break
        return self

    def _train(self, choice: Chosen, bar: Any) -> bool:
        """All seeds of one codec; whether to go on with the next."""
        histories: list[History] = []
        so_far = History()
        self.notes.pop(choice.name, None)

        def on_round(history: History) -> None:
            nonlocal so_far
            so_far = history
            if bar is not None:
                bar.update()
                bar.set_postfix_str(f"{choice.name}: {percent(history.accuracy[-1], 1)}")

        try:
            for seed in range(self.seeds):
                so_far = History()
                histories.append(simulate(
                    self.model, self.data, self.clients, rounds=self.rounds, uplink=choice.uplink, downlink=choice.downlink,
                    seed=seed, on_round=on_round, **self.options,
                ))  # fmt: skip
        except KeyboardInterrupt:
            self._note(choice.name, so_far, say("interrupted", "已中断"))
            return False
        except Exception as error:
            if not self.histories:
                raise  # nothing is measured yet, and what float32 cannot do nobody can
            self._note(choice.name, so_far, str(error))
        else:
            self.histories[choice.name] = histories
        return True

    def _note(self, name: str, so_far: History, why: str) -> None:
        done = len(so_far.accuracy)
        self.notes[name] = say(f"{name} is not in the table: {why} (rounds finished: {done} of {self.rounds}).",
                               f"表中没有 {name}：{why}（{self.rounds} 轮中完成了 {done} 轮）。")  # fmt: skip

    @property
    def rows(self) -> list[Row]:
        """A row a codec, in the order in which they were trained."""
        dense = _mean_total(self.histories[FLOAT32]) if FLOAT32 in self.histories else float("nan")
        return [_row(name, histories, dense) for name, histories in self.histories.items()]

    def __str__(self) -> str:
        return as_text(self._title(), _heads(), map(_cells, self.rows), self._remarks())

    __repr__ = __str__  # not all of its data and histories

    def _repr_html_(self) -> str:
        return as_html(self._title(), _heads(), map(_cells, self.rows), self._remarks())

    def _title(self) -> str:
        n, clients = f"{n_weights([w.shape for w in self.model.get_weights()]):,}", len(self.clients)
        return say(f"{n} weights, {clients} clients, {self.rounds} rounds, seeds: {self.seeds}",
                   f"{n} 个权重，{clients} 个客户端，{self.rounds} 轮，种子数 {self.seeds}")  # fmt: skip

    def _remarks(self) -> list[str]:
        said = say("Bytes: of all messages; one codec goes both ways, a pair is up / down. First model: what first models take "
                   "of the downlink, not counted in bytes down. Factor: all bytes of float32 over all bytes.",
                   "字节数：全部消息之和；只写一个编解码器时双向都用它，一对则是“上行 / 下行”。初始模型：下行中首次下发模型的"
                   "部分，不计入下行字节。倍数：float32 的总字节数除以这里的总字节数。")  # fmt: skip
        lone = say("One seed: a difference of a point may be chance; seeds=3 shows the spread.",
                   "只有一个种子：相差一个百分点可能只是偶然；用 seeds=3 看波动。")  # fmt: skip
        return [said, *([lone] if self.seeds == 1 else []), *self.notes.values()]


def compare(
    model: keras.Model, data: Dataset, clients: Sequence[np.ndarray], codecs: Any = CODECS, *, rounds: int = 10,
    seeds: int = 1, progress: bool = True, **options: Any,
) -> Comparison:  # fmt: skip
    """Train a model with float32 and with each of the codecs, and set accuracy against bytes.

    model, data, clients: as `simulate` takes them; `datasets.from_arrays` and `from_csv` make a Dataset of your own numbers,
    `partition_iid` and its like the clients. codecs: one or several; each a codec or its text, "TopK(0.01) | Quantize(8)", sent
    both ways, or a pair of them (uplink, downlink). seeds: each codec is trained with the seeds 0 … seeds - 1; all start from
    the weights that the model has. progress: a bar. options: of `simulate`, such as local_epochs or first_model.
    Returns a `Comparison`, which a notebook shows as a table: accuracy on the test set after the last round, bytes up, down and
    of first models, and the factor against float32. Interrupted, it returns what is measured by then; a codec with which
    training fails or diverges is told below the table.
    TypeError or ValueError before anything is trained: what `simulate` refuses of model, data and options, a text that is no
    codec, a codec that does not take the model's weights.
    """
    rounds, seeds = require_integer("rounds", rounds, 1), require_integer("seeds", seeds, 1)
    if others := [name for name in options if name in SET_HERE]:
        raise TypeError(say(f"{others[0]} cannot be passed here: {SET_HERE[others[0]]} decides it",
                            f"这里不能传入 {others[0]}：由 {SET_HERE[others[0]]} 决定"))  # fmt: skip
    given = [codecs] if isinstance(codecs, (str, Codec)) else list(codecs)
    require_model(model)
    comparison = Comparison(model, data, clients, rounds, seeds, options)
    return comparison.add(*given, progress=progress)


def _chosen(given: Any) -> Chosen:
    """A codec, its text, or a pair of them, with the name under which it stands in the table."""
    if isinstance(given, (tuple, list)) and len(given) == 2:
        up, down = map(_chosen, given)
        return Chosen(f"{up.name} / {down.name}", up.uplink, down.uplink)
    if given == FLOAT32:
        given = Identity()
    codec = codec_named(given) if isinstance(given, str) else require_codec("codecs", given)
    name = FLOAT32 if type(codec) is Identity else given.strip() if isinstance(given, str) else repr(codec)
    return Chosen(name, codec, codec)


def _try(choice: Chosen, model: keras.Model) -> None:
    """ValueError naming a codec that does not take the weights of the model that gradients train."""
    arrays = [variable.numpy() for variable in model.trainable_variables]
    for codec in {id(codec): codec for codec in (choice.uplink, choice.downlink)}.values():
        try:
            n = n_weights([array.shape for array in arrays])
            received = decode(codec.encode(arrays, np.random.default_rng(0)), max_weights=n)
            if received.size != n:
                raise ValueError(say(f"{received.size} of {n} weights come back", f"{n} 个权重只回来 {received.size} 个"))
        except Exception as error:
            raise ValueError(say(f"{choice.name} does not take the weights of this model: {error}",
                                 f"{choice.name} 无法编码这个模型的权重：{error}")) from error  # fmt: skip


def _bar(total: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, unit=say(" rounds", " 轮"))


def _mean_total(histories: list[History]) -> float:
    return float(np.mean([history.total_bytes()[-1] for history in histories]))


def _row(name: str, histories: list[History], dense: float) -> Row:
    accuracy = [history.accuracy[-1] for history in histories]
    up, down, first = (float(np.mean([sum(getattr(history, column)) for history in histories]))
                       for column in ("uplink_bytes", "downlink_bytes", "first_model_bytes"))  # fmt: skip
    total = _mean_total(histories)
    return Row(name, len(histories), float(np.mean(accuracy)), min(accuracy), max(accuracy), up, down - first, first, total,
               dense / total)  # fmt: skip


def _heads() -> list[str]:
    return [say("codec", "编解码器"), say("accuracy", "准确率"), say("bytes up", "上行字节"), say("bytes down", "下行字节"),
            say("first model", "初始模型"), say("all bytes", "总字节"), say("factor", "倍数")]  # fmt: skip


def _cells(row: Row) -> list[str]:
    spread = f" ({100 * row.low:.1f}–{100 * row.high:.1f})" if row.seeds > 1 else ""
    sizes = (row.uplink_bytes, row.downlink_bytes, row.first_model_bytes, row.total_bytes)
    return [row.codec, percent(row.accuracy, 1) + spread, *(f"{size:,.0f}" for size in sizes), as_factor(row.factor)]
