"""What chapter 5 on Flower asks before it shows it."""

from __future__ import annotations

from ..asking import Guess, Question
from ..designing import Design

not_in_a_simulation = Question(
    "flower.not_in_a_simulation",
    (
        "Which of these can fl.simulate not show you, whatever arguments you pass?",
        "下面哪一件事，无论传什么参数，fl.simulate 都演不出来？",
    ),
    (
        (
            "that a client does not answer in some rounds", "某个客户端在有些轮里不回复",
            "It can: no_answer=0.1 lets one of ten be silent, and the others go on.",
            "能：no_answer=0.1 就让十个里有一个不回复，其余照常。",
        ),
        (
            "that a client has missed rounds and has to catch up", "某个客户端错过了几轮，要补上",
            "It can: with clients_per_round below the number of clients this happens in every round, and the account shows it.",
            "能：clients_per_round 小于客户端总数时，轮轮如此，账上也看得见。",
        ),
        (
            "that somebody who is not client 2 answers in its place", "有人冒充 2 号客户端来回复",
            "Right. A number in a loop cannot be impersonated: no argument can bring it about.",
            "对。循环里的一个编号，没有谁能冒充：哪个参数也变不出来。",
        ),
    ),
    2,
)  # fmt: skip

three_ways = Question(
    "flower.three_ways",
    (
        "The same three rounds by simulate, by Flower in this process, and by four processes over TLS. How far apart are "
        "the weights?",
        "同样的三轮训练：用 simulate、在本进程里用 Flower、在四个进程之间经 TLS。三次得到的权重相差多少？",
    ),
    (
        (
            "as two seeds are: in the third digit of the accuracy", "像换了种子：准确率第三位就不同",
            "That would be so if each drew its own random numbers. Here every draw belongs to a seed, a round and a client.",
            "如果各抽各的随机数，确实如此。这里的每一个随机数都由种子、轮次和客户端决定。",
        ),
        (
            "by rounding, about one part in ten million", "只差舍入误差，约千万分之一",
            "That is what an average in the order of arrival would give; the server sorts the answers by client first.",
            "按到达次序求平均就会这样；服务器先把回复按客户端排好。",
        ),
        (
            "not at all", "一点不差",
            "Each draw belongs to a seed, a round and a client, and the answers are added in the order of clients: no bit "
            "is left to chance.",
            "每个随机数都由种子、轮次和客户端决定，回复按客户端的次序相加：没有一位交给运气。",
        ),
    ),
    2,
)  # fmt: skip

engine_share = Guess(
    "flower.engine_share",
    (
        "Top 1 % + 8 bit, three nodes, three rounds, with TLS: of the bytes that leave the nodes, how many percent are not "
        "payload?",
        "top 1% + 8 位，三个节点，三轮，经 TLS：从节点发出的字节里，百分之几不是载荷？",
    ),
    91,
    (" %", "%"),
    (
        "At 8 bit the same surroundings are 15 %: they hardly depend on what is sent.",
        "换成 8 位，同样的外围开销只占 15%：它几乎不随载荷变化。",
    ),
)  # fmt: skip

killed = Question(
    "flower.killed",
    (
        "Node 2 is killed while it trains. What becomes of this round?",
        "节点 2 正在训练，电源突然断了。这一轮会怎样？",
    ),
    (
        (
            "it fails, and with it the run", "这一轮失败，整个训练也随之失败",
            "It would where a strategy needs every answer. Ours names the one that is missing and averages the others.",
            "如果策略要求人人都回复，就会这样。我们的策略点名缺席者，其余的照常平均。",
        ),
        (
            "it ends at once with the other two: the connection is gone", "连接断了，服务器立刻用另外两个节点结束这一轮",
            "There is no connection to be gone: nodes ask, the server never calls. It knows only that nobody has asked for "
            "a while.",
            "没有连接可断：总是节点来问，服务器从不主动找节点。它只知道有一阵子没人来问了。",
        ),
        (
            "it waits until heartbeats are missing, then ends with the other two", "等到心跳缺了，才用另外两个节点结束这一轮",
            "Here 48 seconds after the power cut, in which the other two had long been ready.",
            "这里是断电后 48 秒，另外两个节点早就完成了。",
        ),
    ),
    2,
)  # fmt: skip

back = Question(
    "flower.back",
    (
        "The node is started again at once, with its own key. Is it taken?",
        "节点马上重新启动，用的是自己的密钥。服务器接纳它吗？",
    ),
    (
        (
            "yes: the key is right", "接纳：密钥没错",
            "Right it is, but the SuperLink still believes in the node that was killed, and nobody may be there twice.",
            "密钥确实没错，但 SuperLink 以为断电的那个节点还在线，同一身份不能出现两次。",
        ),
        (
            "it is refused until the SuperLink no longer believes in the old one",
            "先被拒绝，直到 SuperLink 认定原来的节点已经离开",
            "Refused six times here, and taken after little more than 50 seconds.",
            "这里被拒绝了六次，五十多秒后才被接纳。",
        ),
        (
            "never again: a lost node must be registered anew", "再也不行：丢失的节点必须重新登记",
            "Its registration stays; only the moment is too early.",
            "登记还在，只是来得太早。",
        ),
    ),
    1,
)  # fmt: skip

