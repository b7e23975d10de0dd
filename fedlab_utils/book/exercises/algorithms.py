"""Exercises of chapter 3: one range or two, a pruning mask over two layers, pruning in stages, the loss with T². (3.1 stands in
`two_ranges`.)"""

from __future__ import annotations

import numpy as np

from ...distillation import distillation_loss as loss_of_the_package
from ...distillation import soften
from .asked.algorithms import *  # noqa: F403
from .base import Exercise, Wrong, as_array, as_number, attempt
from .two_ranges import shorter_message  # noqa: F401


def _pruning_mask(function) -> None:
    rng = np.random.default_rng(0)
    small = [np.array([[0.5, -4.0], [1.0, 2.0]]), np.array([[-3.0, 0.1]])]
    big = [rng.normal(0, 1, (4, 3)), rng.normal(0, 3, (3, 5)), rng.normal(0, 2, (5, 2))]
    # Of 37 these are 7.4, 29.6, 33.3 and 0: neither int() nor ceil() nor a quantile is round().
    for kernels, sparsity in ((small, 0.5), (big, 0.2), (big, 0.8), (big, 0.9), (big, 0.0)):
        masks = attempt(function, kernels, sparsity)
        if not isinstance(masks, (list, tuple)) or len(masks) != len(kernels):
            raise Wrong(
                f"return one mask for each of the {len(kernels)} kernels, in a list.",
                f"请返回一个列表，{len(kernels)} 个权重矩阵各有一个掩码。",
            )
        got = [as_array(m, k.shape, ("a mask", "掩码")) for m, k in zip(masks, kernels, strict=True)]
        flat, values = np.concatenate([m.ravel() for m in got]), np.concatenate([k.ravel() for k in kernels])
        if not np.isin(flat, (0, 1)).all():
            raise Wrong("a mask holds only True and False (or 1 and 0).", "掩码里只能有 True 和 False（或 1 和 0）。")
        removed = round(sparsity * values.size)

        def stays(order, count=values.size - removed):
            mask = np.zeros(order.size)
            mask[np.argsort(-order, kind="stable")[:count]] = 1
            return mask

        expected = stays(np.abs(values))
        if np.array_equal(flat, expected):
            continue
        if removed and np.array_equal(flat, 1 - expected):
            raise Wrong("the mask is upside down: True means that a connection stays.", "掩码正好反了：True 表示留下这个连接。")
        if np.array_equal(flat, stays(values)):
            raise Wrong(
                "the most negative weights went first: rank by magnitude, without the sign.",
                "最先移除的是最小的负数：请按绝对值排序，不看正负号。",
            )
        if removed and np.array_equal(flat, stays(np.abs(values), removed)):
            raise Wrong(
                "the sparsity is the fraction that goes, not the fraction that stays.", "稀疏度是移除的比例，不是保留的比例。"
            )
        count, asked = int(np.sum(flat == 0)), f"round({sparsity:g} * {values.size}) = {removed}"
        gone = [int(np.sum(m == 0)) for m in got]  # of each kernel; how a quantile or int() rounds there is no matter
        each = [stays(np.abs(k).ravel(), k.size - n) for k, n in zip(kernels, gone, strict=True)]
        evenly = all(abs(n - sparsity * k.size) < 1.5 for k, n in zip(kernels, gone, strict=True))
        together = np.array_equal(flat, stays(np.abs(values), values.size - count))  # only the number is wrong
        if evenly and not together and np.array_equal(flat, np.concatenate(each)):
            raise Wrong(
                "rank over the whole model, not each kernel by itself.",
                "请把整个模型的连接放在一起排序，而不是每个权重矩阵各排各的。",
            )
        if count != removed:
            raise Wrong(
                f"at sparsity {sparsity:g}, {asked} connections go, yours removes {count}.",
                f"稀疏度为 {sparsity:g} 时应移除 {asked} 个连接，你移除了 {count} 个。",
            )
        raise Wrong(
            f"at sparsity {sparsity:g}, the {removed} of {values.size} connections that are smallest in magnitude go; yours "
            f"removes {count}, not all of them the smallest.",
            f"稀疏度为 {sparsity:g} 时，{values.size} 个连接中应移除绝对值最小的 {removed} 个；你移除的 {count} 个不全是最小的。",
        )


