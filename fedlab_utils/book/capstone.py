"""The capstone of the book: 95 % on two shards within a budget, all bytes both ways, judged with seeds that nobody has seen.

What is learnt is the document's model on MNIST; 100 clients hold two shards each of 54,000 training images, and 6,000 are held
out to rehearse on. A recipe is keyword arguments of `simulate`: how to train and what to send, never on what or with which
seed. Its three seeds are a hash of it: the same recipe has the same seeds whoever submits it and however often, so that luck
cannot be drawn again, and anybody can judge a line of the board anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..codecs import Codec
from ..data import DELTA_SHAPES, load_client_delta, load_mnist, partition_shards
from ..federation.account import require_broadcast
from ..federation.history import Diverged, History
from ..federation.simulate import simulate
from ..language import percent, say
from ..layout import unflatten
from ..measuring.names import codec_named
from ..training.models import document_mlp
from ..validation import require_fraction, require_integer, require_number
from .exercises.base import SIGNS, Verdict
from .exercises.memory import alone
from .exercises.sending import deciding
from .scoreboard import BUDGET_BYTES, FIRST_SEED, SEEDS, WANTED, Board, Run, Submission, add, board, key_of, read, seeds_of

FILE = "scoreboard.jsonl"
CLIENTS, HELD_OUT = 100, 6000
MOST_WORK = 10_000  # local epochs of all clients in all rounds: some minutes a seed
LONGEST_NAME = 40
LAST_REHEARSAL = FIRST_SEED - 1  # seeds of judging begin where those of rehearsals end
# What a recipe may say, what it says if it does not, and what checks it.
DEFAULTS: dict[str, Any] = {
    "rounds": None, "clients_per_round": 10, "local_epochs": 1, "batch_size": 10, "learning_rate": 0.1,
    "server_learning_rate": 1.0, "server_momentum": 0.0, "uplink": "Identity()", "downlink": "Identity()",
    "first_model": "dense", "broadcast": "step", "error_feedback": None,
}  # fmt: skip
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "rounds": lambda name, value: require_integer(name, value, 1),
    "clients_per_round": lambda name, value: require_integer(name, value, 1, CLIENTS),
    "local_epochs": lambda name, value: require_integer(name, value, 1),
    "batch_size": lambda name, value: require_integer(name, value, 1),
    "learning_rate": lambda name, value: _rounded(require_number(name, value, 0)),
    "server_learning_rate": lambda name, value: _rounded(require_number(name, value, 0)),
    "server_momentum": lambda name, value: _rounded(require_fraction(name, value)),
    "uplink": lambda name, value: _codec_text(name, value),
    "downlink": lambda name, value: _codec_text(name, value),
    "first_model": lambda name, value: _first_model(name, value),
}


def _rounded(value: float) -> float:
    """Three digits, so that a change that changes nothing draws no other seeds."""
    return float(f"{value:.3g}")


def _codec_text(name: str, value: Any) -> str:
    """A codec as the text that makes it anew: an object of another class than the book's own is never run.

    ValueError or TypeError naming what is no codec of the book, or does not take the model's weights.
    """
    if not isinstance(value, (str, Codec)):
        raise TypeError(say(f"{name} must be a codec of the book or its text, 'TopK(0.01) | Quantize(8)', got {value!r}",
                            f"{name} 应为本书的编解码器或其文字写法，如 'TopK(0.01) | Sign()'，收到 {value!r}"))  # fmt: skip
    codec = codec_named(value if isinstance(value, str) else repr(value))
    codec.encode(unflatten(load_client_delta(), DELTA_SHAPES), np.random.default_rng(0))
    return repr(codec)


def _first_model(name: str, value: Any) -> str:
    if isinstance(value, str) and value in ("dense", "seed"):
        return value
    try:
        return _codec_text(name, value)
    except (ValueError, TypeError) as error:
        raise type(error)(say(f"{name} must be 'dense', 'seed' or a codec: {error}",
                              f"{name} 应为 'dense'、'seed' 或一个编解码器：{error}")) from None  # fmt: skip


def checked(recipe: Any) -> dict[str, Any]:
    """A recipe as it is judged: what differs from `DEFAULTS`, codecs as texts, numbers to three digits.

    TypeError or ValueError, in one sentence, for anything that is no recipe.
    """
    if not isinstance(recipe, Mapping):
        raise TypeError(say(f"a recipe is a dict of keyword arguments of fl.simulate, got {type(recipe).__name__}",
                            f"方案应为字典，写 fl.simulate 的关键字参数，收到的是 {type(recipe).__name__}"))  # fmt: skip
    if others := [name for name in recipe if name not in DEFAULTS]:
        raise ValueError(say(f"{others[0]!r} is no part of a recipe; these are: {', '.join(DEFAULTS)}",
                             f"方案里不能有 {others[0]!r}；可用的有 {'、'.join(DEFAULTS)}"))  # fmt: skip
    if "rounds" not in recipe:
        raise ValueError(say("a recipe must say how many rounds", "方案必须写明轮数 rounds"))
    feedback = recipe.get("error_feedback")
    if not (feedback is None or isinstance(feedback, bool)):
        raise TypeError(say(f"error_feedback must be None, True or False, got {feedback!r}",
                            f"error_feedback 应为 None、True 或 False，收到的是 {feedback!r}"))  # fmt: skip
    whole = DEFAULTS | {name: _CHECKS.get(name, lambda _, same: same)(name, value) for name, value in recipe.items()}
    require_broadcast(whole["broadcast"], whole["first_model"])
    work = whole["rounds"] * whole["clients_per_round"] * whole["local_epochs"]
    if work > MOST_WORK:
        raise ValueError(say(
            f"rounds × clients_per_round × local_epochs is {work:,}; up to {MOST_WORK:,} are judged, for the sake of time",
            f"rounds × clients_per_round × local_epochs 是 {work:,}；为了控制时间，最多 {MOST_WORK:,}"))  # fmt: skip
    return {name: whole[name] for name in DEFAULTS if whole[name] != DEFAULTS[name]}


def _train(recipe: dict[str, Any], seed: int, judged: bool, progress: bool) -> History:
    """One training; the accuracy is that on the test set where it is judged, else on the images held out."""
    data = load_mnist()
    order = np.random.default_rng(seed).permutation(len(data.y_train))
    held_out, rest = order[:HELD_OUT], order[HELD_OUT:]
    clients = [rest[part] for part in partition_shards(data.y_train[rest], CLIENTS, shards_per_client=2, seed=seed)]
    if not judged:
        data = data._replace(x_test=data.x_train[held_out], y_test=data.y_train[held_out])
    made: dict[str, Any] = {name: codec_named(recipe[name]) for name in ("uplink", "downlink") if name in recipe}
    if recipe.get("first_model", "seed") != "seed":
        made["first_model"] = codec_named(recipe["first_model"])
    return simulate(
        document_mlp(seed=seed), data, clients, **(recipe | made), seed=seed, compile=True, progress=progress,
        on_round=lambda history: history.total_bytes()[-1] <= BUDGET_BYTES,
    )  # fmt: skip


@dataclass(frozen=True)
class Rehearsal:
    """A recipe's training on a seed of your own. history: its accuracy is that on the 6,000 images held out."""

    history: History
    seed: int
    rounds: int

    def __repr__(self) -> str:
        done, spent = len(self.history.accuracy), int(self.history.total_bytes()[-1])
        shown = deciding(100 * self.history.accuracy[-1], 100 * WANTED, 1)
        first, allowed = f"{sum(self.history.first_model_bytes) / 1e3:,.0f}", f"{BUDGET_BYTES / 1e3:,.0f}"
        up, down = (f"{sum(part) / 1e3:,.0f}" for part in (self.history.uplink_bytes, self.history.downlink_bytes))
        if done < self.rounds:
            text = say(f"stopped: the budget was spent in round {done} of {self.rounds}; accuracy was {shown} % then",
                       f"中止：第 {done}/{self.rounds} 轮时预算已经用完，当时准确率 {shown}%")  # fmt: skip
        else:
            text = say(f"{shown} % on the images held out after {done} rounds", f"{done} 轮后，留出图片上的准确率 {shown}%")
        fits = done == self.rounds and spent <= BUDGET_BYTES and self.history.accuracy[-1] >= WANTED
        sign = SIGNS["right" if fits else "wrong"]
        return sign + say(
            f"seed {self.seed}: {text}; {spent / 1e3:,.0f} kB of {allowed} ({up} up, {down} down, of which first models {first})",
            f"种子 {self.seed}：{text}；共 {spent / 1e3:,.0f} kB，预算 {allowed}（上行 {up}，下行 {down}，其中初始模型 {first}）",
        )  # fmt: skip


