"""Payloads: what is in them is all that is needed, they are as short as promised, and no bytes hurt the receiver."""

import math
import random
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import fedlab_utils as fl
from fedlab_utils.codecs import wire as coding

ROOT = Path(fl.__file__).resolve().parents[1]
N_DOCUMENT = 101_770  # weights of the document's model
HEADER = 24  # law 1: header and checksum together, in bytes
MAX_WEIGHTS = 2**20

float32s = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-3, 3).map(float)
vectors = arrays(np.float32, st.integers(0, 60), elements=float32s)
bit_counts = st.integers(1, 16)
deterministic = st.sampled_from(["floor", "nearest"])
extremes = [
    np.zeros(0, np.float32),
    np.zeros(7, np.float32),
    np.full(9, -2.5, np.float32),
    np.float32([3]),
    np.float32([3.4028235e38, -3.4028235e38, 1, 0]),
    np.float32([1e-45, -1e-45, 1e-40, 0]),
    np.float32([1e-45, 3.4028235e38]),
    np.float32([-0.0, 0.0]),
]
CODECS = [
    fl.Identity(), fl.Quantize(1), fl.Quantize(7, "floor"), fl.Quantize(8, "stochastic"), fl.Quantize(16), fl.TopK(0.3),
    fl.TopK(1), fl.TopK(1.0), fl.TopK(0.3) | fl.Quantize(3), fl.TopK(0.5) | fl.Quantize(8, "stochastic"),
    fl.Quantize(8, entropy=True), fl.EntropyQuantize(3), fl.Threshold(1e-46),
]  # fmt: skip
# What a constant does not come through to the bit: scales, norms and draws; or not every float32: float16, bfloat16.
ALL = [
    *CODECS, fl.Float16(), fl.BFloat16(), fl.Sign(), fl.TopK(0.3) | fl.Sign(), fl.QSGD(1), fl.QSGD(100), fl.RandomK(0.4),
    fl.RandomK(0.4, unbiased=False) | fl.EntropyQuantize(2), fl.Threshold(0.7) | fl.Float16(), fl.LloydMax(3), fl.Rotate(),
    fl.Eden(1), fl.Eden(4, unbiased=False), fl.TopK(0.7) | fl.RandomK(0.5) | fl.Rotate() | fl.Quantize(4, "stochastic"),
]  # fmt: skip
OF_ANY_RANGE = [codec for codec in ALL if "Float16" not in repr(codec)]


def rng(seed=0):
    return np.random.default_rng(seed)


def gaussian(n, seed=0):
    return rng(seed).standard_normal(n).astype(np.float32)


def sealed(body):
    """A message with a right checksum around any bytes."""
    message = bytes([coding.MAGIC]) + body
    return message + zlib.crc32(message).to_bytes(4, "little")


def within_half_a_step(x, x_hat, bits, steps=Fraction(1, 2)):
    """|x - x_hat| <= steps * (max - min) / (2^bits - 1), in exact arithmetic, up to one rounding to float32."""
    x = x.tolist()
    step = (Fraction(max(x)) - Fraction(min(x))) / (2**bits - 1)
    for value, decoded in zip(x, x_hat.tolist(), strict=True):
        slack = abs(Fraction(decoded)) / 2**23 + Fraction(1, 2**149) + Fraction(max(map(abs, x))) / 2**48
        assert abs(Fraction(value) - Fraction(decoded)) <= steps * step + slack


# Round trips


def with_extremes(test):
    for x in extremes:
        test = example(x=x)(test)
    return given(x=vectors)(test)


@with_extremes
def test_identity_is_exact_to_the_bit(x):
    decoded = fl.decode(fl.Identity().encode(x))
    assert decoded.dtype == np.float32 and decoded.tobytes() == x.tobytes()


