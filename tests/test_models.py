"""One contract for all networks over networks, and slow twins of what they compute."""

import copy
import re
from functools import cache, partial

import pytest
import torch
import torch.nn.functional as F
from networks import ACTIVATIONS, SMALL, cnn, mlp, pooled, randomize, siren
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call
from torch_geometric.data import Batch

from wsgraph import NeuronGraph, SpaceError, WSGraphError, to_graph, to_graphs, to_state_dict, trace
from wsgraph.graph import batch_of, topology
from wsgraph.nn import (
    DualFlow,
    FlatMLP,
    Forward,
    Freedom,
    GraphFamily,
    GraphMetanetwork,
    MonomialLayout,
    MonomialLinear,
    MonomialNFN,
    NeuralGraphGNN,
    NeuralGraphTransformer,
    ScaleEquivariantConv,
    ScaleGMN,
)
from wsgraph.testing import (
    assert_batch_consistent,
    assert_equivariant,
    assert_invariant,
    assert_routes_agree,
    assert_sensitive,
    random_graphs,
)
from wsgraph.transforms import Normalize


class BidirectionalScaleGMN(ScaleGMN):
    """ScaleGMN with messages backward, too."""

    def __init__(self, *args, **options):
        super().__init__(*args, bidirectional=True, pool="sum", linear_skip=True, **options)


SCALE_GMN = [ScaleGMN, BidirectionalScaleGMN]
GRAPHS = [*SCALE_GMN, NeuralGraphGNN, NeuralGraphTransformer, GraphMetanetwork]
INVARIANT = [DualFlow, MonomialNFN, *GRAPHS]
FAMILIES = [*INVARIANT, FlatMLP]
SPACES = [
    *("mlp", "siren", "cnn", "residual_mlp", "pre_activation_resnet", "MixedActivations", "TiedAutoencoder"),
    *("layer_norm_mlp", "large_kernels"),
]
MORE_SPACES = ["grouped_cnn", "SharedBlock", "SqueezeExcite", "InputSkip", "mlp_no_bias", "Narrow"]
MORE_SPACES += ["ProductsOfPieces"]
TIGHT = {torch.float64: 1e-10, torch.float32: 1e-4}
CHANNELS = {DualFlow: 8, MonomialNFN: 3, FlatMLP: 16} | dict.fromkeys(GRAPHS, 8)

both_forms = pytest.mark.parametrize("out_channels", [3, None])
families = pytest.mark.parametrize("family", FAMILIES)
invariant_families = pytest.mark.parametrize("family", INVARIANT)
graph_families = pytest.mark.parametrize("family", GRAPHS)
scale_gmn = pytest.mark.parametrize("family", SCALE_GMN)


def large_kernels() -> nn.Sequential:
    """Kernels of 5 x 5 entries and, after a flatten, of 4 x 4: every entry is an edge of its own."""
    return nn.Sequential(nn.Conv2d(2, 4, 5), nn.ReLU(), nn.Flatten(), *mlp(nn.ReLU(), (64, 5, 2)))


def build(family, space, out_channels=3, num_layers=2):
    return family(space, CHANNELS[family], num_layers, out_channels=out_channels)


@cache
def traced(name):
    factory, shape = {**SMALL, "large_kernels": (large_kernels, (2, 2, 8, 8))}[name]
    return trace(factory().eval(), torch.zeros(shape))


@pytest.fixture(scope="module", params=SPACES)
def space(request):
    return traced(request.param)


@pytest.fixture(scope="module", params=SPACES + MORE_SPACES)
def any_space(request):
    return traced(request.param)


@pytest.fixture(scope="module")
def siren_space():
    return traced("siren")


@pytest.fixture(scope="module")
def cnn_space():
    return traced("cnn")


@pytest.fixture(scope="module")
def tiny_space():
    return trace(mlp(nn.Tanh(), (2, 3, 2, 1)))


def law_of(family, out_channels):
    """The law for the symmetries that the family declares."""
    law = assert_invariant if out_channels else assert_equivariant
    return partial(law, scale="scales" in family.symmetries, max_scale=100, tolerance=TIGHT)


# ------------------------------------------------------------------------------------------------------ the contract


@both_forms
@invariant_families
def test_symmetries_of_the_networks(family, space, out_channels):
    law_of(family, out_channels)(build(family, space, out_channels), random_graphs(space, 3))


@invariant_families
@pytest.mark.parametrize("name", MORE_SPACES)
def test_symmetries_of_more_networks(family, name):
    space = traced(name)
    if not space.moving_groups and "scales" not in family.symmetries:
        pytest.skip("one unit cannot be permuted")
    for out_channels in (3, None):
        law_of(family, out_channels)(build(family, space, out_channels), random_graphs(space, 2), num_samples=1)


@both_forms
def test_flat_mlp_keeps_no_symmetry(space, out_channels):
    with pytest.raises(AssertionError, match=r"FlatMLP is not (in|equi)variant \(float64\)"):
        law_of(DualFlow, out_channels)(build(FlatMLP, space, out_channels), random_graphs(space, 3))


