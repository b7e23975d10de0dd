"""Exercises of chapter 2: which kind of federation, aligning tables by ID, and a lossless coder; and concept questions."""

from __future__ import annotations

import numpy as np

from ...data import load_client_delta
from .asked.concepts import *  # noqa: F403
from .base import Exercise, Wrong, as_array, attempt

KINDS = ("horizontal", "vertical", "transfer")
LOSSLESS_BUDGET = 242_000  # bytes; zlib alone leaves 260,000 of the delta, LZMA alone 245,000


def _kind_of_federation(function) -> None:
    ids, features = set(range(100)), {"age", "bmi", "bp", "glucose", "hdl"}
    other_ids = set(range(100, 200))
    cases = [
        ((ids, features, other_ids, features), "horizontal"),
        ((ids, {"age", "bmi"}, ids, {"bp", "glucose"}), "vertical"),
        ((ids, {"age", "bmi"}, other_ids, {"bp", "glucose"}), "transfer"),
        # "Many in common" rarely means all: the two laboratories share most people, the two banks most columns.
        ((set(range(100)), {"age", "bmi"}, set(range(10, 105)), {"bp", "glucose"}), "vertical"),
        ((ids, features, other_ids, features - {"hdl"}), "horizontal"),
        ((ids, {"age", "bmi", "bp"}, set(range(95, 200)), {"glucose", "hdl", "bp"}), "transfer"),
        # The share decides, not the count: 7 are many of 10, 400 are not many of 1,000.
        ((set(range(10)), {"age", "bmi"}, set(range(3, 12)), {"bp", "glucose"}), "vertical"),
        ((set(range(1000)), {"age", "bmi"}, set(range(600, 1600)), {"bp", "glucose"}), "transfer"),
        ((ids, {"age", "bmi", "bp"}, other_ids, {"age", "bmi"}), "horizontal"),
        ((ids, set("abcdefghij"), other_ids, set("ghijklmnop")), "transfer"),
    ]
    for number, (arguments, expected) in enumerate(cases):
        got = attempt(function, *arguments)
        if not isinstance(got, str) or got not in KINDS:
            raise Wrong(
                f"return one of {', '.join(map(repr, KINDS))}, not {got!r}",
                f"请返回 {'、'.join(map(repr, KINDS))} 之一，而不是 {got!r}",
            )
        if got == expected:
            continue
        a, f, b, g = arguments
        many = (
            f"{len(a & b)} of about {len(a):,} samples and {len(f & g)} of {max(len(f), len(g))} features in common is "
            f"{expected}, yours says {got}",
            f"约 {len(a):,} 个样本中有 {len(a & b)} 个相同，{max(len(f), len(g))} 个特征中有 {len(f & g)} 个相同："
            f"这是 {expected}，你的结果是 {got}",
        )
        if {got, expected} == {"horizontal", "vertical"} and number < 3:
            raise Wrong(
                "the two are mixed up: horizontal shares the features, vertical shares the samples.",
                "两者弄反了：横向是特征相同，纵向是样本相同。",
            )
        if number >= 3:
            raise Wrong(
                f"{many[0]}: “many in common” need not be all, but less than half is not many. Compare the share, not the count, "
                "with one half.",
                f"{many[1]}。“重叠较多”不必是全部，但不到一半也不算；请拿重叠的比例（不是个数）与一半比较。",
            )
        raise Wrong(f"{many[0]}.", f"{many[1]}。")


kind_of_federation = Exercise(
    "concepts.kind_of_federation",
    "2.1",
    _kind_of_federation,
    (
        ("len(a & b) / min(len(a), len(b)) is the share that two sets have in common.",
         "len(a & b) / min(len(a), len(b)) 是两个集合重叠的比例。"),
        ("Ask about the samples first: more than half in common is vertical. Then about the features.",
         "先看样本：超过一半相同就是纵向；再看特征。"),
    ),
    """
def kind_of_federation(samples_a, features_a, samples_b, features_b):
    def overlap(a, b):
        return len(a & b) / min(len(a), len(b))

    if overlap(samples_a, samples_b) > 0.5:
        return "vertical"
    return "horizontal" if overlap(features_a, features_b) > 0.5 else "transfer"
""",
    ("(If both overlap, there is little to federate: the parties hold almost the same table.)",
     "（如果两者都重叠，就没有联邦的必要了：双方手里几乎是同一张表。）"),
)  # fmt: skip


