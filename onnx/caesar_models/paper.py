"""The network of the CAESAR-V paper as its authors' code has it, in floating point: a row for comparison, nothing the codec runs.

    python -m caesar_models.paper DATA.h5 --minutes 5 --rate-weight 1e-4 [--export paper.onnx] [--crops crops.h5]

A variational autoencoder with a mean-scale hyperprior on 8 x 256 x 256 tiles and a super-resolution head. After training it
prints what it reaches on held-out data sets: root mean square error over the range, and the ratio that its entropy model allows.
With --crops the tiles are written to a file, so that `bench/compare.py --nrmse` can say what others make of them.
"""

import argparse
import contextlib
import math
import time

import h5py
import torch
import torch.nn as nn
import torch.nn.functional as F

from .data import Crops, held_out_clips, read_clips

WIDTHS = 16, 32, 48, 64
SIGMA_LEAST = 0.1


def conv(dim):
    return nn.Conv2d if dim == 2 else nn.Conv3d


class ChannelNorm(nn.Module):
    """Mean and variance over channels at each place."""

    def __init__(self, channels, dim):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, *[1] * dim))
        self.bias = nn.Parameter(torch.zeros(channels, *[1] * dim))

    def forward(self, x):
        x = x - x.mean(1, keepdim=True)
        return x * (x.square().mean(1, keepdim=True) + 1e-5).rsqrt() * self.gain + self.bias


