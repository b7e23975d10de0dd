"""The Jupyter kernel of chapter 5 on TensorFlow Federated, and what stands in for it where that is not installed.

    python -m fedlab_utils.engines.tff_kernel -f CONNECTION_FILE

becomes the kernel of `.venv-tff` if that is complete, else the book's own: then the chapter opens without a question,
and `tff.require`, in its first cell, says what to do.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "fedlab-tff"
INSTEAD = "FEDLAB_TFF_INSTEAD"  # set for the kernel that stands in, so that `tff.require` knows
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
# Found, not imported: that would take seconds.
COMPLETE = """
import importlib.util, os, sys
found = {name: importlib.util.find_spec(name) for name in ("ipykernel", "tensorflow_federated", "fedlab_utils")}
sys.exit(not (all(found.values()) and os.path.samefile(os.path.dirname(found["fedlab_utils"].origin), sys.argv[1])))
"""


def supported() -> bool:
    """Whether TensorFlow Federated 0.87.0 exists for this machine."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def python(root: Path = ROOT) -> str | None:
    """The Python of `.venv-tff`, or None unless it runs and has ipykernel, TFF and the package of this very tree."""
    path = root / ".venv-tff" / "bin" / "python"
    if not supported() or not os.access(path, os.X_OK):
        return None
    try:
        command = [str(path), "-I", "-c", COMPLETE, str(root / "fedlab_utils")]
        return str(path) if subprocess.run(command, capture_output=True, timeout=60).returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired):
        return None


def main(arguments: list[str]) -> None:
    chosen = python()
    os.environ |= QUIET if chosen else {INSTEAD: "1"}
    chosen = chosen or sys.executable
    command = [chosen, "-m", "ipykernel_launcher", *arguments]
    if sys.platform == "win32":  # exec would leave Jupyter with a process that has ended
        sys.exit(subprocess.run(command).returncode)
    os.execv(chosen, command)


if __name__ == "__main__":
    main(sys.argv[1:])
