"""A reader's own data: arrays, or a table in a CSV file, become a `Dataset` that `simulate` trains on.

What cannot be used is refused in one sentence, in the language of the edition, that says where it is and what is allowed.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..language import say
from ..validation import require_integer, require_number
from .mnist import Dataset

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-")  # how tables write that nothing is known, in small letters


class Feature(NamedTuple):
    """How a value of a table became what the model sees: (value - mean) / scale. name: of its column."""

    name: str
    mean: float
    scale: float


class OwnDataset(Dataset):
    """A `Dataset` that knows what its numbers stood for.

    classes: their names, by number. features: of a table one a column, of images one in all.
    """

    classes: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()

    def _replace(self, **arrays: np.ndarray) -> OwnDataset:
        """Another one with some of its arrays replaced; what its numbers stand for stays."""
        other = super()._replace(**arrays)
        other.classes, other.features = self.classes, self.features
        return other


def from_arrays(
    x: ArrayLike, y: ArrayLike, *, classes: Sequence[Any] | None = None, test_fraction: float = 0.2, seed: int = 0
) -> OwnDataset:
    """Split samples into training and test, and standardize them: a `Dataset`, whose arrays are read-only.

    x: real numbers [n, …], a row a sample; y: its class, [n]: whole numbers or text. classes: all that y may hold, in the order
    of the model's outputs; None takes those that occur, numbers by size and text by the alphabet. They become int32 0, 1, …,
    their names are kept in `classes`. test_fraction: of each class, rounded, at least one sample and never all; the split is
    drawn by seed. Columns of a table [n, d] are standardized each by its own mean and standard deviation, samples of more
    dimensions (images) by one of each; both are those of the training part alone, and stand in `features`.
    ValueError or TypeError for samples that are no finite numbers, labels that are no classes or not among `classes`, fewer
    than two classes, a class of fewer than two samples.
    """
    samples = _numbers(x)
    names = [f"x[:, {column}]" for column in range(samples.shape[1])] if samples.ndim == 2 else ["x"]
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != len(samples):
        raise ValueError(say(f"y must hold one class for each of the {len(samples)} samples, got the shape {labels.shape}; of "
                             "one-hot rows take y.argmax(axis=1)",
                             f"y 应为 {len(samples)} 个样本各给出一个类别，收到的形状是 {labels.shape}；若是 one-hot，"
                             "请用 y.argmax(axis=1)"))  # fmt: skip
    texts = [_label(value, f"y[{row}]") for row, value in enumerate(labels.tolist())]
    wanted = None if classes is None else [_label(value, "classes") for value in classes]
    where = (f"y[{row}]" for row in range(len(texts)))
    return _dataset(samples, names, *_numbered(texts, wanted, "y", where), test_fraction, seed)


def from_csv(
    path: str | Path, label: str, *, features: Sequence[str] | None = None, classes: Sequence[Any] | None = None,
    test_fraction: float = 0.2, seed: int = 0, delimiter: str = ",", encoding: str = "utf-8-sig",
) -> OwnDataset:  # fmt: skip
    """`from_arrays` of a table in a file: its first line names the columns, every other line is a sample.

    label: the column that holds the classes. features: the columns of numbers to learn from, by default all others.
    delimiter: what stands between two fields. encoding: of the file, "gbk" for one that a Chinese Windows wrote.
    Other arguments, and what is returned, as for `from_arrays`. FileNotFoundError where there is no file; ValueError, naming
    line and column, for a file that is no such table: empty, another encoding, a line with more or fewer fields than columns,
    text where a number should be, a missing value, a column that does not exist.
    """
    path = Path(path)
    lines = _lines(path, delimiter, encoding)
    columns = _columns(path, lines, label, features, delimiter)
    place = columns.index(label)
    wanted = [column for column in columns if column != label] if features is None else list(features)
    if not wanted:
        raise ValueError(say(f"{path.name} has no column beside {label!r}: there is nothing to learn from",
                             f"{path.name} 除了 {label!r} 没有别的列：没有可学的特征"))  # fmt: skip
    places = [columns.index(column) for column in wanted]
    rows, texts, where = [], [], []
    for number, fields in lines:
        if len(fields) != len(columns):
            raise ValueError(_uneven(path, number, len(fields), len(columns), delimiter))
        rows.append([_number(fields[at], _at(path, number, columns[at])) for at in places])
        where.append(_at(path, number, label))
        texts.append(_label(fields[place].strip(), where[-1]))
    if not rows:
        raise ValueError(say(f"{path.name} has a first line and no sample below it", f"{path.name} 只有首行，没有样本"))
    named = None if classes is None else [_label(value, "classes") for value in classes]
    return _dataset(np.array(rows), wanted, *_numbered(texts, named, label, where), test_fraction, seed)


def _uneven(path: Path, line: int, fields: int, columns: int, delimiter: str) -> str:
    """What is said of a line with more or fewer fields than columns."""
    sign = say("a comma", "逗号") if delimiter == "," else repr(delimiter)
    mend = say(f": put a field that holds {sign} in double quotes", f"：字段里有{sign}时，请给它加英文双引号")
    return say(f"{path.name}, line {line}: {fields} fields, but the first line names {columns}",
               f"{path.name} 第 {line} 行有 {fields} 个字段，而首行有 {columns} 列") + mend * (fields > columns)  # fmt: skip


def _at(path: Path, line: int, column: str) -> str:
    return say(f"{path.name}, line {line}, column {column!r}", f"{path.name} 第 {line} 行 {column!r} 列")


def _lines(path: Path, delimiter: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Lines with their numbers in the file, empty ones left out. Errors of the file become one sentence."""
    if not path.exists():
        raise FileNotFoundError(say(f"there is no file {path}", f"没有文件 {path}"))
    if not path.is_file():
        raise ValueError(say(f"{path} is no file", f"{path} 不是文件"))
    number = 0
    try:
        with path.open(newline="", encoding=encoding) as file:
            if file.read(4) == "PK\x03\x04":
                raise ValueError(say(f"{path.name} is an archive or an Excel workbook: save it as CSV",
                                     f"{path.name} 是压缩包或 Excel 工作簿：请另存为 CSV"))  # fmt: skip
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for fields in reader:
                if "\0" in "".join(fields):  # UTF-16 read as UTF-8
                    raise UnicodeError
                number = reader.line_num
                if fields:
                    yield number, fields
    except LookupError as error:
        raise ValueError(say(f"encoding {encoding!r} is unknown", f"没有名为 {encoding!r} 的编码")) from error
    except UnicodeError as error:
        raise ValueError(say(
            f"{path.name} is not in the encoding {encoding}, from about line {number + 1} on: save it as UTF-8, or pass the one "
            "it has, such as encoding='gbk'",
            f"{path.name} 约从第 {number + 1} 行起不是 {encoding} 编码：请另存为 UTF-8，或传入它的编码，例如 encoding='gbk'",
        )) from error  # fmt: skip
    except csv.Error as error:
        raise ValueError(say(f"{path.name}, line {number + 1} is no line of a CSV file: {error}",
                             f"{path.name} 第 {number + 1} 行不是 CSV 的一行：{error}")) from error  # fmt: skip


