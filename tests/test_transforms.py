"""Transforms: random symmetries, noise, dropped weights, normalisation, and what all transforms share."""

import math
from dataclasses import replace

import pytest
import torch
from networks import SMALL, cnn, mlp, residual_mlp, siren
from torch import nn
from torch.func import functional_call
from torch_geometric.data import Batch
from transformed import made, normal, outputs, seeded

from wsgraph import NeuronGraph, SpaceError, to_graph, to_graphs, to_state_dict, trace
from wsgraph.testing import random_graphs
from wsgraph.transforms import DropWeights, InputAffine, Normalize, OutputAffine, RandomSymmetry, WeightNoise


def space_of(name):
    factory, shape = SMALL[name]
    return trace(factory().eval(), torch.zeros(shape))


def parts(space, role):
    """Slices of the blocks that enter in a role."""
    return [space.slices[i] for i in sorted({c.block for c in space.connections if c.role == role})]


# ------------------------------------------------------------------------------------------------------ RandomSymmetry


@pytest.mark.parametrize("name", ["mlp", "siren", "cnn", "residual_mlp", "MixedActivations", "TiedAutoencoder"])
def test_random_symmetry_preserves_every_function(name, rng):
    factory, shape = SMALL[name]
    models = [made(factory(), i) for i in range(3)]
    x = torch.randn(shape, generator=rng, dtype=torch.double)
    graphs = to_graphs([m.state_dict() for m in models], trace(models[0], x))
    moved = RandomSymmetry(max_scale=5, generator=rng)(graphs)
    state = to_state_dict(moved)
    for i, model in enumerate(models):
        expected = model(x).detach()
        got = functional_call(model, {n: t[i] for n, t in state.items()}, (x,))
        assert float((got - expected).detach().abs().max() / expected.abs().max()) < 1e-10
    changed = (moved.weight_matrix - graphs.weight_matrix).abs().amax(1)
    assert bool((changed > 1e-2).all())


def test_random_symmetry_moves_each_network_differently(rng):
    space = trace(siren())
    row = random_graphs(space, 1).weight_matrix
    same = to_graphs({n: t.expand(4, *t.shape) for n, t in space.unflatten(row[0]).items()}, space)
    moved = RandomSymmetry(generator=rng)(same)
    assert len(torch.unique(moved.weight_matrix, dim=0)) == 4
    assert torch.equal(same.weight_matrix, row.expand(4, -1))  # the input stays as it was


def test_random_symmetry_takes_a_graph_and_mixed_batches(rng):
    spaces = [trace(siren()), trace(mlp(nn.ReLU()))]
    graphs = [random_graphs(s, 1)[0] for s in spaces]
    alone = RandomSymmetry(generator=rng)(graphs[0])
    assert type(alone) is NeuronGraph
    assert not torch.equal(alone.weights, graphs[0].weights)
    batch = Batch.from_data_list([graphs[0], graphs[1], graphs[0]])
    moved = RandomSymmetry(generator=rng)(batch)
    assert moved.spaces == batch.spaces
    assert all(not torch.equal(moved[i].weights, batch[i].weights) for i in range(3))


def test_random_symmetry_is_reproducible_and_obeys_its_flags():
    graphs = random_graphs(trace(mlp(nn.ReLU())), 3)
    values = graphs.weight_matrix.sort(1).values
    both = RandomSymmetry(generator=seeded())(graphs)
    assert torch.equal(RandomSymmetry(generator=seeded())(graphs).weights, both.weights)
    permuted = RandomSymmetry(scale=False, generator=seeded())(graphs).weight_matrix
    assert torch.equal(permuted.sort(1).values, values)
    assert not torch.equal(permuted, graphs.weight_matrix)
    scaled = RandomSymmetry(permute=False, max_scale=3, generator=seeded())(graphs).weight_matrix
    ratio = scaled / graphs.weight_matrix
    assert bool((ratio > 0).all())
    assert 3 < float(ratio.max()) <= 9.01  # a multiplier over another
    assert torch.equal(RandomSymmetry(permute=False, scale=False)(graphs).weights, graphs.weights)


# --------------------------------------------------------------------------------------------------------- WeightNoise


