"""The walk: from what a program returns back to the tensors that it reads."""

from __future__ import annotations

import operator
from collections import Counter
from typing import Any

from torch import fx
from torch.utils._pytree import tree_leaves

from wsgraph.trace.additive.blind import Family, anything, both
from wsgraph.trace.additive.calls import Call, handed_back, is_aten, is_tensor, shape_of


def blind_inputs(graph: fx.Graph) -> dict[fx.Node, Family]:
    """For every tensor that a program is given, what may be added to it without a change of what it returns.

    Every place in which a value is read has to be blind to what is added, whatever stands in all other places; so it
    may be added in all of them at once, and to several tensors.
    """
    found: dict[fx.Node, Family] = {n: [anything(shape_of(n))] for n in graph.nodes if is_tensor(n)}
    for node in reversed(graph.nodes):
        if node.op == "output":
            found.update({n: [] for n in node.all_input_nodes if n in found})
        elif node.op == "call_function" and node.target is not operator.getitem:
            _hand_back(node, found)
        elif node.op == "call_function" and not isinstance(node.args[0].meta.get("val"), tuple | list):
            found[node.args[0]] = []
    return {node: family for node, family in found.items() if node.op == "placeholder"}


def _hand_back(node: fx.Node, found: dict[fx.Node, Family]) -> None:
    places = Counter(n for n in tree_leaves([list(node.args), dict(node.kwargs)]) if n in found)
    told: Counter[fx.Node] = Counter()
    families = _results(node, found)
    for given, family in _handed_back(node, families) if is_aten(node) and families else ():
        if given in found:
            told[given] += 1
            found[given] = both(found[given], family)
    for given in places:
        if told[given] < places[given]:
            found[given] = []


def _handed_back(node: fx.Node, families: list[Family]) -> list[tuple[fx.Node, Family]]:
    """What a call hands back; nothing, if it has a form that its function does not know."""
    try:
        return list(handed_back(Call(node, families)))
    except (ValueError, IndexError, TypeError, AssertionError, KeyError, StopIteration):
        return []


def _results(node: fx.Node, found: dict[fx.Node, Family]) -> list[Family]:
    """What may be added to each of the results of a call."""
    if node in found:
        return [found[node]]
    values = node.meta.get("val")
    if not isinstance(values, tuple | list):
        return []
    families: list[Family] = [[anything(v.shape)] if hasattr(v, "shape") else [] for v in values]
    for user in node.users:
        if user.target is not operator.getitem:
            return [[] for _ in families]
        if user in found:
            index: Any = user.args[1]
            families[index] = both(families[index], found[user])
    return families
