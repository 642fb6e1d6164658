"""``torch.export`` as the front end: a module and inputs to a flat, functional list of ATen calls."""

from __future__ import annotations

import inspect
import io
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind

from wsgraph.errors import TraceError
from wsgraph.trace.complex_numbers import as_reals
from wsgraph.trace.inline import GRADIENT_REGIONS, inline, prune
from wsgraph.trace.nested import map_tensors, snapshot, tensors_of


def export(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> ExportedProgram:
    """The program that the model runs in evaluation: one flat graph, without in-place operators that matter.

    Its inputs are the tensors inside the arguments, whatever these are, and its outputs those inside the result.
    Regions (of other gradient modes or precisions) are put in their place; operators that branch or loop stay.

    Raises:
        TraceError: The module cannot be exported; the message names the line of its code.
    """
    tensors, call = _call_with_tensors(model, args, kwargs)
    with evaluating(model), quiet(), torch.no_grad():
        try:
            program = torch.export.export(_Plain(model, call), (), tensors, strict=False)
            inline(program.graph_module, GRADIENT_REGIONS)
            if not _is_plain(program.graph_module):
                program = program.run_decompositions({})
        except Exception as error:
            raise TraceError(_explain(model, error)) from error
    if OutputKind.USER_OUTPUT not in {spec.kind for spec in program.graph_signature.output_specs}:
        raise TraceError(
            f"{type(model).__name__} returns no tensors, so that all of its weights have the same function."
        )
    inline(program.graph_module)
    as_reals(program.graph)
    prune(program.graph_module)
    return program


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode and without caches; afterwards every module has its own attributes back."""
    restore = snapshot(*(vars(module) for module in model.modules()))
    configs = [getattr(module, "config", None) for module in model.modules()]
    caching: list[Any] = [config for config in configs if getattr(config, "use_cache", False) is True]
    model.eval()
    try:
        for config in caching:
            config.use_cache = False
        yield
    finally:
        for config in caching:
            config.use_cache = True
        restore()


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's warnings, and without the pages that it prints about every failure."""
    loggers = [logging.getLogger(name) for name in ("torch.__trace", "torch._subclasses.fake_tensor")]
    before = [logger.disabled for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


class _Plain(nn.Module):
    """A model with its own names for its tensors, but with tensors as arguments and a tuple of tensors as result."""

    def __init__(self, model: nn.Module, call: Callable[[Mapping[str, Tensor]], Any]) -> None:
        super().__init__()
        for shared in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            self.__dict__[shared] = getattr(model, shared)
        self.__dict__["call"] = call
        self.training = False

    def forward(self, /, **tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensors_of(self.__dict__["call"](tensors)))


def _call_with_tensors(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Tensor], Callable[[Mapping[str, Tensor]], Any]]:
    """The tensors inside a model's arguments by name, and a function that calls it with others in their place."""
    names: dict[int, str] = {}
    tensors: dict[str, Tensor] = {}

    def note(tensor: Tensor, name: str) -> Tensor:
        if id(tensor) not in names:
            name = re.sub(r"\W", "_", name)
            while name in tensors:
                name += "_"
            names[id(tensor)], tensors[name] = name, tensor
        return tensor

    try:
        bound = inspect.signature(model.forward).bind(*args, **kwargs)
    except TypeError as error:
        raise TraceError(_explain(model, error.with_traceback(None))) from error
    for name, value in bound.arguments.items():
        map_tensors(note, value, "" if _is_keywords(bound, name) else name)

    def call(new: Mapping[str, Tensor]) -> Any:
        filled = map_tensors(lambda tensor, name: new[names[id(tensor)]], (bound.args, bound.kwargs))
        return model(*filled[0], **filled[1])

    return tensors, call


def _is_keywords(bound: inspect.BoundArguments, name: str) -> bool:
    return bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD


def _is_plain(module: fx.GraphModule) -> bool:
    """Whether no in-place call changes a tensor that something else can see."""
    order = {node: i for i, node in enumerate(module.graph.nodes)}
    for node in order:
        if _is_in_place(node):
            changed = node.args[0]
            others = [u for u in changed.users if u is not node]
            if changed.op != "call_function" or _is_view(changed):
                return False
            if any(_is_view(u) or order[u] > order[node] for u in others):
                return False
    used = [getattr(module, str(node.target), None) for node in module.graph.find_nodes(op="get_attr")]
    return all(_is_plain(region) for region in used if isinstance(region, fx.GraphModule))


def _is_in_place(node: fx.Node) -> bool:
    """Whether a call changes its first argument; dropout in evaluation does not."""
    if not isinstance(node.target, torch._ops.OpOverload) or not node.target._schema.is_mutable:
        return False
    return node.target is not torch.ops.aten.dropout_.default or bool(node.args[2])


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
    return filename.startswith("<") or any(Path(filename).is_relative_to(folder) for folder in folders)
