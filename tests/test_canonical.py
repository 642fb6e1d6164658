"""Canonical forms: the laws on every kind of network, what each step does, dead units, ties, and broken steps."""

import time

import pytest
import torch
import torch.nn.functional as F
from networks import SMALL, Narrow, cnn, grouped_cnn, mlp, randomize, siren
from torch import nn
from torch.func import functional_call
from torch_geometric.data import Batch

from wsgraph import NeuronGraph, SpaceError, Symmetry, WeightSpace, to_graph, to_graphs, to_state_dict, trace
from wsgraph.space import Shift, canonical
from wsgraph.space.canonical import canonical_symmetry, canonical_weights
from wsgraph.space.canonical_order import unit_keys
from wsgraph.space.canonical_tables import fixed_numbers, position_numbers, read_tables
from wsgraph.transforms import Canonicalize, RandomSymmetry


class AttentionBlock(nn.Module):
    """A pre-norm transformer block of two heads between two linear layers."""

    def __init__(self, heads=2):
        super().__init__()
        self.heads = heads
        self.stem, self.head = nn.Linear(3, 8), nn.Linear(8, 2)
        self.norm, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.mlp = nn.Sequential(nn.LayerNorm(8), *mlp(nn.ReLU(), (8, 12, 8)))

    def forward(self, x):
        x = self.stem(x)
        qkv = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.movedim(-3, 0).transpose(-2, -3)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(-2, -3).flatten(-2))
        return self.head(x + self.mlp(x))


class Attention(nn.Module):
    """Attention of two heads, without a bias behind it: before a ReLU, its last weight is scaled on both sides."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.qkv, self.out = nn.Linear(inputs, 24), nn.Linear(8, outputs, bias=False)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).movedim(-3, 0).transpose(-2, -3)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(-2, -3).flatten(-2))


class RotaryAttention(Attention):
    """Queries and keys are rotated in planes that are the same in both heads: heads may be swapped, units may not."""

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).movedim(-3, 0).transpose(-2, -3)
        angle = torch.arange(x.shape[1], dtype=x.dtype)[:, None] * torch.tensor([1.0, 0.1, 1.0, 0.1], dtype=x.dtype)
        q, k = (t * angle.cos() + torch.cat((-t[..., 2:], t[..., :2]), -1) * angle.sin() for t in (q, k))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(-2, -3).flatten(-2))


class GatedBlock(nn.Module):
    """An RMS norm and a gated linear unit in a residual stream."""

    def __init__(self):
        super().__init__()
        self.stem, self.head, self.norm = nn.Linear(3, 8), nn.Linear(8, 2), nn.RMSNorm(8)
        self.gate, self.up, self.down = (nn.Linear(*s, bias=False) for s in ((8, 12), (8, 12), (12, 8)))

    def forward(self, x):
        x = self.stem(x)
        normed = self.norm(x)
        return self.head(x + self.down(F.silu(self.gate(normed)) * self.up(normed)))


class Recurrent(nn.Module):
    """A GRU."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(3, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1])


class WeightNorm(nn.Module):
    """A weight that is a direction and a length, behind a layer norm: two scale classes that occur together only."""

    def __init__(self):
        super().__init__()
        self.stem, self.hidden, self.head = nn.Linear(3, 8), nn.Linear(8, 6), nn.Linear(6, 2)
        nn.utils.parametrizations.weight_norm(self.hidden)

    def forward(self, x):
        return self.head(self.hidden(torch.tanh(self.stem(x))))


