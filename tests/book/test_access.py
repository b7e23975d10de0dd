"""The book for everybody, in JupyterLab: axe-core on every chapter, every control of every app by keyboard and by mouse.

Pictures after a storm of moves are held against those of an app that this process makes and puts where the storm has ended.
"""

import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from all_apps import APPS, SETUP
from apps import alt, picture
from served import CHROMIUM, app, run_to_the_end, unlocked
from test_browser import TEXT, look, shoot

import fedlab_utils as fl
from fedlab_utils.book.chapters import BOOK

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))
import eye  # noqa: E402

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
OURS = ".jp-Notebook .jp-OutputArea-output, .jp-Notebook .jp-RenderedMarkdown"  # the rest of the page is JupyterLab's
AUDIT = """selector => axe.run({include: [...document.querySelectorAll(selector)]}, {resultTypes: ["violations"]}).then(
  found => found.violations.filter(({impact}) => ["serious", "critical"].includes(impact)).flatMap(
    ({id, nodes}) => nodes.map(({target, html}) => `${id}: ${target} ${html.slice(0, 200)}`)))"""
CONTROLS = '.noUi-handle, select, input[type="text"], input[type="checkbox"]'
TYPED = 'input[type="text"]'
CODECS = "TopK(0.05) | Quantize(4)", "Sign()", "RandomK(0.02)"  # what is typed where a control takes text
FORMULA = {"en": "Formula, with these numbers", "zh": "公式（代入当前数值）"}
STOPPED = {"en": "Stopped.", "zh": "已停止。"}
HEARD = """app => (said => said && app.querySelector("img").alt.includes(said))(
  [...app.querySelectorAll(".fedlab-speaking[role=status]")].at(-1).textContent)"""
MOVES = 200

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]


def opened(page, server, path: str) -> None:
    page.goto(f"{server}/lab/tree/notebooks/{path}?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.context?.isReady")
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.ready")
    assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0, "the reader is asked something"


def dressed(page, theme: str) -> None:
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=str("Light" in theme).lower())


def audited(page) -> list[str]:
    page.add_script_tag(path=str(AXE))
    return page.evaluate(AUDIT, OURS)


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core here (npm ci)")
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("chapter", [chapter.file for chapter in BOOK])
def test_a_chapter_runs_to_its_end_and_axe_finds_nothing(page, server, chapter, language):
    notebook = nbformat.read(ROOT / "notebooks" / language / f"{chapter}.ipynb", 4)
    opened(page, server, f"{language}/{chapter}.ipynb")
    if notebook.metadata.kernelspec.name == "python3":  # the engines' environments are not the book's: read as they are
        run_to_the_end(page)
    assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0, "the reader is asked something"
    for kind in ("error", "stderr"):
        assert page.locator(f".jp-OutputArea [data-mime-type='application/vnd.jupyter.{kind}']").count() == 0
    page.wait_for_function("count => document.querySelectorAll('.jp-Notebook .jp-Cell').length >= count", arg=len(notebook.cells))
    assert page.locator(".fedlab-app [title=null]").count() == 0
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        dressed(page, theme)
        assert audited(page) == [], theme


# Every control of every app


def src(shown) -> str:
    return shown.locator("img").get_attribute("src")


def changed(shown, before: str, what: str, seconds: float = 60) -> None:
    start = time.perf_counter()
    while src(shown) == before and not refused(shown):
        assert time.perf_counter() - start < seconds, f"{what}: the picture never followed"
        time.sleep(0.02)


def refused(shown) -> bool:
    """Whether the app says that these positions do not go together; the picture then stays."""
    return shown.locator("[role=alert]").count() > 0


def settled(shown, stop: str, rest: float = 0.4) -> str:
    """The picture, once nothing trains (a training is stopped) and none has followed for so many seconds."""
    button = shown.get_by_role("button", name=stop)
    if button.count():
        shown.page.wait_for_timeout(150)
        if button.is_enabled():
            button.focus()
            shown.page.keyboard.press("Enter")
        shown.page.wait_for_function("button => button.disabled", arg=button.element_handle())
    return quiet(shown, rest)


def quiet(shown, rest: float = 0.4) -> str:
    last, since = src(shown), time.perf_counter()
    while time.perf_counter() - since < rest:
        time.sleep(0.05)
        if (now := src(shown)) != last:
            last, since = now, time.perf_counter()
    return last


def kind_of(control) -> str:
    return control.evaluate("c => c.matches('.noUi-handle') ? 'slider' : c.localName === 'select' ? 'menu' : c.type")


