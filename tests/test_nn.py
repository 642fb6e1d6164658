"""The layers that networks over networks are made of."""

import pytest
import torch
from networks import SMALL, bilinear_product, mlp, residual_mlp, siren
from torch import nn

from wsgraph import ScaleSet, SpaceError, WeightSpace, trace
from wsgraph.graph import topology
from wsgraph.nn import (
    FeatureUpdate,
    NeuronEncoder,
    PartPool,
    ScaleEquivariant,
    ScaleInvariant,
    WeightUpdate,
    canonical,
    perceptron,
)
from wsgraph.nn.aligned import aligned
from wsgraph.nn.canonical import unit_norm
from wsgraph.nn.pointwise import apply_pointwise, carried, keeps_scales
from wsgraph.nn.powers import freedoms, part, powers
from wsgraph.nn.structure import flow_weights, layer_bias, structure
from wsgraph.nn.units import HIDDEN, INPUT, OUTPUT, batch_flows, batch_units, edge_flows, unit_table
from wsgraph.space import Factor, NeuronGroup, Pointwise, ScaleClass
from wsgraph.testing import random_graphs

FLAGS = [(magnitude, sign) for magnitude in (False, True) for sign in (False, True)]
MAGNITUDES = [1e-30, 1e-12, 1.0, 1e12, 1e30]


def traced(name):
    factory, shape = SMALL[name]
    return trace(factory().eval(), torch.zeros(shape))


def layer_named(space, name):
    return next(i for i, layer in enumerate(space.layers) if layer.name == name)


