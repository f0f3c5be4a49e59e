"""What the decoder network of a checkpoint is worth on fields it never saw, in float and in integers.

    python -m caesar_models.evaluate CHECKPOINT.pt DATA.h5

Change of the mean square error in decibel, negative is better, by gain (log2 of the crop's range over the step).
"""

import argparse

import h5py
import numpy as np
import torch
import torch.nn.functional as F

from . import data, integer, transform
from .checkpoint import Checkpoint


def held_out_clips(path):
    clips = []
    with h5py.File(path) as file:
        for group in sorted(data.HELD_OUT & set(file)):
            for name, item in file[group].items():
                values = data.clean(item[...], None)
                if values is not None:
                    values = values.reshape(-1, *(1, 1, 1, *values.shape)[-3:])
                    clips.extend((group, clip) for clip in values)
    return clips


def changes(checkpoint, batch, gain, n):
    """Decibel of the network in float and in integers, for one batch."""
    x = batch * 2.0**gain
    u = transform.synthesise(transform.dequantise(transform.quantise(transform.analyse(x, n)), checkpoint.shift[n]))
    d = F.pixel_unshuffle(transform.detail(u), 4)
    stack = checkpoint.stacks["decoder"]
    layers = integer.integer_layers(stack)
    whole = np.rint(d.numpy() * 32 + 128).astype(np.uint8)
    exact = torch.from_numpy(integer.run(layers, whole) / 2.0 ** integer.scale_bits(layers)).float()
    with torch.no_grad():
        smooth = stack.exact(False)(d)
    before = (u - x).square().mean((1, 2, 3))
    for correction in (smooth, exact):
        after = (u + F.pixel_shuffle(correction, 4) - x).square().mean((1, 2, 3))
        yield (10 * torch.log10((after + 1e-4) / (before + 1e-4))).mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    args = parser.parse_args()
    checkpoint = Checkpoint(args.checkpoint)
    crops = data.Crops(held_out_clips(args.data), checkpoint.frames, 128, 5)
    batches = [crops.batch(4) for _ in range(8)]
    print("gain  block  float dB  integer dB")
    for gain in (2, 3, 4, 5, 6, 8):
        for n in transform.BLOCKS:
            smooth, exact = np.mean([list(changes(checkpoint, b, gain, n)) for b in batches], axis=0)
            print(f"{gain:4}  {n:5}  {smooth:+8.3f}  {exact:+10.3f}")


if __name__ == "__main__":
    main()
