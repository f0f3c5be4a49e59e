"""nccopy, ncdump and netCDF4-python."""

import ctypes
import glob
from pathlib import Path

import numpy as np
import pytest
from conftest import FILTER, applied, assert_within, cd_values, double_words, python, read, run, smooth, tool, words

netCDF4 = pytest.importorskip("netCDF4")

FILL = 9.969209968386869e36


@pytest.fixture
def classic(tmp_path):
    """A classic netCDF file: an ocean field with land, coordinates, an integer variable."""
    path = tmp_path / "classic.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        for name, size in {"time": None, "lat": 45, "lon": 90}.items():
            file.createDimension(name, size)
        file.createVariable("lat", "f8", ("lat",))[:] = np.linspace(-90, 90, 45)
        sst = file.createVariable("sst", "f4", ("time", "lat", "lon"), fill_value=np.float32(FILL))
        field = smooth((12, 45, 90))
        field[:, 20:30, 30:60] = FILL
        sst[:] = field
        file.createVariable("count", "i4", ("lat", "lon"))[:] = np.arange(45 * 90).reshape(45, 90)
    return path


def variable(path, name):
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return file[name][...]


@tool("nccopy")
@pytest.mark.parametrize("form, bound", [("0.01d", 0.01), ("0.01f", float(np.float32(0.01)))])
def test_nccopy_packs_every_variable(classic, tmp_path, form, bound):
    out = tmp_path / "packed.nc"
    run("nccopy", "-F", f"*,{FILTER},{form}", classic, out)
    applied(out, "sst")
    assert_within(variable(classic, "sst"), variable(out, "sst"), "abs", bound)
    assert_within(variable(classic, "lat"), variable(out, "lat"), "abs", bound)
    assert_within(variable(classic, "count"), variable(out, "count"), "lossless")


@tool("nccopy")
def test_nccopy_packs_one_variable_with_a_method(classic, tmp_path):
    out = tmp_path / "packed.nc"
    low, high = double_words(0.05)
    run("nccopy", "-F", f"sst,{FILTER},1,{low},{high},1", classic, out)
    applied(out, "sst")
    assert cd_values(out, "sst")[1:6] == words("abs", 0.05, "caesar-v")
    assert_within(variable(classic, "sst"), variable(out, "sst"), "abs", 0.05)


@tool("nccopy")
@pytest.mark.parametrize("mode, bound", [("rel", 1e-3), ("nrmse", 1e-3)])
def test_nccopy_pads_chunks_without_harm(tmp_path, mode, bound):
    data = 200 + 10 * smooth((300, 260))
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        [file.createDimension(name, size) for name, size in zip("yx", data.shape)]
        file.createVariable("t", "f4", ("y", "x"), fill_value=np.float32(1e20))[:] = data
    form = ",".join(map(str, words(mode, bound)))
    run("nccopy", "-c", "y/256,x/256", "-F", f"t,{FILTER},{form}", tmp_path / "a.nc", tmp_path / "b.nc")
    applied(tmp_path / "b.nc", "t")
    copy = variable(tmp_path / "b.nc", "t")
    for box in [np.s_[:256, :256], np.s_[256:, :256], np.s_[:256, 256:], np.s_[256:, 256:]]:
        assert_within(data[box], copy[box], mode, bound)


@tool("nccopy")
def test_a_fill_value_that_is_named_is_kept(tmp_path):
    """Five cells that nothing tells from data: nccopy does not pass _FillValue on."""
    data = smooth((40, 50))
    data.flat[::400] = 5.0
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        [file.createDimension(name, size) for name, size in zip("yx", data.shape)]
        file.createVariable("t", "f4", ("y", "x"), fill_value=np.float32(5))[:] = data
    run("nccopy", "-F", f"t,{FILTER},1,0.1d,0,0,5d", tmp_path / "a.nc", tmp_path / "b.nc")
    run("nccopy", "-c", "y/20,x/50", tmp_path / "b.nc", tmp_path / "c.nc")
    for name, bound in [("b.nc", 0.1), ("c.nc", 0.2)]:
        applied(tmp_path / name, "t")
        copy = variable(tmp_path / name, "t")
        assert_within(data, copy, "abs", bound)
        assert (copy.flat[::400] == 5).all()


@tool("nccopy")
def test_nccopy_rechunks_a_packed_file(classic, tmp_path):
    packed, chunked = tmp_path / "packed.nc", tmp_path / "chunked.nc"
    run("nccopy", "-F", f"sst,{FILTER},0.01d", classic, packed)
    run("nccopy", "-c", "time/4,lat/45,lon/45", packed, chunked)
    applied(chunked, "sst")
    assert cd_values(chunked, "sst")[-3:] == (4, 45, 45)
    assert_within(variable(packed, "sst"), variable(chunked, "sst"), "abs", 0.01)


@tool("ncdump")
def test_ncdump_reads_the_values(classic, tmp_path):
    out = tmp_path / "packed.nc"
    run("nccopy", "-F", f"sst,{FILTER},0.01d", classic, out)
    text = run("ncdump", "-p", "9,17", "-v", "sst", out).stdout.split(" sst =")[-1].strip(" \n;}")
    values = [FILL if value.strip() == "_" else float(value) for value in text.split(",")]
    assert_within(variable(classic, "sst").ravel(), np.array(values, "f4"), "abs", 0.01)


@tool("nccopy")
def test_nccopy_fails_where_cd_values_are_wrong(classic, tmp_path):
    done = run("nccopy", "-F", f"sst,{FILTER},1,0,0,9", classic, tmp_path / "packed.nc", code=1)
    assert "caesar: invalid argument: unknown method 9" in done.stderr


def test_netcdf4_python_writes_and_reads(tmp_path):
    """The wheel has no call for filters of a user's own; its library has."""
    (library,) = glob.glob(str(Path(netCDF4.__file__).parent.parent / "netcdf4.libs/libnetcdf-*.so*"))
    data = smooth((10, 30, 40))
    form = (ctypes.c_uint * 2)(*double_words(1e-3))
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, size in {"t": 10, "y": 30, "x": 40}.items():
            file.createDimension(name, size)
        sst = file.createVariable("v", "f4", ("t", "y", "x"), chunksizes=(4, 30, 40))
        assert ctypes.CDLL(library).nc_def_var_filter(file._grpid, sst._varid, FILTER, ctypes.c_size_t(2), form) == 0
        sst[:] = data
    applied(tmp_path / "a.nc", "v")
    assert_within(data, variable(tmp_path / "a.nc", "v"), "abs", 1e-3)
    assert variable(tmp_path / "a.nc", "v").tobytes() == read(tmp_path / "a.nc", "v").tobytes()