def _align(function) -> None:
    cases = [
        (np.array([7, 3, 9, 5, 1]), np.array([9, 2, 3, 8, 7, 6])),  # some at one party only
        (np.array([11, 12, 13]), np.array([13, 11, 12])),  # the same people in another order
        (np.array([40, 20]), np.array([10, 30])),  # nobody in common
    ]
    for ids_a, ids_b in cases:
        got = attempt(function, ids_a, ids_b)
        if isinstance(got, np.ndarray) and got.ndim == 2:  # the rows of A and of B, stacked
            got = list(got)
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong("return two arrays: the rows of A, and the rows of B.", "请返回两个数组：A 的行号和 B 的行号。")
        common = sorted(set(ids_a.tolist()) & set(ids_b.tolist()))
        rows = []
        for who, ids, answer in (("A", ids_a, got[0]), ("B", ids_b, got[1])):
            flat = as_array(answer, None, (f"the rows of {who}", f"{who} 的行号")).ravel()
            if flat.size and (flat.min() < 0 or flat.max() >= ids.size or np.any(flat != np.rint(flat))):
                raise Wrong(
                    f"the rows of {who} must be numbers from 0 to {ids.size - 1}: row numbers, not IDs. (If you call "
                    "np.searchsorted: it needs sorted IDs, and these are in any order.)",
                    f"{who} 的行号应当在 0 到 {ids.size - 1} 之间：要的是行号，不是 ID。（用 np.searchsorted 的话：它要求 "
                    "ID 已经排好序，这里的次序是任意的。）",
                )
            rows.append(flat.astype(int))
        if rows[0].size != rows[1].size:
            raise Wrong(
                f"{rows[0].size} rows of A and {rows[1].size} of B: row i must be the same person on both sides.",
                f"A 有 {rows[0].size} 行，B 有 {rows[1].size} 行：第 i 行在两边必须是同一个人。",
            )
        people_a, people_b = ids_a[rows[0]].tolist(), ids_b[rows[1]].tolist()
        if people_a != people_b and sorted(people_a) == sorted(people_b) == common:
            raise Wrong(
                f"the right people, but in another order on each side: A has {people_a}, B has {people_b}.",
                f"人选对了，但两边的顺序不同：A 是 {people_a}，B 是 {people_b}。",
            )
        if people_a != people_b:
            raise Wrong(
                f"row i is not the same person: A has {people_a}, B has {people_b}.",
                f"第 i 行不是同一个人：A 是 {people_a}，B 是 {people_b}。",
            )
        if people_a != common:
            raise Wrong(
                f"of A {ids_a.tolist()} and B {ids_b.tolist()} the people {common} are wanted, in rising order of ID; "
                f"yours are {people_a}.",
                f"A 是 {ids_a.tolist()}，B 是 {ids_b.tolist()}，应当得到 {common}（按 ID 从小到大），你的结果是 {people_a}。",
            )


align = Exercise(
    "concepts.align",
    "2.2",
    _align,
    (
        ("np.intersect1d has an argument return_indices.", "np.intersect1d 有一个参数 return_indices。"),
        ("It returns three things: the common IDs, their places in the first array, and their places in the second.",
         "它返回三样东西：共同的 ID、它们在第一个数组里的位置、在第二个数组里的位置。"),
    ),
    """
def align(ids_a, ids_b):
    _, rows_a, rows_b = np.intersect1d(ids_a, ids_b, return_indices=True)
    return rows_a, rows_b
""",
    ("Real parties may not show each other their IDs: private set intersection finds the common ones without.",
     "真实的参与方不能把 ID 亮给对方看：“隐私集合求交”能在不泄露其他 ID 的情况下找出共同的那些。"),
)  # fmt: skip


