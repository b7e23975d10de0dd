"""What the parts of a message are, in words: a name, one sentence, the kind whose colour they have, and their first bytes."""

from __future__ import annotations

import html

from ...codecs import Part
from ...language import say
from ..colours import BROWN, GUIDE, MAROON, TEAL, VIOLET

DUMPED, WIDE = 96, 16  # bytes of a part that are shown, and of a line of them
KINDS = {"values": VIOLET, "envelope": GUIDE, "tables": BROWN, "places": TEAL, "layout": MAROON}
_TABLES = ("ranges", "scale", "scales", "norm", "step", "centroids")
_IN_LEVELS = ("form", "histogram", "curve", "fields", "rows and columns")  # what is told of levels before the levels


def kind_of(part: Part) -> str:
    """One of KINDS. Parts that no stage of the package writes count to the envelope's: parameters."""
    first, last = part.names[0], part.names[-1]
    if first == "shapes":
        return "layout"
    if first == "support":
        return "places"
    if first in _TABLES or (first == "levels" and last in _IN_LEVELS):
        return "tables"
    return "values" if first in ("levels", "values") else "envelope"


def kind_name(kind: str) -> str:
    names = {
        "envelope": ("envelope, tags, seeds", "信封、标签、种子"),
        "layout": ("layout", "各数组的形状"),
        "places": ("places of the kept", "保留权重的位置"),
        "tables": ("ranges and tables", "范围与表"),
        "values": ("values", "数值"),
    }
    return say(*names[kind])


def part_name(part: Part) -> str:
    """A name in a few words."""
    first, last = part.names[0], part.names[-1]
    if last.startswith("array "):
        number = last.removeprefix("array ")
        return say(f"levels of array {number}", f"数组 {number} 的量化级")
    if first in ("support", "levels") and len(part.names) > 1:
        whole = say("places", "位置") if first == "support" else say("levels", "量化级")
        return f"{whole}{say(': ', '：')}{say(*_DETAILS[last][:2])}"
    return say(*_PARTS[first][:2]) if first in _PARTS else last


def sentence(part: Part) -> str:
    """What a part is, and what it is for."""
    first, last = part.names[0], part.names[-1]
    if last.startswith("array "):
        return say("Levels of one array of the model, by a histogram of its own: the histogram, then the entropy code.",
                   "模型中一个数组的量化级，用它自己的直方图编码：先是直方图，后是熵编码。")  # fmt: skip
    if first in ("support", "levels") and len(part.names) > 1:
        return say(*_DETAILS[last][2:])
    if first in _PARTS:
        return say(*_PARTS[first][2:])
    return say("What a stage of your own wrote.", "你自己的环节写下的内容。")


def dump(payload: bytes, part: Part) -> str:
    """The first bytes of a part as HTML: place in the message, and sixteen bytes a line in hexadecimal."""
    end = part.start + min(part.size, DUMPED)
    lines = [f"{start:>8,}  {payload[start : min(start + WIDE, end)].hex(' ')}" for start in range(part.start, end, WIDE)]
    if part.size > DUMPED:
        lines.append("       …")
    return f'<pre style="margin:4px 0;line-height:1.35;white-space:pre;overflow-x:auto">{html.escape(chr(10).join(lines))}</pre>'


