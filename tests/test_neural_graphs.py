"""The graph families that know permutations only: their options, and slow twins of their layers."""

import pytest
import torch
import torch.nn.functional as F
from networks import SMALL, mlp, siren
from test_models import law_of, without_gradient
from torch import nn
from torch_geometric.data import Batch

from wsgraph import SpaceError, WSGraphError, trace
from wsgraph.nn import (
    EdgeUpdate,
    GlobalNode,
    GraphMetanetwork,
    MetanetworkConv,
    NeuralGraphConv,
    NeuralGraphGNN,
    NeuralGraphTransformer,
    PartPool,
    RelationalAttention,
    ScaleGMN,
    SparseWiring,
)
from wsgraph.nn.units import PARTS, batch_units
from wsgraph.nn.wiring import SOURCE, TARGET, degrees
from wsgraph.nn.wiring.wires import wire_edges
from wsgraph.testing import assert_invariant, assert_routes_agree, random_graphs
from wsgraph.transforms import Canonicalize

FAMILIES = [NeuralGraphGNN, NeuralGraphTransformer, GraphMetanetwork]
OPTIONS = {
    "probes": {"probes": 3},
    "global node": {"global_node": True},
    "sum": {"pool": "sum"},
    "attention": {"pool": "attention"},
    "no activations": {"activations": False},
    "one way": {"bidirectional": False, "global_node": False},
    "both ways": {"bidirectional": True, "probes": 2, "pool": "attention"},
}

families = pytest.mark.parametrize("family", FAMILIES)


def traced(name):
    factory, shape = SMALL[name]
    return trace(factory().eval(), torch.zeros(shape))


# ------------------------------------------------------------------------------------------------------------- options


@families
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", ["siren", "cnn"])
def test_options_keep_the_laws(family, options, name):
    space = traced(name)
    for out_channels in (3, None):
        model, graphs = family(space, 8, 2, out_channels=out_channels, **options), random_graphs(space, 3)
        law_of(family, out_channels)(model, graphs, num_samples=1)
        assert_routes_agree(model, graphs, tolerance={torch.float64: 1e-10, torch.float32: 1e-5})


@families
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gradients_reach_the_parameters_of_options(family, options):
    space = traced("mlp")
    assert without_gradient(family(space, 8, 2, out_channels=3, **options), space) == []


@families
def test_networks_in_canonical_form_are_told_apart_by_nothing_else(family):
    space = traced("mlp")
    model = family(space, 8, 2, out_channels=3)

    class Prepared(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, graphs):
            return self.model(Canonicalize()(graphs))

    assert_invariant(Prepared(), random_graphs(space, 3), tolerance={torch.float64: 1e-8})


