"""What the tests of transforms share: networks with random weights, what they compute, and what they should."""

from collections.abc import Callable

import torch
from networks import randomize
from torch import Tensor, nn
from torch.func import functional_call

from wsgraph import WeightSpace


class Function(nn.Module):
    """A function of the modules and parameters that it is given, and of the inputs."""

    def __init__(self, function: Callable, **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(self, *inputs)


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.double)


def made(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model in float64, in evaluation, with random weights that hide nothing."""
    return randomize(model.double().eval(), seeded(seed))


def outputs(model: nn.Module, space: WeightSpace, weights: Tensor, *inputs: Tensor) -> Tensor:
    """What the model computes with other weights ``[P]``."""
    integers = space.flatten(model.state_dict())[1]
    return functional_call(model, space.unflatten(weights, integers), inputs).detach()


def mixed(matrix: Tensor, vector: Tensor, values: Tensor, axis: int = -1) -> Tensor:
    """A v + t along one axis."""
    return (values.movedim(axis, -1) @ matrix.T + vector).movedim(-1, axis)


def change(dim: int, kind: str = "general", seed: int = 3) -> tuple[Tensor, Tensor]:
    """A matrix and a vector: "general", "linear" (no shift), "diagonal", "monomial" or "permutation" (no shift)."""
    matrix, vector = normal(dim, dim, seed=seed), normal(dim, seed=seed + 1)
    if kind in ("diagonal", "monomial"):
        matrix = torch.diag(matrix.diagonal())
    if kind in ("monomial", "permutation"):
        order = torch.arange(dim).roll(1)
        matrix = (matrix if kind == "monomial" else torch.eye(dim, dtype=torch.double))[order]
    return matrix, vector * (kind in ("general", "diagonal", "monomial"))


def assert_same(got: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    """Equal up to rounding, relative to the largest number."""
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance * max(1.0, float(expected.abs().max())))
