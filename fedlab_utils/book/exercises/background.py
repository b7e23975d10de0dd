"""Exercises of chapter 1: read an image off a gradient, average two clients, and four questions of concept."""

from __future__ import annotations

import numpy as np

from .asked.background import *  # noqa: F403
from .base import Exercise, Wrong, as_array, attempt


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
