"""Writes `places`: where the chapters ask what, read off their sources. For whoever writes the book:

python -m fedlab_utils.book.exercises.placing
"""

from __future__ import annotations

import re
from pathlib import Path

from ..chapters import MODULES

SOURCE = Path(__file__).parents[3] / "notebooks" / "source"
TABLE = Path(__file__).with_name("places.py")
LANGUAGE = re.compile(r'^\+\+\+ \{"lang": "(\w+)"\}')
HEADING = re.compile(r"^(##+) (?:(\d+(?:\.\d+)+) )?(.*)")
APPS = "live_lab|playground|composer|tff_bits|cost_calculator|[a-z]+_explorer"  # that ask before they show
ASKS = re.compile(rf"^fl\.exercises\.(\w+\.\w+)\.(ask|check)\(|^(?:\w+ = )?fl\.(widgets\.(?:{APPS}))\(")
HEAD = '''"""Where each exercise, question and app stands: written by `placing` from the sources of the chapters, not by hand."""

# name: (module of the chapter, section or "", title in English, in Chinese); questions are told by their words, not by a title
PLACES: dict[str, tuple[str, str, str, str]] = {
'''


def found(text: str, module: str) -> dict[str, tuple[str, str, str, str]]:
    """The places in the source of one chapter, as `places.PLACES` holds them."""
    places: dict[str, tuple[str, str, str, str]] = {}
    language, section, titles, in_code = "", "", {"en": "", "zh": ""}, False
    for line in text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif mark := LANGUAGE.match(line):
            language = mark[1]
        elif not in_code and language and (heading := HEADING.match(line)):
            if heading[2] or heading[1] == "##":
                section = heading[2] or ""
            titles[language] = heading[3]
        elif in_code and (asked := ASKS.match(line)):
            name = asked[1] or asked[3]
            told = (titles["en"], titles["zh"]) if asked[2] != "ask" else ("", "")
            if asked[2] == "check":
                told = re.sub(r"^[^:]*: ", "", told[0]), re.sub("^[^：]*：", "", told[1])
            places.setdefault(name, (module, section, told[0][:1].upper() + told[0][1:], told[1]))
    return places


def table() -> str:
    """The text of places.py."""
    places: dict[str, tuple[str, str, str, str]] = {}
    for module, chapter in MODULES.items():  # an app that comes twice asks in the first
        places = found((SOURCE / f"{chapter.file}.md").read_text("utf8"), module) | places
    lines: list[str] = []
    for name, values in places.items():
        quoted = [quote(value) for value in values]
        line = f"    {quote(name)}: ({', '.join(quoted)}),"
        long = sum(1 + (ord(sign) > 0x2E7F) for sign in line) > 130
        lines += [f"    {quote(name)}: (", *(f"        {value}," for value in quoted), "    ),"] if long else [line]
    return HEAD + "\n".join(lines) + "\n}\n"


def quote(text: str) -> str:
    """A Python string in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    TABLE.write_text(table(), "utf8")
