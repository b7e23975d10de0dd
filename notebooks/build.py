"""Build the two editions of the workbook from its sources.

    python notebooks/build.py                    # every chapter, executed in both languages
    python notebooks/build.py 04_mathematics     # one chapter, or several
    python notebooks/build.py --no-execute       # after an edit of prose: unchanged code cells keep their outputs

`source/NN_name.md` becomes `zh/NN_name.ipynb` and `en/NN_name.ipynb`. Edit the source only: a test rebuilds the
editions and refuses any difference. Chapters are listed in `fedlab_utils/book/chapters.py`, and what
stands between `<!-- chapters: … -->` and `<!-- end of chapters -->`, in a source or a README, is written from that list.
A source is MyST Markdown as jupytext reads it; its front matter names the kernel:

    ---
    jupytext:
      text_representation:
        extension: .md
        format_name: myst
    kernelspec:
      display_name: Python 3 (ipykernel)
      language: python
      name: python3
    ---

    +++ {"lang": "zh"}

    # 4 数学

    +++ {"lang": "en"}

    # 4 Mathematics

    ```{code-cell} ipython3
    import fedlab_utils as fl
    fl.use_language("en")
    ```

- **Prose.** `+++ {"lang": "zh"}` or `+++ {"lang": "en"}` opens a cell of one edition. Its twin stands directly before
  or after it, with headings of the same levels and numbers, none left out. A bare `+++` opens a cell of both editions: a formula,
  a picture, a row of links. A code cell ends the prose cell before it: what follows needs its own `+++`.
- **Links to a section** of another chapter name its number, `[4.2](04_mathematics.ipynb#4.2)`; the build finds the cell.
- **Code** stands once and is the same in both editions, comments in English. The first code cell calls
  `use_language("…")` and the build puts the edition's language there. The only other differences are the first line of a
  folded cell, which the build translates, and the language that `fl.start_at` is given: the cell below the heading of a
  numbered section, which brings what the section needs to whoever begins there.
- **Options** stand in the first lines of a code cell: `:tags: [nbval-ignore-output]` where the output is a widget or
  may differ by machine, `:jupyter: {source_hidden: true}` to fold the code.
- **Prompts.** A code cell that asks before it tells carries the tag `prompt` and an option that no edition shows: what
  would give its answer away, a regular expression a language, such as `:answer: {en: 'It is 9\b', zh: '答案是 9\b'}`.
  The cells after it that show the answer carry the tag `reveal`: a reader's copy has them without outputs, and the first prose
  directly below them folded, up to a heading. Other prose that tells the answer is tagged `reveal` itself, in both languages.
- **Outputs.** Nothing may raise or write to stderr, not even inside an `Output` widget; nothing shows a path or an
  address of the machine; every picture is an `<img>` that carries alt text. Widgets are not stored: without a kernel they
  would read "model not found". What stands for one in HTML is, such as the text of a question.
"""

import argparse
import hashlib
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from jupytext.myst import MystMetadataParsingError
from markdown_it import MarkdownIt
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbclient.output_widget import OutputWidget
from nbformat import NotebookNode

from fedlab_utils.book import chapters
from fedlab_utils.book.chapters import BOOK, Chapter
from fedlab_utils.engines import kernels

