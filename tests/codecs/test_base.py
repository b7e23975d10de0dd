"""Codecs and `decode`: joining, registering, the format, bad input."""

import re
import struct
import zlib

import numpy as np
import pytest
from table import HEADER, N_DOCUMENT, in_another_process, rng, sealed, with_extremes

import fedlab_utils as fl
from fedlab_utils.codecs import base, wire


@with_extremes
def test_identity_is_exact_to_the_bit(x):
    decoded = fl.decode(fl.Identity().encode(x))
    assert decoded.dtype == np.float32 and decoded.tobytes() == x.tobytes()


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, bool, ">f4"])
def test_other_types_are_sent_as_float32(dtype):
    x = np.array([0, 1, 1, 0], dtype)
    assert fl.decode(fl.Identity().encode(x)).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("container", [bytes, bytearray, memoryview])
def test_decode_takes_any_bytes(container):
    assert fl.decode(container(fl.TopK(2).encode([1, -5, 3]))).tolist() == [0, -5, 3]


def test_importing_the_package_takes_no_tensorflow_and_half_a_second_at_most():
    code = """
import sys, time
import numpy
start = time.process_time()  # not the clock on the wall: the machine may be busy with something else
import fedlab_utils as fl
print(time.process_time() - start, *({"tensorflow", "keras", "matplotlib", "ipywidgets", "tqdm"} & set(sys.modules)))
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


@pytest.mark.parametrize("n", [0, 1, 100, N_DOCUMENT, 2**21])
def test_identity_is_four_bytes_a_weight_and_a_header(n):
    assert 0 < len(fl.Identity().encode(np.ones(n))) - 4 * n <= HEADER


def test_what_float32_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"x\[1\]"):
        fl.Identity().encode([1.0, 1e39])


@pytest.mark.parametrize("x", [[1 + 2j], ["1.5"]])
def test_what_is_no_real_number_is_refused(x):
    with pytest.raises(TypeError, match="x must hold real numbers"):
        fl.Identity().encode(x)


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


# The registry of stages


@pytest.fixture
def registry(monkeypatch):
    """A copy of the registry that a test may fill."""
    monkeypatch.setattr(base, "_STAGES", dict(base._STAGES))
    return base._STAGES


def half(name="Half", *tags, qualname=None):
    """A stage of one's own: what it was given halved, the rest of a codec behind it."""

    def forward(self, x, rng):
        return bytes([tags[0] if tags else 0xAB]), x / 2

    @classmethod
    def read(cls, reader, tag, n, inner):
        return inner(n) * 2

    body = {"forward": forward, "read": read, "__qualname__": qualname or name}
    return type(name, (fl.Codec,), {**body, "tags": tags} if tags else body)


def test_a_stage_of_ones_own_is_one_class(registry):
    codec = half("Half", 0xAB)() | fl.Quantize(8)
    x = np.float32([0, 51, 255, 510])
    assert registry[0xAB].__name__ == "Half" and repr(codec) == "Half() | Quantize(8)"
    assert fl.decode(codec.encode(x)).tolist() == [0, 52, 256, 510]  # to 255 levels of the half, two apart
    assert fl.decode(codec.encode(x)).tolist() != fl.decode(fl.Quantize(7).encode(x)).tolist()


def test_a_stage_without_a_tag_says_what_to_do(registry):
    with pytest.raises(TypeError, match=r"^Half\(\) has no tag, .* give its class `tags` and `read`$"):
        half()().encode([1.0])


def test_a_stage_that_writes_no_layer_says_so_too(registry):
    empty = half("Half", 0xAB)
    empty.forward = lambda self, x, rng: (b"", x)
    with pytest.raises(TypeError, match="has no tag"):
        empty().encode([1.0])


@pytest.mark.parametrize(
    ("method", "call"),
    [("forward", lambda stage: stage().encode([1.0])), ("read", lambda stage: stage.read(None, 0xAB, 1, None))],
)
def test_a_stage_without_its_methods_is_told_which(registry, method, call):
    stage = type("Bare", (fl.Codec,), {"tags": (0xAB,)})
    with pytest.raises(NotImplementedError, match=rf"^Bare needs a (class )?method {method}\("):
        call(stage)


