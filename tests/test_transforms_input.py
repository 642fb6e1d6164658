"""InputAffine: the network f(A x + t), exactly, for every kind of first layer; or an error."""

import pytest
import torch
import torch.nn.functional as F
from networks import SMALL, InputSkip, Residual, TiedAutoencoder, grouped_cnn, mlp, pooled, siren
from torch import nn
from torch.func import functional_call
from torch_geometric.data import Batch
from transformed import Function, assert_same, change, made, mixed, normal, outputs, seeded

from wsgraph import SpaceError, StateError, to_graph, to_state_dict, trace
from wsgraph.testing import random_graphs
from wsgraph.transforms import InputAffine, affine_input

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


def points(dim: int, count: int = 9) -> torch.Tensor:
    return normal(count, dim)


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


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(2, 4), nn.Linear(3, 4)

    def forward(self, x, y):
        return self.left(x) + self.right(y)


def test_one_of_two_inputs():
    model, x, y = made(TwoInputs()), normal(5, 2), normal(5, 3)
    space = trace(model, (x, y))
    first, second = [layer.name for layer in space.layers if layer.operator == "input"]
    words = rf"Expected one input, found \['{first}', '{second}'\] in WeightSpace.* Pass layer=, one of these names\."
    with pytest.raises(SpaceError, match=words):
        InputAffine(rotation=10)(random_graphs(space, 1))
    with pytest.raises(SpaceError, match=r"Expected an input 'z', found \["):
        InputAffine(rotation=10, layer="z")(random_graphs(space, 1))
    transform = InputAffine(**RANGES, layer=second, generator=seeded())
    moved = transform(to_graph(model, space)).weights
    matrix, vector = InputAffine(**RANGES, generator=seeded()).draw(1, 3)
    assert_same(outputs(model, space, moved, x, y), model(x, mixed(matrix[0], vector[0], y)).detach())


# --------------------------------------------------------------------------- convolutions, normalisations and diagonals

FIRST = {  # what the first layer takes: name -> factory, shape of an input, axis of its units
    "linear": {
        "conv1d": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv1d(4, 2, 3)), (2, 3, 8), 1),
        "conv2d": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), *pooled(4, 2)), (2, 3, 6, 6), 1),
        "conv3d": (lambda: nn.Conv3d(3, 4, 2, padding=1), (2, 3, 4, 4, 4), 1),
        "strided": (grouped_cnn, (2, 3, 8, 8), 1),
        "transposed": (lambda: nn.ConvTranspose2d(3, 4, 2, stride=2), (2, 3, 4, 4), 1),
        "no_bias": (lambda: mlp(nn.ReLU(), (2, 6, 1), bias=False), (5, 2), -1),
    },
    "general": {
        "conv1x1": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Tanh(), *pooled(4, 2)), (2, 3, 6, 6), 1),
        "tokens": (lambda: mlp(nn.Tanh(), (3, 8, 2)), (2, 5, 3), -1),
    },
    "diagonal": {
        "batch_norm": (lambda: nn.Sequential(nn.BatchNorm1d(3), *mlp(nn.ReLU(), (3, 8, 2))), (5, 3), -1),
        "images": (
            lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), *pooled(4, 2)),
            (2, 3, 6, 6),
            1,
        ),
        "factors": (lambda: nn.Sequential(nn.Conv2d(3, 3, 1, groups=3), nn.ReLU(), *pooled(3, 2)), (2, 3, 6, 6), 1),
    },
    "scale": {
        "grouped": (lambda: nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(), *pooled(6, 2)), (2, 4, 6, 6), 1),
        "depthwise": (
            lambda: nn.Sequential(nn.Conv2d(3, 3, 3, groups=3, padding=1), nn.ReLU(), nn.Conv2d(3, 2, 1)),
            (2, 3, 6, 6),
            1,
        ),
    },
    "shift": {
        "plain_norm": (
            lambda: nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.Conv2d(3, 2, 3, padding=1)),
            (2, 3, 6, 6),
            1,
        ),
    },
}
CASES = [(name, takes) for takes, cases in FIRST.items() for name in cases]
OPTIONS = {
    "linear": {"rotation": 50, "scale": (0.5, 2), "shear": 0.3, "permute": True},
    "general": {**RANGES, "permute": True, "center": 0.5},
    "diagonal": {"scale": (0.5, 2), "flip": True, "shift": 0.4, "center": 0.5},
    "scale": {"scale": (0.5, 2), "flip": True},
    "shift": {"shift": 0.5},
}


@pytest.mark.parametrize(("name", "takes"), CASES)
def test_first_layers_of_every_kind(name, takes):
    factory, shape, axis = FIRST[takes][name]
    model, x = made(factory()), normal(*shape)
    space = trace(model, x)
    graph, transform = to_graph(model, space), InputAffine(**OPTIONS[takes], generator=seeded())
    (matrix,), (vector,) = InputAffine(**OPTIONS[takes], generator=seeded()).draw(1, shape[axis])
    moved = transform(graph).weights
    after = outputs(model, space, moved, x)
    assert_same(after, model(mixed(matrix, vector, x, axis)).detach())
    assert float((after - model(x)).detach().abs().max()) > 1e-3
    if space.num_moved:
        symmetry = space.random_symmetry(seeded())
        other = affine_input(space, symmetry.act(graph.weights)[None], matrix, vector)[0]
        assert_same(other, symmetry.act(moved))


