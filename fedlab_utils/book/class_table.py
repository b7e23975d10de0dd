"""`python -m fedlab_utils collect folder`: the reports of a class as one table; a file that is none is named and passed over."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..language import LANGUAGES, choose, say
from .report import CODECS, FORMAT

LARGEST = 2**24  # bytes of a report


def read(path: Path, folder: Path) -> dict[str, Any]:
    """One report, named as it lies in the folder. ValueError in one sentence for anything else, OSError if it cannot be read."""
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
        return {"file": str(path.relative_to(folder)), **_row(held)}
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


def collect(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of all reports in a folder and the folders within it, by file; and one sentence for each file that is none."""
    rows, passed_over = [], []
    for path in sorted(folder.rglob("*.json")):
        try:
            rows.append(read(path, folder))
        except (OSError, ValueError) as error:
            name = path.relative_to(folder)
            passed_over.append(say(f"{name} is passed over: {error}", f"跳过 {name}：{error}"))
    return rows, passed_over


def as_text(rows: list[dict[str, Any]]) -> str:
    """The table, a line a report."""
    return "\n".join(" | ".join(line) for line in _lines(rows))


def _lines(rows: list[dict[str, Any]]) -> list[list[str]]:
    heads = list(dict.fromkeys(head for row in rows for head in row))
    return [heads, *([str(row.get(head, "")) for head in heads] for row in rows)]


def main(arguments: Sequence[str]) -> int:
    """Print the table of a class, and with --csv write it; returns the exit code: 2 where there is no report."""
    parser = argparse.ArgumentParser("python -m fedlab_utils collect", allow_abbrev=False)
    parser.add_argument("folder", type=Path, help=say("with the .json files of fl.report()", "放着 fl.report() 写的 .json 文件"))
    parser.add_argument("--csv", type=Path, metavar="FILE", help=say("write the table there as well", "同时把表写入该文件"))
    parser.add_argument("--language", choices=LANGUAGES, help=say("by default that of the system", "默认随系统语言"))
    given = parser.parse_args(arguments)
    if given.language:
        choose(given.language)
    if not given.folder.is_dir():
        print(say(f"there is no folder {given.folder}", f"没有文件夹 {given.folder}"), file=sys.stderr)
        return 2
    rows, passed_over = collect(given.folder)
    for sentence in passed_over:
        print(sentence, file=sys.stderr)
    if not rows:
        print(say(f"no report in {given.folder}", f"{given.folder} 里没有报告"), file=sys.stderr)
        return 2
    print(as_text(rows))
    if given.csv:
        with given.csv.open("w", newline="", encoding="utf-8-sig") as stream:  # with the mark by which Excel knows UTF-8
            csv.writer(stream).writerows(_lines(rows))
    return 0
