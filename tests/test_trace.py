"""``trace``: sound on every network (no symmetry changes the function), and maximal where theory knows the group."""

import re
from collections import Counter, OrderedDict
from pathlib import Path

import pytest
import torch
from networks import (
    ACTIVATIONS,
    LARGE,
    SMALL,
    Elementwise,
    Narrow,
    ResNet18,
    SharedBlock,
    TiedAutoencoder,
    Unknown,
    UnusedParameter,
    cnn,
    grouped_cnn,
    mlp,
    randomize,
    siren,
)
from torch import nn

from wsgraph import ScaleSet, TraceError, trace, verify
from wsgraph.testing import assert_function_preserved, assert_roundtrip
from wsgraph.trace import rule
from wsgraph.trace.registry import find_rule


def free_sizes(space):
    return sorted(group.size for group in space.groups if not group.fixed)


def group_of(space, tensor, axis=0):
    """The one neuron group along an axis of a tensor."""
    (group,) = {block.axes[axis].group for block in space.blocks if block.tensor == tensor}
    return group


def size_of(space, tensor, axis=0):
    """The size of the one free group along an axis of a tensor; fails for a fixed one."""
    group = space.groups[group_of(space, tensor, axis)]
    assert not group.fixed
    return group.size


def scale_sets(space):
    return Counter(scale_class.values for scale_class in space.scales)


# ------------------------------------------------------------------------------------------------------------ sound


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_keep_their_function(name, rng):
    factory, shape = SMALL[name]
    model, x = randomize(factory(), rng), torch.randn(shape)
    space = trace(model, x)
    assert verify(model, space, example_inputs=x) <= 1e-9
    assert_function_preserved(model, space, example_inputs=x)


@pytest.mark.parametrize("name", SMALL)
def test_example_inputs_are_found(name):
    factory, shape = SMALL[name]
    model = factory()
    assert trace(model) == trace(model, torch.randn(shape))


@pytest.fixture(scope="session", params=LARGE)
def large(request):
    """Name, model, example input and space of one of the well-known classifiers."""
    factory, shape = LARGE[request.param]
    model, x = randomize(factory(), torch.Generator().manual_seed(0)), torch.randn(shape)
    return request.param, model, x, trace(model, x)


def test_large_networks_keep_their_function_and_move_nearly_all_weights(large):
    name, model, x, space = large
    assert verify(model, space, example_inputs=x, num_samples=1) <= 1e-9
    assert space.num_moved / space.num_weights > 0.99
    assert len(free_sizes(space)) == NUM_GROUPS[name]
    assert space.pins == ()


def test_large_networks_make_the_round_trip(large):
    _, model, x, space = large
    assert_roundtrip(model, space, example_inputs=x)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_keep_the_function(activation, rng):
    model = randomize(mlp(activation), rng)
    assert verify(model) <= 1e-9
    assert_function_preserved(model)


NUM_GROUPS = {
    "resnet18": 4 + 8,  # stages, insides of blocks
    "densenet121": 1 + 2 * 58 + 3,  # stem, two convolutions of every dense layer, transitions
    "mobilenet_v2": 1 + 7 + 16 + 1,  # stem, stages, insides of blocks, last convolution
    "shufflenet_v2": 90,
}


# ----------------------------------------------------------------------------------------------------------- scales


SCALES = {
    ScaleSet.POSITIVE: ("ReLU", "LeakyReLU", "PReLU", "RReLU"),
    ScaleSet.SIGN: (
        *("Tanh", "sin", "cos", "erf", "atan"),
        *("Hardtanh", "Softshrink", "Hardshrink", "Tanhshrink", "Softsign"),
    ),
    ScaleSet.NONZERO: ("Identity", "abs", "square"),
}
"""What each activation leaves free; nothing for all others. The cosine takes any sign, and hands none on."""


def expected_scales(activation):
    name = activation.function.__name__ if isinstance(activation, Elementwise) else type(activation).__name__
    return next((values for values, names in SCALES.items() if name in names), None)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_leave_the_scales_of_theory(activation):
    values = expected_scales(activation)
    assert scale_sets(trace(mlp(activation))) == ({values: 2} if values else {})


def test_every_entry_of_the_table_is_tried():
    found = Counter(expected_scales(activation) for activation in ACTIVATIONS)
    assert {values: found[values] for values in SCALES} == {values: len(names) for values, names in SCALES.items()}


