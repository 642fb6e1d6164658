"""Transforms: exact changes of coordinates, random symmetries, and normalisation."""

import math

import pytest
import torch
import torch.nn.functional as F
from networks import SMALL, InputSkip, Residual, TiedAutoencoder, cnn, mlp, pooled, randomize, siren
from torch import nn
from torch.func import functional_call
from torch_geometric.data import Batch

from wsgraph import NeuronGraph, SpaceError, StateError, to_graph, to_graphs, to_state_dict, trace
from wsgraph.testing import random_graphs
from wsgraph.transforms import InputAffine, Normalize, RandomSymmetry, affine_input

RANGES = {"rotation": 40, "scale": (0.5, 2.0), "shear": 0.3, "shift": 0.4, "flip": True}
EXACT = {"rtol": 0, "atol": 1e-12}


class TwoBranches(nn.Module):
    """Two first layers, one without activation."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = nn.Linear(2, 6), nn.Linear(2, 6), nn.Linear(6, 1)

    def forward(self, x):
        return self.head(torch.sin(self.left(x)) * self.right(x))


class Transposed(nn.Module):
    """A first weight that is stored as inputs × outputs."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(2, 6)), nn.Parameter(torch.randn(6))
        self.head = nn.Linear(6, 1)

    def forward(self, x):
        return self.head(torch.tanh(F.linear(x, self.weight.t(), self.bias)))


FIELDS = {
    "siren": lambda: siren((2, 8, 8, 1), omega=5.0),
    "relu": lambda: mlp(nn.ReLU(), (3, 8, 8, 2)),
    "one_coordinate": lambda: mlp(nn.Tanh(), (1, 8, 2)),
    "linear": lambda: nn.Linear(2, 3),
    "input_skip": InputSkip,
    "two_branches": TwoBranches,
    "transposed": Transposed,
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(model: nn.Module, seed: int = 0) -> nn.Module:
    return randomize(model.double().eval(), seeded(seed))


def points(dim: int, count: int = 9) -> torch.Tensor:
    return torch.randn(count, dim, generator=seeded(1), dtype=torch.double)


# --------------------------------------------------------------------------------------------------------- InputAffine


@pytest.fixture(scope="module", params=FIELDS)
def field(request):
    """A network over coordinates, their number, and its weight space."""
    torch.manual_seed(0)
    model = made(FIELDS[request.param]())
    dim = {"relu": 3, "input_skip": 3, "one_coordinate": 1}.get(request.param, 2)
    return model, dim, trace(model, points(dim))


def test_input_affine_is_exact(field):
    model, dim, space = field
    matrix, vector = InputAffine(**RANGES, generator=seeded()).draw(1, dim)
    moved = InputAffine(**RANGES, generator=seeded())(to_graph(model, space))
    x = points(dim)
    got = functional_call(model, to_state_dict(moved), (x,))
    torch.testing.assert_close(got, model(x @ matrix[0].T + vector[0]), **EXACT)
    assert float((got - model(x)).detach().abs().max()) > 1e-2


def test_input_affine_gives_every_network_its_own_change(field):
    _, dim, space = field
    model, graphs = field[0], random_graphs(space, 4, dtype=torch.double)
    matrix, vector = InputAffine(**RANGES, generator=seeded()).draw(4, dim)
    moved = InputAffine(**RANGES, generator=seeded())(graphs)
    assert len({tuple(m.reshape(-1).tolist()) for m in matrix}) == 4
    assert type(moved) is type(graphs)
    x, before, after = points(dim), to_state_dict(graphs), to_state_dict(moved)
    for i in range(4):
        expected = functional_call(model, {n: t[i] for n, t in before.items()}, (x @ matrix[i].T + vector[i],))
        got = functional_call(model, {n: t[i] for n, t in after.items()}, (x,))
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_input_affine_takes_state_dicts_and_stacks(field):
    model, _, space = field
    graphs = random_graphs(space, 3, dtype=torch.double)
    stack = to_state_dict(graphs)
    expected = to_state_dict(InputAffine(**RANGES, generator=seeded())(graphs))
    moved = InputAffine(**RANGES, generator=seeded())(stack, space)
    single = InputAffine(**RANGES, generator=seeded())(model.state_dict(), space)
    assert list(moved) == list(stack)
    assert all(torch.equal(moved[name], expected[name]) for name in stack)
    wanted = to_state_dict(InputAffine(**RANGES, generator=seeded())(to_graph(model, space)))
    assert all(torch.equal(single[name], wanted[name]) for name in wanted)


def test_input_affine_leaves_its_input_alone(field):
    _, _, space = field
    graphs = random_graphs(space, 3)
    graphs.y = torch.arange(3)
    state = to_state_dict(graphs)
    before = graphs.weights.clone(), {name: tensor.clone() for name, tensor in state.items()}
    moved = InputAffine(**RANGES, generator=seeded())(graphs)
    InputAffine(**RANGES, generator=seeded())(state, space)
    assert torch.equal(graphs.weights, before[0])
    assert all(torch.equal(state[name], before[1][name]) for name in state)
    assert not torch.equal(moved.weights, graphs.weights)
    assert torch.equal(moved.y, graphs.y)
    assert moved.weights.dtype is torch.float32


def test_input_affine_is_reproducible():
    space = trace(siren((2, 8, 1)))
    graphs = random_graphs(space, 2)
    transform = InputAffine(**RANGES, generator=seeded(5))
    first, second = transform(graphs), transform(graphs)
    assert torch.equal(InputAffine(**RANGES, generator=seeded(5))(graphs).weights, first.weights)
    assert not torch.equal(first.weights, second.weights)
    torch.manual_seed(3)
    first = InputAffine(**RANGES)(graphs)
    torch.manual_seed(3)
    assert torch.equal(InputAffine(**RANGES)(graphs).weights, first.weights)


def test_input_affine_on_a_mixed_batch():
    models = [made(siren((2, 6, 1), omega=3.0)), made(mlp(nn.ReLU(), (3, 5, 2)))]
    batch = Batch.from_data_list([to_graph(m) for m in models])
    moved = InputAffine(**RANGES, generator=seeded())(batch)
    assert moved.spaces == batch.spaces
    reference = InputAffine(**RANGES, generator=seeded())
    for i, (model, dim) in enumerate(zip(models, (2, 3), strict=True)):
        (matrix,), (vector,) = reference.draw(1, dim)
        x = points(dim)
        got = functional_call(model, to_state_dict(moved[i]), (x,))
        torch.testing.assert_close(got, model(x @ matrix.T + vector), **EXACT)


def test_input_affine_does_nothing_by_default():
    graphs = random_graphs(trace(siren((2, 8, 1))), 2)
    assert torch.equal(InputAffine()(graphs).weights, graphs.weights)


def test_draw_rotates_within_its_range():
    matrix, vector = InputAffine(rotation=30, generator=seeded()).draw(500, 2)
    angle = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0]).rad2deg()
    assert 29 < float(angle.abs().max()) <= 30
    assert float(angle.min()) < -25
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(2, dtype=torch.double).expand(500, 2, 2))
    assert matrix.dtype is vector.dtype is torch.float64
    assert bool((vector == 0).all())


