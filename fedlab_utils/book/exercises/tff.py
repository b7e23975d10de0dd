"""Exercises of chapter 5 on TensorFlow Federated: finish `model_fn`, choose an aggregator, and one question."""

from __future__ import annotations

import numpy as np

from ...data import load_client_delta, load_mnist, partition_iid
from ...engines import tff
from .asked.tff import *  # noqa: F403
from .base import Exercise, Wrong, attempt
from .sending import deciding, hold_accuracy, megabytes

BUDGET_BYTES = 4_000_000
WANTED_ACCURACY = 0.91


def _model_fn(function) -> None:
    tf, federated = tff.modules()
    model = attempt(function)
    if isinstance(model, tf.keras.Model):
        raise Wrong(
            "this is a Keras model; TFF wants it wrapped: tff.learning.models.from_keras_model(…).",
            "这是 Keras 模型；TFF 需要把它包装起来：tff.learning.models.from_keras_model(…)。",
        )
    if not isinstance(model, federated.learning.models.VariableModel):
        kind = type(model).__name__
        raise Wrong(f"return what from_keras_model gives, not {kind}.", f"应当返回 from_keras_model 的结果，而不是 {kind}。")
    spec = model.input_spec
    if not isinstance(spec, tuple) or [(s.dtype, s.shape.rank) for s in spec] != [(tf.float32, 3), (tf.int32, 1)]:
        raise Wrong(
            "input_spec must be a pair, as our batches are: images float32 [None, 28, 28], labels int32 [None].",
            "input_spec 应当与我们的批次一致，是一对：图片 float32 [None, 28, 28]，标签 int32 [None]。",
        )
    if any(s.shape[0] is not None for s in spec):
        raise Wrong(
            "the first dimension of input_spec must be None: batches differ in length (evaluation takes 1,000 images).",
            "input_spec 的第一维应当是 None：批次有长有短（评估时一次 1,000 张图片）。",
        )
    if [tuple(v.shape) for v in model.trainable_variables] != list(tff.SHAPES):
        raise Wrong("the weights are not those of the document's model.", "权重的形状与文档的模型不同。")
    images, labels = load_mnist().x_train[:5], load_mnist().y_train[:5]
    try:
        output = model.forward_pass((tf.constant(images), tf.constant(labels)), training=False)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise Wrong(
            "the loss does not fit the labels: they are whole numbers 0 … 9, so the loss is SparseCategoricalCrossentropy().",
            "损失函数与标签不符：标签是 0 … 9 的整数，应当用 SparseCategoricalCrossentropy()。",
        ) from error
    chance = output.predictions.numpy()
    if not np.allclose(chance.sum(axis=1), 1, atol=1e-3):
        raise Wrong("the document's model ends in softmax.", "文档的模型最后一层是 softmax。")
    if not np.isclose(float(output.loss), -np.log(chance[np.arange(5), labels]).mean(), rtol=1e-3):
        raise Wrong(
            "the loss is not the cross-entropy of the model's probabilities: softmax is in the model, so no from_logits=True.",
            "损失不是模型输出概率的交叉熵：模型里已有 softmax，不要写 from_logits=True。",
        )
    if attempt(function).trainable_variables[0] is model.trainable_variables[0]:
        raise Wrong(
            "every call must make a new Keras model: TFF calls model_fn in graphs of its own.",
            "每次调用都要新建一个 Keras 模型：TFF 会在自己的计算图里调用 model_fn。",
        )
    if not any("accuracy" in name for name in model.report_local_unfinalized_metrics()):
        raise Wrong(
            "the metric is missing: metrics=[tf.keras.metrics.SparseCategoricalAccuracy()].",
            "还缺评估指标：metrics=[tf.keras.metrics.SparseCategoricalAccuracy()]。",
        )


