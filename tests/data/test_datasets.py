"""MNIST against what is published about it; partitions against the laws of dealing out; damaged files."""

import io
import itertools
import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedlab_utils as fl

ROOT = Path(__file__).parents[2]

# How often each digit occurs: Y. LeCun's page, and every textbook since.
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


# MNIST


def test_shapes_and_types(mnist):
    assert mnist.x_train.shape == (60000, 28, 28) and mnist.x_test.shape == (10000, 28, 28)
    assert mnist.y_train.shape == (60000,) and mnist.y_test.shape == (10000,)
    assert mnist.x_train.dtype == mnist.x_test.dtype == np.float32
    assert mnist.y_train.dtype == mnist.y_test.dtype == np.int32


def test_first_labels(mnist):
    assert mnist.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_class_counts(mnist):
    assert np.bincount(mnist.y_train).tolist() == TRAIN_COUNTS
    assert np.bincount(mnist.y_test).tolist() == TEST_COUNTS


def test_pixels_are_in_0_to_1_with_the_published_mean_and_deviation(mnist):
    assert mnist.x_train.min() == mnist.x_test.min() == 0 and mnist.x_train.max() == mnist.x_test.max() == 1
    assert mnist.x_train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert mnist.x_train.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    levels = mnist.x_test[:100] * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)


def test_arrays_are_read_only(mnist):
    for array in mnist:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_loading_twice_costs_nothing(mnist):
    assert fl.load_mnist() is fl.load_mnist()


def test_threads_that_come_at_once_load_once():
    """MNIST twice, as an app in the background and a cell may ask for it, would be 440 MB with its tensors."""
    from fedlab_utils.data.files import loaded_once

    calls = []

    @loaded_once
    def load():
        """What it loads."""
        calls.append(time.sleep(0.05))
        return object()

    with ThreadPoolExecutor(4) as pool:
        found = {id(done.result()) for done in [pool.submit(load) for _ in range(4)]}
    assert len(found) == len(calls) == 1 and load.__doc__ == "What it loads."


# Missing and damaged files


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """An empty folder where the package looks for data; the data that are already loaded stay loaded."""
    import fedlab_utils.data.mnist as datasets

    monkeypatch.setattr(datasets, "load_mnist", datasets.load_mnist.__wrapped__)
    monkeypatch.setattr(fl, "load_mnist", datasets.load_mnist)
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path))
    return tmp_path / "mnist.npz"


def small_archive(**arrays):
    names = {"x_train": (5, 28, 28), "y_train": (5,), "x_test": (2, 28, 28), "y_test": (2,)}
    out = io.BytesIO()
    np.savez(out, **{**{name: np.zeros(shape, np.uint8) for name, shape in names.items()}, **arrays})
    return out.getvalue()


def flip(data, at, mask):
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def test_missing_file_tells_where_and_what_to_do(elsewhere):
    with pytest.raises(FileNotFoundError, match=r"mnist.npz is missing. .*git checkout.*FEDLAB_DATA") as caught:
        fl.load_mnist()
    assert str(elsewhere) in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", id="a Git LFS pointer"),
        pytest.param(b"<html>404</html>", id="a web page"),
        pytest.param(b"PK\3\4" + bytes(100), id="the head of an archive"),
        pytest.param(small_archive()[:-60], id="truncated"),
        pytest.param(small_archive(), id="another data set"),
        pytest.param(small_archive(x_train=np.array([{}], object)), id="pickled objects"),
        pytest.param(small_archive(y_test=np.zeros(10000, np.uint8)), id="right shape, wrong labels"),
    ],
)
def test_damaged_file_tells_where_and_what_to_do(elsewhere, data):
    elsewhere.write_bytes(data)
    with pytest.raises(ValueError, match=r"mnist.npz is damaged.*git checkout.*README") as caught:
        fl.load_mnist()
    assert str(elsewhere) in str(caught.value)


def test_missing_array_is_named(elsewhere):
    with zipfile.ZipFile(io.BytesIO(small_archive())) as whole, zipfile.ZipFile(elsewhere, "w") as part:
        for name in set(whole.namelist()) - {"y_test.npy"}:
            part.writestr(name, whole.read(name))
    with pytest.raises(ValueError, match=r"damaged.*y_test"):
        fl.load_mnist()