@pytest.mark.parametrize("tag", sorted(base._STAGES))
def test_two_stages_of_one_tag_are_refused_naming_the_other_and_a_free_one(registry, tag):
    before, free_at_first = dict(registry), 0xEE
    pattern = rf"^the tag 0x{tag:02x} of Half is {registry[tag].__name__}'s: take a free one, 0x(..) say$"
    with pytest.raises(TypeError, match=pattern) as error:
        half("Half", free_at_first, tag)
    assert registry == before  # none of its tags is left behind
    free = int(re.search(pattern, str(error.value))[1], 16)
    assert free not in registry and free != free_at_first
    half("Half", free)
    assert registry.keys() == before.keys() | {free}


def test_a_cell_that_is_run_again_defines_its_stage_again(registry):
    first, second = half("Half", 0xAB), half("Half", 0xAB)
    assert registry[0xAB] is second is not first
    with pytest.raises(TypeError, match="the tag 0xab of Third is Half's"):
        half("Third", 0xAB)
    with pytest.raises(TypeError, match="the tag 0xab of Half is Half's"):
        half("Half", 0xAB, qualname="another.Half")


def test_an_unknown_tag_under_a_right_checksum_is_named(registry):
    payload = half("Half", 0xAB)().encode([1.0, 2.0])
    assert fl.decode(payload).tolist() == [1, 2]
    del registry[0xAB]  # a receiver that does not have the stage
    with pytest.raises(ValueError, match=r"no stage has the tag 0xab$"):
        fl.decode(payload)


@pytest.mark.parametrize("version", [v for v in range(16) if v != wire.FORMAT])
def test_a_payload_of_another_format_version_is_named(version):
    payload = bytearray(fl.Sign().encode([1.0, 2.0]))
    payload[0] = 0xF0 | version
    with pytest.raises(ValueError, match="checksum"):  # damage, as far as one can tell
        fl.decode(bytes(payload))
    payload[-4:] = zlib.crc32(payload[:-4]).to_bytes(4, "little")
    told = rf"^the payload is of format version {version}, this fedlab_utils reads version {wire.FORMAT}: .* on both sides$"
    with pytest.raises(ValueError, match=told):
        fl.decode(bytes(payload))


def test_codecs_are_equal_where_they_do_the_same():
    assert (fl.TopK(0.1) | fl.Quantize(8)) == (fl.TopK(0.1) | fl.Quantize(8, "nearest"))
    assert fl.Eden(3) == (fl.Rotate() | fl.LloydMax(3, True))
    different = [
        fl.TopK(1), fl.TopK(1.0), fl.TopK(2), fl.RandomK(1), fl.RandomK(1, unbiased=False), fl.Quantize(8), fl.Eden(3),
        fl.Quantize(8, "floor"), fl.Quantize(8, entropy=True), fl.TopK(1) | fl.Quantize(8), fl.Identity(), fl.LloydMax(3),
        fl.LloydMax(3, True),
    ]  # fmt: skip
    for i, codec in enumerate(different):
        assert [codec == other for other in different] == [i == j for j in range(len(different))]
        assert codec != repr(codec) and (codec == 8) is False


def test_a_stage_whose_attributes_do_not_tell_is_equal_to_itself_alone(registry):
    class Hiding(fl.Codec):
        tags = (0xAB,)

        def __init__(self, level):
            self.other = level

    one, two = Hiding(1), Hiding(1)
    assert repr(one) == "Hiding(…)" and one == one and one != two and hash(one) == hash(two)


def test_the_repr_names_what_follows_a_parameter_left_out():
    assert repr(fl.Quantize(8)) == "Quantize(8)" and repr(fl.Quantize(np.int64(8), "floor")) == "Quantize(8, 'floor')"
    assert repr(fl.Quantize(8, entropy=True)) == "Quantize(8, entropy=True)"
    assert repr(fl.RandomK(np.float64(0.5), unbiased=False)) == "RandomK(0.5, unbiased=False)"
