"""Helper package of the workbook on communication-efficient federated learning.

`import fedlab_utils as fl` takes no TensorFlow: what trains or draws is imported at its first use.
"""

from importlib import import_module

from . import coding
from .codecs import Codec, Identity, Quantize, Residual, TopK, decode
from .datasets import load_client_delta, load_mnist, partition_dirichlet, partition_iid, partition_shards
from .language import use_language
from .quantization import Quantized, dequantize, quantize
from .rotation import Eden, LloydMax, Rotate
from .sparsification import Sparse, random_k, top_k
from .stages import QSGD, BFloat16, Float16, RandomK, Sign, Threshold
from .theory import bits_per_weight, log2_binomial, nmse
from .uniform import EntropyQuantize

_LAZY = {
    "simulate": "federated",
    "History": "history",
    "partition_vertical": "datasets",
    "load_diabetes": "tables",
    "load_small_digits": "tables",
}
_LAZY_MODULES = (
    "baselines", "central", "distillation", "exercises", "federated", "figures", "models", "plotting", "privacy",
    "pruning", "tables", "tff", "vertical", "widgets",
)  # fmt: skip

__all__ = [
    "QSGD", "BFloat16", "Codec", "Eden", "EntropyQuantize", "Float16", "History", "Identity", "LloydMax", "Quantize",
    "Quantized", "RandomK", "Residual", "Rotate", "Sign", "Sparse", "Threshold", "TopK", "baselines", "bits_per_weight",
    "central", "coding", "decode", "dequantize", "distillation", "exercises", "federated", "figures",
    "load_client_delta", "load_diabetes", "load_mnist", "load_small_digits", "log2_binomial", "models", "nmse",
    "partition_dirichlet", "partition_iid", "partition_shards", "partition_vertical", "plotting", "privacy", "pruning",
    "quantize", "random_k", "simulate", "tables", "tff", "top_k", "use_language", "vertical", "widgets",
]  # fmt: skip


def __getattr__(name):
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    if name in _LAZY_MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
