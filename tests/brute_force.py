"""Search for symmetries by trying all: which signed permutations of which tensor axes leave a network's function alone.

Nothing is known of units, groups or operators here. A *slot* is one unknown signed permutation and the tensor axes that
it moves; all combinations of all slots are tried on random data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from math import factorial, prod

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from wsgraph import WeightSpace

TOLERANCE = 1e-9
MAX_CANDIDATES = 10_000_000


@dataclass(frozen=True)
class Slot:
    """One unknown signed permutation.

    Attributes:
        axes: The (tensor, axis) pairs that it moves.
        order: Whether all orders are tried, or only the one that is.
        signs: Whether all signs are tried.
        within: A range along the first axis of the tensors, outside which entries stay.
    """

    axes: tuple[tuple[str, int], ...]
    order: bool = True
    signs: bool = True
    within: tuple[int, int] | None = None

    def size(self, state: Mapping[str, Tensor]) -> int:
        (size,) = {state[name].shape[axis] for name, axis in self.axes}
        return size

    def matrices(self, state: Mapping[str, Tensor]) -> Tensor:
        """``[elements, size, size]``."""
        size = self.size(state)
        orders = list(permutations(range(size))) if self.order else [tuple(range(size))]
        signs = list(product((1.0, -1.0), repeat=size)) if self.signs else [(1.0,) * size]
        rows = torch.eye(size, dtype=torch.float64)[torch.tensor(orders)]
        return (torch.tensor(signs, dtype=torch.float64)[:, None, :, None] * rows).flatten(0, 1)

    def count(self, state: Mapping[str, Tensor]) -> int:
        size = self.size(state)
        return (factorial(size) if self.order else 1) * (2**size if self.signs else 1)


def slot(*axes: tuple[str, int], order: bool = True, signs: bool = True, within: tuple[int, int] | None = None) -> Slot:
    """See :class:`Slot`."""
    return Slot(axes, order, signs, within)


def rows(*modules: str, order: bool = True, signs: bool = True) -> Slot:
    """Rows and biases of linear maps."""
    return Slot(tuple((f"{m}.{kind}", 0) for m in modules for kind in ("weight", "bias")), order, signs)


def columns(*modules: str, order: bool = True, signs: bool = True) -> Slot:
    """Columns of linear maps."""
    return Slot(tuple((f"{m}.weight", 1) for m in modules), order, signs)


# ---------------------------------------------------------------------------------------------------------- search


def search(
    model: nn.Module, x: Tensor, slots: Sequence[Slot], views: Mapping[str, tuple[int, ...]] | None = None
) -> set[bytes]:
    """All weights that combinations of the slots' elements make of the model's, and that compute the same.

    Args:
        model: A network in double precision.
        x: Random inputs; all candidates see the first, and those that pass see all.
        slots: What is tried.
        views: Shapes in which the axes of tensors are counted, where these are not their own.
    """
    state = {name: tensor.detach() for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    shapes = {name: tensor.shape for name, tensor in state.items()}
    viewed = {name: tensor.reshape((views or {}).get(name, tensor.shape)) for name, tensor in state.items()}
    assert prod(s.count(viewed) for s in slots) <= MAX_CANDIDATES, "too many to try"
    variants = dict(viewed)
    for i, one in enumerate(slots):
        for name, axis in one.axes:
            done = sum(any(name == n for n, _ in s.axes) for s in slots[:i])
            variants[name] = _variants(variants[name], one, axis, done, viewed)

    def run(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
        tensors = {name: tensor.reshape(shapes[name]) for name, tensor in tensors.items()}
        return functional_call(model, tensors, (x,)).flatten()

    every = run
    for one in reversed(slots):
        in_dims = {name: 0 if any(name == n for n, _ in one.axes) else None for name in state}
        every = vmap(every, in_dims=(in_dims, None))
    with torch.no_grad():
        kept = _close(every(variants, x[:1]), run(viewed, x[:1])).nonzero()
        found = {
            name: tensor[tuple(kept[:, i] for i in _slots_of(name, slots))]
            if _slots_of(name, slots)
            else tensor.expand(len(kept), *tensor.shape)
            for name, tensor in variants.items()
        }
        kept = _close(vmap(run, in_dims=(0, None))(found, x), run(viewed, x))
    return as_set(torch.cat([tensor.flatten(1) for tensor in found.values()], 1)[kept])


def _slots_of(name: str, slots: Sequence[Slot]) -> list[int]:
    return [i for i, one in enumerate(slots) if any(name == n for n, _ in one.axes)]


def _variants(tensor: Tensor, one: Slot, axis: int, done: int, state: Mapping[str, Tensor]) -> Tensor:
    """A tensor ``[*done, *shape]`` moved along an axis by all elements of a slot, ``[*done, elements, *shape]``."""
    matrices = one.matrices(state)
    moved = tensor.unsqueeze(done).movedim(done + 1 + axis, -1)
    moved = (moved.unsqueeze(-2) * matrices.view(-1, *[1] * (moved.dim() - done - 2), *matrices.shape[1:])).sum(-1)
    moved = moved.movedim(-1, done + 1 + axis)
    if one.within is None:
        return moved
    start, stop = one.within
    before, after = (
        tensor.unsqueeze(done).expand_as(moved).narrow(done + 1, *part)
        for part in ((0, start), (stop, tensor.shape[done] - stop))
    )
    return torch.cat((before, moved.narrow(done + 1, start, stop - start), after), done + 1)


def _close(outputs: Tensor, expected: Tensor) -> Tensor:
    return (outputs - expected).abs().amax(-1) < TOLERANCE * expected.abs().max()


# ------------------------------------------------------------------------------------------------------ comparison


def orbit(space: WeightSpace, model: nn.Module, order: bool = True, signs: bool = True) -> set[bytes]:
    """All weights that the permutations and signs of a weight space make of the model's, by sampling; no half turns.

    A set of n is drawn from 20 n times and more, so that one element is missed with a probability of e^-20.
    """
    state = model.state_dict()
    names = [name for name, tensor in state.items() if tensor.is_floating_point()]
    weights, _ = space.flatten(state)
    generator = torch.Generator().manual_seed(0)
    found: set[bytes] = set()
    draws = 0
    while draws < 20 * (len(found) + 10):
        g = space.random_symmetry(generator, permute=order, scale=signs, max_scale=1.0, batch_size=1000)
        g = replace(g, turns=tuple(torch.zeros_like(turns) for turns in g.turns))
        states = space.unflatten(g.act(weights))
        found |= as_set(torch.cat([states[name].flatten(1) for name in names], 1))
        draws += 1000
    return found


def as_set(states: Tensor) -> set[bytes]:
    """Rows as a set, up to rounding."""
    return {row.tobytes() for row in (states.round(decimals=9) + 0.0).numpy()}
