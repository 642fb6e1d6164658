"""The parts of a weight space: plain, frozen, hashable values that refer to each other by index."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsgraph.space.scale import Scale

Offsets = range | tuple[int, ...]
"""Where the units of an axis lie in a flattened tensor: evenly spaced (a range) or anywhere (a tuple)."""

ROLES = ("weight", "bias", "gain", "shift", "mean", "variance", "slope", "operand")
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
    """Units that may be permuted, always together. A fixed group (inputs, outputs, pinned units) stays."""

    name: str
    size: int
    fixed: bool = False


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
    """

    name: str
    group: int
    scale: Scale = ()
    operator: str = "linear"
    pointwise: Pointwise | None = None
    eps: float = 0.0
    activation: tuple[Pointwise, ...] = ()
    output: bool = False

    @property
    def is_source(self) -> bool:
        """Whether no other layer enters this one."""
        return self.operator in ("input", "data")


@dataclass(frozen=True)
class Axis:
    """One neuron axis of a block: which group moves it, where its units lie, what multiplies them."""

    group: int
    offsets: Offsets
    scale: Scale = ()


@dataclass(frozen=True)
class Block:
    """A dense piece of one tensor: every axis is a neuron axis or a kernel axis.

    Entry (i, j, k) of the block is entry ``axes[0].offsets[i] + axes[1].offsets[j] + kernel[0][k]`` of the
    flattened tensor. Under a symmetry, W_ijk + shift is multiplied by ``axes[0].scale[i] * axes[1].scale[j]``.

    Attributes:
        tensor: Name of the tensor.
        axes: The neuron axes, in the order of the tensor (targets first for every weight that torch stores).
        kernel: Offsets along the axes that no symmetry moves.
        shift: Added before the multiplication and taken off after it (the ε of a running variance).
    """

    tensor: str
    axes: tuple[Axis, ...]
    kernel: tuple[Offsets, ...] = ()
    shift: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the neuron axes, then of the kernel axes."""
        return tuple(len(a.offsets) for a in self.axes) + tuple(len(k) for k in self.kernel)

    @property
    def numel(self) -> int:
        """Number of entries."""
        return prod(self.shape)

    @property
    def kernel_size(self) -> int:
        """Number of kernel positions."""
        return prod(len(k) for k in self.kernel)

    @property
    def offsets(self) -> tuple[Offsets, ...]:
        """Offsets along every axis, neuron axes first."""
        return tuple(a.offsets for a in self.axes) + self.kernel

    def index(self) -> NDArray[np.int64]:
        """Positions of the entries in the flattened tensor, of the block's shape."""
        total = np.zeros(self.shape, dtype=np.int64)
        for axis, offsets in enumerate(self.offsets):
            shape = [1] * len(self.shape)
            shape[axis] = -1
            total += np.asarray(offsets, dtype=np.int64).reshape(shape)
        return total


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
