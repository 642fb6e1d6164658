"""OutputAffine: the network A f(x) + t, exactly, for every kind of last layer; or an error."""

import pytest
import torch
import torch.nn.functional as F
from networks import SMALL, Residual, SharedBlock, TiedAutoencoder, convolutional, mlp, pooled, siren
from torch import nn
from torch_geometric.data import Batch
from transformed import Function, assert_same, change, made, mixed, normal, outputs, parameter, seeded

from wsgraph import SpaceError, to_graph, to_state_dict, trace
from wsgraph.testing import random_graphs
from wsgraph.transforms import OutputAffine, affine_output

Linear = nn.Linear


def branches(join, **more):
    """Two networks of one input, joined."""
    return Function(lambda f, x: join(f, f.a(x), f.b(x)), a=mlp(nn.ReLU(), (3, 8, 4)), b=Linear(3, 4), **more)


def behind(function, **more):
    """A network with something behind its last weights."""
    return Function(lambda f, x: function(f, f.a(x)), a=mlp(nn.ReLU(), (3, 8, 4)), **more)


# name -> factory, shape of an input, axis of the output's units
POINTS, IMAGES = (5, 3), (2, 3, 6, 6)
GENERAL = {
    "linear": (lambda: Linear(3, 4), POINTS, -1),
    "relu": (lambda: mlp(nn.ReLU(), (3, 8, 4)), POINTS, -1),
    "siren": (lambda: siren((3, 8, 8, 1), omega=2.0), POINTS, -1),
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Conv1d(4, 5, 3, padding=1)), (2, 3, 8), 1),
    "conv2d": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1)), IMAGES, 1),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3, stride=2), IMAGES, 1),
    "conv3d": (lambda: nn.Conv3d(3, 4, 2, padding=1), (2, 3, 4, 4, 4), 1),
    "pooled": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1)), IMAGES, 1),
    "flattened": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), Linear(64, 5)), IMAGES, -1),
    "stored_transposed": (lambda: Function(lambda f, x: x @ f.w + f.b, w=parameter(3, 4), b=parameter(4)), POINTS, -1),
    "tokens": (lambda: mlp(nn.Tanh(), (3, 8, 4)), (2, 6, 3), -1),
    "sum": (lambda: branches(lambda f, a, b: a + b), POINTS, -1),
    "difference": (lambda: branches(lambda f, a, b: a - b), POINTS, -1),
    "three_summands": (lambda: Residual(Residual(Linear(3, 4), mlp(nn.ReLU(), (3, 8, 4))), Linear(3, 4)), POINTS, -1),
    "residual": (lambda: Residual(mlp(nn.ReLU(), (3, 8, 3)), Linear(3, 3, bias=False)), POINTS, -1),
    "sum_without_one_bias": (
        lambda: Function(lambda f, x: f.a(x) + f.b(x), a=Linear(3, 4, bias=False), b=Linear(3, 4)),
        POINTS,
        -1,
    ),
    "sum_behind_relu": (lambda: branches(lambda f, a, b: f.c(torch.relu(a)) + b, c=Linear(4, 4)), POINTS, -1),
    "rescaled": (lambda: behind(lambda f, y: 0.5 * y + 0.5), POINTS, -1),
    "inverted": (lambda: behind(lambda f, y: 1 - y / 4), POINTS, -1),
    "negative": (lambda: behind(lambda f, y: -(y - 3)), POINTS, -1),
    "rescaled_sum": (lambda: branches(lambda f, a, b: 2 * (3 * a + b)), POINTS, -1),
}
MONOMIAL = {
    "batch_norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), IMAGES, 1),
    "instance_norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True)), IMAGES, 1),
    "layer_norm": (lambda: nn.Sequential(Linear(3, 4), nn.LayerNorm(4)), POINTS, -1),
    "sum_of_norms": (
        lambda: branches(lambda f, a, b: f.c(a) + f.d(b), c=nn.LayerNorm(4), d=nn.BatchNorm1d(4)),
        POINTS,
        -1,
    ),
    "multiplied": (lambda: behind(lambda f, y: y * f.w + f.v, w=parameter(4), v=parameter(4)), POINTS, -1),
    "depthwise": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4)), IMAGES, 1),
}
PERMUTATION = {
    "softmax": (lambda: behind(lambda f, y: y.softmax(-1)), POINTS, -1),
    "log_softmax": (lambda: behind(lambda f, y: F.log_softmax(y, -1)), POINTS, -1),
    "sigmoid": (lambda: behind(lambda f, y: y.sigmoid()), POINTS, -1),
    "relu_then_rescaled": (lambda: behind(lambda f, y: 2 * torch.relu(y) - 1), POINTS, -1),
    "prelu": (lambda: behind(lambda f, y: f.c(y), c=nn.PReLU(4)), POINTS, -1),
    "prelu_of_one_slope": (lambda: behind(lambda f, y: f.c(y), c=nn.PReLU()), POINTS, -1),
    "product": (lambda: branches(lambda f, a, b: a * b.sigmoid()), POINTS, -1),
    "norm_of_all": (lambda: nn.Sequential(Linear(3, 4), nn.LayerNorm(4, elementwise_affine=False)), POINTS, -1),
    "maximum": (lambda: branches(lambda f, a, b: torch.maximum(a, b)), POINTS, -1),
    "plain_norm": (lambda: behind(lambda f, y: f.c(y), c=nn.BatchNorm1d(4, affine=False)), POINTS, -1),
    "border": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ZeroPad2d(1)), IMAGES, 1),
    "max_pool": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2)), IMAGES, 1),
}
LINEAR = {  # without a bias, or with something behind it that keeps zeros only
    "average": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2, padding=1)), IMAGES, 1),
    "sum_of_pixels": (lambda: Function(lambda f, x: f.a(x).sum((2, 3)), a=nn.Conv2d(3, 4, 3)), IMAGES, 1),
    "no_bias": (lambda: mlp(nn.ReLU(), (3, 8, 4), bias=False), POINTS, -1),
    "sum_without_biases": (
        lambda: Residual(Linear(3, 4, bias=False), Linear(3, 4, bias=False)),
        POINTS,
        -1,
    ),
}
DIAGONAL = {
    "grouped": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=2)), IMAGES, 1),
}
TAKES = {"diagonal": DIAGONAL, "permutation": PERMUTATION, "monomial": MONOMIAL, "linear": LINEAR, "general": GENERAL}
ALSO = {"general": ("general", "diagonal", "permutation"), "monomial": ("monomial", "diagonal", "permutation")}
EXACT = [(name, kind) for takes, nets in TAKES.items() for name in nets for kind in ALSO.get(takes, (takes,))]
NETS = {name: case for nets in TAKES.values() for name, case in nets.items()}


