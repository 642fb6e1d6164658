"""New edge features from the invariants of the units at both ends."""

from __future__ import annotations

from torch import Tensor, nn

from wsgraph.nn.canonical import Freedom, canonical
from wsgraph.nn.encoder import at_targets, beside_edges
from wsgraph.nn.near_identity import NearIdentity
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow


class ScaleEdgeUpdate(nn.Module):
    r"""Edge features times what their two ends decide together.

    .. math:: e'_{ij} = Γ e_{ij} ⊙ \big(1 + φ(\mathrm{canon}(Γ' x_i), \mathrm{canon}(Γ' x_j))\big),

    with a perceptron φ, whose first layer is a sum of one term for each end: these are made once for each node.

    **Symmetry**: edge features stay multiplied by λ_i / λ_j.

    Args:
        channels: Width of node and edge features.
        mixes: See :class:`~wsgraph.nn.ScaleInvariant`.
    """

    def __init__(self, channels: int, mixes: bool = True) -> None:
        super().__init__()
        self.mix = nn.Linear(channels, channels, bias=False) if mixes else nn.Identity()
        self.source = nn.Linear(channels, channels, bias=False)
        self.target = nn.Linear(channels, channels)
        self.factor = nn.Sequential(nn.LayerNorm(channels), nn.SiLU(), nn.Linear(channels, channels))
        self.scale = NearIdentity(channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def ends(self, x: Tensor, freedom: Freedom) -> tuple[Tensor, Tensor]:
        """What units contribute as sources, and as targets."""
        invariant = canonical(self.mix(x), freedom.magnitude, freedom.sign)
        return self.source(invariant), self.target(invariant)

    def forward(self, edge_attr: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Updated features of edges, from what their ends contribute, laid beside them."""
        values = self.scale(edge_attr)
        return values.addcmul(values, self.factor(source + target))

    def dense(self, nodes: list[Tensor], edges: dict[Flow, Tensor], freedoms: list[Freedom]) -> dict[Flow, Tensor]:
        """Updated features of the edges of all flows, from the features of all layers."""
        sources, targets = zip(*(self.ends(x, free) for x, free in zip(nodes, freedoms, strict=True)), strict=True)
        return {
            flow: self(e, beside_edges(flow, sources[flow.link.source]), at_targets(flow, list(targets)))
            for flow, e in edges.items()
        }