@pytest.mark.parametrize("bits", [1, 2, 5, 8, 9, 16])
@with_extremes
def test_quantize_errs_by_half_a_step_at_most(bits, x):
    for rounding, steps in (("nearest", Fraction(1, 2)), ("floor", 1), ("stochastic", 1)):
        decoded = fl.decode(fl.Quantize(bits, rounding).encode(x, rng()))
        assert decoded.dtype == np.float32 and decoded.shape == x.shape and np.isfinite(decoded).all()
        if x.size:
            within_half_a_step(x, decoded, bits, steps)


@pytest.mark.parametrize("k", [0.01, 0.5, 1.0, 1])
@with_extremes
def test_top_k_sends_the_largest_exactly(k, x):
    decoded = fl.decode(fl.TopK(k).encode(x))
    count = min(x.size, max(1, math.ceil(Fraction(str(k)) * x.size)) if isinstance(k, float) else k)
    kept = sorted(range(x.size), key=lambda i: (-abs(x[i]), i))[:count]
    expected = np.zeros_like(x)
    expected[kept] = x[kept]
    assert decoded.dtype == np.float32 and decoded.tobytes() == expected.tobytes()


@pytest.mark.parametrize("bits", [1, 8, 13])
@with_extremes
def test_top_k_then_quantize_is_one_after_the_other(bits, x):
    decoded = fl.decode((fl.TopK(0.3) | fl.Quantize(bits)).encode(x))
    kept = sorted(sorted(range(x.size), key=lambda i: (-abs(x[i]), i))[: math.ceil(3 * x.size / 10)])
    assert decoded.shape == x.shape and not np.delete(decoded, kept).any()
    if kept:
        within_half_a_step(x[kept], decoded[kept], bits)


@pytest.mark.parametrize("codec", CODECS, ids=repr)
@pytest.mark.parametrize("value", [0.0, -7.25, 1e-45, 3.4028235e38])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_constant_comes_back_exactly_where_it_is_kept(codec, value, n):
    x = np.full(n, value, np.float32)
    decoded = fl.decode(codec.encode(x, rng()))
    assert decoded.shape == (n,) and set(decoded.tolist()) <= {0.0, x.tolist()[0] if n else 0.0}
    if n and value:
        assert decoded.any()


@pytest.mark.parametrize("codec", ALL, ids=repr)
@pytest.mark.parametrize("shape", [(), (1, 1), (3, 4), (2, 0, 3), (2, 3, 5)])
def test_any_shape_is_sent_flat_in_row_major_order(codec, shape):
    x = rng(1).standard_normal(shape)
    decoded = fl.decode(codec.encode(x, rng(2)))
    assert decoded.shape == (math.prod(shape),)
    np.testing.assert_array_equal(decoded, fl.decode(codec.encode(x.ravel(), rng(2))))
    np.testing.assert_array_equal(decoded, fl.decode(codec.encode(np.asfortranarray(x), rng(2))))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, bool, ">f4"])
def test_other_types_are_sent_as_float32(dtype):
    x = np.array([0, 1, 1, 0], dtype)
    assert fl.decode(fl.Identity().encode(x)).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("codec", ALL, ids=repr)
def test_decoded_weights_are_ours_to_change(codec):
    payload = codec.encode(gaussian(50), rng())
    first = fl.decode(payload)
    first += 1  # raises for a read-only view of the payload
    assert fl.decode(payload).tolist() != first.tolist()


@pytest.mark.parametrize("container", [bytes, bytearray, memoryview])
def test_decode_takes_any_bytes(container):
    assert fl.decode(container(fl.TopK(2).encode([1, -5, 3]))).tolist() == [0, -5, 3]


# From the bytes alone


def in_another_process(code, stdin=b""):
    return subprocess.run([sys.executable, "-c", code], input=stdin, capture_output=True, cwd=ROOT, timeout=60)


DECODE_ELSEWHERE = """
import sys
from fedlab_utils.codecs import decode
out = decode(sys.stdin.buffer.read())
assert not {"tensorflow", "keras", "matplotlib"} & set(sys.modules)
sys.stdout.buffer.write(out.tobytes())
"""


