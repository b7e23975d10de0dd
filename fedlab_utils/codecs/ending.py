"""What stages that end in bytes have in common, where they may go by the arrays that a vector is made of."""

from __future__ import annotations

import numpy as np

from ..layout import Layout, split
from .base import Codec


class _Ending(Codec):
    """A stage that turns all it is given into bytes, with a layout or without: `layer` says how."""

    ends_in_bytes = True

    def layer(self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout | None) -> bytes:
        """The layer of x (float32 [n]), made of the arrays of `layout`, or of none that are known."""
        raise NotImplementedError

    def forward(self, x: np.ndarray, rng: np.random.Generator | None) -> tuple[bytes, np.ndarray | None]:
        return self.layer(x, rng, None), None

    def forward_arrays(
        self, x: np.ndarray, rng: np.random.Generator | None, layout: Layout
    ) -> tuple[bytes, np.ndarray | None, Layout | None]:
        return self.layer(x, rng, layout), None, None

    def parts(self, x: np.ndarray, layout: Layout | None) -> tuple[list[np.ndarray], bool]:
        """The arrays of x that hold anything, and True, where the stage follows them and they are known; or [x], and False."""
        if layout is None or not self.follows_layout:
            return [x], False
        return [part for part in split(x, layout.use().counts) if part.size], True
