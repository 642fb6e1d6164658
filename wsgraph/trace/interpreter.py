"""``trace``: run a model's ATen calls on labels in place of numbers."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import ExportGraphSignature, InputKind, OutputKind
from torch.nn.parameter import is_lazy

from wsgraph.errors import TraceError
from wsgraph.space import TensorSpec, WeightSpace
from wsgraph.trace.additive import find_shifts
from wsgraph.trace.alike import Alike, as_reductions, change_places, find_alike
from wsgraph.trace.assemble import assemble
from wsgraph.trace.export import export
from wsgraph.trace.inputs import find_arguments
from wsgraph.trace.legs import LEG, NODE
from wsgraph.trace.probe import Probe
from wsgraph.trace.registry import find_rule, is_transparent
from wsgraph.trace.rules.arithmetic import opened_together, summed
from wsgraph.trace.rules.pointwise import elementwise
from wsgraph.trace.rules.shape import zeros
from wsgraph.trace.scales import lost_groups
from wsgraph.trace.solve import partition
from wsgraph.trace.tracer import Tracer, flatten_values
from wsgraph.trace.value import NotCovered, Value


def trace(model: nn.Module, example_inputs: Any = None) -> WeightSpace:
    """The weight space of a module: its neuron groups, scale classes, layers, blocks and connections.

    The module's exported program is interpreted abstractly: every value carries, in place of numbers, which unit stands
    where; every operator says what it does to units and their multipliers. An operator without a rule pins the units
    that it meets, which makes the symmetry group smaller and never wrong; ``space.report()`` names it.

    Args:
        model: Any module that ``torch.export`` can export. It is traced as in evaluation, and left as it was.
        example_inputs: A tensor, a tuple of positional arguments, or a dictionary of keyword arguments of
            ``model.forward``. Found by trying shapes if not given.

    Raises:
        TraceError: The module cannot be exported, or no input was found for it.

    Example:
        >>> import torch, wsgraph
        >>> wsgraph.trace(torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)))
        WeightSpace(3 layers, 131 parameters, 1 free group of 16 units, POSITIVE)
    """
    tensors = tensor_specs(model) if isinstance(model, nn.Module) else ()
    args, kwargs = as_arguments(model, example_inputs)
    program = export(model, args, kwargs)
    found = find_alike(program.graph)
    while True:
        graph, reductions = as_reductions(program.graph, found)
        interpreter = _Interpreter(Tracer(), tensors)
        interpreter.run(graph, program.graph_signature)
        interpreter.tracer.finish()
        kept = interpreter.with_swaps(reductions)
        if len(kept) == len(found):
            space = assemble(Probe(graph, interpreter.values, interpreter.tracer), tensors)
            return replace(space, shifts=find_shifts(program.graph, program.graph_signature, space))
        found = kept


def as_arguments(model: nn.Module, example_inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of forward from the forms that ``example_inputs`` may take."""
    if not isinstance(model, nn.Module):
        raise TraceError(f"Expected a torch.nn.Module, got {type(model).__name__}.")
    if example_inputs is None:
        return find_arguments(model)
    if isinstance(example_inputs, Mapping):
        return (), dict(example_inputs)
    if isinstance(example_inputs, Sequence):
        return tuple(example_inputs), {}
    return (example_inputs,), {}


def tensor_specs(model: nn.Module) -> tuple[TensorSpec, ...]:
    """The entries of a model's state dict; tied tensors refer to the first of their names.

    Raises:
        TraceError: A tensor is complex or quantised, or has no shape yet.
    """
    state = model.state_dict(keep_vars=True)
    lazy = next((name for name, tensor in state.items() if is_lazy(tensor)), None)
    if lazy is not None:
        raise TraceError(f"Tensor {lazy!r} has no shape yet: run the model once, so that its lazy layers are made.")
    widths = {t.dtype for t in state.values() if isinstance(t, Tensor) and t.is_floating_point()}
    first: dict[int, str] = {}
    specs = []
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.is_complex() or tensor.is_quantized:
            kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise TraceError(
                f"State-dict entry {name!r} is {kind}; only real floating and integer tensors have a place."
            )
        exact = str(tensor.dtype).removeprefix("torch.")
        dtype = "float" if tensor.is_floating_point() and len(widths) == 1 else exact
        same_as = first.setdefault(id(tensor), name)
        specs.append(
            TensorSpec(
                name, tuple(tensor.shape), dtype, isinstance(tensor, nn.Parameter), None if same_as == name else same_as
            )
        )
    return tuple(specs)