@pytest.mark.parametrize("name", ["siren", "cnn", "residual_mlp", "layer_norm_mlp", "grouped_cnn"])
def test_noise_has_the_size_of_its_block(name):
    space = space_of(name)
    graphs = random_graphs(space, 1, dtype=torch.double)
    many = to_graphs({n: t.expand(4000, *t.shape[1:]) for n, t in to_state_dict(graphs).items()}, space)
    moved = WeightNoise(0.1, generator=seeded())(many).weight_matrix - many.weight_matrix
    variances = parts(space, "variance")
    for part in space.slices:
        if part not in variances:
            expected = 0.1 * float(graphs.weight_matrix[:, part].square().mean().sqrt())
            found = moved[:, part].std(0)
            assert float(found.min()) > 0.93 * expected
            assert float(found.max()) < 1.07 * expected
            assert float(moved[:, part].mean(0).abs().max()) < 0.1 * expected
    assert bool(variances) == (name in ("cnn", "grouped_cnn"))


def test_noise_is_relative_to_every_network_alone():
    space = trace(siren())
    graphs = random_graphs(space, 2, dtype=torch.double)
    other = graphs.weight_matrix * torch.tensor([[1.0], [100.0]])
    larger = WeightNoise(0.3, generator=seeded())(to_graphs(space.unflatten(other), space)).weight_matrix
    moved = WeightNoise(0.3, generator=seeded())(graphs).weight_matrix
    assert torch.equal(larger[0], moved[0])
    torch.testing.assert_close(larger[1], 100 * moved[1])


def test_variances_stay_positive():
    space = space_of("cnn")
    graphs = random_graphs(space, 50, dtype=torch.double)
    moved = WeightNoise(3.0, generator=seeded())(graphs).weight_matrix
    for part in parts(space, "variance"):
        ratio = moved[:, part] / graphs.weight_matrix[:, part]
        assert bool((ratio > 0).all())
        assert 2.7 < float(ratio.log().std()) < 3.3
    assert any(bool((moved[:, part] * graphs.weight_matrix[:, part] < 0).any()) for part in parts(space, "weight"))


def test_noise_commutes_with_permutations_in_distribution():
    space = trace(mlp(nn.ReLU()))
    weights = random_graphs(space, 1, dtype=torch.double).weight_matrix[0]
    symmetry = space.random_symmetry(seeded(), scale=False)
    count, noise = 20000, WeightNoise(0.2, generator=seeded())

    def moments(row):
        moved = noise(to_graphs(space.unflatten(row.expand(count, -1)), space)).weight_matrix
        return moved.mean(0), moved.std(0)

    (mean, std), (other_mean, other_std) = moments(symmetry.act(weights)), moments(weights)
    assert float((mean - symmetry.act(other_mean)).abs().max()) < 0.02
    assert float((std / symmetry.act(other_std) - 1).abs().max()) < 0.05
    assert not torch.allclose(mean, other_mean, atol=0.02)


def test_no_noise_where_nothing_is():
    model = mlp(nn.ReLU())
    nn.init.zeros_(model[0].bias)
    moved = to_state_dict(WeightNoise(0.5)(to_graph(model)))
    assert bool((moved["0.bias"] == 0).all())
    graphs = random_graphs(trace(model), 2)
    assert torch.equal(WeightNoise(0.0)(graphs).weights, graphs.weights)


# --------------------------------------------------------------------------------------------------------- DropWeights


@pytest.mark.parametrize("name", ["siren", "cnn", "residual_mlp", "layer_norm_mlp", "grouped_cnn", "TiedAutoencoder"])
def test_dropped_weights(name):
    space = space_of(name)
    graphs = random_graphs(space, 40, dtype=torch.double)
    moved = DropWeights(0.3, generator=seeded())(graphs).weight_matrix
    kept = moved == graphs.weight_matrix
    assert bool((kept | (moved == 0)).all())
    weights = torch.zeros(space.num_weights, dtype=torch.bool)
    for part in parts(space, "weight"):
        weights[part] = True
    assert bool(kept[:, ~weights].all())
    assert 0.27 < float((~kept[:, weights]).double().mean()) < 0.33
    assert len(torch.unique(kept, dim=0)) == 40


def test_all_or_nothing_is_dropped():
    graphs = random_graphs(space_of("mlp"), 2)
    assert torch.equal(DropWeights(0.0)(graphs).weights, graphs.weights)
    assert torch.equal(DropWeights(0.0, units=True)(graphs).weights, graphs.weights)
    assert bool((DropWeights(1.0)(graphs).edge_attr == 0).all())


