"""Exercises of chapter 1: read an image off a gradient, average two clients, and four questions of concept."""

from __future__ import annotations

import numpy as np

from .base import Exercise, Question, Wrong, as_array, attempt


def _layer(rng, n_inputs, signals):
    """The gradient of a dense layer for one image, where unit i has ∂L/∂z = signals[i]: image, kernel, bias."""
    image = rng.random(n_inputs)
    image[0] = 0  # a black pixel
    signals = np.asarray(signals, np.float64)
    return image, np.outer(image, signals), signals


def _image_from_gradient(function) -> None:
    rng = np.random.default_rng(0)
    cases = [_layer(rng, 6, [0.5, -0.2, 0.1]), _layer(rng, 6, [0, 0, -0.3, 0]), _layer(rng, 9, [0, 0.02, 0])]
    cases += [_layer(rng, 7, [0.25, -0.75, 0.5])]  # softmax: they add up to 0, exactly in these binary fractions
    for image, kernel, bias in cases:
        got = as_array(attempt(function, kernel, bias), image.shape, ("the image", "图片"))
        if np.allclose(got, image):
            continue
        if bias.sum() == 0 and not (np.isfinite(got).all() and got.any()):
            raise Wrong(
                "the bias gradients of all units add up to 0 here, as those of a softmax layer do: divide by that of one unit.",
                "这里所有单元的偏置梯度之和是 0（softmax 层总是如此）：请只除以某一个单元的偏置梯度。",
            )
        if not np.isfinite(got).all():
            raise Wrong(
                "there are NaN or infinities: a unit that was not active has bias gradient 0; choose one that was active.",
                "出现了 NaN 或无穷大。没有激活的单元，偏置的梯度是 0；请选一个激活了的单元。",
            )
        if any(np.allclose(got, kernel[:, unit]) for unit in np.flatnonzero(bias)):
            raise Wrong(
                "this is a column of the kernel gradient: the image times a factor. Divide by that unit's bias gradient.",
                "这是权重梯度的一列：图片乘以一个系数。请除以同一个单元的偏置梯度。",
            )
        if np.allclose(got, -image):
            raise Wrong("the picture is a negative: keep the sign of the bias gradient.", "得到的是负片：请保留偏置梯度的符号。")
        raise Wrong(
            f"for bias gradients {np.round(bias, 2).tolist()} the first pixels should be {np.round(image[:3], 3).tolist()}, "
            f"yours are {np.round(got[:3], 3).tolist()}.",
            f"偏置梯度为 {np.round(bias, 2).tolist()} 时，前几个像素应当是 {np.round(image[:3], 3).tolist()}，"
            f"你的结果是 {np.round(got[:3], 3).tolist()}。",
        )


image_from_gradient = Exercise(
    "background.image_from_gradient",
    "1.1",
    _image_from_gradient,
    (
        (
            "Column i of the kernel gradient is the image times ∂L/∂b[i].",
            "权重梯度的第 i 列等于图片乘以 ∂L/∂b[i]。",
        ),
        (
            "Some units have bias gradient 0. np.argmax(np.abs(bias_gradient)) names the strongest.",
            "有些单元的偏置梯度是 0。np.argmax(np.abs(bias_gradient)) 给出最强的那个。",
        ),
    ),
    """
def image_from_gradient(kernel_gradient, bias_gradient):
    unit = np.argmax(np.abs(bias_gradient))
    return kernel_gradient[:, unit] / bias_gradient[unit]
""",
    ("Three lines, and no data were ever sent.", "只有三行，而数据从未离开过客户端。"),
)


def _federated_average(function) -> None:
    cases = [
        (np.array([0.0, 0.0]), [np.array([0.2, 0.3]), np.array([0.6, 0.3])], [3, 1]),
        (np.array([1.0, -2.0]), [np.array([1.0, 0.5]), np.array([-1.0, 4.0]), np.array([0.0, 2.0])], [10, 30, 60]),
        (np.array([5.0]), [np.array([1.5])], [7]),
    ]  # fmt: skip
    for weights, deltas, sizes in cases:
        got = as_array(attempt(function, weights, deltas, sizes), weights.shape, ("the new weights", "新的权重"))
        shares = np.array(sizes) / np.sum(sizes)
        average = shares @ np.array(deltas)
        if np.allclose(got, weights + average):
            continue
        if np.allclose(got, weights + np.mean(deltas, axis=0)):
            raise Wrong(
                f"every client counts the same here; with {sizes} samples they must count in proportion to these.",
                f"这里每个客户端占的比重都一样；它们的样本数是 {sizes}，应当按样本数加权。",
            )
        if np.allclose(got, average):
            raise Wrong(
                "this is the average change: add it to the weights that the server had.",
                "这是平均变化量：还要加到服务器原来的权重上。",
            )
        if np.allclose(got, weights + np.array(sizes) @ np.array(deltas)):
            raise Wrong("divide by the number of samples of all clients.", "还要除以全部客户端的样本总数。")
        if np.allclose(got, weights - average):
            raise Wrong(
                "a delta is weights after minus weights before: add it. (A gradient would be subtracted.)",
                "增量是训练后的权重减去训练前的权重，应当相加。（梯度才是相减。）",
            )
        wanted, yours = np.round(weights + average, 3).tolist(), np.round(got, 3).tolist()
        raise Wrong(
            f"with {sizes} samples the new weights should be {wanted}, yours are {yours}.",
            f"样本数为 {sizes} 时，新的权重应当是 {wanted}，你的结果是 {yours}。",
        )


