"""The editions as the site takes them: nothing told before it is asked for, every picture a file with its words."""

import base64
import copy
import re
import runpy
import sys
from pathlib import Path

import pytest

from fedlab_utils.book.chapters import BOOK
from fedlab_utils.book.folding import SAID, telling

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "site"))
import prepare  # noqa: E402

LANGUAGES = ("en", "zh")


@pytest.fixture(scope="module", params=LANGUAGES)
def edition(request, tmp_path_factory):
    """An edition, and by chapter its cells before and after."""
    made = prepare.Edition(request.param, tmp_path_factory.mktemp("site") / "pictures")
    before = copy.deepcopy(made.notebooks)
    made.cells = {chapter.file: (before[chapter.file]["cells"], made.page(chapter)["cells"]) for chapter in BOOK}
    return made


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def shown(cell: dict) -> str:
    return "".join(str(output.get("data", {}).get("text/html", "")) for output in cell["outputs"])


def test_what_jupyterlab_folds_and_what_a_prompt_reveals_are_folded(edition):
    folds = 0
    for before, after in edition.cells.values():
        now = {cell["id"]: cell for cell in after}
        for number in telling(before):
            assert now[before[number]["id"]]["source"].lstrip().startswith(f"<details>\n<summary>{SAID[edition.language]}")
        free = False  # below an app that asks nothing
        for cell in (cell for cell in before if cell["cell_type"] == "code" and cell["id"] in now):
            if cell["metadata"].get("jupyter", {}).get("source_hidden"):
                assert "hide-cell" in tags(now[cell["id"]])
                assert not now[cell["id"]]["source"].startswith("#"), "its first line is the words on the fold"
                folds += 1
            elif "reveal" in tags(cell) and not free:
                assert "hide-output" in tags(now[cell["id"]])
                folds += 1
            free = prepare.is_app(cell) and "prompt" not in tags(cell)
    assert folds > 80


def test_prompts_have_words_and_ask_nobody_to_run_a_cell(edition):
    asked = [cell for _, after in edition.cells.values() for cell in after if "prompt" in tags(cell)]
    assert len(asked) > 60
    for cell in asked:
        assert len(re.sub("<[^>]+>", "", shown(cell))) > 10
        assert not re.search("Run this cell|运行这个单元格", shown(cell))


def test_pictures_are_files_with_words_and_widgets_leave_nothing(edition):
    pictures = 0
    for _, after in edition.cells.values():
        for output in (output for cell in after for output in cell.get("outputs", [])):
            assert set(output.get("data", {})) <= {"text/html", "text/plain"}
            for tag in re.findall("<img[^>]*>", output.get("data", {}).get("text/html", "")):
                assert "data:" not in tag and 'loading="lazy"' in tag and re.search(r'alt="[^"]{20,}', tag)
                file = edition.pictures.parent / re.search(r'src="([^"]+)"', tag)[1]
                assert file.stat().st_size > 500
                assert file.suffix != ".png" or re.search(r'height="[1-9]\d+"', tag), "a page keeps its place when it comes"
                pictures += 1
    assert pictures > 60


def test_a_picture_is_a_file_and_a_widget_is_nothing(tmp_path):
    made = prepare.Edition("en", tmp_path / "pictures")
    content = base64.b64encode(b"RIFF....WEBP").decode()
    still = prepare.html_output(f'<img alt="a &quot;b&quot; &lt; c" width="990" src="data:image/webp;base64,{content}">')
    shown = made._output(still)["data"]["text/html"]
    assert 'alt="a &quot;b&quot; &lt; c" width="990"' in shown and 'src="pictures/' in shown and "data:" not in shown
    assert [path.read_bytes() for path in (tmp_path / "pictures").iterdir()] == [b"RIFF....WEBP"]
    widget = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "x"},
    }
    assert made._output(widget) is None


def test_an_app_says_that_it_is_one(edition):
    apps = [
        cell for before, _ in edition.cells.values() for cell in before if cell["cell_type"] == "code" and prepare.is_app(cell)
    ]
    assert len(apps) >= 13
    assert not any(cell["outputs"] for cell in apps), "what shows an output is no app without a kernel"
    said = sum(
        "index.html#run" in shown(cell) for _, after in edition.cells.values() for cell in after if cell["cell_type"] == "code"
    )
    assert said == len(apps)


def test_sections_and_terms_have_the_same_places_in_both_languages(tmp_path):
    places = []
    for language in LANGUAGES:
        made = prepare.Edition(language, tmp_path)
        text = "\n".join(
            cell["source"] for chapter in BOOK for cell in made.page(chapter)["cells"] if cell["cell_type"] == "markdown"
        )
        found = re.findall(r'^\((.*)\)=$|id="((?:term|erratum)-[^"]+)"', text, re.MULTILINE)
        assert len(set(found)) == len(found) > 240
        places.append(sorted(found))
    assert places[0] == places[1]
    assert ("", "term-stochastic-rounding") in places[0] and ("", "erratum-4-1") in places[0]


def test_links_lead_to_sections(tmp_path):
    made = prepare.Edition("en", tmp_path)
    cell = next(
        identity
        for identity, number in made.first.items()
        if number == "4.1" and identity in str(made.notebooks["04_mathematics"])
    )
    for text, where in (
        ("4.1", f"04_mathematics.ipynb#cell-id={cell}"),
        ("Section 4.1", "04_mathematics.ipynb"),
        ("there", f"04_mathematics.ipynb#cell-id={cell}"),
    ):
        assert prepare.LINK.sub(made._link, f"[{text}]({where})") == f"[{text}](#04_mathematics.4.1)"
    assert prepare.LINK.sub(made._link, "[there](04_mathematics.ipynb)") == "[there](04_mathematics.ipynb)"


def test_launch_buttons_stand_only_where_an_address_is_given(monkeypatch):
    def links(page="04_mathematics", **variables):
        for name in ("REPOSITORY", "HUB"):
            monkeypatch.delenv(f"FEDLAB_SITE_{name}", raising=False)
        for name, value in ({"LANGUAGE": "zh"} | variables).items():
            monkeypatch.setenv(f"FEDLAB_SITE_{name}", value)
        return dict(runpy.run_path(str(ROOT / "site" / "conf.py"))["launch_links"](page))

    assert links() == {} == links(REPOSITORY="https://github.com/a/book", page="api")
    assert links(REPOSITORY="https://example.org/a/book") == {}, "Binder's short form knows GitHub"
    given = links(REPOSITORY="https://github.com/a/book/", HUB="https://hub.example.org/")
    assert given == {
        "Binder": "https://mybinder.org/v2/gh/a/book/HEAD?urlpath=lab/tree/my/zh/04_mathematics.ipynb",
        "JupyterHub": "https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fa%2Fbook"
        "&urlpath=lab/tree/book/notebooks/zh/04_mathematics.ipynb",
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_page_leads_to_the_repository_where_that_is_known(monkeypatch, language):
    words = {"en": "take a copy of its {},", "zh": "请取一份{}；"}[language]
    name = {"en": "repository", "zh": "代码仓库"}[language]
    monkeypatch.delenv("FEDLAB_SITE_REPOSITORY", raising=False)
    assert words.format(name) in prepare.front(language) and "REPOSITORY" not in prepare.front(language)
    monkeypatch.setenv("FEDLAB_SITE_REPOSITORY", "https://github.com/a/book/")
    assert words.format(f"[{name}](https://github.com/a/book)") in prepare.front(language)
    assert "[README](https://github.com/a/book#readme)" in prepare.front(language)
