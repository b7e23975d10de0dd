"""What chapter 6 asks before it shows it."""

from __future__ import annotations

from ..asking import Guess, Question
from ..designing import Design

rounds_to_97 = Guess(
    "playground.rounds_to_97",
    (
        "McMahan et al. 2017: 784-200-200-10, a hundred clients, ten a round, one local epoch, IID. They needed 87 rounds "
        "to 97 %. "
        "The same protocol here, with the learning rate chosen on a validation split: how many rounds?",
        "McMahan 等人 2017：784-200-200-10，一百个客户端，每轮十个，本地一个周期，独立同分布。他们用 87 轮到 97%。"
        "同样的做法，学习率在验证集上挑选，本书要多少轮？",
    ),
    37,
    (" rounds", " 轮"),
    (
        "Thirty-five to thirty-eight, by seed. Most of it is the rate, which the paper does not print: on the validation split "
        "0.05 took 107 rounds, 0.3 took 46.",
        "不同种子 35 到 38 轮。差别主要在学习率，论文没有写明：在验证集上，0.05 用了 107 轮，0.3 用了 46 轮。",
    ),
)

tff_packing = Question(
    "playground.tff_packing",
    (
        "TFF's tutorial quantizes to 8 bits and reports 3.47 times fewer bytes up, not 4. Where is the rest?",
        "TFF 的教程量化到 8 位，报告上行少 3.47 倍，而不是 4 倍。差的那一点在哪里？",
    ),
    (
        ("in headers and ranges", "在消息头和范围里",
         "They are some twenty numbers a client, out of 1.7 million.", "每个客户端只有二十来个数，而权重有一百七十万个。"),
        ("seven 8-bit levels are packed into two 32-bit integers", "七个 8 位的量化级装进两个 32 位整数",
         "28 of 32 bits are used, so that a level costs 9.14 bits; arrays below 20,000 weights go as float32 on top.",
         "32 位只用了 28 位，一个量化级要花 9.14 位；此外不到 20,000 个权重的数组仍按 float32 发送。"),
        ("the downlink is counted too", "下行也算在内",
         "With a dense downlink the total cannot shrink by more than two.", "下行不压缩时，总计最多只能减半。"),
    ),
    1,
)  # fmt: skip

rotated = Question(
    "playground.rotated",
    (
        "At one bit a weight min-max errs by hundreds of times the delta, EDEN by 0.57 of it. What does that cost after "
        "ten rounds "
        "of training?",
        "每个权重 1 位时，最小–最大量化的误差是增量的几百倍，EDEN 只有 0.57 倍。训练十轮之后，准确率相差多少？",
    ),
    (
        ("everything: min-max does not learn", "天差地别：最小–最大学不会",
         "So the error of one message says. Rounding is stochastic here, and ten clients are averaged.",
         "单看一条消息的误差，确实该如此。但这里是随机舍入，每轮又对十个客户端求平均。"),
        ("about one point", "大约一个百分点",
         "91.5 % and 92.7 %, five seeds. What errs by chance is averaged away over clients and rounds.",
         "91.5% 和 92.7%，五个种子。偶然的误差，在客户端之间、轮与轮之间都会平均掉。"),
        ("nothing that can be told", "看不出差别",
         "At two bits that is so. At one, the ranges of five seeds lie apart.",
         "2 位时是这样；1 位时，五个种子的范围互不重叠。"),
    ),
    1,
)  # fmt: skip

largest_stage = Question(
    "playground.largest_stage",
    (
        "Deep Compression prunes, quantizes and entropy-codes LeNet-300-100. Which stage shrinks the file most?",
        "Deep Compression 对 LeNet-300-100 先剪枝、再量化、再熵编码。哪一步让文件缩小得最多？",
    ),
    (
        ("pruning", "剪枝",
         "8 % of the weights stay, and their places cost little: eleven times fewer bytes.",
         "只留 8% 的权重，位置又很便宜：少了十一倍。"),
        ("quantization", "量化", "32 bits to 6: three and a half times, as places do not shrink.",
         "从 32 位到 6 位：三倍半，因为位置不会变短。"),
        ("entropy coding", "熵编码", "A quarter to a third more, for nothing.", "再多三成左右，而且毫无损失。"),
    ),
    0,
)  # fmt: skip

what_is_left = Question(
    "playground.what_is_left",
    (
        "97 % with as few bytes as possible, both ways: uplink at half a bit a weight, first model as its seed. What is "
        "most of the "
        "bill then, if clients come about once or twice?",
        "用尽量少的字节到 97%，双向都算：上行每个权重半位，首个模型只发种子。如果每个客户端只来一两次，账单的大头是什么？",
    ),
    (
        ("the uplink",
         "上行", "It was, as float32; at half a bit it is the smaller part.", "float32 时是；每权重半位之后，它是小头。"),
        ("first models", "首个模型", "A seed is some hundred bytes.", "种子只有几百字节。"),
        ("bringing clients up to date", "让客户端跟上最新的模型",
         "Who comes for the first time after fifty rounds needs all that has happened. Fifty small steps are more bytes "
         "than their sum.",
         "五十轮之后才第一次来的客户端，要补上此前的全部变化；五十条小消息，比它们的和更费字节。"),
    ),
    2,
)  # fmt: skip

your_frontier = Design(
    "playground.your_frontier",
    (
        "You may send one megabyte in all. Which model, how many clients a round, how long locally, which codec each way, "
        "and what "
        "would you measure before you believe it?",
        "总共只许发一兆字节。你选什么模型，每轮几个客户端，本地练多久，两个方向各用什么编解码器？相信结果之前，要先测什么？",
    ),
    (
        "A model no larger than the task needs, for what travels is its movement. Few clients a round and several local "
        "epochs, as "
        "each visit costs a download and an upload, until drift on unequal data eats the gain. Up: about half a bit a "
        "weight, coded "
        "by context. Down: where clients come seldom, the whole movement since a seed; where they come always, steps with "
        "error "
        "feedback. I should count first models and catching up, choose on a validation split, run five seeds and five "
        "more, and "
        "give the range with the mean; and look at the clients that fare worst, not at the mean alone.",
        "模型不要比任务所需更大，因为要发送的正是它的变化。每轮少几个客户端、本地多练几个周期：每来一次都要一次下载、"
        "一次上传；"
        "数据不均时，练到漂移抵消好处为止。上行：每权重半位左右，按上下文编码。下行：客户端难得来，就发从种子算起的全部变化；"
        "总是来，就发每步的变化加误差反馈。首个模型和补课都要记账；在验证集上挑选；先跑五个种子，再跑五个，"
        "均值和范围一起报告；"
        "还要看表现最差的客户端，不能只看平均。",
    ),
    (
        ("It says what each visit of a client costs, both ways.", "算出了客户端每来一次双向的花费。"),
        ("It chooses on data that the final number is not taken from.", "挑选所用的数据，不是最后报数的数据。"),
        ("It gives seeds and a spread.", "给出了种子数和波动范围。"),
    ),
)