@pytest.mark.parametrize("family", [f for f in INVARIANT if "scales" not in f.symmetries])
@pytest.mark.parametrize("name", ["mlp", "siren", "cnn", "layer_norm_mlp"])
def test_permutation_families_keep_no_scales(family, name):
    space = traced(name)
    with pytest.raises(AssertionError, match=rf"{family.__name__} is not invariant \(float64\)"):
        assert_invariant(build(family, space), random_graphs(space, 3))


@both_forms
@pytest.mark.parametrize("family", [DualFlow, *GRAPHS])
def test_what_is_no_symmetry_is_noticed(family, space, out_channels):
    model = build(family, space, out_channels, num_layers=3)  # a layer of messages for each step through a block
    assert_sensitive(model, random_graphs(space, 3), max_changes=12)


@scale_gmn
@both_forms
def test_messages_pass_products(family, out_channels):
    space = traced("bilinear_product")
    model, graphs = build(family, space, out_channels, num_layers=3), random_graphs(space, 2)
    law_of(family, out_channels)(model, graphs, num_samples=1)
    assert_sensitive(model, graphs)
    assert_routes_agree(model, graphs, tolerance={torch.float64: 1e-10, torch.float32: 1e-5})


@both_forms
@families
def test_networks_of_a_batch_are_apart(family, space, out_channels):
    assert_batch_consistent(build(family, space, out_channels), random_graphs(space, 3))


@both_forms
@graph_families
def test_routes_agree(family, any_space, out_channels):
    model = build(family, any_space, out_channels)
    assert_routes_agree(model, random_graphs(any_space, 3), tolerance={torch.float64: 1e-10, torch.float32: 1e-5})


@both_forms
@families
def test_repr_has_name_sizes_and_space(family, siren_space, out_channels):
    out = "3 outputs" if out_channels else "updated weights"
    expected = f"{family.__name__}({siren_space!r} -> {out}, hidden_channels={CHANNELS[family]}, num_layers=2)"
    assert repr(build(family, siren_space, out_channels)) == expected


@both_forms
@families
def test_reset_parameters_replaces_every_parameter(family, out_channels, siren_space):
    model = build(family, siren_space, out_channels)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7.5)
    model.reset_parameters()
    assert [name for name, p in model.named_parameters() if bool((p == 7.5).any())] == []
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.reset_parameters()
    redrawn = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
    assert {name for name in before if before[name].dim() > 1} <= set(redrawn)


@families
def test_updated_weights_are_networks_again(family):
    models = [randomize(cnn(), torch.Generator().manual_seed(i)) for i in range(3)]
    for i, model in enumerate(models):
        model[1].num_batches_tracked.fill_(10 + i)
    space = trace(models[0].eval(), torch.zeros(2, 1, 8, 8))
    graphs = to_graphs([m.state_dict() for m in models], space)
    answers = [build(family, space, None)(graphs)]
    answers += [build(family, space, None).sparse(graphs)] if issubclass(family, GraphFamily) else []
    for answer in answers:
        assert isinstance(answer, NeuronGraph)
        assert isinstance(answer, Batch)
        assert answer.spaces == [space] * 3
        state = to_state_dict(answer)
        assert state["1.num_batches_tracked"].tolist() == [10, 11, 12]
        models[1].load_state_dict({name: tensor[1] for name, tensor in state.items()})  # shapes and types fit
        changed = [not torch.equal(state[n], t) for n, t in to_state_dict(graphs).items() if t.is_floating_point()]
        assert all(changed)


@both_forms
@families
def test_a_single_network_is_like_one_of_a_batch(family, siren_space, out_channels):
    model, graphs = build(family, siren_space, out_channels).double(), random_graphs(siren_space, 3, dtype=torch.double)
    together, alone = model(graphs), model(graphs[1])
    if out_channels:
        assert alone.shape == (1, 3)
        torch.testing.assert_close(alone[0], together[1], rtol=1e-12, atol=1e-12)
    else:
        assert not isinstance(alone, Batch)
        torch.testing.assert_close(alone.weight_matrix[0], together.weight_matrix[1], rtol=1e-12, atol=1e-12)


@graph_families
def test_routes_return_the_same_form_for_a_single_network(family, siren_space):
    model, graph = build(family, siren_space, None), random_graphs(siren_space, 2)[0]
    assert type(model.dense(graph)) is type(model.sparse(graph))


# ------------------------------------------------------------------------------------------------------------ errors


@families
@pytest.mark.parametrize("name", ["hidden_channels", "num_layers", "out_channels"])
def test_zero_sizes_are_refused(family, name, tiny_space):
    with pytest.raises(WSGraphError, match=rf"{name} must be at least 1.*, got 0\."):
        family(tiny_space, **{"out_channels": 3, name: 0})


@families
def test_something_else_than_a_space_is_refused(family):
    with pytest.raises(WSGraphError, match=r"Expected a WeightSpace \(see wsgraph.trace\), got Sequential\."):
        family(mlp(nn.ReLU()), 8, 2, out_channels=3)


@families
def test_something_else_than_a_graph_is_refused(family, tiny_space):
    model = build(family, tiny_space)
    for wrong in (torch.zeros(2, tiny_space.num_weights), mlp(nn.ReLU()), None):
        expected = rf"{family.__name__} expects a NeuronGraph \(see wsgraph.to_graph\), got {type(wrong).__name__}\."
        with pytest.raises(SpaceError, match=expected):
            model(wrong)


