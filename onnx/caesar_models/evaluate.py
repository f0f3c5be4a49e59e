"""What the decoder network of a checkpoint is worth on fields it never saw, in float and in integers.

    python -m caesar_models.evaluate CHECKPOINT.pt|MODEL_FOLDER DATA.h5

Change of the mean square error in decibel, negative is better, by gain (log2 of the crop's range over the step).
"""

import argparse

import numpy as np
import torch

from . import integer, transform
from .checkpoint import Checkpoint
from .data import Crops, held_out_clips
from .pool import Codec, blocks, examples, tensors
from .train import SIZE
from .train_decoder import decibel, sample


def changes(checkpoint, codec, batch, gain, n):
    """Decibel of the network in float and in integers, for one batch."""
    stack = checkpoint.stacks["decoder"]
    found = examples(codec, batch, torch.full((len(batch),), float(gain)), n, checkpoint.facts["beside"])
    detail, error = (part.float() for part in tensors(*found))
    layers = integer.integer_layers(stack)
    whole = np.rint(detail.numpy() * 2**stack.input_bits + 128).astype(np.uint8)
    exact = torch.from_numpy(integer.run(layers, whole) / 2.0 ** integer.scale_bits(layers)).float()
    with torch.no_grad():
        smooth = stack.exact(False)(detail)
    before = error.square().mean((1, 2, 3))
    return [decibel(before, (error - answer).square().mean((1, 2, 3))).mean().item() for answer in (smooth, exact)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    args = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = Checkpoint(args.checkpoint)
    convs = checkpoint.stacks["decoder"].convs
    print(f"{sum(c.weight.numel() for c in convs) / convs[-1].out_channels:.0f} multiplications a point")
    crops = Crops(held_out_clips(args.data), checkpoint.frames, SIZE, 5)
    drawn = sample(crops)
    codec = Codec()
    print("gain  block  float dB  integer dB")
    for gain in (1, 2, 3, 4, 5, 6, 8):
        for n in transform.BLOCKS:
            smooth, exact = np.mean([changes(checkpoint, codec, b, gain, n) for b in drawn if n in blocks(b.shape[1])], axis=0)
            print(f"{gain:4}  {n:5}  {smooth:+8.3f}  {exact:+10.3f}", flush=True)


if __name__ == "__main__":
    main()
