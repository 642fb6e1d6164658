"""One affine change of units for each network, and the blocks of weights that take it up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.space import Block, Connection, WeightSpace


@dataclass(frozen=True, eq=False)
class AffineChange:
    """The maps v -> A v + t of N networks: ``matrix`` ``[N, d, d]`` and ``vector`` ``[N, d]``."""

    matrix: Tensor
    vector: Tensor

    @staticmethod
    def of(matrix: Tensor, vector: Tensor, like: Tensor, dim: int) -> AffineChange:
        """The change that was asked for; one A and t for all networks may stand for one for each.

        Raises:
            SpaceError: A and t do not fit ``dim`` units of the networks ``like`` ``[N, P]``.
        """
        count = len(like)
        shapes = tuple(matrix.shape), tuple(vector.shape)
        if shapes not in (((dim, dim), (dim,)), ((count, dim, dim), (count, dim))):
            raise SpaceError(
                f"Expected a matrix of shape [{count}, {dim}, {dim}] and a vector of shape [{count}, {dim}] (or one "
                f"for all networks, without the first axis), got {list(shapes[0])} and {list(shapes[1])}."
            )
        return AffineChange(matrix.to(like).expand(count, -1, -1), vector.to(like).expand(count, -1))

    @cached_property
    def shifts(self) -> bool:
        """Whether t is not zero."""
        return bool((self.vector != 0).any())

    @cached_property
    def is_diagonal(self) -> bool:
        """Whether every A is diagonal."""
        return torch.equal(self.matrix, torch.diag_embed(self.diagonal))

    @property
    def diagonal(self) -> Tensor:
        """The diagonal of A, ``[N, d]``."""
        return self.matrix.diagonal(dim1=1, dim2=2)

    @cached_property
    def order(self) -> AffineChange | None:
        """The permutation P of every A = D P with a diagonal D, or None if some A mixes units."""
        entries = self.matrix != 0
        eye = torch.eye(entries.shape[1], dtype=torch.bool, device=entries.device)
        diagonal = ~(entries & ~eye).any((1, 2))
        order = torch.where(diagonal[:, None, None], eye, entries)
        if bool((order.sum(1) != 1).any() or (order.sum(2) != 1).any()):
            return None
        return AffineChange(order.to(self.matrix), torch.zeros_like(self.vector))

    @cached_property
    def is_permutation(self) -> bool:
        """Whether units only change their places."""
        return not self.shifts and self.order is not None and torch.equal(self.order.matrix, self.matrix)

    @property
    def is_identity(self) -> bool:
        """Whether nothing changes."""
        return self.is_permutation and self.is_diagonal

    def pieces(self, count: int) -> Tensor:
        """The diagonal blocks of A, ``[N, count, d / count, d / count]``.

        Raises:
            SpaceError: Some A mixes units of different pieces.
        """
        size = self.matrix.shape[-1] // count
        places = torch.arange(count, device=self.matrix.device).repeat_interleave(size)
        if bool(self.matrix[:, places[:, None] != places].any()):
            raise SpaceError(
                f"The units lie in {count} pieces that a weight keeps apart (a grouped convolution): it takes up "
                "scales, flips and shifts, but nothing that mixes or permutes units of different pieces."
            )
        blocks = self.matrix.unflatten(2, (count, size)).unflatten(1, (count, size))
        return blocks.diagonal(dim1=1, dim2=3).movedim(-1, 1)

    def without_shift(self) -> AffineChange:
        """The map v -> A v."""
        return AffineChange(self.matrix, torch.zeros_like(self.vector))


class BlockEditor:
    """Views of the blocks of flat weights, to be changed in place: of a copy, and only of blocks with one use.

    Attributes:
        weights: The copy, ``[N, P]``.
    """

    def __init__(self, space: WeightSpace, weights: Tensor) -> None:
        if weights.dim() != 2 or weights.shape[1] != space.num_weights:
            raise SpaceError(f"Expected weights of shape [N, {space.num_weights}], got {list(weights.shape)}.")
        self.space = space
        self.weights = weights.clone(memory_format=torch.contiguous_format)

    def matrix(self, connection: Connection) -> Tensor | None:
        """A weight as ``[N, pieces, targets, sources, kernel]`` (of each piece); None if it is a diagonal.

        Raises:
            SpaceError: It is used in other places, too, or is neither.
        """
        values, block = self._block(connection)
        if len(block.axes) == 1:
            return None
        sizes = [len(axis.offsets) // block.pieces for axis in block.axes]
        ends = [connection.target, connection.source][:: 1 if connection.target_axis == 0 else -1]
        if [size * block.pieces for size in sizes] != [0 if i is None else self.space.size(i) for i in ends]:
            name = self.space.layers[connection.target].name
            raise SpaceError(f"Layer {name!r} cannot be changed: {block.tensor!r} is no matrix between two layers.")
        values = values.view(len(values), block.pieces, *sizes, block.kernel_size)
        return values.transpose(2, 3) if connection.target_axis == 1 else values

    def vector(self, connection: Connection) -> Tensor:
        """A bias, a parameter of a normalisation, or a diagonal weight as ``[N, units, kernel]``.

        Raises:
            SpaceError: It is used in other places, too, or has other units than its layer.
        """
        values, block = self._block(connection)
        size = self.space.size(connection.target)
        if block.numel != size * block.kernel_size:
            name = self.space.layers[connection.target].name
            raise SpaceError(f"Layer {name!r} cannot be changed: {block.tensor!r} has no entry for each of its units.")
        return values.view(len(values), size, block.kernel_size)

    def _block(self, connection: Connection) -> tuple[Tensor, Block]:
        number = connection.block
        assert number is not None
        block = self.space.blocks[number]
        if sum(c.block == number for c in self.space.connections) > 1:
            name = self.space.layers[connection.target].name
            raise SpaceError(
                f"Layer {name!r} cannot be changed alone: its tensor {block.tensor!r} is used in other places, too."
            )
        return self.space.block_view(self.weights, number), block


def find_layer(space: WeightSpace, candidates: list[int], name: str | None, kind: str) -> int:
    """The one layer of the candidates, or the one of this name.

    Raises:
        SpaceError: None, or several; the message names them.
    """
    found = [i for i in candidates if name in (None, space.layers[i].name)]
    if len(found) == 1:
        return found[0]
    names = [space.layers[i].name for i in candidates]
    wanted = f"an {kind} {name!r}" if name is not None else f"one {kind}"
    advice = "Pass layer=, one of these names" if len(set(names)) > 1 else "See print(space.report())"
    raise SpaceError(f"Expected {wanted}, found {names or 'none'} in {space!r}. {advice}.")
