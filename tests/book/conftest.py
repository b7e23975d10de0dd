"""One JupyterLab for all browser tests, started where the first of them asks, and a Chromium for each of their files."""

import shutil
from pathlib import Path

import pytest
from all_apps import APPS, SETUP
from served import chromium, jupyterlab

from fedlab_utils.book.bookshelf import shelve

ROOT = Path(__file__).parents[2]
ASKED = ("mathematics.three_quarters", "mathematics.which_lines_fall", "practice.your_federation")


def write(path: Path, codes) -> None:
    """A notebook of code cells, on the book's kernel."""
    import nbformat  # here: the environment of Flower's chapter, whose test lies in this folder, has none

    start = nbformat.read(ROOT / "notebooks" / "en" / "00_start.ipynb", 4)
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    nbformat.write(nbformat.v4.new_notebook(metadata=start.metadata, cells=cells), path)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """JupyterLab on the editions, as somebody who never used Jupyter before; apps and prompts in notebooks beside them."""
    root, home = tmp_path_factory.mktemp("book"), tmp_path_factory.mktemp("home")
    for edition in ("en", "zh"):
        folder = root / "notebooks" / edition
        shutil.copytree(ROOT / "notebooks" / edition, folder)
        setup = SETUP.format(language=edition)
        write(folder / "apps.ipynb", [setup, *(shown.code() for shown in APPS.values() if not shown.trains)])
        write(folder / "unasked.ipynb", [setup, *(shown.code(predict=False) for shown in APPS.values())])
        first = "\n".join(setup.splitlines()[:2])
        write(folder / "questions.ipynb", [first, *(f"fl.exercises.{name}.ask()" for name in ASKED)])
        shelve(edition, root)
    with jupyterlab(root, home) as url:
        yield url


@pytest.fixture(scope="module")  # while it lives, Playwright's event loop runs: elsewhere no other may
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    # A kernel that has trained takes a gigabyte or two: those of all chapters would not fit at once.
    page.evaluate("async () => await window.jupyterapp?.serviceManager.sessions.shutdownAll()")
    context.close()
