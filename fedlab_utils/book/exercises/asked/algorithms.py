"""What chapter 3 asks before it shows it."""

from __future__ import annotations

from ..asking import Guess, Question
from ..designing import Design

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

residual_of_who_leaves = Question(
    "algorithms.residual_of_who_leaves",
    (
        "After these three rounds the client leaves for good, with the residual (2, 0, 0, 3, 0). What does the model lose by it?",
        "三轮之后，这个客户端带着残差 (2, 0, 0, 3, 0) 永远离开了。模型因此失去什么？",
    ),
    (
        (
            "nothing: the server has a copy",
            "什么也没失去：服务器有备份",
            "The server has only seen what was sent. A residual is known to its client alone.",
            "服务器只见过发出去的部分。残差只有客户端自己知道。",
        ),
        (
            "what stands in the residual, and no more",
            "残差里的那些，不多也不少",
            "Sent and residual together are what was meant; whatever waits when a client leaves never comes.",
            "发出的加残差等于想发的；客户端一走，还在等的那些就再也不来了。",
        ),
        (
            "all three deltas: they no longer add up",
            "三个增量全部：账对不上了",
            "What was sent has arrived, and is part of the model.",
            "发出去的已经到了，成了模型的一部分。",
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

what_must_be_common = Question(
    "algorithms.what_must_be_common",
    (
        "Clients send nothing but logits on the public images, and the server averages these. What may differ between the "
        "clients?",
        "客户端只上传自己对公共图片的 logits，服务器求平均。各客户端之间，什么可以不同？",
    ),
    (
        (
            "the order of the public images",
            "公共图片的次序",
            "Row i of each message must be the same image, or the average means nothing.",
            "每条消息的第 i 行必须是同一张图片，否则平均值毫无意义。",
        ),
        (
            "the classes",
            "类别",
            "Column j must be the same class for all.",
            "第 j 列对所有人必须是同一个类别。",
        ),
        (
            "the architecture of the model",
            "模型的结构",
            "What travels has a row an image and a column a class, whatever network made it: each may have its own.",
            "传送的是“每张图片一行、每个类别一列”，与哪种网络算出它无关：各家可以用自己的模型。",
        ),
    ),
    2,
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

for_a_hospital = Design(
    "algorithms.for_a_hospital",
    (
        "Twenty hospitals train one model of 100 million weights, a round a day, over lines of 100 Mbit/s; in the end it is to "
        "run on a "
        "tablet. Which of quantization, sparsification, pruning and distillation would you use, when, and which not?",
        "二十家医院共同训练一个一亿权重的模型，每天一轮，线路 100 Mbit/s；最后要装在平板电脑上运行。"
        "量化、稀疏化、剪枝、知识蒸馏，你用哪几种，用在什么时候，哪几种不用？",
    ),
    (
        "While it trains, messages count. A float32 update is 400 MB, half a minute on this line, once a day: there is no need "
        "for "
        "the last byte. 8 bits both ways, a range for each array, save three quarters and cost no accuracy; if the line is "
        "shared, "
        "top-k with 8 bits, whose error feedback works well here, as all twenty come every day and keep their residuals. "
        "When it is trained, the model counts: prune nodes if it must get faster, connections with a sparse code if it must get "
        "smaller, fine-tuning after either; or distil it into a small student, if there are images that all may use. A mask "
        "agreed before training I would not use: top-k does better for the same bytes.",
        "训练途中，要紧的是消息。一条 float32 的更新是 400 MB，这条线路上要半分钟，一天只有一次：不必省到最后一个字节。"
        "双向 8 位、每个数组一个范围，就省下四分之三，准确率不受影响；线路要与别人共用，再加 top-k，"
        "误差反馈在这里正合适，因为二十家天天都来，残差都留着。训练完之后，要紧的是模型：要快，就剪节点；要小，就剪连接，"
        "再用稀疏编码；两者之后都要微调。有大家都能用的图片时，也可以蒸馏出一个小学生。训练之前就约定掩码，我不会用："
        "同样的字节，top-k 更好。",
    ),
    (
        ("It keeps apart the messages of a training and the finished model.", "把训练中的消息和训练好的模型分开考虑。"),
        ("It computes at least one size or time, with units.", "至少算出了一个大小或时间，带单位。"),
        ("It says why error feedback fits parties that always come.", "说明了参与方轮轮都来时，误差反馈为什么合适。"),
    ),
)
