"""Neuron graphs: views of one flat vector, against a slow reference; batches of them; and back, bit for bit."""

import copy
import io
import pickle
import warnings

import networkx
import pytest
import torch
from networks import SMALL, cnn, mlp, randomize, residual_mlp
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from wsgraph import NeuronGraph, SpaceError, StateError, TraceError, to_graph, to_graphs, to_state_dict, trace
from wsgraph.graph import NODE_FEATURES, OPERATORS, batch_of, batches, checked_space, take, topology
from wsgraph.testing import assert_roundtrip, random_graphs

NAMES = list(SMALL)


def small(name, seed=0):
    return randomize(SMALL[name][0](), torch.Generator().manual_seed(seed))


def conv_net():
    """Kernels of nine and of twenty-five entries, a norm, a PReLU, and a head behind a pooling."""
    return nn.Sequential(
        *(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.PReLU()),
        *(nn.Conv2d(3, 4, 5, padding=2, bias=False), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    )


@pytest.fixture(scope="module")
def spaces():
    return {name: trace(factory(), torch.randn(shape)) for name, (factory, shape) in SMALL.items()}


@pytest.fixture
def graphs(spaces):
    """Five CNNs with labels."""
    states = [small("cnn", seed).state_dict() for seed in range(5)]
    return to_graphs(states, spaces["cnn"], y=torch.arange(5))


# ---------------------------------------------------------------------------------------------- the slow reference


def edges_of(graph):
    """Edges as tuples: source, target, numbers, kind, offset."""
    columns = (graph.edge_index.t(), graph.edge_attr, graph.edge_type, graph.edge_offset)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return sorted((s, t, tuple(numbers), kind, offset) for (s, t), numbers, kind, offset in rows)


def test_an_mlp_against_loops_over_its_state_dict(rng):
    widths = (3, 5, 4, 2)
    model = randomize(mlp(nn.ReLU(), widths), rng)
    graph, state = to_graph(model), model.state_dict()
    first = [sum(widths[:i]) for i in range(5)]
    edges, bias = [], [0.0] * 3
    for layer, name in enumerate(("0", "2", "4")):
        for i in range(widths[layer + 1]):
            bias.append(state[f"{name}.bias"][i].item())
            for j in range(widths[layer]):
                weight = state[f"{name}.weight"][i, j].item()
                edges.append((first[layer] + j, first[layer + 1] + i, (weight,), 0, 0))
    assert edges_of(graph) == sorted(edges)
    assert graph.x.tolist() == [[b, *[0.0] * 5] for b in bias]
    assert graph.node_layer.tolist() == [0] * 3 + [1] * 5 + [2] * 4 + [3] * 2
    assert [OPERATORS[t] for t in graph.node_type.tolist()] == ["input"] * 3 + ["linear"] * 11
    assert (graph.num_nodes, graph.num_edges) == (14, len(edges))


def test_a_conv_net_against_loops_over_its_state_dict(rng):
    model = randomize(conv_net(), rng)
    graph, state = to_graph(model), model.state_dict()
    operators = [layer.operator for layer in graph.space.layers]
    assert operators == ["input", "linear", "batch_norm", "pointwise", "linear", "linear"]
    first = [0, 2, 5, 8, 11, 15]
    pad = (0.0,) * 8
    edges = [
        (s, t, tuple(state["0.weight"][t - 2, s].reshape(-1).tolist()), 0, 0) for s in range(2) for t in range(2, 5)
    ]
    for i in range(3):  # the norm and the PReLU pass values on, unit by unit
        edges += [(first[1] + i, first[2] + i, (1.0, *pad), 1, 0), (first[2] + i, first[3] + i, (1.0, *pad), 1, 0)]
    for i in range(4):
        for j in range(3):  # a kernel of 25 entries: parallel edges
            kernel = state["3.weight"][i, j].reshape(-1).tolist()
            edges += [(first[3] + j, first[4] + i, (w, *pad), 0, k) for k, w in enumerate(kernel)]
        edges += [(first[4] + i, first[5] + o, (state["7.weight"][o, i].item(), *pad), 0, 0) for o in range(2)]
    assert edges_of(graph) == sorted(edges)
    rows = [[0.0] * 6 for _ in range(2)]
    rows += [[state["0.bias"][i].item(), *[0.0] * 5] for i in range(3)]
    keys = [f"1.{key}" for key in ("bias", "weight", "running_mean", "running_var")]
    rows += [[*(state[key][i].item() for key in keys), 0.0, 0.0] for i in range(3)]
    rows += [[*[0.0] * 4, state["2.weight"].item(), 0.0] for _ in range(3)]
    rows += [[0.0] * 6 for _ in range(4)]
    rows += [[state["7.bias"][i].item(), *[0.0] * 5] for i in range(2)]
    assert graph.x.tolist() == rows
    assert NODE_FEATURES == ("bias", "gain", "mean", "variance", "slope", "part")


def test_a_norm_without_parameters_has_gain_and_variance_one():
    graph = to_graph(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4, elementwise_affine=False), nn.Linear(4, 2)))
    norm = [layer.operator for layer in graph.space.layers].index("layer_norm")
    assert graph.x[graph.node_layer == norm].tolist() == [[0.0, 1.0, 0.0, 1.0, 0.0, 0.0]] * 4


