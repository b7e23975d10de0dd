"""Nothing that the reader is asked for stands printed before she has answered, in her copy and on Binder, in both languages."""

import html
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from building import CHAPTERS, EDITIONS, build

import fedlab_utils as fl
from fedlab_utils.book import bookshelf, folding, widgets
from fedlab_utils.book.exercises.asking import Guess, Question
from fedlab_utils.book.exercises.base import Exercise
from fedlab_utils.book.exercises.designing import Design
from fedlab_utils.language import say

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = 20  # an edition has at least so many
APPS = r"fl\.widgets\.(cost_calculator|composer|playground|live_lab|tff_bits|\w+_explorer)\("
# Apps that answer without a training, so that a test can look at what they show before and after.
QUICK = ("composer", "cost_calculator", "coding_explorer", "compression_explorer", "quantization_explorer",
         "sparsification_explorer")  # fmt: skip

# What asks for a guess. What the words mean besides: outputs of models, the teacher's hard guesses.
ASKS = {"en": r"\bguess\w*|\bpredict\w*|\bexpect\w*|before you read on", "zh": "猜|估一估|预测|预计|先别往下看"}
ELSE = {
    "en": r"hard guess\w*|second guess|always guessing the mean|has to guess|expected value|one would expect"
    r"|predicted probabilities|(y\$|it|to|holder joins them,|respect to the|\*\*)\W* predict(s|ion)?\b|to \*\*predict\*\*",
    "zh": "硬猜测|永远猜平均值|只好猜。假如它猜的是|预测的概率|要预测的|做出预测|"
    r"，预测 \$|对预测的导数|完美预测|\*\*预测\*\*时",
}


def source(chapter):
    return (ROOT / "notebooks" / "source" / f"{chapter}.md").read_text("utf-8")


@pytest.fixture(scope="module")
def shelves(tmp_path_factory):
    """my/, by language, as `make lab` and Binder's postBuild make it."""
    root = tmp_path_factory.mktemp("reader")
    (root / "notebooks").symlink_to(ROOT / "notebooks")
    for language in build.LANGUAGES:
        bookshelf.shelve(language, root)
    return root / "my"


def read(folder, language, chapter):
    return nbformat.read(folder / language / f"{chapter}.ipynb", nbformat.NO_CONVERT)


def tags(cell):
    return cell.metadata.get("tags", [])


def words(text):
    """HTML as it is read: alternative texts and titles are, marks are not."""
    spoken = re.sub(r'<[^>]*?(?:alt|title)="([^"]*)"[^>]*>', r" \1 ", text)
    return html.unescape(re.sub("<[^>]+>", "", spoken))


def shown(cell):
    """Whatever the outputs of a cell say."""
    said = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        said += [output.get("text", ""), *(data.get(kind, "") for kind in ("text/plain", "text/markdown"))]
        said.append(words(data.get("text/html", "")))
    return "\n".join("".join(part) for part in said)


def asked(cell):
    """What a prompt's cell asks: a Guess, a Question, a Design, or an app that can be asked at once; else None."""
    if name := re.search(r"fl\.exercises\.(\w+)\.(\w+)\.ask\(\)", cell.source):
        return getattr(getattr(fl.exercises, name[1]), name[2])
    app = re.search(APPS, cell.source)
    return getattr(widgets, app[1])() if app and app[1] in QUICK else None


def question_and_reply(cell, language):
    """The words of a prompt before it is answered (of an app, its picture and formula too), and what a click on "skip" tells."""
    fl.use_language(language)
    try:
        item = asked(cell)
        if isinstance(item, Guess):
            return say(*item.text), words(item.reply(None))
        if isinstance(item, (Question, Design)):
            return say(*item.text), item.solution().message
        if item is None:  # an app that answers by training
            return "", ""
        before = "\n".join(words(part) for part in (item.question.text, item.image.value, item.mathematics.value))
        item.question.skip.click()
        return before, words(item.question.reply.value)
    finally:
        fl.use_language("en")


