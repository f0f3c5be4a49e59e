"""Writes a model folder of predictor networks (model.toml, twelve graphs, filters, known answers) from a checkpoint.

    python -m caesar_models.export_predictor CHECKPOINT.pt MODELS/ID --role srn-sz/balanced --measured TEXT
"""

import argparse
import pathlib

import numpy as np

from . import export, predictor
from .integer import Layer
from .predictor_network import load

# Points in a row, and a number that no register divides.
KNOWN_SHAPE = (1, 75)


def whole(network):
    """The integer `predictor.Network` of a trained one."""
    layers, bits, zero = [], predictor.INPUT_BITS, 128
    for dense in [*network.hidden, network.output]:
        exponents = dense.exponents().numpy().astype(np.int64)
        weight = dense.weight.detach().double().numpy() * np.exp2(exponents)[:, None]
        weight = np.clip(np.rint(weight), -64, 63).astype(np.int8)[:, :, None, None]
        bias = np.rint(dense.bias.detach().double().numpy() * np.exp2(exponents + bits)).astype(np.int32)
        output = predictor.HIDDEN_BITS
        if dense is network.output:
            output = None
            weight, bias, exponents = (np.insert(x, predictor.FILTERS, fill, 0) for x, fill in ((weight, 0), (bias, 0), (exponents, dense.exponent)))
        layers.append(Layer(weight, bias, exponents, bits, zero, 1, output, 0, False))
        bits, zero = output, 0
    filters = np.rint(network.filters().detach().double().numpy() * 2**predictor.TAP_BITS).astype(np.int64)
    assert np.abs(filters).sum(1).max() <= 2**16, "taps beyond what 32 bits sum"
    return predictor.Network(layers, filters.astype(np.int16))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("folder", type=pathlib.Path, help="its name is the model's id")
    parser.add_argument("--role", required=True, choices=["srn-sz/fast", "srn-sz/balanced", "srn-sz/best"])
    parser.add_argument("--measured", required=True, help="what the model was measured to do, and on what")
    args = parser.parse_args()
    networks, state = load(args.checkpoint)
    found = {graph: whole(network) for graph, network in networks.items()}
    after = "after those of an earlier model, " if state.get("start") else ""
    rounded = "all but the first fifth" if state.get("float_part", 0.2) else "all"
    sizes = {k: "-".join(map(str, state[k])) for k in predictor.LEVELS}
    facts = {
        "seed": state["seed"], "measured": args.measured,
        "training": f"{state['round']} steps of each network (hidden units {sizes['fine']} at the finest level, {sizes['coarse']} at all "
        f"others), {after}orthogonal steps and Adam, on samples of openly available observed and simulated fields; "
        f"{rounded} with rounded weights and activations",
    }
    tables = {f"filters-{graph}": network.filters.ravel().tolist() for graph, network in found.items()}
    export.write(args.folder, args.role, facts, {g: n.layers for g, n in found.items()}, tables, KNOWN_SHAPE)


if __name__ == "__main__":
    main()
