"""What several test files share."""

import os
import re
import sys
import tempfile

import pytest
from hypothesis import settings

import fedlab_utils as fl

# Whoever runs the tests (and the notebooks, whose kernels inherit this) may have finished exercises of her own.
os.environ["FEDLAB_PROGRESS"] = os.path.join(tempfile.mkdtemp(), "progress.json")


def pytest_configure(config):
    """Where trainings are left out, a module or a test without the mark that imports TensorFlow fails (and at collection)."""
    if "not training" in config.option.markexpr:
        sys.modules["tensorflow"] = sys.modules["keras"] = None


def pytest_collection_finish(session):
    imported = [name for name in ("tensorflow", "keras") if sys.modules.get(name) is not None]
    if imported:
        raise pytest.UsageError(f"collecting the tests has imported {', '.join(imported)}: see tests/later.py")


# A first call may compile or import; the time limits that matter are asserted where they are claimed.
settings.register_profile("fedlab", deadline=None, print_blob=True)
settings.load_profile("fedlab")


@pytest.fixture(scope="session")
def mnist():
    return fl.load_mnist()


@pytest.fixture
def same_numbers():
    """A check that an exercise answers a wrong solution with the same numbers in both languages."""

    def numbers(exercise, answer, language):
        fl.use_language(language)
        return sorted(re.findall(r"\d+(?:[.,]\d+)*", exercise.check(answer).message))

    def check(exercise, answer):
        english = numbers(exercise, answer, "en")
        assert english in (numbers(exercise, answer, "zh"), [])  # none where English has words for them
        fl.use_language("en")

    return check


@pytest.fixture(params=["en", "zh"])
def language(request):
    """Both editions, one after the other; English afterwards."""
    fl.use_language(request.param)
    yield request.param
    fl.use_language("en")


@pytest.fixture
def progress(tmp_path, monkeypatch):
    """A file of its own for the exercises that are solved; English afterwards."""
    file = tmp_path / "deep" / "progress.json"
    monkeypatch.setenv("FEDLAB_PROGRESS", str(file))
    yield file
    fl.use_language("en")
