"""What a coder of levels knows: the conditional entropy, held against counts made here, and what is expected of each level."""

from collections import Counter, defaultdict

import numpy as np
import pytest

import fedlab_utils as fl
from fedlab_utils.codecs import MODELS, contexts, encode_levels
from fedlab_utils.codecs.conditional import histograms, known
from fedlab_utils.layout import Layout, flatten


def bits_of(pairs):
    """n H(symbol | class) of (class, symbol) pairs, by the formula."""
    of_class = defaultdict(Counter)
    for which, symbol in pairs:
        of_class[which][symbol] += 1
    return sum(k * np.log2(sum(c.values()) / k) for c in of_class.values() for k in c.values())


def case(delta, bits=6):
    arrays = fl.load_deltas()[delta]
    levels = fl.quantize(flatten(arrays), bits, "nearest").levels.astype(np.int64)
    return levels - np.bincount(levels).argmax(), Layout([array.shape for array in arrays])


def test_by_one_histogram_it_is_the_entropy():
    levels, layout = case("document")
    found = known(levels, layout, "plain")
    assert found.bits == pytest.approx(bits_of((0, level) for level in levels.tolist()))
    assert found.expected == pytest.approx(np.full(levels.size, np.abs(levels).mean()))


def test_by_array_a_dead_line_is_known_and_small_arrays_share():
    rng = np.random.default_rng(0)
    table = rng.integers(-3, 4, (60, 40))
    table[7], table[:, 3] = 0, 0
    small, one = rng.integers(-9, 10, 30), np.array([5])
    layout = Layout([table.shape, (30,), (0,), (1,)])
    levels = np.concatenate([table.ravel(), small, one])
    live = np.ones(table.shape, bool)
    live[7], live[:, 3] = False, False
    classes = np.concatenate([np.where(live, 2, 0).ravel(), np.full(31, 1)])
    assert np.array_equal(histograms(levels, layout), classes)
    found = known(levels, layout, "arrays")
    assert found.bits == pytest.approx(bits_of(zip(classes.tolist(), levels.tolist(), strict=True)))
    for which in range(3):
        assert found.expected[classes == which] == pytest.approx(np.abs(levels[classes == which]).mean())


@pytest.mark.parametrize("bits", [6, 12])
def test_by_context_the_classes_are_those_that_the_coder_told_by(bits, monkeypatch):
    """Of large magnitudes the low bits are told as they are."""
    levels, layout = case("shards", bits)
    pairs, tell = [], contexts._by_context

    def spy(coder, symbols, which, frequencies):
        pairs.extend(((frequencies.__name__, c), s) for c, s in zip(which.tolist(), symbols.tolist(), strict=True))
        return tell(coder, symbols, which, frequencies)

    monkeypatch.setattr(contexts, "_by_context", spy)
    found = known(levels, layout, "context")
    low = np.maximum(np.floor(np.log2(np.maximum(np.abs(levels), 1))) - 3, 0)
    assert found.bits == pytest.approx(bits_of(pairs) + low.sum()) and low.sum() > 0


@pytest.mark.parametrize("delta", ["document", "mlp", "cnn", "embedding", "shards"])
def test_more_is_known_at_each_stop_and_real_bytes_stay_just_above(delta):
    levels, layout = case(delta, 8)
    entropies = []
    for model in MODELS:
        entropy, expected = known(levels, layout, model)
        real = 8 * len(encode_levels(levels, layout, model))
        assert entropy < real < entropy + 0.14 * levels.size
        assert expected.min() >= 0 and (levels[expected == 0] == 0).all()
        entropies.append(entropy)
    assert entropies == sorted(entropies, reverse=True)


def test_what_is_expected_by_context_is_noted_where_it_belongs():
    """One loud row and one loud column of a matrix, and a vector behind it: there more is expected."""
    rng = np.random.default_rng(1)
    table = rng.integers(0, 2, (64, 64))
    table[20], table[:, 50] = rng.integers(20, 40, 64), rng.integers(20, 40, 64)
    levels = np.concatenate([table.ravel(), np.zeros(4096, np.int64), rng.integers(60, 70, 4096)])
    expected = known(levels, Layout([table.shape, (8192,)]), "context").expected
    of_table = expected[: table.size].reshape(table.shape)
    elsewhere = np.delete(np.delete(of_table, 20, axis=0), 50, axis=1)
    assert np.median(of_table[20]) > 4 * np.median(elsewhere) and np.median(of_table[:, 50]) > 4 * np.median(elsewhere)
    assert np.median(expected[-4096:]) > 50 and np.median(expected[table.size : table.size + 4096]) < 1


def test_an_unknown_model_is_named():
    with pytest.raises(ValueError, match="model"):
        known(np.zeros(3, np.int64), Layout([(3,)]), "rows")
