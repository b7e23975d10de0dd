"""Client and server of federated averaging, and what both do in a round: one piece of code for `simulate` and for engines.

Only how bytes come from one to the other differs: `simulate` hands them over, an engine sends them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..codecs import Codec, Identity, Residual, decode_mask, encode_mask
from ..language import say
from ..layout import Shapes, flatten, n_weights, unflatten
from ..streams import Purpose, stream
from ..training.arrays import Arrays, plan_batches
from ..training.models import keras
from ..training.trainer import Learner
from ..validation import require_choice, require_mask
from .account import Downlink, FirstModel, send_exactly
from .recipe import require_rebuilt

AGGREGATIONS = "mean", "majority"

class Client:
    """One participant: its samples, what its codec has not sent yet, and the weights that it keeps to itself."""

    def __init__(self, number: int, samples: np.ndarray, codec: Codec, error_feedback: bool, own: dict[int, np.ndarray],
                 shapes: Shapes) -> None:  # fmt: skip
        self.number, self.samples = number, samples
        self.own = own  # by place in model.get_weights()
        self.memory = Residual(codec, error_feedback, shapes)

    def send(self, delta: np.ndarray, state: np.ndarray, rng: np.random.Generator) -> tuple[bytes, bytes, np.ndarray, np.ndarray]:
        """Send what local training moved, and the state as it is: the payload of each, and what the server decodes of each."""
        payload, received = self.memory.send(delta, rng)
        return payload, (exact := send_exactly(state))[0], received, exact[1]


class Server(Downlink):
    """The global model: it averages what it receives, moves along the mean, and broadcasts the step.

    aggregation: "mean", or "majority": see `simulate`.
    """

    def __init__(self, model: np.ndarray, state: np.ndarray, codec: Codec, error_feedback: bool, once_bytes: int,
                 learning_rate: float, momentum: float, shapes: Shapes, first_model: FirstModel | None, whole: bool,
                 aggregation: str = "mean"):  # fmt: skip
        super().__init__(model, codec, error_feedback, once_bytes, state, shapes, first_model, whole)
        self._learning_rate, self._momentum = learning_rate, momentum
        self._majority = require_choice("aggregation", aggregation, AGGREGATIONS) == "majority"
        self._velocity = np.zeros(model.size)

    def begin(self) -> None:
        """Forget the sums of the round before."""
        self._update, self._states, self._share = np.zeros(self.model.size), np.zeros(self.state.size), 0.0
        self._votes = np.zeros(self.model.size if self._majority else 0)

    def receive(self, update: np.ndarray, state: np.ndarray, share: float) -> None:
        """Add what a client has sent. share: its samples among all of the round's answers."""
        self._update += update * share
        if self._majority:
            self._votes += np.sign(update)
        self._states += state * share
        self._share += share

    def step(self, rng: np.random.Generator) -> bytes:
        """Move along the mean update or by majority (with momentum), take the mean state as it is; returns the broadcast."""
        if self._majority:  # a tie, as of five and five, goes with the mean: always plus or always minus would be a drift
            self._update = np.sign(np.where(self._votes == 0, self._update, self._votes))
        self._velocity = self._momentum * self._velocity + self._update
        state = (self._states / self._share).astype(np.float32) if self._share else self.state  # nobody answered: as it was
        return self.broadcast((self._learning_rate * self._velocity).astype(np.float32), rng, state)

    def snapshot(self) -> dict[str, np.ndarray]:
        """All that `restore` needs, as arrays by name."""
        return super().snapshot() | {"velocity": self._velocity}

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        """Go on from a `snapshot`, with clients none of which has a model."""
        super().restore(snapshot)
        self._velocity = snapshot["velocity"]


def agree_on_mask(model: keras.Model, mask: Sequence[ArrayLike]) -> tuple[bytes, list[np.ndarray]]:
    """A mask as the message that tells it, and as its receiver decodes it: bool arrays. ValueError for what is no mask."""
    message = encode_mask(require_mask("mask", mask, model.get_weights()))
    return message, read_mask(message, model)


def read_mask(message: bytes, model: keras.Model) -> list[np.ndarray]:
    """The mask in a message: bool arrays in the shapes of model.get_weights(). ValueError for damaged bytes."""
    shapes = [part.shape for part in model.get_weights()]
    return unflatten(decode_mask(message, max_weights=n_weights(shapes)), shapes)


class Opening(NamedTuple):
    """What stands before the first round.

    weights: as model.get_weights(). server: its account open. feedback: whether clients keep a residual. once: the messages
    that go with a first model, by name: "mask"; "unshared", weights that nobody trains or each client keeps, float32; "coded"
    or "recipe", the first model.
    """

    weights: list[np.ndarray]
    server: Server
    feedback: bool
    once: dict[str, bytes]


