"""Steps of random networks: activations."""

import torch
import torch.nn.functional as F
from recipes import TOKENS, Formula, Place, register
from torch import nn

ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "sin": lambda x: torch.sin(3 * x),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "abs": torch.abs,
    "square": torch.square,
    "hardtanh": F.hardtanh,
    "identity": lambda x: x,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "elu": F.elu,
    "softplus": F.softplus,
    "relu6": F.relu6,
    "mish": F.mish,
    "cos": torch.cos,
    "erf": torch.erf,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "cube": lambda x: x**3,
    "negative": lambda x: -x,
    "gaussian": lambda x: torch.exp(-x * x),
    "snake": lambda x: x + torch.sin(2 * x) ** 2,
    "relu_squared": lambda x: F.relu(x).square(),
    "root": lambda x: x.abs().add(0.1).sqrt(),
    "signed_root": lambda x: x.sign() * x.abs().sqrt(),
    "asymmetric_clamp": lambda x: x.clamp(-1.0, 2.0),
    "clamp_min": lambda x: x.clamp(min=-0.5),
    "where": lambda x: torch.where(x > 0, x, 0.1 * x),
    "where_shifted": lambda x: torch.where(x > 0.1, x, torch.zeros_like(x)),
    "maximum_of_two_slopes": lambda x: torch.maximum(x, 0.3 * x),
    "reciprocal": lambda x: 1 / (1 + x * x),
    "swish_by_hand": lambda x: x * torch.sigmoid(x),
    "odd_polynomial": lambda x: x - x**3 / 6,
    "logit_of_sigmoid": lambda x: torch.logit(torch.sigmoid(x), eps=1e-6),
    "in_place": lambda x: (x * 2).relu_().mul_(0.5),
}


@register(function=tuple(ACTIVATIONS))
def activation(at: Place, function: str) -> nn.Module:
    return Formula(ACTIVATIONS[function])


@register(shared=(False, True))
def prelu(at: Place, shared: bool) -> nn.Module:
    if at.kind == TOKENS and not shared:
        return Formula(lambda x, f: f(x.transpose(1, 2)).transpose(1, 2), nn.PReLU(at.width))
    return nn.PReLU(1 if shared else at.width)


SEVERAL = {
    "relu_of_both_signs": lambda x, d: torch.cat((torch.relu(x), torch.relu(-x)), d),
    "sine_and_cosine": lambda x, d: torch.cat((torch.sin(x), torch.cos(x)), d),
    "powers": lambda x, d: torch.cat((x, x * x, x * x * x), d),
    "frequencies": lambda x, d: torch.cat([torch.sin(2.0**k * x) for k in range(2)], d),
    "of_one_unit_each": lambda x, d: torch.cat(
        [f(u) for f, u in zip((torch.relu, torch.tanh), x.split(1, d), strict=False)], d
    ),
}


@register(function=tuple(SEVERAL))
def several_activations(at: Place, function: str) -> nn.Module:
    return Formula(lambda x: SEVERAL[function](x, at.dim))
