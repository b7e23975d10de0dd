"""A laboratory for Flower's programs on this machine: a folder, ports, processes, and nothing left of them afterwards.

Every process that is started here, and every one that these start, carries a mark in its environment. What is ended at the
end is what carries the mark, by its id, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .kernels import FLOWER

MARK, PART = "FEDLAB_FLOWER_LAB", "FEDLAB_FLOWER_PART"  # whose a process is, and by which of its programs it was started
# Ray sends nothing either, and stays on this machine (the second line).
QUIET = FLOWER.quiet | {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONUNBUFFERED": "1",
}  # fmt: skip
PATIENCE = 6.0  # seconds between asking a process to end and ending it


class Failed(RuntimeError):
    """Something did not start, or did not end as it should: one sentence, with the log to look into."""


class Lab:
    """The processes of one experiment. `with Lab(out) as lab:` ends them all, whatever happens, Ctrl-C included.

    out: the folder for logs (`out/logs`) and results; it stays. home: a folder that goes, for databases, keys and Ray.
    """

    def __init__(self, out: Path):
        self.out, self.logs = out, out / "logs"
        self._mark = uuid.uuid4().hex
        self._processes: list[tuple[str, subprocess.Popen]] = []
        self._closers: list[Callable[[], None]] = []
        self._handler: Any = None

    def __enter__(self) -> Lab:
        if os.name != "posix":
            raise Failed("Flower's SuperLink and Ray are for Linux and macOS; on Windows use WSL")
        self._handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in self.logs.glob("*.log"):
            old.unlink()
        self.home = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))  # short: Ray's sockets lie in it, of at most 107 characters
        own = {MARK: self._mark, "FLWR_HOME": str(self.home / "flwr"), "RAY_TMPDIR": str(self.home)}
        self.environment = os.environ | QUIET | own
        self.environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        return self

    def __exit__(self, *_: object) -> None:
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not stop the cleaning up
        try:
            self.close()
        finally:
            signal.signal(signal.SIGINT, interrupt)
            signal.signal(signal.SIGTERM, self._handler)

    def at_close(self, closer: Callable[[], None]) -> None:
        """Call this when the lab closes, before its processes are ended."""
        self._closers.append(closer)

    def start(self, name: str, command: Sequence[str], **environment: str) -> subprocess.Popen:
        """Start a program of this Python's environment; what it says goes to `logs/name.log`. In a session of its own, so that
        Ctrl-C reaches this program alone, which then ends the others in order."""
        with open(self.logs / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.home,
                env=self.environment | environment | {PART: str(len(self._processes))}, start_new_session=True,
            )  # fmt: skip
        self._processes.append((name, process))
        return process

    def run(self, name: str, command: Sequence[str], seconds: float = 60) -> str:
        """Run a program to its end, and return what it printed. `Failed` where it takes longer, or its code is not 0."""
        try:
            done = subprocess.run(
                list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.home,
                env=self.environment, timeout=seconds, text=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{name} took longer than {seconds:g} s") from error
        with open(self.logs / f"{name}.log", "a", encoding="utf-8") as log:
            log.write(done.stdout)
        if done.returncode:
            raise Failed(f"{name} ended with code {done.returncode}: {last_line(done.stdout)}")
        return done.stdout

    def wait(self, what: str, condition: Callable[[], bool], seconds: float, *needed: subprocess.Popen) -> None:
        """Wait until something is so. `Failed` after so many seconds, or when a process that is needed for it has ended."""
        end = time.monotonic() + seconds
        while not condition():
            for name, process in self._processes:
                if process in needed and process.poll() is not None:
                    raise Failed(f"{name} ended with code {process.returncode} before {what}: {self.last_words(name)}")
            if time.monotonic() > end:
                raise Failed(f"{seconds:g} s were not enough for this: {what}; the logs are in {self.logs}")
            time.sleep(0.3)

    def last_words(self, name: str) -> str:
        """The last line of a log, and where it is."""
        log = self.logs / f"{name}.log"
        return f"{last_line(log.read_text('utf-8', 'replace'))} ({log})"

    def end(self, process: subprocess.Popen, hard: bool = False) -> None:
        """End a process, and whatever it has started, also where it has left that behind: asked first, then forced. hard: as a
        power cut does, all at once."""
        if hard:
            self._kill(self._part_of(process))
        elif process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._kill(self._part_of(process))

    def _part_of(self, process: subprocess.Popen) -> str:
        return next(str(number) for number, (_, other) in enumerate(self._processes) if other is process)

    def _kill(self, part: str | None = None) -> None:
        """Kill what carries the mark, of all or of one part, until nothing does: one may just have started another."""
        import psutil

        for _ in range(10):
            left = list(self.marked(part))
            if not left:
                return
            for each in left:
                with contextlib.suppress(psutil.Error):
                    each.kill()
            psutil.wait_procs(left, 2)

    def marked(self, part: str | None = None) -> Iterator[Any]:
        """The processes that carry this lab's mark, as psutil knows them. part: only what one process has started."""
        import psutil

        for process in psutil.process_iter():
            if process.pid == os.getpid():
                continue
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                ours = environment.get(MARK) == self._mark and part in (None, environment.get(PART))
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def close(self) -> None:
        """End every process, and remove all but logs and results."""
        for closer in reversed(self._closers):
            with contextlib.suppress(Exception):  # the others must be closed all the same
                closer()
        running = [process for _, process in reversed(self._processes) if process.poll() is None]
        for process in running:
            process.terminate()
        end = time.monotonic() + PATIENCE
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
        self._kill()
        for _, process in self._processes:
            process.poll()
        self._closers.clear()
        shutil.rmtree(self.home, ignore_errors=True)


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip(" \t─│╭╮╰╯")]
    return lines[-1] if lines else "it said nothing"


def free_port(wanted: int = 0) -> int:
    """A free port of 127.0.0.1, or `wanted` itself; `Failed`, in a sentence, where that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise Failed(f"port {wanted} of this machine is taken: choose another, or 0 for any that is free") from error
        return int(probe.getsockname()[1])
