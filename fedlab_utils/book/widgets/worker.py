"""Training off the main thread, for apps: the newest position of the controls wins, and Stop works.

Drawing has a thread of its own beside it: a round does not wait for the picture of the round before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import ipywidgets as w

from ...language import say


class Worker:
    """Does the work of an app in a thread of its own, one position of the controls at a time.

    work(position): one training, which asks `go_on()` after every round. failed(error): shows what work has raised.
    around: makes a context manager for the thread. `stop_button` is to be placed by the app.
    """

    def __init__(self, work: Callable, failed: Callable[[Exception], None], around=nullcontext):
        self._work, self._failed, self._around = work, failed, around
        self._lock = threading.Lock()
        self._first: Callable[[], None] | None = None  # a job to be done before any other
        self._wanted = None  # the newest position; what is under way is given up for it
        self._stopped = False
        self._thread: threading.Thread | None = None
        self.stop_button = w.Button(description=say("Stop", "停止"), icon="stop", disabled=True)
        self.stop_button.on_click(self.stop)

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def overtaken(self) -> bool:
        """Whether a newer position than the one under way is waiting."""
        return self._wanted is not None

    def go_on(self) -> bool:
        """Whether the work under way is still wanted."""
        return not (self._stopped or self.overtaken)

    def start(self, position: Any) -> None:
        """Do the work for this position; work under way is given up for it."""
        with self._lock:
            self._wanted, self._stopped = position, False
            self._begin()

    def prepare(self, job: Callable[[], None]) -> None:
        """Do this before the work for any position that comes from now on; it cannot be stopped."""
        with self._lock:
            self._first = job
            self._begin()

    def _begin(self) -> None:
        if not self.busy:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def stop(self, _button: Any = None) -> None:
        """Stop after the round under way; what has been drawn stays."""
        self._stopped = True

    def wait(self, timeout: float | None = None) -> None:
        """Block until nothing runs, or for `timeout` seconds."""
        if (thread := self._thread) is not None:
            thread.join(timeout)

    def _run(self) -> None:
        with self._around():
            while True:
                with self._lock:
                    first, self._first = self._first, None
                    if first is None:
                        position, self._wanted = self._wanted, None
                        if position is None or self._stopped:
                            self._thread, self.stop_button.disabled = None, True
                            return
                self.stop_button.disabled = first is not None
                try:
                    if first is not None:
                        first()
                    else:
                        self._work(position)
                except Exception as error:  # shown where the reader looks; nothing is swallowed
                    self._failed(error)


class Newest:
    """Does something in a thread of its own with the newest of what it is given; what it did not get to is passed over.

    pause: seconds that it rests in between, unless somebody waits for it to finish, so that what gives it things gets on.
    """

    def __init__(self, do: Callable[[Any], None], pause: float = 0.0):
        self._do, self._pause = do, pause
        self._lock = threading.Lock()
        self._awaited = threading.Event()
        self._next: tuple[Any] | None = None
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def put(self, item: Any) -> None:
        """Returns at once; where no thread can start, as in a browser's Python, once it is done. item: must not change again."""
        with self._lock:
            self._next = (item,)
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, daemon=True)
            try:
                self._thread.start()
                return
            except RuntimeError:
                self._thread = None
        self._run()

    def finish(self) -> None:
        """Block until the newest is done. Raises what doing it has raised."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            self._awaited.set()
            thread.join()
            self._awaited.clear()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        while True:
            with self._lock:
                item, self._next = self._next, None
                if item is None:
                    self._thread = None
                    return
            try:
                self._do(*item)
            except Exception as error:  # told by `finish`
                self._error = error
            self._awaited.wait(self._pause)
