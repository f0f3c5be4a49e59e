"""The plugin as a guest in somebody's process: what it links, threads, forks, other HDF5 libraries, the end."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from conftest import PLUGIN, assert_within, python, read, run, smooth, words, write

LIBRARY = PLUGIN / "libh5zcaesar.so"


def test_the_plugin_stands_alone():
    assert [entry.name for entry in PLUGIN.iterdir()] == [LIBRARY.name]
    needed = {line.split()[0].rpartition("/")[-1] for line in run("ldd", LIBRARY).stdout.splitlines()}
    assert needed <= {"linux-vdso.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_the_plugin_exports_nothing_else():
    symbols = {line.split()[-1] for line in run("nm", "-D", "--defined-only", LIBRARY).stdout.splitlines()}
    assert symbols == {"H5PLget_plugin_type", "H5PLget_plugin_info"}


def test_decoding_needs_no_hdf5():
    """The filter called from a program without any HDF5, as from a static one that hides it."""
    done = python(
        """
import ctypes, sys
class Filter(ctypes.Structure):
    _fields_ = [("version", ctypes.c_int), ("id", ctypes.c_int), ("encoder", ctypes.c_uint), ("decoder", ctypes.c_uint),
                ("name", ctypes.c_char_p), ("can_apply", ctypes.c_void_p), ("set_local", ctypes.c_void_p), ("filter", ctypes.c_void_p)]
plugin, libc = ctypes.CDLL(sys.argv[1]), ctypes.CDLL(None)
plugin.H5PLget_plugin_info.restype = ctypes.POINTER(Filter)
info = plugin.H5PLget_plugin_info().contents
assert (info.version, info.id, plugin.H5PLget_plugin_type()) == (1, 40044, 0)
size = ctypes.c_size_t
call = ctypes.CFUNCTYPE(size, ctypes.c_uint, size, ctypes.c_void_p, size, ctypes.POINTER(size), ctypes.POINTER(ctypes.c_void_p))(info.filter)
set_local = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(info.set_local)
assert set_local(1, 2, 3) == 0
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [size]
def filter(flags, data):
    buffer, capacity = ctypes.c_void_p(libc.malloc(len(data))), size(len(data))
    ctypes.memmove(buffer, data, len(data))
    words = (ctypes.c_uint * 2)(1202590843, 1065646817)
    count = call(flags, 2, ctypes.cast(words, ctypes.c_void_p), len(data), ctypes.byref(capacity), ctypes.byref(buffer))
    assert count <= capacity.value
    return ctypes.string_at(buffer, count)
data = bytes(range(256)) * 40
stream = filter(0, data)
assert len(stream) < len(data) and filter(0x100, stream) == data
assert filter(0x100, stream[:-1]) == b"" and filter(0x100, b"nonsense") == b""
""",
        LIBRARY,
    )
    assert "hides its HDF5 library" in done.stderr
    assert done.stderr.count("\n") == 2, "one warning, one error"


def test_a_process_ends_well(tmp_path):
    for script in [
        "create_dataset('v', data=np.arange(1e5), chunks=(1000,), compression=40044)",
        "create_dataset('v', data=np.arange(1e5), chunks=(1000,), compression=40044)[...].sum()",
    ]:
        done = python(f"import sys, h5py, numpy as np; h5py.File(sys.argv[1], 'w').{script}", tmp_path / "a.h5")
        assert done.stderr == ""


def test_each_warning_is_told_once(tmp_path):
    done = python(
        """
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as file:
    for name, first in {"a": {"shuffle": True}, "b": {"scaleoffset": 3}, "c": {"shuffle": True}}.items():
        file.create_dataset(name, data=np.arange(1e3), chunks=(100,), compression=40044, **first)
""",
        tmp_path / "a.h5",
    )
    assert [line.split(" comes")[0] for line in done.stderr.splitlines()] == ["caesar: filter 2", "caesar: filter 6"]


@pytest.mark.parametrize("library", ["libhdf5_serial.so.103", h5py.h5z.__file__])
def test_closing_and_opening_hdf5(tmp_path, library):
    """H5close unloads plugins; the next use loads them again."""
    write(tmp_path / "a.h5", smooth((30, 40)), words("abs", 1e-3))
    python(
        """
import ctypes, sys
try:
    library = ctypes.CDLL(sys.argv[1])
except OSError:
    sys.exit()
for _ in range(20):
    assert library.H5open() == 0
    assert library.H5Zfilter_avail(40044) == 1
    assert library.H5close() == 0
""",
        library,
    )


def test_hdf5_may_close_while_helpers_rest(tmp_path):
    """Threads that helped rest for a while; what they run must not go from under them."""
    write(tmp_path / "a.h5", smooth((16, 300, 280)), words("abs", 1e-3))
    python(
        """
import ctypes, os, sys, time, h5py
with h5py.File(sys.argv[1]) as file:
    file["v"][...]
