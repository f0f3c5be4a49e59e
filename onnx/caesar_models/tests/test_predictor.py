"""The predictor networks' integers mean what they should, and training, reference and shipped files agree. Needs torch."""

import copy
import pathlib

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from caesar_models import evaluate_predictor, export_predictor, integer, onnx_graph, predictor, predictor_network, profile, train_predictor
from caesar_models.predictor_samples import Folder, graph_numbers

SHIPPED = sorted((pathlib.Path(__file__).parents[2] / "models").glob("srn-sz*"))
GRAPH = "below-referred-coarse"


def records(graph, count=400, seed=5, width=256, spread=300):
    """Targets in waves of some amplitude, with noise."""
    random = np.random.default_rng(seed)
    phase, referred, level = graph.split("-")
    phase = predictor.PHASES.index(phase)
    r = np.zeros((count, 64), np.int32)
    amplitude = spread * np.exp2(random.uniform(-2, 4, (count, 1)))
    slope = random.normal(size=(count, 2)) * amplitude
    own = np.array(predictor.own_offsets(phase))
    r[:, :len(own)] = slope @ own.T + random.normal(size=(count, len(own))) * amplitude / 4
    columns = predictor.Columns
    if referred == "referred":
        mean, difference = (np.array(o) for o in (predictor.MEAN_OFFSETS, predictor.DIFFERENCE_OFFSETS))
        r[:, 28:41] = slope @ mean.T / 2 + random.normal(size=(count, 13)) * amplitude / 4
        r[:, 41:46] = random.normal(size=(count, 5)) * amplitude / 4
        r[:, columns.MISFIT] = random.normal(size=count) * amplitude[:, 0]
        r[:, columns.REFERENCES] = random.integers(1, 3, count)
    r[:, columns.WIDTH] = width
    r[:, columns.LEVEL] = 0 if level == "fine" else random.integers(1, 5, count)
    r[:, columns.PHASE] = phase + 1
    r[:, columns.CLUES] = random.integers(0, 6, (count, 4))
    # The value is what a filter of the neighbours tells, nearly.
    r[:, columns.TARGET] = (r[:, 0] - r[:, 1]) / 2 + random.normal(size=count) * width / 2
    r[:, columns.CODE] = np.rint(r[:, columns.TARGET] / width)
    return r


def trained(graph, seed=3):
    """A network that has left its beginnings."""
    torch.manual_seed(seed)
    network = predictor_network.Predictor(graph, [32, 16])
    for layer in [*network.hidden, network.output]:
        layer.weight.data += 0.1 * torch.randn_like(layer.weight)
        layer.bias.data += 0.3 * torch.randn_like(layer.bias)
    return network


def batch_of(graph, **facts):
    r = records(graph, **facts)
    x = predictor.inputs(r)
    samples = np.zeros(len(r), [("u", "u1", 60), ("e", "<i2", 46), *((k, "<i4") for k in ("b", "shift", "width", "target", "weight"))])
    for name in ("u", "e", "b", "shift", "width"):
        samples[name] = getattr(x, name)
    samples["target"] = r[:, predictor.Columns.TARGET]
    return x, predictor_network.tensors(samples)


def test_logarithms():
    assert predictor.ilog2([1, 2, 3, 4, 255, 256]).tolist() == [0, 1, 1, 2, 7, 8]
    # Exact at powers of two, linear between them.
    assert predictor.log8([1, 2, 3, 256, 257, 384]).tolist() == [0, 8, 12, 64, 64, 68]


@pytest.mark.parametrize("graph", predictor.GRAPHS)
def test_mirror_images_only_reorder_the_inputs(graph):
    r = records(graph)
    before = predictor.inputs(r)
    turns = predictor.turns(graph)
    assert len({tuple(t) for t in turns}) == (8 if graph.startswith("centre") else 4)
    for order in turns:
        image = r.copy()
        image[:, :46] = r[:, :46][:, order]
        after = predictor.inputs(image)
        columns = predictor.turned_inputs(graph, order)
        assert np.array_equal(after.u[:, :len(columns)], before.u[:, columns])
        assert np.array_equal(after.e, before.e[:, order])