pruning_mask = Exercise(
    "algorithms.pruning_mask",
    "3.2",
    _pruning_mask,
    (
        (
            "Put the magnitudes of all kernels into one vector; its element number round(sparsity * n) in rising order is the "
            "threshold.",
            "把所有权重矩阵的绝对值放进同一个向量；从小到大排在第 round(sparsity * n) 位（从 0 数起）的就是阈值。",
        ),
        ("np.concatenate, np.sort, then np.abs(k) >= threshold for each kernel.",
         "先 np.concatenate，再 np.sort，最后对每个矩阵求 np.abs(k) >= threshold。"),
    ),
    """
def pruning_mask(kernels, sparsity):
    magnitudes = np.sort(np.concatenate([np.abs(k).ravel() for k in kernels]))
    threshold = magnitudes[round(sparsity * magnitudes.size)]
    return [np.abs(k) >= threshold for k in kernels]
""",
    ("One threshold for the whole model: each layer keeps what it earns.", "全模型共用一个阈值：每层留多少，凭绝对值说话。"),
)  # fmt: skip


def _removed_by_stage(function) -> None:
    for count, final, stages in ((1003, 0.8, 4), (101_632, 0.9, 5), (38, 0.5, 3), (200, 0.95, 1)):
        what = ("the numbers removed", "每次移除的个数")
        got = as_array(attempt(function, count, final, stages), (stages,), what)
        progress = np.arange(stages + 1) / stages
        exact = final * (1 - (1 - progress) ** 3) * count
        expected = np.diff(np.rint(exact))
        if np.array_equal(got, expected):
            continue
        told = (f"{count:,} connections, {final:g}, {stages} stages", f"{count:,} 个连接、{final:g}、{stages} 次")
        if np.allclose(got, np.rint(exact[1:])) or np.allclose(got, exact[1:]):
            raise Wrong(
                f"{told[0]}: these are all that are gone by then; the second stage removes what is new.",
                f"{told[1]}：这是到那时一共移除的个数；第二次只移除新增的那些。",
            )
        if np.allclose(got, np.diff(final * (1 - (1 - progress) ** 3))) or np.allclose(
            got, final * (1 - (1 - progress[1:]) ** 3)
        ):
            raise Wrong("these are fractions; numbers of connections are asked for.", "这是比例；要的是连接的个数。")
        if np.allclose(got, final * count / stages, atol=1) and stages > 1:
            raise Wrong(
                f"{told[0]}: yours removes as many each time; the cubic schedule removes much at first and little at the end.",
                f"{told[1]}：你每次移除的一样多；三次方曲线先多后少。",
            )
        if np.allclose(got, np.diff(np.rint(final * progress**3 * count))) and stages > 1:
            raise Wrong(
                f"{told[0]}: yours is slow at first and fast at the end: the cube belongs to what is left of the way.",
                f"{told[1]}：你的先少后多，方向反了：立方的应当是剩下的路程。",
            )
        if np.allclose(got, np.diff(exact)) or np.array_equal(got, np.rint(np.diff(exact))):
            raise Wrong(
                f"{told[0]}: yours removes {got.sum():g} in all, {expected.sum():g} should go. Round the number that is gone "
                f"after "
                "each stage; then take differences.",
                f"{told[1]}：你一共移除 {got.sum():g} 个，应当是 {expected.sum():g} 个。先对每次之后一共移除的个数取整，再求差。",
            )
        raise Wrong(
            f"{told[0]}: {expected.astype(int).tolist()} should go, yours says {np.round(got, 3).tolist()}.",
            f"{told[1]}：应当依次移除 {expected.astype(int).tolist()} 个，你的结果是 {np.round(got, 3).tolist()}。",
        )


removed_by_stage = Exercise(
    "algorithms.removed_by_stage",
    "3.2",
    _removed_by_stage,
    (
        (
            "How many are gone after stage i of n? The schedule says it at progress i / n.",
            "n 次中的第 i 次之后，一共移除了多少？进度是 i / n，看曲线。",
        ),
        (
            "Round these totals (np.rint), put a 0 in front, and take differences: np.diff.",
            "把这些总数取整（np.rint），前面补一个 0，再求差：np.diff。",
        ),
    ),
    """
def removed_by_stage(count, final, stages):
    progress = np.arange(stages + 1) / stages
    gone = np.rint(final * (1 - (1 - progress) ** 3) * count)
    return np.diff(gone)
""",
    (
        "More than half of it goes in the first stages, and the last removes hardly anything.",
        "一大半在头几次就移除了，最后一次几乎不动。",
    ),
)


