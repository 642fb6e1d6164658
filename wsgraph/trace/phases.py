"""Half turns before a sine: which linear maps end in nothing but a sine, and with what factor."""

from __future__ import annotations

from math import pi

from wsgraph.trace.legs import NODE
from wsgraph.trace.tracer import Node, Tracer, Use


def find_phases(tracer: Tracer) -> dict[int, float]:
    """The nodes of linear maps, with a bias and tensors of their own, that only sin(ω z) reads: π / ω of each."""
    found: dict[int, float] = {}
    for node in tracer.sines:
        chain = _chain(tracer, node)
        if chain is not None:
            found[chain[0]] = pi / abs(chain[1])
    return found


def _chain(tracer: Tracer, node: int) -> tuple[int, float] | None:
    """The linear map behind a node of sin(z), through products with numbers; and their product ω."""
    factor = 1.0
    while True:
        entering = [use for use in tracer.uses if use.node == node]
        before = _only_source(entering)
        if before is None or len(tracer.readers.get(before, ())) != 1:
            return None
        node = before
        if tracer.nodes[node].operator == "linear":
            return (node, factor) if factor and _has_tensors_of_its_own(tracer, node) else None
        number = _constant_factor(tracer.nodes[node])
        if number is None:
            return None
        factor *= number


def _only_source(entering: list[Use]) -> int | None:
    if len(entering) != 1 or entering[0].tensor is not None or entering[0].sources is None:
        return None
    sources = set(entering[0].sources[NODE].tolist())
    return sources.pop() if len(sources) == 1 else None


def _constant_factor(node: Node) -> float | None:
    """The number by which an elementwise node multiplies its one operand, or None."""
    if node.pointwise is None or len(node.pointwise.args) != 2:
        return None
    operator, (first, second) = node.pointwise.op.split(".")[0], node.pointwise.args
    number = second if first == "$0" else first
    if operator not in ("mul", "div") or not isinstance(number, int | float):
        return None
    if operator == "div":
        return 1 / number if first == "$0" and number else None
    return float(number)


def _has_tensors_of_its_own(tracer: Tracer, node: int) -> bool:
    """Whether a linear map has a weight and a bias, stored tensors that nothing else reads, and no other summands."""
    entering = [use for use in tracer.uses if use.node == node]
    roles = {use.role for use in entering}
    return roles == {"weight", "bias"} and all(
        use.tensor is not None and len(tracer.readers.get(use.tensor, ())) == 1 for use in entering
    )
