"""How long codecs take, beside what cannot be avoided: `.venv/bin/python benchmarks/codecs.py`.

One process, one core, Gaussian weights, n = 101,770 (the document's model) and 4,194,304. A codec's time is encode and decode
together, in CPU time of this process, so that other programs count little. It is measured in turns with its yardstick, so
that both see the same machine, and the medians are printed.
Yardsticks: a copy of the vector in memory, and for top-k the bare selection, np.argpartition of the magnitudes.

First it prints bytes: on five real deltas, what levels and supports take when they are coded by array and by context, beside
the coder of commit 0a8ade7, whose bytes and errors stand in EARLIER (its payloads of the same deltas, measured once there).
"""

from __future__ import annotations

import time
from functools import partial
from statistics import median

import numpy as np

import fedlab_utils as fl
from fedlab_utils.codecs import MODELS, Reader, entropy, pack_bits, seal, supports, unpack_bits
from fedlab_utils.codecs import wire as coding
from fedlab_utils.codecs.masks import encode_support_by
from fedlab_utils.layout import Layout, flatten
from fedlab_utils.sparsification import top_k

SIZES = (101_770, 4_194_304)
CODECS = [
    fl.Identity(), fl.Float16(), fl.BFloat16(), fl.Quantize(8), fl.Quantize(4), fl.Quantize(8, "stochastic"),
    fl.Quantize(8, entropy=True), fl.EntropyQuantize(2), fl.EntropyQuantize(4), fl.EntropyQuantize(8), fl.TopK(0.01),
    fl.TopK(0.1), fl.TopK(0.01) | fl.Quantize(8), fl.TopK(0.01) | fl.Sign(), fl.RandomK(0.01), fl.Threshold(2.5758), fl.Sign(),
    fl.QSGD(16), fl.Rotate() | fl.Quantize(8), fl.Eden(1), fl.Eden(4),
]  # fmt: skip


# EntropyQuantize(2) at 0a8ade7, bytes and normalized squared error; the support of TopK(0.01) there, bytes.
EARLIER = {
    "document": (25_542, 0.024997403, 878), "mlp": (49_980, 0.032692751, 1741), "cnn": (20_127, 0.049582660, 664),
    "embedding": (40_737, 0.00039152045, 809), "shards": (25_545, 0.0037512963, 742),
}  # fmt: skip


def at_error(model: str, arrays: list[np.ndarray], error: float) -> int:
    """Bytes of EntropyQuantize at the least bits, in 64ths, whose squared error is no larger; the shapes are agreed on."""
    shapes, x = [array.shape for array in arrays], flatten(arrays)
    low, high, payload = 1.0, 3.0, b""
    while high - low > 1 / 64:
        middle = (low + high) / 2
        told = fl.EntropyQuantize(middle, model).encode(x, layout=shapes)
        if fl.nmse(x, fl.decode(told, layout=shapes)) <= error:
            high, payload = middle, told
        else:
            low = middle
    return len(payload)


def in_arrays() -> list[dict]:
    """Of each delta: its name and, for levels at equal error and for the support of the largest 1 %, bytes then and by model."""
    rows = []
    for name, arrays in fl.load_deltas().items():
        was, error, support_was = EARLIER[name]
        levels = {model: at_error(model, arrays, error) for model in MODELS}
        x, layout = flatten(arrays), Layout([array.shape for array in arrays])
        kept = fl.top_k(x, 0.01).indices
        supports_now = {model: len(encode_support_by(kept, x.size, layout, model)[1]) for model in MODELS}
        rows.append({"name": name, "was": was, **levels, "support was": support_was, "supports": supports_now})
    return rows


def print_arrays() -> None:
    print("Levels at the error of EntropyQuantize(2) in 0a8ade7, and the support of the largest 1 %: bytes, and times fewer")
    for of in in_arrays():
        levels = "".join(f"{m:>9} {of[m]:>6} {of['was'] / of[m]:.2f}x" for m in MODELS)
        arrays = fl.load_deltas()[of["name"]]
        x, shapes = flatten(arrays), [array.shape for array in arrays]
        both = [partial(there_and_back, fl.EntropyQuantize(2, model), x, shapes) for model in MODELS]
        plain, by_array, by_context = in_turns(*both)
        times = f"  by array {by_array / plain:.2f} of plain's time, by context {1e6 * by_context / x.size:.2f} µs a weight"
        support = "".join(f"{m:>9} {count:>5}" for m, count in of["supports"].items())
        print(f"  {of['name']:<10} was {of['was']:>6}{levels}   support was {of['support was']:>5}{support} {times}")


