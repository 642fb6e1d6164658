"""Steps of random networks: normalisations, in modules and written out."""

import torch
import torch.nn.functional as F
from recipes import IMAGE, TOKENS, VECTOR, Formula, Place, register, units_first
from torch import nn


def _batch_norm(at: Place, affine: bool) -> nn.Module:
    if at.kind == TOKENS:
        return units_first(nn.BatchNorm1d(at.width, affine=affine))
    return (nn.BatchNorm2d if at.kind == IMAGE else nn.BatchNorm1d)(at.width, affine=affine)


def _group_norm(at: Place, affine: bool) -> nn.Module:
    groups = 2 if at.width % 2 == 0 else 1
    norm = nn.GroupNorm(groups, at.width, affine=affine)
    return units_first(norm) if at.kind == TOKENS else norm


def _instance_norm(at: Place, affine: bool, stored: bool = False) -> nn.Module:
    if at.kind == VECTOR or at.size == 1:
        return _batch_norm(at, affine)
    make = nn.InstanceNorm2d if at.kind == IMAGE else nn.InstanceNorm1d
    norm = make(at.width, affine=affine, track_running_stats=stored)
    return norm if at.kind == IMAGE else units_first(norm)


def _over_units(norm: nn.Module, at: Place) -> nn.Module:
    return norm if at.kind != IMAGE else Formula(lambda x, f: f(x.movedim(1, -1)).movedim(-1, 1), norm)


NORMS = {
    "layer": lambda at, affine: _over_units(nn.LayerNorm(at.width, elementwise_affine=affine), at),
    "batch": _batch_norm,
    "group": _group_norm,
    "instance": _instance_norm,
    "rms": lambda at, affine: _over_units(nn.RMSNorm(at.width, elementwise_affine=affine), at),
    "layer_without_bias": lambda at, affine: _over_units(nn.LayerNorm(at.width, bias=False), at),
    "layer_of_all_axes": lambda at, affine: nn.LayerNorm(at.shape[1:], elementwise_affine=affine),
    "group_of_all": lambda at, affine: nn.GroupNorm(1, at.width) if at.kind != TOKENS else nn.LayerNorm(at.width),
    "instance_stored": lambda at, affine: _instance_norm(at, affine, stored=True),
    "batch_without_statistics": lambda at, affine: (
        nn.BatchNorm2d(at.width, affine=affine, track_running_stats=False)
        if at.kind == IMAGE
        else _batch_norm(at, affine)
    ),
    "local_response": lambda at, affine: nn.LocalResponseNorm(2) if at.kind == IMAGE else nn.LayerNorm(at.width),
}


@register(form=tuple(NORMS), affine=(True, False))
def norm(at: Place, form: str, affine: bool) -> nn.Module:
    return NORMS[form](at, affine)


NORMALISED = {
    "centered": lambda x, d: x - x.mean(d, keepdim=True),
    "standardised": lambda x, d: (x - x.mean(d, True)) / (x.var(d, keepdim=True, correction=0) + 1e-5).sqrt(),
    "by_deviation": lambda x, d: (x - x.mean(d, keepdim=True)) / (x.std(d, keepdim=True, correction=0) + 0.1),
    "normalize": lambda x, d: F.normalize(x, dim=d),
    "by_norm": lambda x, d: x / (x.norm(dim=d, keepdim=True) + 0.1),
    "rms": lambda x, d: x * torch.rsqrt(x.pow(2).mean(d, keepdim=True) + 1e-6),
    "l1": lambda x, d: x / (x.abs().sum(d, keepdim=True) + 0.1),
    "by_largest": lambda x, d: x / (x.abs().amax(d, keepdim=True) + 0.1),
    "softmax": lambda x, d: x.softmax(d),
    "log_softmax": lambda x, d: x.log_softmax(d),
    "softmax_by_hand": lambda x, d: x.exp() / x.exp().sum(d, keepdim=True),
    "softmin_with_temperature": lambda x, d: F.softmin(x / 0.7, dim=d),
    "squashed": lambda x, d: x * x.square().sum(d, True) / (1 + x.square().sum(d, True)),
}


@register(form=tuple(NORMALISED))
def normalised(at: Place, form: str) -> nn.Module:
    """A normalisation over the units, written by hand."""
    return Formula(lambda x: NORMALISED[form](x, at.dim))