def test_draw_rotates_in_every_plane():
    matrix, _ = InputAffine(rotation=90, generator=seeded()).draw(50, 3)
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3, dtype=torch.double).expand(50, 3, 3))
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(50, dtype=torch.double))
    assert float(matrix.abs().mean(0).min()) > 0.1  # no coordinate keeps to itself


def test_draw_scales_within_its_range():
    matrix, _ = InputAffine(scale=(0.5, 4.0), generator=seeded()).draw(2000, 2)
    factors = matrix[:, 0, 0]
    assert torch.equal(matrix, factors[:, None, None] * torch.eye(2, dtype=torch.double))
    assert 0.5 <= float(factors.min()) < 0.52
    assert 3.9 < float(factors.max()) <= 4.0 + 1e-12
    assert abs(float(factors.log().mean()) - math.log(2) / 2) < 0.05  # uniform in the logarithm


def test_draw_shears_above_the_diagonal():
    matrix, _ = InputAffine(shear=0.3, generator=seeded()).draw(500, 3)
    assert torch.equal(matrix.tril(), torch.eye(3, dtype=torch.double).expand(500, 3, 3))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert 0.28 < float(matrix[:, i, j].abs().max()) <= 0.3


def test_draw_shifts_within_its_range():
    matrix, vector = InputAffine(shift=0.2, generator=seeded()).draw(500, 3)
    assert torch.equal(matrix, torch.eye(3, dtype=torch.double).expand(500, 3, 3))
    assert bool((vector.abs().amax(0) > 0.18).all())
    assert float(vector.abs().max()) <= 0.2


