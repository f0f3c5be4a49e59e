"""A trained role: its networks and tables."""

import torch

from . import networks, transform

GRAPHS = ("decoder", "hyper_encoder", "hyper_decoder")


class Checkpoint:
    def __init__(self, path):
        state = torch.load(path)
        self.frames = state["frames"]
        self.facts = {k: state[k] for k in ("seed", "steps", "minutes", "measured")}
        self.shift = state["shift"]
        self.stacks = {}
        for name in GRAPHS:
            stack = getattr(networks, name)(self.frames)
            stack.load_state_dict(state[name])
            self.stacks[name] = stack.exact()

    def shift_table(self):
        """[block size, band, |q| = 1 or more] in 1/64 step, as the codec's `shift` table."""
        tables = [torch.round(self.shift[n] * 64).clamp(-32, 32) for n in transform.BLOCKS]
        return torch.cat([t.flatten() for t in tables]).int().tolist()
