"""A file written here, unpacked by a foreign machine's h5repack with that machine's plugin: the same bytes. And packed there again, read here.

usage: foreign.py PLUGIN_FOLDER COMMAND...      the command is the foreign h5repack, its emulator in front (`cargo xtask foreign`)
"""

import sys
import tempfile
from pathlib import Path

# First of all, for HDF5 is to find the plugin.
from conftest import METHODS, applied, assert_within, double_words, h5py, np, read, run, smooth, user_defined, words, write

FILL = 9.96921e36


def fields():
    """Names, values, cd_values: every method at every effort, both float types and byte orders, every mode."""
    field = smooth((9, 110, 130), "f8")
    field[2, 3:20, 5:60] = np.nan
    field[4, 70:, 90:] = FILL
    for method in [m for m in METHODS if m not in ("caesar-d", "ae-sz")]:
        for effort in range(3):
            for kind in ("<f4", ">f8"):
                yield f"{method}-{effort}-{kind[1:]}", field.astype(kind), words("abs", 1e-2, method, effort)
    for mode, bound in {"rel": 1e-4, "pw_rel": 1e-3, "nrmse": 1e-3, "psnr": 60, "patch_nrmse": 1e-3, "lossless": 0}.items():
        yield mode, field.astype("f4"), words(mode, bound)
    yield "integers", np.arange(40000, dtype=">i4").reshape(200, 200), words("abs", 1e-2)
    yield "plane", field[0].astype("f4"), words("abs", 1e-3, "caesar-v")


def main(plugin, *h5repack):
    there = {"HDF5_PLUGIN_PATH": plugin}
    with tempfile.TemporaryDirectory() as folder:
        here, unpacked, again = (Path(folder) / name for name in ("here.h5", "unpacked.h5", "again.h5"))
        original = {}
        for name, values, cd_values in fields():
            write(here, values, cd_values, name=name, fillvalue=FILL if values.dtype.kind == "f" else 0)
            applied(here, name)
            original[name] = values
        run(*h5repack, "-f", "NONE", here, unpacked, env=there)
        run(*h5repack, "-f", user_defined(double_words(1e-2)), unpacked, again, env=there)
        for name in original:
            with h5py.File(unpacked) as file:
                assert file[name].id.get_create_plist().get_nfilters() == 0, f"{name} is still packed"
            copy = read(unpacked, name)
            assert copy.tobytes() == read(here, name).tobytes(), f"{name}: other values there"
            applied(again, name)
            assert_within(copy, read(again, name), "abs", 1e-2)
    print(f"{len(original)} data sets: the same bytes there, and within the bound when packed there")


if __name__ == "__main__":
    main(*sys.argv[1:])