@pytest.mark.parametrize(
    ("activation", "values"),
    [
        (nn.Hardtanh(-1.0, 2.0), None),
        (nn.Hardtanh(-2.0, 2.0), ScaleSet.SIGN),
        (nn.Hardtanh(0.0, torch.inf), ScaleSet.POSITIVE),
        (nn.Sequential(nn.ReLU(), nn.Tanh()), None),
        (nn.Sequential(nn.Tanh(), nn.Identity()), ScaleSet.SIGN),
    ],
    ids=str,
)
def test_arguments_and_compositions_of_activations(activation, values):
    assert scale_sets(trace(mlp(activation))) == ({values: 2} if values else {})


# ---------------------------------------------------------------------------------------------------------- maximal


@pytest.mark.parametrize("widths", [(3, 8, 8, 2), (2, 5, 1), (1, 7, 3, 9, 4)])
def test_every_hidden_unit_of_an_mlp_is_free(widths):
    space = trace(mlp(nn.ReLU(), widths))
    assert free_sizes(space) == sorted(widths[1:-1])
    for i, width in enumerate(widths[1:-1]):
        assert size_of(space, f"{2 * i}.weight") == size_of(space, f"{2 * i + 2}.weight", axis=1) == width
        assert group_of(space, f"{2 * i}.bias") == group_of(space, f"{2 * i + 2}.weight", axis=1)
    assert scale_sets(space) == {ScaleSet.POSITIVE: len(widths) - 2}
    assert space.num_moved == space.num_weights - widths[-1]  # all but the last bias


def test_every_channel_and_hidden_unit_of_a_cnn_is_free():
    space = trace(cnn())
    assert free_sizes(space) == [6, 8, 10]
    names = ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var")
    assert len({group_of(space, name) for name in names} | {group_of(space, "4.weight", axis=1)}) == 1
    assert size_of(space, "8.weight", axis=1) == 8  # the flattened channels, with a kernel of their 16 pixels
    (block,) = (b for b in space.blocks if b.tensor == "8.weight")
    assert block.shape == (10, 8, 16)
    # two norms: the multipliers of their inputs are free, and those of their outputs, before a ReLU; the third layer
    assert scale_sets(space) == {ScaleSet.NONZERO: 2, ScaleSet.POSITIVE: 3}
    assert space.num_moved == space.num_weights - 4


def test_siren_has_signs():
    space = trace(siren())
    assert free_sizes(space) == [16, 16]
    assert scale_sets(space) == {ScaleSet.SIGN: 2}


@pytest.fixture(scope="module")
def resnet18():
    return trace(ResNet18(num_classes=7))


def test_resnet18_has_one_group_per_stage_and_one_inside_each_block(resnet18):
    assert Counter(free_sizes(resnet18)) == {64: 3, 128: 3, 256: 3, 512: 3}


def test_resnet18_stages_are_one_group_each(resnet18):
    stages = {
        64: ["conv1.weight", "bn1.running_var", "layer1.0.bn2.bias", "layer1.1.conv2.weight"],
        128: ["layer2.0.conv2.weight", "layer2.0.downsample.0.weight", "layer2.1.bn2.weight"],
        256: ["layer3.0.downsample.1.running_mean", "layer3.1.conv2.weight"],
        512: ["layer4.0.bn2.weight", "layer4.0.downsample.1.bias", "layer4.1.conv2.weight"],
    }
    readers = {
        64: "layer2.0.conv1.weight",
        128: "layer2.1.conv1.weight",
        256: "layer4.0.conv1.weight",
        512: "fc.weight",
    }
    for width, writers in stages.items():
        (group,) = {group_of(resnet18, name) for name in writers} | {group_of(resnet18, readers[width], axis=1)}
        assert (resnet18.groups[group].size, resnet18.groups[group].fixed) == (width, False)


def test_resnet18_inner_groups_are_separate(resnet18):
    inner = [f"layer{stage}.{block}.conv1.weight" for stage in range(1, 5) for block in range(2)]
    assert len({group_of(resnet18, name) for name in inner}) == 8