@pytest.mark.parametrize("name", NAMES)
def test_views_fit_each_other(name, spaces):
    graph = to_graph(small(name), spaces[name])
    count, edges = spaces[name].num_nodes, topology(spaces[name]).num_edges
    assert graph.x.shape == (count, len(NODE_FEATURES))
    assert graph.node_type.shape == graph.node_layer.shape == (count,)
    assert graph.edge_index.shape == (2, edges)
    assert (
        graph.edge_attr.shape[0] == graph.edge_type.shape[0] == graph.edge_offset.shape[0] == edges == graph.num_edges
    )
    assert graph.edge_index.min() >= 0
    assert graph.edge_index.max() < count == graph.num_nodes
    targets = graph.edge_index[1]
    assert torch.equal(targets, targets.sort().values)
    assert graph.x.dtype == graph.edge_attr.dtype == torch.float32
    assert graph.validate(raise_on_error=True)


@pytest.mark.parametrize("name", NAMES)
def test_edges_run_forward(name, spaces):
    """Every layer reads layers before it only, except where one layer is used at two depths."""
    graph = to_graph(small(name), spaces[name])
    layers = graph.node_layer[graph.edge_index]
    assert (layers[0] < layers[1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_in_use_is_in_some_view(name, spaces):
    """Numbering the weights finds each one that a connection reads, and none besides."""
    space = spaces[name]
    numbers = torch.arange(1.0, space.num_weights + 1, dtype=torch.float64) + 0.5
    graph = NeuronGraph(numbers, space)
    seen = set(graph.x.reshape(-1).tolist()) | set(graph.edge_attr.reshape(-1).tolist())
    roles = ("weight", "bias", "gain", "shift", "mean", "variance", "slope")
    used = {c.block for c in space.connections if c.block is not None and c.role in roles}
    expected = {n for b in used for n in numbers[space.slices[b]].tolist()}
    assert expected == {n for n in seen if n % 1}


def test_factors_and_summands_are_in_some_view():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Linear(3, 4), nn.Linear(4, 2)
            self.factor, self.summand = nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(4))

        def forward(self, x):
            return self.head(torch.relu(self.stem(x) * self.factor + self.summand))

    graph = to_graph(Scaled())
    seen = set(graph.x.reshape(-1).tolist()) | set(graph.edge_attr.reshape(-1).tolist())
    assert set(graph.weights.tolist()) <= seen


def test_residual_connections_are_edges():
    graph = to_graph(residual_mlp())
    sums = [i for i, layer in enumerate(graph.space.layers) if str(layer.pointwise) == "add"]
    assert len(sums) == 2
    for i in sums:
        into = graph.edge_index[1][:, None] == (graph.node_layer == i).nonzero()[:, 0]
        assert into.sum(dim=0).tolist() == [2] * 8
        assert (graph.edge_type[into.any(dim=1)] == 1).all()
        assert (graph.edge_attr[into.any(dim=1)] == 1).all()


def test_assigning_weights_changes_the_views():
    graph = to_graph(mlp(nn.ReLU()))
    before = graph.edge_attr.clone()
    graph.weights = graph.weights * 2
    assert torch.equal(graph.edge_attr, before * 2)
    graph.weights[:] = 0
    assert not graph.edge_attr.any()


def test_gradients_flow_through_the_views():
    graph = to_graph(cnn())
    graph.weights.requires_grad_()
    (graph.x.sum() + graph.edge_attr.pow(2).sum()).backward()
    assert graph.weights.grad.count_nonzero() == graph.weights.numel()


# --------------------------------------------------------------------------------------------------- without a copy


def test_blocks_are_views(graphs):
    space, matrix = graphs.common_space, graphs.weight_matrix
    assert matrix.data_ptr() == graphs.weights.data_ptr()
    for i, (block, part) in enumerate(zip(space.blocks, space.slices, strict=True)):
        view = space.block_view(matrix, i)
        assert view.shape == (5, *(block.shape or (1,)))
        assert view.data_ptr() == graphs.weights.data_ptr() + part.start * graphs.weights.element_size()


def test_a_block_is_the_weight_matrix():
    model = mlp(nn.ReLU(), (3, 8, 2))
    graph = to_graph(model)
    views = {b.tensor: graph.space.block_view(graph.weights, i) for i, b in enumerate(graph.space.blocks)}
    assert all(torch.equal(views[name], tensor) for name, tensor in model.state_dict().items())


def test_the_batch_of_a_matrix_is_a_view(spaces):
    weights = torch.randn(4, spaces["mlp"].num_weights)
    assert batch_of(weights, spaces["mlp"]).weight_matrix.data_ptr() == weights.data_ptr()


def test_a_graph_does_not_share_memory_with_its_model():
    model = mlp(nn.ReLU())
    graph = to_graph(model)
    graph.weights.zero_()
    assert model[0].weight.any()
    assert not to_state_dict(graph)["0.weight"].requires_grad


# ----------------------------------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("name", NAMES)
def test_models_round_trip(name, spaces):
    assert_roundtrip(small(name), spaces[name])


def test_integers_are_kept(spaces):
    model = cnn()
    model[1].num_batches_tracked += 2**60 + 1
    graph = to_graph(model, spaces["cnn"])
    assert graph.integers.tolist() == [2**60 + 1, 0]
    assert to_state_dict(graph)["1.num_batches_tracked"] == 2**60 + 1
    back = to_state_dict(Batch.from_data_list([to_graph(cnn(), spaces["cnn"]), graph]))
    assert back["1.num_batches_tracked"].tolist() == [0, 2**60 + 1]


def test_buffers_of_all_integer_types():
    class Buffers(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)
            for name in ("uint8", "int8", "int16", "int32", "int64"):
                self.register_buffer(name, torch.tensor([1, 100], dtype=getattr(torch, name)))
            self.register_buffer("bool", torch.tensor([[True], [False]]))

        def forward(self, x):
            return self.linear(x)

    assert_roundtrip(Buffers())


def test_scalar_and_empty_tensors():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))
            self.nothing = nn.Parameter(torch.empty(0, 3))
            self.linear = nn.Linear(3, 2)

        def forward(self, x):
            return self.scale * self.linear(x)

    assert_roundtrip(Odd(), example_inputs=torch.randn(2, 3))