def open_account(
    model: keras.Model, learner: Learner, mask_message: bytes, *, uplink: Codec, downlink: Codec, first_model: Codec | str,
    error_feedback: bool | None, server_learning_rate: float, server_momentum: float, seed: int, broadcast: str = "step",
    aggregation: str = "mean", progress: bool = False,
) -> Opening:  # fmt: skip
    """The server of a training, and what its clients are sent once. Arguments as for `simulate`; mask_message: b"" for none."""
    weights = model.get_weights()
    once = {"mask": mask_message} if mask_message else {}
    if unshared := [weights[place] for place in learner.frozen + learner.own]:
        once["unshared"] = Identity().encode(flatten(unshared))
    once_bytes = sum(map(len, once.values()))
    start, first_state, instead = learner.gather(weights), learner.gather_state(weights), None
    if isinstance(first_model, Codec):
        drawn = stream(seed, Purpose.FIRST_MODEL)
        once["coded"], start = Residual(first_model, False, learner.sent_shapes).send(start, drawn)
        instead = FirstModel(len(once["coded"]) + once_bytes, len(send_exactly(first_state)[0]))
    elif first_model == "seed":
        once["recipe"] = require_rebuilt(model, progress)
        instead = FirstModel(len(once["recipe"]) + len(mask_message), 0)
    up, down = (feedback(name, codec, error_feedback, start.size) for name, codec in (("uplink", uplink), ("downlink", downlink)))
    server = Server(start, first_state, downlink, down, once_bytes, server_learning_rate, server_momentum, learner.sent_shapes,
                    instead, broadcast == "whole", aggregation)  # fmt: skip
    hold(learner, weights, server.model, server.state)
    return Opening(weights, server, up, once)


def hold(learner: Learner, weights: list[np.ndarray], vector: np.ndarray, state: np.ndarray) -> None:
    """Put what travels of a model into `weights`, as clients hold it. vector: float32 [n]; state: float32 [m]."""
    for place, array in zip(learner.shared, learner.scatter(vector), strict=True):
        weights[place] = array
    for place, array in zip(learner.averaged, learner.scatter_state(state), strict=True):
        weights[place] = array


class Trained(NamedTuple):
    """What local training of one client gave: what it moved, float32 [n]; its state, float32 [m]; the weights that it keeps."""

    delta: np.ndarray
    state: np.ndarray
    own: dict[int, np.ndarray]
    loss: float

    def not_finite(self) -> str | None:
        """What of it is NaN or infinite, "loss" or "weights"; None where nothing is."""
        if not np.isfinite(self.loss):
            return "loss"
        return None if np.isfinite(self.delta).all() and np.isfinite(self.state).all() else "weights"


def train_locally(
    learner: Learner, samples: tuple[Any, Any], weights: Arrays, members: Sequence[Client], seed: int, number: int,
    local_epochs: int, batch_size: int, compiled: bool = False, local_steps: int | None = None,
) -> list[Trained]:  # fmt: skip
    """Local training of some clients in round `number` (from 0), all from the same weights.

    samples: tensors x, y that the clients' indices point into. compiled: by XLA. Without it, the same bits for a client
    whether it trains with `chunk=1` or alone, on a machine of its own kind. local_steps: see `plan_batches`.
    """
    parts, numbers = [client.samples for client in members], [client.number for client in members]
    orders = [stream(seed, Purpose.BATCHES, number, n) for n in numbers]
    batches = plan_batches(parts, orders, local_epochs, batch_size, local_steps)
    seeds = layer_seeds([stream(seed, Purpose.LAYERS, number, n) for n in numbers], learner.n_seeds)
    own = {place: np.stack([client.own[place] for client in members]) for place in learner.own}
    arrays, losses = learner.train_on(*samples, weights, *batches, seeds, own, compiled=compiled)
    deltas = learner.deltas(arrays, weights)
    return [
        Trained(deltas[at], learner.gather_state([array[at] for array in arrays]),
                {place: arrays[place][at] for place in learner.own}, float(losses[at]))
        for at in range(len(members))
    ]  # fmt: skip


def select(n_clients: int, clients_per_round: int, seed: int, number: int) -> list[int]:
    """The clients of round `number` (from 0), rising."""
    rng = stream(seed, Purpose.SELECTION, number)
    return np.sort(rng.choice(n_clients, clients_per_round, replace=False)).tolist()


def feedback(name: str, codec: Codec, wanted: bool | None, n: int) -> bool:
    """Whether to keep a residual for messages of n weights. wanted: None asks the codec; True warns where it does harm."""
    if wanted is not None and not isinstance(wanted, (bool, np.bool_)):
        raise TypeError(say(f"error_feedback must be None, True or False, got {wanted!r}",
                            f"error_feedback 应为 None、True 或 False，收到的是 {wanted!r}"))  # fmt: skip
    if codec.lossless:
        return False  # nothing is left to feed back: no residual of zeros for each of a thousand clients
    if wanted is None:
        return codec.feedback_helps(n)
    if wanted and not codec.feedback_bounded(n):
        warnings.warn(
            say(f"{name}={codec} is random and far from what it is given: error feedback makes its error grow from round to "
                "round; use error_feedback=None, which leaves it off here",
                f"{name}={codec} 带随机性，而且解码结果离原向量很远：误差反馈会让误差一轮比一轮大；请用 error_feedback=None，"
                "这里就不会启用"),
            stacklevel=3,
        )
    return bool(wanted)


def answers(seed: int, number: int, client: int, no_answer: float) -> bool:
    """Whether a client of a round answers."""
    return no_answer == 0 or stream(seed, Purpose.ANSWERS, number, client).random() >= no_answer


def layer_seeds(rngs: Sequence[np.random.Generator], n_seeds: int) -> np.ndarray:
    """Seeds of the random layers of some clients: int64 [n_clients, n_seeds, 2]."""
    return np.stack([rng.integers(2**31 - 1, size=(n_seeds, 2)) for rng in rngs])
