"""Edit what implicit neural representations show by changing their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph
from wsgraph.graph.block_size import spread
from wsgraph.nn.updated import updated
from wsgraph.space import WeightSpace
from wsgraph.tasks.inr_images import EDITS, render
from wsgraph.tasks.task import Task

FIRST_STEP = 0.01


class EditINRs(Task):
    r"""New weights for INRs, such that they show an edited image, as in Zhou et al. (2023),
    `arXiv:2302.14040 <https://arxiv.org/abs/2302.14040>`_.

    .. math::
        W' = W + s (M(W) - W), \qquad
        \mathcal{L} = \operatorname{mean}_{x} \big(f_{W'}(x) - \operatorname{edit}(f_W)(x)\big)^2,

    with a learned step s for each block, which begins at 0.01. The model M is equivariant: edited INRs stay edited,
    whatever symmetry acts on the weights. The edit acts on the image that the INR itself shows, so no images are
    needed. The measure ``nothing`` is the error without any change.

    Args:
        space: The weight space of the INRs.
        family: Short name of the model's family.
        edit: Name of the edit: ``"dilate"`` or ``"contrast"``.
        omega: The frequency of the sine layers.
        image_size: Height and width at which images are compared.
        **options: Of :class:`Task`.
    """

    monitor = "val_mse"
    higher_is_better = False

    def __init__(
        self,
        space: WeightSpace,
        family: str = "dualflow",
        *,
        omega: float,
        image_size: Sequence[int],
        edit: str = "dilate",
        **options: Any,
    ) -> None:
        super().__init__(space, family, out_channels=None, **options)
        if edit not in EDITS:
            raise WSGraphError(f"There is no edit {edit!r}; there are {', '.join(EDITS)}.")
        self.edit, self.omega = edit, float(omega)
        self.image_size = int(image_size[0]), int(image_size[1])
        self.steps = nn.Parameter(torch.full((len(space.blocks),), FIRST_STEP))

    def arguments(self) -> dict[str, Any]:
        """See :class:`Task`."""
        own = {"edit": self.edit, "omega": self.omega, "image_size": list(self.image_size)}
        return {**super().arguments(), **own}

    def forward(self, graphs: NeuronGraph) -> NeuronGraph:
        """The edited INRs."""
        before = graphs.weight_matrix
        after = self.model(graphs).weight_matrix
        return updated(graphs, before + spread(self.space, self.steps) * (after - before))

    def images(self, graphs: NeuronGraph) -> Tensor:
        """What INRs show, ``[B, C, H, W]``."""
        return render(graphs, self.omega, self.image_size)

    def targets(self, graphs: NeuronGraph) -> Tensor:
        """What they should show after the edit, ``[B, C, H, W]``."""
        return EDITS[self.edit](self.images(graphs)).detach()

    def errors(self, before: NeuronGraph, after: NeuronGraph) -> Tensor:
        """The mean squared error of each edited INR, ``[B]``."""
        return (self.images(after) - self.targets(before)).square().flatten(1).mean(1)

    def loss(self, batch: NeuronGraph) -> Tensor:
        """The mean squared error of the edited images."""
        return self.errors(batch, self(batch)).mean()

    def measure(self, batch: NeuronGraph, part: str) -> None:
        """Mean squared errors: of the edited INRs, and of those that nobody has edited."""
        found = {"mse": self.errors(batch, self(batch)), "nothing": self.errors(batch, batch)}
        for name, errors in found.items():
            self.log(f"{part}_{name}", errors.mean(), on_epoch=True, batch_size=len(errors), prog_bar=name == "mse")
