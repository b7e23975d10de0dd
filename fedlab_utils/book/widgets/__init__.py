"""The apps of the book. Each is one line in a notebook: `fl.widgets.quantization_explorer()`."""

from importlib import import_module

# Imported at first use, so that the explorers do not wait for TensorFlow, which only the lab needs.
_WHERE = {
    "composer": "composing",
    "composer_still": "composing",
    "cost_calculator": "cost",
    "cost_still": "cost",
    "estimate_cost": "cost",
    "LabParameters": "lab_training",
    "lab_run": "lab_training",
    "live_lab": "lab",
    "live_lab_still": "lab",
    "train_lab": "lab_training",
    "distillation_explorer": "distillation",
    "distillation_still": "distillation",
    "pruning_explorer": "pruning",
    "pruning_still": "pruning",
    "playground": "lab_playground",
    "playground_still": "lab_playground",
    "ends_of": "lab_picture",
    "code_levels": "coding",
    "coding_explorer": "coding",
    "coding_still": "coding",
    "code_delta": "lossless",
    "code_picture": "lossless",
    "compression_explorer": "lossless",
    "compression_still": "lossless",
    "images_per_update": "reading",
    "images_per_update_still": "reading",
    "partitions_explorer": "partitions",
    "partitions_still": "partitions",
    "quantization_explorer": "quantization",
    "quantization_still": "quantization",
    "Spoken": "base",
    "sparsification_explorer": "sparsification",
    "sparsification_still": "sparsification",
    "tff_bits": "tff",
    "tff_bits_still": "tff",
    "TffRun": "tff",
}
__all__ = list(_WHERE)


def __getattr__(name):
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