def move(control, kind: str, mouse: bool, turn: int) -> None:
    """Move a control to another position, as a hand on the keyboard or on the mouse does."""
    keys = control.page.keyboard
    if kind == "slider":
        now, most = (float(control.get_attribute(f"aria-value{end}")) for end in ("now", "max"))
        if mouse:
            track = control.locator("xpath=ancestor::*[contains(@class, 'noUi-base')]")
            box = track.bounding_box()
            least = float(control.get_attribute("aria-valuemin"))
            place = 0.8 if now - least < (most - least) / 2 else 0.2
            control.page.mouse.click(box["x"] + place * box["width"], box["y"] + box["height"] / 2)
        else:
            control.focus()
            keys.press("ArrowLeft" if now >= most else "ArrowRight")
    elif kind == "menu":
        at, count = control.evaluate("menu => [menu.selectedIndex, menu.options.length]")
        if mouse:  # the list itself is the system's, and no part of the page
            control.select_option(index=(at + 1) % count)
        else:
            control.focus()
            keys.press("ArrowUp" if at == count - 1 else "ArrowDown")
    elif kind == "checkbox":
        if mouse:
            control.click()
        else:
            control.focus()
            keys.press("Space")
    else:
        now = control.input_value()
        if mouse:
            control.click(click_count=3)
        else:
            control.focus()
            keys.press("Control+A")
        keys.type(next(codec for codec in CODECS[turn % 2 :] if codec != now))
        keys.press("Tab" if mouse else "Enter")


def told(control, kind: str) -> None:
    """What a screen reader is told is what stands beside the control."""
    if kind in ("slider", "menu", "text"):
        row = control.locator("xpath=ancestor::*[contains(@class, 'widget-inline-hbox')][1]")
        label = row.locator(".widget-label").first.text_content().strip()
        if label:
            assert control.get_attribute("aria-label") == label
        else:
            assert control.get_attribute("aria-label")
        if kind == "slider":
            assert control.get_attribute("aria-valuetext") == row.locator(".widget-readout").inner_text().strip() != ""


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_control_by_keyboard_and_by_mouse(page, server, language):
    opened(page, server, f"{language}/unasked.ipynb")
    run_to_the_end(page)
    stop = TEXT[language]["stop"]
    for name, entry in APPS.items():
        shown = app(page, entry.name)
        seen, count = set(), shown.locator(CONTROLS).count()
        for _ in range(3):  # some controls are of use at some positions of others only
            for place in range(count):
                control = shown.locator(CONTROLS).nth(place)
                locked = control.evaluate("c => c.disabled || !!c.closest('.noUi-target')?.hasAttribute('disabled')")
                if place in seen or locked:
                    continue
                kind = kind_of(control)
                if kind == "menu" and control.evaluate("menu => menu.options.length") < 2:
                    continue
                seen.add(place)
                # What trains takes seconds a move: by keyboard in the one language, by mouse in the other.
                for mouse in (language == "zh",) if entry.trains else (False, True):
                    before = settled(shown, stop)
                    control.scroll_into_view_if_needed()
                    move(control, kind, mouse, place)
                    changed(shown, before, f"{name}, control {place} ({kind}), by {'mouse' if mouse else 'keyboard'}")
                    if refused(shown):
                        shown.locator(TYPED).fill(CODECS[0])
                        shown.locator(TYPED).press("Enter")
                        shown.locator("[role=alert]").wait_for(state="detached")
                told(control, kind)
        assert len(seen) >= count - 3, f"{name}: of {count} controls only {sorted(seen)} could ever be moved"
        settled(shown, stop)
        if entry.trains:
            said = shown.locator(".fedlab-said[role=status]").filter(has_text=STOPPED[language])
            said.first.wait_for()
        page.wait_for_function(HEARD, arg=shown.element_handle())  # a move ends in words, a training that was stopped too
        fold = shown.get_by_role("button", name=FORMULA[language])
        formula = shown.locator(".fedlab-fold > :last-child")
        assert not formula.is_visible() and fold.get_attribute("aria-expanded") == "false"
        fold.focus()
        page.keyboard.press("Enter")
        formula.wait_for()
        page.wait_for_function("fold => fold.getAttribute('aria-expanded') === 'true'", arg=fold.element_handle())
        assert shown.locator("[title=null]").count() == 0
        shoot(page, f"access_{name}_{language}")


# Storms of moves, cells out of order, a new kernel


STORM = """([app, only, moves, seed]) => new Promise(resolve => {
  const all = [...app.querySelectorAll(".noUi-target:not([disabled]) .noUi-handle")];
  const handles = all.filter((_, place) => only < 0 || place === only);
  const keys = ["ArrowLeft", "ArrowRight", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End"];
  const draw = n => (seed = (1103515245 * seed + 12345) % 2 ** 31) % n;
  const step = () => {
    if (moves-- === 0) return resolve();
    const handle = handles[(draw(7919) >> 3) % handles.length], key = keys[(draw(7919) >> 3) % keys.length];
    handle.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
    setTimeout(step, 4);
  };
  step();
})"""
READ = """(app, selector) => Object.fromEntries([...app.querySelectorAll(selector)].map(control => [
  control.getAttribute("aria-label") ?? control.parentElement.textContent.trim(),
  control.type === "checkbox" ? control.checked : control.getAttribute("aria-valuetext") ??
    control.selectedOptions?.[0].text ?? control.value]))"""

IN_THE_KERNEL = """code => jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code})
  .done.then(() => null)"""