@pytest.fixture(scope="module")
def pixels(mnist):
    scales = {"x_train": 255, "y_train": 1, "x_test": 255, "y_test": 1}
    return {name: np.rint(getattr(mnist, name) * scale).astype(np.uint8) for name, scale in scales.items()}


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
def test_a_single_wrong_number_is_noticed(elsewhere, pixels, name):
    wrong = pixels[name].copy()
    wrong.flat[-1] ^= 1
    np.savez(elsewhere, **{**pixels, name: wrong})
    with pytest.raises(ValueError, match=f"{name} is not the {name} of MNIST"):
        fl.load_mnist()


@pytest.mark.slow
def test_the_same_numbers_in_another_archive_are_accepted(elsewhere, pixels, mnist):
    np.savez(elsewhere, **pixels)
    for again, array in zip(fl.load_mnist(), mnist, strict=True):
        np.testing.assert_array_equal(again, array)


def test_numbers_that_only_round_to_mnist_are_refused(elsewhere, pixels):
    np.savez(elsewhere, **{**pixels, "x_test": pixels["x_test"] + np.float32(0.4)})
    with pytest.raises(ValueError, match="x_test"):
        fl.load_mnist()


def test_every_damaged_byte_of_the_archives_directory_is_a_value_error(elsewhere):
    data = small_archive()
    directory = data.index(b"PK\1\2")
    for at in range(directory, len(data)):
        for mask in (1, 0x80, 0xFF):
            elsewhere.write_bytes(flip(data, at, mask))
            with pytest.raises(ValueError, match="damaged"):
                fl.load_mnist()


def test_a_single_array_in_place_of_the_archive_is_a_value_error(elsewhere):
    with elsewhere.open("wb") as file:
        np.save(file, np.zeros(5))
    with pytest.raises(ValueError, match="damaged"):
        fl.load_mnist()


# The stored delta


def test_client_delta_is_that_of_one_client_of_the_documents_model():
    delta = fl.datasets.load_client_delta()
    assert delta.shape == (101_770,) and delta.dtype == np.float32 and np.isfinite(delta).all()
    with pytest.raises(ValueError, match="read-only"):
        delta[0] = 1
    # Plain SGD moves no weight of a pixel that is black in all of a client's images: those rows of the kernel stay.
    rows = np.abs(delta[: 784 * 128].reshape(784, 128)).sum(axis=1)
    assert rows[[0, 27, 783]].tolist() == [0, 0, 0] and rows[14 * 28 + 14] > 0


def test_missing_client_delta_tells_where_and_what_to_do(elsewhere):
    with pytest.raises(FileNotFoundError, match=r"client_delta.npy is missing. .*git checkout"):
        fl.datasets.load_client_delta.__wrapped__()


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", np.zeros(5), np.full(101_770, np.nan)])
def test_damaged_client_delta_tells_where_and_what_to_do(elsewhere, content):
    path = elsewhere.with_name("client_delta.npy")
    np.save(path, content) if isinstance(content, np.ndarray) else path.write_bytes(content)
    with pytest.raises(ValueError, match=r"client_delta.npy is damaged.*git checkout"):
        fl.datasets.load_client_delta.__wrapped__()


def test_five_real_deltas_by_name():
    deltas = fl.load_deltas()
    assert {name: sum(a.size for a in arrays) for name, arrays in deltas.items()} == {
        "document": 101_770, "mlp": 199_210, "cnn": 80_202, "embedding": 161_386, "shards": 101_770,
    }  # fmt: skip
    np.testing.assert_array_equal(np.concatenate([a.ravel() for a in deltas["document"]]), fl.load_client_delta())
    assert [a.shape for a in deltas["cnn"]][:3] == [(5, 5, 1, 16), (16,), (5, 5, 16, 32)]
    rows = np.abs(deltas["embedding"][0]).sum(axis=1) > 0  # few tokens of 5,000 occur at one client
    assert 0 < rows.mean() < 0.8
    for array in itertools.chain(*deltas.values()):
        assert array.dtype == np.float32 and not array.flags.writeable and array.any()


