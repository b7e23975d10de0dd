"""A message taken apart: the parts are what the readers took, follow each other, and are all of the payload."""

import golden
import numpy as np
import pytest
from table import CODECS, EXTREMES, gaussian, rng, sealed

import fedlab_utils as fl
from fedlab_utils.codecs import Codec, Part, base, take_apart

SHAPES = [(40, 50), (50,), (50, 30), (30,)]
NAMED = [*CODECS, fl.TopK(0.1, "arrays") | fl.EntropyQuantize(2), fl.TopK(0.5), fl.QSGD(300, "plain")]


def model(seed=0):
    """Arrays as of a model whose first eight inputs and last five units never move."""
    kernel, *rest = (gaussian(int(np.prod(shape)), seed).reshape(shape) for shape in SHAPES)
    kernel[:8], kernel[:, -5:] = 0, 0
    return [kernel, *rest]


def apart(codec, x, seed=0):
    payload = codec.encode(x, rng(seed))
    decoded, parts = take_apart(payload)
    return payload, decoded, parts


def of(parts: list[Part], *names: str) -> Part:
    (found,) = [part for part in parts if part.names == names]
    return found


@pytest.mark.parametrize("codec", NAMED, ids=repr)
@pytest.mark.parametrize("x", [model(), gaussian(4096), *EXTREMES[:3]], ids=["arrays", "vector", "empty", "zeros", "constant"])
def test_parts_follow_each_other_and_are_all_of_the_payload(codec, x):
    payload, decoded, parts = apart(codec, x)
    ends = np.cumsum([part.size for part in parts])
    assert [part.start for part in parts] == [0, *ends[:-1]] and ends[-1] == len(payload)
    assert all(part.size > 0 for part in parts)
    assert np.array_equal(decoded, fl.decode(payload))
    assert [part.names for part in (*parts[:2], parts[-1])] == [("version",), ("count",), ("checksum",)]
    tags = [part for part in parts if part.names == ("tag",)]
    assert [part.layer for part in tags] == list(range(len(tags))) and all(part.size == 1 for part in tags)
    written = [stage for stage in codec.stages if not stage.ends_in_bytes]
    layers = [part.stage for part in tags if part.stage != "Layout"]
    assert len(layers) == len(written) + 1, "a layer a stage, and float32 where none ends in bytes"


@pytest.mark.parametrize("codec", NAMED, ids=repr)
def test_no_stage_leaves_its_bytes_without_a_name(codec):
    """What it does not name is "parameters": few bytes, told at once. All that grows with the vector has a name."""
    for x in (model(), gaussian(4096)):
        assert all(part.size <= 3 for part in apart(codec, x)[2] if part.names == ("parameters",))


def test_payloads_of_earlier_versions_are_taken_apart_too():
    kept = golden.load()
    messages = [kept[f"{name}/payload"].tobytes() for name in golden.names(kept) if not name.startswith("mask of ")]
    assert len(messages) > 30
    for payload in messages:
        _, parts = take_apart(payload)
        assert sum(part.size for part in parts) == len(payload) and parts[-1].names == ("checksum",)


# Sizes worked out by hand


