"""Messages along weights and products, multiplied as the units that they reach."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import index_sort, segment
from torch_geometric.utils.sparse import index2ptr

from wsgraph.nn.canonical import Freedom, ScaleEquivariant, canonical
from wsgraph.nn.encoder import at_targets, beside_edges, read_source
from wsgraph.nn.products import dense_product, products
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow
from wsgraph.space import WeightSpace


class ScaleMessages(MessagePassing):
    r"""Sums of messages of one direction.

    .. math:: m_i = \sum_{j \to i} \mathrm{ScaleEq}(Γ_e e_{ij} ⊙ Γ_v x_j) + \sum_{i = a b}
        \mathrm{ScaleEq}(Γ_v x_a ⊙ Γ'_v x_b)

    Along edges, λ_i / λ_j times λ_j is λ_i; behind the product of two units, whose multiplier no weight carries, it is
    λ_a λ_b. Backward, contravariant states y (multiplied by 1/λ) take the same edges from their targets to their
    sources: λ_i / λ_j times 1 / λ_i is 1 / λ_j, and nothing is divided.

    **Symmetry**: equivariant to permutations and to the multipliers that the flags allow.

    Args:
        channels: Width of node and edge features.
        mixes: See :class:`~wsgraph.nn.ScaleInvariant`.
    """

    def __init__(self, channels: int, mixes: bool = True) -> None:
        super().__init__(aggr=None)
        self.node_linear = nn.Linear(channels, channels, bias=False)
        self.edge_linear = nn.Linear(channels, channels, bias=False)
        self.net = ScaleEquivariant(channels, channels, mixes=mixes, has_fixed=True)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        super().reset_parameters()
        reset_children(self)

    # ---------------------------------------------------------------- sparse

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        freedom: Freedom,
        taken_off: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Sums of messages ``[N, channels]`` of mixed features x, edge by edge, to ``edge_index[1]``."""
        flags = dict(zip(Freedom._fields, freedom, strict=True))
        return self.propagate(edge_index, x=x, edge_attr=edge_attr, taken_off=taken_off, size=(len(x), len(x)), **flags)

    def message(
        self,
        x_j: Tensor,
        edge_attr: Tensor,
        magnitude_i: Tensor,
        sign_i: Tensor,
        fixed_i: Tensor,
        taken_off: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """Messages ``[E, channels]``, multiplied as their target."""
        x_j = x_j if taken_off is None else canonical(x_j, *taken_off)
        return self.net(self.edge_linear(edge_attr) * x_j, magnitude_i, sign_i, fixed_i)

    def aggregate(self, inputs: Tensor, index: Tensor, dim_size: int) -> Tensor:
        """Sums over the edges of each target: a segment reduction, by torch-scatter where it is installed."""
        if len(index) > 1 and not bool((index[1:] >= index[:-1]).all()):
            index, order = index_sort(index, max_value=dim_size)
            inputs = inputs[order]
        return segment(inputs, index2ptr(index, dim_size), reduce="sum")

    def of_products(self, first: Tensor, second: Tensor, table: Tensor, freedom: Freedom) -> Tensor:
        """Sums of messages ``[N, channels]`` through products: see :func:`~wsgraph.nn.products.batch_products`."""
        target, left, right, count = table
        made = first[left] * second[right] / count[:, None].to(first)
        values = made.new_zeros(first.shape).index_add(0, target, made)
        reached = target.unique()
        flags = (torch.as_tensor(flag)[reached] for flag in freedom)
        messages = self.net(values[reached], *flags)
        return messages.new_zeros(first.shape).index_add(0, reached, messages)

    # ----------------------------------------------------------------- dense

    def dense(
        self, mixed: list[Tensor], edges: dict[Flow, Tensor], freedoms: list[Freedom], backward: bool = False
    ) -> list[Tensor]:
        """Sums of the messages for every layer ``[B, units, channels]``, from mixed features of all layers."""
        totals = [torch.zeros_like(x) for x in mixed]
        for flow, e in edges.items():
            reached = flow.link.source if backward else flow.link.target
            if backward and (flow.magnitude or flow.sign):
                continue
            read = self._to_sources if backward else self._to_targets
            totals[reached] = totals[reached] + read(flow, mixed, self.edge_linear(e), freedoms[reached])
        return totals

    def _to_targets(self, flow: Flow, mixed: list[Tensor], e: Tensor, freedom: Freedom) -> Tensor:
        x = beside_edges(flow, read_source(flow, mixed[flow.link.source]))
        return self.net(e * x, *freedom).sum(3).flatten(1, 2)

    def _to_sources(self, flow: Flow, mixed: list[Tensor], e: Tensor, freedom: Freedom) -> Tensor:
        sums = self.net(e * at_targets(flow, mixed), *freedom).sum(2)  # [B, pieces, sources * offsets, C]
        return sums.unflatten(2, (flow.link.sources, -1)).sum(3).flatten(1, 2)

    def of_dense_products(
        self,
        space: WeightSpace,
        first: list[Tensor],
        second: list[Tensor],
        totals: list[Tensor],
        freedoms: list[Freedom],
        backward: bool = False,
    ) -> list[Tensor]:
        """The sums with those of the messages through products."""
        values: dict[int, Tensor] = {}
        for product in products(space, backward):
            target, value = product.target, dense_product(space, product, first[product.first], second[product.second])
            values[target] = values[target] + value if target in values else value
        return [total + self.net(values[i], *freedoms[i]) if i in values else total for i, total in enumerate(totals)]
