"""The shipped font, which can draw Chinese labels on any machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from .. import language as texts

FONT_FILE = Path(__file__).parent / "fonts" / "FedlabSansSC-Regular.otf"
FONT_FAMILIES = ["DejaVu Sans", "Fedlab Sans SC"]  # Matplotlib takes each glyph from the first that has it


def use_language(language: str) -> None:
    """Choose the language ("en" or "zh") of everything that is shown from now on, and make Chinese labels drawable."""
    texts.choose(language)
    if find_spec("matplotlib"):  # not there on a machine that only trains
        use_fonts()


def add_fonts() -> None:
    """Let Matplotlib know the shipped Chinese font. Calling it again changes nothing, and no setting is changed."""
    from matplotlib import font_manager

    if FONT_FAMILIES[1] not in font_manager.fontManager.get_font_names():
        font_manager.fontManager.addfont(str(FONT_FILE))


def use_fonts() -> None:
    """Give Matplotlib the shipped Chinese font, as a fallback behind its own, for the reader's own plots as well."""
    import matplotlib

    add_fonts()
    matplotlib.rcParams["font.family"] = FONT_FAMILIES
