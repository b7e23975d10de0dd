"""The shape of what a mask keeps, by which a codec may code it."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from later import Later

arrays = Later("fedlab_utils.training.arrays")
pytestmark = pytest.mark.training


def test_what_a_mask_of_whole_rows_and_columns_keeps_is_a_block_and_anything_else_is_flat():
    block = np.zeros((6, 5), bool)
    block[np.ix_([0, 2], [1, 3, 4])] = True
    filters = np.ones((3, 3, 4, 8), bool)
    filters[..., 5:] = False
    for mask, shape in (
        (block, (2, 3)), (filters, (3, 3, 4, 5)), (np.array([1, 0, 1], bool), (2,)), (np.ones((), bool), ()),
        (np.eye(3, dtype=bool), (3,)), (~block, (24,)), (np.zeros((3, 2), bool), (0,)), (np.ones((0, 4), bool), (0,)),
    ):  # fmt: skip
        assert arrays.kept_shape(mask) == shape


def test_threads_that_come_at_once_get_one_tensor(monkeypatch):
    array, constant = np.ones((5, 4), np.float32), arrays.tf.constant
    array.flags.writeable = False
    monkeypatch.setattr(arrays, "_tensors", {})
    monkeypatch.setattr(arrays.tf, "constant", lambda array: (time.sleep(0.05), constant(array))[1])
    with ThreadPoolExecutor(4) as pool:
        made = [done.result() for done in [pool.submit(arrays.tensor, array) for _ in range(4)]]
    assert all(tensor is made[0] for tensor in made)
    array.flags.writeable = True
    assert arrays.tensor(array) is not made[0], "it may change from now on"
