"""The editions are what their sources say, show no fault, and the build refuses what must not be published."""

import os
import re
import subprocess
import sys
from itertools import zip_longest

import nbformat
import pytest
from building import CHAPTERS, EDITIONS, NOTEBOOKS, build

from fedlab_utils.book import chapters

# The book as it is committed


def committed(language, chapter):
    path = NOTEBOOKS / language / f"{chapter}.ipynb"
    if not path.exists():
        pytest.fail(f"{language}/{chapter}.ipynb does not exist: run make notebooks")
    return nbformat.read(path, nbformat.NO_CONVERT)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def without_outputs(cell):
    return {field: cell.get(field) for field in ("id", "cell_type", "source", "metadata")}


@pytest.mark.parametrize("language", build.LANGUAGES)
def test_each_chapter_has_its_editions_and_each_edition_its_chapter(language):
    built = sorted(path.stem for path in (NOTEBOOKS / language).glob("*.ipynb"))
    assert built == CHAPTERS, f"notebooks/{language} is not the list of chapters: run make notebooks, remove left-overs"


def test_chapters_are_named_by_number_and_topic():
    assert [chapter for chapter in CHAPTERS if not re.fullmatch(r"\d\d_[a-z0-9_]+", chapter)] == []


@pytest.mark.parametrize(("language", "chapter"), EDITIONS)
def test_edition_is_what_its_source_builds(language, chapter):
    edition = committed(language, chapter)
    rebuilt = build.editions((NOTEBOOKS / "source" / f"{chapter}.md").read_text("utf-8"), chapter)[language]
    message = f"{language}/{chapter}.ipynb differs from its source: run make notebooks"
    assert edition.metadata == rebuilt.metadata, message
    for number, (there, here) in enumerate(zip_longest(edition.cells, rebuilt.cells, fillvalue={}), 1):
        assert without_outputs(there) == without_outputs(here), f"cell {number} of {message}"
    build.keep_outputs(rebuilt, edition)
    written = (NOTEBOOKS / language / f"{chapter}.ipynb").read_bytes()
    assert build.dumps(rebuilt).encode() == written, f"{message} (same cells, other bytes)"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_editions_share_their_code_but_for_the_language(chapter):
    zh, en = (code_cells(committed(language, chapter)) for language in build.LANGUAGES)
    assert [cell.id for cell in zh] == [cell.id for cell in en]
    first = {line["zh"]: line["en"] for line in (build.SOLUTION, build.MEASURED)}  # of folded cells
    sources = ["\n".join(first.get(line, line) for line in cell.source.split("\n")) for cell in zh[1:]]
    translated = [build.START_CALL.sub(r'\g<1>"en")', source) for source in sources]
    assert translated == [cell.source for cell in en[1:]]
    assert [cell.metadata for cell in zh[1:]] == [cell.metadata for cell in en[1:]]
    if zh:
        assert 'use_language("zh")' in zh[0].source
        assert zh[0].source.replace('use_language("zh")', 'use_language("en")') == en[0].source


@pytest.mark.parametrize(("language", "chapter"), EDITIONS)
def test_edition_was_run_in_order_and_shows_no_fault(language, chapter):
    edition = committed(language, chapter)
    code = code_cells(edition)
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(code) + 1)), "not run from top to bottom: run make notebooks"
    assert [(cell.execution_count, fault) for cell in code for fault in build.faults(cell)] == []
    assert "widgets" not in edition.metadata


@pytest.mark.parametrize(("language", "chapter"), EDITIONS)
def test_edition_is_small_enough_for_a_preview(language, chapter):
    size = (NOTEBOOKS / language / f"{chapter}.ipynb").stat().st_size
    assert size <= build.LARGEST, f"{language}/{chapter}.ipynb has {size:,} bytes; run make notebooks"


# The format of a source

FRONT_MATTER = """\
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
"""
FIRST = 'use_language = print\nuse_language("en")'


def prose(language, text):
    return f'\n+++ {{"lang": "{language}"}}\n\n{text}\n'


def twins(zh, en):
    return prose("zh", zh) + prose("en", en)