mapped = lambda: "libh5zcaesar" in open("/proc/self/maps").read()
threads = len(os.listdir("/proc/self/task"))
assert mapped()
assert ctypes.CDLL(h5py.h5z.__file__).H5close() == 0
time.sleep(0.5)
assert mapped() and len(os.listdir("/proc/self/task")) < threads
""",
        tmp_path / "a.h5",
        env={"CAESAR_NUM_THREADS": "3"},
    )


def test_many_threads(tmp_path):
    paths = [tmp_path / f"{n}.h5" for n in range(8)]
    fields = [smooth((6, 40, 50), seed=n) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path, data: write(path, data, words("abs", 1e-3)), paths, fields))
        for data, copy in zip(fields, pool.map(read, paths)):
            assert_within(data, copy, "abs", 1e-3)


def test_thread_counts_write_the_same_bytes(tmp_path):
    script = """
import sys
sys.path.insert(0, sys.argv[2])
from conftest import smooth, words, write
write(sys.argv[1], smooth((16, 300, 280)), words("abs", 1e-3, "auto", 1))
"""
    files = {}
    for threads in ["1", "2", "64", "0", "many", ""]:
        path = tmp_path / f"threads-{threads}.h5"
        python(script, path, os.path.dirname(__file__), env={"CAESAR_NUM_THREADS": threads})
        files[threads] = path.read_bytes()
    assert len(set(files.values())) == 1


def test_two_hdf5_libraries_in_one_process(tmp_path):
    """h5py's and netCDF4's wheels each bring one; both use the same plugin at the same time."""
    netCDF4 = pytest.importorskip("netCDF4")
    data = smooth((20, 60, 70))
    write(tmp_path / "a.h5", data, words("abs", 1e-3), chunks=(2, 60, 70))

    def through_netcdf(_):
        with netCDF4.Dataset(tmp_path / "a.h5") as file:
            return file["v"][...].filled()

    def through_h5py(n):
        write(tmp_path / f"{n}.h5", data, words("abs", 1e-3), chunks=(2, 60, 70))
        return read(tmp_path / f"{n}.h5")

    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            left, right = pool.submit(through_netcdf, 0), pool.submit(through_h5py, _)
            assert left.result().tobytes() == right.result().tobytes()
    assert_within(data, left.result(), "abs", 1e-3)


def test_a_forked_child_reads_and_writes(tmp_path):
    data = smooth((16, 300, 280))
    write(tmp_path / "a.h5", data, words("abs", 1e-3))
    expected = read(tmp_path / "a.h5").tobytes()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        write(tmp_path / "b.h5", data, words("abs", 1e-3))
        os._exit(0 if read(tmp_path / "a.h5").tobytes() == expected == read(tmp_path / "b.h5").tobytes() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_beside_hdf5plugin(tmp_path):
    """Its filters export functions under HDF5's own names, which must not be taken for HDF5's."""
    hdf5plugin = pytest.importorskip("hdf5plugin")
    data = smooth((30, 40))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("theirs", data=data, chunks=(30, 40), **hdf5plugin.Zstd())
    write(tmp_path / "a.h5", data, words("abs", 1e-3))
    assert_within(data, read(tmp_path / "a.h5"), "abs", 1e-3)
    assert_within(data, read(tmp_path / "a.h5", "theirs"), "lossless")


INSTRUCTIONS = ["portable", "avx2", "avx-vnni", "avx512-vnni", "amx", "neon", "neon-dot"]


@pytest.mark.parametrize("effort", [0, 1, 2])
def test_every_instruction_set_writes_and_reads_the_same(tmp_path, effort):
    """What this processor lacks is the best below it; an ONNX Runtime that CAESAR_ORT_LIB names takes part."""
    data = smooth((9, 70, 90))
    data[:, :20, :15] = 1e36
    write_one = "import sys, conftest as c, numpy as np; c.write(sys.argv[1], np.load(sys.argv[2]), c.words('abs', 1e-3, 'srn-sz', int(sys.argv[3])))"
    read_one = "import sys, conftest as c, numpy as np; np.save(sys.argv[2], c.read(sys.argv[1]))"
    np.save(tmp_path / "data.npy", data)
    here = {"PYTHONPATH": os.path.dirname(__file__)}
    engine = {"CAESAR_ORT_LIB": "none"}
    ways = [{"CAESAR_KERNELS": name, **engine} for name in INSTRUCTIONS] + [engine]
    if "CAESAR_ORT_LIB" in os.environ:
        ways.append({})
    written = set()
    for i, way in enumerate(ways):
        file = tmp_path / f"{i}.h5"
        python(write_one, file, tmp_path / "data.npy", effort, env={**here, **way})
        with h5py.File(file) as opened:
            written.add(opened["v"].id.read_direct_chunk((0, 0, 0))[1])
    assert len(written) == 1
    decoded = set()
    for i, way in enumerate(ways):
        python(read_one, tmp_path / "0.h5", tmp_path / f"{i}.npy", env={**here, **way})
        decoded.add(np.load(tmp_path / f"{i}.npy").tobytes())
    assert len(decoded) == 1
    assert_within(data, read(tmp_path / "0.h5"), "abs", 1e-3)
