"""Damaged chunks and a missing plugin: every door says so; none crashes or hands out wrong values."""

import shutil

import h5py
import numpy as np
import pytest
from conftest import FILTER, python, read, run, smooth, tool, words, write


@pytest.fixture
def packed(tmp_path):
    write(tmp_path / "a.h5", smooth((8, 20, 30)), words("abs", 1e-3))
    return tmp_path / "a.h5"


def chunk_of(path):
    """Offset and size of the only chunk in a file."""
    with h5py.File(path) as file:
        info = file["v"].id.get_chunk_info(0)
        return info.byte_offset, info.size


def damage(path, position, mask):
    offset, size = chunk_of(path)
    with open(path, "r+b") as file:
        file.seek(offset + position % size)
        byte = file.read(1)[0]
        file.seek(offset + position % size)
        file.write(bytes([byte ^ mask]))


def test_every_flipped_bit_is_found(packed, tmp_path):
    offset, size = chunk_of(packed)
    rng = np.random.default_rng(4)
    for position in sorted({*range(min(size, 64)), *rng.integers(0, size, 300), size - 1}):
        shutil.copy(packed, tmp_path / "b.h5")
        damage(tmp_path / "b.h5", position, 1 << int(rng.integers(8)))
        with pytest.raises(OSError):
            read(tmp_path / "b.h5")


def replace_chunk(path, stream):
    with h5py.File(path, "r+") as file:
        file["v"].id.write_direct_chunk((0, 0, 0), stream)


def stream_of(path):
    with h5py.File(path) as file:
        return file["v"].id.read_direct_chunk((0, 0, 0))[1]


def test_every_truncation_is_found(packed):
    stream = stream_of(packed)
    for length in sorted({*range(1, min(len(stream), 100)), *range(100, len(stream), 97), len(stream) - 1}):
        replace_chunk(packed, stream[:length])
        with pytest.raises(OSError):
            read(packed)


def test_a_stream_of_another_shape_is_refused(packed, tmp_path):
    """HDF5 would read past a chunk that is too short."""
    write(tmp_path / "small.h5", smooth((2, 3, 4)), words("abs", 1e-3))
    replace_chunk(packed, stream_of(tmp_path / "small.h5"))
    with pytest.raises(OSError):
        read(packed)


@tool("h5dump")
def test_stock_tools_survive_damage(packed, tmp_path):
    offset, size = chunk_of(packed)
    for position in [0, 5, 17, size // 2, size - 1]:
        shutil.copy(packed, tmp_path / "b.h5")
        damage(tmp_path / "b.h5", position, 0xFF)
        # HDF5's tools tell nothing themselves.
        assert "caesar: " in run("h5dump", "-d", "/v", tmp_path / "b.h5", code=1).stderr
        run("h5repack", "-f", "NONE", tmp_path / "b.h5", tmp_path / "c.h5", code=1)
        done = python("import sys, h5py; h5py.File(sys.argv[1])['v'][...]", tmp_path / "b.h5", code=1)
        assert "caesar: " in done.stderr and "OSError" in done.stderr


@tool("ncdump")
def test_ncdump_and_nccopy_survive_damage(packed, tmp_path):
    damage(packed, 40, 0xFF)
    assert "caesar: " in run("ncdump", packed, code=1).stderr
    assert "caesar: " in run("nccopy", packed, tmp_path / "c.nc", code=1).stderr


@tool("h5dump")
def test_a_missing_plugin_is_named(packed, tmp_path):
    nowhere = {"HDF5_PLUGIN_PATH": str(tmp_path)}
    done = python("import sys, h5py; h5py.File(sys.argv[1])['v'][...]", packed, code=1, env=nowhere)
    assert "OSError" in done.stderr
    done = run("h5dump", "--enable-error-stack", "-d", "/v", packed, code=1, env=nowhere)
    assert "required filter 'caesar (H5Z-CAESAR: needs the plugin h5zcaesar in HDF5_PLUGIN_PATH)'" in done.stderr
    assert "needs the plugin h5zcaesar" in run("h5dump", "-p", "-H", packed, env=nowhere).stdout


def test_cd_values_do_not_matter_to_a_reader(packed, tmp_path):
    """A chunk says all by itself, also under words that this version does not know."""
    data, stream = read(packed), stream_of(packed)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(data.shape)
        plist.set_filter(FILTER, h5py.h5z.FLAG_MANDATORY, words("lossless"))
        h5py.h5d.create(file.id, b"v", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(data.shape), plist)
    replace_chunk(tmp_path / "b.h5", stream)
    assert read(tmp_path / "b.h5").tobytes() == data.tobytes()
    raw = (tmp_path / "b.h5").read_bytes()
    ours = np.array([0x0CAE0001], "<u4").tobytes()
    assert raw.count(ours) == 1
    (tmp_path / "b.h5").write_bytes(raw.replace(ours, np.array([0x0CAE7FFF], "<u4").tobytes()))
    assert read(tmp_path / "b.h5").tobytes() == data.tobytes()
