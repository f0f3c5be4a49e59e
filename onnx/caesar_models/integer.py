"""A trained stack as integers, and the arithmetic that every engine must reproduce, written out in numpy."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .networks import HIDDEN_BITS


@dataclass
class Layer:
    """A convolution on u8 inputs in steps of 2^-input_bits."""

    weight: np.ndarray  # int8 [outputs, inputs, k, k]
    bias: np.ndarray  # int32, at the accumulator's scale
    exponents: np.ndarray  # weights count in 2^-exponent, per output channel
    input_bits: int
    input_zero: int
    stride: int
    # u8 output in steps of 2^-output_bits; None: the accumulator leaves as it is.
    output_bits: int | None
    output_zero: int
    adds_input: bool

    def accumulate(self, x):
        """int64 accumulators of a u8 input [n, c, h, w]; padding counts as the zero point."""
        centred = torch.from_numpy(x.astype(np.float64) - self.input_zero)
        weight = torch.from_numpy(self.weight.astype(np.float64))
        # Sums of products of integers below 2^53 are exact in float64.
        sums = F.conv2d(centred, weight, stride=self.stride, padding=self.weight.shape[2] // 2)
        return sums.numpy().astype(np.int64) + self.bias[None, :, None, None]

    def run(self, x):
        sums = self.accumulate(x)
        if self.output_bits is None:
            return sums
        shift = self.input_bits + self.exponents - self.output_bits
        rounded = np.rint(sums / np.exp2(shift)[None, :, None, None])
        if not self.adds_input:
            return np.clip(rounded + self.output_zero, 0, 255).astype(np.uint8)
        branch = np.clip(rounded, -128, 127)
        return np.clip(x.astype(np.int64) + branch, 0, 255).astype(np.uint8)


def integer_layers(stack):
    """The layers of a `networks.Stack`."""
    layers, bits, zero = [], stack.input_bits, stack.input_zero
    for i, conv in enumerate(stack.convs):
        exponents = conv.exponents().numpy().astype(np.int64)
        scale = np.exp2(exponents)[:, None, None, None]
        weight = np.clip(np.rint(conv.weight.detach().double().numpy() * scale), -64, 63).astype(np.int8)
        bias = np.rint(conv.bias.detach().double().numpy() * np.exp2(exponents + bits)).astype(np.int32)
        last = i == len(stack.convs) - 1
        output = (HIDDEN_BITS, 0) if not last else (None, 0) if stack.output == "linear" else stack.output
        adds_input = not last and i > 0 and conv.keeps_shape()
        layers.append(Layer(weight, bias, exponents, bits, zero, conv.stride[0], *output, adds_input))
        bits, zero = output
    return layers


def run(layers, x):
    """The graph's output for a u8 input: u8, or the accumulators of a linear last layer."""
    for layer in layers:
        x = layer.run(x)
    return x


def scale_bits(layers):
    """A linear output counts in 2^-this."""
    (exponent,) = set(layers[-1].exponents.tolist())
    return layers[-1].input_bits + exponent
