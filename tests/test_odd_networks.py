"""Networks that do unusual things between two linear maps: the function stays, and so do all families' answers."""

import pytest
import torch
import torch.nn.functional as F
from test_models import INVARIANT
from torch import nn

from wsgraph import trace
from wsgraph.nn import ScaleGMN
from wsgraph.testing import (
    assert_equivariant,
    assert_function_preserved,
    assert_invariant,
    assert_roundtrip,
    assert_routes_agree,
    random_graphs,
)


def rms(x):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


MIDDLES = {
    "clamp_below": lambda x: torch.clamp(x, -1.0),
    "clamp_above": lambda x: torch.clamp(x, max=1.0),
    "clamp_at_zero": lambda x: torch.clamp(x, min=0.0),
    "clamp_both": lambda x: x.clamp(-1, 1),
    "where": lambda x: torch.where(x > 0, x, 0.1 * x),
    "maximum_with_zeros": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "mean_added": lambda x: x + x.mean(-1, keepdim=True),
    "divided_by_norm": lambda x: x / x.norm(dim=-1, keepdim=True),
    "rms": rms,
    "rms_norm": lambda x: F.rms_norm(x, (8,)),
    "standardised": lambda x: (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True),
    "sort": lambda x: x.sort(-1)[0],
    "flip": lambda x: x.flip(-1),
    "roll": lambda x: x.roll(1, -1),
    "gather": lambda x: x[:, [3, 1, 2, 0, 5, 4, 7, 6]],
    "every_other_twice": lambda x: x[:, ::2].repeat(1, 2),
    "two_activations": lambda x: torch.cat([x[:, :4].relu(), x[:, 4:].tanh()], 1),
    "halves_added": lambda x: (x[:, :4] + x[:, 4:]).repeat(1, 2),
    "halves_folded": lambda x: x.view(-1, 2, 4).sum(1).repeat(1, 2),
    "outer_product": lambda x: (x[:, :, None] * x[:, None, :]).sum(2),
    "products_of_samples": lambda x: x @ x.T @ x,
    "softmax": lambda x: x.softmax(-1),
    "top_k": lambda x: x * (x >= x.topk(3, -1)[0][:, -1:]),
    "positions_added": lambda x: x + torch.arange(8.0),
    "positions_multiplied": lambda x: x * torch.linspace(1, 2, 8),
    "in_place": lambda x: x.relu_().add_(1),
    "one_unit_cut": lambda x: torch.cat([x[:, :1] * 0, x[:, 1:]], 1),
    "glu_of_itself": lambda x: F.glu(torch.cat([x, x], 1)),
    "roots": lambda x: x.abs().sqrt(),
    "odd_polynomial": lambda x: x**3 + x,
    "channel_shuffle": lambda x: x.view(-1, 2, 2, 2).permute(0, 2, 1, 3).reshape(-1, 8),
    "stacked_and_cut": lambda x: torch.stack([x, x.sin()], 2).flatten(1)[:, ::2],
    "layer_norm_of_two_axes": lambda x: F.layer_norm(x.view(-1, 2, 4), (2, 4)).flatten(1),
    "layer_norm_of_parts": lambda x: F.layer_norm(x.view(-1, 2, 4), (4,)).flatten(1),
    "pooled_units": lambda x: F.avg_pool1d(x[:, None], 2).repeat(1, 2, 1).flatten(1),
    "batched_product": lambda x: torch.bmm(x[:, :, None], x[:, None])[:, 0],
}


class Odd(nn.Module):
    """A perceptron with something between its first two layers."""

    def __init__(self, middle):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.middle = middle

    def forward(self, x):
        return self.head(torch.tanh(self.second(self.middle(self.first(x)))))


@pytest.fixture(scope="module", params=MIDDLES, ids=str)
def odd(request):
    model, x = Odd(MIDDLES[request.param]).eval(), torch.zeros(4, 3)
    return model, x, trace(model, x)


def test_the_function_stays(odd):
    model, x, space = odd
    assert_function_preserved(model, space, example_inputs=x)


def test_the_round_trip_is_exact(odd):
    model, x, space = odd
    assert_roundtrip(model, space, example_inputs=x)


@pytest.mark.parametrize("family", INVARIANT)
def test_answers_stay(odd, family):
    space, graphs = odd[2], random_graphs(odd[2], 3)
    if not space.moving_groups and "scales" not in family.symmetries:
        pytest.skip("no unit can be permuted")
    scale = "scales" in family.symmetries
    assert_invariant(family(space, 8, 2, out_channels=4), graphs, scale=scale, max_scale=100.0)
    assert_equivariant(family(space, 8, 2), graphs, scale=scale, max_scale=100.0, tolerance={torch.float64: 1e-9})


def test_routes_agree(odd):
    space, graphs = odd[2], random_graphs(odd[2], 3)
    assert_routes_agree(ScaleGMN(space, 8, 2, out_channels=4), graphs)
    assert_routes_agree(ScaleGMN(space, 8, 2), graphs)
