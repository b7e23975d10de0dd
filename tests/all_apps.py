"""Every app that the book's own kernel runs, once: the browser tests and `benchmarks/eye.py` go by this list."""

from typing import NamedTuple

SETUP = """import fedlab_utils as fl
fl.use_language("{language}")
data, model = fl.load_mnist(), fl.central.mlp(128)
images = data.x_test[:3]
weights = fl.central.train(model, data.x_train[:20_000], data.y_train[:20_000])"""


class Shown(NamedTuple):
    """An app. call: after `fl.widgets.`, and after SETUP. slider: which one is moved, where one will do. asks: it is locked until
    its question is answered. trains: round by round, beside the reader."""

    call: str
    slider: int = 1
    asks: bool = True
    trains: bool = False

    def code(self, predict: bool = True) -> str:
        """The line that shows it. predict: with its question, where it has one."""
        if predict or not self.asks:
            return f"fl.widgets.{self.call}"
        return f"fl.widgets.{self.call[:-1]}{'' if self.call.endswith('()') else ', '}predict=False)"

    @property
    def name(self) -> str:
        """What its line begins with."""
        return f"fl.widgets.{self.call.partition('(')[0]}("


APPS = {
    "reading": Shown("images_per_update()", asks=False),
    "cost": Shown("cost_calculator()"),
    "partitions": Shown("partitions_explorer()", slider=3),
    "lossless": Shown("compression_explorer()", slider=2),
    "quantization": Shown("quantization_explorer()"),
    "sparsification": Shown("sparsification_explorer()"),
    "coding": Shown("coding_explorer()"),
    "composer": Shown("composer()"),
    "pruning": Shown("pruning_explorer(weights)"),
    "distillation": Shown("distillation_explorer(images, fl.central.logits(model, images, weights), data.y_test[:3])"),
    "lab": Shown("live_lab()", slider=3, trains=True),
    "playground": Shown("playground()", slider=3, trains=True),
}