FORGET = """for app in shown:
    for memory in ("_visited", "_seen"):
        getattr(app.picture, memory, {}).clear()"""


def put(fresh, position: dict) -> None:
    """Put an app of this process where one in the page stands."""
    written = fresh.codec.parts if hasattr(fresh, "codec") else {}  # by the text, which comes beside them
    for name, control in fresh.controls.items():
        there = position[control.description]
        if name in written:
            continue
        if hasattr(control, "options"):
            labels = [label.replace("\xa0", " ") for label, _ in control.options]  # as a menu has them
            control.index = labels.index(there.replace("\xa0", " "))
        else:
            control.value = type(control.value)(there)
    if hasattr(fresh, "wait"):
        fresh.wait()


def at_rest(shown, stop: str) -> None:
    """Wait until nothing trains any more, and no picture follows."""
    button = shown.get_by_role("button", name=stop)
    shown.page.wait_for_timeout(300)
    if button.count():
        shown.page.wait_for_function("button => button.disabled", arg=button.element_handle(), timeout=180_000)
    quiet(shown, 1.5)


@pytest.mark.slow
def test_after_a_storm_of_moves_cells_out_of_order_and_a_new_kernel_the_pictures_are_right(page, server):
    opened(page, server, "en/unasked.ipynb")
    run_to_the_end(page)
    page.evaluate("""async () => {
      const notebook = jupyterapp.shell.currentWidget.content;
      for (const cell of [4, 0]) { notebook.activeCellIndex = cell; await jupyterapp.commands.execute("notebook:run-cell"); }
    }""")  # the apps of the other cells are those of before
    names: dict = {}
    fl.use_language("en")
    exec(SETUP.format(language="en"), names)
    for seed, (name, entry) in enumerate(APPS.items()):
        shown = app(page, entry.name)
        at_rest(shown, "Stop")
        only = entry.slider - 1 if entry.trains else -1
        page.evaluate(STORM, [shown.element_handle(), only, MOVES, seed])
        at_rest(shown, "Stop")
        fresh = eval(entry.code(predict=False), names)
        if entry.trains:
            shown.get_by_role("button", name="Forget runs").click()
            quiet(shown)
            fresh.wait()
            put(fresh, shown.evaluate(READ, CONTROLS))
            if not fresh.runs:  # the storm ended where the app begins: nothing was moved, so nothing was trained
                fresh.start()
                fresh.wait()
            fresh.clear_button.click()
        else:  # a last move: of those before, a picture shows those that there was the time to draw
            put(fresh, shown.evaluate(READ, CONTROLS))
            assert look(shown.locator("img"))[0] == alt(fresh), f"{name}: the picture is not that of its position"
            exec(FORGET, {"shown": [fresh]})
            page.evaluate(IN_THE_KERNEL, f"shown = [app for app in Out.values() if hasattr(app, 'picture')]\n{FORGET}")
            before, handle = src(shown), shown.locator(".noUi-target:not([disabled]) .noUi-handle").first
            move(handle, "slider", False, 0)
            changed(shown, before, name)
            at_rest(shown, "Stop")
            put(fresh, shown.evaluate(READ, CONTROLS))
        words, pixels = look(shown.locator("img"))
        assert words == alt(fresh), f"{name}: the picture is not that of its position"
        assert (pixels == np.asarray(picture(fresh)).astype(int)).all(), f"{name}: other pixels than a fresh app's"

    again = page.evaluate_handle("() => ({done: jupyterapp.commands.execute('notebook:restart-run-all')})")
    page.get_by_role("button", name="Confirm Kernel Restart").or_(page.locator(".jp-Dialog .jp-mod-accept")).first.click()
    again.evaluate("async again => { await again.done; }")
    for name, entry in APPS.items():
        shown = app(page, entry.name)
        at_rest(shown, "Stop")
        before = src(shown)
        move(unlocked(shown, entry.slider), "slider", False, 0)
        changed(shown, before, f"{name}, after a restart")


@pytest.mark.slow
def test_no_app_takes_twice_the_time_from_a_move_to_new_pixels_that_it_took(page, server):
    opened(page, server, "en/unasked.ipynb")
    run_to_the_end(page)
    at_rest(app(page, APPS["lab"].name), "Stop")
    page.wait_for_timeout(3000)  # the labs' graphs are built
    last, slow = eye.kept(), list(eye.MOVING)
    for _ in range(2):  # another program's second of work falls on one app: whoever seems slow is measured again
        if not slow:
            break
        print(f"\n{'app':<16}{'to pixels':>10}{'drawing':>9}{'ratio':>7}{'kept':>7}   {eye.load()}")
        found, slow = eye.latencies(page, slow), []
        for name, (waited, full) in found.items():
            taken = float(np.median(waited)) / full
            print(f"{name:<16}{np.median(waited):>7.0f} ms{full:>6.1f} ms{taken:>7.2f}{last[name]:>7.2f}")
            slow += [name] if taken > 2 * last[name] else []
    assert not slow, "in proportion to what a drawing takes; measured and kept by benchmarks/eye.py --keep"
