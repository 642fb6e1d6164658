"""Training many small networks: all at once against one by one, in the same number of steps, on the same cores.

Run ``python benchmarks/zoo.py``. Prints networks per second for SIRENs [2, 32, 32, 1] on images (the digits of 8 × 8
pixels, or an archive as for ``wsgraph zoo``), and for a small CNN and a perceptron that learn to name them. One after
the other means plain PyTorch: a module, autograd, and Adam of ``torch.optim``, fused.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from wsgraph.cli.zoo_data import load_images, split_classes
from wsgraph.zoo import Constant, Hyperparameters, Siren, fit_inrs, pixel_grid, small_cnn, train_classifiers

BATCH_SIZE = 32
NUM_IMAGES = 1_437  # for classifiers: the digits to train on


def perceptron(pixels: int) -> nn.Sequential:
    """Two hidden layers of 32, ten classes."""
    layers = (nn.Linear(pixels, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))
    return nn.Sequential(nn.Flatten(), *layers)


def seconds(run: Callable[[], object]) -> float:
    """The time of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def fit_alone(image: Tensor, steps: int) -> None:
    """Fit one SIREN to an image ``[1, H, W]``."""
    model = Siren()
    points, target = pixel_grid(*image.shape[1:]), image.flatten(1).T
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        F.mse_loss(model(points), target).backward()
        optimizer.step()
        schedule.step()


def train_alone(model: nn.Module, x: Tensor, y: Tensor, epochs: int) -> None:
    """Train one classifier."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for _ in range(epochs):
        for places in islice(torch.randperm(len(x)).split(BATCH_SIZE), len(x) // BATCH_SIZE):
            optimizer.zero_grad()
            F.cross_entropy(model(x[places]), y[places]).backward()
            optimizer.step()


def classifier_rates(factory: Callable[[], nn.Module], x: Tensor, y: Tensor, count: int, few: int) -> list[float]:
    """Networks per second, all at once and one after the other."""
    x, y = x[:NUM_IMAGES], y[:NUM_IMAGES]
    adam = Hyperparameters(optimizer=Constant("adam"), lr=Constant(1e-3), fraction=Constant(1.0), epochs=Constant(1))
    settings = {"hyperparameters": adam, "batch_size": BATCH_SIZE, "progress": False}

    def train(number: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            train_classifiers(factory, (x, y), folder, count=number, **settings)

    train(1)  # imports, and what torch does once
    batched = count / seconds(lambda: train(count))
    return [batched, few / seconds(lambda: [train_alone(factory(), x, y, 1) for _ in range(few)])]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=128, help="networks trained at once")
    parser.add_argument("--few", type=int, default=4, help="networks trained one after the other")
    parser.add_argument("--steps", type=int, default=200, help="of each INR; classifiers take one epoch")
    parser.add_argument("--data", default="digits", help="images: digits, or a file .npz with x_train and y_train")
    parser.add_argument("--cores", type=int, default=1, help="for all at once, and for the operators of one")
    options = parser.parse_args()
    torch.set_num_threads(options.cores)
    x, y, _, _ = split_classes(load_images(options.data), options.data)
    count, few, steps = options.count, options.few, options.steps
    rates = {
        f"SIREN [2, 32, 32, 1], {steps} steps": [
            count / seconds(lambda: fit_inrs(x[:count], steps=steps, progress=False)),
            few / seconds(lambda: [fit_alone(image, steps) for image in x[:few]]),
        ],
        "small CNN, one epoch": classifier_rates(small_cnn, x, y, count, few),
        "perceptron, one epoch": classifier_rates(partial(perceptron, x[0].numel()), x, y, count, few),
    }
    table = Table("", "at once", "one by one", "ratio", title=f"Networks per second, cores: {options.cores}")
    for name, (batched, alone) in rates.items():
        table.add_row(name, f"{batched:.2f}", f"{alone:.2f}", f"{batched / alone:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