def test_missing_or_damaged_deltas_tell_where_and_what_to_do(elsewhere):
    shutil.copy(ROOT / "data" / "client_delta.npy", elsewhere.parent)
    with pytest.raises(FileNotFoundError, match=r"deltas.npz is missing. .*git checkout"):
        fl.load_deltas.__wrapped__()
    path = elsewhere.with_name("deltas.npz")
    for content in ({}, {"mlp/0": np.full(199_210, np.nan, np.float32)}, {"mlp/0": np.zeros(199_210)}):
        np.savez(path, **content)
        with pytest.raises(ValueError, match=r"deltas.npz is damaged \(mlp is not 199,210 finite float32\).*git checkout"):
            fl.load_deltas.__wrapped__()
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"deltas.npz is damaged \(.*git checkout"):
        fl.load_deltas.__wrapped__()


# Partitions

PARTITIONS = {
    "iid": fl.partition_iid,
    "one shard": lambda labels, n, **k: fl.partition_shards(labels, n, 1, **k),
    "two shards": lambda labels, n, **k: fl.partition_shards(labels, n, 2, **k),
    "dirichlet 0.001": lambda labels, n, **k: fl.partition_dirichlet(labels, n, 0.001, **k),
    "dirichlet 1": lambda labels, n, **k: fl.partition_dirichlet(labels, n, 1, **k),
    "dirichlet 1e6": lambda labels, n, **k: fl.partition_dirichlet(labels, n, 1e6, **k),
}
every_partition = pytest.mark.parametrize("deal", PARTITIONS.values(), ids=PARTITIONS)