@pytest.fixture(scope="module")
def network():
    """A function from a name to a model, its space, flat weights, an input and the axis of its output's units."""
    known = {}

    def make(name):
        if name not in known:
            factory, shape, axis = NETS[name]
            model, x = made(factory()), normal(*shape)
            space = trace(model, x)
            known[name] = model, space, space.flatten(model.state_dict())[0], x, axis
        return known[name]

    return make


@pytest.mark.parametrize(("name", "kind"), EXACT)
def test_the_change_is_exact(network, name, kind):
    model, space, weights, x, axis = network(name)
    before = outputs(model, space, weights, x)
    matrix, vector = change(before.shape[axis], kind)
    after = outputs(model, space, affine_output(space, weights[None], matrix, vector)[0], x)
    assert_same(after, mixed(matrix, vector, before, axis))
    if before.shape[axis] > 1:
        assert float((after - before).abs().max()) > 1e-2


@pytest.mark.parametrize(("name", "kind"), EXACT)
def test_the_change_commutes_with_symmetries(network, name, kind):
    model, space, weights, x, axis = network(name)
    if space.num_moved == 0:
        pytest.skip("no symmetry")
    symmetry = space.random_symmetry(seeded())
    before = outputs(model, space, weights, x)
    arguments = change(before.shape[axis], kind)
    first = affine_output(space, symmetry.act(weights)[None], *arguments)[0]
    second = symmetry.act(affine_output(space, weights[None], *arguments)[0])
    assert_same(outputs(model, space, first, x), outputs(model, space, second, x))
    if name in GENERAL:
        assert_same(first, second)


