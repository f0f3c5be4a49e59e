"""Trains the decoder network of one role: a super-resolution head on the block transform's image."""

import math
import time

import torch
import torch.nn.functional as F

from . import transform


# Many small crops: the signal is small beside the noise of a few large ones.
BATCH = 16


def mean_shifts(crops, frames, batches=40):
    """Where the values of a quantiser bin really lie: mean of |q| - |c| per block size, band and |q| = 1, > 1."""
    shifts = {}
    for n in transform.BLOCKS:
        band = transform.bands(frames, n)
        total = torch.zeros(transform.band_count(frames), 2)
        count = torch.zeros_like(total)
        for _ in range(batches):
            x = crops.batch(BATCH)
            c = transform.analyse(x * torch.exp2(gains(crops, BATCH)).view(-1, 1, 1, 1), n)
            q = transform.quantise(c).abs()
            for i, chosen in enumerate((q == 1, q > 1)):
                index = band[None, ..., None, None].expand_as(q)[chosen]
                total[:, i].index_add_(0, index, (q - c.abs())[chosen])
                count[:, i].index_add_(0, index, torch.ones_like(q[chosen]))
        # A few imagined values at the middle of the bin steady rare bands.
        shifts[n] = total / (count + 100)
    return shifts


def gains(crops, count):
    """log2(range / step): the rates that one network serves."""
    return torch.from_numpy(crops.random.uniform(2, 8, count)).float()


def distortion(network, x, gain, n, shift):
    """Mean square errors in step^2 per item: without and with the network."""
    x = x * torch.exp2(gain).view(-1, 1, 1, 1)
    with torch.no_grad():
        u = transform.synthesise(transform.dequantise(transform.quantise(transform.analyse(x, n)), shift[n]))
        d = F.pixel_unshuffle(transform.detail(u), 4).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.is_grad_enabled()):
        correction = network(d)
    y = u + F.pixel_shuffle(correction.float(), 4)
    return (u - x).square().mean((1, 2, 3)), (y - x).square().mean((1, 2, 3))


def validate(network, batches, shift):
    """Change of the error in decibel at five gains; negative is better."""
    report = []
    with torch.no_grad():
        for gain in (2, 3, 4, 6, 8):
            change = [
                10 * torch.log10((after + 1e-4) / (before + 1e-4))
                for i, x in enumerate(batches)
                for before, after in [distortion(network, x, torch.full((len(x),), float(gain)), transform.BLOCKS[i % 2], shift)]
            ]
            report.append(f"{gain}: {torch.cat(change).mean():+.3f}")
    return "dB at gain " + "  ".join(report)


def train(network, crops, validation, shift, minutes, report):
    """Trains in place; the last fifth of the time with rounded weights and activations, the integer fine-tuning."""
    # The last layer learns first and gently, the others follow (see networks.Stack).
    optimiser = torch.optim.Adam([
        {"params": network.convs[:-1].parameters(), "peak": 1e-3, "wait": 100, "ramp": 300},
        {"params": network.convs[-1].parameters(), "peak": 3e-4, "wait": 0, "ramp": 20},
    ])
    start, step, running, reported = time.time(), 0, 0.0, 0.0
    while (part := (time.time() - start) / 60 / minutes) < 1:
        network.exact(part > 0.8)
        annealing = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part))
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * annealing * min(1, max(0, step - group["wait"]) / group["ramp"])
        before, after = distortion(network, crops.batch(BATCH), gains(crops, BATCH), transform.BLOCKS[step % 2], shift)
        # The constant keeps nearly perfect crops, which a step cannot improve, from ruling the gradient.
        loss = ((after - before) / (before + 0.01)).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimiser.step()
        running = loss.item() if step == 0 else 0.98 * running + 0.02 * loss.item()
        step += 1
        if part >= reported:
            report(f"decoder step {step}, {part * minutes:.1f} min, change of error {running:+.4f}; "
                   + validate(network, validation, shift))
            reported += 0.1
    network.exact()
    return step
