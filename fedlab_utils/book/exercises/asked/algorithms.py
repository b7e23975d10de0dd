"""What chapter 3 asks before it shows it."""

from __future__ import annotations

from ..asking import Guess, Question

error_of_eight_bits = Guess(
    "algorithms.error_of_eight_bits",
    (
        "From 16 bits to 8 the message halves. By what factor does the NMSE grow?",
        "从 16 位降到 8 位，消息缩短一半。NMSE 变成原来的多少倍？",
    ),
    69_000,
    ("", " 倍"),
    (
        "Each bit of the eight doubles the step, and so makes the squared error about four times as large.",
        "少掉的八位，每一位都使步长加倍，平方误差约变成四倍。",
    ),
)

share_of_places = Guess(
    "algorithms.share_of_places",
    (
        "A message keeps 10 % of the components, at 8 bits each. What share of its bytes, in percent, are places?",
        "一条消息保留 10% 的分量，数值 8 位。记录位置的字节占百分之几？",
    ),
    31,
    (" %", "%"),
)

what_is_sent_third = Question(
    "algorithms.what_is_sent_third",
    (
        "The client of the table remembers what it has not sent. What is its third message?",
        "表里的客户端记得自己没发出去的东西。它的第三条消息是什么？",
    ),
    (
        (
            "2 at place 1: the largest of the third delta",
            "位置 1 上的 2：第三个增量里最大的",
            "That is what a client sends that forgets. This one first adds what it still owes.",
            "会忘事的客户端才这样发。它还要先加上欠着的。",
        ),
        (
            "4 at place 1: the third delta and what is owed, together",
            "位置 1 上的 4：第三个增量，加上还欠着的",
            "(1, 2, 0, 1, 0) plus the residual (1, 2, 0, 2, 0) is (2, 4, 0, 3, 0), and 4 is its largest.",
            "(1, 2, 0, 1, 0) 加残差 (1, 2, 0, 2, 0) 等于 (2, 4, 0, 3, 0)，最大的是 4。",
        ),
        (
            "3 at place 3: what has waited longest",
            "位置 3 上的 3：等得最久的",
            "How long something has waited does not count, only how much of it has gathered.",
            "等了多久不算数，只看攒了多少。",
        ),
    ),
    1,
)

connections_or_nodes = Question(
    "algorithms.connections_or_nodes",
    (
        "Remove nine tenths of the connections, or of the nodes, and do not fine-tune. Which model is right more often?",
        "移除九成的连接，或者移除九成的节点，都不微调。哪个模型答对得更多？",
    ),
    (
        (
            "the one without the connections",
            "移除连接的那个",
            "Many connections are almost zero and hardly missed. With every node some good connections go.",
            "许多连接本来就接近零，没有了也不要紧；每移除一个节点，却总要搭上一些好连接。",
        ),
        (
            "the one without the nodes",
            "移除节点的那个",
            "A node takes about 800 connections with it, good and bad; connections can be chosen one by one.",
            "一个节点要带走约 800 个连接，不分好坏；移除连接却可以一个一个地挑。",
        ),
        (
            "both about as often",
            "两者差不多",
            "About as many weights are left in both, but not the same ones: connections are chosen one by one.",
            "两者留下的权重个数差不多，却不是同一批：移除连接可以一个一个地挑。",
        ),
    ),
    0,
)

zeros_and_bytes = Question(
    "algorithms.zeros_and_bytes",
    (
        "Nine tenths of the connections are zero now. The model is sent as float32, as before. How many bytes fewer is that?",
        "现在九成的连接是零。模型照旧按 float32 发送，字节数少了多少？",
    ),
    (
        (
            "nine tenths fewer",
            "少九成",
            "Nobody has told the format of the zeros: it has four bytes for every weight, whatever its value.",
            "格式并不知道哪些是零：不管值是多少，每个权重都占四个字节。",
        ),
        (
            "about half: the values go, their places must be told",
            "约少一半：数值省了，位置却要写明",
            "That would be a sparse code, and it saves far more than half here; plain float32 has no places.",
            "那是稀疏编码，而且省得远不止一半；普通的 float32 并不写位置。",
        ),
        (
            "none",
            "一个也不少",
            "Zero is a number of four bytes too. Only a code that writes values and places makes something of it.",
            "零也是一个数，照样写四个字节。要写成“数值加位置”的编码，才省得下来。",
        ),
    ),
    2,
)

same_bytes = Question(
    "algorithms.same_bytes",
    (
        "Dense FedAvg, a mask agreed once, or top-k with error feedback: which is the most accurate for the same bytes?",
        "稠密的 FedAvg、约定一次的掩码、带误差反馈的 top-k：同样的字节，哪一种准确率最高？",
    ),
    (
        (
            "dense FedAvg: it loses nothing",
            "稠密的 FedAvg：它什么也不丢",
            "Nothing is lost, but every round is so dear that few of them fit.",
            "什么也没丢，可是每一轮都太贵，同样的字节走不了几轮。",
        ),
        (
            "the mask: its places cost nothing",
            "掩码：位置不花字节",
            "Better than dense. But what the mask left out after the first round never gets a chance again.",
            "比稠密的好。但第一轮之后没有选中的连接，从此再也没有机会。",
        ),
        (
            "top-k with error feedback",
            "带误差反馈的 top-k",
            "It pays for places in every message, but makes its choice anew each time and makes good what it left out.",
            "每条消息都要为位置花字节，但它每次重新挑选，漏掉的还会补上。",
        ),
    ),
    2,
)

which_step = Question(
    "algorithms.which_step",
    (
        "Compared with learning alone from 500 labels: which change brings the student most?",
        "与只学 500 个标签相比，哪一种改变让学生提高最多？",
    ),
    (
        (
            "soft targets for the same 500 images",
            "同样 500 张图片，换成软目标",
            "That helps, by a point or two; it adds no image.",
            "有用，能提高一两个百分点；但没有增加图片。",
        ),
        (
            "the teacher's targets for 20,000 images without labels",
            "让教师给 20,000 张无标签图片打上目标",
            "Several times as much as anything softness brings: the teacher's judgement replaces 20,000 labels.",
            "是“软”带来的好处的好几倍：教师的判断顶替了 20,000 个标签。",
        ),
        (
            "for these 20,000 images, soft targets instead of hard guesses",
            "对这 20,000 张图片，用软目标代替硬猜测",
            "Between these two there is no difference to be seen here.",
            "这两者在这里看不出差别。",
        ),
    ),
    1,
)

logits_for_a_model = Guess(
    "algorithms.logits_for_a_model",
    (
        "Ten float32 a public image: the logits of how many images take as many bytes as one dense model of 101,770 weights?",
        "每张公共图片十个 float32：多少张图片的 logits，与一个 101,770 个权重的稠密模型字节数相同？",
    ),
    10_177,
    (" images", " 张"),
)