def test_channels_stay_in_their_convolution_group(rng):
    """Channels of a grouped convolution, as numbers that follow a permutation, never change the group."""
    space = trace(grouped_cnn())
    shapes = {spec.name: spec.shape for spec in space.tensors}
    convolutions = {"3.weight": 2, "6.weight": 4}  # outputs of these groups
    for _ in range(20):
        weights, _ = space.flatten(
            {n: torch.zeros(s) if "num" not in n else torch.zeros(s).long() for n, s in shapes.items()}
        )
        state = space.unflatten(weights)
        for name in convolutions:
            state[name] += torch.arange(shapes[name][0])[:, None, None, None]
        moved = space.random_symmetry(rng, scale=False)(state)
        for name, groups in convolutions.items():
            channels, size = moved[name][:, 0, 0, 0], shapes[name][0] // groups
            assert torch.equal(channels // size, torch.arange(shapes[name][0]) // size)
            assert sorted(channels.tolist()) == list(range(shapes[name][0]))


def test_channels_do_move_inside_their_convolution_group():
    space = trace(grouped_cnn())
    assert {space.groups[b.axes[0].group].size for b in space.blocks if b.tensor == "6.weight"} == {4}
    assert all(not space.groups[b.axes[0].group].fixed for b in space.blocks if b.tensor == "6.weight")


# ------------------------------------------------------------------------------------------------------ hard cases


def test_a_tied_autoencoder_uses_one_block_both_ways():
    space = trace(TiedAutoencoder())
    assert free_sizes(space) == [4]
    (block,) = (i for i, b in enumerate(space.blocks) if b.tensor == "weight")
    uses = [c for c in space.connections if c.block == block]
    assert [c.target_axis for c in uses] == [0, 1]
    assert uses[0].target == uses[1].source


def test_a_shared_layer_joins_all_its_depths():
    space = trace(SharedBlock())
    assert free_sizes(space) == [8]
    groups = {
        group_of(space, "stem.weight"),
        group_of(space, "shared.weight"),
        group_of(space, "shared.weight", axis=1),
    }
    assert groups == {group_of(space, "head.weight", axis=1)}
    assert len([c for c in space.connections if c.role == "weight"]) == 4


def test_one_parameter_under_two_names_is_stored_once():
    model = nn.Sequential(
        OrderedDict(a=nn.Linear(3, 4), b=nn.Tanh(), c=nn.Linear(4, 4), d=nn.Tanh(), e=nn.Linear(4, 4))
    )
    model.e.weight = model.c.weight
    space = trace(model)
    assert {t.name: t.same_as for t in space.tensors}["e.weight"] == "c.weight"
    assert space.num_weights == 3 * 4 + 4 * 4 + 3 * 4
    assert verify(model, space) <= 1e-9


def test_unused_parameters_are_kept_and_stay():
    model = randomize(UnusedParameter(), torch.Generator().manual_seed(0))
    space = trace(model)
    moved = space.random_symmetry()(model.state_dict())
    for name in ("unused", "spare.weight", "spare.bias"):
        assert torch.equal(moved[name], model.state_dict()[name])
    assert free_sizes(space) == [8, 8]


def test_layers_of_one_unit_still_scale():
    space = trace(Narrow())
    assert free_sizes(space) == [1, 1]
    assert scale_sets(space) == {ScaleSet.SIGN: 2}


def test_missing_biases_change_no_group():
    with_bias, without = (trace(mlp(nn.ReLU(), bias=bias)) for bias in (True, False))
    assert with_bias.groups == without.groups
    assert with_bias.scales == without.scales
    assert without.num_moved == without.num_weights


def test_an_operator_without_a_rule_pins_and_is_named():
    space = trace(Unknown())
    assert free_sizes(space) == [8]  # of the layer behind it
    assert space.groups[group_of(space, "stem.weight")].fixed
    (pin,) = space.pins
    assert (pin.operator, pin.num_units) == ("cumsum", 8)
    assert "cumsum" in pin.reason
    assert "cumsum" in str(space.report())
    assert "Nothing was pinned" in str(trace(mlp(nn.ReLU())).report())


def test_a_rule_of_ones_own_frees_what_was_pinned():
    class Scan(nn.Module):
        def forward(self, x):
            return torch.logcumsumexp(x, dim=0)

    model = nn.Sequential(nn.Linear(3, 8), Scan(), nn.Linear(8, 2))
    assert free_sizes(trace(model)) == []
    assert find_rule("logcumsumexp") is None

    @rule("logcumsumexp")
    def logcumsumexp(tracer, x, dim):
        (label,) = x.labels
        tracer.legs.restrict(label)
        return tracer.result(label)

    try:
        assert free_sizes(trace(model)) == [8]
        assert verify(model) <= 1e-9
    finally:
        from wsgraph.trace import registry

        del registry._RULES["logcumsumexp"]


# ------------------------------------------------------------------------------------------- a value, not an object


class Forms(nn.Module):
    """Two bilinear forms of the same scalars, one for each of five units, which stay apart."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.lift, self.form = nn.Linear(3, 5), nn.Linear(1, 4), nn.Bilinear(4, 4, 2)

    def forward(self, x):
        y = self.lift(self.first(x)[..., None])
        return self.form(y, y).sum(-1)


def test_units_of_which_a_rule_says_nothing_stay():
    """An output for each unit of the first layer: none of them may move."""
    model = Forms().double()
    space = trace(model, torch.randn(2, 3))
    assert next(g for g in space.groups if g.name == "first").fixed
    assert verify(model, space, example_inputs=torch.randn(2, 3).double()) < 1e-9
    assert [(pin.operator, pin.num_units) for pin in space.pins] == [("bilinear", 5), ("bilinear", 5)]


def test_two_traces_are_equal_whatever_the_weights():
    first, second = trace(cnn()), trace(randomize(cnn(), torch.Generator().manual_seed(1)))
    assert first == second
    assert hash(first) == hash(second)
    assert first.digest == second.digest


def test_traces_do_not_depend_on_names_of_classes():
    class Perceptron(nn.Sequential):
        pass

    class Dense(nn.Linear):
        pass

    assert trace(Perceptron(Dense(3, 8), nn.ReLU(), Dense(8, 2))) == trace(mlp(nn.ReLU(), (3, 8, 2)))


@pytest.mark.parametrize(
    "other",
    [
        mlp(nn.ReLU(), (3, 9, 8, 2)),
        mlp(nn.ReLU(), (3, 8, 8, 2), bias=False),
        mlp(nn.Tanh(), (3, 8, 8, 2)),
        mlp(nn.LeakyReLU(0.2), (3, 8, 8, 2)),
        mlp(nn.ReLU(), (3, 8, 2)),
    ],
    ids=lambda model: str(trace(model)),
)
def test_other_architectures_have_other_spaces(other):
    assert trace(other) != trace(mlp(nn.ReLU(), (3, 8, 8, 2)))


def test_the_dtype_of_the_network_does_not_matter():
    assert trace(mlp(nn.ReLU()).double()) == trace(mlp(nn.ReLU()).bfloat16()) == trace(mlp(nn.ReLU()))


def test_the_batch_size_and_the_image_size_do_not_matter():
    model = grouped_cnn()
    assert trace(model, torch.randn(1, 3, 8, 8)) == trace(model, torch.randn(5, 3, 16, 12))


# ------------------------------------------------------------------------------------------------------- the model


def test_the_model_is_left_as_it_was():
    model = cnn()
    model[1].eval()
    model[2].train()
    modes = [module.training for module in model.modules()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trace(model)
    verify(model)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_the_mode_comes_back_after_an_error():
    model = Branching()
    model.linear.eval()
    with pytest.raises(TraceError):
        trace(model, torch.randn(2, 3))
    assert [module.training for module in model.modules()] == [True, False]


def test_dropout_is_traced_as_in_evaluation():
    space = trace(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2)))
    assert free_sizes(space) == [8]
    assert scale_sets(space) == {ScaleSet.POSITIVE: 1}


# --------------------------------------------------------------------------------------------------------- inputs


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = nn.Linear(3, 8), nn.Linear(5, 8), nn.Linear(8, 2)

    def forward(self, x, y, scale=1.0):
        return self.head(torch.relu(self.left(x) + scale * self.right(y)))


def test_inputs_may_be_a_tensor_a_tuple_a_list_or_a_dictionary():
    x, y = torch.randn(4, 3), torch.randn(4, 5)
    assert trace(mlp(nn.ReLU()), x) == trace(mlp(nn.ReLU()), (x,)) == trace(mlp(nn.ReLU()), {"input": x})
    spaces = [
        trace(TwoInputs(), inputs) for inputs in ((x, y), [x, y], {"x": x, "y": y}, {"x": x, "y": y, "scale": 2.0})
    ]
    assert free_sizes(spaces[0]) == [8]
    assert spaces[0] == spaces[1] == spaces[2]
    assert verify(TwoInputs(), spaces[3], example_inputs={"x": x, "y": y, "scale": 2.0}) <= 1e-9


def test_inputs_that_cannot_be_found_are_asked_for():
    with pytest.raises(TraceError, match=r"No example input .* TwoInputs .*failed with.*example_inputs"):
        trace(TwoInputs())


def test_inputs_are_found_beside_a_scalar_parameter():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))
            self.body = mlp(nn.ReLU())

        def forward(self, x):
            return self.scale * self.body(x)

    assert free_sizes(trace(Scaled())) == [8, 8]


def test_a_model_without_parameters_needs_inputs():
    with pytest.raises(TraceError, match=r"no parameters to guess a shape from.*example_inputs"):
        trace(nn.ReLU())
    assert trace(nn.ReLU(), torch.randn(2, 3)).num_weights == 0


def test_inputs_that_do_not_fit():
    with pytest.raises(TraceError, match=r"Linear cannot be exported.*\[2, 5\].*example_inputs"):
        trace(nn.Linear(3, 4), torch.randn(2, 5))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x):
        y = self.linear(x)
        return y if y.sum() > 0 else -y


def test_a_model_that_cannot_be_exported_is_told_where():
    with pytest.raises(TraceError) as caught:
        trace(Branching(), torch.randn(2, 3))
    line = next(i for i, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "if y.sum() > 0" in text)
    assert f"{Path(__file__).name}:{line}" in str(caught.value)
    assert "Branching" in str(caught.value)
    assert "example_inputs" in str(caught.value)


@pytest.mark.parametrize("wrong", ["model", None, nn.Linear, {"weight": torch.zeros(2, 2)}, torch.zeros(3)], ids=repr)
def test_what_is_no_module_is_refused(wrong):
    with pytest.raises(TraceError, match=rf"Expected a torch.nn.Module, got {re.escape(type(wrong).__name__)}"):
        trace(wrong)


def test_complex_parameters_are_refused_by_name():
    class Complex(nn.Module):
        def __init__(self):
            super().__init__()
            self.phase = nn.Parameter(torch.zeros(3, dtype=torch.complex64))

        def forward(self, x):
            return x * self.phase

    with pytest.raises(TraceError, match=r"'phase' is torch\.complex64"):
        trace(Complex(), torch.randn(2, 3))


@pytest.mark.parametrize(
    "reverse", [lambda x: x.flip(-1), lambda x: torch.cat(x.chunk(2, dim=-1)[::-1], dim=-1)], ids=["flip", "swap"]
)
def test_units_may_be_read_backwards(reverse):
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), Elementwise(reverse), nn.Linear(2, 2))
    assert verify(model) <= 1e-9


# ------------------------------------------------------------------------------------------------------ mixed widths


class MixedWidths(nn.Module):
    """A layer in half precision before one in single."""

    def __init__(self, cast):
        super().__init__()
        self.stem, self.head, self.cast = nn.Linear(3, 8).bfloat16(), nn.Linear(8, 2), cast

    def forward(self, x):
        hidden = torch.relu(self.stem(self.cast(x, self.stem.weight)))
        return self.head(self.cast(hidden, self.head.weight))


def test_networks_of_mixed_widths_are_traced():
    space = trace(MixedWidths(torch.Tensor.type_as), torch.randn(2, 3))
    assert free_sizes(space) == [8]
    assert [t.dtype for t in space.tensors] == ["bfloat16"] * 2 + ["float32"] * 2


def test_networks_of_mixed_widths_are_verified():
    assert verify(MixedWidths(torch.Tensor.type_as), example_inputs=torch.randn(2, 3)) <= 1e-9


def test_a_cast_to_a_dtype_pins_nothing():
    model = MixedWidths(lambda x, like: x.to(like.dtype))
    assert trace(model, torch.randn(2, 3)) == trace(MixedWidths(torch.Tensor.type_as), torch.randn(2, 3))
