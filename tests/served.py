"""JupyterLab on some notebooks, and headless Chromium to open it: for the browser tests and for `benchmarks/eye.py`."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-dev-shm-usage"]  # fmt: skip


@contextlib.contextmanager
def jupyterlab(root: Path, home: Path) -> Iterator[str]:
    """The address of a JupyterLab that serves `root`, for somebody who has never used Jupyter: `home` is empty."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
               "--expose-app-in-browser", "--IdentityProvider.token=", f"--ServerApp.root_dir={root}"]  # fmt: skip
    with open(home / "lab.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": str(home)}, cwd=root)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            with contextlib.suppress(OSError):
                urlopen(f"{url}/api", timeout=1)
                break
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium that asks nobody anything."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def open_and_run(page: Any, server: str, path: str) -> None:
    """Open a notebook (its path below `notebooks/`) and run all its cells."""
    page.goto(f"{server}/lab/tree/notebooks/{path}?reset")  # without the tabs of the one before
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # the kernel has started by itself
    assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0, "the reader is asked something"
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    from playwright.sync_api import TimeoutError as NotSeen

    with contextlib.suppress(NotSeen):  # a few cells, in a kernel that knows them, may be done sooner than one looks
        page.get_by_text("Python 3 (ipykernel) | Busy").wait_for(timeout=15_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=180_000)


def run_to_the_end(page: Any) -> None:
    """Run all cells of the notebook that is open, until the last has ended."""
    assert page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')"), "a cell ended in an error"


def app(page: Any, code: str) -> Any:
    """The app that a cell with this code shows: the output that holds sliders and a picture."""
    cell = page.locator(".jp-CodeCell", has_text=code)
    found = cell.locator(".jp-OutputArea-output:has(.jupyter-widgets img)").first
    found.wait_for(timeout=120_000)
    found.scroll_into_view_if_needed()
    return found


def unlocked(app: Any, which: int = 1) -> Any:
    """The which-th slider of an app, once it can be moved, with the keyboard on it."""
    slider = app.locator(".noUi-target").nth(which - 1)
    slider.and_(app.locator(":not([disabled])")).wait_for()
    handle = slider.locator(".noUi-handle")
    handle.focus()
    return handle
