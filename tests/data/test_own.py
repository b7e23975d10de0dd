"""A reader's own arrays and CSV files: what becomes of them, and one sentence for what cannot be used."""

import csv
import re

import numpy as np
import pytest

import fedlab_utils as fl

CHINESE = re.compile("[\u4e00-\u9fff]")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(3, 5, (50, 3)), np.repeat(["red", "blue", "red", "green", "red"], 10)


def rows_of(dataset):
    """All samples of both parts as they were before they were standardized, and their classes by name."""
    mean, scale = (np.array([getattr(f, part) for f in dataset.features]) for part in ("mean", "scale"))
    x = np.concatenate([dataset.x_train, dataset.x_test]) * scale + mean
    return x, [dataset.classes[y] for y in (*dataset.y_train, *dataset.y_test)]


def test_arrays_become_a_dataset_from_which_they_can_be_had_back():
    data = fl.datasets.from_arrays(X, Y)
    assert data.classes == ("blue", "green", "red") and [f.name for f in data.features] == ["x[:, 0]", "x[:, 1]", "x[:, 2]"]
    assert data.x_train.dtype == data.x_test.dtype == np.float32 and data.y_train.dtype == np.int32
    x, y = rows_of(data)
    found = sorted((*row, name) for row, name in zip(x.round(4).tolist(), y, strict=True))
    given = sorted((*row, name) for row, name in zip(X.round(4).tolist(), Y.tolist(), strict=True))
    assert [row[3] for row in found] == [row[3] for row in given]
    np.testing.assert_allclose([row[:3] for row in found], [row[:3] for row in given], atol=1e-3)


def test_every_class_is_split_alike_and_the_seed_decides_which_samples():
    first, same, other = (fl.datasets.from_arrays(X, Y, test_fraction=0.3, seed=seed) for seed in (1, 1, 2))
    assert np.bincount(first.y_test).tolist() == [3, 3, 9] and np.bincount(first.y_train).tolist() == [7, 7, 21]
    assert np.array_equal(first.x_test, same.x_test) and not np.array_equal(first.x_test, other.x_test)
    few = fl.datasets.from_arrays(X[:4], [1, 1, 0, 0], test_fraction=0.01)
    assert np.bincount(few.y_test).tolist() == np.bincount(few.y_train).tolist() == [1, 1]


def test_what_standardizes_is_fitted_on_the_training_part_alone():
    data = fl.datasets.from_arrays(X, Y)
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1, atol=1e-6)
    assert np.abs(data.x_test.mean(axis=0)).max() > 1e-3
    moved = X.copy()
    test_rows = [int(np.flatnonzero(np.isclose(X[:, 0], value))[0]) for value in rows_of(data)[0][40:, 0]]
    moved[test_rows] += 1000  # test samples that lie elsewhere leave what was fitted where it was
    assert fl.datasets.from_arrays(moved, Y).features == data.features


def test_by_hand():
    data = fl.datasets.from_arrays([[1, 7], [1, 7], [3, 7], [3, 7]], [0, 1, 0, 1], test_fraction=0.5, seed=0)
    train = data.x_train[:, 0] * data.features[0].scale + data.features[0].mean
    mean, deviation = train.mean(), (abs(train[0] - train[1]) / 2 or 1)
    assert data.features[0] == ("x[:, 0]", mean, deviation)
    assert data.features[1] == ("x[:, 1]", 7.0, 1.0) and not data.x_train[:, 1].any()  # nothing to scale


