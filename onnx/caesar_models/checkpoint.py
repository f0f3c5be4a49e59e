"""A trained role, as training left it or as a model folder holds it."""

import pathlib
import tomllib

import onnx
import torch
from onnx import numpy_helper

from . import networks

GRAPHS = ("decoder", "hyper_encoder", "hyper_decoder")


def weights(path):
    """Weights and biases of an exported stack, by the names that `networks.Stack` gives them."""
    constants = {t.name: torch.tensor(numpy_helper.to_array(t)) for t in onnx.load(path).graph.initializer}
    found = {}
    for i in range(sum(name.endswith("_weight") for name in constants)):
        for part, shape in ("weight", (-1, 1, 1, 1)), ("bias", (-1,)):
            name = f"conv{i}_{part}"
            found[f"convs.{i}.{part}"] = constants[name] * constants[f"{name}_scale"].view(shape)
    return found


def read(path):
    """A checkpoint's state; of a model folder, what its integers stand for."""
    path = pathlib.Path(path)
    if not path.is_dir():
        return torch.load(path)
    model = tomllib.loads((path / "model.toml").read_text())
    state = {name: weights(path / model["graphs"][name]["file"]) for name in GRAPHS}
    *hidden, last = (w.shape for name, w in state["decoder"].items() if name.endswith("weight"))
    layers = " ".join([*(f"{kernel}x{width}" for width, _, kernel, _ in hidden), str(last[2])])
    tables = {name: model["tables"][name][0] for name in ("frames", "decoder_beside")}
    return state | {
        "frames": tables["frames"], "beside": tables["decoder_beside"], "layers": layers,
        "seed": model["seed"], "steps": 0, "minutes": 0.0, "after": model["id"],
    }


class Checkpoint:
    def __init__(self, path):
        state = read(path)
        self.frames = state["frames"]
        self.facts = {k: state[k] for k in ("seed", "steps", "minutes", "layers", "beside", "after")}
        self.stacks = {}
        for name in GRAPHS:
            how = (self.facts["layers"], self.facts["beside"]) if name == "decoder" else (self.frames,)
            stack = getattr(networks, name)(*how)
            stack.load_state_dict(state[name])
            self.stacks[name] = stack.exact().eval()