class ResBlock(nn.Module):
    def __init__(self, a, b, dim, first=3):
        super().__init__()
        self.body = nn.Sequential(
            conv(dim)(a, b, first, 1, first // 2), ChannelNorm(b, dim), nn.ReLU(),
            conv(dim)(b, b, 3, 1, 1), ChannelNorm(b, dim), nn.ReLU())
        self.skip = conv(dim)(a, b, 1) if a != b else nn.Identity()

    def forward(self, x):
        return self.body(x) + self.skip(x)


class Blueprint(nn.Sequential):
    """A 1x1 convolution, then one by channel."""

    def __init__(self, a, b, kernel=3, stride=1, padding=None):
        padding = kernel // 2 if padding is None else padding
        super().__init__(nn.Conv2d(a, b, 1, bias=False), nn.Conv2d(b, b, kernel, stride, padding, groups=b))


class SpatialAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        f = max(width // 4, 1)
        self.narrow, self.reduce = Blueprint(width, f, 1), Blueprint(f, f, 3, 2, 0)
        self.body = nn.Sequential(Blueprint(f, f), nn.ReLU(), Blueprint(f, f), nn.ReLU(), Blueprint(f, f))
        self.beside, self.wide = Blueprint(f, f, 1), Blueprint(f, width, 1)

    def forward(self, x):
        u = self.narrow(x)
        v = self.body(F.max_pool2d(self.reduce(u), 7, 3))
        v = F.interpolate(v, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.wide(v + self.beside(u)))


class ChannelAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        f = max(width // 16, 1)
        self.body = nn.Sequential(Blueprint(width, f, 1), nn.ReLU(), Blueprint(f, width, 1))

    def forward(self, x):
        contrast = x.mean((2, 3), keepdim=True) + x.var((2, 3), unbiased=False, keepdim=True).add(1e-8).sqrt()
        return x * torch.sigmoid(self.body(contrast))


class SuperBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = Blueprint(width, width)
        self.unit = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, groups=width), nn.Conv2d(width, 4 * width, 1), nn.GELU(), nn.Conv2d(4 * width, width, 1))
        self.attention = nn.Sequential(SpatialAttention(width), ChannelAttention(width))

    def forward(self, x):
        x = self.first(x)
        return self.attention(x + self.unit(x))


class SuperResolution(nn.Module):
    """Four times as fine in the plane, frame by frame."""

    def __init__(self, inputs, width):
        super().__init__()
        self.shallow = Blueprint(inputs, width)
        self.blocks = nn.ModuleList(SuperBlock(width) for _ in range(6))
        self.fuse, self.last = Blueprint(6 * width, width), Blueprint(width, 16)

    def forward(self, x):
        x = self.shallow(x)
        found = [x]
        for block in self.blocks:
            found.append(block(found[-1]))
        return F.pixel_shuffle(self.last(F.gelu(self.fuse(torch.cat(found[1:], 1))) + x), 4)


class FactorisedPrior(nn.Module):
    """Distribution function of each channel: a monotone 1-3-3-3-1 network."""

    SIZES = 1, 3, 3, 3, 1

    def __init__(self, channels):
        super().__init__()
        scale = 10 ** (1 / (len(self.SIZES) - 1))
        pairs = list(zip(self.SIZES, self.SIZES[1:]))
        self.weights = nn.ParameterList(torch.full((channels, b, a), math.log(math.expm1(1 / scale / b))) for a, b in pairs)
        self.biases = nn.ParameterList(torch.rand(channels, b, 1) - 0.5 for _, b in pairs)
        self.bends = nn.ParameterList(torch.zeros(channels, b, 1) for _, b in pairs[:-1])

    def logit(self, x):
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            x = F.softplus(weight) @ x + bias
            if i < len(self.bends):
                x = x + torch.tanh(self.bends[i]) * torch.tanh(x)
        return x

    def bits(self, z):
        flat = z.transpose(0, 1).reshape(z.shape[1], 1, -1)
        mass = torch.sigmoid(self.logit(flat + 0.5)) - torch.sigmoid(self.logit(flat - 0.5))
        return -torch.log2(mass.clamp_min(1e-9)).sum()


def gaussian_bits(x, sigma):
    normal = torch.distributions.Normal(0.0, 1.0)
    mass = normal.cdf((0.5 - x.abs()) / sigma) - normal.cdf((-0.5 - x.abs()) / sigma)
    return -torch.log2(mass.clamp_min(1e-9)).sum()


class Network(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        a, b, c, d = WIDTHS
        self.frames = nn.Sequential(
            ResBlock(1, a, 2, 7), nn.Conv2d(a, a, 3, 2, 1), ResBlock(a, b, 2), nn.Conv2d(b, b, 3, 2, 1))
        self.stack = nn.Sequential(ResBlock(b, c, 3), nn.Conv3d(c, c, 3, 2, 1), ResBlock(c, d, 3), nn.Conv3d(d, d, 3, 2, 1))
        self.hyper_encoder = nn.Sequential(
            nn.Conv2d(d, d, 3, 1, 1), nn.LeakyReLU(), nn.Conv2d(d, d, 5, 2, 2), nn.LeakyReLU(), nn.Conv2d(d, d, 5, 2, 2))
        self.hyper_decoder = nn.Sequential(
            nn.ConvTranspose2d(d, d, 5, 2, 2, 1), nn.LeakyReLU(), nn.ConvTranspose2d(d, d, 5, 2, 2, 1), nn.LeakyReLU(),
            nn.Conv2d(d, 2 * d, 3, 1, 1))
        self.prior = FactorisedPrior(d)
        self.grow = nn.Sequential(
            ResBlock(d, c, 3), nn.ConvTranspose3d(c, c, 4, 2, 1), ResBlock(c, b, 3), nn.ConvTranspose3d(b, b, 4, 2, 1))
        self.refine, self.head = ResBlock(b, b, 2), SuperResolution(b, width)

    def analyse(self, x):
        """[B, 8, H, W] to latents by time slice, [2B, 64, H/16, W/16]."""
        n, frames = x.shape[:2]
        y = self.frames(x.reshape(n * frames, 1, *x.shape[2:]))
        y = self.stack(y.view(n, frames, *y.shape[1:]).transpose(1, 2))
        return y.transpose(1, 2).flatten(0, 1)

    def synthesise(self, y):
        y = self.grow(y.view(-1, 2, *y.shape[1:]).transpose(1, 2)).transpose(1, 2)
        x = self.head(self.refine(y.flatten(0, 1)))
        return x.view(*y.shape[:2], *x.shape[2:])

    def forward(self, x):
        """The decoded tiles and the bits that they need, as in training: noise in the rate, rounding in the picture."""
        y = self.analyse(x)
        z = self.hyper_encoder(y)
        mean, sigma = self.hyper_decoder(z + (z.round() - z).detach()).chunk(2, 1)
        centred = y - mean
        noise = [torch.rand_like(t) - 0.5 if self.training else (t.round() - t).detach() for t in (z, centred)]
        bits = self.prior.bits(z + noise[0]) + gaussian_bits(centred + noise[1], sigma.clamp_min(SIGMA_LEAST))
        return self.synthesise(mean + centred + (centred.round() - centred).detach()), bits


def train(network, crops, minutes, weight, batch=2):
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    start, steps = time.time(), 0
    while (part := (time.time() - start) / 60 / minutes) < 1:
        # In the place of halving every 100000 steps of 500000.
        optimiser.param_groups[0]["lr"] = 1e-3 * 0.5 ** (5 * part)
        x = crops.batch(batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            decoded, bits = network(x)
        loss = (decoded.float() - x).square().mean() + weight * bits / x.numel()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        steps += 1
    return steps


def report(network, path, written):
    """Mean error and ratio of tiles, by data set; the tiles go to an HDF5 file too, if one is `written`."""
    clips = held_out_clips(path)
    for group in sorted({g for g, clip in clips if len(clip) >= 4}):
        x = Crops([c for c in clips if c[0] == group], 8, 128, 5).batch(8)
        with torch.no_grad():
            decoded, bits = network(x)
        error = (decoded - x).square().mean((1, 2, 3)).sqrt().mean()
        print(f"{group}: error over range {error:.4f}, ratio {32 * x.numel() / bits:.0f}", flush=True)
        for i, tile in enumerate(x if written else ()):
            written[f"{group}/{i}"] = tile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate-weight", type=float, default=1e-4, help="of bits a value against mean square error")
    parser.add_argument("--export", help="ONNX graph of the synthesis to write")
    parser.add_argument("--crops", help="HDF5 file of the held-out tiles to write")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    network = Network()
    print(f"{sum(p.numel() for p in network.parameters())} parameters")
    steps = train(network, Crops(read_clips(args.data), 8, 128, args.seed), args.minutes, args.rate_weight)
    print(f"{steps} steps in {args.minutes} minutes")
    network.eval()
    with h5py.File(args.crops, "w") if args.crops else contextlib.nullcontext() as written:
        report(network, args.data, written)
    if args.export:
        network.forward = network.synthesise
        torch.onnx.export(network, (torch.zeros(2, WIDTHS[-1], 16, 16),), args.export, input_names=["y"], output_names=["x"], dynamo=False)


if __name__ == "__main__":
    main()
