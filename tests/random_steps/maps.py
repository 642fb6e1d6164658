"""Steps of random networks: linear maps, in modules and written out."""

import torch
import torch.nn.functional as F
from recipes import IMAGE, SAME, TOKENS, Formula, Place, affine, register, units_first, weight
from torch import nn


@register(size=(3, 4, 6, 2), bias=(True, False), kernel=(1, 3))
def linear(at: Place, size: int, bias: bool, kernel: int) -> nn.Module:
    return affine(at, size, bias, kernel)


@register(IMAGE, TOKENS, dilation=(1, 2), padding=("zeros", "circular", "reflect"), bias=(True, False))
def convolution(at: Place, dilation: int, padding: str, bias: bool) -> nn.Module:
    dilation = dilation if at.size > dilation else 1
    padding = padding if at.size > dilation else "zeros"
    make = nn.Conv2d if at.kind == IMAGE else nn.Conv1d
    body = make(at.width, 4, 3, padding=dilation, dilation=dilation, padding_mode=padding, bias=bias)
    return body if at.kind == IMAGE else units_first(body)


@register(*(IMAGE, TOKENS), groups=(2, "each", "all but one"), multiplier=(1, 2), kernel=(3, 1), bias=(True, False))
def grouped_convolution(at: Place, groups: int | str, multiplier: int, kernel: int, bias: bool) -> nn.Module:
    """Two groups, as many as there are channels, or half as many."""
    count = {2: 2, "each": at.width, "all but one": max(at.width // 2, 1)}[groups]
    inner = Place(at.kind, -(-at.width // count) * count, at.size)
    fit = nn.Identity() if inner.width == at.width else affine(at, inner.width)
    make = nn.Conv2d if at.kind == IMAGE else nn.Conv1d
    body = make(inner.width, inner.width * multiplier, kernel, padding=kernel // 2, groups=count, bias=bias)
    return nn.Sequential(fit, body if at.kind == IMAGE else units_first(body))


@register(IMAGE, TOKENS, to=SAME, stride=(2, 1), groups=(1, 2), bias=(True, False))
def transposed_convolution(at: Place, stride: int, groups: int, bias: bool) -> nn.Module:
    """Twice the pixels at stride 2, of images that are small."""
    stride = stride if at.size <= 4 else 1
    groups = groups if at.width % groups == 0 else 1
    make = nn.ConvTranspose2d if at.kind == IMAGE else nn.ConvTranspose1d
    body = make(at.width, 2 * groups, stride + 1, stride, groups=groups, bias=bias)
    return body if at.kind == IMAGE else units_first(body)


BILINEAR = {
    "module": lambda n: Formula(lambda x, f: f(x, x.flip(-1)), nn.Bilinear(n, n, 3)),
    "of_two_branches": lambda n: Formula(
        lambda x, f, g, h: h(f(x), g(x)), nn.Linear(n, 2), nn.Linear(n, 3), nn.Bilinear(2, 3, 3)
    ),
    "outer_product": lambda n: Formula(
        lambda x, f, g: (f(x)[..., :, None] * g(x)[..., None, :]).flatten(-2), nn.Linear(n, 2), nn.Linear(n, 3)
    ),
    "einsum_of_three": lambda n: Formula(
        lambda x, f, g, w: torch.einsum("...i,...j,kij->...k", f(x), g(x), w),
        *(nn.Linear(n, 2), nn.Linear(n, 3), weight(3, 2, 3)),
    ),
    "quadratic_form": lambda n: Formula(lambda x, w: torch.einsum("...i,kij,...j->...k", x, w, x), weight(3, n, n)),
}


@register(units_last=True, form=tuple(BILINEAR))
def bilinear(at: Place, form: str) -> nn.Module:
    return BILINEAR[form](at.width)


BY_HAND = {
    "einsum": lambda n: Formula(lambda x, w: torch.einsum("...i,oi->...o", x, w), weight(3, n)),
    "matmul": lambda n: Formula(lambda x, w, b: x @ w + b, weight(n, 3), weight(3)),
    "from_the_left": lambda n: Formula(lambda x, w: (w @ x.unsqueeze(-1)).squeeze(-1), weight(3, n)),
    "sum_of_products": lambda n: Formula(lambda x, w: (x.unsqueeze(-2) * w).sum(-1), weight(3, n)),
    "tensordot": lambda n: Formula(lambda x, w: torch.tensordot(x, w, dims=([-1], [1])), weight(3, n)),
    "blocks": lambda n: Formula(
        lambda x, f, w: torch.einsum("...gi,gio->...go", f(x).unflatten(-1, (2, 2)), w).flatten(-2),
        *(nn.Linear(n, 4), weight(2, 2, 3)),
    ),
    "blocks_of_matmul": lambda n: Formula(
        lambda x, f, w: (f(x).unflatten(-1, (2, 1, 2)) @ w).flatten(-3), nn.Linear(n, 4), weight(2, 2, 3)
    ),
    "three_axes": lambda n: Formula(
        lambda x, w, v: torch.einsum("...hd,hdo->...o", torch.einsum("...i,ihd->...hd", x, w).tanh(), v),
        *(weight(n, 2, 2), weight(2, 2, 3)),
    ),
    "addmm": lambda n: Formula(
        lambda x, w, b: torch.addmm(b, x.reshape(-1, n), w).reshape(*x.shape[:-1], 3), weight(n, 3), weight(3)
    ),
    "convolution_of_one_pixel": lambda n: Formula(
        lambda x, w: F.conv1d(x.reshape(-1, n, 1), w).reshape(*x.shape[:-1], 3), weight(3, n, 1)
    ),
    "distances": lambda n: Formula(lambda x, w: (x.unsqueeze(-2) - w).square().sum(-1), weight(3, n)),
    "cosines": lambda n: Formula(lambda x, w: F.linear(F.normalize(x, dim=-1), F.normalize(w, dim=-1)), weight(3, n)),
}


@register(units_last=True, form=tuple(BY_HAND))
def linear_by_hand(at: Place, form: str) -> nn.Module:
    return BY_HAND[form](at.width)
