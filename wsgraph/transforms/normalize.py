"""Weights in units of their size in a data set."""

from __future__ import annotations

from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.graph import NeuronGraph, checked_graph
from wsgraph.graph.block_size import block_sizes, spread
from wsgraph.space import WeightSpace
from wsgraph.transforms.weight_transform import WeightTransform


class Normalize(WeightTransform):
    r"""Divide every block by its root mean square over a data set.

    One number a block, whatever the unit: a number (or a mean) for each entry would break the symmetry. Running
    variances stay as they are, since their ε has no place in a quotient, and so do blocks of zeros. The result is a
    set of features: it no longer computes what the networks compute.

    **Symmetry**: commutes with every permutation and every scale; not with half turns of sine units, which add to
    biases: for networks of sines use :meth:`wsgraph.nn.WeightSpaceModel.normalize_by`.

    Args:
        graphs: The data set, of one weight space or of several: its training part.

    Attributes:
        sizes: For each weight space, the divisor of each of its blocks (float64).

    Raises:
        SpaceError: These are no neuron graphs, or a weight is not finite. When it is called: a graph has a weight
            space that the data set does not have.

    Example:
        >>> import torch, wsgraph
        >>> model = torch.nn.Linear(3, 2)
        >>> graph = wsgraph.to_graph(model)
        >>> bool(Normalize(graph)(graph).weights[:6].square().mean().isclose(torch.tensor(1.0)))
        True
    """

    def __init__(self, graphs: NeuronGraph) -> None:
        self.sizes = block_sizes(checked_graph(graphs, type(self).__name__))

    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        if space not in self.sizes:
            known = ", ".join(repr(known) for known in self.sizes)
            raise SpaceError(f"Normalize was fitted to {known}, got a graph of {space!r}.")
        return weights / spread(space, self.sizes[space]).to(weights)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(repr(space) for space in self.sizes)})"