@pytest.mark.parametrize(("factory", "shape"), [(lambda: mlp(nn.Tanh(), (3, 20, 20, 2)), (3, 3)), (cnn, (3, 1, 8, 8))])
def test_dropped_units_do_nothing(factory, shape):
    """The network computes what the old one computes with a mask behind each of its activations."""
    model, x = made(factory()), normal(*shape)
    space = trace(model, x)
    moved = DropWeights(0.5, units=True, generator=seeded())(to_graph(model, space))
    state, before = to_state_dict(moved), model(x).detach()
    weighted = [name for name, module in model.named_children() if isinstance(module, nn.Linear | nn.Conv2d)]
    activations = [module for module in model if isinstance(module, nn.ReLU | nn.Tanh)]
    for name, activation in zip(weighted, activations, strict=False):
        mask = (state[f"{name}.bias"] != 0).double()
        assert 0 < float(mask.mean()) < 1
        assert torch.equal((state[f"{name}.weight"].flatten(1) != 0).any(1).double(), mask)
        activation.register_forward_hook(lambda _, __, y, m=mask: y * m.reshape(-1, *[1] * (y.dim() - 2)))
    expected = model(x).detach()
    torch.testing.assert_close(outputs(model, space, moved.weights, x), expected, rtol=0, atol=1e-12)
    assert float((expected - before).abs().max()) > 1e-2


def test_units_of_a_residual_stream_are_dropped_together():
    model = made(residual_mlp())
    graph = to_graph(model)
    state = to_state_dict(DropWeights(0.5, units=True, generator=seeded(1))(graph))
    stream = (state["0.weight"] != 0).all(1)
    assert 0 < int(stream.sum()) < 8
    assert torch.equal(stream, (state["3.weight"] != 0).all(0))
    for name in (n for n in state if n.endswith("body.3.weight")):
        assert torch.equal(stream, (state[name] != 0).any(1))
    assert torch.equal(state["3.bias"], model[3].bias)


@pytest.mark.parametrize("units", [False, True])
def test_dropping_commutes_with_symmetries_in_distribution(units):
    space = trace(mlp(nn.ReLU()))
    weights = random_graphs(space, 1, dtype=torch.double).weight_matrix[0]
    symmetry, drop = space.random_symmetry(seeded()), DropWeights(0.3, units, generator=seeded())

    def share(row):
        return (drop(to_graphs(space.unflatten(row.expand(8000, -1)), space)).weight_matrix == 0).double().mean(0)

    moved, expected = share(symmetry.act(weights)), share(weights)
    permutation = replace(symmetry, multipliers=tuple(torch.ones_like(m) for m in symmetry.multipliers))
    assert float((moved - permutation.act(expected)).abs().max()) < 0.03


def test_dropped_units_take_their_norms_along():
    model = made(cnn())
    state = to_state_dict(DropWeights(0.5, units=True, generator=seeded())(to_graph(model, space_of("cnn"))))
    for weight, norm in (("0", "1"), ("4", "5")):
        kept = state[f"{weight}.bias"] != 0
        assert 0 < int(kept.sum()) < len(kept)
        assert torch.equal(state[f"{norm}.weight"] != 0, kept)
        assert torch.equal(state[f"{norm}.bias"] != 0, kept)
        assert bool((state[f"{norm}.running_var"] > 0).all())


def test_computed_weights_are_not_dropped():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.ReLU(), nn.Linear(4, 2))
    graphs = random_graphs(trace(model), 1)
    if any(c.role == "part" for c in graphs.spaces[0].connections):
        with pytest.raises(SpaceError, match=r"DropWeights cannot drop weights that are computed from several tensors"):
            DropWeights(0.1)(graphs)


@pytest.mark.parametrize("p", [-0.1, 1.5, math.nan])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(SpaceError, match=rf"p is a probability, from 0 to 1, got {p}\."):
        DropWeights(p)


@pytest.mark.parametrize("std", [-0.1, math.inf, math.nan])
def test_what_is_no_deviation_is_refused(std):
    with pytest.raises(
        SpaceError, match=rf"std is a standard deviation and must be finite and not negative, got {std}\."
    ):
        WeightNoise(std)


# ----------------------------------------------------------------------------------------------------------- Normalize


@pytest.mark.parametrize("name", ["siren", "cnn", "residual_mlp", "MixedActivations"])
def test_normalize_makes_every_block_of_size_one(name):
    factory, shape = SMALL[name]
    space = trace(factory().eval(), torch.zeros(shape))
    graphs = random_graphs(space, 5, dtype=torch.double)
    out = Normalize(graphs)(graphs)
    for block, part in zip(space.blocks, space.slices, strict=True):
        rms = out.weight_matrix[:, part].square().mean().sqrt()
        if block.shift:
            assert torch.equal(out.weight_matrix[:, part], graphs.weight_matrix[:, part])
        else:
            torch.testing.assert_close(rms, torch.ones_like(rms), rtol=1e-12, atol=0)
    assert sum(bool(block.shift) for block in space.blocks) == (2 if name == "cnn" else 0)


