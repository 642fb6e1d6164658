"""Steps of random networks: other shapes, and from images to tokens to vectors."""

import torch
import torch.nn.functional as F
from recipes import IMAGE, SAME, TOKENS, VECTOR, Formula, Place, affine, register, units_first, weight
from torch import Tensor, nn

RESHAPED = {
    "heads": lambda n: Formula(
        lambda x, f, g: g(f(x).unflatten(-1, (2, 3))).flatten(-2), nn.Linear(n, 6), nn.Linear(3, 2)
    ),
    "heads_viewed": lambda n: Formula(
        lambda x, f, g: g(torch.tanh(f(x).view(*x.shape[:-1], 3, 2).transpose(-1, -2))).reshape(*x.shape[:-1], -1),
        *(nn.Linear(n, 6), nn.Linear(3, 2)),
    ),
    "norm_of_heads": lambda n: Formula(
        lambda x, f, g: g(f(x).unflatten(-1, (2, 3))).flatten(-2), nn.Linear(n, 6), nn.LayerNorm(3)
    ),
    "softmax_of_heads": lambda n: Formula(
        lambda x, f: f(x).unflatten(-1, (2, 3)).softmax(-1).flatten(-2), nn.Linear(n, 6)
    ),
    "softmax_across_heads": lambda n: Formula(
        lambda x, f: f(x).unflatten(-1, (2, 3)).softmax(-2).flatten(-2), nn.Linear(n, 6)
    ),
    "maxout": lambda n: Formula(lambda x, f: f(x).unflatten(-1, (3, 2)).amax(-1), nn.Linear(n, 6)),
    "maxout_strided": lambda n: Formula(lambda x, f: f(x).view(*x.shape[:-1], 2, 3).amax(-2), nn.Linear(n, 6)),
    "halves_added": lambda n: Formula(lambda x, f: f(x).unflatten(-1, (2, 3)).sum(-2), nn.Linear(n, 6)),
    "pairs_averaged": lambda n: Formula(
        lambda x, f: F.avg_pool1d(f(x).view(-1, 1, 6), 2).view(*x.shape[:-1], 3), nn.Linear(n, 6)
    ),
    "gain_of_heads": lambda n: Formula(
        lambda x, f, g: (f(x).unflatten(-1, (2, 3)) * g).flatten(-2), nn.Linear(n, 6), weight(2, 1)
    ),
    "there_and_back": lambda n: Formula(
        lambda x, f: f(x).view(*x.shape[:-1], 2, 3).flatten(-2).tanh(), nn.Linear(n, 6)
    ),
    "dot_of_heads": lambda n: Formula(
        lambda x, f: (lambda q: (q @ q.transpose(-1, -2)).flatten(-2))(f(x).unflatten(-1, (2, 3))), nn.Linear(n, 6)
    ),
    "one_axis_more": lambda n: Formula(lambda x, f: f(x[..., None]).mean(-2), nn.Linear(1, 3)),
    "matrix_per_sample": lambda n: Formula(
        lambda x, f, g: (f(x).unflatten(-1, (2, 2)) @ g(x).unsqueeze(-1)).squeeze(-1), nn.Linear(n, 4), nn.Linear(n, 2)
    ),
}


@register(units_last=True, form=tuple(RESHAPED))
def reshaped(at: Place, form: str) -> nn.Module:
    """Units with two axes."""
    return RESHAPED[form](at.width)


@register(TOKENS, form=("linear", "perceptron", "of_transposed", "all_at_once", "constant", "cut"))
def across_tokens(at: Place, form: str) -> nn.Module:
    """Mixers of tokens."""
    t, n = at.size, at.width
    makers = {
        "linear": lambda: Formula(lambda x, f: f(x.transpose(1, 2)).transpose(1, 2), nn.Linear(t, t)),
        "perceptron": lambda: Formula(lambda x, f, g: g(F.gelu(f(x.mT))).mT, nn.Linear(t, 3), nn.Linear(3, t)),
        "of_transposed": lambda: Formula(lambda x, w: torch.einsum("btn,st->bsn", x, w), weight(t, t)),
        "all_at_once": lambda: Formula(lambda x, f: f(x.flatten(1)).view(-1, t, 2), nn.Linear(t * n, t * 2)),
        "constant": lambda: Formula(lambda x: torch.ones(t, t, dtype=x.dtype).tril() @ x),
        "cut": lambda: Formula(lambda x, f: torch.cat((f(x[:, :1]), x[:, 1:]), 1), nn.Linear(n, n)),
    }
    return makers[form]()


@register(IMAGE, form=("max", "average", "adaptive", "lp", "max_blocks", "unpooled"), to=SAME)
def pool(at: Place, form: str) -> nn.Module:
    if at.size < 2:
        return nn.Identity()
    makers = {
        "max": lambda: nn.MaxPool2d(2),
        "average": lambda: nn.AvgPool2d(3, 2, 1),
        "adaptive": lambda: nn.AdaptiveAvgPool2d(2),
        "lp": lambda: nn.LPPool2d(2, 2),
        "unpooled": lambda: Formula(lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)),
        "max_blocks": lambda: nn.AdaptiveMaxPool2d(1),
    }
    return makers[form]()


