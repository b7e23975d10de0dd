"""The recorded lab: small enough for a README, moving, and both languages alike."""

from pathlib import Path

import pytest
from PIL import Image
from recording import LARGEST, WIDTH, film

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_lab_moves_and_is_small(language):
    path = DOCS / f"lab_{language}.webp"
    assert path.stat().st_size <= LARGEST
    with Image.open(path) as image:
        assert image.n_frames > 15 and image.width == WIDTH and image.info["loop"] == 0
        seconds = 0
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            seconds += image.info["duration"] / 1000
    assert 5 < seconds < 60


def test_a_film_keeps_what_differs_for_as_long_as_it_was_seen(tmp_path):
    red, blue = (Image.new("RGB", (64, 48), colour) for colour in ("red", "blue"))
    (tmp_path / "film.webp").write_bytes(film([(0.0, red), (0.25, red.copy()), (0.5, blue)]))
    with Image.open(tmp_path / "film.webp") as image:
        image.load()
        assert image.n_frames == 2 and image.info["duration"] == 500