masked = Question(
    "flower.masked",
    (
        "Under masks the server may only add what clients send. Whose sum does it understand?",
        "加了掩码之后，服务器只能把各家发来的东西相加。哪一种加起来还有意义？",
    ),
    (
        (
            "Quantize(8): levels are integers", "Quantize(8)：量化级是整数",
            "Integers they are, but each client has a range of its own: level 200 of one is not level 200 of another.",
            "确实是整数，但每个客户端有自己的范围：这家的 200 级不是那家的 200 级。",
        ),
        (
            "TopK(0.01): little to add", "TopK(0.01)：要加的很少",
            "Each keeps places of its own, so that what is added belongs to different weights; and the places, sent in the open, "
            "tell where the data were.",
            "各家保留的位置不同，加在一起的值属于不同的权重；而位置如果明着发，又会泄露数据的痕迹。",
        ),
        (
            "levels over one range that all have agreed on", "大家事先约定同一个范围的量化级",
            "Then the sum of levels is the level of the sum. A mask of places drawn from a shared seed does as well.",
            "这时量化级之和就是和的量化级。用共享种子抽出来的位置也可以。",
        ),
    ),
    2,
)  # fmt: skip

noise = Question(
    "flower.noise",
    (
        "Ten clients clip to norm 1; then each adds noise for ε = 10. After three rounds clipping alone has 87 %. And with "
        "the noise?",
        "十个客户端都把更新裁剪到范数 1，再各自按 ε = 10 加噪声。只裁剪时，三轮后是 87%。加了噪声呢？",
    ),
    (
        (
            "about the same: ten noises average out", "差不多：十份噪声会互相抵消",
            "They do, by √10. But 101,770 weights get noise each, and the norm of that is 150 times the norm of what was "
            "clipped.",
            "确实会抵消，缩小到 1/√10。但 101,770 个权重人人有份，噪声的范数是裁剪后更新的 150 多倍。",
        ),
        (
            "some points less", "低几个百分点",
            "So it is with ε = 1000, and that protects next to nothing.",
            "ε = 1000 时才是这样，而那几乎等于没有保护。",
        ),
        (
            "little better than drawing lots", "比抽签强不了多少",
            "101,770 weights get noise each: its norm is 150 times the norm of what was clipped, and ten clients take away "
            "no more than √10 of that.",
            "101,770 个权重人人有份：噪声的范数是裁剪后更新的 150 多倍，十个客户端平均只能缩小到 1/√10。",
        ),
    ),
    2,
)  # fmt: skip

what_it_cannot_know = Design(
    "flower.what_it_cannot_know",
    (
        "Three hospitals have passed: certificate, key and signature are right. What does the server still not know about these "
        "machines and about what they send, and what would you do about it? Three things at least.",
        "三家医院的节点都通过了：证书对，密钥对，签名对。关于这三台机器和它们发来的东西，服务器还有什么是不知道的？你会怎么办？至少写三点。",
    ),
    (
        "A key proves “the same holder as last time”, and nothing else. Data: how many samples there are, whether they are real, "
        "whether they are its own, the node alone says, and the number is its weight in the mean; a limit helps, or robust "
        "aggregation such as a median, or a contract. Conduct: it may send any bytes; format, length and numbers are checked, "
        "but no check finds an update that is lawful and harmful. One or ten: one person may register ten keys (a Sybil attack), "
        "unless somebody looks at who registers. Who holds the key: a copied one looks just the same, until its registration is "
        "withdrawn. And the other way: TLS protects the line, not from the server itself, which sees every update, unless the "
        "sum is a secure one (5.7).",
        "密钥只证明“与上次是同一个持有者”，别的都不证明。数据：有多少样本、是不是真的、是不是自家的，只有节点自己说了算，"
        "而样本数就是它在平均里的权重；对策是上限、中位数一类的稳健聚合，或者合同。行为：它可以发任何字节，格式、长度、"
        "数值都查得出，一份“合法而有害”的更新查不出。是一家还是十家：一个人可以登记十把密钥（女巫攻击），除非登记时当面核对。"
        "密钥在谁手里：被拷走的密钥看上去一模一样，直到登记被撤销。反过来也一样：TLS 保护线路，却不防服务器自己，"
        "它看得见每一份更新，除非用安全求和（5.7）。",
    ),
    (
        ("It keeps apart who a node is and what it does.", "把节点是谁和它做了什么分开。"),
        ("It names the number of samples, which is believed and which weighs.", "说到样本数：服务器只能相信它，而它就是权重。"),
        ("For each of the three it says a remedy, or that there is none.", "每一点都说了对策，或者说明没有对策。"),
    ),
)