@pytest.mark.parametrize("codec", ALL, ids=repr)
def test_another_process_decodes_the_same_from_the_bytes_alone(codec):
    payload = codec.encode(gaussian(5000), rng())
    run = in_another_process(DECODE_ELSEWHERE, payload)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout == fl.decode(payload).tobytes()


def test_importing_the_package_takes_no_tensorflow_and_half_a_second_at_most():
    code = """
import sys, time
import numpy
start = time.perf_counter()
import fedlab_utils as fl
print(time.perf_counter() - start, *({"tensorflow", "keras", "matplotlib", "ipywidgets", "tqdm"} & set(sys.modules)))
"""
    runs = [in_another_process(code) for _ in range(3)]
    assert all(run.returncode == 0 for run in runs), runs[0].stderr.decode()
    assert all(len(run.stdout.split()) == 1 for run in runs), runs[0].stdout
    assert min(float(run.stdout) for run in runs) < 0.5


def test_the_format_by_hand():
    """A payload is a contract between versions and machines: these bytes must decode so for ever."""
    one_and_minus_two = struct.pack("<ff", 1, -2)
    assert fl.decode(sealed(b"\x02" + b"\x00" + one_and_minus_two)).tolist() == [1, -2]
    # Two bits from -1 to 2, levels 0 1 2 3 1.
    quantized = b"\x05" + b"\x11" + struct.pack("<ff", -1, 2) + bytes([0b00_01_10_11, 0b01_000000])
    assert fl.decode(sealed(quantized)).tolist() == [-1, 0, 1, 2, 0]
    # 200 weights, two kept, gaps 0 and 5 with two low bits (00 01), quotients 0 and 1 (1 01); then their values.
    sparse = b"\xc8\x01" + b"\x20\x02" + bytes([2, 0b00_01_0000, 0b1_01_00000]) + b"\x00" + one_and_minus_two
    decoded = fl.decode(sealed(sparse))
    assert decoded.size == 200 and {i: decoded[i] for i in np.flatnonzero(decoded)} == {0: 1, 6: -2}


# Length


@pytest.mark.parametrize("bits", range(1, 17))
def test_quantized_payload_is_the_levels_and_a_header(bits):
    for n in (1, 7, 8, 1000, N_DOCUMENT):
        assert 0 < len(fl.Quantize(bits).encode(gaussian(n))) - math.ceil(n * bits / 8) <= HEADER


def test_eight_bits_are_a_byte_a_weight():
    assert len(fl.Quantize(8).encode(gaussian(N_DOCUMENT))) <= N_DOCUMENT + HEADER


@pytest.mark.parametrize("n", [0, 1, 100, N_DOCUMENT, 2**21])
def test_identity_is_four_bytes_a_weight_and_a_header(n):
    assert 0 < len(fl.Identity().encode(np.ones(n))) - 4 * n <= HEADER


@pytest.mark.parametrize("k", [10_177, 1_018, 102])
@pytest.mark.parametrize("bits", [32, 8])
def test_top_k_payload_is_near_the_limit_on_random_supports(k, bits):
    limit = (math.log2(math.comb(N_DOCUMENT, k)) + bits * k) / 8
    codec = fl.TopK(k) if bits == 32 else fl.TopK(k) | fl.Quantize(bits)
    for seed in range(5):
        x = np.zeros(N_DOCUMENT, np.float32)
        x[rng(seed).choice(N_DOCUMENT, k, replace=False)] = 1 + rng(seed).random(k)
        payload = codec.encode(x)
        assert limit < len(payload) <= limit + 0.01 * math.log2(math.comb(N_DOCUMENT, k)) / 8 + HEADER
        assert np.count_nonzero(fl.decode(payload)) == k


