"""Half precision, against IEEE float16 and the definition of bfloat16."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from table import HEADER, N_DOCUMENT, gaussian, sent

import fedlab_utils as fl


@settings(deadline=None)
@given(arrays(np.float32, 20, elements=st.floats(-65504, 65504, width=32)))
def test_float16_is_that_of_ieee(x):
    expected = [struct.unpack("<e", struct.pack("<e", value))[0] for value in x.tolist()]
    assert sent(fl.Float16(), x).tolist() == expected


@settings(deadline=None)
@given(arrays(np.float32, 20, elements=st.floats(-(2.0**127), 2.0**127, width=32)))
def test_bfloat16_is_the_nearest_of_eight_bits(x):
    for value, decoded in zip(x.tolist(), sent(fl.BFloat16(), x).tolist(), strict=True):
        assert struct.unpack("<I", struct.pack("<f", decoded))[0] & 0xFFFF == 0
        if abs(value) >= 2.0**-126:  # eight significant bits: ties to even, as round() does
            unit = 2.0 ** (math.frexp(value)[1] - 8)
            assert decoded == round(value / unit) * unit
        else:
            assert abs(decoded - value) <= 2.0**-134


@pytest.mark.parametrize("codec", [fl.Float16(), fl.BFloat16()], ids=repr)
def test_half_precision_is_two_bytes_a_weight(codec):
    assert 0 < len(codec.encode(gaussian(N_DOCUMENT))) - 2 * N_DOCUMENT <= HEADER
