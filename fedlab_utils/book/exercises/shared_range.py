"""Exercise 4.1, continued: the fault of a quantizer over a range agreed on beforehand, and a quantizer without it."""

from __future__ import annotations

import warnings

import numpy as np

from .base import Exercise, Wrong, as_array, attempt, hold_levels

LO, HI, BITS = -1.0, 1.0, 4  # the range and the bits with which the given quantizer was tried


def hasty_levels(x: np.ndarray, lo: float, hi: float, bits: int) -> np.ndarray:
    """The quantizer with a fault that the chapter shows: right within the range, and far off outside of it."""
    return np.rint((x - lo) / (hi - lo) * (2**bits - 1)).astype(int) % 2**bits


def _fault(answer) -> tuple[str, str]:
    x = as_array(answer).ravel()
    if not 0 < x.size <= 5 or not np.isfinite(x).all() or np.abs(x).max() > 3:
        raise Wrong(
            "give one to five numbers, each between -3 and 3: values that a weight may really take, no extreme ones.",
            "请给出一到五个数，都在 -3 到 3 之间：要的是真实权重可能取到的值，不是极端情况。",
        )
    step = (HI - LO) / (2**BITS - 1)
    back = LO + hasty_levels(x, LO, HI, BITS) * step
    off = np.abs(back - x.clip(LO, HI)) / step
    worst = int(off.argmax())
    if np.abs(x).max() <= 1:
        raise Wrong(
            f"all of yours lie between -1 and 1, and come back to within {off.max():.2f} of a step; so did a hundred thousand "
            f"random "
            "ones. Where else could a value lie?",
            f"你给的数都在 -1 到 1 之间，还原后最多差 {off.max():.2f} 步；十万个随机数也是如此。还有别的地方可放吗？",
        )
    if 0.5 < off[worst] <= 1 + 1e-9:  # at 3 or -3, and half a step around
        raise Wrong(
            f"{x[worst]:g} comes back as {back[worst]:.2f}: it has wrapped around once and landed one step from the right end. "
            "More than one step is asked for; try another value outside the range.",
            f"{x[worst]:g} 还原成了 {back[worst]:.2f}：绕了一圈，离正确的端点恰好一步。要的是错出一步以上，"
            "换一个范围之外的数试试。",
        )
    if off[worst] <= 1:
        raise Wrong(
            "outside of the range, but so little that it still rounds to the end of it. Go a little further.",
            "出了范围，但只出去一点点，还是舍入到了端点上。再走远一点。",
        )
    why = (
        "The largest change of all arrives as the opposite: no rounding error, a wrong sign.",
        "变化最大的那个，到了对方手里正负相反：这不是舍入误差，是方向错了。",
    )
    if x[worst] * back[worst] > 0:
        why = (
            "A large change arrives as a small one: no rounding error, it has wrapped around.",
            "很大的变化，到了对方手里成了很小的：这不是舍入误差，是绕了一圈。",
        )
    return (
        f"{x[worst]:g} comes back as {back[worst]:.2f}: {off[worst]:.0f} steps from the nearer end of the range. {why[0]}",
        f"{x[worst]:g} 还原成了 {back[worst]:.2f}：离它那一头的端点有 {off[worst]:.0f} 步。{why[1]}",
    )


fault_of_a_quantizer = Exercise(
    "mathematics.fault_of_a_quantizer",
    "4.1",
    _fault,
    (
        (
            "The range was agreed on beforehand. Who says that every weight keeps to it?",
            "范围是事先约定的。谁能保证每个权重都守在里面？",
        ),
        (
            "Work out the level of 1.2 before and after `% 2**bits`.",
            "算一算 1.2 的量化级，在 `% 2**bits` 之前和之后各是多少。",
        ),
    ),
    "numbers = [1.2]",
)


