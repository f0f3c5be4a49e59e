"""What the tests of the ADIOS2 operator share: its place, fields, and writing and reading with stock ADIOS2.

`cargo xtask test` runs them; by hand: `cargo xtask build`, then pytest in a virtual environment with adios2 and numpy.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PLUGIN = ROOT / "target/release/adios2"
# ADIOS2 reads it whenever it looks for a plugin.
os.environ["ADIOS2_PLUGIN_PATH"] = str(PLUGIN)

import adios2  # noqa: E402
import numpy as np  # noqa: E402

NAMES = {"PluginName": "CaesarOperator", "PluginLibrary": "caesar_operator"}
ENGINES = ["BP5", "BP4"]
Mode = adios2.bindings.Mode


def smooth(shape, dtype="f8", seed=0):
    """A field as simulations have them: waves and a little noise; complex ones with different parts."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(0, 3 + k, n) for k, n in enumerate(shape)), indexing="ij")
    field = 5 + 6 * np.prod([np.sin(a + k) for k, a in enumerate(axes)], axis=0) + 0.01 * rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        field = field + 1j * (field * field - rng.standard_normal(shape))
    return np.asarray(field).astype(dtype)


def parts(array):
    """Complex numbers as real ones."""
    return array.view(f"f{array.itemsize // 2}") if array.dtype.kind == "c" else array


def error(original, copy):
    """Largest error; of complex numbers, of their parts. What is not finite must be the same."""
    assert copy.dtype == original.dtype and copy.shape == original.shape, f"{copy.dtype} {copy.shape}"
    original, copy = parts(original.ravel()), parts(copy.ravel())
    finite = np.isfinite(original)
    assert copy[~finite].tobytes() == original[~finite].tobytes()
    return np.abs(original[finite].astype("g") - copy[finite].astype("g")).max(initial=0)


def write(path, steps, parameters, engine="BP5", mode=Mode.Deferred, **settings):
    """Writes steps, each a dict from names to lists of blocks: (start, array) in a global array, or (None, array)."""
    adios = adios2.Adios()
    operator = adios.define_operator("caesar", "plugin", NAMES)
    io = adios.declare_io("writer")
    io.set_engine(engine)
    io.set_parameters(settings)
    with io.open(str(path), Mode.Write) as writer:
        for step in steps:
            writer.begin_step()
            alive = []
            for name, blocks in step.items():
                local = blocks[0][0] is None
                shape = [] if local else np.max([np.add(start, array.shape) for start, array in blocks], axis=0).tolist()
                for start, array in blocks:
                    start = [] if local else list(start)
                    variable = io.inquire_variable(name)
                    if variable is None:
                        variable = io.define_variable(name, array, shape, start, list(array.shape))
                        variable.add_operation(operator, parameters)
                    elif not local:
                        variable.set_shape(shape)
                    if array.ndim:
                        variable.set_selection([start, list(array.shape)])
                    # A deferred Put reads the array when the step ends.
                    alive.append(np.ascontiguousarray(array))
                    writer.put(variable, alive[-1], mode)
            writer.end_step()


def write_one(path, array, parameters, engine="BP5", **settings):
    """Writes one block of one variable, `v`."""
    write(path, [{"v": [([0] * array.ndim, array)]}], parameters, engine, **settings)


def read(path, name="v", step=0, block=None, start=None, count=None):
    io = adios2.Adios().declare_io("reader")
    with io.open(str(path), Mode.ReadRandomAccess) as reader:
        variable = io.inquire_variable(name)
        variable.set_step_selection([step, 1])
        if block is not None:
            variable.set_block_selection(block)
        if start is not None:
            variable.set_selection([start, count])
        # adios2's own table has no single-precision complex numbers.
        dtype = {"float complex": np.complex64}.get(variable.type()) or adios2.stream.type_adios_to_numpy(variable.type())
        array = np.empty(variable.count(), dtype)
        reader.get(variable, array)
        return array


def stored(path):
    """Bytes of the data in a file."""
    return sum(entry.stat().st_size for entry in Path(path).glob("data.*"))


def run(*command, code=0, env=None, timeout=120, **options):
    """Runs a program that must end with `code`; one that is killed by a signal never does."""
    command = list(map(str, command))
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=timeout, **options)
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def python(script, *arguments, **options):
    """Runs a script in a fresh interpreter that finds this module."""
    path = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    options["env"] = {"PYTHONPATH": path, **options.get("env", {})}
    return run(sys.executable, "-c", script, *arguments, **options)
