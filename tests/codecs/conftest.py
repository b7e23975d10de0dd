"""What several tests of codecs share."""

import numpy as np
import pytest
from table import gaussian

import fedlab_utils as fl
from fedlab_utils.codecs import base


@pytest.fixture(scope="session")
def million():
    return gaussian(2**20)


@pytest.fixture(scope="session")
def delta():
    return np.ravel(fl.load_client_delta()).astype(np.float32)


@pytest.fixture(autouse=True)
def registry_is_left_clean():
    before = dict(base._STAGES)
    yield
    assert before == base._STAGES
