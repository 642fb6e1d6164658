"""Steps of random networks: sums, products and gates of several branches."""

from typing import Any

import torch
import torch.nn.functional as F
from recipes import (
    BODY,
    IMAGE,
    Formula,
    Place,
    Steps,
    affine,
    body_of,
    chain,
    register,
    weight,
)
from torch import Tensor, nn

RESIDUAL = {
    "plain": lambda x, y, s: x + y,
    "half": lambda x, y, s: x + 0.5 * y,
    "minus": lambda x, y, s: x - y,
    "scaled": lambda x, y, s: x + s * y,
    "after": lambda x, y, s: torch.relu(x + y),
    "alpha": lambda x, y, s: torch.add(x, y, alpha=0.3),
    "interpolated": lambda x, y, s: torch.lerp(x, y, 0.3),
    "in_place": lambda x, y, s: (1 * y).add_(x),
}


@register(body=BODY, form=tuple(RESIDUAL))
def residual(at: Place, body: Steps, form: str) -> nn.Module:
    parts = (weight(1),) if form == "scaled" else ()
    return Formula(lambda x, f, *s: RESIDUAL[form](x, f(x), *(s or (None,))), body_of(body, at), *parts)


BOTH = {
    "product": lambda x, y: x * y,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": lambda x, y: torch.where(y > 0, x, y),
    "quotient": lambda x, y: x / (1 + y * y),
    "power": lambda x, y: (1.5 + torch.tanh(x)) ** torch.tanh(y),
    "multiply_add": lambda x, y: torch.addcmul(x, x, y, value=0.5),
    "square_difference": lambda x, y: (x - y) ** 2,
    "stacked_mean": lambda x, y: torch.stack((x, y)).mean(0),
    "stacked_maximum": lambda x, y: torch.stack((x, y), -1).amax(-1),
    "masked": lambda x, y: x.masked_fill(y > 0, 0.3),
    "log_of_sum": torch.logaddexp,
}


@register(first=BODY, second=BODY, form=tuple(BOTH))
def two_branches(at: Place, first: Steps, second: Steps, form: str) -> nn.Module:
    return Formula(lambda x, f, g: BOTH[form](f(x), g(x)), body_of(first, at, 4), body_of(second, at, 4))


@register(body=BODY, form=("gated", "tanh gate", "plain", "both ways", "highway", "unit gate"))
def multiplied(at: Place, body: Steps, form: str) -> nn.Module:
    """The input times a function of it."""
    functions = {
        "plain": lambda x, y: x * y,
        "gated": lambda x, y: x * torch.sigmoid(y),
        "tanh gate": lambda x, y: x * torch.tanh(y),
        "both ways": lambda x, y: x * y + y,
        "highway": lambda x, y: torch.sigmoid(y) * torch.tanh(y) + (1 - torch.sigmoid(y)) * x,
        "unit gate": lambda x, y: x * y.narrow(at.dim, 0, 1),
    }
    return Formula(lambda x, f: functions[form](x, f(x)), body_of(body, at))


@register(body=BODY, form=("after", "before", "dense", "constant", "shared"))
def concatenated(at: Place, body: Steps, form: str) -> nn.Module:
    functions = {
        "after": lambda x, f: (x, f(x)),
        "before": lambda x, f: (f(x), x),
        "dense": lambda x, f: (x, f(x), torch.tanh(x) * x),
        "constant": lambda x, f: (f(x), torch.ones_like(x.narrow(at.dim, 0, 1))),
        "shared": lambda x, f: (f(x), f(torch.relu(x))),
    }
    return Formula(lambda x, f: torch.cat(functions[form](x, f), at.dim), chain(body, at)[0])


GATES = ("glu", "swiglu", "sigmoid", "squeeze_excite", "squeeze_relu", "film", "lstm", "minimal", "swapped")


