"""The editions as Sphinx reads them: what tells an answer folded, pictures in files of their own, links as links between pages.

Nothing is decided here that the book has decided already: which cells tell is said by their tags and by `book/folding`, which
chapters there are by `book/chapters`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import struct
from collections import Counter
from pathlib import Path

from fedlab_utils.book.chapters import BOOK, Chapter
from fedlab_utils.book.folding import folded, telling

ROOT = Path(__file__).resolve().parents[1]
ERRATA, START, GLOSSARY = "80_errata", "00_start", "0.7"
NUMBER = r"\d+(?:\.\d+)*"
SECTION = r"\b\d+(?:\.\d+)+"  # not the 3 of "step 3"
HEADING = re.compile(rf"^(#+) ((?:({NUMBER})\.? )?.*)$", re.MULTILINE)
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)  # in code a # begins a comment
LINK = re.compile(r"\[([^\]]*)\]\(([\w-]+)\.ipynb(?:#cell-id=(\w+))?\)")
MANUAL = re.compile(r"\]\(\.\./\.\./docs/([\w-]+?)(?:\.zh-CN)?\.md")
PICTURE = re.compile(r"<img\b[^>]*>")
INLINE = re.compile(r'\bsrc="data:image/([a-z+]+);base64,([^"]+)"')
RUN = re.compile(r"\s*<i>(?:Run this cell to answer\.|运行这个单元格就能作答。)</i>")  # of exercises/asking: here nothing runs
APP = {
    "en": "An app: its sliders move where the book runs. <a href='index.html#run'>How to run it</a>",
    "zh": "这里是一个交互演示：把书运行起来，滑块就能拖动。<a href='index.html#run'>怎么运行</a>",
}
SHOWS = {"en": "Answered? See what comes out.", "zh": "答完了吗？看看结果。"}  # as a fold says of prose
CORRECTED = {"en": "What the document says here is corrected in the errata", "zh": "文档这一节的说法，勘误里有更正"}


def label(chapter: str, number: str) -> str:
    """The name of a section for links, which makes its anchor: "04_mathematics.4.1" is 04_mathematics.html#mathematics-4-1."""
    return f"{chapter}.{number}"


