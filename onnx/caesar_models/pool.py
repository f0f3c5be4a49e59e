"""Examples for decoder networks, made once and seen many times."""

import os
import pathlib
import subprocess

import numpy as np
import torch

from . import transform
from .networks import DETAIL_BITS, PATCH
from .transform import detail

# Frames that blocks of the codec span, by the frames of the role; and points that they have at most.
LENGTHS = {8: (8, 16, 24, 32), 1: (1, 2, 3)}
LARGEST = 65536
# Errors are kept in i8, this many to a step.
ERROR_UNITS = 48
# log2(range / step): the rates that one network serves.
GAINS = 0.0, 7.0


def patches(x):
    """[B, T, H, W] as [B, H/4, W/4, T, 4, 4]: what becomes a network's channels lies last."""
    b, t, h, w = x.shape
    return x.view(b, t, h // PATCH, PATCH, w // PATCH, PATCH).permute(0, 2, 4, 1, 3, 5)


def blocks(length):
    """Sides of the blocks of so many frames."""
    return [n for n in transform.BLOCKS if length * n * n <= LARGEST]


class Codec:
    """The codec itself in a process of its own: what its transform and its choice of latents make of crops."""

    STEP_BITS, FRACTION_BITS = 15, 6
    PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path(__file__).parents[2] / "target")) / "release/examples/images"

    def __init__(self):
        self.process = subprocess.Popen([self.PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def images(self, x, n):
        """Decoded images of [B, T, H, W] in steps, blocks of n x n in the plane."""
        made = []
        for crop in np.rint(x.numpy() * 2.0**self.STEP_BITS).astype("<i4"):
            self.process.stdin.write(np.array([n, *crop.shape], "<u4").tobytes() + crop.tobytes())
            self.process.stdin.flush()
            made.append(np.frombuffer(self.process.stdout.read(crop.nbytes), "<i4").reshape(crop.shape))
        return torch.from_numpy(np.stack(made) / np.float32(2**self.FRACTION_BITS))


def examples(codec, x, gain, n, beside):
    """What a decoder network sees of each frame of crops, and of so many beside it, and what it should answer, as i8 patches."""
    x = x * torch.exp2(gain).view(-1, 1, 1, 1)
    u, last = codec.images(x, n), x.shape[1] - 1
    near = torch.arange(last + 1)[:, None] + torch.arange(-beside, beside + 1)
    seen = torch.round(detail(u) * 2**DETAIL_BITS)[:, near.clamp(0, last)].flatten(0, 1)
    x, u = (part.flatten(0, 1)[:, None] for part in (x, u))
    error = torch.round((x - u) * ERROR_UNITS).clamp(-127, 127)
    return patches(seen).to(torch.int8), patches(error).to(torch.int8)


def tensors(detail, error):
    """A network's input and target [B, T*16, H/4, W/4], channels last, of i8 patches."""
    def images(p, scale):
        b, h, w = p.shape[:3]
        return p.reshape(b, h, w, -1).to(torch.bfloat16).mul_(scale).permute(0, 3, 1, 2)

    return images(detail, 2.0**-DETAIL_BITS), images(error, 1 / ERROR_UNITS)


class Pool:
    """Random crops through transform and latents at random rates, in all block sizes.

    To make an example costs more than to learn from it, so `count` of them are kept, drawn in any of the symmetries of the
    block transform, and replaced one after the other.
    """

    def __init__(self, crops, codec, count, beside):
        self.crops, self.codec, self.random, self.beside = crops, codec, crops.random, beside
        side = crops.size // PATCH
        self.detail, self.error = (
            torch.empty(count, side, side, frames, PATCH, PATCH, dtype=torch.int8) for frames in (1 + 2 * beside, 1))
        self.made = 0
        while self.made < count:
            self.renew(8)

    def renew(self, count):
        """Makes `count` examples anew, or as many as one crop has frames."""
        length = int(self.random.choice(LENGTHS[self.crops.frames]))
        x = self.crops.batch(max(1, count // length), length)
        gain = torch.from_numpy(self.random.uniform(*GAINS, len(x))).float()
        made = examples(self.codec, x, gain, int(self.random.choice(blocks(length))), self.beside)
        places = torch.arange(self.made, self.made + len(made[0])) % len(self.detail)
        self.detail[places], self.error[places] = made
        self.made += len(places)

    def batch(self, count):
        places = torch.from_numpy(self.random.integers(len(self.detail), size=count))
        flips = [axes for axes in ((1, 4), (2, 5), (3,)) if self.random.random() < 0.5]
        order = (0, 1, 2, 3, 4, 5) if self.random.random() < 0.5 else (0, 2, 1, 3, 5, 4)
        sign = self.random.choice((-1, 1))
        turned = (part[places].flip(sum(flips, ())).permute(order) for part in (self.detail, self.error))
        return tuple(sign * part for part in tensors(*turned))
