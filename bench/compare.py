#!/usr/bin/env python3
"""Ratio, error and speed of H5Z-CAESAR beside SZ3, SPERR and zfp, on the same fields, under the same pointwise bound, in one run.

usage: compare.py FILE.h5:/data/set ... [--eps 1e-2,1e-3,1e-4,1e-5] [--nrmse] [--method 5] [--effort 0] [--only ours,SZ3] [--csv OUT]

Needs h5py, hdf5plugin and the plugin (`cargo xtask build`). Each field goes through h5py as one chunk, so what is measured is what
an HDF5 user gets. Fields of four dimensions are read as their first 3-D block. NaN, `_FillValue` and what is above 1e35 are fills: the bound is eps
times the range of the others, errors are taken over the others, and what is compressed has the mean in their place (peers do not survive fills;
--fills keeps them, for ours). With --nrmse eps is the root mean square error over the range instead, and taken over all values: ours is given it as its
target, a peer the widest pointwise bound that keeps it. SZ3 is also given a stack as one tall plane and its smaller file counts; each time is the best of --repeat.
"""

import argparse
import math
import os
import statistics
import struct
import tempfile
import time
from collections import defaultdict

import h5py
import hdf5plugin
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def load(spec, keep_fills):
    path, name = spec.rsplit(":", 1)
    with h5py.File(path) as file:
        data, fill = file[name][...], file[name].attrs.get("_FillValue", np.nan)
    while data.ndim > 3:
        data = data[0]
    data = np.ascontiguousarray(data.squeeze(), data.dtype.newbyteorder("="))
    ordinary = (np.abs(data) < 1e35) & (data != np.ravel(fill)[0])
    if not keep_fills:
        data = np.where(ordinary, data, data[ordinary].mean(dtype="f8").astype(data.dtype))
    return name.strip("/"), data, ordinary


def through_hdf5(data, repeat, **filters):
    """Bytes, values, seconds to write, seconds to read."""
    write = read = math.inf
    for _ in range(repeat):
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
            start = time.perf_counter()
            with h5py.File(f"{folder}/a.h5", "w") as file:
                file.create_dataset("v", data=data, chunks=data.shape, **filters)
            middle = time.perf_counter()
            with h5py.File(f"{folder}/a.h5") as file:
                values, stored = file["v"][...], file["v"].id.get_storage_size()
            write, read = min(write, middle - start), min(read, time.perf_counter() - middle)
    return stored, values, write, read


def sz3(data, bound, repeat):
    stack = through_hdf5(data, repeat, **hdf5plugin.SZ3(absolute=bound))
    if data.ndim < 3:
        return stack
    stored, values, write, read = through_hdf5(data.reshape(-1, data.shape[2]), repeat, **hdf5plugin.SZ3(absolute=bound))
    return min(stack, (stored, values.reshape(data.shape), write, read), key=lambda result: result[0])


def within_mean(peer):
    """A peer at the widest pointwise bound whose root mean square error keeps the target, found to 1 %."""

    def run(data, target, repeat):
        low, high, best = math.log(target / 2), math.log(target * 64), None
        while high - low > 0.01:
            middle = (low + high) / 2
            result = peer(data, math.exp(middle), 1)
            if math.sqrt(((data.astype("f8") - result[1]) ** 2).mean()) <= target:
                low, best = middle, result if best is None else min(best, result, key=lambda r: r[0])
            else:
                high = middle
        return best

    return run


def contestants(options):
    def ours(data, bound, repeat):
        words = (4 if options.nrmse else 1, *struct.unpack("<2I", struct.pack("<d", bound)), options.method, options.effort)
        return through_hdf5(data, repeat, compression=40044, compression_opts=words, allow_unknown_filter=True)

    everybody = {
        "ours": ours,
        "SZ3": sz3,
        "SPERR": lambda data, bound, repeat: through_hdf5(data, repeat, **hdf5plugin.Sperr(absolute=bound)),
        "zfp": lambda data, bound, repeat: through_hdf5(data, repeat, **hdf5plugin.Zfp(accuracy=bound)),
    }
    if options.nrmse:
        everybody = {name: run if name == "ours" else within_mean(run) for name, run in everybody.items()}
    only = options.only.split(",") if options.only else everybody
    return {name: everybody[name] for name in only}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", nargs="+")
    parser.add_argument("--eps", default="1e-2,1e-3,1e-4,1e-5")
    parser.add_argument("--nrmse", action="store_true")
    parser.add_argument("--method", type=int, default=0)
    parser.add_argument("--effort", type=int, default=0)
    parser.add_argument("--only")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--fills", action="store_true")
    parser.add_argument("--plugin", default=f"{ROOT}/target/release/plugin")
    parser.add_argument("--csv")
    options = parser.parse_args()
    h5py.h5pl.prepend(os.path.abspath(options.plugin).encode())

    rows = []
    for spec in options.fields:
        name, data, ordinary = load(spec, options.fills)
        counted = slice(None) if options.nrmse else ordinary
        span = float(data[ordinary].max()) - float(data[ordinary].min())
        for eps in map(float, options.eps.split(",")):
            for who, run in contestants(options).items():
                try:
                    stored, values, write, read = run(data, eps if options.nrmse and who == "ours" else eps * span, options.repeat)
                except Exception as error:
                    print(f"{name:36s} {eps:.0e} {who:6s} failed: {str(error)[:80]}", flush=True)
                    continue
                error = np.abs(data[counted].astype("f8") - values[counted].astype("f8"))
                rows.append((name, data.size, eps, who, data.nbytes / stored, error.max() / (eps * span), math.sqrt((error**2).mean()) / span,
                             data.nbytes / write / 1e6, data.nbytes / read / 1e6))
                print("%-36s %9d %.0e %-6s ratio %9.2f  error/bound %.6f  nrmse %.2e  write %6.1f  read %6.1f MB/s" % rows[-1], flush=True)

    for eps in sorted({row[2] for row in rows}, reverse=True):
        fields = defaultdict(dict)
        for row in rows:
            if row[2] == eps:
                fields[row[0]][row[3]] = row
        for who in dict.fromkeys(row[3] for row in rows):
            pairs = [(of[who], of["SZ3"]) for of in fields.values() if who in of and "SZ3" in of]
            if not pairs:
                continue
            against = {i: [a[i] / b[i] for a, b in pairs] for i in (4, 7, 8)}
            print(f"eps {eps:.0e} {who:6s} of SZ3's: ratio mean {statistics.geometric_mean(against[4]):.3f} worst {min(against[4]):.3f}; "
                  f"write speed {statistics.geometric_mean(against[7]):.2f}, read speed {statistics.geometric_mean(against[8]):.2f}; "
                  f"largest error/bound {max(a[5] for a, _ in pairs):.6f}")
    if options.csv:
        with open(options.csv, "w") as out:
            out.write("field,points,eps,who,ratio,error_over_bound,nrmse,write_MB_s,read_MB_s\n")
            out.writelines(",".join(map(str, row)) + "\n" for row in rows)


if __name__ == "__main__":
    main()
