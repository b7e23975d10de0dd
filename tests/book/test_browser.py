"""The book as a reader meets it: JupyterLab in headless Chromium, both languages; cells run, sliders move, pixels looked at.

Screenshots go to the folder named by FEDLAB_SCREENSHOTS, if it is set.
"""

import base64
import io
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from all_apps import APPS
from PIL import Image
from served import CHROMIUM, app, open_and_run, unlocked

from fedlab_utils.book import colours, folding

LOSSY, UPLINK, TOTAL, BROWN, VIOLET = (
    tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
    for colour in (colours.LOSSY, colours.UPLINK, colours.TOTAL, colours.BROWN, colours.VIOLET)
)
TEXT = {
    "en": {"skip": "Skip", "stop": "Stop", "forget": "Forget runs", "runs": "Runs:",
           "keep": "{} %, 8 bits", "rounds": "after 10 rounds"},
    "zh": {"skip": "跳过", "stop": "停止", "forget": "清除旧的运行", "runs": "各次运行：",
           "keep": "{}%，8 位", "rounds": "10 轮后"},
}
ASKED_NOTHING = (2, 5, 10, 20)  # per cent kept, of which the lab's question does not ask: it asks of 1
QUESTIONS = ("fl.exercises.mathematics.three_quarters", "fl.exercises.mathematics.which_lines_fall")
OPEN = "fl.exercises.practice.your_federation"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]


def shoot(page, name: str) -> None:
    """Keep a picture of the page, or of one app of it."""
    if folder := os.environ.get("FEDLAB_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png")


def look(image) -> tuple[str, np.ndarray]:
    """Alternative text and pixels of one picture: asked for one after the other, a training may put a new one in between."""
    alt, source = image.evaluate("image => [image.alt, image.src]")
    data = source.split("base64,")[1]
    return alt, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def pixels(image) -> np.ndarray:
    return look(image)[1]


def count(picture: np.ndarray, colour) -> int:
    return int((np.abs(picture - colour).sum(axis=2) < 40).sum())


def wait_for_alt(image, text: str, seconds: float, gone: bool = False) -> float:
    """Seconds until the picture's alternative text contains `text`, or no longer does."""
    start = time.perf_counter()
    while (text in (image.get_attribute("alt") or "")) == gone:
        what = f"{text!r} never {'went' if gone else 'came'}"
        assert time.perf_counter() - start < seconds, f"{what}; last: {image.get_attribute('alt')}"
        time.sleep(0.02)
    return time.perf_counter() - start