def code(text, options=""):
    return f"\n```{{code-cell}} ipython3\n{options}{text}\n```\n"


def chapter_of(*cells, first=FIRST):
    return FRONT_MATTER + twins("# 4 数学", "# 4 Mathematics") + code(first) + "".join(cells)


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def test_an_edition_holds_its_own_prose_the_shared_prose_and_all_code():
    editions = build.editions(
        chapter_of(
            prose("en", "## 4.1 Quantization\n\n- English first"),
            prose("zh", "## 4.1 量化\n\n- 次序可以相反"),
            "\n+++\n\n$$x$$\n\n+++\n\n[中文](../zh/x.ipynb)\n",
            code("x = 1", ":tags: [nbval-ignore-output, hide-input]\n:jupyter: {source_hidden: true}\n\n"),
            code("x"),
            twins("好", "good"),
        ),
        "04_mathematics",
    )
    zh, en = sources(editions["zh"]), sources(editions["en"])
    both = ["$$x$$", "[中文](../zh/x.ipynb)", "x = 1", "x"]
    assert zh == ["# 4 数学", FIRST.replace("en", "zh"), "## 4.1 量化\n\n- 次序可以相反", *both, "好"]
    assert en == ["# 4 Mathematics", FIRST, "## 4.1 Quantization\n\n- English first", *both, "good"]
    for notebook in editions.values():
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        assert set(notebook.metadata) == {"kernelspec", "language_info"}
        assert "version" not in notebook.metadata.language_info  # differs by machine
        assert [cell.metadata for cell in notebook.cells if cell.metadata] == [
            {"tags": ["nbval-ignore-output", "hide-input"], "jupyter": {"source_hidden": True}}
        ]
    ids = [[cell.id for cell in notebook.cells] for notebook in editions.values()]
    assert ids[0] == ids[1]


def test_what_gives_an_answer_away_is_declared_in_the_source_and_stands_in_no_edition():
    asks = ":tags: [prompt, nbval-ignore-output]\n:answer: {en: 'It is 9\\b', zh: '答案是 9'}\n\n"
    source = chapter_of(code("x", asks), code("y", ":tags: [reveal]\n\n"))
    editions = build.editions(source, "04_mathematics")
    for notebook in editions.values():
        assert "answer" not in build.dumps(notebook) and "It is" not in build.dumps(notebook)
        asking, revealing = (cell.metadata for cell in notebook.cells[2:])
        assert asking == {"tags": ["prompt", "nbval-ignore-output"]} and revealing == {"tags": ["reveal"]}
    declared = build.answers(source, "04_mathematics")
    assert declared == {editions["zh"].cells[2].id: {"en": r"It is 9\b", "zh": "答案是 9"}}


def test_front_matter_chooses_the_kernel():
    source = chapter_of().replace("python3", "fedlab-tff").replace("Python 3 (ipykernel)", "TFF")
    kernelspec = build.editions(source, "05_practice_tff")["zh"].metadata.kernelspec
    assert kernelspec == {"display_name": "TFF", "language": "python", "name": "fedlab-tff"}
    for broken in (source.replace("  name: fedlab-tff\n", ""), source.replace("kernelspec", "kernel"), source[4:]):
        with pytest.raises(ValueError, match="05_practice_tff: the front matter must give"):
            build.editions(broken, "05_practice_tff")


