"""What several test files share."""

import os
import tempfile

import pytest
from hypothesis import settings

import fedlab_utils as fl

# Whoever runs the tests (and the notebooks, whose kernels inherit this) may have finished exercises of her own.
os.environ["FEDLAB_PROGRESS"] = os.path.join(tempfile.mkdtemp(), "progress.json")

# A first call may compile or import; the time limits that matter are asserted where they are claimed.
settings.register_profile("fedlab", deadline=None, print_blob=True)
settings.load_profile("fedlab")


@pytest.fixture(scope="session")
def mnist():
    return fl.load_mnist()
