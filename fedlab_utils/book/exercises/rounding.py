"""Exercise 4.1: the squared error of any rounding, by one integral."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .base import Exercise, Wrong, as_number, attempt


class _Up(NamedTuple):
    """A rounding as the reader's function gets it: the probability of going up, by the fraction f."""

    name: str
    probability: Callable

    def __call__(self, f):
        return self.probability(np.asarray(f, np.float64))

    def __repr__(self) -> str:
        return self.name


ROUNDINGS = (  # and what the integral gives
    (_Up("floor", lambda f: np.zeros_like(f)), 1 / 3),
    (_Up("nearest", lambda f: (f >= 0.5).astype(float)), 1 / 12),
    (_Up("stochastic", lambda f: f), 1 / 6),
    (_Up("ceil", lambda f: np.ones_like(f)), 1 / 3),
    (_Up("sqrt(f)", np.sqrt), 1 / 5),
)


def _mean_square(function) -> None:
    f = (np.arange(20_000) + 0.5) / 20_000
    for up, expected in ROUNDINGS:
        got, p = as_number(attempt(function, up), ("the mean square", "均方误差")), up(f)
        if np.isclose(got, expected, atol=1e-3):
            continue
        if np.isclose(got, np.mean((p - f) ** 2), atol=1e-3):
            raise Wrong(
                f"{up!r}: this is the square of the mean error at each f, {got:.3f}. Square first, then average over up and "
                f"down.",
                f"{up!r}：这是每个 f 处平均误差的平方，{got:.3f}。应当先平方，再对“向上”和“向下”求平均。",
            )
        if np.isclose(got, np.mean(p - f), atol=1e-3) or np.isclose(got, np.mean((1 - p) * f + p * (1 - f)), atol=1e-3):
            raise Wrong(
                f"{up!r}: this is a mean of errors, {got:.3f}; the mean of their squares is asked for.",
                f"{up!r}：这是误差的平均，{got:.3f}；要的是误差平方的平均。",
            )
        if np.isclose(got, np.mean(p * f**2 + (1 - p) * (1 - f) ** 2), atol=1e-3):
            raise Wrong(
                f"{up!r}: up and down are mixed up: who goes up errs by 1 - f, who goes down by f.",
                f"{up!r}：向上和向下弄反了：向上的误差是 1 - f，向下的是 f。",
            )
        if np.isclose(got, np.mean(f**2 + (1 - f) ** 2), atol=1e-3):
            raise Wrong(
                f"{up!r}: both errors are counted in full: weigh them by the probabilities of up and down.",
                f"{up!r}：两种误差都算了全份：请按向上、向下的概率加权。",
            )
        if np.isclose(got**2, expected, atol=1e-3):
            raise Wrong(
                f"{up!r}: this is the root, {got:.3f}; the mean square is asked for.",
                f"{up!r}：这是均方根 {got:.3f}；要的是均方。",
            )
        raise Wrong(
            f"{up!r}: the mean square is {expected:.4f} of a squared step, yours says {got:.4g}.",
            f"{up!r}：均方误差是步长平方的 {expected:.4f}，你的结果是 {got:.4g}。",
        )


mean_square = Exercise(
    "mathematics.mean_square",
    "4.1",
    _mean_square,
    (
        (
            "Take one fraction f. Going down errs by f, going up by 1 - f: the two squares, with which probabilities?",
            "先看一个小数部分 f：向下的误差是 f，向上的是 1 - f。两个平方各占多大的概率？",
        ),
        (
            "At f the mean square is (1 - up(f)) f² + up(f) (1 - f)². Then the mean over evenly spread f.",
            "在 f 处，均方误差是 (1 - up(f)) f² + up(f) (1 - f)²。再对均匀分布的 f 求平均。",
        ),
        (
            "f = (np.arange(10_000) + 0.5) / 10_000 are ten thousand fractions, evenly spread; np.mean is the integral.",
            "f = (np.arange(10_000) + 0.5) / 10_000 是一万个均匀分布的小数；np.mean 就是积分。",
        ),
    ),
    """
def mean_square(up):
    f = (np.arange(10_000) + 0.5) / 10_000
    return np.mean((1 - up(f)) * f**2 + up(f) * (1 - f) ** 2)
""",
    (
        "Floor 1/3, nearest 1/12, stochastic 1/6 of a squared step: as 4 to 1 to 2.",
        "向下取整 1/3，四舍五入 1/12，随机舍入 1/6（以步长的平方为单位）：4 比 1 比 2。",
    ),
)