HERE = Path(__file__).resolve().parent
LANGUAGES = ("zh", "en")
TIMEOUT = 300  # seconds a cell
LANGUAGE_INFO = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python", "pygments_lexer": "ipython3"}
# The first line of a folded cell is all that a reader sees of it: prose, in her language.
SOLUTION = {"en": "# One solution; the three dots open it.", "zh": "# 一种参考答案，点开三个点就能看到。"}
MEASURED = {
    "en": "# The numbers of the text, measured; the three dots open it.",
    "zh": "# 正文里的数字由此测出，点开三个点就能看到。",
}
LANGUAGE_CALL = re.compile(r"""use_language\(\s*(["'])\w*\1\s*\)""")
START_CALL = re.compile(r'''^(fl\.start_at\("\w+", "[\d.]+", )"\w+"\)$''', re.MULTILINE)  # a section read by itself
CJK = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
TO_SECTION = re.compile(r"(?<=\]\()((\d\d_\w+)\.ipynb)#(\d+(?:\.\d+)*)(?=\))")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\([^)]*\)")
NOT_MARKDOWN = re.compile(r"^\s*(\+\+\+|[`~:]{3,}\s*\{).*", re.MULTILINE)
MARKDOWN = MarkdownIt("commonmark").enable("table")
IMG_WITHOUT_ALT = re.compile(r"<img\b(?![^>]*\balt=)", re.IGNORECASE)
EMPTY_HEADER = re.compile(r"<th\b[^>]*>\s*</th>", re.IGNORECASE)
MACHINE_TRACE = re.compile(r"\b0x[0-9a-f]{9,}|/(home|Users|tmp)/|site-packages")  # an address, a path
LARGEST = 1_000_000  # bytes of an edition: GitHub's preview and slow lines are spared more
WIDGET = "application/vnd.jupyter.widget-view+json"


class BuildError(RuntimeError):
    """A notebook that must not be published."""


def editions(source: str, chapter: str) -> dict[str, NotebookNode]:
    """The editions of one chapter by language, not executed. ValueError says which cell is at fault and what to do."""
    result = _read(source, chapter)[0]
    for notebook in result.values():
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = TO_SECTION.sub(lambda link: f"{link[1]}#cell-id={_cell_of(link[2], link[3])}", cell.source)
    return result


@cache
def _cell_of(chapter: str, number: str) -> str:
    """The id of the cell with the heading of a section: JupyterLab goes to a cell of another notebook, not to a heading."""
    cells = _read((HERE / "source" / f"{chapter}.md").read_text("utf-8"), chapter)[0]["en"].cells
    heading = re.compile(rf"^#+ {re.escape(number)} ", re.MULTILINE)
    found = [cell.id for cell in cells if cell.cell_type == "markdown" and heading.search(cell.source)]
    if len(found) != 1:
        raise ValueError(f"a link leads to section {number} of {chapter}, and {len(found)} cells have its heading")
    return str(found[0])


def answers(source: str, chapter: str) -> dict[str, dict[str, str]]:
    """What would give the answer of each prompt of a chapter away: by cell id, a regular expression a language."""
    return _read(source, chapter)[1]


