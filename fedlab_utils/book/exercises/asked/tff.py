"""What chapter 5 on TensorFlow Federated asks before it shows it."""

from __future__ import annotations

from ..asking import Question

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
