"""What predictor networks are worth on fields that they never saw, in the integers of the decoder.

    python -m caesar_models.evaluate_predictor MODEL_FOLDER|CHECKPOINT.pt SAMPLES

SAMPLES is a folder of `predictor_samples --most 1000000000` of held-out fields. Bits of the linear predictions alone (their codes
in histograms by the magnitudes of codes nearby) over bits with the networks, so that more is better: with the logistic
distribution of each class as it is, and with a histogram of each class that pays for what it learns.
"""

import argparse
import math
import pathlib
import tomllib

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from . import predictor
from .export_predictor import whole
from .integer import Layer
from .predictor_samples import LARGEST, Folder
from .predictor_network import load, mass, tensors


def of_folder(folder):
    """{graph: `predictor.Network`} of a model folder."""
    tables = tomllib.loads((folder / "model.toml").read_text())["tables"]
    networks = {}
    for graph in predictor.GRAPHS:
        constants = {t.name: numpy_helper.to_array(t) for t in onnx.load(folder / f"{graph}.onnx").graph.initializer}
        layers, bits, zero = [], predictor.INPUT_BITS, 128
        count = sum(name.endswith("_weight") for name in constants)
        for i in range(count):
            exponents = -np.log2(constants[f"conv{i}_weight_scale"]).astype(np.int64)
            output = predictor.HIDDEN_BITS if i < count - 1 else None
            layers.append(Layer(constants[f"conv{i}_weight"], constants[f"conv{i}_bias"], exponents, bits, zero, 1, output, 0, False))
            bits, zero = output, 0
        filters = np.array(tables[f"filters-{graph}"], np.int16).reshape(predictor.FILTERS, -1)
        networks[graph] = predictor.Network(layers, filters)
    return networks


def whole_codes(network, samples):
    """(codes, classes) as a decoder computes them."""
    x = predictor.Inputs(samples["u"], samples["e"], *(samples[k].astype(np.int32) for k in ("b", "shift", "width")))
    correction, classes = network.run(x)
    rest = (samples["target"] - correction) / samples["width"].astype(np.float64)
    return np.rint(rest).astype(np.int64), classes


def float_codes(network, samples):
    """(codes, classes) without any rounding of weights and activations."""
    with torch.no_grad():
        batch = tensors(samples)
        correction, log_scale = network(batch, (list(range(predictor.DETAILS)), 1), False)
    classes = torch.round(4 / math.log(2) * log_scale + predictor.ONE_BIN).clamp(0, predictor.CLASSES - 1)
    return torch.round(batch["target"] - correction).long().numpy(), classes.long().numpy()


def logistic_bits(codes, classes):
    scale = torch.exp2(torch.from_numpy((classes - predictor.ONE_BIN) / 4.0))
    codes = torch.from_numpy(codes.astype(np.float64))
    return -torch.log2(mass(codes - 0.5, codes + 0.5, scale) + 2.0**-22).numpy()


def histogram_bits(codes, classes, weight):
    """Entropy by class, and some bits for each entry that occurs."""
    size = 2 * LARGEST + 1
    cell = classes * size + np.clip(codes, -LARGEST, LARGEST) + LARGEST
    counts = np.bincount(cell, weight, predictor.CLASSES * size).reshape(-1, size)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    learned = np.maximum((counts > 0).sum(1) - 1, 0).sum() * 4
    return -(counts * np.log2(np.maximum(share, 1e-12))).sum() + learned


def evaluate(networks, folder, codes_of):
    """{field: (bits of the linear predictions, logistic bits, histogram bits)}"""
    found = {}
    for graph, fields in folder.index.items():
        for field in fields:
            samples = np.array(folder.samples[graph][field["at"]:field["at"] + field["count"]])
            codes, classes = codes_of(networks[graph], samples)
            weight = samples["weight"].astype(np.float64)
            parts = found.setdefault(field["field"], [])
            parts.append((weight @ samples["bits"], weight @ logistic_bits(codes, classes), codes, classes, weight))
    result = {}
    for name, parts in found.items():
        bits, logistic, *rest = zip(*parts)
        result[name] = sum(bits), sum(logistic), histogram_bits(*(np.concatenate(r) for r in rest))
    return result


def report(result):
    bounds = {}
    for name, (bits, logistic, histogram) in result.items():
        print(f"{name:60} {bits / 8:10.0f} bytes  logistic {bits / logistic:.3f}  histogram {bits / histogram:.3f}")
        bounds.setdefault(name.split("@")[1], []).append((bits / logistic, bits / histogram))
    for bound, gains in bounds.items():
        logistic, histogram = np.exp(np.log(gains).mean(0))
        print(f"{bound}: mean gain logistic {logistic:.4f}  histogram {histogram:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("samples")
    parser.add_argument("--float", action="store_true", help="of a checkpoint: without rounding")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.model.is_dir():
        networks, codes_of = of_folder(args.model), whole_codes
    else:
        networks, _ = load(args.model)
        codes_of = float_codes
        if not args.float:
            networks, codes_of = {g: whole(n) for g, n in networks.items()}, whole_codes
    report(evaluate(networks, Folder(args.samples), codes_of))


if __name__ == "__main__":
    main()
