"""Chunks that are written more than once: HDF5 reads, changes and compresses a chunk anew for each partial write."""

import h5py
import numpy as np
import pytest
from conftest import applied, assert_within, read, smooth, words, write

NO_CACHE = dict(rdcc_nbytes=0)


def test_a_chunk_filled_frame_by_frame_keeps_the_bound(tmp_path):
    """The habit of every model that writes one time step after another into chunks of several."""
    data = smooth((8, 64, 64))
    write(tmp_path / "a.h5", np.zeros_like(data), words("abs", 1e-3))
    with h5py.File(tmp_path / "a.h5", "r+", **NO_CACHE) as file:
        for frame, values in enumerate(data):
            file["v"][frame] = values
    applied(tmp_path / "a.h5", "v")
    assert_within(data, read(tmp_path / "a.h5"), "abs", 1e-3)


@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_rewriting_what_was_read_changes_nothing(tmp_path, dtype):
    write(tmp_path / "a.h5", smooth((6, 40, 50), dtype), words("abs", 1e-2), chunks=(3, 40, 50))
    first = read(tmp_path / "a.h5")
    for _ in range(3):
        with h5py.File(tmp_path / "a.h5", "r+", **NO_CACHE) as file:
            file["v"][...] = file["v"][...]
        assert read(tmp_path / "a.h5").tobytes() == first.tobytes()


def test_partial_writes_of_points(tmp_path):
    data = smooth((40, 50))
    write(tmp_path / "a.h5", data, words("abs", 1e-2))
    rng = np.random.default_rng(3)
    with h5py.File(tmp_path / "a.h5", "r+", **NO_CACHE) as file:
        for row in rng.integers(0, 40, 8):
            data[row] += 1
            file["v"][row] = data[row]
    assert_within(data, read(tmp_path / "a.h5"), "abs", 1e-2)