def test_images_have_one_mean_and_one_deviation():
    digits = fl.load_small_digits()
    data = fl.datasets.from_arrays(digits.images, digits.labels)
    assert data.x_train.shape[1:] == (8, 8) and len(data.features) == 1 and data.classes == tuple("0123456789")
    assert data.x_train.mean() == pytest.approx(0, abs=1e-5) and data.x_train.std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 9, 10, 9], ("9", "10")),  # by size, not by the alphabet
        ([-1, 1, 1, -1], ("-1", "1")),
        ([1.0, 0.0, 0.0, 1.0], ("0", "1")),
        ([True, False, True, False], ("False", "True")),
        (["10", "9", "9", "10"], ("9", "10")),
        (["b", "a", "a", "b"], ("a", "b")),
    ],
)
def test_classes_are_numbered_in_their_order(labels, names):
    data = fl.datasets.from_arrays(X[:4], labels)
    assert data.classes == names
    assert sorted(rows_of(data)[1]) == sorted(str(int(v)) if isinstance(v, float) else str(v) for v in labels)


def test_the_order_of_the_classes_can_be_given_and_one_may_be_missing():
    data = fl.datasets.from_arrays(X[:4], ["b", "a", "a", "b"], classes=["b", "c", "a"])
    assert data.classes == ("b", "c", "a") and set(data.y_train.tolist()) == {0, 2}


def test_the_arrays_cannot_be_written_into():
    assert not any(array.flags.writeable for array in fl.datasets.from_arrays(X, Y))


def test_it_is_a_dataset_of_four_arrays_and_keeps_its_names_where_one_is_replaced():
    data = fl.datasets.from_arrays(X, Y)
    x_train, *_ = data
    assert isinstance(data, fl.Dataset) and len(data) == 4 and x_train is data.x_train
    other = data._replace(x_train=data.x_train[:5], y_train=data.y_train[:5])
    assert (len(other.x_train), other.classes, other.features) == (5, data.classes, data.features)
    with pytest.raises(ValueError):
        data._replace(pixels=x_train)


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "message"),
    [
        ([[1, 2], [3, np.nan]], [0, 1], {}, ValueError, r"x\[1, 1\].*nan"),
        ([[1, 2], ["3", "tall"]], [0, 1], {}, TypeError, r"x\[1, 1\].*tall"),
        ([[1, 2], [3 + 1j, 4]], [0, 1], {}, TypeError, "complex"),
        ([[1, 2], [3]], [0, 1], {}, ValueError, "x"),
        ([1, 2], [0, 1], {}, ValueError, r"\(2,\)"),
        (np.zeros((0, 3)), [], {}, ValueError, r"\(0, 3\)"),
        (X[:4], [0, 1, 0], {}, ValueError, r"4.*\(3,\)"),
        (X[:4], [[0, 1]] * 4, {}, ValueError, r"\(4, 2\)"),
        (X[:4], [0, 1, 2.5, 0], {}, ValueError, r"y\[2\].*2\.5"),
        (X[:4], [0, None, 0, 1], {}, ValueError, r"y\[1\]"),
        (X[:4], [0, 1, np.nan, 0], {}, ValueError, r"y\[2\].*nan"),
        (X[:4], [1, 1, 1, 1], {}, ValueError, "'1'"),
        (X[:4], [0, 0, 0, 1], {}, ValueError, "'1'"),
        (X[:4], [0, 1, 7, 0], {"classes": [0, 1]}, ValueError, r"y\[2\].*'7'.*0.*1"),
        (X[:4], [0, 1, 1, 0], {"classes": [0, 1, 1]}, ValueError, "classes"),
        (X[:4], [0, 1, 1, 0], {"test_fraction": 1}, ValueError, "test_fraction"),
        (np.array([[1e300], [-1e300], [1e300], [-1e300]]), [0, 1, 1, 0], {}, ValueError, r"x\[:, 0\].*float32"),
    ],
)
def test_arrays_that_cannot_be_used_are_told_in_one_sentence(x, y, options, error, message, language):
    with pytest.raises(error, match=message) as told:
        fl.datasets.from_arrays(x, y, **options)
    assert "\n" not in str(told.value)


# CSV files


@pytest.fixture
def write(tmp_path):
    def to_file(text, encoding="utf-8"):
        path = tmp_path / "plants.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return to_file