def test_a_module_needs_no_space_and_a_state_dict_does():
    model = mlp(nn.ReLU())
    graph = to_graph(model)
    assert graph.space == trace(model)
    assert torch.equal(to_graph(model.state_dict(), graph.space).weights, graph.weights)
    assert torch.equal(to_graph(model, example_inputs=torch.randn(7, 3)).weights, graph.weights)
    with pytest.raises(StateError, match=r"no architecture. Pass its weight space"):
        to_graph(model.state_dict())
    with pytest.raises(StateError, match=r"Expected a torch\.nn\.Module or a state dict, got str"):
        to_graph("model", graph.space)
    with pytest.raises(StateError, match=r"missing '0\.weight'"):
        to_graph(nn.Linear(3, 2), graph.space)
    with pytest.raises(TraceError):
        to_graph(nn.ReLU())


def test_one_network_or_many(spaces):
    state = small("mlp").state_dict()
    stack = {name: torch.stack([tensor] * 3) for name, tensor in state.items()}
    with pytest.raises(StateError, match="one network, got a stack of 3: use to_graphs"):
        to_graph(stack, spaces["mlp"])
    with pytest.raises(StateError, match="got one network: use to_graph"):
        to_graphs(state, spaces["mlp"])


def test_only_graphs_go_back():
    with pytest.raises(SpaceError, match="Expected a NeuronGraph, got Data"):
        to_state_dict(Data())


