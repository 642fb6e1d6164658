"""Steps of random networks: layers whose parameters are made of others, or shared."""

import torch
import torch.nn.functional as F
from recipes import BODY, Formula, Place, Steps, affine, body_of, register, square, weight
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from torch.utils.checkpoint import checkpoint

from random_steps.activations import ACTIVATIONS


class Symmetric(nn.Module):
    def forward(self, w: Tensor) -> Tensor:
        return w + w.transpose(-1, -2)


class Exponential(nn.Module):
    def forward(self, w: Tensor) -> Tensor:
        return torch.exp(0.3 * w)


class Numbers(nn.Module):
    """A buffer."""

    def __init__(self, *shape: int, saved: bool = False) -> None:
        super().__init__()
        self.register_buffer("numbers", torch.zeros(shape), persistent=saved)

    def forward(self) -> Tensor:
        return self.numbers


PARAMETRISED = {
    "weight_norm": lambda n: parametrizations.weight_norm(nn.Linear(n, 4)),
    "weight_norm_of_inputs": lambda n: parametrizations.weight_norm(nn.Linear(n, 4), dim=1),
    "spectral_norm": lambda n: parametrizations.spectral_norm(nn.Linear(n, 4)),
    "symmetric": lambda n: parametrize.register_parametrization(square(n), "weight", Symmetric()),
    "exponential": lambda n: parametrize.register_parametrization(nn.Linear(n, 4), "weight", Exponential()),
    "orthogonal": lambda n: parametrizations.orthogonal(square(n), orthogonal_map="cayley"),
}


@register(units_last=True, form=tuple(PARAMETRISED))
def parametrised(at: Place, form: str) -> nn.Module:
    return PARAMETRISED[form](at.width)


MADE = {
    "rows": lambda n: Formula(lambda x, w, b: F.linear(x, w[:3], b[:3]), weight(5, n), weight(5)),
    "columns": lambda n: Formula(lambda x, w: F.linear(x, w[:, :n]), weight(3, n + 2)),
    "concatenated": lambda n: Formula(lambda x, v, w: F.linear(x, torch.cat((v, w))), weight(2, n), weight(2, n)),
    "stacked": lambda n: Formula(lambda x, *w: F.linear(x, torch.stack(w)), *(weight(n) for _ in range(3))),
    "transposed": lambda n: Formula(lambda x, w: F.linear(x, w.t()), weight(n, 3)),
    "low_rank": lambda n: Formula(lambda x, v, w: F.linear(x, v @ w), weight(4, 2), weight(2, n)),
    "low_rank_added": lambda n: Formula(
        lambda x, w, b, a: F.linear(x, w + 0.5 * (b @ a)), weight(4, n), weight(4, 2), weight(2, n)
    ),
    "rows_scaled": lambda n: Formula(lambda x, w, g: F.linear(x, g[:, None] * w), weight(4, n), weight(4)),
    "columns_scaled": lambda n: Formula(lambda x, w, g: F.linear(x, w * g), weight(4, n), weight(n)),
    "scaled": lambda n: Formula(lambda x, w, s: F.linear(x, s * w / n**0.5), weight(4, n), weight(1)),
    "masked": lambda n: Formula(lambda x, w: F.linear(x, w.tril()), weight(n, n)),
    "softmax": lambda n: Formula(lambda x, w: F.linear(x, w.softmax(-1)), weight(4, n)),
    "standardised": lambda n: Formula(
        lambda x, w: F.linear(x, (w - w.mean(1, True)) / (w.std(1, keepdim=True, correction=0) + 0.1)), weight(4, n)
    ),
    "viewed": lambda n: Formula(lambda x, w: F.linear(x, w.view(3, n)), weight(3 * n)),
    "cut_from_one_vector": lambda n: Formula(
        lambda x, w: F.linear(x, w[: 3 * n].view(3, n), w[3 * n :]).tanh(), weight(3 * n + 3)
    ),
    "indexed": lambda n: Formula(lambda x, w: F.linear(x, w[[2, 0, 3]]), weight(4, n)),
    "one_of_several": lambda n: Formula(lambda x, w: F.linear(F.linear(x, w[0]), w[1]), weight(2, n, n)),
    "outer_product": lambda n: Formula(lambda x, v, w: F.linear(x, v[:, None] * w[None]), weight(3), weight(n)),
    "summed": lambda n: Formula(lambda x, v, w: F.linear(x, v + w), weight(4, n), weight(4, n)),
    "averaged_over_copies": lambda n: Formula(lambda x, w: F.linear(x, w.mean(0)), weight(3, 4, n)),
    "absolute": lambda n: Formula(lambda x, w: F.linear(x, w.abs()), weight(4, n)),
    "by_a_network": lambda n: Formula(
        lambda x, f, z: F.linear(x, f(z).view(3, n)),
        nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3 * n)),
        weight(2),
    ),
    "repeated": lambda n: Formula(lambda x, w: F.linear(x, w.repeat(2, 1)), weight(2, n)),
    "bias_of_two": lambda n: Formula(lambda x, w, a, b: F.linear(x, w, a + b), weight(3, n), weight(3), weight(3)),
    "negative_bias": lambda n: Formula(lambda x, w, a: F.linear(x, w, -a), weight(3, n), weight(3)),
    "fixed_buffer": lambda n: Formula(lambda x, w: F.linear(x, w()), Numbers(3, n, saved=True)),
    "expanded_bias": lambda n: Formula(lambda x, w, a: F.linear(x, w) + a.expand(3), weight(3, n), weight(1)),
}


