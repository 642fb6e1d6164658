"""Steps of random networks: units with two axes, heads and units, that are changed and joined."""

import torch
import torch.nn.functional as F
from recipes import IMAGE, TOKENS, Formula, Place, register, weight
from torch import Tensor, nn

CHANGES = {
    "none": lambda x, w: x,
    "gain_of_units": lambda x, w: x * w[0],
    "gain_of_heads": lambda x, w: x * w[:, :1, None],
    "gain_of_both": lambda x, w: x * w[:, None],
    "bias": lambda x, w: x + w[:, None],
    "constant_of_heads": lambda x, w: x * torch.arange(1, 3).to(x.dtype)[:, None, None],
    "constant_of_units": lambda x, w: x * torch.arange(1, 3).to(x.dtype),
    "relu": lambda x, w: torch.relu(x),
    "tanh": lambda x, w: torch.tanh(x),
    "units_flipped": lambda x, w: x.flip(-1),
    "heads_flipped": lambda x, w: x.flip(1),
    "heads_added": lambda x, w: x + x.flip(1),
    "first_head_only": lambda x, w: x[:, :1].expand_as(x),
    "mean_of_heads": lambda x, w: x + x.mean(1, keepdim=True),
    "one_unit": lambda x, w: torch.cat((x[..., :1], torch.zeros_like(x[..., :1])), -1),
    "one_head_by_tanh": lambda x, w: torch.cat((x[:, :1], x[:, 1:].tanh()), 1),
    "softmax": lambda x, w: x.softmax(-1),
    "normalised": lambda x, w: F.layer_norm(x, (2,)),
    "unit_length": lambda x, w: F.normalize(x, dim=-1),
    "matrix": lambda x, w: x @ w,
    "heads_mixed": lambda x, w: torch.einsum("bhtd,gh->bgtd", x, w),
    "tokens_centered": lambda x, w: x - x.mean(2, keepdim=True),
    "one_token_first": lambda x, w: torch.cat((w[:, None].expand(len(x), -1, -1, -1), x[:, :, 1:]), 2),
    "squared": lambda x, w: x * x,
    "heads_for_units": lambda x, w: x.transpose(1, 3).contiguous(),
}
"""What may happen to queries, keys, values or results of two heads of two units, with a 2x2 parameter."""


@register(
    TOKENS,
    queries=tuple(CHANGES),
    keys=tuple(CHANGES),
    values=tuple(CHANGES),
    results=tuple(CHANGES),
    scores=("softmax", "none", "relu"),
    fused=(False, True),
)
def changed_attention(
    at: Place, queries: str, keys: str, values: str, results: str, scores: str, fused: bool
) -> nn.Module:
    """Attention of two heads with a change of each of its parts."""
    kinds, n = (queries, keys, values, results), at.width
    score = {"softmax": lambda a: a.softmax(-1), "none": lambda a: a, "relu": torch.relu}[scores]

    def forward(x: Tensor, out: nn.Module, *parts: nn.Module | Tensor) -> Tensor:
        weights, maps = parts[:4], parts[4:]
        rows = maps[0](x).chunk(3, -1) if fused else [f(x) for f in maps]
        rows = [row.unflatten(-1, (2, 2)).transpose(1, 2) for row in rows]
        q, k, v = (CHANGES[kind](row, w) for kind, row, w in zip(kinds, rows, weights[:3], strict=False))
        return out(CHANGES[results](score(q @ k.mT) @ v, weights[3]).transpose(1, 2).flatten(2))

    maps = [nn.Linear(n, 12)] if fused else [nn.Linear(n, 4) for _ in range(3)]
    return Formula(forward, nn.Linear(4, n), *(weight(2, 2) for _ in range(4)), *maps)


