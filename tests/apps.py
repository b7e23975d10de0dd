"""What an app shows: its picture, and the words that stand for it."""

import base64
import io
import re

from PIL import Image


def picture(app) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", app.image.value).group(1)))).convert("RGB")


def alt(app) -> str:
    return re.search(r'alt="([^"]*)"', app.image.value).group(1)


def told(app) -> float:
    """The number that an app gives as the answer to its question."""
    return float(re.search(r"<b>([\d.,e+-]+)", app.question.reply.value).group(1).replace(",", ""))