@pytest.mark.parametrize("family", [DualFlow, MonomialNFN, FlatMLP])
def test_other_spaces_are_refused(family, tiny_space, siren_space):
    own, foreign = random_graphs(tiny_space, 1)[0], random_graphs(siren_space, 1)[0]
    model, text = (
        build(family, tiny_space),
        rf"{family.__name__} was built for WeightSpace\(4 layers, 20 parameters.*, got",
    )
    with pytest.raises(SpaceError, match=rf"{text} a graph of WeightSpace\(4 layers, 337 parameters"):
        model(foreign)
    with pytest.raises(SpaceError, match=f"{text}.*several spaces"):
        model(Batch.from_data_list([own, foreign]))


@graph_families
def test_the_dense_route_refuses_other_spaces(family, tiny_space, siren_space):
    with pytest.raises(SpaceError, match=f"{family.__name__} was built for"):
        build(family, tiny_space).dense(random_graphs(siren_space, 1))


@pytest.mark.parametrize(
    ("factory", "shape", "words"),
    [
        (lambda: mlp(nn.ReLU(), (5, 4, 1)), (2, 5), "at most 2 inputs, got 5"),
        (lambda: mlp(nn.ReLU(), (2, 4, 6)), (2, 2), "at most 1 outputs, got 6"),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), *pooled(4, 1)), (2, 2, 8, 8), "at most 1 kernel .*got 9"),
        (lambda: nn.Sequential(nn.Conv2d(2, 4, 5), nn.ReLU(), *pooled(4, 1)), (2, 2, 8, 8), "1 kernel offsets, got 25"),
    ],
)
@graph_families
def test_graph_families_refuse_networks_that_are_too_large_for_them(family, factory, shape, words, tiny_space):
    foreign = trace(factory(), torch.zeros(shape))
    with pytest.raises(SpaceError, match=words):
        build(family, tiny_space)(random_graphs(foreign, 2))


# --------------------------------------------------------------------------------------------------- mixed spaces


@both_forms
@graph_families
def test_graph_families_take_networks_of_several_spaces(family, out_channels):
    spaces = [
        traced("large_kernels"),
        trace(nn.Sequential(nn.Conv2d(2, 6, 3), nn.SiLU(), *pooled(6, 2)), torch.zeros(2, 2, 8, 8)),
    ]
    spaces.append(trace(mlp(nn.Tanh(), (2, 7, 2))))
    graphs = [random_graphs(s, 2, torch.Generator().manual_seed(i), dtype=torch.double) for i, s in enumerate(spaces)]
    order = [graphs[1][0], graphs[0][0], graphs[0][1], graphs[2][0], graphs[1][1]]
    widest = nn.Sequential(nn.Conv2d(2, 4, 5), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), *pooled(4, 2))
    model = build(family, trace(widest, torch.zeros(2, 2, 8, 8)), out_channels).double()
    answer = model(Batch.from_data_list(order))
    alone = [model(graph) for graph in order]
    if out_channels:
        got, expected = answer, torch.cat(alone)
        assert float((got[0] - got[1]).detach().abs().max()) > 1e-3
    else:
        assert answer.spaces == [graph.space for graph in order]
        got, expected = answer.weights, torch.cat([a.weights for a in alone])
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@graph_families
def test_a_mixed_batch_equals_the_dense_route_on_its_own_space(family, siren_space):
    other = trace(mlp(nn.Tanh(), (2, 5, 1)))
    own = random_graphs(siren_space, 2, dtype=torch.double)
    mixed = Batch.from_data_list([own[0], random_graphs(other, 1, dtype=torch.double)[0], own[1]])
    model = build(family, siren_space).double()
    torch.testing.assert_close(model(mixed)[[0, 2]], model.dense(own), rtol=1e-10, atol=1e-12)


def test_large_kernels_are_parallel_edges():
    form = topology(traced("large_kernels"))
    assert form.edges.weight.shape[1] == form.num_columns == 1
    assert sorted(set(form.edges.offset.tolist())) == list(range(25))


# --------------------------------------------------------------------------------------------------------- gradients


def without_gradient(model, space):
    """Names of the parameters that have no gradient, or a gradient of zeros."""
    model(random_graphs(space, 4)).square().sum().backward()
    reached = {name: p.grad for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert all(bool(torch.isfinite(gradient).all()) for gradient in reached.values())
    return [name for name, _ in model.named_parameters() if name not in reached]


@invariant_families
def test_gradients_reach_every_parameter(family, siren_space):
    assert without_gradient(build(family, siren_space), siren_space) == []


@graph_families
@pytest.mark.parametrize("name", ["residual_mlp", "cnn"])
def test_gradients_reach_every_parameter_behind_skips_and_norms(family, name):
    """Messages of ScaleGMN into fixed units are 0 as long as states are: behind sums, and backward."""
    space = traced(name)
    missing = without_gradient(build(family, space, num_layers=3), space)
    quiet = re.compile(r"convs\.(0\.messages|\d\.back)\.net\.plain\.")
    assert [name for name in missing if not quiet.match(name)] == []


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.ReLU()])
@invariant_families
def test_gradients_are_right(family, activation):
    space = trace(mlp(activation, (2, 3, 2, 1)))
    model = family(space, 4, 2, out_channels=2).double()
    graphs = random_graphs(space, 2, dtype=torch.double)
    names, parameters = zip(*model.named_parameters(), strict=True)

    def answer(matrix, *values):
        return functional_call(model, dict(zip(names, values, strict=True)), (batch_of(matrix, space),))

    matrix = graphs.weight_matrix.clone().requires_grad_()
    assert gradcheck(answer, (matrix, *parameters), fast_mode=True, atol=1e-6)


