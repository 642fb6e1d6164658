"""Updated weights from invariant states of units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.space import Connection, WeightSpace


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
        self.users = _first_users(space)
        self.factors = nn.ModuleDict()
        for i, connection in self.users.items():
            block = space.blocks[i]
            outputs = channels if _is_matrix(connection) else 1
            nets = nn.ModuleDict({"target": nn.Linear(channels, outputs * block.kernel_size)})
            if _is_matrix(connection):
                nets["source"] = nn.Linear(channels, outputs)
            if connection.role in ("bias", "shift"):
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

    def forward(self, weights: Tensor, invariant: list[Tensor], covariant: list[Tensor]) -> Tensor:
        """The updated weights."""
        pieces = []
        for i, part in enumerate(self.space.slices):
            values = weights[:, part]
            if i in self.users:
                values = self._update(i, values, invariant, covariant).reshape(values.shape)
            pieces.append(values)
        return torch.cat(pieces, dim=1)

    def _update(self, i: int, values: Tensor, invariant: list[Tensor], covariant: list[Tensor]) -> Tensor:
        block, connection, nets = self.space.blocks[i], self.users[i], self.factors[str(i)]
        assert isinstance(nets, nn.ModuleDict)
        target = nets["target"](invariant[connection.target])  # [B, targets, (channels *) kernel]
        if not _is_matrix(connection):
            shifted = values.reshape(len(values), -1, block.kernel_size) + block.shift
            result = shifted * (1 + target) - block.shift
            if "shift" in nets:
                push = (covariant[connection.target] * nets["shift"](invariant[connection.target])).sum(
                    -1, keepdim=True
                )
                result = result + push
            return result
        assert connection.source is not None
        source = nets["source"](invariant[connection.source])  # [B, sources, channels]
        target = target.unflatten(-1, (block.kernel_size, -1))
        if len(block.axes) == 1:
            factor = (target * source[:, :, None]).sum(-1)
        elif connection.target_axis == 0:
            factor = torch.einsum("btkc,bsc->btsk", target, source)
        else:
            factor = torch.einsum("btkc,bsc->bstk", target, source)
        return values.reshape(factor.shape) * (1 + factor)

    def extra_repr(self) -> str:
        """Its space."""
        return repr(self.space)


def _is_matrix(connection: Connection) -> bool:
    return connection.source is not None


def _first_users(space: WeightSpace) -> dict[int, Connection]:
    """For each block that a layer uses, the first connection that does; others stay as they are."""
    users: dict[int, Connection] = {}
    for connection in space.connections:
        block = connection.block
        if block is not None and space.blocks[block].axes:
            sizes = space.blocks[block].shape[connection.target_axis], space.size(connection.target)
            if sizes[0] == sizes[1]:
                users.setdefault(block, connection)
    return users
