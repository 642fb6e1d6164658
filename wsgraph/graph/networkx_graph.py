"""Neuron graphs for networkx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx

from wsgraph.graph.topology import EDGE_KINDS, NODE_FEATURES

if TYPE_CHECKING:
    from wsgraph.graph.neuron_graph import NeuronGraph


def to_networkx(graph: NeuronGraph) -> networkx.MultiDiGraph:
    """See :meth:`NeuronGraph.to_networkx`. Every number is a Python float."""
    result = networkx.MultiDiGraph()
    layers = [layer for space in graph.spaces for layer in space.layers for _ in range(space.groups[layer.group].size)]
    features = graph.x.tolist()
    for node, (layer, row) in enumerate(zip(layers, features, strict=True)):
        result.add_node(node, layer=layer.name, operator=layer.operator, **dict(zip(NODE_FEATURES, row, strict=True)))
    kinds = [EDGE_KINDS[t] for t in graph.edge_type.tolist()]
    columns = zip(
        graph.edge_index.t().tolist(), graph.edge_attr.tolist(), kinds, graph.edge_offset.tolist(), strict=True
    )
    for (source, target), weight, kind, offset in columns:
        result.add_edge(source, target, weight=weight[0] if len(weight) == 1 else weight, kind=kind, offset=offset)
    return result