@families
def test_probes_run_the_networks_themselves(family):
    """Probes see networks of other spaces, and normalised models see the answers of the true weights."""
    space, other = traced("siren"), trace(siren((2, 5, 1)))
    own, foreign = random_graphs(space, 2, dtype=torch.double), random_graphs(other, 1, dtype=torch.double)
    model = family(space, 8, 2, out_channels=3, probes=4).double()
    mixed = model(Batch.from_data_list([own[0], foreign[0], own[1]]))
    torch.testing.assert_close(mixed[[0, 2]], model.dense(own), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(mixed[1:2], model(foreign), rtol=1e-10, atol=1e-12)
    before = model.probes(space, model._true(space, own.weight_matrix))
    model.normalize_by(own)
    divided = model._resized(own, -1).weight_matrix
    assert not torch.allclose(divided, own.weight_matrix)
    torch.testing.assert_close(model.probes(space, model._true(space, divided)), before)


def test_probes_refuse_other_inputs():
    model = NeuralGraphGNN(traced("mlp"), 8, 2, out_channels=3, probes=4)
    with pytest.raises(SpaceError, match=r"probes were made for inputs .* Use a model without probes"):
        model(random_graphs(trace(mlp(nn.ReLU(), (2, 4, 2))), 2))


def test_activations_are_seen():
    graphs = [random_graphs(trace(mlp(f, (3, 4, 2))), 2) for f in (nn.SiLU(), nn.GELU())]
    for activations in (True, False):
        model = GraphMetanetwork(graphs[0].spaces[0], 8, 2, out_channels=3, activations=activations)
        same = torch.allclose(model.sparse(graphs[0]), model.sparse(graphs[1]), atol=1e-6)
        assert same is not activations


@pytest.mark.parametrize(
    ("family", "options", "words"),
    [
        (NeuralGraphTransformer, {"heads": 3}, "hidden_channels must be a multiple of heads, got 8 and 3"),
        (NeuralGraphGNN, {"pool": "median"}, "pool must be one of mean, sum, attention, got 'median'"),
        (GraphMetanetwork, {"probes": -1}, "probes must be at least 0, got -1"),
    ],
)
def test_wrong_options_are_refused(family, options, words):
    with pytest.raises(WSGraphError, match=words):
        family(traced("mlp"), 8, 2, out_channels=3, **options)


def test_the_declared_symmetries():
    assert ScaleGMN.symmetries == {"permutations", "scales"}
    assert all(family.symmetries == {"permutations"} for family in FAMILIES)


# ------------------------------------------------------------------------------------------------------------- readout


@torch.no_grad()
@pytest.mark.parametrize("pool", ["mean", "sum", "attention"])
def test_part_pool_is_its_formula(pool, rng):
    space = traced("siren")
    graphs = random_graphs(space, 2)
    layer = PartPool(4, pool, scales=False).double()
    x, units = torch.randn(2, space.num_nodes, 4, generator=rng, dtype=torch.double), batch_units(graphs)
    part, expected = units.part[: space.num_nodes], []
    for number in PARTS:
        z = layer.nets[number](x[:, part == number], False, False)
        if pool == "attention":
            z = z * layer.scores[number](z).exp() / layer.scores[number](z).exp().sum(1, keepdim=True)
        expected.append(z.mean(1) if pool == "mean" else z.sum(1))
    nodes = list(x.split([space.size(i) for i in range(len(space.layers))], dim=1))
    batch = torch.arange(2).repeat_interleave(space.num_nodes)
    for got in (layer.dense(space, nodes), layer.sparse(x.flatten(0, 1), units, batch, 2)):
        torch.testing.assert_close(got, torch.cat(expected, 1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("pool", ["mean", "sum", "attention"])
def test_parts_without_units_are_zeros(pool):
    units, layer = batch_units(random_graphs(traced("mlp"), 2)), PartPool(4, pool)
    hidden = units.part == 0
    units.part[hidden] = 1
    found = layer.sparse(torch.randn(len(hidden), 4), units, torch.arange(2).repeat_interleave(len(hidden) // 2), 2)
    assert not found[:, :4].any()
    assert found[:, 4:].any()


# --------------------------------------------------------------------------------------------------------------- twins


@pytest.fixture
def twin_inputs(rng):
    """Two networks as one sparse graph, random features, and lists of the edges at either end of each node."""
    space = traced("InputSkip")
    wiring = SparseWiring(random_graphs(space, 2, dtype=torch.double), False)
    x, e = (torch.randn(n, 4, generator=rng, dtype=torch.double) for n in (len(wiring.layer), wiring.index.shape[1]))
    return wiring, x, e


def edges_at(wiring, end, node):
    return (wiring.index[end] == node).nonzero()[:, 0].tolist()


def edge_change(update, wiring, x, e):
    source, target = x[wiring.index[SOURCE]], x[wiring.index[TARGET]]
    return update.out(F.silu(update.edge(e) + update.source(source) + update.target(target)))


@torch.no_grad()
def test_neural_graph_conv_equals_a_loop(twin_inputs):
    wiring, x, e = twin_inputs
    space = wiring.graphs.spaces[0]
    conv = NeuralGraphConv(space, 4, bidirectional=True).double()
    nodes, (edges,) = conv(wiring, x, [e])
    rows = []
    for i in range(len(x)):
        found = [x[i]]
        for n, end in enumerate((TARGET, SOURCE)):
            messages = torch.zeros(0, 4, dtype=torch.double)
            for k in edges_at(wiring, end, i):
                scale, shift = conv.modulation[n](e[k]).chunk(2)
                ends = conv.receiver[n](x[i]) + conv.sender[n](x[wiring.index[1 - end, k]])
                messages = torch.cat([messages, (scale * ends + shift)[None]])
            if len(messages):
                deviation = (messages.var(0, correction=0) + 1e-5).sqrt()
                together = torch.cat([messages.mean(0), messages.amax(0), messages.amin(0), deviation])
            else:
                together = torch.tensor([0.0] * 12 + [1e-5**0.5] * 4, dtype=torch.double)
            found += [together, together * torch.log(torch.tensor(len(messages) + 1.0)) / conv.typical[n]]
        rows.append(x[i] + conv.update(torch.cat(found)))
    torch.testing.assert_close(nodes, torch.stack(rows), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(edges, e + edge_change(conv.edge_update, wiring, nodes, e))


@torch.no_grad()
def test_relational_attention_equals_a_loop(twin_inputs):
    wiring, x, e = twin_inputs
    conv = RelationalAttention(4, heads=2).double()
    nodes, (edges,) = conv(wiring, x, [e])
    rows = []
    for i in range(len(x)):
        found = []
        for n, end in enumerate((TARGET, SOURCE)):
            here = edges_at(wiring, end, i)
            q_e, k_e, m_e, v_e = conv.edge[n](e[here]).chunk(4, -1)
            k, v = conv.key_value[n](x[wiring.index[1 - end, here]]).chunk(2, -1)
            q, k, v = conv.query[n](x[i]) + q_e, k + k_e, v * m_e + v_e
            for head in (slice(0, 2), slice(2, 4)):
                weights = ((q * k)[:, head].sum(-1) / 2**0.5).softmax(0)
                found.append(weights @ v[:, head])
        y = conv.norms[0](x[i] + conv.out(torch.cat(found)))
        rows.append(conv.norms[1](y + conv.mlp(y)))
    torch.testing.assert_close(nodes, torch.stack(rows))
    y = conv.edge_norms[0](e + edge_change(conv.edge_update, wiring, nodes, e))
    torch.testing.assert_close(edges, conv.edge_norms[1](y + conv.edge_mlp(y)))


@torch.no_grad()
def test_metanetwork_conv_equals_a_loop(twin_inputs):
    wiring, x, e = twin_inputs
    conv = MetanetworkConv(4).double()
    nodes, (edges,) = conv(wiring, x, [e])
    rows = []
    for i in range(len(x)):
        found = [x[i]]
        for n, end in enumerate((TARGET, SOURCE)):
            total = torch.zeros(4, dtype=torch.double)
            for k in edges_at(wiring, end, i):
                ends = conv.receiver[n](x[i]) + conv.sender[n](x[wiring.index[1 - end, k]])
                total = total + F.silu(conv.edge[n](e[k]) + ends)
            found.append(total)
        rows.append(x[i] + conv.update(torch.cat(found)))
    torch.testing.assert_close(nodes, torch.stack(rows))
    torch.testing.assert_close(edges, e + edge_change(conv.edge_update, wiring, nodes, e))


@pytest.mark.parametrize("name", ["InputSkip", "cnn", "grouped_cnn"])
@pytest.mark.parametrize("parallel", [True, False])
def test_degrees_are_counted(name, parallel):
    space = traced(name)
    edges, first = wire_edges(space, parallel), torch.tensor(space.node_offsets[:-1])
    for end in (SOURCE, TARGET):
        counted = torch.bincount(edges.index[end], minlength=space.num_nodes)[first]
        assert torch.equal(counted, degrees(space, parallel)[end])
    used = edges.weight[edges.weight < space.num_weights]
    assert len(used) == len(used.unique())
    assert edges.weight.shape[1] == 1 or not parallel


@pytest.mark.parametrize(
    "layer", [EdgeUpdate(4), GlobalNode(4), MetanetworkConv(4), RelationalAttention(4), PartPool(4, "attention")]
)
def test_reset_parameters_of_layers(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(7.5)
    layer.reset_parameters()
    assert not any(bool((parameter == 7.5).any()) for parameter in layer.parameters())
