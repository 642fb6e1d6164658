"""Matrices on groups that are not all invertible ones: turns of the planes of rotary positions, orthogonal matrices."""

from dataclasses import replace

import pytest
import torch
from networks import randomize
from networks_matrices import FORMS, NORMS, Rotary, Stream, clamped, halves, hyperbolic, interleaved, opposite, unequal
from test_maximal import num_continuous
from torch import nn
from torch.func import functional_call, jacrev

from wsgraph import trace, verify
from wsgraph.errors import SpaceError
from wsgraph.graph.drawing.canvas import symbol
from wsgraph.space import MatrixSet, Plane, Symmetry, WeightSpace
from wsgraph.space.canonical import canonical_weights
from wsgraph.space.matrices import turns_by
from wsgraph.space.report_tables import layer_summary
from wsgraph.testing import assert_function_preserved

GENERAL, ORTHOGONAL, COMPLEX = MatrixSet.GENERAL, MatrixSet.ORTHOGONAL, MatrixSet.COMPLEX


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def kinds(space):
    return [(g.linear, g.size) for g in space.groups if g.linear]


def inputs(model, batch=2, length=4):
    return torch.randn(batch, length, 3 if isinstance(model, Stream) else model.q.in_features, generator=seeded(1))


def jacobian(model, space):
    """The derivatives of many outputs by the flat weights, and these."""
    model = randomize(model, seeded(2)).double()
    x, weights = inputs(model, 40).double(), space.flatten(model.state_dict())[0]
    return jacrev(lambda w: functional_call(model, space.unflatten(w), (x,)).reshape(-1))(weights), weights


def rank(matrix):
    values = torch.linalg.svdvals(matrix)
    return int((values > 1e-8 * values[0]).sum())


def near_identity(space, generator, step=1e-6):
    """A small step away from the identity, in all continuous directions."""
    still = space.identity()

    def small(*shape):
        return step * torch.randn(*shape, generator=generator, dtype=torch.double)

    def matrix(i):
        group, pieces = space.groups[i], space.num_pieces(i)
        if group.linear is COMPLEX:
            return turns_by(small(group.size))
        size = group.size // pieces
        change = small(pieces, size, size) if group.linear else None
        change = change - change.mT if group.linear is ORTHOGONAL else change
        return torch.linalg.matrix_exp(change) if group.linear else None

    multipliers = (
        1 + small(m.shape[-1]) if c.values.has_magnitude else m
        for c, m in zip(space.scales, still.multipliers, strict=True)
    )
    matrices = tuple(matrix(i) for i in range(len(space.groups)))
    return Symmetry(space, still.orders, tuple(multipliers), still.turns, matrices)


ROTARY = {
    **{name: (lambda f=f: Rotary(f), 2 * 2 * 3 + 2 * 2**2) for name, f in FORMS.items()},
    **{f"partial_{name}": (lambda f=f: Rotary(f, rotated=4), 2 * (2 * 2 + 2**2) + 8) for name, f in FORMS.items()},
    "one_key": (lambda: Rotary(keys=1), 2 * 3 + 2**2),
    "all_keys": (lambda: Rotary(heads=3, keys=3), 3 * (2 * 3 + 2**2)),
    "one_head": (lambda: Rotary(interleaved, heads=1, keys=1), 2 * 3 + 2**2),
    "normalised": (lambda: Rotary(norm="plain"), 2 * 3 + 4 + 2 + 2 * 2**2),
    "biased": (lambda: Rotary(bias=True), None),
}
STREAMS = {
    **{name: (lambda norm=norm: Stream(norm()), None) for name, norm in NORMS.items()},
    "table": (lambda: Stream(NORMS["rms_norm"](), table=True), None),
}
NETWORKS = {**ROTARY, **STREAMS}


@pytest.fixture(params=NETWORKS)
def case(request):
    make, dimension = NETWORKS[request.param]
    torch.manual_seed(0)
    model = randomize(make(), seeded(3))
    return model, trace(model, inputs(model)), dimension


# --------------------------------------------------------------------------------------------------------- the group


@pytest.mark.parametrize("name", ROTARY)
def test_the_group_is_all_that_keeps_the_function_of_attention(name):
    make, dimension = ROTARY[name]
    model = make()
    space = trace(model, inputs(model))
    derivatives, _ = jacobian(model, space)
    nullity = space.num_weights - rank(derivatives)
    assert COMPLEX in dict(kinds(space))
    assert num_continuous(space) == nullity - (name == "biased") * 4  # biases of values, moved to that of the output
    assert dimension in (None, nullity)


