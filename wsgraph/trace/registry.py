"""The table of operator rules.

A rule is a function ``rule(tracer, *args, **kwargs) -> Value | tuple[Value, ...]`` that takes the arguments of an ATen
operator, with a :class:`~wsgraph.trace.value.Value` for every tensor, tells the tracer what it does to the units, and
returns the value of the result. One file of ``wsgraph/trace/rules/`` holds one family of operators.
"""

from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]

_RULES: dict[str, Rule] = {}
_TRANSPARENT: set[str] = set()


def rule(*operators: str, transparent: bool = False) -> Callable[[Rule], Rule]:
    """Register a rule for ATen operators by name (``"linear"``); overloads and in-place forms share the rule.

    Args:
        *operators: Their names.
        transparent: Whether the operators return their input: then data without units keep their name, too.

    Example:
        >>> from wsgraph.trace import rule
        >>> @rule("my_identity")
        ... def my_identity(tracer, x):
        ...     return x
    """

    def register(function: Rule) -> Rule:
        for name in operators:
            _RULES[name] = function
        if transparent:
            _TRANSPARENT.update(operators)
        return function

    return register


def is_transparent(operator: str) -> bool:
    """Whether an operator returns its input."""
    return operator in _TRANSPARENT


def find_rule(operator: str) -> Rule | None:
    """The rule of an operator, or None."""
    return _RULES.get(operator)
