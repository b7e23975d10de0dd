"""Record the live lab as it moves: docs/lab_en.webp and docs/lab_zh.webp, for the READMEs and the site's first page.

    .venv/bin/python tests/recording.py docs

JupyterLab in headless Chromium; the slider goes from 2 % of the weights to 20 %, and each time a federated model is trained
again. The lab's question is about 1 %: that run, which the click on "skip" starts, is forgotten before the first picture.
"""

from __future__ import annotations

import io
import sys
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from PIL import Image
from served import app, chromium, jupyterlab, open_and_run, unlocked

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 400_000  # bytes of a film
WIDTH = 800  # pixels
STOPS = (2, 5, 10, 20)  # per cent kept, one press of a key after the other
LAST = 2.5  # seconds that the last picture stays before the film begins again
SAYS = {
    "en": {"skip": "Skip", "forget": "Forget runs", "runs": "Runs:", "keep": "{} %, 8 bits", "rounds": "after 10 rounds"},
    "zh": {"skip": "跳过", "forget": "清除旧的运行", "runs": "各次运行：", "keep": "{}%，8 位", "rounds": "10 轮后"},
}


def frames(language: str) -> list[tuple[float, Image.Image]]:
    """The lab's pictures, each with the seconds at which it was seen. TimeoutError where a training run takes a minute."""
    says = SAYS[language]
    with (
        TemporaryDirectory() as root,
        TemporaryDirectory() as home,
        jupyterlab(Path(root), Path(home)) as url,
        chromium() as browser,
    ):
        book = nbformat.read(ROOT / "notebooks" / language / "00_start.ipynb", 4)
        codes = f'import fedlab_utils as fl\nfl.use_language("{language}")', "fl.widgets.live_lab()"
        book.cells = [nbformat.v4.new_code_cell(code) for code in codes]
        (Path(root) / "notebooks" / language).mkdir(parents=True)
        nbformat.write(book, Path(root) / "notebooks" / language / "lab.ipynb")
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        open_and_run(page, url, f"{language}/lab.ipynb")
        lab, seen = app(page, "live_lab("), []
        image = lab.locator("img")

        def until(*texts: str, filmed: bool, gone: str = "") -> None:
            start = time.monotonic()
            while True:
                alt = image.get_attribute("alt") or ""
                if filmed:
                    shot = Image.open(io.BytesIO(lab.screenshot())).convert("RGB")
                    seen.append(
                        (
                            time.monotonic(),
                            shot.resize((WIDTH, round(WIDTH * shot.height / shot.width)), Image.Resampling.LANCZOS),
                        )
                    )
                if all(text in alt for text in texts) and not (gone and gone in alt):
                    return
                if time.monotonic() - start > 60:
                    raise TimeoutError(f"the lab never came to {texts}: {alt}")
                time.sleep(0.05)

        lab.get_by_role("button", name=says["skip"]).click()
        until(says["keep"].format(1), says["rounds"], filmed=False)
        for stop in STOPS:
            unlocked(lab, 3).press("ArrowRight")
            until(says["keep"].format(stop), filmed=stop != STOPS[0])
            until(says["keep"].format(stop), says["rounds"], filmed=stop != STOPS[0])
            if stop == STOPS[0]:
                lab.get_by_role("button", name=says["forget"]).click()
                until(gone=says["runs"], filmed=False)
                page.mouse.move(0, 0)
        return seen


def film(seen: list[tuple[float, Image.Image]]) -> bytes:
    """An animated WebP of at most `LARGEST` bytes, in the time that things took. ValueError where none is so small."""
    kept = [seen[0]] + [later for earlier, later in pairwise(seen) if earlier[1].tobytes() != later[1].tobytes()]
    times = [when for when, _ in kept]
    lasting = [round(1000 * (end - begin)) for begin, end in pairwise(times)] + [round(1000 * LAST)]
    for quality in range(90, 20, -10):
        buffer = io.BytesIO()
        first, *rest = (image for _, image in kept)
        first.save(buffer, "webp", save_all=True, append_images=rest, duration=lasting, loop=0, quality=quality, method=6)
        if buffer.tell() <= LARGEST:
            return buffer.getvalue()
    raise ValueError(f"{len(kept)} pictures take {buffer.tell():,} bytes at the least quality, and {LARGEST:,} are allowed")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/recording.py folder")
    for name in SAYS:
        data = film(frames(name))
        (Path(sys.argv[1]) / f"lab_{name}.webp").write_bytes(data)
        print(f"lab_{name}.webp: {len(data):,} bytes, {Image.open(io.BytesIO(data)).n_frames} pictures")
