"""Checks that a graph is in the exact-integer profile (docs/determinism.md), so that every engine gives the same integers.

    python -m caesar_models.profile GRAPH.onnx|MODEL_FOLDER ...
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

OPERATORS = {"Conv", "Add", "Clip", "Concat", "Reshape", "Transpose", "QuantizeLinear", "DequantizeLinear"}
ACCUMULATOR = 2**24


class OutsideProfile(ValueError):
    """The graph may not give the same integers everywhere; says why."""


def require(condition, why):
    if not condition:
        raise OutsideProfile(why)


def is_power_of_two(values):
    mantissa, _ = np.frexp(np.asarray(values, np.float64))
    return bool(np.all(mantissa == 0.5))


class Checker:
    def __init__(self, model):
        graph = model.graph
        require(all(not o.domain for o in model.opset_import), "operators from beyond ONNX")
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.maker = {output: node for node in graph.node for output in node.output}
        self.graph = graph

    def constant(self, node, index, what):
        name = node.input[index] if index < len(node.input) else ""
        require(name in self.constants, f"{node.name}: {what} is not a constant")
        return self.constants[name]

    def check(self):
        for value in self.graph.input:
            if value.name not in self.constants:
                require(value.type.tensor_type.elem_type == TensorProto.UINT8, f"input {value.name} is not u8")
        for node in self.graph.node:
            require(node.op_type in OPERATORS and not node.domain, f"operator {node.op_type}")
            getattr(self, node.op_type.lower(), lambda node: None)(node)

    def scale_and_zero(self, node):
        scale = self.constant(node, 1, "the scale")
        require(np.all(scale > 0) and is_power_of_two(scale), f"{node.name}: a scale is not a power of two")
        return scale, self.constant(node, 2, "the zero point")

    def quantizelinear(self, node):
        scale, zero = self.scale_and_zero(node)
        require(scale.size == 1 and zero.dtype == np.uint8, f"{node.name}: activations must be u8 with one scale")
        require(zero.item() in (0, 128), f"{node.name}: zero point {zero.item()}")

    def dequantizelinear(self, node):
        _, zero = self.scale_and_zero(node)
        if zero.dtype == np.uint8:
            require(zero.size == 1 and zero.item() in (0, 128), f"{node.name}: zero point {zero}")
        else:
            require(zero.dtype in (np.int8, np.int32) and not zero.any(), f"{node.name}: a zero point that is not 0")

    def dequantised(self, name, what):
        """The DequantizeLinear node that makes a tensor."""
        node = self.maker.get(name)
        require(node is not None and node.op_type == "DequantizeLinear", f"{what} is not dequantised")
        return node

    def conv(self, node):
        require(len(node.input) == 3, f"{node.name}: without a bias")
        for a in node.attribute:
            ok = {
                "kernel_shape": lambda v: list(v) in ([1, 1], [3, 3]), "strides": lambda v: list(v) in ([1, 1], [2, 2]),
                "dilations": lambda v: list(v) == [1, 1], "pads": lambda v: len(set(v)) == 1, "group": lambda v: v == 1,
                "auto_pad": lambda v: v == b"NOTSET",
            }.get(a.name)
            require(ok is not None and ok(onnx.helper.get_attribute_value(a)), f"{node.name}: {a.name} {a}")
        data, weights, biases = (self.dequantised(n, f"{node.name}: {what}") for n, what in zip(node.input, ("input", "weight", "bias")))
        weight, bias = self.constant(weights, 0, "the weight"), self.constant(biases, 0, "the bias")
        require(weight.dtype == np.int8 and weight.min() >= -64 and weight.max() <= 63, f"{node.name}: weights beyond 7 bits")
        require(bias.dtype == np.int32, f"{node.name}: the bias is not int32")
        unit = self.constant(weights, 1, "scale") * self.constant(data, 1, "scale")
        require(np.array_equal(np.broadcast_to(unit, bias.shape), np.broadcast_to(self.constant(biases, 1, "scale"), bias.shape)),
                f"{node.name}: the bias is not at the accumulator's scale")
        bound = np.abs(weight.astype(np.int64)).sum((1, 2, 3)) * 255 + np.abs(bias.astype(np.int64))
        require(bound.max() <= ACCUMULATOR, f"{node.name}: sums up to {bound.max()} are beyond 2^24")


def check(model):
    """Raises `OutsideProfile` for a graph outside the profile."""
    Checker(model).check()


def main():
    for argument in map(pathlib.Path, sys.argv[1:]):
        for path in sorted(argument.glob("*.onnx")) if argument.is_dir() else [argument]:
            check(onnx.load(path))
            print(f"{path}: in the exact-integer profile")


if __name__ == "__main__":
    main()
