"""Writes a model folder (model.toml, graphs, known answers) from a checkpoint.

    python -m caesar_models.export CHECKPOINT.pt MODELS/ID --measured TEXT [--role caesar-v-best]
"""

import argparse
import hashlib
import pathlib
import struct

import numpy as np

from . import integer, onnx_graph, profile
from .checkpoint import Checkpoint

LICENCE = "MIT OR Apache-2.0"
# Odd extents, so that nothing passes by assuming a multiple of a register's width.
KNOWN_SHAPE = (12, 20)


def known_answer(layers, seed, shape):
    """One u8 input and the output every engine must give for it, as bytes."""
    channels = layers[0].weight.shape[1]
    random = np.random.default_rng(seed)
    # A smooth part and noise: quiet and saturated units both occur.
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    wave = 60 * np.sin(rows / 3.0 + columns / 5.0 + np.arange(channels)[:, None, None] / 7.0)
    noise = random.integers(-70, 71, (channels, *shape))
    x = np.clip(128 + wave + noise, 0, 255).astype(np.uint8)[None]
    y = integer.run(layers, x).astype(np.int32)
    out = struct.pack("<I", 1) + struct.pack("<I4I", 4, *x.shape) + x.tobytes()
    return out + struct.pack("<I", 1) + struct.pack("<I4I", 4, *y.shape) + y.astype("<i4").tobytes()


def text(value):
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def numbers(values, width=110):
    lines, line = [], ""
    for value in map(str, values):
        if len(line) + len(value) + 2 > width:
            lines.append(line.rstrip())
            line = ""
        line += value + ", "
    lines.append(line.rstrip(", "))
    return "[" + (lines[0] if len(lines) == 1 else "\n    " + "\n    ".join(lines) + "\n") + "]"


def write(folder, role, facts, stacks, tables, shape=KNOWN_SHAPE):
    """A model folder of `stacks` (lists of layers by name); `facts` are what model.toml says of the model."""
    (folder / "known").mkdir(parents=True, exist_ok=True)
    graphs = []
    for name, layers in stacks.items():
        model = onnx_graph.build(layers, name)
        profile.check(model)
        data = model.SerializeToString()
        (folder / f"{name}.onnx").write_bytes(data)
        (folder / "known" / f"{name}.bin").write_bytes(known_answer(layers, facts["seed"], shape))
        linear = layers[-1].output_bits is None
        output = f'{{ kind = "i32", scale_bits = {integer.scale_bits(layers)} }}' if linear else '{ kind = "u8" }'
        graphs.append(
            f"[graphs.{name}]\nfile = {text(name + '.onnx')}\nsha256 = {text(hashlib.sha256(data).hexdigest())}\n"
            f"outputs = [{output}]\nknown = {text('known/' + name + '.bin')}\n"
        )
    (folder / "model.toml").write_text(
        f"id = {text(folder.name)}\nrole = {text(role)}\nversion = 1\nlicence = {text(LICENCE)}\n"
        f"training = {text(facts['training'])}\nseed = {facts['seed']}\nmeasured = {text(facts['measured'])}\n\n"
        + "\n".join(graphs) + "\n[tables]\n" + "".join(f"{k} = {numbers(v)}\n" for k, v in tables.items())
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("folder", type=pathlib.Path, help="its name is the model's id")
    parser.add_argument("--measured", required=True, help="what the model was measured to do, and on what")
    parser.add_argument("--role", default="caesar-v", help="what stands before the number of frames")
    args = parser.parse_args()
    checkpoint = Checkpoint(args.checkpoint)
    facts = checkpoint.facts
    facts["measured"] = args.measured
    facts["training"] = (
        f"decoder {facts['layers']}: {facts['steps']} steps in {facts['minutes']:.0f} minutes of wall time on a shared CPU core, Adam, "
        "random crops of openly available observed and simulated fields; then rounded by caesar_models.rounding"
        + (f"; started from {facts['after']}" if facts["after"] else "")
    )
    stacks = {name: integer.integer_layers(stack) for name, stack in checkpoint.stacks.items()}
    tables = {"frames": [checkpoint.frames], "decoder_beside": [facts["beside"]]}
    tables |= {f"{n}_scale_bits": [integer.scale_bits(l)] for n, l in stacks.items() if l[-1].output_bits is None}
    write(args.folder, f"{args.role}/{checkpoint.frames}", facts, stacks, tables)


if __name__ == "__main__":
    main()