@pytest.mark.parametrize("name", [name for name in SMALL if name not in ("TiedAutoencoder", "mlp_no_bias")])
def test_all_networks_with_a_linear_head(name):
    factory, shape = SMALL[name]
    model, x = made(factory()), normal(*shape)
    space = trace(model, x)
    weights, _ = space.flatten(model.state_dict())
    before = outputs(model, space, weights, x)
    matrix, vector = change(before.shape[1])
    moved = affine_output(space, weights[None], matrix, vector)[0]
    assert_same(outputs(model, space, moved, x), mixed(matrix, vector, before))


@pytest.mark.parametrize("name", ["relu", "sum", "batch_norm", "softmax"])
def test_every_network_of_a_batch_gets_its_own_change(network, name):
    model, space, _, x, axis = network(name)
    graphs = random_graphs(space, 3, dtype=torch.double)
    ranges = (
        {"permute": True} if name in PERMUTATION else {"scale": (0.5, 2), "shift": 1, "flip": True, "permute": True}
    )
    matrix, vector = OutputAffine(**ranges, generator=seeded()).draw(3, 4)
    moved = OutputAffine(**ranges, generator=seeded())(graphs)
    assert type(moved) is type(graphs)
    assert not torch.equal(matrix[0], matrix[1])
    for i in range(3):
        before = outputs(model, space, graphs.weight_matrix[i], x)
        after = outputs(model, space, moved.weight_matrix[i], x)
        assert_same(after, mixed(matrix[i], vector[i], before, axis))
        alone = affine_output(space, graphs.weight_matrix[i : i + 1], matrix[i : i + 1], vector[i : i + 1])
        assert_same(alone[0], moved.weight_matrix[i], 1e-14)


def test_a_mixed_batch():
    models = [made(siren((2, 6, 1), omega=3.0)), made(mlp(nn.ReLU(), (3, 5, 2)))]
    batch = Batch.from_data_list([to_graph(m) for m in models])
    ranges = {"scale": (0.5, 2.0), "shift": 0.3, "rotation": 90}
    moved, reference = OutputAffine(**ranges, generator=seeded())(batch), OutputAffine(**ranges, generator=seeded())
    assert moved.spaces == batch.spaces
    for i, (model, inputs, dim) in enumerate(zip(models, (2, 3), (1, 2), strict=True)):
        (matrix,), (vector,) = reference.draw(1, dim)
        x = normal(5, inputs)
        got = torch.func.functional_call(model, to_state_dict(moved[i]), (x,))
        assert_same(got.detach(), mixed(matrix, vector, model(x).detach()))


def test_contrast_and_brightness_of_an_image_in_state_dicts():
    model = made(siren((2, 8, 3), omega=3.0))
    transform = OutputAffine(scale=(0.5, 0.5), center=0.5, shift=0.1, generator=seeded())
    vector = OutputAffine(shift=0.1, generator=seeded()).draw(1, 3)[1]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    moved = transform(model.state_dict(), trace(model))
    x = normal(7, 2)
    got = torch.func.functional_call(model, moved, (x,))
    assert_same(got.detach(), 0.5 * (model(x).detach() - 0.5) + 0.5 + vector)
    assert all(torch.equal(model.state_dict()[name], state[name]) for name in state)


def test_permuted_classes_are_bit_exact():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooled(4, 10)).eval()
    space = trace(model, torch.zeros(2, 3, 8, 8))
    graphs = random_graphs(space, 2)
    moved = to_state_dict(OutputAffine(permute=True, generator=seeded())(graphs))
    order = OutputAffine(permute=True, generator=seeded()).draw(2, 10)[0].argmax(-1)
    for name, tensor in to_state_dict(graphs).items():
        expected = torch.stack([t[o] for t, o in zip(tensor, order, strict=True)]) if name[0] == "4" else tensor
        assert torch.equal(moved[name], expected)
        assert moved[name].dtype is torch.float32


def test_nothing_by_default():
    model = nn.Sequential(Linear(2, 3), nn.LayerNorm(3), nn.Softmax(-1))
    graphs = random_graphs(trace(model), 2)
    assert torch.equal(OutputAffine()(graphs).weights, graphs.weights)


# ------------------------------------------------------------------------------------------------------ several outputs


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk, self.value, self.policy = mlp(nn.ReLU(), (3, 8, 8)), Linear(8, 1), Linear(8, 4)

    def forward(self, x):
        x = torch.relu(self.trunk(x))
        return self.value(x), self.policy(x)