@register(units_last=True, form=tuple(MADE))
def made_weights(at: Place, form: str) -> nn.Module:
    return MADE[form](at.width)


SHARED = {
    "transposed": lambda n: Formula(
        lambda x, w, b: F.linear(torch.tanh(F.linear(x, w, b)), w.t()), weight(4, n), weight(4)
    ),
    "twice": lambda n: Formula(lambda x, f: torch.tanh(f(torch.tanh(f(x)))), square(n)),
    "in_two_branches": lambda n: Formula(lambda x, f: f(x.relu()) * f(x.tanh()), nn.Linear(n, 3)),
    "bias_alone": lambda n: Formula(
        lambda x, v, w, b: F.linear(torch.relu(F.linear(x, v, b)), w, b), weight(3, n), weight(3, 3), weight(3)
    ),
    "both_ways": lambda n: Formula(lambda x, w: F.linear(x, w) + F.linear(x, w.t()), weight(n, n)),
    "gram": lambda n: Formula(lambda x, w: F.linear(x, w @ w.t()), weight(n, 3)),
    "codebook": lambda n: Formula(lambda x, c: F.linear(x, c).softmax(-1) @ c, weight(5, n)),
    "norm": lambda n: Formula(lambda x, f, norm, g: g(norm(f(norm(x)).relu())), square(n), nn.LayerNorm(n), square(n)),
}


@register(units_last=True, form=tuple(SHARED))
def shared_weights(at: Place, form: str) -> nn.Module:
    return SHARED[form](at.width)


@register(body=BODY, between=("relu", "tanh", "identity"))
def applied_twice(at: Place, body: Steps, between: str) -> nn.Module:
    return Formula(lambda x, body: body(ACTIVATIONS[between](body(x))), body_of(body, at))


NESTED = {
    "checkpoint": lambda body, x: checkpoint(body, x, use_reentrant=False),
    "with_gradients": lambda body, x: torch.enable_grad()(body)(x),
    "without_gradients": lambda body, x: torch.no_grad()(body)(x),
    "for_each_sample": lambda body, x: torch.vmap(lambda one: body(one[None])[0])(x),
    "loop_over_samples": lambda body, x: torch.cat([body(one) for one in x.split(1)]),
}


@register(form=tuple(NESTED), first=("relu", "tanh", "sin"))
def nested(at: Place, form: str, first: str) -> nn.Module:
    """Two layers, called in an unusual way."""
    body = nn.Sequential(affine(at, 3), Formula(ACTIVATIONS[first]), affine(Place(at.kind, 3, at.size), at.width))
    return Formula(lambda x, body: NESTED[form](body, x), body)
