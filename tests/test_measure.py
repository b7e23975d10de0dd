"""A reader's own model through every codec: what is read and how, what is refused and why, and what the table says."""

import csv
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedlab_utils as fl
from fedlab_utils.language import LANGUAGES
from fedlab_utils.measuring import every_codec, sources
from fedlab_utils.measuring.command import main
from fedlab_utils.measuring.every_codec import COMMON
from fedlab_utils.measuring.names import codec_named
from fedlab_utils.measuring.sources import open_source
from fedlab_utils.measuring.table import Row, Table

ROOT = Path(__file__).resolve().parents[1]

# Written by the library safetensors 0.8.0: step is int64, the others float64, float32, bfloat16 and float16.
GOLDEN = bytes.fromhex(
    "48010000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a226e70227d2c2273746570223a7b226474797065223a22493634222c"
    "227368617065223a5b5d2c22646174615f6f666673657473223a5b302c385d7d2c22646f75626c65223a7b226474797065223a22463634222c2273686170"
    "65223a5b315d2c22646174615f6f666673657473223a5b382c31365d7d2c2277223a7b226474797065223a22463332222c227368617065223a5b322c325d"
    "2c22646174615f6f666673657473223a5b31362c33325d7d2c22627261696e223a7b226474797065223a2242463136222c227368617065223a5b335d2c22"
    "646174615f6f666673657473223a5b33322c33385d7d2c2268616c66223a7b226474797065223a22463136222c227368617065223a5b335d2c2264617461"
    "5f6f666673657473223a5b33382c34345d7d7d202020202020200700000000000000555555555555d53f0000803f000020c00000404000000000c03f40c0"
    "003c003800bcff7b"
)


