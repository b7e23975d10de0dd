"""What chapter 1 asks before it shows it."""

from __future__ import annotations

from ..asking import Guess, Question
from ..designing import Design

what_stays = Question(
    "background.what_stays",
    (
        "A hospital says: “With federated learning nothing about our patients leaves the house.” What is true?",
        "一家医院说：“用了联邦学习，患者的任何信息都不会离开本院。”这句话对吗？",
    ),
    (
        (
            "True: only weights or gradients are sent, and these are mere numbers.",
            "对：发送的只是权重或梯度，不过是一些数而已。",
            "Numbers computed from data can tell the data: the next cells try it on the gradient of one image.",
            "由数据算出的数会透露数据：下面的单元格就拿一张图片的梯度来试。",
        ),
        (
            "The raw data stay in the house, but the updates may tell something about them.",
            "原始数据留在本院，但更新可能透露其中的内容。",
            "How much depends on how many images and steps are mixed in one update; only further means give a guarantee.",
            "透露多少取决于一条更新里混合了多少图片、多少步；要得到保证，还需要别的手段。",
        ),
        (
            "False: the server can copy the data from the clients.",
            "不对：服务器可以从客户端复制数据。",
            "The server gets nothing but updates; it has no access to the data themselves.",
            "服务器得到的只有更新，接触不到数据本身。",
        ),
    ),
    right=1,
)

images_read = Guess(
    "background.images_read",
    (
        "A client sends the mean gradient of 8 images, one step. How many of the 8 can be read almost exactly, on average?",
        "客户端上传 8 张图片的平均梯度（只走一步）。平均而言，8 张里有几张能几乎原样读出？",
    ),
    6.2,
    ("", " 张"),
    most=8,
)

does_compression_hide = Question(
    "background.does_compression_hide",
    (
        "A client sends the gradient of one image, quantized to 8 bits: a quarter of the bytes. Is the image hidden then?",
        "一个客户端发送一张图片的梯度，量化到 8 位，字节数只剩四分之一。图片藏住了吗？",
    ),
    (
        (
            "Yes: with three quarters of the bytes three quarters of the image are gone.",
            "藏住了：少了四分之三的字节，图片也就少了四分之三。",
            "Every weight is still there, only more coarsely; the correlation hardly moves.",
            "每个权重都还在，只是粗了一点；相关系数几乎不变。",
        ),
        (
            "Yes, if rounding is stochastic: noise is privacy.",
            "藏住了，只要用随机舍入：噪声就是隐私。",
            "Noise of the size of a step gives no stated guarantee; differential privacy adds noise measured for one.",
            "只有一级台阶大小的噪声给不出明确的保证；差分隐私加的噪声才是按保证算出来的。",
        ),
        (
            "No: codecs are made to keep what matters, and here the image is what matters.",
            "没有：编解码器要保留的正是重要的内容，而这里重要的内容就是图片。",
            "Measured below: at 8 bits the correlation stays above 0.99, and with 1 % of the components it is mostly above 0.9.",
            "下面会测：8 位时相关系数仍高于 0.99，只留 1% 的分量时也大多高于 0.9。",
        ),
    ),
    right=2,
)

who_counts_how_much = Question(
    "background.who_counts_how_much",
    (
        "Client A has 900 images, client B 100. Both deltas are averaged. What share has B?",
        "客户端 A 有 900 张图片，B 有 100 张。对两者的增量求平均时，B 占多大比重？",
    ),
    (
        (
            "One half: there are two clients.",
            "二分之一：一共两个客户端。",
            "Then an image of B would count nine times as much as one of A.",
            "那样的话，B 的一张图片就抵得上 A 的九张。",
        ),
        (
            "One tenth: as many images as it has of all.",
            "十分之一：按它的图片占全部图片的比例。",
            "Every image counts the same, as if all lay in one place.",
            "每张图片的比重都一样，如同全部放在一处。",
        ),
        (
            "One ninth: 100 to 900.",
            "九分之一：100 比 900。",
            "The share is of all images: 100 of 1,000.",
            "要算的是在全部图片中的占比：1,000 张里的 100 张。",
        ),
    ),
    right=1,
)

