"""What chapter 6 asks before it shows what came of a classic result."""

from __future__ import annotations

from ..asking import Guess, Question

rounds_to_97 = Guess(
    "playground.rounds_to_97",
    (
        "McMahan et al. 2017: 784-200-200-10, a hundred clients, ten a round, one local epoch, IID. They needed 87 rounds "
        "to 97 %. "
        "The same protocol here, with the learning rate chosen on a validation split: how many rounds?",
        "McMahan 等人 2017：784-200-200-10，一百个客户端，每轮十个，本地一个周期，独立同分布。他们用 87 轮到 97%。"
        "同样的做法，学习率在验证集上挑选，本书要多少轮？",
    ),
    36,
    (" rounds", " 轮"),
    (
        "Thirty-one to thirty-eight, by seed. Most of it is the rate, which the paper does not print: on the validation "
        "split "
        "0.05 took 107 rounds, 0.3 took 46.",
        "不同种子 31 到 38 轮。差别主要在学习率，论文没有写明：在验证集上，0.05 用了 107 轮，0.3 用了 46 轮。",
    ),
)

local_work = Guess(
    "playground.local_work",
    (
        "The same protocol, IID, batches of ten; but each client trains twenty epochs in place of one before it sends: twenty "
        "times the computing. How many times fewer rounds? (5 would be a fifth of them.)",
        "还是同样的做法，独立同分布，批量 10；只是每个客户端发送之前练二十个周期，而不是一个：计算量是二十倍。"
        "轮数是原来的几分之一？只填分母，例如 5 表示五分之一。",
    ),
    2.2,
    ("", ""),
    (
        "36 rounds become 16: less than half, far from a twentieth. From one step a round on all images (FedSGD, 394 rounds) to "
        "one epoch in batches of ten it is eleven times, for the same images.",
        "36 轮变成 16 轮：不到一半，离二十分之一还远。而从每轮一步、用上全部图片（FedSGD，394 轮）到批量 10 的一个周期，"
        "轮数是十一分之一，看的图片一样多。",
    ),
)

tff_packing = Question(
    "playground.tff_packing",
    (
        "TFF's tutorial quantizes to 8 bits and reports 3.47 times fewer bytes up, not 4. Where is the rest?",
        "TFF 的教程量化到 8 位，报告上行压缩了 3.47 倍，而不是 4 倍。差的那一点在哪里？",
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
        "深度压缩对 LeNet-300-100 先剪枝、再量化、再熵编码。哪一步让文件缩小得最多？",
    ),
    (
        ("pruning", "剪枝",
         "8 % of the weights stay, and their places cost little: eleven times fewer bytes by this stage alone.",
         "只留 8% 的权重，位置又很便宜：光这一步就压缩十一倍。"),
        ("quantization", "量化", "32 bits to 6: three and a half times, as places do not shrink.",
         "从 32 位到 6 位：三倍半，因为位置不会变短。"),
        ("entropy coding", "熵编码", "Entropy coding makes the file a fifth to a quarter shorter still, at no loss.",
         "熵编码毫无损失，但只让文件再短两成多。"),
    ),
    0,
)  # fmt: skip

one_class = Question(
    "playground.one_class",
    (
        "100 clients, each with the images of one digit. Who ends with the highest test accuracy: FedAvg (100 local "
        "batches a round, "
        "float32), STC (one batch a round, 1 % of the weights with a sign each), or signSGD (one batch a round, a sign a "
        "weight)?",
        "100 个客户端，每个只有一种数字。谁最后的测试准确率最高：FedAvg（每轮本地 100 个批次，float32）、STC（每轮 1 个批次，"
        "发 1% 的权重，各一个正负号），还是 signSGD（每轮 1 个批次，每个权重一个正负号）？",
    ),
    (
        (
            "FedAvg: it sends exact numbers, and trains most.",
            "FedAvg：发的是精确的数，练得也最多。",
            "It trains most, and that is the trouble: in 100 batches of one digit a client forgets the other nine.",
            "练得最多，恰恰坏在这里：连着 100 个批次全是一种数字，客户端就把其余九种忘了。",
        ),
        (
            "STC: it sends little, after every batch.",
            "STC：每个批次之后只发一点点。",
            "After one batch no client has gone far, and what is not sent waits in the residual.",
            "只练一个批次，谁也跑不远；没发出去的都留在残差里。",
        ),
        (
            "signSGD: it sends something of every weight, after every batch.",
            "signSGD：每个批次之后，每个权重都发了信息。",
            "Nine of ten voters do not know the digit that a weight is about: the majority outvotes the one that does.",
            "十个投票的客户端里，大约九个没见过与这个权重有关的数字，内行的一票反而被压过去了。",
        ),
    ),
    1,
)

ten_classes = Question(
    "playground.ten_classes",
    (
        "IID data, all bytes counted: both directions, catch-up of clients that missed rounds included. Who reaches 90 % "
        "with fewer "
        "bytes?",
        "IID 数据，字节全部算上：两个方向，给漏掉几轮的客户端补发的也算。谁用更少的字节达到 90%？",
    ),
    (
        (
            "STC: it sends least",
            "STC：发得最少",
            "By the uplink alone it does. But a client comes every tenth round, and is sent all that it missed.",
            "只看上行是这样。可是一个客户端平均隔十轮才轮到一次，漏掉的消息全要补发给它。",
        ),
        (
            "FedAvg, float32 and all",
            "FedAvg，尽管发的是 float32",
            "Two rounds of 100 batches do it, 0.94 MB; STC takes about twice as much, nine tenths of it down.",
            "每轮 100 个批次，两轮就够，0.94 MB；STC 约要两倍，其中九成是下行。",
        ),
        (
            "signSGD: one bit a weight, both ways",
            "signSGD：两个方向每个权重都只有一位",
            "One bit of every weight after every batch is more than 32 bits after every hundred; it has not 90 % after 31 MB.",
            "每个批次每个权重一位，比每一百个批次发一次 32 位还多；31 MB 之后它还没到 90%。",
        ),
    ),
    1,
)

