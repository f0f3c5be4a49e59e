"""The predictor networks of `srn-sz`, in the integers of every decoder (docs/method-srn-sz.md), written out in numpy.

A *record* is what surrounds one target: 64 int32 (`Columns`), values in lattice units. Records of a field are written by

    cargo run --release -p caesar-codec --example srn_samples -- LIST RECORDS
"""

from dataclasses import dataclass

import numpy as np

from .integer import Layer

OWN, MEAN, DIFFERENCE = 28, 13, 5
DETAILS = OWN + MEAN + DIFFERENCE
PHASES = ("centre", "right", "below")
REFERENCES = ("alone", "referred")
LEVELS = ("fine", "coarse")
GRAPHS = tuple(f"{p}-{r}-{l}" for p in PHASES for r in REFERENCES for l in LEVELS)

INPUT_BITS, HIDDEN_BITS, WEIGHT_BITS, TAP_BITS = 4, 5, 6, 12
SCALE_BITS = HIDDEN_BITS + WEIGHT_BITS
FILTERS = 8
OUTPUTS = FILTERS + 2
CLASSES = 68
ONE_BIN = 24


class Columns:
    """Of a record."""

    DETAILS = slice(0, DETAILS)
    OWN = slice(0, OWN)
    MISFIT, WIDTH, LEVEL, PHASE, REFERENCES = 46, 47, 48, 49, 50
    CLUES = slice(51, 55)
    # The linear prediction's code, and value - prediction.
    CODE, TARGET = 61, 62


def own_offsets(phase):
    """[(down, right)] of the own neighbours from the target, in steps of the coarse grid; of `below` mirrored at the diagonal."""
    if phase == 0:
        near = [(0, 0), (0, 1), (1, 0), (1, 1)]
        ring = [(-1, -1), (-1, 0), (-1, 1), (-1, 2), (0, -1), (0, 2), (1, -1), (1, 2), (2, -1), (2, 0), (2, 1), (2, 2)]
        far = [(0, -2), (0, 3), (1, -2), (1, 3), (-2, 0), (-2, 1), (3, 0), (3, 1)]
        return [(a - 0.5, b - 0.5) for a, b in near + ring + far]
    coarse, centre = lambda a, b: (a, b - 0.5), lambda a, b: (a + 0.5, b)
    offsets = [coarse(0, 0), coarse(0, 1), centre(-1, 0), centre(0, 0)]
    offsets += [coarse(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1, 2) if (a, b) not in ((0, 0), (0, 1))]
    offsets += [centre(a, b) for a in (-2, -1, 0, 1) for b in (-1, 0, 1) if (a, b) not in ((-1, 0), (0, 0))]
    if phase == 2:
        offsets += [(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)]
    return offsets


MEAN_OFFSETS = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (2, 0), (-2, 0), (0, 2), (0, -2)]
DIFFERENCE_OFFSETS = MEAN_OFFSETS[:5]


def ilog2(x):
    """floor(log2(x)) for x >= 1."""
    return np.frexp(np.asarray(x, np.float64))[1] - 1


def log8(x):
    """8 log2(x), linear between powers of two."""
    x = np.asarray(x, np.int64)
    e = ilog2(x)
    return (8 * e + ((x << 3 >> e) & 7)).astype(np.int32)


@dataclass
class Inputs:
    """What the networks see of n records."""

    u: np.ndarray  # u8 [n, 60]
    e: np.ndarray  # i16 [n, 46]: details in units of 2^shift
    b: np.ndarray  # log2 of the local scale in units of 2^shift
    shift: np.ndarray
    width: np.ndarray