GOOD = "height,leaves,kind\n" + "".join(f"{n}.5,{n * n},{'oak' if n % 2 else 'elm'}\n" for n in range(10))


def test_a_csv_is_the_dataset_of_its_columns(write):
    data = fl.datasets.from_csv(write(GOOD), "kind", seed=3)
    arrays = fl.datasets.from_arrays([[n + 0.5, n * n] for n in range(10)], ["elm", "oak"] * 5, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(data[:4], arrays[:4], strict=True))
    assert data.classes == ("elm", "oak") and [f.name for f in data.features] == ["height", "leaves"]
    one = fl.datasets.from_csv(write(GOOD.replace("leaves", "note").replace(",16,", ",tall,")), "kind", features=["height"])
    assert np.array_equal(one.x_train, fl.datasets.from_csv(write(GOOD), "kind", features=["height"]).x_train)


def test_what_spreadsheets_write_is_read(write, tmp_path):
    wanted = fl.datasets.from_csv(write(GOOD), "kind")
    for text, options in (
        (b"\xef\xbb\xbf" + GOOD.encode(), {}),  # with the mark by which Excel knows UTF-8
        (GOOD.replace("\n", "\r\n"), {}),
        (GOOD.replace(",", ";"), {"delimiter": ";"}),
        (GOOD.replace("\n", "\n\n"), {}),
        (GOOD.replace("oak", '"oak"').replace("4.5", " 4.5 "), {}),
    ):
        data = fl.datasets.from_csv(write(text), "kind", **options)
        assert np.array_equal(data.x_train, wanted.x_train) and data.classes == wanted.classes
    chinese = fl.datasets.from_csv(write(GOOD.replace("oak", "橡树").replace("kind", "树种"), "gbk"), "树种", encoding="gbk")
    assert chinese.classes == ("elm", "橡树") and np.array_equal(chinese.y_train, wanted.y_train)


@pytest.mark.parametrize(
    ("text", "label", "options", "parts"),
    [
        (GOOD.replace(",16,", ",tall,"), "kind", {}, ("plants.csv", "6", "'leaves'", "'tall'")),
        (GOOD.replace(",16,", ",1e999,"), "kind", {}, ("6", "'leaves'", "'1e999'")),
        (GOOD.replace(",16,", ",1_6,"), "kind", {}, ("6", "'leaves'", "'1_6'")),
        (GOOD.replace(",16,", ",,"), "kind", {}, ("6", "'leaves'", "''")),
        (GOOD.replace(",16,", ",NA,"), "kind", {}, ("6", "'leaves'", "'NA'")),
        (GOOD.replace("4.5,16,elm", "4.5,16,"), "kind", {}, ("6", "'kind'", "''")),
        (GOOD.replace("4.5,16,elm", "4.5,16"), "kind", {}, ("6", "2", "3")),
        (GOOD.replace("4.5,16,elm", "4.5,16,elm,9"), "kind", {}, ("6", "4", "3")),
        (GOOD.replace("4.5,16,elm", "4.5,16,ash"), "kind", {}, ("kind", "'ash'")),
        (GOOD, "kind", {"classes": ["oak", "ash"]}, ("2", "'kind'", "'elm'", "oak", "ash")),
        (GOOD.replace("elm", "oak"), "kind", {}, ("kind", "'oak'")),
        (GOOD, "sort", {}, ("'sort'", "height", "leaves", "kind")),
        (GOOD, "height", {"features": ["leaves"]}, ("2", "'height'", "0.5")),
        (GOOD, "kind", {"features": ["size"]}, ("'size'", "height")),
        (GOOD, "kind", {"features": ["kind"]}, ("'kind'",)),
        (GOOD.replace(",", ";"), "kind", {}, ("'kind'", "';'")),
        ("", "kind", {}, ("plants.csv",)),
        ("\n\n", "kind", {}, ("plants.csv",)),
        ("height,kind\n", "kind", {}, ("plants.csv",)),
        ("kind\noak\nelm\noak\nelm\n", "kind", {}, ("'kind'",)),
        ("1,2,3\n4,5,6\n", "3", {}, ("plants.csv",)),
        (GOOD.replace("leaves", ""), "kind", {}, ("plants.csv", "2")),
        (GOOD.replace("leaves", "height"), "kind", {}, ("'height'",)),
        (GOOD.replace("oak", "橡").encode("gbk"), "kind", {}, ("plants.csv", "utf-8-sig", "'gbk'")),
        (GOOD.encode("utf-16"), "kind", {}, ("plants.csv", "utf-8-sig")),
        (GOOD.encode("utf-16-le"), "kind", {}, ("plants.csv", "utf-8-sig")),
        (GOOD, "kind", {"encoding": "klingon"}, ("'klingon'",)),
        (b"PK\x03\x04 and more", "kind", {}, ("plants.csv", "CSV")),
        (GOOD + '"open', "kind", {}, ("plants.csv", "12")),
    ],
)
def test_a_csv_that_cannot_be_used_is_told_in_one_sentence_with_line_and_column(write, text, label, options, parts, language):
    with pytest.raises(ValueError) as told:
        fl.datasets.from_csv(write(text), label, **options)
    sentence = str(told.value)
    assert all(part in sentence for part in parts), sentence
    assert "\n" not in sentence and bool(CHINESE.search(sentence.replace("橡", ""))) == (language == "zh")


