"""Networks seen through an affine change of their inputs: exact in weight space."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.space import Connection, WeightSpace
from wsgraph.transforms.affine_change import AffineChange, BlockEditor, find_layer
from wsgraph.transforms.affine_transform import AffineTransform


class InputAffine(AffineTransform):
    r"""Random affine changes of the coordinates of an INR, or of the channels of a CNN, one for each network.

    .. math:: f'(x) = f(A x + t), \qquad W'_1 = W_1 A, \quad b'_1 = b_1 + W_1 t

    Nothing is refitted, nothing is approximated. Every layer that reads the input is changed: linear maps and
    convolutions (of channels) by any A, depthwise convolutions and batch normalisations by a diagonal A only. A
    convolution of a kernel above 1 takes no t: where it pads with zeros, those are not shifted (a kernel of 1 is taken
    to have no padding).

    **Symmetry**: the changes commute with every symmetry of the space, whose elements leave inputs alone.

    Args:
        rotation: Angles are uniform in [-rotation, rotation], in degrees, in every plane of two coordinates.
        scale: Factors of all coordinates together are log-uniform in this range.
        shear: Entries of the shear above the diagonal are uniform in [-shear, shear].
        shift: Entries of t are uniform in [-shift, shift], in units of the coordinates.
        flip: Whether each coordinate may change its sign, with probability 1/2.
        permute: Whether to permute the coordinates.
        center: The point (c, c, ...) that A leaves in place: 0.5 for coordinates in [0, 1].
        layer: Name of the input, where the network has several.
        generator: Source of randomness; the global one if not given.

    Raises:
        SpaceError: A range is none. When it is called: the input is not read as it is by linear maps, convolutions
            and batch normalisations, or they cannot take up this change.

    Example:
        >>> import torch, wsgraph
        >>> inr = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        >>> graph = wsgraph.to_graph(inr)
        >>> InputAffine(rotation=20, scale=(0.9, 1.1), shift=0.1)(graph)
        NeuronGraph(11 nodes, 24 edges, 33 weights)
    """

    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        dim = space.size(_input_layer(space, self.layer))
        return affine_input(space, weights, *self.draw(len(weights), dim), layer=self.layer)


def affine_input(
    space: WeightSpace, weights: Tensor, matrix: Tensor, vector: Tensor, layer: str | None = None
) -> Tensor:
    """Weights of the networks f(A x + t), from those of f. See :class:`InputAffine`.

    Args:
        space: The weight space.
        weights: ``[N, P]``.
        matrix: A, ``[N, d, d]``, or ``[d, d]`` for all networks.
        vector: t, ``[N, d]`` or ``[d]``.
        layer: Name of the input, where the network has several.

    Raises:
        SpaceError: The input is not read as it is by linear maps, convolutions and batch normalisations, or they
            cannot take up this change.

    Example:
        >>> import torch, wsgraph
        >>> graph = wsgraph.to_graph(torch.nn.Linear(2, 1))
        >>> swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> swapped = affine_input(graph.space, graph.weight_matrix, swap, torch.zeros(2))
        >>> torch.equal(swapped[0, :2], graph.weights[[1, 0]])
        True
    """
    source = _input_layer(space, layer)
    editor = BlockEditor(space, weights)
    change = AffineChange.of(matrix, vector, weights, space.size(source))
    readers = [c for c in space.connections if c.source == source]
    if not readers:
        raise SpaceError(f"No weights read the input {space.layers[source].name!r}, so none can change it.")
    for connection in readers:
        _enter(editor, connection, change)
    return editor.weights


def _input_layer(space: WeightSpace, name: str | None) -> int:
    """The layer of the coordinates.

    Raises:
        SpaceError: There is none.
    """
    inputs = [i for i, layer in enumerate(space.layers) if layer.operator == "input" and not layer.activation]
    others = [layer.name for layer in space.layers if layer.is_source]
    if not inputs and others:
        raise SpaceError(
            "The input has no coordinates: before the first weights, something else reads it (a positional encoding, "
            f"a flatten, a slice), and what comes out is mere data {others}. Change the inputs themselves, or trace a "
            "network whose first layers read them as they are."
        )
    return find_layer(space, inputs, name, "input")


def _enter(editor: BlockEditor, connection: Connection, change: AffineChange) -> None:
    """Change a layer that reads x, so that it computes from x what it computed from A x + t."""
    target = editor.space.layers[connection.target]
    if connection.role == "weight" and target.operator == "linear":
        _enter_linear(editor, connection, change)
    elif target.operator == "batch_norm":
        _enter_norm(editor, connection, change)
    else:
        what = target.pointwise or ("with computed weights" if target.operator == "linear" else target.operator)
        raise SpaceError(
            f"Layer {target.name!r} ({what}) reads the input, and no change of its weights is a change of the input: "
            "expected linear maps, convolutions and batch normalisations only."
        )


def _enter_linear(editor: BlockEditor, connection: Connection, change: AffineChange) -> None:
    weight = editor.matrix(connection)
    if weight is None:
        _check_diagonal(editor.space, connection, change)
        diagonal = editor.vector(connection)  # [N, units, kernel]
        copies = diagonal.shape[1] // change.vector.shape[1]  # units of the layer for each of the input
        amount = diagonal * change.vector.repeat_interleave(copies, 1)[:, :, None]
        diagonal.mul_(change.diagonal.repeat_interleave(copies, 1)[:, :, None])
    else:
        vector = change.vector.unflatten(1, (weight.shape[1], -1))
        amount = torch.einsum("nptsk,nps->nptk", weight, vector).flatten(1, 2)
        weight.copy_(torch.einsum("nptsk,npsj->nptjk", weight, change.pieces(weight.shape[1])))
    if change.shifts:
        _shift(editor, connection, amount)


def _shift(editor: BlockEditor, connection: Connection, amount: Tensor) -> None:
    """Add W t to the bias of a layer, where W t is one number ``[N, units, 1]`` for all positions."""
    space, layer = editor.space, connection.target
    name, incoming = space.layers[layer].name, space.incoming[layer]
    tensor = space.blocks[connection.block or 0].tensor
    rank = next(len(spec.shape) for spec in space.tensors if spec.name == tensor)
    if amount.shape[-1] > 1 or (connection.target_axis == 1 and rank > 2):  # or a transposed convolution
        raise SpaceError(
            f"The input cannot be shifted: layer {name!r} reads it by a kernel, and some results may see less of it "
            "than others (where it pads with zeros, which a weight space does not tell). Leave shift and center at 0."
        )
    bias = next((c for c in incoming if c.role == "bias"), None)
    if bias is None:
        raise SpaceError(f"The input cannot be shifted: layer {name!r} has no bias to take it up.")
    editor.vector(bias).add_(amount)


def _enter_norm(editor: BlockEditor, connection: Connection, change: AffineChange) -> None:
    """(a x + t - m) γ = (x - (m - t) / a) (a γ)."""
    _check_diagonal(editor.space, connection, change)
    found = {c.role: c for c in editor.space.incoming[connection.target]}
    factor = change.diagonal[:, :, None]
    name = editor.space.layers[connection.target].name
    if bool((factor == 0).any()):
        raise SpaceError(f"Layer {name!r} normalises the input, which cannot be multiplied by 0 before it.")
    if "gain" not in found and bool((factor != 1).any()):
        raise SpaceError(f"The input cannot be scaled: layer {name!r} normalises it, and has no gain to take it up.")
    mean = editor.vector(found["mean"])
    mean.sub_(change.vector[:, :, None]).div_(factor)
    if "gain" in found:
        editor.vector(found["gain"]).mul_(factor)


def _check_diagonal(space: WeightSpace, connection: Connection, change: AffineChange) -> None:
    """Make sure that a change mixes no units, for a layer that reads every unit, or makes several of it, by itself."""
    layer, source = space.layers[connection.target], space.layers[connection.source or 0]
    if source.group not in (layer.group, space.groups[layer.group].parent):
        raise SpaceError(f"Layer {layer.name!r} reads the input unit by unit, but has other units.")
    if not change.is_diagonal:
        raise SpaceError(
            f"Layer {layer.name!r} reads every unit of the input by itself: it takes up scales, flips and shifts, but "
            "nothing that mixes or permutes units."
        )
