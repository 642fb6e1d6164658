"""Activations join the layer whose values they change, where nothing else reads those values."""

from __future__ import annotations

from dataclasses import replace

from wsgraph.space import Connection, NeuronLayer


def fuse_layers(layers: list[NeuronLayer], connections: list[Connection]) -> tuple[list[NeuronLayer], list[Connection]]:
    """Drop layers that only copy another; turn lone elementwise calls into activations of the layer they read."""
    layers = list(layers)
    root = list(range(len(layers)))
    entering: list[list[Connection]] = [[] for _ in layers]
    for connection in connections:
        entering[connection.target].append(connection)

    def merge(i: int, activation: bool) -> None:
        source = _resolve(root, _only_source(entering[i]))
        calls = (layers[i].pointwise,) if activation else ()
        output = layers[source].output or layers[i].output
        hidden, activation_of = (*layers[source].hidden, *layers[i].hidden), layers[source].activation
        layers[source] = replace(layers[source], activation=(*activation_of, *calls), output=output, hidden=hidden)
        root[i] = source

    for i, layer in enumerate(layers):
        if layer.pointwise is None and _can_merge(layers, entering, i):
            merge(i, activation=False)
    readers: dict[int, set[int]] = {i: set() for i in range(len(layers))}
    for connection in connections:
        if connection.source is not None and root[connection.target] == connection.target:
            readers[_resolve(root, connection.source)].add(connection.target)
    for i, layer in enumerate(layers):
        if layer.pointwise is not None and _can_merge(layers, entering, i):
            source = _resolve(root, _only_source(entering[i]))
            if readers[source] == {i} and not layers[source].output:
                merge(i, activation=True)
                readers[source] = readers[i]
    return _rebuild(layers, connections, root)


def _resolve(root: list[int], layer: int) -> int:
    while root[layer] != layer:
        layer = root[layer]
    return layer


def _only_source(entering: list[Connection]) -> int:
    (connection,) = entering
    assert connection.source is not None
    return connection.source


def _can_merge(layers: list[NeuronLayer], entering: list[list[Connection]], i: int) -> bool:
    if layers[i].operator != "pointwise" or len(entering[i]) != 1 or entering[i][0].source is None:
        return False
    source = layers[_only_source(entering[i])]
    return entering[i][0].block is None and (source.group, source.scale) == (layers[i].group, layers[i].scale)


def _rebuild(
    layers: list[NeuronLayer], connections: list[Connection], root: list[int]
) -> tuple[list[NeuronLayer], list[Connection]]:
    kept = [i for i in range(len(layers)) if root[i] == i]
    number = {old: new for new, old in enumerate(kept)}
    moved = [
        replace(c, target=number[c.target], source=None if c.source is None else number[_resolve(root, c.source)])
        for c in connections
        if c.target in number
    ]
    return [layers[i] for i in kept], moved