def multipliers(count, magnitude, sign, rng, dtype=torch.double):
    """One multiplier for each row, of the set that the flags allow."""
    values = torch.ones(count, 1, dtype=dtype)
    if magnitude:
        values = 100 ** (2 * torch.rand(count, 1, generator=rng, dtype=torch.double) - 1)
    if sign:
        values = values * torch.tensor([-1.0, 1.0], dtype=torch.double).repeat(count // 2 + 1)[:count, None]
    return values.to(dtype)


# ----------------------------------------------------------------------------------------------------------- canonical


@pytest.mark.parametrize("size", MAGNITUDES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_unit_norm_at_any_magnitude(size, dtype, rng):
    x = torch.randn(6, 5, generator=rng, dtype=torch.double)
    got = unit_norm((size * x).to(dtype))
    assert got.dtype is dtype
    torch.testing.assert_close(got, (x / x.norm(dim=-1, keepdim=True)).to(dtype), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(got.norm(dim=-1), torch.ones(6, dtype=dtype))


@pytest.mark.parametrize("size", MAGNITUDES)
def test_unit_norm_has_finite_gradients_of_the_right_size(size, rng):
    x = (size * torch.randn(6, 5, generator=rng)).requires_grad_()
    direction = torch.randn(6, 5, generator=rng)
    (unit_norm(x) * direction).sum().backward()
    unit, norm = unit_norm(x).detach(), x.detach().double().norm(dim=-1, keepdim=True)
    expected = (direction - unit * (unit * direction).sum(-1, keepdim=True)).double() / norm
    torch.testing.assert_close(x.grad.double() * size, expected * size, rtol=1e-4, atol=1e-5)


def test_unit_norm_of_single_large_entries():
    x = torch.tensor([[1e30, 1.0], [0.0, -1e-30], [3e30, -4e30]])
    torch.testing.assert_close(unit_norm(x), torch.tensor([[1.0, 1e-30], [0.0, -1.0], [0.6, -0.8]]))


@pytest.mark.parametrize(("magnitude", "sign"), FLAGS)
def test_zero_vectors_stay_zero(magnitude, sign):
    x = torch.zeros(3, 4, requires_grad=True)
    y = canonical(x, magnitude, sign)
    assert torch.equal(y, torch.zeros(3, 4))
    y.sum().backward()
    assert bool(torch.isfinite(x.grad).all())


def test_canonical_in_words():
    x = torch.tensor([[3.0, -4.0]])
    assert torch.equal(canonical(x, False, False), x)
    assert torch.equal(canonical(x, False, True), torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(canonical(x, True, False), torch.tensor([[0.6, -0.8]]))
    torch.testing.assert_close(canonical(x, True, True), torch.tensor([[0.6, 0.8]]))


@pytest.mark.parametrize(("magnitude", "sign"), FLAGS[1:])
def test_canonical_is_one_for_all_multiples(magnitude, sign, rng):
    x = torch.randn(8, 5, generator=rng, dtype=torch.double)
    moved = multipliers(8, magnitude, sign, rng) * x
    expected = canonical(x, magnitude, sign)
    torch.testing.assert_close(canonical(moved, magnitude, sign), expected, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(canonical(expected, magnitude, sign), expected, rtol=1e-13, atol=1e-15)
    assert not torch.allclose(moved, x)


def test_canonical_keeps_what_is_not_free(rng):
    x = torch.randn(8, 5, generator=rng, dtype=torch.double)
    assert not torch.allclose(canonical(-x, True, False), canonical(x, True, False))
    assert not torch.allclose(canonical(2 * x, False, True), canonical(x, False, True))


def test_flags_may_differ_from_row_to_row(rng):
    x = torch.randn(4, 5, generator=rng, dtype=torch.double)
    magnitude, sign = torch.tensor(FLAGS).T[..., None]
    expected = torch.cat([canonical(x[i : i + 1], *flags) for i, flags in enumerate(FLAGS)])
    assert torch.equal(canonical(x, magnitude, sign), expected)
    assert torch.equal(canonical(x, magnitude, False)[1], x[1])
    assert torch.equal(canonical(x, False, sign)[2], x[2])


# -------------------------------------------------------------------------------- ScaleInvariant and ScaleEquivariant


def both_kinds_of_flags(magnitude, sign):
    return [(magnitude, sign), tuple(torch.full((8, 1), flag) for flag in (magnitude, sign))]


@torch.no_grad()
@pytest.mark.parametrize(("magnitude", "sign"), FLAGS[1:])
def test_scale_invariant(magnitude, sign, rng):
    net = ScaleInvariant(5, 3, 7).double()
    x = torch.randn(8, 5, generator=rng, dtype=torch.double)
    moved = multipliers(8, magnitude, sign, rng) * x
    for flags in both_kinds_of_flags(magnitude, sign):
        torch.testing.assert_close(net(moved, *flags), net(x, *flags), rtol=1e-10, atol=1e-12)
    assert net(x, magnitude, sign).shape == (8, 3)
    assert torch.equal(net(x, magnitude, sign), net(x, *both_kinds_of_flags(magnitude, sign)[1]))
    assert not torch.allclose(net(moved, False, False), net(x, False, False))
    assert float((net(x, magnitude, sign) - net(x, magnitude, sign)[:1]).abs().max()) > 1e-3


@torch.no_grad()
@pytest.mark.parametrize(("magnitude", "sign"), FLAGS[1:])
def test_scale_equivariant(magnitude, sign, rng):
    net = ScaleEquivariant(5, 3).double()
    x = torch.randn(8, 5, generator=rng, dtype=torch.double)
    scales = multipliers(8, magnitude, sign, rng)
    for flags in both_kinds_of_flags(magnitude, sign):
        expected = scales * net(x, *flags)
        torch.testing.assert_close(net(scales * x, *flags), expected, rtol=1e-10, atol=1e-12)
        assert not torch.allclose(net(x, *flags), net.linear(x))  # it is more than a linear map
    assert not torch.allclose(net(scales * x, False, False), scales * net(x, False, False))


@torch.no_grad()
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_scale_layers_at_any_magnitude(size, rng):
    x = torch.randn(8, 5, generator=rng)
    invariant, equivariant = ScaleInvariant(5, 3), ScaleEquivariant(5, 3)
    torch.testing.assert_close(invariant(size * x, True, False), invariant(x, True, False), rtol=1e-4, atol=1e-5)
    scaled = equivariant(size * x, True, False) / size
    torch.testing.assert_close(scaled, equivariant(x, True, False), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [ScaleInvariant(5, 3), ScaleEquivariant(5, 3), PartPool(4), FeatureUpdate(4, 9)])
def test_reset_parameters_of_layers(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(7.5)
    layer.reset_parameters()
    assert not any(bool((parameter == 7.5).any()) for parameter in layer.parameters())


# ---------------------------------------------------------------------------------------------------------- perceptron


@pytest.mark.parametrize(
    ("num_layers", "sizes"), [(0, [(5, 2)]), (1, [(5, 7), (7, 2)]), (3, [(5, 7), (7, 7), (7, 7), (7, 2)])]
)
def test_perceptron_sizes(num_layers, sizes):
    net = perceptron(5, 7, num_layers, 2)
    assert [(m.in_features, m.out_features) for m in net if isinstance(m, nn.Linear)] == sizes
    assert [type(m) for m in net] == [nn.Linear, nn.LayerNorm, nn.SiLU] * num_layers + [nn.Linear]
    assert net(torch.zeros(4, 5)).shape == (4, 2)


# ----------------------------------------------------------------------------------------------------------- structure


@pytest.fixture(scope="module")
def residual():
    return trace(residual_mlp())


@pytest.fixture(scope="module")
def gated():
    return traced("SqueezeExcite")


def flows_by_name(space, target):
    names = [layer.name for layer in space.layers]
    links = [flow.link for flow in structure(space).flows[layer_named(space, target)]]
    return [(names[link.source], link.block is None, link.targets == link.sources == 1) for link in links]


def test_flows_of_a_residual_mlp(residual):
    assert flows_by_name(residual, "input") == []
    assert flows_by_name(residual, "0") == [("input", False, False)]
    assert flows_by_name(residual, "1.body.0") == [("0", True, True)]  # ReLU behind the shortcut
    assert flows_by_name(residual, "1.body.1") == [("1.body.0", False, False)]
    assert flows_by_name(residual, "1") == [("0", True, True), ("1.body.3", True, True)]  # a sum
    assert flows_by_name(residual, "3") == [("2", False, False)]


def test_factors_of_a_product_are_no_flows(gated):
    assert flows_by_name(gated, "mul") == [("stem.1", True, True)]  # the gate keeps no multiplier
    assert flows_by_name(gated, "stem.1") == [("stem.0", True, True)]
    bilinear = trace(bilinear_product())
    product = next(i for i, x in enumerate(bilinear.layers) if x.pointwise and x.pointwise.op == "mul.Tensor")
    assert bilinear.layers[product].name == "mul"  # left * right
    assert structure(bilinear).flows[product] == ()
    assert len([c for c in bilinear.incoming[product] if c.role == "operand"]) == 2


def test_depth_counts_weights_on_the_longest_path(residual, gated):
    depth = dict(zip((layer.name for layer in residual.layers), structure(residual).depth, strict=True))
    assert depth == {
        **{"input": 0, "0": 1, "1.body.0": 1, "1.body.1": 2, "1.body.3": 3},
        **{"1": 3, "2.body.0": 3, "2.body.1": 4, "2.body.3": 5, "2": 5, "3": 6},
    }
    depth = dict(zip((layer.name for layer in gated.layers), structure(gated).depth, strict=True))
    assert (depth["stem.1"], depth["gate.3"], depth["mul"], depth["head.0.0"]) == (1, 3, 3, 4)


def test_structure_reads_freedoms_and_fixed_units():
    for space, flags in ((trace(mlp(nn.ReLU())), (True, False)), (trace(siren()), (False, True))):
        form = structure(space)
        assert list(zip(form.magnitude, form.sign, strict=True)) == [(False, False), flags, flags, (False, False)]
        assert form.fixed == (True, False, False, True)
    cnn = traced("cnn")
    convolution, norm = structure(cnn), layer_named(cnn, "1")
    assert (convolution.magnitude[1], convolution.sign[1]) == (True, True)  # the norm takes any multiplier off
    assert (convolution.magnitude[norm], convolution.sign[norm]) == (True, False)
    assert freedoms(cnn, ()) == (False, False)


def test_vectors_of_a_batch_norm():
    space = traced("cnn")
    vectors = structure(space).vectors[layer_named(space, "1")]
    tensors = [space.blocks[i].tensor for i in (vectors.bias, vectors.gain, vectors.mean, vectors.variance)]
    assert tensors == ["1.bias", "1.weight", "1.running_mean", "1.running_var"]
    assert vectors.slope is None


def test_numbers_of_a_batch_norm_are_folded():
    space = traced("cnn")
    weights = random_graphs(space, 3, dtype=torch.double).weight_matrix
    state, layer = space.unflatten(weights), layer_named(space, "1")
    gain = state["1.weight"] / (state["1.running_var"] + 1e-5).sqrt()
    torch.testing.assert_close(flow_weights(space, structure(space).flows[layer][0], weights)[..., 0, 0, 0], gain)
    torch.testing.assert_close(layer_bias(space, layer, weights), state["1.bias"] - gain * state["1.running_mean"])


def test_numbers_of_weights_are_targets_sources_kernel():
    space = traced("cnn")
    weights = random_graphs(space, 3).weight_matrix
    state = space.unflatten(weights)
    for name in ("4", "8"):
        flow = structure(space).flows[layer_named(space, name)][0]
        shape = {"4": (3, 1, 8, 6, 9), "8": (3, 1, 10, 8, 16)}[name]
        assert torch.equal(flow_weights(space, flow, weights), state[f"{name}.weight"].reshape(shape))
    tied = traced("TiedAutoencoder")
    weights = random_graphs(tied, 2).weight_matrix
    encoder, decoder = (flow_weights(tied, structure(tied).flows[i][0], weights)[:, 0, ..., 0] for i in (1, 2))
    assert torch.equal(encoder, decoder.mT)


def test_unit_table(residual):
    units, sizes = unit_table(residual), [residual.size(i) for i in range(len(residual.layers))]
    parts = [INPUT, *[HIDDEN] * 9, OUTPUT]
    assert units.part.tolist() == [part for part, size in zip(parts, sizes, strict=True) for _ in range(size)]
    assert units.index.tolist() == [i for size in sizes for i in range(size)]
    assert units.magnitude.sum() == sum(sizes[1:-1])
    assert not bool(units.sign.any() or units.norm.any() or units.eps.any())
    edges = edge_flows(residual)
    assert bool(edges.flows.all())
    assert not bool(edges.magnitude.any() or edges.sign.any())


def test_unit_table_of_norms_and_gates(gated):
    units, form, flows = unit_table(gated), topology(gated), edge_flows(gated).flows
    norms = [layer_named(gated, name) for name in ("stem.1", "head.0.1")]
    assert torch.equal(units.norm, torch.isin(form.node_layer, torch.tensor(norms)))
    assert torch.equal(units.eps != 0, units.norm)
    assert units.eps.max() == 1e-5
    source, target = form.node_layer[form.edges.index]
    gate, product = layer_named(gated, "gate.3"), layer_named(gated, "mul")
    assert torch.equal(~flows, (source == gate) & (target == product))
    assert int((~flows).sum()) == 16


def test_tables_of_a_batch_follow_one_another(residual):
    graphs = random_graphs(residual, 3)
    one, three = unit_table(residual), batch_units(graphs)
    assert torch.equal(three.depth, one.depth.repeat(3))
    flows = batch_flows(graphs).flows
    assert torch.equal(flows, edge_flows(residual).flows.repeat(3))
    assert len(flows) == graphs.num_edges


# --------------------------------------------------------------------------------------------------- the other layers


def updated_by(update, space, channels, covariant):
    weights = random_graphs(space, 2).weight_matrix
    sizes = [space.size(i) for i in range(len(space.layers))]
    states = [[torch.randn(2, size, width) for size in sizes] for width in (channels, covariant)]
    return weights, update(weights, *states)


@torch.no_grad()
def test_weight_update_leaves_unused_blocks_alone():
    space = traced("UnusedParameter")
    weights, after = updated_by(WeightUpdate(space, 4, 3), space, 4, 3)
    changed = {}
    for block, here in zip(space.blocks, space.slices, strict=True):
        changed[block.tensor] = bool((weights[:, here] != after[:, here]).all())
        if not changed[block.tensor]:
            assert torch.equal(weights[:, here], after[:, here])
    unused = {name for name in changed if not name.startswith("body.")}
    assert unused == {"unused", "spare.weight", "spare.bias"}
    assert {name for name, value in changed.items() if not value} == unused


@torch.no_grad()
@pytest.mark.parametrize("name", ["mlp", "cnn", "TiedAutoencoder", "SharedBlock", "layer_norm_mlp", "grouped_cnn"])
def test_weight_update_changes_every_used_weight(name):
    space = traced(name)
    weights, after = updated_by(WeightUpdate(space, 4, 3), space, 4, 3)
    assert after.shape == weights.shape
    assert bool((weights != after).all())


@torch.no_grad()
def test_weight_update_is_its_formula():
    space = trace(mlp(nn.Tanh(), (2, 3, 1)))
    update, weights = WeightUpdate(space, 4, 5), random_graphs(space, 2).weight_matrix
    s, p = ([torch.randn(2, n, width) for n in (2, 3, 1)] for width in (4, 5))
    old, new = space.unflatten(weights), space.unflatten(update(weights, s, p))
    for layer, name in ((1, "0"), (2, "2")):
        block = {b.tensor: str(i) for i, b in enumerate(space.blocks)}
        matrix, bias = update.factors[block[f"{name}.weight"]], update.factors[block[f"{name}.bias"]]
        factor = 1 + matrix["target"](s[layer]) @ matrix["source"](s[layer - 1]).mT
        torch.testing.assert_close(new[f"{name}.weight"], old[f"{name}.weight"] * factor)
        push = (p[layer] * bias["shift"](s[layer])).sum(-1)
        expected = old[f"{name}.bias"] * (1 + bias["target"](s[layer])[..., 0]) + push
        torch.testing.assert_close(new[f"{name}.bias"], expected)


def test_encoder_routes_agree_and_reset():
    space = traced("cnn")
    encoder, graphs = NeuronEncoder(space, 4).double(), random_graphs(space, 2, dtype=torch.double)
    nodes, edges = encoder.dense(graphs.weight_matrix)
    x, edge_index, edge_attr = encoder.sparse(graphs, batch_units(graphs), batch_flows(graphs))
    torch.testing.assert_close(torch.cat(nodes, 1).flatten(0, 1), x, rtol=1e-12, atol=1e-12)
    assert sum(e.numel() for e in edges.values()) == edge_attr.numel()
    assert edge_index.shape == (2, len(edge_attr))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.fill_(7.5)
    encoder.reset_parameters()
    assert not any(bool((parameter == 7.5).any()) for parameter in encoder.parameters())


# ----------------------------------------------------------------------------------------------- scales of states


CLASSES = tuple(ScaleClass(v.name, 0, v) for v in (ScaleSet.POSITIVE, ScaleSet.SIGN, ScaleSet.NONZERO))


def scales_only():
    """A space with a positive, a signed and a nonzero class, and nothing else."""
    return WeightSpace((), (NeuronGroup("units", 3),), CLASSES, (), (), ())


def test_powers_count_what_is_free():
    space = scales_only()
    positive, sign, both = ((Factor(i, 2.0, 1),) for i in range(3))
    assert powers(space, (positive, 1)) == ((0, 2.0, 0),)
    assert powers(space, (sign, 1)) == powers(space, (sign, -1)) == ((1, 0.0, 1),)
    assert powers(space, (both, -0.5), (positive, 0.5)) == ((0, 1.0, 0), (2, -1.0, 0))
    assert powers(space, (both, 1), (both, -1)) == powers(space, (sign, 1), (sign, 1)) == ()
    assert [part(both, *flags) for flags in FLAGS] == [(), ((2, 0.0, 1),), ((2, 2.0, 0),), both]
    assert freedoms(space, (*positive, *sign)) == (True, True)
    assert freedoms(space, ()) == (False, False)


def scaled_by(monomial, multiplier):
    total = 1.0
    for number, power, parity in monomial:
        total *= abs(multiplier[number]) ** power * (-1.0 if parity and multiplier[number] < 0 else 1.0)
    return total


@pytest.mark.parametrize(
    ("have", "want"),
    [
        (((2, 1.0, 1),), ((2, 1.0, 1),)),
        (((2, 1.0, 1),), ((2, 1.0, 0),)),  # |x|
        (((2, 1.0, 1),), ((2, 2.0, 0),)),  # x^2
        (((2, 1.0, 1),), ((2, 0.0, 1),)),  # x / |x|
        (((2, 1.0, 1),), ((2, -1.0, 1),)),  # 1 / x
        (((0, 1.0, 0), (1, 0.0, 1)), ()),
        (((0, 1.0, 0), (2, 2.0, 1)), ((0, 0.5, 0), (2, 1.0, 1))),
        (((0, 1.0, 0),), ((0, 1.0, 0), (1, 0.0, 1))),  # a sign from nowhere
        (((0, 1.0, 0), (2, 1.0, 1)), ((0, 1.0, 0), (2, 2.0, 1))),  # two powers
        (((1, 0.0, 1), (2, 1.0, 1)), ((2, 1.0, 1),)),  # one sign of two
        ((), ((0, 1.0, 0),)),
    ],
)
def test_carried_states_have_the_multiplier_that_is_wanted(have, want, rng):
    x, multiplier = torch.randn(4, 3, generator=rng, dtype=torch.double), {0: 3.0, 1: -1.0, 2: -0.2}
    before, after = carried(x, have, want), carried(x * scaled_by(have, multiplier), have, want)
    possible = not any(n not in [m for m, _, _ in have] for n, _, _ in want) and have not in TOO_MUCH
    assert (before is not None) == possible
    if before is not None:
        torch.testing.assert_close(after, before * scaled_by(want, multiplier), rtol=1e-12, atol=1e-12)
        assert torch.equal(carried(0 * x, have, want), 0 * x)


TOO_MUCH = [((0, 1.0, 0), (2, 1.0, 1)), ((1, 0.0, 1), (2, 1.0, 1))]


def test_carried_states_have_gradients_at_zero():
    x = torch.zeros(2, 3, requires_grad=True)
    for want in (((2, 2.0, 0),), ((2, 0.5, 1),), ((2, -1.0, 1),), ()):
        (gradient,) = torch.autograd.grad(carried(x, ((2, 1.0, 1),), want).sum(), x)
        assert bool(torch.isfinite(gradient).all())


def test_calls_that_do_not_keep_scales_are_found():
    one, other, product = ((0, 1.0, 0),), ((2, 1.0, 1),), ((0, 1.0, 0), (2, 1.0, 1))
    assert keeps_scales(Pointwise("relu.default"), CLASSES, [one], one)
    assert not keeps_scales(Pointwise("relu.default"), CLASSES, [other], other)
    assert keeps_scales(Pointwise("mul.Tensor", ("$0", "$1")), CLASSES, [one, other], product)
    assert not keeps_scales(Pointwise("mul.Tensor", ("$0", "$1")), CLASSES, [one, other], one)
    assert keeps_scales(Pointwise("exp.default"), CLASSES, [()], ())
    assert keeps_scales(Pointwise("sqrt.default"), CLASSES, [((0, 2.0, 0),)], one)


def test_values_beside_other_units():
    """Heads of three units each; two heads; and units that have nothing to do with them."""
    groups = (NeuronGroup("heads", 2), NeuronGroup("parts", 6, parent=0), NeuronGroup("others", 4))
    space = WeightSpace((), groups, (), (), (), ())
    heads, parts = torch.tensor([[[1.0], [2.0]]]), torch.arange(6.0).reshape(1, 6, 1)
    assert aligned(space, heads, 0, 1).flatten().tolist() == [1, 1, 1, 2, 2, 2]
    assert aligned(space, parts, 1, 0).flatten().tolist() == [1, 4]
    assert aligned(space, parts, 1, 1) is parts
    assert aligned(space, parts, 1, 2).flatten().tolist() == [2.5] * 4


@pytest.mark.parametrize("name", ["sqrt", "log", "rsqrt", "reciprocal", "atanh"])
def test_undefined_values_are_zero_and_have_finite_gradients(name):
    x = torch.tensor([-1.5, 0.0, 0.3], requires_grad=True)
    y = apply_pointwise(Pointwise(f"{name}.default"), [x])
    expected = getattr(torch, name)(x.detach())
    assert torch.equal(y, torch.where(torch.isfinite(expected), expected, 0))
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert bool(torch.isfinite(gradient[[0, 2]]).all())


def test_unknown_pointwise_operators_are_refused():
    x = torch.tensor([-1.0, 4.0])
    assert torch.equal(apply_pointwise(Pointwise("relu.default"), [x]), torch.tensor([0.0, 4.0]))
    assert torch.equal(apply_pointwise(Pointwise("mul.Tensor", ("$0", "$1")), [x, x]), torch.tensor([1.0, 16.0]))
    for name in ("conjure.default", "sort.default"):
        with pytest.raises(SpaceError, match=f"Unknown elementwise operator '{name}' in the weight space"):
            apply_pointwise(Pointwise(name), [x])


def test_reprs_name_the_space():
    space = trace(siren())
    assert repr(space) in repr(WeightUpdate(space, 4, 3))
