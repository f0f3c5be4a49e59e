"""Fields of an HDF5 file as tiles of lattice integers at several bounds, for `srn_samples`.

    python -m caesar_models.predictor_fields DATA.h5 FOLDER [--held-out] [--bounds 3e-2,1e-2,...]

Writes FOLDER/list.txt and for each field and bound NAME.i32 and, where values are missing, NAME.mask. Two variables of a data
set, at most 512 x 512 points a frame and 1.2 million in all, so that none drowns the others.
"""

import argparse
import pathlib

import h5py
import numpy as np

from .data import HELD_OUT

SIDE, POINTS = 512, 1_200_000
BOUNDS = "3e-2,1e-2,3e-3,1e-3,3e-4,1e-4,1e-5"
# Lattice steps of a bin, and a little of the bound left for rounding.
HALF_BIN = 128.5


def tile(item):
    """(values [frames, rows, columns], what is missing) of an HDF5 data set; None where there is nothing to code."""
    x = item[...]
    while x.ndim > 3:
        x = x[0]
    x = x.reshape((1,) * (3 - x.ndim) + x.shape)[:, :SIDE, :SIDE]
    x = x[:max(1, POINTS // (x.shape[1] * x.shape[2]))].astype(np.float64)
    missing = ~np.isfinite(x) | (np.abs(x) > 1e19)
    fill = item.attrs.get("_FillValue")
    if fill is not None:
        missing |= x == float(np.ravel(fill)[0])
    if missing.all() or np.ptp(x[~missing]) == 0:
        return None
    x[missing] = x[~missing].mean()
    return x, missing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--held-out", action="store_true", help="the data sets that nothing is trained on, instead of all others")
    parser.add_argument("--bounds", default=BOUNDS, help="of the range")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(args.data) as file, open(args.folder / "list.txt", "w") as index:
        for group in file:
            if (group in HELD_OUT) != args.held_out:
                continue
            variables = list(file[group])
            for variable in variables[::max(1, len(variables) // 2)][:2]:
                found = tile(file[group][variable])
                if found is None:
                    continue
                x, missing = found
                low, high = x.min(), x.max()
                for bound in args.bounds.split(","):
                    name = f"{group}.{variable}@{float(bound):g}"
                    step = float(bound) * (high - low) / HALF_BIN
                    np.rint((x - (low + high) / 2) / step).astype("<i4").tofile(args.folder / f"{name}.i32")
                    if missing.any():
                        missing.astype(np.uint8).tofile(args.folder / f"{name}.mask")
                    index.write(f"{name} {' '.join(map(str, x.shape))} 8 {int(missing.any())} 1\n")


if __name__ == "__main__":
    main()