def test_draw_flips_half_of_the_coordinates():
    matrix, _ = InputAffine(flip=True, generator=seeded()).draw(1000, 2)
    signs = matrix.diagonal(dim1=1, dim2=2)
    assert torch.equal(matrix, torch.diag_embed(signs))
    assert torch.equal(signs.abs(), torch.ones_like(signs))
    assert bool(((signs < 0).double().mean(0) - 0.5).abs().max() < 0.06)
    assert len({tuple(row) for row in signs.tolist()}) == 4


def test_affine_input_takes_given_changes(field):
    model, dim, space = field
    generator = seeded(2)
    matrix = torch.randn(1, dim, dim, generator=generator, dtype=torch.double)
    vector = torch.randn(1, dim, generator=generator, dtype=torch.double)
    weights, integers = space.flatten(model.state_dict())
    moved = affine_input(space, weights[None], matrix, vector)
    x = points(dim)
    got = functional_call(model, space.unflatten(moved[0], integers), (x,))
    torch.testing.assert_close(got, model(x @ matrix[0].T + vector[0]), rtol=1e-11, atol=1e-12)


def test_networks_without_biases_take_no_shift():
    model = made(mlp(nn.ReLU(), (2, 6, 1), bias=False))
    space = trace(model)
    with pytest.raises(SpaceError, match=r"The input cannot be shifted: layer '0' has no bias to take it up\."):
        InputAffine(shift=0.1)(to_graph(model, space))
    matrix, _ = InputAffine(rotation=50, generator=seeded()).draw(1, 2)
    moved = InputAffine(rotation=50, generator=seeded())(to_graph(model, space))
    x = points(2)
    torch.testing.assert_close(functional_call(model, to_state_dict(moved), (x,)), model(x @ matrix[0].T), **EXACT)


@pytest.mark.parametrize(
    ("model", "shape", "layer"),
    [
        (cnn(), (2, 1, 8, 8), "0"),
        (nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU(), *pooled(3, 1)), (2, 2, 4, 4), "0"),
        (nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)), (2, 2), "0"),
    ],
    ids=["cnn", "1x1", "batch_norm"],
)
def test_inputs_that_are_no_coordinates_are_refused(model, shape, layer):
    space = trace(model.eval(), torch.zeros(shape))
    words = rf"The input has no coordinates: layer '{layer}' reads it, which is not a linear map of points\."
    with pytest.raises(SpaceError, match=words):
        InputAffine(rotation=10)(random_graphs(space, 1))


