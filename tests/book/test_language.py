"""Texts in both languages, and a shipped font that can draw all of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.ft2font import FT2Font

import fedlab_utils as fl
from fedlab_utils.book.fonts import FONT_FILE
from fedlab_utils.language import say

ROOT = Path(__file__).parents[2]
CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")


@pytest.fixture(autouse=True)
def english_afterwards():
    yield
    fl.use_language("en")


def test_say_follows_the_language_chosen_last():
    fl.use_language("zh")
    assert say("round", "轮") == "轮"
    fl.use_language("en")
    assert say("round", "轮") == "round"


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="language must be one of 'en', 'zh', got 'fr'"):
        fl.use_language("fr")


def test_the_font_has_every_chinese_character_of_the_package():
    glyphs = FT2Font(str(FONT_FILE)).get_charmap()
    for source in (ROOT / "fedlab_utils").rglob("*.py"):
        missing = {c for c in CHINESE.findall(source.read_text(encoding="utf8")) if ord(c) not in glyphs}
        assert not missing, f"{source.name}: the font lacks {''.join(sorted(missing))}; see fonts/README.md"


@pytest.mark.slow
def test_chinese_labels_draw_without_a_missing_glyph_where_no_other_font_is_installed():
    # In a process of its own that sees Matplotlib's fonts and ours alone, as on a machine without Chinese fonts.
    program = """
import warnings
warnings.simplefilter("error")
import matplotlib, matplotlib.font_manager as fm
fm.fontManager.ttflist = [f for f in fm.fontManager.ttflist if f.fname.startswith(matplotlib.get_data_path())]
import fedlab_utils as fl
fl.use_language("zh")
fl.figures.mathematics.staircase(); fl.plotting.colour_key(); fl.figures.mathematics.magnitudes(fl.load_client_delta())
for name in ("quantization", "sparsification", "compression", "cost"):
    getattr(fl.widgets, name + "_still")()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


# What the Chinese edition does not say, by what it says. 编码器自己: the side that encodes finds something out by itself.
OTHERWISE = {
    "编解码器": "(?<![解熵])编码器(?!自己)",
    "初始模型": "首个模型|第一个模型",
    "信封": "外壳",
    "复现": "重现",
    "位": "比特",
    "压缩 N 倍，只有 1/N": "(?<![至多])少[^。，；、（）]{0,8}倍(?!数)",
}
TEXTS = [*(ROOT / "notebooks" / "source").glob("*.md"), *(ROOT / "fedlab_utils").rglob("*.py"),
         ROOT / "README.zh-CN.md"]  # fmt: skip


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_a_thing_has_one_name_in_chinese(path):
    for number, line in enumerate(path.read_text("utf8").splitlines(), 1):
        for word, pattern in OTHERWISE.items():
            assert not (found := re.search(pattern, line)), f"{path.name}:{number}: {word}, not {found[0]}"


@pytest.mark.parametrize("line", ["少 44 倍", "上行少了十一倍", "这个编码器", "多少比特", "首个模型", "没有重现", "外壳、标签"])
def test_another_name_is_found(line):
    assert any(re.search(pattern, line) for pattern in OTHERWISE.values())