def test_one_of_several_outputs():
    model, x = made(Heads()), normal(*POINTS)
    space = trace(model, x)
    weights, _ = space.flatten(model.state_dict())
    words = r"Expected one output, found \['value', 'policy'\] in WeightSpace\(.*\)\. Pass layer=, one of these names\."
    with pytest.raises(SpaceError, match=words):
        OutputAffine(permute=True)(to_graph(model, space))
    with pytest.raises(SpaceError, match=r"Expected an output 'heads', found \['value', 'policy'\]"):
        OutputAffine(permute=True, layer="heads")(to_graph(model, space))
    matrix, vector = change(4)
    moved = affine_output(space, weights[None], matrix, vector, layer="policy")[0]
    value, policy = torch.func.functional_call(model, space.unflatten(moved), (x,))
    assert torch.equal(value, model(x)[0])
    assert_same(policy.detach(), mixed(matrix, vector, model(x)[1].detach()))


def test_group_norm_at_the_end():
    model, x = made(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))), normal(*IMAGES)
    space = trace(model, x)
    weights, _ = space.flatten(model.state_dict())
    before, expected = outputs(model, space, weights, x), []
    for i, name in enumerate([layer.name for layer in space.layers if layer.output]):
        size = 4 // sum(layer.output for layer in space.layers)
        matrix, vector = change(size, "diagonal", seed=i)
        weights = affine_output(space, weights[None], matrix, vector, layer=name)[0]
        expected.append(mixed(matrix, vector, before[:, i * size : (i + 1) * size], 1))
    assert_same(outputs(model, space, weights, x), torch.cat(expected, 1))


# --------------------------------------------------------------------------------------------------------------- errors


def two_uses(f, x):
    hidden = torch.relu(f.a(x))
    return torch.relu(f.b(hidden)) + f.b(x)


class Deep(nn.Module):
    """The output is read again inside the network."""

    def __init__(self):
        super().__init__()
        self.a, self.b = Linear(3, 4), Linear(4, 4)

    def forward(self, x):
        hidden = self.a(x)
        return hidden, self.b(torch.relu(hidden))


