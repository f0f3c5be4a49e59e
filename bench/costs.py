#!/usr/bin/env python3
"""What masks, threads, a first chunk and memory cost, and whether every value keeps every bound: the other figures of docs/evaluation.md.

usage: costs.py masks|threads|first|memory|bounds FILE.h5:/data/set ...

Needs h5py, numpy and the plugin (`cargo xtask build`), or CAESAR_PLUGIN naming its directory.
"""

import itertools
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = "/dev/shm" if os.path.isdir("/dev/shm") else None
h5py.h5pl.prepend(os.path.abspath(os.environ.get("CAESAR_PLUGIN", f"{ROOT}/target/release/plugin")).encode())


def load(spec):
    """A data set, and which of its values are not fills."""
    path, name = spec.rsplit(":", 1)
    with h5py.File(path) as file:
        data, fill = file[name][...], file[name].attrs.get("_FillValue", np.nan)
    return data, (np.abs(data) < 1e35) & (data != np.ravel(fill)[0])


def pack(data, mode, bound, method=0, effort=0):
    """Bytes, values, seconds to write, seconds to read."""
    words = (mode, *struct.unpack("<2I", struct.pack("<d", bound)), method, effort)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        start = time.perf_counter()
        with h5py.File(f"{folder}/a.h5", "w") as file:
            file.create_dataset("v", data=data, chunks=data.shape, compression=40044, compression_opts=words)
        middle = time.perf_counter()
        with h5py.File(f"{folder}/a.h5") as file:
            values, stored = file["v"][...], file["v"].id.get_storage_size()
        return stored, values, middle - start, time.perf_counter() - middle


def span(data, ordinary):
    return float(data[ordinary].max()) - float(data[ordinary].min())


def masks(spec):
    """Bits per remaining point with a third of the plane made land, over those of the whole field."""
    data, ordinary = load(spec)
    while data.ndim > 3:
        data, ordinary = data[0], ordinary[0]
    rows, columns = data.shape[-2:]
    noise = np.fft.rfft2(np.random.default_rng(1).standard_normal((rows, columns)))
    squares = (np.fft.fftfreq(rows)[:, None] * rows) ** 2 + (np.fft.rfftfreq(columns)[None] * columns) ** 2
    relief = np.fft.irfft2(noise / (1 + squares / 9) ** 1.2, s=(rows, columns))
    land = relief > np.quantile(relief, 0.65)
    ocean = data.copy()
    ocean[..., land] = np.nan
    for eps in (1e-2, 1e-3, 1e-4):
        whole, part = (pack(x, 1, eps * span(data, ordinary), 5)[0] for x in (data, ocean))
        print(f"{spec} {eps:.0e} masked / whole {part / (~land).mean() / whole:.2f}")


def threads(spec):
    data, ordinary = load(spec)
    for method, effort in ((4, 0), (4, 1), (5, 0)):
        for count in ("1", "2"):
            os.environ["CAESAR_NUM_THREADS"] = count
            runs = [pack(data, 1, 1e-3 * span(data, ordinary), method, effort)[2:] for _ in range(5)]
            print(f"{spec} method {method} effort {effort} threads {count}: write {min(r[0] for r in runs):.3f} s, read {min(r[1] for r in runs):.3f} s")


def first(spec):
    """A fresh process for each method: loading the plugin and writing one chunk of 8 x 256 x 256."""
    data, ordinary = load(spec)
    for method in (0, 1):
        if len(sys.argv) > 3:
            method = int(sys.argv[3])
            print(f"{spec} method {method}: first chunk {1e3 * pack(np.ascontiguousarray(data[:8, :256, :256]), 1, 1e-3 * span(data, ordinary), method)[2]:.0f} ms")
            return
        subprocess.run([sys.executable, __file__, "first", spec, str(method)], check=True)


def memory(spec):
    """Growth of the largest resident size while one chunk is written and read."""
    data, ordinary = load(spec)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pack(data, 1, 1e-3 * span(data, ordinary))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(f"{spec} chunk {data.nbytes / 1e6:.1f} MB, peak grew by {grown / 1e6:.1f} MB, {grown / data.nbytes:.1f} times the chunk")


def bounds(spec):
    data, ordinary = load(spec)
    worst = 0.0
    bounds = [(1, 10.0**-n * span(data, ordinary)) for n in range(1, 8)] + [(3, 1e-3), (0, 0.0)]
    for method, (mode, bound) in itertools.product((4, 5), bounds):
        values = pack(data, mode, bound, method)[1]
        if mode == 0:
            assert values.tobytes() == data.tobytes(), f"{spec}: lossless is not"
            continue
        same = (values == data) | (np.isnan(values) & np.isnan(data))
        assert same[~ordinary].all(), f"{spec}: a fill changed"
        original = data[ordinary].astype("f8")
        error, allowed = np.abs(original - values[ordinary].astype("f8")), bound * (np.abs(original) if mode == 3 else 1.0)
        assert (error <= allowed).all(), f"{spec}: mode {mode}, bound {bound} broken"
        worst = max(worst, (error / bound).max() if mode == 1 else 0.0)
    print(f"{spec} every value within its bound; largest error/bound {worst:.8f}")


if __name__ == "__main__":
    tasks = {task.__name__: task for task in (masks, threads, first, memory, bounds)}
    if len(sys.argv) < 3 or sys.argv[1] not in tasks:
        sys.exit(__doc__)
    for spec in sys.argv[2:3] if sys.argv[1] == "first" else sys.argv[2:]:
        tasks[sys.argv[1]](spec)
