"""The language of the edition: texts of figures, apps and checks, and the font that can draw them."""

from __future__ import annotations

from pathlib import Path

from .validation import require_choice

LANGUAGES = ("en", "zh")
FONT_FILE = Path(__file__).parent / "fonts" / "FedlabSansSC-Regular.otf"
FONT_FAMILIES = ["DejaVu Sans", "Fedlab Sans SC"]  # Matplotlib takes each glyph from the first that has it

_language = "en"


def use_language(language: str) -> None:
    """Choose the language ("en" or "zh") of everything that is shown from now on, and make Chinese labels drawable."""
    global _language
    _language = require_choice("language", language, LANGUAGES)
    use_fonts()


def say(en: str, zh: str) -> str:
    """The text in the language chosen last. Both stand where they are used, so that neither can be forgotten."""
    return zh if _language == "zh" else en


def itemize(items) -> str:
    """Pairs as "name: value; name: value", with the language's punctuation. For alternative texts."""
    colon = say(": ", "：")
    return say("; ", "；").join(f"{name}{colon}{value}" for name, value in items)


def message_name(kept: float, bits: int) -> str:
    """What a message carries, in short: "top 1 %, 8 bits". kept: the fraction of the weights; bits a value, 32 is float32."""
    values = "float32" if bits == 32 else say(f"{bits} bit{'s' if bits > 1 else ''}", f"{bits} 位")
    return values if kept == 1 else say(f"top {100 * kept:g} %, {values}", f"最大 {100 * kept:g} %，{values}")


def use_fonts() -> None:
    """Give Matplotlib the shipped Chinese font, as a fallback behind its own. Calling it again changes nothing."""
    import matplotlib
    from matplotlib import font_manager

    if FONT_FAMILIES[1] not in font_manager.fontManager.get_font_names():
        font_manager.fontManager.addfont(str(FONT_FILE))
    matplotlib.rcParams["font.family"] = FONT_FAMILIES