def safetensors(header, data=b"", length=None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def write_safetensors(path, arrays):
    header, data = {}, b""
    for name, array in arrays.items():
        kind = {"float32": "F32", "int64": "I64"}[array.dtype.name]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    path.write_bytes(safetensors(header, data))


def write_keras(path, arrays, layers=("Second", "First")):
    """As Keras does: a zip with config.json and an HDF5 file in it. Layers stand in their order in config.json alone."""
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": [{"class_name": name} for name in layers]}}))
        archive.writestr("model.weights.h5", held.getvalue())


def weights(seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return [(scale * rng.standard_t(3, shape)).astype(np.float32) for shape in ((30, 20), (20,), (20, 5, 2), (5,))]


NAMES = ("a.kernel", "a.bias", "b.kernel", "b.bias")
KERAS_NAMES = ("layers/second/vars/0", "layers/second/vars/1", "layers/first/vars/0", "layers/first/vars/1")


def refused(sentence, *arguments, error=ValueError, **options):
    with pytest.raises(error, match=sentence):
        fl.measure(*arguments, **options)


# The table


def test_the_table_is_what_each_codec_does():
    parts = weights(0)
    x = np.concatenate([part.ravel() for part in parts])
    table = fl.measure(parts, seed=5)
    assert [row.codec for row in table] == list(COMMON) and (table.weights, table.arrays) == (825, 4)
    for row in table:
        payload = codec_named(row.codec).encode(parts, np.random.default_rng(5))
        wrong = x.astype(np.float64) - fl.decode(payload, max_weights=825)
        assert row.bytes == len(payload) and row.lossless == (not wrong.any()) == (row.codec == "Identity()")
        assert row.nmse == pytest.approx(np.dot(wrong, wrong) / np.dot(x.astype(np.float64), x))
        assert row.bits_per_weight == 8 * len(payload) / 825 and row.factor == 4 * 825 / len(payload)
        assert row.encode_seconds >= 0 and row.decode_seconds >= 0


def test_common_codecs_are_of_every_family():
    families = "Float16 Quantize EntropyQuantize Eden Sign QSGD RandomK TopK".split()
    assert all(any(family in name for name in COMMON) for family in families)


def test_what_is_coded_is_the_difference():
    before, after = weights(0), weights(1)
    delta = [b - a for a, b in zip(before, after, strict=True)]
    codecs = ["Quantize(8)", fl.TopK(0.1) | fl.EntropyQuantize(2)]
    told, known = fl.measure(before, after, codecs), fl.measure(delta, codecs=codecs)
    assert [(row.codec, row.bytes, row.nmse) for row in told] == [(row.codec, row.bytes, row.nmse) for row in known]
    assert told[1].codec == "TopK(0.1) | EntropyQuantize(2)" and len(told) == 2


def test_every_way_to_pass_a_model_is_the_same(tmp_path):
    parts = weights(3)
    named = dict(zip(NAMES, parts, strict=True))
    np.savez(tmp_path / "named.npz", **named)
    np.savez(tmp_path / "places.npz", *parts)
    np.savez_compressed(tmp_path / "small.npz", **named)
    write_safetensors(tmp_path / "m.safetensors", named)
    write_keras(tmp_path / "m.keras", dict(zip(KERAS_NAMES, parts, strict=True)))
    ways = [parts, tuple(parts), named, SimpleNamespace(get_weights=lambda: parts), *sorted(tmp_path.iterdir())]
    codecs = ['Quantize(8, ranges="array")', "TopK(0.05) | Quantize(8)", "Eden(1)"]
    tables = [fl.measure(way, codecs=codecs) for way in ways]
    assert len({tuple((row.codec, row.bytes, row.nmse) for row in table) for table in tables}) == 1 and len(tables) == 9
    zero = fl.measure(named, tmp_path / "m.safetensors", codecs="Sign()")
    assert zero[0].nmse == 0 and "Every weight is zero." in zero.notes
    assert fl.measure(tmp_path / "places.npz", parts, "Sign()").notes == zero.notes


def test_one_array_is_a_vector_in_a_file_too(tmp_path):
    x = np.asfortranarray(weights(0)[0])
    np.save(tmp_path / "x.npy", x)
    array = 'Quantize(8, ranges="array")'
    for way in (x, tmp_path / "x.npy"):
        assert fl.measure(way, codecs=array)[0].bytes == len(codec_named(array).encode(x))
        assert array not in [row.codec for row in fl.measure(way)]  # the same as Quantize(8) there
    assert fl.measure([1.0, 2.0, 4.0], codecs="Identity()")[0].bytes == len(fl.Identity().encode([1, 2, 4]))


def test_a_file_of_the_library_safetensors_is_read(tmp_path):
    (tmp_path / "golden.safetensors").write_bytes(GOLDEN)
    with open_source("x", tmp_path / "golden.safetensors") as source:
        found = {entry.name: entry.read().tolist() for entry in source.entries}
    assert found == {"double": [1 / 3], "w": [[1, -2.5], [3, 0]], "brain": [1.5, -3, 2**-7], "half": [0.5, -1, 65504]}
    table = fl.measure(tmp_path / "golden.safetensors", codecs="Identity()")
    assert table.weights == 11 and table.notes == ["Left out, for they are no weights: step (I64)."]


def test_whole_numbers_are_left_out_by_name(tmp_path):
    parts = dict(zip(KERAS_NAMES, weights(0), strict=True))
    parts |= {"layers/second/seed_generator/vars/0": np.arange(2, dtype=np.uint32), "optimizer/vars/1": np.ones(3, np.float32)}
    write_keras(tmp_path / "m.keras", parts)
    (note,) = fl.measure(tmp_path / "m.keras", codecs="Sign()").notes
    assert "layers/second/seed_generator/vars/0 (uint32), 1 tensors of the optimizer or metrics" in note
    many = {f"c{place}": np.zeros(1, int) for place in range(9)} | {"w": np.ones(3)}
    assert "c4 (int64) and 4 more" in fl.measure(many, codecs="Sign()").notes[0]


def test_what_a_codec_refuses_is_told_below_the_table():
    table = fl.measure(np.array([1e5, 1, 2]), codecs=["Float16()", "TopK(7)", "Sign()"])
    assert [row.codec for row in table] == ["Sign()"]
    assert "Float16() does not take it: x must be within the range" in str(table) and "TopK(7) does not take it" in str(table)
    with pytest.raises(ValueError, match=r"TopK\(7\) does not take it: k"):
        fl.measure(np.ones(3), codecs=["TopK(7)"])


def test_a_random_codec_that_errs_more_than_the_vector_is_told():
    x = np.random.default_rng(0).normal(size=5000)
    assert any("RandomK(0.01) | Quantize(8) errs by more" in note for note in fl.measure(x, codecs=COMMON[-5:]).notes)


def test_what_takes_too_much_memory_is_left_out_unasked(monkeypatch):
    monkeypatch.setitem(every_codec.LIMITED, "Eden(1)", 100)
    table = fl.measure(np.ones(101))
    assert "Eden(1)" not in [row.codec for row in table] and "Eden(1) is left out above 100 weights" in str(table)
    assert fl.measure(np.ones(101), codecs="Eden(1)")[0].codec == "Eden(1)" and len(fl.measure(np.ones(100))) == len(table) + 1


def test_text_html_and_csv(tmp_path, language):
    table = Table("a <b>", 12345, 2, [Row("TopK(0.1) | Sign()", 300, 0.19, 164.6, 0.81234, 0.5, 0.25, False)], ["n < m"])
    lines = str(table).splitlines()
    said = {"en": "12,345 weights in 2 arrays, 49,380 bytes", "zh": "2 个数组，共 12,345 个权重，float32 为 49,380 字节"}
    assert said[language] in lines[0]
    width = [sum(2 if "\u2e80" < c else 1 for c in line) for line in lines[2:4]]
    assert width[0] == width[1] and "8.12e-01" in lines[3] and "  165  " in lines[3]
    page = table._repr_html_()
    assert "a &lt;b&gt;" in page and "n &lt; m" in page and "<b>" not in page and page.count("<tr>") == 2
    table.to_csv(tmp_path / "t.csv")
    again = Table.from_csv(tmp_path / "t.csv")
    assert (again.rows, again.weights, again.arrays, again.what) == (table.rows, 12345, 2, "a <b>")
    (tmp_path / "bad.csv").write_text("codec,bytes\nSign(),many\n")
    with pytest.raises(ValueError, match={"en": "no table of measured codecs", "zh": "不是编解码器测量结果的表"}[language]):
        Table.from_csv(tmp_path / "bad.csv")


# What is refused


def npy(array, **options) -> bytes:
    held = io.BytesIO()
    np.save(held, array, **options)
    return held.getvalue()


def archive(**files) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name, data in files.items():
            file.writestr(name.replace("__", "."), data)
    return held.getvalue()


def tensor(*offsets, dtype="F32", shape=(2,)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


LYING_NPY = npy(np.ones(3)).replace(b"(3,)", b"(9,)")
WRONG = {
    "empty.npz": (b"", "is empty"),
    "model.pt": (archive(data__pkl=""), "is a pickle, which may run any code"),
    "model.pth": (pickle.dumps([1.0], 2), r"save_file\(torch.load\('model.pth', weights_only=True\), 'model.safetensors'\)"),
    "model.npy": (pickle.dumps([1.0]), "is a pickle"),
    "weights.bin": (b"\1\2\3\4" * 9, "is a pickle"),
    "objects.npz": (archive(a__npy=npy(np.array([{}]), allow_pickle=True)), "a holds Python objects, a pickle"),
    "text.txt": (b"hello", "is no checkpoint that can be read"),
    "other.zip": (archive(readme__txt="hello"), "is no checkpoint that can be read"),
    "short.npz": (archive(a__npy=npy(np.ones(30)))[:150], "is damaged or cut short: File is not a zip file"),
    "foreign.npz": (b"hello", "is no .npz file: it begins with b'hell'"),
    "lying.npy": (LYING_NPY, r"is damaged: x \(float64, \(9,\)\) needs 72 bytes, there are 24"),
    "complex.npy": (npy(np.ones(2, complex)), "x is of dtype complex128; taken are float16"),
    "counter.npy": (npy(np.arange(3)), r"holds no floating-point weights; it has x \(int64\)"),
    "hollow.keras": (archive(config__json="{}"), "is no .keras file: it holds no model.weights.h5"),
    "shards.keras": (archive(config__json="{}", model__weights__json="{}"), "keeps its weights in several files"),
    "damaged.keras": (archive(config__json="{", model__weights__h5=b"\x89HDF"), "is damaged or cut short: "),
    "short.safetensors": (safetensors({"a": tensor(0, 8)}, b"1234"), "a is said to lie at 0 … 8, outside the file"),
    "tiny.safetensors": (b"\7\0\0", "its header of 7 bytes does not fit into the 3 bytes of the file"),
    "huge.safetensors": (safetensors({}, length=2**63), f"its header of {2**63} bytes does not fit"),
    "text.safetensors": (safetensors(b"{nothing"), "its header is no JSON"),
    "list.safetensors": (safetensors(b"[1, 2]"), "its header is no JSON object"),
    "deep.safetensors": (safetensors(b"[" * 50000), "its header is no JSON"),
    "twice.safetensors": (safetensors(b'{"a":1,"a":2}'), r"its header is no JSON \(a name twice\)"),
    "over.safetensors": (safetensors({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)), "b is said to lie at 4 … 12"),
    "hole.safetensors": (safetensors({"a": tensor(4, 12)}, bytes(12)), "a is said to lie at 4 … 12"),
    "more.safetensors": (safetensors({"a": tensor(0, 8)}, bytes(12)), "4 bytes belong to no tensor"),
    "size.safetensors": (safetensors({"a": tensor(0, 8, shape=(2**40,))}, bytes(8)), "cannot be 8 bytes"),
    "negative.safetensors": (safetensors({"a": tensor(0, 8, shape=(-2,))}, bytes(8)), "what its header says of a is no tensor"),
    "string.safetensors": (safetensors({"a": "F32"}), "what its header says of a is no tensor"),
    "eight.safetensors": (safetensors({"a": tensor(0, 2, dtype="F8_E4M3")}, bytes(2)), "a is of dtype F8_E4M3; taken are"),
    "nothing.safetensors": (safetensors({}), "holds no floating-point weights"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, name):
    data, sentence = WRONG[name]
    (tmp_path / name).write_bytes(data)
    told = {}
    tracemalloc.start()
    for language in LANGUAGES:
        fl.use_language(language)
        with pytest.raises(ValueError) as error:
            fl.measure(tmp_path / name)
        told[language] = str(error.value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    fl.use_language("en")
    assert peak < 10_000_000, "a header that lies asks for no memory"
    refused(sentence, tmp_path / name)
    assert str(tmp_path / name) in told["en"] and str(tmp_path / name) in told["zh"] and told["en"] != told["zh"]
    assert "\n" not in told["en"] + told["zh"] and any("\u4e00" <= character <= "\u9fff" for character in told["zh"])


def test_a_pickle_is_never_opened(tmp_path):
    mark = tmp_path / "opened"
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(mark),)

    bomb = pickle.dumps(Bomb())
    objects = npy(np.array([Bomb()], object), allow_pickle=True)
    for name, data in {"m.pt": bomb, "m.npz": bomb, "m.npy": objects, "n.npz": archive(a__npy=objects)}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match="pickle"):
            fl.measure(tmp_path / name)
    assert not mark.exists()


def test_missing_files_and_folders(tmp_path, language):
    said = {"en": ("there is no file", "is a folder"), "zh": ("没有文件", "是文件夹")}[language]
    with pytest.raises(FileNotFoundError, match=said[0]):
        fl.measure(tmp_path / "gone.npz")
    with pytest.raises(ValueError, match=said[1]):
        fl.measure(tmp_path)


@pytest.mark.parametrize("wrong", ["link", "chunks", "loop", "promised"])
def test_a_hostile_h5_is_refused(tmp_path, wrong):
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        if wrong == "link":
            file["vars/0"] = h5py.ExternalLink("elsewhere.h5", "secret")
        elif wrong == "chunks":
            file.create_dataset("vars/0", data=np.ones(10), chunks=(5,), compression="gzip")
        elif wrong == "promised":
            file.create_dataset("vars/0", (2**27,), "<f4")  # never written
        else:
            file.create_group("layers")["layers"] = file["/"]
    with pytest.raises(ValueError, match="is damaged, or no weights of Keras 3: ") as error:
        fl.measure(tmp_path / "m.weights.h5")
    reason = {"link": "link to another", "chunks": "not lie in one piece", "loop": "nested deeper", "promised": "has 0 bytes"}
    assert reason[wrong] in str(error.value)


def test_two_that_do_not_match_are_told_by_the_first_difference(tmp_path):
    parts = weights(0)
    named = dict(zip(NAMES, parts, strict=True))
    write_safetensors(tmp_path / "m.safetensors", named)
    path = str(tmp_path / "m.safetensors")
    fewer = {name: part for name, part in named.items() if name not in NAMES[1:3]}
    refused(f"{path} holds a.bias, after does not", path, fewer)
    refused(f"{path} holds a.bias, before does not", fewer, path)
    other = named | {"b.kernel": parts[2][:1]}
    refused(r"b.kernel has the shape \(20, 5, 2\) in .* and \(1, 5, 2\) in after", path, other)
    refused("before holds 4 arrays, after 3: both must have the same", parts, parts[1:])
    refused(r"\[3\] has the shape \(5,\) in before", parts, [*parts[:3], parts[0]])
    refused(r"the tensors of .*safetensors have names, those of before have none", parts, path)
    shuffled = dict(reversed(named.items()))
    assert fl.measure(named, shuffled, "Sign()").notes == ["Every weight is zero."]


def test_numbers_that_are_none(language):
    parts = weights(0)
    parts[2][3, 1, 0] = np.nan
    said = {"en": r"after: \[2\] must be finite, but at \[3, 1, 0\] it is nan", "zh": r"after：\[2\] 在 \[3, 1, 0\] 处是 nan"}
    refused(said[language], weights(0), parts)
    beyond = {"en": "w holds values beyond float32", "zh": "w 里有超出 float32 范围的值"}
    refused(beyond[language], {"w": np.array([1e39])})
    refused(beyond[language], {"w": np.array([3e38], "f4")}, {"w": np.array([-3e38], "f4")})


def test_what_is_no_model():
    for nothing in ({}, [], [np.zeros((0, 3))], np.arange(3)):
        refused("holds no floating-point weights", nothing)
    refused("must be a path, an array, a list or dict of arrays, or a Keras model, got float", 3.0, error=TypeError)
    refused("w cannot be read as an array", {"w": [[1], [1, 2]]}, error=TypeError)
    refused("w is of dtype <U1", {"w": np.array(["a"])})
    refused("codecs must be a codec", np.ones(3), codecs=[3], error=TypeError)
    refused("codecs is empty", np.ones(3), codecs=[])
    refused("seed must be at least 0", np.ones(3), seed=-1)


def test_too_many_weights_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setattr(sources, "MAX_WEIGHTS", 824)
    refused("before holds 825 weights, more than 824", weights(0))


@given(st.data())
def test_damaged_safetensors_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "m.safetensors"
    bytes_ = bytearray(GOLDEN[: data.draw(st.integers(1, len(GOLDEN)))])
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(bytes_) - 1), st.integers(0, 255)), max_size=3)):
        bytes_[place] = value
    path.write_bytes(bytes_)
    try:
        fl.measure(path, codecs="Sign()")
    except ValueError as error:
        assert "\n" not in str(error)