model_fn = Exercise(
    "tff.model_fn",
    "5.5",
    _model_fn,
    (
        (
            "Four things: the Keras model, the loss, the metrics, and input_spec, which says what a batch looks like.",
            "四样东西：Keras 模型、损失、指标，以及说明批次形状的 input_spec。",
        ),
        (
            "Labels are whole numbers, softmax is in the model: SparseCategoricalCrossentropy(), SparseCategoricalAccuracy().",
            "标签是整数，模型里已有 softmax：用 SparseCategoricalCrossentropy() 和 SparseCategoricalAccuracy()。",
        ),
        (
            "A batch is a pair: input_spec=(tf.TensorSpec([None, 28, 28], tf.float32), tf.TensorSpec([None], tf.int32))",
            "一个批次是一对：input_spec=(tf.TensorSpec([None, 28, 28], tf.float32), tf.TensorSpec([None], tf.int32))",
        ),
    ),
    """
def model_fn():
    keras_model = create_keras_model()
    return tff.learning.models.from_keras_model(
        keras_model,
        loss=tf.keras.losses.SparseCategoricalCrossentropy(),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
        input_spec=(tf.TensorSpec([None, 28, 28], tf.float32), tf.TensorSpec([None], tf.int32)),
    )
""",
    ("The document's last line is finished.", "文档停下的那一行，补完了。"),
)


def _aggregator(answer) -> tuple[str, str]:
    _, federated = tff.modules()
    kinds = federated.aggregators
    if isinstance(answer, kinds.UnweightedAggregationFactory) and not isinstance(answer, kinds.WeightedAggregationFactory):
        raise Wrong(
            "this one adds up; clients are to be averaged by their samples: tff.aggregators.MeanFactory(…) around it.",
            "这个只求和；客户端要按样本数加权平均：外面套上 tff.aggregators.MeanFactory(…)。",
        )
    if not isinstance(answer, kinds.WeightedAggregationFactory):
        kind = type(answer).__name__
        raise Wrong(f"expected a TFF aggregation factory, got {kind}.", f"需要 TFF 的聚合器工厂，得到的是 {kind}。")
    message = tff.n_bytes(tff.sent_tensors(answer, load_client_delta()))
    total = message * 100
    if total > BUDGET_BYTES:
        per_weight, spent = 8 * message / 101_770, deciding(total / 1e6, BUDGET_BYTES / 1e6, 2)
        raise Wrong(
            f"{spent} MB ({per_weight:.2f} bits a weight), {BUDGET_BYTES / 1e6:g} MB are allowed.",
            f"{spent} MB（每个权重 {per_weight:.2f} 位），只允许 {BUDGET_BYTES / 1e6:g} MB。",
        )
    data = load_mnist()
    clients = partition_iid(data.y_train, n_clients=100, seed=0)
    kept = np.concatenate(clients[90:])  # the images of ten clients who do not train
    done = tff.train(answer, data, clients[:90], validation=kept)
    return hold_accuracy(megabytes(total), done.validation_accuracy[-1], done.accuracy[-1], WANTED_ACCURACY)


aggregator = Exercise(
    "tff.aggregator",
    "5.6",
    _aggregator,
    (
        (
            "100 messages in 4 MB: 40 kB each, of which 5.7 kB are the tensors below the threshold.",
            "4 MB 要装 100 条消息：每条 40 kB，其中 5.7 kB 是低于阈值、没有量化的张量。",
        ),
        (
            "The others have 34 kB for 100,000 weights, less than 3 bits each: see quantize_above_threshold(bits) above.",
            "其余的 34 kB 要装十万个权重，每个不到 3 位：上面见过 EncodedSumFactory.quantize_above_threshold(位数)。",
        ),
        (
            "Few bits survive only if rounding is unbiased, and that is what TFF does unless it is told otherwise.",
            "位数很少时，舍入必须无偏；TFF 默认就是这样做的。",
        ),
    ),
    "aggregator = tff.aggregators.MeanFactory(tff.aggregators.EncodedSumFactory.quantize_above_threshold(2))",
    ("A twelfth of the bytes of float32, and its accuracy.", "字节数只有 float32 的十二分之一，准确率一样。"),
)