def _read(source, chapter):
    try:
        parsed = jupytext.reads(source, fmt={"extension": ".md", "format_name": "myst"})
        kernelspec = {key: parsed.metadata.kernelspec[key] for key in ("display_name", "language", "name")}
    except MystMetadataParsingError as error:
        raise ValueError(f'{chapter}: {error}; a cell opens with +++ {{"lang": "zh"}}') from error
    except (AttributeError, KeyError, nbformat.ValidationError) as error:
        message = "the front matter must give display_name, language and name of a kernelspec"
        raise ValueError(f"{chapter}: {message}") from error

    cells, seen, first_code, rest = {language: [] for language in LANGUAGES}, Counter(), True, parsed.cells
    answers, asked, level = {}, False, 0
    while rest:
        try:
            pair = _pair(*rest[:2])
            kind, texts = pair["zh"].cell_type, (pair["zh"].source, pair["en"].source)
            if kind == "code":
                _check_code(texts[0], first_code)
                _check_prompt(pair["zh"].metadata, asked)
                asked = asked or "prompt" in pair["zh"].metadata.get("tags", [])
            else:
                _check_prose(*texts, twins=pair["zh"] is not pair["en"])
                level = _check_levels(texts[0], level)
                if pair["zh"].metadata.get("tags") != pair["en"].metadata.get("tags"):
                    raise ValueError("the twins have different tags; give both the same")
                _check_prompt(pair["zh"].metadata, asked)
        except ValueError as problem:
            number, start = len(parsed.cells) - len(rest) + 1, rest[0].source.strip().partition("\n")[0][:50]
            raise ValueError(f"{chapter}, cell {number} of the source («{start}»): {problem}") from None
        rest = rest[1 if pair["zh"] is pair["en"] else 2 :]
        seen[kind, texts] += 1  # equal cells are told apart by their order
        key = "\0".join([chapter, kind, *texts, str(seen[kind, texts])])
        for language in LANGUAGES:
            metadata = {name: value for name, value in pair[language].metadata.items() if name not in ("lang", "answer")}
            cell = {"cell_type": kind, "id": hashlib.sha256(key.encode()).hexdigest()[:12], "metadata": metadata}
            cell["source"] = pair[language].source
            if kind == "code":
                cell |= {"execution_count": None, "outputs": []}
                for line in (SOLUTION, MEASURED):
                    cell["source"] = cell["source"].replace(line["en"], line[language], 1)
                cell["source"] = START_CALL.sub(rf'\g<1>"{language}")', cell["source"])
                if first_code:
                    cell["source"] = LANGUAGE_CALL.sub(f'use_language("{language}")', cell["source"])
            cells[language].append(cell)
        if "answer" in pair["zh"].metadata:
            answers[cell["id"]] = dict(pair["zh"].metadata["answer"])
        first_code = first_code and kind != "code"

    result = {}
    for language in LANGUAGES:
        metadata = {"kernelspec": kernelspec, "language_info": LANGUAGE_INFO}
        notebook = {"cells": cells[language], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        result[language] = nbformat.from_dict(notebook)
        nbformat.validate(result[language])
    return result, answers


def _pair(cell, following=None):
    """The cell of each edition: twins, or one cell for both. ValueError says what is wrong."""
    if "lang" not in cell.metadata:
        return {"zh": cell, "en": cell}
    language = cell.metadata.lang
    if language not in LANGUAGES:
        raise ValueError(f"unknown lang {language!r}; write zh or en, or no lang for a cell of both editions")
    if cell.cell_type == "code":
        raise ValueError("code is shared by both editions; take lang off")
    twin = "en" if language == "zh" else "zh"
    if not following or following.metadata.get("lang") != twin or following.cell_type != cell.cell_type:
        raise ValueError(f'no twin; put a +++ {{"lang": "{twin}"}} cell directly beside this {language} cell')
    return {language: cell, twin: following}


def _check_code(code, first):
    if first and len(LANGUAGE_CALL.findall(code)) != 1:
        raise ValueError('the first code cell must call use_language("en"), once')
    if not first and "use_language(" in code:
        raise ValueError("only the first code cell may call use_language")
    if not code.strip():
        raise ValueError("empty code cell; take it out")
    if match := CJK.search(code):
        raise ValueError(f"{match.group()!r} in code; comments are English, and texts of apps belong to the package")


def _check_prompt(metadata, asked):
    tags, answer = metadata.get("tags", []), metadata.get("answer")
    if "reveal" in tags and not asked:
        raise ValueError("a cell tagged reveal, and no prompt before it; tag the cell that asks")
    if "prompt" not in tags:
        if answer is not None:
            raise ValueError("an answer on a cell that asks nothing; tag it prompt, or take the answer out")
        return
    given = answer.items() if isinstance(answer, dict) else ()
    if {language for language, pattern in given if pattern and isinstance(pattern, str)} != set(LANGUAGES):
        raise ValueError("a prompt must say what gives its answer away in both languages, :answer: {en: '…', zh: '…'}")
    for language, pattern in answer.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"the {language} answer {pattern!r} is no regular expression: {error}") from None


def _check_prose(zh, en, twins):
    if match := NOT_MARKDOWN.search(f"{zh}\n{en}"):
        raise ValueError(f"Jupyter shows {match.group().strip()!r} as it is; open cells in column 1, use no directives")
    if twins and not CJK.search(zh):
        raise ValueError("no Chinese in the zh cell; translate it, or make one cell without lang of the two")
    if not twins and CJK.search(LINK.sub("", zh)):
        raise ValueError('Chinese prose in both editions; open it with +++ {"lang": "zh"} and give it an English twin')
    if _outline(zh) != _outline(en):
        raise ValueError(f"headings differ: zh {_outline(zh)}, en {_outline(en)}; same levels and numbers, please")
    for text in (zh, en):
        _check_spoken(text)


