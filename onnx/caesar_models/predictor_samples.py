"""Samples to train and evaluate predictor networks on: records of many fields, turned to inputs and sorted by network.

    cargo run --release -p caesar-codec --example srn_samples -- LIST RECORDS
    python -m caesar_models.predictor_samples RECORDS ... FOLDER

RECORDS is a file of records (see `predictor`); RECORDS.index beside it has one line per field: name, number of records.
"""

import argparse
import json
import pathlib

import numpy as np

from . import predictor

# Codes beyond count as these.
LARGEST = 300
# Bins of palettes are narrower.
LEAST_WIDTH = 128
# Of every 6 rows of targets of the finest level one is recorded, of every 2 of the next, all others.
THINNING = np.array([6, 2, 1])

SAMPLE = np.dtype([
    ("u", "u1", 60), ("e", "<i2", predictor.DETAILS), ("b", "u1"), ("shift", "u1"), ("weight", "u1"),
    ("width", "<i4"), ("target", "<i4"), ("bits", "<f4"),
])


def graph_numbers(records):
    """Index into `predictor.GRAPHS` of each record."""
    phase = records[:, predictor.Columns.PHASE] - 1
    referred = records[:, predictor.Columns.REFERENCES] > 0
    coarse = records[:, predictor.Columns.LEVEL] > 0
    return phase * 4 + referred * 2 + coarse


def thinning(records):
    return THINNING[np.minimum(records[:, predictor.Columns.LEVEL], 2)]


def linear_bits(records, numbers):
    """Code lengths of the linear predictor's codes under histograms chosen by the magnitudes of codes nearby: the rate
    without any network."""
    nearby = predictor.ilog2(1 + records[:, predictor.Columns.CLUES].sum(1, dtype=np.int64))
    context = numbers * 16 + np.minimum(nearby, 15)
    size = 2 * LARGEST + 1
    cell = context * size + np.clip(records[:, predictor.Columns.CODE], -LARGEST, LARGEST) + LARGEST
    counts = np.bincount(cell, thinning(records), len(predictor.GRAPHS) * 16 * size)
    return np.log2(counts.reshape(-1, size).sum(1)[context] / counts[cell])


def samples(records, bits):
    x = predictor.inputs(records)
    out = np.zeros(len(records), SAMPLE)
    for name in ("u", "e", "b", "shift", "width"):
        out[name] = getattr(x, name)
    out["weight"], out["bits"] = thinning(records), bits
    out["target"] = records[:, predictor.Columns.TARGET]
    return out


def fields(path):
    """(name, records) of each field of a file of records; not of palettes, which the codec leaves to `interpolation`."""
    counts = [line.split()[:2] for line in open(f"{path}.index")]
    records = np.memmap(path, "<i4", "r").reshape(-1, 64)
    at = 0
    for name, count in counts:
        found = np.asarray(records[at:at + int(count)])
        at += int(count)
        if len(found) and found[0, predictor.Columns.WIDTH] >= LEAST_WIDTH:
            yield name, found


class Folder:
    """Samples by network; those of a field lie together, in random order."""

    def __init__(self, path):
        path = pathlib.Path(path)
        self.index = json.loads((path / "index.json").read_text())
        self.samples = {g: np.memmap(path / f"{g}.bin", SAMPLE, "r") for g in self.index}

    @staticmethod
    def write(path, sources, most, seed):
        random = np.random.default_rng(seed)
        path.mkdir(parents=True, exist_ok=True)
        index = {g: [] for g in predictor.GRAPHS}
        ends = dict.fromkeys(predictor.GRAPHS, 0)
        files = {g: open(path / f"{g}.bin", "wb") for g in predictor.GRAPHS}
        for name, records in (f for s in sources for f in fields(s)):
            numbers = graph_numbers(records)
            bits, weights = linear_bits(records, numbers), thinning(records)
            for i, graph in enumerate(predictor.GRAPHS):
                chosen = np.flatnonzero(numbers == i)
                if not len(chosen):
                    continue
                kept = random.permutation(chosen)[:most]
                samples(records[kept], bits[kept]).tofile(files[graph])
                index[graph].append({
                    "field": name, "at": ends[graph], "count": len(kept),
                    "bits": float(bits[chosen] @ weights[chosen]), "points": int(weights[chosen].sum()),
                })
                ends[graph] += len(kept)
        (path / "index.json").write_text(json.dumps({g: f for g, f in index.items() if f}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--most", type=int, default=12000, help="samples kept of a field and network")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    Folder.write(args.folder, args.records, args.most, args.seed)


if __name__ == "__main__":
    main()