SHAPES_ONLY = frozenset({"expand_as", "view_as", "type_as", "copy", "fill", "zeros_like", "ones_like", "full_like"})
"""Operators whose results do not depend on the numbers of one of their arguments."""
MUTATIONS = (OutputKind.BUFFER_MUTATION, OutputKind.PARAMETER_MUTATION)


class _Interpreter:
    """Walks the calls of a program and applies their rules."""

    def __init__(self, tracer: Tracer, tensors: tuple[TensorSpec, ...]) -> None:
        self.tracer = tracer
        self.specs = {t.name: t for t in tensors}
        self.values: dict[fx.Node, Any] = {}

    def run(self, graph: fx.Graph, signature: ExportGraphSignature) -> None:
        inputs = {spec.arg.name: spec for spec in signature.input_specs}
        for node in graph.nodes:
            if node.op == "placeholder":
                self.values[node] = self._placeholder(node, inputs[node.name])
            elif node.op == "call_function":
                self.values[node] = self._call(node)
            elif node.op == "output":
                self._output(self._resolve(node.args[0]), signature.output_specs)
            else:
                self.values[node] = Value(_shape(node) or (), name=node.name)

    def with_swaps(self, reductions: Mapping[Alike, fx.Node]) -> list[Alike]:
        """Those of some reductions over the pieces of a value in which the pieces may change places, unit by unit."""
        if not reductions:
            return []
        units = partition(self.tracer.legs)
        pieces = {alike: self.values[node.all_input_nodes[0]] for alike, node in reductions.items()}
        lost = lost_groups(self.tracer.legs, units)
        return [
            alike
            for alike, node in reductions.items()
            if change_places(units, pieces[alike], alike.first.dim, self.values[node])
            and not any(lost.intersection(units.group[units.slot[label[LEG]]].flat) for label in pieces[alike].labels)
        ]

    def _placeholder(self, node: fx.Node, spec: Any) -> Any:
        shape = _shape(node)
        if shape is None:
            return node.meta.get("val")
        known = self.specs.get(spec.target) if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER) else None
        if spec.kind == InputKind.USER_INPUT:
            self.tracer.inputs.add(node.name)
        if known is None or not known.is_floating:
            return Value(shape, name=node.name)
        key = known.same_as or known.name
        return Value(shape, tensor=key, parts=(key,), is_raw=True, name=node.name)

    def _call(self, node: fx.Node) -> Any:
        tracer, target = self.tracer, node.target
        args = self._resolve(node.args)
        kwargs = {k: self._resolve(v) for k, v in node.kwargs.items()}
        in_place = False
        tracer.operator, tracer.overload = getattr(target, "__name__", str(target)), ""
        if isinstance(target, torch._ops.OpOverload):
            tracer.operator, tracer.overload = target._schema.name.split("::")[-1], target._overloadname
            in_place = target._schema.is_mutable and tracer.operator.endswith("_")
            tracer.operator = tracer.operator.rstrip("_")
        tracer.where, tracer.call, tracer.shape = _module_path(node), node.name, _shape(node)
        if target is operator.getitem:
            return args[0][args[1]] if isinstance(args[0], tuple | list) else Value(_shape(node) or (), name=node.name)
        result = self._apply(args, kwargs, getattr(target, "tags", ()))
        if in_place:
            changed = node.args[0]
            assert isinstance(changed, fx.Node)
            self.values[changed] = result
        return result

    def _apply(self, args: list[Any], kwargs: dict[str, Any], tags: Any) -> Any:
        """The result of the operator at hand, by its rule; or pinned inputs and data without a meaning."""
        tracer, values = self.tracer, flatten_values([args, kwargs])
        if is_transparent(tracer.operator):
            return self._by_rule(args, kwargs, values, tags)
        first_use = len(tracer.uses)
        has_units = any(v.labels or v.is_parameter for v in values)
        needed = has_units or any(v.is_zero for v in values) or find_rule(tracer.operator) is zeros
        result = self._by_rule(args, kwargs, values, tags) if needed else _unlabelled(tracer)
        tracer.note_readers(values, flatten_values([result]))
        if tracer.shape is not None:  # not a mere check
            tracer.note_hidden_reads(values, flatten_values([result]), first_use)
        return result

    def _by_rule(self, args: list[Any], kwargs: dict[str, Any], values: list[Value], tags: Any) -> Any:
        tracer = self.tracer
        name, shape = tracer.operator, tracer.shape
        rule = find_rule(name) or (elementwise if torch.Tag.pointwise in tags else None)
        if rule is None:
            tracer.pin(values, f"no rule for {tracer.operator}")
            return _unlabelled(tracer)
        known = len(tracer.legs.records), len(tracer.legs.pinned)
        try:
            result = rule(tracer, *args, **kwargs)
            if name not in SHAPES_ONLY:
                self._pin_forgotten(values, flatten_values([result]), *known)
            return result
        except NotCovered as reason:
            tracer.pin(values, f"{tracer.operator} in {reason}")
        except (ValueError, IndexError, TypeError, AssertionError, KeyError, StopIteration) as error:
            tracer.pin(values, f"the rule for {name} does not know this form ({type(error).__name__}: {error})")
        tracer.operator, tracer.shape = name, shape
        return _unlabelled(tracer)

    def _pin_forgotten(self, values: list[Value], results: list[Value], records: int, pinned: int) -> None:
        """Units of which a rule says nothing, and which its results do not have, stay."""
        legs = self.tracer.legs
        if not results or all(value.is_zero for value in results):
            return
        said = [record.legs.reshape(-1) for record in legs.records[records:]] + legs.pinned[pinned:]
        said += [label[LEG].reshape(-1) for value in results for label in value.labels]
        known = np.concatenate([np.empty(0, np.int64), *said])
        for value in values:
            for label in value.labels if 0 not in value.shape else ():
                if not np.isin(label[LEG], known).any():
                    if value.is_parameter:
                        legs.pin(label)  # mere positions
                    else:
                        self.tracer.pin([replace(value, labels=(label,))], "no rule for units along another axis")

    def _resolve(self, arg: Any) -> Any:
        if isinstance(arg, fx.Node):
            return self.values[arg]
        if isinstance(arg, list | tuple):
            return [self._resolve(a) for a in arg]
        if isinstance(arg, dict):
            return {k: self._resolve(v) for k, v in arg.items()}
        if isinstance(arg, slice):
            return slice(*(self._resolve(a) for a in (arg.start, arg.stop, arg.step)))
        return str(arg) if isinstance(arg, torch.dtype | torch.device | torch.layout | torch.memory_format) else arg

    def _output(self, results: Sequence[Any], specs: Sequence[Any]) -> None:
        """What the network returns stays as it is; what it stores has the units of what was stored there before."""
        self.tracer.call = self.tracer.operator = "output"
        for value, spec in zip(results, specs, strict=True):
            self.tracer.note_readers(flatten_values([value]), [])
            stored = self.specs.get(spec.target) if spec.kind in MUTATIONS else None
            if stored is not None and stored.is_floating and isinstance(value, Value):
                key = stored.same_as or stored.name
                before = Value(stored.shape, tensor=key, parts=(key,), is_raw=True, name=key)
                self.tracer.shape = value.shape
                summed(self.tracer, *opened_together(self.tracer, value, before))
            else:
                self._returned(flatten_values([value]))

    def _returned(self, values: list[Value]) -> None:
        for value in values:
            for label in self.tracer.opened(value).labels:
                self.tracer.legs.pin(label)
                for node in set(label[NODE].reshape(-1).tolist()) - {-1}:
                    self.tracer.nodes[node].output = True


def _unlabelled(tracer: Tracer) -> Any:
    shapes = tracer.shape
    if shapes is None:
        return None
    if isinstance(shapes, list):
        return tuple(
            Value(tuple(s), name=f"{tracer.call}_{i}") if s is not None else None for i, s in enumerate(shapes)
        )
    return Value(tuple(shapes), name=tracer.call)


def _shape(node: fx.Node) -> Any:
    """Shape of a tensor, list of the shapes of several, None for anything else."""
    value = node.meta.get("val")
    if isinstance(value, Tensor):
        return tuple(int(n) for n in value.shape)
    if isinstance(value, list | tuple) and any(isinstance(v, Tensor) for v in value):
        return [tuple(int(n) for n in v.shape) if isinstance(v, Tensor) else None for v in value]
    return None


def _module_path(node: fx.Node) -> str:
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] if stack else ""