@pytest.mark.parametrize("language", ["en", "zh"])
def test_questions_are_answered_with_the_keyboard_and_skipped_with_one_click(page, server, language):
    open_and_run(page, server, f"{language}/questions.ipynb")
    guess, question = (page.locator(".jp-CodeCell", has_text=code).locator(".jp-OutputArea") for code in QUESTIONS)
    field = guess.locator("input[type=text]")
    field.wait_for()
    assert "Q(0.5)" in field.get_attribute("title"), "a screen reader is told what the field asks for"
    assert "49,151" not in guess.inner_text()
    field.focus()
    page.keyboard.type("30000")
    page.keyboard.press("Enter")
    guess.get_by_text("49,151").wait_for()
    assert "30,000" in guess.inner_text(), "all that was typed counts"
    assert not field.is_visible()
    shoot(page, f"guess_{language}")
    right = {"en": "on the right nearest as well", "zh": "右图还有四舍五入"}[language]
    why = {"en": "floor keeps its bias", "zh": "向下取整在两图中都留着偏差"}[language]
    assert right in question.inner_text() and why not in question.inner_text()
    question.get_by_role("button", name=TEXT[language]["skip"]).click()
    question.get_by_text(why).wait_for()
    assert question.locator("input[type=radio]:not([disabled])").count() == 0
    shoot(page, f"question_{language}")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_open_question_is_written_kept_and_ticked_with_the_keyboard(page, server, language):
    open_and_run(page, server, f"{language}/questions.ipynb")
    design = page.locator(".jp-CodeCell", has_text=OPEN).locator(".jp-OutputArea")
    field = design.locator("textarea")
    field.wait_for()
    field.scroll_into_view_if_needed()
    asks, model = {"en": ("ten hospitals", "some hundreds of a million"), "zh": ("十家医院", "每轮几百部")}[language]
    assert asks in field.get_attribute("title"), "a screen reader is told what the field asks for"
    assert model not in design.inner_text()
    field.focus()
    page.keyboard.type("The hospitals: all ten, one epoch, 8 bits both ways.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    design.get_by_text(model).wait_for()
    boxes = design.locator("input[type=checkbox]")
    boxes.nth(2).wait_for()
    before = [boxes.nth(i).is_checked() for i in range(3)]  # ticked in the other edition, it is ticked in this one
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert [boxes.nth(i).is_checked() for i in range(3)] == [not before[0], False, False]
    shoot(page, f"design_{language}")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_copy_on_the_shelf_shows_no_answer_before_it_is_run(page, server, language):
    page.goto(f"{server}/lab/tree/my/{language}/04_mathematics.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    asked = page.locator(".jp-CodeCell", has_text=QUESTIONS[0])
    asked.scroll_into_view_if_needed()
    asked.get_by_text({"en": "Run this cell to answer.", "zh": "运行这个单元格就能作答。"}[language]).wait_for()
    reveals = page.locator(".jp-CodeCell", has_text='print("Q(0.5) ="')
    assert reveals.locator(".jp-OutputArea-output").count() == 0
    shoot(page, f"shelf_{language}")
    fold = page.locator("details", has=page.get_by_text(folding.SAID[language])).first
    told = fold.locator("p").first
    assert not told.is_visible(), "prose that explains the answer"
    fold.locator("summary").click()
    told.wait_for()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_apps_of_chapter_4(page, server, language):
    text = TEXT[language]
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_and_run(page, server, f"{language}/04_mathematics.ipynb")

    explorer = app(page, "quantization_explorer(")
    assert explorer.locator(".noUi-handle").first.is_visible()
    explorer.get_by_role("button", name=text["skip"]).click()
    image = explorer.locator("img")
    before = pixels(image)
    handle = unlocked(explorer)
    handle.press("ArrowLeft")  # 8 bits → 7
    wait_for_alt(image, "89,066", 10)  # ceil(101,770 · 7 / 8) + 17 bytes
    after = pixels(image)
    assert after.shape == before.shape and (after != before).any() and count(after, LOSSY) > 200
    shoot(page, f"quantization_{language}")

    explorer = app(page, "sparsification_explorer(")
    explorer.get_by_role("button", name=text["skip"]).click()
    image = explorer.locator("img")
    handle = unlocked(explorer)
    many = pixels(image)
    for _ in range(5):
        handle.press("ArrowLeft")
    wait_for_alt(image, {"en": "3.2 %", "zh": "3.2%"}[language], 10)
    few = pixels(image)
    assert count(few, VIOLET) + count(few, BROWN) < 0.6 * (count(many, VIOLET) + count(many, BROWN)), "fewer survive"
    shoot(page, f"sparsification_{language}")

    lab = app(page, "live_lab(")
    lab.get_by_role("button", name=text["skip"]).click()  # trains top 1 %, 8 bits
    image = lab.locator("img")
    wait_for_alt(image, text["keep"].format(1), 30)
    wait_for_alt(image, text["rounds"], 60)
    picture = pixels(image)
    assert count(picture, UPLINK) > 100 and count(picture, TOTAL) > 100, "uplink and total are drawn apart"
    for k in ASKED_NOTHING:  # leave a few runs in grey
        handle = unlocked(lab, 3)
        handle.press("ArrowRight")
        wait_for_alt(image, text["keep"].format(k), 30)
        wait_for_alt(image, text["rounds"], 60)
        if k == ASKED_NOTHING[0]:  # the README's picture shows the lab, and not the answer to its question
            lab.get_by_role("button", name=text["forget"]).click()
            wait_for_alt(image, text["runs"], 30, gone=True)
    runs = image.get_attribute("alt").partition(text["runs"])[2]
    assert runs.count("%") >= 2 * (len(ASKED_NOTHING)) and not re.search(r"\b1 ?% · 8", runs)
    shoot(lab, f"lab_{language}")
    handle = unlocked(lab, 6)  # clients, a round, k, bits, local epochs, rounds: 10 → 20
    handle.press("ArrowRight")
    stop = lab.get_by_role("button", name=text["stop"])
    page.wait_for_function("button => !button.disabled", arg=stop.element_handle())
    stop.click()
    page.wait_for_function("button => button.disabled", arg=stop.element_handle())
    shoot(page, f"lab_stopped_{language}")
    assert not errors, errors
    assert page.locator('[role="alert"]').count() == 0
    assert page.locator(".jp-OutputArea [data-mime-type='application/vnd.jupyter.stderr']").count() == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_app_in_a_cell_of_its_own(page, server, language):
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_and_run(page, server, f"{language}/apps.ipynb")
    for name, shown in APPS.items():
        if shown.trains:  # test_access.py moves these
            continue
        explorer = app(page, shown.name)
        image = explorer.locator("img")
        if shown.asks:
            skip = explorer.get_by_role("button", name=TEXT[language]["skip"])
            assert explorer.locator(".noUi-target:not([disabled])").count() == 0, "locked until the reader has guessed or skipped"
            skip.click()
        handle = unlocked(explorer, shown.slider)
        alt, before = look(image)
        handle.press("ArrowRight")
        start = time.perf_counter()
        while (seen := look(image))[0] == alt:
            assert time.perf_counter() - start < 60, f"{name}: the picture never followed; {alt}"
            time.sleep(0.02)
        after = seen[1]
        assert after.shape == before.shape and (after != before).any(), name
        shoot(page, f"{name}_{language}")
    assert not errors, errors
    assert page.locator('[role="alert"]').count() == 0
    assert page.locator(".jp-OutputArea [data-mime-type='application/vnd.jupyter.stderr']").count() == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_start_page_says_that_all_is_well(page, server, language):
    open_and_run(page, server, f"{language}/00_start.ipynb")
    page.get_by_text("All is well.", exact=False).last.wait_for(timeout=90_000)
    page.locator(".jupyter-widgets .noUi-handle").first.wait_for()
    assert page.locator(".jp-CodeCell .cm-lineWrapping").count() > 0, "long lines of code wrap: jupyter/overrides.json"
    shoot(page, f"start_{language}")