def _levels_in_a_range(function) -> None:
    # No value lies halfway between two levels: np.rint and np.floor(… + 0.5) are both right.
    cases = [
        (np.array([-1.0, -0.2, 0.1, 0.5, 1.0]), -1.0, 1.0, 2),
        (np.array([7.3, 3.0, 6.4, 4.1]), 2.0, 9.0, 3),
        (np.linspace(-5, 20, 40), -5.0, 20.0, 5),
        (np.array([[-2.0, -1.9, 0.3], [0.4, 1.7, 1.1]]), -2.0, 2.0, 16),
        (np.array([0.45, 1.2, -1.3, 1.9, -2.6]), -1.0, 1.0, 4),
    ]
    for x, lo, hi, bits in cases:
        answer = attempt(function, x, lo, hi, bits)
        got, most = as_array(answer, x.shape, ("the levels", "量化级")), 2**bits - 1
        hold_levels(answer, bits)
        scaled = (x.clip(lo, hi) - lo) / (hi - lo) * most
        expected = np.rint(scaled)
        if np.array_equal(got, expected):
            continue
        free = (x - lo) / (hi - lo) * most
        if np.array_equal(got, hasty_levels(x, lo, hi, bits)):
            raise Wrong("this is the given quantizer, fault and all.", "这就是题里给的量化器，毛病还在。")
        if np.array_equal(got, np.rint(free)):
            raise Wrong(
                f"level {got.max():g} does not fit into {bits} bits, and a negative one is none: what lies outside of the range "
                "gets the level of its nearer end.",
                f"量化级 {got.max():g} 用 {bits} 位装不下，负数也不是量化级：范围之外的值，应当取离它近的那一头的级。",
            )
        if np.array_equal(got, np.minimum(np.rint(free), most)) or np.array_equal(got, np.maximum(np.rint(free), 0)):
            raise Wrong("one end of the range is guarded, the other is not.", "范围只守住了一头，另一头没有。")
        if np.allclose(got, scaled) or np.allclose(got, expected / most):
            raise Wrong("levels are whole numbers from 0 to 2**bits - 1.", "量化级是 0 到 2**bits - 1 之间的整数。")
        if np.array_equal(got, np.floor(scaled)):
            raise Wrong(
                "these are the levels of floor, formula 4.1; nearest is asked for.",
                "这是向下取整（公式 4.1）的结果；这里要四舍五入。",
            )
        own = (x - x.min()) / (x.max() - x.min()) * most
        if np.array_equal(got, np.rint(own)):
            raise Wrong(
                "yours takes the least and greatest value of x; the range lo … hi was agreed on, and no other is sent.",
                "你用的是 x 自己的最小值和最大值；范围 lo … hi 是事先约定的，不会另外发送。",
            )
        if np.array_equal(got, np.rint((x.clip(lo, hi) - lo) / (hi - lo) * 2**bits)):
            raise Wrong(
                f"there are 2**bits - 1 = {most} steps between the ends, not 2**bits.",
                f"两端之间有 2**bits - 1 = {most} 步，不是 2**bits 步。",
            )
        place = np.unravel_index(np.flatnonzero(~np.isclose(got, expected))[0], x.shape)
        raise Wrong(
            f"with {bits} bits from {lo:g} to {hi:g}, x = {x[place]:g} should get level {expected[place]:.0f}, yours is "
            f"{got[place]:g}.",
            f"{bits} 位、范围 {lo:g} 到 {hi:g} 时，x = {x[place]:g} 的量化级应当是 {expected[place]:.0f}，你的结果是 "
            f"{got[place]:g}。",
        )
    with np.errstate(invalid="warn"), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")  # 0/0 cast to integers may come out as 0, by the machine's chance
        answer = attempt(function, np.array([2.5, 2.5, 3.0, 1.0]), 2.5, 2.5, 4)
    flat = as_array(answer, (4,), ("the levels", "量化级"))
    if not np.array_equal(flat, np.zeros(4)) or any("in cast" in str(warning.message) for warning in warned):
        raise Wrong(
            "where lo equals hi, formula 4.1 is 0/0: give level 0 to all.", "lo 等于 hi 时，公式 4.1 是 0/0：请让量化级全为 0。"
        )


levels_in_a_range = Exercise(
    "mathematics.levels_in_a_range",
    "4.1",
    _levels_in_a_range,
    (
        (
            "Before anything else bring every value into the range: whatever lies outside becomes its nearer end.",
            "先把每个值收进范围：在外面的，换成离它近的那个端点。",
        ),
        ("That is np.clip(x, lo, hi). And treat hi == lo first: then return zeros.",
         "用 np.clip(x, lo, hi)。另外，先处理 hi == lo 的情形：返回全零。"),
    ),
    """
def levels_in_a_range(x, lo, hi, bits):
    if hi == lo:
        return np.zeros(x.shape)
    return np.rint((np.clip(x, lo, hi) - lo) / (hi - lo) * (2**bits - 1))
""",
    (
        "What is clipped is off by more than half a step, but never by its sign.",
        "被截断的值，误差会超过半步，但不会弄错方向。",
    ),
)  # fmt: skip
