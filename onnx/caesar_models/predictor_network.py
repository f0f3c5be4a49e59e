"""A predictor network in training: the arithmetic of `predictor` with roundings that gradients pass."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from . import predictor
from .networks import round_through


class Dense(nn.Module):
    """7-bit weights; a power-of-two scale per output channel, or the one of the output layer."""

    def __init__(self, inputs, outputs, exponent=None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * (1.4 / inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.exponent = exponent

    def exponents(self):
        """e >= 1 per output channel: integer weights are w 2^e, at most 63."""
        if self.exponent is not None:
            return torch.full((len(self.weight),), self.exponent)
        largest = self.weight.detach().abs().amax(1).clamp_min(2.0**-16)
        e = torch.floor(torch.log2(63 / largest)).clamp(1, 12)
        # Engines bring the channels of a layer to one scale within 32 bits.
        return torch.minimum(e, e.min() + 6).int()

    def rounded(self, exact):
        if not exact:
            return self.weight
        scale = torch.exp2(self.exponents().float())[:, None]
        return torch.clamp(round_through(self.weight * scale), -64, 63) / scale


class Activation(torch.autograd.Function):
    """Codes 0..255 of sums in units of a code, rounded if `exact`; the gradient passes where nothing saturates."""

    @staticmethod
    def forward(context, x, exact):
        # Adding and subtracting 1.5 * 2^23 rounds half to even, several times faster than torch.round.
        codes = ((x + 12582912.0).sub_(12582912.0) if exact else x).clamp_(0, 255)
        context.save_for_backward(codes)
        return codes

    @staticmethod
    def backward(context, gradient):
        (codes,) = context.saved_tensors
        # Codes are whole: 1 inside, 0 at both ends; several times faster than a mask.
        inside = (255 - codes).clamp_(0, 1).mul_(codes.clamp(0, 1))
        return inside.mul_(gradient), None


class Predictor(nn.Module):
    """One network; returns the correction and the logarithm of the scale, both of bins."""

    def __init__(self, graph, hidden):
        super().__init__()
        widths = [predictor.input_count(graph), *hidden]
        self.hidden = nn.ModuleList(Dense(i, o) for i, o in zip(widths, widths[1:]))
        # Gates and scale. The correction that is not of a filter stays 0: rounded to 7 bits, it disturbs smooth fields.
        self.output = Dense(widths[-1], predictor.FILTERS + 1, predictor.WEIGHT_BITS)
        count = predictor.detail_count(graph)
        self.coordinates = nn.Parameter(torch.randn(predictor.FILTERS, count) * 0.1)
        self.register_buffer("basis", torch.eye(count))
        self.graph = graph
        with torch.no_grad():
            self.output.weight.normal_(0, 0.03)
            self.output.bias[:predictor.FILTERS] = 0.3
            self.output.bias[-1] = -2.5

    def grow_from(self, smaller):
        """Computes what a network of fewer hidden units does: the units that are new have no say yet."""
        with torch.no_grad():
            for mine, other in zip([*self.hidden, self.output], [*smaller.hidden, smaller.output]):
                outputs, inputs = other.weight.shape
                mine.weight[:outputs, :inputs] = other.weight
                mine.weight[:outputs, inputs:] = 0
                mine.bias[:outputs] = other.bias
            self.coordinates.copy_(smaller.coordinates)
            self.basis.copy_(smaller.basis)

    def filters(self):
        """Taps, whose details can be thousands of times larger than what the filters are to tell: see `basis`."""
        return self.coordinates @ self.basis

    def forward(self, batch, turn, exact):
        """`turn`: (order, sign) of the details of a mirror image; the weights turn instead of the samples."""
        order, sign = turn
        filters = self.filters()
        count = filters.shape[1]
        columns = predictor.turned_inputs(self.graph, order)
        signs = torch.ones(self.hidden[0].weight.shape[1])
        signs[:predictor.OWN] = sign
        if count > predictor.OWN:
            signs[predictor.OWN + 8:-6] = sign
        # Inputs and activations count in their own units here, so that only weights are scaled.
        x, unit = batch["u"][:, :len(columns)], 2.0**-predictor.INPUT_BITS
        one = 2.0**predictor.HIDDEN_BITS
        for i, layer in enumerate(self.hidden):
            weight = layer.rounded(exact) * (unit * one)
            if i == 0:
                weight = weight[:, columns] * signs
            x, unit = Activation.apply(F.linear(x, weight, layer.bias * one), exact), 1 / one
        y = F.linear(x, self.output.rounded(exact) * unit, self.output.bias)
        if exact:
            filters = round_through(filters * 2**predictor.TAP_BITS) / 2**predictor.TAP_BITS
        filtered = F.linear(batch["e"][:, :count], filters[:, order[:count]])
        gates = y[:, :predictor.FILTERS].clamp(-4, 4)
        correction = sign * (gates * filtered).sum(1) * batch["unit"]
        return correction, y[:, -1] * math.log(2) + batch["log_scale"]


def load(path):
    """({graph: trained network}, facts) of a checkpoint."""
    state = torch.load(path, weights_only=False)
    networks = {g: Predictor(g, state[g.split("-")[2]]) for g in predictor.GRAPHS}
    for graph, network in networks.items():
        prefix = f"{graph}."
        network.load_state_dict({k[len(prefix):]: v for k, v in state["networks"].items() if k.startswith(prefix)})
    return networks, state


def mass(low, high, scale):
    """Of a logistic distribution between two points, precise in both tails."""
    flip = low > 0
    low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
    return torch.sigmoid(high / scale) - torch.sigmoid(low / scale)


def code_lengths(target, correction, log_scale):
    """(bits of the code that is written, bits as a smooth function of the correction), per sample.

    The first depends on the correction by a step function and teaches the scale; the second teaches the correction.
    """
    rest = target - correction
    code = torch.round(rest.detach())
    scale = log_scale.exp().clamp(0.01, 1e4)
    written = -torch.log2(mass(code - 0.5, code + 0.5, scale) + 2.0**-22)
    fixed = scale.detach().clamp_min(0.03)
    smooth = -torch.log2(mass(rest - 0.5, rest + 0.5, fixed) + 2.0**-22)
    return written, smooth


def tensors(s):
    """A batch of `SAMPLE`s; lengths in bins."""
    width = s["width"].astype(np.float32)
    unit = np.exp2(s["shift"].astype(np.float32)) / width
    level = s["b"].astype(np.float32) + s["shift"] - predictor.log8(s["width"]) / 8
    batch = {
        "e": s["e"].astype(np.float32), "unit": unit,
        "log_scale": (level * math.log(2)).astype(np.float32),
        "target": s["target"].astype(np.float32) / width,
        "weight": s["weight"].astype(np.float32),
    }
    batch = {k: torch.from_numpy(v) for k, v in batch.items()}
    batch["u"] = torch.from_numpy(np.ascontiguousarray(s["u"])).float().sub_(128)
    return batch
