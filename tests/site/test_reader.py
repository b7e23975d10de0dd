"""The built site as a reader meets it, in headless Chromium: on a phone and on a desk, light and dark, in both languages.

`make test-site` builds it first. Screenshots go to the folder named by FEDLAB_SCREENSHOTS, if it is set.
"""

import functools
import http.server
import json
import os
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from served import CHROMIUM, chromium

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if path.parent != SITE)
TERMS = {
    "en": ("quantization", "stochastic rounding", "error feedback", "sparsification", "knowledge distillation", "pruning",
           "entropy coding", "federated averaging", "uplink", "secure aggregation"),
    "zh": ("量化", "随机舍入", "误差反馈", "稀疏化", "知识蒸馏", "剪枝", "熵编码", "联邦平均", "上行", "安全聚合"),
}  # fmt: skip
SHOWN = ("index", "04_mathematics", "00_start", "api", "06_playground", "80_errata")  # of which screenshots are kept
pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    assert PAGES, "the site is not built: make site"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser, address):
    """A function that opens a page; what went wrong on any is asserted when the test is over."""
    contexts, wrong = [], []

    def note(request):
        if not request.url.startswith((address, "data:", "blob:" + address)):
            wrong.append(f"asked for {request.url}")

    def open_page(path, width=1400, height=1000, page=None, **options):
        if page is None:
            contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
            page = contexts[-1].new_page()
            page.set_default_timeout(60_000)
            page.on("request", note)
            page.on(
                "response", lambda response: wrong.append(f"{response.status} {response.url}") if response.status >= 400 else None
            )
            page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.goto(f"{address}/{path}")
        if page.locator(".math").count():
            page.wait_for_function("document.querySelectorAll('.math:not(:has(mjx-container))').length === 0")
            assert page.locator("mjx-merror").count() == 0, path
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong, wrong


def shoot(page, name):
    if folder := os.environ.get("FEDLAB_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/site_{name}.png")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_phone_never_scrolls_sideways_and_shows_the_switch(opened, language):
    """And no page asks for anything from elsewhere, nor for what is not there."""
    page, wide = None, {}
    for path in (path for path in PAGES if path.startswith(language)):
        page = opened(path, width=390, height=844, page=page)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            wide[path] = width
        switch = page.locator("a.twin:visible")
        box = switch.bounding_box()
        assert switch.is_visible() and 0 <= box["x"] and box["x"] + box["width"] <= 390 and 0 <= box["y"] < 300, path
        if Path(path).stem in SHOWN:
            shoot(page, f"phone_{path.replace('/', '_')}")
    assert wide == {}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_nothing_serious_in_light_and_dark(opened, language):
    page, found = None, {}
    for path in (path for path in PAGES if path.startswith(language)):
        page = opened(path, page=page, color_scheme="light")
        page.add_script_tag(content=AXE.read_text("utf-8"))
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(300)  # colours change slowly
            rules = {"light": "", "dark": "runOnly: ['color-contrast'],"}[scheme]  # nothing else goes by the colours
            result = page.evaluate(f"axe.run(document, {{{rules} resultTypes: ['violations'], iframes: false}})")
            for violation in result["violations"]:
                if violation["impact"] in ("serious", "critical"):
                    nodes = [(node["target"], node["any"][0]["message"] if node["any"] else "") for node in violation["nodes"]]
                    found.setdefault(violation["id"], {})[f"{path} {scheme}"] = (len(nodes), nodes[:2])
        page.emulate_media(color_scheme="light")
    assert not found, json.dumps(found, ensure_ascii=False, indent=1)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_search_box_finds_ten_terms_and_not_what_is_not_there(opened, language):
    page = opened(f"{language}/index.html")
    for term in TERMS[language]:
        page.locator(".sidebar-search").fill(term)
        page.keyboard.press("Enter")
        results = page.locator(".pagefind-ui__result")
        results.locator("mark").first.wait_for()  # an excerpt with the term in it
        assert results.first.locator("a").first.get_attribute("href").startswith(f"/{language}/"), "of this edition"
    shoot(page, f"search_{language}")
    page = opened(f"{language}/search.html?q={quote('饕餮')}", page=page)
    page.locator(".pagefind-ui__message").wait_for()
    page.wait_for_function("!/\\.\\.\\.|…/.test(document.querySelector('.pagefind-ui__message').textContent)")
    assert page.locator(".pagefind-ui__result").count() == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_term_of_the_glossary_is_found_there_first_and_back_finds_it_again(opened, language):
    page = opened(f"{language}/search.html", width=390, height=844)
    page.locator("#search input").fill({"en": "error feedback", "zh": "误差反馈"}[language])
    first = page.locator(".pagefind-ui__result").first
    entry = first.locator(".pagefind-ui__result-nested", has=page.locator("a[href$='00_start.html#start-0-7']"))
    entry.wait_for()
    excerpt = entry.locator(".pagefind-ui__result-excerpt").inner_text()
    assert "gradient accumulation" in excerpt, "the whole row"
    assert not page.locator(".pagefind-ui__result").nth(1).locator("a[href*='90_teacher']").count(), "answers stand behind"
    entry.locator("a").click()
    page.wait_for_url("**/00_start.html#start-0-7")
    page.go_back()
    entry.wait_for()


