"""The size of each block, and one number for each block."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.graph.neuron_graph import NeuronGraph
from wsgraph.space import WeightSpace


def block_sizes(graphs: NeuronGraph) -> dict[WeightSpace, Tensor]:
    """For each weight space, the root mean square of each block over all of its networks, ``[blocks]``, float64.

    It is 1 for running variances, since their ε has no place in a quotient, and for blocks of zeros.

    Raises:
        SpaceError: A weight is not finite.
    """
    rows: dict[WeightSpace, list[Tensor]] = {}
    for space, matrix in graphs.matrices():
        rows.setdefault(space, []).append(block_rms(space, matrix.detach()))
    return {space: _sizes(space, torch.cat(found)) for space, found in rows.items()}


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


def _sizes(space: WeightSpace, rms: Tensor) -> Tensor:
    """The divisors of a space's blocks from their sizes ``[N, blocks]`` in each network."""
    broken = ~rms.isfinite()
    if bool(broken.any()):
        networks, blocks = broken.nonzero(as_tuple=True)
        raise SpaceError(
            f"{len(networks.unique())} of {len(rms)} networks have weights that are not finite, the first of them in "
            f"{space.blocks[int(blocks[0])].tensor!r}. Leave these networks out."
        )
    sizes = rms.square().mean(0).sqrt()
    sizes[blocks_of(space, "variance")] = 1
    return torch.where(sizes > 0, sizes, 1)