warm_up = Guess(
    "playground.warm_up",
    (
        "Warm-up takes 16 of 705 steps: four of each with 25 %, 6.25 %, 1.5625 % and 0.4 %, then 0.1 %. What share of the "
        "uplink bytes of "
        "the whole training, in percent, is the warm-up's?",
        "预热只占 705 步里的 16 步：25%、6.25%、1.5625%、0.4% 各四步，之后都是 0.1%。整个训练的上行字节里，预热占百分之几？",
    ),
    60,
    (" %", "%"),
    (
        "Four steps with 25 % send as many values as a thousand with 0.1 %. By the paper's own schedule it is about two "
        "thirds as well.",
        "四步 25%，发的数和一千步 0.1% 一样多。按论文自己的安排算，预热也占大约三分之二。",
    ),
)

which_trick = Question(
    "playground.which_trick",
    (
        "Which of the four, left out by itself, costs the most accuracy here?",
        "四招里单独去掉哪一招，在这里准确率掉得最多？",
    ),
    (
        (
            "clipping",
            "梯度裁剪",
            "No difference beyond the spread: it is meant for recurrent networks.",
            "没有超出波动的差别：它本来是为循环网络准备的。",
        ),
        (
            "momentum correction",
            "动量修正",
            "A gradient that waits some hundred steps is added up without its momentum, and then pushed by one that is not "
            "its own.",
            "梯度等了几百步才发出去，累积时没有动量，发出之后又被不属于自己的动量推着走。",
        ),
        (
            "warm-up",
            "预热",
            "0.2 points, within the spread of the seeds; and it is 60 % of the uplink.",
            "0.2 个百分点，在种子的波动之内；它却占了上行的 60%。",
        ),
        ("masking", "动量掩蔽", "0.1 points, within the spread of the seeds.", "0.1 个百分点，在种子的波动之内。"),
    ),
    1,
)

fedpaq_bytes = Guess(
    "playground.fedpaq_bytes",
    (
        "785 weights through QSGD(1), coded. At a fixed length it would be 160 bytes. How many bytes is the message?",
        "785 个权重用 QSGD(1) 量化再编码。定长要 160 字节。实际的消息是多少字节？",
    ),
    37,
    (" bytes", " 字节"),
    (
        "About thirty of the 785 are not zero (the square root of 785 is 28): where they stand, and their signs, is nearly "
        "all there is to say.",
        "785 个里只有约三十个不是 0（√785 ≈ 28）：要说的几乎只有它们在哪里、是正是负。",
    ),
)

distil_kilobytes = Question(
    "playground.distil_kilobytes",
    (
        "To the same accuracy, both directions: a model of 101,770 weights through the best codec that validation found, "
        "or labels of 1,000 public "
        "images. Which takes fewer bytes?",
        "达到同样的准确率，双向合计：101,770 个权重用验证集挑出的编解码器压缩，还是 1,000 张公共图片的标签？哪个字节少？",
    ),
    (
        (
            "the weights",
            "权重",
            "That holds against logits in float32: 40 bytes an image, 800 kB a round. A label is below half a byte.",
            "和 float32 的 logits 比是这样：每张图片 40 字节，每轮 800 kB。而一个标签不到半个字节。",
        ),
        (
            "the labels",
            "标签",
            "A label is at most 3.3 bits, whatever the model's size: an eighth of the coded weights' bytes, for an accuracy that "
            "labels can reach.",
            "模型再大，一个标签最多 3.3 位：字节数是压缩后权重的八分之一；前提是要求的准确率，靠标签够得着。",
        ),
        (
            "about the same",
            "差不多",
            "A label is 3.3 bits at most, and after the first round only what has changed is sent: far fewer bytes.",
            "一个标签最多 3.3 位，而且第一轮之后只发变了的：差得远。",
        ),
    ),
    1,
)

prune_or_quantize = Question(
    "playground.prune_or_quantize",
    (
        "The same 3.2 bits a weight, both ways: a mask that keeps a tenth of the weights, sent as float32, or all weights "
        "at 3.2 bits. "
        "Which model is better after ten rounds?",
        "同样是每个权重 3.2 位，双向：用掩码只留十分之一，发 float32；或者全部权重各 3.2 位。十轮之后哪个模型更好？",
    ),
    (
        (
            "the pruned one: its weights are exact",
            "剪枝的：留下的权重是精确的",
            "They are, and the other nine tenths stay at zero. Bits beyond the fourth are of next to no use to a "
            "client's delta.",
            "是精确，但另外十分之九永远是 0。而第四位以后的精度，对增量几乎没有用处。",
        ),
        (
            "the quantized one: all weights learn",
            "量化的：所有权重都在学",
            "A weight that is pruned never learns; what rounding to 3.2 bits errs is small, and averages out over the clients.",
            "剪掉的权重再也学不到东西；舍入到 3.2 位的误差本来就小，在客户端之间还会平均掉。",
        ),
        (
            "equal, as the bytes are equal",
            "一样，字节数相等",
            "Bytes are not all worth the same: what they are spent on decides.",
            "同样多的字节不一样值钱，要看花在哪里。",
        ),
    ),
    1,
)
