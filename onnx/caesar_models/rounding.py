"""Rounds the decoder network of a checkpoint to integer weights so that its outputs, not its weights, stay what they were.

    python -m caesar_models.rounding CHECKPOINT.pt DATA.h5 ROUNDED.pt

Layer after layer, on examples of training fields: weights are fitted anew to what the network in floating point gives, from
inputs that the layers before have rounded already, and rounded one input at a time, the inputs still to come making good for
what each rounding does (Frantar et al., GPTQ, 2022).
"""

import argparse

import torch
import torch.nn.functional as F

from .checkpoint import Checkpoint, read
from .data import Crops, read_clips
from .pool import Codec, Pool, tensors
from .train import SIZE

# Points of the examples.
POINTS = 2**25
# Of the mean of the inputs' squares: how much a weight is held where it was.
DAMPING = 0.01
# Octaves by which a channel's weights may be finer than its largest one allows, which is clipped then.
FINER = 0, 1, 2, 3


def statistics(conv, x, wanted):
    """Mean products of a convolution's inputs, the constant one of the bias last, with each other and with the outputs wanted."""
    size, places = conv.weight[0].numel() + 1, wanted[:, 0].numel()
    gram, products = torch.zeros(size, size, dtype=torch.double), torch.zeros(len(conv.weight), size, dtype=torch.double)
    for part, outputs in zip(x.split(8), wanted.split(8)):
        inputs = F.unfold(part, conv.kernel_size, padding=conv.padding).transpose(0, 1).flatten(1)
        inputs = F.pad(inputs, (0, 0, 0, 1), value=1.0)
        gram += inputs @ inputs.T
        products += outputs.transpose(0, 1).flatten(1) @ inputs.T
    return gram / places, products / places


def compensated(weights, scale, later):
    """Rows of weights, all but the last of each a multiple of 1 / scale."""
    weights = weights.clone()
    for i in range(weights.shape[1] - 1):
        rounded = torch.round(weights[:, i] * scale).clamp(-63, 63) / scale
        weights[:, i:] -= ((weights[:, i] - rounded) / later[i, i])[:, None] * later[i, i:]
        weights[:, i] = rounded
    return weights


def round_weights(conv, gram, products):
    """Fits and rounds in place; the bias stays as fine as it is."""
    def take(weights):
        conv.weight.copy_(weights[:, :-1].view_as(conv.weight))
        conv.bias.copy_(weights[:, -1])

    start = torch.cat([conv.weight.flatten(1), conv.bias[:, None]], 1).double()
    held = DAMPING * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.double)
    gram = gram + held
    fitted = torch.linalg.solve(gram, (products + start @ held).T).T
    take(fitted)
    later = torch.linalg.cholesky(torch.linalg.inv(gram), upper=True)
    scale = torch.exp2(conv.exponents().double())
    found = torch.stack([compensated(fitted, scale * 2**finer, later) for finer in (FINER[:1] if conv.shared_scale else FINER)])
    missed = found - fitted
    best = (missed @ gram * missed).sum(2).argmin(0)
    take(found[best, torch.arange(len(best))])


@torch.no_grad()
def round_stack(stack, x):
    """Rounds a stack in place; `x` are inputs as it sees them."""
    smooth, exact = x, x
    for i, conv in enumerate(stack.convs):
        conv.exact = False
        y = conv(smooth)
        # What rounding took from the sum before, the branch that is added to it may give back.
        branch = 0 < i < len(stack.convs) - 1 and conv.keeps_shape()
        round_weights(conv, *statistics(conv, exact, y + smooth - exact if branch else y))
        smooth = stack.activation(i, smooth, y)
        conv.exact = True
        exact = stack.activation(i, exact, conv(exact))
    return stack


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    checkpoint = Checkpoint(args.checkpoint)
    crops = Crops(read_clips(args.data), checkpoint.frames, SIZE, args.seed)
    pool = Pool(crops, Codec(), POINTS // SIZE**2, checkpoint.facts["beside"])
    detail, _ = tensors(pool.detail, pool.error)
    stack = round_stack(checkpoint.stacks["decoder"], detail.float())
    torch.save(read(args.checkpoint) | {"decoder": stack.state_dict()}, args.out)


if __name__ == "__main__":
    main()