@pytest.mark.parametrize("graph", predictor.GRAPHS)
def test_a_turned_network_is_the_network_of_the_turned_samples(graph):
    network, (_, batch), upright = trained(graph), batch_of(graph), list(range(predictor.DETAILS))
    for order in predictor.turns(graph):
        # The weights turn one way, which is the samples turning the other.
        back = np.argsort(order).tolist()
        image = dict(batch, e=batch["e"][:, back], u=batch["u"][:, predictor.turned_inputs(graph, back)])
        for turned, wanted in zip(network(batch, (order, 1), True), network(image, (upright, 1), True)):
            assert torch.allclose(turned, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("graph", predictor.GRAPHS)
def test_integers_are_the_network_that_was_trained(graph):
    network, (x, batch) = trained(graph), batch_of(graph)
    with torch.no_grad():
        correction, log_scale = network(batch, (list(range(46)), 1), True)
    found, classes = export_predictor.whole(network).run(x)
    bins = found / x.width
    wanted = correction.numpy()
    # Biases and filters' sums are rounded, so that single hidden units may fall to the other side.
    assert np.abs(bins - wanted).mean() < 0.01 * np.abs(wanted).mean() + 0.01
    scale = (4 * log_scale.numpy() / np.log(2) + predictor.ONE_BIN).clip(0, predictor.CLASSES - 1)
    assert np.abs(classes - scale).max() < 1.2


def test_a_grown_network_starts_as_the_smaller_one():
    small, large, (_, batch) = trained(GRAPH), predictor_network.Predictor(GRAPH, [48, 32]), batch_of(GRAPH)
    large.grow_from(small)
    upright = list(range(predictor.DETAILS)), 1
    for found, wanted in zip(large(batch, upright, False), small(batch, upright, False)):
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_lengths_scale():
    """A lattice twice as fine gives the same codes: twice the correction, the same class."""
    network = export_predictor.whole(trained(GRAPH))
    network.layers[0].weight[:, 31] = 0  # what tells the networks the width of a bin
    r = records(GRAPH, spread=3000)
    fine = r.copy()
    fine[:, :predictor.Columns.WIDTH + 1] *= 16
    (coarse_correction, coarse_class), (correction, classes) = (network.run(predictor.inputs(x)) for x in (r, fine))
    assert np.abs(correction / 16 - coarse_correction).mean() < 0.02 * np.abs(coarse_correction).mean()
    assert (np.abs(classes - coarse_class) <= 1).mean() > 0.95


@pytest.mark.parametrize("graph", ["right-alone-fine", GRAPH])
def test_exported_graph_is_the_reference(graph):
    runtime = pytest.importorskip("onnxruntime")
    network, (x, _) = export_predictor.whole(trained(graph)), batch_of(graph)
    model = onnx_graph.build(network.layers, graph)
    profile.check(model)
    codes = np.ascontiguousarray(x.u[:, :predictor.input_count(graph)].T)[None, :, None]
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": codes})
    sums = np.rint(y * 2.0**predictor.SCALE_BITS)
    assert np.array_equal(sums, integer.run(network.layers, codes))
    by_rows = codes[0, :, 0].T
    for layer in network.layers:
        by_rows = predictor.dense(layer, by_rows)
    assert np.array_equal(sums[0, :, 0].T, by_rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Samples of two fields."""
    path = tmp_path_factory.mktemp("samples")
    with open(path / "records", "wb") as file, open(path / "records.index", "w") as index:
        for seed, name in enumerate(("smooth@0.001", "rough@0.001")):
            parts = [records(g, seed=seed, spread=200 * (1 + 9 * seed)) for g in predictor.GRAPHS]
            np.concatenate(parts).tofile(file)
            index.write(f"{name} {sum(map(len, parts))} 123\n")
    Folder.write(path / "folder", [path / "records"], 300, 1)
    return Folder(path / "folder")


def test_samples_are_sorted_by_network(folder):
    for graph in predictor.GRAPHS:
        fields = folder.index[graph]
        assert [f["field"] for f in fields] == ["smooth@0.001", "rough@0.001"]
        assert [f["count"] for f in fields] == [300, 300] and len(folder.samples[graph]) == 600
        assert graph_numbers(records(graph)).tolist() == [predictor.GRAPHS.index(graph)] * 400
        assert all(0 < f["bits"] < 20 * f["points"] for f in fields)


def training(folder, rounds):
    args = train_predictor.arguments([str(folder), "unused.pt", "--fine", "16,16", "--coarse", "16,16", "--rounds", str(rounds)])
    run = train_predictor.Training(args, folder)
    return run, [sum(run.step().values()) for _ in range(rounds)]


def test_training_learns_and_repeats_itself(folder):
    run, losses = training(folder, 30)
    assert np.mean(losses[-5:]) < 0.95 * np.mean(losses[:5])
    again, repeated = training(folder, 30)
    assert losses == repeated
    wholes = {g: export_predictor.whole(n) for g, n in run.networks.items()}
    for bits, logistic, histogram in evaluate_predictor.evaluate(wholes, folder, evaluate_predictor.whole_codes).values():
        assert 0 < histogram and 0 < logistic < 2 * bits


def test_training_goes_on_where_it_stopped(folder):
    run, _ = training(folder, 4)
    state, rest = copy.deepcopy(run.state()), [sum(run.step().values()) for _ in range(2)]
    other, _ = training(folder, 4)
    other.step()
    other.resume(state)
    assert [sum(other.step().values()) for _ in range(2)] == rest


@pytest.mark.parametrize("model", SHIPPED, ids=lambda p: p.name)
def test_shipped_networks_see_what_is_there(model):
    """Corrections stay near the neighbours, and larger errors are expected where neighbours differ more."""
    for graph, network in evaluate_predictor.of_folder(model).items():
        expected = []
        for spread in (300, 3000, 30000):
            r = records(graph, spread=spread)
            correction, classes = network.run(predictor.inputs(r))
            extent = np.abs(r[:, predictor.Columns.DETAILS]).max(1)
            assert (np.abs(correction) <= 2 * extent + 256).mean() > 0.99
            expected.append(classes.mean())
        assert expected == sorted(expected)
