"""Networks whose outputs are changed affinely: exact in weight space."""

from __future__ import annotations

from torch import Tensor

from wsgraph.space import WeightSpace
from wsgraph.transforms.affine_change import AffineChange, BlockEditor, find_layer
from wsgraph.transforms.affine_transform import AffineTransform
from wsgraph.transforms.carry_back import carry_back


class OutputAffine(AffineTransform):
    r"""Random affine changes of the outputs, one for each network: pixel values of an INR, classes of a classifier.

    .. math:: f'(x) = A f(x) + t, \qquad W'_L = A W_L, \quad b'_L = A b_L + t

    Nothing is refitted, nothing is approximated. The change is carried back from the output, through

    - linear maps and convolutions: any A, and t where there is a bias;
    - sums: every summand by A, t by the first of them that has a bias;
    - normalisations at the end, and depthwise weights: scales, flips, permutations, and t where there is a bias;
    - rescaling by constants (0.5 y + 0.5): whatever stands before it takes up;
    - other elementwise functions, products and softmax: permutations only;
    - means over positions (pooling): everything; other sums of positions: all but t; maxima over them: permutations.

    Nothing passes what a weight space only names, such as arithmetic with the input. f(x) are the units of the output
    layer, in the order of the rows of its weight.

    **Symmetry**: the change commutes with every symmetry of the space, whose elements leave outputs alone; but a
    permutation that is carried back through a normalisation or a product takes the multipliers of its units along.

    Args:
        rotation: Angles are uniform in [-rotation, rotation], in degrees, in every plane of two outputs.
        scale: Factors of all outputs together (contrast) are log-uniform in this range.
        shear: Entries of the shear above the diagonal are uniform in [-shear, shear].
        shift: Entries of t (brightness) are uniform in [-shift, shift].
        flip: Whether each output may change its sign, with probability 1/2.
        permute: Whether to permute the outputs (classes).
        center: The point (c, c, ...) that A leaves in place: 0.5 for pixel values in [0, 1].
        layer: Name of the output, where the network has several.
        generator: Source of randomness; the global one if not given.

    Raises:
        SpaceError: A range is none. When it is called: the network has several outputs, or something on the way back
            from the output cannot take up this change.

    Example:
        >>> import torch, wsgraph
        >>> inr = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> graph = wsgraph.to_graph(inr)
        >>> OutputAffine(scale=(0.8, 1.25), shift=0.1, center=0.5)(graph)
        NeuronGraph(13 nodes, 40 edges, 51 weights)
    """

    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        dim = space.size(_output_layer(space, self.layer))
        return affine_output(space, weights, *self.draw(len(weights), dim), layer=self.layer)


def affine_output(
    space: WeightSpace, weights: Tensor, matrix: Tensor, vector: Tensor, layer: str | None = None
) -> Tensor:
    """Weights of the networks A f(x) + t, from those of f. See :class:`OutputAffine`.

    Args:
        space: The weight space.
        weights: ``[N, P]``.
        matrix: A, ``[N, d, d]``, or ``[d, d]`` for all networks.
        vector: t, ``[N, d]`` or ``[d]``.
        layer: Name of the output, where the network has several.

    Raises:
        SpaceError: The network has several outputs, or something on the way back from the output cannot take up this
            change.

    Example:
        >>> import torch, wsgraph
        >>> graph = wsgraph.to_graph(torch.nn.Linear(2, 1))
        >>> negative = affine_output(graph.space, graph.weight_matrix, -torch.eye(1), torch.zeros(1))
        >>> torch.equal(negative[0], -graph.weights)
        True
    """
    index = _output_layer(space, layer)
    editor = BlockEditor(space, weights)
    change = AffineChange.of(matrix, vector, weights, space.size(index))
    carry_back(editor, index, change)
    return editor.weights


def _output_layer(space: WeightSpace, name: str | None) -> int:
    return find_layer(space, [i for i, layer in enumerate(space.layers) if layer.output], name, "output")
