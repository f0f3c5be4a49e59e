"""The operator as a guest in somebody's simulation: what it links and exports, streams between processes, forks, threads."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import PLUGIN, ROOT, error, python, read, run, smooth, write_one

LIBRARY = PLUGIN / "libcaesar_operator.so"
FUNCTIONS = {"bound", "check", "compress", "decompress", "layout", "message", "strerror", "adios2_options", "adios2_order"}


def test_the_operator_stands_alone():
    needed = {line.split()[0].rpartition("/")[-1] for line in run("ldd", LIBRARY).stdout.splitlines()}
    allowed = {"linux-vdso.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6"}
    assert needed <= allowed | {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_it_exports_nothing_else():
    symbols = {line.split()[-1] for line in run("nm", "-D", "--defined-only", LIBRARY).stdout.splitlines()}
    assert symbols == {"OperatorCreate", "OperatorDestroy"} | {f"caesar_{name}" for name in FUNCTIONS}


def test_a_stream_between_two_processes(tmp_path):
    writer = """
import numpy as np
from conftest import *
write("s.sst", [{"v": [((0, 0, 0), smooth((20, 30, 40), seed=n)), ((20, 0, 0), smooth((5, 30, 40), seed=n))]} for n in range(4)],
      {"abs": "1e-3"}, "SST", DataTransport="WAN", RendezvousReaderCount="1")
"""
    reader = """
from conftest import *
io = adios2.Adios().declare_io("reader")
io.set_engine("SST")
io.set_parameters({"DataTransport": "WAN"})
with io.open("s.sst", Mode.Read) as stream:
    steps = 0
    while stream.begin_step() == adios2.bindings.StepStatus.OK:
        variable = io.inquire_variable("v")
        array = np.empty(variable.shape())
        variable.set_selection([[0, 0, 0], variable.shape()])
        stream.get(variable, array, Mode.Sync)
        stream.end_step()
        assert 0 < error(np.concatenate([smooth((20, 30, 40), seed=steps), smooth((5, 30, 40), seed=steps)]), array) <= 1e-3
        steps += 1
print(steps, "steps")
"""
    path = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    other = subprocess.Popen([sys.executable, "-c", writer], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path})
    try:
        assert python(reader, cwd=tmp_path).stdout == "4 steps\n"
        assert other.wait(60) == 0
    finally:
        other.kill()


def test_a_forked_child_writes_and_reads(tmp_path):
    field = smooth((40, 200, 160))
    write_one(tmp_path / "a.bp", field, {"abs": "1e-3"})
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        write_one(tmp_path / "b.bp", field, {"abs": "1e-3"})
        os._exit(0 if read(tmp_path / "a.bp").tobytes() == read(tmp_path / "b.bp").tobytes() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_no_threads_are_left_behind(tmp_path):
    script = """
import sys, time
from conftest import *
def threads():
    # A thread that has done its work takes a moment to disappear.
    counts = []
    for _ in range(20):
        counts.append(len(os.listdir("/proc/self/task")))
        time.sleep(0.02)
    return min(counts)
field = smooth((40, 200, 160))
write_one(sys.argv[1], field, {})
read(sys.argv[1])
before = threads()
for _ in range(3):
    write_one(sys.argv[1], field, {"abs": "1e-3", "effort": "fast"})
    read(sys.argv[1])
assert threads() <= before, (before, threads())
"""
    done = python(script, tmp_path / "a.bp", env={"CAESAR_NUM_THREADS": "4"})
    assert done.stderr == ""


def test_writers_side_by_side(tmp_path):
    """Threads that each have a file of their own."""
    fields = [smooth((12, 40, 50), seed=n) for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: write_one(tmp_path / f"{n}.bp", fields[n], {"abs": "1e-3"}), range(6)))
    for n, field in enumerate(fields):
        assert error(field, read(tmp_path / f"{n}.bp")) <= 1e-3


HERE = ROOT / "adios-operator"
LINK = [f"-L{PLUGIN}", "-lcaesar_operator", f"-Wl,-rpath,{PLUGIN}"]


def test_c_programs_call_it_too(tmp_path):
    options = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", HERE / "include"]
    run("cc", *options, HERE / "tests/interface.c", "-o", tmp_path / "interface", *LINK, "-lm")
    done = run(tmp_path / "interface")
    assert done.stdout == "all is well\n" and done.stderr == ""


@pytest.mark.skipif(shutil.which("gfortran") is None, reason="gfortran is not installed")
def test_fortran_programs_call_it_too(tmp_path):
    options = ["-std=f2018", "-Wall", "-Werror", "-J", tmp_path]
    run("gfortran", *options, HERE / "include/caesar.f90", HERE / "tests/interface.f90", "-o", tmp_path / "interface", *LINK)
    assert run(tmp_path / "interface").stdout == "all is well\n"