# Codecs by name


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("TopK(0.01)|Quantize(8)", fl.TopK(0.01) | fl.Quantize(8)),
        (' Quantize(bits=4, rounding="stochastic", entropy=True) ', fl.Quantize(4, "stochastic", True)),
        ("Sign", fl.Sign()),
        ("RandomK(10, unbiased=False) | Rotate() | LloydMax(2)", fl.RandomK(10, unbiased=False) | fl.Rotate() | fl.LloydMax(2)),
    ],
)
def test_a_codec_is_known_by_its_name(text, codec):
    assert codec_named(text) == codec


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("__import__('os').mkdir('x')", "write stages such as"),
        ("open('x', 'w')", "there is no open; there are DCT, QSGD"),
        ("Codec()", "there is no Codec"),
        ("Residual(Sign())", "there is no Residual"),
        ("TopK(0.01) + Sign()", "write stages such as"),
        ("Quantize(2**3)", "an argument must be a number, a string, True or False, not 2 \\*\\* 3"),
        ("Quantize(*[8])", "an argument must be"),
        ("Quantize(**{})", "\\*\\* is not taken"),
        ("Quantize(99)", "bits must be in 1 … 16"),
        ("Quantize(-1)", "bits must be in 1 … 16, got -1"),
        ("Quantize(-True)", "an argument must be"),
        ("Quantize()", r"what it takes is Quantize\(bits, rounding='nearest', entropy=False"),
        ("Quantize(bit=8)", r"what it takes is Quantize\(bits, "),
        ("Sign() | TopK(2)", "turns all that it is given into bytes"),
        ("Sign() | fl.Sign()", "turns all that it is given into bytes"),
        ("TopK(0.1) | TopK(0.2)", r"holds a kind of stage twice \(TopK\), one of each is allowed"),
        ("x.TopK(1)", "write stages such as"),
        ("fl.fl.TopK(1)", "write stages such as"),
        ("fl.system('ls')", "there is no system"),
        ("fl", "there is no fl"),
        ("", "stands in parentheses, stages are joined with"),
        ("Sign(", "stands in parentheses, stages are joined with"),
        ("(" * 500, "stands in parentheses, stages are joined with"),
        ("TopK 2", r"what a stage takes stands in parentheses; write TopK\(2\)$"),
        ("fl.TopK 0.01 |Quantize  8", r"what a stage takes stands in parentheses; write fl.TopK\(0.01\) \| Quantize\(8\)$"),
        ("Quantize 99", "stands in parentheses, stages are joined with"),
        ("TopK（0.01）｜Quantize（4，“floor”）", r'its signs are full-width ones; write TopK\(0.01\) \| Quantize\(4,"floor"\)$'),
        ("Sign() |" * 200, "longer than 1000 characters"),
    ],
)
def test_what_is_no_codec_is_told_and_not_run(text, why):
    with pytest.raises(ValueError, match=f"is no codec: .*{why}"):
        codec_named(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("TopK 0.01", "参数要写在括号里，请写 TopK(0.01)"),
        ("TopK（0.01）", "用了全角符号，请写 TopK(0.01)"),
        ("TopK(0.01", "参数写在英文括号里，各环节用 | 连接"),
        ("TopK()", "它的写法是 TopK(k, "),
        ("TopK(2.0)", "留下的比例 k 应在区间 (0, 1] 内，收到的是 2"),
        ("Quantize(99)", "bits 应在 1 … 16 之间，收到的是 99"),
        ("TopK(0.1) | TopK(0.2)", "同一种环节出现了两次（TopK），每种只能有一个"),
    ],
)
def test_what_is_no_codec_is_told_in_chinese(text, why):
    fl.use_language("zh")
    try:
        with pytest.raises(ValueError, match=re.escape(f"{text!r} 不是编解码器：") + ".*" + re.escape(why)):
            codec_named(text)
    finally:
        fl.use_language("en")


