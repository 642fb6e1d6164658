"""Programs as one flat list of calls: regions that only wrap calls are put in their place."""

from __future__ import annotations

import operator
from collections.abc import Collection
from typing import Any

import torch
from torch import fx

GRADIENT_REGIONS = ("wrap_with_set_grad_enabled", "tag_activation_checkpoint", "wrap_activation_checkpoint")
REGIONS = (*GRADIENT_REGIONS, "wrap_with_autocast", "wrap", "invoke_subgraph", "strict_mode", "hints_wrapper")
"""Operators that call one graph with their last arguments, and no more; none that branches or loops."""


def inline(module: fx.GraphModule, regions: Collection[str] = REGIONS) -> None:
    """Put the calls inside regions into the graph itself, in place; they keep their shapes and module paths."""
    for node in list(module.graph.nodes):
        region = _region(module, node) if _name(node) in regions else None
        if region is not None:
            inline(module.get_submodule(region), regions)  # type: ignore[arg-type]
            _replace(module, node, region)
    module.recompile()


def prune(module: fx.GraphModule) -> None:
    """Remove what nothing reads, in place: checks, guards, and values without a use. In-place calls stay."""
    for node in reversed(list(module.graph.nodes)):
        mutates = isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
        if not node.users and not mutates and node.op not in ("placeholder", "output"):
            module.graph.erase_node(node)
    module.recompile()


def _region(module: fx.GraphModule, node: fx.Node) -> str | None:
    """The name of the graph that an operator calls."""
    names = [str(a.target) for a in node.args if isinstance(a, fx.Node) and a.op == "get_attr"]
    graphs = [name for name in names if isinstance(getattr(module, name, None), fx.GraphModule)]
    return graphs[0] if len(graphs) == 1 else None


def _replace(module: fx.GraphModule, node: fx.Node, region: str) -> None:
    called = module.get_submodule(region).graph
    assert isinstance(called, fx.Graph)
    inputs = called.find_nodes(op="placeholder")
    arguments = [arg for arg in node.args if not isinstance(arg, dict)]  # hints
    flat = [part for arg in arguments for part in (arg if isinstance(arg, tuple | list) else (arg,))]
    values: dict[fx.Node, Any] = dict(zip(inputs, flat[len(flat) - len(inputs) :], strict=True))
    with module.graph.inserting_before(node):
        for inner in called.nodes:
            if inner.op == "output":
                results = fx.map_arg(inner.args[0], values.__getitem__)
            elif inner.op != "placeholder":
                values[inner] = module.graph.node_copy(inner, values.__getitem__)
                if inner.op == "get_attr":
                    values[inner].target = name = f"{region}_{inner.target}"
                    setattr(module, name, getattr(module.get_submodule(region), inner.target))
    for user in list(node.users):
        if user.target is operator.getitem:
            user.replace_all_uses_with(results[user.args[1]])
            module.graph.erase_node(user)
        else:
            user.args = fx.map_arg(user.args, lambda used: results if used is node else used)
    module.graph.erase_node(node)
    for caller in [n for n in module.graph.nodes if n.target == region and not n.users]:
        module.graph.erase_node(caller)


def _name(node: fx.Node) -> str:
    """The name of the higher-order operator that a node calls; empty for anything else."""
    return node.target.name() if isinstance(node.target, torch._ops.HigherOrderOperator) else ""