def faults(book, copy, answers, language):
    """Where the answer of a prompt stands too early, and where none stands that it could be; one sentence each."""
    found, cells = [], book.cells
    outputs, left = [shown(cell) for cell in cells], [shown(cell) for cell in copy.cells]
    told = {cell.id: question_and_reply(cell, language) for cell in cells if cell.id in answers}
    for place, cell in enumerate(cells):
        if cell.id not in answers:
            continue
        pattern, name = answers[cell.id][language], cell.source.strip().splitlines()[-1]
        seen = [("the question itself", told[cell.id][0])]
        seen += [(f"cell {n + 1} before it", f"{cells[n].source}\n{outputs[n]}") for n in range(place)]
        seen += [("the reply to an earlier question", told[other.id][1]) for other in cells[:place] if other.id in answers]
        seen += [(f"the output of cell {n + 1}, below it", left[n]) for n in range(place + 1, len(left))]
        seen += [("the code that reveals", other.source) for other in revealing(cells, place)]
        seen += [(f"the prose of cell {n + 1}, below it", text) for n, text in in_sight(copy.cells, place)]
        found += [f"{name}: {match.group()!r} stands in {where}" for where, text in seen if (match := re.search(pattern, text))]
        if not any(re.search(pattern, text) for text in [told[cell.id][1], *map(shown, revealing(cells, place))]):
            found.append(f"{name}: nothing that reveals says {pattern!r}")
    return found


def in_sight(cells, place):
    """The prose below a prompt that is not folded, up to the next prompt or heading: by cell, what stands open."""
    for number, cell in enumerate(cells[place + 1 :], place + 1):
        if "prompt" in tags(cell):
            return
        if cell.cell_type == "markdown":
            part, *beyond = re.split("^#", re.sub("<details>.*?</details>", "", cell.source, flags=re.DOTALL), flags=re.MULTILINE)
            yield number, part
            if beyond:
                return


def revealing(cells, place):
    """The cells that answer a prompt: those tagged so, up to the next prompt. Prompts before the same cells share them."""
    some = False
    for cell in cells[place + 1 :]:
        if "prompt" in tags(cell) and some:
            return
        if "reveal" in tags(cell) and cell.cell_type == "code":
            some = True
            yield cell


@pytest.mark.parametrize("language", build.LANGUAGES)
def test_an_edition_has_its_prompts(language):
    cells = [cell for chapter in CHAPTERS for cell in read(ROOT / "notebooks", language, chapter).cells]
    asking = [cell for cell in cells if "prompt" in tags(cell)]
    assert len(asking) >= PROMPTS
    assert len({cell.source for cell in asking}) == len(asking), "asked twice"


@pytest.mark.slow
@pytest.mark.parametrize(("language", "chapter"), EDITIONS)
def test_no_answer_stands_before_its_question(shelves, language, chapter):
    book, answers = read(ROOT / "notebooks", language, chapter), build.answers(source(chapter), chapter)
    assert set(answers) == {cell.id for cell in book.cells if "prompt" in tags(cell)}
    assert faults(book, read(shelves, language, chapter), answers, language) == []


def unasked(cells, language):
    """Prose that asks for a guess, and no prompt directly below it."""
    for place, cell in enumerate(cells):
        text = re.sub(ELSE[language], "", cell.source, flags=re.IGNORECASE) if cell.cell_type == "markdown" else ""
        following = next((other for other in cells[place + 1 :] if other.cell_type == "code"), None)
        if (match := re.search(ASKS[language], text, re.IGNORECASE)) and (following is None or "prompt" not in tags(following)):
            yield text[max(0, match.start() - 40) : match.end() + 40]


# Chapter 0 and the teacher's page speak about guessing.
@pytest.mark.parametrize(("language", "chapter"), [edition for edition in EDITIONS if edition[1][:2] not in ("00", "90")])
def test_whatever_the_prose_asks_to_guess_is_a_prompt(language, chapter):
    assert list(unasked(read(ROOT / "notebooks", language, chapter).cells, language)) == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_cell_that_asks_is_a_prompt_and_says_so_to_nbval(chapter):
    for cell in read(ROOT / "notebooks", "en", chapter).cells:
        if cell.cell_type == "code":
            asks = bool(re.search(r"\.ask\(\)|" + APPS, cell.source)) and "predict=False" not in cell.source
            assert asks == ("prompt" in tags(cell)), cell.source
            assert not asks or "nbval-ignore-output" in tags(cell), cell.source
            assert cell.source.count(".ask()") < 2, "one question a cell: its answer is declared"


@pytest.mark.parametrize(("language", "chapter"), EDITIONS)
def test_prose_above_a_question_does_not_ask_why(language, chapter):
    cells = read(ROOT / "notebooks", language, chapter).cells
    for cell, below in pairwise(cells):
        if cell.cell_type == "markdown" and "prompt" in tags(below):
            assert not re.search(r"\bwhy\b[^.。]*\?|为什么[^。]*？", cell.source, re.IGNORECASE), cell.source