# -------------------------------------------------------------------------------------------------------- batches


def same(first, second):
    """Whether two batches hold the same networks."""
    pairs = ("weights", "integers", "x", "edge_index", "edge_attr", "edge_type", "node_layer", "batch", "ptr")
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in pairs)
    assert first.spaces == second.spaces
    assert first.num_graphs == second.num_graphs == len(first.spaces)
    assert (first.num_nodes, first.num_edges, len(first)) == (second.num_nodes, second.num_edges, len(second))
    return True


@pytest.mark.parametrize("name", ["mlp", "cnn", "grouped_cnn", "SharedBlock", "UnusedParameter"])
def test_a_list_a_stack_and_one_by_one_are_the_same(name, spaces):
    states, space = [small(name, seed).state_dict() for seed in range(3)], spaces[name]
    stack = {key: torch.stack([state[key] for state in states]) for key in states[0]}
    from_list, from_stack = to_graphs(states, space), to_graphs(stack, space)
    one_by_one = Batch.from_data_list([to_graph(state, space) for state in states])
    assert same(from_list, from_stack)
    assert same(from_list, one_by_one)
    back = to_state_dict(from_list)
    assert list(back) == list(states[0])
    assert all(torch.equal(back[key], stack[key]) and back[key].dtype == stack[key].dtype for key in stack)
    for i, graph in enumerate(from_list.to_data_list()):
        assert type(graph) is NeuronGraph
        assert all(torch.equal(tensor, states[i][key]) for key, tensor in to_state_dict(graph).items())


def test_keys_of_the_list_may_be_in_any_order(spaces):
    states = [small("mlp", seed).state_dict() for seed in range(2)]
    reordered = [states[0], dict(reversed(states[1].items()))]
    assert same(to_graphs(reordered, spaces["mlp"]), to_graphs(states, spaces["mlp"]))


def test_views_of_a_batch_are_those_of_its_graphs_one_after_another(graphs):
    singles = graphs.to_data_list()
    starts = torch.arange(5) * singles[0].num_nodes
    for name in ("x", "edge_attr", "edge_type", "edge_offset", "node_type", "node_layer"):
        assert torch.equal(getattr(graphs, name), torch.cat([getattr(graph, name) for graph in singles]))
    expected = torch.cat([g.edge_index + start for g, start in zip(singles, starts, strict=True)], dim=1)
    assert torch.equal(graphs.edge_index, expected)
    assert torch.equal(graphs.batch, torch.arange(5).repeat_interleave(singles[0].num_nodes))
    assert torch.equal(graphs.ptr, torch.arange(6) * singles[0].num_nodes)


def test_indexing(graphs):
    rows = graphs.weight_matrix
    assert torch.equal(graphs[3].weights, rows[3])
    assert graphs[3].y == 3
    for index in ([0, 2], torch.tensor([0, 2]), slice(0, 4, 2), torch.tensor([True, False, True, False, False])):
        assert [int(graph.y) for graph in graphs[index]] == [0, 2]
    assert graphs[3].num_nodes == graphs.num_nodes // 5
    assert graphs[2].space is graphs.common_space
    with pytest.raises(IndexError):
        graphs[5]


def test_take(graphs):
    part = take(graphs, torch.tensor([4, 0, 4]))
    assert part.y.tolist() == [4, 0, 4]
    assert torch.equal(part.weight_matrix, graphs.weight_matrix[[4, 0, 4]])
    assert same(part, Batch.from_data_list([graphs[i] for i in (4, 0, 4)]))
    assert take(graphs, torch.tensor([False, True, False, True, False])).y.tolist() == [1, 3]
    assert to_state_dict(part)["1.num_batches_tracked"].tolist() == [0, 0, 0]


