"""The install rules, and what a C or Fortran project learns from them."""

from conftest import ROOT, python, run, tool

pytestmark = tool("cmake")

PROJECT = """
cmake_minimum_required(VERSION 3.18)
project(user LANGUAGES NONE)
find_package(h5z-caesar 0.1 REQUIRED)
message(NOTICE "${H5Z_CAESAR_FILTER_ID} ${H5Z_CAESAR_PLUGIN_DIR}")
"""


def test_an_installed_plugin_is_found_and_used(tmp_path):
    prefix, user = tmp_path / "prefix", tmp_path / "user"
    run("cmake", "-S", ROOT / "cmake", "-B", tmp_path / "build")
    installed = prefix / "lib/hdf5/plugin"
    assert f"HDF5_PLUGIN_PATH={installed}" in run("cmake", "--install", tmp_path / "build", "--prefix", prefix).stdout
    user.mkdir()
    (user / "CMakeLists.txt").write_text(PROJECT)
    done = run("cmake", "-S", user, "-B", tmp_path / "user-build", f"-DCMAKE_PREFIX_PATH={prefix}")
    assert f"40044 {installed}" in done.stderr
    python("import h5py; assert h5py.h5z.filter_avail(40044)", env={"HDF5_PLUGIN_PATH": str(installed)})