def _lossless(pair) -> None:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise Wrong("give check a pair: (pack, unpack).", "请把一对函数交给 check：(pack, unpack)。")
    pack, unpack = pair
    delta = load_client_delta()
    awkward = np.array([0.0, -0.0, 1.5, np.float32(1e-42), -3.4e38, 0.1], np.float32)
    vectors, messages = (awkward, np.zeros(5, np.float32), delta), []
    for x in vectors:
        message = _called("pack", pack, x)
        if not isinstance(message, (bytes, bytearray)):
            raise Wrong(
                f"pack must return bytes, got {type(message).__name__}", f"pack 应当返回 bytes，得到的是 {type(message).__name__}"
            )
        messages.append(bytes(message))
    for x, message in zip(vectors[::-1], messages[::-1], strict=True):  # so that nothing can be remembered beside the bytes
        answer = _called("unpack", unpack, message)
        back = np.asarray(answer)
        if any(np.array_equal(back, other) for other in vectors if other is not x):
            raise Wrong(
                "unpack gave back another array than the one in this message: all that it needs must travel in the bytes.",
                "unpack 还原出的是另一个数组，不是这条消息里的：它需要的一切，都必须放在字节串里。",
            )
        if back.dtype != np.float32:  # before the shape: read as float64, half as many numbers come out
            kind = back.dtype if back.dtype.kind in "biufc" else type(answer).__name__
            raise Wrong(
                f"float32 went in, {kind} came out; unpack must return float32, as np.frombuffer(…, np.float32) does.",
                f"放进去的是 float32，取出来的是 {kind}；unpack 应当返回 float32，例如用 np.frombuffer(…, np.float32)。",
            )
        if back.size != x.size:
            raise Wrong(
                f"{x.size:,} numbers went in, {back.size:,} came out.", f"放进去 {x.size:,} 个数，取出来 {back.size:,} 个。"
            )
        if back.shape != x.shape:
            raise Wrong(
                f"an array of shape {x.shape} went in, one of shape {back.shape} came out.",
                f"放进去的数组形状是 {x.shape}，取出来的是 {back.shape}。",
            )
        if not np.array_equal(back.view(np.uint32), x.view(np.uint32)):
            if sorted(back.tobytes()) == sorted(x.tobytes()):
                raise Wrong(
                    "all bytes are there, in another order: unpack has to undo what pack did.",
                    "字节都在，只是次序没有换回来：unpack 要把 pack 的排列倒过来。",
                )
            worst = int(np.flatnonzero(back.view(np.uint32) != x.view(np.uint32))[0])
            raise Wrong(
                f"not lossless: {x[worst]!s} came back as {back[worst]!s}. Every bit must return, the sign of -0.0 too.",
                f"有损：{x[worst]!s} 变成了 {back[worst]!s}。每一位都必须还原，包括 -0.0 的符号。",
            )
    if len(messages[-1]) > LOSSLESS_BUDGET:
        raise Wrong(
            f"lossless, but {len(messages[-1]):,} bytes of {4 * delta.size:,} are left; at most {LOSSLESS_BUDGET:,} are wanted. "
            "Put bytes that are alike side by side before you compress.",
            f"确实无损，但 {4 * delta.size:,} 字节还剩 {len(messages[-1]):,} 字节，要求不超过 {LOSSLESS_BUDGET:,}。"
            "请先把相似的字节排到一起，再压缩。",
        )


def _called(name: str, function, argument):
    """`attempt` of one of the two; where it raises, told by its name."""
    try:
        return attempt(function, argument)
    except Wrong as wrong:
        if (cause := wrong.__cause__) is None:  # it did not raise
            raise
        text = f"{type(cause).__name__}: {cause}"
        raise Wrong(f"{name} raised {text}", f"{name} 抛出了异常：{text}") from cause


lossless = Exercise(
    "concepts.lossless",
    "2.3",
    _lossless,
    (
        ("First in the order as it is: zlib.compress(x.tobytes()), and back np.frombuffer(zlib.decompress(message), np.float32).",
         "先不管次序：zlib.compress(x.tobytes()) 和 np.frombuffer(zlib.decompress(message), np.float32) 已经是无损的。"),
        ("Of the four bytes of a float32 the last is nearly the same everywhere (sign, exponent), the middle are nearly noise.",
         "float32 的四个字节中，最后一个（符号和指数）处处相近，中间两个近乎噪声。"),
        ("x.view(np.uint8).reshape(-1, 4) has a row for each weight, a column for each of its bytes. Put column after column.",
         "x.view(np.uint8).reshape(-1, 4) 每行是一个权重，每列是它的一个字节。请一列接一列地排。"),
        ("….T.tobytes() does that. Back: np.frombuffer(…, np.uint8).reshape(4, -1).T, made contiguous, seen as np.float32.",
         "用 ….T.tobytes()。还原：np.frombuffer(…, np.uint8).reshape(4, -1).T，变成连续的数组，再看作 np.float32。"),
    ),
    """
import zlib


def pack(x):
    return zlib.compress(x.view(np.uint8).reshape(-1, 4).T.tobytes(), 9)


def unpack(message):
    planes = np.frombuffer(zlib.decompress(message), np.uint8).reshape(4, -1)
    return np.ascontiguousarray(planes.T).view(np.float32).ravel()
""",
    ("This is the shuffle filter of HDF5 and Blosc. Beside it the compressor matters little: LZMA leaves a few per "
     "cent less than zlib.",
     "这就是 HDF5 和 Blosc 中的 shuffle 过滤器。与它相比，用哪种压缩程序并不重要：LZMA 只比 zlib 再省百分之几。"),
)  # fmt: skip
