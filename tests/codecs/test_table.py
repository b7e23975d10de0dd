"""What holds for every row of the table of stages, and that every stage has a row."""

import math

import numpy as np
import pytest
from table import (
    CODECS,
    HEADER,
    N_DOCUMENT,
    ROWS,
    gaussian,
    header_bytes,
    in_another_process,
    mean_is_x,
    rng,
    sent,
    stages_of_the_wing,
    without_a_row,
)

import fedlab_utils as fl
from fedlab_utils import codecs
from fedlab_utils.codecs import base, wire

every_row = pytest.mark.parametrize("row", ROWS, ids=repr)
every_codec = pytest.mark.parametrize("codec", CODECS, ids=repr)
ODD = {"empty": np.zeros(0), "one": np.array([-3.25]), "constant": np.full(40, 2.5), "zeros": np.zeros(40)}


def test_every_stage_has_a_row():
    stages = list(stages_of_the_wing())
    nameless = sorted(stage.__name__ for stage in stages if stage.__name__ not in vars(fl) or stage.__name__ not in vars(codecs))
    assert not nameless, "name each in fedlab_utils/codecs/__init__.py and in fedlab_utils/__init__.py"
    assert not without_a_row(stages), "add a row to the table for each"
    registered = {stage for stage in base._STAGES.values() if not stage.__name__.startswith("_")}
    assert registered <= set(stages)


def test_a_stage_without_a_row_is_noticed(monkeypatch):
    monkeypatch.setattr(base, "_STAGES", dict(base._STAGES))

    class Forgotten(fl.Codec):
        tags = (0xEE,)

    assert without_a_row([*base._STAGES.values(), fl.Sign]) == ["Forgotten", "_Layout", "_Support"]


def test_every_row_is_another_codec():
    assert len(set(CODECS)) == len(CODECS) == len(set(map(repr, CODECS)))


@every_codec
def test_a_codec_is_what_its_repr_says(codec):
    again = eval(repr(codec), vars(fl))
    assert again == codec and hash(again) == hash(codec)
    x = gaussian(100)
    assert again.encode(x, rng()) == codec.encode(x, rng())


@every_row
def test_what_is_lost_is_what_the_row_says(row):
    x = gaussian(4096)
    lost = np.mean([np.sum((sent(row.codec, x, seed).astype(np.float64) - x) ** 2) for seed in range(10)])
    rounding = 1e-13 * x.size  # of float32 arithmetic, as in a rotation
    assert lost == pytest.approx(row.error(x.astype(np.float64)), rel=row.rel, abs=rounding)


@every_row
@pytest.mark.parametrize("odd", ODD)
def test_odd_vectors_come_back(row, odd):
    decoded = sent(row.codec, ODD[odd])
    assert decoded.shape == ODD[odd].shape and decoded.dtype == np.float32 and np.isfinite(decoded).all()
    if odd in ("one", "zeros"):  # of a single weight nothing is lost but rounding
        np.testing.assert_allclose(decoded, ODD[odd], rtol=2.0**-8)


@every_row
def test_a_row_that_draws_needs_rng_and_another_does_not(row):
    if row.draws:
        with pytest.raises(ValueError, match=r"draws random numbers|stochastic.*pass rng="):
            row.codec.encode([1.0, 2.0])
        first, second = (row.codec.encode(gaussian(1000), rng(seed)) for seed in (1, 2))
        assert first != second
    else:
        assert row.codec.encode(gaussian(1000)) == row.codec.encode(gaussian(1000), rng(1))


@pytest.mark.parametrize("codec", [codec for codec in CODECS if len(codec.stages) <= 3], ids=repr)
@pytest.mark.parametrize("n", [0, 1000, N_DOCUMENT])
def test_header_of_every_row_is_within_its_24_bytes(codec, n):
    payload = codec.encode(gaussian(n), rng())
    blocks = [math.ceil(n / stage.length) for stage in codec.stages if isinstance(stage, fl.Blocks)]
    assert 1 + wire.CHECKSUM_BYTES < header_bytes(payload) <= HEADER + 8 * sum(blocks)  # a range or a scale a block, beside
    assert n or len(payload) <= HEADER


@pytest.mark.parametrize("codec", [row.codec for row in ROWS if row.constants], ids=repr)
@pytest.mark.parametrize("value", [0.0, -7.25, 1e-45, 3.4028235e38])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_constant_comes_back_exactly_where_it_is_kept(codec, value, n):
    x = np.full(n, value, np.float32)
    decoded = fl.decode(codec.encode(x, rng()))
    assert decoded.shape == (n,) and set(decoded.tolist()) <= {0.0, x.tolist()[0] if n else 0.0}
    if n and value:
        assert decoded.any()


