"""Golden payloads: what was sent on an earlier day is decoded today, bit for bit."""

import golden
import numpy as np
import pytest
from table import CODECS

import fedlab_utils as fl
from fedlab_utils.codecs import base, encode_mask, supports

GOLDEN = golden.load()


@pytest.mark.parametrize("name", golden.names(GOLDEN))
def test_a_golden_payload_decodes_bit_for_bit(name):
    assert golden.is_read(GOLDEN, name)


def test_every_row_of_the_table_has_a_golden_payload():
    assert not golden.lacking(GOLDEN, CODECS), "run python tests/codecs/golden.py"
    assert any(name.startswith("mask of ") for name in golden.names(GOLDEN))


def test_every_tag_that_the_rows_write_is_among_them():
    """The first layer of each payload, and of the rows' compositions the others: every stage is read by some."""
    read = set()
    with pytest.MonkeyPatch.context() as patch:
        for stage in set(base._STAGES.values()):

            def noting(reader, tag, n, inner, read_it=stage.read):
                read.add(tag)
                return read_it(reader, tag, n, inner)

            patch.setattr(stage, "read", noting)
        assert all(golden.is_read(GOLDEN, name) for name in golden.names(GOLDEN))
    assert {base._STAGES[tag] for tag in read} == set(base._STAGES.values())
    assert set(fl.Rotate.tags) <= read  # that of earlier versions, and that of this one


@pytest.mark.parametrize("part", ["payload", "vector"])
def test_a_payload_and_its_vector_go_together(part):
    name = golden.names(GOLDEN)[7]
    rest = {key: value for key, value in GOLDEN.items() if key != f"{name}/{part}"}
    with pytest.raises(ValueError, match="without its"):
        golden.names(rest)


@pytest.mark.parametrize("stage", sorted(set(base._STAGES.values()), key=lambda stage: stage.__name__))
def test_a_changed_reader_is_noticed(stage, monkeypatch):
    """Every stage's reader broken in turn: one unit in the last place of one weight is enough."""
    right = stage.read

    def wrong(reader, tag, n, inner):
        x = right(reader, tag, n, inner).copy()
        x[-1:] = np.nextafter(x[-1:], np.float32(np.inf))
        return x

    monkeypatch.setattr(stage, "read", wrong)
    assert not all(golden.is_read(GOLDEN, name) for name in golden.names(GOLDEN))


def test_a_changed_reader_of_masks_is_noticed(monkeypatch):
    monkeypatch.setattr(supports, "RICE", supports.BITMAP)
    monkeypatch.setattr(supports, "BITMAP", 0)
    with pytest.raises((AssertionError, ValueError)):
        assert all(golden.is_read(GOLDEN, name) for name in golden.names(GOLDEN))


def test_a_right_length_of_another_type_is_not_the_vector():
    payload = np.frombuffer(fl.Identity().encode([0.0, 0.0]), np.uint8)
    for vector in (np.zeros(2), np.zeros((2, 1), np.float32), np.float32([0, -0.0]), np.zeros(2, np.int32)):
        assert not golden.is_read({"Identity() of it/payload": payload, "Identity() of it/vector": vector}, "Identity() of it")
    mask = np.frombuffer(encode_mask([np.array([True, False])]), np.uint8)
    assert not golden.is_read({"mask of it/payload": mask, "mask of it/vector": np.array([1, 0], np.uint8)}, "mask of it")


def test_the_program_adds_what_is_lacking_and_changes_nothing_that_is_there(monkeypatch, tmp_path):
    new, file = fl.TopK(2) | fl.Quantize(7), tmp_path / "golden.npz"
    monkeypatch.setattr(golden, "FILE", file)
    monkeypatch.setattr(golden, "CODECS", [fl.Sign(), new])
    np.savez_compressed(file, **GOLDEN)
    monkeypatch.setattr(fl.Sign, "forward", fl.BFloat16.forward)  # another writer, of what has golden payloads already
    golden.main()
    after = golden.load()
    assert after.keys() > GOLDEN.keys() and all(np.array_equal(after[name], GOLDEN[name]) for name in GOLDEN)
    added = set(golden.names(after)) - set(golden.names(GOLDEN))
    assert added == {f"{new} of {vector}" for vector in golden.VECTORS}
    assert all(golden.is_read(after, name) for name in added)
    before = file.read_bytes(), file.stat().st_mtime_ns
    golden.main()
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