@pytest.mark.parametrize(("language", "chapter"), EDITIONS)
def test_the_readers_copy_shows_all_but_what_answers_and_the_book_shows_all(shelves, language, chapter):
    book, copy = read(ROOT / "notebooks", language, chapter), read(shelves, language, chapter)
    for shown_by_book, hers in zip(book.cells, copy.cells, strict=True):
        if "reveal" in tags(hers) and hers.cell_type == "code":
            assert hers.outputs == [] and hers.execution_count is None and shown_by_book.execution_count
        else:
            assert {**hers, "source": folding.unfolded(hers.source)} == shown_by_book
    folds = sum(hers.source != shown_by_book.source for shown_by_book, hers in zip(book.cells, copy.cells, strict=True))
    assert folds <= sum("prompt" in tags(cell) for cell in book.cells)
    assert folds or chapter[:2] not in ("01", "02", "03", "04", "05")
    path = ROOT / "notebooks" / language / f"{chapter}.ipynb"
    covered = (shelves / language / path.name).read_bytes()
    assert covered == (build.dumps(copy).encode()), "written as nbformat writes it"
    assert (covered == path.read_bytes()) == (not any("reveal" in tags(cell) for cell in book.cells))


def test_binder_shelves_both_editions_and_the_readmes_lead_there():
    post_build = (ROOT / "postBuild").read_text("utf-8").splitlines()
    for language in build.LANGUAGES:
        assert f"python -m fedlab_utils.book.bookshelf {language}" in post_build
    for name, language in (("README.md", "en"), ("README.zh-CN.md", "zh")):
        (line,) = re.findall(r"[^\n]*BinderHub[^\n]*", (ROOT / name).read_text("utf-8"))
        assert f"my/{language}/00_start.ipynb" in line


def test_a_question_shows_its_words_where_no_kernel_runs():
    for language, run in (("en", "Run this cell to answer."), ("zh", "运行这个单元格就能作答。")):
        for chapter in CHAPTERS:
            for cell in read(ROOT / "notebooks", language, chapter).cells:
                if "prompt" in tags(cell) and ".ask()" in cell.source:
                    assert run in shown(cell) and question_and_reply(cell, language)[0] in shown(cell), cell.source


# Every section asks


SECTION = re.compile(r"^#+ (\d+(?:\.\d+)+) ", re.MULTILINE)
ASKED = re.compile(r"^fl\.exercises\.(\w+)\.(\w+)\.(?:ask|check)\(", re.MULTILINE)
NUMBERED = [chapter for chapter in CHAPTERS if chapter[:2] in ("01", "02", "03", "04", "05")]


def items_of(text):
    """Exercises, questions and open questions by numbered section, in the order of a source: [(section, [items])]."""
    marks = [(match.start(), match[1]) for match in SECTION.finditer(text)]
    found = []
    for place, (start, number) in enumerate(marks):
        end = marks[place + 1][0] if place + 1 < len(marks) else len(text)
        found.append((number, [getattr(getattr(fl.exercises, m), name) for m, name in ASKED.findall(text[start:end])]))
    return found


def silent_sections(text):
    """Numbered sections without an exercise or a question in them or in a section below them."""
    asks = {}
    for number, items in items_of(text):
        counted = [item for item in items if isinstance(item, (Exercise, Question, Design))]
        asks.setdefault(number, []).extend(counted)
    return [n for n in asks if not any(items for other, items in asks.items() if other == n or other.startswith(f"{n}."))]


@pytest.mark.parametrize("chapter", NUMBERED)
def test_every_numbered_section_has_an_exercise_or_a_question(chapter):
    text = source(chapter)
    assert len(items_of(text)) >= 4 and silent_sections(text) == []


@pytest.mark.parametrize("chapter", NUMBERED)
def test_every_chapter_ends_in_an_open_question(chapter):
    asked_for = [item for _, items in items_of(source(chapter)) for item in items]
    assert isinstance(asked_for[-1], Design)


def test_a_section_that_asks_nothing_is_found():
    ask, check = "fl.exercises.practice.two_bits.ask()\n", "fl.exercises.practice.server_round.check(x)\n"
    assert silent_sections(f"## 9.1 A\n### 9.1.1 B\n{ask}### 9.1.2 C\n### Exercise 9.1: no section\n{check}## 9.2 D\n") == ["9.2"]
    assert silent_sections(f"## 9.1 A\n{ask}### 9.1.1 B\n") == ["9.1.1"]
    assert silent_sections("## 9.1 A\nfl.exercises.practice.downlink_of_many.ask()\n") == ["9.1"], "a guess is no question"


