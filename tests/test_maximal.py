"""Where theory knows the whole symmetry group, the trace finds all of it."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wsgraph import trace
from wsgraph.space import MatrixSet, ScaleClass, ScaleSet, WeightSpace


def num_finite(space: WeightSpace) -> int:
    """How many permutations there are."""
    count = 1
    for number, group in enumerate(space.groups):
        if not group.fixed:
            pieces = space.num_pieces(number)
            count *= math.factorial(group.size // pieces) ** pieces
    return count


def num_continuous(space: WeightSpace) -> int:
    """The dimension of the group: that of the matrices on every piece, 1 for every other free magnitude."""
    total = 0
    for number, group in enumerate(space.groups):
        pieces = space.num_pieces(number)
        n = group.size // pieces
        kinds = {MatrixSet.GENERAL: n**2, MatrixSet.ORTHOGONAL: n * (n - 1) // 2, MatrixSet.COMPLEX: n}
        total += pieces * kinds.get(group.linear, 0)
    general = {i for i, group in enumerate(space.groups) if group.linear is MatrixSet.GENERAL}
    free = [c for c in space.scales if c.values.has_magnitude and c.group not in general]
    return total + sum(num_free(space, c) for c in free)


def num_free(space: WeightSpace, scale_class: ScaleClass) -> int:
    """The dimension of a class: none for products, and one less for every unit over whose parts the product is 1."""
    if scale_class.product_of is not None:
        return 0
    over = scale_class.unit_over
    return space.groups[scale_class.group].size - (0 if over is None else space.groups[over].size)


def num_signs(space: WeightSpace) -> int:
    return sum(num_free(space, c) for c in space.scales if c.values is ScaleSet.SIGN)


def mlp(activation, widths):
    layers = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), activation()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("widths", [(3, 5, 2), (2, 4, 6, 1), (3, 4, 4, 4, 2)])
def test_perceptrons_have_the_monomial_group(widths):
    hidden = widths[1:-1]
    permutations = math.prod(math.factorial(n) for n in hidden)
    relu, tanh, gelu = (trace(mlp(a, widths)) for a in (nn.ReLU, nn.Tanh, nn.GELU))
    assert num_finite(relu) == num_finite(tanh) == num_finite(gelu) == permutations
    assert [num_continuous(s) for s in (relu, tanh, gelu)] == [sum(hidden), 0, 0]
    assert [num_signs(s) for s in (relu, tanh, gelu)] == [0, sum(hidden), 0]


def test_deep_linear_networks_have_the_general_linear_group():
    space = trace(mlp(nn.Identity, (3, 5, 4, 2)))
    assert num_continuous(space) == 5**2 + 4**2
    assert [g.size for g in space.groups if g.linear] == [5, 4]


def test_convolutions_have_the_monomial_group_and_two_multipliers_around_a_norm():
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)
    )
    space = trace(model, torch.zeros(1, 3, 8, 8))
    assert num_finite(space) == math.factorial(6) * math.factorial(4)
    assert num_continuous(space) == 6 + 6 + 4  # before and after the norm, and behind the second convolution


def test_groups_of_convolutions_swap_as_wholes():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, groups=4), nn.ReLU(), nn.Conv2d(12, 2, 1))
    space = trace(model, torch.zeros(1, 3, 8, 8))
    wreath = math.factorial(2) ** 4 * math.factorial(3) ** 4 * math.factorial(4)
    assert num_finite(space) == wreath
    assert num_continuous(space) == 8 + 12
    assert [b.pieces for b in space.blocks if b.tensor == "2.weight"] == [4]


class Attention(nn.Module):
    """A residual attention layer without norms, written out or as one operator."""

    def __init__(self, width, heads, written_out, keys=None, bias=True):
        super().__init__()
        self.heads, self.keys, self.size = heads, keys or heads, width // heads
        self.q = nn.Linear(width, width, bias=bias)
        self.k, self.v = (nn.Linear(width, self.size * self.keys, bias=bias) for _ in range(2))
        self.o = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.written_out = written_out

    def split(self, x, heads):
        x = x.unflatten(-1, (heads, self.size)).transpose(1, 2)
        return x.repeat_interleave(self.heads // heads, 1) if heads != self.heads else x

    def forward(self, x):
        y = self.norm(x)
        q, k, v = self.split(self.q(y), self.heads), self.split(self.k(y), self.keys), self.split(self.v(y), self.keys)
        if self.written_out:
            y = torch.softmax(q @ k.transpose(-1, -2) / self.size**0.5, -1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v)
        return x + self.o(y.transpose(1, 2).flatten(2))


def stack(depth, *arguments, **options):
    layers = [Attention(*arguments, **options) for _ in range(depth)]
    return nn.Sequential(nn.Linear(3, 12), *layers, nn.LayerNorm(12), nn.Linear(12, 2))


@pytest.mark.parametrize("written_out", [True, False])
@pytest.mark.parametrize(("depth", "heads"), [(1, 2), (2, 3), (3, 4)])
def test_attention_has_swaps_of_heads_and_general_linear_groups(depth, heads, written_out):
    space = trace(stack(depth, 12, heads, written_out), torch.zeros(2, 5, 3))
    size = 12 // heads
    bundles = [i for i, g in enumerate(space.groups) if any(h.parent == i for h in space.groups)]
    assert [space.groups[i].size for i in bundles] == [heads] * depth
    assert not any(space.groups[i].fixed for i in bundles)
    linear = [g for g in space.groups if g.linear]
    assert [(g.size, g.parent in bundles) for g in linear] == [(12, True)] * (2 * depth)
    others = 12 * (depth + 1)  # behind each LayerNorm
    assert num_continuous(space) == 2 * depth * heads * size**2 + others
    assert num_signs(space) == 1  # of the whole stream


def test_query_groups_move_with_their_keys():
    space = trace(stack(1, 12, 6, False, keys=2), torch.zeros(2, 5, 3))
    linear = [g for g in space.groups if g.linear]
    assert [(g.size, space.groups[g.parent].size) for g in linear] == [(4, 2), (4, 2)]
    assert num_continuous(space) == 2 * 2 * 2**2 + 24


def test_low_rank_factors_have_the_general_linear_group():
    class LowRank(nn.Module):
        def __init__(self):
            super().__init__()
            self.base, self.down, self.up = nn.Linear(6, 6), nn.Linear(6, 2, bias=False), nn.Linear(2, 6, bias=False)

        def forward(self, x):
            return torch.tanh(self.base(x) + self.up(self.down(x)))

    space = trace(nn.Sequential(LowRank(), nn.Linear(6, 1)), torch.zeros(3, 6))
    assert [g.size for g in space.groups if g.linear] == [2]


@pytest.mark.parametrize(
    ("layer", "permutations", "signs", "magnitudes"),
    [
        (nn.RNN(3, 5, batch_first=True), 120, 5, 0),
        (nn.RNN(3, 5, nonlinearity="relu", batch_first=True), 120, 0, 5),
        (nn.LSTM(3, 4, batch_first=True), 24, 4, 0),
        (nn.GRU(3, 4, num_layers=2, batch_first=True), 24**2, 8, 0),
    ],
    ids=["tanh", "relu", "lstm", "gru"],
)
def test_recurrent_layers_have_the_group_of_their_state(layer, permutations, signs, magnitudes):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = layer, nn.Linear(layer.hidden_size, 2)

        def forward(self, x):
            return self.head(self.layer(x)[0][:, -1])

    space = trace(Last(), torch.zeros(2, 4, 3))
    assert (num_finite(space), num_signs(space), num_continuous(space)) == (permutations, signs, magnitudes)


def test_sines_have_signs_and_half_turns():
    class Sine(nn.Module):
        def forward(self, x):
            return torch.sin(30 * x)

    space = trace(nn.Sequential(nn.Linear(2, 6), Sine(), nn.Linear(6, 4), Sine(), nn.Linear(4, 1)))
    assert num_signs(space) == 10
    assert [(space.groups[p.group].size, p.period) for p in space.phases] == [(6, math.pi / 30), (4, math.pi / 30)]


@pytest.mark.parametrize(
    ("norm", "signs"), [(nn.LayerNorm(6), 1), (nn.RMSNorm(6), 6)], ids=["one for all units", "one for each unit"]
)
def test_signs_pass_through_norms(norm, signs):
    model = nn.Sequential(nn.Linear(3, 6), norm, nn.Linear(6, 2))
    assert num_signs(trace(model, torch.zeros(2, 3))) == signs


class Pieces(nn.Module):
    """Three pieces, of four units each, of what one linear map makes, put together."""

    def __init__(self, cut, join, tells_apart=False):
        super().__init__()
        self.cut, self.join = cut, join
        self.stem, self.head = nn.Linear(3, 12), nn.Linear(4, 2)
        self.other = nn.Linear(4, 2) if tells_apart else None

    def forward(self, x):
        pieces = self.cut(self.stem(x))
        y = self.head(self.join(*pieces))
        return y if self.other is None else y + self.other(pieces[0] - 2 * pieces[1])


CUTS = {
    "chunk": lambda y: y.chunk(3, -1),
    "split": lambda y: y.split([4, 4, 4], -1),
    "slices": lambda y: [y[..., 4:8], y[..., 8:], y[..., :4]],
    "narrow": lambda y: [y.narrow(-1, 4 * i, 4) for i in range(3)],
    "unbind": lambda y: y.unflatten(-1, (3, 4)).unbind(-2),
    "select": lambda y: (lambda rows: [rows[..., i] for i in range(3)])(y.unflatten(-1, (4, 3))),
}
JOINS = {
    "maximum": lambda a, b, c: torch.maximum(a, torch.max(b, c)),
    "minimum": lambda a, b, c: torch.minimum(torch.minimum(a, b), c),
    "sum": lambda a, b, c: torch.tanh(a) + (torch.tanh(b) + torch.tanh(c)),
    "squares": lambda a, b, c: a * a + b * b + c * c,
    "product": lambda a, b, c: a * (b * c),
    "product_of_tanh": lambda a, b, c: torch.tanh(a) * torch.tanh(b) * torch.tanh(c),
    "product_and_sigmoid": lambda a, b, c: torch.sigmoid(a * b * c),
    "product_and_tanh": lambda a, b, c: torch.tanh(a * b * c),
    "product_of_slopes": lambda a, b, c: F.leaky_relu(a) * F.leaky_relu(b) * F.leaky_relu(c),
}


@pytest.mark.parametrize("cut", CUTS)
def test_pieces_that_one_operator_treats_alike_change_places(cut):
    space = trace(Pieces(CUTS[cut], JOINS["sum"]), torch.zeros(2, 3))
    assert num_finite(space) == math.factorial(4) * math.factorial(3) ** 4
    assert (num_signs(space), num_continuous(space)) == (4, 0)


@pytest.mark.parametrize(
    ("join", "signs", "magnitudes"),
    [
        *(("maximum", 0, 4), ("minimum", 0, 4), ("sum", 4, 0), ("squares", 12, 4 + 4 * 3)),
        *(("product", 0, 12), ("product_of_slopes", 0, 12), ("product_of_tanh", 12, 0)),
        *(("product_and_sigmoid", 0, 8), ("product_and_tanh", 12, 8)),
    ],
)
def test_pieces_of_any_sum_or_maximum_change_places(join, signs, magnitudes):
    space = trace(Pieces(CUTS["chunk"], JOINS[join]), torch.zeros(2, 3))
    assert num_finite(space) == math.factorial(4) * math.factorial(3) ** 4
    assert (num_signs(space), num_continuous(space)) == (signs, magnitudes)


@pytest.mark.parametrize("join", JOINS)
def test_pieces_that_something_tells_apart_keep_their_places(join):
    space = trace(Pieces(CUTS["chunk"], JOINS[join], tells_apart=True), torch.zeros(2, 3))
    assert num_finite(space) == math.factorial(4)
    assert all(group.parent is None for group in space.groups)


def test_pieces_change_places_within_what_joins_them():
    space = trace(Pieces(CUTS["chunk"], lambda a, b, c: torch.maximum(a.tanh() + b.tanh(), c)), torch.zeros(2, 3))
    assert num_finite(space) == math.factorial(4) * math.factorial(2) ** 4