def test_batches_in_order_and_shuffled(graphs):
    assert [part.y.tolist() for part in batches(graphs, 2)] == [[0, 1], [2, 3], [4]]
    shuffled = [
        [part.y.tolist() for part in batches(graphs, 2, shuffle=True, generator=torch.Generator().manual_seed(seed))]
        for seed in (1, 1, 2)
    ]
    assert shuffled[0] == shuffled[1] != shuffled[2]
    assert sorted(y for ys in shuffled[0] for y in ys) == list(range(5))
    for part in batches(graphs, 2):
        assert torch.equal(part.weight_matrix, graphs.weight_matrix[part.y])


def test_attributes_need_one_row_a_network(spaces):
    with pytest.raises(SpaceError, match="'y' has 3 rows for 2 networks"):
        batch_of(torch.randn(2, spaces["mlp"].num_weights), spaces["mlp"], y=torch.zeros(3))
    batch = batch_of(torch.randn(2, spaces["mlp"].num_weights), spaces["mlp"], image=torch.rand(2, 3, 8, 8))
    assert batch[1].image.shape == (1, 3, 8, 8)
    assert Batch.from_data_list([batch[0], batch[1]]).image.shape == (2, 3, 8, 8)


def test_mixed_batches(spaces):
    singles = [to_graph(small(name), spaces[name]) for name in ("mlp", "cnn", "cnn", "siren", "mlp")]
    batch = Batch.from_data_list(singles)
    assert batch.common_space is None
    assert batch.spaces == [graph.space for graph in singles]
    assert torch.equal(batch.weights, torch.cat([graph.weights for graph in singles]))
    assert batch.num_nodes == sum(graph.num_nodes for graph in singles)
    assert batch.num_edges == batch.edge_index.shape[1] == sum(graph.num_edges for graph in singles)
    columns = batch.edge_attr.shape[1]
    assert columns == max(graph.edge_attr.shape[1] for graph in singles)
    starts = [0, *torch.tensor([g.num_nodes for g in singles]).cumsum(0).tolist()]
    ends, padded = [], []
    for graph, start in zip(singles, starts, strict=False):
        ends.append(graph.edge_index + start)
        padded.append(nn.functional.pad(graph.edge_attr, (0, columns - graph.edge_attr.shape[1])))
    assert torch.equal(batch.edge_index, torch.cat(ends, dim=1))
    assert torch.equal(batch.edge_attr, torch.cat(padded))
    assert torch.equal(batch.x, torch.cat([graph.x for graph in singles]))
    for wrong in (lambda: batch.weight_matrix, lambda: to_state_dict(batch)):
        with pytest.raises(SpaceError, match="different weight spaces"):
            wrong()
    for i, graph in enumerate(singles):
        assert torch.equal(batch[i].weights, graph.weights)
        assert batch[i].space == graph.space


def test_equal_spaces_from_several_traces_make_one_batch():
    batch = Batch.from_data_list([to_graph(mlp(nn.ReLU())) for _ in range(3)])
    assert batch.common_space == trace(mlp(nn.ReLU()))
    assert batch.weight_matrix.shape == (3, 122)


@pytest.mark.parametrize("shuffle", [False, True])
def test_data_loaders(graphs, shuffle):
    parts = list(DataLoader(graphs.to_data_list(), batch_size=2, shuffle=shuffle))
    assert [part.num_graphs for part in parts] == [2, 2, 1]
    assert sorted(torch.cat([part.y for part in parts]).tolist()) == list(range(5))
    for part in parts:
        assert torch.equal(part.weight_matrix, graphs.weight_matrix[part.y])
        assert part.common_space == graphs.common_space


def test_data_loaders_of_mixed_spaces(spaces):
    singles = [to_graph(small(name), spaces[name]) for name in NAMES]
    (batch,) = DataLoader(singles, batch_size=len(singles))
    assert batch.num_nodes == sum(graph.num_nodes for graph in singles)
    assert batch.edge_attr.shape[0] == batch.num_edges


# ------------------------------------------------------------------------------------------------- copies and files


