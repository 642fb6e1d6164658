"""Networks whose units lie in larger units, or have multipliers in common: graphs of them, and networks over them."""

import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from networks import SMALL, Elementwise, mlp, randomize
from networks_nested import NESTED, Last
from test_models import GRAPHS, INVARIANT, forward_error
from torch import nn
from torch_geometric.data import Batch

from wsgraph import to_graph, trace
from wsgraph.graph import EDGE_KINDS, NODE_FEATURES, links, topology
from wsgraph.graph.links import common_pieces
from wsgraph.nn import DualFlow, Forward, MonomialLayout, MonomialNFN, ScaleGMN
from wsgraph.nn.structure import structure
from wsgraph.space import Connection
from wsgraph.testing import (
    assert_equivariant,
    assert_function_preserved,
    assert_invariant,
    assert_roundtrip,
    assert_routes_agree,
    assert_sensitive,
    random_graphs,
)

TIGHT = {torch.float64: 1e-9, torch.float32: 1e-3}
CHANNELS = {family: 3 if family is MonomialNFN else 8 for family in INVARIANT}
RECURRENT = {"rnn", "gru", "lstm"}

families = pytest.mark.parametrize("family", CHANNELS)
both_forms = pytest.mark.parametrize("out_channels", [3, None])


def built(name):
    factory, shape = NESTED[name]
    model = randomize(factory().eval(), torch.Generator().manual_seed(0))
    return model, torch.randn(shape, generator=torch.Generator().manual_seed(1))


def traced(name):
    model, x = built(name)
    return trace(model, x)


@pytest.fixture(scope="module", params=NESTED)
def nested(request):
    return traced(request.param)


def law_of(family, out_channels):
    law = assert_invariant if out_channels else assert_equivariant
    return partial(law, scale="scales" in family.symmetries, tolerance=TIGHT)


def layer_named(space, name):
    return next(i for i, layer in enumerate(space.layers) if layer.name == name)


# ------------------------------------------------------------------------------------------------------------ the laws


@pytest.mark.parametrize("name", NESTED)
def test_the_function_stays_and_the_round_trip_is_exact(name):
    model, x = built(name)
    space = trace(model, x)
    assert_function_preserved(model, space, example_inputs=x)
    assert_roundtrip(model, space)


@both_forms
@families
def test_answers_stay(family, nested, out_channels):
    model = family(nested, CHANNELS[family], 2, out_channels=out_channels)
    law_of(family, out_channels)(model, random_graphs(nested, 3))


@both_forms
@pytest.mark.parametrize("family", GRAPHS)
def test_routes_agree(family, nested, out_channels):
    model = family(nested, 8, 2, out_channels=out_channels)
    assert_routes_agree(model, random_graphs(nested, 3), tolerance={torch.float64: 1e-10, torch.float32: 1e-4})


UNSEEN = {("one_key", 3), ("two_keys", 3), ("normed_heads", 3), ("normed_heads", None)}
"""Networks, and numbers of outputs, of which DualFlow does not notice all changes that are no symmetry."""


@both_forms
@pytest.mark.parametrize("name", [n for n in NESTED if n not in RECURRENT | {"weight_normed"}])
def test_dual_flow_notices_what_is_no_symmetry(name, out_channels, request):
    if (name, out_channels) in UNSEEN:
        reason = "products of states do not tell heads apart that share a key or a gain"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    space = traced(name)
    assert_sensitive(DualFlow(space, 8, 2, out_channels=out_channels), random_graphs(space, 3))


@both_forms
@pytest.mark.parametrize("name", ["transformer", "groups", "layer_norms", "rms_norms", "rms_norms_without_eps"])
def test_scale_gmn_notices_what_is_no_symmetry(name, out_channels):
    space = traced(name)
    assert_sensitive(ScaleGMN(space, 8, 3, out_channels=out_channels), random_graphs(space, 3))


@pytest.mark.parametrize("family", GRAPHS)
def test_a_batch_may_mix_nested_spaces(family):
    names = ("attention", "rnn", "rms_norms_without_eps")
    graphs = [random_graphs(traced(name), 1, dtype=torch.double)[0] for name in names]
    for out_channels in (3, None):
        model = family(traced("attention"), 8, 2, out_channels=out_channels).double()
        answers, alone = model(Batch.from_data_list(graphs)), [model(graph) for graph in graphs]
        got = answers if out_channels else answers.weights
        expected = torch.cat(alone if out_channels else [answer.weights for answer in alone])
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("name", [*NESTED, *SMALL])
def test_states_move_with_the_units(name, rng):
    space = traced(name) if name in NESTED else trace(SMALL[name][0]().eval(), torch.zeros(SMALL[name][1]))
    weights = random_graphs(space, 2, dtype=torch.double).weight_matrix
    states, g = Forward(space, 5).double(), space.random_symmetry(rng, batch_size=2)
    for layer, before, after in zip(space.layers, states(weights), states(g.act(weights)), strict=True):
        order, scale = g.orders[layer.group], g.scale_values(layer.scale, layer.group)
        expected = before.gather(1, order[..., None].expand(before.shape))
        expected = expected if scale is None else expected * scale[..., None]
        torch.testing.assert_close(after, expected, rtol=1e-8, atol=1e-10)


