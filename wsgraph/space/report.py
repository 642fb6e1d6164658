"""A weight space in plain words and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsgraph.space.scale import Factor, Scale, ScaleClass, ScaleSet

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

_WORDS = {
    ScaleSet.ONE: "no multiplier",
    ScaleSet.SIGN: "sign flips",
    ScaleSet.POSITIVE: "positive multipliers",
    ScaleSet.NONZERO: "nonzero multipliers",
}


class Report:
    """Tables of what a trace found; ``print(space.report())``, or hand it to ``rich.print`` for colours."""

    def __init__(self, space: WeightSpace) -> None:
        self.space = space

    def __rich__(self) -> Group:
        parts: list[RenderableType] = [self._summary(), self._layers(), self._groups()]
        return Group(*parts, self._pins()) if self.space.pins else Group(*parts, Text("Nothing was pinned."))

    def __str__(self) -> str:
        console = Console(width=120, color_system=None, file=None, force_terminal=False, legacy_windows=False)
        with console.capture() as capture:
            console.print(self)
        return capture.get()

    __repr__ = __str__

    def _summary(self) -> Text:
        space = self.space
        share = space.num_moved / max(space.num_weights, 1)
        return Text(f"{space!r}\n{share:.1%} of the {space.num_weights:,} stored numbers are moved by a symmetry.")

    def _layers(self) -> Table:
        table = Table("#", "layer", "units", "operator", "activation", "group", "scale", title="Layers", box=box.SIMPLE)
        for i, layer in enumerate(self.space.layers):
            group = self.space.groups[layer.group]
            operator = str(layer.pointwise) if layer.pointwise else layer.operator
            activation = " ∘ ".join(str(a) for a in reversed(layer.activation))
            name = layer.name + (" (output)" if layer.output else "")
            table.add_row(str(i), name, str(group.size), operator, activation, group.name, self._scale(layer.scale))
        return table

    def _groups(self) -> Table:
        table = Table("group", "units", "permuted", "scale classes", title="Neuron groups", box=box.SIMPLE)
        for i, group in enumerate(self.space.groups):
            classes = [f"{c.name}: {_WORDS[c.values]}" for c in self.space.scales if c.group == i]
            table.add_row(group.name, str(group.size), "no" if group.fixed else "yes", "\n".join(classes) or "-")
        return table

    def _pins(self) -> Table:
        table = Table("where", "operator", "units", "why", title="Pinned", box=box.SIMPLE)
        for pin in self.space.pins:
            table.add_row(pin.where or "(top level)", pin.operator, str(pin.num_units), pin.reason)
        return table

    def _scale(self, scale: Scale) -> str:
        return " ".join(_factor_text(self.space.scales[f.scale_class], f) for f in scale) or "1"


def _factor_text(scale_class: ScaleClass, factor: Factor) -> str:
    name, (_, power, parity) = scale_class.name, factor
    whole = parity == power % 2 if scale_class.values is ScaleSet.NONZERO else True
    if whole and (power or parity):
        return name if power in (0, 1) else f"{name}^{power:g}"
    magnitude = "" if not power else f"|{name}|" + ("" if power == 1 else f"^{power:g}")
    return (f"sgn({name})" if parity else "") + magnitude
