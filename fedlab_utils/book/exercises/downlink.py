"""Exercise 6.2: what the downlink of a whole training takes, where clients come and stay away."""

from __future__ import annotations

import numpy as np

from .base import Exercise, Wrong, as_number, attempt


def bytes_down(cohorts: list[list[int]], payloads: list[int], first: int, dense: int, **left_out: bool) -> int:
    """All bytes down, by law 4: what each client of each cohort missed, or the dense model, whichever is fewer.

    payloads: of the broadcast after each round. first: of the first model, dense: of the model of the day. left_out: what a
    wrong answer leaves out: catch_up (only the last broadcast is sent), choice (never the dense model), begin (the first model),
    since (the broadcasts since the first model).
    """
    total = 0
    version: dict[int, int] = {}
    for number, cohort in enumerate(cohorts):
        for client in cohort:
            new = client not in version
            begin = version.get(client, 0)
            if left_out.get("catch_up") and not new:
                begin = max(begin, number - 1)
            missed = sum(payloads[begin:number])
            if new:
                missed = (0 if left_out.get("since") else missed) + (0 if left_out.get("begin") else first)
            total += missed if left_out.get("choice") else min(missed, dense)
            version[client] = number
    return total


_MIXED = (
    ({"catch_up": True}, "A client that missed rounds must get every broadcast that it missed, not only the last.",
     "错过几轮的客户端要补上错过的每一条广播，不只是最后一条。"),
    ({"choice": True}, "Where what was missed takes more than the dense model, the dense model is sent.",
     "补发的字节超过稠密模型时，改发稠密模型。"),
    ({"begin": True}, "A client that comes for the first time gets the first model as well.", "第一次来的客户端还要收初始模型。"),
    ({"since": True}, "A client that first comes late gets the first model and every broadcast since.",
     "晚来的客户端，除了初始模型，还要补上此后的每一条广播。"),
)  # fmt: skip


def _downlink_bytes(function) -> None:
    rng = np.random.default_rng(8)
    drawn = [[sorted(rng.choice(8, 3, replace=False).tolist()) for _ in range(12)] for _ in range(2)]
    cases = [
        ([[0, 1], [0, 1]], [10, 10], 4, 400),
        ([[0], [1], [0, 2]], [10, 20, 30], 4, 400),
        ([[0], [1], [1], [1], [0]], [10, 20, 30, 40, 50], 4, 85),
        (drawn[0], rng.integers(90, 130, 12).tolist(), 40, 4000),
        (drawn[1], rng.integers(90, 130, 12).tolist(), 4000, 4000),
        (drawn[1], rng.integers(900, 1300, 12).tolist(), 500, 4000),
    ]
    for cohorts, payloads, first, dense in cases:
        got = as_number(attempt(function, cohorts, payloads, first, dense), ("the bytes", "字节数"))
        wanted = bytes_down(cohorts, payloads, first, dense)
        if got == wanted:
            continue
        small = len(cohorts) < 6
        told = (f"cohorts = {cohorts}, payloads = {payloads}, first = {first}, dense = {dense}" if small else
                f"{len(cohorts)} rounds, 3 of 8 clients each, first = {first}, dense = {dense}",
                f"cohorts = {cohorts}，payloads = {payloads}，first = {first}，dense = {dense}" if small else
                f"{len(cohorts)} 轮，每轮 8 个客户端里的 3 个，first = {first}，dense = {dense}")  # fmt: skip
        raise Wrong(*_what_is_wrong(got, told, cohorts, payloads, first, dense))


def _what_is_wrong(got, told, cohorts, payloads, first, dense) -> tuple[str, str]:
    wanted = bytes_down(cohorts, payloads, first, dense)
    why = next(((en, zh) for left, en, zh in _MIXED if got == bytes_down(cohorts, payloads, first, dense, **left)),
               ("Follow one client from round to round: which broadcast was its last?",
                "跟着一个客户端逐轮看：它收到的最后一条广播是哪一条？"))  # fmt: skip
    if got == wanted + sum(payloads[number] * len(cohort) for number, cohort in enumerate(cohorts)):
        why = ("The broadcast after round r is for round r + 1: the cohort of round r has gone.",
               "第 r 轮之后的广播要到第 r + 1 轮才发：第 r 轮的客户端已经走了。")  # fmt: skip
    return (f"{told[0]}: {wanted:,} bytes are right, yours says {got:,.12g}. {why[0]}",
            f"{told[1]}：应当是 {wanted:,} 字节，你的结果是 {got:,.12g}。{why[1]}")  # fmt: skip


downlink_bytes = Exercise(
    "playground.downlink_bytes",
    "6.1",
    _downlink_bytes,
    (
        (
            "Keep for every client the round in which it came last: up to that one it has everything.",
            "给每个客户端记下最近一次参加的轮次：到那时为止，它什么都有了。",
        ),
        (
            "In round r a client that last came in round s misses payloads[s:r]; one that never came misses first and "
            "payloads[:r].",
            "第 r 轮时，上次在第 s 轮来过的客户端缺 payloads[s:r]；从没来过的缺初始模型和 payloads[:r]。",
        ),
        (
            "min(…, dense) for each client, and add up.",
            "对每个客户端取 min(…, dense)，再求和。",
        ),
    ),
    """
def downlink_bytes(cohorts, payloads, first, dense):
    total, last = 0, {}
    for r, cohort in enumerate(cohorts):
        for client in cohort:
            missed = sum(payloads[last[client]:r]) if client in last else first + sum(payloads[:r])
            total += min(missed, dense)
            last[client] = r
    return total
""",
    (
        "However few clients a round takes: sooner or later every one of them has been sent every broadcast.",
        "每轮只抽几个客户端也一样：迟早每个客户端都会收到每一条广播。",
    ),
)
