"""Half turns before sines: taken off the weights before a model sees them, and put back on what it returns."""

from dataclasses import replace

import pytest
import torch
from networks import mlp, randomize, siren
from test_models import INVARIANT
from torch import nn
from torch_geometric.data import Batch

from wsgraph import to_graphs, to_state_dict, trace
from wsgraph.nn import FlatMLP, ScaleGMN
from wsgraph.nn.phases import half_turns, inverse, parity, turned, with_turns, without_turns
from wsgraph.testing import assert_equivariant, assert_invariant, random_graphs


@pytest.fixture(scope="module")
def space():
    return trace(siren((2, 6, 5, 1), omega=3.0))


def far_turned(space, weights, rng):
    """The weights after up to a hundred half turns of every unit, and these turns."""
    turns = [torch.randint(-100, 101, (len(weights), space.groups[c.group].size), generator=rng) for c in space.phases]
    g = replace(space.random_symmetry(rng, permute=False, scale=False), turns=tuple(k.double() for k in turns))
    return g.act(weights), [k.double() for k in turns]


def test_biases_come_within_half_a_period_of_zero(space, rng):
    weights, _ = far_turned(space, random_graphs(space, 4, dtype=torch.double).weight_matrix, rng)
    near = turned(space, weights, half_turns(space, weights))
    biases = [i for i, block in enumerate(space.blocks) if block.turns is not None]
    assert len(biases) == 2
    for i in biases:
        period = space.phases[space.blocks[i].turns].period
        assert space.block_view(weights, i).abs().max() > 10 * period
        assert space.block_view(near, i).abs().max() <= period / 2


def test_the_function_stays(space, rng):
    models = [randomize(siren((2, 6, 5, 1), omega=3.0), torch.Generator().manual_seed(i)).double() for i in range(3)]
    graphs, x = to_graphs([m.state_dict() for m in models], space), torch.randn(9, 2, generator=rng, dtype=torch.double)
    states = to_state_dict(without_turns(graphs)[0])
    assert not torch.equal(states["hidden.0.bias"], to_state_dict(graphs)["hidden.0.bias"])
    for i, model in enumerate(models):
        before = model(x)
        model.load_state_dict({name: tensor[i] for name, tensor in states.items()})
        torch.testing.assert_close(model(x), before, rtol=1e-10, atol=1e-12)


def test_turned_weights_are_those_of_the_symmetry(space, rng):
    weights = random_graphs(space, 4, dtype=torch.double).weight_matrix
    far, turns = far_turned(space, weights, rng)
    torch.testing.assert_close(turned(space, weights, turns), far, rtol=1e-13, atol=1e-13)
    (back,) = inverse([turns])
    torch.testing.assert_close(turned(space, far, back), weights, rtol=1e-11, atol=1e-11)


def test_what_half_turns_alone_tell_apart_is_one(space, rng):
    weights = random_graphs(space, 4, dtype=torch.double).weight_matrix
    far, _ = far_turned(space, weights, rng)
    first, second = (turned(space, w, half_turns(space, w)) for w in (weights, far))
    torch.testing.assert_close(first, second, rtol=1e-11, atol=1e-11)
    assert not any(bool(k.any()) for k in half_turns(space, first))


def test_graphs_come_back(space):
    graphs = random_graphs(space, 3, dtype=torch.double)
    graphs.weights = 5 * graphs.weights
    near, turns = without_turns(graphs)
    assert not torch.allclose(near.weights, graphs.weights)
    torch.testing.assert_close(with_turns(near, inverse(turns)).weights, graphs.weights)


def test_a_batch_of_several_spaces(space):
    other = trace(mlp(nn.Tanh(), (2, 3, 1)))
    graphs = [random_graphs(s, 2, dtype=torch.double)[0] for s in (space, other, space)]
    near, turns = without_turns(Batch.from_data_list(graphs))
    assert [len(k) for k in turns] == [2, 0, 2]
    singles = [without_turns(graph)[0].weights for graph in graphs]
    assert torch.equal(near.weights, torch.cat(singles))


def test_spaces_without_phases_cost_nothing():
    graphs = random_graphs(trace(mlp(nn.Tanh())), 2)
    near, turns = without_turns(graphs)
    assert near is graphs
    assert turns == [[]]


def test_weights_are_differentiable(space):
    weights = (5 * random_graphs(space, 2, dtype=torch.double).weight_matrix).requires_grad_()
    turns = half_turns(space, weights)
    (gradient,) = torch.autograd.grad(turned(space, weights, turns).sum(), weights)
    assert set(gradient.unique().tolist()) == {-1.0, 1.0}
    for i, block in enumerate(space.blocks):
        expected = parity(turns[block.turns]) if block.turns is not None else 1
        if len(block.axes) == 1:
            assert (space.block_view(gradient, i) == expected).all()


@pytest.mark.parametrize("family", INVARIANT)
def test_models_do_not_see_far_turns(family, space, rng):
    graphs = random_graphs(space, 3, dtype=torch.double)
    far, turns = far_turned(space, graphs.weight_matrix, rng)
    moved = random_graphs(space, 3, dtype=torch.double)
    moved.weights = far.reshape(-1)
    model = family(space, 4, 2, out_channels=3).double()
    torch.testing.assert_close(model(moved), model(graphs), rtol=1e-9, atol=1e-11)
    model = family(space, 4, 2).double()
    expected = turned(space, model(graphs).weight_matrix, turns)
    torch.testing.assert_close(model(moved).weight_matrix, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("route", ["dense", "sparse"])
def test_both_routes_take_turns_off(route, space):
    class Route(ScaleGMN):
        def forward(self, graphs):
            return getattr(self, route)(graphs)

    assert_invariant(Route(space, 4, 2, out_channels=3), random_graphs(space, 3))
    assert_equivariant(Route(space, 4, 2), random_graphs(space, 3))


def test_the_baseline_sees_turns(space, rng):
    graphs = random_graphs(space, 3)
    near, _ = without_turns(graphs)
    graphs.weights = far_turned(space, graphs.weight_matrix.double(), rng)[0].float().reshape(-1)
    model = FlatMLP(space, 4, 1, out_channels=2)
    assert not torch.allclose(model(graphs), model(near))
