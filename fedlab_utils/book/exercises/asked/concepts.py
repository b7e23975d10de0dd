"""What chapter 2 asks before it shows it."""

from __future__ import annotations

from ..asking import Guess, Question
from ..designing import Design

joined_wins = Guess(
    "concepts.joined_wins",
    (
        "In how many of the ten splits does the joint model beat the better of the two parties alone?",
        "十种划分里，有几种是联合起来胜过两方中较好的一方？",
    ),
    9,
    ("", " 种"),
)

bytes_for_a_table = Guess(
    "concepts.bytes_for_a_table",
    (
        "Training sends activations and their gradients as float32. How many times the bytes of the whole table is that?",
        "训练时来回传送激活值和它们的梯度，都是 float32。一共是整张表格的多少倍？",
    ),
    18.5,
    (" times", " 倍"),
)

how_many_labels = Question(
    "concepts.how_many_labels",
    (
        "Averaged over ten seeds: with how many labels a class does transfer still gain more than five points?",
        "十个种子平均：每类有多少个标注时，迁移还能提高 5 个百分点以上？",
    ),
    (
        ("with one only", "只有一个时", "With two labels the mean gain is still 7 points.",
         "有两个标注时，平均还能提高 7 个百分点。"),
        ("with one or two", "一两个时", "With five it is some two points, with twenty next to nothing.",
         "有五个时只剩约两个百分点，二十个时几乎没有差别。"),
        ("up to ten", "十个以内", "With ten labels the target's own data have caught up: half a point on average.",
         "有十个标注时，目标自己的数据已经够用：平均只多约半个百分点。"),
        ("even with twenty", "二十个时也能", "With twenty labels both learn the same.", "有二十个标注时，两种做法学得一样好。"),
    ),
    1,
)  # fmt: skip

which_kind = Question(
    "concepts.which_kind",
    (
        "A cinema and an online shop of the same city want a common model that tells who will like a new film. Most of their "
        "customers are the same. Which kind of federated learning is it?",
        "同一座城市的一家影院和一家网店想共同训练一个模型，预测谁会喜欢一部新片。它们的顾客大多是同一批人。"
        "这属于哪一种联邦学习？",
    ),
    (
        ("horizontal", "横向", "Their columns differ: films seen here, purchases there.",
         "两家的特征不同：一边是观影，一边是购物。"),
        ("vertical", "纵向", "The same people, other features, and two companies.", "同一批人，特征不同，而且是两家公司。"),
        ("transfer", "迁移", "The customers overlap, so the tables can be aligned by ID.", "顾客是重叠的，可以按 ID 对齐。"),
    ),
    1,
)  # fmt: skip

what_crosses = Question(
    "concepts.what_crosses",
    (
        "In a horizontal federation no image leaves a client. What follows?",
        "横向联邦学习中，没有任何图片离开客户端。由此可以断定什么？",
    ),
    (
        ("The server can learn nothing about the images.", "服务器对图片一无所知。",
         "An update is made of the images and tells of them: chapter 1 reads an image off a gradient, the next cells the digits.",
         "更新由图片算出，也就透露图片的信息：第 1 章从梯度中读出了图片，下面的单元格会读出持有哪些数字。"),
        ("The images themselves stay; what the updates tell needs further protection.",
         "图片本身没有外流；但更新透露什么，还需另行保护。",
         "Secure aggregation and differential privacy are such protections.", "安全聚合与差分隐私就是这样的保护。"),
        ("Fewer bytes cross than if the images were sent.", "传输的字节一定比发送图片少。",
         "Not necessarily: 200 images are 157 kB, one float32 delta is 407 kB, and it is sent every round.",
         "不一定：200 张图片是 157 kB，一条 float32 增量是 407 kB，而且每轮都要发。"),
    ),
    1,
)  # fmt: skip

digits_from_biases = Guess(
    "concepts.digits_from_biases",
    (
        "Take the ten biases of a client's last layer after one round: what share of the digits that it holds do they tell? "
        "(By chance: 20 %.)",
        "只看一个客户端一轮之后最后一层的十个偏置，它持有的数字能猜中百分之几？（乱猜能中 20%。）",
    ),
    96,
    (" %", "%"),
)

last_ten_clients = Guess(
    "concepts.last_ten_clients",
    (
        "From one client to ten, accuracy rises by some 13 points. How many more points do clients 11 to 20 add?",
        "从一个客户端增加到十个，准确率提高约 13 个百分点。再增加到二十个，还能提高几个百分点？",
    ),
    0.6,
    (" points", " 个百分点"),
)

zip_of_delta = Guess(
    "concepts.zip_of_delta",
    ("How much of a client's delta, in percent, is left after ZIP?", "一个客户端的增量，ZIP 之后还剩百分之几？"),
    63.8,
    (" %", "%"),
)

