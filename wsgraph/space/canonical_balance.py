"""Balanced layers: one more multiplier for all units of a scale class, so that all weights are of one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.space.canonical_plan import Freedom
from wsgraph.space.canonical_tables import Table
from wsgraph.space.part_products import free_class, num_parts

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace


def balance(space: WeightSpace, tables: Sequence[Table], freedom: Freedom) -> list[Tensor]:
    r"""A number γ for each scale class, as multipliers of all its units, ``[..., size]``.

    .. math:: \min_γ \sum_W \big(\log \|W\| + \sum_c a_{Wc} \log γ_c\big)^2

    over the weights W of all linear maps that are not zero, where ‖W‖² is the mean over units of the squared norm of
    what enters them, and a_Wc the exponent of class c in W; of several solutions the smallest. In a ReLU network
    without biases all ‖W‖ become equal, which is balance in the sense of Du, Hu and Lee (2018, arXiv:1806.00900).

    Args:
        space: The weight space.
        tables: Of its blocks.
        freedom: Magnitudes.
    """
    uses = {c.block: c.target_axis for c in space.connections if c.role == "weight" and c.block is not None}
    powers = torch.zeros(len(uses), len(space.scales), dtype=torch.float64)
    for row, block in enumerate(uses):
        for axis in space.blocks[block].axes:
            for c, exponent in freedom.exponents(axis.scale).items():
                free = free_class(space, c)
                if space.scales[free].unit_over is None:  # one number for all units would be 1
                    powers[row, free] += exponent * num_parts(space, c)
    sizes = [space.groups[c.group].size for c in space.scales]
    if not powers.any():
        return [torch.ones(n, dtype=torch.float64) for n in sizes]
    found = _solved(powers, torch.stack([_log_size(tables[b], a) for b, a in uses.items()], dim=-1)).exp()
    return [found[..., c, None].expand(*found.shape[:-1], n) for c, n in enumerate(sizes)]


def _log_size(table: Table, axis: int) -> Tensor:
    """log ‖W‖, ``[...]``."""
    energy = table.energy.reshape(*table.batch, -1).sum(-1)
    return 0.5 * (energy / (table.block.pieces * table.block.shape[axis + (table.block.pieces > 1)])).log()


def _solved(powers: Tensor, logs: Tensor) -> Tensor:
    """The least-squares solution γ ``[..., classes]`` of powers ``[weights, classes]`` · γ = -logs ``[..., weights]``.

    Logarithms that are not finite do not count.
    """
    known = logs.isfinite()
    kinds, kind = known.reshape(-1, len(powers)).unique(dim=0, return_inverse=True)
    inverses = torch.linalg.pinv(kinds[..., None] * powers.to(logs), rtol=1e-9)
    right = torch.where(known, -logs, 0.0).reshape(-1, len(powers), 1)
    return (inverses[kind] @ right).reshape(*logs.shape[:-1], -1)