@pytest.mark.filterwarnings("error")  # nbformat only warns of equal ids, and puts random ones
def test_ids_are_stable_and_tell_equal_cells_apart():
    def ids(source, chapter="x"):
        return [cell.id for cell in build.editions(source, chapter)["zh"].cells]

    before = ids(chapter_of(code("1"), code("1"), twins("好", "good")))
    assert len(set(before)) == len(before)
    one_side = ids(chapter_of(twins("好", "good"), twins("很好", "good"), twins("好", "nice")))
    assert len(set(one_side)) == len(one_side)
    assert ids(chapter_of(twins("新", "new"), code("1"), code("1"), twins("好", "good")))[3:] == before[2:]
    assert ids(chapter_of(code("1"), code("1"), twins("好", "better")))[:4] == before[:4]
    assert not set(ids(chapter_of(code("1")), "y")) & set(before)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([prose("zh", "好")], "cell 4 of the source («好»): no twin"),
        ([prose("en", "good")], "cell 4 of the source («good»): no twin"),
        ([prose("zh", "好"), prose("zh", "很好"), prose("en", "good")], "cell 4 of the source («好»): no twin"),
        ([prose("zh", "好"), code("1"), prose("en", "good")], "cell 4 of the source («好»): no twin"),
        ([prose("zh", "好"), "\n+++\n\n$x$\n", prose("en", "good")], "cell 4 of the source («好»): no twin"),
        ([twins("好", "good"), prose("en", "more")], "cell 6 of the source («more»): no twin"),
        ([prose("de", "gut")], "unknown lang 'de'"),
        (['\n+++ {"lang": null}\n\ntext\n'], "unknown lang None"),
        (["\n+++ {lang: zh}\n\n好\n"], "could not be read"),
        ([twins("### 4.1 量化", "### 4.2 Quantization")], "headings differ: zh ['h3 4.1'], en ['h3 4.2']"),
        ([twins("### 4.1 量化", "## 4.1 Quantization")], "headings differ"),
        ([twins("### 4.1 量化", "### Quantization")], "headings differ"),
        ([twins("### 4.1 量化\n\n#### 练习", "### 4.1 Quantization")], "headings differ"),
        ([twins("good", "good")], "no Chinese in the zh cell"),
        ([prose("zh", "好").replace('"zh"}', '"zh", "tags": ["reveal"]}'), prose("en", "good")], "the twins have different tags"),
        ([twins("好", "good").replace('"}', '", "tags": ["reveal"]}')], "a cell tagged reveal, and no prompt before it"),
        ([twins("good", "好")], "no Chinese in the zh cell"),
        (["\n+++\n\n![好](x.png)\n"], "Chinese prose in both editions"),
        (["\n+++\n\n好\n"], "Chinese prose in both editions"),
        ([code("x = 1") + "\n好\n"], "Chinese prose in both editions"),
        ([twins("- 好\n\n      +++", "- good")], "'+++' as it is"),
        ([twins("```{note}\n好\n```", "good")], "'```{note}' as it is"),
        ([code("x = 1  # 一")], "'一' in code"),
        ([twins("#### 一", "#### One")], "a heading h4 below an h1; leave no level out"),
        ([twins("## 一", "## One"), twins("#### 二", "#### Two")], "a heading h4 below an h2"),
        ([twins("| | 甲 |\n|---|---|\n| 1 | 2 |", "| n | one |\n|---|---|\n| 1 | 2 |")], "a column of a table without a header"),
        ([twins("![图](x.png)", "![](x.png)")], "a picture without alt text, 'x.png'"),
        ([twins('<img src="x.png">一', "one")], "<img> without alt text"),
        ([twins("一[](x.ipynb)", "one [x](x.ipynb)")], "a link without text, to 'x.ipynb'"),
        ([code('print("一，")')], "'一' in code"),
        ([code("print(f，1)")], "'，' in code"),
        ([code("")], "empty code cell"),
        ([code("1", ":lang: zh\n")], "take lang off"),
        ([code('use_language("zh")')], "only the first code cell"),
        ([code("x", ":tags: [prompt]\n\n")], "a prompt must say what gives its answer away in both languages"),
        ([code("x", ":tags: [prompt]\n:answer: {en: 'nine'}\n\n")], "a prompt must say"),
        ([code("x", ":tags: [prompt]\n:answer: {en: 'nine', zh: ''}\n\n")], "a prompt must say"),
        ([code("x", ":tags: [prompt]\n:answer: {en: 'nine', zh: 9}\n\n")], "a prompt must say"),
        ([code("x", ":tags: [prompt]\n:answer: nine\n\n")], "a prompt must say"),
        ([code("x", ":tags: [prompt]\n:answer: {en: 'nine', zh: '(jiu'}\n\n")], "the zh answer '(jiu' is no regular expression"),
        ([code("x", ":tags: [reveal]\n\n")], "a cell tagged reveal, and no prompt before it"),
        ([code("x", ":answer: {en: 'nine', zh: 'jiu'}\n\n")], "an answer on a cell that asks nothing"),
    ],
)
def test_source_is_refused(cells, reason):
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        build.editions(chapter_of(*cells), "04_mathematics")
    assert str(caught.value).startswith("04_mathematics")


