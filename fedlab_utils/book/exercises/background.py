"""Exercises of chapter 1: an average with a client missing, rounds of a phone plan; questions. (1.1 stands in `holding`.)"""

from __future__ import annotations

import numpy as np

from .asked.background import *  # noqa: F403
from .base import Exercise, Wrong, as_array, as_number, attempt
from .holding import who_holds_it  # noqa: F401


def _average_of_answers(function) -> None:
    cases: list[tuple[np.ndarray, list[np.ndarray | None], list[int]]] = [
        (np.array([0.0, 0.0]), [np.array([0.2, 0.3]), np.array([0.6, 0.3])], [3, 1]),
        (np.array([1.0, -2.0]), [np.array([1.0, 0.5]), None, np.array([0.0, 2.0])], [10, 30, 60]),
        (np.array([5.0]), [None, np.array([1.5]), None], [7, 2, 4]),
        (np.array([4.0, 1.0]), [None, None], [5, 5]),
    ]  # fmt: skip
    for weights, deltas, sizes in cases:
        here = [(delta, size) for delta, size in zip(deltas, sizes, strict=True) if delta is not None]
        told = ", ".join("None" if delta is None else str(np.round(delta, 2).tolist()) for delta in deltas)
        if not here:
            _of_nobody(function, weights, deltas, sizes)
            continue
        try:
            answer = attempt(function, weights, deltas, sizes)
        except Wrong as wrong:
            if len(here) == len(deltas) or wrong.__cause__ is None:  # no cause: it did not raise
                raise
            raise Wrong(
                f"a delta is None where a client did not answer: leave it out before you compute ({wrong})",
                f"没有交回的增量是 None：计算之前先把它挑出去（{wrong}）",
            ) from wrong
        got = as_array(answer, weights.shape, ("the new weights", "新的权重"))
        present, counts = np.array([delta for delta, _ in here]), np.array([size for _, size in here])
        average = counts @ present / counts.sum()
        if np.allclose(got, weights + average):
            continue
        if np.allclose(got, weights + counts @ present / np.sum(sizes)):
            raise Wrong(
                f"of {sizes} samples only {counts.sum()} belong to clients that answered: divide by these. "
                "Yours takes whoever is missing for a client that did not move.",
                f"样本数是 {sizes}，其中只有 {counts.sum()} 个属于交回了增量的客户端：请除以这个数。"
                "你的算法把掉线的客户端当成了“没有变化”。",
            )
        if np.allclose(got, weights + present.mean(axis=0)):
            raise Wrong(
                f"every client counts the same here; with {sizes} samples they must count in proportion to these.",
                f"这里每个客户端占的比重都一样；它们的样本数是 {sizes}，应当按样本数加权。",
            )
        if np.allclose(got, average):
            raise Wrong(
                "this is the average change: add it to the weights that the server had.",
                "这是平均变化量：还要加到服务器原来的权重上。",
            )
        if np.allclose(got, weights + counts @ present):
            raise Wrong("divide by the number of samples of these clients.", "还要除以这些客户端的样本总数。")
        if np.allclose(got, weights - average):
            raise Wrong(
                "a delta is weights after minus weights before: add it. (A gradient would be subtracted.)",
                "增量是训练后的权重减去训练前的权重，应当相加。（梯度才是相减。）",
            )
        wanted, yours = np.round(weights + average, 3).tolist(), np.round(got, 3).tolist()
        raise Wrong(
            f"deltas {told} of {sizes} samples: the new weights should be {wanted}, yours are {yours}.",
            f"增量为 {told}、样本数为 {sizes} 时，新的权重应当是 {wanted}，你的结果是 {yours}。",
        )


def _of_nobody(function, weights, deltas, sizes) -> None:
    try:
        got = as_array(attempt(function, weights, deltas, sizes), weights.shape, ("the new weights", "新的权重"))
    except Wrong as wrong:
        raise Wrong(
            f"all is well until nobody answers (deltas [None, None]); then the weights stay as they are: {wrong}",
            f"前面都对，只差一种情形：谁也没有交回增量（[None, None]）。这时权重应当不变：{wrong}",
        ) from wrong
    if not np.allclose(got, weights):
        raise Wrong(
            f"nobody has answered (deltas [None, None]): the weights should stay {weights.tolist()}, yours are {got.tolist()}.",
            f"谁也没有交回增量（[None, None]）：权重应当还是 {weights.tolist()}，你的结果是 {got.tolist()}。",
        )


average_of_answers = Exercise(
    "background.average_of_answers",
    "1.2",
    _average_of_answers,
    (
        (
            "First pick out those who answered: their deltas and their sizes, in two lists of equal length.",
            "先挑出交回了增量的客户端：它们的增量、它们的样本数，两个一样长的列表。",
        ),
        (
            "Average these as before, each weighted by its own number of samples (the argument weights= of np.average; not the "
            "model's weights). Think of an empty list before you divide.",
            "对它们求加权平均，各自的比重是自己的样本数（np.average 的 weights= 参数）。除之前，先想想列表为空的情形。",
        ),
    ),
    """
def average_of_answers(weights, deltas, sizes):
    answered = [number for number, delta in enumerate(deltas) if delta is not None]
    if not answered:
        return weights
    change = sum(sizes[number] * deltas[number] for number in answered)
    return weights + change / sum(sizes[number] for number in answered)
""",
    (
        "Phones drop out all the time; a round goes on with those who are left.",
        "手机掉线是常事；一轮训练就靠还在的那些继续下去。",
    ),
)