# ------------------------------------------------------------------------------------------------------ exact functions


@pytest.mark.parametrize(
    "middle",
    [
        lambda x: x - x.amax(-1, keepdim=True) / 2 + x.mean(-1, keepdim=True),
        lambda x: x * x.sum(-1, keepdim=True),
        lambda x: x / (1 + x.square().mean(-1, keepdim=True)).sqrt(),
        lambda x: x.unflatten(-1, (2, -1)).amax(1).repeat(1, 2),
    ],
)
def test_forward_runs_reductions_over_units(middle, rng):
    model = mlp(Elementwise(middle))
    assert forward_error(model, torch.randn(7, 3, generator=rng, dtype=torch.double)) < 1e-12


def test_forward_runs_bilinear_layers(rng):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(3, 4), nn.Linear(3, 5)
            self.form, self.head = nn.Bilinear(4, 5, 6), nn.Linear(6, 2)

        def forward(self, x):
            return self.head(torch.tanh(self.form(torch.relu(self.left(x)), torch.relu(self.right(x)))))

    assert forward_error(Twice(), torch.randn(7, 3, generator=rng, dtype=torch.double)) < 1e-12


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
def test_forward_runs_one_step_of_a_recurrent_layer(cell, rng):
    x = torch.randn(7, 1, 3, generator=rng, dtype=torch.double)
    assert forward_error(Last(cell(3, 5, batch_first=True), 5), x, x[:, 0]) < 1e-12


def with_steps(name):
    """The space of a recurrent network in which the state enters the next step."""
    space = traced(name)
    states = [i for i, layer in enumerate(space.layers) if layer.operator == "data"]
    last = {layer.group: i for i, layer in enumerate(space.layers)}
    after = [(i, last[space.layers[i].group] - n % len(STATES[name])) for n, i in enumerate(states)]
    return replace(space, connections=(*space.connections, *(Connection("operand", i, j) for i, j in after)))


STATES = {"rnn": ("h",), "gru": ("h",), "lstm": ("h", "c")}


@both_forms
@pytest.mark.parametrize("name", STATES)
def test_states_that_enter_the_next_step_are_seen(name, out_channels):
    space = with_steps(name)
    for family in CHANNELS:
        model = family(space, CHANNELS[family], 2, out_channels=out_channels)
        law_of(family, out_channels)(model, random_graphs(space, 2))
    assert_sensitive(DualFlow(space, 8, 2, out_channels=out_channels), random_graphs(space, 3))


# ----------------------------------------------------------------------------------------------------------- the graphs


@pytest.mark.parametrize("name", NESTED)
def test_edges_are_counted_without_making_them(name):
    graph = to_graph(built(name)[0], traced(name))
    expected = graph.num_edges
    assert graph.edge_index.shape == (2, expected)
    assert len(graph.edge_attr) == len(graph.edge_type) == len(graph.edge_offset) == expected
    assert torch.equal(graph.edge_index[1], graph.edge_index[1].sort().values)
    assert graph.edge_index.min() >= 0
    assert graph.edge_index.max() < graph.num_nodes


def test_looking_at_a_graph_makes_no_edges(monkeypatch):
    model, space = mlp(nn.ReLU(), (11, 12, 13)), trace(mlp(nn.ReLU(), (11, 12, 13)))

    def never(*_):
        raise AssertionError("the edges were made")

    monkeypatch.setattr(sys.modules["wsgraph.graph.topology"], "_edges", never)
    graph = to_graph(model, space)
    assert repr(graph) == "NeuronGraph(36 nodes, 288 edges, 313 weights)"
    assert (len(graph), graph.num_edges, len(graph.x), len(graph.node_type)) == (4, 288, 36, 36)
    stored = sum(v.numel() * v.element_size() for v in graph.to_dict().values() if isinstance(v, torch.Tensor))
    assert stored == 4 * 313
    with pytest.raises(AssertionError, match="the edges were made"):
        _ = graph.edge_index


def test_edges_of_large_graphs_are_not_kept(monkeypatch):
    monkeypatch.setattr(sys.modules["wsgraph.graph.topology"], "MAX_KEPT_EDGES", 10)
    form = topology(trace(mlp(nn.ReLU(), (3, 7, 5))))
    assert form.edges is not form.edges
    assert torch.equal(form.edges.index, form.edges.index)
    small = topology(trace(mlp(nn.ReLU(), (2, 3, 1))))
    assert small.edges is small.edges


