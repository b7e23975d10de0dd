"""What a training under Flower is: the arguments of `simulate`, known to both apps before anything is sent."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codecs import Codec, Identity, require_codec
from ..federation.account import require_first_model
from ..measuring.names import codec_named
from ..streams import require_seed
from ..validation import require_choice, require_fraction, require_integer, require_number

if TYPE_CHECKING:
    from ..data import Dataset
    from ..training.models import keras

NOT_HERE = {
    "chunk": "every client trains by itself, which is chunk=1",
    "validation": "hold samples out of the data that your function `data` gives, and keep them for yourself",
    "progress": "Flower writes a log",
}


@dataclass(frozen=True)
class Plan:
    """A training. What `simulate` has too means the same here, and gives the same bits as `simulate(chunk=1)`.

    clients: how many there are, numbered by their partition-id. min_clients: how many must be there before the first round,
    by default all. wait: for how many seconds they are waited for; timeout: for how many a round's answers are.
    max_samples: the largest number of samples that a client is believed to have: its weight in the mean is what it says, and
    below this nobody can know better. checkpoint: the absolute path of a file that is written after every round, and from which a
    new run goes on, "" for none. optimizer: a function that makes a Keras optimizer, by default SGD(learning_rate).
    loss: a Keras loss. mask: a function, model → arrays of 0 and 1. These three are given in Python, all others in Python or
    in the app's configuration, codecs as text.
    """

    clients: int = 10
    rounds: int = 10
    clients_per_round: int = 10
    local_epochs: int = 1
    batch_size: int = 10
    learning_rate: float = 0.1
    optimizer: Callable[[], keras.optimizers.Optimizer] | None = None
    loss: Any = "sparse_categorical_crossentropy"
    state: str = "average"
    no_answer: float = 0.0
    server_learning_rate: float = 1.0
    server_momentum: float = 0.0
    uplink: Codec = field(default_factory=Identity)
    downlink: Codec = field(default_factory=Identity)
    first_model: Codec | str = "dense"
    error_feedback: bool | None = None
    mask: Callable[[keras.Model], Sequence[np.ndarray]] | None = None
    seed: int = 0
    min_clients: int | None = None
    wait: float = 600.0
    timeout: float = 3600.0
    max_samples: int = 1_000_000
    checkpoint: str = ""

    def __post_init__(self) -> None:
        for name in ("clients", "rounds", "clients_per_round", "local_epochs", "batch_size", "max_samples"):
            require_integer(name, getattr(self, name), 1)
        if self.clients_per_round > self.clients:
            raise ValueError(f"clients_per_round must be in 1 … {self.clients} (clients), got {self.clients_per_round}")
        if self.min_clients is not None:
            require_integer("min_clients", self.min_clients, 1, self.clients)
        for name in ("learning_rate", "server_learning_rate", "wait", "timeout"):
            require_number(name, getattr(self, name), 0)
        for name in ("server_momentum", "no_answer"):
            require_fraction(name, getattr(self, name))
        require_choice("state", self.state, ("average", "local"))
        require_seed(self.seed)
        require_codec("uplink", self.uplink)
        require_codec("downlink", self.downlink)
        require_first_model(self.first_model)
        if not isinstance(self.checkpoint, str) or (self.checkpoint and not Path(self.checkpoint).is_absolute()):
            raise ValueError(f"checkpoint must be an absolute path, since Flower starts the server where it likes, got "
                             f"{self.checkpoint!r}")  # fmt: skip
        for name in ("optimizer", "mask"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise TypeError(f"{name} must be a function that makes it, got {getattr(self, name)!r}")

    @classmethod
    def of(cls, config: Mapping[str, Any], **settings: Any) -> Plan:
        """The plan in an app's configuration (`clients-per-round` or `clients_per_round`), with what Python sets instead.

        Names in the configuration that are none of a plan are the reader's own. ValueError or TypeError, in one sentence,
        for a value that cannot be, and for an argument of `simulate` that has no sense here.
        """
        known = {f.name for f in fields(cls)}
        found = {name.replace("-", "_"): value for name, value in config.items()}
        for name, why in NOT_HERE.items():
            if name in found or name in settings:
                raise ValueError(f"{name} is an argument of simulate, not of a training under Flower: {why}")
        if unknown := settings.keys() - known:
            raise TypeError(f"a training under Flower has no {min(unknown)}; it has {', '.join(sorted(known))}")
        taken = {name: _read(name, value) for name, value in found.items() if name in known and name not in settings}
        return cls(**taken, **settings)

    def agreement(self) -> int:
        """A check, 32 bits, of all that client and server must have in common for their bytes to mean the same."""
        shared = (self.clients, self.local_epochs, self.batch_size, self.learning_rate, self.state, self.no_answer,
                  repr(self.uplink), self.error_feedback, self.seed)  # fmt: skip
        return zlib.crc32(repr(shared).encode())

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """A Keras optimizer for the clients."""
        from ..training.models import keras

        return self.optimizer() if self.optimizer else keras.optimizers.SGD(self.learning_rate)


def _read(name: str, value: Any) -> Any:
    """A value of a configuration, which knows text, numbers, true and false."""
    if name in ("uplink", "downlink"):
        return codec_named(value) if isinstance(value, str) else value
    if name == "first_model" and isinstance(value, str):
        return value if value in ("dense", "seed") else codec_named(value)
    if (name, value) in (("error_feedback", "auto"), ("min_clients", 0)):  # TOML has no None
        return None
    if name in ("optimizer", "mask"):
        raise TypeError(f"{name} is a function: pass it in Python, to client_app and server_app both")
    number = next((f.type for f in fields(Plan) if f.name == name), "")
    return float(value) if number == "float" and isinstance(value, int) and not isinstance(value, bool) else value


MakeModel = Callable[[], "keras.Model"]
MakeData = Callable[[int | None], "Dataset"]