def test_the_sizes_are_those_of_the_format():
    n = 101_770
    parts = apart(fl.Identity(), np.ones(n))[2]
    assert [(part.names, part.size) for part in parts] == [
        (("version",), 1), (("count",), 3), (("tag",), 1), (("values",), 4 * n), (("checksum",), 4),
    ]  # fmt: skip
    parts = apart(fl.Quantize(3), gaussian(1001))[2]
    assert of(parts, "ranges").size == 8 and of(parts, "levels", "packed").size == (3 * 1001 + 7) // 8
    parts = apart(fl.Sign(), gaussian(1001))[2]
    assert of(parts, "scales").size == 4 and of(parts, "levels", "packed").size == 126
    parts = apart(fl.RandomK(0.01) | fl.Float16(), gaussian(5000))[2]
    assert (of(parts, "seed").size, of(parts, "k").size, of(parts, "values").size) == (3, 1, 100)
    parts = apart(fl.Quantize(8, ranges="array"), fl.load_deltas()["document"])[2]
    # four arrays: how many dimensions, and 784, 128, 128, 128, 10, 10 as numbers of seven bits a byte
    assert of(parts, "shapes").size == 1 + (1 + 2 + 2) + (1 + 2) + (1 + 2 + 1) + (1 + 1)
    assert of(parts, "ranges").size == 4 * 8 and of(parts, "levels", "packed").size == n
    # One in 64 is kept, 63 apart: with r = 5 low bits each, the quotients are 1, two bits; the first is 0, one bit.
    x = np.zeros(6400)
    x[::64] = np.arange(1, 101)
    x[1::64] = 0.5
    parts = apart(fl.Threshold(1) | fl.Float16(), x)[2]
    assert of(parts, "values").size == 200
    assert sum(part.size for part in parts if part.names[0] == "support") <= 1 + (100 * 5 + 7) // 8 + (100 * 2 + 7) // 8


# What a part says it holds, it holds


def changed(payload, part, at=0, to=None):
    """The message with one byte of a part changed, under a right checksum."""
    place = part.start + at
    body = bytearray(payload[1:-4])
    body[place - 1] = body[place - 1] ^ 0x01 if to is None else to
    return fl.decode(sealed(bytes(body)))


def test_a_byte_of_the_levels_is_one_weight_and_one_of_the_range_is_all_of_them():
    x = gaussian(500)
    payload, decoded, parts = apart(fl.Quantize(8), x)
    assert np.flatnonzero(changed(payload, of(parts, "levels", "packed"), 123) != decoded).tolist() == [123]
    assert (changed(payload, of(parts, "ranges"), 6) != decoded).sum() > 400


def test_a_byte_of_the_support_moves_weights_and_one_of_the_values_changes_one():
    x = np.zeros(6400)
    x[np.sort(rng().permutation(6400)[:90])] = np.arange(1, 91)
    payload, decoded, parts = apart(fl.TopK(90) | fl.Float16(), x)
    support = next(part for part in parts if part.names == ("support", "low bits"))
    moved = changed(payload, support, 3)
    assert np.array_equal(moved[moved != 0], decoded[decoded != 0]) and not np.array_equal(moved, decoded)
    other = changed(payload, of(parts, "values"), 2 * 17)
    assert np.flatnonzero(other != decoded).tolist() == [np.flatnonzero(x)[17]]


def test_a_stage_of_ones_own_is_taken_apart_without_being_asked():
    class Halves(Codec):
        """Layer: tag, a count, then one byte a weight."""

        ends_in_bytes, tags = True, (0xE7,)

        def forward(self, x, rng):
            return bytes([0xE7, 9]) + bytes(x.size), None

        @classmethod
        def read(cls, reader, tag, n, inner):
            reader.byte()
            with reader.part("halves"):
                return np.frombuffer(reader.take(n), np.uint8).astype(np.float32)

    try:
        parts = apart(Halves(), np.ones(7))[2]
    finally:
        del base._STAGES[0xE7]
    assert [(part.stage, part.names, part.size) for part in parts[2:-1]] == [
        ("Halves", ("tag",), 1), ("Halves", ("parameters",), 1), ("Halves", ("halves",), 7),
    ]  # fmt: skip


def test_what_decode_refuses_is_refused():
    payload = fl.TopK(0.1).encode(gaussian(100))
    for damaged in (payload[:-1], payload[:3], b"", payload[:-4] + bytes(4)):
        with pytest.raises(ValueError, match="damaged payload"):
            take_apart(damaged)
    with pytest.raises(ValueError, match="more than max_weights=99"):
        take_apart(payload, max_weights=99)
    agreed = fl.Quantize(4, ranges="array").encode(model(), layout=SHAPES)
    with pytest.raises(ValueError, match="agreed on before"):
        take_apart(agreed)
    decoded, parts = take_apart(agreed, layout=SHAPES)
    assert np.array_equal(decoded, fl.decode(agreed, layout=SHAPES)) and sum(part.size for part in parts) == len(agreed)
