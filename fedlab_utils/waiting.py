"""A line that counts seconds, for work that cannot say how far it is: one compiled graph, another process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def waiting(text: str, shown: bool = True) -> Iterator[None]:
    """Show `text` and the time since, anew each second, until the work within has ended; what it took stays.

    shown: False shows nothing, so that a caller need not ask twice.
    """
    if not shown:
        yield
        return
    from tqdm.auto import tqdm  # here, because only who waits needs it

    ended = threading.Event()
    with tqdm(total=1, desc=text, bar_format="{desc} … {elapsed}") as bar:

        def tick() -> None:
            while not ended.wait(1):
                bar.refresh()

        clock = threading.Thread(target=tick, daemon=True)
        clock.start()
        try:
            yield
            bar.update()  # full, and in a notebook green; after an error it is neither
        finally:
            ended.set()
            clock.join()
