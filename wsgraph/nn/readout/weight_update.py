"""Updated weights from invariant states of units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.graph.links import is_vector, source_axis
from wsgraph.nn.aligned import aligned
from wsgraph.nn.powers import powers
from wsgraph.space import WeightSpace

NAMES = ("target", "source", *(f"source{n}" for n in range(2, 16)))
"""Names of the maps for the layers of a block; the first has factors for kernel positions."""

AXES = "defghijlmnoqrstu"
"""Letters for the axes of a block."""


class WeightUpdate(nn.Module):
    r"""Multiply every weight by a factor that its units decide, and shift the biases by covariant states.

    .. math:: W'_{ij} = W_{ij} \Big(1 + \sum_c u_c(s_i)\, v_c(s_j)\Big), \qquad
        b'_i = b_i (1 + u_0(s_i)) + \sum_c p_{ic}\, g_c(s_i),

    with invariant states s and covariant states p of the units; kernel positions have factors of their own.

    **Symmetry**: equivariant to permutations and to every scale class.

    Args:
        space: The weight space.
        channels: Width of the states s.
        covariant_channels: Width of the states p.

    Shapes:
        - **input**: weights ``[B, P]``, for each layer ``s`` ``[B, units, channels]`` and ``p`` ``[B, units, C]``
        - **output**: weights ``[B, P]``
    """

    def __init__(self, space: WeightSpace, channels: int, covariant_channels: int) -> None:
        super().__init__()
        self.space = space
        self.users = {i: layers for i, layers in enumerate(_layers_of_axes(space)) if layers}
        self.biases = _bias_layers(space)
        self.factors = nn.ModuleDict()
        for i, layers in self.users.items():
            outputs = channels if len(layers) > 1 else 1
            nets = nn.ModuleDict({name: nn.Linear(channels, outputs) for name in NAMES[: len(layers)]})
            nets[NAMES[0]] = nn.Linear(channels, outputs * space.blocks[i].kernel_size)
            if i in self.biases:
                nets["shift"] = nn.Linear(channels, covariant_channels)
            self.factors[str(i)] = nets
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial weights, small enough that the first update is close to none."""
        for module in self.factors.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
                nn.init.normal_(module.weight, std=0.1 / module.in_features**0.5)
                nn.init.normal_(module.bias, std=0.1)

    def forward(
        self, weights: Tensor, invariant: list[Tensor], covariant: list[Tensor], space: WeightSpace | None = None
    ) -> Tensor:
        """The updated weights, of the own space or of one that differs by the sizes of its layers."""
        pieces, space = [], space or self.space
        for i, part in enumerate(space.slices):
            values = weights[:, part]
            if i in self.users:
                shift = space.blocks[i].shift
                factor = 1 + self._factor(space, i, invariant).reshape(len(values), -1)
                values = (values + shift) * factor - shift
            if i in self.biases:
                values = values + self._push(space, i, invariant, covariant)
            pieces.append(values)
        return torch.cat(pieces, dim=1)

    def _factor(self, space: WeightSpace, i: int, invariant: list[Tensor]) -> Tensor:
        """Σ_c Π u_c(s) over the layers along the axes of a block: ``[B, pieces, axes, kernel]``."""
        block, nets, terms, operands = space.blocks[i], self.factors[str(i)], [], []
        assert isinstance(nets, nn.ModuleDict)
        for name, (axis, layer) in zip(NAMES, self.users[i], strict=False):
            group, own = block.axes[axis].group, space.layers[layer].group
            states = nets[name](aligned(space, invariant[layer], own, group)).unflatten(1, (block.pieces, -1))
            kernel = "k" if name == NAMES[0] else ""
            operands.append(states.unflatten(-1, (block.kernel_size, -1)) if kernel else states)
            terms.append(f"bp{AXES[axis]}{kernel}c")
        axes = sorted({axis for axis, _ in self.users[i]})
        factor = torch.einsum(f"{','.join(terms)}->bp{''.join(AXES[a] for a in axes)}k", *operands)
        for axis in range(len(block.axes)):
            factor = factor if axis in axes else factor.unsqueeze(2 + axis)
        sizes = (len(axis.offsets) // block.pieces for axis in block.axes)
        return factor.expand(-1, block.pieces, *sizes, block.kernel_size)

    def _push(self, space: WeightSpace, i: int, invariant: list[Tensor], covariant: list[Tensor]) -> Tensor:
        """Σ_c p_c g_c(s) for the entries of a bias, ``[B, numel]``."""
        block, layer, nets = space.blocks[i], self.biases[i], self.factors[str(i)]
        assert isinstance(nets, nn.ModuleDict)
        push = (covariant[layer] * nets["shift"](invariant[layer])).sum(-1, keepdim=True)
        push = aligned(space, push, space.layers[layer].group, block.axes[0].group)
        return push.expand(-1, -1, block.kernel_size).flatten(1)

    def extra_repr(self) -> str:
        """Its space."""
        return repr(self.space)


def _layers_of_axes(space: WeightSpace) -> list[list[tuple[int, int]]]:
    """For each block the layers that run along its axes, as (axis, layer): first that of its first target."""
    found: list[list[tuple[int, int]]] = [[] for _ in space.blocks]
    for connection in space.connections:
        if connection.block is None:
            continue
        own = found[connection.block]
        pairs = [(connection.target_axis, connection.target)]
        if connection.source is not None:
            axis = source_axis(space, connection)
            pairs.append((connection.target_axis if axis is None else axis, connection.source))
        taken = {axis for axis, _ in own}
        own += [(axis, layer) for axis, layer in pairs if axis not in taken]
    return found


def _bias_layers(space: WeightSpace) -> dict[int, int]:
    """The layer of every bias that is multiplied as its units are."""
    found: dict[int, int] = {}
    for connection in space.connections:
        if connection.block is not None and connection.role in ("bias", "shift") and is_vector(space, connection):
            own, target = space.blocks[connection.block].axes[0].scale, space.layers[connection.target].scale
            if powers(space, (own, 1)) == powers(space, (target, 1)):
                found.setdefault(connection.block, connection.target)
    return found
