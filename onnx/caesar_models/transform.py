"""The block transform around the networks, for training.

Values are in units of the quantiser step; [B, T, H, W] with T = 8 or 1, H and W multiples of the block.
"""

import math

import torch
import torch.nn.functional as F

BLOCKS = (8, 16, 32, 64)


def dct_matrix(n):
    """Orthonormal DCT-II, rows are frequencies."""
    k, i = torch.arange(n).double()[:, None], torch.arange(n).double()[None]
    m = torch.cos((2 * i + 1) * k * math.pi / (2 * n)) * math.sqrt(2 / n)
    m[0] /= math.sqrt(2)
    return m.float()


def analyse(x, n):
    """Coefficients [B, T, n, n, H/n, W/n]: temporal, vertical, horizontal frequency, then the block."""
    b, t, h, w = x.shape
    time, space = dct_matrix(t), dct_matrix(n)
    x = x.view(b, t, h // n, n, w // n, n)
    x = torch.einsum("btyaxc,qc->btyaxq", x, space)
    x = torch.einsum("btyaxq,pa->btypxq", x, space)
    return torch.einsum("btypxq,kt->bkpqyx", x, time)


def quantise(c):
    """Latents, about as the codec's search finds them: most of them are multiples of 5/4 step."""
    return torch.sign(c) * torch.floor(c.abs() / 1.25 + 0.3)


def octaves(n):
    """Of the frequencies of one axis: 0 | 1 | 2-3 | 4-7 | 8-15 | 16-31 | 32-63."""
    return torch.tensor([i.bit_length() for i in range(n)])


LOCAL_MEAN = 9


def detail(u):
    """What the decoder network sees: the image less its 9x9 local mean, in 1/32 step, as u8 around 128."""
    padded = F.pad(u, [LOCAL_MEAN // 2] * 4, mode="replicate")
    mean = F.avg_pool2d(F.avg_pool2d(padded, (LOCAL_MEAN, 1), 1), (1, LOCAL_MEAN), 1)
    return torch.clamp(torch.round((u - mean) * 32), -128, 127) / 32