def _check_spoken(markdown):
    """What a screen reader names must have a name."""
    if IMG_WITHOUT_ALT.search(markdown):
        raise ValueError("<img> without alt text")
    for block, inside in pairwise((*MARKDOWN.parse(markdown), None)):
        if block.type == "th_open" and not inside.content.strip():
            raise ValueError("a column of a table without a header; name it")
        for part, following in pairwise((*(block.children or ()), None)):
            if part.type == "image" and not part.content.strip():
                raise ValueError(f"a picture without alt text, {part.attrs['src']!r}")
            if part.type == "link_open" and following.type == "link_close":
                raise ValueError(f"a link without text, to {part.attrs['href']!r}")


def _check_levels(markdown, level):
    """The level of the last heading, after these; ValueError where one is left out, on which a screen reader's list stumbles."""
    for heading in _outline(markdown):
        deeper = int(heading[1])
        if deeper > level + 1:
            raise ValueError(f"a heading h{deeper} below an h{level}; leave no level out")
        level = deeper
    return level


def _outline(markdown):
    """Level and section number of each heading, such as "h3 4.1"."""
    tokens = pairwise(MARKDOWN.parse(markdown))
    headings = [(token.tag, inline.content) for token, inline in tokens if token.type == "heading_open"]
    return [f"{tag} {re.match('([0-9]+([.][0-9]+)*)?', text).group()}".strip() for tag, text in headings]


def faults(cell: NotebookNode) -> list[str]:
    """What forbids to publish the outputs of an executed cell."""
    found = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if output.output_type == "error":
            found.append(f"raised {output.ename}: {output.evalue}")
        if output.get("name") == "stderr":
            found.append(f"wrote to stderr: {output.text}")
        if WIDGET in data:
            found.append("stores a widget")
        if trace := MACHINE_TRACE.search(output.get("text", "") + data.get("text/plain", "")):
            found.append(f"shows a trace of this machine, {trace.group()!r}")
        if IMG_WITHOUT_ALT.search(data.get("text/html", "")):
            found.append("<img> without alt text")
        if EMPTY_HEADER.search(data.get("text/html", "")):
            found.append("a column of a table without a header")
        for mime in data:
            if mime.startswith("image/"):
                found.append(f"{mime}, for which JupyterLab has no alternative text: show a Still, as the book's figures are")
    return found


class _SilentOutputWidget(OutputWidget):
    """Collects what an Output widget shows, but does not tell the kernel.

    nbclient sends that while it waits for a reply on the same socket, and one time in a hundred it then misses the
    reply until the timeout of the cell.
    """

    def sync_state(self) -> None:
        pass


def execute(notebook: NotebookNode, folder: Path, name: str) -> None:
    """Run the notebook in `folder`, in place. BuildError shows the first cell that may not be published.

    NoSuchKernel also where a kernel of TensorFlow Federated or Flower, which is always listed, has nothing to run on.
    """
    own = kernels.KERNELS.get(notebook.metadata.kernelspec.name)
    if own and kernels.python(own) is None:
        raise NoSuchKernel(own.name)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name=notebook.metadata.kernelspec.name,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        force_raise_errors=True,
        store_widget_state=True,  # to look inside Output widgets; never written
    )
    client.widget_registry = {"@jupyter-widgets/output": {"OutputModel": _SilentOutputWidget}}
    with TemporaryDirectory() as nobody, client.setup_kernel(env={**os.environ, "FEDLAB_PROGRESS": f"{nobody}/progress.json"}):
        for number, cell in enumerate(notebook.cells, 1):
            if cell.cell_type != "code":
                continue
            try:
                client.execute_cell(cell, number - 1)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                raise BuildError(f"{name}, cell {number}: {error}") from error
            inside = [output for state in client.widget_state.values() for output in state.get("outputs", ())]
            inside = [output for output in inside if output["output_type"] in ("error", "stream")]
            found = [f"inside an Output widget {fault}" for fault in faults(nbformat.from_dict({"outputs": inside}))]
            if _tidy(cell) and "nbval-ignore-output" not in cell.metadata.get("tags", []):
                found.append("shows a widget, which is not stored: tag the cell nbval-ignore-output")
            if found := found + faults(cell):
                raise BuildError(f"{name}, cell {number}: {'; '.join(found)}\n\n{cell.source}")


