"""The memory of a sender: what a lossy codec did not send is added to what is sent next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..language import say
from ..layout import Shapes, flatten, is_list_of_arrays, unflatten
from .base import Codec, decode


class Residual:
    """Error feedback: what a lossy codec did not send is added to what is sent next.

    One memory belongs to one sender and one direction. Sources: Seide et al. 2014 (1-bit SGD); Karimireddy et al. 2019,
    arXiv:1901.09847. With `enabled=False` it forgets, which is how the codec behaves alone.
    shapes: of the arrays that a flat x is made of, for a codec that makes use of them; where it does they travel along.
    """

    def __init__(self, codec: Codec, enabled: bool = True, shapes: Shapes | None = None):
        self.codec, self.enabled, self._shapes = codec, enabled, shapes
        self.value: np.ndarray | float = 0.0  # float32 [n] after the first message

    def send(self, x: ArrayLike | Sequence[np.ndarray], rng: np.random.Generator | None = None) -> tuple[bytes, np.ndarray]:
        """Encode x plus the residual. Returns the payload and what its receiver decodes, float32 [n].

        x: array of any shape, or a list of arrays. ValueError if it has another number of weights than what was sent before.
        """
        shapes = [np.shape(part) for part in x] if is_list_of_arrays(x) else self._shapes
        x = flatten(x) if is_list_of_arrays(x) else np.asarray(x, np.float32).ravel()
        if isinstance(self.value, np.ndarray) and self.value.size != x.size:
            raise ValueError(say(f"x has {x.size} weights, but the residual of this sender has {self.value.size}",
                                 f"x 有 {x.size} 个权重，而这个发送方的残差有 {self.value.size} 个"))  # fmt: skip
        with np.errstate(all="ignore"):  # the codec tells what is beyond float32
            meant = x + np.float32(self.value)
        told = unflatten(meant, shapes) if shapes is not None and self.codec.uses_layout else meant
        payload = self.codec.encode(told, rng)
        received = decode(payload, max_weights=meant.size)
        if self.enabled:
            with np.errstate(all="ignore"):
                self.value = meant - received
        return payload, received
