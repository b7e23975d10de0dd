"""The environments that engines run in, beside the book's own: is it there, and how is it made?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# What must be importable in each, and by which name.
MODULES = {
    "tff": ("tensorflow_federated", "fedlab_utils.engines.tff"), "flower": ("flwr", "ray", "keras"), "pfl": ("pfl", "torch"),
}  # fmt: skip
FOLDERS = {"tff": ".venv-tff", "flower": ".venv-flower-bench", "pfl": ".venv-pfl"}  # .venv-flower is the book's own, newer
FIND = "import importlib.util as u, sys; sys.exit(not all(u.find_spec(name) for name in sys.argv[1:]))"


def default(name: str) -> Path:
    return ROOT / FOLDERS[name]


def make(name: str) -> list[list[str]]:
    """The commands that make it at its default place, to be run in the root of the repository."""
    if name == "tff":
        return [["make", "tff"]]
    folder = FOLDERS[name]
    install = [f"{folder}/bin/python", "-m", "pip", "install", "-r", f"benchmarks/requirements-{name}.txt"]
    return [[sys.executable, "-m", "venv", folder], install]


def python(name: str, folder: Path) -> str | None:
    """The Python of this environment, or None unless it runs and has what the engine needs."""
    path = folder / "bin" / "python"
    if not os.access(path, os.X_OK):
        return None
    found = subprocess.run([str(path), "-I", "-c", FIND, *MODULES[name]], capture_output=True, check=False)
    return str(path) if found.returncode == 0 else None


def install(folders: dict[str, Path]) -> None:
    """Make those of the default places that are missing. CalledProcessError where that fails."""
    for name, folder in folders.items():
        if python(name, folder) is None and folder == default(name):
            for command in make(name):
                print("+", " ".join(command), flush=True)
                subprocess.run(command, cwd=ROOT, check=True)
