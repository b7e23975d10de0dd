"""What chapter 4 asks before it shows it."""

from __future__ import annotations

from ..asking import Guess, Question
from ..designing import Design

three_quarters = Guess(
    "mathematics.three_quarters",
    ("16 bits, from −1 to 1: what is Q(0.5)?", "16 位，从 −1 到 1：Q(0.5) 是多少？"),
    49_151,
)

at_a_quarter = Guess(
    "mathematics.at_a_quarter",
    (
        "Stochastic rounding at f = 1/4: the mean of the squared error, in squares of a step?",
        "f = 1/4 时的随机舍入：误差的平方平均是多少（以步长的平方为单位）？",
    ),
    0.1875,
    why=(
        "Three times of four the error is 1/4, once it is 3/4: (3 · 1/16 + 9/16) / 4 = 3/16.",
        "四次里三次错 1/4，一次错 3/4：(3 · 1/16 + 9/16) / 4 = 3/16。",
    ),
    by_hand=True,
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

ten_times_all = Question(
    "mathematics.ten_times_all",
    (
        "One outlier has spoilt the message. Now multiply all weights by ten instead: what becomes of the NMSE, at the same 8 "
        "bits?",
        "一个离群值就毁了整条消息。如果换成把所有权重都乘以十，同样 8 位，NMSE 会怎样？",
    ),
    (
        (
            "100 times as large: errors are squared",
            "变成 100 倍：误差要平方",
            "The error does grow by 100 when squared, but so does what it is divided by.",
            "误差的平方确实变成 100 倍，可是作为分母的也一样。",
        ),
        (
            "the same",
            "不变",
            "Range, step and values all grow by ten, each weight keeps its level, and the quotient of squares stays.",
            "范围、步长、数值都变成十倍，每个权重的量化级不变，两个平方和之比也就不变。",
        ),
        (
            "smaller: there is more to divide",
            "变小：可分的范围更大了",
            "There are 255 steps, however wide the range is.",
            "不管范围多宽，都只有 255 步。",
        ),
    ),
    1,
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

sum_of_supports = Question(
    "mathematics.sum_of_supports",
    (
        "Ten clients each send the 1 % of their components that are largest. How many components of the average are not zero?",
        "十个客户端各发送自己绝对值最大的 1%。平均之后，不为零的分量占多少？",
    ),
    (
        (
            "1 %",
            "1%",
            "Only if all ten had chosen the very same places.",
            "除非十家选的位置完全相同。",
        ),
        (
            "something from 1 to 10 %",
            "1% 到 10% 之间",
            "All places that anybody has chosen: the more the clients agree, the fewer.",
            "凡是有人选过的位置都算：大家选得越一致，就越少。",
        ),
        (
            "10 %",
            "10%",
            "Only if no two had a place in common; real clients agree on many.",
            "除非没有两家选过同一个位置；真实的客户端有许多位置是一致的。",
        ),
    ),
    1,
)

adds_under_masks = Question(
    "mathematics.adds_under_masks",
    (
        "Under secure aggregation the server sees nothing but the sum. Which messages can be added as they are?",
        "安全聚合之下，服务器只看得到总和。哪一种消息可以直接相加？",
    ),
    (
        (
            "top-k: each client the values of its own largest 1 %",
            "top-k：每个客户端发送自己最大的 1% 的数值",
            "Each has places of its own: the i-th values of two messages are different weights, and their sum means nothing.",
            "每人的位置不同：两条消息里的第 i 个数不是同一个权重，加起来没有意义。",
        ),
        (
            "8-bit levels, each client over its own x_min and x_max",
            "8 位的量化级，每个客户端用自己的 x_min 和 x_max",
            "The same integer is another value with each client; from the sum nobody can tell the values.",
            "同一个整数，在各家代表不同的数值；光有整数之和，还原不出数值之和。",
        ),
        (
            "8-bit levels, over one range that all have agreed on",
            "8 位的量化级，大家约定同一个范围",
            "An integer is the same value with everybody: the sum of the integers stands for the sum of the values, and integer "
            "masks cancel.",
            "同一个整数在谁那里都是同一个数值：整数之和就代表数值之和，整数的掩码抵消得干干净净。",
        ),
        (
            "entropy-coded levels",
            "熵编码之后的量化级",
            "How long a code word is goes by the level: the i-th bits of two messages belong to different weights.",
            "码字有长有短，由级决定：两条消息的第 i 位，不属于同一个权重。",
        ),
    ),
    2,
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

for_phones_seen_once = Design(
    "mathematics.for_phones_seen_once",
    (
        "A model of a million weights; ten thousand phones, of which each is drawn once or twice; 100 kB up are allowed a "
        "message. "
        "Design the messages of both directions, and say how you would choose between two candidates.",
        "一个一百万权重的模型；一万部手机，每部只会抽到一两次；每条上行消息至多 100 kB。"
        "请设计两个方向的消息，并说明你怎样在两个候选方案之间选择。",
    ),
    (
        "100 kB for a million weights are 0.8 bit each, headers and places included. Phones that come once never send a "
        "residual, so "
        "I take codecs that do well without memory: entropy-coded quantization at some 0.7 bit, by contexts, or the "
        "largest few per cent with signs only. Down, the first model is nearly the whole account: 4 MB as float32; at 8 bits a "
        "quarter of that, or as its seed while few rounds have passed; the updates after it by the same codec, with a residual "
        "at "
        "the server, which always comes. To choose I train each candidate with ten seeds or more, in pairs, judge by images that "
        "no client trains on, look at accuracy against all bytes that were made, and open the test set once, for the one chosen.",
        "一百万个权重分 100 kB，连头部和位置在内，每个 0.8 位。只来一次的手机没有机会补发残差，"
        "所以要选不靠记忆也好用的：约 0.7 位的熵编码量化（按上下文），或者只留最大的百分之几、只发正负号。"
        "下行几乎全是初始模型：float32 要 4 MB，8 位只要四分之一，轮数不多时还可以只发种子；之后的更新用同样的编解码器，"
        "残差放在服务器，它轮轮都在。要选，就把每个候选用十个以上的种子成对训练，按任何客户端都没有的图片来评，"
        "看准确率与真正生成的全部字节；测试集只为选中的那一个打开一次。",
    ),
    (
        ("It computes bits a weight from the budget, places and headers included.", "由预算算出每个权重几位，连位置和头部在内。"),
        ("It says what becomes of error feedback where a phone comes once.", "说明了手机只来一次时，误差反馈会怎样。"),
        ("It chooses by validation data and several seeds, not by the test set.", "按验证数据和多个种子来选，不看测试集。"),
    ),
)
