#!/usr/bin/env python3
"""Ratio, error and speed of H5Z-CAESAR beside SZ3, SPERR and zfp, on the same fields, under the same bound, in one run.

usage: compare.py FILE.h5:/data/set ... [--who auto,srn-sz:fast,SZ3] [--eps 1e-2,1e-3,1e-4,1e-5] [--nrmse] [--rounds 3] [--csv OUT]

Who takes part: a method of ours (auto, caesar-v, srn-sz, interpolation), with ":fast" or ":best" after it for that effort and "@FOLDER" for the plugin of
another build; SZ3, SPERR, zfp; and "none", no filter at all. Each is a process of its own; they take turns on each field and bound, --rounds times, and the
least time of each counts.

Needs h5py, hdf5plugin and the plugin (`cargo xtask build`). Each field goes through h5py as one chunk, so what is measured is what
an HDF5 user gets. Fields of four dimensions are read as their first 3-D block. NaN, `_FillValue` and what is above 1e35 are fills: the bound is eps
times the range of the others, errors are taken over the others, and what is compressed has the mean in their place (peers do not survive fills;
--fills keeps them, for ours). With --nrmse eps is the root mean square error over the range instead, and taken over all values: ours is given it as its
target, a peer the widest pointwise bound that keeps it, found to 1 %. SZ3 is also given a stack as one tall plane and its smaller file counts.
"""

import argparse
import functools
import math
import multiprocessing
import os
import statistics
import struct
import tempfile
import time

import h5py
import hdf5plugin
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
METHODS = {"auto": 0, "caesar-v": 1, "srn-sz": 4, "interpolation": 5}
EFFORTS = {"": 0, "fast": 1, "best": 2}
PEERS = ["SZ3", "SPERR", "zfp"]
COLUMNS = ["field", "points", "eps", "who", "ratio", "error_over_bound", "nrmse", "write_MB_s", "read_MB_s"]


@functools.lru_cache(maxsize=1)
def load(spec, keep_fills):
    """Values, and which of them are no fills."""
    path, name = spec.rsplit(":", 1)
    with h5py.File(path) as file:
        data, fill = file[name][...], file[name].attrs.get("_FillValue", np.nan)
    while data.ndim > 3:
        data = data[0]
    data = np.ascontiguousarray(data.squeeze(), data.dtype.newbyteorder("="))
    ordinary = (np.abs(data) < 1e35) & (data != np.ravel(fill)[0])
    if not keep_fills:
        data = np.where(ordinary, data, data[ordinary].mean(dtype="f8").astype(data.dtype))
    return data, ordinary


def through_hdf5(data, **filters):
    """Bytes, values, seconds to write, seconds to read."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        start = time.perf_counter()
        with h5py.File(f"{folder}/a.h5", "w") as file:
            file.create_dataset("v", data=data, chunks=data.shape, **filters)
        middle = time.perf_counter()
        with h5py.File(f"{folder}/a.h5") as file:
            values, stored = file["v"][...], file["v"].id.get_storage_size()
        return stored, values, middle - start, time.perf_counter() - middle


def ours(who, data, bound, is_nrmse):
    method, _, effort = who.partition(":")
    words = (4 if is_nrmse else 1, *struct.unpack("<2I", struct.pack("<d", bound)), METHODS[method], EFFORTS[effort])
    return through_hdf5(data, compression=40044, compression_opts=words, allow_unknown_filter=True)


def peer(who, data, bound):
    if who == "none":
        return through_hdf5(data)
    if who != "SZ3":
        return through_hdf5(data, **(hdf5plugin.Sperr(absolute=bound) if who == "SPERR" else hdf5plugin.Zfp(accuracy=bound)))
    stack = through_hdf5(data, **hdf5plugin.SZ3(absolute=bound))
    if data.ndim < 3:
        return stack
    stored, values, *seconds = through_hdf5(data.reshape(-1, data.shape[2]), **hdf5plugin.SZ3(absolute=bound))
    return min(stack, (stored, values.reshape(data.shape), *seconds), key=lambda result: result[0])


def rms(data, values):
    return math.sqrt(((data.astype("f8") - values) ** 2).mean())


@functools.lru_cache(maxsize=None)
def widest(who, spec, target):
    """The pointwise bound under which a peer's file is smallest and keeps the root mean square error."""
    data, _ = load(spec, False)
    low, high, kept = math.log(target / 2), math.log(target * 64), {}
    while high - low > 0.01:
        middle = (low + high) / 2
        stored, values, *_ = peer(who, data, math.exp(middle))
        if rms(data, values) <= target:
            low, kept[stored] = middle, math.exp(middle)
        else:
            high = middle
    return kept[min(kept)]


