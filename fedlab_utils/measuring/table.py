"""What was measured, as a table: text for a terminal, HTML for a notebook, CSV for everything else."""

from __future__ import annotations

import csv
import html
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..language import say


@dataclass(frozen=True)
class Row:
    """One codec: len(payload), bits a weight, how many times fewer bytes than float32 has, the error of what is decoded
    (`nmse`), seconds of the processor, and whether every float32 came back as it was.
    """

    codec: str
    bytes: int
    bits_per_weight: float
    factor: float
    nmse: float
    encode_seconds: float
    decode_seconds: float
    lossless: bool


# How each column of a CSV is read, by the type that stands above.
_KINDS: dict[str, Callable[[str], Any]] = {
    "str": str, "int": int, "float": float, "bool": {"True": True, "False": False}.__getitem__,
}  # fmt: skip


@dataclass
class Table:
    """Rows in the order of the codecs. what: what was coded, in words. weights, arrays: how many. notes: what was left out."""

    what: str
    weights: int
    arrays: int
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, place: int) -> Row:
        return self.rows[place]

    def __str__(self) -> str:
        return as_text(self._title(), _heads(), map(_cells, self.rows), self._remarks())

    def _repr_html_(self) -> str:
        return as_html(self._title(), _heads(), map(_cells, self.rows), self._remarks())

    def to_csv(self, path: str | Path) -> None:
        """Write a line a codec, numbers unrounded; what was coded and how many weights stand in every line. Not the notes."""
        constant = {"weights": self.weights, "arrays": self.arrays, "what": self.what}
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, [*(f.name for f in fields(Row)), *constant], lineterminator="\n")
            table.writeheader()
            table.writerows(asdict(row) | constant for row in self.rows)

    @classmethod
    def from_csv(cls, path: str | Path) -> Table:
        """Read what `to_csv` wrote. ValueError if the file is no such table."""
        try:
            with open(path, newline="", encoding="utf-8") as file:
                lines = list(csv.DictReader(file))
            rows = [Row(*(_KINDS[str(f.type)](line[f.name]) for f in fields(Row))) for line in lines]
            return cls(lines[0]["what"], int(lines[0]["weights"]), int(lines[0]["arrays"]), rows)
        except (KeyError, IndexError, TypeError, ValueError, csv.Error) as error:
            raise ValueError(say(f"{path} is no table of measured codecs: {error!r}",
                                 f"{path} 不是编解码器测量结果的表：{error!r}")) from error  # fmt: skip

    def _title(self) -> str:
        n, arrays, dense = f"{self.weights:,}", f"{self.arrays:,}", f"{4 * self.weights:,}"
        return say(f"{self.what}: {n} weights in {arrays} array{'s' if self.arrays > 1 else ''}, {dense} bytes as float32",
                   f"{self.what}：{arrays} 个数组，共 {n} 个权重，float32 为 {dense} 字节")  # fmt: skip

    def _remarks(self) -> list[str]:
        said = say("Bytes: the whole message. Factor: against float32. NMSE: squared error over squared length. "
                   "Seconds: of the processor, one run each.",
                   "字节数：完整的消息。倍数：与 float32 相比。NMSE：误差平方和除以原向量的平方和。"
                   "秒数：处理器时间，各运行一次。")  # fmt: skip
        return [said, *self.notes]


def _heads() -> list[str]:
    return [say("codec", "编解码器"), say("bytes", "字节数"), say("bits a weight", "每权重位数"), say("factor", "倍数"), "NMSE",
            say("encode s", "编码秒数"), say("decode s", "解码秒数"), say("lossless", "无损")]  # fmt: skip


def _cells(row: Row) -> list[str]:
    return [row.codec, f"{row.bytes:,}", f"{row.bits_per_weight:.3f}", as_factor(row.factor),
            f"{row.nmse:.2e}" if row.nmse else "0", f"{row.encode_seconds:.3f}", f"{row.decode_seconds:.3f}",
            say("yes", "是") if row.lossless else say("no", "否")]  # fmt: skip


def as_text(
    title: str, heads: list[str], lines: Iterable[list[str]], remarks: list[str], long: int | None = None
) -> str:
    """A table for a terminal: the first column to the left, the others, numbers, to the right. long: see `as_html`."""
    table = [heads, *lines]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    columns = [(width, place in (0, long)) for place, width in enumerate(widths)]
    shown = ["  ".join(_pad(cell, *column) for cell, column in zip(line, columns, strict=True)) for line in table]
    return "\n".join([title, "", *(line.rstrip() for line in shown), "", *remarks])


def as_html(
    title: str, heads: list[str], lines: Iterable[list[str]], remarks: list[str], long: int | None = None
) -> str:
    """The same for a notebook; whatever stands in a cell is text. long: place of a column of long texts, to the left as the
    first one is; where there is one, it alone is broken into lines."""
    whole = "" if long is None else ";white-space:nowrap"

    def line(cells: list[str], tag: str) -> str:
        aligned = (f'<{tag} style="text-align:{"left" if place in (0, long) else "right"}{"" if place == long else whole}">'
                   f"{html.escape(cell)}</{tag}>" for place, cell in enumerate(cells))  # fmt: skip
        return f"<tr>{''.join(aligned)}</tr>"

    body = "".join(line(cells, "td") for cells in lines)
    return (f"<table><caption>{html.escape(title)}</caption><thead>{line(heads, 'th')}</thead>"
            f"<tbody>{body}</tbody></table><p>{'<br>'.join(map(html.escape, remarks))}</p>")  # fmt: skip


def as_factor(factor: float) -> str:
    """How many times fewer bytes, in three digits where it is below a hundred."""
    return f"{factor:,.{2 if factor < 10 else 1 if factor < 100 else 0}f}"


def _width(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _pad(text: str, width: int, left: bool) -> str:
    space = " " * (width - _width(text))
    return text + space if left else space + text