def _distillation_loss(function) -> None:
    rng = np.random.default_rng(1)
    for n, n_classes, temperature in ((4, 10, 4.0), (3, 3, 2.0), (2, 5, 0.5)):
        student, teacher = rng.normal(0, 2, (n, n_classes)), rng.normal(0, 4, (n, n_classes))
        got = as_number(attempt(function, student, teacher, temperature))

        def cross(targets, z):
            z = z - z.max(axis=1, keepdims=True)
            return float(np.mean(-np.sum(targets * (z - np.log(np.exp(z).sum(axis=1, keepdims=True))), axis=1)))

        soft, hard = soften(teacher, temperature), np.eye(n_classes)[teacher.argmax(axis=1)]
        expected = loss_of_the_package(student, teacher, temperature)
        entropy = cross(soft, teacher / temperature)
        mistakes = (
            (cross(soft, student / temperature),
             "T² is missing: without it the gradient of this loss shrinks like 1/T².",
             "漏了 T²：没有它，这个损失的梯度会按 1/T² 缩小。"),
            (temperature * cross(soft, student / temperature), "the factor is T², not T.", "系数应当是 T²，不是 T。"),
            (temperature**2 * cross(soft, student),
             "the student's logits must be divided by T as well.", "学生的 logits 也要除以 T。"),
            (temperature**2 * cross(soften(teacher), student / temperature),
             "the teacher's logits must be divided by T as well.", "教师的 logits 也要除以 T。"),
            (cross(soft, student),
             "the student's logits must be divided by T as well, and T² is missing.", "学生的 logits 也要除以 T，并且漏了 T²。"),
            (cross(hard, student),
             "these are hard labels: only the teacher's first guess counts. Use its whole softmax at T.",
             "这是硬标签：只用了教师的第一候选。请用教师在温度 T 下的整个 softmax。"),
            (temperature**2 * cross(hard, student / temperature),
             "these are hard labels: only the teacher's first guess counts. Use its whole softmax at T.",
             "这是硬标签：只用了教师的第一候选。请用教师在温度 T 下的整个 softmax。"),
            (expected - temperature**2 * entropy,
             "this is the Kullback–Leibler divergence: less by T² times the teacher's entropy. The cross-entropy is asked for.",
             "这是 KL 散度：比交叉熵少 T² 乘以教师输出的熵。这里要的是交叉熵。"),
            (cross(soft, student / temperature) - entropy,
             "this is the Kullback–Leibler divergence, without T². The cross-entropy is asked for, times T².",
             "这是 KL 散度，还漏了 T²。这里要的是交叉熵乘以 T²。"),
            (temperature**2 * cross(soften(student, temperature), teacher / temperature),
             "teacher and student are swapped: in -sum(p * log q) p is the teacher's and q the student's.",
             "教师和学生弄反了：-sum(p * log q) 中，p 是教师的，q 是学生的。"),
            (n * expected, "this is the sum over the images; take the mean.", "这是所有图片之和；请取平均。"),
            (-expected, "the sign is wrong: a loss is the negative logarithm.", "符号反了：损失是负的对数。"),
            (expected / n_classes, "sum over the classes; the mean is over the images only.",
             "对类别求和，只对图片取平均。"),
        )  # fmt: skip
        if np.isclose(got, expected, rtol=1e-4):
            continue
        for value, en, zh in mistakes:
            if np.isclose(got, value, rtol=1e-4):
                raise Wrong(en, zh)
        raise Wrong(
            f"for {n} images, {n_classes} classes and T = {temperature:g} the loss should be {expected:.4f}, yours is {got:.4f}.",
            f"{n} 张图片、{n_classes} 个类别、T = {temperature:g} 时，损失应当是 {expected:.4f}，你的结果是 {got:.4f}。",
        )


distillation_loss = Exercise(
    "algorithms.distillation_loss",
    "3.3",
    _distillation_loss,
    (
        (
            "fl.distillation.soften(z, T) gives softmax(z / T), for the teacher and for the student.",
            "fl.distillation.soften(z, T) 就是 softmax(z / T)，教师和学生都要用。",
        ),
        (
            "The cross-entropy of an image is -sum(p * log q): p of the teacher, q of the student, both at T.",
            "一张图片的交叉熵是 -sum(p * log q)：p 来自教师，q 来自学生，温度都是 T。",
        ),
        ("Mean over the images, times T².", "对图片取平均，再乘以 T²。"),
    ),
    """
def distillation_loss(student_logits, teacher_logits, T):
    p = fl.distillation.soften(teacher_logits, T)
    q = fl.distillation.soften(student_logits, T)
    return T**2 * np.mean(-np.sum(p * np.log(q), axis=1))
""",
    (
        "Every student of this chapter that learns from soft targets is trained with this loss.",
        "本章凡是跟软目标学的学生，用的都是这个损失。",
    ),
)