@pytest.mark.parametrize("name", ["Narrow", "mlp", "cnn"])
def test_normalize_commutes_with_symmetries(name):
    factory, shape = SMALL[name]
    space = trace(factory().eval(), torch.zeros(shape))
    graphs = random_graphs(space, 3, dtype=torch.double)
    normalize = Normalize(graphs)
    first = RandomSymmetry(generator=seeded())(normalize(graphs)).weights
    second = normalize(RandomSymmetry(generator=seeded())(graphs)).weights
    torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(first, normalize(graphs).weights)


def test_sizes_do_not_change_with_signs_and_permutations():
    graphs = random_graphs(trace(mlp(nn.Tanh())), 3, dtype=torch.double)
    moved = RandomSymmetry(generator=seeded())(graphs)
    space = graphs.spaces[0]
    torch.testing.assert_close(Normalize(moved).sizes[space], Normalize(graphs).sizes[space], rtol=1e-13, atol=0)


def test_normalize_applies_the_sizes_of_its_own_data():
    space = trace(siren())
    train, other = random_graphs(space, 4), random_graphs(space, 2, seeded(1))
    normalize = Normalize(train)
    twice = to_graphs({name: 2 * tensor for name, tensor in to_state_dict(other).items()}, space)
    torch.testing.assert_close(normalize(twice).weights, 2 * normalize(other).weights)
    single = normalize(other[1])
    assert type(single) is NeuronGraph
    torch.testing.assert_close(single.weights, normalize(other).weight_matrix[1])


def test_normalize_leaves_zeros_alone():
    model = mlp(nn.ReLU())
    nn.init.zeros_(model[0].bias)
    graph = to_graph(model)
    out = to_state_dict(Normalize(graph)(graph))
    assert bool((out["0.bias"] == 0).all())
    assert all(bool(torch.isfinite(tensor).all()) for tensor in out.values())


def test_normalize_takes_data_of_several_spaces():
    spaces = trace(siren()), trace(mlp(nn.ReLU()))
    first, second = (random_graphs(space, 3, dtype=torch.double) for space in spaces)
    mixed = Batch.from_data_list([first[0], second[0], second[1], first[1], first[2], second[2]])
    normalize = Normalize(mixed)
    for space, graphs in zip(spaces, (first, second), strict=True):
        torch.testing.assert_close(normalize.sizes[space], Normalize(graphs).sizes[space])
        torch.testing.assert_close(normalize(graphs).weights, Normalize(graphs)(graphs).weights)
    out = normalize(mixed)
    torch.testing.assert_close(out[3].weights, normalize(first)[1].weights)
    assert repr(normalize) == f"Normalize({spaces[0]!r}, {spaces[1]!r})"


def test_normalize_leaves_variances_without_epsilon_alone():
    space = trace(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, eps=0.0), nn.ReLU(), nn.Linear(4, 2)).eval())
    graphs = random_graphs(space, 3)
    out = Normalize(graphs)(graphs)
    (part,) = parts(space, "variance")
    assert torch.equal(out.weight_matrix[:, part], graphs.weight_matrix[:, part])


def test_normalize_is_exact_for_half_precision():
    graphs = random_graphs(trace(siren()), 3)
    large = to_graphs({name: (500 * tensor).half() for name, tensor in to_state_dict(graphs).items()}, graphs.spaces[0])
    out = Normalize(large)(large)
    assert out.weights.dtype is torch.float16
    assert bool(out.weights.isfinite().all())
    torch.testing.assert_close(out.weights.float(), Normalize(graphs)(graphs).weights, rtol=5e-3, atol=5e-3)


def test_normalize_refuses_broken_networks():
    graphs = random_graphs(trace(mlp(nn.ReLU())), 3)
    graphs.weights[graphs.spaces[0].slices[1].start] = math.nan
    words = (
        r"1 of 3 networks have weights that are not finite, the first of them in '0\.bias'\. Leave these networks out\."
    )
    with pytest.raises(SpaceError, match=words):
        Normalize(graphs)


def test_normalize_refuses_other_spaces():
    space, foreign = trace(siren()), trace(mlp(nn.ReLU()))
    normalize = Normalize(random_graphs(space, 2))
    words = r"Normalize was fitted to WeightSpace\(4 layers, 337.*, got a graph of WeightSpace\(4 layers, 122"
    with pytest.raises(SpaceError, match=words):
        normalize(random_graphs(foreign, 2))
    with pytest.raises(SpaceError, match="Normalize expects a NeuronGraph"):
        Normalize(torch.zeros(3))


