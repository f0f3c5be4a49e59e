"""The integer reference, the exported graph and the trained network agree. Needs torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F

from caesar_models import integer, networks, onnx_graph, pool, profile, rounding, transform


@pytest.fixture(params=["decoder", "hyper_encoder", "hyper_decoder"])
def stack(request):
    torch.manual_seed(3)
    stack = getattr(networks, request.param)("1x40 3x40 3x24 1" if request.param == "decoder" else 8)
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


def test_a_grown_network_does_what_the_smaller_did():
    # As wide as its input, so that the last layer looks like any other.
    smaller = networks.decoder("1x16 3x16 1")
    smaller.convs[-1].weight.data.normal_()
    larger = networks.grow(networks.decoder("1x16 3x16 1x16 3x16 1", beside=2), smaller)
    x = torch.randn(2, 5 * 16, 8, 8)
    assert torch.allclose(smaller(x[:, 32:48]), larger(x), atol=1e-5)


def test_transform_is_orthonormal():
    x = torch.randn(2, 8, 64, 128)
    for n in transform.BLOCKS:
        c = transform.analyse(x, n)
        assert torch.allclose(c.square().sum(), x.square().sum(), rtol=1e-4)


def test_examples_keep_their_meaning_in_every_symmetry(monkeypatch):
    monkeypatch.setattr(pool, "GAINS", (6.0, 6.0))
    x = torch.from_numpy(np.random.default_rng(5).normal(size=(1, 8, 32, 32))).float() / 100

    class OneCrop:
        random, frames, size = np.random.default_rng(6), 8, 32

        def batch(self, count, frames):
            return x.repeat(1, frames // 8, 1, 1)

    class Coarse:
        """In the place of the codec."""

        def images(self, x, n):
            return torch.round(x)

    def sharp(u):
        return u - F.avg_pool2d(F.pad(u, [4] * 4, mode="replicate"), 9, 1)

    def sizes(u):
        return u.abs().flatten(-2).sort()[0]

    examples = pool.Pool(OneCrop(), Coarse(), 8, beside=1)
    for _ in range(16):
        detail, error = (F.pixel_shuffle(part.float(), 4) for part in examples.batch(1))
        # Its own frame, of three.
        detail = detail[:, 1:2]
        # What the network sees and what is missing add up to a frame of the crop, wherever its points went.
        assert (sizes(detail + sharp(error)) - sizes(sharp(64 * x))).abs().amax(-1).min() < 0.1


def test_compensated_rounding_keeps_outputs_closer():
    torch.manual_seed(5)
    stack = networks.decoder("1x16 3x16 1x24 3").eval()
    for conv in stack.convs:
        conv.weight.data += 0.05 * torch.randn_like(conv.weight).pow(3)
    # Smooth inputs, whose neighbours can stand in for each other.
    x = torch.round(32 * torch.nn.functional.avg_pool2d(torch.randn(8, 16, 20, 20), 5, 1)) / 32
    with torch.no_grad():
        wanted = stack.exact(False)(x)
        nearest = (stack.exact()(x) - wanted).square().mean()
        rounding.round_stack(stack, x)
        assert (stack(x) - wanted).square().mean() < 0.5 * nearest
    for conv, layer in zip(stack.convs, integer.integer_layers(stack)):
        scale = torch.exp2(torch.from_numpy(layer.exponents)).view(-1, 1, 1, 1)
        assert torch.equal(torch.from_numpy(layer.weight) / scale, conv.weight.detach())
