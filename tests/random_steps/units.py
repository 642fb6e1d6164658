"""Steps of random networks: some of the units, or all in another order."""

from collections.abc import Callable

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
    register,
)
from torch import Tensor, nn

from random_steps.activations import ACTIVATIONS


@register(
    form=("chunk", "split", "slices", "tensor_split", "unbind"),
    first=("relu", "tanh", "identity"),
    second=("sin", "gelu", "identity"),
    joined=("cat", "swapped", "interleaved", "product", "sum"),
)
def split(at: Place, form: str, first: str, second: str, joined: str) -> nn.Module:
    """An even number of units in halves, each with its own activation, together again."""
    d, half = at.dim, -(-at.width // 2)
    cut = {
        "chunk": lambda x: x.chunk(2, d),
        "split": lambda x: x.split([half, half], d),
        "slices": lambda x: (x.narrow(d, 0, half), x.narrow(d, half, half)),
        "tensor_split": lambda x: x.tensor_split(2, d),
        "unbind": lambda x: x.unflatten(d, (2, half)).unbind(d if d > 0 else -2),
    }[form]
    join = {
        "cat": lambda a, b: torch.cat((a, b), d),
        "swapped": lambda a, b: torch.cat((b, a), d),
        "interleaved": lambda a, b: torch.stack((a, b), d + 1 if d > 0 else -1).flatten(
            d if d > 0 else -2, 2 if d > 0 else -1
        ),
        "product": lambda a, b: torch.cat((a * b, a), d),
        "sum": lambda a, b: torch.cat((a + b, b), d),
    }[joined]
    fit = nn.Identity() if at.width % 2 == 0 else affine(at, 2 * half)
    a, b = ACTIVATIONS[first], ACTIVATIONS[second]
    return Formula(lambda x, fit: (lambda u, v: join(a(u), b(v)))(*cut(fit(x))), fit)


@register(body=BODY, kept=("first", "last", "each second"))
def partial(at: Place, body: Steps, kept: str) -> nn.Module:
    """Some units go through a body, the others around it."""
    if at.width < 2:
        return nn.Identity()
    d, k = at.dim, at.width // 2
    inner = Place(at.kind, at.width - k, at.size)

    def forward(x: Tensor, body: nn.Module) -> Tensor:
        if kept == "each second":
            x = x.movedim(d, -1)
            x = torch.cat((x[..., ::2], x[..., 1::2]), -1).movedim(-1, d)
        a, b = x.split([k, at.width - k] if kept != "last" else [at.width - k, k], d)
        return torch.cat((a, body(b)) if kept != "last" else (body(a), b), d)

    return Formula(forward, body_of(body, inner))


def _assigned(x: Tensor, change: Callable[[Tensor], object]) -> Tensor:
    """A copy that was changed in place."""
    y = x.clone()
    change(y)
    return y


TAKEN = {
    "first": lambda x: x[..., : max(x.shape[-1] // 2, 1)],
    "last": lambda x: x[..., x.shape[-1] // 2 :],
    "all_but_one": lambda x: x[..., 1:] if x.shape[-1] > 1 else x,
    "each_second": lambda x: x[..., ::2],
    "listed": lambda x: x[..., [x.shape[-1] - 1, 0]],
    "one_unit": lambda x: x[..., 0].unsqueeze(-1),
    "one_unit_added": lambda x: x + x[..., :1],
    "one_unit_multiplied": lambda x: x[..., 1:] * x[..., :1] if x.shape[-1] > 1 else x,
    "index_select": lambda x: x.index_select(-1, torch.arange(x.shape[-1] - 1, -1, -1)),
    "overlapping": lambda x: torch.cat((x[..., :2], x[..., -2:]), -1),
    "neighbours_added": lambda x: x[..., :-1] + x[..., 1:] if x.shape[-1] > 1 else x,
    "windows": lambda x: x.unfold(-1, 2, 1).amax(-1) if x.shape[-1] > 1 else x,
    "padded": lambda x: F.pad(x, (1, 2)),
    "padded_by_one": lambda x: F.pad(x, (0, 1), value=1.0),
    "first_zeroed": lambda x: torch.cat((torch.zeros_like(x[..., :1]), x[..., 1:]), -1),
    "assigned": lambda x: x.clone().index_fill(-1, torch.tensor([0]), 0.5),
    "slice_assigned": lambda x: _assigned(x, lambda y: y[..., :1].mul_(2)),
    "slice_replaced": lambda x: _assigned(x, lambda y: y[..., 1:].copy_(y[..., :1].tanh().expand_as(y[..., 1:]))),
    "one_unit_replaced": lambda x: _assigned(x, lambda y: y.select(-1, 0).zero_()),
    "half_activated_in_place": lambda x: _assigned(x, lambda y: y[..., ::2].relu_()),
    "scattered": lambda x: torch.zeros_like(x).scatter(-1, torch.zeros_like(x[..., :1]).long(), x[..., -1:]) + x,
    "gathered": lambda x: x.gather(-1, x.argmax(-1, keepdim=True)) + x,
    "in_order_of_size": lambda x: x.gather(-1, x.argsort(-1)),
    "diagonal_matrix": lambda x: torch.diag_embed(x).sum(-1).tanh(),
    "flipped": lambda x: x.flip(-1),
    "rolled": lambda x: x.roll(1, -1),
    "sorted": lambda x: x.sort(-1)[0],
    "top": lambda x: x.topk(min(2, x.shape[-1]), -1)[0],
    "repeated": lambda x: torch.cat((x, x), -1),
    "tiled": lambda x: x.repeat(*[1] * (x.dim() - 1), 2),
    "interleaved": lambda x: x.repeat_interleave(2, -1),
    "expanded": lambda x: x.unsqueeze(-1).expand(*x.shape, 2).flatten(-2),
    "expanded_first": lambda x: x.unsqueeze(-2).expand(*x.shape[:-1], 2, x.shape[-1]).flatten(-2),
    "stacked_with_sine": lambda x: torch.stack((x, x.sin()), -1).flatten(-2),
    "permuted_by_a_matrix": lambda x: x @ torch.eye(x.shape[-1], dtype=x.dtype).flip(0),
    "mixed_by_a_constant": lambda x: x @ torch.linspace(-1, 1, x.shape[-1] ** 2).view(-1, x.shape[-1]).to(x.dtype),
}


@register(units_last=True, form=tuple(TAKEN))
def units(at: Place, form: str) -> nn.Module:
    """Some of the units, or all in another order, or several times."""
    return Formula(TAKEN[form])


@register(groups=(2, 3), form=("view", "interleave", "module"))
def channel_shuffle(at: Place, groups: int, form: str) -> nn.Module:
    width = -(-at.width // groups) * groups
    fit = nn.Identity() if width == at.width else affine(at, width)
    if form == "module" and at.kind == IMAGE:
        return nn.Sequential(fit, nn.ChannelShuffle(groups))

    def shuffle(x: Tensor, fit: nn.Module) -> Tensor:
        x = fit(x).movedim(at.dim, -1)
        if form == "interleave":
            x = torch.stack(x.chunk(groups, -1), -1).flatten(-2)
        else:
            x = x.unflatten(-1, (groups, width // groups)).transpose(-1, -2).flatten(-2)
        return x.movedim(-1, at.dim)

    return Formula(shuffle, fit)