# By the first of a part's names: (en, zh, sentence in English, in Chinese).
_PARTS = {
    "version": (
        "mark and version", "标志与版本",
        "0xF, by which a message is known as ours, and the version of the format; a later one is refused in one sentence.",
        "0xF 表明这是我们的消息，后面是格式版本号；遇到更新的版本，解码器会用一句话拒绝。",
    ),
    "count": (
        "number of weights", "权重个数",
        "How many weights the vector has: seven bits a byte, the eighth says whether more follow.",
        "向量有多少个权重：每字节 7 位，第 8 位说明后面是否还有。",
    ),
    "checksum": (
        "checksum", "校验和",
        "CRC-32 of everything before it: a damaged message is noticed before anything is decoded.",
        "前面所有字节的 CRC-32：消息若有损坏，解码之前就能发现。",
    ),
    "tag": (
        "tag of the layer", "环节的标签",
        "One byte: which stage wrote this layer, and in which of its forms.",
        "一个字节：这一段由哪个环节写成，用的是哪种形式。",
    ),
    "parameters": (
        "parameters", "参数",
        "What the reader of this stage has to know of how it was made.",
        "解码这个环节必须知道的参数。",
    ),
    "shapes": (
        "shapes of the arrays", "各数组的形状",
        "Of how many arrays the vector is made, and how long each is in each dimension: something in the message is coded by it.",
        "向量由几个数组拼成，每个数组各维多长：消息里有内容要靠它解码。",
    ),
    "k": (
        "number of the kept", "保留的个数",
        "How many weights are kept; so many values follow.",
        "保留了多少个权重，后面就有多少个数值。",
    ),
    "seed": (
        "seed", "种子",
        "Three bytes from which both sides draw the same random numbers: what they stand for need not be sent.",
        "三个字节，双方由它抽出同样的随机数，随机数本身就不必发送。",
    ),
    "support": (
        "places", "位置",
        "Which weights are kept, in the shortest of several forms.",
        "保留的是哪些权重，取几种写法中最短的一种。",
    ),
    "ranges": (
        "ranges", "取值范围",
        "The least and the largest value, a float32 each; where arrays have ranges of their own, two of each.",
        "最小值和最大值，各是一个 float32；逐数组取范围时，每个数组两个。",
    ),
    "scale": (
        "scale", "尺度",
        "One float32, by which all levels are multiplied.",
        "一个 float32，所有量化级都乘以它。",
    ),
    "scales": (
        "scales", "尺度",
        "The mean magnitude as a float32; where arrays or blocks have scales of their own, one of each.",
        "绝对值的平均，一个 float32；数组或分块各有尺度时，每个一个。",
    ),
    "norm": (
        "norm", "范数",
        "The Euclidean norm of the whole vector, a float32 rounded up: no magnitude is above it.",
        "整个向量的欧氏范数，向上舍入成 float32：没有哪个分量的绝对值超过它。",
    ),
    "step": (
        "step", "步长",
        "The distance of two levels, as the upper half of a float32 where that is enough.",
        "相邻两个量化级的间距；够用时只写 float32 的高 16 位。",
    ),
    "centroids": (
        "centroids", "质心",
        "Of the levels where it pays: the mean of the weights that were rounded to it, in one byte each.",
        "值得写的那些量化级：舍入到该级的权重的平均值，各占一个字节。",
    ),
    "levels": (
        "levels", "量化级",
        "The levels of the values.",
        "各数值的量化级。",
    ),
    "values": (
        "values", "数值",
        "The values themselves, as floating point of four or two bytes each.",
        "数值本身，每个是四字节或两字节的浮点数。",
    ),
}  # fmt: skip
# By the second of the names, where the first is "support" or "levels".
_DETAILS = {
    "Rice parameter": (
        "Rice parameter", "Rice 参数",
        "How many low bits of each gap are written as they are.",
        "每个间隔的低位有几位原样写下。",
    ),
    "low bits": (
        "low bits of the gaps", "间隔的低位",
        "The low bits of each gap between kept places, packed one after the other.",
        "相邻保留位置之间的间隔，其低位依次打包。",
    ),
    "quotients": (
        "quotients of the gaps", "间隔的商",
        "The rest of each gap in unary: so many zeros, then a one.",
        "间隔的其余部分，用一元码写：几个 0，再一个 1。",
    ),
    "bitmap": (
        "bitmap", "位图",
        "One bit a weight: one where it is kept.",
        "每个权重一位，保留的记 1。",
    ),
    "form": (
        "form", "形式",
        "In which form what follows is written, and the number that it counts from.",
        "后面的内容用哪种形式写，以及从哪个数算起。",
    ),
    "histogram": (
        "histogram", "直方图",
        "How often each symbol occurs, rounded to parts of an octave: the model by which the entropy code is read.",
        "每个符号出现的次数，按倍频程的若干分之一取整：读熵编码要用的模型。",
    ),
    "curve": (
        "curve", "曲线",
        "A centre, a width and a kind of curve: a histogram in three numbers, for short vectors.",
        "中心、宽度和曲线类型：用三个数代替直方图，适合短向量。",
    ),
    "code": (
        "entropy code", "熵编码",
        "Its length, then the symbols, each in as many bits as the model finds it surprising.",
        "先是长度，再是各符号：模型觉得越意外的，占的位数越多。",
    ),
    "fields": (
        "what contexts need", "上下文所需",
        "Of each array: which rows and columns hold nothing, which neighbours tell, and what magnitude to expect at first.",
        "每个数组：哪些行列全空，看哪些邻居，一开始预期多大。",
    ),
    "rows and columns": (
        "live rows and columns", "有内容的行和列",
        "Which rows and columns of the arrays hold nothing at all: told once, so that their weights need not be.",
        "各数组中哪些行和列全是空的：说一次，其中的权重就不必再逐个说明。",
    ),
    "small arrays": (
        "small arrays", "小数组",
        "The levels of all arrays too small to pay for a histogram of their own, by one for all of them.",
        "太小、不值得单独用一个直方图的数组，合用一个。",
    ),
    "packed": (
        "packed", "打包",
        "The levels one after the other, each with the same number of bits, without a gap.",
        "各量化级依次排列，位数相同，中间没有空隙。",
    ),
}  # fmt: skip
