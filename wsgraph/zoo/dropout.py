"""Dropout whose rate and masks are those of one network among many."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LOW = 0xFFFFFFFF  # 32 bits, inside int64


def scramble(numbers: Tensor) -> Tensor:
    """A hash of integers (the finaliser of MurmurHash3), int64 in [0, 2³²), entry by entry.

    Unlike a generator it has no state: under ``torch.func.vmap`` each network draws what it would draw alone.
    """
    x = numbers & _LOW
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & _LOW
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & _LOW
    return x ^ (x >> 16)


def step_keys(seeds: Tensor, step: int) -> Tensor:
    """The keys ``[n]`` of the masks of one step, from the seeds ``[n]`` (int64) of the networks."""
    return scramble(scramble(scramble(seeds) + (seeds >> 32)) + 0x9E3779B9 * (step + 1))


class KeyedDropout(nn.Module):
    """``nn.Dropout``, whose rate and key are buffers, so that they may be those of one network among many.

    Args:
        rate: Share of the values that become zero in training.
        number: Of this module among those of its network.
    """

    rate: Tensor
    key: Tensor

    def __init__(self, rate: float, number: int) -> None:
        super().__init__()
        self.number = number
        self.register_buffer("rate", torch.tensor(rate, dtype=torch.float64), persistent=False)
        self.register_buffer("key", torch.tensor(0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The values, some zero and the others enlarged, in training; the same values otherwise."""
        if not self.training:
            return x
        places = scramble(torch.arange(x.numel(), device=x.device)).view(x.shape)  # the same for all networks
        drawn = _signed(places) ^ _signed(scramble(self.key + 0x7F4A7C15 * (self.number + 1)))
        drawn = (drawn ^ ((drawn >> 15) & 0x1FFFF)) * 0x2C1B3C6D
        keep = drawn >= _signed((self.rate * 2**32).long())
        return x * (keep * (1 / (1 - self.rate)).to(x.dtype))


def _signed(numbers: Tensor) -> Tensor:
    """Integers in [0, 2³²) as int32, in order: half the work of int64."""
    return (numbers - 2**31).int()


def key_dropouts(model: nn.Module, drawn: bool) -> list[str]:
    """Replace every ``nn.Dropout`` inside a network, in place; returns the module paths of those with an effect.

    Args:
        model: The network.
        drawn: Whether each network has a rate of its own, instead of that of the module.
    """
    modules = model.named_modules(remove_duplicate=False)
    dropouts = [(name, module.p) for name, module in modules if isinstance(module, nn.Dropout)]
    effective = [(name, rate) for name, rate in dropouts if drawn or rate > 0]
    for name, _ in dropouts:
        _replace(model, name, nn.Identity())
    for number, (name, rate) in enumerate(effective):
        _replace(model, name, KeyedDropout(rate, number))
    return [name for name, _ in effective]


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
