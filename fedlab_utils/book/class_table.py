"""`python -m fedlab_utils collect folder`: the reports of a class as two tables, by student and by exercise.

Scoreboards of the capstone that lie in the folder are one board, shown below. A file that is no report is named and passed over.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..language import LANGUAGES, choose, say
from .class_items import Answer, answers_of, by_item
from .report import CODECS, FORMAT
from .scoreboard import board
from .scoreboard import read as read_board

LARGEST = 2**24  # bytes of a report


class Class(NamedTuple):
    """students: a row a report, by file. items: a row an exercise, question or guess. passed_over: a sentence a strange file."""

    students: list[dict[str, Any]]
    items: list[dict[str, Any]]
    passed_over: list[str]


def read(path: Path, folder: Path) -> tuple[dict[str, Any], list[Answer]]:
    """The row of one report, named as it lies in the folder, and its answers.

    ValueError in one sentence for anything else, OSError if it cannot be read.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(say("larger than any report", "比任何报告都大"))
    try:
        held = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(say(f"not JSON ({error})", f"不是 JSON（{error}）")) from error
    if not isinstance(held, dict) or "fedlab_report" not in held:
        raise ValueError(say("not written by fl.report()", "不是 fl.report() 写的"))
    if held["fedlab_report"] != FORMAT:
        raise ValueError(say(f"a report of format {held['fedlab_report']}, this book reads {FORMAT}",
                             f"报告的格式是 {held['fedlab_report']}，本书只读格式 {FORMAT}"))  # fmt: skip
    try:
        return {"file": str(path.relative_to(folder)), **_row(held)}, answers_of(held)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(say(f"a damaged report ({error!r})", f"报告已损坏（{error!r}）")) from error


def _row(held: dict[str, Any]) -> dict[str, Any]:
    by_chapter = {}
    for chapter in held["chapters"]:
        items = [item for item in chapter["items"] if item["kind"] != "guess"]
        number, _, note = str(chapter["number"]).partition(" ")  # "5 (TFF)"
        noted = say(f" {note}", note.replace("(", "（").replace(")", "）")) if note else ""
        by_chapter[say(f"chapter {number}", f"第 {number} 章") + noted] = (
            f"{sum(item['state'] == 'right' for item in items)}/{len(items)}"
        )
    codecs = {codec["name"]: codec for codec in held["codecs"]}
    own, both = (codecs.get(name, {}) for name in CODECS)
    return {
        say("student", "学生"): str(held["student"]),
        say("finished", "完成"): f"{held['finished'] + 0}/{held['items'] + 0}",
        **by_chapter,
        say("tries", "次数"): sum(item["tries"] for chapter in held["chapters"] for item in chapter["items"]),
        say("minutes", "分钟"): round(held["minutes"]),
        say("4.6 bytes a message", "4.6 每条消息字节数"): own.get("message_bytes", ""),
        say("4.6 accuracy", "4.6 准确率"): own.get("accuracy", ""),
        say("5.4 MB in all", "5.4 合计 MB"): f"{both['total_bytes'] / 1e6:.2f}" if "total_bytes" in both else "",
        say("5.4 accuracy", "5.4 准确率"): both.get("accuracy", ""),
    }


def collect(folder: Path) -> Class:
    """The tables of all reports in a folder and the folders within it, and what is passed over."""
    rows, answers, passed_over = [], [], []
    for path in sorted(folder.rglob("*.json")):
        try:
            row, hers = read(path, folder)
        except (OSError, ValueError) as error:
            name = path.relative_to(folder)
            passed_over.append(say(f"{name} is passed over: {error}", f"跳过 {name}：{error}"))
        else:
            rows.append(row)
            answers.append(hers)
    return Class(rows, by_item(answers), passed_over)


def as_text(rows: list[dict[str, Any]]) -> str:
    """A table, a line a row."""
    return "\n".join(" | ".join(line) for line in _lines(rows))


def _lines(rows: list[dict[str, Any]]) -> list[list[str]]:
    heads = list(dict.fromkeys(head for row in rows for head in row))
    return [heads, *([str(row.get(head, "")) for head in heads] for row in rows)]


def main(arguments: Sequence[str]) -> int:
    """Print the tables of a class, with --csv write them too; returns the exit code: 2 where there is no report and no board."""
    parser = argparse.ArgumentParser("python -m fedlab_utils collect", allow_abbrev=False)
    parser.add_argument("folder", type=Path, help=say("with the .json files of fl.report()", "放着 fl.report() 写的 .json 文件"))
    both = say("write the table by student there, and that by exercise beside it, with -items in its name",
               "把按学生的表写入该文件，按题目的表写在旁边，文件名里加 -items")  # fmt: skip
    parser.add_argument("--csv", type=Path, metavar="FILE", help=both)
    parser.add_argument("--language", choices=LANGUAGES, help=say("by default that of the system", "默认随系统语言"))
    given = parser.parse_args(arguments)
    if given.language:
        choose(given.language)
    if not given.folder.is_dir():
        print(say(f"there is no folder {given.folder}", f"没有文件夹 {given.folder}"), file=sys.stderr)
        return 2
    students, items, passed_over = collect(given.folder)
    boards = board(*read_board(sorted(given.folder.rglob("*.jsonl"))))
    for sentence in passed_over:
        print(sentence, file=sys.stderr)
    if len(boards):
        print(boards, end="\n\n")
    if not students:
        print(say(f"no report in {given.folder}", f"{given.folder} 里没有报告"), file=sys.stderr)
        return 0 if len(boards) else 2
    print(as_text(students), *(["", as_text(items)] if items else []), sep="\n")
    if given.csv:
        for rows, path in ((students, given.csv), (items, given.csv.with_stem(f"{given.csv.stem}-items"))):
            with path.open("w", newline="", encoding="utf-8-sig") as stream:  # with the mark by which Excel knows UTF-8
                csv.writer(stream).writerows(_lines(rows))
    return 0
