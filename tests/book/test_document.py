"""The whole document is in the book: every heading, same number and title, and every list item with a cell that runs."""

import re
from pathlib import Path

import nbformat
import pytest

from fedlab_utils.book.chapters import BOOK

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
CHAPTERS = {chapter.document: chapter.file for chapter in BOOK if chapter.document}

# Level, number and title of every heading of the document.
HEADINGS = [
    (1, "1", "背景介绍"),
    (2, "1.1", "大数据时代下的隐私困境"),
    (2, "1.2", "联邦学习的崛起"),
    (2, "1.3", "高效压缩的必要性"),
    (1, "2", "核心概念与联系"),
    (2, "2.1", "联邦学习"),
    (3, "2.1.1", "联邦学习的分类"),
    (3, "2.1.2", "联邦学习的优点"),
    (2, "2.2", "数据压缩"),
    (2, "2.3", "联邦学习与数据压缩的联系"),
    (1, "3", "核心算法原理具体操作步骤"),
    (2, "3.1", "梯度压缩"),
    (3, "3.1.1", "量化 (Quantization)"),
    (4, "3.1.1.1", "量化操作步骤"),
    (3, "3.1.2", "稀疏化 (Sparsification)"),
    (4, "3.1.2.1", "稀疏化操作步骤"),
    (2, "3.2", "模型参数压缩"),
    (3, "3.2.1", "剪枝 (Pruning)"),
    (4, "3.2.1.1", "剪枝操作步骤"),
    (3, "3.2.2", "知识蒸馏 (Knowledge Distillation)"),
    (4, "3.2.2.1", "知识蒸馏操作步骤"),
    (1, "4", "数学模型和公式详细讲解举例说明"),
    (2, "4.1", "量化"),
    (2, "4.2", "稀疏化"),
    (1, "5", "项目实践：代码实例和详细解释说明"),
    (2, "5.1", "TensorFlow Federated 框架"),
    (2, "5.2", "代码实例"),
]

# Every list item of the document, by section: what the Chinese edition must say there, and what the English one.
ITEMS = {
    "2.1.1": [("横向联邦学习", "horizontal"), ("纵向联邦学习", "vertical"), ("联邦迁移学习", "transfer")],
    "2.1.2": [("保护数据隐私", "privacy"), ("数据价值最大化", "value"), ("模型性能提升", "performance|better model")],
    "2.2": [("无损压缩", "lossless"), ("有损压缩", "lossy"), ("ZIP", "zip"), ("JPEG", "jpeg")],
    "3.1.1.1": [("量化位数", "bits"), ("线性映射", "linear|map"), ("发送", "send")],
    "3.1.2.1": [("稀疏度", "fraction|sparsity"), ("排序", "sort|select"), ("发送", "send")],
    "3.2.1.1": [("训练一个完整的模型|训练.*完整", "train"), ("排序", "rank|sort"), ("移除", "remove"), ("微调", "fine-tun")],
    "3.2.2.1": [("教师模型", "teacher"), ("软目标", "soft target"), ("学生模型", "student")],
    "4.1": [("x_{min}", "x_{min}"), ("x_{max}", "x_{max}"), ("$b$", "$b$"), ("49151", "49151"), ("向下取整", "floor")],
    "4.2": [("|x|_{(k)}", "|x|_{(k)}"), ("第 $k$ 大", "k-th largest"), ("[0, 0, 0, 0.4, 0.5]", "[0, 0, 0, 0.4, 0.5]")],
}
# Items whose key words are regular expressions; all others are taken as they stand.
PATTERNS = re.compile(r"^[^\[{$]*(\||\.\*)[^\]}$]*$")

FORMULAS = {
    "4.1": r"Q(x) = \left\lfloor \frac{x - x_{min}}{x_{max} - x_{min}} \cdot (2^b - 1) \right\rfloor",
    "4.2": r"x_i, & \text{if } |x_i| \geq |x|_{(k)}",
}


# Sections that the book adds to the document; their titles say so.
ADDED = {"04_mathematics": ["4.3"]}


def without_quoted_code(text):
    """Fenced code blanked out, at the same length: a comment in it is no heading."""
    return re.sub(r"```.*?```", lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.DOTALL)


def numbered_headings(language, chapter):
    """[(level, number, title, cell index)] of the numbered headings of a built chapter."""
    path = NOTEBOOKS / language / f"{chapter}.ipynb"
    if not path.exists():
        pytest.fail(f"{language}/{chapter}.ipynb does not exist yet")
    cells = nbformat.read(path, 4).cells
    found = []
    for index, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            pattern = r"^(#+) (\d+(?:\.\d+)*)\.? +(.+?)\s*$"
            for marks, number, title in re.findall(pattern, without_quoted_code(cell.source), re.MULTILINE):
                found.append((len(marks), number, title, index))
    return found, cells


