"""The payloads of this book on Flower: a ClientApp and a ServerApp from two functions of yours.

    import fedlab_utils as fl

    def model():                # a Keras model; its weights are where training starts
        return fl.models.document_mlp(seed=0)

    def data(partition):        # a Dataset: of client `partition`; of None: the server's, whose test set accuracy is measured on
        ...

    client_app = fl.flower.client_app(model, data)
    server_app = fl.flower.server_app(model, data)

Everything else stands in the app's configuration, or is passed to both: see `Plan`. flwr is imported at first use.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..federation.history import History
from ..language import say
from . import ready
from .flower_mods import RECORD, Mod, on_arrays
from .flower_plan import MakeData, MakeModel, Plan
from .kernels import FLOWER
from .ready import NotReady

__all__ = ["NotReady", "Plan", "client_app", "fingerprint", "on_arrays", "require", "server_app", "write_results"]


def require() -> None:
    """NotReady, in one sentence that says what to do, where this Python has no Flower."""
    try:
        ready.require(FLOWER)
    except NotReady:
        if ready.in_notebook():  # it is the kernel that is wrong
            raise
        raise NotReady(say(
            "Flower is not installed in this Python: run `make flower-env` in the book's folder, then .venv-flower/bin/python.",
            "这个 Python 里没有安装 Flower：请在本书的文件夹里运行 `make flower-env`，然后使用 .venv-flower/bin/python。",
        )) from None  # fmt: skip


def client_app(model: MakeModel, data: MakeData, mods: Sequence[Mod] = (), **settings: Any) -> Any:
    """A Flower ClientApp. model(): a Keras model. data(partition): the Dataset of one client, with the numbers of its node's
    `partition-id`; its test set is used with state="local" only. mods: Flower's, around every message; `on_arrays` makes
    those that act on arrays act on our payloads. settings: of a `Plan`, before those of the configuration.

    What it knows of one round in the next is kept in the context that Flower keeps for it, and nowhere else.
    """
    require()
    from flwr.app import ConfigRecord, Message, RecordDict
    from flwr.clientapp import ClientApp

    app, record = ClientApp(mods=list(mods)), RECORD

    def participant(context: Any) -> Any:
        from .flower_client import Participant  # takes TensorFlow, which a question needs not

        return Participant(Plan.of(context.run_config, **settings), model, data, partition_of(context))

    @app.query()
    def query(message: Any, context: Any) -> Any:
        return Message(RecordDict({record: ConfigRecord({"partition": partition_of(context)})}), reply_to=message)

    @app.train()
    def train(message: Any, context: Any) -> Any:
        memory = dict(context.state[record]) if record in context.state else {}
        answer, memory = participant(context).train(dict(message.content[record]), memory)
        reply = Message(RecordDict({record: ConfigRecord(answer)}), reply_to=message)
        if memory:
            context.state[record] = ConfigRecord(memory)  # last: where something raises before, deployment keeps half of it
        return reply

    @app.evaluate()
    def evaluate(message: Any, context: Any) -> Any:
        memory = dict(context.state[record]) if record in context.state else {}
        answer = participant(context).measure(dict(message.content[record]), memory)
        return Message(RecordDict({record: ConfigRecord(answer)}), reply_to=message)

    return app


def partition_of(context: Any) -> int:
    """Which client a node is. ValueError where it was not told."""
    partition = context.node_config.get("partition-id")
    if type(partition) is not int:
        raise ValueError(f"the node does not know which client it is (partition-id is {partition!r}): start it with "
                         '--node-config "partition-id=0 num-partitions=3", say')  # fmt: skip
    return partition


def server_app(model: MakeModel, data: MakeData, on_round: Any = None, **settings: Any) -> Any:
    """A Flower ServerApp: `PayloadFedAvg` from first to last round. model, data, settings: as for `client_app`; data(None) is
    the server's Dataset. on_round(history): called after each round, stops by returning False. What ends a run before its time
    is logged as one sentence, `fedlab: …`, and raised.

    Where the configuration names a folder `out`, an absolute path, the results are written there: see `write_results`.
    """
    require()
    from flwr.serverapp import ServerApp

    app = ServerApp()

    @app.main()
    def main(grid: Any, context: Any) -> None:
        from .flower_strategy import PayloadFedAvg, log

        out = str(context.run_config.get("out", ""))
        strategy, sent = None, []  # type: Any, list
        try:
            if out and not Path(out).is_absolute():
                raise ValueError(f"out must be an absolute path, since Flower starts the server where it likes, got {out!r}")
            plan = Plan.of(context.run_config, **settings)
            strategy = PayloadFedAvg(plan, model(), data(None), on_round, sent.append if out else lambda message: None)
            strategy.start(grid)
        except Exception as error:
            log.error("fedlab: %s", error)  # one sentence, below which Flower writes where it came from
            raise
        finally:
            if out and strategy is not None:
                write_results(Path(out), strategy.history, sent, strategy.dropped)

    return app


def fingerprint(payload: bytes) -> str:
    """16 hexadecimal digits by which payloads are told apart: the beginning of their SHA-256.

    CRC-32 will not do: a payload ends in its own, and whatever ends in its own CRC-32 has one and the same, 0x2144DF1C.
    """
    return hashlib.sha256(payload).hexdigest()[:16]


def write_results(folder: Path, history: History, sent: Any, dropped: list[str]) -> None:
    """Write history.csv, weights.npz, messages.csv (each message of the account: its round from 1, client, direction, kind,
    bytes and fingerprint) and dropped.txt (what was not used, and why)."""
    folder.mkdir(parents=True, exist_ok=True)
    if history.accuracy:
        history.save(folder / "history.csv")
        np.savez(folder / "weights.npz", *history.weights)
    with open(folder / "messages.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["round", "client", "direction", "kind", "bytes", "sha256"])
        for number, client, up, kind, payload in sent:
            table.writerow([number + 1, client, "up" if up else "down", kind, len(payload), fingerprint(payload)])
    (folder / "dropped.txt").write_text("".join(f"{line}\n" for line in dropped), "utf-8")