def rehearse(recipe: Mapping[str, Any], seed: int = 0, progress: bool = True) -> Rehearsal:
    """Train a recipe as it is judged, but with a seed of your own and on 6,000 training images held out: nothing is noted.

    The test set stays closed: choose by this. Training stops where the budget is spent. TypeError or ValueError in one sentence
    for what is no recipe; `Diverged` where training leaves the finite numbers.
    """
    seed = require_integer("seed", seed, 0, LAST_REHEARSAL)
    whole = checked(recipe)
    return Rehearsal(_train(whole, seed, judged=False, progress=progress), seed, whole["rounds"])


def submit(name: str, recipe: Any, file: str | Path = FILE, progress: bool = True) -> Verdict:
    """Judge a recipe with its three seeds on the test set, and add what comes of it to the scoreboard.

    It passes where each of the three trainings stays within the budget, all bytes both ways, and the median of their
    accuracies after the last round reaches what is wanted. A line is written after each seed: interrupted, the same call goes
    on with the next. A recipe that was judged before is not trained again. Never raises for what a reader passes: a recipe
    that cannot be judged, and a file that cannot be written, are told in one sentence before anything is trained.
    """
    if recipe is None or recipe is ...:
        return Verdict("not attempted", say("Not attempted yet: write a recipe, rehearse it, then submit it.",
                                            "还没有作答：先写方案，用 rehearse 试，再提交。"))  # fmt: skip
    path = Path(file)
    try:
        if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME:
            raise ValueError(say(f"a name of 1 to {LONGEST_NAME} characters is needed, got {name!r}",
                                 f"名字应为 1 到 {LONGEST_NAME} 个字符，收到的是 {name!r}"))  # fmt: skip
        whole = checked(recipe)
        with alone(path):
            known, _ = read([path] if path.exists() else [])
    except (TypeError, ValueError, OSError) as error:
        return Verdict("wrong", say(f"Not judged: {error}.", f"没有评判：{error}。"))
    name, key = name.strip(), key_of(whole)
    judged = {run.seed: run for run in known if run.key == key}
    own = {run.seed for run in known if run.key == key and run.name == name}
    runs: list[Run] = []
    for seed in seeds_of(key):
        try:
            run = judged.get(seed) or _judge(name, key, whole, seed, progress)
            if seed not in own:
                add(path, [run._replace(name=name, at=_now())])
        except KeyboardInterrupt:
            return Verdict("hint", say(f"Interrupted: {len(runs)} of {SEEDS} seeds are kept. Submit the same recipe to go on.",
                                       f"已中断：{SEEDS} 个种子已记下 {len(runs)} 个。再提交同样的方案会接着评。"))  # fmt: skip
        except (TypeError, ValueError, OSError) as error:
            return Verdict("wrong", say(f"Not judged to the end: {error}.", f"没有评完：{error}。"))
        runs.append(run)
        if not run.within:
            break
    found = Submission(tuple(runs))
    if not found.passed:
        return Verdict("wrong", say(f"Not passed. {found.why_not()}", f"没有通过。{found.why_not()}"))
    low, high = (f"{100 * each:.2f}" for each in found.spread())
    kilobytes = f"{found.total_bytes / 1e3:,.0f} kB"
    return Verdict("right", say(
        f"Passed: {percent(found.accuracy, 2)} on the test set ({low} to {high}), {kilobytes}. It stands in {path.name}.",
        f"通过：测试集准确率 {percent(found.accuracy, 2)}（{low} 到 {high}），{kilobytes}。已写入 {path.name}。"))  # fmt: skip


def _now() -> str:
    return datetime.now().isoformat(" ", "seconds")


def _judge(name: str, key: str, recipe: dict[str, Any], seed: int, progress: bool) -> Run:
    try:
        history = _train(recipe, seed, judged=True, progress=progress)
        accuracy = history.accuracy[-1]
    except Diverged as error:
        history, accuracy = error.history, float("nan")
    sent = sum(history.uplink_bytes) + sum(history.downlink_bytes)
    return Run(name, _now(), key, recipe, seed, accuracy, int(sent), len(history.accuracy), recipe["rounds"])


def scoreboard(*files: str | Path) -> Board:
    """The scoreboard of these files, or of scoreboard.jsonl beside the notebook; a folder stands for all .jsonl in it.

    Several people's files are one board: a line that stands in two is shown once. FileNotFoundError where a file that was named
    is missing; a line that is none of this capstone is named below the table.
    """
    paths = []
    for given in map(Path, files or [FILE]):
        paths += sorted(given.rglob("*.jsonl")) if given.is_dir() else [given] if files or given.exists() else []
    if missing := next((path for path in paths if not path.is_file()), None):
        raise FileNotFoundError(say(f"there is no file {missing}", f"没有文件 {missing}"))
    return board(*read(paths))