@pytest.mark.parametrize(
    "codecs", [["Quantize(8)"], "fl.TopK(0.1) | fl.Sign()", fl.Sign(), (fl.Sign(), "Quantize(8)")], ids=repr
)
def test_codecs_in_the_place_of_the_other_checkpoint_are_told_apart(codecs, language):
    told = {"en": "the second argument is another checkpoint: for codecs write codecs=", "zh": "第二个参数应为另一个检查点"}
    with pytest.raises(ValueError, match=told[language]) as error:
        fl.measure(np.ones(3), codecs)
    assert f"codecs={codecs!r}" in str(error.value)
    assert len(fl.measure(np.arange(3.0), codecs=codecs)) in (1, 2)


def test_a_file_of_the_name_of_a_codec_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("Sign.npy", np.ones(3))
    (tmp_path / "Sign.npy").rename("Sign")
    assert fl.measure(np.zeros(3), "Sign", codecs=["Sign()"]).what == "Sign minus before"
    with pytest.raises(FileNotFoundError, match=r"there is no file gone\.npy"):
        fl.measure(np.zeros(3), "gone.npy")


# The command


def run(*arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "LC_MESSAGES", "LANG")}
    command = [sys.executable, "-m", "fedlab_utils", *map(str, arguments)]
    clean |= {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"} | environment
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=clean)


