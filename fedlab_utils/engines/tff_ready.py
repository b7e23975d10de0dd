"""Whether this process can run TensorFlow Federated; where it cannot, one sentence says what to do."""

from __future__ import annotations

import atexit
import logging
import os
from functools import cache
from typing import Any

from . import ready
from .kernels import TFF


def require() -> None:
    """Make this process fit for the chapter; NotReady, in one sentence that says what to do, where it has no TFF."""
    ready.require(TFF)
    os.environ.update(TFF.quiet)
    # Said whenever bits are packed; it names a bug tracker that no reader can open.
    logging.getLogger().addFilter(_not_about_memory)
    # "5 out of the last 5 calls … triggered retracing": true of every exercise that is tried five times, and harmless.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    atexit.register(_end_workers)


def _not_about_memory(record: logging.LogRecord) -> bool:
    return "can temporarily allocate extra memory" not in record.getMessage()


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
