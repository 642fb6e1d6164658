"""What a trace found, as plain values for JSON."""

from __future__ import annotations

import math
from typing import Any

from wsgraph.space import WeightSpace
from wsgraph.space.operators import calls
from wsgraph.space.report_words import num_moved_parameters


def facts(space: WeightSpace) -> dict[str, Any]:
    """Layers, groups, scale classes, pins and sizes; layers and classes refer to groups by index."""
    moved = num_moved_parameters(space)
    return {
        "digest": space.digest,
        "parameters": space.num_parameters,
        "weights": space.num_weights,
        "moved_parameters": moved,
        "moved_share": moved / max(space.num_parameters, 1),
        "layers": [
            {
                "name": layer.name,
                "units": space.size(i),
                "computes": calls(layer),
                "group": layer.group,
                "scale": [factor._asdict() for factor in layer.scale],
                "output": layer.output,
            }
            for i, layer in enumerate(space.layers)
        ],
        "groups": [
            {
                "name": group.name,
                "units": group.size,
                "fixed": group.fixed,
                "moves": i in space.moving_groups,
                "parent": group.parent,
                "across": group.across,
                "linear": group.linear.name,
            }
            for i, group in enumerate(space.groups)
        ],
        "scales": [
            {
                "name": c.name,
                "group": c.group,
                "values": c.values.name,
                "product_of": c.product_of,
                "unit_over": c.unit_over,
            }
            for c in space.scales
        ],
        "phases": [{"name": c.name, "group": c.group, "period": c.period} for c in space.phases],
        "shifts": [
            {"tensor": space.blocks[shift.block].tensor, "block": shift.block, "runs": list(shift.runs)}
            for shift in space.shifts
        ],
        "pins": [
            {"where": pin.where, "operator": pin.operator, "reason": pin.reason, "units": pin.num_units}
            for pin in space.pins
        ],
    }


def verdict(error: float, tolerance: float) -> dict[str, Any]:
    """The result of a verification; an error that is no number is None."""
    return {
        "error": error if math.isfinite(error) else None,
        "tolerance": tolerance,
        "passed": error <= tolerance,
    }
