"""Steps of random networks: reductions, constants, and numbers for each unit or position."""

import torch
import torch.nn.functional as F
from recipes import IMAGE, TOKENS, Formula, Place, affine, register, weight
from torch import nn

from random_steps.parameters import Numbers

REDUCED = {
    "mean_added": lambda x, d: x + x.mean(d, keepdim=True),
    "sum_multiplied": lambda x, d: x * x.sum(d, keepdim=True),
    "maximum_subtracted": lambda x, d: x - x.amax(d, keepdim=True),
    "sum_of_squares": lambda x, d: x.square().sum(d, keepdim=True),
    "log_sum_exp": lambda x, d: torch.cat((x, x.logsumexp(d, keepdim=True)), d),
    "two_moments": lambda x, d: torch.cat((x.mean(d, keepdim=True), x.var(d, keepdim=True, correction=0)), d),
    "median": lambda x, d: x - x.median(d, keepdim=True)[0],
    "largest_and_smallest": lambda x, d: torch.cat((x.amax(d, keepdim=True), x.min(d, keepdim=True)[0]), d),
    "product": lambda x, d: x.prod(d, keepdim=True),
    "running_sum": lambda x, d: x.cumsum(d),
    "running_maximum": lambda x, d: x.cummax(d)[0],
    "fourier": lambda x, d: torch.fft.fft(x, dim=d).real,
    "with_itself": lambda x, d: x * (x * x.tanh()).sum(d, keepdim=True),
    "only_largest": lambda x, d: x * (x >= x.amax(d, keepdim=True)),
    "with_its_gram_matrix": lambda x, d: torch.einsum("bi...,bj...,bj...->bi...", x, x, x) if d == 1 else x,
}


@register(form=tuple(REDUCED))
def reduced(at: Place, form: str) -> nn.Module:
    """A reduction over the units, and what follows from it."""
    return Formula(lambda x: REDUCED[form](x, at.dim))


@register(
    IMAGE,
    TOKENS,
    form=("mean_added", "maximum_gates", "softmax", "running_sum", "standardised", "rolled", "flip", "fourier"),
)
def over_positions(at: Place, form: str) -> nn.Module:
    """Something over tokens or rows of pixels, alike for all units."""
    d = at.positions[0]
    function = {
        "mean_added": lambda x: x + x.mean(at.positions, keepdim=True),
        "maximum_gates": lambda x: x * torch.sigmoid(x.amax(at.positions, keepdim=True)),
        "softmax": lambda x: x.softmax(d),
        "running_sum": lambda x: x.cumsum(d),
        "standardised": lambda x: (x - x.mean(d, keepdim=True)) / (x.std(d, keepdim=True, correction=0) + 0.1),
        "fourier": lambda x: torch.fft.fft(x, dim=d).real,
        "rolled": lambda x: torch.cat((x, x.roll(1, d)), at.dim),
        "flip": lambda x: x + x.flip(d).tanh(),
    }[form]
    return Formula(function)


SCALARS = {
    "times": lambda x, s: 0.5 * x,
    "plus": lambda x, s: x + 1,
    "minus": lambda x, s: 1 - x,
    "quotient": lambda x, s: x / 3.0,
    "parameter_times": lambda x, s: s * x,
    "parameter_plus": lambda x, s: x + s,
    "parameter_quotient": lambda x, s: x / s,
    "parameter_both": lambda x, s: s * x + s,
    "temperature": lambda x, s: torch.tanh(x * s.exp()),
    "power": lambda x, s: (x.abs() + 0.1) ** s,
    "dropout": lambda x, s: F.dropout(x, 0.5, training=False),
    "detached_clone": lambda x, s: x.detach().clone().contiguous(),
    "cast": lambda x, s: x.type_as(s),
    "zero": lambda x, s: x + 0 * s,
}


@register(form=tuple(SCALARS), shape=((), (1,)))
def scalar(at: Place, form: str, shape: tuple[int, ...]) -> nn.Module:
    return Formula(lambda x, s: SCALARS[form](x, s), weight(*shape))


