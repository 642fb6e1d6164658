"""Random splits in which rows that belong together stay together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wsgraph.errors import WSGraphError


def split_rows(groups: Tensor, fractions: Sequence[float], generator: torch.Generator | None) -> list[Tensor]:
    """Positions of the rows of each part, in ascending order.

    The groups are put into random order, laid side by side on [0, 1], each as wide as it has rows, and belong to the
    part in which their middle lies.

    Args:
        groups: ``[n]``, numbers from 0; rows with the same number stay together.
        fractions: Sizes of the parts; what is missing to 1 is left out.
        generator: Source of the order.

    Raises:
        WSGraphError: A fraction is not positive, or they exceed 1.
    """
    if not fractions or min(fractions) <= 0 or sum(fractions) > 1 + 1e-6:
        raise WSGraphError(f"Expected positive fractions of a sum of at most 1, got {tuple(fractions)}.")
    sizes = torch.bincount(groups)
    order = torch.randperm(len(sizes), generator=generator)
    ends = sizes[order].cumsum(0)
    middles = (ends - sizes[order] / 2) / max(len(groups), 1)
    edges = torch.tensor(fractions, dtype=torch.float64).cumsum(0)
    if edges[-1] > 1 - 1e-6:
        edges[-1] = 1
    part_of_group = torch.empty_like(sizes)
    part_of_group[order] = torch.searchsorted(edges, middles.double(), right=True)
    part = part_of_group[groups]
    return [(part == i).nonzero().flatten() for i in range(len(fractions))]
