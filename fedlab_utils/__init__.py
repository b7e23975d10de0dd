"""Helper package of the workbook on communication-efficient federated learning.

`import fedlab_utils as fl` takes no TensorFlow: what trains, draws or reads files is imported at its first use.
"""

from importlib import import_module
from typing import Any

from .codecs import (
    DCT,
    QSGD,
    BFloat16,
    Blocks,
    Codec,
    Eden,
    EntropyQuantize,
    FixedStep,
    Float16,
    Identity,
    LloydMax,
    Quantize,
    RandomK,
    Residual,
    Rotate,
    Sign,
    Threshold,
    TopK,
    decode,
)  # fmt: skip
from .quantization import Quantized, dequantize, quantize
from .sparsification import Sparse, random_k, top_k
from .theory import bits_per_weight, log2_binomial, nmse

# Where a name of `fl.…` lives that is imported at its first use: a function or class, or else a module.
_NAMES = {
    "Dataset": "data.mnist",
    "History": "federation.history",
    "compare": "federation.comparison",
    "load_classics": "data.tables",
    "load_client_delta": "data",
    "load_deltas": "data",
    "load_diabetes": "data.tables",
    "load_mnist": "data",
    "load_small_digits": "data.tables",
    "load_trainings": "federation.trainings",
    "measure": "measuring.every_codec",
    "partition_dirichlet": "data",
    "partition_iid": "data",
    "partition_shards": "data",
    "partition_vertical": "data",
    "simulate": "federation.simulate",
    "start_at": "book.starting",
    "report": "book.report",
    "use_language": "book.fonts",
}
_MODULES = {
    "baselines": "federation.baselines",
    "capstone": "book.capstone",
    "central": "training.central",
    "coding": "codecs",
    "datasets": "data",
    "distillation": "distillation",
    "distributed": "federation.distributed",
    "exercises": "book.exercises",
    "federated": "federation.simulate",
    "fleet": "federation.fleet",
    "figures": "book.figures",
    "flower": "engines.flower",
    "models": "training.models",
    "plotting": "book.plotting",
    "privacy": "federation.privacy",
    "pruning": "pruning",
    "recipe": "federation.recipe",
    "supports": "codecs.supports",
    "tables": "data.tables",
    "tff": "engines.tff",
    "vertical": "federation.vertical",
    "widgets": "book.widgets",
}

__all__ = [
    "DCT", "QSGD", "BFloat16", "Blocks", "Codec", "Eden", "EntropyQuantize", "FixedStep", "Float16", "Identity",
    "LloydMax", "Quantize", "Quantized", "RandomK", "Residual", "Rotate", "Sign", "Sparse", "Threshold", "TopK",
    "bits_per_weight", "decode", "dequantize", "log2_binomial", "nmse", "quantize", "random_k", "top_k", *_NAMES, *_MODULES,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("fedlab-utils")
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{_MODULES[name]}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