def _columns(path: Path, lines: Iterator[tuple[int, list[str]]], label: str, features: Any, delimiter: str) -> list[str]:
    """The names in the first line. ValueError where they do not name every column, or not those that are asked for."""
    _, first = next(lines, (0, []))
    columns = [name.strip() for name in first]
    if not columns:
        raise ValueError(say(f"{path.name} is empty", f"{path.name} 是空文件"))
    if all(_is_number(name) for name in columns):
        raise ValueError(say(f"{path.name} must name its columns in the first line, which holds numbers only",
                             f"{path.name} 的首行应当是列名，现在全是数"))  # fmt: skip
    if "" in columns:
        place = columns.index("") + 1
        raise ValueError(say(f"{path.name}: column {place} has no name in the first line; name it, or leave it out of the file",
                             f"{path.name} 的第 {place} 列在首行没有名字；请给它取名，或从文件中删去"))  # fmt: skip
    if twice := [name for place, name in enumerate(columns) if name in columns[:place]]:
        raise ValueError(say(f"{path.name} has two columns {twice[0]!r}", f"{path.name} 有两列都叫 {twice[0]!r}"))
    if isinstance(features, str):
        raise TypeError(say(f"features must be a list of columns, got {features!r}",
                            f"features 应为列名的列表，收到的是 {features!r}"))  # fmt: skip
    for name in [label, *(features or [])]:
        if name not in columns:
            other = next((sign for sign in ";\t|" if sign in first[0] and sign != delimiter), "")
            hint = say(f"; is the delimiter {other!r}?", f"；分隔符是不是 {other!r}？") if other else ""
            raise ValueError(say(f"{path.name} has no column {name!r}; there are {', '.join(columns)}{hint}",
                                 f"{path.name} 没有 {name!r} 列；现有 {'、'.join(columns)}{hint}"))  # fmt: skip
    if label in (features or []):
        raise ValueError(say(f"{label!r} holds the classes, it cannot be one of the features",
                             f"{label!r} 是类别，不能同时作为特征"))  # fmt: skip
    return columns


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and math.isfinite(float(text))  # Python's own 1_000 is nobody's table
    except ValueError:
        return False


def _number(text: str, where: str) -> float:
    if _is_number(text):
        return float(text)
    if text.strip().lower() in MISSING:
        raise ValueError(say(f"{where} is missing ({text!r}): fill it in, or leave the line or the column out",
                             f"{where}：缺失（{text!r}），请补上，或去掉这一行或这一列"))  # fmt: skip
    raise ValueError(say(f"{where} holds {text!r}, a finite number is needed (1.5, with a point): mend it, or name the "
                         "columns of numbers in features=[…]",
                         f"{where}：收到 {text!r}，应为有限的数（写成 1.5），请改正，或用 features=[…] 指定数值列"))  # fmt: skip


