"""The initial weights of SIRENs, for one network or for a stack of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wsgraph.zoo.states import state_shapes


def draw_states(
    count: int,
    sizes: Sequence[int],
    omega: float,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    r"""Draw initial SIRENs by section 3.2 of Sitzmann et al. (2020), `arXiv:2006.09661 <https://arxiv.org/abs/2006.09661>`_.

    .. math::
        W_1 \sim U(\pm 1 / n), \qquad W_{l>1} \sim U(\pm \sqrt{6 / n} / ω), \qquad b \sim U(\pm 1 / \sqrt n),

    where n is the fan-in of the layer. The paper leaves the biases open; they follow its published code, which keeps
    the default of :class:`torch.nn.Linear`. All numbers of network i are drawn before those of network i + 1, so the
    first k networks are the same whatever the count.

    Args:
        count: Number of networks.
        sizes: Widths from the input to the output.
        omega: The frequency ω.
        generator: Source of randomness, or None for torch's global one. The result lives on its device.
        dtype: Of the result; None for torch's default.

    Returns:
        Stacked tensors ``[count, ...]`` under the names of :meth:`Siren.state_dict`.
    """
    device = generator.device if generator is not None else None
    shapes = state_shapes(sizes)
    lengths = [math.prod(shape) for shape in shapes.values()]
    draws = torch.rand(count, sum(lengths), generator=generator, dtype=dtype, device=device)
    parts = zip(shapes.items(), _bounds(sizes, omega), draws.split(lengths, dim=1), strict=True)
    return {name: ((2 * part - 1) * bound).reshape(count, *shape) for (name, shape), bound, part in parts}


def _bounds(sizes: Sequence[int], omega: float) -> list[float]:
    """The largest absolute value of every initial tensor, in the order of the state dict."""
    bounds = []
    for layer, fan_in in enumerate(sizes[:-1]):
        weight = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / omega
        bounds += [weight, 1 / math.sqrt(fan_in)]
    return bounds
