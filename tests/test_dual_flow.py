"""DualFlow: contravariant states, rounds, other widths, compiled."""

from functools import partial

import pytest
import torch
from networks import SMALL, mlp, randomize
from torch import nn
from torch_geometric.data import Batch

from wsgraph import WSGraphError, to_graph, trace
from wsgraph.nn import DualFlow, Forward, OuterUpdate, dual_states
from wsgraph.nn.dual_states import leading_to
from wsgraph.nn.plan import plan_of
from wsgraph.testing import assert_equivariant, assert_invariant, assert_sensitive, random_graphs

TIGHT = {torch.float64: 1e-10, torch.float32: 1e-4}
both_forms = pytest.mark.parametrize("out_channels", [3, None])


def traced(name):
    factory, shape = SMALL[name]
    return trace(factory().eval(), torch.zeros(shape))


def outputs_of(space):
    return [i for i, layer in enumerate(space.layers) if layer.output]


# ------------------------------------------------------------------------------------------------ contravariant states


@pytest.mark.parametrize("name", ["mlp", "siren", "residual_mlp", "MixedActivations", "InputSkip", "layer_norm_mlp"])
def test_states_at_the_inputs_are_gradients_of_the_network(name, rng):
    """With one channel for each point, q of the input is the vector-Jacobian product of the seeds at this point."""
    factory, shape = SMALL[name]
    points = torch.randn(5, shape[-1], generator=rng, dtype=torch.double, requires_grad=True)
    model = randomize(factory().double().eval(), torch.Generator().manual_seed(3))
    space = trace(model, points.detach())
    flow = Forward(space, len(points)).double()
    (place,) = flow.inputs
    with torch.no_grad():
        flow.inputs[place].copy_(points.T)
    answer = model(points)
    seeds = torch.randn(answer.shape, generator=rng, dtype=torch.double)
    (expected,) = torch.autograd.grad((seeds * answer).sum(), points)
    (output,) = outputs_of(space)
    _, q = dual_states(flow, to_graph(model, space).weights[None], {output: seeds.T}, [int(place)])
    torch.testing.assert_close(q[int(place)][0].T, expected, rtol=1e-10, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("name", ["mlp", "siren", "cnn", "residual_mlp"])
def test_products_of_dual_states_are_invariant_and_factors_are_not(name, rng):
    space = traced(name)
    weights = random_graphs(space, 2, dtype=torch.double).weight_matrix
    flow, layers = Forward(space, 4).double(), range(len(space.layers))
    seeds = {o: torch.randn(space.size(o), 4, generator=rng, dtype=torch.double) for o in outputs_of(space)}
    moved = space.random_symmetry(rng, permute=False).act(weights)
    (p, q), (p_moved, q_moved) = (dual_states(flow, w, seeds, layers) for w in (weights, moved))
    for i in layers:
        torch.testing.assert_close(p_moved[i] * q_moved[i], p[i] * q[i], rtol=1e-9, atol=1e-12)
    assert any(float((p_moved[i] - p[i]).abs().max()) > 1e-3 for i in layers)
    assert any(float((q_moved[i] - q[i]).abs().max()) > 1e-3 for i in layers)


def test_states_go_on_from_a_layer_multiplied_by_its_gains(rng):
    space = traced("mlp")
    weights, flow = random_graphs(space, 2).weight_matrix, Forward(space, 4)
    plain, half = flow(weights), flow(weights, gains={1: torch.full((2, space.size(1), 4), 0.5)})
    torch.testing.assert_close(half[1], plain[1] / 2)
    assert not torch.allclose(half[-1], plain[-1])


def test_layers_that_lead_to_an_output():
    space = traced("mlp")
    (output,) = outputs_of(space)
    assert leading_to(space, [output]) == tuple(range(len(space.layers)))
    assert leading_to(space, []) == ()


# ------------------------------------------------------------------------------------------------------------ options


@both_forms
@pytest.mark.parametrize("options", [{"num_rounds": 2}, {"backward": False}], ids=str)
@pytest.mark.parametrize("name", ["siren", "cnn", "residual_mlp"])
def test_every_form_keeps_the_laws(name, options, out_channels):
    space = traced(name)
    model, graphs = DualFlow(space, 8, 2, out_channels=out_channels, **options), random_graphs(space, 3)
    tolerance = {torch.float64: 1e-10, torch.float32: 1e-3}  # sin 30 z enlarges rounding, twice in two rounds
    law = partial(assert_invariant if out_channels else assert_equivariant, max_scale=100, tolerance=tolerance)
    law(model, graphs, num_samples=1)
    assert_sensitive(model, graphs, max_changes=8)


@both_forms
def test_gradients_reach_every_parameter_of_two_rounds(out_channels):
    space = traced("siren")
    model = DualFlow(space, 8, 2, out_channels=out_channels, num_rounds=2)
    answer = model(random_graphs(space, 4))
    (answer if out_channels else answer.weights).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_probing_has_no_backward_states():
    model = DualFlow(traced("siren"), 8, 2, out_channels=3, backward=False)
    assert len(model.seeds) == 0
    assert model.at_inputs is None
    assert all(head.backward_map is None for heads in model.rounds for head in heads.values())


def test_no_rounds_are_refused():
    with pytest.raises(WSGraphError, match=r"num_rounds must be at least 1, got 0\."):
        DualFlow(traced("siren"), 8, 2, num_rounds=0)


def test_outer_update_adds_outer_products():
    space = trace(mlp(nn.Tanh(), (2, 3, 2, 1)))
    update, sizes = OuterUpdate(space, 4, [0, 1]), [space.size(i) for i in range(len(space.layers))]
    p, q = ([torch.randn(2, n, 4) for n in sizes] for _ in range(2))
    change = update(torch.zeros(2, space.num_weights), p, dict(enumerate(q)), plan_of(space))
    (factor,) = update.factors["1_0"]
    expected = torch.einsum("btc,bsc,c->bts", p[1], q[0], factor) / 2
    names = [block.tensor for block in space.blocks]
    torch.testing.assert_close(space.block_view(change, names.index("0.weight")), expected)
    assert not space.block_view(change, names.index("0.bias")).any()
    assert not space.block_view(change, names.index("4.weight")).any()
    assert "channels=4" in repr(update)


# ------------------------------------------------------------------------------------------------------- other widths


def chain(*sizes):
    return trace(mlp(nn.Tanh(), sizes))


@both_forms
def test_networks_of_other_widths(out_channels):
    narrow, wide = chain(2, 4, 5, 1), chain(2, 9, 7, 1)
    model = DualFlow(narrow, 8, 2, out_channels=out_channels).double()
    own, others = (random_graphs(space, 2, dtype=torch.double) for space in (narrow, wide))
    graphs = Batch.from_data_list([others[0], own[0], others[1], own[1]])
    answer, alone = model(graphs), [model(g) for g in (others[0], own[0], others[1], own[1])]
    got = answer if out_channels else answer.weights
    expected = torch.cat(alone if out_channels else [a.weights for a in alone])
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)
    law = partial(assert_invariant if out_channels else assert_equivariant, max_scale=100, tolerance=TIGHT)
    law(model, graphs, num_samples=1)