# ------------------------------------------------------------------------------------------------------------- the rest

RANDOM = {
    "InputAffine": lambda g: InputAffine(rotation=30, generator=g),
    "OutputAffine": lambda g: OutputAffine(scale=(0.5, 2), shift=0.1, generator=g),
    "RandomSymmetry": lambda g: RandomSymmetry(generator=g),
    "WeightNoise": lambda g: WeightNoise(0.1, g),
    "DropWeights": lambda g: DropWeights(0.3, generator=g),
    "DropWeights of units": lambda g: DropWeights(0.3, True, g),
}


@pytest.fixture(params=RANDOM)
def random_transform(request):
    """A function from a generator to a transform."""
    return RANDOM[request.param]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_transforms_give_new_graphs_of_the_same_type(random_transform, dtype):
    spaces = trace(siren()), trace(mlp(nn.ReLU()))
    graphs = [random_graphs(space, 2, dtype=dtype) for space in spaces]
    batch = Batch.from_data_list([graphs[0][0], graphs[1][0], graphs[1][1], graphs[0][1]])
    batch.y = torch.arange(4)
    before = batch.weights.clone()
    moved = random_transform(seeded())(batch)
    assert type(moved) is type(batch)
    assert moved.spaces == batch.spaces
    assert moved.weights.dtype is dtype
    assert torch.equal(moved.y, batch.y)
    assert torch.equal(batch.weights, before)
    assert all(not torch.equal(moved[i].weights, batch[i].weights) for i in range(4))
    assert all(bool(moved[i].weights.isfinite().all()) for i in range(4))


def test_transforms_are_reproducible(random_transform):
    graphs = random_graphs(trace(siren()), 2)
    transform = random_transform(seeded(5))
    first, second = transform(graphs), transform(graphs)
    assert torch.equal(random_transform(seeded(5))(graphs).weights, first.weights)
    assert not torch.equal(first.weights, second.weights)
    torch.manual_seed(3)
    first = random_transform(None)(graphs)
    torch.manual_seed(3)
    assert torch.equal(random_transform(None)(graphs).weights, first.weights)


def test_transforms_take_state_dicts_and_stacks(random_transform):
    model = cnn().eval()
    if isinstance(random_transform(None), InputAffine):
        model = mlp(nn.Sequential(nn.BatchNorm1d(8), nn.ReLU())).eval()
    space = trace(model, torch.zeros(2, 1, 8, 8) if isinstance(model[0], nn.Conv2d) else torch.zeros(2, 3))
    stack = to_state_dict(random_graphs(space, 3))
    single = {name: tensor[0] for name, tensor in stack.items()}
    moved = random_transform(seeded())(stack, space)
    expected = to_state_dict(random_transform(seeded())(to_graphs(stack, space)))
    assert list(moved) == list(stack)
    assert all(torch.equal(moved[name], expected[name]) for name in stack)
    assert all(t.dtype is stack[name].dtype for name, t in moved.items())
    alone = random_transform(seeded())(single, space)
    wanted = to_state_dict(random_transform(seeded())(to_graphs([single], space)))
    assert all(torch.equal(alone[name], wanted[name].reshape(alone[name].shape)) for name in alone)


def test_transforms_refuse_what_is_no_graph(random_transform):
    transform = random_transform(None)
    with pytest.raises(SpaceError, match=rf"{type(transform).__name__} expects a NeuronGraph.*, got Tensor"):
        transform(torch.zeros(3))
    words = r"A state dict alone has no architecture\. Pass its weight space: transform\(state, space\)\."
    with pytest.raises(SpaceError, match=words):
        transform(mlp(nn.ReLU()).state_dict())


def test_reprs():
    assert repr(InputAffine()) == "InputAffine()"
    affine = InputAffine(rotation=20, scale=(0.9, 1.1), shift=0.1, generator=seeded())
    assert repr(affine) == "InputAffine(rotation=20, scale=(0.9, 1.1), shift=0.1)"
    assert repr(OutputAffine(permute=True, layer="head")) == "OutputAffine(permute=True, layer='head')"
    assert repr(RandomSymmetry(scale=False)) == "RandomSymmetry(scale=False)"
    assert repr(WeightNoise(0.1)) == "WeightNoise(std=0.1)"
    assert repr(DropWeights(0.1, units=True)) == "DropWeights(p=0.1, units=True)"
    space = trace(siren())
    assert repr(Normalize(random_graphs(space, 2))) == f"Normalize({space!r})"
