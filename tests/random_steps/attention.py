"""Steps of random networks: attention of many kinds."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from recipes import (
    TOKENS,
    Formula,
    Place,
    affine,
    register,
    square,
    weight,
)
from torch import Tensor, nn


def rotated_halves(x: Tensor) -> Tensor:
    """Rotary embeddings of the first and the second half of the last axis, ``[..., tokens, units]``."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] / 10.0 ** torch.arange(half)
    cos, sin = (f(angles).repeat(1, 2).to(x.dtype) for f in (torch.cos, torch.sin))
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


def rotated_pairs(x: Tensor) -> Tensor:
    """Rotary embeddings of neighbours along the last axis."""
    angles = torch.arange(x.shape[-2])[:, None] / 10.0 ** torch.arange(x.shape[-1] // 2)
    cos, sin = (f(angles).to(x.dtype) for f in (torch.cos, torch.sin))
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def scaled_dot_product(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def by_matmul(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.einsum("bhqk,bhkd->bhqd", torch.einsum("bhqd,bhkd->bhqk", q, k).softmax(-1), v)


def by_bmm(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    batch, heads, tokens, size = q.shape
    q, k, v = (x.reshape(batch * heads, tokens, size) for x in (q, k, v))
    return torch.bmm(torch.bmm(q, k.mT).softmax(-1), v).view(batch, heads, tokens, size)


def masked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1)
    return (q @ k.mT).masked_fill(mask, float("-inf")).softmax(-1) @ v


def with_slopes(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """A bias on the distance of tokens, of another slope for each head."""
    slopes = 2.0 ** -torch.arange(q.shape[1]).to(q.dtype)
    distance = (torch.arange(q.shape[2])[:, None] - torch.arange(k.shape[2])).abs()
    return F.scaled_dot_product_attention(q, k, v, attn_mask=-slopes[:, None, None] * distance)


def linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k = F.elu(q) + 1, F.elu(k) + 1
    return q @ (k.mT @ v) / (q @ k.sum(-2, keepdim=True).mT)


def bilinear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q @ (k.mT @ v) / k.shape[-2]


def sigmoid_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.sigmoid(q @ k.mT) @ v


def cosine_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (3 * F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT).softmax(-1) @ v


def distance_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (-(q[..., :, None, :] - k[..., None, :, :]).square().sum(-1)).softmax(-1) @ v


def value_activation(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, torch.tanh(v))


def channel_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Units attend to units."""
    return v @ (F.normalize(k, dim=-2).mT @ F.normalize(q, dim=-2)).softmax(-1)


def rotary(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(rotated_halves(q), rotated_halves(k), v)


def rotary_of_pairs(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return by_matmul(rotated_pairs(q), rotated_pairs(k), v)


SCORES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    f.__name__: f
    for f in (
        *(scaled_dot_product, by_matmul, by_einsum, by_bmm, causal, masked, with_slopes, linear_attention),
        *(bilinear_attention, sigmoid_attention, cosine_attention, distance_attention, value_activation),
        *(channel_attention, rotary, rotary_of_pairs),
    )
}
NORMS = {"none": nn.Identity, "layer": nn.LayerNorm, "rms": nn.RMSNorm}


class Attention(nn.Module):
    """Attention of heads, with as many or fewer heads of keys and values, from one projection or three."""

    def __init__(
        self, width: int, heads: int, size: int, shared: int, scores: str, fused: bool, bias: bool, norm: str
    ) -> None:
        super().__init__()
        self.heads, self.size, self.pairs = heads, size, heads // shared
        self.scores = SCORES[scores]
        self.widths = [heads * size, self.pairs * size, self.pairs * size]
        widths = [sum(self.widths)] if fused else self.widths
        self.projections = nn.ModuleList(nn.Linear(width, n, bias) for n in widths)
        self.norms = nn.ModuleList(NORMS[norm](size) for _ in range(2))
        self.out = nn.Linear(heads * size, width, bias)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if len(self.projections) == 1:
            parts = self.projections[0](x).split(self.widths, -1)
        else:
            parts = [f(x if i == 0 or context is None else context) for i, f in enumerate(self.projections)]
        q, k, v = (part.unflatten(-1, (-1, self.size)).transpose(1, 2) for part in parts)
        q, k = self.norms[0](q), self.norms[1](k)
        k, v = (part.repeat_interleave(self.heads // self.pairs, 1) for part in (k, v))
        return self.out(self.scores(q, k, v).transpose(1, 2).flatten(2))


@register(
    TOKENS,
    scores=tuple(SCORES),
    heads=(2, 1),
    size=(2, 1),
    shared=(1, 2),
    fused=(False, True),
    bias=(True, False),
    norm=("none", "layer", "rms"),
    skip=(False, True),
)
def attention(
    at: Place, scores: str, heads: int, size: int, shared: int, fused: bool, bias: bool, norm: str, skip: bool
) -> nn.Module:
    size = 2 if scores.startswith("rotary") else size
    body = Attention(at.width, heads, size, min(shared, heads), scores, fused, bias, norm)
    return Formula(lambda x, f: x + f(x), body) if skip else body


def _two_masks(x: Tensor) -> Tensor:
    """Constant scores of two heads: of all earlier tokens, and of all later ones."""
    mask = torch.ones(x.shape[1], x.shape[1], dtype=x.dtype)
    return torch.stack((mask.tril(), mask.triu()))


SPECIAL = {
    "cross": lambda n: Formula(
        lambda x, f, g: f(x, g(x.flip(1))), Attention(n, 2, 2, 1, "by_matmul", False, True, "none"), square(n)
    ),
    "latent_queries": lambda n: Formula(
        lambda x, z, f: f(z.expand(len(x), -1, -1), x),
        *(weight(1, 4, n), Attention(n, 2, 2, 1, "scaled_dot_product", False, True, "none")),
    ),
    "learned_keys": lambda n: Formula(
        lambda x, q, k, v: F.scaled_dot_product_attention(q(x), k.expand(len(x), -1, -1), v.expand(len(x), -1, -1)),
        *(nn.Linear(n, 3), weight(5, 3), weight(5, 2)),
    ),
    "one_score": lambda n: Formula(
        lambda x, f, g: (f(x).softmax(1) * g(x)).sum(1, keepdim=True) + g(x), nn.Linear(n, 1), nn.Linear(n, 3)
    ),
    "additive": lambda n: Formula(
        lambda x, q, k, v: v(torch.tanh(q(x)[:, :, None] + k(x)[:, None])).squeeze(-1).softmax(-1) @ x,
        *(nn.Linear(n, 3), nn.Linear(n, 3), nn.Linear(3, 1)),
    ),
    "without_weights": lambda n: Formula(lambda x: (x @ x.mT).softmax(-1) @ x),
    "shared_query_and_key": lambda n: Formula(
        lambda x, q, v: (q(x) @ q(x).mT).softmax(-1) @ v(x), nn.Linear(n, 3), nn.Linear(n, 2)
    ),
    "bilinear_score": lambda n: Formula(
        lambda x, w, v: torch.einsum("bqi,ij,bkj->bqk", x, w, x).softmax(-1) @ v(x), weight(n, n), nn.Linear(n, 3)
    ),
    "same_keys_and_values": lambda n: Formula(
        lambda x, q, k: (q(x) @ k(x).mT).softmax(-1) @ k(x), nn.Linear(n, 3), nn.Linear(n, 3)
    ),
    "values_around": lambda n: Formula(
        lambda x, q, k, v: (q(x) @ k(x).mT).softmax(-1) @ v(x) + v(x), nn.Linear(n, 2), nn.Linear(n, 2), nn.Linear(n, 3)
    ),
    "queries_around": lambda n: Formula(
        lambda x, q, k, v: torch.cat(((q(x) @ k(x).mT).softmax(-1) @ v(x), torch.tanh(q(x))), -1),
        *(nn.Linear(n, 2), nn.Linear(n, 2), nn.Linear(n, 3)),
    ),
    "scores_of_a_list": lambda n: Formula(
        lambda x, q, k, v, s: ((q(x) * s) @ k(x).mT).softmax(-1) @ v(x),
        *(nn.Linear(n, 3), nn.Linear(n, 3), nn.Linear(n, 2), weight(3)),
    ),
    "window": lambda n: Formula(
        lambda x, f: (lambda y: (y @ y.mT).softmax(-1) @ y)(f(x).unflatten(1, (-1, 2))).flatten(1, 2), nn.Linear(n, 3)
    ),
    "constant_scores": lambda n: Formula(
        lambda x, f, out: out((_two_masks(x) @ f(x).unflatten(-1, (2, 2)).transpose(1, 2)).transpose(1, 2).flatten(2)),
        *(nn.Linear(n, 4), nn.Linear(4, 3)),
    ),
    "talking_heads": lambda n: Formula(
        lambda x, f, mix, out: (lambda q, k, v: out((mix(q @ k.mT).softmax(-1) @ v).transpose(1, 2).flatten(2)))(
            *f(x).unflatten(-1, (3, 2, 2)).permute(2, 0, 3, 1, 4)
        ),
        *(nn.Linear(n, 12), nn.Conv2d(2, 2, 1), nn.Linear(4, n)),
    ),
    "position_bias": lambda n: Formula(
        lambda x, f, b, out: (lambda q, k, v: out(((q @ k.mT + b).softmax(-1) @ v).transpose(1, 2).flatten(2)))(
            *f(x).unflatten(-1, (3, 2, 2)).permute(2, 0, 3, 1, 4)
        ),
        *(nn.Linear(n, 12), weight(2, 1, 1), nn.Linear(4, n)),
    ),
    "gain_of_each_head": lambda n: Formula(
        lambda x, f, g, out: (lambda q, k, v: out((g * ((q @ k.mT).softmax(-1) @ v)).transpose(1, 2).flatten(2)))(
            *f(x).unflatten(-1, (2, 3, 2)).permute(3, 0, 2, 1, 4)
        ),
        *(nn.Linear(n, 12), weight(2, 1, 1), nn.Linear(4, n)),
    ),
    "output_for_each_head": lambda n: Formula(
        lambda x, wq, wk, wv, wo: torch.einsum(
            "bhqk,bhkd,hdo->bqo",
            torch.einsum("bqi,bkj,hid,hjd->bhqk", x, x, wq, wk).softmax(-1),
            torch.einsum("bki,hid->bhkd", x, wv),
            wo,
        ),
        *(weight(2, n, 2), weight(2, n, 2), weight(2, n, 2), weight(2, 2, 3)),
    ),
}


@register(TOKENS, form=tuple(SPECIAL))
def special_attention(at: Place, form: str) -> nn.Module:
    return SPECIAL[form](at.width)


@register(TOKENS, heads=(2, 1), form=("plain", "weights", "cross", "biased", "causal"), bias=(True, False))
def multihead_module(at: Place, heads: int, form: str, bias: bool) -> nn.Module:
    """``nn.MultiheadAttention``, between layers that fit."""
    n = 4
    options = {"kdim": 3, "vdim": 2} if form == "cross" else {"add_bias_kv": True} if form == "biased" else {}
    body = nn.MultiheadAttention(n, heads, bias=bias, batch_first=True, **options)
    parts = (nn.Linear(at.width, n), nn.Linear(at.width, 3 if form == "cross" else n), nn.Linear(at.width, 2))

    def forward(x: Tensor, f: nn.Module, q: nn.Module, k: nn.Module, v: nn.Module) -> Tensor:
        y = q(x)
        if form == "cross":
            return f(y, k(x), v(x), need_weights=False)[0]
        mask = torch.ones(at.size, at.size, dtype=torch.bool).triu(1) if form == "causal" else None
        out, weights = f(y, y, y, need_weights=form == "weights", attn_mask=mask)
        return out if weights is None else out + weights @ v(x).mean(-1, keepdim=True)

    return Formula(forward, body, *parts)


@register(TOKENS, norm_first=(True, False), activation=("relu", "gelu"), kind=("encoder", "decoder"))
def transformer_layer(at: Place, norm_first: bool, activation: str, kind: str) -> nn.Module:
    """PyTorch's own layers."""
    make = nn.TransformerEncoderLayer if kind == "encoder" else nn.TransformerDecoderLayer
    body = make(4, 2, 3, batch_first=True, norm_first=norm_first, activation=activation)
    if kind == "encoder":
        return Formula(lambda x, f, g: g(f(x)), affine(at, 4), body)
    return Formula(lambda x, f, g, h: g(f(x), h(x)), affine(at, 4), body, affine(at, 4))