def there_and_back(codec: fl.Codec, x: np.ndarray, shapes: list[tuple[int, ...]]) -> np.ndarray:
    return fl.decode(codec.encode(x, layout=shapes), layout=shapes)


def in_turns(*functions, seconds: float = 2.0, least: int = 5) -> list[float]:
    """The median time of each function in seconds, called one after the other again and again."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < least:
        for function, own in zip(functions, times, strict=True):
            start = time.process_time()
            function()
            own.append(time.process_time() - start)
    return [median(own) for own in times]


def row(name: str, seconds: float, n: int, yardstick: float, note: str) -> None:
    print(f"  {name:<44}{1e3 * seconds:>9.2f} ms{4 * n / seconds / 1e6:>9.0f} MB/s{seconds / yardstick:>9.2f} x  {note}")


def rice_top_k(x: np.ndarray, share: float) -> np.ndarray:
    """Top-k by hand, its support Rice-coded and its values as float32: bytes, and back."""
    s = top_k(x, share)
    payload = seal(coding.encode_support(s.indices, x.size) + s.values.tobytes())
    reader, dense = Reader(payload), np.zeros(x.size, np.float32)
    indices = coding.decode_support(reader, s.indices.size, x.size)
    dense[indices] = np.frombuffer(reader.take(4 * indices.size), np.float32)
    return dense


def bench(n: int) -> None:
    """Print the rows for one number of weights."""
    x = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    kept = max(1, n // 100)
    copy, select = x.copy, lambda: np.argpartition(np.abs(x), n - kept)[n - kept :]
    print(f"\nn = {n:,}, {4 * n / 1e6:.1f} MB of float32", f"{'time':>18}{'of float32':>17}{'yardstick':>13}")

    both = in_turns(select, copy)
    row("bare selection, np.argpartition(|x|)", both[0], n, both[1], "of a copy")
    both = in_turns(lambda: rice_top_k(x, 0.01), select)
    row("top-1 %, support Rice-coded", both[0], n, both[1], f"of the selection (wanted: {2.5 if n < 1e6 else 1.6})")
    both = in_turns(lambda: fl.decode(fl.TopK(0.01).encode(x)), select)
    row("TopK(0.01), support in its cheapest form", both[0], n, both[1], "of the selection")

    levels = np.random.default_rng(1).integers(0, 256, n).astype(np.uint16)
    both = in_turns(lambda: unpack_bits(pack_bits(levels, 8), 8, n), copy)
    row("8-bit packing alone", both[0], n, both[1], "of a copy (wanted: 500 MB/s)")
    for sigma in (1, 20):
        drawn = np.rint(sigma * x).astype(np.int64)
        both = in_turns(lambda drawn=drawn: entropy.decode_levels(Reader(seal(entropy.encode_levels(drawn))), n), copy)
        row(f"entropy stage alone, {np.unique(drawn).size} levels", both[0], n, both[1], "of a copy (wanted: 20 MB/s)")
    places = np.sort(np.random.default_rng(2).choice(n, kept, replace=False))
    both = in_turns(lambda: supports.encode_cheapest(places, n), lambda: coding.encode_support(places, n))
    row("random 1 % support, cheapest of four forms", both[0], n, both[1], "of Rice alone")

    for codec in CODECS:
        rng = np.random.default_rng(3)
        both = in_turns(lambda codec=codec, rng=rng: fl.decode(codec.encode(x, rng)), copy, seconds=1.0)
        bits = fl.bits_per_weight(codec.encode(x, rng), n)
        row(repr(codec), both[0], n, both[1], f"of a copy; {bits:.3f} bits a weight")


if __name__ == "__main__":
    print_arrays()
    for size in SIZES:
        bench(size)
