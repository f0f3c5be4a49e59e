"""Trains the decoder network of one role: a super-resolution head on frames of the block transform's image."""

import math
import time

import torch

from . import transform
from .pool import LENGTHS, blocks, examples, tensors

# Frames of a step.
BATCH = 16
# Examples are seen this often before they are replaced.
VIEWS = 16
GAINS_SHOWN = 1, 2, 3, 4, 6


def errors(network, detail, error):
    """What a network's correction misses, and mean square errors in step^2 per item, without and with it."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        missed = network(detail) - error
    return missed, *(part.detach().float().square().mean((1, 2, 3)) for part in (error, missed))


def learn(network, detail, error):
    """Adds the gradients of the mean change of the error over the error before; returns that change."""
    missed, before, after = errors(network, detail, error)
    # The constant keeps nearly perfect crops, which a step cannot improve, from ruling the gradient.
    weight = 1 / (before + 0.01) / len(error)
    # By hand: a graph of squares and means in float32 would take as long as the network.
    missed.backward(missed.detach() * (2 / error[0].numel() * weight).view(-1, 1, 1, 1).to(missed.dtype))
    return ((after - before) * weight).sum().item()


def decibel(before, after):
    return 10 * torch.log10((after + 1e-4) / (before + 1e-4))


def sample(crops, count=24):
    """Single crops, of all the lengths that blocks have."""
    lengths = LENGTHS[crops.frames]
    return [crops.batch(1, lengths[i % len(lengths)]) for i in range(count)]


class Validation:
    """Examples of fields that no network is trained on."""

    def __init__(self, crops, codec, beside):
        drawn = sample(crops)
        self.examples = {
            (n, g): [examples(codec, x, torch.tensor([float(g)]), n, beside) for x in drawn if n in blocks(x.shape[1])]
            for n in transform.BLOCKS for g in GAINS_SHOWN
        }

    def changes(self, network):
        """Mean change of the error in decibel by block size and gain; negative is better."""
        with torch.no_grad():
            return {
                key: torch.stack([decibel(*errors(network, *tensors(*e))[1:]).mean() for e in found]).mean().item()
                for key, found in self.examples.items()
            }


class Curve:
    """Learning curve, as lines on the terminal and rows of a CSV file."""

    def __init__(self, path, validation):
        self.path, self.validation = path, validation
        columns = ",".join(f"db_{n}x{n}_gain{g}" for n, g in validation.examples)
        path.write_text(f"minutes,steps,training_loss,{columns}\n")

    def add(self, network, minutes, steps, loss):
        found = self.validation.changes(network)
        with self.path.open("a") as file:
            file.write(",".join([f"{minutes:.2f}", str(steps), f"{loss:.4f}", *(f"{v:.3f}" for v in found.values())]) + "\n")
        means = "  ".join(
            f"{n}x{n} " + "/".join(f"{found[n, g]:.3f}" for g in GAINS_SHOWN) for n in transform.BLOCKS)
        print(f"{minutes:.1f} min, {steps} steps, loss {loss:.4f}; dB on held-out sets {means}", flush=True)


def train(network, pool, curve, minutes, rate, points=12):
    """Trains in place, in floating point: weights are rounded afterwards (`rounding`).

    `rate` is the rate of learning at its height. Returns the number of steps.
    """
    optimiser = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99), fused=True)
    # What validation takes is no training.
    start, paused, steps, running, shown, first = time.time(), 0.0, 0, 0.0, 1, pool.made
    while (part := (time.time() - start - paused) / 60 / minutes) < 1:
        warm = min(1, (steps + 1) / 200)
        optimiser.param_groups[0]["lr"] = rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))
        while (pool.made - first) * VIEWS < steps * BATCH:
            pool.renew(8)
        optimiser.zero_grad()
        loss = learn(network, *pool.batch(BATCH))
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimiser.step()
        network.hold()
        steps += 1
        running += (loss - running) * max(0.002, 1 / steps)
        # Ever further apart, as learning slows down.
        if part >= (shown / points) ** 2:
            now = time.time()
            curve.add(network, part * minutes, steps, running)
            paused, shown = paused + time.time() - now, shown + 1
    curve.add(network, minutes, steps, running)
    return steps