@both_forms
@invariant_families
def test_zero_weights_have_finite_gradients(family, tiny_space, out_channels):
    matrix = torch.zeros(2, tiny_space.num_weights, requires_grad=True)
    answer = build(family, tiny_space, out_channels)(batch_of(matrix, tiny_space))
    (answer if out_channels else answer.weights).sum().backward()
    assert bool(torch.isfinite(matrix.grad).all())


# -------------------------------------------------------------------------------------------------------- MonomialNFN


def relu_cnn() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), *pooled(8, 4))


@both_forms
def test_monomial_nfn_is_blind_to_uncoupled_permutations(out_channels):
    """Rows of the second convolution without its bias, without the head's columns, and without its own columns."""
    space = trace(relu_cnn(), torch.zeros(2, 1, 8, 8))
    model, graphs = build(MonomialNFN, space, out_channels), random_graphs(space, 3)
    alone = ["2.weight", "2.bias", "6.weight"]  # λ_2 / λ_1, λ_2 and 1 / λ_2
    with pytest.raises(AssertionError, match=r"does not notice (\d+) of \1 changes .*permuting axis"):
        assert_sensitive(model, graphs, tensors=alone)
    assert_sensitive(build(DualFlow, space, out_channels), graphs, tensors=alone)


@torch.no_grad()
@both_forms
def test_monomial_nfn_notices_changes_between_weights_of_one_monomial(out_channels):
    """The first weight without the first bias, permuted or scaled."""
    space = trace(relu_cnn(), torch.zeros(2, 1, 8, 8))
    model, graphs = build(MonomialNFN, space, out_channels), random_graphs(space, 3)
    assert_sensitive(model, graphs, tensors=["0.weight", "0.bias"], tolerance=1e-3)
    state = to_state_dict(graphs)
    scaled = to_graphs({**state, "0.weight": state["0.weight"] * torch.arange(1.0, 7).reshape(6, 1, 1, 1)}, space)
    before, after = (model(g) if out_channels else model(g).weights for g in (graphs, scaled))
    assert float((before - after).abs().max() / before.abs().max()) > 1e-3


def test_monomial_layout_finds_what_moves_together():
    def tensors(activation):
        layout = MonomialLayout(trace(mlp(activation, (3, 4, 5, 2))))
        names = [block.tensor for block in layout.space.blocks]
        return [([names[i] for i in k.blocks], k.sizes, k.channels, k.magnitude, k.sign) for k in layout.kinds]

    first, inner, still = (["0.weight", "0.bias"], (4,), 4), (["2.weight"], (5, 4), 1), (["4.bias"], (), 2)
    apart = [(["2.bias"], (5,), 1), (["4.weight"], (5,), 2)]
    together = [(["2.bias", "4.weight"], (5,), 3)]
    for activation, rest, flags in ((nn.ReLU(), apart, (True, False)), (nn.Tanh(), together, (False, True))):
        expected = [(*kind, *flags) for kind in (first, inner, *rest)]
        assert tensors(activation) == [*expected, (*still, False, False)]


def test_monomial_layout_scatters_what_it_gathers(any_space):
    layout = MonomialLayout(any_space)
    weights = random_graphs(any_space, 3, dtype=torch.double).weight_matrix
    shifts = torch.cat([torch.full((b.numel,), b.shift, dtype=torch.double) for b in any_space.blocks])
    assert torch.equal(layout.scatter(layout.gather(weights), weights), weights + shifts)
    assert sum(x[0].numel() for x in layout.gather(weights)) == any_space.num_weights


WIDTHS = (3, 4, 5, 2)
SHAPES = {"W1": (4, 3), "b1": (4,), "W2": (5, 4), "b2": (5,), "W3": (2, 5), "b3": (2,)}
TENSORS = {"W1": "0.weight", "b1": "0.bias", "W2": "2.weight", "b2": "2.bias", "W3": "4.weight", "b3": "4.bias"}


def packed(p, signs):
    """Features of every kind, of weights W_njq and biases b_nj with n channels: entries, then channels."""
    first = torch.cat([p["W1"], p["b1"][..., None]], -1).permute(0, 2, 3, 1)  # [B, j, q, n]
    inner, bias = p["W2"].permute(0, 2, 3, 1), p["b2"].permute(0, 2, 1)
    last, still = p["W3"].permute(0, 3, 2, 1), p["b3"].permute(0, 2, 1)  # [B, k, p, n], [B, p, n]
    hidden = [torch.cat([bias[:, :, None], last], 2).flatten(2)] if signs else [bias, last.flatten(2)]
    return [first.flatten(2), inner, *hidden, still.flatten(1)]