def test_units_meet_the_larger_units_that_they_are_parts_of():
    graph = to_graph(built("attention")[0], traced("attention"))
    space, layers = graph.space, graph.node_layer
    scores = next(i for i, layer in enumerate(space.layers) if layer.operator == "product")
    sources, targets = graph.edge_index
    for head in range(2):
        entering = sources[targets == space.node_offsets[scores] + head]
        assert len(entering) == 6  # queries and keys of one head
        places = entering - torch.tensor(space.node_offsets)[layers[entering]]
        assert sorted(places.tolist()) == sorted(2 * [3 * head, 3 * head + 1, 3 * head + 2])
    values = next(i for i, layer in enumerate(space.layers) if layer.operator == "product" and i > scores)
    for unit in range(6):
        entering = sources[targets == space.node_offsets[values] + unit]
        assert entering[layers[entering] == scores].tolist() == [space.node_offsets[scores] + unit // 3]


def test_grouped_convolutions_are_blocks_on_the_diagonal():
    model, space = built("groups")[0], traced("groups")
    graph, state = to_graph(model, space), model.state_dict()
    target = layer_named(space, "2")
    (link,) = (link for link in links(space) if link.target == target)
    assert (link.pieces, link.targets, link.sources, link.kernel) == (2, 4, 3, 9)
    here = graph.node_layer[graph.edge_index[1]] == target
    assert int(here.sum()) == 2 * 4 * 3
    first = space.node_offsets
    for (source, unit), numbers in zip(graph.edge_index[:, here].T.tolist(), graph.edge_attr[here], strict=True):
        row, column = unit - first[target], source - first[link.source]
        assert row // 4 == column // 3
        assert torch.equal(numbers, state["2.weight"][row, column % 3].reshape(-1))


def test_computed_weights_show_their_parts():
    model, space = built("weight_normed")[0], traced("weight_normed")
    graph, state = to_graph(model, space), model.state_dict()
    kinds = [EDGE_KINDS[kind] for kind in graph.edge_type.tolist()]
    parts = graph.edge_attr[torch.tensor([kind == "part" for kind in kinds])]
    direction, length = (state[f"2.parametrizations.weight.original{i}"] for i in (1, 0))
    assert sorted(parts[:, 0].tolist()) == sorted(direction.reshape(-1).tolist())
    column = graph.x[:, NODE_FEATURES.index("part")]
    assert column[graph.node_layer == layer_named(space, "2")].tolist() == length[:, 0].tolist()
    assert {e["kind"] for *_, e in graph.to_networkx().edges(data=True)} == {"weight", "part"}


def test_pieces_in_which_groups_meet():
    space = traced("attention")
    heads = next(g for g in range(len(space.groups)) if any(h.parent == g for h in space.groups))
    parts = [i for i, group in enumerate(space.groups) if heads in (i, group.parent) and group.size == 6]
    stream, inputs = space.layers[1].group, space.layers[0].group
    for part in parts:
        assert common_pieces(space, part, part) == 6
        assert common_pieces(space, part, heads) == common_pieces(space, heads, part) == 2
        assert common_pieces(space, part, stream) == common_pieces(space, inputs, part) == 1
    still = trace(nn.Linear(4, 6))
    assert common_pieces(still, 0, 1) == 2  # units that stay meet those at the same place


# ------------------------------------------------------------------------------------------------------------- flows


def test_what_flows_do_not_take_off():
    space = traced("rms_norms_without_eps")
    norms = [i for i, layer in enumerate(space.layers) if layer.operator == "rms_norm"]
    found = [(flow.magnitude, flow.sign) for i in norms for flow in structure(space).flows[i]]
    assert found == [(True, False)] * len(norms)  # a common magnitude of the stream, and signs of its units
    space = traced("attention")
    scores, values = (i for i, layer in enumerate(space.layers) if layer.operator == "product")
    flows = structure(space).flows
    assert [(flow.magnitude, flow.sign) for flow in flows[scores]] == [(True, True)] * 2
    assert [(flow.link.source != scores, flow.magnitude) for flow in flows[values]] == [(True, False)]


def test_blocks_of_pieces_are_positions_of_their_own():
    space = traced("groups")
    layout = MonomialLayout(space)
    (kind,) = (k for k in layout.kinds if [space.blocks[i].tensor for i in k.blocks] == ["2.weight"])
    assert (kind.sizes, kind.channels) == ((2, 4, 3), 9)
    weights = random_graphs(space, 2).weight_matrix
    assert torch.equal(layout.scatter(layout.gather(weights), weights), weights)


def test_states_of_recurrent_layers_start_from_zero():
    space = traced("rnn")
    state = next(i for i, layer in enumerate(space.layers) if layer.operator == "data")
    assert not structure(space).fixed[state]
    assert not Forward(space, 4)(random_graphs(space, 2).weight_matrix)[state].any()