bytes_of_ten_rounds = Guess(
    "background.bytes_of_ten_rounds",
    (
        "All 6,000 images have 4.7 MB. Ten rounds, model and deltas as float32: how many times as many bytes cross the line?",
        "6,000 张图片一共 4.7 MB。训练十轮，模型和增量都用 float32：来回传送的字节是它的多少倍？",
    ),
    17.3,
    (" times", " 倍"),
)

uplink_factor = Guess(
    "background.uplink_factor",
    (
        "Only 10 % of the components are kept, at 8 bits each. By what factor do the bytes sent up shrink?",
        "只留下 10% 的分量，每个 8 位。上行的字节数缩小到原来的几分之一？（填分母，例如 5。）",
    ),
    26.7,
    why=(
        "Values alone would make it 40; the rest goes into their places.",
        "光看数值应是 40；差掉的部分花在记录位置上。",
    ),
)

what_compression_saves = Question(
    "background.what_compression_saves",
    (
        "Uplink messages shrink to one hundredth, the downlink stays float32. What happens to the bytes in all?",
        "上行消息缩小到百分之一，下行仍是 float32。总字节数会怎样？",
    ),
    (
        (
            "They fall to one hundredth.",
            "降到百分之一。",
            "Only the uplink does; the downlink is as large as before.",
            "只有上行如此；下行和原来一样大。",
        ),
        (
            "They fall to about one half.",
            "降到大约一半。",
            "Half was uplink and all but vanishes, the other half stays: compress both ways.",
            "原来一半是上行，几乎全省掉了；另一半原封不动：两个方向都要压缩。",
        ),
        (
            "They stay about the same.",
            "几乎不变。",
            "Uplink was half of all bytes, and it is nearly gone.",
            "上行原来占总字节数的一半，现在几乎没有了。",
        ),
    ),
    right=1,
)

few_rounds = Guess(
    "background.few_rounds",
    (
        "No codec at all. Ten local epochs in each of 2 rounds, in place of one epoch in each of 20: a tenth of the bytes. "
        "20 rounds reach 94.5 %; how accurate is the model after these 2?",
        "完全不用编解码器：只训练 2 轮，每轮在本地练 10 个周期，代替 20 轮、每轮 1 个周期，字节数只有十分之一。"
        "20 轮的准确率是 94.5%，这样 2 轮之后是百分之几？",
    ),
    92.3,
    (" %", "%"),
)

what_to_promise = Design(
    "background.what_to_promise",
    (
        "A keyboard learns on a million phones. Write three or four sentences for its privacy page: what leaves a phone, what "
        "could be read from it, and what you do about that.",
        "一款输入法在一百万部手机上学习。请为它的隐私说明写三四句话：什么会离开手机，别人从中可能读出什么，你为此做了什么。",
    ),
    (
        "What you type stays on your phone. What leaves it, now and then, is how the weights of a model have changed; a change "
        "that came from one sentence alone could give that sentence away. Therefore a phone mixes many sentences and many steps "
        "before it sends; the server gets only the sum of thousands of phones, by secure aggregation, and never one phone's own; "
        "and noise of a stated size is added, so that whether you took part can hardly be told (differential privacy). "
        "That the messages are compressed protects nobody, and we do not say that it does.",
        "你输入的文字不离开手机。手机有时会上传的，是模型权重的变化量；如果变化只来自一句话，就可能透露这句话。"
        "所以手机先混合许多句子、许多步，再上传；通过安全聚合，服务器只得到几千部手机的总和，看不到任何一部的变化量；"
        "我们还加上大小写明的噪声，让人几乎看不出你是否参加过（差分隐私）。消息压缩过，但压缩保护不了谁，我们也不这样宣称。",
    ),
    (
        ("It says that updates leave the phone, and that they can tell something.", "说明更新会离开手机，而且会透露一些东西。"),
        ("It does not promise privacy because the data stay.", "没有因为数据留在手机上，就承诺保护了隐私。"),
        ("It names a means that gives a guarantee, and what it guarantees.", "说出了一种有保证的手段，以及它保证什么。"),
    ),
)