def dense_twin(layer, p, signs, n, m):
    """The layer of the paper, term by term, from the parameter blocks of a MonomialLinear."""
    maps = [linear.weight for linear in layer.maps]
    out = {}
    first = maps[0].view(4, m, 4, n)
    a, e, c, d = first[:3, :, :3], first[:3, :, 3], first[3, :, :3], first[3, :, 3]
    out["W1"] = torch.einsum("kmqn,bnjq->bmjk", a, p["W1"]) + torch.einsum("kmn,bnj->bmjk", e, p["b1"])
    out["b1"] = torch.einsum("mqn,bnjq->bmj", c, p["W1"]) + torch.einsum("mn,bnj->bmj", d, p["b1"])
    out["W2"] = torch.einsum("mn,bnjk->bmjk", maps[1], p["W2"])
    if signs:  # the last hidden bias and the last weight mix, since a sign is its own inverse
        hidden = maps[2].view(3, m, 3, n)
        c, f, e, a = hidden[0, :, 0], hidden[0, :, 1:], hidden[1:, :, 0], hidden[1:, :, 1:]
        out["b2"] = torch.einsum("mn,bnj->bmj", c, p["b2"]) + torch.einsum("mpn,bnpj->bmj", f, p["W3"])
        out["W3"] = torch.einsum("jmpn,bnpk->bmjk", a, p["W3"]) + torch.einsum("jmn,bnk->bmjk", e, p["b2"])
    else:
        out["b2"] = torch.einsum("mn,bnj->bmj", maps[2], p["b2"])
        out["W3"] = torch.einsum("jmpn,bnpk->bmjk", maps[3].view(2, m, 2, n), p["W3"])
    last = layer.maps[-1]
    out["b3"] = torch.einsum("jmpn,bnp->bmj", maps[-1].view(2, m, 2, n), p["b3"]) + last.bias.view(2, m).T
    return out


@pytest.mark.parametrize(("activation", "signs"), [(nn.ReLU(), False), (nn.Tanh(), True)])
def test_monomial_linear_is_the_layer_of_the_paper(activation, signs, rng):
    n, m = 2, 3
    layer = MonomialLinear(MonomialLayout(trace(mlp(activation, WIDTHS))), n, m).double()
    with torch.no_grad():
        layer.maps[-1].bias.normal_(generator=rng)
    p = {name: torch.randn(6, n, *shape, generator=rng, dtype=torch.double) for name, shape in SHAPES.items()}
    expected = packed(dense_twin(layer, p, signs, n, m), signs)
    for got, wanted in zip(layer(packed(p, signs)), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("activation", "signs"), [(nn.ReLU(), False), (nn.Tanh(), True)])
def test_monomial_linear_has_the_parameters_of_the_formula(activation, signs):
    n, m = 2, 3
    first, last, num_layers = WIDTHS[0], WIDTHS[-1], len(WIDTHS) - 1
    count = n * m * ((first + 1) ** 2 + 2 * (num_layers - 2) + last**2 + last**2) + m * last
    count += 2 * n * m * last * signs  # e_mnj and f_mnp
    layer = MonomialLinear(MonomialLayout(trace(mlp(activation, WIDTHS))), n, m)
    assert sum(p.numel() for p in layer.parameters()) == count
    assert repr(layer).startswith("MonomialLinear(\n  2 -> 3")


@pytest.mark.parametrize(("activation", "signs"), [(nn.ReLU(), False), (nn.Tanh(), True)])
def test_monomial_layout_reads_the_weights_of_the_paper(activation, signs):
    space = trace(mlp(activation, WIDTHS))
    graphs = random_graphs(space, 3)
    state = to_state_dict(graphs)
    expected = packed({name: state[key][:, None] for name, key in TENSORS.items()}, signs)
    for got, wanted in zip(MonomialLayout(space).gather(graphs.weight_matrix), expected, strict=True):
        assert torch.equal(got, wanted)


# ------------------------------------------------------------------------------------------------------------ DualFlow


@torch.no_grad()
def forward_error(model, x, points=None):
    """How far DualFlow's states of the output units are from what the network answers to x, relatively."""
    model = randomize(model.double().eval(), torch.Generator().manual_seed(3))
    points = x if points is None else points
    space, expected = trace(model, x), model(x)
    states = DualFlow(space, len(points), 1, out_channels=1).double().states
    (inputs,) = states.inputs.values()
    inputs.copy_(points.T)
    for factors in states.kernels.values():
        factors.fill_(1)
    answers = states(to_graph(model, space).weights[None])
    got = torch.cat([answers[i][0] for i, layer in enumerate(space.layers) if layer.output]).T
    assert float((expected - expected[:1]).abs().max()) > 1e-6  # the network is no constant
    return float((got - expected).abs().max() / expected.abs().max())


def normalised(norm) -> nn.Sequential:
    return mlp(nn.Sequential(norm, nn.ReLU()))


