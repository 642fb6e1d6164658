"""The networks of the Small Transformer Zoo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class TransformerShape:
    """The sizes of a :class:`SmallTransformer`.

    Attributes:
        width: Of the tokens.
        hidden: Of the layer between.
        depth: Blocks.
        heads: Of every attention.
        num_classes: Outputs.
        tokens: How many there are.
        patch: Channels, height and width of an image's patches; None for a network that is given its tokens.
    """

    width: int = 32
    hidden: int = 64
    depth: int = 2
    heads: int = 2
    num_classes: int = 10
    tokens: int = 49
    patch: tuple[int, int, int] | None = (1, 4, 4)

    @property
    def example(self) -> Tensor:
        """An input of zeros."""
        if self.patch is None:
            return torch.zeros(1, self.tokens, self.width)
        side = math.isqrt(self.tokens)
        return torch.zeros(1, self.patch[0], side * self.patch[1], side * self.patch[2])


class SmallTransformer(nn.Module):
    r"""Blocks of attention and of two layers, **without residual connections**, and a classifier of the mean token.

    .. math:: y = \text{attention}(\text{norm}(x)), \qquad x ← W_2\, \text{relu}(W_1 \text{norm}(y) + b_1) + b_2

    Norms have no parameters; queries, keys, values and outputs no biases. Names of tensors are those of the zoo; its
    sinusoidal positions are no weights here.

    Args:
        shape: The sizes.

    Shapes:
        - **input:** images ``[B, C, H, W]``; without ``patch`` tokens ``[B, L, width]`` that hold their positions
        - **output:** logits ``[B, num_classes]``
    """

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.embedding = nn.Identity() if shape.patch is None else Patches(shape)
        self.encoder = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.classifier = TwoLayers(shape.width, shape.width, shape.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[B, num_classes]`` of images ``[B, C, H, W]`` or tokens ``[B, L, width]``."""
        x = self.embedding(x)
        for block in self.encoder:
            x = block(x)
        logits: Tensor = self.classifier(F.layer_norm(x, x.shape[-1:]).mean(1))
        return logits


class Patches(nn.Module):
    """Tokens from the patches of images, each with its position.

    Args:
        shape: The sizes.
    """

    positions: Tensor

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        channels, height, width = shape.patch or (1, 1, 1)
        self.conv1 = nn.Conv2d(channels, shape.width, (height, width), stride=(height, width))
        self.register_buffer("positions", sinusoids(shape.tokens, shape.width), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Tokens ``[B, L, width]`` of images ``[B, C, H, W]``."""
        return self.conv1(images).flatten(2).transpose(1, 2) + self.positions


class TwoLayers(nn.Module):
    """Two linear layers with a ReLU between them.

    Args:
        width: Of the input.
        hidden: Of the layer between.
        out: Of the output.
    """

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        """Values ``[..., out]`` from values ``[..., width]``."""
        values: Tensor = self.fc2(F.relu(self.fc1(x)))
        return values


class Attention(nn.Module):
    """Attention of heads that share the width.

    Args:
        width: Of the tokens.
        heads: How many.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Linear(width, width, bias=False)
        self.keys = nn.Linear(width, width, bias=False)
        self.values = nn.Linear(width, width, bias=False)
        self.out_projection = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens ``[B, L, width]`` from tokens ``[B, L, width]``."""
        q, k, v = (part(x).unflatten(-1, (self.heads, -1)) for part in (self.queries, self.keys, self.values))
        mixed = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        tokens: Tensor = self.out_projection(mixed.transpose(1, 2).flatten(2))
        return tokens


class Block(TwoLayers):
    """Attention, then two layers, each behind a norm; nothing goes past them.

    Args:
        shape: The sizes.
    """

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__(shape.width, shape.hidden, shape.width)
        self.attention = Attention(shape.width, shape.heads)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens ``[B, L, width]`` from tokens ``[B, L, width]``."""
        x = self.attention(F.layer_norm(x, x.shape[-1:]))
        return super().forward(F.layer_norm(x, x.shape[-1:]))


def sinusoids(tokens: int, width: int) -> Tensor:
    """Positions ``[tokens, width]``: sines in even columns, cosines in odd ones, of ever longer waves."""
    angles = torch.arange(tokens)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width]
