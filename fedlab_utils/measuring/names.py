"""Codecs by what a reader types: "TopK(0.01) | Quantize(8)". Read as a tree of names and constants, never run as code."""

from __future__ import annotations

import ast
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
    """The codec that a text names: public stages with numbers, strings, True or False as arguments, joined with |.

    ValueError, in one sentence, for anything else.
    """
    try:
        if len(text) > MAX_TEXT:
            raise SyntaxError(say(f"longer than {MAX_TEXT} characters", f"超过 {MAX_TEXT} 个字符"))
        return _codec(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        why = getattr(error, "msg", None) or type(error).__name__
        raise _unknown(text, why) from error
    except (TypeError, ValueError) as error:
        raise _unknown(text, str(error)) from error


def _unknown(text: str, why: str) -> ValueError:
    shown = text if len(text) <= 60 else text[:60] + "…"
    return ValueError(say(f"{shown!r} is no codec: {why}", f"{shown!r} 不是编码器：{why}"))


def _codec(node: ast.expr) -> Codec:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _codec(node.left) | _codec(node.right)
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])  # Sign is Sign()
    if not isinstance(call.func, ast.Name):
        raise ValueError(say("write stages such as TopK(0.01) | Quantize(8)", "请写成 TopK(0.01) | Quantize(8) 这样的形式"))
    kind = _STAGES.get(call.func.id)
    if kind is None:
        raise ValueError(say(f"there is no {call.func.id}; there are {', '.join(_STAGES)}",
                             f"没有 {call.func.id}；可用的有 {'、'.join(_STAGES)}"))  # fmt: skip
    arguments = [_constant(argument) for argument in call.args]
    return kind(*arguments, **{_keyword(keyword): _constant(keyword.value) for keyword in call.keywords})


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
