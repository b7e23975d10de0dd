"""What chapter 4 asks before it shows it."""

from __future__ import annotations

from ..asking import Guess, Question

three_quarters = Guess(
    "mathematics.three_quarters",
    ("16 bits, from −1 to 1: what is Q(0.5)?", "16 位，从 −1 到 1：Q(0.5) 是多少？"),
    49_151,
)

which_lines_fall = Question(
    "mathematics.which_lines_fall",
    (
        "More and more clients are averaged. For which ways of rounding does the error of the average fall?",
        "参加平均的客户端越来越多。哪几种舍入方式，平均值的误差会下降？",
    ),
    (
        (
            "all three, in both panels",
            "两图中三种都下降",
            "Floor is always low by half a step on average; no averaging takes that away.",
            "向下取整平均总是偏低半步，怎么平均也去不掉。",
        ),
        (
            "stochastic and nearest, in both panels",
            "两图中都是随机舍入和四舍五入",
            "Where all hold the same value, nearest errs for all of them alike, and nothing cancels.",
            "大家的值都相同时，四舍五入错得一模一样，没有什么可以抵消。",
        ),
        (
            "on the left stochastic alone, on the right nearest as well",
            "左图只有随机舍入，右图还有四舍五入",
            "Where the clients differ, so do the errors of nearest, and they cancel; floor keeps its bias in both.",
            "各客户端的值不同时，四舍五入的误差也各不相同，可以抵消；向下取整在两图中都留着偏差。",
        ),
        (
            "stochastic alone, in both panels",
            "两图中都只有随机舍入",
            "On the right the clients differ, and then the errors of nearest differ too, and cancel.",
            "右图里各客户端的值不同，四舍五入的误差也就不同，可以抵消。",
        ),
    ),
    2,
)

bits_of_a_place = Guess(
    "mathematics.bits_of_a_place",
    (
        "Keep 1 % of the delta. A plain index takes 17 bits: how many does the shortest of the package's codes take for a place?",
        "保留增量的 1%。直接写下标要 17 位；工具包里最短的编码，一个位置平均要多少位？",
    ),
    6.9,
    (" bits", " 位"),
)

energy_of_one_percent = Guess(
    "mathematics.energy_of_one_percent",
    (
        "What share of the energy, in percent, do the largest 1 % of the components hold?",
        "绝对值最大的 1% 的分量，占全部能量的百分之几？",
    ),
    27,
    (" %", "%"),
)

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

feedback_of_whom = Question(
    "mathematics.feedback_of_whom",
    (
        "k = 1 %, ten rounds of ten clients: where does error feedback gain more?",
        "k = 1%，每轮十个客户端，共十轮：误差反馈在哪种情形下收益更大？",
    ),
    (
        (
            "with 10 clients that always take part",
            "10 个客户端，轮轮参加",
            "What is left out is made good in the next round; it takes a next round for that.",
            "这一轮漏掉的，下一轮就补上；前提是有下一轮。",
        ),
        (
            "with 100 clients, of whom ten are drawn",
            "100 个客户端，每轮抽 10 个",
            "A client is drawn once in ten rounds on average: most residuals are never sent.",
            "一个客户端十轮里平均只抽到一次：多数残差永远没有机会发出。",
        ),
        (
            "no difference: it is a matter of the codec",
            "没有差别：只看编解码器",
            "A residual is of use when its client comes again, and that differs between the two.",
            "残差要等它的客户端下次再来才有用，而这两种情形正差在这里。",
        ),
    ),
    0,
)
