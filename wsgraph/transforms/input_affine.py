"""An INR seen through an affine change of its coordinates: exact in weight space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.space import Connection, WeightSpace
from wsgraph.transforms.weight_transform import WeightTransform


class InputAffine(WeightTransform):
    r"""Random affine changes of the input coordinates, x -> A x + t, one for each network.

    The network f(A x + t) has the first weights W A and the first biases b + W t: nothing is refitted, nothing is
    approximated. A = R · S · D with a rotation R, a shear S and a diagonal D of scales and flips.

    Args:
        rotation: Angles are uniform in [-rotation, rotation], in degrees, in every plane of two coordinates.
        scale: Factors of all coordinates together are log-uniform in this range.
        shear: Entries of the shear above the diagonal are uniform in [-shear, shear].
        shift: Entries of t are uniform in [-shift, shift], in units of the coordinates.
        flip: Whether each coordinate may change its sign, with probability 1/2.
        generator: Source of randomness; the global one if not given.

    Example:
        >>> import torch, wsgraph
        >>> inr = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        >>> graph = wsgraph.to_graph(inr)
        >>> InputAffine(rotation=20, scale=(0.9, 1.1), shift=0.1)(graph)
        NeuronGraph(11 nodes, 24 edges, 33 weights)
    """

    def __init__(
        self,
        rotation: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        shear: float = 0.0,
        shift: float = 0.0,
        flip: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        if not 0 < scale[0] <= scale[1]:
            raise SpaceError(f"scale must be a range (low, high) of positive numbers, got {scale}.")
        for name, value in {"rotation": rotation, "shear": shear, "shift": shift}.items():
            if not value >= 0:
                raise SpaceError(f"{name} is the half-width of a range and must not be negative, got {value}.")
        self.rotation = rotation
        self.scale = scale
        self.shear = shear
        self.shift = shift
        self.flip = flip
        self.generator = generator

    def __call__(self, data: Any, space: WeightSpace | None = None) -> Any:
        """Transformed graphs; or a transformed state dict (of one network or a stack), whose space must be given."""
        if not isinstance(data, Mapping):
            return super().__call__(data)
        if space is None:
            raise SpaceError("A state dict alone has no architecture. Pass its weight space: transform(state, space).")
        weights, integers = space.flatten(data)
        moved = self._moved(space, weights.reshape(-1, space.num_weights))
        return space.unflatten(moved.reshape(weights.shape), integers)

    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        dim = space.size(_input_layer(space))
        matrix, vector = self.draw(len(weights), dim)
        return affine_input(space, weights, matrix.to(weights), vector.to(weights))

    def draw(self, count: int, dim: int) -> tuple[Tensor, Tensor]:
        """Random A ``[count, dim, dim]`` and t ``[count, dim]``, float64."""

        def uniform(*shape: int) -> Tensor:
            return 2 * torch.rand(count, *shape, generator=self.generator, dtype=torch.float64) - 1

        matrix = torch.eye(dim, dtype=torch.float64).repeat(count, 1, 1)
        for i in range(dim):
            for j in range(i + 1, dim):
                angle = torch.deg2rad(uniform() * self.rotation)
                plane = torch.eye(dim, dtype=torch.float64).repeat(count, 1, 1)
                plane[:, i, i] = plane[:, j, j] = angle.cos()
                plane[:, i, j], plane[:, j, i] = -angle.sin(), angle.sin()
                matrix = matrix @ plane
        matrix = matrix @ (torch.eye(dim, dtype=torch.float64) + torch.triu(uniform(dim, dim) * self.shear, 1))
        low, high = torch.tensor(self.scale, dtype=torch.float64).log()
        matrix = matrix * torch.exp(low + (high - low) * (uniform() + 1) / 2)[:, None, None]
        if self.flip:
            matrix = matrix * uniform(1, dim).sign()
        return matrix, uniform(dim) * self.shift

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(rotation={self.rotation}, scale={self.scale}, shear={self.shear}, "
            f"shift={self.shift}, flip={self.flip})"
        )


def affine_input(space: WeightSpace, weights: Tensor, matrix: Tensor, vector: Tensor) -> Tensor:
    """Weights of the networks f(A x + t), from those of f.

    Args:
        space: The weight space, whose input is read by linear maps only.
        weights: ``[N, P]``.
        matrix: A, ``[N, d, d]``.
        vector: t, ``[N, d]``.

    Raises:
        SpaceError: The input is not read by linear maps, or t is not zero and a first layer has no bias.
    """
    moved = weights.clone()
    source = _input_layer(space)
    for connection in space.connections:
        if connection.source == source:
            assert connection.block is not None
            before = _matrix(space, weights, connection)
            _matrix(space, moved, connection).copy_(before @ matrix)
            bias = _bias(space, connection.target)
            if bias is not None:
                space.block_view(moved, bias).add_((before @ vector[:, :, None])[..., 0])
            elif bool((vector != 0).any()):
                name = space.layers[connection.target].name
                raise SpaceError(f"The input cannot be shifted: layer {name!r} has no bias to take it up.")
    return moved


def _matrix(space: WeightSpace, weights: Tensor, connection: Connection) -> Tensor:
    """View of a first weight, ``[N, targets, d]``."""
    assert connection.block is not None
    values = space.block_view(weights, connection.block)
    return values.transpose(1, 2) if connection.target_axis == 1 else values


def _bias(space: WeightSpace, layer: int) -> int | None:
    return next((c.block for c in space.incoming[layer] if c.role == "bias"), None)


def _input_layer(space: WeightSpace) -> int:
    """The layer of the coordinates.

    Raises:
        SpaceError: There is none, or something other than first weights of their own reads it.
    """
    sources = [i for i, layer in enumerate(space.layers) if layer.is_source]
    if len(sources) != 1 or space.layers[sources[0]].operator != "input":
        raise SpaceError(
            "Expected a network of one input that linear maps read as it is, so that its units are coordinates; "
            f"found the sources {[f'{space.layers[i].name} ({space.layers[i].operator})' for i in sources]}."
        )
    for connection in space.connections:
        if connection.source == sources[0]:
            _check_first(space, connection)
    return sources[0]


def _check_first(space: WeightSpace, connection: Connection) -> None:
    """Make sure that a weight, and the bias beside it, act on the coordinates and on nothing else."""
    name = space.layers[connection.target].name
    if connection.block is None or len(space.blocks[connection.block].shape) != 2:
        raise SpaceError(f"The input has no coordinates: layer {name!r} reads it, which is not a linear map of points.")
    for block in (connection.block, _bias(space, connection.target)):
        if sum(c.block == block for c in space.connections if block is not None) > 1:
            tensor = space.blocks[block or 0].tensor
            raise SpaceError(f"The input cannot be changed alone: {tensor!r} is used in other places, too.")
