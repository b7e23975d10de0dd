"""Where the data files are."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..language import say

T = TypeVar("T")

BOOK = Path(__file__).resolve().parents[2]  # the repository; where the package came in a wheel, the folder it is in


def loaded_once(load: Callable[[], T]) -> Callable[[], T]:
    """`functools.cache` for what is large, which lets two threads that come first each load it, and keep it: here the second
    waits for the first. What `load` raises is raised, and the next call tries again."""
    kept, one_by_one = functools.cache(load), threading.Lock()

    @functools.wraps(load)
    def loaded() -> T:
        with one_by_one:
            return kept()

    return loaded


def data_directory() -> Path:
    """Where the data files are: $FEDLAB_DATA if set, else `data/` beside the package, as in the book's repository."""
    return Path(os.environ.get("FEDLAB_DATA") or BOOK / "data")


def existing(file: str) -> tuple[Path, str]:
    """The path of a data file, and what mends it if it is damaged. FileNotFoundError, with what to do, where it is missing."""
    path = data_directory() / file
    mend = say(f"Restore it with `git checkout -- data/{file}`, or make it again as data/README.md says.",
               f"请用 `git checkout -- data/{file}` 恢复，或按 data/README.md 重新生成。")  # fmt: skip
    if not (BOOK / "data").is_dir():  # installed from a wheel, which carries no data
        mend = say(
            f"Take {file} from the folder data/ of the book's repository, whose README.md also says how to make it again.",
            f"请从本书仓库的 data/ 文件夹取 {file}，那里的 README.md 也说明怎样重新生成。")  # fmt: skip
    if not path.is_file():
        raise FileNotFoundError(say(f"{path} is missing. {mend} If it is elsewhere, set FEDLAB_DATA to its folder.",
                                    f"{path} 不存在。{mend}如果它在别处，请把 FEDLAB_DATA 设为它所在的文件夹。"))  # fmt: skip
    return path, mend


def damaged(path: Path, mend: str, error: Exception | str) -> ValueError:
    """That a data file is damaged, and what mends it."""
    return ValueError(say(f"{path} is damaged ({error}). {mend}", f"{path} 已损坏（{error}）。{mend}"))