@every_codec
@pytest.mark.parametrize("shape", [(), (1, 1), (3, 4), (2, 0, 3), (2, 3, 5)])
def test_any_shape_is_sent_flat_in_row_major_order(codec, shape):
    x = rng(1).standard_normal(shape)
    decoded = fl.decode(codec.encode(x, rng(2)))
    assert decoded.shape == (math.prod(shape),)
    np.testing.assert_array_equal(decoded, fl.decode(codec.encode(x.ravel(), rng(2))))
    np.testing.assert_array_equal(decoded, fl.decode(codec.encode(np.asfortranarray(x), rng(2))))


@every_codec
def test_decoded_weights_are_ours_to_change(codec):
    payload = codec.encode(gaussian(50), rng())
    first = fl.decode(payload)
    first += 1  # raises for a read-only view of the payload
    assert fl.decode(payload).tolist() != first.tolist()


DECODE_ELSEWHERE = """
import sys
from fedlab_utils.codecs import decode
for line in sys.stdin:
    print(decode(bytes.fromhex(line)).tobytes().hex())
assert not {"tensorflow", "keras", "matplotlib"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def decoded_elsewhere():
    """What another process decodes of the payload of each codec, by its repr: hexadecimal."""
    payloads = "\n".join(codec.encode(gaussian(5000), rng()).hex() for codec in CODECS)
    run = in_another_process(DECODE_ELSEWHERE, payloads.encode())
    assert run.returncode == 0, run.stderr.decode()
    return dict(zip(map(repr, CODECS), run.stdout.decode().split(), strict=True))


@every_codec
def test_another_process_decodes_the_same_from_the_bytes_alone(codec, decoded_elsewhere):
    assert decoded_elsewhere[repr(codec)] == fl.decode(codec.encode(gaussian(5000), rng())).tobytes().hex()


@every_codec
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_naming_where(codec, bad):
    x = np.ones((3, 4))
    x[1, 2] = bad
    with pytest.raises(ValueError, match=rf"x\[\(1, 2\)\] is {bad}"):
        codec.encode(x, rng())
    with pytest.raises(ValueError, match=rf"x\[6\] is {bad}"):
        codec.encode(x.ravel(), rng())


@every_codec
def test_a_codec_is_stateless(codec):
    x, other = gaussian(300), gaussian(40, seed=1)
    before = repr(codec), x.copy()
    payload = codec.encode(x, rng(3))
    codec.encode(other, rng(4))
    assert codec.encode(x, rng(3)) == payload
    assert repr(codec) == before[0]
    np.testing.assert_array_equal(x, before[1])


@pytest.mark.slow
@pytest.mark.parametrize("codec", [row.codec for row in ROWS if row.unbiased], ids=repr)
def test_unbiased_codecs_are_unbiased(codec):
    """Over 4,000 weights the ratio is 1 within a few percent; a bias of b of the error would make it 1 + 400 b^2."""
    x = (gaussian(4000) ** 3).astype(np.float32)
    assert mean_is_x(codec, x, 400) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("codec", [fl.Eden(1, False), fl.RandomK(0.1, False), fl.Sign(), fl.TopK(0.1)], ids=repr)
def test_the_test_of_unbiasedness_notices_a_bias(codec):
    assert mean_is_x(codec, (gaussian(4000) ** 3).astype(np.float32), 400) > 5


@pytest.mark.parametrize(
    ("codec", "rest"),
    [
        (fl.Sign(), lambda n: math.ceil(n / 8)),
        (fl.Float16(), lambda n: 2 * n),
        (fl.RandomK(0.01) | fl.Sign(), lambda n: math.ceil(math.ceil(n / 100) / 8)),
        (fl.Eden(1), lambda n: math.ceil(n / 8)),
        (fl.RandomK(0.01) | fl.Eden(1), lambda n: math.ceil(math.ceil(n / 100) / 8)),
        (fl.Rotate() | fl.Quantize(3), lambda n: math.ceil(3 * n / 8)),
    ],
    ids=lambda value: repr(value) if isinstance(value, fl.Codec) else "",
)
@pytest.mark.parametrize("n", [1000, N_DOCUMENT, 2**20])
def test_header_is_within_its_24_bytes(codec, rest, n):
    assert 0 < len(codec.encode(gaussian(n), rng())) - rest(n) <= HEADER
