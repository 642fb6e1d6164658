"""``torch.export`` as the front end: a module and inputs to a flat, functional list of ATen calls."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram

from wsgraph.errors import TraceError


def export(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> ExportedProgram:
    """The program that the model runs in evaluation, without in-place operators that matter.

    Raises:
        TraceError: The module cannot be exported; the message names the line of its code.
    """
    with evaluating(model), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(model, tuple(args), dict(kwargs), strict=False)
            return program if _is_plain(program.graph) else program.run_decompositions({})
        except Exception as error:
            raise TraceError(_explain(model, error)) from error


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode, and every module back in its own mode afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _is_plain(graph: fx.Graph) -> bool:
    """Whether no in-place call changes a tensor that something else can see."""
    order = {node: i for i, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if _is_in_place(node):
            changed = node.args[0]
            others = [u for u in changed.users if u is not node]
            if changed.op != "call_function" or _is_view(changed):
                return False
            if any(_is_view(u) or order[u] > order[node] for u in others):
                return False
    return True


def _is_in_place(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _is_view(node: fx.Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload):
        return node.op == "call_function"
    return any(r.alias_info is not None for r in node.target._schema.returns) and not _is_in_place(node)


def _explain(model: nn.Module, error: Exception) -> str:
    return (
        f"{type(model).__name__} cannot be exported{place_of(error)}: {reason_of(error)} "
        "If its forward needs other inputs, pass them: trace(model, example_inputs=(x, ...)). Control flow that "
        "depends on the values of tensors has no fixed graph; replace it, or trace the parts."
    )


def reason_of(error: Exception) -> str:
    """The first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def place_of(error: Exception) -> str:
    """The line of the user's code that an error comes from, as text to add; empty if there is none."""
    packages = (Path(torch.__file__).parent, Path(__file__).parent)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_inside(f.filename, packages)]
    return f' at {frames[-1].filename}:{frames[-1].lineno}, in "{frames[-1].line}"' if frames else ""


def _is_inside(filename: str, folders: Sequence[Path]) -> bool:
    return filename.startswith("<") or any(str(folder) in filename for folder in folders)
