"""Embed networks without labels, and look up networks that show the same.

Fits INRs to scikit-learn's digits, trains contrastive embeddings of their weights (two noisy views of a network lie
close, different networks far apart), and looks whether the nearest neighbour of an INR shows the same digit. Run
``python examples/embed_networks.py`` (``--fast`` for a rehearsal).
"""

from __future__ import annotations

from pathlib import Path

import torch
from common import compared, digit_inrs, read_options
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wsgraph.datasets import WeightDataset
from wsgraph.tasks import EmbedNetworks, Task, TaskMaker
from wsgraph.transforms import InputAffine


@torch.no_grad()
def draw(task: EmbedNetworks, inrs: WeightDataset, path: Path) -> None:
    """The first two principal components of the embeddings, coloured by digit."""
    vectors = torch.cat([task.embed(batch) for batch in inrs.batches(256)])
    plane = torch.pca_lowrank(vectors, q=2)[0]
    figure = Figure(figsize=(6, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    points = axis.scatter(*plane.T, c=inrs.column("label"), cmap="tab10", s=6)
    axis.legend(*points.legend_elements(), title="digit", loc="center left", bbox_to_anchor=(1, 0.5))
    axis.set(xticks=[], yticks=[], title="Embeddings of INRs, two principal components")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Make the INRs, compare, print the table, draw the embeddings."""
    options = read_options(__doc__ or "", "embed_networks", ("dualflow", "scalegmn", "monomial", "flat"))
    inrs = digit_inrs(options)
    augment = InputAffine(rotation=8, scale=(0.93, 1.07), shear=0.08, shift=0.08)
    title = "Share of INRs whose nearest neighbour shows the same digit (chance: 10 %)"
    compared(options, TaskMaker("embed"), inrs, title, 10, batch_size=128, by="image_index", augment=augment)
    task = Task.load(options.runs / f"{options.models[0]}-0" / "best.ckpt")
    assert isinstance(task, EmbedNetworks)
    draw(task, inrs, options.out / "embeddings.png")


if __name__ == "__main__":
    main()
