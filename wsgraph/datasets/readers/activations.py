"""Activation functions by the names that data sets give them."""

from __future__ import annotations

from torch import nn

from wsgraph.errors import WSGraphError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "selu": nn.SELU,
    "elu": nn.ELU,
    "none": nn.Identity,
}


def activation(name: str) -> nn.Module:
    """The activation function of this name (``"leaky_relu"`` is ``"leakyrelu"``).

    Raises:
        WSGraphError: No such function is known.

    Example:
        >>> activation("leaky_relu")
        LeakyReLU(negative_slope=0.01)
    """
    found = ACTIVATIONS.get(str(name).lower().replace("_", ""))
    if found is None:
        raise WSGraphError(f"Expected an activation function among {', '.join(ACTIVATIONS)}, got {name!r}.")
    return found()
