"""What chapter 5 asks before it shows it."""

from __future__ import annotations

from ..asking import Guess, Question
from ..designing import Design

aggregation = Question(
    "practice.aggregation",
    (
        "Three clients send 8-bit levels, each over its own range, as Quantize(8) does. May the server average the integers "
        "first, and decode their mean once?",
        "三个客户端各发来 8 位的量化级，范围各用各的（Quantize(8) 就是这样）。服务器能不能先对整数求平均，再对平均值解码一次？",
    ),
    (
        (
            "No: integers cannot be averaged.",
            "不能：整数不能求平均。",
            "They can; the average would just be no whole number.",
            "可以求，只是平均值不一定是整数。",
        ),
        (
            "No: equal levels of two clients mean different values.",
            "不能：两个客户端的同一个量化级，代表的值并不相同。",
            "Each has its own x_min and x_max. With one range agreed by all, the integers could be summed first; "
            "secure aggregation does just that.",
            "各家有各家的 x_min 和 x_max。如果大家约定同一个范围，就可以先把整数相加；安全聚合正是这样做的。",
        ),
        (
            "Yes: the mean is the same, and time is saved.",
            "能：平均值一样，还省时间。",
            "It would be the same if all had the same x_min and x_max; here each client has its own.",
            "大家的 x_min 和 x_max 都相同时才一样；这里各家有各家的。",
        ),
    ),
    1,
)

two_bits = Question(
    "practice.two_bits",
    (
        "float32 reaches about 93 % in ten rounds. What do you expect of 2 bits a weight, to nearest, with error feedback?",
        "用 float32 训练十轮，准确率约 93%。若每个权重只用 2 位（四舍五入，有误差反馈），你估计会怎样？",
    ),
    (
        (
            "no loss: 93 %", "没有损失：93%",
            "That holds for 8 and 4 bits. At 2 bits the nearest of four levels is the same for almost all weights.",
            "8 位和 4 位时是这样。只有 2 位时，几乎所有权重最近的量化级都是同一个。",
        ),
        (
            "some points less on average, and very different from seed to seed", "平均低几个百分点，不同种子差别很大",
            "So it is measured below: 0.9 to 5.9 points less over fifteen seeds, 3.4 on average; "
            "a single seed may end anywhere in between.",
            "下面的实测正是如此：十五个种子低 0.9 到 5.9 个百分点，平均 3.4 个；"
            "单看一个种子，落在哪里都有可能。",
        ),
        (
            "it hardly learns: below 50 %", "几乎学不会：低于 50%",
            "So one would think from the NMSE of one message; but the largest changes do arrive, and ten clients are averaged.",
            "只看一条消息的 NMSE 确实会这样想；但最大的那些变化还是送到了，而且每轮对十个客户端求平均。",
        ),
    ),
    1,
)  # fmt: skip

two_bits_again = Question(
    "practice.two_bits_again",
    (
        "Ten rounds at 2 bits a weight: which of the two, tried alone, brings accuracy back to that of float32?",
        "每个权重 2 位，训练十轮：这两个办法各试一次，哪个能让准确率回到 float32 的水平？",
    ),
    (
        (
            "stochastic rounding alone",
            "只有随机舍入能",
            "It does, though its messages err most. But a range for each array gives the hidden layer levels of its own, "
            "and then nearest will do.",
            "它确实能，尽管单条消息的误差最大。但给每个数组一个范围，隐藏层就有了自己的几级，四舍五入也够用。",
        ),
        (
            "a range for each array alone",
            "只有逐数组的范围能",
            "It does. But stochastic rounding does as well: its errors have no direction, and mostly cancel.",
            "它确实能。但随机舍入也行：它的误差没有方向，大多抵消。",
        ),
        (
            "either of them",
            "两个都能",
            "Errors of chance mostly cancel over ten clients and ten rounds; "
            "with a range of its own, no layer lies on one level.",
            "偶然的误差在 10 个客户端、10 轮之间大多抵消；有了自己的范围，也就没有哪一层会全落在一级上。",
        ),
        (
            "neither: each message is worse than none",
            "都不能：每条消息都比不发还差",
            "The error of one message is not that of the training: what is left after averaging counts.",
            "单条消息的误差不是训练的误差：要看求平均之后还剩下什么。",
        ),
    ),
    2,
)

