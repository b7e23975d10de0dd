"""The language of the edition: texts of figures, apps and checks."""

from __future__ import annotations

from collections.abc import Iterable

LANGUAGES = ("en", "zh")

_language = "en"


def choose(language: str) -> None:
    """Choose the language ("en" or "zh") of everything that is said from now on. A reader calls `fl.use_language`."""
    from .validation import require_choice  # which speaks both languages itself

    global _language
    _language = require_choice("language", language, LANGUAGES)


def say(en: str, zh: str) -> str:
    """The text in the language chosen last. Both stand where they are used, so that neither can be forgotten."""
    return zh if _language == "zh" else en


def percent(value: float, digits: int = 0) -> str:
    """A share as the language writes it: "93.1 %" in English, "93.1%" in Chinese, as the document does. value: 1 is 100 %."""
    return f"{100 * value:.{digits}f}{percent_sign()}"


def percent_sign() -> str:
    """What follows a number of per cent."""
    return say(" %", "%")


def itemize(items: Iterable[tuple[object, object]]) -> str:
    """Pairs as "name: value; name: value", with the language's punctuation. For alternative texts."""
    colon = say(": ", "：")
    return say("; ", "；").join(f"{name}{colon}{value}" for name, value in items)


def message_name(kept: float, bits: int) -> str:
    """What a message carries, in short: "top 1 %, 8 bits". kept: the fraction of the weights; bits a value, 32 is float32."""
    values = "float32" if bits == 32 else say(f"{bits} bit{'s' if bits > 1 else ''}", f"{bits} 位")
    return values if kept == 1 else say(f"top {100 * kept:g} %, {values}", f"最大 {100 * kept:g}%，{values}")
