"""Laws about the laws: each holds for a sound model, fails for a broken one, and refuses to prove nothing."""

from dataclasses import replace

import pytest
import torch
from networks import SMALL, cnn, mlp, randomize, siren
from networks_nested import NESTED
from torch import nn
from torch_geometric.data import Batch

from wsgraph import to_graphs, to_state_dict, trace
from wsgraph.graph import batch_of
from wsgraph.space import MatrixSet
from wsgraph.testing import (
    assert_batch_consistent,
    assert_equivariant,
    assert_function_preserved,
    assert_invariant,
    assert_roundtrip,
    assert_routes_agree,
    assert_sensitive,
    changes as changes_module,
    random_graphs,
    roundtrip as roundtrip_module,
)
from wsgraph.testing.changes import changes
from wsgraph.testing.moves import can_move

LAWS_OF_MODELS = [assert_invariant, assert_equivariant, assert_sensitive, assert_batch_consistent, assert_routes_agree]


# ------------------------------------------------------------------------------------------------------- toy models


class Probing(nn.Module):
    """Sound: runs the networks 2 -> 4 -> 1 on fixed inputs. Invariant, or (without outputs) equivariant."""

    def __init__(self, space, out_channels=3):
        super().__init__()
        self.space, self.out_channels = space, out_channels
        self.probes = nn.Parameter(torch.randn(5, 2))
        self.readout = nn.Linear(5, out_channels or 1)

    def scores(self, weights):
        state = self.space.unflatten(weights)
        hidden = torch.relu(self.probes @ state["0.weight"].mT + state["0.bias"][:, None])
        return self.readout((hidden @ state["2.weight"].mT + state["2.bias"][:, None]).flatten(1))

    def answer(self, graphs, scores):
        if self.out_channels:
            return scores
        return batch_of(graphs.weight_matrix * (1 + torch.tanh(scores)), self.space)

    def dense(self, graphs):
        return self.answer(graphs, self.scores(graphs.weight_matrix))

    def sparse(self, graphs):
        return self.answer(graphs, torch.cat([self.scores(row[None]) for row in graphs.weight_matrix]))

    def forward(self, graphs):
        return self.dense(graphs)


class Changed(Probing):
    """Probing with something wrong."""

    def __init__(self, space, change, out_channels=3):
        super().__init__(space, out_channels)
        self.change = change

    def answer(self, graphs, scores):
        return self.change(graphs, super().answer(graphs, scores))


class TwoMinds(Probing):
    """One route is a little off."""

    def sparse(self, graphs):
        return super().sparse(graphs) * (1 + 1e-6)


class Flat(nn.Module):
    """Not invariant: reads the weights where they lie."""

    def __init__(self, space, out_channels=3):
        super().__init__()
        self.linear = nn.Linear(space.num_weights, out_channels)

    def forward(self, graphs):
        return self.linear(graphs.weight_matrix)


class Norms(nn.Module):
    """Too invariant: sees the sizes of the tensors alone."""

    def __init__(self, space, out_channels=3):
        super().__init__()
        self.linear = nn.Linear(len(space.blocks), out_channels)
        self.space = space

    def forward(self, graphs):
        views = [self.space.block_view(graphs.weight_matrix, i).flatten(1) for i in range(len(self.space.blocks))]
        return self.linear(torch.stack([view.norm(dim=1) for view in views], dim=1))


