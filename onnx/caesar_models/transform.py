"""The block transform around the networks, as the codec computes it but in floating point, for training.

Values are in units of the quantiser step; [B, T, H, W] with T = 8 or 1, H and W multiples of the block.
"""

import math

import torch
import torch.nn.functional as F

DEAD_ZONE = 0.2
BLOCKS = (8, 16)
# Frequencies of one axis by octave: 0 | 1 | 2-3 | 4-7 | 8-15.
AXIS_BANDS = 5


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


def synthesise(c):
    """The inverse of `analyse`."""
    b, t, n, _, rows, columns = c.shape
    time, space = dct_matrix(t), dct_matrix(n)
    x = torch.einsum("bkpqyx,kt->btpqyx", c, time)
    x = torch.einsum("btpqyx,pa->btyaqx", x, space)
    x = torch.einsum("btyaqx,qc->btyaxc", x, space)
    return x.reshape(b, t, rows * n, columns * n)


def quantise(c):
    return torch.sign(c) * torch.floor(c.abs() + 0.5 - DEAD_ZONE)


def axis_band(n):
    return torch.tensor([i.bit_length() for i in range(n)])


def bands(t, n):
    """Band of each coefficient [T, n, n]: (temporal octave * 5 + vertical octave) * 5 + horizontal octave."""
    time, space = axis_band(t), axis_band(n)
    return (time[:, None, None] * AXIS_BANDS + space[None, :, None]) * AXIS_BANDS + space[None, None]


def band_count(t):
    return (t.bit_length() if t > 1 else 1) * AXIS_BANDS * AXIS_BANDS


def dequantise(q, shift):
    """Reconstruction points; `shift` [bands, 2] moves them towards zero, for |q| = 1 and above."""
    t, n = q.shape[1:3]
    s = shift[bands(t, n)][None, ..., None, None, :]
    return torch.sign(q) * (q.abs() - torch.where(q.abs() == 1, s[..., 0], s[..., 1]))


LOCAL_MEAN = 9


def detail(u):
    """What the decoder network sees: the image less its 9x9 local mean, in 1/32 step, as u8 around 128."""
    padded = F.pad(u, [LOCAL_MEAN // 2] * 4, mode="replicate")
    mean = F.avg_pool2d(F.avg_pool2d(padded, (LOCAL_MEAN, 1), 1), (1, LOCAL_MEAN), 1)
    return torch.clamp(torch.round((u - mean) * 32), -128, 127) / 32
