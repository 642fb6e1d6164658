"""Small networks of torch alone with attention, recurrence, embeddings and other parts of larger ones, and inputs."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

Built = tuple[nn.Module, tuple[Tensor, ...]]
NETWORKS: dict[str, Callable[[], Built]] = {}
"""Name -> a model with random weights, and the arguments of its forward."""


def network(function: Callable[[], Built]) -> Callable[[], Built]:
    NETWORKS[function.__name__] = function
    return function


def ids(batch: int = 2, length: int = 7) -> Tensor:
    return torch.arange(batch * length).reshape(batch, length) % 17


# ------------------------------------------------------------------------------------------------------ building blocks


class Residual(nn.Module):
    """The sum of the input and what the parts make of it, one after another."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.parts(x)


class Mean(nn.Module):
    """The mean over an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.axis)


class Transposed(nn.Module):
    """A module on the last two axes, swapped."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.mT).mT


class RMSNorm(nn.Module):
    """Root mean square normalisation as language models write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def perceptron(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class Gated(nn.Module):
    """SwiGLU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate, self.up = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Attention(nn.Module):
    """Attention with one map to queries, keys and values, by torch's function or written out."""

    def __init__(self, width: int, heads: int, causal: bool = False, written: bool = False) -> None:
        super().__init__()
        self.heads, self.causal, self.written = heads, causal, written
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if self.written:
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
            if self.causal:
                mask = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
                scores = scores.masked_fill(~mask, float("-inf"))
            y = scores.softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class RotaryAttention(nn.Module):
    """Causal attention with rotated queries and keys, and fewer heads of keys and values than of queries."""

    def __init__(self, width: int, heads: int, groups: int, interleaved: bool = False) -> None:
        super().__init__()
        self.size, self.groups, self.interleaved = width // heads, groups, interleaved
        self.q, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.k, self.v = (nn.Linear(width, groups * self.size, bias=False) for _ in range(2))
        frequencies = 1.0 / 100 ** (torch.arange(0, self.size, 2) / self.size)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def rotate(self, x: Tensor) -> Tensor:
        angles = torch.arange(x.shape[-2], device=x.device)[:, None] * self.frequencies
        if self.interleaved:
            a, b = x[..., ::2], x[..., 1::2]
            pairs = (a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos())
            return torch.stack(pairs, -1).flatten(-2)
        a, b = x.chunk(2, -1)
        twice = torch.cat([angles, angles], -1)
        return x * twice.cos() + torch.cat([-b, a], -1) * twice.sin()

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part(x).unflatten(-1, (-1, self.size)).transpose(1, 2) for part in (self.q, self.k, self.v))
        q, k = self.rotate(q), self.rotate(k)
        repeats = q.shape[1] // self.groups
        k, v = (t[:, :, None].expand(-1, -1, repeats, -1, -1).flatten(1, 2) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).flatten(2))


# ------------------------------------------------------------------------------------------------------ vision