downlink_of_many = Guess(
    "practice.downlink_of_many",
    (
        "100 clients, of whom ten are drawn; ten rounds. What share of the downlink bytes, in percent, do 8 bits save?",
        "100 个客户端，每轮抽 10 个，共十轮。下行换成 8 位，下行字节能省百分之几？",
    ),
    12,
    (" %", "%"),
    ("With ten clients that are always there it is two thirds.", "换成 10 个轮轮都在的客户端，能省三分之二。"),
)

feedback_of_noise = Question(
    "practice.feedback_of_noise",
    (
        "One bit a weight, stochastic, 100 clients: is accuracy higher with error feedback or without?",
        "每个权重 1 位，随机舍入，100 个客户端：有误差反馈和没有误差反馈，哪个准确率更高？",
    ),
    (
        (
            "with: nothing is lost for good",
            "有：什么都不会真的丢掉",
            "What comes back is mostly noise, and it stretches the range of the next message.",
            "补回来的大多是噪声，还会撑大下一条消息的范围。",
        ),
        (
            "without",
            "没有",
            "The error of one stochastic bit is larger than the delta itself: a residual of it is noise, and grows.",
            "1 位随机舍入的误差比增量本身还大：残差里几乎全是噪声，而且越积越大。",
        ),
        (
            "no difference",
            "没有差别",
            "There is one, of eight points and more, and with every seed the same way.",
            "差别有八个百分点以上，而且每个种子都如此。",
        ),
    ),
    1,
)

your_federation = Design(
    "practice.your_federation",
    (
        "A keyboard on a million phones, or ten hospitals with a large model: choose one and write its set-up. "
        "How many take part in a round, how long do they train, what is sent each way, and what would make you change it?",
        "一百万部手机上的输入法，或者十家医院的大模型：任选一个，写出你的设置。"
        "每轮多少参与方，本地训练多久，两个方向各发什么，什么情况会让你改主意？",
    ),
    (
        "The keyboard: some hundreds of a million in a round, a few local epochs, as trips are dear and phones are many; up, "
        "few bits "
        "without error feedback (a phone seldom comes twice), with one range agreed by all and integers, so that secure "
        "aggregation "
        "can add them; down, the first model is the bill: a small model, at 8 bits. "
        "Hospitals: all ten in every round, one epoch, for their data differ; both ways sparse or few bits with error feedback, "
        "since they always come and keep residuals; the first model is sent once and hardly counts. "
        "I should change it where accuracy on held-out parties falls by more than the spread of ten seeds, or where the slowest "
        "party sets the pace.",
        "输入法：一百万部里每轮几百部，本地多练几个周期，因为来回一趟很贵，而手机很多；上行用很少的位数，不用误差反馈"
        "（一部手机很难来两次），全体约定同一个范围、发整数，安全聚合才能相加；下行的账单主要是初始模型：模型做小，用 8 位。"
        "医院：十家轮轮都来，只练一个周期，因为各家数据不同；双向稀疏或少位数，加误差反馈，因为它们总在，残差都留着；"
        "初始模型只发一次，几乎不占账。若留出的参与方上准确率下降超过十个种子的波动，或者最慢的一家拖住了整轮，我就改。",
    ),
    (
        ("It gives cohort, local epochs and a codec for each direction.", "写出了每轮人数、本地周期和两个方向的编解码器。"),
        ("It decides on error feedback by how often a party comes.", "按参与方多久来一次，决定要不要误差反馈。"),
        (
            "It counts the first model and says what measurement would change the plan.",
            "算上了初始模型，并说出什么测量结果会改变方案。",
        ),
    ),
)
