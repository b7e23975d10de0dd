"""The package as a wheel, away from the repository: what is in it, and what it says of what is not."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package as pip installs it from the wheel, without what it needs: that is there already."""
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels], cwd=ROOT, check=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, folder], check=True)  # as pip does, which also moves `data`
    return folder


@pytest.fixture
def run(installed, tmp_path):
    """Run Python in an empty folder, with the package of the wheel; returns what it prints, or the last line of its error."""

    def run(*arguments, **variables) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "FEDLAB_DATA"}
        environment |= {"PYTHONPATH": str(installed)} | variables
        done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]

    return run


def test_it_is_the_version_of_pyproject(installed, run):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    where, found = run("-c", "import fedlab_utils as fl; print(fl.__file__, fl.__version__, sep='\\n')").splitlines()
    assert Path(where).is_relative_to(installed) and found == version
    assert f"\n## {version} " in (ROOT / "CHANGELOG.md").read_text("utf-8"), "CHANGELOG.md says what a version brings"


def test_it_holds_what_it_needs(installed):
    shared = next(installed.glob("*.data")) / "data" / "share" / "jupyter"  # pip moves this below sys.prefix
    for name in ("fedlab-tff", "fedlab-flower"):
        assert (shared / "kernels" / name / "kernel.json").is_file()
    assert (shared / "lab" / "settings" / "overrides.d" / "fedlab.json").is_file()
    assert (installed / "fedlab_utils" / "py.typed").is_file()
    assert {path.name for path in (installed / "fedlab_utils").iterdir() if path.is_dir()} >= {"codecs", "training", "book"}


def test_codecs_and_chinese_labels_work_without_the_repository(run):
    code = "import fedlab_utils as fl, numpy as np; x = np.arange(5.0); print(fl.decode((fl.TopK(2) | fl.Quantize(8)).encode(x)))"
    assert run("-c", code) == "[0. 0. 0. 3. 4.]"
    code = "import fedlab_utils as fl; fl.use_language('zh'); print(fl.plotting.colour_key().alt)"
    assert run("-c", code).startswith("颜色")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "file"),
    [
        ("load_mnist()", "mnist.npz"),
        ("load_client_delta()", "client_delta.npy"),
        ("load_deltas()", "deltas.npz"),
        ("pruning.load_study()", "results/pruning.csv"),
    ],
)
def test_data_are_found_or_a_sentence_says_how(run, call, file):
    code = f"import fedlab_utils as fl; print(len(fl.{call}))"
    said = run("-c", code)
    assert f"Take {file} from the folder data/ of the book's repository" in said and "set FEDLAB_DATA to its folder" in said
    assert run("-c", code, FEDLAB_DATA=str(ROOT / "data")).isdigit()


def test_the_bookshelf_says_where_the_chapters_are(run):
    assert "in a complete copy of the book's repository" in run("-m", "fedlab_utils.book.bookshelf", "en")