@pytest.mark.parametrize("first", ["x = 1", "use_language(language)", 'use_language("en"); use_language("zh")'])
def test_first_code_cell_must_choose_the_language(first):
    with pytest.raises(ValueError, match="the first code cell must call use_language"):
        build.editions(chapter_of(first=first), "04_mathematics")


def test_headings_are_compared_as_markdown_reads_them():
    build.editions(chapter_of(twins("```text\n# 1 注释\n```", "no heading here")), "x")
    build.editions(chapter_of(twins("## 4.1 量化 2 位\n\n3 步：", "## 4.1. Quantization\n\nThree steps:")), "x")


# The build


@pytest.fixture
def root(tmp_path):
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    return tmp_path / "notebooks"


TRIAL = chapters.Chapter("90_trial", ("Trial", "试"), ("what; why", "什么；为什么"), number="9", minutes=50)


def run(root, *arguments, book=(TRIAL,)):
    os.environ.pop("PYTEST_CURRENT_TEST", None)  # a kernel that sees it does not catch what C code writes to stderr
    build.main(list(arguments), root, book)


def write(root, source):
    (root / "source" / "90_trial.md").write_text(source, "utf-8")


def read(root, language="en"):
    return nbformat.read(root / language / "90_trial.ipynb", nbformat.NO_CONVERT)


def files(root):
    return {path.name: path.read_bytes() for path in (root / "en").iterdir()}


IGNORE = ":tags: [nbval-ignore-output]\n"
PRINTS = "print(1, flush=True)\nprint(2, flush=True)\ndisplay(3)\nprint(4)"
FIGURE = """\
from fedlab_utils.book.plotting import Still, new_figure
Still(new_figure()[0], "empty axes")"""
WIDGET = "import ipywidgets\nipywidgets.interact(lambda bits: bits, bits=(1, 8));"


@pytest.mark.slow  # kernels
def test_build_executes_keeps_outputs_and_gives_the_same_file_again(root, capsys):
    cells = [code(PRINTS), code(FIGURE), twins("好", "good"), code(WIDGET, IGNORE)]
    cells.append(code('import pathlib\npathlib.Path("here").write_text("")\nNone', ":jupyter: {source_hidden: true}\n"))
    write(root, chapter_of(*cells))
    run(root)
    assert re.fullmatch(r"(zh|en)/90_trial  \d+\.\d s", capsys.readouterr().out.splitlines()[0])
    assert (root / "zh" / "here").exists(), "a notebook runs in the folder of its edition"
    (root / "en" / "here").unlink()
    notebook = read(root)
    nbformat.validate(notebook)
    language, prints, figure, widget, last = code_cells(notebook)
    assert [cell.execution_count for cell in code_cells(notebook)] == [1, 2, 3, 4, 5]
    assert [output.text for output in language.outputs] == ["en\n"]
    assert [output.get("text") for output in prints.outputs] == ["1\n2\n", None, "4\n"]
    assert figure.outputs[0].data["text/plain"] == "empty axes" and 'alt="empty axes"' in figure.outputs[0].data["text/html"]
    assert widget.outputs == last.outputs == []
    assert [fault for cell in notebook.cells for fault in build.faults(cell)] == []
    assert "widget" not in str(notebook.metadata) + str(widget.metadata)
    assert code_cells(read(root, "zh"))[0].outputs[0].text == "zh\n"

    before = files(root)
    assert list(before) == ["90_trial.ipynb"]
    run(root, "90_trial", "--no-execute")
    assert files(root) == before
    run(root, "90_trial")
    (root / "en" / "here").unlink()
    assert files(root) == before


