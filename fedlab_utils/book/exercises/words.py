"""Exercise 4.4: code words of different lengths, read from a string without separators."""

from __future__ import annotations

import numpy as np

from .base import Exercise, Wrong, as_array, attempt, shown

BY_HAND = ("0", "10", "110", "111")  # the words of the text
CODES: tuple[tuple[str, ...], ...] = (
    BY_HAND,
    ("111", "0", "110", "10"),  # the levels in another order than their words' lengths
    ("00", "01", "10", "11"),
    ("1", "01", "001", "0001", "0000"),
    ("00", "010", "011", "1"),
)


def read(text: str, words: tuple[str, ...]) -> list[int]:
    """The levels that a string of code words holds."""
    levels, word = [], ""
    for bit in text:
        word += bit
        if word in words:
            levels.append(words.index(word))
            word = ""
    return levels


def _read_levels(function) -> None:
    rng = np.random.default_rng(0)
    cases: list[tuple[str, tuple[str, ...]]] = [("0100110111", BY_HAND)]
    for words in CODES:
        drawn = [list(range(len(words))), rng.integers(0, len(words), 30).tolist()]
        cases += [("".join(words[level] for level in levels), words) for levels in drawn]
    for text, words in [*cases, ("", BY_HAND)]:
        levels = read(text, words)
        answer = attempt(function, text, list(words))
        if isinstance(answer, str) or any(isinstance(item, str) for item in np.ravel(np.asarray(answer, object))):
            raise Wrong(
                "these are the words; return the levels, whole numbers: level i is words[i].",
                "这是码字；请返回级，也就是整数：第 i 级是 words[i]。",
            )
        got = as_array(answer, what=("the levels", "级")).ravel()
        if np.array_equal(got, levels):
            continue
        if not text:
            raise Wrong("an empty string holds no levels: return an empty list.", "空字符串里没有级：请返回空列表。")
        if np.array_equal(got, levels[:-1]):
            raise Wrong(
                f"the last word of {text} is missing: it ends where the string ends.",
                f"{text} 的最后一个码字没有读出来：它与字符串同时结束。",
            )
        if np.array_equal(got, levels[::-1]):
            raise Wrong("all levels are there, but backwards.", "级都对，次序却是反的。")
        agree = next((i for i, (one, other) in enumerate(zip(got, levels, strict=False)) if one != other), None)
        place = min(len(got), len(levels)) if agree is None else agree
        if place == len(levels):
            raise Wrong(
                f"{text} holds {len(levels)} levels, with the words {shown(list(words))}; yours are {len(got)}.",
                f"码字是 {shown(list(words))} 时，{text} 里有 {len(levels)} 个级，你读出了 {len(got)} 个。",
            )
        start, yours = sum(len(words[level]) for level in levels[:place]), shown(np.asarray(answer))
        raise Wrong(
            f"with the words {shown(list(words))}, {text} holds {shown(levels)}; yours says {yours}. The word that begins at "
            f"bit {start} (counted from 0) is {words[levels[place]]}.",
            f"码字是 {shown(list(words))} 时，{text} 里是 {shown(levels)}，你的结果是 {yours}。从第 {start} 位（从 0 数起）"
            f"开始的码字是 {words[levels[place]]}。",
        )


read_levels = Exercise(
    "mathematics.read_levels",
    "4.4",
    _read_levels,
    (
        (
            "Gather bits until they are a word; then note its level, and begin the next word.",
            "把位一个一个攒起来，攒成一个码字，就记下它的级，再从头攒下一个。",
        ),
        (
            "words.index(word) is the level of a word; `word in words` says whether the bits so far are one.",
            "words.index(word) 就是码字的级；word in words 说明攒到的位是不是一个码字。",
        ),
    ),
    """
def read_levels(text, words):
    levels, word = [], ""
    for bit in text:
        word += bit
        if word in words:
            levels.append(words.index(word))
            word = ""
    return levels
""",
    (
        "No word begins another, so none needs a separator. With 0, 01 and 1, the string 01 could be one level or two.",
        "没有一个码字是另一个的开头，所以不用分隔符。换成 0、01、1，字符串 01 就既像一个级，又像两个级。",
    ),
)
