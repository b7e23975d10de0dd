"""What the server of a training under Flower needs to go on after its machine went down: one file, replaced after each round.

Flower does not resume a run: a SuperLink that comes back calls it failed. A new run with the same `checkpoint` goes on where the
last one stopped; what clients kept belongs to the old run and is gone, so that each begins with a first model, and what its
residual held is lost.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..federation.history import History
from .flower_plan import Plan

COLUMNS = ("accuracy", "loss", "uplink_bytes", "downlink_bytes", "first_model_bytes", "train_seconds", "codec_seconds",
           "eval_seconds")  # fmt: skip


def fingerprint(plan: Plan, layout: int) -> int:
    """A check, 32 bits, of all that decides how a training goes on. layout: of the arrays of its model."""
    also = (plan.agreement(), plan.clients_per_round, repr(plan.downlink), repr(plan.first_model), plan.server_learning_rate,
            plan.server_momentum, layout)  # fmt: skip
    return zlib.crc32(repr(also).encode())


def save(file: Path, check: int, arrays: dict[str, np.ndarray], broadcasts: dict[int, bytes], history: History) -> None:
    """Write a checkpoint: the whole of it or, where that fails (OSError), the one before."""
    found: dict[str, Any] = {f"server_{name}": array for name, array in arrays.items()}
    found |= {f"broadcast_{number}": np.frombuffer(payload, np.uint8) for number, payload in broadcasts.items()}
    found |= {f"history_{name}": np.asarray(getattr(history, name)) for name in COLUMNS}
    found |= {f"weights_{place}": array for place, array in enumerate(history.weights)}
    beside = file.with_name(file.name + ".new")
    try:
        with open(beside, "wb") as out:
            np.savez(out, check=np.uint32(check), **found)
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def load(file: Path, check: int, history: History) -> tuple[dict[str, np.ndarray], dict[int, bytes]] | None:
    """The server's arrays and the broadcasts in a checkpoint, and its history into `history`; None where there is no file.

    ValueError, in one sentence, for a file that is damaged, and for one of another training.
    """
    if not file.exists():
        return None
    try:
        with np.load(file) as found:
            arrays = {name: found[name] for name in found.files}
        if int(arrays["check"]) != check:
            raise ValueError(f"{file.name} is the checkpoint of another training (plan or model): set another file")
        for name in COLUMNS:
            getattr(history, name)[:] = arrays[f"history_{name}"].tolist()
        history.weights = [arrays[f"weights_{place}"] for place in range(sum(name.startswith("weights_") for name in arrays))]
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file.name} is a damaged checkpoint ({error}): move it away to begin anew") from error
    broadcasts = {int(name[10:]): array.tobytes() for name, array in arrays.items() if name.startswith("broadcast_")}
    return {name[7:]: array for name, array in arrays.items() if name.startswith("server_")}, broadcasts
