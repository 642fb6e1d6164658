"""Changes of weights by outer products of the states of their two ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from wsgraph.graph.links import positions
from wsgraph.nn.plan import Plan, plan_of
from wsgraph.space import WeightSpace


class OuterUpdate(nn.Module):
    r"""Add to every matrix the sum over channels of the outer products of its ends.

    .. math:: W'_{ijk} = W_{ijk} + \frac{1}{\sqrt C} \sum_c g_{kc}\, p_{ic}\, q_{jc}.

    With p of the target, and q of the source, the change is multiplied as W is: p takes λ_i, q takes 1/λ_j.

    **Symmetry**: equivariant to permutations and to every scale class.

    Args:
        space: The weight space.
        channels: Number C of channels.
        sources: The layers that have states q.

    Shapes:
        - **input**: weights ``[B, P]``, for each layer p and q ``[B, units, C]``
        - **output**: weights ``[B, P]``
    """

    def __init__(self, space: WeightSpace, channels: int, sources: Collection[int]) -> None:
        super().__init__()
        self.space = space
        self.channels = channels
        self.factors = nn.ParameterDict(
            {
                name: nn.Parameter(torch.empty(flow.link.kernel, channels))
                for name, flow in plan_of(space).matrices.items()
                if flow.link.source in sources
            }
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new factors, small enough that the first update is close to none."""
        for factor in self.factors.values():
            nn.init.normal_(factor, std=0.02)

    def forward(
        self, weights: Tensor, covariant: list[Tensor], contravariant: Mapping[int, Tensor], plan: Plan
    ) -> Tensor:
        """The updated weights, of the space of this plan: the own, or one that differs by the sizes of its layers."""
        where, changes = [], []
        for name, factors in self.factors.items():
            link = plan.matrices[name].link
            p = covariant[link.target].unflatten(1, (link.pieces, -1))  # [B, pieces, targets, C]
            q = contravariant[link.source].unflatten(1, (link.pieces, -1)) / self.channels**0.5
            change = (p[:, :, :, None] * factors).flatten(2, 3) @ q.transpose(
                -1, -2
            )  # [B, pieces, targets * kernel, s]
            changes.append(change.unflatten(2, (link.targets, -1)).transpose(-1, -2).flatten(1))
            where.append(positions(plan.space, link).reshape(-1))
        if not changes:
            return weights
        return weights.index_add(1, torch.cat(where).to(weights.device), torch.cat(changes, dim=1).to(weights))

    def extra_repr(self) -> str:
        """Its sizes."""
        return f"{self.space!r}, channels={self.channels}"
