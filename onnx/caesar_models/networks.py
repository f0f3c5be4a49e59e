"""Convolution stacks that survive the move to integers (docs/determinism.md).

Hidden activations are u8 in steps of 1/64 with zero point 0, so ReLU is the clip; weights are 7-bit with a power-of-two
scale per output channel; the last layer is linear and leaves as its accumulator, or as u8. Where a hidden convolution
keeps the shape, its output (u8, zero point 128) is added to its input: a plain stack starves of gradient here.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

HIDDEN_BITS = 6
# Hidden weights stay below this: seven bits of a larger one would leave few for those beside it.
LARGEST = 63 / 64


class Rounding(torch.autograd.Function):
    @staticmethod
    def forward(_, x, units):
        return torch.round(x * units) / units

    @staticmethod
    def backward(_, gradient):
        return gradient, None


def round_through(x, units=1):
    """Rounds to so many steps a unit, half to even; the gradient passes."""
    return Rounding.apply(x, units)


class IntegerConv(nn.Conv2d):
    """3x3 or 1x1 convolution with bias on u8 inputs in steps of 2^-input_bits. `exact` switches the rounding of weights on."""

    def __init__(self, inputs, outputs, kernel, stride, input_bits, shared_scale):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.zeros_(self.bias)
        self.input_bits, self.shared_scale = input_bits, shared_scale
        self.exact = False

    def exponents(self):
        """e per output channel: integer weights are w * 2^e, at most 63, with sums that stay below 2^24."""
        weight, bias = self.weight.detach().abs(), self.bias.detach().abs()
        largest = weight.amax((1, 2, 3)) / 63
        # A little less than 2^24, for the rounding of weights.
        total = (weight.sum((1, 2, 3)) * 255 + bias * 2**self.input_bits) / (0.95 * 2**24)
        e = torch.floor(-torch.log2(torch.maximum(largest, total).clamp_min(2.0**-16)))
        # Engines bring the channels of a layer to one scale within 32 bits.
        e = torch.minimum(e, e.min() + 6)
        return (e.min().expand_as(e) if self.shared_scale else e).int()

    def keeps_shape(self):
        return self.in_channels == self.out_channels and self.stride == (1, 1)

    def forward(self, x):
        if not self.exact:
            return super().forward(x)
        scale = torch.exp2(self.exponents().float()).view(-1, 1, 1, 1)
        weight = torch.clamp(round_through(self.weight * scale), -64, 63) / scale
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class Stack(nn.Module):
    """Convolutions with u8 activations between them.

    `widths` are channel counts from input to output; `input_bits` says in which step the u8 input counts
    (2^-bits, zero point `input_zero`); `output` is "linear" (exact accumulators) or (bits, zero) for u8;
    `last_scale` is how large the last layer starts.
    """

    def __init__(self, widths, input_bits, input_zero, output, strides=None, kernels=None, last_scale=1.0):
        super().__init__()
        last = len(widths) - 2
        strides, kernels = strides or [1] * (last + 1), kernels or [3] * (last + 1)
        self.convs = nn.ModuleList(
            IntegerConv(widths[i], widths[i + 1], kernels[i], strides[i], HIDDEN_BITS if i else input_bits, i == last)
            for i in range(last + 1)
        )
        # Inputs count in units near 1; residual branches start at half size.
        for conv in self.convs[:-1]:
            conv.weight.data.mul_(0.5)
        self.convs[-1].weight.data.mul_(last_scale)
        self.input_bits, self.input_zero, self.output = input_bits, input_zero, output

    def exact(self, on=True):
        for conv in self.convs:
            conv.exact = on
        return self

    @torch.no_grad()
    def hold(self):
        """Brings hidden weights back within their limits."""
        for conv in self.convs[:-1]:
            conv.weight.clamp_(-LARGEST, LARGEST)

    def activation(self, i, x, y):
        """What follows the hidden layer `i`, whose input is x and whose sums are y."""
        conv = self.convs[i]
        if conv.exact or self.training:
            y = round_through(y, 2**HIDDEN_BITS)
        if i > 0 and conv.keeps_shape():
            y = x + F.hardtanh(y, -128 / 2**HIDDEN_BITS, 127 / 2**HIDDEN_BITS)
        # A clamp, whose gradient takes a third of the time of torch.clamp's.
        return F.hardtanh(y, 0, 255 / 2**HIDDEN_BITS)

    def forward(self, x):
        for i, conv in enumerate(self.convs[:-1]):
            x = self.activation(i, x, conv(x))
        return self.convs[-1](x)


# The decoder network sees detail in units of 2^-bits step, in patches of so many points a side.
DETAIL_BITS, PATCH = 5, 4


def grow(stack, smaller):
    """Takes over the weights of a stack with fewer layers, or that sees fewer frames beside its own; what is new starts as nothing."""
    first, *rest, last = smaller.convs
    own = (stack.convs[0].in_channels - first.in_channels) // 2
    with torch.no_grad():
        nn.init.zeros_(stack.convs[0].weight)[:, own:own + first.in_channels] = first.weight
        stack.convs[0].bias.copy_(first.bias)
    for conv in stack.convs[1:-1]:
        if rest and conv.weight.shape == rest[0].weight.shape:
            conv.load_state_dict(rest.pop(0).state_dict())
        elif conv.keeps_shape():
            nn.init.zeros_(conv.weight)
        else:
            raise ValueError("only layers that keep the shape can be new")
    if rest:
        raise ValueError(f"{len(rest)} layers find no place")
    stack.convs[-1].load_state_dict(last.state_dict())
    return stack


def decoder(layers, beside=0):
    """Super-resolution head: detail of a frame, and of so many before and after it, in 4x4 patches -> correction in steps.

    `layers` is a text of kernel x width for each hidden layer and the kernel of the last: "3x64 3x64 3x64 3".
    """
    *hidden, last = layers.split()
    kernels, widths = zip(*(map(int, layer.split("x")) for layer in hidden))
    ends = PATCH**2
    # From zero: a noisy output would teach the hidden units to die before it teaches them anything else.
    return Stack([(1 + 2 * beside) * ends, *widths, ends], input_bits=DETAIL_BITS, input_zero=128, output="linear", kernels=[*kernels, int(last)], last_scale=0.0)


# Channels of the hyperprior: octaves in time (of eight frames) x larger octave in the plane, the highest together.
HYPER_OCTAVES, HYPER_STRIDE, HYPER_DEPTH, SCALE_OFFSET = 5, 4, 8, 12


def hyper_channels(frames):
    return HYPER_OCTAVES * (4 if frames == 8 else 1)


def hyper_encoder(frames):
    """Log energies of blocks by channel -> hyper-latents, whole numbers around 128."""
    return Stack([hyper_channels(frames), 32, 32, HYPER_DEPTH], 5, 0, (0, 128), strides=[1, 2, 2], last_scale=0.5)


def hyper_decoder(frames):
    """Hyper-latents -> scale indices of 4x4 blocks: 8 (log2(mean magnitude) + 12), at least 0."""
    last = hyper_channels(frames) * HYPER_STRIDE**2
    stack = Stack([HYPER_DEPTH, 64, 64, last], 4, 128, (3, 0), kernels=[3, 3, 1], last_scale=0.1)
    nn.init.constant_(stack.convs[-1].bias, SCALE_OFFSET - 3.0)
    return stack
