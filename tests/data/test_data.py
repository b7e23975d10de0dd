"""What data/README.md says of the data files is what makes them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fedlab_utils as fl

ROOT = Path(__file__).parents[2]


@pytest.mark.training
def test_the_recipe_makes_a_delta_of_the_kind_that_is_shipped(tmp_path):
    """Other dropout masks, the same client: the same dead pixels, as long, and as easy to compress."""
    section = (ROOT / "data" / "README.md").read_text(encoding="utf8").split("## client_delta.npy")[1]
    recipe = re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)
    subprocess.run([sys.executable, "-c", recipe], cwd=tmp_path, check=True)
    made, shipped = np.load(tmp_path / "client_delta.npy"), fl.load_client_delta()
    assert made.dtype == shipped.dtype == np.float32 and made.shape == shipped.shape == (101_770,)
    data = fl.load_mnist()
    black = ~data.x_train[fl.partition_iid(data.y_train, n_clients=100, seed=0)[0]].any(axis=0).ravel()
    for delta in (made, shipped):  # the 784 rows of the hidden layer: no input, no gradient
        np.testing.assert_array_equal(~delta[: 784 * 128].reshape(784, 128).any(axis=1), black)
    assert 0.8 < np.linalg.norm(made) / np.linalg.norm(shipped) < 1.25
    for k in (0.1, 0.01):  # as few weights hold as much of the energy
        assert abs(fl.nmse(made, fl.top_k(made, k).to_dense()) - fl.nmse(shipped, fl.top_k(shipped, k).to_dense())) < 0.05