def test_the_command_prints_the_table_and_writes_it(tmp_path):
    before, after = (dict(zip(NAMES, weights(seed), strict=True)) for seed in (0, 1))
    write_safetensors(tmp_path / "before.safetensors", before)
    np.savez(tmp_path / "after.npz", **after)
    files = [tmp_path / "before.safetensors", tmp_path / "after.npz"]
    codecs = ["TopK(0.05) | Quantize(8)", "QSGD(4)"]
    done = run("measure", *files, "--codecs", *codecs, "--csv", tmp_path / "t.csv", "--seed", 3, LANG="zh_CN.UTF-8")
    assert done.returncode == 0 and done.stderr == ""
    assert "共 825 个权重" in done.stdout and "每权重位数" in done.stdout
    table = fl.measure(before, after, codecs, seed=3)
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [(line["codec"], int(line["bytes"]), float(line["nmse"])) for line in lines] == [
        (row.codec, row.bytes, row.nmse) for row in table
    ]
    assert all(f"{row.bytes:,}" in done.stdout for row in table)


def test_the_command_says_what_is_wrong_in_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    (tmp_path / "m.pt").write_bytes(b"\x80\x02")
    np.save(tmp_path / "x.npy", np.ones(3))
    for arguments, english, chinese in (
        ([tmp_path / "m.pt"], "is a pickle", "是 pickle 文件"),
        ([tmp_path / "gone.npz"], "there is no file", "没有文件"),
        ([tmp_path / "x.npy", "--codecs", "exit()"], "'exit()' is no codec", "'exit()' 不是编解码器"),
        ([tmp_path / "x.npy", "--csv", tmp_path / "x.npy"], "would overwrite the model", "会覆盖模型文件"),
    ):
        for language, sentence in (("en", english), ("zh", chinese)):
            assert main(["measure", *map(str, arguments), "--language", language]) == 2
            said = capsys.readouterr()
            assert said.out == "" and sentence in said.err and len(said.err.splitlines()) == 1
    fl.use_language("en")
    done = run("measure", tmp_path / "m.pt", LC_ALL="C")
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1 and "is a pickle" in done.stderr