def anchor(name: str) -> str:
    """An English term or a section's number as an anchor: "stochastic rounding" is stochastic-rounding."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


class Edition:
    """One language's chapters. Reads them all at once, since links go from each to each."""

    def __init__(self, language: str, pictures: Path):
        self.language, self.pictures = language, pictures
        folder = ROOT / "notebooks" / language
        self.notebooks = {chapter.file: json.loads((folder / f"{chapter.file}.ipynb").read_text("utf-8")) for chapter in BOOK}
        self.sections: dict[str, set[str]] = {}  # by chapter, the numbers of its headings
        self.first: dict[str, str] = {}  # by cell, the number of its first heading
        for chapter, notebook in self.notebooks.items():
            numbers = self.sections[chapter] = set()
            for cell in notebook["cells"]:
                cell["source"] = "".join(cell["source"])
                if cell["cell_type"] == "markdown":
                    found = [match[3] for match in HEADING.finditer(FENCE.sub("", cell["source"])) if match[3]]
                    numbers.update(found)
                    if found:
                        self.first[cell["id"]] = found[0]
        self.corrected = self._corrected()

    def _corrected(self) -> set[tuple[str, str]]:
        """The sections, chapter and number, of which the errata correct something."""
        rows = [
            row for cell in self.notebooks[ERRATA]["cells"] for row in re.findall(r"^\| (.*?) \|", cell["source"], re.MULTILINE)
        ]
        named = (number for row in rows for number in re.findall(SECTION, row))
        return {(where, number) for number in named if (where := self.chapter_of(number))}

    def chapter_of(self, number: str) -> str | None:
        """The chapter that has a section of the document; None where there is no such section."""
        for chapter in BOOK:
            if chapter.document == int(number.split(".")[0]) and number in self.sections[chapter.file]:
                return chapter.file
        return None

    def page(self, chapter: Chapter) -> dict:
        """The notebook of a chapter as the site shows it."""
        notebook = self.notebooks[chapter.file]
        cells, kept = notebook["cells"], []
        tells, above, used = telling(cells), None, Counter()
        for number, cell in enumerate(cells):
            tags = cell["metadata"].get("tags", [])
            if cell["cell_type"] == "markdown":
                cell["source"] = self._prose(chapter.file, cell, number in tells, used)
            elif cell["source"].split("\n")[-1].startswith("fl.start_at("):
                continue  # brings what a section needs to a reader who begins there: nothing to read
            else:
                self._code(cell, tags, above)
                if "prompt" in tags and not cell["outputs"] and not is_app(cell):
                    raise ValueError(f"{chapter.file} ({self.language}): the prompt {cell['source']!r} has no words to show")
                above = cell
            kept.append(cell)
        return {**notebook, "cells": kept}

    def _prose(self, chapter: str, cell: dict, tells: bool, used: Counter) -> str:
        source = folded(cell["source"], self.language) if tells else cell["source"]
        if chapter == ERRATA:
            source = re.sub(r"^\| (\d[^|]*) \|", self._errata_row, source, flags=re.MULTILINE)
        elif chapter == START:
            source = self._glossary(source)
        source = LINK.sub(self._link, MANUAL.sub(r"](\1.md", source))
        parts = FENCE.split(source)
        parts[::2] = [HEADING.sub(lambda match: self._heading(chapter, cell["id"], match, used), part) for part in parts[::2]]
        return "".join(parts)

    def _heading(self, chapter: str, cell: str, match: re.Match, used: Counter) -> str:
        """A heading with an anchor that both languages share, so that the switch between them keeps the place."""
        name = match[3] or cell
        used[name] += 1
        if used[name] > 1:
            name = f"{name}-{used[name]}"
        below = ""
        if (chapter, match[3]) in self.corrected:
            below = (
                f'\n\n<p class="corrected"><a href="{ERRATA}.html#erratum-{anchor(match[3])}">{CORRECTED[self.language]}</a></p>'
            )
        return f"({label(chapter, name)})=\n{match[0]}{below}"

    def _link(self, match: re.Match) -> str:
        """A link to a chapter; to the section, where one is named by the link's words or by the cell it leads to."""
        text, chapter, cell = match.groups()
        for number in (re.search(NUMBER, text), re.search(NUMBER, self.first.get(cell, ""))):
            if number and number[0] in self.sections[chapter]:
                return f"[{text}](#{label(chapter, number[0])})"
        return f"[{text}]({chapter}.ipynb)"

    def _errata_row(self, match: re.Match) -> str:
        """The first column of the errata: each section that is named links there, and can be linked."""

        def linked(number: re.Match) -> str:
            chapter = self.chapter_of(number[0])
            if chapter is None:
                return number[0]
            place = f"erratum-{anchor(number[0])}"
            mark = "" if place in seen else f'<span id="{place}"></span>'
            seen.add(place)
            return f"{mark}[{number[0]}](#{label(chapter, number[0])})"

        seen = self.__dict__.setdefault("_places", set())
        return f"| {re.sub(SECTION, linked, match[1])} |"

    def _glossary(self, source: str) -> str:
        """The glossary with an anchor at each term, by its English name, and links to the sections that explain it."""

        def row(match: re.Match) -> str:
            columns = [column.strip() for column in match[0].strip("|").split("|")]
            english = re.sub(r"\$[^$]*\$|\(.*?\)", "", columns[self.language == "zh"])
            place = f"term-{anchor(english)}"
            columns[0] = f'<a class="term" data-pagefind-weight="10" id="{place}" href="#{place}">{columns[0]}</a>'
            columns[-1] = re.sub(
                NUMBER, lambda number: f"[{number[0]}](#{label(self._where(number[0]), number[0])})", columns[-1]
            )
            return f"| {' | '.join(columns)} |"

        before, heading, table = source.partition(f"## {GLOSSARY} ")
        table, following, rest = table.partition("\n## ")
        return before + heading + re.sub(r"^\| .*\d \|$", row, table, flags=re.MULTILINE) + following + rest

    def _where(self, number: str) -> str:
        """The chapter of a section, of the document or of the book alone. ValueError where no chapter has it."""
        for chapter in BOOK:
            if chapter.number == number.split(".")[0] and number in self.sections[chapter.file]:
                return chapter.file
        raise ValueError(f"the glossary ({self.language}) names section {number}, which no chapter has")

    def _code(self, cell: dict, tags: list[str], above: dict | None) -> None:
        """A code cell: pictures to files; what a prompt reveals and what JupyterLab folds, folded; an app says it is one."""
        outputs = [self._output(output) for output in cell["outputs"]]
        cell["outputs"] = [output for output in outputs if output]
        if is_app(cell):
            cell["outputs"].append(html_output(f'<p class="app">{APP[self.language]}</p>'))
        if cell["metadata"].get("jupyter", {}).get("source_hidden"):  # a solution, or what measures the numbers of the text
            first, _, rest = cell["source"].partition("\n")
            cell["source"] = rest.lstrip("\n")
            self._fold(cell, "hide-cell", re.split("[;，]", first.lstrip("# "))[0])
        elif "reveal" in tags and not (above and is_app(above) and "prompt" not in above["metadata"].get("tags", [])):
            self._fold(cell, "hide-output", SHOWS[self.language])

    def _fold(self, cell: dict, how: str, words: str) -> None:
        cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), how]
        cell["metadata"]["mystnb"] = {"code_prompt_show": words, "code_prompt_hide": words}

    def _output(self, output: dict) -> dict | None:
        """What a cell shows. A widget has no kernel here; a picture is a file, loaded when seen."""
        data = output.get("data")
        if data is None:
            return output
        if "text/html" in data:
            return html_output(RUN.sub("", PICTURE.sub(self._picture, "".join(data["text/html"]))))
        return {**output, "data": {"text/plain": data["text/plain"]}} if set(data) == {"text/plain"} else None

    def _picture(self, tag: re.Match) -> str:
        if not (inline := INLINE.search(tag[0])):
            return tag[0]
        content = base64.b64decode(inline[2])
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.{inline[1]}"
        self.pictures.mkdir(parents=True, exist_ok=True)
        (self.pictures / name).write_bytes(content)
        link = f'loading="lazy" class="still" src="{self.pictures.name}/{name}"'
        if inline[1] == "png" and (width := re.search(r'\bwidth="(\d+)"', tag[0])):  # so that the page keeps its place
            across, down = struct.unpack(">II", content[16:24])
            link += f' height="{round(int(width[1]) * down / across)}"'
        return tag[0].replace(inline[0], link).replace(' decoding="sync"', "")


