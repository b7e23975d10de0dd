"""The Jupyter kernels of chapters that need an environment of their own, and what stands in where that is not installed.

    python -m fedlab_utils.engines.kernels fedlab-tff -f CONNECTION_FILE

becomes the kernel of `.venv-tff` if that is complete, else the book's own: then the chapter opens without a question, and
`require`, in its first cell, says what to do (`ready`).
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
# Found, not imported: that would take seconds.
COMPLETE = """
import importlib.util, os, sys
found = {name: importlib.util.find_spec(name) for name in ("ipykernel", sys.argv[2], "fedlab_utils")}
sys.exit(not (all(found.values()) and os.path.samefile(os.path.dirname(found["fedlab_utils"].origin), sys.argv[1])))
"""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel with an environment of its own.

    name, title: as Jupyter lists it. folder: of its environment. library: what that holds and the book's own Python does not;
    product: its name in a sentence. make: makes the environment, as by_hand does where there is no make; takes: what it
    needs, (en, zh). quiet: set in its processes.
    """

    name: str
    title: str
    folder: str
    library: str
    product: str
    make: str
    by_hand: str
    takes: tuple[str, str]
    quiet: dict[str, str]

    @property
    def ending(self) -> str:
        """What the file name of a chapter on it ends in: make finds those by it."""
        return self.name.replace("fedlab-", "_")

    @property
    def instead(self) -> str:
        """The variable that is set for the kernel that stands in, so that `require` knows."""
        return self.name.replace("-", "_").upper() + "_INSTEAD"


TFF = Kernel(
    "fedlab-tff", "TensorFlow Federated (fedlab)", ".venv-tff", "tensorflow_federated", "TensorFlow Federated", "make tff",
    "python3.11 -m venv .venv-tff && .venv-tff/bin/python -m pip install --no-deps -r requirements-tff.txt"
    " && .venv-tff/bin/python -m pip install --no-deps -e .",
    ("it needs Python 3.11, takes a minute or two and 2.2 GB", "需要 Python 3.11，约一两分钟、2.2 GB"),
    QUIET,
)  # fmt: skip
FLOWER = Kernel(
    "fedlab-flower", "Flower (fedlab)", ".venv-flower", "flwr", "Flower", "make flower-env",
    "python3 -m venv .venv-flower && .venv-flower/bin/python -m pip install -r requirements-flower.txt"
    " && .venv-flower/bin/python -m pip install --no-deps -e .",
    ("it takes a minute or two and 2 GB", "约一两分钟、2 GB"),
    # Nothing is sent anywhere, and nothing is installed.
    {**QUIET, "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1",
     "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1"},
)  # fmt: skip
KERNELS = {kernel.name: kernel for kernel in (TFF, FLOWER)}


def supported(kernel: Kernel) -> bool:
    """Whether this machine can have it: TFF 0.87.0 is for Linux on x86-64, Flower's programs are for Linux and macOS."""
    if kernel is TFF:
        return sys.platform == "linux" and platform.machine() == "x86_64"
    return os.name == "posix"


def python(kernel: Kernel, root: Path = ROOT) -> str | None:
    """The Python of its environment; None unless that runs and has ipykernel, the library, and the package of this very tree."""
    path = root / kernel.folder / "bin" / "python"
    if not supported(kernel) or not os.access(path, os.X_OK):
        return None
    try:
        command = [str(path), "-I", "-c", COMPLETE, str(root / "fedlab_utils"), kernel.library]
        return str(path) if subprocess.run(command, capture_output=True, timeout=60).returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired):
        return None


def main(arguments: list[str]) -> None:
    """Become the kernel that is named first; the rest is for ipykernel."""
    kernel, *rest = KERNELS[arguments[0]], *arguments[1:]
    chosen = python(kernel)
    os.environ |= kernel.quiet if chosen else {kernel.instead: "1"}
    chosen = chosen or sys.executable
    command = [chosen, "-m", "ipykernel_launcher", *rest]
    if sys.platform == "win32":  # exec would leave Jupyter with a process that has ended
        sys.exit(subprocess.run(command).returncode)
    os.execv(chosen, command)


if __name__ == "__main__":
    main(sys.argv[1:])
