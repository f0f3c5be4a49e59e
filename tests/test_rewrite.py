"""Chunks that are written in parts: HDF5 reads, changes and compresses a chunk anew unless it stays in the cache.

Each compression keeps the bound towards what it is given, so errors add up over the rewrites (docs/cd-values.md).
"""

import h5py
import numpy as np
import pytest
from conftest import applied, assert_within, read, smooth, words, write

CACHED, UNCACHED = dict(rdcc_nbytes=1 << 24), dict(rdcc_nbytes=0)
BOUND = 1e-3


def fill_frame_by_frame(path, data, cd_values, **cache):
    """The habit of every model that writes one time step after another into chunks of several."""
    write(path, np.full_like(data, 1e30), cd_values)
    with h5py.File(path, "r+", **cache) as file:
        dataset = file["v"]
        for frame, values in enumerate(data):
            dataset[frame] = values
        dataset.id.close()
    applied(path, "v")
    return read(path)


@pytest.mark.parametrize("mode", ["abs", "lossless"])
def test_a_chunk_filled_in_the_cache_keeps_the_bound(tmp_path, mode):
    data = smooth((8, 64, 64))
    assert_within(data, fill_frame_by_frame(tmp_path / "a.h5", data, words(mode, BOUND), **CACHED), mode, BOUND)


@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_each_rewrite_adds_no_more_than_the_bound(tmp_path, dtype):
    data = smooth((8, 64, 64), dtype)
    copy = fill_frame_by_frame(tmp_path / "a.h5", data, words("abs", BOUND), **UNCACHED)
    for frame in range(8):
        assert_within(data[frame], copy[frame], "abs", BOUND * (8 - frame))


def test_lossless_rewrites_change_nothing(tmp_path):
    data = smooth((8, 64, 64))
    assert_within(data, fill_frame_by_frame(tmp_path / "a.h5", data, words("lossless"), **UNCACHED), "lossless")


def test_new_values_keep_the_bound_when_they_come_last(tmp_path):
    data = smooth((40, 50))
    write(tmp_path / "a.h5", data, words("abs", BOUND))
    with h5py.File(tmp_path / "a.h5", "r+", **UNCACHED) as file:
        for row in [3, 17, 39]:
            data[row] += 1
            file["v"][row] = data[row]
            assert_within(data[row], file["v"][row], "abs", BOUND)