which_compression = Question(
    "concepts.which_compression",
    (
        "ZIP loses nothing, yet most codecs for model updates do. What is the reason?",
        "ZIP 一位也不丢，压缩模型更新却多用有损的方法。原因是什么？",
    ),
    (
        ("ZIP is too slow.", "ZIP 太慢。", "A delta is zipped in well under a second.", "压缩一条增量远不到一秒。"),
        ("The low bits of weights are like noise: no lossless coder shortens noise, and training does not need it.",
         "权重的低位近乎噪声：任何无损编码都压不短噪声，而训练并不需要它。",
         "ZIP leaves over half of the delta; four bits a weight are an eighth, and 1 % of the weights less still.",
         "ZIP 之后增量还剩一半以上；每个权重四位只剩八分之一，只留 1% 的权重则更少。"),
        ("Lossless coding does not work on floating-point numbers.", "无损压缩不能用于浮点数。",
         "It does, bit by bit; exercise 2.3 proves it.", "可以用，而且每一位都能还原；练习 2.3 就是证明。"),
    ),
    1,
)  # fmt: skip

which_byte = Question(
    "concepts.which_byte",
    (
        "A float32 has four bytes; on our machines the last holds the sign and most of the exponent. "
        "Collect one of the four from every weight of the delta and zip it alone: which shrinks most?",
        "一个 float32 有四个字节；在我们的机器上，最后一个字节放着符号和大部分指数。"
        "从增量的每个权重里只取其中一个字节，单独用 ZIP 压缩：取哪一个压得最小？",
    ),
    (
        ("the first", "第一个",
         "It shrinks more than the middle two (a delta is the difference of two near numbers, its last bits are often zero), "
         "but less than the last.",
         "它比中间两个好压（增量是两个相近的数之差，最末几位常常是零），但仍不如最后一个。"),
        ("the last", "最后一个", "Weights of like size have the same exponent, so that this byte takes a few values only.",
         "大小相近的权重指数相同，所以这个字节只有几种取值。"),
        ("all about the same", "都差不多", "The four mean very different things: only neighbours of one kind are alike.",
         "四个字节的含义大不相同：同一种字节之间才彼此相似。"),
    ),
    1,
)  # fmt: skip

one_percent_of_few = Question(
    "concepts.one_percent_of_few",
    (
        "“Keep 1 %, at 8 bits” serves the delta well. Use the same codec for the activations of 32 people, 64 numbers: what "
        "arrives?",
        "“只留 1%，8 位”用在增量上很合适。把同一个编解码器用在 32 个人的激活值上（64 个数），对方会收到什么？",
    ),
    (
        ("nearly all of it: 1 % hold most of the energy", "几乎全部：1% 的分量占去大部分能量",
         "So it is with a delta, most of whose components are near zero. Of 64 activations nearly all matter.",
         "增量才是这样，它的分量大多接近零。64 个激活值却几乎个个要紧。"),
        ("one number of the 64, and zeros", "64 个数里的一个，其余全是零",
         "1 % of 64 is rounded up to one: 63 of the 64 people's values are lost. How much may go depends on the message.",
         "64 的 1% 向上取整是一个：另外 63 个数全丢了。能丢多少，要看是什么消息。"),
        ("nothing: 0.64 of a number cannot be sent", "什么也收不到：0.64 个数没法发",
         "It is rounded up, so that something is always sent.", "会向上取整，总要发出点什么。"),
    ),
    1,
)  # fmt: skip

a_bank_and_a_shop = Design(
    "concepts.a_bank_and_a_shop",
    (
        "A bank knows who failed to repay; a chain of shops and a phone company have most of the same customers. They want one "
        "model "
        "and give no table away. Design it: which kind, who does what, what crosses, what does it cost, what leaks?",
        "一家银行知道谁没有还款；一家连锁超市和一家电话公司的顾客与它大多相同。三家想要同一个模型，又都不愿交出自己的表。"
        "请你设计：属于哪一种，谁做什么，传什么，花多少字节，会泄露什么？",
    ),
    (
        "Vertical: the same people, other columns. First they find their common customers by private set intersection and put "
        "them in one order. The bank holds the label and the top of the network; shop and phone company each have a layer of "
        "their "
        "own, and send a few activations a person. Back come gradients of these. Bytes: people × activations × epochs × two "
        "directions, easily more than the tables; 4 bits a number are enough, 1 is not. What leaks: a single returned column "
        "nearly tells the labels, so the bank adds noise to it, and fewer activations say less. And to predict, all three must "
        "answer again.",
        "纵向：人大多相同，特征不同。先用隐私集合求交找出共同的顾客，排成同样的次序。标签和网络的顶层在银行；"
        "超市和电话公司各有自己的一层，为每个人发几个激活值，收回这些激活值的梯度。"
        "字节数是人数 × 激活值个数 × 周期数 × 两个方向，很容易超过原来的表；每个数 4 位够用，1 位不够。"
        "泄露：发回去的一列梯度几乎说出了标签，所以银行要给它加噪声；激活值少一些，透露的也少一些。预测时三家还要再答一次。",
    ),
    (
        ("It says vertical, and aligns people before anything else.", "说出是纵向，并且先对齐样本。"),
        ("It names what crosses in both directions, and estimates bytes.", "说出两个方向各传什么，并估算了字节数。"),
        ("It says what leaks although no table is sent, and a remedy.", "说出不传表也会泄露什么，以及怎么补救。"),
    ),
)
