"""The one list of chapters, in the order of the book: build, READMEs, chapter 0's map, exercises and tests read it.

A chapter is a source in notebooks/source, a file in figures/, a file in exercises/, and its entry here. `notebooks/build.py`
writes the tables that readers see from it. Nothing here imports what trains or draws, nor a chapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engines.kernels import FLOWER, KERNELS, TFF
from ..language import LANGUAGES

PACKAGE = Path(__file__).resolve().parent
HERE = "fedlab_utils/book"
TABLE = re.compile(r"(<!-- chapters: (\w+) (\w+) -->\n)(.*?)(<!-- end of chapters -->)", re.DOTALL)


@dataclass(frozen=True)
class Chapter:
    """One chapter. What it says of itself in its opening, title, minutes and needs, must be what stands here."""

    file: str  # notebooks/source/<file>.md, notebooks/<language>/<file>.ipynb
    title: tuple[str, str]  # en, zh, as all texts; in short, without the number
    brief: tuple[str, str]
    number: str = ""  # what it is called by; none for a page without
    note: str = ""  # tells it from the chapter of the same number
    minutes: int | None = None  # to read it; None where one looks things up
    needs: tuple[str, ...] = ()  # files of the chapters to have read
    module: str | None = None  # figures/<module>.py and exercises/<module>.py; the teacher's page shows its answers
    document: int | None = None  # the chapter of the document that it follows, section by section
    kernel: str = "python3"


BOOK = (
    Chapter(
        "00_start",
        ("Start here", "从这里开始"),
        ("the story in ten minutes, map of the book, is my set-up in order, how apps and exercises work, routes for a class, "
         "glossary, history",
         "十分钟讲完的故事、全书地图、检查环境、交互演示和练习的用法、课堂路线、词汇表、时间线"),
        number="0", minutes=20,
    ),
    Chapter(
        "01_background",
        ("Background", "背景介绍"),
        ("an image read off a gradient; one round of federated averaging; a calculator of communication costs",
         "从梯度里读出图片；一轮联邦平均；通信成本计算器"),
        number="1", minutes=90, module="background", document=1,
    ),
    Chapter(
        "02_concepts",
        ("Core concepts", "核心概念与联系"),
        ("horizontal, vertical and transfer learning, each running; advantages and their limits; lossless and lossy",
         "横向、纵向、迁移三种联邦学习各运行一遍；优点与边界；无损与有损"),
        number="2", minutes=105, module="concepts", document=2,
    ),
    Chapter(
        "03_algorithms",
        ("Algorithms step by step", "核心算法原理具体操作步骤"),
        ("quantization and sparsification one step after the other; pruning; knowledge distillation",
         "量化与稀疏化一步一步来；剪枝；知识蒸馏"),
        number="3", minutes=110, needs=("04_mathematics",), module="algorithms", document=3,
    ),
    Chapter(
        "04_mathematics",
        ("Mathematical models and formulas", "数学模型和公式详细讲解举例说明"),
        ("formulas 4.1 and 4.2: by hand, error and bias, the price of a place; the same levels in fewer bits by what is known; "
         "a real federated model in the live lab",
         "公式 4.1、4.2：手算、误差与偏差、记录位置的代价；同样的量化级，知道得越多发得越少；在实验台上训练一个真实的联邦模型"),
        number="4", minutes=170, needs=("01_background",), module="mathematics", document=4,
    ),
    Chapter(
        "05_practice",
        ("In practice", "项目实践：代码实例和详细解释说明"),
        ("the four things a framework does; the document's unfinished code finished; compression both ways",
         "框架要做的四件事；把文档没写完的代码做完；双向压缩"),
        number="5", minutes=85, needs=("04_mathematics",), module="practice", document=5,
    ),
    Chapter(
        "05_practice_flower",
        ("In practice, continued: Flower", "项目实践（续）：Flower"),
        ("the same payloads on an engine for many machines: three ways to run one training, the message on the wire taken apart, "
         "keys, nodes that fail, secure sums and differential privacy",
         "把同样的载荷放到能跨多台机器的引擎上：同一次训练的三种运行方式、拆开线路上的消息、密钥、掉线的节点、安全求和与差分隐私"),
        number="5", note="Flower", minutes=50, needs=("05_practice",), module="flower", kernel=FLOWER.name,
    ),
    Chapter(
        "05_practice_tff",
        ("In practice, continued: TensorFlow Federated", "项目实践（续）：TensorFlow Federated"),
        ("the document's code on the framework it names, running again: its quantization, what it really sends, "
         "TFF beside our simulator",
         "文档的代码在它所用的框架上重新运行：它的量化、真正发送了什么、与本书模拟器的比较"),
        number="5", note="TFF", minutes=40, needs=("05_practice",), module="tff", kernel=TFF.name,
    ),
    Chapter(
        "06_playground",
        ("The playground", "实验场"),
        ("a codec built stage by stage and its message taken apart; the lab with every knob; classic results of the field "
         "re-measured; the fewest bytes to 97 %; your own model, data and checkpoints; a challenge with a scoreboard",
         "逐个环节拼编解码器、拆开它的消息；全部旋钮的实验台；重测本领域的经典结果；到 97% 最少要多少字节；"
         "用你自己的模型、数据和检查点；带记分板的挑战"),
        number="6", minutes=145, needs=("04_mathematics", "05_practice"), module="playground",
    ),
    Chapter(
        "80_errata",
        ("Errata", "勘误"),
        ("where the document needs correction, each with a proof", "文档里需要更正的地方，逐条证明"),
    ),
    Chapter(
        "90_teacher",
        ("The teacher's page", "教师页"),
        ("answers to every question and exercise", "全部思考题和练习的答案"),
    ),
)  # fmt: skip

MODULES = {chapter.module: chapter for chapter in BOOK if chapter.module}  # of fl.figures and fl.exercises


def faults(source: Path, book: Iterable[Chapter] = BOOK, package: Path = PACKAGE) -> list[str]:
    """In what the list and the files disagree, one sentence each. source: the folder of sources; package: that of figures/."""
    book, found = list(book), []
    for chapter in book:
        if not (source / f"{chapter.file}.md").exists():
            found.append(f"the chapter {chapter.file} is listed in {HERE}/chapters.py, "
                         f"but has no notebooks/source/{chapter.file}.md")  # fmt: skip
        for kind in ("figures", "exercises") if chapter.module else ():
            if not (package / kind / f"{chapter.module}.py").exists():
                found.append(f"the chapter {chapter.file} is listed with the module {chapter.module!r}, "
                             f"but has no {HERE}/{kind}/{chapter.module}.py")  # fmt: skip
    for stem in sorted({path.stem for path in source.glob("*.md")} - {chapter.file for chapter in book}):
        found.append(f"notebooks/source/{stem}.md is not in the list of chapters: add its entry to {HERE}/chapters.py")
    return found


def with_tables(text: str, book: Sequence[Chapter] = BOOK) -> str:
    """`text` with each table of chapters written anew, between `<!-- chapters: map en -->` and `<!-- end of chapters -->`.

    "readme" is every chapter, linked from the root of the repository; "map" the chapters to read, linked from beside them,
    with minutes. ValueError for another kind or language.
    """
    return TABLE.sub(lambda match: f"{match[1]}\n{_table(match[2], match[3], book)}\n\n{match[5]}", text)


def _table(kind: str, language: str, book: Sequence[Chapter]) -> str:
    if kind not in ("readme", "map") or language not in LANGUAGES:
        raise ValueError(f"a table of chapters is readme or map, in {' or '.join(LANGUAGES)}, got {kind} {language}")
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    if kind == "readme":
        head = {"en": ("chapter", "in brief"), "zh": ("章", "简介")}[language]
        rows = [(_link(chapter, language, " ", f"notebooks/{language}/"), _brief(chapter, language)) for chapter in book]
    else:
        head = {"en": ("Chapter", "What is in it", "Minutes"), "zh": ("章", "内容", "分&NoBreak;钟")}[language]
        rows = [
            (_link(chapter, language, ". ", ""), _brief(chapter, language), str(chapter.minutes))
            for chapter in book
            if chapter.module
        ]
    return "\n".join(f"| {' | '.join(row)} |" if row else "|---" * len(head) + "|" for row in (head, (), *rows))


def _link(chapter: Chapter, language: str, separator: str, folder: str) -> str:
    number = chapter.number and chapter.number + separator
    return f"[{number}{chapter.title[LANGUAGES.index(language)]}]({folder}{chapter.file}.ipynb)"


def _brief(chapter: Chapter, language: str) -> str:
    needs = ""
    if kernel := KERNELS.get(chapter.kernel):
        where = {TFF: ("Linux, ", "Linux，"), FLOWER: ("", "")}[kernel][LANGUAGES.index(language)]
        needs = {"en": f" ({where}`{kernel.make}`)", "zh": f"（{where}`{kernel.make}`）"}[language]
    return chapter.brief[LANGUAGES.index(language)] + needs
