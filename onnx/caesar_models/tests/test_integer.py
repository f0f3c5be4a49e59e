"""The integer reference, the exported graph and the trained network agree. Needs torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from caesar_models import integer, networks, onnx_graph, profile, transform


@pytest.fixture(params=["decoder", "hyper_encoder", "hyper_decoder"])
def stack(request):
    torch.manual_seed(3)
    stack = getattr(networks, request.param)(8)
    for conv in stack.convs:
        conv.weight.data += 0.02 * torch.randn_like(conv.weight)
        conv.bias.data += 0.3 * torch.randn_like(conv.bias)
    return stack.exact()


def random_input(stack):
    return np.random.default_rng(4).integers(0, 256, (2, stack.convs[0].in_channels, 8, 12)).astype(np.uint8)


def test_exported_graph_is_the_reference(stack):
    runtime = pytest.importorskip("onnxruntime")
    layers = integer.integer_layers(stack)
    model = onnx_graph.build(layers, "graph")
    profile.check(model)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = random_input(stack)
    (y,) = session.run(None, {"x": x})
    bits = integer.scale_bits(layers) if stack.output == "linear" else 0
    assert np.array_equal(y.astype(np.float64) * 2.0**bits, integer.run(layers, x))


def test_reference_is_the_network_that_was_trained(stack):
    layers = integer.integer_layers(stack)
    x = random_input(stack)
    with torch.no_grad():
        trained = stack(torch.from_numpy(x.astype(np.float32) - stack.input_zero) / 2**stack.input_bits).numpy()
    bits, zero = (integer.scale_bits(layers), 0) if stack.output == "linear" else stack.output
    found = integer.run(layers, x).astype(np.float64)
    if stack.output != "linear":
        trained = np.clip(trained, -zero / 2.0**bits, (255 - zero) / 2.0**bits)
    # A rounded output is half a step off; biases are rounded to the accumulator's scale, so that single hidden units
    # may fall to the other side.
    step = 2.0**-bits
    assert np.abs((found - zero) * step - trained).mean() < 0.3 * step + 0.02 * trained.std()


def test_transform_is_orthonormal():
    x = torch.randn(2, 8, 32, 48)
    for n in transform.BLOCKS:
        c = transform.analyse(x, n)
        assert torch.allclose(c.square().sum(), x.square().sum(), rtol=1e-4)
        assert torch.allclose(transform.synthesise(c), x, atol=1e-4)
