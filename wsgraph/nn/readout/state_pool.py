"""One vector for a network from the final states of its units."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch_geometric.utils import scatter

from wsgraph.errors import WSGraphError
from wsgraph.nn.canonical import canonical
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import structure
from wsgraph.nn.units import HIDDEN, INPUT, OUTPUT, Units, part_of, unit_table
from wsgraph.space import WeightSpace

MAX_PLACES = 64
"""Up to this many inputs (or outputs) are read one by one, more are averaged."""


class StatePool(nn.Module):
    r"""A mean or a sum of invariants over the hidden units, and the states of inputs and outputs, place by place.

    .. math:: \Big[\frac{1}{n} \sum_i \mathrm{SiLU}\Big(\mathrm{LN}\Big(\sum_k A_k\,
        \mathrm{canon}(Γ_k s_{ik})\Big)\Big),\; s_{\text{in}, 1}, \ldots,\; s_{\text{out}, 1}, \ldots\Big]

    with the states :math:`s_{ik}` of unit i: x, or x and y. A linear map behind it makes it as general as a perceptron
    on each unit. Inputs are read where there is a y, which flows to them.

    **Symmetry**: invariant to permutations and to every scale class.

    Args:
        space: The weight space, which sizes the vector.
        channels: Width of a state.
        num_states: Number of states of a unit.
        pool: ``"mean"`` or ``"sum"``. They differ where networks of several sizes meet.
        mixes: See :class:`~wsgraph.nn.ScaleInvariant`.

    Shapes:
        - **output**: ``[B, out_channels]``
    """

    def __init__(
        self, space: WeightSpace, channels: int, num_states: int = 1, pool: str = "mean", mixes: bool = True
    ) -> None:
        super().__init__()
        if pool not in ("mean", "sum"):
            raise WSGraphError(f"pool must be 'mean' or 'sum', got {pool!r}.")
        units = unit_table(space)
        self.channels, self.pool = channels, pool
        self.read = {OUTPUT: 0} if num_states == 1 else {OUTPUT: 0, INPUT: num_states - 1}
        found = {part: units.index[units.part == part] for part in self.read}
        self.places = {part: int(index.max()) + 1 if len(index) else 0 for part, index in found.items()}
        self.mixes = nn.ModuleList(
            nn.Linear(channels, channels, bias=False) if mixes else nn.Identity() for _ in range(num_states)
        )
        self.first = nn.ModuleList(nn.Linear(channels, channels, bias=k == 0) for k in range(num_states))
        self.last = nn.Sequential(nn.LayerNorm(channels), nn.SiLU())

    @property
    def out_channels(self) -> int:
        """Length of the vector."""
        return self.channels * (1 + sum(n if n <= MAX_PLACES else 1 for n in self.places.values()))

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def dense(self, space: WeightSpace, states: list[tuple[Tensor, ...]]) -> Tensor:
        """From the states ``[B, units, channels]`` of every layer."""
        form, parts = structure(space), [part_of(space, i) for i in range(len(states))]
        found = [
            self._invariants(s, form.magnitude[i], form.sign[i]) for i, s in enumerate(states) if parts[i] == HIDDEN
        ]
        hidden = torch.cat(found, dim=1) if found else states[0][0][:, :1] * 0
        vector = [hidden.mean(1) if self.pool == "mean" else hidden.sum(1)]
        for part, k in self.read.items():
            values = [states[i][k] for i, own in enumerate(parts) if own == part]
            if values:
                values = [pad(value, (0, 0, 0, self.places[part] - value.shape[1])) for value in values]
                vector.append(self._placed(sum(values[1:], values[0])))
        return torch.cat(vector, dim=1)

    def sparse(self, states: tuple[Tensor, ...], units: Units, batch: Tensor, num_graphs: int) -> Tensor:
        """From the states ``[N, channels]`` of all nodes."""
        here = units.part == HIDDEN
        found = self._invariants(tuple(s[here] for s in states), units.magnitude[here, None], units.sign[here, None])
        vector = [scatter(found, batch[here], dim_size=num_graphs, reduce=self.pool)]
        for part, k in self.read.items():
            if self.places[part]:
                here = units.part == part
                values = states[k].new_zeros(num_graphs, self.places[part], self.channels)
                places = batch[here], units.index[here]
                vector.append(self._placed(values.index_put(places, states[k][here].to(values), accumulate=True)))
        return torch.cat(vector, dim=1)

    def _invariants(self, states: tuple[Tensor, ...], magnitude: Tensor | bool, sign: Tensor | bool) -> Tensor:
        terms = [
            first(canonical(mix(s), magnitude, sign))
            for s, mix, first in zip(states, self.mixes, self.first, strict=True)
        ]
        return self.last(sum(terms[1:], terms[0]))

    def _placed(self, values: Tensor) -> Tensor:
        """Values ``[B, places, channels]``, one by one or on average."""
        return values.flatten(1) if values.shape[1] <= MAX_PLACES else values.mean(1)