def contender(pipe, who, options):
    """Does what it is asked, until nothing comes: a field and eps, for a row and the seconds that writing and reading took."""
    name, _, folder = who.partition("@")
    h5py.h5pl.prepend(os.path.abspath(folder or f"{ROOT}/target/release/plugin").encode())
    while job := pipe.recv():
        spec, eps = job
        try:
            data, ordinary = load(spec, options.fills)
            span = float(data[ordinary].max()) - float(data[ordinary].min())
            if name.partition(":")[0] in METHODS:
                stored, values, write, read = ours(name, data, eps if options.nrmse else eps * span, options.nrmse)
                if stored > 0.999 * data.nbytes:
                    raise ValueError("nothing was compressed: is the plugin there?")
            else:
                bound = widest(name, spec, eps * span) if options.nrmse and name != "none" else eps * span
                stored, values, write, read = peer(name, data, bound)
            counted = slice(None) if options.nrmse else ordinary
            data_counted, values = data[counted], values[counted]
            largest, mean = np.abs(data_counted.astype("f8") - values).max(), rms(data_counted, values)
            over_bound = (mean if options.nrmse else largest) / (eps * span)
            pipe.send(((data.size, data.nbytes, data.nbytes / stored, over_bound, mean / span), write, read))
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}"[:100])


class Contender:
    def __init__(self, who, options):
        self.who, self.options, self.pipe = who, options, None

    def ask(self, *job):
        """What came of it, or in words why nothing did. One that crashed (as SPERR does on large values) begins anew."""
        if not self.pipe:
            self.pipe, theirs = multiprocessing.Pipe()
            multiprocessing.Process(target=contender, args=(theirs, self.who, self.options), daemon=True).start()
            theirs.close()
        self.pipe.send(job)
        try:
            return self.pipe.recv()
        except EOFError:
            self.pipe = None
            return "crashed"

    def end(self):
        if self.pipe:
            self.pipe.send(None)


def measure(contenders, spec, eps, rounds):
    """Rows of a field, and of those that failed why."""
    best, failed = {}, {}
    for _ in range(rounds):
        for one in contenders:
            if one.who in failed:
                continue
            result = one.ask(spec, eps)
            if isinstance(result, str):
                failed[one.who] = result
            else:
                row, *seconds = result
                best[one.who] = (row, *map(min, seconds, best.get(one.who, (row, math.inf, math.inf))[1:]))
    name = spec.rsplit(":", 1)[1].strip("/")
    rows = [(name, points, eps, who, *figures, size / write / 1e6, size / read / 1e6)
            for who, ((points, size, *figures), write, read) in best.items() if who not in failed]
    return rows, [(name, eps, who, why) for who, why in failed.items()]


def summary(rows, who, eps):
    """Geometric means: how many times smaller than SZ3, and than the smallest of all peers, where these were able to; speeds over SZ3's."""
    fields = {}
    for row in rows:
        if row[2] == eps:
            fields.setdefault(row[0], {})[row[3]] = dict(zip(COLUMNS, row))
    said = []
    for peers in dict.fromkeys([("SZ3",), tuple(peer for peer in PEERS if any(peer in of for of in fields.values()))]):
        both = [(of[who], [of[peer] for peer in peers]) for of in fields.values() if {who, *peers} <= of.keys()]
        if not both or not peers:
            continue
        ratios = [own["ratio"] / max(peer["ratio"] for peer in others) for own, others in both]
        said.append(f"{statistics.geometric_mean(ratios):.3f} times smaller, at worst {min(ratios):.3f}, than {', '.join(peers)} ({len(both)} fields)")
        if peers == ("SZ3",):
            for way in ["write", "read"]:
                speeds = [own[f"{way}_MB_s"] / other[f"{way}_MB_s"] for own, (other,) in both]
                said.append(f"{way} {statistics.geometric_mean(speeds):.2f}")
    worst = max((of[who]["error_over_bound"] for of in fields.values() if who in of), default=math.nan)
    return f"eps {eps:.0e} {who:18s} {'; '.join(said)}; error/bound {worst:.7f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", nargs="+")
    parser.add_argument("--who", default="auto,SZ3,SPERR,zfp")
    parser.add_argument("--eps", default="1e-2,1e-3,1e-4,1e-5")
    parser.add_argument("--nrmse", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--fills", action="store_true")
    parser.add_argument("--csv")
    options = parser.parse_args()
    for who in options.who.split(","):
        method, _, effort = who.partition("@")[0].partition(":")
        if not (method in METHODS and effort in EFFORTS) and who not in [*PEERS, "none"]:
            parser.error(f"who is {who!r}? One of {', '.join([*METHODS, *PEERS, 'none'])}, ours with :fast, :best, @FOLDER")

    multiprocessing.set_start_method("spawn")
    contenders = [Contender(who, options) for who in options.who.split(",")]
    bounds, rows = [float(eps) for eps in options.eps.split(",")], []
    for spec in options.fields:
        for eps in bounds:
            measured, failed = measure(contenders, spec, eps, options.rounds)
            rows += measured
            for row in measured:
                print("%-36s %9d %.0e %-18s ratio %9.2f  error/bound %.6f  nrmse %.2e  write %6.1f  read %6.1f MB/s" % row, flush=True)
            for row in failed:
                print("%-36s %.0e %-18s failed: %s" % row, flush=True)
    for eps in bounds:
        for one in contenders:
            print(summary(rows, one.who, eps))
    for one in contenders:
        one.end()
    if options.csv:
        with open(options.csv, "w") as out:
            out.write(",".join(COLUMNS) + "\n")
            out.writelines(",".join(map(str, row)) + "\n" for row in rows)


if __name__ == "__main__":
    main()