def test_convolutions_of_other_widths():
    def cnn(width):
        body = [nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return trace(nn.Sequential(*body, nn.Linear(width, 3)).eval(), torch.zeros(2, 1, 6, 6))

    model = DualFlow(cnn(4), 8, 2, out_channels=3)
    assert_invariant(model, random_graphs(cnn(9), 3), max_scale=100, tolerance=TIGHT)


@torch.no_grad()
def test_doubled_networks_have_the_states_of_the_single_ones():
    """Every hidden unit twice, with half the weight to the outputs: p and the sum of q of the two are the same."""
    narrow, wide = chain(2, 4, 1), chain(2, 8, 1)
    weights = random_graphs(narrow, 3, dtype=torch.double).weight_matrix
    state = narrow.unflatten(weights)
    double = {n: torch.cat([t, t], dim=1) if n.startswith("0") else t for n, t in state.items()}
    double["2.weight"] = torch.cat([state["2.weight"]] * 2, dim=2) / 2
    model = DualFlow(narrow, 8, 2, out_channels=3, backward=False).double()
    (own,), (other,) = ((random_graphs(s, 1, dtype=torch.double),) for s in (narrow, wide))
    own.weights, other.weights = weights[:1].reshape(-1), wide.flatten(double)[0][:1].reshape(-1)
    torch.testing.assert_close(model(other), model(own))


# ----------------------------------------------------------------------------------------------------------- compiling


@both_forms
@pytest.mark.parametrize("name", ["siren", "cnn", "residual_mlp"])
def test_compiles_as_one_graph(name, out_channels):
    space = traced(name)
    model, weights = DualFlow(space, 4, 2, out_channels=out_channels).eval(), random_graphs(space, 3).weight_matrix
    torch._dynamo.reset()
    run = model._invariant if out_channels else model._updated_weights
    answer = torch.compile(run, fullgraph=True, backend="eager")(weights)
    torch.testing.assert_close(answer, run(weights))
    answer.square().sum().backward()
    assert all(p.grad is not None for p in model.states.parameters())


@both_forms
def test_runs_in_mixed_precision(out_channels):
    space = traced("siren")
    model, graphs = DualFlow(space, 8, 2, out_channels=out_channels), random_graphs(space, 3, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        answer = model(graphs)
    answer = answer if out_channels else answer.weights
    assert bool(torch.isfinite(answer).all())
    answer.float().square().sum().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters())