def test_help_shows_an_example_and_the_common_codecs():
    done = run("measure", "--help", COLUMNS="1000")
    assert done.returncode == 0 and "measure before.safetensors after.safetensors" in done.stdout
    assert all(name in done.stdout for name in COMMON)
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2


# Real models


@pytest.mark.slow
@pytest.mark.training
def test_three_real_models_in_every_format(tmp_path):
    import keras

    layers = keras.layers

    def recurrent():
        return keras.Sequential(
            [keras.Input((20,)), layers.Embedding(200, 16), layers.Bidirectional(layers.LSTM(12)), layers.Dropout(0.5, seed=1),
             layers.Dense(3, dtype="bfloat16")]
        )  # fmt: skip

    def transformer():
        tokens = keras.Input((16,))
        x = layers.Embedding(100, 24)(tokens)
        for _ in range(2):
            x = layers.LayerNormalization()(x + layers.MultiHeadAttention(3, 8)(x, x))
            x = layers.LayerNormalization()(x + layers.Dense(24)(layers.Dense(48, "gelu")(x)))
        return keras.Model(tokens, layers.Dense(5)(layers.GroupQueryAttention(8, 4, 2)(x, x)))

    def mobile():
        return keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3), classes=10)

    codecs = ['Quantize(8, ranges="array")', "TopK(0.01) | EntropyQuantize(2)", "Sign()"]
    for build in (recurrent, transformer, mobile):
        before, after = build(), build()
        before.compile("adam")
        names = [f"{place}:{weight.path}" for place, weight in enumerate(before.weights)]
        for model, title in ((before, "before"), (after, "after")):
            arrays = dict(zip(names, (weight.numpy().astype(np.float32) for weight in model.weights), strict=True))
            model.save(tmp_path / f"{title}.keras")
            np.savez(tmp_path / f"{title}.npz", **{name.replace("/", "."): array for name, array in arrays.items()})
            write_safetensors(tmp_path / f"{title}.safetensors", arrays)
        with open_source("x", tmp_path / "after.keras") as source:
            for entry, weight in zip(source.entries, after.get_weights(), strict=True):
                np.testing.assert_array_equal(entry.read(), weight.astype(np.float32), err_msg=entry.name)
        known = fl.measure(before, after, codecs)
        assert known.weights == before.count_params()
        for kind in ("keras", "npz", "safetensors"):
            table = fl.measure(tmp_path / f"before.{kind}", tmp_path / f"after.{kind}", codecs)
            assert [(row.bytes, row.nmse) for row in table] == [(row.bytes, row.nmse) for row in known]


