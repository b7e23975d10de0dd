"""The list of chapters is what the files are, what the chapters say of themselves, and what every table of them shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fedlab_utils.book.chapters import BOOK, MODULES, TABLE, Chapter, faults, with_tables
from fedlab_utils.engines.kernels import FLOWER, KERNELS, TFF
from fedlab_utils.language import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "notebooks" / "source"
FILES = [chapter.file for chapter in BOOK]
TEXTS = {chapter.file: (SOURCE / f"{chapter.file}.md").read_text("utf-8") for chapter in BOOK}

chapters_in_both_languages = pytest.mark.parametrize(
    ("chapter", "language"),
    [(chapter, language) for chapter in BOOK for language in LANGUAGES],
    ids=lambda value: getattr(value, "file", value),
)


# The list and the files


def test_the_list_is_what_the_files_are():
    assert faults(SOURCE) == []


def test_chapters_stand_in_the_order_of_their_files_each_once():
    assert sorted(set(FILES)) == FILES
    modules = [chapter.module for chapter in BOOK if chapter.module]
    assert list(MODULES) == modules and len(set(modules)) == len(modules)
    names = [(chapter.number, chapter.note) for chapter in BOOK if chapter.number]
    assert len(set(names)) == len(names)


@pytest.fixture
def tree(tmp_path):
    """A book of one chapter, as `faults` takes it: folder of sources, list, package."""
    for path in ("source/01_trial.md", "figures/trial.py", "exercises/trial.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("")
    return tmp_path / "source", [Chapter("01_trial", ("Trial", "试"), ("-", "-"), module="trial")], tmp_path


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("source/01_trial.md", "01_trial is listed in fedlab_utils/book/chapters.py, but has no notebooks/source/01_trial.md"),
        ("figures/trial.py", "01_trial is listed with the module 'trial', but has no fedlab_utils/book/figures/trial.py"),
        ("exercises/trial.py", "01_trial is listed with the module 'trial', but has no fedlab_utils/book/exercises/trial.py"),
    ],
)
def test_a_chapter_without_one_of_its_files_is_named_with_it(tree, missing, sentence):
    assert faults(*tree) == []
    (tree[2] / missing).unlink()
    assert faults(*tree) == [f"the chapter {sentence}"]


def test_a_source_that_is_not_listed_is_named(tree):
    assert faults(tree[0], [], tree[2]) == [
        "notebooks/source/01_trial.md is not in the list of chapters: add its entry to fedlab_utils/book/chapters.py"
    ]


def test_a_page_without_a_module_needs_its_source_only(tree):
    (tree[0] / "90_page.md").write_text("")
    assert faults(tree[0], [*tree[1], Chapter("90_page", ("Page", "页"), ("-", "-"))], tree[2]) == []


def test_the_list_is_read_without_what_trains_or_draws():
    code = "import sys, fedlab_utils.book.chapters; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("fedlab_utils.book.")} == {"fedlab_utils.book.chapters"}
    assert not loaded & {"tensorflow", "keras", "matplotlib", "ipywidgets", "PIL"}


# What a chapter says of itself


def opening(chapter, language):
    """The first prose cell of the edition: its title, what it teaches, what it needs, how long it takes."""
    return re.search(rf'\+\+\+ {{"lang": "{language}"}}\n(.*?)(?=\n\+\+\+ |\n```{{)', TEXTS[chapter.file], re.DOTALL)[1]


@chapters_in_both_languages
def test_its_heading_holds_the_number_and_every_word_of_the_title(chapter, language):
    number, heading = re.search(r"^# (?:(\d+)\. )?(.+)$", opening(chapter, language), re.MULTILINE).groups()
    assert (number or "") == chapter.number
    words = re.findall(r"\w+", chapter.title[LANGUAGES.index(language)].lower())
    assert words and re.search(".*".join(words), heading.lower()), heading


@chapters_in_both_languages
def test_its_minutes_are_those_of_the_list(chapter, language):
    time = {"en": r"\*\*Time\*\*:([^.]*)", "zh": r"\*\*时间\*\*：([^。]*)"}[language]
    said = re.search(time, opening(chapter, language))[1]
    assert re.findall(r"(\d+) (?:minutes|分钟)", said) == ([] if chapter.minutes is None else [str(chapter.minutes)])
    by_section = re.search(r"[(（](\d\.\d[^)）]* · [^)）]*)[)）]", opening(chapter, language))  # "1.1 35 · 1.2 15 · summary 10"
    if by_section:
        assert sum(int(part.split()[-1]) for part in by_section[1].split(" · ")) == chapter.minutes


@chapters_in_both_languages
def test_the_minutes_of_its_sections_add_up_to_its_own(chapter, language):
    sections = re.search(r"[(（]((?:[\w.]+ \d+ · )+[\w.]+ \d+)[)）]", opening(chapter, language))
    if sections:  # in their order, and each a section of the chapter; the live lab of chapter 4 has no number
        named, minutes = zip(*(part.split() for part in sections[1].split(" · ")), strict=True)
        assert sum(map(int, minutes)) == chapter.minutes
        headings = dict.fromkeys(re.findall(r"^#+ (\d[\d.]+\d) ", TEXTS[chapter.file], re.MULTILINE))
        numbers = [name for name in named if name[0].isdigit()]
        assert numbers == [number for number in headings if number in numbers]


@chapters_in_both_languages
def test_it_needs_the_chapters_of_the_list(chapter, language):
    pattern = {"en": r"\*\*You need\*\*:(.*?)\*\*Time", "zh": r"\*\*预备知识\*\*：(.*?)\*\*时间"}[language]
    needs = re.search(pattern, opening(chapter, language))[1]
    named = re.findall({"en": r"chapter (\d)", "zh": r"第 (\d) 章"}[language], needs)
    listed = [BOOK[FILES.index(file)].number for file in chapter.needs]
    assert named == listed and re.findall(r"\((\w+)\.ipynb\)", needs) in ([], list(chapter.needs))


@pytest.mark.parametrize("chapter", BOOK, ids=FILES)
def test_its_kernel_is_that_of_the_list_and_make_finds_those_on_kernels_of_their_own_by_their_name(chapter):
    assert re.search(r"^kernelspec:\n(?:  .*\n)*?  name: (.+)$", TEXTS[chapter.file], re.MULTILINE)[1] == chapter.kernel
    for kernel in KERNELS.values():  # "*_tff.ipynb" and "*_flower.ipynb" in the Makefile
        assert (chapter.kernel == kernel.name) == chapter.file.endswith(kernel.ending)


@pytest.mark.parametrize("chapter", MODULES.values(), ids=MODULES)
def test_it_shows_figures_and_asks_exercises_of_its_own_module(chapter):
    text = TEXTS[chapter.file]
    assert f"fl.figures.{chapter.module}." in text
    assert set(re.findall(r"fl\.exercises\.(\w+)\.\w+\.(?:check|ask)\(", text)) == {chapter.module}


def test_every_chapter_of_the_document_has_one_of_the_book():
    assert [chapter.document for chapter in BOOK if chapter.document] == [1, 2, 3, 4, 5]


def test_the_teachers_page_answers_every_chapter_with_exercises_in_the_order_of_the_book():
    assert re.findall(r'^fl\.exercises\.answers\("(\w+)"\)$', TEXTS["90_teacher"], re.MULTILINE) == list(MODULES)


# Where chapters are named


@pytest.mark.parametrize(
    ("path", "tables"),
    [("README.md", ["readme en"]), ("README.zh-CN.md", ["readme zh"]), ("notebooks/source/00_start.md", ["map zh", "map en"])],
)
def test_the_tables_are_those_of_the_list(path, tables):
    text = (ROOT / path).read_text("utf-8")
    assert [f"{kind} {language}" for _, kind, language, _, _ in TABLE.findall(text)] == tables
    assert with_tables(text) == text, f"{path} is not what the list says: run notebooks/build.py --no-execute"
    assert with_tables(text, BOOK[2:]) != text


TRIAL = (
    Chapter("00_start", ("Start", "开始"), ("how", "怎么读"), number="0", minutes=10),
    Chapter("07_trial", ("Trial", "试"), ("what; why", "什么；为什么"), number="7", minutes=50, module="trial", kernel=TFF.name),
    Chapter("08_other", ("Other", "别"), ("more", "更多"), number="8", minutes=40, module="other", kernel=FLOWER.name),
    Chapter("90_page", ("A page", "一页"), ("answers", "答案")),
)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("readme en", """| chapter | in brief |
|---|---|
| [0 Start](notebooks/en/00_start.ipynb) | how |
| [7 Trial](notebooks/en/07_trial.ipynb) | what; why (Linux, `make tff`) |
| [8 Other](notebooks/en/08_other.ipynb) | more (`make flower-env`) |
| [A page](notebooks/en/90_page.ipynb) | answers |"""),
        ("map zh", """| 章 | 内容 | 分&NoBreak;钟 |