@pytest.mark.parametrize(
    ("factory", "inputs"),
    [
        *(pytest.param(*SMALL[n][:1], SMALL[n][1][-1], id=n) for n in ("mlp", "siren", "residual_mlp", "InputSkip")),
        *(
            pytest.param(*SMALL[n][:1], SMALL[n][1][-1], id=n)
            for n in ("TiedAutoencoder", "SharedBlock", "mlp_no_bias")
        ),
        *(pytest.param(*SMALL[n][:1], SMALL[n][1][-1], id=n) for n in ("MixedActivations", "bilinear_product")),
        pytest.param(*SMALL["ProductsOfPieces"][:1], 3, id="ProductsOfPieces"),
        pytest.param(lambda: normalised(nn.BatchNorm1d(8)), 3, id="batch_norm"),
        pytest.param(lambda: normalised(nn.BatchNorm1d(8, affine=False)), 3, id="plain_batch_norm"),
        pytest.param(lambda: normalised(nn.LayerNorm(8)), 3, id="layer_norm"),
        pytest.param(lambda: normalised(nn.GroupNorm(2, 8)), 3, id="group_norm"),
        pytest.param(
            lambda: normalised(nn.RMSNorm(8)),
            3,
            id="rms_norm",
        ),
        pytest.param(lambda: mlp(nn.PReLU(8)), 3, id="prelu"),
        pytest.param(lambda: nn.Sequential(mlp(nn.ReLU()), nn.Softmax(-1)), 3, id="softmax"),
        pytest.param(lambda: nn.Sequential(mlp(nn.ReLU()), nn.LogSoftmax(-1)), 3, id="log_softmax"),
    ],
)
def test_forward_runs_the_network(factory, inputs, rng):
    assert forward_error(factory(), torch.randn(7, inputs, generator=rng, dtype=torch.double)) < 1e-12


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_forward_runs_every_activation(activation, rng):
    x = 2 * torch.randn(7, 3, generator=rng, dtype=torch.double)
    assert forward_error(mlp(activation), x) < 1e-12


def circular(inputs, outputs, kernel):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="circular")


CONVOLUTIONAL = {
    "circular": lambda: [circular(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), circular(6, 8, 5), nn.Tanh()],
    "unpadded": lambda: [nn.Conv2d(2, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 2), nn.SiLU()],
    "5x5": lambda: [nn.Conv2d(2, 6, 5), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU()],
    "grouped": lambda: [nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 8, 1, groups=2)],
}


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_forward_runs_convolutions_on_constant_images(name, rng):
    points = torch.randn(5, 2, generator=rng, dtype=torch.double)
    images = points[:, :, None, None].expand(5, 2, 8, 8).contiguous()
    assert forward_error(nn.Sequential(*CONVOLUTIONAL[name](), *pooled(8, 3)), images, points) < 1e-12


def test_forward_weighs_kernel_positions(rng):
    """Factors α_k are images: a 1 x 3 kernel on one row gives Σ_k W_k (p ⊙ α_k) + b."""
    model = nn.Conv1d(2, 3, 3).double()
    space = trace(model, torch.zeros(1, 2, 3, dtype=torch.double))
    states = Forward(space, 4).double()
    images = states.inputs["0"].T[:, :, None] * states.kernels["3"].T[:, None]  # [4, 2, 3]
    got = states(to_graph(model, space).weights[None])[-1][0].T
    torch.testing.assert_close(got, model(images)[..., 0])


def test_forward_repr_and_reset(siren_space):
    states = Forward(siren_space, 4)
    assert repr(siren_space) in repr(states)
    assert "channels=4" in repr(states)
    before = states.inputs["0"].detach().clone()
    states.reset_parameters()
    assert not torch.equal(before, states.inputs["0"])


# ----------------------------------------------------------------------------------------------- ScaleEquivariantConv


def canonical_loop(x, magnitude, sign):
    if magnitude:
        x = x / x.norm()
    return x.abs() if sign else x


def hidden_loop(norm, x):
    hidden = (x - x.mean()) / (x.var(correction=0) + norm.eps).sqrt() * norm.weight + norm.bias
    return hidden * hidden.sigmoid()


def perceptron_loop(net, x):
    first, norm, _, last = net
    return F.linear(hidden_loop(norm, F.linear(x, first.weight, first.bias)), last.weight, last.bias)


def fixed_loop(net, values, x):
    return (net.gain * values + net.shift) * (1 + perceptron_loop(net.net, x))


def equivariant_loop(net, x, magnitude, sign, fixed):
    values = net.linear.weight @ x
    if fixed:
        return fixed_loop(net.plain, values, x)
    return values * (1 + perceptron_loop(net.factor.net, canonical_loop(net.factor.mix.weight @ x, magnitude, sign)))


def messages_loop(messages, x, edges, edge_attr, flags):
    totals = torch.zeros_like(x)
    for k, (source, target) in enumerate(edges.T.tolist()):
        product = (messages.edge_linear.weight @ edge_attr[k]) * (messages.node_linear.weight @ x[source])
        totals[target] += equivariant_loop(messages.net, product, *flags[target])
    return totals


def edges_loop(update, x, edges, edge_attr, flags):
    found = []
    for k, (source, target) in enumerate(edges.T.tolist()):
        ends = [canonical_loop(update.mix.weight @ x[i], *flags[i][:2]) for i in (source, target)]
        hidden = update.source.weight @ ends[0] + F.linear(ends[1], update.target.weight, update.target.bias)
        norm, _, last = update.factor
        factor = F.linear(hidden_loop(norm, hidden), last.weight, last.bias)
        found.append((update.scale.weight @ edge_attr[k]) * (1 + factor))
    return torch.stack(found)