def assert_equal(first, second):
    assert first.space == second.space
    assert torch.equal(first.weights, second.weights)
    assert torch.equal(first.integers, second.integers)
    assert torch.equal(first.edge_attr, second.edge_attr)


def test_pickles_and_files(graphs):
    stream = io.BytesIO()
    torch.save(graphs[2], stream)
    stream.seek(0)
    assert_equal(torch.load(stream, weights_only=False), graphs[2])
    assert_equal(pickle.loads(pickle.dumps(graphs[2])), graphs[2])
    (loaded,) = DataLoader(
        [pickle.loads(pickle.dumps(graph)) for graph in graphs.to_data_list()], batch_size=5, num_workers=0
    )
    assert same(loaded, graphs)


def test_deep_copies_are_apart(graphs):
    twin = copy.deepcopy(graphs)
    assert same(twin, graphs)
    twin.weights.zero_()
    assert graphs.weights.any()
    single = copy.deepcopy(graphs[1])
    assert_equal(single, graphs[1])
    assert single.weights.data_ptr() != graphs[1].weights.data_ptr()


def test_clones_and_casts(graphs):
    assert same(graphs.clone(), graphs)
    double = graphs.clone().apply(lambda t: t.double() if t.is_floating_point() else t)
    assert double.weight_matrix.dtype == double.x.dtype == double.edge_attr.dtype == torch.float64
    assert same(graphs.to("cpu"), graphs)


# ----------------------------------------------------------------------------------------------------------- looking


def test_networkx(rng):
    model = randomize(mlp(nn.ReLU(), (3, 5, 2)), rng)
    graph = to_graph(model).to_networkx()
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (10, 25)
    assert networkx.is_directed_acyclic_graph(graph)
    for i in range(5):
        for j in range(3):
            (edge,) = graph[j][3 + i].values()
            assert edge == {"weight": model[0].weight[i, j].item(), "kind": "weight", "offset": 0}
        assert graph.nodes[3 + i]["bias"] == model[0].bias[i].item()
    assert [graph.nodes[n]["layer"] for n in (0, 3, 8)] == ["input", "0", "2"]
    assert [graph.nodes[n]["operator"] for n in (0, 3, 8)] == ["input", "linear", "linear"]
    assert isinstance(edge["weight"], float)


def test_networkx_with_kernels_and_skips(rng):
    model = randomize(conv_net(), rng)
    graph = to_graph(model).to_networkx()
    assert graph.number_of_edges() == 2 * 3 + 3 + 3 + 3 * 4 * 25 + 4 * 2
    (edge,) = graph[0][2].values()
    assert edge["weight"] == model[0].weight[0, 0].reshape(-1).tolist()
    parallel = sorted(graph[8][11].values(), key=lambda e: e["offset"])
    assert [e["weight"][0] for e in parallel] == model[3].weight[0, 0].reshape(-1).tolist()
    kinds = [kind for *_, kind in graph.edges(data="kind")]
    assert (kinds.count("operand"), kinds.count("weight")) == (6, 314)


def test_networkx_of_a_batch(graphs):
    assert graphs.to_networkx().number_of_nodes() == graphs.num_nodes
    assert networkx.number_weakly_connected_components(graphs.to_networkx()) == 5


def test_reprs(graphs, spaces):
    assert repr(graphs) == "NeuronGraphBatch(5 networks, 215 nodes, 6940 edges, 9450 weights)"
    assert repr(graphs[0]) == "NeuronGraph(43 nodes, 1388 edges, 1890 weights)"
    assert repr(NeuronGraph()) == "NeuronGraph()"
    mixed = Batch.from_data_list([to_graph(small(name), spaces[name]) for name in ("mlp", "siren")])
    assert repr(mixed) == "NeuronGraphBatch(2 networks, 56 nodes, 408 edges, 459 weights)"


# ------------------------------------------------------------------------------------------------------------ errors