@pytest.mark.slow
def test_twenty_million_weights_within_a_minute_and_a_gigabyte(tmp_path):
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process's own memory is read where Linux tells it")
    rng = np.random.default_rng(0)
    for title in ("before", "after"):
        arrays = {f"w{place}": rng.normal(size=(500, 1000)).astype(np.float32) for place in range(40)}
        write_safetensors(tmp_path / f"{title}.safetensors", arrays)
    # Not ru_maxrss: a process begins with that of the one which has started it, here a worker with TensorFlow in it.
    code = (
        "import sys, time; from fedlab_utils.measuring.command import main; assert main(sys.argv[1:]) == 0\n"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM:')).split()[1]\n"
        "print(time.process_time(), int(peak) * 1024)"
    )
    files = [tmp_path / "before.safetensors", tmp_path / "after.safetensors"]
    done = subprocess.run([sys.executable, "-c", code, "measure", *files], capture_output=True, text=True, cwd=ROOT, check=True)
    seconds, memory = map(float, done.stdout.splitlines()[-1].split())
    assert seconds < 60 and memory < 1e9 and "Eden(1) is left out" in done.stdout


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_table_in_the_readme_is_what_the_codecs_take(readme):
    """Bytes and errors, of every codec that it names."""
    text = (Path(__file__).parents[1] / readme).read_text(encoding="utf8")
    rows = re.findall(r"^\| `([^`]+)` \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.e-]+) \|", text, re.M)
    assert len(rows) == 5
    delta = fl.load_client_delta()
    for name, count, bits, factor, error in rows:
        payload = codec_named(name.replace("\\|", "|")).encode(delta)
        assert len(payload) == int(count.replace(",", "")) and f"{8 * len(payload) / delta.size:.3f}" == bits
        assert float(factor) == pytest.approx(4 * delta.size / len(payload), abs=0.5)
        assert float(error) == pytest.approx(fl.nmse(delta, fl.decode(payload)), rel=0.01)
