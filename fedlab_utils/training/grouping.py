"""How a cohort is dealt to the cores, and where compiling its training by XLA pays.

XLA makes one program of all steps, of which operations call one another without TensorFlow between them; it uses one core,
so a cohort is split into as many groups as there are cores. A program is made for one set of shapes: these are rounded up,
and what was added has no weight.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..language import say

CORES = os.cpu_count() or 1
CORE_THREADS = ThreadPoolExecutor(CORES, thread_name_prefix="clients")  # its threads start when they are first needed
# Compiling takes 0.3 to 0.5 s longer than building a graph (a second for convolutions), and saves half a nanosecond (for
# convolutions one or two) a multiplication for a sample and step of a client.
WORTH_COMPILING = 1_500_000_000


def is_compiled(compile: str | bool, can: bool, work: int, chunk: int) -> bool:
    """Whether a training is compiled, decided before it begins and from what is asked alone: the same seed, the same history.

    compile: "auto", True or False. can: whether XLA suits the model. work: `Learner.work` times steps of all clients in
    all rounds.
    chunk: clients trained at once; in groups of one XLA gains nothing. ValueError for another `compile`, or for True where it
    cannot.
    """
    if not isinstance(compile, (bool, np.bool_)):
        if compile != "auto":
            raise ValueError(say(f'compile must be "auto", True or False, got {compile!r}',
                                 f'compile 应为 "auto"、True 或 False，收到的是 {compile!r}'))  # fmt: skip
        return can and chunk > CORES and work >= WORTH_COMPILING
    if compile and not can:
        raise ValueError(say(
            'compile=True: XLA does not suit this model, whose clients are trained one by one: pass compile="auto"',
            'compile=True：XLA 不适合这个模型，它的客户端要一个一个地训练：请用 compile="auto"'))  # fmt: skip
    return bool(compile)


def rounded_up(n: int, digits: int) -> int:
    """The least integer from n on that has at most so many significant binary digits: few different ones, a little larger."""
    unit = 1 << max(0, int(n - 1).bit_length() - digits) if n > 1 else 1
    return -(-n // unit) * unit


def groups(n_clients: int, n_groups: int) -> list[slice]:
    """The clients of each group, of one number but for the last."""
    each = -(-n_clients // n_groups)
    return [slice(start, min(start + each, n_clients)) for start in range(0, n_clients, each)]


def filled(array: Any, *lengths: int) -> np.ndarray:
    """The array with zeros at the end of its first axes, up to these lengths."""
    missing = [(0, length - now) for length, now in zip(lengths, np.shape(array), strict=False)]
    return np.pad(array, missing + [(0, 0)] * (np.ndim(array) - len(lengths)))
