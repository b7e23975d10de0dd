"""Bytes, weights and seconds as people write them."""

from __future__ import annotations

import numpy as np

from ...language import say


def bytes_text(count: float) -> str:
    """Bytes as people write them, powers of 1000: 40 MB."""
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {unit}"
    return say(f"{count:.3g} bytes", f"{count:.3g} 字节")


def in_formula(value: float, digits: int = 3, most: float = np.inf) -> str:
    """For LaTeX: whole numbers from a thousand on, thousands grouped; so many digits below; powers of ten beyond `most`."""
    if value > most:
        exponent = int(np.floor(np.log10(value)))
        return rf"{value / 10.0**exponent:.{digits - 1}f}\cdot10^{{{exponent}}}"
    return (f"{value:,.0f}" if value >= 1000 else f"{value:.{digits}g}").replace(",", "{,}")


def weights_text(count: int) -> str:
    """A number of weights that fits beside a slider: 101,770, 10 M, 1 亿."""
    if count < 1_000_000:
        return f"{count:,}"
    return say(f"{count / 1e6:g} M", f"{count / 1e4:g} 万" if count < 1e8 else f"{count / 1e8:g} 亿")


def seconds_text(seconds: float) -> str:
    """A duration as people write it: 32 s, 2.5 h."""
    for size, en, zh in ((86400, "days", "天"), (3600, "h", "小时"), (60, "min", "分钟")):
        if seconds >= 2 * size:
            return say(f"{seconds / size:.3g} {en}", f"{seconds / size:.3g} {zh}")
    if seconds < 0.1:
        return say(f"{1000 * seconds:.3g} ms", f"{1000 * seconds:.3g} 毫秒")
    return say(f"{seconds:.3g} s", f"{seconds:.3g} 秒")
