"""Whether this process can run TensorFlow Federated; where it cannot, one sentence says what to do."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import os
import shutil
from functools import cache
from typing import Any

from ..language import say
from . import tff_kernel

BY_HAND = (
    "python3.11 -m venv .venv-tff && .venv-tff/bin/python -m pip install --no-deps -r requirements-tff.txt"
    " && .venv-tff/bin/python -m pip install --no-deps -e ."
)


class NotReady(RuntimeError):
    """This kernel has no TensorFlow Federated. A notebook shows the sentence alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def require() -> None:
    """Make this process fit for the chapter; NotReady, in one sentence that says what to do, where it has no TFF."""
    if importlib.util.find_spec("tensorflow_federated") is None:
        raise NotReady(_what_to_do())
    os.environ.update(tff_kernel.QUIET)
    # Said whenever bits are packed; it names a bug tracker that no reader can open.
    logging.getLogger().addFilter(_not_about_memory)
    # "5 out of the last 5 calls … triggered retracing": true of every exercise that is tried five times, and harmless.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    atexit.register(_end_workers)


def _not_about_memory(record: logging.LogRecord) -> bool:
    return "can temporarily allocate extra memory" not in record.getMessage()


def _what_to_do() -> str:
    if not tff_kernel.supported():
        return say(
            "TensorFlow Federated exists for Linux on x86-64 only: read this chapter with the outputs it came with, "
            "or open the book on Binder.",
            "TensorFlow Federated 只有 Linux x86-64 版：请直接阅读本章已保存的输出，或在 Binder 上打开本书。",
        )
    here, ready = os.environ.get(tff_kernel.INSTEAD), tff_kernel.python() is not None
    if ready and here:
        return say(
            "TensorFlow Federated is installed now: restart the kernel (menu Kernel → Restart Kernel).",
            "TensorFlow Federated 已经装好：请重启内核（菜单 Kernel → Restart Kernel）。",
        )
    if ready:
        return say(
            "This chapter needs another kernel: choose “TensorFlow Federated (fedlab)” in the menu Kernel → Change Kernel.",
            "本章要用另一个内核：请在菜单 Kernel → Change Kernel 中选择“TensorFlow Federated (fedlab)”。",
        )
    command = "make tff" if shutil.which("make") else BY_HAND
    kernel = ("restart the kernel", "重启内核") if here else (
        "choose the kernel “TensorFlow Federated (fedlab)”", "选择内核“TensorFlow Federated (fedlab)”"
    )  # fmt: skip
    return say(
        f"TensorFlow Federated is not installed yet: in a terminal, in the book's folder, run `{command}` "
        f"(it needs Python 3.11, takes a minute or two and 2.2 GB), then {kernel[0]}.",
        f"还没有安装 TensorFlow Federated：请打开终端，在本书的文件夹里运行 `{command}`"
        f"（需要 Python 3.11，约一两分钟、2.2 GB），然后{kernel[1]}。",
    )


def _end_workers() -> None:
    # TFF starts a process that outlives it, and whoever waits for its output (a pipe) would wait for ever.
    import psutil

    workers = [child for child in psutil.Process().children(recursive=True) if child.name() == "worker_binary"]
    for worker in workers:
        worker.kill()
    psutil.wait_procs(workers, 5)


@cache
def modules() -> tuple[Any, Any]:
    """TensorFlow and TensorFlow Federated, imported quietly; NotReady where there is none."""
    require()
    import tensorflow
    import tensorflow_federated

    return tensorflow, tensorflow_federated