@pytest.mark.parametrize("kind", ["conv2d", "strided", "transposed"])
def test_kernels_take_no_shift(kind):
    factory, shape, _ = FIRST["linear"][kind]
    graphs = random_graphs(trace(factory().eval(), torch.zeros(shape)), 1)
    words = (
        r"The input cannot be shifted: layer '.*' reads it by a kernel, and some results may see less .* center at 0\."
    )
    for options in ({"shift": 0.1}, {"rotation": 10, "center": 0.5}):
        with pytest.raises(SpaceError, match=words):
            InputAffine(**options)(graphs)


@pytest.mark.parametrize("name", ["batch_norm", "factors"])
def test_diagonals_take_no_rotation(name):
    factory, shape, _ = FIRST["diagonal"][name]
    graphs = random_graphs(trace(factory().eval(), torch.zeros(shape)), 1)
    words = (
        r"Layer '.*' reads every unit of the input by itself: it takes up scales, flips and shifts, but nothing that"
    )
    with pytest.raises(SpaceError, match=words):
        InputAffine(rotation=10)(graphs)


def test_normalised_inputs_take_no_scale_without_gain_and_never_zero():
    factory, shape, _ = FIRST["shift"]["plain_norm"]
    with pytest.raises(
        SpaceError, match=r"The input cannot be scaled: layer '0' normalises it, and has no gain to take"
    ):
        InputAffine(scale=(2, 2))(random_graphs(trace(factory().eval(), torch.zeros(shape)), 1))
    space = trace(nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)).eval(), torch.zeros(2, 2))
    with pytest.raises(
        SpaceError, match=r"Layer '0' normalises the input, which cannot be multiplied by 0 before it\."
    ):
        affine_input(space, random_graphs(space, 1).weight_matrix, torch.zeros(2, 2), torch.zeros(2))


# ---------------------------------------------------------------------------------------- inputs without units, ties


def encoded(function, inputs=2):
    """Something without weights stands before the first layer."""
    return Function(lambda f, x: f.net(function(x)), net=mlp(nn.Tanh(), (inputs, 6, 1)))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (encoded(torch.sin), (5, 2)),
        (encoded(lambda x: torch.cat((x, torch.sin(x)), -1), 4), (5, 2)),
        (encoded(lambda x: x[:, :2]), (5, 3)),
        (nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), (5, 1, 4, 4)),
        (nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)), None),
    ],
    ids=["sine", "encoding", "slice", "flatten", "embedding"],
)
def test_inputs_without_coordinates_are_refused(model, shape):
    space = trace(model, torch.zeros(shape) if shape else torch.zeros(2, 4, dtype=torch.long))
    words = r"The input has no coordinates: before the first weights, something else reads it .* mere data \['.*'\]\."
    with pytest.raises(SpaceError, match=words):
        InputAffine(rotation=10)(random_graphs(space, 1))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            nn.Sequential(nn.LayerNorm(2), nn.Linear(2, 1)),
            r"Layer '0' \(layer_norm\) reads the input, and no change of its",
        ),
        (
            nn.Sequential(Residual(mlp(nn.ReLU(), (2, 6, 2))), nn.Linear(2, 1)),
            r"\(add\) reads the input, and no change|The input has no coordinates",
        ),
        (
            Function(lambda f, x: f.a(torch.relu(f.a(x))), a=nn.Linear(2, 2)),
            r"'a' .* its tensor 'a.weight' is used in other",
        ),
    ],
    ids=["layer_norm", "skip", "tied"],
)
def test_first_layers_that_take_no_change_are_refused(model, words):
    with pytest.raises(SpaceError, match=words):
        InputAffine(rotation=10)(random_graphs(trace(model.eval(), torch.zeros(3, 2)), 1))


@pytest.mark.parametrize("name", SMALL)
def test_all_small_networks_are_exact_or_refused(name):
    factory, shape = SMALL[name]
    model, x = made(factory()), normal(*shape)
    space = trace(model, x)
    weights, _ = space.flatten(model.state_dict())
    matrix, _ = change(shape[1])
    try:
        moved = affine_input(space, weights[None], matrix, torch.zeros(shape[1]))[0]
    except SpaceError:
        assert name in ("TiedAutoencoder",)
    else:
        assert_same(outputs(model, space, moved, x), model(mixed(matrix, torch.zeros(shape[1]), x, 1)).detach())


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
        pytest.param(lambda: encoded(torch.tanh), 2, id="activation_of_the_input"),
        pytest.param(lambda: encoded(lambda x: 3 * x + 1), 2, id="rescaled_input"),
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


def test_input_affine_needs_the_space_of_a_state_dict():
    model = mlp(nn.ReLU(), (2, 4, 1))
    words = r"A state dict alone has no architecture\. Pass its weight space: transform\(state, space\)\."
    with pytest.raises(SpaceError, match=words):
        InputAffine(rotation=10)(model.state_dict())
    with pytest.raises(StateError, match="does not belong to this weight space"):
        InputAffine(rotation=10)(model.state_dict(), trace(siren((2, 8, 1))))
