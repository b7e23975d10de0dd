"""What the reader's eye waits for: from a move of a slider to new pixels, in JupyterLab in headless Chromium; and the lab.

    .venv/bin/python benchmarks/eye.py                  # all apps, twenty moves each, and the live lab: three minutes
    .venv/bin/python benchmarks/eye.py quantization lab # some
    .venv/bin/python benchmarks/eye.py --keep           # and keep what the browser test compares with, in latency.csv

Of each app: the kernel's share of a move (computing, drawing what changed, encoding), measured in this process, in time of
the processor, to a stop seen before and to a new one, which is computed and whose words are drawn for the first time; a full
drawing of the same figure beside it, in turns, which is the calibration of the machine; and the time from the key press to the
new picture decoded and painted, measured in the browser. The load is printed with them.
Of the lab: until it stands, until the first point after a move, until ten rounds are drawn; and a round of the same training
without an app. What trains at each move (`pruning`) waits for its training.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import nbformat
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from all_apps import APPS, SETUP  # noqa: E402
from served import app, chromium, jupyterlab, open_and_run, unlocked  # noqa: E402

import fedlab_utils as fl  # noqa: E402

MOVING = {name: (shown.code(predict=False), shown.slider) for name, shown in APPS.items() if not shown.trains}
LAB = APPS["lab"].code(predict=False)
MOVES = 20
KEPT = Path(__file__).with_name("latency.csv")
# Resolves with the milliseconds from the key press until a picture that was not there before is decoded and painted.
WATCH = """output => new Promise(resolve => {
  let pressed;
  document.addEventListener("keydown", event => { pressed ??= event.timeStamp; }, {capture: true, once: true});
  const before = output.querySelector("img").src;
  const observer = new MutationObserver(async () => {
    const image = output.querySelector("img");
    if (!image || image.src === before) return;
    observer.disconnect();
    await image.decode().catch(() => null);
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - pressed)));
  });
  observer.observe(output, {subtree: true, childList: true, attributes: true});
  window.watching = true;
})"""


def in_the_kernel(code: str, which: int, names: dict[str, Any]) -> tuple[float, float, float]:
    """Medians, in milliseconds of processor: a move of the which-th slider to a stop seen before, one to a new stop, and a full
    drawing of the same figure, in turns."""
    import ipywidgets as w

    made = eval(code, names)
    kinds = w.SelectionSlider, w.IntSlider, w.FloatSlider, w.FloatLogSlider
    slider = [control for control in made.controls.values() if isinstance(control, kinds)][which - 1]
    trait, *stops = neighbours(slider)

    def moved(stop: Any) -> tuple[float, float]:
        before = time.process_time()
        setattr(slider, trait, stop)  # what observes it computes and draws
        if hasattr(made, "wait"):  # in a thread of its own
            made.wait()
        between = time.process_time()
        made.picture.figure.canvas.draw()
        return between - before, time.process_time() - between

    there = getattr(slider, trait)
    new = [moved(stop)[0] for stop in all_stops(slider) if stop != there]
    moves, drawings = zip(*(moved(stops[step % 2]) for step in range(MOVES + 2)), strict=True)
    return 1e3 * median(moves[2:]), 1e3 * median(new), 1e3 * median(drawings[2:])


def neighbours(slider: Any) -> tuple[str, Any, Any]:
    """The trait that moves a slider, the stop beside the one where it stands, and that one."""
    if hasattr(slider, "options"):
        return "index", slider.index - 1 if slider.index else 1, slider.index
    return "value", slider.value + (slider.step if slider.value == slider.min else -slider.step), slider.value


def all_stops(slider: Any) -> list[Any]:
    """Up to ten stops of a slider, over its whole length, as `neighbours` names them."""
    if hasattr(slider, "options"):
        return list(range(len(slider.options)))[:: 1 + len(slider.options) // 10]
    count = round((slider.max - slider.min) / slider.step)
    return [slider.min + slider.step * place for place in range(0, count + 1, 1 + count // 10)]


def in_the_page(page: Any, code: str, which: int) -> list[float]:
    """Milliseconds from the key press to new pixels, of each move."""
    output = app(page, code.partition("(")[0])
    handle, waited = unlocked(output, which), []
    at_the_end = float(handle.get_attribute("aria-valuenow")) >= float(handle.get_attribute("aria-valuemax"))
    keys = ("ArrowLeft", "ArrowRight") if at_the_end else ("ArrowRight", "ArrowLeft")  # to and fro
    for step in range(MOVES):
        element = output.element_handle()
        page.evaluate("() => { window.watching = false; }")
        page.evaluate("output => { window.seen = (" + WATCH + ")(output); }", element)
        page.wait_for_function("() => window.watching")
        handle.press(keys[step % 2])
        waited.append(float(page.evaluate("() => window.seen")))
        page.wait_for_timeout(60)
    return waited


def drawing() -> Callable[[], float]:
    """What measures this machine as it is now: milliseconds by the clock of a full drawing of one figure, median of nine."""
    made = fl.widgets.quantization_explorer(predict=False)

    def measure() -> float:
        times = []
        for _ in range(9):
            begun = time.perf_counter()
            made.picture.figure.canvas.draw()
            times.append(1e3 * (time.perf_counter() - begun))
        return median(times)

    return measure


def latencies(page: Any, names: Iterable[str] = tuple(MOVING)) -> dict[str, tuple[list[float], float]]:
    """Of apps of a notebook that has run: `in_the_page`, and what a `drawing` took meanwhile: the median over the apps, since on
    a busy machine one tells little."""
    measure, waited, drawn = drawing(), {}, []
    for name in names:
        drawn.append(measure())
        waited[name] = in_the_page(page, *MOVING[name])
    return {name: (of_app, median(drawn)) for name, of_app in waited.items()}


def kept() -> dict[str, float]:
    """The latencies of the last time that they were kept, by app, in drawings of the machine of that time."""
    with open(KEPT, encoding="utf-8", newline="") as file:
        return {row["app"]: float(row["to_pixels_ms"]) / float(row["drawing_ms"]) for row in csv.DictReader(file)}


def keep(found: dict[str, tuple[list[float], float]]) -> None:
    """Write them to `latency.csv`, with the load beside them."""
    with open(KEPT, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["app", "to_pixels_ms", "drawing_ms", "load"])
        for name, (waited, full) in found.items():
            table.writerow([name, f"{median(waited):.0f}", f"{full:.1f}", f"{os.getloadavg()[0]:.1f}"])


def lab_in_the_page(page: Any) -> dict[str, list[float]]:
    """Seconds of several runs of ten rounds: until the first point, and until the last."""
    lab = app(page, LAB.partition("(")[0])
    first, last = [], []
    page.wait_for_timeout(5000)  # the graph is built
    for step in range(6):
        handle, element = unlocked(lab, 3), lab.element_handle()
        page.evaluate("output => { window.was = output.querySelector('img').src; }", element)
        begun = time.perf_counter()
        handle.press("ArrowLeft" if step < 4 else "ArrowRight")
        # Asked within the page, once a frame: asking from here would take the processor from what is measured.
        page.wait_for_function("output => output.querySelector('img').src !== window.was", arg=element)
        first.append(time.perf_counter() - begun)
        page.wait_for_function("output => output.querySelector('img').alt.includes('after 10 rounds')", arg=element)
        last.append(time.perf_counter() - begun)
        page.wait_for_timeout(500)
    return {"first point": first[1:], "ten rounds": last[1:]}


def lab_in_the_kernel() -> dict[str, float]:
    """Seconds until the lab stands, in this process, which has trained already; a round of the same training without it."""
    begun = time.perf_counter()
    lab = fl.widgets.live_lab(predict=False)
    stands = time.perf_counter() - begun
    lab.wait(120)
    data, clients = fl.load_mnist(), fl.partition_iid(fl.load_mnist().y_train, n_clients=100, seed=0)
    rounds = {}
    for compile in (False, True, False, True):
        history = fl.simulate(fl.models.document_mlp(seed=0), data, clients, rounds=10, compile=compile)
        rounds[compile] = median(history.train_seconds[1:])
    return {"stands": stands, "round, XLA": rounds[True], "round, no XLA": rounds[False]}


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*MOVING, "lab", []], help="of apps; all by default")
    parser.add_argument("--keep", action="store_true", help="measure all apps in the page alone, and write latency.csv")
    options = parser.parse_args()
    wanted = options.names or [*MOVING, *([] if options.keep else ["lab"])]
    fl.use_language("en")
    names: dict[str, Any] = {}
    exec(SETUP.format(language="en"), names)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {load()}")
    kernel = {} if options.keep else {name: in_the_kernel(*MOVING[name], names) for name in wanted if name != "lab"}
    print(f"measured in the kernel, {load()}")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as home:
        notebook = nbformat.v4.new_notebook(metadata=nbformat.read(ROOT / "notebooks" / "en" / "00_start.ipynb", 4).metadata)
        shown = [*(MOVING[name][0] for name in wanted if name != "lab"), *([LAB] if "lab" in wanted else [])]
        codes = [SETUP.format(language="en"), *shown]
        notebook.cells = [nbformat.v4.new_code_cell(code) for code in codes]
        (Path(folder) / "notebooks").mkdir()
        nbformat.write(notebook, Path(folder) / "notebooks" / "eye.ipynb")
        with jupyterlab(Path(folder), Path(home)) as server, chromium() as browser:
            page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
            page.set_default_timeout(60_000)
            open_and_run(page, server, "eye.ipynb")
            if options.keep:
                keep(latencies(page))
                return
            heads = f"{'app':<16}{'kernel':>8}{'new stop':>10}{'full drawing':>14}{'ratio':>7}"
            print(f"{heads}   to pixels: median, 95th percentile (ms)")
            for name in kernel:
                waited = in_the_page(page, *MOVING[name])
                share, new, full = kernel[name]
                print(f"{name:<16}{share:>8.1f}{new:>10.1f}{full:>14.1f}{share / full:>7.2f}   {np.median(waited):.0f}, "
                      f"{np.percentile(waited, 95):.0f}   {load()}")  # fmt: skip
            if "lab" in wanted:
                found = lab_in_the_page(page)
                for what, seconds in found.items():
                    print(f"lab: {what} after {median(seconds):.2f} s, at most {max(seconds):.2f}   {load()}")
    if "lab" in wanted:
        for what, seconds in lab_in_the_kernel().items():
            print(f"lab: {what} {seconds:.3f} s   {load()}")


if __name__ == "__main__":
    main()