VECTORS = {
    "gain": lambda n: Formula(lambda x, g: x * g, weight(n)),
    "bias": lambda n: Formula(lambda x, b: x + b, weight(n)),
    "minus_bias": lambda n: Formula(lambda x, b: x - b, weight(n)),
    "minus_input": lambda n: Formula(lambda x, b: b - x, weight(n)),
    "quotient": lambda n: Formula(lambda x, g: x / (g * g + 1), weight(n)),
    "divided": lambda n: Formula(lambda x, g: g / (x * x + 1), weight(n)),
    "gain_and_bias": lambda n: Formula(lambda x, g, b: torch.addcmul(b, x, g), weight(n), weight(n)),
    "same_gain_and_bias": lambda n: Formula(lambda x, g: x * g + g, weight(n)),
    "beta": lambda n: Formula(lambda x, b: x * torch.sigmoid(b * x), weight(n)),
    "frequencies": lambda n: Formula(lambda x, w: torch.sin(w * x), weight(n)),
    "exponential_gain": lambda n: Formula(lambda x, g: x * g.exp(), weight(n)),
    "slopes": lambda n: Formula(lambda x, a: torch.where(x > 0, x, a * x), weight(n)),
    "threshold": lambda n: Formula(lambda x, t: torch.relu(x - t) + t, weight(n)),
    "dynamic_tanh": lambda n: Formula(lambda x, a, g, b: torch.tanh(a * x) * g + b, weight(1), weight(n), weight(n)),
    "half_of_a_vector": lambda n: Formula(lambda x, g: x * g[:n] + g[n:], weight(2 * n)),
    "rotated_pairs": lambda n: Formula(lambda x, g: x * g.cos() + x.flip(-1) * g.sin(), weight(n)),
    "interpolated": lambda n: Formula(lambda x, g: g * x + (1 - g) * x.tanh(), weight(n)),
    "constant_positions": lambda n: Formula(lambda x: x + torch.arange(n).to(x.dtype)),
    "constant_gains": lambda n: Formula(lambda x: x * torch.linspace(1, 2, n, dtype=x.dtype)),
    "equal_gains": lambda n: Formula(lambda x: x * torch.full((n,), 2.0, dtype=x.dtype)),
    "alternating_mask": lambda n: Formula(lambda x: x * (torch.arange(n) % 2).to(x.dtype)),
    "one_hot_added": lambda n: Formula(lambda x: x + F.one_hot(torch.tensor(0), n).to(x.dtype)),
    "maximum": lambda n: Formula(torch.maximum, weight(n)),
    "concatenated": lambda n: Formula(lambda x, b: torch.cat((x, b.expand(*x.shape[:-1], 2)), -1), weight(2)),
}


@register(units_last=True, form=tuple(VECTORS))
def vector(at: Place, form: str) -> nn.Module:
    """Numbers for each unit: parameters, or constants."""
    return VECTORS[form](at.width)


@register(
    IMAGE, TOKENS, form=("added", "multiplied", "for_each_position", "for_each_unit", "table", "buffer", "sinusoids")
)
def positions(at: Place, form: str) -> nn.Module:
    """Numbers for each unit at each position."""
    shape = at.shape[1:]
    one = tuple(n if axis in at.positions else 1 for axis, n in enumerate(at.shape))[1:]
    unit = tuple(1 if axis in at.positions else n for axis, n in enumerate(at.shape))[1:]
    if form == "table" and at.kind == TOKENS:
        table = nn.Embedding(at.size, at.width)
        return Formula(lambda x, table: x + table(torch.arange(at.size)), table)
    if form == "buffer":
        return Formula(lambda x, b: x + b(), Numbers(*shape))
    if form == "sinusoids":
        return Formula(lambda x: x + torch.arange(shape[0]).to(x.dtype).view(-1, *[1] * (len(shape) - 1)).sin())
    functions = {
        "added": (lambda x, p: x + p, weight(*shape)),
        "multiplied": (lambda x, p: x * p, weight(*shape)),
        "for_each_position": (lambda x, p: x + p, weight(*one)),
        "for_each_unit": (lambda x, p: x + p, weight(*unit)),
    }
    return Formula(*functions.get(form, functions["added"]))


@register(TOKENS, form=("class", "registers", "first_dropped"))
def extra_tokens(at: Place, form: str) -> nn.Module:
    """A learned token before the others, through a layer, or the same as the others' last."""
    if form == "first_dropped":
        return Formula(lambda x, f: torch.cat((f(x)[:, 1:], x[:, :1]), 1), affine(at))
    many = 1 if form == "class" else 2
    return Formula(
        lambda x, t, f: f(torch.cat((t.expand(len(x), -1, -1), x), 1))[:, -at.size :],
        *(weight(1, many, at.width), _over_tokens(at.width)),
    )


def _over_tokens(n: int) -> nn.Module:
    return Formula(lambda x, f: x + torch.relu(f(x)).mean(1, keepdim=True), nn.Linear(n, n))
