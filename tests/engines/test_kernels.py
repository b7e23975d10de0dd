"""Chapters on a kernel of their own: it is always listed, finds its environment, and says in one sentence what is missing."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

import fedlab_utils as fl
from fedlab_utils.engines import flower, kernels, ready, tff
from fedlab_utils.engines.kernels import FLOWER, KERNELS, TFF

ROOT = Path(__file__).parents[2]
CHINESE = re.compile("[\u4e00-\u9fff]")

each = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


@pytest.fixture(autouse=True)
def english():
    yield
    fl.use_language("en")


@each
def test_the_kernel_is_installed_with_the_book(kernel):
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec(kernel.name)
    assert spec.argv == ["python", "-m", "fedlab_utils.engines.kernels", kernel.name, "-f", "{connection_file}"]
    assert spec.display_name == kernel.title
    assert json.loads((ROOT / "jupyter" / f"{kernel.name}.json").read_text())["display_name"] == kernel.title


def made(folder: Path, code: str) -> Path:
    """A stand-in for an environment's python: a script that leaves with what `code` says."""
    path = folder / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)
    return path


@each
def test_only_a_complete_environment_is_taken(kernel, tmp_path):
    if not kernels.supported(kernel):
        pytest.skip("this machine cannot have it")
    assert kernels.python(kernel, tmp_path) is None, "there is none"
    incomplete = f'exec {sys.executable} "$1" "$2" "$3" "$4" no_such_library'  # whatever this Python is, it lacks that
    for name, code in {"broken": "exit 1", "gone": "exec /no/such/python", "incomplete": incomplete}.items():
        made(tmp_path / name / kernel.folder, code)
        assert kernels.python(kernel, tmp_path / name) is None, name
    path = made(tmp_path / "good" / kernel.folder, "exit 0")
    assert kernels.python(kernel, tmp_path / "good") == str(path)


@each
@pytest.mark.parametrize("found", ["/somewhere/python", None])
def test_what_the_kernel_becomes(kernel, found, monkeypatch):
    became = []
    monkeypatch.setattr(kernels, "python", lambda kernel: found)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(os, "execv", lambda path, command: became.append((path, command)))
    kernels.main([kernel.name, "-f", "file"])
    chosen = found or sys.executable
    assert became == [(chosen, [chosen, "-m", "ipykernel_launcher", "-f", "file"])]
    assert (os.environ.get("CUDA_VISIBLE_DEVICES") == "-1") == bool(found) == (kernel.instead not in os.environ)


def sentence(kernel, monkeypatch, *, supported=True, found=False, instead=False, make=True) -> str:
    monkeypatch.setattr(kernels, "supported", lambda kernel: supported)
    monkeypatch.setattr(kernels, "python", lambda kernel: "python" if found else None)
    monkeypatch.setattr(ready.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: "make" if make else None)
    monkeypatch.setenv(kernel.instead, "1") if instead else monkeypatch.delenv(kernel.instead, raising=False)
    monkeypatch.setattr(ready, "in_notebook", lambda: True)
    with pytest.raises(ready.NotReady) as caught:
        {TFF.name: tff, FLOWER.name: flower}[kernel.name].require()
    (line,) = caught.value._render_traceback_()
    assert "\n" not in line and line.count("。" if CHINESE.search(line) else ". ") <= 1
    return line


CASES = {
    "run `{make}` (": {"instead": True},
    "then choose the kernel “{title}”": {},
    "menu Kernel → Change Kernel": {"found": True},
    "is installed now: restart the kernel": {"found": True, "instead": True},
    "read the outputs that are saved in this chapter": {"supported": False},
    " -m venv {folder} && ": {"instead": True, "make": False},
}


@each
@pytest.mark.parametrize("part", CASES)
def test_where_the_engine_is_missing_one_sentence_says_what_to_do(kernel, part, monkeypatch):
    line = sentence(kernel, monkeypatch, **CASES[part])
    assert part.format(make=kernel.make, title=kernel.title, folder=kernel.folder) in line
    fl.use_language("zh")
    assert CHINESE.search(sentence(kernel, monkeypatch, **CASES[part]))


@each
def test_a_notebook_on_the_wrong_kernel_shows_that_sentence_and_no_traceback(kernel, monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setattr(ready.importlib.util, "find_spec", lambda name: None)
    shown = []
    shell = InteractiveShell()
    shell._showtraceback = lambda kind, value, lines: shown.append((kind.__name__, lines))
    shell.run_cell(f"import fedlab_utils as fl\nfl.{ {TFF: 'tff', FLOWER: 'flower'}[kernel]}.require()")
    ((name, lines),) = shown
    assert name == "NotReady" and len(lines) == 1 and "\n" not in lines[0]


@each
def test_make_and_the_notebooks_know_it_by_its_ending(kernel):
    makefile = (ROOT / "Makefile").read_text()
    assert f'--ignore-glob="*{kernel.ending}.ipynb"' in makefile and f"notebooks/*/*{kernel.ending}.ipynb" in makefile


def test_the_environment_of_flower_has_no_jupyterlab_nor_what_it_brings_into_every_process_of_ray():
    lock = (ROOT / "requirements-flower.txt").read_text()
    assert "\nipykernel==" in lock and "\nmatplotlib==" in lock
    for name in ("jupyterlab", "jupyter-server", "rfc3987-syntax"):
        assert f"\n{name}==" not in lock


@pytest.mark.flower
@pytest.mark.parametrize("name", ["jupyterlab", "jupyter_server", "rfc3987_syntax"])
def test_nor_can_it_be_imported_there(name):
    with pytest.raises(ImportError):
        __import__(name)
