"""Small data beside MNIST: a medical table (vertical), and another kind of digits (transfer). Document, 2.1.1.

Both are read from `data/`; data/README.md gives licence, source and checksum, and how they were made.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import zipfile
import zlib
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..language import say
from ..validation import require_choice
from .files import damaged, existing

# SHA-256 of the content: the values as little-endian float64, row by row; the bytes of the arrays.
DIABETES_SHA256 = "839c546b0b4ac02c2e6cbe5e5c92313cefa993446c9733e9b49477cc3f96e104"
DIGITS_SHA256 = {
    "images": "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3",
    "labels": "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
}
FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


class Table(NamedTuple):
    """x: float32 [n, d], one row a person. y: float32 [n]. names: of the columns of x. The arrays are read-only."""

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]

    def columns(self, *names: str) -> np.ndarray:
        """The columns of these names, float32 [n, len(names)]; ValueError for a name that does not exist."""
        if unknown := [name for name in names if name not in self.names]:
            raise ValueError(say(f"no column {unknown[0]!r}; there are {', '.join(self.names)}",
                                 f"没有 {unknown[0]!r} 列；现有 {'、'.join(self.names)}"))  # fmt: skip
        return self.x[:, [self.names.index(name) for name in names]]


class Digits(NamedTuple):
    """images: float32 [1797, 8, 8] in [0, 1], ink white. labels: int32 [1797]. The arrays are read-only."""

    images: np.ndarray
    labels: np.ndarray


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@functools.cache
def load_diabetes() -> Table:
    """442 people: ten measurements, and the progression of their diabetes a year later (25 … 346).

    Columns: age in years, sex (1 or 2, as published), bmi, bp (mean arterial pressure), and the blood serum values s1 … s6
    (total cholesterol, LDL, HDL, their quotient, log of triglycerides, glucose). Source: Efron, Hastie, Johnstone and
    Tibshirani 2004, Annals of Statistics 32. FileNotFoundError or ValueError where the file is missing or damaged.
    """
    path, mend = existing("diabetes.csv")
    try:
        values = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise damaged(path, mend, error) from error
    if hashlib.sha256(values.astype("<f8").tobytes()).hexdigest() != DIABETES_SHA256:
        raise damaged(path, mend, say("its numbers are not those of the diabetes table", "里面的数不是糖尿病数据表的"))
    values = values.astype(np.float32)
    return Table(_read_only(values[:, :-1].copy()), _read_only(values[:, -1].copy()), FEATURES)


@functools.cache
def load_small_digits() -> Digits:
    """1,797 digits of 8×8 pixels by 13 people, each pixel the ink in a 4×4 block of a scan; nobody is in MNIST as well.

    Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), its test set.
    FileNotFoundError or ValueError where the file is missing or damaged.
    """
    path, mend = existing("digits8x8.npz")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: np.ascontiguousarray(archive[name]) for name in DIGITS_SHA256}
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise damaged(path, mend, error) from error
    for name, sha256 in DIGITS_SHA256.items():
        if hashlib.sha256(arrays[name].tobytes()).hexdigest() != sha256:
            raise damaged(path, mend, say(f"{name} are not those of the data set", f"{name} 与数据集不符"))
    images = arrays["images"].reshape(-1, 8, 8).astype(np.float32) / 16  # counts 0 … 16
    return Digits(_read_only(images), _read_only(arrays["labels"].astype(np.int32)))


def read_results(name: str, text: str) -> list[dict[str, Any]]:
    """The rows of data/results/NAME.csv, numbers as numbers; the program beside it says what they are and makes it.

    text: the column that holds no numbers. FileNotFoundError, with what to do, where the table is missing.
    """
    path, _ = existing(f"results/{name}.csv")
    with path.open(encoding="utf8") as file:
        return [{key: value if key == text else float(value) for key, value in row.items()} for row in csv.DictReader(file)]


class Classic(NamedTuple):
    """A classic result beside ours, a row of data/results/classics.csv.

    experiment, setting: what was measured. unit: of the three values of ours, the mean over the seeds, the lowest and the
    highest. paper: the figure of the paper in words, with its source; "" where there is none. seeds: how many. uplink_bytes,
    downlink_bytes: len(payload) over all messages of a run, the mean over the seeds. seconds: of all runs together, wall
    clock. commit: that measured it, "+" where something was changed besides.
    """

    experiment: str
    setting: str
    unit: str
    paper: str
    ours_mean: float
    ours_low: float
    ours_high: float
    seeds: int
    uplink_bytes: int
    downlink_bytes: int
    seconds: float
    commit: str


_KINDS = dict(zip(Classic._fields, (str, str, str, str, float, float, float, int, int, int, float, str), strict=True))


@functools.cache
def load_classics() -> list[Classic]:
    """Classic results, re-measured: the rows of data/results/classics.csv, in its order.

    data/results/classics.py makes the table; `load_classic_runs` has the runs and curves behind a row. FileNotFoundError where
    the table is missing, ValueError where it is damaged.
    """
    path, mend = existing("results/classics.csv")
    try:
        with path.open(newline="", encoding="utf8") as file:
            lines = list(csv.DictReader(file, strict=True))
        if any(None in row.values() for row in lines):
            raise ValueError("a line ends too early")
        found = [Classic(**{name: kind(row[name]) for name, kind in _KINDS.items()}) for row in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, mend, repr(error)) from error
    if not found:
        raise damaged(path, mend, say("it holds no result", "里面没有结果"))
    for row in found:
        if row.seeds < 1 or not row.ours_low <= row.ours_mean <= row.ours_high:
            raise damaged(path, mend, say(f"{row.experiment}, {row.setting}: no seeds, or a mean outside its spread",
                                          f"{row.experiment}，{row.setting}：没有种子，或平均值在范围之外"))  # fmt: skip
    return found


def load_classic_runs(name: str) -> list[dict[str, str]]:
    """The lines of data/results/classics/NAME.csv as they stand there, every value text.

    A line with `versions` is a run: setting, seed, value, bytes, seconds, commit. The lines below it, without, are its curve,
    in the columns that the experiment adds. FileNotFoundError where there is none of this name.
    """
    path, _ = existing(f"results/classics/{name}.csv")
    with path.open(newline="", encoding="utf8") as file:
        return list(csv.DictReader(file))


class BytesTo97(NamedTuple):
    """One training until 97 % of a validation split are right, a row of data/results/bytes_to_97.csv.

    partition: "iid" or "shards". recipe: its name in data/results/bytes_to_97.py. rounds: until it was there. uplink_bytes,
    downlink_bytes: len(payload) over all messages; first_model_bytes: the part of downlink_bytes that first models cost;
    total_bytes: both ways. validation, test: accuracy after the last round; the test set decides nothing. seed: of all that
    is drawn.
    """

    partition: str
    recipe: str
    rounds: int
    uplink_bytes: int
    downlink_bytes: int
    first_model_bytes: int
    total_bytes: int
    validation: float
    test: float
    seed: int


def load_bytes_to_97(partition: str) -> dict[str, list[BytesTo97]]:
    """The trainings of data/results/bytes_to_97.csv with this partition, by recipe, in the order of their seeds.

    ValueError for another partition or a damaged table, FileNotFoundError where it is missing.
    """
    path, mend = existing("results/bytes_to_97.csv")
    kinds = dict(zip(BytesTo97._fields, (str, str, int, int, int, int, int, float, float, int), strict=True))
    found: dict[str, list[BytesTo97]] = {}
    try:
        with path.open(newline="", encoding="utf8") as file:
            runs = [BytesTo97(**{name: kind(line[name]) for name, kind in kinds.items()}) for line in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, mend, repr(error)) from error
    for run in runs:
        if run.partition == partition:
            found.setdefault(run.recipe, []).append(run)
    require_choice("partition", partition, sorted({run.partition for run in runs}))
    return {name: sorted(seeds, key=lambda run: run.seed) for name, seeds in found.items()}


def shrink(images: np.ndarray, height: int = 8, width: int = 6) -> np.ndarray:
    """Bring digits of any size into the frame of the small ones: cut out the ink, scale it to height×width, centre it in 8×8.

    images: float [n, h, w] in [0, 1]. Returns float32 [n, 8, 8] in [0, 1]. A narrow digit such as a 1 stays narrow; an
    empty image stays empty. ValueError for another shape.
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 3 or 0 in images.shape[1:]:
        raise ValueError(say(f"images must have the shape [n, height, width], got {images.shape}",
                             f"images 的形状应为 [n, 高, 宽]，收到的是 {images.shape}"))  # fmt: skip
    small = np.zeros((len(images), 8, 8), np.float32)
    for image, out in zip(images, small, strict=True):
        rows, columns = np.flatnonzero(image.max(axis=1) > 0.3), np.flatnonzero(image.max(axis=0) > 0.3)
        if not rows.size:
            continue
        ink = np.ascontiguousarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        wide = int(np.clip(round(height * ink.shape[1] / ink.shape[0]), 2, width))
        left, top = (8 - wide) // 2, (8 - height) // 2
        out[top : top + height, left : left + wide] = np.asarray(
            Image.fromarray(ink).resize((wide, height), Image.Resampling.BOX)
        )
    return np.clip(1.2 * small, 0, 1)  # averaging thins the ink: bring its mean near that of the small digits