federated_average = Exercise(
    "background.federated_average",
    "1.2",
    _federated_average,
    (
        ("The share of a client is its sizes entry over sum(sizes).", "一个客户端所占的比重是它的样本数除以 sum(sizes)。"),
        (
            "np.average(deltas, axis=0, weights=sizes) is the weighted average.",
            "np.average(deltas, axis=0, weights=sizes) 就是加权平均。",
        ),
    ),
    """
def federated_average(weights, deltas, sizes):
    return weights + np.average(deltas, axis=0, weights=sizes)
""",
    ("This is the whole server of federated averaging.", "联邦平均的服务器端，全部就在这里。"),
)


what_stays = Question(
    "background.what_stays",
    (
        "A hospital says: “With federated learning nothing about our patients leaves the house.” What is true?",
        "一家医院说：“用了联邦学习，患者的任何信息都不会离开本院。”这句话对吗？",
    ),
    (
        (
            "True: only weights or gradients are sent, and these are mere numbers.",
            "对：发送的只是权重或梯度，不过是一些数而已。",
            "Numbers computed from data can tell the data: from the gradient of one image you read that image.",
            "由数据算出的数会透露数据：你刚刚从一张图片的梯度里读出了这张图片。",
        ),
        (
            "The raw data stay in the house, but the updates may tell something about them.",
            "原始数据留在本院，但更新可能透露其中的内容。",
            "How much depends on how many images and steps are mixed in one update; only further means give a guarantee.",
            "透露多少取决于一条更新里混合了多少图片、多少步；要得到保证，还需要别的手段。",
        ),
        (
            "False: the server can copy the data from the clients.",
            "不对：服务器可以从客户端复制数据。",
            "The server gets nothing but updates; it has no access to the data themselves.",
            "服务器得到的只有更新，接触不到数据本身。",
        ),
    ),
    right=1,
)

does_compression_hide = Question(
    "background.does_compression_hide",
    (
        "A client sends the gradient of one image, quantized to 8 bits: a quarter of the bytes. Is the image hidden now?",
        "一个客户端发送一张图片的梯度，量化到 8 位，字节数只剩四分之一。图片藏住了吗？",
    ),
    (
        (
            "Yes: with three quarters of the bytes three quarters of the image are gone.",
            "藏住了：少了四分之三的字节，图片也就少了四分之三。",
            "Every weight is still there, only more coarsely; the correlation hardly moved.",
            "每个权重都还在，只是粗了一点；相关系数几乎没有变。",
        ),
        (
            "Yes, if rounding is stochastic: noise is privacy.",
            "藏住了，只要用随机舍入：噪声就是隐私。",
            "Noise of the size of a step gives no stated guarantee; differential privacy adds noise measured for one.",
            "只有一级台阶大小的噪声给不出明确的保证；差分隐私加的噪声才是按保证算出来的。",
        ),
        (
            "No: codecs are made to keep what matters, and here the image is what matters.",
            "没有：编解码器要保留的正是重要的内容，而这里重要的内容就是图片。",
            "Measured above: at 8 bits the correlation stays above 0.99, and with 1 % of the components still above 0.9.",
            "前面测过：8 位时相关系数仍高于 0.99，只留 1 % 的分量时也仍高于 0.9。",
        ),
    ),
    right=2,
)

who_counts_how_much = Question(
    "background.who_counts_how_much",
    (
        "Client A has 900 images, client B 100. Both deltas are averaged. What share has B?",
        "客户端 A 有 900 张图片，B 有 100 张。对两者的增量求平均时，B 占多大比重？",
    ),
    (
        (
            "One half: there are two clients.",
            "二分之一：一共两个客户端。",
            "Then an image of B would count nine times as much as one of A.",
            "那样的话，B 的一张图片就抵得上 A 的九张。",
        ),
        (
            "One tenth: as many images as it has of all.",
            "十分之一：按它的图片占全部图片的比例。",
            "Every image counts the same, as if all lay in one place.",
            "每张图片的比重都一样，如同全部放在一处。",
        ),
        (
            "One ninth: 100 to 900.",
            "九分之一：100 比 900。",
            "The share is of all images: 100 of 1,000.",
            "要算的是在全部图片中的占比：1,000 张里的 100 张。",
        ),
    ),
    right=1,
)

what_compression_saves = Question(
    "background.what_compression_saves",
    (
        "Uplink messages shrink to one hundredth, the downlink stays float32. What happens to the bytes in all?",
        "上行消息缩小到百分之一，下行仍是 float32。总字节数会怎样？",
    ),
    (
        (
            "They fall to one hundredth.",
            "降到百分之一。",
            "Only the uplink does; the downlink is as large as before.",
            "只有上行如此；下行和原来一样大。",
        ),
        (
            "They fall to about one half.",
            "降到大约一半。",
            "Half was uplink and all but vanishes, the other half stays: compress both ways.",
            "原来一半是上行，几乎全省掉了；另一半原封不动：两个方向都要压缩。",
        ),
        (
            "They stay about the same.",
            "几乎不变。",
            "Uplink was half of all bytes, and it is nearly gone.",
            "上行原来占总字节数的一半，现在几乎没有了。",
        ),
    ),
    right=1,
)