def _label(value: Any, where: str) -> str:
    """A class as its name. ValueError for what is missing, or a number with a fraction."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if value is None or text.lower() in MISSING:
        raise ValueError(say(f"{where} is missing ({text!r}): every sample needs its class",
                             f"{where}：缺失（{text!r}），每个样本都要有类别"))  # fmt: skip
    if _is_number(text) and not float(text).is_integer():
        raise ValueError(say(f"{where} is {text}: a class is a whole number or text; cut a quantity into classes first",
                             f"{where}：收到 {text}，类别应为整数或文字；若是数量，请先分段成类别"))  # fmt: skip
    return text


def _numbered(
    labels: list[str], wanted: list[str] | None, what: str, where: Iterable[str]
) -> tuple[np.ndarray, tuple[str, ...]]:  # fmt: skip
    """Labels as int32 [n], and the names of the classes."""
    found = sorted(set(labels))
    if all(map(_is_number, found)):
        found.sort(key=float)
    names = found if wanted is None else wanted
    if len(set(names)) < len(names):
        raise ValueError(say("classes names a class twice", "classes 里有重复的类别"))
    number = {name: place for place, name in enumerate(names)}
    for text, place in zip(labels, where, strict=True):
        if text not in number:
            raise ValueError(say(f"{place} is {text!r}, which is none of the classes {', '.join(names)}",
                                 f"{place}：{text!r} 不在类别 {'、'.join(names)} 之中"))  # fmt: skip
    if len(found) < 2:
        raise ValueError(say(f"{what} holds one class only, {found[0]!r}: at least two are needed",
                             f"{what} 只有一个类别 {found[0]!r}：至少要有两个"))  # fmt: skip
    if rare := [name for name in found if labels.count(name) < 2]:
        raise ValueError(say(
            f"{what}: class {rare[0]!r} has one sample, two are needed (one to train, one to test); "
            "if this is a quantity, cut it into classes first",
            f"{what}：类别 {rare[0]!r} 只有一个样本，至少要两个（一个训练、一个测试）；若是数量，请先分段成类别"))  # fmt: skip
    return np.array([number[text] for text in labels], np.int32), tuple(names)


def _numbers(x: ArrayLike) -> np.ndarray:
    """Samples as float64 [n, …]; ValueError or TypeError naming the first that is no finite number."""
    try:
        given = np.asarray(x)
    except ValueError as error:
        raise ValueError(say("x must hold equally many numbers for each sample", "x 中各样本的数值个数应当相同")) from error
    if given.ndim < 2 or 0 in given.shape:
        raise ValueError(say(f"x must have a row for each sample and something in it, got the shape {given.shape}",
                             f"x 应当每个样本一行，而且不能为空，收到的形状是 {given.shape}"))  # fmt: skip
    try:
        if given.dtype.kind not in "biufOUS":
            raise TypeError
        samples = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        flat = next((i for i, value in enumerate(given.ravel().tolist()) if not _is_number(str(value))), 0)
        place = [int(i) for i in np.unravel_index(flat, given.shape)]
        raise TypeError(say(f"x must hold real numbers, but x{place} is {given.ravel()[flat]!r} (dtype {given.dtype})",
                            f"x 应为实数，但 x{place} 是 {given.ravel()[flat]!r}（类型 {given.dtype}）")) from error  # fmt: skip
    if not (good := np.isfinite(samples)).all():
        place = [int(i) for i in np.argwhere(~good)[0]]
        raise ValueError(say(f"x{place} is {samples[tuple(place)]}: fill missing values in, or leave the sample out",
                             f"x{place} 是 {samples[tuple(place)]}：请补上缺失值，或去掉这个样本"))  # fmt: skip
    return samples


def _dataset(
    samples: np.ndarray, names: Sequence[str], labels: np.ndarray, classes: tuple[str, ...], test_fraction: float, seed: int
) -> OwnDataset:
    share = require_number("test_fraction", test_fraction, 0, 1, high_included=False)
    rng = np.random.default_rng(require_integer("seed", seed, 0))
    test = np.zeros(len(labels), bool)
    for number in np.unique(labels):  # each class by itself, so that none is missing from either part
        members = rng.permutation(np.flatnonzero(labels == number))
        test[members[: int(np.clip(round(share * members.size), 1, members.size - 1))]] = True
    train = samples[~test]
    axis = 0 if samples.ndim == 2 else None
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = np.atleast_1d(train.mean(axis)), np.atleast_1d(train.std(axis))
        scale = np.where(np.atleast_1d(train.max(axis) == train.min(axis)), 1.0, scale)  # nothing to scale: all alike
        seen = ((samples - mean) / scale).astype(np.float32)
        lost = ~np.isfinite(scale) | ~np.isfinite(seen).all(axis)
    if lost.any():
        column = names[int(np.flatnonzero(lost)[0])]
        raise ValueError(say(f"{column} holds numbers too large for float32", f"{column} 里有超出 float32 范围的数"))
    arrays = seen[~test], labels[~test], seen[test], labels[test]
    for array in arrays:
        array.flags.writeable = False
    data = OwnDataset(*arrays)
    data.classes = classes
    data.features = tuple(Feature(*each) for each in zip(names, mean.tolist(), scale.tolist(), strict=True))
    return data