JOINED = {
    "first": lambda a, b, w: a,
    "sum": lambda a, b, w: a + b,
    "product": lambda a, b, w: a * b,
    "concatenated_units": lambda a, b, w: torch.cat((a, b), -1),
    "concatenated_heads": lambda a, b, w: torch.cat((a, b), 1),
    "dot": lambda a, b, w: (a * b).sum(-1, keepdim=True) + a,
    "dots_of_heads": lambda a, b, w: torch.einsum("nhtd,ngtd->nhg", a, b),
    "outer": lambda a, b, w: torch.einsum("nhtd,nhte->nhde", a, b),
    "outer_over_heads": lambda a, b, w: torch.einsum("nhtd,nhte->nde", a, b),
    "matrix_of_heads": lambda a, b, w: torch.einsum("nhtd,hgd->nhtg", a, w) + b,
    "matrix_across_heads": lambda a, b, w: torch.einsum("nhtd,hdg->ntg", a, w),
    "one_matrix": lambda a, b, w: F.linear(a, w[0]) * F.linear(b, w[1]),
    "mixed_heads": lambda a, b, w: torch.einsum("nhtd,hg->ngtd", a, w[0]) + b,
    "gate": lambda a, b, w: F.glu(torch.cat((a, b), -1), -1),
    "crossed": lambda a, b, w: torch.cat((a[:, :1] * b[:, 1:], a[:, 1:] + b[:, :1]), 1),
    "softmax_mean": lambda a, b, w: (a.softmax(1) * b).sum(1),
}
"""What may become of two tensors ``[n, heads, 1, units]``, with a 2x2x2 parameter."""


@register(units_last=True, first=tuple(CHANGES), second=tuple(CHANGES), joined=tuple(JOINED), fused=(False, True))
def changed_heads(at: Place, first: str, second: str, joined: str, fused: bool) -> nn.Module:
    """Two times two heads of two units, changed and joined, and a layer that reads all."""

    def join(x: Tensor, w: Tensor, v: Tensor, u: Tensor, *maps: nn.Module) -> Tensor:
        rows = maps[0](x).chunk(2, -1) if fused else [f(x) for f in maps]
        a, b = (row.reshape(-1, 2, 1, 2) for row in rows)
        y = JOINED[joined](CHANGES[first](a, w), CHANGES[second](b, v), u)
        return y.reshape(*x.shape[:-1], -1)

    maps = [nn.Linear(at.width, 8)] if fused else [nn.Linear(at.width, 4) for _ in range(2)]
    return Formula(join, weight(2, 2), weight(2, 2), weight(2, 2, 2), *maps)


READERS = {
    "grouped": lambda: nn.Conv2d(4, 4, 3, padding=1, groups=2),
    "group_norm": lambda: nn.GroupNorm(2, 4),
    "depthwise": lambda: nn.Conv2d(4, 8, 1, groups=4),
    "transposed": lambda: nn.ConvTranspose2d(4, 4, 1, groups=2),
    "shuffled": lambda: nn.Sequential(nn.ChannelShuffle(2), nn.Conv2d(4, 4, 1, groups=2)),
    "all": lambda: nn.Conv2d(4, 4, 1),
}


@register(IMAGE, change=tuple(CHANGES), reader=tuple(READERS), last=tuple(READERS), groups=(1, 2))
def changed_groups(at: Place, change: str, reader: str, last: str, groups: int) -> nn.Module:
    """Two groups of two channels, changed, and layers that read them in groups."""

    def forward(x: Tensor, w: Tensor, before: nn.Module, middle: nn.Module, after: nn.Module) -> Tensor:
        x = before(x).unflatten(1, (2, 2)).flatten(3).transpose(2, 3)
        x = CHANGES[change](x, w).transpose(2, 3).flatten(1, 2).unflatten(2, (at.size, at.size))
        return after(torch.tanh(middle(x))[:, :4])

    before = nn.Sequential(nn.Conv2d(at.width, 4, 1), nn.Conv2d(4, 4, 1, groups=groups))
    return Formula(forward, weight(2, 2), before, READERS[reader](), READERS[last]())