def dual_loop(update, kinds, flags):
    """Both states of one node, from [x, m] and [y, n]."""
    (x, _), (y, _) = kinds
    z = [torch.cat(kind) for kind in kinds]
    linear = [
        update.linears[i].weight @ z[i] + (0 if flags[0] else update.crosses[i].weight @ z[1 - i]) for i in (0, 1)
    ]
    if flags[2]:
        change = fixed_loop(update.plain, torch.cat(linear), torch.cat(z))
    else:
        seen = [canonical_loop(mix.weight @ kind, *flags[:2]) for mix, kind in zip(update.mixes, z, strict=True)]
        change = torch.cat(linear) * (1 + perceptron_loop(update.factor, torch.cat([*seen, x * y])))
    return [update.skips[i].weight * state + change.chunk(2)[i] for i, state in enumerate((x, y))]


@pytest.fixture
def conv_inputs(rng):
    """Six nodes with all kinds of flags, node 3 without a source, and two parallel edges."""
    x, e = (torch.randn(n, 4, generator=rng, dtype=torch.double) for n in (6, 8))
    edges = torch.tensor([[3, 4, 0, 3, 3, 1, 2, 5], [0, 0, 1, 1, 1, 2, 4, 4]])
    flags = [[1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]]
    return x, edges, e, Freedom(*torch.tensor(flags).bool()[..., None])


def rows(freedom):
    return [tuple(bool(flag) for flag in row) for row in zip(*freedom, strict=True)]