@pytest.mark.parametrize("n", [1, 1000, N_DOCUMENT, 2**20])
@pytest.mark.parametrize("fraction", [0.001, 0.1, 1.0])
def test_header_of_a_sparse_payload_is_within_its_24_bytes(n, fraction):
    x = gaussian(n)
    k = max(1, math.ceil(Fraction(str(fraction)) * n))
    indices = np.sort(np.argsort(-np.abs(x), kind="stable")[:k])
    gaps = np.diff(indices, prepend=-1) - 1
    # The best Rice code's two parts, without the byte that names its parameter: that one is header.
    support = 0 if k == n else min(-(-k * r // 8) + -(-(int((gaps >> r).sum()) + k) // 8) for r in range(24))
    # It may be shorter than the Rice code, but not than the limit by more than chance: the support is random.
    for codec, values in ((fl.TopK(fraction), 4 * k), (fl.TopK(fraction) | fl.Quantize(5), -(-5 * k // 8))):
        length = len(codec.encode(x)) - values
        assert 0.999 * fl.log2_binomial(n, k) / 8 < length <= support + HEADER


# Damaged and hostile bytes

SMALL = [codec.encode(gaussian(24), rng()) for codec in ALL]


@pytest.mark.parametrize("payload", SMALL, ids=map(repr, ALL))
def test_every_flipped_bit_is_noticed(payload):
    for bit in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="damaged payload"):
            fl.decode(bytes(damaged))


@pytest.mark.parametrize("payload", SMALL, ids=map(repr, ALL))
def test_every_truncation_and_every_extension_is_noticed(payload):
    for length in range(len(payload)):
        with pytest.raises(ValueError, match="damaged payload"):
            fl.decode(payload[:length])
        with pytest.raises(ValueError, match="damaged payload"):
            fl.decode(payload[len(payload) - length :])
    for extra in (b"\0", b"\xff" * 9, payload):
        with pytest.raises(ValueError, match="damaged payload"):
            fl.decode(payload + extra)
        with pytest.raises(ValueError, match="bytes too many"):
            fl.decode(sealed(payload[1:-4] + extra))


def leb128(body):
    value = 0
    for position, byte in enumerate(body):
        value |= (byte & 127) << 7 * position
        if byte < 128:
            return value
    raise AssertionError("a message without a length was accepted")


def check_hostile(body):
    """Only ValueError, or a finite vector of the length that the message declares; in little time and memory."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        decoded = fl.decode(sealed(body), max_weights=MAX_WEIGHTS)
    except ValueError as error:
        assert str(error)
    else:
        assert decoded.shape == (leb128(body),) and decoded.dtype == np.float32 and np.isfinite(decoded).all()
    finally:
        seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert seconds < 5
    assert peak < 80 * MAX_WEIGHTS


large = [255, 2**16, MAX_WEIGHTS - 1, MAX_WEIGHTS, MAX_WEIGHTS + 1, 2**31, 2**62]
counts = st.integers(0, 99) | st.sampled_from(large)
tags = st.sampled_from([0x00, 0x10, 0x17, 0x1F, 0x20]) | st.integers(0, 255)
float_bytes = st.sampled_from([0.0, 1.0, -1.0, 3.4e38, -3.4e38, math.inf, math.nan]).map(lambda v: struct.pack("<f", v))
pieces = st.one_of(
    counts.map(coding.varint),
    tags.map(lambda tag: bytes([tag])),
    st.tuples(tags, counts).map(lambda layer: bytes([layer[0]]) + coding.varint(layer[1])),
    float_bytes,
    st.binary(max_size=12),
    st.integers(0, 40).map(lambda n: b"\xff" * n),
)


@settings(max_examples=400)
@given(n=counts, body=st.lists(pieces, max_size=12))
def test_made_up_messages_do_no_harm(n, body):
    check_hostile(coding.varint(n) + b"".join(body))


@settings(max_examples=400)
@given(payload=st.sampled_from(SMALL), seed=st.integers(0, 2**32))
def test_mutated_messages_with_a_right_checksum_do_no_harm(payload, seed):
    chance = random.Random(seed)
    body = bytearray(payload[1:-4])
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(1 + min(len(body), chance.choice([16, 16, len(body)])))  # mostly in the header
        byte = bytes([chance.randrange(256)])
        piece = chance.choice([byte, b"\0", b"\xff\xff\xff\x7f", coding.varint(MAX_WEIGHTS), body[:at]])
        body[at : at + chance.randint(0, 4)] = piece
    check_hostile(bytes(body))


@pytest.mark.parametrize("depth", range(10))
def test_nested_full_supports_do_no_harm(depth):
    """A few bytes that ask for the most memory we know of: full supports within each other."""
    full = b"\x20" + coding.varint(MAX_WEIGHTS)
    check_hostile(coding.varint(MAX_WEIGHTS) + full * depth + b"\x20\x00\x00" + b"\x00")


@pytest.mark.parametrize("n", [MAX_WEIGHTS + 1, 2**40, 2**62])
def test_too_many_weights_are_refused_before_any_memory_is_taken(n):
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"declares {n} weights, more than max_weights={MAX_WEIGHTS}"):
        fl.decode(sealed(coding.varint(n) + b"\x00" + bytes(100)), max_weights=MAX_WEIGHTS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_max_weights_itself_is_allowed():
    payload = fl.Identity().encode(np.ones(10))
    assert fl.decode(payload, max_weights=10).size == 10
    with pytest.raises(ValueError, match="more than max_weights=9"):
        fl.decode(payload, max_weights=9)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x01\x00" + struct.pack("<f", math.nan), "NaN or infinity"),
        (b"\x01\x00" + struct.pack("<f", -math.inf), "NaN or infinity"),
        (b"\x01\x10" + struct.pack("<ff", 0, math.inf) + b"\0", "NaN or infinity"),
        (b"\x01\x10" + struct.pack("<ff", 1, 0) + b"\0", "range of the levels is 1 … 0"),
        (b"\x01\xf0", "tag 0xf0"),
        (b"\x01\x24\x01\x00", "tag 0x24"),
        (b"\x01\x20\x02", "support of 2 in 1 weights"),
        (b"\x02\x20\x01\x20", "Rice parameter 32"),
        (b"\x02\x20\x01\x00\x20", "an index of the support is 2, beyond 1"),
        (b"\x02\x20\x01\x00", "ends after 0 of 1"),
        (b"\xff" * 12, "more than nine bytes"),
        (b"", "1 bytes expected, 0 left"),
    ],
)
def test_the_reason_is_told(body, message):
    with pytest.raises(ValueError, match=message):
        fl.decode(sealed(body))


# Bad input to encode


@pytest.mark.parametrize("codec", ALL, ids=repr)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_naming_where(codec, bad):
    x = np.ones((3, 4))
    x[1, 2] = bad
    with pytest.raises(ValueError, match=rf"x\[\(1, 2\)\] is {bad}"):
        codec.encode(x, rng())
    with pytest.raises(ValueError, match=rf"x\[6\] is {bad}"):
        codec.encode(x.ravel(), rng())


def test_what_float32_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"x\[1\]"):
        fl.Identity().encode([1.0, 1e39])


@pytest.mark.parametrize("x", [[1 + 2j], ["1.5"]])
def test_what_is_no_real_number_is_refused(x):
    with pytest.raises(TypeError, match="x must hold real numbers"):
        fl.Identity().encode(x)


@pytest.mark.parametrize("codec", [fl.TopK(0.5) | fl.Quantize(8, "stochastic"), fl.QSGD(4), fl.RandomK(1), fl.Rotate()], ids=repr)
def test_drawing_without_rng_is_refused(codec):
    with pytest.raises(ValueError, match="pass rng="):
        codec.encode([1.0, 2.0])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fl.Quantize(0), ValueError, "bits must be in 1 … 16, got 0"),
        (lambda: fl.Quantize(17), ValueError, "bits must be in 1 … 16, got 17"),
        (lambda: fl.Quantize(8.5), TypeError, "bits must be an integer, got 8.5"),
        (lambda: fl.Quantize(True), TypeError, "bits must be an integer, got True"),
        (lambda: fl.Quantize(8, "up"), ValueError, "rounding must be one of .* got 'up'"),
        (lambda: fl.TopK(0), ValueError, "must be at least 1, got 0"),
        (lambda: fl.TopK(0.0), ValueError, r"must be in \(0, 1\], got 0"),
        (lambda: fl.TopK(1.1), ValueError, r"must be in \(0, 1\], got 1.1"),
        (lambda: fl.TopK("1"), TypeError, "must be an integer, got '1'"),
        (lambda: fl.TopK(5).encode([1, 2, 3]), ValueError, "must be in 1 … 3, got 5"),
        (lambda: fl.EntropyQuantize(0), ValueError, r"bits must be in \(0, 16\], got 0"),
        (lambda: fl.EntropyQuantize("4"), TypeError, "bits must be a number, got '4'"),
        (lambda: fl.QSGD(0), ValueError, "levels must be in 1 … 32768, got 0"),
        (lambda: fl.LloydMax(9), ValueError, "bits must be in 1 … 8, got 9"),
        (lambda: fl.Eden(0.5), TypeError, "bits must be an integer, got 0.5"),
        (lambda: fl.RandomK(0.0), ValueError, r"must be in \(0, 1\], got 0"),
        (lambda: fl.Threshold(0), ValueError, r"threshold must be in \(0, infinity\), got 0"),
        (lambda: fl.Float16().encode([1, 70_000]), ValueError, r"within the range of Float16\(\), but x\[1\] is 70000"),
        (lambda: fl.BFloat16().encode([3.4e38]), ValueError, r"within the range of BFloat16\(\), but x\[0\] is 3.4e\+38"),
        (lambda: fl.RandomK(1).encode([3e38, 3e38], rng()), ValueError, r"too large: RandomK\(1\) leaves values beyond"),
        (lambda: fl.Rotate().encode([3e38] * 16, rng()), ValueError, r"too large: Rotate\(\) leaves values beyond float32"),
        (lambda: fl.QSGD(1).encode([3e38, 3e38], rng()), ValueError, "too large: its norm must be within float32"),
        (lambda: fl.TopK(2) | fl.Threshold(1), TypeError, "a kind of stage twice"),
        (lambda: fl.Sign() | fl.Quantize(8), TypeError, r"Sign\(\) turns all .* Quantize\(8\) cannot follow"),
        (lambda: fl.TopK(2) | fl.TopK(3), TypeError, "a kind of stage twice"),  # its header could pass 24 bytes
        (lambda: fl.Quantize(8) | fl.TopK(0.1), TypeError, r"Quantize\(8\) turns all .* TopK\(0.1\) cannot follow"),
        (lambda: fl.Identity() | fl.Quantize(8), TypeError, r"Identity\(\) turns all .* Quantize\(8\) cannot follow"),
        (lambda: fl.TopK(0.1) | (fl.Identity() | fl.TopK(0.1)), TypeError, "cannot follow"),
        (lambda: (fl.TopK(0.1) | fl.Quantize(8)) | fl.Identity(), TypeError, "cannot follow"),
    ],
)
def test_what_cannot_be_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("other", [8, None, fl.Quantize])
def test_only_codecs_can_be_joined(other):
    with pytest.raises(TypeError, match=r"unsupported operand|Codec"):
        fl.TopK(0.1) | other


def test_a_kind_of_stage_is_used_once():
    with pytest.raises(TypeError, match="a kind of stage twice"):
        fl.TopK(0.9) | fl.TopK(0.5) | fl.Quantize(8)


def test_a_composition_says_what_it_is():
    assert repr(fl.TopK(0.5) | fl.Quantize(8)) == "TopK(0.5) | Quantize(8)"


# No state in the codec, and the residual's law


@pytest.mark.parametrize("codec", ALL, ids=repr)
def test_a_codec_is_stateless(codec):
    x, other = gaussian(300), gaussian(40, seed=1)
    before = repr(codec), x.copy()
    payload = codec.encode(x, rng(3))
    codec.encode(other, rng(4))
    assert codec.encode(x, rng(3)) == payload
    assert repr(codec) == before[0]
    np.testing.assert_array_equal(x, before[1])


@given(data=st.data(), n=st.integers(0, 30), codec=st.sampled_from(OF_ANY_RANGE), seed=st.integers(0, 99))
def test_residual_and_sent_are_what_was_meant(data, n, codec, seed):
    moderate = arrays(np.float32, n, elements=st.floats(-1e6, 1e6, width=32))
    memory, generator = fl.Residual(codec), rng(seed)
    for _ in range(3):
        x = data.draw(moderate)
        meant = x.astype(np.float64) + memory.value
        payload, received = memory.send(x, generator)
        assert received.tobytes() == fl.decode(payload).tobytes()
        # float32 rounds the sum and the difference: half a unit in the last place each, of at most |x| + |residual|.
        bound = 2.0**-22 * np.abs(meant).max(initial=0) + 1e-44
        assert np.abs(memory.value + received.astype(np.float64) - meant).max(initial=0) <= bound


def test_with_error_feedback_the_mean_of_what_was_sent_becomes_the_mean_of_what_was_meant():
    x = gaussian(1000)
    memory, alone = fl.Residual(fl.TopK(0.01)), fl.Residual(fl.TopK(0.01), enabled=False)
    sent, sent_alone, miss = np.zeros(1000), np.zeros(1000), {}
    for round_number in range(1, 1601):
        sent += memory.send(x)[1]
        sent_alone += alone.send(x)[1]
        miss[round_number] = float(np.sum((sent / round_number - x) ** 2) / np.sum(x.astype(np.float64) ** 2))
    # What is missing is residual / rounds, and the residual stays bounded: four times the rounds, a 16th of the miss.
    assert miss[1600] < 0.003 and miss[1600] < miss[400] / 8
    assert np.sum((sent_alone / 1600 - x) ** 2) > 0.8 * np.sum(x**2)


def test_a_disabled_residual_forgets():
    memory = fl.Residual(fl.TopK(1), enabled=False)
    x = np.float32([3, 2, 1])
    for _ in range(3):
        payload, received = memory.send(x)
        assert payload == fl.TopK(1).encode(x) and received.tolist() == [3, 0, 0]
    assert not np.any(memory.value)


def test_an_enabled_residual_remembers():
    memory = fl.Residual(fl.TopK(1))
    received = [memory.send(np.float32([3, 2, 1]))[1].tolist() for _ in range(3)]
    assert received == [[3, 0, 0], [0, 4, 0], [6, 0, 0]]  # meant: 3 2 1, 3 4 2, 6 2 3
    assert memory.value.tolist() == [0, 2, 3]


def test_residuals_of_two_senders_are_apart():
    codec = fl.TopK(1)
    one, two = fl.Residual(codec), fl.Residual(codec)
    one.send(np.float32([3, 2, 1]))
    assert two.send(np.float32([3, 2, 1]))[1].tolist() == [3, 0, 0]


def test_a_message_that_cannot_be_sent_leaves_the_residual_as_it_was():
    memory = fl.Residual(fl.TopK(1))
    memory.send(np.float32([3, 2, 1]))
    with pytest.raises(ValueError, match="finite"):
        memory.send(np.float32([1, np.nan, 1]))
    assert memory.value.tolist() == [0, 2, 1]


@pytest.mark.parametrize("shape", [(3, 4), (4, 1), (2, 2, 2)])
def test_a_residual_takes_any_shape_as_encode_does(shape):
    x = rng().standard_normal(shape).astype(np.float32)
    memory, flat = fl.Residual(fl.TopK(1)), fl.Residual(fl.TopK(1))
    for _ in range(3):
        payload, received = memory.send(x)
        assert payload == flat.send(x.ravel())[0] and received.shape == (x.size,)
    np.testing.assert_array_equal(np.ravel(memory.value), flat.value)


def test_a_residual_refuses_a_vector_of_another_length():
    memory = fl.Residual(fl.Quantize(1))
    memory.send(np.float32([1]))
    with pytest.raises(ValueError, match=r"length|shape|weights"):
        memory.send(np.float32([1, 2, 3]))
