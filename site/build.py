"""Build the site: both editions as pages, into build/site, with MathJax and a search that asks nobody.

    .venv-site/bin/python site/build.py

`make site` sets up what this needs. FEDLAB_SITE_REPOSITORY is the address of the repository, for launch buttons.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

import prepare  # noqa: E402
import reference  # noqa: E402

from fedlab_utils.language import LANGUAGES  # noqa: E402

WORK, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
NODE = ROOT / "node_modules"
MENDED = (  # of what Sphinx and myst-nb write
    (
        re.compile(r'<section id="([^"]*)">\n(?:<span id="[^"]*"></span>)*<h(\d)>'),
        r'<section>\n<h\2 id="\1">',
    ),  # Pagefind leads to these
    (re.compile(r'role="heading"(?! aria-level)'), 'role="heading" aria-level="2"'),  # captions of the sidebar, without a level
    (re.compile(r'<summary aria-label="[^"]*">'), "<summary>"),  # its words are its name
    (
        re.compile(r'(<span class="math [^>]*>[^<]*</span>)([，。；：、？！）”,.;:)]+)'),
        r'<span class="kept">\1\2</span>',
    ),  # else a browser may begin a line with the mark
)
CHINESE = {  # what Furo says in English only
    "On this page": "本页内容",
    "Back to top": "回到顶部",
    "Skip to content": "跳到正文",
    "Toggle Light / Dark / Auto color theme": "浅色、深色、跟随系统",
    "Toggle site navigation sidebar": "打开或收起全书目录",
    "Next": "下一页",
    "Previous": "上一页",
    "Toggle table of contents sidebar": "打开或收起本页目录",
}
MANUALS = ("flower", "fleet", "speed", "class")  # of docs/, in both languages


def sources(language: str) -> Path:
    """Write all that Sphinx reads for one language; returns the folder."""
    folder = WORK / language
    folder.mkdir(parents=True)
    prepare.write(language, folder, SITE / language / "pictures")
    reference.write(language, folder)
    (folder / "index.md").write_text(prepare.front(language), "utf-8")
    for name in MANUALS:
        text = (ROOT / "docs" / f"{name}{'.zh-CN' if language == 'zh' else ''}.md").read_text("utf-8")
        for other in MANUALS:  # links among themselves; that to the other language is the switch's
            text = text.replace(f"({other}.zh-CN.md)", f"({other}.md)")
        text = text.replace(f"(../notebooks/{language}/", "(")
        (folder / f"{name}.md").write_text(text, "utf-8")
    return folder


def pages(language: str) -> None:
    """The HTML of one language; any warning, such as a link that leads nowhere, ends the build."""
    environment = {**os.environ, "FEDLAB_SITE_LANGUAGE": language, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-c", HERE,
               "-d", WORK / f"{language}.doctrees", sources(language), SITE / language]  # fmt: skip
    subprocess.run(list(map(str, command)), check=True, env=environment)
    shutil.rmtree(SITE / "jupyter_execute", ignore_errors=True)  # of pictures that are in no output any more
    for page in (SITE / language).glob("*.html"):
        text = page.read_text("utf-8")
        for pattern, mended in MENDED:
            text = pattern.sub(mended, text)
        if language == "zh":
            for en, zh in CHINESE.items():
                text = re.sub(rf'(["\s>]){re.escape(en)}(["\s<])', rf"\1{zh}\2", text)
        page.write_text(text, "utf-8")


def shared() -> None:
    """What both languages use: the door, the lab's picture, MathJax with its font, the search index."""
    shutil.copy(HERE / "pages" / "door.html", SITE / "index.html")
    (SITE / ".nojekyll").touch()  # else GitHub's pages leave out what begins with an underscore
    mathjax = NODE / "mathjax" / "es5"
    (SITE / "mathjax").mkdir()
    shutil.copy(mathjax / "tex-chtml.js", SITE / "mathjax")
    shutil.copytree(mathjax / "output" / "chtml" / "fonts" / "woff-v2", SITE / "mathjax" / "woff-v2")
    for language in LANGUAGES:
        for kind in ("webp", "png"):
            shutil.copy(ROOT / "docs" / f"lab_{language}.{kind}", SITE / language)
    finder = [NODE / ".bin" / "pagefind", "--site", SITE, "--root-selector", "#furo-main-content", "--glob", "{en,zh}/*.html",
              "--exclude-selectors", ".headerlink, .reader, .corrected, .cell_input, .cell_output pre", "--quiet"]  # fmt: skip
    subprocess.run(list(map(str, finder)), check=True)


def main() -> None:
    started = time.perf_counter()
    for folder in (WORK, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    for language in LANGUAGES:
        pages(language)
    shared()
    megabytes = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) / 1e6
    print(f"{SITE.relative_to(ROOT)}: {megabytes:.1f} MB in {time.perf_counter() - started:.0f} s. To see it:")
    print(f"    python3 -m http.server --bind 127.0.0.1 --directory {SITE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
