"""Codecs by what a reader types or copies: "TopK(0.01) | Quantize(8)". Read as a tree of names and constants, never run."""

from __future__ import annotations

import ast
import inspect
import re
import unicodedata
from typing import Any

from .. import codecs
from ..codecs import Codec, Pipeline
from ..language import say

MAX_TEXT = 1000  # characters, more than any codec needs

_STAGES: dict[str, type[Codec]] = {
    name: kind
    for name in codecs.__all__
    if isinstance(kind := getattr(codecs, name), type) and issubclass(kind, Codec) and kind not in (Codec, Pipeline)
}


def codec_named(text: str) -> Codec:
    """The codec that a text names: public stages with numbers, strings, True or False as arguments, joined with |. "fl." may
    stand before a stage, as in a line of code.

    ValueError, in one sentence, for anything else.
    """
    try:
        return _read(text)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise _unknown(text, _how_to_write(text)) from error
    except (TypeError, ValueError) as error:
        raise _unknown(text, str(error)) from error


def _read(text: str) -> Codec:
    if len(text) > MAX_TEXT:
        raise ValueError(say(f"longer than {MAX_TEXT} characters", f"超过 {MAX_TEXT} 个字符"))
    return _codec(ast.parse(text.strip(), mode="eval").body)


_QUOTES = str.maketrans("“”‘’", "\"\"''")  # of a Chinese keyboard, as the full-width signs that NFKC makes narrow


def _how_to_write(text: str) -> str:
    """What is said of a text that is no expression: how it was meant, where that is a codec, or how codecs are written."""
    halves = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    stages = [re.sub(r"^((?:fl\.)?\w+)\s+([^\s(].*)$", r"\1(\2)", stage.strip()) for stage in halves.split("|")]
    meant = " | ".join(stages)
    try:
        _read(meant)
    except (SyntaxError, RecursionError, MemoryError, TypeError, ValueError):
        return say("what a stage takes stands in parentheses, stages are joined with |, as in TopK(0.01) | Quantize(8)",
                   "参数写在英文括号里，各环节用 | 连接，例如 TopK(0.01) | Quantize(8)")  # fmt: skip
    if halves != text:
        return say(f"its signs are full-width ones; write {meant}", f"用了全角符号，请写 {meant}")
    return say(f"what a stage takes stands in parentheses; write {meant}", f"参数要写在括号里，请写 {meant}")


def _unknown(text: str, why: str) -> ValueError:
    shown = text if len(text) <= 60 else text[:60] + "…"
    return ValueError(say(f"{shown!r} is no codec: {why}", f"{shown!r} 不是编解码器：{why}"))


def _codec(node: ast.expr) -> Codec:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _codec(node.left) | _codec(node.right)
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])  # Sign is Sign()
    name = ast.unparse(call.func).removeprefix("fl.")
    if not name.isidentifier():
        raise ValueError(say("write stages such as TopK(0.01) | Quantize(8)", "请写成 TopK(0.01) | Quantize(8) 这样的形式"))
    kind = _STAGES.get(name)
    if kind is None:
        raise ValueError(say(f"there is no {name}; there are {', '.join(_STAGES)}",
                             f"没有 {name}；可用的有 {'、'.join(_STAGES)}"))  # fmt: skip
    arguments = [_constant(argument) for argument in call.args]
    named = {_keyword(keyword): _constant(keyword.value) for keyword in call.keywords}
    takes = inspect.signature(kind)
    try:
        takes.bind(*arguments, **named)
    except TypeError as error:
        shown = str(takes.replace(return_annotation=takes.empty, parameters=[
            parameter.replace(annotation=parameter.empty) for parameter in takes.parameters.values()
        ]))  # fmt: skip
        raise TypeError(say(f"what it takes is {name}{shown}", f"它的写法是 {name}{shown}")) from error
    return kind(*arguments, **named)


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise ValueError(say("** is not taken", "不接受 **"))
    return keyword.arg


def _constant(node: ast.expr) -> Any:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, (int, float)) and not (isinstance(value, bool) and sign < 0):
        return value if sign > 0 else -value
    if isinstance(value, str) and sign > 0:
        return value
    raise ValueError(say(f"an argument must be a number, a string, True or False, not {ast.unparse(node)}",
                         f"参数只能是数、字符串、True 或 False，不能是 {ast.unparse(node)}"))  # fmt: skip
