"""The parts of a weight space: plain, frozen, hashable values that refer to each other by index."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsgraph.space.matrix_set import MatrixSet
from wsgraph.space.scale import Scale

Offsets = range | tuple[int, ...]
"""Where the units of an axis lie in a flattened tensor: evenly spaced (a range) or anywhere (a tuple)."""

ROLES = ("weight", "bias", "gain", "shift", "mean", "variance", "slope", "operand", "part")
"""What a connection does for its target: see :class:`Connection`."""


@dataclass(frozen=True)
class TensorSpec:
    """One entry of the state dict.

    Attributes:
        name: The key.
        shape: The shape.
        dtype: ``"float"`` for a floating tensor of whatever width the network has; the exact name (``"int64"``)
            for an integer tensor, and for floating tensors of a network that mixes widths.
        is_parameter: False for a buffer.
        same_as: The key of an earlier tensor that this one shares its storage with (tied weights), or None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float"
    is_parameter: bool = True
    same_as: str | None = None

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def is_floating(self) -> bool:
        """Whether the tensor lives in the flat weight vector (integers are kept beside it)."""
        return "float" in self.dtype


@dataclass(frozen=True)
class NeuronGroup:
    """Units that may be permuted, always together.

    Attributes:
        name: What to call it.
        size: Number of units.
        fixed: Whether the units keep their places (inputs, outputs, pinned units); those of a group with a parent move
            with the parent's units.
        parent: Index of the group of the larger units that these are parts of (attention heads, convolution groups),
            or None. The units lie in equal consecutive pieces, one for each unit of the parent; a unit of the parent
            moves as a whole, and units are permuted within their pieces.
        linear: What matrices may act on the units (of each piece), in place of permutations and multipliers: the
            general linear group, GL(d) on the queries and keys of an attention head; the orthogonal group; or a turn
            of each unit, where units are planes.
        across: Index of a second group of larger units, which lie across those of the parent, or None. The units of
            each piece are parts of one of its units each, in its order, and move with them: they are fixed in all else
            (see :mod:`wsgraph.space.across`).
    """

    name: str
    size: int
    fixed: bool = False
    parent: int | None = None
    linear: MatrixSet = MatrixSet.ONE
    across: int | None = None


@dataclass(frozen=True)
class Pointwise:
    """An elementwise ATen call: ``op(*args)``, where an argument ``"$k"`` stands for the k-th operand."""

    op: str
    args: tuple[Any, ...] = ("$0",)

    def __str__(self) -> str:
        constants = [str(a) for a in self.args if not (isinstance(a, str) and a.startswith("$"))]
        return self.op.split(".")[0] + (f"({', '.join(constants)})" if constants else "")


@dataclass(frozen=True)
class NeuronLayer:
    """The units that one operator produces: the nodes of the neuron graph.

    Attributes:
        name: The path of the module (or the name of the operator) that produces the units.
        group: Index of the neuron group; the layer has one unit for each of the group's, in the group's order.
        scale: The multiplier of the layer's values.
        operator: ``"input"`` (of the network, read through connections only), ``"data"`` (other numbers without
            units), ``"linear"``, ``"pointwise"``, a reduction over units (``"mean"``, ...), ``"softmax"``, or a
            normalisation (``"batch_norm"``, ...).
        pointwise: For ``"pointwise"``, the call that joins the operands.
        eps: For a normalisation, its ε.
        activation: Elementwise calls of one operand, applied in order to what the operator gives.
        output: Whether the network returns these units.
        hidden: Names of operators that act on these values (or make them) and that nothing else here tells: pooling of
            positions, arithmetic with numbers that the space does not hold.
    """

    name: str
    group: int
    scale: Scale = ()
    operator: str = "linear"
    pointwise: Pointwise | None = None
    eps: float = 0.0
    activation: tuple[Pointwise, ...] = ()
    output: bool = False
    hidden: tuple[str, ...] = ()

    @property
    def is_source(self) -> bool:
        """Whether no other layer enters this one."""
        return self.operator in ("input", "data")


class Plane(NamedTuple):
    """Which of the two coordinates of its planes an axis runs over (0 or 1), and the block that has the other one."""

    coordinate: int
    partner: int


@dataclass(frozen=True)
class Axis:
    """One neuron axis of a block.

    Attributes:
        group: Index of the group that moves it.
        offsets: Where its units lie.
        scale: What multiplies them.
        phase: Index of the phase class whose half turns flip their signs, or None.
        plane: Where the units are planes that may be turned, which coordinate of them these numbers are; or None.
    """

    group: int
    offsets: Offsets
    scale: Scale = ()
    phase: int | None = None
    plane: Plane | None = None


