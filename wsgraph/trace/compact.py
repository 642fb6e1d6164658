"""A weight space without the groups and multipliers that only the trace needed."""

from __future__ import annotations

from dataclasses import replace

from wsgraph.space import WeightSpace
from wsgraph.space.scale import Scale


def compact(space: WeightSpace) -> WeightSpace:
    """Drop what no layer or block needs: multipliers, and then groups; and number the rest anew."""
    return _without_groups(_without_classes(space))


def _without_classes(space: WeightSpace) -> WeightSpace:
    scales = [layer.scale for layer in space.layers] + [axis.scale for block in space.blocks for axis in block.axes]
    found = {factor.scale_class for scale in scales for factor in scale}
    used = sorted(found | {of for c in found if (of := space.scales[c].product_of) is not None})
    number = {old: new for new, old in enumerate(used)}

    def renumbered(scale: Scale) -> Scale:
        return tuple(factor._replace(scale_class=number[factor.scale_class]) for factor in scale)

    return replace(
        space,
        scales=tuple(
            replace(c, product_of=None if c.product_of is None else number[c.product_of])
            for c in (space.scales[old] for old in used)
        ),
        layers=tuple(replace(layer, scale=renumbered(layer.scale)) for layer in space.layers),
        blocks=tuple(
            replace(block, axes=tuple(replace(axis, scale=renumbered(axis.scale)) for axis in block.axes))
            for block in space.blocks
        ),
    )


def _without_groups(space: WeightSpace) -> WeightSpace:
    used = {layer.group for layer in space.layers} | {c.group for c in space.scales} | {c.group for c in space.phases}
    used |= {c.unit_over for c in space.scales if c.unit_over is not None}
    used |= {axis.group for block in space.blocks for axis in block.axes}
    pending = sorted(used)
    for group in pending:
        above = [g for g in (space.groups[group].parent, space.groups[group].across) if g is not None and g not in used]
        pending += above
        used.update(above)
    number = {old: new for new, old in enumerate(sorted(used))}
    groups = [space.groups[old] for old in sorted(used)]
    return replace(
        space,
        groups=tuple(
            replace(
                g,
                parent=None if g.parent is None else number[g.parent],
                across=None if g.across is None else number[g.across],
            )
            for g in groups
        ),
        scales=tuple(
            replace(c, group=number[c.group], unit_over=None if c.unit_over is None else number[c.unit_over])
            for c in space.scales
        ),
        phases=tuple(replace(c, group=number[c.group]) for c in space.phases),
        layers=tuple(replace(layer, group=number[layer.group]) for layer in space.layers),
        blocks=tuple(
            replace(block, axes=tuple(replace(axis, group=number[axis.group]) for axis in block.axes))
            for block in space.blocks
        ),
    )
