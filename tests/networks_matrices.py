"""Small networks with rotary positions in many forms, and with streams that norms without gains read."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def halves(x: Tensor, a: Tensor) -> Tensor:
    """As in Llama and GPT-NeoX: unit i with unit i + d / 2."""
    twice, (p, q) = torch.cat([a, a], -1), x.chunk(2, -1)
    return x * twice.cos() + torch.cat([-q, p], -1) * twice.sin()


def parts(x: Tensor, a: Tensor) -> Tensor:
    """Halves, each coordinate on its own."""
    p, q = x.chunk(2, -1)
    return torch.cat([p * a.cos() - q * a.sin(), q * a.cos() + p * a.sin()], -1)


def interleaved(x: Tensor, a: Tensor) -> Tensor:
    """Unit 2 i with unit 2 i + 1."""
    p, q = x[..., ::2], x[..., 1::2]
    return torch.stack([p * a.cos() - q * a.sin(), q * a.cos() + p * a.sin()], -1).flatten(-2)


def every_two(x: Tensor, a: Tensor) -> Tensor:
    """As in GPT-J."""
    twice, p, q = a.repeat_interleave(2, -1), x[..., ::2], x[..., 1::2]
    return x * twice.cos() + torch.stack([-q, p], -1).flatten(-2) * twice.sin()


def product(x: Tensor, a: Tensor) -> Tensor:
    """Complex numbers."""
    numbers = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(numbers * torch.polar(torch.ones_like(a), a)).flatten(-2)


def hyperbolic(x: Tensor, a: Tensor) -> Tensor:
    """Nearly a rotation: both signs are plus."""
    twice, (p, q) = torch.cat([a, a], -1), x.chunk(2, -1)
    return x * twice.cos() + torch.cat([q, p], -1) * twice.sin()


def unequal(x: Tensor, a: Tensor) -> Tensor:
    """Nearly a rotation: the coordinates have angles of their own."""
    both, (p, q) = torch.cat([a, 2 * a], -1), x.chunk(2, -1)
    return x * both.cos() + torch.cat([-q, p], -1) * both.sin()


def clamped(x: Tensor, a: Tensor) -> Tensor:
    """A rotation of what is rarely cut off."""
    return halves(x.clamp(-100, 100), a)


def opposite(x: Tensor, a: Tensor) -> Tensor:
    """A rotation whose coordinates change places."""
    return halves(x, a).roll(x.shape[-1] // 2, -1)


FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    f.__name__: f for f in (halves, parts, interleaved, every_two, product)
}


class Rotary(nn.Module):
    """Attention, some of whose units are rotated; of six units a head, and fewer heads of keys than of queries.

    Args:
        form: How units are rotated.
        heads: Heads of queries.
        keys: Heads of keys and values.
        rotated: How many units of a head are rotated.
        norm: What queries and keys go through before: ``"gain"``, ``"plain"``, or nothing.
        angles: Of the planes, at the first position.
        for_keys: How the units of keys are rotated, if not like queries.
    """

    def __init__(
        self,
        form: Callable[[Tensor, Tensor], Tensor] = halves,
        heads: int = 4,
        keys: int = 2,
        rotated: int = 6,
        norm: str = "",
        angles: Tensor | None = None,
        for_keys: Callable[[Tensor, Tensor], Tensor] | None = None,
        width: int = 7,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.forms, self.heads, self.keys, self.rotated, self.norm = (
            (form, for_keys or form),
            heads,
            keys,
            rotated,
            norm,
        )
        self.q, self.o = nn.Linear(width, 6 * heads, bias=bias), nn.Linear(2 * heads, 3, bias=bias)
        self.k, self.v = nn.Linear(width, 6 * keys, bias=bias), nn.Linear(width, 2 * keys, bias=bias)
        self.gains = nn.ModuleList(nn.RMSNorm(6) for _ in range(2)) if norm == "gain" else [lambda x: x] * 2
        angles = torch.linspace(0.4, 1.3, rotated // 2) if angles is None else angles
        self.register_buffer("angles", angles, persistent=False)

    def rotate(self, x: Tensor, form: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        x = F.rms_norm(x, (6,)) if self.norm == "plain" else x
        angles = torch.arange(x.shape[-2], device=x.device)[:, None] * self.angles
        turned, rest = form(x[..., : self.rotated], angles), x[..., self.rotated :]
        return torch.cat([turned, rest], -1) if self.rotated < 6 else turned

    def forward(self, x: Tensor) -> Tensor:
        heads = self.heads, self.keys, self.keys
        q, k, v = (
            m(x).unflatten(-1, (h, -1)).transpose(1, 2) for m, h in zip((self.q, self.k, self.v), heads, strict=True)
        )
        q, k = self.rotate(self.gains[0](q), self.forms[0]), self.rotate(self.gains[1](k), self.forms[1])
        k, v = (t.repeat_interleave(self.heads // self.keys, 1) for t in (k, v))
        return self.o(((q @ k.mT / 6**0.5).softmax(-1) @ v).transpose(1, 2).flatten(2))


class WrittenNorm(nn.Module):
    """Root mean square normalisation in single steps."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)


class UnitNorm(nn.Module):
    """x / |x|, as torch has it."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1)


class Quotient(nn.Module):
    """x / |x|, written out."""

    def forward(self, x: Tensor) -> Tensor:
        return x / x.norm(dim=-1, keepdim=True)


class Stream(nn.Module):
    """A residual stream of four units that is read through norms only."""

    def __init__(self, norm: nn.Module, table: bool = False) -> None:
        super().__init__()
        self.stem, self.norm, self.table = nn.Embedding(9, 4) if table else nn.Linear(3, 4), norm, table
        self.a, self.b, self.c, self.d = nn.Linear(4, 6), nn.Linear(6, 4), nn.Linear(4, 5), nn.Linear(5, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem((x > 0).long() @ torch.tensor([1, 2, 4], device=x.device) if self.table else x)
        x = x + self.b(torch.tanh(self.a(self.norm(x))))
        x = x + self.d(F.gelu(self.c(self.norm(x))))
        return self.head(self.norm(x))


NORMS: dict[str, Callable[[], nn.Module]] = {
    "rms_norm": lambda: nn.RMSNorm(4, eps=1e-3, elementwise_affine=False),
    "written": WrittenNorm,
    "unit": UnitNorm,
    "quotient": Quotient,
}
