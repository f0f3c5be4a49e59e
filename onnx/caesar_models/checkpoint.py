"""A trained role."""

import torch

from . import networks

GRAPHS = ("decoder", "hyper_encoder", "hyper_decoder")


class Checkpoint:
    def __init__(self, path):
        state = torch.load(path)
        self.frames = state["frames"]
        self.facts = {k: state[k] for k in ("seed", "steps", "minutes", "layers")}
        self.stacks = {}
        for name in GRAPHS:
            how = (self.facts["layers"],) if name == "decoder" else ()
            stack = getattr(networks, name)(self.frames, *how)
            stack.load_state_dict(state[name])
            self.stacks[name] = stack.exact()
