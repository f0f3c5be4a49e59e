"""Trains the hyperprior of one role: hyper-encoder and hyper-decoder together, on sums of latents' magnitudes."""

import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import networks, transform
from .pool import GAINS

BATCH = 8


class Hyperprior(nn.Module):
    def __init__(self, frames):
        super().__init__()
        self.encoder = networks.hyper_encoder(frames)
        self.decoder = networks.hyper_decoder(frames)
        # Spread of the hyper-latents, for the estimate of what they cost.
        self.spread = nn.Parameter(torch.zeros(networks.HYPER_DEPTH))

    def forward(self, energy):
        """Bits of the hyper-latents per item, and log2 of the expected magnitude per block and channel."""
        z = torch.clamp(self.encoder(energy), -128, 127)
        noisy = z + torch.rand_like(z) - 0.5
        width = torch.exp2(self.spread).view(1, -1, 1, 1)
        density = torch.distributions.Laplace(torch.zeros_like(width), width)
        likelihood = density.cdf(noisy + 0.5) - density.cdf(noisy - 0.5)
        bits = -torch.log2(likelihood.clamp_min(1e-6)).sum((1, 2, 3))
        index = torch.clamp(self.decoder(networks.round_through(z)), 0, 255 / 8)
        rows, columns = energy.shape[2:]
        return bits, F.pixel_shuffle(index, networks.HYPER_STRIDE)[..., :rows, :columns] - networks.SCALE_OFFSET


def channel_sums(q):
    """Sums of |q| and numbers of latents by channel: [B, channels, rows, columns], [channels]."""
    b, t, n, _, rows, columns = q.shape
    octave = transform.octaves(n)
    plane = torch.maximum(octave[:, None], octave[None]).clamp_max(networks.HYPER_OCTAVES - 1)
    channel = (transform.octaves(t)[:, None, None] * networks.HYPER_OCTAVES + plane[None]).flatten()
    count = torch.bincount(channel, minlength=networks.hyper_channels(t)).float()
    sums = torch.zeros(b, len(count), rows, columns)
    sums.index_add_(1, channel, q.abs().reshape(b, -1, rows, columns))
    return sums, count


def energy(sums):
    """The codec's logarithmic u8, in 1/32: 16 log2(1 + sum), straight between powers of two."""
    v = sums + 1
    octave = torch.floor(torch.log2(v))
    code = torch.floor(16 * octave + v * 16 / torch.exp2(octave) - 16)
    return code.clamp(0, 255) / 32


def cost(log_scale, sums, count):
    """Bits of magnitudes under geometric distributions of the expected means."""
    mean = torch.exp2(log_scale)
    count = count.view(1, -1, 1, 1)
    return (count * torch.log2(1 + mean) + sums * torch.log2((1 + mean) / mean)).sum((1, 2, 3))


def train(crops, frames, minutes, report):
    """A trained `Hyperprior`; the last fifth of the time with rounded weights and activations."""
    model = Hyperprior(frames)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    start, step, running, reported = time.time(), 0, 0.0, 0.0
    while (part := (time.time() - start) / 60 / minutes) < 1:
        for stack in (model.encoder, model.decoder):
            stack.exact(part > 0.8)
        rate = 2e-3 * min(1, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.no_grad():
            x = crops.batch(BATCH)
            gain = torch.from_numpy(crops.random.uniform(*GAINS, BATCH)).float()
            n = transform.BLOCKS[step % len(transform.BLOCKS)]
            q = transform.quantise(transform.analyse(x * torch.exp2(gain).view(-1, 1, 1, 1), n))
            sums, count = channel_sums(q)
        bits, log_scale = model(energy(sums))
        total = (bits + cost(log_scale, sums, count)) / x[0].numel()
        loss = torch.log2(total + 0.01).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        running = loss.item() if step == 0 else 0.99 * running + 0.01 * loss.item()
        step += 1
        if part >= reported:
            report(f"hyperprior step {step}, {part * minutes:.1f} min, mean log2(bits per value) {running:.3f}")
            reported += 0.1
    for stack in (model.encoder, model.decoder):
        stack.exact()
    return model