OWN = {
    "tanh": (lambda: mlp(nn.Tanh()), (2, 3)),
    "linear_hidden": (lambda: mlp(nn.Identity(), (7, 3, 5)), (2, 7)),
    "attention": (AttentionBlock, (2, 5, 3)),
    "one_attention": (lambda: nn.Sequential(Attention(9, 10), nn.ReLU(), nn.Linear(10, 3)), (2, 5, 9)),
    "two_attentions": (
        lambda: nn.Sequential(Attention(9, 10), nn.ReLU(), Attention(10, 6), nn.ReLU(), nn.Linear(6, 3)),
        (2, 5, 9),
    ),
    "rotary": (lambda: RotaryAttention(9, 3), (2, 5, 9)),
    "gated": (GatedBlock, (2, 3)),
    "recurrent": (Recurrent, (2, 4, 3)),
    "weight_norm": (WeightNorm, (2, 3)),
}
CASES = OWN | SMALL


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def error(space, a, b):
    """The largest deviation of an entry, over the largest entry of its block."""
    views = [(space.block_view(a, i), space.block_view(b, i)) for i in range(len(space.blocks))]
    return max(float(((x - y).abs().max() / y.abs().max().clamp(min=1e-12)).max()) for x, y in views)


def orbit_error(space, weights, samples=3, **options):
    """How far the canonical forms of networks moved by random symmetries are from those of the networks."""
    expected, rng = canonical_weights(space, weights), seeded(7)
    assert bool(expected.isfinite().all())
    options = {"shifts": True, **options}
    moved = (space.random_symmetry(rng, batch_size=len(weights), **options).act(weights) for _ in range(samples))
    return max(error(space, canonical_weights(space, w), expected) for w in moved)


class Case:
    """Networks of one architecture."""

    def __init__(self, factory, shape):
        torch.manual_seed(0)
        rng = seeded(1)
        self.x = torch.randn(shape, generator=rng, dtype=torch.double)
        self.model = randomize(factory().double().eval(), rng)
        self.space = trace(self.model, self.x)
        states = [{n: t.clone() for n, t in randomize(self.model, rng).state_dict().items()} for _ in range(4)]
        self.state = {name: torch.stack([s[name] for s in states]) for name in states[0]}
        self.weights, self.integers = self.space.flatten(self.state)

    def outputs(self, state):
        """The outputs of each network of a stack."""
        networks = [{n: t[i] for n, t in state.items()} for i in range(4)]
        return torch.stack([functional_call(self.model, network, (self.x,)).detach() for network in networks])


@pytest.fixture(scope="module")
def cases():
    made = {}

    def get(name):
        if name not in made:
            made[name] = Case(*CASES[name])
        return made[name]

    return get


@pytest.fixture(params=CASES)
def case(request, cases):
    return cases(request.param)


# ------------------------------------------------------------------------------------------------------------- the laws


def test_constant_on_orbits(case):
    moved = case.space.random_symmetry(seeded(), batch_size=4).act(case.weights)
    if case.space.scales or case.space.moving_groups:
        assert error(case.space, moved, case.weights) > 1e-2
    assert orbit_error(case.space, case.weights) < 1e-7


def test_idempotent(case):
    once = canonical_weights(case.space, case.weights)
    assert error(case.space, canonical_weights(case.space, once), once) < 1e-9
    if not any(group.linear for group in case.space.groups):  # where a matrix may undo what an order does
        again = canonical_symmetry(case.space, once)
        assert all(torch.equal(order, torch.arange(order.shape[-1]).expand(order.shape)) for order in again.orders)


def test_the_function_stays(case):
    before, after = case.outputs(case.state), case.outputs(case.space.canonicalize(case.state))
    assert float((after - before).abs().max() / before.abs().max()) < 1e-9


def test_stacks_are_made_of_single_networks(case):
    stack = case.space.canonicalize(case.state)
    for i in range(4):
        single = case.space.canonicalize({n: t[i] for n, t in case.state.items()})
        assert list(single) == list(case.state)
        assert all(torch.allclose(single[n], stack[n][i], rtol=1e-12, atol=1e-12) for n in single)


def test_it_is_one_symmetry(case):
    symmetry = canonical_symmetry(case.space, case.weights)
    assert symmetry.batch_shape == (4,)
    moved = case.space.canonicalize(case.state)
    assert all(torch.equal(tensor, symmetry(case.state)[name]) for name, tensor in moved.items())
    assert torch.equal(case.space.flatten(moved)[0], canonical_weights(case.space, case.weights))
    assert canonical_symmetry(case.space, case.weights[0]).batch_shape == ()


