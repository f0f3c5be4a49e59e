"""Files that are damaged, and readers that lack something: a message, and the process lives on."""

import shutil

import pytest
from conftest import ENGINES, PLUGIN, ROOT, python, run, smooth, write

# Reads a file again and again, a byte of a block flipped or a block's end wiped out each time. Flips must be noticed.
READER = """
import sys
from pathlib import Path
from conftest import *
path, data = sys.argv[1], Path(sys.argv[1]) / "data.0"
whole = data.read_bytes()
expected = {name: read(path, name).tobytes() for name in "vz"}
starts = {"v": whole.index(b"CAE\\x01", whole.index(b"CaesarOperator")), "z": whole.index(b"PAIR")}
ends = {"v": whole.index(b"CaesarOperator", starts["v"]) - 80, "z": len(whole) - 80}
failures = 0
for name, start in starts.items():
    end = ends[name]
    assert end - start > 500
    places = [*range(start, start + 120), *range(start + 120, end, (end - start) // 60)]
    flips = [(place, bytes([whole[place] ^ bit])) for place in places for bit in (1, 128)]
    for place, damage in flips + [(place, bytes(end - place)) for place in places]:
        if whole.startswith(damage, place):
            continue
        data.write_bytes(whole[:place] + damage + whole[place + len(damage):])
        try:
            read(path, name)
            sys.exit(f"{name}: damage at {place - start} was not noticed")
        except RuntimeError as error:
            assert "CaesarOperator: " in str(error), error
            failures += 1
data.write_bytes(whole)
assert all(read(path, name).tobytes() == bytes_ for name, bytes_ in expected.items())
print(failures, "noticed")
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_damaged_blocks(tmp_path, engine):
    step = {"v": [((0, 0, 0), smooth((20, 30, 40)))], "z": [((0, 0), smooth((30, 40), "c16"))]}
    write(tmp_path / "a.bp", [step], {"abs": "1e-3"}, engine)
    done = python(READER, tmp_path / "a.bp")
    assert done.stdout.endswith("noticed\n") and done.stderr == ""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("path,message", [("/nowhere", "caesar_operator could not be loaded. Double check ADIOS2_PLUGIN_PATH"), ("", "Failed to load library")])
def test_a_reader_without_the_plugin(tmp_path, engine, path, message):
    """The messages are ADIOS2's; the README says what they mean. The process lives on."""
    write(tmp_path / "a.bp", [{"v": [((0,), smooth((500,)))]}], {"abs": "1e-3"}, engine)
    script = """
import sys
from conftest import *
os.environ["ADIOS2_PLUGIN_PATH"] = sys.argv[2]
try:
    read(sys.argv[1])
except RuntimeError as error:
    print(error, file=sys.stderr)
os.environ["ADIOS2_PLUGIN_PATH"] = str(PLUGIN)
print(read(sys.argv[1]).shape)
"""
    # Cargo names the directories of its libraries to the loader, this one among them.
    done = python(script, tmp_path / "a.bp", path, env={"LD_LIBRARY_PATH": ""})
    assert message in done.stdout + done.stderr and done.stdout.endswith("(500,)\n")


def test_a_reader_without_the_model(tmp_path):
    """A block that a fine-tuned model wrote says which model is missing and where to put it."""
    models = tmp_path / "models"
    shutil.copytree(ROOT / "onnx/models", models)
    for manifest in models.glob("*/model.toml"):
        manifest.write_text(manifest.read_text() + "# fine-tuned\n")
    script = "import sys; from conftest import *; write_one(sys.argv[1], smooth((16, 64, 64)), {'nrmse': '1e-2', 'method': 'caesar-v'})"
    python(script, tmp_path / "a.bp", env={"CAESAR_MODEL_PATH": str(models)})
    reader = "import sys; from conftest import *; print(read(sys.argv[1]).shape)"
    assert python(reader, tmp_path / "a.bp", env={"CAESAR_MODEL_PATH": str(models)}).stdout == "(16, 64, 64)\n"
    done = python(reader, tmp_path / "a.bp", code=1)
    assert "variable v: model " in done.stderr and "CAESAR_MODEL_PATH" in done.stderr


def test_an_older_adios2_is_refused(tmp_path):
    """Whoever lacks the function that interface version 2 brought gets an exception instead of an object that he would misuse."""
    source = tmp_path / "host.cpp"
    source.write_text(
        r"""
#include <dlfcn.h>
#include <exception>
#include <iostream>
#include <map>
#include <string>
int main(int, char **arguments)
{
    using Create = void *(const std::map<std::string, std::string> &);
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library)
        return std::cout << dlerror() << '\n', 1;
    try
    {
        reinterpret_cast<Create *>(dlsym(library, "OperatorCreate"))({});
    }
    catch (const std::exception &error)
    {
        std::cout << error.what() << '\n';
    }
}
"""
    )
    run("c++", source, "-o", tmp_path / "host", "-ldl")
    done = run(tmp_path / "host", PLUGIN / "libcaesar_operator.so")
    assert "2.12 or newer" in done.stdout and "host" in done.stdout
