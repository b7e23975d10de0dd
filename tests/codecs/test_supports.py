"""Supports in their cheapest form, and masks: near log2 C(n, k), and nothing hurts the decoder."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from table import N_DOCUMENT, read, rng

import fedlab_utils as fl
from fedlab_utils.codecs import (
    encode_support,
    masks,
    seal,
    supports,
    varint,
)


@pytest.mark.parametrize("k", [10_177, 1_018, 102])
def test_supports_are_within_one_percent_of_log2_binomial(k):
    limit = math.log2(math.comb(N_DOCUMENT, k)) / 8
    lengths, rice = [], []
    for seed in range(20):
        indices = np.sort(rng(seed).choice(N_DOCUMENT, k, replace=False))
        form, data = supports.encode_cheapest(indices, N_DOCUMENT)
        np.testing.assert_array_equal(read(supports.decode_cheapest, data, form, k, N_DOCUMENT), indices)
        lengths.append(len(data))
        rice.append(len(encode_support(indices, N_DOCUMENT)))
    assert max(lengths) <= 1.01 * limit + 24
    assert limit - 1 <= np.mean(lengths) <= np.mean(rice) <= 1.02 * limit + 24
    if k == 10_177:
        assert np.mean(lengths) <= 1.002 * limit  # the geometric model costs nothing


def geometric_bytes(indices, n):
    forms = supports._forms(indices, n)
    return len(forms[supports.GEOMETRIC])


@pytest.mark.parametrize(("n", "k"), [(N_DOCUMENT, 10_177), (N_DOCUMENT, 1_018), (N_DOCUMENT, 102), (2**22, 41_943)])
def test_the_entropy_coder_alone_is_within_one_percent_and_a_header(n, k):
    limit = fl.log2_binomial(n, k) / 8
    for seed in range(5):
        assert geometric_bytes(np.sort(rng(seed).choice(n, k, replace=False)), n) <= 1.01 * limit + 12


@settings(deadline=None, max_examples=300)
@given(n=st.integers(1, 3000), data=st.data())
def test_any_support_comes_back_from_every_form(n, data):
    kind = data.draw(st.sampled_from(["any", "run", "all but one"]))
    if kind == "any":
        indices = sorted(data.draw(st.sets(st.integers(0, n - 1))))
    else:
        start = data.draw(st.integers(0, n - 1))
        indices = list(range(start, n)) if kind == "run" else [i for i in range(n) if i != start]
    indices = np.array(indices, np.int64)
    form, best = supports.encode_cheapest(indices, n)
    assert read(supports.decode_cheapest, best, form, indices.size, n).tolist() == indices.tolist()
    if 0 < indices.size < n:
        forms = supports._forms(indices, n)
        if form == supports.RUNS:
            assert len(best) < min(map(len, forms.values()))
            forms[form] = best
        assert (
            len(best) == min(map(len, forms.values()))
            and forms[supports.BITMAP] == np.packbits(np.isin(np.arange(n), indices)).tobytes()
        )
        for form, coded in forms.items():
            assert read(supports.decode_cheapest, coded, form, indices.size, n).tolist() == indices.tolist()


def test_each_form_is_the_cheapest_of_some_support():
    supports_of = {
        supports.RICE: (np.array([3, 700]), 1000),
        supports.BITMAP: (np.flatnonzero(rng().random(1000) < 0.5), 1000),
        supports.GEOMETRIC: (np.flatnonzero(rng().random(N_DOCUMENT) < 0.1), N_DOCUMENT),
        supports.MODELLED: (np.arange(0, N_DOCUMENT, 100)[:900], N_DOCUMENT),
        supports.RUNS: (np.concatenate([np.arange(start, start + 700) for start in (900, 20_000, 77_777)]), N_DOCUMENT),
    }
    for form, (indices, n) in supports_of.items():
        assert supports.encode_cheapest(indices, n)[0] == form


def test_kept_weights_of_a_real_delta_stand_together():
    """With a model of its gaps the support of a real delta costs less than log2 C(n, k), what a random one costs at least."""
    delta = np.abs(np.ravel(fl.load_client_delta()))
    for k in (10_177, 1_018, 102):
        indices = np.sort(np.argsort(-delta, kind="stable")[:k])
        form, data = supports.encode_cheapest(indices, delta.size)
        assert form == supports.MODELLED and len(data) < 0.9 * fl.log2_binomial(delta.size, k) / 8


@given(hnp.arrays(bool, st.integers(1, 300)))
def test_a_mask_comes_back_from_its_bytes(mask):
    np.testing.assert_array_equal(masks.decode_mask(masks.encode_mask([mask[:7], mask[7:]])), mask)


def test_a_damaged_or_greedy_mask_is_refused():
    payload = masks.encode_mask([np.random.default_rng(0).random(500) < 0.1])
    for place in range(len(payload)):
        with pytest.raises(ValueError):
            masks.decode_mask(payload[:place] + bytes([payload[place] ^ 4]) + payload[place + 1 :])
    with pytest.raises(ValueError, match="max_weights=499"):
        masks.decode_mask(payload, max_weights=499)
    with pytest.raises(ValueError, match="max_weights=16777216"):  # unless told otherwise, as `decode`
        masks.decode_mask(seal(varint(2**24 + 1) + varint(0) + bytes([supports.RICE])))
    with pytest.raises(ValueError, match="3 of 2 weights"):
        masks.decode_mask(seal(bytes([2, 3, 0])))
    with pytest.raises(ValueError, match="no form 7"):
        masks.decode_mask(seal(bytes([2, 1, 7, 0])))