def _spent(rounds, n, bits_up, bits_down):
    """Bytes of a phone after so many rounds: the first model as float32, then changes of bits_down bits; bits_up each round."""
    return n * (32 + bits_down * (rounds - 1) + bits_up * rounds) / 8 if rounds else 0.0


def _rounds_of_a_plan(function) -> None:
    cases = [(100, 101_770, 32, 32), (10, 1_000_000, 8, 8), (50, 1_000_000, 1, 32), (1000, 300_000, 2, 4), (5, 2_000_000, 1, 1)]
    for megabytes, n, up, down in cases:
        got = as_number(attempt(function, megabytes, n, up, down), ("the number of rounds", "轮数"))
        exact = (8e6 * megabytes / n - 32 + down) / (up + down)
        expected = max(0, int(exact))
        if got == expected:
            continue
        plan = (
            f"{megabytes} MB, {n:,} weights, {up} bits up and {down} down",
            f"{megabytes} MB、{n:,} 个权重、上行 {up} 位、下行 {down} 位",
        )
        if got < 0 or expected == 0:
            raise Wrong(
                f"{plan[0]}: the first model alone takes {4 * n / 1e6:g} MB, so there are 0 rounds, yours says {got:g}.",
                f"{plan[1]}：光是初始模型就要 {4 * n / 1e6:g} MB，所以是 0 轮，你的结果是 {got:g}。",
            )
        if got == int(8e6 * megabytes / n / (up + down)):
            raise Wrong(
                f"{plan[0]}: the first model comes as float32, 32 bits a weight, not {down}; that leaves {expected} rounds.",
                f"{plan[1]}：初始模型是 float32，每个权重 32 位，不是 {down} 位；于是只够 {expected} 轮。",
            )
        if exact > 20 and any(abs(got - off) <= 1 + 0.1 * off for off in (exact / 8, 8 * exact)):
            raise Wrong(
                f"{plan[0]}: {expected} rounds, yours says {got:g}, about 8 times off: the plan is in bytes, the formula in "
                "bits.",
                f"{plan[1]}：{expected} 轮，你的结果是 {got:g}，大约差 8 倍：套餐按字节计，公式按位计。",
            )
        if got == max(0, int((8e6 * megabytes / n - 32) / (up + down))):
            raise Wrong(
                f"{plan[0]}: {expected} rounds, yours says {got:g}: the first round receives no update, only the model.",
                f"{plan[1]}：{expected} 轮，你的结果是 {got:g}：第一轮不收更新，只收模型。",
            )
        if np.isclose(got, exact):
            raise Wrong(
                f"{got:.3f} is no whole number: a round that does not fit in full is no round.",
                f"{got:.3f} 不是整数：装不下的那一轮不能算。",
            )
        if got in (int(8e6 * megabytes / n / up), max(0, int((8e6 * megabytes / n - 32) / up))):
            raise Wrong(
                "the downlink counts as well: what a phone receives is on its bill.", "下行也要算：手机收到的字节同样计入套餐。"
            )
        more = _spent(int(got), n, up, down) / 1e6
        raise Wrong(
            f"{plan[0]}: {expected} rounds, yours says {got:g}; so many would take {more:.2f} MB.",
            f"{plan[1]}：{expected} 轮，你的结果是 {got:g}；那要用 {more:.2f} MB。",
        )


rounds_of_a_plan = Exercise(
    "background.rounds_of_a_plan",
    "1.3",
    _rounds_of_a_plan,
    (
        (
            "Write down what one phone has sent and received after R rounds, in bits; then solve for R.",
            "先写出一部手机 R 轮之后一共收发了多少位，再解出 R。",
        ),
        (
            "The first round takes 32 + bits_up bits a weight, each further one bits_down + bits_up.",
            "第一轮每个权重要 32 + bits_up 位，以后每轮 bits_down + bits_up 位。",
        ),
        (
            "Take the first round off the plan (8e6 * megabytes bits); what is left, // by the bits of a further round, plus 1.",
            "从套餐（8e6 * megabytes 位）里减去第一轮；剩下的用 // 除以以后每轮的位数，再加 1。",
        ),
    ),
    """
def rounds_of_a_plan(megabytes, n, bits_up, bits_down):
    left = 8e6 * megabytes - (32 + bits_up) * n  # bits, after the first round
    if left < 0:
        return 0
    return 1 + int(left // ((bits_up + bits_down) * n))
""",
    (
        "An estimate, without headers and places; chapter 5 does the same with bytes that were really made.",
        "这是估算，没有算头部和位置；第 5 章用真正生成的字节再算一次。",
    ),
)