class Patches(nn.Module):
    """Patches of an image as tokens, with a class token and positions."""

    def __init__(self, width: int, patch: int, side: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 1 + (side // patch) ** 2, width))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).mT
        return torch.cat([self.token.expand(len(x), -1, -1), tokens], 1) + self.positions


class First(nn.Module):
    """The first token."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


@network
def vit() -> Built:
    blocks = [
        nn.Sequential(Residual(nn.LayerNorm(24), Attention(24, 3)), Residual(nn.LayerNorm(24), perceptron(24, 40)))
        for _ in range(2)
    ]
    body = nn.Sequential(Patches(24, 4, 16), *blocks, nn.LayerNorm(24), First(), nn.Linear(24, 5))
    return body, (torch.randn(2, 3, 16, 16),)


@network
def mixer() -> Built:
    blocks = [
        nn.Sequential(
            Residual(nn.LayerNorm(20), Transposed(perceptron(16, 12))), Residual(nn.LayerNorm(20), perceptron(20, 28))
        )
        for _ in range(2)
    ]
    stem = nn.Sequential(nn.Conv2d(3, 20, 4, 4), nn.Flatten(2))
    return nn.Sequential(stem, _Swap(), *blocks, nn.LayerNorm(20), Mean(1), nn.Linear(20, 5)), (
        torch.randn(2, 3, 16, 16),
    )


class _Swap(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mT


class UNet(nn.Module):
    """Down by strides and up by transposed convolutions, joined by concatenation."""

    def __init__(self, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.start = self.block(3, 8, norm)
        self.down = nn.Sequential(nn.Conv2d(8, 16, 2, 2), self.block(16, 16, norm))
        self.bottom = nn.Sequential(nn.MaxPool2d(2), self.block(16, 24, norm), nn.ConvTranspose2d(24, 16, 2, 2))
        self.up = nn.Sequential(self.block(32, 16, norm), nn.ConvTranspose2d(16, 8, 4, 2, 1))
        self.end = nn.Sequential(self.block(16, 8, norm), nn.Conv2d(8, 2, 1))

    @staticmethod
    def block(inputs: int, outputs: int, norm: Callable[[int], nn.Module]) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), norm(outputs), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        start = self.start(x)
        down = self.down(start)
        up = self.up(torch.cat([down, self.bottom(down)], 1))
        return self.end(torch.cat([start, up], 1))


@network
def unet() -> Built:
    return UNet(), (torch.randn(2, 3, 16, 16),)


@network
def unet_group_norm() -> Built:
    return UNet(lambda channels: nn.GroupNorm(4, channels)), (torch.randn(2, 3, 16, 16),)


@network
def weight_normed() -> Built:
    layers = [
        weight_norm(nn.Conv2d(3, 8, 3)),
        nn.ReLU(),
        weight_norm(nn.Conv2d(8, 12, 3)),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        weight_norm(nn.Linear(12, 4)),
    ]
    return nn.Sequential(*layers), (torch.randn(2, 3, 10, 10),)


@network
def upsampling_autoencoder() -> Built:
    layers = [
        nn.Conv2d(1, 6, 3, 2, 1),
        nn.ELU(),
        nn.Conv2d(6, 10, 3, 2, 1),
        nn.ReLU(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(10, 6, 3, padding=1),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(6, 4, 3, padding=1),
        nn.PixelShuffle(2),
    ]
    return nn.Sequential(*layers), (torch.randn(2, 1, 8, 8),)


# ------------------------------------------------------------------------------------------------------ language


class LanguageModel(nn.Module):
    """Tokens, blocks, a norm and a head, which may be the table of tokens."""

    def __init__(self, width: int, blocks: list[nn.Module], norm: nn.Module, positions: bool, tied: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(17, width)
        self.positions = nn.Embedding(12, width) if positions else None
        self.blocks, self.norm = nn.Sequential(*blocks), norm
        self.head = nn.Linear(width, 17, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        if self.positions is not None:
            x = x + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        return self.head(self.norm(self.blocks(x)))


def gpt_block(width: int, heads: int, written: bool) -> nn.Sequential:
    attention = Residual(nn.LayerNorm(width), Attention(width, heads, causal=True, written=written))
    return nn.Sequential(attention, Residual(nn.LayerNorm(width), perceptron(width, 2 * width)))


def llama_block(width: int, heads: int, groups: int, interleaved: bool) -> nn.Sequential:
    attention = Residual(RMSNorm(width), RotaryAttention(width, heads, groups, interleaved))
    return nn.Sequential(attention, Residual(RMSNorm(width), Gated(width, 44)))


@network
def gpt() -> Built:
    blocks = [gpt_block(24, 3, written) for written in (False, True)]
    return LanguageModel(24, blocks, nn.LayerNorm(24), positions=True, tied=True), (ids(),)


@network
def llama() -> Built:
    blocks = [llama_block(32, 4, 2, interleaved) for interleaved in (False, True)]
    return LanguageModel(32, blocks, RMSNorm(32), positions=False, tied=False), (ids(),)


class TiedLanguageModel(nn.Module):
    """A recurrent language model whose head is its table of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(17, 10)
        self.body = nn.GRU(10, 14, batch_first=True)
        self.back = nn.Linear(14, 10)
        self.head = nn.Linear(10, 17)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.back(self.body(self.tokens(tokens))[0]))


@network
def tied_gru() -> Built:
    return TiedLanguageModel(), (ids(),)


class Bag(nn.Module):
    """The sum of a bag of embeddings through a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(17, 9, mode="sum")
        self.head = nn.Sequential(nn.Linear(9, 11), nn.ReLU(), nn.Linear(11, 3))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.bag(tokens))


@network
def bag_of_words() -> Built:
    return Bag(), (ids(),)


# ------------------------------------------------------------------------------------------------------ torch's own


class Recurrent(nn.Module):
    """A recurrent network read at its last step."""

    def __init__(self, kind: Callable[..., nn.Module], **options: Any) -> None:
        super().__init__()
        self.body = kind(5, 8, batch_first=True, **options)
        self.head = nn.Linear(16 if options.get("bidirectional") else 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


@network
def lstm() -> Built:
    return Recurrent(nn.LSTM, num_layers=2), (torch.randn(2, 6, 5),)


@network
def bidirectional_gru() -> Built:
    return Recurrent(nn.GRU, num_layers=2, bidirectional=True), (torch.randn(2, 6, 5),)


@network
def elman() -> Built:
    return Recurrent(nn.RNN, nonlinearity="relu"), (torch.randn(2, 6, 5),)


class Cells(nn.Module):
    """A cell unrolled by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.LSTMCell(5, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), 7)
        for step in x.unbind(1):
            h, c = self.cell(step, (h, c))
        return self.head(h)


@network
def lstm_cells() -> Built:
    return Cells(), (torch.randn(2, 4, 5),)


@network
def transformer_encoder() -> Built:
    layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True, norm_first=True)
    body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Linear(5, 16), body, Mean(1), nn.Linear(16, 3)), (torch.randn(2, 6, 5),)


@network
def transformer() -> Built:
    return nn.Transformer(16, 4, 1, 1, 24, batch_first=True), (torch.randn(2, 6, 16), torch.randn(2, 5, 16))


class CrossAttention(nn.Module):
    """Queries of one sequence, keys and values of another, of other widths."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = nn.Linear(5, 12), nn.Linear(4, 9)
        self.attention = nn.MultiheadAttention(12, 3, kdim=9, vdim=9, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = self.x(x).relu(), self.y(y).relu()
        return self.head(self.attention(x, y, y, need_weights=False)[0])


@network
def multihead_attention() -> Built:
    return CrossAttention(), (torch.randn(2, 6, 5), torch.randn(2, 7, 4))