def document_of(number):
    return CHAPTERS[int(number[0])]


def spaces(title):
    """Full-width brackets and the spaces around brackets are a matter of typesetting."""
    return re.sub(r"\s*[(（]\s*", " (", title).replace("）", ")").strip()


@pytest.mark.parametrize(("level", "number", "title"), HEADINGS, ids=lambda value: str(value))
def test_the_heading_stands_in_the_chinese_edition_with_its_twin_in_the_english_one(level, number, title):
    zh, _ = numbered_headings("zh", document_of(number))
    here = [(depth, spaces(text)) for depth, other, text, _ in zh if other == number]
    assert here == [(level, spaces(title))], f"{number} in zh: {here}"
    en, _ = numbered_headings("en", document_of(number))
    twin = [(depth, text) for depth, other, text, _ in en if other == number]
    assert len(twin) == 1 and twin[0][0] == level, f"{number} in en: {twin}"
    assert re.search("[A-Za-z]{4}", twin[0][1]) and not re.search("[\u4e00-\u9fff]", twin[0][1])


@pytest.mark.parametrize("chapter", CHAPTERS.values())
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_chapter_has_the_documents_numbers_in_its_order_and_no_others(language, chapter):
    found, _ = numbered_headings(language, chapter)
    wanted = [number for _, number, _ in HEADINGS if document_of(number) == chapter] + ADDED.get(chapter, [])
    assert [number for _, number, _, _ in found] == wanted


def section(language, number):
    """Prose and code of a section with all below it: (text, cells from its heading to the next of its level or above)."""
    found, cells = numbered_headings(language, document_of(number))
    place = next((i for i, row in enumerate(found) if row[1] == number), None)
    if place is None:
        pytest.fail(f"{number} is not in {language}/{document_of(number)}.ipynb")
    level, _, title, start = found[place]
    end, tail = len(cells), None
    for depth, other, following, index in found[place + 1 :]:
        if depth <= level:
            end, tail = index, (other, following)
            break
    own = [cell.copy() for cell in cells[start : end + (tail is not None)]]
    own[0]["source"] = own[0].source[own[0].source.index(title) :]
    if tail is not None:  # the cell in which the next section begins belongs to this one up to that heading
        own[-1]["source"] = re.split(rf"^#+ {re.escape(tail[0])}\b", own[-1].source, flags=re.MULTILINE)[0]
    # An unnumbered heading above its level ends a section, too; of its level only where that is ## ("## Summary").
    highest = max(level - 1, 2)
    for index, cell in enumerate(own):
        if cell.cell_type == "markdown" and (
            match := re.search(rf"^#{{1,{highest}}} \D", without_quoted_code(cell.source), re.MULTILINE)
        ):
            own = [*own[:index], nbformat.v4.new_markdown_cell(cell.source[: match.start()])]
            break
    return own


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("number", ITEMS)
def test_every_list_item_is_there_and_a_code_cell_follows_it(number, language):
    cells = section(language, number)
    for pair in ITEMS[number]:
        word = pair[language == "en"]
        pattern = word if PATTERNS.match(word) else re.escape(word)
        prose = [i for i, cell in enumerate(cells) if cell.cell_type == "markdown" and re.search(pattern, cell.source, re.I)]
        assert prose, f"{language} {number}: «{word}» is not in its section"
        assert any(cell.cell_type == "code" for cell in cells[prose[0] :]), f"{language} {number}: no code after «{word}»"


@pytest.mark.parametrize("number", [number for _, number, _ in HEADINGS if "." in number])
def test_every_section_has_a_cell_that_runs(number):
    for language in ("zh", "en"):
        ran = [cell for cell in section(language, number) if cell.cell_type == "code" and cell.execution_count]
        assert ran, f"{language} {number} has no cell that was run"


@pytest.mark.parametrize("number", FORMULAS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_formulas_stand_in_their_sections(number, language):
    assert any(FORMULAS[number] in cell.source for cell in section(language, number))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_documents_code_is_quoted_as_far_as_it_goes(language):
    quoted = "\n".join(cell.source for cell in section(language, "5.2") if cell.cell_type == "markdown")
    for line in (
        "import tensorflow_federated as tff",
        "def create_keras_model():",
        "tf.keras.layers.Flatten(input_shape=(28, 28)),",
        "tf.keras.layers.Dense(128, activation='relu'),",
        "tf.keras.layers.Dropout(0.2),",
        "tf.keras.layers.Dense(10, activation='softmax')",
        "def model_fn():",
        "keras_model = create_keras_model()",
    ):
        assert line in quoted
