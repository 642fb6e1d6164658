"""The size of each block, and one number for each block."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.space import WeightSpace


def block_rms(space: WeightSpace, weights: Tensor) -> Tensor:
    """The root mean square of each block of each network: ``[N, blocks]`` from ``[N, P]``, float64."""
    sizes = [
        torch.linalg.vector_norm(weights[:, part], dim=1, dtype=torch.float64) / max(block.numel, 1) ** 0.5
        for block, part in zip(space.blocks, space.slices, strict=True)
    ]
    return torch.stack(sizes, 1) if sizes else weights.new_zeros(len(weights), 0, dtype=torch.float64)


def spread(space: WeightSpace, numbers: Tensor) -> Tensor:
    """One number for each block, ``[..., blocks]``, repeated for each of its entries, ``[..., P]``."""
    counts = torch.tensor([block.numel for block in space.blocks], device=numbers.device)
    return numbers.repeat_interleave(counts, dim=-1)


def blocks_of(space: WeightSpace, *roles: str) -> list[int]:
    """The blocks that enter a layer in one of these roles."""
    return sorted({c.block for c in space.connections if c.block is not None and c.role in roles})