@dataclass(frozen=True)
class Block:
    """A dense piece of one tensor: every axis is a neuron axis or a kernel axis.

    Entry (i, j, k) of the block is entry ``axes[0].offsets[i] + axes[1].offsets[j] + kernel[0][k]`` of the
    flattened tensor. Under a symmetry, W_ijk + shift is multiplied by ``axes[0].scale[i] * axes[1].scale[j]``.

    A block of several pieces is block-diagonal: piece p joins the p-th pieces of its two axes only (grouped
    convolutions), so that its entries are (p, i, j, k) with i and j counted within the pieces.

    Attributes:
        tensor: Name of the tensor.
        axes: The neuron axes, in the order of the tensor (targets first for every weight that torch stores).
        kernel: Offsets along the axes that no symmetry moves.
        shift: Added before the multiplication and taken off after it (the ε of a running variance).
        pieces: Number of pieces.
        turns: Index of the phase class whose half turns are added to the entries (the bias before a sine), or None.
    """

    tensor: str
    axes: tuple[Axis, ...]
    kernel: tuple[Offsets, ...] = ()
    shift: float = 0.0
    pieces: int = 1
    turns: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Pieces if there are several, sizes of the neuron axes (in a piece), sizes of the kernel axes."""
        lead = (self.pieces,) if self.pieces > 1 else ()
        return lead + tuple(len(a.offsets) // self.pieces for a in self.axes) + tuple(len(k) for k in self.kernel)

    @property
    def numel(self) -> int:
        """Number of entries."""
        return prod(self.shape)

    @property
    def kernel_size(self) -> int:
        """Number of kernel positions."""
        return prod([len(k) for k in self.kernel])

    def index(self) -> NDArray[np.int64]:
        """Positions of the entries in the flattened tensor, of the block's shape."""
        lead = 1 if self.pieces > 1 else 0
        total = np.zeros(self.shape, dtype=np.int64)
        for number, offsets in enumerate([*(a.offsets for a in self.axes), *self.kernel]):
            shape = [1] * len(self.shape)
            shape[lead + number] = self.shape[lead + number]
            if lead and number < len(self.axes):
                shape[0] = self.pieces
            total += np.asarray(offsets, dtype=np.int64).reshape(shape)
        return total

    @cached_property
    def strides(self) -> tuple[int, tuple[int, ...]] | None:
        """Start and strides of the entries in the flattened tensor, if they are evenly spaced; None if not."""
        if 0 in self.shape:
            return None
        axes = [np.asarray(a.offsets, dtype=np.int64).reshape(self.pieces, -1) for a in self.axes]
        kernel = [np.asarray(k, dtype=np.int64)[None] for k in self.kernel]
        between = _step(sum((a[:, 0] for a in axes), np.zeros(self.pieces, dtype=np.int64)))
        within = [_step(lines[0]) for lines in (*axes, *kernel)]
        alike = all(
            np.array_equal(lines - lines[:, :1], np.broadcast_to(lines[0] - lines[0, 0], lines.shape)) for lines in axes
        )
        steps = [between, *within] if self.pieces > 1 else within
        if not alike or any(step is None or step <= 0 for step in steps):
            return None
        return int(sum(lines[0, 0] for lines in (*axes, *kernel))), tuple(s for s in steps if s is not None)


def _step(line: NDArray[np.int64]) -> int | None:
    """The distance between neighbours, if all are the same (1 for a line of one)."""
    steps = np.diff(line)
    if len(steps) == 0:
        return 1
    return int(steps[0]) if (steps == steps[0]).all() else None


@dataclass(frozen=True)
class Connection:
    """How a block (or another layer's values) enters a layer. In the order of the forward pass.

    ==========  ============================================================
    role        meaning
    ==========  ============================================================
    weight      target += W source, a matrix (two axes) or a diagonal (one axis)
    bias        target += b
    gain        γ of a normalisation
    shift       β of a normalisation
    mean        running mean of the source of a batch normalisation
    variance    running variance of that source
    slope       negative slope per unit (PReLU)
    operand     the source is the next operand of a pointwise operator, or the input of a normalisation
    part        a tensor that a computed weight or vector of the target is made of (weight norm, low-rank updates)
    ==========  ============================================================

    Attributes:
        role: One of the above.
        target: Index of the layer.
        source: Index of the source layer, or None.
        block: Index of the block, or None for an operand.
        target_axis: Which axis of the block runs over the target's units (1 for a weight used transposed).
    """

    role: str
    target: int
    source: int | None = None
    block: int | None = None
    target_axis: int = 0


@dataclass(frozen=True)
class Pin:
    """Units that had to be left in place, and why."""

    where: str
    operator: str
    reason: str
    num_units: int
