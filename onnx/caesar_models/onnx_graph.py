"""Integer layers as an ONNX graph in the exact-integer profile (docs/determinism.md)."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    def __init__(self):
        self.nodes, self.constants = [], {}

    def constant(self, name, array):
        self.constants[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def scale(self, bits):
        return self.constant(f"scale_{bits}", np.float32(2.0**-bits))

    def zero(self, zero):
        return self.constant(f"zero_{zero}", np.uint8(zero))

    def dequantise(self, x, bits, zero):
        return self.node("DequantizeLinear", [x, self.scale(bits), self.zero(zero)], f"{x}_real")

    def quantise(self, x, bits, zero, name):
        return self.node("QuantizeLinear", [x, self.scale(bits), self.zero(zero)], name)

    def convolve(self, x, layer, name):
        outputs, _, kernel, _ = layer.weight.shape
        step = np.exp2(-layer.exponents).astype(np.float32)
        weight = self.node("DequantizeLinear", [
            self.constant(f"{name}_weight", layer.weight),
            self.constant(f"{name}_weight_scale", step),
            self.constant(f"{name}_weight_zero", np.zeros(outputs, np.int8)),
        ], f"{name}_weight_real", axis=0)
        bias = self.node("DequantizeLinear", [
            self.constant(f"{name}_bias", layer.bias.astype(np.int32)),
            self.constant(f"{name}_bias_scale", (step * 2.0**-layer.input_bits).astype(np.float32)),
            self.constant(f"{name}_bias_zero", np.zeros(outputs, np.int32)),
        ], f"{name}_bias_real", axis=0)
        return self.node("Conv", [x, weight, bias], f"{name}_sum", kernel_shape=[kernel] * 2,
                         pads=[kernel // 2] * 4, strides=[layer.stride] * 2)


def build(layers, name):
    """An onnx.ModelProto with input `x` (u8, [n, c, h, w]) and output `y`."""
    b, x = Builder(), "x"
    for i, layer in enumerate(layers):
        last = i == len(layers) - 1
        real = b.dequantise(x, layer.input_bits, layer.input_zero)
        total = b.convolve(real, layer, f"conv{i}")
        if layer.output_bits is None:
            b.nodes[-1].output[0] = x = "y"
        elif layer.adds_input:
            branch = b.dequantise(b.quantise(total, layer.output_bits, 128, f"branch{i}"), layer.output_bits, 128)
            both = b.node("Add", [real, branch], f"both{i}")
            x = b.quantise(both, layer.output_bits, 0, f"hidden{i}")
        else:
            x = b.quantise(total, layer.output_bits, layer.output_zero, "y" if last else f"hidden{i}")
    channels = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    kind = TensorProto.FLOAT if layers[-1].output_bits is None else TensorProto.UINT8
    shrink = any(layer.stride != 1 for layer in layers)
    size = ["rows_out", "columns_out"] if shrink else ["rows", "columns"]
    graph = helper.make_graph(
        b.nodes, name,
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["batch", channels[0], "rows", "columns"])],
        [helper.make_tensor_value_info("y", kind, ["batch", channels[1], *size])],
        list(b.constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="caesar_models")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model
