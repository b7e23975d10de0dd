"""Whether this process has an engine that lives in an environment of its own; where not, one sentence says what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

from ..language import say
from . import kernels
from .kernels import TFF, Kernel


class NotReady(RuntimeError):
    """This Python has not got the engine. A notebook shows the sentence alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def in_notebook() -> bool:
    """Whether this process is a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def require(kernel: Kernel) -> None:
    """NotReady, in one sentence that says what to do, where this process has not got the kernel's engine."""
    if importlib.util.find_spec(kernel.library) is None:
        raise NotReady(_what_to_do(kernel))


def _what_to_do(kernel: Kernel) -> str:
    name = kernel.product
    if not kernels.supported(kernel):
        return _not_here(kernel)
    here, ready = os.environ.get(kernel.instead), kernels.python(kernel) is not None
    if ready and here:
        return say(
            f"{name} is installed now: restart the kernel (menu Kernel → Restart Kernel).",
            f"{name} 已经装好：请重启内核（菜单 Kernel → Restart Kernel）。",
        )
    if ready:
        return say(
            f"This chapter needs another kernel: choose “{kernel.title}” in the menu Kernel → Change Kernel.",
            f"本章要用另一个内核：请在菜单 Kernel → Change Kernel 中选择“{kernel.title}”。",
        )
    command = kernel.make if shutil.which("make") else kernel.by_hand
    then = ("restart the kernel", "重启内核") if here else (f"choose the kernel “{kernel.title}”", f"选择内核“{kernel.title}”")
    return say(
        f"{name} is not installed yet: in a terminal, in the book's folder, run `{command}` ({kernel.takes[0]}), then {then[0]}.",
        f"还没有安装 {name}：请打开终端，在本书的文件夹里运行 `{command}`（{kernel.takes[1]}），然后{then[1]}。",
    )


def _not_here(kernel: Kernel) -> str:
    if kernel is TFF:
        return say(
            "TensorFlow Federated exists for Linux on x86-64 only: read the outputs that are saved in this chapter, "
            "or open the book on Binder.",
            "TensorFlow Federated 只有 Linux x86-64 版：请直接阅读本章已保存的输出，或在 Binder 上打开本书。",
        )
    return say(
        "Flower's programs are for Linux and macOS: read the outputs that are saved in this chapter, or open the book in WSL.",
        "Flower 的程序只支持 Linux 和 macOS：请直接阅读本章已保存的输出，或在 WSL 里打开本书。",
    )