def test_networks_of_two_inputs_are_refused():
    class TwoInputs(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(2, 4), nn.Linear(3, 4)

        def forward(self, x, y):
            return self.left(x) + self.right(y)

    space = trace(TwoInputs(), (torch.zeros(2, 2), torch.zeros(2, 3)))
    with pytest.raises(
        SpaceError, match=r"Expected a network of one input .*; found the sources \[.*x \(input\).*y \(input\)"
    ):
        InputAffine(rotation=10)(random_graphs(space, 1))


class Encoded(nn.Module):
    """Something without weights stands before the first layer."""

    def __init__(self, function, inputs=2):
        super().__init__()
        self.function, self.net = function, mlp(nn.Tanh(), (inputs, 6, 1))

    def forward(self, x):
        return self.net(self.function(x))


class ReusedFirst(nn.Module):
    """The first layer is used again, behind itself or beside itself."""

    def __init__(self, beside):
        super().__init__()
        self.first, self.head, self.beside = nn.Linear(3, 3), nn.Linear(3, 1), beside

    def forward(self, x):
        hidden = torch.tanh(self.first(x))
        again = torch.relu(self.first(x)) if self.beside else torch.tanh(self.first(hidden))
        return self.head(hidden * again)


class ReusedBias(nn.Module):
    """Two layers share a bias."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Parameter(torch.randn(4, 2)), nn.Parameter(torch.randn(4, 4))
        self.bias, self.head = nn.Parameter(torch.randn(4)), nn.Linear(4, 1)

    def forward(self, x):
        hidden = torch.tanh(F.linear(x, self.first, self.bias))
        return self.head(torch.tanh(F.linear(hidden, self.second, self.bias)))


@pytest.mark.parametrize(
    ("factory", "dim"),
    [
        pytest.param(TiedAutoencoder, 6, id="first_weight_tied_to_another"),
        pytest.param(lambda: ReusedFirst(False), 3, id="first_layer_used_again_behind"),
        pytest.param(lambda: ReusedFirst(True), 3, id="first_layer_used_twice"),
        pytest.param(ReusedBias, 2, id="first_bias_shared"),
        pytest.param(lambda: Encoded(torch.tanh), 2, id="activation_of_the_input"),
        pytest.param(lambda: Encoded(lambda x: 3 * x + 1), 2, id="rescaled_input"),
        pytest.param(
            lambda: nn.Sequential(Residual(mlp(nn.ReLU(), (2, 6, 2))), nn.Linear(2, 1)), 2, id="skip_of_input"
        ),
    ],
)
def test_input_affine_is_exact_or_refused(factory, dim):
    model = made(factory())
    x = points(dim)
    matrix, vector = InputAffine(**RANGES, generator=seeded()).draw(1, dim)
    try:
        moved = InputAffine(**RANGES, generator=seeded())(to_graph(model, example_inputs=x))
    except SpaceError:
        return
    got = functional_call(model, to_state_dict(moved), (x,))
    torch.testing.assert_close(got, model(x @ matrix[0].T + vector[0]), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scale": (0.0, 1.0)}, r"scale must be a range \(low, high\) of positive numbers, got \(0.0, 1.0\)"),
        ({"scale": (2.0, 1.0)}, r"scale must be a range .*, got \(2.0, 1.0\)"),
        ({"scale": (-2.0, -1.0)}, r"scale must be a range .*, got \(-2.0, -1.0\)"),
        ({"scale": (math.nan, 1.0)}, r"scale must be a range .*, got \(nan, 1.0\)"),
        ({"rotation": -1.0}, r"rotation is the half-width of a range and must not be negative, got -1.0\."),
        ({"shear": -0.1}, "shear is the half-width of a range and must not be negative, got -0.1"),
        ({"shift": -0.1}, "shift is the half-width of a range and must not be negative, got -0.1"),
        ({"shift": math.nan}, "shift is the half-width .* got nan"),
    ],
)
def test_ranges_that_are_none_are_refused(arguments, words):
    with pytest.raises(SpaceError, match=words):
        InputAffine(**arguments)


def test_input_affine_needs_the_space_of_a_state_dict():
    model = mlp(nn.ReLU(), (2, 4, 1))
    words = r"A state dict alone has no architecture\. Pass its weight space: transform\(state, space\)\."
    with pytest.raises(SpaceError, match=words):
        InputAffine(rotation=10)(model.state_dict())
    with pytest.raises(StateError, match="does not belong to this weight space"):
        InputAffine(rotation=10)(model.state_dict(), trace(siren((2, 8, 1))))


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


@pytest.mark.parametrize("name", ["siren", "mlp", "cnn"])
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
    graphs = random_graphs(trace(siren()), 3, dtype=torch.double)
    moved = RandomSymmetry(generator=seeded())(graphs)
    torch.testing.assert_close(Normalize(moved).sizes, Normalize(graphs).sizes, rtol=1e-13, atol=0)


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


def test_normalize_refuses_other_spaces():
    space, foreign = trace(siren()), trace(mlp(nn.ReLU()))
    normalize = Normalize(random_graphs(space, 2))
    words = r"Normalize was fitted to WeightSpace\(4 layers, 337.*, got a graph of WeightSpace\(4 layers, 122"
    with pytest.raises(SpaceError, match=words):
        normalize(random_graphs(foreign, 2))
    with pytest.raises(SpaceError, match="different weight spaces"):
        Normalize(Batch.from_data_list([random_graphs(s, 1)[0] for s in (space, foreign)]))
    with pytest.raises(SpaceError, match="Normalize expects a NeuronGraph"):
        Normalize(torch.zeros(3))


# ------------------------------------------------------------------------------------------------------------- the rest


@pytest.mark.parametrize("transform", [InputAffine(), RandomSymmetry()])
def test_transforms_refuse_what_is_no_graph(transform):
    with pytest.raises(SpaceError, match=rf"{type(transform).__name__} expects a NeuronGraph.*, got Tensor"):
        transform(torch.zeros(3))


def test_reprs():
    affine = InputAffine(rotation=20, scale=(0.9, 1.1), shift=0.1)
    assert repr(affine) == "InputAffine(rotation=20, scale=(0.9, 1.1), shear=0.0, shift=0.1, flip=False)"
    assert repr(RandomSymmetry(scale=False)) == "RandomSymmetry(permute=True, scale=False, max_scale=10.0)"
    space = trace(siren())
    assert repr(Normalize(random_graphs(space, 2))) == f"Normalize({space!r})"
