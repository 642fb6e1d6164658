"""Small networks with units in larger units, or with multipliers in common: attention, groups, recurrence, norms."""

from collections.abc import Callable

import torch
from networks import Residual, mlp
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class Last(nn.Module):
    """A recurrent module read at its last step."""

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


class SelfAttention(nn.Module):
    """Attention of two heads, written out, with a gain for each head."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gain = nn.Parameter(torch.tensor([0.5, 1.5]).reshape(2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        return self.out((self.gain * ((q @ k.mT).softmax(-1) @ v)).transpose(1, 2).flatten(2))


class SharedKeys(nn.Module):
    """Attention in which several heads of queries have one head of keys and values, and all have one norm."""

    def __init__(self, heads: int, keys: int, norm: Callable[[int], nn.Module] = lambda size: nn.Identity()) -> None:
        super().__init__()
        self.heads, self.keys, size = heads, keys, 3
        self.q, self.k, self.v = (nn.Linear(6, n * size) for n in (heads, keys, keys))
        self.q_norm, self.k_norm = norm(size), norm(size)
        self.out = nn.Linear(heads * size, 6)

    def forward(self, x: Tensor) -> Tensor:
        q = self.q_norm(self.q(x).unflatten(-1, (self.heads, -1))).transpose(-3, -2)
        k = self.k_norm(self.k(x).unflatten(-1, (self.keys, -1))).transpose(-3, -2)
        v = self.v(x).unflatten(-1, (self.keys, -1)).transpose(-3, -2)
        k, v = (y.repeat_interleave(self.heads // self.keys, -3) for y in (k, v))
        return self.out(((q @ k.mT).softmax(-1) @ v).transpose(-3, -2).flatten(-2))


def shared_keys(heads: int, keys: int, norm: Callable[[int], nn.Module] = lambda size: nn.Identity()) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 6), SharedKeys(heads, keys, norm), nn.Tanh(), nn.Linear(6, 2))


class Gains(nn.Module):
    """A root-mean-square normalisation, written out."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6))


class OverUnits(nn.Module):
    """What reductions over units give, beside the units."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 6), nn.Linear(6, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = x - x.amax(-1, keepdim=True) / 2 + x.mean(-1, keepdim=True)
        y = self.second(x)
        return self.head(torch.tanh(y / (1 + y.norm(dim=-1, keepdim=True))))


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, norm_first=True)
    return nn.Sequential(nn.Linear(3, 6), layer, nn.LayerNorm(6), nn.Linear(6, 2))


def groups() -> nn.Module:
    layers = [nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 4, 1)]
    return nn.Sequential(*layers, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def streams(norm: Callable[[], nn.Module]) -> nn.Module:
    """Two residual blocks with norms."""
    blocks = (Residual(nn.Sequential(norm(), *mlp(nn.Tanh(), (6, 8, 6)))) for _ in range(2))
    return nn.Sequential(nn.Linear(3, 6), *blocks, norm(), nn.Linear(6, 2))


def weight_normed() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 6), nn.Tanh(), weight_norm(nn.Linear(6, 5)), nn.Tanh(), nn.Linear(5, 2))


TOKENS = (2, 4, 3)

NESTED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "attention": (lambda: nn.Sequential(nn.Linear(3, 6), SelfAttention(), nn.Tanh(), nn.Linear(6, 2)), TOKENS),
    "transformer": (transformer, TOKENS),
    "one_key": (lambda: shared_keys(3, 1), TOKENS),
    "two_keys": (lambda: shared_keys(4, 2), TOKENS),
    "normed_heads": (lambda: shared_keys(4, 2, nn.RMSNorm), TOKENS),
    "written_norms": (lambda: shared_keys(4, 2, Gains), TOKENS),
    "groups": (groups, (2, 2, 8, 8)),
    "lstm": (lambda: Last(nn.LSTM(3, 5, 2, batch_first=True), 5), TOKENS),
    "gru": (lambda: Last(nn.GRU(3, 5, batch_first=True), 5), TOKENS),
    "rnn": (lambda: Last(nn.RNN(3, 5, nonlinearity="relu", batch_first=True), 5), TOKENS),
    "layer_norms": (lambda: streams(lambda: nn.LayerNorm(6)), (2, 3)),
    "rms_norms": (lambda: streams(lambda: nn.RMSNorm(6, eps=1e-5)), (2, 3)),
    "rms_norms_without_eps": (lambda: streams(lambda: nn.RMSNorm(6)), (2, 3)),
    "over_units": (OverUnits, (2, 3)),
    "weight_normed": (weight_normed, (2, 3)),
}
"""Name -> factory, shape of an example input."""