@pytest.mark.parametrize("name", NORMS)
def test_the_group_is_all_that_keeps_the_function_of_a_stream(name):
    model = Stream(NORMS[name]())
    space = trace(model, inputs(model))
    assert kinds(space) == [(ORTHOGONAL, 4)]
    nullity = space.num_weights - rank(jacobian(model, space)[0])
    assert num_continuous(space) == nullity - (name == "unit")  # whose ε, met at zero alone, ends the magnitude


def test_small_steps_are_directions_in_which_nothing_changes(case):
    model, space, _ = case
    derivatives, weights = jacobian(model, space)
    generator, dimension = seeded(4), num_continuous(space)
    steps = [(near_identity(space, generator).act(weights) - weights) / 1e-6 for _ in range(dimension + 5)]
    directions = torch.stack(steps, -1)
    assert float((derivatives @ directions).abs().max() / derivatives.abs().max()) < 1e-4
    values = torch.linalg.svdvals(directions)
    assert int((values > 1e-3 * values[0]).sum()) == dimension


@pytest.mark.parametrize("form", [hyperbolic, unequal, clamped])
def test_what_is_no_rotation_is_not_turned(form):
    space = trace(Rotary(form), inputs(Rotary()))
    assert kinds(space) == [(GENERAL, 4)]
    assert_function_preserved(randomize(Rotary(form), seeded()), space, example_inputs=inputs(Rotary()))


def test_gains_of_queries_and_keys_end_turns():
    model = Rotary(norm="gain")
    space = trace(model, inputs(model))
    assert COMPLEX not in dict(kinds(space))
    assert verify(model, space, example_inputs=inputs(model)) < 1e-9


@pytest.mark.parametrize("norm", [nn.RMSNorm(4), nn.LayerNorm(4, elementwise_affine=False), nn.Tanh(), nn.Identity()])
def test_other_streams_have_no_orthogonal_group(norm):
    assert ORTHOGONAL not in dict(kinds(trace(Stream(norm), inputs(Stream(norm)))))


def test_equal_angles_and_one_position_change_nothing():
    usual = kinds(trace(Rotary(), inputs(Rotary())))
    assert usual == [(COMPLEX, 6), (GENERAL, 4)]
    equal = Rotary(angles=torch.tensor([0.5, 0.5, 0.7]))
    assert kinds(trace(equal, inputs(equal))) == usual
    assert kinds(trace(Rotary(), inputs(Rotary(), length=1))) == usual
    still = Rotary(angles=torch.zeros(3))
    assert kinds(trace(still, inputs(still))) == usual


@pytest.mark.parametrize("other", [opposite, lambda x, a: halves(x, -a)])
def test_keys_that_are_rotated_in_another_way(other):
    model = randomize(Rotary(for_keys=other), seeded())
    assert_function_preserved(model, example_inputs=inputs(model))


def test_units_that_something_else_reads_are_not_turned():
    class Read(Rotary):
        def forward(self, x):
            return super().forward(x) + self.q(x)[..., :3].tanh()

    model = randomize(Read(), seeded())
    space = trace(model, inputs(model))
    assert kinds(space) == [(COMPLEX, 3), (GENERAL, 2), (GENERAL, 2)]  # of the other key
    assert_function_preserved(model, space, example_inputs=inputs(model))


def test_queries_that_are_inputs_are_not_turned():
    class Given(Rotary):
        def forward(self, x):
            q = torch.cat([self.rotate(x[..., :6], f) for f in self.forms[:1]], -1)
            k = self.rotate(self.k(x), self.forms[1])
            return self.o((q @ k.mT).softmax(-1) @ self.v(x))

    for form in FORMS.values():
        model = randomize(Given(form, heads=1, keys=1), seeded())
        space = trace(model, inputs(model))
        assert COMPLEX not in dict(kinds(space))
        assert_function_preserved(model, space, example_inputs=inputs(model))


# --------------------------------------------------------------------------------------------------------- the laws