@every_partition
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    n_clients=st.integers(1, 30),
    seed=st.integers(0, 2**32),
)
def test_every_sample_goes_to_exactly_one_client(deal, labels, n_clients, seed):
    n_clients = min(n_clients, len(labels) // 2)
    parts = deal(labels, n_clients, seed=seed)
    assert len(parts) == n_clients and all(part.size for part in parts)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    assert all((np.diff(part) > 0).all() and part.dtype.kind == "i" for part in parts)


@pytest.mark.parametrize("deal", [PARTITIONS[name] for name in PARTITIONS if name != "two shards"])
@given(n=st.integers(1, 200), n_clients=st.integers(1, 200), seed=st.integers(0, 99))
def test_clients_hold_equally_much_up_to_one_sample(deal, n, n_clients, seed):
    labels = np.arange(n) % 3
    sizes = [part.size for part in deal(labels, min(n, n_clients), seed=seed)]
    assert max(sizes) - min(sizes) <= 1


@every_partition
def test_one_hundred_clients_hold_600_images_each(deal, mnist):
    assert {part.size for part in deal(mnist.y_train, 100)} == {600}


@every_partition
def test_the_seed_decides(deal):
    labels = np.random.default_rng(0).integers(0, 10, 500)
    first, again, other = (np.concatenate(deal(labels, 10, seed=seed)).tolist() for seed in (1, 1, 2))
    assert first == again != other


@every_partition
def test_partitions_leave_the_global_random_state_alone(deal):
    np.random.seed(3)  # noqa: NPY002
    deal(np.arange(100) % 10, 5)
    first = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert np.random.random() == first  # noqa: NPY002


def classes(parts, labels):
    return np.array([len(set(labels[part].tolist())) for part in parts])


def largest_shares(parts, labels):
    return np.array([np.bincount(labels[part]).max() / part.size for part in parts])


def test_iid_clients_are_like_the_whole(mnist):
    parts = fl.partition_iid(mnist.y_train, 100)
    assert (classes(parts, mnist.y_train) == 10).all()
    # Each digit is about a tenth of 600: mean 60, standard deviation 7.3; 1,000 counts, six deviations.
    counts = np.array([np.bincount(mnist.y_train[part], minlength=10) for part in parts])
    assert np.abs(counts - np.array(TRAIN_COUNTS) / 100).max() < 45


def test_two_shards_give_two_classes_to_most_clients_and_four_at_most(mnist):
    """A shard of 300 lies within one class or across one border; there are nine borders."""
    held = classes(fl.partition_shards(mnist.y_train, 100, 2), mnist.y_train)
    assert held.max() <= 4 and (held <= 2).sum() >= 100 - 9


def test_one_shard_gives_one_class_to_all_but_nine_clients(mnist):
    held = classes(fl.partition_shards(mnist.y_train, 100, 1), mnist.y_train)
    assert held.max() == 2 and (held == 1).sum() >= 91


def test_which_samples_share_a_shard_depends_on_the_seed():
    labels = np.zeros(20, int)
    hands = [{frozenset(part.tolist()) for part in fl.partition_shards(labels, 2, 1, seed=seed)} for seed in (1, 2)]
    assert hands[0] != hands[1]


def test_many_shards_are_nearly_iid(mnist):
    assert classes(fl.partition_shards(mnist.y_train, 10, 200), mnist.y_train).min() == 10


def test_small_alpha_is_skewed_and_large_alpha_is_like_iid(mnist):
    y = mnist.y_train
    skew = [largest_shares(fl.partition_dirichlet(y, 100, alpha), y).mean() for alpha in (0.01, 0.1, 1, 1000)]
    assert skew == sorted(skew, reverse=True)
    assert skew[0] > 0.85 and 0.6 < skew[1] < 0.85 and 0.25 < skew[2] < 0.45 and skew[3] < 0.15
    iid = largest_shares(fl.partition_iid(y, 100), y).mean()
    assert skew[3] == pytest.approx(iid, abs=0.01)


@pytest.mark.slow
def test_dirichlet_mixtures_have_the_variance_of_their_distribution():
    """With two classes and ample stock a client's share is Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)).

    alpha is the parameter of each class when the classes are equally frequent. 40 of 400 clients are looked at, so that
    no class runs out before.
    """
    labels = np.arange(400 * 500) % 2
    for alpha in (0.5, 2, 20):
        shares = [labels[p].mean() for s in range(20) for p in fl.partition_dirichlet(labels, 400, alpha, seed=s)[:40]]
        assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
        assert np.var(shares) == pytest.approx(1 / (4 * (2 * alpha + 1)) + 0.25 / 500, rel=0.25)


@pytest.mark.parametrize("alpha", [1e-9, 1e9, 1e300])
def test_extreme_alphas_are_dealt_out(alpha):
    parts = fl.partition_dirichlet(np.arange(1000) % 10, 7, alpha)
    assert sorted(np.concatenate(parts).tolist()) == list(range(1000))


def test_labels_may_be_a_list_or_strings():
    assert sum(part.size for part in fl.partition_dirichlet(["cat", "dog", "cat", "cow"], 2)) == 4
    assert sum(part.size for part in fl.partition_iid([3, 1, 2], 3)) == 3


@pytest.mark.parametrize(
    ("deal", "error", "message"),
    [
        (lambda y: fl.partition_iid(y, 0), ValueError, "n_clients must be in 1 … 6, got 0"),
        (lambda y: fl.partition_iid(y, 7), ValueError, "n_clients must be in 1 … 6, got 7"),
        (lambda y: fl.partition_shards(y, 7), ValueError, "n_clients must be in 1 … 6, got 7"),
        (lambda y: fl.partition_dirichlet(y, 7), ValueError, "n_clients must be in 1 … 6, got 7"),
        (lambda y: fl.partition_iid(y, 2.0), TypeError, "n_clients must be an integer, got 2.0"),
        (lambda y: fl.partition_iid(y, True), TypeError, "n_clients must be an integer, got True"),
        (lambda y: fl.partition_shards(y, 3, 3), ValueError, "shards_per_client must be in 1 … 2, got 3"),
        (lambda y: fl.partition_shards(y, 3, 0), ValueError, "shards_per_client must be in 1 … 2, got 0"),
        (lambda y: fl.partition_dirichlet(y, 2, 0), ValueError, r"alpha must be in \(0, infinity\), got 0"),
        (lambda y: fl.partition_dirichlet(y, 2, -1), ValueError, r"alpha must be in \(0, infinity\), got -1"),
        (lambda y: fl.partition_dirichlet(y, 2, np.inf), ValueError, r"alpha must be in \(0, infinity\), got inf"),
        (lambda y: fl.partition_dirichlet(y, 2, np.nan), ValueError, r"alpha must be in \(0, infinity\), got nan"),
        (lambda y: fl.partition_dirichlet(y, 2, "1"), TypeError, "alpha must be a number, got '1'"),
        (lambda y: fl.partition_iid(y.reshape(2, 3), 2), ValueError, r"one-dimensional, got shape \(2, 3\)"),
        (lambda y: fl.partition_iid(y[:0], 1), ValueError, "n_clients"),
    ],
)
def test_bad_input_is_named(deal, error, message):
    with pytest.raises(error, match=message):
        deal(np.array([0, 1, 2, 0, 1, 2]))
