"""READMEs and the page for a class: what stands on the first screen, whether what is quoted is said, where links lead."""

import errno
import importlib.util
import os
import re
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

import ipywidgets
import pytest

import fedlab_utils as fl
from fedlab_utils.book.chapters import BOOK
from fedlab_utils.data.files import damaged, existing
from fedlab_utils.engines import kernels, ready

ROOT = Path(__file__).resolve().parents[2]
READMES = {"en": "README.md", "zh": "README.zh-CN.md"}
CLASS = {"en": "class.md", "zh": "class.zh-CN.md"}
FAILS = {"en": "When something fails", "zh": "出错时怎么办"}
# Said by programs that no test can rely on; each was met on a bare machine with Debian 12, PATH and files taken away.
MET = ["make: command not found", "ensurepip is not available", "Illegal instruction"]
AVX = "these aren't available on your machine"  # TensorFlow, of instructions that it was compiled for


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def rows(language: str) -> list[list[str]]:
    """What the table quotes, row by row: the code in its first column."""
    section = text(READMES[language]).split(f"\n## {FAILS[language]}\n")[1].split("\n## ")[0]
    return [re.findall(r"`([^`]+)`", line.split(" | ")[0]) for line in section.splitlines()[4:] if line.startswith("|")]


def sources(module: str, pattern: str) -> str:
    """Files of another package, found without importing that; strings that go on in the next line in one piece."""
    (folder,) = importlib.util.find_spec(module).submodule_search_locations
    found = "".join(path.read_text("utf-8") for path in sorted(Path(folder).glob(pattern)))
    assert found, f"{module} has no {pattern}"
    return re.sub(r'"\n\s*"', "", found)


def makefile() -> str:
    """With what it says in one piece: a long message is two arguments of echo."""
    return re.sub(r"' \\\n\s*'", " ", text("Makefile"))


def engines(monkeypatch) -> str:
    """What the two chapters with environments of their own say without them."""
    monkeypatch.setattr(kernels, "supported", lambda kernel: True)
    monkeypatch.setattr(kernels, "python", lambda kernel: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = []
    for kernel in (kernels.TFF, kernels.FLOWER):
        with pytest.raises(ready.NotReady) as caught:
            ready.require(kernel)
        said.append(str(caught.value))
    return "\n".join(said)


def data(monkeypatch, tmp_path) -> str:
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        existing("mnist.npz")
    return f"{caught.value} {damaged(tmp_path / 'mnist.npz', '', 'why')}"


@pytest.mark.training  # it looks into TensorFlow's library
def test_every_message_that_is_quoted_is_said(language, monkeypatch, tmp_path):
    said = [
        makefile(),
        sources("pip", "_internal/**/*.py").replace("found for {req}", "found for tensorflow"),
        sources("pip", "_vendor/urllib3/connection.py"),
        sources("jupyter_server", "serverapp.py").replace("%i", "8888"),
        sources("jupyterlab", "static/jlab_core.*.js"),
        f"[Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}",
        repr(ipywidgets.IntSlider(value=8)),
        data(monkeypatch, tmp_path),
    ]
    if sys.platform == "linux":  # elsewhere the library has another name
        folder = Path(importlib.util.find_spec("tensorflow").origin).parent  # once imported, it has more locations than one
        (library,) = folder.glob("libtensorflow_framework.so.?")
        assert AVX.encode() in library.read_bytes()
    said += [AVX, engines(monkeypatch)]
    quoted = [quote for row in rows(language) for quote in row]
    assert len(quoted) >= 16
    missing = [quote for quote in quoted if quote not in MET and not any(quote in one for one in said)]
    assert missing == []


def test_both_readmes_quote_the_same_failures():
    en, zh = rows("en"), rows("zh")
    assert [len(row) for row in en] == [len(row) for row in zh]
    own = [(a, b) for one, other in zip(en, zh, strict=True) for a, b in zip(one, other, strict=True) if a != b]
    ours = ["还没有安装 TensorFlow Federated", "还没有安装 Flower", "mnist.npz 不存在", "mnist.npz 已损坏"]
    assert [b for _, b in own] == ours


def on_screen(markdown: str, lines: int = 45, columns: int = 130) -> str:
    """What stands on the first lines of a page of so many columns. A line is 20 pixels of the picture; Chinese counts double."""
    shown = []
    for line in markdown.split("\n"):
        width = sum(1 + (ord(c) > 0x2E7F) for c in re.sub(r"\]\([^)]*\)", "]", line))
        if picture := re.match(r'<img src="[^"]+" width="(\d+)"', line):
            shown += [line] * round(int(picture[1]) * 0.83 / 20)
        else:
            shown += [line] * max(1, -(-width // columns))
    return "\n".join(shown[:lines]) + "\n"


def test_the_first_screen_says_what_it_is_and_shows_it_moving_and_two_commands_and_where_the_pages_are(language):
    first = on_screen(text(READMES[language]))
    fails = f"[{FAILS[language]}](#{FAILS[language].lower().replace(' ', '-')})"
    picture = f'<img src="docs/lab_{language}.webp"'
    for wanted in (picture, "\nmake lab\n", "\nmake site\n", "`make site`", "(../../deployments/github-pages)", fails):
        assert wanted in first, wanted
    assert re.search(r'<img src="docs/[^"]+" width="\d+" alt="[^"]{20,}">', first)


def anchors(markdown: str) -> set[str]:
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", markdown, re.M)}


@pytest.mark.parametrize("name", [*READMES.values(), *(f"docs/{name}" for name in CLASS.values())])
def test_every_link_leads_somewhere(name):
    page, place = text(name), (ROOT / name).parent
    links = re.findall(r'\]\(([^)\s]+)\)|<img src="([^"]+)"', page)
    assert links
    for link in map("".join, links):
        path, _, anchor = link.partition("#")
        if "://" in link or link == "../../deployments/github-pages":  # GitHub's page, beside the repository's files
            continue
        assert not path or (place / path).exists(), link
        assert not anchor or path or unquote(anchor) in anchors(page), link


def test_links_for_a_class_are_those_that_nbgitpuller_takes(language):
    links = re.findall(r"^https://hub\S+$", text(f"docs/{CLASS[language]}"), re.M)
    assert len(links) == 2
    for link, folder in zip(links, (f"notebooks/{language}/", ""), strict=True):
        parts = urlparse(link)
        given = {name: value for name, (value,) in parse_qs(parts.query, strict_parsing=True).items()}
        assert parts.path == "/hub/user-redirect/git-pull" and list(given) == ["repo", "branch", "urlpath"]
        assert "/" not in parts.query and ":" not in parts.query, "what stands in a parameter is quoted"
        name = given["repo"].split("/")[-1]  # the folder that it is cloned into
        assert given["urlpath"] == f"lab/tree/{name}/{folder}{BOOK[0].file}.ipynb"
        assert not folder or (ROOT / folder / f"{BOOK[0].file}.ipynb").exists()


def test_the_page_for_a_class_is_led_to():
    for language in fl.language.LANGUAGES:
        assert f"(docs/{CLASS[language]})" in text(READMES[language])
        assert f"(../../docs/{CLASS[language]})" in text("notebooks/source/90_teacher.md")
    blocks = [re.findall(r"```\n(.*?)```", text(f"docs/{name}"), re.S) for name in CLASS.values()]
    assert len(blocks[0]) == len(blocks[1]) == 5
    assert blocks[0][0] == blocks[1][0]
    assert {"requirements.txt", "pyproject.toml"} <= {path.name for path in ROOT.iterdir()}