def test_the_function_stays(case):
    model, space, _ = case
    assert_function_preserved(model, space, example_inputs=inputs(model))
    weights, generator = space.flatten(model.state_dict())[0].double(), seeded(5)
    for _ in range(3):
        g = replace(space.identity(), matrices=space.random_symmetry(generator, linear=True).matrices)
        assert float((g.act(weights) - weights).abs().max()) > 0.1
        state = {name: tensor.double() for name, tensor in space.unflatten(g.act(weights)).items()}
        after, before = (
            functional_call(model.double(), s, (inputs(model).double(),)) for s in (state, space.unflatten(weights))
        )
        torch.testing.assert_close(after, before, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", [None, 3])
def test_group_laws(case, batch):
    model, space, _ = case
    generator, weights = seeded(6), space.flatten(model.double().state_dict())[0]
    g, h = (space.random_symmetry(generator, max_scale=3.0, batch_size=batch, linear=True) for _ in range(2))
    torch.testing.assert_close((g @ h).act(weights), g.act(h.act(weights)), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(g.inverse().act(g.act(weights)), weights.expand_as(g.act(weights)))
    torch.testing.assert_close((g.inverse() @ g).act(weights), weights.expand_as(g.act(weights)))
    torch.testing.assert_close((g @ space.identity()).act(weights), g.act(weights))
    torch.testing.assert_close((space.identity() @ g).act(weights), g.act(weights))
    assert torch.equal(space.identity().act(weights), weights)


def test_spaces_go_through_json(case):
    _, space, _ = case
    assert WeightSpace.from_json(space.to_json()) == space


def test_coordinates_that_are_mixed_up_break_the_function():
    model = randomize(Rotary(), seeded())
    space = trace(model, inputs(model))

    def flipped(axis):
        return axis if axis.plane is None else replace(axis, plane=axis.plane._replace(coordinate=1 - axis.plane[0]))

    blocks = tuple(replace(b, axes=tuple(map(flipped, b.axes))) if b.tensor == "k.weight" else b for b in space.blocks)
    with pytest.raises(AssertionError, match=r"a matrix on group 'k\[0\]' alone"):
        assert_function_preserved(model, replace(space, blocks=blocks), example_inputs=inputs(model))


@pytest.mark.parametrize("plane", [Plane(0, 99), Plane(2, 1), Plane(1, 1)])
def test_planes_without_another_coordinate_are_refused(plane):
    space = trace(Rotary(), inputs(Rotary()))
    number = next(i for i, b in enumerate(space.blocks) if b.axes and b.axes[0].plane)
    block = space.blocks[number]
    wrong = replace(block, axes=(replace(block.axes[0], plane=plane), *block.axes[1:]))
    blocks = (*space.blocks[:number], wrong, *space.blocks[number + 1 :])
    with pytest.raises(SpaceError, match="plane"):
        WeightSpace.from_json(replace(space, blocks=blocks).to_json())


# -------------------------------------------------------------------------------------------------- canonical forms


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "normalised"])
def test_canonical_forms_take_matrices_out(name):
    model = randomize(NETWORKS[name][0](), seeded(7)).double()
    space, generator = trace(model, inputs(model).double()), seeded(8)
    weights = space.flatten(model.state_dict())[0]
    form = canonical_weights(space, weights)
    assert float((form - weights).abs().max()) > 1e-2
    moved = space.random_symmetry(generator, batch_size=4, linear=True).act(weights)
    assert float((canonical_weights(space, moved) - form).abs().max() / form.abs().max()) < 1e-8
    assert float((canonical_weights(space, form) - form).abs().max() / form.abs().max()) < 1e-8
    x = inputs(model).double()
    after, before = (functional_call(model, space.unflatten(w), (x,)) for w in (form, weights))
    torch.testing.assert_close(after, before)


def test_turns_that_magnitudes_are_read_through_stay():
    """Heads of queries that are normalised have one magnitude each, which is that of all their planes."""
    model = randomize(Rotary(norm="plain"), seeded(7)).double()
    space = trace(model, inputs(model).double())
    weights = space.flatten(model.state_dict())[0]
    form = canonical_weights(space, weights)
    moved = space.random_symmetry(seeded(8), batch_size=4).act(weights)
    assert float((canonical_weights(space, moved) - form).abs().max() / form.abs().max()) < 1e-8


# ---------------------------------------------------------------------------------------------------------- words


def test_the_report_tells_of_turns():
    space = trace(Rotary(rotated=4), inputs(Rotary()))
    text = " ".join(str(space.report()).split())
    assert "4 pairs of units can be turned, each by an angle of its own." in text
    assert "2 attention heads swap as wholes; GL(2) acts inside each of them." in text
    assert "as wholes, pairs turn" in text
    assert "complex" in list(layer_summary(space, 40).columns[-1].cells)
    assert {symbol(space, layer) for layer in space.layers} == {"≠0 ∠", "GL(2)", ""}


def test_the_report_tells_of_orthogonal_groups():
    space = trace(Stream(NORMS["rms_norm"]()), inputs(Stream(nn.Identity())))
    assert "O(4) acts on 1 group of 4 units." in " ".join(str(space.report()).split())
    assert "O(4)" in {symbol(space, layer) for layer in space.layers}
