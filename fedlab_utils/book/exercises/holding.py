"""Exercise 1.1: whose gradient holds an image."""

from __future__ import annotations

import numpy as np

from .base import Exercise, Wrong, as_number, attempt


def _update(images, signals):
    """The mean gradient of a dense layer for some images, where image i has ∂L/∂z = signals[i]: kernel [pixels, units], bias."""
    images, signals = np.atleast_2d(images), np.atleast_2d(np.asarray(signals, np.float64))
    return images.T @ signals / len(images), signals.mean(axis=0)


BY_ROUNDING = (
    "If you compare with ==, use np.allclose: dividing rounds.", "若用了 ==，请改用 np.allclose：除法有舍入误差。"
)  # fmt: skip


def _who_holds_it(function) -> None:
    rng = np.random.default_rng(0)
    a, b, c, d = rng.random((4, 6))
    a[0] = 0  # a black pixel
    alike = a.copy()
    alike[2] += 0.2
    own_unit = [[0.5, 0.4, 0.0, 0.02], [0.3, -0.6, 0.1, 0.0]]  # of two images: only the last unit saw the first alone
    cases = [
        (a, [_update(b, [0.5, -0.2, 0.1]), _update(a, [0.4, 0.3, -0.1]), _update(c, [0.2, 0.1, 0.3])], 1),
        (a, [_update(a, [0, 0, -0.3, 0]), _update(b, [0, 0.2, 0, 0.1])], 0),  # three units are dead
        (a, [_update([b, c], own_unit), _update([d, b], own_unit), _update([a, c], own_unit)], 2),
        (a, [_update(alike, [0.3, -0.2]), _update(b, [0.1, 0.4])], -1),
        (a, [_update(c, [0.5, -0.5]), _update(a, [0.25, -0.75, 0.5])], 1),  # softmax: they add up to 0
    ]
    for number, (image, updates, expected) in enumerate(cases):
        got = as_number(attempt(function, image, updates), ("the client", "客户端编号"))
        if got == expected:
            continue
        if got not in range(-1, len(updates)):
            raise Wrong(
                f"return the number of a client, 0 to {len(updates) - 1}, or -1 for nobody; yours is {got:g}.",
                f"请返回客户端的编号（0 到 {len(updates) - 1}），谁都没有就返回 -1；你返回的是 {got:g}。",
            )
        if expected == -1:
            raise Wrong(
                f"You returned {got:g}, whose image is only alike: one pixel differs by 0.2, and nobody has this one. "
                "Test for equality up to rounding, not for likeness.",
                f"你返回的是 {got:g}：它的图片只是相像，有一个像素差 0.2，这一张谁也没有。请比较是否相等（只差舍入），"
                "不要比较有多像。",
            )
        if number == 2 and got >= 0:
            raise Wrong(
                f"You returned {got:g}, whose image is only alike. Test for equality up to rounding, not for likeness.",
                f"你返回的是 {got:g}：它的图片只是相像。请比较是否相等（只差舍入），不要比较有多像。",
            )
        if number == 2:
            raise Wrong(
                f"You returned -1, but one unit of client {expected} saw this image only. Did you try every unit? "
                f"{BY_ROUNDING[0]}",
                f"你返回的是 -1，可是客户端 {expected} 有一个单元只见过这一张。每个单元都试过了吗？{BY_ROUNDING[1]}",
            )
        if number == 4:
            raise Wrong(
                f"the bias gradients of client {expected} add up to 0, as those of a softmax layer do: take its units one by "
                f"one.",
                f"客户端 {expected} 的偏置梯度之和是 0（softmax 层总是如此）：请逐个单元地看。",
            )
        unit = int(np.flatnonzero(updates[expected][1])[0])
        ratio = np.round(updates[expected][0][:3, unit] / updates[expected][1][unit], 2).tolist()
        pixels = np.round(image[:3], 2).tolist()
        en, zh = (f" {BY_ROUNDING[0]}", BY_ROUNDING[1]) if got == -1 else ("", "")
        raise Wrong(
            f"client {expected} holds it, yours says {got:g}: column {unit} of its kernel gradient over its bias gradient begins "
            f"{ratio}, as the image does, {pixels}.{en}",
            f"持有它的是客户端 {expected}，你返回的是 {got:g}：它的权重梯度第 {unit} 列除以偏置梯度，开头是 {ratio}，"
            f"图片的开头正是 {pixels}。{zh}",
        )


who_holds_it = Exercise(
    "background.who_holds_it",
    "1.1",
    _who_holds_it,
    (
        (
            "Read images off each client's gradient, and compare them with the one that is sought.",
            "从每个客户端的梯度里读出图片，再与要找的那张比较。",
        ),
        (
            "Two loops: over the clients, and over the units whose bias gradient is not 0. A mixture of two images equals "
            "neither.",
            "两重循环：外层是客户端，内层是偏置梯度不为 0 的单元。两张图片的混合，与哪一张都不相等。",
        ),
        (
            "np.allclose(candidate, image) asks whether two arrays are equal up to rounding; return -1 after all loops.",
            "np.allclose(candidate, image) 判断两个数组是否相等（只差舍入误差）；所有循环都走完，再返回 -1。",
        ),
    ),
    """
def who_holds_it(image, updates):
    for client, (kernel_gradient, bias_gradient) in enumerate(updates):
        for unit in np.flatnonzero(bias_gradient):
            if np.allclose(kernel_gradient[:, unit] / bias_gradient[unit], image):
                return client
    return -1
""",
    (
        "No data were ever sent, and yet one image can be traced to its client.",
        "数据从未离开过客户端，一张图片的来处却查得出来。",
    ),
)
