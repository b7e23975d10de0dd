"""What several test files share."""

import pytest
from hypothesis import settings

import fedlab_utils as fl

# A first call may compile or import; the time limits that matter are asserted where they are claimed.
settings.register_profile("fedlab", deadline=None, print_blob=True)
settings.load_profile("fedlab")


@pytest.fixture(scope="session")
def mnist():
    return fl.load_mnist()
