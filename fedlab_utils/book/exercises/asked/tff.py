"""What chapter 5 on TensorFlow Federated asks before it shows it."""

from __future__ import annotations

from ..asking import Question
from ..designing import Design

where_it_lives = Question(
    "tff.where_it_lives",
    (
        "Federated averaging as one such function: weights and data go in, new weights come out. Which of the three are at "
        "CLIENTS?",
        "把一轮联邦平均也写成这样一个函数：输入权重和数据，输出新的权重。三者之中，哪些位于 CLIENTS？",
    ),
    (
        (
            "all three: clients do the work", "三者都是：活都是客户端干的",
            "Then each client would end with weights of its own, and nothing would have been averaged.",
            "那样每个客户端最后都有各自的权重，等于没有求平均。",
        ),
        (
            "the data alone", "只有数据",
            "A value for each client, which never moves; the weights, old and new, are one value at the server, of which a round "
            "sends copies.",
            "数据是每个客户端一份，从不移动；旧的和新的权重都是服务器上的一个值，一轮训练只是把它的副本发下去。",
        ),
        (
            "data and new weights", "数据和新的权重",
            "What clients come to is a delta each; the new weights are made of these where they meet, at the server.",
            "客户端得到的是各自的增量；新的权重由它们在服务器上合成。",
        ),
    ),
    1,
)  # fmt: skip

eight_bits = Question(
    "tff.eight_bits",
    (
        "quantize_above_threshold(8) on our model: how many bits does a client send for each weight of the model?",
        "quantize_above_threshold(8) 用在我们的模型上：每个权重实际要发送多少位？",
    ),
    (
        (
            "8", "8",
            "One would think so; but of 32 bits in each integer only 28 are filled, and small tensors stay float32.",
            "按理如此；但每个 32 位整数只填了 28 位，小的张量还是 float32。",
        ),
        (
            "about 8.1: 8, and the small tensors", "约 8.1：8 位，加上没有量化的小张量",
            "The small tensors add 0.3 or so, but there is something bigger: of 32 bits in each integer only 28 are filled.",
            "小张量只多出约 0.3；更大的开销是：每个 32 位整数只填了 28 位。",
        ),
        (
            "about 9.5", "约 9.5",
            "32/28 of 8 for what is coded, and 32 for the 1.4 % of the weights that are not.",
            "量化的权重是 8 的 32/28 倍；没有量化的 1.4% 是 32 位。",
        ),
    ),
    2,
)  # fmt: skip

an_aggregator = Design(
    "tff.an_aggregator",
    (
        "A hundred hospitals want secure sums: the server may see no update but the total. Design an aggregator for them: "
        "what is nested in what, how many bits, which range, and where does its state live?",
        "一百家医院要用安全求和：服务器除了总和，不许看到任何一家的更新。请为它们设计一个聚合器："
        "什么套着什么，几位，范围怎么定，状态放在哪里？",
    ),
    (
        "Outside a weighted mean, which divides by the sum of the samples. Inside it every update is clipped to one range that "
        "all "
        "have been sent, and rounded stochastically to integers of b bits. Innermost a secure sum: with a hundred clients it "
        "needs "
        "b + 7 bits, so that nothing overflows. The range is state: it lives at the server, goes down with the weights, and "
        "is set for the next round by how much was clipped in this one. Small arrays such as biases get a range of their own, "
        "or go "
        "as floats. Bytes are counted from the tensors that cross, b + 7 bits or whatever the integers are packed in, not b.",
        "最外层是加权平均，最后除以样本总数。里面，每条更新先截断到大家收到的同一个范围，再随机舍入成 b 位整数。"
        "最里层是安全求和：一百个客户端相加要 b + 7 位才不会溢出。范围是状态：放在服务器上，随权重一起下发，"
        "下一轮的范围按这一轮截断了多少来调。偏置这样的小数组另用一个范围，或者直接发浮点数。"
        "字节数按真正传输的张量来数：是 b + 7 位，或者整数实际占的宽度，而不是 b 位。",
    ),
    (
        ("It nests: mean, then clipping and rounding, then a secure sum.", "有层次：平均，里面是截断和舍入，最里面是安全求和。"),
        ("One range for all, and it says where that comes from.", "全体共用一个范围，并说明它从哪里来。"),
        ("It leaves room for the sum, and counts what crosses.", "给总和留了位数，并按真正传输的来计字节。"),
    ),
)