@pytest.mark.slow  # kernels
def test_what_stands_for_a_widget_in_html_is_kept_and_the_widget_is_not(root):
    asks = """\
import ipywidgets
class Asking(ipywidgets.VBox):
    def _repr_mimebundle_(self, **_):
        return super()._repr_mimebundle_() | {"text/html": "<b>how many?</b>", "text/plain": "how many?"}
Asking()"""
    write(root, chapter_of(code(asks, IGNORE)))
    run(root)
    (output,) = code_cells(read(root))[1].outputs
    assert output.data == {"text/html": "<b>how many?</b>", "text/plain": "how many?"}


@pytest.mark.slow  # kernels
def test_no_execute_keeps_the_outputs_of_unchanged_code_only(root, capsys):
    write(root, chapter_of(twins("好", "good"), code("print(1)"), code("print(2)")))
    run(root)
    write(root, chapter_of(twins("很好", "better"), code("print(1)"), code("print(3)")))
    capsys.readouterr()
    run(root, "--no-execute")
    assert "code cells without output: 1; run make notebooks" in capsys.readouterr().out
    notebook = read(root)
    assert "better" in sources(notebook)
    assert [[output.text for output in cell.outputs] for cell in code_cells(notebook)] == [["en\n"], ["1\n"], []]
    assert [cell.execution_count for cell in code_cells(notebook)] == [1, 2, None]


def output(kind, **fields):
    return nbformat.from_dict({"outputs": [{"output_type": kind, "metadata": {}, **fields}]})


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (output("error", ename="ValueError", evalue="k", traceback=[]), "raised ValueError: k"),
        (output("stream", name="stderr", text="hm"), "wrote to stderr: hm"),
        (output("stream", name="stdout", text="in /home/someone/x"), "trace of this machine, '/home/'"),
        (output("execute_result", data={"text/plain": repr(object())}), "trace of this machine, '0x"),
        (output("display_data", data={build.WIDGET: {"model_id": "1"}, "text/plain": "App()"}), "stores a widget"),
        (output("display_data", data={"image/png": "", "text/plain": "<Figure>"}), "image/png, for which JupyterLab has no alt"),
        (output("display_data", data={"text/html": '<b>x</b><img src="x.png">'}), "<img> without alt text"),
        (output("display_data", data={"text/html": '<tr><th style=""> </th><th>x</th></tr>'}), "a column of a table without a"),
    ],
)
def test_faults_of_an_output_are_found(cell, reason):
    (fault,) = build.faults(cell)
    assert reason in fault


def test_a_faultless_output_has_no_faults():
    assert build.faults(nbformat.from_dict({"cell_type": "markdown", "source": ""})) == []
    assert build.faults(output("stream", name="stdout", text="CRC 0xDEADBEEF\n")) == []
    assert build.faults(output("display_data", data={"text/html": '<img src="x.png" alt="x">'})) == []


@pytest.mark.slow  # kernels
@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (code("1 / 0", ":tags: [raises-exception]\n"), "ZeroDivisionError"),
        (code('import os\nos.system("echo hm >&2; sleep 1");'), "wrote to stderr: hm"),
        (code("import ipywidgets\nipywidgets.interact(lambda x: 1 / x, x=(0, 0));", IGNORE), "inside an Output widget"),
        (code(WIDGET), "tag the cell nbval-ignore-output"),
    ],
    ids=["raises", "stderr", "output-widget", "untagged-widget"],
)
def test_build_refuses_a_fault_and_leaves_the_old_file(root, cell, reason):
    write(root, chapter_of(twins("好", "good"), cell))
    (root / "zh").mkdir()
    old = root / "zh" / "90_trial.ipynb"
    old.write_text("old", "utf-8")
    with pytest.raises(build.BuildError, match=re.escape(reason)) as caught:
        run(root)
    assert str(caught.value).startswith("90_trial (zh), cell 4: ")
    assert old.read_text("utf-8") == "old"
    assert [path.name for path in old.parent.iterdir()] == [old.name]
    assert not (root / "en").exists()


@pytest.mark.slow  # kernels
def test_build_refuses_a_notebook_that_is_too_large(root, monkeypatch):
    monkeypatch.setattr(build, "LARGEST", 4_000)
    write(root, chapter_of(code("print(1)"), code("print('x' * 4_000)")))
    with pytest.raises(build.BuildError, match=r"90_trial \(zh\) has .* bytes, and 4,000 is the most; .*\s+print\('x'"):
        run(root)
    assert not (root / "zh" / "90_trial.ipynb").exists()


