"""The install rules, and what a C or C++ project learns from them."""

from conftest import ROOT, python, run, tool

pytestmark = tool("cmake")

PROJECT = """
cmake_minimum_required(VERSION 3.18)
project(user LANGUAGES C)
find_package(Caesar 0.1 REQUIRED)
message(NOTICE "${Caesar_HDF5_FILTER_ID} ${Caesar_HDF5_PLUGIN_DIR}")
add_executable(user %s)
target_link_libraries(user PRIVATE Caesar::caesar m)
"""


def test_what_is_installed_is_found_and_used(tmp_path):
    prefix, user = tmp_path / "prefix", tmp_path / "user"
    run("cmake", "-S", ROOT / "cmake", "-B", tmp_path / "build")
    plugins, library = prefix / "lib/hdf5/plugin", prefix / "lib"
    done = run("cmake", "--install", tmp_path / "build", "--prefix", prefix)
    assert f"HDF5_PLUGIN_PATH={plugins}" in done.stdout and f"ADIOS2_PLUGIN_PATH={library}" in done.stdout
    user.mkdir()
    (user / "CMakeLists.txt").write_text(PROJECT % (ROOT / "adios-operator/tests/interface.c"))
    done = run("cmake", "-S", user, "-B", tmp_path / "user-build", f"-DCMAKE_PREFIX_PATH={prefix}")
    assert f"40044 {plugins}" in done.stderr
    python("import h5py; assert h5py.h5z.filter_avail(40044)", env={"HDF5_PLUGIN_PATH": str(plugins)})
    run("cmake", "--build", tmp_path / "user-build")
    assert run(tmp_path / "user-build/user").stdout == "all is well\n"
