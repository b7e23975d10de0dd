"""What chapter 6 asks before it shows it."""

from __future__ import annotations

from ..asking import Question
from ..designing import Design

what_is_left = Question(
    "playground.what_is_left",
    (
        "97 % with as few bytes as possible, both ways, IID: uplink at half a bit a weight or less, first model as its seed, "
        "each client comes three or four times. Which is the largest item of the bill?",
        "独立同分布，用尽量少的字节到 97%，双向都算：上行每个权重半位以下，初始模型只发种子，每个客户端来三四次。"
        "账单上哪一项最大？",
    ),
    (
        ("the uplink",
         "上行", "As float32 both ways are equal; at half a bit the uplink is the lesser part, 40 to 47 %.",
         "float32 时上行和下行一样多；压到半位以下，上行是较少的一边（四成到四成七），下行更多。"),
        ("first models", "初始模型", "A seed is some hundred bytes: about 1 % of the bill.", "种子只有几百字节，约占账单的 1%。"),
        ("bringing clients up to date", "让客户端跟上最新的模型",
         "Who comes after fifty rounds needs all that has changed since. Fifty small messages take more bytes than one that "
         "holds all their changes together, and even that one is more than half of the bill.",
         "隔了五十轮才来的客户端，要补上这期间的全部变化。五十条小消息加起来，比把五十轮的变化合成一条来发更费字节；"
         "即使只发这一条，也占账单的一半以上。"),
    ),
    2,
)  # fmt: skip

fitted_on = Question(
    "playground.fitted_on",
    (
        "Columns are brought to mean 0 and deviation 1. Of which samples may the mean and the deviation be taken?",
        "各列要化成均值 0、标准差 1。均值和标准差应当用哪些样本来算？",
    ),
    (
        (
            "of all: more samples give a better mean",
            "全部样本：样本越多，均值越准",
            "Then something of the test samples is known before the test, and accuracy is told too high.",
            "这样测试之前就知道了测试样本的一点信息，报出来的准确率会偏高。",
        ),
        (
            "of the training part alone",
            "只用训练部分",
            "The test part is treated as samples that nobody has seen: with numbers that were fixed before.",
            "测试部分要当作没人见过的样本，用事先定好的数来处理。",
        ),
        (
            "of each part by itself",
            "训练、测试各算各的",
            "Then the same measurement means one thing to the model in training and another in the test.",
            "那样同一个测量值，训练时是一个数，测试时却成了另一个数。",
        ),
    ),
    1,
)

where_bytes_go = Question(
    "playground.where_bytes_go",
    (
        "100 clients, twenty of them a round, a hundred rounds; a message takes 1 kB up and 1 kB down. Which direction takes "
        "more in all?",
        "100 个客户端，每轮 20 个，共一百轮；一条消息上行 1 kB，下行也是 1 kB。全部加起来，哪个方向更多？",
    ),
    (
        (
            "both the same: twenty messages a round each",
            "一样多：每轮都是二十条",
            "Twenty come up. But a client that comes again after five rounds must be sent all five broadcasts.",
            "上行是二十条。但隔了五轮才来的客户端，要补发这五轮的全部广播。",
        ),
        (
            "up: every client trains on its own data",
            "上行：每个客户端各练各的",
            "Up goes one message for each training, two thousand in all.",
            "每训练一次只上行一条，总共两千条。",
        ),
        (
            "down: nearly five times as much",
            "下行：将近五倍",
            "Sooner or later each of the hundred clients is sent each broadcast; up go only the twenty that train.",
            "一百个客户端迟早都会收到每一条广播；上行的只有参加训练的那二十个。",
        ),
    ),
    2,
)

your_next_kilobyte = Design(
    "playground.your_next_kilobyte",
    (
        "Your recipe spends its kilobytes on three things: uplink, downlink, first models. Say for yours how much goes where, "
        "which one you would cut next, by what, and what measurement would tell you that it was a mistake.",
        "你的方案把字节花在三处：上行、下行、初始模型。说说各占多少，下一步砍哪一处、怎么砍，以及看到什么测量结果就知道砍错了。",
    ),
    (
        "Mine spends most on the downlink, for every client is sent every broadcast in the end; so fewer rounds, or fewer bits "
        "down, come first, and a larger cohort is cheap, since it costs only uplink. First models as their seed are too small to "
        "matter. It was a mistake where the median of five rehearsals, with other seeds, loses more accuracy than the seeds "
        "differ by. Of the downlink I should first try a whole broadcast with a fixed step: early in training it is short.",
        "我的大头是下行，因为每个客户端最终都要收到每一条广播；所以先减少轮数，或者减少下行的位数，而每轮多几个客户端并不贵，"
        "只增加上行。初始模型只发种子，小到可以不管。如果换五个种子各试一次，准确率的中位数下降得比种子之间的差别还多，就是砍错了。下行我会先试试固定步长的整体广播：训练初期它很短。",
    ),
    (
        ("It gives bytes for all three, as measured.", "三处都给出了测到的字节数。"),
        ("It cuts where most is spent, or says why not there.", "砍的是花得最多的一处，或者说明了为什么不砍它。"),
        ("It compares over several seeds, none of them the test's.", "比较用了几个种子，而且没有用测试集。"),
    ),
)