@torch.no_grad()
def test_conv_equals_a_loop_over_edges(conv_inputs):
    x, edges, e, freedom = conv_inputs
    conv, flags = ScaleEquivariantConv(4).double(), rows(freedom)
    sums = messages_loop(conv.messages, x, edges, e, flags)
    expected = [
        conv.nodes.skip.weight * x[i] + equivariant_loop(conv.nodes.net, torch.cat([x[i], sums[i]]), *flags[i])
        for i in range(6)
    ]
    (nodes,), new_edges = conv((x,), edges, e, freedom)
    torch.testing.assert_close(nodes, torch.stack(expected), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(new_edges, edges_loop(conv.edges, x, edges, e, flags), rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_conv_in_both_directions_equals_a_loop_over_edges(conv_inputs, rng):
    x, edges, e, freedom = conv_inputs
    y = torch.randn(6, 4, generator=rng, dtype=torch.double)
    conv, flags = ScaleEquivariantConv(4, bidirectional=True).double(), rows(freedom)
    sums = messages_loop(conv.messages, x, edges, e, flags), messages_loop(conv.back, y, edges.flip(0), e, flags)
    expected = [dual_loop(conv.nodes, ((x[i], sums[0][i]), (y[i], sums[1][i])), flags[i]) for i in range(6)]
    states, _ = conv((x, y), edges, e, freedom)
    for got, wanted in zip(states, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(got, torch.stack(wanted), rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_conv_takes_edges_in_any_order(conv_inputs, rng):
    x, edges, e, freedom = conv_inputs
    conv, order = ScaleEquivariantConv(4).double(), torch.randperm(8, generator=rng)
    assert not bool((edges[1, order].diff() >= 0).all())
    (nodes,), new_edges = conv((x,), edges, e, freedom)
    (shuffled_nodes,), shuffled_edges = conv((x,), edges[:, order], e[order], freedom)
    torch.testing.assert_close(shuffled_nodes, nodes, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(shuffled_edges, new_edges[order], rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_conv_without_edges(conv_inputs):
    x, _, _, freedom = conv_inputs
    conv, flags = ScaleEquivariantConv(4).double(), rows(freedom)
    (nodes,), edges = conv((x,), torch.empty(2, 0, dtype=torch.long), x[:0], freedom)
    assert edges.shape == (0, 4)
    expected = [
        conv.nodes.skip.weight * x[i] + equivariant_loop(conv.nodes.net, torch.cat([x[i], 0 * x[i]]), *flags[i])
        for i in range(6)
    ]
    torch.testing.assert_close(nodes, torch.stack(expected), rtol=1e-12, atol=1e-12)


def test_conv_repr_and_reset():
    conv = ScaleEquivariantConv(4)
    assert repr(conv) == "ScaleEquivariantConv(4)"
    assert repr(ScaleEquivariantConv(4, False, bidirectional=True)).endswith("update_edges=False, bidirectional=True)")
    before = [p.detach().clone() for p in conv.parameters() if p.dim() > 1]
    conv.reset_parameters()
    after = [p for p in conv.parameters() if p.dim() > 1]
    assert not any(torch.equal(a, b) for a, b in zip(after, before, strict=True))


# ------------------------------------------------------------------------------------------------ ScaleGMN as a whole


@pytest.mark.parametrize(
    ("family", "name", "out_channels"),
    [
        (ScaleGMN, "cnn", None),
        (BidirectionalScaleGMN, "siren", 3),
        (BidirectionalScaleGMN, "bilinear_product", None),
    ],
)
def test_the_dense_route_is_one_graph(family, name, out_channels):
    space = traced(name)
    model, matrix = build(family, space, out_channels), random_graphs(space, 3).weight_matrix
    answer = model._invariant if out_channels else model._updated_weights
    torch._dynamo.reset()
    compiled = torch.compile(answer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(matrix), answer(matrix))


@scale_gmn
@both_forms
@pytest.mark.parametrize("name", ["siren", "cnn", "bilinear_product"])
def test_half_precision_is_close(family, name, out_channels):
    space = traced(name)
    model, graphs = build(family, space, out_channels), random_graphs(space, 3)
    for route in (model.dense, model.sparse):
        expected = route(graphs)
        with torch.autocast("cpu", torch.bfloat16):
            got = route(graphs)
        got, expected = (got, expected) if out_channels else (got.weights, expected.weights)
        got.float().square().sum().backward()
        assert float((got - expected).detach().abs().max() / expected.detach().abs().max()) < 0.1
        assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters() if p.grad is not None)


def test_unknown_pools_are_refused(tiny_space):
    with pytest.raises(WSGraphError, match=r"pool must be 'mean' or 'sum', got 'max'\."):
        ScaleGMN(tiny_space, 4, 1, 2, pool="max")


@torch.no_grad()
def test_many_outputs_are_read_on_average():
    space = trace(mlp(nn.ReLU(), (2, 3, 70)))
    for family in (ScaleGMN, BidirectionalScaleGMN):
        model, graphs = build(family, space), random_graphs(space, 2)
        assert model.pool.out_channels == 8 * (2 if family is ScaleGMN else 4)
        assert_routes_agree(model, graphs, tolerance={torch.float64: 1e-10, torch.float32: 1e-5})


@pytest.mark.parametrize(("bidirectional", "released"), [(False, 1_772_042), (True, 3_089_162)])
def test_sizes_are_those_of_the_released_code_on_inrs(bidirectional, released):
    model = ScaleGMN(trace(siren((2, 32, 32, 1))), 128, 4, 10, bidirectional=bidirectional, linear_skip=True)
    assert abs(sum(p.numel() for p in model.parameters()) / released - 1) < 0.05


@pytest.mark.parametrize(("bidirectional", "released"), [(False, 1_356_801), (True, 2_263_809)])
def test_sizes_are_those_of_the_released_code_on_cnns(bidirectional, released):
    """Backward states of their own, for the sake of positive scales, cost a little more than 5 %."""
    layers = [m for inputs in (1, 16, 16) for m in (nn.Conv2d(inputs, 16, 3), nn.ReLU())]
    space = trace(nn.Sequential(*layers, *pooled(16, 10)), torch.zeros(2, 1, 8, 8))
    model = ScaleGMN(space, 128, 4, 1, bidirectional=bidirectional)
    assert abs(sum(p.numel() for p in model.parameters()) / released - 1) < (0.1 if bidirectional else 0.05)


# ------------------------------------------------------------------------------------------------------- normalisation


@both_forms
@families
def test_normalised_models_keep_all_laws(family, out_channels):
    """On SIRENs, whose biases have half turns; sizes that differ by block, and are not 1."""
    space = traced("siren")
    graphs = random_graphs(space, 4, dtype=torch.double)
    model = build(family, space, out_channels).double()
    plain = copy.deepcopy(model)
    assert model.normalize_by(graphs) is model
    assert float((model.block_sizes - 1).abs().min()) > 1e-3
    if family is not FlatMLP:
        law_of(family, out_channels)(model, graphs, tolerance={torch.float64: 1e-9})
    answers = [(m(graphs) if out_channels else m(graphs).weights).detach() for m in (model, plain)]
    assert float((answers[0] - answers[1]).abs().max()) > 1e-6


def test_normalised_models_see_blocks_of_size_one():
    """What a model of given sizes does is what it would do to the divided weights, in units of the sizes."""
    space = traced("mlp")
    graphs = random_graphs(space, 4, dtype=torch.double)
    model = build(FlatMLP, space, None).double()
    divided = Normalize(graphs)(graphs)
    expected = model(divided).weight_matrix * (graphs.weights / divided.weights).view(4, -1)
    torch.testing.assert_close(model.normalize_by(graphs)(graphs).weight_matrix, expected)
    rms = [space.block_view(divided.weight_matrix, i).square().mean().sqrt() for i in range(len(space.blocks))]
    torch.testing.assert_close(torch.stack(rms), torch.ones(len(rms)).double())


def test_sizes_are_stored_and_stay_when_parameters_are_drawn_anew():
    graphs = random_graphs(traced("mlp"), 4)
    model = build(DualFlow, graphs.spaces[0]).normalize_by(graphs)
    other = build(DualFlow, graphs.spaces[0])
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(graphs), model(graphs))
    sizes = model.block_sizes.clone()
    model.reset_parameters()
    assert torch.equal(model.block_sizes, sizes)


def test_sizes_of_other_spaces_are_refused():
    graphs, others = random_graphs(traced("mlp"), 3), random_graphs(traced("siren"), 3)
    model = build(ScaleGMN, graphs.spaces[0])
    with pytest.raises(SpaceError, match="ScaleGMN was built for"):
        model.normalize_by(others)
    model.normalize_by(graphs)
    with pytest.raises(SpaceError, match="normalises its input"):
        model.sparse(others)
