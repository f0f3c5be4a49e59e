"""What the end-to-end tests share: the plugin's place, stock tools, fields, and the one check of a bound.

The tests drive the built plugin through stock software only, and look at files, not at messages of success.
`cargo xtask test` runs them; by hand: `cargo xtask build`, then pytest in a virtual environment with h5py and netCDF4.
"""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "target/release/plugin"
# HDF5 reads the variable when it is loaded, so before h5py is imported.
os.environ["HDF5_PLUGIN_PATH"] = str(PLUGIN)

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

FILTER = 40044
MODES = ["lossless", "abs", "rel", "pw_rel", "nrmse", "psnr", "patch_nrmse", "patch_psnr"]
METHODS = ["auto", "caesar-v", "caesar-d", "ae-sz", "srn-sz", "interpolation", "lossless"]


def words(mode, bound=0.0, method="auto", effort=0):
    """cd_values of five words (docs/cd-values.md)."""
    low, high = struct.unpack("<2I", struct.pack("<d", bound))
    return (MODES.index(mode), low, high, METHODS.index(method), effort)


def double_words(bound):
    """The two words that mean an absolute bound."""
    return struct.unpack("<2I", struct.pack("<d", bound))


def user_defined(cd_values, mandatory=True):
    """The filter in h5repack's notation."""
    return ",".join(map(str, ["UD=%d" % FILTER, 0 if mandatory else 1, len(cd_values), *cd_values]))


def run(*command, code=0, env=None):
    """Runs a tool that must end with `code`; a tool killed by a signal never does."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env={**os.environ, **(env or {})})
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def python(script, *arguments, code=0, env=None):
    """Runs a script in a fresh interpreter of this environment."""
    return run(sys.executable, "-c", script, *arguments, code=code, env=env)


def tool(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def smooth(shape, dtype="f4", seed=0):
    """A field as simulations have them: waves, a little noise, values between -2 and 12."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(0, 3 + k, n) for k, n in enumerate(shape)), indexing="ij")
    field = 5 + 6 * np.prod([np.sin(a + k) for k, a in enumerate(axes)], axis=0)
    return (field + 0.01 * rng.standard_normal(shape)).astype(dtype)


def patches(values):
    """Sums over the 8 x 8 patches of the last two dimensions."""
    values = np.atleast_2d(values)
    return np.add.reduceat(np.add.reduceat(values.astype("g"), range(0, values.shape[-2], 8), -2), range(0, values.shape[-1], 8), -1)


def assert_within(original, copy, mode, bound=0.0):
    """Every value of `copy` is within the bound; what is not finite, and everything under lossless, is bit for bit the same."""
    original, copy = np.asarray(original), np.asarray(copy)
    assert copy.dtype == original.dtype and copy.shape == original.shape
    if mode == "lossless" or original.dtype.kind != "f":
        assert copy.tobytes() == original.tobytes()
        return
    finite = np.isfinite(original)
    assert copy[~finite].tobytes() == original[~finite].tobytes()
    x, y = original[finite].astype("g"), copy[finite].astype("g")
    error = np.abs(x - y)
    spread = x.max() - x.min() if x.size else 0
    if mode == "abs":
        assert (error <= bound).all(), error.max() / bound
    elif mode == "rel":
        assert (error <= bound * spread).all(), error.max() / (bound * spread)
    elif mode == "pw_rel":
        assert (error <= bound * np.abs(x)).all()
    elif mode == "nrmse":
        assert np.sqrt((error**2).mean()) <= bound * spread
    elif mode == "psnr":
        rmse = np.sqrt((error**2).mean())
        assert rmse == 0 or 20 * np.log10(spread / rmse) >= bound
    elif mode.startswith("patch"):
        allowed = bound if mode == "patch_nrmse" else 10 ** (-bound / 20)
        squares = np.zeros(original.shape, "g")
        squares[finite] = error**2
        assert np.sqrt(patches(squares) / np.maximum(patches(finite), 1)).max() <= allowed * spread


def applied(path, name):
    """Asserts that each chunk in the file went through the filter; gives stored and plain size in bytes."""
    with h5py.File(path) as file:
        dataset = file[name]
        plist = dataset.id.get_create_plist()
        filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        assert FILTER in filters, f"{name}: {filters}"
        assert dataset.id.get_num_chunks() > 0
        for index in range(dataset.id.get_num_chunks()):
            assert dataset.id.get_chunk_info(index).filter_mask == 0, f"{name}: chunk {index} is stored raw"
        return dataset.id.get_storage_size(), dataset.size * dataset.dtype.itemsize


def cd_values(path, name):
    with h5py.File(path) as file:
        plist = file[name].id.get_create_plist()
        entries = [plist.get_filter(i) for i in range(plist.get_nfilters())]
        return next(values for id, _, values, _ in entries if id == FILTER)


def write(path, data, cd_values, chunks=None, name="v", flag=h5py.h5z.FLAG_OPTIONAL, **options):
    """Writes one filtered data set with h5py, mandatory or optional."""
    with h5py.File(path, "a") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(chunks or data.shape)
        plist.set_obj_track_times(False)
        plist.set_filter(FILTER, flag, cd_values)
        if "fillvalue" in options:
            plist.set_fill_value(np.asarray(options["fillvalue"], data.dtype))
        space = h5py.h5s.create_simple(data.shape)
        kind = h5py.h5t.py_create(data.dtype, logical=True)
        h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, plist))[...] = data


def read(path, name="v"):
    with h5py.File(path) as file:
        return file[name][...]