def _tidy(cell):
    """Take widgets out, but what stands for them in HTML, and join neighbouring pieces of stdout. True if there was a widget."""
    outputs, cell.outputs = cell.outputs, []
    found = any(WIDGET in output.get("data", {}) for output in outputs)
    for output in outputs:
        if "text/html" in output.get("data", {}):
            output.data.pop(WIDGET, None)
        if cell.outputs and output.get("name") == cell.outputs[-1].get("name") == "stdout":
            cell.outputs[-1].text += output.text
        elif WIDGET not in output.get("data", {}):
            cell.outputs.append(output)
    return found


def keep_outputs(notebook: NotebookNode, old: NotebookNode) -> int:
    """Copy the outputs of unchanged code cells from `old`; the number of code cells left without."""
    before = {(cell.get("id"), cell.source): cell for cell in old.cells if cell.cell_type == "code"}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        if match := before.get((cell.id, cell.source)):
            cell.outputs, cell.execution_count = match.outputs, match.execution_count
    return sum(cell.execution_count is None for cell in code)


def dumps(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook) + "\n"


def _check_size(notebook, name):
    size = len(dumps(notebook).encode())
    if size > LARGEST:
        largest = max(notebook.cells, key=lambda cell: len(str(cell)))
        raise BuildError(f"{name} has {size:,} bytes, and {LARGEST:,} is the most; its largest cell:\n\n{largest.source}")


def _write(path, text):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, "utf-8", newline="\n")
    os.replace(temporary, path)


def write_tables(root: Path, book: Sequence[Chapter]) -> list[str]:
    """Write the tables of chapters, in READMEs and sources, from the list; the chapters whose source it changed."""
    sources, changed = sorted((root / "source").glob("*.md")), []
    for path in (*root.parent.glob("README*.md"), *sources):
        text = path.read_text("utf-8")
        if text != (new := chapters.with_tables(text, book)):
            _write(path, new)
            changed.append(path)
            print(f"{path.name}  its table of chapters is new", flush=True)
    return [path.stem for path in changed if path in sources]


def main(arguments: list[str] | None = None, root: Path = HERE, book: Sequence[Chapter] = BOOK) -> None:
    """ValueError, before anything is written, where the list of chapters and the files disagree."""
    parser = argparse.ArgumentParser(description="Build notebooks/zh and notebooks/en from notebooks/source.")
    parser.add_argument("chapters", nargs="*", metavar="chapter", help="name without .md; default: every chapter")
    parser.add_argument("--no-execute", action="store_true", help="run nothing, keep the outputs of unchanged code")
    options = parser.parse_args(arguments)
    if found := chapters.faults(root / "source", book):
        raise ValueError("; ".join(found))
    names = [chapter.file for chapter in book]
    if unknown := sorted({*options.chapters} - {*names}):
        parser.error(f"no chapter {', '.join(unknown)}; there are {', '.join(names)}")
    changed, chosen = write_tables(root, book), options.chapters or names
    for chapter in (*chosen, *(chapter for chapter in changed if chapter not in chosen)):
        source = (root / "source" / f"{chapter}.md").read_text("utf-8")
        for language, notebook in editions(source, chapter).items():
            started, note, target = time.perf_counter(), "", root / language / f"{chapter}.ipynb"
            target.parent.mkdir(exist_ok=True)
            if options.no_execute or chapter not in chosen:
                old = nbformat.read(target, 4) if target.exists() else nbformat.v4.new_notebook()
                if left := keep_outputs(notebook, old):
                    note = f"   code cells without output: {left}; run make notebooks"
            else:
                try:
                    execute(notebook, target.parent, f"{chapter} ({language})")
                    _check_size(notebook, f"{chapter} ({language})")
                except NoSuchKernel as error:
                    if chapter in options.chapters:
                        raise
                    print(f"{language}/{chapter}  left as it is: the kernel {error.name} is not installed", flush=True)
                    continue
            _write(target, dumps(notebook))
            print(f"{language}/{chapter}  {time.perf_counter() - started:.1f} s{note}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, BuildError, NoSuchKernel) as error:
        sys.exit(f"build stopped: {error}")