class Moments(nn.Module):
    """Invariant to permutations, for networks of any and of several spaces."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 3)

    def forward(self, graphs):
        pieces = graphs.weights.split([space.num_weights for space in graphs.spaces])
        return self.linear(torch.stack([torch.stack([(w**2).sum(), (w**3).sum()]) for w in pieces]))


def updated(graphs, weights):
    return batch_of(weights, graphs.spaces[0])


@pytest.fixture
def space():
    return trace(mlp(nn.ReLU(), (2, 4, 1)))


@pytest.fixture
def unscaled():
    """Permutations only."""
    return trace(mlp(nn.GELU(), (2, 4, 1)))


def networks(space, rng=None, num=3):
    return random_graphs(space, num, rng)


# ---------------------------------------------------------------------------------------------------- sound models


def test_sound_invariant_models_pass(space, rng):
    graphs = networks(space, rng)
    for law in (assert_invariant, assert_sensitive, assert_batch_consistent, assert_routes_agree):
        law(Probing(space), graphs)


def test_sound_equivariant_models_pass(space, rng):
    graphs = networks(space, rng)
    for law in (assert_equivariant, assert_sensitive, assert_batch_consistent, assert_routes_agree):
        law(Probing(space, out_channels=None), graphs)


def test_graphs_made_from_state_dicts_pass(space):
    graphs = to_graphs([mlp(nn.ReLU(), (2, 4, 1)).state_dict() for _ in range(4)], space)
    assert_invariant(Probing(space), graphs)


def test_a_batch_may_mix_spaces(unscaled, rng):
    graphs = [
        *networks(unscaled, rng).to_data_list(),
        *networks(trace(mlp(nn.GELU(), (3, 5, 6, 2))), rng).to_data_list(),
    ]
    mixed = Batch.from_data_list([graphs[i] for i in (0, 3, 4, 1)])
    assert_invariant(Moments(), mixed)
    assert_batch_consistent(Moments(), mixed)
    with pytest.raises(AssertionError, match=r"Moments does not notice \d+ of \d+ changes"):
        assert_sensitive(Moments(), mixed)


def test_the_model_and_the_graphs_are_left_as_they_were(space):
    model, graphs = Probing(space).train(), networks(space)
    before, weights = {k: v.clone() for k, v in model.state_dict().items()}, graphs.weights.clone()
    for law in (assert_invariant, assert_sensitive, assert_batch_consistent, assert_routes_agree):
        law(model, graphs)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(graphs.weights, weights)
    assert graphs.weights.dtype == torch.float32


def test_results_repeat(space):
    model, graphs, messages = Flat(space), networks(space), set()
    for _ in range(2):
        with pytest.raises(AssertionError) as caught:
            assert_invariant(model, graphs, generator=torch.Generator().manual_seed(5))
        messages.add(str(caught.value))
    assert len(messages) == 1


# --------------------------------------------------------------------------------------------------- broken models


def test_a_model_that_reads_positions_is_not_invariant(space):
    with pytest.raises(
        AssertionError, match=r"Flat is not invariant \(float64\): relative error .*output \[\d\] of network"
    ):
        assert_invariant(Flat(space), networks(space))


def test_an_update_by_position_is_not_equivariant(space):
    def shifted(graphs, answer):
        weights = answer.weight_matrix.clone()
        weights[:, 1] *= 1.001
        return updated(graphs, weights)

    with pytest.raises(AssertionError, match=r"Changed is not equivariant \(float64\).*'0.weight'\[\d, 1\] of network"):
        assert_equivariant(Changed(space, shifted, None), networks(space))


def test_scales_are_tried_as_well_as_permutations(space, unscaled):
    def same_for_all(graphs, answer):
        return updated(graphs, answer.weight_matrix + 0.1)

    assert_equivariant(Changed(unscaled, same_for_all, None), networks(unscaled))
    with pytest.raises(AssertionError, match="is not equivariant"):
        assert_equivariant(Changed(space, same_for_all, None), networks(space))


def test_errors_in_small_tensors_are_found(space):
    def biased(graphs, answer):
        weights = answer.weight_matrix.clone()
        weights[:, :8] *= 1000
        bias = space.slices[[b.tensor for b in space.blocks].index("0.bias")]
        weights[:, bias] *= torch.linspace(1, 1.00001, 4).to(weights)
        return updated(graphs, weights)

    with pytest.raises(AssertionError, match=r"'0\.bias'\[\d\]"):
        assert_equivariant(Changed(space, biased, None), networks(space))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_precisions_are_tried(space, dtype):
    def broken(graphs, answer):
        return answer + graphs.weight_matrix[:, :3] if answer.dtype == dtype else answer

    with pytest.raises(AssertionError, match=str(dtype).removeprefix("torch.")):
        assert_invariant(Changed(space, broken), networks(space))


def test_tolerances_may_be_set_for_each_precision(space):
    def rough(graphs, answer):
        return answer + 1e-6 * graphs.weight_matrix[:, :3]

    model, graphs = Changed(space, rough), networks(space)
    for tolerance in (1e-9, {torch.float64: 1e-8}):
        with pytest.raises(AssertionError, match="is not invariant"):
            assert_invariant(model, graphs, tolerance=tolerance)
    for tolerance in (1e-4, {torch.float64: 1e-4}, {torch.float32: 1e-3}):
        assert_invariant(model, graphs, tolerance=tolerance)


def test_a_model_that_sees_only_norms_is_not_sensitive(unscaled):
    graphs = networks(unscaled)
    assert_invariant(Norms(unscaled), graphs)
    with pytest.raises(
        AssertionError, match=r"Norms does not notice 3 of 3 .*permuting axis 0 of '0.weight' \[4, 2\] alone"
    ):
        assert_sensitive(Norms(unscaled), graphs)


def test_a_model_of_single_weights_is_not_sensitive(unscaled):
    def elementwise(graphs, answer):
        return updated(graphs, torch.tanh(graphs.weight_matrix))

    model, graphs = Changed(unscaled, elementwise, None), networks(unscaled)
    assert_equivariant(model, graphs)
    with pytest.raises(AssertionError, match="does not notice 3 of 3"):
        assert_sensitive(model, graphs)


def test_a_blind_spot_is_named(space):
    class WithoutBias(Probing):
        def scores(self, weights):
            weights = weights.clone()
            bias = [i for i, block in enumerate(space.blocks) if block.tensor == "0.bias"]
            space.block_view(weights, bias[0]).zero_()
            return super().scores(weights)

    model, graphs = WithoutBias(space), networks(space)
    assert_invariant(model, graphs)
    with pytest.raises(AssertionError) as caught:
        assert_sensitive(model, graphs)
    assert "2 of 6 changes" in str(caught.value)
    assert "permuting axis 0 of '0.bias'" in str(caught.value)
    assert "scaling axis 0 of '0.bias'" in str(caught.value)
    assert "weight" not in str(caught.value)
    assert_sensitive(model, graphs, tensors=("0.weight", "2.weight"))


def test_sensitivity_to_signs_and_scales(rng):
    verbs = {}
    for activation in (nn.Tanh(), nn.ReLU(), nn.GELU(), nn.Identity()):
        found = changes(trace(mlp(activation, (2, 4, 1))), rng, 10.0)
        verbs[type(activation).__name__] = sorted({change.verb for change in found})
    assert verbs == {
        "GELU": ["permuting"],
        "Identity": ["flipping signs along", "permuting", "scaling"],
        "ReLU": ["permuting", "scaling"],
        "Tanh": ["flipping signs along", "permuting"],
    }


def test_what_is_a_symmetry_after_all_is_not_a_change(rng):
    """The sign of a unit before an absolute value is free in its weights alone."""

    class Absolute(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Linear(2, 4, bias=False), nn.Linear(4, 1)

        def forward(self, x):
            return self.head(self.stem(x).abs())

    found = [str(change) for change in changes(trace(Absolute()), rng, 10.0)]
    assert found == [
        f"{verb} axis {axis} of {name} alone"
        for axis, name in ((0, "'stem.weight' [4, 2]"), (1, "'head.weight' [1, 4]"))
        for verb in ("permuting", "scaling")
    ]


def test_rank_over_bits():
    assert changes_module._rank_of_bits(torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1]]).numpy()) == 2
    assert changes_module._rank_of_bits(torch.eye(3, dtype=torch.long).numpy()) == 3


def test_a_model_that_mixes_the_batch_is_found(space):
    def centred(graphs, answer):
        return answer - answer.mean(dim=0)

    with pytest.raises(AssertionError, match=r"for a network in a batch .*float64.*output \[\d\] of network \d"):
        assert_batch_consistent(Changed(space, centred), networks(space))


def test_a_model_that_counts_its_batch_is_found(space):
    def numbered(graphs, answer):
        return answer + torch.arange(len(answer))[:, None] * (len(answer) > 1)

    with pytest.raises(AssertionError, match="in a batch"):
        assert_batch_consistent(Changed(space, numbered), networks(space))


def test_a_model_that_depends_on_the_order_of_the_batch_is_found(space):
    class Stateful(Probing):
        def forward(self, graphs):
            answer = super().forward(graphs)
            order = answer[:, 0].argsort()
            return answer if len(answer) == 1 or bool((order == self.first_order).all()) else answer.flip(0)

    graphs = networks(space)
    model = Stateful(space)
    model.register_buffer("first_order", Probing.forward(model, graphs)[:, 0].argsort())
    with pytest.raises(AssertionError, match="another order of the batch"):
        assert_batch_consistent(model, graphs)


def test_routes_that_differ_are_found(space):
    with pytest.raises(AssertionError, match=r"TwoMinds\.sparse differs from the dense route \(float64\)"):
        assert_routes_agree(TwoMinds(space), networks(space))


def test_forward_must_take_one_of_the_routes(space):
    class Third(Probing):
        def forward(self, graphs):
            return self.dense(graphs) + 1e-6

    with pytest.raises(AssertionError, match=r"Third\.forward differs from the dense route"):
        assert_routes_agree(Third(space), networks(space))


# ---------------------------------------------------------------------------------------------------- empty proofs


@pytest.mark.parametrize("law", LAWS_OF_MODELS)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda g: batch_of(torch.zeros_like(g.weight_matrix), g.spaces[0]), "weights are zero, which proves nothing"),
        (lambda g: batch_of(g.weight_matrix[:1], g.spaces[0]), "one network proves nothing"),
        (lambda g: batch_of(g.weight_matrix[:1].repeat(3, 1), g.spaces[0]), "nearly the same for every network"),
        (lambda g: batch_of(g.weight_matrix * torch.nan, g.spaces[0]), r"weights are not finite: '0\.weight'\[0, 0\]"),
    ],
    ids=["zeros", "one", "equal", "nan"],
)
def test_degenerate_batches_are_refused(law, spoil, message, space):
    model = Probing(space, out_channels=None if law is assert_equivariant else 3)
    with pytest.raises(AssertionError, match=message):
        law(model, spoil(networks(space)))


@pytest.mark.parametrize("law", LAWS_OF_MODELS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda graphs, answer: answer[:1], r"returned shape \[1, 3\]; expected \[3, ...\]"),
        (lambda graphs, answer: answer.tolist(), "returned a list"),
    ],
    ids=["shape", "list"],
)
def test_answers_of_a_wrong_form_are_refused(law, change, message, space):
    model = Changed(space, change)
    with pytest.raises(AssertionError, match=message):
        law(model, networks(space))


@pytest.mark.parametrize("law", LAWS_OF_MODELS)
def test_constant_and_infinite_answers_are_refused(law, space):
    def times(factor, plus):
        def change(graphs, answer):
            if isinstance(answer, torch.Tensor):
                return answer * factor + plus
            return updated(graphs, answer.weight_matrix * factor + plus)

        return change

    out_channels = None if law is assert_equivariant else 3
    with pytest.raises(AssertionError, match="nearly the same for every network"):
        law(Changed(space, times(0, 1), out_channels), networks(space))
    with pytest.raises(AssertionError, match=r"not finite: .*\[0.*\] of network 0 is -?inf, so nothing is proven"):
        law(Changed(space, times(torch.inf, 0), out_channels), networks(space))


def test_the_identity_is_refused(space):
    with pytest.raises(AssertionError, match="returns the weights as they came, which proves nothing"):
        assert_equivariant(Changed(space, lambda graphs, answer: graphs, None), networks(space))


def test_changes_of_the_input_in_place_are_found(space):
    with pytest.raises(AssertionError, match="changed the weights of its input in place"):
        assert_invariant(Changed(space, lambda graphs, answer: answer + graphs.weights.mul_(2).sum()), networks(space))


@pytest.mark.parametrize("law", [assert_invariant, assert_equivariant])
def test_the_kind_of_answer_is_checked(law, space):
    wrong = Probing(space, out_channels=3 if law is assert_equivariant else None)
    with pytest.raises(AssertionError, match=r"Probing returned a .*, expected a"):
        law(wrong, networks(space))


def test_graphs_of_another_space_are_refused(space):
    def elsewhere(graphs, answer):
        return random_graphs(trace(mlp(nn.ReLU(), (2, 5, 1))), 3)

    with pytest.raises(AssertionError, match="other weight spaces"):
        assert_equivariant(Changed(space, elsewhere, None), networks(space))


@pytest.mark.parametrize("law", [assert_invariant, assert_equivariant, assert_sensitive])
def test_weights_that_hide_the_symmetry_are_refused(law, space):
    graphs = networks(space)
    space.block_view(graphs.weight_matrix, [b.tensor for b in space.blocks].index("0.bias")).zero_()
    model = Probing(space, out_channels=None if law is assert_equivariant else 3)
    with pytest.raises(AssertionError, match=r"No symmetry changes the entries of '0\.bias'.*proves nothing"):
        law(model, graphs)


def test_half_turns_and_multipliers_in_common_move_blocks():
    turning = replace(trace(siren((2, 4, 1))), scales=())
    no_scales = tuple(replace(b, axes=tuple(replace(a, scale=(), group=0) for a in b.axes)) for b in turning.blocks)
    found = [can_move(replace(turning, blocks=no_scales), i) for i in range(4)]
    assert found == [True, True, False, False]  # the weight and the bias before the sine
    heads = trace(NESTED["attention"][0](), torch.zeros(2, 4, 3))
    names = [block.tensor for block in heads.blocks]
    assert [n for i, n in enumerate(names) if not can_move(heads, i)] == ["3.bias"]


def test_changes_of_blocks_in_pieces_stay_in_them(rng):
    space = trace(NESTED["groups"][0](), torch.zeros(2, 2, 8, 8))
    graphs, found = networks(space), list(changes(space, rng, 10.0))
    here = [c for c in found if space.blocks[c.place[0]].pieces > 1]
    assert {(c.place[1], c.verb) for c in here} == {(a, v) for a in (0, 1) for v in ("permuting", "scaling")}
    for change in here:
        view = space.block_view(change(graphs).weight_matrix, change.place[0])
        before = space.block_view(graphs.weight_matrix, change.place[0])
        assert not torch.equal(view, before)
        assert view.shape == (3, 2, 4, 3, 3, 3)


@pytest.mark.parametrize("law", [assert_invariant, assert_equivariant, assert_sensitive])
def test_spaces_without_symmetry_are_refused(law):
    linear = trace(nn.Linear(2, 3))
    with pytest.raises(AssertionError, match="no symmetry but the identity, which proves nothing"):
        law(Moments(), networks(linear))


def test_nothing_to_change_is_refused(space):
    with pytest.raises(AssertionError, match="nothing to change"):
        assert_sensitive(Probing(space), networks(space), tensors=("2.bias",))


# ------------------------------------------------------------------------------------------------ function preserved


def test_function_preserved_leaves_the_model_alone():
    model = cnn().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert_function_preserved(model, num_samples=1)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def with_axis(space, tensor, axis, **changed):
    """The space with one axis of one block changed."""
    blocks = list(space.blocks)
    (number,) = (i for i, block in enumerate(blocks) if block.tensor == tensor)
    axes = list(blocks[number].axes)
    axes[axis] = replace(axes[axis], **changed)
    blocks[number] = replace(blocks[number], axes=tuple(axes))
    return replace(space, blocks=tuple(blocks))


def test_swapped_groups_break_the_function():
    model = mlp(nn.ReLU(), (3, 8, 8, 2))
    space = trace(model)
    first, second = (next(b.axes[0] for b in space.blocks if b.tensor == f"{i}.bias") for i in (0, 2))
    wrong = with_axis(with_axis(space, "0.bias", 0, group=second.group), "2.bias", 0, group=first.group)
    with pytest.raises(AssertionError) as caught:
        assert_function_preserved(model, wrong)
    assert "Sequential does not compute the same under a symmetry" in str(caught.value)
    assert "float64" in str(caught.value)
    assert "of output 0 is" in str(caught.value)
    assert "Already broken by permuting group '0' alone, or by permuting group '2' alone" in str(caught.value)
    assert "scaling" not in str(caught.value)


@pytest.mark.parametrize("activation", [nn.GELU(), nn.ReLU()])
def test_signs_that_an_activation_does_not_have_break_the_function(activation):
    with pytest.raises(AssertionError, match="Already broken by scaling class '0' alone"):
        assert_function_preserved(mlp(activation, (3, 4, 2)), trace(mlp(nn.Tanh(), (3, 4, 2))))


def test_wrong_powers_and_a_lost_epsilon_break_the_function():
    model = randomize(cnn(), torch.Generator().manual_seed(0))
    space = trace(model)
    (variance,) = (block for block in space.blocks if block.tensor == "1.running_var")
    (factor,) = variance.axes[0].scale
    with pytest.raises(AssertionError, match="scaling class '0' alone"):
        assert_function_preserved(model, with_axis(space, "1.running_var", 0, scale=(factor._replace(power=1.0),)))
    blocks = tuple(replace(block, shift=0.0) for block in space.blocks)
    with pytest.raises(AssertionError, match=r"float64.*relative error"):
        assert_function_preserved(model, replace(space, blocks=blocks))


def test_matrices_on_groups_that_are_not_linear_break_the_function():
    model = mlp(nn.ReLU(), (2, 4, 1))
    space = trace(model)
    wrong = replace(
        space,
        groups=tuple(
            replace(group, linear=MatrixSet.ONE if group.fixed else MatrixSet.GENERAL) for group in space.groups
        ),
    )
    with pytest.raises(AssertionError, match=r"Already broken by a matrix on group '0' alone\."):
        assert_function_preserved(model, wrong)
    assert_function_preserved(mlp(nn.Identity(), (2, 4, 1)))  # and do not where they are


def test_half_turns_of_a_wrong_length_break_the_function():
    model = siren((2, 6, 1), omega=3.0)
    space = trace(model)
    wrong = replace(space, phases=tuple(replace(phase, period=1.1 * phase.period) for phase in space.phases))
    with pytest.raises(AssertionError, match=r"Already broken by turning 'hidden\.0' alone\."):
        assert_function_preserved(model, wrong)


def test_units_and_their_parts_are_suspected_one_by_one():
    """Keys that are multiplied as the queries are, not by the inverse: no permutation is to blame."""
    model, x = NESTED["attention"][0](), torch.randn(2, 4, 3)
    space = trace(model, x)
    queries, keys, _ = (b for b in space.blocks if b.tensor == "1.qkv.weight")
    same = replace(keys, axes=(replace(keys.axes[0], scale=queries.axes[0].scale), keys.axes[1]))
    wrong = replace(space, blocks=tuple(same if block == keys else block for block in space.blocks))
    with pytest.raises(AssertionError, match="Already broken by") as caught:
        assert_function_preserved(model, wrong, example_inputs=x)
    assert "permuting group" not in str(caught.value)
    assert "scaling class" in str(caught.value)


def test_a_space_without_symmetry_proves_nothing():
    with pytest.raises(AssertionError, match="no symmetry but the identity, which proves nothing"):
        assert_function_preserved(nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y * 0, "do not depend on the weights that symmetries move"),
        (lambda y: y * torch.inf, r"not finite: entry \[0, 0\] of output 0"),
        (lambda y: {"none": None}, "returns no tensors"),
    ],
)
def test_degenerate_outputs_prove_nothing(change, message):
    class Degenerate(nn.Sequential):
        def forward(self, x):
            return change(super().forward(x))

    layers = mlp(nn.ReLU(), (3, 4, 2))
    with pytest.raises(AssertionError, match=message):
        assert_function_preserved(Degenerate(*layers), trace(layers), example_inputs=torch.randn(5, 3))


def test_fresh_biases_and_constant_inputs_hide_nothing():
    model = mlp(nn.ReLU(), (3, 4, 2))
    nn.init.zeros_(model[0].bias)
    space = trace(model)
    output = next(b.axes[0] for b in space.blocks if b.tensor == "2.bias")
    wrong = with_axis(space, "0.bias", 0, scale=())
    assert not output.scale
    with pytest.raises(AssertionError, match="scaling class"):
        assert_function_preserved(model, wrong, example_inputs=torch.zeros(5, 3))


def test_networks_of_mixed_widths():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Linear(3, 8).bfloat16(), nn.Linear(8, 2)

        def forward(self, x):
            hidden = torch.relu(self.stem(x.type_as(self.stem.weight)))
            return self.head(hidden.type_as(self.head.weight))

    model = Mixed()
    assert_function_preserved(model, example_inputs=torch.randn(5, 3))
    assert_roundtrip(model, example_inputs=torch.randn(5, 3))


# -------------------------------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("name", SMALL)
def test_roundtrip(name):
    factory, shape = SMALL[name]
    assert_roundtrip(factory(), example_inputs=torch.randn(shape))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda k, v: v.bfloat16().to(v.dtype) if v.dtype == torch.float32 else v, r"'0\.weight'\[.*came back as"),
        (lambda k, v: v.float().to(v.dtype) if v.dtype == torch.float64 else v, r"torch\.float64"),
        (lambda k, v: v + 0.0 if v.is_floating_point() else v, r"came back as 0\.0, it was -0\.0"),
        (lambda k, v: v.double(), r"came back as torch\.float64 .*, it was torch\.float32"),
        (lambda k, v: v if v.is_floating_point() else v % 2**31, r"num_batches_tracked.*torch\.int64"),
        (lambda k, v: v.reshape(-1), r"came back as torch\.float32 \[\d+\], it was"),
        (lambda k, v: v.flip(0) if k == "4.bias" else v, r"'4\.bias'\[0\] came back as"),
    ],
    ids=["bfloat16", "float32", "minus zero", "dtype", "integer", "shape", "order"],
)
def test_a_conversion_that_loses_something_is_found(spoil, message, monkeypatch):
    def lossy(graph):
        return {name: spoil(name, tensor) for name, tensor in to_state_dict(graph).items()}

    monkeypatch.setattr(roundtrip_module, "to_state_dict", lossy)
    with pytest.raises(AssertionError, match=message):
        assert_roundtrip(cnn())


@pytest.mark.parametrize("spoil", [lambda items: items[::-1], lambda items: items[:-1]], ids=["order", "missing"])
def test_keys_are_compared_in_order(spoil, monkeypatch):
    monkeypatch.setattr(
        roundtrip_module, "to_state_dict", lambda graph: dict(spoil(list(to_state_dict(graph).items())))
    )
    with pytest.raises(AssertionError, match="The keys came back as"):
        assert_roundtrip(cnn())


def test_stacks_are_tried_too(monkeypatch):
    def lossy(graph):
        state = to_state_dict(graph)
        return {name: v[[0, 0]] if isinstance(graph, Batch) else v for name, v in state.items()}

    monkeypatch.setattr(roundtrip_module, "to_state_dict", lossy)
    with pytest.raises(AssertionError, match="came back as"):
        assert_roundtrip(cnn())


def test_an_empty_state_dict_proves_nothing():
    with pytest.raises(AssertionError, match="empty state dict, which proves nothing"):
        assert_roundtrip(nn.ReLU(), example_inputs=torch.randn(2, 3))


# ----------------------------------------------------------------------------------------------------- random graphs


@pytest.mark.parametrize("name", SMALL)
def test_random_networks_compute_something(name):
    factory, shape = SMALL[name]
    model = factory().eval()
    space = trace(model, torch.randn(shape))
    states = to_state_dict(random_graphs(space, 2))
    outputs = []
    for i in range(2):
        model.load_state_dict({key: tensor[i] for key, tensor in states.items()})
        outputs.append(model(torch.ones(shape)).detach())
    assert torch.isfinite(torch.stack(outputs)).all()
    assert not torch.allclose(*outputs)
    assert all((tensor > 0).all() for key, tensor in states.items() if key.endswith("running_var"))


def test_random_networks_repeat_and_differ():
    space = trace(cnn())
    first, second = (random_graphs(space, 4, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first.weights, second.weights)
    assert not torch.equal(first.weights, random_graphs(space, 4, torch.Generator().manual_seed(4)).weights)
    assert len(first.weight_matrix.unique(dim=0)) == 4
    assert (first.weights != 0).all()
    assert first.common_space == space
    assert first.integers.shape == (4 * space.num_integers,)


def test_random_weights_are_scaled_by_their_inputs():
    space = trace(mlp(nn.ReLU(), (400, 300, 2)))
    state = to_state_dict(random_graphs(space, 1, dtype=torch.float64))
    assert state["0.weight"].dtype == torch.float64
    assert abs(state["0.weight"].std() * 400**0.5 - 1.2) < 0.02
    assert abs(state["2.weight"].std() * 300**0.5 - 1.2) < 0.15


# ------------------------------------------------------------------------------------------------------- tracebacks


def failures():
    relu = trace(mlp(nn.ReLU(), (2, 4, 1)))
    yield assert_function_preserved, (mlp(nn.GELU(), (2, 4, 1)), relu)
    yield assert_roundtrip, (nn.ReLU(), relu)
    yield assert_invariant, (Flat(relu), networks(relu))
    yield assert_equivariant, (Changed(relu, lambda g, a: updated(g, a.weight_matrix + 1), None), networks(relu))
    yield assert_sensitive, (Changed(relu, lambda g, a: updated(g, g.weight_matrix + 1), None), networks(relu))
    yield assert_batch_consistent, (Changed(relu, lambda g, a: a - a.mean(dim=0)), networks(relu))
    yield assert_routes_agree, (TwoMinds(relu), networks(relu))


@pytest.mark.parametrize("number", range(7))
def test_frames_of_the_kit_are_hidden(number):
    law, arguments = list(failures())[number]
    with pytest.raises(AssertionError) as caught:
        law(*arguments)
    frames = [entry for entry in caught.traceback if "testing" in entry.path.parts]
    assert frames
    assert all(entry.ishidden(caught) for entry in frames)
