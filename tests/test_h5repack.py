"""Debian's own HDF5 tools: h5repack writes, h5dump and h5diff read."""

import h5py
import numpy as np
import pytest
from conftest import applied, assert_within, cd_values, double_words, read, run, smooth, tool, user_defined, words, write

pytestmark = tool("h5repack")


@pytest.fixture
def plain(tmp_path):
    """A file with all sorts of data sets and no filter."""
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["v"] = smooth((10, 60, 70))
        file["group/big_endian"] = smooth((30, 40), ">f8")
        file["integers"] = np.arange(1000).reshape(10, 100)
        file["strings"] = np.array([b"some", b"words"] * 50)
        file["scalar"] = 1.5
        file["one"] = np.array([2.5])
        file["text"] = "of variable length"
        file["v"].attrs["units"] = "K"
    return path


def test_every_data_set_of_a_file(plain, tmp_path):
    out = tmp_path / "packed.h5"
    run("h5repack", "-f", user_defined(double_words(1e-2)), plain, out)
    for name, mode in {"v": "abs", "group/big_endian": "abs", "integers": "lossless", "strings": "lossless"}.items():
        applied(out, name)
        assert_within(read(plain, name), read(out, name), mode, 1e-2)
    run("h5diff", "-d", "0.010000001", plain, out, "/v")
    run("h5diff", plain, out, "/integers")


@pytest.mark.parametrize("method", ["auto", "caesar-v", "srn-sz", "interpolation"])
def test_one_data_set_by_method(plain, tmp_path, method):
    out = tmp_path / "packed.h5"
    run("h5repack", "-f", "v:" + user_defined(words("abs", 1e-2, method)[:4]), plain, out)
    applied(out, "v")
    assert cd_values(out, "v")[:5] == (0x0CAE0001, *words("abs", 1e-2, method)[:4])
    assert_within(read(plain, "v"), read(out, "v"), "abs", 1e-2)


@pytest.mark.parametrize("method", ["auto", "caesar-v", "srn-sz", "interpolation"])
def test_every_patch_of_every_chunk_keeps_its_error(plain, tmp_path, method):
    """Extents that are no multiples of eight, and a calm field with a storm in it, of which a mean over the chunk takes no notice."""
    data = smooth((6, 83, 93))
    data[:, :83, 47:93] *= 1e-3
    data[2:, 20:31, 60:70] += np.random.default_rng(1).standard_normal((4, 11, 10)).astype("f4")
    data[:, 70:, 5:17] = np.nan
    with h5py.File(tmp_path / "storm.h5", "w") as file:
        file["v"] = data
    out = tmp_path / "packed.h5"
    run("h5repack", "-f", "v:" + user_defined(words("patch_nrmse", 1e-3, method)[:4]), tmp_path / "storm.h5", out)
    stored, plain = applied(out, "v")
    assert stored < plain / 5
    assert_within(data, read(out), "patch_nrmse", 1e-3)


def test_h5dump_reads_the_values(plain, tmp_path):
    out = tmp_path / "packed.h5"
    run("h5repack", "-f", user_defined(double_words(1e-2)), plain, out)
    run("h5dump", "-d", "/v", "-o", tmp_path / "v.bin", "-b", "LE", out)
    assert_within(read(plain), np.fromfile(tmp_path / "v.bin", "f4").reshape(10, 60, 70), "abs", 1e-2)


def test_a_packed_file_is_packed_again(plain, tmp_path):
    """With other chunks the words of the file reach the filter anew; without, chunks are copied as they are."""
    packed, copied, chunked, unpacked = (tmp_path / f"{n}.h5" for n in ["packed", "copied", "chunked", "unpacked"])
    run("h5repack", "-f", "v:" + user_defined(words("rel", 1e-3)), plain, packed)
    run("h5repack", packed, copied)
    assert read(copied).tobytes() == read(packed).tobytes()
    run("h5repack", "-l", "v:CHUNK=4x32x32", packed, chunked)
    applied(chunked, "v")
    assert cd_values(chunked, "v") == (0x0CAE0001, *words("rel", 1e-3), 0x30000, 4, 4, 32, 32)
    assert_within(read(packed), read(chunked), "rel", 1e-3)
    run("h5repack", "-f", "v:NONE", packed, unpacked)
    assert read(unpacked).tobytes() == read(packed).tobytes()


def test_wrong_cd_values_are_told(plain, tmp_path):
    done = run("h5repack", "-f", "v:" + user_defined((1, 0, 0, 9)), plain, tmp_path / "packed.h5")
    assert "caesar: invalid argument: unknown method 9" in done.stderr


def test_other_wheels_files(tmp_path):
    """What h5py's library wrote, 1.10 reads and re-chunks."""
    data = smooth((10, 60, 70))
    write(tmp_path / "a.h5", data, words("abs", 1e-3), chunks=(4, 60, 70))
    run("h5dump", "-d", "/v", "-o", tmp_path / "v.bin", "-b", "LE", tmp_path / "a.h5")
    assert np.fromfile(tmp_path / "v.bin", "f4").tobytes() == read(tmp_path / "a.h5").tobytes()
