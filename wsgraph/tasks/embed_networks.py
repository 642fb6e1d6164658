"""Embed networks without labels: two views of a network lie close, different networks far apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from wsgraph.graph import NeuronGraph
from wsgraph.space import WeightSpace
from wsgraph.tasks.task import Augment, Task
from wsgraph.transforms import DropWeights, RandomSymmetry, WeightNoise


class EmbedNetworks(Task):
    r"""Contrastive embeddings, by the loss of Chen et al. (2020), `arXiv:2002.05709 <https://arxiv.org/abs/2002.05709>`_.

    Two views of each network (a random symmetry, noise, dropped weights, and the augmentation, if any) get unit
    vectors z, and

    .. math:: \mathcal{L} = -\log \frac{\exp(z_i \cdot z_{i'} / τ)}{\sum_{j \ne i} \exp(z_i \cdot z_j / τ)}.

    An invariant model does not see the symmetry; for :class:`wsgraph.nn.FlatMLP` it is what there is to learn. With a
    column ``target``, retrieval is measured: the share of networks whose nearest neighbour in the batch has the same
    value of it.

    Args:
        space: The weight space of the networks.
        family: Short name of the model's family.
        channels: Length of the embeddings.
        target: A column of whole numbers by which retrieval is judged.
        temperature: τ.
        noise: Of the views, in units of each block's size.
        drop: Share of weights that a view lacks.
        **options: Of :class:`Task`.
    """

    monitor = "val_retrieval"

    def __init__(
        self,
        space: WeightSpace,
        family: str = "dualflow",
        *,
        channels: int = 64,
        target: str = "label",
        temperature: float = 0.1,
        noise: float = 0.05,
        drop: float = 0.02,
        **options: Any,
    ) -> None:
        augment = options.pop("augment", None)  # a part of each view, not of both
        super().__init__(space, family, out_channels=channels, **options)
        self.channels, self.target, self.temperature = channels, target, temperature
        self.noise, self.drop = noise, drop
        own: list[Augment] = [RandomSymmetry(max_scale=2.0), WeightNoise(noise), DropWeights(drop)]
        self.view = own if augment is None else [augment, *own]
        self.kept: list[tuple[Tensor, Tensor]] = []

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Task`."""
        return (self.target,)

    def arguments(self) -> dict[str, Any]:
        """See :class:`Task`."""
        names = ("channels", "target", "temperature", "noise", "drop")
        return {**super().arguments(), **{name: getattr(self, name) for name in names}}

    def embed(self, graphs: NeuronGraph) -> Tensor:
        """Unit vectors ``[B, channels]``."""
        return F.normalize(self(graphs), dim=1)

    def loss(self, batch: NeuronGraph) -> Tensor:
        """The contrastive loss of two views of every network."""
        z = torch.cat([self.embed(self._viewed(batch)) for _ in range(2)])
        similar = z @ z.T / self.temperature
        similar.fill_diagonal_(float("-inf"))
        count = len(z) // 2
        partner = torch.arange(2 * count, device=z.device).roll(count)
        return F.cross_entropy(similar, partner)

    def measure(self, batch: NeuronGraph, part: str) -> None:
        """Keep the embeddings; retrieval is measured among all of them."""
        self.kept.append((self.embed(batch), getattr(batch, self.target)))

    def on_validation_epoch_end(self) -> None:
        """Log the retrieval."""
        self._log_retrieval("val")

    def on_test_epoch_end(self) -> None:
        """Log the retrieval."""
        self._log_retrieval("test")

    def _log_retrieval(self, part: str) -> None:
        vectors, labels = (torch.cat(tensors) for tensors in zip(*self.kept, strict=True))
        self.kept.clear()
        self.log(f"{part}_retrieval", retrieval(vectors, labels), prog_bar=True, sync_dist=True)

    def _viewed(self, graphs: NeuronGraph) -> NeuronGraph:
        for transform in self.view:
            graphs = transform(graphs)
        return graphs


def retrieval(vectors: Tensor, labels: Tensor) -> Tensor:
    """The share of unit vectors ``[n, c]`` whose nearest other one has the same label ``[n]``.

    Example:
        >>> import torch
        >>> retrieval(torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1.0]]), torch.tensor([3, 3, 5])).item()
        0.6666666865348816
    """
    nearest = []
    for start in range(0, len(vectors), 1024):
        near = vectors[start : start + 1024] @ vectors.T
        rows = torch.arange(len(near), device=near.device)
        near[rows, rows + start] = float("-inf")
        nearest.append(near.argmax(1))
    return (labels[torch.cat(nearest)] == labels).float().mean()
