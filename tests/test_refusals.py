"""What a reader's own model, arrays and numbers are refused with: one sentence, in the language of the edition."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from later import Later

import fedlab_utils as fl

PACKAGE = Path(fl.__file__).parent
CHINESE = re.compile("[\u4e00-\u9fff]")
keras = Later("keras", within="fedlab_utils.training.models")
losses = Later("fedlab_utils.training.losses")
X, Y = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32), np.arange(12, dtype=np.int32) % 3
CLIENTS = [np.arange(6), np.arange(6, 12)]


def data(x=X, y=Y):
    return fl.datasets.Dataset(x, y, x, y)


def net(*last, inputs=4):
    return keras.Sequential([keras.Input((inputs,)), *(last or [keras.layers.Dense(3, "softmax")])])


def two_ends(count, inputs):
    ends = [keras.Input((4,)) for _ in range(count)]
    x = keras.layers.Concatenate()(ends) if inputs else ends[0]
    made = [keras.layers.Dense(3, "softmax")(x) for _ in range(1 if inputs else count)]
    return keras.Model(ends if inputs else ends[0], made)


def train(model=None, given=None, clients=CLIENTS, **options):
    return fl.simulate(model or net(), given or data(), clients, **{"rounds": 1, "clients_per_round": 2, **options})


# What is met without training anything: by kind, a call, the error, and what it says in English and in Chinese.
PLAIN = {
    "partition, n_clients": (lambda: fl.partition_iid(Y, 13), ValueError, "n_clients must be in 1 … 12, got 13",
                             "n_clients 应在 1 … 12 之间，收到的是 13"),
    "partition, no number": (lambda: fl.partition_shards(Y, 2.5), TypeError, "n_clients must be an integer, got 2.5 (float)",
                             "n_clients 应为整数，收到的是 2.5（float）"),
    "partition, one-hot": (lambda: fl.partition_iid(np.eye(3)[Y], 2), ValueError,
                           "labels must be one-dimensional, got shape (12, 3); of one-hot rows take .argmax(axis=1)",
                           "labels 应为一维，收到的形状是 (12, 3)；若是 one-hot，请用 .argmax(axis=1)"),
    "partition, alpha": (lambda: fl.partition_dirichlet(Y, 2, alpha=0), ValueError, "alpha must be in (0, infinity), got 0",
                         "alpha 应在区间 (0, 无穷) 内，收到的是 0"),
    "arrays, one-hot": (lambda: fl.datasets.from_arrays(X, np.eye(3)[Y]), ValueError,
                        "y must hold one class for each of the 12 samples, got the shape (12, 3); of one-hot rows take "
                        "y.argmax(axis=1)",
                        "y 应为 12 个样本各给出一个类别，收到的形状是 (12, 3)；若是 one-hot，请用 y.argmax(axis=1)"),
    "quantize, bits": (lambda: fl.quantize(X, 20), ValueError, "bits must be in 1 … 16, got 20",
                       "bits 应在 1 … 16 之间，收到的是 20"),
    "quantize, rounding": (lambda: fl.quantize(X, 8, "up"), ValueError,
                           "rounding must be one of 'floor', 'nearest', 'stochastic', got 'up'",
                           "rounding 应为 'floor'、'nearest'、'stochastic' 之一，收到的是 'up'"),
    "quantize, no rng": (lambda: fl.quantize(X, 8, "stochastic"), ValueError, "draws random numbers: pass rng=",
                         "要抽随机数：请传入 rng=numpy.random.default_rng(seed)"),
    "codec, no rng": (lambda: fl.Rotate().encode(X), ValueError, "Rotate() draws random numbers: pass rng=",
                      "Rotate() 要抽随机数：请传入 rng="),
    "codec, NaN": (lambda: fl.Sign().encode([1.0, np.nan]), ValueError, "x must be finite, but x[1] is nan (1 such of 2)",
                   "x 应为有限的数，但 x[1] 是 nan（2 个中有 1 个）"),
    "codec, twice": (lambda: fl.TopK(0.1) | fl.TopK(0.2), TypeError,
                     "TopK(0.1) | TopK(0.2) holds a kind of stage twice (TopK), one of each is allowed",
                     "TopK(0.1) | TopK(0.2) 里同一种环节出现了两次（TopK），每种只能有一个"),
    "codec, two of a kind": (lambda: fl.TopK(0.1) | fl.Threshold(0.2), TypeError, "a kind of stage twice (TopK, Threshold)",
                             "同一种环节出现了两次（TopK、Threshold）"),
    "codec, rotated twice": (lambda: fl.Rotate() | fl.Eden(2), TypeError, "twice (Rotate), one of each is allowed; Eden rotates",
                             "出现了两次（Rotate），每种只能有一个；Eden 自己就会旋转"),
    "language": (lambda: fl.use_language("fr"), ValueError, "language must be one of 'en', 'zh', got 'fr'",
                 "language 应为 'en'、'zh' 之一，收到的是 'fr'"),
}  # fmt: skip

# What a model, data, clients and numbers are refused with before anything is trained.
TRAINED = {
    "samples": (lambda: train(net(inputs=5)), ValueError,
                "model takes samples of shape (5,), but those of data have the shape (4,): let its first layer be "
                "keras.Input((4,))",
                "model 接受的样本形状是 (5,)，而 data 里的样本形状是 (4,)：请让第一层为 keras.Input((4,))"),
    "outputs": (lambda: train(net(keras.layers.Dense(2, "softmax"))), ValueError,
                'model gives outputs of shape (8, 2) for 8 samples, the labels need 3 columns: let its last layer be '
                'Dense(3, "softmax")',
                'model 对 8 个样本给出的输出形状是 (8, 2)，而标签需要 3 列：请让最后一层为 Dense(3, "softmax")'),
    "outputs, of two classes": (lambda: train(net(keras.layers.Dense(1, "sigmoid")), data(y=Y % 2)), ValueError,
                                'the labels need 2 columns: let its last layer be Dense(2, "softmax")',
                                '标签需要 2 列：请让最后一层为 Dense(2, "softmax")'),
    "outputs, of logits": (lambda: train(net(keras.layers.Dense(2)),
                                         loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)), ValueError,
                           "the labels need 3 columns: let its last layer be Dense(3)", "标签需要 3 列：请让最后一层为 Dense(3)"),
    "outputs, not flat": (lambda: train(net(keras.layers.Reshape((2, 2)), keras.layers.Dense(3, "softmax"))), ValueError,
                          'the labels need 3 columns: let it end in Flatten(), Dense(3, "softmax")',
                          '标签需要 3 列：请让它以 Flatten()、Dense(3, "softmax") 结尾'),
    "labels, one-hot": (lambda: train(given=data(y=np.eye(3, dtype=np.int32)[Y])), ValueError,
                        "the labels need 2 columns for each of 3 time steps; of one-hot rows take .argmax(axis=1)",
                        "而标签需要 2 列（3 个时间步各要这么多）；标签若是 one-hot，请用 .argmax(axis=1)"),
    "labels, one-hot floats": (lambda: train(given=data(y=np.eye(3)[Y])), TypeError,
                               "data.y_train must hold integers, the numbers of the classes, got dtype float64; of one-hot rows "
                               "take data.y_train.argmax(axis=1)",
                               "data.y_train 应为整数，即类别的编号，收到的类型是 float64；若是 one-hot，"
                               "请用 data.y_train.argmax(axis=1)"),
    "labels, floats": (lambda: train(given=data(y=Y.astype(float))), TypeError,
                       "data.y_train must hold integers, the numbers of the classes, got dtype float64",
                       "data.y_train 应为整数，即类别的编号，收到的类型是 float64"),
    "labels, below 0": (lambda: train(given=data(y=Y - 1)), ValueError, "data.y_train[0] is -1, but labels count from 0",
                        "data.y_train[0] 是 -1，但标签从 0 开始编号"),
    "labels, too few": (lambda: train(given=data(y=Y[:5])), ValueError, "data.y_train has 5 labels for 12 samples",
                        "data.y_train 有 5 个标签，而样本有 12 个"),
    "inputs, bytes": (lambda: train(given=data(x=X.astype(np.uint8))), TypeError,
                      "got uint8: pass data.x_train.astype('float32') / 255",
                      "收到的是 uint8：请传入 data.x_train.astype('float32') / 255"),
    "inputs, a list": (lambda: train(given=data(x=X.tolist())), TypeError, "must be a NumPy array, got list: pass numpy.asarray(",
                       "应为 NumPy 数组，收到的是 list：请传入 numpy.asarray("),
    "probabilities": (lambda: train(net(keras.layers.Dense(3))), ValueError,
                      "model must give probabilities: end it with softmax, or pass loss=", 
                      "model 应当输出概率：请让它以 softmax 结尾，或传入 loss="),
    "not built": (lambda: train(keras.Sequential([keras.layers.Dense(3, "softmax")])), ValueError,
                  "model has no weights yet: give it a keras.Input as its first layer",
                  "model 还没有权重：请让它以 keras.Input 开头"),
    "two inputs": (lambda: train(two_ends(2, inputs=True)), ValueError, "model has 2 inputs, one is supported: join them",
                   "model 有 2 个输入，这里只支持一个：请合并成一个张量"),
    "two outputs": (lambda: train(two_ends(2, inputs=False)), ValueError, "model has 2 outputs, one is supported",
                    "model 有 2 个输出，这里只支持一个"),
    "no model": (lambda: train("a model"), TypeError, "model must be a Sequential or functional Keras model, got str",
                 "model 应为 Keras 的 Sequential 或函数式模型，收到的是 str"),
    "no Dataset": (lambda: train(given=(X, Y)), TypeError, "data must be a Dataset, as load_mnist() gives it: pass fl.datasets.",
                   "data 应为 Dataset，如 load_mnist() 所给的：请传入 fl.datasets."),
    "loss": (lambda: train(loss="crossentropy of mine"), ValueError, "loss must be a Keras loss or the name of one, got",
             "loss 应为 Keras 的损失或它的名字，收到的是"),
    "optimizer": (lambda: train(optimizer="adam"), TypeError, "optimizer must be a Keras optimizer such as",
                  "optimizer 应为 Keras 优化器"),
    "clients_per_round": (lambda: train(clients_per_round=3), ValueError,
                          "clients_per_round must be in 1 … 2 (the number of clients), got 3",
                          "clients_per_round 应在 1 … 2（客户端数）之间，收到的是 3"),
    "clients, an index": (lambda: train(clients=[np.arange(13), CLIENTS[1]]), ValueError,
                          "clients[0] holds the index 12, allowed are 0 … 11", "clients[0] 里有下标 12，允许的是 0 … 11"),
    "clients, empty": (lambda: train(clients=[CLIENTS[0], np.arange(0)]), ValueError,
                       "clients[1] is empty: every client needs at least one sample",
                       "clients[1] 是空的：每个客户端至少要有一个样本"),
    "clients, a number": (lambda: train(clients=2), TypeError, "clients must be a list with an array of sample indices",
                          "clients 应为列表，每个客户端一个样本下标的数组"),
    "rounds": (lambda: train(rounds=0), ValueError, "rounds must be at least 1, got 0", "rounds 至少为 1，收到的是 0"),
    "learning_rate": (lambda: train(learning_rate=0), ValueError, "learning_rate must be in (0, infinity), got 0",
                      "learning_rate 应在区间 (0, 无穷) 内，收到的是 0"),
    "first_model": (lambda: train(first_model="seeds"), ValueError, "first_model must be 'dense', 'seed' or a codec such as",
                    "first_model 应为 'dense'、'seed' 或一个编解码器"),
    "first_model, not seeded": (lambda: train(first_model="seed"), ValueError,
                                "first_model='seed' cannot stand for this model: GlorotUniform of layer",
                                "first_model='seed' 不适用于这个模型：层 "),
    "uplink": (lambda: train(uplink=8), TypeError, "uplink must be a codec such as TopK(0.01) | Quantize(8), got 8",
               "uplink 应为编解码器，例如 TopK(0.01) | Quantize(8)，收到的是 8"),
    "validation": (lambda: train(validation=[3]), ValueError, "validation holds sample 3, which clients[0] trains on",
                   "validation 里的样本 3 也在 clients[0] 的训练数据里"),
    "diverged": (lambda: train(given=data(x=1e30 * X), learning_rate=1e30), FloatingPointError,
                 "the weights are no longer finite; try a smaller learning_rate", "权重已不是有限的数；请减小 learning_rate"),
}  # fmt: skip


def refused(kind, language):
    call, error, english, chinese = kind
    with pytest.raises(error, match=re.escape({"en": english, "zh": chinese}[language])) as told:
        call()
    text = str(told.value)
    assert "\n" not in text and bool(CHINESE.search(text)) == (language == "zh")


@pytest.mark.parametrize("kind", PLAIN.values(), ids=PLAIN)
def test_what_cannot_be_used_is_told_in_the_language_of_the_edition(kind, language):
    refused(kind, language)


@pytest.mark.training
@pytest.mark.parametrize("kind", TRAINED.values(), ids=TRAINED)
def test_what_cannot_be_trained_is_told_in_the_language_of_the_edition(kind, language):
    refused(kind, language)


# The law: what a reader may meet is said in both languages

# Who passes these bytes on is no reader, and what is wrong with them is for a developer: damaged messages, a module's names.
DAMAGED = re.compile(r"damaged (payload|recipe)")
FOR_PROGRAMMERS = {
    "__init__.py": {"module"},  # an attribute that is not there, in Python's own words
    "data/tables.py": {"a line ends too early"},  # told within "… is damaged"
    "measuring/files.py": {"a header of"},
    "measuring/safetensors.py": {"a name twice"},
    "streams.py": {"a stream of"},
}
ELSEWHERE = ("book/", "engines/")  # `Wrong` takes a pair; Flower's and TFF's processes have no edition


def english_only(source):
    """Sentences that errors of a module say in one language: literals that are an argument of the error, and not of `say`."""
    nodes = list(ast.walk(ast.parse(source)))
    calls = {node.exc for node in nodes if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)}
    calls |= {node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error")}
    arguments = [argument for call in calls for argument in call.args if not isinstance(argument, ast.Call)]
    texts = ("".join(str(part.value) for part in ast.walk(one) if isinstance(part, ast.Constant)) for one in arguments)
    return sorted(text for text in texts if re.search(r"[a-z] ", text))


@pytest.mark.parametrize(
    "module",
    [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if not path.relative_to(PACKAGE).as_posix().startswith(ELSEWHERE)
    ],
)
def test_what_a_module_refuses_it_says_in_both_languages(module):
    found = [words for words in english_only((PACKAGE / module).read_text("utf-8")) if not DAMAGED.match(words)]
    allowed = FOR_PROGRAMMERS.get(module, set())
    assert [words for words in found if not words.startswith(tuple(allowed) or "\0")] == []
    assert len(found) == len(allowed), "an exception that nothing makes use of"


def test_a_sentence_in_one_language_is_seen():
    source = """
raise ValueError("x is wrong")
raise kind(f"{name} must be {y}") from error
raise TypeError("x " "is" + " wrong")
raise ValueError(say("x is wrong", "x 有误"))
raise Diverged(number + 1, who, "loss")
return ValueError("x is bad")
raise _unknown(text)
raise
"""
    assert english_only(source) == [" must be ", "x is bad", "x is wrong", "x is wrong"]
