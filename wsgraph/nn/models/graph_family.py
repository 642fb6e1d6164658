"""What families share whose layers know types of nodes and edges, but no weight space."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from wsgraph.graph import NeuronGraph, checked_graph
from wsgraph.nn.models.model import WeightSpaceModel


class GraphFamily(WeightSpaceModel):
    """A model with two routes that share all parameters, and return the same.

    :meth:`dense` takes graphs of the model's own space, block by block; :meth:`sparse` takes any graphs, of other and
    mixed spaces too, edge by edge. A call takes the dense one where it can.
    """

    def forward(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        """Outputs ``[B, out_channels]``, or updated graphs."""
        checked_graph(graphs, type(self).__name__)
        return self.dense(graphs) if graphs.common_space == self.space else self.sparse(graphs)

    def dense(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        """The answer block by block, for graphs of the model's own space.

        Raises:
            SpaceError: The graphs are of another space.
        """
        return super().forward(graphs)

    def sparse(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        """The answer edge by edge, for graphs of any space.

        Raises:
            SpaceError: A graph has larger kernels, or more inputs or outputs, than the model's own space.
        """
        return self._prepared(graphs, self._sparse_answer)

    @abstractmethod
    def _sparse_answer(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        """The answer for prepared graphs of any space."""
