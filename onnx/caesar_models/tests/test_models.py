"""Shipped models are in the profile, broken ones are refused, and exported graphs compute what the reference says."""

import hashlib
import pathlib
import struct
import tomllib

import numpy as np
import onnx
import pytest

from caesar_models import profile

MODELS = sorted(p.parent for p in (pathlib.Path(__file__).parents[2] / "models").glob("*/model.toml"))


def graphs():
    for folder in MODELS:
        for name, graph in tomllib.loads((folder / "model.toml").read_text())["graphs"].items():
            yield pytest.param(folder, graph, id=f"{folder.name}/{name}")


def known(path):
    """The inputs and outputs of a known answer."""
    data, at, found = path.read_bytes(), 0, []

    def take(form):
        nonlocal at
        values = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        return values

    for kind in ("<u1", "<i4"):
        tensors = []
        for _ in range(take("<I")[0]):
            shape = take(f"<{take('<I')[0]}I")
            count = int(np.prod(shape))
            tensors.append(np.frombuffer(data, kind, count, at).reshape(shape))
            at += count * np.dtype(kind).itemsize
        found.append(tensors)
    assert at == len(data)
    return found


def test_there_are_models():
    roles = {tomllib.loads((folder / "model.toml").read_text())["role"] for folder in MODELS}
    assert {"caesar-v/8", "caesar-v/1", "caesar-v-best/8", "caesar-v-best/1"} <= roles


@pytest.mark.parametrize("folder, graph", list(graphs()))
def test_shipped_graphs_are_in_the_profile(folder, graph):
    data = (folder / graph["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == graph["sha256"]
    profile.check(onnx.load_from_string(data))


@pytest.mark.parametrize("folder, graph", list(graphs()))
def test_runtime_gives_the_known_answers(folder, graph):
    runtime = pytest.importorskip("onnxruntime")
    inputs, outputs = known(folder / graph["known"])
    session = runtime.InferenceSession((folder / graph["file"]).read_bytes(), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    for got, want, spec in zip(session.run(None, dict(zip(names, inputs))), outputs, graph["outputs"]):
        whole = got.astype(np.float64) * 2.0 ** spec.get("scale_bits", 0)
        assert np.array_equal(whole, want)


@pytest.mark.parametrize("folder", [pytest.param(f, id=f.name) for f in MODELS if f.name.startswith("caesar-v")])
def test_training_can_go_on_from_a_model(folder):
    pytest.importorskip("torch")
    from caesar_models import checkpoint, integer

    graphs = tomllib.loads((folder / "model.toml").read_text())["graphs"]
    for name, stack in checkpoint.Checkpoint(folder).stacks.items():
        (x,), (y,) = known(folder / graphs[name]["known"])
        layers = integer.integer_layers(stack)
        linear = layers[-1].output_bits is None
        finer = integer.scale_bits(layers) - graphs[name]["outputs"][0]["scale_bits"] if linear else 0
        assert np.array_equal(integer.run(layers, x), y * 2.0**finer)


def mended(model, name, change):
    """A copy with one constant changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    (tensor,) = [t for t in copy.graph.initializer if t.name == name]
    tensor.CopyFrom(onnx.numpy_helper.from_array(change(onnx.numpy_helper.to_array(tensor).copy()), name))
    return copy


def with_operator(model, kind):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.node[-1].op_type = kind
    return copy


@pytest.mark.parametrize("break_it, why", [
    (lambda m: mended(m, "conv0_weight", lambda w: np.full_like(w, 100)), "7 bits"),
    (lambda m: mended(m, "conv1_bias", lambda b: b + 2**24), "2\\^24"),
    (lambda m: mended(m, "conv0_weight_scale", lambda s: s * 1.5), "power of two"),
    (lambda m: mended(m, "conv0_bias_scale", lambda s: s * 2), "accumulator"),
    (lambda m: mended(m, "zero_0", lambda z: np.uint8(z + 3)), "zero point"),
    (lambda m: with_operator(m, "ConvTranspose"), "ConvTranspose"),
])
def test_broken_graphs_are_refused(break_it, why):
    model = onnx.load(MODELS[0] / "decoder.onnx")
    with pytest.raises(profile.OutsideProfile, match=why):
        profile.check(break_it(model))
