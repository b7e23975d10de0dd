"""The built site as files: every link and anchor, what a page weighs, what is described. `make test-site` builds it first."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlparse

import pytest

import fedlab_utils as fl
from fedlab_utils.book.chapters import BOOK

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
LARGEST = 1_500_000  # bytes a page may have, with all that it holds within itself
pytestmark = pytest.mark.site


class Page(HTMLParser):
    """The anchors of a page, where its links go, what it loads, and its pictures."""

    LOADS: ClassVar = {
        "img": ("src", "srcset", "data-film"),
        "script": ("src",),
        "link": ("href",),
        "source": ("src", "srcset"),
        "iframe": ("src",),
    }

    def __init__(self, path: Path):
        super().__init__()
        self.anchors, self.links, self.loads, self.images = set(), [], [], []
        self.language = None
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.loads += [given[name] for name in self.LOADS.get(tag, ()) if given.get(name)]
        if tag == "img":
            self.images.append(given)
        if tag == "html":
            self.language = given.get("lang")


def faults(site: Path) -> list[str]:
    """Links and files of a site that lead nowhere, and what would be fetched from elsewhere."""
    pages = {path: Page(path) for path in site.rglob("*.html")}
    found = []
    for path, page in pages.items():
        for address, loaded in [(link, False) for link in page.links] + [(link, True) for link in page.loads]:
            where = urlparse(address)
            if where.scheme or where.netloc:
                if loaded or where.scheme not in ("http", "https"):
                    found.append(f"{path.relative_to(site)}: {address} is elsewhere")
                continue
            target = (path.parent / unquote(where.path)).resolve() if where.path else path
            if not target.is_file() or site not in target.parents:
                found.append(f"{path.relative_to(site)}: {address} is no file")
            elif where.fragment and unquote(where.fragment) not in pages[target].anchors:
                found.append(f"{path.relative_to(site)}: {address} is no place on that page")
    return found


@pytest.fixture(scope="module")
def pages():
    assert (SITE / "index.html").is_file(), "the site is not built: make site"
    return {path.relative_to(SITE).as_posix(): Page(path) for path in SITE.rglob("*.html")}


def test_a_broken_link_is_seen(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#x">x</a><a href="b.html#y">y</a><a href="c.html">c</a><a href="https://example.org">e</a>'
    )
    (tmp_path / "b.html").write_text('<p id="x"><img src="https://example.org/i.png"><script src="../no.js"></script>')
    assert sorted(faults(tmp_path)) == [
        "a.html: b.html#y is no place on that page",
        "a.html: c.html is no file",
        "b.html: ../no.js is no file",
        "b.html: https://example.org/i.png is elsewhere",
    ]


def test_all_links_and_anchors_lead_somewhere_and_nothing_is_loaded_from_elsewhere(pages):
    assert len(pages) > 70
    assert faults(SITE) == []


def test_both_languages_have_the_same_pages_and_each_links_to_its_twin(pages):
    by_language = {
        language: {name.removeprefix(f"{language}/") for name in pages if name.startswith(f"{language}/")}
        for language in ("en", "zh")
    }
    assert (
        by_language["en"]
        == by_language["zh"]
        > {f"{chapter.file}.html" for chapter in BOOK} | {"index.html", "search.html", "api.html"}
    )
    for language, other in (("en", "zh"), ("zh", "en")):
        for name in by_language[language]:
            assert f"../{other}/{name}" in pages[f"{language}/{name}"].links
            assert pages[f"{language}/{name}"].language == {"en": "en", "zh": "zh-CN"}[language]


def test_a_page_is_light(pages):
    weights = {name: (SITE / name).stat().st_size for name in pages}
    largest = max(weights, key=weights.get)
    megabytes = {
        part: sum(path.stat().st_size for path in (SITE / part).rglob("*") if path.is_file()) / 1e6
        for part in ("en", "zh", "mathjax", "pagefind")
    }
    print(
        f"\nlargest page {largest}, {weights[largest] / 1e6:.2f} MB;",
        "; ".join(f"{part} {size:.1f} MB" for part, size in megabytes.items()),
    )
    assert weights[largest] < LARGEST


def test_every_picture_has_words_and_is_loaded_when_seen(pages):
    stills = [(name, image) for name, page in pages.items() for image in page.images if "still" in image.get("class", "")]
    assert len(stills) > 120
    for name, image in stills:
        assert len(image["alt"]) > 20 and image["loading"] == "lazy", name
    assert all(image.get("alt") for page in pages.values() for image in page.images)
    assert not any(link.startswith("data:") for page in pages.values() for link in page.loads)


def test_what_tells_an_answer_lies_in_a_fold():
    """Of the erratum of 4.1, which the reader is asked to find herself."""
    text = (SITE / "en" / "04_mathematics.html").read_text("utf-8")
    section = text.split('id="mathematics-4-1"')[1].split("What travels besides")[0]
    assert "49151" in section
    opened = re.sub(r"<details.*?</details>", "", section, flags=re.DOTALL)
    assert "49151" not in opened and "Predict first" in opened


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_public_name_is_described(pages, language):
    described = {anchor for name, page in pages.items() if name.startswith(f"{language}/api") for anchor in page.anchors}
    modules = {name.split("_", 1)[1].removesuffix(".html") for name in pages if name.startswith(f"{language}/api_")}
    assert set(fl.__all__) == {name for name in fl.__all__ if f"fl.{name}" in described} | modules
    assert "fl.models.document_mlp" in described and "fl.Codec.encode" in described


@pytest.mark.parametrize("language", ["en", "zh"])
def test_errata_and_sections_lead_to_each_other(pages, language):
    assert "04_mathematics.html#mathematics-4-1" in pages[f"{language}/80_errata.html"].links
    assert "80_errata.html#erratum-4-1" in pages[f"{language}/04_mathematics.html"].links
    assert {"term-stochastic-rounding", "term-residual-error-feedback"} <= pages[f"{language}/00_start.html"].anchors