def test_a_result_leads_to_its_section(opened):
    page = opened("en/search.html?q=stochastic rounding")
    nested = page.locator(".pagefind-ui__result-nested a")
    nested.first.wait_for()
    nested.first.click()
    page.wait_for_url("**/en/*.html#*")
    assert page.evaluate("document.getElementById(location.hash.slice(1)) !== null")


def test_the_switch_leads_to_the_same_place_and_a_fold_opens_for_a_link_into_it(opened):
    page = opened("en/04_mathematics.html#mathematics-4-2", width=390, height=844)
    page.locator("a.twin:visible").click()
    page.wait_for_url("**/zh/04_mathematics.html#mathematics-4-2")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    top = "document.getElementById('mathematics-4-2').getBoundingClientRect().top"
    page.wait_for_function(f"{top} >= 0 && {top} < 844")  # in sight, once formulas above have found their height
    page.wait_for_timeout(1000)
    assert 0 <= page.evaluate(top) < 844, "and it stays there"
    page = opened("en/index.html", page=page)
    page.evaluate("document.querySelector('article').insertAdjacentHTML('beforeend', '<details><p id=within>x</p></details>')")
    page.evaluate("location.hash = 'within'")
    page.locator("#within").wait_for()


def test_the_switch_keeps_the_place_that_is_read_and_back_returns_to_it(opened):
    page = opened("en/04_mathematics.html", width=1280, height=800)
    page.locator("#mathematics-4-2").scroll_into_view_if_needed()
    page.mouse.move(700, 400)
    page.mouse.wheel(0, 500)
    page.wait_for_timeout(1000)
    read = page.evaluate("scrollY")
    page.locator("a.twin:visible").click()  # the sidebar stays, and the switch with it
    page.wait_for_url("**/zh/04_mathematics.html#mathematics-*")
    assert page.evaluate("document.getElementById(location.hash.slice(1)).localName") in ("h2", "h3")
    page.go_back()
    page.wait_for_url("**/en/04_mathematics.html")
    page.wait_for_function(f"Math.abs(scrollY - {read}) < 40")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_drawer_closes_once_a_place_is_chosen(opened, language):
    page = opened(f"{language}/00_start.html", width=390, height=844, has_touch=True, is_mobile=True)
    contents = page.locator(".toc-drawer")
    page.locator(".header-right label[for=__toc]").tap()
    links = contents.locator("a.reference:visible")
    page.wait_for_function("document.querySelector('.toc-drawer').getBoundingClientRect().right <= innerWidth + 1")
    assert min(links.nth(number).bounding_box()["height"] for number in range(links.count())) >= 24
    contents.locator("a[href='#start-0-7']").tap()
    page.wait_for_function("document.querySelector('.toc-drawer').getBoundingClientRect().left >= innerWidth")
    assert 0 <= page.evaluate("document.getElementById('start-0-7').getBoundingClientRect().top") < 200
    page.locator(".header-left label").tap()
    page.locator(".sidebar-drawer a[href^='04_mathematics']").tap()
    page.wait_for_url("**/04_mathematics.html")
    page.go_back()
    page.wait_for_url("**/00_start.html#start-0-7")
    assert page.locator(".sidebar-toggle:checked").count() == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_phone_shows_a_formula_to_its_end(opened, language):
    """Smaller, where it must be; what is still wider, as a table, fades where it goes on."""
    page = opened(f"{language}/04_mathematics.html", width=390, height=844)
    page.wait_for_load_state("load")
    wide = """[...document.querySelectorAll("mjx-container[display], .table-wrapper")].filter(
        (part) => part.clientWidth && part.scrollWidth > part.clientWidth + 1)"""
    page.wait_for_function(f"!{wide}.some((part) => part.localName === 'mjx-container')")
    assert page.evaluate(f"{wide}.length") > 0
    assert page.evaluate(f"{wide}.every((part) => part.classList.contains('more'))")
    page.evaluate(f"{wide}[0].scrollLeft = 1000")
    page.wait_for_function(f"!{wide}[0].classList.contains('more')")
    assert page.evaluate("getComputedStyle(document.querySelector('.kept')).whiteSpace") == "nowrap"


def test_the_door_opens_on_the_reader_s_language_and_remembers_a_choice(opened):
    page = opened("", locale="zh-CN")
    page.wait_for_url("**/zh/index.html")
    page.locator("a.twin:visible").click()
    page.wait_for_url("**/en/index.html")
    page = opened("", page=page)
    page.wait_for_url("**/en/index.html")
    page = opened("", locale="fr-FR")
    page.wait_for_url("**/en/index.html")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_lab_moves_unless_motion_is_not_wanted(opened, language):
    for motion, moves in (("no-preference", True), ("reduce", False)):
        page = opened(f"{language}/index.html", reduced_motion=motion)
        image, button = page.locator(".moving img"), page.locator(".moving button")
        assert image.get_attribute("src").endswith(".webp") == moves
        button.press("Enter")
        assert image.get_attribute("src").endswith(".webp") != moves
        assert button.get_attribute("aria-pressed") == str(not moves).lower()
        assert (
            page.evaluate(
                "document.querySelector('.moving img').decode().then(() => document.querySelector('.moving img').naturalWidth)"
            )
            > 600
        )
    for scheme in ("light", "dark"):
        page = opened(f"{language}/index.html", color_scheme=scheme)
        shoot(page, f"desk_{language}_{scheme}")