REFUSED = {
    "tied_last_weight": (
        TiedAutoencoder,
        (5, 6),
        "general",
        {},
        r"cannot be changed alone: its tensor 'weight' is used in other places, too\.",
    ),
    "last_layer_used_twice": (
        lambda: Function(two_uses, a=Linear(4, 4), b=Linear(4, 4)),
        (5, 4),
        "permutation",
        {},
        "its tensor 'b.weight' is used in other places",
    ),
    "output_read_inside": (
        Deep,
        POINTS,
        "general",
        {"layer": "a"},
        r"Layer 'a' cannot be changed alone: '.*' may read it, too\.",
    ),
    "summand_read_elsewhere": (
        lambda: branches(lambda f, a, b: b + f.c(torch.relu(b)), c=Linear(4, 4)),
        POINTS,
        "general",
        {},
        r"Layer 'b' cannot be changed alone: '.*' may read it, too\.",
    ),
    "summand_read_by_something_unknown": (
        lambda: branches(lambda f, a, b: a + f.c(torch.cumsum(a, -1)), c=Linear(4, 4)),
        POINTS,
        "general",
        {},
        r"Layer 'a.2' cannot be changed alone: 'cumsum' may read it, too\.",
    ),
    "recurrence": (
        lambda: Function(lambda f, x: f.a(x)[0], a=nn.RNN(3, 4, batch_first=True)),
        (2, 5, 3),
        "permutation",
        {},
        "cannot be changed alone|found none",
    ),
    **{
        f"{name}_{kind}": (factory, IMAGES, kind, {}, rf"{name}.* stands behind layer .*, and does not let it through")
        for name, kinds, factory in (
            ("max_pool2d", ("general", "diagonal"), PERMUTATION["max_pool"][0]),
            ("avg_pool2d", ("general",), lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2, padding=1))),
            ("sum", ("general",), lambda: Function(lambda f, x: f.a(x).sum((2, 3)), a=nn.Conv2d(3, 4, 3))),
            ("softmax", ("linear",), lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softmax(-1))),
            ("mul", ("linear", "permutation"), lambda: Function(lambda f, x: f.a(x) * x.sum(), a=nn.Conv2d(3, 4, 3))),
            ("pad", ("general",), lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ZeroPad2d(1))),
        )
        for kind in kinds
    },
    "input_added": (
        lambda: Residual(mlp(nn.ReLU(), (3, 8, 3))),
        POINTS,
        "general",
        {},
        r"The output contains '.*' \(input\) itself, which no weights change\.|stands behind layer",
    ),
    "sigmoid": (
        lambda: behind(lambda f, y: y.sigmoid()),
        POINTS,
        "diagonal",
        {},
        r"Layer 'a.2' ends with sigmoid, which nothing but permutations passes\. Permute only, or change a network",
    ),
    "softmax": (
        lambda: behind(lambda f, y: y.softmax(-1)),
        POINTS,
        "general",
        {},
        "ends with softmax, which nothing but permutations passes",
    ),
    "product": (lambda: branches(lambda f, a, b: a * b), POINTS, "diagonal", {}, "ends with mul, which nothing"),
    "power": (lambda: behind(lambda f, y: y**2), POINTS, "general", {}, "pow"),
    "inverse": (lambda: behind(lambda f, y: 1 / y), POINTS, "general", {}, "nothing but permutations passes"),
    "mixed_batch_norm": (
        MONOMIAL["batch_norm"][0],
        IMAGES,
        "general",
        {},
        r"Layer '1' \(batch_norm\) treats every unit of the output by itself: it takes up scales, flips, shifts and "
        "permutations, but nothing that mixes units",
    ),
    "permuted_groups": (
        DIAGONAL["grouped"][0],
        IMAGES,
        "permutation",
        {},
        r"The units lie in 2 pieces that a weight keeps apart \(a grouped convolution\): it takes up scales, flips and",
    ),
    "permuted_group_norm": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)),
        IMAGES,
        "permutation",
        {},
        r"The output cannot be permuted: '1' \(group_norm\) keeps pieces of its units apart\.",
    ),
    "permuted_softmax_of_pieces": (
        lambda: behind(lambda f, y: y.unflatten(-1, (2, 2)).softmax(-1)),
        POINTS,
        "permutation",
        {},
        "keeps pieces of its units apart",
    ),
    "units_of_other_layers": (
        lambda: branches(lambda f, a, b: a + f.c(b), c=Linear(4, 1)),
        POINTS,
        "general",
        {},
        r"layer 'add' reads 'c', which has other units\.",
    ),
    "difference_of_one_bias": (
        lambda: Function(lambda f, x: f.a(x) - f.b(x), a=Linear(3, 4, bias=False), b=Linear(3, 4)),
        POINTS,
        "general",
        {},
        r"The output cannot be shifted: layer 'sub' has no bias to take it up\.",
    ),
    "reversed_difference_with_a_factor": (
        lambda: behind(lambda f, y: torch.rsub(y, 3, alpha=2)),
        POINTS,
        "general",
        {},
        "ends with rsub.*, which nothing but permutations passes",
    ),
    "mixed_diagonal": (MONOMIAL["multiplied"][0], POINTS, "general", {}, "treats every unit of the output by itself"),
    "norm_without_gain": (
        PERMUTATION["plain_norm"][0],
        POINTS,
        "diagonal",
        {},
        r"The output cannot be shifted: layer 'c' has no bias to take it up\.",
    ),
    "no_bias": (
        lambda: mlp(nn.ReLU(), (3, 8, 4), bias=False),
        POINTS,
        "general",
        {},
        r"The output cannot be shifted: layer '2' has no bias to take it up\.",
    ),
    "mean_of_units": (
        lambda: behind(lambda f, y: y.mean(-1)),
        POINTS,
        "diagonal",
        {},
        r"The output cannot be changed: nothing carries a change back through 'mean' \(mean\)\.",
    ),
    "sum_with_itself": (lambda: behind(lambda f, y: y + y), POINTS, "general", {}, "ends with add, which nothing"),
    "sum_with_factor": (
        lambda: branches(lambda f, a, b: torch.add(a, b, alpha=2)),
        POINTS,
        "general",
        {},
        "nothing but permutations passes",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_weights_can_take_up_is_refused(name):
    factory, shape, kind, options, words = REFUSED[name]
    model, x = made(factory()), normal(*shape)
    space = trace(model, x)
    weights, _ = space.flatten(model.state_dict())
    sizes = [space.size(i) for i, layer in enumerate(space.layers) if layer.output]
    with pytest.raises(SpaceError, match=words):
        affine_output(space, weights[None], *change(sizes[0] if sizes else 1, kind), **options)


def test_outputs_may_be_multiplied_by_zero(network):
    model, space, weights, x, axis = network("batch_norm")
    matrix, vector = torch.diag(torch.tensor([2.0, 0.0, -1.0, 0.0])), torch.zeros(4)
    moved = affine_output(space, weights[None], matrix, vector)[0]
    assert_same(
        outputs(model, space, moved, x), mixed(matrix.double(), vector, outputs(model, space, weights, x), axis)
    )


def test_permuted_and_shifted_sums_use_the_bias_that_can_take_it():
    model, x = made(branches(lambda f, a, b: torch.relu(a) + b)), normal(*POINTS)
    space = trace(model, x)
    weights, _ = space.flatten(model.state_dict())
    matrix, vector = change(4, "permutation")[0], normal(4)
    moved = affine_output(space, weights[None], matrix, vector)[0]
    assert_same(outputs(model, space, moved, x), mixed(matrix, vector, outputs(model, space, weights, x)))


def test_a_norm_without_gain_takes_no_scale():
    graphs = random_graphs(trace(PERMUTATION["plain_norm"][0](), normal(*POINTS).float()), 1)
    with pytest.raises(SpaceError, match=r"The output cannot be scaled: layer 'c' has no gain to take it up\."):
        OutputAffine(scale=(2, 2))(graphs)


def test_the_permutations_of_a_shared_layer_stay_refused():
    model = made(SharedBlock())
    graphs = random_graphs(trace(model, normal(2, 3)), 1)
    assert not torch.equal(OutputAffine(scale=(2, 2))(graphs).weights, graphs.weights)  # its head is not shared
    model = made(Function(lambda f, x: f.a(torch.relu(f.a(x))), a=Linear(3, 3)))
    with pytest.raises(SpaceError, match=r"'a\.weight' is used in other places"):
        OutputAffine(permute=True, generator=seeded(1))(random_graphs(trace(model, normal(*POINTS)), 1))


@pytest.mark.parametrize(
    ("matrix", "vector", "words"),
    [
        ((3, 3), (4,), r"\[2, 4, 4\] and a vector of shape \[2, 4\] \(or one for all .*\), got \[3, 3\] and \[4\]\."),
        ((4, 4), (3,), r"got \[4, 4\] and \[3\]\."),
        ((3, 4, 4), (3, 4), r"got \[3, 4, 4\] and \[3, 4\]\."),
        ((2, 4, 4), (4,), r"got \[2, 4, 4\] and \[4\]\."),
    ],
)
def test_changes_that_do_not_fit_are_refused(matrix, vector, words):
    space = trace(Linear(3, 4))
    weights = torch.zeros(2, space.num_weights)
    with pytest.raises(SpaceError, match=words):
        affine_output(space, weights, torch.ones(matrix), torch.ones(vector))
    with pytest.raises(SpaceError, match=r"Expected weights of shape \[N, 16\], got \[16\]\."):
        affine_output(space, weights[0], torch.ones(4, 4), torch.ones(4))


def test_networks_without_known_outputs_are_refused():
    model = Function(lambda f, x: torch.cumsum(f.a(x), -1), a=Linear(3, 4))
    graphs = random_graphs(trace(model, torch.zeros(2, 3)), 1)
    with pytest.raises(SpaceError, match=r"Expected one output, found none in .*\. See print\(space\.report\(\)\)\."):
        OutputAffine(permute=True)(graphs)


def test_convolutional_classifiers_of_three_dimensions_keep_their_features():
    model = made(convolutional(3))
    graphs = random_graphs(trace(model, normal(2, 3, 8, 8, 8)), 1)
    before, after = to_state_dict(graphs), to_state_dict(OutputAffine(rotation=90, generator=seeded())(graphs))
    assert [name for name in before if not torch.equal(before[name], after[name])] == ["6.weight", "6.bias"]