@pytest.mark.parametrize(("delimiter", "sign"), [(",", {"en": "a comma", "zh": "逗号"}), (";", {"en": "';'", "zh": "';'"})])
def test_a_field_that_holds_the_delimiter_is_said_to_want_quotes_and_is_read_in_quotes(write, delimiter, sign, language):
    good = GOOD.replace(",", delimiter)
    more, fewer = good.replace("elm", f"elm{delimiter} old"), good.replace(f"16{delimiter}elm", "16")
    mend = {"en": f": put a field that holds {sign['en']} in double quotes",
            "zh": f"：字段里有{sign['zh']}时，请给它加英文双引号"}  # fmt: skip
    with pytest.raises(ValueError, match=re.escape(mend[language]) + "$"):
        fl.datasets.from_csv(write(more), "kind", delimiter=delimiter)
    with pytest.raises(ValueError, match={"en": "6: 2 fields", "zh": "6 行有 2 个字段"}[language]) as told:
        fl.datasets.from_csv(write(fewer), "kind", delimiter=delimiter)
    assert mend[language] not in str(told.value)
    quoted = good.replace("elm", f'"elm{delimiter} old"')
    assert fl.datasets.from_csv(write(quoted), "kind", delimiter=delimiter).classes == (f"elm{delimiter} old", "oak")


def test_a_file_that_is_missing_or_no_file(tmp_path, language):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        fl.datasets.from_csv(tmp_path / "nowhere.csv", "kind")
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))):
        fl.datasets.from_csv(tmp_path, "kind")


def test_a_line_is_named_as_an_editor_counts_it(write):
    lines = ['note,height,kind', '"two\nlines",1,a', "x,2,a", "x,?,b", "x,4,b"]
    with pytest.raises(ValueError, match=r"line 5, column 'height'"):
        fl.datasets.from_csv(write("\n".join(lines)), "kind", features=["height"])


def test_the_csv_module_itself_reads_what_a_chapter_writes(tmp_path):
    path = tmp_path / "diabetes.csv"
    table = fl.load_diabetes()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*table.names, "worse"])
        writer.writerows([*row, "yes" if target > 140 else "no"] for row, target in zip(table.x.tolist(), table.y, strict=True))
    data = fl.datasets.from_csv(path, "worse")
    assert data.classes == ("no", "yes") and len(data.y_train) + len(data.y_test) == 442
    worse = int((table.y > 140).sum())
    assert np.bincount(np.concatenate([data.y_train, data.y_test])).tolist() == [442 - worse, worse]