|---|---|---|
| [7. 试](07_trial.ipynb) | 什么；为什么（Linux，`make tff`） | 50 |
| [8. 别](08_other.ipynb) | 更多（`make flower-env`） | 40 |"""),
    ],
)  # fmt: skip
def test_a_table_is_written_between_its_marks_and_nothing_else(name, table):
    before = f"head\n\n<!-- chapters: {name} -->\nold\n<!-- end of chapters -->\n\ntail\n"
    after = with_tables(before, TRIAL)
    assert after == f"head\n\n<!-- chapters: {name} -->\n\n{table}\n\n<!-- end of chapters -->\n\ntail\n"
    assert with_tables(after, TRIAL) == after and with_tables("no table", TRIAL) == "no table"


@pytest.mark.parametrize("name", ["index en", "map de"])
def test_an_unknown_table_is_refused(name):
    with pytest.raises(ValueError, match=f"a table of chapters is readme or map, in en or zh, got {name}"):
        with_tables(f"<!-- chapters: {name} -->\n<!-- end of chapters -->")


INVENTED = {"test_bookshelf.py", "test_chapters.py", "test_notebooks.py"}  # tests with chapters of their own
NAMING = ("*.md", "Makefile", "pyproject.toml", ".ci/run", ".github/workflows/*", "notebooks/build.py", "notebooks/source/*.md",
          "fedlab_utils/**/*.py", "tests/**/*.py")  # fmt: skip


def test_whoever_names_a_chapter_names_one_of_the_list():
    found = {
        (str(path.relative_to(ROOT)), name)
        for pattern in NAMING
        for path in ROOT.glob(pattern)
        if path.name not in INVENTED
        for name in re.findall(r"\b\d\d_[a-z][a-z0-9_]*(?=\.(?:new\.)?(?:ipynb|md)\b|[`\"'])", path.read_text("utf-8"))
    }
    assert {name for _, name in found} == set(FILES), "a pattern that finds no chapter would prove nothing"
    assert sorted(pair for pair in found if pair[1] not in FILES) == []
