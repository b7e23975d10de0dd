"""What data/README.md says of the data files is what makes them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import fedlab_utils as fl

ROOT = Path(__file__).parents[1]


def test_the_recipe_of_the_client_delta_makes_the_client_delta(tmp_path):
    section = (ROOT / "data" / "README.md").read_text(encoding="utf8").split("## client_delta.npy")[1]
    recipe = re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)
    subprocess.run([sys.executable, "-c", recipe], cwd=tmp_path, check=True)
    made = np.load(tmp_path / "client_delta.npy")
    # Another processor adds in another order, and 360 steps of SGD make more of it; another recipe misses by far more.
    assert fl.nmse(fl.load_client_delta(), made) < 0.01
    assert made.dtype == np.float32 and np.array_equal(made == 0, fl.load_client_delta() == 0)
