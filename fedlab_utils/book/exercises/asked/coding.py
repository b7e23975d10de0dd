"""What section 4.3 asks before it shows it: the Gaussian limit, and the same levels in fewer bits."""

from __future__ import annotations

from ..asking import Guess, Question

nearest_to_the_limit = Question(
    "mathematics.nearest_to_the_limit",
    (
        "On a Gaussian vector, at two bits a weight and more: which codec comes nearest to the limit?",
        "在高斯向量上，每个权重两位以上时，哪个编解码器离极限最近？",
    ),
    (
        (
            "rotate, then quantize (EDEN)",
            "旋转后量化（EDEN）",
            "Its levels are the best of their number, but each still takes a whole number of bits.",
            "在同样多的级里，它的级是最好的；但每个级仍要占整数位。",
        ),
        (
            "entropy-coded uniform quantization",
            "熵编码的均匀量化",
            "Many even levels, the common ones in few bits: about a quarter of a bit from the limit.",
            "均匀的级要多少有多少，常见的用短码：离极限约四分之一位。",
        ),
        (
            "from min to max, to nearest",
            "最小值到最大值，四舍五入",
            "Its levels cover the whole range, and the single largest weight decides that: a bit and a half away, or more.",
            "它的级铺满整个范围，而范围由最大的那个权重决定：差一位半，甚至更多。",
        ),
        (
            "top-k with 8 bits",
            "top-k，8 位",
            "A Gaussian vector has no few components that hold most of the energy.",
            "高斯向量里，没有少数几个分量占去大部分能量这回事。",
        ),
    ),
    1,
)

past_the_limit = Question(
    "mathematics.past_the_limit",
    (
        "On a real delta, that of the hidden layer: can a codec get past this Gaussian limit?",
        "换成真实的增量（隐藏层）：有没有编解码器能越过这条高斯极限？",
    ),
    (
        (
            "no: it is proved that nobody can",
            "没有：已经证明谁也越不过去",
            "It is proved for independent Gaussian data. A delta with its many zeros and few large weights is not Gaussian.",
            "证明只对独立的高斯数据成立。增量有许多零和少数很大的权重，不是高斯数据。",
        ),
        (
            "yes, EDEN, whose rotation makes all data Gaussian",
            "有，EDEN：旋转使数据变成高斯的",
            "Just so, and for Gaussian data the limit holds: the rotation throws the zeros away.",
            "正因为变成了高斯的，极限就成立了：旋转把零也丢掉了。",
        ),
        (
            "yes, those that make use of its zeros, entropy coding most of all",
            "有：用得上那些零的都行，熵编码最突出",
            "A delta is easier to compress than Gaussian data: short words for its common levels gain by that.",
            "真实的增量比高斯数据好压缩：给常见的量化级用短码，正好用上这一点。",
        ),
    ),
    2,
)

histogram_a_row = Guess(
    "mathematics.histogram_a_row",
    (
        "The same eight levels, a histogram for each row: how many bits a level, on average?",
        "同样的八个级，每行一个直方图：平均每个级几位？",
    ),
    1.25,
    (" bits", " 位"),
    ("The quiet row takes 1 bit a level, the loud one 1.5.", "安静的一行每个级 1 位，活跃的一行 1.5 位。"),
    by_hand=True,
)

class_of_its_own = Question(
    "mathematics.class_of_its_own",
    (
        "Many levels, each in a class of its own, so that H(X | C) = 0: what has to be sent?",
        "级有很多，每个级自成一类，于是 H(X | C) = 0：还需要发送什么？",
    ),
    (
        (
            "next to nothing: the entropy says so",
            "几乎什么也不用发：熵就是这么说的",
            "The entropy is that of somebody who has the histograms, and the histogram of a class of one is that level itself.",
            "这个熵是对已经拿到直方图的人说的；而只有一个级的类，直方图就是那个级本身。",
        ),
        (
            "as much as packed: nothing is learnt of a level that stands alone",
            "和打包一样多：单独的一个级，什么也学不到",
            "A histogram has to be told or to be learnt from other levels of its class, and here there are no others.",
            "直方图要么发送，要么从同类的其他级里学来；这里没有同类。",
        ),
        (
            "more than with one histogram, but less than packed",
            "比一个直方图多，但比打包少",
            "Between the two lies who learns something; in classes of one there is nothing to learn from.",
            "介于两者之间的，总还学到一点；每类只有一个级，就无从学起。",
        ),
    ),
    1,
)
