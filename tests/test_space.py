"""Weight spaces and their symmetries: group laws, values and text, flat weights and back."""

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import SMALL, SharedBlock, TiedAutoencoder, Unknown, cnn, grouped_cnn, mlp, randomize
from torch import nn

import wsgraph
from wsgraph import ScaleSet, SpaceError, StateError, WeightSpace, WSGraphError, trace
from wsgraph.space import Axis, Block, Factor, NeuronGroup, Pin, ScaleClass, TensorSpec
from wsgraph.testing import random_graphs

NAMES = list(SMALL)


@pytest.fixture(scope="module")
def spaces():
    return {name: trace(factory(), torch.randn(shape)) for name, (factory, shape) in SMALL.items()}


@pytest.fixture
def space(spaces):
    return spaces["cnn"]


def weights_of(space, num=1, rng=None):
    matrix = random_graphs(space, num, rng, dtype=torch.float64).weight_matrix
    return matrix[0] if num == 1 else matrix


def relative_error(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


# ------------------------------------------------------------------------------------------------------- group laws


@pytest.mark.parametrize("name", NAMES)
def test_the_identity_changes_nothing(name, spaces):
    space, weights = spaces[name], weights_of(spaces[name])
    assert torch.equal(space.identity().act(weights), weights)
    assert torch.equal(space.random_symmetry(permute=False, scale=False).act(weights), weights)


@pytest.mark.parametrize("name", NAMES)
def test_the_inverse_undoes(name, spaces, rng):
    space, weights = spaces[name], weights_of(spaces[name])
    drawn = (space.random_symmetry(rng) for _ in range(20))
    g = next(g for g in drawn if not torch.equal(g.act(weights), weights))
    assert relative_error(g.inverse().act(g.act(weights)), weights) < 1e-12
    assert relative_error(g.act(g.inverse().act(weights)), weights) < 1e-12
    for product in (g @ g.inverse(), g.inverse() @ g):
        assert all(torch.equal(order, torch.arange(len(order))) for order in product.orders)
        assert all(torch.allclose(m, torch.ones_like(m), rtol=1e-14) for m in product.multipliers)


@pytest.mark.parametrize("name", NAMES)
def test_a_product_acts_as_one_after_the_other(name, spaces, rng):
    space, weights = spaces[name], weights_of(spaces[name])
    g, h, k = (space.random_symmetry(rng) for _ in range(3))
    assert relative_error((g @ h).act(weights), g.act(h.act(weights))) < 1e-12
    left, right = (g @ h) @ k, g @ (h @ k)
    assert all(torch.equal(a, b) for a, b in zip(left.orders, right.orders, strict=True))
    assert all(torch.allclose(a, b, rtol=1e-14) for a, b in zip(left.multipliers, right.multipliers, strict=True))
    assert relative_error(left.act(weights), g.act(h.act(k.act(weights)))) < 1e-12


def test_the_order_of_a_product_matters(space, rng):
    g, h, weights = space.random_symmetry(rng), space.random_symmetry(rng), weights_of(space)
    assert relative_error((g @ h).act(weights), (h @ g).act(weights)) > 1e-3


def test_the_action_is_the_formula_of_the_docstring(rng):
    """W'_ij = λ_i W_σ(i)σ(j) / λ_j and b'_i = λ_i b_σ(i), entry by entry."""
    model = mlp(nn.ReLU(), (3, 5, 4, 2))
    space, state = trace(model), {k: v.double() for k, v in model.state_dict().items()}
    g = space.random_symmetry(rng)
    moved = g(state)
    sigma = [range(3), *(order.tolist() for order in g.orders[1:3]), range(2)]
    scale = [torch.ones(3), *g.multipliers, torch.ones(2)]
    assert [group.size for group in space.groups] == [3, 5, 4, 2]
    for layer in range(3):
        weight, bias = state[f"{2 * layer}.weight"], state[f"{2 * layer}.bias"]
        for i, row in enumerate(sigma[layer + 1]):
            expected = scale[layer + 1][i] * bias[row]
            assert moved[f"{2 * layer}.bias"][i].item() == pytest.approx(expected.item(), rel=1e-14)
            for j, column in enumerate(sigma[layer]):
                expected = scale[layer + 1][i] * weight[row, column] / scale[layer][j]
                assert moved[f"{2 * layer}.weight"][i, j].item() == pytest.approx(expected.item(), rel=1e-14)


@pytest.mark.parametrize("name", ["cnn", "grouped_cnn", "SharedBlock", "residual_mlp", "Unknown"])
def test_batches_of_symmetries_and_stacks_of_networks(name, spaces, rng):
    space = spaces[name]
    one, many = weights_of(space), weights_of(space, num=3)
    g, batch = space.random_symmetry(rng), space.random_symmetry(rng, batch_size=3)
    parts = ("orders", "multipliers", "turns")
    singles = [replace(batch, **{part: tuple(t[i] for t in getattr(batch, part)) for part in parts}) for i in range(3)]
    assert (g.batch_shape, batch.batch_shape) == ((), (3,))
    assert torch.equal(g.act(many), torch.stack([g.act(row) for row in many]))
    assert torch.equal(batch.act(one), torch.stack([s.act(one) for s in singles]))
    assert torch.equal(batch.act(many), torch.stack([s.act(row) for s, row in zip(singles, many, strict=True)]))
    assert relative_error(batch.inverse().act(batch.act(many)), many) < 1e-12
    for product, parts in ((batch @ g, [s @ g for s in singles]), (g @ batch, [g @ s for s in singles])):
        assert torch.equal(product.act(many), torch.stack([s.act(row) for s, row in zip(parts, many, strict=True)]))
    assert len({tuple(row.tolist()) for row in batch.act(one)}) == 3


def test_state_dicts_are_moved_as_flat_weights_are(space, rng):
    model, g = randomize(cnn(), rng).double(), space.random_symmetry(rng)
    state = model.state_dict()
    weights, integers = space.flatten(state)
    expected = space.unflatten(g.act(weights), integers)
    moved = g(state)
    assert list(moved) == list(state)
    assert all(torch.equal(moved[name], expected[name]) for name in state)
    stack = {name: torch.stack([tensor, tensor]) for name, tensor in state.items()}
    assert all(torch.equal(tensor, torch.stack([moved[name]] * 2)) for name, tensor in g(stack).items())
    batch = space.random_symmetry(rng, batch_size=4)(state)
    assert {tuple(tensor.shape[:1]) for tensor in batch.values()} == {(4,)}


def test_the_input_is_untouched_and_the_output_is_new(space, rng):
    state = randomize(cnn(), rng).state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    for g in (space.random_symmetry(rng), space.identity()):
        moved = g(state)
        assert all(torch.equal(state[name], before[name]) for name in state)
        pointers = {tensor.data_ptr() for tensor in state.values()}
        assert pointers.isdisjoint(tensor.data_ptr() for tensor in moved.values())
        weights = weights_of(space)
        assert g.act(weights).data_ptr() != weights.data_ptr()


def test_integers_stay(space, rng):
    state = cnn().state_dict()
    state["1.num_batches_tracked"] += 2**53 + 1
    assert space.random_symmetry(rng)(state)["1.num_batches_tracked"] == 2**53 + 1


def test_tied_tensors_stay_tied(rng):
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    moved = trace(model).random_symmetry(rng)(model.state_dict())
    assert torch.equal(moved["0.weight"], moved["2.weight"])


def test_the_action_keeps_dtypes(space, rng):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert space.random_symmetry(rng).act(weights_of(space).to(dtype)).dtype == dtype


# --------------------------------------------------------------------------------------------------------- sampling


def test_a_generator_makes_symmetries_repeat(space):
    first, second, other = (space.random_symmetry(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(map(torch.equal, first.orders, second.orders))
    assert all(map(torch.equal, first.multipliers, second.multipliers))
    assert not all(map(torch.equal, first.orders, other.orders))


def test_a_generator_of_ones_own_leaves_the_global_one_alone(space):
    state = torch.get_rng_state()
    space.random_symmetry(torch.Generator().manual_seed(1))
    space.identity()
    assert torch.equal(torch.get_rng_state(), state)


def test_the_global_generator_is_the_default(space):
    torch.manual_seed(3)
    first = space.random_symmetry()
    torch.manual_seed(3)
    assert all(map(torch.equal, first.orders, space.random_symmetry().orders))


def test_permutations_and_scales_can_be_left_out(space, rng):
    weights = weights_of(space)
    still = space.random_symmetry(rng, permute=False)
    assert all(torch.equal(order, torch.arange(len(order))) for order in still.orders)
    assert any((m != 1).any() for m in still.multipliers)
    unscaled = space.random_symmetry(rng, scale=False)
    assert all((m == 1).all() for m in unscaled.multipliers)
    assert torch.equal(unscaled.act(weights).sort().values, weights.sort().values)
    assert not torch.equal(unscaled.act(weights), weights)


def test_fixed_groups_are_not_permuted(spaces, rng):
    for space in spaces.values():
        g = space.random_symmetry(rng, batch_size=4)
        for group, order in zip(space.groups, g.orders, strict=True):
            assert torch.equal(order.sort().values, torch.arange(group.size).expand(4, -1))
            assert not group.fixed or torch.equal(order, torch.arange(group.size).expand(4, -1))


@pytest.mark.parametrize("values", ScaleSet)
def test_multipliers_come_from_their_set(values, rng):
    activation = {ScaleSet.SIGN: nn.Tanh(), ScaleSet.POSITIVE: nn.ReLU(), ScaleSet.NONZERO: nn.Identity()}.get(
        values, nn.GELU()
    )
    space = trace(mlp(activation, (3, 400, 2)))
    assert [c.values for c in space.scales] == ([] if values is ScaleSet.ONE else [values])
    for numbers in space.random_symmetry(rng, max_scale=4.0).multipliers:
        assert numbers.dtype == torch.float64
        assert bool((numbers < 0).any()) == values.has_sign
        sizes = numbers.abs()
        if values.has_magnitude:
            assert 0.25 <= sizes.min() < 0.26
            assert 3.9 < sizes.max() <= 4.0
            assert abs(sizes.log().mean()) < 0.2  # log-uniform around 1
        else:
            assert (sizes == 1).all()


def test_max_scale_is_checked(space):
    for wrong in (0.5, 0.0, -2.0, float("nan")):
        with pytest.raises(SpaceError, match=rf"max_scale must be at least 1, got {wrong}.*1 / max_scale"):
            space.random_symmetry(max_scale=wrong)
    assert all((m.abs() == 1).all() for m in space.random_symmetry(max_scale=1.0).multipliers)


def test_symmetries_of_other_spaces_do_not_mix(spaces, rng):
    g, h = spaces["cnn"].random_symmetry(rng), spaces["mlp"].random_symmetry(rng)
    for wrong in (h, "h"):
        with pytest.raises(SpaceError, match="same weight space"):
            g @ wrong
    twin = trace(cnn())
    assert twin is not spaces["cnn"]
    assert (g @ twin.random_symmetry(rng)).space == twin


def test_weights_of_a_wrong_shape_are_refused(space, rng):
    g, count = space.random_symmetry(rng), space.num_weights
    for shape in ((count - 1,), (2, 2, count), (count, 2)):
        with pytest.raises(SpaceError, match=rf"Expected weights of shape \[{count}\] or \[N, {count}\], got"):
            g.act(torch.zeros(shape))
    with pytest.raises(SpaceError, match="batch of 3 symmetries cannot act on 2 networks"):
        space.random_symmetry(rng, batch_size=3).act(torch.zeros(2, count))


def test_repr_of_a_symmetry(spaces, rng):
    assert repr(spaces["cnn"].random_symmetry(rng)) == "Symmetry(24 units permuted, 38 scaled)"
    assert (
        repr(spaces["mlp"].random_symmetry(rng, batch_size=3)) == "Symmetry(batch of 3, 16 units permuted, 16 scaled)"
    )


# ------------------------------------------------------------------------------------------------- values and texts


@pytest.mark.parametrize("name", NAMES)
def test_json_both_ways(name, spaces):
    space = spaces[name]
    text = space.to_json()
    back = WeightSpace.from_json(text)
    assert back == space
    assert hash(back) == hash(space)
    assert back.to_json() == text
    for field in fields(WeightSpace):
        assert getattr(back, field.name) == getattr(space, field.name)
    assert WeightSpace.from_json(json.dumps(json.loads(text), indent=2)) == space


def test_a_space_read_from_json_works(space, rng):
    back, weights = WeightSpace.from_json(space.to_json()), weights_of(space)
    seeds = [torch.Generator().manual_seed(5) for _ in range(2)]
    assert torch.equal(back.random_symmetry(seeds[0]).act(weights), space.random_symmetry(seeds[1]).act(weights))
    assert (space.random_symmetry(rng) @ back.random_symmetry(rng)).space == space


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "3",
        '"space"',
        "{}",
        '{"tensors": []}',
        '{"layers": 1, "groups": 2}',
        "NaN",
        "[[[[",
        "{'a': 1}",
    ],
)
def test_what_is_no_description_is_refused(text):
    with pytest.raises(SpaceError, match="Not the JSON description of a WeightSpace"):
        WeightSpace.from_json(text)


def every_path(tree, path=()):
    """Keys of everything inside nested lists and dictionaries."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from every_path(value, (*path, key))


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def test_corrupted_descriptions_are_refused():
    """Any field lost, of another type, or too many: never another error, never a silent space."""
    tree = json.loads(trace(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())).to_json())
    fields_of_dicts = [p for p in every_path(tree) if isinstance(p[-1], str)]
    optional = {"pins", "kernel", "shift", "scale", "eps", "activation", "output", "pointwise", "same_as", "fixed"}
    optional |= {"source", "block", "target_axis", "dtype", "is_parameter", "operator", "args"}
    optional |= {"phases", "phase", "turns", "pieces", "parent", "linear", "plane", "across", "hidden"}
    optional |= {"product_of", "unit_over", "shifts"}
    for path in fields_of_dicts:
        for spoil in ("lost", "type", "extra"):
            broken = copy.deepcopy(tree)
            parent = at(broken, path[:-1])
            if spoil == "lost" and path[-1] not in optional:
                del parent[path[-1]]
            elif spoil == "type" and "args" not in path:
                parent[path[-1]] = {"no": "such"} if not isinstance(parent[path[-1]], dict) else ["wrong"]
            elif spoil == "extra":
                parent["unheard of"] = 1
                if set(parent) >= {"range"}:
                    continue
            else:
                continue
            with pytest.raises(SpaceError, match="Not the JSON description"):
                WeightSpace.from_json(json.dumps(broken))


@pytest.mark.parametrize("cut", [1, 10, 100, 500, -500, -100, -10, -1])
def test_cut_descriptions_are_refused(cut, space):
    with pytest.raises(SpaceError):
        WeightSpace.from_json(space.to_json()[:cut])


def test_equality_and_hashing(space):
    twin = trace(cnn())
    assert twin == space
    assert twin is not space
    assert hash(twin) == hash(space)
    assert len({twin, space, trace(mlp(nn.ReLU()))}) == 2
    assert space != trace(mlp(nn.ReLU()))
    assert space != "space"
    assert (space == space.to_json()) is False


@pytest.mark.parametrize("field", [f.name for f in fields(WeightSpace)])
def test_every_field_counts(field, spaces):
    space = spaces[{"phases": "siren", "shifts": "instance_norm_cnn_plain"}.get(field, "Unknown")]
    if field == "pins":
        space = replace(space, pins=(Pin("here", "sort", "no rule", 3),))
    assert getattr(space, field)
    assert replace(space, **{field: getattr(space, field)[:-1]}) != space


def test_a_space_is_frozen(space):
    with pytest.raises(FrozenInstanceError):
        space.tensors = ()
    with pytest.raises(FrozenInstanceError):
        space.blocks[0].tensor = "other"


def test_copies_and_pickles_are_equal(space):
    assert copy.deepcopy(space) == copy.copy(space) == pickle.loads(pickle.dumps(space)) == space


def test_the_digest_is_the_same_in_every_process(space):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from networks import cnn;"
        "from wsgraph import trace; print(trace(cnn()).digest)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=Path(wsgraph.__file__).parents[1], capture_output=True, text=True, check=True)
    assert result.stdout.split()[-1] == space.digest


def test_repr(spaces):
    texts = {
        "mlp": "WeightSpace(4 layers, 122 parameters, 2 free groups of 16 units, POSITIVE)",
        "cnn": "WeightSpace(7 layers, 1,862 parameters, 3 free groups of 24 units, POSITIVE NONZERO)",
        "SharedBlock": "WeightSpace(5 layers, 122 parameters, 1 free group of 8 units, SIGN)",
        "instance_norm_cnn_plain": "WeightSpace(6 layers, 773 parameters, 2 free groups of 14 units, ONE)",
    }
    assert {name: repr(spaces[name]) for name in texts} == texts


def test_scale_sets():
    found = {(s.has_magnitude, s.has_sign): s for s in ScaleSet}
    assert len(found) == 4
    assert all(ScaleSet.of(*key) is s for key, s in found.items())


def test_errors_are_value_errors():
    for error in (SpaceError, StateError):
        assert issubclass(error, WSGraphError)
        assert issubclass(error, ValueError)


# -------------------------------------------------------------------------------------------------------- structure


@pytest.mark.parametrize("name", NAMES)
def test_blocks_cover_every_floating_tensor_exactly_once(name, spaces):
    space = spaces[name]
    counts = {t.name: np.zeros(t.numel, dtype=int) for t in space.tensors if t.is_floating and t.same_as is None}
    for block in space.blocks:
        assert block.numel == len(np.unique(block.index()))
        np.add.at(counts[block.tensor], block.index().reshape(-1), 1)
    assert all((count == 1).all() for count in counts.values())
    assert space.num_weights == sum(map(len, counts.values()))
    assert [s.stop - s.start for s in space.slices] == [block.numel for block in space.blocks]
    assert [s.start for s in space.slices] == [0, *(s.stop for s in space.slices[:-1])][: len(space.slices)]


def lineage(space, group):
    """A group and the larger units that its units are parts of."""
    parent = space.groups[group].parent
    return [group] if parent is None else [group, *lineage(space, parent)]


def units_alone(space):
    """Groups of one unit, of which every other unit may be a part."""
    return [i for i, group in enumerate(space.groups) if group.size == 1]


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_refer_to_each_other_rightly(name, spaces):
    space = spaces[name]
    for block in space.blocks:
        for axis in block.axes:
            assert len(axis.offsets) == space.groups[axis.group].size
            owners = {space.scales[factor.scale_class].group for factor in axis.scale}
            assert owners <= {*lineage(space, axis.group), *units_alone(space)}
    for connection in space.connections:
        if connection.block is not None:
            block, target = space.blocks[connection.block], space.layers[connection.target]
            assert block.axes[connection.target_axis].group == target.group
            if connection.source is not None and len(block.axes) > 1:
                assert block.axes[1 - connection.target_axis].group == space.layers[connection.source].group
        assert connection.source is None or connection.source != connection.target
    assert space.node_offsets[-1] == space.num_nodes == sum(space.size(i) for i in range(len(space.layers)))
    assert sum(map(len, space.incoming)) == len(space.connections)
    assert any(layer.output for layer in space.layers)
    names = [group.name for group in space.groups]
    assert len(set(names)) == len(names)
    assert len({c.name for c in space.scales}) == len(space.scales)


@pytest.mark.parametrize("name", NAMES)
def test_sizes(name, spaces):
    factory, _ = SMALL[name]
    model, space = factory(), spaces[name]
    assert space.num_parameters == sum(p.numel() for p in model.parameters())
    floats = [t for t in model.state_dict().values() if t.is_floating_point()]
    assert space.num_weights == sum(t.numel() for t in floats)
    assert space.num_integers == sum(t.numel() for t in model.state_dict().values()) - space.num_weights
    assert 0 < space.num_moved <= space.num_weights


def test_spaces_may_be_written_by_hand(rng):
    """Two inputs, three ReLU units, one output; no trace."""
    groups = (NeuronGroup("in", 2, fixed=True), NeuronGroup("hidden", 3), NeuronGroup("out", 1, fixed=True))
    up, down = (Factor(0, 1.0, 0),), (Factor(0, -1.0, 0),)
    blocks = (
        Block("a", (Axis(1, range(0, 6, 2), up), Axis(0, range(2)))),
        Block("b", (Axis(2, range(0, 3, 3)), Axis(1, range(3), down))),
    )
    tensors = (TensorSpec("a", (3, 2)), TensorSpec("b", (1, 3)))
    space = WeightSpace(tensors, groups, (ScaleClass("hidden", 1, ScaleSet.POSITIVE),), (), blocks, ())
    a, b, x = torch.randn(3, 2).double(), torch.randn(1, 3).double(), torch.randn(2).double()
    moved = space.random_symmetry(rng)({"a": a, "b": b})
    assert torch.allclose(moved["b"] @ torch.relu(moved["a"] @ x), b @ torch.relu(a @ x), rtol=1e-12)
    assert not torch.allclose(moved["a"], a)
    assert WeightSpace.from_json(space.to_json()) == space


# ------------------------------------------------------------------------------------------- flat weights and back


@pytest.mark.parametrize("name", NAMES)
def test_flat_and_back_bit_for_bit(name, spaces, rng):
    factory, _ = SMALL[name]
    space = spaces[name]
    states = [randomize(factory(), rng).state_dict() for _ in range(2)]
    stack = {key: torch.stack([s[key] for s in states]) for key in states[0]}
    weights, integers = space.flatten(stack)
    assert weights.shape == (2, space.num_weights)
    assert integers.shape == (2, space.num_integers)
    assert integers.dtype == torch.int64
    for i, state in enumerate(states):
        row, ints = space.flatten(state)
        assert torch.equal(row, weights[i])
        assert torch.equal(ints, integers[i])
        back = space.unflatten(row, ints)
        assert list(back) == list(state)
        assert all(torch.equal(back[key], state[key]) and back[key].dtype == state[key].dtype for key in state)
    back = space.unflatten(weights, integers)
    assert all(torch.equal(back[key], stack[key]) for key in stack)


def test_flat_weights_lie_block_by_block(spaces):
    for name in ("cnn", "grouped_cnn", "shuffle_cnn", "dense_concat"):
        space = spaces[name]
        numbered = {t.name: torch.arange(t.numel).reshape(t.shape).to(getattr(torch, t.dtype)) for t in space.tensors}
        weights, _ = space.flatten(numbered)
        for i, (block, part) in enumerate(zip(space.blocks, space.slices, strict=True)):
            assert torch.equal(weights[part].long(), torch.from_numpy(block.index().reshape(-1)))
            view = space.block_view(weights, i)
            assert view.shape == (block.shape or (1,))
            assert view.data_ptr() == weights[part].data_ptr()


def test_integers_are_zero_if_not_given(space):
    state = space.unflatten(weights_of(space))
    assert state["1.num_batches_tracked"].dtype == torch.int64
    assert state["1.num_batches_tracked"] == 0


def test_weights_of_a_wrong_length_do_not_unflatten(space):
    with pytest.raises(
        SpaceError, match=r"Expected 1890 weights for WeightSpace\(7 layers.*got a tensor of shape \(5,\)"
    ):
        space.unflatten(torch.zeros(5))


def test_empty_stacks(space):
    state = {name: tensor[None][:0] for name, tensor in cnn().state_dict().items()}
    weights, integers = space.flatten(state)
    assert (weights.shape, integers.shape) == ((0, 1890), (0, 2))
    assert space.unflatten(weights, integers)["0.weight"].shape == (0, 6, 1, 3, 3)


def test_gradients_do_not_follow(space):
    state = cnn().state_dict(keep_vars=True)
    assert not space.flatten(state)[0].requires_grad


def test_tensors_in_other_memory_formats(space):
    state = randomize(cnn(), torch.Generator().manual_seed(0)).state_dict()
    other = {k: v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in state.items()}
    assert torch.equal(space.flatten(other)[0], space.flatten(state)[0])
    strided = {k: torch.stack([v, v], dim=-1)[..., 0] for k, v in state.items()}
    assert torch.equal(space.flatten(strided)[0], space.flatten(state)[0])
    expanded = {k: v.expand(3, *v.shape) for k, v in state.items()}
    assert torch.equal(space.flatten(expanded)[0][2], space.flatten(state)[0])


def test_missing_and_unexpected_tensors_are_named(space):
    state = cnn().state_dict()
    del state["1.bias"]
    with pytest.raises(StateError, match=r"missing '1.bias', unexpected nothing.*trace this model"):
        space.flatten(state)
    many = {**cnn().state_dict(), **{f"new{i}": torch.zeros(1) for i in range(5)}}
    with pytest.raises(StateError, match=r"missing nothing, unexpected 'new0', 'new1', 'new2' and 2 more"):
        space.flatten(many)
    with pytest.raises(StateError, match="does not belong to this weight space"):
        space.flatten({})


@pytest.mark.parametrize("shape", [(6, 1, 3, 5), (1, 6, 3, 3), (6, 3, 3), (2, 2, 6, 1, 3, 3), ()])
def test_wrong_shapes_are_named(shape, space):
    state = {**cnn().state_dict(), "0.weight": torch.zeros(shape)}
    with pytest.raises(StateError, match=r"'0.weight': expected shape \[6, 1, 3, 3\] \(or \[N, ...\].*got \["):
        space.flatten(state)


def test_stacks_of_different_sizes_are_refused(space):
    state = {name: tensor.expand(3, *tensor.shape) for name, tensor in cnn().state_dict().items()}
    state["0.bias"] = state["0.bias"][:2]
    with pytest.raises(StateError, match=r"disagree on the number of stacked networks: \[\(2,\), \(3,\)\]"):
        space.flatten(state)
    with pytest.raises(StateError, match="disagree"):
        space.flatten({**cnn().state_dict(), "0.bias": torch.zeros(3, 6)})


def test_mixed_dtypes_are_refused(space):
    state = cnn().state_dict()
    with pytest.raises(
        StateError, match=r"one floating dtype for all tensors, got \['torch.float32', 'torch.float64'\]"
    ):
        space.flatten({**state, "0.weight": state["0.weight"].double()})
    with pytest.raises(StateError, match=r"'0.weight': expected dtype float, got torch.int64"):
        space.flatten({**state, "0.weight": state["0.weight"].long()})
    with pytest.raises(StateError, match=r"'1.num_batches_tracked': expected dtype int64, got torch.float32"):
        space.flatten({**state, "1.num_batches_tracked": torch.tensor(3.0)})


def tied():
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    return model


def test_tied_tensors_that_differ_are_refused():
    space, state = trace(tied()), tied().state_dict()
    assert space.num_weights == 4 * 4 + 4 + 4
    assert torch.equal(space.unflatten(*space.flatten(state))["2.weight"], state["0.weight"])
    with pytest.raises(
        StateError, match=r"'2.weight' is tied to '0.weight' in this weight space, but their values differ"
    ):
        space.flatten({**state, "2.weight": state["0.weight"] + 1})


class MixedWidths(nn.Module):
    """A layer in half precision between two in single."""

    def __init__(self, first=torch.bfloat16, last=torch.float32):
        super().__init__()
        self.stem, self.head = nn.Linear(3, 8).to(first), nn.Linear(8, 2).to(last)

    def forward(self, x):
        hidden = torch.relu(self.stem(x.type_as(self.stem.weight)))
        return self.head(hidden.type_as(self.head.weight))


@pytest.mark.parametrize("first", [torch.bfloat16, torch.float16, torch.float64])
def test_networks_of_mixed_widths_round_trip(first, rng):
    model = randomize(MixedWidths(first), rng)
    space, state = trace(model, torch.randn(2, 3)), model.state_dict()
    assert {t.dtype for t in space.tensors} == {str(first).removeprefix("torch."), "float32"}
    weights, integers = space.flatten(state)
    assert weights.dtype == torch.promote_types(first, torch.float32)
    back = space.unflatten(weights, integers)
    assert all(torch.equal(back[name], state[name]) and back[name].dtype == state[name].dtype for name in state)
    moved = space.random_symmetry(rng)(state)
    assert {name: tensor.dtype for name, tensor in moved.items()} == {name: t.dtype for name, t in state.items()}
    with pytest.raises(StateError, match=r"'(stem|head)\.weight': expected dtype"):
        space.flatten(
            {name: tensor.half() if first != torch.float16 else tensor.bfloat16() for name, tensor in state.items()}
        )


def test_shared_and_transposed_uses_move_once(rng):
    for model in (SharedBlock(), TiedAutoencoder(), grouped_cnn(), Unknown()):
        space = trace(model)
        weights = weights_of(space)
        g = space.random_symmetry(rng)
        assert g.act(weights).shape == weights.shape
