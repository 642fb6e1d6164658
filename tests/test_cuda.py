"""On a GPU: the same space, symmetries drawn there, and the same answers as on the CPU."""

import pytest
import torch
from model_list import build
from networks import SMALL
from test_models import INVARIANT
from torch import nn

from wsgraph import NeuronGraph, Symmetry, to_graph, to_state_dict, trace, transforms, verify
from wsgraph.testing import assert_equivariant, assert_function_preserved, assert_invariant, random_graphs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

KNOWN = ["plain/vit", "plain/unet", "plain/gpt", "plain/bidirectional_gru"]
NETWORKS = ["mlp", "siren", "cnn", "pre_activation_resnet", "grouped_cnn", "SqueezeExcite", "TiedAutoencoder"]


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator("cuda").manual_seed(0)


def small(name: str) -> tuple[nn.Module, torch.Tensor]:
    factory, shape = SMALL[name]
    return factory().eval(), torch.randn(shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_trace_finds_the_same_there(name):
    model, x = small(name)
    space = trace(model, x)
    assert trace(model.cuda(), x.cuda()) == space
    assert_function_preserved(model, space, example_inputs=x.cuda())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KNOWN)
def test_known_networks_are_verified_there(name):
    model, inputs = build(name)
    inputs = {k: v.cuda() for k, v in inputs.items()} if isinstance(inputs, dict) else tuple(v.cuda() for v in inputs)
    assert verify(model.cuda(), example_inputs=inputs) < 1e-9


@pytest.mark.parametrize("name", NETWORKS)
def test_symmetries_are_drawn_where_the_generator_is(name, generator):
    model, x = small(name)
    space = trace(model, x)
    g = space.random_symmetry(generator, linear=True, batch_size=3)
    assert all(t.is_cuda for t in (*g.orders, *g.multipliers, *g.turns, *(m for m in g.matrices if m is not None)))
    weights = torch.randn(3, space.num_weights, device="cuda", dtype=torch.double)
    there, here = g.act(weights), on_cpu(g).act(weights.cpu())
    torch.testing.assert_close(there.cpu(), here, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close((g.inverse() @ g).act(weights), weights, rtol=1e-9, atol=1e-9)


def on_cpu(g: Symmetry) -> Symmetry:
    matrices = tuple(None if m is None else m.cpu() for m in g.matrices)
    return Symmetry(g.space, *(tuple(t.cpu() for t in kind) for kind in (g.orders, g.multipliers, g.turns)), matrices)


@pytest.mark.parametrize("name", NETWORKS)
def test_round_trips_and_canonical_forms(name, generator):
    model, x = small(name)
    state, space = model.cuda().state_dict(), trace(model, x.cuda())
    back = to_state_dict(to_graph(state, space))
    assert all(torch.equal(back[key], state[key]) and back[key].is_cuda for key in state)
    double = model.double().state_dict()
    form, other = space.canonicalize(double), space.canonicalize(space.random_symmetry(generator)(double))
    for key, tensor in form.items():
        assert tensor.is_cuda
        torch.testing.assert_close(other[key], tensor, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("route", ["forward", "sparse"])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("family", INVARIANT)
def test_answers_are_those_of_the_cpu(name, family, route):
    model, x = small(name)
    graphs = random_graphs(trace(model, x), 4, dtype=torch.double)
    net = family(graphs.spaces[0], 4, 2, out_channels=3).double().eval()
    if not hasattr(net, route):
        pytest.skip(f"{family.__name__} has no {route} route")
    here = getattr(net, route)(graphs)
    there = getattr(net.cuda(), route)(graphs.cuda())
    torch.testing.assert_close(there.cpu(), here, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("family", INVARIANT)
def test_laws_hold_there(family):
    model, x = small("cnn")
    graphs = random_graphs(trace(model, x), 3).cuda()
    scale = "scales" in family.symmetries
    assert_invariant(family(graphs.spaces[0], 4, 2, out_channels=3).cuda(), graphs, scale=scale)
    assert_equivariant(family(graphs.spaces[0], 4, 2, out_channels=None).cuda(), graphs, scale=scale)


def test_transforms_stay_there(generator):
    model, x = small("siren")
    graphs = random_graphs(trace(model, x), 3).cuda()
    for transform in (
        transforms.RandomSymmetry(generator=generator),
        transforms.InputAffine(rotation=10.0, generator=generator),
        transforms.OutputAffine(scale=(0.5, 2.0), generator=generator),
        transforms.WeightNoise(0.1, generator=generator),
        transforms.DropWeights(0.5, generator=generator),
        transforms.Normalize(graphs),
        transforms.Canonicalize(),
    ):
        moved = transform(graphs)
        assert isinstance(moved, NeuronGraph)
        assert moved.weights.is_cuda
        assert bool(moved.weights.isfinite().all())
        assert not torch.equal(moved.weights, graphs.weights)