# What nbval compares

MAKEFILE = (NOTEBOOKS.parent / "Makefile").read_text("utf-8")


@pytest.mark.slow  # kernels
def test_nbval_passes_over_the_pixels_of_a_picture_and_compares_its_words(root):
    """Pixels differ by machine. Run with the flags of the Makefile, on what one build has left."""
    drawn = "Still(new_figure()[0], {!r})"
    imports = "from fedlab_utils.book.plotting import Still, new_figure"
    stills = [code(drawn.format(words)) for words in ("as it was", "other pixels", "other words")]
    write(root, chapter_of(code(imports), *stills))
    run(root, "90_trial")
    notebook = read(root)
    kept, pixels, words = (cell.outputs[0].data for cell in code_cells(notebook)[2:])
    assert re.search('alt="other pixels" src="data:image/png;base64,[^"]{100}', pixels["text/html"])
    pixels["text/html"] = re.sub('base64,[^"]{100}', "base64," + "+/8=" * 25, pixels["text/html"])
    assert 'alt="other words"' in words["text/html"] and 'alt="as it was"' in kept["text/html"]
    words["text/html"] = words["text/html"].replace('alt="other words"', 'alt="what it said"')
    (root / "en" / "90_trial.ipynb").write_text(build.dumps(notebook), "utf-8")
    (flags,) = re.findall(r"^NBVAL = (.+)$", MAKEFILE, re.MULTILINE)
    command = [sys.executable, "-m", "pytest", "-rA", "-q", *flags.split(), str(root / "en" / "90_trial.ipynb")]
    ran = subprocess.run(command, cwd=NOTEBOOKS.parent, capture_output=True, text=True, timeout=300)
    verdicts = re.findall(r"^(PASSED|FAILED) \S*::Cell (\d+)", ran.stdout, re.MULTILINE)
    assert sorted(verdicts, key=lambda one: int(one[1])) == [
        ("PASSED", "0"), ("PASSED", "1"), ("PASSED", "2"), ("PASSED", "3"), ("FAILED", "4")
    ], ran.stdout  # fmt: skip


def test_whatever_runs_notebooks_compares_them_so():
    runs = [line for line in MAKEFILE.splitlines() if line.startswith("\t") and ".ipynb" in line and "pytest" in line]
    assert len(runs) == 2 and all("$(NBVAL)" in line for line in runs)
    assert "--nbval" not in re.sub(r"^(NBVAL =|#).*", "", MAKEFILE, flags=re.MULTILINE)


def test_build_names_the_chapters_there_are(root, capsys):
    write(root, chapter_of())
    with pytest.raises(SystemExit):
        run(root, "91_other")
    assert "no chapter 91_other; there are 90_trial" in capsys.readouterr().err


NO_FILES = chapters.Chapter("90_trial", ("Trial", "试"), ("-", "-"), module="no_such")


@pytest.mark.parametrize(
    ("book", "reasons"),
    [
        ([TRIAL, chapters.Chapter("91_other", ("Other", "别"), ("-", "-"))], ["the chapter 91_other is listed in"]),
        ([NO_FILES], ["no fedlab_utils/book/figures/no_such.py", "no fedlab_utils/book/exercises/no_such.py"]),
        ([], ["notebooks/source/90_trial.md is not in the list of chapters: add its entry to"]),
    ],
)
def test_build_refuses_a_list_that_is_not_what_the_files_are(root, book, reasons):
    write(root, chapter_of())
    with pytest.raises(ValueError) as caught:
        run(root, "--no-execute", book=book)
    sentences = str(caught.value).split("; ")
    assert len(sentences) == len(reasons)
    assert all(reason in sentence for reason, sentence in zip(reasons, sentences, strict=True))
    assert [path.name for path in root.iterdir()] == ["source"], "something was built"