def test_weights_that_are_not_finite_are_named(spaces):
    model = small("cnn")
    with torch.no_grad():
        model[1].running_mean[2] = float("nan")
        model[4].weight[0, 0, 0, 0] = float("inf")
    with pytest.warns(
        RuntimeWarning, match=r"not finite \(NaN or infinite\) in: '1.running_mean', '4.weight'\."
    ) as caught:
        graph = to_graph(model, spaces["cnn"])
    assert caught[0].filename == __file__
    assert torch.equal(to_state_dict(graph)["4.weight"], model[4].weight)
    with pytest.warns(RuntimeWarning, match=r"in: '1.running_mean', '4.weight'") as caught:
        to_graphs([small("cnn").state_dict(), model.state_dict()], spaces["cnn"])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_graph(small("cnn"), spaces["cnn"])


def test_tied_weights_that_are_not_finite_are_named():
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    nn.init.constant_(model[0].weight, float("nan"))
    model[2].weight = model[0].weight
    with pytest.warns(RuntimeWarning, match=r"in: '0.weight'\."):
        to_graphs([model.state_dict()] * 2, trace(model))


def test_no_networks(spaces):
    with pytest.raises(StateError, match="at least one state dict, got an empty list"):
        to_graphs([], spaces["mlp"])


def test_an_empty_stack(spaces):
    empty = {name: tensor[None][:0] for name, tensor in small("mlp").state_dict().items()}
    with pytest.raises(StateError, match="at least one network, got none"):
        to_graphs(empty, spaces["mlp"])


def test_lists_that_disagree(spaces):
    first, second = small("mlp").state_dict(), small("mlp", 1).state_dict()
    with pytest.raises(
        StateError, match=r"State dict 1: tensor '0.weight' has shape \[2\], in state dict 0 it has \[8, 3\]"
    ):
        to_graphs([first, {**second, "0.weight": torch.zeros(2)}], spaces["mlp"])
    del second["2.bias"]
    with pytest.raises(StateError, match=r"State dict 1 has other keys than state dict 0: \['2.bias'\]"):
        to_graphs([first, second], spaces["mlp"])
    with pytest.raises(StateError, match=r"missing '0\.weight'"):
        to_graphs([nn.Linear(3, 2).state_dict()], spaces["mlp"])


@pytest.mark.parametrize("view", ["spaces", "x", "edge_index", "edge_attr", "weight_matrix"])
def test_a_graph_without_a_space_has_no_views(view):
    graph = NeuronGraph()
    with pytest.raises(AttributeError):
        getattr(graph, view)
    assert repr(graph) == "NeuronGraph()"


def test_graphs_are_checked_for_their_space(spaces, graphs):
    space = spaces["cnn"]
    checked_space(graphs, space, "Model")
    checked_space(graphs[0], trace(cnn()), "Model")
    with pytest.raises(SpaceError, match=r"Model expects a NeuronGraph .*got Tensor"):
        checked_space(graphs.weights, space, "Model")
    other = to_graph(small("mlp"), spaces["mlp"])
    with pytest.raises(SpaceError, match=r"Model was built for WeightSpace\(7 layers.*got a graph of WeightSpace\(4"):
        checked_space(other, space, "Model")
    mixed = Batch.from_data_list([other, graphs[0]])
    with pytest.raises(SpaceError, match="got a graph of 'several spaces'"):
        checked_space(mixed, space, "Model")


def test_the_topology_is_made_once(spaces):
    assert topology(spaces["mlp"]) is topology(trace(mlp(nn.ReLU())))


def test_symmetries_move_graphs(spaces, rng):
    """The graph of moved weights is the graph with its nodes in another order and its numbers scaled."""
    space = spaces["Unknown"]
    graph = random_graphs(space, 1, rng, dtype=torch.float64)
    g = space.random_symmetry(rng, scale=False)
    moved = batch_of(g.act(graph.weight_matrix), space)
    order = torch.cat(
        [g.orders[layer.group] + start for layer, start in zip(space.layers, space.node_offsets, strict=False)]
    )
    assert torch.equal(moved.x, graph.x[order])
    place = order.argsort()
    ends = place[graph.edge_index]
    assert edges_of(moved) == sorted(
        (s, t, tuple(w), kind, offset)
        for (s, t), w, kind, offset in zip(
            ends.t().tolist(),
            graph.edge_attr.tolist(),
            graph.edge_type.tolist(),
            graph.edge_offset.tolist(),
            strict=True,
        )
    )
