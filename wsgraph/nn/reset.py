"""New initial weights for everything inside a module."""

from torch import nn


def reset_children(module: nn.Module) -> None:
    """Call ``reset_parameters`` of every child that has it, and go into the others."""
    for child in module.children():
        reset = getattr(child, "reset_parameters", None)
        if callable(reset):
            reset()
        else:
            reset_children(child)