@register(form=GATES, bias=(True, False))
def gate(at: Place, form: str, bias: bool) -> nn.Module:
    d, n, m = at.dim, at.width, (2 * at.width if at.kind == IMAGE else 4)
    sigmoid, positions = torch.sigmoid, at.positions
    squeeze = (lambda x: x.mean(positions, keepdim=True)) if positions else (lambda x: x)

    def to(outputs: int, inputs: int = n) -> nn.Module:
        return affine(Place(at.kind, inputs), outputs, bias)

    makers: dict[str, Any] = {
        "glu": lambda: Formula(lambda x, f: F.glu(f(x), d), to(2 * m)),
        "swiglu": lambda: Formula(lambda x, f, g, h: h(F.silu(f(x)) * g(x)), to(m), to(m), to(n, m)),
        "sigmoid": lambda: Formula(lambda x, f: x * sigmoid(f(x)), to(n)),
        "squeeze_excite": lambda: Formula(lambda x, f, g: x * sigmoid(g(torch.relu(f(squeeze(x))))), to(2), to(n, 2)),
        "squeeze_relu": lambda: Formula(lambda x, f, g: x * torch.relu(g(f(squeeze(x)))), to(2), to(n, 2)),
        "film": lambda: Formula(
            lambda x, f: (lambda a, b: x * (1 + a) + b)(*f(squeeze(x).tanh()).chunk(2, d)), to(2 * n)
        ),
        "lstm": lambda: Formula(
            lambda x, f: (lambda i, g, o: sigmoid(o) * torch.tanh(sigmoid(i) * torch.tanh(g)))(*f(x).split(m, d)),
            to(3 * m),
        ),
        "minimal": lambda: Formula(lambda x, f, g: (1 - sigmoid(g(x))) * f(x) + sigmoid(g(x)) * x, to(n), to(n)),
        "swapped": lambda: Formula(lambda x, f: (lambda a, b: b * torch.tanh(a))(*f(x).chunk(2, d)), to(2 * m)),
    }
    return makers[form]()


PIECES = {
    "product": lambda x: x.prod(-1),
    "tanh": lambda x: torch.tanh(x).prod(-1),
    "after": lambda x: torch.relu(x.prod(-1)),
    "bounded": lambda x: torch.tanh(x.prod(-1)),
    "written_out": lambda x: x[..., 1] * x[..., 0] * x[..., -1] if x.shape[-1] > 2 else x[..., 0] * x[..., 1],
    "normalised": lambda x: (x / (1 + x.prod(-1, keepdim=True).abs())).sum(-1),
    "norm_behind": lambda x: F.normalize(x.prod(-1), dim=-1, eps=1e-3),
    "sum_behind": lambda x: x.prod(-1) - x.prod(-1).mean(-1, keepdim=True),
    "told_apart": lambda x: x.prod(-1) + x[..., 0],
    "maximum": lambda x: x.amax(-1) * x.amin(-1),
}


@register(count=(2, 3), form=tuple(PIECES), bias=(True, False))
def pieces(at: Place, count: int, form: str, bias: bool) -> nn.Module:
    """Pieces of one value that are multiplied, unit by unit."""
    return Formula(
        lambda x, f: PIECES[form](f(x).movedim(at.dim, -1).unflatten(-1, (count, 4)).mT).movedim(-1, at.dim),
        affine(at, 4 * count, bias),
    )


@register(experts=(2, 3), form=("stacked", "loop", "one tensor", "hard"), tied=(False, True))
def mixture(at: Place, experts: int, form: str, tied: bool) -> nn.Module:
    """Experts, weighted by a softmax; with the same second layer for all if tied."""
    units_last = Formula(lambda x: x.movedim(at.dim, -1))
    back = Formula(lambda x: x.movedim(-1, at.dim))
    n, router = at.width, nn.Linear(at.width, experts)
    if form == "one tensor":
        body = Formula(
            lambda x, r, v, w: torch.einsum(
                "...e,...eo->...o", r(x).softmax(-1), torch.einsum("...i,eio->...eo", x, v).relu() @ w
            ),
            *(router, weight(experts, n, 3), weight(3, 4)),
        )
        return nn.Sequential(units_last, body, back)
    last = nn.Linear(3, 4)
    nets = [nn.Sequential(nn.Linear(n, 3), nn.Tanh(), last if tied else nn.Linear(3, 4)) for _ in range(experts)]

    def mix(x: Tensor, r: nn.Module, *nets: nn.Module) -> Tensor:
        p = r(x).softmax(-1)
        if form == "stacked":
            return (torch.stack([f(x) for f in nets], -1) * p.unsqueeze(-2)).sum(-1)
        if form == "hard":
            p = p * (p >= p.amax(-1, keepdim=True))
        return sum(f(x) * p[..., i : i + 1] for i, f in enumerate(nets))

    return nn.Sequential(units_last, Formula(mix, router, *nets), back)