def is_app(cell: dict) -> bool:
    """Whether a cell shows an app, which no output is kept of."""
    shows = cell["source"].rstrip().split("\n")[-1]
    apps = re.search(r"^(?:\w+ = )?fl\.widgets\.\w+\(.*\)$", cell["source"], re.MULTILINE)
    return bool(apps) and "_still(" not in cell["source"] and (shows.startswith("fl.widgets.") or shows.isidentifier())


def html_output(text: str) -> dict:
    """An output that holds some HTML."""
    return {"output_type": "display_data", "metadata": {}, "data": {"text/html": text}}


def front(language: str) -> str:
    """The first page: it links to the repository where the address is known, else says the words alone."""
    text = (ROOT / "site" / "pages" / f"index.{language}.md").read_text("utf-8")
    repository = os.environ.get("FEDLAB_SITE_REPOSITORY", "").rstrip("/")
    if not repository:
        text = re.sub(r"\[([^\]]*)\]\(REPOSITORY[^)]*\)", r"\1", text)
    return text.replace("REPOSITORY", repository).replace("CHAPTERS", "\n".join(chapter.file for chapter in BOOK))


def write(language: str, source: Path, pictures: Path) -> None:
    """Write the chapters of an edition into `source`, and their pictures into `pictures`, beside the pages to be."""
    edition = Edition(language, pictures)
    for chapter in BOOK:
        text = json.dumps(edition.page(chapter), ensure_ascii=False, indent=1)
        (source / f"{chapter.file}.ipynb").write_text(text, "utf-8")
