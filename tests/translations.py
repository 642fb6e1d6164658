"""All that may be added to the weights of a small network, found by numbers: it knows nothing of the trace."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from wsgraph import WeightSpace


def translations(model: nn.Module, space: WeightSpace, x: tuple[Tensor, ...]) -> Tensor:
    """An orthonormal basis ``[P, n]`` of the s with f(W + s) = f(W) for all W: those that all Jacobians send to 0.

    f does not change along s if J(W) s = 0 for all W, since these are its derivatives on the way from W to W + s.
    """
    weights, integers = space.flatten(model.state_dict())
    rng, rows = torch.Generator().manual_seed(0), []

    def outputs(flat: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
        return functional_call(model, states(space, flat, integers), inputs).reshape(-1)

    while sum(map(len, rows)) < 4 * len(weights):
        here = 0.4 + torch.rand(len(weights), generator=rng, dtype=torch.double)
        here = here * (1 - 2.0 * (torch.rand(len(weights), generator=rng) < 0.5))
        rows.append(jacrev(outputs)(here, tuple(varied(v, rng) for v in x)))
    jacobian = torch.cat(rows)
    _, values, directions = torch.linalg.svd(jacobian, full_matrices=True)
    rank = int((values > 1e-9 * values[0]).sum())
    return directions[rank:].T


def varied(x: Tensor, rng: torch.Generator) -> Tensor:
    """Other numbers; whole ones stay."""
    return torch.randn(x.shape, generator=rng, dtype=x.dtype) if x.is_floating_point() else x


def states(space: WeightSpace, flat: Tensor, integers: Tensor) -> dict[str, Tensor]:
    """The state dict of flat weights, with gradients; variances are positive."""
    found = dict(space.unflatten(torch.zeros_like(flat), integers))
    for name in {block.tensor for block in space.blocks}:
        pieces = [(b, flat[part]) for b, part in zip(space.blocks, space.slices, strict=True) if b.tensor == name]
        index = torch.cat([torch.from_numpy(block.index().reshape(-1)) for block, _ in pieces])
        values = torch.cat([values for _, values in pieces])[index.argsort()].reshape(found[name].shape)
        found[name] = values.abs() if name.endswith("running_var") else values
    for tensor in space.tensors:
        if tensor.same_as:
            found[tensor.name] = found[tensor.same_as]
    return found


def found_shifts(space: WeightSpace) -> Tensor:
    """Orthonormal directions ``[P, n]`` of all shifts of a space."""
    rows = []
    for number, shift in enumerate(space.shifts):
        for one in torch.eye(shift.numel, dtype=torch.double):
            shifts = [None] * len(space.shifts)
            shifts[number] = one.reshape(shift.runs)
            rows.append(replace(space.identity(), shifts=tuple(shifts)).act(torch.zeros(space.num_weights).double()))
    if not rows:
        return torch.zeros(space.num_weights, 0, dtype=torch.double)
    left, values, _ = torch.linalg.svd(torch.stack(rows).T, full_matrices=False)
    return left[:, values > 1e-9]