# The test can fail

ANSWER = {"en": r"\bnine of ten|It is 9\b", "zh": "十有九次|答案是 9"}


def planted(*cells, reveal="they win nine of ten"):
    """A chapter with one prompt: prose, a first output, the question, the cell that answers, a later output."""
    first = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text="ready")])
    prompt = nbformat.v4.new_code_cell("fl.exercises.concepts.joined_wins.ask()", metadata={"tags": ["prompt"]})
    answer = nbformat.v4.new_code_cell("2", metadata={"tags": ["reveal"]})
    answer.outputs = [nbformat.v4.new_output("stream", text=reveal)]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Guess."), first, prompt, answer, *cells])
    copy = nbformat.reads(bookshelf.covered(nbformat.writes(book).encode()).decode(), 4)
    return book, copy, {prompt.id: ANSWER}


def last(copy):
    return copy.cells[4].outputs[0]


def test_an_answer_that_stands_nowhere_too_early_is_no_fault():
    assert faults(*planted(), "en") == []


@pytest.mark.parametrize(
    ("plant", "where"),
    [
        (lambda book, copy: book.cells[0].update(source="Afterwards you can say that they win nine of ten."), "cell 1 before it"),
        (lambda book, copy: book.cells[1].update(source="# nine of ten"), "cell 2 before it"),
        (lambda book, copy: book.cells[1].outputs[0].update(text="nine of ten"), "cell 2 before it"),
        (lambda book, copy: book.cells[3].update(source="assert wins  # nine of ten"), "the code that reveals"),
        (lambda book, copy: copy.cells[3].update(outputs=book.cells[3].outputs), "the output of cell 4, below"),
        (lambda book, copy: last(copy).data.update({"text/html": '<img alt="nine of ten">'}), "the output of cell 5, below"),
        (lambda book, copy: last(copy).data.update({"text/html": "<b>nine</b> of ten"}), "the output of cell 5, below"),
        (lambda book, copy: copy.cells[5].update(source="They win nine of ten."), "the prose of cell 6, below"),
    ],
)
def test_an_answer_that_stands_too_early_is_found(plant, where):
    later = nbformat.v4.new_code_cell("3", outputs=[nbformat.v4.new_output("display_data", data={"text/plain": "a picture"})])
    below = [nbformat.v4.new_markdown_cell(text) for text in ("Below.", "# 9\nnine of ten")]
    book, copy, answers = planted(later, *below)
    plant(book, copy)
    (fault,) = faults(book, copy, answers, "en")
    assert "'nine of ten' stands in" in fault and where in fault


def test_prose_that_explains_an_answer_is_folded_up_to_a_heading():
    prose = [nbformat.v4.new_markdown_cell(text) for text in ("They win nine of ten.\n\n## 9 Next\n\nMore.", "Try it.")]
    book, copy, answers = planted(*prose)
    assert copy.cells[4].source == (
        "<details>\n<summary>Answered? Then open this.</summary>\n\nThey win nine of ten.\n\n</details>\n\n## 9 Next\n\nMore."
    )
    assert folding.unfolded(copy.cells[4].source) == book.cells[4].source and copy.cells[5] == book.cells[5]
    assert faults(book, copy, answers, "en") == []
    below = [fault.partition("stands in ")[2] for fault in faults(book, book, answers, "en")]
    assert below == ["the output of cell 4, below it", "the prose of cell 5, below it"], "the book itself shows all"


def test_an_answer_that_nothing_gives_is_found():
    book, copy, answers = planted(reveal="nothing to see")
    assert faults(book, copy, answers, "en") == []  # the reply to the guess says it
    (cell,) = answers
    (fault,) = faults(book, copy, {cell: {"en": "eleven of ten"}}, "en")
    assert "nothing that reveals says 'eleven of ten'" in fault


def test_prose_that_asks_and_no_cell_that_does_are_found():
    book, *_ = planted()
    assert list(unasked(book.cells, "en")) == ["Guess."], "the cell below the prose is not the prompt"
    del book.cells[1]
    assert list(unasked(book.cells, "en")) == []
    book.cells[0].source = "The teacher's hard guesses."
    del book.cells[1]
    assert list(unasked(book.cells, "en")) == []
    book.cells[0].source = "先猜一猜"
    assert list(unasked(book.cells, "zh")) == ["先猜一猜"]
