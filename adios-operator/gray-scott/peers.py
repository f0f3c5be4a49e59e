"""The compressed run beside SZ3, SPERR and zfp, which hdf5plugin applies to the same bricks at the same bound.

    peers.py PLAIN.bp COMPRESSED.bp BOUND [EVERY]

Takes every EVERY-th output (default 10). Sizes are those of the bricks alone; reading is the best of three.
"""

import sys
import tempfile
import time
from pathlib import Path

import adios2
import h5py
import hdf5plugin
import numpy as np

FIELDS = ["U", "V"]


def best(work, times=3):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def read(file, name, step, start, count):
    return file.read(name, start=start, count=count, step_selection=[step, 1]).reshape(count)


def main(plain_path, packed_path, bound, every=10):
    bound, every = float(bound), int(every)
    peers = {
        "SZ3": hdf5plugin.SZ3(absolute=bound),
        "SPERR": hdf5plugin.Sperr(absolute=bound),
        "zfp": hdf5plugin.Zfp(accuracy=bound),
    }
    totals = {name: np.zeros(3) for name in ["caesar", *peers]}
    raw = 0
    with adios2.FileReader(plain_path) as plain, adios2.FileReader(packed_path) as packed, tempfile.TemporaryDirectory() as folder:
        steps = range(every, plain.num_steps(), every)
        sizes = [packed.read("bytes", step_selection=[step, 1]).max() for step in range(packed.num_steps())]
        sizes.append(sum(entry.stat().st_size for entry in Path(packed_path).iterdir()))
        for step in steps:
            totals["caesar"][0] += sizes[step + 1] - sizes[step]
            for name in FIELDS:
                shape = plain.inquire_variable(name).shape(step)
                whole = read(plain, name, step, [0] * 3, shape)
                raw += whole.nbytes
                seconds, copy = best(lambda: read(packed, name, step, [0] * 3, shape))
                totals["caesar"] += [0, seconds, 0]
                totals["caesar"][2] = max(totals["caesar"][2], np.abs(copy - whole).max() / bound)
                blocks = packed.all_blocks_info(name)[step]
                for block in blocks:
                    start, count = ([int(n) for n in block[key].split(",")] for key in ("Start", "Count"))
                    brick = whole[tuple(slice(a, a + n) for a, n in zip(start, count))]
                    for peer, filters in peers.items():
                        path = Path(folder) / "brick.h5"
                        with h5py.File(path, "w") as file:
                            data = file.create_dataset("v", data=brick, chunks=brick.shape, **filters)
                            size = data.id.get_storage_size()

                        def decode():
                            with h5py.File(path) as file:
                                return file["v"][...]

                        seconds, copy = best(decode)
                        totals[peer] += [size, seconds, 0]
                        totals[peer][2] = max(totals[peer][2], np.abs(copy - brick).max() / bound)
    print(f"{len(steps)} outputs of {raw / len(steps) / 1e6:.1f} MB")
    print(f"{'':8} {'ratio':>8} {'read MB/s':>10} {'error/bound':>12}")
    for name, (size, seconds, error) in totals.items():
        print(f"{name:8} {raw / size:8.2f} {raw / seconds / 1e6:10.0f} {error:12.6f}")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