def test_other_networks_have_other_forms(case):
    forms = canonical_weights(case.space, case.weights)
    distances = torch.cdist(forms, forms) + torch.eye(4).double()
    assert float(distances.min()) > 1e-2


def test_every_number_counts(case):
    """A change of one entry, which no symmetry makes, is seen in the canonical form."""
    form = canonical_weights(case.space, case.weights)
    for block, part in list(zip(case.space.blocks, case.space.slices, strict=True))[
        :: len(case.space.blocks) // 16 + 1
    ]:
        if block.numel and Shift(case.space.blocks.index(block), block.shape) not in case.space.shifts:
            changed = case.weights.clone()
            changed[:, part.start + block.numel // 2] *= 1.01
            change = (canonical_weights(case.space, changed) - form).abs().amax(1)
            assert bool((change > 1e-7).all()) or block.numel == 1, block.tensor


def test_float32(case):
    weights = case.weights.float()
    form = canonical_weights(case.space, weights)
    assert form.dtype is torch.float32
    assert orbit_error(case.space, weights, samples=1) < 1e-3
    double = canonical_weights(case.space, weights.double())
    assert error(case.space, form.double(), double) < 1e-6


@pytest.mark.parametrize("name", ["mlp", "siren", "cnn", "attention", "linear_hidden", "recurrent"])
def test_nothing_is_changed_or_drawn(name, cases):
    case = cases(name)
    before, random = {n: t.clone() for n, t in case.state.items()}, torch.get_rng_state()
    first, second = (case.space.canonicalize(case.state) for _ in range(2))
    assert all(torch.equal(first[n], second[n]) for n in before)
    assert all(torch.equal(case.state[n], before[n]) for n in before)
    assert torch.equal(torch.get_rng_state(), random)
    loaded = WeightSpace.from_json(case.space.to_json())
    assert torch.equal(canonical_weights(loaded, case.weights), canonical_weights(case.space, case.weights))


# ------------------------------------------------------------------------------------------------------- what steps do


def assert_equal(norms):
    """All units of a network have the same norm, ``[networks, units]``."""
    torch.testing.assert_close(norms, norms[:, :1].expand_as(norms))


def test_biases_enter_the_norms_of_rows_before_layers_are_balanced():
    """Two layers: the rows with their biases have norm 1, then γ; γ makes the sizes of the two weights equal."""
    case = Case(lambda: mlp(nn.ReLU(), (3, 8, 2)), (2, 3))
    form, state = case.space.canonicalize(case.state), case.state
    norms = torch.cat([state["0.weight"], state["0.bias"][..., None]], -1).norm(dim=-1, keepdim=True)
    first, last = state["0.weight"] / norms, state["2.weight"] * norms.mT
    sizes = [weight.square().sum((1, 2)).div(weight.shape[1]).sqrt() for weight in (first, last)]
    size = (sizes[0] * sizes[1]).sqrt()
    found = torch.cat([form["0.weight"], form["0.bias"][..., None]], -1).norm(dim=-1)
    torch.testing.assert_close(found, (size / sizes[0])[:, None].expand_as(found))
    for name in ("0.weight", "2.weight"):
        torch.testing.assert_close(form[name].square().sum(-1).mean(-1).sqrt(), size)


def test_layers_are_balanced():
    """Without biases, rows of a layer have one norm, and all layers the geometric mean of what they had."""
    case = Case(lambda: mlp(nn.ReLU(), (3, 8, 6, 8, 2), bias=False), (2, 3))
    form = case.space.canonicalize(case.state)
    for name in ("0.weight", "2.weight", "4.weight"):
        assert_equal(form[name].square().sum(-1))
    sizes = torch.stack([weight.square().sum(-1).mean(-1) for weight in form.values()], 1)
    torch.testing.assert_close(sizes, sizes[:, :1].expand_as(sizes))


def test_units_have_one_norm_before_and_after_a_normalisation(cases):
    form = cases("cnn").space.canonicalize(cases("cnn").state)
    assert_equal(form["0.weight"].square().flatten(2).sum(-1) + form["0.bias"].square())
    assert_equal(form["1.weight"].square() + form["1.bias"].square())
    for name in ("0.weight", "4.weight"):  # each with a multiplier of its own, before its normalisation
        size = form[name].square().flatten(2).sum(-1).mean(-1)
        torch.testing.assert_close(size, torch.ones_like(size))


def test_layers_of_zeros_have_no_size():
    case = Case(lambda: mlp(nn.ReLU(), (3, 8, 6, 2), bias=False), (2, 3))
    weights = case.weights.clone()
    case.space.block_view(weights, 1)[:2] = 0
    form = case.space.unflatten(canonical_weights(case.space, weights))
    torch.testing.assert_close(form["0.weight"][:2].square().sum(-1), torch.ones(2, 8).double())
    assert orbit_error(case.space, weights) < 1e-7


def test_biases_before_sines_lie_in_one_period(cases):
    case = cases("siren")
    moved = case.space.random_symmetry(seeded(), batch_size=4)(case.state)
    form = case.space.canonicalize(moved)
    for i, phase in enumerate(case.space.phases):
        assert float(moved[f"hidden.{i}.bias"].abs().max()) > phase.period
        assert float(form[f"hidden.{i}.bias"].abs().max()) <= phase.period / 2


def test_signed_squares_are_positive(cases):
    case = cases("tanh")
    form = case.space.canonicalize(case.state)
    spread, places = fixed_numbers(0, torch.arange(1).numpy()), position_numbers(case.space)[0]
    weight, bias = form["0.weight"], form["0.bias"]
    sums = (weight * weight.abs() * places).sum(-1) * spread
    sums = sums + bias * bias.abs() * fixed_numbers(1, torch.arange(1).numpy())
    assert bool((sums > 0).all())


def test_units_are_sorted_by_their_keys(cases):
    case = cases("mlp")
    form = canonical_weights(case.space, case.weights)
    keys = unit_keys(case.space, read_tables(case.space, form), position_numbers(case.space))
    for group in case.space.moving_groups:
        assert bool((keys[group].diff(dim=-1) > 0).all())


def test_keys_of_units_go_with_the_units(cases):
    case = cases("attention")
    symmetry = case.space.random_symmetry(seeded(), batch_size=4, scale=False)
    numbers = position_numbers(case.space)
    before, after = (
        unit_keys(case.space, read_tables(case.space, w), numbers) for w in (case.weights, symmetry.act(case.weights))
    )
    for group in case.space.moving_groups:
        torch.testing.assert_close(after[group], before[group].gather(-1, symmetry.orders[group]))


def test_units_that_differ_by_far_neighbours_have_different_keys():
    """Rows of equal numbers in another order, then rows with a single one: only the first layer tells units apart."""
    space = trace(mlp(nn.GELU(), (2, 4, 4, 4, 1)))
    state = space.unflatten(torch.randn(3, space.num_weights, generator=seeded(), dtype=torch.double))
    rows = torch.tensor([[1.0, 2, 3, 4], [2, 3, 4, 1], [3, 4, 1, 2], [4, 1, 2, 3]], dtype=torch.double)
    state |= {"2.weight": rows.repeat(3, 1, 1), "4.weight": torch.eye(4, dtype=torch.double).repeat(3, 1, 1)}
    state |= {name: torch.ones_like(state[name]) for name in ("2.bias", "4.bias", "6.weight")}
    assert orbit_error(space, space.flatten(state)[0], samples=10) < 1e-7


def test_units_that_swap_two_inputs_have_different_keys():
    space = trace(mlp(nn.GELU(), (2, 2, 1)))
    state = space.unflatten(torch.ones(space.num_weights, dtype=torch.double))
    state["0.weight"] = torch.tensor([[1.0, 2], [2, 1]], dtype=torch.double)
    swapped = state | {"0.weight": state["0.weight"].flip(0)}
    first, second = space.canonicalize(state), space.canonicalize(swapped)
    assert torch.equal(first["0.weight"], second["0.weight"])


def test_fixed_numbers_are_the_same_everywhere():
    expected = [1.3475962473218683, 0.8671029199599701, 0.643046398572216]
    assert fixed_numbers(3, torch.arange(3).numpy()).tolist() == expected
    many = torch.stack([fixed_numbers(k, torch.arange(1000).numpy()) for k in range(-50, 50)])
    assert (float(many.min()) >= 0.5, float(many.max()) <= 1.5) == (True, True)
    assert many.unique().numel() == many.numel()


# ------------------------------------------------------------------------------------------------------- linear groups


@pytest.mark.parametrize("name", ["attention", "one_attention", "linear_hidden"])
def test_linear_groups_are_taken_out(name, cases):
    case = cases(name)
    assert any(group.linear for group in case.space.groups)
    moved = case.space.random_symmetry(seeded(), batch_size=4, linear=True).act(case.weights)
    assert error(case.space, moved, case.weights) > 0.1
    assert orbit_error(case.space, case.weights, linear=True) < 1e-7


def test_bases_are_changed_in_float64(cases):
    """Queries that are nearly of a lower rank lose nothing more than the last rounding."""
    space = cases("attention").space
    state = space.unflatten(cases("attention").weights)
    for name in ("qkv.weight", "qkv.bias"):
        state[name][:, 0] = state[name][:, 1] + 1e-4 * state[name][:, 0]
    weights = space.flatten(state)[0].float()
    assert error(space, canonical_weights(space, weights).double(), canonical_weights(space, weights.double())) < 1e-6


def test_bases_of_heads_are_orthogonal(cases, monkeypatch):
    """Before a multiplier of the stream in front changes the weights, but not the biases."""
    case = cases("attention")
    monkeypatch.setattr(canonical, "balance", lambda space, tables, freedom: space.identity().multipliers)
    form = case.space.canonicalize(case.state)
    rows = torch.cat([form["qkv.weight"], form["qkv.bias"][..., None]], -1).unflatten(1, (3, 2, 4))
    queries, keys, values = (rows @ rows.transpose(-1, -2)).unbind(1)  # [networks, heads, 4, 4]
    torch.testing.assert_close(queries, torch.eye(4).double().expand(4, 2, 4, 4))
    torch.testing.assert_close(values, torch.eye(4).double().expand(4, 2, 4, 4))
    torch.testing.assert_close(keys, keys.diagonal(dim1=-2, dim2=-1).diag_embed())


@pytest.mark.parametrize("spoiled", ["query", "key", "zero_key"])
def test_bases_that_are_not_unique_are_left_alone(spoiled, cases):
    case = cases("attention")
    weights = case.weights.clone()
    state = case.space.unflatten(weights)
    part = slice(0, 4) if spoiled == "query" else slice(8, 12)
    for name in ("qkv.weight", "qkv.bias"):
        state[name][:, part] = 0 if spoiled == "zero_key" else state[name][:, part][:, :1]  # of the first head
    weights = case.space.flatten(state)[0]
    assert orbit_error(case.space, weights) < 1e-7
    before, after = case.outputs(state), case.outputs(case.space.canonicalize(state))
    assert float((after - before).abs().max() / before.abs().max()) < 1e-9


def test_linear_groups_that_others_depend_on_are_left_alone(cases):
    """Units between two attentions can be scaled by the values of the first one only."""
    for name, all_groups, independent in (("one_attention", 2, 2), ("two_attentions", 4, 3)):
        space = cases(name).space
        assert sum(bool(group.linear) for group in space.groups) == all_groups
        assert sum(m is not None for m in canonical_symmetry(space, cases(name).weights).matrices) == independent


def test_linear_groups_that_meet_are_left_alone():
    case = Case(lambda: mlp(nn.Identity(), (3, 6, 5, 2)), (2, 3))
    assert sum(bool(group.linear) for group in case.space.groups) == 2
    assert orbit_error(case.space, case.weights) < 1e-7
    assert canonical_symmetry(case.space, case.weights).matrices == (None,) * len(case.space.groups)


# ---------------------------------------------------------------------------------------------------- zeros and equals


def _one_row(view):
    view[:, 0] = 0


def _one_column(view):
    if view.dim() > 2:
        view[:, :, 0] = 0


ZEROS = {
    "biases": lambda block, view: view.zero_() if len(block.axes) == 1 and not block.kernel else None,
    "rows": lambda block, view: _one_row(view),
    "columns": lambda block, view: _one_column(view),
    "rows_and_columns": lambda block, view: (_one_row(view), _one_column(view)),
    "half_of_all": lambda block, view: view.mul_(torch.rand(view.shape, generator=seeded()) < 0.5),
}


@pytest.mark.parametrize("zeros", ZEROS)
@pytest.mark.parametrize(
    "name", ["mlp", "tanh", "siren", "cnn", "residual_mlp", "attention", "gated", "recurrent", "ProductsOfPieces"]
)
def test_zeros_and_dead_units(zeros, name, cases):
    case = cases(name)
    weights = case.weights.clone()
    for i, block in enumerate(case.space.blocks):
        if block.axes and not block.shift:
            ZEROS[zeros](block, case.space.block_view(weights, i))
    assert orbit_error(case.space, weights) < 1e-7
    state = case.space.unflatten(weights, case.integers)
    before, after = case.outputs(state), case.outputs(case.space.canonicalize(state))
    assert float((after - before).abs().max() / before.abs().max().clamp(min=1e-6)) < 1e-9


def test_dead_units_are_scaled_by_what_is_left():
    space = trace(mlp(nn.ReLU(), (2, 3, 1)))
    first, last = torch.tensor([[0.0, 0], [1, 2], [0, 0]]), torch.tensor([[5.0, 6, 0]])
    state = {"0.weight": first, "0.bias": torch.zeros(3), "2.weight": last, "2.bias": torch.ones(1)}
    form = space.canonicalize({name: tensor.double() for name, tensor in state.items()})
    rows = torch.cat([form["0.weight"], form["0.bias"][:, None], form["2.weight"].T], 1).tolist()
    size = 5**0.5
    even = (3 * 181) ** 0.25  # the mean of squares is 1 / 3 in front, and 36 * 5 + 1 behind
    expected = [[0, 0, 0, 0], [0, 0, 0, 1 / even], [even / size, 2 * even / size, 0, 6 * size / even]]
    assert sorted(rows) == [pytest.approx(row) for row in expected]
    assert canonical_weights(space, torch.zeros(space.num_weights)).tolist() == [0] * space.num_weights


def test_a_sum_of_zero_has_no_sign():
    """Rows whose signed squares cancel, up to rounding, are turned by their outgoing weights."""
    space = trace(mlp(nn.Tanh(), (2, 6, 3, 1), bias=False))
    weights = torch.randn(5, space.num_weights, generator=seeded(), dtype=torch.double)
    state = space.unflatten(canonical_weights(space, weights))
    state["2.weight"][:, 0] = torch.tensor([0.1, 0.2, 0.3, 0.4, -0.2, -(0.26**0.5)], dtype=torch.double)
    assert orbit_error(space, space.flatten(state)[0], samples=20) < 1e-7
    form = space.canonicalize(state)
    row = (form["2.weight"] * form["2.weight"].abs()).sum(-1).abs().argmin(-1)
    assert bool((form["4.weight"][:, 0].gather(-1, row[:, None]) > 0).all())


def test_equal_units_are_harmless():
    space = trace(mlp(nn.Tanh(), (2, 6, 6, 1)))
    weights = torch.randn(3, space.num_weights, generator=seeded(), dtype=torch.double)
    state = space.unflatten(weights)
    for name, tensor in state.items():
        if not name.startswith("4"):
            tensor[:, 1] = tensor[:, 0]
    state["2.weight"][:, :, 1], state["4.weight"][:, :, 1] = state["2.weight"][:, :, 0], state["4.weight"][:, :, 0]
    assert orbit_error(space, space.flatten(state)[0]) < 1e-7


def test_not_a_number_stays_in_its_unit():
    space = trace(mlp(nn.ReLU(), (2, 3, 1)))
    weights = torch.randn(space.num_weights, generator=seeded())
    weights[0] = torch.nan
    assert int(canonical_weights(space, weights).isnan().sum()) == 1


@pytest.mark.parametrize("factory", [nn.ReLU, lambda: nn.Linear(3, 2), Narrow])
def test_small_spaces(factory):
    space = trace(factory(), torch.randn(2, 3))
    weights = torch.randn(2, space.num_weights, generator=seeded(), dtype=torch.double)
    form = canonical_weights(space, weights)
    assert form.shape == weights.shape
    if not space.scales:
        assert torch.equal(form, weights)


# -------------------------------------------------------------------------------------------------------- broken steps


def _without(part):
    """The function that gives the identity in place of one part."""
    real = canonical._symmetry

    def broken(space, batch, **parts):
        return real(space, batch, **{name: value for name, value in parts.items() if name != part})

    return broken


@pytest.mark.parametrize(
    ("name", "part"),
    [("mlp", "orders"), ("mlp", "multipliers"), ("tanh", "multipliers"), ("siren", "turns"), ("attention", "matrices")],
)
def test_a_form_that_lacks_a_step_is_not_constant(name, part, cases, monkeypatch):
    case = cases(name)
    monkeypatch.setattr(canonical, "_symmetry", _without(part))
    assert orbit_error(case.space, case.weights, linear=part == "matrices") > 1e-2


@pytest.mark.parametrize(("name", "step"), [("cnn", "magnitudes"), ("cnn", "signs"), ("tanh", "signs")])
def test_a_form_without_magnitudes_or_signs_is_not_constant(name, step, cases, monkeypatch):
    case = cases(name)
    other = {"magnitudes": "signs", "signs": "magnitudes"}[step]
    monkeypatch.setattr(canonical, step, getattr(canonical, other))
    assert orbit_error(case.space, case.weights) > 1e-2


def test_wrong_shapes_are_refused():
    space = trace(cnn())
    for shape in ((3,), (2, 3), (2, 2, space.num_weights), ()):
        with pytest.raises(SpaceError, match=rf"Expected weights of shape \[{space.num_weights}\] or \[N, .* got"):
            canonical_symmetry(space, torch.zeros(shape))


# -------------------------------------------------------------------------------------------------------- the transform


def test_the_transform_takes_graphs_and_mixed_batches():
    models = [randomize(f().double(), seeded(i)) for i, f in enumerate((siren, cnn, siren, grouped_cnn))]
    batch = Batch.from_data_list([to_graph(model) for model in models])
    batch.y = torch.arange(4)
    moved = RandomSymmetry(generator=seeded())(batch)
    form, other = Canonicalize()(batch), Canonicalize()(moved)
    assert form.spaces == batch.spaces
    assert torch.equal(form.y, batch.y)
    assert not torch.allclose(moved.weights, batch.weights)
    torch.testing.assert_close(other.weights, form.weights, rtol=1e-7, atol=1e-9)
    for i, model in enumerate(models):
        state = to_state_dict(form[i])
        expected = form[i].spaces[0].canonicalize(model.state_dict())
        assert all(torch.allclose(state[name], tensor) for name, tensor in expected.items())


def test_the_transform_keeps_its_input_and_its_type():
    graph = to_graph(randomize(mlp(nn.ReLU()), seeded()))
    before = graph.weights.clone()
    form = Canonicalize()(graph)
    assert type(form) is NeuronGraph
    assert form.weights.dtype is torch.float32
    assert torch.equal(graph.weights, before)
    assert repr(Canonicalize()) == "Canonicalize()"
    with pytest.raises(SpaceError, match="Canonicalize expects a NeuronGraph"):
        Canonicalize()(torch.zeros(3))


def test_many_networks_at_once_are_fast():
    space = trace(siren())
    weights = torch.randn(1797, space.num_weights, generator=seeded())
    graphs = to_graphs(space.unflatten(weights), space)
    Canonicalize()(graphs[0])
    start = time.perf_counter()
    Canonicalize()(graphs)
    assert time.perf_counter() - start < 2  # about 0.1 s on one core
    assert isinstance(canonical_symmetry(space, weights), Symmetry)
