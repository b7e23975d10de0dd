"""What an app or a still shows: its picture, and the words that stand for it."""

import base64
import html
import io
import re

from PIL import Image


def _decoded(tag: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", tag).group(1)))).convert("RGB")


def picture(app) -> Image.Image:
    return _decoded(app.image.value)


def alt(app) -> str:
    return html.unescape(re.search(r'alt="([^"]*)"', app.image.value).group(1))


def picture_of(still) -> tuple[Image.Image, str]:
    """The picture that a notebook holds, and its alternative text."""
    tag = still._repr_mimebundle_()["text/html"]
    return _decoded(tag), html.unescape(re.search(r'alt="([^"]*)"', tag).group(1))


def told(app) -> float:
    """The number that an app gives as the answer to its question."""
    return float(re.search(r"<b>([\d.,e+-]+)", app.question.reply.value).group(1).replace(",", ""))
