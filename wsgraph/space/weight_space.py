"""The weight space of an architecture: what a network is, without its numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.space import json_text, layout
from wsgraph.space.canonical import canonical_weights
from wsgraph.space.check import check
from wsgraph.space.parts import Block, Connection, NeuronGroup, NeuronLayer, Pin, TensorSpec
from wsgraph.space.sampling import random_symmetry
from wsgraph.space.scale import PhaseClass, ScaleClass, ScaleSet
from wsgraph.space.shift import Shift
from wsgraph.space.symmetry import Symmetry

if TYPE_CHECKING:
    from wsgraph.space.report import Report


@dataclass(frozen=True, eq=False, repr=False)
class WeightSpace:
    """Tensors, neuron groups, scale classes, layers, blocks and connections of one architecture.

    A frozen value, made by :func:`wsgraph.trace` or by hand; two traces of one architecture are equal. A symmetry is
    the same formula for every architecture, W_ij -> λ_i W_σ(i)σ(j) λ_j^-1, read off the blocks; then come the shifts.

    Attributes:
        tensors: The entries of the state dict, in its order.
        groups: Sets of units that are permuted together, or fixed.
        scales: Free multipliers.
        layers: The units that each operator produces, in the order of the forward pass.
        blocks: Dense pieces of tensors, which cover every floating tensor exactly once.
        connections: How blocks and layers enter layers, in the order of the forward pass.
        pins: What had to be left in place, and why.
        phases: Free half turns before sines.
        shifts: Numbers that may be added to blocks.

    Example:
        >>> import torch, wsgraph
        >>> space = wsgraph.trace(torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)))
        >>> space
        WeightSpace(3 layers, 33 parameters, 1 free group of 8 units, SIGN)
        >>> space == WeightSpace.from_json(space.to_json())
        True
    """

    tensors: tuple[TensorSpec, ...]
    groups: tuple[NeuronGroup, ...]
    scales: tuple[ScaleClass, ...]
    layers: tuple[NeuronLayer, ...]
    blocks: tuple[Block, ...]
    connections: tuple[Connection, ...]
    pins: tuple[Pin, ...] = ()
    phases: tuple[PhaseClass, ...] = ()
    shifts: tuple[Shift, ...] = ()

    # ---------------------------------------------------------------- identity

    @cached_property
    def digest(self) -> str:
        """A hash of the whole value, the same in every process."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, WeightSpace) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        free = [g for i, g in enumerate(self.groups) if not g.fixed and g.size > 0]
        units = sum(g.size for g in free)
        kinds = [s.name for s in ScaleSet if any(c.values is s for c in self.scales)] or ["ONE"]
        groups = f"{len(free)} free group{'s' * (len(free) != 1)} of {units} units"
        return (
            f"WeightSpace({len(self.layers)} layers, {self.num_parameters:,} parameters, {groups}, {' '.join(kinds)})"
        )

    def to_json(self) -> str:
        """The whole value as JSON text."""
        return json_text.dumps(self)

    @staticmethod
    def from_json(text: str) -> WeightSpace:
        """The inverse of :meth:`to_json`. What it reads is checked: references, sizes, coverage of the tensors.

        Raises:
            SpaceError: The text is not the description of a weight space.
        """
        space = json_text.loads(text, WeightSpace)
        check(space)
        return space

    def report(self, full: bool = False) -> Report:
        """What was found, what was pinned, and why, in sentences and tables; ``print`` it.

        Args:
            full: Whether large networks are told layer by layer, too, with nothing summarised.
        """
        from wsgraph.space.report import Report

        return Report(self, full)

    # ------------------------------------------------------------------- sizes

    @cached_property
    def num_parameters(self) -> int:
        """Number of entries of all parameters, tied ones counted once and buffers not at all."""
        return sum(t.numel for t in self.tensors if t.is_parameter and t.same_as is None)

    @cached_property
    def num_weights(self) -> int:
        """P, the length of the flat weight vector: all floating entries, buffers included."""
        return sum(b.numel for b in self.blocks)

    @cached_property
    def integer_tensors(self) -> tuple[TensorSpec, ...]:
        """Integer entries of the state dict, which are stored beside the weights."""
        return tuple(t for t in self.tensors if not t.is_floating and t.same_as is None)

    @property
    def num_integers(self) -> int:
        """Q, the length of the flat integer vector."""
        return sum(t.numel for t in self.integer_tensors)

    @cached_property
    def num_moved(self) -> int:
        """How many of the P weights some symmetry moves or scales; shifts do not count."""
        return sum(
            b.numel
            for b in self.blocks
            if b.turns is not None or any(a.scale or a.plane or a.group in self.moving_groups for a in b.axes)
        )

    @cached_property
    def moving_groups(self) -> frozenset[int]:
        """Groups whose units some symmetry permutes, by themselves or with the larger units that they are parts of."""

        def moves(number: int) -> bool:
            group = self.groups[number]
            return (not group.fixed and group.size > self.num_pieces(number)) or any(
                above is not None and moves(above) for above in (group.parent, group.across)
            )

        return frozenset(i for i in range(len(self.groups)) if moves(i))

    def num_pieces(self, group: int) -> int:
        """Number of equal pieces in which the units of a group lie: 1, or as many as its parent has units."""
        parent = self.groups[group].parent
        return 1 if parent is None else self.groups[parent].size

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each block lies in the flat weight vector."""
        ends = list(accumulate(b.numel for b in self.blocks))
        return tuple(slice(end - b.numel, end) for b, end in zip(self.blocks, ends, strict=True))

    @cached_property
    def node_offsets(self) -> tuple[int, ...]:
        """The first node of each layer in the neuron graph; the last entry is the number of nodes."""
        return (0, *accumulate(self.groups[layer.group].size for layer in self.layers))

    @property
    def num_nodes(self) -> int:
        """Number of units of all layers."""
        return self.node_offsets[-1]

    def size(self, layer: int) -> int:
        """Number of units of a layer."""
        return self.groups[self.layers[layer].group].size

    @cached_property
    def incoming(self) -> tuple[tuple[Connection, ...], ...]:
        """The connections that enter each layer."""
        table: list[list[Connection]] = [[] for _ in self.layers]
        for connection in self.connections:
            table[connection.target].append(connection)
        return tuple(tuple(row) for row in table)

    # ------------------------------------------------------------- conversions

    def flatten(self, state: layout.State) -> tuple[Tensor, Tensor]:
        """Flat ``weights`` ``[P]`` or ``[N, P]`` and ``integers`` of a state dict or a stack of N of them."""
        return layout.flatten(self, state)

    def unflatten(self, weights: Tensor, integers: Tensor | None = None) -> dict[str, Tensor]:
        """The state dict of flat weights, bit for bit."""
        return layout.unflatten(self, weights, integers)

    def block_view(self, weights: Tensor, block: int) -> Tensor:
        """One block of flat weights ``[..., P]`` as ``[..., *block.shape]``, without a copy."""
        return weights[..., self.slices[block]].unflatten(-1, self.blocks[block].shape or (1,))

    # -------------------------------------------------------------- symmetries

    def random_symmetry(
        self,
        generator: torch.Generator | None = None,
        permute: bool = True,
        scale: bool = True,
        max_scale: float = 10.0,
        batch_size: int | None = None,
        linear: bool = False,
        shifts: bool = False,
    ) -> Symmetry:
        """A random element of the symmetry group.

        Args:
            generator: Source of randomness; the global one if not given.
            permute: Draw uniform permutations, or leave every unit in its place.
            scale: Draw signs and magnitudes, or leave all multipliers at 1.
            max_scale: Magnitudes are log-uniform in [1 / max_scale, max_scale].
            batch_size: Draw this many independent symmetries, for as many networks.
            linear: Draw matrices for linear groups too, and turns of planes (their multipliers alone, if not).
            shifts: Draw standard normal numbers for shifts too (none, if not). Models of :mod:`wsgraph.nn` are not
                invariant to them; :meth:`canonicalize` takes them out of the data.
        """
        return random_symmetry(self, generator, permute, scale, max_scale, batch_size, linear, shifts)

    def canonicalize(self, state: layout.State) -> dict[str, Tensor]:
        """The canonical form of a state dict or a stack of them: one network for all that symmetries lead to from it.

        Its function is the same: see :func:`wsgraph.space.canonical.canonical_symmetry`, which is applied here.

        Example:
            >>> import torch, wsgraph
            >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).double()
            >>> space, state = wsgraph.trace(model), model.state_dict()
            >>> moved = space.random_symmetry(torch.Generator().manual_seed(0))(state)
            >>> torch.allclose(space.canonicalize(moved)["0.weight"], space.canonicalize(state)["0.weight"])
            True
        """
        weights, integers = self.flatten(state)
        return self.unflatten(canonical_weights(self, weights), integers)

    def identity(self) -> Symmetry:
        """The symmetry that changes nothing."""
        return random_symmetry(self, permute=False, scale=False)