def inputs(records):
    """`Inputs` of records [n, 64]."""
    r = np.ascontiguousarray(records, np.int32)
    w = r[:, Columns.WIDTH].astype(np.int64)
    own = np.bitwise_or.reduce(np.abs(r[:, Columns.OWN]).view(np.uint32), axis=1)
    length = np.where(own == 0, 0, ilog2(np.maximum(own, 1)) + 1)
    shift = np.maximum(length - 14, 0).astype(np.int32)

    def normal(x):
        s = shift if x.ndim == 1 else shift[:, None]
        return np.clip((x + (1 << s >> 1)) >> s, -(1 << 14), 1 << 14)

    e, q = normal(r[:, Columns.DETAILS]), normal(r[:, Columns.MISFIT])
    gain = np.where(r[:, Columns.PHASE] == 3, 11, 13)

    def share(part):
        return part * w >> 8 >> shift

    s = (np.abs(e[:, :OWN]).sum(1) * gain >> 8) + share(15) + 1
    b = ilog2(s).astype(np.int32)
    z = np.clip(((e << 5 >> b[:, None]) + 1) >> 1, -128, 127)

    def level_of(x):
        return log8(x) + 8 * shift - log8(w)

    def log(x):
        return level_of(np.abs(x) + share(8) + 1)

    zero = np.zeros_like(b)
    mean, difference = e[:, OWN:OWN + MEAN], e[:, OWN + MEAN:]
    referred, two = r[:, Columns.REFERENCES] > 0, r[:, Columns.REFERENCES] > 1
    clues = log8(16 * np.minimum(r[:, Columns.CLUES], 16383) + 1) - 32
    scalars = [
        level_of(s), level_of(np.abs(e[:, :4].sum(1)) + share(31) + 1),
        10 * np.minimum(r[:, Columns.LEVEL], 12), (log8(w) - 64) >> 1, *clues.T,
    ]
    of_references = [
        np.where(referred, x, 0) for x in (log(mean[:, 0]), log(np.abs(mean[:, 1:]).sum(1) * 21 >> 8), log(q))
    ] + [np.where(two, 16, zero), np.where(two, log(difference[:, 0]), 0)]
    u = np.concatenate([
        z[:, :OWN], np.clip(np.stack(scalars, 1), -128, 127), z[:, OWN:],
        np.clip(np.stack(of_references, 1), -128, 127), zero[:, None],
    ], 1)
    return Inputs((u + 128).astype(np.uint8), e.astype(np.int16), b, shift, w.astype(np.int32))


def input_count(graph):
    """Of a network: those alone see the own neighbours and what is known of them."""
    return OWN + 8 if "alone" in graph else 60


def detail_count(graph):
    return OWN if "alone" in graph else DETAILS


def turns(graph):
    """Orders of the 46 details under the mirror images that map the neighbourhood to itself: image[i] = details[order[i]]."""
    phase = PHASES.index(graph.split("-")[0])
    own = own_offsets(phase)
    own += [None] * (OWN - len(own))
    flips = [(down, right) for down in (1, -1) for right in (1, -1)]

    def order(offsets, start, image):
        return [start + (i if o is None else offsets.index(image(o))) for i, o in enumerate(offsets)]

    images = [lambda o, d=d, r=r: (d * o[0], r * o[1]) for d, r in flips]
    if phase == 0:
        images += [lambda o, d=d, r=r: (d * o[1], r * o[0]) for d, r in flips]
    parts = ((own, 0), (MEAN_OFFSETS, OWN), (DIFFERENCE_OFFSETS, OWN + MEAN))
    return [sum((order(o, start, image) for o, start in parts), []) for image in images]


def turned_inputs(graph, order):
    """The order of a network's inputs that belongs to an order of the details."""
    own, rest = order[:OWN], order[OWN:]
    columns = own + list(range(OWN, OWN + 8))
    return columns if "alone" in graph else columns + [i + 8 for i in rest] + list(range(OWN + 8 + len(rest), 60))


@dataclass
class Network:
    layers: list[Layer]
    filters: np.ndarray  # i16 [8, 28 or 46]

    def run(self, x):
        """(correction in lattice units, class) for `Inputs`."""
        codes = np.ascontiguousarray(x.u[:, :self.layers[0].weight.shape[1]])
        for layer in self.layers:
            codes = dense(layer, codes)
        y = codes
        gates, centre, scale = np.clip(y[:, :FILTERS], -8191, 8191), np.clip(y[:, -2], -16384, 16384), np.clip(y[:, -1], -65536, 65536)
        sums = x.e[:, :self.filters.shape[1]].astype(np.float64) @ self.filters.T.astype(np.float64)
        filtered = np.clip(sums.astype(np.int64) >> TAP_BITS, -16384, 16384)
        sums = (gates.astype(np.int64) * filtered).sum(1) + (centre.astype(np.int64) << x.b) + 1024
        correction = (wrapped(sums) >> SCALE_BITS) << x.shift
        level = scale + ((x.b + x.shift) << SCALE_BITS) - (log8(x.width) << 8)
        return correction, np.clip((level * 4 + 1024 >> SCALE_BITS) + ONE_BIN, 0, CLASSES - 1)


def wrapped(x):
    return x.astype(np.int32)


def dense(layer, x):
    """A `Layer` with a 1x1 kernel on [n, inputs]. No sum reaches 2^24, so float32 is exact."""
    weight = layer.weight[:, :, 0, 0].astype(np.float32)
    sums = (x.astype(np.float32) - layer.input_zero) @ weight.T + layer.bias.astype(np.float32)
    if layer.output_bits is None:
        return sums.astype(np.int32)
    shift = layer.input_bits + layer.exponents - layer.output_bits
    return np.clip(np.rint(sums * np.exp2(-shift).astype(np.float32)) + layer.output_zero, 0, 255).astype(np.uint8)
