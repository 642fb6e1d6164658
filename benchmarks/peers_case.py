"""What one line of ``benchmarks/peers.py`` measures, and the networks it measures on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wsgraph.datasets.readers.small_cnn import SmallCNN
from wsgraph.zoo import Siren

State = dict[str, Tensor]
CNN_LAYOUT = (1, 16, 16, 16, 10)
"""Channels of the networks of the Small CNN Zoo: grey images, three convolutions, ten classes."""


@dataclass(frozen=True)
class Case:
    """One model on one batch of networks; made of plain values, to be sent to another process.

    Attributes:
        model: Its name, among the families of wsgraph or the adapters.
        code: The folder of a peer's code, or empty for wsgraph's.
        layout: Units or channels of the input networks, from inputs to outputs.
        batch: Number of networks.
        heap: Whether freed memory stays with the process (the setting of the allocator).
        channels: Width of wsgraph's models, or None for the published one.
        device: "cpu" or "cuda".
        threads: Of torch.
        warmup: Runs before those that count.
        repeats: Runs that count, at most.
        seconds: After which no further run begins, and, if the process does not end either, the case is given up.
        gigabytes: Memory that the process may use, beyond the libraries.
        clock: "wall", or "process" for the time of all threads.
    """

    model: str
    code: str
    layout: tuple[int, ...]
    batch: int
    heap: bool
    channels: int | None
    device: str
    threads: int
    warmup: int
    repeats: int
    seconds: float
    gigabytes: float
    clock: str

    @property
    def convolutional(self) -> bool:
        """Whether the networks are CNNs, not SIRENs."""
        return self.layout == CNN_LAYOUT

    @property
    def networks(self) -> str:
        """What the input networks are, in a word."""
        return f"{'CNN' if self.convolutional else 'SIREN'} [{', '.join(map(str, self.layout))}]"

    def network(self) -> nn.Module:
        """A new input network with random weights."""
        if self.convolutional:
            return SmallCNN(self.layout[:-1], self.layout[-1])
        return Siren(self.layout[0], self.layout[1:-1], self.layout[-1])

    def states(self) -> list[State]:
        """The state dicts of the batch, each with its own random weights."""
        torch.manual_seed(0)
        return [self.network().state_dict() for _ in range(self.batch)]


@dataclass(frozen=True)
class Contestant:
    """A model with the way from state dicts to its answer.

    Attributes:
        model: Its parameters.
        convert: From a list of state dicts to the batch that it takes, on the device of the case.
        run: From this batch to its outputs ``[B, out_channels]``; leaves the batch as it is.
        size: Width and depth, in words.
    """

    model: nn.Module
    convert: Callable[[list[State]], Any]
    run: Callable[[Any], Tensor]
    size: str