def test_build_writes_the_tables_of_chapters_in_readmes_and_sources(root, capsys):
    marks = "<!-- chapters: {} -->\n<!-- end of chapters -->"
    readme = root.parent / "README.md"
    readme.write_text(marks.format("readme en") + "\n", "utf-8")
    write(root, chapter_of(twins(f"好\n\n{marks.format('readme zh')}", f"good\n\n{marks.format('readme en')}")))
    run(root, "--no-execute")
    assert "[9 Trial](notebooks/en/90_trial.ipynb) | what; why |" in readme.read_text("utf-8")
    assert "[9 试](notebooks/zh/90_trial.ipynb) | 什么；为什么 |" in (root / "source" / "90_trial.md").read_text("utf-8")
    assert "[9 Trial]" in sources(read(root))[-1] and "[9 试]" in sources(read(root, "zh"))[-1]
    assert capsys.readouterr().out.count("its table of chapters is new") == 2
    run(root, "--no-execute")
    assert "its table of chapters is new" not in capsys.readouterr().out


@pytest.mark.slow  # kernels
def test_a_source_whose_table_is_new_is_built_too_and_keeps_its_outputs(root):
    marks = "<!-- chapters: readme {} -->\n<!-- end of chapters -->"
    write(root, chapter_of(twins(f"好\n\n{marks.format('zh')}", f"good\n\n{marks.format('en')}")))
    run(root)
    other = chapters.Chapter("91_other", ("Other", "别"), ("more", "更多"))
    (root / "source" / "91_other.md").write_text(chapter_of(), "utf-8")
    run(root, "91_other", "--no-execute", book=(TRIAL, other))
    assert "[Other](notebooks/en/91_other.ipynb) | more |" in sources(read(root))[-1]
    assert [output.text for output in code_cells(read(root))[0].outputs] == ["en\n"]


def test_build_passes_over_a_chapter_whose_kernel_is_not_installed_unless_asked(root, capsys):
    write(root, chapter_of().replace("python3", "no-such-kernel"))
    run(root)
    assert "en/90_trial  left as it is: the kernel no-such-kernel is not installed" in capsys.readouterr().out
    assert not (root / "en" / "90_trial.ipynb").exists()
    with pytest.raises(build.NoSuchKernel, match="no-such-kernel"):
        run(root, "90_trial")


@pytest.mark.parametrize("name", build.kernels.KERNELS)
def test_build_passes_over_a_chapter_whose_kernel_is_listed_and_has_nothing_to_run_on(name, root, capsys, monkeypatch):
    write(root, chapter_of().replace("python3", name))
    monkeypatch.setattr(build.kernels, "python", lambda kernel: None)
    run(root)
    assert f"en/90_trial  left as it is: the kernel {name} is not installed" in capsys.readouterr().out
    with pytest.raises(build.NoSuchKernel, match=name):
        run(root, "90_trial")


@pytest.mark.parametrize("path", sorted((build.HERE / "source").glob("*.md")), ids=lambda path: path.stem)
def test_a_folded_cell_shows_a_comment_in_the_readers_language_and_not_the_answer(path):
    """JupyterLab shows the first line of a folded cell."""
    for language, edition in build.editions(path.read_text("utf-8"), path.stem).items():
        for cell in edition.cells:
            solves = "solution" in cell.metadata.get("tags", [])
            if solves or cell.metadata.get("jupyter", {}).get("source_hidden"):
                line = build.SOLUTION if solves else build.MEASURED
                assert cell.source.startswith(line[language])


def test_a_link_to_a_section_leads_to_the_cell_of_its_heading():
    """In the errata, of which each entry names the section that proves it; and a section that there is not is named."""
    links = 0
    for language in build.LANGUAGES:
        for cell in committed(language, "80_errata").cells:
            for number, chapter, target in re.findall(r"\[([\d.]+)\]\((\w+)\.ipynb#cell-id=(\w+)\)", cell.source):
                (there,) = (c for c in committed(language, chapter).cells if c.id == target)
                assert re.search(rf"^#+ {re.escape(number)} ", there.source, re.MULTILINE)
                links += 1
    assert links >= 60
    with pytest.raises(ValueError, match=r"a link leads to section 4\.9 of 04_mathematics, and 0 cells have its heading"):
        build._cell_of("04_mathematics", "4.9")
