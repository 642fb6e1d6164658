"""From a finished trace to a weight space: layers, blocks and connections."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from wsgraph.space import (
    Axis,
    Block,
    Connection,
    MatrixSet,
    NeuronGroup,
    NeuronLayer,
    PhaseClass,
    TensorSpec,
    WeightSpace,
)
from wsgraph.space.parts import Offsets
from wsgraph.space.scale import Scale
from wsgraph.trace.compact import compact
from wsgraph.trace.crossings import base_units
from wsgraph.trace.fuse import fuse_layers
from wsgraph.trace.legs import LEG, Ints
from wsgraph.trace.linear import matrix_sets
from wsgraph.trace.phases import find_phases
from wsgraph.trace.plane_blocks import in_planes
from wsgraph.trace.probe import Probe
from wsgraph.trace.scales import solve_scales
from wsgraph.trace.solve import Partition, partition, unmentioned
from wsgraph.trace.tracer import Use

Meeting = tuple[str, int, int]
"""How a leg of a tensor meets a layer: as ("target" | "source", number of the use, layer)."""


def assemble(probe: Probe, tensors: tuple[TensorSpec, ...]) -> WeightSpace:
    """The weight space of a finished trace, whose calls a probe can make."""
    return _Assembly(probe, tensors).space()


@dataclass(frozen=True)
class _Part:
    """Indices of some axes of a tensor that form one axis of a block."""

    group: int
    scale: Scale
    meetings: tuple[Meeting, ...]
    index: Ints  # [units in the order of the group]
    copies: tuple[int, ...]  # offsets of the other copies of each unit
    pieces: int = 1
    kind: int = -1  # of the legs, where these are kept separate


class _Assembly:
    def __init__(self, probe: Probe, tensors: tuple[TensorSpec, ...]) -> None:
        self.probe = probe
        self.tracer = tracer = probe.tracer
        self.tensors = tensors
        self.units: Partition = partition(tracer.legs)
        self.layer_at: dict[tuple[int, int, int], int] = {}
        self.layers: list[NeuronLayer] = []
        self.mentioned = np.ones(tracer.legs.count, dtype=bool)
        self.mentioned[unmentioned(tracer.legs)] = False

    def space(self) -> WeightSpace:
        names = self._find_layers()
        groups = self._groups(names)
        classes, self.scales = solve_scales(self.tracer.legs, self.units, [g.name for g in groups])
        self.base = base_units(self.units)[0][self.units.first].tolist()
        linear, self.planes = matrix_sets(self.probe, self.units, classes, self.scales)
        layers = [
            replace(layer, scale=self._layer_scale(key)) for key, layer in zip(self.layer_at, self.layers, strict=True)
        ]
        self.meetings = self._meetings()
        self.phase_of, phases = self._phases()
        blocks, parts = self._blocks()
        blocks, whole = in_planes(blocks, parts, self.planes, self.base)
        linear = {i: kind for i, kind in linear.items() if kind is not MatrixSet.COMPLEX or i in whole}
        groups = tuple(replace(group, linear=linear.get(i, MatrixSet.ONE)) for i, group in enumerate(groups))
        connections = self._connections(blocks, parts)
        layers, connections = fuse_layers(layers, connections)
        return compact(
            WeightSpace(
                self.tensors,
                groups,
                classes,
                tuple(layers),
                tuple(blocks),
                tuple(connections),
                tuple(self.tracer.pins),
                tuple(phases),
            )
        )

    # ---------------------------------------------------------------- layers

    def _group_of(self, leg: int) -> int:
        return int(self.units.group[self.units.slot[leg]])

    def _find_layers(self) -> list[str]:
        """Split every node by group and kind; returns the name of the first layer of every group."""
        names: dict[int, str] = {}
        for number, node in enumerate(self.tracer.nodes):
            first = node.legs[self.units.is_first[self.units.slot[node.legs]]]
            parts = list(dict.fromkeys((self._group_of(leg), int(self.units.kind[leg])) for leg in first.tolist()))
            for i, (group, kind) in enumerate(parts):
                name = node.name if len(parts) == 1 else f"{node.name}[{i}]"
                names.setdefault(group, name)
                self.layer_at[number, group, kind] = len(self.layers)
                self.layers.append(
                    NeuronLayer(name, group, (), node.operator, node.pointwise, node.eps, (), node.output, node.hidden)
                )
        for group, parent in enumerate(self.units.parent.tolist()):
            if parent >= 0 and group in names:
                names.setdefault(parent, f"{names[group]} pieces")
        return [names.get(g, f"fixed {g}") for g in range(len(self.units.first))]

    def _groups(self, names: list[str]) -> tuple[NeuronGroup, ...]:
        sizes = np.bincount(self.units.group)
        counts: dict[str, int] = defaultdict(int)
        groups = []
        for group, (name, size, fixed) in enumerate(zip(names, sizes.tolist(), self.units.still.tolist(), strict=True)):
            counts[name] += 1
            unique = name if counts[name] == 1 else f"{name} ({counts[name]})"
            larger = [int(a[group]) for a in (self.units.parent, self.units.across)]
            above: list[int | None] = [g for g in larger if g >= 0 and sizes[g] > 1] + [None, None]
            groups.append(NeuronGroup(unique, size, fixed, parent=above[0], across=above[1]))
        return tuple(groups)

    def _layer_scale(self, key: tuple[int, int, int]) -> Scale:
        node, group, kind = key
        legs = self.tracer.nodes[node].legs
        here = (self.units.slot[legs] == self.units.first[group]) & (self.units.kind[legs] == kind)
        return self.scales.get(int(legs[here][0]), ())

    def _layer(self, node: int, leg: int) -> int:
        return self.layer_at[node, self._group_of(leg), int(self.units.kind[leg])]

    def _first_columns(self, legs: Ints) -> list[int]:
        """Columns whose unit is the first of its group."""
        return np.flatnonzero(self.units.is_first[self.units.slot[legs]]).tolist()

    def _meetings(self) -> dict[int, tuple[Meeting, ...]]:
        """For every kind of tensor leg, the layers that it meets."""
        found: dict[int, dict[Meeting, None]] = defaultdict(dict)
        for number, use in enumerate(self.tracer.uses):
            if use.tensor is None:
                continue
            for column in self._first_columns(use.targets[0]):
                leg, met = use.targets[:, column].tolist()
                found[int(self.units.kind[leg])]["target", number, self._layer(use.node, met)] = None
            if use.sources is not None:
                for column in self._first_columns(use.sources[0]):
                    leg, met, node = use.sources[:, column].tolist()
                    found[int(self.units.kind[leg])]["source", number, self._layer(node, met)] = None
        return {kind: tuple(meetings) for kind, meetings in found.items()}

    def _phases(self) -> tuple[dict[Meeting, int], list[PhaseClass]]:
        """The phase class of each way in which tensors enter the linear maps before sines, and the classes."""
        found: dict[Meeting, int] = {}
        numbers: dict[int, int] = {}
        classes: list[PhaseClass] = []
        periods = find_phases(self.tracer)
        for meeting in (m for meetings in self.meetings.values() for m in meetings):
            side, use, layer = meeting
            node = self.tracer.uses[use].node
            if side == "target" and node in periods:
                if layer not in numbers:
                    numbers[layer] = len(classes)
                    classes.append(PhaseClass(self.layers[layer].name, self.layers[layer].group, periods[node]))
                found[meeting] = numbers[layer]
        return found, classes

    # ---------------------------------------------------------------- blocks

    def _blocks(self) -> tuple[list[Block], list[tuple[_Part, ...]]]:
        blocks: list[Block] = []
        parts: list[tuple[_Part, ...]] = []
        for spec in self.tensors:
            if spec.is_floating and spec.same_as is None:
                for block, of_axes in self._blocks_of(spec):
                    blocks.append(block)
                    parts.append(of_axes)
        return blocks, parts

    def _blocks_of(self, spec: TensorSpec) -> list[tuple[Block, tuple[_Part, ...]]]:
        known = self.tracer.tensor_labels.get(spec.name, {})
        labels = {axes: known[axes][LEG] for axes in sorted(known) if self.mentioned[known[axes][LEG]].any()}
        used = {a for axes in labels for a in axes}
        if not labels:
            return [(Block(spec.name, (), (range(spec.numel),)), ())]
        strides = [prod(spec.shape[a + 1 :]) for a in range(len(spec.shape))]
        kernel = tuple(_spaced(np.arange(n) * strides[a]) for a, n in enumerate(spec.shape) if a not in used)
        separate = any(0 not in axes and legs.shape[0] > 1 for axes, legs in labels.items())
        combinations: list[tuple[_Part, ...]] = [()]
        for axes, legs in labels.items():
            offsets = _offsets([spec.shape[a] for a in axes], [strides[a] for a in axes])
            combinations = [
                (*c, part)
                for c in combinations
                for part in self._parts(legs, axes, offsets, c, strides[0], separate and 0 in axes)
            ]
        return [(self._block(spec.name, parts, kernel), parts) for parts in combinations]

    def _block(self, tensor: str, parts: tuple[_Part, ...], kernel: tuple[Offsets, ...]) -> Block:
        axes = []
        turns = None
        for part in parts:
            phases = {self.phase_of[m] for m in part.meetings if m in self.phase_of}
            phase = phases.pop() if phases else None
            axes.append(Axis(part.group, _spaced(part.index), part.scale, phase))
            if any(m in self.phase_of and self.tracer.uses[m[1]].role == "bias" for m in part.meetings):
                turns = phase
        copies = tuple(_spaced(np.array(part.copies)) for part in parts if len(part.copies) > 1)
        pieces = max(part.pieces for part in parts)
        return Block(tensor, tuple(axes), (*copies, *kernel), self.tracer.shifts.get(tensor, 0.0), pieces, turns)

    def _parts(
        self,
        legs: Ints,
        axes: tuple[int, ...],
        offsets: Ints,
        chosen: tuple[_Part, ...],
        stride: int,
        separate: bool,
    ) -> list[_Part]:
        """Cut an axis where group, scale or the layers met change; ``chosen`` are the parts of earlier axes.

        Several copies of a unit make one part, unless they are kept separate, since later axes differ among them.
        """
        lines = self._lines(legs, axes, chosen, stride)
        merged: dict[tuple[int, Scale, tuple[Meeting, ...], int], list[Ints]] = defaultdict(list)
        ranks = self.units.rank[self.units.slot[lines]]
        for group, kind in self._kinds(lines[0]):
            index = [np.flatnonzero(self._is(line, group, kind)) for line in lines]
            index = [i[np.argsort(r[i])] for i, r in zip(index, ranks, strict=True)]
            scale = self.scales.get(int(lines[0][index[0][0]]), ())
            own = kind if separate or self.base[group] in self.planes else -1
            merged[group, scale, self.meetings.get(kind, ()), own].append(offsets[np.concatenate(index)])
        return [
            _Part(group, scale, meetings, index, copies, len(lines), kind)
            for (group, scale, meetings, kind), indices in merged.items()
            for index, copies in _copies(indices)
        ]

    def _kinds(self, legs: Ints) -> list[tuple[int, int]]:
        """The groups of legs with their kinds, in the order of their first appearance."""
        group, kind = self.units.group[self.units.slot[legs]], self.units.kind[legs]
        first = np.sort(np.unique(kind * (group.max(initial=0) + 1) + group, return_index=True)[1])
        return list(zip(group[first].tolist(), kind[first].tolist(), strict=True))

    def _is(self, legs: Ints, group: int, kind: int) -> NDArray[np.bool_]:
        return (self.units.group[self.units.slot[legs]] == group) & (self.units.kind[legs] == kind)

    def _lines(self, legs: Ints, axes: tuple[int, ...], chosen: tuple[_Part, ...], stride: int) -> Ints:
        """The legs of an axis, ``[pieces, n]``: a line for each piece of the first axis with units of its own here."""
        if 0 in axes or legs.shape[0] == 1 or not chosen:
            return legs.reshape(1, -1)
        lines = legs.reshape(legs.shape[0], -1)[chosen[0].index // stride]
        return lines[np.r_[True, np.diff(lines[:, 0]) != 0]]

    # ----------------------------------------------------------- connections

    def _connections(self, blocks: list[Block], parts: list[tuple[_Part, ...]]) -> list[Connection]:
        where: dict[str, list[int]] = defaultdict(list)
        for i, block in enumerate(blocks):
            where[block.tensor].append(i)
        found: list[Connection] = []
        for number, use in enumerate(self.tracer.uses):
            if use.tensor is None:
                found += self._operands(use)
            else:
                for i in where[use.tensor]:
                    found += _connect(use, number, i, parts[i])
        return found

    def _operands(self, use: Use) -> list[Connection]:
        assert use.sources is not None
        found: dict[Connection, None] = {}
        for column in self._first_columns(use.targets[0]):
            _, met, node = use.sources[:, column].tolist()
            if node >= 0:  # numbers of which no layer is known have none
                target = self._layer(use.node, int(use.targets[1, column]))
                found[Connection("operand", target, self._layer(node, met))] = None
        return list(found)


def _connect(use: Use, number: int, block: int, parts: tuple[_Part, ...]) -> list[Connection]:
    """The connections that one use of a tensor makes through one of its blocks."""
    targets = [(m[2], a) for a, p in enumerate(parts) for m in p.meetings if m[:2] == ("target", number)]
    sources = [m[2] for p in parts for m in p.meetings if m[:2] == ("source", number)]
    if use.sources is None:
        return [Connection(use.role, layer, None, block, axis) for layer, axis in targets]
    return [Connection(use.role, layer, source, block, axis) for layer, axis in targets for source in sources]


def _offsets(sizes: list[int], strides: list[int]) -> Ints:
    """Positions of the entries along some axes in the flattened tensor."""
    grids = np.meshgrid(*(np.arange(n) * s for n, s in zip(sizes, strides, strict=True)), indexing="ij")
    return np.sum(grids, axis=0).reshape(-1)


def _copies(indices: list[Ints]) -> list[tuple[Ints, tuple[int, ...]]]:
    """Join index sets that differ by a constant: further copies of the same units."""
    first = indices[0]
    if all((index - first == index[0] - first[0]).all() for index in indices):
        return [(first, tuple(int(index[0] - first[0]) for index in indices))]
    return [(index, (0,)) for index in indices]


def _spaced(offsets: Ints) -> Offsets:
    """A range where the offsets are evenly spaced."""
    if len(offsets) == 1:
        return range(int(offsets[0]), int(offsets[0]) + 1)
    steps = np.diff(offsets)
    if (steps == steps[0]).all() and steps[0]:
        return range(int(offsets[0]), int(offsets[-1] + steps[0]), int(steps[0]))
    return tuple(offsets.tolist())