@register(TOKENS, form=("max", "average"), to=SAME)
def pool_tokens(at: Place, form: str) -> nn.Module:
    if at.size < 2:
        return nn.Identity()
    return units_first((nn.MaxPool1d if form == "max" else nn.AvgPool1d)(2))


@register(IMAGE, form=("zeros", "ones", "reflect", "cropped", "cropped_convolution"), to=SAME)
def border(at: Place, form: str) -> nn.Module:
    if at.size > 4 or at.size < 2:
        return nn.Identity()
    makers = {
        "zeros": lambda: nn.ZeroPad2d(1),
        "ones": lambda: nn.ConstantPad2d(1, 1.0),
        "reflect": lambda: nn.ReflectionPad2d(1),
        "cropped": lambda: Formula(lambda x: x[:, :, 1:, 1:]),
        "cropped_convolution": lambda: nn.Conv2d(at.width, 4, 2),
    }
    return makers[form]()


@register(IMAGE, form=("nearest", "bilinear", "bicubic", "repeated", "size", "grid"), to=SAME)
def upsample(at: Place, form: str) -> nn.Module:
    if at.size > 4:
        return nn.Identity()
    if form == "repeated":
        return Formula(lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    if form == "grid":
        return Formula(lambda x: F.grid_sample(x, _grid(x), align_corners=False))
    if form == "size":
        return nn.Upsample(size=(3, 3), mode="bilinear", align_corners=True)
    return nn.Upsample(scale_factor=2, mode=form)


def _grid(x: Tensor) -> Tensor:
    """Places between pixels, ``[batch, 3, 3, 2]``."""
    line = torch.linspace(-0.8, 0.7, 3, dtype=x.dtype)
    return torch.stack(torch.meshgrid(line, line.square(), indexing="ij"), -1).expand(len(x), 3, 3, 2)


@register(IMAGE, form=("pixel_shuffle", "pixel_unshuffle", "unfold", "patches", "strided", "slices"), to=SAME)
def rearranged(at: Place, form: str) -> nn.Module:
    """Channels to pixels and back."""
    if form == "pixel_shuffle" and at.size <= 4:
        return nn.Sequential(affine(at, 8), nn.PixelShuffle(2))
    if form == "pixel_shuffle" or at.size % 2:
        return nn.Identity()
    half = at.size // 2
    makers = {
        "pixel_unshuffle": lambda: nn.PixelUnshuffle(2),
        "unfold": lambda: Formula(lambda x: F.unfold(x, 2, stride=2).unflatten(-1, (half, half))),
        "patches": lambda: Formula(
            lambda x, f: f(
                x.unflatten(3, (half, 2)).unflatten(2, (half, 2)).permute(0, 2, 4, 1, 3, 5).flatten(3)
            ).permute(0, 3, 1, 2),
            nn.Linear(4 * at.width, 4),
        ),
        "strided": lambda: nn.Conv2d(at.width, 4, 2, 2),
        "slices": lambda: Formula(lambda x: torch.cat((x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]), 1)),
    }
    return makers[form]()


@register(IMAGE, form=("flatten_pixels", "patches", "rows"), to=TOKENS)
def to_tokens(at: Place, form: str) -> nn.Module:
    if form == "flatten_pixels" and at.size <= 4:
        return Formula(lambda x: x.flatten(2).transpose(1, 2))
    if form == "patches" and at.size % 2 == 0:
        return Formula(lambda x, f: f(x).flatten(2).transpose(1, 2), nn.Conv2d(at.width, 4, 2, 2))
    return Formula(lambda x: x.permute(0, 2, 3, 1).flatten(2))


@register(IMAGE, TOKENS, form=("flatten", "mean", "maximum", "first", "mean_and_maximum", "softmax"), to=VECTOR)
def to_vector(at: Place, form: str) -> nn.Module:
    d = at.positions
    if form == "softmax":
        return Formula(lambda x, f: (f(x).softmax(d[0]) * x).sum(d), affine(at, 1))
    if form == "flatten":
        return nn.Sequential(nn.Flatten(), nn.Linear(at.width * at.size ** len(d), 4))
    functions = {
        "mean": lambda x: x.mean(d),
        "maximum": lambda x: x.amax(d),
        "first": lambda x: x[:, 0] if len(d) == 1 else x[:, :, 0, 0],
        "mean_and_maximum": lambda x: torch.cat((x.mean(d), x.amax(d)), 1),
    }
    return Formula(functions[form])


@register(VECTOR, form=("linear", "repeated", "units", "outer"), to=TOKENS)
def from_vector(at: Place, form: str) -> nn.Module:
    """Vectors to tokens."""
    makers = {
        "linear": lambda: Formula(lambda x, f: f(x).view(-1, 3, 4), nn.Linear(at.width, 12)),
        "repeated": lambda: Formula(lambda x, p: x[:, None] + p, weight(3, at.width)),
        "units": lambda: Formula(lambda x, f: f(x[..., None]), nn.Linear(1, 4)),
        "outer": lambda: Formula(lambda x, p: torch.relu(x[..., None] * p), weight(at.width, 3)),
    }
    return makers[form]()
