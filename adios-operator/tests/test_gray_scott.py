"""A simulation in C++ that knows nothing of compression: built from an install tree, compressed by its XML alone."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT, adios2, read, run, stored

HERE = ROOT / "adios-operator/gray-scott"
pytestmark = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gray-scott")
    run("cmake", "-S", ROOT / "cmake", "-B", folder / "install")
    run("cmake", "--install", folder / "install", "--prefix", folder / "prefix")
    config = Path(adios2.__file__).parent / "cmake/adios2"
    done = run("cmake", "-S", HERE, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={folder / 'prefix'}", f"-DADIOS2_DIR={config}")
    assert f"ADIOS2_PLUGIN_PATH={folder / 'prefix/lib'}" in done.stderr
    run("cmake", "--build", folder / "build")
    return lambda config, output: run(folder / "build/gray-scott", config, output, 40, 60, 20, env={"ADIOS2_PLUGIN_PATH": str(folder / "prefix/lib")})


def test_a_run_is_compressed_by_its_xml_alone(simulation, tmp_path):
    plain, packed = tmp_path / "plain.bp", tmp_path / "caesar.bp"
    simulation(HERE / "plain.xml", plain)
    simulation(HERE / "caesar.xml", packed)
    assert stored(packed) < stored(plain) / 10
    done = run(sys.executable, HERE / "analyse.py", plain, packed, 1e-3, tmp_path / "figure.png")
    assert 0.5 < float(re.search(r"error/bound (\S+)", done.stdout)[1]) <= 1
    assert float(re.search(r"ratio +(\S+)", done.stdout)[1]) > 10
    assert done.stdout.count("% of the run") == 2
    assert (tmp_path / "figure.png").stat().st_size > 10000


def test_the_lossless_run_is_the_plain_run(simulation, tmp_path):
    text = (HERE / "caesar.xml").read_text()
    lossless = tmp_path / "lossless.xml"
    lossless.write_text(text.replace('key="abs" value="1e-3"', 'key="mode" value="lossless"'))
    assert lossless.read_text() != text
    simulation(HERE / "plain.xml", tmp_path / "plain.bp")
    simulation(lossless, tmp_path / "lossless.bp")
    for step in range(4):
        for name in "UV":
            assert read(tmp_path / "plain.bp", name, step).tobytes() == read(tmp_path / "lossless.bp", name, step).tobytes()
