"""Codecs: a model delta to bytes, and from those bytes alone back again. One file a family of stages."""

from .anatomy import Part, take_apart
from .base import FLOAT32_MAX, Codec, Identity, Pipeline, decode, require_codec
from .blocks import Blocks
from .cosine import DCT
from .floats import BFloat16, Float16
from .levels import MODELS, decode_levels, encode_levels
from .masks import decode_mask, encode_mask
from .residual import Residual
from .rice import decode_support, encode_support
from .rotation import Eden, LloydMax, Rotate
from .signs import QSGD, Sign
from .sparse import RandomK, Threshold, TopK
from .supports import encode_cheapest
from .uniform import EntropyQuantize, FixedStep, Quantize
from .wire import FORMAT, MAGIC, Reader, pack_bits, packed_bytes, seal, unpack_bits, unzigzag, varint, zigzag

__all__ = [
    "DCT", "FLOAT32_MAX", "FORMAT", "MAGIC", "MODELS", "QSGD", "BFloat16", "Blocks", "Codec", "Eden", "EntropyQuantize",
    "FixedStep", "Float16", "Identity", "LloydMax", "Part", "Pipeline", "Quantize", "RandomK", "Reader", "Residual",
    "Rotate", "Sign", "Threshold", "TopK", "decode", "decode_levels", "decode_mask", "decode_support",
    "encode_cheapest", "encode_levels", "encode_mask", "encode_support", "pack_bits", "packed_bytes", "require_codec",
    "seal", "take_apart", "unpack_bits", "unzigzag", "varint", "zigzag",
]  # fmt: skip
